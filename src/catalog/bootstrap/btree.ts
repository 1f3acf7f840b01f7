/** btree.ts — the index of a catalog, built bottom-up from its sorted tuples.
 *
 *  The same tree that CREATE INDEX writes: leaf pages filled to 90 %, inner pages to 70 %, high keys truncated to what
 *  tells two pages apart, equal keys of an index that is not unique merged into posting lists.
 *  Counterpart: src/backend/access/nbtree/nbtsort.c, _bt_truncate() of nbtutils.c, index_form_tuple() */
import type { BootstrapColumn } from '#catalog/bootstrap/facts.ts';
import { dataSize, fillData, type Images } from '#catalog/bootstrap/heap.ts';
import { BLCKSZ, BootstrapPage, maxAlign, PAGE_HEADER } from '#catalog/bootstrap/page.ts';

/** What one key column compares by: an unsigned or signed number, or bytes. */
export type Key = number | Uint8Array;
export interface IndexEntry {
  readonly keys: readonly (Key | null)[];
  readonly images: Images;
  readonly block: number;
  readonly offset: number;
}
export interface BootstrapIndex {
  readonly columns: readonly BootstrapColumn[];
  readonly unique: boolean;
  /** Equal keys have equal bytes: duplicates may be merged. */
  readonly allEqualImage: boolean;
}

const ALT_TID = 0x2000;
const HAS_VARWIDTH = 0x4000;
const HAS_NULLS = 0x8000;
const PIVOT_HEAP_TID = 0x1000;
const IS_POSTING = 0x2000;
const SIZE_MASK = 0x1fff;
const BTP = { leaf: 1, root: 2, meta: 8 } as const;
const SPECIAL = 16;
const HIKEY = 1;
const FIRST_KEY = 2;
const INDEX_TUPLE = 8;

/** NULLs sort last, as every catalog's index has it. */
function compareKey(a: Key | null, b: Key | null): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  if (typeof a === 'number') return a - (b as number);
  return Buffer.compare(a, b as Uint8Array);
}
function compareEntries(a: IndexEntry, b: IndexEntry): number {
  for (let i = 0; i < a.keys.length; i++) {
    const order = compareKey(a.keys[i]!, b.keys[i]!);
    if (order !== 0) return order;
  }
  return a.block - b.block || a.offset - b.offset;
}
/** How many columns a pivot between the two must keep; one more than there are if all are equal. */
function keepAttributes(a: IndexEntry, b: IndexEntry): number {
  let keep = 1;
  for (let i = 0; i < a.keys.length; i++, keep++) if (compareKey(a.keys[i]!, b.keys[i]!) !== 0) break;
  return keep;
}

const viewOf = (tuple: Uint8Array): DataView => new DataView(tuple.buffer, tuple.byteOffset, tuple.byteLength);
function setTid(tuple: Uint8Array, block: number, offset: number, at = 0): void {
  const view = viewOf(tuple);
  view.setUint16(at, block >>> 16, true);
  view.setUint16(at + 2, block & 0xffff, true);
  view.setUint16(at + 4, offset, true);
}
function setBlock(tuple: Uint8Array, block: number): void {
  const view = viewOf(tuple);
  view.setUint16(0, block >>> 16, true);
  view.setUint16(2, block & 0xffff, true);
}
function setPosition(tuple: Uint8Array, position: number): void {
  viewOf(tuple).setUint16(4, position, true);
}
function setInfo(tuple: Uint8Array, flags: number): void {
  viewOf(tuple).setUint16(6, flags | tuple.length, true);
}
const info = (tuple: Uint8Array): number => viewOf(tuple).getUint16(6, true) & ~SIZE_MASK;

/** index_form_tuple() of the first `count` columns. */
function formIndexTuple(columns: readonly BootstrapColumn[], entry: IndexEntry, count: number): Uint8Array {
  const used = columns.slice(0, count);
  const images = entry.images.slice(0, count);
  const hasNull = images.includes(null);
  const header = hasNull ? maxAlign(INDEX_TUPLE + 4) : INDEX_TUPLE;
  const tuple = new Uint8Array(maxAlign(header + dataSize(used, images)));
  if (hasNull) {
    images.forEach((image, i) => {
      if (image !== null) tuple[INDEX_TUPLE + (i >> 3)]! |= 1 << (i & 7);
    });
  }
  fillData(used, images, tuple, header);
  const varWidth = used.some((column, i) => column.length < 0 && images[i] !== null);
  setTid(tuple, entry.block, entry.offset);
  setInfo(tuple, (hasNull ? HAS_NULLS : 0) | (varWidth ? HAS_VARWIDTH : 0));
  return tuple;
}

/** Heap TIDs of equal keys: one entry, or a posting list's. */
interface LeafItem {
  readonly tuple: Uint8Array;
  readonly first: IndexEntry;
  readonly last: IndexEntry;
  /** Bytes of the posting list, which truncation will take off. */
  readonly truncatable: number;
}

interface Level {
  readonly level: number;
  readonly full: number;
  page: BootstrapPage;
  block: number;
  lastOffset: number;
  lastTruncatable: number;
  lowKey: Uint8Array | undefined;
  next: Level | undefined;
  /** Leaf level: what the last two items are. */
  lastItem: LeafItem | undefined;
  previousItem: LeafItem | undefined;
}

class TreeBuilder {
  readonly pages: BootstrapPage[] = [new BootstrapPage(SPECIAL)];
  constructor(readonly index: BootstrapIndex) {}

  private newPage(level: number): { page: BootstrapPage; block: number } {
    const page = new BootstrapPage(SPECIAL);
    page.view.setUint32(page.special + 8, level, true);
    page.view.setUint16(page.special + 12, level === 0 ? BTP.leaf : 0, true);
    // The high key's line pointer looks allocated.
    page.lower += 4;
    this.pages.push(page);
    return { page, block: this.pages.length - 1 };
  }
  startLevel(level: number): Level {
    const full = level === 0 ? Math.trunc((BLCKSZ * 10) / 100) : Math.trunc((BLCKSZ * 30) / 100);
    return {
      level,
      full,
      ...this.newPage(level),
      lastOffset: HIKEY,
      lastTruncatable: 0,
      lowKey: undefined,
      next: undefined,
      lastItem: undefined,
      previousItem: undefined,
    };
  }

  /** _bt_truncate(): the high key between two neighbouring leaf items. */
  private truncate(left: LeafItem, right: LeafItem): Uint8Array {
    const { columns } = this.index;
    const keep = keepAttributes(left.last, right.first);
    const count = Math.min(keep, columns.length);
    const pivot = formIndexTuple(columns, right.first, count);
    if (keep <= columns.length) {
      setPosition(pivot, keep);
      setInfo(pivot, info(pivot) | ALT_TID);
      return pivot;
    }
    const withTid = new Uint8Array(pivot.length + 8);
    withTid.set(pivot);
    setPosition(withTid, columns.length | PIVOT_HEAP_TID);
    setInfo(withTid, info(pivot) | ALT_TID);
    setTid(withTid, left.last.block, left.last.offset, withTid.length - 6);
    return withTid;
  }

  private place(page: BootstrapPage, tuple: Uint8Array, offset: number, minusInfinity: boolean): void {
    let item = tuple;
    if (minusInfinity) {
      item = tuple.slice(0, INDEX_TUPLE);
      setPosition(item, 0);
      setInfo(item, ALT_TID);
    }
    page.lower = PAGE_HEADER + 4 * offset;
    page.put(offset, item);
  }

  /** Moves the last item to a fresh page and makes it, truncated on leaves, this page's high key. */
  private finishPage(state: Level): void {
    const old = state.page;
    const oldBlock = state.block;
    const isLeaf = state.level === 0;
    const { page, block } = this.newPage(state.level);
    const moved = old.item(state.lastOffset);
    this.place(page, moved, FIRST_KEY, !isLeaf);
    old.setItemWord(HIKEY, old.itemWord(state.lastOffset));
    old.lower -= 4;
    if (isLeaf) {
      const high = this.truncate(state.previousItem!, state.lastItem!);
      // The moved item was placed last: its room is given back before the new high key takes some.
      old.bytes.fill(0, old.upper, old.upper + maxAlign(moved.length));
      old.upper += maxAlign(moved.length);
      old.put(HIKEY, high);
    }
    state.next ??= this.startLevel(state.level + 1);
    const lowKey = state.lowKey!;
    setBlock(lowKey, oldBlock);
    this.add(state.next, lowKey, 0, undefined);
    state.lowKey = old.item(HIKEY).slice();
    old.view.setUint32(old.special + 4, block, true);
    page.view.setUint32(page.special, oldBlock, true);
    state.page = page;
    state.block = block;
    state.lastOffset = FIRST_KEY;
  }

  /** _bt_buildadd(). */
  add(state: Level, tuple: Uint8Array, truncatable: number, item: LeafItem | undefined): void {
    const isLeaf = state.level === 0;
    const free = state.page.free;
    const size = maxAlign(tuple.length);
    if (free < size + (isLeaf ? 8 : 0) || (free + state.lastTruncatable < state.full && state.lastOffset > FIRST_KEY)) {
      this.finishPage(state);
    }
    if (state.lastOffset === HIKEY) {
      const minusInfinity = new Uint8Array(INDEX_TUPLE);
      setInfo(minusInfinity, ALT_TID);
      state.lowKey = minusInfinity;
    }
    state.lastOffset++;
    this.place(state.page, tuple, state.lastOffset, !isLeaf && state.lastOffset === FIRST_KEY);
    state.lastTruncatable = truncatable;
    state.previousItem = state.lastItem;
    state.lastItem = item;
  }

  /** _bt_uppershutdown(): the rightmost page of each level has no high key; the topmost is the root. */
  finish(leaves: Level | undefined): void {
    let root = 0;
    let rootLevel = 0;
    for (let state = leaves; state !== undefined; state = state.next) {
      const { page, block } = state;
      if (state.next === undefined) {
        root = block;
        rootLevel = state.level;
        page.view.setUint16(page.special + 12, page.view.getUint16(page.special + 12, true) | BTP.root, true);
      } else {
        setBlock(state.lowKey!, block);
        this.add(state.next, state.lowKey!, 0, undefined);
      }
      page.bytes.copyWithin(PAGE_HEADER, PAGE_HEADER + 4, page.lower);
      page.lower -= 4;
      page.view.setUint32(page.lower, 0, true);
    }
    this.writeMeta(root, rootLevel);
  }

  private writeMeta(root: number, level: number): void {
    const meta = this.pages[0]!;
    const words = [0x053162, 4, root, level, root, level, 0];
    words.forEach((word, i) => {
      meta.view.setUint32(PAGE_HEADER + 4 * i, word, true);
    });
    meta.view.setFloat64(56, -1, true);
    meta.view.setUint8(64, this.index.allEqualImage ? 1 : 0);
    meta.view.setUint16(meta.special + 12, BTP.meta, true);
    meta.lower = 72;
  }
}

const MAX_POSTING = (Math.trunc((BLCKSZ * 10) / 100) & ~7) - 4;

/** Merges neighbours with equal keys as far as a posting list may grow. */
function* leafItems(index: BootstrapIndex, entries: readonly IndexEntry[]): Generator<LeafItem> {
  const merge = !index.unique && index.allEqualImage;
  const columns = index.columns;
  for (let at = 0; at < entries.length; ) {
    const first = entries[at]!;
    const base = formIndexTuple(columns, first, columns.length);
    let end = at + 1;
    if (merge) {
      while (
        end < entries.length &&
        keepAttributes(first, entries[end]!) > columns.length &&
        maxAlign(base.length + (end - at + 1) * 6) <= MAX_POSTING
      ) {
        end++;
      }
    }
    const last = entries[end - 1]!;
    if (end - at === 1) yield { tuple: base, first, last, truncatable: 0 };
    else {
      const posting = new Uint8Array(maxAlign(base.length + (end - at) * 6));
      posting.set(base);
      for (let i = at; i < end; i++) setTid(posting, entries[i]!.block, entries[i]!.offset, base.length + (i - at) * 6);
      setBlock(posting, base.length);
      setPosition(posting, (end - at) | IS_POSTING);
      setInfo(posting, info(base) | ALT_TID);
      yield { tuple: posting, first, last, truncatable: posting.length - base.length };
    }
    at = end;
  }
}

export function buildBootstrapIndex(index: BootstrapIndex, entries: IndexEntry[]): BootstrapPage[] {
  entries.sort(compareEntries);
  const builder = new TreeBuilder(index);
  let leaves: Level | undefined;
  for (const item of leafItems(index, entries)) {
    leaves ??= builder.startLevel(0);
    builder.add(leaves, item.tuple, item.truncatable, item);
  }
  builder.finish(leaves);
  return builder.pages;
}
