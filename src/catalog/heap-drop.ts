/** heap-drop.ts — a relation, column, default, constraint, index or type goes: its rows and its file.
 *
 *  These are the droppers that dependency.ts calls, after everything that depends on the object.
 *  Counterpart: heap_drop_with_catalog(), RemoveAttributeById(), RemoveAttrDefaultById() of src/backend/catalog/heap.c,
 *  index_drop() of index.c, doDeletion() of dependency.c */
import type { Oid } from '#base/ids.ts';
import { registerObjectDropper } from '#catalog/dependency.ts';
import { relkindHasStorage } from '#catalog/heap.ts';
import { catalogDelete, catalogUpdateColumns } from '#catalog/indexing.ts';
import { cacheInvalidateRelcache } from '#catalog/inval.ts';
import { RELATION } from '#catalog/oids.ts';
import { removeOnCommitAction } from '#catalog/on-commit.ts';
import { removeConstraintById } from '#catalog/pg-constraint.ts';
import { removeTypeById } from '#catalog/pg-type.ts';
import { relationForgetRelation } from '#catalog/relcache.ts';
import { indexOpen, relationClose, relationOpen, tableOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { relationDropStorage } from '#catalog/storage.ts';
import { indexRow } from '#catalog/syscache.ts';
import { type CatalogKey, systableBeginScan } from '#catalog/systable.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { checkTableNotInUse } from '#catalog/table-in-use.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { checkTableForSerializableConflictIn, transferPredicateLocksToHeapRelation } from '#storage/lmgr/predicate.ts';

const ATTRIBUTE_INDEX = 2659 as Oid;

/** Deletes the rows of a catalog that an index finds; returns how many. */
export function deleteCatalogRows(catalog: Oid, index: Oid, keys: readonly CatalogKey[]): number {
  const rel = tableOpen(catalog, LOCK.rowExclusive);
  const scan = systableBeginScan(rel, index, true, keys);
  const tids = [];
  while (scan.next()) tids.push(scan.tid);
  scan.end();
  for (const tid of tids) catalogDelete(rel, tid);
  relationClose(rel, LOCK.rowExclusive);
  return tids.length;
}
/** RemoveStatistics(): of one column, or (0) of all. */
export function removeStatistics(relid: Oid, attnum: number): void {
  const keys: CatalogKey[] = [{ attnum: 1, value: relid }];
  if (attnum !== 0) keys.push({ attnum: 2, value: attnum });
  deleteCatalogRows(RELATION.pgStatistic, 2696 as Oid, keys);
}
/** RelationRemoveInheritance(). */
const removeInheritance = (relid: Oid): number =>
  deleteCatalogRows(RELATION.pgInherits, 2680 as Oid, [{ attnum: 1, value: relid }]);
const deleteAttributeTuples = (relid: Oid): number =>
  deleteCatalogRows(RELATION.pgAttribute, ATTRIBUTE_INDEX, [{ attnum: 1, value: relid }]);
function deleteRelationTuple(relid: Oid): void {
  const count = deleteCatalogRows(RELATION.pgClass, 2662 as Oid, [{ attnum: 1, value: relid }]);
  if (count === 0) report('ERROR', { message: `cache lookup failed for relation ${relid}` });
}

/** heap_drop_with_catalog(). */
function dropHeap(relid: Oid): void {
  const rel = relationOpen(relid, LOCK.accessExclusive);
  checkTableNotInUse(rel, 'DROP TABLE');
  checkTableForSerializableConflictIn(rel);
  if (rel.kind === 'f') deleteCatalogRows(RELATION.pgForeignTable, 3119 as Oid, [{ attnum: 1, value: relid }]);
  if (relkindHasStorage(rel.kind)) relationDropStorage(rel);
  const isSequence = rel.kind === 'S';
  // The lock stays until the transaction ends.
  relationClose(rel, LOCK.none);
  removeOnCommitAction(relid);
  relationForgetRelation(relid);
  removeInheritance(relid);
  removeStatistics(relid, 0);
  deleteAttributeTuples(relid);
  deleteRelationTuple(relid);
  if (isSequence) deleteCatalogRows(RELATION.pgSequence, 5002 as Oid, [{ attnum: 1, value: relid }]);
}

/** index_drop(), the plain one. */
export function dropIndex(indexId: Oid): void {
  const heapId = indexRow(indexId)?.indrelid;
  if (heapId === undefined) report('ERROR', { message: `cache lookup failed for index ${indexId}` });
  const heap = tableOpen(heapId, LOCK.accessExclusive);
  const index = indexOpen(indexId, LOCK.accessExclusive);
  checkTableNotInUse(index, 'DROP INDEX');
  transferPredicateLocksToHeapRelation(index);
  deleteIndexEntries(
    indexId,
    () => relationDropStorage(index),
    () => relationClose(index, LOCK.none),
  );
  cacheInvalidateRelcache(heapId);
  relationClose(heap, LOCK.none);
}
/** Everything that is left of an index which nobody uses any more. */
export function deleteIndexEntries(indexId: Oid, dropStorage: () => void, close: () => void): void {
  dropStorage();
  close();
  relationForgetRelation(indexId);
  const hasExpressions = (indexRow(indexId)?.indexprs ?? null) !== null;
  deleteCatalogRows(RELATION.pgIndex, 2679 as Oid, [{ attnum: 1, value: indexId }]);
  if (hasExpressions) removeStatistics(indexId, 0);
  deleteAttributeTuples(indexId);
  deleteRelationTuple(indexId);
  removeInheritance(indexId);
}

/** RemoveAttributeById(): the column's place stays, its name and type go. */
function removeAttribute(relid: Oid, attnum: number): void {
  const rel = relationOpen(relid, LOCK.accessExclusive);
  const pgAttribute = tableOpen(RELATION.pgAttribute, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.attribute, pgAttribute, ATTRIBUTE_INDEX, [
    { attnum: 1, value: relid },
    { attnum: pgAttribute.tupleDesc.attributeIndex('attnum') + 1, value: attnum },
  ]);
  if (found === undefined) {
    report('ERROR', { message: `cache lookup failed for attribute ${attnum} of relation ${relid}` });
  }
  catalogUpdateColumns(pgAttribute, found.tid, {
    attisdropped: true,
    atttypid: 0 as Oid,
    attnotnull: false,
    attstattarget: 0,
    attgenerated: '',
    attname: `........pg.dropped.${attnum}........`,
    ...(found.row.atthasmissing ? { atthasmissing: false, attmissingval: null } : {}),
  });
  relationClose(pgAttribute, LOCK.rowExclusive);
  removeStatistics(relid, attnum);
  relationClose(rel, LOCK.none);
}

/** RemoveAttrDefaultById(). */
function removeDefault(oid: Oid): void {
  const pgAttrdef = tableOpen(RELATION.pgAttrdef, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.attrdef, pgAttrdef, 2657 as Oid, [{ attnum: 1, value: oid }]);
  if (found === undefined) report('ERROR', { message: `could not find tuple for attrdef ${oid}` });
  const { adrelid, adnum } = found.row;
  const rel = relationOpen(adrelid, LOCK.accessExclusive);
  catalogDelete(pgAttrdef, found.tid);
  relationClose(pgAttrdef, LOCK.rowExclusive);
  const pgAttribute = tableOpen(RELATION.pgAttribute, LOCK.rowExclusive);
  const [column] = findCatalogTuples(store.attribute, pgAttribute, ATTRIBUTE_INDEX, [
    { attnum: 1, value: adrelid },
    { attnum: pgAttribute.tupleDesc.attributeIndex('attnum') + 1, value: adnum },
  ]);
  if (column === undefined) {
    report('ERROR', { message: `cache lookup failed for attribute ${adnum} of relation ${adrelid}` });
  }
  catalogUpdateColumns(pgAttribute, column.tid, { atthasdef: false });
  relationClose(pgAttribute, LOCK.rowExclusive);
  relationClose(rel, LOCK.none);
}

/** Drops an index without keeping others from their table; installed by commands/. */
let dropConcurrently: ((indexId: Oid) => void) | null = null;
export function setConcurrentIndexDrop(drop: (indexId: Oid) => void): void {
  dropConcurrently = drop;
}

registerObjectDropper(RELATION.pgClass, ({ objectId, objectSubId }, flags) => {
  const kind = store.class.byOid(objectId)?.relkind;
  if (kind === 'i' || kind === 'I') {
    if (flags.concurrently !== true) dropIndex(objectId);
    else if (dropConcurrently !== null) dropConcurrently(objectId);
    else {
      report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: 'DROP INDEX CONCURRENTLY is not supported yet',
      });
    }
  } else if (objectSubId !== 0) removeAttribute(objectId, objectSubId);
  else dropHeap(objectId);
});
registerObjectDropper(RELATION.pgType, ({ objectId }) => removeTypeById(objectId));
registerObjectDropper(RELATION.pgConstraint, ({ objectId }) => removeConstraintById(objectId));
/** RemoveTriggerById(): pg_class.relhastriggers stays, it only says where to look. */
function removeTrigger(oid: Oid): void {
  const pgTrigger = tableOpen(RELATION.pgTrigger, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.trigger, pgTrigger, 2702 as Oid, [{ attnum: 1, value: oid }]);
  if (found === undefined) report('ERROR', { message: `could not find tuple for trigger ${oid}` });
  const rel = tableOpen(found.row.tgrelid, LOCK.accessExclusive);
  // Of a constraint that ALTER TABLE drops, the table is open already.
  if (found.row.tgconstraint === 0) checkTableNotInUse(rel, 'DROP TRIGGER');
  catalogDelete(pgTrigger, found.tid);
  relationClose(pgTrigger, LOCK.rowExclusive);
  cacheInvalidateRelcache(rel.oid);
  relationClose(rel, LOCK.none);
}
registerObjectDropper(RELATION.pgTrigger, ({ objectId }) => removeTrigger(objectId));
registerObjectDropper(RELATION.pgAttrdef, ({ objectId }) => removeDefault(objectId));
