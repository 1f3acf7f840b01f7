/** background-writer.ts — writes dirty buffers ahead of need, so that a backend that wants a buffer finds a clean one.
 *
 *  The scan belongs to the buffer pool, which registers it (`setBufferSync`); it returns true when nothing happened and
 *  the process may hibernate until a buffer is allocated. Without a pool there is nothing to scan: it hibernates.
 *  Counterpart: src/backend/postmaster/bgwriter.c */
import { SIGNAL } from '#platform/native.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { onShmemExit } from '#runtime/exit-callbacks.ts';
import { settings } from '#runtime/guc/guc.ts';
import type { LaunchRecord } from '#runtime/launch-record.ts';
import { resetLatch } from '#shm/latch.ts';
import { advertiseRole, withdrawRole } from '#shm/proc.ts';
import { waitLatch, WL } from '#shm/wait-event-set.ts';
import { enterAuxiliary, handleMainLoopInterrupts, ignoreSignals, loopForever } from '#processes/enter-process.ts';

const HIBERNATE_FACTOR = 50;

let bufferSync: () => boolean = () => true;
export function setBufferSync(scan: () => boolean): void {
  bufferSync = scan;
}

let previousCanHibernate = false;

export function main(_launch: LaunchRecord): never {
  ignoreSignals(SIGNAL.INT, SIGNAL.ALRM, SIGNAL.USR2);
  enterAuxiliary('background-writer');
  advertiseRole('backgroundWriterProc');
  onShmemExit(() => withdrawRole('backgroundWriterProc'));
  loopForever(round);
}

function round(): void {
  resetLatch();
  handleMainLoopInterrupts();
  const canHibernate = bufferSync();
  const why = waitLatch({ timeoutMs: settings.bgwriter_delay }, WAIT_EVENT.BgWriterMain);
  // Only after a quiet delay, twice: a buffer allocated in between sets the latch and ends the nap.
  if (why === WL.TIMEOUT && canHibernate && previousCanHibernate)
    waitLatch({ timeoutMs: settings.bgwriter_delay * HIBERNATE_FACTOR }, WAIT_EVENT.BgWriterHibernate);
  previousCanHibernate = canHibernate;
}
