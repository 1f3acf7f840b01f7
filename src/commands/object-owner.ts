/** object-owner.ts — a new owner for schemas, types and functions: the row, its access list, the dependency.
 *
 *  The relation behind a composite type and the array over a type change hands with it.
 *  Counterpart: AlterSchemaOwner_internal() of src/backend/commands/schemacmds.c, AlterTypeOwnerInternal() of typecmds.c,
 *  AlterObjectOwner_internal() of alter.c */
import type { Oid } from '#base/ids.ts';
import type { Datum } from '#adt/datum.ts';
import { aclArray, hasRight, parseAclItem, RIGHTS } from '#catalog/acl.ts';
import { formatType } from '#catalog/format-type.ts';
import { catalogUpdateColumns } from '#catalog/indexing.ts';
import type { ObjectAddress } from '#catalog/object-address.ts';
import { mayUseNamespace, mustBeOwner, ownsObject, permissionDenied } from '#catalog/object-rights.ts';
import { RELATION } from '#catalog/oids.ts';
import { changeDependencyOnOwner } from '#catalog/pg-shdepend.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { isSuperuser } from '#catalog/roles.ts';
import { store } from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { classRow, databaseRow, namespaceRow, typeRow } from '#catalog/syscache.ts';
import { systableBeginScan } from '#catalog/systable.ts';
import { checkMemberOf } from '#commands/database.ts';
import { ownershipOf } from '#commands/object-lookup.ts';
import { aclOfNewOwner, changeRelationOwner } from '#commands/relation-owner.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';

/** Catalog → its index over the OID and the columns of owner and access list. */
const COLUMNS: Readonly<Record<number, readonly [index: number, owner: string, acl: string | null]>> = {
  [RELATION.pgNamespace]: [2685, 'nspowner', 'nspacl'],
  [RELATION.pgType]: [2703, 'typowner', 'typacl'],
  [RELATION.pgProc]: [2690, 'proowner', 'proacl'],
  [RELATION.pgLanguage]: [2682, 'lanowner', 'lanacl'],
  [RELATION.pgCollation]: [3085, 'collowner', null],
};
const aclOf = (object: ObjectAddress): readonly string[] | null => {
  switch (object.classId) {
    case RELATION.pgNamespace:
      return namespaceRow(object.objectId)?.nspacl ?? null;
    case RELATION.pgType:
      return typeRow(object.objectId)?.typacl ?? null;
    case RELATION.pgProc:
      return store.proc.byOid(object.objectId)?.proacl ?? null;
    case RELATION.pgLanguage:
      return store.language.byOid(object.objectId)?.lanacl ?? null;
    default:
      return null;
  }
};

function checkMayGive(object: ObjectAddress, to: Oid): void {
  if (isSuperuser()) return;
  const { owner, kind, name, namespace } = ownershipOf(object)!;
  if (!ownsObject(owner)) mustBeOwner(kind, name);
  checkMemberOf(to);
  if (object.classId === RELATION.pgNamespace) {
    // Who gets a schema could have made it himself.
    const database = databaseRow(sessionIdentity.databaseOid)!;
    const target = { letter: 'd', owner: database.datdba, acl: database.datacl };
    if (!hasRight(target, sessionIdentity.userOid, RIGHTS.CREATE, false)) {
      permissionDenied('database', database.datname);
    }
  } else if (namespace !== 0 && !mayUseNamespace(namespace, 'CREATE', to)) {
    permissionDenied('schema', namespaceRow(namespace)?.nspname ?? '');
  }
}

function setOwner(object: ObjectAddress, from: Oid, to: Oid): void {
  const [index, ownerColumn, aclColumn] = COLUMNS[object.classId]!;
  const rel = tableOpen(object.classId, LOCK.rowExclusive);
  const scan = systableBeginScan(rel, index as Oid, true, [{ attnum: 1, value: object.objectId }]);
  const tid = scan.next() ? scan.tid : null;
  scan.end();
  if (tid !== null) {
    const changes: Record<string, Datum> = { [ownerColumn]: to };
    const acl = aclOf(object);
    if (aclColumn !== null && acl !== null)
      changes[aclColumn] = aclArray(aclOfNewOwner(acl.map(parseAclItem), from, to));
    catalogUpdateColumns(rel, tid, changes);
    changeDependencyOnOwner(object.classId, object.objectId, to);
  }
  relationClose(rel, LOCK.rowExclusive);
}

/** false for objects of other kinds. */
export function changeObjectOwner(object: ObjectAddress, to: Oid): boolean {
  if (COLUMNS[object.classId] === undefined) return false;
  const of = ownershipOf(object);
  if (of === null || of.owner === to) return of !== null;
  checkMayGive(object, to);
  const type = object.classId === RELATION.pgType ? typeRow(object.objectId) : undefined;
  if (type !== undefined && type.typrelid !== 0) {
    // Its relation takes the row type along.
    changeRelationOwner(type.typrelid, to, true, LOCK.accessExclusive);
    return true;
  }
  setOwner(object, of.owner, to);
  if (type !== undefined && type.typarray !== 0) {
    setOwner({ ...object, objectId: type.typarray }, of.owner, to);
  }
  return true;
}

/** A table's row type and an array type belong to whom their table or element belongs to. */
export function refusePartType(object: ObjectAddress): void {
  const type = object.classId === RELATION.pgType ? typeRow(object.objectId) : undefined;
  if (type === undefined) return;
  const refuse = (message: string, hint: string): never =>
    report('ERROR', { code: SQLSTATE.wrongObjectType, message, hint });
  if (type.typrelid !== 0 && classRow(type.typrelid)?.relkind !== 'c') {
    refuse(`${formatType(type.oid)} is a table's row type`, 'Use ALTER TABLE instead.');
  }
  if (type.typelem !== 0 && type.typcategory === 'A') {
    const element = formatType(type.typelem);
    refuse(
      `cannot alter array type ${formatType(type.oid)}`,
      `You can alter type ${element}, which will alter the array type as well.`,
    );
  }
}
