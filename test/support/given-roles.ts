/** given-roles.ts — roles for tests without a data directory. */
import type { Oid } from '#base/ids.ts';
import type { GivenRoles, Role } from '#catalog/roles.ts';

/** The superuser and one role of those that every cluster has. */
export function initialRoles(superuser: string, secret: string | null): GivenRoles {
  const plain: Omit<Role, 'oid' | 'name'> = {
    superuser: false,
    inherit: true,
    createRole: false,
    createDb: false,
    canLogin: false,
    replication: false,
    bypassRls: false,
    connectionLimit: -1,
    secret: null,
    validUntil: null,
  };
  const all = { superuser: true, createRole: true, createDb: true, canLogin: true, replication: true, bypassRls: true };
  return {
    roles: [
      { ...plain, ...all, oid: 10 as Oid, name: superuser, secret },
      { ...plain, oid: 3373 as Oid, name: 'pg_monitor' },
    ],
    memberships: [],
  };
}
