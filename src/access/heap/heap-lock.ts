/** heap-lock.ts — row locks: SELECT FOR UPDATE and its weaker sisters.
 *
 *  A row lock is xmax plus bits, or a multixact if several transactions hold one. Who must wait queues for the tuple's
 *  heavyweight lock first, so that the row goes to waiters in turn, and then waits for the transactions in the way. A
 *  lock on a version that has been updated must be put on the newer versions, too.
 *  Counterpart: heap_lock_tuple(), heap_lock_updated_tuple() of src/backend/access/heap/heapam.c,
 *  heapam_tuple_lock() of heapam_handler.c */
import {
  HEAP_HOT_UPDATED,
  HEAP_KEYS_UPDATED,
  HEAP_LOCK_MASK,
  HEAP_XMAX_BITS,
  HEAP_XMAX_EXCL_LOCK,
  HEAP_XMAX_INVALID,
  HEAP_XMAX_IS_MULTI,
  HEAP_XMAX_KEYSHR_LOCK,
  HEAP_XMAX_SHR_LOCK,
  setTupleCtid,
  setTupleInfomask,
  setTupleInfomask2,
  setTupleXmax,
  tupleCtid,
  tupleIndicatesMovedPartitions,
  tupleInfomask,
  tupleInfomask2,
  tupleRawXmax,
  tupleXmin,
  xmaxIsLockedOnly,
} from '#access/common/heap-tuple-layout.ts';
import { type Relation, relationNeedsWal, relReadBuffer } from '#access/common/relation-descriptor.ts';
import { tupleCmin } from '#access/heap/combo-cid.ts';
import { describeFailure } from '#access/heap/heap-delete.ts';
import { type HeapFetchResult, heapFetch, newHeapFetchResult, releaseHeapFetch } from '#access/heap/heap-fetch.ts';
import { XLH_LOCK_ALL_FROZEN_CLEARED } from '#access/heap/heap-records.ts';
import { type LockTupleMode, type LockWaitPolicy, type TMResult, tmf } from '#access/heap/heap-types.ts';
import { computeInfobits, logHeapLock } from '#access/heap/heap-wal.ts';
import { LP_MASK, LP_NORMAL } from '#access/heap/line-pointers.ts';
import { heapTupleSatisfiesUpdate, tupleIsOnlyLocked, tupleUpdateXid } from '#access/heap/visibility.ts';
import {
  newVmBuffer,
  releaseVmBuffer,
  VM_ALL_FROZEN,
  visibilityMapClear,
  visibilityMapPin,
} from '#access/heap/visibility-map.ts';
import {
  acquireTupleLock,
  computeNewXmax,
  couldNotLockRow,
  heavyLockOfStatus,
  multiXactConflicts,
  multiXactWait,
  newXmax,
  releaseTupleLock,
  statusForLock,
  TUPLE_LOCK,
  type TupleLock,
  tupleLockOfStatus,
  updateXmaxHintBits,
  xmaxInfomaskChanged,
} from '#access/heap/xmax.ts';
import {
  type CommandId,
  INVALID_BUFFER,
  type ItemPointer,
  type MultiXactId,
  type TransactionId,
  tidBlock,
  tidOffset,
} from '#base/ids.ts';
import { INVALID_XID } from '#base/xid.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { BUFFER_LOCK } from '#storage/buffer/buffer-layout.ts';
import { lockBuffer, unlockReleaseBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferPage } from '#storage/buffer/buffer-pool.ts';
import { markBufferDirty } from '#storage/buffer/dirty.ts';
import { lockModesConflict } from '#storage/lmgr/lock-modes.ts';
import { itemIdWord, lpLength, lpOffset, pageIsAllVisible, pageSetLsn } from '#storage/page/page.ts';
import {
  getMultiXactIdMembers,
  isUpdateStatus,
  MULTIXACT_STATUS,
  type MultiXactStatus,
  multiXactIdSetOldestMember,
} from '#transam/multixact.ts';
import { transactionIdIsInProgress } from '#transam/proc-array.ts';
import { initDirtySnapshot, SNAPSHOT_ANY } from '#transam/snapshot.ts';
import { transactionIdDidAbort, transactionIdDidCommit } from '#transam/transam.ts';
import { getCurrentTransactionId, transactionIdIsCurrentTransactionId } from '#transam/xact.ts';
import { conditionalXactLockTableWait, xactLockTableWait } from '#transam/xact-wait.ts';

const isKeyShare = (infomask: number): boolean => (infomask & HEAP_LOCK_MASK) === HEAP_XMAX_KEYSHR_LOCK;
const isShare = (infomask: number): boolean => (infomask & HEAP_LOCK_MASK) === HEAP_XMAX_SHR_LOCK;
const isExclusive = (infomask: number): boolean => (infomask & HEAP_LOCK_MASK) === HEAP_XMAX_EXCL_LOCK;

/** What my own transaction holds: 2 as much as wanted, 1 something less in a multixact, 0 nothing to go by. */
function alreadyMine(xwait: TransactionId, infomask: number, infomask2: number, mode: TupleLock): 0 | 1 | 2 {
  if ((infomask & HEAP_XMAX_IS_MULTI) !== 0) {
    let weaker: 0 | 1 = 0;
    const multi = xwait as unknown as MultiXactId;
    for (const member of getMultiXactIdMembers(multi, false, xmaxIsLockedOnly(infomask)) ?? []) {
      if (!transactionIdIsCurrentTransactionId(member.xid)) continue;
      if (tupleLockOfStatus(member.status) >= mode) return 2;
      weaker = 1;
    }
    return weaker;
  }
  if (!transactionIdIsCurrentTransactionId(xwait)) return 0;
  switch (mode) {
    case TUPLE_LOCK.keyShare:
      return 2;
    case TUPLE_LOCK.share:
      return isShare(infomask) || isExclusive(infomask) ? 2 : 0;
    case TUPLE_LOCK.noKeyExclusive:
      return isExclusive(infomask) ? 2 : 0;
    default:
      return isExclusive(infomask) && (infomask2 & HEAP_KEYS_UPDATED) !== 0 ? 2 : 0;
  }
}

/** heap_lock_tuple(): locks the tuple in place `tid`. `out` receives its address with the page pinned, whatever the
 *  result; the caller releases it. With `followUpdates` newer versions are locked, too. */
export function heapLockTuple(
  rel: Relation,
  tid: ItemPointer,
  cid: CommandId,
  lockMode: LockTupleMode,
  policy: LockWaitPolicy,
  followUpdates: boolean,
  out: HeapFetchResult,
): TMResult {
  const mode: TupleLock = TUPLE_LOCK[lockMode];
  const block = tidBlock(tid);
  const offset = tidOffset(tid);
  const buffer = relReadBuffer(rel, block);
  const page = bufferPage(buffer);
  const vm = newVmBuffer();
  out.buffer = buffer;
  out.tid = tid;
  tmf.traversed = false;
  if (pageIsAllVisible(page)) visibilityMapPin(rel, block, vm);
  lockBuffer(buffer, BUFFER_LOCK.exclusive);
  const word = itemIdWord(page, offset);
  if ((word & LP_MASK) !== LP_NORMAL)
    report('ERROR', { code: SQLSTATE.dataCorrupted, message: `tuple (${block},${offset}) is not there to be locked` });
  const at = page + lpOffset(word);
  out.tupleAt = at;
  out.len = lpLength(word);

  let firstTime = true;
  let skipTupleLock = false;
  let haveTupleLock = false;
  let result: TMResult;
  /** The exclusive content lock is held when the loop is left. */
  let locked = true;
  const lock = (): void => lockBuffer(buffer, BUFFER_LOCK.exclusive);

  for (;;) {
    result = heapTupleSatisfiesUpdate(at, tid, cid, buffer);
    // Only ON CONFLICT UPDATE comes here; its caller has the better message.
    if (result === 'invisible') break;
    if (result === 'beingModified' || result === 'updated' || result === 'deleted') {
      const xwait = tupleRawXmax(at);
      const infomask = tupleInfomask(at);
      const infomask2 = tupleInfomask2(at);
      const ctid = tupleCtid(at);
      const xmaxChanged = (): boolean => xmaxInfomaskChanged(tupleInfomask(at), infomask) || tupleRawXmax(at) !== xwait;
      lockBuffer(buffer, BUFFER_LOCK.unlock);
      if (firstTime) {
        firstTime = false;
        const mine = alreadyMine(xwait, infomask, infomask2, mode);
        if (mine === 2) {
          result = 'ok';
          locked = false;
          break;
        }
        // Upgrading: the head of the queue may be waiting for this very transaction.
        if (mine === 1) skipTupleLock = true;
      }
      let requireSleep = true;
      if (mode === TUPLE_LOCK.keyShare) {
        if ((infomask2 & HEAP_KEYS_UPDATED) === 0) {
          const updated = !xmaxIsLockedOnly(infomask);
          if (followUpdates && updated) {
            const followed = heapLockUpdatedTuple(rel, at, tid, ctid, getCurrentTransactionId(), mode);
            if (followed !== 'ok') {
              result = followed;
              lock();
              break;
            }
          }
          lock();
          if (!tupleIsOnlyLocked(at) && ((tupleInfomask2(at) & HEAP_KEYS_UPDATED) !== 0 || !updated)) continue;
          requireSleep = false;
        }
      } else if (mode === TUPLE_LOCK.share) {
        if (xmaxIsLockedOnly(infomask) && !isExclusive(infomask)) {
          lock();
          if (!xmaxIsLockedOnly(tupleInfomask(at)) || isExclusive(tupleInfomask(at))) continue;
          requireSleep = false;
        }
      } else if (mode === TUPLE_LOCK.noKeyExclusive) {
        const harmless =
          (infomask & HEAP_XMAX_IS_MULTI) !== 0
            ? !multiXactConflicts(xwait as unknown as MultiXactId, infomask, mode)
            : isKeyShare(infomask);
        if (harmless) {
          lock();
          if (xmaxChanged()) continue;
          requireSleep = false;
        }
      }
      if (requireSleep && (infomask & HEAP_XMAX_IS_MULTI) === 0 && transactionIdIsCurrentTransactionId(xwait)) {
        // I am the only locker, with a weaker lock.
        lock();
        if (xmaxChanged()) continue;
        requireSleep = false;
      }
      if (requireSleep && (result === 'updated' || result === 'deleted')) {
        lock();
        break;
      }
      if (requireSleep) {
        if (!skipTupleLock && !haveTupleLock) {
          haveTupleLock = acquireTupleLock(rel, tid, mode, policy);
          if (!haveTupleLock) {
            result = 'wouldBlock';
            lock();
            break;
          }
        }
        if (!waitForLockers(rel, tid, xwait, infomask, mode, policy)) {
          result = 'wouldBlock';
          lock();
          break;
        }
        if (followUpdates && !xmaxIsLockedOnly(infomask)) {
          const followed = heapLockUpdatedTuple(rel, at, tid, ctid, getCurrentTransactionId(), mode);
          if (followed !== 'ok') {
            result = followed;
            lock();
            break;
          }
        }
        lock();
        if (xmaxChanged()) continue;
        if ((infomask & HEAP_XMAX_IS_MULTI) === 0) updateXmaxHintBits(at, buffer, xwait);
      }
      const now = tupleInfomask(at);
      if (!requireSleep || (now & HEAP_XMAX_INVALID) !== 0 || xmaxIsLockedOnly(now) || tupleIsOnlyLocked(at))
        result = 'ok';
      else result = tupleCtid(at) !== tid ? 'updated' : 'deleted';
    }
    if (result !== 'ok') break;
    if (vm.buffer === INVALID_BUFFER && pageIsAllVisible(page)) {
      lockBuffer(buffer, BUFFER_LOCK.unlock);
      visibilityMapPin(rel, block, vm);
      lock();
      continue;
    }
    markLocked(rel, at, tid, buffer, vm.buffer, mode);
    break;
  }
  if (locked) {
    if (result !== 'ok' && result !== 'invisible') describeFailure(at, result);
    lockBuffer(buffer, BUFFER_LOCK.unlock);
  }
  releaseVmBuffer(vm);
  if (haveTupleLock) releaseTupleLock(rel, tid, mode);
  out.found = result === 'ok';
  return result;
}

/** Waits for whoever is in the way; false only with policy 'skip'. */
function waitForLockers(
  rel: Relation,
  tid: ItemPointer,
  xwait: TransactionId,
  infomask: number,
  mode: TupleLock,
  policy: LockWaitPolicy,
): boolean {
  let done: boolean;
  if ((infomask & HEAP_XMAX_IS_MULTI) !== 0) {
    const multi = xwait as unknown as MultiXactId;
    done = multiXactWait(multi, statusForLock(mode, false), infomask, policy !== 'block', rel, tid, 'lock');
  } else if (policy === 'block') {
    xactLockTableWait(xwait, rel.name, tid, 'lock');
    done = true;
  } else done = conditionalXactLockTableWait(xwait);
  if (!done && policy === 'error') couldNotLockRow(rel);
  return done;
}

function markLocked(
  rel: Relation,
  at: number,
  tid: ItemPointer,
  buffer: number,
  vmBuffer: number,
  mode: TupleLock,
): void {
  multiXactIdSetOldestMember();
  const page = bufferPage(buffer);
  computeNewXmax(tupleRawXmax(at), tupleInfomask(at), tupleInfomask2(at), getCurrentTransactionId(), mode, false);
  const lockOnly = xmaxIsLockedOnly(newXmax.infomask);
  beginCritical();
  // cmax stays: a version that was updated still needs it.
  setTupleInfomask(at, (tupleInfomask(at) & ~HEAP_XMAX_BITS) | newXmax.infomask);
  setTupleInfomask2(
    at,
    (tupleInfomask2(at) & ~(HEAP_KEYS_UPDATED | (lockOnly ? HEAP_HOT_UPDATED : 0))) | newXmax.infomask2,
  );
  setTupleXmax(at, newXmax.xmax);
  // t_ctid of a version that was updated leads to the next one.
  if (lockOnly) setTupleCtid(at, tid);
  const cleared = pageIsAllVisible(page) && visibilityMapClear(tidBlock(tid), vmBuffer, VM_ALL_FROZEN);
  markBufferDirty(buffer);
  if (relationNeedsWal(rel)) {
    const infobits = computeInfobits(newXmax.infomask, tupleInfomask2(at));
    const flags = cleared ? XLH_LOCK_ALL_FROZEN_CLEARED : 0;
    pageSetLsn(page, logHeapLock(buffer, tidOffset(tid), newXmax.xmax, infobits, flags, false));
  }
  endCritical();
}

// ---- the versions behind

/** test_lockmode_for_conflict(): 'selfModified' means mine already; needsWait is set if the transaction must end first. */
let needsWait = false;
function testLockMode(
  status: MultiXactStatus,
  xid: TransactionId,
  mode: TupleLock,
  at: number,
  tid: ItemPointer,
): TMResult {
  needsWait = false;
  const conflicts = lockModesConflict(heavyLockOfStatus(status), heavyLockOfStatus(statusForLock(mode, false)));
  if (transactionIdIsCurrentTransactionId(xid)) return 'selfModified';
  if (transactionIdIsInProgress(xid)) {
    needsWait = conflicts;
    return 'ok';
  }
  if (transactionIdDidAbort(xid)) return 'ok';
  if (transactionIdDidCommit(xid)) {
    // A lock ends with its transaction, an update does not.
    if (!isUpdateStatus(status) || !conflicts) return 'ok';
    return tupleCtid(at) !== tid ? 'updated' : 'deleted';
  }
  return 'ok';
}

/** Status of a plain xmax. */
function statusOfXmax(infomask: number, infomask2: number): MultiXactStatus {
  const keys = (infomask2 & HEAP_KEYS_UPDATED) !== 0;
  if (!xmaxIsLockedOnly(infomask)) return keys ? MULTIXACT_STATUS.update : MULTIXACT_STATUS.noKeyUpdate;
  if (isKeyShare(infomask)) return MULTIXACT_STATUS.forKeyShare;
  if (isShare(infomask)) return MULTIXACT_STATUS.forShare;
  if (isExclusive(infomask)) return keys ? MULTIXACT_STATUS.forUpdate : MULTIXACT_STATUS.forNoKeyUpdate;
  return report('ERROR', { code: SQLSTATE.internalError, message: 'invalid lock status in tuple' });
}

/** heap_lock_updated_tuple(): locks all versions behind the one at `tid` whose t_ctid is `ctid`. */
function heapLockUpdatedTuple(
  rel: Relation,
  at: number,
  tid: ItemPointer,
  ctid: ItemPointer,
  xid: TransactionId,
  mode: TupleLock,
): TMResult {
  if (tupleIndicatesMovedPartitions(at) || tid === ctid) return 'ok';
  multiXactIdSetOldestMember();
  return lockVersionsFrom(rel, ctid, xid, mode);
}

/** What is in the way of locking this version: 'go on' with it, 'next' (mine already), 'again' after a wait, or a result. */
function judgeVersion(
  rel: Relation,
  at: number,
  tid: ItemPointer,
  buffer: number,
  mode: TupleLock,
): 'lock' | 'next' | 'again' | TMResult {
  const infomask = tupleInfomask(at);
  if ((infomask & HEAP_XMAX_INVALID) !== 0) return 'lock';
  const xmax = tupleRawXmax(at);
  const members =
    (infomask & HEAP_XMAX_IS_MULTI) !== 0
      ? (getMultiXactIdMembers(xmax as unknown as MultiXactId, false, xmaxIsLockedOnly(infomask)) ?? [])
      : [{ xid: xmax, status: statusOfXmax(infomask, tupleInfomask2(at)) }];
  for (const member of members) {
    const result = testLockMode(member.status, member.xid, mode, at, tid);
    if (result === 'selfModified') return 'next';
    if (needsWait) {
      lockBuffer(buffer, BUFFER_LOCK.unlock);
      xactLockTableWait(member.xid, rel.name, tid, 'lockUpdated');
      return 'again';
    }
    if (result !== 'ok') return result;
  }
  return 'lock';
}

function lockVersionsFrom(rel: Relation, start: ItemPointer, xid: TransactionId, mode: TupleLock): TMResult {
  const version = newHeapFetchResult();
  const vm = newVmBuffer();
  let tid = start;
  let priorXmax: TransactionId = INVALID_XID;
  let result: TMResult = 'ok';
  for (;;) {
    const block = tidBlock(tid);
    // Vacuumed away, after its maker aborted: the chain ended before it.
    if (!heapFetch(rel, SNAPSHOT_ANY, tid, false, version)) break;
    const { buffer, tupleAt: at } = version;
    const page = bufferPage(buffer);
    let verdict: 'lock' | 'next' | 'again' | 'end' | TMResult;
    do {
      checkForInterrupts();
      const pinned = pageIsAllVisible(page);
      if (pinned) visibilityMapPin(rel, block, vm);
      lockBuffer(buffer, BUFFER_LOCK.exclusive);
      if (!pinned && pageIsAllVisible(page)) {
        lockBuffer(buffer, BUFFER_LOCK.unlock);
        visibilityMapPin(rel, block, vm);
        lockBuffer(buffer, BUFFER_LOCK.exclusive);
      }
      // Another row took the place, or an aborted version: all that lived is locked.
      if ((priorXmax !== INVALID_XID && tupleXmin(at) !== priorXmax) || transactionIdDidAbort(tupleXmin(at)))
        verdict = 'end';
      else verdict = judgeVersion(rel, at, tid, buffer, mode);
    } while (verdict === 'again');
    if (verdict !== 'lock' && verdict !== 'next') {
      unlockReleaseBuffer(buffer);
      result = verdict === 'end' ? 'ok' : verdict;
      break;
    }
    if (verdict === 'lock') lockVersion(rel, at, tid, buffer, vm.buffer, xid, mode);
    const ctid = tupleCtid(at);
    if (
      (tupleInfomask(at) & HEAP_XMAX_INVALID) !== 0 ||
      tupleIndicatesMovedPartitions(at) ||
      ctid === tid ||
      tupleIsOnlyLocked(at)
    ) {
      unlockReleaseBuffer(buffer);
      break;
    }
    priorXmax = tupleUpdateXid(at);
    tid = ctid;
    unlockReleaseBuffer(buffer);
  }
  releaseVmBuffer(vm);
  return result;
}

function lockVersion(
  rel: Relation,
  at: number,
  tid: ItemPointer,
  buffer: number,
  vmBuffer: number,
  xid: TransactionId,
  mode: TupleLock,
): void {
  const page = bufferPage(buffer);
  computeNewXmax(tupleRawXmax(at), tupleInfomask(at), tupleInfomask2(at), xid, mode, false);
  const cleared = pageIsAllVisible(page) && visibilityMapClear(tidBlock(tid), vmBuffer, VM_ALL_FROZEN);
  beginCritical();
  setTupleXmax(at, newXmax.xmax);
  setTupleInfomask(at, (tupleInfomask(at) & ~HEAP_XMAX_BITS) | newXmax.infomask);
  setTupleInfomask2(at, (tupleInfomask2(at) & ~HEAP_KEYS_UPDATED) | newXmax.infomask2);
  markBufferDirty(buffer);
  if (relationNeedsWal(rel)) {
    const infobits = computeInfobits(newXmax.infomask, newXmax.infomask2);
    const flags = cleared ? XLH_LOCK_ALL_FROZEN_CLEARED : 0;
    pageSetLsn(page, logHeapLock(buffer, tidOffset(tid), newXmax.xmax, infobits, flags, true));
  }
  endCritical();
}

// ---- locking the newest version

/** heapam_tuple_lock() with TUPLE_LOCK_FLAG_FIND_LAST_VERSION: if the tuple was updated, finds the newest version (waiting for
 *  those that are being made) and locks that. tmf.traversed says that it went on from `tid`. */
export function heapLockLatestTuple(
  rel: Relation,
  start: ItemPointer,
  cid: CommandId,
  mode: LockTupleMode,
  policy: LockWaitPolicy,
  followUpdates: boolean,
  out: HeapFetchResult,
): TMResult {
  let tid = start;
  let traversed = false;
  for (;;) {
    const result = heapLockTuple(rel, tid, cid, mode, policy, followUpdates, out);
    tmf.traversed = traversed;
    if (result !== 'updated') return result;
    const moved = tupleIndicatesMovedPartitions(out.tupleAt);
    releaseHeapFetch(out);
    if (moved)
      report('ERROR', {
        code: SQLSTATE.tRSerializationFailure,
        message: 'tuple to be locked was already moved to another partition due to concurrent update',
      });
    if (tmf.ctid === tid) return 'deleted';
    traversed = true;
    const found = findNewestVersion(rel, tmf.ctid, tmf.xmax, cid, policy, out);
    tmf.traversed = true;
    if (typeof found === 'string') return found;
    tid = found;
  }
}

/** Follows the chain from `start`, whose xmin must be `xmin`, to the version that is there to be locked. */
function findNewestVersion(
  rel: Relation,
  start: ItemPointer,
  xmin: TransactionId,
  cid: CommandId,
  policy: LockWaitPolicy,
  out: HeapFetchResult,
): ItemPointer | TMResult {
  const dirty = initDirtySnapshot();
  let tid = start;
  let priorXmax = xmin;
  for (;;) {
    if (tid % 65536 === 0xfffd && Math.floor(tid / 65536) === 0xffff_ffff)
      report('ERROR', {
        code: SQLSTATE.tRSerializationFailure,
        message: 'tuple to be locked was already moved to another partition due to concurrent update',
      });
    if (heapFetch(rel, dirty, tid, true, out)) {
      const at = out.tupleAt;
      // The place was used again for another row: ours is gone.
      if (tupleXmin(at) !== priorXmax) {
        releaseHeapFetch(out);
        return 'deleted';
      }
      if (dirty.xmin !== INVALID_XID)
        report('ERROR', {
          code: SQLSTATE.dataCorrupted,
          message: `t_xmin ${dirty.xmin} is uncommitted in tuple (${tidBlock(tid)},${tidOffset(tid)}) to be updated in table "${rel.name}"`,
        });
      if (dirty.xmax !== INVALID_XID) {
        releaseHeapFetch(out);
        if (policy === 'block') xactLockTableWait(dirty.xmax, rel.name, tid, 'fetchUpdated');
        else if (!conditionalXactLockTableWait(dirty.xmax)) {
          if (policy === 'skip') return 'wouldBlock';
          couldNotLockRow(rel);
        }
        continue;
      }
      // My own later change: the same as if the row were gone.
      if (transactionIdIsCurrentTransactionId(priorXmax) && tupleCmin(at) >= cid) {
        tmf.xmax = priorXmax;
        tmf.cmax = tupleCmin(at);
        releaseHeapFetch(out);
        return 'selfModified';
      }
      releaseHeapFetch(out);
      return tid;
    }
    if (out.tupleAt === 0) return 'deleted';
    const at = out.tupleAt;
    if (tupleXmin(at) !== priorXmax) {
      releaseHeapFetch(out);
      return 'deleted';
    }
    // Nothing behind: it was deleted, or its next version was never committed.
    if (tupleCtid(at) === tid) {
      releaseHeapFetch(out);
      return 'deleted';
    }
    tid = tupleCtid(at);
    priorXmax = tupleUpdateXid(at);
    releaseHeapFetch(out);
  }
}
