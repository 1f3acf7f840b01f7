/** tuplesort.ts — sorting rows of Datums: in memory, or with temporary files once work_mem is used up.
 *
 *  The leading sort key is turned into a number (abbreviated where it is no number), and numbers are compared first. With a
 *  bound only that many rows are kept, in a heap whose top is the worst of them. Beyond the memory limit sorted runs are
 *  written out and merged. Rows that compare equal come in PostgreSQL's order as long as the sort is in memory.
 *  Sorting index tuples for a build: tuplesort-index.ts.
 *  Counterpart: tuplesort_begin_heap(), tuplesort_begin_datum() … of src/backend/utils/sort/tuplesort.c */
import { heapDeform, heapFormTuple, heapTupleLength } from '#access/common/heap-tuple.ts';
import { KeyedItems, sortByKeys } from '#access/common/keyed-sort.ts';
import type { TupleDesc } from '#access/common/relation-descriptor.ts';
import { MergeHeap, type RunReader, SortRuns } from '#access/common/sort-runs.ts';
import type { Datum } from '#adt/datum.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { Workspace } from '#shm/private-memory.ts';

export type SortRow = Datum[];

export interface TupleSortKey {
  /** Index into the row. */
  readonly column: number;
  /** Order of two values that are not NULL, ascending. */
  readonly compare: (a: Datum, b: Datum) => number;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
  /** 'number': values compare as JavaScript numbers and bigints; 'text': as code points (C order). */
  readonly abbreviate: 'number' | 'text' | 'none';
}
export interface TupleSortOptions {
  /** kB in memory. */
  readonly workMem: number;
  /** Only the first so many rows are wanted; -1 all. */
  readonly bound?: number;
  /** How rows are written to temporary files; without it everything stays in memory. */
  readonly desc?: TupleDesc | null;
  /** next(-1), mark() and restore() will be used. */
  readonly randomAccess?: boolean;
}
/** As EXPLAIN ANALYZE shows it. */
export interface TupleSortStats {
  readonly method: 'still in progress' | 'top-N heapsort' | 'quicksort' | 'external sort' | 'external merge';
  readonly spaceType: 'Memory' | 'Disk';
  /** kB. */
  readonly spaceUsed: number;
}

const codePointRank = (unit: number): number => (unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800);
/** Three UTF-16 units, ranked by code point; shorter texts first, as the missing units are zero. */
function textPrefix(text: string): number {
  let value = 0;
  for (let i = 0; i < 3; i++) value = value * 65536 + (i < text.length ? codePointRank(text.charCodeAt(i)) : 0);
  return value;
}
const INTERRUPT_MASK = 0xfff;

export class TupleSort {
  private rows: SortRow[] = [];
  private items = new KeyedItems();
  private bytes = 0;
  private peakBytes = 0;
  private ticks = 0;
  private readonly bound: number;
  private heapMode = false;
  private runs: SortRuns | null = null;
  private merge: MergeHeap | null = null;
  private readonly readerRows: SortRow[] = [];
  private space: Workspace | null = null;
  private done = false;
  private started = false;
  private position = 0;
  private marked = 0;
  private diskBytes = 0;
  private readonly keys: readonly TupleSortKey[];
  private readonly first: TupleSortKey;
  /** The number is the whole key so far: no NULL, nothing abbreviated. */
  private exact: boolean;

  constructor(
    keys: readonly TupleSortKey[],
    private readonly options: TupleSortOptions,
  ) {
    this.keys = keys;
    this.first = keys[0]!;
    this.bound = options.bound ?? -1;
    this.exact = keys.length === 1 && keys[0]!.abbreviate === 'number';
  }
  get count(): number {
    return this.items.count;
  }

  // ── filling ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The row is kept: it must be the caller's own. */
  put(row: SortRow): void {
    const key = this.keyOf(row);
    if (this.heapMode) {
      this.putBounded(key, row);
      return;
    }
    this.items.push(key, this.rows.length);
    this.rows.push(row);
    const { bound } = this;
    if (bound >= 0 && this.items.count > bound * 2 && bound > 0) {
      this.makeHeap();
      return;
    }
    if (this.options.desc) {
      this.bytes += rowBytes(row);
      if (this.bytes > this.options.workMem * 1024) this.overflow();
    }
  }
  private overflow(): void {
    // A bounded sort that lacks memory still needs only its bound, if it has more than that.
    if (this.bound > 0 && this.items.count > this.bound && this.runs === null) this.makeHeap();
    else this.dumpRun();
  }
  /** Number of the leading key; NULLs are beyond everything. */
  private keyOf(row: SortRow): number {
    const { first } = this;
    const value = row[first.column]!;
    if (value === null) {
      this.exact = false;
      return first.nullsFirst ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    }
    let key = 0;
    if (first.abbreviate === 'number') {
      key = typeof value === 'number' ? value : Number(value);
      // NaN is equal to itself and above everything; a bigint may be rounded.
      if (Number.isNaN(key)) key = Number.POSITIVE_INFINITY;
      if (typeof value === 'bigint' || !Number.isFinite(key)) this.exact = false;
    } else if (first.abbreviate === 'text') key = textPrefix(value as string);
    return first.descending ? -key : key;
  }

  // ── comparing ──────────────────────────────────────────────────────────────────────────────────────────────────────

  private compareRows(a: SortRow, b: SortRow): number {
    if ((++this.ticks & INTERRUPT_MASK) === 0) checkForInterrupts();
    const { keys } = this;
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!;
      const left = a[key.column]!;
      const right = b[key.column]!;
      if (left === null || right === null) {
        if (left === right) continue;
        return (left === null) === key.nullsFirst ? -1 : 1;
      }
      const order = key.compare(left, right);
      if (order !== 0) return key.descending ? -order : order;
    }
    return 0;
  }
  private readonly tie = (a: number, b: number): number => this.compareRows(this.rows[a]!, this.rows[b]!);
  /** Order of the items at two positions. */
  private compareItems(i: number, j: number): number {
    const { keys, ids } = this.items;
    return this.compareKeyed(keys[i]!, this.rows[ids[i]!]!, keys[j]!, this.rows[ids[j]!]!);
  }
  private compareKeyed(aKey: number, a: SortRow, bKey: number, b: SortRow): number {
    return aKey < bKey ? -1 : aKey > bKey ? 1 : this.compareRows(a, b);
  }

  // ── bounded ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** From all rows so far to a heap of `bound` rows, worst on top. */
  private makeHeap(): void {
    const { items, rows, bound } = this;
    const count = items.count;
    const keys = items.keys.slice(0, count);
    const ids = items.ids.slice(0, count);
    this.heapMode = true;
    this.items = new KeyedItems();
    this.rows = [];
    for (let i = 0; i < count; i++) {
      const key = keys[i]!;
      const row = rows[ids[i]!]!;
      if (this.items.count < bound) this.heapInsert(key, row);
      else this.putBounded(key, row);
    }
  }
  private putBounded(key: number, row: SortRow): void {
    const { items, rows } = this;
    // Not better than the worst of those kept.
    if (this.compareKeyed(key, row, items.keys[0]!, rows[items.ids[0]!]!) >= 0) return;
    const id = items.ids[0]!;
    rows[id] = row;
    this.replaceTop(key, id);
  }
  private heapInsert(key: number, row: SortRow): void {
    const { items } = this;
    const id = this.rows.length;
    this.rows.push(row);
    items.push(key, id);
    const { keys, ids } = items;
    let j = items.count - 1;
    while (j > 0) {
      const parent = (j - 1) >> 1;
      if (this.compareKeyed(key, row, keys[parent]!, this.rows[ids[parent]!]!) <= 0) break;
      keys[j] = keys[parent]!;
      ids[j] = ids[parent]!;
      j = parent;
    }
    keys[j] = key;
    ids[j] = id;
  }
  private replaceTop(key: number, id: number): void {
    const { items, rows } = this;
    const { keys, ids } = items;
    const row = rows[id]!;
    const n = items.count;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= n) break;
      if (child + 1 < n && this.compareItems(child, child + 1) < 0) child++;
      if (this.compareKeyed(key, row, keys[child]!, rows[ids[child]!]!) >= 0) break;
      keys[i] = keys[child]!;
      ids[i] = ids[child]!;
      i = child;
    }
    keys[i] = key;
    ids[i] = id;
  }
  /** Takes the worst off until the array is in ascending order. */
  private sortHeap(): void {
    const { items } = this;
    const total = items.count;
    while (items.count > 1) {
      const key = items.keys[0]!;
      const id = items.ids[0]!;
      items.count--;
      const last = items.count;
      this.replaceTop(items.keys[last]!, items.ids[last]!);
      items.keys[last] = key;
      items.ids[last] = id;
    }
    items.count = total;
  }

  // ── external ───────────────────────────────────────────────────────────────────────────────────────────────────────

  private sortItems(): void {
    sortByKeys(this.items.keys, this.items.ids, this.items.count, this.exact ? null : this.tie);
  }
  private dumpRun(): void {
    const desc = this.options.desc!;
    this.sortItems();
    this.runs ??= new SortRuns();
    this.space ??= new Workspace();
    this.runs.beginRun();
    for (let i = 0; i < this.items.count; i++) {
      const tup = heapFormTuple(desc, this.rows[this.items.ids[i]!]!, this.space);
      const length = heapTupleLength();
      this.runs.write(tup, length);
      this.diskBytes += length + 4;
      this.space.reset();
    }
    this.runs.endRun();
    if (this.bytes > this.peakBytes) this.peakBytes = this.bytes;
    this.items.count = 0;
    this.rows = [];
    this.bytes = 0;
    checkForInterrupts();
  }
  private readRow(reader: RunReader): SortRow {
    const row: SortRow = [];
    const desc = this.options.desc!;
    heapDeform(desc, reader.at, desc.natts, row);
    return row;
  }
  private beginMerge(): void {
    this.merge = new MergeHeap((a, b) =>
      this.compareKeyed(a.key, this.readerRows[a.run]!, b.key, this.readerRows[b.run]!),
    );
    this.started = false;
    for (const reader of this.runs!.startMerge()) {
      const row = this.readRow(reader);
      this.readerRows[reader.run] = row;
      reader.key = this.keyOf(row);
      this.merge.push(reader);
    }
  }
  private nextMerged(): SortRow | null {
    const merge = this.merge!;
    if (this.started) {
      if (merge.size === 0) return null;
      const reader = merge.first;
      const more = this.runs!.advance(reader);
      if (more) {
        const row = this.readRow(reader);
        this.readerRows[reader.run] = row;
        reader.key = this.keyOf(row);
      }
      merge.update(!more);
    }
    this.started = true;
    if (merge.size === 0) return null;
    this.position++;
    return this.readerRows[merge.first.run]!;
  }

  // ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────────

  perform(): void {
    this.done = true;
    this.position = 0;
    if (this.heapMode) {
      this.sortHeap();
      return;
    }
    if (this.runs === null) {
      this.sortItems();
      if (this.bound >= 0 && this.items.count > this.bound) this.items.count = this.bound;
      return;
    }
    if (this.items.count > 0) this.dumpRun();
    this.beginMerge();
  }
  /** The next row (direction -1: the one before), null at the end. */
  next(direction: 1 | -1 = 1): SortRow | null {
    if (this.merge !== null) {
      if (direction > 0) return this.bound >= 0 && this.position >= this.bound ? null : this.nextMerged();
      return this.previousMerged();
    }
    const { items } = this;
    if (direction > 0) {
      if (this.position >= items.count) {
        // One past the end, so that going back returns the last row.
        this.position = items.count + 1;
        return null;
      }
      return this.rows[items.ids[this.position++]!]!;
    }
    if (this.position > items.count) {
      this.position = items.count;
    } else {
      // The row before the one returned last.
      this.position--;
    }
    if (this.position <= 0) {
      this.position = 0;
      return null;
    }
    return this.rows[items.ids[this.position - 1]!]!;
  }
  /** Backward through runs: merges again up to the row before. Plans avoid it by a Material node. */
  private previousMerged(): SortRow | null {
    const wanted = this.position - 1;
    this.rewind();
    let row: SortRow | null = null;
    while (this.position < wanted) row = this.nextMerged();
    return row;
  }
  rewind(): void {
    this.position = 0;
    if (this.merge !== null) this.beginMerge();
  }
  mark(): void {
    this.marked = this.position;
  }
  restore(): void {
    if (this.merge === null) {
      this.position = this.marked;
      return;
    }
    this.rewind();
    while (this.position < this.marked) this.nextMerged();
  }
  stats(): TupleSortStats {
    if (!this.done) return { method: 'still in progress', spaceType: 'Memory', spaceUsed: 0 };
    if (this.runs !== null)
      return {
        method: this.runs.count > 1 ? 'external merge' : 'external sort',
        spaceType: 'Disk',
        spaceUsed: Math.ceil(this.diskBytes / 8192) * 8,
      };
    return {
      method: this.heapMode ? 'top-N heapsort' : 'quicksort',
      spaceType: 'Memory',
      spaceUsed: Math.max(25, Math.ceil(this.bytes / 1024)),
    };
  }
  end(): void {
    this.runs?.end();
    this.runs = null;
    this.merge = null;
    this.space?.free();
    this.space = null;
    this.rows = [];
    this.items = new KeyedItems();
  }
}

/** About what a row takes: an array, and per value a slot and what it points to. */
function rowBytes(row: SortRow): number {
  let bytes = 48;
  for (let i = 0; i < row.length; i++) {
    const value = row[i]!;
    bytes += 8;
    if (typeof value === 'string') bytes += 16 + value.length * 2;
    else if (typeof value === 'object' && value !== null) bytes += value instanceof Uint8Array ? 64 + value.length : 96;
  }
  return bytes;
}

/** Sorting single values (ordered-set and DISTINCT aggregates). */
export class DatumSort {
  private readonly sort: TupleSort;
  constructor(key: Omit<TupleSortKey, 'column'>, options: TupleSortOptions) {
    this.sort = new TupleSort([{ ...key, column: 0 }], options);
  }
  put(value: Datum): void {
    this.sort.put([value]);
  }
  perform(): void {
    this.sort.perform();
  }
  /** False at the end; else `value` is the next one. */
  next(): boolean {
    const row = this.sort.next();
    if (row === null) return false;
    this.value = row[0]!;
    return true;
  }
  value: Datum = null;
  rewind(): void {
    this.sort.rewind();
  }
  end(): void {
    this.sort.end();
  }
}
