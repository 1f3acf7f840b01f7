/** wal-io.ts — plain descriptors for WAL and control file: errno instead of exceptions, waits named.
 *
 *  WAL does not go through the virtual descriptors of storage/file: its one open segment must never be closed to make
 *  room for a relation, and most calls stand in critical sections. */
import { type Fd, native, osError } from '#platform/native.ts';
import { renamePath, unlinkPath } from '#platform/raw-files.ts';
import { waitEnd, waitStart } from '#runtime/activity/wait-report.ts';
import { type ErrorFields, report } from '#runtime/error/report.ts';
import { SQLSTATE, type SqlState } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';

/** fsync unless the setting is off. 0 or -errno. */
export function fsyncFd(fd: Fd, waitEvent: number): number {
  if (!settings.fsync) return 0;
  waitStart(waitEvent);
  const result = native.fsync(fd);
  waitEnd();
  return result;
}
/** Makes a file's name durable: fsync of the folder. 0 or -errno. */
export function fsyncPath(path: string): number {
  if (!settings.fsync) return 0;
  const fd = native.openReadOnly(path);
  if (fd < 0) return fd;
  const result = native.fsync(fd);
  native.closeFd(fd);
  return result;
}

/** The class that PostgreSQL gives to an errno (errcode_for_file_access). */
export function codeForFileAccess(errno: number): SqlState {
  const { ERRNO } = native;
  switch (Math.abs(errno)) {
    case ERRNO.EPERM:
    case ERRNO.EACCES:
    case 30: // EROFS
      return SQLSTATE.insufficientPrivilege;
    case ERRNO.ENOENT:
      return SQLSTATE.undefinedFile;
    case ERRNO.EEXIST:
      return SQLSTATE.duplicateFile;
    case ERRNO.ENOTDIR:
    case 21: // EISDIR
    case 39: // ENOTEMPTY
      return SQLSTATE.wrongObjectType;
    case ERRNO.ENOSPC:
      return SQLSTATE.diskFull;
    case 23: // ENFILE
    case ERRNO.EMFILE:
      return SQLSTATE.insufficientResources;
    case ERRNO.EIO:
      return SQLSTATE.ioError;
    default:
      return SQLSTATE.internalError;
  }
}

export type FileLevel = 'LOG' | 'WARNING' | 'ERROR' | 'FATAL' | 'PANIC' | 'DEBUG1' | 'DEBUG2';
/** `could not open file "x": No such file or directory`. */
export function fileError(level: 'ERROR' | 'FATAL' | 'PANIC', what: string, errno: number): never;
export function fileError(level: FileLevel, what: string, errno: number): void;
export function fileError(level: FileLevel, what: string, errno: number): void {
  const fields: ErrorFields = { code: codeForFileAccess(errno), message: `${what}: ${osError(errno)}` };
  report(level, fields);
}

/** rename, durable: the file first, then the folder. True when done. */
export function durableRenamePath(from: string, to: string, level: FileLevel): boolean {
  let failed = fsyncPath(from);
  if (failed < 0) {
    fileError(level, `could not fsync file "${from}"`, failed);
    return false;
  }
  failed = renamePath(from, to);
  if (failed < 0) {
    fileError(level, `could not rename file "${from}" to "${to}"`, failed);
    return false;
  }
  const folder = to.includes('/') ? to.slice(0, to.lastIndexOf('/')) : '.';
  failed = fsyncPath(folder);
  if (failed < 0) {
    fileError(level, `could not fsync file "${folder}"`, failed);
    return false;
  }
  return true;
}
export function durableUnlinkPath(path: string, level: FileLevel): boolean {
  let failed = unlinkPath(path);
  if (failed < 0) {
    fileError(level, `could not remove file "${path}"`, failed);
    return false;
  }
  const folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '.';
  failed = fsyncPath(folder);
  if (failed < 0) fileError(level, `could not fsync file "${folder}"`, failed);
  return failed >= 0;
}
