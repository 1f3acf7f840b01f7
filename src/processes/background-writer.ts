/** background-writer.ts — writes dirty buffers ahead of need, so that a backend that wants a buffer finds a clean one.
 *
 *  The scan is storage/buffer/background-sync.ts. When two rounds found nothing to do the process sleeps fifty times
 *  longer, until an allocation sets its latch. Every 15 seconds, if something was written, it logs the running
 *  transactions for standbys (`setStandbySnapshot`, by transam).
 *  Counterpart: src/backend/postmaster/bgwriter.c */
import type { Lsn } from '#base/ids.ts';
import { monotonicMs } from '#platform/clock.ts';
import { SIGNAL } from '#platform/native.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { onShmemExit } from '#runtime/exit-callbacks.ts';
import { settings } from '#runtime/guc/guc.ts';
import type { LaunchRecord } from '#runtime/launch-record.ts';
import { myProcess } from '#runtime/my-process.ts';
import { resetLatch } from '#shm/latch.ts';
import { advertiseRole, withdrawRole } from '#shm/proc.ts';
import { waitLatch, WL } from '#shm/wait-event-set.ts';
import { bgBufferSync } from '#storage/buffer/background-sync.ts';
import { strategyNotifyBackgroundWriter } from '#storage/buffer/freelist.ts';
import { newWritebackContext } from '#storage/buffer/writeback.ts';
import { firstCallSinceLastCheckpoint } from '#storage/ipc/checkpoint-mailbox.ts';
import { smgrCloseAll } from '#storage/smgr/smgr.ts';
import { getLastImportantRecPtr, recoveryInProgress, xlogStandbyInfoActive } from '#wal/insert.ts';
import { reportWalStats } from '#wal/wal-stats.ts';
import { enterAuxiliary, handleMainLoopInterrupts, ignoreSignals, loopForever } from '#processes/enter-process.ts';

const HIBERNATE_FACTOR = 50;
const LOG_SNAPSHOT_INTERVAL_MS = 15_000;

let standbySnapshot: (() => Lsn) | null = null;
/** LogStandbySnapshot of transam: logs the running transactions, returns the end of the record. */
export function setStandbySnapshot(log: () => Lsn): void {
  standbySnapshot = log;
}

const writeback = newWritebackContext(() => settings.bgwriter_flush_after);
let previousCanHibernate = false;
let lastSnapshotMs = 0;
let lastSnapshotLsn = 0 as Lsn;

export function main(_launch: LaunchRecord): never {
  ignoreSignals(SIGNAL.INT, SIGNAL.ALRM, SIGNAL.USR2);
  enterAuxiliary('background-writer');
  advertiseRole('backgroundWriterProc');
  onShmemExit(() => withdrawRole('backgroundWriterProc'));
  lastSnapshotMs = monotonicMs();
  loopForever(round);
}

function round(): void {
  resetLatch();
  handleMainLoopInterrupts();
  const canHibernate = bgBufferSync(writeback);
  reportWalStats();
  // Relations that were dropped must not be kept open by us.
  if (firstCallSinceLastCheckpoint()) smgrCloseAll();
  logStandbySnapshot();
  const why = waitLatch({ timeoutMs: settings.bgwriter_delay }, WAIT_EVENT.BgWriterMain);
  // Twice, so that an allocation between the scan and here is not missed: it makes the next scan say no.
  if (why === WL.TIMEOUT && canHibernate && previousCanHibernate) {
    strategyNotifyBackgroundWriter(myProcess.procNumber);
    waitLatch({ timeoutMs: settings.bgwriter_delay * HIBERNATE_FACTOR }, WAIT_EVENT.BgWriterHibernate);
    strategyNotifyBackgroundWriter(-1);
  }
  previousCanHibernate = canHibernate;
}

function logStandbySnapshot(): void {
  if (standbySnapshot === null || !xlogStandbyInfoActive() || recoveryInProgress()) return;
  const now = monotonicMs();
  // `>`: the important position is a record's start, ours is one past a record's end.
  if (now - lastSnapshotMs < LOG_SNAPSHOT_INTERVAL_MS || lastSnapshotLsn > getLastImportantRecPtr()) return;
  lastSnapshotLsn = standbySnapshot();
  lastSnapshotMs = now;
}
