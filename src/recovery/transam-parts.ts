/** transam-parts.ts — multixacts and prepared transactions among the parts that recovery and checkpoints drive. */
import {
  checkPointMultiXact,
  multiXactAdvanceNextMXact,
  multiXactAdvanceOldest,
  multiXactGetCheckpt,
  multiXactSetNextMXact,
  startupMultiXact,
  trimMultiXact,
} from '#transam/multixact-redo.ts';
import { setMultiXactIdLimit } from '#transam/multixact-limits.ts';
import { standbyShutdownCheckpoint } from '#transam/startup.ts';
import {
  checkPointTwoPhase,
  prescanPreparedTransactions,
  recoverPreparedTransactions,
  restoreTwoPhaseData,
} from '#transam/two-phase.ts';
import { lateParts } from '#recovery/late-parts.ts';

Object.assign(lateParts, {
  setNextMultiXact: multiXactSetNextMXact,
  advanceNextMultiXact: multiXactAdvanceNextMXact,
  setMultiXactLimit: (oldest, oldestDb) => setMultiXactIdLimit(oldest, oldestDb, true),
  advanceOldestMultiXact: multiXactAdvanceOldest,
  startupMultiXact,
  trimMultiXact,
  checkPointMultiXact,
  multiXactForCheckpoint: () => {
    const { nextMulti, nextOffset, oldestMulti, oldestMultiDb } = multiXactGetCheckpt();
    return { next: nextMulti, nextOffset, oldest: oldestMulti, oldestDb: oldestMultiDb };
  },
  restoreTwoPhaseData,
  prescanPreparedTransactions: () => prescanPreparedTransactions().oldest,
  recoverPreparedTransactions,
  checkPointTwoPhase,
  standbyShutdownCheckpoint,
} satisfies Partial<typeof lateParts>);
