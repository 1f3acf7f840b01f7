/** tuplestore.ts — rows kept in memory, read forward and backward: holdable and scrollable cursors, results of utility
 *  statements and of INSERT … RETURNING.
 *  Counterpart: src/backend/utils/sort/tuplestore.c */
import type { Datum } from '#adt/datum.ts';
import type { DestReceiver, ResultColumn } from '#nodes/exec-nodes.ts';

export class Tuplestore implements DestReceiver {
  readonly rows: (readonly Datum[])[] = [];
  columns: readonly ResultColumn[] | null = null;

  start(columns: readonly ResultColumn[]): void {
    this.columns ??= columns;
  }
  receive(values: readonly Datum[]): boolean {
    this.rows.push(values.slice());
    return true;
  }
  finish(): void {}
}
