/** checkpoint.ts — a point in the log from which a crash can be recovered, because all before it is on disk.
 *
 *  K4. The redo pointer is decided with all insertion locks held: every change logged before it is in its buffer, every
 *      page first changed after it is logged whole.
 *  K5. Between the redo pointer and the flush those are waited for who stand between their WAL record and what belongs to
 *      it (DELAY_CHKPT_START); before the record, those whose files are not yet what their record says (…COMPLETE).
 *  K6. pg_control points at the new checkpoint only when its record is flushed; old segments go only after that.
 *  Counterpart: CreateCheckPoint(), CreateEndOfRecoveryRecord(), ShutdownXLOG() of src/backend/access/transam/xlog.c */
import type { Lsn } from '#base/ids.ts';
import { currentTimestamp } from '#platform/clock.ts';
import { native } from '#platform/native.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import { report } from '#runtime/error/report.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { futexWait, mem } from '#shm/memory.ts';
import { spinAcquire, spinRelease } from '#shm/spinlock.ts';
import { syncPostCheckpoint, syncPreCheckpoint } from '#storage/file/sync-requests.ts';
import { CHECKPOINT } from '#storage/ipc/checkpoint-mailbox.ts';
import { commitTsBounds } from '#transam/commit-ts.ts';
import {
  getOldestActiveTransactionId,
  getOldestTransactionIdConsideredRunning,
  getVirtualXidsDelayingChkpt,
  haveVirtualXidsDelayingChkpt,
} from '#transam/proc-array.ts';
import { multiXactGetCheckpt } from '#transam/multixact-redo.ts';
import { DELAY_CHKPT_COMPLETE, DELAY_CHKPT_START } from '#transam/proc-flags.ts';
import { logStandbySnapshot } from '#transam/standby-log.ts';
import { truncateSubtrans } from '#transam/subtrans.ts';
import { readNextFullTransactionId, readNextObjectId, readXidLimits } from '#transam/xid-generator.ts';
import { checkPointGuts } from '#recovery/checkpoint-guts.ts';
import {
  logCheckpointEnd,
  logCheckpointStart,
  resetCheckPointStats,
  showCheckpointInPs,
  updateDistanceEstimate,
} from '#recovery/checkpoint-log.ts';
import { lateParts } from '#recovery/late-parts.ts';
import { createRestartPoint } from '#recovery/restartpoint.ts';
import { type CheckPoint, emptyCheckPoint, writeCheckPoint } from '#wal/check-point.ts';
import { CHECKPOINT_SIZE } from '#wal/control-file-layout.ts';
import { controlFile, controlFileLock, DB_STATE, updateControlFile } from '#wal/control-file.ts';
import { getInsertTimeline, getPrevTimeline, xlogFlush } from '#wal/flush.ts';
import { acquireAllInsertLocks, getLastImportantRecPtr, releaseInsertLock } from '#wal/insert-locks.ts';
import { procLastRecPtr, walScratch, xlogBeginInsert, xlogInsert, xlogRegisterData } from '#wal/insert.ts';
import { allowInsertHere, forbidInsert, recoveryInProgress, restoreInsertAllowed } from '#wal/recovery-state.ts';
import { RM } from '#wal/rmgr-ids.ts';
import { keepSegmentsFor, preallocateSegments, removeOldSegments } from '#wal/segments.ts';
import { publishInfoRedoPointer, publishRedoPointer } from '#wal/start-insert.ts';
import { bytePosToRecPtr, segmentOf, XLOG, xlogArchivingActive, xlogStandbyInfoActive } from '#wal/wal-format.ts';
import { WalCtl } from '#wal/wal-layout.ts';
import { requestXLogSwitch } from '#wal/wal-records.ts';
import { walAt } from '#wal/wal-shmem.ts';

function setState(state: number): void {
  lwLockAcquire(controlFileLock(), 'exclusive');
  controlFile.state = state;
  updateControlFile();
  lwLockRelease(controlFileLock());
}

/** Ten milliseconds that nothing ends early. */
function nap(): void {
  const word = walAt.ctl + WalCtl.bufferCount.offset;
  futexWait(word, WalCtl.bufferCount.get(mem, walAt.ctl), 10);
}
function waitForDelayers(type: number): void {
  const vxids = getVirtualXidsDelayingChkpt(type);
  while (vxids.length > 0 && haveVirtualXidsDelayingChkpt(vxids, type)) nap();
}

/** Publishes the redo pointer; false if nothing has happened since the last checkpoint. [checkpoint K4] */
function decideRedo(checkPoint: CheckPoint, flags: number, lastImportant: Lsn): boolean {
  acquireAllInsertLocks();
  const mustBeMade = CHECKPOINT.isShutdown | CHECKPOINT.endOfRecovery | CHECKPOINT.force;
  if ((flags & mustBeMade) === 0 && lastImportant === controlFile.checkPoint) {
    releaseInsertLock();
    return false;
  }
  spinAcquire(walAt.ctl + WalCtl.insertPosLock.offset);
  const bytePos = WalCtl.currBytePos.get(mem, walAt.ctl);
  spinRelease(walAt.ctl + WalCtl.insertPosLock.offset);
  checkPoint.thisTimeline = getInsertTimeline();
  checkPoint.prevTimeline = (flags & CHECKPOINT.endOfRecovery) !== 0 ? getPrevTimeline() : checkPoint.thisTimeline;
  checkPoint.fullPageWrites = WalCtl.fullPageWrites.get(mem, walAt.ctl) !== 0;
  // Where the next record will begin: behind the page header, if a page is full.
  checkPoint.redo = bytePosToRecPtr(bytePos);
  publishRedoPointer(checkPoint.redo);
  releaseInsertLock();
  publishInfoRedoPointer(checkPoint.redo);
  return true;
}

function gatherCounters(checkPoint: CheckPoint, isShutdown: boolean): void {
  checkPoint.nextXid = readNextFullTransactionId();
  const { oldestXid, oldestXidDb } = readXidLimits();
  checkPoint.oldestXid = oldestXid;
  checkPoint.oldestXidDb = oldestXidDb;
  const { oldest, newest } = commitTsBounds();
  checkPoint.oldestCommitTsXid = oldest;
  checkPoint.newestCommitTsXid = newest;
  // OIDs that were promised may be in use without a word of it in the log after the redo pointer.
  checkPoint.nextOid = readNextObjectId(!isShutdown);
  const multi = multiXactGetCheckpt();
  checkPoint.nextMulti = multi.nextMulti;
  checkPoint.nextMultiOffset = multi.nextOffset;
  checkPoint.oldestMulti = multi.oldestMulti;
  checkPoint.oldestMultiDb = multi.oldestMultiDb;
}

/** flags: CHECKPOINT. */
export function createCheckPoint(flags: number): void {
  const isShutdown = (flags & (CHECKPOINT.isShutdown | CHECKPOINT.endOfRecovery)) !== 0;
  const endsRecovery = (flags & CHECKPOINT.endOfRecovery) !== 0;
  if (recoveryInProgress() && !endsRecovery) report('ERROR', { message: "can't create a checkpoint during recovery" });
  resetCheckPointStats();
  syncPreCheckpoint();
  beginCritical();
  if (isShutdown) setState(DB_STATE.shutdowning);
  const checkPoint = emptyCheckPoint();
  checkPoint.time = Math.floor(native.realtimeUs() / 1e6);
  if (!isShutdown && xlogStandbyInfoActive()) checkPoint.oldestActiveXid = getOldestActiveTransactionId();
  if (!decideRedo(checkPoint, flags, getLastImportantRecPtr())) {
    endCritical();
    report('DEBUG1', { message: 'checkpoint skipped because system is idle' });
    return;
  }
  const allowedBefore = endsRecovery ? allowInsertHere() : 0;
  logCheckpointStart(flags, false);
  showCheckpointInPs(flags, false, false);
  gatherCounters(checkPoint, isShutdown);
  endCritical();
  waitForDelayers(DELAY_CHKPT_START); // [checkpoint K5]
  checkPointGuts(checkPoint.redo, flags);
  waitForDelayers(DELAY_CHKPT_COMPLETE);
  if (!isShutdown && xlogStandbyInfoActive()) logStandbySnapshot();
  beginCritical();
  const end = insertCheckPointRecord(checkPoint, isShutdown);
  // Whatever came after a shutdown checkpoint would be overwritten at the next start.
  if (endsRecovery) restoreInsertAllowed(allowedBefore);
  else if (isShutdown) forbidInsert();
  if (isShutdown && checkPoint.redo !== procLastRecPtr())
    report('PANIC', { message: 'concurrent write-ahead log activity while database system is shutting down' });
  const priorRedo = controlFile.checkPointCopy.redo;
  recordInControlFile(checkPoint, isShutdown);
  endCritical();
  syncPostCheckpoint();
  if (priorRedo !== 0) updateDistanceEstimate(checkPoint.redo - priorRedo);
  removeSegmentsBefore(checkPoint, end);
  if (!isShutdown) preallocateSegments(end, checkPoint.thisTimeline);
  // Nobody asks for the parents of transactions that all see as ended.
  if (!recoveryInProgress()) truncateSubtrans(getOldestTransactionIdConsideredRunning());
  logCheckpointEnd(false);
  showCheckpointInPs(flags, false, true);
}

function insertCheckPointRecord(checkPoint: CheckPoint, isShutdown: boolean): Lsn {
  xlogBeginInsert();
  const at = walScratch(CHECKPOINT_SIZE);
  writeCheckPoint(mem, at, checkPoint);
  xlogRegisterData(at, CHECKPOINT_SIZE);
  const end = xlogInsert(RM.xlog, isShutdown ? XLOG.checkpointShutdown : XLOG.checkpointOnline);
  xlogFlush(end);
  return end;
}

function recordInControlFile(checkPoint: CheckPoint, isShutdown: boolean): void {
  lwLockAcquire(controlFileLock(), 'exclusive');
  if (isShutdown) controlFile.state = DB_STATE.shutdowned;
  controlFile.checkPoint = procLastRecPtr();
  controlFile.checkPointCopy = checkPoint;
  // A crash is recovered to the end of the log, whatever a backup wanted before.
  controlFile.minRecoveryPoint = 0;
  controlFile.minRecoveryPointTli = 0;
  spinAcquire(walAt.ctl + WalCtl.ulsnLock.offset);
  controlFile.unloggedLsn = WalCtl.unloggedLsn.get(mem, walAt.ctl);
  spinRelease(walAt.ctl + WalCtl.ulsnLock.offset);
  updateControlFile();
  lwLockRelease(controlFileLock());
  WalCtl.checkpointNextXid.set(mem, walAt.ctl, checkPoint.nextXid);
}

function removeSegmentsBefore(checkPoint: CheckPoint, end: Lsn): void {
  let segment = keepSegmentsFor(end, segmentOf(checkPoint.redo));
  if (lateParts.invalidateObsoleteSlots(segment)) segment = keepSegmentsFor(end, segmentOf(checkPoint.redo));
  removeOldSegments(segment - 1, checkPoint.redo, end, checkPoint.thisTimeline);
}

/** Instead of a checkpoint, when a standby is promoted and must not wait for one. */
export function createEndOfRecoveryRecord(): void {
  if (!recoveryInProgress()) report('ERROR', { message: 'can only be used to end recovery' });
  beginCritical();
  xlogBeginInsert();
  const at = walScratch(16);
  mem.view.setBigInt64(at, BigInt(currentTimestamp()), true);
  mem.view.setUint32(at + 8, getInsertTimeline(), true);
  mem.view.setUint32(at + 12, getPrevTimeline(), true);
  xlogRegisterData(at, 16);
  const end = xlogInsert(RM.xlog, XLOG.endOfRecovery);
  xlogFlush(end);
  lwLockAcquire(controlFileLock(), 'exclusive');
  controlFile.minRecoveryPoint = end;
  controlFile.minRecoveryPointTli = getInsertTimeline();
  updateControlFile();
  lwLockRelease(controlFileLock());
  endCritical();
}

/** The last thing that is written: by the checkpointer when all others are gone, or by a program that is alone. */
export function shutdownXlog(): void {
  lateParts.stopWalSenders();
  if (recoveryInProgress()) {
    createRestartPoint(CHECKPOINT.isShutdown | CHECKPOINT.immediate);
    return;
  }
  // What is in the last segment shall be archived; the checkpoint goes into the next one.
  if (xlogArchivingActive()) requestXLogSwitch(false);
  createCheckPoint(CHECKPOINT.isShutdown | CHECKPOINT.immediate);
}

/** What the checkpointer does for a request. */
export function performCheckpoint(flags: number): boolean {
  if (recoveryInProgress() && (flags & CHECKPOINT.endOfRecovery) === 0) return createRestartPoint(flags);
  createCheckPoint(flags);
  return true;
}
