/** LWLocks between real processes, and the same code under worker_threads. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildProgram, FORK_FLAGS, type Program } from '../support/build-program.ts';

let torture: Program;
let threads: Program;
beforeAll(() => {
  torture = buildProgram('lwlock-torture.ts');
  threads = buildProgram('lwlock-threads.ts');
});
afterAll(() => {
  torture.remove();
  threads.remove();
});

interface Outcome {
  expected: number[];
  counters: number[];
  violations: number[];
  failures: string[];
  stopped: number;
}
function run(program: Program, flags: readonly string[], args: readonly (string | number)[]): Outcome {
  const text = execFileSync(process.execPath, [...flags, program.path, ...args.map(String)], {
    encoding: 'utf8',
    timeout: 310_000,
  });
  return JSON.parse(text) as Outcome;
}
function check(outcome: Outcome): void {
  expect(outcome.failures).toEqual([]);
  expect(outcome.violations).toEqual([0, 0, 0]);
  expect(outcome.counters).toEqual(outcome.expected);
}

test('a million operations of 8 processes are exact, though processes are stopped and continued at random', () => {
  const outcome = run(torture, FORK_FLAGS, [8, 125_000, 20_261_121, 'stop']);
  check(outcome);
  expect(outcome.stopped).toBeGreaterThan(0);
}, 320_000);

test('two processes that alternate on one lock lose no wake-up', () => {
  check(run(torture, FORK_FLAGS, [2, 200_000, 7]));
});

test('the same lock code holds between worker_threads on one buffer', () => {
  check(run(threads, [], [4, 50_000, 11]));
});
