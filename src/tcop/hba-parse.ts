/** hba-parse.ts — one line of pg_hba.conf, checked from left to right.
 *
 *  A problem is reported with the line as CONTEXT; most make the line unusable, some (a hostssl line without SSL, a
 *  strange option value) are only told.
 *  Counterpart: parse_hba_line(), parse_hba_auth_opt() of src/backend/libpq/hba.c */
import { type Level, report } from '#runtime/error/report.ts';
import { SQLSTATE, type SqlState } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { cidrMask, type NetworkAddress, parseNetworkAddress } from '#tcop/hba-address.ts';
import { type AuthLine, type AuthToken, isKeyword } from '#tcop/hba-tokens.ts';

export const CONNECTION_TYPES = ['local', 'host', 'hostssl', 'hostnossl', 'hostgssenc', 'hostnogssenc'] as const;
export type ConnectionType = (typeof CONNECTION_TYPES)[number];

/** Every method that PostgreSQL names, and whether this server has it. */
const METHODS = {
  trust: true,
  ident: true,
  peer: true,
  password: true,
  gss: false,
  sspi: false,
  reject: true,
  md5: true,
  'scram-sha-256': true,
  pam: false,
  bsd: false,
  ldap: false,
  cert: false,
  radius: false,
} as const satisfies Record<string, boolean>;
export type AuthMethod = keyof typeof METHODS | 'implicit reject';

export type HbaAddress =
  | { readonly kind: 'any' }
  | { readonly kind: 'samehost' | 'samenet' }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'network'; readonly address: NetworkAddress; readonly mask: NetworkAddress };

export interface HbaLine {
  readonly lineNumber: number;
  readonly rawLine: string;
  readonly type: ConnectionType;
  readonly databases: readonly AuthToken[];
  readonly roles: readonly AuthToken[];
  /** null for local. */
  readonly address: HbaAddress | null;
  readonly method: AuthMethod;
  readonly map: string | undefined;
  readonly clientCert: 'off' | 'verify-ca' | 'verify-full';
}

interface Problem {
  message: string;
  hint?: string;
  code?: SqlState;
  /** Goes to the log only: pg_hba_file_rules shows an earlier complaint, if any. */
  logOnly?: boolean;
}

/** Thrown inside this file only: the line is of no use. */
class BadLine extends Error {
  constructor(readonly problem: Problem) {
    super(problem.message);
  }
}
const bad = (message: string, hint?: string): never => {
  throw new BadLine(hint === undefined ? { message } : { message, hint });
};

export const lineContext = (lineNumber: number, file: string): string =>
  `line ${lineNumber} of configuration file "${file}"`;

class LineParser {
  #next = 0;
  /** The last complaint that did not make the line unusable. */
  error: string | undefined;
  constructor(
    readonly line: AuthLine,
    readonly level: Level,
  ) {}

  complain(problem: Problem): void {
    report(this.level, {
      code: problem.code ?? SQLSTATE.configFileError,
      message: problem.message,
      hint: problem.hint,
      context: lineContext(this.line.lineNumber, settings.hba_file),
    });
    if (problem.logOnly !== true) this.error = problem.message;
  }
  list(missing: string, hint?: string): readonly AuthToken[] {
    const field = this.line.fields[this.#next++];
    return field ?? bad(`end-of-line before ${missing}`, hint);
  }
  single(missing: string, several: string, hint?: string, missingHint?: string): AuthToken {
    const field = this.list(missing, missingHint);
    return field.length > 1 ? bad(`multiple values specified for ${several}`, hint) : field[0]!;
  }
  rest(): readonly AuthToken[] {
    return this.line.fields.slice(this.#next).flat();
  }
}

function parseType(parser: LineParser): ConnectionType {
  const { text } = parser.single('connection type', 'connection type', 'Specify exactly one connection type per line.');
  const type = CONNECTION_TYPES.find((name) => name === text);
  if (type === undefined) return bad(`invalid connection type "${text}"`);
  if (type === 'hostssl' && !settings.ssl) {
    parser.complain({
      message: 'hostssl record cannot match because SSL is disabled',
      hint: 'Set ssl = on in postgresql.conf.',
    });
  }
  if (type === 'hostgssenc') {
    parser.complain({ message: 'hostgssenc record cannot match because GSSAPI is not supported by this build' });
  }
  return type;
}

function parseAddress(parser: LineParser): HbaAddress {
  const token = parser.single('IP address specification', 'host address', 'Specify one address range per line.');
  if (isKeyword(token, 'all')) return { kind: 'any' };
  if (isKeyword(token, 'samehost')) return { kind: 'samehost' };
  if (isKeyword(token, 'samenet')) return { kind: 'samenet' };
  const slash = token.text.indexOf('/');
  const address = parseNetworkAddress(slash < 0 ? token.text : token.text.slice(0, slash));
  if (slash >= 0) {
    if (address === undefined) return bad(`specifying both host name and CIDR mask is invalid: "${token.text}"`);
    const mask = cidrMask(token.text.slice(slash + 1), address.family);
    return mask === undefined
      ? bad(`invalid CIDR mask in address "${token.text}"`)
      : { kind: 'network', address, mask };
  }
  if (address === undefined) return { kind: 'name', name: token.text };
  const maskToken = parser.single(
    'netmask specification',
    'netmask',
    undefined,
    'Specify an address range in CIDR notation, or provide a separate netmask.',
  );
  const mask = parseNetworkAddress(maskToken.text);
  if (mask === undefined) return bad(`invalid IP mask "${maskToken.text}": Name or service not known`);
  if (mask.family !== address.family) return bad('IP address and mask do not match');
  return { kind: 'network', address, mask };
}

function parseMethod(parser: LineParser, type: ConnectionType): AuthMethod {
  const { text } = parser.single(
    'authentication method',
    'authentication type',
    'Specify exactly one authentication type per line.',
  );
  if (!Object.hasOwn(METHODS, text)) return bad(`invalid authentication method "${text}"`);
  const method = text as keyof typeof METHODS;
  if (method === 'md5' && settings.db_user_namespace) {
    return bad('MD5 authentication is not supported when "db_user_namespace" is enabled');
  }
  if (!METHODS[method]) return bad(`invalid authentication method "${text}": not supported by this build`);
  if (type === 'local' && method === 'ident') return 'peer';
  if (type !== 'local' && method === 'peer') return bad('peer authentication is only supported on local sockets');
  return method;
}

/** Options and the methods that they make sense for, as the message lists them. */
const OPTION_METHODS: Readonly<Record<string, string>> = {
  pamservice: 'pam',
  pam_use_hostname: 'pam',
  ldapurl: 'ldap',
  ldaptls: 'ldap',
  ldapscheme: 'ldap',
  ldapserver: 'ldap',
  ldapport: 'ldap',
  ldapbinddn: 'ldap',
  ldapbindpasswd: 'ldap',
  ldapsearchattribute: 'ldap',
  ldapsearchfilter: 'ldap',
  ldapbasedn: 'ldap',
  ldapprefix: 'ldap',
  ldapsuffix: 'ldap',
  krb_realm: 'gssapi and sspi',
  include_realm: 'gssapi and sspi',
  compat_realm: 'sspi',
  upn_username: 'sspi',
  radiusservers: 'radius',
  radiusports: 'radius',
  radiussecrets: 'radius',
  radiusidentifiers: 'radius',
};

interface Options {
  map: string | undefined;
  clientCert: HbaLine['clientCert'];
}

function parseOption(token: AuthToken, type: ConnectionType, method: AuthMethod, options: Options): void {
  const equals = token.text.indexOf('=');
  if (equals < 0) bad(`authentication option not in name=value format: ${token.text}`);
  const name = token.text.slice(0, equals);
  const value = token.text.slice(equals + 1);
  switch (name) {
    case 'map':
      if (method !== 'ident' && method !== 'peer' && method !== 'cert') {
        bad('authentication option "map" is only valid for authentication methods ident, peer, gssapi, sspi, and cert');
      }
      options.map = value;
      return;
    case 'clientcert':
      if (type !== 'hostssl') bad('clientcert can only be configured for "hostssl" rows');
      if (value === 'verify-full' || value === 'verify-ca') options.clientCert = value;
      else throw new BadLine({ message: `invalid value for clientcert: "${value}"`, logOnly: true });
      return;
    case 'clientname':
      if (type !== 'hostssl') bad('clientname can only be configured for "hostssl" rows');
      if (value !== 'CN' && value !== 'DN') {
        throw new BadLine({ message: `invalid value for clientname: "${value}"`, logOnly: true });
      }
      return;
  }
  const methods = Object.hasOwn(OPTION_METHODS, name) ? OPTION_METHODS[name] : undefined;
  if (methods === undefined) bad(`unrecognized authentication option name: "${name}"`);
  // None of those methods is in this server, so the option never belongs to the line's method.
  bad(`authentication option "${name}" is only valid for authentication methods ${methods}`);
}

export interface ParsedHbaLine {
  /** undefined: unusable. */
  readonly line: HbaLine | undefined;
  readonly error: string | undefined;
}

export function parseHbaLine(line: AuthLine, level: Level): ParsedHbaLine {
  const parser = new LineParser(line, level);
  try {
    const type = parseType(parser);
    const databases = parser.list('database specification');
    const roles = parser.list('role specification');
    const address = type === 'local' ? null : parseAddress(parser);
    const method = parseMethod(parser, type);
    const options: Options = { map: undefined, clientCert: 'off' };
    for (const token of parser.rest()) parseOption(token, type, method, options);
    const { lineNumber, rawLine } = line;
    return {
      line: { lineNumber, rawLine, type, databases, roles, address, method, ...options },
      error: parser.error,
    };
  } catch (caught) {
    if (!(caught instanceof BadLine)) throw caught;
    parser.complain(caught.problem);
    return { line: undefined, error: parser.error };
  }
}
