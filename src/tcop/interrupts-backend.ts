/** interrupts-backend.ts — what a session does about signals: die, cancel, timeouts, lost clients, barriers.
 *
 *  Runs inside checkForInterrupts(), so anywhere in a query. It may throw (cancel) or not return (termination). The order
 *  matters: termination trumps everything; a cancel that arrives while the session waits for a command is forgotten.
 *  Counterpart: ProcessInterrupts() of src/backend/tcop/postgres.c */
import { SIGNAL } from '#platform/native.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import {
  cancelHeldOff,
  clearInterruptPending,
  interruptsCanBeProcessed,
  raiseInterrupt,
  setInterruptHandler,
  signalPending,
  takeSignal,
} from '#runtime/interrupts.ts';
import {
  enableTimeoutAfter,
  handleTimeouts,
  registerTimeout,
  TIMEOUT,
  timeoutFinishTime,
  timeoutIndicator,
} from '#runtime/timeouts.ts';
import { session } from '#tcop/session-state.ts';
import { isTransactionOrTransactionBlock } from '#transam/xact.ts';

/** What kinds of processes answer differently, and what lies in other layers. */
export const backendInterruptHooks: {
  /** Message of the FATAL 57P01 that ends this process on SIGTERM. */
  terminationMessage: () => string;
  /** SIGUSR1: reasons of ProcSignal (barriers, catch-up, notifications, logging of memory contexts). */
  processProcSignal: () => void;
  /** Pending reasons that processProcSignal only noted. */
  processPendingReasons: () => void;
  /** Reports statistics that were put off. */
  flushStatistics: () => void;
} = {
  terminationMessage: () => 'terminating connection due to administrator command',
  processProcSignal() {},
  processPendingReasons() {},
  flushStatistics() {},
};

/** Timeouts that sessions know. Those that cancel raise the same flag as SIGINT does. */
export function registerSessionTimeouts(): void {
  const cancel = (): void => {
    session.queryCancelPending = true;
    raiseInterrupt();
  };
  const flag =
    (
      name:
        | 'idleInTransactionTimeoutPending'
        | 'idleSessionTimeoutPending'
        | 'idleStatsUpdateTimeoutPending'
        | 'checkClientConnectionPending',
    ) =>
    (): void => {
      session[name] = true;
      raiseInterrupt();
    };
  registerTimeout(TIMEOUT.statement, () => {
    // Until the client is authenticated the same timer limits the exchange, and then it ends the process.
    if (session.clientAuthInProgress) session.procDiePending = true;
    else session.queryCancelPending = true;
    raiseInterrupt();
  });
  registerTimeout(TIMEOUT.lock, cancel);
  registerTimeout(TIMEOUT.idleInTransactionSession, flag('idleInTransactionTimeoutPending'));
  registerTimeout(TIMEOUT.idleSession, flag('idleSessionTimeoutPending'));
  registerTimeout(TIMEOUT.idleStatsUpdate, flag('idleStatsUpdateTimeoutPending'));
  registerTimeout(TIMEOUT.clientConnectionCheck, flag('checkClientConnectionPending'));
}

export function installBackendInterrupts(): void {
  setInterruptHandler(processInterrupts);
}

/** SIGTERM has arrived and was not acted upon. */
export const diePending = (): boolean => session.procDiePending || signalPending(SIGNAL.TERM);

/** Turns the counters of signals into flags; fires timeouts. */
function collectSignals(): void {
  if (takeSignal(SIGNAL.ALRM)) handleTimeouts();
  if (takeSignal(SIGNAL.TERM)) session.procDiePending = true;
  if (takeSignal(SIGNAL.INT)) session.queryCancelPending = true;
  if (takeSignal(SIGNAL.USR1)) backendInterruptHooks.processProcSignal();
}

export function processInterrupts(): void {
  if (!interruptsCanBeProcessed()) return;
  clearInterruptPending();
  collectSignals();
  if (session.procDiePending) die();
  if (session.checkClientConnectionPending) checkClientConnection();
  if (session.port?.connectionLost === true) loseClient();
  if (session.queryCancelPending) cancel();
  if (session.idleInTransactionTimeoutPending) idleInTransactionTimeout();
  if (session.idleSessionTimeoutPending) idleSessionTimeout();
  if (session.idleStatsUpdateTimeoutPending) {
    session.idleStatsUpdateTimeoutPending = false;
    if (session.doingCommandRead && !isTransactionOrTransactionBlock()) backendInterruptHooks.flushStatistics();
  }
  backendInterruptHooks.processPendingReasons();
}

function die(): never {
  session.procDiePending = false;
  session.queryCancelPending = false;
  if (session.clientAuthInProgress) {
    // Nothing is sent: the client may be in the middle of an exchange that an error would confuse.
    session.sendToClient = false;
    report('FATAL', { code: SQLSTATE.queryCanceled, message: 'canceling authentication due to timeout' });
  }
  return report('FATAL', { code: SQLSTATE.adminShutdown, message: backendInterruptHooks.terminationMessage() });
}

function checkClientConnection(): void {
  session.checkClientConnectionPending = false;
  const { port } = session;
  if (port === null || session.doingCommandRead || settings.client_connection_check_interval <= 0) return;
  if (port.fd < 0 || port.socket.peerClosed(port.fd) !== 0) port.connectionLost = true;
  else enableTimeoutAfter(TIMEOUT.clientConnectionCheck, settings.client_connection_check_interval);
}

function loseClient(): never {
  session.queryCancelPending = false;
  session.sendToClient = false;
  return report('FATAL', { code: SQLSTATE.connectionFailure, message: 'connection to client lost' });
}

function cancel(): void {
  if (cancelHeldOff()) {
    // In the middle of a message: the error would lose our place in the stream. The flag stays; whoever ends the
    // hold-off raises the interrupt again.
    return;
  }
  session.queryCancelPending = false;
  let lockTimeout = timeoutIndicator(TIMEOUT.lock, true);
  let statementTimeout = timeoutIndicator(TIMEOUT.statement, true);
  if (lockTimeout && statementTimeout) {
    if (timeoutFinishTime(TIMEOUT.statement) < timeoutFinishTime(TIMEOUT.lock)) lockTimeout = false;
    else statementTimeout = false;
  }
  if (lockTimeout)
    report('ERROR', { code: SQLSTATE.lockNotAvailable, message: 'canceling statement due to lock timeout' });
  if (statementTimeout)
    report('ERROR', { code: SQLSTATE.queryCanceled, message: 'canceling statement due to statement timeout' });
  if (!session.doingCommandRead)
    report('ERROR', { code: SQLSTATE.queryCanceled, message: 'canceling statement due to user request' });
}

function idleInTransactionTimeout(): void {
  session.idleInTransactionTimeoutPending = false;
  if (settings.idle_in_transaction_session_timeout > 0)
    report('FATAL', {
      code: SQLSTATE.idleInTransactionSessionTimeout,
      message: 'terminating connection due to idle-in-transaction timeout',
    });
}
function idleSessionTimeout(): void {
  session.idleSessionTimeoutPending = false;
  if (settings.idle_session_timeout > 0)
    report('FATAL', {
      code: SQLSTATE.idleSessionTimeout,
      message: 'terminating connection due to idle-session timeout',
    });
}
