/** reinit.ts — unlogged relations after a crash: their contents cannot be trusted, so they begin again from their init fork.
 *
 *  First, before replay, every fork but `init` of a relation that has one is removed; after replay the init fork, which is
 *  logged, is copied over the main fork.
 *  Counterpart: src/backend/storage/file/reinit.c */
import type { Oid } from '#base/ids.ts';
import { FORK } from '#base/ids.ts';
import { copyFile, FileError, listDirectory } from '#platform/file-system.ts';
import { native } from '#platform/native.ts';
import { report } from '#runtime/error/report.ts';
import { fileFailure } from '#storage/file/file-error.ts';
import { errnoOf } from '#storage/file/folder-tree.ts';
import {
  parseRelationFileName,
  type RelationFileName,
  TABLESPACE_DIRECTORY,
  TABLESPACE_VERSION_DIRECTORY,
} from '#storage/file/paths.ts';
import { fsyncFname } from '#storage/file/virtual-files.ts';

/** What to do; both may be asked for at once. */
export const UNLOGGED = { cleanup: 1, init: 2 } as const;

export function resetUnloggedRelations(what: number): void {
  const bit = (flag: number): number => ((what & flag) !== 0 ? 1 : 0);
  report('DEBUG1', {
    message: `resetting unlogged relations: cleanup ${bit(UNLOGGED.cleanup)} init ${bit(UNLOGGED.init)}`,
  });
  resetInTablespace('base', what);
  for (const name of namesIn(TABLESPACE_DIRECTORY))
    resetInTablespace(`${TABLESPACE_DIRECTORY}/${name}/${TABLESPACE_VERSION_DIRECTORY}`, what);
}

function namesIn(folder: string): string[] {
  try {
    return listDirectory(folder);
  } catch (caught) {
    if (!(caught instanceof FileError)) throw caught;
    // A tablespace whose folder is gone is no reason not to start.
    fileFailure(caught.code === 'ENOENT' ? 'LOG' : 'ERROR', `could not open directory "${folder}"`, caught.errno);
    return [];
  }
}

function resetInTablespace(folder: string, what: number): void {
  for (const name of namesIn(folder)) if (/^\d+$/.test(name)) resetInDatabase(`${folder}/${name}`, what);
}

interface RelationFile extends RelationFileName {
  readonly path: string;
}
function relationFilesIn(folder: string): RelationFile[] {
  const files: RelationFile[] = [];
  for (const name of namesIn(folder)) {
    const parsed = parseRelationFileName(name);
    if (parsed !== undefined) files.push({ ...parsed, path: `${folder}/${name}` });
  }
  return files;
}

function resetInDatabase(folder: string, what: number): void {
  if ((what & UNLOGGED.cleanup) !== 0) {
    const files = relationFilesIn(folder);
    const unlogged = new Set<Oid>(files.filter(({ fork }) => fork === FORK.init).map(({ relNode }) => relNode));
    for (const { fork, relNode, path } of files) {
      if (fork === FORK.init || !unlogged.has(relNode)) continue;
      const result = native.unlinkFile(path);
      if (result < 0) fileFailure('ERROR', `could not remove file "${path}"`, result);
      report('DEBUG2', { message: `unlinked file "${path}"` });
    }
  }
  if ((what & UNLOGGED.init) === 0) return;
  const copies: string[] = [];
  for (const { fork, relNode, segment, path } of relationFilesIn(folder)) {
    if (fork !== FORK.init) continue;
    const target = `${folder}/${relNode}${segment === 0 ? '' : `.${segment}`}`;
    report('DEBUG2', { message: `copying ${path} to ${target}` });
    const result = errnoOf(() => copyFile(path, target));
    if (result < 0) fileFailure('ERROR', `could not create file "${target}"`, result);
    copies.push(target);
  }
  // All at once, so that the kernel has had time to write them.
  for (const path of copies) fsyncFname(path, false);
  if (copies.length > 0) fsyncFname(folder, true);
}
