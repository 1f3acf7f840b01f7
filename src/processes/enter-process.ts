/** enter-process.ts — how every process with shared memory begins, and what their loops have in common.
 *
 *  PGPROC, backend id, activity entry and ProcSignal slot first, then the child is ACTIVE in the postmaster's eyes: if it
 *  dies without giving these back, that is a crash.
 *  Counterpart: AuxiliaryProcessMain() of src/backend/postmaster/auxprocess.c, interrupt.c */
import { currentTimestamp, monotonicMs } from '#platform/clock.ts';
import { native, SIGNAL } from '#platform/native.ts';
import { initPsDisplay } from '#runtime/activity/ps-title.ts';
import { PgError, report, reportHooks, toPgError } from '#runtime/error/report.ts';
import { beforeShmemExit, exitProcess, onShmemExit } from '#runtime/exit-callbacks.ts';
import { processConfigFile } from '#runtime/guc/guc-file.ts';
import { resetInterruptHoldoffs, setInterruptHandler, takeSignal, clearInterruptPending } from '#runtime/interrupts.ts';
import { myProcess } from '#runtime/my-process.ts';
import { createAuxiliaryResourceOwner, releaseAuxiliaryResources } from '#runtime/resource-owner.ts';
import { serverFacts } from '#runtime/server-facts.ts';
import { initializeTimeouts, registerTimeout, TIMEOUT } from '#runtime/timeouts.ts';
import { extensionHooks } from '#bgworker/hooks.ts';
import { conditionVariableCancelSleep } from '#shm/condition-variable.ts';
import { lwLockReleaseAll } from '#shm/lwlock.ts';
import { initAuxiliaryProcess, initProcess } from '#shm/proc.ts';
import { resetLatch } from '#shm/latch.ts';
import { waitLatch } from '#shm/wait-event-set.ts';
import { AUXILIARY_SLOT, type AuxiliaryKind, takeAuxiliaryId, takeBackendId } from '#storage/ipc/backend-ids.ts';
import { markChildActive } from '#storage/ipc/pm-signal.ts';
import { processProcSignalBarrier, procSignalInit, takeProcSignal } from '#storage/ipc/proc-signal.ts';
import '#processes/sync-forwarding.ts';
import { LOCK_METHOD } from '#storage/lmgr/lock-modes.ts';
import { lockReleaseAll } from '#storage/lmgr/lock-release.ts';
import { joinProcArray } from '#transam/proc-array.ts';
import { abortOutOfAnyTransaction } from '#transam/xact.ts';
import { backendStatusInit } from '#stats/backend-status.ts';
import { memoryUsageText } from '#runtime/memory-usage.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';

/** A spawned process did not inherit what extensions know of their memory. Their hooks take locks, so they run when the
 *  process has a PGPROC to wait with. */
function attachExtensions(): void {
  if (serverFacts.isForked) return;
  for (const startup of extensionHooks.shmemStartup) startup();
}

/** Joins shared memory as an auxiliary process. */
export function enterAuxiliary(kind: AuxiliaryKind): void {
  initAuxiliaryProcess(AUXILIARY_SLOT[kind]);
  takeAuxiliaryId(kind);
  backendStatusInit();
  procSignalInit();
  createAuxiliaryResourceOwner();
  // While it still can use shared memory: pins and files that an exit in the middle of work left.
  onShmemExit((code) => releaseAuxiliaryResources(code === 0));
  attachExtensions();
  initPsDisplay(myProcess.backendType);
}

/** Joins shared memory as a process with a session (or the launcher, which is counted with the autovacuum workers). */
export function enterWithSession(processClass: 'client' | 'autovacuum' | 'bgworker'): void {
  markChildActive();
  if (processClass !== 'client') prepareForLocks();
  initProcess(processClass);
  takeBackendId();
  joinProcArray();
  procSignalInit();
  attachExtensions();
}

/** What a client's session arranges in tcop/startup.ts: timers, so that a wait for a lock can look for deadlocks and end
 *  by lock_timeout; and that nothing locked stays behind. */
function prepareForLocks(): void {
  initializeTimeouts({ now: monotonicMs, setAlarm: (milliseconds) => void native.setAlarm(milliseconds) });
  registerTimeout(TIMEOUT.lock, () => void native.kill(myProcess.pid, SIGNAL.INT));
  beforeShmemExit(() => {
    abortOutOfAnyTransaction();
    lockReleaseAll(LOCK_METHOD.user, true);
  });
}

/** Signals that an auxiliary process does not want. */
export function ignoreSignals(...signals: readonly number[]): void {
  for (const signal of signals) {
    native.signalAction(signal, native.SIG_ACTION.IGNORE);
    takeSignal(signal);
  }
}

export function reloadConfigurationHere(): void {
  processConfigFile('sighup');
  serverFacts.configLoadTime = currentTimestamp();
}

/** Parts of every loop: barriers, reload, memory report. True when SIGHUP was there. */
export function handleCommonInterrupts(): boolean {
  clearInterruptPending();
  if (takeSignal(SIGNAL.USR1)) {
    processProcSignalBarrier();
    if (takeProcSignal('logMemoryContext'))
      report('LOG_SERVER_ONLY', { message: memoryUsageText(), hideStatement: true });
  }
  if (!takeSignal(SIGNAL.HUP)) return false;
  reloadConfigurationHere();
  return true;
}
/** The usual loop top: exits 0 on SIGTERM. */
export function handleMainLoopInterrupts(): void {
  handleCommonInterrupts();
  if (takeSignal(SIGNAL.TERM)) exitProcess(0);
}

/** checkForInterrupts() inside an auxiliary process's work: barriers only; the rest waits for the loop top. */
export function installAuxiliaryInterrupts(): void {
  setInterruptHandler(() => {
    clearInterruptPending();
    processProcSignalBarrier();
  });
}

const ERROR_PAUSE_MS = 1000;

/** Runs one round of work for ever. An ERROR is logged, everything the process held is given back, and after a second
 *  it goes on: a writer that cannot write today must not stop trying. */
export function loopForever(round: () => void): never {
  installAuxiliaryInterrupts();
  for (;;) {
    try {
      for (;;) round();
    } catch (caught) {
      const error = toPgError(caught);
      if (!(caught instanceof PgError) && process.env['INVARIANTS'] === '1') throw caught;
      reportHooks.emit('ERROR', error.fields);
      resetInterruptHoldoffs();
      lwLockReleaseAll();
      conditionVariableCancelSleep();
      releaseAuxiliaryResources(false);
      resetInterruptHoldoffs();
      pause(ERROR_PAUSE_MS);
    }
  }
}

/** A pause after an error: longer signals wait, the postmaster's death does not. */
function pause(ms: number): void {
  const until = monotonicMs() + ms;
  for (let left = ms; left > 0; left = until - monotonicMs()) {
    waitLatch({ timeoutMs: left }, WAIT_EVENT.PgSleep);
    resetLatch();
  }
}
