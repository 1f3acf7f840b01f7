/** proc-layout.ts — PGPROC and its header: one slot per process that takes part in shared memory.
 *
 *  Order of the array: clients, autovacuum workers and launcher, background workers, walsenders, auxiliary processes.
 *  Each class has its own free list in the header, so that one class can never use up another's slots. */
import { array, atomic32, bytes, f64, i32, struct, u32, u64, u8 } from '#base/struct.ts';

/** is_set and maybe_sleeping are what native-shm's signal handlers touch. */
export const Latch = struct('Latch', 16, {
  isSet: atomic32(),
  maybeSleeping: atomic32(),
  ownerPid: atomic32(),
  pad: bytes(4),
});

export const PgProc = struct('PgProc', 832, {
  /** Counting semaphore on which the process sleeps for LWLocks; its word is a futex. */
  semaphore: atomic32(),
  pid: atomic32(),
  latch: bytes(16),
  /** Next in its free list, -1 at the end. Guarded by ProcStructLock. */
  freeNext: i32(),
  procNumber: i32(),
  backendId: i32(),
  databaseId: u32(),
  roleId: u32(),
  isBackgroundWorker: u8(),
  /** 0 none, 1 LWLock waiter: what the slot's owner was when it took the slot. */
  processClass: u8(),
  statusFlags: u8(),
  pad0: bytes(1),
  /** 0 not waiting, 1 waiting, 2 removed from the list, wake-up pending. */
  lwWaiting: atomic32(),
  lwWaitMode: i32(),
  lwWaitNext: i32(),
  lwWaitPrev: i32(),
  cvWaitNext: i32(),
  cvWaitPrev: i32(),
  /** 1 while on the wake-up list of a condition variable. */
  cvWaiting: i32(),
  waitEventInfo: atomic32(),
  xid: u32(),
  xmin: u32(),
  localTransactionId: u32(),
  pad1: bytes(4),
  waitLsn: u64(),
  lockGroupLeader: i32(),
  tempNamespaceId: u32(),
  recoveryConflictPending: u8(),
  pad2: bytes(3),
  // ── transactions (transam) ──
  /** DELAY_CHKPT_* bits: a checkpoint must wait for me. */
  delayChkptFlags: atomic32(),
  /** Index in the ProcArray's dense arrays, -1 while not in it. Guarded by ProcArrayLock. */
  xactOffset: i32(),
  /** Group clearing of xids: 1 while waiting for the leader; next PGPROC of the list, -1 at its end. */
  procArrayGroupMember: atomic32(),
  procArrayGroupNext: atomic32(),
  procArrayGroupMemberXid: u32(),
  /** Group update of the CLOG, the same way. */
  clogGroupMember: atomic32(),
  clogGroupNext: atomic32(),
  clogGroupMemberXid: u32(),
  clogGroupMemberStatus: u32(),
  clogGroupMemberPage: i32(),
  pad5: bytes(4),
  clogGroupMemberLsn: u64(),
  /** Cache of my subtransactions' xids; overflowed: there are more than `subxids` holds. */
  subxidCount: u8(),
  subxidOverflowed: u8(),
  pad3: bytes(86),
  // ── heavyweight locks (storage/lmgr); guarded by the partition lock of the awaited lock ──
  /** 0 OK, 1 waiting, 2 error: why a sleeper in ProcSleep was woken. */
  waitStatus: atomic32(),
  /** Shared lock, its PROCLOCK and mode while waiting; 0 otherwise. */
  waitLock: u32(),
  waitProcLock: u32(),
  waitLockMode: i32(),
  /** Modes that this process held on the awaited lock when it began to wait. */
  heldLocks: i32(),
  /** Neighbours in the wait queue, as PGPROC numbers; -1 ends. */
  waitNext: i32(),
  waitPrev: i32(),
  waitQueued: i32(),
  /** TimestampTz at which deadlock_timeout was armed, 0 while not waiting. */
  waitStart: f64(),
  /** Lock group: members of a leader's list (itself among them), -1 ends. Guarded by the group's partition lock. */
  lockGroupFirst: i32(),
  lockGroupNext: i32(),
  lockGroupPrev: i32(),
  lockGroupPid: i32(),
  /** LWLock over the fast-path fields. */
  fpInfoLock: bytes(16),
  fpVxidLock: i32(),
  fpLocalTransactionId: u32(),
  /** Per slot a mask of modes 1 to 3 (bits 0 to 2) and the relation. */
  fpModes: bytes(16),
  fpRelIds: array(16, 4, 4),
  /** Per lock partition the PROCLOCKs of this process: {first, last} offsets, 0 for none. */
  procLocks: array(16, 8, 8),
  pad4: bytes(32),
  subxids: array(64, 4, 4),
});

export const PROC_CLASSES = ['client', 'autovacuum', 'bgworker', 'walsender', 'auxiliary'] as const;
export type ProcClass = (typeof PROC_CLASSES)[number];

export const ProcHeader = struct('ProcHeader', 128, {
  /** ProcStructLock. */
  lock: atomic32(),
  procCount: i32(),
  freeClient: i32(),
  freeAutovacuum: i32(),
  freeBgworker: i32(),
  freeWalsender: i32(),
  freeAuxiliary: i32(),
  /** PGPROC numbers of processes that others wake, -1 when absent. */
  walWriterProc: atomic32(),
  checkpointerProc: atomic32(),
  archiverProc: atomic32(),
  startupProc: atomic32(),
  backgroundWriterProc: atomic32(),
  spinsPerDelay: i32(),
  pad: bytes(76),
});
