/** triggers.ts — where triggers take part in a modification; who knows them installs the loader.
 *
 *  The executor asks once per statement for the triggers of a relation; none is the common answer and costs nothing
 *  afterwards.
 *  Counterpart: the Exec…Triggers() of src/backend/commands/trigger.c */
import type { Relation } from '#access/common/relation-descriptor.ts';
import type { ItemPointer, Oid } from '#base/ids.ts';
import type { EState, Row } from '#executor/estate.ts';

export type TriggerEvent = 'insert' | 'update' | 'delete' | 'truncate';

/** The triggers of one relation in one statement. Rows are copied by whoever keeps them. */
export interface RelationTriggers {
  readonly hasBeforeRow: Readonly<Record<'insert' | 'update' | 'delete', boolean>>;
  readonly hasAfterRow: Readonly<Record<'insert' | 'update' | 'delete', boolean>>;
  readonly hasInsteadRow: Readonly<Record<'insert' | 'update' | 'delete', boolean>>;
  beforeStatement(event: TriggerEvent, updatedColumns: readonly number[]): void;
  afterStatement(event: TriggerEvent, updatedColumns: readonly number[]): void;
  /** The row to go on with, null to skip it. */
  beforeInsert(row: Row): Row | null;
  beforeUpdate(oldRow: Row, newRow: Row, updatedColumns: readonly number[]): Row | null;
  /** False to skip the row. */
  beforeDelete(oldRow: Row): boolean;
  /** `recheck`: deferrable unique indexes whose entry was perhaps not unique. */
  afterInsert(tid: ItemPointer, row: Row, recheck: readonly Oid[]): void;
  afterUpdate(
    oldTid: ItemPointer,
    newTid: ItemPointer,
    oldRow: Row,
    newRow: Row,
    recheck: readonly Oid[],
    updatedColumns: readonly number[],
  ): void;
  afterDelete(tid: ItemPointer, oldRow: Row): void;
  insteadInsert(row: Row): Row | null;
  insteadUpdate(oldRow: Row, newRow: Row): Row | null;
  insteadDelete(oldRow: Row): boolean;
}

/** Event queue of the statements that nest in each other. */
export interface TriggerQueue {
  load(relation: Relation, estate: EState): RelationTriggers | null;
  beginQuery(): void;
  /** Fires what the query has queued. */
  endQuery(estate: EState): void;
}
const none: TriggerQueue = {
  load: () => null,
  beginQuery() {},
  endQuery() {},
};
export let triggerQueue: TriggerQueue = none;
export function setTriggerQueue(queue: TriggerQueue): void {
  triggerQueue = queue;
}
