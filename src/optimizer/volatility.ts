/** volatility.ts — what an expression contains: volatile functions, sets, aggregates, variables, sub-selects.
 *  Counterpart: contain_volatile_functions() etc. of src/backend/optimizer/util/clauses.c, util/var.c */
import { procRow } from '#catalog/syscache.ts';
import type { Query } from '#nodes/parse-nodes.ts';
import type { Expr, Var } from '#nodes/primitives.ts';
import { anyExpr, forEachChild, walkQuery } from '#nodes/visit.ts';
import type { Oid } from '#base/ids.ts';

const isVolatile = (funcid: Oid): boolean => (procRow(funcid)?.provolatile ?? 'v') === 'v';

function volatileNode(node: Expr): boolean {
  switch (node.kind) {
    case 'FuncExpr':
      return isVolatile(node.funcid);
    case 'OpExpr':
    case 'DistinctExpr':
    case 'NullIfExpr':
    case 'ScalarArrayOpExpr':
      return isVolatile(node.opfuncid);
    case 'NextValueExpr':
      return true;
    case 'SubLink':
      return queryContainsVolatile(node.subselect);
    default:
      return false;
  }
}
export const containsVolatile = (expr: Expr): boolean => anyExpr(expr, volatileNode);
export function queryContainsVolatile(query: Query): boolean {
  let found = false;
  walkQuery(query, (node) => {
    if (node.kind !== 'SubLink' && volatileNode(node)) found = true;
  });
  return found;
}

/** A set-returning function or operator at the top of an expression. */
export const isSetReturning = (node: Expr): boolean =>
  (node.kind === 'FuncExpr' && node.funcretset) || (node.kind === 'OpExpr' && node.opretset);
export const containsSet = (expr: Expr): boolean => anyExpr(expr, isSetReturning);

export const containsAgg = (expr: Expr): boolean =>
  anyExpr(expr, (node) => (node.kind === 'Aggref' || node.kind === 'GroupingFunc') && node.agglevelsup === 0);
export const containsWindow = (expr: Expr): boolean => anyExpr(expr, (node) => node.kind === 'WindowFunc');
export const containsSubLink = (expr: Expr): boolean => anyExpr(expr, (node) => node.kind === 'SubLink');
export const containsSubPlan = (expr: Expr): boolean => anyExpr(expr, (node) => node.kind === 'SubPlan');

/** Variables of this query level, those inside SubLinks' queries included. */
export function pullVars(expr: Expr, level = 0, out: Var[] = []): Var[] {
  if (expr.kind === 'Var') {
    if (expr.varlevelsup === level) out.push(expr);
  } else if (expr.kind === 'SubLink') {
    walkQuery(expr.subselect, (node, depth) => {
      if (node.kind === 'Var' && node.varlevelsup === level + depth + 1) out.push(node);
    });
  }
  forEachChild(expr, (child) => {
    pullVars(child, level, out);
  });
  return out;
}

/** Vars, and aggregates and window functions taken as wholes. */
export function pullVarsAndAggs(expr: Expr, out: Expr[] = []): Expr[] {
  if (expr.kind === 'Var' || expr.kind === 'Aggref' || expr.kind === 'WindowFunc' || expr.kind === 'GroupingFunc') {
    out.push(expr);
    return out;
  }
  forEachChild(expr, (child) => {
    pullVarsAndAggs(child, out);
  });
  return out;
}

/** Relations of this level that an expression reads, as a bit set. */
export function relidsOf(expr: Expr): bigint {
  let relids = 0n;
  for (const v of pullVars(expr)) relids |= 1n << BigInt(v.varno);
  return relids;
}
export const isSubset = (a: bigint, b: bigint): boolean => (a & ~b) === 0n;
export const bit = (varno: number): bigint => 1n << BigInt(varno);
export function countBits(set: bigint): number {
  let count = 0;
  for (let rest = set; rest !== 0n; rest &= rest - 1n) count++;
  return count;
}

/** Is the expression null whenever a variable of `relids` is, so that it rejects null-extended rows? Conservative. */
export function nonNullableRelids(quals: readonly Expr[]): bigint {
  let relids = 0n;
  for (const qual of quals) relids |= nonNullable(qual, true);
  return relids;
}
function nonNullable(node: Expr, top: boolean): bigint {
  switch (node.kind) {
    case 'Var':
      return node.varlevelsup === 0 ? bit(node.varno) : 0n;
    case 'OpExpr':
      if (procRow(node.opfuncid)?.proisstrict !== true) return 0n;
      return node.args.reduce((set, arg) => set | nonNullable(arg, false), 0n);
    case 'FuncExpr':
      if (procRow(node.funcid)?.proisstrict !== true) return 0n;
      return node.args.reduce((set, arg) => set | nonNullable(arg, false), 0n);
    case 'ScalarArrayOpExpr':
      // An empty array makes ALL true and ANY false without looking at the value.
      if (!top || !node.useOr || procRow(node.opfuncid)?.proisstrict !== true) return 0n;
      return nonNullable(node.args[0]!, false);
    case 'RelabelType':
    case 'CoerceViaIO':
    case 'CollateExpr':
    case 'ArrayCoerceExpr':
      return nonNullable(node.arg, false);
    case 'NullTest':
      if (!top || node.argisrow || node.nulltesttype !== 'is_not_null') return 0n;
      return nonNullable(node.arg, false);
    case 'BooleanTest':
      if (!top) return 0n;
      if (
        node.booltesttype === 'is_true' ||
        node.booltesttype === 'is_false' ||
        node.booltesttype === 'is_not_unknown'
      ) {
        return nonNullable(node.arg, false);
      }
      return 0n;
    case 'BoolExpr': {
      if (node.boolop === 'not') return nonNullable(node.args[0]!, false);
      const sets = node.args.map((arg) => nonNullable(arg, top));
      if (node.boolop === 'and' && top) return sets.reduce((a, b) => a | b, 0n);
      return sets.reduce((a, b) => a & b);
    }
    default:
      return 0n;
  }
}
