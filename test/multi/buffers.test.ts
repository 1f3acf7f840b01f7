/** The buffer pool between real processes: nothing that was written is lost, nothing stays pinned. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildProgram, FORK_FLAGS, type Program } from '../support/build-program.ts';

let torture: Program;
beforeAll(() => {
  torture = buildProgram('buffers.ts');
});
afterAll(() => torture.remove());

interface Outcome {
  failures: string[];
  wrong: number;
  total: number;
  cleanups: number;
  pinned: number;
  violations: number;
  extended: number;
  grownBlocks: number;
}

test.each([
  [2, 3000, 1],
  [4, 2000, 20_261_121],
])(
  '%i processes, %i operations each through a tiny pool: counters on the pages are exact',
  (processes, operations, seed) => {
    const text = execFileSync(
      process.execPath,
      [...FORK_FLAGS, torture.path, ...[processes, operations, seed].map(String)],
      { encoding: 'utf8', timeout: 55_000 },
    );
    const outcome = JSON.parse(text) as Outcome;
    expect(outcome.failures).toEqual([]);
    expect(outcome).toMatchObject({ wrong: 0, pinned: 0, violations: 0 });
    expect(outcome.total).toBeGreaterThan((processes * operations) / 4);
    expect(outcome.cleanups).toBeGreaterThan(0);
    expect(outcome.grownBlocks).toBe(outcome.extended);
  },
);
