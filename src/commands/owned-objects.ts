/** owned-objects.ts — DROP OWNED and REASSIGN OWNED: what a role has in this database, and its rights here.
 *  Counterpart: DropOwnedObjects(), ReassignOwnedObjects() of src/backend/commands/user.c, shdepDropOwned(),
 *  shdepReassignOwned() of catalog/pg_shdepend.c, RemoveRoleFromObjectACL() of catalog/aclchk.c */
import type { DropOwnedStmt, ObjectType, ReassignOwnedStmt } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { acquireDeletionLock, performMultipleDeletions } from '#catalog/dependency.ts';
import { isPinnedObject, objectAddress, type ObjectAddress } from '#catalog/object-address.ts';
import { objectDescription } from '#catalog/object-description.ts';
import { RELATION } from '#catalog/oids.ts';
import { sharedDependents } from '#catalog/pg-shdepend.ts';
import { hasPrivilegesOfRole } from '#catalog/roles.ts';
import { type ShdependRow, store } from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { classRow } from '#catalog/syscache.ts';
import { alterDatabaseOwner } from '#commands/alter-database.ts';
import { revokeDefaultPrivileges } from '#commands/default-privileges.ts';
import { behaviorOf, runGrant } from '#commands/grant.ts';
import { changeObjectOwner } from '#commands/object-owner.ts';
import { changeRelationOwner } from '#commands/relation-owner.ts';
import { roleSpecsOf } from '#commands/role-names.ts';
import { roleSpecOid } from '#commands/role-spec.ts';
import { alterTablespaceOwner } from '#commands/tablespace.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

const denied = (message: string): never => report('ERROR', { code: SQLSTATE.insufficientPrivilege, message });
const describe = (object: ObjectAddress): string => objectDescription(object) ?? `object ${object.objectId}`;
const notSupported = (what: string): never =>
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `${what} is not supported yet` });

/** The rows of a role that concern this database; the system's own roles are refused. */
function dependentsOfRole(role: Oid, verb: 'drop objects' | 'reassign ownership of objects'): ShdependRow[] {
  if (isPinnedObject(RELATION.pgAuthid, role)) {
    report('ERROR', {
      code: SQLSTATE.dependentObjectsStillExist,
      message: `cannot ${verb} owned by ${describe(objectAddress(RELATION.pgAuthid, role))} because they are required by the database system`,
    });
  }
  return sharedDependents(RELATION.pgAuthid, role).filter(
    (row) => row.dbid === 0 || row.dbid === sessionIdentity.databaseOid,
  );
}

const GRANT_TYPE: Readonly<Record<number, ObjectType>> = {
  [RELATION.pgClass]: 'OBJECT_TABLE',
  [RELATION.pgDatabase]: 'OBJECT_DATABASE',
  [RELATION.pgType]: 'OBJECT_TYPE',
  [RELATION.pgProc]: 'OBJECT_ROUTINE',
  [RELATION.pgLanguage]: 'OBJECT_LANGUAGE',
  [RELATION.pgNamespace]: 'OBJECT_SCHEMA',
  [RELATION.pgTablespace]: 'OBJECT_TABLESPACE',
};
/** RemoveRoleFromObjectACL(). */
function revokeAll(role: Oid, object: ObjectAddress): void {
  if (object.classId === RELATION.pgDefaultAcl) {
    revokeDefaultPrivileges(role, object.objectId);
    return;
  }
  const type = GRANT_TYPE[object.classId];
  if (type === undefined) notSupported(`revoking privileges for ${describe(object)}`);
  runGrant({
    isGrant: false,
    grantOption: false,
    behavior: 'cascade',
    grantees: [role],
    type: type!,
    objects: [object.objectId],
    allPrivileges: true,
    privileges: 0,
    columns: [],
  });
}

export function dropOwned(stmt: DropOwnedStmt): void {
  const roles = roleSpecsOf(stmt.roles).map(roleSpecOid);
  for (const role of roles) {
    if (!hasPrivilegesOfRole(sessionIdentity.userOid, role)) denied('permission denied to drop objects');
  }
  const doomed: ObjectAddress[] = [];
  for (const role of roles) {
    for (const row of dependentsOfRole(role, 'drop objects')) {
      const object = objectAddress(row.classid, row.objid, row.objsubid);
      if (row.deptype === 'a') {
        revokeAll(role, object);
        // The same object may come again with another column.
        commandCounterIncrement();
      } else if (row.deptype === 'r') notSupported(`removing a role from ${describe(object)}`);
      else if (row.deptype === 'o' && row.dbid === sessionIdentity.databaseOid) {
        acquireDeletionLock(object);
        if (objectDescription(object) !== null) doomed.push(object);
      }
    }
  }
  // Newer ones first, as dependents mostly are.
  doomed.sort((a, b) => b.objectId - a.objectId || a.classId - b.classId || a.objectSubId - b.objectSubId);
  performMultipleDeletions(doomed, behaviorOf(stmt.behavior));
}

function reassign(object: ObjectAddress, to: Oid): void {
  switch (object.classId) {
    case RELATION.pgClass:
      // Parts follow their table.
      if (classRow(object.objectId) !== undefined) changeRelationOwner(object.objectId, to, true, LOCK.accessExclusive);
      return;
    case RELATION.pgDatabase:
      alterDatabaseOwner(store.database.byOid(object.objectId)!.datname, to);
      return;
    case RELATION.pgTablespace:
      alterTablespaceOwner(store.tablespace.byOid(object.objectId)!.spcname, to);
      return;
    case RELATION.pgDefaultAcl:
    case RELATION.pgUserMapping:
      // They are about the role, not property.
      return;
    default:
      if (!changeObjectOwner(object, to)) notSupported(`reassigning the ownership of ${describe(object)}`);
  }
}

export function reassignOwned(stmt: ReassignOwnedStmt): void {
  const roles = roleSpecsOf(stmt.roles).map(roleSpecOid);
  const me = sessionIdentity.userOid;
  for (const role of roles) if (!hasPrivilegesOfRole(me, role)) denied('permission denied to reassign objects');
  const to = roleSpecOid(stmt.newrole ?? {});
  if (!hasPrivilegesOfRole(me, to)) denied('permission denied to reassign objects');
  for (const role of roles) {
    for (const row of dependentsOfRole(role, 'reassign ownership of objects')) {
      if (row.deptype !== 'o') continue;
      reassign(objectAddress(row.classid, row.objid, row.objsubid), to);
      commandCounterIncrement();
    }
  }
}
