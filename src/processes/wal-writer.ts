/** wal-writer.ts — flushes what asynchronous commits left in the WAL buffers.
 *
 *  The flush belongs to wal/, which registers it (`setBackgroundFlush`) and says whether it wrote anything. After 50 idle
 *  rounds the process hibernates at 25 times the delay, until a committer sets its latch.
 *  Counterpart: src/backend/postmaster/walwriter.c */
import { SIGNAL } from '#platform/native.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { exitProcess, onShmemExit } from '#runtime/exit-callbacks.ts';
import { settings } from '#runtime/guc/guc.ts';
import { takeSignal } from '#runtime/interrupts.ts';
import type { LaunchRecord } from '#runtime/launch-record.ts';
import { resetLatch } from '#shm/latch.ts';
import { advertiseRole, withdrawRole } from '#shm/proc.ts';
import { waitLatch } from '#shm/wait-event-set.ts';
import { enterAuxiliary, handleMainLoopInterrupts, ignoreSignals, loopForever } from '#processes/enter-process.ts';

const LOOPS_UNTIL_HIBERNATE = 50;
const HIBERNATE_FACTOR = 25;

let backgroundFlush: () => boolean = () => false;
export function setBackgroundFlush(flush: () => boolean): void {
  backgroundFlush = flush;
}

let leftTillHibernate = LOOPS_UNTIL_HIBERNATE;

export function main(_launch: LaunchRecord): never {
  ignoreSignals(SIGNAL.ALRM, SIGNAL.USR2);
  enterAuxiliary('wal-writer');
  advertiseRole('walWriterProc');
  onShmemExit(() => withdrawRole('walWriterProc'));
  loopForever(round);
}

function round(): void {
  resetLatch();
  if (takeSignal(SIGNAL.INT)) exitProcess(0);
  handleMainLoopInterrupts();
  if (backgroundFlush()) leftTillHibernate = LOOPS_UNTIL_HIBERNATE;
  else if (leftTillHibernate > 0) leftTillHibernate--;
  const napMs = leftTillHibernate > 0 ? settings.wal_writer_delay : settings.wal_writer_delay * HIBERNATE_FACTOR;
  waitLatch({ timeoutMs: napMs }, WAIT_EVENT.WalWriterMain);
}
