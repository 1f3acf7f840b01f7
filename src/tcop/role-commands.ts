/** role-commands.ts — utility commands on what all databases share: roles, privileges, databases, tablespaces.
 *  Part of the table of tcop/utility.ts. */
import type { AlterOwnerStmt, RenameStmt } from '@pgsql/types';
import {
  alterDatabase,
  alterDatabaseOwner,
  refreshDatabaseCollation,
  renameDatabase,
} from '#commands/alter-database.ts';
import { createDatabase, dropDatabase } from '#commands/database.ts';
import { alterDefaultPrivileges } from '#commands/default-privileges.ts';
import { grantStatement } from '#commands/grant.ts';
import { dropOwned, reassignOwned } from '#commands/owned-objects.ts';
import { changeObjectOwner, refusePartType } from '#commands/object-owner.ts';
import { getObjectAddress } from '#commands/object-lookup.ts';
import { grantRoles } from '#commands/role-membership.ts';
import { alterDatabaseSet, alterRoleSet } from '#commands/role-settings.ts';
import { roleSpecOid } from '#commands/role-spec.ts';
import { alterRole, createRole, dropRoles, renameRole } from '#commands/role.ts';
import {
  alterTablespaceOptions,
  alterTablespaceOwner,
  createTablespace,
  dropTablespace,
  renameTablespace,
} from '#commands/tablespace.ts';
import { stringOf } from '#parser/ast.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import type { CommandTable } from '#tcop/utility.ts';

export const ROLE_COMMANDS: CommandTable = {
  CreateRoleStmt: { run: (stmt, call) => createRole(stmt, call.sourceText), writes: true },
  AlterRoleStmt: { run: (stmt, call) => alterRole(stmt, call.sourceText), writes: true },
  AlterRoleSetStmt: { run: alterRoleSet, writes: true },
  DropRoleStmt: { run: dropRoles, writes: true },
  GrantRoleStmt: { run: grantRoles, writes: true },
  GrantStmt: { run: grantStatement, writes: true },
  AlterDefaultPrivilegesStmt: { run: alterDefaultPrivileges, writes: true },
  DropOwnedStmt: { run: dropOwned, writes: true },
  ReassignOwnedStmt: { run: reassignOwned, writes: true },
  CreatedbStmt: { run: (stmt, call) => createDatabase(stmt, call.sourceText, call.isTopLevel), writes: true },
  DropdbStmt: { run: (stmt, call) => dropDatabase(stmt, call.isTopLevel), writes: true },
  AlterDatabaseStmt: { run: (stmt, call) => alterDatabase(stmt, call.sourceText, call.isTopLevel), writes: true },
  AlterDatabaseRefreshCollStmt: { run: refreshDatabaseCollation, writes: true },
  AlterDatabaseSetStmt: { run: alterDatabaseSet, writes: true },
  CreateTableSpaceStmt: { run: (stmt, call) => createTablespace(stmt, call.isTopLevel), writes: true },
  DropTableSpaceStmt: { run: (stmt, call) => dropTablespace(stmt, call.isTopLevel), writes: true },
  AlterTableSpaceOptionsStmt: { run: alterTablespaceOptions, writes: true },
};

// ── names and owners, which share a statement with all other objects ─────────────────────────────────────────────

type Rename = (oldName: string, newName: string) => void;
const RENAMES: Readonly<Record<string, Rename>> = {
  OBJECT_ROLE: renameRole,
  OBJECT_DATABASE: renameDatabase,
  OBJECT_TABLESPACE: renameTablespace,
};
/** false if the statement is about something else. */
export function renameShared(stmt: RenameStmt): boolean {
  const rename = RENAMES[stmt.renameType ?? ''];
  rename?.(stmt.subname ?? '', stmt.newname ?? '');
  return rename !== undefined;
}
/** Objects of one database that change hands by their row alone. */
const OWNED: ReadonlySet<string> = new Set([
  'OBJECT_SCHEMA',
  'OBJECT_TYPE',
  'OBJECT_DOMAIN',
  'OBJECT_FUNCTION',
  'OBJECT_PROCEDURE',
  'OBJECT_ROUTINE',
  'OBJECT_AGGREGATE',
  'OBJECT_COLLATION',
  'OBJECT_LANGUAGE',
]);
export function changeSharedOwner(stmt: AlterOwnerStmt): boolean {
  const type = stmt.objectType ?? 'OBJECT_TABLE';
  if (OWNED.has(type)) {
    const owner = roleSpecOid(stmt.newowner ?? {});
    const object = getObjectAddress(type, stmt.object, LOCK.accessExclusive)!;
    refusePartType(object);
    return changeObjectOwner(object, owner);
  }
  const isDatabase = type === 'OBJECT_DATABASE';
  if (!isDatabase && type !== 'OBJECT_TABLESPACE') return false;
  const owner = roleSpecOid(stmt.newowner ?? {});
  const name = stringOf(stmt.object);
  if (isDatabase) alterDatabaseOwner(name, owner);
  else alterTablespaceOwner(name, owner);
  return true;
}
