/** object-notes.ts — what is noted about objects beside them: comments and the privileges that an extension left.
 *  Counterpart: src/backend/commands/comment.c, the pg_init_privs part of catalog/dependency.c */
import type { Oid } from '#base/ids.ts';
import { catalogDelete, catalogInsert, catalogUpdateColumns, catalogValues } from '#catalog/indexing.ts';
import type { ObjectAddress } from '#catalog/object-address.ts';
import { RELATION } from '#catalog/oids.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { type CatalogKey, findCatalogTuples, systableBeginScan } from '#catalog/systable.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';

const DESCRIPTION_INDEX = 2675 as Oid;
const SHARED_DESCRIPTION_INDEX = 2397 as Oid;
const INIT_PRIVS_INDEX = 3395 as Oid;

/** (objoid, classoid[, objsubid]), as pg_description and pg_init_privs begin. */
function keysOf(object: ObjectAddress, exact: boolean): CatalogKey[] {
  const keys: CatalogKey[] = [
    { attnum: 1, value: object.objectId },
    { attnum: 2, value: object.classId },
  ];
  if (exact || object.objectSubId !== 0) keys.push({ attnum: 3, value: object.objectSubId });
  return keys;
}
function deleteRows(catalog: Oid, index: Oid, keys: readonly CatalogKey[]): void {
  const rel = tableOpen(catalog, LOCK.rowExclusive);
  const scan = systableBeginScan(rel, index, true, keys);
  const tids = [];
  while (scan.next()) tids.push(scan.tid);
  scan.end();
  for (const tid of tids) catalogDelete(rel, tid);
  relationClose(rel, LOCK.rowExclusive);
}
export const deleteComments = (object: ObjectAddress): void =>
  deleteRows(RELATION.pgDescription, DESCRIPTION_INDEX, keysOf(object, false));
export const deleteSharedComments = (classId: Oid, objectId: Oid): void =>
  deleteRows(RELATION.pgShdescription, SHARED_DESCRIPTION_INDEX, keysOf({ classId, objectId, objectSubId: 0 }, false));
export const deleteInitPrivileges = (object: ObjectAddress): void =>
  deleteRows(RELATION.pgInitPrivs, INIT_PRIVS_INDEX, keysOf(object, true));

/** CreateComments(): sets, replaces or (null or '') removes the comment. */
export function createComment(object: ObjectAddress, comment: string | null): void {
  const rel = tableOpen(RELATION.pgDescription, LOCK.rowExclusive);
  const [old] = findCatalogTuples(store.description, rel, DESCRIPTION_INDEX, keysOf(object, true));
  const text = comment === '' ? null : comment;
  if (old !== undefined) {
    if (text === null) catalogDelete(rel, old.tid);
    else catalogUpdateColumns(rel, old.tid, { description: text });
  } else if (text !== null) {
    const values = catalogValues(rel, {
      objoid: object.objectId,
      classoid: object.classId,
      objsubid: object.objectSubId,
      description: text,
    });
    catalogInsert(rel, values);
  }
  relationClose(rel, LOCK.none);
}

/** CreateSharedComments(): the same for what belongs to no database. */
export function createSharedComment(classId: Oid, objectId: Oid, comment: string | null): void {
  const rel = tableOpen(RELATION.pgShdescription, LOCK.rowExclusive);
  const scan = systableBeginScan(
    rel,
    SHARED_DESCRIPTION_INDEX,
    true,
    keysOf({ classId, objectId, objectSubId: 0 }, false),
  );
  const old = scan.next() ? scan.tid : null;
  scan.end();
  const text = comment === '' ? null : comment;
  if (old !== null) {
    if (text === null) catalogDelete(rel, old);
    else catalogUpdateColumns(rel, old, { description: text });
  } else if (text !== null) {
    catalogInsert(rel, catalogValues(rel, { objoid: objectId, classoid: classId, description: text }));
  }
  relationClose(rel, LOCK.none);
}
