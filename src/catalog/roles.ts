/** roles.ts — the roles of the cluster, looked up by name and oid, and who is a member of whom.
 *
 *  They are rows of pg_authid and pg_auth_members, which every process can read before it has chosen a database. Where
 *  no tables can be read (the postmaster, tests) the facts answer, which know a superuser called postgres.
 *  Counterpart: src/backend/utils/adt/acl.c (membership), src/backend/utils/misc/superuser.c, src/backend/libpq/crypt.c */
import type { Oid } from '#base/ids.ts';
import { forgetOnChange } from '#catalog/catalog-change.ts';
import { RELATION } from '#catalog/oids.ts';
import { type AuthidRow, store } from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { isMd5Secret, md5Response, md5Secret } from '#libpq/md5-password.ts';
import { buildScramSecret, parseScramSecret, scramVerifyPlain } from '#libpq/scram.ts';
import { currentTimestamp } from '#platform/clock.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { gucEnvironment } from '#runtime/guc/hooks.ts';

export interface Role {
  readonly oid: Oid;
  readonly name: string;
  readonly superuser: boolean;
  readonly inherit: boolean;
  readonly createRole: boolean;
  readonly createDb: boolean;
  readonly canLogin: boolean;
  readonly replication: boolean;
  readonly bypassRls: boolean;
  /** -1: no limit. */
  readonly connectionLimit: number;
  /** The stored form of the password; null without one. */
  readonly secret: string | null;
  /** TimestampTz (microseconds since 2000), Infinity, or null. */
  readonly validUntil: number | null;
}
export interface Membership {
  readonly role: Oid;
  readonly member: Oid;
  readonly grantor: Oid;
  readonly adminOption: boolean;
}
/** All roles of a cluster that has no tables. */
export interface GivenRoles {
  readonly roles: readonly Role[];
  readonly memberships: readonly Membership[];
}

let given: GivenRoles | undefined;
/** For programs that have no data directory (tests): these are the roles. */
export function setRoles(roles: GivenRoles | undefined): void {
  given = roles;
}

// ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const made = new WeakMap<AuthidRow, Role>();
function roleOfRow(row: AuthidRow): Role {
  let role = made.get(row);
  if (role === undefined) {
    role = {
      oid: row.oid,
      name: row.rolname,
      superuser: row.rolsuper,
      inherit: row.rolinherit,
      createRole: row.rolcreaterole,
      createDb: row.rolcreatedb,
      canLogin: row.rolcanlogin,
      replication: row.rolreplication,
      bypassRls: row.rolbypassrls,
      connectionLimit: row.rolconnlimit,
      secret: row.rolpassword,
      validUntil: row.rolvaliduntil,
    };
    made.set(row, role);
  }
  return role;
}
export function roleByName(name: string): Role | undefined {
  if (given !== undefined) return given.roles.find((role) => role.name === name);
  const row = store.authid.by('rolname', name)[0];
  return row === undefined ? undefined : roleOfRow(row);
}
export function roleByOid(oid: Oid): Role | undefined {
  if (given !== undefined) return given.roles.find((role) => role.oid === oid);
  const row = store.authid.byOid(oid);
  return row === undefined ? undefined : roleOfRow(row);
}
export const allRoles = (): Iterable<Role> => given?.roles ?? store.authid.all().map(roleOfRow);
const membershipOfRow = (row: { roleid: Oid; member: Oid; grantor: Oid; admin_option: boolean }): Membership => ({
  role: row.roleid,
  member: row.member,
  grantor: row.grantor,
  adminOption: row.admin_option,
});
export const allMemberships = (): readonly Membership[] =>
  given?.memberships ?? store.authMembers.all().map(membershipOfRow);
/** The roles that this one is a direct member of. */
const rolesAbove = (member: Oid): readonly Oid[] =>
  given?.memberships.filter((m) => m.member === member).map((m) => m.role) ??
  store.authMembers.by('member', member).map((row) => row.roleid);

/** get_role_oid(): undefined only if `missingOk`. */
export function getRole(name: string, missingOk: true): Role | undefined;
export function getRole(name: string, missingOk?: false): Role;
export function getRole(name: string, missingOk = false): Role | undefined {
  const role = roleByName(name);
  if (role !== undefined || missingOk) return role;
  return report('ERROR', { code: SQLSTATE.undefinedObject, message: `role "${name}" does not exist` });
}

let lastAsked = 0 as Oid;
let lastAnswer = false;
let isLastValid = false;
forgetOnChange([RELATION.pgAuthid], () => {
  isLastValid = false;
});
/** Asked all the time, also where no catalog can be read (between transactions): the last answer holds until then. */
export function isSuperuserOid(oid: Oid): boolean {
  if (given !== undefined) return given.roles.find((role) => role.oid === oid)?.superuser ?? false;
  if (oid === lastAsked && isLastValid) return lastAnswer;
  const role = roleByOid(oid);
  if (role === undefined) return oid === lastAsked && lastAnswer;
  lastAsked = oid;
  lastAnswer = role.superuser;
  isLastValid = true;
  return lastAnswer;
}
export const isSuperuser = (): boolean => isSuperuserOid(sessionIdentity.userOid);

const DATABASE_OWNER = 6171 as Oid;

/** Every role that `member` belongs to, itself first. `onlyInherited`: only through roles that pass privileges on. */
export function rolesOf(member: Oid, onlyInherited: boolean): ReadonlySet<Oid> {
  const found = new Set<Oid>([member]);
  for (const current of found) {
    if (onlyInherited && roleByOid(current)?.inherit === false) continue;
    for (const role of rolesAbove(current)) found.add(role);
  }
  return found;
}
/** Membership alone, superuser or not: what +role of pg_hba.conf asks. */
export const isMemberOfRoleNoSuper = (member: Oid, role: Oid): boolean =>
  member === role || (role !== DATABASE_OWNER && rolesOf(member, false).has(role));
/** May `member` SET ROLE to `role`? */
export const isMemberOfRole = (member: Oid, role: Oid): boolean =>
  isSuperuserOid(member) || isMemberOfRoleNoSuper(member, role);
/** Does `member` have the privileges of `role` without asking? */
export const hasPrivilegesOfRole = (member: Oid, role: Oid): boolean =>
  member === role || isSuperuserOid(member) || rolesOf(member, true).has(role);

export type PasswordType = 'plaintext' | 'md5' | 'scram-sha-256';
export function passwordType(secret: string): PasswordType {
  if (isMd5Secret(secret)) return 'md5';
  return parseScramSecret(secret) === undefined ? 'plaintext' : 'scram-sha-256';
}

/** What to store for `password`: a secret already in a stored form stays as it is. */
export function encryptPassword(
  role: string,
  password: string,
  method: 'md5' | 'scram-sha-256' = settings.password_encryption,
): string {
  if (passwordType(password) !== 'plaintext') return password;
  return method === 'md5' ? md5Secret(password, role) : buildScramSecret(password);
}

export type SecretLookup = { readonly secret: string } | { readonly secret: null; readonly logDetail: string };

/** The stored secret of a role that may use it now. */
export function roleSecret(name: string, now: number = currentTimestamp()): SecretLookup {
  const role = roleByName(name);
  if (role === undefined) return { secret: null, logDetail: `Role "${name}" does not exist.` };
  if (role.secret === null) return { secret: null, logDetail: `User "${name}" has no password assigned.` };
  if (role.validUntil !== null && role.validUntil < now) {
    return { secret: null, logDetail: `User "${name}" has an expired password.` };
  }
  return { secret: role.secret };
}

/** undefined: the password is right; else why not, for the log. */
export function verifyPlainPassword(name: string, secret: string, password: string): string | undefined {
  const mismatch = `Password does not match for user "${name}".`;
  switch (passwordType(secret)) {
    case 'scram-sha-256':
      return scramVerifyPlain(parseScramSecret(secret)!, password) ? undefined : mismatch;
    case 'md5':
      return md5Secret(password, name) === secret ? undefined : mismatch;
    case 'plaintext':
      return `Password of user "${name}" is in unrecognized format.`;
  }
}
export function verifyMd5Response(
  name: string,
  secret: string,
  salt: Uint8Array,
  response: string,
): string | undefined {
  if (passwordType(secret) !== 'md5')
    return `User "${name}" has a password that cannot be used with MD5 authentication.`;
  return md5Response(secret, salt) === response ? undefined : `Password does not match for user "${name}".`;
}

const READ_ALL_SETTINGS = 3374 as Oid;
gucEnvironment.isSuperuser = isSuperuser;
gucEnvironment.canReadAllSettings = () => hasPrivilegesOfRole(sessionIdentity.userOid, READ_ALL_SETTINGS);
gucEnvironment.mayManage = isSuperuser;
