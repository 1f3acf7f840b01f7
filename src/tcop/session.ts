/** session.ts — the main loop of a connected session: read a message, act on it, say when ready for the next.
 *
 *  An ERROR anywhere below ends in `recover`: report it, roll back, and skip to the next point where client and server
 *  agree again (the next message, or Sync in the extended protocol). FATAL and the client's goodbye do not return here:
 *  they leave through exitProcess.
 *  Counterpart: PostgresMain(), SocketBackend() of src/backend/tcop/postgres.c */
import { BACKEND, FRONTEND, frontendMessageRule } from '#libpq/messages.ts';
import { writeErrorMessage } from '#libpq/error-message.ts';
import type { Port } from '#libpq/port.ts';
import { SIGNAL } from '#platform/native.ts';
import { activityHooks } from '#runtime/activity/activity-hooks.ts';
import { logContext } from '#runtime/error/log-context.ts';
import { type ErrorFields, type Level, report, reportHooks, toPgError } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import {
  beginReportingParameters,
  changedReportedParameters,
  type ReportedParameter,
} from '#runtime/guc/guc-report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { registerGucHooks } from '#runtime/guc/records.ts';
import { checkForInterrupts, holdInterrupts, resetInterruptHoldoffs, takeSignal } from '#runtime/interrupts.ts';
import { disableAllTimeouts, disableTimeout, enableTimeoutAfter, TIMEOUT } from '#runtime/timeouts.ts';
import { catchupInterruptPending } from '#storage/ipc/sinval.ts';
import { acceptPendingInvalidations } from '#storage/lmgr/lmgr.ts';
import { adoptClientEncoding } from '#tcop/client-encoding.ts';
import { execBind, execClose, execDescribe, execExecute, execParse } from '#tcop/extended-query.ts';
import { execFunctionCall } from '#tcop/function-call.ts';
import { diePending } from '#tcop/interrupts-backend.ts';
import { checkReplicationCommand, checkReplicationMessage } from '#tcop/replication-session.ts';
import { session } from '#tcop/session-state.ts';
import { execSimpleQuery } from '#tcop/simple-query.ts';
import { finishXactCommand, startXactCommand } from '#tcop/xact-command.ts';
import {
  abortCurrentTransaction,
  commitTransactionCommand,
  isAbortedTransactionBlockState,
  isTransactionOrTransactionBlock,
  isTransactionState,
  setStatementTimestamp,
  startTransactionCommand,
  statementTimestamp,
  transactionBlockStatus,
} from '#transam/xact.ts';

/** What the main loop needs of layers that come in later, or that the process's entry knows. */
export const sessionHooks: {
  /** SIGHUP was received. */
  reloadConfiguration: () => void;
  /** Before the session turns idle: notifications that wait, statistics. Returns milliseconds until statistics that were
   *  put off should be sent, 0 if none were. */
  beforeIdle: () => number;
  /** After an error was rolled back (replication slots of walsenders). */
  afterError: () => void;
  exit: (code: number) => never;
} = {
  reloadConfiguration() {},
  beforeIdle: () => 0,
  afterError() {},
  exit: (code) => reportHooks.exitProcess(code),
};

registerGucHooks('application_name', {
  assign(name) {
    logContext.applicationName = name;
    activityHooks.reportApplicationName(name);
  },
});

const EOF = -1;
let readyDue = true;
let idleInTransactionTimeoutEnabled = false;
let idleSessionTimeoutEnabled = false;
let idleStatsTimeoutEnabled = false;

// ── output that is not rows ──────────────────────────────────────────────────────────────────────────────────────

/** Errors and notices for the client. A message in the making is put after it. */
export function sendErrorToClient(level: Level, fields: ErrorFields): void {
  const { port } = session;
  if (port === null || !session.sendToClient || port.fd < 0) return;
  const { writer } = port;
  const partial = writer.detach();
  try {
    writeErrorMessage(writer, level, fields);
  } catch (caught) {
    // The text cannot be said in the client's encoding: say at least that, in ASCII.
    writer.abandon();
    writeErrorMessage(writer, level, { code: fields.code, message: toPgError(caught).message });
  }
  if (partial !== null) writer.reattach(partial);
  port.flush();
}

export function sendParameterStatus(port: Port, list: readonly ReportedParameter[]): void {
  for (const [name, value] of list) {
    port.writer.begin(BACKEND.parameterStatus);
    port.writer.cstring(name);
    port.writer.cstring(value);
    port.writer.end();
  }
}
/** The ParameterStatus block of a new session. */
export function sendInitialParameters(port: Port): void {
  sendParameterStatus(port, beginReportingParameters());
}
export function sendBackendKeyData(port: Port, pid: number, key: number): void {
  port.writer.begin(BACKEND.backendKeyData);
  port.writer.int32(pid);
  port.writer.int32(key);
  port.writer.end();
}

// ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Next message's type; its body is in port.reader. EOF when the client is gone. */
function readCommand(port: Port): number {
  const { reader } = port;
  const type = reader.readByte();
  if (type < 0) {
    if (isTransactionState())
      report('LOG_SERVER_ONLY', {
        code: SQLSTATE.connectionFailure,
        message: 'unexpected EOF on client connection with an open transaction',
      });
    else {
      // Nobody listens any more.
      session.sendToClient = false;
      report('DEBUG1', {
        code: SQLSTATE.connectionDoesNotExist,
        message: 'unexpected EOF on client connection',
      });
    }
    return EOF;
  }
  reader.startMessage();
  const rule = frontendMessageRule(type);
  if (rule === undefined)
    return report('FATAL', {
      code: SQLSTATE.protocolViolation,
      message: `invalid frontend message type ${type}`,
    });
  session.doingExtendedQueryMessage = rule.extended ?? session.doingExtendedQueryMessage;
  if (rule.endsSkipping) session.ignoreTillSync = false;
  return reader.readMessage(rule.limit) ? type : EOF;
}

/** Port hook: interrupts while reading. Waiting for a command everything may be acted upon; in the middle of a command
 *  only termination. */
export function processReadInterrupt(blocked: boolean): void {
  // Before the client is let in nothing but timeouts and termination can come, and a silent client must not hold them up.
  if (session.doingCommandRead || session.clientAuthInProgress) {
    if (blocked) {
      checkForInterrupts();
      if (session.doingCommandRead && catchupInterruptPending()) catchUpWithInvalidations();
    }
  } else if (blocked && diePending()) checkForInterrupts();
}
/** Others wait for us to read the queue of invalidation messages; the start of a transaction does that. */
function catchUpWithInvalidations(): void {
  if (isTransactionOrTransactionBlock()) acceptPendingInvalidations();
  else {
    startTransactionCommand();
    commitTransactionCommand();
  }
}
/** Port hook: interrupts while sending. The client may never read again, so nothing more is said to it. */
export function processWriteInterrupt(blocked: boolean): void {
  if (!blocked || !diePending()) return;
  session.sendToClient = false;
  checkForInterrupts();
}

// ── one turn ─────────────────────────────────────────────────────────────────────────────────────────────────────

function becomeReady(port: Port): void {
  if (isTransactionOrTransactionBlock()) {
    const state = isAbortedTransactionBlockState() ? 'idle in transaction (aborted)' : 'idle in transaction';
    activityHooks.setPsDisplay(state);
    activityHooks.reportActivity(state, null, 0);
    if (settings.idle_in_transaction_session_timeout > 0) {
      idleInTransactionTimeoutEnabled = true;
      enableTimeoutAfter(TIMEOUT.idleInTransactionSession, settings.idle_in_transaction_session_timeout);
    }
  } else {
    const statisticsDelay = sessionHooks.beforeIdle();
    if (statisticsDelay > 0) {
      if (!idleStatsTimeoutEnabled) {
        idleStatsTimeoutEnabled = true;
        enableTimeoutAfter(TIMEOUT.idleStatsUpdate, statisticsDelay);
      }
    } else if (idleStatsTimeoutEnabled) {
      idleStatsTimeoutEnabled = false;
      disableTimeout(TIMEOUT.idleStatsUpdate);
    }
    activityHooks.setPsDisplay('idle');
    activityHooks.reportActivity('idle', null, 0);
    if (settings.idle_session_timeout > 0) {
      idleSessionTimeoutEnabled = true;
      enableTimeoutAfter(TIMEOUT.idleSession, settings.idle_session_timeout);
    }
  }
  adoptClientEncoding(port);
  const changed = changedReportedParameters();
  if (changed.length > 0) sendParameterStatus(port, changed);
  const { writer } = port;
  writer.begin(BACKEND.readyForQuery);
  writer.int8(transactionBlockStatus().charCodeAt(0));
  writer.end();
  port.flush();
  readyDue = false;
}

function cancelIdleTimeouts(): void {
  if (idleInTransactionTimeoutEnabled) {
    disableTimeout(TIMEOUT.idleInTransactionSession);
    idleInTransactionTimeoutEnabled = false;
  }
  if (idleSessionTimeoutEnabled) {
    disableTimeout(TIMEOUT.idleSession);
    idleSessionTimeoutEnabled = false;
  }
}

function turn(port: Port): void {
  session.doingExtendedQueryMessage = false;
  if (readyDue) becomeReady(port);
  session.doingCommandRead = true;
  const type = readCommand(port);
  if (idleInTransactionTimeoutEnabled || idleSessionTimeoutEnabled) cancelIdleTimeouts();
  // A cancel that came too late is swallowed here.
  checkForInterrupts();
  session.doingCommandRead = false;
  if (takeSignal(SIGNAL.HUP)) sessionHooks.reloadConfiguration();
  if (session.ignoreTillSync && type !== EOF) return;
  dispatch(port, type);
}

function dispatch(port: Port, type: number): void {
  const { reader } = port;
  checkReplicationMessage(port, type);
  switch (type) {
    case FRONTEND.query: {
      const text = reader.getString();
      reader.getEnd();
      checkReplicationCommand(port, text);
      execSimpleQuery(port, text);
      readyDue = true;
      return;
    }
    case FRONTEND.parse:
      execParse(port, reader);
      return;
    case FRONTEND.bind:
      execBind(port, reader);
      return;
    case FRONTEND.execute:
      execExecute(port, reader);
      return;
    case FRONTEND.describe:
      execDescribe(port, reader);
      return;
    case FRONTEND.close:
      execClose(port, reader);
      return;
    case FRONTEND.functionCall:
      functionCall(port);
      return;
    case FRONTEND.flush:
      reader.getEnd();
      port.flush();
      return;
    case FRONTEND.sync:
      reader.getEnd();
      finishXactCommand();
      readyDue = true;
      return;
    case EOF:
    case FRONTEND.terminate:
      session.sendToClient = false;
      sessionHooks.exit(0);
      return;
    case FRONTEND.copyData:
    case FRONTEND.copyDone:
    case FRONTEND.copyFail:
      // Left over from a COPY that failed: the client could not know.
      return;
    default:
      report('FATAL', { code: SQLSTATE.protocolViolation, message: `invalid frontend message type ${type}` });
  }
}

function functionCall(port: Port): void {
  setStatementTimestamp();
  activityHooks.reportActivity('fastpath function call', null, statementTimestamp());
  activityHooks.setPsDisplay('<FASTPATH>');
  startXactCommand();
  execFunctionCall(port, port.reader);
  finishXactCommand();
  readyDue = true;
}

/** After an ERROR: tell, roll back, find a place to go on from. */
function recover(port: Port, caught: unknown): void {
  holdInterrupts();
  disableAllTimeouts();
  session.stmtTimeoutActive = false;
  idleInTransactionTimeoutEnabled = false;
  idleSessionTimeoutEnabled = false;
  idleStatsTimeoutEnabled = false;
  session.queryCancelPending = false;
  session.doingCommandRead = false;
  port.writer.abandon();
  const error = toPgError(caught);
  reportHooks.emit('ERROR', error.fields);
  session.queryText = null;
  logContext.statement = undefined;
  abortCurrentTransaction();
  sessionHooks.afterError();
  if (session.doingExtendedQueryMessage) session.ignoreTillSync = true;
  session.xactStarted = false;
  if (port.reader.isReadingMessage)
    report('FATAL', {
      code: SQLSTATE.protocolViolation,
      message: 'terminating connection because protocol synchronization was lost',
    });
  resetInterruptHoldoffs();
  if (!session.ignoreTillSync) readyDue = true;
}

/** Serves the connection until it ends. */
export function runSession(port: Port): never {
  readyDue = true;
  adoptClientEncoding(port);
  for (;;) {
    try {
      for (;;) turn(port);
    } catch (caught) {
      if (!recoverable(caught)) throw caught;
      recover(port, caught);
    }
  }
}
/** Tests replace exitProcess by something that throws: that must get out. */
const recoverable = (caught: unknown): boolean => !(caught instanceof SessionExit);
export class SessionExit extends Error {
  override readonly name = 'SessionExit';
  constructor(readonly code: number) {
    super(`session ended with code ${code}`);
  }
}
