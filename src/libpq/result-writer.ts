/** result-writer.ts — rows to the client: RowDescription once, then a DataRow per row.
 *
 *  Which writer serves a column is decided once per result (type and format), so the loop over a row's columns is plain
 *  calls. Common types write their digits or bytes straight into the send buffer; every other type goes through its own
 *  output or send function.
 *  Counterpart: src/backend/access/common/printtup.c */
import type { Oid } from '#base/ids.ts';
import { BACKEND } from '#libpq/messages.ts';
import type { MessageWriter } from '#libpq/message-writer.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** Output and send function of a type, as the layer above knows them. */
export interface TypeOutput {
  readonly length: number;
  output(value: never): string;
  send(value: never): Uint8Array;
}
export interface DescribedColumn {
  readonly name: string;
  readonly type: Oid;
  readonly typmod: number;
  readonly tableOid: Oid;
  readonly attributeNumber: number;
}

/** Writes Int32 length and value. Never called with null. */
type ColumnWriter = (writer: MessageWriter, value: never) => void;

const integerText = (writer: MessageWriter, value: number): void => writer.countedInteger(value);
const int8Text = (writer: MessageWriter, value: number | bigint): void =>
  typeof value === 'number' ? writer.countedInteger(value) : writer.countedText(value.toString());
const stringText = (writer: MessageWriter, value: string): void => writer.countedText(value);
const boolText = (writer: MessageWriter, value: boolean): void => {
  writer.int32(1);
  writer.int8(value ? 116 : 102);
};
const boolBinary = (writer: MessageWriter, value: boolean): void => {
  writer.int32(1);
  writer.int8(value ? 1 : 0);
};
const int2Binary = (writer: MessageWriter, value: number): void => {
  writer.int32(2);
  writer.int16(value);
};
const int4Binary = (writer: MessageWriter, value: number): void => {
  writer.int32(4);
  writer.int32(value);
};
const int8Binary = (writer: MessageWriter, value: number | bigint): void => {
  writer.int32(8);
  writer.int64(value);
};
const float4Binary = (writer: MessageWriter, value: number): void => {
  writer.int32(4);
  writer.float32(value);
};
const float8Binary = (writer: MessageWriter, value: number): void => {
  writer.int32(8);
  writer.float64(value);
};
const bytesBinary = (writer: MessageWriter, value: Uint8Array): void => writer.countedBytes(value);

const fast = <V>(write: (writer: MessageWriter, value: V) => void): ColumnWriter => write as unknown as ColumnWriter;

/** Types whose text and binary forms need no function of adt/. Keys are pg_type OIDs. */
const FAST_WRITERS: Readonly<
  Record<number, readonly [text: ColumnWriter | undefined, binary: ColumnWriter | undefined]>
> = {
  16: [fast(boolText), fast(boolBinary)], // bool
  17: [undefined, fast(bytesBinary)], // bytea
  19: [fast(stringText), fast(stringText)], // name
  20: [fast(int8Text), fast(int8Binary)], // int8
  21: [fast(integerText), fast(int2Binary)], // int2
  23: [fast(integerText), fast(int4Binary)], // int4
  25: [fast(stringText), fast(stringText)], // text
  26: [fast(integerText), fast(int4Binary)], // oid
  114: [fast(stringText), fast(stringText)], // json
  700: [undefined, fast(float4Binary)], // float4
  701: [undefined, fast(float8Binary)], // float8
  705: [fast(stringText), fast(stringText)], // unknown
  1042: [fast(stringText), fast(stringText)], // bpchar
  1043: [fast(stringText), fast(stringText)], // varchar
  1082: [undefined, fast(int4Binary)], // date
  1083: [undefined, fast(int8Binary)], // time
  1114: [undefined, fast(int8Binary)], // timestamp
  1184: [undefined, fast(int8Binary)], // timestamptz
  2275: [fast(stringText), fast(stringText)], // cstring
};

function columnWriter(type: Oid, format: number, output: TypeOutput): ColumnWriter {
  const known = FAST_WRITERS[type];
  if (format === 0) {
    return known?.[0] ?? ((writer, value) => writer.countedText(output.output(value)));
  }
  if (format === 1) return known?.[1] ?? ((writer, value) => writer.countedBytes(output.send(value)));
  return report('ERROR', {
    code: SQLSTATE.invalidParameterValue,
    message: `unsupported format code: ${format}`,
  });
}

/** How results of one shape are written: made once per plan (or portal) and kept with it. */
export class ResultWriter {
  readonly #columns: readonly DescribedColumn[];
  readonly #writers: ColumnWriter[];
  readonly #formats: readonly number[];
  readonly #typeOf: (type: Oid) => TypeOutput;

  /** `formats` is one code per column. `typeOf` gives a type's functions; a domain shows as its base type. */
  constructor(columns: readonly DescribedColumn[], formats: readonly number[], typeOf: (type: Oid) => TypeOutput) {
    this.#columns = columns;
    this.#formats = formats;
    this.#typeOf = typeOf;
    this.#writers = columns.map((column, i) => columnWriter(column.type, formats[i]!, typeOf(column.type)));
  }

  describe(writer: MessageWriter): void {
    writeRowDescription(writer, this.#columns, this.#formats, this.#typeOf);
  }

  row(writer: MessageWriter, values: readonly unknown[]): void {
    const writers = this.#writers;
    const count = writers.length;
    writer.begin(BACKEND.dataRow);
    writer.int16(count);
    for (let i = 0; i < count; i++) {
      const value = values[i];
      if (value === null || value === undefined) writer.int32(-1);
      else writers[i]!(writer, value as never);
    }
    writer.end();
  }
}

export function writeRowDescription(
  writer: MessageWriter,
  columns: readonly DescribedColumn[],
  formats: readonly number[],
  typeOf: (type: Oid) => TypeOutput,
): void {
  writer.begin(BACKEND.rowDescription);
  writer.int16(columns.length);
  for (let i = 0; i < columns.length; i++) {
    const column = columns[i]!;
    writer.cstring(column.name);
    writer.int32(column.tableOid);
    writer.int16(column.attributeNumber);
    writer.int32(column.type);
    writer.int16(typeOf(column.type).length);
    writer.int32(column.typmod);
    writer.int16(formats[i] ?? 0);
  }
  writer.end();
}

/** Expands the format codes of Bind: none = all text, one = all alike, else one per column. */
export function expandFormats(codes: readonly number[], columns: number): number[] {
  if (codes.length > 1) {
    if (codes.length !== columns)
      report('ERROR', {
        code: SQLSTATE.protocolViolation,
        message: `bind message has ${codes.length} result formats but query has ${columns} columns`,
      });
    return codes.slice();
  }
  return new Array<number>(columns).fill(codes[0] ?? 0);
}
