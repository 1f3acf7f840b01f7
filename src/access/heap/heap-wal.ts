/** heap-wal.ts — writing the records of insert, delete, update and lock.
 *
 *  All are called inside a critical section with the pages changed and marked dirty; they return the LSN for the pages.
 *  Counterpart: log_heap_update(), log_heap_new_cid() and the XLOG parts of src/backend/access/heap/heapam.c */
import {
  HEAP_COMBOCID,
  HEAP_KEYS_UPDATED,
  HEAP_XMAX_EXCL_LOCK,
  HEAP_XMAX_IS_MULTI,
  HEAP_XMAX_KEYSHR_LOCK,
  HEAP_XMAX_LOCK_ONLY,
  SIZEOF_HEAP_TUPLE_HEADER,
  tupleHoff,
  tupleInfomask,
  tupleInfomask2,
  tupleIsHeapOnly,
  tupleRawCommandId,
  tupleRawXmax,
  writeTid,
  HEAP_XMAX_INVALID,
  xmaxIsLockedOnly,
} from '#access/common/heap-tuple-layout.ts';
import { type Relation, relationIsLogicallyLogged } from '#access/common/relation-descriptor.ts';
import { tupleCmax, tupleCmin } from '#access/heap/combo-cid.ts';
import {
  SIZE_OF_HEAP_DELETE,
  SIZE_OF_HEAP_HEADER,
  SIZE_OF_HEAP_INSERT,
  SIZE_OF_HEAP_LOCK,
  SIZE_OF_HEAP_UPDATE,
  SIZE_OF_NEW_CID,
  XLH_DELETE,
  XLH_INSERT,
  XLH_UPDATE,
  XLHL,
  XLOG_HEAP,
  XLOG_HEAP2,
  XLOG_HEAP_INIT_PAGE,
} from '#access/heap/heap-records.ts';
import { HEAP_INSERT } from '#access/heap/heap-types.ts';
import {
  type Buffer,
  INVALID_COMMAND_ID,
  type ItemPointer,
  type Lsn,
  type TransactionId,
  tidOffset,
} from '#base/ids.ts';
import { mem } from '#shm/memory.ts';
import { bufferPage } from '#storage/buffer/buffer-pool.ts';
import { xlogRegisterBuffer } from '#storage/buffer/buffer-wal.ts';
import { pageMaxOffset } from '#storage/page/page.ts';
import { getTopTransactionId } from '#transam/xact.ts';
import {
  REGBUF,
  walScratch,
  XLOG_INCLUDE_ORIGIN,
  xlogBeginInsert,
  xlogCheckBufferNeedsBackup,
  xlogInsert,
  xlogRegisterBufData,
  xlogRegisterData,
  xlogSetRecordFlags,
} from '#wal/insert.ts';
import { RM } from '#wal/rmgr-ids.ts';

/** compute_infobits(). */
export function computeInfobits(infomask: number, infomask2: number): number {
  return (
    ((infomask & HEAP_XMAX_IS_MULTI) !== 0 ? XLHL.xmaxIsMulti : 0) |
    ((infomask & HEAP_XMAX_LOCK_ONLY) !== 0 ? XLHL.lockOnly : 0) |
    ((infomask & HEAP_XMAX_EXCL_LOCK) !== 0 ? XLHL.exclLock : 0) |
    ((infomask & HEAP_XMAX_KEYSHR_LOCK) !== 0 ? XLHL.keyshrLock : 0) |
    ((infomask2 & HEAP_KEYS_UPDATED) !== 0 ? XLHL.keysUpdated : 0)
  );
}

function writeHeader(at: number, tupleAt: number): void {
  mem.view.setUint16(at, tupleInfomask2(tupleAt), true);
  mem.view.setUint16(at + 2, tupleInfomask(tupleAt), true);
  mem.u8[at + 4] = tupleHoff(tupleAt);
}
const isSingleFirst = (page: number, offset: number): boolean => offset === 1 && pageMaxOffset(page) === 1;
const isToastRelation = (rel: Relation): boolean => rel.kind === 't';

export function logHeapInsert(
  rel: Relation,
  buffer: Buffer,
  tupleAt: number,
  tupleLen: number,
  offset: number,
  options: number,
  allVisibleCleared: boolean,
): Lsn {
  const init = isSingleFirst(bufferPage(buffer), offset);
  let flags = allVisibleCleared ? XLH_INSERT.allVisibleCleared : 0;
  let bufferFlags = REGBUF.standard | (init ? REGBUF.willInit : 0);
  if ((options & HEAP_INSERT.speculative) !== 0) flags |= XLH_INSERT.isSpeculative;
  if (relationIsLogicallyLogged(rel) && (options & HEAP_INSERT.noLogical) === 0) {
    // Decoding needs the tuple even where a page image would do for recovery.
    flags |= XLH_INSERT.containsNewTuple | (isToastRelation(rel) ? XLH_INSERT.onToastRelation : 0);
    bufferFlags |= REGBUF.keepData;
  }
  xlogBeginInsert();
  const at = walScratch(SIZE_OF_HEAP_INSERT + SIZE_OF_HEAP_HEADER);
  mem.view.setUint16(at, offset, true);
  mem.u8[at + 2] = flags;
  xlogRegisterData(at, SIZE_OF_HEAP_INSERT);
  writeHeader(at + SIZE_OF_HEAP_INSERT, tupleAt);
  xlogRegisterBuffer(0, buffer, bufferFlags);
  xlogRegisterBufData(0, at + SIZE_OF_HEAP_INSERT, SIZE_OF_HEAP_HEADER);
  xlogRegisterBufData(0, tupleAt + SIZEOF_HEAP_TUPLE_HEADER, tupleLen - SIZEOF_HEAP_TUPLE_HEADER);
  xlogSetRecordFlags(XLOG_INCLUDE_ORIGIN);
  return xlogInsert(RM.heap, XLOG_HEAP.insert | (init ? XLOG_HEAP_INIT_PAGE : 0));
}

/** Registers the old tuple or its key as main data: header, then everything behind the fixed header. */
function registerIdentity(tupleAt: number, tupleLen: number): void {
  const at = walScratch(SIZE_OF_HEAP_HEADER);
  writeHeader(at, tupleAt);
  xlogRegisterData(at, SIZE_OF_HEAP_HEADER);
  xlogRegisterData(tupleAt + SIZEOF_HEAP_TUPLE_HEADER, tupleLen - SIZEOF_HEAP_TUPLE_HEADER);
}

export function logHeapDelete(
  rel: Relation,
  buffer: Buffer,
  tupleAt: number,
  offset: number,
  newXmax: TransactionId,
  flagsBase: number,
  keyAt: number,
  keyLen: number,
): Lsn {
  let flags = flagsBase;
  if (keyAt !== 0) flags |= rel.replicaIdentity === 'f' ? XLH_DELETE.containsOldTuple : XLH_DELETE.containsOldKey;
  xlogBeginInsert();
  const at = walScratch(SIZE_OF_HEAP_DELETE);
  mem.view.setUint32(at, newXmax, true);
  mem.view.setUint16(at + 4, offset, true);
  mem.u8[at + 6] = computeInfobits(tupleInfomask(tupleAt), tupleInfomask2(tupleAt));
  mem.u8[at + 7] = flags;
  xlogRegisterData(at, SIZE_OF_HEAP_DELETE);
  xlogRegisterBuffer(0, buffer, REGBUF.standard);
  if (keyAt !== 0) registerIdentity(keyAt, keyLen);
  // A speculative insertion that is taken back concerns nobody elsewhere.
  if ((flags & XLH_DELETE.isSuper) === 0) xlogSetRecordFlags(XLOG_INCLUDE_ORIGIN);
  return xlogInsert(RM.heap, XLOG_HEAP.delete);
}

/** `oldAt` and `newAt` are the tuples as they are on their pages now. */
export function logHeapUpdate(
  rel: Relation,
  oldBuffer: Buffer,
  newBuffer: Buffer,
  oldAt: number,
  oldLen: number,
  oldOffset: number,
  newAt: number,
  newLen: number,
  newTid: ItemPointer,
  keyAt: number,
  keyLen: number,
  allVisibleCleared: boolean,
  newAllVisibleCleared: boolean,
): Lsn {
  const { u8, view } = mem;
  const needTupleData = relationIsLogicallyLogged(rel);
  const newOffset = tidOffset(newTid);
  const page = bufferPage(newBuffer);
  xlogBeginInsert();
  let prefix = 0;
  let suffix = 0;
  const newData = newAt + tupleHoff(newAt);
  if (oldBuffer === newBuffer && !needTupleData && !xlogCheckBufferNeedsBackup(page)) {
    const oldData = oldAt + tupleHoff(oldAt);
    const oldEnd = oldAt + oldLen;
    const newEnd = newAt + newLen;
    const most = Math.min(oldEnd - oldData, newEnd - newData);
    while (prefix < most && u8[newData + prefix] === u8[oldData + prefix]) prefix++;
    // Its length takes two bytes.
    if (prefix < 3) prefix = 0;
    while (suffix < most - prefix && u8[newEnd - suffix - 1] === u8[oldEnd - suffix - 1]) suffix++;
    if (suffix < 3) suffix = 0;
  }
  let flags = 0;
  if (allVisibleCleared) flags |= XLH_UPDATE.oldAllVisibleCleared;
  if (newAllVisibleCleared) flags |= XLH_UPDATE.newAllVisibleCleared;
  if (prefix > 0) flags |= XLH_UPDATE.prefixFromOld;
  if (suffix > 0) flags |= XLH_UPDATE.suffixFromOld;
  if (needTupleData) {
    flags |= XLH_UPDATE.containsNewTuple;
    if (keyAt !== 0) flags |= rel.replicaIdentity === 'f' ? XLH_UPDATE.containsOldTuple : XLH_UPDATE.containsOldKey;
  }
  const init = isSingleFirst(page, newOffset);
  const at = walScratch(32);
  view.setUint32(at, tupleRawXmax(oldAt), true);
  view.setUint16(at + 4, oldOffset, true);
  u8[at + 6] = computeInfobits(tupleInfomask(oldAt), tupleInfomask2(oldAt));
  u8[at + 7] = flags;
  view.setUint32(at + 8, tupleRawXmax(newAt), true);
  view.setUint16(at + 12, newOffset, true);
  xlogRegisterBuffer(
    0,
    newBuffer,
    REGBUF.standard | (init ? REGBUF.willInit : 0) | (needTupleData ? REGBUF.keepData : 0),
  );
  if (oldBuffer !== newBuffer) xlogRegisterBuffer(1, oldBuffer, REGBUF.standard);
  xlogRegisterData(at, SIZE_OF_HEAP_UPDATE);
  let lengths = at + 16;
  if (prefix > 0) {
    view.setUint16(lengths, prefix, true);
    lengths += 2;
  }
  if (suffix > 0) {
    view.setUint16(lengths, suffix, true);
    lengths += 2;
  }
  writeHeader(lengths, newAt);
  xlogRegisterBufData(0, at + 16, lengths + SIZE_OF_HEAP_HEADER - at - 16);
  if (prefix === 0)
    xlogRegisterBufData(0, newAt + SIZEOF_HEAP_TUPLE_HEADER, newLen - SIZEOF_HEAP_TUPLE_HEADER - suffix);
  else {
    const bitmap = tupleHoff(newAt) - SIZEOF_HEAP_TUPLE_HEADER;
    if (bitmap > 0) xlogRegisterBufData(0, newAt + SIZEOF_HEAP_TUPLE_HEADER, bitmap);
    xlogRegisterBufData(0, newData + prefix, newLen - tupleHoff(newAt) - prefix - suffix);
  }
  if (needTupleData && keyAt !== 0) registerIdentity(keyAt, keyLen);
  xlogSetRecordFlags(XLOG_INCLUDE_ORIGIN);
  const op = tupleIsHeapOnly(newAt) ? XLOG_HEAP.hotUpdate : XLOG_HEAP.update;
  return xlogInsert(RM.heap, op | (init ? XLOG_HEAP_INIT_PAGE : 0));
}

/** XLOG_HEAP_LOCK, or with `isUpdated` XLOG_HEAP2_LOCK_UPDATED: the same eight bytes. */
export function logHeapLock(
  buffer: Buffer,
  offset: number,
  xid: TransactionId,
  infobits: number,
  flags: number,
  isUpdated: boolean,
): Lsn {
  xlogBeginInsert();
  xlogRegisterBuffer(0, buffer, REGBUF.standard);
  const at = walScratch(SIZE_OF_HEAP_LOCK);
  mem.view.setUint32(at, xid, true);
  mem.view.setUint16(at + 4, offset, true);
  mem.u8[at + 6] = infobits;
  mem.u8[at + 7] = flags;
  xlogRegisterData(at, SIZE_OF_HEAP_LOCK);
  return isUpdated ? xlogInsert(RM.heap2, XLOG_HEAP2.lockUpdated) : xlogInsert(RM.heap, XLOG_HEAP.lock);
}

/** log_heap_new_cid(): which command made or deleted a catalog tuple, for decoding. Before the tuple's own record. */
export function logHeapNewCid(rel: Relation, tupleAt: number, tid: ItemPointer): Lsn {
  const infomask = tupleInfomask(tupleAt);
  let cmin: number;
  let cmax: number;
  let combo = INVALID_COMMAND_ID;
  if ((infomask & HEAP_COMBOCID) !== 0) {
    cmin = tupleCmin(tupleAt);
    cmax = tupleCmax(tupleAt);
    combo = tupleRawCommandId(tupleAt);
  } else if ((infomask & HEAP_XMAX_INVALID) !== 0 || xmaxIsLockedOnly(infomask)) {
    cmin = tupleRawCommandId(tupleAt);
    cmax = INVALID_COMMAND_ID;
  } else {
    cmin = INVALID_COMMAND_ID;
    cmax = tupleRawCommandId(tupleAt);
  }
  xlogBeginInsert();
  const at = walScratch(SIZE_OF_NEW_CID);
  const { view } = mem;
  view.setUint32(at, getTopTransactionId(), true);
  view.setUint32(at + 4, cmin, true);
  view.setUint32(at + 8, cmax, true);
  view.setUint32(at + 12, combo, true);
  view.setUint32(at + 16, rel.rnode.spcNode, true);
  view.setUint32(at + 20, rel.rnode.dbNode, true);
  view.setUint32(at + 24, rel.rnode.relNode, true);
  writeTid(at + 28, tid);
  xlogRegisterData(at, SIZE_OF_NEW_CID);
  return xlogInsert(RM.heap2, XLOG_HEAP2.newCid);
}
