/** trigger-definition.ts — the statement that would make a trigger again.
 *  Counterpart: pg_get_triggerdef_worker() of src/backend/utils/adt/ruleutils.c */
import type { Oid } from '#base/ids.ts';
import { DeparseContext } from '#catalog/deparse-context.ts';
import { putExpr } from '#catalog/deparse-expr.ts';
import { TRIGGER_TYPE } from '#catalog/internal-trigger.ts';
import { functionIsVisible, relationIsVisible } from '#catalog/namespace.ts';
import { RELATION } from '#catalog/oids.ts';
import { quoteIdentifier, quoteQualified } from '#catalog/quote.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { store, type TriggerRow } from '#catalog/rows.ts';
import { attributes, classRow, namespaceRow, procRow } from '#catalog/syscache.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { stringToNode } from '#nodes/node-text.ts';
import { noPrivileges } from '#nodes/parse-nodes.ts';
import type { Expr } from '#nodes/primitives.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';

const TRIGGER_OID_INDEX = 2702 as Oid;
/** simple_quote_literal(). */
const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

function relationName(oid: Oid, qualified: boolean): string {
  const row = classRow(oid)!;
  const plain = !qualified && relationIsVisible(oid);
  return quoteQualified(plain ? null : (namespaceRow(row.relnamespace)?.nspname ?? null), row.relname);
}
function functionName(oid: Oid): string {
  const row = procRow(oid)!;
  return quoteQualified(functionIsVisible(oid) ? null : (namespaceRow(row.pronamespace)?.nspname ?? null), row.proname);
}
function eventsText(row: TriggerRow): string {
  const has = (bit: number): boolean => (row.tgtype & bit) !== 0;
  const events: string[] = [];
  if (has(TRIGGER_TYPE.insert)) events.push('INSERT');
  if (has(TRIGGER_TYPE.delete)) events.push('DELETE');
  if (has(TRIGGER_TYPE.update)) {
    const columns = attributes(row.tgrelid);
    const names = row.tgattr.map((column) => quoteIdentifier(columns[column - 1]!.attname));
    events.push(names.length > 0 ? `UPDATE OF ${names.join(', ')}` : 'UPDATE');
  }
  if (has(TRIGGER_TYPE.truncate)) events.push('TRUNCATE');
  return events.join(' OR ');
}
/** Its Vars mean old (1) and new (2). */
function conditionText(row: TriggerRow, pretty: boolean): string {
  const columns = attributes(row.tgrelid).map((column) => column.attname);
  const entry = (aliasname: string) => ({
    kind: 'RangeTblEntry' as const,
    rtekind: 'relation' as const,
    relid: row.tgrelid,
    relkind: classRow(row.tgrelid)!.relkind,
    rellockmode: 1,
    tablesample: null,
    alias: null,
    eref: { kind: 'Alias' as const, aliasname, colnames: columns },
    lateral: false,
    inh: false,
    inFromCl: true,
    ...noPrivileges(),
  });
  const c = new DeparseContext(pretty, false);
  c.prefix = true;
  c.levels = [
    {
      rtable: [entry('old'), entry('new')],
      names: ['old', 'new'],
      columns: [columns, columns],
      printsColumns: [false, false],
      ctes: [],
    },
  ];
  putExpr(c, stringToNode(row.tgqual!) as Expr, false);
  return c.out;
}

/** null if there is no such trigger. */
export function triggerDefinition(oid: Oid, pretty: boolean): string | null {
  const pgTrigger = tableOpen(RELATION.pgTrigger, LOCK.accessShare);
  const [found] = findCatalogTuples(store.trigger, pgTrigger, TRIGGER_OID_INDEX, [{ attnum: 1, value: oid }]);
  const argsAt = pgTrigger.tupleDesc.attributeIndex('tgargs');
  relationClose(pgTrigger, LOCK.accessShare);
  if (found === undefined) return null;
  const { row } = found;
  const isBefore = (row.tgtype & TRIGGER_TYPE.before) !== 0;
  const when = isBefore ? 'BEFORE' : (row.tgtype & TRIGGER_TYPE.instead) !== 0 ? 'INSTEAD OF' : 'AFTER';
  const parts = [
    `CREATE ${row.tgconstraint !== 0 ? 'CONSTRAINT ' : ''}TRIGGER ${quoteIdentifier(row.tgname)}`,
    `${when} ${eventsText(row)} ON ${relationName(row.tgrelid, !pretty)}`,
  ];
  if (row.tgconstraint !== 0) {
    if (row.tgconstrrelid !== 0) parts.push(`FROM ${relationName(row.tgconstrrelid, false)}`);
    parts.push(
      `${row.tgdeferrable ? '' : 'NOT '}DEFERRABLE INITIALLY ${row.tginitdeferred ? 'DEFERRED' : 'IMMEDIATE'}`,
    );
  }
  parts.push(`FOR EACH ${(row.tgtype & TRIGGER_TYPE.row) !== 0 ? 'ROW' : 'STATEMENT'}`);
  if (row.tgqual !== null) parts.push(`WHEN (${conditionText(row, pretty)})`);
  const bytes = found.values[argsAt] as Uint8Array;
  const args = Buffer.from(bytes).toString('utf8').split('\0').slice(0, row.tgnargs).map(literal);
  parts.push(`EXECUTE FUNCTION ${functionName(row.tgfoid)}(${args.join(', ')})`);
  return parts.join(' ');
}
