/** heap-insert.ts — new tuples: one, many at once, speculative ones, and overwriting in place.
 *
 *  The tuple is prepared and toasted, a page with room is found, then in one critical section the page is changed and
 *  the record made. The caller's tuple gets its header fields set; if it was toasted a copy went into the table.
 *  Counterpart: heap_insert() … heap_inplace_update() of src/backend/access/heap/heapam.c */
import {
  HEAP2_XACT_MASK,
  HEAP_HASEXTERNAL,
  HEAP_XACT_MASK,
  HEAP_XMAX_BITS,
  HEAP_XMAX_INVALID,
  HEAP_XMIN_FROZEN,
  HEAP_MOVED,
  SIZEOF_HEAP_TUPLE_HEADER,
  SPEC_TOKEN_OFFSET,
  setTupleCmin,
  setTupleCtid,
  setTupleInfomask,
  setTupleInfomask2,
  setTupleXmax,
  setTupleXmin,
  tupleHoff,
  tupleInfomask,
  tupleInfomask2,
  tupleIsHeapOnly,
  tupleIsSpeculative,
  tupleRawXmin,
} from '#access/common/heap-tuple-layout.ts';
import {
  type Relation,
  relationIsAccessibleInLogicalDecoding,
  relationIsLogicallyLogged,
  relationNeedsWal,
  relationTargetPageFreeSpace,
  relReadBuffer,
} from '#access/common/relation-descriptor.ts';
import { cacheInvalidateHeapTuple } from '#access/heap/heap-hooks.ts';
import {
  SIZE_OF_HEAP_CONFIRM,
  SIZE_OF_HEAP_INPLACE,
  SIZE_OF_MULTI_INSERT_TUPLE,
  XLH_DELETE,
  XLH_INSERT,
  XLOG_HEAP,
  XLOG_HEAP2,
  XLOG_HEAP_INIT_PAGE,
} from '#access/heap/heap-records.ts';
import { HEAP_INSERT } from '#access/heap/heap-types.ts';
import { logHeapDelete, logHeapInsert, logHeapNewCid } from '#access/heap/heap-wal.ts';
import { type BulkInsertState, getBufferForTuple, relationPutHeapTuple } from '#access/heap/hio.ts';
import { LP_MASK, LP_NORMAL } from '#access/heap/line-pointers.ts';
import { pageSetPrunable } from '#access/heap/prune.ts';
import { heapToastDelete, TOAST_TUPLE_THRESHOLD, toastInsertOrUpdate } from '#access/heap/toast.ts';
import {
  newVmBuffer,
  releaseVmBuffer,
  VM_ALL_FROZEN,
  VM_ALL_VISIBLE,
  VM_VALID_BITS,
  visibilityMapClear,
  visibilityMapPinOk,
  visibilityMapSetFor,
} from '#access/heap/visibility-map.ts';
import { assert } from '#base/assert.ts';
import {
  type CommandId,
  INVALID_BLOCK,
  INVALID_BUFFER,
  type ItemPointer,
  makeTid,
  type TransactionId,
  tidBlock,
  tidOffset,
} from '#base/ids.ts';
import { INVALID_XID, xidPrecedes } from '#base/xid.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { injectionPoint } from '#runtime/injection-points.ts';
import { mem } from '#shm/memory.ts';
import { Workspace } from '#shm/private-memory.ts';
import { pgstatCountHeapDelete, pgstatCountHeapInsert } from '#stats/relation-counters.ts';
import { BUFFER_LOCK } from '#storage/buffer/buffer-layout.ts';
import { lockBuffer, unlockReleaseBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferBlock, bufferPage } from '#storage/buffer/buffer-pool.ts';
import { xlogRegisterBuffer } from '#storage/buffer/buffer-wal.ts';
import { markBufferDirty } from '#storage/buffer/dirty.ts';
import { releaseBuffer } from '#storage/buffer/pin.ts';
import { checkForSerializableConflictIn } from '#storage/lmgr/predicate.ts';
import {
  itemIdWord,
  lpLength,
  lpOffset,
  pageClearFlag,
  pageHeapFreeSpace,
  pageIsAllVisible,
  pageMaxOffset,
  pageSetFlag,
  pageSetLsn,
} from '#storage/page/page.ts';
import { PD } from '#storage/page/page-layout.ts';
import { transactionXmin } from '#transam/snapshot.ts';
import { getCurrentTransactionId } from '#transam/xact.ts';
import {
  REGBUF,
  walScratch,
  XLOG_INCLUDE_ORIGIN,
  xlogBeginInsert,
  xlogInsert,
  xlogRegisterBufData,
  xlogRegisterData,
  xlogSetRecordFlags,
} from '#wal/insert.ts';
import { RM } from '#wal/rmgr-ids.ts';

/** A formed tuple somewhere in `mem`. */
export interface HeapTuple {
  at: number;
  len: number;
}

/** Fills the header and toasts; the result is the same tuple or one in `space`. */
function prepareInsert(
  rel: Relation,
  tuple: HeapTuple,
  xid: TransactionId,
  cid: CommandId,
  options: number,
  space: { workspace: Workspace | null },
): HeapTuple {
  const { at, len } = tuple;
  setTupleInfomask(
    at,
    (tupleInfomask(at) & ~HEAP_XACT_MASK) |
      HEAP_XMAX_INVALID |
      ((options & HEAP_INSERT.frozen) !== 0 ? HEAP_XMIN_FROZEN : 0),
  );
  setTupleInfomask2(at, tupleInfomask2(at) & ~HEAP2_XACT_MASK);
  setTupleXmin(at, xid);
  setTupleCmin(at, cid);
  setTupleXmax(at, INVALID_XID);
  if (rel.kind !== 'r' && rel.kind !== 'm') {
    assert((tupleInfomask(at) & HEAP_HASEXTERNAL) === 0, 'TOAST tables are not toasted');
    return tuple;
  }
  if ((tupleInfomask(at) & HEAP_HASEXTERNAL) === 0 && len <= TOAST_TUPLE_THRESHOLD) return tuple;
  return toastInsertOrUpdate(rel, at, len, 0, (space.workspace ??= new Workspace()), options);
}

/** heap_insert(): returns the new tuple's place. With HEAP_INSERT.speculative the caller has put its token into t_ctid
 *  (setSpeculativeToken) and must confirm or abort it. */
export function heapInsert(
  rel: Relation,
  tupleAt: number,
  len: number,
  cid: CommandId,
  options = 0,
  state: BulkInsertState | null = null,
): ItemPointer {
  const xid = getCurrentTransactionId();
  const space: { workspace: Workspace | null } = { workspace: null };
  const vm = newVmBuffer();
  try {
    const tuple = prepareInsert(rel, { at: tupleAt, len }, xid, cid, options, space);
    const buffer = getBufferForTuple(rel, tuple.len, INVALID_BUFFER, options, state, vm, null);
    // Only the relation as a whole: what an index range covers is the index's business.
    checkForSerializableConflictIn(rel, -1, INVALID_BLOCK);
    const page = bufferPage(buffer);
    let allVisibleCleared = false;
    beginCritical();
    const tid = relationPutHeapTuple(buffer, tuple.at, tuple.len, (options & HEAP_INSERT.speculative) !== 0);
    if (pageIsAllVisible(page)) {
      allVisibleCleared = true;
      pageClearFlag(page, PD.allVisible);
      visibilityMapClear(tidBlock(tid), vm.buffer, VM_VALID_BITS);
    }
    // No pruning hint: a row that its own transaction takes back is too rare.
    markBufferDirty(buffer);
    if (relationNeedsWal(rel)) {
      injectionPoint('heapInsertBeforeWal');
      if (relationIsAccessibleInLogicalDecoding(rel)) logHeapNewCid(rel, tuple.at, tid);
      pageSetLsn(page, logHeapInsert(rel, buffer, tuple.at, tuple.len, tidOffset(tid), options, allVisibleCleared));
    }
    endCritical();
    unlockReleaseBuffer(buffer);
    cacheInvalidateHeapTuple(rel, tuple.at, tid, 0);
    pgstatCountHeapInsert(rel.oid, 1);
    return tid;
  } finally {
    releaseVmBuffer(vm);
    space.workspace?.free();
  }
}

/** heap_multi_insert(): inserts page by page, one record for all tuples of a page. `tids` receives their places. */
export function heapMultiInsert(
  rel: Relation,
  tuples: readonly HeapTuple[],
  cid: CommandId,
  options: number,
  state: BulkInsertState | null,
  tids: ItemPointer[],
): void {
  const xid = getCurrentTransactionId();
  const needWal = relationNeedsWal(rel);
  const needTupleData = relationIsLogicallyLogged(rel) && (options & HEAP_INSERT.noLogical) === 0;
  const needCids = relationIsAccessibleInLogicalDecoding(rel);
  const saveFree = relationTargetPageFreeSpace(rel, 100);
  const space: { workspace: Workspace | null } = { workspace: null };
  const vm = newVmBuffer();
  const total = tuples.length;
  tids.length = 0;
  try {
    const prepared = tuples.map((tuple) => prepareInsert(rel, tuple, xid, cid, options, space));
    // Room for the data of one page, made before the critical section.
    checkForSerializableConflictIn(rel, -1, INVALID_BLOCK);
    let done = 0;
    while (done < total) {
      const first = prepared[done]!;
      const buffer = getBufferForTuple(rel, first.len, INVALID_BUFFER, options, state, vm, null);
      const page = bufferPage(buffer);
      const startingEmpty = pageMaxOffset(page) === 0;
      const setFrozen = startingEmpty && (options & HEAP_INSERT.frozen) !== 0;
      let allVisibleCleared = false;
      beginCritical();
      let tid = relationPutHeapTuple(buffer, first.at, first.len, false);
      tids.push(tid);
      // The record of one tuple's command ids comes before the record of the tuple.
      if (needWal && needCids) logHeapNewCid(rel, first.at, tid);
      let count = 1;
      for (; done + count < total; count++) {
        const next = prepared[done + count]!;
        if (pageHeapFreeSpace(page) < ((next.len + 7) & ~7) + saveFree) break;
        tid = relationPutHeapTuple(buffer, next.at, next.len, false);
        tids.push(tid);
        if (needWal && needCids) logHeapNewCid(rel, next.at, tid);
      }
      if (pageIsAllVisible(page) && !setFrozen) {
        allVisibleCleared = true;
        pageClearFlag(page, PD.allVisible);
        visibilityMapClear(bufferBlock(buffer), vm.buffer, VM_VALID_BITS);
      } else if (setFrozen) pageSetFlag(page, PD.allVisible);
      markBufferDirty(buffer);
      if (needWal) {
        const isLast = done + count === total;
        let flags = setFrozen ? XLH_INSERT.allFrozenSet : allVisibleCleared ? XLH_INSERT.allVisibleCleared : 0;
        if (needTupleData) flags |= XLH_INSERT.containsNewTuple;
        if (isLast) flags |= XLH_INSERT.lastInMulti;
        const init = tidOffset(tids[done]!) === 1 && pageMaxOffset(page) === count;
        pageSetLsn(page, logMultiInsert(buffer, prepared, tids, done, count, flags, init, needTupleData));
      }
      endCritical();
      if (setFrozen) {
        assert(visibilityMapPinOk(bufferBlock(buffer), vm.buffer), 'the map page of an empty page was pinned');
        visibilityMapSetFor(rel, bufferBlock(buffer), buffer, vm.buffer, INVALID_XID, VM_ALL_VISIBLE | VM_ALL_FROZEN);
      }
      unlockReleaseBuffer(buffer);
      done += count;
    }
    for (let i = 0; i < total; i++) cacheInvalidateHeapTuple(rel, prepared[i]!.at, tids[i]!, 0);
    pgstatCountHeapInsert(rel.oid, total);
  } finally {
    releaseVmBuffer(vm);
    space.workspace?.free();
  }
}

function logMultiInsert(
  buffer: number,
  tuples: readonly HeapTuple[],
  tids: readonly ItemPointer[],
  start: number,
  count: number,
  flags: number,
  init: boolean,
  keepData: boolean,
): ReturnType<typeof xlogInsert> {
  const { u8, view } = mem;
  xlogBeginInsert();
  const mainLength = 4 + (init ? 0 : 2 * count);
  let dataLength = 0;
  for (let i = 0; i < count; i++)
    dataLength += (SIZE_OF_MULTI_INSERT_TUPLE + tuples[start + i]!.len - SIZEOF_HEAP_TUPLE_HEADER + 1) & ~1;
  const at = walScratch(((mainLength + 1) & ~1) + dataLength + 2);
  u8[at] = flags;
  u8[at + 1] = 0;
  view.setUint16(at + 2, count, true);
  if (!init) for (let i = 0; i < count; i++) view.setUint16(at + 4 + 2 * i, tidOffset(tids[start + i]!), true);
  const dataAt = at + ((mainLength + 1) & ~1);
  let to = dataAt;
  for (let i = 0; i < count; i++) {
    // Each begins at an even address; the filler between is not part of the one before.
    if ((to & 1) !== 0) u8[to++] = 0;
    const tuple = tuples[start + i]!;
    const length = tuple.len - SIZEOF_HEAP_TUPLE_HEADER;
    view.setUint16(to, length, true);
    view.setUint16(to + 2, tupleInfomask2(tuple.at), true);
    view.setUint16(to + 4, tupleInfomask(tuple.at), true);
    u8[to + 6] = tupleHoff(tuple.at);
    u8.copyWithin(to + SIZE_OF_MULTI_INSERT_TUPLE, tuple.at + SIZEOF_HEAP_TUPLE_HEADER, tuple.at + tuple.len);
    to += SIZE_OF_MULTI_INSERT_TUPLE + length;
  }
  xlogRegisterData(at, mainLength);
  xlogRegisterBuffer(0, buffer, REGBUF.standard | (init ? REGBUF.willInit : 0) | (keepData ? REGBUF.keepData : 0));
  xlogRegisterBufData(0, dataAt, to - dataAt);
  xlogSetRecordFlags(XLOG_INCLUDE_ORIGIN);
  return xlogInsert(RM.heap2, XLOG_HEAP2.multiInsert | (init ? XLOG_HEAP_INIT_PAGE : 0));
}

// ---- speculative insertion

/** HeapTupleHeaderSetSpeculativeToken(): before heapInsert with HEAP_INSERT.speculative. */
export function setSpeculativeToken(tupleAt: number, token: number): void {
  setTupleCtid(tupleAt, makeTid(token, SPEC_TOKEN_OFFSET));
}

function normalItem(page: number, offset: number): number {
  const word = pageMaxOffset(page) >= offset ? itemIdWord(page, offset) : 0;
  if ((word & LP_MASK) !== LP_NORMAL) report('ERROR', { code: SQLSTATE.internalError, message: 'invalid lp' });
  return word;
}

/** heap_finish_speculative(): the insertion is confirmed, others see an ordinary tuple from now on. */
export function heapFinishSpeculative(rel: Relation, tid: ItemPointer): void {
  const buffer = relReadBuffer(rel, tidBlock(tid));
  lockBuffer(buffer, BUFFER_LOCK.exclusive);
  const page = bufferPage(buffer);
  const offset = tidOffset(tid);
  const at = page + lpOffset(normalItem(page, offset));
  beginCritical();
  assert(tupleIsSpeculative(at), 'the tuple was inserted speculatively');
  markBufferDirty(buffer);
  setTupleCtid(at, tid);
  if (relationNeedsWal(rel)) {
    xlogBeginInsert();
    const data = walScratch(SIZE_OF_HEAP_CONFIRM);
    mem.view.setUint16(data, offset, true);
    // Decoding wants to know whose origin confirmed it.
    xlogSetRecordFlags(XLOG_INCLUDE_ORIGIN);
    xlogRegisterData(data, SIZE_OF_HEAP_CONFIRM);
    xlogRegisterBuffer(0, buffer, REGBUF.standard);
    pageSetLsn(page, xlogInsert(RM.heap, XLOG_HEAP.confirm));
  }
  endCritical();
  unlockReleaseBuffer(buffer);
}

/** heap_abort_speculative(): takes the insertion back at once ("super-delete"): nobody can see the tuple any more. */
export function heapAbortSpeculative(rel: Relation, tid: ItemPointer): void {
  const xid = getCurrentTransactionId();
  const block = tidBlock(tid);
  const buffer = relReadBuffer(rel, block);
  const page = bufferPage(buffer);
  lockBuffer(buffer, BUFFER_LOCK.exclusive);
  assert(!pageIsAllVisible(page), 'a page with my uncommitted tuple is not all-visible');
  const offset = tidOffset(tid);
  const at = page + lpOffset(normalItem(page, offset));
  if (tupleRawXmin(at) !== xid)
    report('ERROR', {
      code: SQLSTATE.internalError,
      message: 'attempted to kill a tuple inserted by another transaction',
    });
  if (rel.kind !== 't' && !tupleIsSpeculative(at))
    report('ERROR', { code: SQLSTATE.internalError, message: 'attempted to kill a non-speculative tuple' });
  assert(!tupleIsHeapOnly(at), 'an inserted tuple is no HOT version');
  beginCritical();
  // The tuple counts as dead at once, so the hint must be an xid old enough for that.
  const xmin = transactionXmin();
  pageSetPrunable(page, xidPrecedes(xmin, rel.frozenXid) ? rel.frozenXid : xmin);
  setTupleInfomask(at, tupleInfomask(at) & ~(HEAP_XMAX_BITS | HEAP_MOVED));
  setTupleInfomask2(at, tupleInfomask2(at) & ~HEAP2_KEYS);
  setTupleXmin(at, INVALID_XID);
  setTupleCtid(at, tid);
  markBufferDirty(buffer);
  if (relationNeedsWal(rel)) pageSetLsn(page, logHeapDelete(rel, buffer, at, offset, xid, XLH_DELETE.isSuper, 0, 0));
  endCritical();
  lockBuffer(buffer, BUFFER_LOCK.unlock);
  if ((tupleInfomask(at) & HEAP_HASEXTERNAL) !== 0) {
    assert(rel.kind !== 't', 'TOAST tables are not toasted');
    heapToastDelete(rel, at, lpLength(itemIdWord(page, offset)), true);
  }
  releaseBuffer(buffer);
  pgstatCountHeapDelete(rel.oid);
}
/** HEAP_KEYS_UPDATED of infomask2. */
const HEAP2_KEYS = 0x2000;

// ---- in place

/** heap_inplace_update(): overwrites the data of a catalog tuple without a new version. Not transactional: for counters
 *  and facts like relfrozenxid, which no snapshot may miss. The new tuple has the old one's length. */
export function heapInplaceUpdate(rel: Relation, tid: ItemPointer, tupleAt: number, len: number): void {
  const buffer = relReadBuffer(rel, tidBlock(tid));
  lockBuffer(buffer, BUFFER_LOCK.exclusive);
  const page = bufferPage(buffer);
  const offset = tidOffset(tid);
  const word = normalItem(page, offset);
  const at = page + lpOffset(word);
  const oldLength = lpLength(word) - tupleHoff(at);
  const newLength = len - tupleHoff(tupleAt);
  if (oldLength !== newLength || tupleHoff(at) !== tupleHoff(tupleAt))
    report('ERROR', { code: SQLSTATE.internalError, message: 'wrong tuple length' });
  beginCritical();
  const hoff = tupleHoff(at);
  mem.u8.copyWithin(at + hoff, tupleAt + hoff, tupleAt + hoff + newLength);
  markBufferDirty(buffer);
  if (relationNeedsWal(rel)) {
    xlogBeginInsert();
    const data = walScratch(SIZE_OF_HEAP_INPLACE);
    mem.view.setUint16(data, offset, true);
    xlogRegisterData(data, SIZE_OF_HEAP_INPLACE);
    xlogRegisterBuffer(0, buffer, REGBUF.standard);
    xlogRegisterBufData(0, at + hoff, newLength);
    pageSetLsn(page, xlogInsert(RM.heap, XLOG_HEAP.inplace));
  }
  endCritical();
  unlockReleaseBuffer(buffer);
  cacheInvalidateHeapTuple(rel, tupleAt, tid, 0);
}
