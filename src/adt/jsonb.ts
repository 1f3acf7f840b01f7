/** jsonb.ts — operators and functions of the type jsonb.
 *  Counterpart: src/backend/utils/adt/jsonb.c, jsonb_op.c, jsonfuncs.c (jsonb half) */
import { subscriptError } from '#adt/array.ts';
import { iterate } from '#adt/array-functions.ts';
import { comparisons } from '#adt/date.ts';
import type { ArrayDatum, Datum, Jsonb, JsonbValue } from '#adt/datum.ts';
import { builtin, type CallInfo, registerBuiltins, registerCallInfoBuiltins, registerSetBuiltins } from '#adt/fmgr.ts';
import {
  argumentType,
  buildArguments,
  evenArguments,
  iteratePairs,
  pairsOfArray,
  pairsOfArrays,
  pathIndex,
} from '#adt/json.ts';
import { jsonbOf, jsonKeyText } from '#adt/json-build.ts';
import {
  compareJsonb,
  hashJsonb,
  isArray,
  isNumber,
  isObject,
  type JsonbMap,
  jsonb,
  jsonbAsText,
  jsonbContains,
  jsonbIn,
  jsonbObject,
  jsonbPretty,
  jsonbText,
  jsonbTypeName,
} from '#adt/jsonb-value.ts';
import { invalidParameter } from '#adt/value-errors.ts';
import { textFromUtf8, utf8Bytes } from '#adt/wire.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const isScalar = (value: JsonbValue): boolean => !isArray(value) && !isObject(value);

// ---- looking inside

const fieldOf = (value: JsonbValue, name: string): JsonbValue | undefined =>
  isObject(value) ? value.get(name) : undefined;
const elementOf = (value: JsonbValue, index: number): JsonbValue | undefined =>
  isArray(value) ? value[index < 0 ? value.length + index : index] : undefined;
/** A scalar at the top is stored as an array of one. */
const asArrayOrObject = (value: JsonbValue): JsonbValue => (isScalar(value) ? [value] : value);
const pick = (value: JsonbValue | undefined): Jsonb | null => (value === undefined ? null : jsonb(value));
const pickText = (value: JsonbValue | undefined): string | null => (value === undefined ? null : jsonbAsText(value));
function followPath(value: JsonbValue, path: ArrayDatum): JsonbValue | undefined {
  if (path.elements.includes(null)) return undefined;
  let at: JsonbValue | undefined = value;
  for (const step of path.elements as readonly string[]) {
    if (isObject(at)) at = at.get(step);
    else {
      const index = pathIndex(step);
      at = index === null ? undefined : elementOf(at, index);
    }
    if (at === undefined) return undefined;
  }
  return at;
}
const exists = (value: JsonbValue, key: string): boolean =>
  isObject(value) ? value.has(key) : isArray(value) ? value.includes(key) : value === key;
const names = (array: ArrayDatum): string[] => array.elements.filter((e): e is string => e !== null);

function eachPair(value: JsonbValue, name: string): JsonbMap {
  if (!isObject(value)) invalidParameter(`cannot call ${name} on a non-object`);
  return value;
}
function elementsOf(value: JsonbValue): readonly JsonbValue[] {
  if (isObject(value)) invalidParameter('cannot extract elements from an object');
  if (!isArray(value)) invalidParameter('cannot extract elements from a scalar');
  return value;
}
function arrayLength(value: JsonbValue): number {
  if (isObject(value)) invalidParameter('cannot get array length of a non-array');
  if (!isArray(value)) invalidParameter('cannot get array length of a scalar');
  return value.length;
}
function objectKeys(value: JsonbValue): readonly string[] {
  if (isArray(value)) invalidParameter('cannot call jsonb_object_keys on an array');
  if (!isObject(value)) invalidParameter('cannot call jsonb_object_keys on a scalar');
  return [...value.keys()];
}
function stripNulls(value: JsonbValue): JsonbValue {
  if (isArray(value)) return value.map(stripNulls);
  if (!isObject(value)) return value;
  const kept = new Map<string, JsonbValue>();
  for (const [key, item] of value) if (item !== null) kept.set(key, stripNulls(item));
  return kept;
}

// ---- changing

const asArray = (value: JsonbValue): readonly JsonbValue[] => (isArray(value) ? value : [value]);
function concat(a: JsonbValue, b: JsonbValue): JsonbValue {
  if (isObject(a) && isObject(b)) return jsonbObject([...a, ...b]);
  return [...asArray(a), ...asArray(b)];
}
function deleteKeys(value: JsonbValue, keys: readonly string[]): JsonbValue {
  if (isScalar(value)) invalidParameter('cannot delete from scalar');
  if (isArray(value)) return value.filter((item) => typeof item !== 'string' || !keys.includes(item));
  const kept = new Map(value as JsonbMap);
  for (const key of keys) kept.delete(key);
  return kept;
}
function deleteIndex(value: JsonbValue, index: number): JsonbValue {
  if (isScalar(value)) invalidParameter('cannot delete from scalar');
  if (!isArray(value)) invalidParameter('cannot delete from object using integer index');
  const at = index < 0 ? value.length + index : index;
  return at < 0 || at >= value.length ? value : value.filter((_item, i) => i !== at);
}

type PathOperation = 'create' | 'replace' | 'delete' | 'insertBefore' | 'insertAfter';
const adds = (operation: PathOperation): boolean => operation !== 'replace' && operation !== 'delete';

function setPath(
  value: JsonbValue,
  path: readonly (string | null)[],
  level: number,
  replacement: JsonbValue,
  operation: PathOperation,
): JsonbValue {
  const step = path[level];
  if (step === null || step === undefined)
    report('ERROR', {
      code: SQLSTATE.nullValueNotAllowed,
      message: `path element at position ${level + 1} is null`,
    });
  if (isScalar(value)) return value;
  return isArray(value)
    ? setInArray(value, path, level, step, replacement, operation)
    : setInObject(value as JsonbMap, path, level, step, replacement, operation);
}
function setInObject(
  value: JsonbMap,
  path: readonly (string | null)[],
  level: number,
  step: string,
  replacement: JsonbValue,
  operation: PathOperation,
): JsonbValue {
  const have = value.get(step);
  const isLast = level === path.length - 1;
  if (have === undefined) return isLast && adds(operation) ? jsonbObject([...value, [step, replacement]]) : value;
  if (isLast && (operation === 'insertBefore' || operation === 'insertAfter'))
    invalidParameter('cannot replace existing key', 'Try using the function jsonb_set to replace key value.');
  const changed = new Map(value);
  if (!isLast) changed.set(step, setPath(have, path, level + 1, replacement, operation));
  else if (operation === 'delete') changed.delete(step);
  else changed.set(step, replacement);
  return changed;
}
function setInArray(
  value: readonly JsonbValue[],
  path: readonly (string | null)[],
  level: number,
  step: string,
  replacement: JsonbValue,
  operation: PathOperation,
): JsonbValue {
  const parsed = pathIndex(step);
  if (parsed === null)
    report('ERROR', {
      code: SQLSTATE.invalidTextRepresentation,
      message: `path element at position ${level + 1} is not an integer: "${step}"`,
    });
  const isLast = level === path.length - 1;
  const index = parsed < 0 ? value.length + parsed : parsed;
  if (index < 0 || index >= value.length) {
    if (!isLast || !adds(operation)) return value;
    return index < 0 ? [replacement, ...value] : [...value, replacement];
  }
  const changed = value.slice();
  if (!isLast) changed[index] = setPath(value[index]!, path, level + 1, replacement, operation);
  else if (operation === 'delete') changed.splice(index, 1);
  else if (operation === 'insertBefore') changed.splice(index, 0, replacement);
  else if (operation === 'insertAfter') changed.splice(index + 1, 0, replacement);
  else changed[index] = replacement;
  return changed;
}
function changePath(value: Jsonb, path: ArrayDatum, replacement: JsonbValue, operation: PathOperation): Jsonb {
  if (path.dims.length > 1) subscriptError('wrong number of array subscripts');
  if (isScalar(value.value))
    invalidParameter(operation === 'delete' ? 'cannot delete path in scalar' : 'cannot set path in scalar');
  const steps = path.elements as readonly (string | null)[];
  if (steps.length === 0) return value;
  const isEmpty = isArray(value.value) ? value.value.length === 0 : (value.value as JsonbMap).size === 0;
  if (isEmpty && !adds(operation)) return value;
  return jsonb(setPath(value.value, steps, 0, replacement, operation));
}
function setLax(
  value: Jsonb | null,
  path: ArrayDatum | null,
  replacement: Jsonb | null,
  create: boolean | null,
  treatment: string | null,
): Jsonb | null {
  if (value === null || path === null || create === null) return null;
  if (treatment === null)
    invalidParameter(
      'null_value_treatment must be "delete_key", "return_target", "use_json_null", or "raise_exception"',
    );
  if (replacement !== null) return changePath(value, path, replacement.value, create ? 'create' : 'replace');
  switch (treatment) {
    case 'raise_exception':
      report('ERROR', {
        code: SQLSTATE.nullValueNotAllowed,
        message: 'JSON value must not be null',
        detail: 'Exception was raised because null_value_treatment is "raise_exception".',
        hint: 'To avoid, either change the null_value_treatment argument or ensure that an SQL NULL is not passed.',
      });
      break;
    case 'use_json_null':
      return changePath(value, path, null, create ? 'create' : 'replace');
    case 'delete_key':
      return changePath(value, path, null, 'delete');
    case 'return_target':
      return value;
    default:
      invalidParameter(
        'null_value_treatment must be "delete_key", "return_target", "use_json_null", or "raise_exception"',
      );
  }
}

// ---- casts

function cannotCast(value: JsonbValue, typeName: string): never {
  const kind = isNumber(value) ? 'numeric' : jsonbTypeName(value);
  invalidParameter(`cannot cast jsonb ${kind} to type ${typeName}`);
}
function toBool({ value }: Jsonb): boolean {
  return typeof value === 'boolean' ? value : cannotCast(value, 'boolean');
}
/** A cast through numeric's own cast function. */
const numberCast =
  (typeName: string, prosrc: string | null) =>
  ({ value }: Jsonb): Datum => {
    if (!isNumber(value)) cannotCast(value, typeName);
    if (prosrc === null) return value;
    const code = builtin(prosrc);
    if (code?.style !== 'plain') throw new Error(`function ${prosrc} is not registered`);
    return code.call(value);
  };

// ---- building

function buildObject(info: CallInfo, ...args: Datum[]): Jsonb | null {
  const given = buildArguments(info, args);
  if (given === null) return null;
  evenArguments(given.values.length, 'jsonb_build_object');
  const entries: [string, JsonbValue][] = [];
  for (let i = 0; i < given.values.length; i += 2) {
    const key = given.values[i]!;
    if (key === null) invalidParameter(`argument ${i + 1}: key must not be null`);
    entries.push([jsonKeyText(key, given.types[i]!), jsonbOf(given.values[i + 1]!, given.types[i + 1]!)]);
  }
  return jsonb(jsonbObject(entries));
}
function buildArray(info: CallInfo, ...args: Datum[]): Jsonb | null {
  const given = buildArguments(info, args);
  return given === null ? null : jsonb(given.values.map((value, i) => jsonbOf(value, given.types[i]!)));
}

interface ListState {
  readonly kind: 'internal';
  readonly items: JsonbValue[];
}
interface EntryState {
  readonly kind: 'internal';
  readonly entries: [string, JsonbValue][];
}
function aggTransition(info: CallInfo, state: ListState | null, value: Datum): ListState {
  const type = argumentType(info, 1);
  const next = state ?? { kind: 'internal', items: [] };
  next.items.push(jsonbOf(value, type));
  return next;
}
function objectAggTransition(info: CallInfo, state: EntryState | null, key: Datum, value: Datum): EntryState {
  const keyType = argumentType(info, 1);
  const valueType = argumentType(info, 2);
  const next = state ?? { kind: 'internal', entries: [] };
  if (key === null) invalidParameter('field name must not be null');
  next.entries.push([jsonKeyText(key, keyType), jsonbOf(value, valueType)]);
  return next;
}
function receive(bytes: Uint8Array): Jsonb {
  const version = bytes[0];
  if (version !== 1)
    report('ERROR', { code: SQLSTATE.internalError, message: `unsupported jsonb version number ${version ?? 0}` });
  return jsonbIn(textFromUtf8(bytes.subarray(1)));
}

registerBuiltins({
  jsonb_in: (text: string) => jsonbIn(text),
  jsonb_out: (v: Jsonb) => jsonbText(v.value),
  jsonb_recv: (bytes: Uint8Array) => receive(bytes),
  jsonb_send: (v: Jsonb) => Buffer.concat([Uint8Array.of(1), utf8Bytes(jsonbText(v.value))]),
  ...comparisons('jsonb', '', (a: Jsonb, b: Jsonb) => compareJsonb(a.value, b.value)),
  jsonb_hash: (v: Jsonb) => hashJsonb(v.value),
  jsonb_contains: (a: Jsonb, b: Jsonb) => jsonbContains(a.value, b.value),
  jsonb_contained: (a: Jsonb, b: Jsonb) => jsonbContains(b.value, a.value),
  jsonb_exists: (v: Jsonb, key: string) => exists(v.value, key),
  jsonb_exists_any: (v: Jsonb, keys: ArrayDatum) => names(keys).some((key) => exists(v.value, key)),
  jsonb_exists_all: (v: Jsonb, keys: ArrayDatum) => names(keys).every((key) => exists(v.value, key)),
  jsonb_object_field: (v: Jsonb, name: string) => pick(fieldOf(v.value, name)),
  jsonb_object_field_text: (v: Jsonb, name: string) => pickText(fieldOf(v.value, name)),
  jsonb_array_element: (v: Jsonb, index: number) => pick(elementOf(asArrayOrObject(v.value), index)),
  jsonb_array_element_text: (v: Jsonb, index: number) => pickText(elementOf(asArrayOrObject(v.value), index)),
  jsonb_extract_path: (v: Jsonb, path: ArrayDatum) => pick(followPath(v.value, path)),
  jsonb_extract_path_text: (v: Jsonb, path: ArrayDatum) => pickText(followPath(v.value, path)),
  jsonb_array_length: (v: Jsonb) => arrayLength(v.value),
  jsonb_typeof: (v: Jsonb) => jsonbTypeName(v.value),
  jsonb_strip_nulls: (v: Jsonb) => jsonb(stripNulls(v.value)),
  jsonb_pretty: (v: Jsonb) => jsonbPretty(v.value),
  jsonb_concat: (a: Jsonb, b: Jsonb) => jsonb(concat(a.value, b.value)),
  jsonb_delete: (v: Jsonb, key: string) => jsonb(deleteKeys(v.value, [key])),
  jsonb_delete_array: (v: Jsonb, keys: ArrayDatum) => {
    if (keys.dims.length > 1) subscriptError('wrong number of array subscripts');
    return jsonb(deleteKeys(v.value, names(keys)));
  },
  jsonb_delete_idx: (v: Jsonb, index: number) => jsonb(deleteIndex(v.value, index)),
  jsonb_delete_path: (v: Jsonb, path: ArrayDatum) => changePath(v, path, null, 'delete'),
  jsonb_set: (v: Jsonb, path: ArrayDatum, to: Jsonb, create = true) =>
    changePath(v, path, to.value, create ? 'create' : 'replace'),
  jsonb_set_lax: setLax,
  jsonb_insert: (v: Jsonb, path: ArrayDatum, to: Jsonb, after = false) =>
    changePath(v, path, to.value, after ? 'insertAfter' : 'insertBefore'),
  jsonb_bool: toBool,
  jsonb_numeric: numberCast('numeric', null),
  jsonb_int2: numberCast('smallint', 'numeric_int2'),
  jsonb_int4: numberCast('integer', 'numeric_int4'),
  jsonb_int8: numberCast('bigint', 'numeric_int8'),
  jsonb_float4: numberCast('real', 'numeric_float4'),
  jsonb_float8: numberCast('double precision', 'numeric_float8'),
  jsonb_build_object_noargs: () => jsonb(new Map()),
  jsonb_build_array_noargs: () => jsonb([]),
  jsonb_object: (array: ArrayDatum) => jsonb(jsonbObject(pairsOfArray(array))),
  jsonb_object_two_arg: (keys: ArrayDatum, values: ArrayDatum) => jsonb(jsonbObject(pairsOfArrays(keys, values))),
  jsonb_agg_finalfn: (state: ListState | null) => (state === null ? null : jsonb(state.items.slice())),
  jsonb_object_agg_finalfn: (state: EntryState | null) => (state === null ? null : jsonb(jsonbObject(state.entries))),
});
registerCallInfoBuiltins({
  to_jsonb: (info, value: Datum) => jsonb(jsonbOf(value, argumentType(info, 0))),
  jsonb_build_object: buildObject,
  jsonb_build_array: buildArray,
  jsonb_agg_transfn: aggTransition,
  jsonb_object_agg_transfn: objectAggTransition,
});
registerSetBuiltins({
  jsonb_each: (_info, v: Jsonb) => {
    const values = [...eachPair(v.value, 'jsonb_each').values()];
    return iteratePairs([...(v.value as JsonbMap).keys()], (i) => jsonb(values[i]!));
  },
  jsonb_each_text: (_info, v: Jsonb) => {
    const values = [...eachPair(v.value, 'jsonb_each_text').values()];
    return iteratePairs([...(v.value as JsonbMap).keys()], (i) => jsonbAsText(values[i]!));
  },
  jsonb_array_elements: (_info, v: Jsonb) => iterate(elementsOf(v.value).map(jsonb)),
  jsonb_array_elements_text: (_info, v: Jsonb) => iterate(elementsOf(v.value).map(jsonbAsText)),
  jsonb_object_keys: (_info, v: Jsonb) => iterate(objectKeys(v.value)),
});
