/** trigger-data.ts — the triggers of a relation as pg_trigger has them, and the functions they call.
 *
 *  Descriptions are kept with the relation in the cache, so they go when anything about the relation changes. A trigger
 *  function of the server itself is found here by pg_proc.prosrc; a language adds its own by setTriggerLanguage().
 *  Counterpart: RelationBuildTriggers() of src/backend/commands/trigger.c, src/include/commands/trigger.h */
import type { Relation } from '#access/common/relation-descriptor.ts';
import type { ItemPointer, Oid } from '#base/ids.ts';
import { RELATION } from '#catalog/oids.ts';
import type { RelationData } from '#catalog/relcache.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { type ProcRow, store, type TriggerRow } from '#catalog/rows.ts';
import { languageRow } from '#catalog/syscache.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import type { Row } from '#executor/estate.ts';
import { needProc, signature } from '#executor/function-call.ts';
import type { TriggerEvent } from '#executor/triggers.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';

export interface Trigger extends TriggerRow {
  readonly args: readonly string[];
}

const TRIGGER_RELID_NAME_INDEX = 2701 as Oid;
const MEMO = 'triggers';
const NONE: readonly Trigger[] = [];

/** In the order of their names, which is the order in which they fire. */
export function triggersOf(relation: Relation): readonly Trigger[] {
  if (!relation.hasTriggers) return NONE;
  const { memo } = relation as RelationData;
  let triggers = memo.get(MEMO) as readonly Trigger[] | undefined;
  if (triggers === undefined) {
    triggers = readTriggers(relation.oid);
    memo.set(MEMO, triggers);
  }
  return triggers;
}
function readTriggers(relid: Oid): Trigger[] {
  const pgTrigger = tableOpen(RELATION.pgTrigger, LOCK.accessShare);
  const argsAt = pgTrigger.tupleDesc.attributeIndex('tgargs');
  const found = findCatalogTuples(store.trigger, pgTrigger, TRIGGER_RELID_NAME_INDEX, [{ attnum: 2, value: relid }]);
  relationClose(pgTrigger, LOCK.accessShare);
  return found
    .map(({ row, values }) => ({ ...row, args: splitArguments(values[argsAt] as Uint8Array | null) }))
    .sort((a, b) => Buffer.compare(Buffer.from(a.tgname), Buffer.from(b.tgname)));
}
/** tgargs: the arguments, each with a zero byte behind it. */
function splitArguments(bytes: Uint8Array | null): string[] {
  if (bytes === null || bytes.length === 0) return [];
  return Buffer.from(bytes).toString('utf8').split('\0').slice(0, -1);
}

/** One call of a trigger function. */
export interface TriggerData {
  readonly trigger: Trigger;
  readonly relation: Relation;
  readonly event: TriggerEvent;
  readonly when: 'before' | 'after' | 'instead';
  readonly level: 'row' | 'statement';
  readonly oldRow: Row | null;
  readonly newRow: Row | null;
  /** Places of the stored versions; null where there is none. */
  readonly oldTid: ItemPointer | null;
  readonly newTid: ItemPointer | null;
}
/** BEFORE and INSTEAD OF: the row to go on with, null to do nothing. The result of an AFTER trigger means nothing. */
export type TriggerFunction = (data: TriggerData) => Row | null;

const functions = new Map<string, TriggerFunction>();
export function registerTriggerFunction(prosrc: string, by: TriggerFunction): void {
  functions.set(prosrc, by);
}
/** A procedural language gives the code of a trigger function, or null if it is not its own. */
let ofLanguage: (proc: ProcRow) => TriggerFunction | null = () => null;
export function setTriggerLanguage(by: (proc: ProcRow) => TriggerFunction | null): void {
  ofLanguage = by;
}
const INTERNAL = 12 as Oid;
export function triggerFunction(oid: Oid): TriggerFunction {
  const proc = needProc(oid);
  const found = proc.prolang === INTERNAL ? functions.get(proc.prosrc) : ofLanguage(proc);
  return (
    found ??
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: `trigger function ${signature(proc)} in language ${languageRow(proc.prolang)?.lanname ?? proc.prolang} is not supported yet`,
    })
  );
}

/** Does tgenabled let it fire in this session? */
export function firesInRole(enabled: string): boolean {
  if (settings.session_replication_role === 'replica') return enabled === 'R' || enabled === 'A';
  return enabled === 'O' || enabled === 'A';
}
