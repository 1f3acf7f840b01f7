/** role-names.ts — names of roles in statements, and those that are the system's own.
 *  Counterpart: get_rolespec_name(), check_rolespec_name() of src/backend/utils/adt/acl.c, IsReservedName() of
 *  catalog/catalog.c */
import type { Node, RoleSpec } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { roleByOid } from '#catalog/roles.ts';
import { roleSpecOid } from '#commands/role-spec.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** A role with the name that messages call it by. */
export interface NamedRole {
  readonly oid: Oid;
  readonly name: string;
}
export const roleNameOf = (oid: Oid): string => roleByOid(oid)?.name ?? String(oid);
export const isReservedRoleName = (name: string): boolean => name.startsWith('pg_');
export const roleSpecName = (spec: RoleSpec): string => roleNameOf(roleSpecOid(spec));
export const roleSpecsOf = (nodes: readonly Node[] | undefined): RoleSpec[] =>
  (nodes ?? []).flatMap((node) => ('RoleSpec' in node ? [node.RoleSpec] : []));
export const namedRoles = (nodes: readonly Node[] | undefined): NamedRole[] =>
  roleSpecsOf(nodes).map((spec) => {
    const oid = roleSpecOid(spec);
    return { oid, name: roleNameOf(oid) };
  });

export function checkReservedRole(spec: RoleSpec, detail: string): void {
  if ((spec.roletype ?? 'ROLESPEC_CSTRING') !== 'ROLESPEC_CSTRING') return;
  const name = spec.rolename ?? '';
  if (!isReservedRoleName(name)) return;
  report('ERROR', { code: SQLSTATE.reservedName, message: `role name "${name}" is reserved`, detail });
}
