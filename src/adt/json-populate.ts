/** json-populate.ts — JSON objects poured into rows: json_populate_record(set) and the jsonb pair.
 *
 *  A field takes the text of its JSON value through its type's input function; JSON arrays and objects fill array and
 *  row columns recursively, JSON null is null, and a key that is missing leaves what the base row has. jsonb goes
 *  through its text, which loses nothing.
 *  Counterpart: populate_record() and friends of src/backend/utils/adt/jsonfuncs.c */
import { emptyArray, makeMultiArray } from '#adt/array.ts';
import { iterate } from '#adt/array-functions.ts';
import type { ArrayDatum, Datum, Jsonb, RecordDatum } from '#adt/datum.ts';
import { type CallInfo, registerCallInfoBuiltins, registerSetBuiltins, type SetIterator, typeInfo } from '#adt/fmgr.ts';
import { jsonCategory } from '#adt/json-build.ts';
import { decodeString, type JsonNode, parseJson } from '#adt/json-parse.ts';
import { jsonbText } from '#adt/jsonb-value.ts';
import { makeRecord, type RowType, rowType } from '#adt/record.ts';
import { invalidParameter } from '#adt/value-errors.ts';
import type { Oid } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const JSON_OID = 114;
const JSONB_OID = 3802;

function expectedArray(key: string): never {
  report('ERROR', {
    code: SQLSTATE.invalidTextRepresentation,
    message: 'expected JSON array',
    hint: key === '' ? undefined : `See the value of key "${key}".`,
  });
}
function malformedArray(detail: string): never {
  report('ERROR', { code: SQLSTATE.invalidTextRepresentation, message: 'malformed JSON array', detail });
}

function needObject(node: JsonNode): void {
  if (node.type !== 'object')
    invalidParameter(`cannot call populate_composite on ${node.type === 'array' ? 'an array' : 'a scalar'}`);
}

class Populator {
  constructor(private readonly text: string) {}

  record(row: RowType, node: JsonNode, base: RecordDatum | null): RecordDatum {
    const values = row.types.map((type, i): Datum => {
      const at = node.keys.lastIndexOf(row.names[i]!);
      if (at < 0 && base !== null) return base.values[i] ?? null;
      return at < 0 ? null : this.field(node.items[at]!, type, row.typmods[i]!, row.names[i]!);
    });
    return makeRecord(row, values);
  }
  private field(node: JsonNode, type: Oid, typmod: number, key: string): Datum {
    if (node.type === 'null') return null;
    const category = node.type === 'string' ? 'other' : jsonCategory(type);
    if (category === 'array') return this.array(node, type, typmod, key);
    if (category === 'composite') {
      needObject(node);
      return this.record(rowType(type, typmod), node, null);
    }
    const raw = this.text.slice(node.start, node.end);
    const keepsJson = type === JSON_OID || type === JSONB_OID;
    const text = node.type === 'string' && !keepsJson ? decodeString(this.text, node.start, node.end) : raw;
    return typeInfo(type).input(text, typmod);
  }
  private array(node: JsonNode, type: Oid, typmod: number, key: string): ArrayDatum {
    if (node.type !== 'array') expectedArray(key);
    const elementType = typeInfo(type).elementType;
    const dims: number[] = [];
    for (let at: JsonNode | undefined = node; at?.type === 'array'; at = at.items[0]) dims.push(at.items.length);
    if (dims.includes(0)) return emptyArray(elementType);
    const elements: Datum[] = [];
    const walk = (part: JsonNode, depth: number): void => {
      if (depth === dims.length) {
        elements.push(this.field(part, elementType, typmod, key));
        return;
      }
      if (part.type !== 'array') expectedArray(key);
      if (part.items.length !== dims[depth])
        malformedArray('Multidimensional arrays must have sub-arrays with matching dimensions.');
      for (const item of part.items) walk(item, depth + 1);
    };
    walk(node, 0);
    return makeMultiArray(
      elementType,
      dims,
      dims.map(() => 1),
      elements,
    );
  }
}

const asText = (value: string | Jsonb): string => (typeof value === 'string' ? value : jsonbText(value.value));

/** The row type of the base argument. */
function baseRow(info: CallInfo, base: RecordDatum | null, name: string): RowType {
  if (base !== null) return { names: base.names, types: base.types, typmods: base.typmods };
  const type = info.argTypes[0];
  if (type === undefined || type === 2249)
    report('ERROR', {
      code: SQLSTATE.datatypeMismatch,
      message: `could not determine row type for result of ${name}`,
      hint: 'Provide a non-null record argument, or call the function in the FROM clause using a column definition list.',
    });
  if (jsonCategory(type) !== 'composite')
    report('ERROR', {
      code: SQLSTATE.datatypeMismatch,
      message: `first argument of ${name} must be a row type`,
    });
  return rowType(type, -1);
}
function populateRecord(
  name: string,
  info: CallInfo,
  base: RecordDatum | null,
  value: string | Jsonb | null,
): RecordDatum | null {
  const row = baseRow(info, base, name);
  if (value === null) return base;
  const text = asText(value);
  const node = parseJson(text, true);
  needObject(node);
  return new Populator(text).record(row, node, base);
}
function populateRecordset(
  name: string,
  info: CallInfo,
  base: RecordDatum | null,
  value: string | Jsonb | null,
): SetIterator {
  const row = baseRow(info, base, name);
  return value === null ? iterate([]) : rowsOf(name, row, base, asText(value));
}
/** One row for each object of a JSON array. */
function rowsOf(name: string, row: RowType, base: RecordDatum | null, text: string): SetIterator {
  const node = parseJson(text, true);
  if (node.type !== 'array' && name.startsWith('jsonb')) invalidParameter(`cannot call ${name} on a non-array`);
  if (node.type === 'object') invalidParameter(`cannot call ${name} on an object`);
  if (node.type !== 'array') invalidParameter(`cannot call ${name} on a scalar`);
  const populator = new Populator(text);
  return iterate(
    node.items.map((item) => {
      if (item.type !== 'object') invalidParameter(`argument of ${name} must be an array of objects`);
      return populator.record(row, item, base);
    }),
  );
}

/** The row that a column definition list describes. */
function definedRow(info: CallInfo, name: string): RowType {
  return (
    info.resultColumns ??
    report('ERROR', {
      code: SQLSTATE.datatypeMismatch,
      message: `could not determine row type for result of ${name}`,
      hint: 'Call the function in the FROM clause using a column definition list.',
    })
  );
}
function toRecord(name: string, info: CallInfo, value: string | Jsonb): RecordDatum {
  const row = definedRow(info, name);
  const text = asText(value);
  const node = parseJson(text, true);
  needObject(node);
  return new Populator(text).record(row, node, null);
}
function toRecordset(name: string, info: CallInfo, value: string | Jsonb | null): SetIterator {
  const row = definedRow(info, name);
  return value === null ? iterate([]) : rowsOf(name, row, null, asText(value));
}

registerCallInfoBuiltins({
  json_to_record: (info, value: string) => toRecord('json_to_record', info, value),
  jsonb_to_record: (info, value: Jsonb) => toRecord('jsonb_to_record', info, value),
  json_populate_record: (info, base: RecordDatum | null, value: string | null) =>
    populateRecord('json_populate_record', info, base, value),
  jsonb_populate_record: (info, base: RecordDatum | null, value: Jsonb | null) =>
    populateRecord('jsonb_populate_record', info, base, value),
});
registerSetBuiltins({
  json_to_recordset: (info, value: string | null) => toRecordset('json_to_recordset', info, value),
  jsonb_to_recordset: (info, value: Jsonb | null) => toRecordset('jsonb_to_recordset', info, value),
  json_populate_recordset: (info, base: RecordDatum | null, value: string | null) =>
    populateRecordset('json_populate_recordset', info, base, value),
  jsonb_populate_recordset: (info, base: RecordDatum | null, value: Jsonb | null) =>
    populateRecordset('jsonb_populate_recordset', info, base, value),
});
