/** sleep.ts — pg_sleep(): waits for the latch, so that cancel and termination end it at once.
 *  Counterpart: pg_sleep() of src/backend/utils/adt/misc.c */
import { registerBuiltins } from '#adt/fmgr.ts';
import { monotonicMs } from '#platform/clock.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { resetLatch } from '#shm/latch.ts';
import { waitLatch } from '#shm/wait-event-set.ts';

/** One sleep of the kernel lasts at most this long; longer ones are made of several. */
const STEP_MAX_MS = 600_000;

/** The text form of void. */
const VOID = '';

export function sleepSeconds(seconds: number): void {
  const end = monotonicMs() + seconds * 1000;
  for (;;) {
    checkForInterrupts();
    const left = end - monotonicMs();
    if (Number.isNaN(left) || left <= 0) return;
    waitLatch({ timeoutMs: Math.ceil(Math.min(left, STEP_MAX_MS)) }, WAIT_EVENT.PgSleep);
    resetLatch();
  }
}

registerBuiltins({
  pg_sleep: (seconds: number) => {
    sleepSeconds(seconds);
    return VOID;
  },
});
