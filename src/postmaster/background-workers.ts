/** background-workers.ts — the postmaster's side of background workers: its private list, when to start and restart,
 *  when to forget.
 *
 *  It reads the shared slots without a lock and trusts only what it copied. [bgworker R2]
 *  Counterpart: BackgroundWorkerStateChange() of bgworker.c, maybe_start_bgworkers() of postmaster.c */
import { SIGNAL } from '#platform/native.ts';
import { monotonicMs } from '#platform/clock.ts';
import { report } from '#runtime/error/report.ts';
import { mem } from '#shm/memory.ts';
import {
  BG_WORKER_START,
  BGW_NEVER_RESTART,
  BGWORKER_CLASS_PARALLEL,
  freeSlot,
  notifyRegistrant,
  readSlot,
  slotAt,
  slotCount,
  staticWorkers,
} from '#bgworker/registry.ts';
import { BackgroundWorkerSlot } from '#bgworker/worker-layout.ts';
import { PM, pm, type PmWorker } from '#postmaster/pm-state.ts';
import { signalChild, startWorkerProcess } from '#postmaster/children.ts';

const MAX_STARTS_PER_PASS = 100;

export function adoptStaticWorkers(): void {
  pm.workers = staticWorkers.map((registered, slot) => ({
    ...registered,
    slot,
    pid: 0,
    backend: undefined,
    crashedAt: 0,
    terminate: false,
  }));
}

const isParallel = (worker: PmWorker): boolean => (worker.worker.flags & BGWORKER_CLASS_PARALLEL) !== 0;

export function forgetWorker(worker: PmWorker): void {
  pm.workers.splice(pm.workers.indexOf(worker), 1);
  freeSlot(worker.slot, worker.notifyPid, isParallel(worker));
  report('DEBUG1', { message: `unregistering background worker "${worker.worker.name}"` });
}

/** A backend changed something in the slots. */
export function workerStateChange(allowNew: boolean): void {
  for (let slot = 0; slot < slotCount(); slot++) {
    const at = slotAt(slot);
    if (BackgroundWorkerSlot.inUse.load(mem, at) === 0) continue;
    const terminate = BackgroundWorkerSlot.terminate.load(mem, at) !== 0;
    const known = pm.workers.find((worker) => worker.slot === slot);
    if (known !== undefined) {
      if (!terminate || known.terminate) continue;
      known.terminate = true;
      if (known.pid !== 0) signalChild(known.pid, SIGNAL.TERM);
      else {
        BackgroundWorkerSlot.pid.store(mem, at, 0);
        notifyRegistrant(known.notifyPid);
      }
      continue;
    }
    const worker = readSlot(slot);
    const registrant = worker.notifyPid ?? 0;
    if (!allowNew || terminate) {
      const parallel = (worker.flags & BGWORKER_CLASS_PARALLEL) !== 0;
      freeSlot(slot, pm.backends.has(registrant) ? registrant : 0, parallel);
      continue;
    }
    adoptDynamicWorker(slot, worker, registrant);
  }
}

function adoptDynamicWorker(slot: number, worker: PmWorker['worker'], registrant: number): void {
  const backend = pm.backends.get(registrant);
  if (backend !== undefined) backend.bgworkerNotify = true;
  else if (registrant !== 0) report('DEBUG1', { message: `worker notification PID ${registrant} is not valid` });
  pm.workers.push({
    worker,
    slot,
    notifyPid: backend === undefined ? 0 : registrant,
    pid: 0,
    backend: undefined,
    crashedAt: 0,
    terminate: false,
  });
  report('DEBUG1', { message: `registering background worker "${worker.name}"` });
}

/** A process that wanted to be told of a worker is gone; its pid may soon be somebody else's. */
export function stopNotifying(pid: number): void {
  for (const worker of pm.workers) if (worker.notifyPid === pid) worker.notifyPid = 0;
}

export function reportWorkerPid(worker: PmWorker): void {
  BackgroundWorkerSlot.pid.store(mem, slotAt(worker.slot), worker.pid);
  notifyRegistrant(worker.notifyPid);
}
/** The worker's process ended. */
export function reportWorkerExit(worker: PmWorker): void {
  worker.pid = 0;
  worker.backend = undefined;
  if (worker.terminate || worker.worker.restartTime === BGW_NEVER_RESTART) forgetWorker(worker);
  else {
    BackgroundWorkerSlot.pid.store(mem, slotAt(worker.slot), 0);
    notifyRegistrant(worker.notifyPid);
  }
}

function mayStart(worker: PmWorker): boolean {
  switch (pm.state) {
    case PM.RUN:
      return true;
    case PM.HOT_STANDBY:
      return worker.worker.startTime !== 'recoveryFinished';
    case PM.RECOVERY:
    case PM.STARTUP:
    case PM.INIT:
      return BG_WORKER_START[worker.worker.startTime] === BG_WORKER_START.postmasterStart;
    default:
      return false;
  }
}

/** Starts what may run now; remembers whether something has to wait for its restart interval. */
export function maybeStartWorkers(): void {
  if (pm.fatalError) {
    pm.startWorkerNeeded = false;
    pm.haveCrashedWorker = false;
    return;
  }
  pm.startWorkerNeeded = false;
  pm.haveCrashedWorker = false;
  let started = 0;
  for (const worker of [...pm.workers]) {
    if (worker.pid !== 0) continue;
    if (worker.terminate) {
      forgetWorker(worker);
      continue;
    }
    if (worker.crashedAt !== 0) {
      if (worker.worker.restartTime === BGW_NEVER_RESTART) {
        forgetWorker(worker);
        continue;
      }
      if (monotonicMs() - worker.crashedAt < worker.worker.restartTime * 1000) {
        pm.haveCrashedWorker = true;
        continue;
      }
    }
    if (!mayStart(worker)) continue;
    worker.crashedAt = 0;
    if (++started > MAX_STARTS_PER_PASS || !startWorkerProcess(worker)) {
      pm.startWorkerNeeded = true;
      if (started <= MAX_STARTS_PER_PASS) worker.crashedAt = monotonicMs(); // a failed fork is tried again later
      return;
    }
    reportWorkerPid(worker);
  }
}

/** Milliseconds until the next worker may be restarted, undefined if none waits. */
export function nextRestartMs(): number | undefined {
  if (!pm.haveCrashedWorker) return undefined;
  let least: number | undefined;
  for (const worker of pm.workers) {
    if (worker.crashedAt === 0 || worker.pid !== 0) continue;
    const due = worker.crashedAt + worker.worker.restartTime * 1000 - monotonicMs();
    if (least === undefined || due < least) least = due;
  }
  return least === undefined ? undefined : Math.max(0, least);
}

/** At shutdown: those that never ran will not run any more, and who waits for them must hear it. */
export function forgetUnstartedWorkers(): void {
  for (const worker of [...pm.workers]) {
    if (worker.pid !== 0) continue;
    BackgroundWorkerSlot.pid.store(mem, slotAt(worker.slot), 0);
    if (worker.notifyPid !== 0) notifyRegistrant(worker.notifyPid);
  }
}

/** After a crash of the whole server everything starts at once, but what must never restart is forgotten. */
export function resetWorkerCrashTimes(): void {
  pm.workers = pm.workers.filter((worker) => worker.worker.restartTime !== BGW_NEVER_RESTART);
  pm.workers.forEach((worker, slot) => {
    worker.crashedAt = 0;
    worker.terminate = false;
    worker.notifyPid = 0;
    worker.pid = 0;
    worker.backend = undefined;
    worker.slot = slot;
  });
  // The new segment's slots are filled from this list.
  staticWorkers.splice(
    0,
    staticWorkers.length,
    ...pm.workers.map(({ worker, slot }) => ({ worker, slot, notifyPid: 0 })),
  );
}
