/** stats-collector.ts — receives statistics messages as UDP datagrams from every process and aggregates them.
 *
 *  The socket is bound to loopback and connected to itself, so foreign packets never arrive; losing one is allowed. What
 *  a message means is registered with the counters of 3/4 (`setStatsMessageHandler`); until then nobody sends any.
 *  It takes no LWLock, so its death never concerns anybody else: the postmaster starts another.
 *  SIGQUIT at shutdown means: write what you have and leave.
 *  Counterpart: PgstatCollectorMain() of src/backend/postmaster/pgstat.c of 14 */
import { native, SIGNAL } from '#platform/native.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { exitProcess } from '#runtime/exit-callbacks.ts';
import { takeSignal } from '#runtime/interrupts.ts';
import type { LaunchRecord } from '#runtime/launch-record.ts';
import { resetLatch } from '#shm/latch.ts';
import { waitLatchOrSocket, WL } from '#shm/wait-event-set.ts';
import { enterAuxiliary, handleCommonInterrupts, ignoreSignals, loopForever } from '#processes/enter-process.ts';

/** Largest datagram that PostgreSQL sends (PGSTAT_MAX_MSG_SIZE). */
const MAX_MESSAGE = 1000;
const message = new Uint8Array(MAX_MESSAGE);

let handleMessage: (bytes: Uint8Array, length: number) => void = () => {};
let writeFiles: () => void = () => {};
export function setStatsMessageHandler(handle: typeof handleMessage, write: () => void): void {
  handleMessage = handle;
  writeFiles = write;
}

export function main(launch: LaunchRecord): never {
  ignoreSignals(SIGNAL.INT, SIGNAL.TERM, SIGNAL.ALRM, SIGNAL.USR2);
  native.signalAction(SIGNAL.QUIT, native.SIG_ACTION.WORD);
  enterAuxiliary('stats-collector');
  loopForever(() => round(launch.statsSocket));
}

function round(socket: number): void {
  resetLatch();
  if (takeSignal(SIGNAL.QUIT)) {
    writeFiles();
    exitProcess(0);
  }
  handleCommonInterrupts();
  for (;;) {
    const length = native.udpRecv(socket, message, 0, MAX_MESSAGE);
    if (length <= 0) break;
    handleMessage(message, length);
  }
  waitLatchOrSocket(socket, WL.SOCKET_READABLE, undefined, WAIT_EVENT.StatsCollectorMain);
}
