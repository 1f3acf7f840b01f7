/** expr.ts — analysis of scalar expressions: the grammar's nodes into typed expressions.
 *  Counterpart: src/backend/parser/parse_expr.c */
import type {
  A_ArrayExpr,
  A_Const,
  A_Expr,
  A_Indirection,
  BooleanTest,
  BoolExpr,
  CaseExpr,
  CoalesceExpr,
  CollateClause,
  ColumnRef,
  FuncCall,
  MinMaxExpr,
  Node,
  NullTest,
  ParamRef,
  RowExpr,
  SQLValueFunction as RawValueFunction,
  SubLink,
  TypeCast,
} from '@pgsql/types';
import { canonicalInt8 } from '#adt/datum.ts';
import { typeInfo } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { formatType } from '#catalog/format-type.ts';
import { TYPE } from '#catalog/oids.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { baseTypeAndTypmod, elementType, isTrueArrayType, typeRelid, typeRow } from '#catalog/syscache.ts';
import { exprCollation, exprLocation, exprType, exprTypmod } from '#nodes/node-funcs.ts';
import type {
  BooleanTest as BooleanTestExpr,
  CaseWhen,
  CoercionForm,
  DistinctExpr,
  Expr,
  NullIfExpr,
  Param,
  SQLValueFunctionOp,
  SubLinkType,
} from '#nodes/primitives.ts';
import { anyExpr, mapChildren } from '#nodes/visit.ts';
import { transformGroupingFunc } from '#parser/agg.ts';
import { analyzeSubquery } from '#parser/analyze.ts';
import { type Body, bodyOf, isNullConstant, listItems, stringOf, stringsOf, tagOf } from '#parser/ast.ts';
import {
  coerceToBoolean,
  coerceToCommonType,
  coerceToTargetType,
  selectCommonType,
  verifyCommonType,
} from '#parser/coerce.ts';
import { type CallClauses, makeFunctionCall, PLAIN_CALL } from '#parser/func.ts';
import { makeConst } from '#parser/make-nodes.ts';
import { missingColumn, missingFromItem } from '#parser/missing.ts';
import { makeOp, makeScalarArrayOp } from '#parser/oper.ts';
import { type ExprKind, fail, type ParseState } from '#parser/parse-state.ts';
import { recordColumns, wholeRowField } from '#parser/record-columns.ts';
import { columnByName, columnOfItem, expressionResult, findNsItem, rteOfVar, wholeRowVar } from '#parser/relation.ts';
import { makeRowComparison, makeRowDistinct } from '#parser/row-compare.ts';
import { transformSubscripts } from '#parser/subscript.ts';
import { transformExpressionList } from '#parser/target.ts';
import { resolveCollation, resolveTypeName } from '#parser/type-name.ts';
import { transformXmlExpr, transformXmlSerialize } from '#parser/xml.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';

const INVALID = 0 as Oid;

/** Analyses an expression that stands in a place of this kind. */
export function transformExpr(p: ParseState, node: Node, kind: ExprKind): Expr {
  const saved = p.exprKind;
  p.exprKind = kind;
  try {
    return expression(p, node);
  } finally {
    p.exprKind = saved;
  }
}

export function expression(p: ParseState, node: Node): Expr {
  const tag = tagOf(node);
  const body = bodyOf(node, tag);
  switch (tag) {
    case 'ColumnRef':
      return columnRef(p, body as ColumnRef);
    case 'A_Const':
      return constant(p, body as A_Const);
    case 'ParamRef':
      return paramRef(p, body as ParamRef);
    case 'A_Expr':
      return operatorExpr(p, body as A_Expr);
    case 'FuncCall':
      return functionCall(p, body as FuncCall);
    case 'TypeCast':
      return typeCast(p, body as TypeCast);
    case 'BoolExpr':
      return boolExpr(p, body as BoolExpr);
    case 'A_Indirection':
      return indirection(p, body as A_Indirection);
    case 'A_ArrayExpr':
      return arrayExpr(p, body as A_ArrayExpr, INVALID, INVALID, -1);
    case 'CollateClause':
      return collateClause(p, body as CollateClause);
    case 'SubLink':
      return subLink(p, body as SubLink);
    case 'CaseExpr':
      return caseExpr(p, body as CaseExpr);
    case 'RowExpr':
      return rowExpr(p, body as RowExpr);
    case 'CoalesceExpr':
      return coalesce(p, body as CoalesceExpr);
    case 'MinMaxExpr':
      return minMax(p, body as MinMaxExpr);
    case 'NullTest':
      return nullTest(p, body as NullTest);
    case 'BooleanTest':
      return booleanTest(p, body as BooleanTest);
    case 'SQLValueFunction':
      return sqlValueFunction(body as RawValueFunction);
    case 'NamedArgExpr': {
      const n = body as Body<'NamedArgExpr'>;
      return {
        kind: 'NamedArgExpr',
        arg: expression(p, n.arg!),
        name: n.name!,
        argnumber: -1,
        location: n.location ?? 0,
      };
    }
    case 'GroupingFunc':
      return transformGroupingFunc(p, body as Body<'GroupingFunc'>);
    case 'SetToDefault':
      return fail(
        p,
        SQLSTATE.syntaxError,
        'DEFAULT is not allowed in this context',
        (body as Body<'SetToDefault'>).location ?? 0,
      );
    case 'CurrentOfExpr':
      return fail(p, SQLSTATE.featureNotSupported, 'WHERE CURRENT OF is not supported for this table type');
    case 'XmlExpr':
      return transformXmlExpr(p, body as Body<'XmlExpr'>);
    case 'XmlSerialize':
      return transformXmlSerialize(p, body as Body<'XmlSerialize'>);
    default:
      return report('ERROR', { code: SQLSTATE.featureNotSupported, message: `unrecognized node type: ${tag}` });
  }
}

// ---- names and constants

/** What a ColumnRef may mean: unusable places first. */
const NO_COLUMNS: Partial<Record<ExprKind, string>> = {
  column_default: 'cannot use column reference in DEFAULT expression',
  function_default: 'cannot use column reference in DEFAULT expression',
};

function columnRef(p: ParseState, ref: ColumnRef): Expr {
  const location = ref.location ?? 0;
  const refusal = NO_COLUMNS[p.exprKind];
  if (refusal !== undefined && p.exprKind === 'column_default')
    fail(p, SQLSTATE.featureNotSupported, refusal, location);
  const fields = ref.fields!;
  const names = fields.map(stringOf);
  const star = 'A_Star' in fields[fields.length - 1]!;
  if (names.length === 1) {
    const name = names[0]!;
    const found = columnByName(p, name, false, location);
    if (found !== null) return found;
    // The name of a table alone is its whole row.
    const item = findNsItem(p, null, name, location);
    if (item !== null) return wholeRowVar(p, item.item, item.levelsUp, location);
    const argument = argumentParam(p, name, location);
    if (argument !== null) return argument;
    return missingColumn(p, null, name, location);
  }
  if (names.length > 4) {
    fail(p, SQLSTATE.syntaxError, `improper qualified name (too many dotted names): ${names.join('.')}`, location);
  }
  if (names.length === 4 && names[0] !== sessionIdentity.databaseName) {
    fail(
      p,
      SQLSTATE.featureNotSupported,
      `cross-database references are not implemented: ${writtenName(names, star)}`,
      location,
    );
  }
  const column = names[names.length - 1]!;
  const table = names[names.length - 2]!;
  const schema = names.length >= 3 ? names[names.length - 3]! : null;
  const found = findNsItem(p, schema, table, location);
  if (found === null) return missingFromItem(p, table, location);
  if (star) return wholeRowVar(p, found.item, found.levelsUp, location);
  const v = columnOfItem(p, found.item, found.levelsUp, column, location);
  if (v !== null) return v;
  // x.f may be a function call f(x).
  const row = wholeRowVar(p, found.item, found.levelsUp, location);
  const called = makeFunctionCall(p, [column], [row], p.lastSrf, PLAIN_CALL, false, location, true);
  return called ?? missingColumn(p, table, column, location);
}
const writtenName = (names: readonly string[], star: boolean): string =>
  star ? [...names.slice(0, -1), '*'].join('.') : names.join('.');

/** Arguments of SQL functions may be used by name. */
function argumentParam(p: ParseState, name: string, location: number): Expr | null {
  const at = p.argumentNames.indexOf(name);
  return at < 0 ? null : paramOf(p, at + 1, location);
}

function constant(p: ParseState, c: A_Const): Expr {
  const location = c.location ?? 0;
  if (c.ival !== undefined) return makeConst(TYPE.int4, -1, c.ival.ival ?? 0, location);
  if (c.sval !== undefined) return makeConst(TYPE.unknown, -2, c.sval.sval ?? '', location);
  if (c.fval !== undefined) return numberConstant(c.fval.fval ?? '0', location);
  if (c.boolval !== undefined) return makeConst(TYPE.bool, -1, c.boolval.boolval === true, location);
  if (c.isnull === true) return makeConst(TYPE.unknown, -2, null, location);
  if (c.bsval !== undefined) {
    return makeConst(TYPE.bit, -1, typeInfo(TYPE.bit).input(c.bsval.bsval ?? '', -1), location);
  }
  return fail(p, SQLSTATE.internalError, 'unrecognized constant', location);
}

/** Digits too many for int4: int8 if they fit, else numeric. */
function numberConstant(text: string, location: number): Expr {
  if (/^-?\d+$/.test(text)) {
    const value = BigInt(text);
    if (value >= -(2n ** 63n) && value < 2n ** 63n) {
      if (value >= -2147483648n && value <= 2147483647n) return makeConst(TYPE.int4, -1, Number(value), location);
      return makeConst(TYPE.int8, -1, canonicalInt8(value), location);
    }
  }
  return makeConst(TYPE.numeric, -1, typeInfo(TYPE.numeric).input(text, -1), location);
}

function paramRef(p: ParseState, ref: ParamRef): Expr {
  return paramOf(p, ref.number ?? 0, ref.location ?? 0);
}
function paramOf(p: ParseState, number: number, location: number): Param {
  const types = p.params?.types;
  if (types === undefined || number <= 0 || number > 65535 || (!p.params!.variable && !types[number - 1])) {
    fail(p, SQLSTATE.undefinedParameter, `there is no parameter $${number}`, location);
  }
  if (p.params!.variable) {
    while (types.length < number) types.push(INVALID);
    if (types[number - 1] === 0) types[number - 1] = TYPE.unknown;
  }
  const type = types[number - 1]!;
  return {
    kind: 'Param',
    paramkind: 'extern',
    paramid: number,
    paramtype: type,
    paramtypmod: -1,
    paramcollid: typeRow(type)?.typcollation ?? INVALID,
    location,
  };
}

// ---- operators

function operatorExpr(p: ParseState, a: A_Expr): Expr {
  switch (a.kind) {
    case 'AEXPR_OP':
      return plainOperator(p, a);
    case 'AEXPR_OP_ANY':
    case 'AEXPR_OP_ALL': {
      const left = expression(p, a.lexpr!);
      const right = expression(p, a.rexpr!);
      return makeScalarArrayOp(p, stringsOf(a.name), a.kind === 'AEXPR_OP_ANY', left, right, a.location ?? 0);
    }
    case 'AEXPR_DISTINCT':
    case 'AEXPR_NOT_DISTINCT':
      return distinct(p, a);
    case 'AEXPR_NULLIF':
      return nullIf(p, a);
    case 'AEXPR_IN':
      return inList(p, a);
    case 'AEXPR_LIKE':
    case 'AEXPR_ILIKE':
    case 'AEXPR_SIMILAR': {
      const left = expression(p, a.lexpr!);
      return makeOp(p, stringsOf(a.name), left, expression(p, a.rexpr!), a.location ?? 0);
    }
    case 'AEXPR_BETWEEN':
    case 'AEXPR_NOT_BETWEEN':
    case 'AEXPR_BETWEEN_SYM':
    case 'AEXPR_NOT_BETWEEN_SYM':
      return between(p, a);
    default:
      return fail(p, SQLSTATE.internalError, `unrecognized A_Expr kind: ${a.kind}`, a.location ?? 0);
  }
}

function plainOperator(p: ParseState, a: A_Expr): Expr {
  const location = a.location ?? 0;
  const { lexpr, rexpr } = a;
  const names = stringsOf(a.name);
  // x = NULL as IS NULL, for clients of another dialect.
  if (
    names.length === 1 &&
    names[0] === '=' &&
    transformNullEquals() &&
    (isNullConstant(lexpr) || isNullConstant(rexpr))
  ) {
    const arg = isNullConstant(rexpr) ? lexpr! : rexpr!;
    if (!('CaseTestExpr' in arg)) {
      return nullTest(p, { arg, nulltesttype: 'IS_NULL', location });
    }
  }
  if (
    lexpr !== undefined &&
    rexpr !== undefined &&
    'RowExpr' in lexpr &&
    'SubLink' in rexpr &&
    rexpr.SubLink.subLinkType === 'EXPR_SUBLINK'
  ) {
    return subLink(p, {
      ...rexpr.SubLink,
      subLinkType: 'ROWCOMPARE_SUBLINK',
      testexpr: lexpr,
      operName: a.name!,
      location,
    });
  }
  if (lexpr !== undefined && rexpr !== undefined && 'RowExpr' in lexpr && 'RowExpr' in rexpr) {
    const left = expression(p, lexpr);
    const right = expression(p, rexpr);
    return makeRowComparison(p, names, rowFields(left), rowFields(right), location);
  }
  const left = lexpr === undefined ? null : expression(p, lexpr);
  return makeOp(p, names, left, expression(p, rexpr!), location);
}
const rowFields = (e: Expr): Expr[] => (e.kind === 'RowExpr' ? e.args : [e]);
const transformNullEquals = (): boolean => settings.transform_null_equals;

function distinct(p: ParseState, a: A_Expr): Expr {
  const location = a.location ?? 0;
  const { lexpr, rexpr } = a;
  const not = a.kind === 'AEXPR_NOT_DISTINCT';
  // Against a NULL literal it is a null test.
  if (isNullConstant(rexpr))
    return nullTest(p, { arg: lexpr!, nulltesttype: not ? 'IS_NULL' : 'IS_NOT_NULL', location });
  if (isNullConstant(lexpr))
    return nullTest(p, { arg: rexpr!, nulltesttype: not ? 'IS_NULL' : 'IS_NOT_NULL', location });
  const left = expression(p, lexpr!);
  const right = expression(p, rexpr!);
  const made =
    left.kind === 'RowExpr' && right.kind === 'RowExpr'
      ? makeRowDistinct(p, stringsOf(a.name), left, right, location)
      : makeDistinct(p, stringsOf(a.name), left, right, location);
  return not ? { kind: 'BoolExpr', boolop: 'not', args: [made], location } : made;
}
export function makeDistinct(p: ParseState, names: readonly string[], left: Expr, right: Expr, location: number): Expr {
  const op = makeOp(p, names, left, right, location);
  if (op.opresulttype !== TYPE.bool) {
    fail(p, SQLSTATE.datatypeMismatch, 'IS DISTINCT FROM requires = operator to yield boolean', location);
  }
  if (op.opretset) fail(p, SQLSTATE.datatypeMismatch, 'IS DISTINCT FROM must not return a set', location);
  return { ...op, kind: 'DistinctExpr' } satisfies DistinctExpr;
}

function nullIf(p: ParseState, a: A_Expr): Expr {
  const location = a.location ?? 0;
  const left = expression(p, a.lexpr!);
  const right = expression(p, a.rexpr!);
  const op = makeOp(p, stringsOf(a.name), left, right, location);
  if (op.opresulttype !== TYPE.bool) {
    fail(p, SQLSTATE.datatypeMismatch, 'NULLIF requires = operator to yield boolean', location);
  }
  if (op.opretset) fail(p, SQLSTATE.datatypeMismatch, 'NULLIF must not return a set', location);
  return { ...op, kind: 'NullIfExpr', opresulttype: exprType(op.args[0]!) } satisfies NullIfExpr;
}

function containsVars(e: Expr): boolean {
  return anyExpr(e, (x) => x.kind === 'Var' && x.varlevelsup === 0);
}

/** x IN (a, b, c): constants become = ANY (array), the rest ORed comparisons. */
function inList(p: ParseState, a: A_Expr): Expr {
  const location = a.location ?? 0;
  const names = stringsOf(a.name);
  const useOr = names[names.length - 1] !== '<>';
  const left = expression(p, a.lexpr!);
  const items = listItems(a.rexpr).map((n) => expression(p, n));
  const constants = items.filter((e) => !containsVars(e));
  const others = items.filter((e) => containsVars(e));
  let result: Expr | null = null;
  let rest = items;
  if (constants.length > 1) {
    const common = selectCommonType(p, [left, ...constants], null);
    let type: Oid = common.type;
    if (type !== 0 && !verifyCommonType(type, [left, ...constants])) type = INVALID;
    const arrayType = type !== 0 && type !== TYPE.record ? typeRow(type)!.typarray : INVALID;
    if (arrayType !== 0) {
      const elements = constants.map((e) => coerceToCommonType(p, e, type, 'IN'));
      const array: Expr = {
        kind: 'ArrayExpr',
        arrayTypeid: arrayType,
        arrayCollid: INVALID,
        elementTypeid: type,
        elements,
        multidims: false,
        location: -1,
      };
      result = makeScalarArrayOp(p, names, useOr, left, array, location);
      rest = others;
    }
  }
  for (const item of rest) {
    const copy = result === null && item === rest[0] ? left : structuredCopy(left);
    const compare =
      left.kind === 'RowExpr' && item.kind === 'RowExpr'
        ? makeRowComparison(p, names, (copy as typeof left).args, item.args, location)
        : makeOp(p, names, copy, item, location);
    const bool = coerceToBoolean(p, compare, 'IN');
    result =
      result === null ? bool : { kind: 'BoolExpr', boolop: useOr ? 'or' : 'and', args: [result, bool], location };
  }
  return flattenBool(result!);
}
/** ((a OR b) OR c) as one list, as gram.y's makeOrExpr would have built it. */
function flattenBool(e: Expr): Expr {
  if (e.kind !== 'BoolExpr' || e.args.length !== 2) return e;
  const first = flattenBool(e.args[0]!);
  if (first.kind === 'BoolExpr' && first.boolop === e.boolop && first.location === e.location) {
    return { ...first, args: [...first.args, e.args[1]!] };
  }
  return e;
}
const structuredCopy = <T extends Expr>(e: T): T =>
  e.kind === 'Const' || e.kind === 'Var' ? { ...e } : (copyTree(e) as T);
/** A tree of its own where two places will each be coerced. Datums inside constants are shared. */
export function copyTree(e: Expr): Expr {
  return mapChildren({ ...e } as Expr, copyTree);
}

function between(p: ParseState, a: A_Expr): Expr {
  const location = a.location ?? 0;
  const [low, high] = listItems(a.rexpr) as [Node, Node];
  const x = a.lexpr!;
  const op = (name: string, l: Node, r: Node): Node => ({
    A_Expr: { kind: 'AEXPR_OP', name: [{ String: { sval: name } }], lexpr: l, rexpr: r, location },
  });
  const bool = (boolop: 'AND_EXPR' | 'OR_EXPR', args: Node[]): Node => ({ BoolExpr: { boolop, args, location } });
  switch (a.kind) {
    case 'AEXPR_BETWEEN':
      return expression(p, bool('AND_EXPR', [op('>=', x, low), op('<=', x, high)]));
    case 'AEXPR_NOT_BETWEEN':
      return expression(p, bool('OR_EXPR', [op('<', x, low), op('>', x, high)]));
    case 'AEXPR_BETWEEN_SYM':
      return expression(
        p,
        bool('OR_EXPR', [
          bool('AND_EXPR', [op('>=', x, low), op('<=', x, high)]),
          bool('AND_EXPR', [op('>=', x, high), op('<=', x, low)]),
        ]),
      );
    default:
      return expression(
        p,
        bool('AND_EXPR', [
          bool('OR_EXPR', [op('<', x, low), op('>', x, high)]),
          bool('OR_EXPR', [op('<', x, high), op('>', x, low)]),
        ]),
      );
  }
}

function boolExpr(p: ParseState, b: BoolExpr): Expr {
  const boolop = b.boolop === 'AND_EXPR' ? 'and' : b.boolop === 'OR_EXPR' ? 'or' : 'not';
  const construct = boolop.toUpperCase();
  const args = b.args!.map((n) => coerceToBoolean(p, expression(p, n), construct));
  return { kind: 'BoolExpr', boolop, args, location: b.location ?? 0 };
}

function nullTest(p: ParseState, n: NullTest): Expr {
  const arg = expression(p, n.arg!);
  const row = typeRow(exprType(arg));
  return {
    kind: 'NullTest',
    arg,
    nulltesttype: n.nulltesttype === 'IS_NULL' ? 'is_null' : 'is_not_null',
    argisrow:
      exprType(arg) === TYPE.record || row?.typtype === 'c' || (row?.typtype === 'd' && typeRelid(row.oid) !== 0),
    location: n.location ?? 0,
  };
}

const BOOL_TESTS = {
  IS_TRUE: ['is_true', 'IS TRUE'],
  IS_NOT_TRUE: ['is_not_true', 'IS NOT TRUE'],
  IS_FALSE: ['is_false', 'IS FALSE'],
  IS_NOT_FALSE: ['is_not_false', 'IS NOT FALSE'],
  IS_UNKNOWN: ['is_unknown', 'IS UNKNOWN'],
  IS_NOT_UNKNOWN: ['is_not_unknown', 'IS NOT UNKNOWN'],
} as const satisfies Record<string, readonly [BooleanTestExpr['booltesttype'], string]>;

function booleanTest(p: ParseState, b: BooleanTest): Expr {
  const [booltesttype, construct] = BOOL_TESTS[b.booltesttype as keyof typeof BOOL_TESTS];
  const arg = coerceToBoolean(p, expression(p, b.arg!), construct);
  return { kind: 'BooleanTest', arg, booltesttype, location: b.location ?? 0 };
}

// ---- calls and casts

const FORMATS: Readonly<Record<string, CoercionForm>> = {
  COERCE_EXPLICIT_CALL: 'explicit_call',
  COERCE_EXPLICIT_CAST: 'explicit_cast',
  COERCE_IMPLICIT_CAST: 'implicit_cast',
  COERCE_SQL_SYNTAX: 'sql_syntax',
};

function functionCall(p: ParseState, f: FuncCall): Expr {
  const lastSrf = p.lastSrf;
  const location = f.location ?? 0;
  const args = (f.args ?? []).map((n) => expression(p, n));
  if (f.agg_within_group === true) {
    for (const sort of f.agg_order ?? []) args.push(transformExpr(p, bodyOf(sort, 'SortBy').node!, 'order_by'));
  }
  const clauses: CallClauses =
    f.agg_order === undefined &&
    f.agg_filter === undefined &&
    f.over === undefined &&
    f.agg_star !== true &&
    f.agg_distinct !== true &&
    f.func_variadic !== true &&
    f.agg_within_group !== true &&
    f.funcformat === 'COERCE_EXPLICIT_CALL'
      ? PLAIN_CALL
      : {
          aggOrder: f.agg_order ?? [],
          aggFilter:
            f.agg_filter === undefined ? null : coerceToBoolean(p, transformExpr(p, f.agg_filter, 'filter'), 'FILTER'),
          over: f.over ?? null,
          withinGroup: f.agg_within_group === true,
          star: f.agg_star === true,
          distinct: f.agg_distinct === true,
          variadic: f.func_variadic === true,
          format: FORMATS[f.funcformat ?? ''] ?? 'explicit_call',
        };
  const names = stringsOf(f.funcname);
  // f(x) of a row may be its column f, if there is no such function.
  if (names.length === 1 && args.length === 1 && clauses === PLAIN_CALL && typeRelid(exprType(args[0]!)) !== 0) {
    const called = makeFunctionCall(p, names, args, lastSrf, clauses, false, location, true);
    const column = called ?? complexColumn(p, args[0]!, names[0]!, location);
    if (column !== null) return column;
  }
  return makeFunctionCall(p, stringsOf(f.funcname), args, lastSrf, clauses, false, location)!;
}

function typeCast(p: ParseState, t: TypeCast): Expr {
  const target = resolveTypeName(p, t.typeName!);
  let arg: Expr;
  if ('A_ArrayExpr' in t.arg!) {
    // ARRAY[…]::type[] gives its elements the type they are wanted as.
    const base = baseTypeAndTypmod(target.type, target.typmod);
    const element = elementType(base.type);
    arg =
      element !== 0
        ? arrayExpr(p, t.arg.A_ArrayExpr, base.type, element, base.typmod)
        : arrayExpr(p, t.arg.A_ArrayExpr, INVALID, INVALID, -1);
  } else arg = expression(p, t.arg!);
  const type = exprType(arg);
  if (type === INVALID) return arg;
  let location = t.location ?? 0;
  if (location < 0) location = t.typeName!.location ?? 0;
  const made = coerceToTargetType(p, arg, type, target.type, target.typmod, 'explicit', 'explicit_cast', location);
  if (made === null) {
    fail(
      p,
      SQLSTATE.cannotCoerce,
      `cannot cast type ${formatType(type)} to ${formatType(target.type)}`,
      castErrorLocation(arg, location),
    );
  }
  return made;
}
/** A cast's error points at the operator (::) unless the coercion has no location. */
const castErrorLocation = (arg: Expr, location: number): number => (location >= 0 ? location : exprLocation(arg));

function collateClause(p: ParseState, c: CollateClause): Expr {
  const arg = expression(p, c.arg!);
  const type = exprType(arg);
  const location = c.location ?? 0;
  if (typeRow(type)!.typcollation === 0 && type !== TYPE.unknown) {
    fail(p, SQLSTATE.datatypeMismatch, `collations are not supported by type ${formatType(type)}`, location);
  }
  return { kind: 'CollateExpr', arg, collOid: resolveCollation(p, stringsOf(c.collname), location), location };
}

// ---- arrays, rows, fields

function arrayExpr(p: ParseState, a: A_ArrayExpr, arrayType: Oid, element: Oid, typmod: number): Expr {
  const location = a.location ?? 0;
  let multidims = false;
  const raw = a.elements ?? [];
  const elements = raw.map((n) => {
    if ('A_ArrayExpr' in n) {
      multidims = true;
      return arrayExpr(p, n.A_ArrayExpr, arrayType, element, typmod);
    }
    const made = expression(p, n);
    if (!multidims && isTrueArrayType(exprType(made))) multidims = true;
    return made;
  });
  let coerceType: Oid;
  let elementTypeid: Oid;
  let arrayTypeid: Oid;
  let hard: boolean;
  if (arrayType !== 0) {
    arrayTypeid = arrayType;
    elementTypeid = element;
    coerceType = multidims ? arrayType : element;
    hard = true;
  } else {
    if (elements.length === 0) {
      fail(p, SQLSTATE.indeterminateDatatype, 'cannot determine type of empty array', location, {
        hint: 'Explicitly cast to the desired type, for example ARRAY[]::integer[].',
      });
    }
    coerceType = selectCommonType(p, elements, 'ARRAY').type;
    if (multidims) {
      arrayTypeid = coerceType;
      elementTypeid = elementType(baseTypeAndTypmod(arrayTypeid, -1).type);
      if (elementTypeid === 0) {
        fail(
          p,
          SQLSTATE.undefinedObject,
          `could not find element type for data type ${formatType(arrayTypeid)}`,
          location,
        );
      }
    } else {
      elementTypeid = coerceType;
      arrayTypeid = typeRow(elementTypeid)!.typarray;
      if (arrayTypeid === 0) {
        fail(
          p,
          SQLSTATE.undefinedObject,
          `could not find array type for data type ${formatType(elementTypeid)}`,
          location,
        );
      }
    }
    hard = false;
  }
  const coerced = elements.map((e) => {
    if (!hard) return coerceToCommonType(p, e, coerceType, 'ARRAY');
    const made = coerceToTargetType(p, e, exprType(e), coerceType, typmod, 'explicit', 'explicit_cast', -1);
    if (made === null) {
      fail(
        p,
        SQLSTATE.cannotCoerce,
        `cannot cast type ${formatType(exprType(e))} to ${formatType(coerceType)}`,
        exprLocation(e),
      );
    }
    return made;
  });
  return {
    kind: 'ArrayExpr',
    arrayTypeid,
    arrayCollid: INVALID,
    elementTypeid,
    elements: coerced,
    multidims,
    location,
  };
}

function rowExpr(p: ParseState, r: RowExpr): Expr {
  const args = transformExpressionList(p, r.args ?? [], p.exprKind);
  if (args.length > 1664) {
    fail(p, SQLSTATE.tooManyColumns, 'ROW expressions can have at most 1664 entries', r.location ?? 0);
  }
  return {
    kind: 'RowExpr',
    args,
    rowTypeid: TYPE.record,
    rowFormat: FORMATS[r.row_format ?? ''] ?? 'explicit_call',
    colnames: args.map((_, i) => `f${i + 1}`),
    location: r.location ?? 0,
  };
}

function indirection(p: ParseState, a: A_Indirection): Expr {
  const lastSrf = p.lastSrf;
  let result = expression(p, a.arg!);
  const location = exprLocation(result);
  let subscripts: Node[] = [];
  const flush = (): void => {
    if (subscripts.length > 0)
      result = transformSubscripts(p, result, exprType(result), exprTypmod(result), subscripts);
    subscripts = [];
  };
  for (const step of a.indirection!) {
    if ('A_Indices' in step) subscripts.push(step);
    else if ('A_Star' in step) {
      fail(p, SQLSTATE.featureNotSupported, 'row expansion via "*" is not supported here', location);
    } else {
      flush();
      const field = stringOf(step);
      const made = selectField(p, result, field, lastSrf, location);
      if (made === null) unknownField(p, result, field, location);
      result = made;
    }
  }
  flush();
  return result;
}

/** (expr).field, or the function call that it may stand for; null if neither exists. */
export function selectField(
  p: ParseState,
  arg: Expr,
  field: string,
  lastSrf: Expr | null,
  location: number,
): Expr | null {
  const projected = complexColumn(p, arg, field, location);
  if (projected !== null) return projected;
  return makeFunctionCall(p, [field], [arg], lastSrf, PLAIN_CALL, false, location, true);
}

function complexColumn(p: ParseState, arg: Expr, field: string, location: number): Expr | null {
  const type = exprType(arg);
  if (arg.kind === 'Var' && arg.varattno === 0) {
    const column = wholeRowField(p, arg, field, location);
    if (column !== null) return column;
  }
  if (type !== TYPE.record && typeRelid(type) === 0) return null;
  const result = arg.kind === 'Var' && type === TYPE.record ? recordColumns(p, arg) : expressionResult(arg);
  if (result === null || result.kind !== 'composite') return null;
  const at = result.columns.names.findIndex((n, i) => n === field && result.columns.types[i] !== 0);
  if (at < 0) return null;
  return {
    kind: 'FieldSelect',
    arg,
    fieldnum: at + 1,
    resulttype: result.columns.types[at]!,
    resulttypmod: result.columns.typmods[at]!,
    resultcollid: result.columns.collations[at]!,
  };
}

function unknownField(p: ParseState, arg: Expr, field: string, location: number): never {
  const type = exprType(arg);
  if (arg.kind === 'Var' && arg.varattno === 0) {
    const name = rteOfVar(p, arg).eref.aliasname;
    fail(p, SQLSTATE.undefinedColumn, `column ${name}.${field} does not exist`, location);
  }
  if (typeRelid(type) !== 0) {
    fail(p, SQLSTATE.undefinedColumn, `column "${field}" not found in data type ${formatType(type)}`, location);
  }
  if (type === TYPE.record) {
    fail(p, SQLSTATE.undefinedColumn, `could not identify column "${field}" in record data type`, location);
  }
  fail(
    p,
    SQLSTATE.wrongObjectType,
    `column notation .${field} applied to type ${formatType(type)}, which is not a composite type`,
    location,
  );
}

// ---- CASE and friends

function caseExpr(p: ParseState, c: CaseExpr): Expr {
  let arg = c.arg === undefined ? null : expression(p, c.arg);
  let placeholder: Expr | null = null;
  if (arg !== null) {
    // An untyped test value would be taken for a different type in each WHEN.
    if (exprType(arg) === TYPE.unknown) arg = coerceToCommonType(p, arg, TYPE.text, 'CASE');
    placeholder = {
      kind: 'CaseTestExpr',
      typeId: exprType(arg),
      typeMod: exprTypmod(arg),
      collation: exprCollation(arg),
    };
  }
  const lastSrf = p.lastSrf;
  const whens: CaseWhen[] = c.args!.map((node) => {
    const w = bodyOf(node, 'CaseWhen');
    let test: Expr;
    if (placeholder !== null) {
      const right = expression(p, w.expr!);
      test = makeOp(p, ['='], { ...placeholder } as Expr, right, w.location ?? 0);
    } else test = expression(p, w.expr!);
    const expr = coerceToBoolean(p, test, 'CASE/WHEN');
    return { kind: 'CaseWhen', expr, result: expression(p, w.result!), location: w.location ?? 0 };
  });
  const defresult: Expr =
    c.defresult === undefined ? makeConst(TYPE.unknown, -2, null, -1) : expression(p, c.defresult);
  const casetype = selectCommonType(p, [defresult, ...whens.map((w) => w.result)], 'CASE').type;
  const coercedDefault = coerceToCommonType(p, defresult, casetype, 'CASE/ELSE');
  for (const w of whens) w.result = coerceToCommonType(p, w.result, casetype, 'CASE/WHEN');
  if (p.lastSrf !== lastSrf) {
    fail(p, SQLSTATE.featureNotSupported, 'set-returning functions are not allowed in CASE', exprLocation(p.lastSrf!), {
      hint: 'You might be able to move the set-returning function into a LATERAL FROM item.',
    });
  }
  return {
    kind: 'CaseExpr',
    casetype,
    casecollid: INVALID,
    arg,
    args: whens,
    defresult: coercedDefault,
    location: c.location ?? 0,
  };
}

function coalesce(p: ParseState, c: CoalesceExpr): Expr {
  const lastSrf = p.lastSrf;
  const args = c.args!.map((n) => expression(p, n));
  const coalescetype = selectCommonType(p, args, 'COALESCE').type;
  const coerced = args.map((e) => coerceToCommonType(p, e, coalescetype, 'COALESCE'));
  if (p.lastSrf !== lastSrf) {
    fail(
      p,
      SQLSTATE.featureNotSupported,
      'set-returning functions are not allowed in COALESCE',
      exprLocation(p.lastSrf!),
      {
        hint: 'You might be able to move the set-returning function into a LATERAL FROM item.',
      },
    );
  }
  return { kind: 'CoalesceExpr', coalescetype, coalescecollid: INVALID, args: coerced, location: c.location ?? 0 };
}

function minMax(p: ParseState, m: MinMaxExpr): Expr {
  const greatest = m.op === 'IS_GREATEST';
  const name = greatest ? 'GREATEST' : 'LEAST';
  const args = m.args!.map((n) => expression(p, n));
  const minmaxtype = selectCommonType(p, args, name).type;
  return {
    kind: 'MinMaxExpr',
    minmaxtype,
    minmaxcollid: INVALID,
    inputcollid: INVALID,
    op: greatest ? 'greatest' : 'least',
    args: args.map((e) => coerceToCommonType(p, e, minmaxtype, name)),
    location: m.location ?? 0,
  };
}

const VALUE_FUNCTIONS: Readonly<Record<string, readonly [SQLValueFunctionOp, Oid]>> = {
  SVFOP_CURRENT_DATE: ['current_date', TYPE.date],
  SVFOP_CURRENT_TIME: ['current_time', TYPE.timetz],
  SVFOP_CURRENT_TIME_N: ['current_time_n', TYPE.timetz],
  SVFOP_CURRENT_TIMESTAMP: ['current_timestamp', TYPE.timestamptz],
  SVFOP_CURRENT_TIMESTAMP_N: ['current_timestamp_n', TYPE.timestamptz],
  SVFOP_LOCALTIME: ['localtime', TYPE.time],
  SVFOP_LOCALTIME_N: ['localtime_n', TYPE.time],
  SVFOP_LOCALTIMESTAMP: ['localtimestamp', TYPE.timestamp],
  SVFOP_LOCALTIMESTAMP_N: ['localtimestamp_n', TYPE.timestamp],
  SVFOP_CURRENT_ROLE: ['current_role', TYPE.name],
  SVFOP_CURRENT_USER: ['current_user', TYPE.name],
  SVFOP_USER: ['user', TYPE.name],
  SVFOP_SESSION_USER: ['session_user', TYPE.name],
  SVFOP_CURRENT_CATALOG: ['current_catalog', TYPE.name],
  SVFOP_CURRENT_SCHEMA: ['current_schema', TYPE.name],
};

function sqlValueFunction(s: RawValueFunction): Expr {
  const [op, type] = VALUE_FUNCTIONS[s.op!]!;
  let typmod = s.typmod ?? 0;
  if (!op.endsWith('_n')) typmod = -1;
  else if (typmod > 6) {
    report('WARNING', {
      code: SQLSTATE.invalidParameterValue,
      message: `${op.replace(/_n$/, '').toUpperCase()}(${typmod})${type === TYPE.timetz || type === TYPE.timestamptz ? ' WITH TIME ZONE' : ''} precision reduced to maximum allowed, 6`,
    });
    typmod = 6;
  }
  return { kind: 'SQLValueFunction', op, type, typmod, location: s.location ?? 0 };
}

// ---- sub-selects

const NO_SUBQUERY: Partial<Record<ExprKind, string>> = {
  check_constraint: 'cannot use subquery in check constraint',
  index_expression: 'cannot use subquery in index expression',
  index_predicate: 'cannot use subquery in index predicate',
  alter_col_transform: 'cannot use subquery in transform expression',
  trigger_when: 'cannot use subquery in trigger WHEN condition',
  generated_column: 'cannot use subquery in column generation expression',
  copy_where: 'cannot use subquery in COPY FROM WHERE condition',
  column_default: 'cannot use subquery in DEFAULT expression',
  function_default: 'cannot use subquery in DEFAULT expression',
  execute_parameter: 'cannot use subquery in EXECUTE parameter',
  call_argument: 'cannot use subquery in CALL argument',
};

const SUBLINK_TYPES: Readonly<Record<string, SubLinkType>> = {
  EXISTS_SUBLINK: 'exists',
  ALL_SUBLINK: 'all',
  ANY_SUBLINK: 'any',
  ROWCOMPARE_SUBLINK: 'rowcompare',
  EXPR_SUBLINK: 'expr',
  MULTIEXPR_SUBLINK: 'multiexpr',
  ARRAY_SUBLINK: 'array',
};

function subLink(p: ParseState, s: SubLink): Expr {
  const location = s.location ?? 0;
  const refusal = NO_SUBQUERY[p.exprKind];
  if (refusal !== undefined) fail(p, SQLSTATE.featureNotSupported, refusal, location);
  p.hasSubLinks = true;
  const subselect = analyzeSubquery(p, s.subselect!, null, true);
  const subLinkType = SUBLINK_TYPES[s.subLinkType!]!;
  const base = { kind: 'SubLink' as const, subLinkType, subLinkId: 0, subselect, location };
  if (subLinkType === 'exists') return { ...base, testexpr: null, operName: [] };
  const visible = subselect.targetList.filter((t) => !t.resjunk);
  if (subLinkType === 'expr' || subLinkType === 'array') {
    if (visible.length !== 1) fail(p, SQLSTATE.syntaxError, 'subquery must return only one column', location);
    const made: Expr = { ...base, testexpr: null, operName: [] };
    if (subLinkType === 'array' && exprType(made) === 0) {
      fail(
        p,
        SQLSTATE.undefinedObject,
        `could not find array type for data type ${formatType(exprType(visible[0]!.expr))}`,
        location,
      );
    }
    return made;
  }
  const operName = s.operName === undefined ? ['='] : stringsOf(s.operName);
  const left = expression(p, s.testexpr!);
  const lefts = left.kind === 'RowExpr' ? left.args : [left];
  if (lefts.length < visible.length) fail(p, SQLSTATE.syntaxError, 'subquery has too many columns', location);
  if (lefts.length > visible.length) fail(p, SQLSTATE.syntaxError, 'subquery has too few columns', location);
  const rights: Expr[] = visible.map((t, i) => ({
    kind: 'Param',
    paramkind: 'sublink',
    paramid: i + 1,
    paramtype: exprType(t.expr),
    paramtypmod: exprTypmod(t.expr),
    paramcollid: exprCollation(t.expr),
    location: -1,
  }));
  const testexpr = makeRowComparison(p, operName, lefts, rights, location);
  return { ...base, testexpr, operName: s.operName === undefined ? [] : operName };
}
