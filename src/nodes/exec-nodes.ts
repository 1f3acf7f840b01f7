/** exec-nodes.ts — what passes between whoever wants a query run and the executor.
 *  Counterpart: src/include/nodes/params.h, tcop/dest.h, nodes/execnodes.h */
import type { Datum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';

/** Values of $1 … $n. */
export interface BoundParams {
  readonly types: readonly Oid[];
  readonly values: readonly Datum[];
}

/** Description of one result column, as RowDescription wants it. */
export interface ResultColumn {
  name: string;
  type: Oid;
  typmod: number;
  tableOid: Oid;
  attributeNumber: number;
}

export interface DestReceiver {
  start(columns: readonly ResultColumn[]): void;
  /** The array is reused between calls. Returning false stops the query. */
  receive(values: readonly Datum[]): boolean;
  finish(): void;
}

export const discardReceiver: DestReceiver = {
  start() {},
  receive: () => true,
  finish() {},
};
