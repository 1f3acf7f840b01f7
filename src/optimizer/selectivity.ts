/** selectivity.ts — how many rows a condition lets through; PostgreSQL's defaults where there are no statistics.
 *  Counterpart: src/backend/optimizer/path/clausesel.c, utils/adt/selfuncs.c */
import type { ArrayDatum } from '#adt/datum.ts';
import { TYPE } from '#catalog/oids.ts';
import { operatorRow, procRow } from '#catalog/syscache.ts';
import { exprType, makeConst } from '#nodes/node-funcs.ts';
import type { Const, Expr, JoinType, OpExpr, Var } from '#nodes/primitives.ts';
import { comparedWithConstant, equalsConstant, equalsUnknown } from '#optimizer/column-selectivity.ts';
import { clampRows } from '#optimizer/cost.ts';
import { type ColumnStatistics, STATISTIC_KIND, statisticSlot } from '#optimizer/statistics.ts';
import { pullVars } from '#optimizer/volatility.ts';

const DEFAULT_EQ = 0.005;
const DEFAULT_INEQUALITY = 0.3333333333333333;
const DEFAULT_RANGE_INEQUALITY = 0.005;
const DEFAULT_MATCH = 0.005;
const DEFAULT_UNKNOWN = 0.005;
const DEFAULT_NUM_DISTINCT = 200;

/** What is known of a variable's relation. */
export interface RelStats {
  readonly tuples: number;
  /** Every value appears once (VALUES, ordinality). */
  readonly unique: boolean;
  /** Rows that pass the relation's own conditions. */
  readonly rows: number;
  /** What ANALYZE knows of the column. */
  readonly column: ColumnStatistics | undefined;
}
export type StatsOf = (v: Var) => RelStats | undefined;

/** Estimated number of distinct values, and whether that is a mere guess. */
export function distinctValues(expr: Expr, stats: StatsOf): { count: number; guessed: boolean } {
  if (exprType(expr) === TYPE.bool) return { count: 2, guessed: false };
  let inner = expr;
  while (inner.kind === 'RelabelType') inner = inner.arg;
  const tuples = inner.kind === 'Var' ? stats(inner) : undefined;
  if (tuples === undefined) return { count: DEFAULT_NUM_DISTINCT, guessed: true };
  const rows = Math.max(1, Math.round(tuples.tuples));
  const { column } = tuples;
  if (column !== undefined && !tuples.unique && column.distinct !== 0) {
    const count = column.distinct > 0 ? column.distinct : -column.distinct * tuples.tuples;
    return { count: clampRows(count), guessed: false };
  }
  if (tuples.unique) return { count: rows, guessed: false };
  if (rows < DEFAULT_NUM_DISTINCT) return { count: rows, guessed: false };
  return { count: DEFAULT_NUM_DISTINCT, guessed: true };
}

/** What is known about the variable side of a comparison with something fixed. */
interface Comparison {
  readonly variable: Expr;
  readonly other: Expr;
  readonly onLeft: boolean;
  readonly stats: RelStats | undefined;
}
function comparisonOf(op: OpExpr, stats: StatsOf): Comparison | null {
  const [left, right] = op.args as [Expr, Expr];
  const onLeft = pullVars(left).length > 0;
  const variable = onLeft ? left : right;
  const other = onLeft ? right : left;
  if (pullVars(variable).length === 0 || pullVars(other).length > 0) return null;
  let bare = variable;
  while (bare.kind === 'RelabelType') bare = bare.arg;
  return { variable, other, onLeft, stats: bare.kind === 'Var' ? stats(bare) : undefined };
}

function equalitySelectivity(op: OpExpr, stats: StatsOf): number {
  const found = comparisonOf(op, stats);
  if (found === null) {
    const [left, right] = op.args as [Expr, Expr];
    const variable = pullVars(left).length > 0 ? left : right;
    return pullVars(variable).length === 0 ? DEFAULT_EQ : clampProbability(1 / distinctValues(variable, stats).count);
  }
  const { variable, other, onLeft, stats: known } = found;
  if (isNullConst(other)) return 0;
  const distinct = distinctValues(variable, stats).count;
  const column = known?.column;
  if (column === undefined || known?.unique === true) return clampProbability(1 / distinct);
  return other.kind === 'Const'
    ? equalsConstant(column, op, onLeft, other.constvalue, distinct)
    : equalsUnknown(column, distinct);
}

function inequalitySelectivity(op: OpExpr, stats: StatsOf, name: string): number {
  const found = comparisonOf(op, stats);
  if (found === null) return DEFAULT_INEQUALITY;
  const { variable, other, onLeft, stats: known } = found;
  if (isNullConst(other)) return 0;
  const column = known?.column;
  if (column === undefined || other.kind !== 'Const') return DEFAULT_INEQUALITY;
  const isGreater = name.startsWith('scalarg');
  const orEqual = name === 'scalarlesel' || name === 'scalargesel';
  const distinct = distinctValues(variable, stats).count;
  return comparedWithConstant(
    column,
    op,
    onLeft,
    other.constvalue,
    onLeft ? isGreater : !isGreater,
    orEqual,
    exprType(variable),
    distinct,
  );
}
export const clampProbability = (p: number): number => Math.max(0, Math.min(1, p));

const restrictName = (op: OpExpr): string => {
  const oprrest = operatorRow(op.opno)?.oprrest ?? 0;
  return oprrest === 0 ? '' : (procRow(oprrest as Parameters<typeof procRow>[0])?.proname ?? '');
};

function operatorSelectivity(op: OpExpr, stats: StatsOf): number {
  const name = restrictName(op);
  switch (name) {
    case 'eqsel':
      return equalitySelectivity(op, stats);
    case 'neqsel': {
      const [left, right] = op.args as [Expr, Expr];
      if (isNullConst(left) || isNullConst(right)) return 0;
      const nulls = comparisonOf(op, stats)?.stats?.column?.nullFraction ?? 0;
      return clampProbability(1 - equalitySelectivity(op, stats) - nulls);
    }
    case 'scalarltsel':
    case 'scalarlesel':
    case 'scalargtsel':
    case 'scalargesel':
      return inequalitySelectivity(op, stats, name);
    case 'likesel':
    case 'iclikesel':
    case 'regexeqsel':
    case 'icregexeqsel':
    case 'prefixsel':
      return DEFAULT_MATCH;
    case 'nlikesel':
    case 'icnlikesel':
    case 'regexnesel':
    case 'icregexnesel':
      return 1 - DEFAULT_MATCH;
    case 'matchingsel':
      return 0.01;
    case 'contsel':
      return 0.001;
    case 'areasel':
      return 0.005;
    case 'positionsel':
      return 0.1;
    default:
      return op.args.length === 1 || name === '' ? 0.5 : DEFAULT_EQ;
  }
}
const isNullConst = (expr: Expr): boolean => expr.kind === 'Const' && expr.constisnull;

/** Selectivity of one condition on a base relation or above joins. */
export function clauseSelectivity(clause: Expr, stats: StatsOf): number {
  switch (clause.kind) {
    case 'Const':
      return clause.constvalue === true ? 1 : 0;
    case 'Var': {
      const column = stats(clause)?.column;
      const common = column === undefined ? undefined : statisticSlot(column, STATISTIC_KIND.mcv);
      if (column === undefined || common === undefined) return 0.5;
      const at = common.values.indexOf(true);
      if (at >= 0) return clampProbability(common.numbers[at]!);
      return clampProbability(1 - common.numbers[0]! - column.nullFraction);
    }
    case 'BoolExpr': {
      if (clause.boolop === 'not') return 1 - clauseSelectivity(clause.args[0]!, stats);
      if (clause.boolop === 'and') return clauseListSelectivity(clause.args, stats);
      return clause.args.reduce((sum, arg) => {
        const s = clauseSelectivity(arg, stats);
        return sum + s - sum * s;
      }, 0);
    }
    case 'OpExpr':
      return operatorSelectivity(clause, stats);
    case 'DistinctExpr':
      return clampProbability(1 - equalitySelectivity({ ...clause, kind: 'OpExpr' }, stats));
    case 'FuncExpr':
      return DEFAULT_INEQUALITY;
    case 'ScalarArrayOpExpr': {
      const [scalar, array] = clause.args as [Expr, Expr];
      const op: OpExpr = {
        kind: 'OpExpr',
        opno: clause.opno,
        opfuncid: clause.opfuncid,
        opresulttype: TYPE.bool,
        opretset: false,
        opcollid: 0 as OpExpr['opcollid'],
        inputcollid: clause.inputcollid,
        args: [scalar, array],
        location: -1,
      };
      const constants = arrayConstants(array);
      if (constants !== null) {
        const each = constants.map((value) => operatorSelectivity({ ...op, args: [scalar, value] }, stats));
        return combinedSelectivity(each, clause.useOr, restrictName(op));
      }
      const each =
        restrictName(op) === 'eqsel' ? 1 / distinctValues(scalar, stats).count : operatorSelectivity(op, stats);
      return arraySelectivity(each, arrayLength(array), clause.useOr, restrictName(op));
    }
    case 'NullTest': {
      const known = clause.arg.kind === 'Var' ? stats(clause.arg)?.column?.nullFraction : undefined;
      const nulls = known ?? DEFAULT_UNKNOWN;
      return clause.nulltesttype === 'is_null' ? nulls : 1 - nulls;
    }
    case 'BooleanTest':
      switch (clause.booltesttype) {
        case 'is_unknown':
          return DEFAULT_UNKNOWN;
        case 'is_not_unknown':
          return 1 - DEFAULT_UNKNOWN;
        case 'is_true':
        case 'is_not_false':
          return clauseSelectivity(clause.arg, stats);
        default:
          return 1 - clauseSelectivity(clause.arg, stats);
      }
    case 'RelabelType':
      return clauseSelectivity(clause.arg, stats);
    case 'RowCompareExpr':
      return DEFAULT_INEQUALITY;
    default:
      return 0.5;
  }
}

/** The members of an array of constants as constants; null if there are none or it is something else. */
function arrayConstants(array: Expr): Const[] | null {
  if (array.kind !== 'Const' || array.constisnull) return null;
  const { elementType, elements } = array.constvalue as ArrayDatum;
  if (elements.length === 0) return null;
  return elements.map((value): Const => makeConst(elementType, -1, array.constcollid, value));
}
function combinedSelectivity(each: readonly number[], useOr: boolean, estimator: string): number {
  let together = useOr ? 0 : 1;
  let disjoint = useOr ? 0 : 1;
  for (const one of each) {
    together = useOr ? together + one - together * one : together * one;
    disjoint += useOr ? one : one - 1;
  }
  // Members of an IN list exclude each other.
  if ((useOr ? estimator === 'eqsel' : estimator === 'neqsel') && disjoint >= 0 && disjoint <= 1) return disjoint;
  return clampProbability(together);
}
function arrayLength(array: Expr): number {
  if (array.kind === 'Const' && !array.constisnull) return (array.constvalue as ArrayDatum).elements.length;
  if (array.kind === 'ArrayExpr') return array.elements.length;
  return 10;
}
function arraySelectivity(each: number, count: number, useOr: boolean, estimator: string): number {
  if (useOr) {
    const disjoint = each * count;
    // Members of an IN list exclude each other.
    if (estimator === 'eqsel' && disjoint <= 1) return disjoint;
    return 1 - (1 - each) ** count;
  }
  if (estimator === 'neqsel') {
    const disjoint = 1 + count * (each - 1);
    if (disjoint >= 0) return disjoint;
  }
  return each ** count;
}

/** Key of the variable side of `var < const` style conditions, to recognise ranges. */
function rangeKey(clause: Expr): { key: string; low: boolean; variable: Expr } | null {
  if (clause.kind !== 'OpExpr' || clause.args.length !== 2) return null;
  const name = restrictName(clause);
  const less = name === 'scalarltsel' || name === 'scalarlesel';
  if (!less && name !== 'scalargtsel' && name !== 'scalargesel') return null;
  const [left, right] = clause.args as [Expr, Expr];
  const variable =
    left.kind === 'Var' && pullVars(right).length === 0
      ? left
      : right.kind === 'Var' && pullVars(left).length === 0
        ? right
        : null;
  if (variable === null) return null;
  return { key: `${variable.varno}.${variable.varattno}`, low: less !== (variable === left), variable };
}

/** Selectivity of an AND list. */
export function clauseListSelectivity(clauses: readonly Expr[], stats: StatsOf): number {
  if (clauses.length === 1) return clauseSelectivity(clauses[0]!, stats);
  let selectivity = 1;
  /** By variable: its best lower and upper bound. */
  const ranges = new Map<string, { low: number; high: number; variable: Expr }>();
  for (const clause of clauses) {
    const range = rangeKey(clause);
    const own = clauseSelectivity(clause, stats);
    if (range === null) {
      selectivity *= own;
      continue;
    }
    const entry = ranges.get(range.key);
    if (entry === undefined)
      ranges.set(range.key, { low: range.low ? own : -1, high: range.low ? -1 : own, variable: range.variable });
    else if (range.low) entry.low = entry.low < 0 ? own : Math.min(entry.low, own);
    else entry.high = entry.high < 0 ? own : Math.min(entry.high, own);
  }
  for (const { low, high, variable } of ranges.values()) {
    if (low < 0 || high < 0) selectivity *= Math.max(low, high);
    else selectivity *= rangeSelectivity(low, high, variable, stats);
  }
  return selectivity;
}
/** Both bounds of a range: what one lets through and the other does not keep out. */
function rangeSelectivity(low: number, high: number, variable: Expr, stats: StatsOf): number {
  if (low === DEFAULT_INEQUALITY || high === DEFAULT_INEQUALITY) return DEFAULT_RANGE_INEQUALITY;
  const nulls = variable.kind === 'Var' ? (stats(variable)?.column?.nullFraction ?? DEFAULT_UNKNOWN) : DEFAULT_UNKNOWN;
  const both = low + high - 1 + nulls;
  if (both > 0) return both;
  return both < -0.01 ? DEFAULT_RANGE_INEQUALITY : 1.0e-10;
}

/** Selectivity of a join condition relative to the cross product (semi, anti: relative to the outer rows). */
export function joinSelectivity(
  clauses: readonly Expr[],
  jointype: JoinType,
  stats: StatsOf,
  leftRelids: bigint,
): number {
  return clauses.reduce((product, clause) => product * joinClauseSelectivity(clause, jointype, stats, leftRelids), 1);
}
function joinClauseSelectivity(clause: Expr, jointype: JoinType, stats: StatsOf, leftRelids: bigint): number {
  if (clause.kind === 'OpExpr' && clause.args.length === 2) {
    const name = joinName(clause);
    const [left, right] = clause.args as [Expr, Expr];
    if (name === 'eqjoinsel' || name === 'neqjoinsel') {
      if (pullVars(left).length === 0 || pullVars(right).length === 0) return clauseSelectivity(clause, stats);
      const s = equalityJoin(left, right, jointype, stats, leftRelids);
      return name === 'eqjoinsel' ? s : clampProbability(1 - s);
    }
    if (name.startsWith('scalar')) return DEFAULT_INEQUALITY;
  }
  if (clause.kind === 'BoolExpr' && clause.boolop === 'or') {
    return clause.args.reduce((sum, arg) => {
      const s = joinClauseSelectivity(arg, jointype, stats, leftRelids);
      return sum + s - sum * s;
    }, 0);
  }
  if (clause.kind === 'BoolExpr' && clause.boolop === 'and') {
    return joinSelectivity(clause.args, jointype, stats, leftRelids);
  }
  return clauseSelectivity(clause, stats);
}
function joinName(op: OpExpr): string {
  const oprjoin = operatorRow(op.opno)?.oprjoin ?? 0;
  return oprjoin === 0 ? '' : (procRow(oprjoin as Parameters<typeof procRow>[0])?.proname ?? '');
}
function equalityJoin(left: Expr, right: Expr, jointype: JoinType, stats: StatsOf, leftRelids: bigint): number {
  const a = distinctValues(left, stats);
  const b = distinctValues(right, stats);
  const present = (1 - nullsOf(left, stats)) * (1 - nullsOf(right, stats));
  if (jointype !== 'semi' && jointype !== 'anti') return present / Math.max(a.count, b.count);
  const leftIsOuter = pullVars(left).every((v) => (leftRelids & (1n << BigInt(v.varno))) !== 0n);
  const [outer, inner] = leftIsOuter ? [a, b] : [b, a];
  const [outerExpr, innerExpr] = leftIsOuter ? [left, right] : [right, left];
  // No more values can be there than rows that its own conditions leave.
  const innerRows = rowsOf(innerExpr, stats);
  const clamped = innerRows !== undefined && inner.count >= innerRows;
  const innerCount = clamped ? innerRows : inner.count;
  const nulls = nullsOf(outerExpr, stats);
  const known = !outer.guessed && (!inner.guessed || clamped);
  const matched = (known ? (outer.count <= innerCount ? 1 : innerCount / outer.count) : 0.5) * (1 - nulls);
  // An outer row has a match no more often than an inner join would give rows for it.
  return innerRows === undefined ? matched : Math.min(matched, (innerRows * present) / Math.max(a.count, b.count));
}
const rowsOf = (expr: Expr, stats: StatsOf): number | undefined =>
  expr.kind === 'Var' ? stats(expr)?.rows : expr.kind === 'RelabelType' ? rowsOf(expr.arg, stats) : undefined;
const nullsOf = (expr: Expr, stats: StatsOf): number =>
  expr.kind === 'Var'
    ? (stats(expr)?.column?.nullFraction ?? 0)
    : expr.kind === 'RelabelType'
      ? nullsOf(expr.arg, stats)
      : 0;

/** Number of groups that rows fall into by some expressions. */
export function estimateGroups(exprs: readonly Expr[], rows: number, stats: StatsOf): number {
  if (exprs.length === 0 || rows <= 1) return 1;
  const perRelation = new Map<number, { product: number; tuples: number; columns: number; largest: number }>();
  let product = 1;
  const seen = new Set<string>();
  for (const expr of exprs) {
    if (exprType(expr) === TYPE.bool && expr.kind !== 'Var') {
      product *= 2;
      continue;
    }
    for (const v of pullVars(expr)) {
      const key = `${v.varno}.${v.varattno}`;
      if (seen.has(key)) continue;
      seen.add(key);
      const count = distinctValues(v, stats).count;
      const entry = perRelation.get(v.varno) ?? {
        product: 1,
        tuples: stats(v)?.tuples ?? rows,
        columns: 0,
        largest: 0,
      };
      entry.product *= count;
      entry.columns++;
      entry.largest = Math.max(entry.largest, count);
      perRelation.set(v.varno, entry);
    }
  }
  for (const entry of perRelation.values()) {
    let groups = entry.product;
    if (entry.tuples > 0) {
      // Several columns of one relation are rarely independent.
      let clamp = entry.tuples;
      if (entry.columns > 1) {
        clamp = Math.max(entry.tuples * 0.1, Math.min(entry.largest, entry.tuples));
      }
      groups = Math.min(groups, clamp);
      // Only some of the relation's rows arrive: some values may be missing.
      if (groups > 0 && rows < entry.tuples) {
        groups *= 1 - ((entry.tuples - rows) / entry.tuples) ** (entry.tuples / groups);
      }
    }
    product *= Math.max(1, Math.round(groups));
  }
  return Math.max(1, Math.min(Math.ceil(product), rows));
}
