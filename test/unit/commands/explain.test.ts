/** EXPLAIN prints PostgreSQL's recorded plans, costs included. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { explainQuery } from '#commands/explain.ts';
import { bodyOf } from '#parser/ast.ts';
import { parseText } from '#parser/parse.ts';
import { differences, type Recorded } from '../../support/recorded.ts';
import { TextReceiver } from '../../support/sql-harness.ts';

function explain(sql: string): string[] {
  const receiver = new TextReceiver();
  explainQuery(bodyOf(parseText(sql)[0]!.node, 'ExplainStmt'), sql, null, receiver);
  return receiver.rows.map((row) => row[0] ?? '').flatMap((value) => value.split('\n'));
}

test('plans and their costs are those of PostgreSQL', () => {
  const file = new URL('recorded/explain.json', import.meta.url);
  const recorded = JSON.parse(readFileSync(file, 'utf8')) as Recorded[];
  expect(differences(recorded, explain)).toEqual([]);
});

test('an unknown option is refused by name', () => {
  expect(() => explain('explain (nonsense) select 1')).toThrow('unrecognized EXPLAIN option "nonsense"');
});

test('TIMING without ANALYZE is refused', () => {
  expect(() => explain('explain (timing) select 1')).toThrow('EXPLAIN option TIMING requires ANALYZE');
});

test('ANALYZE counts rows and loops of every node', () => {
  const lines = explain(
    'explain (analyze, costs off, timing off, summary off) select x from generate_series(1,5) x where x > 3',
  );
  expect(lines).toEqual([
    'Function Scan on generate_series x (actual rows=2 loops=1)',
    '  Filter: (x > 3)',
    '  Rows Removed by Filter: 3',
  ]);
});
