/** lock-layout.ts — the shared lock table: locks, who holds or awaits them, and the counters of strong locks.
 *
 *  LOCK is one lockable object, PROCLOCK one process's share in it. Both lie in hash tables of sixteen partitions chosen
 *  by the low bits of the tag's hash; a partition's LWLock guards everything of its locks: both records, their lists and
 *  the wait queue's fields in PGPROC. Pointers are offsets, 0 for none; processes are PGPROC numbers, -1 for none. */
import { array, atomic32, bytes, i32, struct, u16, u32, u8 } from '#base/struct.ts';

export const LOG2_LOCK_PARTITIONS = 4;
export const LOCK_PARTITIONS = 16;
export const FAST_PATH_SLOTS = 16;
export const FAST_PATH_STRONG_PARTITIONS = 1024;

export const LockTagBytes = struct('LockTag', 16, {
  field1: u32(),
  field2: u32(),
  field3: u32(),
  field4: u16(),
  type: u8(),
  method: u8(),
});

export const Lock = struct('Lock', 144, {
  tag: bytes(16),
  hash: i32(),
  hashNext: u32(),
  /** Modes granted, modes awaited. */
  grantMask: i32(),
  waitMask: i32(),
  procLockFirst: u32(),
  procLockLast: u32(),
  waitFirst: i32(),
  waitLast: i32(),
  waitSize: i32(),
  requestedCount: i32(),
  grantedCount: i32(),
  /** By mode; requests include those granted. */
  requested: array(10, 4, 4),
  granted: array(10, 4, 4),
  pad: bytes(4),
});

export const ProcLock = struct('ProcLock', 48, {
  lock: u32(),
  proc: i32(),
  hashNext: u32(),
  /** Leader of the process's lock group, or the process itself. */
  groupLeader: i32(),
  holdMask: i32(),
  /** Work space of lockReleaseAll. */
  releaseMask: i32(),
  /** In the list of the lock. */
  lockNext: u32(),
  lockPrev: u32(),
  /** In the list of the process. */
  procNext: u32(),
  procPrev: u32(),
  pad: bytes(8),
});

/** One per partition and table. Entries of an empty list are borrowed from the others. */
export const LockFreeList = struct('LockFreeList', 16, {
  mutex: atomic32(),
  head: u32(),
  count: i32(),
  pad: bytes(4),
});

export const LockTableHeader = struct('LockTableHeader', 64, {
  maxLocks: i32(),
  maxProcLocks: i32(),
  lockBuckets: i32(),
  procLockBuckets: i32(),
  pad: bytes(48),
});

/** How many strong relation locks are held or being acquired, by hash: while the count is not zero no weak lock of that
 *  hash may take the fast path. */
export const FastPathStrong = struct('FastPathStrong', 4160, {
  mutex: atomic32(),
  pad: bytes(60),
  counts: array(1024, 4, 4),
});
