/** tablespace-folders.ts — the folder of a tablespace, and the link to it under pg_tblspc.
 *
 *  A tablespace is a folder of the administrator's; ours in it bears the catalog version, so that one cannot be used twice.
 *  An empty location makes it in place, under pg_tblspc (allow_in_place_tablespaces).
 *  Counterpart: create_tablespace_directories(), destroy_tablespace_directories() of src/backend/commands/tablespace.c */
import type { Oid } from '#base/ids.ts';
import {
  changeMode,
  exists,
  linkStatusIfExists,
  listDirectory,
  makeDirectory,
  makeSymlink,
  removeDirectory,
  statIfExists,
} from '#platform/file-system.ts';
import { native } from '#platform/native.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { E, fileFailure } from '#storage/file/file-error.ts';
import { errnoOf } from '#storage/file/folder-tree.ts';
import { TABLESPACE_VERSION_DIRECTORY, tablespaceLink } from '#storage/file/paths.ts';
import { emitProcSignalBarrier, waitForProcSignalBarrier } from '#storage/ipc/proc-signal.ts';
import { inRecovery } from '#wal/recovery-state.ts';

export const XLOG_TBLSPC_CREATE = 0x00;
export const XLOG_TBLSPC_DROP = 0x10;

/** All processes close the files of relations they have open. */
export function releaseRelationFilesEverywhere(): void {
  waitForProcSignalBarrier(emitProcSignalBarrier('smgrRelease'));
}

/** Makes the version folder at `location` and the link to it. */
export function createTablespaceFolders(location: string, tablespace: Oid): void {
  const link = tablespaceLink(tablespace);
  const inPlace = location === '';
  const folder = `${inPlace ? link : location}/${TABLESPACE_VERSION_DIRECTORY}`;
  if (inPlace) {
    const made = errnoOf(() => makeDirectory(link));
    if (made < 0 && made !== -E.EXIST) fileFailure('ERROR', `could not create directory "${link}"`, made);
  } else {
    const changed = errnoOf(() => changeMode(location, 0o700));
    if (changed === -E.NOENT)
      report('ERROR', {
        code: SQLSTATE.undefinedFile,
        message: `directory "${location}" does not exist`,
        hint: inRecovery() ? 'Create this directory for the tablespace before restarting the server.' : undefined,
      });
    if (changed < 0) fileFailure('ERROR', `could not set permissions on directory "${location}"`, changed);
  }
  const status = statIfExists(folder);
  if (status === undefined) {
    const made = errnoOf(() => makeDirectory(folder));
    if (made < 0) fileFailure('ERROR', `could not create directory "${folder}"`, made);
  } else if (!status.isDirectory)
    report('ERROR', { code: SQLSTATE.wrongObjectType, message: `"${folder}" exists but is not a directory` });
  else if (!inRecovery())
    report('ERROR', { code: SQLSTATE.objectInUse, message: `directory "${folder}" already in use as a tablespace` });
  if (inPlace) return;
  // What replay finds may point to another place.
  if (inRecovery()) removeTablespaceLink(link);
  const linked = errnoOf(() => makeSymlink(location, link));
  if (linked < 0) fileFailure('ERROR', `could not create symbolic link "${link}"`, linked);
}

/** Removes a link, or the folder that replay made in its place. */
function removeTablespaceLink(link: string): void {
  const status = linkStatusIfExists(link);
  if (status === undefined) return;
  if (status.isDirectory) {
    const result = errnoOf(() => removeDirectory(link));
    if (result < 0 && result !== -E.NOENT) fileFailure('ERROR', `could not remove directory "${link}"`, result);
  } else if (status.isSymlink) {
    const result = native.unlinkFile(link);
    if (result < 0 && result !== -E.NOENT) fileFailure('ERROR', `could not remove symbolic link "${link}"`, result);
  } else
    report('ERROR', {
      code: SQLSTATE.objectNotInPrerequisiteState,
      message: `"${link}" is not a directory or symbolic link`,
    });
}

/** Removes an empty tablespace; false if it is not empty. In redo as much as possible, and failures are told only. */
export function destroyTablespaceFolders(tablespace: Oid, isRedo: boolean): boolean {
  const link = tablespaceLink(tablespace);
  const folder = `${link}/${TABLESPACE_VERSION_DIRECTORY}`;
  const level = isRedo ? 'LOG' : 'ERROR';
  let names: string[] = [];
  const opened = errnoOf(() => {
    names = listDirectory(folder);
  });
  if (opened < 0 && opened !== -E.NOENT) {
    fileFailure(level, `could not open directory "${folder}"`, opened);
    return false;
  }
  if (opened < 0) {
    if (!isRedo) fileFailure('WARNING', `could not open directory "${folder}"`, opened);
  } else {
    for (const name of names) {
      const path = `${folder}/${name}`;
      if (!isRedo && exists(path) && listDirectory(path).length > 0) return false;
      const removed = errnoOf(() => removeDirectory(path));
      if (removed < 0) fileFailure(level, `could not remove directory "${path}"`, removed);
    }
    const removed = errnoOf(() => removeDirectory(folder));
    if (removed < 0) {
      fileFailure(level, `could not remove directory "${folder}"`, removed);
      return false;
    }
  }
  dropLink(link, isRedo);
  return true;
}

function dropLink(link: string, isRedo: boolean): void {
  const levelOf = (errno: number) => (isRedo ? 'LOG' : errno === -E.NOENT ? 'WARNING' : 'ERROR') as 'ERROR';
  const status = linkStatusIfExists(link);
  if (status === undefined) {
    fileFailure(levelOf(-E.NOENT), `could not stat file "${link}"`, -E.NOENT);
    return;
  }
  if (status.isDirectory) {
    const result = errnoOf(() => removeDirectory(link));
    if (result < 0) fileFailure(levelOf(result), `could not remove directory "${link}"`, result);
  } else if (status.isSymlink) {
    const result = native.unlinkFile(link);
    if (result < 0) fileFailure(levelOf(result), `could not remove symbolic link "${link}"`, result);
  } else
    report(isRedo ? 'LOG' : 'ERROR', {
      code: SQLSTATE.objectNotInPrerequisiteState,
      message: `"${link}" is not a directory or symbolic link`,
    });
}
