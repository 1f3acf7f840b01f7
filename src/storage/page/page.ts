/** page.ts — slotted pages: line pointers grow up from the header, tuples down from the special space.
 *
 *  All functions take the page's address in `mem` and compute on its bytes; none allocates. A line pointer ("item id") is
 *  a word: offset 15 bits, flags 2 bits, length 15 bits. Offset numbers are 1-based. Tuples start at multiples of 8; the
 *  length in the line pointer is the tuple's own. Compaction, deletion of index tuples and checksums lie beside this file.
 *  Counterpart: src/backend/storage/page/bufpage.c, src/include/storage/bufpage.h, itemid.h */
import { BLCKSZ, type Lsn, type OffsetNumber, type TransactionId } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { mem } from '#shm/memory.ts';
import { LP, MAX_HEAP_TUPLES_PER_PAGE, PD, SIZE_OF_PAGE_HEADER } from '#storage/page/page-layout.ts';

// Literal offsets of PageHeader: lsn 0 (high word first), checksum 8, flags 10, lower 12, upper 14, special 16,
// pageSizeVersion 18, pruneXid 20. A page is 8-aligned in mem, so its halfwords and words are, too.
const SIZE_AND_VERSION = BLCKSZ | 4;

export const maxAlign = (size: number): number => (size + 7) & ~7;

// ── line pointers ──────────────────────────────────────────────────────────────────────────────────────────────────
export const lpOffset = (word: number): number => word & 0x7fff;
export const lpFlags = (word: number): number => (word >>> 15) & 3;
export const lpLength = (word: number): number => word >>> 17;
export const makeItemId = (offset: number, flags: number, length: number): number =>
  (offset | (flags << 15) | (length << 17)) >>> 0;
/** Has the line pointer a tuple behind it? A dead one may. */
export const lpHasStorage = (word: number): boolean => word >>> 17 !== 0;

/** Address of a line pointer. */
export const itemIdAt = (page: number, offset: OffsetNumber): number => page + 20 + offset * 4;
export const itemIdWord = (page: number, offset: OffsetNumber): number =>
  mem.view.getUint32(page + 20 + offset * 4, true);
export function setItemIdWord(page: number, offset: OffsetNumber, word: number): void {
  mem.view.setUint32(page + 20 + offset * 4, word, true);
}
/** Address of the tuple of a line pointer. */
export const itemAt = (page: number, offset: OffsetNumber): number =>
  page + (mem.view.getUint32(page + 20 + offset * 4, true) & 0x7fff);
/** The tuple's length. */
export const itemLength = (page: number, offset: OffsetNumber): number =>
  mem.view.getUint32(page + 20 + offset * 4, true) >>> 17;
export const itemFlags = (page: number, offset: OffsetNumber): number =>
  (mem.view.getUint32(page + 20 + offset * 4, true) >>> 15) & 3;
export function itemIdSetUnused(page: number, offset: OffsetNumber): void {
  setItemIdWord(page, offset, 0);
}
export function itemIdSetDead(page: number, offset: OffsetNumber): void {
  setItemIdWord(page, offset, LP.dead << 15);
}
export function itemIdSetRedirect(page: number, offset: OffsetNumber, target: OffsetNumber): void {
  setItemIdWord(page, offset, makeItemId(target, LP.redirect, 0));
}
/** Marks it dead and keeps its tuple (indexes). */
export function itemIdMarkDead(page: number, offset: OffsetNumber): void {
  setItemIdWord(page, offset, (itemIdWord(page, offset) | (LP.dead << 15)) >>> 0);
}

// ── header ─────────────────────────────────────────────────────────────────────────────────────────────────────────
export const pageGetLsn = (page: number): Lsn =>
  (mem.view.getUint32(page, true) * 0x1_0000_0000 + mem.view.getUint32(page + 4, true)) as Lsn;
export function pageSetLsn(page: number, lsn: Lsn): void {
  mem.view.setUint32(page, Math.floor(lsn / 0x1_0000_0000), true);
  mem.view.setUint32(page + 4, lsn >>> 0, true);
}
export const pageStoredChecksum = (page: number): number => mem.view.getUint16(page + 8, true);
export const pageFlags = (page: number): number => mem.view.getUint16(page + 10, true);
export function pageSetFlags(page: number, flags: number): void {
  mem.view.setUint16(page + 10, flags, true);
}
export const pageLower = (page: number): number => mem.view.getUint16(page + 12, true);
export function pageSetLower(page: number, lower: number): void {
  mem.view.setUint16(page + 12, lower, true);
}
export const pageUpper = (page: number): number => mem.view.getUint16(page + 14, true);
export function pageSetUpper(page: number, upper: number): void {
  mem.view.setUint16(page + 14, upper, true);
}
/** Offset of the special space. */
export const pageSpecial = (page: number): number => mem.view.getUint16(page + 16, true);
export function pageSetSpecial(page: number, special: number): void {
  mem.view.setUint16(page + 16, special, true);
}
/** Address of the special space. */
export const pageSpecialAt = (page: number): number => page + mem.view.getUint16(page + 16, true);
export const pageSpecialSize = (page: number): number => BLCKSZ - mem.view.getUint16(page + 16, true);
export const pageContentsAt = (page: number): number => page + SIZE_OF_PAGE_HEADER;
export const pagePruneXid = (page: number): TransactionId => mem.view.getUint32(page + 20, true) as TransactionId;
export function pageSetPruneXid(page: number, xid: TransactionId): void {
  mem.view.setUint32(page + 20, xid, true);
}
export const pageHasFreeLines = (page: number): boolean => (pageFlags(page) & PD.hasFreeLines) !== 0;
export const pageIsFull = (page: number): boolean => (pageFlags(page) & PD.pageFull) !== 0;
export const pageIsAllVisible = (page: number): boolean => (pageFlags(page) & PD.allVisible) !== 0;
export function pageSetFlag(page: number, flag: number): void {
  pageSetFlags(page, pageFlags(page) | flag);
}
export function pageClearFlag(page: number, flag: number): void {
  pageSetFlags(page, pageFlags(page) & ~flag);
}

/** Number of line pointers, used or not. */
export function pageMaxOffset(page: number): OffsetNumber {
  const lower = mem.view.getUint16(page + 12, true);
  return lower <= SIZE_OF_PAGE_HEADER ? 0 : (lower - SIZE_OF_PAGE_HEADER) >>> 2;
}
/** Never initialised. */
export const pageIsNew = (page: number): boolean => mem.view.getUint16(page + 14, true) === 0;
/** Without a line pointer. */
export const pageIsEmpty = (page: number): boolean => mem.view.getUint16(page + 12, true) <= SIZE_OF_PAGE_HEADER;

/** An empty page with `specialSize` bytes of special space. */
export function pageInit(page: number, specialSize: number): void {
  const special = BLCKSZ - maxAlign(specialSize);
  mem.u8.fill(0, page, page + BLCKSZ);
  const { view } = mem;
  view.setUint16(page + 12, SIZE_OF_PAGE_HEADER, true);
  view.setUint16(page + 14, special, true);
  view.setUint16(page + 16, special, true);
  view.setUint16(page + 18, SIZE_AND_VERSION, true);
}

export function pageCopyTo(page: number, to: number): void {
  mem.u8.copyWithin(to, page, page + BLCKSZ);
}
/** Makes `to` an empty page with the special space of `page`. Counterpart: PageGetTempPageCopySpecial() */
export function pageInitCopySpecial(page: number, to: number): void {
  const special = pageSpecial(page);
  pageInit(to, BLCKSZ - special);
  mem.u8.copyWithin(to + special, page + special, page + BLCKSZ);
}
/** The page made in `from` replaces `page`. Counterpart: PageRestoreTempPage() without the freeing. */
export function pageRestoreFrom(from: number, page: number): void {
  mem.u8.copyWithin(page, from, from + BLCKSZ);
}

// ── free space ─────────────────────────────────────────────────────────────────────────────────────────────────────
/** Room for one more tuple and its line pointer. */
export function pageFreeSpace(page: number): number {
  const space = mem.view.getUint16(page + 14, true) - mem.view.getUint16(page + 12, true);
  return space < 4 ? 0 : space - 4;
}
export function pageFreeSpaceForMultipleTuples(page: number, count: number): number {
  const space = pageUpper(page) - pageLower(page);
  return space < count * 4 ? 0 : space - count * 4;
}
/** The hole, nothing set aside for a line pointer. */
export function pageExactFreeSpace(page: number): number {
  const space = mem.view.getUint16(page + 14, true) - mem.view.getUint16(page + 12, true);
  return Math.max(space, 0);
}
/** As pageFreeSpace, but 0 where no line pointer may be added to a heap page. */
export function pageHeapFreeSpace(page: number): number {
  const space = pageFreeSpace(page);
  if (space === 0) return 0;
  const count = pageMaxOffset(page);
  if (count < MAX_HEAP_TUPLES_PER_PAGE) return space;
  if (!pageHasFreeLines(page)) return 0;
  for (let offset = 1; offset <= count; offset++) if ((itemIdWord(page, offset) & 0x18000) === 0) return space;
  // The hint was wrong; whoever may write the page will find that out.
  return 0;
}

// ── adding ─────────────────────────────────────────────────────────────────────────────────────────────────────────
function corruptedPointers(lower: number, upper: number, special: number): never {
  return report('PANIC', {
    code: SQLSTATE.dataCorrupted,
    message: `corrupted page pointers: lower = ${lower}, upper = ${upper}, special = ${special}`,
  });
}

/** Any line pointer for a new item: the first free one, or the one behind the last. */
function chooseOffset(page: number, limit: number): OffsetNumber {
  if (!pageHasFreeLines(page)) return limit;
  for (let offset = 1; offset < limit; offset++) {
    const word = itemIdWord(page, offset);
    if ((word & 0x18000) === 0 && word >>> 17 === 0) return offset;
  }
  pageClearFlag(page, PD.hasFreeLines);
  return limit;
}

/** Copies a tuple of `size` bytes at `item` into the page and returns its offset number, 0 if it cannot be.
 *  `offset` 0 takes any; otherwise the item gets this number: `overwrite` an unused one, or else those from it on move up.
 *  `isHeap` keeps the heap's limit of line pointers. */
export function pageAddItem(
  page: number,
  item: number,
  size: number,
  wanted: OffsetNumber,
  overwrite: boolean,
  isHeap: boolean,
): OffsetNumber {
  const { view } = mem;
  let lower = view.getUint16(page + 12, true);
  let upper = view.getUint16(page + 14, true);
  const special = view.getUint16(page + 16, true);
  if (lower < SIZE_OF_PAGE_HEADER || lower > upper || upper > special || special > BLCKSZ)
    corruptedPointers(lower, upper, special);
  const limit = pageMaxOffset(page) + 1;
  let offset = wanted;
  let shuffle = false;
  if (offset === 0) offset = chooseOffset(page, limit);
  else if (offset < limit) {
    if (overwrite) {
      const word = itemIdWord(page, offset);
      if ((word & 0x18000) !== 0 || word >>> 17 !== 0) {
        report('WARNING', { message: 'will not overwrite a used ItemId' });
        return 0;
      }
    } else shuffle = true;
  }
  if (offset > limit) {
    report('WARNING', { message: 'specified item offset is too large' });
    return 0;
  }
  if (isHeap && offset > MAX_HEAP_TUPLES_PER_PAGE) {
    report('WARNING', { message: "can't put more than MaxHeapTuplesPerPage items in a heap page" });
    return 0;
  }
  if (offset === limit || shuffle) lower += 4;
  upper -= (size + 7) & ~7;
  if (lower > upper) return 0;
  const id = page + 20 + offset * 4;
  if (shuffle) mem.u8.copyWithin(id + 4, id, page + 20 + limit * 4);
  view.setUint32(id, upper | 0x8000 | (size << 17), true);
  mem.u8.copyWithin(page + upper, item, item + size);
  view.setUint16(page + 12, lower, true);
  view.setUint16(page + 14, upper, true);
  return offset;
}
