/** xact-command.ts — the transaction around a message's statements, and the timeouts that run with it.
 *  Counterpart: start_xact_command(), finish_xact_command() of src/backend/tcop/postgres.c */
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { disableTimeout, enableTimeoutAfter, TIMEOUT, timeoutActive } from '#runtime/timeouts.ts';
import { session } from '#tcop/session-state.ts';
import { commitTransactionCommand, isAbortedTransactionBlockState, startTransactionCommand } from '#transam/xact.ts';

export function startXactCommand(): void {
  if (!session.xactStarted) {
    startTransactionCommand();
    session.xactStarted = true;
  }
  enableStatementTimeout();
  if (settings.client_connection_check_interval > 0 && !timeoutActive(TIMEOUT.clientConnectionCheck))
    enableTimeoutAfter(TIMEOUT.clientConnectionCheck, settings.client_connection_check_interval);
}

export function finishXactCommand(): void {
  disableStatementTimeout();
  if (!session.xactStarted) return;
  commitTransactionCommand();
  session.xactStarted = false;
}

function enableStatementTimeout(): void {
  if (settings.statement_timeout > 0) {
    if (!session.stmtTimeoutActive) {
      enableTimeoutAfter(TIMEOUT.statement, settings.statement_timeout);
      session.stmtTimeoutActive = true;
    }
  } else disableStatementTimeout();
}
export function disableStatementTimeout(): void {
  if (!session.stmtTimeoutActive) return;
  disableTimeout(TIMEOUT.statement);
  session.stmtTimeoutActive = false;
}

/** In a failed block only its end is accepted. */
export function refuseInAbortedBlock(): void {
  if (isAbortedTransactionBlockState())
    report('ERROR', {
      code: SQLSTATE.inFailedSqlTransaction,
      message: 'current transaction is aborted, commands ignored until end of transaction block',
    });
}
