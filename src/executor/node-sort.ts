/** node-sort.ts — sorting and keeping rows.
 *
 *  TupleSort is the one interface to sorted storage; today it sorts in memory. With a bound it keeps at most twice the
 *  rows wanted, so that ORDER BY … LIMIT n needs memory for 2n.
 *  Counterpart: src/backend/executor/nodeSort.c, nodeMaterial.c, utils/sort/tuplesort.c */
import type { EState, Row } from '#executor/estate.ts';
import { compiledFor, PlanState } from '#executor/plan-state.ts';
import { type RowCompare, rowComparator } from '#executor/sort-support.ts';
import type { IncrementalSort, Material, Sort } from '#nodes/plan-nodes.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';

export class TupleSort {
  #rows: Row[] = [];
  #ticks = 0;
  #position = 0;
  readonly #compare: RowCompare;
  constructor(
    compare: RowCompare,
    readonly bound = -1,
  ) {
    // A sort of millions of rows must notice a cancel.
    this.#compare = (a, b) => {
      if ((++this.#ticks & 4095) === 0) checkForInterrupts();
      return compare(a, b);
    };
  }
  get length(): number {
    return this.#rows.length;
  }
  /** The row is kept: it must be the caller's own. */
  put(row: Row): void {
    const rows = this.#rows;
    rows.push(row);
    if (this.bound >= 0 && rows.length >= 2 * this.bound + 64) {
      rows.sort(this.#compare);
      rows.length = this.bound;
    }
  }
  perform(): void {
    this.#rows.sort(this.#compare);
    if (this.bound >= 0 && this.#rows.length > this.bound) this.#rows.length = this.bound;
    this.#position = 0;
  }
  next(): Row | null {
    return this.#rows[this.#position++] ?? null;
  }
  rewind(): void {
    this.#position = 0;
  }
  /** Bytes that the rows would take in PostgreSQL's sort, roughly. */
  get spaceUsed(): number {
    const width = this.#rows[0]?.length ?? 0;
    return this.#rows.length * (24 + 16 * width);
  }
}

export class SortState extends PlanState<Sort | IncrementalSort> {
  readonly #compare: RowCompare;
  #sort: TupleSort | null = null;
  #stamp = 0;
  /** Rows that the Limit above can use; set before the first next(). */
  bound = -1;
  constructor(
    plan: Sort | IncrementalSort,
    estate: EState,
    readonly outer: PlanState,
  ) {
    super(plan, estate);
    this.#compare = compiledFor(plan, estate, () => rowComparator(plan));
  }
  next(): Row | null {
    this.#sort ??= this.#fill();
    return this.#sort.next();
  }
  #fill(): TupleSort {
    this.#stamp = this.estate.clock;
    const sort = new TupleSort(this.#compare, this.bound);
    for (let row = this.outer.next(); row !== null; row = this.outer.next()) sort.put(row.slice());
    sort.perform();
    if (this.estate.instrument) {
      const kilobytes = Math.max(25, Math.ceil(sort.spaceUsed / 1024));
      const method = this.bound >= 0 ? 'top-N heapsort' : 'quicksort';
      this.instrumentation?.details.set('Sort Method', `${method}  Memory: ${kilobytes}kB`);
    }
    return sort;
  }
  protected reset(): void {
    if (this.#sort === null) {
      // Nothing was read yet, but an outer reference below may have changed.
      this.outer.rescan();
    } else if (this.estate.changedSince(this.plan.allParam, this.#stamp)) {
      this.#sort = null;
      this.outer.rescan();
    } else {
      this.#sort.rewind();
    }
  }
}

export class MaterialState extends PlanState<Material> {
  readonly #rows: Row[] = [];
  #position = 0;
  #done = false;
  #stamp: number;
  constructor(
    plan: Material,
    estate: EState,
    readonly outer: PlanState,
  ) {
    super(plan, estate);
    this.#stamp = estate.clock;
  }
  next(): Row | null {
    if (this.#position < this.#rows.length) return this.#rows[this.#position++]!;
    if (this.#done) return null;
    const row = this.outer.next();
    if (row === null) {
      this.#done = true;
      return null;
    }
    const copy = row.slice();
    this.#rows.push(copy);
    this.#position++;
    return copy;
  }
  protected reset(): void {
    this.#position = 0;
    if (!this.estate.changedSince(this.plan.allParam, this.#stamp)) return;
    this.#stamp = this.estate.clock;
    this.#rows.length = 0;
    this.#done = false;
    this.outer.rescan();
  }
}
