/** startup.ts — brings the data directory to a consistent state, then leaves; its exit code opens the server.
 *
 *  Recovery itself is recovery/startup-xlog.ts. SIGUSR2 asks for promotion: recovery/pause.ts looks for it.
 *  Counterpart: src/backend/postmaster/startup.c */
import { SIGNAL } from '#platform/native.ts';
import { exitProcess, onShmemExit } from '#runtime/exit-callbacks.ts';
import { setInterruptHandler, clearInterruptPending, takeSignal } from '#runtime/interrupts.ts';
import type { LaunchRecord } from '#runtime/launch-record.ts';
import { advertiseRole, withdrawRole } from '#shm/proc.ts';
import { startupXlog } from '#recovery/startup-xlog.ts';
import { handleCommonInterrupts, enterAuxiliary, ignoreSignals } from '#processes/enter-process.ts';

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
  startupXlog();
  exitProcess(0);
}
