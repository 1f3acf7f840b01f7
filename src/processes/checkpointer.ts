/** checkpointer.ts — the process that makes checkpoints: on request, on time, and the last one at shutdown.
 *
 *  What a checkpoint writes is registered from below (`setCheckpointWork`): until table storage exists there is nothing
 *  to write, and then none is claimed: requests are answered when the registered work is done, and no checkpoint is
 *  logged or counted without work. SIGINT asks for a checkpoint, SIGUSR2 is the postmaster's word that all others have
 *  left, SIGTERM is ignored: init(8) sends it to everybody, and checkpointing is what must go on then.
 *  Counterpart: src/backend/postmaster/checkpointer.c */
import { monotonicMs } from '#platform/clock.ts';
import { SIGNAL } from '#platform/native.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { report } from '#runtime/error/report.ts';
import { exitProcess, onShmemExit } from '#runtime/exit-callbacks.ts';
import { settings } from '#runtime/guc/guc.ts';
import type { LaunchRecord } from '#runtime/launch-record.ts';
import { takeSignal } from '#runtime/interrupts.ts';
import { resetLatch } from '#shm/latch.ts';
import { advertiseRole, withdrawRole } from '#shm/proc.ts';
import { waitLatch } from '#shm/wait-event-set.ts';
import {
  beginCheckpoint,
  CHECKPOINT,
  checkpointRequested,
  endCheckpoint,
  requestCheckpoint,
} from '#storage/ipc/checkpoint-mailbox.ts';
import { enterAuxiliary, handleCommonInterrupts, ignoreSignals, loopForever } from '#processes/enter-process.ts';

export interface CheckpointWork {
  /** Makes a checkpoint; false if there was nothing it could do (a restartpoint that is not due). */
  checkpoint(flags: number): boolean;
  /** The shutdown checkpoint. */
  shutdown(): void;
}
let work: CheckpointWork = { checkpoint: () => true, shutdown: () => {} };
export function setCheckpointWork(next: CheckpointWork): void {
  work = next;
}

let lastCheckpointMs = 0;

export function main(_launch: LaunchRecord): never {
  ignoreSignals(SIGNAL.TERM, SIGNAL.ALRM);
  enterAuxiliary('checkpointer');
  advertiseRole('checkpointerProc');
  onShmemExit(() => withdrawRole('checkpointerProc'));
  lastCheckpointMs = monotonicMs();
  loopForever(round);
}

function round(): void {
  resetLatch();
  handleCommonInterrupts();
  if (takeSignal(SIGNAL.INT)) requestCheckpoint(CHECKPOINT.force);
  if (takeSignal(SIGNAL.USR2)) shutDown();
  const sinceMs = monotonicMs() - lastCheckpointMs;
  const byTime = sinceMs >= settings.checkpoint_timeout * 1000;
  if (checkpointRequested() || byTime) makeCheckpoint(byTime);
  const leftMs = settings.checkpoint_timeout * 1000 - (monotonicMs() - lastCheckpointMs);
  if (checkpointRequested()) return;
  waitLatch({ timeoutMs: Math.max(0, leftMs) }, WAIT_EVENT.CheckpointerMain);
}

function makeCheckpoint(byTime: boolean): void {
  const flags = beginCheckpoint() | (byTime ? CHECKPOINT.causeTime : 0);
  let failed = true;
  try {
    work.checkpoint(flags);
    failed = false;
  } finally {
    lastCheckpointMs = monotonicMs();
    endCheckpoint(failed);
  }
}

function shutDown(): never {
  report('LOG', { message: 'shutting down' });
  work.shutdown();
  exitProcess(0);
}
