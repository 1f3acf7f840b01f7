/** coerce.ts — making an expression of one type into an expression of another, and choosing the type that many share.
 *
 *  A pathway is sought in pg_cast, in binary compatibility, between arrays element by element, and finally (explicitly,
 *  or to a string by assignment) through the text form. Literals of type unknown are read by the input function of
 *  the type they turn out to be, at once, so that a bad literal is reported where it stands.
 *  Counterpart: src/backend/parser/parse_coerce.c */
import { typeInfo } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { formatType } from '#catalog/format-type.ts';
import { TYPE } from '#catalog/oids.ts';
import { attributes, baseTypeAndTypmod, castRow, elementType, procRow, typeRelid, typeRow } from '#catalog/syscache.ts';
import type { CoercionContext, CoercionForm, Const, Expr, Param, RowExpr } from '#nodes/primitives.ts';
import { makeConst, makeFuncExpr, makeRelabel } from '#parser/make-nodes.ts';
import { exprLocation, exprType, exprTypmod } from '#nodes/node-funcs.ts';
import { fail, type ParseState, withPosition } from '#parser/parse-state.ts';
import { isGenericConsistent, isPolymorphic } from '#parser/polymorphic.ts';
import { expandRowColumns } from '#parser/relation.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const INVALID = 0 as Oid;

/** What happens to the values on the way from one type to another. */
export type Pathway =
  | { kind: 'none' }
  | { kind: 'relabel' }
  | { kind: 'func'; funcid: Oid }
  | { kind: 'array'; funcid: Oid }
  | { kind: 'io' };

const RANK: Readonly<Record<CoercionContext, number>> = { implicit: 0, assignment: 1, plpgsql: 2, explicit: 3 };
const CAST_RANK: Readonly<Record<string, number>> = { i: 0, a: 1, e: 3 };
const NONE: Pathway = { kind: 'none' };

export function findCoercionPathway(target: Oid, source: Oid, context: CoercionContext): Pathway {
  const to = baseTypeAndTypmod(target, -1).type;
  const from = baseTypeAndTypmod(source, -1).type;
  if (from === to) return { kind: 'relabel' };
  const cast = castRow(from, to);
  if (cast !== undefined) {
    if (RANK[context] < CAST_RANK[cast.castcontext]!) return NONE;
    if (cast.castmethod === 'f') return { kind: 'func', funcid: cast.castfunc };
    return cast.castmethod === 'i' ? { kind: 'io' } : { kind: 'relabel' };
  }
  if (to !== TYPE.oidvector && to !== TYPE.int2vector) {
    const targetElement = elementType(to);
    const sourceElement = targetElement === 0 ? INVALID : elementType(from);
    if (sourceElement !== 0) {
      const element = findCoercionPathway(targetElement, sourceElement, context);
      if (element.kind !== 'none') return { kind: 'array', funcid: element.kind === 'func' ? element.funcid : INVALID };
    }
  }
  if (RANK[context] >= RANK.assignment && typeRow(to)?.typcategory === 'S') return { kind: 'io' };
  if (RANK[context] >= RANK.explicit && typeRow(from)?.typcategory === 'S') return { kind: 'io' };
  return NONE;
}

/** The function that applies a typmod to a value of the type (a cast of the type to itself), or 0. */
export function findTypmodCoercion(type: Oid): { kind: 'none' | 'func' | 'array'; funcid: Oid } {
  let row = typeRow(type)!;
  let kind: 'func' | 'array' = 'func';
  const element = elementType(type);
  if (element !== 0) {
    kind = 'array';
    type = element;
    row = typeRow(element)!;
  }
  const cast = castRow(row.oid, row.oid);
  return cast !== undefined && cast.castfunc !== 0
    ? { kind, funcid: cast.castfunc }
    : { kind: 'none', funcid: INVALID };
}

/** Can values of these types be given where those are wanted? */
export function canCoerceTypes(sources: readonly Oid[], targets: readonly Oid[], context: CoercionContext): boolean {
  let generic = false;
  for (let i = 0; i < sources.length; i++) {
    const source = sources[i]!;
    const target = targets[i]!;
    if (source === target || target === TYPE.any) continue;
    if (isPolymorphic(target)) {
      generic = true;
      continue;
    }
    if (source === TYPE.unknown) continue;
    if (findCoercionPathway(target, source, context).kind !== 'none') continue;
    if (source === TYPE.record && isCompositeTarget(target)) continue;
    if (target === TYPE.record && isCompositeTarget(source)) continue;
    if (target === TYPE.recordArray && isCompositeArray(source)) continue;
    return false;
  }
  return !generic || isGenericConsistent(sources, targets);
}
export const canCoerceType = (source: Oid, target: Oid, context: CoercionContext): boolean =>
  canCoerceTypes([source], [target], context);
const isCompositeTarget = (type: Oid): boolean => typeRelid(type) !== 0;
const isCompositeArray = (type: Oid): boolean => {
  const element = elementType(type);
  return element !== 0 && typeRelid(element) !== 0;
};

/** Coerces to a type and typmod as written by the user; null if there is no way. */
export function coerceToTargetType(
  p: ParseState | null,
  expr: Expr,
  exprTypeOid: Oid,
  target: Oid,
  targetTypmod: number,
  context: CoercionContext,
  form: CoercionForm,
  location: number,
): Expr | null {
  if (exprTypeOid !== target && !canCoerceTypes([exprTypeOid], [target], context)) return null;
  const collate = expr.kind === 'CollateExpr' ? expr : null;
  let inner: Expr = expr;
  while (inner.kind === 'CollateExpr') inner = inner.arg;
  const coerced = coerceType(p, inner, exprTypeOid, target, targetTypmod, context, form, location);
  const result = coerceTypmod(
    coerced,
    target,
    targetTypmod,
    context,
    form,
    location,
    coerced !== inner && coerced.kind !== 'Const',
  );
  if (collate !== null && typeRow(target)!.typcollation !== 0) {
    return { kind: 'CollateExpr', arg: result, collOid: collate.collOid, location: collate.location };
  }
  return result;
}

/** Coerces where canCoerceType has said yes. */
export function coerceType(
  p: ParseState | null,
  node: Expr,
  input: Oid,
  target: Oid,
  targetTypmod: number,
  context: CoercionContext,
  form: CoercionForm,
  location: number,
): Expr {
  if (target === input || node === null) return node;
  if (
    target === TYPE.any ||
    target === TYPE.anyelement ||
    target === TYPE.anynonarray ||
    target === TYPE.anycompatible ||
    target === TYPE.anycompatiblenonarray
  ) {
    return node;
  }
  if (isArrayPseudo(target)) {
    // An unknown literal stays unknown; a domain over the wanted kind is seen as its base type.
    if (input !== TYPE.unknown) {
      const base = baseTypeAndTypmod(input, -1).type;
      return base === input ? node : makeRelabel(node, base, -1, form, location);
    }
  }
  if (input === TYPE.unknown && node.kind === 'Const')
    return coerceLiteral(p, node, target, targetTypmod, context, form, location);
  if (
    node.kind === 'Param' &&
    p?.params?.variable === true &&
    node.paramkind === 'extern' &&
    node.paramtype === TYPE.unknown
  ) {
    const fixed = coerceUnknownParam(p, node, target, targetTypmod, location);
    if (fixed !== null) return fixed;
  }
  if (node.kind === 'CollateExpr') {
    const arg = coerceType(p, node.arg, input, target, targetTypmod, context, form, location);
    return typeRow(target)!.typcollation !== 0
      ? { kind: 'CollateExpr', arg, collOid: node.collOid, location: node.location }
      : arg;
  }
  const path = findCoercionPathway(target, input, context);
  if (path.kind === 'relabel') {
    const base = baseTypeAndTypmod(target, targetTypmod);
    const result = coerceToDomain(node, base.type, base.typmod, target, context, form, location, false);
    if (result !== node) return result;
    return makeRelabel(node, target, -1, form, location);
  }
  if (path.kind !== 'none') {
    const base = baseTypeAndTypmod(target, targetTypmod);
    const made = buildCoercion(node, path, base.type, base.typmod, context, form, location);
    return target === base.type
      ? made
      : coerceToDomain(made, base.type, base.typmod, target, context, form, location, true);
  }
  if (input === TYPE.record && isCompositeTarget(target)) {
    return coerceRecordToComposite(p, node, target, context, form, location);
  }
  if (
    (target === TYPE.record && isCompositeTarget(input)) ||
    (target === TYPE.recordArray && isCompositeArray(input))
  ) {
    return node;
  }
  fail(
    p,
    SQLSTATE.internalError,
    `failed to find conversion function from ${formatType(input)} to ${formatType(target)}`,
  );
}

const isArrayPseudo = (type: Oid): boolean =>
  type === TYPE.anyarray ||
  type === TYPE.anyenum ||
  type === TYPE.anyrange ||
  type === TYPE.anymultirange ||
  type === TYPE.anycompatiblearray ||
  type === TYPE.anycompatiblerange ||
  type === TYPE.anycompatiblemultirange;

function coerceLiteral(
  p: ParseState | null,
  node: Const,
  target: Oid,
  targetTypmod: number,
  context: CoercionContext,
  form: CoercionForm,
  location: number,
): Expr {
  const base = baseTypeAndTypmod(target, targetTypmod);
  // Only interval's input needs the typmod; other types apply it by their length coercion, where errors are due.
  const inputTypmod = base.type === TYPE.interval ? base.typmod : -1;
  const row = typeRow(base.type)!;
  const value = node.constisnull
    ? null
    : withPosition(p, node.location, () => typeInfo(base.type).input(node.constvalue as string, inputTypmod));
  const made: Const = {
    kind: 'Const',
    consttype: base.type,
    consttypmod: inputTypmod,
    constcollid: row.typcollation,
    constlen: row.typlen,
    constvalue: value,
    constisnull: value === null,
    constbyval: row.typbyval,
    location: node.location,
  };
  return target === base.type
    ? made
    : coerceToDomain(made, base.type, base.typmod, target, context, form, location, false);
}

/** $n of yet unknown type takes the type it is wanted as; every earlier mention becomes the same. */
function coerceUnknownParam(p: ParseState, param: Param, target: Oid, typmod: number, location: number): Expr | null {
  const types = p.params!.types;
  const known = types[param.paramid - 1] ?? 0;
  if (known === 0 || known === TYPE.unknown) types[param.paramid - 1] = target;
  else if (known !== target) {
    fail(p, SQLSTATE.ambiguousParameter, `inconsistent types deduced for parameter $${param.paramid}`, param.location, {
      detail: `${formatType(known as Oid)} versus ${formatType(target)}`,
    });
  }
  param.paramtype = target;
  param.paramtypmod = -1;
  param.paramcollid = typeRow(target)!.typcollation;
  // Use the leftmost of the parameter's and the coercion's location.
  if (location >= 0 && (param.location < 0 || location < param.location)) param.location = location;
  void typmod;
  return param;
}

/** Adds the check of a domain; returns the node as it is when the target is no domain. */
export function coerceToDomain(
  arg: Expr,
  baseType: Oid,
  baseTypmod: number,
  target: Oid,
  context: CoercionContext,
  form: CoercionForm,
  location: number,
  hideInput: boolean,
): Expr {
  if (baseType === target) return arg;
  if (hideInput) hideCoercion(arg);
  const checked = coerceTypmod(arg, baseType, baseTypmod, context, 'implicit_cast', location, false);
  return {
    kind: 'CoerceToDomain',
    arg: checked,
    resulttype: target,
    resulttypmod: -1,
    resultcollid: INVALID,
    coercionformat: form,
    location,
  };
}

/** The coercion was added by us, not written: deparse without it. */
function hideCoercion(e: Expr): void {
  if (e.kind === 'FuncExpr') e.funcformat = 'implicit_cast';
  else if (e.kind === 'RelabelType') e.relabelformat = 'implicit_cast';
  else if (e.kind === 'CoerceViaIO' || e.kind === 'ArrayCoerceExpr') e.coerceformat = 'implicit_cast';
  else if (e.kind === 'ConvertRowtypeExpr') e.convertformat = 'implicit_cast';
  else if (e.kind === 'CoerceToDomain') e.coercionformat = 'implicit_cast';
}

/** Applies a typmod: varchar(10), numeric(5,2). */
export function coerceTypmod(
  node: Expr,
  target: Oid,
  targetTypmod: number,
  context: CoercionContext,
  form: CoercionForm,
  location: number,
  hideInput: boolean,
): Expr {
  if (targetTypmod < 0 || targetTypmod === exprTypmod(node)) return node;
  const path = findTypmodCoercion(target);
  if (path.kind === 'none') {
    return exprTypmod(node) === targetTypmod ? node : makeRelabel(node, target, targetTypmod, form, location);
  }
  if (hideInput) hideCoercion(node);
  return buildCoercion(node, path as Pathway, target, targetTypmod, context, form, location);
}

function buildCoercion(
  node: Expr,
  path: Pathway,
  target: Oid,
  targetTypmod: number,
  context: CoercionContext,
  form: CoercionForm,
  location: number,
): Expr {
  if (path.kind === 'func') {
    const proc = procRow(path.funcid)!;
    const args: Expr[] = [node];
    if (proc.pronargs >= 2) args.push(makeConst(TYPE.int4, -1, targetTypmod, -1));
    if (proc.pronargs === 3) args.push(makeConst(TYPE.bool, -1, context === 'explicit', -1));
    return makeFuncExpr(path.funcid, target, args, form, location);
  }
  if (path.kind === 'array') {
    const source = baseTypeAndTypmod(exprType(node), exprTypmod(node));
    const sourceElement = elementType(source.type);
    const targetElement = elementType(target);
    const test: Expr = {
      kind: 'CaseTestExpr',
      typeId: sourceElement,
      typeMod: source.typmod,
      collation: INVALID,
    };
    const element = coerceToTargetType(null, test, sourceElement, targetElement, targetTypmod, context, form, location);
    if (element === null) fail(null, SQLSTATE.internalError, 'failed to coerce array element type as expected');
    return {
      kind: 'ArrayCoerceExpr',
      arg: node,
      elemexpr: element,
      resulttype: target,
      resulttypmod: exprTypmod(element),
      resultcollid: INVALID,
      coerceformat: form,
      location,
    };
  }
  return { kind: 'CoerceViaIO', arg: node, resulttype: target, resultcollid: INVALID, coerceformat: form, location };
}

function coerceRecordToComposite(
  p: ParseState | null,
  node: Expr,
  target: Oid,
  context: CoercionContext,
  form: CoercionForm,
  location: number,
): RowExpr {
  const refuse = (detail: string): never =>
    fail(p, SQLSTATE.cannotCoerce, `cannot cast type ${formatType(TYPE.record)} to ${formatType(target)}`, location, {
      detail,
    });
  let args: Expr[];
  if (node.kind === 'RowExpr') args = node.args;
  else if (node.kind === 'Var' && node.varattno === 0 && p !== null) args = expandRowColumns(p, node);
  else {
    return fail(
      p,
      SQLSTATE.cannotCoerce,
      `cannot cast type ${formatType(TYPE.record)} to ${formatType(target)}`,
      location,
    );
  }
  const base = baseTypeAndTypmod(target, -1);
  const columns = attributes(typeRelid(base.type));
  const out: Expr[] = [];
  let next = 0;
  for (const column of columns) {
    if (column.attisdropped) {
      out.push(makeConst(TYPE.int4, -1, null, -1));
      continue;
    }
    if (next >= args.length) refuse('Input has too few columns.');
    const arg = args[next++]!;
    const type = exprType(arg);
    const made = coerceToTargetType(p, arg, type, column.atttypid, column.atttypmod, context, 'implicit_cast', -1);
    if (made === null) {
      refuse(`Cannot cast type ${formatType(type)} to ${formatType(column.atttypid)} in column ${next}.`);
    } else out.push(made);
  }
  if (next < args.length) refuse('Input has too many columns.');
  const row: RowExpr = { kind: 'RowExpr', args: out, rowTypeid: base.type, rowFormat: form, colnames: [], location };
  if (base.type === target) return row;
  row.rowFormat = 'implicit_cast';
  return coerceToDomain(row, base.type, base.typmod, target, context, form, location, false) as unknown as RowExpr;
}

export function coerceToBoolean(p: ParseState, node: Expr, construct: string): Expr {
  const type = exprType(node);
  if (type !== TYPE.bool) {
    const made = coerceToTargetType(p, node, type, TYPE.bool, -1, 'assignment', 'implicit_cast', -1);
    if (made === null) {
      fail(
        p,
        SQLSTATE.datatypeMismatch,
        `argument of ${construct} must be type boolean, not type ${formatType(type)}`,
        exprLocation(node),
      );
    }
    node = made;
  }
  refuseSet(p, node, construct);
  return node;
}

export function coerceToSpecificType(p: ParseState, node: Expr, target: Oid, construct: string): Expr {
  const type = exprType(node);
  if (type !== target) {
    const made = coerceToTargetType(p, node, type, target, -1, 'assignment', 'implicit_cast', -1);
    if (made === null) {
      fail(
        p,
        SQLSTATE.datatypeMismatch,
        `argument of ${construct} must be type ${formatType(target)}, not type ${formatType(type)}`,
        exprLocation(node),
      );
    }
    node = made;
  }
  refuseSet(p, node, construct);
  return node;
}
function refuseSet(p: ParseState, node: Expr, construct: string): void {
  if ((node.kind === 'FuncExpr' && node.funcretset) || (node.kind === 'OpExpr' && node.opretset)) {
    fail(p, SQLSTATE.datatypeMismatch, `argument of ${construct} must not return a set`, exprLocation(node));
  }
}

/** The type that UNION columns, CASE results, VALUES … share. `context` null: return 0 instead of an error. */
export function selectCommonType(
  p: ParseState,
  exprs: readonly Expr[],
  context: string | null,
): { type: Oid; which: Expr } {
  let pexpr = exprs[0]!;
  let ptype = exprType(pexpr);
  if (ptype !== TYPE.unknown) {
    let same = true;
    for (let i = 1; i < exprs.length && same; i++) same = exprType(exprs[i]!) === ptype;
    if (same) return { type: ptype, which: pexpr };
  }
  ptype = baseTypeAndTypmod(ptype, -1).type;
  let row = typeRow(ptype)!;
  for (let i = 1; i < exprs.length; i++) {
    const nexpr = exprs[i]!;
    const ntype = baseTypeAndTypmod(exprType(nexpr), -1).type;
    if (ntype === TYPE.unknown || ntype === ptype) continue;
    const nrow = typeRow(ntype)!;
    if (ptype === TYPE.unknown) {
      pexpr = nexpr;
      ptype = ntype;
      row = nrow;
    } else if (nrow.typcategory !== row.typcategory) {
      if (context === null) return { type: INVALID, which: nexpr };
      fail(
        p,
        SQLSTATE.datatypeMismatch,
        `${context} types ${formatType(ptype)} and ${formatType(ntype)} cannot be matched`,
        exprLocation(nexpr),
      );
    } else if (
      !row.typispreferred &&
      canCoerceType(ptype, ntype, 'implicit') &&
      !canCoerceType(ntype, ptype, 'implicit')
    ) {
      pexpr = nexpr;
      ptype = ntype;
      row = nrow;
    }
  }
  if (ptype === TYPE.unknown) ptype = TYPE.text;
  return { type: ptype, which: pexpr };
}

export function coerceToCommonType(p: ParseState, node: Expr, target: Oid, context: string): Expr {
  const type = exprType(node);
  if (type === target) return node;
  if (!canCoerceType(type, target, 'implicit')) {
    fail(
      p,
      SQLSTATE.cannotCoerce,
      `${context} could not convert type ${formatType(type)} to ${formatType(target)}`,
      exprLocation(node),
    );
  }
  return coerceType(p, node, type, target, -1, 'implicit', 'implicit_cast', -1);
}
export const verifyCommonType = (type: Oid, exprs: readonly Expr[]): boolean =>
  exprs.every((e) => canCoerceType(exprType(e), type, 'implicit'));

/** Typmod that all inputs agree on, after their type was agreed. */
export function selectCommonTypmod(exprs: readonly Expr[], commonType: Oid): number {
  let typmod = -1;
  for (let i = 0; i < exprs.length; i++) {
    const e = exprs[i]!;
    if (exprType(e) !== commonType) return -1;
    const t = exprTypmod(e);
    if (i === 0) typmod = t;
    else if (t !== typmod) return -1;
  }
  return typmod;
}
