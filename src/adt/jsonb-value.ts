/** jsonb-value.ts — jsonb as a value: canonical objects, text, order, containment, hash.
 *
 *  An object is a Map whose keys are unique and sorted by byte length, then bytes: building goes through jsonbObject,
 *  which lets the last of equal keys win. Numbers are numerics, so 1.0 prints as 1.0 and equals 1.
 *  Counterpart: src/backend/utils/adt/jsonb_util.c */
import type { Jsonb, JsonbValue, Numeric } from '#adt/datum.ts';
import { builtin } from '#adt/fmgr.ts';
import { hashBytes } from '#adt/hash-bytes.ts';
import { decodeString, type JsonNode, parseJson, quoteJson } from '#adt/json-parse.ts';
import { compareNumerics, numericIn, numericOut } from '#adt/numeric.ts';
import { utf8Bytes } from '#adt/wire.ts';

export type JsonbMap = ReadonlyMap<string, JsonbValue>;
export const jsonb = (value: JsonbValue): Jsonb => ({ kind: 'jsonb', value });

export const isObject = (value: JsonbValue): value is JsonbMap => value instanceof Map;
export const isArray = (value: JsonbValue): value is readonly JsonbValue[] => Array.isArray(value);
export const isNumber = (value: JsonbValue): value is Numeric =>
  typeof value === 'object' && value !== null && 'kind' in value;

const isAscii = (text: string): boolean => /^[\x00-\x7f]*$/.test(text);
const compareBytes = (a: string, b: string): number => {
  if (a === b) return 0;
  if (isAscii(a) && isAscii(b)) return a < b ? -1 : 1;
  return Buffer.compare(utf8Bytes(a), utf8Bytes(b));
};
/** Order of keys within an object. */
function compareKeys(a: string, b: string): number {
  if (a === b) return 0;
  const length = Buffer.byteLength(a) - Buffer.byteLength(b);
  return length !== 0 ? length : compareBytes(a, b);
}
export function jsonbObject(entries: Iterable<readonly [string, JsonbValue]>): JsonbMap {
  const last = new Map<string, JsonbValue>(entries);
  if (last.size < 2) return last;
  return new Map([...last].sort((a, b) => compareKeys(a[0], b[0])));
}

export function jsonbOfNode(text: string, node: JsonNode): JsonbValue {
  switch (node.type) {
    case 'object':
      return jsonbObject(node.keys.map((key, i) => [key, jsonbOfNode(text, node.items[i]!)] as const));
    case 'array':
      return node.items.map((item) => jsonbOfNode(text, item));
    case 'string':
      return decodeString(text, node.start, node.end);
    case 'number':
      return numericIn(text.slice(node.start, node.end));
    case 'boolean':
      return text[node.start] === 't';
    default:
      return null;
  }
}
export const jsonbIn = (text: string): Jsonb => jsonb(jsonbOfNode(text, parseJson(text, true)));

export function jsonbText(value: JsonbValue): string {
  if (value === null) return 'null';
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (typeof value === 'string') return quoteJson(value);
  if (isArray(value)) return `[${value.map(jsonbText).join(', ')}]`;
  if (isObject(value)) {
    const parts: string[] = [];
    for (const [key, item] of value) parts.push(`${quoteJson(key)}: ${jsonbText(item)}`);
    return `{${parts.join(', ')}}`;
  }
  return numericOut(value);
}
export function jsonbPretty(value: JsonbValue, indent = ''): string {
  const deeper = `${indent}    `;
  if (isArray(value)) {
    const lines = value.map((item) => `\n${deeper}${jsonbPretty(item, deeper)}`);
    return `[${lines.join(',')}\n${indent}]`;
  }
  if (isObject(value)) {
    const lines: string[] = [];
    for (const [key, item] of value) lines.push(`\n${deeper}${quoteJson(key)}: ${jsonbPretty(item, deeper)}`);
    return `{${lines.join(',')}\n${indent}}`;
  }
  return jsonbText(value);
}
/** What ->> gives: null for JSON null, strings without quotes. */
export const jsonbAsText = (value: JsonbValue): string | null =>
  value === null ? null : typeof value === 'string' ? value : jsonbText(value);

export function jsonbTypeName(value: JsonbValue): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return 'string';
  if (typeof value === 'boolean') return 'boolean';
  if (isArray(value)) return 'array';
  return isObject(value) ? 'object' : 'number';
}

/** Order between types: Object > Array > Boolean > Number > String > Null. */
function typeRank(value: JsonbValue): number {
  if (value === null) return 0;
  if (typeof value === 'string') return 1;
  if (typeof value === 'boolean') return 3;
  if (isArray(value)) return 4;
  return isObject(value) ? 5 : 2;
}
function compareInner(a: JsonbValue, b: JsonbValue): number {
  const rank = typeRank(a) - typeRank(b);
  if (rank !== 0) return rank < 0 ? -1 : 1;
  if (typeof a === 'string') return Math.sign(compareBytes(a, b as string));
  if (typeof a === 'boolean') return a === b ? 0 : a ? 1 : -1;
  if (a === null) return 0;
  if (isArray(a)) {
    const other = b as readonly JsonbValue[];
    if (a.length !== other.length) return a.length < other.length ? -1 : 1;
    for (let i = 0; i < a.length; i++) {
      const order = compareInner(a[i]!, other[i]!);
      if (order !== 0) return order;
    }
    return 0;
  }
  if (isObject(a)) return compareObjects(a, b as JsonbMap);
  return compareNumerics(a, b as Numeric);
}
function compareObjects(a: JsonbMap, b: JsonbMap): number {
  if (a.size !== b.size) return a.size < b.size ? -1 : 1;
  const others = b.entries();
  for (const [key, value] of a) {
    const [otherKey, otherValue] = others.next().value!;
    const order = compareBytes(key, otherKey) || compareInner(value, otherValue);
    if (order !== 0) return Math.sign(order);
  }
  return 0;
}
const isScalar = (value: JsonbValue): boolean => !isArray(value) && !isObject(value);

/** At the top a scalar is stored as an array of one, hence: an empty array is less than every scalar, and a scalar
 *  less than any other array. */
export function compareJsonb(a: JsonbValue, b: JsonbValue): number {
  const scalarA = isScalar(a);
  const scalarB = isScalar(b);
  if (scalarA && isArray(b)) return b.length === 0 ? 1 : -1;
  if (scalarB && isArray(a)) return a.length === 0 ? -1 : 1;
  return compareInner(a, b);
}

const equalScalars = (a: JsonbValue, b: JsonbValue): boolean => compareInner(a, b) === 0;
function deepContains(a: JsonbValue, b: JsonbValue): boolean {
  if (isObject(b)) {
    if (!isObject(a) || a.size < b.size) return false;
    for (const [key, wanted] of b) {
      const have = a.get(key);
      if (have === undefined) return false;
      if (isScalar(wanted) ? !isScalar(have) || !equalScalars(have, wanted) : !deepContains(have, wanted)) return false;
    }
    return true;
  }
  if (isArray(b)) {
    if (!isArray(a)) return false;
    return b.every((wanted) =>
      isScalar(wanted)
        ? a.some((have) => isScalar(have) && equalScalars(have, wanted))
        : a.some((have) => !isScalar(have) && deepContains(have, wanted)),
    );
  }
  return isScalar(a) && equalScalars(a, b);
}
export function jsonbContains(a: JsonbValue, b: JsonbValue): boolean {
  // An array contains a lone scalar as if that were wrapped; the reverse does not hold.
  if (isArray(a) && isScalar(b)) return deepContains(a, [b]);
  return deepContains(a, b);
}

const rotate = (hash: number): number => (hash << 1) | (hash >>> 31) | 0;
function hashScalar(hash: number, value: JsonbValue | { readonly key: string }): number {
  let part: number;
  if (value === null) part = 1;
  else if (typeof value === 'boolean') part = value ? 2 : 4;
  else if (typeof value === 'string') part = hashBytes(utf8Bytes(value));
  else {
    const code = builtin('hash_numeric');
    if (code?.style !== 'plain') throw new Error('function hash_numeric is not registered');
    part = code.call(value) as number;
  }
  return rotate(hash) ^ part;
}
function hashInto(hash: number, value: JsonbValue): number {
  let next = hash;
  if (isArray(value)) {
    next ^= 0x4000_0000;
    for (const item of value) next = hashInto(next, item);
    return next;
  }
  if (isObject(value)) {
    next ^= 0x2000_0000;
    for (const [key, item] of value) next = hashInto(hashScalar(next, key), item);
    return next;
  }
  return hashScalar(next, value);
}
export function hashJsonb(value: JsonbValue): number {
  if ((isArray(value) && value.length === 0) || (isObject(value) && value.size === 0)) return 0;
  return hashInto(isScalar(value) ? 0x4000_0000 : 0, value) | 0;
}
