/** log-csv.ts — csvlog: one record of 26 columns per event, as file_fdw and COPY … CSV read them back.
 *
 *  Texts are always quoted, numbers, times and ids never; what is absent is empty.
 *  Counterpart: src/backend/utils/error/csvlog.c */
import type { LogContext } from '#runtime/error/log-context.ts';
import { sessionId } from '#runtime/error/log-context.ts';
import type { LogEntry } from '#runtime/error/log-entry.ts';
import { detailOf, locationOf } from '#runtime/error/log-entry.ts';
import { formatLogSeconds, formatLogTime } from '#runtime/error/log-time.ts';

const quoted = (text: string | undefined): string => (text === undefined ? '' : `"${text.replaceAll('"', '""')}"`);
const positive = (n: number | undefined): string => (n === undefined || n <= 0 ? '' : String(n));

let lineNumber = 0;
let numberedPid = -1;

export function formatLogCsv(entry: LogEntry, context: LogContext): string {
  if (numberedPid !== context.pid) {
    numberedPid = context.pid;
    lineNumber = 0;
  }
  lineNumber++;
  const { fields } = entry;
  const host = context.remoteHost;
  const connection = context.remotePort === '' || host === undefined ? host : `${host}:${context.remotePort}`;
  const shown = entry.statement;
  const columns = [
    formatLogTime(entry.unixMs),
    quoted(context.session ? context.user : undefined),
    quoted(context.session ? context.database : undefined),
    String(context.pid),
    quoted(context.session ? connection : undefined),
    sessionId(context),
    String(lineNumber),
    context.session ? quoted(context.psActivity()) : '',
    formatLogSeconds(context.startSeconds),
    context.virtualTransactionId(),
    String(context.transactionId()),
    entry.severity,
    entry.code,
    quoted(fields.message),
    quoted(detailOf(fields)),
    quoted(fields.hint),
    quoted(fields.internalQuery),
    fields.internalQuery === undefined ? '' : positive(fields.internalPosition),
    quoted(fields.context),
    quoted(shown),
    shown === undefined ? '' : positive(fields.position),
    entry.verbosity === 'verbose' ? quoted(locationOf(entry)) : '',
    quoted(context.applicationName),
    quoted(context.backendType),
    positive(context.leaderPid),
    String(context.queryId()),
  ];
  return `${columns.join(',')}\n`;
}
