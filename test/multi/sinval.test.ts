/** Invalidation messages between real processes. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildProgram, FORK_FLAGS, type Program } from '../support/build-program.ts';

let program: Program;
beforeAll(() => {
  program = buildProgram('sinval.ts');
});
afterAll(() => program.remove());

interface Reader {
  wrong: number;
  resets: number;
  seen: number;
  catchups: number;
  last: number[];
}
interface Outcome {
  failures: string[];
  readers: [Reader, Reader, Reader];
}

test('every reader sees every message in order, or is told that it has lost some', () => {
  const text = execFileSync(process.execPath, [...FORK_FLAGS, program.path, '20000'], {
    encoding: 'utf8',
    timeout: 55_000,
  });
  const { failures, readers } = JSON.parse(text) as Outcome;
  expect(failures).toEqual([]);
  for (const reader of readers) {
    expect(reader.wrong).toBe(0);
    // Who lost nothing has everything.
    if (reader.resets === 0) expect(reader).toMatchObject({ seen: 40_000, last: [20_000, 20_000] });
  }
  // Who never looks falls behind by more than the ring, whatever it is asked.
  expect(readers[2].resets).toBeGreaterThan(0);
  expect(readers[1].catchups + readers[2].catchups).toBeGreaterThan(0);
});
