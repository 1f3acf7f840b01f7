/** split-location.ts — where to split a page.
 *
 *  Every point between two items (the new one included) that leaves both halves legal is a candidate. Candidates are
 *  ordered by how evenly they divide the space (weighted on rightmost pages, where all further items will come); among the
 *  best of them the one wins that gives the shortest high key. Pages full of duplicates have strategies of their own.
 *  Counterpart: src/backend/access/nbtree/nbtsplitloc.c */
import { pgQsortArray } from '#access/common/pg-qsort.ts';
import { relationFillFactor, type Relation } from '#access/common/relation-descriptor.ts';
import { type BtIndexState, btState } from '#access/nbtree/index-state.ts';
import {
  BTREE_DEFAULT_FILLFACTOR,
  BTREE_NONLEAF_FILLFACTOR,
  BTREE_SINGLEVAL_FILLFACTOR,
  BT_SPECIAL,
  firstDataKey,
  isLeaf,
  isRightmost,
  maxAlign,
  P_FIRSTKEY,
  P_HIKEY,
  SIZE_OF_PAGE_HEADER,
} from '#access/nbtree/nbtree-layout.ts';
import { keepNAttsFast } from '#access/nbtree/truncate.ts';
import { isPosting, postingOffset, readTid, tupleSize } from '#access/nbtree/tuple.ts';
import { type OffsetNumber, tidBlock, tidOffset } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { itemAt, itemLength, pageExactFreeSpace, pageMaxOffset } from '#storage/page/page.ts';

/** How far from the best division of space candidates may lie. */
const LEAF_SPLIT_DISTANCE = 0.05;
const INTERNAL_SPLIT_DISTANCE = 0.075;
const LINE_POINTER = 4;

type Strategy = 'default' | 'manyDuplicates' | 'singleValue';

interface SplitPoint {
  delta: number;
  readonly leftFree: number;
  readonly rightFree: number;
  /** First item of the original page that goes to the right half. */
  readonly firstRight: OffsetNumber;
  readonly newItemOnLeft: boolean;
}

class SplitSearch {
  readonly splits: SplitPoint[] = [];
  /** Space on each half for data items. */
  readonly leftSpace: number;
  readonly rightSpace: number;
  /** Bytes of data items now, line pointers included. */
  readonly oldTotal: number;
  readonly leaf: boolean;
  readonly rightmost: boolean;
  minFirstRightSize = Number.MAX_SAFE_INTEGER;
  interval = 0;
  constructor(
    readonly state: BtIndexState,
    readonly page: number,
    readonly newItem: number,
    readonly newItemSize: number,
    readonly newItemOffset: OffsetNumber,
  ) {
    this.leaf = isLeaf(page);
    this.rightmost = isRightmost(page);
    this.leftSpace = BT_SPECIAL - SIZE_OF_PAGE_HEADER;
    this.rightSpace = this.leftSpace;
    if (!this.rightmost) this.rightSpace -= maxAlign(itemLength(page, P_HIKEY)) + LINE_POINTER;
    this.oldTotal = this.rightSpace - pageExactFreeSpace(page);
  }
  lastLeft(split: SplitPoint): number {
    if (split.newItemOnLeft && split.firstRight === this.newItemOffset) return this.newItem;
    return itemAt(this.page, split.firstRight - 1);
  }
  firstRight(split: SplitPoint): number {
    if (!split.newItemOnLeft && split.firstRight === this.newItemOffset) return this.newItem;
    return itemAt(this.page, split.firstRight);
  }
}

/** Result beside the offset: the new item goes to the left half. */
let newItemOnLeft = false;
export const splitPutsNewItemOnLeft = (): boolean => newItemOnLeft;

/** Offset of the first item of the original page that goes to the right half. `newItemSize` is aligned. */
export function findSplitLocation(
  rel: Relation,
  page: number,
  newItemOffset: OffsetNumber,
  newItemSize: number,
  newItem: number,
): OffsetNumber {
  const search = new SplitSearch(btState(rel), page, newItem, newItemSize + LINE_POINTER, newItemOffset);
  const maxOffset = pageMaxOffset(page);
  recordSplits(search, maxOffset);
  const { splits } = search;
  if (splits.length === 0)
    report('ERROR', { message: `could not find a feasible split point for index "${rel.name}"` });

  const fillFactor = relationFillFactor(rel, BTREE_DEFAULT_FILLFACTOR);
  let weighted = false;
  let multiplier = 0.5;
  if (!search.leaf) {
    weighted = search.rightmost;
    multiplier = BTREE_NONLEAF_FILLFACTOR / 100;
  } else if (search.rightmost) {
    weighted = true;
    multiplier = fillFactor / 100;
  } else {
    const after = splitAfterNewItem(search, maxOffset, fillFactor);
    if (after === 'weighted') {
      weighted = true;
      multiplier = fillFactor / 100;
    } else if (after === 'exact' && splits.some((s) => s.newItemOnLeft && s.firstRight === newItemOffset)) {
      newItemOnLeft = true;
      return newItemOffset;
    }
  }
  const leftmostSplit = splits[0]!;
  const rightmostSplit = splits[splits.length - 1]!;
  sortByDelta(splits, multiplier, weighted);
  search.interval = defaultInterval(search);
  const { strategy, perfectPenalty } = chooseStrategy(search, leftmostSplit, rightmostSplit);
  if (strategy === 'manyDuplicates') search.interval = splits.length;
  else if (strategy === 'singleValue') {
    sortByDelta(splits, BTREE_SINGLEVAL_FILLFACTOR / 100, true);
    search.interval = 1;
  }
  return bestSplit(search, perfectPenalty, strategy);
}

function recordSplits(search: SplitSearch, maxOffset: OffsetNumber): void {
  const { page, newItemOffset } = search;
  let toLeft = 0;
  for (let offset = firstDataKey(page); offset <= maxOffset; offset++) {
    const size = maxAlign(itemLength(page, offset)) + LINE_POINTER;
    if (offset < newItemOffset) recordSplit(search, offset, false, toLeft, size);
    else if (offset > newItemOffset) recordSplit(search, offset, true, toLeft, size);
    else {
      // Before and after the new item.
      recordSplit(search, offset, false, toLeft, size);
      recordSplit(search, offset, true, toLeft, size);
    }
    toLeft += size;
  }
  // The new item alone on the right.
  if (newItemOffset > maxOffset) recordSplit(search, newItemOffset, false, search.oldTotal, 0);
}

/** Adds the candidate if both halves have room. */
function recordSplit(
  search: SplitSearch,
  firstRight: OffsetNumber,
  onLeft: boolean,
  toLeft: number,
  originalSize: number,
): void {
  let size: number;
  let postingSize = 0;
  if (firstRight === search.newItemOffset && !onLeft) size = search.newItemSize;
  else {
    size = originalSize;
    // The high key will not have the posting list; worth knowing where it is long.
    if (search.leaf && size > 64) {
      const tup = itemAt(search.page, firstRight);
      if (isPosting(tup)) postingSize = tupleSize(tup) - postingOffset(tup);
    }
  }
  let leftFree = search.leftSpace - toLeft;
  let rightFree = search.rightSpace - (search.oldTotal - toLeft);
  // The first item on the right becomes the left's high key. On a leaf assume that a heap TID must be added to it.
  leftFree -= search.leaf ? size + 8 - postingSize : size;
  if (onLeft) leftFree -= search.newItemSize;
  else rightFree -= search.newItemSize;
  // On internal pages the right half's first item loses its key.
  if (!search.leaf) rightFree += size - (8 + LINE_POINTER);
  if (leftFree < 0 || rightFree < 0) return;
  if (size < search.minFirstRightSize) search.minFirstRightSize = size;
  search.splits.push({ delta: 0, leftFree, rightFree, firstRight, newItemOnLeft: onLeft });
}

function sortByDelta(splits: SplitPoint[], multiplier: number, weighted: boolean): void {
  for (const split of splits)
    split.delta = Math.abs(
      weighted
        ? Math.trunc(multiplier * split.leftFree - (1.0 - multiplier) * split.rightFree)
        : split.leftFree - split.rightFree,
    );
  pgQsortArray(splits, (a, b) => a.delta - b.delta);
}

/** Does the new item continue a run of ascending values inside the page (a group's counter, say)? Then the split should
 *  leave the run's past on the left: 'exact' directly after the new item, 'weighted' by the fill factor. */
function splitAfterNewItem(
  search: SplitSearch,
  maxOffset: OffsetNumber,
  fillFactor: number,
): 'no' | 'weighted' | 'exact' {
  const { state, page, newItem, newItemOffset, newItemSize } = search;
  const { nkeyatts } = state;
  // A single column: the run would be at the right end of the index, which is treated apart.
  if (nkeyatts === 1) return 'no';
  if (newItemOffset === P_FIRSTKEY) return 'no';
  // Only pages of equally sized, small tuples, as counters make them.
  if (newItemSize !== search.minFirstRightSize) return 'no';
  if (newItemSize * (maxOffset - 1) !== search.oldTotal) return 'no';
  if (newItemSize > maxAlign(8 + 8 * 2) + LINE_POINTER) return 'no';
  if (newItemOffset > maxOffset) {
    const keep = keepNAttsFast(state, itemAt(page, maxOffset), newItem);
    return keep > 1 && keep <= nkeyatts ? 'weighted' : 'no';
  }
  const before = itemAt(page, newItemOffset - 1);
  // The neighbour must have been inserted lately, which adjacent heap TIDs suggest.
  if (isPosting(before) || !adjacentTids(readTid(before), readTid(newItem))) return 'no';
  const keep = keepNAttsFast(state, before, newItem);
  if (keep <= 1 || keep > nkeyatts) return 'no';
  return newItemOffset / (maxOffset + 1) > fillFactor / 100 ? 'weighted' : 'exact';
}
function adjacentTids(low: number, high: number): boolean {
  if (tidBlock(low) === tidBlock(high)) return true;
  return tidBlock(low) + 1 === tidBlock(high) && tidOffset(high) === 1;
}

/** How many of the sorted candidates divide the space about as well as the best one. */
function defaultInterval(search: SplitSearch): number {
  const { splits } = search;
  const tolerance = Math.trunc(search.oldTotal * (search.leaf ? LEAF_SPLIT_DISTANCE : INTERNAL_SPLIT_DISTANCE));
  const best = splits[0]!;
  const lowLeft = best.leftFree - tolerance;
  const lowRight = best.rightFree - tolerance;
  const highLeft = best.leftFree + tolerance;
  const highRight = best.rightFree + tolerance;
  for (let i = 1; i < splits.length; i++) {
    const { leftFree, rightFree } = splits[i]!;
    if (leftFree < lowLeft || rightFree < lowRight || leftFree > highLeft || rightFree > highRight) return i;
  }
  return splits.length;
}

/** Can a split among the candidates do without a heap TID in the high key? If not, is there one anywhere on the page
 *  (many duplicates), or none (a single value)? */
function chooseStrategy(
  search: SplitSearch,
  leftmost: SplitPoint,
  rightmost: SplitPoint,
): { strategy: Strategy; perfectPenalty: number } {
  if (!search.leaf) return { strategy: 'default', perfectPenalty: search.minFirstRightSize };
  const { state } = search;
  const { nkeyatts } = state;
  const edges = intervalEdges(search);
  let penalty = keepNAttsFast(state, search.lastLeft(edges.left), search.firstRight(edges.right));
  if (penalty <= nkeyatts) return { strategy: 'default', perfectPenalty: penalty };
  penalty = keepNAttsFast(state, search.lastLeft(leftmost), search.firstRight(rightmost));
  // Splitting beside the group of duplicates around the middle is enough: more would make for lopsided pages.
  if (penalty <= nkeyatts) return { strategy: 'manyDuplicates', perfectPenalty: nkeyatts };
  // One value only. Fill the left page to the brim if more of the value will come only at the right.
  if (search.rightmost) return { strategy: 'singleValue', perfectPenalty: penalty };
  penalty = keepNAttsFast(state, itemAt(search.page, P_HIKEY), search.newItem);
  return { strategy: penalty <= nkeyatts ? 'singleValue' : 'default', perfectPenalty: penalty };
}

/** Leftmost and rightmost candidate of the interval. */
function intervalEdges(search: SplitSearch): { left: SplitPoint; right: SplitPoint } {
  const { splits } = search;
  const best = splits[0]!;
  let left: SplitPoint | null = null;
  let right: SplitPoint | null = null;
  // Delta is a distance, so both edges are usually at the end.
  for (let i = Math.min(search.interval, splits.length) - 1; i >= 0 && (left === null || right === null); i--) {
    const distant = splits[i]!;
    if (distant.firstRight < best.firstRight) left ??= distant;
    else if (distant.firstRight > best.firstRight) right ??= distant;
    else if (!distant.newItemOnLeft && best.newItemOnLeft) left ??= distant;
    else if (distant.newItemOnLeft && !best.newItemOnLeft) right ??= distant;
    else {
      left ??= distant;
      right ??= distant;
    }
  }
  return { left: left ?? best, right: right ?? best };
}

/** What the high key of this split costs: its size on internal pages, its number of columns on leaves. */
function splitPenalty(search: SplitSearch, split: SplitPoint): number {
  if (!search.leaf) {
    if (!split.newItemOnLeft && split.firstRight === search.newItemOffset) return search.newItemSize;
    return maxAlign(itemLength(search.page, split.firstRight)) + LINE_POINTER;
  }
  return keepNAttsFast(search.state, search.lastLeft(split), search.firstRight(split));
}

function bestSplit(search: SplitSearch, perfectPenalty: number, strategy: Strategy): OffsetNumber {
  const { splits, newItemOffset } = search;
  const high = Math.min(search.interval, splits.length);
  let bestPenalty = Number.MAX_SAFE_INTEGER;
  let best = splits[0]!;
  for (let i = 0; i < high; i++) {
    const split = splits[i]!;
    const penalty = splitPenalty(search, split);
    if (penalty < bestPenalty) {
      bestPenalty = penalty;
      best = split;
    }
    if (penalty <= perfectPenalty) break;
  }
  // Descending insertions directly to the right of a group of duplicates would split the same page at the same point
  // again and again, leaving right halves that nobody fills: split evenly.
  if (
    strategy === 'manyDuplicates' &&
    !search.rightmost &&
    !best.newItemOnLeft &&
    best.firstRight >= newItemOffset &&
    best.firstRight < newItemOffset + 9
  )
    best = splits[0]!;
  newItemOnLeft = best.newItemOnLeft;
  return best.firstRight;
}
