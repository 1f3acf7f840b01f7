/** redo-loop.ts — replaying the log, record by record, to its end or to the target.
 *  Counterpart: PerformWalRecovery(), ApplyWalRecord(), checkTimeLineSwitch() of
 *  src/backend/access/transam/xlogrecovery.c */
import type { Lsn } from '#base/ids.ts';
import { monotonicMs } from '#platform/clock.ts';
import { PgError, report, toPgError } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { exitProcess } from '#runtime/exit-callbacks.ts';
import { settings } from '#runtime/guc/guc.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { myProcess } from '#runtime/my-process.ts';
import { mem } from '#shm/memory.ts';
import { sendPostmasterSignal } from '#storage/ipc/pm-signal.ts';
import { recordKnownAssignedTransactionIds } from '#transam/known-assigned-xids.ts';
import { advanceNextFullXidPastXid } from '#transam/xid-generator.ts';
import { checkRecoveryConsistency } from '#recovery/consistency.ts';
import { lateParts } from '#recovery/late-parts.ts';
import { timestampText } from '#recovery/log-times.ts';
import { recoveryPausesHere } from '#recovery/pause.ts';
import { beginProgressPhase, reportProgress } from '#recovery/progress.ts';
import { readRecord, recoveryReader } from '#recovery/read-record.ts';
import { setWalReceiptTime } from '#recovery/recovery-source.ts';
import { recoveryStopsAfter, recoveryStopsBefore, targetKind } from '#recovery/recovery-target.ts';
import { recovery } from '#recovery/recovery-vars.ts';
import { describeRecord, RMGRS, rmgrOf } from '#recovery/rmgr-list.ts';
import { verifyBackupPages } from '#recovery/verify-pages.ts';
import { timelinesOf } from '#recovery/xlog-redo.ts';
import type { DecodedRecord } from '#wal/reader.ts';
import {
  getLatestXTime,
  getRecoveryPauseState,
  RECOVERY_PAUSE,
  replay,
  setCurrentChunkStartTime,
  setLastReplayed,
  setLatestXTime,
  setRecoveryPause,
  setReplayEnd,
  STANDBY,
} from '#wal/recovery-state.ts';
import { RM } from '#wal/rmgr-ids.ts';
import { removeNonParentSegments } from '#wal/segments.ts';
import { timelineInHistory } from '#wal/timeline.ts';
import { lsnText, XLOG, XLR_CHECK_CONSISTENCY, XLR_INFO_MASK } from '#wal/wal-format.ts';

const NONE = 0 as Lsn;
/** Exit code that tells the postmaster to shut down: recovery_target_action = shutdown. */
const EXIT_SHUTDOWN_REQUESTED = 3;

/** `CPU: user: 0.01 s, system: 0.00 s, elapsed: 0.02 s`. */
class ResourceUsage {
  private readonly cpu = process.cpuUsage();
  private readonly startMs = monotonicMs();
  toString(): string {
    const { user, system } = process.cpuUsage(this.cpu);
    const show = (seconds: number): string => `${(Math.floor(seconds * 100) / 100).toFixed(2)} s`;
    const elapsed = (monotonicMs() - this.startMs) / 1000;
    return `CPU: user: ${show(user / 1e6)}, system: ${show(system / 1e6)}, elapsed: ${show(elapsed)}`;
  }
}

function startProgress(): number {
  const reader = recoveryReader();
  const backsUp = recovery.redoStart < recovery.checkPointLoc;
  const timeline = backsUp ? recovery.redoStartTimeline : recovery.checkPointTimeline;
  // As if the record before the first one had just been replayed.
  const start = backsUp ? NONE : reader.readRecPtr;
  const end = backsUp ? recovery.redoStart : reader.endRecPtr;
  setLastReplayed(start, end, timeline);
  setReplayEnd(end, timeline);
  setLatestXTime(0);
  setCurrentChunkStartTime(0);
  setRecoveryPause(false);
  setWalReceiptTime();
  return timeline;
}

export function performWalRecovery(): void {
  let timeline = startProgress();
  if (myProcess.isUnderPostmaster) sendPostmasterSignal('recoveryStarted');
  checkRecoveryConsistency();
  let record: DecodedRecord | null;
  if (recovery.redoStart < recovery.checkPointLoc) {
    recoveryReader().beginRead(recovery.redoStart);
    record = readRecord('PANIC', false, timeline);
  } else record = readRecord('LOG', false, timeline);
  let reachedTarget = false;
  if (record === null) report('LOG', { message: 'redo is not required' });
  else {
    const usage = new ResourceUsage();
    recovery.inRedo = true;
    for (const rmgr of RMGRS) rmgr.startup?.();
    report('LOG', { message: `redo starts at ${lsnText(record.lsn)}` });
    if (!replay.standbyMode) beginProgressPhase();
    let last: Lsn = record.lsn;
    do {
      const at: Lsn = record.lsn;
      if (!replay.standbyMode)
        reportProgress((elapsed) => `redo in progress, elapsed time: ${elapsed}, current LSN: ${lsnText(at)}`);
      checkForInterrupts();
      if (getRecoveryPauseState() !== RECOVERY_PAUSE.notPaused) recoveryPausesHere(false);
      last = at;
      if (recoveryStopsBefore(record)) {
        reachedTarget = true;
        break;
      }
      timeline = applyWalRecord(record, timeline);
      if (recoveryStopsAfter(record)) {
        reachedTarget = true;
        break;
      }
      record = readRecord('LOG', false, timeline);
    } while (record !== null);
    if (reachedTarget) actOnTarget();
    for (const rmgr of RMGRS) rmgr.cleanup?.();
    report('LOG', { message: `redo done at ${lsnText(last)} system usage: ${usage}` });
    const time = getLatestXTime();
    if (time !== 0) report('LOG', { message: `last completed transaction was at log time ${timestampText(time)}` });
    recovery.inRedo = false;
  }
  if (replay.archiveRecoveryRequested && targetKind() !== 'none' && !reachedTarget)
    report('FATAL', {
      code: SQLSTATE.configFileError,
      message: 'recovery ended before configured recovery target was reached',
    });
}

function actOnTarget(): void {
  if (!replay.reachedConsistency)
    report('FATAL', { message: 'requested recovery stop point is before consistent recovery point' });
  const action =
    settings.recovery_target_action === 'pause' && !settings.hot_standby ? 'shutdown' : settings.recovery_target_action;
  if (action === 'shutdown') exitProcess(EXIT_SHUTDOWN_REQUESTED);
  if (action !== 'pause') return;
  setRecoveryPause(true);
  recoveryPausesHere(true);
}

/** Applies the record; the timeline that replay is on afterwards. */
function applyWalRecord(record: DecodedRecord, timeline: number): number {
  advanceNextFullXidPastXid(record.xid);
  let switched = false;
  if (record.rmid === RM.xlog) {
    const timelines = timelinesOf(record);
    if (timelines !== undefined && timelines[0] !== timeline) {
      checkTimelineSwitch(record.endLsn, timelines[0], timelines[1], timeline);
      timeline = timelines[0];
      switched = true;
    }
  }
  setReplayEnd(record.endLsn, timeline);
  if (replay.standbyState >= STANDBY.initialized && record.xid !== 0) recordKnownAssignedTransactionIds(record.xid);
  if (record.rmid === RM.xlog) recoveryRedo(record);
  const { lsn, endLsn } = record;
  redoWithContext(record);
  setLastReplayed(lsn, endLsn, timeline);
  checkRecoveryConsistency();
  if (switched) {
    // Segments of the old timeline beyond the switch were never more than prepared.
    removeNonParentSegments(endLsn, timeline);
    lateParts.wakeWalSenders();
  }
  return timeline;
}

/** An error of replay says which record it was; nobody catches it, so the startup process ends with it. */
function redoWithContext(record: DecodedRecord): void {
  const where = record.lsn;
  try {
    rmgrOf(record.rmid).redo(record);
    if ((record.info & XLR_CHECK_CONSISTENCY) !== 0) verifyBackupPages(record);
  } catch (caught) {
    const error = toPgError(caught);
    const context = `WAL redo at ${lsnText(where)} for ${describeRecord(record)}`;
    throw new PgError(error.level, {
      ...error.fields,
      context: error.fields.context === undefined ? context : `${error.fields.context}\n${context}`,
    });
  }
}

/** Records that steer recovery itself. */
function recoveryRedo(record: DecodedRecord): void {
  const op = record.info & ~XLR_INFO_MASK;
  const { view } = mem;
  const lsnAt = (at: number): Lsn => (view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true)) as Lsn;
  if (op === XLOG.overwriteContrecord) {
    const overwritten = lsnAt(record.mainAt);
    const reader = recoveryReader();
    if (overwritten !== reader.overwrittenRecPtr)
      report('FATAL', {
        message: `mismatching overwritten LSN ${lsnText(overwritten)} -> ${lsnText(reader.overwrittenRecPtr)}`,
      });
    recovery.abortedRecPtr = NONE;
    recovery.missingContrecPtr = NONE;
    report('LOG', {
      message: `successfully skipped missing contrecord at ${lsnText(overwritten)}, overwritten at ${timestampText(Number(view.getBigInt64(record.mainAt + 8, true)))}`,
    });
    reader.overwrittenRecPtr = NONE;
  } else if (op === XLOG.backupEnd) {
    const start = lsnAt(record.mainAt);
    if (recovery.backupStartPoint === start) {
      report('DEBUG1', { message: 'end of backup record reached' });
      recovery.backupEndPoint = record.endLsn;
    } else
      report('DEBUG1', {
        message: `saw end-of-backup record for backup starting at ${lsnText(start)}, waiting for ${lsnText(recovery.backupStartPoint)}`,
      });
  }
}

function checkTimelineSwitch(end: Lsn, next: number, previous: number, current: number): void {
  if (previous !== current)
    report('PANIC', {
      message: `unexpected previous timeline ID ${previous} (current timeline ID ${current}) in checkpoint record`,
    });
  if (next < current || recovery.history === null || !timelineInHistory(next, recovery.history))
    report('PANIC', { message: `unexpected timeline ID ${next} (after ${current}) in checkpoint record` });
  const min = recovery.minRecoveryPoint;
  if (min !== 0 && end < min && next > recovery.minRecoveryPointTimeline)
    report('PANIC', {
      message: `unexpected timeline ID ${next} in checkpoint record, before reaching minimum recovery point ${lsnText(min)} on timeline ${recovery.minRecoveryPointTimeline}`,
    });
}
