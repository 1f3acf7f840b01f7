/** unique-recheck.ts — the trigger of deferrable UNIQUE, PRIMARY KEY and EXCLUDE constraints: when the row was stored its
 *  key was perhaps not unique; is it now?
 *  Counterpart: src/backend/commands/constraint.c */
import { indexInsert } from '#access/common/index-access.ts';
import { UNIQUE_CHECK } from '#access/common/index-am.ts';
import { heapDeform } from '#access/common/heap-tuple.ts';
import { beginIndexFetch, endIndexFetch, indexFetchTuple } from '#access/heap/heap-fetch.ts';
import type { Datum } from '#adt/datum.ts';
import { indexOpen, relationClose } from '#catalog/relation.ts';
import { registerTriggerFunction } from '#commands/trigger-data.ts';
import { type EState, ExprContext, type Row } from '#executor/estate.ts';
import { indexMaker, recheckExclusion } from '#executor/index-entries.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { SNAPSHOT_SELF } from '#transam/snapshot.ts';

registerTriggerFunction('unique_key_recheck', (data) => {
  const refuse = (message: string): never =>
    report('ERROR', {
      code: SQLSTATE.eRIETriggerProtocolViolated,
      message: `function "unique_key_recheck" ${message}`,
    });
  if (data.when !== 'after' || data.level !== 'row') refuse('must be fired AFTER ROW');
  if (data.event !== 'insert' && data.event !== 'update') refuse('must be fired for INSERT or UPDATE');
  const { relation } = data;
  const tid = data.newTid!;
  // A later version in the same HOT chain has the same key, and the entry is its entry.
  const fetch = beginIndexFetch(relation);
  const row: Row = new Array<Datum>(relation.tupleDesc.natts).fill(null);
  const isLive = indexFetchTuple(fetch, tid, SNAPSHOT_SELF);
  if (isLive) heapDeform(relation.tupleDesc, fetch.tupleAt, row.length, row);
  endIndexFetch(fetch);
  if (!isLive) return null;
  const index = indexOpen(data.trigger.tgconstrindid, LOCK.rowExclusive);
  const maker = indexMaker(relation, index);
  const context = new ExprContext(null as unknown as EState);
  const values: Datum[] = [];
  maker.values(row, context, values);
  // For an index that is not immediate this only looks: the entry exists.
  if (maker.exclusion === null) indexInsert(index, values, tid, relation, UNIQUE_CHECK.existing, false, maker.info);
  else recheckExclusion(relation, maker, values, tid, context);
  relationClose(index, LOCK.rowExclusive);
  return null;
});
