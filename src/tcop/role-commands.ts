/** role-commands.ts — utility commands on what all databases share: roles, privileges, databases, tablespaces.
 *  Part of the table of tcop/utility.ts. */
import { grantStatement } from '#commands/grant.ts';
import { grantRoles } from '#commands/role-membership.ts';
import { alterDatabaseSet, alterRoleSet } from '#commands/role-settings.ts';
import { alterRole, createRole, dropRoles } from '#commands/role.ts';
import type { CommandTable } from '#tcop/utility.ts';

export const ROLE_COMMANDS: CommandTable = {
  CreateRoleStmt: { run: (stmt, call) => createRole(stmt, call.sourceText), writes: true },
  AlterRoleStmt: { run: (stmt, call) => alterRole(stmt, call.sourceText), writes: true },
  AlterRoleSetStmt: { run: alterRoleSet, writes: true },
  DropRoleStmt: { run: dropRoles, writes: true },
  GrantRoleStmt: { run: grantRoles, writes: true },
  GrantStmt: { run: grantStatement, writes: true },
  AlterDatabaseSetStmt: { run: alterDatabaseSet, writes: true },
};
