/** temp-files.ts — files that end with their transaction, or with their process: spilled sorts, hashes, tuple stores.
 *
 *  They lie in pgsql_tmp of a temporary tablespace, named after the process and a counter, count for temp_file_limit, and
 *  are removed when they are closed; the resource owner closes what nobody else did. What a crash leaves behind is removed
 *  by the next start, together with files of temporary relations.
 *  Counterpart: OpenTemporaryFile(), RemovePgTempFiles() … of src/backend/storage/file/fd.c */
import { INVALID_OID, type Oid } from '#base/ids.ts';
import { FileError, listDirectory, listEntries, makeDirectory } from '#platform/file-system.ts';
import { native } from '#platform/native.ts';
import { report } from '#runtime/error/report.ts';
import { beforeShmemExit } from '#runtime/exit-callbacks.ts';
import { settings } from '#runtime/guc/guc.ts';
import { myProcess } from '#runtime/my-process.ts';
import { currentResourceOwner } from '#runtime/resource-owner.ts';
import { E, fileFailure } from '#storage/file/file-error.ts';
import { errnoOf, removeTree } from '#storage/file/folder-tree.ts';
import {
  isTempRelationFileName,
  TABLESPACE_DIRECTORY,
  TABLESPACE_VERSION_DIRECTORY,
  TEMP_FILE_PREFIX,
  TEMP_FILES_DIRECTORY,
  temporaryFolder,
} from '#storage/file/paths.ts';
import {
  closeTemporaryFiles,
  type File,
  fileOpen,
  markTemporary,
  O,
  setTemporaryFileClosed,
} from '#storage/file/virtual-files.ts';

let counter = 0;
/** Where this transaction puts its files, in turn; null until somebody has looked at temp_tablespaces. */
let tablespaces: readonly Oid[] | null = null;
let nextTablespace = 0;
let databaseTablespace: () => Oid = () => INVALID_OID;

/** The session's default tablespace is known above. */
export function setDatabaseTablespaceSource(source: () => Oid): void {
  databaseTablespace = source;
}
/** What temp_tablespaces means, valid until the transaction's end. */
export function setTempTablespaces(list: readonly Oid[]): void {
  tablespaces = list;
  // Not everybody begins with the first.
  nextTablespace = list.length > 1 ? Math.floor(Math.random() * list.length) : 0;
}
export const tempTablespacesAreSet = (): boolean => tablespaces !== null;
export const getTempTablespaces = (): readonly Oid[] => tablespaces ?? [];
/** The next of the list, INVALID_OID for the database's own. */
export function getNextTempTablespace(): Oid {
  if (tablespaces === null || tablespaces.length === 0) return INVALID_OID;
  if (++nextTablespace >= tablespaces.length) nextTablespace = 0;
  return tablespaces[nextTablespace]!;
}
/** End of transaction: the parameter, or the tablespaces, may change. */
export function forgetTempTablespaces(): void {
  tablespaces = null;
}

/** Statistics of the database count temporary files. */
let countTempFile: (size: number) => void = () => {};
export function setTempFileCounter(count: (size: number) => void): void {
  countTempFile = count;
}
setTemporaryFileClosed((path, size) => {
  countTempFile(size);
  if (settings.log_temp_files >= 0 && size / 1024 >= settings.log_temp_files)
    report('LOG', { message: `temporary file: path "${path}", size ${size}` });
});

function openIn(tablespace: Oid, mustSucceed: boolean): File {
  const folder = temporaryFolder(tablespace);
  const path = `${folder}/${TEMP_FILE_PREFIX}${myProcess.pid}.${counter++}`;
  const flags = O.RDWR | O.CREAT | O.TRUNC;
  let file = fileOpen(path, flags);
  if (file < 0) {
    // Made when the first is needed; if that fails, so does the second try, and says why.
    errnoOf(() => makeDirectory(folder));
    file = fileOpen(path, flags);
    if (file < 0 && mustSucceed) fileFailure('ERROR', `could not create temporary file "${path}"`, file);
  }
  return file;
}

/** The process that has promised to clean up at its exit: a forked child promises anew. */
let cleanupInPid = 0;

/** A file that is removed when it is closed: by fileClose, by the current resource owner, or (`interXact`) at the end of
 *  the process. */
export function openTemporaryFile(interXact: boolean): File {
  let file: File = -1;
  if (tablespaces !== null && tablespaces.length > 0 && !interXact) {
    const tablespace = getNextTempTablespace();
    if (tablespace !== INVALID_OID) file = openIn(tablespace, false);
  }
  // A temporary tablespace that was dropped, or is full, is no reason to fail.
  if (file < 0) file = openIn(databaseTablespace(), true);
  if (cleanupInPid !== myProcess.pid) {
    cleanupInPid = myProcess.pid;
    beforeShmemExit(closeTemporaryFiles);
  }
  markTemporary(file, true, interXact ? null : currentResourceOwner());
  return file;
}

// ── after a crash ──────────────────────────────────────────────────────────────────────────────────────────────────
function namesIn(folder: string): string[] {
  try {
    return listDirectory(folder);
  } catch (caught) {
    if (!(caught instanceof FileError)) throw caught;
    if (caught.code !== 'ENOENT') fileFailure('LOG', `could not open directory "${folder}"`, caught.errno);
    return [];
  }
}
function removeQuietly(path: string): void {
  const result = native.unlinkFile(path);
  if (result < 0 && result !== -E.NOENT) fileFailure('LOG', `could not remove file "${path}"`, result);
}

/** Everything in a folder of temporary files; with `unlinkAll`, below it, whatever its name. */
function removeTempFilesIn(folder: string): void {
  for (const name of namesIn(folder)) {
    const path = `${folder}/${name}`;
    if (!name.startsWith(TEMP_FILE_PREFIX)) {
      report('LOG', { message: `unexpected file found in temporary-files directory: "${path}"` });
      continue;
    }
    const entry = listEntries(folder).find((one) => one.name === name);
    if (entry?.isDirectory === true) removeTree(path, true);
    else removeQuietly(path);
  }
}
/** Files of temporary relations in the databases of a tablespace. */
function removeTempRelationsIn(tablespaceFolder: string): void {
  for (const database of namesIn(tablespaceFolder)) {
    if (!/^\d+$/.test(database)) continue;
    const folder = `${tablespaceFolder}/${database}`;
    for (const name of namesIn(folder)) if (isTempRelationFileName(name)) removeQuietly(`${folder}/${name}`);
  }
}

/** At the start of the server, before any process could have made new ones. */
export function removePgTempFiles(): void {
  const folders = ['base'];
  for (const name of namesIn(TABLESPACE_DIRECTORY))
    folders.push(`${TABLESPACE_DIRECTORY}/${name}/${TABLESPACE_VERSION_DIRECTORY}`);
  for (const folder of folders) {
    removeTempFilesIn(`${folder}/${TEMP_FILES_DIRECTORY}`);
    removeTempRelationsIn(folder);
  }
}
