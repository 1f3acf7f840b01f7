/** new-file.ts — a relation gets a new, empty file; the old one goes when the transaction commits.
 *  Counterpart: RelationSetNewRelfilenode() of src/backend/utils/cache/relcache.c, RelationTruncateIndexes(),
 *  reindex_relation() of catalog/index.c as far as TRUNCATE needs them */
import { indexBuild as amIndexBuild } from '#access/common/index-access.ts';
import type { Oid } from '#base/ids.ts';
import { setNewFileNode } from '#catalog/heap.ts';
import { buildIndexInfo, indexBuild } from '#catalog/index.ts';
import { catalogUpdateColumns } from '#catalog/indexing.ts';
import { cacheInvalidateRelcache } from '#catalog/inval.ts';
import { getNewRelFileNode } from '#catalog/new-oid.ts';
import { RELATION } from '#catalog/oids.ts';
import {
  relationAssumeNewRelfilenode,
  type RelationData,
  relationGetIndexList,
  relFileNode,
} from '#catalog/relcache.ts';
import { relationMapUpdateMap } from '#catalog/relmap.ts';
import { indexOpen, relationClose, tableOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { relationDropStorage, relationTruncate } from '#catalog/storage.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { report } from '#runtime/error/report.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

export function relationSetNewRelfilenode(rel: RelationData, persistence: 'p' | 'u' | 't' = rel.persistence): void {
  const relNode = getNewRelFileNode(rel.tablespace, null, persistence);
  if (rel.isMapped) {
    setNewMappedFile(rel, relNode);
    return;
  }
  const pgClass = tableOpen(RELATION.pgClass, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.class, pgClass, 2662 as Oid, [{ attnum: 1, value: rel.oid }]);
  if (found === undefined) report('ERROR', { message: `could not find tuple for relation ${rel.oid}` });
  relationDropStorage(rel);
  rel.smgr = null;
  rel.relfilenode = relNode;
  rel.persistence = persistence;
  rel.rnode = relFileNode(rel.tablespace, rel.isShared, relNode);
  setNewFileNode(rel);
  catalogUpdateColumns(pgClass, found.tid, {
    relfilenode: relNode,
    ...(rel.kind === 'S' ? {} : { relpages: 0, reltuples: -1, relallvisible: 0 }),
    relfrozenxid: rel.frozenXid,
    relminmxid: rel.minMxid,
    relpersistence: persistence,
  });
  relationClose(pgClass, LOCK.rowExclusive);
  commandCounterIncrement();
  relationAssumeNewRelfilenode(rel);
}

/** A mapped relation's row in pg_class says nothing of its file, so it is not touched. */
function setNewMappedFile(rel: RelationData, relNode: Oid): void {
  relationDropStorage(rel);
  rel.smgr = null;
  rel.rnode = relFileNode(rel.tablespace, rel.isShared, relNode);
  setNewFileNode(rel);
  relationMapUpdateMap(rel.oid, relNode, rel.isShared, false);
  cacheInvalidateRelcache(rel.oid);
  commandCounterIncrement();
  relationAssumeNewRelfilenode(rel);
}

/** All indexes of the table anew, each in a new file. */
export function rebuildIndexes(relid: Oid): void {
  const rel = tableOpen(relid, LOCK.share);
  for (const oid of relationGetIndexList(rel)) {
    const index = indexOpen(oid, LOCK.accessExclusive);
    relationSetNewRelfilenode(index, rel.persistence);
    indexBuild(rel, index, false);
    relationClose(index, LOCK.none);
  }
  relationClose(rel, LOCK.none);
}

/** heap_truncate_one_rel(): in place, for a file that only this transaction has seen. */
export function truncateInPlace(rel: RelationData): void {
  relationTruncate(rel, 0);
  for (const oid of relationGetIndexList(rel)) {
    const index = indexOpen(oid, LOCK.accessExclusive);
    relationTruncate(index, 0);
    amIndexBuild(rel, index, buildIndexInfo(rel, index));
    relationClose(index, LOCK.none);
  }
  if (rel.toastRelid !== 0) {
    const toast = tableOpen(rel.toastRelid, LOCK.accessExclusive);
    truncateInPlace(toast);
    relationClose(toast, LOCK.none);
  }
}
