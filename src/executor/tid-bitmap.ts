/** tid-bitmap.ts — a set of row places, page by page, that fits in work_mem.
 *
 *  A page is exact (a bit per place) or, when there is no more room, lossy: all of its rows are candidates and must be
 *  checked again. Pages come out in the order of the table.
 *  Counterpart: src/backend/nodes/tidbitmap.c */
import type { TidCollector } from '#access/common/index-am.ts';
import { type BlockNumber, type ItemPointer, tidBlock, tidOffset } from '#base/ids.ts';
import { settings } from '#runtime/guc/guc.ts';

const WORDS = 10;
const MAX_OFFSETS = WORDS * 32;
/** Of PostgreSQL's page table: an entry and its place in the hash table. */
const ENTRY_BYTES = 64;

interface PageEntry {
  /** null: lossy. */
  words: Uint32Array | null;
  /** The index was not sure about some row. */
  recheck: boolean;
}
export const maxBitmapPages = (): number => Math.max(16, Math.floor((settings.work_mem * 1024) / ENTRY_BYTES));

export class TidBitmap implements TidCollector {
  readonly #pages = new Map<BlockNumber, PageEntry>();
  readonly #limit = maxBitmapPages();
  #exact = 0;
  #lastBlock = -1;
  #last: PageEntry | null = null;

  addTid(tid: ItemPointer, recheck: boolean): void {
    const block = tidBlock(tid);
    let entry = this.#last;
    if (entry === null || block !== this.#lastBlock) {
      entry = this.#pageFor(block);
      this.#last = entry;
      this.#lastBlock = block;
    }
    if (recheck) entry.recheck = true;
    const { words } = entry;
    if (words === null) return;
    const bit = tidOffset(tid) - 1;
    words[bit >> 5] = words[bit >> 5]! | (1 << (bit & 31));
  }
  #pageFor(block: BlockNumber): PageEntry {
    let entry = this.#pages.get(block);
    if (entry !== undefined) return entry;
    entry = { words: new Uint32Array(WORDS), recheck: false };
    this.#pages.set(block, entry);
    if (++this.#exact > this.#limit) {
      this.#lossify();
      this.#last = null;
    }
    return entry;
  }
  /** Half of the exact pages forget their details. */
  #lossify(): void {
    const wanted = this.#limit >> 1;
    for (const entry of this.#pages.values()) {
      if (this.#exact <= wanted) return;
      if (entry.words === null) continue;
      entry.words = null;
      entry.recheck = true;
      this.#exact--;
    }
  }

  union(other: TidBitmap): void {
    this.#last = null;
    for (const [block, theirs] of other.#pages) {
      const mine = this.#pageFor(block);
      if (theirs.recheck) mine.recheck = true;
      if (mine.words === null) continue;
      if (theirs.words === null) {
        mine.words = null;
        mine.recheck = true;
        this.#exact--;
      } else for (let i = 0; i < WORDS; i++) mine.words[i] = mine.words[i]! | theirs.words[i]!;
    }
  }
  intersect(other: TidBitmap): void {
    this.#last = null;
    for (const [block, mine] of this.#pages) {
      const theirs = other.#pages.get(block);
      if (theirs === undefined) {
        if (mine.words !== null) this.#exact--;
        this.#pages.delete(block);
        continue;
      }
      if (theirs.recheck) mine.recheck = true;
      if (theirs.words === null) continue;
      if (mine.words === null) {
        // What the other side knows exactly is all that can be in both, to be checked again.
        mine.words = theirs.words.slice();
        mine.recheck = true;
        this.#exact++;
        continue;
      }
      let any = 0;
      for (let i = 0; i < WORDS; i++) {
        const both = mine.words[i]! & theirs.words[i]!;
        mine.words[i] = both;
        any |= both;
      }
      if (any === 0) {
        this.#exact--;
        this.#pages.delete(block);
      }
    }
  }
  get isEmpty(): boolean {
    return this.#pages.size === 0;
  }
  cursor(): BitmapCursor {
    return new BitmapCursor(this.#pages);
  }
}

export class BitmapCursor {
  readonly #pages: ReadonlyMap<BlockNumber, PageEntry>;
  readonly #blocks: Float64Array;
  #next = 0;
  /** The page reached by next(). */
  block: BlockNumber = 0;
  /** Places on it: the first `count`; -1 if the page is lossy. */
  readonly offsets = new Uint16Array(MAX_OFFSETS);
  count = 0;
  recheck = false;
  constructor(pages: ReadonlyMap<BlockNumber, PageEntry>) {
    this.#pages = pages;
    this.#blocks = Float64Array.from(pages.keys()).sort();
  }
  next(): boolean {
    if (this.#next >= this.#blocks.length) return false;
    this.block = this.#blocks[this.#next++]!;
    const entry = this.#pages.get(this.block)!;
    this.recheck = entry.recheck;
    const { words } = entry;
    if (words === null) {
      this.count = -1;
      return true;
    }
    let count = 0;
    for (let i = 0; i < WORDS; i++) {
      for (let rest = words[i]!; rest !== 0; rest &= rest - 1) {
        this.offsets[count++] = i * 32 + 31 - Math.clz32(rest & -rest) + 1;
      }
    }
    this.count = count;
    return true;
  }
}
