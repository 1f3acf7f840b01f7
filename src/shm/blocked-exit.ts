/** blocked-exit.ts — a process that sleeps on a futex cannot watch the postmaster's death pipe.
 *
 *  The kernel tells it instead: PR_SET_PDEATHSIG delivers SIGPWR, whose handler interrupts the futex. Then nobody is left
 *  to release what we wait for (the holder dies the same way), so the process ends at once. */
import { native, SIGNAL } from '#platform/native.ts';
import { setPostmasterDeathHandler, signalPending } from '#runtime/interrupts.ts';

let armed = false;
export function armPostmasterDeathSignal(): void {
  armed = true;
  native.signalAction(SIGNAL.PWR, native.SIG_ACTION.WORD);
  native.parentDeathSignal(SIGNAL.PWR);
  // In the middle of a query, too: nobody is left to whom the result would matter, and a new server could not start.
  setPostmasterDeathHandler(checkPostmasterWhileBlocked);
}
export const postmasterDeathSignalled = (): boolean => armed && signalPending(SIGNAL.PWR);
export function checkPostmasterWhileBlocked(): void {
  if (postmasterDeathSignalled()) native.exitNow(1);
}
