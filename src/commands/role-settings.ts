/** role-settings.ts — ALTER ROLE … SET and ALTER DATABASE … SET: settings that sessions start with, in pg_db_role_setting.
 *  Counterpart: AlterRoleSet() of src/backend/commands/user.c, AlterDatabaseSet() of commands/dbcommands.c,
 *  catalog/pg_db_role_setting.c, GUCArrayAdd() … of utils/misc/guc.c */
import type { AlterDatabaseSetStmt, AlterRoleSetStmt, VariableSetStmt } from '@pgsql/types';
import type { ArrayDatum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { catalogDelete, catalogInsert, catalogUpdateColumns, catalogValues } from '#catalog/indexing.ts';
import { mustBeOwner, ownsObject } from '#catalog/object-rights.ts';
import { RELATION, TYPE } from '#catalog/oids.ts';
import { shdepLockAndCheckObject } from '#catalog/pg-shdepend.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { isSuperuser, isSuperuserOid, roleByOid } from '#catalog/roles.ts';
import { store } from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { databaseByName } from '#catalog/syscache.ts';
import { type CatalogKey, findCatalogTuples } from '#catalog/systable.ts';
import { checkReservedRole } from '#commands/role-names.ts';
import { roleSpecOid } from '#commands/role-spec.ts';
import { setClauseValue } from '#commands/variable-set.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { findOption, setConfigOptionExt } from '#runtime/guc/guc.ts';
import { gucEnvironment } from '#runtime/guc/hooks.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';

const SETTING_INDEX = 2965 as Oid;
const NOBODY = 0 as Oid;

const denied = (message: string): never => report('ERROR', { code: SQLSTATE.insufficientPrivilege, message });

// ── lists of settings ────────────────────────────────────────────────────────────────────────────────────────────

/** validate_option_array_item(): may this user set it, and is the value one? */
export function validateStoredSetting(name: string, value: string | null, quietly: boolean): boolean {
  const parameter = findOption(name, true, 'ERROR')!;
  const mayManage = isSuperuser() || gucEnvironment.mayManage(name, 'SET');
  if (parameter.has('CUSTOM_PLACEHOLDER')) {
    // Nobody knows what its owner will want of it.
    if (mayManage) return true;
    if (quietly) return false;
    return denied(`permission denied to set parameter "${name}"`);
  }
  if (parameter.context !== 'user' && !(parameter.context === 'superuser' && mayManage) && quietly) return false;
  setConfigOptionExt(name, value, isSuperuser() ? 'superuser' : 'user', 'test', { change: false });
  return true;
}
const nameOf = (setting: string): string => setting.slice(0, setting.indexOf('='));
/** GUCArrayAdd(). */
export function settingsWith(list: readonly string[], name: string, value: string): string[] {
  validateStoredSetting(name, value, false);
  const known = findOption(name, false, null)?.name ?? name;
  const setting = `${known}=${value}`;
  const at = list.findIndex((old) => nameOf(old) === known);
  return at < 0 ? [...list, setting] : list.with(at, setting);
}
/** GUCArrayDelete(). */
export function settingsWithout(list: readonly string[], name: string): string[] {
  validateStoredSetting(name, null, false);
  const known = findOption(name, false, null)?.name ?? name;
  return list.filter((old) => nameOf(old) !== known);
}
/** GUCArrayReset(): those that the user may not set stay. */
const settingsReset = (list: readonly string[]): string[] =>
  isSuperuser() ? [] : list.filter((old) => !validateStoredSetting(nameOf(old), null, true));

export const textArray = (texts: readonly string[]): ArrayDatum => ({
  kind: 'array',
  elementType: TYPE.text,
  dims: texts.length === 0 ? [] : [texts.length],
  lowerBounds: texts.length === 0 ? [] : [1],
  elements: texts,
});

// ── the catalog ──────────────────────────────────────────────────────────────────────────────────────────────────

/** AlterSetting(). */
function alterSetting(database: Oid, role: Oid, stmt: VariableSetStmt): void {
  const value = stmt.kind === 'VAR_RESET_ALL' ? null : setClauseValue(stmt);
  const name = stmt.name ?? '';
  const rel = tableOpen(RELATION.pgDbRoleSetting, LOCK.rowExclusive);
  const [old] = findCatalogTuples(store.dbRoleSetting, rel, SETTING_INDEX, [
    { attnum: 1, value: database },
    { attnum: 2, value: role },
  ]);
  const before = old?.row.setconfig ?? [];
  if (old !== undefined) {
    const after =
      stmt.kind === 'VAR_RESET_ALL'
        ? settingsReset(before)
        : value === null
          ? settingsWithout(before, name)
          : settingsWith(before, name, value);
    if (after.length === 0) catalogDelete(rel, old.tid);
    else catalogUpdateColumns(rel, old.tid, { setconfig: textArray(after) });
  } else if (value !== null) {
    const setconfig = textArray(settingsWith([], name, value));
    catalogInsert(rel, catalogValues(rel, { setdatabase: database, setrole: role, setconfig }));
  }
  relationClose(rel, LOCK.none);
}
/** DropSetting(): of a database, a role, or (neither) nothing. */
export function dropSettings(database: Oid, role: Oid): void {
  const rel = tableOpen(RELATION.pgDbRoleSetting, LOCK.rowExclusive);
  const keys: CatalogKey[] = [];
  if (database !== 0) keys.push({ attnum: 1, value: database });
  if (role !== 0) keys.push({ attnum: 2, value: role });
  for (const { tid } of findCatalogTuples(store.dbRoleSetting, rel, 0, keys)) catalogDelete(rel, tid);
  relationClose(rel, LOCK.rowExclusive);
}

// ── statements ───────────────────────────────────────────────────────────────────────────────────────────────────

function databaseOidOf(name: string): Oid {
  const row = databaseByName(name);
  if (row !== undefined) return row.oid;
  return report('ERROR', { code: SQLSTATE.undefinedDatabase, message: `database "${name}" does not exist` });
}
function checkDatabaseOwner(oid: Oid): void {
  const row = store.database.byOid(oid)!;
  if (!ownsObject(row.datdba)) mustBeOwner('database', row.datname);
}

export function alterRoleSet(stmt: AlterRoleSetStmt): void {
  let role = NOBODY;
  let database = NOBODY;
  if (stmt.role !== undefined) {
    checkReservedRole(stmt.role, 'Cannot alter reserved roles.');
    role = roleSpecOid(stmt.role);
    shdepLockAndCheckObject(RELATION.pgAuthid, role);
    if (isSuperuserOid(role)) {
      if (!isSuperuser()) denied('must be superuser to alter superusers');
    } else if (
      !isSuperuser() &&
      roleByOid(sessionIdentity.userOid)?.createRole !== true &&
      role !== sessionIdentity.userOid
    ) {
      denied('permission denied');
    }
  }
  if (stmt.database !== undefined && stmt.database !== '') {
    database = databaseOidOf(stmt.database);
    shdepLockAndCheckObject(RELATION.pgDatabase, database);
    // For all roles in the database, that is its owner's.
    if (stmt.role === undefined) checkDatabaseOwner(database);
  }
  if (role === 0 && database === 0 && !isSuperuser()) denied('must be superuser to alter settings globally');
  alterSetting(database, role, stmt.setstmt ?? {});
}

export function alterDatabaseSet(stmt: AlterDatabaseSetStmt): void {
  const database = databaseOidOf(stmt.dbname ?? '');
  shdepLockAndCheckObject(RELATION.pgDatabase, database);
  checkDatabaseOwner(database);
  alterSetting(database, NOBODY, stmt.setstmt ?? {});
}
