/** record.ts — composite values: their text and wire forms, comparison and hashing.
 *
 *  A record carries the types of its columns, so output needs no catalog; input of a named row type asks the catalog
 *  through setRowTypeLookup. Nulls equal each other and sort high.
 *  Counterpart: src/backend/utils/adt/rowtypes.c */
import type { Datum, RecordDatum } from '#adt/datum.ts';
import { type CallInfo, registerBuiltins, registerCallInfoBuiltins, typeInfo } from '#adt/fmgr.ts';
import { hashBytes } from '#adt/hash-bytes.ts';
import { formatTypeName } from '#adt/type-names.ts';
import { notSupported } from '#adt/value-errors.ts';
import { utf8Bytes } from '#adt/wire.ts';
import type { Oid } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export interface RowType {
  readonly names: readonly string[];
  readonly types: readonly Oid[];
  readonly typmods: readonly number[];
}
const RECORD = 2249 as Oid;

let lookup: ((type: Oid, typmod: number) => RowType | undefined) | undefined;
/** The catalog says which columns a row type has (dropped ones left out). */
export function setRowTypeLookup(by: (type: Oid, typmod: number) => RowType | undefined): void {
  lookup = by;
}
export function rowType(type: Oid, typmod: number): RowType {
  const found = lookup?.(type, typmod);
  if (found === undefined)
    report('ERROR', { code: SQLSTATE.wrongObjectType, message: `type ${typeInfo(type).name} is not composite` });
  return found;
}

export const makeRecord = (row: RowType, values: readonly Datum[]): RecordDatum => ({
  kind: 'record',
  types: row.types,
  typmods: row.typmods,
  names: row.names,
  values,
});

// ---- text

function malformed(text: string, detail: string): never {
  report('ERROR', {
    code: SQLSTATE.invalidTextRepresentation,
    message: `malformed record literal: "${text}"`,
    detail,
  });
}
/** The columns' texts of "(a,"b c",)"; null where nothing stands between commas. */
function splitRecord(text: string, columns: number): (string | null)[] {
  let at = 0;
  const skip = (): void => {
    while (/[\s]/.test(text[at] ?? '')) at++;
  };
  skip();
  if (text[at] !== '(') malformed(text, 'Missing left parenthesis.');
  at++;
  const parts: (string | null)[] = [];
  for (let i = 0; i < columns; i++) {
    if (i > 0) {
      if (text[at] !== ',') malformed(text, 'Too few columns.');
      at++;
    }
    if (text[at] === ',' || text[at] === ')') {
      parts.push(null);
      continue;
    }
    let part = '';
    let inQuotes = false;
    while (inQuotes || !(text[at] === ',' || text[at] === ')')) {
      const char = text[at++];
      if (char === undefined) malformed(text, 'Unexpected end of input.');
      if (char === '\\') {
        const next = text[at++];
        if (next === undefined) malformed(text, 'Unexpected end of input.');
        part += next;
      } else if (char !== '"') part += char;
      else if (!inQuotes) inQuotes = true;
      else if (text[at] === '"') {
        part += '"';
        at++;
      } else inQuotes = false;
    }
    parts.push(part);
  }
  if (text[at] !== ')') malformed(text, 'Too many columns.');
  at++;
  skip();
  if (at < text.length) malformed(text, 'Junk after right parenthesis.');
  return parts;
}
function recordIn(text: string, type: Oid, typmod: number): RecordDatum {
  if (type === RECORD && typmod < 0) notSupported('input of anonymous composite types is not implemented');
  const row = rowType(type, typmod);
  const values = splitRecord(text, row.types.length).map((part, i) =>
    part === null ? null : typeInfo(row.types[i]!).input(part, row.typmods[i]!),
  );
  return makeRecord(row, values);
}
const needsQuotes = (text: string): boolean => text === '' || /["\\(),\s]/.test(text);
export function recordOut(record: RecordDatum): string {
  const parts = record.values.map((value, i) => {
    if (value === null) return '';
    const text = typeInfo(record.types[i]!).output(value);
    return needsQuotes(text) ? `"${text.replace(/["\\]/g, '$&$&')}"` : text;
  });
  return `(${parts.join(',')})`;
}

// ---- wire

function recordSend(record: RecordDatum): Uint8Array {
  const parts: Uint8Array[] = [];
  const int = (value: number): void => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value | 0, 0);
    parts.push(bytes);
  };
  int(record.values.length);
  record.values.forEach((value, i) => {
    int(record.types[i]!);
    if (value === null) {
      int(-1);
      return;
    }
    const payload = typeInfo(record.types[i]!).send(value);
    int(payload.length);
    parts.push(payload);
  });
  return Buffer.concat(parts);
}
function recordRecv(bytes: Uint8Array, type: Oid, typmod: number): RecordDatum {
  if (type === RECORD && typmod < 0) notSupported('input of anonymous composite types is not implemented');
  const row = rowType(type, typmod);
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const int = (): number => {
    if (at + 4 > data.length)
      report('ERROR', { code: SQLSTATE.protocolViolation, message: 'insufficient data left in message' });
    at += 4;
    return data.readInt32BE(at - 4);
  };
  const count = int();
  if (count !== row.types.length)
    report('ERROR', {
      code: SQLSTATE.datatypeMismatch,
      message: `wrong number of columns: ${count}, expected ${row.types.length}`,
    });
  const values: Datum[] = [];
  for (let i = 0; i < count; i++) {
    const sent = int() >>> 0;
    const expected = row.types[i]!;
    if (sent !== expected) {
      const names = `${sent} (${formatTypeName(typeInfo(sent as Oid))}) instead of expected ${expected} (${formatTypeName(typeInfo(expected))})`;
      report('ERROR', {
        code: SQLSTATE.datatypeMismatch,
        message: `binary data has type ${names} in record column ${i + 1}`,
      });
    }
    const length = int();
    if (length === -1) {
      values.push(null);
      continue;
    }
    if (length < 0 || at + length > data.length)
      report('ERROR', { code: SQLSTATE.invalidBinaryRepresentation, message: 'insufficient data left in message' });
    values.push(typeInfo(expected).receive(data.subarray(at, at + length), row.typmods[i]!));
    at += length;
  }
  if (at !== data.length)
    report('ERROR', { code: SQLSTATE.invalidBinaryRepresentation, message: 'incorrect binary data format' });
  return makeRecord(row, values);
}

// ---- comparison

function sameColumnType(a: RecordDatum, b: RecordDatum, i: number): void {
  if (a.types[i] !== b.types[i])
    report('ERROR', {
      code: SQLSTATE.datatypeMismatch,
      message: `cannot compare dissimilar column types ${formatTypeName(typeInfo(a.types[i]!))} and ${formatTypeName(typeInfo(b.types[i]!))} at record column ${i + 1}`,
    });
}
function differentLength(): never {
  report('ERROR', {
    code: SQLSTATE.datatypeMismatch,
    message: 'cannot compare record types with different numbers of columns',
  });
}
function noOperator(i: Oid, what: string): never {
  report('ERROR', {
    code: SQLSTATE.undefinedFunction,
    message: `could not identify ${what} for type ${formatTypeName(typeInfo(i))}`,
  });
}

export function compareRecords(a: RecordDatum, b: RecordDatum, collation: Oid): number {
  const common = Math.min(a.values.length, b.values.length);
  for (let i = 0; i < common; i++) {
    sameColumnType(a, b, i);
    const x = a.values[i]!;
    const y = b.values[i]!;
    if (x === null || y === null) {
      if (x === y) continue;
      return x === null ? 1 : -1;
    }
    const compare = typeInfo(a.types[i]!).compare ?? noOperator(a.types[i]!, 'a comparison function');
    const order = compare(x, y, collation);
    if (order !== 0) return order < 0 ? -1 : 1;
  }
  if (a.values.length !== b.values.length) differentLength();
  return 0;
}
export function recordsEqual(a: RecordDatum, b: RecordDatum, collation: Oid): boolean {
  const common = Math.min(a.values.length, b.values.length);
  for (let i = 0; i < common; i++) {
    sameColumnType(a, b, i);
    const x = a.values[i]!;
    const y = b.values[i]!;
    if (x === null || y === null) {
      if (x !== y) return false;
      continue;
    }
    const equals = typeInfo(a.types[i]!).equals ?? noOperator(a.types[i]!, 'an equality operator');
    if (!equals(x, y, collation)) return false;
  }
  if (a.values.length !== b.values.length) differentLength();
  return true;
}
/** By the bytes of the values: distinguishes what compares equal, such as 1.0 and 1.00. */
function compareImages(a: RecordDatum, b: RecordDatum): number {
  const common = Math.min(a.values.length, b.values.length);
  for (let i = 0; i < common; i++) {
    sameColumnType(a, b, i);
    const x = a.values[i]!;
    const y = b.values[i]!;
    if (x === null || y === null) {
      if (x === y) continue;
      return x === null ? 1 : -1;
    }
    const type = typeInfo(a.types[i]!);
    const order = Buffer.compare(type.send(x), type.send(y));
    if (order !== 0) return order;
  }
  if (a.values.length !== b.values.length) differentLength();
  return 0;
}
function hashRecord(info: CallInfo, record: RecordDatum): number {
  let result = 0;
  record.values.forEach((value, i) => {
    let hash: number | string = 0;
    if (value !== null)
      hash = (typeInfo(record.types[i]!).hash ?? noOperator(record.types[i]!, 'a hash function'))(
        value,
        info.collation,
      );
    result = (Math.imul(result, 31) + (typeof hash === 'number' ? hash : hashBytes(utf8Bytes(hash)))) | 0;
  });
  return result;
}

registerBuiltins({
  record_in: (text: string, type: Oid, typmod?: number) => recordIn(text, type, typmod ?? -1),
  record_out: recordOut,
  record_send: recordSend,
  record_recv: (bytes: Uint8Array, type: Oid, typmod?: number) => recordRecv(bytes, type, typmod ?? -1),
  record_image_eq: (a: RecordDatum, b: RecordDatum) => compareImages(a, b) === 0,
  record_image_ne: (a: RecordDatum, b: RecordDatum) => compareImages(a, b) !== 0,
  record_image_lt: (a: RecordDatum, b: RecordDatum) => compareImages(a, b) < 0,
  record_image_le: (a: RecordDatum, b: RecordDatum) => compareImages(a, b) <= 0,
  record_image_gt: (a: RecordDatum, b: RecordDatum) => compareImages(a, b) > 0,
  record_image_ge: (a: RecordDatum, b: RecordDatum) => compareImages(a, b) >= 0,
  btrecordimagecmp: compareImages,
});
registerCallInfoBuiltins({
  record_eq: (info, a: RecordDatum, b: RecordDatum) => recordsEqual(a, b, info.collation),
  record_ne: (info, a: RecordDatum, b: RecordDatum) => !recordsEqual(a, b, info.collation),
  record_lt: (info, a: RecordDatum, b: RecordDatum) => compareRecords(a, b, info.collation) < 0,
  record_le: (info, a: RecordDatum, b: RecordDatum) => compareRecords(a, b, info.collation) <= 0,
  record_gt: (info, a: RecordDatum, b: RecordDatum) => compareRecords(a, b, info.collation) > 0,
  record_ge: (info, a: RecordDatum, b: RecordDatum) => compareRecords(a, b, info.collation) >= 0,
  btrecordcmp: (info, a: RecordDatum, b: RecordDatum) => compareRecords(a, b, info.collation),
  hash_record: hashRecord,
});
