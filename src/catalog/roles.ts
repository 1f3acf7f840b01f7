/** roles.ts — the roles of the cluster, looked up by name and oid, and who is a member of whom.
 *
 *  Read from $PGDATA/global/pg_auth (format in roles-file.ts) when the server starts and again at every reload; a file
 *  that cannot be read at a reload leaves the known roles in place. Before any cluster is known the initial roles of a
 *  fresh one answer.
 *  Counterpart: src/backend/utils/adt/acl.c (membership), src/backend/libpq/crypt.c (secrets) */
import type { Oid } from '#base/ids.ts';
import {
  formatRoleFile,
  initialRoles,
  type Membership,
  parseRoleFile,
  type Role,
  type RoleFile,
} from '#catalog/roles-file.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { isMd5Secret, md5Response, md5Secret } from '#libpq/md5-password.ts';
import { buildScramSecret, parseScramSecret, scramVerifyPlain } from '#libpq/scram.ts';
import { currentTimestamp } from '#platform/clock.ts';
import { readTextFile, writeFileDurably } from '#platform/file-system.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { gucEnvironment } from '#runtime/guc/hooks.ts';

export type { Membership, Role };

/** Relative to the data directory, which every process has as its working directory. */
export const ROLE_FILE = 'global/pg_auth';

let byName = new Map<string, Role>();
let byOid = new Map<Oid, Role>();
let memberships: readonly Membership[] = [];

/** Replaces everything that is known. */
export function setRoles(file: RoleFile): void {
  byName = new Map(file.roles.map((role) => [role.name, role]));
  byOid = new Map(file.roles.map((role) => [role.oid, role]));
  memberships = file.memberships;
}
setRoles(initialRoles('postgres', null));

/** Start of the server: a missing or damaged file is an error to the caller. */
export function loadRoles(path: string = ROLE_FILE): void {
  setRoles(parseRoleFile(readTextFile(path)));
}
/** SIGHUP. */
export function reloadRoles(path: string = ROLE_FILE): void {
  try {
    loadRoles(path);
  } catch (caught) {
    report('LOG', { message: `could not reload roles: ${caught instanceof Error ? caught.message : String(caught)}` });
  }
}
export function writeRoles(file: RoleFile, path: string = ROLE_FILE): void {
  writeFileDurably(path, formatRoleFile(file));
}

export const roleByName = (name: string): Role | undefined => byName.get(name);
export const roleByOid = (oid: Oid): Role | undefined => byOid.get(oid);
export const allRoles = (): Iterable<Role> => byOid.values();
export const allMemberships = (): readonly Membership[] => memberships;

/** get_role_oid(): undefined only if `missingOk`. */
export function getRole(name: string, missingOk: true): Role | undefined;
export function getRole(name: string, missingOk?: false): Role;
export function getRole(name: string, missingOk = false): Role | undefined {
  const role = byName.get(name);
  if (role !== undefined || missingOk) return role;
  return report('ERROR', { code: SQLSTATE.undefinedObject, message: `role "${name}" does not exist` });
}

export const isSuperuserOid = (oid: Oid): boolean => byOid.get(oid)?.superuser ?? false;
export const isSuperuser = (): boolean => isSuperuserOid(sessionIdentity.userOid);

const DATABASE_OWNER = 6171 as Oid;

/** Every role that `member` belongs to, itself first. `onlyInherited`: only through roles that pass privileges on. */
export function rolesOf(member: Oid, onlyInherited: boolean): ReadonlySet<Oid> {
  const found = new Set<Oid>([member]);
  for (const current of found) {
    if (onlyInherited && byOid.get(current)?.inherit === false) continue;
    for (const { role, member: who } of memberships) if (who === current) found.add(role);
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
  const role = byName.get(name);
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
