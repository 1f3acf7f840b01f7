/** vacuum-delay.ts — the point where VACUUM may sleep for its cost limit; called in every loop over pages.
 *  Counterpart: vacuum_delay_point() of src/backend/commands/vacuum.c, which installs itself here. */
import { checkForInterrupts } from '#runtime/interrupts.ts';

let delay: () => void = checkForInterrupts;
export function setVacuumDelayPoint(by: () => void): void {
  delay = by;
}
export const vacuumDelayPoint = (): void => delay();
