/** expr-array.ts — ARRAY[…], subscripts and slices, x = ANY (array), coercion of each element.
 *  Counterpart: the array parts of src/backend/executor/execExprInterp.c, utils/adt/arraysubs.c */
import type { ArrayDatum, Datum } from '#adt/datum.ts';
import { builtin } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { TYPE } from '#catalog/oids.ts';
import { baseType, elementType, typeRow } from '#catalog/syscache.ts';
import type { Eval } from '#executor/estate.ts';
import { compileExpr, type CompileScope } from '#executor/expr-compile.ts';
import { directCall, needProc } from '#executor/function-call.ts';
import { isExact } from '#executor/sort-support.ts';
import { exprType } from '#nodes/node-funcs.ts';
import type { ArrayCoerceExpr, ArrayExpr, Expr, ScalarArrayOpExpr, SubscriptingRef } from '#nodes/primitives.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export function makeArray(elementTypeOid: Oid, elements: Datum[]): ArrayDatum {
  const empty = elements.length === 0;
  return {
    kind: 'array',
    elementType: elementTypeOid,
    dims: empty ? [] : [elements.length],
    lowerBounds: empty ? [] : [1],
    elements,
  };
}

export function compileArray(node: ArrayExpr, scope: CompileScope): Eval {
  const items = node.elements.map((element) => compileExpr(element, scope));
  const element = node.elementTypeid;
  if (!node.multidims) {
    return (c) => {
      const values = new Array<Datum>(items.length);
      for (let i = 0; i < items.length; i++) values[i] = items[i]!(c);
      return makeArray(element, values);
    };
  }
  return (c) =>
    nestArrays(
      element,
      items.map((item) => item(c) as ArrayDatum | null),
    );
}

/** Arrays of one shape become the rows of an array with one more dimension. Null members are left out. */
function nestArrays(element: Oid, members: (ArrayDatum | null)[]): ArrayDatum {
  const present = members.filter((member): member is ArrayDatum => member !== null && member.dims.length > 0);
  const first = present[0];
  if (first === undefined) return makeArray(element, []);
  const matches = (member: ArrayDatum): boolean =>
    member.dims.length === first.dims.length &&
    member.dims.every((length, i) => length === first.dims[i]) &&
    member.lowerBounds.every((bound, i) => bound === first.lowerBounds[i]);
  if (present.length !== members.filter((member) => member !== null).length || !present.every(matches)) {
    return report('ERROR', {
      code: SQLSTATE.arraySubscriptError,
      message: 'multidimensional arrays must have array expressions with matching dimensions',
    });
  }
  if (first.dims.length >= 6) {
    return report('ERROR', {
      code: SQLSTATE.programLimitExceeded,
      message: `number of array dimensions (${first.dims.length + 1}) exceeds the maximum allowed (6)`,
    });
  }
  return {
    kind: 'array',
    elementType: element,
    dims: [present.length, ...first.dims],
    lowerBounds: [1, ...first.lowerBounds],
    elements: present.flatMap((member) => member.elements),
  };
}

export function compileArrayCoerce(node: ArrayCoerceExpr, scope: CompileScope): Eval {
  const arg = compileExpr(node.arg, scope);
  const target = elementType(baseType(node.resulttype));
  if (node.elemexpr.kind === 'CaseTestExpr') {
    return (c) => {
      const array = arg(c) as ArrayDatum | null;
      return array === null ? null : { ...array, elementType: target };
    };
  }
  const each = compileExpr(node.elemexpr, scope);
  return (c) => {
    const array = arg(c) as ArrayDatum | null;
    if (array === null) return null;
    const outer = c.caseValue;
    const elements = array.elements.map((element) => {
      c.caseValue = element;
      return each(c);
    });
    c.caseValue = outer;
    return { ...array, elementType: target, elements };
  };
}

export function compileSubscript(node: SubscriptingRef, scope: CompileScope): Eval {
  const container = compileExpr(node.refexpr, scope);
  if (node.refassgnexpr !== null) {
    return report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: 'assignment to an array element is not supported in this context',
    });
  }
  const compileIndexes = (list: (Expr | null)[]): (Eval | null)[] =>
    list.map((index) => (index === null ? null : compileExpr(index, scope)));
  const upper = compileIndexes(node.refupperindexpr);
  if (baseType(node.refcontainertype) === TYPE.jsonb) return compileJsonbSubscript(container, upper as Eval[]);
  const length = typeRow(baseType(node.refcontainertype))?.typlen ?? -1;
  if (length > 0) return compileFixedSubscript(node, container, upper as Eval[]);
  if (node.reflowerindexpr.length > 0) return compileSlice(container, upper, compileIndexes(node.reflowerindexpr));
  if (upper.length === 1) {
    const index = upper[0]!;
    return (c) => {
      const array = container(c) as ArrayDatum | null;
      if (array === null) return null;
      const at = index(c) as number | null;
      if (at === null || array.dims.length !== 1) return null;
      const position = at - array.lowerBounds[0]!;
      return position < 0 || position >= array.dims[0]! ? null : array.elements[position]!;
    };
  }
  return (c) => {
    const array = container(c) as ArrayDatum | null;
    if (array === null || array.dims.length !== upper.length) return null;
    let position = 0;
    for (let i = 0; i < upper.length; i++) {
      const at = upper[i]!(c) as number | null;
      if (at === null) return null;
      const offset = at - array.lowerBounds[i]!;
      if (offset < 0 || offset >= array.dims[i]!) return null;
      position = position * array.dims[i]! + offset;
    }
    return array.elements[position]!;
  };
}

/** name is an array of "char", point an array of float8: types of fixed length that can be subscripted. */
function compileFixedSubscript(node: SubscriptingRef, container: Eval, upper: Eval[]): Eval {
  const index = upper[0]!;
  return (c) => {
    const value = container(c);
    const at = index(c) as number | null;
    if (value === null || at === null || upper.length !== 1) return null;
    if (typeof value === 'string') {
      const bytes = Buffer.from(value, 'utf8');
      return at < 0 || at >= bytes.length ? '' : String.fromCharCode(bytes[at]!);
    }
    return report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: `subscripting type with OID ${node.refcontainertype} is not supported`,
    });
  };
}

function compileJsonbSubscript(container: Eval, path: Eval[]): Eval {
  return (c) => {
    const value = container(c);
    if (value === null) return null;
    const keys: Datum[] = [];
    for (const step of path) {
      const key = step(c);
      if (key === null) return null;
      keys.push(String(key));
    }
    const extract = builtin('jsonb_extract_path');
    if (extract === undefined || extract.style === 'set') {
      return report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: 'function jsonb_extract_path(jsonb, text[]) is not implemented',
      });
    }
    const args = [value, makeArray(TYPE.text, keys)];
    if (extract.style === 'plain') return extract.call(...args);
    const info = { functionOid: 3217 as Oid, argTypes: [TYPE.jsonb, TYPE.textArray], resultType: TYPE.jsonb };
    return extract.call({ ...info, collation: 0 as Oid, variadic: true }, ...args);
  };
}

function compileSlice(container: Eval, upper: (Eval | null)[], lower: (Eval | null)[]): Eval {
  return (c) => {
    const array = container(c) as ArrayDatum | null;
    if (array === null) return null;
    const from: number[] = [];
    const to: number[] = [];
    for (let i = 0; i < upper.length; i++) {
      const low = lower[i] ? lower[i]!(c) : (array.lowerBounds[i] ?? 1);
      const high = upper[i] ? upper[i]!(c) : (array.lowerBounds[i] ?? 1) + (array.dims[i] ?? 0) - 1;
      if (low === null || high === null) return null;
      from.push(low as number);
      to.push(high as number);
    }
    return sliceArray(array, from, to);
  };
}

/** The part of an array within bounds; dimensions not mentioned are taken whole. Lower bounds become 1. */
export function sliceArray(array: ArrayDatum, from: readonly number[], to: readonly number[]): ArrayDatum {
  const empty = makeArray(array.elementType, []);
  const rank = array.dims.length;
  if (rank === 0 || rank < from.length) return empty;
  const start: number[] = [];
  const dims: number[] = [];
  for (let i = 0; i < rank; i++) {
    const first = array.lowerBounds[i]!;
    const last = first + array.dims[i]! - 1;
    const low = i < from.length ? Math.max(from[i]!, first) : first;
    const high = i < to.length ? Math.min(to[i]!, last) : last;
    if (low > high) return empty;
    start.push(low - first);
    dims.push(high - low + 1);
  }
  const elements: Datum[] = [];
  const collect = (dimension: number, base: number): void => {
    if (dimension === rank) {
      elements.push(array.elements[base]!);
      return;
    }
    for (let i = 0; i < dims[dimension]!; i++) {
      collect(dimension + 1, base * array.dims[dimension]! + start[dimension]! + i);
    }
  };
  collect(0, 0);
  return { kind: 'array', elementType: array.elementType, dims, lowerBounds: dims.map(() => 1), elements };
}

/** x op ANY (array), x op ALL (array). */
export function compileScalarArrayOp(node: ScalarArrayOpExpr, scope: CompileScope): Eval {
  const [scalarNode, arrayNode] = node.args as [Expr, Expr];
  const scalar = compileExpr(scalarNode, scope);
  const arrayOf = compileExpr(arrayNode, scope);
  const proc = needProc(node.opfuncid);
  const types = [exprType(scalarNode), elementType(baseType(exprType(arrayNode)))];
  const call = directCall(node.opfuncid, types, TYPE.bool, node.inputcollid);
  const strict = proc.proisstrict;
  const useOr = node.useOr;

  // A constant list of exactly comparable values is a set.
  if (useOr && arrayNode.kind === 'Const' && !arrayNode.constisnull && isExact(node.opno, node.inputcollid)) {
    const elements = (arrayNode.constvalue as ArrayDatum).elements;
    const members = new Set(elements);
    const otherwise = members.delete(null) ? null : false;
    if (elements.length === 0) return () => false;
    return (c) => {
      const value = scalar(c);
      if (value === null) return null;
      return members.has(value) ? true : otherwise;
    };
  }
  return (c) => {
    const value = scalar(c);
    const array = arrayOf(c) as ArrayDatum | null;
    if (array === null) return null;
    const elements = array.elements;
    if (elements.length === 0) return !useOr;
    if (value === null && strict) return null;
    let anyNull = false;
    for (let i = 0; i < elements.length; i++) {
      const element = elements[i]!;
      const verdict = element === null && strict ? null : call(value, element);
      if (verdict === null) anyNull = true;
      else if (verdict === useOr) return useOr;
    }
    return anyNull ? null : !useOr;
  };
}
