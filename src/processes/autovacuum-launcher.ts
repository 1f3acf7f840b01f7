/** autovacuum-launcher.ts — decides which database gets an autovacuum worker, and when.
 *
 *  It forks nobody: it writes the request into the mailbox and signals the postmaster. Which databases need one is asked
 *  of `setDatabaseChooser`, which the statistics of 3/4 will answer; without tables none does.
 *  Counterpart: AutoVacLauncherMain() of src/backend/postmaster/autovacuum.c */
import { currentTimestamp } from '#platform/clock.ts';
import { SIGNAL } from '#platform/native.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { report } from '#runtime/error/report.ts';
import { exitProcess, onShmemExit } from '#runtime/exit-callbacks.ts';
import { settings } from '#runtime/guc/guc.ts';
import { takeSignal } from '#runtime/interrupts.ts';
import type { LaunchRecord } from '#runtime/launch-record.ts';
import { myProcess } from '#runtime/my-process.ts';
import { initPsDisplay } from '#runtime/activity/ps-title.ts';
import { resetLatch } from '#shm/latch.ts';
import { waitLatch } from '#shm/wait-event-set.ts';
import {
  announceStartingWorker,
  clearStartingWorker,
  setLauncherPid,
  startingSince,
  takeAutovacuumForkFailed,
} from '#storage/ipc/autovacuum-mailbox.ts';
import { sendPostmasterSignal } from '#storage/ipc/pm-signal.ts';
import { backendStatusInit } from '#stats/backend-status.ts';
import { enterWithSession, handleCommonInterrupts, loopForever } from '#processes/enter-process.ts';

/** OID of a database that should get a worker now, 0 for none. */
let chooseDatabase: () => number = () => 0;
export function setDatabaseChooser(choose: () => number): void {
  chooseDatabase = choose;
}

export function main(_launch: LaunchRecord): never {
  enterWithSession('autovacuum');
  backendStatusInit();
  initPsDisplay(myProcess.backendType);
  report('DEBUG1', { message: 'autovacuum launcher started' });
  setLauncherPid(myProcess.pid);
  onShmemExit(() => setLauncherPid(0));
  loopForever(round);
}

function round(): void {
  waitLatch({ timeoutMs: settings.autovacuum_naptime * 1000 }, WAIT_EVENT.AutoVacuumMain);
  resetLatch();
  takeSignal(SIGNAL.INT);
  if (takeSignal(SIGNAL.TERM)) leave();
  // Switched off by a reload: the postmaster does not start it again.
  if (handleCommonInterrupts() && !settings.autovacuum) leave();
  if (takeSignal(SIGNAL.USR2) && takeAutovacuumForkFailed()) {
    waitLatch({ timeoutMs: 1000 }, WAIT_EVENT.AutoVacuumMain);
    sendPostmasterSignal('startAutovacWorker');
    return;
  }
  forgetSlowStart();
  const database = chooseDatabase();
  if (database !== 0 && announceStartingWorker(database, currentTimestamp()))
    sendPostmasterSignal('startAutovacWorker');
}

/** A worker that did not take over within a minute (or the naptime) will not come. */
function forgetSlowStart(): void {
  const since = startingSince();
  if (since === 0) return;
  const limitUs = Math.min(settings.autovacuum_naptime, 60) * 1e6;
  if (currentTimestamp() - since < limitUs) return;
  clearStartingWorker();
  report('WARNING', { message: 'autovacuum worker took too long to start; canceled' });
}

function leave(): never {
  report('DEBUG1', { message: 'autovacuum launcher shutting down' });
  exitProcess(0);
}
