/** node-bitmap-scan.ts — first all places that indexes name, then the table's pages in their order.
 *
 *  Bitmap nodes give no rows but a set of places; AND and OR combine sets. The heap scan above visits each page once.
 *  Counterpart: src/backend/executor/nodeBitmapHeapscan.c, nodeBitmapIndexscan.c, nodeBitmapAnd.c, nodeBitmapOr.c */
import { heapDeform } from '#access/common/heap-tuple.ts';
import { indexBeginScanBitmap, indexEndScan, indexGetBitmap, indexRescan } from '#access/common/index-access.ts';
import type { IndexScanState as IndexScanHandle } from '#access/common/index-scan.ts';
import type { Relation } from '#access/common/relation-descriptor.ts';
import { BitmapHeapReader } from '#access/heap/bitmap-heap-scan.ts';
import type { Datum } from '#adt/datum.ts';
import { relationClose, relationOpen } from '#catalog/relation.ts';
import type { EState, Eval, Row } from '#executor/estate.ts';
import { compileQual } from '#executor/expr-compile.ts';
import { compileIndexKeys, IndexKeys } from '#executor/index-keys.ts';
import { indexLock } from '#executor/node-index-scan.ts';
import { type NeededColumns, neededColumns } from '#executor/node-seq-scan.ts';
import { compiledFor, PlanState } from '#executor/plan-state.ts';
import { columnsOfScan, type ScanCode, ScanState } from '#executor/scan-state.ts';
import { type BitmapCursor, TidBitmap } from '#executor/tid-bitmap.ts';
import type { BitmapAnd, BitmapHeapScan, BitmapIndexScan, BitmapOr, Plan } from '#nodes/plan-nodes.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';

export abstract class BitmapState<P extends Plan = Plan> extends PlanState<P> {
  next(): Row | null {
    throw new Error(`${this.plan.kind} gives no rows`);
  }
  /** The set of places; added to `into` if that is given. */
  abstract collect(into: TidBitmap | null): TidBitmap;
  protected count(rows: number): void {
    if (!this.estate.instrument) return;
    const counters = this.instrumentation!;
    counters.loops++;
    counters.rows += rows;
  }
}

export class BitmapIndexScanState extends BitmapState<BitmapIndexScan> {
  readonly #index: Relation;
  readonly #keys: IndexKeys;
  #scan: IndexScanHandle | null = null;
  constructor(plan: BitmapIndexScan, estate: EState) {
    super(plan, estate);
    this.#index = relationOpen(plan.indexid, indexLock(plan, estate));
    this.#keys = new IndexKeys(
      compiledFor(plan, estate, (scope) => compileIndexKeys(this.#index, plan.indexqual, scope)),
    );
  }
  collect(into: TidBitmap | null): TidBitmap {
    const bitmap = into ?? new TidBitmap();
    this.#keys.fill(this.context);
    if (this.#scan === null) this.#scan = indexBeginScanBitmap(this.#index, this.estate.snapshot!, this.#keys.keys);
    else indexRescan(this.#scan, this.#keys.keys);
    checkForInterrupts();
    this.count(indexGetBitmap(this.#scan, bitmap));
    return bitmap;
  }
  protected reset(): void {}
  override end(): void {
    if (this.#scan !== null) indexEndScan(this.#scan);
    this.#scan = null;
    relationClose(this.#index, 0);
  }
}

export class BitmapAndState extends BitmapState<BitmapAnd> {
  constructor(
    plan: BitmapAnd,
    estate: EState,
    readonly inputs: readonly BitmapState[],
  ) {
    super(plan, estate);
  }
  collect(into: TidBitmap | null): TidBitmap {
    const result = this.inputs[0]!.collect(null);
    for (let i = 1; i < this.inputs.length && !result.isEmpty; i++) result.intersect(this.inputs[i]!.collect(null));
    this.count(0);
    if (into === null) return result;
    into.union(result);
    return into;
  }
  protected reset(): void {
    for (const input of this.inputs) input.rescan();
  }
}
export class BitmapOrState extends BitmapState<BitmapOr> {
  constructor(
    plan: BitmapOr,
    estate: EState,
    readonly inputs: readonly BitmapState[],
  ) {
    super(plan, estate);
  }
  collect(into: TidBitmap | null): TidBitmap {
    const result = into ?? new TidBitmap();
    for (const input of this.inputs) input.collect(result);
    this.count(0);
    return result;
  }
  protected reset(): void {
    for (const input of this.inputs) input.rescan();
  }
}

interface BitmapHeapCode extends ScanCode {
  readonly original: Eval | null;
  readonly needed: NeededColumns;
}
export class BitmapHeapScanState extends ScanState<BitmapHeapScan> {
  readonly #relation: Relation;
  readonly #input: BitmapState;
  readonly #original: Eval | null;
  readonly #needed: NeededColumns;
  readonly #row: Row;
  #cursor: BitmapCursor | null = null;
  #reader: BitmapHeapReader | null = null;
  exactPages = 0;
  lossyPages = 0;
  rechecked = 0;

  constructor(plan: BitmapHeapScan, estate: EState, input: BitmapState) {
    const relation = estate.relation(plan.scanrelid);
    const code = compiledFor(
      plan,
      estate,
      (scope): BitmapHeapCode => ({
        ...columnsOfScan(plan, scope, relation.tupleDesc.natts),
        original: compileQual(plan.bitmapqualorig, scope),
        needed: neededColumns(plan, relation, plan.bitmapqualorig),
      }),
    );
    super(plan, estate, code);
    this.#relation = relation;
    this.#input = input;
    this.#original = code.original;
    this.#needed = code.needed;
    this.#row = new Array<Datum>(relation.tupleDesc.natts).fill(null);
  }

  protected fetch(): Row | null {
    if (this.#cursor === null) {
      this.#cursor = this.#input.collect(null).cursor();
      this.#reader ??= new BitmapHeapReader(this.#relation, this.estate.snapshot!);
    }
    const cursor = this.#cursor;
    const reader = this.#reader!;
    const { count, mask } = this.#needed;
    for (;;) {
      while (!reader.nextTuple()) {
        checkForInterrupts();
        if (!cursor.next()) return null;
        const lossy = cursor.count < 0;
        if (lossy) this.lossyPages++;
        else this.exactPages++;
        reader.openBlock(cursor.block, lossy ? null : cursor.offsets, cursor.count);
      }
      if (count > 0) heapDeform(this.#relation.tupleDesc, reader.tupleAt, count, this.#row, mask ?? undefined);
      this.context.tuple = reader;
      if (!cursor.recheck || this.#original === null) return this.#row;
      this.context.scan = this.#row;
      if (this.#original(this.context) === true) return this.#row;
      this.rechecked++;
    }
  }
  protected override recheck(): boolean {
    return this.#original === null || this.#original(this.context) === true;
  }
  protected reset(): void {
    this.#cursor = null;
    this.#reader?.end();
    this.#reader = null;
    this.#input.rescan();
  }
  override end(): void {
    this.#reader?.end();
    this.#reader = null;
  }
}
