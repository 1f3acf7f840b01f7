/** restartpoint.ts — a checkpoint of a server that may not write WAL: the newest one it has replayed becomes the place where
 *  recovery would begin again.
 *  Counterpart: CreateRestartPoint(), RecoveryRestartPoint() of src/backend/access/transam/xlog.c */
import type { Lsn } from '#base/ids.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { syncPostCheckpoint, syncPreCheckpoint } from '#storage/file/sync-requests.ts';
import { CHECKPOINT } from '#storage/ipc/checkpoint-mailbox.ts';
import { checkPointGuts } from '#recovery/checkpoint-guts.ts';
import {
  logCheckpointEnd,
  logCheckpointStart,
  resetCheckPointStats,
  showCheckpointInPs,
  updateDistanceEstimate,
} from '#recovery/checkpoint-log.ts';
import { lateParts } from '#recovery/late-parts.ts';
import { timestampText } from '#recovery/log-times.ts';
import { executeRecoveryCommand } from '#recovery/restore.ts';
import { type CheckPoint, readCheckPoint, writeCheckPoint } from '#wal/check-point.ts';
import { controlFile, controlFileLock, DB_STATE, updateControlFile } from '#wal/control-file.ts';
import { getInsertTimeline, setLocalMinRecoveryPoint, updateMinRecoveryPoint } from '#wal/flush.ts';
import { acquireAllInsertLocks, releaseInsertLock } from '#wal/insert-locks.ts';
import type { DecodedRecord } from '#wal/reader.ts';
import { getLatestXTime, getXLogReplayRecPtr, recoveryInProgress } from '#wal/recovery-state.ts';
import { keepSegmentsFor, preallocateSegments, removeOldSegments } from '#wal/segments.ts';
import { publishInfoRedoPointer, publishRedoPointer } from '#wal/start-insert.ts';
import { lsnText, segmentOf } from '#wal/wal-format.ts';
import { WalCtl } from '#wal/wal-layout.ts';
import { lockInfo, unlockInfo, walAt } from '#wal/wal-shmem.ts';
import { xlogHaveInvalidPages } from '#storage/buffer/redo-buffers.ts';

/** A replayed checkpoint record is noted: the checkpointer may use it later. */
export function noteSafeRestartPoint(checkPoint: CheckPoint, record: DecodedRecord): void {
  // Flushing now could lose what is known of pages that must disappear later in the log.
  if (xlogHaveInvalidPages()) {
    report('DEBUG2', {
      message: `could not record restart point at ${lsnText(checkPoint.redo)} because there are unresolved references to invalid pages`,
    });
    return;
  }
  lockInfo();
  WalCtl.lastCheckPointRecPtr.set(mem, walAt.ctl, record.lsn);
  WalCtl.lastCheckPointEndPtr.set(mem, walAt.ctl, record.endLsn);
  writeCheckPoint(mem, walAt.ctl + WalCtl.lastCheckPoint.offset, checkPoint);
  unlockInfo();
}

/** False if there is no newer checkpoint record to restart from. */
export function createRestartPoint(flags: number): boolean {
  lockInfo();
  const start = WalCtl.lastCheckPointRecPtr.get(mem, walAt.ctl) as Lsn;
  const end = WalCtl.lastCheckPointEndPtr.get(mem, walAt.ctl) as Lsn;
  const checkPoint = readCheckPoint(mem, walAt.ctl + WalCtl.lastCheckPoint.offset);
  unlockInfo();
  const isShutdown = (flags & CHECKPOINT.isShutdown) !== 0;
  if (!recoveryInProgress()) {
    report('DEBUG2', { message: 'skipping restartpoint, recovery has already ended' });
    return false;
  }
  if (start === 0 || checkPoint.redo <= controlFile.checkPointCopy.redo) {
    report('DEBUG2', { message: `skipping restartpoint, already performed at ${lsnText(checkPoint.redo)}` });
    updateMinRecoveryPoint(0 as Lsn, true);
    if (isShutdown) {
      lwLockAcquire(controlFileLock(), 'exclusive');
      controlFile.state = DB_STATE.shutdownedInRecovery;
      updateControlFile();
      lwLockRelease(controlFileLock());
    }
    return false;
  }
  // The startup process counts segments from here to ask for the next restartpoint.
  acquireAllInsertLocks();
  publishRedoPointer(checkPoint.redo);
  releaseInsertLock();
  publishInfoRedoPointer(checkPoint.redo);
  resetCheckPointStats();
  logCheckpointStart(flags, true);
  showCheckpointInPs(flags, true, false);
  syncPreCheckpoint();
  checkPointGuts(checkPoint.redo, flags);
  syncPostCheckpoint();
  const priorRedo = controlFile.checkPointCopy.redo;
  recordInControlFile(checkPoint, start, end, isShutdown);
  if (priorRedo !== 0) updateDistanceEstimate(checkPoint.redo - priorRedo);
  removeSegmentsBefore(checkPoint);
  logCheckpointEnd(true);
  showCheckpointInPs(flags, true, true);
  const time = getLatestXTime();
  report(settings.log_checkpoints ? 'LOG' : 'DEBUG2', {
    message: `recovery restart point at ${lsnText(checkPoint.redo)}`,
    detail: time === 0 ? undefined : `Last completed transaction was at log time ${timestampText(time)}.`,
  });
  if (settings.archive_cleanup_command !== '')
    executeRecoveryCommand(
      settings.archive_cleanup_command,
      'archive_cleanup_command',
      false,
      WAIT_EVENT.ArchiveCleanupCommand,
    );
  return true;
}

function recordInControlFile(checkPoint: CheckPoint, start: Lsn, end: Lsn, isShutdown: boolean): void {
  lwLockAcquire(controlFileLock(), 'exclusive');
  // The end-of-recovery checkpoint may have been faster.
  if (controlFile.checkPointCopy.redo < checkPoint.redo) {
    controlFile.checkPoint = start;
    controlFile.checkPointCopy = checkPoint;
    if (controlFile.state === DB_STATE.inArchiveRecovery) {
      // A restart would replay this record again, so consistency is never before its end.
      if (controlFile.minRecoveryPoint < end) {
        controlFile.minRecoveryPoint = end;
        controlFile.minRecoveryPointTli = checkPoint.thisTimeline;
        setLocalMinRecoveryPoint(end, checkPoint.thisTimeline);
      }
      if (isShutdown) controlFile.state = DB_STATE.shutdownedInRecovery;
    } else {
      controlFile.minRecoveryPoint = 0;
      controlFile.minRecoveryPointTli = 0;
    }
    updateControlFile();
  }
  lwLockRelease(controlFileLock());
}

function removeSegmentsBefore(checkPoint: CheckPoint): void {
  const replayed = getXLogReplayRecPtr();
  let segment = keepSegmentsFor(replayed.lsn, segmentOf(checkPoint.redo));
  if (lateParts.invalidateObsoleteSlots(segment)) segment = keepSegmentsFor(replayed.lsn, segmentOf(checkPoint.redo));
  // Promoted meanwhile: what is recycled shall serve the new timeline.
  const timeline = recoveryInProgress() ? replayed.timeline : getInsertTimeline();
  removeOldSegments(segment - 1, checkPoint.redo, replayed.lsn, timeline);
  preallocateSegments(replayed.lsn, timeline);
}
