/** scan-state.ts — what all nodes that bring rows in have in common: fetch, filter, project.
 *
 *  While a changed row is evaluated again (eval-plan-qual.ts) a relation's scan gives its substitute instead.
 *  Counterpart: src/backend/executor/execScan.c */
import type { Datum } from '#adt/datum.ts';
import type { EState, Eval, Row } from '#executor/estate.ts';
import { type CompileScope, compileProjection, compileQual, type Projection } from '#executor/expr-compile.ts';
import { compiledFor, PlanState } from '#executor/plan-state.ts';
import type { ScanPlan } from '#nodes/plan-nodes.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';

/** What a scan node compiles of its plan. */
export interface ScanCode {
  readonly qual: Eval | null;
  readonly project: Projection | null;
}

export abstract class ScanState<P extends ScanPlan> extends PlanState<P> {
  readonly #qual: Eval | null;
  readonly #project: Projection | null;
  readonly #out: Row;
  readonly #substitutable: boolean;
  #ticks = 0;
  protected constructor(plan: P, estate: EState, code: ScanCode) {
    super(plan, estate);
    this.#qual = code.qual;
    this.#project = code.project;
    this.#out = new Array<Datum>(plan.targetlist.length).fill(null);
    this.#substitutable = estate.substitutes?.has(plan.scanrelid) === true;
  }

  protected abstract fetch(): Row | null;

  next(): Row | null {
    const context = this.context;
    const qual = this.#qual;
    const project = this.#project;
    for (;;) {
      if ((++this.#ticks & 127) === 0) checkForInterrupts();
      const row = this.#substitutable ? this.#substitute() : this.fetch();
      if (row === null) return null;
      context.scan = row;
      if (qual !== null && qual(context) !== true) {
        if (this.estate.instrument) this.instrumentation!.filtered++;
        continue;
      }
      if (project === null) return row;
      project(context, this.#out);
      return this.#out;
    }
  }

  /** The one row that stands for this relation, if it passes what the access path would have checked. */
  #substitute(): Row | null {
    const found = this.estate.substitutes!.get(this.plan.scanrelid)!;
    if (found.given || found.row === null) return null;
    found.given = true;
    this.context.scan = found.row;
    this.context.tuple = found.tuple;
    return this.recheck() ? found.row : null;
  }
  /** Conditions that the scan itself enforces, tested on the context's scan row. */
  protected recheck(): boolean {
    return true;
  }
  /** A scan that starts over gives its substitute again. */
  override rescan(): void {
    if (this.#substitutable) this.estate.substitutes!.get(this.plan.scanrelid)!.given = false;
    super.rescan();
  }
}

/** The code of a scan whose rows have `width` columns. */
export const columnsOfScan = (plan: ScanPlan, scope: CompileScope, width: number): ScanCode => ({
  qual: compileQual(plan.qual, scope),
  project: compileProjection(plan.targetlist, scope, width),
});
export const scanCode = (plan: ScanPlan, estate: EState, width: number): ScanCode =>
  compiledFor(plan, estate, (scope) => columnsOfScan(plan, scope, width));
export const columnCount = (plan: ScanPlan, estate: EState): number =>
  estate.stmt.rtable[plan.scanrelid - 1]!.eref.colnames.length;
