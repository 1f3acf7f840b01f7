/** expr-subplan.ts — sub-selects inside expressions: run per outer row, hashed, or once as an init plan.
 *  Counterpart: src/backend/executor/nodeSubplan.c */
import type { Datum } from '#adt/datum.ts';
import { makeArray } from '#executor/expr-array.ts';
import { compileExpr, type CompileScope } from '#executor/expr-compile.ts';
import type { Eval, EState, ExprContext, Row, SubPlanRunner } from '#executor/estate.ts';
import { type Equals, equalityFor, type KeyMaker, keyMakerFor } from '#executor/sort-support.ts';
import type { Expr, OpExpr, Param, SubPlan } from '#nodes/primitives.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';

const tooManyRows = (): never =>
  report('ERROR', {
    code: SQLSTATE.cardinalityViolation,
    message: 'more than one row returned by a subquery used as an expression',
  });

/** The result of a sub-select that has just been rescanned, for the kinds that need no test expression. */
function resultOf(node: SubPlan, runner: SubPlanRunner): Datum {
  switch (node.subLinkType) {
    case 'exists':
      return runner.next() !== null;
    case 'expr': {
      const row = runner.next();
      if (row === null) return null;
      const value = row[0]!;
      if (runner.next() !== null) return tooManyRows();
      return value;
    }
    case 'array': {
      const values: Datum[] = [];
      for (let row = runner.next(); row !== null; row = runner.next()) values.push(row[0]!);
      return collectArray(node, values);
    }
    default:
      throw new Error(`sub-select of kind ${node.subLinkType} has no plain result`);
  }
}

function collectArray(node: SubPlan, values: Datum[]): Datum {
  const first = values.find((value) => value !== null);
  if (
    first === null ||
    typeof first !== 'object' ||
    first === undefined ||
    !('kind' in first) ||
    first.kind !== 'array'
  ) {
    return makeArray(node.firstColType, values);
  }
  // ARRAY(SELECT array) nests; members must agree in shape.
  const members = values.filter((value) => value !== null) as (typeof first)[];
  const present = members.filter((member) => member.dims.length > 0);
  if (present.length === 0) return makeArray(first.elementType, []);
  const shape = present[0]!;
  if (values.some((value) => value === null)) {
    return report('ERROR', { code: SQLSTATE.nullValueNotAllowed, message: 'cannot accumulate null arrays' });
  }
  if (present.length !== members.length) {
    return report('ERROR', { code: SQLSTATE.arraySubscriptError, message: 'cannot accumulate empty arrays' });
  }
  for (const member of present) {
    if (member.dims.length !== shape.dims.length || member.dims.some((length, i) => length !== shape.dims[i])) {
      return report('ERROR', {
        code: SQLSTATE.arraySubscriptError,
        message: 'cannot accumulate arrays of different dimensionality',
      });
    }
  }
  return {
    kind: 'array',
    elementType: shape.elementType,
    dims: [present.length, ...shape.dims],
    lowerBounds: [1, ...shape.lowerBounds],
    elements: present.flatMap((member) => member.elements),
  };
}

export function compileSubPlan(node: SubPlan, scope: CompileScope): Eval {
  if (node.useHashTable) return compileHashed(node, scope);
  const args = node.args.map((arg) => compileExpr(arg, scope));
  const start = (c: ExprContext): SubPlanRunner => {
    const estate = c.estate;
    const runner = estate.subplan(node.planId);
    for (let i = 0; i < args.length; i++) estate.setParam(node.parParam[i]!, args[i]!(c));
    runner.rescan();
    return runner;
  };
  const kind = node.subLinkType;
  if (kind === 'exists' || kind === 'expr' || kind === 'array') return (c) => resultOf(node, start(c));
  if (kind === 'rowcompare') return compileRowCompareSubPlan(node, scope, start);
  if (kind === 'multiexpr') {
    return (c) => {
      setColumns(node, start(c), c.estate);
      return null;
    };
  }
  if (kind !== 'any' && kind !== 'all') throw new Error(`unexpected sub-select kind ${kind}`);
  const test = compileExpr(node.testexpr!, scope);
  const useOr = kind === 'any';
  const ids = node.paramIds;
  return (c) => {
    const runner = start(c);
    let anyNull = false;
    for (let row = runner.next(); row !== null; row = runner.next()) {
      for (let i = 0; i < ids.length; i++) c.estate.setParam(ids[i]!, row[i]!);
      const verdict = test(c);
      if (verdict === null) anyNull = true;
      else if (verdict === useOr) return useOr;
    }
    return anyNull ? null : !useOr;
  };
}

function compileRowCompareSubPlan(node: SubPlan, scope: CompileScope, start: (c: ExprContext) => SubPlanRunner): Eval {
  const test = compileExpr(node.testexpr!, scope);
  const ids = node.paramIds;
  return (c) => {
    const runner = start(c);
    const row = runner.next();
    if (row === null) return null;
    for (let i = 0; i < ids.length; i++) c.estate.setParam(ids[i]!, row[i]!);
    const verdict = test(c);
    if (runner.next() !== null) return tooManyRows();
    return verdict;
  };
}

/** One comparison `outer = column` of a hashed sub-select. */
interface HashColumn {
  readonly outer: Eval;
  readonly column: number;
  readonly outerKey: KeyMaker;
  readonly innerKey: KeyMaker;
  readonly equals: Equals;
}
interface SubPlanTable {
  readonly rows: Map<unknown, Row[]>;
  readonly withNulls: Row[];
  count: number;
}

/** A key over several columns; exactness is checked by equals anyway. */
function combinedKey(keys: unknown[]): unknown {
  return keys.length === 1 ? keys[0] : keys.join('\u0001');
}

/** Splits the test expression into its equality operators; the planner only hashes such. */
export function hashableOperators(testexpr: Expr): OpExpr[] {
  if (testexpr.kind === 'BoolExpr') return testexpr.args as OpExpr[];
  return [testexpr as OpExpr];
}

function compileHashed(node: SubPlan, scope: CompileScope): Eval {
  const columns: HashColumn[] = hashableOperators(node.testexpr!).map((op) => {
    const [left, right] = op.args as [Expr, Param];
    return {
      outer: compileExpr(left, scope),
      column: node.paramIds.indexOf(stripRelabel(right).paramid),
      outerKey: keyMakerFor(op.opno, op.inputcollid),
      innerKey: keyMakerFor(op.opno, op.inputcollid, true),
      equals: equalityFor(op.opno, op.inputcollid),
    };
  });
  // What would be null is false where nobody can tell.
  const unknown = node.unknownEqFalse ? false : null;
  const values: Datum[] = new Array(columns.length);
  return (c) => {
    const table = hashTableOf(node, columns, c.estate);
    if (table.count === 0) return false;
    let anyNull = false;
    for (let i = 0; i < columns.length; i++) {
      values[i] = columns[i]!.outer(c);
      if (values[i] === null) anyNull = true;
    }
    if (!anyNull) {
      const bucket = table.rows.get(combinedKey(columns.map((column, i) => column.outerKey.key(values[i]!))));
      if (bucket?.some((row) => columns.every((column, i) => column.equals(values[i]!, row[column.column]!))))
        return true;
      return table.withNulls.some((row) => partialMatch(columns, values, row)) ? unknown : false;
    }
    if (columns.length === 1) return unknown;
    for (const bucket of table.rows.values())
      if (bucket.some((row) => partialMatch(columns, values, row))) return unknown;
    return table.withNulls.some((row) => partialMatch(columns, values, row)) ? unknown : false;
  };
}
function stripRelabel(node: Expr): Param {
  let inner = node;
  while (inner.kind === 'RelabelType') inner = inner.arg;
  return inner as Param;
}
/** Every column equal or null on a side. */
function partialMatch(columns: HashColumn[], values: Datum[], row: Row): boolean {
  return columns.every((column, i) => {
    const inner = row[column.column]!;
    return inner === null || values[i] === null || column.equals(values[i]!, inner);
  });
}

function hashTableOf(node: SubPlan, columns: HashColumn[], estate: EState): SubPlanTable {
  const runner = estate.subplan(node.planId);
  if (runner.hashTable !== undefined && !estate.changedSince(runner.allParam, runner.hashStamp)) {
    return runner.hashTable as SubPlanTable;
  }
  const table: SubPlanTable = { rows: new Map(), withNulls: [], count: 0 };
  runner.rescan();
  for (let row = runner.next(); row !== null; row = runner.next()) {
    if ((++table.count & 255) === 0) checkForInterrupts();
    const kept = row.slice();
    if (columns.some((column) => kept[column.column] === null)) {
      table.withNulls.push(kept);
      continue;
    }
    const key = combinedKey(columns.map((column) => column.innerKey.key(kept[column.column]!)));
    const bucket = table.rows.get(key);
    if (bucket === undefined) table.rows.set(key, [kept]);
    else bucket.push(kept);
  }
  runner.hashTable = table;
  runner.hashStamp = estate.clock;
  return table;
}

/** The columns of the only row go to the params; nulls if there is none. */
function setColumns(node: SubPlan, runner: SubPlanRunner, estate: EState): void {
  const row = runner.next()?.slice() ?? null;
  if (row !== null && runner.next() !== null) tooManyRows();
  for (let i = 0; i < node.setParam.length; i++) estate.setParam(node.setParam[i]!, row === null ? null : row[i]!);
}

/** Arms the params of an init plan: the first reader computes it. */
export function armInitPlan(node: SubPlan, estate: EState): void {
  if (node.subLinkType === 'cte') return;
  const pending = { evaluate: () => evaluateInitPlan(node, estate) };
  for (const id of node.setParam) estate.pending[id] = pending;
}
function evaluateInitPlan(node: SubPlan, estate: EState): void {
  const runner = estate.subplan(node.planId);
  runner.rescan();
  runner.hashStamp = estate.clock;
  if (node.subLinkType === 'rowcompare' || node.subLinkType === 'multiexpr') setColumns(node, runner, estate);
  else estate.setParam(node.setParam[0]!, resultOf(node, runner));
}
