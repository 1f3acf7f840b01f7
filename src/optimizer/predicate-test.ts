/** predicate-test.ts — does a partial index's predicate follow from what a query demands?
 *
 *  Conjunctions and disjunctions are taken apart; atoms follow from an equal atom, from a strict one (IS NOT NULL), or by
 *  the order of constants: x < 5 gives x < 10. A "no" only means that no proof was found.
 *  Counterpart: predicate_implied_by() of src/backend/optimizer/util/predtest.c */
import type { Oid } from '#base/ids.ts';
import { TYPE } from '#catalog/oids.ts';
import { amopsOfOperator, familyMember, operatorRow, procRow } from '#catalog/syscache.ts';
import { directCall } from '#executor/function-call.ts';
import { equal, exprType } from '#nodes/node-funcs.ts';
import type { Const, Expr, OpExpr } from '#nodes/primitives.ts';
import { anyExpr } from '#nodes/visit.ts';

/** Both lists are conjunctions. */
export function predicateImpliedBy(predicate: readonly Expr[], clauses: readonly Expr[]): boolean {
  if (predicate.length === 0) return true;
  if (clauses.length === 0) return false;
  return predicate.every((wanted) => impliedByAll(clauses, wanted));
}

function impliedByAll(clauses: readonly Expr[], wanted: Expr): boolean {
  if (wanted.kind === 'BoolExpr' && wanted.boolop === 'and')
    return wanted.args.every((arg) => impliedByAll(clauses, arg));
  if (clauses.some((clause) => implies(clause, wanted))) return true;
  if (wanted.kind === 'BoolExpr' && wanted.boolop === 'or')
    return wanted.args.some((arg) => impliedByAll(clauses, arg));
  return false;
}

function implies(clause: Expr, wanted: Expr): boolean {
  if (clause.kind === 'BoolExpr' && clause.boolop === 'and') return impliedByAll(clause.args, wanted);
  // Each alternative must lead there by itself.
  const alternatives = alternativesOf(clause);
  if (alternatives !== null) return alternatives.every((arg) => impliedByAll([arg], wanted));
  if (wanted.kind === 'BoolExpr' && wanted.boolop === 'and') return wanted.args.every((arg) => implies(clause, arg));
  const options = alternativesOf(wanted);
  if (options !== null && options.some((arg) => implies(clause, arg))) return true;
  return atomImplies(clause, wanted);
}

const MAX_ALTERNATIVES = 100;
/** The arms of an OR, or of `x = ANY (constant array)`; null for anything else. */
function alternativesOf(expr: Expr): Expr[] | null {
  if (expr.kind === 'BoolExpr' && expr.boolop === 'or') return expr.args;
  if (expr.kind !== 'ScalarArrayOpExpr' || !expr.useOr) return null;
  const [scalar, array] = expr.args as [Expr, Expr];
  let elements: Expr[] | null = null;
  if (array.kind === 'ArrayExpr' && !array.multidims) elements = array.elements;
  else if (array.kind === 'Const' && !array.constisnull) {
    const value = array.constvalue as { elementType: Oid; elements: readonly Const['constvalue'][] };
    elements = value.elements.map(
      (element): Const => ({
        ...array,
        consttype: value.elementType,
        constvalue: element,
        constisnull: element === null,
      }),
    );
  }
  if (elements === null || elements.length === 0 || elements.length > MAX_ALTERNATIVES) return null;
  return elements.map(
    (element): OpExpr => ({
      kind: 'OpExpr',
      opno: expr.opno,
      opfuncid: expr.opfuncid,
      opresulttype: TYPE.bool,
      opretset: false,
      opcollid: 0 as Oid,
      inputcollid: expr.inputcollid,
      args: [scalar, element],
      location: -1,
    }),
  );
}

function atomImplies(clause: Expr, wanted: Expr): boolean {
  if (equal(clause, wanted)) return true;
  if (wanted.kind === 'NullTest' && wanted.nulltesttype === 'is_not_null' && !wanted.argisrow)
    return isStrictFor(clause, wanted.arg);
  return operatorImplies(clause, wanted);
}

/** If `part` is null, the expression is not true. */
function isStrictFor(expr: Expr, part: Expr): boolean {
  if (equal(expr, part)) return true;
  switch (expr.kind) {
    case 'OpExpr':
      return procRow(expr.opfuncid)?.proisstrict === true && expr.args.some((arg) => isStrictFor(arg, part));
    case 'FuncExpr':
      return procRow(expr.funcid)?.proisstrict === true && expr.args.some((arg) => isStrictFor(arg, part));
    case 'RelabelType':
    case 'CoerceViaIO':
    case 'ConvertRowtypeExpr':
      return isStrictFor(expr.arg, part);
    case 'NullTest':
      return expr.nulltesttype === 'is_not_null' && !expr.argisrow && isStrictFor(expr.arg, part);
    case 'ScalarArrayOpExpr':
      return expr.useOr && procRow(expr.opfuncid)?.proisstrict === true && isStrictFor(expr.args[0]!, part);
    case 'BooleanTest':
      return (
        (expr.booltesttype === 'is_true' ||
          expr.booltesttype === 'is_false' ||
          expr.booltesttype === 'is_not_unknown') &&
        isStrictFor(expr.arg, part)
      );
    default:
      return false;
  }
}

// ── x op constant ────────────────────────────────────────────────────────────────────────────────────────────────

/** B-tree strategies, and "not equal" as a sixth. */
const LT = 1;
const LE = 2;
const EQ = 3;
const GE = 4;
const GT = 5;
const NE = 6;
/** By strategy of the clause, then of the predicate: how the predicate's constant must compare with the clause's. */
const TEST_STRATEGY: readonly (readonly number[])[] = [
  [GE, GE, 0, 0, 0, GE],
  [GT, GE, 0, 0, 0, GT],
  [GT, GE, EQ, LE, LT, NE],
  [0, 0, 0, LE, LT, LT],
  [0, 0, 0, LE, LE, LE],
  [0, 0, 0, 0, 0, NE],
];

interface Comparison {
  readonly operand: Expr;
  readonly operator: Oid;
  readonly constant: Const;
}
/** The clause with its constant on the right side. */
function comparison(expr: Expr): Comparison | null {
  if (expr.kind !== 'OpExpr' || expr.args.length !== 2) return null;
  const [left, right] = expr.args as [Expr, Expr];
  if (right.kind === 'Const' && left.kind !== 'Const') return { operand: left, operator: expr.opno, constant: right };
  if (left.kind !== 'Const') return null;
  const commuted = operatorRow(expr.opno)?.oprcom ?? (0 as Oid);
  return commuted === 0 ? null : { operand: right, operator: commuted, constant: left };
}

/** Families in which the operator, or what it negates, has a place. */
function strategies(operator: Oid): { family: Oid; strategy: number; right: Oid }[] {
  const direct = amopsOfOperator(operator).filter((row) => row.amopmethod === 403);
  if (direct.length > 0)
    return direct.map((row) => ({ family: row.amopfamily, strategy: row.amopstrategy, right: row.amoprighttype }));
  const negator = operatorRow(operator)?.oprnegate ?? (0 as Oid);
  if (negator === 0) return [];
  return amopsOfOperator(negator)
    .filter((row) => row.amopmethod === 403 && row.amopstrategy === EQ)
    .map((row) => ({ family: row.amopfamily, strategy: NE, right: row.amoprighttype }));
}

function operatorImplies(clause: Expr, wanted: Expr): boolean {
  const have = comparison(clause);
  const want = comparison(wanted);
  if (have === null || want === null || !equal(have.operand, want.operand)) return false;
  const collation = (clause as OpExpr).inputcollid;
  if (collation !== (wanted as OpExpr).inputcollid) return false;
  if (anyExpr(have.operand, isVolatile)) return false;
  // A strict comparison with null is never true: it implies everything, but that was folded away before.
  if (have.constant.constisnull || want.constant.constisnull) return false;
  for (const a of strategies(have.operator)) {
    for (const b of strategies(want.operator)) {
      if (a.family !== b.family) continue;
      const test = TEST_STRATEGY[a.strategy - 1]![b.strategy - 1]!;
      if (test === 0) continue;
      if (constantsSatisfy(a.family, test, want.constant, have.constant, collation)) return true;
    }
  }
  return false;
}
const isVolatile = (expr: Expr): boolean =>
  (expr.kind === 'FuncExpr' && procRow(expr.funcid)?.provolatile === 'v') ||
  (expr.kind === 'OpExpr' && procRow(expr.opfuncid)?.provolatile === 'v');

function constantsSatisfy(family: Oid, test: number, left: Const, right: Const, collation: Oid): boolean {
  const types = [exprType(left), exprType(right)] as const;
  const operator = familyMember(family, types[0], types[1], test === NE ? EQ : test);
  const row = operator === 0 ? undefined : operatorRow(operator);
  if (row === undefined || procRow(row.oprcode)?.provolatile !== 'i') return false;
  const result = directCall(row.oprcode, types, TYPE.bool, collation)(left.constvalue, right.constvalue);
  return test === NE ? result === false : result === true;
}
