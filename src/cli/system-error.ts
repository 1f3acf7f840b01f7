/** system-error.ts — strerror text of errors that Node's fs threw: what PostgreSQL's programs print for %m. Taken from
 *  libuv's table, with glibc's words where they differ, so that these programs work before native-shm is built. */
import { getSystemErrorMap } from 'node:util';

const GLIBC: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied',
  EBUSY: 'Device or resource busy',
  EEXIST: 'File exists',
  EIO: 'Input/output error',
  EISDIR: 'Is a directory',
  ELOOP: 'Too many levels of symbolic links',
  EMFILE: 'Too many open files',
  ENAMETOOLONG: 'File name too long',
  ENOENT: 'No such file or directory',
  ENOSPC: 'No space left on device',
  ENOTDIR: 'Not a directory',
  ENOTEMPTY: 'Directory not empty',
  EPERM: 'Operation not permitted',
  EROFS: 'Read-only file system',
  ESRCH: 'No such process',
};

export const errorCode = (caught: unknown): string => (caught as NodeJS.ErrnoException).code ?? '';
export function reasonOf(caught: unknown): string {
  const { code, errno, message } = caught as NodeJS.ErrnoException;
  if (code === undefined || errno === undefined) return message;
  return GLIBC[code] ?? getSystemErrorMap().get(errno)?.[1] ?? message;
}
