/** slru-error.ts — SQLSTATE of a failed system call.
 *  Counterpart: errcode_for_file_access() of src/backend/utils/error/elog.c */
import { SQLSTATE, type SqlState } from '#runtime/error/sqlstate.ts';

const BY_ERRNO: Readonly<Record<number, SqlState>> = {
  1: SQLSTATE.insufficientPrivilege,
  2: SQLSTATE.undefinedFile,
  5: SQLSTATE.ioError,
  12: SQLSTATE.outOfMemory,
  13: SQLSTATE.insufficientPrivilege,
  17: SQLSTATE.duplicateFile,
  20: SQLSTATE.wrongObjectType,
  21: SQLSTATE.wrongObjectType,
  23: SQLSTATE.insufficientResources,
  24: SQLSTATE.insufficientResources,
  28: SQLSTATE.diskFull,
  30: SQLSTATE.insufficientPrivilege,
  39: SQLSTATE.wrongObjectType,
};
/** `errno` may have either sign. */
export const fileAccessCode = (errno: number): SqlState => BY_ERRNO[Math.abs(errno)] ?? SQLSTATE.internalError;
