/** dedup.ts — making room on a full leaf: bottom-up deletion of old versions, and deduplication into posting lists.
 *
 *  Both walk the page and gather runs of equal keys. Deduplication replaces each run by one posting list tuple of limited
 *  size. Bottom-up deletion offers the runs to the table as probable old versions of the same rows.
 *  Counterpart: src/backend/access/nbtree/nbtdedup.c */
import { relationNeedsWal, type Relation } from '#access/common/relation-descriptor.ts';
import type { IndexDelete, IndexDeleteStatus } from '#access/common/table-am.ts';
import { deleteWhatTableAllows } from '#access/nbtree/delete-items.ts';
import { type BtIndexState, btState } from '#access/nbtree/index-state.ts';
import {
  BT_MAX_ITEM_SIZE,
  BT_SPECIAL,
  BTP,
  BTREE_SINGLEVAL_FILLFACTOR,
  clearBtFlags,
  firstDataKey,
  isRightmost,
  maxAlign,
  P_HIKEY,
  SIZE_OF_PAGE_HEADER,
} from '#access/nbtree/nbtree-layout.ts';
import { formPosting } from '#access/nbtree/posting.ts';
import { scratch } from '#access/nbtree/scratch.ts';
import { keepNAttsFast } from '#access/nbtree/truncate.ts';
import {
  isPosting,
  postingCount,
  postingOffset,
  postingTid,
  readTid,
  tidCount,
  tupleSize,
} from '#access/nbtree/tuple.ts';
import { XLOG_BTREE } from '#access/nbtree/wal-records.ts';
import { BLCKSZ, type Buffer, type OffsetNumber, tidBlock } from '#base/ids.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import { report } from '#runtime/error/report.ts';
import { mem } from '#shm/memory.ts';
import { bufferBlock, bufferPage } from '#storage/buffer/buffer-pool.ts';
import { xlogRegisterBuffer } from '#storage/buffer/buffer-wal.ts';
import { markBufferDirty } from '#storage/buffer/dirty.ts';
import {
  itemAt,
  itemLength,
  pageAddItem,
  pageExactFreeSpace,
  pageGetLsn,
  pageInitCopySpecial,
  pageMaxOffset,
  pageRestoreFrom,
  pageSetLsn,
} from '#storage/page/page.ts';
import { REGBUF, walScratch, xlogBeginInsert, xlogInsert, xlogRegisterBufData, xlogRegisterData } from '#wal/insert.ts';
import { RM } from '#wal/rmgr-ids.ts';

const LINE_POINTER = 4;

/** A run of equal tuples being gathered (BTDedupState). */
export class DedupState {
  deduplicate = true;
  /** Posting lists that reached the maximum size. */
  maxItems = 0;
  base = 0;
  baseOffset: OffsetNumber = 0;
  baseSize = 0;
  /** TIDs of the pending run, 6 bytes each. */
  readonly tids: number;
  tidCount = 0;
  itemCount = 0;
  /** Bytes that the run's tuples take on the page, line pointers included. */
  physicalSize = 0;
  /** Finished runs: [first offset, items], those that were merged. */
  readonly intervals: number[] = [];
  constructor(
    public maxPostingSize: number,
    tidSpace: number,
  ) {
    this.tids = scratch(tidSpace);
  }

  start(tup: number, offset: OffsetNumber): void {
    if (!isPosting(tup)) {
      mem.u8.copyWithin(this.tids, tup, tup + 6);
      this.tidCount = 1;
      this.baseSize = tupleSize(tup);
    } else {
      const count = postingCount(tup);
      const from = tup + postingOffset(tup);
      mem.u8.copyWithin(this.tids, from, from + count * 6);
      this.tidCount = count;
      this.baseSize = postingOffset(tup);
    }
    this.itemCount = 1;
    this.base = tup;
    this.baseOffset = offset;
    this.physicalSize = maxAlign(tupleSize(tup)) + LINE_POINTER;
  }
  /** Adds an equal tuple to the run; false if the posting list would get too large. */
  add(tup: number): boolean {
    const posting = isPosting(tup);
    const count = posting ? postingCount(tup) : 1;
    if (maxAlign(this.baseSize + (this.tidCount + count) * 6) > this.maxPostingSize) {
      // Long lists count for the single value strategy; short ones come of long keys.
      if (this.tidCount > 50) this.maxItems++;
      return false;
    }
    const from = posting ? tup + postingOffset(tup) : tup;
    mem.u8.copyWithin(this.tids + this.tidCount * 6, from, from + count * 6);
    this.itemCount++;
    this.tidCount += count;
    this.physicalSize += maxAlign(tupleSize(tup)) + LINE_POINTER;
    return true;
  }
  /** The run is over: its tuple goes to the end of the new page. */
  finish(newPage: number): void {
    const offset = pageMaxOffset(newPage) + 1;
    let tup = this.base;
    if (this.itemCount > 1) {
      tup = formPosting(this.base, this.tids, this.tidCount);
      this.intervals.push(this.baseOffset, this.itemCount);
    }
    if (pageAddItem(newPage, tup, tupleSize(tup), offset, false, false) === 0)
      report('ERROR', { message: 'deduplication failed to add tuple to page' });
    this.clear();
  }
  clear(): void {
    this.tidCount = 0;
    this.itemCount = 0;
    this.physicalSize = 0;
  }
}

/** Merges equal tuples of a leaf. `bottomUpDedup`: the page collects versions, so do not save space for a single value's
 *  further insertions. */
export function dedupPass(
  rel: Relation,
  buffer: Buffer,
  newItem: number,
  newItemSizeAligned: number,
  bottomUpDedup: boolean,
): void {
  const index = btState(rel);
  const page = bufferPage(buffer);
  const newItemSize = newItemSizeAligned + LINE_POINTER;
  const state = new DedupState(Math.min(BT_MAX_ITEM_SIZE / 2, 0x1fff), BT_MAX_ITEM_SIZE);
  const minOffset = firstDataKey(page);
  const maxOffset = pageMaxOffset(page);
  let singleValue = !bottomUpDedup && isSingleValue(index, page, minOffset, newItem);
  const newPage = scratch(BLCKSZ);
  pageInitCopySpecial(page, newPage);
  pageSetLsn(newPage, pageGetLsn(page));
  if (
    !isRightmost(page) &&
    pageAddItem(newPage, itemAt(page, P_HIKEY), itemLength(page, P_HIKEY), P_HIKEY, false, false) === 0
  )
    report('ERROR', { message: 'deduplication failed to add highkey' });
  for (let offset = minOffset; offset <= maxOffset; offset++) {
    const tup = itemAt(page, offset);
    if (offset === minOffset) {
      state.start(tup, offset);
      continue;
    }
    if (state.deduplicate && keepNAttsFast(index, state.base, tup) > index.nkeyatts && state.add(tup)) continue;
    state.finish(newPage);
    if (singleValue) {
      // Five full posting lists, a sixth that leaves room, and the rest as it was: a split will then fill the left page
      // just so.
      if (state.maxItems === 5) lowerMaxPostingSize(state, newItemSize);
      else if (state.maxItems === 6) {
        state.deduplicate = false;
        singleValue = false;
      }
    }
    state.start(tup, offset);
  }
  state.finish(newPage);
  if (state.intervals.length === 0) return;
  // Whoever called had no dead items left to delete.
  clearBtFlags(newPage, BTP.hasGarbage);
  const count = state.intervals.length / 2;
  const intervalsAt = scratch(count * 4);
  for (let i = 0; i < count * 2; i++) mem.view.setUint16(intervalsAt + i * 2, state.intervals[i]!, true);
  beginCritical();
  pageRestoreFrom(newPage, page);
  markBufferDirty(buffer);
  if (relationNeedsWal(rel)) {
    xlogBeginInsert();
    xlogRegisterBuffer(0, buffer, REGBUF.standard);
    const at = walScratch(2);
    mem.view.setUint16(at, count, true);
    xlogRegisterData(at, 2);
    xlogRegisterBufData(0, intervalsAt, count * 4);
    pageSetLsn(page, xlogInsert(RM.btree, XLOG_BTREE.dedup));
  }
  endCritical();
}

/** Is the whole page full of the new item's value? Then first and last item are equal to it. */
function isSingleValue(state: BtIndexState, page: number, minOffset: OffsetNumber, newItem: number): boolean {
  return (
    keepNAttsFast(state, newItem, itemAt(page, minOffset)) > state.nkeyatts &&
    keepNAttsFast(state, newItem, itemAt(page, pageMaxOffset(page))) > state.nkeyatts
  );
}
/** So that the sixth posting list leaves what a split by BTREE_SINGLEVAL_FILLFACTOR wants free on the left page. */
function lowerMaxPostingSize(state: DedupState, newItemSize: number): void {
  const leftFree = BT_SPECIAL - SIZE_OF_PAGE_HEADER - (newItemSize + 8);
  const reduction = Math.trunc(leftFree * ((100 - BTREE_SINGLEVAL_FILLFACTOR) / 100));
  state.maxPostingSize = state.maxPostingSize > reduction ? state.maxPostingSize - reduction : 0;
}

/** Asks the table about the page's duplicates, which probably are versions of the same rows. True: enough was freed, or
 *  deduplication would gain nothing. */
export function bottomUpDeletion(rel: Relation, buffer: Buffer, heap: Relation, newItemSizeAligned: number): boolean {
  const index = btState(rel);
  const page = bufferPage(buffer);
  const newItemSize = newItemSizeAligned + LINE_POINTER;
  // No posting list is made, so its size has no limit.
  const state = new DedupState(BLCKSZ, BLCKSZ);
  const deletes: IndexDelete[] = [];
  const status: IndexDeleteStatus[] = [];
  const minOffset = firstDataKey(page);
  const maxOffset = pageMaxOffset(page);
  let duplicateRuns = 0;
  const finish = (): void => {
    if (state.itemCount > 1) duplicateRuns++;
    offerRun(page, state, deletes, status);
    state.clear();
  };
  for (let offset = minOffset; offset <= maxOffset; offset++) {
    const tup = itemAt(page, offset);
    if (offset === minOffset) state.start(tup, offset);
    else if (!(keepNAttsFast(index, state.base, tup) > index.nkeyatts && state.add(tup))) {
      finish();
      state.start(tup, offset);
    }
  }
  finish();
  deleteWhatTableAllows(rel, buffer, heap, {
    index: rel,
    indexBlock: bufferBlock(buffer),
    bottomUp: true,
    bottomUpFreeSpace: Math.max(BLCKSZ / 16, newItemSize),
    deletes,
    status,
  });
  if (duplicateRuns === 0) return true;
  // A little room only postpones things until the next insertion: then rather deduplicate now.
  return pageExactFreeSpace(page) >= Math.max(Math.trunc(BLCKSZ / 24), newItemSize);
}

/** All TIDs of the run become candidates; those of a run of several tuples are promising. */
function offerRun(page: number, state: DedupState, deletes: IndexDelete[], status: IndexDeleteStatus[]): void {
  const duplicates = state.itemCount > 1;
  for (let i = 0; i < state.itemCount; i++) {
    const offset = state.baseOffset + i;
    const tup = itemAt(page, offset);
    if (!isPosting(tup)) {
      deletes.push({ tid: readTid(tup), id: deletes.length });
      status.push({
        indexOffset: offset,
        knownDeletable: false,
        promising: duplicates,
        freeSpace: itemLength(page, offset) + LINE_POINTER,
      });
      continue;
    }
    // A posting list among duplicates: one of its ends, whose block it has most TIDs in, stands for all.
    const count = tidCount(tup);
    let firstPromising = false;
    let lastPromising = false;
    if (duplicates) {
      const minBlock = tidBlock(postingTid(tup, 0));
      const middleBlock = tidBlock(postingTid(tup, count >> 1));
      const maxBlock = tidBlock(postingTid(tup, count - 1));
      firstPromising = minBlock === middleBlock;
      lastPromising = !firstPromising && middleBlock === maxBlock;
    }
    for (let p = 0; p < count; p++) {
      deletes.push({ tid: postingTid(tup, p), id: deletes.length });
      status.push({
        indexOffset: offset,
        knownDeletable: false,
        promising: (firstPromising && p === 0) || (lastPromising && p === count - 1),
        freeSpace: 6,
      });
    }
  }
}
