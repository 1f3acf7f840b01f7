/** xlog-redo.ts — the resource manager XLOG: checkpoints, oid counters, page images, parameters of the primary.
 *  Counterpart: xlog_redo() of src/backend/access/transam/xlog.c, src/backend/access/rmgrdesc/xlogdesc.c */
import type { Lsn, Oid } from '#base/ids.ts';
import { xidOfFull, xidPrecedes } from '#base/xid.ts';
import { report } from '#runtime/error/report.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { mem } from '#shm/memory.ts';
import { unlockReleaseBuffer } from '#storage/buffer/buffer-lock.ts';
import { REDO, xlogReadBufferForRedo } from '#storage/buffer/redo-buffers.ts';
import { commitTsParameterChange } from '#transam/commit-ts.ts';
import { multiXactAdvanceNextMXact, multiXactAdvanceOldest, multiXactSetNextMXact } from '#transam/multixact-redo.ts';
import { standbyShutdownCheckpoint } from '#transam/startup.ts';
import { VariableCache } from '#transam/transam-layout.ts';
import { variableCacheAt } from '#transam/variable-cache.ts';
import { readXidLimits, setNextObjectId, setTransactionIdLimit } from '#transam/xid-generator.ts';
import { timestampText } from '#transam/xact-describe.ts';
import { checkRequiredParameters } from '#recovery/required-parameters.ts';
import { recovery } from '#recovery/recovery-vars.ts';
import { noteSafeRestartPoint } from '#recovery/restartpoint.ts';
import { type CheckPoint, readCheckPoint } from '#wal/check-point.ts';
import { CheckPointLayout } from '#wal/control-file-layout.ts';
import { controlFile, controlFileLock, updateControlFile } from '#wal/control-file.ts';
import { localMinRecoveryPoint, setLocalMinRecoveryPoint } from '#wal/flush.ts';
import type { DecodedRecord } from '#wal/reader.ts';
import { getCurrentReplayRecPtr, replay, STANDBY } from '#wal/recovery-state.ts';
import type { RmgrRow } from '#wal/rmgr.ts';
import { lsnText, WAL_LEVEL_NAMES, XLOG, XLR_INFO_MASK } from '#wal/wal-format.ts';
import { WalCtl } from '#wal/wal-layout.ts';
import { lockInfo, unlockInfo, walAt } from '#wal/wal-shmem.ts';

const opOf = (record: DecodedRecord): number => record.info & ~XLR_INFO_MASK;

function setNextXid(next: number, onlyForward: boolean): void {
  const lock = mainLWLock('XidGen');
  lwLockAcquire(lock, 'exclusive');
  const cache = variableCacheAt();
  if (!onlyForward || VariableCache.nextXid.get(mem, cache) < next) VariableCache.nextXid.set(mem, cache, next);
  lwLockRelease(lock);
}

function redoCheckpoint(record: DecodedRecord, isShutdown: boolean): void {
  const checkPoint = readCheckPoint(mem, record.mainAt);
  setNextXid(checkPoint.nextXid, !isShutdown);
  if (isShutdown) {
    setNextObjectId(checkPoint.nextOid);
    multiXactSetNextMXact(checkPoint.nextMulti, checkPoint.nextMultiOffset);
    multiXactAdvanceOldest(checkPoint.oldestMulti, checkPoint.oldestMultiDb);
    setTransactionIdLimit(checkPoint.oldestXid, checkPoint.oldestXidDb);
    // The primary stopped without ending its backup: the record that would end it will never come.
    if (replay.archiveRecoveryRequested && controlFile.backupStartPoint !== 0 && controlFile.backupEndPoint === 0)
      report('PANIC', { message: 'online backup was canceled, recovery cannot continue' });
    if (replay.standbyState >= STANDBY.initialized) standbyShutdownCheckpoint(checkPoint);
  } else {
    // nextOid of an online checkpoint is older than what XLOG_NEXTOID records have said.
    multiXactAdvanceNextMXact(checkPoint.nextMulti, checkPoint.nextMultiOffset);
    multiXactAdvanceOldest(checkPoint.oldestMulti, checkPoint.oldestMultiDb);
    if (xidPrecedes(readXidLimits().oldestXid, checkPoint.oldestXid))
      setTransactionIdLimit(checkPoint.oldestXid, checkPoint.oldestXidDb);
  }
  rememberXid(checkPoint);
  const { timeline } = getCurrentReplayRecPtr();
  if (checkPoint.thisTimeline !== timeline)
    report('PANIC', {
      message: `unexpected timeline ID ${checkPoint.thisTimeline} (should be ${timeline}) in checkpoint record`,
    });
  noteSafeRestartPoint(checkPoint, record);
}

/** checkPointCopy shows the newest xid, whatever restartpoint it belongs to. */
function rememberXid(checkPoint: CheckPoint): void {
  lwLockAcquire(controlFileLock(), 'exclusive');
  controlFile.checkPointCopy = { ...controlFile.checkPointCopy, nextXid: checkPoint.nextXid };
  lwLockRelease(controlFileLock());
  WalCtl.checkpointNextXid.set(mem, walAt.ctl, checkPoint.nextXid);
}

function redoPageImages(record: DecodedRecord): void {
  for (let id = 0; id <= record.maxBlockId; id++) {
    const block = record.blocks[id]!;
    if (!block.inUse) continue;
    if (!block.hasImage) {
      if (opOf(record) === XLOG.fpi) report('ERROR', { message: 'XLOG_FPI record did not contain full-page image' });
      // A hint bit's image may have been left out, when full page writes were off.
      continue;
    }
    const { action, buffer } = xlogReadBufferForRedo(record, id);
    if (action !== REDO.restored)
      report('ERROR', { message: 'unexpected XLogReadBufferForRedo result when restoring backup block' });
    unlockReleaseBuffer(buffer);
  }
}

function redoParameterChange(record: DecodedRecord): void {
  const { view } = mem;
  const at = record.mainAt;
  lwLockAcquire(controlFileLock(), 'exclusive');
  controlFile.maxConnections = view.getInt32(at, true);
  controlFile.maxWorkerProcesses = view.getInt32(at + 4, true);
  controlFile.maxWalSenders = view.getInt32(at + 8, true);
  controlFile.maxPreparedXacts = view.getInt32(at + 12, true);
  controlFile.maxLocksPerXact = view.getInt32(at + 16, true);
  controlFile.walLevel = view.getInt32(at + 20, true);
  controlFile.walLogHints = view.getUint8(at + 24) !== 0;
  // An aborted recovery must come back here before it lets anybody in.
  if (replay.inArchiveRecovery) setLocalMinRecoveryPoint(controlFile.minRecoveryPoint, controlFile.minRecoveryPointTli);
  if (localMinRecoveryPoint() !== 0 && localMinRecoveryPoint() < record.endLsn) {
    controlFile.minRecoveryPoint = record.endLsn;
    controlFile.minRecoveryPointTli = getCurrentReplayRecPtr().timeline;
  }
  const trackCommits = view.getUint8(at + 25) !== 0;
  commitTsParameterChange(trackCommits);
  controlFile.trackCommitTimestamp = trackCommits;
  updateControlFile();
  lwLockRelease(controlFileLock());
  checkRequiredParameters();
}

function redoFpwChange(record: DecodedRecord): void {
  const on = mem.u8[record.mainAt] !== 0;
  // A backup taken from a standby needs images from its start to its end.
  if (!on) {
    lockInfo();
    if (WalCtl.lastFpwDisableRecPtr.get(mem, walAt.ctl) < record.lsn)
      WalCtl.lastFpwDisableRecPtr.set(mem, walAt.ctl, record.lsn);
    unlockInfo();
  }
  recovery.lastFullPageWrites = on;
}

function redo(record: DecodedRecord): void {
  switch (opOf(record)) {
    case XLOG.nextOid:
      setNextObjectId(mem.view.getUint32(record.mainAt, true) as Oid);
      break;
    case XLOG.checkpointShutdown:
      redoCheckpoint(record, true);
      break;
    case XLOG.checkpointOnline:
      redoCheckpoint(record, false);
      break;
    case XLOG.endOfRecovery: {
      const timeline = mem.view.getUint32(record.mainAt + 8, true);
      const replayTimeline = getCurrentReplayRecPtr().timeline;
      if (timeline !== replayTimeline)
        report('PANIC', {
          message: `unexpected timeline ID ${timeline} (should be ${replayTimeline}) in end-of-recovery record`,
        });
      break;
    }
    case XLOG.fpi:
    case XLOG.fpiForHint:
      redoPageImages(record);
      break;
    case XLOG.parameterChange:
      redoParameterChange(record);
      break;
    case XLOG.fpwChange:
      redoFpwChange(record);
      break;
    default:
    // Switch, noop, restore point, end of backup, overwrite-contrecord: nothing to apply.
  }
}

const NAMES: Readonly<Record<number, string>> = {
  [XLOG.checkpointShutdown]: 'CHECKPOINT_SHUTDOWN',
  [XLOG.checkpointOnline]: 'CHECKPOINT_ONLINE',
  [XLOG.noop]: 'NOOP',
  [XLOG.nextOid]: 'NEXTOID',
  [XLOG.switch]: 'SWITCH',
  [XLOG.backupEnd]: 'BACKUP_END',
  [XLOG.parameterChange]: 'PARAMETER_CHANGE',
  [XLOG.restorePoint]: 'RESTORE_POINT',
  [XLOG.fpwChange]: 'FPW_CHANGE',
  [XLOG.endOfRecovery]: 'END_OF_RECOVERY',
  [XLOG.overwriteContrecord]: 'OVERWRITE_CONTRECORD',
  [XLOG.fpi]: 'FPI',
  [XLOG.fpiForHint]: 'FPI_FOR_HINT',
};

function describeCheckpoint(c: CheckPoint, isShutdown: boolean): string {
  const epoch = Math.floor(c.nextXid / 0x1_0000_0000);
  return (
    `redo ${lsnText(c.redo)}; tli ${c.thisTimeline}; prev tli ${c.prevTimeline}; fpw ${c.fullPageWrites}; ` +
    `xid ${epoch}:${xidOfFull(c.nextXid)}; oid ${c.nextOid}; multi ${c.nextMulti}; offset ${c.nextMultiOffset}; ` +
    `oldest xid ${c.oldestXid} in DB ${c.oldestXidDb}; oldest multi ${c.oldestMulti} in DB ${c.oldestMultiDb}; ` +
    `oldest/newest commit timestamp xid: ${c.oldestCommitTsXid}/${c.newestCommitTsXid}; ` +
    `oldest running xid ${c.oldestActiveXid}; ${isShutdown ? 'shutdown' : 'online'}`
  );
}
function describeParameters(at: number): string {
  const { view } = mem;
  const int = (i: number): number => view.getInt32(at + 4 * i, true);
  const onOff = (offset: number): string => (view.getUint8(at + offset) !== 0 ? 'on' : 'off');
  return (
    `max_connections=${int(0)} max_worker_processes=${int(1)} max_wal_senders=${int(2)} ` +
    `max_prepared_xacts=${int(3)} max_locks_per_xact=${int(4)} wal_level=${WAL_LEVEL_NAMES[int(5)] ?? '?'} ` +
    `wal_log_hints=${onOff(24)} track_commit_timestamp=${onOff(25)}`
  );
}
const lsnAt = (at: number): Lsn =>
  (mem.view.getUint32(at + 4, true) * 0x1_0000_0000 + mem.view.getUint32(at, true)) as Lsn;
const timeAt = (at: number): string => timestampText(Number(mem.view.getBigInt64(at, true)));

function describe(record: DecodedRecord): string {
  const { view } = mem;
  const at = record.mainAt;
  const op = opOf(record);
  switch (op) {
    case XLOG.checkpointShutdown:
    case XLOG.checkpointOnline:
      return describeCheckpoint(readCheckPoint(mem, at), op === XLOG.checkpointShutdown);
    case XLOG.nextOid:
      return String(view.getUint32(at, true));
    case XLOG.restorePoint: {
      const bytes = Buffer.from(mem.u8.slice(at + 8, at + 72));
      return bytes.subarray(0, Math.max(0, bytes.indexOf(0))).toString('utf8');
    }
    case XLOG.backupEnd:
      return lsnText(lsnAt(at));
    case XLOG.parameterChange:
      return describeParameters(at);
    case XLOG.fpwChange:
      return mem.u8[at] !== 0 ? 'true' : 'false';
    case XLOG.endOfRecovery:
      return `tli ${view.getUint32(at + 8, true)}; prev tli ${view.getUint32(at + 12, true)}; time ${timeAt(at)}`;
    case XLOG.overwriteContrecord:
      return `lsn ${lsnText(lsnAt(at))}; time ${timeAt(at + 8)}`;
    default:
      return '';
  }
}

export const xlogRmgr: RmgrRow = {
  name: 'XLOG',
  redo,
  describe,
  identify: (info) => NAMES[info & ~XLR_INFO_MASK] ?? null,
};
/** Timelines in a record that may switch: [new, previous], or undefined. */
export function timelinesOf(record: DecodedRecord): readonly [number, number] | undefined {
  const op = opOf(record);
  const { view } = mem;
  if (op === XLOG.checkpointShutdown)
    return [
      CheckPointLayout.thisTimeline.get(mem, record.mainAt),
      CheckPointLayout.prevTimeline.get(mem, record.mainAt),
    ];
  if (op === XLOG.endOfRecovery)
    return [view.getUint32(record.mainAt + 8, true), view.getUint32(record.mainAt + 12, true)];
  return undefined;
}
