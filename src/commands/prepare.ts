/** prepare.ts — PREPARE, EXECUTE, DEALLOCATE.
 *  Counterpart: src/backend/commands/prepare.c */
import type { Datum } from '#adt/datum.ts';
import { formatType } from '#catalog/format-type.ts';
import type { Oid } from '#base/ids.ts';
import type { BoundParams, DestReceiver, ResultColumn } from '#nodes/exec-nodes.ts';
import { exprLocation, exprType } from '#nodes/node-funcs.ts';
import { makeQuery } from '#nodes/parse-nodes.ts';
import type { Expr } from '#nodes/primitives.ts';
import { planQuery } from '#optimizer/planner.ts';
import type { Body } from '#parser/ast.ts';
import { tagOf } from '#parser/ast.ts';
import { coerceToTargetType } from '#parser/coerce.ts';
import { transformExpr } from '#parser/expr.ts';
import { makeTargetEntry } from '#parser/make-nodes.ts';
import { makeParseState, positionOf } from '#parser/parse-state.ts';
import { resolveTypeName } from '#parser/type-name.ts';
import type { RawStatement } from '#parser/parse.ts';
import { commandTag, type QueryCompletion } from '#portal/command-tags.ts';
import { analyzeAndRewrite, CachedPlanSource } from '#portal/plan-cache.ts';
import { createNewPortal, definePortalQuery, dropPortal } from '#portal/portal.ts';
import { FETCH_ALL, runPortal, runQuery, startPortal } from '#portal/portal-run.ts';
import {
  dropAllPreparedStatements,
  dropPreparedStatement,
  fetchPreparedStatement,
  storePreparedStatement,
} from '#portal/prepared.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { statementTimestamp } from '#transam/xact.ts';

const UNKNOWN_OID = 705;

/** PREPARE name [(types)] AS statement. `text` is the whole source, `start`..`end` this statement in it. */
export function prepareQuery(stmt: Body<'PrepareStmt'>, text: string, start: number, end: number): void {
  const name = stmt.name ?? '';
  if (name === '')
    report('ERROR', {
      code: SQLSTATE.invalidPstatementDefinition,
      message: 'invalid statement name: must not be empty',
    });
  const p = makeParseState(null, text);
  const types = (stmt.argtypes ?? []).map((node) => resolveTypeName(p, (node as { TypeName: never }).TypeName).type);
  const query = stmt.query!;
  switch (tagOf(query)) {
    case 'SelectStmt':
    case 'InsertStmt':
    case 'UpdateStmt':
    case 'DeleteStmt':
    case 'MergeStmt':
      break;
    default:
      report('ERROR', {
        code: SQLSTATE.invalidPstatementDefinition,
        message: 'utility statements cannot be prepared',
      });
  }
  const raw: RawStatement = { node: query, start, end, text: text.slice(start, end).trim() };
  const analyzed = analyzeAndRewrite(raw, text, { types, variable: true });
  analyzed.paramTypes.forEach((type, i) => {
    if (type === 0 || type === UNKNOWN_OID)
      report('ERROR', {
        code: SQLSTATE.indeterminateDatatype,
        message: `could not determine data type of parameter $${i + 1}`,
      });
  });
  const source = new CachedPlanSource(raw, text, commandTag(query), analyzed, analyzed.paramTypes, true);
  storePreparedStatement({ name, source, fromSql: true, prepareTime: statementTimestamp() });
}

/** EXECUTE name [(values)]. */
export function executeQuery(
  stmt: Body<'ExecuteStmt'>,
  text: string,
  outer: BoundParams | null,
  dest: DestReceiver,
  completion: QueryCompletion | null,
): void {
  const entry = fetchPreparedStatement(stmt.name ?? '');
  const { source } = entry;
  const params = evaluateParams(stmt, text, outer, source.paramTypes, entry.name);
  const portal = createNewPortal();
  portal.visible = false;
  definePortalQuery(portal, null, source.text, source.tag, source.getPlan(params));
  startPortal(portal, params);
  runPortal(portal, FETCH_ALL, false, dest, dest, completion);
  dropPortal(portal);
}

/** Columns that EXECUTE gives; null for none. */
export const executeColumns = (stmt: Body<'ExecuteStmt'>): ResultColumn[] | null =>
  fetchPreparedStatement(stmt.name ?? '').source.columns;

/** The values in parentheses, in the types of the prepared statement's parameters. */
export function evaluateParams(
  stmt: Body<'ExecuteStmt'>,
  text: string,
  outer: BoundParams | null,
  types: readonly Oid[],
  name: string,
): BoundParams | null {
  const given = stmt.params ?? [];
  if (given.length !== types.length)
    report('ERROR', {
      code: SQLSTATE.syntaxError,
      message: `wrong number of parameters for prepared statement "${name}"`,
      detail: `Expected ${types.length} parameters but got ${given.length}.`,
    });
  if (given.length === 0) return null;
  const p = makeParseState(null, text, { types: outer === null ? [] : outer.types.slice(), variable: false });
  const query = makeQuery('select');
  given.forEach((node, i) => {
    const expr = transformExpr(p, node, 'execute_parameter');
    const target = types[i]!;
    const coerced = coerceToTargetType(p, expr, exprType(expr), target, -1, 'assignment', 'implicit_cast', -1);
    if (coerced === null) refuseParameter(p, expr, i, target);
    query.targetList.push(makeTargetEntry(coerced!, i + 1, null, false));
  });
  const plan = outer === null ? planQuery(query) : planQuery(query, outer);
  let values: Datum[] = [];
  runQuery(plan, outer, {
    start() {},
    receive(row) {
      values = row.slice();
      return true;
    },
    finish() {},
  });
  return { types, values };
}
function refuseParameter(p: ReturnType<typeof makeParseState>, expr: Expr, index: number, target: Oid): never {
  return report('ERROR', {
    code: SQLSTATE.datatypeMismatch,
    message: `parameter $${index + 1} of type ${formatType(exprType(expr))} cannot be coerced to the expected type ${formatType(target)}`,
    hint: 'You will need to rewrite or cast the expression.',
    position: positionOf(p, exprLocation(expr)),
  });
}

/** DEALLOCATE name or ALL. */
export function deallocateQuery(stmt: Body<'DeallocateStmt'>): void {
  if (stmt.name === undefined || stmt.name === '') {
    dropAllPreparedStatements();
    return;
  }
  fetchPreparedStatement(stmt.name);
  dropPreparedStatement(stmt.name);
}
