/** stored-text.ts — from a stored expression back to what a user would have written, as a tree of the grammar.
 *
 *  When a column changes its type, expressions over it have to be analysed again with the new one.
 *  Counterpart: pg_get_indexdef_command() and raw_parser() as ATPostAlterTypeParse() uses them */
import type { Node } from '@pgsql/types';
import type { RelationData } from '#catalog/relcache.ts';
import { deparse, type DeparseContext } from '#commands/explain-deparse.ts';
import { ownRangeTable } from '#executor/stored-expr.ts';
import type { Expr } from '#nodes/primitives.ts';
import { parseText } from '#parser/parse.ts';

/** Columns without the table's name, as in CHECK and index definitions. */
export function expressionText(rel: RelationData, expr: Expr): string {
  const context: DeparseContext = {
    stmt: { rtable: ownRangeTable(rel), subplans: [] } as unknown as DeparseContext['stmt'],
    names: [rel.name],
    plan: { kind: 'SeqScan' } as unknown as DeparseContext['plan'],
    ancestors: [],
    prefix: false,
  };
  return deparse(expr, context);
}
export function rawExpression(rel: RelationData, expr: Expr): Node {
  const [statement] = parseText(`select ${expressionText(rel, expr)}`);
  const select = statement!.node as { SelectStmt: { targetList: { ResTarget: { val: Node } }[] } };
  return select.SelectStmt.targetList[0]!.ResTarget.val;
}
