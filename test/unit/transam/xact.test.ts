/** The block-state machine against what PostgreSQL 15 does, statement by statement. */
import { beforeEach, expect, test } from 'vitest';
import { reportHooks, toPgError } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { setConfigOption, setConfigOptionExt } from '#runtime/guc/guc.ts';
import {
  beginImplicitTransactionBlock,
  beginTransactionBlock,
  defineSavepoint,
  endImplicitTransactionBlock,
  endTransactionBlock,
  preventInTransactionBlock,
  releaseSavepoint,
  requireTransactionBlock,
  rollbackToSavepoint,
  userAbortTransactionBlock,
} from '#transam/xact-block.ts';
import { registerXactParticipant } from '#transam/xact-callbacks.ts';
import {
  abortCurrentTransaction,
  abortOutOfAnyTransaction,
  commitTransactionCommand,
  currentState,
  noteSnapshotTaken,
  startTransactionCommand,
  transactionBlockStatus,
  transactionNestLevel,
} from '#transam/xact.ts';

let notices: string[] = [];
reportHooks.emit = (level, fields) => void notices.push(`${level} ${fields.code}: ${fields.message}`);
reportHooks.exitProcess = () => {
  throw new Error('process ended');
};
const events: string[] = [];
registerXactParticipant({
  name: 'probe',
  rank: 1,
  atStart: () => void events.push('start'),
  atCommit: () => void events.push('commit'),
  atAbort: () => void events.push('abort'),
  atCleanup: () => void events.push('cleanup'),
  atSubStart: (id) => void events.push(`sub-start ${id}`),
  atSubCommit: (id) => void events.push(`sub-commit ${id}`),
  atSubAbort: (id) => void events.push(`sub-abort ${id}`),
});

/** Runs one command as the main loop does; answers ReadyForQuery's byte, or the error's code and that byte. */
function command(work: () => unknown): string {
  try {
    startTransactionCommand();
    work();
    commitTransactionCommand();
    return transactionBlockStatus();
  } catch (caught) {
    abortCurrentTransaction();
    return `${toPgError(caught).code} ${transactionBlockStatus()}`;
  }
}
const fail = (): never => {
  throw new RangeError('boom');
};
const begin = (): string => command(beginTransactionBlock);
const commit = (chain = false): string => command(() => endTransactionBlock(chain));
const rollback = (chain = false): string => command(() => userAbortTransactionBlock(chain));
const savepoint = (name: string): string => command(() => defineSavepoint(name));
const nothing = (): string => command(() => undefined);

beforeEach(() => {
  abortOutOfAnyTransaction();
  notices = [];
  events.length = 0;
});

test('a single command commits by itself', () => {
  expect(nothing()).toBe('I');
  expect(events).toEqual(['start', 'commit']);
});

test('a single command that fails leaves nothing behind', () => {
  expect(command(fail)).toBe('XX000 I');
  expect(events).toEqual(['start', 'abort', 'cleanup']);
  expect(currentState().blockState).toBe('default');
});

test('BEGIN … COMMIT is one transaction', () => {
  expect([begin(), nothing(), commit()]).toEqual(['T', 'T', 'I']);
  expect(events).toEqual(['start', 'commit']);
});

test('an error in a block waits for ROLLBACK or COMMIT', () => {
  begin();
  expect(command(fail)).toBe('XX000 E');
  expect(events).toEqual(['start', 'abort']);
  let committed = true;
  expect(command(() => (committed = endTransactionBlock(false)))).toBe('I');
  expect(committed).toBe(false);
  expect(events).toEqual(['start', 'abort', 'cleanup']);
});

test('BEGIN inside a block, COMMIT and ROLLBACK outside only warn', () => {
  begin();
  expect(begin()).toBe('T');
  expect(rollback()).toBe('I');
  expect(commit()).toBe('I');
  expect(rollback()).toBe('I');
  expect(notices).toEqual([
    'WARNING 25001: there is already a transaction in progress',
    'WARNING 25P01: there is no transaction in progress',
    'WARNING 25P01: there is no transaction in progress',
  ]);
});

test('savepoints nest, are released, and rolled back to', () => {
  begin();
  expect(savepoint('a')).toBe('T');
  expect(savepoint('b')).toBe('T');
  expect(transactionNestLevel()).toBe(3);
  expect(command(fail)).toBe('XX000 E');
  expect(command(() => rollbackToSavepoint('a'))).toBe('T');
  expect(transactionNestLevel()).toBe(2);
  expect(command(() => releaseSavepoint('b'))).toBe('3B001 E');
  expect(command(() => rollbackToSavepoint('a'))).toBe('T');
  expect(command(() => releaseSavepoint('a'))).toBe('T');
  expect(transactionNestLevel()).toBe(1);
  expect(commit()).toBe('I');
  expect(events).toEqual([
    'start',
    'sub-start 2',
    'sub-start 3',
    'sub-abort 3',
    'sub-abort 2',
    'sub-start 4',
    'sub-abort 4',
    'sub-start 5',
    'sub-commit 5',
    'commit',
  ]);
});

test('COMMIT ends all levels, ROLLBACK too', () => {
  begin();
  savepoint('a');
  savepoint('b');
  expect(commit()).toBe('I');
  begin();
  savepoint('a');
  command(fail);
  expect(rollback()).toBe('I');
  expect(events).toEqual([
    'start',
    'sub-start 2',
    'sub-start 3',
    'sub-commit 3',
    'sub-commit 2',
    'commit',
    'start',
    'sub-start 2',
    'sub-abort 2',
    'abort',
    'cleanup',
  ]);
});

test('an unknown savepoint is 3B001, a failed block stays failed', () => {
  begin();
  expect(command(() => rollbackToSavepoint('x'))).toBe('3B001 E');
  expect(command(() => rollbackToSavepoint('x'))).toBe('3B001 E');
  expect(rollback()).toBe('I');
});

test('AND CHAIN opens the next block with the same characteristics', () => {
  begin();
  command(() => setConfigOptionExt('transaction_isolation', 'serializable', 'user', 'session', { action: 'local' }));
  expect(settings.transaction_isolation).toBe('serializable');
  expect(commit(true)).toBe('T');
  expect(settings.transaction_isolation).toBe('serializable');
  expect(rollback(true)).toBe('T');
  expect(settings.transaction_isolation).toBe('serializable');
  expect(commit()).toBe('I');
  nothing();
  expect(settings.transaction_isolation).toBe('read committed');
  expect(commit(true)).toBe('25P01 I');
});

test('several statements of a simple query share an implicit block', () => {
  startTransactionCommand();
  beginImplicitTransactionBlock();
  commitTransactionCommand();
  expect(currentState().blockState).toBe('implicitInprogress');
  expect(() => defineSavepoint('x')).toThrow('SAVEPOINT can only be used in transaction blocks');
  startTransactionCommand();
  beginTransactionBlock();
  commitTransactionCommand();
  expect(currentState().blockState).toBe('inprogress');
  userAbortTransactionBlock(false);
  commitTransactionCommand();
  startTransactionCommand();
  beginImplicitTransactionBlock();
  commitTransactionCommand();
  endImplicitTransactionBlock();
  commitTransactionCommand();
  expect(currentState().blockState).toBe('default');
});

test('an error in an implicit block rolls everything back at once', () => {
  startTransactionCommand();
  beginImplicitTransactionBlock();
  commitTransactionCommand();
  abortCurrentTransaction();
  expect(transactionBlockStatus()).toBe('I');
});

test('commands that cannot be rolled back refuse blocks; others refuse to be outside', () => {
  begin();
  expect(command(() => preventInTransactionBlock(true, 'VACUUM'))).toBe('25001 E');
  rollback();
  expect(command(() => preventInTransactionBlock(true, 'VACUUM'))).toBe('I');
  expect(command(() => preventInTransactionBlock(false, 'VACUUM'))).toBe('25001 I');
  expect(command(() => requireTransactionBlock(true, 'LOCK TABLE'))).toBe('25P01 I');
});

test('SET in a block is undone by ROLLBACK, SET LOCAL by COMMIT, each by its savepoint', () => {
  const before = settings.work_mem;
  begin();
  command(() => setConfigOption('work_mem', '1111', 'user', 'session'));
  savepoint('a');
  command(() => setConfigOptionExt('work_mem', '2222', 'user', 'session', { action: 'local' }));
  expect(settings.work_mem).toBe(2222);
  command(() => rollbackToSavepoint('a'));
  expect(settings.work_mem).toBe(1111);
  rollback();
  expect(settings.work_mem).toBe(before);
});

test('characteristics are fixed by the first snapshot', () => {
  begin();
  command(noteSnapshotTaken);
  const set = (name: string, value: string): string =>
    command(() => setConfigOptionExt(name, value, 'user', 'session', { action: 'local' }));
  expect(set('transaction_read_only', 'on')).toBe('T');
  expect(set('transaction_isolation', 'serializable')).toBe('25001 E');
  rollback();
  begin();
  command(() => setConfigOptionExt('transaction_read_only', 'on', 'user', 'session', { action: 'local' }));
  command(noteSnapshotTaken);
  expect(set('transaction_read_only', 'off')).toBe('25001 E');
  rollback();
});

test('a subtransaction may become read-only and its parent does not', () => {
  begin();
  savepoint('a');
  command(() => setConfigOptionExt('transaction_read_only', 'on', 'user', 'session', { action: 'local' }));
  expect(settings.transaction_read_only).toBe(true);
  command(() => releaseSavepoint('a'));
  expect(settings.transaction_read_only).toBe(false);
  rollback();
});
