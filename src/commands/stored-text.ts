/** stored-text.ts — from a stored expression back to what a user would have written, as a tree of the grammar.
 *
 *  When a column changes its type, expressions over it have to be analysed again with the new one.
 *  Counterpart: pg_get_indexdef_command() and raw_parser() as ATPostAlterTypeParse() uses them */
import type { Node } from '@pgsql/types';
import { deparseStoredExpr } from '#catalog/deparse.ts';
import type { RelationData } from '#catalog/relcache.ts';
import type { Expr } from '#nodes/primitives.ts';
import { parseText } from '#parser/parse.ts';

export function rawExpression(rel: RelationData, expr: Expr): Node {
  const [statement] = parseText(`select ${deparseStoredExpr(expr, rel.oid, false)}`);
  const select = statement!.node as { SelectStmt: { targetList: { ResTarget: { val: Node } }[] } };
  return select.SelectStmt.targetList[0]!.ResTarget.val;
}
