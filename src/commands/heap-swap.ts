/** heap-swap.ts — a table's contents are written anew into a transient table, which then changes files with it.
 *
 *  The transient table is an ordinary one with rows in the catalogs, so that an abort undoes everything. After the swap it
 *  owns the old file and the old TOAST table, and is dropped with them.
 *  Counterpart: make_new_heap(), swap_relation_files(), finish_heap_swap() of src/backend/commands/cluster.c */
import type { ArrayDatum } from '#adt/datum.ts';
import { TupleDesc } from '#access/common/relation-descriptor.ts';
import type { Oid, TransactionId } from '#base/ids.ts';
import { updateAttribute } from '#catalog/attribute-default.ts';
import { accessTempNamespace } from '#catalog/creation-namespace.ts';
import { performDeletion } from '#catalog/dependency.ts';
import { heapCreateWithCatalog } from '#catalog/heap.ts';
import { catalogUpdateColumns } from '#catalog/indexing.ts';
import { cacheInvalidateRelcache } from '#catalog/inval.ts';
import { rebuildIndexes } from '#catalog/new-file.ts';
import { objectAddress } from '#catalog/object-address.ts';
import { RELATION, TYPE } from '#catalog/oids.ts';
import { deleteDependencyRecordsFor, recordDependencyOn } from '#catalog/pg-depend.ts';
import { relationAssumeNewRelfilenode } from '#catalog/relcache.ts';
import { relationClose, relationOpen, tableOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { classRow, indexesOf } from '#catalog/syscache.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { createToastTable } from '#catalog/toasting.ts';
import { renameRelation } from '#commands/rename-relation.ts';
import { report } from '#runtime/error/report.ts';
import { LOCK, type LockMode } from '#storage/lmgr/lock-modes.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

export const textArray = (elements: readonly string[] | null): ArrayDatum | null =>
  elements === null || elements.length === 0
    ? null
    : { kind: 'array', elementType: TYPE.text, dims: [elements.length], lowerBounds: [1], elements };

/** make_new_heap(): an empty table with the same columns. The old one is locked by the caller. */
export function makeNewHeap(
  oldOid: Oid,
  tablespace: Oid,
  accessMethod: Oid,
  persistence: 'p' | 'u' | 't',
  lock: LockMode,
): Oid {
  const old = tableOpen(oldOid, lock);
  const row = classRow(oldOid)!;
  const columns = old.tupleDesc.attrs.map((column) => ({
    ...column,
    notNull: false,
    hasDef: false,
    hasMissing: false,
    missingValue: null,
    identity: '' as const,
    generated: '' as const,
  }));
  const { oid } = heapCreateWithCatalog({
    name: `pg_temp_${oldOid}`,
    namespace: persistence === 't' ? accessTempNamespace() : old.namespace,
    tablespace,
    kind: 'r',
    persistence,
    accessMethod,
    desc: new TupleDesc(columns),
    owner: old.owner,
    isMapped: old.isMapped,
    options: row.reloptions,
    allowSystemTableMods: true,
    isInternal: true,
  });
  commandCounterIncrement();
  const toastOptions = old.toastRelid === 0 ? null : (classRow(old.toastRelid)?.reloptions ?? null);
  if (old.toastRelid !== 0) createToastTable(oid, toastOptions, lock);
  relationClose(old, LOCK.none);
  return oid;
}

/** swap_relation_files() by links: files and TOAST tables change places. */
function swapRelationFiles(one: Oid, other: Oid, frozenXid: TransactionId, cutoffMulti: number): void {
  const pgClass = tableOpen(RELATION.pgClass, LOCK.rowExclusive);
  const tupleOf = (relid: Oid) => {
    const [found] = findCatalogTuples(store.class, pgClass, 2662 as Oid, [{ attnum: 1, value: relid }]);
    return found ?? report('ERROR', { message: `cache lookup failed for relation ${relid}` });
  };
  const a = tupleOf(one);
  const b = tupleOf(other);
  if (a.row.relfilenode === 0 || b.row.relfilenode === 0) {
    report('ERROR', { message: `cannot swap mapped relation "${a.row.relname}" with "${b.row.relname}"` });
  }
  const filesOf = ({ row }: typeof a) => ({
    relfilenode: row.relfilenode,
    reltablespace: row.reltablespace,
    relam: row.relam,
    relpersistence: row.relpersistence,
    reltoastrelid: row.reltoastrelid,
    relpages: row.relpages,
    reltuples: row.reltuples,
    relallvisible: row.relallvisible,
  });
  catalogUpdateColumns(pgClass, a.tid, { ...filesOf(b), relfrozenxid: frozenXid, relminmxid: cutoffMulti });
  catalogUpdateColumns(pgClass, b.tid, filesOf(a));
  relationClose(pgClass, LOCK.rowExclusive);
  for (const toast of [a.row.reltoastrelid, b.row.reltoastrelid]) {
    if (toast !== 0) deleteDependencyRecordsFor(RELATION.pgClass, toast);
  }
  const link = (toast: Oid, table: Oid): void => {
    if (toast === 0) return;
    recordDependencyOn(objectAddress(RELATION.pgClass, toast), objectAddress(RELATION.pgClass, table), 'i');
  };
  link(b.row.reltoastrelid, one);
  link(a.row.reltoastrelid, other);
  cacheInvalidateRelcache(one);
  cacheInvalidateRelcache(other);
  commandCounterIncrement();
}

/** finish_heap_swap(): the table has the new file, new indexes, and the transient table is gone. */
export function finishHeapSwap(oldOid: Oid, newOid: Oid, frozenXid: TransactionId, cutoffMulti: number): void {
  swapRelationFiles(oldOid, newOid, frozenXid, cutoffMulti);
  const rel = relationOpen(oldOid, LOCK.none);
  relationAssumeNewRelfilenode(rel);
  relationClose(rel, LOCK.none);
  if (indexesOf(oldOid).length > 0) rebuildIndexes(oldOid);
  commandCounterIncrement();
  performDeletion(objectAddress(RELATION.pgClass, newOid), 'restrict', { internal: true });
  commandCounterIncrement();
  const toast = classRow(oldOid)?.reltoastrelid ?? (0 as Oid);
  const toastName = `pg_toast_${oldOid}`;
  if (toast !== 0 && classRow(toast)?.relname !== toastName) {
    const [index] = indexesOf(toast);
    renameRelation(toast, toastName, false);
    if (index !== undefined) renameRelation(index.indexrelid, `${toastName}_index`, true);
  }
  clearMissing(oldOid);
  commandCounterIncrement();
}
/** RelationClearMissing(): every row has all columns now. */
export function clearMissing(relid: Oid): void {
  for (const row of store.attribute.by('attrelid', relid)) {
    if (row.atthasmissing) updateAttribute(relid, row.attnum, { atthasmissing: false, attmissingval: null });
  }
}
