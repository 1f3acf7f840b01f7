/** tuple.ts — the three kinds of tuples in a B-tree and what their headers mean.
 *
 *  Plain leaf tuple:  t_tid is the heap TID.
 *  Posting tuple:     one key, many TIDs in ascending order at its end (IS_POSTING; block = their offset, posid = count).
 *  Pivot tuple:       separates pages (ALT_TID without IS_POSTING): block = child, posid = number of key columns kept;
 *                     PIVOT_HEAP_TID says that a heap TID follows as the last key column.
 *  Header: t_tid 6 bytes (block high, block low, posid), t_info 2 bytes (size in 13 bits).
 *  Counterpart: the macros of src/include/access/nbtree.h, src/include/access/itup.h */
import { makeTid, type BlockNumber, type ItemPointer } from '#base/ids.ts';
import { mem } from '#shm/memory.ts';

export const INDEX_SIZE_MASK = 0x1fff;
const INDEX_ALT_TID = 0x2000;
export const INDEX_VAR_MASK = 0x4000;
export const INDEX_NULL_MASK = 0x8000;
const OFFSET_MASK = 0x0fff;
const PIVOT_HEAP_TID = 0x1000;
const IS_POSTING = 0x2000;
/** No heap TID (a truncated pivot tuple, or a search that does not care). */
export const NO_TID: ItemPointer = -1;

export const readTid = (at: number): ItemPointer => {
  const { view } = mem;
  return makeTid(view.getUint16(at, true) * 65536 + view.getUint16(at + 2, true), view.getUint16(at + 4, true));
};
export function writeTid(at: number, tid: ItemPointer): void {
  const block = Math.floor(tid / 65536);
  mem.view.setUint16(at, block >>> 16, true);
  mem.view.setUint16(at + 2, block & 0xffff, true);
  mem.view.setUint16(at + 4, tid % 65536, true);
}

const info = (tup: number): number => mem.view.getUint16(tup + 6, true);
const posid = (tup: number): number => mem.view.getUint16(tup + 4, true);
const tidBlock = (tup: number): number => mem.view.getUint16(tup, true) * 65536 + mem.view.getUint16(tup + 2, true);
function setTidBlock(tup: number, block: number): void {
  mem.view.setUint16(tup, block >>> 16, true);
  mem.view.setUint16(tup + 2, block & 0xffff, true);
}

export const tupleSize = (tup: number): number => info(tup) & INDEX_SIZE_MASK;
export function setTupleSize(tup: number, size: number): void {
  mem.view.setUint16(tup + 6, (info(tup) & ~INDEX_SIZE_MASK) | size, true);
}
export const tupleHasNulls = (tup: number): boolean => (info(tup) & INDEX_NULL_MASK) !== 0;

export const isPivot = (tup: number): boolean => (info(tup) & INDEX_ALT_TID) !== 0 && (posid(tup) & IS_POSTING) === 0;
export const isPosting = (tup: number): boolean => (info(tup) & INDEX_ALT_TID) !== 0 && (posid(tup) & IS_POSTING) !== 0;
export const postingCount = (tup: number): number => posid(tup) & OFFSET_MASK;
/** Byte offset of the TIDs from the tuple's start. */
export const postingOffset = (tup: number): number => tidBlock(tup);
export const postingTid = (tup: number, n: number): ItemPointer => readTid(tup + tidBlock(tup) + n * 6);
export function setPosting(tup: number, count: number, offset: number): void {
  mem.view.setUint16(tup + 6, info(tup) | INDEX_ALT_TID, true);
  mem.view.setUint16(tup + 4, count | IS_POSTING, true);
  setTidBlock(tup, offset);
}
/** TIDs that the tuple stands for. */
export const tidCount = (tup: number): number => (isPosting(tup) ? postingCount(tup) : 1);
export const nthTid = (tup: number, n: number): ItemPointer => (isPosting(tup) ? postingTid(tup, n) : readTid(tup));

/** Key columns of the tuple: those left by truncation in a pivot tuple, else all (`all` = columns of the index). */
export const tupleNAtts = (tup: number, all: number): number => (isPivot(tup) ? posid(tup) & OFFSET_MASK : all);
export function setTupleNAtts(tup: number, natts: number, hasHeapTid: boolean): void {
  mem.view.setUint16(tup + 6, info(tup) | INDEX_ALT_TID, true);
  mem.view.setUint16(tup + 4, natts | (hasHeapTid ? PIVOT_HEAP_TID : 0), true);
}
export const downlink = (tup: number): BlockNumber => tidBlock(tup);
export const setDownlink = (tup: number, block: BlockNumber): void => setTidBlock(tup, block);
/** The high key of a half-dead leaf points to the topmost page of the subtree that goes with it; INVALID_BLOCK if only
 *  the leaf itself is left. */
export const topParent = (leafHighKey: number): BlockNumber => tidBlock(leafHighKey);
export function setTopParent(leafHighKey: number, block: BlockNumber): void {
  setTidBlock(leafHighKey, block);
  setTupleNAtts(leafHighKey, 0, false);
}
/** Lowest heap TID, the tie-breaker of the key order; NO_TID where truncation left none (it sorts first). */
export function tupleHeapTid(tup: number): ItemPointer {
  if ((info(tup) & INDEX_ALT_TID) === 0) return readTid(tup);
  const bits = posid(tup);
  if ((bits & IS_POSTING) !== 0) return readTid(tup + tidBlock(tup));
  return (bits & PIVOT_HEAP_TID) !== 0 ? readTid(tup + tupleSize(tup) - 6) : NO_TID;
}
/** Highest heap TID of a leaf tuple. */
export const tupleMaxHeapTid = (tup: number): ItemPointer =>
  isPosting(tup) ? postingTid(tup, postingCount(tup) - 1) : readTid(tup);
/** Whether a pivot tuple ends in a heap TID. */
export const pivotHasHeapTid = (tup: number): boolean => (posid(tup) & PIVOT_HEAP_TID) !== 0;
export function copyTuple(from: number, to: number, size: number): void {
  mem.u8.copyWithin(to, from, from + size);
}
/** A plain leaf tuple's header over `tup`: one TID, no posting list. */
export function clearPosting(tup: number, tid: ItemPointer): void {
  mem.view.setUint16(tup + 6, info(tup) & ~INDEX_ALT_TID, true);
  writeTid(tup, tid);
}
