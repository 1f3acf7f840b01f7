/** control-file-layout.ts — the 296 bytes of pg_control, and the checkpoint that stands in it and in WAL.
 *
 *  The file is 8192 bytes, the rest zero, because a reader of another version must be able to read as much as it
 *  expects. The CRC covers bytes 0 to 287.
 *  Counterpart: src/include/catalog/pg_control.h */
import { bool8, bytes, f64, i32, i64, struct, u32, u64 } from '#base/struct.ts';

export const PG_CONTROL_VERSION = 1300;
export const CATALOG_VERSION_NO = 202209061;
export const CONTROL_FILE_SIZE = 8192;
export const CONTROL_FILE_PATH = 'global/pg_control';
export const CONTROL_CRC_OFFSET = 288;
export const FLOAT_FORMAT = 1234567.0;
export const FIRST_UNLOGGED_LSN = 1000;
export const MOCK_AUTH_NONCE_LENGTH = 32;

export const DB_STATE = {
  startup: 0,
  shutdowned: 1,
  shutdownedInRecovery: 2,
  shutdowning: 3,
  inCrashRecovery: 4,
  inArchiveRecovery: 5,
  inProduction: 6,
} as const;

export const CHECKPOINT_SIZE = 88;
export const CheckPointLayout = struct('CheckPoint', CHECKPOINT_SIZE, {
  redo: u64(),
  thisTimeline: u32(),
  prevTimeline: u32(),
  fullPageWrites: bool8(),
  pad0: bytes(7),
  nextXid: u64(),
  nextOid: u32(),
  nextMulti: u32(),
  nextMultiOffset: u32(),
  oldestXid: u32(),
  oldestXidDb: u32(),
  oldestMulti: u32(),
  oldestMultiDb: u32(),
  pad1: bytes(4),
  time: i64(),
  oldestCommitTsXid: u32(),
  newestCommitTsXid: u32(),
  oldestActiveXid: u32(),
  pad2: bytes(4),
});

export const ControlFileLayout = struct('ControlFileData', 296, {
  /** More than 2^53: read as bytes. */
  systemIdentifier: bytes(8),
  pgControlVersion: u32(),
  catalogVersion: u32(),
  state: u32(),
  pad0: bytes(4),
  time: i64(),
  checkPoint: u64(),
  checkPointCopy: bytes(CHECKPOINT_SIZE),
  unloggedLsn: u64(),
  minRecoveryPoint: u64(),
  minRecoveryPointTli: u32(),
  pad1: bytes(4),
  backupStartPoint: u64(),
  backupEndPoint: u64(),
  backupEndRequired: bool8(),
  pad2: bytes(3),
  walLevel: i32(),
  walLogHints: bool8(),
  pad3: bytes(3),
  maxConnections: i32(),
  maxWorkerProcesses: i32(),
  maxWalSenders: i32(),
  maxPreparedXacts: i32(),
  maxLocksPerXact: i32(),
  trackCommitTimestamp: bool8(),
  pad4: bytes(3),
  maxAlign: u32(),
  floatFormat: f64(),
  blcksz: u32(),
  relsegSize: u32(),
  xlogBlcksz: u32(),
  xlogSegSize: u32(),
  nameDataLen: u32(),
  indexMaxKeys: u32(),
  toastMaxChunkSize: u32(),
  loblksize: u32(),
  float8ByVal: bool8(),
  pad5: bytes(3),
  dataChecksumVersion: u32(),
  mockAuthNonce: bytes(MOCK_AUTH_NONCE_LENGTH),
  crc: u32(),
  pad6: bytes(4),
});
