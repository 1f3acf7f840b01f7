/** reindex-rel.ts — an index made again from its table, in a new file; all indexes of a table.
 *
 *  While indexes of a catalog are being made, nobody may look for rows through them: the catalogs are read from first page
 *  to last (setIgnoreSystemIndexes).
 *  Counterpart: reindex_index(), reindex_relation(), SetReindexProcessing() … of src/backend/catalog/index.c */
import type { Oid } from '#base/ids.ts';
import { indexBuild } from '#catalog/index.ts';
import { catalogUpdateColumns } from '#catalog/indexing.ts';
import { cacheInvalidateRelcache } from '#catalog/inval.ts';
import { relationSetNewRelfilenode } from '#catalog/new-file.ts';
import { NAMESPACE, RELATION } from '#catalog/oids.ts';
import { relationGetIndexList, setIgnoreSystemIndexes } from '#catalog/relcache.ts';
import { indexOpen, relationClose, tableOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { checkTableNotInUse } from '#catalog/table-in-use.ts';
import { asOwner } from '#commands/as-owner.ts';
import { usageText, usageNow } from '#commands/rusage.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import {
  PROGRESS_COMMAND,
  pgstatProgressEndCommand,
  pgstatProgressStartCommand,
  pgstatProgressUpdateParam,
} from '#stats/backend-status.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { transferPredicateLocksToHeapRelation } from '#storage/lmgr/predicate.ts';
import { commandCounterIncrement } from '#transam/xact.ts';
import { registerXactParticipant, XACT_RANK } from '#transam/xact-callbacks.ts';

const INDEX_OID_INDEX = 2679 as Oid;
/** PROGRESS_CREATEIDX_*. */
const PROGRESS = { command: 0, indexOid: 6, accessMethod: 8, phase: 9 } as const;
const COMMAND_REINDEX = 3;
const PHASE_BUILD = 2;

export interface ReindexOptions {
  readonly verbose: boolean;
}

/** Indexes of catalogs that wait to be made again, and the one that is being made. */
const pending = new Set<Oid>();
let processing = 0 as Oid;
setIgnoreSystemIndexes(() => settings.ignore_system_indexes || pending.size > 0 || processing !== 0);
function forgetReindexing(): void {
  pending.clear();
  processing = 0 as Oid;
}
registerXactParticipant({
  name: 'reindexing',
  rank: XACT_RANK.relationCache,
  atAbort: forgetReindexing,
  atSubAbort: forgetReindexing,
});

/** reindex_index(). */
export function reindexIndex(indexId: Oid, persistence: 'p' | 'u' | 't', options: ReindexOptions): void {
  const started = usageNow();
  const heapId = store.index.byOid(indexId, 'indexrelid')?.indrelid;
  if (heapId === undefined) report('ERROR', { message: `cache lookup failed for index ${indexId}` });
  const heap = tableOpen(heapId, LOCK.share);
  asOwner(heap.owner, () => {
    pgstatProgressStartCommand(PROGRESS_COMMAND.createIndex, heapId);
    pgstatProgressUpdateParam(PROGRESS.command, COMMAND_REINDEX);
    pgstatProgressUpdateParam(PROGRESS.indexOid, indexId);
    const index = indexOpen(indexId, LOCK.accessExclusive);
    pgstatProgressUpdateParam(PROGRESS.accessMethod, index.amOid);
    if (index.kind === 'I') report('ERROR', { message: `unsupported relation kind for index "${index.name}"` });
    if (index.persistence === 't' && !index.isLocalTemp) {
      report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: 'cannot reindex temporary tables of other sessions',
      });
    }
    if (index.namespace === NAMESPACE.pgToast && !index.index!.valid) {
      report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: 'cannot reindex invalid index on TOAST table',
      });
    }
    checkTableNotInUse(index, 'REINDEX INDEX');
    transferPredicateLocksToHeapRelation(index);
    const isCatalogIndex = heap.isSystem;
    if (isCatalogIndex) processing = indexId;
    relationSetNewRelfilenode(index, persistence);
    pgstatProgressUpdateParam(PROGRESS.phase, PHASE_BUILD);
    indexBuild(heap, index, false, true);
    if (isCatalogIndex) {
      processing = 0 as Oid;
      pending.delete(indexId);
    }
    validate(indexId, heapId);
    if (options.verbose) {
      report('INFO', { message: `index "${index.name}" was reindexed`, detail: usageText(started) });
    }
    relationClose(index, LOCK.none);
  });
  relationClose(heap, LOCK.none);
  pgstatProgressEndCommand();
}

/** What was wrong with the index is not any more. */
function validate(indexId: Oid, heapId: Oid): void {
  const pgIndex = tableOpen(RELATION.pgIndex, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.index, pgIndex, INDEX_OID_INDEX, [{ attnum: 1, value: indexId }]);
  if (found === undefined) report('ERROR', { message: `cache lookup failed for index ${indexId}` });
  const { indisvalid, indisready, indislive } = found.row;
  if (!indisvalid || !indisready || !indislive) {
    catalogUpdateColumns(pgIndex, found.tid, { indisvalid: true, indisready: true, indislive: true });
    cacheInvalidateRelcache(heapId);
  }
  relationClose(pgIndex, LOCK.rowExclusive);
}

/** reindex_relation(): false if there was nothing to do. `suppressUse`: the indexes tell of rows that are not there. */
export function reindexRelation(
  relid: Oid,
  options: ReindexOptions,
  flags: { readonly processToast: boolean; readonly suppressUse: boolean; readonly persistence?: 'p' | 'u' | 't' },
): boolean {
  const rel = tableOpen(relid, LOCK.share);
  const toast = rel.toastRelid;
  const persistence = flags.persistence ?? rel.persistence;
  const indexIds = [...relationGetIndexList(rel)];
  if (flags.suppressUse) {
    if (rel.isSystem) for (const id of indexIds) pending.add(id);
    commandCounterIncrement();
  }
  for (const id of indexIds) {
    const row = store.index.byOid(id, 'indexrelid');
    const isInvalidToast = rel.namespace === NAMESPACE.pgToast && row?.indisvalid === false;
    if (isInvalidToast) {
      report('WARNING', {
        code: SQLSTATE.featureNotSupported,
        message: `cannot reindex invalid index "${store.class.byOid(id)?.relname ?? id}" on TOAST table, skipping`,
      });
      pending.delete(id);
      continue;
    }
    reindexIndex(id, persistence, options);
    commandCounterIncrement();
  }
  relationClose(rel, LOCK.none);
  let didSomething = indexIds.length > 0;
  if (flags.processToast && toast !== 0) {
    didSomething = reindexRelation(toast, options, { processToast: false, suppressUse: false }) || didSomething;
  }
  return didSomething;
}
