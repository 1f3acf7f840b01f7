/** Latches, condition variables, message queues, dynamic segments and barriers between real processes. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildProgram, FORK_FLAGS, type Program } from '../support/build-program.ts';

let program: Program;
beforeAll(() => {
  program = buildProgram('ipc.ts');
});
afterAll(() => program.remove());
const run = (scenario: string): Record<string, unknown> =>
  JSON.parse(
    execFileSync(process.execPath, [...FORK_FLAGS, program.path, scenario], { encoding: 'utf8', timeout: 55_000 }),
  ) as Record<string, unknown>;

test('20,000 hand-overs by latch lose no wake-up [latch L1, L2, L3]', () => {
  expect(run('latch')).toEqual({ failures: [], turns: 20_000, expected: 20_000 });
});
test('every sleeper of a condition variable sees every broadcast [C1, C2]', () => {
  expect(run('conditionVariable')).toEqual({ failures: [], seen: 2000, expected: 2000 });
});
test('a message queue passes messages longer than its ring, in order, and is drained after its sender left [Q1, Q2, Q3]', () => {
  expect(run('messageQueue')).toEqual({ failures: [], count: 400, expected: 400, same: true });
});
test('a dynamic segment lives as long as it is pinned or attached, and its space comes back zeroed', () => {
  expect(run('dsm')).toEqual({ failures: [], sevens: 100_000, gone: 1, reused: 1 });
});
test('who waits for a barrier goes on only after everybody has absorbed it', () => {
  expect(run('barrier')).toEqual({ failures: [], early: 0, absorbed: 60, expected: 60 });
});
