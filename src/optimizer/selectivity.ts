/** selectivity.ts — how many rows a condition lets through, without statistics: PostgreSQL's defaults.
 *  Counterpart: src/backend/optimizer/path/clausesel.c, utils/adt/selfuncs.c */
import type { ArrayDatum } from '#adt/datum.ts';
import { TYPE } from '#catalog/oids.ts';
import { operatorRow, procRow } from '#catalog/syscache.ts';
import { exprType } from '#nodes/node-funcs.ts';
import type { Expr, JoinType, OpExpr, Var } from '#nodes/primitives.ts';
import type { ColumnStatistics } from '#optimizer/statistics.ts';
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
  if (tuples.unique) return { count: rows, guessed: false };
  if (rows < DEFAULT_NUM_DISTINCT) return { count: rows, guessed: false };
  return { count: DEFAULT_NUM_DISTINCT, guessed: true };
}

function equalitySelectivity(op: OpExpr, stats: StatsOf): number {
  const [left, right] = op.args as [Expr, Expr];
  const variable = pullVars(left).length > 0 ? left : right;
  if (pullVars(variable).length === 0) return DEFAULT_EQ;
  const other = variable === left ? right : left;
  if (other.kind === 'Const' && other.constisnull) return 0;
  return clampProbability(1 / distinctValues(variable, stats).count);
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
      return clampProbability(1 - equalitySelectivity(op, stats));
    }
    case 'scalarltsel':
    case 'scalarlesel':
    case 'scalargtsel':
    case 'scalargesel':
      return DEFAULT_INEQUALITY;
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
    case 'Var':
      return 0.5;
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
      const each =
        restrictName(op) === 'eqsel' ? 1 / distinctValues(scalar, stats).count : operatorSelectivity(op, stats);
      return arraySelectivity(each, arrayLength(array), clause.useOr, restrictName(op));
    }
    case 'NullTest':
      return clause.nulltesttype === 'is_null' ? DEFAULT_UNKNOWN : 1 - DEFAULT_UNKNOWN;
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
function rangeKey(clause: Expr): { key: string; low: boolean } | null {
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
  return { key: `${variable.varno}.${variable.varattno}`, low: less !== (variable === left) };
}

/** Selectivity of an AND list. */
export function clauseListSelectivity(clauses: readonly Expr[], stats: StatsOf): number {
  let selectivity = 1;
  const ranges = new Map<string, { low: number; high: number }>();
  for (const clause of clauses) {
    const range = rangeKey(clause);
    if (range === null) {
      selectivity *= clauseSelectivity(clause, stats);
      continue;
    }
    const entry = ranges.get(range.key) ?? { low: 0, high: 0 };
    if (range.low) entry.low++;
    else entry.high++;
    ranges.set(range.key, entry);
  }
  for (const { low, high } of ranges.values()) {
    if (low > 0 && high > 0) selectivity *= DEFAULT_RANGE_INEQUALITY;
    else selectivity *= DEFAULT_INEQUALITY ** Math.max(low, high);
  }
  return selectivity;
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
  if (jointype !== 'semi' && jointype !== 'anti') return 1 / Math.max(a.count, b.count);
  const leftIsOuter = pullVars(left).every((v) => (leftRelids & (1n << BigInt(v.varno))) !== 0n);
  const [outer, inner] = leftIsOuter ? [a, b] : [b, a];
  if (outer.guessed || inner.guessed) return 0.5;
  return outer.count <= inner.count || inner.count < 0 ? 1 : inner.count / outer.count;
}

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
