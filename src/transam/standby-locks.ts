/** standby-locks.ts — on a hot standby the startup process holds the exclusive locks of the primary's transactions.
 *
 *  A lock is taken when its record is replayed and given back when the transaction's end is, or when a list of running
 *  transactions shows that it must have ended. Queries on the standby see them as anybody's locks.
 *  Counterpart: StandbyAcquireAccessExclusiveLock(), StandbyReleaseLocks() … of src/backend/storage/ipc/standby.c */
import type { Oid, TransactionId } from '#base/ids.ts';
import { xidPrecedes } from '#base/xid.ts';
import { report } from '#runtime/error/report.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { LockTag } from '#storage/lmgr/lock-tag.ts';
import { lockAcquire, lockRelease } from '#storage/lmgr/lock.ts';
import { transactionIdDidAbort, transactionIdDidCommit } from '#transam/transam.ts';
import { isPreparedXid } from '#transam/two-phase-state.ts';
import { registerXactHooks } from '#transam/xact-hooks.ts';

interface HeldLock {
  readonly databaseId: Oid;
  readonly relationId: Oid;
}
const held = new Map<TransactionId, HeldLock[]>();
const tag = new LockTag();

function acquire(xid: TransactionId, databaseId: Oid, relationId: Oid): void {
  // A list of locks may come after the end of one of its transactions.
  if (xid === 0 || transactionIdDidCommit(xid) || transactionIdDidAbort(xid)) return;
  report('DEBUG4', { message: `adding recovery lock: db ${databaseId} rel ${relationId}` });
  const list = held.get(xid) ?? [];
  if (list.some((one) => one.databaseId === databaseId && one.relationId === relationId)) return;
  list.push({ databaseId, relationId });
  held.set(xid, list);
  lockAcquire(tag.setRelation(databaseId, relationId), LOCK.accessExclusive, true, false);
}
function release(xid: TransactionId): void {
  for (const { databaseId, relationId } of held.get(xid) ?? [])
    if (!lockRelease(tag.setRelation(databaseId, relationId), LOCK.accessExclusive, true))
      report('LOG', {
        message: `RecoveryLockLists contains entry for lock no longer recorded by lock manager: xid ${xid} database ${databaseId} relation ${relationId}`,
      });
  held.delete(xid);
}
/** Recovery is over: whoever runs now holds its own. */
export function standbyReleaseAllLocks(): void {
  for (const xid of [...held.keys()]) release(xid);
}

registerXactHooks({
  standbyAcquireLock: acquire,
  standbyReleaseLockTree(xid, subxids) {
    release(xid);
    for (const sub of subxids) release(sub);
  },
  standbyReleaseOldLocks(oldestRunning) {
    for (const xid of [...held.keys()]) if (!isPreparedXid(xid) && xidPrecedes(xid, oldestRunning)) release(xid);
  },
});
