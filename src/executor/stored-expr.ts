/** stored-expr.ts — expressions that the catalog keeps as text (checks, generated columns, index columns), compiled.
 *
 *  Their Vars have varno 1 and mean columns of the relation they belong to: the context's scan row.
 *  Counterpart: expression_planner() and ExecPrepareExpr() */
import type { Relation } from '#access/common/relation-descriptor.ts';
import type { Oid } from '#base/ids.ts';
import type { Eval } from '#executor/estate.ts';
import { compileExpr } from '#executor/expr-compile.ts';
import { noPrivileges, type RteRelation } from '#nodes/parse-nodes.ts';
import { stringToNode } from '#nodes/node-text.ts';
import type { Expr } from '#nodes/primitives.ts';
import { walkExpr } from '#nodes/visit.ts';

/** Simplifies an expression for execution: constants folded, functions inlined; with a type, coerced to that column. */
let prepare: (expr: Expr, type: Oid | null, typmod: number) => Expr = (expr) => expr;
export function setExpressionPlanner(by: (expr: Expr, type: Oid | null, typmod: number) => Expr): void {
  prepare = by;
}
export const planExpression = (expr: Expr): Expr => prepare(expr, null, -1);

/** The range table that a stored expression was made for. */
export function ownRangeTable(relation: Relation): RteRelation[] {
  const names = relation.tupleDesc.attrs.map((column) => column.name);
  return [
    {
      kind: 'RangeTblEntry',
      rtekind: 'relation',
      relid: relation.oid,
      relkind: relation.kind,
      rellockmode: 1,
      tablesample: null,
      alias: null,
      eref: { kind: 'Alias', aliasname: relation.name, colnames: names },
      lateral: false,
      inh: false,
      inFromCl: true,
      ...noPrivileges(),
    },
  ];
}

export const compileOver = (relation: Relation, expr: Expr, type: Oid | null = null, typmod = -1): Eval =>
  compileExpr(prepare(expr, type, typmod), { rtable: ownRangeTable(relation) });

/** Marks the columns of the relation that an expression reads; all of them for a whole-row reference. */
export function markColumns(expr: Expr, rti: number, mask: Uint8Array): void {
  walkExpr(expr, (node) => {
    if (node.kind === 'Var' && node.varno === rti) {
      if (node.varattno > 0) mask[node.varattno - 1] = 1;
      else if (node.varattno === 0) mask.fill(1);
    }
    return undefined;
  });
}
export const markStoredColumns = (text: string, mask: Uint8Array): void => {
  for (const expr of [stringToNode(text)].flat() as Expr[]) markColumns(expr, 1, mask);
};

export const compileStored = (relation: Relation, text: string, type: Oid | null = null, typmod = -1): Eval =>
  compileOver(relation, stringToNode(text) as Expr, type, typmod);
