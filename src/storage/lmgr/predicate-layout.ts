/** predicate-layout.ts — the shared structures of serializable snapshot isolation.
 *
 *  A serializable transaction (Sxact) has lists of the predicate locks it holds and of its rw-conflicts in both
 *  directions. A lock stands in the list of its target and in that of its transaction; a conflict in one list of each of
 *  its two transactions. Links are those of shm/shm-queue.ts; references are offsets, 0 for none.
 *  Counterpart: src/include/storage/predicate_internals.h */
import { bytes, f64, i32, struct, u32 } from '#base/struct.ts';

export const LOG2_PREDICATE_PARTITIONS = 4;
export const PREDICATE_PARTITIONS = 16;

/** Commit sequence numbers count prepares and commits of serializable transactions. */
export const INVALID_SEQ_NO = Number.POSITIVE_INFINITY;
/** Prepared transactions that came back from disk: before everything of this run. */
export const RECOVERY_SEQ_NO = 1;
export const FIRST_NORMAL_SEQ_NO = 2;

export const SXACT = {
  committed: 0x001,
  prepared: 0x002,
  rolledBack: 0x004,
  /** Will roll back: conflicts with it count no more. */
  doomed: 0x008,
  /** Has a conflict out to a transaction that committed before it: see earliestOutConflictCommit. */
  conflictOut: 0x010,
  readOnly: 0x020,
  deferrableWaiting: 0x040,
  roSafe: 0x080,
  roUnsafe: 0x100,
  /** Conflicts with transactions that were summarised: who they were is no longer known. */
  summaryConflictIn: 0x200,
  summaryConflictOut: 0x400,
  partiallyReleased: 0x800,
} as const;

export const Sxact = struct('SerializableXact', 128, {
  /** In the list of active or available ones. */
  link: bytes(8),
  backendId: i32(),
  localTransactionId: u32(),
  prepareSeqNo: f64(),
  commitSeqNo: f64(),
  /** Once it has a conflict out to a committed transaction: when the first of these was prepared. Before: when the last
   *  transaction committed whose work it sees. */
  earliestOutConflictCommit: f64(),
  lastCommitBeforeSnapshot: f64(),
  outConflicts: bytes(8),
  inConflicts: bytes(8),
  predicateLocks: bytes(8),
  finishedLink: bytes(8),
  /** Of a read-write transaction: read-only ones that it may make unsafe; of a read-only one: those that may do so. */
  possibleUnsafeConflicts: bytes(8),
  topXid: u32(),
  /** Next xid when it ended. */
  finishedBefore: u32(),
  xmin: u32(),
  flags: i32(),
  pid: i32(),
  /** PGPROC to wake, -1 for a prepared transaction. */
  procNumber: i32(),
  /** Chain of the hash by topXid. */
  xidNext: u32(),
  inXidHash: i32(),
  pad: bytes(8),
});

export const RwConflict = struct('RwConflict', 24, {
  outLink: bytes(8),
  inLink: bytes(8),
  /** The reader, and the writer that it did not see. */
  sxactOut: u32(),
  sxactIn: u32(),
});

export const PredicateTarget = struct('PredicateTarget', 40, {
  database: u32(),
  relation: u32(),
  /** INVALID_BLOCK for the whole relation. */
  block: u32(),
  /** 0 for the whole page. */
  offset: u32(),
  hash: u32(),
  hashNext: u32(),
  locks: bytes(8),
  pad: bytes(8),
});

export const PredicateLock = struct('PredicateLock', 40, {
  target: u32(),
  sxact: u32(),
  targetLink: bytes(8),
  xactLink: bytes(8),
  /** Of summarised locks: when the last of their holders committed. */
  commitSeqNo: f64(),
  hashNext: u32(),
  pad: bytes(4),
});

export const PredicateHeader = struct('PredicateHeader', 192, {
  availableXacts: bytes(8),
  activeXacts: bytes(8),
  availableConflicts: bytes(8),
  finishedXacts: bytes(8),
  /** Oldest xmin of the active ones, and how many have it. */
  globalXmin: u32(),
  globalXminCount: i32(),
  writableCount: i32(),
  /** Holder of what is left of summarised transactions. */
  oldCommittedXact: u32(),
  lastCommitSeqNo: f64(),
  canPartialClearThrough: f64(),
  havePartialClearedThrough: f64(),
  targetBuckets: i32(),
  lockBuckets: i32(),
  xidBuckets: i32(),
  pad0: bytes(4),
  /** Free lists of targets and locks, each under the spinlock. */
  freeMutex: i32(),
  freeTargets: u32(),
  freeLocks: u32(),
  /** For a promotion to a relation lock when the table is full; of whoever holds SerializablePredicateList alone. */
  reserveTarget: u32(),
  freeTargetCount: i32(),
  freeLockCount: i32(),
  maxTargets: i32(),
  maxLocks: i32(),
  pad: bytes(72),
});

/** Of the log of summarised transactions; guarded by its SLRU's control lock. */
export const SerialControl = struct('SerialControl', 16, {
  /** Newest page in use, -1 for none. */
  headPage: i32(),
  /** Newest and oldest xid of interest, 0 for none. */
  headXid: u32(),
  tailXid: u32(),
  pad: bytes(4),
});
