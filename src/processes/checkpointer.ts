/** checkpointer.ts — the process that makes checkpoints: on request, on time, and the last one at shutdown.
 *
 *  What a checkpoint or restartpoint does is recovery/checkpoint.ts; here are the questions when, and how fast: after each buffer `checkpointWriteDelay` sleeps as long as the work is ahead of its schedule. Between buffers
 *  it also takes over the fsync requests of the others. SIGINT asks for a checkpoint, SIGUSR2 is the postmaster's word
 *  that all others have left, SIGTERM is ignored: init(8) sends it to everybody, and checkpointing is what must go on then.
 *  Counterpart: src/backend/postmaster/checkpointer.c */
import type { Lsn } from '#base/ids.ts';
import { monotonicMs } from '#platform/clock.ts';
import { SIGNAL } from '#platform/native.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { report } from '#runtime/error/report.ts';
import { exitProcess, onShmemExit } from '#runtime/exit-callbacks.ts';
import { settings } from '#runtime/guc/guc.ts';
import type { LaunchRecord } from '#runtime/launch-record.ts';
import { signalPending, takeSignal } from '#runtime/interrupts.ts';
import { resetLatch } from '#shm/latch.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { mem } from '#shm/memory.ts';
import { advertiseRole, withdrawRole } from '#shm/proc.ts';
import { waitLatch } from '#shm/wait-event-set.ts';
import { countCheckpointStart } from '#stats/bgwriter-stats.ts';
import { setCheckpointWriteDelay } from '#storage/buffer/checkpoint-buffers.ts';
import { initSync } from '#storage/file/sync-requests.ts';
import {
  beginCheckpoint,
  CHECKPOINT,
  checkpointRequested,
  endCheckpoint,
  immediateCheckpointRequested,
  requestCheckpoint,
} from '#storage/ipc/checkpoint-mailbox.ts';
import { smgrCloseAll } from '#storage/smgr/smgr.ts';
import { getLastImportantRecPtr, getXLogInsertRecPtr, recoveryInProgress, requestXLogSwitch } from '#wal/insert.ts';
import { getXLogReplayRecPtr } from '#wal/recovery-state.ts';
import { checkPointSegments } from '#wal/segments.ts';
import { WalCtl } from '#wal/wal-layout.ts';
import { updateFullPageWrites } from '#wal/wal-records.ts';
import { walAt } from '#wal/wal-shmem.ts';
import { reportWalStats } from '#wal/wal-stats.ts';
import { performCheckpoint, shutdownXlog } from '#recovery/checkpoint.ts';
import { enterAuxiliary, handleCommonInterrupts, ignoreSignals, loopForever } from '#processes/enter-process.ts';
import { absorbRequests, installAbsorber } from '#processes/sync-forwarding.ts';

/** A restartpoint that was not possible is tried again so soon. */
const RESTARTPOINT_RETRY_SECONDS = 15;
/** While a checkpoint writes at full speed, requests are absorbed after so many buffers. */
const WRITES_PER_ABSORB = 1000;

const nowSeconds = (): number => monotonicMs() / 1000;

/** What is done, and at the end; tests put in their own. */
export interface CheckpointWork {
  checkpoint(flags: number): boolean;
  shutdown(): void;
}
let work: CheckpointWork = { checkpoint: performCheckpoint, shutdown: shutdownXlog };
export function setCheckpointWork(next: CheckpointWork): void {
  work = next;
}

let lastCheckpoint = 0;
let lastSwitch = 0;
/** Of the running checkpoint, for its pacing. */
let active = false;
let startTime = 0;
let startPosition = 0;
/** Progress that the schedule had reached when last computed: less than this is behind for sure. */
let cachedElapsed = 0;

export function main(_launch: LaunchRecord): never {
  ignoreSignals(SIGNAL.TERM, SIGNAL.ALRM);
  enterAuxiliary('checkpointer');
  initSync();
  installAbsorber();
  setCheckpointWriteDelay(checkpointWriteDelay);
  updateFullPageWrites();
  advertiseRole('checkpointerProc');
  onShmemExit(() => withdrawRole('checkpointerProc'));
  lastCheckpoint = nowSeconds();
  lastSwitch = Date.now() / 1000;
  loopForever(round);
}

/** Reload, barriers, and the word to shut down. */
function handleInterrupts(): void {
  if (handleCommonInterrupts()) updateFullPageWrites();
  if (takeSignal(SIGNAL.INT)) requestCheckpoint(CHECKPOINT.force);
  if (takeSignal(SIGNAL.USR2)) shutDown();
}

function round(): void {
  resetLatch();
  absorbRequests();
  handleInterrupts();
  const byTime = nowSeconds() - lastCheckpoint >= settings.checkpoint_timeout;
  if (checkpointRequested()) countCheckpointStart(false);
  else if (byTime) countCheckpointStart(true);
  if (checkpointRequested() || byTime) {
    makeCheckpoint(byTime ? CHECKPOINT.causeTime : 0);
    handleInterrupts();
  }
  checkArchiveTimeout();
  reportWalStats();
  if (checkpointRequested()) return;
  let left = settings.checkpoint_timeout - (nowSeconds() - lastCheckpoint);
  if (settings.archive_timeout > 0 && !recoveryInProgress())
    left = Math.min(left, settings.archive_timeout - (Date.now() / 1000 - lastSwitch));
  if (left > 0) waitLatch({ timeoutMs: left * 1000 }, WAIT_EVENT.CheckpointerMain);
}

function makeCheckpoint(cause: number): void {
  const now = nowSeconds();
  const elapsed = now - lastCheckpoint;
  const flags = beginCheckpoint() | cause;
  let failed = true;
  try {
    // The end-of-recovery checkpoint is a real one, though it is made during recovery.
    const restartpoint = recoveryInProgress() && (flags & CHECKPOINT.endOfRecovery) === 0;
    if (!restartpoint && (flags & CHECKPOINT.causeXlog) !== 0 && elapsed < settings.checkpoint_warning)
      warnOfFrequency(Math.floor(elapsed));
    startTime = now;
    startPosition = walPosition();
    cachedElapsed = 0;
    active = true;
    const performed = work.checkpoint(flags);
    // Files of dropped relations must not stay open for ever.
    smgrCloseAll();
    failed = false;
    lastCheckpoint = performed ? now : now - settings.checkpoint_timeout + RESTARTPOINT_RETRY_SECONDS;
  } finally {
    active = false;
    // Not at once again: PostgreSQL's error handler leaves the time alone, and the next round tries after its pause.
    endCheckpoint(failed);
  }
}

function warnOfFrequency(seconds: number): void {
  report('LOG', {
    message: `checkpoints are occurring too frequently (${seconds} ${seconds === 1 ? 'second' : 'seconds'} apart)`,
    hint: 'Consider increasing the configuration parameter "max_wal_size".',
  });
}

function shutDown(): never {
  report('LOG', { message: 'shutting down' });
  countCheckpointStart(false);
  work.shutdown();
  exitProcess(0);
}

/** archive_timeout: ends a segment that holds something worth archiving. */
function checkArchiveTimeout(): void {
  if (settings.archive_timeout <= 0 || recoveryInProgress()) return;
  const now = Date.now() / 1000;
  if (now - lastSwitch < settings.archive_timeout) return;
  // A backend may have switched meanwhile.
  const lock = mainLWLock('WALWrite');
  lwLockAcquire(lock, 'shared');
  const switchedAt = WalCtl.lastSegSwitchTime.get(mem, walAt.ctl);
  const switchedLsn = WalCtl.lastSegSwitchLsn.get(mem, walAt.ctl);
  lwLockRelease(lock);
  lastSwitch = Math.max(lastSwitch, switchedAt);
  if (now - lastSwitch < settings.archive_timeout) return;
  if (getLastImportantRecPtr() > switchedLsn && requestXLogSwitch(true) % settings.wal_segment_size !== 0)
    report('DEBUG1', { message: `write-ahead log switch forced (archive_timeout=${settings.archive_timeout})` });
  // Also when nothing was written: then there is nothing to look at for as long again.
  lastSwitch = now;
}

/** Where WAL is now: inserted, or replayed during recovery. */
const walPosition = (): Lsn => (recoveryInProgress() ? getXLogReplayRecPtr().lsn : getXLogInsertRecPtr());

let absorbCounter = WRITES_PER_ABSORB;

/** After each buffer of a checkpoint, with the share that is done: sleeps while the work is ahead of its schedule. */
export function checkpointWriteDelay(flags: number, progress: number): void {
  if (!active) return;
  if (
    (flags & CHECKPOINT.immediate) === 0 &&
    !signalPending(SIGNAL.USR2) &&
    !immediateCheckpointRequested() &&
    isOnSchedule(progress)
  ) {
    if (handleCommonInterrupts()) updateFullPageWrites();
    absorbRequests();
    absorbCounter = WRITES_PER_ABSORB;
    checkArchiveTimeout();
    reportWalStats();
    waitLatch({ timeoutMs: 100 }, WAIT_EVENT.CheckpointWriteDelay);
    resetLatch();
    return;
  }
  if (--absorbCounter <= 0) {
    absorbRequests();
    absorbCounter = WRITES_PER_ABSORB;
  }
}

function isOnSchedule(progress: number): boolean {
  const scaled = progress * settings.checkpoint_completion_target;
  // Time and WAL only grow: behind what they were is behind what they are.
  if (scaled < cachedElapsed) return false;
  const elapsedWal = (walPosition() - startPosition) / settings.wal_segment_size / checkPointSegments();
  if (scaled < elapsedWal) {
    cachedElapsed = elapsedWal;
    return false;
  }
  const elapsedTime = (nowSeconds() - startTime) / settings.checkpoint_timeout;
  if (scaled < elapsedTime) {
    cachedElapsed = elapsedTime;
    return false;
  }
  return true;
}
