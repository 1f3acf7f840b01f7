/** session-state.ts — what the parts of a running session share: its connection, what it is doing, what it was asked.
 *
 *  One session per process, so this is plain module state, reset at session start.
 *  Counterpart: the globals of src/backend/tcop/postgres.c and src/include/tcop/tcopprot.h */
import type { Port } from '#libpq/port.ts';

export interface SessionState {
  port: Port | null;
  /** Waiting for the client's next message: interrupts may end the session, a cancel means nothing. */
  doingCommandRead: boolean;
  /** The message being handled belongs to the extended protocol: an error skips to Sync. */
  doingExtendedQueryMessage: boolean;
  ignoreTillSync: boolean;
  /** A transaction command was started for the current messages. */
  xactStarted: boolean;
  /** Output may go to the client. Off while nobody could take it. */
  sendToClient: boolean;
  /** Set by interrupts, looked at by processInterrupts. */
  queryCancelPending: boolean;
  procDiePending: boolean;
  clientAuthInProgress: boolean;
  idleInTransactionTimeoutPending: boolean;
  idleSessionTimeoutPending: boolean;
  idleStatsUpdateTimeoutPending: boolean;
  checkClientConnectionPending: boolean;
  stmtTimeoutActive: boolean;
  /** Text of the statement in progress. */
  queryText: string | null;
}

export const session: SessionState = {
  port: null,
  doingCommandRead: false,
  doingExtendedQueryMessage: false,
  ignoreTillSync: false,
  xactStarted: false,
  sendToClient: false,
  queryCancelPending: false,
  procDiePending: false,
  clientAuthInProgress: false,
  idleInTransactionTimeoutPending: false,
  idleSessionTimeoutPending: false,
  idleStatsUpdateTimeoutPending: false,
  checkClientConnectionPending: false,
  stmtTimeoutActive: false,
  queryText: null,
};

export function resetSessionState(port: Port | null): void {
  Object.assign(session, {
    port,
    doingCommandRead: false,
    doingExtendedQueryMessage: false,
    ignoreTillSync: false,
    xactStarted: false,
    sendToClient: port !== null,
    queryCancelPending: false,
    procDiePending: false,
    clientAuthInProgress: false,
    idleInTransactionTimeoutPending: false,
    idleSessionTimeoutPending: false,
    idleStatsUpdateTimeoutPending: false,
    checkClientConnectionPending: false,
    stmtTimeoutActive: false,
    queryText: null,
  } satisfies SessionState);
}
