/** folder-tree.ts — removing and copying whole folders, as databases are dropped and copied.
 *  Counterpart: rmtree() of src/common/rmtree.c, copydir() of src/backend/storage/file/copydir.c */
import {
  copyFile,
  type DirectoryEntry,
  FileError,
  listEntries,
  makeDirectory,
  removeDirectory,
} from '#platform/file-system.ts';
import { native } from '#platform/native.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { E, fileAccessCode, fileFailure } from '#storage/file/file-error.ts';
import { fsyncFname } from '#storage/file/virtual-files.ts';

/** 0 or -errno of something that throws FileError. */
export function errnoOf(work: () => void): number {
  try {
    work();
    return 0;
  } catch (caught) {
    if (!(caught instanceof FileError)) throw caught;
    return -Math.abs(caught.errno);
  }
}

/** Entries of a folder; what failed is told at `level`, and undefined answered. */
function entriesOf(path: string, level: 'WARNING' | 'ERROR'): DirectoryEntry[] | undefined {
  let entries: DirectoryEntry[] | undefined;
  const result = errnoOf(() => {
    entries = listEntries(path);
  });
  if (result < 0) fileFailure(level, `could not open directory "${path}"`, result);
  return entries;
}

/** Removes a folder's contents, and itself with `removeTop`. Goes on after failures, which are warnings; false then. */
export function removeTree(path: string, removeTop: boolean): boolean {
  const entries = entriesOf(path, 'WARNING');
  if (entries === undefined) return false;
  let complete = true;
  for (const entry of entries) {
    const name = `${path}/${entry.name}`;
    if (entry.isDirectory) {
      if (!removeTree(name, true)) complete = false;
      continue;
    }
    const result = native.unlinkFile(name);
    if (result < 0 && result !== -E.NOENT) {
      fileFailure('WARNING', `could not remove file or directory "${name}"`, result);
      complete = false;
    }
  }
  if (!removeTop) return complete;
  const result = errnoOf(() => removeDirectory(path));
  if (result < 0) {
    fileFailure('WARNING', `could not remove file or directory "${path}"`, result);
    complete = false;
  }
  return complete;
}

/** Copies a folder's files, and its folders with `recurse`, and makes the copy last. `to` must not exist. */
export function copyDirectory(from: string, to: string, recurse: boolean): void {
  const made = errnoOf(() => makeDirectory(to));
  if (made < 0) fileFailure('ERROR', `could not create directory "${to}"`, made);
  const entries = entriesOf(from, 'ERROR')!;
  for (const { name, isDirectory, isSymlink } of entries) {
    checkForInterrupts();
    if (isDirectory) {
      if (recurse) copyDirectory(`${from}/${name}`, `${to}/${name}`, true);
    } else if (!isSymlink) {
      const result = errnoOf(() => copyFile(`${from}/${name}`, `${to}/${name}`));
      if (result < 0)
        report('ERROR', {
          code: fileAccessCode(result),
          message: `could not create file "${to}/${name}": ${native.errorMessage(-result)}`,
        });
    }
  }
  if (!settings.fsync) return;
  // All are copied before the first fsync, so that the kernel can write them in its own order.
  for (const { name, isDirectory, isSymlink } of entries)
    if (!isDirectory && !isSymlink) fsyncFname(`${to}/${name}`, false);
  fsyncFname(to, true);
}
