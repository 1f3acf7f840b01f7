/** tuplesort-index.ts — sorting index tuples by key and heap TID, to build an index of them.
 *
 *  Tuples are formed at once and kept as bytes; the first column is abbreviated to a number. Beyond the memory limit runs
 *  go to temporary files. With `unique`, two equal keys are found while sorting, for a sort compares all neighbours.
 *  Counterpart: tuplesort_begin_index_btree(), comparetup_index_btree() of src/backend/utils/sort/tuplesort.c */
import { namespaceName } from '#access/common/namespace-name.ts';
import { indexAttribute } from '#access/common/index-attribute.ts';
import { indexDeform, indexFormTuple, indexTupleSize, setIndexTupleTid } from '#access/common/index-tuple.ts';
import {
  abbreviate,
  abbreviationIsExact,
  compareKey,
  KeyArgument,
  type KeyColumn,
} from '#access/common/key-compare.ts';
import { buildIndexValueDescription } from '#access/common/key-description.ts';
import { KeyedItems, sortByKeys } from '#access/common/keyed-sort.ts';
import type { Relation, TupleDesc } from '#access/common/relation-descriptor.ts';
import { MergeHeap, type RunReader, SortRuns } from '#access/common/sort-runs.ts';
import type { Datum } from '#adt/datum.ts';
import type { ItemPointer } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { mem } from '#shm/memory.ts';
import { Workspace } from '#shm/private-memory.ts';

const DESC = 1;
const NULLS_FIRST = 2;
/** What a tuple costs besides its bytes. */
const OVERHEAD = 12;

export interface IndexSortOptions {
  readonly unique: boolean;
  readonly nullsNotDistinct: boolean;
  /** kB. */
  readonly workMem: number;
}

export class IndexTupleSort {
  private readonly items = new KeyedItems();
  private readonly space = new Workspace();
  private readonly desc: TupleDesc;
  private readonly args: KeyArgument[];
  private readonly tieFrom: number;
  private bytes = 0;
  private runs: SortRuns | null = null;
  private merge: MergeHeap | null = null;
  private position = 0;
  private started = false;

  constructor(
    private readonly heap: Relation | null,
    private readonly index: Relation,
    private readonly columns: readonly KeyColumn[],
    private readonly options: IndexSortOptions,
  ) {
    this.desc = index.tupleDesc;
    this.args = columns.map((column) => new KeyArgument(column));
    // An exact first number need not be compared again when it is equal, unless it stands for NULL or infinity.
    this.tieFrom = abbreviationIsExact(columns[0]!.kind) ? 1 : 0;
  }
  private option(column: number): number {
    return this.index.index!.options[column] ?? 0;
  }

  put(values: readonly Datum[], tid: ItemPointer): void {
    const tup = indexFormTuple(this.desc, values, this.space);
    setIndexTupleTid(tup, tid);
    this.items.push(this.keyOf(tup), tup);
    this.bytes += indexTupleSize(tup) + OVERHEAD;
    if (this.bytes > this.options.workMem * 1024) this.dumpRun();
  }
  /** Number that orders the tuple by its first column; NULLs are beyond everything. */
  private keyOf(tup: number): number {
    const at = indexAttribute(this.desc, tup, 1);
    const option = this.option(0);
    if (at === 0) return (option & NULLS_FIRST) !== 0 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    const key = abbreviate(this.columns[0]!, at);
    return (option & DESC) !== 0 ? -key : key;
  }

  /** Order of two tuples whose numbers are equal: the columns, then the TIDs. */
  private tie = (a: number, b: number): number => {
    if (a === b) return 0;
    let hasNull = false;
    for (let i = 0; i < this.columns.length; i++) {
      const left = indexAttribute(this.desc, a, i + 1);
      const right = indexAttribute(this.desc, b, i + 1);
      if (left === 0 || right === 0) {
        if (left === right) {
          hasNull = true;
          continue;
        }
        return (left === 0) === ((this.option(i) & NULLS_FIRST) !== 0) ? -1 : 1;
      }
      if (i < this.tieFrom) continue;
      const arg = this.args[i]!;
      arg.setStored(right);
      const order = compareKey(arg, left);
      if (order !== 0) return (this.option(i) & DESC) !== 0 ? -order : order;
    }
    if (this.options.unique && (!hasNull || this.options.nullsNotDistinct)) this.reportDuplicate(a);
    return tidOf(a) - tidOf(b);
  };
  private reportDuplicate(tup: number): never {
    const values: Datum[] = [];
    indexDeform(this.desc, tup, this.desc.natts, values);
    const key = buildIndexValueDescription(this.index, values);
    report('ERROR', {
      code: SQLSTATE.uniqueViolation,
      message: `could not create unique index "${this.index.name}"`,
      detail: key === null ? 'Duplicate keys exist.' : `Key ${key} is duplicated.`,
      schema: namespaceName(this.index.namespace),
      table: this.heap?.name,
      constraint: this.index.name,
    });
  }
  /** Order of any two tuples. */
  compareTuples(a: number, b: number): number {
    const left = this.keyOf(a);
    const right = this.keyOf(b);
    return left < right ? -1 : left > right ? 1 : this.tie(a, b);
  }

  private sortItems(): void {
    sortByKeys(this.items.keys, this.items.ids, this.items.count, this.tie);
  }
  private dumpRun(): void {
    this.sortItems();
    this.runs ??= new SortRuns();
    this.runs.beginRun();
    for (let i = 0; i < this.items.count; i++) {
      const tup = this.items.ids[i]!;
      this.runs.write(tup, indexTupleSize(tup));
    }
    this.runs.endRun();
    this.items.count = 0;
    this.bytes = 0;
    this.space.reset();
    checkForInterrupts();
  }

  performSort(): void {
    if (this.runs === null) {
      this.sortItems();
      return;
    }
    if (this.items.count > 0) this.dumpRun();
    this.merge = new MergeHeap((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : this.tie(a.at, b.at)));
    for (const reader of this.runs.startMerge()) {
      reader.key = this.keyOf(reader.at);
      this.merge.push(reader);
    }
  }
  /** Address of the next tuple, 0 at the end; valid until the next call. */
  next(): number {
    const { merge } = this;
    if (merge === null) return this.position < this.items.count ? this.items.ids[this.position++]! : 0;
    if (this.started) {
      if (merge.size === 0) return 0;
      const reader: RunReader = merge.first;
      const more = this.runs!.advance(reader);
      if (more) reader.key = this.keyOf(reader.at);
      merge.update(!more);
    }
    this.started = true;
    return merge.size === 0 ? 0 : merge.first.at;
  }
  end(): void {
    this.runs?.end();
    this.space.free();
    for (const arg of this.args) arg.release();
  }
}
const tidOf = (tup: number): number => {
  const { view } = mem;
  return (view.getUint16(tup, true) * 65536 + view.getUint16(tup + 2, true)) * 65536 + view.getUint16(tup + 4, true);
};
