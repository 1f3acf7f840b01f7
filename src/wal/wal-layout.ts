/** wal-layout.ts — XLogCtl: what all processes know of the write-ahead log.
 *
 *  Positions are float64 words: one store, never torn, exact below 2^53. insertingAt alone is a u64, because
 *  lwLockWaitForVar compares it.
 *  Counterpart: XLogCtlData, XLogCtlInsert of src/backend/access/transam/xlog.c; XLogRecoveryCtlData of xlogrecovery.c */
import { atomic32, bytes, f64, i32, struct, u32, u64 } from '#base/struct.ts';
import { CHECKPOINT_SIZE } from '#wal/control-file-layout.ts';

export const NUM_INSERT_LOCKS = 8;

/** One of the eight insertion locks, with its cache lines to itself. */
export const WalInsertLock = struct('WALInsertLock', 128, {
  lock: bytes(16),
  /** Everything before this position is copied; 0 while the holder has not said. Guarded by the lock's wait list. */
  insertingAt: u64(),
  lastImportantAt: f64(),
  pad: bytes(96),
});

export const WalCtl = struct('XLogCtl', 640, {
  // ── reservation: insertPosLock guards the two positions ──
  insertPosLock: atomic32(),
  pad0: bytes(4),
  currBytePos: f64(),
  prevBytePos: f64(),
  pad1: bytes(104),
  // ── changed with all insertion locks held, read with any of them ──
  redoRecPtr: f64(),
  forcePageWrites: i32(),
  fullPageWrites: i32(),
  runningBackups: i32(),
  pad2: bytes(4),
  lastBackupStart: f64(),
  pad3: bytes(96),
  // ── infoLock guards these ──
  infoLock: atomic32(),
  pad4: bytes(4),
  requestWrite: f64(),
  requestFlush: f64(),
  /** Written with infoLock and WALWriteLock, read with either. */
  resultWrite: f64(),
  resultFlush: f64(),
  /** Copy of redoRecPtr for those who hold no insertion lock. */
  infoRedoRecPtr: f64(),
  asyncXactLsn: f64(),
  checkpointNextXid: f64(),
  replicationSlotMinLsn: f64(),
  lastRemovedSegment: f64(),
  walWriterSleeping: i32(),
  /** 0 crash recovery, 1 archive recovery, 2 done. */
  recoveryState: atomic32(),
  /** Newest checkpoint record replayed: what a restartpoint can use. */
  lastCheckPointRecPtr: f64(),
  lastCheckPointEndPtr: f64(),
  lastCheckPoint: bytes(CHECKPOINT_SIZE),
  lastFpwDisableRecPtr: f64(),
  pad5: bytes(56),
  // ── WALWriteLock ──
  lastSegSwitchLsn: f64(),
  lastSegSwitchTime: f64(),
  // ── WALBufMappingLock ──
  initializedUpTo: f64(),
  // ── ulsnLock ──
  unloggedLsn: f64(),
  ulsnLock: atomic32(),
  // ── set at the end of recovery, then constant ──
  insertTimeline: u32(),
  prevTimeline: u32(),
  /** Under ControlFileLock: may segments be installed under their final names? */
  installSegmentActive: i32(),
  bufferCount: i32(),
  pad6: bytes(76),
});

/** Which page a WAL buffer holds. */
export const WalBuffer = struct('WalBuffer', 16, {
  /** Position of its end, 0 for none. */
  end: f64(),
  /** The same in pages modulo 2^32, for a look without a lock. */
  endPage: atomic32(),
  pad: bytes(4),
});

export const RecoveryCtl = struct('XLogRecoveryCtl', 128, {
  infoLock: atomic32(),
  hotStandbyActive: atomic32(),
  promoteIsTriggered: atomic32(),
  /** 0 not paused, 1 pause requested, 2 paused. */
  pauseState: i32(),
  notPausedCv: bytes(16),
  lastReplayedReadRecPtr: f64(),
  lastReplayedEndRecPtr: f64(),
  /** End of the record that is being replayed. */
  replayEndRecPtr: f64(),
  lastReplayedTimeline: u32(),
  replayEndTimeline: u32(),
  /** TimestampTz, 0 for none. */
  recoveryLastXTime: f64(),
  currentChunkStartTime: f64(),
  /** PGPROC number of the process to wake for new WAL, -1 for none. */
  wakeupProc: i32(),
  pad: bytes(44),
});

/** Totals of pg_stat_wal. */
export const WalTotalsLayout = struct('PgStatShared_Wal', 128, {
  lock: atomic32(),
  pad0: bytes(4),
  records: f64(),
  fpi: f64(),
  walBytes: f64(),
  buffersFull: f64(),
  write: f64(),
  sync: f64(),
  /** Microseconds. */
  writeTime: f64(),
  syncTime: f64(),
  /** TimestampTz. */
  resetTime: f64(),
  pad: bytes(48),
});
