/** messages.ts — every message of protocol 3.0: its type byte, and for the client's messages how long one may be.
 *
 *  Counterpart: src/include/libpq/protocol.h, SocketBackend() of src/backend/tcop/postgres.c */

/** What small, fixed-shape messages may carry: names of portals and statements. */
export const SMALL_MESSAGE_LIMIT = 10_000;
/** Largest allocation PostgreSQL makes, less one byte for the terminator it adds. */
export const LARGE_MESSAGE_LIMIT = 0x3fff_fffe;
/** Password, SASL and GSS responses. */
export const AUTH_MESSAGE_LIMIT = 65_535;
/** Startup, cancel and negotiation packets. */
export const STARTUP_PACKET_LIMIT = 10_000;

const code = (letter: string): number => letter.charCodeAt(0);

/** Server → client. */
export const BACKEND = {
  authentication: code('R'),
  backendKeyData: code('K'),
  bindComplete: code('2'),
  closeComplete: code('3'),
  commandComplete: code('C'),
  copyBothResponse: code('W'),
  copyData: code('d'),
  copyDone: code('c'),
  copyInResponse: code('G'),
  copyOutResponse: code('H'),
  dataRow: code('D'),
  emptyQueryResponse: code('I'),
  errorResponse: code('E'),
  functionCallResponse: code('V'),
  negotiateProtocolVersion: code('v'),
  noData: code('n'),
  noticeResponse: code('N'),
  notificationResponse: code('A'),
  parameterDescription: code('t'),
  parameterStatus: code('S'),
  parseComplete: code('1'),
  portalSuspended: code('s'),
  readyForQuery: code('Z'),
  rowDescription: code('T'),
} as const satisfies Record<string, number>;

/** Client → server. */
export const FRONTEND = {
  bind: code('B'),
  close: code('C'),
  copyData: code('d'),
  copyDone: code('c'),
  copyFail: code('f'),
  describe: code('D'),
  execute: code('E'),
  flush: code('H'),
  functionCall: code('F'),
  parse: code('P'),
  password: code('p'),
  query: code('Q'),
  sync: code('S'),
  terminate: code('X'),
} as const satisfies Record<string, number>;

export interface FrontendMessageRule {
  readonly limit: number;
  /** Belongs to the extended protocol: an error makes the session skip to the next Sync. undefined leaves that as it is. */
  readonly extended: boolean | undefined;
  /** Ends the skipping of messages after an error while it is being read. */
  readonly endsSkipping: boolean;
}

const RULES = {
  query: { limit: LARGE_MESSAGE_LIMIT, extended: false, endsSkipping: false },
  functionCall: { limit: LARGE_MESSAGE_LIMIT, extended: false, endsSkipping: false },
  terminate: { limit: SMALL_MESSAGE_LIMIT, extended: false, endsSkipping: true },
  bind: { limit: LARGE_MESSAGE_LIMIT, extended: true, endsSkipping: false },
  parse: { limit: LARGE_MESSAGE_LIMIT, extended: true, endsSkipping: false },
  close: { limit: SMALL_MESSAGE_LIMIT, extended: true, endsSkipping: false },
  describe: { limit: SMALL_MESSAGE_LIMIT, extended: true, endsSkipping: false },
  execute: { limit: SMALL_MESSAGE_LIMIT, extended: true, endsSkipping: false },
  flush: { limit: SMALL_MESSAGE_LIMIT, extended: true, endsSkipping: false },
  sync: { limit: SMALL_MESSAGE_LIMIT, extended: false, endsSkipping: true },
  copyData: { limit: LARGE_MESSAGE_LIMIT, extended: false, endsSkipping: false },
  copyDone: { limit: SMALL_MESSAGE_LIMIT, extended: false, endsSkipping: false },
  copyFail: { limit: SMALL_MESSAGE_LIMIT, extended: false, endsSkipping: false },
} as const satisfies Record<Exclude<keyof typeof FRONTEND, 'password'>, FrontendMessageRule>;

const byType: (FrontendMessageRule | undefined)[] = new Array(256).fill(undefined);
for (const [name, rule] of Object.entries(RULES)) byType[FRONTEND[name as keyof typeof RULES]] = rule;

/** The rule of a message that the main loop may receive; undefined for a byte that is no such message. */
export const frontendMessageRule = (type: number): FrontendMessageRule | undefined => byType[type];
