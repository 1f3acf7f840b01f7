/** restore.ts — files from the archive: restore_command, and the two other commands of archive recovery.
 *
 *  A file arrives under a name of its own and is renamed when it is complete. A command that fails means "not there";
 *  one that was killed, or could not be run at all, means that recovery must not go on with what happens to be there.
 *  Counterpart: RestoreArchivedFile(), ExecuteRecoveryCommand() of src/backend/access/transam/xlogarchive.c */
import { existsPath, sizeOfPath, unlinkPath } from '#platform/raw-files.ts';
import { native, osError, SIGNAL, signalText } from '#platform/native.ts';
import { waitEnd, waitStart } from '#runtime/activity/wait-report.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { exitProcess } from '#runtime/exit-callbacks.ts';
import { settings } from '#runtime/guc/guc.ts';
import { signalPending } from '#runtime/interrupts.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { xlogArchiveForceDone, xlogArchiveNotify } from '#wal/archive-status.ts';
import { controlFile, controlFileLock } from '#wal/control-file.ts';
import { replay } from '#wal/recovery-state.ts';
import { segmentFileName, segmentOf, WAL_DIRECTORY, xlogArchivingAlways } from '#wal/wal-format.ts';
import { durableRenamePath, fileError } from '#wal/wal-io.ts';

/** waitpid's status word of `/bin/sh -c command`, or -errno. While it runs this process does not look at its signals;
 *  the caller does afterwards. */
export function runShellCommand(command: string, waitEvent: number): number {
  const environment = Object.entries(process.env).map(([name, value]) => `${name}=${value ?? ''}`);
  const fds = [0, 1, 2].map((fd) => [fd, fd] as const);
  const pid = native.spawnProcess('/bin/sh', ['sh', '-c', command], environment, fds);
  if (pid < 0) return pid;
  const out = new Int32Array(2);
  waitStart(waitEvent);
  let result = 0;
  do result = native.waitpid(pid, true, out);
  while (result === -native.ERRNO.EINTR || result === 0);
  waitEnd();
  return result < 0 ? result : out[1]!;
}

export const exitCodeOf = (status: number): number | undefined =>
  (status & 0x7f) === 0 ? (status >> 8) & 0xff : undefined;
export const signalOf = (status: number): number => status & 0x7f;
/** wait_result_to_str(). */
export function describeStatus(status: number): string {
  if (status < 0) return osError(status);
  const code = exitCodeOf(status);
  if (code === undefined)
    return `child process was terminated by signal ${signalOf(status)}: ${signalText(signalOf(status))}`;
  if (code === 126) return 'command not executable';
  if (code === 127) return 'command not found';
  return `child process exited with exit code ${code}`;
}
/** Killed by `signal`, itself or as the shell reports it of its child. */
const wasKilledBy = (status: number, signal: number): boolean =>
  exitCodeOf(status) === undefined ? signalOf(status) === signal : exitCodeOf(status) === 128 + signal;
const wasKilled = (status: number, orNotFound: boolean): boolean => {
  const code = exitCodeOf(status);
  return code === undefined || code > (orNotFound ? 125 : 128);
};

/** Replaces %f, %p, %r … and %%; other percent signs stay. */
export function expandCommand(command: string, values: Readonly<Record<string, string>>): string {
  return command.replace(/%(.)/g, (whole, letter: string) => (letter === '%' ? '%' : (values[letter] ?? whole)));
}

/** Oldest segment that a restart of this recovery needs: %r. */
export function oldestNeededSegment(): string {
  lwLockAcquire(controlFileLock(), 'shared');
  const { redo, thisTimeline } = controlFile.checkPointCopy;
  lwLockRelease(controlFileLock());
  return segmentFileName(thisTimeline, segmentOf(redo));
}

/** Path of the file as it came from the archive; null when there is none there (it may still be in pg_wal).
 *  @param temporary its name in pg_wal until it is kept
 *  @param expectedSize 0: any
 *  @param inRedo whether %r can be told: before the first record nothing may be cleaned up */
export function restoreArchivedFile(
  name: string,
  temporary: string,
  expectedSize: number,
  inRedo: boolean,
): string | null {
  if (!replay.archiveRecoveryRequested || settings.restore_command === '') return null;
  const path = `${WAL_DIRECTORY}/${temporary}`;
  const old = unlinkPath(path);
  if (old < 0 && old !== -native.ERRNO.ENOENT) fileError('FATAL', `could not remove file "${path}"`, old);
  const command = expandCommand(settings.restore_command, {
    p: path,
    f: name,
    r: inRedo ? oldestNeededSegment() : segmentFileName(0, 0),
  });
  report('DEBUG3', { message: `executing restore command "${command}"` });
  if (signalPending(SIGNAL.TERM)) exitProcess(1);
  const status = runShellCommand(command, WAIT_EVENT.RestoreCommand);
  if (signalPending(SIGNAL.TERM)) exitProcess(1);
  if (status === 0) {
    const size = sizeOfPath(path);
    if (size >= 0) {
      if (expectedSize === 0 || size === expectedSize) {
        report('LOG', { message: `restored log file "${name}" from archive` });
        return path;
      }
      // A standby may see a file that is just being copied; in any other recovery it is damage.
      report(replay.standbyMode && size < expectedSize ? 'DEBUG1' : 'FATAL', {
        message: `archive file "${name}" has wrong size: ${size} instead of ${expectedSize}`,
      });
      return null;
    }
    report(size === -native.ERRNO.ENOENT ? 'LOG' : 'FATAL', {
      code: SQLSTATE.undefinedFile,
      message: `could not stat file "${path}": ${osError(size)}`,
      detail: '"restore_command" returned a zero exit status, but stat() failed.',
    });
  }
  if (wasKilledBy(status, SIGNAL.TERM)) exitProcess(1);
  report(wasKilled(status, true) ? 'FATAL' : 'DEBUG2', {
    message: `could not restore file "${name}" from archive: ${describeStatus(status)}`,
  });
  return null;
}

/** Gives a restored file its place in pg_wal, and sees to it that it is not archived again. */
export function keepFileRestoredFromArchive(path: string, name: string): void {
  const target = `${WAL_DIRECTORY}/${name}`;
  if (existsPath(target)) {
    const failed = unlinkPath(target);
    if (failed < 0) fileError('FATAL', `could not remove file "${target}"`, failed);
  }
  durableRenamePath(path, target, 'ERROR');
  if (xlogArchivingAlways()) xlogArchiveNotify(name);
  else xlogArchiveForceDone(name);
}

/** archive_cleanup_command, recovery_end_command. */
export function executeRecoveryCommand(
  command: string,
  setting: 'archive_cleanup_command' | 'recovery_end_command',
  failOnSignal: boolean,
  waitEvent: number,
): void {
  const expanded = expandCommand(command, { r: oldestNeededSegment() });
  report('DEBUG3', { message: `executing ${setting} "${command}"` });
  const status = runShellCommand(expanded, waitEvent);
  if (status === 0) return;
  report(failOnSignal && wasKilled(status, true) ? 'FATAL' : 'WARNING', {
    message: `${setting} "${command}": ${describeStatus(status)}`,
  });
}
