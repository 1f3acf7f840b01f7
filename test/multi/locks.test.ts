/** Heavyweight locks between real processes. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildProgram, FORK_FLAGS, type Program } from '../support/build-program.ts';

let program: Program;
beforeAll(() => {
  program = buildProgram('locks.ts');
});
afterAll(() => program.remove());
const run = (...args: string[]): Record<string, unknown> =>
  JSON.parse(
    execFileSync(process.execPath, [...FORK_FLAGS, program.path, ...args], { encoding: 'utf8', timeout: 55_000 }),
  ) as Record<string, unknown>;

const EMPTY = { locks: 0, procLocks: 0 };

test('six processes with random modes never are inside together when their modes conflict, and leave nothing behind', () => {
  expect(run('torture', '1500')).toEqual({ failures: [], violations: 0, done: 9000, usage: EMPTY });
});

test('a deadlock of two has one victim, told in PostgreSQL’s words', () => {
  const { text, log, ...rest } = run('deadlock2');
  expect(rest).toEqual({ failures: [], victims: 1, winners: 1, usage: EMPTY });
  const victim = /Process (P\d) waits for ShareLock on transaction (\d+)/.exec(text as string)!;
  const [v, o] = victim[1] === 'P0' ? ['P0', 'P1'] : ['P1', 'P0'];
  const xid = { P0: 100, P1: 101 } as Record<string, number>;
  expect(text).toBe(
    [
      '40P01',
      'deadlock detected',
      `Process ${v} waits for ShareLock on transaction ${xid[o!]}; blocked by process ${o}.\n` +
        `Process ${o} waits for ShareLock on transaction ${xid[v!]}; blocked by process ${v}.`,
      'See server log for query details.',
    ].join('|'),
  );
  expect(log).toMatch(/\nProcess P\d: <backend information not available>\nProcess P\d: <backend information/);
});

test('a deadlock of three has one victim', () => {
  const { text, log, ...rest } = run('deadlock3');
  expect(rest).toEqual({ failures: [], victims: 1, winners: 2, usage: EMPTY });
  expect((text as string).split('\n')).toHaveLength(3);
  expect(log).toContain(String(text).split('|')[2]!);
});

test('two holders of share that both want more: the second is told at once', () => {
  expect(run('upgradeDeadlock')).toEqual({
    failures: [],
    victims: 1,
    winners: 1,
    text:
      'deadlock detected|Process N waits for AccessExclusiveLock on relation 1 of database 5; blocked by process N.\n' +
      'Process N waits for AccessExclusiveLock on relation 1 of database 5; blocked by process N.',
    usage: EMPTY,
  });
});

test('a cycle through the order of a queue is resolved by another order', () => {
  expect(run('softDeadlock')).toEqual({ failures: [], granted: 3, usage: EMPTY });
});

test('a lock noted in a fast-path slot excludes a strong one', () => {
  expect(run('fastPathTransfer')).toEqual({ failures: [], waited: 1, usage: EMPTY });
});

test('lock_timeout ends a wait and leaves the queue', () => {
  expect(run('lockTimeout')).toEqual({
    failures: [],
    text: 'canceling statement due to lock timeout',
    stillWaiting: 0,
    usage: EMPTY,
  });
});

test('waiters are served in the order of their arrival', () => {
  expect(run('order')).toEqual({ failures: [], order: [0, 1, 2, 3], usage: EMPTY });
});

test('a virtual transaction can be waited for', () => {
  expect(run('virtualXid')).toEqual({ failures: [], waited: 1, otherIsOver: 1, usage: EMPTY });
});
