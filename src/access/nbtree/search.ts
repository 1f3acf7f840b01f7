/** search.ts — descending from the root to the leaf where a key belongs.
 *
 *  Lehman and Yao: between reading a downlink and locking the child, the child may have been split. Its high key says so,
 *  and the search moves right. So a reader holds one page lock at a time.
 *  Counterpart: src/backend/access/nbtree/nbtsearch.c (first half) */
import type { Relation } from '#access/common/relation-descriptor.ts';
import { compareWithItem, type InsertKey } from '#access/nbtree/insert-key.ts';
import {
  btLevel,
  btNext,
  firstDataKey,
  isIgnored,
  isIncompleteSplit,
  isLeaf,
  isRightmost,
  P_HIKEY,
} from '#access/nbtree/nbtree-layout.ts';
import {
  type Access,
  getBuffer,
  getRoot,
  lockPage,
  READ,
  relBuffer,
  releaseAndGetBuffer,
  unlockPage,
  WRITE,
} from '#access/nbtree/page-access.ts';
import { downlink, isPosting, NO_TID, postingCount, postingTid } from '#access/nbtree/tuple.ts';
import { type BlockNumber, type Buffer, INVALID_OFFSET, makeTid, type OffsetNumber } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { bufferBlock, bufferPage } from '#storage/buffer/buffer-pool.ts';
import { itemAt, itemFlags, pageMaxOffset } from '#storage/page/page.ts';

/** Where the descent came through: the pivot tuple that was followed, so that a split can find its parent again. */
export interface DescentStep {
  block: BlockNumber;
  offset: OffsetNumber;
  readonly parent: DescentStep | null;
}
export type Descent = DescentStep | null;

/** Whoever comes by an incomplete split while writing finishes it. insert.ts installs itself: it needs this file. */
let finishSplit: (rel: Relation, buffer: Buffer, descent: Descent) => void = () => {
  throw new Error('nbtree/insert.ts is not loaded');
};
export function setSplitFinisher(by: typeof finishSplit): void {
  finishSplit = by;
}

/** Way down of the last search for writing. A result of `searchTree` beside the buffer. */
let lastDescent: Descent = null;
export const takeDescent = (): Descent => {
  const descent = lastDescent;
  lastDescent = null;
  return descent;
};

/** The leaf that may hold the first item at (nextKey: after) the key, locked as asked; 0: empty index, READ only. */
export function searchTree(rel: Relation, key: InsertKey, access: Access): Buffer {
  let buffer = getRoot(rel, access);
  let descent: Descent = null;
  let pageAccess: Access = READ;
  lastDescent = null;
  if (buffer === 0) return 0;
  for (;;) {
    buffer = moveRight(rel, key, buffer, access === WRITE, descent, pageAccess);
    const page = bufferPage(buffer);
    if (isLeaf(page)) break;
    const offset = binarySearch(key, page);
    const child = downlink(itemAt(page, offset));
    if (access === WRITE || key.pivotSearch) descent = { block: bufferBlock(buffer), offset, parent: descent };
    // The leaf is locked for writing at once.
    if (btLevel(page) === 1 && access === WRITE) pageAccess = WRITE;
    buffer = releaseAndGetBuffer(rel, buffer, child, pageAccess);
  }
  if (access === WRITE && pageAccess === READ) {
    // The root is a leaf: get the stronger lock, and look whether it was split while it had none.
    unlockPage(buffer);
    lockPage(buffer, WRITE);
    buffer = moveRight(rel, key, buffer, true, descent, WRITE);
  }
  lastDescent = descent;
  return buffer;
}

/** Follows right links while the key lies beyond the page's high key. */
export function moveRight(
  rel: Relation,
  key: InsertKey,
  from: Buffer,
  forUpdate: boolean,
  descent: Descent,
  access: Access,
): Buffer {
  let buffer = from;
  // >= for a search of something greater than the key, > otherwise: equal to the high key is the next page's.
  const limit = key.nextKey ? 0 : 1;
  for (;;) {
    const page = bufferPage(buffer);
    if (isRightmost(page)) {
      if (isIgnored(page)) report('ERROR', { message: `fell off the end of index "${rel.name}"` });
      return buffer;
    }
    if (forUpdate && isIncompleteSplit(page)) {
      const block = bufferBlock(buffer);
      if (access === READ) {
        unlockPage(buffer);
        lockPage(buffer, WRITE);
      }
      if (isIncompleteSplit(page)) finishSplit(rel, buffer, descent);
      else relBuffer(buffer);
      buffer = getBuffer(rel, block, access);
      continue;
    }
    if (!isIgnored(page) && compareWithItem(key, page, P_HIKEY) < limit) return buffer;
    buffer = releaseAndGetBuffer(rel, buffer, btNext(page), access);
  }
}

/** Leaf: first item >= (nextKey: >) key, perhaps one past the last. Internal page: last item < (<=) key. */
export function binarySearch(key: InsertKey, page: number): OffsetNumber {
  let low = firstDataKey(page);
  let high = pageMaxOffset(page);
  // An empty page: only a leaf can be.
  if (high < low) return low;
  high++;
  const limit = key.nextKey ? 0 : 1;
  while (high > low) {
    const middle = low + ((high - low) >> 1);
    if (compareWithItem(key, page, middle) >= limit) low = middle + 1;
    else high = middle;
  }
  return isLeaf(page) ? low : low - 1;
}

/** BTInsertState: where on which page an insertion stands, with the bounds its binary search has proved so far. */
export class InsertState {
  buffer: Buffer = 0;
  boundsValid = false;
  low: OffsetNumber = 0;
  strictHigh: OffsetNumber = 0;
  /** The new TID falls into the posting list at the found offset, before this element; -1: that tuple is dead. */
  postingOffset = 0;
  constructor(
    /** The tuple to insert, in the private window. */
    readonly tuple: number,
    /** Its size on the page. */
    readonly itemSize: number,
    readonly key: InsertKey,
  ) {}
}

/** First item >= key on the leaf, remembering what was learnt for the next search on the same page. */
export function binarySearchForInsert(rel: Relation, insert: InsertState): OffsetNumber {
  const { key } = insert;
  const page = bufferPage(insert.buffer);
  let low: number;
  let high: number;
  if (!insert.boundsValid) {
    low = firstDataKey(page);
    high = pageMaxOffset(page);
  } else {
    low = insert.low;
    high = insert.strictHigh;
  }
  if (high < low) {
    insert.low = INVALID_OFFSET;
    insert.strictHigh = INVALID_OFFSET;
    insert.boundsValid = false;
    return low;
  }
  if (!insert.boundsValid) high++;
  let strictHigh = high;
  while (high > low) {
    const middle = low + ((high - low) >> 1);
    const order = compareWithItem(key, page, middle);
    if (order >= 1) low = middle + 1;
    else {
      high = middle;
      if (order !== 0) strictHigh = high;
      // Equal with a TID: the TID lies within a posting list.
      else if (key.scanTid !== NO_TID) {
        if (insert.postingOffset !== 0) reportOverlap(rel, insert, middle);
        insert.postingOffset = searchPosting(key, page, middle);
      }
    }
  }
  insert.low = low;
  insert.strictHigh = strictHigh;
  insert.boundsValid = true;
  return low;
}
function reportOverlap(rel: Relation, insert: InsertState, offset: OffsetNumber): never {
  const tid = insert.key.scanTid;
  const block = Math.floor(tid / 65536);
  report('ERROR', {
    code: SQLSTATE.indexCorrupted,
    message:
      `table tid from new index tuple (${block},${tid - makeTid(block, 0)}) overlaps with invalid duplicate tuple ` +
      `at offset ${offset} of block ${bufferBlock(insert.buffer)} in index "${rel.name}"`,
  });
}

/** Place of the key's TID in the posting list; -1 if the tuple is dead and may go; 0 if it has no posting list. */
function searchPosting(key: InsertKey, page: number, offset: OffsetNumber): number {
  const tup = itemAt(page, offset);
  if (!isPosting(tup)) return 0;
  if (itemFlags(page, offset) === 3) return -1;
  let low = 0;
  let high = postingCount(tup);
  while (high > low) {
    const middle = low + ((high - low) >> 1);
    const tid = postingTid(tup, middle);
    if (key.scanTid > tid) low = middle + 1;
    else if (key.scanTid < tid) high = middle;
    else return middle;
  }
  return low;
}

/** The leftmost or rightmost live page of a level, locked for reading; 0 for an empty index. */
export function getEndpoint(rel: Relation, root: Buffer, level: number, rightmost: boolean): Buffer {
  let buffer = root;
  if (buffer === 0) return 0;
  for (;;) {
    let page = bufferPage(buffer);
    // A page that was deleted or split while we came down: the one we want is further right.
    while (isIgnored(page) || (rightmost && !isRightmost(page))) {
      const next = btNext(page);
      if (next === 0) report('ERROR', { message: `fell off the end of index "${rel.name}"` });
      buffer = releaseAndGetBuffer(rel, buffer, next, READ);
      page = bufferPage(buffer);
    }
    if (btLevel(page) === level) return buffer;
    if (btLevel(page) < level)
      report('ERROR', {
        code: SQLSTATE.indexCorrupted,
        message: `btree level ${level} not found in index "${rel.name}"`,
      });
    const offset = rightmost ? pageMaxOffset(page) : firstDataKey(page);
    buffer = releaseAndGetBuffer(rel, buffer, downlink(itemAt(page, offset)), READ);
  }
}
