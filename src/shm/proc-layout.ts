/** proc-layout.ts — PGPROC and its header: one slot per process that takes part in shared memory.
 *
 *  Order of the array: clients, autovacuum workers and launcher, background workers, walsenders, auxiliary processes.
 *  Each class has its own free list in the header, so that one class can never use up another's slots. */
import { atomic32, bytes, i32, struct, u32, u64, u8 } from '#base/struct.ts';

/** is_set and maybe_sleeping are what native-shm's signal handlers touch. */
export const Latch = struct('Latch', 16, {
  isSet: atomic32(),
  maybeSleeping: atomic32(),
  ownerPid: atomic32(),
  pad: bytes(4),
});

export const PgProc = struct('PgProc', 256, {
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
  pad2: bytes(148),
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
