/** async_worker.ts — a background worker whose main is async: it awaits its latch and, between wake-ups, anything else
 *  that Node can await.
 *
 *      shared_preload_libraries = '…/test/examples/async_worker.ts' */
import { type ExtensionApi, extensionApi } from 'nodegres/extension';

export function _PG_init(api: ExtensionApi): void {
  api.registerBackgroundWorker({
    name: 'async_worker',
    libraryName: __filename,
    functionName: 'async_worker_main',
    flags: api.BGWORKER_SHMEM_ACCESS,
    startTime: 'recoveryFinished',
    restartTime: 1,
    isAsync: true,
  });
}

export async function async_worker_main(): Promise<void> {
  const api = extensionApi();
  api.catchSignal(api.SIGHUP);
  api.catchSignal(api.SIGTERM);
  api.report('LOG', { message: 'async worker started' });
  for (;;) {
    await api.latchSet();
    api.resetLatch();
    if (api.takeSignal(api.SIGTERM)) break;
    if (api.takeSignal(api.SIGHUP)) {
      api.processConfigFile();
      const answer = await new Promise<number>((resolve) => setTimeout(() => resolve(42), 5));
      api.report('LOG', { message: `async worker reloaded configuration and awaited ${answer}` });
    }
  }
  api.report('LOG', { message: 'async worker shutting down' });
}
