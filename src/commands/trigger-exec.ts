/** trigger-exec.ts — triggers where rows change: calls the BEFORE and INSTEAD OF ones, queues the AFTER ones.
 *
 *  Counterpart: Exec…Triggers(), TriggerEnabled(), AfterTriggerSaveEvent() of src/backend/commands/trigger.c */
import type { Relation } from '#access/common/relation-descriptor.ts';
import { INVALID_TID, type ItemPointer, type Oid } from '#base/ids.ts';
import { TRIGGER_TYPE } from '#catalog/internal-trigger.ts';
import { foreignKeyEventMatters } from '#commands/ri-triggers.ts';
import { firesInRole, type Trigger, type TriggerData, triggerFunction, triggersOf } from '#commands/trigger-data.ts';
import {
  beginTriggerQuery,
  endTriggerQuery,
  queueEvent,
  type SharedEvent,
  sharedEvent,
  startAfterStatement,
  statementEvents,
} from '#commands/trigger-events.ts';
import { triggerCondition } from '#commands/trigger-when.ts';
import type { EState, Row } from '#executor/estate.ts';
import { type RelationTriggers, setTriggerQueue, type TriggerEvent } from '#executor/triggers.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const UNIQUE_KEY_RECHECK = 1250;
type When = 'before' | 'after' | 'instead';
type RowEvent = Exclude<TriggerEvent, 'truncate'>;
const NO_COLUMNS: readonly number[] = [];
const NO_INDEXES: readonly Oid[] = [];

/** One trigger in one statement. */
interface Armed {
  readonly trigger: Trigger;
  /** WHEN: true if it is to fire. */
  readonly condition: ((oldRow: Row | null, newRow: Row | null) => boolean) | null;
  shared: SharedEvent | null;
}
const NONE: readonly Armed[] = [];

class StatementTriggers implements RelationTriggers {
  readonly #relation: Relation;
  readonly #estate: EState;
  readonly #triggers: readonly Trigger[];
  readonly #lists = new Map<string, readonly Armed[]>();
  readonly hasBeforeRow: Readonly<Record<RowEvent, boolean>>;
  readonly hasAfterRow: Readonly<Record<RowEvent, boolean>>;
  readonly hasInsteadRow: Readonly<Record<RowEvent, boolean>>;

  constructor(relation: Relation, estate: EState, triggers: readonly Trigger[]) {
    this.#relation = relation;
    this.#estate = estate;
    this.#triggers = triggers;
    this.hasBeforeRow = this.#has('before');
    this.hasAfterRow = this.#has('after');
    this.hasInsteadRow = this.#has('instead');
  }
  #has(when: When): Record<RowEvent, boolean> {
    const some = (event: RowEvent): boolean => this.#armed(event, when, true).length > 0;
    return { insert: some('insert'), update: some('update'), delete: some('delete') };
  }
  #armed(event: TriggerEvent, when: When, row: boolean): readonly Armed[] {
    const key = `${event} ${when} ${row}`;
    let list = this.#lists.get(key);
    if (list === undefined) {
      const bits = TRIGGER_TYPE[event] | (row ? TRIGGER_TYPE.row : 0) | (when === 'after' ? 0 : TRIGGER_TYPE[when]);
      const mask = TRIGGER_TYPE[event] | TRIGGER_TYPE.row | TRIGGER_TYPE.before | TRIGGER_TYPE.instead;
      list = this.#triggers
        .filter((trigger) => (trigger.tgtype & mask) === bits && firesInRole(trigger.tgenabled))
        .map((trigger) => ({
          trigger,
          condition: trigger.tgqual === null ? null : triggerCondition(trigger, this.#relation, this.#estate),
          shared: null,
        }));
      this.#lists.set(key, list.length === 0 ? NONE : list);
    }
    return list;
  }
  /** TriggerEnabled(), what is left of it for one row or statement. */
  #fires(
    armed: Armed,
    event: TriggerEvent,
    oldRow: Row | null,
    newRow: Row | null,
    columns: readonly number[],
  ): boolean {
    const { tgattr } = armed.trigger;
    if (event === 'update' && tgattr.length > 0 && !tgattr.some((column) => columns.includes(column))) return false;
    return armed.condition === null || armed.condition(oldRow, newRow);
  }
  #call(
    armed: Armed,
    event: TriggerEvent,
    when: When,
    oldRow: Row | null,
    newRow: Row | null,
    row: boolean,
  ): Row | null {
    const { trigger } = armed;
    const data: TriggerData = {
      trigger,
      relation: this.#relation,
      event,
      when,
      level: row ? 'row' : 'statement',
      oldRow,
      newRow,
      oldTid: null,
      newTid: null,
    };
    return triggerFunction(trigger.tgfoid)(data);
  }

  beforeStatement(event: TriggerEvent, updatedColumns: readonly number[]): void {
    const list = this.#armed(event, 'before', false);
    if (list.length === 0) return;
    if (event !== 'truncate') {
      const state = statementEvents(this.#relation.oid, event);
      if (state.beforeFired) return;
      state.beforeFired = true;
    }
    for (const armed of list) {
      if (!this.#fires(armed, event, null, null, updatedColumns)) continue;
      if (this.#call(armed, event, 'before', null, null, false) !== null) {
        report('ERROR', {
          code: SQLSTATE.eRIETriggerProtocolViolated,
          message: 'BEFORE STATEMENT trigger cannot return a value',
        });
      }
    }
  }
  afterStatement(event: TriggerEvent, updatedColumns: readonly number[]): void {
    const list = this.#armed(event, 'after', false);
    if (list.length === 0) return;
    if (event !== 'truncate') {
      startAfterStatement(statementEvents(this.#relation.oid, event), this.#relation.oid, event);
    }
    for (const armed of list) {
      if (!this.#fires(armed, event, null, null, updatedColumns)) continue;
      queueEvent(sharedEvent(armed.trigger, this.#relation, event, 'statement'), INVALID_TID, INVALID_TID);
    }
  }

  beforeInsert(row: Row): Row | null {
    return this.#changing('insert', 'before', null, row, NO_COLUMNS);
  }
  beforeUpdate(oldRow: Row, newRow: Row, updatedColumns: readonly number[]): Row | null {
    return this.#changing('update', 'before', oldRow, newRow, updatedColumns);
  }
  beforeDelete(oldRow: Row): boolean {
    return this.#deleting('before', oldRow);
  }
  insteadInsert(row: Row): Row | null {
    return this.#changing('insert', 'instead', null, row, NO_COLUMNS);
  }
  insteadUpdate(oldRow: Row, newRow: Row): Row | null {
    return this.#changing('update', 'instead', oldRow, newRow, NO_COLUMNS);
  }
  insteadDelete(oldRow: Row): boolean {
    return this.#deleting('instead', oldRow);
  }
  #changing(
    event: RowEvent,
    when: 'before' | 'instead',
    oldRow: Row | null,
    newRow: Row,
    columns: readonly number[],
  ): Row | null {
    let row = newRow;
    for (const armed of this.#armed(event, when, true)) {
      if (!this.#fires(armed, event, oldRow, row, columns)) continue;
      const changed = this.#call(armed, event, when, oldRow, row, true);
      if (changed === null) return null;
      row = changed;
    }
    return row;
  }
  #deleting(when: 'before' | 'instead', oldRow: Row): boolean {
    for (const armed of this.#armed('delete', when, true)) {
      if (!this.#fires(armed, 'delete', oldRow, null, NO_COLUMNS)) continue;
      if (this.#call(armed, 'delete', when, oldRow, null, true) === null) return false;
    }
    return true;
  }

  afterInsert(tid: ItemPointer, row: Row, recheck: readonly Oid[]): void {
    this.#queue('insert', INVALID_TID, tid, null, row, recheck, NO_COLUMNS);
  }
  afterUpdate(
    oldTid: ItemPointer,
    newTid: ItemPointer,
    oldRow: Row,
    newRow: Row,
    recheck: readonly Oid[],
    updatedColumns: readonly number[],
  ): void {
    this.#queue('update', oldTid, newTid, oldRow, newRow, recheck, updatedColumns);
  }
  afterDelete(tid: ItemPointer, oldRow: Row): void {
    this.#queue('delete', tid, INVALID_TID, oldRow, null, NO_INDEXES, NO_COLUMNS);
  }
  #queue(
    event: RowEvent,
    oldTid: ItemPointer,
    newTid: ItemPointer,
    oldRow: Row | null,
    newRow: Row | null,
    recheck: readonly Oid[],
    columns: readonly number[],
  ): void {
    const list = this.#armed(event, 'after', true);
    for (let i = 0; i < list.length; i++) {
      const armed = list[i]!;
      const { trigger } = armed;
      if (trigger.tgfoid === UNIQUE_KEY_RECHECK && !recheck.includes(trigger.tgconstrindid)) continue;
      if (!this.#fires(armed, event, oldRow, newRow, columns)) continue;
      // Most changes touch no key: what need not be checked is not even queued.
      if (event !== 'insert' && !foreignKeyEventMatters(trigger, this.#relation, oldTid, oldRow!, newRow)) continue;
      armed.shared ??= sharedEvent(trigger, this.#relation, event, 'row');
      queueEvent(armed.shared, oldTid, newTid);
    }
  }
}

setTriggerQueue({
  load(relation, estate) {
    const triggers = triggersOf(relation);
    return triggers.length === 0 ? null : new StatementTriggers(relation, estate, triggers);
  },
  beginQuery: beginTriggerQuery,
  endQuery: endTriggerQuery,
});
