/** deparse.ts — what users stored, as text: views, rules, defaults, checks, index expressions.
 *  Counterpart: pg_get_viewdef(), pg_get_expr(), pg_get_ruledef() … of src/backend/utils/adt/ruleutils.c */
import type { Oid } from '#base/ids.ts';
import { DeparseContext, type Level } from '#catalog/deparse-context.ts';
import { putExpr } from '#catalog/deparse-expr.ts';
import { deparseQuery } from '#catalog/deparse-query.ts';
import { quoteIdentifier, quoteQualified } from '#catalog/quote.ts';
import { store } from '#catalog/rows.ts';
import { attributes, classRow, namespaceRow } from '#catalog/syscache.ts';
import { relationIsVisible } from '#catalog/namespace.ts';
import { stringToNode } from '#nodes/node-text.ts';
import { noPrivileges, type Query } from '#nodes/parse-nodes.ts';
import type { Expr } from '#nodes/primitives.ts';

/** An expression whose Vars have number 1 and mean a relation's columns (0: it has none). */
export function deparseStoredExpr(expr: Expr, relid: Oid, pretty: boolean): string {
  const c = new DeparseContext(pretty, true);
  if (relid !== 0) c.levels = [levelOfRelation(relid)];
  putExpr(c, expr, false);
  return c.out;
}
function levelOfRelation(relid: Oid): Level {
  const columns = attributes(relid).map((row) => row.attname);
  const name = classRow(relid)?.relname ?? '';
  const eref = { kind: 'Alias' as const, aliasname: name, colnames: columns };
  return {
    rtable: [
      {
        kind: 'RangeTblEntry',
        rtekind: 'relation',
        relid,
        relkind: classRow(relid)?.relkind ?? 'r',
        rellockmode: 1,
        tablesample: null,
        alias: null,
        eref,
        lateral: false,
        inh: false,
        inFromCl: true,
        ...noPrivileges(),
      },
    ],
    names: [name],
    columns: [columns],
    printsColumns: [false],
    ctes: [],
  };
}
/** pg_get_expr(): null for text that is no tree of ours or a relation that is gone. */
export function storedExprText(text: string, relid: Oid, pretty: boolean): string | null {
  if (relid !== 0 && classRow(relid) === undefined) return null;
  const tree = stringToNode(text);
  // A list is shown with commas between.
  if (Array.isArray(tree)) return (tree as Expr[]).map((expr) => deparseStoredExpr(expr, relid, pretty)).join(', ');
  return tree === null ? null : deparseStoredExpr(tree as Expr, relid, pretty);
}

/** The defining query of a user's view, with the semicolon that PostgreSQL puts; undefined if it has none. */
export function userViewText(relid: Oid, pretty: boolean): string | undefined {
  const rule = store.rewrite.by('ev_class', relid).find((row) => row.ev_type === '1' && row.is_instead);
  if (rule === undefined) return undefined;
  const [query] = stringToNode(rule.ev_action) as unknown as Query[];
  const c = new DeparseContext(pretty, true);
  deparseQuery(
    c,
    query!,
    attributes(relid).map((row) => row.attname),
    true,
  );
  return `${c.out};`;
}

const EVENTS: Readonly<Record<string, string>> = { '1': 'SELECT', '2': 'UPDATE', '3': 'INSERT', '4': 'DELETE' };
/** CREATE RULE of a view's own rule. */
export function ruleText(oid: Oid, pretty: boolean): string | null {
  const rule = store.rewrite.byOid(oid);
  if (rule === undefined) return null;
  const row = classRow(rule.ev_class)!;
  const table = quoteQualified(
    pretty && relationIsVisible(row.oid) ? null : (namespaceRow(row.relnamespace)?.nspname ?? ''),
    row.relname,
  );
  const [query] = stringToNode(rule.ev_action) as unknown as Query[];
  const c = new DeparseContext(pretty, true);
  deparseQuery(
    c,
    query!,
    attributes(row.oid).map((column) => column.attname),
    true,
  );
  const head = `CREATE RULE ${quoteIdentifier(rule.rulename)} AS\n    ON ${EVENTS[rule.ev_type] ?? ''} TO ${table} DO`;
  return `${head}${rule.is_instead ? ' INSTEAD' : ''} ${c.out};`;
}
