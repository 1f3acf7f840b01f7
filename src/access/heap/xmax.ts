/** xmax.ts — who locks or changes a tuple: xmax, its infomask bits, multixacts, and waiting for those who are in the way.
 *
 *  | lock mode       | tuple-tag lock      | as locker      | as updater    |
 *  |-----------------|---------------------|----------------|---------------|
 *  | 0 key share     | AccessShareLock     | ForKeyShare    |               |
 *  | 1 share         | RowShareLock        | ForShare       |               |
 *  | 2 no key excl.  | ExclusiveLock       | ForNoKeyUpdate | NoKeyUpdate   |
 *  | 3 exclusive     | AccessExclusiveLock | ForUpdate      | Update        |
 *
 *  Two row locks conflict exactly if their tuple-tag locks do.
 *  Counterpart: compute_new_xmax_infomask() … Do_MultiXactIdWait() of src/backend/access/heap/heapam.c */
import {
  HEAP_KEYS_UPDATED,
  HEAP_LOCK_MASK,
  HEAP_XMAX_COMMITTED,
  HEAP_XMAX_EXCL_LOCK,
  HEAP_XMAX_INVALID,
  HEAP_XMAX_IS_MULTI,
  HEAP_XMAX_KEYSHR_LOCK,
  HEAP_XMAX_LOCK_ONLY,
  HEAP_XMAX_SHR_LOCK,
  lockedUpgraded,
  tupleInfomask,
  xmaxIsLockedOnly,
} from '#access/common/heap-tuple-layout.ts';
import type { Relation } from '#access/common/relation-descriptor.ts';
import type { LockTupleMode, LockWaitPolicy } from '#access/heap/heap-types.ts';
import { multiXactGetUpdateXid, setHintBits } from '#access/heap/visibility.ts';
import type { Buffer, ItemPointer, MultiXactId, TransactionId } from '#base/ids.ts';
import { INVALID_XID } from '#base/xid.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { myProcess } from '#runtime/my-process.ts';
import { LOCK, type LockMode, lockModesConflict } from '#storage/lmgr/lock-modes.ts';
import { conditionalLockTuple, lockTuple, unlockTuple } from '#storage/lmgr/lmgr.ts';
import {
  getMultiXactIdMembers,
  isUpdateStatus,
  MULTIXACT_STATUS,
  type MultiXactStatus,
  multiXactIdCreate,
  multiXactIdExpand,
  multiXactIdIsRunning,
} from '#transam/multixact.ts';
import { transactionIdIsInProgress } from '#transam/proc-array.ts';
import { transactionIdDidAbort, transactionIdDidCommit } from '#transam/transam.ts';
import { transactionIdIsCurrentTransactionId } from '#transam/xact.ts';
import { conditionalXactLockTableWait, type XltwOper, xactLockTableWait } from '#transam/xact-wait.ts';

/** Ranks of the lock modes: a stronger one is greater. */
export const TUPLE_LOCK = { keyShare: 0, share: 1, noKeyExclusive: 2, exclusive: 3 } as const satisfies Record<
  LockTupleMode,
  number
>;
export type TupleLock = 0 | 1 | 2 | 3;
const HEAVY_LOCK: readonly LockMode[] = [LOCK.accessShare, LOCK.rowShare, LOCK.exclusive, LOCK.accessExclusive];
const LOCK_OF_STATUS: readonly TupleLock[] = [0, 1, 2, 3, 2, 3];

export const tupleLockOfStatus = (status: MultiXactStatus): TupleLock => LOCK_OF_STATUS[status]!;
export const heavyLockOf = (mode: TupleLock): LockMode => HEAVY_LOCK[mode]!;
export const heavyLockOfStatus = (status: MultiXactStatus): LockMode => HEAVY_LOCK[LOCK_OF_STATUS[status]!]!;
export function statusForLock(mode: TupleLock, isUpdate: boolean): MultiXactStatus {
  if (!isUpdate) return mode as MultiXactStatus;
  if (mode === 2) return MULTIXACT_STATUS.noKeyUpdate;
  if (mode === 3) return MULTIXACT_STATUS.update;
  return report('ERROR', {
    code: SQLSTATE.internalError,
    message: `invalid lock tuple mode ${mode}/${isUpdate ? 'true' : 'false'}`,
  });
}

export const hint = { infomask: 0, infomask2: 0 };
/** GetMultiXactIdHintBits(): into `hint`. */
export function multiXactHintBits(multi: MultiXactId): void {
  let bits = HEAP_XMAX_IS_MULTI;
  let bits2 = 0;
  let hasUpdate = false;
  let strongest = 0;
  for (const { status } of getMultiXactIdMembers(multi, false, false) ?? []) {
    const mode = LOCK_OF_STATUS[status]!;
    if (mode > strongest) strongest = mode;
    if (status === MULTIXACT_STATUS.forUpdate || status === MULTIXACT_STATUS.update) bits2 |= HEAP_KEYS_UPDATED;
    if (isUpdateStatus(status)) hasUpdate = true;
  }
  bits |= strongest >= 2 ? HEAP_XMAX_EXCL_LOCK : strongest === 1 ? HEAP_XMAX_SHR_LOCK : HEAP_XMAX_KEYSHR_LOCK;
  if (!hasUpdate) bits |= HEAP_XMAX_LOCK_ONLY;
  hint.infomask = bits;
  hint.infomask2 = bits2;
}

/** Result of computeNewXmax(). */
export const newXmax = { xmax: INVALID_XID as TransactionId, infomask: 0, infomask2: 0 };
function setMulti(multi: MultiXactId): void {
  multiXactHintBits(multi);
  newXmax.xmax = multi as unknown as TransactionId;
  newXmax.infomask = hint.infomask;
  newXmax.infomask2 = hint.infomask2;
}
const updateStatusOf = (infomask2: number): MultiXactStatus =>
  (infomask2 & HEAP_KEYS_UPDATED) !== 0 ? MULTIXACT_STATUS.update : MULTIXACT_STATUS.noKeyUpdate;

const LOCK_BITS = [HEAP_XMAX_KEYSHR_LOCK, HEAP_XMAX_SHR_LOCK, HEAP_XMAX_EXCL_LOCK, HEAP_XMAX_EXCL_LOCK] as const;

/** compute_new_xmax_infomask(): what xmax becomes when `addXid` locks (or updates) a tuple that has this xmax; into `newXmax`.
 *  May create a multixact: before the critical section. */
export function computeNewXmax(
  xmax: TransactionId,
  oldInfomask: number,
  oldInfomask2: number,
  addXid: TransactionId,
  wanted: TupleLock,
  isUpdate: boolean,
): void {
  let infomask = oldInfomask;
  let mode = wanted;
  for (;;) {
    if ((infomask & HEAP_XMAX_INVALID) !== 0) {
      newXmax.xmax = addXid;
      newXmax.infomask = isUpdate ? 0 : HEAP_XMAX_LOCK_ONLY | LOCK_BITS[mode];
      newXmax.infomask2 = mode === 3 ? HEAP_KEYS_UPDATED : 0;
      return;
    }
    if ((infomask & HEAP_XMAX_IS_MULTI) !== 0) {
      const multi = xmax as unknown as MultiXactId;
      const lockedOnly = xmaxIsLockedOnly(infomask);
      // Nobody of it is left who matters: do without a multixact.
      if (
        lockedUpgraded(infomask) ||
        (!multiXactIdIsRunning(multi, lockedOnly) &&
          (lockedOnly || !transactionIdDidCommit(multiXactGetUpdateXid(xmax, infomask))))
      ) {
        infomask = (infomask & ~HEAP_XMAX_IS_MULTI) | HEAP_XMAX_INVALID;
        continue;
      }
      setMulti(multiXactIdExpand(multi, addXid, statusForLock(mode, isUpdate)));
      return;
    }
    if ((infomask & HEAP_XMAX_COMMITTED) !== 0) {
      // A committed update must stay known as such.
      setMulti(multiXactIdCreate(xmax, updateStatusOf(oldInfomask2), addXid, statusForLock(mode, isUpdate)));
      return;
    }
    if (transactionIdIsInProgress(xmax)) {
      let oldStatus: MultiXactStatus;
      if (xmaxIsLockedOnly(infomask)) {
        const lock = infomask & HEAP_LOCK_MASK;
        if (lock === HEAP_XMAX_KEYSHR_LOCK) oldStatus = MULTIXACT_STATUS.forKeyShare;
        else if (lock === HEAP_XMAX_SHR_LOCK) oldStatus = MULTIXACT_STATUS.forShare;
        else if (lock === HEAP_XMAX_EXCL_LOCK)
          oldStatus =
            (oldInfomask2 & HEAP_KEYS_UPDATED) !== 0 ? MULTIXACT_STATUS.forUpdate : MULTIXACT_STATUS.forNoKeyUpdate;
        else {
          report('WARNING', { message: `LOCK_ONLY found for Xid in progress ${xmax}` });
          infomask = (infomask | HEAP_XMAX_INVALID) & ~HEAP_XMAX_LOCK_ONLY;
          continue;
        }
      } else oldStatus = updateStatusOf(oldInfomask2);
      if (xmax === addXid) {
        // The same transaction again: only the stronger of its locks counts.
        const oldMode = LOCK_OF_STATUS[oldStatus]!;
        if (mode < oldMode) mode = oldMode;
        infomask |= HEAP_XMAX_INVALID;
        continue;
      }
      setMulti(multiXactIdCreate(xmax, oldStatus, addXid, statusForLock(mode, isUpdate)));
      return;
    }
    if (!xmaxIsLockedOnly(infomask) && transactionIdDidCommit(xmax)) {
      setMulti(multiXactIdCreate(xmax, updateStatusOf(oldInfomask2), addXid, statusForLock(mode, isUpdate)));
      return;
    }
    // It was running when the infomask was read and has ended meanwhile, without having changed anything.
    infomask |= HEAP_XMAX_INVALID;
  }
}

/** xmax_infomask_changed(): the tuple's xmax is no longer what we looked at. */
export function xmaxInfomaskChanged(newInfomask: number, oldInfomask: number): boolean {
  const interesting = HEAP_XMAX_IS_MULTI | HEAP_XMAX_LOCK_ONLY | HEAP_LOCK_MASK;
  return (newInfomask & interesting) !== (oldInfomask & interesting);
}

/** UpdateXmaxHintBits(): the transaction in xmax (no multixact) has just ended. */
export function updateXmaxHintBits(at: number, buffer: Buffer, xid: TransactionId): void {
  const infomask = tupleInfomask(at);
  if ((infomask & (HEAP_XMAX_COMMITTED | HEAP_XMAX_INVALID)) !== 0) return;
  if (!xmaxIsLockedOnly(infomask) && transactionIdDidCommit(xid)) setHintBits(at, buffer, HEAP_XMAX_COMMITTED, xid);
  else setHintBits(at, buffer, HEAP_XMAX_INVALID, INVALID_XID);
}

/** Out of multiXactConflicts(): this transaction is a member of the multixact itself. */
export let currentIsMember = false;
/** DoesMultiXactIdConflict(): is one of the members in the way of a lock in `mode`? */
export function multiXactConflicts(multi: MultiXactId, infomask: number, mode: TupleLock): boolean {
  currentIsMember = false;
  if (lockedUpgraded(infomask)) return false;
  const wanted = HEAVY_LOCK[mode]!;
  let result = false;
  for (const { xid, status } of getMultiXactIdMembers(multi, false, xmaxIsLockedOnly(infomask)) ?? []) {
    if (result && currentIsMember) break;
    if (transactionIdIsCurrentTransactionId(xid)) {
      currentIsMember = true;
      continue;
    }
    if (result || !lockModesConflict(heavyLockOfStatus(status), wanted)) continue;
    // Aborted updaters and lockers that have ended do not count.
    if (isUpdateStatus(status) ? transactionIdDidAbort(xid) : !transactionIdIsInProgress(xid)) continue;
    result = true;
  }
  return result;
}

/** Out of multiXactWait(): members that still matter to nobody but themselves (running, not in the way, or me). */
export let remainingMembers = 0;
/** Do_MultiXactIdWait(): waits for the members in the way; with `nowait` false at the first that would have to be waited for. */
export function multiXactWait(
  multi: MultiXactId,
  status: MultiXactStatus,
  infomask: number,
  nowait: boolean,
  rel: Relation,
  tid: ItemPointer,
  oper: XltwOper,
): boolean {
  remainingMembers = 0;
  if (lockedUpgraded(infomask)) return true;
  const wanted = heavyLockOfStatus(status);
  let remaining = 0;
  let result = true;
  for (const member of getMultiXactIdMembers(multi, false, xmaxIsLockedOnly(infomask)) ?? []) {
    if (transactionIdIsCurrentTransactionId(member.xid)) {
      remaining++;
      continue;
    }
    if (!lockModesConflict(heavyLockOfStatus(member.status), wanted)) {
      if (transactionIdIsInProgress(member.xid)) remaining++;
      continue;
    }
    if (nowait) {
      result = conditionalXactLockTableWait(member.xid);
      if (!result) break;
    } else xactLockTableWait(member.xid, rel.name, tid, oper);
  }
  remainingMembers = remaining;
  return result;
}

const databaseOf = (rel: Relation): number => (rel.isShared ? 0 : myProcess.databaseId);
/** heap_acquire_tuplock(): the place in the queue for the row. False only with policy 'skip'. */
export function acquireTupleLock(rel: Relation, tid: ItemPointer, mode: TupleLock, policy: LockWaitPolicy): boolean {
  const heavy = HEAVY_LOCK[mode]!;
  if (policy === 'block') {
    lockTuple(databaseOf(rel), rel.oid, tid, heavy);
    return true;
  }
  if (conditionalLockTuple(databaseOf(rel), rel.oid, tid, heavy)) return true;
  if (policy === 'skip') return false;
  return couldNotLockRow(rel);
}
export function releaseTupleLock(rel: Relation, tid: ItemPointer, mode: TupleLock): void {
  unlockTuple(databaseOf(rel), rel.oid, tid, HEAVY_LOCK[mode]!);
}
export function couldNotLockRow(rel: Relation): never {
  report('ERROR', {
    code: SQLSTATE.lockNotAvailable,
    message: `could not obtain lock on row in relation "${rel.name}"`,
  });
}
