/** node-result.ts — rows from nowhere, or from a child under a condition that is tested once.
 *  Counterpart: src/backend/executor/nodeResult.c, nodeProjectSet.c */
import type { Datum } from '#adt/datum.ts';
import type { SetIterator } from '#adt/fmgr.ts';
import { TYPE } from '#catalog/oids.ts';
import type { EState, Eval, Row } from '#executor/estate.ts';
import { callInfoFor, compileExpr, compileProjection, compileQual, recordShape } from '#executor/expr-compile.ts';
import { setCall } from '#executor/function-call.ts';
import { compiledFor, PlanState } from '#executor/plan-state.ts';
import { columnLists, resultColumns } from '#executor/rte-columns.ts';
import type { ProjectSet, Result } from '#nodes/plan-nodes.ts';
import type { Expr, FuncExpr, OpExpr } from '#nodes/primitives.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';

export class ResultState extends PlanState<Result> {
  readonly #code;
  readonly #out: Row;
  #done = false;
  #checked = false;
  constructor(
    plan: Result,
    estate: EState,
    readonly outer: PlanState | null,
  ) {
    super(plan, estate);
    this.#code = compiledFor(plan, estate, (scope) => ({
      once: compileQual(plan.resconstantqual, scope),
      qual: compileQual(plan.qual, scope),
      project: compileProjection(plan.targetlist, scope, plan.lefttree?.targetlist.length ?? -1),
    }));
    this.#out = new Array<Datum>(plan.targetlist.length).fill(null);
  }

  next(): Row | null {
    if (this.#done) return null;
    const { once, qual, project } = this.#code;
    const context = this.context;
    if (!this.#checked) {
      this.#checked = true;
      if (once !== null && once(context) !== true) {
        this.#done = true;
        return null;
      }
    }
    if (this.outer === null) {
      this.#done = true;
      if (qual !== null && qual(context) !== true) return null;
      if (project !== null) project(context, this.#out);
      return this.#out;
    }
    for (let row = this.outer.next(); row !== null; row = this.outer.next()) {
      context.outer = row;
      if (qual !== null && qual(context) !== true) continue;
      if (project === null) return row;
      project(context, this.#out);
      return this.#out;
    }
    this.#done = true;
    return null;
  }

  protected reset(): void {
    this.#done = false;
    this.#checked = false;
    this.outer?.rescan();
  }
}

/** One set-returning function of the target list while its rows are being given out. */
interface SetTarget {
  readonly args: readonly Eval[];
  readonly open: (args: readonly Datum[]) => SetIterator;
  /** A function of several columns gives records here. */
  readonly shape: ReturnType<typeof recordShape> | null;
}

/** Set-returning functions run in step; one that ends early gives nulls until the longest ends. A set inside an
 *  expression is computed below by another ProjectSet, so a set is always the top of its target entry. */
export class ProjectSetState extends PlanState<ProjectSet> {
  readonly #code;
  readonly #iterators: (SetIterator | null)[];
  readonly #finished: boolean[];
  readonly #out: Row;
  #open = false;
  constructor(
    plan: ProjectSet,
    estate: EState,
    readonly outer: PlanState,
  ) {
    super(plan, estate);
    this.#code = compiledFor(plan, estate, (scope) =>
      plan.targetlist.map(({ expr }): SetTarget | Eval => {
        const set = asSet(expr);
        if (set === null) return compileExpr(expr, scope);
        const columns = set.resulttype === TYPE.record || set.columns !== undefined ? set.columns : undefined;
        return {
          args: set.args.map((arg) => compileExpr(arg, scope)),
          open: setCall({
            ...callInfoFor(set.funcid, set.args, set.collation, set.resulttype, set.variadic),
            ...(columns === undefined ? {} : { resultColumns: columnLists(columns) }),
          }),
          shape: columns === undefined ? null : recordShape(columns),
        };
      }),
    );
    this.#iterators = this.#code.map(() => null);
    this.#finished = this.#code.map(() => true);
    this.#out = new Array<Datum>(plan.targetlist.length).fill(null);
  }

  next(): Row | null {
    for (;;) {
      checkForInterrupts();
      if (!this.#open) {
        const row = this.outer.next();
        if (row === null) return null;
        this.context.outer = row;
        this.#start();
      }
      if (this.#step()) return this.#out;
      this.#open = false;
    }
  }

  #start(): void {
    this.#open = true;
    this.#code.forEach((target, i) => {
      if (typeof target === 'function') return;
      this.#iterators[i] = target.open(target.args.map((arg) => arg(this.context)));
      this.#finished[i] = false;
    });
  }

  #step(): boolean {
    let any = false;
    for (let i = 0; i < this.#code.length; i++) {
      const target = this.#code[i]!;
      if (typeof target === 'function') continue;
      this.#out[i] = null;
      if (this.#finished[i]) continue;
      const iterator = this.#iterators[i]!;
      if (iterator.next()) {
        any = true;
        const value = iterator.value;
        this.#out[i] = Array.isArray(value) ? { ...target.shape!, values: value.slice() } : (value as Datum);
      } else {
        this.#finished[i] = true;
        this.#iterators[i] = null;
      }
    }
    if (!any) return false;
    for (let i = 0; i < this.#code.length; i++) {
      const target = this.#code[i]!;
      if (typeof target === 'function') this.#out[i] = target(this.context);
    }
    return true;
  }

  protected reset(): void {
    this.#open = false;
    this.outer.rescan();
  }
}

function asSet(expr: Expr) {
  if (expr.kind === 'FuncExpr' && expr.funcretset) {
    const node: FuncExpr = expr;
    return {
      funcid: node.funcid,
      args: node.args,
      resulttype: node.funcresulttype,
      collation: node.inputcollid,
      variadic: node.funcvariadic,
      columns: resultColumns(node),
    };
  }
  if (expr.kind === 'OpExpr' && expr.opretset) {
    const node: OpExpr = expr;
    return {
      funcid: node.opfuncid,
      args: node.args,
      resulttype: node.opresulttype,
      collation: node.inputcollid,
      variadic: false,
      columns: undefined,
    };
  }
  return null;
}
