/** replication-session.ts — what a replication connection may send, before there is a walsender to answer it.
 *
 *  Such a connection speaks the simple protocol only. Its own commands are named and refused; SHOW is shared with SQL; all
 *  other SQL needs a database, which a physical replication connection has not.
 *  Counterpart: exec_replication_command() of src/backend/replication/walsender.c, forbidden_in_wal_sender() of postgres.c */
import { FRONTEND } from '#libpq/messages.ts';
import type { Port } from '#libpq/port.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { refuseInAbortedBlock } from '#tcop/xact-command.ts';

const COMMANDS: ReadonlySet<string> = new Set([
  'IDENTIFY_SYSTEM',
  'BASE_BACKUP',
  'START_REPLICATION',
  'CREATE_REPLICATION_SLOT',
  'READ_REPLICATION_SLOT',
  'DROP_REPLICATION_SLOT',
  'TIMELINE_HISTORY',
]);

/** Raises what PostgreSQL raises for messages that such a connection may not send. */
export function checkReplicationMessage(port: Port, type: number): void {
  if (!port.isWalSender) return;
  switch (type) {
    case FRONTEND.functionCall:
      report('ERROR', {
        code: SQLSTATE.protocolViolation,
        message: 'fastpath function calls not supported in a replication connection',
      });
      return;
    case FRONTEND.parse:
    case FRONTEND.bind:
    case FRONTEND.execute:
    case FRONTEND.describe:
    case FRONTEND.close:
      report('ERROR', {
        code: SQLSTATE.protocolViolation,
        message: 'extended query protocol not supported in a replication connection',
      });
  }
}

/** Returns if the text is to be run as SQL. */
export function checkReplicationCommand(port: Port, text: string): void {
  if (!port.isWalSender) return;
  const word = /^\s*([A-Za-z_]+)/.exec(text)?.[1]?.toUpperCase() ?? '';
  if (COMMANDS.has(word)) {
    refuseInAbortedBlock();
    report('ERROR', { code: SQLSTATE.featureNotSupported, message: `${word} is not supported yet` });
  }
  if (word === 'SHOW' || port.isDatabaseWalSender) return;
  report('ERROR', {
    code: SQLSTATE.featureNotSupported,
    message: 'cannot execute SQL commands in WAL sender for physical replication',
  });
}
