/** role-spec.ts — a role as commands name it: by name, or CURRENT_USER and its like.
 *  Counterpart: get_rolespec_oid() of src/backend/utils/adt/acl.c */
import type { RoleSpec } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { getRole } from '#catalog/roles.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export function roleSpecOid(role: RoleSpec): Oid {
  switch (role.roletype) {
    case 'ROLESPEC_CURRENT_ROLE':
    case 'ROLESPEC_CURRENT_USER':
      return sessionIdentity.userOid;
    case 'ROLESPEC_SESSION_USER':
      return sessionIdentity.sessionUserOid;
    case 'ROLESPEC_PUBLIC':
      return report('ERROR', { code: SQLSTATE.undefinedObject, message: 'role "public" does not exist' });
    default:
      return getRole(role.rolename ?? '').oid;
  }
}
