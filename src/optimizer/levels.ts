/** levels.ts — moving expressions and queries between query levels and range tables.
 *  Counterpart: OffsetVarNodes(), IncrementVarSublevelsUp() of src/backend/rewrite/rewriteManip.c */
import type { Query, RangeTblEntry } from '#nodes/parse-nodes.ts';
import type { Expr, FromNode } from '#nodes/primitives.ts';
import { rewriteExpr, rewriteQueryExprs } from '#nodes/visit.ts';

function shiftNode(node: Expr, delta: number, minLevel: number): Expr {
  switch (node.kind) {
    case 'Var':
      return node.varlevelsup >= minLevel ? { ...node, varlevelsup: node.varlevelsup + delta } : node;
    case 'Aggref':
    case 'GroupingFunc':
      return node.agglevelsup >= minLevel ? { ...node, agglevelsup: node.agglevelsup + delta } : node;
    default:
      return node;
  }
}
const shiftRte = (rte: RangeTblEntry, delta: number, minLevel: number): RangeTblEntry =>
  rte.rtekind === 'cte' && rte.ctelevelsup >= minLevel ? { ...rte, ctelevelsup: rte.ctelevelsup + delta } : rte;

/** Adds `delta` to the level of everything that refers to `minLevel` or above, seen from the expression. */
export function shiftExprLevels(expr: Expr, delta: number, minLevel = 0): Expr {
  if (delta === 0) return expr;
  return rewriteExpr(
    expr,
    (node, level) => shiftNode(node, delta, minLevel + level),
    0,
    (rte, level) => shiftRte(rte, delta, minLevel + level),
  );
}
export function shiftQueryLevels(query: Query, delta: number, minLevel: number): Query {
  return rewriteQueryExprs(
    query,
    (node, level) => shiftNode(node, delta, minLevel + level),
    0,
    (rte, level) => shiftRte(rte, delta, minLevel + level),
  );
}

export function offsetFrom(node: FromNode, offset: number): FromNode {
  switch (node.kind) {
    case 'RangeTblRef':
      return { ...node, rtindex: node.rtindex + offset };
    case 'JoinExpr':
      return {
        ...node,
        larg: offsetFrom(node.larg, offset),
        rarg: offsetFrom(node.rarg, offset),
        rtindex: node.rtindex === 0 ? 0 : node.rtindex + offset,
      };
    case 'FromExpr':
      return { ...node, fromlist: node.fromlist.map((child) => offsetFrom(child, offset)) };
  }
}
/** Renumbers the query's own range table by `offset`. */
export function offsetQuery(query: Query, offset: number): Query {
  if (offset === 0) return query;
  const moved = rewriteQueryExprs(query, (node, level) =>
    node.kind === 'Var' && node.varlevelsup === level
      ? { ...node, varno: node.varno + offset, varnosyn: node.varnosyn === 0 ? 0 : node.varnosyn + offset }
      : node,
  );
  return {
    ...moved,
    jointree: offsetFrom(moved.jointree, offset) as Query['jointree'],
    rowMarks: moved.rowMarks.map((mark) => ({ ...mark, rti: mark.rti + offset })),
  };
}
