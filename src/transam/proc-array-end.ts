/** proc-array-end.ts — a transaction leaves the ProcArray: from here on others see it as ended.
 *
 *  With an xid that takes ProcArrayLock exclusively. When many commit at once they queue up, and the first clears all
 *  of them under one acquisition. Without an xid plain stores suffice: nobody depends on their order.
 *  Counterpart: ProcArrayEndTransaction(), ProcArrayGroupClearXid() of src/backend/storage/ipc/procarray.c */
import type { TransactionId } from '#base/ids.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { report } from '#runtime/error/report.ts';
import { myProcess } from '#runtime/my-process.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { lwLockAcquire, lwLockConditionalAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { procAt } from '#shm/proc.ts';
import { semaphoreUp } from '#shm/semaphore.ts';
import { waitForLeader } from '#transam/clog.ts';
import { clearSubXids, maintainLatestCompletedXid, procArray } from '#transam/proc-array-layout.ts';
import { PROC_VACUUM_STATE_MASK } from '#transam/proc-flags.ts';
import { VariableCache } from '#transam/transam-layout.ts';
import { variableCacheAt } from '#transam/variable-cache.ts';

/** What every end clears, with or without an xid. */
function clearCommon(proc: number): void {
  PgProc.localTransactionId.set(mem, proc, 0);
  PgProc.xmin.set(mem, proc, 0);
  PgProc.delayChkptFlags.store(mem, proc, 0);
  PgProc.recoveryConflictPending.set(mem, proc, 0);
}
function clearVacuumFlags(proc: number): void {
  const flags = PgProc.statusFlags.get(mem, proc) & ~PROC_VACUUM_STATE_MASK;
  PgProc.statusFlags.set(mem, proc, flags);
  mem.u8[procArray.flags + PgProc.xactOffset.get(mem, proc)] = flags;
}

/** With ProcArrayLock exclusively. */
function endLocked(proc: number, latestXid: TransactionId): void {
  mem.i32[(procArray.xids + 4 * PgProc.xactOffset.get(mem, proc)) >>> 2] = 0;
  PgProc.xid.set(mem, proc, 0);
  clearCommon(proc);
  if ((PgProc.statusFlags.get(mem, proc) & PROC_VACUUM_STATE_MASK) !== 0) clearVacuumFlags(proc);
  if (PgProc.subxidCount.get(mem, proc) > 0 || PgProc.subxidOverflowed.get(mem, proc) !== 0) clearSubXids(proc);
  maintainLatestCompletedXid(latestXid);
}

/** Ends my transaction. `latestXid`: the youngest of its xids, 0 if it has none. */
export function procArrayEndTransaction(latestXid: TransactionId): void {
  if (myProcess.procNumber < 0) return;
  const proc = procAt(myProcess.procNumber);
  const lock = mainLWLock('ProcArray');
  if (latestXid !== 0) {
    if (lwLockConditionalAcquire(lock, 'exclusive')) {
      endLocked(proc, latestXid);
      lwLockRelease(lock);
    } else groupClearXid(latestXid);
    return;
  }
  clearCommon(proc);
  if ((PgProc.statusFlags.get(mem, proc) & PROC_VACUUM_STATE_MASK) === 0) return;
  lwLockAcquire(lock, 'exclusive');
  clearVacuumFlags(proc);
  lwLockRelease(lock);
}

function groupClearXid(latestXid: TransactionId): void {
  const me = myProcess.procNumber;
  const proc = procAt(me);
  const cache = variableCacheAt();
  PgProc.procArrayGroupMemberXid.set(mem, proc, latestXid);
  PgProc.procArrayGroupMember.store(mem, proc, 1);
  let next = VariableCache.procArrayGroupFirst.load(mem, cache);
  for (;;) {
    PgProc.procArrayGroupNext.store(mem, proc, next);
    const seen = VariableCache.procArrayGroupFirst.compareExchange(mem, cache, next, me);
    if (seen === next) break;
    next = seen;
  }
  // Not the first: the leader does it, and wakes us when it is done.
  if (next >= 0) {
    waitForLeader(proc, PgProc.procArrayGroupMember, WAIT_EVENT.ProcArrayGroupUpdate);
    return;
  }
  const lock = mainLWLock('ProcArray');
  lwLockAcquire(lock, 'exclusive');
  // The whole list at once: nobody pops single entries, so there is no ABA problem.
  const first = VariableCache.procArrayGroupFirst.exchange(mem, cache, -1);
  for (let member = first; member >= 0; member = PgProc.procArrayGroupNext.load(mem, procAt(member)))
    endLocked(procAt(member), PgProc.procArrayGroupMemberXid.get(mem, procAt(member)) as TransactionId);
  lwLockRelease(lock);
  // Waking is a system call each: not under the lock.
  for (let member = first; member >= 0; ) {
    const who = procAt(member);
    const following = PgProc.procArrayGroupNext.load(mem, who);
    PgProc.procArrayGroupNext.store(mem, who, -1);
    PgProc.procArrayGroupMember.store(mem, who, 0);
    if (member !== me) semaphoreUp(who);
    member = following;
  }
}

/** PREPARE: my xids live on in the dummy PGPROC, which is in the ProcArray already. */
export function procArrayClearTransaction(): void {
  const proc = procAt(myProcess.procNumber);
  const lock = mainLWLock('ProcArray');
  lwLockAcquire(lock, 'exclusive');
  mem.i32[(procArray.xids + 4 * PgProc.xactOffset.get(mem, proc)) >>> 2] = 0;
  PgProc.xid.set(mem, proc, 0);
  PgProc.localTransactionId.set(mem, proc, 0);
  PgProc.xmin.set(mem, proc, 0);
  PgProc.recoveryConflictPending.set(mem, proc, 0);
  // The same xids are running, but a cached snapshot that left them out as its own would be wrong now.
  const cache = variableCacheAt();
  VariableCache.completionCount.set(mem, cache, VariableCache.completionCount.get(mem, cache) + 1);
  clearSubXids(proc);
  lwLockRelease(lock);
}

/** The subtransaction `xid` and its children were rolled back: they leave my PGPROC now, not at the end. */
export function xidCacheRemoveRunningXids(
  xid: TransactionId,
  children: readonly TransactionId[],
  latestXid: TransactionId,
): void {
  const proc = procAt(myProcess.procNumber);
  const lock = mainLWLock('ProcArray');
  lwLockAcquire(lock, 'exclusive');
  const place = PgProc.xactOffset.get(mem, proc);
  const remove = (which: TransactionId): void => {
    const count = PgProc.subxidCount.get(mem, proc);
    for (let i = count - 1; i >= 0; i--) {
      if (mem.i32[PgProc.subxids.at(proc, i) >>> 2] !== (which | 0)) continue;
      mem.i32[PgProc.subxids.at(proc, i) >>> 2] = mem.i32[PgProc.subxids.at(proc, count - 1) >>> 2]!;
      PgProc.subxidCount.set(mem, proc, count - 1);
      mem.u8[procArray.subxids + 2 * place] = count - 1;
      return;
    }
    if (PgProc.subxidOverflowed.get(mem, proc) === 0)
      report('WARNING', { message: `did not find subXID ${which} in MyProc` });
  };
  for (let i = children.length - 1; i >= 0; i--) remove(children[i]!);
  remove(xid);
  maintainLatestCompletedXid(latestXid);
  lwLockRelease(lock);
}
