/** index-plan.ts — the plan node of an index path.
 *
 *  Conditions are kept twice: with the index's columns, for the index, and with the table's, for whoever checks a row
 *  again or explains the plan.
 *  Counterpart: create_indexscan_plan(), fix_indexqual_references() of src/backend/optimizer/plan/createplan.c */
import {
  equal,
  exprCollation,
  exprType,
  exprTypmod,
  implicitAnd,
  makeTargetEntry,
  makeVar,
} from '#nodes/node-funcs.ts';
import type { Plan } from '#nodes/plan-nodes.ts';
import { type Expr, INDEX_VAR, type TargetEntry, type Var } from '#nodes/primitives.ts';
import { type BitmapPath, type BitmapTree, conditionOf, treeCost } from '#optimizer/bitmap-paths.ts';
import { clampRows } from '#optimizer/cost.ts';
import { predicateImpliedBy } from '#optimizer/predicate-test.ts';
import type { IndexClause } from '#optimizer/index-match.ts';
import { matchesOperand } from '#optimizer/index-match.ts';
import type { IndexPath } from '#optimizer/index-paths.ts';
import { baseFields } from '#optimizer/plan-make.ts';
import type { IndexOptInfo } from '#optimizer/relation-info.ts';

export function indexVar(index: IndexOptInfo, column: number): Var {
  const operand = index.operands[column]!;
  const v = makeVar(INDEX_VAR, column + 1, exprType(operand), exprTypmod(operand), exprCollation(operand));
  v.varnosyn = 0;
  v.varattnosyn = 0;
  return v;
}

/** The condition with the index's columns on the left. */
export function indexQual(index: IndexOptInfo, clause: IndexClause, qual: Expr): Expr {
  const left = indexVar(index, clause.column);
  switch (qual.kind) {
    case 'OpExpr':
    case 'ScalarArrayOpExpr':
      return { ...qual, args: [left, qual.args[1]!] };
    case 'NullTest':
      return { ...qual, arg: left };
    case 'RowCompareExpr':
      return {
        ...qual,
        largs: qual.largs.map((arg, i) => {
          const column = clause.columns[i]!;
          if (!matchesOperand(arg, index, column)) throw new Error('index key does not match expected index column');
          return indexVar(index, column);
        }),
      };
    default:
      throw new Error(`unsupported indexqual type: ${qual.kind}`);
  }
}

export const indexTargets = (index: IndexOptInfo): TargetEntry[] =>
  index.operands.map((operand, column) => makeTargetEntry(operand, column + 1, null, index.canReturn[column] !== true));

export function makeIndexScan(
  path: IndexPath,
  rtindex: number,
  targets: TargetEntry[],
  fix: (expr: Expr) => Expr,
): Plan {
  const { index } = path;
  const quals = path.clauses.flatMap((clause) => clause.quals.map((qual) => indexQual(index, clause, fix(qual))));
  const original = path.clauses.flatMap((clause) => clause.quals.map(fix));
  const fields = { ...baseFields(targets), scanrelid: rtindex, qual: path.filters.map(fix), indexid: index.oid };
  const indexorderdir = path.backward ? 'backward' : 'forward';
  if (path.indexOnly) {
    return {
      kind: 'IndexOnlyScan',
      ...fields,
      indexqual: quals,
      recheckqual: original,
      indexorderby: [],
      indextlist: indexTargets(index),
      indexorderdir,
    };
  }
  return {
    kind: 'IndexScan',
    ...fields,
    indexqual: quals,
    indexqualorig: original,
    indexorderby: [],
    indexorderbyorig: [],
    indexorderdir,
  };
}

/** The scan of a table whose places a bitmap tree gives. `quals` are all conditions on the rows. */
export function makeBitmapScan(
  path: BitmapPath,
  rtindex: number,
  targets: TargetEntry[],
  quals: readonly Expr[],
  size: TableSize,
  fix: (expr: Expr) => Expr,
): Plan {
  const condition = implicitAnd(conditionOf(path.tree));
  const filters = quals.filter(
    (qual) => !condition.some((known) => equal(known, qual)) && !predicateImpliedBy([qual], condition),
  );
  return {
    kind: 'BitmapHeapScan',
    ...baseFields(targets, makeBitmapTree(path.tree, rtindex, size, fix)),
    scanrelid: rtindex,
    qual: filters.map(fix),
    bitmapqualorig: condition.map(fix),
  };
}

/** Rows of the table, and those that pass its conditions. */
interface TableSize {
  readonly tuples: number;
  readonly rows: number;
}
function makeBitmapTree(tree: BitmapTree, rtindex: number, size: TableSize, fix: (expr: Expr) => Expr): Plan {
  if (tree.kind === 'index') {
    const { clauses, index, access } = tree.path;
    return {
      kind: 'BitmapIndexScan',
      ...baseFields([]),
      startupCost: 0,
      totalCost: access.total,
      planRows: clampRows(access.selectivity * size.tuples),
      planWidth: 0,
      scanrelid: rtindex,
      indexid: index.oid,
      indexqual: clauses.flatMap((clause) => clause.quals.map((qual) => indexQual(index, clause, fix(qual)))),
      indexqualorig: clauses.flatMap((clause) => clause.quals.map(fix)),
    };
  }
  const bitmapplans = tree.inputs.map((input) => makeBitmapTree(input, rtindex, size, fix));
  const { total, selectivity } = treeCost(tree, size.rows);
  return {
    kind: tree.kind === 'and' ? 'BitmapAnd' : 'BitmapOr',
    ...baseFields([]),
    startupCost: total,
    totalCost: total,
    planRows: clampRows(selectivity * size.tuples),
    planWidth: 0,
    bitmapplans,
  };
}
