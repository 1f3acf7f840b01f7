/** wal-writer.ts — flushes what asynchronous commits left in the WAL buffers.
 *
 *  The flush belongs to wal/ and says whether it had anything to do. After 50 idle rounds the process hibernates at 25
 *  times the delay, until a committer sets its latch: what it says about sleeping decides whether one does.
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
import { setWalWriterSleeping, xlogBackgroundFlush } from '#wal/flush.ts';
import { reportWalStats } from '#wal/wal-stats.ts';
import { enterAuxiliary, handleMainLoopInterrupts, ignoreSignals, loopForever } from '#processes/enter-process.ts';

const LOOPS_UNTIL_HIBERNATE = 50;
const HIBERNATE_FACTOR = 25;

let leftTillHibernate = LOOPS_UNTIL_HIBERNATE;
let saysSleeping = false;

export function main(_launch: LaunchRecord): never {
  ignoreSignals(SIGNAL.ALRM, SIGNAL.USR2);
  enterAuxiliary('wal-writer');
  advertiseRole('walWriterProc');
  onShmemExit(() => withdrawRole('walWriterProc'));
  setWalWriterSleeping(false);
  loopForever(round);
}

function round(): void {
  // Before the latch is reset and the work is looked for: a committer who sees "asleep" sets the latch.
  const willSleep = leftTillHibernate <= 1;
  if (saysSleeping !== willSleep) setWalWriterSleeping(willSleep);
  saysSleeping = willSleep;
  resetLatch();
  if (takeSignal(SIGNAL.INT)) exitProcess(0);
  handleMainLoopInterrupts();
  if (xlogBackgroundFlush()) leftTillHibernate = LOOPS_UNTIL_HIBERNATE;
  else if (leftTillHibernate > 0) leftTillHibernate--;
  reportWalStats();
  const napMs = leftTillHibernate > 0 ? settings.wal_writer_delay : settings.wal_writer_delay * HIBERNATE_FACTOR;
  waitLatch({ timeoutMs: napMs }, WAIT_EVENT.WalWriterMain);
}
