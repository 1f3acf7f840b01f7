/** node-seq-scan.ts — a table from its first page to its last, and rows by their ctid.
 *
 *  The heap's scan says where the next visible tuple lies; only the columns that the plan mentions are taken out of it.
 *  The row is the node's own and is overwritten by the next one.
 *  Counterpart: src/backend/executor/nodeSeqscan.c, execScan.c */
import { heapDeform } from '#access/common/heap-tuple.ts';
import type { Relation } from '#access/common/relation-descriptor.ts';
import { heapBeginScan, type HeapScan } from '#access/heap/heap-scan.ts';
import type { Datum } from '#adt/datum.ts';
import type { EState, Row } from '#executor/estate.ts';
import { compiledFor } from '#executor/plan-state.ts';
import { columnsOfScan, ScanState, type ScanCode } from '#executor/scan-state.ts';
import type { ScanPlan, SeqScan } from '#nodes/plan-nodes.ts';
import type { Expr } from '#nodes/primitives.ts';
import { walkExpr } from '#nodes/visit.ts';

/** Which columns of a scanned relation a plan node looks at. */
export interface NeededColumns {
  /** How many leading columns to look at. */
  readonly count: number;
  /** 1 for each needed one; null if all of them are. */
  readonly mask: Uint8Array | null;
}
export function neededColumns(plan: ScanPlan, relation: Relation, more: readonly Expr[] = []): NeededColumns {
  const { natts } = relation.tupleDesc;
  const mask = new Uint8Array(natts);
  let wholeRow = false;
  const visit = (node: Expr): undefined => {
    if (node.kind !== 'Var' || node.varno !== plan.scanrelid) return;
    if (node.varattno === 0) wholeRow = true;
    else if (node.varattno > 0) mask[node.varattno - 1] = 1;
  };
  for (const target of plan.targetlist) walkExpr(target.expr, visit);
  for (const qual of plan.qual) walkExpr(qual, visit);
  for (const expr of more) walkExpr(expr, visit);
  if (wholeRow) return { count: natts, mask: null };
  const count = mask.lastIndexOf(1) + 1;
  return { count, mask: mask.subarray(0, count).every((bit) => bit === 1) ? null : mask };
}

interface SeqScanCode extends ScanCode {
  readonly needed: NeededColumns;
}

export class SeqScanState extends ScanState<SeqScan> {
  readonly #relation: Relation;
  readonly #needed: NeededColumns;
  readonly #row: Row;
  #scan: HeapScan | null = null;

  constructor(plan: SeqScan, estate: EState) {
    const relation = estate.relation(plan.scanrelid);
    const code = compiledFor(
      plan,
      estate,
      (scope): SeqScanCode => ({
        ...columnsOfScan(plan, scope, relation.tupleDesc.natts),
        needed: neededColumns(plan, relation),
      }),
    );
    super(plan, estate, code);
    this.#relation = relation;
    this.#needed = code.needed;
    this.#row = new Array<Datum>(relation.tupleDesc.natts).fill(null);
  }

  protected fetch(): Row | null {
    const scan = (this.#scan ??= this.#begin());
    if (!scan.next()) return null;
    const { count, mask } = this.#needed;
    if (count > 0) heapDeform(this.#relation.tupleDesc, scan.tupleAt, count, this.#row, mask ?? undefined);
    return this.#row;
  }
  #begin(): HeapScan {
    const scan = heapBeginScan(this.#relation, this.estate.snapshot!, [], {
      allowStrat: true,
      allowSync: true,
      allowPagemode: true,
    });
    this.context.tuple = scan;
    return scan;
  }
  protected reset(): void {
    this.#scan?.rescan();
  }
  override end(): void {
    this.#scan?.end();
    this.#scan = null;
  }
}
