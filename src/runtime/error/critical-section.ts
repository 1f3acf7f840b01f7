/** critical-section.ts — between WAL and the pages it describes there is no way back: an ERROR becomes PANIC.
 *
 *  `report('ERROR')` asks `inCritical()`; an exception that was not reported (a bug) is promoted when somebody catches it
 *  (`toPgError`), since the section was never ended. Sections nest; no memory need be prepared, as V8 allocates at will.
 *  Counterpart: START_CRIT_SECTION, END_CRIT_SECTION of src/include/miscadmin.h */
import * as interrupts from '#runtime/interrupts.ts';

export const beginCritical = (): void => interrupts.beginCritical();
export const endCritical = (): void => interrupts.endCritical();
export const inCritical = (): boolean => interrupts.inCriticalSection();
