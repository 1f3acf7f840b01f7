/** node-funcs.ts — type, typmod, collation and place of an expression; structural equality; small makers.
 *  Counterpart: src/backend/nodes/nodeFuncs.c, equalfuncs.c, makefuncs.c */
import type { Datum } from '#adt/datum.ts';
import { typeInfo } from '#adt/fmgr.ts';
import { unreachable } from '#base/assert.ts';
import type { Oid } from '#base/ids.ts';
import type { Alias, BoolExpr, Const, Expr, TargetEntry, Var } from '#nodes/primitives.ts';
import { forEachChild } from '#nodes/visit.ts';

const BOOLOID = 16 as Oid;
const INT4OID = 23 as Oid;
const INT8OID = 20 as Oid;
const NAMEOID = 19 as Oid;
const XMLOID = 142 as Oid;
const VOIDOID = 2278 as Oid;
const RECORDOID = 2249 as Oid;
const NO_COLLATION = 0 as Oid;
/** Collation "C", that of every name. */
export const C_COLLATION_OID = 950 as Oid;
export const DEFAULT_COLLATION_OID = 100 as Oid;

function firstTarget(list: TargetEntry[]): Expr {
  const first = list.find((entry) => !entry.resjunk);
  if (first === undefined) throw new Error('sub-select has no visible column');
  return first.expr;
}

export function exprType(node: Expr): Oid {
  switch (node.kind) {
    case 'Var':
      return node.vartype;
    case 'Const':
      return node.consttype;
    case 'Param':
      return node.paramtype;
    case 'Aggref':
      return node.aggtype;
    case 'GroupingFunc':
      return INT4OID;
    case 'WindowFunc':
      return node.wintype;
    case 'SubscriptingRef':
      return node.refrestype;
    case 'FuncExpr':
      return node.funcresulttype;
    case 'NamedArgExpr':
    case 'CollateExpr':
      return exprType(node.arg);
    case 'OpExpr':
    case 'DistinctExpr':
    case 'NullIfExpr':
      return node.opresulttype;
    case 'ScalarArrayOpExpr':
    case 'BoolExpr':
    case 'RowCompareExpr':
    case 'NullTest':
    case 'BooleanTest':
    case 'CurrentOfExpr':
      return BOOLOID;
    case 'SubLink':
      if (node.subLinkType === 'expr') return exprType(firstTarget(node.subselect.targetList));
      if (node.subLinkType === 'array') return promotedArrayType(exprType(firstTarget(node.subselect.targetList)));
      return node.subLinkType === 'multiexpr' ? RECORDOID : BOOLOID;
    case 'SubPlan':
      if (node.subLinkType === 'expr') return node.firstColType;
      if (node.subLinkType === 'array') return promotedArrayType(node.firstColType);
      if (node.subLinkType === 'cte') return VOIDOID;
      return node.subLinkType === 'multiexpr' ? RECORDOID : BOOLOID;
    case 'AlternativeSubPlan':
      return exprType(node.subplans[0]!);
    case 'FieldSelect':
    case 'FieldStore':
    case 'RelabelType':
    case 'CoerceViaIO':
    case 'ArrayCoerceExpr':
    case 'ConvertRowtypeExpr':
    case 'CoerceToDomain':
      return node.resulttype;
    case 'CaseExpr':
      return node.casetype;
    case 'CaseTestExpr':
    case 'CoerceToDomainValue':
    case 'SetToDefault':
    case 'NextValueExpr':
      return node.typeId;
    case 'ArrayExpr':
      return node.arrayTypeid;
    case 'RowExpr':
      return node.rowTypeid;
    case 'CoalesceExpr':
      return node.coalescetype;
    case 'MinMaxExpr':
      return node.minmaxtype;
    case 'SQLValueFunction':
      return node.type;
    case 'XmlExpr':
      if (node.op === 'document') return BOOLOID;
      return node.op === 'xmlserialize' ? node.type : XMLOID;
    case 'InferenceElem':
      return exprType(node.expr);
    default:
      return unreachable(node);
  }
}

/** Array type of ARRAY(SELECT x): an array of arrays is just a deeper array of the same type. */
export function promotedArrayType(element: Oid): Oid {
  const info = typeInfo(element);
  if (info.arrayType !== 0) return info.arrayType;
  return info.elementType !== 0 && info.category === 'A' ? element : (0 as Oid);
}

/** Typmod that two branches share, else -1. */
function commonTypmod(type: Oid, branches: readonly Expr[]): number {
  const first = branches[0];
  if (first === undefined || exprType(first) !== type) return -1;
  const typmod = exprTypmod(first);
  if (typmod < 0) return -1;
  return branches.every((branch) => exprType(branch) === type && exprTypmod(branch) === typmod) ? typmod : -1;
}

export function exprTypmod(node: Expr): number {
  switch (node.kind) {
    case 'Var':
      return node.vartypmod;
    case 'Const':
      return node.consttypmod;
    case 'Param':
      return node.paramtypmod;
    case 'SubscriptingRef':
      return node.reftypmod;
    case 'FuncExpr':
      return lengthCoercionTypmod(node);
    case 'NamedArgExpr':
    case 'CollateExpr':
      return exprTypmod(node.arg);
    case 'NullIfExpr':
      return exprTypmod(node.args[0]!);
    case 'SubLink':
      return node.subLinkType === 'expr' || node.subLinkType === 'array'
        ? exprTypmod(firstTarget(node.subselect.targetList))
        : -1;
    case 'SubPlan':
      return node.subLinkType === 'expr' || node.subLinkType === 'array' ? node.firstColTypmod : -1;
    case 'AlternativeSubPlan':
      return exprTypmod(node.subplans[0]!);
    case 'FieldSelect':
    case 'RelabelType':
    case 'ArrayCoerceExpr':
    case 'CoerceToDomain':
      return node.resulttypmod;
    case 'CaseExpr':
      return node.defresult === null
        ? -1
        : commonTypmod(node.casetype, [...node.args.map((when) => when.result), node.defresult]);
    case 'CaseTestExpr':
    case 'CoerceToDomainValue':
    case 'SetToDefault':
      return node.typeMod;
    case 'ArrayExpr': {
      const first = node.elements[0];
      if (first === undefined) return -1;
      const typmod = exprTypmod(first);
      const type = exprType(first);
      if (typmod < 0) return -1;
      return node.elements.every((e) => exprType(e) === type && exprTypmod(e) === typmod) ? typmod : -1;
    }
    case 'CoalesceExpr':
      return commonTypmod(node.coalescetype, node.args);
    case 'MinMaxExpr':
      return commonTypmod(node.minmaxtype, node.args);
    case 'SQLValueFunction':
    case 'XmlExpr':
      return node.typmod;
    default:
      return -1;
  }
}

/** A cast function with a constant second int4 argument coerces to that length. */
export function lengthCoercionTypmod(node: Expr): number {
  if (node.kind !== 'FuncExpr') return -1;
  if (node.funcformat !== 'explicit_cast' && node.funcformat !== 'implicit_cast') return -1;
  if (node.args.length !== 2 && node.args.length !== 3) return -1;
  const second = node.args[1]!;
  if (second.kind !== 'Const' || second.consttype !== INT4OID || second.constisnull) return -1;
  return second.constvalue as number;
}

export function exprCollation(node: Expr): Oid {
  switch (node.kind) {
    case 'Var':
      return node.varcollid;
    case 'Const':
      return node.constcollid;
    case 'Param':
      return node.paramcollid;
    case 'Aggref':
      return node.aggcollid;
    case 'WindowFunc':
      return node.wincollid;
    case 'SubscriptingRef':
      return node.refcollid;
    case 'FuncExpr':
      return node.funccollid;
    case 'NamedArgExpr':
      return exprCollation(node.arg);
    case 'OpExpr':
    case 'DistinctExpr':
    case 'NullIfExpr':
      return node.opcollid;
    case 'SubLink':
      return node.subLinkType === 'expr' || node.subLinkType === 'array'
        ? exprCollation(firstTarget(node.subselect.targetList))
        : NO_COLLATION;
    case 'SubPlan':
      return node.subLinkType === 'expr' || node.subLinkType === 'array' ? node.firstColCollation : NO_COLLATION;
    case 'AlternativeSubPlan':
      return exprCollation(node.subplans[0]!);
    case 'FieldSelect':
    case 'RelabelType':
    case 'CoerceViaIO':
    case 'ArrayCoerceExpr':
    case 'CoerceToDomain':
      return node.resultcollid;
    case 'CollateExpr':
      return node.collOid;
    case 'CaseExpr':
      return node.casecollid;
    case 'CaseTestExpr':
    case 'CoerceToDomainValue':
    case 'SetToDefault':
      return node.collation;
    case 'ArrayExpr':
      return node.arrayCollid;
    case 'CoalesceExpr':
      return node.coalescecollid;
    case 'MinMaxExpr':
      return node.minmaxcollid;
    case 'SQLValueFunction':
      return node.type === NAMEOID ? C_COLLATION_OID : NO_COLLATION;
    case 'XmlExpr':
      return node.op === 'xmlserialize' ? DEFAULT_COLLATION_OID : NO_COLLATION;
    default:
      return NO_COLLATION;
  }
}

/** Collation that the node passes to its function or operator. */
export function exprInputCollation(node: Expr): Oid {
  return 'inputcollid' in node ? node.inputcollid : NO_COLLATION;
}

/** Changes the collation of a node that was just made. */
export function setExprCollation(node: Expr, collation: Oid): void {
  switch (node.kind) {
    case 'Var':
      node.varcollid = collation;
      return;
    case 'Const':
      node.constcollid = collation;
      return;
    case 'Param':
      node.paramcollid = collation;
      return;
    case 'Aggref':
      node.aggcollid = collation;
      return;
    case 'WindowFunc':
      node.wincollid = collation;
      return;
    case 'SubscriptingRef':
      node.refcollid = collation;
      return;
    case 'FuncExpr':
      node.funccollid = collation;
      return;
    case 'NamedArgExpr':
      setExprCollation(node.arg, collation);
      return;
    case 'OpExpr':
    case 'DistinctExpr':
    case 'NullIfExpr':
      node.opcollid = collation;
      return;
    case 'FieldSelect':
    case 'RelabelType':
    case 'CoerceViaIO':
    case 'ArrayCoerceExpr':
    case 'CoerceToDomain':
      node.resultcollid = collation;
      return;
    case 'CaseExpr':
      node.casecollid = collation;
      return;
    case 'CaseTestExpr':
    case 'CoerceToDomainValue':
    case 'SetToDefault':
      node.collation = collation;
      return;
    case 'ArrayExpr':
      node.arrayCollid = collation;
      return;
    case 'CoalesceExpr':
      node.coalescecollid = collation;
      return;
    case 'MinMaxExpr':
      node.minmaxcollid = collation;
      return;
    default:
  }
}

const leftmost = (a: number, b: number): number => (a < 0 ? b : b < 0 ? a : Math.min(a, b));

/** Offset of the leftmost token of the expression, -1 if unknown. */
export function exprLocation(node: Expr): number {
  switch (node.kind) {
    case 'OpExpr':
    case 'DistinctExpr':
    case 'NullIfExpr':
    case 'ScalarArrayOpExpr':
    case 'FuncExpr':
    case 'BoolExpr':
    case 'NullTest':
    case 'BooleanTest':
    case 'RelabelType':
    case 'CoerceViaIO':
    case 'ArrayCoerceExpr':
    case 'ConvertRowtypeExpr':
    case 'CollateExpr':
    case 'CoerceToDomain': {
      let location = node.location;
      forEachChild(node, (child) => {
        location = leftmost(location, exprLocation(child));
      });
      return location;
    }
    case 'SubscriptingRef':
      return exprLocation(node.refexpr);
    case 'FieldSelect':
      return exprLocation(node.arg);
    case 'RowCompareExpr':
      return node.largs.reduce((at, arg) => leftmost(at, exprLocation(arg)), -1);
    default:
      return 'location' in node ? node.location : -1;
  }
}

/** Fields that do not take part in equality: where and how something was written. */
const NOT_COMPARED = new Set([
  'location',
  'funcformat',
  'relabelformat',
  'coerceformat',
  'coercionformat',
  'convertformat',
  'rowFormat',
  'varnosyn',
  'varattnosyn',
  'aggno',
  'aggtransno',
  'cols',
]);

/** Structural equality of nodes (and of the values in Consts). */
export function equal(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (a instanceof Uint8Array) {
    return b instanceof Uint8Array && a.length === b.length && a.every((byte, i) => byte === b[i]);
  }
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false;
    for (let i = 0; i < a.length; i++) if (!equal(a[i], b[i])) return false;
    return true;
  }
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  if (left['kind'] !== right['kind']) return false;
  for (const key in left) {
    if (!NOT_COMPARED.has(key) && !equal(left[key], right[key])) return false;
  }
  return true;
}

export function makeConst(type: Oid, typmod: number, collation: Oid, value: Datum, location = -1): Const {
  const info = typeInfo(type);
  return {
    kind: 'Const',
    consttype: type,
    consttypmod: typmod,
    constcollid: collation,
    constlen: info.length,
    constvalue: value,
    constisnull: value === null,
    constbyval: info.byValue,
    location,
  };
}
export function makeBoolConst(value: boolean | null): Const {
  return {
    kind: 'Const',
    consttype: BOOLOID,
    consttypmod: -1,
    constcollid: NO_COLLATION,
    constlen: 1,
    constvalue: value,
    constisnull: value === null,
    constbyval: true,
    location: -1,
  };
}
export function makeInt8Const(value: number | bigint): Const {
  return {
    kind: 'Const',
    consttype: INT8OID,
    consttypmod: -1,
    constcollid: NO_COLLATION,
    constlen: 8,
    constvalue: value,
    constisnull: false,
    constbyval: true,
    location: -1,
  };
}
export function makeVar(varno: number, varattno: number, type: Oid, typmod: number, collation: Oid, levelsup = 0): Var {
  return {
    kind: 'Var',
    varno,
    varattno,
    vartype: type,
    vartypmod: typmod,
    varcollid: collation,
    varlevelsup: levelsup,
    varnosyn: varno,
    varattnosyn: varattno,
    location: -1,
  };
}
export function makeTargetEntry(expr: Expr, resno: number, resname: string | null, resjunk = false): TargetEntry {
  return {
    kind: 'TargetEntry',
    expr,
    resno,
    resname,
    ressortgroupref: 0,
    resorigtbl: 0 as Oid,
    resorigcol: 0,
    resjunk,
  };
}
export function makeBoolExpr(boolop: BoolExpr['boolop'], args: Expr[], location = -1): BoolExpr {
  return { kind: 'BoolExpr', boolop, args, location };
}
export const makeAlias = (aliasname: string, colnames: string[] = []): Alias => ({
  kind: 'Alias',
  aliasname,
  colnames,
});

/** The expression as an implicit AND list; [] for null. */
export function implicitAnd(qual: Expr | null): Expr[] {
  if (qual === null) return [];
  if (qual.kind === 'BoolExpr' && qual.boolop === 'and') return qual.args.flatMap(implicitAnd);
  if (qual.kind === 'Const' && !qual.constisnull && qual.constvalue === true) return [];
  return [qual];
}
export function explicitAnd(quals: Expr[]): Expr | null {
  if (quals.length === 0) return null;
  return quals.length === 1 ? quals[0]! : makeBoolExpr('and', quals);
}
