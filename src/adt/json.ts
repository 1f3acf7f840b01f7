/** json.ts — the type json: text kept as written, looked into through the tree of json-parse.ts.
 *  Counterpart: src/backend/utils/adt/json.c, jsonfuncs.c (json half) */
import { subscriptError } from '#adt/array.ts';
import { iterate } from '#adt/array-functions.ts';
import type { ArrayDatum, Datum, RecordDatum } from '#adt/datum.ts';
import {
  type CallInfo,
  registerBuiltins,
  registerCallInfoBuiltins,
  registerSetBuiltins,
  type SetIterator,
} from '#adt/fmgr.ts';
import { arrayJson, jsonCategory, jsonKeyText, jsonOf, rowJson } from '#adt/json-build.ts';
import { decodeString, type JsonNode, parseJson, quoteJson, validateJson } from '#adt/json-parse.ts';
import { invalidParameter } from '#adt/value-errors.ts';
import { textFromUtf8, utf8Bytes } from '#adt/wire.ts';
import type { Oid } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

function jsonIn(text: string): string {
  validateJson(text);
  return text;
}

// ---- looking inside

const sourceOf = (text: string, node: JsonNode): string => text.slice(node.start, node.end);
/** The node's value as ->> gives it. */
const textOf = (text: string, node: JsonNode): string | null => {
  if (node.type === 'null') return null;
  return node.type === 'string' ? decodeString(text, node.start, node.end) : sourceOf(text, node);
};
function fieldOf(node: JsonNode, name: string): JsonNode | undefined {
  if (node.type !== 'object') return undefined;
  const at = node.keys.lastIndexOf(name);
  return at < 0 ? undefined : node.items[at];
}
function elementOf(node: JsonNode, index: number): JsonNode | undefined {
  if (node.type !== 'array') return undefined;
  return node.items[index < 0 ? node.items.length + index : index];
}
/** An array index of a path: an int4 in full. */
export function pathIndex(text: string): number | null {
  if (!/^\s*[+-]?[0-9]+$/.test(text)) return null;
  const value = Number(text);
  return value > 2_147_483_647 || value < -2_147_483_648 ? null : value;
}
function followPath(text: string, path: ArrayDatum, asText: boolean): string | null {
  if (path.elements.includes(null)) return null;
  let node: JsonNode | undefined = parseJson(text, asText);
  for (const step of path.elements as readonly string[]) {
    if (node.type === 'object') node = fieldOf(node, step);
    else {
      const index = pathIndex(step);
      node = index === null ? undefined : elementOf(node, index);
    }
    if (node === undefined) return null;
  }
  return asText ? textOf(text, node) : sourceOf(text, node);
}
const pick = (text: string, node: JsonNode | undefined, asText: boolean): string | null =>
  node === undefined ? null : asText ? textOf(text, node) : sourceOf(text, node);

// ---- sets

class PairIterator implements SetIterator {
  value: readonly Datum[] = [];
  private at = 0;
  constructor(
    private readonly keys: readonly string[],
    private readonly valueAt: (index: number) => Datum,
  ) {}
  next(): boolean {
    if (this.at >= this.keys.length) return false;
    this.value = [this.keys[this.at]!, this.valueAt(this.at)];
    this.at++;
    return true;
  }
}
export const iteratePairs = (keys: readonly string[], valueAt: (index: number) => Datum): SetIterator =>
  new PairIterator(keys, valueAt);

function each(text: string, asText: boolean): SetIterator {
  const node = parseJson(text, asText);
  if (node.type === 'array') invalidParameter('cannot deconstruct an array as an object');
  if (node.type !== 'object') invalidParameter('cannot deconstruct a scalar');
  return iteratePairs(node.keys, (i) => pick(text, node.items[i], asText));
}
function elements(text: string, asText: boolean, name: string): SetIterator {
  const node = parseJson(text, asText);
  if (node.type === 'object') invalidParameter(`cannot call ${name} on a non-array`);
  if (node.type !== 'array') invalidParameter(`cannot call ${name} on a scalar`);
  return iterate(node.items.map((item) => pick(text, item, asText)));
}
function objectKeys(text: string): SetIterator {
  const node = parseJson(text);
  if (node.type === 'array') invalidParameter('cannot call json_object_keys on an array');
  if (node.type !== 'object') invalidParameter('cannot call json_object_keys on a scalar');
  return iterate(node.keys);
}
function arrayLength(text: string): number {
  const node = parseJson(text);
  if (node.type === 'object') invalidParameter('cannot get array length of a non-array');
  if (node.type !== 'array') invalidParameter('cannot get array length of a scalar');
  return node.items.length;
}
/** Compact text without object fields that are null. */
function stripNulls(text: string, node: JsonNode): string {
  if (node.type === 'array') return `[${node.items.map((item) => stripNulls(text, item)).join(',')}]`;
  if (node.type !== 'object') {
    return node.type === 'string' ? quoteJson(decodeString(text, node.start, node.end)) : sourceOf(text, node);
  }
  const parts: string[] = [];
  node.keys.forEach((key, i) => {
    const item = node.items[i]!;
    if (item.type !== 'null') parts.push(`${quoteJson(key)}:${stripNulls(text, item)}`);
  });
  return `{${parts.join(',')}}`;
}

// ---- building

/** Arguments of json_build_…: as written, or the elements of a VARIADIC array; null when that array is. */
export function buildArguments(
  info: CallInfo,
  args: readonly Datum[],
): { readonly values: readonly Datum[]; readonly types: readonly Oid[] } | null {
  if (!info.variadic) return { values: args, types: info.argTypes };
  const array = args[0] as ArrayDatum | null;
  if (array === null) return null;
  return { values: array.elements, types: array.elements.map(() => array.elementType) };
}
export function evenArguments(count: number, name: string): void {
  if (count % 2 !== 0)
    invalidParameter(
      'argument list must have even number of elements',
      `The arguments of ${name}() must consist of alternating keys and values.`,
    );
}
function buildObject(info: CallInfo, ...args: Datum[]): string | null {
  const given = buildArguments(info, args);
  if (given === null) return null;
  evenArguments(given.values.length, 'json_build_object');
  const parts: string[] = [];
  for (let i = 0; i < given.values.length; i += 2) {
    const key = given.values[i]!;
    if (key === null) invalidParameter(`argument ${i + 1} cannot be null`, 'Object keys should be text.');
    parts.push(
      `${quoteJson(jsonKeyText(key, given.types[i]!))} : ${jsonOf(given.values[i + 1]!, given.types[i + 1]!)}`,
    );
  }
  return `{${parts.join(', ')}}`;
}
function buildArray(info: CallInfo, ...args: Datum[]): string | null {
  const given = buildArguments(info, args);
  if (given === null) return null;
  return `[${given.values.map((value, i) => jsonOf(value, given.types[i]!)).join(', ')}]`;
}

/** Keys and values of json_object(text[]): a flat list or two columns. */
export function pairsOfArray(array: ArrayDatum): [string, string | null][] {
  if (array.dims.length > 2) subscriptError('wrong number of array subscripts');
  if (array.dims.length === 1 && array.dims[0]! % 2 !== 0) subscriptError('array must have even number of elements');
  if (array.dims.length === 2 && array.dims[1] !== 2) subscriptError('array must have two columns');
  const pairs: [string, string | null][] = [];
  for (let i = 0; i < array.elements.length; i += 2)
    pairs.push([keyElement(array.elements[i]!), array.elements[i + 1] as string | null]);
  return pairs;
}
export function pairsOfArrays(keys: ArrayDatum, values: ArrayDatum): [string, string | null][] {
  if (keys.dims.length > 1 || keys.dims.length !== values.dims.length)
    subscriptError('wrong number of array subscripts');
  if (keys.elements.length !== values.elements.length) subscriptError('mismatched array dimensions');
  return keys.elements.map((key, i) => [keyElement(key), values.elements[i] as string | null]);
}
function keyElement(key: Datum): string {
  if (key === null)
    report('ERROR', { code: SQLSTATE.nullValueNotAllowed, message: 'null value not allowed for object key' });
  return key as string;
}
const objectText = (pairs: readonly [string, string | null][]): string =>
  `{${pairs.map(([key, value]) => `${quoteJson(key)} : ${value === null ? 'null' : quoteJson(value)}`).join(', ')}}`;

// ---- aggregates

interface TextState {
  readonly kind: 'internal';
  readonly parts: string[];
}
export function argumentType(info: CallInfo, index: number): Oid {
  const type = info.argTypes[index];
  if (type === undefined || type === 0) invalidParameter('could not determine input data type');
  return type;
}
function aggTransition(info: CallInfo, state: TextState | null, value: Datum): TextState {
  const type = argumentType(info, 1);
  const next = state ?? { kind: 'internal', parts: [] };
  const category = value === null ? 'other' : jsonCategory(type);
  // Structured elements begin a new line each.
  const feed = state !== null && (category === 'array' || category === 'composite') ? '\n ' : '';
  next.parts.push(feed + jsonOf(value, type));
  return next;
}
function objectAggTransition(info: CallInfo, state: TextState | null, key: Datum, value: Datum): TextState {
  const keyType = argumentType(info, 1);
  const valueType = argumentType(info, 2);
  const next = state ?? { kind: 'internal', parts: [] };
  if (key === null) invalidParameter('field name must not be null');
  next.parts.push(`${quoteJson(jsonKeyText(key, keyType))} : ${jsonOf(value, valueType)}`);
  return next;
}

registerBuiltins({
  json_in: jsonIn,
  json_out: (text: string) => text,
  json_send: (text: string) => utf8Bytes(text),
  json_recv: (bytes: Uint8Array) => jsonIn(textFromUtf8(bytes)),
  json_object_field: (text: string, name: string) => pick(text, fieldOf(parseJson(text), name), false),
  json_object_field_text: (text: string, name: string) => pick(text, fieldOf(parseJson(text, true), name), true),
  json_array_element: (text: string, index: number) => pick(text, elementOf(parseJson(text), index), false),
  json_array_element_text: (text: string, index: number) => pick(text, elementOf(parseJson(text, true), index), true),
  json_extract_path: (text: string, path: ArrayDatum) => followPath(text, path, false),
  json_extract_path_text: (text: string, path: ArrayDatum) => followPath(text, path, true),
  json_array_length: arrayLength,
  json_typeof: (text: string) => parseJson(text).type,
  json_strip_nulls: (text: string) => stripNulls(text, parseJson(text, true)),
  array_to_json: (array: ArrayDatum) => arrayJson(array, false),
  array_to_json_pretty: arrayJson,
  row_to_json: (record: RecordDatum) => rowJson(record, false),
  row_to_json_pretty: rowJson,
  json_build_object_noargs: () => '{}',
  json_build_array_noargs: () => '[]',
  json_object: (array: ArrayDatum) => objectText(pairsOfArray(array)),
  json_object_two_arg: (keys: ArrayDatum, values: ArrayDatum) => objectText(pairsOfArrays(keys, values)),
  json_agg_finalfn: (state: TextState | null) => (state === null ? null : `[${state.parts.join(', ')}]`),
  json_object_agg_finalfn: (state: TextState | null) => (state === null ? null : `{ ${state.parts.join(', ')} }`),
});
registerCallInfoBuiltins({
  to_json: (info, value: Datum) => jsonOf(value, argumentType(info, 0)),
  json_build_object: buildObject,
  json_build_array: buildArray,
  json_agg_transfn: aggTransition,
  json_object_agg_transfn: objectAggTransition,
});
registerSetBuiltins({
  json_each: (_info, text: string) => each(text, false),
  json_each_text: (_info, text: string) => each(text, true),
  json_array_elements: (_info, text: string) => elements(text, false, 'json_array_elements'),
  json_array_elements_text: (_info, text: string) => elements(text, true, 'json_array_elements_text'),
  json_object_keys: (_info, text: string) => objectKeys(text),
});
