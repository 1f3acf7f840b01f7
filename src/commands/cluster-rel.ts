/** cluster-rel.ts — a table's rows into a new file: CLUSTER and VACUUM FULL.
 *
 *  A transient table of the same shape is filled, then the two exchange their files, and the transient one is dropped
 *  with the old ones. TOAST tables exchange contents, so that pointers name the same table before and after; for that the
 *  rows written into the transient table already name the old TOAST table.
 *  Counterpart: cluster_rel(), rebuild_relation(), make_new_heap(), copy_table_data() of src/backend/commands/cluster.c */
import { indexAm } from '#access/common/index-am.ts';
import { type Attribute, relationNblocks, TupleDesc } from '#access/common/relation-descriptor.ts';
import { heapCopyForCluster } from '#access/heap/rewrite.ts';
import { setRewriteToastOid } from '#access/heap/toast.ts';
import { vacuumCutoffs } from '#access/heap/vacuum-cutoffs.ts';
import type { MultiXactId, Oid, TransactionId } from '#base/ids.ts';
import { multiPrecedes, xidPrecedes } from '#base/xid.ts';
import { heapCreateWithCatalog } from '#catalog/heap.ts';
import { catalogUpdateColumns } from '#catalog/indexing.ts';
import { ACCESS_METHOD, RELATION } from '#catalog/oids.ts';
import { ownsObject } from '#catalog/object-rights.ts';
import type { RelationData } from '#catalog/relcache.ts';
import { indexOpen, relationClose, tableOpen, tryRelationOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { checkTableNotInUse } from '#catalog/table-in-use.ts';
import { createToastTable } from '#catalog/toasting.ts';
import { asOwner } from '#commands/as-owner.ts';
import { finishHeapSwap } from '#commands/cluster-swap.ts';
import { usageNow, usageText } from '#commands/rusage.ts';
import { namespaceNameOf } from '#commands/vacuum-host.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import {
  PROGRESS_COMMAND,
  pgstatProgressEndCommand,
  pgstatProgressStartCommand,
  pgstatProgressUpdateParam,
} from '#stats/backend-status.ts';
import { lockRelationOid } from '#storage/lmgr/lmgr.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { transferPredicateLocksToHeapRelation } from '#storage/lmgr/predicate.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

const CLASS_OID_INDEX = 2662 as Oid;
const INDEX_OID_INDEX = 2679 as Oid;
/** PROGRESS_CLUSTER_*. */
const PROGRESS = { command: 0, phase: 1, indexRelid: 2, tuplesScanned: 3, tuplesWritten: 4, totalBlocks: 5 } as const;
const COMMAND = { cluster: 1, vacuumFull: 2 } as const;
const PHASE = { seqScanHeap: 1, indexScanHeap: 2, writeNewHeap: 4 } as const;

export interface ClusterOptions {
  readonly verbose: boolean;
  /** The table was chosen in an earlier transaction: is it still to be clustered? */
  readonly recheck: boolean;
}

const notSupported = (message: string): never => report('ERROR', { code: SQLSTATE.featureNotSupported, message });

/** cluster_rel(): `index` 0 is VACUUM FULL. */
export function clusterRelation(relid: Oid, index: Oid, options: ClusterOptions): void {
  const isCluster = index !== 0;
  pgstatProgressStartCommand(PROGRESS_COMMAND.cluster, relid);
  pgstatProgressUpdateParam(PROGRESS.command, isCluster ? COMMAND.cluster : COMMAND.vacuumFull);
  const rel = tryRelationOpen(relid, LOCK.accessExclusive);
  if (rel === null) {
    pgstatProgressEndCommand();
    return;
  }
  asOwner(rel.owner, () => {
    if (options.recheck && !isStillWanted(rel, index)) {
      relationClose(rel, LOCK.accessExclusive);
      return;
    }
    if (isCluster && rel.isShared) notSupported('cannot cluster a shared catalog');
    if (rel.persistence === 't' && !rel.isLocalTemp) {
      notSupported(`cannot ${isCluster ? 'cluster' : 'vacuum'} temporary tables of other sessions`);
    }
    checkTableNotInUse(rel, isCluster ? 'CLUSTER' : 'VACUUM');
    if (isCluster) checkIndexIsClusterable(rel, index);
    if (rel.kind === 'm' && !rel.isPopulated) {
      relationClose(rel, LOCK.accessExclusive);
      return;
    }
    transferPredicateLocksToHeapRelation(rel);
    rebuildRelation(rel, index, options.verbose);
  });
  pgstatProgressEndCommand();
}

function isStillWanted(rel: RelationData, index: Oid): boolean {
  if (!ownsObject(rel.owner)) return false;
  if (rel.persistence === 't' && !rel.isLocalTemp) return false;
  if (index === 0) return true;
  return store.index.byOid(index, 'indexrelid')?.indisclustered === true;
}

/** check_index_is_clusterable(). */
export function checkIndexIsClusterable(rel: RelationData, indexId: Oid): void {
  const index = indexOpen(indexId, LOCK.accessExclusive);
  if (index.index!.heapRelid !== rel.oid) {
    report('ERROR', {
      code: SQLSTATE.wrongObjectType,
      message: `"${index.name}" is not an index for table "${rel.name}"`,
    });
  }
  if (!indexAm(index.amOid).clusterable) {
    notSupported(`cannot cluster on index "${index.name}" because access method does not support clustering`);
  }
  if (index.index!.predText !== null) notSupported(`cannot cluster on partial index "${index.name}"`);
  if (!index.index!.valid) notSupported(`cannot cluster on invalid index "${index.name}"`);
  relationClose(index, LOCK.none);
}

/** mark_index_clustered(): this index and none other of the table; 0 for none. */
export function markIndexClustered(rel: RelationData, index: Oid): void {
  const pgIndex = tableOpen(RELATION.pgIndex, LOCK.rowExclusive);
  for (const { indexrelid } of store.index.by('indrelid', rel.oid)) {
    const [found] = findCatalogTuples(store.index, pgIndex, INDEX_OID_INDEX, [{ attnum: 1, value: indexrelid }]);
    if (found === undefined) report('ERROR', { message: `cache lookup failed for index ${indexrelid}` });
    const wanted = indexrelid === index;
    if (found.row.indisclustered !== wanted) catalogUpdateColumns(pgIndex, found.tid, { indisclustered: wanted });
  }
  relationClose(pgIndex, LOCK.rowExclusive);
}

/** rebuild_relation(). */
function rebuildRelation(rel: RelationData, index: Oid, verbose: boolean): void {
  const { oid, isSystem, persistence } = rel;
  if (index !== 0) markIndexClustered(rel, index);
  const newHeap = makeNewHeap(rel);
  relationClose(rel, LOCK.none);
  const copied = copyTableData(newHeap, oid, index, verbose);
  finishHeapSwap(oid, newHeap, { isSystem, persistence, ...copied });
}

/** Defaults, identities and the like stay with the old table. */
const bareColumn = (attr: Attribute): Attribute => ({
  ...attr,
  hasDef: false,
  hasMissing: false,
  missingValue: null,
  identity: '',
  generated: '',
});

/** make_new_heap(): a table of the same shape, for the transition. */
export function makeNewHeap(old: RelationData): Oid {
  const options = store.class.byOid(old.oid)?.reloptions ?? null;
  const { oid } = heapCreateWithCatalog({
    name: `pg_temp_${old.oid}`,
    namespace: old.persistence === 't' ? sessionIdentity.tempNamespace : old.namespace,
    tablespace: old.tablespace,
    kind: 'r',
    persistence: old.persistence,
    accessMethod: ACCESS_METHOD.heap,
    desc: new TupleDesc(old.tupleDesc.attrs.map(bareColumn)),
    owner: old.owner,
    // It is this database's, even if the old one is everybody's: nobody else shall see it.
    isShared: false,
    isMapped: old.isMapped,
    options,
    allowSystemTableMods: true,
    isInternal: true,
  });
  commandCounterIncrement();
  if (old.toastRelid !== 0) {
    const toastOptions = store.class.byOid(old.toastRelid)?.reloptions ?? null;
    createToastTable(oid, toastOptions, LOCK.accessExclusive);
  }
  return oid;
}

interface Copied {
  readonly swapToastByContent: boolean;
  readonly frozenXid: TransactionId;
  readonly minMulti: MultiXactId;
}
/** copy_table_data(). */
function copyTableData(newOid: Oid, oldOid: Oid, indexOid: Oid, verbose: boolean): Copied {
  const started = usageNow();
  const level = verbose ? 'INFO' : 'DEBUG2';
  const newHeap = tableOpen(newOid, LOCK.accessExclusive);
  const oldHeap = tableOpen(oldOid, LOCK.accessExclusive);
  const index = indexOid === 0 ? null : indexOpen(indexOid, LOCK.accessExclusive);
  // Values are fetched while rows are copied; nobody may remove them meanwhile.
  if (oldHeap.toastRelid !== 0) lockRelationOid(oldHeap.toastRelid, LOCK.accessExclusive);
  const swapToastByContent = oldHeap.toastRelid !== 0 && newHeap.toastRelid !== 0;
  if (swapToastByContent) setRewriteToastOid(newHeap, oldHeap.toastRelid);
  const cutoffs = vacuumCutoffs(oldHeap, 0, 0, 0, 0);
  let frozenXid = cutoffs.freezeLimit;
  if (oldHeap.frozenXid !== 0 && xidPrecedes(frozenXid, oldHeap.frozenXid)) frozenXid = oldHeap.frozenXid;
  let minMulti = cutoffs.multiXactCutoff;
  const oldMulti = oldHeap.minMxid as MultiXactId;
  if (oldMulti !== 0 && multiPrecedes(minMulti, oldMulti)) minMulti = oldMulti;
  const title = `"${namespaceNameOf(oldHeap)}.${oldHeap.name}"`;
  report(level, {
    message: index === null ? `vacuuming ${title}` : `clustering ${title} using index scan on "${index.name}"`,
  });
  pgstatProgressUpdateParam(PROGRESS.phase, index === null ? PHASE.seqScanHeap : PHASE.indexScanHeap);
  if (index !== null) pgstatProgressUpdateParam(PROGRESS.indexRelid, index.oid);
  else pgstatProgressUpdateParam(PROGRESS.totalBlocks, relationNblocks(oldHeap));
  const result = heapCopyForCluster(oldHeap, newHeap, index, cutoffs.oldestXmin, frozenXid, minMulti);
  pgstatProgressUpdateParam(PROGRESS.tuplesScanned, result.tuples);
  pgstatProgressUpdateParam(PROGRESS.tuplesWritten, result.tuples);
  if (swapToastByContent) setRewriteToastOid(newHeap, null);
  const pages = relationNblocks(newHeap);
  report(level, {
    message: `${title}: found ${result.vacuumed} removable, ${result.tuples} nonremovable row versions in ${relationNblocks(oldHeap)} pages`,
    detail: `${result.recentlyDead} dead row versions cannot be removed yet.\n${usageText(started)}.`,
  });
  if (index !== null) relationClose(index, LOCK.none);
  relationClose(oldHeap, LOCK.none);
  relationClose(newHeap, LOCK.none);
  const pgClass = tableOpen(RELATION.pgClass, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.class, pgClass, CLASS_OID_INDEX, [{ attnum: 1, value: newOid }]);
  if (found === undefined) report('ERROR', { message: `cache lookup failed for relation ${newOid}` });
  // pg_class itself was copied a moment ago: a change now would be in the old file only.
  if (oldOid !== RELATION.pgClass) {
    catalogUpdateColumns(pgClass, found.tid, { relpages: pages, reltuples: Math.fround(result.tuples) });
  }
  relationClose(pgClass, LOCK.rowExclusive);
  commandCounterIncrement();
  return { swapToastByContent, frozenXid, minMulti };
}
