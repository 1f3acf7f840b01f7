/** transam-layout.ts — what all processes know of transactions as a whole.
 *
 *  Guards: nextOid, oidCount – OidGenLock; nextXid to oldestXidDb – XidGenLock; commit timestamp bounds – CommitTsLock;
 *  latestCompletedXid, completionCount – ProcArrayLock; oldestClogXid – XactTruncationLock.
 *  Counterpart: VariableCacheData of src/include/access/transam.h, ProcArrayStruct of procarray.c, and the control
 *  blocks of multixact.c, commit_ts.c and twophase.c */
import { atomic32, bytes, cstring, i32, i64, struct, u16, u32, u64, u8 } from '#base/struct.ts';

export const VariableCache = struct('VariableCache', 128, {
  nextOid: u32(),
  /** OIDs that may be handed out before the next XLOG_NEXTOID. */
  oidCount: u32(),
  /** Full id. */
  nextXid: u64(),
  oldestXid: u32(),
  xidVacLimit: u32(),
  xidWarnLimit: u32(),
  xidStopLimit: u32(),
  xidWrapLimit: u32(),
  oldestXidDb: u32(),
  oldestCommitTsXid: u32(),
  newestCommitTsXid: u32(),
  /** Full id: the newest xid that has ended. */
  latestCompletedXid: u64(),
  /** Transactions with an xid that have ended, plus 1: equal counts make a snapshot reusable. */
  completionCount: u64(),
  oldestClogXid: u32(),
  /** Heads of the lists of processes whose work a leader does for them: PGPROC numbers, -1 when empty. */
  clogGroupFirst: atomic32(),
  procArrayGroupFirst: atomic32(),
  pad: bytes(52),
});

/** Behind it: PGPROC numbers, xids, subxid states (u16), status flags (u8), next local xid per backend id. */
export const ProcArrayHeader = struct('ProcArrayHeader', 64, {
  procCount: i32(),
  maxProcs: i32(),
  replicationSlotXmin: u32(),
  replicationSlotCatalogXmin: u32(),
  lastOverflowedXid: u32(),
  pad: bytes(44),
});

/** Behind it: oldest member and oldest visible multixact of each backend id and prepared transaction (u32 each). */
export const MultiXactState = struct('MultiXactState', 128, {
  nextMulti: u32(),
  nextOffset: u32(),
  finishedStartup: u8(),
  oldestOffsetKnown: u8(),
  pad0: bytes(2),
  oldestMulti: u32(),
  oldestMultiDb: u32(),
  /** Oldest multixact offset that may still be read; valid if oldestOffsetKnown. */
  oldestOffset: u32(),
  multiVacLimit: u32(),
  multiWarnLimit: u32(),
  multiStopLimit: u32(),
  multiWrapLimit: u32(),
  /** Members may not reach this offset. */
  offsetStopLimit: u32(),
  pad: bytes(84),
});

export const CommitTsShared = struct('CommitTsShared', 64, {
  active: u8(),
  pad0: bytes(3),
  lastXid: u32(),
  lastTime: i64(),
  lastNode: u16(),
  pad: bytes(46),
});

/** Behind it: `maxPrepared` entries. Guarded by TwoPhaseStateLock. */
export const TwoPhaseHeader = struct('TwoPhaseShared', 64, {
  /** Index of the first unused entry, -1 for none. */
  freeFirst: i32(),
  preparedCount: i32(),
  pad: bytes(56),
});

export const GID_SIZE = 200;
/** A prepared transaction. `preparedOrder[i]` after the entries holds the indexes of those in use. */
export const PreparedXact = struct('PreparedXact', 256, {
  freeNext: i32(),
  /** Dummy PGPROC that stands for it. */
  procNumber: i32(),
  preparedAt: i64(),
  /** Of the prepare record in the WAL. */
  startLsn: u64(),
  endLsn: u64(),
  xid: u32(),
  owner: u32(),
  /** Backend id of who works on it, 0 for nobody. */
  lockingBackend: i32(),
  /** It is complete: visible as prepared. */
  valid: u8(),
  /** Its state is in a file: it outlived a checkpoint. */
  onDisk: u8(),
  /** It was found in WAL or a file during recovery. */
  inRedo: u8(),
  pad: bytes(1),
  gid: cstring(GID_SIZE),
  pad1: bytes(8),
});

/** Transactions of the primary that a standby believes to run. Behind it: xids (u32 each), valid flags (u8 each).
 *  head and tail move under `lock`; everything else is guarded by ProcArrayLock. */
export const KnownAssigned = struct('KnownAssignedXids', 64, {
  lock: atomic32(),
  max: i32(),
  count: i32(),
  tail: i32(),
  head: i32(),
  pad: bytes(44),
});
