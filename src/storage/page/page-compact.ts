/** page-compact.ts — closing the holes that removed tuples leave.
 *
 *  Tuples that stay are moved to the end of the page, in the order of their line pointers. Where they lie in that order
 *  already (the usual case) each run of neighbours is moved up by one copy; otherwise they are taken from a copy of the
 *  page. Scratch memory is this module's, so nothing is allocated.
 *  Counterpart: compactify_tuples(), PageRepairFragmentation(), PageIndex… of src/backend/storage/page/bufpage.c */
import { BLCKSZ, type OffsetNumber } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { mem, onNewPrivateWindow } from '#shm/memory.ts';
import { privateReserve } from '#shm/private-memory.ts';
import { LP, PD, SIZE_OF_PAGE_HEADER } from '#storage/page/page-layout.ts';
import { itemIdWord, pageClearFlag, pageMaxOffset, pageSetFlag, setItemIdWord } from '#storage/page/page.ts';

/** The items that stay: index of the line pointer (0-based), where the tuple is now, its MAXALIGNed length. */
const keptIndex = new Uint16Array(BLCKSZ / 4);
const keptOffset = new Uint16Array(BLCKSZ / 4);
const keptLength = new Uint16Array(BLCKSZ / 4);
/** New line pointers of an index page. */
const newWords = new Uint32Array(BLCKSZ / 4);
let scratchPage = -1;
onNewPrivateWindow(() => {
  scratchPage = -1;
});

/** pd_lower, pd_upper, pd_special of the page that is being worked on. */
let lower = 0;
let upper = 0;
let special = 0;

function readBounds(page: number): void {
  lower = mem.view.getUint16(page + 12, true);
  upper = mem.view.getUint16(page + 14, true);
  special = mem.view.getUint16(page + 16, true);
  if (lower < SIZE_OF_PAGE_HEADER || lower > upper || upper > special || special > BLCKSZ || special % 8 !== 0)
    corrupted(`corrupted page pointers: lower = ${lower}, upper = ${upper}, special = ${special}`);
}

function corrupted(message: string): never {
  return report('ERROR', { code: SQLSTATE.dataCorrupted, message });
}

/** Moves the kept tuples to the end of the page and sets their line pointers and pd_upper. */
function compactify(page: number, count: number, presorted: boolean): void {
  const { view, u8 } = mem;
  let i = 0;
  let to = special;
  // Those at the end may be in their place already.
  while (i < count && keptOffset[i]! + keptLength[i]! === to) {
    to -= keptLength[i]!;
    setOffset(page, keptIndex[i]!, to);
    i++;
  }
  let source = page;
  if (!presorted && i < count) {
    if (scratchPage < 0) scratchPage = privateReserve(BLCKSZ);
    u8.copyWithin(scratchPage + upper, page + upper, page + special);
    source = scratchPage;
  }
  while (i < count) {
    // A run of neighbours, from [from, end).
    const end = keptOffset[i]! + keptLength[i]!;
    let from = end;
    while (i < count && keptOffset[i]! + keptLength[i]! === from) {
      from = keptOffset[i]!;
      to -= keptLength[i]!;
      setOffset(page, keptIndex[i]!, to);
      i++;
    }
    u8.copyWithin(page + to, source + from, source + end);
  }
  view.setUint16(page + 14, to, true);
}

function setOffset(page: number, index: number, offset: number): void {
  const at = page + SIZE_OF_PAGE_HEADER + index * 4;
  mem.view.setUint32(at, ((mem.view.getUint32(at, true) & ~0x7fff) | offset) >>> 0, true);
}

/** Heap: frees the space of tuples whose line pointers lost them, and line pointers at the end that are unused. */
export function pageRepairFragmentation(page: number): void {
  readBounds(page);
  const count = pageMaxOffset(page);
  let kept = 0;
  let total = 0;
  let unused = 0;
  let lastUsed = 0;
  let lastOffset = special;
  let presorted = true;
  for (let i = 1; i <= count; i++) {
    const word = itemIdWord(page, i);
    if ((word & 0x18000) === 0) {
      // An unused line pointer has nothing, whatever its other bits said.
      setItemIdWord(page, i, 0);
      unused++;
      continue;
    }
    lastUsed = i;
    if (word >>> 17 === 0) continue;
    const offset = word & 0x7fff;
    if (offset < lastOffset) lastOffset = offset;
    else presorted = false;
    if (offset < upper || offset >= special) corrupted(`corrupted line pointer: ${offset}`);
    const length = ((word >>> 17) + 7) & ~7;
    keptIndex[kept] = i - 1;
    keptOffset[kept] = offset;
    keptLength[kept++] = length;
    total += length;
  }
  if (kept === 0) mem.view.setUint16(page + 14, special, true);
  else {
    if (total > special - lower)
      corrupted(`corrupted item lengths: total ${total}, available space ${special - lower}`);
    compactify(page, kept, presorted);
  }
  if (lastUsed !== count) {
    unused -= count - lastUsed;
    mem.view.setUint16(page + 12, lower - 4 * (count - lastUsed), true);
  }
  if (unused > 0) pageSetFlag(page, PD.hasFreeLines);
  else pageClearFlag(page, PD.hasFreeLines);
}

/** Heap, second pass of VACUUM: unused line pointers at the end go away, all but the first. */
export function pageTruncateLinePointers(page: number): void {
  const count = pageMaxOffset(page);
  let last = count;
  while (last > 1 && ((itemIdWord(page, last) >>> 15) & 3) === LP.unused) last--;
  let free = false;
  for (let i = last; i >= 1 && !free; i--) free = ((itemIdWord(page, i) >>> 15) & 3) === LP.unused;
  if (last < count) mem.view.setUint16(page + 12, mem.view.getUint16(page + 12, true) - 4 * (count - last), true);
  if (free) pageSetFlag(page, PD.hasFreeLines);
  else pageClearFlag(page, PD.hasFreeLines);
}

function checkedItem(page: number, offset: OffsetNumber): number {
  if (offset <= 0 || offset > pageMaxOffset(page)) report('ERROR', { message: `invalid index offnum: ${offset}` });
  const word = itemIdWord(page, offset);
  checkItemWord(word);
  return word;
}
function checkItemWord(word: number): void {
  const at = word & 0x7fff;
  const size = word >>> 17;
  if (at < upper || at + size > special || at % 8 !== 0)
    corrupted(`corrupted line pointer: offset = ${at}, size = ${size}`);
}

/** Moves the tuples below `at` up by `by` bytes (down if negative) and corrects the line pointers of them and of `at`. */
function slideTuples(page: number, at: number, by: number): void {
  mem.u8.copyWithin(page + upper + by, page + upper, page + at);
  mem.view.setUint16(page + 14, upper + by, true);
  const count = pageMaxOffset(page);
  for (let i = 1; i <= count; i++) {
    const word = itemIdWord(page, i);
    if (word >>> 17 !== 0 && (word & 0x7fff) <= at) setItemIdWord(page, i, word + by);
  }
}

/** Removes an item, its line pointer included; those behind it get smaller numbers. */
export function pageIndexTupleDelete(page: number, offset: OffsetNumber): void {
  readBounds(page);
  const word = checkedItem(page, offset);
  const id = page + 20 + offset * 4;
  mem.u8.copyWithin(id, id + 4, page + lower);
  mem.view.setUint16(page + 12, lower - 4, true);
  slideTuples(page, word & 0x7fff, ((word >>> 17) + 7) & ~7);
}

/** Removes several items at once; `offsets` ascends. */
export function pageIndexMultiDelete(page: number, offsets: ArrayLike<number>, count: number = offsets.length): void {
  if (count <= 2) {
    for (let i = count - 1; i >= 0; i--) pageIndexTupleDelete(page, offsets[i]!);
    return;
  }
  readBounds(page);
  const items = pageMaxOffset(page);
  let kept = 0;
  let next = 0;
  let total = 0;
  let lastOffset = special;
  let presorted = true;
  for (let i = 1; i <= items; i++) {
    const word = itemIdWord(page, i);
    checkItemWord(word);
    if (next < count && offsets[next] === i) {
      next++;
      continue;
    }
    const at = word & 0x7fff;
    const length = ((word >>> 17) + 7) & ~7;
    if (at < lastOffset) lastOffset = at;
    else presorted = false;
    keptIndex[kept] = kept;
    keptOffset[kept] = at;
    keptLength[kept] = length;
    newWords[kept++] = word;
    total += length;
  }
  if (next !== count) report('ERROR', { message: 'incorrect index offsets supplied' });
  if (total > special - lower) corrupted(`corrupted item lengths: total ${total}, available space ${special - lower}`);
  for (let i = 0; i < kept; i++) setItemIdWord(page, i + 1, newWords[i]!);
  mem.view.setUint16(page + 12, SIZE_OF_PAGE_HEADER + 4 * kept, true);
  if (kept > 0) compactify(page, kept, presorted);
  else mem.view.setUint16(page + 14, special, true);
}

/** Removes an item and keeps the numbers of the others: its line pointer becomes unused, or goes if it is the last. */
export function pageIndexTupleDeleteNoCompact(page: number, offset: OffsetNumber): void {
  readBounds(page);
  const word = checkedItem(page, offset);
  if (offset < pageMaxOffset(page)) setItemIdWord(page, offset, 0);
  else mem.view.setUint16(page + 12, lower - 4, true);
  slideTuples(page, word & 0x7fff, ((word >>> 17) + 7) & ~7);
}

/** Replaces an item's tuple by another of any size; false if there is no room. */
export function pageIndexTupleOverwrite(page: number, offset: OffsetNumber, tuple: number, size: number): boolean {
  readBounds(page);
  const word = checkedItem(page, offset);
  const at = word & 0x7fff;
  const oldSize = ((word >>> 17) + 7) & ~7;
  const newSize = (size + 7) & ~7;
  if (newSize > oldSize + upper - lower) return false;
  const difference = oldSize - newSize;
  if (difference !== 0) slideTuples(page, at, difference);
  const place = at + difference;
  setItemIdWord(page, offset, ((word & 0x18000) | place | (size << 17)) >>> 0);
  mem.u8.copyWithin(page + place, tuple, tuple + size);
  return true;
}
