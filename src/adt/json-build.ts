/** json-build.ts — any SQL value as JSON text or as a jsonb value.
 *
 *  Booleans and finite numbers stand for themselves, dates take ISO form whatever DateStyle says, json is copied,
 *  arrays and rows are walked, everything else becomes the string its output function prints.
 *  Counterpart: datum_to_json() of src/backend/utils/adt/json.c, datum_to_jsonb() of jsonb.c */
import type { Micros } from '#adt/datetime-calendar.ts';
import { dateJsonText, timestampJsonText } from '#adt/datetime-encode.ts';
import type { ArrayDatum, Datum, Jsonb, JsonbValue, RecordDatum } from '#adt/datum.ts';
import { typeInfo } from '#adt/fmgr.ts';
import { parseJson, quoteJson } from '#adt/json-parse.ts';
import { jsonbObject, jsonbOfNode, jsonbText } from '#adt/jsonb-value.ts';
import { numericIn } from '#adt/numeric.ts';
import { invalidParameter } from '#adt/value-errors.ts';
import type { Oid } from '#base/ids.ts';

type Category =
  | 'bool'
  | 'number'
  | 'date'
  | 'timestamp'
  | 'timestamptz'
  | 'json'
  | 'jsonb'
  | 'array'
  | 'composite'
  | 'other';

const CATEGORIES = new Map<number, Category>([
  [16, 'bool'],
  [20, 'number'],
  [21, 'number'],
  [23, 'number'],
  [700, 'number'],
  [701, 'number'],
  [1700, 'number'],
  [1082, 'date'],
  [1114, 'timestamp'],
  [1184, 'timestamptz'],
  [114, 'json'],
  [3802, 'jsonb'],
  [2249, 'composite'],
  [22, 'array'],
  [30, 'array'],
]);
export function jsonCategory(type: Oid): Category {
  const known = CATEGORIES.get(type);
  if (known !== undefined) return known;
  if (type === 25 || type === 705) return 'other';
  const info = typeInfo(type);
  if (info.category === 'A') return 'array';
  return info.typtype === 'c' ? 'composite' : 'other';
}
/** Text that is a JSON number as it stands. */
const isJsonNumber = (text: string): boolean => /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/.test(text);

const outputText = (value: Datum, type: Oid): string =>
  type === 705 ? (value as string) : typeInfo(type).output(value);

/** JSON text of a value. */
export function jsonOf(value: Datum, type: Oid): string {
  if (value === null) return 'null';
  switch (jsonCategory(type)) {
    case 'bool':
      return value === true ? 'true' : 'false';
    case 'number': {
      const text = outputText(value, type);
      return isJsonNumber(text) ? text : quoteJson(text);
    }
    case 'date':
      return `"${dateJsonText(value as number)}"`;
    case 'timestamp':
      return `"${timestampJsonText(value as Micros, false)}"`;
    case 'timestamptz':
      return `"${timestampJsonText(value as Micros, true)}"`;
    case 'json':
      return value as string;
    case 'jsonb':
      return jsonbText((value as Jsonb).value);
    case 'array':
      return arrayJson(value as ArrayDatum, false);
    case 'composite':
      return rowJson(value as RecordDatum, false);
    default:
      return quoteJson(outputText(value, type));
  }
}
/** A key: the value's text in quotes. */
export function jsonKeyText(value: Datum, type: Oid): string {
  const category = jsonCategory(type);
  if (category === 'array' || category === 'composite' || category === 'json' || category === 'jsonb')
    invalidParameter('key value must be scalar, not array, composite, or json');
  if (category === 'bool') return value === true ? 'true' : 'false';
  if (category === 'date') return dateJsonText(value as number);
  if (category === 'timestamp') return timestampJsonText(value as Micros, false);
  if (category === 'timestamptz') return timestampJsonText(value as Micros, true);
  return outputText(value, type);
}

export function arrayJson(array: ArrayDatum, lineFeeds: boolean): string {
  const { dims, elements, elementType } = array;
  if (dims.length === 0) return '[]';
  let at = 0;
  const level = (depth: number, separator: string): string => {
    const parts: string[] = [];
    for (let i = 0; i < dims[depth]!; i++)
      parts.push(depth + 1 < dims.length ? level(depth + 1, ',') : jsonOf(elements[at++]!, elementType));
    return `[${parts.join(separator)}]`;
  };
  return level(0, lineFeeds ? ',\n ' : ',');
}
export function rowJson(record: RecordDatum, lineFeeds: boolean): string {
  const parts = record.values.map(
    (value, i) => `${quoteJson(record.names[i] ?? `f${i + 1}`)}:${jsonOf(value, record.types[i]!)}`,
  );
  return `{${parts.join(lineFeeds ? ',\n ' : ',')}}`;
}

/** jsonb of a value. */
export function jsonbOf(value: Datum, type: Oid): JsonbValue {
  if (value === null) return null;
  switch (jsonCategory(type)) {
    case 'bool':
      return value === true;
    case 'number': {
      const text = outputText(value, type);
      return isJsonNumber(text) ? numericIn(text) : text;
    }
    case 'date':
      return dateJsonText(value as number);
    case 'timestamp':
      return timestampJsonText(value as Micros, false);
    case 'timestamptz':
      return timestampJsonText(value as Micros, true);
    case 'json':
      return jsonbOfNode(value as string, parseJson(value as string, true));
    case 'jsonb':
      return (value as Jsonb).value;
    case 'array':
      return arrayJsonb(value as ArrayDatum);
    case 'composite': {
      const record = value as RecordDatum;
      return jsonbObject(
        record.values.map((field, i) => [record.names[i] ?? `f${i + 1}`, jsonbOf(field, record.types[i]!)] as const),
      );
    }
    default:
      return outputText(value, type);
  }
}
function arrayJsonb(array: ArrayDatum): JsonbValue {
  const { dims, elements, elementType } = array;
  if (dims.length === 0) return [];
  let at = 0;
  const level = (depth: number): JsonbValue => {
    const items: JsonbValue[] = [];
    for (let i = 0; i < dims[depth]!; i++)
      items.push(depth + 1 < dims.length ? level(depth + 1) : jsonbOf(elements[at++]!, elementType));
    return items;
  };
  return level(0);
}
