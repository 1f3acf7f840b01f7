/** init-recovery.ts — is there anything to replay, from where, in which mode? Answers stand in `recovery`, `replay` and in
 *  the control file's shared copy, which is not written yet.
 *  Counterpart: InitWalRecovery(), readRecoverySignalFile(), validateRecoveryParameters() of
 *  src/backend/access/transam/xlogrecovery.c */
import { existsPath, unlinkPath } from '#platform/raw-files.ts';
import type { Lsn } from '#base/ids.ts';
import { xidIsNormal, xidOfFull } from '#base/xid.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { myProcess } from '#runtime/my-process.ts';
import { mem } from '#shm/memory.ts';
import { ignoreLonelyTablespaceMap, readBackupLabel, restoreTablespaceLinks } from '#recovery/backup-label.ts';
import { readCheckpointRecord, readRecord, recoveryReader } from '#recovery/read-record.ts';
import { describeRecoveryTarget, readRecoveryTarget } from '#recovery/recovery-target.ts';
import { recovery } from '#recovery/recovery-vars.ts';
import { keepFileRestoredFromArchive, restoreArchivedFile } from '#recovery/restore.ts';
import { type CheckPoint, readCheckPoint } from '#wal/check-point.ts';
import { controlFile, DB_STATE } from '#wal/control-file.ts';
import { ownRecoveryWakeup, replay } from '#wal/recovery-state.ts';
import {
  existsTimelineHistory,
  findNewestTimeline,
  setHistoryRestorer,
  timelineOfPoint,
  timelineSwitchPoint,
} from '#wal/timeline.ts';
import { lsnText, XLOG, XLR_INFO_MASK } from '#wal/wal-format.ts';
import { fsyncPath } from '#wal/wal-io.ts';

const NONE = 0 as Lsn;
export const STANDBY_SIGNAL = 'standby.signal';
export const RECOVERY_SIGNAL = 'recovery.signal';

function readSignalFiles(): void {
  if (existsPath('recovery.conf'))
    report('FATAL', { message: 'using recovery command file "recovery.conf" is not supported' });
  unlinkPath('recovery.done');
  // Standby mode is archive recovery and more, so its file wins.
  recovery.standbySignalFound = existsPath(STANDBY_SIGNAL);
  recovery.recoverySignalFound = !recovery.standbySignalFound && existsPath(RECOVERY_SIGNAL);
  if (recovery.standbySignalFound) fsyncPath(STANDBY_SIGNAL);
  if (recovery.recoverySignalFound) fsyncPath(RECOVERY_SIGNAL);
  replay.standbyModeRequested = recovery.standbySignalFound;
  replay.archiveRecoveryRequested = recovery.standbySignalFound || recovery.recoverySignalFound;
  if (replay.standbyModeRequested && !myProcess.isUnderPostmaster)
    report('FATAL', {
      code: SQLSTATE.featureNotSupported,
      message: 'standby mode is not supported by single-user servers',
    });
}

function validateParameters(): void {
  if (!replay.archiveRecoveryRequested) return;
  if (replay.standbyModeRequested) {
    if (settings.primary_conninfo === '' && settings.restore_command === '')
      report('WARNING', {
        message: 'specified neither primary_conninfo nor restore_command',
        hint: 'The database server will regularly poll the pg_wal subdirectory to check for files placed there.',
      });
  } else if (settings.restore_command === '')
    report('FATAL', {
      code: SQLSTATE.invalidParameterValue,
      message: 'must specify restore_command when standby mode is not enabled',
    });
  readRecoveryTarget();
  const wanted = settings.recovery_target_timeline;
  if (wanted === 'latest') recovery.targetTimeline = findNewestTimeline(recovery.targetTimeline);
  else if (/^\d+$/.test(wanted)) {
    const timeline = Number(wanted);
    if (timeline !== 1 && !existsTimelineHistory(timeline))
      report('FATAL', {
        code: SQLSTATE.invalidParameterValue,
        message: `recovery target timeline ${timeline} does not exist`,
      });
    recovery.targetTimeline = timeline;
  }
}

export interface RecoveryStart {
  readonly wasShutdown: boolean;
  readonly hasBackupLabel: boolean;
  readonly hasTablespaceMap: boolean;
}

export function initWalRecovery(): RecoveryStart {
  const control = controlFile.checkPointCopy;
  recovery.targetTimeline = Math.max(controlFile.minRecoveryPointTli, control.thisTimeline);
  readSignalFiles();
  setHistoryRestorer((name) => restoreArchivedFile(name, 'RECOVERYHISTORY', 0, false), keepFileRestoredFromArchive);
  validateParameters();
  if (replay.archiveRecoveryRequested) ownRecoveryWakeup();
  if (replay.archiveRecoveryRequested)
    report('LOG', {
      message: replay.standbyModeRequested ? 'entering standby mode' : describeRecoveryTarget(),
    });
  const stateAtStart = controlFile.state;
  const label = readBackupLabel();
  const found = label === null ? startFromControlFile(control) : startFromLabel(label);
  const { checkPoint, wasShutdown } = found;
  checkHistory();
  describeCheckpoint(checkPoint, wasShutdown);
  const mustRecover = label !== null || recoveryIsNeeded(checkPoint, wasShutdown);
  replay.inRecovery = mustRecover;
  if (mustRecover) {
    enterRecovery(checkPoint);
    if (label !== null) {
      controlFile.backupStartPoint = checkPoint.redo;
      controlFile.backupEndRequired = label.backupEndRequired;
      if (label.fromStandby) {
        if (stateAtStart !== DB_STATE.inArchiveRecovery && stateAtStart !== DB_STATE.shutdownedInRecovery)
          report('FATAL', {
            message: 'backup_label contains data inconsistent with control file',
            hint: 'This means that the backup is corrupted and you will have to use another backup for recovery.',
          });
        // The copy is consistent where the standby's own recovery was when the copy ended.
        controlFile.backupEndPoint = controlFile.minRecoveryPoint;
      }
    }
  }
  recovery.backupStartPoint = controlFile.backupStartPoint as Lsn;
  recovery.backupEndRequired = controlFile.backupEndRequired;
  recovery.backupEndPoint = controlFile.backupEndPoint as Lsn;
  recovery.minRecoveryPoint = (replay.inArchiveRecovery ? controlFile.minRecoveryPoint : 0) as Lsn;
  recovery.minRecoveryPointTimeline = replay.inArchiveRecovery ? controlFile.minRecoveryPointTli : 0;
  recovery.abortedRecPtr = NONE;
  recovery.missingContrecPtr = NONE;
  return { wasShutdown, hasBackupLabel: label !== null, hasTablespaceMap: found.hasTablespaceMap };
}

interface Found {
  readonly checkPoint: CheckPoint;
  readonly wasShutdown: boolean;
  readonly hasTablespaceMap: boolean;
}
function checkpointOf(record: { info: number; mainAt: number }, hasTablespaceMap: boolean): Found {
  return {
    checkPoint: readCheckPoint(mem, record.mainAt),
    wasShutdown: (record.info & ~XLR_INFO_MASK) === XLOG.checkpointShutdown,
    hasTablespaceMap,
  };
}

function startFromLabel(label: NonNullable<ReturnType<typeof readBackupLabel>>): Found {
  // How far to replay is known only from the label on, so it is archive recovery from the first record.
  replay.inArchiveRecovery = true;
  replay.standbyMode = replay.standbyModeRequested;
  recovery.checkPointLoc = label.checkPoint;
  recovery.checkPointTimeline = label.checkPointTimeline;
  recovery.redoStart = label.redoStart;
  recovery.redoStartTimeline = label.redoStartTimeline;
  const directory = myProcess.dataDirectory;
  const hint =
    `If you are restoring from a backup, touch "${directory}/recovery.signal" or "${directory}/standby.signal" and add required recovery options.\n` +
    `If you are not restoring from a backup, try removing the file "${directory}/backup_label".\n` +
    `Be careful: removing "${directory}/backup_label" will result in a corrupt cluster if restoring from a backup.`;
  const record = readCheckpointRecord(label.checkPoint, false, label.checkPointTimeline);
  if (record === null) return report('FATAL', { message: 'could not locate required checkpoint record', hint });
  const found = checkpointOf(record, false);
  report('DEBUG1', { message: `checkpoint record is at ${lsnText(label.checkPoint)}` });
  if (found.checkPoint.redo < label.checkPoint) {
    recoveryReader().beginRead(found.checkPoint.redo);
    if (readRecord('LOG', false, found.checkPoint.thisTimeline) === null)
      report('FATAL', { message: 'could not find redo location referenced by checkpoint record', hint });
  }
  return { ...found, hasTablespaceMap: restoreTablespaceLinks() };
}

function startFromControlFile(control: CheckPoint): Found {
  ignoreLonelyTablespaceMap();
  // Without any of these nobody knows how far the files are: pg_wal is replayed to its end first, as after a crash.
  if (
    replay.archiveRecoveryRequested &&
    (controlFile.minRecoveryPoint !== 0 ||
      controlFile.backupEndRequired ||
      controlFile.backupEndPoint !== 0 ||
      controlFile.state === DB_STATE.shutdowned)
  ) {
    replay.inArchiveRecovery = true;
    replay.standbyMode = replay.standbyModeRequested;
  }
  recovery.checkPointLoc = controlFile.checkPoint as Lsn;
  recovery.checkPointTimeline = control.thisTimeline;
  recovery.redoStart = control.redo;
  recovery.redoStartTimeline = control.thisTimeline;
  const record = readCheckpointRecord(recovery.checkPointLoc, true, recovery.checkPointTimeline);
  if (record === null) return report('PANIC', { message: 'could not locate a valid checkpoint record' });
  report('DEBUG1', { message: `checkpoint record is at ${lsnText(recovery.checkPointLoc)}` });
  return checkpointOf(record, false);
}

/** The requested timeline must descend from where this cluster is. */
function checkHistory(): void {
  const { history } = recovery;
  if (history === null) return;
  if (timelineOfPoint(recovery.checkPointLoc, history) !== recovery.checkPointTimeline) {
    const { thisTimeline } = controlFile.checkPointCopy;
    const fork = timelineSwitchPoint(thisTimeline, history).point;
    report('FATAL', {
      message: `requested timeline ${recovery.targetTimeline} is not a child of this server's history`,
      detail: `Latest checkpoint is at ${lsnText(controlFile.checkPoint)} on timeline ${thisTimeline}, but in the history of the requested timeline, the server forked off from that timeline at ${lsnText(fork)}.`,
    });
  }
  const min = controlFile.minRecoveryPoint;
  if (min !== 0 && timelineOfPoint((min - 1) as Lsn, history) !== controlFile.minRecoveryPointTli)
    report('FATAL', {
      message: `requested timeline ${recovery.targetTimeline} does not contain minimum recovery point ${lsnText(min)} on timeline ${controlFile.minRecoveryPointTli}`,
    });
}

function describeCheckpoint(c: CheckPoint, wasShutdown: boolean): void {
  const say = (message: string): void => report('DEBUG1', { message });
  say(`redo record is at ${lsnText(c.redo)}; shutdown ${wasShutdown}`);
  say(`next transaction ID: ${c.nextXid}; next OID: ${c.nextOid}`);
  say(`next MultiXactId: ${c.nextMulti}; next MultiXactOffset: ${c.nextMultiOffset}`);
  say(`oldest unfrozen transaction ID: ${c.oldestXid}, in database ${c.oldestXidDb}`);
  say(`oldest MultiXactId: ${c.oldestMulti}, in database ${c.oldestMultiDb}`);
  say(`commit timestamp Xid oldest/newest: ${c.oldestCommitTsXid}/${c.newestCommitTsXid}`);
  if (!xidIsNormal(xidOfFull(c.nextXid))) report('PANIC', { message: 'invalid next transaction ID' });
  if (c.redo > recovery.checkPointLoc) report('PANIC', { message: 'invalid redo in checkpoint record' });
}

function recoveryIsNeeded(checkPoint: CheckPoint, wasShutdown: boolean): boolean {
  if (checkPoint.redo < recovery.checkPointLoc) {
    if (wasShutdown) report('PANIC', { message: 'invalid redo record in shutdown checkpoint' });
    return true;
  }
  return controlFile.state !== DB_STATE.shutdowned || replay.archiveRecoveryRequested;
}

function enterRecovery(checkPoint: CheckPoint): void {
  if (replay.inArchiveRecovery) controlFile.state = DB_STATE.inArchiveRecovery;
  else {
    report('LOG', { message: 'database system was not properly shut down; automatic recovery in progress' });
    const current = controlFile.checkPointCopy.thisTimeline;
    if (recovery.targetTimeline > current)
      report('LOG', {
        message: `crash recovery starts in timeline ${current} and has target timeline ${recovery.targetTimeline}`,
      });
    controlFile.state = DB_STATE.inCrashRecovery;
  }
  controlFile.checkPoint = recovery.checkPointLoc;
  controlFile.checkPointCopy = checkPoint;
  if (replay.inArchiveRecovery && controlFile.minRecoveryPoint < checkPoint.redo) {
    controlFile.minRecoveryPoint = checkPoint.redo;
    controlFile.minRecoveryPointTli = checkPoint.thisTimeline;
  }
}
