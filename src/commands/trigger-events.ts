/** trigger-events.ts — the queue of AFTER triggers: what happened, who is to be called for it, and when.
 *
 *  Each query that changes rows has a list; at its end the immediate events fire and the deferred ones go to the
 *  transaction's own list, which fires at commit or at SET CONSTRAINTS. An event holds places of row versions, never the
 *  versions. A subtransaction that fails takes its events with it and gives back those that it fired.
 *  Counterpart: the AfterTrigger… functions of src/backend/commands/trigger.c */
import type { Relation } from '#access/common/relation-descriptor.ts';
import { INVALID_TID, type ItemPointer, type Oid } from '#base/ids.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { setPendingTriggerQuestion } from '#catalog/table-in-use.ts';
import {
  type Trigger,
  type TriggerData,
  triggerFunction,
  triggersOf,
  type TriggerFunction,
} from '#commands/trigger-data.ts';
import { fetchRow } from '#executor/eval-plan-qual.ts';
import type { Row } from '#executor/estate.ts';
import type { TriggerEvent } from '#executor/triggers.ts';
import { report } from '#runtime/error/report.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { getTransactionSnapshot, popActiveSnapshot, pushActiveSnapshot } from '#transam/snapshot.ts';
import { registerXactParticipant, XACT_RANK } from '#transam/xact-callbacks.ts';
import { transactionNestLevel } from '#transam/xact.ts';

/** What all events of one trigger and kind in one list share. */
export interface SharedEvent {
  readonly event: TriggerEvent;
  readonly level: 'row' | 'statement';
  readonly relid: Oid;
  readonly trigger: Oid;
  readonly deferrable: boolean;
  readonly initiallyDeferred: boolean;
}

/** Firing cycles are numbered from 1; an event not yet in one has 0. Done events have the number's negative. */
const WAITING = 0;

class EventList {
  count = 0;
  shared: SharedEvent[] = [];
  oldTids = new Float64Array(64);
  newTids = new Float64Array(64);
  cycles = new Int32Array(64);

  add(shared: SharedEvent, oldTid: ItemPointer, newTid: ItemPointer): void {
    if (this.count === this.cycles.length) this.#grow();
    const at = this.count++;
    this.shared[at] = shared;
    this.oldTids[at] = oldTid;
    this.newTids[at] = newTid;
    this.cycles[at] = WAITING;
  }
  #grow(): void {
    const grown = <T extends Float64Array | Int32Array>(made: T, of: T): T => {
      made.set(of);
      return made;
    };
    const size = this.cycles.length * 2;
    this.oldTids = grown(new Float64Array(size), this.oldTids);
    this.newTids = grown(new Float64Array(size), this.newTids);
    this.cycles = grown(new Int32Array(size), this.cycles);
  }
  truncate(count: number): void {
    this.count = count;
    this.shared.length = count;
    if (count === 0 && this.cycles.length > 4096) {
      this.oldTids = new Float64Array(64);
      this.newTids = new Float64Array(64);
      this.cycles = new Int32Array(64);
    }
  }
}

/** What one statement of a query level has done to one table: its statement triggers fire once for all of it. */
export interface StatementEvents {
  beforeFired: boolean;
  /** Place in the level's list from which events of the last afterStatement() stand; -1 before. */
  afterFrom: number;
}
class QueryLevel {
  readonly events = new EventList();
  readonly statements = new Map<string, StatementEvents>();
}

/** SET CONSTRAINTS of this transaction. */
export interface ConstraintModes {
  all: boolean | null;
  readonly byTrigger: Map<Oid, boolean>;
}
const copyModes = (of: ConstraintModes): ConstraintModes => ({ all: of.all, byTrigger: new Map(of.byTrigger) });
const freshModes = (): ConstraintModes => ({ all: null, byTrigger: new Map() });

/** How things were when a subtransaction began. */
interface SavedLevel {
  /** Only if it has changed them. */
  modes: ConstraintModes | null;
  readonly events: number;
  readonly queries: number;
  readonly cycle: number;
}

let queries: QueryLevel[] = [];
const deferred = new EventList();
let modes: ConstraintModes | null = null;
let nextCycle = 1;
let saved: (SavedLevel | undefined)[] = [];

function forgetEverything(): void {
  if (queries.length > 0) queries = [];
  if (deferred.count > 0) deferred.truncate(0);
  if (saved.length > 0) saved = [];
  modes = null;
  nextCycle = 1;
}

// ── queuing ──────────────────────────────────────────────────────────────────────────────────────────────────────

export function beginTriggerQuery(): void {
  queries.push(new QueryLevel());
}
function currentQuery(): QueryLevel {
  return queries[queries.length - 1] ?? report('ERROR', { message: 'AfterTriggerSaveEvent() called outside of query' });
}
/** The events that one list gets of one trigger share a description; the caller keeps it as long as its statement. */
export const sharedEvent = (
  trigger: Trigger,
  relation: Relation,
  event: TriggerEvent,
  level: 'row' | 'statement',
): SharedEvent => ({
  event,
  level,
  relid: relation.oid,
  trigger: trigger.oid,
  deferrable: trigger.tgdeferrable,
  initiallyDeferred: trigger.tginitdeferred,
});
export function queueEvent(shared: SharedEvent, oldTid: ItemPointer, newTid: ItemPointer): void {
  currentQuery().events.add(shared, oldTid, newTid);
}
export function statementEvents(relid: Oid, event: TriggerEvent): StatementEvents {
  const { statements } = currentQuery();
  const key = `${relid} ${event}`;
  let found = statements.get(key);
  if (found === undefined) {
    found = { beforeFired: false, afterFrom: -1 };
    statements.set(key, found);
  }
  return found;
}
/** cancel_prior_stmt_triggers(): only the last of several statements of a query tells the statement triggers. */
export function startAfterStatement(of: StatementEvents, relid: Oid, event: TriggerEvent): void {
  const { events } = currentQuery();
  if (of.afterFrom >= 0) {
    for (let i = of.afterFrom; i < events.count; i++) {
      const shared = events.shared[i]!;
      if (shared.level === 'row' || shared.relid !== relid || shared.event !== event) break;
      if (events.cycles[i] === WAITING) events.cycles[i] = -nextCycle;
    }
  }
  of.afterFrom = events.count;
}

// ── firing ───────────────────────────────────────────────────────────────────────────────────────────────────────

function isDeferred(event: SharedEvent): boolean {
  if (!event.deferrable) return false;
  if (modes !== null) {
    const mode = modes.byTrigger.get(event.trigger) ?? modes.all;
    if (mode !== null) return mode;
  }
  return event.initiallyDeferred;
}

/** Marks what is to fire in the next cycle; deferred events go to `moveTo`. False if there is nothing. */
function markEvents(list: EventList, moveTo: EventList | null, immediateOnly: boolean): boolean {
  let found = false;
  const { cycles } = list;
  for (let i = 0; i < list.count; i++) {
    if (cycles[i] !== WAITING) continue;
    const shared = list.shared[i]!;
    if (immediateOnly && isDeferred(shared)) {
      if (moveTo === null) continue;
      moveTo.add(shared, list.oldTids[i] as ItemPointer, list.newTids[i] as ItemPointer);
      cycles[i] = -nextCycle;
    } else {
      cycles[i] = nextCycle;
      found = true;
    }
  }
  return found;
}

/** Calls the triggers of one cycle. True if no event is left that waits. */
function invokeEvents(list: EventList, mayTruncate: boolean): boolean {
  const cycle = nextCycle++;
  let relation: Relation | null = null;
  let last: SharedEvent | null = null;
  let trigger: Trigger | null = null;
  let call: TriggerFunction | null = null;
  let allFired = true;
  // The list may grow while its triggers run.
  for (let i = 0; i < list.count; i++) {
    if (list.cycles[i] === cycle) {
      checkForInterrupts();
      const shared = list.shared[i]!;
      if (relation === null || relation.oid !== shared.relid) {
        if (relation !== null) relationClose(relation, LOCK.none);
        relation = tableOpen(shared.relid, LOCK.none);
        last = null;
      }
      if (last !== shared) {
        trigger =
          triggersOf(relation).find((one) => one.oid === shared.trigger) ??
          report('ERROR', { message: `could not find trigger ${shared.trigger}` });
        call = triggerFunction(trigger.tgfoid);
        last = shared;
      }
      const oldTid = placeOrNull(list.oldTids[i]!);
      const newTid = placeOrNull(list.newTids[i]!);
      call!(new AfterEvent(shared.event, shared.level, trigger!, relation, oldTid, newTid));
      list.cycles[i] = -cycle;
    } else if (list.cycles[i] === WAITING) allFired = false;
  }
  if (relation !== null) relationClose(relation, LOCK.none);
  if (mayTruncate && allFired && !saved.some((level) => level !== undefined)) list.truncate(0);
  return allFired;
}
/** The call for one event. Row versions are read when the function asks for them. */
class AfterEvent implements TriggerData {
  readonly when = 'after';
  #old: Row | null | undefined;
  #new: Row | null | undefined;
  constructor(
    readonly event: TriggerEvent,
    readonly level: 'row' | 'statement',
    readonly trigger: Trigger,
    readonly relation: Relation,
    readonly oldTid: ItemPointer | null,
    readonly newTid: ItemPointer | null,
  ) {}
  get oldRow(): Row | null {
    if (this.#old === undefined) this.#old = this.#version(this.oldTid, 1);
    return this.#old;
  }
  get newRow(): Row | null {
    if (this.#new === undefined) this.#new = this.#version(this.newTid, this.oldTid === null ? 1 : 2);
    return this.#new;
  }
  #version(tid: ItemPointer | null, which: 1 | 2): Row | null {
    if (tid === null) return null;
    return (
      fetchRow(this.relation, tid) ?? report('ERROR', { message: `failed to fetch tuple${which} for AFTER trigger` })
    );
  }
}
const placeOrNull = (tid: number): ItemPointer | null => (tid === INVALID_TID ? null : (tid as ItemPointer));

/** AfterTriggerEndQuery(). */
export function endTriggerQuery(): void {
  const level = currentQuery();
  // A trigger may queue more at this very level: foreign keys' actions run as parts of the query.
  while (markEvents(level.events, deferred, true)) {
    if (invokeEvents(level.events, false)) break;
  }
  queries.pop();
}

/** AfterTriggerFireDeferred(). True if something fired. */
function fireDeferred(): boolean {
  if (deferred.count === 0) return false;
  pushActiveSnapshot(getTransactionSnapshot());
  let fired = false;
  while (markEvents(deferred, null, false)) {
    fired = true;
    if (invokeEvents(deferred, true)) break;
  }
  popActiveSnapshot();
  return fired;
}
/** What SET CONSTRAINTS … IMMEDIATE has made due. */
export function fireImmediate(): void {
  let pushed = false;
  while (markEvents(deferred, null, true)) {
    if (!pushed) pushActiveSnapshot(getTransactionSnapshot());
    pushed = true;
    if (invokeEvents(deferred, true)) break;
  }
  if (pushed) popActiveSnapshot();
}
/** The modes of this transaction, for changing them: a subtransaction keeps those before it. */
export function constraintModesForChange(): ConstraintModes {
  modes ??= freshModes();
  const level = transactionNestLevel();
  if (level > 1) {
    const before = saved[level];
    if (before !== undefined && before.modes === null) before.modes = copyModes(modes);
  }
  return modes;
}

/** AfterTriggerPendingOnRel(). */
export function hasPendingEvents(relid: Oid): boolean {
  for (let i = 0; i < deferred.count; i++)
    if (deferred.cycles[i]! >= 0 && deferred.shared[i]!.relid === relid) return true;
  return false;
}
setPendingTriggerQuestion((rel) => hasPendingEvents(rel.oid));

// ── the transaction ──────────────────────────────────────────────────────────────────────────────────────────────

registerXactParticipant({
  name: 'triggers',
  rank: XACT_RANK.triggers,
  atStart: forgetEverything,
  preCommit: fireDeferred,
  atCommit: forgetEverything,
  atPrepare: forgetEverything,
  atAbort: forgetEverything,
  atSubStart() {
    saved[transactionNestLevel()] = {
      modes: null,
      events: deferred.count,
      queries: queries.length,
      cycle: nextCycle,
    };
  },
  atSubCommit(_subId, _parentId, parentLevel) {
    saved[parentLevel + 1] = undefined;
  },
  atSubAbort(_subId, _parentId, parentLevel) {
    const before = saved[parentLevel + 1];
    // The subtransaction may have failed before it began.
    if (before === undefined) return;
    saved[parentLevel + 1] = undefined;
    if (queries.length > before.queries) queries.length = before.queries;
    if (deferred.count > before.events) deferred.truncate(before.events);
    // What it fired has not happened.
    for (let i = 0; i < deferred.count; i++)
      if (Math.abs(deferred.cycles[i]!) >= before.cycle) deferred.cycles[i] = WAITING;
    if (before.modes !== null) modes = before.modes;
  },
});
