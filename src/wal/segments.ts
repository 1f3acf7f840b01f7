/** segments.ts — the files of pg_wal: made, installed under their names, recycled, removed.
 *
 *  A new segment is filled with zeros under a temporary name and synced before it gets its own, so that a crash leaves no
 *  half-made segment, and writing WAL later changes no metadata. Old segments become future ones by renaming.
 *  Counterpart: XLogFileInit(), InstallXLogFileSegment(), RemoveOldXlogFiles() … of src/backend/access/transam/xlog.c */
import { OPEN, existsPath, listNames, mkdirPath, openFd, readAt, unlinkPath, writeAt } from '#platform/raw-files.ts';
import { linkStatusIfExists, statIfExists } from '#platform/file-system.ts';
import type { Lsn } from '#base/ids.ts';
import { type Fd, native } from '#platform/native.ts';
import { waitEnd, waitStart } from '#runtime/activity/wait-report.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { myProcess } from '#runtime/my-process.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { xlogArchiveCheckDone, xlogArchiveCleanup } from '#wal/archive-status.ts';
import { controlFileLock } from '#wal/control-file.ts';
import {
  ARCHIVE_STATUS_DIRECTORY,
  isBackupHistoryFileName,
  isPartialFileName,
  isSegmentFileName,
  megabytesToSegments,
  previousSegmentOf,
  segmentFileName,
  segmentOf,
  segmentOfFileName,
  segmentOffset,
  segmentPath,
  WAL_DIRECTORY,
  walSegmentSize,
  xlogIsNeeded,
} from '#wal/wal-format.ts';
import { durableRenamePath, durableUnlinkPath, fileError, fsyncFd } from '#wal/wal-io.ts';
import { WalCtl } from '#wal/wal-layout.ts';
import { lockInfo, unlockInfo, walAt } from '#wal/wal-shmem.ts';

/** What wal_sync_method adds to open(2). */
export function syncFlags(method: string = settings.wal_sync_method): number {
  if (!settings.fsync) return 0;
  // Nobody will read the log soon when there is neither archiving nor streaming: keep it out of the page cache.
  const direct = !xlogIsNeeded() && myProcess.kind !== 'wal-receiver' ? OPEN.direct : 0;
  if (method === 'open_sync') return OPEN.sync | direct;
  if (method === 'open_datasync') return OPEN.dataSync | direct;
  return 0;
}

export const checkPointStats = {
  /** TimestampTz in microseconds. */
  start: 0,
  writeStart: 0,
  syncStart: 0,
  syncEnd: 0,
  end: 0,
  buffersWritten: 0,
  segmentsAdded: 0,
  segmentsRemoved: 0,
  segmentsRecycled: 0,
  syncRels: 0,
  longestSync: 0,
  aggregateSyncTime: 0,
};

/** Running estimate of the WAL between two checkpoints, in bytes. */
export const checkPointEstimate = { distance: 0, previousDistance: 0 };

/** Segments after which a checkpoint is due, so that max_wal_size holds. */
export function checkPointSegments(): number {
  const target = megabytesToSegments(settings.max_wal_size) / (1 + settings.checkpoint_completion_target);
  return Math.max(1, Math.trunc(target));
}

const ZEROS_LENGTH = 1 << 20;
/** Fills the file as wal_init_zero says; 0 or -errno. */
function fillNewSegment(fd: Fd): number {
  waitStart(WAIT_EVENT.WALInitWrite);
  let failed = 0;
  if (settings.wal_init_zero) {
    const zeros = Buffer.alloc(ZEROS_LENGTH);
    for (let at = 0; at < walSegmentSize && failed === 0; ) {
      const wrote = writeAt(fd, zeros, Math.min(ZEROS_LENGTH, walSegmentSize - at), at);
      if (wrote < 0) failed = wrote;
      else if (wrote === 0) failed = -native.ERRNO.ENOSPC;
      else at += wrote;
    }
  } else {
    const wrote = writeAt(fd, Buffer.alloc(1), 1, walSegmentSize - 1);
    if (wrote !== 1) failed = wrote < 0 ? wrote : -native.ERRNO.ENOSPC;
  }
  waitEnd();
  return failed;
}

interface InitResult {
  /** Descriptor if the segment was there, else -1. */
  readonly fd: Fd;
  readonly added: boolean;
}
function initSegment(segment: number, timeline: number): InitResult {
  const path = segmentPath(timeline, segment);
  const fd = openFd(path, OPEN.readWrite | syncFlags());
  if (fd >= 0) return { fd, added: false };
  if (fd !== -native.ERRNO.ENOENT) fileError('ERROR', `could not open file "${path}"`, fd);
  report('DEBUG2', { message: 'creating and filling new WAL file' });
  const temporary = `${WAL_DIRECTORY}/xlogtemp.${myProcess.pid}`;
  unlinkPath(temporary);
  const made = openFd(temporary, OPEN.readWrite | OPEN.create | OPEN.exclusive);
  if (made < 0) fileError('ERROR', `could not create file "${temporary}"`, made);
  const failed = fillNewSegment(made);
  if (failed < 0) {
    unlinkPath(temporary);
    native.closeFd(made);
    fileError('ERROR', `could not write to file "${temporary}"`, failed);
  }
  const synced = fsyncFd(made, WAIT_EVENT.WALInitSync);
  native.closeFd(made);
  if (synced < 0) fileError('ERROR', `could not fsync file "${temporary}"`, synced);
  const installed = installSegment(segment, temporary, true, segment + checkPointSegments(), timeline);
  if (installed < 0) unlinkPath(temporary);
  else report('DEBUG2', { message: 'done creating and filling new WAL file' });
  return { fd: -1, added: installed >= 0 };
}

/** Opens the segment, making it if needed. Another process may install it at the same time: either copy will do. */
export function openOrCreateSegment(segment: number, timeline: number): Fd {
  const { fd } = initSegment(segment, timeline);
  return fd >= 0 ? fd : openSegmentForWrite(segment, timeline);
}
export function openSegmentForWrite(segment: number, timeline: number): Fd {
  const path = segmentPath(timeline, segment);
  const fd = openFd(path, OPEN.readWrite | syncFlags());
  if (fd < 0) fileError('PANIC', `could not open file "${path}"`, fd);
  return fd;
}

/** Gives the file the name of `segment`, or (findFree) of the next free one up to `maxSegment`. The segment's number, or
 *  -1 if nothing was installed. */
export function installSegment(
  segment: number,
  temporary: string,
  findFree: boolean,
  maxSegment: number,
  timeline: number,
): number {
  lwLockAcquire(controlFileLock(), 'exclusive');
  try {
    // While WAL is being streamed or recovery decides on a timeline, only the receiver may install segments.
    if (WalCtl.installSegmentActive.get(mem, walAt.ctl) === 0) return -1;
    let path = segmentPath(timeline, segment);
    if (!findFree) durableUnlinkPath(path, 'DEBUG1');
    while (findFree && existsPath(path)) {
      if (segment >= maxSegment) return -1;
      segment++;
      path = segmentPath(timeline, segment);
    }
    return durableRenamePath(temporary, path, 'LOG') ? segment : -1;
  } finally {
    lwLockRelease(controlFileLock());
  }
}
export function setInstallSegmentActive(active: boolean): void {
  lwLockAcquire(controlFileLock(), 'exclusive');
  WalCtl.installSegmentActive.set(mem, walAt.ctl, active ? 1 : 0);
  lwLockRelease(controlFileLock());
}
export function isInstallSegmentActive(): boolean {
  lwLockAcquire(controlFileLock(), 'shared');
  const active = WalCtl.installSegmentActive.get(mem, walAt.ctl) !== 0;
  lwLockRelease(controlFileLock());
  return active;
}

/** Makes one segment ahead if the present one is three quarters full. */
export function preallocateSegments(end: Lsn, timeline: number): void {
  if (WalCtl.installSegmentActive.get(mem, walAt.ctl) === 0) return;
  if (segmentOffset(end - 1) < 0.75 * walSegmentSize) return;
  const { fd, added } = initSegment(previousSegmentOf(end) + 1, timeline);
  if (fd >= 0) native.closeFd(fd);
  if (added) checkPointStats.segmentsAdded++;
}

/** Copies the first `length` bytes of a segment into a new one of another timeline, the rest zero. */
export function copySegment(
  fromTimeline: number,
  fromSegment: number,
  toTimeline: number,
  segment: number,
  length: number,
): void {
  const path = segmentPath(fromTimeline, fromSegment);
  const source = openFd(path, OPEN.readOnly);
  if (source < 0) fileError('ERROR', `could not open file "${path}"`, source);
  const temporary = `${WAL_DIRECTORY}/xlogtemp.${myProcess.pid}`;
  unlinkPath(temporary);
  const target = openFd(temporary, OPEN.readWrite | OPEN.create | OPEN.exclusive);
  if (target < 0) fileError('ERROR', `could not create file "${temporary}"`, target);
  const buffer = Buffer.alloc(1 << 20);
  for (let at = 0; at < walSegmentSize; at += buffer.length) {
    const wanted = Math.max(0, Math.min(buffer.length, length - at));
    buffer.fill(0);
    if (wanted > 0) {
      const got = readAt(source, buffer, wanted, at);
      if (got < 0) fileError('ERROR', `could not read file "${path}"`, got);
      if (got !== wanted)
        report('ERROR', {
          code: SQLSTATE.dataCorrupted,
          message: `could not read file "${path}": read ${got} of ${wanted}`,
        });
    }
    const wrote = writeAt(target, buffer, buffer.length, at);
    if (wrote !== buffer.length) {
      unlinkPath(temporary);
      fileError('ERROR', `could not write to file "${temporary}"`, wrote < 0 ? wrote : native.ERRNO.ENOSPC);
    }
  }
  const synced = fsyncFd(target, WAIT_EVENT.WALCopySync);
  if (synced < 0) fileError('ERROR', `could not fsync file "${temporary}"`, synced);
  native.closeFd(target);
  native.closeFd(source);
  if (installSegment(segment, temporary, false, 0, toTimeline) < 0)
    report('ERROR', { message: 'InstallXLogFileSegment should not have failed' });
}

// ── removal ────────────────────────────────────────────────────────────────────────────────────────────────────────
/** Newest segment that was removed since the start, 0 for none. */
export function lastRemovedSegment(): number {
  lockInfo();
  const segment = WalCtl.lastRemovedSegment.get(mem, walAt.ctl);
  unlockInfo();
  return segment;
}
function rememberRemoved(name: string): void {
  const segment = segmentOfFileName(name);
  lockInfo();
  if (segment > WalCtl.lastRemovedSegment.get(mem, walAt.ctl)) WalCtl.lastRemovedSegment.set(mem, walAt.ctl, segment);
  unlockInfo();
}
/** ERROR if the segment was removed in the meantime (a reader that is too slow). */
export function checkSegmentRemoved(segment: number, timeline: number): void {
  if (segment > lastRemovedSegment()) return;
  report('ERROR', {
    code: SQLSTATE.undefinedFile,
    message: `requested WAL segment ${segmentFileName(timeline, segment)} has already been removed`,
  });
}

/** Up to which segment old files are kept for reuse: estimated need, within min_wal_size and max_wal_size. */
function recycleUpTo(lastRedo: Lsn): number {
  const first = Math.floor(lastRedo / walSegmentSize);
  const smallest = first + megabytesToSegments(settings.min_wal_size) - 1;
  const largest = first + megabytesToSegments(settings.max_wal_size) - 1;
  // Ten percent more than estimated, because running out costs a wait in somebody's commit.
  const distance = (1 + settings.checkpoint_completion_target) * checkPointEstimate.distance * 1.1;
  const wanted = Math.ceil((lastRedo + distance) / walSegmentSize);
  return Math.min(Math.max(wanted, smallest), largest);
}

const namesOfWal = (): string[] => {
  const names = listNames(WAL_DIRECTORY);
  if (typeof names === 'number') fileError('ERROR', `could not open directory "${WAL_DIRECTORY}"`, names);
  return names;
};

interface RecycleTarget {
  next: number;
  readonly last: number;
  readonly timeline: number;
}

/** Recycles or removes all segments up to `segment`, whatever their timeline. */
export function removeOldSegments(segment: number, lastRedo: Lsn, end: Lsn, insertTimeline: number): void {
  const target: RecycleTarget = { next: segmentOf(end), last: recycleUpTo(lastRedo), timeline: insertTimeline };
  const lastName = segmentFileName(0, segment);
  report('DEBUG2', { message: `attempting to remove WAL segments older than log file ${lastName}` });
  for (const name of namesOfWal()) {
    if (!isSegmentFileName(name) && !isPartialFileName(name)) continue;
    if (name.slice(8) > lastName.slice(8) || !xlogArchiveCheckDone(name)) continue;
    rememberRemoved(name);
    removeSegmentFile(name, target);
  }
}

/** After a timeline switch: files of other timelines that lie beyond the switch were made for WAL that does not exist.
 *  Those that were archived or are to be are left alone. */
export function removeNonParentSegments(switchPoint: Lsn, newTimeline: number): void {
  const endSegment = previousSegmentOf(switchPoint);
  const target: RecycleTarget = { next: segmentOf(switchPoint), last: endSegment + 10, timeline: newTimeline };
  const switchName = segmentFileName(newTimeline, previousSegmentOf(switchPoint));
  for (const name of namesOfWal()) {
    if (!isSegmentFileName(name)) continue;
    if (name.slice(0, 8) >= switchName.slice(0, 8) || name.slice(8) <= switchName.slice(8)) continue;
    if (!existsPath(`${ARCHIVE_STATUS_DIRECTORY}/${name}.ready`)) removeSegmentFile(name, target);
  }
}

function removeSegmentFile(name: string, target: RecycleTarget): void {
  const path = `${WAL_DIRECTORY}/${name}`;
  const recyclable =
    settings.wal_recycle &&
    target.next <= target.last &&
    WalCtl.installSegmentActive.get(mem, walAt.ctl) !== 0 &&
    linkStatusIfExists(path)?.isFile === true;
  const installed = recyclable ? installSegment(target.next, path, true, target.last, target.timeline) : -1;
  if (installed >= 0) {
    report('DEBUG2', { message: `recycled write-ahead log file "${name}"` });
    checkPointStats.segmentsRecycled++;
    target.next = installed + 1;
  } else {
    report('DEBUG2', { message: `removing write-ahead log file "${name}"` });
    if (!durableUnlinkPath(path, 'LOG')) return;
    checkPointStats.segmentsRemoved++;
  }
  xlogArchiveCleanup(name);
}

/** What a crash in the middle of making a segment left. */
export function removeTemporarySegments(): void {
  report('DEBUG2', { message: 'removing all temporary WAL segments' });
  for (const name of namesOfWal()) {
    if (!name.startsWith('xlogtemp.')) continue;
    unlinkPath(`${WAL_DIRECTORY}/${name}`);
    report('DEBUG2', { message: `removed temporary WAL segment "${WAL_DIRECTORY}/${name}"` });
  }
}

/** Backup history files that were archived are of no use here. */
export function cleanupBackupHistory(): void {
  for (const name of namesOfWal()) {
    if (!isBackupHistoryFileName(name) || !xlogArchiveCheckDone(name)) continue;
    report('DEBUG2', { message: `removing WAL backup history file "${name}"` });
    unlinkPath(`${WAL_DIRECTORY}/${name}`);
    xlogArchiveCleanup(name);
  }
}

/** pg_wal must be there; archive_status is made if somebody copied the cluster without it. */
export function validateWalDirectory(): void {
  if (statIfExists(WAL_DIRECTORY)?.isDirectory !== true)
    report('FATAL', { message: `required WAL directory "${WAL_DIRECTORY}" does not exist` });
  const status = statIfExists(ARCHIVE_STATUS_DIRECTORY);
  if (status !== undefined) {
    if (!status.isDirectory)
      report('FATAL', { message: `required WAL directory "${ARCHIVE_STATUS_DIRECTORY}" does not exist` });
    return;
  }
  report('LOG', { message: `creating missing WAL directory "${ARCHIVE_STATUS_DIRECTORY}"` });
  const failed = mkdirPath(ARCHIVE_STATUS_DIRECTORY);
  if (failed < 0) fileError('FATAL', `could not create missing directory "${ARCHIVE_STATUS_DIRECTORY}"`, failed);
}

// ── how far back segments are needed ───────────────────────────────────────────────────────────────────────────────
export function setReplicationSlotMinLsn(lsn: Lsn): void {
  lockInfo();
  WalCtl.replicationSlotMinLsn.set(mem, walAt.ctl, lsn);
  unlockInfo();
}
export function replicationSlotMinLsn(): Lsn {
  lockInfo();
  const lsn = WalCtl.replicationSlotMinLsn.get(mem, walAt.ctl);
  unlockInfo();
  return lsn as Lsn;
}

/** Lowers `segment` to the oldest one that replication slots or wal_keep_size need. */
export function keepSegmentsFor(end: Lsn, segment: number): number {
  const current = segmentOf(end);
  let keepFrom = current;
  const slots = replicationSlotMinLsn();
  if (slots !== 0 && slots < end) {
    keepFrom = segmentOf(slots);
    if (settings.max_slot_wal_keep_size >= 0) {
      const most = megabytesToSegments(settings.max_slot_wal_keep_size);
      if (current - keepFrom > most) keepFrom = current - most;
    }
  }
  if (settings.wal_keep_size > 0) {
    const kept = megabytesToSegments(settings.wal_keep_size);
    if (current - keepFrom < kept) keepFrom = current <= kept ? 1 : current - kept;
  }
  return Math.min(segment, keepFrom);
}
