/** object-address.ts — naming any object of the catalogs: which catalog, which row, which part of it (a column).
 *  Counterpart: src/include/catalog/objectaddress.h, src/backend/catalog/catalog.c (IsPinnedObject) */
import type { Oid } from '#base/ids.ts';
import { NAMESPACE, RELATION } from '#catalog/oids.ts';

export interface ObjectAddress {
  readonly classId: Oid;
  readonly objectId: Oid;
  /** Column number, 0 for the whole object. */
  readonly objectSubId: number;
}
export const objectAddress = (classId: Oid, objectId: Oid, objectSubId = 0): ObjectAddress => ({
  classId,
  objectId,
  objectSubId,
});
export const sameObject = (a: ObjectAddress, b: ObjectAddress): boolean =>
  a.classId === b.classId && a.objectId === b.objectId && a.objectSubId === b.objectSubId;

/** Objects below were made by initdb's first step and are never dropped. */
export const FIRST_UNPINNED_OID = 12000;
/** Does the system depend on it, so that no dependency needs to be recorded? */
export function isPinnedObject(classId: Oid, objectId: Oid): boolean {
  if (objectId >= FIRST_UNPINNED_OID) return false;
  if (classId === RELATION.pgLargeobject) return false;
  // The schema public may be dropped, and databases are nobody's parts.
  if (classId === RELATION.pgNamespace && objectId === NAMESPACE.public) return false;
  return classId !== RELATION.pgDatabase;
}
