/** The shape of plans, and that a plan carries no state. */
import { expect, test } from 'vitest';
import type { Oid } from '#base/ids.ts';
import type { Plan } from '#nodes/plan-nodes.ts';
import { planChildren } from '#nodes/plan-nodes.ts';
import { planSql, runPlan } from '../../support/sql-harness.ts';

const shape = (plan: Plan): string => {
  const below = planChildren(plan).map(shape);
  return below.length === 0 ? plan.kind : `${plan.kind}(${below.join(', ')})`;
};

test('constants are folded and a false condition reads nothing', () => {
  expect(shape(planSql('select * from generate_series(1,3) where 1 = 2').planTree)).toBe('Result');
});

test('EXISTS becomes a semi join, NOT EXISTS an anti join', () => {
  const text = (not: string): string =>
    `select 1 from generate_series(1,9) x where ${not} exists (select from generate_series(1,9) y where y = x)`;
  expect(planSql(text('')).planTree).toMatchObject({ kind: 'HashJoin', jointype: 'semi' });
  expect(planSql(text('not')).planTree).toMatchObject({ kind: 'HashJoin', jointype: 'anti' });
});

test('a simple sub-select in FROM disappears', () => {
  expect(shape(planSql('select x from (select x from (values (1),(2)) v(x)) s where x > 1').planTree)).toBe(
    'ValuesScan',
  );
});

test('a condition goes below grouping and into both branches of a union', () => {
  const plan = planSql('select * from (select distinct x from generate_series(1,10) x) s where x > 3').planTree;
  expect(shape(plan)).toBe('Agg(FunctionScan)');
  expect(plan.lefttree?.qual).toHaveLength(1);
});

test('an outer join whose null rows are rejected is an inner join', () => {
  const plan = planSql(
    'select 1 from (values (1),(2)) a(x) left join (values (1),(2)) b(x) using (x) where b.x > 0',
  ).planTree;
  expect(plan).toMatchObject({ jointype: 'inner' });
});

test('one plan serves many executions with other parameters', () => {
  const plan = planSql('select count(*), sum(x) from generate_series(1, $1::int) x', [23 as Oid]);
  const run = (n: number) => runPlan(plan, { types: [23 as Oid], values: [n] }).rows[0];
  expect([run(3), run(5), run(3)]).toEqual([
    ['3', '6'],
    ['5', '15'],
    ['3', '6'],
  ]);
});

test('a series in FROM is not stored: the first rows of an endless one come at once', () => {
  expect(runPlan(planSql('select x from generate_series(1, 1000000000000) x limit 2')).rows).toEqual([['1'], ['2']]);
});
