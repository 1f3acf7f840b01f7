/** heap-redo.ts — replaying the records of resource manager Heap.
 *
 *  Bits of the visibility map are cleared before the page's LSN is looked at: the map may be older than the page.
 *  Counterpart: heap_redo() of src/backend/access/heap/heapam.c */
import {
  HEAP_COMBOCID,
  HEAP_HOT_UPDATED,
  HEAP_KEYS_UPDATED,
  HEAP_MOVED,
  HEAP_XMAX_BITS,
  HEAP_XMAX_EXCL_LOCK,
  HEAP_XMAX_IS_MULTI,
  HEAP_XMAX_KEYSHR_LOCK,
  HEAP_XMAX_LOCK_ONLY,
  MAX_HEAP_TUPLE_SIZE,
  MOVED_PARTITIONS_OFFSET,
  SIZEOF_HEAP_TUPLE_HEADER,
  setTupleCmax,
  setTupleCtid,
  setTupleInfomask,
  setTupleInfomask2,
  setTupleXmax,
  setTupleXmin,
  tupleHoff,
  tupleInfomask,
  tupleInfomask2,
  xmaxIsLockedOnly,
} from '#access/common/heap-tuple-layout.ts';
import {
  SIZE_OF_HEAP_HEADER,
  XLH_DELETE,
  XLH_INSERT,
  XLH_LOCK_ALL_FROZEN_CLEARED,
  XLH_UPDATE,
  XLHL,
  XLOG_HEAP,
  XLOG_HEAP_INIT_PAGE,
  XLOG_HEAP_OPMASK,
} from '#access/heap/heap-records.ts';
import { LP_MASK, LP_NORMAL } from '#access/heap/line-pointers.ts';
import { pageSetPrunable } from '#access/heap/prune.ts';
import {
  VM_ALL_FROZEN,
  VM_VALID_BITS,
  visibilityMapClear,
  visibilityMapPinForRedo,
} from '#access/heap/visibility-map.ts';
import {
  BLCKSZ,
  type BlockNumber,
  type Buffer,
  INVALID_BUFFER,
  makeTid,
  type RelFileNode,
  type TransactionId,
} from '#base/ids.ts';
import { INVALID_XID } from '#base/xid.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { mem, onNewPrivateWindow } from '#shm/memory.ts';
import { privateReserve } from '#shm/private-memory.ts';
import { unlockReleaseBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferPage } from '#storage/buffer/buffer-pool.ts';
import { markBufferDirty } from '#storage/buffer/dirty.ts';
import { releaseBuffer } from '#storage/buffer/pin.ts';
import { REDO, type RedoAction, xlogInitBufferForRedo, xlogReadBufferForRedo } from '#storage/buffer/redo-buffers.ts';
import { xlogRecordPageWithFreeSpace } from '#storage/freespace/free-space-map.ts';
import {
  itemIdWord,
  lpLength,
  lpOffset,
  pageAddItem,
  pageClearFlag,
  pageHeapFreeSpace,
  pageInit,
  pageMaxOffset,
  pageSetLsn,
} from '#storage/page/page.ts';
import { PD } from '#storage/page/page-layout.ts';
import type { DecodedRecord } from '#wal/decoded-record.ts';

export const redoPanic = (message: string): never => report('PANIC', { code: SQLSTATE.internalError, message });

let scratch = 0;
onNewPrivateWindow(() => {
  scratch = 0;
});
/** Room to put a tuple together. */
export const redoTuple = (): number => (scratch === 0 ? (scratch = privateReserve(MAX_HEAP_TUPLE_SIZE + 32)) : scratch);

export function redoClearVm(rnode: RelFileNode, block: BlockNumber, flags: number): void {
  const buffer = visibilityMapPinForRedo(rnode, block);
  if (buffer === INVALID_BUFFER) return;
  visibilityMapClear(block, buffer, flags);
  releaseBuffer(buffer);
}
/** Pages with less than a fifth free tell the free space map; nothing else would before the next vacuum. */
export function redoNoteFreeSpace(rnode: RelFileNode, block: BlockNumber, free: number): void {
  if (free < BLCKSZ / 5) xlogRecordPageWithFreeSpace(rnode, block, free);
}

/** The tuple at an offset that must be there. */
function tupleWord(page: number, offset: number): number {
  const word = pageMaxOffset(page) >= offset ? itemIdWord(page, offset) : 0;
  if ((word & LP_MASK) !== LP_NORMAL) redoPanic('invalid lp');
  return word;
}
/** fix_infomask_from_infobits(), with what the caller clears before. */
export function redoSetInfobits(at: number, infobits: number, alsoClear2: number): void {
  setTupleInfomask(
    at,
    (tupleInfomask(at) & ~(HEAP_XMAX_BITS | HEAP_MOVED)) |
      ((infobits & XLHL.xmaxIsMulti) !== 0 ? HEAP_XMAX_IS_MULTI : 0) |
      ((infobits & XLHL.lockOnly) !== 0 ? HEAP_XMAX_LOCK_ONLY : 0) |
      ((infobits & XLHL.exclLock) !== 0 ? HEAP_XMAX_EXCL_LOCK : 0) |
      ((infobits & XLHL.keyshrLock) !== 0 ? HEAP_XMAX_KEYSHR_LOCK : 0),
  );
  setTupleInfomask2(
    at,
    (tupleInfomask2(at) & ~(HEAP_KEYS_UPDATED | alsoClear2)) |
      ((infobits & XLHL.keysUpdated) !== 0 ? HEAP_KEYS_UPDATED : 0),
  );
}

/** Fills a tuple's fixed header from xl_heap_header at `headerAt`. */
export function redoFillHeader(
  at: number,
  infomask2: number,
  infomask: number,
  hoff: number,
  xmin: TransactionId,
  xmax: TransactionId,
): void {
  mem.u8.fill(0, at, at + SIZEOF_HEAP_TUPLE_HEADER);
  setTupleInfomask2(at, infomask2);
  setTupleInfomask(at, infomask & ~HEAP_COMBOCID);
  mem.u8[at + 22] = hoff;
  setTupleXmin(at, xmin);
  setTupleXmax(at, xmax);
}

function redoInsert(record: DecodedRecord): void {
  const { u8, view } = mem;
  const offset = view.getUint16(record.mainAt, true);
  const flags = u8[record.mainAt + 2]!;
  const { rnode, block, dataAt, dataLength } = record.blocks[0]!;
  if ((flags & XLH_INSERT.allVisibleCleared) !== 0) redoClearVm(rnode, block, VM_VALID_BITS);
  let buffer: Buffer;
  let action: RedoAction;
  if ((record.info & XLOG_HEAP_INIT_PAGE) !== 0) {
    buffer = xlogInitBufferForRedo(record, 0);
    pageInit(bufferPage(buffer), 0);
    action = REDO.needsRedo;
  } else ({ action, buffer } = xlogReadBufferForRedo(record, 0));
  let free = BLCKSZ;
  if (action === REDO.needsRedo) {
    const page = bufferPage(buffer);
    if (pageMaxOffset(page) + 1 < offset) redoPanic('invalid max offset number');
    const tuple = redoTuple();
    const length = SIZEOF_HEAP_TUPLE_HEADER + dataLength - SIZE_OF_HEAP_HEADER;
    redoFillHeader(
      tuple,
      view.getUint16(dataAt, true),
      view.getUint16(dataAt + 2, true),
      u8[dataAt + 4]!,
      record.xid,
      INVALID_XID,
    );
    u8.copyWithin(tuple + SIZEOF_HEAP_TUPLE_HEADER, dataAt + SIZE_OF_HEAP_HEADER, dataAt + dataLength);
    setTupleCtid(tuple, makeTid(block, offset));
    if (pageAddItem(page, tuple, length, offset, true, true) === 0) redoPanic('failed to add tuple');
    free = pageHeapFreeSpace(page);
    pageSetLsn(page, record.endLsn);
    if ((flags & XLH_INSERT.allVisibleCleared) !== 0) pageClearFlag(page, PD.allVisible);
    markBufferDirty(buffer);
  }
  if (buffer !== INVALID_BUFFER) unlockReleaseBuffer(buffer);
  if (action === REDO.needsRedo) redoNoteFreeSpace(rnode, block, free);
}

function redoDelete(record: DecodedRecord): void {
  const { u8, view } = mem;
  const at = record.mainAt;
  const xmax = view.getUint32(at, true) as TransactionId;
  const offset = view.getUint16(at + 4, true);
  const infobits = u8[at + 6]!;
  const flags = u8[at + 7]!;
  const { rnode, block } = record.blocks[0]!;
  if ((flags & XLH_DELETE.allVisibleCleared) !== 0) redoClearVm(rnode, block, VM_VALID_BITS);
  const { action, buffer } = xlogReadBufferForRedo(record, 0);
  if (action === REDO.needsRedo) {
    const page = bufferPage(buffer);
    const tuple = page + lpOffset(tupleWord(page, offset));
    redoSetInfobits(tuple, infobits, HEAP_HOT_UPDATED);
    if ((flags & XLH_DELETE.isSuper) === 0) setTupleXmax(tuple, xmax);
    else setTupleXmin(tuple, INVALID_XID);
    setTupleCmax(tuple, 0, false);
    pageSetPrunable(page, record.xid);
    if ((flags & XLH_DELETE.allVisibleCleared) !== 0) pageClearFlag(page, PD.allVisible);
    setTupleCtid(
      tuple,
      (flags & XLH_DELETE.isPartitionMove) !== 0
        ? makeTid(0xffff_ffff, MOVED_PARTITIONS_OFFSET)
        : makeTid(block, offset),
    );
    pageSetLsn(page, record.endLsn);
    markBufferDirty(buffer);
  }
  if (buffer !== INVALID_BUFFER) unlockReleaseBuffer(buffer);
}

function redoUpdate(record: DecodedRecord, isHot: boolean): void {
  const { u8, view } = mem;
  const at = record.mainAt;
  const oldXmax = view.getUint32(at, true) as TransactionId;
  const oldOffset = view.getUint16(at + 4, true);
  const oldInfobits = u8[at + 6]!;
  const flags = u8[at + 7]!;
  const newXmax = view.getUint32(at + 8, true) as TransactionId;
  const newOffset = view.getUint16(at + 12, true);
  const { rnode, block: newBlock } = record.blocks[0]!;
  const samePage = record.maxBlockId < 1 || !record.blocks[1]!.inUse;
  const oldBlock = samePage ? newBlock : record.blocks[1]!.block;
  const newTid = makeTid(newBlock, newOffset);
  if ((flags & XLH_UPDATE.oldAllVisibleCleared) !== 0) redoClearVm(rnode, oldBlock, VM_VALID_BITS);

  const { action: oldAction, buffer: oldBuffer } = xlogReadBufferForRedo(record, samePage ? 0 : 1);
  let oldAt = 0;
  let oldLen = 0;
  if (oldAction === REDO.needsRedo) {
    const page = bufferPage(oldBuffer);
    const word = tupleWord(page, oldOffset);
    oldAt = page + lpOffset(word);
    oldLen = lpLength(word);
    redoSetInfobits(oldAt, oldInfobits, HEAP_HOT_UPDATED);
    if (isHot) setTupleInfomask2(oldAt, tupleInfomask2(oldAt) | HEAP_HOT_UPDATED);
    setTupleXmax(oldAt, oldXmax);
    setTupleCmax(oldAt, 0, false);
    setTupleCtid(oldAt, newTid);
    pageSetPrunable(page, record.xid);
    if ((flags & XLH_UPDATE.oldAllVisibleCleared) !== 0) pageClearFlag(page, PD.allVisible);
    pageSetLsn(page, record.endLsn);
    markBufferDirty(oldBuffer);
  }

  let newAction: RedoAction = oldAction;
  let newBuffer = oldBuffer;
  if (!samePage) {
    if ((record.info & XLOG_HEAP_INIT_PAGE) !== 0) {
      newBuffer = xlogInitBufferForRedo(record, 0);
      pageInit(bufferPage(newBuffer), 0);
      newAction = REDO.needsRedo;
    } else ({ action: newAction, buffer: newBuffer } = xlogReadBufferForRedo(record, 0));
  }
  if ((flags & XLH_UPDATE.newAllVisibleCleared) !== 0) redoClearVm(rnode, newBlock, VM_VALID_BITS);
  let free = BLCKSZ;
  if (newAction === REDO.needsRedo) {
    const page = bufferPage(newBuffer);
    if (pageMaxOffset(page) + 1 < newOffset) redoPanic('invalid max offset number');
    const length = rebuildUpdated(record, flags, oldAt, oldLen, newXmax);
    const tuple = redoTuple();
    setTupleCtid(tuple, newTid);
    if (pageAddItem(page, tuple, length, newOffset, true, true) === 0) redoPanic('failed to add tuple');
    if ((flags & XLH_UPDATE.newAllVisibleCleared) !== 0) pageClearFlag(page, PD.allVisible);
    free = pageHeapFreeSpace(page);
    pageSetLsn(page, record.endLsn);
    markBufferDirty(newBuffer);
  }
  if (newBuffer !== INVALID_BUFFER && newBuffer !== oldBuffer) unlockReleaseBuffer(newBuffer);
  if (oldBuffer !== INVALID_BUFFER) unlockReleaseBuffer(oldBuffer);
  // After a HOT update one of the two versions can be pruned soon, so the page is as full as it was before.
  if (newAction === REDO.needsRedo && !isHot) redoNoteFreeSpace(rnode, newBlock, free);
}

/** The new version from the record and, for prefix and suffix, from the old one; in redoTuple(). Returns its length. */
function rebuildUpdated(
  record: DecodedRecord,
  flags: number,
  oldAt: number,
  oldLen: number,
  newXmax: TransactionId,
): number {
  const { u8, view } = mem;
  const { dataAt, dataLength } = record.blocks[0]!;
  let from = dataAt;
  let prefix = 0;
  let suffix = 0;
  if ((flags & XLH_UPDATE.prefixFromOld) !== 0) {
    prefix = view.getUint16(from, true);
    from += 2;
  }
  if ((flags & XLH_UPDATE.suffixFromOld) !== 0) {
    suffix = view.getUint16(from, true);
    from += 2;
  }
  const infomask2 = view.getUint16(from, true);
  const infomask = view.getUint16(from + 2, true);
  const hoff = u8[from + 4]!;
  from += SIZE_OF_HEAP_HEADER;
  const end = dataAt + dataLength;
  const tuple = redoTuple();
  redoFillHeader(tuple, infomask2, infomask, hoff, record.xid, newXmax);
  let to = tuple + SIZEOF_HEAP_TUPLE_HEADER;
  if (prefix > 0) {
    const bitmap = hoff - SIZEOF_HEAP_TUPLE_HEADER;
    u8.copyWithin(to, from, from + bitmap);
    from += bitmap;
    to += bitmap;
    const oldData = oldAt + tupleHoff(oldAt);
    u8.copyWithin(to, oldData, oldData + prefix);
    to += prefix;
  }
  u8.copyWithin(to, from, end);
  to += end - from;
  if (suffix > 0) {
    u8.copyWithin(to, oldAt + oldLen - suffix, oldAt + oldLen);
    to += suffix;
  }
  return to - tuple;
}

function redoConfirm(record: DecodedRecord): void {
  const offset = mem.view.getUint16(record.mainAt, true);
  const { action, buffer } = xlogReadBufferForRedo(record, 0);
  if (action === REDO.needsRedo) {
    const page = bufferPage(buffer);
    setTupleCtid(page + lpOffset(tupleWord(page, offset)), makeTid(record.blocks[0]!.block, offset));
    pageSetLsn(page, record.endLsn);
    markBufferDirty(buffer);
  }
  if (buffer !== INVALID_BUFFER) unlockReleaseBuffer(buffer);
}

/** XLOG_HEAP_LOCK and, with isUpdated, XLOG_HEAP2_LOCK_UPDATED. */
export function redoLock(record: DecodedRecord, isUpdated: boolean): void {
  const at = record.mainAt;
  const xid = mem.view.getUint32(at, true) as TransactionId;
  const offset = mem.view.getUint16(at + 4, true);
  const infobits = mem.u8[at + 6]!;
  const { rnode, block } = record.blocks[0]!;
  if ((mem.u8[at + 7]! & XLH_LOCK_ALL_FROZEN_CLEARED) !== 0) redoClearVm(rnode, block, VM_ALL_FROZEN);
  const { action, buffer } = xlogReadBufferForRedo(record, 0);
  if (action === REDO.needsRedo) {
    const page = bufferPage(buffer);
    const tuple = page + lpOffset(tupleWord(page, offset));
    redoSetInfobits(tuple, infobits, 0);
    if (!isUpdated) {
      if (xmaxIsLockedOnly(tupleInfomask(tuple))) {
        setTupleInfomask2(tuple, tupleInfomask2(tuple) & ~HEAP_HOT_UPDATED);
        setTupleCtid(tuple, makeTid(block, offset));
      }
      setTupleCmax(tuple, 0, false);
    }
    setTupleXmax(tuple, xid);
    pageSetLsn(page, record.endLsn);
    markBufferDirty(buffer);
  }
  if (buffer !== INVALID_BUFFER) unlockReleaseBuffer(buffer);
}

function redoInplace(record: DecodedRecord): void {
  const offset = mem.view.getUint16(record.mainAt, true);
  const { dataAt, dataLength } = record.blocks[0]!;
  const { action, buffer } = xlogReadBufferForRedo(record, 0);
  if (action === REDO.needsRedo) {
    const page = bufferPage(buffer);
    const word = tupleWord(page, offset);
    const tuple = page + lpOffset(word);
    const hoff = tupleHoff(tuple);
    if (lpLength(word) - hoff !== dataLength) redoPanic('wrong tuple length');
    mem.u8.copyWithin(tuple + hoff, dataAt, dataAt + dataLength);
    pageSetLsn(page, record.endLsn);
    markBufferDirty(buffer);
  }
  if (buffer !== INVALID_BUFFER) unlockReleaseBuffer(buffer);
}

export function heapRedo(record: DecodedRecord): void {
  switch (record.info & XLOG_HEAP_OPMASK) {
    case XLOG_HEAP.insert:
      redoInsert(record);
      break;
    case XLOG_HEAP.delete:
      redoDelete(record);
      break;
    case XLOG_HEAP.update:
      redoUpdate(record, false);
      break;
    case XLOG_HEAP.hotUpdate:
      redoUpdate(record, true);
      break;
    case XLOG_HEAP.truncate:
      // For logical decoding only: the files are truncated by records of their own.
      break;
    case XLOG_HEAP.confirm:
      redoConfirm(record);
      break;
    case XLOG_HEAP.lock:
      redoLock(record, false);
      break;
    case XLOG_HEAP.inplace:
      redoInplace(record);
      break;
    default:
      redoPanic(`heap_redo: unknown op code ${record.info}`);
  }
}
