/** variable-cache.ts — where the counters of transaction ids and OIDs lie in shared memory, and their access.
 *  Counterpart: ShmemVariableCache of src/backend/access/transam/varsup.c */
import type { FullTransactionId, TransactionId } from '#base/ids.ts';
import { FIRST_NORMAL_XID, xidPrecedes } from '#base/xid.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';
import { VariableCache } from '#transam/transam-layout.ts';

let at = -1;
/** Address of the one VariableCache. */
export const variableCacheAt = (): number => at;

export const variableCacheShmem: ShmemSubsystem = {
  name: 'VariableCache',
  request: () => requestShmemSpace(VariableCache.SIZE),
  init() {
    const found = shmemInitStruct('VariableCache', VariableCache.SIZE);
    at = found.at;
    if (found.found) return;
    VariableCache.clogGroupFirst.store(mem, at, -1);
    VariableCache.procArrayGroupFirst.store(mem, at, -1);
    // Until recovery has read them from the checkpoint: as in a cluster in which nothing has ever run.
    VariableCache.nextXid.set(mem, at, FIRST_NORMAL_XID);
    VariableCache.latestCompletedXid.set(mem, at, FIRST_NORMAL_XID - 1);
    VariableCache.oldestXid.set(mem, at, FIRST_NORMAL_XID);
    VariableCache.oldestClogXid.set(mem, at, FIRST_NORMAL_XID);
    // Zero is the count of a snapshot that was never taken.
    VariableCache.completionCount.set(mem, at, 1);
  },
};

/** nextXid without a lock: for the startup process, and whoever holds XidGenLock. */
export const nextFullXidUnlocked = (): FullTransactionId => VariableCache.nextXid.get(mem, at) as FullTransactionId;
/** Is there shared transaction state at all? Not in a program that has no shared memory. */
export const transamAttached = (): boolean => at >= 0;

/** Before the CLOG is cut: who looks up an xid that it was given checks it against this first. */
export function advanceOldestClogXid(oldest: TransactionId): void {
  const lock = mainLWLock('XactTruncation');
  lwLockAcquire(lock, 'exclusive');
  if (xidPrecedes(VariableCache.oldestClogXid.get(mem, at) as TransactionId, oldest))
    VariableCache.oldestClogXid.set(mem, at, oldest);
  lwLockRelease(lock);
}
