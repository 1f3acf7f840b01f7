/** server-loop.ts — where the postmaster spends its life: wait, look at signals, accept, keep everybody running.
 *
 *  Signal handlers (native-shm) only set words; all work is done here, one thing at a time, so no state is ever seen
 *  half-changed.
 *  Counterpart: ServerLoop() of src/backend/postmaster/postmaster.c (16's shape, 15's rules) */
import { native, SIGNAL } from '#platform/native.ts';
import { exists, removeFileIfExists } from '#platform/file-system.ts';
import { monotonicMs } from '#platform/clock.ts';
import { clearInterruptPending, takeSignal } from '#runtime/interrupts.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { waitSockets } from '#shm/wait-event-set.ts';
import { checkPostmasterSignal } from '#storage/ipc/pm-signal.ts';
import { maybeStartWorkers, nextRestartMs, workerStateChange } from '#postmaster/background-workers.ts';
import {
  maintainSpares,
  releaseWaitingSignals,
  signalBackends,
  signalEverybody,
  signalSingle,
  startAutovacuumWorker,
  startBackend,
  startSingle,
} from '#postmaster/children.ts';
import { touchSockets } from '#postmaster/listen.ts';
import { pidFileIsMine, setPidFileStatus, touchSocketLockFiles } from '#postmaster/lock-files.ts';
import { PM, pm, SHUTDOWN } from '#postmaster/pm-state.ts';
import type { SingleKind } from '#postmaster/process-kinds.ts';
import { compactGrownHeap } from '#postmaster/preload.ts';
import { reapChildren } from '#postmaster/reaper.ts';
import { reloadConfiguration } from '#postmaster/reload.ts';
import { advance, requestShutdown, setState } from '#postmaster/state-machine.ts';

const SIGKILL_CHILDREN_AFTER_MS = 5000;
const DEAD_END_PAUSE_MS = 10;
const LOCK_FILE_CHECK_MS = 60_000;
const TOUCH_MS = 58 * 60_000;
/** An archiver or stats collector that keeps failing is not restarted at once. */
const ARCHIVER_RESTART_MS = 10_000;
const COLLECTOR_RESTART_MS = 1000;

let lastLockCheckMs = 0;
let lastTouchMs = 0;

function sleepMs(): number {
  if (pm.startWorkerNeeded) return 0;
  let ms = LOCK_FILE_CHECK_MS;
  if (pm.state === PM.RUN && pm.single['stats-collector'] === 0) ms = COLLECTOR_RESTART_MS;
  if (pm.abortStartMs !== 0) ms = Math.min(ms, pm.abortStartMs + SIGKILL_CHILDREN_AFTER_MS - monotonicMs());
  const restart = nextRestartMs();
  if (restart !== undefined) ms = Math.min(ms, restart);
  return Math.max(0, ms);
}

const listening: number[] = [];

export function serverLoop(): never {
  lastLockCheckMs = monotonicMs();
  lastTouchMs = lastLockCheckMs;
  for (;;) {
    if (pm.state === PM.WAIT_DEAD_END) {
      // Whoever connects now would only be one more to wait for: the queue of the socket keeps them until the restart.
      listening.length = 0;
      Atomics.wait(pause, 0, 0, DEAD_END_PAUSE_MS);
    } else waitSockets(sleepMs(), listening);
    clearInterruptPending();
    handleSignals();
    for (const fd of listening) if (pm.listenSockets.includes(fd)) acceptAll(fd);
    keepEverybodyRunning();
    escalate();
    housekeeping();
  }
}

const pause = new Int32Array(new SharedArrayBuffer(4));
/** A burst of connections is served in one wake-up, but signals are not kept waiting for ever. */
const MAX_ACCEPTS = 64;
function acceptAll(listen: number): void {
  for (let n = 0; n < MAX_ACCEPTS; n++) {
    const socket = native.accept(listen);
    if (socket === -native.ERRNO.EAGAIN || socket === -native.ERRNO.EINTR) return;
    if (socket < 0) {
      report('LOG', { message: `could not accept new connection: ${native.errorMessage(-socket)}` });
      // Out of descriptors: the connection stays queued; without a pause this would spin.
      Atomics.wait(pause, 0, 0, 100);
      return;
    }
    startBackend(socket);
  }
}

function handleSignals(): void {
  if (takeSignal(SIGNAL.QUIT)) requestShutdown(SHUTDOWN.IMMEDIATE);
  if (takeSignal(SIGNAL.INT)) requestShutdown(SHUTDOWN.FAST);
  if (takeSignal(SIGNAL.TERM)) requestShutdown(SHUTDOWN.SMART);
  if (takeSignal(SIGNAL.HUP) && pm.shutdown <= SHUTDOWN.SMART) {
    report('LOG', { message: 'received SIGHUP, reloading configuration files' });
    reloadConfiguration();
    signalBackends(SIGNAL.HUP, ['normal', 'autovacuum', 'bgworker', 'deadEnd']);
    for (const kind of Object.keys(pm.single) as SingleKind[]) signalSingle(kind, SIGNAL.HUP);
  }
  if (takeSignal(SIGNAL.USR1)) handlePostmasterSignals();
  if (takeSignal(SIGNAL.CHLD)) reapChildren();
}

function handlePostmasterSignals(): void {
  if (pm.unready.size > 0) releaseWaitingSignals();
  if (checkPostmasterSignal('recoveryStarted') && pm.state === PM.STARTUP && pm.shutdown === SHUTDOWN.NO) {
    pm.fatalError = false;
    pm.abortStartMs = 0;
    if (settings.archive_mode === 'always') startSingle('archiver');
    if (!settings.hot_standby) setPidFileStatus('standby');
    setState(PM.RECOVERY);
  }
  if (checkPostmasterSignal('beginHotStandby') && pm.state === PM.RECOVERY && pm.shutdown === SHUTDOWN.NO) {
    report('LOG', { message: 'database system is ready to accept read-only connections' });
    setPidFileStatus('ready');
    setState(PM.HOT_STANDBY);
    pm.connsAllowed = true;
    pm.startWorkerNeeded = true;
  }
  if (checkPostmasterSignal('backgroundWorkerChange')) {
    workerStateChange(pm.state < PM.STOP_BACKENDS);
    pm.startWorkerNeeded = true;
  }
  if (pm.single.logger !== 0 && (checkPostmasterSignal('rotateLogfile') || exists('logrotate'))) {
    removeFileIfExists('logrotate');
    signalSingle('logger', SIGNAL.USR1);
  }
  const mayAutovacuum = pm.shutdown <= SHUTDOWN.SMART && pm.state < PM.STOP_BACKENDS;
  if (checkPostmasterSignal('startAutovacLauncher') && mayAutovacuum) pm.startAutovacLauncher = true;
  if (checkPostmasterSignal('startAutovacWorker') && mayAutovacuum) pm.startAutovacWorker = true;
  if (checkPostmasterSignal('advanceStateMachine')) advance();
  const recovering = pm.state === PM.STARTUP || pm.state === PM.RECOVERY || pm.state === PM.HOT_STANDBY;
  if (recovering && pm.single.startup !== 0 && exists('promote')) signalSingle('startup', SIGNAL.USR2);
}

function notStartedWithin(kind: SingleKind, ms: number): boolean {
  const last = pm.lastStartMs[kind];
  return last === undefined || monotonicMs() - last >= ms;
}

function keepEverybodyRunning(): void {
  if (pm.single.logger === 0 && settings.logging_collector) startSingle('logger');
  const serving = pm.state === PM.RUN;
  if (serving || pm.state === PM.STARTUP || pm.state === PM.RECOVERY || pm.state === PM.HOT_STANDBY) {
    startSingle('checkpointer');
    startSingle('background-writer');
  }
  if (serving) {
    startSingle('wal-writer');
    if (pm.single['autovacuum-launcher'] === 0 && (settings.autovacuum || pm.startAutovacLauncher)) {
      if (startSingle('autovacuum-launcher')) pm.startAutovacLauncher = false;
    }
    if (pm.single['stats-collector'] === 0 && notStartedWithin('stats-collector', COLLECTOR_RESTART_MS))
      startSingle('stats-collector');
  }
  if ((serving || pm.state === PM.HOT_STANDBY) && settings.summarize_wal) startSingle('wal-summarizer');
  const archives =
    (serving && settings.archive_mode !== 'off') ||
    ((pm.state === PM.RECOVERY || pm.state === PM.HOT_STANDBY) && settings.archive_mode === 'always');
  if (pm.single.archiver === 0 && archives && notStartedWithin('archiver', ARCHIVER_RESTART_MS))
    startSingle('archiver');
  if (pm.autovacLauncherSignal) {
    pm.autovacLauncherSignal = false;
    signalSingle('autovacuum-launcher', SIGNAL.USR2);
  }
  if (pm.startAutovacWorker) {
    pm.startAutovacWorker = false;
    startAutovacuumWorker();
  }
  if (pm.startWorkerNeeded || pm.haveCrashedWorker) maybeStartWorkers();
  if (serving && pm.connsAllowed) maintainSpares();
}

function escalate(): void {
  if (pm.abortStartMs === 0) return;
  if (pm.shutdown < SHUTDOWN.IMMEDIATE && !pm.fatalError) return;
  if (monotonicMs() - pm.abortStartMs < SIGKILL_CHILDREN_AFTER_MS) return;
  report('LOG', { message: 'issuing SIGKILL to recalcitrant children' });
  signalEverybody(SIGNAL.KILL);
  pm.abortStartMs = 0;
}

function housekeeping(): void {
  const now = monotonicMs();
  if (now - lastLockCheckMs >= LOCK_FILE_CHECK_MS) {
    lastLockCheckMs = now;
    compactGrownHeap();
    if (!pidFileIsMine()) {
      report('LOG', { message: 'performing immediate shutdown because data directory lock file is invalid' });
      requestShutdown(SHUTDOWN.IMMEDIATE);
    }
  }
  if (now - lastTouchMs >= TOUCH_MS) {
    lastTouchMs = now;
    touchSockets();
    touchSocketLockFiles();
  }
}
