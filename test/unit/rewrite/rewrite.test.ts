import { describe, expect, it } from 'vitest';
import '#adt/load.ts';
import '#catalog/catalog-functions.ts';
import '#catalog/type-cache.ts';
import { formatTypeWithTypmod } from '#catalog/format-type.ts';
import { store } from '#catalog/rows.ts';
import { attributes, classByName } from '#catalog/syscache.ts';
import { NAMESPACE } from '#catalog/oids.ts';
import { exprType, exprTypmod } from '#nodes/node-funcs.ts';
import { walkQuery } from '#nodes/visit.ts';
import { analyze } from '#parser/analyze.ts';
import { parseText } from '#parser/parse.ts';
import { rewriteQuery, viewQuery } from '#rewrite/rewrite.ts';

const rewritten = (text: string) =>
  rewriteQuery(analyze(parseText(text)[0]!, text, { types: [], variable: false }))[0]!;

describe('view expansion', () => {
  it('gives every system view the columns that pg_attribute says', () => {
    for (const view of store.class.all().filter((c) => c.relkind === 'v')) {
      const ours = viewQuery(view.oid)
        .targetList.filter((t) => !t.resjunk)
        .map((t) => `${t.resname} ${formatTypeWithTypmod(exprType(t.expr), exprTypmod(t.expr))}`);
      const theirs = attributes(view.oid).map((a) => `${a.attname} ${formatTypeWithTypmod(a.atttypid, a.atttypmod)}`);
      expect({ view: view.relname, columns: ours }).toEqual({ view: view.relname, columns: theirs });
    }
  });

  it('leaves no reference to a view anywhere in the tree', () => {
    const query = rewritten(
      'select (select count(*) from pg_tables) from pg_stat_user_tables where exists (select 1 from pg_roles)',
    );
    const kinds: string[] = [];
    const look = (q: typeof query): void => {
      for (const rte of q.rtable) {
        if (rte.rtekind === 'relation') kinds.push(rte.relkind);
        if (rte.rtekind === 'subquery') look(rte.subquery);
      }
    };
    look(query);
    walkQuery(query, (e) => {
      if (e.kind === 'SubLink') look(e.subselect);
    });
    expect(kinds).not.toContain('v');
    expect(kinds).toContain('r');
  });

  it('returns a query without views as it is', () => {
    const text = 'select relname from pg_class';
    const query = analyze(parseText(text)[0]!, text, { types: [], variable: false });
    expect(rewriteQuery(query)[0]).toBe(query);
  });

  it('reads what a view reads as the owner of the view', () => {
    const roles = classByName('pg_roles', NAMESPACE.pgCatalog)!;
    const authid = viewQuery(roles.oid).rtable.find((r) => r.rtekind === 'relation');
    expect(authid).toMatchObject({ checkAsUser: roles.relowner });
  });
});
