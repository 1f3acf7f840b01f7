/** async-worker.ts — a background worker whose main is an async function.
 *
 *  Its process was spawned, so it has Node's event loop. A helper thread does what this process's only sleep would have
 *  done: it waits on the wake-up descriptor that signal handlers and setLatch poke, and posts a message for each wake-up;
 *  so `await` works beside latches and signals. The end of main ends the process as for any other worker.
 *  Counterpart: none in PostgreSQL; architecture §12 */
import { native } from '#platform/native.ts';
import { startWakeThread } from '#platform/wake-thread.ts';
import { reportHooks, toPgError } from '#runtime/error/report.ts';
import { exitProcess } from '#runtime/exit-callbacks.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { serverFacts } from '#runtime/server-facts.ts';
import { myLatch } from '#shm/latch.ts';
import { mem, segmentId } from '#shm/memory.ts';
import { Latch } from '#shm/proc-layout.ts';

/** Callbacks of everybody who awaits the latch right now. */
const waiting: (() => void)[] = [];

export function runAsyncWorker(workerMain: () => unknown): never {
  const leave = (caught: unknown): void => {
    const error = toPgError(caught);
    reportHooks.emit('ERROR', { ...error.fields, code: error.code });
    exitProcess(1);
  };
  startWakeThread(
    {
      segment: segmentId,
      isSet: myLatch,
      maybeSleeping: myLatch + Latch.maybeSleeping.offset,
      deathPipe: serverFacts.deathPipe,
    },
    (why) => {
      if (why === 'postmaster-died') native.exitNow(1);
      for (const wake of waiting.splice(0)) wake();
      try {
        checkForInterrupts();
      } catch (caught) {
        leave(caught);
      }
    },
  );
  Promise.resolve(workerMain()).then(() => exitProcess(0), leave);
  // Not an end but the way into the event loop: child-entry.ts sees this and returns to Node.
  throw new EnterEventLoop();
}

/** Unwinds to the top of the script, so that Node's event loop can run. */
export class EnterEventLoop extends Error {
  override readonly name = 'EnterEventLoop';
}

/** Resolves when the latch is set or after `timeoutMs`; 'latch' or 'timeout'. The caller resets the latch. */
export function latchSet(timeoutMs?: number): Promise<'latch' | 'timeout'> {
  return new Promise((resolve) => {
    if (Latch.isSet.load(mem, myLatch) !== 0) {
      resolve('latch');
      return;
    }
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            waiting.splice(waiting.indexOf(wake), 1);
            resolve('timeout');
          }, timeoutMs);
    const wake = (): void => {
      if (timer !== undefined) clearTimeout(timer);
      resolve('latch');
    };
    waiting.push(wake);
  });
}
