/** my_worker.ts — a periodic background worker and a one-shot dynamic one: the worker of PostgreSQL's guides for
 *  extension authors (registration, signals, latch, shared memory, settings, dynamic workers), in TypeScript.
 *
 *      shared_preload_libraries = '…/test/examples/my_worker.ts'
 *      my_worker.naptime = 30
 *
 *  The periodic worker wakes every my_worker.naptime seconds, reloads its settings on SIGHUP, counts its runs in shared
 *  memory under an LWLock, and launches a dynamic worker whenever my_worker.launch_task is set to another number.
 *  my_worker.fail_at makes a run fail once, to watch the restart. */
import { type BackgroundWorker, type CustomVariable, type ExtensionApi, extensionApi } from 'nodegres/extension';

// ── configuration ──
let naptime: CustomVariable<number>;
let maxItems: CustomVariable<number>;
let database: CustomVariable<string>;
let enabled: CustomVariable<boolean>;
let launchTask: CustomVariable<number>;
let failAt: CustomVariable<number>;
let restartSeconds: CustomVariable<number>;

function defineVariables(api: ExtensionApi): void {
  naptime = api.defineCustomIntVariable('my_worker.naptime', 'Time between worker runs in seconds.', 10, {
    min: 1,
    max: 3600,
    context: 'sighup',
    unit: 's',
  });
  maxItems = api.defineCustomIntVariable('my_worker.max_items', 'Maximum items to process per run.', 100, {
    min: 1,
    max: 10_000,
    context: 'sighup',
  });
  database = api.defineCustomStringVariable('my_worker.database', 'Database to connect to.', 'postgres', {
    context: 'postmaster',
  });
  enabled = api.defineCustomBoolVariable('my_worker.enabled', 'Enable the background worker.', true, {
    context: 'sighup',
  });
  launchTask = api.defineCustomIntVariable('my_worker.launch_task', 'Task for which a dynamic worker is launched.', 0, {
    min: 0,
    max: 1_000_000,
    context: 'sighup',
  });
  failAt = api.defineCustomIntVariable('my_worker.fail_at', 'Run at which the worker fails, 0 for never.', 0, {
    min: 0,
    max: 1_000_000,
    context: 'sighup',
  });
  restartSeconds = api.defineCustomIntVariable(
    'my_worker.restart_time',
    'Restart interval after a failure; -1 for never.',
    10,
    { min: -1, max: 86_400, context: 'postmaster', unit: 's' },
  );
  api.markGUCPrefixReserved('my_worker');
}

// ── shared state ──
const STATE = { runs: 0, lastRun: 8, size: 16 } as const;
const TRANCHE = 'my_worker';
let stateAt = -1;
let stateLock = -1;

function attachSharedState(api: ExtensionApi): void {
  api.lwLockAcquire(api.addinShmemInitLock(), 'exclusive');
  stateAt = api.shmemInitStruct('my_worker', STATE.size).at;
  [stateLock = -1] = api.getNamedLWLockTranche(TRANCHE);
  api.lwLockRelease(api.addinShmemInitLock());
}

/** Returns the total number of runs, of all lives of the worker. */
function countRun(api: ExtensionApi): number {
  api.lwLockAcquire(stateLock, 'exclusive');
  try {
    const { view } = api.memory();
    const runs = view.getFloat64(stateAt + STATE.runs, true) + 1;
    view.setFloat64(stateAt + STATE.runs, runs, true);
    view.setFloat64(stateAt + STATE.lastRun, api.getCurrentTimestamp(), true);
    return runs;
  } finally {
    api.lwLockRelease(stateLock);
  }
}

// ── registration ──
const LIBRARY = __filename;

export function _PG_init(api: ExtensionApi): void {
  defineVariables(api);
  if (!api.processSharedPreloadLibrariesInProgress()) return;
  api.shmemRequestHook.push(() => {
    api.requestAddinShmemSpace(STATE.size);
    api.requestNamedLWLockTranche(TRANCHE, 1);
  });
  api.shmemStartupHook.push(() => attachSharedState(api));
  if (!enabled.value) return;
  api.registerBackgroundWorker({
    name: 'my_custom_worker',
    type: 'my_custom_worker',
    libraryName: LIBRARY,
    functionName: 'my_worker_main',
    flags: api.BGWORKER_SHMEM_ACCESS | api.BGWORKER_BACKEND_DATABASE_CONNECTION,
    startTime: 'recoveryFinished',
    restartTime: restartSeconds.value,
    mainArg: 0,
  });
}

// ── the periodic worker ──
export function my_worker_main(): void {
  const api = extensionApi();
  api.catchSignal(api.SIGHUP);
  api.catchSignal(api.SIGTERM);
  api.backgroundWorkerUnblockSignals();
  api.backgroundWorkerInitializeConnection(database.value, null, 0);
  const me = api.myBgworkerEntry();
  api.report('LOG', { message: `background worker "${me.name}" started` });
  let launched = launchTask.value;
  for (;;) {
    const why = api.waitLatch({ timeoutMs: naptime.value * 1000 });
    api.resetLatch();
    if (api.takeSignal(api.SIGTERM)) break;
    if (api.takeSignal(api.SIGHUP)) {
      api.processConfigFile();
      api.report('LOG', { message: 'background worker reloaded configuration' });
    }
    api.checkForInterrupts();
    if (launchTask.value !== launched) {
      launched = launchTask.value;
      launchDynamicWorker(api, launched);
    }
    if (why & api.WL_TIMEOUT) performScheduledTask(api);
  }
  api.report('LOG', { message: `background worker "${me.name}" shutting down` });
  api.procExit(0);
}

function performScheduledTask(api: ExtensionApi): void {
  api.reportActivity('active', 'processing scheduled task');
  const runs = countRun(api);
  if (runs === failAt.value) api.report('ERROR', { message: `scheduled task failed in run ${runs}` });
  api.report('LOG', { message: `scheduled task: run ${runs}, at most ${maxItems.value} items` });
  api.reportActivity('idle', null);
}

// ── the dynamic worker ──
/** Launches a one-shot worker for a task and returns its pid. */
export function launchDynamicWorker(api: ExtensionApi, task: number): number {
  const worker: BackgroundWorker = {
    name: `dynamic_worker_${task}`,
    type: 'dynamic_worker',
    libraryName: LIBRARY,
    functionName: 'dynamic_worker_main',
    flags: api.BGWORKER_SHMEM_ACCESS | api.BGWORKER_BACKEND_DATABASE_CONNECTION,
    startTime: 'recoveryFinished',
    restartTime: api.BGW_NEVER_RESTART,
    mainArg: task,
    notifyPid: api.myProcPid(),
  };
  const handle = api.registerDynamicBackgroundWorker(worker);
  if (handle === undefined) {
    api.report('WARNING', { message: 'could not register background worker' });
    return 0;
  }
  const { status, pid } = api.waitForBackgroundWorkerStartup(handle);
  if (status === 'started') api.report('LOG', { message: `dynamic worker started with PID ${pid}` });
  // It may have been so quick that it is over already.
  else api.report('LOG', { message: `dynamic worker is ${status}` });
  const ended = api.waitForBackgroundWorkerShutdown(handle);
  api.report('LOG', { message: `dynamic worker for task ${task} has ${ended}` });
  return pid;
}

export function dynamic_worker_main(task: number): void {
  const api = extensionApi();
  api.backgroundWorkerUnblockSignals();
  api.backgroundWorkerInitializeConnection('postgres', null, 0);
  const done = countRun(api);
  api.report('LOG', { message: `dynamic worker processed task ${task}, total ${done}` });
}
