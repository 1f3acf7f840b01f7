/** lock.ts — heavyweight locks: acquire and release, for this process.
 *
 *  Promises: a granted mode excludes its conflicting modes in all other processes (lock groups apart) until released;
 *            whoever waits is granted in arrival order, or told of a deadlock.
 *  An acquisition looks in the process's own table first (held already), then notes weak relation locks in PGPROC
 *  (fast-path.ts), then goes to the shared table (lock-table.ts, lock-queue.ts), and sleeps there (lock-wait.ts).
 *  Locks belong to the current resource owner, or to the session; lock-release.ts gives them back at a transaction's end.
 *  Goal: acquire and release through the fast path in 300 ns.
 *  Counterpart: src/backend/storage/lmgr/lock.c */
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { myProcess } from '#runtime/my-process.ts';
import { currentResourceOwner, type ResourceOwner } from '#runtime/resource-owner.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { procAt } from '#shm/proc.ts';
import { PgProc } from '#shm/proc-layout.ts';
import {
  abortStrongLock,
  beginStrongLock,
  conflictsWithFastPath,
  eligibleForFastPath,
  fastPathAcquire,
  fastPathHasSlots,
  fastPathInUse,
  fastPathRelease,
  fastPathTransfer,
  finishStrongLock,
  lowerStrongCount,
} from '#storage/lmgr/fast-path.ts';
import {
  dropLocalLock,
  findLocalLock,
  grantLocally,
  hashOf,
  type LocalLock,
  makeLocalLock,
  ownerIndex,
  removeOwner,
} from '#storage/lmgr/local-lock.ts';
import { lockFacts } from '#storage/lmgr/lock-facts.ts';
import { Lock, ProcLock } from '#storage/lmgr/lock-layout.ts';
import { LOCK, LOCK_CONFLICTS, type LockMode, lockModeName } from '#storage/lmgr/lock-modes.ts';
import { cleanUpLock, grantLock, lockCheckConflicts, setUpLockInTable, ungrantLock } from '#storage/lmgr/lock-queue.ts';
import { countRequest, findLock, findProcLock, partitionLock, removeProcLock } from '#storage/lmgr/lock-table.ts';
import { LAST_LOCK_TAG_TYPE, LOCK_TAG, type LockTag } from '#storage/lmgr/lock-tag.ts';
import { waitOnLock } from '#storage/lmgr/lock-wait.ts';

/** notAvail: it would have to wait and was told not to. alreadyHeld: counted once more. alreadyClear: and invalidations
 *  that were sent before it was granted have been read. */
export type LockAcquireResult = 'notAvail' | 'ok' | 'alreadyHeld' | 'alreadyClear';

let acquired: LocalLock | null = null;
/** The record of the latest lockAcquire(); its user marks it clear once invalidations have been read. */
export const lockAcquiredLocally = (): LocalLock => acquired!;

export const outOfLockMemory = (): never =>
  report('ERROR', {
    code: SQLSTATE.outOfMemory,
    message: 'out of shared memory',
    hint: 'You might need to increase max_locks_per_transaction.',
  });

function checkTag(tag: LockTag, mode: number): void {
  if (tag.method !== 1 && tag.method !== 2) report('ERROR', { message: `unrecognized lock method: ${tag.method}` });
  if (mode <= 0 || mode > LOCK.accessExclusive) report('ERROR', { message: `unrecognized lock mode: ${mode}` });
  if (tag.type > LAST_LOCK_TAG_TYPE) report('ERROR', { message: `unrecognized lock type: ${tag.type}` });
}

/** Asks for the lock and, unless `dontWait`, sleeps until it is granted. With `reportMemoryError` false a full table
 *  counts as not available. */
export function lockAcquire(
  tag: LockTag,
  mode: LockMode,
  sessionLock: boolean,
  dontWait: boolean,
  reportMemoryError = true,
): LockAcquireResult {
  checkTag(tag, mode);
  const owner = sessionLock ? null : currentResourceOwner();
  const hash = hashOf(tag);
  let local = findLocalLock(tag, mode, hash);
  if (local !== null && local.count > 0) {
    grantLocally(local, owner);
    acquired = local;
    return local.clear ? 'alreadyClear' : 'alreadyHeld';
  }
  if (mode > LOCK.rowExclusive) checkRecovery(tag, mode);
  if (local === null) local = makeLocalLock(tag, mode, hash);
  if (eligibleForFastPath(tag, mode) && fastPathHasSlots() && fastPathAcquire(tag.field2, mode, hash)) {
    local.lock = 0;
    local.procLock = 0;
    grantLocally(local, owner);
    acquired = local;
    return 'ok';
  }
  return acquireInTable(local, owner, dontWait, reportMemoryError);
}

function checkRecovery(tag: LockTag, mode: LockMode): void {
  if (tag.type !== LOCK_TAG.relation && tag.type !== LOCK_TAG.object) return;
  if (myProcess.kind === 'startup' || !lockFacts.recoveryInProgress()) return;
  report('ERROR', {
    code: SQLSTATE.objectNotInPrerequisiteState,
    message: `cannot acquire lock mode ${lockModeName(mode)} on database objects while recovery is in progress`,
    hint: 'Only RowExclusiveLock or less can be acquired on database objects during recovery.',
  });
}

function acquireInTable(
  local: LocalLock,
  owner: ResourceOwner | null,
  dontWait: boolean,
  reportMemoryError: boolean,
): LockAcquireResult {
  const { tag, hash, mode } = local;
  const logged = announceToStandby(tag, mode);
  if (conflictsWithFastPath(tag, mode)) {
    beginStrongLock(local);
    if (!fastPathTransfer(tag, hash)) return tableIsFull(local, reportMemoryError);
  }
  const partition = partitionLock(hash);
  lwLockAcquire(partition, 'exclusive');
  const procLock = setUpLockInTable(myProcess.procNumber, tag, hash, mode);
  if (procLock === 0) {
    lwLockRelease(partition);
    return tableIsFull(local, reportMemoryError);
  }
  const lock = ProcLock.lock.get(mem, procLock);
  local.procLock = procLock;
  local.lock = lock;
  const conflict =
    (LOCK_CONFLICTS[mode]! & Lock.waitMask.get(mem, lock)) !== 0 || lockCheckConflicts(mode, lock, procLock);
  if (!conflict) {
    grantLock(lock, procLock, mode);
    grantLocally(local, owner);
  } else {
    if (dontWait) {
      abortStrongLock();
      if (ProcLock.holdMask.get(mem, procLock) === 0) removeProcLock(procLock);
      countRequest(lock, mode, -1);
      lwLockRelease(partition);
      if (local.count === 0) dropLocalLock(local);
      return 'notAvail';
    }
    PgProc.heldLocks.set(mem, procAt(myProcess.procNumber), ProcLock.holdMask.get(mem, procLock));
    waitOnLock(local, owner);
    if ((ProcLock.holdMask.get(mem, procLock) & (1 << mode)) === 0) {
      abortStrongLock();
      lwLockRelease(partition);
      report('ERROR', { message: 'LockAcquire failed' });
    }
  }
  finishStrongLock();
  lwLockRelease(partition);
  if (logged) lockFacts.logAccessExclusiveLock(lockFacts.getCurrentTransactionId(), local.tag.field1, local.tag.field2);
  acquired = local;
  return 'ok';
}

/** A standby must know of an exclusive relation lock before it sees what was done under it. The transaction gets its id
 *  now, because getting one may fail. */
function announceToStandby(tag: LockTag, mode: number): boolean {
  if (mode < LOCK.accessExclusive || tag.type !== LOCK_TAG.relation) return false;
  if (lockFacts.recoveryInProgress() || !lockFacts.standbyInfoActive()) return false;
  lockFacts.getCurrentTransactionId();
  return true;
}

function tableIsFull(local: LocalLock, reportMemoryError: boolean): LockAcquireResult {
  abortStrongLock();
  if (local.count === 0) dropLocalLock(local);
  if (reportMemoryError) outOfLockMemory();
  return 'notAvail';
}

function notOwned(mode: number): false {
  report('WARNING', { message: `you don't own a lock of type ${lockModeName(mode)}` });
  return false;
}

/** Gives one acquisition back. False, with a WARNING, if this owner has none. */
export function lockRelease(tag: LockTag, mode: LockMode, sessionLock: boolean): boolean {
  checkTag(tag, mode);
  const hash = hashOf(tag);
  const local = findLocalLock(tag, mode, hash);
  if (local === null || local.count <= 0) return notOwned(mode);
  const at = ownerIndex(local, sessionLock ? null : currentResourceOwner());
  if (at < 0) return notOwned(mode);
  if (--local.counts[at]! === 0) removeOwner(local, at);
  if (--local.count > 0) return true;
  local.clear = false;
  return releaseLastOf(local);
}

/** The local count is zero: gives the lock itself back. */
export function releaseLastOf(local: LocalLock): boolean {
  const { tag, mode, hash } = local;
  if (eligibleForFastPath(tag, mode) && fastPathInUse() && fastPathRelease(tag.field2, mode)) {
    removeLocalLock(local);
    return true;
  }
  const partition = partitionLock(hash);
  lwLockAcquire(partition, 'exclusive');
  if (local.lock === 0) refind(local);
  const { lock, procLock } = local;
  if ((ProcLock.holdMask.get(mem, procLock) & (1 << mode)) === 0) {
    lwLockRelease(partition);
    removeLocalLock(local);
    return notOwned(mode);
  }
  const wakeupNeeded = ungrantLock(lock, mode, procLock);
  cleanUpLock(lock, procLock, wakeupNeeded);
  lwLockRelease(partition);
  removeLocalLock(local);
  return true;
}

/** A fast-path lock that somebody moved to the table. The caller holds the partition. */
function refind(local: LocalLock): void {
  local.lock = findLock(local.tag, local.hash);
  if (local.lock === 0) report('ERROR', { message: 'failed to re-find shared lock object' });
  local.procLock = findProcLock(local.lock, myProcess.procNumber);
  if (local.procLock === 0) report('ERROR', { message: 'failed to re-find shared proclock object' });
}

export function removeLocalLock(local: LocalLock): void {
  lowerStrongCount(local);
  dropLocalLock(local);
}

/** Does this process hold exactly this mode? */
export function lockHeldByMe(tag: LockTag, mode: LockMode): boolean {
  const local = findLocalLock(tag, mode, hashOf(tag));
  return local !== null && local.count > 0;
}

/** Does somebody wait for what our lock in this mode excludes? */
export function lockHasWaiters(tag: LockTag, mode: LockMode, _sessionLock: boolean): boolean {
  checkTag(tag, mode);
  const hash = hashOf(tag);
  const local = findLocalLock(tag, mode, hash);
  if (local === null || local.count <= 0) return notOwned(mode);
  const partition = partitionLock(hash);
  lwLockAcquire(partition, 'shared');
  // A fast-path lock has no waiters: they would have moved it.
  const lock = local.lock !== 0 ? local.lock : findLock(tag, hash);
  const waiters = lock !== 0 && (LOCK_CONFLICTS[mode]! & Lock.waitMask.get(mem, lock)) !== 0;
  lwLockRelease(partition);
  return waiters;
}

/** Requests on the object, granted or not. */
export function lockWaiterCount(tag: LockTag): number {
  const hash = hashOf(tag);
  const partition = partitionLock(hash);
  lwLockAcquire(partition, 'exclusive');
  const lock = findLock(tag, hash);
  const count = lock === 0 ? 0 : Lock.requestedCount.get(mem, lock);
  lwLockRelease(partition);
  return count;
}
