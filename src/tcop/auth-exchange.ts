/** auth-exchange.ts — is the client who it says it is? One line of pg_hba.conf has the answer's method.
 *
 *  The exchange runs over an AuthConnection, so that it can be tested without a socket. It ends in one of three ways:
 *  true (AuthenticationOk was sent), false (the client hung up: end quietly), or FATAL. What the client is told never
 *  says why; the reason is DETAIL of the log.
 *  Counterpart: src/backend/libpq/auth.c, auth-sasl.c, crypt.c */
import { randomBytes } from 'node:crypto';
import {
  passwordType,
  type Role,
  roleByName,
  roleSecret,
  verifyMd5Response,
  verifyPlainPassword,
} from '#catalog/roles.ts';
import { type ChannelBinding, NO_CHANNEL_BINDING, ScramServer, scramMechanisms } from '#libpq/scram.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { type HbaClient, type HostnameKnowledge, matchHba } from '#tcop/hba.ts';
import type { AuthMethod, HbaLine } from '#tcop/hba-parse.ts';
import { checkUserMap } from '#tcop/ident.ts';

/** Codes of the Authentication message. */
export const AUTH_REQUEST = {
  ok: 0,
  cleartextPassword: 3,
  md5Password: 5,
  sasl: 10,
  saslContinue: 11,
  saslFinal: 12,
} as const satisfies Record<string, number>;

const MAX_PASSWORD_MESSAGE = 65_535;
const MAX_SASL_MESSAGE = 1024;

/** The client's side, as authentication needs it. */
export interface AuthConnection extends HbaClient {
  /** Sends `R` with this code and payload; flushes unless the code is `ok` or `saslFinal`, which more output follows. */
  sendAuthRequest(code: number, payload: Uint8Array): void;
  /** Body of the next `p` message, of at most `limit` bytes; null at end of file, 'broken' if the message is too long or
   *  ends in the middle (which was logged). Any other type is 08P01 `expected ${expected} response, got message
   *  type %d`. */
  readPasswordMessage(limit: number, expected: 'password' | 'SASL'): Uint8Array | 'broken' | null;
  /** Operating-system user at the other end of a Unix-domain socket; null if unknown (the reason was logged). */
  peerUser(): string | null;
  /** Operating-system user that the client's machine names for this TCP connection (RFC 1413); null if it does not. */
  identUser?(): string | null;
  /** Identity proven by `method`: for log_connections and pg_stat_activity. */
  setAuthenticated?(identity: string, method: string): void;
  readonly channelBinding?: ChannelBinding;
  /** Filled in by host-name matching, for the log. */
  readonly hostname?: HostnameKnowledge;
}

const NO_BYTES = new Uint8Array(0);

/** `failed` carries what only the log may know. */
type Outcome = 'ok' | 'eof' | { readonly failed: string | undefined };

function encryptionText(client: HbaClient): string {
  return client.tls ? 'SSL encryption' : 'no encryption';
}

/** Detail for a line that was not found: the client's address may have had another name than expected. */
function hostnameDetail(conn: AuthConnection): string | undefined {
  const known = conn.hostname;
  if (known === undefined || known.hostname === null) return undefined;
  const result = {
    1: 'forward lookup matches',
    0: 'forward lookup not checked',
    '-1': 'forward lookup does not match',
  };
  if (known.state === -2) return undefined;
  return `Client IP address resolved to "${known.hostname}", ${result[known.state]}.`;
}

function refuse(conn: AuthConnection, implicit: boolean): never {
  const host = conn.remoteAddress ?? '[local]';
  const encryption = encryptionText(conn);
  const who = `host "${host}", user "${conn.user}"`;
  const physical = conn.replication === 'physical';
  const where = physical ? `${who}, ${encryption}` : `${who}, database "${conn.database}", ${encryption}`;
  const message = implicit
    ? `no pg_hba.conf entry for ${physical ? 'replication connection from ' : ''}${where}`
    : `pg_hba.conf rejects ${physical ? 'replication ' : ''}connection for ${where}`;
  return report('FATAL', {
    code: SQLSTATE.invalidAuthorizationSpecification,
    message,
    detailLog: implicit ? hostnameDetail(conn) : undefined,
  });
}

const FAILURE_TEXT: Readonly<Partial<Record<AuthMethod, string>>> = {
  trust: '"trust" authentication failed for user',
  ident: 'Ident authentication failed for user',
  peer: 'Peer authentication failed for user',
  password: 'password authentication failed for user',
  md5: 'password authentication failed for user',
  'scram-sha-256': 'password authentication failed for user',
};

function fail(conn: AuthConnection, line: HbaLine, logDetail: string | undefined): never {
  const byPassword = line.method === 'password' || line.method === 'md5' || line.method === 'scram-sha-256';
  const matched = `Connection matched pg_hba.conf line ${line.lineNumber}: "${line.rawLine}"`;
  return report('FATAL', {
    code: byPassword ? SQLSTATE.invalidPassword : SQLSTATE.invalidAuthorizationSpecification,
    message: `${FAILURE_TEXT[line.method] ?? 'authentication failed for user'} "${conn.user}"`,
    detailLog: logDetail === undefined ? matched : `${logDetail}\n${matched}`,
  });
}

/** The text of a password message: exactly one NUL, at its end. */
function readPassword(conn: AuthConnection): string | null {
  const body = conn.readPasswordMessage(MAX_PASSWORD_MESSAGE, 'password');
  if (body === null || body === 'broken') return null;
  if (body.length === 0 || body.indexOf(0) !== body.length - 1) {
    report('ERROR', { code: SQLSTATE.protocolViolation, message: 'invalid password packet size' });
  }
  if (body.length === 1) {
    report('ERROR', { code: SQLSTATE.invalidPassword, message: 'empty password returned by client' });
  }
  return Buffer.from(body.buffer, body.byteOffset, body.length - 1).toString('utf8');
}

function prove(conn: AuthConnection, identity: string, line: HbaLine): void {
  conn.setAuthenticated?.(identity, line.method);
  if (!settings.log_connections) return;
  report('LOG', {
    message: `connection authenticated: identity="${identity}" method=${line.method} (${settings.hba_file}:${line.lineNumber})`,
  });
}

function byCleartext(conn: AuthConnection): Outcome {
  conn.sendAuthRequest(AUTH_REQUEST.cleartextPassword, NO_BYTES);
  const password = readPassword(conn);
  if (password === null) return 'eof';
  const found = roleSecret(conn.user);
  if (found.secret === null) return { failed: found.logDetail };
  const problem = verifyPlainPassword(conn.user, found.secret, password);
  return problem === undefined ? 'ok' : { failed: problem };
}

function byMd5(conn: AuthConnection, secret: string): Outcome {
  const salt = randomBytes(4);
  conn.sendAuthRequest(AUTH_REQUEST.md5Password, salt);
  const response = readPassword(conn);
  if (response === null) return 'eof';
  const problem = verifyMd5Response(conn.user, secret, salt, response);
  return problem === undefined ? 'ok' : { failed: problem };
}

const protocolError = (message: string): never => report('ERROR', { code: SQLSTATE.protocolViolation, message });

/** SASLInitialResponse: mechanism, Int32 length (-1 for none), data. */
function parseInitialResponse(body: Uint8Array): { mechanism: string; data: string | undefined } {
  const zero = body.indexOf(0);
  if (zero < 0) return protocolError('invalid string in message');
  const mechanism = Buffer.from(body.buffer, body.byteOffset, zero).toString('utf8');
  if (body.length < zero + 5) return protocolError('insufficient data left in message');
  const length = new DataView(body.buffer, body.byteOffset + zero + 1, 4).getInt32(0);
  const rest = body.subarray(zero + 5);
  if (length === -1 && rest.length === 0) return { mechanism, data: undefined };
  if (length > rest.length || length < 0) return protocolError('insufficient data left in message');
  if (length < rest.length) return protocolError('invalid message format');
  return { mechanism, data: Buffer.from(rest).toString('utf8') };
}

function byScram(conn: AuthConnection, secret: string | undefined): Outcome {
  const binding = conn.channelBinding ?? NO_CHANNEL_BINDING;
  const mechanisms = scramMechanisms(binding).map((name) => `${name}\0`);
  conn.sendAuthRequest(AUTH_REQUEST.sasl, Buffer.from(`${mechanisms.join('')}\0`, 'latin1'));
  let server: ScramServer | undefined;
  for (;;) {
    const body = conn.readPasswordMessage(MAX_SASL_MESSAGE, 'SASL');
    if (body === null) return 'eof';
    if (body === 'broken') return { failed: undefined };
    let data: string | undefined;
    if (server === undefined) {
      const initial = parseInitialResponse(body);
      server = new ScramServer(initial.mechanism, conn.user, secret, binding);
      data = initial.data;
      if (data === undefined) {
        // The mechanism has a message to send first but did not: ask for it.
        conn.sendAuthRequest(AUTH_REQUEST.saslContinue, NO_BYTES);
        continue;
      }
    } else data = Buffer.from(body).toString('utf8');
    const { result, output } = server.exchange(data);
    if (output !== undefined) {
      const code = result === 'success' ? AUTH_REQUEST.saslFinal : AUTH_REQUEST.saslContinue;
      conn.sendAuthRequest(code, Buffer.from(output, 'utf8'));
    }
    if (result === 'success') return 'ok';
    if (result === 'failure') return { failed: server.logDetail };
    checkForInterrupts();
  }
}

/** md5 and scram-sha-256: a role's SCRAM secret can only be proven by SCRAM, whatever the line says. A role without a
 *  secret is asked in the way that password_encryption suggests, and refused at the end. */
function byChallenge(conn: AuthConnection, line: HbaLine): Outcome {
  const found = roleSecret(conn.user);
  const type = found.secret === null ? settings.password_encryption : passwordType(found.secret);
  const outcome =
    line.method === 'md5' && type === 'md5'
      ? byMd5(conn, found.secret ?? '')
      : byScram(conn, found.secret ?? undefined);
  if (found.secret !== null || outcome === 'eof') return outcome;
  return { failed: found.logDetail };
}

function byOperatingSystemUser(conn: AuthConnection, line: HbaLine): Outcome {
  const user = line.method === 'peer' ? conn.peerUser() : (conn.identUser?.() ?? null);
  if (user === null) return { failed: undefined };
  prove(conn, user, line);
  return checkUserMap(line.map, conn.user, user) ? 'ok' : { failed: undefined };
}

function run(conn: AuthConnection, line: HbaLine): Outcome {
  switch (line.method) {
    case 'trust':
      return 'ok';
    case 'peer':
    case 'ident':
      return byOperatingSystemUser(conn, line);
    case 'password':
    case 'md5':
    case 'scram-sha-256': {
      const outcome = line.method === 'password' ? byCleartext(conn) : byChallenge(conn, line);
      if (outcome === 'ok') prove(conn, conn.user, line);
      return outcome;
    }
    default:
      return { failed: undefined };
  }
}

/** Returns true after AuthenticationOk, false when the client left. */
export function authenticateClient(conn: AuthConnection, line: HbaLine = matchHba(conn, conn.hostname)): boolean {
  checkForInterrupts();
  if (line.method === 'implicit reject' || line.method === 'reject') refuse(conn, line.method !== 'reject');
  if (line.clientCert !== 'off') {
    report('FATAL', {
      code: SQLSTATE.configFileError,
      message: 'client certificates can only be checked if a root certificate store is available',
    });
  }
  const outcome = run(conn, line);
  if (outcome === 'eof') return false;
  if (outcome !== 'ok') fail(conn, line, outcome.failed);
  conn.sendAuthRequest(AUTH_REQUEST.ok, NO_BYTES);
  return true;
}

/** The role of an authenticated session: it must exist, may log in, and have a connection left.
 *  `connections` counts the role's sessions, this one included.
 *  Counterpart: InitializeSessionUserId() of src/backend/utils/init/miscinit.c */
export function sessionRole(name: string, connections: (role: Role) => number): Role {
  const role = roleByName(name);
  if (role === undefined) {
    return report('FATAL', {
      code: SQLSTATE.invalidAuthorizationSpecification,
      message: `role "${name}" does not exist`,
    });
  }
  if (!role.canLogin) {
    report('FATAL', {
      code: SQLSTATE.invalidAuthorizationSpecification,
      message: `role "${name}" is not permitted to log in`,
    });
  }
  if (role.connectionLimit >= 0 && !role.superuser && connections(role) > role.connectionLimit) {
    report('FATAL', {
      code: SQLSTATE.tooManyConnections,
      message: `too many connections for role "${name}"`,
    });
  }
  return role;
}
