/** sinks.ts — where events go: to the server's log, to the client, or nowhere.
 *
 *  Which is decided by log_min_messages and client_min_messages (log-entry.ts). Formats: stderr (log-line.ts), csvlog, jsonlog. The two latter need the logger; without
 *  it such an entry is written to stderr in stderr's format. Writing never fails for the caller: an entry that a full
 *  disk, a full pipe or a closed standard error does not take is lost, and the process lives on.
 *  Counterpart: EmitErrorReport(), should_output_to_server(), send_message_to_server_log() of elog.c */
import { unixSeconds } from '#platform/clock.ts';
import { native } from '#platform/native.ts';
import { psActivity } from '#runtime/activity/ps-title.ts';
import { logContext } from '#runtime/error/log-context.ts';
import { formatLogCsv } from '#runtime/error/log-csv.ts';
import type { LogEntry, Verbosity } from '#runtime/error/log-entry.ts';
import { codeOf, reachesClient, reachesLog, severityText } from '#runtime/error/log-entry.ts';
import { formatLogJson } from '#runtime/error/log-json.ts';
import { formatLogLines } from '#runtime/error/log-line.ts';
import type { LogDestination } from '#runtime/error/log-pipe.ts';
import { LOG_DESTINATIONS, logDestinations, writePipeChunks } from '#runtime/error/log-pipe.ts';
import { followLogTimeZone } from '#runtime/error/log-time.ts';
import type { Emit, ErrorFields, Level } from '#runtime/error/report.ts';
import { reportHooks } from '#runtime/error/report.ts';
import { sourceLocation } from '#runtime/error/source-location.ts';
import { settings } from '#runtime/guc/guc.ts';
import { myProcess } from '#runtime/my-process.ts';

const STDERR = 2;
const encoder = new TextEncoder();

let clientSink: Emit | undefined;
/** Registered by a session with a client; undefined when the client is gone. */
export function setClientSink(sink: Emit | undefined): void {
  clientSink = sink;
}

/** The logger's own entries: it is the end of the pipe, so it writes to its file. */
let loggerSink: ((destination: LogDestination, bytes: Uint8Array) => void) | undefined;
export function setLoggerSink(sink: typeof loggerSink): void {
  loggerSink = sink;
}

/** Plain write to standard error: what is not taken (EPIPE, ENOSPC, EAGAIN, EBADF) is given up. */
export function writeStderr(text: string): void {
  const bytes = encoder.encode(text);
  let at = 0;
  while (at < bytes.length) {
    const written = native.writeBytes(STDERR, bytes, at, bytes.length - at);
    if (written <= 0) return;
    at += written;
  }
}

function sendToPipe(destination: LogDestination, text: string): void {
  writePipeChunks(encoder.encode(text), logContext.pid, destination, (chunk, length) => {
    native.writeBytes(STDERR, chunk, 0, length);
  });
}

function write(destination: LogDestination, text: string): void {
  if (loggerSink !== undefined) {
    if (destination === 'stderr') writeStderr(text);
    loggerSink(destination, encoder.encode(text));
  } else if (logContext.redirected) sendToPipe(destination, text);
  else writeStderr(text);
}

function refreshFacts(): void {
  followLogTimeZone(settings.log_timezone);
  logContext.pid = myProcess.pid;
  logContext.startSeconds = unixSeconds(myProcess.startTime);
  // A client process is one only when the startup packet has said so.
  const unknown = logContext.session && logContext.user === undefined;
  logContext.backendType = unknown ? 'not initialized' : myProcess.backendType;
  logContext.applicationName = settings.application_name;
}

function toLog(level: Level, fields: ErrorFields): void {
  refreshFacts();
  const shows = fields.hideStatement !== true && reachesLog(level, settings.log_min_error_statement);
  const entry: LogEntry = {
    level,
    severity: severityText(level),
    code: codeOf(level, fields),
    fields,
    unixMs: native.realtimeUs() / 1000,
    verbosity: settings.log_error_verbosity as Verbosity,
    statement: shows ? logContext.statement : undefined,
    location: settings.log_error_verbosity === 'verbose' ? sourceLocation(fields) : undefined,
  };
  const wanted = logDestinations(settings.log_destination);
  const collected = logContext.redirected || loggerSink !== undefined;
  let needsStderr = wanted.has('stderr');
  for (const destination of LOG_DESTINATIONS) {
    if (destination === 'stderr' || !wanted.has(destination)) continue;
    if (!collected) needsStderr = true;
    else
      write(destination, destination === 'csvlog' ? formatLogCsv(entry, logContext) : formatLogJson(entry, logContext));
  }
  if (needsStderr) write('stderr', formatLogLines(entry, settings.log_line_prefix, logContext));
}

function emit(level: Level, fields: ErrorFields): void {
  if (reachesLog(level, settings.log_min_messages)) toLog(level, fields);
  if (clientSink !== undefined && reachesClient(level, settings.client_min_messages, logContext.clientAuthInProgress)) {
    clientSink(level, fields);
  }
}

/** From here on report() obeys the settings. */
export function installLogSink(): void {
  logContext.psActivity = psActivity;
  reportHooks.emit = emit;
}
