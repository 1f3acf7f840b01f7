/** backend.ts — the process of one client connection.
 *
 *  Forked for an accepted socket, or spawned ahead of time and handed one over a channel. The session itself lives in
 *  tcop/; this file gives it its place in shared memory and its last words.
 *  Counterpart: BackendStartup(), BackendRun() of src/backend/postmaster/postmaster.c */
import { MessageWriter } from '#libpq/message-writer.ts';
import { writeErrorMessage } from '#libpq/error-message.ts';
import type { Port } from '#libpq/port.ts';
import { writeCodeCacheIfAsked } from '#platform/code-cache.ts';
import { native, SIGNAL } from '#platform/native.ts';
import { activityHooks } from '#runtime/activity/activity-hooks.ts';
import { initPsDisplay, setPsDisplay } from '#runtime/activity/ps-title.ts';
import { logContext } from '#runtime/error/log-context.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { exitProcess, onProcExit } from '#runtime/exit-callbacks.ts';
import type { LaunchRecord } from '#runtime/launch-record.ts';
import { myProcess } from '#runtime/my-process.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { haveFreeClientProcs } from '#shm/proc.ts';
import { waitLatchOrSocket, WL } from '#shm/wait-event-set.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { QUIT_REASON, quitReasonAt } from '#storage/ipc/pm-signal.ts';
import { cancelByKey, processProcSignalBarrier, takeProcSignal } from '#storage/ipc/proc-signal.ts';
import { handleCatchupInterrupt } from '#storage/ipc/sinval.ts';
import {
  backendStatusInit,
  readBackendStatuses,
  reportActivity,
  reportApplicationName,
  reportClient,
  reportSession,
  reportXactTimestamp,
} from '#stats/backend-status.ts';
import { memoryUsageText } from '#runtime/memory-usage.ts';
import { loadSessionPreloadLibraries } from '#bgworker/load-library.ts';
import { enterWithSession, reloadConfigurationHere } from '#processes/enter-process.ts';
import { installExtensionApi } from '#processes/extension-api.ts';
import '#processes/query-services.ts';
import { backendInterruptHooks } from '#tcop/interrupts-backend.ts';
import { loadHba } from '#tcop/hba.ts';
import { loadIdent } from '#tcop/ident.ts';
import { sessionHooks } from '#tcop/session.ts';
import { type BackendEnvironment, runBackend } from '#tcop/startup.ts';

export function main(launch: LaunchRecord): never {
  if (!launch.isForked) {
    loadHba();
    loadIdent();
  }
  const socket = launch.spareChannel >= 0 ? awaitConnection(launch.spareChannel) : launch.socket;
  native.signalAction(SIGNAL.USR2, native.SIG_ACTION.IGNORE);
  onProcExit(writeCodeCacheIfAsked);
  return runBackend(socket, environmentOf(launch));
}

/** A spare: sleeps until the postmaster sends it a connection, or closes the channel because the server stops. */
function awaitConnection(channel: number): number {
  const payload = new Uint8Array(8);
  initPsDisplay('spare backend');
  for (;;) {
    const [fd] = native.recvFd(channel, payload);
    if (fd >= 0) {
      native.closeFd(channel);
      return fd;
    }
    if (fd === -native.ERRNO.EAGAIN || fd === -native.ERRNO.EINTR) {
      waitLatchOrSocket(channel, WL.SOCKET_READABLE, undefined, WAIT_EVENT.ClientRead);
      continue;
    }
    exitProcess(0);
  }
}

function environmentOf(launch: LaunchRecord): BackendEnvironment {
  return {
    admission: launch.admission,
    cancelRequest,
    attach: (port) => {
      enterWithSession('client');
      backendStatusInit();
      describeClient(port);
      installHooks();
      armQuickDie(port);
      installExtensionApi();
    },
    attached: (port) => {
      reportSession({
        databaseId: sessionIdentity.databaseOid,
        databaseName: port.isWalSender && !port.isDatabaseWalSender ? '' : sessionIdentity.databaseName,
        userId: sessionIdentity.userOid,
        userName: sessionIdentity.userName,
      });
      loadSessionPreloadLibraries();
    },
    setPsFixedPart: initPsDisplay,
    countRoleConnections: (role) =>
      1 + readBackendStatuses().filter((one) => one.userId === role && isClient(one.backendType)).length,
    countDatabaseConnections: (database) =>
      1 + readBackendStatuses().filter((one) => one.databaseId === database && isClient(one.backendType)).length,
    freeConnectionSlots: () => {
      let free = 0;
      while (free < 1000 && haveFreeClientProcs(free + 1)) free++;
      return free;
    },
  };
}
const isClient = (type: string): boolean => type === 'client backend';

/** Nothing is answered, so that a stranger learns nothing; the log says what was wrong. */
function cancelRequest(pid: number, key: number): void {
  const result = cancelByKey(pid, key);
  if (result === 'wrong-key') report('LOG', { message: `wrong key in cancel request for process ${pid}` });
  if (result === 'unknown') report('LOG', { message: `PID ${pid} in cancel request did not match any process` });
}

function describeClient(port: Port): void {
  const unix = port.remote.family === 'unix';
  reportClient({
    address: unix ? '[local]' : port.remote.address,
    port: unix ? -1 : port.remote.port,
    hostname: port.remoteHostname,
  });
  reportActivity('active', null);
}

function installHooks(): void {
  activityHooks.reportActivity = (state, query, timestamp) =>
    timestamp > 0 ? reportActivity(state, query, timestamp) : reportActivity(state, query);
  activityHooks.reportXactTimestamp = reportXactTimestamp;
  activityHooks.reportApplicationName = reportApplicationName;
  activityHooks.setPsDisplay = setPsDisplay;
  sessionHooks.reloadConfiguration = reloadConfigurationHere;
  let memoryReportPending = false;
  backendInterruptHooks.processProcSignal = () => {
    processProcSignalBarrier();
    if (takeProcSignal('catchupInterrupt')) handleCatchupInterrupt();
    if (takeProcSignal('logMemoryContext')) memoryReportPending = true;
  };
  backendInterruptHooks.processPendingReasons = () => {
    if (!memoryReportPending) return;
    memoryReportPending = false;
    report('LOG_SERVER_ONLY', { message: memoryUsageText(), hideStatement: true });
  };
  logContext.virtualTransactionId = () => (myProcess.backendId > 0 ? `${myProcess.backendId}/0` : '');
}

/** The messages that SIGQUIT's handler sends without any help of JavaScript, by QUIT_REASON. */
function armQuickDie(port: Port): void {
  const messages: Uint8Array[] = [];
  const prepare = (reason: number, fields: Parameters<typeof writeErrorMessage>[2]): void => {
    const writer = new MessageWriter();
    writeErrorMessage(writer, 'WARNING', fields);
    messages[reason] = Uint8Array.from(writer.buffer.subarray(0, writer.length));
  };
  prepare(QUIT_REASON.notSent, {
    code: SQLSTATE.adminShutdown,
    message: 'terminating connection because of unexpected SIGQUIT signal',
  });
  prepare(QUIT_REASON.crash, {
    code: SQLSTATE.crashShutdown,
    message: 'terminating connection because of crash of another server process',
    detail:
      'The postmaster has commanded this server process to roll back the current transaction and exit, because another server process exited abnormally and possibly corrupted shared memory.',
    hint: 'In a moment you should be able to reconnect to the database and repeat your command.',
  });
  prepare(QUIT_REASON.stop, {
    code: SQLSTATE.adminShutdown,
    message: 'terminating connection due to immediate shutdown command',
  });
  const { segment, at } = quitReasonAt();
  native.quickdieArm(port.fd, segment, at, messages);
  native.signalAction(SIGNAL.QUIT, native.SIG_ACTION.QUICKDIE);
}
