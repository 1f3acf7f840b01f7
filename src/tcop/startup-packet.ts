/** startup-packet.ts — the first packets of a connection, as pure functions over bytes.
 *
 *  A packet of this phase has no type byte: Int32 length (itself included), Int32 code, body. The caller reads the
 *  length, asks `startupBodyLength`, reads that many bytes and hands them to `parseStartupPacket`.
 *  A broken length only closes the connection (the client may not speak our protocol at all); a broken body is FATAL.
 *  Counterpart: ProcessStartupPacket(), SendNegotiateProtocolVersion() of src/backend/postmaster/postmaster.c */
import { STARTUP_PACKET_LIMIT } from '#libpq/messages.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { cleanAscii } from '#runtime/guc/builtin-hooks.ts';
import { settings } from '#runtime/guc/guc.ts';
import { cutName } from '#runtime/guc/lists.ts';
import { parseBool } from '#runtime/guc/units.ts';

export const PROTOCOL_LATEST = 0x0003_0000;
export const CANCEL_REQUEST_CODE = 80_877_102;
export const SSL_REQUEST_CODE = 80_877_103;
export const GSS_REQUEST_CODE = 80_877_104;
const CANCEL_PACKET_BODY = 12;

export interface StartupRequest {
  readonly kind: 'startup';
  /** major << 16 | minor, as the client asked. */
  readonly protocol: number;
  readonly user: string;
  /** Empty for a physical walsender. */
  readonly database: string;
  /** Backend switches. */
  readonly options: string | null;
  readonly replication: 'none' | 'physical' | 'database';
  /** Settings in the order sent, application_name among them. */
  readonly gucOptions: [name: string, value: string][];
  readonly applicationName: string | null;
  /** `_pq_.…` names that we do not know. */
  readonly unknownProtocolOptions: string[];
}
export interface CancelRequest {
  readonly kind: 'cancel';
  readonly pid: number;
  readonly key: number;
}
export type StartupPacket =
  | StartupRequest
  | CancelRequest
  | { readonly kind: 'ssl' }
  | { readonly kind: 'gss' }
  /** A version that we do not speak; `message` is the FATAL text, to be sent unframed to clients older than 3.0. */
  | { readonly kind: 'unsupported'; readonly protocol: number; readonly message: string }
  /** Close without an answer; the log line was written. */
  | { readonly kind: 'malformed' };

const malformed = (message: string): { readonly kind: 'malformed' } => {
  report('LOG_SERVER_ONLY', { code: SQLSTATE.protocolViolation, message });
  return { kind: 'malformed' };
};

/** Bytes that follow the length word; undefined (logged) when no sane client would say that. */
export function startupBodyLength(lengthWord: Uint8Array): number | undefined {
  const length = new DataView(lengthWord.buffer, lengthWord.byteOffset, 4).getInt32(0) - 4;
  if (length >= 4 && length <= STARTUP_PACKET_LIMIT) return length;
  malformed('invalid length of startup packet');
  return undefined;
}

export function parseStartupPacket(body: Uint8Array): StartupPacket {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const code = view.getUint32(0);
  switch (code) {
    case CANCEL_REQUEST_CODE:
      if (body.length !== CANCEL_PACKET_BODY) return malformed('invalid length of startup packet');
      return { kind: 'cancel', pid: view.getInt32(4), key: view.getInt32(8) };
    case SSL_REQUEST_CODE:
      return { kind: 'ssl' };
    case GSS_REQUEST_CODE:
      return { kind: 'gss' };
  }
  const major = code >>> 16;
  if (major !== 3) {
    const message = `unsupported frontend protocol ${major}.${code & 0xffff}: server supports 3.0 to 3.0`;
    return { kind: 'unsupported', protocol: code, message };
  }
  return parseOptions(code, body);
}

const fatal = (code: (typeof SQLSTATE)[keyof typeof SQLSTATE], message: string, hint?: string): never =>
  report('FATAL', { code, message, hint });

function parseOptions(protocol: number, body: Uint8Array): StartupRequest {
  let user = '';
  let database: string | undefined;
  let options: string | null = null;
  let replication: StartupRequest['replication'] = 'none';
  let applicationName: string | null = null;
  const gucOptions: [string, string][] = [];
  const unknownProtocolOptions: string[] = [];
  let at = 4;
  while (at < body.length && body[at] !== 0) {
    const [name, valueAt] = readString(body, at);
    if (valueAt >= body.length) break;
    const [value, next] = readString(body, valueAt);
    if (name === 'database') database = value;
    else if (name === 'user') user = value;
    else if (name === 'options') options = value;
    else if (name === 'replication') replication = replicationMode(value);
    else if (name.startsWith('_pq_.')) unknownProtocolOptions.push(name);
    else {
      gucOptions.push([name, value]);
      if (name === 'application_name') applicationName = cleanAscii(value);
    }
    at = next;
  }
  if (at !== body.length - 1) {
    fatal(SQLSTATE.protocolViolation, 'invalid startup packet layout: expected terminator as last byte');
  }
  if (user === '') {
    fatal(SQLSTATE.invalidAuthorizationSpecification, 'no PostgreSQL user name specified in startup packet');
  }
  if (database === undefined || database === '') database = user;
  if (settings.db_user_namespace) user = user.endsWith('@') ? user.slice(0, -1) : `${user}@${database}`;
  return {
    kind: 'startup',
    protocol,
    user: cutName(user),
    database: replication === 'physical' ? '' : cutName(database),
    options,
    replication,
    gucOptions,
    applicationName,
    unknownProtocolOptions,
  };
}

/** The text at `at`, and where the next one begins. The packet's end ends the last text, too. */
function readString(body: Uint8Array, at: number): [string, number] {
  const zero = body.indexOf(0, at);
  const end = zero < 0 ? body.length : zero;
  return [Buffer.from(body.buffer, body.byteOffset + at, end - at).toString('utf8'), end + 1];
}

function replicationMode(value: string): StartupRequest['replication'] {
  if (value === 'database') return 'database';
  const on = parseBool(value);
  if (on === undefined) {
    fatal(
      SQLSTATE.invalidParameterValue,
      `invalid value for parameter "replication": "${value}"`,
      'Valid values are: "false", 0, "true", 1, "database".',
    );
  }
  return on === true ? 'physical' : 'none';
}

/** Body of NegotiateProtocolVersion, or undefined when the client asked for nothing that we lack. */
export function negotiateProtocolVersion(request: StartupRequest): Uint8Array | undefined {
  const names = request.unknownProtocolOptions;
  if ((request.protocol & 0xffff) === 0 && names.length === 0) return undefined;
  const head = Buffer.alloc(8);
  head.writeUInt32BE(PROTOCOL_LATEST, 0);
  head.writeUInt32BE(names.length, 4);
  return Buffer.concat([head, ...names.map((name) => Buffer.from(`${name}\0`, 'utf8'))]);
}

/** An error as clients before 3.0 read it: `E`, text, newline, NUL, without a length. */
export const unframedError = (message: string): Uint8Array => Buffer.from(`EFATAL:  ${message}\n\0`, 'utf8');
