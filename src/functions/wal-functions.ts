/** wal-functions.ts — positions, names and control of the write-ahead log, and of its replay.
 *  Counterpart: src/backend/access/transam/xlogfuncs.c, pg_stat_get_wal() of src/backend/utils/adt/pgstatfuncs.c */
import type { Datum, RecordDatum } from '#adt/datum.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import type { Int8 } from '#adt/int8.ts';
import type { Lsn, Oid } from '#base/ids.ts';
import { native, osError, SIGNAL } from '#platform/native.ts';
import { FileError, removeFileIfExists, writeFile } from '#platform/file-system.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { myProcess } from '#runtime/my-process.ts';
import { resetLatch } from '#shm/latch.ts';
import { waitLatch } from '#shm/wait-event-set.ts';
import { registerXactParticipant, XACT_RANK } from '#transam/xact-callbacks.ts';
import { getFlushRecPtr, getInsertTimeline, getXLogInsertRecPtr, getXLogWriteRecPtr } from '#wal/flush.ts';
import {
  getLatestXTime,
  getRecoveryPauseState,
  getXLogReplayRecPtr,
  promoteIsTriggered,
  RECOVERY_PAUSE,
  recoveryInProgress,
  setRecoveryPause,
  wakeupRecovery,
} from '#wal/recovery-state.ts';
import { previousSegmentOf, segmentFileName, segmentOffset, xlogIsNeeded } from '#wal/wal-format.ts';
import { MAX_RESTORE_POINT_NAME, requestXLogSwitch, xlogRestorePoint } from '#wal/wal-records.ts';
import { readWalStats, reportWalStats } from '#wal/wal-stats.ts';

const [INT4, INT8, TEXT, FLOAT8, TIMESTAMPTZ, NUMERIC] = [23, 20, 25, 701, 1184, 1700] as const;
export function record(columns: readonly (readonly [name: string, type: number, value: Datum])[]): RecordDatum {
  return {
    kind: 'record',
    names: columns.map(([name]) => name),
    types: columns.map(([, type]) => type as Oid),
    typmods: columns.map(() => -1),
    values: columns.map(([, , value]) => value),
  };
}

function refuseInRecovery(what = 'WAL control functions'): void {
  if (!recoveryInProgress()) return;
  report('ERROR', {
    code: SQLSTATE.objectNotInPrerequisiteState,
    message: 'recovery is in progress',
    hint: `${what} cannot be executed during recovery.`,
  });
}
function requireRecovery(): void {
  if (recoveryInProgress()) return;
  report('ERROR', {
    code: SQLSTATE.objectNotInPrerequisiteState,
    message: 'recovery is not in progress',
    hint: 'Recovery control functions can only be executed during recovery.',
  });
}
function refuseDuringPromotion(name: string): void {
  if (!promoteIsTriggered()) return;
  report('ERROR', {
    code: SQLSTATE.objectNotInPrerequisiteState,
    message: 'standby promotion is ongoing',
    hint: `${name}() cannot be executed after promotion is triggered.`,
  });
}
const position = (lsn: () => Lsn) => (): number => {
  refuseInRecovery();
  return lsn();
};
const toLsn = (value: Int8): number => Number(value);
/** The file that holds what ends at the position. */
const fileNameOf = (value: Int8): string => segmentFileName(getInsertTimeline(), previousSegmentOf(toLsn(value)));

function createRestorePoint(name: string): number {
  refuseInRecovery();
  if (!xlogIsNeeded())
    report('ERROR', {
      code: SQLSTATE.objectNotInPrerequisiteState,
      message: 'WAL level not sufficient for creating a restore point',
      hint: 'wal_level must be set to "replica" or "logical" at server start.',
    });
  if (Buffer.byteLength(name, 'utf8') >= MAX_RESTORE_POINT_NAME)
    report('ERROR', {
      code: SQLSTATE.invalidParameterValue,
      message: `value too long for restore point (maximum ${MAX_RESTORE_POINT_NAME - 1} characters)`,
    });
  return xlogRestorePoint(name);
}

const PAUSE_TEXT: Readonly<Record<number, string>> = {
  [RECOVERY_PAUSE.notPaused]: 'not paused',
  [RECOVERY_PAUSE.pauseRequested]: 'pause requested',
  [RECOVERY_PAUSE.paused]: 'paused',
};

function pauseState(): number {
  requireRecovery();
  return getRecoveryPauseState();
}

const PROMOTE_FILE = 'promote';
const WAITS_PER_SECOND = 10;
/** Asks the postmaster for promotion, and waits for its end if told to. */
function promote(wait: boolean, waitSeconds: number): boolean {
  requireRecovery();
  if (waitSeconds <= 0)
    report('ERROR', {
      code: SQLSTATE.numericValueOutOfRange,
      message: '"wait_seconds" must not be negative or zero',
    });
  try {
    writeFile(PROMOTE_FILE, '');
  } catch (caught) {
    if (!(caught instanceof FileError)) throw caught;
    report('ERROR', { message: `could not create file "${PROMOTE_FILE}": ${caught.reason}` });
  }
  const failed = native.kill(myProcess.postmasterPid, SIGNAL.USR1);
  if (failed < 0) {
    report('WARNING', { message: `failed to send signal to postmaster: ${osError(failed)}` });
    removeFileIfExists(PROMOTE_FILE);
    return false;
  }
  if (!wait) return true;
  for (let i = 0; i < WAITS_PER_SECOND * waitSeconds; i++) {
    resetLatch();
    if (!recoveryInProgress()) return true;
    checkForInterrupts();
    waitLatch({ timeoutMs: 1000 / WAITS_PER_SECOND }, WAIT_EVENT.Promote);
  }
  report('WARNING', {
    message: `server did not promote within ${waitSeconds} ${waitSeconds === 1 ? 'second' : 'seconds'}`,
  });
  return false;
}

function walStatistics(): RecordDatum {
  const s = readWalStats();
  const milliseconds = (us: number): number => us / 1000;
  return record([
    ['wal_records', INT8, s.records],
    ['wal_fpi', INT8, s.fpi],
    ['wal_bytes', NUMERIC, { kind: 'numeric', unscaled: BigInt(s.walBytes), scale: 0, special: 0 }],
    ['wal_buffers_full', INT8, s.buffersFull],
    ['wal_write', INT8, s.write],
    ['wal_sync', INT8, s.sync],
    ['wal_write_time', FLOAT8, milliseconds(s.writeTime)],
    ['wal_sync_time', FLOAT8, milliseconds(s.syncTime)],
    ['stats_reset', TIMESTAMPTZ, s.resetTime],
  ]);
}

// What a transaction wrote is counted when it ends.
registerXactParticipant({
  name: 'WAL statistics',
  rank: XACT_RANK.statistics,
  atCommit: reportWalStats,
  atPrepare: reportWalStats,
  atAbort: reportWalStats,
});

registerBuiltins({
  pg_current_wal_lsn: position(getXLogWriteRecPtr),
  pg_current_wal_insert_lsn: position(getXLogInsertRecPtr),
  pg_current_wal_flush_lsn: position(getFlushRecPtr),
  pg_walfile_name: (lsn: Int8) => {
    refuseInRecovery('pg_walfile_name()');
    return fileNameOf(lsn);
  },
  pg_walfile_name_offset: (lsn: Int8) => {
    refuseInRecovery('pg_walfile_name_offset()');
    return record([
      ['file_name', TEXT, fileNameOf(lsn)],
      ['file_offset', INT4, segmentOffset(toLsn(lsn))],
    ]);
  },
  pg_switch_wal: () => {
    refuseInRecovery();
    return requestXLogSwitch(false);
  },
  pg_create_restore_point: createRestorePoint,
  pg_last_wal_replay_lsn: () => getXLogReplayRecPtr().lsn || null,
  pg_last_xact_replay_timestamp: () => getLatestXTime() || null,
  pg_is_wal_replay_paused: () => pauseState() !== RECOVERY_PAUSE.notPaused,
  pg_get_wal_replay_pause_state: () => PAUSE_TEXT[pauseState()]!,
  pg_wal_replay_pause: () => {
    requireRecovery();
    refuseDuringPromotion('pg_wal_replay_pause');
    setRecoveryPause(true);
    wakeupRecovery();
    return '';
  },
  pg_wal_replay_resume: () => {
    requireRecovery();
    refuseDuringPromotion('pg_wal_replay_resume');
    setRecoveryPause(false);
    return '';
  },
  pg_promote: promote,
  pg_stat_get_wal: walStatistics,
});
