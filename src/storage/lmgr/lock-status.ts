/** lock-status.ts — copies of the lock table for those who want to look: pg_locks, pg_blocking_pids().
 *
 *  The fast-path slots are read one process after the other, then the table with all partitions locked at once, so the
 *  table is consistent in itself; a lock that moves in between may be seen twice or not at all.
 *  Counterpart: GetLockStatusData(), GetBlockerStatusData(), GetRunningTransactionLocks() of
 *  src/backend/storage/lmgr/lock.c */
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { mem } from '#shm/memory.ts';
import { procAt, procOfPid, totalProcs } from '#shm/proc.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { forEachFastPathLock, fpInfoLockOf } from '#storage/lmgr/fast-path.ts';
import { Lock, LOCK_PARTITIONS, ProcLock } from '#storage/lmgr/lock-layout.ts';
import { LOCK, LOCK_CONFLICTS } from '#storage/lmgr/lock-modes.ts';
import { forEachProcLock, partitionLockOfIndex, readTag } from '#storage/lmgr/lock-table.ts';
import { LOCK_TAG, LockTag } from '#storage/lmgr/lock-tag.ts';

/** One process's share in one lockable object. */
export interface LockInstance {
  readonly tag: LockTag;
  /** Modes held. */
  readonly holdMask: number;
  /** Mode awaited, 0 for none. */
  readonly waitLockMode: number;
  readonly backendId: number;
  readonly localTransactionId: number;
  /** 0 for a prepared transaction. */
  readonly pid: number;
  /** Of the lock group's leader. */
  readonly leaderPid: number;
  readonly fastPath: boolean;
  /** TimestampTz, 0 while unknown. */
  readonly waitStart: number;
}

function allPartitionsShared<T>(work: () => T): T {
  for (let i = 0; i < LOCK_PARTITIONS; i++) lwLockAcquire(partitionLockOfIndex(i), 'shared');
  try {
    return work();
  } finally {
    for (let i = LOCK_PARTITIONS; --i >= 0; ) lwLockRelease(partitionLockOfIndex(i));
  }
}

function instanceOf(procLock: number): LockInstance {
  const lock = ProcLock.lock.get(mem, procLock);
  const at = procAt(ProcLock.proc.get(mem, procLock));
  const waits = PgProc.waitLock.get(mem, at) === lock;
  return {
    tag: readTag(lock, new LockTag()),
    holdMask: ProcLock.holdMask.get(mem, procLock),
    waitLockMode: waits ? PgProc.waitLockMode.get(mem, at) : LOCK.none,
    backendId: PgProc.backendId.get(mem, at),
    localTransactionId: PgProc.localTransactionId.get(mem, at),
    pid: PgProc.pid.load(mem, at),
    leaderPid: PgProc.pid.load(mem, procAt(ProcLock.groupLeader.get(mem, procLock))),
    fastPath: false,
    waitStart: PgProc.waitStart.get(mem, at),
  };
}

export function getLockStatusData(): LockInstance[] {
  const found: LockInstance[] = [];
  for (let proc = 0; proc < totalProcs(); proc++) addFastPathLocks(proc, found);
  allPartitionsShared(() => forEachProcLock((procLock) => found.push(instanceOf(procLock))));
  return found;
}

function addFastPathLocks(proc: number, found: LockInstance[]): void {
  const at = procAt(proc);
  if (PgProc.pid.load(mem, at) === 0) return;
  lwLockAcquire(fpInfoLockOf(proc), 'shared');
  const pid = PgProc.pid.load(mem, at);
  const common = {
    waitLockMode: LOCK.none,
    backendId: PgProc.backendId.get(mem, at),
    localTransactionId: PgProc.localTransactionId.get(mem, at),
    pid,
    leaderPid: pid,
    fastPath: true,
    waitStart: 0,
  };
  const database = PgProc.databaseId.get(mem, at);
  forEachFastPathLock(proc, (relation, modes) =>
    found.push({ ...common, tag: new LockTag().setRelation(database, relation), holdMask: modes << 1 }),
  );
  if (PgProc.fpVxidLock.get(mem, at) !== 0) {
    const localTransactionId = PgProc.fpLocalTransactionId.get(mem, at);
    found.push({
      ...common,
      localTransactionId,
      tag: new LockTag().setVirtualTransaction(common.backendId, localTransactionId),
      holdMask: 1 << LOCK.exclusive,
    });
  }
  lwLockRelease(fpInfoLockOf(proc));
}

/** What a blocked process waits on: everybody's share in that lock, and who stands ahead of it. */
export interface BlockedProcess {
  readonly pid: number;
  readonly locks: readonly LockInstance[];
  readonly waitersAhead: readonly number[];
}

/** Of the process and the members of its lock group those that wait. */
export function getBlockerStatusData(pid: number): BlockedProcess[] {
  // The process must not go away meanwhile.
  const procArray = mainLWLock('ProcArray');
  lwLockAcquire(procArray, 'shared');
  try {
    const proc = procOfPid(pid);
    if (proc < 0) return [];
    return allPartitionsShared(() => {
      const leader = PgProc.lockGroupLeader.get(mem, procAt(proc));
      if (leader < 0) return blockedProcess(proc);
      const found: BlockedProcess[] = [];
      let member = PgProc.lockGroupFirst.get(mem, procAt(leader));
      for (; member >= 0; member = PgProc.lockGroupNext.get(mem, procAt(member))) found.push(...blockedProcess(member));
      return found;
    });
  } finally {
    lwLockRelease(procArray);
  }
}

function blockedProcess(proc: number): BlockedProcess[] {
  const lock = PgProc.waitLock.get(mem, procAt(proc));
  if (lock === 0) return [];
  const locks: LockInstance[] = [];
  for (let one = Lock.procLockFirst.get(mem, lock); one !== 0; one = ProcLock.lockNext.get(mem, one))
    locks.push(instanceOf(one));
  const waitersAhead: number[] = [];
  let ahead = Lock.waitFirst.get(mem, lock);
  for (; ahead >= 0 && ahead !== proc; ahead = PgProc.waitNext.get(mem, procAt(ahead)))
    waitersAhead.push(PgProc.pid.load(mem, procAt(ahead)));
  return [{ pid: PgProc.pid.load(mem, procAt(proc)), locks, waitersAhead }];
}

/** Processes (leaders of their lock groups; 0 for a prepared transaction) that hold what `pid` waits for, or stand ahead
 *  of it with a conflicting request. May name one twice. */
export function blockingPids(pid: number): number[] {
  const found: number[] = [];
  for (const { pid: blockedPid, locks, waitersAhead } of getBlockerStatusData(pid)) {
    const blocked = locks.find((one) => one.pid === blockedPid);
    if (blocked === undefined) continue;
    const conflicts = LOCK_CONFLICTS[blocked.waitLockMode]!;
    for (const one of locks) {
      if (one === blocked || one.leaderPid === blocked.leaderPid) continue;
      const hard = (conflicts & one.holdMask) !== 0;
      const soft =
        one.waitLockMode !== LOCK.none && (conflicts & (1 << one.waitLockMode)) !== 0 && waitersAhead.includes(one.pid);
      if (hard || soft) found.push(one.leaderPid);
    }
  }
  return found;
}

/** AccessExclusiveLocks on relations, with the transaction that holds each: what a standby must know. */
export function getRunningTransactionLocks(): { xid: number; databaseId: number; relationId: number }[] {
  const found: { xid: number; databaseId: number; relationId: number }[] = [];
  allPartitionsShared(() =>
    forEachProcLock((procLock) => {
      if ((ProcLock.holdMask.get(mem, procLock) & (1 << LOCK.accessExclusive)) === 0) return;
      const tag = readTag(ProcLock.lock.get(mem, procLock), new LockTag());
      const xid = PgProc.xid.get(mem, procAt(ProcLock.proc.get(mem, procLock)));
      // Without an xid the transaction has changed nothing, and is only just getting its lock.
      if (tag.type !== LOCK_TAG.relation || xid === 0) return;
      found.push({ xid, databaseId: tag.field1, relationId: tag.field2 });
    }),
  );
  return found;
}
