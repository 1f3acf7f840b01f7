/** file-system.ts — the files of PGDATA through one door, all synchronous.
 *
 *  Errors are thrown as FileError with the errno, so that callers can build PostgreSQL's `could not open file "%s": %m`.
 *  A file that must survive a crash is written by writeFileDurably: temporary name, fsync, rename, fsync of the folder. */
import * as fs from 'node:fs';
import { dirname } from 'node:path';
import { native } from '#platform/native.ts';

export class FileError extends Error {
  override readonly name = 'FileError';
  constructor(
    readonly code: string,
    readonly errno: number,
    readonly path: string,
  ) {
    super(`${path}: ${native.errorMessage(Math.abs(errno))}`);
  }
  /** strerror text, what %m prints. */
  get reason(): string {
    return native.errorMessage(Math.abs(this.errno));
  }
}

function guard<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (caught) {
    const error = caught as NodeJS.ErrnoException;
    if (typeof error.errno !== 'number') throw caught;
    throw new FileError(error.code ?? '', error.errno, path);
  }
}

export const readFile = (path: string): Uint8Array => guard(path, () => fs.readFileSync(path));
export const readTextFile = (path: string): string => guard(path, () => fs.readFileSync(path, 'utf8'));
export const exists = (path: string): boolean => fs.existsSync(path);

export interface FileStatus {
  readonly isDirectory: boolean;
  readonly isFile: boolean;
  readonly isSymlink: boolean;
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly inode: number;
  readonly modifiedMs: number;
}
function toStatus(s: fs.Stats): FileStatus {
  return {
    isDirectory: s.isDirectory(),
    isFile: s.isFile(),
    isSymlink: s.isSymbolicLink(),
    size: s.size,
    mode: s.mode & 0o7777,
    uid: s.uid,
    inode: s.ino,
    modifiedMs: s.mtimeMs,
  };
}
export const statFile = (path: string): FileStatus => guard(path, () => toStatus(fs.statSync(path)));
/** undefined where there is no such file. */
export function statIfExists(path: string): FileStatus | undefined {
  const s = fs.statSync(path, { throwIfNoEntry: false });
  return s === undefined ? undefined : toStatus(s);
}
export const listDirectory = (path: string): string[] => guard(path, () => fs.readdirSync(path));
export const makeDirectory = (path: string, mode = 0o700): void => guard(path, () => fs.mkdirSync(path, { mode }));
export const renameFile = (from: string, to: string): void => guard(from, () => fs.renameSync(from, to));
export const removeFile = (path: string): void => guard(path, () => fs.unlinkSync(path));
/** Removing what is not there is fine; every other failure throws. */
export function removeFileIfExists(path: string): boolean {
  try {
    removeFile(path);
    return true;
  } catch (caught) {
    if (caught instanceof FileError && caught.code === 'ENOENT') return false;
    throw caught;
  }
}
export const removeDirectory = (path: string): void => guard(path, () => fs.rmdirSync(path));
export const makeSymlink = (target: string, path: string): void => guard(path, () => fs.symlinkSync(target, path));
export const readSymlink = (path: string): string => guard(path, () => fs.readlinkSync(path));
/** Of the link itself; undefined where there is nothing. */
export function linkStatusIfExists(path: string): FileStatus | undefined {
  const s = guard(path, () => fs.lstatSync(path, { throwIfNoEntry: false }));
  return s === undefined ? undefined : toStatus(s);
}
export interface DirectoryEntry {
  readonly name: string;
  readonly isDirectory: boolean;
  readonly isSymlink: boolean;
}
/** Entries with their kinds, without following links. */
export const listEntries = (path: string): DirectoryEntry[] =>
  guard(path, () =>
    fs.readdirSync(path, { withFileTypes: true }).map((entry) => ({
      name: entry.name,
      isDirectory: entry.isDirectory(),
      isSymlink: entry.isSymbolicLink(),
    })),
  );
/** Makes `to` a copy of `from`; fails if it exists. */
export const copyFile = (from: string, to: string): void =>
  guard(to, () => fs.copyFileSync(from, to, fs.constants.COPYFILE_EXCL));
export const touchFile = (path: string): void => guard(path, () => fs.utimesSync(path, new Date(), new Date()));
export const changeMode = (path: string, mode: number): void => guard(path, () => fs.chmodSync(path, mode));
export const changeDirectory = (path: string): void => guard(path, () => process.chdir(path));
export const realPath = (path: string): string => guard(path, () => fs.realpathSync(path));

/** Plain write: truncates or creates. */
export const writeFile = (path: string, data: string | Uint8Array, mode = 0o600): void =>
  guard(path, () => fs.writeFileSync(path, data, { mode }));
/** O_EXCL|O_CREAT, fsynced. */
export const createFileExclusively = (path: string, data: string, mode = 0o600): void =>
  guard(path, () => {
    const fd = fs.openSync(path, 'wx', mode);
    try {
      fs.writeSync(fd, data);
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  });
/** Rewrites from offset 0 without truncating first: a reader never sees an empty file. */
export const overwriteFile = (path: string, data: string): void =>
  guard(path, () => {
    const fd = fs.openSync(path, 'r+');
    try {
      const written = fs.writeSync(fd, data, 0);
      fs.ftruncateSync(fd, written);
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  });
export function fsyncPath(path: string): void {
  guard(path, () => {
    const fd = fs.openSync(path, 'r');
    try {
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  });
}
export function writeFileDurably(path: string, data: string | Uint8Array, mode = 0o600): void {
  const temporary = `${path}.tmp`;
  guard(temporary, () => {
    const fd = fs.openSync(temporary, 'w', mode);
    try {
      fs.writeFileSync(fd, data);
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  });
  renameFile(temporary, path);
  fsyncPath(dirname(path));
}
/** Append-only descriptor (log files). */
export const openAppend = (path: string, mode: number, truncate: boolean): number =>
  guard(path, () => fs.openSync(path, truncate ? 'w' : 'a', mode));
export const closeFile = (fd: number): void => fs.closeSync(fd);
