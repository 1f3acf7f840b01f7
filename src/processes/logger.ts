/** logger.ts — the process that owns the read end of everybody's standard error and writes the log files.
 *
 *  It never touches shared memory, so no crash of another process can harm it, and it outlives the postmaster: it ends
 *  when the pipe does, that is when the last process that could still write an entry is gone. Signals that end others
 *  mean nothing to it.
 *  Counterpart: SysLoggerMain() of src/backend/postmaster/syslogger.c */
import '#adt/log-time-zone.ts';
import { unixSeconds } from '#platform/clock.ts';
import {
  closeFile,
  FileError,
  makeDirectory,
  openAppend,
  removeFileIfExists,
  renameFile,
  statFile,
  writeFile,
} from '#platform/file-system.ts';
import { native, osError, SIGNAL } from '#platform/native.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { logContext, ORIGINAL_STDERR } from '#runtime/error/log-context.ts';
import type { LogDestination } from '#runtime/error/log-pipe.ts';
import { ChunkReassembler, PIPE_CHUNK_BYTES } from '#runtime/error/log-pipe.ts';
import { followLogTimeZone } from '#runtime/error/log-time.ts';
import { report } from '#runtime/error/report.ts';
import { setLoggerSink, writeStderr } from '#runtime/error/sinks.ts';
import { exitProcess } from '#runtime/exit-callbacks.ts';
import { settings } from '#runtime/guc/guc.ts';
import { processConfigFile } from '#runtime/guc/guc-file.ts';
import { clearInterruptPending, takeSignal } from '#runtime/interrupts.ts';
import type { LaunchRecord } from '#runtime/launch-record.ts';
import { segmentId } from '#shm/memory.ts';
import { initWaiting, WL, waitLatchOrSocket } from '#shm/wait-event-set.ts';
import type { LogFilePort } from '#processes/log-files.ts';
import { LogFiles } from '#processes/log-files.ts';

const READ_BYTES = 16 * PIPE_CHUNK_BYTES;
const { EINTR, EMFILE, EAGAIN } = native.ERRNO;
const ENFILE = 23;

/** -errno of a failed operation of the file system. */
function failure(work: () => number): number {
  try {
    return work();
  } catch (caught) {
    if (caught instanceof FileError) return -Math.abs(caught.errno);
    throw caught;
  }
}

/** The server's umask would take from log_file_mode what it gives to the group. */
function openWithMode(path: string, mode: number, truncate: boolean): number {
  const umask = process.umask(0o777 & ~mode);
  try {
    return failure(() => openAppend(path, mode, truncate));
  } finally {
    process.umask(umask);
  }
}

const filePort: LogFilePort = {
  open: openWithMode,
  size: (fd) => failure(() => statFile(`/proc/self/fd/${fd}`).size),
  write: (fd, bytes) => native.writeBytes(fd, bytes, 0, bytes.length),
  close: closeFile,
  makeDirectory: (path) => {
    // There already, or the open that follows says what is wrong.
    failure(() => {
      makeDirectory(path);
      return 0;
    });
  },
  replace: (path, text) =>
    failure(() => {
      const temporary = `${path}.tmp`;
      writeFile(temporary, text);
      renameFile(temporary, path);
      return 0;
    }),
  remove: (path) => void failure(() => Number(removeFileIfExists(path))),
  isTransient: (errno) => errno === -EMFILE || errno === -ENFILE,
  message: osError,
};

function ignoreSignals(): void {
  const { WORD, IGNORE } = native.SIG_ACTION;
  for (const signal of [SIGNAL.INT, SIGNAL.TERM, SIGNAL.QUIT, SIGNAL.ALRM, SIGNAL.PIPE, SIGNAL.USR2]) {
    native.signalAction(signal, IGNORE);
  }
  native.signalAction(SIGNAL.HUP, WORD);
  native.signalAction(SIGNAL.USR1, WORD);
  native.signalMask('set', []);
}

/** No write end may stay open here, or the pipe would never end; no memory of the segment may be held over a crash. */
function leaveTheOthers(launch: LaunchRecord): void {
  if (logContext.redirected) native.dup2(ORIGINAL_STDERR, 2);
  native.dup2(2, 1);
  logContext.redirected = false;
  const theirs = [
    launch.logPipeWrite,
    ORIGINAL_STDERR,
    launch.deathPipe,
    launch.interlockFd,
    launch.statsSocket,
    launch.segmentFd,
  ];
  for (const fd of theirs) if (fd > 2) native.closeFd(fd);
  if (segmentId >= 0) native.unmapShared(segmentId);
  initWaiting(-1);
}

const now = (): number => Math.floor(native.realtimeUs() / 1e6);

export function main(launch: LaunchRecord): never {
  leaveTheOthers(launch);
  ignoreSignals();
  const files = new LogFiles(filePort, settings, {
    log: (message) => report('LOG', { message }),
    stderr: writeStderr,
  });
  const write = (destination: LogDestination, bytes: Uint8Array): void => files.write(destination, bytes);
  setLoggerSink(write);
  followLogTimeZone(settings.log_timezone);
  files.start(unixSeconds(launch.postmasterStartTime), now());
  const chunks = new ChunkReassembler(write);
  const buffer = new Uint8Array(READ_BYTES);
  for (;;) {
    clearInterruptPending();
    if (takeSignal(SIGNAL.HUP)) {
      processConfigFile('sighup');
      files.settingsChanged(now());
    }
    if (takeSignal(SIGNAL.USR1)) files.requestRotation();
    followLogTimeZone(settings.log_timezone);
    const timeoutMs = files.tick(now());
    const ready = waitLatchOrSocket(
      launch.logPipeRead,
      WL.SOCKET_READABLE,
      { timeoutMs, postmasterDeath: 'report' },
      WAIT_EVENT.SysLoggerMain,
    );
    if ((ready & WL.SOCKET_READABLE) === 0) continue;
    const count = native.readBytes(launch.logPipeRead, buffer, 0, buffer.length);
    if (count > 0) chunks.feed(buffer.subarray(0, count));
    else if (count === 0) break;
    else if (count !== -EINTR && count !== -EAGAIN) {
      report('LOG', { message: `could not read from logger pipe: ${osError(count)}` });
    }
  }
  chunks.flush();
  report('DEBUG1', { message: 'logger shutting down' });
  files.close();
  return exitProcess(0);
}
