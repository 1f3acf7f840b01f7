/** background-worker.ts — a process for a worker that somebody registered.
 *
 *  Sets up, finds the function in its library, calls it with the main argument. Returning means exit code 0, which the
 *  postmaster takes as “never again”; an error means 1, which it takes as “again after the restart interval”.
 *  Counterpart: StartBackgroundWorker() of src/backend/postmaster/bgworker.c */
import { initPsDisplay } from '#runtime/activity/ps-title.ts';
import { report, reportHooks, toPgError } from '#runtime/error/report.ts';
import { exitProcess } from '#runtime/exit-callbacks.ts';
import type { LaunchRecord } from '#runtime/launch-record.ts';
import { myProcess } from '#runtime/my-process.ts';
import { libraryFunction } from '#bgworker/load-library.ts';
import { type BackgroundWorker, readSlot } from '#bgworker/registry.ts';
import { backendStatusInit } from '#stats/backend-status.ts';
import { runAsyncWorker } from '#processes/async-worker.ts';
import { enterWithSession } from '#processes/enter-process.ts';
import { installExtensionApi } from '#processes/extension-api.ts';
import { applyLauncherMain } from '#processes/logical-launcher.ts';
import { installWorkerInterrupts, setCurrentWorker } from '#processes/worker-context.ts';

/** Workers of the server itself, by bgw_function_name with library "postgres". */
const INTERNAL_WORKERS: Readonly<Record<string, () => void>> = { ApplyLauncherMain: applyLauncherMain };

function mainOf(worker: BackgroundWorker): (argument: number) => unknown {
  if (worker.libraryName !== 'postgres') return libraryFunction(worker.libraryName, worker.functionName) as never;
  const internal = INTERNAL_WORKERS[worker.functionName];
  if (internal === undefined) report('ERROR', { message: `internal function "${worker.functionName}" not found` });
  return internal;
}

export function main(launch: LaunchRecord): never {
  const worker = readSlot(launch.workerSlot);
  setCurrentWorker(worker);
  myProcess.backendType = worker.type ?? worker.name;
  initPsDisplay(worker.name);
  installWorkerInterrupts();
  enterWithSession('bgworker');
  backendStatusInit();
  installExtensionApi();
  if (worker.isAsync === true) return runAsyncWorker(() => mainOf(worker)(worker.mainArg ?? 0));
  try {
    mainOf(worker)(worker.mainArg ?? 0);
  } catch (caught) {
    // An ERROR that the worker did not catch is told as such; only the process it ends.
    const error = toPgError(caught);
    reportHooks.emit('ERROR', { ...error.fields, code: error.code });
    exitProcess(1);
  }
  exitProcess(0);
}
