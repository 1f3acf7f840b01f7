/** record-columns.ts — what columns an anonymous record has, found by looking at where it comes from.
 *  Counterpart: expandRecordVariable of src/backend/parser/parse_target.c */
import type { FunctionResult } from '#catalog/function-result.ts';
import { TYPE } from '#catalog/oids.ts';
import type { RangeTblEntry } from '#nodes/parse-nodes.ts';
import { exprType } from '#nodes/node-funcs.ts';
import type { Expr, Var } from '#nodes/primitives.ts';
import { makeParseState, type ParseState } from '#parser/parse-state.ts';
import { ancestor, columnOfItem, expressionResult, rteColumns, rteOfVar } from '#parser/relation.ts';

const columnsOfRte = (rte: RangeTblEntry): FunctionResult => {
  const columns = rteColumns(rte, 1);
  return {
    kind: 'composite',
    type: TYPE.record,
    columns: {
      names: rte.eref.colnames,
      types: columns.map((c) => c.vartype),
      typmods: columns.map((c) => c.vartypmod),
      collations: columns.map((c) => c.varcollid),
    },
  };
};

/** Columns of a record-typed Var; null if nothing can be told. */
export function recordColumns(p: ParseState, v: Var): FunctionResult | null {
  const rte = rteOfVar(p, v);
  if (v.varattno === 0) return columnsOfRte(rte);
  let source: Expr | undefined;
  let state = ancestor(p, v.varlevelsup);
  if (rte.rtekind === 'subquery') {
    const target = rte.subquery.targetList.find((t) => t.resno === v.varattno && !t.resjunk);
    source = target?.expr;
    state = { ...makeParseState(state), rtable: rte.subquery.rtable };
  } else if (rte.rtekind === 'join') source = rte.joinaliasvars[v.varattno - 1];
  else if (rte.rtekind === 'cte' && !rte.selfReference) {
    const cte = ancestor(state, rte.ctelevelsup).ctes.find((c) => c.ctename === rte.ctename);
    if (cte !== undefined) {
      source = cte.ctequery.targetList.find((t) => t.resno === v.varattno && !t.resjunk)?.expr;
      state = { ...makeParseState(ancestor(state, rte.ctelevelsup)), rtable: cte.ctequery.rtable };
    }
  } else if (rte.rtekind === 'values') source = rte.valuesLists[0]?.[v.varattno - 1];
  if (source === undefined) return null;
  if (source.kind === 'Var' && exprType(source) === TYPE.record) return recordColumns(state, source);
  return expressionResult(source);
}

/** `wholerow.field` is the column itself. */
export function wholeRowField(p: ParseState, v: Var, field: string, location: number): Expr | null {
  const item = ancestor(p, v.varlevelsup).namespace.find((n) => n.rtindex === v.varno);
  return item === undefined ? null : columnOfItem(p, item, v.varlevelsup, field, location);
}
