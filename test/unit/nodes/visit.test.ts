/** Walking and rebuilding expression trees. */
import { expect, test } from 'vitest';
import type { Oid } from '#base/ids.ts';
import { equal, explicitAnd, implicitAnd, makeBoolConst, makeBoolExpr, makeVar } from '#nodes/node-funcs.ts';
import type { Expr } from '#nodes/primitives.ts';
import { anyExpr, mapChildren, walkExpr } from '#nodes/visit.ts';

const INT4 = 23 as Oid;
const column = (attno: number): Expr => makeVar(1, attno, INT4, -1, 0 as Oid);
const tree = makeBoolExpr('and', [
  { kind: 'NullTest', arg: column(1), nulltesttype: 'is_null', argisrow: false, location: 7 },
  makeBoolExpr('not', [
    { kind: 'CoalesceExpr', coalescetype: INT4, coalescecollid: 0 as Oid, args: [column(2)], location: -1 },
  ]),
]);

test('mapChildren returns the very node when nothing changes', () => {
  expect(mapChildren(tree, (child) => child)).toBe(tree);
});

test('mapChildren copies the path to a change and leaves the original alone', () => {
  const before = structuredClone(tree);
  const changed = mapChildren(tree, (child) => (child.kind === 'NullTest' ? makeBoolConst(true) : child));
  expect(changed).not.toBe(tree);
  expect(tree).toEqual(before);
});

test('a walk visits every node once, parents first', () => {
  const seen: string[] = [];
  walkExpr(tree, (node) => {
    seen.push(node.kind);
    return true;
  });
  expect(seen).toEqual(['BoolExpr', 'NullTest', 'Var', 'BoolExpr', 'CoalesceExpr', 'Var']);
});

test('a search stops at the first hit', () => {
  let looked = 0;
  expect(
    anyExpr(tree, (node) => {
      looked++;
      return node.kind === 'NullTest';
    }),
  ).toBe(true);
  expect(looked).toBe(2);
});

test('equality ignores where something was written and sees everything else', () => {
  const moved = { ...column(1), location: 99 } as Expr;
  expect(equal(column(1), moved)).toBe(true);
  expect(equal(column(1), column(2))).toBe(false);
});

test('an AND becomes a list and a list an AND', () => {
  expect(implicitAnd(tree)).toHaveLength(2);
  expect(explicitAnd([])).toBeNull();
  expect(implicitAnd(explicitAnd(implicitAnd(tree)))).toEqual(implicitAnd(tree));
});
