/** heap2-redo.ts — replaying the records of resource manager Heap2.
 *  Counterpart: heap2_redo() of src/backend/access/heap/heapam.c */
import { SIZEOF_HEAP_TUPLE_HEADER, setTupleCtid } from '#access/common/heap-tuple-layout.ts';
import { executeFreezeTuple } from '#access/heap/freeze.ts';
import {
  redoClearVm,
  redoFillHeader,
  redoLock,
  redoNoteFreeSpace,
  redoPanic,
  redoTuple,
} from '#access/heap/heap-redo.ts';
import {
  SIZE_OF_FREEZE_TUPLE,
  SIZE_OF_MULTI_INSERT_TUPLE,
  XLH_INSERT,
  XLOG_HEAP2,
  XLOG_HEAP_INIT_PAGE,
  XLOG_HEAP_OPMASK,
} from '#access/heap/heap-records.ts';
import { heapPagePruneExecute } from '#access/heap/prune.ts';
import { resolveRecoveryConflictWithSnapshot } from '#access/heap/recovery-conflict.ts';
import { heapRewriteRedo } from '#access/heap/rewrite.ts';
import { VM_VALID_BITS, visibilityMapSet } from '#access/heap/visibility-map.ts';
import { BLCKSZ, INVALID_BUFFER, makeTid, type TransactionId } from '#base/ids.ts';
import { INVALID_XID, xidRetreat } from '#base/xid.ts';
import { mem } from '#shm/memory.ts';
import { BUFFER_LOCK, RBM } from '#storage/buffer/buffer-layout.ts';
import { lockBuffer, unlockReleaseBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferPage } from '#storage/buffer/buffer-pool.ts';
import { markBufferDirty } from '#storage/buffer/dirty.ts';
import { releaseBuffer } from '#storage/buffer/pin.ts';
import {
  REDO,
  type RedoAction,
  xlogInitBufferForRedo,
  xlogReadBufferForRedo,
  xlogReadBufferForRedoExtended,
} from '#storage/buffer/redo-buffers.ts';
import { xlogRecordPageWithFreeSpace } from '#storage/freespace/free-space-map.ts';
import {
  itemIdSetUnused,
  itemIdWord,
  lpOffset,
  pageAddItem,
  pageClearFlag,
  pageFreeSpace,
  pageGetLsn,
  pageHeapFreeSpace,
  pageInit,
  pageIsNew,
  pageMaxOffset,
  pageSetFlag,
  pageSetLsn,
} from '#storage/page/page.ts';
import { pageTruncateLinePointers } from '#storage/page/page-compact.ts';
import { PD } from '#storage/page/page-layout.ts';
import type { DecodedRecord } from '#wal/decoded-record.ts';
import { xlogHintBitIsNeeded } from '#wal/insert.ts';

/** Offsets in a record may be at odd places once there is other data before them: they are copied out. */
function offsetsAt(at: number, count: number): Uint16Array {
  const offsets = new Uint16Array(count);
  for (let i = 0; i < count; i++) offsets[i] = mem.view.getUint16(at + 2 * i, true);
  return offsets;
}

function redoPrune(record: DecodedRecord): void {
  const { view } = mem;
  const at = record.mainAt;
  const latestRemovedXid = view.getUint32(at, true) as TransactionId;
  const nredirected = view.getUint16(at + 4, true);
  const ndead = view.getUint16(at + 6, true);
  const { rnode, block, dataAt, dataLength } = record.blocks[0]!;
  resolveRecoveryConflictWithSnapshot(latestRemovedXid, rnode);
  const { action, buffer } = xlogReadBufferForRedoExtended(record, 0, RBM.normal, true);
  if (action === REDO.needsRedo) {
    const page = bufferPage(buffer);
    const nunused = (dataLength - 4 * nredirected - 2 * ndead) / 2;
    const redirected = offsetsAt(dataAt, 2 * nredirected);
    const dead = offsetsAt(dataAt + 4 * nredirected, ndead);
    const unused = offsetsAt(dataAt + 4 * nredirected + 2 * ndead, nunused);
    heapPagePruneExecute(page, redirected, nredirected, dead, ndead, unused, nunused);
    // The pruning hint stays: at worst somebody tries in vain.
    pageSetLsn(page, record.endLsn);
    markBufferDirty(buffer);
  }
  if (buffer === INVALID_BUFFER) return;
  const free = pageHeapFreeSpace(bufferPage(buffer));
  unlockReleaseBuffer(buffer);
  xlogRecordPageWithFreeSpace(rnode, block, free);
}

function redoVacuum(record: DecodedRecord): void {
  const count = mem.view.getUint16(record.mainAt, true);
  const { rnode, block, dataAt } = record.blocks[0]!;
  const { action, buffer } = xlogReadBufferForRedo(record, 0);
  if (action === REDO.needsRedo) {
    const page = bufferPage(buffer);
    for (const offset of offsetsAt(dataAt, count)) itemIdSetUnused(page, offset);
    pageTruncateLinePointers(page);
    pageSetLsn(page, record.endLsn);
    markBufferDirty(buffer);
  }
  if (buffer === INVALID_BUFFER) return;
  const free = pageHeapFreeSpace(bufferPage(buffer));
  unlockReleaseBuffer(buffer);
  xlogRecordPageWithFreeSpace(rnode, block, free);
}

function redoFreezePage(record: DecodedRecord): void {
  const { view } = mem;
  const cutoff = view.getUint32(record.mainAt, true) as TransactionId;
  const count = view.getUint16(record.mainAt + 4, true);
  const { rnode, dataAt } = record.blocks[0]!;
  resolveRecoveryConflictWithSnapshot(xidRetreat(cutoff), rnode);
  const { action, buffer } = xlogReadBufferForRedo(record, 0);
  if (action === REDO.needsRedo) {
    const page = bufferPage(buffer);
    for (let i = 0; i < count; i++) {
      const plan = dataAt + SIZE_OF_FREEZE_TUPLE * i;
      const offset = view.getUint16(plan + 4, true);
      executeFreezeTuple(
        page + lpOffset(itemIdWord(page, offset)),
        view.getUint32(plan, true) as TransactionId,
        view.getUint16(plan + 8, true),
        view.getUint16(plan + 6, true),
        mem.u8[plan + 10]!,
      );
    }
    pageSetLsn(page, record.endLsn);
    markBufferDirty(buffer);
  }
  if (buffer !== INVALID_BUFFER) unlockReleaseBuffer(buffer);
}

function redoVisible(record: DecodedRecord): void {
  const cutoff = mem.view.getUint32(record.mainAt, true) as TransactionId;
  const flags = mem.u8[record.mainAt + 4]!;
  const { rnode, block } = record.blocks[1]!;
  resolveRecoveryConflictWithSnapshot(cutoff, rnode);
  const { action, buffer } = xlogReadBufferForRedo(record, 1);
  if (action === REDO.needsRedo) {
    const page = bufferPage(buffer);
    pageSetFlag(page, PD.allVisible);
    // Without checksums the page's LSN stays: a torn page could lose no more than this flag.
    if (xlogHintBitIsNeeded()) pageSetLsn(page, record.endLsn);
    markBufferDirty(buffer);
  }
  if (buffer !== INVALID_BUFFER) {
    const free = pageFreeSpace(bufferPage(buffer));
    unlockReleaseBuffer(buffer);
    // A standby that is promoted will not vacuum this page again soon: its free space must be known.
    if ((flags & VM_VALID_BITS) !== 0) xlogRecordPageWithFreeSpace(rnode, block, free);
  }
  const map = xlogReadBufferForRedoExtended(record, 0, RBM.zeroOnError, false);
  const vmBuffer = map.buffer;
  if (map.action === REDO.needsRedo) {
    const page = bufferPage(vmBuffer);
    if (pageIsNew(page)) pageInit(page, 0);
    lockBuffer(vmBuffer, BUFFER_LOCK.unlock);
    if (record.endLsn > pageGetLsn(page))
      visibilityMapSet(true, block, INVALID_BUFFER, record.endLsn, vmBuffer, cutoff, flags);
    releaseBuffer(vmBuffer);
  } else if (vmBuffer !== INVALID_BUFFER) unlockReleaseBuffer(vmBuffer);
}

function redoMultiInsert(record: DecodedRecord): void {
  const { u8, view } = mem;
  const flags = u8[record.mainAt]!;
  const count = view.getUint16(record.mainAt + 2, true);
  const { rnode, block, dataAt, dataLength } = record.blocks[0]!;
  const isInit = (record.info & XLOG_HEAP_INIT_PAGE) !== 0;
  if ((flags & XLH_INSERT.allVisibleCleared) !== 0) redoClearVm(rnode, block, VM_VALID_BITS);
  let buffer: number;
  let action: RedoAction;
  if (isInit) {
    buffer = xlogInitBufferForRedo(record, 0);
    pageInit(bufferPage(buffer), 0);
    action = REDO.needsRedo;
  } else ({ action, buffer } = xlogReadBufferForRedo(record, 0));
  let free = BLCKSZ;
  if (action === REDO.needsRedo) {
    const page = bufferPage(buffer);
    let from = dataAt;
    for (let i = 0; i < count; i++) {
      const offset = isInit ? i + 1 : view.getUint16(record.mainAt + 4 + 2 * i, true);
      if (pageMaxOffset(page) + 1 < offset) redoPanic('invalid max offset number');
      // Each begins at an even distance from the first.
      from += (from - dataAt) & 1;
      const length = view.getUint16(from, true);
      const tuple = redoTuple();
      redoFillHeader(
        tuple,
        view.getUint16(from + 2, true),
        view.getUint16(from + 4, true),
        u8[from + 6]!,
        record.xid,
        INVALID_XID,
      );
      from += SIZE_OF_MULTI_INSERT_TUPLE;
      u8.copyWithin(tuple + SIZEOF_HEAP_TUPLE_HEADER, from, from + length);
      from += length;
      setTupleCtid(tuple, makeTid(block, offset));
      if (pageAddItem(page, tuple, SIZEOF_HEAP_TUPLE_HEADER + length, offset, true, true) === 0)
        redoPanic('failed to add tuple');
    }
    if (from !== dataAt + dataLength) redoPanic('total tuple length mismatch');
    free = pageHeapFreeSpace(page);
    pageSetLsn(page, record.endLsn);
    if ((flags & XLH_INSERT.allVisibleCleared) !== 0) pageClearFlag(page, PD.allVisible);
    if ((flags & XLH_INSERT.allFrozenSet) !== 0) pageSetFlag(page, PD.allVisible);
    markBufferDirty(buffer);
  }
  if (buffer !== INVALID_BUFFER) unlockReleaseBuffer(buffer);
  if (action === REDO.needsRedo) redoNoteFreeSpace(rnode, block, free);
}

export function heap2Redo(record: DecodedRecord): void {
  switch (record.info & XLOG_HEAP_OPMASK) {
    case XLOG_HEAP2.prune:
      redoPrune(record);
      break;
    case XLOG_HEAP2.vacuum:
      redoVacuum(record);
      break;
    case XLOG_HEAP2.freezePage:
      redoFreezePage(record);
      break;
    case XLOG_HEAP2.visible:
      redoVisible(record);
      break;
    case XLOG_HEAP2.multiInsert:
      redoMultiInsert(record);
      break;
    case XLOG_HEAP2.lockUpdated:
      redoLock(record, true);
      break;
    case XLOG_HEAP2.newCid:
      // Read by logical decoding only.
      break;
    case XLOG_HEAP2.rewrite:
      heapRewriteRedo(record);
      break;
    default:
      redoPanic(`heap2_redo: unknown op code ${record.info}`);
  }
}
