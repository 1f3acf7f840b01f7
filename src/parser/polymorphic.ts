/** polymorphic.ts — what anyelement, anyarray, anycompatible … stand for in one call.
 *
 *  Two families: the any* pseudo-types want exactly the same type everywhere; the anycompatible* ones pick a common
 *  type that all inputs coerce to. Each family may appear as element, array, range or multirange.
 *  Counterpart: src/backend/parser/parse_coerce.c (check_generic_type_consistency, enforce_generic_type_consistency) */
import type { Oid } from '#base/ids.ts';
import { formatType } from '#catalog/format-type.ts';
import { TYPE } from '#catalog/oids.ts';
import { store } from '#catalog/rows.ts';
import { arrayTypeOf, baseType, elementType, isTrueArrayType, rangeRow, typeRow } from '#catalog/syscache.ts';
import { canCoerceType } from '#parser/coerce.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const INVALID = 0 as Oid;

interface Family {
  element: Oid;
  array: Oid;
  nonarray: Oid;
  enumeration: Oid;
  range: Oid;
  multirange: Oid;
}
const EXACT: Family = {
  element: TYPE.anyelement,
  array: TYPE.anyarray,
  nonarray: TYPE.anynonarray,
  enumeration: TYPE.anyenum,
  range: TYPE.anyrange,
  multirange: TYPE.anymultirange,
};
const COMPATIBLE: Family = {
  element: TYPE.anycompatible,
  array: TYPE.anycompatiblearray,
  nonarray: TYPE.anycompatiblenonarray,
  enumeration: INVALID,
  range: TYPE.anycompatiblerange,
  multirange: TYPE.anycompatiblemultirange,
};
const members = (f: Family): ReadonlySet<Oid> =>
  new Set([f.element, f.array, f.nonarray, f.enumeration, f.range, f.multirange].filter((t) => t !== 0));
const EXACT_TYPES = members(EXACT);
const COMPATIBLE_TYPES = members(COMPATIBLE);

export const isPolymorphic = (type: Oid): boolean => EXACT_TYPES.has(type) || COMPATIBLE_TYPES.has(type);
const anyPolymorphic = (types: readonly Oid[]): boolean => types.some(isPolymorphic);

/** What a family was found to stand for. */
interface Resolution {
  element: Oid;
  array: Oid;
  range: Oid;
  multirange: Oid;
}
/** Why a family does not fit; detail optional. */
class Mismatch {
  constructor(
    readonly message: string,
    readonly detail?: string,
    readonly code = SQLSTATE.datatypeMismatch,
  ) {}
}
const rangeOfMultirange = (type: Oid): Oid => store.range.by('rngmultitypid', type)[0]?.rngtypid ?? INVALID;
const name = (type: Oid): string => typeRow(type)!.typname;
const versus = (a: Oid, b: Oid): string => `${formatType(a)} versus ${formatType(b)}`;

export function isGenericConsistent(actual: readonly Oid[], declared: readonly Oid[]): boolean {
  return !(
    resolveExact(actual, declared) instanceof Mismatch || resolveCompatible(actual, declared) instanceof Mismatch
  );
}

/** Replaces the polymorphic types in `declared` by what they stand for and returns the result type likewise. */
export function enforceGenericTypes(actual: readonly Oid[], declared: Oid[], result: Oid): Oid {
  if (!anyPolymorphic(declared)) {
    return result;
  }
  const exact = accept(resolveExact(actual, declared));
  const compatible = accept(resolveCompatible(actual, declared));
  const used = exact !== null && (declared.some((t) => EXACT_TYPES.has(t)) || EXACT_TYPES.has(result));
  if (used && exact.element === 0 && exact.array !== TYPE.anyarray) {
    report('ERROR', {
      code: SQLSTATE.datatypeMismatch,
      message: 'could not determine polymorphic type because input has type unknown',
    });
  }
  for (let i = 0; i < declared.length; i++) declared[i] = concrete(declared[i]!, exact, compatible, actual[i]!);
  return concrete(result, exact, compatible, INVALID);
}
function accept(found: Resolution | Mismatch): Resolution {
  if (found instanceof Mismatch) {
    report('ERROR', { code: found.code, message: found.message, detail: found.detail });
  }
  return found;
}

function concrete(type: Oid, exact: Resolution, compatible: Resolution, actual: Oid): Oid {
  const family = EXACT_TYPES.has(type) ? EXACT : COMPATIBLE_TYPES.has(type) ? COMPATIBLE : null;
  if (family === null) return type;
  const found = family === EXACT ? exact : compatible;
  if (type === family.element || type === family.nonarray || type === family.enumeration) return found.element;
  if (type === family.array) {
    if (found.array !== 0) return found.array;
    const array = arrayTypeOf(found.element);
    if (array === 0) {
      report('ERROR', {
        code: SQLSTATE.undefinedObject,
        message: `could not find array type for data type ${formatType(found.element)}`,
      });
    }
    return array;
  }
  const wanted = type === family.range ? found.range : found.multirange;
  if (wanted === 0) {
    if (actual === TYPE.unknown || actual === 0) {
      report('ERROR', {
        code: SQLSTATE.datatypeMismatch,
        message: `could not determine polymorphic type ${name(type)} because input has type unknown`,
      });
    }
  }
  return wanted;
}

/** All of the same kind must be the same type; arrays and ranges must agree with the element type. */
function resolveExact(actual: readonly Oid[], declared: readonly Oid[]): Resolution | Mismatch {
  const out: Resolution = { element: INVALID, array: INVALID, range: INVALID, multirange: INVALID };
  let wantsNonarray = false;
  let wantsEnum = false;
  let others = 0;
  for (let i = 0; i < declared.length; i++) {
    const want = declared[i]!;
    if (!EXACT_TYPES.has(want)) continue;
    let given = actual[i]!;
    if (want === EXACT.nonarray) wantsNonarray = true;
    if (want === EXACT.enumeration) wantsEnum = true;
    if (want !== EXACT.array) others++;
    if (given === TYPE.unknown) continue;
    if (want === EXACT.array || want === EXACT.range || want === EXACT.multirange) given = baseType(given);
    const key =
      want === EXACT.array
        ? 'array'
        : want === EXACT.range
          ? 'range'
          : want === EXACT.multirange
            ? 'multirange'
            : 'element';
    const before = out[key];
    if (before !== 0 && before !== given) {
      return new Mismatch(`arguments declared "${name(EXACT[key])}" are not all alike`, versus(before, given));
    }
    out[key] = given;
  }
  const array = resolveArray(out, others);
  if (array !== null) return array;
  const range = resolveRange(out, EXACT);
  if (range !== null) return range;
  if (wantsNonarray && out.element !== 0 && isTrueArrayType(baseType(out.element))) {
    return new Mismatch(`type matched to anynonarray is an array type: ${formatType(out.element)}`);
  }
  if (wantsEnum && out.element !== 0 && typeRow(out.element)?.typtype !== 'e') {
    return new Mismatch(`type matched to anyenum is not an enum type: ${formatType(out.element)}`);
  }
  return out;
}

function resolveArray(out: Resolution, others: number): Mismatch | null {
  if (out.array === 0) return null;
  if (out.array === TYPE.anyarray) {
    // Statistics columns are declared anyarray: all that is known is that it is some array.
    if (others > 0 || out.element !== 0) {
      return new Mismatch(`cannot determine element type of "anyarray" argument`);
    }
    return null;
  }
  const element = elementType(out.array);
  if (element === 0) {
    return new Mismatch(`argument declared anyarray is not an array but type ${formatType(out.array)}`);
  }
  if (out.element === 0) out.element = element;
  else if (element !== out.element) {
    return new Mismatch(
      'argument declared anyarray is not consistent with argument declared anyelement',
      versus(out.array, out.element),
    );
  }
  return null;
}

function resolveRange(out: Resolution, family: Family): Mismatch | null {
  if (out.multirange !== 0) {
    const range = rangeOfMultirange(out.multirange);
    if (range === 0) {
      return new Mismatch(
        `argument declared ${name(family.multirange)} is not a multirange type but type ${formatType(out.multirange)}`,
      );
    }
    if (out.range === 0) out.range = range;
    else if (out.range !== range) {
      return new Mismatch(
        `argument declared ${name(family.multirange)} is not consistent with argument declared ${name(family.range)}`,
        versus(out.multirange, out.range),
      );
    }
  }
  if (out.range === 0) return null;
  const row = rangeRow(out.range);
  if (row === undefined) {
    return new Mismatch(
      `argument declared ${name(family.range)} is not a range type but type ${formatType(out.range)}`,
    );
  }
  if (out.multirange === 0) out.multirange = row.rngmultitypid;
  if (out.element === 0) out.element = row.rngsubtype;
  else if (out.element !== row.rngsubtype) {
    return new Mismatch(
      `argument declared ${name(family.range)} is not consistent with argument declared ${name(family.element)}`,
      versus(out.range, out.element),
    );
  }
  return null;
}

function resolveCompatible(actual: readonly Oid[], declared: readonly Oid[]): Resolution | Mismatch {
  const out: Resolution = { element: INVALID, array: INVALID, range: INVALID, multirange: INVALID };
  const types: Oid[] = [];
  let wantsNonarray = false;
  let seen = false;
  for (let i = 0; i < declared.length; i++) {
    const want = declared[i]!;
    if (!COMPATIBLE_TYPES.has(want)) continue;
    seen = true;
    const given = actual[i]!;
    if (want === COMPATIBLE.nonarray) wantsNonarray = true;
    if (given === TYPE.unknown) continue;
    if (want === COMPATIBLE.array) {
      const element = elementType(baseType(given));
      if (element === 0) {
        return new Mismatch(
          `argument declared anycompatiblearray is not an array but type ${formatType(baseType(given))}`,
        );
      }
      types.push(element);
    } else if (want === COMPATIBLE.range || want === COMPATIBLE.multirange) {
      const key = want === COMPATIBLE.range ? 'range' : 'multirange';
      const base = baseType(given);
      if (out[key] !== 0 && out[key] !== base) {
        return new Mismatch(`arguments declared "${name(want)}" are not all alike`, versus(out[key], base));
      }
      out[key] = base;
    } else types.push(given);
  }
  if (!seen) return out;
  const range = resolveRange(out, COMPATIBLE);
  if (range !== null) return range;
  if (out.element !== 0) types.push(out.element);
  const subtype = out.element;
  const common = types.length === 0 ? TYPE.text : commonOf(types);
  if (common === 0) return new Mismatch(`arguments of anycompatible family cannot be cast to a common type`);
  if (subtype !== 0 && common !== subtype) {
    return new Mismatch(
      `argument declared anycompatiblerange is not consistent with argument declared anycompatible`,
      versus(out.range, common),
    );
  }
  if (wantsNonarray && isTrueArrayType(baseType(common))) {
    return new Mismatch(`type matched to anycompatiblenonarray is an array type: ${formatType(common)}`);
  }
  out.element = common;
  return out;
}

/** select_common_type over bare types; 0 if there is none. */
function commonOf(types: readonly Oid[]): Oid {
  let best = baseType(types[0]!);
  if (types.every((t) => t === types[0])) return types[0]!;
  for (let i = 1; i < types.length; i++) {
    const next = baseType(types[i]!);
    if (next === best) continue;
    const bestRow = typeRow(best)!;
    if (typeRow(next)!.typcategory !== bestRow.typcategory) return INVALID;
    if (!bestRow.typispreferred && canCoerceType(best, next, 'implicit') && !canCoerceType(next, best, 'implicit')) {
      best = next;
    }
  }
  return types.every((t) => canCoerceType(t, best, 'implicit')) ? best : INVALID;
}
