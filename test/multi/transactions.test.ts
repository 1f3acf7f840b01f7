/** Transactions of real processes: what is committed is seen by all at one instant, and whole. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildProgram, FORK_FLAGS, type Program } from '../support/build-program.ts';

let program: Program;
beforeAll(() => {
  program = buildProgram('transactions.ts');
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

test('snapshots see transactions whole, the same way twice, and never less than before', () => {
  expect(run('torture', '400')).toEqual({
    failures: [],
    torn: 0,
    changed: 0,
    lost: 0,
    readers: 2,
    wrong: 0,
    members: 1,
    enough: true,
  });
});

test('who waits for a transaction or its subtransaction goes on when it has committed', () => {
  expect(run('wait')).toEqual({ failures: [], waited: 2, sawCommit: 2 });
});

test('commits that gather behind held locks are done by a leader, none is lost', () => {
  expect(run('group', '100')).toEqual({ failures: [], committed: 600, idle: true, completed: 602 });
});
