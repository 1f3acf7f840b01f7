/** virtual-xact.ts — waiting for a transaction by its virtual id, and for everybody who holds a conflicting lock now.
 *
 *  Each transaction owns an exclusive lock on its virtual xid, noted in its PGPROC only; who waits for it moves the lock to
 *  the table on the owner's behalf. A prepared transaction keeps running under its xid.
 *  Counterpart: VirtualXactLock(), GetLockConflicts() of src/backend/storage/lmgr/lock.c, WaitForLockers() of lmgr.c */
import { settings } from '#runtime/guc/guc.ts';
import { myProcess } from '#runtime/my-process.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { procAt, totalProcs } from '#shm/proc.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { conflictsWithFastPath, forEachFastPathLock, fpInfoLockOf } from '#storage/lmgr/fast-path.ts';
import { lockAcquire, lockRelease, outOfLockMemory } from '#storage/lmgr/lock.ts';
import { lockFacts } from '#storage/lmgr/lock-facts.ts';
import { Lock, ProcLock } from '#storage/lmgr/lock-layout.ts';
import { LOCK, LOCK_CONFLICTS, type LockMode } from '#storage/lmgr/lock-modes.ts';
import { grantLock, setUpLockInTable } from '#storage/lmgr/lock-queue.ts';
import { findLock, hashOfTag, partitionLock } from '#storage/lmgr/lock-table.ts';
import { releaseInTable } from '#storage/lmgr/lock-release.ts';
import { LockTag } from '#storage/lmgr/lock-tag.ts';

/** backendId 0 marks a transaction that was prepared before a restart: localTransactionId is then its xid. */
export interface VirtualXid {
  readonly backendId: number;
  readonly localTransactionId: number;
}

/** At the start of each transaction. */
export function virtualXactLockTableInsert(localTransactionId: number): void {
  const lock = fpInfoLockOf(myProcess.procNumber);
  const at = procAt(myProcess.procNumber);
  lwLockAcquire(lock, 'exclusive');
  PgProc.fpVxidLock.set(mem, at, 1);
  PgProc.fpLocalTransactionId.set(mem, at, localTransactionId);
  lwLockRelease(lock);
}

/** At its end, by lockReleaseAll(). */
export function virtualXactLockTableCleanup(): void {
  const lock = fpInfoLockOf(myProcess.procNumber);
  const at = procAt(myProcess.procNumber);
  lwLockAcquire(lock, 'exclusive');
  const local = PgProc.fpVxidLock.get(mem, at) !== 0;
  const localTransactionId = PgProc.fpLocalTransactionId.get(mem, at);
  PgProc.fpVxidLock.set(mem, at, 0);
  PgProc.fpLocalTransactionId.set(mem, at, 0);
  lwLockRelease(lock);
  if (local || localTransactionId === 0) return;
  // Somebody moved it to the table.
  const tag = new LockTag().setVirtualTransaction(myProcess.backendId, localTransactionId);
  releaseInTable(myProcess.procNumber, { tag, mode: LOCK.exclusive, hash: hashOfTag(tag) });
}

function procOfBackendId(backendId: number): number {
  const total = totalProcs();
  for (let proc = 0; proc < total; proc++) {
    const at = procAt(proc);
    if (PgProc.backendId.get(mem, at) === backendId && PgProc.pid.load(mem, at) !== 0) return proc;
  }
  return -1;
}

/** Waits for the transaction's end, or, unless `wait`, tells whether it is over. */
export function virtualXactLock(vxid: VirtualXid, wait: boolean): boolean {
  if (vxid.backendId === 0) return xactLockForVirtualXact(vxid, vxid.localTransactionId, wait);
  const proc = procOfBackendId(vxid.backendId);
  if (proc < 0) return xactLockForVirtualXact(vxid, 0, wait);
  const at = procAt(proc);
  const fpLock = fpInfoLockOf(proc);
  lwLockAcquire(fpLock, 'exclusive');
  if (
    PgProc.backendId.get(mem, at) !== vxid.backendId ||
    PgProc.fpLocalTransactionId.get(mem, at) !== vxid.localTransactionId
  ) {
    lwLockRelease(fpLock);
    return xactLockForVirtualXact(vxid, 0, wait);
  }
  if (!wait) {
    lwLockRelease(fpLock);
    return false;
  }
  const xid = PgProc.xid.get(mem, at);
  const tag = new LockTag().setVirtualTransaction(vxid.backendId, vxid.localTransactionId);
  if (PgProc.fpVxidLock.get(mem, at) !== 0) {
    const hash = hashOfTag(tag);
    const partition = partitionLock(hash);
    lwLockAcquire(partition, 'exclusive');
    const procLock = setUpLockInTable(proc, tag, hash, LOCK.exclusive);
    if (procLock === 0) {
      lwLockRelease(partition);
      lwLockRelease(fpLock);
      outOfLockMemory();
    }
    grantLock(ProcLock.lock.get(mem, procLock), procLock, LOCK.exclusive);
    lwLockRelease(partition);
    PgProc.fpVxidLock.set(mem, at, 0);
  }
  lwLockRelease(fpLock);
  lockAcquire(tag, LOCK.share, false, false);
  lockRelease(tag, LOCK.share, false);
  return xactLockForVirtualXact(vxid, xid, wait);
}

/** The session's transaction is over, but it may have been prepared: then it lives on under its xid. */
function xactLockForVirtualXact(vxid: VirtualXid, known: number, wait: boolean): boolean {
  if (settings.max_prepared_transactions === 0) return true;
  const tag = new LockTag();
  let xid = known;
  let after = 0;
  for (;;) {
    if (xid === 0) {
      xid = lockFacts.twoPhaseGetXidByVirtualXid(vxid.backendId, vxid.localTransactionId, after);
      if (xid === 0) return true;
      after = xid;
    }
    tag.setTransaction(xid);
    if (lockAcquire(tag, LOCK.share, false, !wait) === 'notAvail') return false;
    lockRelease(tag, LOCK.share, false);
    if (after === 0) return true;
    // A virtual xid may be reused while an older transaction of that name is still prepared.
    xid = 0;
  }
}

/** Transactions that hold locks on the object which exclude `mode`; not this process's own. */
export function getLockConflicts(tag: LockTag, mode: LockMode): VirtualXid[] {
  const found: VirtualXid[] = [];
  const add = (proc: number): void => {
    const backendId = PgProc.backendId.get(mem, procAt(proc));
    const localTransactionId = PgProc.localTransactionId.get(mem, procAt(proc));
    if (localTransactionId === 0) return;
    if (found.some((one) => one.backendId === backendId && one.localTransactionId === localTransactionId)) return;
    found.push({ backendId, localTransactionId });
  };
  const conflicts = LOCK_CONFLICTS[mode]!;
  const me = myProcess.procNumber;
  const total = totalProcs();
  if (conflictsWithFastPath(tag, mode))
    for (let proc = 0; proc < total; proc++) {
      if (proc === me) continue;
      const lock = fpInfoLockOf(proc);
      lwLockAcquire(lock, 'shared');
      if (PgProc.databaseId.get(mem, procAt(proc)) === tag.field1)
        forEachFastPathLock(proc, (relation, modes) => {
          if (relation === tag.field2 && ((modes << 1) & conflicts) !== 0) add(proc);
        });
      lwLockRelease(lock);
    }
  const hash = hashOfTag(tag);
  const partition = partitionLock(hash);
  lwLockAcquire(partition, 'shared');
  const lock = findLock(tag, hash);
  let one = lock === 0 ? 0 : Lock.procLockFirst.get(mem, lock);
  for (; one !== 0; one = ProcLock.lockNext.get(mem, one))
    if ((ProcLock.holdMask.get(mem, one) & conflicts) !== 0 && ProcLock.proc.get(mem, one) !== me)
      add(ProcLock.proc.get(mem, one));
  lwLockRelease(partition);
  return found;
}

/** Progress of a wait, for pg_stat_progress_create_index. */
export interface LockersProgress {
  total(count: number): void;
  done(count: number): void;
  current(pid: number): void;
}

/** Waits for the end of all transactions that now hold conflicting locks on the objects. Those that come later are not
 *  waited for, and no lock is taken on the objects. */
export function waitForLockersMultiple(tags: readonly LockTag[], mode: LockMode, progress?: LockersProgress): void {
  const holders = tags.map((tag) => getLockConflicts(tag, mode));
  progress?.total(holders.reduce((sum, list) => sum + list.length, 0));
  let done = 0;
  for (const list of holders)
    for (const vxid of list) {
      if (progress !== undefined) {
        const proc = procOfBackendId(vxid.backendId);
        if (proc >= 0) progress.current(PgProc.pid.load(mem, procAt(proc)));
      }
      virtualXactLock(vxid, true);
      progress?.done(++done);
    }
}
export function waitForLockers(tag: LockTag, mode: LockMode, progress?: LockersProgress): void {
  waitForLockersMultiple([tag], mode, progress);
}
