/** autovacuum-worker.ts — vacuums and analyses one database, then leaves.
 *
 *  Takes its database from the launcher's mailbox; without a request (it came too late) it ends at once. The work is
 *  registered by commands/ (`setAutovacuumWork`) once there are tables.
 *  Counterpart: AutoVacWorkerMain() of src/backend/postmaster/autovacuum.c */
import { native, SIGNAL } from '#platform/native.ts';
import { launcherPid, takeStartingWorker } from '#storage/ipc/autovacuum-mailbox.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { exitProcess } from '#runtime/exit-callbacks.ts';
import { clearInterruptPending, setInterruptHandler, takeSignal } from '#runtime/interrupts.ts';
import type { LaunchRecord } from '#runtime/launch-record.ts';
import { myProcess } from '#runtime/my-process.ts';
import { initPsDisplay } from '#runtime/activity/ps-title.ts';
import { backendStatusInit } from '#stats/backend-status.ts';
import { enterWithSession, handleCommonInterrupts, ignoreSignals } from '#processes/enter-process.ts';

let vacuumDatabase: (databaseId: number) => void = () => {};
export function setAutovacuumWork(work: (databaseId: number) => void): void {
  vacuumDatabase = work;
}

export function main(_launch: LaunchRecord): never {
  ignoreSignals(SIGNAL.USR2);
  enterWithSession('autovacuum');
  backendStatusInit();
  initPsDisplay(myProcess.backendType);
  setInterruptHandler(() => {
    clearInterruptPending();
    if (takeSignal(SIGNAL.TERM))
      report('FATAL', {
        code: SQLSTATE.adminShutdown,
        message: 'terminating autovacuum process due to administrator command',
      });
    handleCommonInterrupts();
    if (takeSignal(SIGNAL.INT)) report('ERROR', { code: SQLSTATE.queryCanceled, message: 'canceling autovacuum task' });
  });
  const database = takeStartingWorker(myProcess.pid);
  if (database !== 0) vacuumDatabase(database);
  const launcher = launcherPid();
  if (launcher !== 0) native.kill(launcher, SIGNAL.USR2);
  exitProcess(0);
}
