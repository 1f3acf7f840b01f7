/** log-json.ts — jsonlog: one JSON object per event, PostgreSQL's keys in PostgreSQL's order, absent facts left out.
 *
 *  Written by a synchronous pino instance without its own level, time and message keys: pino's serializer is fast and
 *  its output for strings is JSON's minimal escaping, which is PostgreSQL's. It is loaded when the first entry is
 *  written, so only a process that logs JSON pays for it. The two other formats are no JSON, which is all that pino
 *  writes, and are formatted by log-line.ts and log-csv.ts.
 *  Counterpart: src/backend/utils/error/jsonlog.c */
import { requirePackage } from '#platform/require-package.ts';
import type { LogContext } from '#runtime/error/log-context.ts';
import { sessionId } from '#runtime/error/log-context.ts';
import type { LogEntry } from '#runtime/error/log-entry.ts';
import { detailOf } from '#runtime/error/log-entry.ts';
import { formatLogSeconds, formatLogTime } from '#runtime/error/log-time.ts';
import type { pino as pinoFactory } from 'pino';

type JsonFields = Readonly<Record<string, string | number | bigint | undefined>>;

let lineNumber = 0;
let numberedPid = -1;
let written = '';
let timestamp = '';
let writeJson: ((object: JsonFields) => void) | undefined;

function loadPino(): (object: JsonFields) => void {
  const { pino } = requirePackage('pino') as { pino: typeof pinoFactory };
  const logger = pino(
    // An empty level object leaves `{`; what `timestamp` returns comes next, so it needs no comma of its own.
    { base: null, timestamp: () => `"timestamp":"${timestamp}"`, formatters: { level: () => ({}) } },
    { write: (line: string) => void (written = line) },
  );
  return (object) => logger.info(object);
}

const positive = (n: number | undefined): number | undefined => (n === undefined || n <= 0 ? undefined : n);
const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text);

function jsonFields(entry: LogEntry, context: LogContext): JsonFields {
  const { fields } = entry;
  const session = context.session;
  const verbose = entry.verbosity === 'verbose';
  return {
    user: session ? context.user : undefined,
    dbname: session ? context.database : undefined,
    pid: context.pid,
    remote_host: session ? context.remoteHost : undefined,
    remote_port: session && context.remotePort !== '' ? Number(context.remotePort) : undefined,
    session_id: sessionId(context),
    line_num: lineNumber,
    ps: session ? context.psActivity() : undefined,
    session_start: formatLogSeconds(context.startSeconds),
    vxid: nonEmpty(context.virtualTransactionId()),
    txid: context.transactionId(),
    error_severity: entry.severity,
    state_code: entry.code === '00000' ? undefined : entry.code,
    message: fields.message,
    detail: detailOf(fields),
    hint: fields.hint,
    internal_query: fields.internalQuery,
    internal_position: fields.internalQuery === undefined ? undefined : positive(fields.internalPosition),
    context: fields.context,
    statement: entry.statement,
    cursor_position: entry.statement === undefined ? undefined : positive(fields.position),
    func_name: verbose ? entry.location?.routine : undefined,
    file_name: verbose ? entry.location?.file : undefined,
    file_line_num: verbose ? entry.location?.line : undefined,
    application_name: nonEmpty(context.applicationName),
    backend_type: context.backendType,
    leader_pid: positive(context.leaderPid),
    query_id: context.queryId(),
  };
}

export function formatLogJson(entry: LogEntry, context: LogContext): string {
  if (numberedPid !== context.pid) {
    numberedPid = context.pid;
    lineNumber = 0;
  }
  lineNumber++;
  writeJson ??= loadPino();
  timestamp = formatLogTime(entry.unixMs);
  writeJson(jsonFields(entry, context));
  return written;
}
