/** logical-launcher.ts — starts an apply worker for every enabled subscription. A background worker, registered by the
 *  server itself.
 *
 *  Subscriptions are asked of `setSubscriptionScan` (the replication milestone); without any it sleeps.
 *  Counterpart: ApplyLauncherMain() of src/backend/replication/logical/launcher.c */
import { SIGNAL } from '#platform/native.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { exitProcess } from '#runtime/exit-callbacks.ts';
import { settings } from '#runtime/guc/guc.ts';
import { takeSignal } from '#runtime/interrupts.ts';
import {
  type BackgroundWorker,
  BGWORKER_BACKEND_DATABASE_CONNECTION,
  BGWORKER_SHMEM_ACCESS,
} from '#bgworker/registry.ts';
import { resetLatch } from '#shm/latch.ts';
import { waitLatch } from '#shm/wait-event-set.ts';
import { handleCommonInterrupts, loopForever } from '#processes/enter-process.ts';

export const LOGICAL_LAUNCHER_WORKER: BackgroundWorker = {
  name: 'logical replication launcher',
  type: 'logical replication launcher',
  flags: BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
  startTime: 'recoveryFinished',
  restartTime: 5,
  libraryName: 'postgres',
  functionName: 'ApplyLauncherMain',
};
const NAPTIME_MS = 180_000;

/** Starts missing workers; returns how long to sleep. */
let scanSubscriptions: () => number = () => NAPTIME_MS;
export function setSubscriptionScan(scan: () => number): void {
  scanSubscriptions = scan;
}

/** As PostgreSQL's, it leaves with exit code 1 on SIGTERM, so that it is started again when it was not a shutdown. */
export function applyLauncherMain(): never {
  loopForever(() => {
    const napMs = settings.max_logical_replication_workers > 0 ? scanSubscriptions() : NAPTIME_MS;
    waitLatch({ timeoutMs: napMs }, WAIT_EVENT.LogicalLauncherMain);
    resetLatch();
    takeSignal(SIGNAL.INT);
    if (takeSignal(SIGNAL.TERM)) exitProcess(1);
    handleCommonInterrupts();
  });
}
