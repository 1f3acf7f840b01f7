/** inline-function.ts — SQL-language functions whose body is one expression become that expression; set-returning
 *  ones in FROM become a sub-select.
 *
 *  Analysis of the body is the parser's; it is handed in, because a body may also be given as SQL-standard text.
 *  Counterpart: inline_function(), inline_set_returning_function() of src/backend/optimizer/util/clauses.c */
import type { Oid } from '#base/ids.ts';
import { LANGUAGE } from '#catalog/oids.ts';
import { procRow } from '#catalog/syscache.ts';
import type { ProcRow } from '#catalog/rows.ts';
import { exprType } from '#nodes/node-funcs.ts';
import type { Query } from '#nodes/parse-nodes.ts';
import type { Expr, FuncExpr, Param } from '#nodes/primitives.ts';
import { anyExpr, rewriteExpr } from '#nodes/visit.ts';
import { containsVolatile } from '#optimizer/volatility.ts';

/** The analyzed statements of a function's body with $n as extern Params, or null if it cannot be had. */
export type BodyAnalyzer = (proc: ProcRow, argTypes: readonly Oid[]) => Query[] | null;
let analyzeBody: BodyAnalyzer = () => null;
export function setFunctionBodyAnalyzer(analyzer: BodyAnalyzer): void {
  analyzeBody = analyzer;
}

/** Deeper nesting is taken for recursion. */
const MAX_DEPTH = 10;

/** Is the query `SELECT expr` and nothing else? */
function bareSelect(query: Query): boolean {
  return (
    query.commandType === 'select' &&
    query.rtable.length === 0 &&
    query.jointree.fromlist.length === 0 &&
    query.jointree.quals === null &&
    query.cteList.length === 0 &&
    !query.hasAggs &&
    !query.hasWindowFuncs &&
    !query.hasTargetSRFs &&
    !query.hasSubLinks &&
    query.groupClause.length === 0 &&
    query.groupingSets.length === 0 &&
    query.havingQual === null &&
    query.sortClause.length === 0 &&
    query.limitCount === null &&
    query.limitOffset === null &&
    query.setOperations === null &&
    query.targetList.length === 1
  );
}

const VOLATILITY = { i: 0, s: 1, v: 2 } as const;

export function inlineFunction(call: FuncExpr, depth: number, fold: (expr: Expr) => Expr): Expr | null {
  const proc = procRow(call.funcid);
  if (proc === undefined || proc.prolang !== LANGUAGE.sql || proc.prokind !== 'f' || depth > MAX_DEPTH) return null;
  if (proc.proretset || proc.prosecdef || proc.proconfig !== null) return null;
  const body = analyzeBody(proc, call.args.map(exprType));
  if (body === null || body.length !== 1 || !bareSelect(body[0]!)) return null;
  const expr = body[0]!.targetList[0]!.expr;
  if (exprType(expr) !== call.funcresulttype) return null;
  // A body more volatile than declared must keep being called as declared.
  if (VOLATILITY[proc.provolatile as 'i'] < 2 && containsVolatile(expr)) return null;
  if (proc.proisstrict && !passesNullsThrough(expr, call.args.length)) return null;
  const uses = new Array<number>(call.args.length).fill(0);
  anyExpr(expr, (node) => {
    if (node.kind === 'Param' && node.paramkind === 'extern') uses[node.paramid - 1]!++;
    return false;
  });
  // An argument used twice must be cheap and constant within a row.
  for (let i = 0; i < uses.length; i++) {
    const arg = call.args[i]!;
    if (uses[i] !== 1 && containsVolatile(arg)) return null;
    if (uses[i]! > 1 && anyExpr(arg, (node) => node.kind === 'SubLink' || node.kind === 'SubPlan')) return null;
  }
  const inlined = rewriteExpr(expr, (node) =>
    node.kind === 'Param' && node.paramkind === 'extern' ? call.args[(node as Param).paramid - 1]! : node,
  );
  return fold(inlined);
}

/** A strict function may be inlined if its expression is null whenever one of its arguments is. */
function passesNullsThrough(expr: Expr, args: number): boolean {
  const strict = new Set<number>();
  const visit = (node: Expr): void => {
    switch (node.kind) {
      case 'Param':
        strict.add(node.paramid);
        return;
      case 'FuncExpr':
        if (procRow(node.funcid)?.proisstrict === true) node.args.forEach(visit);
        return;
      case 'OpExpr':
        if (procRow(node.opfuncid)?.proisstrict === true) node.args.forEach(visit);
        return;
      case 'RelabelType':
      case 'CoerceViaIO':
        visit(node.arg);
        return;
      default:
    }
  };
  visit(expr);
  return strict.size === args;
}

/** The body of a set-returning SQL function in FROM as a sub-select, or null. Arguments may be any expression: they
 *  stand one level deeper inside. */
export function inlineSetFunction(expr: Expr): Query | null {
  if (expr.kind !== 'FuncExpr' || !expr.funcretset) return null;
  const proc = procRow(expr.funcid);
  if (proc === undefined || proc.prolang !== LANGUAGE.sql || proc.provolatile === 'v') return null;
  if (proc.proisstrict || proc.prosecdef || proc.proconfig !== null) return null;
  if (expr.args.some((arg) => containsVolatile(arg) || anyExpr(arg, (node) => node.kind === 'SubLink'))) return null;
  const body = analyzeBody(proc, expr.args.map(exprType));
  if (body === null || body.length !== 1 || body[0]!.commandType !== 'select') return null;
  return body[0]!;
}
