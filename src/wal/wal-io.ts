/** wal-io.ts — plain descriptors for WAL and control file: errno instead of exceptions, waits named.
 *
 *  WAL does not go through the virtual descriptors of storage/file: its one open segment must never be closed to make
 *  room for a relation, and most calls stand in critical sections. */
import * as fs from 'node:fs';
import { type Fd, native, osError } from '#platform/native.ts';
import { waitEnd, waitStart } from '#runtime/activity/wait-report.ts';
import { type ErrorFields, report } from '#runtime/error/report.ts';
import { SQLSTATE, type SqlState } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';

const errnoOf = (caught: unknown): number => {
  const { errno } = caught as NodeJS.ErrnoException;
  if (typeof errno !== 'number') throw caught;
  return errno;
};
const attempt = (work: () => unknown): number => {
  try {
    const result = work();
    return typeof result === 'number' ? result : 0;
  } catch (caught) {
    return errnoOf(caught);
  }
};

/** Descriptor or -errno. */
export const openFd = (path: string, flags: number, mode = 0o600): Fd => attempt(() => fs.openSync(path, flags, mode));
export const renamePath = (from: string, to: string): number => attempt(() => fs.renameSync(from, to));
export const unlinkPath = (path: string): number => attempt(() => fs.unlinkSync(path));
export const mkdirPath = (path: string): number => attempt(() => fs.mkdirSync(path, 0o700));
export const existsPath = (path: string): boolean => fs.existsSync(path);
/** Size in bytes, or -errno. */
export const sizeOfPath = (path: string): number => attempt(() => fs.statSync(path).size);
export const readWholeFile = (path: string): Buffer | number => {
  try {
    return fs.readFileSync(path);
  } catch (caught) {
    return errnoOf(caught);
  }
};
export const listNames = (path: string): string[] | number => {
  try {
    return fs.readdirSync(path);
  } catch (caught) {
    return errnoOf(caught);
  }
};
/** Bytes read into private bytes, or -errno. */
export const readAt = (fd: Fd, into: Uint8Array, length: number, position: number): number =>
  attempt(() => fs.readSync(fd, into, 0, length, position));
export const writeAt = (fd: Fd, from: Uint8Array, length: number, position: number): number =>
  attempt(() => fs.writeSync(fd, from, 0, length, position));

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
