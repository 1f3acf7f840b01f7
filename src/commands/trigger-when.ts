/** trigger-when.ts — the WHEN condition of a trigger: OLD is the outer row, NEW the inner one.
 *  Counterpart: the part of TriggerEnabled() in src/backend/commands/trigger.c that evaluates tgqual */
import type { Relation } from '#access/common/relation-descriptor.ts';
import type { Trigger } from '#commands/trigger-data.ts';
import { ExprContext, NO_ROW, type EState, type Row } from '#executor/estate.ts';
import { compileExpr } from '#executor/expr-compile.ts';
import { ownRangeTable, planExpression } from '#executor/stored-expr.ts';
import { stringToNode } from '#nodes/node-text.ts';
import type { Expr } from '#nodes/primitives.ts';

/** Compiled for one statement. */
export function triggerCondition(
  trigger: Trigger,
  relation: Relation,
  estate: EState,
): (oldRow: Row | null, newRow: Row | null) => boolean {
  const tree = replaceRows(stringToNode(trigger.tgqual!)) as Expr;
  const table = ownRangeTable(relation)[0]!;
  const test = compileExpr(planExpression(tree), { rtable: [table, table] });
  const context = new ExprContext(estate);
  return (oldRow, newRow) => {
    context.outer = oldRow ?? NO_ROW;
    context.inner = newRow ?? NO_ROW;
    return test(context) === true;
  };
}
/** OLD (1) and NEW (2) become what a join calls its sides. */
const SIDES: Readonly<Record<number, number>> = { 1: -2, 2: -1 };
function replaceRows(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(replaceRows);
  if (node === null || typeof node !== 'object' || node instanceof Uint8Array) return node;
  const made: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(node)) made[key] = replaceRows(value);
  if (made['kind'] === 'Var') made['varno'] = SIDES[made['varno'] as number] ?? made['varno'];
  return made;
}
