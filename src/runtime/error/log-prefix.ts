/** log-prefix.ts — log_line_prefix: `%m [%p] ` and all its escapes, with widths (`%-10u`, `%5l`).
 *
 *  A prefix is compiled once into a list of parts and kept until the setting changes. What is empty outside a session
 *  still takes its width; %q ends the prefix there.
 *  Counterpart: log_line_prefix(), log_status_format() of src/backend/utils/error/elog.c */
import type { LogContext } from '#runtime/error/log-context.ts';
import { sessionId } from '#runtime/error/log-context.ts';
import { formatLogSeconds, formatLogTime } from '#runtime/error/log-time.ts';
import type { SqlState } from '#runtime/error/sqlstate.ts';

/** What one entry adds to the process's facts. */
export interface PrefixFacts {
  readonly unixMs: number;
  readonly code: SqlState;
  readonly lineNumber: number;
}
type Escape = (context: LogContext, facts: PrefixFacts) => string;

const UNKNOWN = '[unknown]';
const orUnknown = (text: string | undefined): string => (text === undefined || text === '' ? UNKNOWN : text);

/** Escapes that mean something only in a session are '' elsewhere. */
const ofSession =
  (text: Escape): Escape =>
  (context, facts) =>
    context.session ? text(context, facts) : '';

const ESCAPES: Readonly<Record<string, Escape>> = {
  a: ofSession((c) => orUnknown(c.applicationName)),
  b: (c) => c.backendType,
  u: ofSession((c) => orUnknown(c.user)),
  d: ofSession((c) => orUnknown(c.database)),
  c: (c) => sessionId(c),
  p: (c) => String(c.pid),
  P: (c) => (c.leaderPid === undefined ? '' : String(c.leaderPid)),
  l: (_, f) => String(f.lineNumber),
  m: (_, f) => formatLogTime(f.unixMs),
  t: (_, f) => formatLogSeconds(Math.floor(f.unixMs / 1000)),
  n: (_, f) => `${Math.floor(f.unixMs / 1000)}.${String(Math.floor(f.unixMs) % 1000).padStart(3, '0')}`,
  s: (c) => formatLogSeconds(c.startSeconds),
  i: ofSession((c) => c.psActivity()),
  r: ofSession((c) => {
    const host = c.remoteHost ?? '';
    return c.remotePort === '' ? host : `${host}(${c.remotePort})`;
  }),
  h: ofSession((c) => c.remoteHost ?? ''),
  v: (c) => c.virtualTransactionId(),
  x: (c) => String(c.transactionId()),
  e: (_, f) => f.code,
  Q: (c) => String(c.queryId()),
};

/** %q: here ends the prefix of a process without a session. */
const STOP = Symbol('%q');
type Part = string | { readonly text: Escape; readonly width: number } | typeof STOP;

function compile(prefix: string): readonly Part[] {
  const parts: Part[] = [];
  let literal = '';
  const endLiteral = (): void => {
    if (literal !== '') parts.push(literal);
    literal = '';
  };
  for (let at = 0; at < prefix.length; at++) {
    const ch = prefix.charAt(at);
    if (ch !== '%') {
      literal += ch;
      continue;
    }
    if (prefix.charAt(at + 1) === '%') {
      literal += '%';
      at++;
      continue;
    }
    const found = /^(-?)(\d*)(.)/su.exec(prefix.slice(at + 1));
    // A width or a % without its letter ends the prefix, as in PostgreSQL.
    if (found === null) break;
    at += found[0].length;
    const letter = found[3] ?? '';
    endLiteral();
    if (letter === 'q') parts.push(STOP);
    const text = ESCAPES[letter];
    if (text !== undefined) parts.push({ text, width: Number(found[2]) * (found[1] === '-' ? -1 : 1) });
  }
  endLiteral();
  return parts;
}

let compiledFrom = '';
let compiled: readonly Part[] = [];

const pad = (text: string, width: number): string =>
  width === 0 ? text : width > 0 ? text.padStart(width) : text.padEnd(-width);

export function formatLogPrefix(prefix: string, context: LogContext, facts: PrefixFacts): string {
  if (prefix !== compiledFrom) {
    compiled = compile(prefix);
    compiledFrom = prefix;
  }
  let out = '';
  for (const part of compiled) {
    if (typeof part === 'string') out += part;
    else if (part === STOP) {
      if (!context.session) break;
    } else out += pad(part.text(context, facts), part.width);
  }
  return out;
}
