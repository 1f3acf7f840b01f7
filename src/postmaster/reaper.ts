/** reaper.ts — a child has ended: what that means depends on who it was and how it went.
 *  Counterpart: reaper(), CleanupBackend(), LogChildExit() of src/backend/postmaster/postmaster.c */
import { native, SIGNAL, signalText } from '#platform/native.ts';
import { monotonicMs } from '#platform/clock.ts';
import { exitProcess } from '#runtime/exit-callbacks.ts';
import { report } from '#runtime/error/report.ts';
import type { Level } from '#runtime/error/report.ts';
import { readActivityOfPid } from '#stats/backend-status.ts';
import { releaseChildSlot } from '#storage/ipc/pm-signal.ts';
import { reportWorkerExit, stopNotifying } from '#postmaster/background-workers.ts';
import { signalBackends, startSingle } from '#postmaster/children.ts';
import { type Backend, PM, pm, SHUTDOWN } from '#postmaster/pm-state.ts';
import { PROCESS_KINDS, type SingleKind } from '#postmaster/process-kinds.ts';
import { advance, enterRun, handleChildCrash, setState, shutdownCheckpointDone } from '#postmaster/state-machine.ts';

const reaped = new Int32Array(2);

/** Exit code, or signal. */
interface Ending {
  readonly code: number;
  readonly signal: number;
}
const decode = (status: number): Ending => ({
  code: (status & 0x7f) === 0 ? (status >> 8) & 0xff : -1,
  signal: status & 0x7f,
});

function logExit(level: Level, name: string, pid: number, ending: Ending): void {
  const activity = ending.code === 0 ? '' : readActivityOfPid(pid);
  const detail = activity === '' ? undefined : `Failed process was running: ${activity}`;
  const how =
    ending.signal === 0
      ? `exited with exit code ${ending.code}`
      : `was terminated by signal ${ending.signal}: ${signalText(ending.signal)}`;
  report(level, { message: `${name} (PID ${pid}) ${how}`, detail });
}

export function reapChildren(): void {
  while (native.waitpid(-1, false, reaped) === 1) childEnded(reaped[0]!, decode(reaped[1]!));
  advance();
}

function childEnded(pid: number, ending: Ending): void {
  pm.unready.delete(pid);
  for (const [kind, owner] of Object.entries(pm.single) as [SingleKind, number][]) {
    if (owner !== pid) continue;
    pm.single[kind] = 0;
    singleEnded(kind, pid, ending);
    return;
  }
  const backend = pm.backends.get(pid);
  if (backend === undefined) {
    report('DEBUG2', { message: `untracked child process (PID ${pid}) ended` });
    return;
  }
  pm.backends.delete(pid);
  if (backend.spareChannel >= 0) native.closeFd(backend.spareChannel);
  backendEnded(backend, ending);
}

function crash(name: string, pid: number, ending: Ending): void {
  if (!pm.fatalError && pm.shutdown !== SHUTDOWN.IMMEDIATE) logExit('LOG', name, pid, ending);
  handleChildCrash();
}

function singleEnded(kind: SingleKind, pid: number, ending: Ending): void {
  if (kind === 'wal-receiver') return;
  const row = PROCESS_KINDS[kind];
  if (kind === 'startup') {
    startupEnded(pid, ending);
    return;
  }
  if (kind === 'checkpointer') {
    if (ending.code === 0 && pm.state === PM.SHUTDOWN) shutdownCheckpointDone();
    else crash(row.logName, pid, ending);
    return;
  }
  if (kind === 'logger') {
    // Its loss is nobody's but its own: log output waits in the pipe until the next one reads it.
    startSingle('logger');
    if (ending.code !== 0) logExit('LOG', row.logName, pid, ending);
    return;
  }
  if ((row.cleanExit as readonly number[]).includes(ending.code)) {
    if (ending.code !== 0) logExit('LOG', row.logName, pid, ending);
    return;
  }
  if (row.crash === 'restart') {
    logExit('LOG', row.logName, pid, ending);
    return;
  }
  crash(row.logName, pid, ending);
}

function startupEnded(pid: number, ending: Ending): void {
  const name = PROCESS_KINDS.startup.logName;
  if (pm.shutdown > SHUTDOWN.NO && (ending.code === 0 || ending.code === 1)) {
    pm.startupStatus = 'notRunning';
    setState(PM.WAIT_BACKENDS);
    return;
  }
  if (ending.code === 3) {
    report('LOG', { message: 'shutdown at recovery target' });
    pm.startupStatus = 'notRunning';
    pm.shutdown = Math.max(pm.shutdown, SHUTDOWN.SMART) as typeof pm.shutdown;
    signalBackends(SIGNAL.TERM, ['normal', 'autovacuum', 'bgworker']);
    setState(PM.WAIT_BACKENDS);
    return;
  }
  if (pm.state === PM.STARTUP && pm.startupStatus !== 'signaled' && ending.code !== 0) {
    logExit('LOG', name, pid, ending);
    report('LOG', { message: 'aborting startup due to startup process failure' });
    exitProcess(1);
  }
  if (ending.code !== 0) {
    if (pm.startupStatus === 'signaled') pm.startupStatus = 'notRunning';
    else pm.startupStatus = 'crashed';
    crash(name, pid, ending);
    return;
  }
  enterRun();
}

function backendEnded(backend: Backend, ending: Ending): void {
  const { pid, worker } = backend;
  const name =
    worker === undefined
      ? PROCESS_KINDS[backend.kind].logName
      : `background worker "${worker.worker.type ?? worker.worker.name}"`;
  const clean = ending.code === 0 || ending.code === 1;
  if (backend.bgworkerNotify) stopNotifying(pid);
  const released = backend.slot === 0 || releaseChildSlot(backend.slot);
  if (worker !== undefined) {
    // 0: done for good. 1: failed, comes back after its interval. Anything else took the server down with it.
    if (ending.code === 0) worker.terminate = true;
    else worker.crashedAt = monotonicMs();
    if (!clean || !released) {
      if (!pm.fatalError && pm.shutdown !== SHUTDOWN.IMMEDIATE) logExit('LOG', name, pid, ending);
      worker.pid = 0;
      worker.backend = undefined;
      handleChildCrash();
      return;
    }
    logExit(ending.code === 0 ? 'DEBUG1' : 'LOG', name, pid, ending);
    reportWorkerExit(worker);
    pm.startWorkerNeeded = true;
    return;
  }
  if (!clean || !released) {
    crash(name, pid, ending);
    return;
  }
  report('DEBUG2', { message: `${name} (PID ${pid}) exited with exit code ${ending.code}` });
}
