/** copy-to.ts — COPY TO: rows of a table or a query as lines or binary fields.
 *
 *  A row is put together in one buffer that is reused; text that needs no escaping is written as it is.
 *  Counterpart: src/backend/commands/copyto.c */
import { heapDeform } from '#access/common/heap-tuple.ts';
import type { Attribute, Relation } from '#access/common/relation-descriptor.ts';
import { heapBeginScan } from '#access/heap/heap-scan.ts';
import type { Datum } from '#adt/datum.ts';
import { type TypeInfo, typeInfo } from '#adt/fmgr.ts';
import { BINARY_HEADER, BINARY_TRAILER } from '#commands/copy-binary.ts';
import { forcedColumns } from '#commands/copy-columns.ts';
import type { CopyOptions } from '#commands/copy-options.ts';
import type { CopySink } from '#commands/copy-stream.ts';
import type { ClientCodec } from '#libpq/text-encoding.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { getActiveSnapshot } from '#transam/snapshot.ts';

/** A column of the output. */
export interface OutputColumn {
  readonly name: string;
  readonly typeId: Attribute['typeId'];
}

const NEWLINE = 10;
const BACKSLASH = 92;
/** Bytes that text format writes as a backslash and a letter. */
const LETTERS: Readonly<Record<number, number>> = { 8: 98, 12: 102, 10: 110, 13: 114, 9: 116, 11: 118 };

export class CopyWriter {
  #buffer = Buffer.allocUnsafeSlow(8192);
  #used = 0;
  rows = 0;
  readonly #infos: readonly TypeInfo[];
  readonly #delimiter: number;
  readonly #quote: number;
  readonly #escape: number;
  readonly #forceQuote: Uint8Array;
  readonly #nullBytes: Buffer;

  constructor(
    readonly sink: CopySink,
    readonly columns: readonly OutputColumn[],
    readonly options: CopyOptions,
    /** null: the output is UTF8. */
    readonly codec: ClientCodec | null,
  ) {
    this.#infos = columns.map((column) => typeInfo(column.typeId));
    this.#delimiter = options.delimiter.charCodeAt(0);
    this.#quote = options.quote.charCodeAt(0);
    this.#escape = options.escape.charCodeAt(0);
    this.#forceQuote = forcedColumns(columns, options.forceQuote, 'FORCE_QUOTE');
    this.#nullBytes = this.#encode(options.nullText);
  }

  start(): void {
    if (this.options.format === 'binary') this.sink.write(BINARY_HEADER, BINARY_HEADER.length);
    else if (this.options.header !== false) {
      this.columns.forEach((column, i) => {
        if (i > 0) this.#byte(this.#delimiter);
        if (this.options.format === 'csv') this.#csv(this.#encode(column.name), false);
        else this.#text(this.#encode(column.name));
      });
      this.#endRow();
    }
  }
  row(values: readonly Datum[]): void {
    const { format } = this.options;
    if (format === 'binary') this.#binaryRow(values);
    else {
      const isCsv = format === 'csv';
      for (let i = 0; i < this.#infos.length; i++) {
        if (i > 0) this.#byte(this.#delimiter);
        const value = values[i]!;
        if (value === null) this.#bytes(this.#nullBytes);
        else if (typeof value === 'number' && Number.isInteger(value) && this.#infos[i]!.category === 'N' && !isCsv)
          this.#ascii(this.#infos[i]!.output(value));
        else if (isCsv) this.#csv(this.#encode(this.#infos[i]!.output(value)), this.#forceQuote[i] === 1);
        else this.#text(this.#encode(this.#infos[i]!.output(value)));
      }
      this.#endRow();
    }
    this.rows++;
  }
  finish(): void {
    if (this.options.format === 'binary') this.sink.write(BINARY_TRAILER, BINARY_TRAILER.length);
  }

  #encode(text: string): Buffer {
    return this.codec === null ? Buffer.from(text) : Buffer.from(this.codec.encode(text));
  }
  #room(bytes: number): void {
    if (this.#used + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#used + bytes));
    this.#buffer.copy(larger, 0, 0, this.#used);
    this.#buffer = larger;
  }
  #byte(value: number): void {
    this.#room(1);
    this.#buffer[this.#used++] = value;
  }
  #bytes(from: Uint8Array): void {
    this.#room(from.length);
    this.#buffer.set(from, this.#used);
    this.#used += from.length;
  }
  #ascii(text: string): void {
    this.#room(text.length);
    this.#used += this.#buffer.write(text, this.#used, 'latin1');
  }
  #endRow(): void {
    this.#byte(NEWLINE);
    this.sink.write(this.#buffer, this.#used);
    this.#used = 0;
  }

  #text(from: Buffer): void {
    this.#room(from.length * 2);
    const buffer = this.#buffer;
    let used = this.#used;
    const delimiter = this.#delimiter;
    for (let i = 0; i < from.length; i++) {
      const c = from[i]!;
      if (c === BACKSLASH || c === delimiter) {
        buffer[used++] = BACKSLASH;
        // A delimiter that is a control character has a letter of its own.
        buffer[used++] = LETTERS[c] ?? c;
      } else if (c < 32 && LETTERS[c] !== undefined) {
        buffer[used++] = BACKSLASH;
        buffer[used++] = LETTERS[c]!;
      } else buffer[used++] = c;
    }
    this.#used = used;
  }
  #csv(from: Buffer, force: boolean): void {
    const single = this.columns.length === 1;
    let quote =
      force || from.equals(this.#nullBytes) || (single && from.length === 2 && from.toString('latin1') === '\\.');
    for (let i = 0; i < from.length && !quote; i++) {
      const c = from[i]!;
      quote = c === this.#delimiter || c === this.#quote || c === NEWLINE || c === 13;
    }
    if (!quote) {
      this.#bytes(from);
      return;
    }
    this.#room(from.length * 2 + 2);
    this.#byte(this.#quote);
    for (let i = 0; i < from.length; i++) {
      const c = from[i]!;
      if (c === this.#quote || c === this.#escape) this.#byte(this.#escape);
      this.#byte(c);
    }
    this.#byte(this.#quote);
  }
  #binaryRow(values: readonly Datum[]): void {
    this.#room(2);
    this.#used = this.#buffer.writeInt16BE(this.#infos.length, this.#used);
    for (let i = 0; i < this.#infos.length; i++) {
      const value = values[i]!;
      this.#room(4);
      if (value === null) {
        this.#used = this.#buffer.writeInt32BE(-1, this.#used);
        continue;
      }
      const bytes = this.#infos[i]!.send(value);
      this.#used = this.#buffer.writeInt32BE(bytes.length, this.#used);
      this.#bytes(bytes);
    }
    this.sink.write(this.#buffer, this.#used);
    this.#used = 0;
  }
}

/** All visible rows of a table. */
export function copyRelation(relation: Relation, columns: readonly Attribute[], writer: CopyWriter): void {
  const { natts } = relation.tupleDesc;
  const row: Datum[] = new Array<Datum>(natts).fill(null);
  const needed = new Uint8Array(natts);
  for (const column of columns) needed[column.number - 1] = 1;
  const count = needed.lastIndexOf(1) + 1;
  const values: Datum[] = new Array<Datum>(columns.length).fill(null);
  const scan = heapBeginScan(relation, getActiveSnapshot(), [], {
    allowStrat: true,
    allowSync: true,
    allowPagemode: true,
  });
  try {
    writer.start();
    while (scan.next()) {
      if ((writer.rows & 63) === 0) checkForInterrupts();
      heapDeform(relation.tupleDesc, scan.tupleAt, count, row, needed);
      for (let i = 0; i < columns.length; i++) values[i] = row[columns[i]!.number - 1]!;
      writer.row(values);
    }
    writer.finish();
  } finally {
    scan.end();
  }
}
