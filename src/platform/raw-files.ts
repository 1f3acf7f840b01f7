/** raw-files.ts — file calls that answer with a number: a result, or -errno. For code that must not unwind (critical
 *  sections), or to which a missing file is an answer and no failure. */
import * as fs from 'node:fs';
import type { Fd } from '#platform/native.ts';

/** Flags of open(2). */
export const OPEN = {
  readOnly: fs.constants.O_RDONLY,
  writeOnly: fs.constants.O_WRONLY,
  readWrite: fs.constants.O_RDWR,
  create: fs.constants.O_CREAT,
  exclusive: fs.constants.O_EXCL,
  truncate: fs.constants.O_TRUNC,
  sync: fs.constants.O_SYNC,
  dataSync: fs.constants.O_DSYNC,
  direct: fs.constants.O_DIRECT,
} as const;

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

export const openFd = (path: string, flags: number, mode = 0o600): Fd => attempt(() => fs.openSync(path, flags, mode));
export const renamePath = (from: string, to: string): number => attempt(() => fs.renameSync(from, to));
export const unlinkPath = (path: string): number => attempt(() => fs.unlinkSync(path));
export const mkdirPath = (path: string): number => attempt(() => fs.mkdirSync(path, 0o700));
export const rmdirPath = (path: string): number => attempt(() => fs.rmdirSync(path));
export const symlinkPath = (target: string, path: string): number => attempt(() => fs.symlinkSync(target, path));
export const existsPath = (path: string): boolean => fs.existsSync(path);
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
/** Through private bytes. */
export const readAt = (fd: Fd, into: Uint8Array, length: number, position: number): number =>
  attempt(() => fs.readSync(fd, into, 0, length, position));
export const writeAt = (fd: Fd, from: Uint8Array, length: number, position: number): number =>
  attempt(() => fs.writeSync(fd, from, 0, length, position));
