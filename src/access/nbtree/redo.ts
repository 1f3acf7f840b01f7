/** redo.ts — replaying the records of resource manager Btree.
 *
 *  Each record changes several pages of which some may have been written since; each is replayed on its own terms. Locks
 *  are held as in normal operation wherever a standby's scans could otherwise see a page without its neighbour's change.
 *  Counterpart: src/backend/access/nbtree/nbtxlog.c */
import { DedupState } from '#access/nbtree/dedup.ts';
import {
  addBtFlags,
  BT_MAX_ITEM_SIZE,
  BT_SPECIAL,
  BTP,
  btPageInit,
  clearBtFlags,
  firstDataKey,
  initMetaPage,
  isLeaf,
  isRightmost,
  maxAlign,
  P_HIKEY,
  P_NONE,
  setBtCycleId,
  setBtFlags,
  setBtNext,
  setBtOpaque,
  setBtPrev,
  setMetaCleanup,
  setMetaFastRoot,
  setPageDeleted,
} from '#access/nbtree/nbtree-layout.ts';
import { swapPosting, withoutTids } from '#access/nbtree/posting.ts';
import { enterScratch, leaveScratch, scratch } from '#access/nbtree/scratch.ts';
import { copyTuple, downlink, setDownlink, setTopParent, setTupleSize, tupleSize } from '#access/nbtree/tuple.ts';
import { RMGR_INFO_MASK, XLOG_BTREE } from '#access/nbtree/wal-records.ts';
import {
  BLCKSZ,
  type BlockNumber,
  type FullTransactionId,
  type Lsn,
  type RelFileNode,
  type TransactionId,
} from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { mem } from '#shm/memory.ts';
import { RBM } from '#storage/buffer/buffer-layout.ts';
import { unlockReleaseBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferPage } from '#storage/buffer/buffer-pool.ts';
import { markBufferDirty } from '#storage/buffer/dirty.ts';
import {
  REDO,
  xlogInitBufferForRedo,
  xlogReadBufferForRedo,
  xlogReadBufferForRedoExtended,
} from '#storage/buffer/redo-buffers.ts';
import {
  itemAt,
  itemLength,
  pageAddItem,
  pageInitCopySpecial,
  pageLower,
  pageMaxOffset,
  pageRestoreFrom,
  pageSetLsn,
  pageUpper,
  setItemIdWord,
  itemIdWord,
} from '#storage/page/page.ts';
import { pageIndexMultiDelete, pageIndexTupleDelete, pageIndexTupleOverwrite } from '#storage/page/page-compact.ts';
import type { DecodedRecord } from '#wal/decoded-record.ts';
import { inHotStandby } from '#wal/recovery-state.ts';

/** A standby cancels queries whose snapshots need rows or pages that the record removes. Installed by recovery. */
let resolveConflict: (removedXid: FullTransactionId | TransactionId, isFull: boolean, node: RelFileNode) => void =
  () => {};
export function setBtreeConflictResolver(by: typeof resolveConflict): void {
  resolveConflict = by;
}

const u16 = (at: number): number => mem.view.getUint16(at, true);
const u32 = (at: number): number => mem.view.getUint32(at, true);

function finishPage(buffer: number, lsn: Lsn): void {
  pageSetLsn(bufferPage(buffer), lsn);
  markBufferDirty(buffer);
}

/** Adds tuples that were logged as they lay on the page: in order of addresses, that is last one first. */
function restoreItems(page: number, from: number, length: number): void {
  const items: number[] = [];
  for (let at = from; at < from + length; at += maxAlign(tupleSize(at))) items.push(at);
  for (let i = items.length - 1; i >= 0; i--) {
    const tup = items[i]!;
    if (pageAddItem(page, tup, maxAlign(tupleSize(tup)), items.length - i, false, false) === 0)
      report('PANIC', { message: '_bt_restore_page: cannot add item to page' });
  }
}

function restoreMeta(record: DecodedRecord, blockId: number): void {
  const buffer = xlogInitBufferForRedo(record, blockId);
  const page = bufferPage(buffer);
  const data = record.blocks[blockId]!.dataAt;
  initMetaPage(page, u32(data + 4), u32(data + 8), mem.u8[data + 24] !== 0);
  mem.view.setUint32(page + 28, u32(data), true); // btm_version
  setMetaFastRoot(page, u32(data + 12), u32(data + 16));
  setMetaCleanup(page, u32(data + 20));
  finishPage(buffer, record.endLsn);
  unlockReleaseBuffer(buffer);
}

function clearIncompleteSplit(record: DecodedRecord, blockId: number): void {
  const { action, buffer } = xlogReadBufferForRedo(record, blockId);
  if (action === REDO.needsRedo) {
    clearBtFlags(bufferPage(buffer), BTP.incompleteSplit);
    finishPage(buffer, record.endLsn);
  }
  if (buffer !== 0) unlockReleaseBuffer(buffer);
}

function redoInsert(record: DecodedRecord, leaf: boolean, meta: boolean, posting: boolean): void {
  // The child's flag goes before its downlink appears: nobody can be between, for nobody else writes.
  if (!leaf) clearIncompleteSplit(record, 1);
  const { action, buffer } = xlogReadBufferForRedo(record, 0);
  if (action === REDO.needsRedo) {
    const page = bufferPage(buffer);
    const offset = u16(record.mainAt);
    let { dataAt, dataLength } = record.blocks[0]!;
    if (posting) {
      const postingOffset = u16(dataAt);
      dataAt += 2;
      dataLength -= 2;
      const oldPosting = itemAt(page, offset - 1);
      const item = scratch(dataLength);
      copyTuple(dataAt, item, dataLength);
      const newPosting = swapPosting(item, oldPosting, postingOffset);
      copyTuple(newPosting, oldPosting, maxAlign(tupleSize(newPosting)));
      dataAt = item;
    }
    if (pageAddItem(page, dataAt, dataLength, offset, false, false) === 0)
      report('PANIC', { message: posting ? 'failed to add posting split new item' : 'failed to add new item' });
    finishPage(buffer, record.endLsn);
  }
  if (buffer !== 0) unlockReleaseBuffer(buffer);
  if (meta) restoreMeta(record, 2);
}

function redoSplit(record: DecodedRecord, newOnLeft: boolean): void {
  const level = u32(record.mainAt);
  const leaf = level === 0;
  const firstRight = u16(record.mainAt + 4);
  const newOffset = u16(record.mainAt + 6);
  const postingOffset = u16(record.mainAt + 8);
  const leftBlock = record.blocks[0]!.block;
  const rightBlock = record.blocks[1]!.block;
  const siblingBlock = record.maxBlockId >= 2 && record.blocks[2]!.inUse ? record.blocks[2]!.block : P_NONE;
  if (!leaf) clearIncompleteSplit(record, 3);

  const right = xlogInitBufferForRedo(record, 1);
  const rightPage = bufferPage(right);
  btPageInit(rightPage);
  setBtOpaque(rightPage, leftBlock, siblingBlock, level, leaf ? BTP.leaf : 0);
  restoreItems(rightPage, record.blocks[1]!.dataAt, record.blocks[1]!.dataLength);
  finishPage(right, record.endLsn);

  const { action, buffer: left } = xlogReadBufferForRedo(record, 0);
  if (action === REDO.needsRedo) {
    const page = bufferPage(left);
    rebuildLeft(page, record.blocks[0]!.dataAt, firstRight, newOffset, postingOffset, newOnLeft);
    setBtFlags(page, BTP.incompleteSplit | (leaf ? BTP.leaf : 0));
    setBtNext(page, rightBlock);
    setBtCycleId(page, 0);
    finishPage(left, record.endLsn);
  }
  let sibling = 0;
  if (siblingBlock !== P_NONE) {
    const third = xlogReadBufferForRedo(record, 2);
    sibling = third.buffer;
    if (third.action === REDO.needsRedo) {
      setBtPrev(bufferPage(sibling), rightBlock);
      finishPage(sibling, record.endLsn);
    }
  }
  // All three together, so that a scan backward sees the split whole.
  if (sibling !== 0) unlockReleaseBuffer(sibling);
  unlockReleaseBuffer(right);
  if (left !== 0) unlockReleaseBuffer(left);
}

/** The left half, from the old page and what was logged: [new item], high key. */
function rebuildLeft(
  page: number,
  data: number,
  firstRight: number,
  newOffset: number,
  postingOffset: number,
  newOnLeft: boolean,
): void {
  let at = data;
  let item = 0;
  let itemSize = 0;
  let newPosting = 0;
  let postingAt = 0;
  if (newOnLeft || postingOffset !== 0) {
    item = at;
    itemSize = maxAlign(tupleSize(item));
    at += itemSize;
    if (postingOffset !== 0) {
      const copy = scratch(itemSize);
      copyTuple(item, copy, itemSize);
      item = copy;
      postingAt = newOffset - 1;
      newPosting = swapPosting(item, itemAt(page, postingAt), postingOffset);
    }
  }
  const left = scratch(BLCKSZ);
  pageInitCopySpecial(page, left);
  let offset = P_HIKEY;
  const add = (tup: number, size: number, what: string): void => {
    if (pageAddItem(left, tup, size, offset, false, false) === 0)
      report('ERROR', { message: `failed to add ${what} to left page after split` });
    offset++;
  };
  add(at, maxAlign(tupleSize(at)), 'high key');
  let old = firstDataKey(page);
  for (; old < firstRight; old++) {
    if (old === postingAt) {
      add(newPosting, maxAlign(tupleSize(newPosting)), 'new posting list item');
      continue;
    }
    if (newOnLeft && old === newOffset) add(item, itemSize, 'new item');
    add(itemAt(page, old), itemLength(page, old), 'old item');
  }
  if (newOnLeft && old === newOffset) add(item, itemSize, 'new item');
  pageRestoreFrom(left, page);
}

function redoDedup(record: DecodedRecord): void {
  const { action, buffer } = xlogReadBufferForRedo(record, 0);
  if (action === REDO.needsRedo) {
    const page = bufferPage(buffer);
    const count = u16(record.mainAt);
    const intervals = record.blocks[0]!.dataAt;
    // The primary kept its limit; here the intervals say what to merge.
    const state = new DedupState(BT_MAX_ITEM_SIZE, BT_MAX_ITEM_SIZE);
    const made = scratch(BLCKSZ);
    pageInitCopySpecial(page, made);
    if (
      !isRightmost(page) &&
      pageAddItem(made, itemAt(page, P_HIKEY), itemLength(page, P_HIKEY), P_HIKEY, false, false) === 0
    )
      report('ERROR', { message: 'deduplication failed to add highkey' });
    const minOffset = firstDataKey(page);
    const maxOffset = pageMaxOffset(page);
    for (let offset = minOffset; offset <= maxOffset; offset++) {
      const tup = itemAt(page, offset);
      const done = state.intervals.length / 2;
      if (offset === minOffset) state.start(tup, offset);
      else if (
        done < count &&
        state.baseOffset === u16(intervals + done * 4) &&
        state.itemCount < u16(intervals + done * 4 + 2)
      ) {
        if (!state.add(tup))
          report('ERROR', { message: 'deduplication failed to add heap tid to pending posting list' });
      } else {
        state.finish(made);
        state.start(tup, offset);
      }
    }
    state.finish(made);
    clearBtFlags(made, BTP.hasGarbage);
    pageRestoreFrom(made, page);
    finishPage(buffer, record.endLsn);
  }
  if (buffer !== 0) unlockReleaseBuffer(buffer);
}

/** What VACUUM and DELETE have in common: offsets deleted, offsets updated, updates. */
function redoDeletion(page: number, data: number, deletedCount: number, updatedCount: number): void {
  if (updatedCount > 0) {
    const offsets = data + deletedCount * 2;
    let update = offsets + updatedCount * 2;
    for (let i = 0; i < updatedCount; i++) {
      const offset = u16(offsets + i * 2);
      const count = u16(update);
      const indexes: number[] = [];
      for (let j = 0; j < count; j++) indexes.push(u16(update + 2 + j * 2));
      const made = withoutTids(itemAt(page, offset), indexes, count);
      if (!pageIndexTupleOverwrite(page, offset, made, maxAlign(tupleSize(made))))
        report('PANIC', { message: 'failed to update partially dead item' });
      update += 2 + count * 2;
    }
  }
  if (deletedCount > 0) {
    const deleted: number[] = [];
    for (let i = 0; i < deletedCount; i++) deleted.push(u16(data + i * 2));
    pageIndexMultiDelete(page, deleted);
  }
  clearBtFlags(page, BTP.hasGarbage);
}

function redoVacuum(record: DecodedRecord): void {
  // A cleanup lock, as VACUUM had: a standby's scan may hold a pin between the index and the heap.
  const { action, buffer } = xlogReadBufferForRedoExtended(record, 0, RBM.normal, true);
  if (action === REDO.needsRedo) {
    redoDeletion(bufferPage(buffer), record.blocks[0]!.dataAt, u16(record.mainAt), u16(record.mainAt + 2));
    finishPage(buffer, record.endLsn);
  }
  if (buffer !== 0) unlockReleaseBuffer(buffer);
}
function redoDelete(record: DecodedRecord): void {
  if (inHotStandby()) resolveConflict(u32(record.mainAt) as TransactionId, false, record.blocks[0]!.rnode);
  const { action, buffer } = xlogReadBufferForRedo(record, 0);
  if (action === REDO.needsRedo) {
    redoDeletion(bufferPage(buffer), record.blocks[0]!.dataAt, u16(record.mainAt + 4), u16(record.mainAt + 6));
    finishPage(buffer, record.endLsn);
  }
  if (buffer !== 0) unlockReleaseBuffer(buffer);
}

/** A half-dead leaf has nothing but a high key that points to the top of its subtree. */
function makeHalfDead(page: number, prev: BlockNumber, next: BlockNumber, top: BlockNumber): void {
  btPageInit(page);
  setBtOpaque(page, prev, next, 0, BTP.halfDead | BTP.leaf);
  const key = scratch(8);
  mem.u8.fill(0, key, key + 8);
  setTupleSize(key, 8);
  setTopParent(key, top);
  if (pageAddItem(page, key, 8, P_HIKEY, false, false) === 0)
    report('ERROR', { message: 'could not add dummy high key to half-dead page' });
}

function redoMarkHalfDead(record: DecodedRecord): void {
  const main = record.mainAt;
  const parent = xlogReadBufferForRedo(record, 1);
  const parentBuffer = parent.buffer;
  if (parent.action === REDO.needsRedo) {
    const page = bufferPage(parentBuffer);
    const offset = u16(main);
    setDownlink(itemAt(page, offset), downlink(itemAt(page, offset + 1)));
    pageIndexTupleDelete(page, offset + 1);
    finishPage(parentBuffer, record.endLsn);
  }
  // Levels need not be coupled: a search that still has the old downlink steps right over the half-dead page.
  if (parentBuffer !== 0) unlockReleaseBuffer(parentBuffer);
  const leaf = xlogInitBufferForRedo(record, 0);
  makeHalfDead(bufferPage(leaf), u32(main + 8), u32(main + 12), u32(main + 16));
  finishPage(leaf, record.endLsn);
  unlockReleaseBuffer(leaf);
}

function redoUnlinkPage(record: DecodedRecord, meta: boolean): void {
  const main = record.mainAt;
  const leftBlock = u32(main);
  const rightBlock = u32(main + 4);
  const level = u32(main + 8);
  const safeXid = (u32(main + 20) * 0x1_0000_0000 + u32(main + 16)) as FullTransactionId;
  let left = 0;
  if (leftBlock !== P_NONE) {
    const sibling = xlogReadBufferForRedo(record, 1);
    left = sibling.buffer;
    if (sibling.action === REDO.needsRedo) {
      setBtNext(bufferPage(left), rightBlock);
      finishPage(left, record.endLsn);
    }
  }
  const target = xlogInitBufferForRedo(record, 0);
  const page = bufferPage(target);
  btPageInit(page);
  setBtOpaque(page, leftBlock, rightBlock, level, 0);
  setPageDeleted(page, safeXid);
  if (level === 0) addBtFlags(page, BTP.leaf);
  finishPage(target, record.endLsn);
  const sibling = xlogReadBufferForRedo(record, 2);
  const right = sibling.buffer;
  if (sibling.action === REDO.needsRedo) {
    setBtPrev(bufferPage(right), leftBlock);
    finishPage(right, record.endLsn);
  }
  if (left !== 0) unlockReleaseBuffer(left);
  if (right !== 0) unlockReleaseBuffer(right);
  unlockReleaseBuffer(target);
  if (record.maxBlockId >= 3 && record.blocks[3]!.inUse) {
    const leaf = xlogInitBufferForRedo(record, 3);
    makeHalfDead(bufferPage(leaf), u32(main + 24), u32(main + 28), u32(main + 32));
    finishPage(leaf, record.endLsn);
    unlockReleaseBuffer(leaf);
  }
  if (meta) restoreMeta(record, 4);
}

function redoNewRoot(record: DecodedRecord): void {
  const level = u32(record.mainAt + 4);
  const buffer = xlogInitBufferForRedo(record, 0);
  const page = bufferPage(buffer);
  btPageInit(page);
  setBtOpaque(page, P_NONE, P_NONE, level, BTP.root | (level === 0 ? BTP.leaf : 0));
  if (level > 0) {
    restoreItems(page, record.blocks[0]!.dataAt, record.blocks[0]!.dataLength);
    clearIncompleteSplit(record, 1);
  }
  finishPage(buffer, record.endLsn);
  unlockReleaseBuffer(buffer);
  restoreMeta(record, 2);
}

function redoReusePage(record: DecodedRecord): void {
  const main = record.mainAt;
  const node = { spcNode: u32(main), dbNode: u32(main + 4), relNode: u32(main + 8) } as RelFileNode;
  if (inHotStandby())
    resolveConflict((u32(main + 20) * 0x1_0000_0000 + u32(main + 16)) as FullTransactionId, true, node);
}

const HANDLERS: Readonly<Record<number, (record: DecodedRecord) => void>> = {
  [XLOG_BTREE.insertLeaf]: (record) => redoInsert(record, true, false, false),
  [XLOG_BTREE.insertUpper]: (record) => redoInsert(record, false, false, false),
  [XLOG_BTREE.insertMeta]: (record) => redoInsert(record, false, true, false),
  [XLOG_BTREE.insertPost]: (record) => redoInsert(record, true, false, true),
  [XLOG_BTREE.splitL]: (record) => redoSplit(record, true),
  [XLOG_BTREE.splitR]: (record) => redoSplit(record, false),
  [XLOG_BTREE.dedup]: redoDedup,
  [XLOG_BTREE.vacuum]: redoVacuum,
  [XLOG_BTREE.delete]: redoDelete,
  [XLOG_BTREE.markPageHalfDead]: redoMarkHalfDead,
  [XLOG_BTREE.unlinkPage]: (record) => redoUnlinkPage(record, false),
  [XLOG_BTREE.unlinkPageMeta]: (record) => redoUnlinkPage(record, true),
  [XLOG_BTREE.newRoot]: redoNewRoot,
  [XLOG_BTREE.reusePage]: redoReusePage,
  [XLOG_BTREE.metaCleanup]: (record) => restoreMeta(record, 0),
};
export function redoBtree(record: DecodedRecord): void {
  const info = record.info & RMGR_INFO_MASK;
  const handler = HANDLERS[info];
  if (handler === undefined) report('PANIC', { message: `btree_redo: unknown op code ${info}` });
  const outer = enterScratch();
  try {
    handler(record);
  } finally {
    leaveScratch(outer);
  }
}

/** Hides what replay may leave different: LSN, hints, free space, dead marks, cycle ids. */
export function maskBtreePage(page: number, _block: number): void {
  const { u8, view } = mem;
  u8.fill(0, page, page + 10); // pd_lsn, pd_checksum
  view.setUint16(page + 10, 0, true); // pd_flags: all of them are hints
  view.setUint32(page + 20, 0, true); // pd_prune_xid
  const lower = pageLower(page);
  const upper = pageUpper(page);
  if (lower < upper && upper <= BT_SPECIAL) u8.fill(0, page + lower, page + upper);
  if (isLeaf(page)) {
    const count = pageMaxOffset(page);
    for (let offset = 1; offset <= count; offset++) {
      const word = itemIdWord(page, offset);
      if ((word & 0x18000) !== 0) setItemIdWord(page, offset, word & ~0x18000);
    }
  }
  clearBtFlags(page, BTP.hasGarbage | BTP.splitEnd);
  setBtCycleId(page, 0);
}
