/** worker-context.ts — what a background worker knows of itself, and how its signals behave until it says otherwise.
 *
 *  SIGTERM ends it with FATAL at the next interrupt check (bgworker_die) unless it catches the signal itself; SIGHUP and,
 *  without a database connection, SIGINT and SIGUSR1 are ignored.
 *  Counterpart: StartBackgroundWorker(), BackgroundWorkerInitializeConnection() of src/backend/postmaster */
import { native, SIGNAL } from '#platform/native.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { clearInterruptPending, setInterruptHandler, takeSignal } from '#runtime/interrupts.ts';
import { type BackgroundWorker, BGWORKER_BACKEND_DATABASE_CONNECTION } from '#bgworker/registry.ts';
import { processProcSignalBarrier } from '#storage/ipc/proc-signal.ts';
import { reportSession } from '#stats/backend-status.ts';
import { roleByName, roleByOid } from '#catalog/roles.ts';
import { openDatabase, openSharedCatalogs } from '#catalog/session-database.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import type { Oid } from '#base/ids.ts';
import { commitTransactionCommand, setStatementTimestamp, startTransactionCommand } from '#transam/xact.ts';

const BOOTSTRAP_SUPERUSER = 10 as Oid;

let worker: BackgroundWorker | undefined;
let connected = false;
const caught = new Set<number>();

export function setCurrentWorker(mine: BackgroundWorker): void {
  worker = mine;
}
export function currentWorker(): BackgroundWorker {
  if (worker === undefined) report('ERROR', { message: 'this process is not a background worker' });
  return worker;
}

export const workerSignals = {
  /** The worker looks at this signal itself (takeSignal). */
  catchSignal(signal: number): void {
    caught.add(signal);
    native.signalAction(signal, native.SIG_ACTION.WORD);
  },
};

export function installWorkerInterrupts(): void {
  const { WORD, IGNORE } = native.SIG_ACTION;
  const hasConnection = (currentWorker().flags & BGWORKER_BACKEND_DATABASE_CONNECTION) !== 0;
  native.signalAction(SIGNAL.HUP, IGNORE);
  native.signalAction(SIGNAL.INT, hasConnection ? WORD : IGNORE);
  native.signalAction(SIGNAL.USR1, WORD);
  native.signalAction(SIGNAL.TERM, WORD);
  setInterruptHandler(() => {
    clearInterruptPending();
    if (takeSignal(SIGNAL.USR1)) processProcSignalBarrier();
    if (!caught.has(SIGNAL.TERM) && takeSignal(SIGNAL.TERM))
      report('FATAL', {
        code: SQLSTATE.adminShutdown,
        message: `terminating background worker "${currentWorker().type ?? currentWorker().name}" due to administrator command`,
      });
    if (hasConnection && !caught.has(SIGNAL.INT) && takeSignal(SIGNAL.INT))
      report('ERROR', { code: SQLSTATE.queryCanceled, message: 'canceling statement due to user request' });
  });
}

export function connectWorker(database: string | null, user: string | null, _flags: number): void {
  if ((currentWorker().flags & BGWORKER_BACKEND_DATABASE_CONNECTION) === 0)
    report('FATAL', {
      code: SQLSTATE.programLimitExceeded,
      message: 'database connection requirement not indicated during registration',
    });
  if (connected) report('ERROR', { message: 'a background worker can connect only once' });
  setStatementTimestamp();
  startTransactionCommand();
  openSharedCatalogs();
  const role = user === null ? roleByOid(BOOTSTRAP_SUPERUSER) : roleByName(user);
  if (role === undefined)
    report('FATAL', { code: SQLSTATE.invalidAuthorizationSpecification, message: `role "${user}" does not exist` });
  const row = database === null ? undefined : openDatabase(database);
  sessionIdentity.userOid = role.oid;
  sessionIdentity.userName = role.name;
  sessionIdentity.sessionUserOid = role.oid;
  sessionIdentity.sessionUserName = role.name;
  commitTransactionCommand();
  connected = true;
  reportSession({
    databaseId: row?.oid ?? 0,
    databaseName: row?.datname ?? '',
    userId: role.oid,
    userName: role.name,
  });
}
