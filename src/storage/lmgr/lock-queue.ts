/** lock-queue.ts — granting, taking back, and the queue of those who wait: the state changes of one shared lock.
 *
 *  Every function here expects the lock's partition to be held exclusively. A waiter counts as a request from the moment
 *  it queues; `waitMask` has a bit for each mode with requests that are not granted. Waiters are granted in queue order;
 *  one may overtake another only if it conflicts neither with what is granted nor with anybody who still waits ahead.
 *  Counterpart: GrantLock(), UnGrantLock(), CleanUpLock(), LockCheckConflicts(), RemoveFromWaitQueue() of
 *  src/backend/storage/lmgr/lock.c; ProcWakeup(), ProcLockWakeup() of proc.c */
import { assert } from '#base/assert.ts';
import { report } from '#runtime/error/report.ts';
import { setLatch } from '#shm/latch.ts';
import { mem } from '#shm/memory.ts';
import { latchAt, procAt } from '#shm/proc.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { Lock, LockTagBytes, ProcLock } from '#storage/lmgr/lock-layout.ts';
import { LOCK_CONFLICTS, lockModeName } from '#storage/lmgr/lock-modes.ts';
import {
  bitCount,
  countGrant,
  countRequest,
  findOrMakeLock,
  findOrMakeProcLock,
  grantedOf,
  grantsOf,
  lockTagType,
  removeLock,
  removeProcLock,
  requestedOf,
} from '#storage/lmgr/lock-table.ts';
import { LOCK_TAG, type LockTag } from '#storage/lmgr/lock-tag.ts';

export const WAIT_STATUS = { ok: 0, waiting: 1, error: 2 } as const;

/** Finds or makes LOCK and PROCLOCK and counts the request. 0 when shared memory is exhausted. */
export function setUpLockInTable(proc: number, tag: LockTag, hash: number, mode: number): number {
  const lock = findOrMakeLock(tag, hash);
  if (lock === 0) return 0;
  const procLock = findOrMakeProcLock(lock, proc);
  if (procLock === 0) {
    // A lock that nobody asks for must not stay behind.
    if (Lock.requestedCount.get(mem, lock) === 0) removeLock(lock);
    return 0;
  }
  countRequest(lock, mode, 1);
  if ((ProcLock.holdMask.get(mem, procLock) & (1 << mode)) !== 0)
    report('ERROR', {
      message: `lock ${lockModeName(mode)} on object ${tag.field1}/${tag.field2}/${tag.field3} is already held`,
    });
  return procLock;
}

/** Do others' grants exclude `mode` for this process? Its own grants and those of its lock group do not count, except on
 *  relation extension and pages, where members of a group exclude each other too. */
export function lockCheckConflicts(mode: number, lock: number, procLock: number): boolean {
  const conflicts = LOCK_CONFLICTS[mode]!;
  if ((conflicts & Lock.grantMask.get(mem, lock)) === 0) return false;
  let remaining = grantsOf(lock, conflicts) - bitCount(conflicts & ProcLock.holdMask.get(mem, procLock));
  if (remaining === 0) return false;
  const leader = ProcLock.groupLeader.get(mem, procLock);
  const proc = ProcLock.proc.get(mem, procLock);
  if (leader === proc && PgProc.lockGroupLeader.get(mem, procAt(proc)) < 0) return true;
  const type = lockTagType(lock);
  if (type === LOCK_TAG.relationExtend || type === LOCK_TAG.page) return true;
  let other = Lock.procLockFirst.get(mem, lock);
  while (other !== 0) {
    if (other !== procLock && ProcLock.groupLeader.get(mem, other) === leader) {
      remaining -= bitCount(conflicts & ProcLock.holdMask.get(mem, other));
      if (remaining === 0) return false;
    }
    other = ProcLock.lockNext.get(mem, other);
  }
  return true;
}

export function grantLock(lock: number, procLock: number, mode: number): void {
  const bit = 1 << mode;
  countGrant(lock, mode, 1);
  Lock.grantMask.set(mem, lock, Lock.grantMask.get(mem, lock) | bit);
  if (grantedOf(lock, mode) === requestedOf(lock, mode))
    Lock.waitMask.set(mem, lock, Lock.waitMask.get(mem, lock) & ~bit);
  ProcLock.holdMask.set(mem, procLock, ProcLock.holdMask.get(mem, procLock) | bit);
}

/** True if somebody who waits may now be granted. */
export function ungrantLock(lock: number, mode: number, procLock: number): boolean {
  const bit = 1 << mode;
  countRequest(lock, mode, -1);
  countGrant(lock, mode, -1);
  if (grantedOf(lock, mode) === 0) Lock.grantMask.set(mem, lock, Lock.grantMask.get(mem, lock) & ~bit);
  ProcLock.holdMask.set(mem, procLock, ProcLock.holdMask.get(mem, procLock) & ~bit);
  return (LOCK_CONFLICTS[mode]! & Lock.waitMask.get(mem, lock)) !== 0;
}

/** After a change: records that stand for nothing go away, waiters get their chance. */
export function cleanUpLock(lock: number, procLock: number, wakeupNeeded: boolean): void {
  if (ProcLock.holdMask.get(mem, procLock) === 0) removeProcLock(procLock);
  if (Lock.requestedCount.get(mem, lock) === 0) removeLock(lock);
  else if (wakeupNeeded) procLockWakeup(lock);
}

// ── the queue ────────────────────────────────────────────────────────────────────────────────────────────────────

/** Puts `proc` before `before`, or at the end if that is -1. */
export function insertWaiter(lock: number, proc: number, before: number): void {
  const at = procAt(proc);
  assert(PgProc.waitQueued.get(mem, at) === 0, 'a process waits in one queue');
  const prev = before < 0 ? Lock.waitLast.get(mem, lock) : PgProc.waitPrev.get(mem, procAt(before));
  PgProc.waitNext.set(mem, at, before);
  PgProc.waitPrev.set(mem, at, prev);
  if (prev < 0) Lock.waitFirst.set(mem, lock, proc);
  else PgProc.waitNext.set(mem, procAt(prev), proc);
  if (before < 0) Lock.waitLast.set(mem, lock, proc);
  else PgProc.waitPrev.set(mem, procAt(before), proc);
  Lock.waitSize.set(mem, lock, Lock.waitSize.get(mem, lock) + 1);
  PgProc.waitQueued.set(mem, at, 1);
}
function unlinkWaiter(lock: number, proc: number): void {
  const at = procAt(proc);
  const next = PgProc.waitNext.get(mem, at);
  const prev = PgProc.waitPrev.get(mem, at);
  if (prev < 0) Lock.waitFirst.set(mem, lock, next);
  else PgProc.waitNext.set(mem, procAt(prev), next);
  if (next < 0) Lock.waitLast.set(mem, lock, prev);
  else PgProc.waitPrev.set(mem, procAt(next), prev);
  Lock.waitSize.set(mem, lock, Lock.waitSize.get(mem, lock) - 1);
  PgProc.waitNext.set(mem, at, -1);
  PgProc.waitPrev.set(mem, at, -1);
  PgProc.waitQueued.set(mem, at, 0);
}
/** The deadlock detector's remedy: the same waiters in another order. */
export function reorderWaiters(lock: number, order: readonly number[]): void {
  assert(Lock.waitSize.get(mem, lock) === order.length, 'a queue keeps its members');
  for (let i = 0; i < order.length; i++) {
    const at = procAt(order[i]!);
    PgProc.waitPrev.set(mem, at, i === 0 ? -1 : order[i - 1]!);
    PgProc.waitNext.set(mem, at, i + 1 < order.length ? order[i + 1]! : -1);
  }
  Lock.waitFirst.set(mem, lock, order.length > 0 ? order[0]! : -1);
  Lock.waitLast.set(mem, lock, order.length > 0 ? order[order.length - 1]! : -1);
}

/** Takes a waiter out, as if it had never asked; others may become grantable by that. Its status is left at error. */
export function removeFromWaitQueue(proc: number): void {
  const at = procAt(proc);
  const lock = PgProc.waitLock.get(mem, at);
  const procLock = PgProc.waitProcLock.get(mem, at);
  const mode = PgProc.waitLockMode.get(mem, at);
  assert(PgProc.waitStatus.load(mem, at) === WAIT_STATUS.waiting, 'who is removed from a queue waits');
  assert(LockTagBytes.type.get(mem, lock) <= LOCK_TAG.advisory, 'the awaited lock is a lock');
  unlinkWaiter(lock, proc);
  countRequest(lock, mode, -1);
  if (grantedOf(lock, mode) === requestedOf(lock, mode))
    Lock.waitMask.set(mem, lock, Lock.waitMask.get(mem, lock) & ~(1 << mode));
  PgProc.waitLock.set(mem, at, 0);
  PgProc.waitProcLock.set(mem, at, 0);
  PgProc.waitStatus.store(mem, at, WAIT_STATUS.error);
  PgProc.waitStart.set(mem, at, 0);
  cleanUpLock(lock, procLock, true);
}

/** Ends a wait with `status`; returns the next in the queue. */
function procWakeup(lock: number, proc: number, status: number): number {
  const at = procAt(proc);
  const next = PgProc.waitNext.get(mem, at);
  unlinkWaiter(lock, proc);
  PgProc.waitLock.set(mem, at, 0);
  PgProc.waitProcLock.set(mem, at, 0);
  PgProc.waitStart.set(mem, at, 0);
  PgProc.waitStatus.store(mem, at, status);
  setLatch(latchAt(proc));
  return next;
}

/** Grants whatever can be granted now, in queue order. */
export function procLockWakeup(lock: number): void {
  let ahead = 0;
  let proc = Lock.waitFirst.get(mem, lock);
  while (proc >= 0) {
    const at = procAt(proc);
    const mode = PgProc.waitLockMode.get(mem, at);
    const procLock = PgProc.waitProcLock.get(mem, at);
    if ((LOCK_CONFLICTS[mode]! & ahead) === 0 && !lockCheckConflicts(mode, lock, procLock)) {
      grantLock(lock, procLock, mode);
      proc = procWakeup(lock, proc, WAIT_STATUS.ok);
    } else {
      // Somebody behind may be granted only if it does not conflict with this one's request either.
      ahead |= 1 << mode;
      proc = PgProc.waitNext.get(mem, at);
    }
  }
}
