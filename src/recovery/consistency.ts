/** consistency.ts — the moment from which the data directory makes sense: everything that may be on disk is replayed.
 *  Counterpart: CheckRecoveryConsistency(), ReachedEndOfBackup() of src/backend/access/transam/xlogrecovery.c, xlog.c */
import { listNames } from '#platform/raw-files.ts';
import { linkStatusIfExists } from '#platform/file-system.ts';
import type { Lsn } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { myProcess } from '#runtime/my-process.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { xlogCheckInvalidPages } from '#storage/buffer/redo-buffers.ts';
import { sendPostmasterSignal } from '#storage/ipc/pm-signal.ts';
import { recovery } from '#recovery/recovery-vars.ts';
import { controlFile, controlFileLock, updateControlFile } from '#wal/control-file.ts';
import { getXLogReplayRecPtr, replay, setHotStandbyActive, STANDBY } from '#wal/recovery-state.ts';
import { lsnText } from '#wal/wal-format.ts';

const NONE = 0 as Lsn;

export function checkRecoveryConsistency(): void {
  // A crash leaves pages of any age: only the whole log makes them consistent.
  if (recovery.minRecoveryPoint === 0) return;
  const { lsn, timeline } = getXLogReplayRecPtr();
  if (recovery.backupEndPoint !== 0 && recovery.backupEndPoint <= lsn) {
    report('DEBUG1', { message: 'end of backup reached' });
    reachedEndOfBackup(lsn, timeline);
    recovery.backupStartPoint = NONE;
    recovery.backupEndPoint = NONE;
    recovery.backupEndRequired = false;
  }
  if (
    !replay.reachedConsistency &&
    !recovery.backupEndRequired &&
    recovery.minRecoveryPoint <= lsn &&
    recovery.backupStartPoint === 0
  ) {
    xlogCheckInvalidPages();
    checkTablespaceDirectory();
    replay.reachedConsistency = true;
    report('LOG', { message: `consistent recovery state reached at ${lsnText(lsn)}` });
  }
  if (
    replay.standbyState === STANDBY.snapshotReady &&
    !recovery.hotStandbyActive &&
    replay.reachedConsistency &&
    myProcess.isUnderPostmaster
  ) {
    setHotStandbyActive();
    recovery.hotStandbyActive = true;
    sendPostmasterSignal('beginHotStandby');
  }
}

function reachedEndOfBackup(lsn: Lsn, timeline: number): void {
  lwLockAcquire(controlFileLock(), 'exclusive');
  if (controlFile.minRecoveryPoint < lsn) {
    controlFile.minRecoveryPoint = lsn;
    controlFile.minRecoveryPointTli = timeline;
  }
  controlFile.backupStartPoint = 0;
  controlFile.backupEndPoint = 0;
  controlFile.backupEndRequired = false;
  updateControlFile();
  lwLockRelease(controlFileLock());
}

/** Replay may have made plain folders for tablespaces that were dropped later; by now the drops are replayed, too. */
function checkTablespaceDirectory(): void {
  const names = listNames('pg_tblspc');
  if (typeof names === 'number') return;
  for (const name of names) {
    if (!/^\d+$/.test(name)) continue;
    if (linkStatusIfExists(`pg_tblspc/${name}`)?.isDirectory !== true) continue;
    const fields = {
      code: SQLSTATE.dataCorrupted,
      message: `unexpected directory entry "${name}" found in pg_tblspc/`,
      detail: 'All directory entries in pg_tblspc/ should be symbolic links.',
      hint: 'Remove those directories, or set allow_in_place_tablespaces to ON transiently to let recovery complete.',
    };
    report(settings.allow_in_place_tablespaces ? 'WARNING' : 'PANIC', fields);
  }
}
