/** child-entry.ts — the first code of every child, forked or spawned.
 *
 *  A forked child forgets what was its parent's; a spawned one attaches what fork would have given it. After that both
 *  are the same, and the kind's main takes over and never returns.
 *  Counterpart: InitPostmasterChild() of src/backend/utils/init/miscinit.c, SubPostmasterMain() of postmaster.c */
import { native, SIGNAL } from '#platform/native.ts';
import { changeDirectory } from '#platform/file-system.ts';
import { resetWaitEventStorage } from '#runtime/activity/wait-report.ts';
import { initPsDisplay } from '#runtime/activity/ps-title.ts';
import { logContext } from '#runtime/error/log-context.ts';
import { installLogSink } from '#runtime/error/sinks.ts';
import { report, reportHooks, toPgError } from '#runtime/error/report.ts';
import { exitProcess, resetExitCallbacks } from '#runtime/exit-callbacks.ts';
import { initializeGucOptions } from '#runtime/guc/guc-file.ts';
import { restoreGuc } from '#runtime/guc/guc-serialize.ts';
import { gucEnvironment } from '#runtime/guc/hooks.ts';
import { resetInterruptHoldoffs, useSignalWords } from '#runtime/interrupts.ts';
import type { LaunchRecord } from '#runtime/launch-record.ts';
import { becomeProcess, myProcess } from '#runtime/my-process.ts';
import { serverFacts } from '#runtime/server-facts.ts';
import { reseedRandom } from '#adt/random.ts';
import { loadSharedPreloadLibraries } from '#bgworker/load-library.ts';
import { armPostmasterDeathSignal } from '#shm/blocked-exit.ts';
import { forgetLatch } from '#shm/latch.ts';
import { forgetHeldLWLocks } from '#shm/lwlock.ts';
import { mapSegment } from '#shm/memory.ts';
import { initWaiting } from '#shm/wait-event-set.ts';
import { installExtensionApi } from '#processes/extension-api.ts';
import { EnterEventLoop } from '#processes/async-worker.ts';
import { announceReady } from '#storage/ipc/pm-signal.ts';
import { readSpawnedLaunch } from '#postmaster/launch-encoding.ts';
import { PROCESS_KINDS, type ProcessKindName } from '#postmaster/process-kinds.ts';
import { sizeProcessTables } from '#postmaster/shared-memory.ts';
import { SHMEM_SUBSYSTEMS } from '#postmaster/shmem-subsystems.ts';

/** Forked: called in the child by launch.ts. */
export function childEntry(record: LaunchRecord): never {
  resetExitCallbacks();
  resetInterruptHoldoffs();
  forgetLatch();
  forgetHeldLWLocks();
  resetWaitEventStorage();
  return becomeChild(record);
}

/** Spawned: `node … postgres.cjs --forkchild <kind>`. */
export function spawnedChildMain(): never {
  const { record, configLoadTime, guc } = readSpawnedLaunch();
  changeDirectory(record.dataDirectory);
  reportHooks.exitProcess = exitProcess;
  reportHooks.abortProcess = native.abortNow;
  useSignalWords(new Int32Array(native.signalWords()));
  native.titleInit();
  initializeGucOptions();
  restoreGuc(guc);
  serverFacts.configLoadTime = configLoadTime;
  serverFacts.statsSocket = record.statsSocket;
  serverFacts.logPipeWrite = record.logPipeWrite;
  serverFacts.interlockFd = record.interlockFd;
  logContext.redirected = record.logPipeWrite >= 0 && record.kind !== 'logger';
  installLogSink();
  myProcess.dataDirectory = record.dataDirectory;
  myProcess.isUnderPostmaster = true;
  myProcess.postmasterPid = record.postmasterPid;
  gucEnvironment.isUnderPostmaster = true;
  installExtensionApi();
  if (PROCESS_KINDS[record.kind as ProcessKindName].attachesShmem) {
    mapSegment(record.segmentFd, record.segmentSize);
    loadSharedPreloadLibraries();
    sizeProcessTables();
    for (const subsystem of SHMEM_SUBSYSTEMS) subsystem.init();
  }
  return becomeChild(record);
}

function becomeChild(record: LaunchRecord): never {
  const kind = record.kind as ProcessKindName;
  const row = PROCESS_KINDS[kind];
  try {
    becomeProcess(kind, row.backendType);
    myProcess.isUnderPostmaster = true;
    myProcess.postmasterPid = record.postmasterPid;
    myProcess.childSlot = record.childSlot;
    myProcess.cancelKey = record.cancelKey;
    gucEnvironment.isUnderPostmaster = true;
    serverFacts.postmasterStartTime = record.postmasterStartTime;
    serverFacts.deathPipe = record.deathPipe;
    native.setsid();
    initWaiting(record.deathPipe);
    startWithQuietSignals();
    if (record.readyIndex >= 0) announceReady(record.readyIndex);
    if (kind !== 'logger') armPostmasterDeathSignal();
    // Between the fork and the line above the postmaster may have gone without a signal.
    if (native.getppid() !== record.postmasterPid) native.exitNow(1);
    reseedRandom();
    initPsDisplay(row.backendType);
    row.load().main(record);
  } catch (caught) {
    if (caught instanceof EnterEventLoop) throw caught;
    // Whatever a process did not catch itself ends it, with the exit code of a FATAL error.
    const error = toPgError(caught);
    report('FATAL', { ...error.fields, code: error.code });
  }
  return native.exitNow(1);
}

/** Signals that a child inherits handlers for must not do the postmaster's work; SIGQUIT ends it from the first moment. */
function startWithQuietSignals(): void {
  const { WORD, IGNORE, WAKE, DEFAULT, EXIT2 } = native.SIG_ACTION;
  native.signalAction(SIGNAL.QUIT, EXIT2);
  native.signalAction(SIGNAL.CHLD, DEFAULT);
  native.signalAction(SIGNAL.URG, WAKE);
  native.signalAction(SIGNAL.PIPE, IGNORE);
  for (const signal of [SIGNAL.HUP, SIGNAL.INT, SIGNAL.TERM, SIGNAL.USR1, SIGNAL.USR2, SIGNAL.ALRM])
    native.signalAction(signal, WORD);
  native.signalMask('set', []);
}
