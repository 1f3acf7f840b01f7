/** pg-shdepend.ts — who depends on objects that all databases share: owners, roles in access lists, tablespaces.
 *  Counterpart: src/backend/catalog/pg_shdepend.c */
import type { Relation } from '#access/common/relation-descriptor.ts';
import type { Oid } from '#base/ids.ts';
import { catalogDelete, catalogInsert, catalogUpdateColumns, catalogValues } from '#catalog/indexing.ts';
import { isPinnedObject, type ObjectAddress } from '#catalog/object-address.ts';
import { RELATION } from '#catalog/oids.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { type ShdependRow, store } from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { type CatalogKey, type CatalogTuple, findCatalogTuples } from '#catalog/systable.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { isSharedRelation, lockSharedObject } from '#storage/lmgr/lmgr.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';

/** owner, in an access list, in a policy, tablespace. */
export type SharedDependencyType = 'o' | 'a' | 'r' | 't';

const DEPENDER_INDEX = 1232 as Oid;
const REFERENCE_INDEX = 1233 as Oid;

const databaseOf = (classId: Oid): Oid => (isSharedRelation(classId) ? (0 as Oid) : sessionIdentity.databaseOid);

function withShdepend<T>(work: (rel: Relation) => T): T {
  const rel = tableOpen(RELATION.pgShdepend, LOCK.rowExclusive);
  const result = work(rel);
  relationClose(rel, LOCK.rowExclusive);
  return result;
}
function rowsOfDepender(rel: Relation, object: ObjectAddress, wholeObject: boolean): CatalogTuple<ShdependRow>[] {
  const keys: CatalogKey[] = [
    { attnum: 1, value: databaseOf(object.classId) },
    { attnum: 2, value: object.classId },
    { attnum: 3, value: object.objectId },
  ];
  if (!wholeObject) keys.push({ attnum: 4, value: object.objectSubId });
  return findCatalogTuples(store.shdepend, rel, DEPENDER_INDEX, keys);
}

const WHAT: Readonly<Record<number, string>> = {
  [RELATION.pgAuthid]: 'role',
  [RELATION.pgTablespace]: 'tablespace',
  [RELATION.pgDatabase]: 'database',
};
function stillExists(classId: Oid, objectId: Oid): boolean {
  switch (classId) {
    case RELATION.pgAuthid:
      return store.authid.byOid(objectId) !== undefined;
    case RELATION.pgTablespace:
      return store.tablespace.byOid(objectId) !== undefined;
    case RELATION.pgDatabase:
      return store.database.byOid(objectId) !== undefined;
    default:
      return report('ERROR', { message: `unrecognized shared classId: ${classId}` });
  }
}
/** Locks the referenced object and makes sure that it was not dropped meanwhile. */
export function shdepLockAndCheckObject(classId: Oid, objectId: Oid): void {
  lockSharedObject(classId, objectId, 0, LOCK.accessShare);
  if (stillExists(classId, objectId)) return;
  const what = WHAT[classId] ?? 'object';
  report('ERROR', { code: SQLSTATE.undefinedObject, message: `${what} ${objectId} was concurrently dropped` });
}

function addRow(rel: Relation, depender: ObjectAddress, referenced: ObjectAddress, type: SharedDependencyType): void {
  shdepLockAndCheckObject(referenced.classId, referenced.objectId);
  const values = catalogValues(rel, {
    dbid: databaseOf(depender.classId),
    classid: depender.classId,
    objid: depender.objectId,
    objsubid: depender.objectSubId,
    refclassid: referenced.classId,
    refobjid: referenced.objectId,
    deptype: type,
  });
  catalogInsert(rel, values);
}
export function recordSharedDependencyOn(
  depender: ObjectAddress,
  referenced: ObjectAddress,
  type: SharedDependencyType,
): void {
  if (isPinnedObject(referenced.classId, referenced.objectId)) return;
  withShdepend((rel) => addRow(rel, depender, referenced, type));
}
export function recordDependencyOnOwner(classId: Oid, objectId: Oid, owner: Oid): void {
  const role = { classId: RELATION.pgAuthid, objectId: owner, objectSubId: 0 };
  recordSharedDependencyOn({ classId, objectId, objectSubId: 0 }, role, 'o');
}

/** The one row of a type that an object has is changed, made or deleted. */
function changeReference(
  rel: Relation,
  object: ObjectAddress,
  refClassId: Oid,
  to: Oid,
  type: SharedDependencyType,
): void {
  const found = rowsOfDepender(rel, object, false).filter(({ row }) => row.deptype === type);
  if (found.length > 1) {
    report('ERROR', {
      message: `multiple pg_shdepend entries for object ${object.classId}/${object.objectId}/${object.objectSubId} deptype ${type}`,
    });
  }
  const [old] = found;
  if (isPinnedObject(refClassId, to) || to === 0) {
    if (old !== undefined) catalogDelete(rel, old.tid);
  } else if (old !== undefined) {
    shdepLockAndCheckObject(refClassId, to);
    catalogUpdateColumns(rel, old.tid, { refclassid: refClassId, refobjid: to });
  } else addRow(rel, object, { classId: refClassId, objectId: to, objectSubId: 0 }, type);
}
export function changeDependencyOnOwner(classId: Oid, objectId: Oid, newOwner: Oid): void {
  withShdepend((rel) => {
    const object = { classId, objectId, objectSubId: 0 };
    changeReference(rel, object, RELATION.pgAuthid, newOwner, 'o');
    // The new owner needs no entry for what the access list gives it.
    for (const { tid, row } of rowsOfDepender(rel, object, true)) {
      if (row.deptype === 'a' && row.refclassid === RELATION.pgAuthid && row.refobjid === newOwner) {
        catalogDelete(rel, tid);
      }
    }
  });
}
export function recordDependencyOnTablespace(classId: Oid, objectId: Oid, tablespace: Oid): void {
  const space = { classId: RELATION.pgTablespace, objectId: tablespace, objectSubId: 0 };
  recordSharedDependencyOn({ classId, objectId, objectSubId: 0 }, space, 't');
}
export function changeDependencyOnTablespace(classId: Oid, objectId: Oid, tablespace: Oid): void {
  withShdepend((rel) => {
    // Neither the default tablespace nor the database's own is worth a row.
    const to = tablespace === 1663 ? (0 as Oid) : tablespace;
    changeReference(rel, { classId, objectId, objectSubId: 0 }, RELATION.pgTablespace, to, 't');
  });
}
/** updateAclDependencies(): roles that left or joined an access list; the owner needs no row. */
export function updateAclDependencies(
  object: ObjectAddress,
  owner: Oid,
  before: readonly Oid[],
  after: readonly Oid[],
): void {
  const gone = before.filter((role) => role !== 0 && role !== owner && !after.includes(role));
  const fresh = after.filter((role) => role !== 0 && role !== owner && !before.includes(role));
  if (gone.length === 0 && fresh.length === 0) return;
  withShdepend((rel) => {
    for (const role of new Set(fresh)) {
      if (isPinnedObject(RELATION.pgAuthid, role)) continue;
      addRow(rel, object, { classId: RELATION.pgAuthid, objectId: role, objectSubId: 0 }, 'a');
    }
    for (const { tid, row } of rowsOfDepender(rel, object, false)) {
      if (row.deptype === 'a' && gone.includes(row.refobjid)) catalogDelete(rel, tid);
    }
  });
}
export function deleteSharedDependencyRecordsFor(classId: Oid, objectId: Oid, objectSubId = 0): void {
  withShdepend((rel) => {
    const object = { classId, objectId, objectSubId };
    for (const { tid } of rowsOfDepender(rel, object, objectSubId === 0)) catalogDelete(rel, tid);
  });
}
/** Rows that refer to a role or tablespace: what DROP ROLE and DROP TABLESPACE must know. */
export function sharedDependents(classId: Oid, objectId: Oid): readonly ShdependRow[] {
  return withShdepend((rel) =>
    findCatalogTuples(store.shdepend, rel, REFERENCE_INDEX, [
      { attnum: 5, value: classId },
      { attnum: 6, value: objectId },
    ]).map(({ row }) => row),
  );
}
/** DROP DATABASE. */
export function dropDatabaseDependencies(database: Oid): void {
  withShdepend((rel) => {
    const keys: CatalogKey[] = [{ attnum: 1, value: database }];
    for (const { tid } of findCatalogTuples(store.shdepend, rel, DEPENDER_INDEX, keys)) catalogDelete(rel, tid);
  });
  deleteSharedDependencyRecordsFor(RELATION.pgDatabase, database);
}
/** CREATE DATABASE: the copies of the template's objects depend on the same owners and tablespaces. */
export function copyTemplateDependencies(template: Oid, database: Oid): void {
  withShdepend((rel) => {
    const keys: CatalogKey[] = [{ attnum: 1, value: template }];
    for (const { row } of findCatalogTuples(store.shdepend, rel, DEPENDER_INDEX, keys)) {
      catalogInsert(rel, catalogValues(rel, { ...row, dbid: database }));
    }
  });
}
