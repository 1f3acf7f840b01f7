/** registry.ts — registering background workers, while preloading (static) and at run time (dynamic).
 *
 *  R1. A backend fills a free slot, raises its generation, sets inUse last, and signals the postmaster.
 *  R2. The postmaster takes no lock: it looks at inUse, copies, and from then on trusts only its private copy.
 *  R3. Only the postmaster frees a slot: pid = 0, then inUse = 0, then it signals whoever asked to be told.
 *  A handle (slot, generation) of a worker that is gone simply says STOPPED.
 *  Counterpart: src/backend/postmaster/bgworker.c */
import { native, SIGNAL } from '#platform/native.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { myProcess } from '#runtime/my-process.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { mem } from '#shm/memory.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import { resetLatch } from '#shm/latch.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';
import { waitLatch, WL } from '#shm/wait-event-set.ts';
import { BackgroundWorkerArray, BackgroundWorkerSlot, BGW_EXTRALEN, BGW_MAXLEN } from '#bgworker/worker-layout.ts';
import { sendPostmasterSignal } from '#storage/ipc/pm-signal.ts';

export const BGWORKER_SHMEM_ACCESS = 0x0001;
export const BGWORKER_BACKEND_DATABASE_CONNECTION = 0x0002;
export const BGWORKER_CLASS_PARALLEL = 0x0010;
export const BGW_NEVER_RESTART = -1;
export const BGW_DEFAULT_RESTART_INTERVAL = 60;
const BGW_MAX_RESTART_INTERVAL = 86_400;

export const BG_WORKER_START = { postmasterStart: 0, consistentState: 1, recoveryFinished: 2 } as const;
export type BgWorkerStart = keyof typeof BG_WORKER_START;
const START_NAMES: readonly BgWorkerStart[] = ['postmasterStart', 'consistentState', 'recoveryFinished'];

export interface BackgroundWorker {
  /** Shown in ps. At most 95 bytes. */
  readonly name: string;
  /** backend_type in pg_stat_activity; the name if absent. */
  readonly type?: string;
  /** BGWORKER_* flags. */
  readonly flags: number;
  readonly startTime: BgWorkerStart;
  /** Seconds after a crash (exit code 1), or BGW_NEVER_RESTART. */
  readonly restartTime: number;
  /** Module that holds the function, as shared_preload_libraries names it; 'postgres' for built-in workers. */
  readonly libraryName: string;
  readonly functionName: string;
  readonly mainArg?: number;
  /** At most 128 bytes. */
  readonly extra?: Uint8Array;
  /** Process to signal (SIGUSR1) when the worker starts or ends. */
  readonly notifyPid?: number;
  /** main is an async function: the process is spawned, never forked, and keeps Node's event loop. */
  readonly isAsync?: boolean;
}

export interface RegisteredWorker {
  readonly worker: BackgroundWorker;
  /** Index in the shared array, -1 before shared memory exists. */
  slot: number;
  notifyPid: number;
}

/** Workers that shared libraries registered; the postmaster's list starts with these. */
export const staticWorkers: RegisteredWorker[] = [];
let preloading = false;
export function setPreloading(now: boolean): void {
  preloading = now;
}
export const processSharedPreloadLibrariesInProgress = (): boolean => preloading;

/** The same checks for static and dynamic registration; the level differs. */
function saneWorker(worker: BackgroundWorker, level: 'LOG' | 'ERROR'): boolean {
  const refuse = (message: string): boolean => {
    report(level, { code: SQLSTATE.invalidParameterValue, message });
    return false;
  };
  const of = `background worker "${worker.name}"`;
  if ((worker.flags & BGWORKER_SHMEM_ACCESS) === 0)
    return refuse(`${of}: background workers without shared memory access are not supported`);
  if (worker.flags & BGWORKER_BACKEND_DATABASE_CONNECTION && worker.startTime === 'postmasterStart')
    return refuse(`${of}: cannot request database access if starting at postmaster start`);
  if (
    (worker.restartTime < 0 && worker.restartTime !== BGW_NEVER_RESTART) ||
    worker.restartTime > BGW_MAX_RESTART_INTERVAL
  )
    return refuse(`${of}: invalid restart interval`);
  if (worker.flags & BGWORKER_CLASS_PARALLEL && worker.restartTime !== BGW_NEVER_RESTART)
    return refuse(`${of}: parallel workers may not be configured for restart`);
  return true;
}

const clip = (text: string): string =>
  Buffer.from(text)
    .subarray(0, BGW_MAXLEN - 1)
    .toString('utf8');
const normalized = (worker: BackgroundWorker): BackgroundWorker => ({
  ...worker,
  name: clip(worker.name),
  type: clip(worker.type === undefined || worker.type === '' ? worker.name : worker.type),
});

/** In _PG_init of a library of shared_preload_libraries: the worker is there from server start on. */
export function registerBackgroundWorker(worker: BackgroundWorker): void {
  if (myProcess.isUnderPostmaster && worker.libraryName !== 'postgres') {
    // A child that loads the library again (spawn mode) repeats _PG_init; only the postmaster's registration counts.
    if (preloading) return;
    report('LOG', {
      code: SQLSTATE.objectNotInPrerequisiteState,
      message: `background worker "${worker.name}": must be registered in shared_preload_libraries`,
    });
    return;
  }
  if (!preloading && worker.libraryName !== 'postgres') {
    report('LOG', {
      code: SQLSTATE.objectNotInPrerequisiteState,
      message: `background worker "${worker.name}": must be registered in shared_preload_libraries`,
    });
    return;
  }
  if (!saneWorker(worker, 'LOG')) return;
  if ((worker.notifyPid ?? 0) !== 0) {
    report('LOG', {
      code: SQLSTATE.invalidParameterValue,
      message: `background worker "${worker.name}": only dynamic background workers can request notification`,
    });
    return;
  }
  if (staticWorkers.length >= settings.max_worker_processes) {
    const many = settings.max_worker_processes !== 1;
    report('LOG', {
      code: SQLSTATE.configurationLimitExceeded,
      message: 'too many background workers',
      detail: `Up to ${settings.max_worker_processes} background worker${many ? 's' : ''} can be registered with the current settings.`,
      hint: 'Consider increasing the configuration parameter "max_worker_processes".',
    });
    return;
  }
  report('DEBUG1', { message: `registering background worker "${worker.name}"` });
  staticWorkers.push({ worker: normalized(worker), slot: -1, notifyPid: 0 });
}

let arrayAt = -1;
const size = (): number => BackgroundWorkerArray.SIZE + settings.max_worker_processes * BackgroundWorkerSlot.SIZE;
export const slotAt = (slot: number): number => arrayAt + BackgroundWorkerArray.SIZE + slot * BackgroundWorkerSlot.SIZE;
export const slotCount = (): number => BackgroundWorkerArray.totalSlots.get(mem, arrayAt);

export const backgroundWorkerShmem: ShmemSubsystem = {
  name: 'Background Worker Data',
  request: () => requestShmemSpace(size()),
  init() {
    const found = shmemInitStruct('Background Worker Data', size());
    arrayAt = found.at;
    if (found.found) return;
    BackgroundWorkerArray.totalSlots.set(mem, arrayAt, settings.max_worker_processes);
    staticWorkers.forEach((registered, slot) => {
      registered.slot = slot;
      writeSlot(slot, registered.worker, 0);
      BackgroundWorkerSlot.inUse.store(mem, slotAt(slot), 1);
    });
  },
};

function writeSlot(slot: number, worker: BackgroundWorker, notifyPid: number): void {
  const at = slotAt(slot);
  BackgroundWorkerSlot.flags.set(mem, at, worker.flags);
  BackgroundWorkerSlot.startTime.set(mem, at, BG_WORKER_START[worker.startTime]);
  BackgroundWorkerSlot.restartSeconds.set(mem, at, worker.restartTime);
  BackgroundWorkerSlot.notifyPid.set(mem, at, notifyPid);
  BackgroundWorkerSlot.mainArgument.set(mem, at, worker.mainArg ?? 0);
  BackgroundWorkerSlot.name.set(mem, at, worker.name);
  BackgroundWorkerSlot.type.set(mem, at, worker.type ?? worker.name);
  BackgroundWorkerSlot.library.set(mem, at, worker.libraryName);
  BackgroundWorkerSlot.functionName.set(mem, at, worker.functionName);
  BackgroundWorkerSlot.isAsync.set(mem, at, worker.isAsync === true);
  const extraAt = BackgroundWorkerSlot.extra.at(at, 0);
  mem.u8.fill(0, extraAt, extraAt + BGW_EXTRALEN);
  if (worker.extra !== undefined) mem.u8.set(worker.extra.subarray(0, BGW_EXTRALEN), extraAt);
  BackgroundWorkerSlot.terminate.store(mem, at, 0);
  BackgroundWorkerSlot.pid.store(mem, at, -1);
}
/** The worker as its slot describes it. */
export function readSlot(slot: number): BackgroundWorker {
  const at = slotAt(slot);
  const extraAt = BackgroundWorkerSlot.extra.at(at, 0);
  return {
    name: BackgroundWorkerSlot.name.get(mem, at),
    type: BackgroundWorkerSlot.type.get(mem, at),
    flags: BackgroundWorkerSlot.flags.get(mem, at),
    startTime: START_NAMES[BackgroundWorkerSlot.startTime.get(mem, at)] ?? 'recoveryFinished',
    restartTime: BackgroundWorkerSlot.restartSeconds.get(mem, at),
    libraryName: BackgroundWorkerSlot.library.get(mem, at),
    functionName: BackgroundWorkerSlot.functionName.get(mem, at),
    mainArg: BackgroundWorkerSlot.mainArgument.get(mem, at),
    extra: mem.u8.slice(extraAt, extraAt + BGW_EXTRALEN),
    notifyPid: BackgroundWorkerSlot.notifyPid.get(mem, at),
    isAsync: BackgroundWorkerSlot.isAsync.get(mem, at),
  };
}

export interface BackgroundWorkerHandle {
  readonly slot: number;
  readonly generation: number;
}
export type BgwHandleStatus = 'started' | 'notYetStarted' | 'stopped' | 'postmasterDied';

/** From a running process: undefined when no slot is free (max_worker_processes). */
export function registerDynamicBackgroundWorker(worker: BackgroundWorker): BackgroundWorkerHandle | undefined {
  saneWorker(worker, 'ERROR');
  const parallel = (worker.flags & BGWORKER_CLASS_PARALLEL) !== 0;
  const lock = mainLWLock('BackgroundWorker');
  lwLockAcquire(lock, 'exclusive');
  try {
    if (parallel) {
      const registered = BackgroundWorkerArray.parallelRegisterCount.load(mem, arrayAt);
      const ended = BackgroundWorkerArray.parallelTerminateCount.load(mem, arrayAt);
      if (registered - ended >= settings.max_parallel_workers) return undefined;
    }
    for (let slot = 0; slot < slotCount(); slot++) {
      const at = slotAt(slot);
      if (BackgroundWorkerSlot.inUse.load(mem, at) !== 0) continue;
      writeSlot(slot, normalized(worker), worker.notifyPid ?? 0);
      const generation = BackgroundWorkerSlot.generation.add(mem, at, 1) + 1;
      if (parallel) BackgroundWorkerArray.parallelRegisterCount.add(mem, arrayAt, 1);
      BackgroundWorkerSlot.inUse.store(mem, at, 1); // [bgworker R1]
      sendPostmasterSignal('backgroundWorkerChange');
      return { slot, generation };
    }
    return undefined;
  } finally {
    lwLockRelease(lock);
  }
}

export function getBackgroundWorkerPid(handle: BackgroundWorkerHandle): { status: BgwHandleStatus; pid: number } {
  const at = slotAt(handle.slot);
  const lock = mainLWLock('BackgroundWorker');
  lwLockAcquire(lock, 'shared');
  const mine =
    BackgroundWorkerSlot.inUse.load(mem, at) !== 0 &&
    BackgroundWorkerSlot.generation.load(mem, at) === handle.generation;
  const pid = mine ? BackgroundWorkerSlot.pid.load(mem, at) : 0;
  lwLockRelease(lock);
  if (pid === 0) return { status: 'stopped', pid: 0 };
  return pid === -1 ? { status: 'notYetStarted', pid: 0 } : { status: 'started', pid };
}

function waitUntil(
  handle: BackgroundWorkerHandle,
  done: (status: BgwHandleStatus) => boolean,
  waitEvent: number,
): { status: BgwHandleStatus; pid: number } {
  for (;;) {
    checkForInterrupts();
    const now = getBackgroundWorkerPid(handle);
    if (done(now.status)) return now;
    const why = waitLatch({ postmasterDeath: 'report' }, waitEvent);
    if (why & WL.POSTMASTER_DEATH) return { status: 'postmasterDied', pid: 0 };
    resetLatch();
  }
}
/** Requires that the worker was registered with notifyPid = this process. */
export const waitForBackgroundWorkerStartup = (
  handle: BackgroundWorkerHandle,
): { status: BgwHandleStatus; pid: number } =>
  waitUntil(handle, (status) => status !== 'notYetStarted', WAIT_EVENT.BgWorkerStartup);
export const waitForBackgroundWorkerShutdown = (handle: BackgroundWorkerHandle): BgwHandleStatus =>
  waitUntil(handle, (status) => status === 'stopped', WAIT_EVENT.BgWorkerShutdown).status;

/** Asks the postmaster to end the worker (SIGTERM) and to forget it. */
export function terminateBackgroundWorker(handle: BackgroundWorkerHandle): void {
  const at = slotAt(handle.slot);
  const lock = mainLWLock('BackgroundWorker');
  lwLockAcquire(lock, 'exclusive');
  const mine = BackgroundWorkerSlot.generation.load(mem, at) === handle.generation;
  if (mine) BackgroundWorkerSlot.terminate.store(mem, at, 1);
  lwLockRelease(lock);
  if (mine) sendPostmasterSignal('backgroundWorkerChange');
}

/** Type of the worker that runs as `pid`, undefined if none does. */
export function backgroundWorkerTypeByPid(pid: number): string | undefined {
  for (let slot = 0; slot < slotCount(); slot++) {
    const at = slotAt(slot);
    if (BackgroundWorkerSlot.inUse.load(mem, at) !== 0 && BackgroundWorkerSlot.pid.load(mem, at) === pid)
      return BackgroundWorkerSlot.type.get(mem, at);
  }
  return undefined;
}

/** Postmaster: tells the registrant that something about its worker changed. */
export function notifyRegistrant(pid: number): void {
  if (pid !== 0) native.kill(pid, SIGNAL.USR1);
}
/** Postmaster: forgets the worker of a slot. [bgworker R3] */
export function freeSlot(slot: number, notifyPid: number, parallel: boolean): void {
  const at = slotAt(slot);
  BackgroundWorkerSlot.pid.store(mem, at, 0);
  if (parallel) BackgroundWorkerArray.parallelTerminateCount.add(mem, arrayAt, 1);
  BackgroundWorkerSlot.inUse.store(mem, at, 0);
  notifyRegistrant(notifyPid);
}
