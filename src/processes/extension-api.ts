/** extension-api.ts — the functions behind `nodegres/extension`, gathered from the layers that own them. */
import { currentTimestamp } from '#platform/clock.ts';
import { native, SIGNAL } from '#platform/native.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { report } from '#runtime/error/report.ts';
import { exitProcess } from '#runtime/exit-callbacks.ts';
import {
  defineCustomBoolVariable,
  defineCustomEnumVariable,
  defineCustomIntVariable,
  defineCustomRealVariable,
  defineCustomStringVariable,
  markGucPrefixReserved,
} from '#runtime/guc/custom-variables.ts';
import { checkForInterrupts, takeSignal } from '#runtime/interrupts.ts';
import { myProcess } from '#runtime/my-process.ts';
import { type ExtensionApi, publishExtensionApi } from '#bgworker/api.ts';
import { extensionHooks } from '#bgworker/hooks.ts';
import { setExtensionInterface } from '#bgworker/load-library.ts';
import * as registry from '#bgworker/registry.ts';
import { myLatch, resetLatch, setLatch } from '#shm/latch.ts';
import { getNamedLWLockTranche, mainLWLock, requestNamedLWLockTranche } from '#shm/lwlock-array.ts';
import { lwLockAcquire, lwLockConditionalAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import { WL, waitLatch } from '#shm/wait-event-set.ts';
import { reportActivity } from '#stats/backend-status.ts';
import { latchSet } from '#processes/async-worker.ts';
import { reloadConfigurationHere } from '#processes/enter-process.ts';
import { connectWorker, currentWorker, workerSignals } from '#processes/worker-context.ts';

const api: ExtensionApi = {
  BGWORKER_SHMEM_ACCESS: registry.BGWORKER_SHMEM_ACCESS,
  BGWORKER_BACKEND_DATABASE_CONNECTION: registry.BGWORKER_BACKEND_DATABASE_CONNECTION,
  BGW_NEVER_RESTART: registry.BGW_NEVER_RESTART,
  processSharedPreloadLibrariesInProgress: registry.processSharedPreloadLibrariesInProgress,
  registerBackgroundWorker: registry.registerBackgroundWorker,
  registerDynamicBackgroundWorker: registry.registerDynamicBackgroundWorker,
  getBackgroundWorkerPid: registry.getBackgroundWorkerPid,
  waitForBackgroundWorkerStartup: registry.waitForBackgroundWorkerStartup,
  waitForBackgroundWorkerShutdown: registry.waitForBackgroundWorkerShutdown,
  terminateBackgroundWorker: registry.terminateBackgroundWorker,
  myBgworkerEntry: currentWorker,
  backgroundWorkerUnblockSignals: () => void native.signalMask('set', []),
  backgroundWorkerInitializeConnection: connectWorker,
  SIGHUP: SIGNAL.HUP,
  SIGTERM: SIGNAL.TERM,
  SIGUSR1: SIGNAL.USR1,
  catchSignal: workerSignals.catchSignal,
  takeSignal,
  checkForInterrupts,
  WL_LATCH_SET: WL.LATCH_SET,
  WL_TIMEOUT: WL.TIMEOUT,
  WL_POSTMASTER_DEATH: WL.POSTMASTER_DEATH,
  waitLatch: (options, waitEvent = WAIT_EVENT.Extension) => waitLatch(options, waitEvent),
  latchSet,
  resetLatch,
  setLatch,
  myLatch: () => myLatch,
  myProcPid: () => myProcess.pid,
  processConfigFile: reloadConfigurationHere,
  procExit: exitProcess,
  report,
  reportActivity: (state, text) => reportActivity(state, text),
  shmemRequestHook: extensionHooks.shmemRequest,
  shmemStartupHook: extensionHooks.shmemStartup,
  requestAddinShmemSpace: requestShmemSpace,
  requestNamedLWLockTranche,
  getNamedLWLockTranche,
  shmemInitStruct,
  memory: () => mem,
  addinShmemInitLock: () => mainLWLock('AddinShmemInit'),
  lwLockAcquire,
  lwLockConditionalAcquire,
  lwLockRelease,
  defineCustomBoolVariable,
  defineCustomIntVariable,
  defineCustomRealVariable,
  defineCustomStringVariable,
  defineCustomEnumVariable,
  markGUCPrefixReserved: markGucPrefixReserved,
  getCurrentTimestamp: currentTimestamp,
};

export function installExtensionApi(): void {
  publishExtensionApi(api);
  setExtensionInterface(api);
}
