/** dest-remote.ts — the receiver that sends rows to the client.
 *  Counterpart: src/backend/access/common/printtup.c (receiver part), src/backend/tcop/dest.c */
import { typeInfo } from '#adt/fmgr.ts';
import type { Datum } from '#adt/datum.ts';
import { baseTypeAndTypmod } from '#catalog/syscache.ts';
import type { Port } from '#libpq/port.ts';
import { type DescribedColumn, ResultWriter, writeRowDescription } from '#libpq/result-writer.ts';
import type { DestReceiver, ResultColumn } from '#nodes/exec-nodes.ts';

/** The protocol shows a domain as its base type. */
const describe = (columns: readonly ResultColumn[]): DescribedColumn[] =>
  columns.map((column) => ({ ...column, ...baseTypeAndTypmod(column.type, column.typmod) }));

export function makeResultWriter(columns: readonly ResultColumn[], formats: readonly number[] | null): ResultWriter {
  return new ResultWriter(describe(columns), formats ?? new Array<number>(columns.length).fill(0), typeInfo);
}
/** RowDescription before execution: Describe. */
export function sendRowDescription(port: Port, columns: readonly ResultColumn[], formats: readonly number[]): void {
  writeRowDescription(port.writer, describe(columns), formats, typeInfo);
}

/** Where a writer made for a result is kept for the next time. */
export interface WriterHolder {
  resultWriter: unknown;
  formats: readonly number[] | null;
}

export class RemoteReceiver implements DestReceiver {
  #writer: ResultWriter | null = null;
  #holder: WriterHolder | null = null;
  sendsDescription = true;

  constructor(readonly port: Port) {}

  /** The portal (or cached plan) whose rows come next. */
  use(holder: WriterHolder, sendsDescription: boolean): void {
    this.#holder = holder;
    this.sendsDescription = sendsDescription;
  }
  start(columns: readonly ResultColumn[]): void {
    const holder = this.#holder;
    let writer = (holder?.resultWriter ?? null) as ResultWriter | null;
    if (writer === null) {
      writer = makeResultWriter(columns, holder?.formats ?? null);
      if (holder !== null) holder.resultWriter = writer;
    }
    this.#writer = writer;
    if (this.sendsDescription) writer.describe(this.port.writer);
  }
  receive(values: readonly Datum[]): boolean {
    this.#writer!.row(this.port.writer, values);
    this.port.flushIfLarge();
    return true;
  }
  finish(): void {}
}
