/** predicate-status.ts — SIREAD locks as pg_locks shows them, and who keeps a DEFERRABLE transaction waiting.
 *  Counterpart: GetPredicateLockStatusData(), GetSafeSnapshotBlockingPids() of src/backend/storage/lmgr/predicate.c */
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { mem } from '#shm/memory.ts';
import { PredicateTarget, PredicateLock, RwConflict, SXACT, Sxact } from '#storage/lmgr/predicate-layout.ts';
import { NO_BLOCK } from '#storage/lmgr/predicate-lock.ts';
import {
  acquireAllPartitions,
  forEachActiveXact,
  forEachTarget,
  hasFlag,
  possibleUnsafeOf,
  predicateLocksAreReady,
  releaseAllPartitions,
  someInConflict,
  someLockOfTarget,
} from '#storage/lmgr/predicate-table.ts';

export interface PredicateLockInstance {
  readonly type: 'relation' | 'page' | 'tuple';
  readonly databaseId: number;
  readonly relationId: number;
  readonly block: number;
  readonly offset: number;
  readonly backendId: number;
  readonly localTransactionId: number;
  /** 0 for a prepared transaction, or one of which only its locks are left. */
  readonly pid: number;
}

export function getPredicateLockStatusData(): PredicateLockInstance[] {
  if (!predicateLocksAreReady()) return [];
  const found: PredicateLockInstance[] = [];
  acquireAllPartitions('shared');
  const lock = mainLWLock('SerializableXactHash');
  lwLockAcquire(lock, 'shared');
  forEachTarget((target) => {
    const block = PredicateTarget.block.get(mem, target);
    const offset = PredicateTarget.offset.get(mem, target);
    someLockOfTarget(target, (one) => {
      const sxact = PredicateLock.sxact.get(mem, one);
      found.push({
        type: block === NO_BLOCK ? 'relation' : offset === 0 ? 'page' : 'tuple',
        databaseId: PredicateTarget.database.get(mem, target),
        relationId: PredicateTarget.relation.get(mem, target),
        block,
        offset,
        backendId: Sxact.backendId.get(mem, sxact),
        localTransactionId: Sxact.localTransactionId.get(mem, sxact),
        pid: Sxact.pid.get(mem, sxact),
      });
    });
  });
  lwLockRelease(lock);
  releaseAllPartitions();
  return found;
}

/** Writers whose end the process waits for; empty unless it waits for a safe snapshot. */
export function getSafeSnapshotBlockingPids(pid: number): number[] {
  if (!predicateLocksAreReady()) return [];
  const found: number[] = [];
  const lock = mainLWLock('SerializableXactHash');
  lwLockAcquire(lock, 'shared');
  let waiting = 0;
  forEachActiveXact((sxact) => {
    if (waiting === 0 && Sxact.pid.get(mem, sxact) === pid) waiting = sxact;
  });
  if (waiting !== 0 && hasFlag(waiting, SXACT.deferrableWaiting))
    someInConflict(possibleUnsafeOf(waiting), (conflict) => {
      found.push(Sxact.pid.get(mem, RwConflict.sxactOut.get(mem, conflict)));
    });
  lwLockRelease(lock);
  return found;
}
