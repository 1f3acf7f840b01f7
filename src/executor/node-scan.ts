/** node-scan.ts — the nodes that bring rows in that no table holds: functions, VALUES, sub-selects, CTEs, work tables.
 *
 *  A function in FROM is iterated, never stored, unless the scan will be asked to start over; then its rows are kept as
 *  they pass by.
 *  Counterpart: src/backend/executor/nodeFunctionscan.c, nodeValuesscan.c,
 *  nodeSubqueryscan.c, nodeCtescan.c, nodeWorktablescan.c */
import type { Datum } from '#adt/datum.ts';
import type { SetIterator } from '#adt/fmgr.ts';
import { TYPE } from '#catalog/oids.ts';
import { typeRelid } from '#catalog/syscache.ts';
import type { EState, Eval, Row, RowSource } from '#executor/estate.ts';
import { callInfoFor, compileExpr, compileProjection, compileQual } from '#executor/expr-compile.ts';
import { isRecord, setCall } from '#executor/function-call.ts';
import { compiledFor, type InitFlags, type PlanState } from '#executor/plan-state.ts';
import { columnLists, functionColumns } from '#executor/rte-columns.ts';
import { columnCount, scanCode, ScanState } from '#executor/scan-state.ts';
import type { CteScan, FunctionScan, Plan, SubqueryScan, ValuesScan, WorkTableScan } from '#nodes/plan-nodes.ts';
import type { RangeTblFunction } from '#nodes/parse-nodes.ts';
import type { Expr } from '#nodes/primitives.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

interface FunctionSource {
  readonly args: readonly Eval[];
  readonly open: (args: readonly Datum[]) => SetIterator;
  readonly width: number;
  /** The function returns rows, which become columns. */
  readonly composite: boolean;
}

export class FunctionScanState extends ScanState<FunctionScan> {
  readonly #sources: readonly FunctionSource[];
  readonly #iterators: (SetIterator | null)[];
  readonly #row: Row;
  readonly #kept: Row[] | null;
  #position = 0;
  #opened = false;
  #stamp = 0;
  #exhausted = false;
  constructor(plan: FunctionScan, estate: EState, flags: InitFlags) {
    const code = compiledFor(plan, estate, (scope) => ({
      qual: compileQual(plan.qual, scope),
      project: compileProjection(plan.targetlist, scope, columnCount(plan, estate)),
      sources: plan.functions.map((fn) => compileSource(fn, (arg) => compileExpr(arg, scope))),
    }));
    super(plan, estate, code);
    this.#sources = code.sources;
    this.#iterators = code.sources.map(() => null);
    this.#row = new Array<Datum>(columnCount(plan, estate)).fill(null);
    this.#kept = flags.rewind ? [] : null;
  }

  protected fetch(): Row | null {
    const kept = this.#kept;
    if (kept === null) return this.#produce();
    if (this.#position < kept.length) return kept[this.#position++]!;
    const row = this.#produce();
    if (row === null) return null;
    const copy = row.slice();
    kept.push(copy);
    this.#position++;
    return copy;
  }

  #produce(): Row | null {
    if (this.#exhausted) return null;
    if (!this.#opened) this.#open();
    const row = this.#row;
    let any = false;
    let column = 0;
    for (let i = 0; i < this.#sources.length; i++) {
      const source = this.#sources[i]!;
      const iterator = this.#iterators[i]!;
      if (iterator !== null && iterator.next()) {
        any = true;
        if (source.composite) spread(iterator.value, row, column, source.width);
        else row[column] = iterator.value as Datum;
      } else {
        this.#iterators[i] = null;
        for (let k = 0; k < source.width; k++) row[column + k] = null;
      }
      column += source.width;
    }
    if (!any) {
      this.#exhausted = true;
      return null;
    }
    if (this.plan.funcordinality) row[column] = (row[column] as number) + 1;
    return row;
  }

  #open(): void {
    this.#opened = true;
    this.#stamp = this.estate.clock;
    this.#sources.forEach((source, i) => {
      this.#iterators[i] = source.open(source.args.map((arg) => arg(this.context)));
    });
    if (this.plan.funcordinality) this.#row[this.#row.length - 1] = 0;
  }

  protected reset(): void {
    this.#position = 0;
    if (this.#kept !== null && this.#opened && !this.estate.changedSince(this.plan.allParam, this.#stamp)) return;
    if (this.#kept !== null) this.#kept.length = 0;
    this.#opened = false;
    this.#exhausted = false;
  }
}

function compileSource(fn: RangeTblFunction, compile: (arg: Expr) => Eval): FunctionSource {
  const expr = fn.funcexpr;
  const columns = functionColumns(fn);
  if (expr.kind !== 'FuncExpr') {
    // The planner folded the call, or it is no call at all (CURRENT_USER in FROM): one row.
    const value = compile(expr);
    return {
      args: [value],
      open: ([result]) => singleRow(result!),
      width: columns.length,
      composite: columns.length !== 1 || typeRelid(columns[0]!.type) !== 0,
    };
  }
  const composite = expr.funcresulttype === TYPE.record || typeRelid(expr.funcresulttype) !== 0;
  return {
    args: expr.args.map(compile),
    open: setCall({
      ...callInfoFor(expr.funcid, expr.args, expr.inputcollid, expr.funcresulttype, expr.funcvariadic),
      ...(composite ? { resultColumns: columnLists(columns) } : {}),
    }),
    width: columns.length,
    composite,
  };
}
function singleRow(value: Datum): SetIterator {
  let given = false;
  return {
    value,
    next: () => {
      const first = !given;
      given = true;
      return first;
    },
  };
}
function spread(value: Datum | readonly Datum[], row: Row, column: number, width: number): void {
  if (value === null) {
    for (let k = 0; k < width; k++) row[column + k] = null;
    return;
  }
  const values = isRecord(value) ? value.values : Array.isArray(value) ? (value as readonly Datum[]) : [value as Datum];
  if (values.length !== width) {
    report('ERROR', {
      code: SQLSTATE.datatypeMismatch,
      message: 'function return row and query-specified return row do not match',
      detail: `Returned row contains ${values.length} attribute${values.length === 1 ? '' : 's'}, but query expects ${width}.`,
    });
  }
  for (let k = 0; k < width; k++) row[column + k] = values[k]!;
}

export class ValuesScanState extends ScanState<ValuesScan> {
  readonly #lists: readonly (readonly Eval[])[];
  readonly #row: Row;
  #index = 0;
  constructor(plan: ValuesScan, estate: EState) {
    const width = plan.valuesLists[0]?.length ?? 0;
    const code = compiledFor(plan, estate, (scope) => ({
      qual: compileQual(plan.qual, scope),
      project: compileProjection(plan.targetlist, scope, width),
      lists: plan.valuesLists.map((list) => list.map((expr) => compileExpr(expr, scope))),
    }));
    super(plan, estate, code);
    this.#lists = code.lists;
    this.#row = new Array<Datum>(width).fill(null);
  }
  protected fetch(): Row | null {
    const list = this.#lists[this.#index];
    if (list === undefined) return null;
    this.#index++;
    for (let i = 0; i < list.length; i++) this.#row[i] = list[i]!(this.context);
    return this.#row;
  }
  protected reset(): void {
    this.#index = 0;
  }
}

export class SubqueryScanState extends ScanState<SubqueryScan> {
  constructor(
    plan: SubqueryScan,
    estate: EState,
    readonly subplan: PlanState,
  ) {
    super(plan, estate, scanCode(plan, estate, plan.subplan.targetlist.length));
  }
  protected fetch(): Row | null {
    return this.subplan.next();
  }
  protected reset(): void {
    this.subplan.rescan();
  }
}

/** The rows of a CTE: computed as far as its hungriest reader got. */
export class CteSource implements RowSource {
  readonly #rows: Row[] = [];
  #stamp = -1;
  #done = false;
  constructor(
    readonly plan: Plan,
    readonly estate: EState,
    readonly planId: number,
  ) {}
  rowAt(index: number): Row | null {
    const runner = this.estate.subplan(this.planId);
    if (this.#stamp < 0) this.#stamp = this.estate.clock;
    while (!this.#done && this.#rows.length <= index) {
      const row = runner.next();
      if (row === null) this.#done = true;
      else this.#rows.push(row.slice());
    }
    return this.#rows[index] ?? null;
  }
  rescan(): void {
    if (this.#stamp < 0 || !this.estate.changedSince(this.plan.allParam, this.#stamp)) return;
    this.#rows.length = 0;
    this.#done = false;
    this.#stamp = this.estate.clock;
    this.estate.subplan(this.planId).rescan();
  }
}

export class CteScanState extends ScanState<CteScan> {
  readonly #source: CteSource;
  #index = 0;
  constructor(plan: CteScan, estate: EState) {
    super(plan, estate, scanCode(plan, estate, columnCount(plan, estate)));
    const id = plan.ctePlanId;
    this.#source = (estate.ctes[id - 1] ??= new CteSource(estate.stmt.subplans[id - 1]!, estate, id)) as CteSource;
  }
  protected fetch(): Row | null {
    const row = this.#source.rowAt(this.#index);
    if (row !== null) this.#index++;
    return row;
  }
  protected reset(): void {
    this.#index = 0;
    this.#source.rescan();
  }
}

export class WorkTableScanState extends ScanState<WorkTableScan> {
  #index = 0;
  constructor(plan: WorkTableScan, estate: EState) {
    super(plan, estate, scanCode(plan, estate, columnCount(plan, estate)));
  }
  protected fetch(): Row | null {
    const table = this.estate.workTables[this.plan.wtParam];
    if (table === undefined) throw new Error('work table scan outside of its recursive union');
    const row = table.rowAt(this.#index);
    if (row !== null) this.#index++;
    return row;
  }
  protected reset(): void {
    this.#index = 0;
  }
}
