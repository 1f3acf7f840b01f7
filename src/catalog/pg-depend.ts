/** pg-depend.ts — writing and changing rows of pg_depend: who needs whom.
 *  Counterpart: src/backend/catalog/pg_depend.c */
import type { Relation } from '#access/common/relation-descriptor.ts';
import type { Oid } from '#base/ids.ts';
import {
  catalogDelete,
  CatalogIndexes,
  catalogInsert,
  catalogUpdateColumns,
  catalogValues,
} from '#catalog/indexing.ts';
import { isPinnedObject, type ObjectAddress } from '#catalog/object-address.ts';
import { RELATION } from '#catalog/oids.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { type DependRow, store } from '#catalog/rows.ts';
import { type CatalogKey, type CatalogTuple, findCatalogTuples } from '#catalog/systable.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';

/** normal, auto, internal, partition primary and secondary, extension member, automatic extension. */
export type DependencyType = 'n' | 'a' | 'i' | 'P' | 'S' | 'e' | 'x';

const DEPENDER_INDEX = 2673 as Oid;
const REFERENCE_INDEX = 2674 as Oid;
const COLUMN = { classid: 1, objid: 2, objsubid: 3, refclassid: 4, refobjid: 5, refobjsubid: 6 } as const;

export const recordDependencyOn = (depender: ObjectAddress, referenced: ObjectAddress, type: DependencyType): void =>
  recordMultipleDependencies(depender, [referenced], type);

export function recordMultipleDependencies(
  depender: ObjectAddress,
  referenced: readonly ObjectAddress[],
  type: DependencyType,
): void {
  const wanted = referenced.filter((object) => !isPinnedObject(object.classId, object.objectId));
  if (wanted.length === 0) return;
  const rel = tableOpen(RELATION.pgDepend, LOCK.rowExclusive);
  const indexes = new CatalogIndexes(rel);
  for (const object of wanted) {
    const values = catalogValues(rel, {
      classid: depender.classId,
      objid: depender.objectId,
      objsubid: depender.objectSubId,
      refclassid: object.classId,
      refobjid: object.objectId,
      refobjsubid: object.objectSubId,
      deptype: type,
    });
    catalogInsert(rel, values, indexes);
  }
  indexes.close();
  relationClose(rel, LOCK.rowExclusive);
}

/** Rows whose depender is the object; with sub-id 0 those of its parts, too. */
export function dependenciesOf(rel: Relation, object: ObjectAddress): CatalogTuple<DependRow>[] {
  return findCatalogTuples(store.depend, rel, DEPENDER_INDEX, dependerKeys(object));
}
/** Rows that refer to the object; with sub-id 0 those that refer to its parts, too. */
export function dependentsOf(rel: Relation, object: ObjectAddress): CatalogTuple<DependRow>[] {
  const keys: CatalogKey[] = [
    { attnum: COLUMN.refclassid, value: object.classId },
    { attnum: COLUMN.refobjid, value: object.objectId },
  ];
  if (object.objectSubId !== 0) keys.push({ attnum: COLUMN.refobjsubid, value: object.objectSubId });
  return findCatalogTuples(store.depend, rel, REFERENCE_INDEX, keys);
}
function dependerKeys(object: ObjectAddress): CatalogKey[] {
  const keys: CatalogKey[] = [
    { attnum: COLUMN.classid, value: object.classId },
    { attnum: COLUMN.objid, value: object.objectId },
  ];
  if (object.objectSubId !== 0) keys.push({ attnum: COLUMN.objsubid, value: object.objectSubId });
  return keys;
}

function withDepend<T>(work: (rel: Relation) => T): T {
  const rel = tableOpen(RELATION.pgDepend, LOCK.rowExclusive);
  const result = work(rel);
  relationClose(rel, LOCK.rowExclusive);
  return result;
}
/** deleteDependencyRecordsFor(): what a whole object depends on is forgotten; returns how many rows. */
export function deleteDependencyRecordsFor(classId: Oid, objectId: Oid, skipExtension = false): number {
  return withDepend((rel) => {
    let count = 0;
    for (const { tid, row } of dependenciesOf(rel, { classId, objectId, objectSubId: 0 })) {
      if (skipExtension && row.deptype === 'e') continue;
      catalogDelete(rel, tid);
      count++;
    }
    return count;
  });
}
/** deleteDependencyRecordsForClass(): only those of a type on objects of one catalog. */
export function deleteDependencyRecordsForClass(
  classId: Oid,
  objectId: Oid,
  refClassId: Oid,
  type: DependencyType,
): number {
  return withDepend((rel) => {
    let count = 0;
    for (const { tid, row } of dependenciesOf(rel, { classId, objectId, objectSubId: 0 })) {
      if (row.refclassid !== refClassId || row.deptype !== type) continue;
      catalogDelete(rel, tid);
      count++;
    }
    return count;
  });
}
/** changeDependencyFor(): one reference moves from one object to another of the same catalog. */
export function changeDependencyFor(
  classId: Oid,
  objectId: Oid,
  refClassId: Oid,
  oldRefObjectId: Oid,
  newRefObjectId: Oid,
): number {
  const oldIsPinned = isPinnedObject(refClassId, oldRefObjectId);
  const newIsPinned = isPinnedObject(refClassId, newRefObjectId);
  if (oldIsPinned) {
    // Nothing was recorded, so there is nothing to change.
    if (!newIsPinned) {
      const depender = { classId, objectId, objectSubId: 0 };
      recordDependencyOn(depender, { classId: refClassId, objectId: newRefObjectId, objectSubId: 0 }, 'n');
    }
    return 1;
  }
  return withDepend((rel) => {
    let count = 0;
    for (const { tid, row } of dependenciesOf(rel, { classId, objectId, objectSubId: 0 })) {
      if (row.refclassid !== refClassId || row.refobjid !== oldRefObjectId) continue;
      if (newIsPinned) catalogDelete(rel, tid);
      else catalogUpdateColumns(rel, tid, { refobjid: newRefObjectId });
      count++;
    }
    return count;
  });
}

// ── sequences, constraints, extensions ───────────────────────────────────────────────────────────────────────────

/** Sequences that belong to a table's column: 'a' by SERIAL or OWNED BY, 'i' as its identity. */
export function ownedSequences(relid: Oid, attnum = 0, type?: 'a' | 'i'): Oid[] {
  return store.depend
    .by('refobjid', relid)
    .filter(
      (row) =>
        row.refclassid === RELATION.pgClass &&
        row.refobjsubid !== 0 &&
        (attnum === 0 || row.refobjsubid === attnum) &&
        row.classid === RELATION.pgClass &&
        row.objsubid === 0 &&
        (row.deptype === 'a' || row.deptype === 'i') &&
        (type === undefined || row.deptype === type) &&
        store.class.byOid(row.objid)?.relkind === 'S',
    )
    .map((row) => row.objid);
}
/** The constraint that an index implements, 0 if none. */
export function indexConstraint(indexId: Oid): Oid {
  const row = store.depend
    .by('objid', indexId)
    .find(
      (d) =>
        d.classid === RELATION.pgClass &&
        d.objsubid === 0 &&
        d.refclassid === RELATION.pgConstraint &&
        d.refobjsubid === 0 &&
        d.deptype === 'i',
    );
  return row?.refobjid ?? (0 as Oid);
}
/** The extension that an object is a member of, 0 if none. */
export function extensionOfObject(classId: Oid, objectId: Oid): Oid {
  const row = store.depend
    .by('objid', objectId)
    .find((d) => d.classid === classId && d.refclassid === RELATION.pgExtension && d.deptype === 'e');
  return row?.refobjid ?? (0 as Oid);
}
