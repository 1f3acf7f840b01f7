/** known-assigned-xids.ts — on a standby: which transactions of the primary are running, as far as the WAL has told?
 *
 *  An ascending array of xids in shared memory, written by the startup process alone. New xids are appended at the head;
 *  ended ones are only marked, and squeezed out when the array is full or mostly holes. Gaps in the xids seen are filled:
 *  an xid between two that were seen is running, too. Subtransactions are dropped from the array when the primary reports
 *  their parent (XACT_ASSIGNMENT); then, or when the primary's own cache overflowed, lastOverflowedXid says up to which
 *  xid the array may lack subtransactions.
 *  Counterpart: the second half of src/backend/storage/ipc/procarray.c */
import type { TransactionId } from '#base/ids.ts';
import {
  xidAdvance,
  xidFollows,
  xidFollowsOrEquals,
  xidOfFull,
  xidPrecedes,
  xidPrecedesOrEquals,
  xidRetreat,
} from '#base/xid.ts';
import { assert } from '#base/assert.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import { spinAcquire, spinRelease } from '#shm/spinlock.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';
import { extendSubtrans, subTransSetParent } from '#transam/subtrans.ts';
import {
  maintainLatestCompletedXid,
  MAX_CACHED_SUBXIDS,
  maxProcArrayEntries,
  procArray,
} from '#transam/proc-array-layout.ts';
import { transactionIdDidAbort, transactionIdDidCommit } from '#transam/transam.ts';
import { KnownAssigned as K, ProcArrayHeader, VariableCache } from '#transam/transam-layout.ts';
import { variableCacheAt } from '#transam/variable-cache.ts';
import { advanceNextFullXidPastXid } from '#transam/xid-generator.ts';
import { replay, STANDBY } from '#wal/recovery-state.ts';

let at = -1;
let xidsAt = 0;
let validAt = 0;
const capacity = (): number => (settings.hot_standby ? (MAX_CACHED_SUBXIDS + 1) * maxProcArrayEntries() : 0);

export const knownAssignedShmem: ShmemSubsystem = {
  name: 'KnownAssignedXids',
  request: () => requestShmemSpace(K.SIZE + capacity() * 5),
  init() {
    const found = shmemInitStruct('KnownAssignedXids', K.SIZE + capacity() * 5);
    at = found.at;
    xidsAt = at + K.SIZE;
    validAt = xidsAt + capacity() * 4;
    if (!found.found) K.max.set(mem, at, capacity());
  },
};

const xidIn = (slot: number): TransactionId => mem.view.getUint32(xidsAt + 4 * slot, true) as TransactionId;
const isValid = (slot: number): boolean => mem.u8[validAt + slot] !== 0;

/** Of the startup process. */
let latestObservedXid = 0 as TransactionId;
let snapshotPendingXmin = 0 as TransactionId;
let endsSinceCompression = 0;

// ── reading (ProcArrayLock held) ─────────────────────────────────────────────────────────────────────────────────

function bounds(): { tail: number; head: number } {
  spinAcquire(at + K.lock.offset);
  const result = { tail: K.tail.get(mem, at), head: K.head.get(mem, at) };
  spinRelease(at + K.lock.offset);
  return result;
}

/** Copies the running xids before `xmax`; xmin becomes the oldest of them if that is older. */
export function knownAssignedXidsGetAndSetXmin(
  into: Uint32Array,
  xmin: TransactionId,
  xmax: TransactionId,
): { count: number; xmin: TransactionId } {
  const { tail, head } = bounds();
  let count = 0;
  let oldest = xmin;
  for (let slot = tail; slot < head; slot++) {
    if (!isValid(slot)) continue;
    const xid = xidIn(slot);
    // Ascending: the first is the oldest, and one from xmax on ends the scan.
    if (count === 0 && xidPrecedes(xid, oldest)) oldest = xid;
    if (xmax !== 0 && xidFollowsOrEquals(xid, xmax)) break;
    into[count++] = xid;
  }
  return { count, xmin: oldest };
}
export function knownAssignedXidsGet(xmax: TransactionId): TransactionId[] {
  const into = new Uint32Array(K.count.get(mem, at) + 1);
  const { count } = knownAssignedXidsGetAndSetXmin(into, 0xffff_ffff as TransactionId, xmax);
  return [...into.subarray(0, count)] as TransactionId[];
}
export function knownAssignedXidsGetOldestXmin(): TransactionId {
  const { tail, head } = bounds();
  for (let slot = tail; slot < head; slot++) if (isValid(slot)) return xidIn(slot);
  return 0 as TransactionId;
}

function find(xid: TransactionId): number {
  const { tail, head } = bounds();
  let low = tail;
  let high = head - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const probe = xidIn(middle);
    if (probe === xid) return isValid(middle) ? middle : -1;
    if (xidPrecedes(xid, probe)) high = middle - 1;
    else low = middle + 1;
  }
  return -1;
}
export const knownAssignedXidExists = (xid: TransactionId): boolean => find(xid) >= 0;

// ── writing (startup process) ────────────────────────────────────────────────────────────────────────────────────

/** Squeezes the ended out. ProcArrayLock exclusively. */
function compress(): void {
  const tail = K.tail.get(mem, at);
  const head = K.head.get(mem, at);
  let to = 0;
  for (let slot = tail; slot < head; slot++) {
    if (!isValid(slot)) continue;
    mem.view.setUint32(xidsAt + 4 * to, xidIn(slot), true);
    mem.u8[validAt + to] = 1;
    to++;
  }
  K.tail.set(mem, at, 0);
  K.head.set(mem, at, to);
}

/** Appends from … to, all of them running. */
function add(from: TransactionId, to: TransactionId): void {
  let wanted = 1;
  for (let xid = from; xid !== to; xid = xidAdvance(xid)) wanted++;
  let head = K.head.get(mem, at);
  assert(
    head <= K.tail.get(mem, at) || xidPrecedes(xidIn(head - 1), from),
    'out-of-order XID insertion in KnownAssignedXids',
  );
  if (head + wanted > K.max.get(mem, at)) {
    const lock = mainLWLock('ProcArray');
    lwLockAcquire(lock, 'exclusive');
    compress();
    lwLockRelease(lock);
    head = K.head.get(mem, at);
    if (head + wanted > K.max.get(mem, at)) report('ERROR', { message: 'too many KnownAssignedXids' });
  }
  for (let xid = from, i = 0; i < wanted; i++, xid = xidAdvance(xid)) {
    mem.view.setUint32(xidsAt + 4 * head, xid, true);
    mem.u8[validAt + head] = 1;
    head++;
  }
  K.count.set(mem, at, K.count.get(mem, at) + wanted);
  // Readers see the new head only with the entries below it.
  spinAcquire(at + K.lock.offset);
  K.head.set(mem, at, head);
  spinRelease(at + K.lock.offset);
}

function remove(xid: TransactionId): void {
  const slot = find(xid);
  if (slot < 0) return;
  mem.u8[validAt + slot] = 0;
  K.count.set(mem, at, K.count.get(mem, at) - 1);
  if (slot !== K.tail.get(mem, at)) return;
  const head = K.head.get(mem, at);
  let tail = slot + 1;
  while (tail < head && !isValid(tail)) tail++;
  if (tail >= head) {
    K.tail.set(mem, at, 0);
    K.head.set(mem, at, 0);
  } else K.tail.set(mem, at, tail);
}
/** All before `xid`, but for prepared transactions; 0 for simply all. */
function removePreceding(xid: TransactionId, isPrepared: (xid: TransactionId) => boolean): void {
  if (xid === 0) {
    K.count.set(mem, at, 0);
    K.tail.set(mem, at, 0);
    K.head.set(mem, at, 0);
    return;
  }
  const head = K.head.get(mem, at);
  for (let slot = K.tail.get(mem, at); slot < head; slot++) {
    if (!isValid(slot)) continue;
    const known = xidIn(slot);
    if (xidFollowsOrEquals(known, xid)) break;
    if (isPrepared(known)) continue;
    mem.u8[validAt + slot] = 0;
    K.count.set(mem, at, K.count.get(mem, at) - 1);
  }
  compress();
}

/** Recovery begins with nextXid known: what was seen so far is everything before it. */
export function procArrayInitRecovery(initializedUptoXid: TransactionId): void {
  latestObservedXid = xidRetreat(initializedUptoXid);
}

/** A record of `xid` is about to be replayed: it, and all xids up to it, have been assigned. */
export function recordKnownAssignedTransactionIds(xid: TransactionId): void {
  if (!xidFollows(xid, latestObservedXid)) return;
  for (let next = latestObservedXid; xidPrecedes(next, xid); ) {
    next = xidAdvance(next);
    extendSubtrans(next);
  }
  // Until the first snapshot is in, the primary's list will say what runs.
  if (replay.standbyState > STANDBY.initialized) add(xidAdvance(latestObservedXid), xid);
  latestObservedXid = xid;
  advanceNextFullXidPastXid(xid);
}

/** A transaction and its subtransactions have ended. */
export function expireTreeKnownAssignedTransactionIds(
  xid: TransactionId,
  subxids: readonly TransactionId[],
  maxXid: TransactionId,
): void {
  const lock = mainLWLock('ProcArray');
  lwLockAcquire(lock, 'exclusive');
  remove(xid);
  for (const sub of subxids) remove(sub);
  if (
    ++endsSinceCompression % 128 === 0 &&
    K.head.get(mem, at) - K.tail.get(mem, at) > 4 * Math.max(K.count.get(mem, at), maxProcArrayEntries())
  )
    compress();
  maintainLatestCompletedXid(maxXid);
  lwLockRelease(lock);
}
export function expireAllKnownAssignedTransactionIds(): void {
  const lock = mainLWLock('ProcArray');
  lwLockAcquire(lock, 'exclusive');
  removePreceding(0 as TransactionId, () => false);
  ProcArrayHeader.lastOverflowedXid.set(mem, procArray.at, 0);
  const cache = variableCacheAt();
  VariableCache.completionCount.set(mem, cache, VariableCache.completionCount.get(mem, cache) + 1);
  const next = VariableCache.nextXid.get(mem, cache);
  VariableCache.latestCompletedXid.set(mem, cache, next - 1);
  lwLockRelease(lock);
}
export function expireOldKnownAssignedTransactionIds(
  xid: TransactionId,
  isPrepared: (xid: TransactionId) => boolean,
): void {
  const lock = mainLWLock('ProcArray');
  lwLockAcquire(lock, 'exclusive');
  const last = ProcArrayHeader.lastOverflowedXid.get(mem, procArray.at) as TransactionId;
  if (last !== 0 && xidPrecedes(last, xid)) ProcArrayHeader.lastOverflowedXid.set(mem, procArray.at, 0);
  const cache = variableCacheAt();
  VariableCache.completionCount.set(mem, cache, VariableCache.completionCount.get(mem, cache) + 1);
  removePreceding(xid, isPrepared);
  lwLockRelease(lock);
}

/** The primary says that these subtransactions belong to `top`: they leave the array. */
export function procArrayApplyXidAssignment(top: TransactionId, subxids: readonly TransactionId[]): void {
  assert(replay.standbyState >= STANDBY.initialized, 'the standby follows transactions');
  const max = subxids.reduce((latest, sub) => (xidFollows(sub, latest) ? sub : latest), top);
  // The xids may be new to us, because their records come later.
  recordKnownAssignedTransactionIds(max);
  for (const sub of subxids) subTransSetParent(sub, top);
  if (replay.standbyState === STANDBY.initialized) return;
  const lock = mainLWLock('ProcArray');
  lwLockAcquire(lock, 'exclusive');
  for (const sub of subxids) remove(sub);
  const last = ProcArrayHeader.lastOverflowedXid.get(mem, procArray.at) as TransactionId;
  if (last === 0 || xidPrecedes(last, max)) ProcArrayHeader.lastOverflowedXid.set(mem, procArray.at, max);
  lwLockRelease(lock);
}

export interface RunningTransactions {
  /** Top-level and sub together: xids. */
  readonly xids: readonly TransactionId[];
  readonly xcnt: number;
  readonly subxcnt: number;
  readonly subxidOverflow: boolean;
  readonly nextXid: TransactionId;
  readonly oldestRunningXid: TransactionId;
  readonly latestCompletedXid: TransactionId;
}

/** The primary's list of running transactions: where a standby begins, and where it corrects itself. */
export function procArrayApplyRecoveryInfo(
  running: RunningTransactions,
  isPrepared: (xid: TransactionId) => boolean,
): void {
  expireOldKnownAssignedTransactionIds(running.oldestRunningXid, isPrepared);
  const cache = variableCacheAt();
  const next = running.nextXid;
  if (replay.standbyState === STANDBY.snapshotReady) return;
  if (replay.standbyState === STANDBY.snapshotPending) {
    // Complete now, or everything that was running then has ended: the list is exact.
    if (!running.subxidOverflow || running.xcnt === 0) {
      const lock = mainLWLock('ProcArray');
      lwLockAcquire(lock, 'exclusive');
      removePreceding(0 as TransactionId, () => false);
      lwLockRelease(lock);
      replay.standbyState = STANDBY.initialized;
    } else {
      if (xidPrecedes(snapshotPendingXmin, running.oldestRunningXid)) {
        replay.standbyState = STANDBY.snapshotReady;
        report('DEBUG1', { message: 'recovery snapshots are now enabled' });
      } else
        report('DEBUG1', {
          message: `recovery snapshot waiting for non-overflowed snapshot or until oldest active xid on standby is at least ${snapshotPendingXmin} (now ${running.oldestRunningXid})`,
        });
      return;
    }
  }
  assert(replay.standbyState === STANDBY.initialized, 'no list has been applied yet');
  const lock = mainLWLock('ProcArray');
  lwLockAcquire(lock, 'exclusive');
  const xids = running.xids.filter((xid) => !transactionIdDidCommit(xid) && !transactionIdDidAbort(xid));
  if (xids.length > 0) {
    if (K.count.get(mem, at) !== 0) {
      lwLockRelease(lock);
      report('ERROR', { message: 'KnownAssignedXids is not empty' });
    }
    xids.sort((a, b) => (a - b) | 0);
    let previous = 0 as TransactionId;
    for (const xid of xids) {
      // A prepared transaction may stand in it twice: as itself and by its process's last moments.
      if (xid !== previous) add(xid, xid);
      previous = xid;
    }
  }
  // pg_subtrans was made up to the last xid that was seen.
  for (let xid = latestObservedXid; xidPrecedes(xidAdvance(xid), next); ) {
    xid = xidAdvance(xid);
    extendSubtrans(xid);
  }
  if (xidPrecedes(latestObservedXid, xidRetreat(next))) latestObservedXid = xidRetreat(next);
  if (running.subxidOverflow) {
    replay.standbyState = STANDBY.snapshotPending;
    snapshotPendingXmin = latestObservedXid;
    ProcArrayHeader.lastOverflowedXid.set(mem, procArray.at, latestObservedXid);
  } else {
    replay.standbyState = STANDBY.snapshotReady;
    snapshotPendingXmin = 0 as TransactionId;
    ProcArrayHeader.lastOverflowedXid.set(mem, procArray.at, 0);
  }
  const completed = VariableCache.latestCompletedXid.get(mem, cache);
  if (xidPrecedesOrEquals(xidOfFull(completed as never), running.latestCompletedXid))
    maintainLatestCompletedXid(running.latestCompletedXid);
  lwLockRelease(lock);
  advanceNextFullXidPastXid(xidRetreat(next));
  if (replay.standbyState === STANDBY.snapshotReady)
    report('DEBUG1', { message: 'recovery snapshots are now enabled' });
  else
    report('DEBUG1', {
      message: `recovery snapshot waiting for non-overflowed snapshot or until oldest active xid on standby is at least ${snapshotPendingXmin} (now ${running.oldestRunningXid})`,
    });
}
