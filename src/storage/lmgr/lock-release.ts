/** lock-release.ts — giving locks back at the end of a resource owner, a transaction, a session.
 *
 *  A subtransaction's or portal's locks go to its parent if it succeeded and are released otherwise; those of the top
 *  owner go all at once: local records say which modes, then each partition is visited once.
 *  Counterpart: LockReleaseAll(), LockReleaseCurrentOwner(), LockReassignCurrentOwner() of
 *  src/backend/storage/lmgr/lock.c, ProcReleaseLocks() of proc.c, the locks phase of resowner.c */
import { assert } from '#base/assert.ts';
import { report } from '#runtime/error/report.ts';
import { myProcess } from '#runtime/my-process.ts';
import { type ResourceOwner, setLockReleaser } from '#runtime/resource-owner.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { procAt } from '#shm/proc.ts';
import { clearSlot, eligibleForFastPath, fpInfoLockOf } from '#storage/lmgr/fast-path.ts';
import {
  anyLockOfOwner,
  liveLock,
  liveLockCount,
  type LocalLock,
  ownerIndex,
  removeOwner,
  replaceOwner,
} from '#storage/lmgr/local-lock.ts';
import { releaseLastOf, removeLocalLock } from '#storage/lmgr/lock.ts';
import { LOCK_PARTITIONS, ProcLock } from '#storage/lmgr/lock-layout.ts';
import { LOCK_METHOD, type LockMethod, lockModeName, MAX_LOCK_MODE } from '#storage/lmgr/lock-modes.ts';
import { cleanUpLock, ungrantLock } from '#storage/lmgr/lock-queue.ts';
import {
  findLock,
  findProcLock,
  firstProcLockOf,
  lockTableIsReady,
  lockTagMethod,
  partitionLock,
  partitionLockOfIndex,
} from '#storage/lmgr/lock-table.ts';
import { lockErrorCleanup } from '#storage/lmgr/lock-wait.ts';
import { releasePredicateLocks } from '#storage/lmgr/predicate-release.ts';
import { virtualXactLockTableCleanup } from '#storage/lmgr/virtual-xact.ts';

/** Everything of a lock method; unless `allLocks`, session locks stay. */
export function lockReleaseAll(method: LockMethod, allLocks: boolean): void {
  if (myProcess.procNumber < 0 || !lockTableIsReady()) return;
  if (method === LOCK_METHOD.default) virtualXactLockTableCleanup();
  releaseLocalRecords(method, allLocks);
  for (let partition = 0; partition < LOCK_PARTITIONS; partition++) releasePartition(partition, method, allLocks);
}

/** Releases what is only noted in this process's slots; marks the rest in its PROCLOCKs. */
function releaseLocalRecords(method: LockMethod, allLocks: boolean): void {
  const fastPathLock = fpInfoLockOf(myProcess.procNumber);
  let holdsFastPath = false;
  for (let i = liveLockCount() - 1; i >= 0; i--) {
    const local = liveLock(i);
    // Left over from an acquisition that failed.
    if (local.count === 0) {
      removeLocalLock(local);
      continue;
    }
    if (local.tag.method !== method) continue;
    if (!allLocks && keepForSession(local)) continue;
    if (local.lock !== 0) {
      ProcLock.releaseMask.set(mem, local.procLock, ProcLock.releaseMask.get(mem, local.procLock) | (1 << local.mode));
      removeLocalLock(local);
      continue;
    }
    assert(eligibleForFastPath(local.tag, local.mode), 'locallock table corrupted');
    if (!holdsFastPath) {
      lwLockAcquire(fastPathLock, 'exclusive');
      holdsFastPath = true;
    }
    if (!clearSlot(procAt(myProcess.procNumber), local.tag.field2, local.mode)) {
      // Somebody moved it. Partition locks are taken before this one nowhere, but let us not begin.
      lwLockRelease(fastPathLock);
      holdsFastPath = false;
      releaseInTable(myProcess.procNumber, local);
    }
    removeLocalLock(local);
  }
  if (holdsFastPath) lwLockRelease(fastPathLock);
}

/** Takes all owners but the session off the record; false if the session holds it not. */
function keepForSession(local: LocalLock): boolean {
  for (let at = local.ownerCount - 1; at >= 0; at--) if (local.owners[at] !== null) removeOwner(local, at);
  if (local.ownerCount === 0) return false;
  local.count = local.counts[0]!;
  return true;
}

/** Finds a lock in the table that no local record points to, and releases one mode of it. */
export function releaseInTable(proc: number, what: Pick<LocalLock, 'tag' | 'mode' | 'hash'>): void {
  const partition = partitionLock(what.hash);
  lwLockAcquire(partition, 'exclusive');
  const lock = findLock(what.tag, what.hash);
  if (lock === 0) report('PANIC', { message: 'failed to re-find shared lock object' });
  const procLock = findProcLock(lock, proc);
  if (procLock === 0) report('PANIC', { message: 'failed to re-find shared proclock object' });
  if ((ProcLock.holdMask.get(mem, procLock) & (1 << what.mode)) === 0) {
    lwLockRelease(partition);
    report('WARNING', { message: `you don't own a lock of type ${lockModeName(what.mode)}` });
    return;
  }
  cleanUpLock(lock, procLock, ungrantLock(lock, what.mode, procLock));
  lwLockRelease(partition);
}

function releasePartition(partition: number, method: LockMethod, allLocks: boolean): void {
  const proc = myProcess.procNumber;
  // Only we add to this list, but for our fast-path locks, which others move: those were released above.
  if (firstProcLockOf(proc, partition) === 0) return;
  const lwLock = partitionLockOfIndex(partition);
  lwLockAcquire(lwLock, 'exclusive');
  let next: number;
  for (let procLock = firstProcLockOf(proc, partition); procLock !== 0; procLock = next) {
    next = ProcLock.procNext.get(mem, procLock);
    const lock = ProcLock.lock.get(mem, procLock);
    if (lockTagMethod(lock) !== method) continue;
    const held = ProcLock.holdMask.get(mem, procLock);
    const release = allLocks ? held : ProcLock.releaseMask.get(mem, procLock);
    if (release === 0 && held !== 0) continue;
    let wakeupNeeded = false;
    for (let mode = 1; mode <= MAX_LOCK_MODE; mode++)
      if ((release & (1 << mode)) !== 0 && ungrantLock(lock, mode, procLock)) wakeupNeeded = true;
    ProcLock.releaseMask.set(mem, procLock, 0);
    cleanUpLock(lock, procLock, wakeupNeeded);
  }
  lwLockRelease(lwLock);
}

/** The end of the transaction: locks of the server, and advisory locks that are not the session's. After an abort the
 *  session's own relation locks go as well. */
export function procReleaseLocks(isCommit: boolean): void {
  if (myProcess.procNumber < 0 || !lockTableIsReady()) return;
  // We may have been cut off in the middle of a wait.
  lockErrorCleanup();
  lockReleaseAll(LOCK_METHOD.default, !isCommit);
  lockReleaseAll(LOCK_METHOD.user, false);
}

/** pg_advisory_unlock_all(), DISCARD ALL: what the session holds of this method. */
export function lockReleaseSession(method: LockMethod): void {
  for (let i = liveLockCount() - 1; i >= 0; i--) {
    const local = liveLock(i);
    if (local.tag.method === method) releaseIfHeldBy(local, null);
  }
}
/** The session ends. */
export function releaseLocksAtExit(): void {
  if (myProcess.procNumber < 0 || !lockTableIsReady()) return;
  procReleaseLocks(false);
  lockReleaseAll(LOCK_METHOD.user, true);
}

function releaseIfHeldBy(local: LocalLock, owner: ResourceOwner | null): void {
  const at = ownerIndex(local, owner);
  if (at < 0) return;
  const mine = local.counts[at]!;
  if (mine < local.count) {
    local.count -= mine;
    removeOwner(local, at);
    return;
  }
  removeOwner(local, at);
  local.count = 0;
  local.clear = false;
  releaseLastOf(local);
}

/** A part of the transaction failed: its locks go. */
export function lockReleaseOwner(owner: ResourceOwner): void {
  for (let local = anyLockOfOwner(owner); local !== null; local = anyLockOfOwner(owner)) releaseIfHeldBy(local, owner);
}
/** A part of the transaction succeeded: its locks are its parent's. */
export function lockReassignOwner(owner: ResourceOwner): void {
  const { parent } = owner;
  assert(parent !== null, 'the owner of a part has a parent');
  for (let local = anyLockOfOwner(owner); local !== null; local = anyLockOfOwner(owner)) {
    const at = ownerIndex(local, owner);
    const parentAt = ownerIndex(local, parent);
    if (parentAt < 0) replaceOwner(local, at, parent);
    else {
      local.counts[parentAt]! += local.counts[at]!;
      removeOwner(local, at);
    }
  }
}

setLockReleaser((owner, isCommit, isTopLevel) => {
  if (isTopLevel) {
    if (owner.parent !== null) return;
    procReleaseLocks(isCommit);
    releasePredicateLocks(isCommit, false);
  } else if (isCommit) lockReassignOwner(owner);
  else lockReleaseOwner(owner);
});
