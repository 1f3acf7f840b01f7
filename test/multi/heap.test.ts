/** Rows that several processes change and lock at the same time. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildProgram, FORK_FLAGS, type Program } from '../support/build-program.ts';

let program: Program;
beforeAll(() => {
  program = buildProgram('heap-concurrency.ts');
});
afterAll(() => program.remove());
const run = (...args: string[]): Record<string, unknown> =>
  JSON.parse(
    execFileSync(process.execPath, [...FORK_FLAGS, program.path, ...args], {
      encoding: 'utf8',
      timeout: 55_000,
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  ) as Record<string, unknown>;

test('no increment is lost between updaters, lockers and vacuum', () => {
  expect(run('counters', '60')).toEqual({ failures: [], keys: [0, 1, 2, 3], sum: 240, done: 240, locks: 120 });
});

test('rows of concurrent insertions are there once, those taken back are not', () => {
  expect(run('inserts', '200')).toEqual({ failures: [], extra: 0, missing: 0 });
});
