/** split.ts — dividing a full page in two, and finding the parent that must learn of it.
 *
 *  The left half keeps the block, so that downlinks and left neighbours stay right; the right half is a new page. Until its
 *  downlink is in the parent the left half is marked INCOMPLETE_SPLIT: whoever wants to write there finishes it first.
 *  Counterpart: _bt_split(), _bt_finish_split(), _bt_getstackbuf() of nbtinsert.c */
import { relationNeedsWal, type Relation } from '#access/common/relation-descriptor.ts';
import { vacuumCycleId } from '#access/nbtree/cycle-id.ts';
import { btState } from '#access/nbtree/index-state.ts';
import type { InsertKey } from '#access/nbtree/insert-key.ts';
import { insertParent } from '#access/nbtree/insert-on-page.ts';
import {
  addBtFlags,
  BTP,
  BTREE_METAPAGE,
  btCycleId,
  btFlags,
  btLevel,
  btNext,
  btPageInit,
  btPrev,
  BT_SPECIAL,
  clearBtFlags,
  firstDataKey,
  isIgnored,
  isIncompleteSplit,
  isLeaf,
  isLeftmost,
  isRightmost,
  maxAlign,
  metaRoot,
  P_HIKEY,
  setBtOpaque,
  setBtPrev,
} from '#access/nbtree/nbtree-layout.ts';
import { allocateBuffer, getBuffer, relBuffer, WRITE } from '#access/nbtree/page-access.ts';
import { scratch } from '#access/nbtree/scratch.ts';
import { type Descent, type DescentStep, setSplitFinisher } from '#access/nbtree/search.ts';
import { findSplitLocation, splitPutsNewItemOnLeft } from '#access/nbtree/split-location.ts';
import { truncateTuple } from '#access/nbtree/truncate.ts';
import { downlink, setTupleNAtts, tupleSize } from '#access/nbtree/tuple.ts';
import { XLOG_BTREE } from '#access/nbtree/wal-records.ts';
import { BLCKSZ, type BlockNumber, type Buffer, type OffsetNumber } from '#base/ids.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { mem } from '#shm/memory.ts';
import { bufferBlock, bufferPage } from '#storage/buffer/buffer-pool.ts';
import { xlogRegisterBuffer } from '#storage/buffer/buffer-wal.ts';
import { markBufferDirty } from '#storage/buffer/dirty.ts';
import {
  itemAt,
  itemLength,
  pageAddItem,
  pageGetLsn,
  pageMaxOffset,
  pageRestoreFrom,
  pageSetLsn,
  pageUpper,
} from '#storage/page/page.ts';
import { REGBUF, walScratch, xlogBeginInsert, xlogInsert, xlogRegisterBufData, xlogRegisterData } from '#wal/insert.ts';
import { RM } from '#wal/rmgr-ids.ts';

/** Adds a tuple; as the first data item of an internal page it loses its key. False if there is no room. */
export function addTuple(
  page: number,
  size: number,
  tup: number,
  offset: OffsetNumber,
  firstOfInternal: boolean,
): boolean {
  if (!firstOfInternal) return pageAddItem(page, tup, size, offset, false, false) !== 0;
  const header = scratch(8);
  mem.u8.copyWithin(header, tup, tup + 6);
  mem.view.setUint16(header + 6, 8, true);
  setTupleNAtts(header, 0, false);
  return pageAddItem(page, header, 8, offset, false, false) !== 0;
}

/** Splits `buffer`'s page while inserting `item` at `newOffset`. Returns the new right page, locked, as `buffer` stays.
 *  With a posting list split, `original` is the tuple as it came and `newPosting` replaces the list before it. */
export function splitPage(
  rel: Relation,
  key: InsertKey | null,
  buffer: Buffer,
  child: Buffer,
  newOffset: OffsetNumber,
  newSize: number,
  item: number,
  original: number,
  newPosting: number,
  postingOffset: number,
): Buffer {
  const page = bufferPage(buffer);
  const block = bufferBlock(buffer);
  const leaf = isLeaf(page);
  const rightmost = isRightmost(page);
  const maxOffset = pageMaxOffset(page);
  const firstRight = findSplitLocation(rel, page, newOffset, newSize, item);
  const newOnLeft = splitPutsNewItemOnLeft();
  const failed = (what: string): never =>
    report('ERROR', { message: `failed to add ${what} while splitting block ${block} of index "${rel.name}"` });

  const left = scratch(BLCKSZ);
  btPageInit(left);
  const flags = btFlags(page) & ~(BTP.root | BTP.splitEnd | BTP.hasGarbage);
  pageSetLsn(left, pageGetLsn(page));
  const postingAt = postingOffset !== 0 ? newOffset - 1 : 0;

  // The left half's high key: the first item of the right half, truncated on leaves.
  let firstRightTuple: number;
  let highKeySize: number;
  if (!newOnLeft && newOffset === firstRight) {
    firstRightTuple = item;
    highKeySize = newSize;
  } else {
    firstRightTuple = firstRight === postingAt ? newPosting : itemAt(page, firstRight);
    highKeySize = itemLength(page, firstRight);
  }
  let highKey = firstRightTuple;
  if (leaf) {
    let lastLeft: number;
    if (newOnLeft && newOffset === firstRight) lastLeft = item;
    else lastLeft = firstRight - 1 === postingAt && postingAt !== 0 ? newPosting : itemAt(page, firstRight - 1);
    highKey = truncateTuple(btState(rel), lastLeft, firstRightTuple, key);
    highKeySize = tupleSize(highKey);
  }
  let afterLeft: OffsetNumber = P_HIKEY;
  if (pageAddItem(left, highKey, highKeySize, afterLeft, false, false) === 0) failed('high key to the left sibling');
  afterLeft++;

  const rightBuffer = allocateBuffer(rel);
  const right = bufferPage(rightBuffer);
  const rightBlock = bufferBlock(rightBuffer);
  const cycleId = vacuumCycleId(rel);
  setBtOpaque(left, btPrev(page), rightBlock, btLevel(page), flags | BTP.incompleteSplit, cycleId);
  setBtOpaque(right, block, btNext(page), btLevel(page), flags, cycleId);
  // An error from here on must not leave the new page looking used.
  const failedRight = (what: string): never => {
    mem.u8.fill(0, right, right + BLCKSZ);
    return failed(what);
  };
  let afterRight: OffsetNumber = P_HIKEY;
  if (!rightmost) {
    if (pageAddItem(right, itemAt(page, P_HIKEY), itemLength(page, P_HIKEY), afterRight, false, false) === 0)
      failedRight('high key to the right sibling');
    afterRight++;
  }
  const minusInfinity = leaf ? 0 : afterRight;
  const toLeft = (size: number, tup: number, what: string): void => {
    if (!addTuple(left, size, tup, afterLeft, false)) failedRight(`${what} to the left sibling`);
    afterLeft++;
  };
  const toRight = (size: number, tup: number, what: string): void => {
    if (!addTuple(right, size, tup, afterRight, afterRight === minusInfinity))
      failedRight(`${what} to the right sibling`);
    afterRight++;
  };
  let offset = firstDataKey(page);
  for (; offset <= maxOffset; offset++) {
    let tup = itemAt(page, offset);
    if (offset === postingAt) tup = newPosting;
    else if (offset === newOffset) {
      if (newOnLeft) toLeft(newSize, item, 'new item');
      else toRight(newSize, item, 'new item');
    }
    const size = itemLength(page, offset);
    if (offset < firstRight) toLeft(size, tup, 'old item');
    else toRight(size, tup, 'old item');
  }
  if (offset <= newOffset) toRight(newSize, item, 'new item');

  let sibling: Buffer = 0;
  if (!rightmost) {
    sibling = getBuffer(rel, btNext(page), WRITE);
    const siblingPage = bufferPage(sibling);
    if (btPrev(siblingPage) !== block) {
      mem.u8.fill(0, right, right + BLCKSZ);
      report('ERROR', {
        code: SQLSTATE.indexCorrupted,
        message:
          `right sibling's left-link doesn't match: block ${btNext(page)} links to ${btPrev(siblingPage)} ` +
          `instead of expected ${block} in index "${rel.name}"`,
      });
    }
    // VACUUM following a split of its cycle may stop here: the next page is of another one.
    if (btCycleId(siblingPage) !== btCycleId(right)) addBtFlags(right, BTP.splitEnd);
  }

  beginCritical();
  pageRestoreFrom(left, page);
  markBufferDirty(buffer);
  markBufferDirty(rightBuffer);
  if (!rightmost) {
    setBtPrev(bufferPage(sibling), rightBlock);
    markBufferDirty(sibling);
  }
  if (!leaf) {
    clearBtFlags(bufferPage(child), BTP.incompleteSplit);
    markBufferDirty(child);
  }
  if (relationNeedsWal(rel)) {
    const logged = postingOffset !== 0 && postingAt < firstRight ? postingOffset : 0;
    xlogBeginInsert();
    const at = walScratch(10);
    const { view } = mem;
    view.setUint32(at, btLevel(right), true);
    view.setUint16(at + 4, firstRight, true);
    view.setUint16(at + 6, newOffset, true);
    view.setUint16(at + 8, logged, true);
    xlogRegisterData(at, 10);
    xlogRegisterBuffer(0, buffer, REGBUF.standard);
    xlogRegisterBuffer(1, rightBuffer, REGBUF.willInit);
    if (!rightmost) xlogRegisterBuffer(2, sibling, REGBUF.standard);
    if (!leaf) xlogRegisterBuffer(3, child, REGBUF.standard);
    // Replay makes the left page of its old contents; what comes to the right is in the right page's data.
    if (logged !== 0) xlogRegisterBufData(0, original, newSize);
    else if (newOnLeft) xlogRegisterBufData(0, item, newSize);
    const keyAt = leaf ? highKey : itemAt(page, P_HIKEY);
    xlogRegisterBufData(0, keyAt, maxAlign(tupleSize(keyAt)));
    const upper = pageUpper(right);
    xlogRegisterBufData(1, right + upper, BT_SPECIAL - upper);
    const lsn = xlogInsert(RM.btree, newOnLeft ? XLOG_BTREE.splitL : XLOG_BTREE.splitR);
    pageSetLsn(page, lsn);
    pageSetLsn(right, lsn);
    if (!rightmost) pageSetLsn(bufferPage(sibling), lsn);
    if (!leaf) pageSetLsn(bufferPage(child), lsn);
  }
  endCritical();
  if (!rightmost) relBuffer(sibling);
  if (!leaf) relBuffer(child);
  return rightBuffer;
}

/** Inserts the missing downlink of a split whose process ended in between. Lets go of `left`, which is locked. */
export function finishIncompleteSplit(rel: Relation, left: Buffer, descent: Descent): void {
  const page = bufferPage(left);
  const right = getBuffer(rel, btNext(page), WRITE);
  let wasRoot = false;
  if (descent === null) {
    const metaBuffer = getBuffer(rel, BTREE_METAPAGE, WRITE);
    wasRoot = metaRoot(bufferPage(metaBuffer)) === bufferBlock(left);
    relBuffer(metaBuffer);
  }
  const wasOnly = isLeftmost(page) && isRightmost(bufferPage(right));
  report('DEBUG1', { message: `finishing incomplete split of ${bufferBlock(left)}/${bufferBlock(right)}` });
  insertParent(rel, left, right, descent, wasRoot, wasOnly);
}
setSplitFinisher(finishIncompleteSplit);

/** The parent with the downlink to `child`, locked for writing; `step` is corrected to where that is. 0: not found. */
export function findParent(rel: Relation, step: DescentStep, child: BlockNumber): Buffer {
  let block = step.block;
  let start = step.offset;
  for (;;) {
    const buffer = getBuffer(rel, block, WRITE);
    const page = bufferPage(buffer);
    if (isIncompleteSplit(page)) {
      finishIncompleteSplit(rel, buffer, step.parent);
      continue;
    }
    if (!isIgnored(page)) {
      const minOffset = firstDataKey(page);
      const maxOffset = pageMaxOffset(page);
      if (start < minOffset) start = minOffset;
      if (start > maxOffset) start = maxOffset + 1;
      // Items move right, so look there first.
      for (let offset = start; offset <= maxOffset; offset++)
        if (downlink(itemAt(page, offset)) === child) {
          step.block = block;
          step.offset = offset;
          return buffer;
        }
      for (let offset = start - 1; offset >= minOffset; offset--)
        if (downlink(itemAt(page, offset)) === child) {
          step.block = block;
          step.offset = offset;
          return buffer;
        }
    }
    const last = isRightmost(page);
    block = btNext(page);
    start = 0;
    relBuffer(buffer);
    if (last) return 0;
  }
}
