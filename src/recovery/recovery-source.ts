/** recovery-source.ts — where recovery finds the next page: archive, pg_wal, and in standby mode the stream.
 *
 *  Sources take turns: archive first (if archive recovery is on), then pg_wal; what fails passes the turn on. Without
 *  standby mode the last failure is the end of WAL; with it the round starts again after wal_retrieve_retry_interval.
 *  Counterpart: XLogPageRead(), WaitForWALToBecomeAvailable(), XLogFileReadAnyTLI() of
 *  src/backend/access/transam/xlogrecovery.c */
import { OPEN, openFd } from '#platform/raw-files.ts';
import type { Lsn } from '#base/ids.ts';
import { currentTimestamp } from '#platform/clock.ts';
import { native, osError } from '#platform/native.ts';
import { setPsDisplay } from '#runtime/activity/ps-title.ts';
import { waitEnd, waitStart } from '#runtime/activity/wait-report.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { type Level, report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { myProcess } from '#runtime/my-process.ts';
import { resetLatch } from '#shm/latch.ts';
import { segmentId } from '#shm/memory.ts';
import { waitLatch } from '#shm/wait-event-set.ts';
import { CHECKPOINT, requestCheckpoint } from '#storage/ipc/checkpoint-mailbox.ts';
import { recoveryPausesHere, standbyTriggered } from '#recovery/pause.ts';
import { recovery } from '#recovery/recovery-vars.ts';
import { keepFileRestoredFromArchive, restoreArchivedFile } from '#recovery/restore.ts';
import { getRedoRecPtr } from '#wal/flush.ts';
import type { WalPageSource, WalReader } from '#wal/reader.ts';
import { getRecoveryPauseState, RECOVERY_PAUSE, replay } from '#wal/recovery-state.ts';
import { checkPointSegments } from '#wal/segments.ts';
import { findNewestTimeline, readTimelineHistory, timelineInHistory, type TimelineHistory } from '#wal/timeline.ts';
import {
  isInSegment,
  lsnText,
  segmentFileName,
  segmentOf,
  segmentOffset,
  segmentPath,
  walSegmentSize,
  XLOG_BLCKSZ,
} from '#wal/wal-format.ts';
import { fileError } from '#wal/wal-io.ts';

type Source = 'any' | 'archive' | 'pg_wal' | 'stream';

let fd = -1;
let segment = -1;
/** Timeline of the open file; older ones are not tried again. */
let fileTimeline = 0;
let readSource: Source = 'any';
let currentSource: Source = 'any';
let lastSourceFailed = false;
/** TimestampTz. */
let lastFailTime = 0;
let receiptTime = 0;
export const walReceiptTime = (): number => receiptTime;
export const walReceiptSource = (): Source => readSource;
export function setWalReceiptTime(): void {
  receiptTime = currentTimestamp();
}

/** How the record that is being read was asked for. */
export const request = { level: 'LOG' as Level, fetchingCheckpoint: false, randomAccess: true, replayTimeline: 0 };

/** The WAL receiver of replication, when there is one. */
export interface WalStream {
  /** Asks for streaming from `start` on; false if nothing is configured to stream from. */
  begin(start: Lsn, timeline: number): boolean;
  isStreaming(): boolean;
  flushedUpTo(): { lsn: Lsn; timeline: number };
  stop(): void;
}
let stream: WalStream | null = null;
export function setWalStream(next: WalStream | null): void {
  stream = next;
}
export const walStream = (): WalStream | null => stream;

let lastComplaint = 0;
/** The end of WAL is found again and again in standby mode: it is said once. */
export function levelForCorruptRecord(level: Level, at: Lsn): Level {
  if (readSource !== 'pg_wal' || level !== 'LOG') return level;
  if (at === lastComplaint) return 'DEBUG1';
  lastComplaint = at;
  return level;
}

function close(): void {
  if (fd >= 0) native.closeFd(fd);
  fd = -1;
}
export const closeRecoverySource = close;
export function noteSourceFailed(): void {
  lastSourceFailed = true;
}
/** A record is asked for anew: what failed before may be there now, and the last record of all is read twice. */
export function noteFirstAttempt(): void {
  lastSourceFailed = false;
}
/** Archive recovery begins after all: everything is to be tried from the start. */
export function restartSources(): void {
  lastSourceFailed = false;
  currentSource = 'any';
}
/** For the end of recovery: only files from now on. */
export function leaveStream(): void {
  stream?.stop();
}

export const recoverySource: WalPageSource = { readPage };

function readPage(reader: WalReader, page: Lsn, needed: number, target: Lsn, into: number): number {
  if (fd >= 0 && !isInSegment(page, segment)) {
    requestRestartpointIfDue();
    close();
    readSource = 'any';
  }
  segment = segmentOf(page);
  for (;;) {
    const wanted = (page + needed) as Lsn;
    if (fd < 0 || (readSource === 'stream' && (stream?.flushedUpTo().lsn ?? 0) < wanted)) {
      if (!waitForWal(wanted, target, reader.endRecPtr)) {
        close();
        readSource = 'any';
        return -1;
      }
    }
    const length = readOpenFile(page, wanted, into);
    if (length > 0) {
      reader.segmentTimeline = fileTimeline;
      // In standby mode a bad header means: ask the next source, not: this is the end.
      if (!replay.standbyMode || reader.pageHeaderIsValid(page)) return length;
      if (reader.errorMessage !== null)
        report(levelForCorruptRecord(request.level, reader.endRecPtr), { message: reader.errorMessage });
      reader.errorMessage = null;
    }
    lastSourceFailed = true;
    close();
    readSource = 'any';
    if (!replay.standbyMode) return -1;
  }
}

function readOpenFile(page: Lsn, wanted: Lsn, into: number): number {
  waitStart(WAIT_EVENT.WALRead);
  const got = native.preadSegment(fd, segmentId, into, XLOG_BLCKSZ, segmentOffset(page));
  waitEnd();
  if (got === XLOG_BLCKSZ) {
    if (readSource !== 'stream') return XLOG_BLCKSZ;
    return Math.min(XLOG_BLCKSZ, stream!.flushedUpTo().lsn - page);
  }
  const where = `could not read from log segment ${segmentFileName(fileTimeline, segment)}, offset ${segmentOffset(page)}`;
  const level = levelForCorruptRecord(request.level, wanted);
  if (got < 0) fileError(level as 'LOG', where, got);
  else report(level, { code: SQLSTATE.dataCorrupted, message: `${where}: read ${got} of ${XLOG_BLCKSZ}` });
  return -1;
}

function requestRestartpointIfDue(): void {
  if (!replay.archiveRecoveryRequested || !myProcess.isUnderPostmaster) return;
  if (segment >= segmentOf(getRedoRecPtr()) + checkPointSegments() - 1) requestCheckpoint(CHECKPOINT.causeXlog);
}

/** Opens a file that has (or will soon have) everything up to `wanted`. False: there is no more WAL. */
function waitForWal(wanted: Lsn, target: Lsn, replayed: Lsn): boolean {
  if (!replay.inArchiveRecovery) currentSource = 'pg_wal';
  else if (currentSource === 'any' || (!replay.standbyMode && currentSource === 'stream')) {
    lastSourceFailed = false;
    currentSource = 'archive';
  }
  for (;;) {
    const old: Source = currentSource;
    let startStream = false;
    if (lastSourceFailed) {
      if (currentSource !== 'stream') {
        // Only after everything here is replayed does a promotion take effect.
        if (replay.standbyMode && standbyTriggered()) {
          stream?.stop();
          return false;
        }
        if (!replay.standbyMode) return false;
        currentSource = 'stream';
        startStream = true;
      } else currentSource = afterStreamFailed(replayed);
    } else if (currentSource === 'pg_wal' && replay.inArchiveRecovery) currentSource = 'archive';
    if (currentSource !== old)
      report('DEBUG2', {
        message: `switched WAL source from ${old} to ${currentSource} after ${lastSourceFailed ? 'failure' : 'success'}`,
      });
    lastSourceFailed = false;
    if (currentSource === 'stream') {
      if (readFromStream(startStream, wanted, target)) return true;
    } else {
      close();
      if (request.randomAccess) fileTimeline = 0;
      fd = openAnyTimeline(currentSource === 'archive' ? 'any' : currentSource);
      if (fd >= 0) return true;
    }
    lastSourceFailed = true;
    if (getRecoveryPauseState() !== RECOVERY_PAUSE.notPaused) recoveryPausesHere(false);
    checkForInterrupts();
  }
}

function afterStreamFailed(replayed: Lsn): Source {
  if (stream?.isStreaming() === true) stream.stop();
  if (settings.recovery_target_timeline === 'latest' && rescanLatestTimeline(replayed)) return 'archive';
  const elapsed = (currentTimestamp() - lastFailTime) / 1000;
  if (elapsed < settings.wal_retrieve_retry_interval) {
    waitLatch({ timeoutMs: settings.wal_retrieve_retry_interval - elapsed }, WAIT_EVENT.RecoveryRetrieveRetryInterval);
    resetLatch();
    checkForInterrupts();
  }
  lastFailTime = currentTimestamp();
  return 'archive';
}

/** One look at the stream: true if what is wanted has arrived and its file is open. */
function readFromStream(start: boolean, wanted: Lsn, target: Lsn): boolean {
  if (stream === null) return false;
  if (start) {
    const begin = request.fetchingCheckpoint ? recovery.redoStart : target;
    if (!stream.begin(begin, request.replayTimeline)) return false;
  }
  while (stream.isStreaming()) {
    const { lsn, timeline } = stream.flushedUpTo();
    if (lsn >= wanted) {
      if (recovery.history === null) recovery.history = readTimelineHistory(timeline);
      if (fd < 0) fd = openOneTimeline(timeline, 'stream');
      if (fd < 0) return false;
      readSource = 'stream';
      currentSource = 'stream';
      receiptTime = currentTimestamp();
      return true;
    }
    if (standbyTriggered()) return false;
    waitLatch({ timeoutMs: 5000 }, WAIT_EVENT.RecoveryWalStream);
    resetLatch();
    checkForInterrupts();
  }
  return false;
}

/** A newer timeline that descends from ours becomes the target. */
function rescanLatestTimeline(replayed: Lsn): boolean {
  const newest = findNewestTimeline(recovery.targetTimeline);
  if (newest === recovery.targetTimeline) return false;
  const history = readTimelineHistory(newest);
  const ours = history.find((entry) => entry.timeline === recovery.targetTimeline);
  if (ours === undefined) {
    report('LOG', {
      message: `new timeline ${newest} is not a child of database system timeline ${recovery.targetTimeline}`,
    });
    return false;
  }
  if (ours.end < replayed) {
    report('LOG', {
      message: `new timeline ${newest} forked off current database system timeline ${recovery.targetTimeline} before current recovery point ${lsnText(replayed)}`,
    });
    return false;
  }
  recovery.targetTimeline = newest;
  recovery.history = history;
  report('LOG', { message: `new target timeline is ${newest}` });
  return true;
}

/** The segment on the newest timeline that can have it. */
function openAnyTimeline(source: Source): number {
  const history: TimelineHistory = recovery.history ?? readTimelineHistory(recovery.targetTimeline);
  for (const { timeline, begin } of history) {
    if (timeline < fileTimeline) break;
    // On a timeline that began later the segment cannot be, though its number exists.
    if (begin !== 0 && segment < segmentOf(begin)) continue;
    let opened = source === 'pg_wal' ? -1 : openOneTimeline(timeline, 'archive');
    if (opened >= 0) report('DEBUG1', { message: 'got WAL segment from archive' });
    else if (source !== 'archive') opened = openOneTimeline(timeline, 'pg_wal');
    if (opened < 0) continue;
    recovery.history ??= history;
    return opened;
  }
  const path = segmentPath(recovery.targetTimeline, segment);
  report('DEBUG2', {
    code: SQLSTATE.undefinedFile,
    message: `could not open file "${path}": ${osError(native.ERRNO.ENOENT)}`,
  });
  return -1;
}

function openOneTimeline(timeline: number, source: 'archive' | 'pg_wal' | 'stream'): number {
  const name = segmentFileName(timeline, segment);
  if (source === 'archive') {
    if (replay.archiveRecoveryRequested) setPsDisplay(`waiting for ${name}`);
    const path = restoreArchivedFile(name, 'RECOVERYXLOG', walSegmentSize, recovery.inRedo);
    if (path === null) return -1;
    keepFileRestoredFromArchive(path, name);
  }
  const path = segmentPath(timeline, segment);
  const opened = openFd(path, OPEN.readOnly);
  if (opened < 0) {
    if (opened !== -native.ERRNO.ENOENT) fileError('PANIC', `could not open file "${path}"`, opened);
    return -1;
  }
  fileTimeline = timeline;
  setPsDisplay(`recovering ${name}`);
  readSource = source;
  if (source !== 'stream') receiptTime = currentTimestamp();
  return opened;
}

/** Is the timeline of the newest page one that the target descends from? */
export const pageTimelineIsExpected = (timeline: number): boolean =>
  recovery.history !== null && timelineInHistory(timeline, recovery.history);
