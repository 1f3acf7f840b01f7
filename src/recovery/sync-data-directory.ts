/** sync-data-directory.ts — after a crash everything in the data directory is synced once: what the dead server had written
 *  but not synced would otherwise be believed to be on disk.
 *  Counterpart: SyncDataDirectory() of src/backend/storage/file/fd.c */
import { linkStatusIfExists, statIfExists } from '#platform/file-system.ts';
import { listNames } from '#platform/raw-files.ts';
import { native, osError } from '#platform/native.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { beginProgressPhase, reportProgress } from '#recovery/progress.ts';

function syncOne(path: string): void {
  const fd = native.openReadOnly(path);
  if (fd < 0) {
    // Files that are not ours may be unreadable; that is no reason not to start.
    if (fd !== -native.ERRNO.EACCES) report('LOG', { message: `could not open file "${path}": ${osError(fd)}` });
    return;
  }
  const failed = native.fsync(fd);
  native.closeFd(fd);
  if (failed < 0 && failed !== -native.ERRNO.EINVAL)
    report('LOG', { message: `could not fsync file "${path}": ${osError(failed)}` });
}

function walk(folder: string, followLinks: boolean): void {
  const names = listNames(folder);
  if (typeof names === 'number') {
    report('LOG', { message: `could not open directory "${folder}": ${osError(names)}` });
    return;
  }
  for (const name of names) {
    checkForInterrupts();
    const path = `${folder}/${name}`;
    const status = (followLinks ? statIfExists : linkStatusIfExists)(path);
    if (status?.isDirectory === true) walk(path, false);
    else if (status?.isFile === true) {
      reportProgress((elapsed) => `syncing data directory (fsync), elapsed time: ${elapsed}, current path: ${path}`);
      syncOne(path);
    }
  }
  syncOne(folder);
}

export function syncDataDirectory(): void {
  if (!settings.fsync) return;
  beginProgressPhase();
  walk('.', false);
  if (linkStatusIfExists('pg_wal')?.isSymlink === true) walk('pg_wal', false);
  // Tablespaces lie behind links.
  walk('pg_tblspc', true);
}
