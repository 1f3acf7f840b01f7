/** roles-file.ts — the text of $PGDATA/global/pg_auth: who may be whom.
 *
 *  Until roles are rows of pg_authid on disk they live in a flat file, as PostgreSQL kept a copy of them up to 8.4 for
 *  everyone who must know a role before any database is open. One role per line, fields separated by one blank:
 *
 *      10 "postgres" "sirdlpb" -1 "SCRAM-SHA-256$4096:…" ""
 *      oid name attributes connection-limit secret valid-until
 *
 *  Attributes are letters: s superuser, i inherit, r createrole, d createdb, l login, p replication, b bypassrls.
 *  The empty secret is no password; the empty validity never ends, otherwise it is UTC, `2030-12-31 23:59:59+00`, or
 *  `infinity`. Inside quotes a quote is doubled. Memberships follow, one per line, as four fields:
 *
 *      member 3374 3373 10 f
 *      member role member grantor admin-option
 *
 *  Lines that begin with `#`, and empty ones, say nothing.
 *  Counterpart: load_role() of PostgreSQL 8.4's src/backend/libpq/hba.c, the rows of pg_authid and pg_auth_members */
import type { Oid } from '#base/ids.ts';

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
export interface RoleFile {
  readonly roles: readonly Role[];
  readonly memberships: readonly Membership[];
}

const ATTRIBUTES = {
  s: 'superuser',
  i: 'inherit',
  r: 'createRole',
  d: 'createDb',
  l: 'canLogin',
  p: 'replication',
  b: 'bypassRls',
} as const satisfies Record<string, keyof Role>;
type AttributeLetter = keyof typeof ATTRIBUTES;
const LETTERS = Object.keys(ATTRIBUTES) as AttributeLetter[];

const EPOCH_MS = Date.UTC(2000, 0, 1);

function parseValidity(text: string): number | null | undefined {
  if (text === '') return null;
  if (text === 'infinity') return Number.POSITIVE_INFINITY;
  const match = /^(\d{4,6})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(\.\d{1,6})?\+00$/.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number);
  const ms = Date.UTC(year!, month! - 1, day!, hour!, minute!, second!) - EPOCH_MS;
  return ms * 1000 + Math.round(Number(match[7] ?? 0) * 1e6);
}

export function formatValidity(validUntil: number | null): string {
  if (validUntil === null) return '';
  if (validUntil === Number.POSITIVE_INFINITY) return 'infinity';
  const micros = ((validUntil % 1e6) + 1e6) % 1e6;
  const seconds = new Date(EPOCH_MS + (validUntil - micros) / 1000).toISOString().slice(0, 19).replace('T', ' ');
  return `${seconds}${micros === 0 ? '' : `.${String(micros).padStart(6, '0')}`}+00`;
}

const quoted = '"((?:[^"]|"")*)"';
const ROLE_LINE = new RegExp(`^(\\d+) ${quoted} ${quoted} (-?\\d+) ${quoted} ${quoted}$`);
const MEMBER_LINE = /^member (\d+) (\d+) (\d+) ([tf])$/;
const unquote = (text: string): string => text.replaceAll('""', '"');
const quote = (text: string): string => `"${text.replaceAll('"', '""')}"`;

/** Throws a plain Error that names the line: the file is ours, so a bad line means damage. */
export function parseRoleFile(text: string): RoleFile {
  const roles: Role[] = [];
  const memberships: Membership[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '' || line.startsWith('#')) continue;
    const member = MEMBER_LINE.exec(line);
    if (member !== null) {
      const [role, who, grantor] = member.slice(1, 4).map((word) => Number(word) as Oid);
      memberships.push({ role: role!, member: who!, grantor: grantor!, adminOption: member[4] === 't' });
      continue;
    }
    const match = ROLE_LINE.exec(line);
    const validUntil = match === null ? undefined : parseValidity(match[6]!);
    if (match === null || validUntil === undefined) throw new Error(`line ${index + 1} of global/pg_auth is damaged`);
    const letters = match[3]!;
    roles.push({
      oid: Number(match[1]) as Oid,
      name: unquote(match[2]!),
      superuser: letters.includes('s'),
      inherit: letters.includes('i'),
      createRole: letters.includes('r'),
      createDb: letters.includes('d'),
      canLogin: letters.includes('l'),
      replication: letters.includes('p'),
      bypassRls: letters.includes('b'),
      connectionLimit: Number(match[4]),
      secret: match[5] === '' ? null : unquote(match[5]!),
      validUntil,
    });
  }
  return { roles, memberships };
}

export function formatRoleFile({ roles, memberships }: RoleFile): string {
  const lines = ['# oid "name" "attributes" connection-limit "secret" "valid until"'];
  for (const role of roles) {
    const letters = LETTERS.filter((letter) => role[ATTRIBUTES[letter]]).join('');
    lines.push(
      `${role.oid} ${quote(role.name)} "${letters}" ${role.connectionLimit} ${quote(role.secret ?? '')} "${formatValidity(role.validUntil)}"`,
    );
  }
  for (const { role, member, grantor, adminOption } of memberships) {
    lines.push(`member ${role} ${member} ${grantor} ${adminOption ? 't' : 'f'}`);
  }
  return `${lines.join('\n')}\n`;
}

const BOOTSTRAP_SUPERUSER = 10 as Oid;
/** The roles that every cluster has. */
const PREDEFINED = {
  pg_monitor: 3373,
  pg_read_all_settings: 3374,
  pg_read_all_stats: 3375,
  pg_stat_scan_tables: 3377,
  pg_signal_backend: 4200,
  pg_checkpoint: 4544,
  pg_read_server_files: 4569,
  pg_write_server_files: 4570,
  pg_execute_server_program: 4571,
  pg_database_owner: 6171,
  pg_read_all_data: 6181,
  pg_write_all_data: 6182,
} as const satisfies Record<string, number>;

/** What initdb writes: the superuser with an optional secret, and the predefined roles. */
export function initialRoles(superuser: string, secret: string | null): RoleFile {
  const plain = {
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
  const roles: Role[] = [{ ...plain, ...all, oid: BOOTSTRAP_SUPERUSER, name: superuser, secret }];
  for (const [name, oid] of Object.entries(PREDEFINED)) roles.push({ ...plain, oid: oid as Oid, name });
  const memberships = [
    PREDEFINED.pg_read_all_settings,
    PREDEFINED.pg_read_all_stats,
    PREDEFINED.pg_stat_scan_tables,
  ].map((role) => ({
    role: role as Oid,
    member: PREDEFINED.pg_monitor as Oid,
    grantor: BOOTSTRAP_SUPERUSER,
    adminOption: false,
  }));
  return { roles, memberships };
}
