/** Heavyweight locks of one process: conflict table, counts by owner, sessions, what a transaction's end releases. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { rows } from '#catalog/data/pg-class.generated.ts';
import { reportHooks } from '#runtime/error/report.ts';
import { myProcess } from '#runtime/my-process.ts';
import { ResourceOwner, setCurrentResourceOwner } from '#runtime/resource-owner.ts';
import { lockAcquire, lockHeldByMe, lockRelease } from '#storage/lmgr/lock.ts';
import { LOCK, LOCK_CONFLICTS, LOCK_METHOD, type LockMode, lockModesConflict } from '#storage/lmgr/lock-modes.ts';
import { lockReleaseAll, lockReleaseSession, releaseLocksAtExit } from '#storage/lmgr/lock-release.ts';
import { blockingPids, getLockStatusData } from '#storage/lmgr/lock-status.ts';
import { lockTableUsage } from '#storage/lmgr/lock-table.ts';
import { describeLockTag, LockTag } from '#storage/lmgr/lock-tag.ts';
import { isSharedRelation, lockRelationOid } from '#storage/lmgr/lmgr.ts';
import { getLockConflicts, virtualXactLockTableInsert } from '#storage/lmgr/virtual-xact.ts';
import { beginTransaction, DATABASE, openLockFixture } from '../../../support/lock-fixture.ts';

/** PostgreSQL's table, as its documentation prints it: rows request, columns hold. */
const DOCUMENTED = ['.......X', '......XX', '....XXXX', '...XXXXX', '..XX.XXX', '..XXXXXX', '.XXXXXXX', 'XXXXXXXX'];

test('lock modes exclude each other as documented', () => {
  for (let one = 1; one <= 8; one++)
    for (let other = 1; other <= 8; other++) {
      expect(lockModesConflict(one, other), `${one} with ${other}`).toBe(DOCUMENTED[one - 1]![other - 1] === 'X');
      expect(lockModesConflict(one, other)).toBe(lockModesConflict(other, one));
    }
  expect(LOCK_CONFLICTS).toHaveLength(9);
});

test('the shared relations are those that pg_class says', () => {
  const shared = new Set<number>();
  let oid = 2619;
  // Rows are compressed: an empty column has the default, and relisshared is the fifteenth.
  for (const line of rows.split('\n')) {
    const columns = line.split('\t');
    oid = columns[0] === '' ? 2619 : Number(columns[0]);
    if (columns[14] === 't') shared.add(oid);
  }
  expect(shared.size).toBeGreaterThan(40);
  for (const one of shared) expect(isSharedRelation(one), String(one)).toBe(true);
  for (const one of [1259, 1247, 2619, 16384]) expect(isSharedRelation(one)).toBe(false);
});

test('tags are described in PostgreSQL’s words', () => {
  const tag = new LockTag();
  expect(describeLockTag(tag.setRelation(5, 16384))).toBe('relation 16384 of database 5');
  expect(describeLockTag(tag.setRelationExtend(5, 1))).toBe('extension of relation 1 of database 5');
  expect(describeLockTag(tag.setTuple(5, 1, 7, 3))).toBe('tuple (7,3) of relation 1 of database 5');
  expect(describeLockTag(tag.setTransaction(777))).toBe('transaction 777');
  expect(describeLockTag(tag.setVirtualTransaction(3, 12))).toBe('virtual transaction 3/12');
  expect(describeLockTag(tag.setObject(5, 1262, 1, 0))).toBe('object 1 of class 1262 of database 5');
  expect(describeLockTag(tag.setAdvisory(5, 0, 42, 1))).toBe('advisory lock [5,0,42,1]');
});

describe('one process', () => {
  let owner: ResourceOwner;
  const relation = (oid: number): LockTag => new LockTag().setRelation(DATABASE, oid);
  const advisory = (key: number): LockTag => new LockTag().setAdvisory(DATABASE, 0, key, 1);
  const acquire = (tag: LockTag, mode: LockMode, session = false) => lockAcquire(tag, mode, session, true);
  const end = (isCommit: boolean): void => {
    owner.releasePhase('locks', isCommit, true);
    owner = beginTransaction();
  };

  beforeEach(() => {
    openLockFixture();
    owner = beginTransaction();
  });
  afterEach(() => {
    releaseLocksAtExit();
    setCurrentResourceOwner(null);
    expect(lockTableUsage()).toEqual({ locks: 0, procLocks: 0 });
  });

  test('counts acquisitions and releases the lock with the last', () => {
    expect(acquire(relation(1), LOCK.share)).toBe('ok');
    expect(acquire(relation(1), LOCK.share)).toBe('alreadyHeld');
    expect(lockRelease(relation(1), LOCK.share, false)).toBe(true);
    expect(lockHeldByMe(relation(1), LOCK.share)).toBe(true);
    expect(lockRelease(relation(1), LOCK.share, false)).toBe(true);
    expect(lockHeldByMe(relation(1), LOCK.share)).toBe(false);
  });

  test('releasing what is not held is a warning', () => {
    const emit = vi.spyOn(reportHooks, 'emit').mockImplementation(() => {});
    expect(lockRelease(relation(1), LOCK.share, false)).toBe(false);
    expect(emit.mock.calls[0]![1].message).toBe("you don't own a lock of type ShareLock");
    emit.mockRestore();
  });

  test('weak relation locks use the sixteen slots, then the table; a strong one moves them', () => {
    for (let oid = 100; oid < 120; oid++) acquire(relation(oid), LOCK.accessShare);
    const fast = (): number => getLockStatusData().filter((one) => one.fastPath).length;
    expect(fast()).toBe(16);
    expect(lockTableUsage().locks).toBe(4);
    expect(acquire(relation(100), LOCK.accessExclusive)).toBe('ok');
    expect(fast()).toBe(15);
    // While the strong lock is held weak ones of the relation go to the table as well.
    acquire(relation(100), LOCK.rowExclusive);
    const modes = getLockStatusData().filter((one) => one.tag.field2 === 100);
    expect(modes.map((one) => [one.holdMask, one.fastPath])).toEqual([
      [(1 << LOCK.accessShare) | (1 << LOCK.rowExclusive) | (1 << LOCK.accessExclusive), false],
    ]);
    end(true);
    acquire(relation(100), LOCK.rowExclusive);
    expect(fast()).toBe(1);
  });

  test('modes of one process never conflict with each other', () => {
    for (let mode = 1; mode <= 8; mode++) expect(acquire(relation(7), mode as LockMode)).toBe('ok');
    for (let mode = 1; mode <= 8; mode++) lockRelease(relation(7), mode as LockMode, false);
  });

  test('a part that succeeds hands its locks to its parent, one that fails gives them back', () => {
    const part = (isCommit: boolean): void => {
      const child = new ResourceOwner(owner, 'Portal');
      setCurrentResourceOwner(child);
      acquire(relation(1), LOCK.rowShare);
      acquire(relation(2), LOCK.share);
      child.releasePhase('locks', isCommit, false);
      setCurrentResourceOwner(owner);
      child.delete();
    };
    acquire(relation(1), LOCK.rowShare);
    part(true);
    expect(lockHeldByMe(relation(2), LOCK.share)).toBe(true);
    lockRelease(relation(2), LOCK.share, false);
    part(false);
    expect(lockHeldByMe(relation(1), LOCK.rowShare)).toBe(true);
    expect(lockHeldByMe(relation(2), LOCK.share)).toBe(false);
    lockRelease(relation(1), LOCK.rowShare, false);
    lockRelease(relation(1), LOCK.rowShare, false);
    expect(lockHeldByMe(relation(1), LOCK.rowShare)).toBe(false);
  });

  test('session locks of advisory kind survive commit and rollback, those on relations commit only', () => {
    acquire(advisory(1), LOCK.exclusive, true);
    acquire(advisory(1), LOCK.exclusive);
    acquire(advisory(2), LOCK.exclusive);
    acquire(relation(9), LOCK.share, true);
    end(true);
    expect(lockHeldByMe(advisory(1), LOCK.exclusive)).toBe(true);
    expect(lockHeldByMe(advisory(2), LOCK.exclusive)).toBe(false);
    expect(lockHeldByMe(relation(9), LOCK.share)).toBe(true);
    end(false);
    expect(lockHeldByMe(advisory(1), LOCK.exclusive)).toBe(true);
    expect(lockHeldByMe(relation(9), LOCK.share)).toBe(false);
    lockReleaseSession(LOCK_METHOD.user);
    expect(lockHeldByMe(advisory(1), LOCK.exclusive)).toBe(false);
  });

  test('hundreds of locks are found and released', () => {
    for (let oid = 1; oid <= 500; oid++) acquire(relation(oid), oid % 2 === 0 ? LOCK.accessShare : LOCK.exclusive);
    expect(lockHeldByMe(relation(499), LOCK.exclusive)).toBe(true);
    expect(getLockStatusData()).toHaveLength(500);
    lockReleaseAll(LOCK_METHOD.default, true);
    expect(getLockStatusData()).toHaveLength(0);
  });

  test('a full table is an error that leaves nothing behind', () => {
    const fill = (): void => {
      for (let key = 0; key < 100_000; key++) acquire(advisory(key), LOCK.share);
    };
    expect(fill).toThrow('out of shared memory');
    end(false);
    expect(lockTableUsage()).toEqual({ locks: 0, procLocks: 0 });
  });

  test('the own virtual transaction is shown; nobody conflicts with oneself', () => {
    virtualXactLockTableInsert(41);
    expect(getLockStatusData().map((one) => describeLockTag(one.tag))).toEqual([
      `virtual transaction ${myProcess.backendId}/41`,
    ]);
    lockRelationOid(16_384, LOCK.accessExclusive);
    expect(getLockConflicts(relation(16_384), LOCK.accessShare)).toEqual([]);
    expect(blockingPids(myProcess.pid)).toEqual([]);
    end(true);
    expect(getLockStatusData()).toEqual([]);
  });
});
