/** trigger-condition.ts — the WHEN clause of CREATE TRIGGER: an expression over OLD (1) and NEW (2).
 *  Counterpart: the part of CreateTrigger() in src/backend/commands/trigger.c that reads whenClause */
import type { Node } from '@pgsql/types';
import { TRIGGER_TYPE } from '#catalog/internal-trigger.ts';
import type { RelationData } from '#catalog/relcache.ts';
import { classRow } from '#catalog/syscache.ts';
import { varsOf } from '#commands/cook-constraint.ts';
import { nodeToString } from '#nodes/node-text.ts';
import type { RangeTblEntry } from '#nodes/parse-nodes.ts';
import type { Expr, Var } from '#nodes/primitives.ts';
import { coerceToBoolean } from '#parser/coerce.ts';
import { assignExprCollations } from '#parser/collate.ts';
import { transformExpr } from '#parser/expr.ts';
import { fail, makeParseState, type ParseState } from '#parser/parse-state.ts';
import { addRelation, makeAlias } from '#parser/relation.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export interface CookedWhen {
  readonly expr: Expr;
  readonly text: string;
  readonly rtable: readonly RangeTblEntry[];
}
const OLD = 1;

export function cookWhen(rel: RelationData, raw: Node, type: number, sourceText: string): CookedWhen {
  const p = makeParseState(null, sourceText);
  for (const name of ['old', 'new'])
    p.namespace.push(addRelation(p, classRow(rel.oid)!, makeAlias(name), false, false));
  const expr = coerceToBoolean(p, transformExpr(p, raw, 'trigger_when'), 'WHEN');
  assignExprCollations(p, expr);
  for (const v of varsOf([expr])) checkVar(p, rel, v, type);
  return { expr, text: nodeToString(expr), rtable: p.rtable };
}

function checkVar(p: ParseState, rel: RelationData, v: Var, type: number): void {
  const refuse = (message: string): never => fail(p, SQLSTATE.invalidObjectDefinition, message, v.location);
  if ((type & TRIGGER_TYPE.row) === 0) {
    refuse("statement trigger's WHEN condition cannot reference column values");
  }
  if (v.varno === OLD) {
    if ((type & TRIGGER_TYPE.insert) !== 0) refuse("INSERT trigger's WHEN condition cannot reference OLD values");
    return;
  }
  if ((type & TRIGGER_TYPE.delete) !== 0) refuse("DELETE trigger's WHEN condition cannot reference NEW values");
  if ((type & TRIGGER_TYPE.before) === 0) return;
  if (v.varattno < 0) {
    fail(
      p,
      SQLSTATE.featureNotSupported,
      "BEFORE trigger's WHEN condition cannot reference NEW system columns",
      v.location,
    );
  }
  const message = "BEFORE trigger's WHEN condition cannot reference NEW generated columns";
  const code = SQLSTATE.invalidObjectDefinition;
  if (v.varattno === 0 && rel.tupleDesc.hasGeneratedStored) {
    fail(p, code, message, v.location, {
      detail: 'A whole-row reference is used and the table contains generated columns.',
    });
  }
  const column = v.varattno > 0 ? rel.tupleDesc.attrs[v.varattno - 1]! : null;
  if (column !== null && column.generated !== '') {
    fail(p, code, message, v.location, { detail: `Column "${column.name}" is a generated column.` });
  }
}
