/** recovery-vars.ts — what the startup process knows while it recovers. Private: others see wal/recovery-state.ts.
 *  Counterpart: the static variables of src/backend/access/transam/xlogrecovery.c */
import type { Lsn } from '#base/ids.ts';
import type { TimelineHistory } from '#wal/timeline.ts';

const NONE = 0 as Lsn;
export const recovery = {
  /** 'controlfile', 'latest', or a number. */
  targetTimeline: 0,
  /** Ancestors of the target timeline, once known. */
  history: null as TimelineHistory | null,
  standbySignalFound: false,
  recoverySignalFound: false,
  /** The checkpoint that recovery starts from. */
  checkPointLoc: NONE,
  checkPointTimeline: 0,
  redoStart: NONE,
  redoStartTimeline: 0,
  /** Until replay is here, pages may be newer than what was replayed. 0: crash recovery, the whole log. */
  minRecoveryPoint: NONE,
  minRecoveryPointTimeline: 0,
  backupStartPoint: NONE,
  backupEndPoint: NONE,
  backupEndRequired: false,
  /** WAL ended in the middle of this record, whose continuation should have been on that page. */
  abortedRecPtr: NONE,
  missingContrecPtr: NONE,
  inRedo: false,
  hotStandbyActive: false,
  /** full_page_writes of the last record that told. */
  lastFullPageWrites: false,
};
