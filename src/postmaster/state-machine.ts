/** state-machine.ts — from start to shutdown: PostgreSQL's postmaster states and what moves between them.
 *
 *  `advance()` is called after everything that could matter: a signal, a child's end, a request. It looks only at what is
 *  true now, so calling it once too often is harmless.
 *  Counterpart: PostmasterStateMachine(), process_pm_shutdown_request(), HandleChildCrash() of postmaster.c */
import { SIGNAL } from '#platform/native.ts';
import { monotonicMs } from '#platform/clock.ts';
import { exitProcess, runShmemExit } from '#runtime/exit-callbacks.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { removePgTempFiles } from '#storage/file/temp-files.ts';
import { setQuitReason } from '#storage/ipc/pm-signal.ts';
import { forgetUnstartedWorkers, resetWorkerCrashTimes } from '#postmaster/background-workers.ts';
import { countBackends, dismissSpares, signalBackends, signalSingle, startSingle } from '#postmaster/children.ts';
import { setPidFileStatus } from '#postmaster/lock-files.ts';
import { PM, pm, type PmState, SHUTDOWN, type ShutdownMode } from '#postmaster/pm-state.ts';
import type { SingleKind } from '#postmaster/process-kinds.ts';
import { recreateSharedMemory } from '#postmaster/shared-memory.ts';

/** In the order in which the postmaster signals them. */
const QUIT_ORDER: readonly SingleKind[] = [
  'startup',
  'background-writer',
  'checkpointer',
  'wal-writer',
  'wal-summarizer',
  'autovacuum-launcher',
  'archiver',
];

export function setState(next: PmState): void {
  pm.state = next;
  // Whoever was accepted only to be refused, and has not even asked yet, must not hold the end up (as 18 does).
  if (next === PM.WAIT_DEAD_END) signalBackends(SIGNAL.TERM, ['deadEnd']);
}

/** The startup process is done: connections may come. */
export function enterRun(): void {
  pm.startupStatus = 'notRunning';
  pm.fatalError = false;
  pm.abortStartMs = 0;
  pm.reachedNormalRunning = true;
  pm.connsAllowed = true;
  pm.startWorkerNeeded = true;
  setState(PM.RUN);
  report('LOG', { message: 'database system is ready to accept connections' });
  setPidFileStatus('ready');
}

export function requestShutdown(mode: ShutdownMode): void {
  if (mode <= pm.shutdown) return;
  pm.shutdown = mode;
  if (mode === SHUTDOWN.IMMEDIATE) {
    report('LOG', { message: 'received immediate shutdown request' });
    setPidFileStatus('stopping');
    setQuitReason('stop');
    quitChildren(false);
    setState(PM.WAIT_BACKENDS);
    pm.abortStartMs = monotonicMs();
    advance();
    return;
  }
  report('LOG', { message: `received ${mode === SHUTDOWN.SMART ? 'smart' : 'fast'} shutdown request` });
  setPidFileStatus('stopping');
  const serving = pm.state === PM.RUN || pm.state === PM.HOT_STANDBY;
  if (mode === SHUTDOWN.SMART && serving) pm.connsAllowed = false;
  else if (pm.state === PM.STARTUP || pm.state === PM.RECOVERY) setState(PM.STOP_BACKENDS);
  else if (serving) {
    report('LOG', { message: 'aborting any active transactions' });
    setState(PM.STOP_BACKENDS);
  }
  advance();
}

function quitChildren(withDeadEnd: boolean): void {
  signalBackends(
    SIGNAL.QUIT,
    withDeadEnd ? ['normal', 'autovacuum', 'bgworker', 'deadEnd'] : ['normal', 'autovacuum', 'bgworker'],
  );
  for (const kind of QUIT_ORDER) {
    if (kind === 'startup' && pm.single.startup !== 0) pm.startupStatus = 'signaled';
    signalSingle(kind, SIGNAL.QUIT);
  }
  signalSingle('stats-collector', SIGNAL.QUIT);
}

/** A child ended in a way that says nothing good about shared memory. Only the first one of a crash is reacted to. */
export function handleChildCrash(): void {
  if (!pm.fatalError && pm.shutdown !== SHUTDOWN.IMMEDIATE) {
    report('LOG', { message: 'terminating any other active server processes' });
    setQuitReason('crash');
    quitChildren(true);
  }
  if (pm.shutdown !== SHUTDOWN.IMMEDIATE) pm.fatalError = true;
  const leaves: readonly PmState[] = [PM.RECOVERY, PM.HOT_STANDBY, PM.RUN, PM.STOP_BACKENDS, PM.SHUTDOWN];
  if (leaves.includes(pm.state)) setState(PM.WAIT_BACKENDS);
  if (pm.abortStartMs === 0) pm.abortStartMs = monotonicMs();
}

const gone = (...kinds: SingleKind[]): boolean => kinds.every((kind) => pm.single[kind] === 0);

function stopBackends(): void {
  forgetUnstartedWorkers();
  dismissSpares();
  signalBackends(SIGNAL.TERM, ['normal', 'autovacuum', 'bgworker']);
  signalSingle('autovacuum-launcher', SIGNAL.TERM);
  signalSingle('background-writer', SIGNAL.TERM);
  signalSingle('wal-writer', SIGNAL.TERM);
  signalSingle('wal-summarizer', SIGNAL.TERM);
  signalSingle('startup', SIGNAL.TERM);
  // While a crash is being recovered from there will be no shutdown checkpoint, and nobody else would end this one.
  if (pm.fatalError) signalSingle('checkpointer', SIGNAL.QUIT);
  setState(PM.WAIT_BACKENDS);
}

function backendsAreGone(): boolean {
  if (countBackends(['normal', 'autovacuum', 'bgworker']) > 0 || liveSpares() > 0) return false;
  if (!gone('startup', 'background-writer', 'wal-writer', 'wal-summarizer', 'autovacuum-launcher')) return false;
  // In an orderly shutdown the checkpointer still has its work to do; after a crash it must be gone, too.
  return pm.single.checkpointer === 0 || (!pm.fatalError && pm.shutdown < SHUTDOWN.IMMEDIATE);
}
function liveSpares(): number {
  let count = 0;
  for (const backend of pm.backends.values()) if (backend.spareChannel >= 0) count++;
  return count;
}

function beginShutdownCheckpoint(): void {
  if (pm.single.checkpointer === 0) startSingle('checkpointer');
  if (pm.single.checkpointer !== 0) {
    signalSingle('checkpointer', SIGNAL.USR2);
    setState(PM.SHUTDOWN);
    return;
  }
  // No checkpointer can be had: this is an abnormal end, and everybody else must go as well.
  pm.fatalError = true;
  setState(PM.WAIT_DEAD_END);
  quitChildren(true);
}

export function advance(): void {
  if ((pm.state === PM.RUN || pm.state === PM.HOT_STANDBY) && !pm.connsAllowed) {
    // Smart shutdown: the last client has left.
    if (countBackends(['normal']) === 0) setState(PM.STOP_BACKENDS);
  }
  if (pm.state === PM.STOP_BACKENDS) stopBackends();
  if (pm.state === PM.WAIT_BACKENDS && backendsAreGone()) {
    if (pm.shutdown >= SHUTDOWN.IMMEDIATE || pm.fatalError) setState(PM.WAIT_DEAD_END);
    else beginShutdownCheckpoint();
  }
  if (
    pm.state === PM.SHUTDOWN_2 &&
    pm.single.archiver === 0 &&
    countBackends(['normal', 'autovacuum', 'bgworker']) === 0
  ) {
    signalSingle('stats-collector', SIGNAL.QUIT);
    setState(PM.WAIT_DEAD_END);
  }
  if (pm.state === PM.WAIT_DEAD_END && pm.backends.size === 0 && gone('archiver', 'stats-collector', ...QUIT_ORDER))
    setState(PM.NO_CHILDREN);
  if (pm.state === PM.NO_CHILDREN) noChildren();
}

/** The checkpointer ended well in PM_SHUTDOWN: nothing more will be written. */
export function shutdownCheckpointDone(): void {
  signalSingle('archiver', SIGNAL.USR2);
  signalBackends(SIGNAL.USR2, ['normal', 'autovacuum', 'bgworker']);
  setState(PM.SHUTDOWN_2);
}

function noChildren(): void {
  if (pm.shutdown > SHUTDOWN.NO) {
    if (pm.fatalError) {
      report('LOG', { message: 'abnormal database system shutdown' });
      exitProcess(1);
    }
    exitProcess(0);
  }
  if (pm.startupStatus === 'crashed') {
    report('LOG', { message: 'shutting down due to startup process failure' });
    exitProcess(1);
  }
  if (!settings.restart_after_crash) {
    report('LOG', { message: 'shutting down because restart_after_crash is off' });
    exitProcess(1);
  }
  if (pm.fatalError) reinitialize();
}

function reinitialize(): void {
  report('LOG', { message: 'all server processes terminated; reinitializing' });
  if (settings.remove_temp_files_after_crash) removePgTempFiles();
  resetWorkerCrashTimes();
  pm.lastStartMs = {};
  runShmemExit(1);
  recreateSharedMemory();
  startSingle('startup');
  pm.startupStatus = 'running';
  setState(PM.STARTUP);
  pm.abortStartMs = 0;
}
