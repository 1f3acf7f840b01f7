/** wal-buffers.ts — the ring of WAL pages in shared memory, and how they reach the file.
 *
 *  Page P of the log lies in slot P mod wal_buffers. A slot is given to a new page only when its old one is written.
 *  WALBufMappingLock guards that; WALWriteLock guards writing. Their order: never wait for insertions or for
 *  WALWriteLock while holding WALBufMappingLock.
 *  Counterpart: AdvanceXLInsertBuffer(), GetXLogBuffer(), XLogWrite() of src/backend/access/transam/xlog.c */
import type { Lsn } from '#base/ids.ts';
import { type Fd, native } from '#platform/native.ts';
import { waitEnd, waitStart } from '#runtime/activity/wait-report.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { myProcess } from '#runtime/my-process.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem, segmentId } from '#shm/memory.ts';
import { CHECKPOINT, requestCheckpoint } from '#storage/ipc/checkpoint-mailbox.ts';
import { xlogArchiveNotifySegment } from '#wal/archive-status.ts';
import { systemIdentifierPlace } from '#wal/control-file.ts';
import { updateInsertingAt, waitForInsertions } from '#wal/insert-locks.ts';
import { checkPointSegments, openOrCreateSegment, openSegmentForWrite } from '#wal/segments.ts';
import {
  initWalPage,
  isInPreviousSegment,
  LONG_HEADER,
  lsnText,
  pageOffset,
  pageStart,
  previousSegmentOf,
  segmentFileName,
  segmentOf,
  segmentOffset,
  SHORT_HEADER,
  walSegmentSize,
  XLOG_BLCKSZ,
  XLP,
  xlogArchivingActive,
} from '#wal/wal-format.ts';
import { fileError } from '#wal/wal-io.ts';
import { WalBuffer, WalCtl } from '#wal/wal-layout.ts';
import { countWal, WAL_COUNTER } from '#wal/wal-stats.ts';
import {
  copyWriteResult,
  localRedo,
  localWrite,
  lockInfo,
  setLocalRedo,
  setLocalResult,
  unlockInfo,
  walAt,
} from '#wal/wal-shmem.ts';

const slotOf = (lsn: number): number => Math.floor(lsn / XLOG_BLCKSZ) % walAt.bufferCount;
const bufferAt = (slot: number): number => walAt.buffers + slot * WalBuffer.SIZE;
export const walPageAt = (slot: number): number => walAt.pages + slot * XLOG_BLCKSZ;
const mappingLock = (): number => mainLWLock('WALBufMapping');
export const walWriteLock = (): number => mainLWLock('WALWrite');
const endPageOf = (end: number): number => Math.floor(end / XLOG_BLCKSZ) | 0;

/** Publishes which page the slot holds: last, when its header stands. */
function publishSlot(slot: number, end: number): void {
  WalBuffer.end.set(mem, bufferAt(slot), end);
  WalBuffer.endPage.store(mem, bufferAt(slot), endPageOf(end));
}

/** Puts the valid first part of the page that the log ends in into its slot: the end of recovery. */
export function adoptLastPage(endOfLog: Lsn, fromAt: number): void {
  const used = pageOffset(endOfLog);
  if (used === 0) {
    WalCtl.initializedUpTo.set(mem, walAt.ctl, endOfLog);
    return;
  }
  const slot = slotOf(endOfLog);
  const page = walPageAt(slot);
  mem.u8.copyWithin(page, fromAt, fromAt + used);
  mem.u8.fill(0, page + used, page + XLOG_BLCKSZ);
  const end = pageStart(endOfLog) + XLOG_BLCKSZ;
  publishSlot(slot, end);
  WalCtl.initializedUpTo.set(mem, walAt.ctl, end);
}

// ── finding a page ─────────────────────────────────────────────────────────────────────────────────────────────────
/** The page this process touched last, which it touches again for nearly every record. */
const cached = new Float64Array([-1]);
let cachedAt = 0;

/** Address of position `lsn` in the buffers. The caller holds an insertion lock for a reservation that covers it, so the
 *  page cannot be replaced. */
export function walBufferFor(lsn: number, timeline: number): number {
  const page = pageStart(lsn);
  if (page === cached[0]) return cachedAt + (lsn - page);
  const slot = slotOf(lsn);
  const end = page + XLOG_BLCKSZ;
  if (WalBuffer.endPage.load(mem, bufferAt(slot)) !== endPageOf(end)) {
    // A position just behind a page header means that the header itself is not ours: all before the page is done.
    const header = segmentOffset(page) === 0 ? LONG_HEADER : SHORT_HEADER;
    updateInsertingAt(lsn - page === header ? page : lsn); // [wal I2]
    advanceInsertBuffer(lsn, timeline, false);
    if (WalBuffer.endPage.load(mem, bufferAt(slot)) !== endPageOf(end))
      report('PANIC', { message: `could not find WAL buffer for ${lsnText(lsn)}` });
  }
  cached[0] = page;
  cachedAt = walPageAt(slot);
  return cachedAt + (lsn - page);
}

/** Initialises pages up to the one that holds `upTo`, or (opportunistic) as many as need no writing. */
export function advanceInsertBuffer(upTo: number, timeline: number, opportunistic: boolean): void {
  const lock = mappingLock();
  const ctl = walAt.ctl;
  lwLockAcquire(lock, 'exclusive');
  for (;;) {
    const begin = WalCtl.initializedUpTo.get(mem, ctl);
    if (upTo < begin && !opportunistic) break;
    const slot = slotOf(begin);
    const oldEnd = WalBuffer.end.get(mem, bufferAt(slot));
    if (localWrite() < oldEnd) {
      if (opportunistic) break;
      lockInfo();
      if (WalCtl.requestWrite.get(mem, ctl) < oldEnd) WalCtl.requestWrite.set(mem, ctl, oldEnd);
      copyWriteResult();
      unlockInfo();
      if (localWrite() < oldEnd) {
        lwLockRelease(lock);
        writeOutSlot(oldEnd as Lsn, timeline);
        lwLockAcquire(lock, 'exclusive');
        // Somebody else may have advanced meanwhile.
        continue;
      }
    }
    const page = walPageAt(slot);
    // Not any more, and not yet: whoever looks now must see neither the old page nor half of the new one.
    publishSlot(slot, 0);
    mem.u8.fill(0, page, page + XLOG_BLCKSZ);
    const info = WalCtl.forcePageWrites.get(mem, ctl) === 0 ? XLP.bkpRemovable : 0;
    initWalPage(mem, page, begin, timeline, info, systemIdentifierPlace());
    publishSlot(slot, begin + XLOG_BLCKSZ);
    WalCtl.initializedUpTo.set(mem, ctl, begin + XLOG_BLCKSZ);
  }
  lwLockRelease(lock);
}

function writeOutSlot(oldEnd: Lsn, timeline: number): void {
  // Before WALWriteLock: its holder may wait for insertions that wait for nobody.
  waitForInsertions(oldEnd);
  const lock = walWriteLock();
  lwLockAcquire(lock, 'exclusive');
  copyWriteResult();
  if (localWrite() < oldEnd) {
    xlogWrite(oldEnd, 0 as Lsn, timeline, false);
    countWal(WAL_COUNTER.buffersFull, 1);
  }
  lwLockRelease(lock);
}

// ── writing ────────────────────────────────────────────────────────────────────────────────────────────────────────
let openFile: Fd = -1;
let openSegment = -1;
let openTimeline = 0;
let walFlushed: () => void = () => {};
/** Walsenders want to know when there is more to send. */
export function setWalFlushedHook(hook: () => void): void {
  walFlushed = hook;
}

export function closeWalFile(): void {
  if (openFile < 0) return;
  const result = native.closeFd(openFile);
  openFile = -1;
  if (result < 0) fileError('PANIC', `could not close file "${segmentFileName(openTimeline, openSegment)}"`, result);
}
export const openWalSegment = (): number => (openFile < 0 ? -1 : openSegment);
export function openWalFileFor(segment: number, timeline: number): void {
  openSegment = segment;
  openTimeline = timeline;
  openFile = openOrCreateSegment(segment, timeline);
}

/** fsync as wal_sync_method says; nothing where every write is already synchronous. */
export function syncWalFile(fd: Fd, segment: number, timeline: number): void {
  const method = settings.wal_sync_method;
  if (!settings.fsync || method === 'open_sync' || method === 'open_datasync') return;
  const start = settings.track_wal_io_timing ? native.monotonicNs() : 0;
  waitStart(WAIT_EVENT.WALSync);
  const failed = method === 'fsync' ? native.fsync(fd) : native.fdatasync(fd);
  waitEnd();
  if (failed < 0) {
    const verb = method === 'fsync' ? 'could not fsync file' : 'could not fdatasync file';
    fileError('PANIC', `${verb} "${segmentFileName(timeline, segment)}"`, failed);
  }
  if (start > 0) countWal(WAL_COUNTER.syncTime, (native.monotonicNs() - start) / 1000);
  countWal(WAL_COUNTER.sync, 1);
}

function writePages(at: number, length: number, offset: number): void {
  while (length > 0) {
    const start = settings.track_wal_io_timing ? native.monotonicNs() : 0;
    waitStart(WAIT_EVENT.WALWrite);
    const wrote = native.pwriteSegment(openFile, segmentId, at, length, offset);
    waitEnd();
    if (start > 0) countWal(WAL_COUNTER.writeTime, (native.monotonicNs() - start) / 1000);
    countWal(WAL_COUNTER.write, 1);
    if (wrote <= 0) {
      if (wrote === -native.ERRNO.EINTR) continue;
      const name = segmentFileName(openTimeline, openSegment);
      fileError(
        'PANIC',
        `could not write to log file ${name} at offset ${offset}, length ${length}`,
        wrote === 0 ? native.ERRNO.ENOSPC : wrote,
      );
    }
    at += wrote;
    length -= wrote;
    offset += wrote;
  }
}

/** True when the WAL since the redo pointer fills what max_wal_size allows before a checkpoint. */
function checkpointIsDue(segment: number): boolean {
  return segment >= segmentOf(localRedo()) + checkPointSegments() - 1;
}

function finishSegment(timeline: number, written: number): void {
  syncWalFile(openFile, openSegment, timeline);
  walFlushed();
  if (xlogArchivingActive()) xlogArchiveNotifySegment(openSegment, timeline);
  WalCtl.lastSegSwitchTime.set(mem, walAt.ctl, Math.floor(native.realtimeUs() / 1e6));
  WalCtl.lastSegSwitchLsn.set(mem, walAt.ctl, written);
  if (!myProcess.isUnderPostmaster || !checkpointIsDue(openSegment)) return;
  // Our copy of the redo pointer may be old: look before asking.
  lockInfo();
  setLocalRedo(WalCtl.infoRedoRecPtr.get(mem, walAt.ctl) as Lsn);
  unlockInfo();
  if (checkpointIsDue(openSegment)) requestCheckpoint(CHECKPOINT.causeXlog);
}

/** Writes the buffers up to `write` and syncs up to `flush` (0: no sync). With `flexible` it may stop at a convenient
 *  border. The caller holds WALWriteLock, has waited for the insertions, and is in a critical section. */
export function xlogWrite(write: Lsn, flush: Lsn, timeline: number, flexible: boolean): void {
  const ctl = walAt.ctl;
  let written = WalCtl.resultWrite.get(mem, ctl);
  let flushedTo = WalCtl.resultFlush.get(mem, ctl);
  let pages = 0;
  let firstSlot = 0;
  let firstOffset = 0;
  let slot = slotOf(written);
  while (written < write) {
    const end = WalBuffer.end.get(mem, bufferAt(slot));
    if (written >= end)
      report('PANIC', { message: `xlog write request ${lsnText(written)} is past end of log ${lsnText(end)}` });
    written = end;
    const isPartial = write < written;
    if (openFile >= 0 && (!isInPreviousSegment(written, openSegment) || openTimeline !== timeline)) closeWalFile();
    if (openFile < 0) openWalFileFor(previousSegmentOf(written), timeline);
    if (pages === 0) {
      firstSlot = slot;
      firstOffset = segmentOffset(written - XLOG_BLCKSZ);
    }
    pages++;
    const isLast = write <= written;
    const finishes = !isPartial && firstOffset + pages * XLOG_BLCKSZ >= walSegmentSize;
    if (isLast || finishes || slot === walAt.bufferCount - 1) {
      writePages(walPageAt(firstSlot), pages * XLOG_BLCKSZ, firstOffset);
      pages = 0;
      if (finishes) {
        finishSegment(timeline, written);
        flushedTo = written;
      }
    }
    if (isPartial) {
      written = write;
      break;
    }
    slot = slot === walAt.bufferCount - 1 ? 0 : slot + 1;
    if (flexible && pages === 0) break;
  }
  if (flushedTo < flush && flushedTo < written) {
    if (openFile >= 0 && !isInPreviousSegment(written, openSegment)) closeWalFile();
    if (openFile < 0) {
      openSegment = previousSegmentOf(written);
      openTimeline = timeline;
      openFile = openSegmentForWrite(openSegment, timeline);
    }
    syncWalFile(openFile, openSegment, timeline);
    walFlushed();
    flushedTo = written;
  }
  lockInfo();
  WalCtl.resultWrite.set(mem, ctl, written);
  WalCtl.resultFlush.set(mem, ctl, flushedTo);
  if (WalCtl.requestWrite.get(mem, ctl) < written) WalCtl.requestWrite.set(mem, ctl, written);
  if (WalCtl.requestFlush.get(mem, ctl) < flushedTo) WalCtl.requestFlush.set(mem, ctl, flushedTo);
  unlockInfo();
  setLocalResult(written, flushedTo);
}

/** wal_sync_method changed: what is open was opened for the old one. */
export function reopenForSyncMethod(): void {
  if (openFile < 0) return;
  const failed = settings.fsync ? native.fsync(openFile) : 0;
  if (failed < 0) fileError('PANIC', `could not fsync file "${segmentFileName(openTimeline, openSegment)}"`, failed);
  closeWalFile();
}
/** The log is about to be opened for insertion anew. */
export function forgetWalBuffers(): void {
  cached[0] = -1;
  closeWalFile();
}
