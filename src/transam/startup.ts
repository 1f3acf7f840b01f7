/** startup.ts — transactions when a server starts: counters from the checkpoint, logs ready for replay, and the step from
 *  recovery to normal running.
 *
 *  Order: loadCheckPointCounters → startupTransamLogs → replay → startupTransam (before WAL may be written by others) →
 *  recoverPreparedTransactions (two-phase.ts).
 *  Counterpart: the parts of StartupXLOG(), BootStrapXLOG() that concern transactions, src/backend/access/transam/xlog.c */
import { xidOfFull, xidRetreat } from '#base/xid.ts';
import type { FullTransactionId, TransactionId } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { virtualXactLockTableCleanup, virtualXactLockTableInsert } from '#storage/lmgr/virtual-xact.ts';
import { bootStrapClog, startupClog, trimClog } from '#transam/clog.ts';
import { completeCommitTsInitialization, setCommitTsLimit, startupCommitTs } from '#transam/commit-ts.ts';
import { resetGlobalVis } from '#transam/global-vis-horizons.ts';
import {
  expireAllKnownAssignedTransactionIds,
  procArrayApplyRecoveryInfo,
  procArrayInitRecovery,
} from '#transam/known-assigned-xids.ts';
import { setMultiXactIdLimit } from '#transam/multixact-limits.ts';
import { bootStrapMultiXact, multiXactSetNextMXact, startupMultiXact, trimMultiXact } from '#transam/multixact-redo.ts';
import { forgetProcArrayCache, nextLocalTransactionId } from '#transam/proc-array.ts';
import { standbyReleaseAllLocks } from '#transam/standby-locks.ts';
import { forgetSnapshots } from '#transam/snapshot.ts';
import { bootStrapSubtrans, startupSubtrans } from '#transam/subtrans.ts';
import { forgetTransamCache } from '#transam/transam.ts';
import { VariableCache } from '#transam/transam-layout.ts';
import { prescanPreparedTransactions, standbyRecoverPreparedTransactions } from '#transam/two-phase.ts';
import { isPreparedXid } from '#transam/two-phase-state.ts';
import { advanceOldestClogXid, nextFullXidUnlocked, variableCacheAt } from '#transam/variable-cache.ts';
import { setNextObjectId, setTransactionIdLimit } from '#transam/xid-generator.ts';
import type { CheckPoint } from '#wal/check-point.ts';
import { replay, STANDBY } from '#wal/recovery-state.ts';

/** What this process remembers of transactions is about another shared memory: after a crash cycle. */
export function forgetTransactions(): void {
  forgetTransamCache();
  forgetProcArrayCache();
  forgetSnapshots();
  resetGlobalVis();
}

/** The counters as they were at a checkpoint. */
export function loadCheckPointCounters(checkPoint: CheckPoint): void {
  forgetTransactions();
  const cache = variableCacheAt();
  VariableCache.nextXid.set(mem, cache, checkPoint.nextXid);
  setNextObjectId(checkPoint.nextOid);
  setLatestCompletedBefore(checkPoint.nextXid);
  multiXactSetNextMXact(checkPoint.nextMulti, checkPoint.nextMultiOffset);
  VariableCache.oldestClogXid.set(mem, cache, checkPoint.oldestXid);
  advanceOldestClogXid(checkPoint.oldestXid);
  setTransactionIdLimit(checkPoint.oldestXid, checkPoint.oldestXidDb);
  setMultiXactIdLimit(checkPoint.oldestMulti, checkPoint.oldestMultiDb, true);
  setCommitTsLimit(checkPoint.oldestCommitTsXid, checkPoint.newestCommitTsXid);
}

/** Before replay. `trackCommitTimestamp`: as pg_control says it was. */
export function startupTransamLogs(trackCommitTimestamp: boolean): void {
  startupClog();
  startupMultiXact();
  if (trackCommitTimestamp) startupCommitTs();
}

function setLatestCompletedBefore(next: FullTransactionId): void {
  const lock = mainLWLock('ProcArray');
  lwLockAcquire(lock, 'exclusive');
  const xid = xidOfFull(next);
  const back = (xid - xidRetreat(xid)) >>> 0;
  VariableCache.latestCompletedXid.set(mem, variableCacheAt(), Math.max(next - back, 2));
  lwLockRelease(lock);
}

/** The end of replay: nextXid is final. Returns the oldest xid that runs (a prepared transaction, or nextXid). */
export function startupTransam(): TransactionId {
  setLatestCompletedBefore(nextFullXidUnlocked());
  const { oldest } = prescanPreparedTransactions();
  // A hot standby has kept it all the time.
  if (replay.standbyState === STANDBY.disabled) startupSubtrans(oldest);
  trimClog();
  trimMultiXact();
  return oldest;
}
/** Once WAL may be written. */
export function finishStartupTransam(): void {
  completeCommitTsInitialization();
}

/** initdb: the first pages. */
export function bootStrapTransam(): void {
  bootStrapClog();
  bootStrapSubtrans();
  bootStrapMultiXact();
}

/** Replay of a shutdown checkpoint on a standby: nothing but prepared transactions ran then. */
export function standbyShutdownCheckpoint(checkPoint: CheckPoint): void {
  const { oldest, xids } = prescanPreparedTransactions();
  const nextXid = xidOfFull(checkPoint.nextXid);
  procArrayApplyRecoveryInfo(
    {
      xids,
      xcnt: xids.length,
      subxcnt: 0,
      subxidOverflow: false,
      nextXid,
      oldestRunningXid: oldest,
      latestCompletedXid: xidRetreat(nextXid),
    },
    isPreparedXid,
  );
  standbyRecoverPreparedTransactions();
}

/** Sessions will read during this recovery: running transactions are followed from here on. */
export function startHotStandby(checkPoint: CheckPoint, wasShutdown: boolean): void {
  report('DEBUG1', { message: 'initializing for hot standby' });
  // The locks that are taken for others must have an owner whom one can wait for.
  virtualXactLockTableInsert(nextLocalTransactionId() || 1);
  replay.standbyState = STANDBY.initialized;
  const oldestActive = wasShutdown ? prescanPreparedTransactions().oldest : checkPoint.oldestActiveXid;
  procArrayInitRecovery(xidOfFull(nextFullXidUnlocked()));
  startupSubtrans(oldestActive);
  // After a clean shutdown it is known at once who runs: prepared transactions and nobody else.
  if (wasShutdown) standbyShutdownCheckpoint(checkPoint);
}
export function endHotStandby(): void {
  expireAllKnownAssignedTransactionIds();
  standbyReleaseAllLocks();
  virtualXactLockTableCleanup();
}
