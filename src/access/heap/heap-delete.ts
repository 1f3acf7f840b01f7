/** heap-delete.ts — deleting a tuple: waiting for whoever is at it, then setting xmax.
 *  Counterpart: heap_delete() of src/backend/access/heap/heapam.c */
import {
  HEAP_HASEXTERNAL,
  HEAP_HOT_UPDATED,
  HEAP_KEYS_UPDATED,
  HEAP_MOVED,
  HEAP_XMAX_BITS,
  HEAP_XMAX_INVALID,
  HEAP_XMAX_IS_MULTI,
  MOVED_PARTITIONS_OFFSET,
  setTupleCmax,
  setTupleCtid,
  setTupleInfomask,
  setTupleInfomask2,
  setTupleXmax,
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
import { adjustCmax, adjusted, tupleCmax } from '#access/heap/combo-cid.ts';
import { cacheInvalidateHeapTuple, indexAttrsOf } from '#access/heap/heap-hooks.ts';
import { XLH_DELETE } from '#access/heap/heap-records.ts';
import { type TMResult, tmf } from '#access/heap/heap-types.ts';
import { logHeapDelete, logHeapNewCid } from '#access/heap/heap-wal.ts';
import { LP_MASK, LP_NORMAL } from '#access/heap/line-pointers.ts';
import { pageSetPrunable } from '#access/heap/prune.ts';
import { heapToastDelete } from '#access/heap/toast.ts';
import { extractReplicaIdentity, freeIdentityTuple, identityTuple } from '#access/heap/tuple-compare.ts';
import {
  heapTupleSatisfies,
  heapTupleSatisfiesUpdate,
  tupleIsOnlyLocked,
  tupleUpdateXid,
} from '#access/heap/visibility.ts';
import {
  newVmBuffer,
  releaseVmBuffer,
  VM_VALID_BITS,
  visibilityMapClear,
  visibilityMapPin,
} from '#access/heap/visibility-map.ts';
import {
  acquireTupleLock,
  computeNewXmax,
  currentIsMember,
  multiXactConflicts,
  multiXactWait,
  newXmax,
  releaseTupleLock,
  TUPLE_LOCK,
  updateXmaxHintBits,
  xmaxInfomaskChanged,
} from '#access/heap/xmax.ts';
import {
  type CommandId,
  INVALID_BUFFER,
  INVALID_COMMAND_ID,
  type ItemPointer,
  makeTid,
  type MultiXactId,
  tidBlock,
  tidOffset,
} from '#base/ids.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { pgstatCountHeapDelete } from '#stats/relation-counters.ts';
import { BUFFER_LOCK } from '#storage/buffer/buffer-layout.ts';
import { lockBuffer, unlockReleaseBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferPage } from '#storage/buffer/buffer-pool.ts';
import { markBufferDirty } from '#storage/buffer/dirty.ts';
import { releaseBuffer } from '#storage/buffer/pin.ts';
import { checkForSerializableConflictIn } from '#storage/lmgr/predicate.ts';
import { itemIdWord, lpLength, lpOffset, pageClearFlag, pageIsAllVisible, pageSetLsn } from '#storage/page/page.ts';
import { PD } from '#storage/page/page-layout.ts';
import { MULTIXACT_STATUS, multiXactIdSetOldestMember } from '#transam/multixact.ts';
import type { Snapshot } from '#transam/snapshot.ts';
import { getCurrentTransactionId, transactionIdIsCurrentTransactionId } from '#transam/xact.ts';
import { xactLockTableWait } from '#transam/xact-wait.ts';

/** What tmf says of a tuple that could not be changed. The page is locked. */
export function describeFailure(at: number, result: TMResult): void {
  tmf.ctid = tupleCtid(at);
  tmf.xmax = tupleUpdateXid(at);
  tmf.cmax = result === 'selfModified' ? tupleCmax(at) : INVALID_COMMAND_ID;
}

/** heap_delete(): with `wait` false a tuple that somebody is at gives 'beingModified'. */
export function heapDelete(
  rel: Relation,
  tid: ItemPointer,
  cid: CommandId,
  crosscheck: Snapshot | null,
  wait: boolean,
  changingPart = false,
): TMResult {
  const xid = getCurrentTransactionId();
  const block = tidBlock(tid);
  const offset = tidOffset(tid);
  const buffer = relReadBuffer(rel, block);
  const page = bufferPage(buffer);
  const vm = newVmBuffer();
  if (pageIsAllVisible(page)) visibilityMapPin(rel, block, vm);
  lockBuffer(buffer, BUFFER_LOCK.exclusive);
  const word = itemIdWord(page, offset);
  if ((word & LP_MASK) !== LP_NORMAL)
    report('ERROR', { code: SQLSTATE.dataCorrupted, message: `tuple (${block},${offset}) is not there to be deleted` });
  const at = page + lpOffset(word);
  let haveTupleLock = false;
  let result: TMResult;

  for (;;) {
    // The page became all-visible before we had the lock: its map page must be pinned without the lock.
    if (vm.buffer === INVALID_BUFFER && pageIsAllVisible(page)) {
      lockBuffer(buffer, BUFFER_LOCK.unlock);
      visibilityMapPin(rel, block, vm);
      lockBuffer(buffer, BUFFER_LOCK.exclusive);
    }
    result = heapTupleSatisfiesUpdate(at, tid, cid, buffer);
    if (result === 'invisible') {
      unlockReleaseBuffer(buffer);
      report('ERROR', {
        code: SQLSTATE.objectNotInPrerequisiteState,
        message: 'attempted to delete invisible tuple',
      });
    }
    if (result !== 'beingModified' || !wait) break;
    const xwait = tupleRawXmax(at);
    const infomask = tupleInfomask(at);
    const startOver = (): boolean =>
      (vm.buffer === INVALID_BUFFER && pageIsAllVisible(page)) ||
      xmaxInfomaskChanged(tupleInfomask(at), infomask) ||
      tupleRawXmax(at) !== xwait;
    if ((infomask & HEAP_XMAX_IS_MULTI) !== 0) {
      const multi = xwait as unknown as MultiXactId;
      if (multiXactConflicts(multi, infomask, TUPLE_LOCK.exclusive)) {
        const isMember = currentIsMember;
        lockBuffer(buffer, BUFFER_LOCK.unlock);
        // Whoever holds a lock already must not queue: the one before us could be waiting for us.
        if (!isMember && !haveTupleLock) haveTupleLock = acquireTupleLock(rel, tid, TUPLE_LOCK.exclusive, 'block');
        multiXactWait(multi, MULTIXACT_STATUS.update, infomask, false, rel, tid, 'delete');
        lockBuffer(buffer, BUFFER_LOCK.exclusive);
        if (startOver()) continue;
      }
    } else if (!transactionIdIsCurrentTransactionId(xwait)) {
      lockBuffer(buffer, BUFFER_LOCK.unlock);
      if (!haveTupleLock) haveTupleLock = acquireTupleLock(rel, tid, TUPLE_LOCK.exclusive, 'block');
      xactLockTableWait(xwait, rel.name, tid, 'delete');
      lockBuffer(buffer, BUFFER_LOCK.exclusive);
      if (startOver()) continue;
      updateXmaxHintBits(at, buffer, xwait);
    }
    const now = tupleInfomask(at);
    if ((now & HEAP_XMAX_INVALID) !== 0 || xmaxIsLockedOnly(now) || tupleIsOnlyLocked(at)) result = 'ok';
    else result = tupleCtid(at) !== tid ? 'updated' : 'deleted';
    break;
  }

  if (crosscheck !== null && result === 'ok' && !heapTupleSatisfies(crosscheck, at, buffer, tid)) result = 'updated';
  if (result !== 'ok') {
    describeFailure(at, result);
    unlockReleaseBuffer(buffer);
    if (haveTupleLock) releaseTupleLock(rel, tid, TUPLE_LOCK.exclusive);
    releaseVmBuffer(vm);
    return result;
  }
  checkForSerializableConflictIn(rel, tid, block);
  adjustCmax(at, cid);
  extractReplicaIdentity(rel, at, lpLength(word), indexAttrsOf(rel), true);
  multiXactIdSetOldestMember();
  computeNewXmax(tupleRawXmax(at), tupleInfomask(at), tupleInfomask2(at), xid, TUPLE_LOCK.exclusive, true);

  let allVisibleCleared = false;
  beginCritical();
  pageSetPrunable(page, xid);
  if (pageIsAllVisible(page)) {
    allVisibleCleared = true;
    pageClearFlag(page, PD.allVisible);
    visibilityMapClear(block, vm.buffer, VM_VALID_BITS);
  }
  setTupleInfomask(at, (tupleInfomask(at) & ~(HEAP_XMAX_BITS | HEAP_MOVED)) | newXmax.infomask);
  setTupleInfomask2(at, (tupleInfomask2(at) & ~(HEAP_KEYS_UPDATED | HEAP_HOT_UPDATED)) | newXmax.infomask2);
  setTupleXmax(at, newXmax.xmax);
  setTupleCmax(at, adjusted.cmax, adjusted.isCombo);
  // No version follows, whatever t_ctid was for before.
  setTupleCtid(at, changingPart ? makeTid(0xffff_ffff, MOVED_PARTITIONS_OFFSET) : tid);
  markBufferDirty(buffer);
  if (relationNeedsWal(rel)) {
    if (relationIsAccessibleInLogicalDecoding(rel)) logHeapNewCid(rel, at, tid);
    const flags =
      (allVisibleCleared ? XLH_DELETE.allVisibleCleared : 0) | (changingPart ? XLH_DELETE.isPartitionMove : 0);
    pageSetLsn(
      page,
      logHeapDelete(rel, buffer, at, offset, newXmax.xmax, flags, identityTuple.at, identityTuple.length),
    );
  }
  endCritical();
  lockBuffer(buffer, BUFFER_LOCK.unlock);
  freeIdentityTuple();
  releaseVmBuffer(vm);
  // With the pin still held, because both look at the tuple.
  if ((rel.kind === 'r' || rel.kind === 'm') && (tupleInfomask(at) & HEAP_HASEXTERNAL) !== 0)
    heapToastDelete(rel, at, lpLength(word), false);
  cacheInvalidateHeapTuple(rel, at, tid, 0);
  releaseBuffer(buffer);
  if (haveTupleLock) releaseTupleLock(rel, tid, TUPLE_LOCK.exclusive);
  pgstatCountHeapDelete(rel.oid);
  return 'ok';
}

/** simple_heap_delete(): for catalogs, where nobody else may be at the tuple. */
export function simpleHeapDelete(rel: Relation, tid: ItemPointer, cid: CommandId): void {
  const result = heapDelete(rel, tid, cid, null, true);
  if (result === 'ok') return;
  const message =
    result === 'selfModified'
      ? 'tuple already updated by self'
      : result === 'updated'
        ? 'tuple concurrently updated'
        : result === 'deleted'
          ? 'tuple concurrently deleted'
          : `unrecognized heap_delete status: ${result}`;
  report('ERROR', { code: SQLSTATE.internalError, message });
}
