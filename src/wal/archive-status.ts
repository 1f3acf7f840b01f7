/** archive-status.ts — archive_status/<name>.ready asks the archiver for a file, .done says that it has it.
 *  Counterpart: XLogArchiveNotify() and kin of src/backend/access/transam/xlogarchive.c */
import { OPEN, existsPath, openFd, unlinkPath } from '#platform/raw-files.ts';
import { native } from '#platform/native.ts';
import { myProcess } from '#runtime/my-process.ts';
import { forceArchiveDirectoryScan, wakeArchiver } from '#storage/ipc/archive-mailbox.ts';
import { recoveryInProgress } from '#wal/recovery-state.ts';
import {
  isHistoryFileName,
  segmentFileName,
  statusFilePath,
  xlogArchivingActive,
  xlogArchivingAlways,
} from '#wal/wal-format.ts';
import { durableRenamePath, fileError } from '#wal/wal-io.ts';

function createStatusFile(path: string): boolean {
  const fd = openFd(path, OPEN.writeOnly | OPEN.create | OPEN.truncate);
  if (fd < 0) {
    fileError('LOG', `could not create archive status file "${path}"`, fd);
    return false;
  }
  native.closeFd(fd);
  return true;
}

/** Asks for the file to be archived. */
export function xlogArchiveNotify(name: string): void {
  if (!createStatusFile(statusFilePath(name, '.ready'))) return;
  if (!myProcess.isUnderPostmaster) return;
  // A history file must overtake the segments already lined up, or a standby could choose the wrong timeline.
  if (isHistoryFileName(name)) forceArchiveDirectoryScan();
  wakeArchiver();
}
export const xlogArchiveNotifySegment = (segment: number, timeline: number): void =>
  xlogArchiveNotify(segmentFileName(timeline, segment));

/** Marks a file as archived that nobody here has to archive. */
export function xlogArchiveForceDone(name: string): void {
  const done = statusFilePath(name, '.done');
  if (existsPath(done)) return;
  const ready = statusFilePath(name, '.ready');
  if (existsPath(ready)) durableRenamePath(ready, done, 'WARNING');
  else createStatusFile(done);
}

const archivingNow = (): boolean => (xlogArchivingActive() && !recoveryInProgress()) || xlogArchivingAlways();

/** May the file be removed or recycled? If its notification was lost, it is made again. */
export function xlogArchiveCheckDone(name: string): boolean {
  if (!archivingNow()) return true;
  if (existsPath(statusFilePath(name, '.done'))) return true;
  if (existsPath(statusFilePath(name, '.ready'))) return false;
  // The archiver may have renamed it between the two looks.
  if (existsPath(statusFilePath(name, '.done'))) return true;
  xlogArchiveNotify(name);
  return false;
}
/** Is the file still to be archived? */
export function xlogArchiveIsBusy(name: string): boolean {
  if (existsPath(statusFilePath(name, '.done'))) return false;
  if (existsPath(statusFilePath(name, '.ready'))) return true;
  if (existsPath(statusFilePath(name, '.done'))) return false;
  // A segment that has been recycled was archived before.
  return existsPath(`pg_wal/${name}`);
}
export const xlogArchiveIsReady = (name: string): boolean => existsPath(statusFilePath(name, '.ready'));
export const xlogArchiveIsReadyOrDone = (name: string): boolean =>
  existsPath(statusFilePath(name, '.done')) || existsPath(statusFilePath(name, '.ready'));
export function xlogArchiveCleanup(name: string): void {
  unlinkPath(statusFilePath(name, '.done'));
  unlinkPath(statusFilePath(name, '.ready'));
}
