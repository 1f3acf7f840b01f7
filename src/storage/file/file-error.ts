/** file-error.ts — failed system calls as PostgreSQL reports them.
 *  Counterpart: errcode_for_file_access() of src/backend/utils/error/elog.c */
import { osError } from '#platform/native.ts';
import type { ErrorFields, Level, ThrowingLevel } from '#runtime/error/report.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE, type SqlState } from '#runtime/error/sqlstate.ts';

/** Linux error numbers (x64 and arm64 agree). */
export const E = {
  PERM: 1,
  NOENT: 2,
  INTR: 4,
  IO: 5,
  NOMEM: 12,
  ACCES: 13,
  EXIST: 17,
  NOTDIR: 20,
  ISDIR: 21,
  INVAL: 22,
  NFILE: 23,
  MFILE: 24,
  FBIG: 27,
  NOSPC: 28,
  ROFS: 30,
  NOTEMPTY: 39,
} as const;

const BY_ERRNO: Readonly<Record<number, SqlState>> = {
  [E.PERM]: SQLSTATE.insufficientPrivilege,
  [E.ACCES]: SQLSTATE.insufficientPrivilege,
  [E.ROFS]: SQLSTATE.insufficientPrivilege,
  [E.NOENT]: SQLSTATE.undefinedFile,
  [E.EXIST]: SQLSTATE.duplicateFile,
  [E.NOTDIR]: SQLSTATE.wrongObjectType,
  [E.ISDIR]: SQLSTATE.wrongObjectType,
  [E.NOTEMPTY]: SQLSTATE.wrongObjectType,
  [E.NOSPC]: SQLSTATE.diskFull,
  [E.NOMEM]: SQLSTATE.outOfMemory,
  [E.NFILE]: SQLSTATE.insufficientResources,
  [E.MFILE]: SQLSTATE.insufficientResources,
  [E.IO]: SQLSTATE.ioError,
};
/** `errno` may have either sign. */
export const fileAccessCode = (errno: number): SqlState => BY_ERRNO[Math.abs(errno)] ?? SQLSTATE.internalError;

/** `<what>: <text of errno>`. */
export function fileFailure(level: ThrowingLevel, what: string, errno: number, more?: Partial<ErrorFields>): never;
export function fileFailure(level: Level, what: string, errno: number, more?: Partial<ErrorFields>): void;
export function fileFailure(level: Level, what: string, errno: number, more?: Partial<ErrorFields>): void {
  report(level, { code: fileAccessCode(errno), message: `${what}: ${osError(errno)}`, ...more });
}
