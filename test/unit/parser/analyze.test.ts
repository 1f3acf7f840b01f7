import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import '#adt/load.ts';
import '#catalog/catalog-functions.ts';
import '#catalog/type-cache.ts';
import type { Oid } from '#base/ids.ts';
import { TYPE } from '#catalog/oids.ts';
import { exprType } from '#nodes/node-funcs.ts';
import type { Query } from '#nodes/parse-nodes.ts';
import { walkQuery } from '#nodes/visit.ts';
import { analyze, analyzeFunctionBody } from '#parser/analyze.ts';
import { parseText } from '#parser/parse.ts';
import { PgError } from '#runtime/error/report.ts';

interface Fact {
  columns?: [string, number, number, number][];
  params?: number[];
  error?: { code: string; message: string; position?: number; detail?: string; hint?: string };
}

function analyzeText(text: string, types: Oid[] = []): { query: Query; types: Oid[] } {
  const params = { types, variable: true };
  const query = analyze(parseText(text)[0]!, text, params);
  return { query, types: params.types };
}

function factOf(text: string): Fact {
  try {
    const { query, types } = analyzeText(text);
    const columns = query.targetList
      .filter((t) => !t.resjunk)
      .map((t): [string, number, number, number] => [
        t.resname ?? '?column?',
        exprType(t.expr),
        t.resorigtbl,
        t.resorigcol,
      ]);
    return { columns, params: types };
  } catch (caught) {
    if (!(caught instanceof PgError)) throw caught;
    const { code, fields } = caught;
    return {
      error: {
        code,
        message: fields.message,
        position: fields.position,
        detail: fields.detail,
        hint: fields.hint,
      } as NonNullable<Fact['error']>,
    };
  }
}

const folder = new URL('./', import.meta.url);
const cases = readFileSync(new URL('analyze-cases.sql', folder), 'utf8')
  .split(/;\n/)
  .filter((text) => text.trim() !== '');
const facts = readFileSync(new URL('analyze-facts.jsonl', folder), 'utf8').trim().split('\n');

describe('analysis', () => {
  it('describes columns and parameters, and complains, as PostgreSQL 15 did', () => {
    const differing = cases
      .map((text, i) => ({ text, ours: JSON.stringify(factOf(text)), theirs: facts[i] }))
      .filter(({ ours, theirs }) => ours !== theirs);
    expect(differing).toEqual([]);
  });

  it('names operators and functions by OID', () => {
    const { query } = analyzeText('select 1 + 2.5, lower($1)');
    const [sum, lower] = query.targetList.map((t) => t.expr);
    expect(sum).toMatchObject({ kind: 'OpExpr', opno: 1758, opfuncid: 1724 });
    expect(lower).toMatchObject({ kind: 'FuncExpr', funcid: 870, inputcollid: 100 });
  });

  it('gives a parameter one type wherever it is mentioned', () => {
    const { query, types } = analyzeText('select coalesce($1, 1), $1');
    expect(types).toEqual([TYPE.int4]);
    const seen: Oid[] = [];
    walkQuery(query, (e) => {
      if (e.kind === 'Param') seen.push(e.paramtype);
    });
    expect(seen).toEqual([TYPE.int4, TYPE.int4]);
  });

  it('sees through a join to the Vars of the joined tables', () => {
    const { query } = analyzeText('select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace');
    expect(query.targetList[0]!.expr).toMatchObject({ kind: 'Var', varno: 1, varattno: 2 });
    expect(query.rtable.map((r) => r.rtekind)).toEqual(['relation', 'relation', 'join']);
    expect(query.jointree.fromlist[0]).toMatchObject({ kind: 'JoinExpr', rtindex: 3, jointype: 'inner' });
  });

  it('counts the levels of an outer reference', () => {
    const { query } = analyzeText('select (select a.oid from pg_type) from pg_class a');
    const levels: number[] = [];
    walkQuery(query, (e) => {
      if (e.kind === 'Var') levels.push(e.varlevelsup);
    });
    expect(levels).toEqual([1]);
  });

  it('takes the arguments of an SQL function by number and by name', () => {
    const raw = parseText('select a + $2')[0]!;
    const query = analyzeFunctionBody(raw.node, raw.text, [TYPE.int4, TYPE.int8], ['a', 'b']);
    expect(exprType(query.targetList[0]!.expr)).toBe(TYPE.int8);
  });

  it('knows the grammar’s utility statements without analysing them', () => {
    expect(analyzeText('show work_mem').query).toMatchObject({
      commandType: 'utility',
      utilityStmt: { VariableShowStmt: { name: 'work_mem' } },
    });
  });
});
