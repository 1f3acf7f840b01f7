/** startup-xlog.ts — from what pg_control says to a log that can be written: the startup process's whole work.
 *
 *  Order matters throughout: counters before replay (records advance them), the control file before the first change of a
 *  page, the new timeline before the first new record, `in production` last.
 *  Counterpart: StartupXLOG(), CleanupAfterArchiveRecovery(), PerformRecoveryXLogAction() of xlog.c;
 *  FinishWalRecovery() of xlogrecovery.c */
import type { Lsn } from '#base/ids.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { setPsDisplay } from '#runtime/activity/ps-title.ts';
import { currentTimestamp } from '#platform/clock.ts';
import { native } from '#platform/native.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { myProcess } from '#runtime/my-process.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { privateAlloc, privateFree } from '#shm/private-memory.ts';
import { CHECKPOINT, requestCheckpoint } from '#storage/ipc/checkpoint-mailbox.ts';
import { relationCacheInitFileRemove } from '#catalog/relcache-init-file.ts';
import { resetUnloggedRelations, UNLOGGED } from '#storage/file/reinit.ts';
import { deleteAllExportedSnapshotFiles } from '#transam/snapshot-export.ts';
import {
  endHotStandby,
  finishStartupTransam,
  loadCheckPointCounters,
  startHotStandby,
  startupTransam,
  startupTransamLogs,
} from '#transam/startup.ts';
import { recoverPreparedTransactions, restoreTwoPhaseData } from '#transam/two-phase.ts';
import { retireBackupFiles } from '#recovery/backup-label.ts';
import { createCheckPoint, createEndOfRecoveryRecord } from '#recovery/checkpoint.ts';
import { initWalRecovery, RECOVERY_SIGNAL, type RecoveryStart, STANDBY_SIGNAL } from '#recovery/init-recovery.ts';
import { lateParts } from '#recovery/late-parts.ts';
import { controlFileTime } from '#recovery/log-times.ts';
import { closeRecoveryReader, readRecord, recordOffsetIsValid, recoveryReader } from '#recovery/read-record.ts';
import { closeRecoverySource, leaveStream } from '#recovery/recovery-source.ts';
import { recoveryStopReason } from '#recovery/recovery-target.ts';
import { recovery } from '#recovery/recovery-vars.ts';
import { performWalRecovery } from '#recovery/redo-loop.ts';
import { checkRequiredParameters } from '#recovery/required-parameters.ts';
import { executeRecoveryCommand } from '#recovery/restore.ts';
import { syncDataDirectory } from '#recovery/sync-data-directory.ts';
import { xlogArchiveCleanup, xlogArchiveIsReadyOrDone, xlogArchiveNotify } from '#wal/archive-status.ts';
import type { CheckPoint } from '#wal/check-point.ts';
import { FIRST_UNLOGGED_LSN } from '#wal/control-file-layout.ts';
import { controlFile, controlFileLock, DB_STATE, updateControlFile } from '#wal/control-file.ts';
import { localMinRecoveryPoint, setLocalMinRecoveryPoint, updateMinRecoveryPoint, xlogFlush } from '#wal/flush.ts';
import { acquireInsertLock, releaseInsertLock } from '#wal/insert-locks.ts';
import {
  getXLogInsertRecPtr,
  procLastRecPtr,
  walScratch,
  xlogBeginInsert,
  xlogInsert,
  xlogRegisterData,
} from '#wal/insert.ts';
import { setPageWritesWanted } from '#wal/insert-record.ts';
import {
  allowInsertHere,
  disownRecoveryWakeup,
  getLastReplayedRecord,
  getXLogReplayRecPtr,
  promoteIsTriggered,
  RECOVERY_STATE,
  recoveryInProgress,
  replay,
  setRecoveryState,
  STANDBY,
} from '#wal/recovery-state.ts';
import { RM } from '#wal/rmgr-ids.ts';
import {
  copySegment,
  openOrCreateSegment,
  preallocateSegments,
  removeNonParentSegments,
  removeTemporarySegments,
  setInstallSegmentActive,
  validateWalDirectory,
} from '#wal/segments.ts';
import { positionInsertion, publishInfoRedoPointer, publishRedoPointer } from '#wal/start-insert.ts';
import { findNewestTimeline, restoreTimelineHistoryFiles, writeTimelineHistory } from '#wal/timeline.ts';
import { walBufferFor } from '#wal/wal-buffers.ts';
import {
  lsnText,
  pageHeaderSize,
  pageOffset,
  previousSegmentOf,
  segmentFileName,
  segmentOf,
  segmentOffset,
  segmentPath,
  XLOG,
  XLOG_BLCKSZ,
  xlogArchivingActive,
  XLP,
} from '#wal/wal-format.ts';
import { durableRenamePath, durableUnlinkPath } from '#wal/wal-io.ts';
import { WalCtl } from '#wal/wal-layout.ts';
import { setFullPageWrites, updateFullPageWrites, xlogReportParameters } from '#wal/wal-records.ts';
import { walAt } from '#wal/wal-shmem.ts';
import { reportWalStats } from '#wal/wal-stats.ts';

/** What the cluster was doing when it was last seen. */
function sayHowItWas(): void {
  const time = controlFileTime(controlFile.time);
  const say = (message: string, hint?: string): void => report('LOG', { message, hint });
  switch (controlFile.state) {
    case DB_STATE.shutdowned:
      report(myProcess.isUnderPostmaster ? 'LOG' : 'NOTICE', { message: `database system was shut down at ${time}` });
      break;
    case DB_STATE.shutdownedInRecovery:
      say(`database system was shut down in recovery at ${time}`);
      break;
    case DB_STATE.shutdowning:
      say(`database system shutdown was interrupted; last known up at ${time}`);
      break;
    case DB_STATE.inCrashRecovery:
      say(
        `database system was interrupted while in recovery at ${time}`,
        'This probably means that some data is corrupted and you will have to use the last backup for recovery.',
      );
      break;
    case DB_STATE.inArchiveRecovery:
      say(
        `database system was interrupted while in recovery at log time ${controlFileTime(controlFile.checkPointCopy.time)}`,
        'If this has occurred more than once some data might be corrupted and you might need to choose an earlier recovery target.',
      );
      break;
    case DB_STATE.inProduction:
      say(`database system was interrupted; last known up at ${time}`);
      break;
    default:
      report('FATAL', { message: 'control file contains invalid database cluster state' });
  }
}

function setCounters(c: CheckPoint): void {
  loadCheckPointCounters(c);
  WalCtl.checkpointNextXid.set(mem, walAt.ctl, c.nextXid);
}

export function startupXlog(): void {
  if (!recordOffsetIsValid(controlFile.checkPoint as Lsn))
    report('FATAL', { message: 'control file contains invalid checkpoint location' });
  sayHowItWas();
  validateWalDirectory();
  const stateBefore = controlFile.state;
  const crashed = stateBefore !== DB_STATE.shutdowned && stateBefore !== DB_STATE.shutdownedInRecovery;
  if (crashed) {
    removeTemporarySegments();
    syncDataDirectory();
  }
  const start = initWalRecovery();
  const checkPoint = controlFile.checkPointCopy;
  setCounters(checkPoint);
  relationCacheInitFileRemove();
  lateParts.startupReplicationSlots();
  startupTransamLogs(controlFile.trackCommitTimestamp);
  const unlogged = stateBefore === DB_STATE.shutdowned ? controlFile.unloggedLsn : FIRST_UNLOGGED_LSN;
  WalCtl.unloggedLsn.set(mem, walAt.ctl, unlogged);
  restoreTimelineHistoryFiles(checkPoint.thisTimeline, recovery.targetTimeline);
  restoreTwoPhaseData();
  lateParts.startupStatistics(crashed);
  recovery.lastFullPageWrites = checkPoint.fullPageWrites;
  setPageWritesWanted(checkPoint.fullPageWrites);
  publishRedoPointer(checkPoint.redo);
  publishInfoRedoPointer(checkPoint.redo);
  if (replay.inRecovery) replayLog(start);
  finish(replay.inRecovery);
}

function replayLog(start: RecoveryStart): void {
  setRecoveryState(replay.inArchiveRecovery ? RECOVERY_STATE.archive : RECOVERY_STATE.crash);
  // From here on pg_control says that recovery has begun, and from where.
  updateControlFile();
  retireBackupFiles(start.hasBackupLabel, start.hasTablespaceMap);
  if (replay.inArchiveRecovery) setLocalMinRecoveryPoint(controlFile.minRecoveryPoint, controlFile.minRecoveryPointTli);
  else setLocalMinRecoveryPoint(0, 0);
  checkRequiredParameters();
  resetUnloggedRelations(UNLOGGED.cleanup);
  deleteAllExportedSnapshotFiles();
  if (replay.archiveRecoveryRequested && settings.hot_standby)
    startHotStandby(controlFile.checkPointCopy, start.wasShutdown);
  performWalRecovery();
}

interface EndOfWal {
  endOfLog: Lsn;
  readonly lastRecord: Lsn;
  readonly lastTimeline: number;
  /** Timeline in the name of the file that the end lies in. */
  readonly fileTimeline: number;
  /** Copy of the page that the end lies in; 0 at a page border. */
  readonly lastPageAt: number;
}

/** Reads the last record once more: its end is where the log goes on. */
function finishWalRecovery(): EndOfWal {
  leaveStream();
  // Only files from now on: what is needed still (a history file, the last segment) is here or in the archive.
  replay.standbyMode = false;
  let lastRecord = recovery.checkPointLoc;
  let lastTimeline = recovery.checkPointTimeline;
  if (replay.inRecovery) {
    const replayed = getXLogReplayRecPtr();
    lastRecord = getLastReplayedRecord();
    lastTimeline = replayed.timeline;
  }
  const reader = recoveryReader();
  reader.beginRead(lastRecord);
  readRecord('PANIC', false, lastTimeline);
  const endOfLog = reader.endRecPtr;
  const fileTimeline = reader.segmentTimeline;
  let lastPageAt = 0;
  const used = pageOffset(endOfLog);
  if (used !== 0) {
    lastPageAt = privateAlloc(XLOG_BLCKSZ);
    mem.u8.copyWithin(lastPageAt, reader.currentPageAt(), reader.currentPageAt() + used);
  }
  if (replay.archiveRecoveryRequested) {
    replay.inArchiveRecovery = false;
    closeRecoverySource();
  }
  return { endOfLog, lastRecord, lastTimeline, fileTimeline, lastPageAt };
}

function complainIfInconsistent(endOfLog: Lsn): void {
  if (!replay.inRecovery) return;
  if (endOfLog >= localMinRecoveryPoint() && controlFile.backupStartPoint === 0) return;
  if (!replay.archiveRecoveryRequested && !controlFile.backupEndRequired) return;
  if (controlFile.backupStartPoint !== 0 || controlFile.backupEndRequired)
    report('FATAL', {
      message: 'WAL ends before end of online backup',
      hint: 'All WAL generated while online backup was taken must be available at recovery.',
    });
  report('FATAL', { message: 'WAL ends before consistent recovery point' });
}

/** A new timeline: its own copy of the last segment, its history, and no way back into archive recovery. */
function beginTimeline(end: EndOfWal): number {
  const timeline = findNewestTimeline(recovery.targetTimeline) + 1;
  report('LOG', { message: `selected new timeline ID: ${timeline}` });
  initNewTimeline(end.fileTimeline, end.endOfLog, timeline);
  if (recovery.standbySignalFound) durableUnlinkPath(STANDBY_SIGNAL, 'FATAL');
  if (recovery.recoverySignalFound) durableUnlinkPath(RECOVERY_SIGNAL, 'FATAL');
  writeTimelineHistory(timeline, recovery.targetTimeline, end.endOfLog, recoveryStopReason());
  report('LOG', { message: 'archive recovery complete' });
  return timeline;
}

function initNewTimeline(oldTimeline: number, end: Lsn, timeline: number): void {
  updateMinRecoveryPoint(0 as Lsn, true);
  const endSegment = previousSegmentOf(end);
  const startSegment = segmentOf(end);
  if (endSegment === startSegment) copySegment(oldTimeline, endSegment, timeline, endSegment, segmentOffset(end));
  else native.closeFd(openOrCreateSegment(startSegment, timeline));
  xlogArchiveCleanup(segmentFileName(timeline, startSegment));
}

function finish(performedRecovery: boolean): void {
  const end = finishWalRecovery();
  setPsDisplay('');
  complainIfInconsistent(end.endOfLog);
  if (replay.inRecovery) resetUnloggedRelations(UNLOGGED.init);
  setInstallSegmentActive(true);
  const timeline = replay.archiveRecoveryRequested ? beginTimeline(end) : end.lastTimeline;
  // A record that was never finished stays as it is; the log goes on where its continuation should have been.
  const { abortedRecPtr, missingContrecPtr } = recovery;
  let { endOfLog, lastPageAt } = end;
  const originalEnd = end.endOfLog;
  if (missingContrecPtr !== 0) {
    endOfLog = missingContrecPtr;
    lastPageAt = 0;
  }
  positionInsertion({
    endOfLog,
    lastRecord: end.lastRecord,
    lastPageAt,
    timeline,
    previousTimeline: end.lastTimeline,
  });
  if (end.lastPageAt !== 0) privateFree(end.lastPageAt);
  preallocateSegments(endOfLog, timeline);
  replay.inRecovery = false;
  WalCtl.lastSegSwitchTime.set(mem, walAt.ctl, Math.floor(native.realtimeUs() / 1e6));
  WalCtl.lastSegSwitchLsn.set(mem, walAt.ctl, endOfLog);
  startupTransam();
  recoverPreparedTransactions();
  closeRecoveryReader();
  if (replay.archiveRecoveryRequested) disownRecoveryWakeup();
  openForWriting(performedRecovery, abortedRecPtr, missingContrecPtr, timeline);
  if (replay.archiveRecoveryRequested) cleanUpAfterArchiveRecovery(end.fileTimeline, originalEnd, timeline);
  finishStartupTransam();
  lwLockAcquire(controlFileLock(), 'exclusive');
  controlFile.state = DB_STATE.inProduction;
  setRecoveryState(RECOVERY_STATE.done);
  updateControlFile();
  lwLockRelease(controlFileLock());
  if (replay.standbyState !== STANDBY.disabled) endHotStandby();
  lateParts.wakeWalSenders();
  reportWalStats();
  if (promoted) requestCheckpoint(CHECKPOINT.force);
}

let promoted = false;

/** The first records of this life, by this process alone. */
function openForWriting(performedRecovery: boolean, aborted: Lsn, missing: Lsn, timeline: number): void {
  allowInsertHere();
  if (aborted !== 0 && missing !== 0) createOverwriteContrecord(aborted, missing, timeline);
  setFullPageWrites(recovery.lastFullPageWrites);
  updateFullPageWrites();
  if (performedRecovery) promoted = performRecoveryXlogAction();
  xlogReportParameters();
}

/** A promoted standby must not wait for a checkpoint; everybody else begins with one. */
function performRecoveryXlogAction(): boolean {
  if (replay.archiveRecoveryRequested && myProcess.isUnderPostmaster && promoteIsTriggered()) {
    createEndOfRecoveryRecord();
    return true;
  }
  const flags = CHECKPOINT.endOfRecovery | CHECKPOINT.immediate | CHECKPOINT.wait;
  if (myProcess.isUnderPostmaster) requestCheckpoint(flags);
  else createCheckPoint(flags);
  return false;
}

/** Tells readers of the log that the record before was given up. */
function createOverwriteContrecord(aborted: Lsn, page: Lsn, timeline: number): void {
  if (!recoveryInProgress()) report('ERROR', { message: 'can only be used at end of recovery' });
  if (pageOffset(page) !== 0)
    report('ERROR', { message: `invalid position for missing continuation record ${lsnText(page)}` });
  const start = page + pageHeaderSize(page);
  const here = getXLogInsertRecPtr();
  if (here !== start)
    report('ERROR', { message: `invalid WAL insert position ${lsnText(here)} for OVERWRITE_CONTRECORD` });
  beginCritical();
  acquireInsertLock();
  const header = walBufferFor(page, timeline);
  mem.view.setUint16(header + 2, mem.view.getUint16(header + 2, true) | XLP.firstIsOverwriteContrecord, true);
  releaseInsertLock();
  xlogBeginInsert();
  const at = walScratch(16);
  mem.view.setBigUint64(at, BigInt(aborted), true);
  mem.view.setBigInt64(at + 8, BigInt(currentTimestamp()), true);
  xlogRegisterData(at, 16);
  const end = xlogInsert(RM.xlog, XLOG.overwriteContrecord);
  if (procLastRecPtr() !== start)
    report('ERROR', {
      message: `OVERWRITE_CONTRECORD was inserted to unexpected position ${lsnText(procLastRecPtr())}`,
    });
  xlogFlush(end);
  endCritical();
}

function cleanUpAfterArchiveRecovery(oldTimeline: number, end: Lsn, timeline: number): void {
  if (settings.recovery_end_command !== '')
    executeRecoveryCommand(settings.recovery_end_command, 'recovery_end_command', true, WAIT_EVENT.RecoveryEndCommand);
  removeNonParentSegments(end, timeline);
  if (segmentOffset(end) === 0 || !xlogArchivingActive()) return;
  // The old timeline's last segment is archived under a name that cannot be taken for the whole one.
  const segment = previousSegmentOf(end);
  const name = segmentFileName(oldTimeline, segment);
  if (xlogArchiveIsReadyOrDone(name)) return;
  const path = segmentPath(oldTimeline, segment);
  xlogArchiveCleanup(`${name}.partial`);
  durableRenamePath(path, `${path}.partial`, 'ERROR');
  xlogArchiveNotify(`${name}.partial`);
}
