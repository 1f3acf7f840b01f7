/** archiver.ts — copies finished WAL segments away, as archive_status/*.ready says.
 *
 *  Runs only if archive_mode is on. The copying itself is registered (`setArchiveRound`) together with WAL; without WAL
 *  no .ready file can exist. After SIGTERM no new file is begun; the postmaster's SIGUSR2 means: archive what is ready,
 *  then leave. 60 s after an unanswered SIGTERM it leaves on its own, so that init's shutdown is not held up.
 *  Counterpart: src/backend/postmaster/pgarch.c */
import { monotonicMs } from '#platform/clock.ts';
import { SIGNAL } from '#platform/native.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { exitProcess, onShmemExit } from '#runtime/exit-callbacks.ts';
import { settings } from '#runtime/guc/guc.ts';
import { signalPending, takeSignal } from '#runtime/interrupts.ts';
import type { LaunchRecord } from '#runtime/launch-record.ts';
import { resetLatch } from '#shm/latch.ts';
import { advertiseRole, withdrawRole } from '#shm/proc.ts';
import { waitLatch } from '#shm/wait-event-set.ts';
import {
  enterAuxiliary,
  handleCommonInterrupts,
  ignoreSignals,
  installAuxiliaryInterrupts,
} from '#processes/enter-process.ts';

const AUTOWAKE_MS = 60_000;
const LEAVE_AFTER_TERM_MS = 60_000;

/** Archives what is ready; stops early when `mayContinue` says no. */
let archiveRound: (mayContinue: () => boolean) => void = () => {};
export function setArchiveRound(round: typeof archiveRound): void {
  archiveRound = round;
}

export function main(_launch: LaunchRecord): never {
  ignoreSignals(SIGNAL.INT, SIGNAL.ALRM);
  enterAuxiliary('archiver');
  advertiseRole('archiverProc');
  onShmemExit(() => withdrawRole('archiverProc'));
  installAuxiliaryInterrupts();
  let library = settings.archive_library;
  let termSinceMs = 0;
  for (;;) {
    resetLatch();
    const stopping = takeSignal(SIGNAL.USR2);
    if (handleCommonInterrupts()) {
      // A new library needs a fresh process: one cannot be unloaded.
      if (settings.archive_library !== library) exitProcess(0);
      library = settings.archive_library;
    }
    if (signalPending(SIGNAL.TERM) && !stopping) {
      if (termSinceMs === 0) termSinceMs = monotonicMs();
      else if (monotonicMs() - termSinceMs >= LEAVE_AFTER_TERM_MS) exitProcess(0);
    } else archiveRound(() => stopping || !signalPending(SIGNAL.TERM));
    if (stopping) exitProcess(0);
    waitLatch({ timeoutMs: AUTOWAKE_MS }, WAIT_EVENT.ArchiverMain);
  }
}
