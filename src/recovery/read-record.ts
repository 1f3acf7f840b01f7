/** read-record.ts — the next record to replay, from whichever source has it.
 *  Counterpart: ReadRecord(), ReadCheckpointRecord() of src/backend/access/transam/xlogrecovery.c */
import type { Lsn } from '#base/ids.ts';
import { type Level, report } from '#runtime/error/report.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { standbyTriggered } from '#recovery/pause.ts';
import { checkRecoveryConsistency } from '#recovery/consistency.ts';
import {
  closeRecoverySource,
  levelForCorruptRecord,
  noteFirstAttempt,
  noteSourceFailed,
  pageTimelineIsExpected,
  recoverySource,
  request,
  restartSources,
} from '#recovery/recovery-source.ts';
import { recovery } from '#recovery/recovery-vars.ts';
import { CHECKPOINT_SIZE } from '#wal/control-file-layout.ts';
import { controlFile, controlFileLock, DB_STATE, updateControlFile } from '#wal/control-file.ts';
import { allowMinRecoveryPointUpdates, setLocalMinRecoveryPoint } from '#wal/flush.ts';
import { type DecodedRecord, WalReader } from '#wal/reader.ts';
import { RECOVERY_STATE, replay, setRecoveryState } from '#wal/recovery-state.ts';
import { RM } from '#wal/rmgr-ids.ts';
import {
  RECORD_HEADER,
  segmentFileName,
  segmentOf,
  segmentOffset,
  SHORT_HEADER,
  XLOG,
  XLOG_BLCKSZ,
  XLR_INFO_MASK,
} from '#wal/wal-format.ts';

let reader: WalReader | null = null;
export function recoveryReader(): WalReader {
  reader ??= new WalReader(recoverySource, controlFile.systemIdentifier);
  return reader;
}
export function closeRecoveryReader(): void {
  closeRecoverySource();
  reader?.close();
  reader = null;
}

/** A record can begin here: behind a page header. */
export const recordOffsetIsValid = (lsn: Lsn): boolean => lsn % XLOG_BLCKSZ >= SHORT_HEADER;

/** Reads where the reader stands; null at the end of WAL, which is reported at `level`. */
export function readRecord(level: Level, fetchingCheckpoint: boolean, replayTimeline: number): DecodedRecord | null {
  const from = recoveryReader();
  request.level = level;
  request.fetchingCheckpoint = fetchingCheckpoint;
  request.randomAccess = from.readRecPtr === 0;
  request.replayTimeline = replayTimeline;
  noteFirstAttempt();
  for (;;) {
    let record = from.read();
    if (record === null) {
      // A new timeline will copy the log up to the last whole record, so only without one is this of any interest.
      if (!replay.archiveRecoveryRequested && from.abortedRecPtr !== 0) {
        recovery.abortedRecPtr = from.abortedRecPtr;
        recovery.missingContrecPtr = from.missingContrecPtr;
      }
      closeRecoverySource();
      if (from.errorMessage !== null)
        report(levelForCorruptRecord(level, from.endRecPtr), { message: from.errorMessage });
    } else if (!pageTimelineIsExpected(from.latestPageTimeline)) {
      const page = from.latestPage;
      report(levelForCorruptRecord(level, from.endRecPtr), {
        message: `unexpected timeline ID ${from.latestPageTimeline} in log segment ${segmentFileName(from.segmentTimeline, segmentOf(page))}, offset ${segmentOffset(page)}`,
      });
      record = null;
    }
    if (record !== null) return record;
    noteSourceFailed();
    if (!replay.inArchiveRecovery && replay.archiveRecoveryRequested && !fetchingCheckpoint) {
      // All of pg_wal is replayed: now what the archive has.
      report('DEBUG1', { message: 'reached end of WAL in pg_wal, entering archive recovery' });
      switchIntoArchiveRecovery(from.endRecPtr, replayTimeline);
      restartSources();
      continue;
    }
    if (!replay.standbyMode || standbyTriggered()) return null;
  }
}

function switchIntoArchiveRecovery(end: Lsn, timeline: number): void {
  replay.inArchiveRecovery = true;
  replay.standbyMode = replay.standbyModeRequested;
  lwLockAcquire(controlFileLock(), 'exclusive');
  controlFile.state = DB_STATE.inArchiveRecovery;
  if (controlFile.minRecoveryPoint < end) {
    controlFile.minRecoveryPoint = end;
    controlFile.minRecoveryPointTli = timeline;
  }
  setLocalMinRecoveryPoint(controlFile.minRecoveryPoint, controlFile.minRecoveryPointTli);
  // In crash recovery this was off; every process that flushes pages looks again.
  allowMinRecoveryPointUpdates();
  updateControlFile();
  setRecoveryState(RECOVERY_STATE.archive);
  lwLockRelease(controlFileLock());
  recovery.minRecoveryPoint = end;
  recovery.minRecoveryPointTimeline = timeline;
  checkRecoveryConsistency();
}

const CHECKPOINT_RECORD_LENGTH = RECORD_HEADER + 2 + CHECKPOINT_SIZE;

/** The checkpoint record at `lsn`, or null with the reason logged. `primary`: it is pg_control's. */
export function readCheckpointRecord(lsn: Lsn, primary: boolean, timeline: number): DecodedRecord | null {
  const refuse = (withPrimary: string, without: string): null => {
    report('LOG', { message: primary ? withPrimary : without });
    return null;
  };
  if (!recordOffsetIsValid(lsn))
    return refuse('invalid primary checkpoint link in control file', 'invalid checkpoint link in backup_label file');
  recoveryReader().beginRead(lsn);
  const record = readRecord('LOG', true, timeline);
  if (record === null) return refuse('invalid primary checkpoint record', 'invalid checkpoint record');
  if (record.rmid !== RM.xlog)
    return refuse(
      'invalid resource manager ID in primary checkpoint record',
      'invalid resource manager ID in checkpoint record',
    );
  const info = record.info & ~XLR_INFO_MASK;
  if (info !== XLOG.checkpointShutdown && info !== XLOG.checkpointOnline)
    return refuse('invalid xl_info in primary checkpoint record', 'invalid xl_info in checkpoint record');
  if (record.totalLength !== CHECKPOINT_RECORD_LENGTH)
    return refuse('invalid length of primary checkpoint record', 'invalid length of checkpoint record');
  return record;
}
