/** collate.ts — which collation each expression computes with, after its types are known.
 *
 *  A collation has a strength: none, implicit (from a column or a type), conflicting implicit, or explicit (COLLATE).
 *  It bubbles up; two different explicit ones are an error at once, two implicit ones only where somebody needs one.
 *  Counterpart: src/backend/parser/parse_collate.c */
import type { Oid } from '#base/ids.ts';
import { COLLATION } from '#catalog/oids.ts';
import { collationRow, typeRow } from '#catalog/syscache.ts';
import { exprCollation, exprLocation, exprType, setExprCollation } from '#nodes/node-funcs.ts';
import type { Query } from '#nodes/parse-nodes.ts';
import type { Expr, FromNode } from '#nodes/primitives.ts';
import { forEachChild as children } from '#nodes/visit.ts';
import { fail, type ParseState } from '#parser/parse-state.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const INVALID = 0 as Oid;
type Strength = 0 | 1 | 2 | 3;
const NONE: Strength = 0;
const IMPLICIT: Strength = 1;
const CONFLICT: Strength = 2;
const EXPLICIT: Strength = 3;

interface State {
  collation: Oid;
  strength: Strength;
  location: number;
  /** The other collation of a conflict. */
  other: Oid;
  otherLocation: number;
}
const fresh = (): State => ({ collation: INVALID, strength: NONE, location: -1, other: INVALID, otherLocation: -1 });

/** Finishes the expressions of a query level (sub-selects were finished by their own analysis). */
export function assignQueryCollations(p: ParseState, query: Query): void {
  for (const entry of query.targetList) assignExprCollations(p, entry.expr);
  for (const node of query.jointree.fromlist) assignFrom(p, node);
  for (const e of [query.jointree.quals, query.havingQual, query.limitOffset, query.limitCount]) {
    if (e !== null) assignExprCollations(p, e);
  }
  for (const w of query.windowClause) {
    if (w.startOffset !== null) assignExprCollations(p, w.startOffset);
    if (w.endOffset !== null) assignExprCollations(p, w.endOffset);
  }
}
function assignFrom(p: ParseState, node: FromNode): void {
  if (node.kind === 'JoinExpr') {
    assignFrom(p, node.larg);
    assignFrom(p, node.rarg);
    if (node.quals !== null) assignExprCollations(p, node.quals);
  } else if (node.kind === 'FromExpr') {
    for (const n of node.fromlist) assignFrom(p, n);
    if (node.quals !== null) assignExprCollations(p, node.quals);
  }
}

export function assignExprCollations(p: ParseState, expr: Expr): void {
  walk(p, expr, fresh());
}
/** Items of a list are independent of each other. */
export function assignListCollations(p: ParseState, list: readonly Expr[]): void {
  for (const e of list) walk(p, e, fresh());
}

/** The collation that a list of expressions shares (set operations, VALUES); 0 if they conflict and `noneOk`. */
export function selectCommonCollation(p: ParseState, exprs: readonly Expr[], noneOk: boolean): Oid {
  const state = fresh();
  for (const e of exprs) walk(p, e, state);
  if (state.strength === CONFLICT) {
    if (noneOk) return INVALID;
    conflict(p, state, SQLSTATE.collationMismatch);
  }
  return state.collation;
}

const nameOf = (oid: Oid): string => collationRow(oid)?.collname ?? '';
function conflict(p: ParseState, s: State, code: typeof SQLSTATE.collationMismatch): never {
  fail(
    p,
    code,
    `collation mismatch between implicit collations "${nameOf(s.collation)}" and "${nameOf(s.other)}"`,
    s.otherLocation,
    {
      hint: 'You can choose the collation by applying the COLLATE clause to one or both expressions.',
    },
  );
}

function merge(
  p: ParseState,
  collation: Oid,
  strength: Strength,
  location: number,
  into: State,
  otherOid = INVALID,
  otherAt = -1,
): void {
  if (strength > into.strength) {
    into.collation = collation;
    into.strength = strength;
    into.location = location;
    if (strength === CONFLICT) {
      into.other = otherOid;
      into.otherLocation = otherAt;
    }
    return;
  }
  if (strength !== into.strength) return;
  if (strength === IMPLICIT) {
    if (collation === into.collation) return;
    // The default collation gives way to any other.
    if (into.collation === COLLATION.default) {
      into.collation = collation;
      into.location = location;
    } else if (collation !== COLLATION.default) {
      into.strength = CONFLICT;
      into.other = collation;
      into.otherLocation = location;
    }
  } else if (strength === EXPLICIT && collation !== into.collation) {
    fail(
      p,
      SQLSTATE.collationMismatch,
      `collation mismatch between explicit collations "${nameOf(into.collation)}" and "${nameOf(collation)}"`,
      location,
    );
  }
}

function walk(p: ParseState, node: Expr, into: State): void {
  switch (node.kind) {
    case 'Var':
    case 'Const':
    case 'Param':
    case 'CaseTestExpr':
    case 'CoerceToDomainValue':
    case 'SetToDefault':
    case 'SQLValueFunction':
    case 'GroupingFunc':
    case 'CurrentOfExpr':
    case 'NextValueExpr': {
      const collation = exprCollation(node);
      if (collation !== 0) merge(p, collation, IMPLICIT, exprLocation(node), into);
      return;
    }
    case 'CollateExpr': {
      walk(p, node.arg, fresh());
      merge(p, node.collOid, EXPLICIT, node.location, into);
      return;
    }
    case 'FieldSelect': {
      walk(p, node.arg, fresh());
      if (node.resultcollid !== 0) merge(p, node.resultcollid, IMPLICIT, exprLocation(node), into);
      return;
    }
    case 'RowExpr':
      for (const arg of node.args) walk(p, arg, fresh());
      return;
    case 'RowCompareExpr':
      node.largs.forEach((l, i) => {
        const own = fresh();
        walk(p, l, own);
        walk(p, node.rargs[i]!, own);
        if (own.strength === CONFLICT) conflict(p, own, SQLSTATE.collationMismatch);
        node.inputcollids[i] = own.collation;
      });
      return;
    case 'CoerceToDomain': {
      const own = fresh();
      walk(p, node.arg, own);
      finish(p, node, typeRow(node.resulttype)!.typcollation, own, into);
      return;
    }
    case 'SubLink':
      if (node.testexpr !== null) walk(p, node.testexpr, fresh());
      finish(p, node, INVALID, fresh(), into, exprCollation(node));
      return;
    default:
      generic(p, node, into);
  }
}

function generic(p: ParseState, node: Expr, into: State): void {
  const own = fresh();
  switch (node.kind) {
    case 'Aggref':
      aggregateArguments(p, node, own);
      break;
    case 'WindowFunc':
      for (const arg of node.args) walk(p, arg, own);
      if (node.aggfilter !== null) walk(p, node.aggfilter, fresh());
      break;
    case 'CaseExpr':
      // Conditions do not take part in the result's collation.
      if (node.arg !== null) walk(p, node.arg, fresh());
      for (const when of node.args) {
        walk(p, when.expr, fresh());
        walk(p, when.result, own);
      }
      if (node.defresult !== null) walk(p, node.defresult, own);
      break;
    case 'SubscriptingRef':
      for (const e of [...node.refupperindexpr, ...node.reflowerindexpr]) if (e !== null) walk(p, e, fresh());
      walk(p, node.refexpr, own);
      if (node.refassgnexpr !== null) walk(p, node.refassgnexpr, own);
      break;
    case 'ArrayCoerceExpr':
      walk(p, node.arg, own);
      setElementCollation(node.elemexpr, own.strength === CONFLICT ? INVALID : own.collation);
      break;
    default:
      children(node, (child) => walk(p, child, own));
  }
  finish(p, node, exprTypeCollation(node), own, into);
}
const exprTypeCollation = (node: Expr): Oid => typeRow(exprType(node))?.typcollation ?? INVALID;

/** The element coercion works on a placeholder that has the array's collation. */
function setElementCollation(e: Expr, collation: Oid): void {
  if (e.kind === 'CaseTestExpr') {
    e.collation = collation;
    return;
  }
  children(e, (child) => setElementCollation(child, collation));
  if (e.kind === 'FuncExpr') e.inputcollid = collation;
  if ((typeRow(exprType(e))?.typcollation ?? 0) !== 0 && e.kind !== 'Const') setExprCollation(e, collation);
}

/** ORDER BY and direct arguments count differently in aggregates. */
function aggregateArguments(p: ParseState, node: Extract<Expr, { kind: 'Aggref' }>, own: State): void {
  if (node.aggkind === 'n') {
    for (const entry of node.args) {
      // Sort columns that are no arguments are on their own.
      if (entry.resjunk) walk(p, entry.expr, fresh());
      else walk(p, entry.expr, own);
    }
  } else {
    const mergeSort = node.args.length === 1;
    for (const e of node.aggdirectargs) walk(p, e, own);
    for (const entry of node.args) walk(p, entry.expr, mergeSort ? own : fresh());
  }
  if (node.aggfilter !== null) walk(p, node.aggfilter, fresh());
}

/** Settles the node's input and output collations from what its arguments brought, and passes it on. */
function finish(p: ParseState, node: Expr, typeCollation: Oid, own: State, into: State, fixed?: Oid): void {
  let collation: Oid;
  let strength: Strength;
  let location: number;
  if (fixed !== undefined) {
    if (fixed !== 0) merge(p, fixed, IMPLICIT, exprLocation(node), into);
    return;
  }
  if (typeCollation !== 0) {
    if (own.strength > NONE) {
      collation = own.collation;
      strength = own.strength;
      location = own.location;
    } else {
      collation = typeCollation;
      strength = IMPLICIT;
      location = exprLocation(node);
    }
  } else {
    collation = INVALID;
    strength = NONE;
    location = exprLocation(node);
  }
  const result = strength === CONFLICT ? INVALID : collation;
  setExprCollation(node, result);
  setInputCollation(node, own.strength === CONFLICT ? INVALID : own.collation);
  merge(p, collation, strength, location, into, own.other, own.otherLocation);
}
function setInputCollation(node: Expr, collation: Oid): void {
  if ('inputcollid' in node) node.inputcollid = collation;
}
