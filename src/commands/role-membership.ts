/** role-membership.ts — GRANT and REVOKE of roles: rows of pg_auth_members.
 *  Counterpart: GrantRole(), AddRoleMems(), DelRoleMems() of src/backend/commands/user.c */
import type { GrantRoleStmt } from '@pgsql/types';
import type { Relation } from '#access/common/relation-descriptor.ts';
import type { Oid } from '#base/ids.ts';
import { catalogDelete, catalogInsert, catalogUpdateColumns, catalogValues } from '#catalog/indexing.ts';
import { RELATION } from '#catalog/oids.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import {
  allMemberships,
  getRole,
  isMemberOfRoleNoSuper,
  isSuperuser,
  isSuperuserOid,
  roleByOid,
  rolesOf,
} from '#catalog/roles.ts';
import { type AuthMembersRow, store } from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { type CatalogTuple, findCatalogTuples } from '#catalog/systable.ts';
import { defElems } from '#commands/def-elem.ts';
import { type NamedRole, namedRoles } from '#commands/role-names.ts';
import { roleSpecOid } from '#commands/role-spec.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

const MEMBERS_ROLE_INDEX = 2694 as Oid;
const MEMBERS_MEMBER_INDEX = 2695 as Oid;
const DATABASE_OWNER = 6171 as Oid;

const denied = (message: string): never => report('ERROR', { code: SQLSTATE.insufficientPrivilege, message });

/** is_admin_of_role(): may it grant the role to others? Itself it may not. */
export function isAdminOfRole(member: Oid, role: Oid): boolean {
  if (isSuperuserOid(member)) return true;
  if (member === role) return false;
  const mine = rolesOf(member, false);
  return allMemberships().some((row) => row.role === role && row.adminOption && mine.has(row.member));
}

function checkMayChange(role: NamedRole, grantor: Oid): void {
  if (isSuperuserOid(role.oid)) {
    if (!isSuperuser()) denied('must be superuser to alter superusers');
  } else if (roleByOid(sessionIdentity.userOid)?.createRole !== true && !isAdminOfRole(grantor, role.oid)) {
    denied(`must have admin option on role "${role.name}"`);
  }
}
const membershipTuple = (rel: Relation, role: Oid, member: Oid): CatalogTuple<AuthMembersRow> | undefined =>
  findCatalogTuples(store.authMembers, rel, MEMBERS_ROLE_INDEX, [
    { attnum: 1, value: role },
    { attnum: 2, value: member },
  ])[0];

export function addRoleMembers(role: NamedRole, members: readonly NamedRole[], grantor: Oid, admin: boolean): void {
  if (members.length === 0) return;
  checkMayChange(role, grantor);
  if (role.oid === DATABASE_OWNER) report('ERROR', { message: `role "${role.name}" cannot have explicit members` });
  // Grantors are a hint only, but nobody shall leave a false one.
  if (grantor !== sessionIdentity.userOid && !isSuperuser()) denied('must be superuser to set grantor');
  const rel = tableOpen(RELATION.pgAuthMembers, LOCK.rowExclusive);
  for (const member of members) {
    if (member.oid === DATABASE_OWNER) {
      report('ERROR', { message: `role "${member.name}" cannot be a member of any role` });
    }
    // No loops.
    if (isMemberOfRoleNoSuper(role.oid, member.oid)) {
      report('ERROR', {
        code: SQLSTATE.invalidGrantOperation,
        message: `role "${role.name}" is a member of role "${member.name}"`,
      });
    }
    const old = membershipTuple(rel, role.oid, member.oid);
    if (old !== undefined && (!admin || old.row.admin_option)) {
      report('NOTICE', { message: `role "${member.name}" is already a member of role "${role.name}"` });
      continue;
    }
    if (old !== undefined) catalogUpdateColumns(rel, old.tid, { grantor, admin_option: admin });
    else {
      const values = { roleid: role.oid, member: member.oid, grantor, admin_option: admin };
      catalogInsert(rel, catalogValues(rel, values));
    }
    commandCounterIncrement();
  }
  relationClose(rel, LOCK.none);
}

export function deleteRoleMembers(
  role: NamedRole,
  members: readonly NamedRole[],
  grantor: Oid,
  onlyAdmin: boolean,
): void {
  if (members.length === 0) return;
  checkMayChange(role, grantor);
  const rel = tableOpen(RELATION.pgAuthMembers, LOCK.rowExclusive);
  for (const member of members) {
    const old = membershipTuple(rel, role.oid, member.oid);
    if (old === undefined) {
      report('WARNING', { message: `role "${member.name}" is not a member of role "${role.name}"` });
      continue;
    }
    if (onlyAdmin) catalogUpdateColumns(rel, old.tid, { admin_option: false });
    else catalogDelete(rel, old.tid);
    commandCounterIncrement();
  }
  relationClose(rel, LOCK.none);
}

/** DROP ROLE: it is in nobody and nobody is in it. */
export function dropRoleMemberships(role: Oid): void {
  const rel = tableOpen(RELATION.pgAuthMembers, LOCK.rowExclusive);
  for (const [index, attnum] of [
    [MEMBERS_ROLE_INDEX, 1],
    [MEMBERS_MEMBER_INDEX, 2],
  ] as const) {
    for (const { tid } of findCatalogTuples(store.authMembers, rel, index, [{ attnum, value: role }])) {
      catalogDelete(rel, tid);
    }
  }
  relationClose(rel, LOCK.none);
}

export function grantRoles(stmt: GrantRoleStmt): void {
  const admin = defElems(stmt.opt).some((option) => option.defname === 'admin');
  const grantor = stmt.grantor === undefined ? sessionIdentity.userOid : roleSpecOid(stmt.grantor);
  const grantees = namedRoles(stmt.grantee_roles);
  // Until the end of the transaction no role of these can go.
  relationClose(tableOpen(RELATION.pgAuthid, LOCK.accessShare), LOCK.none);
  for (const node of stmt.granted_roles ?? []) {
    const granted = 'AccessPriv' in node ? node.AccessPriv : {};
    if (granted.priv_name === undefined || (granted.cols?.length ?? 0) > 0) {
      report('ERROR', {
        code: SQLSTATE.invalidGrantOperation,
        message: 'column names cannot be included in GRANT/REVOKE ROLE',
      });
    }
    const role = getRole(granted.priv_name!);
    if (stmt.is_grant === true) addRoleMembers(role, grantees, grantor, admin);
    else deleteRoleMembers(role, grantees, grantor, admin);
  }
}
