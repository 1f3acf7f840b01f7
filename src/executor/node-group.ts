/** node-group.ts — GROUP BY without aggregates over sorted input.
 *  Counterpart: src/backend/executor/nodeGroup.c */
import type { Datum } from '#adt/datum.ts';
import type { EState, Row } from '#executor/estate.ts';
import { compileProjection, compileQual } from '#executor/expr-compile.ts';
import { columnEqualities, rowsEqual } from '#executor/node-limit.ts';
import { compiledFor, PlanState } from '#executor/plan-state.ts';
import type { Group } from '#nodes/plan-nodes.ts';

export class GroupState extends PlanState<Group> {
  readonly #code;
  readonly #out: Row;
  #last: Row | null = null;
  constructor(
    plan: Group,
    estate: EState,
    readonly outer: PlanState,
  ) {
    super(plan, estate);
    this.#code = compiledFor(plan, estate, (scope) => ({
      qual: compileQual(plan.qual, scope),
      project: compileProjection(plan.targetlist, scope, -1)!,
      columns: columnEqualities(plan.grpColIdx, plan.grpOperators, plan.grpCollations),
    }));
    this.#out = new Array<Datum>(plan.targetlist.length).fill(null);
  }
  next(): Row | null {
    const { qual, project, columns } = this.#code;
    for (let row = this.outer.next(); row !== null; row = this.outer.next()) {
      if (this.#last !== null && rowsEqual(this.#last, row, columns)) continue;
      this.#last = row.slice();
      this.context.outer = row;
      if (qual !== null && qual(this.context) !== true) continue;
      project(this.context, this.#out);
      return this.#out;
    }
    return null;
  }
  protected reset(): void {
    this.#last = null;
    this.outer.rescan();
  }
}
