/** startup.ts — brings the data directory to a consistent state, then leaves; its exit code opens the server.
 *
 *  Recovery belongs to recovery/, which registers it (`setRecovery`). A data directory without WAL has nothing to
 *  recover. Files that a previous life may have left half-used are removed here either way.
 *  Counterpart: src/backend/postmaster/startup.c */
import { SIGNAL } from '#platform/native.ts';
import { listDirectory, removeFileIfExists, statIfExists } from '#platform/file-system.ts';
import { exitProcess, onShmemExit } from '#runtime/exit-callbacks.ts';
import { setInterruptHandler, clearInterruptPending, takeSignal } from '#runtime/interrupts.ts';
import type { LaunchRecord } from '#runtime/launch-record.ts';
import { advertiseRole, withdrawRole } from '#shm/proc.ts';
import { handleCommonInterrupts, enterAuxiliary, ignoreSignals } from '#processes/enter-process.ts';

let recover: () => void = () => {};
export function setRecovery(recovery: () => void): void {
  recover = recovery;
}

export function main(_launch: LaunchRecord): never {
  ignoreSignals(SIGNAL.INT);
  enterAuxiliary('startup');
  advertiseRole('startupProc');
  onShmemExit(() => withdrawRole('startupProc'));
  setInterruptHandler(() => {
    clearInterruptPending();
    if (takeSignal(SIGNAL.TERM)) exitProcess(1);
    handleCommonInterrupts();
  });
  removeTemporaryFiles();
  recover();
  exitProcess(0);
}

/** base/pgsql_tmp holds spill files of processes that no longer exist. */
function removeTemporaryFiles(): void {
  const folder = 'base/pgsql_tmp';
  if (statIfExists(folder)?.isDirectory !== true) return;
  for (const name of listDirectory(folder)) if (name.startsWith('pgsql_tmp')) removeFileIfExists(`${folder}/${name}`);
}
