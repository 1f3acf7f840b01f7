/** The WAL writer between real processes: one small ring, eight insertion locks, group flush. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildProgram, FORK_FLAGS, type Program } from '../support/build-program.ts';

let program: Program;
beforeAll(() => {
  program = buildProgram('wal.ts');
});
afterAll(() => program.remove());

interface Outcome {
  failures: string[];
  wrong: string[];
  seen: number[];
  end: string;
  segments: number;
  records: number;
  buffersFull: number;
}
function run(...args: (string | number)[]): Outcome {
  const text = execFileSync(process.execPath, [...FORK_FLAGS, program.path, ...args.map(String)], {
    encoding: 'utf8',
    timeout: 58_000,
  });
  return JSON.parse(text.trim().split('\n').at(-1)!) as Outcome;
}

test('records of 6 processes that are stopped at random are all there, whole and in order', () => {
  const outcome = run(6, 1500, 4242, 'stop');
  expect(outcome.failures).toEqual([]);
  expect(outcome.wrong).toEqual([]);
  expect(outcome.seen).toEqual(Array.from({ length: 6 }, () => 1501));
  expect(outcome.end).toMatch(/wanted 24, got 0$/);
  expect(outcome.segments).toBeGreaterThan(10);
  // Eight buffers are few: inserters had to write pages out themselves.
  expect(outcome.buffersFull).toBeGreaterThan(0);
  expect(outcome.records).toBeGreaterThanOrEqual(6 * 1501);
}, 60_000);
