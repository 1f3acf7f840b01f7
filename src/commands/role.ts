/** role.ts — CREATE, ALTER, DROP and RENAME of roles, by whatever name (user, group) the statement calls them.
 *
 *  Who may: superusers everything, those with CREATEROLE everything about roles that are neither superusers nor replicate;
 *  everybody their own password.
 *  Counterpart: src/backend/commands/user.c (memberships are in role-membership.ts) */
import type { AlterRoleStmt, CreateRoleStmt, DefElem, DropRoleStmt, Node, RoleSpec } from '@pgsql/types';
import type { Datum } from '#adt/datum.ts';
import { builtin } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { catalogDelete, catalogInsert, catalogUpdateColumns, catalogValues } from '#catalog/indexing.ts';
import { getNewOidWithIndex } from '#catalog/new-oid.ts';
import { deleteSharedComments } from '#catalog/object-notes.ts';
import { RELATION } from '#catalog/oids.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { encryptPassword, getRole, isSuperuser, isSuperuserOid, roleByName, roleByOid } from '#catalog/roles.ts';
import { type AuthidRow, store } from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { checkSharedDependencies } from '#catalog/shared-dependents.ts';
import { type CatalogTuple, findCatalogTuples } from '#catalog/systable.ts';
import type { Relation } from '#access/common/relation-descriptor.ts';
import { defElems } from '#commands/def-elem.ts';
import { addRoleMembers, deleteRoleMembers, dropRoleMemberships } from '#commands/role-membership.ts';
import { checkReservedRole, isReservedRoleName, roleSpecName } from '#commands/role-names.ts';
import { dropSettings } from '#commands/role-settings.ts';
import { roleSpecOid } from '#commands/role-spec.ts';
import { isMd5Secret } from '#libpq/md5-password.ts';
import { parseScramSecret, scramVerifyPlain } from '#libpq/scram.ts';
import { listItems, stringOf } from '#parser/ast.ts';
import { fail, makeParseState } from '#parser/parse-state.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE, type SqlState } from '#runtime/error/sqlstate.ts';
import { lockSharedObject } from '#storage/lmgr/lmgr.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

const AUTHID_OID_INDEX = 2677 as Oid;

const error = (code: SqlState, message: string, detail?: string): never => report('ERROR', { code, message, detail });
const denied = (message: string): never => error(SQLSTATE.insufficientPrivilege, message);

/** has_createrole_privilege() of the current user. */
export const mayCreateRoles = (): boolean => isSuperuser() || roleByOid(sessionIdentity.userOid)?.createRole === true;

// ── options ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Options that are a column of pg_authid by another name. */
const FLAG_COLUMNS = {
  superuser: 'rolsuper',
  inherit: 'rolinherit',
  createrole: 'rolcreaterole',
  createdb: 'rolcreatedb',
  canlogin: 'rolcanlogin',
  isreplication: 'rolreplication',
  bypassrls: 'rolbypassrls',
} as const;
type Flag = keyof typeof FLAG_COLUMNS;
const isFlag = (name: string): name is Flag => Object.hasOwn(FLAG_COLUMNS, name);
const OTHER_OPTIONS: ReadonlySet<string> = new Set([
  'password',
  'connectionlimit',
  'validUntil',
  'rolemembers',
  'adminmembers',
  'addroleto',
]);

/** Each option at most once. */
function optionsByName(options: readonly Node[] | undefined, sourceText: string): Map<string, DefElem> {
  const found = new Map<string, DefElem>();
  for (const option of defElems(options)) {
    const name = option.defname ?? '';
    if (name === 'sysid') {
      report('NOTICE', { message: 'SYSID can no longer be specified' });
      continue;
    }
    if (!isFlag(name) && !OTHER_OPTIONS.has(name)) report('ERROR', { message: `option "${name}" not recognized` });
    if (found.has(name)) {
      fail(
        makeParseState(null, sourceText),
        SQLSTATE.syntaxError,
        'conflicting or redundant options',
        option.location ?? -1,
      );
    }
    found.set(name, option);
  }
  return found;
}
const roleSpecs = (option: DefElem | undefined): RoleSpec[] =>
  listItems(option?.arg).flatMap((node) => ('RoleSpec' in node ? [node.RoleSpec] : []));
const flagOf = (option: DefElem): boolean =>
  option.arg !== undefined && 'Boolean' in option.arg && option.arg.Boolean.boolval === true;

function connectionLimit(option: DefElem): number {
  const limit = option.arg !== undefined && 'Integer' in option.arg ? (option.arg.Integer.ival ?? 0) : 0;
  if (limit < -1) error(SQLSTATE.invalidParameterValue, `invalid connection limit: ${limit}`);
  return limit;
}
function timestampOf(text: string): Datum {
  const input = builtin('timestamptz_in');
  if (input?.style !== 'plain') throw new Error('timestamps are not loaded');
  return input.call(text, 0 as Oid, -1);
}
/** What to store for a password; an empty one would let nobody in, so it is none. */
function storedPassword(role: string, option: DefElem): string | null {
  if (option.arg === undefined) return null;
  const password = stringOf(option.arg);
  const secret = password === '' ? null : encryptPassword(role, password);
  if (secret === null || (!isMd5Secret(secret) && isSecretOfNothing(secret))) {
    report('NOTICE', { message: 'empty string is not a valid password, clearing password' });
    return null;
  }
  return secret;
}
function isSecretOfNothing(secret: string): boolean {
  const parsed = parseScramSecret(secret);
  return parsed !== undefined && scramVerifyPlain(parsed, '');
}

function columnChanges(role: string, options: ReadonlyMap<string, DefElem>): Record<string, Datum> {
  const changes: Record<string, Datum> = {};
  for (const [name, option] of options) {
    if (isFlag(name)) changes[FLAG_COLUMNS[name]] = flagOf(option);
    else if (name === 'connectionlimit') changes['rolconnlimit'] = connectionLimit(option);
    else if (name === 'validUntil') changes['rolvaliduntil'] = timestampOf(stringOf(option.arg));
    else if (name === 'password') changes['rolpassword'] = storedPassword(role, option);
  }
  return changes;
}

// ── statements ───────────────────────────────────────────────────────────────────────────────────────────────────

export function createRole(stmt: CreateRoleStmt, sourceText: string): void {
  const name = stmt.role ?? '';
  const options = optionsByName(stmt.options, sourceText);
  const wants = (flag: Flag): boolean => {
    const option = options.get(flag);
    return option !== undefined && flagOf(option);
  };
  const limit = options.get('connectionlimit');
  if (limit !== undefined) connectionLimit(limit);
  if (wants('superuser')) {
    if (!isSuperuser()) denied('must be superuser to create superusers');
  } else if (wants('isreplication')) {
    if (!isSuperuser()) denied('must be superuser to create replication users');
  } else if (wants('bypassrls')) {
    if (!isSuperuser()) denied('must be superuser to create bypassrls users');
  } else if (!mayCreateRoles()) denied('permission denied to create role');
  if (isReservedRoleName(name)) {
    error(SQLSTATE.reservedName, `role name "${name}" is reserved`, 'Role names starting with "pg_" are reserved.');
  }
  const rel = tableOpen(RELATION.pgAuthid, LOCK.rowExclusive);
  if (roleByName(name) !== undefined) error(SQLSTATE.duplicateObject, `role "${name}" already exists`);
  const oid = getNewOidWithIndex(rel, AUTHID_OID_INDEX);
  const values = {
    oid,
    rolname: name,
    rolsuper: false,
    rolinherit: true,
    rolcreaterole: false,
    rolcreatedb: false,
    rolcanlogin: stmt.stmt_type === 'ROLESTMT_USER',
    rolreplication: false,
    rolbypassrls: false,
    rolconnlimit: -1,
    ...columnChanges(name, options),
  };
  catalogInsert(rel, catalogValues(rel, values));
  // What follows must find the role.
  commandCounterIncrement();
  const me = sessionIdentity.userOid;
  for (const group of roleSpecs(options.get('addroleto'))) {
    checkReservedRole(group, 'Cannot alter reserved roles.');
    const groupOid = roleSpecOid(group);
    addRoleMembers({ oid: groupOid, name: roleSpecName(group) }, [{ oid, name }], me, false);
  }
  const named = (specs: readonly RoleSpec[]) =>
    specs.map((spec) => ({ oid: roleSpecOid(spec), name: roleSpecName(spec) }));
  addRoleMembers({ oid, name }, named(roleSpecs(options.get('adminmembers'))), me, true);
  addRoleMembers({ oid, name }, named(roleSpecs(options.get('rolemembers'))), me, false);
  // Held until the end of the transaction.
  relationClose(rel, LOCK.none);
}

function roleTuple(rel: Relation, oid: Oid): CatalogTuple<AuthidRow> {
  const [found] = findCatalogTuples(store.authid, rel, AUTHID_OID_INDEX, [{ attnum: 1, value: oid }]);
  if (found === undefined) error(SQLSTATE.undefinedObject, `role with OID ${oid} does not exist`);
  return found!;
}

export function alterRole(stmt: AlterRoleStmt, sourceText: string): void {
  const spec = stmt.role ?? {};
  checkReservedRole(spec, 'Cannot alter reserved roles.');
  const options = optionsByName(stmt.options, sourceText);
  const limit = options.get('connectionlimit');
  if (limit !== undefined) connectionLimit(limit);
  const rel = tableOpen(RELATION.pgAuthid, LOCK.rowExclusive);
  const { tid, row } = roleTuple(rel, roleSpecOid(spec));
  if (options.has('superuser') || row.rolsuper) {
    if (!isSuperuser()) denied('must be superuser to alter superuser roles or change superuser attribute');
  } else if (options.has('isreplication') || row.rolreplication) {
    if (!isSuperuser()) denied('must be superuser to alter replication roles or change replication attribute');
  } else if (options.has('bypassrls')) {
    if (!isSuperuser()) denied('must be superuser to change bypassrls attribute');
  } else if (!mayCreateRoles()) {
    const isOwnPassword = options.size === 1 && options.has('password') && row.oid === sessionIdentity.userOid;
    if (!isOwnPassword) denied('permission denied');
  }
  const changes = columnChanges(row.rolname, options);
  catalogUpdateColumns(rel, tid, changes);
  const members = options.get('rolemembers');
  if (members !== undefined) {
    commandCounterIncrement();
    const group = { oid: row.oid, name: row.rolname };
    const named = roleSpecs(members).map((one) => ({ oid: roleSpecOid(one), name: roleSpecName(one) }));
    if (stmt.action === 1) addRoleMembers(group, named, sessionIdentity.userOid, false);
    else deleteRoleMembers(group, named, sessionIdentity.userOid, false);
  }
  relationClose(rel, LOCK.none);
}

function dropOneRole(rel: Relation, name: string): void {
  const { oid, superuser } = getRole(name);
  if (oid === sessionIdentity.userOid) error(SQLSTATE.objectInUse, 'current user cannot be dropped');
  if (oid === sessionIdentity.sessionUserOid) error(SQLSTATE.objectInUse, 'session user cannot be dropped');
  if (superuser && !isSuperuser()) denied('must be superuser to drop superusers');
  // From now on nobody can make anything depend on it.
  lockSharedObject(RELATION.pgAuthid, oid, 0, LOCK.accessExclusive);
  const dependents = checkSharedDependencies(RELATION.pgAuthid, oid);
  if (dependents !== null) {
    report('ERROR', {
      code: SQLSTATE.dependentObjectsStillExist,
      message: `role "${name}" cannot be dropped because some objects depend on it`,
      ...dependents,
    });
  }
  catalogDelete(rel, roleTuple(rel, oid).tid);
  dropRoleMemberships(oid);
  deleteSharedComments(RELATION.pgAuthid, oid);
  dropSettings(0 as Oid, oid);
  // The next role may be a member of this one.
  commandCounterIncrement();
}
export function dropRoles(stmt: DropRoleStmt): void {
  if (!mayCreateRoles()) denied('permission denied to drop role');
  const rel = tableOpen(RELATION.pgAuthid, LOCK.rowExclusive);
  for (const node of stmt.roles ?? []) {
    const spec: RoleSpec = 'RoleSpec' in node ? node.RoleSpec : {};
    if ((spec.roletype ?? 'ROLESPEC_CSTRING') !== 'ROLESPEC_CSTRING') {
      error(SQLSTATE.invalidParameterValue, 'cannot use special role specifier in DROP ROLE');
    }
    const name = spec.rolename ?? '';
    if (stmt.missing_ok === true && roleByName(name) === undefined) {
      report('NOTICE', { message: `role "${name}" does not exist, skipping` });
    } else dropOneRole(rel, name);
  }
  relationClose(rel, LOCK.none);
}

export function renameRole(oldName: string, newName: string): Oid {
  const rel = tableOpen(RELATION.pgAuthid, LOCK.rowExclusive);
  const role = getRole(oldName);
  const { tid, row } = roleTuple(rel, role.oid);
  if (row.oid === sessionIdentity.sessionUserOid) error(SQLSTATE.featureNotSupported, 'session user cannot be renamed');
  if (row.oid === sessionIdentity.userOid) error(SQLSTATE.featureNotSupported, 'current user cannot be renamed');
  for (const name of [oldName, newName]) {
    if (!isReservedRoleName(name)) continue;
    error(SQLSTATE.reservedName, `role name "${name}" is reserved`, 'Role names starting with "pg_" are reserved.');
  }
  if (roleByName(newName) !== undefined) error(SQLSTATE.duplicateObject, `role "${newName}" already exists`);
  if (isSuperuserOid(row.oid)) {
    if (!isSuperuser()) denied('must be superuser to rename superusers');
  } else if (!mayCreateRoles()) denied('permission denied to rename role');
  const changes: Record<string, Datum> = { rolname: newName };
  if (row.rolpassword !== null && isMd5Secret(row.rolpassword)) {
    // It is salted with the name.
    changes['rolpassword'] = null;
    report('NOTICE', { message: 'MD5 password cleared because of role rename' });
  }
  catalogUpdateColumns(rel, tid, changes);
  relationClose(rel, LOCK.none);
  return row.oid;
}
