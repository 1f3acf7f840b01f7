/** node-index-scan.ts — rows of a table in the order of an index, or only those that match its keys.
 *
 *  The index gives places, the heap says which version at a place this query sees. Keys that depend on parameters are
 *  computed at each start. An index-only scan takes its columns from the index tuple and looks into the heap only where
 *  the visibility map does not vouch for the page.
 *  Counterpart: src/backend/executor/nodeIndexscan.c, nodeIndexonlyscan.c */
import { heapDeform } from '#access/common/heap-tuple.ts';
import { indexDeform } from '#access/common/index-tuple.ts';
import {
  indexBeginScan,
  indexEndScan,
  indexFetchHeap,
  indexGetNext,
  indexGetNextTid,
  indexMarkPos,
  indexRescan,
  indexRestrPos,
} from '#access/common/index-access.ts';
import type { IndexScanState as IndexScanHandle, ScanDirection } from '#access/common/index-scan.ts';
import type { Relation } from '#access/common/relation-descriptor.ts';
import { newVmBuffer, releaseVmBuffer, VM_ALL_VISIBLE, visibilityMapGetStatus } from '#access/heap/visibility-map.ts';
import { resetIndexFetch } from '#access/heap/heap-fetch.ts';
import type { Datum } from '#adt/datum.ts';
import { tidBlock } from '#base/ids.ts';
import { relationClose, relationOpen } from '#catalog/relation.ts';
import type { CurrentTuple, EState, Eval, Row } from '#executor/estate.ts';
import { compileProjection, compileQual } from '#executor/expr-compile.ts';
import { compileIndexKeys, type IndexKeyCode, IndexKeys } from '#executor/index-keys.ts';
import { type NeededColumns, neededColumns } from '#executor/node-seq-scan.ts';
import { compiledFor } from '#executor/plan-state.ts';
import { columnsOfScan, type ScanCode, ScanState } from '#executor/scan-state.ts';
import type { IndexOnlyScan, IndexScan, ScanPlan } from '#nodes/plan-nodes.ts';
import { INDEX_VAR, type Expr } from '#nodes/primitives.ts';
import type { RteRelation } from '#nodes/parse-nodes.ts';
import { mapChildren } from '#nodes/visit.ts';
import { LOCK, type LockMode } from '#storage/lmgr/lock-modes.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** The lock stays until the transaction ends. */
const NO_LOCK = 0;
/** As for the table: a plan that is used again holds a lock on the table only. */
export const indexLock = (plan: ScanPlan, estate: EState): LockMode => {
  const rte = estate.stmt.rtable[plan.scanrelid - 1] as RteRelation;
  return (rte.rellockmode === 0 ? LOCK.accessShare : rte.rellockmode) as LockMode;
};

interface IndexScanCode extends ScanCode {
  readonly keys: IndexKeyCode;
  readonly original: Eval | null;
  readonly needed: NeededColumns;
}

export class IndexScanState extends ScanState<IndexScan> {
  readonly #heap: Relation;
  readonly #index: Relation;
  readonly #keys: IndexKeys;
  readonly #original: Eval | null;
  readonly #needed: NeededColumns;
  readonly #row: Row;
  readonly #direction: ScanDirection;
  #scan: IndexScanHandle | null = null;
  #fresh = true;

  constructor(plan: IndexScan, estate: EState) {
    const heap = estate.relation(plan.scanrelid);
    const index = relationOpen(plan.indexid, indexLock(plan, estate));
    const code = compiledFor(
      plan,
      estate,
      (scope): IndexScanCode => ({
        ...columnsOfScan(plan, scope, heap.tupleDesc.natts),
        keys: compileIndexKeys(index, plan.indexqual, scope),
        original: compileQual(plan.indexqualorig, scope),
        needed: neededColumns(plan, heap, plan.indexqualorig),
      }),
    );
    super(plan, estate, code);
    this.#heap = heap;
    this.#index = index;
    this.#keys = new IndexKeys(code.keys);
    this.#original = code.original;
    this.#needed = code.needed;
    this.#direction = plan.indexorderdir === 'backward' ? -1 : 1;
    this.#row = new Array<Datum>(heap.tupleDesc.natts).fill(null);
  }

  protected fetch(): Row | null {
    const scan = this.#start();
    for (;;) {
      if (!indexGetNext(scan, this.#direction)) return null;
      const fetch = scan.fetch!;
      const { count, mask } = this.#needed;
      if (count > 0) heapDeform(this.#heap.tupleDesc, fetch.tupleAt, count, this.#row, mask ?? undefined);
      this.context.tuple = fetch;
      if (!scan.recheck || this.#matches(this.#row)) return this.#row;
    }
  }
  #start(): IndexScanHandle {
    let scan = this.#scan;
    if (scan !== null && !this.#fresh) return scan;
    this.#fresh = false;
    this.#keys.fill(this.context);
    if (scan === null) {
      scan = indexBeginScan(this.#heap, this.#index, this.estate.snapshot!, this.#keys.keys);
      this.#scan = scan;
    } else indexRescan(scan, this.#keys.keys);
    return scan;
  }
  #matches(row: Row): boolean {
    if (this.#original === null) return true;
    this.context.scan = row;
    return this.#original(this.context) === true;
  }
  protected override recheck(): boolean {
    return this.#original === null || this.#original(this.context) === true;
  }
  protected reset(): void {
    this.#fresh = true;
  }
  markPosition(): void {
    indexMarkPos(this.#scan!);
  }
  restorePosition(): void {
    indexRestrPos(this.#scan!);
  }
  override end(): void {
    if (this.#scan !== null) indexEndScan(this.#scan);
    this.#scan = null;
    relationClose(this.#index, NO_LOCK);
  }
}

interface IndexOnlyCode extends ScanCode {
  readonly keys: IndexKeyCode;
  readonly recheck: Eval | null;
}
/** Expressions over index columns become expressions over the scan's row. */
const asScanRow = (expr: Expr): Expr =>
  expr.kind === 'Var' && expr.varno === INDEX_VAR ? { ...expr } : mapChildren(expr, asScanRow);

export class IndexOnlyScanState extends ScanState<IndexOnlyScan> {
  readonly #heap: Relation;
  readonly #index: Relation;
  readonly #keys: IndexKeys;
  readonly #recheck: Eval | null;
  readonly #row: Row;
  readonly #direction: ScanDirection;
  readonly #vm = newVmBuffer();
  readonly #tuple: CurrentTuple = { tupleAt: 0, tid: 0 as CurrentTuple['tid'] };
  /** Of EXPLAIN ANALYZE: rows for which the heap had to be asked. */
  heapFetches = 0;
  #scan: IndexScanHandle | null = null;
  #fresh = true;

  constructor(plan: IndexOnlyScan, estate: EState) {
    const heap = estate.relation(plan.scanrelid);
    const index = relationOpen(plan.indexid, indexLock(plan, estate));
    const width = index.tupleDesc.natts;
    const code = compiledFor(
      plan,
      estate,
      (scope): IndexOnlyCode => ({
        qual: compileQual(plan.qual.map(asScanRow), scope),
        project: compileProjection(
          plan.targetlist.map((entry) => ({ ...entry, expr: asScanRow(entry.expr) })),
          scope,
          width,
        ),
        keys: compileIndexKeys(index, plan.indexqual, scope),
        recheck: compileQual(plan.recheckqual.map(asScanRow), scope),
      }),
    );
    super(plan, estate, code);
    this.#heap = heap;
    this.#index = index;
    this.#keys = new IndexKeys(code.keys);
    this.#recheck = code.recheck;
    this.#direction = plan.indexorderdir === 'backward' ? -1 : 1;
    this.#row = new Array<Datum>(width).fill(null);
  }

  protected fetch(): Row | null {
    const scan = this.#start();
    while (indexGetNextTid(scan, this.#direction)) {
      if (!this.#isVisible(scan)) continue;
      indexDeform(this.#index.tupleDesc, scan.itupAt, this.#row.length, this.#row);
      if (scan.recheck && this.#recheck !== null) {
        this.context.scan = this.#row;
        if (this.#recheck(this.context) !== true) continue;
      }
      this.#tuple.tid = scan.heapTid;
      this.context.tuple = this.#tuple;
      return this.#row;
    }
    return null;
  }
  /** Is some version at the place visible? */
  #isVisible(scan: IndexScanHandle): boolean {
    if ((visibilityMapGetStatus(this.#heap, tidBlock(scan.heapTid), this.#vm) & VM_ALL_VISIBLE) !== 0) return true;
    this.heapFetches++;
    const found = indexFetchHeap(scan);
    // The row itself is not needed: the page need not stay pinned.
    resetIndexFetch(scan.fetch!);
    if (!found) return false;
    if (scan.heapContinue) report('ERROR', { message: 'non-MVCC snapshots are not supported in index-only scans' });
    return true;
  }
  #start(): IndexScanHandle {
    let scan = this.#scan;
    if (scan !== null && !this.#fresh) return scan;
    this.#fresh = false;
    this.#keys.fill(this.context);
    if (scan === null) {
      scan = indexBeginScan(this.#heap, this.#index, this.estate.snapshot!, this.#keys.keys);
      scan.wantTuple = true;
      this.#scan = scan;
    }
    indexRescan(scan, this.#keys.keys);
    return scan;
  }
  protected override recheck(): boolean {
    return report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: 'EvalPlanQual recheck is not supported in index-only scans',
    });
  }
  protected reset(): void {
    this.#fresh = true;
  }
  override end(): void {
    if (this.#scan !== null) indexEndScan(this.#scan);
    this.#scan = null;
    releaseVmBuffer(this.#vm);
    relationClose(this.#index, NO_LOCK);
  }
}
