/** tablespace-folder.ts — the folder of a database in a tablespace is made when the first file is put there.
 *  Counterpart: TablespaceCreateDbspace() of src/backend/commands/tablespace.c */
import type { Oid } from '#base/ids.ts';
import { FileError, makeDirectory, statIfExists } from '#platform/file-system.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { E, fileFailure } from '#storage/file/file-error.ts';
import { databasePath, GLOBAL_TABLESPACE } from '#storage/file/paths.ts';

/** 0 or -errno. */
function tryMakeDirectory(path: string): number {
  try {
    makeDirectory(path);
    return 0;
  } catch (caught) {
    if (!(caught instanceof FileError)) throw caught;
    return -Math.abs(caught.errno);
  }
}

/** `isRedo`: parents that are missing are made, too, as plain folders; the tablespace was dropped later in the log. */
export function createDatabaseFolder(spcNode: Oid, dbNode: Oid, isRedo: boolean): void {
  if (spcNode === GLOBAL_TABLESPACE) return;
  const folder = databasePath(dbNode, spcNode);
  const status = statIfExists(folder);
  if (status === undefined) makeUnderLock(folder, isRedo);
  else if (!status.isDirectory)
    report('ERROR', {
      code: SQLSTATE.wrongObjectType,
      message: `"${folder}" exists but is not a directory`,
    });
}

function makeUnderLock(folder: string, isRedo: boolean): void {
  // DROP TABLESPACE must not find the tablespace empty while a folder is being made in it.
  lwLockAcquire(mainLWLock('TablespaceCreate'), 'exclusive');
  try {
    if (statIfExists(folder)?.isDirectory === true) return;
    let result = tryMakeDirectory(folder);
    if (result === -E.NOENT && isRedo) {
      for (const parent of parentsOf(folder)) {
        result = tryMakeDirectory(parent);
        if (result < 0 && result !== -E.EXIST) fileFailure('ERROR', `could not create directory "${parent}"`, result);
      }
      result = tryMakeDirectory(folder);
    }
    if (result < 0 && !(isRedo && result === -E.EXIST))
      fileFailure('ERROR', `could not create directory "${folder}"`, result);
  } finally {
    lwLockRelease(mainLWLock('TablespaceCreate'));
  }
}

/** pg_tblspc/1, pg_tblspc/1/PG_15… of pg_tblspc/1/PG_15…/2. */
function parentsOf(folder: string): string[] {
  const parts = folder.split('/');
  return parts
    .slice(2, -1)
    .map((_, i) => parts.slice(0, i + 2).join('/'))
    .concat(parts.slice(0, -1).join('/'));
}
