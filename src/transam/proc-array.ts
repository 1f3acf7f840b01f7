/** proc-array.ts — which transactions and which sessions run: the questions that the rest of the server asks.
 *
 *  Membership and publication are in proc-array-layout.ts, snapshots in proc-array-snapshot.ts, horizons in
 *  global-vis-horizons.ts, a transaction's end in proc-array-end.ts; this file is where others find all of them.
 *  Counterpart: src/backend/storage/ipc/procarray.c */
import type { Oid, TransactionId } from '#base/ids.ts';
import { xidOfFull, xidPrecedes, xidPrecedesOrEquals } from '#base/xid.ts';
import { native, SIGNAL } from '#platform/native.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { onShmemExit } from '#runtime/exit-callbacks.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { myProcess } from '#runtime/my-process.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { maxBackends, procAt, totalProcs } from '#shm/proc.ts';
import { resetLatch } from '#shm/latch.ts';
import { waitLatch } from '#shm/wait-event-set.ts';
import { knownAssignedXidExists, knownAssignedXidsGet } from '#transam/known-assigned-xids.ts';
import { procArray, procArrayAdd, procArrayCount, procArrayRemove, procNumberAt } from '#transam/proc-array-layout.ts';
import { PROC_AFFECTS_ALL_HORIZONS, PROC_IN_VACUUM, PROC_IS_AUTOVACUUM } from '#transam/proc-flags.ts';
import { subTransGetTopmostTransaction } from '#transam/subtrans.ts';
import { transactionIdDidAbort, transactionIdIsKnownCompleted } from '#transam/transam.ts';
import { ProcArrayHeader, VariableCache } from '#transam/transam-layout.ts';
import { variableCacheAt } from '#transam/variable-cache.ts';
import { transactionIdIsCurrentTransactionId } from '#transam/xact-stack.ts';
import { xmins } from '#transam/xmins.ts';
import { setMinimumActiveBackends } from '#wal/flush.ts';
import { recoveryInProgress } from '#wal/recovery-state.ts';
import type { RunningTransactions } from '#transam/known-assigned-xids.ts';

export type { GlobalVisState, HorizonKind } from '#transam/global-vis.ts';
// biome-ignore lint/performance/noBarrelFile: one door for the users of several files of this subject
export {
  computeXidHorizons,
  getOldestNonRemovableTransactionId,
  getOldestTransactionIdConsideredRunning,
  getReplicationHorizons,
  globalVisCheckRemovableFullXid,
  globalVisCheckRemovableXid,
  globalVisTestFor,
  globalVisTestIsRemovableFullXid,
  globalVisTestIsRemovableXid,
  globalVisTestNonRemovableHorizon,
} from '#transam/global-vis-horizons.ts';
export { procArrayAdd, procArrayRemove };
export {
  procArrayClearTransaction,
  procArrayEndTransaction,
  xidCacheRemoveRunningXids,
} from '#transam/proc-array-end.ts';
export * from '#transam/proc-flags.ts';
export { getSnapshotData } from '#transam/proc-array-snapshot.ts';

export interface VirtualTransactionId {
  readonly backendId: number;
  readonly localTransactionId: number;
}

/** This process may run transactions from now on, until it leaves shared memory. */
export function joinProcArray(): void {
  const { procNumber } = myProcess;
  procArrayAdd(procNumber);
  onShmemExit(() => procArrayRemove(procNumber, 0 as TransactionId));
}

const arrayLock = (): number => mainLWLock('ProcArray');
/** Calls back for each member under ProcArrayLock shared; a true answer ends the loop. */
function forEachMember(each: (proc: number, place: number) => boolean): void {
  lwLockAcquire(arrayLock(), 'shared');
  const count = procArrayCount();
  for (let place = 0; place < count; place++) if (each(procAt(procNumberAt(place)), place)) break;
  lwLockRelease(arrayLock());
}

// ── is it running? ───────────────────────────────────────────────────────────────────────────────────────────────

let knownNotInProgress = 0;
export function forgetProcArrayCache(): void {
  knownNotInProgress = 0;
}

/** Does this (sub)transaction run, anywhere? */
export function transactionIdIsInProgress(xid: TransactionId): boolean {
  if (xidPrecedes(xid, xmins.recent)) return false;
  if (xid === knownNotInProgress || transactionIdIsKnownCompleted(xid)) return false;
  if (transactionIdIsCurrentTransactionId(xid)) return true;
  const lock = arrayLock();
  lwLockAcquire(lock, 'shared');
  const completed = xidOfFull(VariableCache.latestCompletedXid.get(mem, variableCacheAt()) as never);
  // Newer than whatever has ended: it may only just have got its xid.
  if (xidPrecedes(completed, xid)) {
    lwLockRelease(lock);
    return true;
  }
  const mine = myProcess.procNumber < 0 ? -1 : PgProc.xactOffset.get(mem, procAt(myProcess.procNumber));
  /** Tops whose subtransactions are not all known. */
  const overflowed: TransactionId[] = [];
  const count = procArrayCount();
  for (let place = 0; place < count; place++) {
    if (place === mine) continue;
    const top = mem.view.getUint32(procArray.xids + 4 * place, true) as TransactionId;
    if (top === 0) continue;
    if (top === xid) {
      lwLockRelease(lock);
      return true;
    }
    // A child is younger than its parent.
    if (xidPrecedes(xid, top)) continue;
    const children = mem.u8[procArray.subxids + 2 * place]!;
    const proc = procAt(procNumberAt(place));
    for (let i = children - 1; i >= 0; i--) {
      if (mem.i32[PgProc.subxids.at(proc, i) >>> 2] !== (xid | 0)) continue;
      lwLockRelease(lock);
      return true;
    }
    if (mem.u8[procArray.subxids + 2 * place + 1] !== 0) overflowed.push(top);
  }
  let tops: readonly TransactionId[] = overflowed;
  if (recoveryInProgress()) {
    if (knownAssignedXidExists(xid)) {
      lwLockRelease(lock);
      return true;
    }
    const last = ProcArrayHeader.lastOverflowedXid.get(mem, procArray.at) as TransactionId;
    if (xidPrecedesOrEquals(xid, last)) tops = knownAssignedXidsGet(xid);
  }
  lwLockRelease(lock);
  if (tops.length > 0 && !transactionIdDidAbort(xid)) {
    // It may be a subtransaction that did not fit: ask pg_subtrans whose. Not under the lock, it may read a page.
    const top = subTransGetTopmostTransaction(xid);
    if (top !== xid && tops.includes(top)) return true;
  }
  knownNotInProgress = xid;
  return false;
}

/** Is it the top-level transaction of a live process? Not true of prepared transactions. */
export function transactionIdIsActive(xid: TransactionId): boolean {
  if (xidPrecedes(xid, xmins.recent)) return false;
  let found = false;
  forEachMember((proc, place) => {
    found = mem.view.getUint32(procArray.xids + 4 * place, true) === xid && PgProc.pid.load(mem, proc) !== 0;
    return found;
  });
  return found;
}

// ── oldest … ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** The oldest xid that is running, nextXid if none is: where SUBTRANS must be kept from after a crash. */
export function getOldestActiveTransactionId(): TransactionId {
  const genLock = mainLWLock('XidGen');
  lwLockAcquire(genLock, 'shared');
  let oldest = xidOfFull(VariableCache.nextXid.get(mem, variableCacheAt()) as never) as TransactionId;
  lwLockRelease(genLock);
  forEachMember((_proc, place) => {
    const xid = mem.view.getUint32(procArray.xids + 4 * place, true) as TransactionId;
    if (xid !== 0 && xidPrecedes(xid, oldest)) oldest = xid;
    return false;
  });
  return oldest;
}

/** From here on the catalogs' (or all) rows are still there for decoding. Caller holds ProcArrayLock if it must not move. */
export function getOldestSafeDecodingTransactionId(catalogOnly: boolean): TransactionId {
  const genLock = mainLWLock('XidGen');
  lwLockAcquire(arrayLock(), 'shared');
  // No new xid may come into being between the look at nextXid and the look at the slots.
  lwLockAcquire(genLock, 'shared');
  let oldest = xidOfFull(VariableCache.nextXid.get(mem, variableCacheAt()) as never) as TransactionId;
  const slot = ProcArrayHeader.replicationSlotXmin.get(mem, procArray.at) as TransactionId;
  if (slot !== 0 && xidPrecedes(slot, oldest)) oldest = slot;
  const catalog = ProcArrayHeader.replicationSlotCatalogXmin.get(mem, procArray.at) as TransactionId;
  if (catalogOnly && catalog !== 0 && xidPrecedes(catalog, oldest)) oldest = catalog;
  if (!recoveryInProgress()) {
    const count = procArrayCount();
    for (let place = 0; place < count; place++) {
      const xid = mem.view.getUint32(procArray.xids + 4 * place, true) as TransactionId;
      if (xid !== 0 && xidPrecedes(xid, oldest)) oldest = xid;
    }
  }
  lwLockRelease(genLock);
  lwLockRelease(arrayLock());
  return oldest;
}

/** What replication slots need. */
export function procArraySetReplicationSlotXmin(
  xmin: TransactionId,
  catalogXmin: TransactionId,
  alreadyLocked: boolean,
): void {
  if (!alreadyLocked) lwLockAcquire(arrayLock(), 'exclusive');
  ProcArrayHeader.replicationSlotXmin.set(mem, procArray.at, xmin);
  ProcArrayHeader.replicationSlotCatalogXmin.set(mem, procArray.at, catalogXmin);
  if (!alreadyLocked) lwLockRelease(arrayLock());
}
export function procArrayGetReplicationSlotXmin(): { xmin: TransactionId; catalogXmin: TransactionId } {
  lwLockAcquire(arrayLock(), 'shared');
  const xmin = ProcArrayHeader.replicationSlotXmin.get(mem, procArray.at) as TransactionId;
  const catalogXmin = ProcArrayHeader.replicationSlotCatalogXmin.get(mem, procArray.at) as TransactionId;
  lwLockRelease(arrayLock());
  return { xmin, catalogXmin };
}

// ── all that run, for a standby ──────────────────────────────────────────────────────────────────────────────────

/** Returns with ProcArrayLock and XidGenLock held shared: the caller writes the WAL record and then releases both, so
 *  that no transaction can end or begin between the list and the record. */
export function getRunningTransactionData(): RunningTransactions {
  const genLock = mainLWLock('XidGen');
  const cache = variableCacheAt();
  lwLockAcquire(arrayLock(), 'shared');
  lwLockAcquire(genLock, 'shared');
  const nextXid = xidOfFull(VariableCache.nextXid.get(mem, cache) as never) as TransactionId;
  let oldest = nextXid;
  let overflow = false;
  const xids: TransactionId[] = [];
  const count = procArrayCount();
  for (let place = 0; place < count; place++) {
    const xid = mem.view.getUint32(procArray.xids + 4 * place, true) as TransactionId;
    if (xid === 0) continue;
    if (xidPrecedes(xid, oldest)) oldest = xid;
    if (mem.u8[procArray.subxids + 2 * place + 1] !== 0) overflow = true;
    xids.push(xid);
  }
  const xcnt = xids.length;
  if (!overflow) {
    for (let place = 0; place < count; place++) {
      const children = mem.u8[procArray.subxids + 2 * place]!;
      const proc = procAt(procNumberAt(place));
      for (let i = 0; i < children; i++)
        xids.push(mem.view.getUint32(PgProc.subxids.at(proc, i), true) as TransactionId);
    }
  }
  return {
    xids,
    xcnt,
    subxcnt: xids.length - xcnt,
    subxidOverflow: overflow,
    nextXid,
    oldestRunningXid: oldest,
    latestCompletedXid: xidOfFull(VariableCache.latestCompletedXid.get(mem, cache) as never),
  };
}
export function releaseRunningTransactionLocks(): void {
  lwLockRelease(arrayLock());
  lwLockRelease(mainLWLock('XidGen'));
}

// ── taking over somebody else's xmin ─────────────────────────────────────────────────────────────────────────────

/** False if the exporting transaction is gone: then its xmin is not protected any more. */
export function procArrayInstallImportedXmin(xmin: TransactionId, source: VirtualTransactionId): boolean {
  let done = false;
  forEachMember((proc, place) => {
    if ((mem.u8[procArray.flags + place]! & PROC_IN_VACUUM) !== 0) return false;
    if (PgProc.backendId.get(mem, proc) !== source.backendId) return false;
    if (PgProc.localTransactionId.get(mem, proc) !== source.localTransactionId) return false;
    if (PgProc.databaseId.get(mem, proc) !== myProcess.databaseId) return false;
    done = installXminOf(proc, xmin);
    return true;
  });
  return done;
}
/** Of the leader's PGPROC: a parallel worker. */
export function procArrayInstallRestoredXmin(xmin: TransactionId, procNumber: number): boolean {
  lwLockAcquire(arrayLock(), 'shared');
  const proc = procAt(procNumber);
  const done = PgProc.databaseId.get(mem, proc) === myProcess.databaseId && installXminOf(proc, xmin);
  if (done) {
    const flags = PgProc.statusFlags.get(mem, proc) & (PROC_IN_VACUUM | PROC_AFFECTS_ALL_HORIZONS);
    const me = procAt(myProcess.procNumber);
    PgProc.statusFlags.set(mem, me, PgProc.statusFlags.get(mem, me) | flags);
    mem.u8[procArray.flags + PgProc.xactOffset.get(mem, me)] = PgProc.statusFlags.get(mem, me);
  }
  lwLockRelease(arrayLock());
  return done;
}
function installXminOf(proc: number, xmin: TransactionId): boolean {
  const theirs = PgProc.xmin.get(mem, proc) as TransactionId;
  if (theirs === 0 || !xidPrecedesOrEquals(theirs, xmin)) return false;
  PgProc.xmin.set(mem, procAt(myProcess.procNumber), xmin);
  xmins.transaction = xmin;
  return true;
}

// ── sessions ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** PGPROC number of the member with that pid, -1 if there is none. */
export function backendPidGetProc(pid: number): number {
  let found = -1;
  if (pid !== 0)
    forEachMember((proc) => {
      if (PgProc.pid.load(mem, proc) !== pid) return false;
      found = PgProc.procNumber.get(mem, proc);
      return true;
    });
  return found;
}
/** pid of the process whose top-level xid this is, 0 if none (or a prepared transaction). */
export function backendXidGetPid(xid: TransactionId): number {
  let pid = 0;
  if (xid !== 0)
    forEachMember((proc, place) => {
      if (mem.view.getUint32(procArray.xids + 4 * place, true) !== xid) return false;
      pid = PgProc.pid.load(mem, proc);
      return true;
    });
  return pid;
}
/** xid, xmin and count of subxids of a backend id, for pg_stat_get_activity. */
export function backendIdGetTransactionIds(backendId: number): { xid: TransactionId; xmin: TransactionId } {
  let result = { xid: 0 as TransactionId, xmin: 0 as TransactionId };
  forEachMember((proc) => {
    if (PgProc.backendId.get(mem, proc) !== backendId || PgProc.pid.load(mem, proc) === 0) return false;
    result = { xid: PgProc.xid.get(mem, proc) as TransactionId, xmin: PgProc.xmin.get(mem, proc) as TransactionId };
    return true;
  });
  return result;
}

function countMembers(matches: (proc: number, place: number) => boolean): number {
  let count = 0;
  forEachMember((proc, place) => {
    if (PgProc.pid.load(mem, proc) !== 0 && matches(proc, place)) count++;
    return false;
  });
  return count;
}
/** Sessions in a database; 0 for all. */
export const countDbBackends = (databaseId: Oid): number =>
  countMembers((proc) => databaseId === 0 || PgProc.databaseId.get(mem, proc) === databaseId);
/** Without background workers: what ALTER DATABASE … CONNECTION LIMIT counts. */
export const countDbConnections = (databaseId: Oid): number =>
  countMembers(
    (proc) =>
      PgProc.isBackgroundWorker.get(mem, proc) === 0 &&
      (databaseId === 0 || PgProc.databaseId.get(mem, proc) === databaseId),
  );
export const countUserBackends = (roleId: Oid): number =>
  countMembers((proc) => PgProc.isBackgroundWorker.get(mem, proc) === 0 && PgProc.roleId.get(mem, proc) === roleId);
/** At least `min` other transactions with an xid run: is it worth while to wait for company at a flush? */
export function minimumActiveBackends(min: number): boolean {
  if (min === 0) return true;
  let count = 0;
  // Without the lock: a wrong guess costs nothing.
  const members = procArrayCount();
  const me = myProcess.procNumber;
  for (let place = 0; place < members; place++) {
    const number = procNumberAt(place);
    if (number < 0 || number === me || number >= totalProcs()) continue;
    const proc = procAt(number);
    if (PgProc.xid.get(mem, proc) === 0 || PgProc.pid.load(mem, proc) === 0) continue;
    // Who waits for a lock will not come to its commit soon.
    if (PgProc.waitLock.get(mem, proc) !== 0) continue;
    if (++count >= min) return true;
  }
  return false;
}

/** The other sessions of a database with their roles, and how many prepared transactions it has. */
export function otherSessionsOf(databaseId: Oid): { sessions: { pid: number; role: Oid }[]; prepared: number } {
  const sessions: { pid: number; role: Oid }[] = [];
  let prepared = 0;
  forEachMember((proc) => {
    if (PgProc.databaseId.get(mem, proc) !== databaseId) return false;
    if (PgProc.procNumber.get(mem, proc) === myProcess.procNumber) return false;
    const pid = PgProc.pid.load(mem, proc);
    if (pid === 0) prepared++;
    else sessions.push({ pid, role: PgProc.roleId.get(mem, proc) as Oid });
    return false;
  });
  return { sessions, prepared };
}

const AUTOVACUUM_TRIES = 50;
/** Waits up to five seconds for the others to leave a database, asking autovacuum workers to do so. */
export function countOtherDbBackends(databaseId: Oid): { conflict: boolean; backends: number; prepared: number } {
  for (let attempt = 0; ; attempt++) {
    checkForInterrupts();
    let backends = 0;
    let prepared = 0;
    const autovacuum: number[] = [];
    forEachMember((proc, place) => {
      if (PgProc.databaseId.get(mem, proc) !== databaseId) return false;
      if (PgProc.procNumber.get(mem, proc) === myProcess.procNumber) return false;
      const pid = PgProc.pid.load(mem, proc);
      if (pid === 0) prepared++;
      else {
        backends++;
        if ((mem.u8[procArray.flags + place]! & PROC_IS_AUTOVACUUM) !== 0 && autovacuum.length < 10)
          autovacuum.push(pid);
      }
      return false;
    });
    const conflict = backends + prepared > 0;
    if (!conflict || attempt >= AUTOVACUUM_TRIES) return { conflict, backends, prepared };
    for (const pid of autovacuum) native.kill(pid, SIGNAL.TERM);
    waitLatch({ timeoutMs: 100 }, WAIT_EVENT.PgSleep);
    resetLatch();
  }
}

// ── virtual transactions ─────────────────────────────────────────────────────────────────────────────────────────

const vxidOf = (proc: number): VirtualTransactionId => ({
  backendId: PgProc.backendId.get(mem, proc),
  localTransactionId: PgProc.localTransactionId.get(mem, proc),
});

/** Who is between a WAL record and what belongs to it. */
export function getVirtualXidsDelayingChkpt(type: number): VirtualTransactionId[] {
  const found: VirtualTransactionId[] = [];
  forEachMember((proc) => {
    if ((PgProc.delayChkptFlags.load(mem, proc) & type) === 0) return false;
    const vxid = vxidOf(proc);
    if (vxid.localTransactionId !== 0) found.push(vxid);
    return false;
  });
  return found;
}
/** Is one of them still? */
export function haveVirtualXidsDelayingChkpt(vxids: readonly VirtualTransactionId[], type: number): boolean {
  let still = false;
  forEachMember((proc) => {
    if ((PgProc.delayChkptFlags.load(mem, proc) & type) === 0) return false;
    const { backendId, localTransactionId } = vxidOf(proc);
    still = vxids.some((one) => one.backendId === backendId && one.localTransactionId === localTransactionId);
    return still;
  });
  return still;
}
/** Transactions with a snapshot not newer than limitXmin (0: whatever it is). */
export function getCurrentVirtualXids(
  limitXmin: TransactionId,
  excludeXmin0: boolean,
  allDbs: boolean,
  excludeVacuum: number,
): VirtualTransactionId[] {
  const found: VirtualTransactionId[] = [];
  forEachMember((proc, place) => {
    if (PgProc.procNumber.get(mem, proc) === myProcess.procNumber) return false;
    if ((mem.u8[procArray.flags + place]! & excludeVacuum) !== 0) return false;
    if (!allDbs && PgProc.databaseId.get(mem, proc) !== myProcess.databaseId) return false;
    const xmin = PgProc.xmin.get(mem, proc) as TransactionId;
    if (excludeXmin0 && xmin === 0) return false;
    if (limitXmin !== 0 && xmin !== 0 && !xidPrecedesOrEquals(xmin, limitXmin)) return false;
    const vxid = vxidOf(proc);
    if (vxid.localTransactionId !== 0) found.push(vxid);
    return false;
  });
  return found;
}

/** Local transaction ids count on from where the backend id's last owner stopped: a vxid must not come again soon. */
export function nextLocalTransactionId(): number {
  const { backendId } = myProcess;
  if (backendId < 1 || backendId > maxBackends()) return 0;
  const word = (procArray.localXids + 4 * backendId) >>> 2;
  const next = (mem.i32[word]! + 1) | 0 || 1;
  mem.i32[word] = next;
  return next >>> 0;
}

setMinimumActiveBackends(minimumActiveBackends);
