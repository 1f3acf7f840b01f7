/** heap-update.ts — a new version of a tuple.
 *
 *  The old version is locked for the update in its weakest sufficient form: an update that leaves the key columns alone
 *  does not disturb holders of FOR KEY SHARE. If the page must be left for a while (TOAST, another page), the old version
 *  is marked locked first, with a record. A new version on the same page whose indexed columns are unchanged is HOT: no
 *  index learns of it.
 *  Counterpart: heap_update() of src/backend/access/heap/heapam.c */
import {
  HEAP2_XACT_MASK,
  HEAP_HASEXTERNAL,
  HEAP_HOT_UPDATED,
  HEAP_KEYS_UPDATED,
  HEAP_LOCK_MASK,
  HEAP_MOVED,
  HEAP_ONLY_TUPLE,
  HEAP_UPDATED,
  HEAP_XACT_MASK,
  HEAP_XMAX_BITS,
  HEAP_XMAX_INVALID,
  HEAP_XMAX_IS_MULTI,
  HEAP_XMAX_KEYSHR_LOCK,
  HEAP_XMAX_LOCK_ONLY,
  lockedUpgraded,
  setTupleCmax,
  setTupleCmin,
  setTupleCtid,
  setTupleInfomask,
  setTupleInfomask2,
  setTupleXmax,
  setTupleXmin,
  tupleCtid,
  tupleInfomask,
  tupleInfomask2,
  tupleRawXmax,
  xmaxIsLockedOnly,
} from '#access/common/heap-tuple-layout.ts';
import {
  type Relation,
  relationIsAccessibleInLogicalDecoding,
  relationNeedsWal,
  relReadBuffer,
} from '#access/common/relation-descriptor.ts';
import { adjustCmax, adjusted } from '#access/heap/combo-cid.ts';
import { describeFailure } from '#access/heap/heap-delete.ts';
import { cacheInvalidateHeapTuple, type IndexAttrs, indexAttrsOf } from '#access/heap/heap-hooks.ts';
import type { HeapTuple } from '#access/heap/heap-insert.ts';
import { XLH_LOCK_ALL_FROZEN_CLEARED } from '#access/heap/heap-records.ts';
import { type LockTupleMode, type TMResult, tmf } from '#access/heap/heap-types.ts';
import { computeInfobits, logHeapLock, logHeapNewCid, logHeapUpdate } from '#access/heap/heap-wal.ts';
import { getBufferForTuple, relationPutHeapTuple } from '#access/heap/hio.ts';
import { LP_MASK, LP_NORMAL } from '#access/heap/line-pointers.ts';
import { pageSetPrunable } from '#access/heap/prune.ts';
import { TOAST_TUPLE_THRESHOLD, toastInsertOrUpdate } from '#access/heap/toast.ts';
import {
  changed,
  determineColumns,
  extractReplicaIdentity,
  freeIdentityTuple,
  identityTuple,
} from '#access/heap/tuple-compare.ts';
import { heapTupleSatisfies, heapTupleSatisfiesUpdate, tupleMultiUpdateXid } from '#access/heap/visibility.ts';
import {
  newVmBuffer,
  releaseVmBuffer,
  VM_ALL_FROZEN,
  VM_VALID_BITS,
  type VmBuffer,
  visibilityMapClear,
  visibilityMapPin,
} from '#access/heap/visibility-map.ts';
import {
  acquireTupleLock,
  computeNewXmax,
  currentIsMember,
  hint,
  multiXactConflicts,
  multiXactHintBits,
  multiXactWait,
  newXmax,
  releaseTupleLock,
  remainingMembers,
  TUPLE_LOCK,
  type TupleLock,
  updateXmaxHintBits,
  xmaxInfomaskChanged,
} from '#access/heap/xmax.ts';
import {
  type Buffer,
  type CommandId,
  INVALID_BUFFER,
  INVALID_COMMAND_ID,
  INVALID_TID,
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
import { Workspace } from '#shm/private-memory.ts';
import { pgstatCountHeapUpdate } from '#stats/relation-counters.ts';
import { BUFFER_LOCK } from '#storage/buffer/buffer-layout.ts';
import { lockBuffer, unlockReleaseBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferBlock, bufferPage } from '#storage/buffer/buffer-pool.ts';
import { markBufferDirty } from '#storage/buffer/dirty.ts';
import { releaseBuffer } from '#storage/buffer/pin.ts';
import { checkForSerializableConflictIn } from '#storage/lmgr/predicate.ts';
import {
  itemAt,
  itemIdWord,
  lpLength,
  lpOffset,
  pageClearFlag,
  pageHeapFreeSpace,
  pageIsAllVisible,
  pageSetFlag,
  pageSetLsn,
} from '#storage/page/page.ts';
import { PD } from '#storage/page/page-layout.ts';
import { MULTIXACT_STATUS, multiXactIdSetOldestMember } from '#transam/multixact.ts';
import type { Snapshot } from '#transam/snapshot.ts';
import { transactionIdDidAbort } from '#transam/transam.ts';
import { getCurrentTransactionId, transactionIdIsCurrentTransactionId } from '#transam/xact.ts';
import { xactLockTableWait } from '#transam/xact-wait.ts';

/** Out of heapUpdate(). */
export const heapUpdateResult = {
  newTid: INVALID_TID as ItemPointer,
  /** No index entries are to be made. */
  isHot: false,
  /** The lock that the update took or wanted, for who has to wait for a newer version. */
  lockMode: 'exclusive' as LockTupleMode,
};

/** Out of waitForOldVersion(): what is known of lockers that were there. */
let checkedLockers = false;
let lockerRemains = false;
let haveTupleLock = false;

/** Waits until the tuple, which is being modified, can be judged. null: look at it again from the start. */
function waitForOldVersion(
  rel: Relation,
  at: number,
  tid: ItemPointer,
  buffer: Buffer,
  mode: TupleLock,
  keyIntact: boolean,
): TMResult | null {
  const xwait = tupleRawXmax(at);
  const infomask = tupleInfomask(at);
  let canContinue = false;
  if ((infomask & HEAP_XMAX_IS_MULTI) !== 0) {
    const multi = xwait as unknown as MultiXactId;
    if (multiXactConflicts(multi, infomask, mode)) {
      const isMember = currentIsMember;
      lockBuffer(buffer, BUFFER_LOCK.unlock);
      if (!isMember && !haveTupleLock) haveTupleLock = acquireTupleLock(rel, tid, mode, 'block');
      const status = keyIntact ? MULTIXACT_STATUS.noKeyUpdate : MULTIXACT_STATUS.update;
      multiXactWait(multi, status, infomask, false, rel, tid, 'update');
      checkedLockers = true;
      lockerRemains = remainingMembers !== 0;
      lockBuffer(buffer, BUFFER_LOCK.exclusive);
      if (xmaxInfomaskChanged(tupleInfomask(at), infomask) || tupleRawXmax(at) !== xwait) return null;
    }
    const now = tupleInfomask(at);
    const updater = (now & HEAP_XMAX_IS_MULTI) !== 0 && !xmaxIsLockedOnly(now) ? tupleMultiUpdateXid(at) : INVALID_XID;
    canContinue = updater === INVALID_XID || transactionIdDidAbort(updater);
  } else if (transactionIdIsCurrentTransactionId(xwait)) {
    // Locked by me: keep the lock beside the update, in case this subtransaction is rolled back.
    checkedLockers = true;
    lockerRemains = true;
    canContinue = true;
  } else if ((infomask & HEAP_LOCK_MASK) === HEAP_XMAX_KEYSHR_LOCK && keyIntact) {
    checkedLockers = true;
    lockerRemains = true;
    canContinue = true;
  } else {
    lockBuffer(buffer, BUFFER_LOCK.unlock);
    if (!haveTupleLock) haveTupleLock = acquireTupleLock(rel, tid, mode, 'block');
    xactLockTableWait(xwait, rel.name, tid, 'update');
    checkedLockers = true;
    lockBuffer(buffer, BUFFER_LOCK.exclusive);
    if (xmaxInfomaskChanged(tupleInfomask(at), infomask) || tupleRawXmax(at) !== xwait) return null;
    updateXmaxHintBits(at, buffer, xwait);
    canContinue = (tupleInfomask(at) & HEAP_XMAX_INVALID) !== 0;
  }
  if (canContinue) return 'ok';
  return tupleCtid(at) !== tid ? 'updated' : 'deleted';
}

/** Marks the old version locked, with a record, before the page is let go. */
function lockOldVersion(
  rel: Relation,
  at: number,
  tid: ItemPointer,
  buffer: Buffer,
  vm: VmBuffer,
  xid: TransactionId,
  mode: TupleLock,
): void {
  const page = bufferPage(buffer);
  computeNewXmax(tupleRawXmax(at), tupleInfomask(at), tupleInfomask2(at), xid, mode, false);
  beginCritical();
  setTupleInfomask(at, (tupleInfomask(at) & ~(HEAP_XMAX_BITS | HEAP_MOVED)) | newXmax.infomask);
  setTupleInfomask2(at, (tupleInfomask2(at) & ~(HEAP_KEYS_UPDATED | HEAP_HOT_UPDATED)) | newXmax.infomask2);
  setTupleXmax(at, newXmax.xmax);
  setTupleCmax(at, adjusted.cmax, adjusted.isCombo);
  setTupleCtid(at, tid);
  // A lock makes no tuple invisible, but the page is no longer frozen.
  const cleared = pageIsAllVisible(page) && visibilityMapClear(tidBlock(tid), vm.buffer, VM_ALL_FROZEN);
  markBufferDirty(buffer);
  if (relationNeedsWal(rel)) {
    const infobits = computeInfobits(tupleInfomask(at), tupleInfomask2(at));
    const flags = cleared ? XLH_LOCK_ALL_FROZEN_CLEARED : 0;
    pageSetLsn(page, logHeapLock(buffer, tidOffset(tid), newXmax.xmax, infobits, flags, false));
  }
  endCritical();
}

/** heap_update(): replaces the tuple in place `otid`. The new tuple's header is filled in; where it went is in
 *  heapUpdateResult. */
export function heapUpdate(
  rel: Relation,
  otid: ItemPointer,
  newTupleAt: number,
  newLen: number,
  cid: CommandId,
  crosscheck: Snapshot | null,
  wait: boolean,
  attrs: IndexAttrs = indexAttrsOf(rel),
): TMResult {
  const xid = getCurrentTransactionId();
  const block = tidBlock(otid);
  const offset = tidOffset(otid);
  const buffer = relReadBuffer(rel, block);
  const page = bufferPage(buffer);
  const vm = newVmBuffer();
  const vmNew = newVmBuffer();
  heapUpdateResult.isHot = false;
  if (pageIsAllVisible(page)) visibilityMapPin(rel, block, vm);
  lockBuffer(buffer, BUFFER_LOCK.exclusive);
  const word = itemIdWord(page, offset);
  if ((word & LP_MASK) !== LP_NORMAL) {
    // Only without pin and snapshot (a TID out of a syscache): the tuple was pruned meanwhile.
    unlockReleaseBuffer(buffer);
    releaseVmBuffer(vm);
    tmf.ctid = otid;
    tmf.xmax = INVALID_XID;
    tmf.cmax = INVALID_COMMAND_ID;
    heapUpdateResult.lockMode = 'exclusive';
    return 'deleted';
  }
  const oldAt = page + lpOffset(word);
  const oldLen = lpLength(word);
  determineColumns(rel.tupleDesc, attrs, oldAt, newTupleAt);
  const hotColumnsChanged = changed.hot;
  const identityNeeded = changed.identity || changed.identityHasExternal;
  const keyIntact = !changed.key;
  const mode: TupleLock = keyIntact ? TUPLE_LOCK.noKeyExclusive : TUPLE_LOCK.exclusive;
  heapUpdateResult.lockMode = keyIntact ? 'noKeyExclusive' : 'exclusive';
  if (keyIntact) multiXactIdSetOldestMember();

  // ---- until the old version is ours to change
  haveTupleLock = false;
  let result: TMResult;
  for (;;) {
    checkedLockers = false;
    lockerRemains = false;
    result = heapTupleSatisfiesUpdate(oldAt, otid, cid, buffer);
    if (result === 'invisible') {
      unlockReleaseBuffer(buffer);
      report('ERROR', {
        code: SQLSTATE.objectNotInPrerequisiteState,
        message: 'attempted to update invisible tuple',
      });
    }
    if (result === 'beingModified' && wait) {
      const judged = waitForOldVersion(rel, oldAt, otid, buffer, mode, keyIntact);
      if (judged === null) continue;
      result = judged;
    }
    if (crosscheck !== null && result === 'ok' && !heapTupleSatisfies(crosscheck, oldAt, buffer, otid))
      result = 'updated';
    if (result !== 'ok') {
      describeFailure(oldAt, result);
      unlockReleaseBuffer(buffer);
      if (haveTupleLock) releaseTupleLock(rel, otid, mode);
      releaseVmBuffer(vm);
      return result;
    }
    if (vm.buffer !== INVALID_BUFFER || !pageIsAllVisible(page)) break;
    lockBuffer(buffer, BUFFER_LOCK.unlock);
    visibilityMapPin(rel, block, vm);
    lockBuffer(buffer, BUFFER_LOCK.exclusive);
  }
  const holdsTupleLock = haveTupleLock;

  // ---- headers
  computeNewXmax(tupleRawXmax(oldAt), tupleInfomask(oldAt), tupleInfomask2(oldAt), xid, mode, true);
  const oldXmax = newXmax.xmax;
  const oldInfomask = newXmax.infomask;
  const oldInfomask2 = newXmax.infomask2;
  // Lockers of the old version hold the new one, too. They can only be FOR KEY SHARE lockers.
  const before = tupleInfomask(oldAt);
  let newTupleXmax: TransactionId = tupleRawXmax(oldAt);
  if ((before & HEAP_XMAX_INVALID) !== 0 || lockedUpgraded(before) || (checkedLockers && !lockerRemains))
    newTupleXmax = INVALID_XID;
  hint.infomask = HEAP_XMAX_INVALID;
  hint.infomask2 = 0;
  if (newTupleXmax !== INVALID_XID) {
    if ((before & HEAP_XMAX_IS_MULTI) !== 0) multiXactHintBits(newTupleXmax as unknown as MultiXactId);
    else hint.infomask = HEAP_XMAX_KEYSHR_LOCK | HEAP_XMAX_LOCK_ONLY;
  }
  setTupleInfomask(newTupleAt, (tupleInfomask(newTupleAt) & ~HEAP_XACT_MASK) | HEAP_UPDATED | hint.infomask);
  setTupleInfomask2(newTupleAt, (tupleInfomask2(newTupleAt) & ~HEAP2_XACT_MASK) | hint.infomask2);
  setTupleXmin(newTupleAt, xid);
  setTupleCmin(newTupleAt, cid);
  setTupleXmax(newTupleAt, newTupleXmax);
  adjustCmax(oldAt, cid);
  const { cmax, isCombo } = adjusted;

  // ---- room
  const needToast =
    (rel.kind === 'r' || rel.kind === 'm') &&
    (((tupleInfomask(oldAt) | tupleInfomask(newTupleAt)) & HEAP_HASEXTERNAL) !== 0 || newLen > TOAST_TUPLE_THRESHOLD);
  let free = pageHeapFreeSpace(page);
  let newBuffer = buffer;
  let tuple: HeapTuple = { at: newTupleAt, len: newLen };
  let space: Workspace | null = null;
  if (needToast || ((newLen + 7) & ~7) > free) {
    lockOldVersion(rel, oldAt, otid, buffer, vm, xid, mode);
    lockBuffer(buffer, BUFFER_LOCK.unlock);
    if (needToast) {
      space = new Workspace();
      tuple = toastInsertOrUpdate(rel, newTupleAt, newLen, oldAt, space, 0);
    }
    const size = (tuple.len + 7) & ~7;
    for (;;) {
      if (size > free) {
        newBuffer = getBufferForTuple(rel, tuple.len, buffer, 0, null, vmNew, vm);
        break;
      }
      if (vm.buffer === INVALID_BUFFER && pageIsAllVisible(page)) visibilityMapPin(rel, block, vm);
      lockBuffer(buffer, BUFFER_LOCK.exclusive);
      free = pageHeapFreeSpace(page);
      if (size <= free && (vm.buffer !== INVALID_BUFFER || !pageIsAllVisible(page))) break;
      // Somebody took the room, or set the flag just now: both locks have to be taken in order, so begin again.
      lockBuffer(buffer, BUFFER_LOCK.unlock);
    }
  }
  checkForSerializableConflictIn(rel, otid, block);
  const isHot = newBuffer === buffer && !hotColumnsChanged;
  // A hint for readers: pruning here would make room for the next update.
  if (newBuffer !== buffer) pageSetFlag(page, PD.pageFull);
  extractReplicaIdentity(rel, oldAt, oldLen, attrs, identityNeeded);

  beginCritical();
  const newPage = bufferPage(newBuffer);
  pageSetPrunable(page, xid);
  const heapOnly = isHot ? HEAP_ONLY_TUPLE : 0;
  setTupleInfomask2(tuple.at, (tupleInfomask2(tuple.at) & ~HEAP_ONLY_TUPLE) | heapOnly);
  setTupleInfomask2(newTupleAt, (tupleInfomask2(newTupleAt) & ~HEAP_ONLY_TUPLE) | heapOnly);
  const newTid = relationPutHeapTuple(newBuffer, tuple.at, tuple.len, false);
  setTupleInfomask(oldAt, (tupleInfomask(oldAt) & ~(HEAP_XMAX_BITS | HEAP_MOVED)) | oldInfomask);
  setTupleInfomask2(
    oldAt,
    (tupleInfomask2(oldAt) & ~(HEAP_KEYS_UPDATED | HEAP_HOT_UPDATED)) | oldInfomask2 | (isHot ? HEAP_HOT_UPDATED : 0),
  );
  setTupleXmax(oldAt, oldXmax);
  setTupleCmax(oldAt, cmax, isCombo);
  setTupleCtid(oldAt, newTid);
  let allVisibleCleared = false;
  let newAllVisibleCleared = false;
  if (pageIsAllVisible(page)) {
    allVisibleCleared = true;
    pageClearFlag(page, PD.allVisible);
    visibilityMapClear(block, vm.buffer, VM_VALID_BITS);
  }
  if (newBuffer !== buffer && pageIsAllVisible(newPage)) {
    newAllVisibleCleared = true;
    pageClearFlag(newPage, PD.allVisible);
    visibilityMapClear(bufferBlock(newBuffer), vmNew.buffer, VM_VALID_BITS);
  }
  if (newBuffer !== buffer) markBufferDirty(newBuffer);
  markBufferDirty(buffer);
  if (relationNeedsWal(rel)) {
    const newAt = itemAt(newPage, tidOffset(newTid));
    if (relationIsAccessibleInLogicalDecoding(rel)) {
      logHeapNewCid(rel, oldAt, otid);
      logHeapNewCid(rel, newAt, newTid);
    }
    const lsn = logHeapUpdate(
      rel,
      buffer,
      newBuffer,
      oldAt,
      oldLen,
      offset,
      newAt,
      tuple.len,
      newTid,
      identityTuple.at,
      identityTuple.length,
      allVisibleCleared,
      newAllVisibleCleared,
    );
    if (newBuffer !== buffer) pageSetLsn(newPage, lsn);
    pageSetLsn(page, lsn);
  }
  endCritical();

  if (newBuffer !== buffer) lockBuffer(newBuffer, BUFFER_LOCK.unlock);
  lockBuffer(buffer, BUFFER_LOCK.unlock);
  freeIdentityTuple();
  cacheInvalidateHeapTuple(rel, oldAt, otid, tuple.at);
  if (newBuffer !== buffer) releaseBuffer(newBuffer);
  releaseBuffer(buffer);
  releaseVmBuffer(vmNew);
  releaseVmBuffer(vm);
  if (holdsTupleLock) releaseTupleLock(rel, otid, mode);
  space?.free();
  heapUpdateResult.newTid = newTid;
  heapUpdateResult.isHot = isHot;
  pgstatCountHeapUpdate(rel.oid, isHot);
  return 'ok';
}

/** simple_heap_update(): for catalogs, where nobody else may be at the tuple. Returns the new place. */
export function simpleHeapUpdate(
  rel: Relation,
  otid: ItemPointer,
  newTupleAt: number,
  newLen: number,
  cid: CommandId,
): ItemPointer {
  const result = heapUpdate(rel, otid, newTupleAt, newLen, cid, null, true);
  if (result === 'ok') return heapUpdateResult.newTid;
  const message =
    result === 'selfModified'
      ? 'tuple already updated by self'
      : result === 'updated'
        ? 'tuple concurrently updated'
        : result === 'deleted'
          ? 'tuple concurrently deleted'
          : `unrecognized heap_update status: ${result}`;
  return report('ERROR', { code: SQLSTATE.internalError, message });
}
