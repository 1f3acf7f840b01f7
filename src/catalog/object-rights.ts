/** object-rights.ts — may the current user do that to an object? Ownership, rights on schemas, the errors that say no.
 *  Counterpart: object_ownercheck-like functions, aclcheck_error() of src/backend/catalog/aclchk.c */
import type { Oid } from '#base/ids.ts';
import { hasRight, RIGHTS } from '#catalog/acl.ts';
import { hasPrivilegesOfRole, isSuperuserOid } from '#catalog/roles.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { classRow, databaseRow, namespaceRow, typeRow } from '#catalog/syscache.ts';
import { store } from '#catalog/rows.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export const RELKIND_WORD: Readonly<Record<string, string>> = {
  r: 'table',
  p: 'table',
  i: 'index',
  I: 'index',
  S: 'sequence',
  t: 'table',
  v: 'view',
  m: 'materialized view',
  c: 'type',
  f: 'foreign table',
};

export const ownsObject = (owner: Oid, role: Oid = sessionIdentity.userOid): boolean =>
  isSuperuserOid(role) || hasPrivilegesOfRole(role, owner);

export const mustBeOwner = (kind: string, name: string): never =>
  report('ERROR', { code: SQLSTATE.insufficientPrivilege, message: `must be owner of ${kind} ${name}` });
export const permissionDenied = (kind: string, name: string): never =>
  report('ERROR', { code: SQLSTATE.insufficientPrivilege, message: `permission denied for ${kind} ${name}` });

export function checkRelationOwner(relid: Oid, kindWord?: string): void {
  const row = classRow(relid);
  if (row === undefined) report('ERROR', { message: `relation with OID ${relid} does not exist` });
  if (!ownsObject(row.relowner)) mustBeOwner(kindWord ?? RELKIND_WORD[row.relkind] ?? 'relation', row.relname);
}

const READ_ALL_DATA = 6181 as Oid;
const WRITE_ALL_DATA = 6182 as Oid;
/** Has the user this right on the schema (USAGE, CREATE)? The session's own temporary schema goes by the database. */
export function mayUseNamespace(
  namespace: Oid,
  right: 'USAGE' | 'CREATE',
  role: Oid = sessionIdentity.userOid,
): boolean {
  if (isSuperuserOid(role)) return true;
  const row = namespaceRow(namespace);
  if (row === undefined) return false;
  if (namespace === sessionIdentity.tempNamespace) {
    if (right === 'USAGE') return true;
    const database = databaseRow(sessionIdentity.databaseOid);
    return (
      database !== undefined &&
      hasRight({ letter: 'd', owner: database.datdba, acl: database.datacl }, role, RIGHTS.TEMPORARY, false)
    );
  }
  if (hasRight({ letter: 'n', owner: row.nspowner, acl: row.nspacl }, role, RIGHTS[right], false)) return true;
  // Who may read or write all data gets at it.
  return right === 'USAGE' && [READ_ALL_DATA, WRITE_ALL_DATA].some((all) => hasPrivilegesOfRole(role, all));
}
export function checkNamespaceRight(namespace: Oid, right: 'USAGE' | 'CREATE'): void {
  if (!mayUseNamespace(namespace, right)) {
    permissionDenied('schema', namespaceRow(namespace)?.nspname ?? String(namespace));
  }
}

export function checkTypeUsage(type: Oid): void {
  const role = sessionIdentity.userOid;
  if (isSuperuserOid(role)) return;
  let row = typeRow(type);
  // The rights of an array are its element's.
  if (row !== undefined && row.typelem !== 0 && row.typcategory === 'A') row = typeRow(row.typelem);
  if (row === undefined) return;
  if (!hasRight({ letter: 'T', owner: row.typowner, acl: row.typacl }, role, RIGHTS.USAGE, false)) {
    permissionDenied('type', row.typname);
  }
}

export function checkTablespaceCreate(tablespace: Oid): void {
  const row = store.tablespace.byOid(tablespace);
  if (row === undefined) report('ERROR', { message: `cache lookup failed for tablespace ${tablespace}` });
  const object = { letter: 't', owner: row.spcowner, acl: row.spcacl };
  if (!hasRight(object, sessionIdentity.userOid, RIGHTS.CREATE, false)) permissionDenied('tablespace', row.spcname);
}

/** Has the user the right (a letter) on the whole relation? */
export function mayOnRelation(relid: Oid, right: string, role: Oid = sessionIdentity.userOid): boolean {
  const row = classRow(relid);
  if (row === undefined) return false;
  return hasRight(
    { letter: row.relkind === 'S' ? 's' : 'r', owner: row.relowner, acl: row.relacl },
    role,
    right,
    false,
  );
}
