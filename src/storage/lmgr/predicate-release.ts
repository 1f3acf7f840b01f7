/** predicate-release.ts — the end of serializable transactions, and the clearing away of what they left.
 *
 *  A committed transaction stays known, with its locks and conflicts, until every transaction that was concurrent with it
 *  has ended. When no writer is left at all, locks and conflicts in can go at once. When records become scarce, the oldest
 *  committed transaction is summarised: its locks go to one collective holder, the rest into pg_serial.
 *  Counterpart: ReleasePredicateLocks(), ClearOldPredicateLocks(), ReleaseOneSerializableXact(),
 *  SummarizeOldestCommittedSxact() of src/backend/storage/lmgr/predicate.c */
import type { TransactionId } from '#base/ids.ts';
import { xidPrecedes, xidPrecedesOrEquals } from '#base/xid.ts';
import { setLatch } from '#shm/latch.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { mem } from '#shm/memory.ts';
import { latchAt } from '#shm/proc.ts';
import { queueDelete, queueInsertBefore, queueIsEmpty, queueNext } from '#shm/shm-queue.ts';
import { lockFacts } from '#storage/lmgr/lock-facts.ts';
import { flagSxactUnsafe } from '#storage/lmgr/predicate-conflict.ts';
import {
  FIRST_NORMAL_SEQ_NO,
  INVALID_SEQ_NO,
  PredicateHeader,
  PredicateLock,
  PredicateTarget,
  RwConflict,
  SXACT,
  Sxact,
} from '#storage/lmgr/predicate-layout.ts';
import { serialLog } from '#storage/lmgr/predicate-serial.ts';
import { didWrite, forgetMySxact, mySxact } from '#storage/lmgr/predicate-state.ts';
import {
  clearFlag,
  finishedXacts,
  forEachActiveXact,
  hasFlag,
  headerAt,
  inConflictsOf,
  movePredicateLock,
  oldCommittedXact,
  outConflictsOf,
  possibleUnsafeOf,
  predicatePartition,
  releasePredXact,
  releaseRwConflict,
  removePredicateLock,
  removeTargetIfNoLongerUsed,
  removeXid,
  setFlag,
  someInConflict,
  someLockOfXact,
  someOutConflict,
  sxactGlobalXmin,
} from '#storage/lmgr/predicate-table.ts';

const xactHashLock = (): number => mainLWLock('SerializableXactHash');
const finishedListLock = (): number => mainLWLock('SerializableFinishedList');
const listLock = (): number => mainLWLock('SerializablePredicateList');
const FINISHED = Sxact.finishedLink.offset;

/** The end of the transaction; or, with `isReadOnlySafe`, of its need to note anything (which matters only where parallel
 *  workers may still look at it). */
export function releasePredicateLocks(isCommit: boolean, _isReadOnlySafe: boolean): void {
  if (mySxact === 0) return;
  const me = mySxact;
  lwLockAcquire(xactHashLock(), 'exclusive');
  const declaredReadOnly = hasFlag(me, SXACT.readOnly);
  Sxact.finishedBefore.set(mem, me, lockFacts.nextXid());
  markEnd(me, isCommit);
  if (declaredReadOnly) someInConflict(possibleUnsafeOf(me), (conflict) => releaseRwConflict(conflict));
  else {
    const writers = PredicateHeader.writableCount.get(mem, headerAt) - 1;
    PredicateHeader.writableCount.set(mem, headerAt, writers);
    // Nobody is left who could conflict with the locks of committed transactions, and whoever comes sees their work.
    if (writers === 0)
      PredicateHeader.canPartialClearThrough.set(mem, headerAt, PredicateHeader.lastCommitSeqNo.get(mem, headerAt));
  }
  releaseConflicts(me, isCommit);
  if (!declaredReadOnly) settleReadOnlyTransactions(me, isCommit);
  let needToClear = false;
  if (Sxact.xmin.get(mem, me) === sxactGlobalXmin()) {
    const count = PredicateHeader.globalXminCount.get(mem, headerAt) - 1;
    PredicateHeader.globalXminCount.set(mem, headerAt, count);
    if (count === 0) {
      setNewGlobalXmin();
      needToClear = true;
    }
  }
  lwLockRelease(xactHashLock());
  lwLockAcquire(finishedListLock(), 'exclusive');
  if (isCommit) queueInsertBefore(finishedXacts(), me + FINISHED);
  else releaseOneXact(me, false, false);
  lwLockRelease(finishedListLock());
  if (needToClear) clearOldPredicateLocks();
  forgetMySxact();
}

function markEnd(me: number, isCommit: boolean): void {
  if (isCommit) {
    setFlag(me, SXACT.committed);
    const seqNo = PredicateHeader.lastCommitSeqNo.get(mem, headerAt) + 1;
    PredicateHeader.lastCommitSeqNo.set(mem, headerAt, seqNo);
    Sxact.commitSeqNo.set(mem, me, seqNo);
    // It was declared read-write and wrote nothing.
    if (!didWrite) setFlag(me, SXACT.readOnly);
  } else {
    setFlag(me, SXACT.doomed | SXACT.rolledBack);
    clearFlag(me, SXACT.prepared);
  }
}

function releaseConflicts(me: number, isCommit: boolean): void {
  const writes = isCommit && !hasFlag(me, SXACT.readOnly);
  if (writes && hasFlag(me, SXACT.summaryConflictOut)) {
    // Out to a transaction of which is known only that it committed long ago.
    Sxact.earliestOutConflictCommit.set(mem, me, FIRST_NORMAL_SEQ_NO);
    setFlag(me, SXACT.conflictOut);
  }
  const lastCommit = PredicateHeader.lastCommitSeqNo.get(mem, headerAt);
  someOutConflict(outConflictsOf(me), (conflict) => {
    const writer = RwConflict.sxactIn.get(mem, conflict);
    const over = hasFlag(writer, SXACT.committed);
    if (writes && over) {
      const when = Sxact.prepareSeqNo.get(mem, writer);
      if (!hasFlag(me, SXACT.conflictOut) || when < Sxact.earliestOutConflictCommit.get(mem, me))
        Sxact.earliestOutConflictCommit.set(mem, me, when);
      setFlag(me, SXACT.conflictOut);
    }
    if (!isCommit || over || Sxact.lastCommitBeforeSnapshot.get(mem, writer) >= lastCommit) releaseRwConflict(conflict);
  });
  someInConflict(inConflictsOf(me), (conflict) => {
    const reader = RwConflict.sxactOut.get(mem, conflict);
    if (!isCommit || hasFlag(reader, SXACT.committed | SXACT.readOnly)) releaseRwConflict(conflict);
  });
}

/** A writer ends: read-only transactions that ran beside it may now be known to be safe, or unsafe. */
function settleReadOnlyTransactions(me: number, isCommit: boolean): void {
  const dangerous = isCommit && didWrite && hasFlag(me, SXACT.conflictOut);
  const earliest = dangerous ? Sxact.earliestOutConflictCommit.get(mem, me) : INVALID_SEQ_NO;
  someOutConflict(possibleUnsafeOf(me), (conflict) => {
    const reader = RwConflict.sxactIn.get(mem, conflict);
    // Releases this conflict and all others of that transaction.
    if (dangerous && earliest <= Sxact.lastCommitBeforeSnapshot.get(mem, reader)) flagSxactUnsafe(reader);
    else {
      releaseRwConflict(conflict);
      if (queueIsEmpty(possibleUnsafeOf(reader))) setFlag(reader, SXACT.roSafe);
    }
    if (hasFlag(reader, SXACT.deferrableWaiting) && hasFlag(reader, SXACT.roUnsafe | SXACT.roSafe))
      setLatch(latchAt(Sxact.procNumber.get(mem, reader)));
  });
}

function setNewGlobalXmin(): void {
  let oldest = 0;
  let count = 0;
  forEachActiveXact((sxact) => {
    if (hasFlag(sxact, SXACT.rolledBack | SXACT.committed) || sxact === oldCommittedXact()) return;
    const xmin = Sxact.xmin.get(mem, sxact);
    if (oldest === 0 || xidPrecedes(xmin as TransactionId, oldest as TransactionId)) {
      oldest = xmin;
      count = 1;
    } else if (xmin === oldest) count++;
  });
  PredicateHeader.globalXmin.set(mem, headerAt, oldest);
  PredicateHeader.globalXminCount.set(mem, headerAt, count);
  serialLog.setActiveXmin(oldest);
}

/** Lets go of committed transactions that nobody who runs was concurrent with. */
function clearOldPredicateLocks(): void {
  lwLockAcquire(finishedListLock(), 'exclusive');
  lwLockAcquire(xactHashLock(), 'shared');
  const head = finishedXacts();
  let next: number;
  for (let link = queueNext(head); link !== head; link = next) {
    next = queueNext(link);
    const sxact = link - FINISHED;
    const global = sxactGlobalXmin();
    const finishedBefore = Sxact.finishedBefore.get(mem, sxact);
    const seqNo = Sxact.commitSeqNo.get(mem, sxact);
    if (global === 0 || xidPrecedesOrEquals(finishedBefore as TransactionId, global as TransactionId)) {
      lwLockRelease(xactHashLock());
      queueDelete(link);
      releaseOneXact(sxact, false, false);
      lwLockAcquire(xactHashLock(), 'shared');
    } else if (
      seqNo > PredicateHeader.havePartialClearedThrough.get(mem, headerAt) &&
      seqNo <= PredicateHeader.canPartialClearThrough.get(mem, headerAt)
    ) {
      // Only read-only transactions ran beside it: what it read matters to nobody, what it wrote still may.
      lwLockRelease(xactHashLock());
      if (hasFlag(sxact, SXACT.readOnly)) {
        queueDelete(link);
        releaseOneXact(sxact, false, false);
      } else releaseOneXact(sxact, true, false);
      PredicateHeader.havePartialClearedThrough.set(mem, headerAt, seqNo);
      lwLockAcquire(xactHashLock(), 'shared');
    } else break;
  }
  lwLockRelease(xactHashLock());
  clearSummarizedLocks();
  lwLockRelease(finishedListLock());
}

function clearSummarizedLocks(): void {
  lwLockAcquire(listLock(), 'shared');
  someLockOfXact(oldCommittedXact(), (lock) => {
    lwLockAcquire(xactHashLock(), 'shared');
    const over = PredicateLock.commitSeqNo.get(mem, lock) <= PredicateHeader.canPartialClearThrough.get(mem, headerAt);
    lwLockRelease(xactHashLock());
    if (!over) return;
    const target = PredicateLock.target.get(mem, lock);
    const partition = predicatePartition(PredicateTarget.hash.get(mem, target));
    lwLockAcquire(partition, 'exclusive');
    removePredicateLock(lock);
    removeTargetIfNoLongerUsed(target);
    lwLockRelease(partition);
  });
  lwLockRelease(listLock());
}

/** Releases a transaction's locks and conflicts, and the transaction itself. `partial`: keeps the transaction and its
 *  conflicts out. `summarize`: its locks go to the collective holder, its partners learn that there was somebody. */
function releaseOneXact(sxact: number, partial: boolean, summarize: boolean): void {
  lwLockAcquire(listLock(), 'shared');
  someLockOfXact(sxact, (lock) => {
    const target = PredicateLock.target.get(mem, lock);
    const partition = predicatePartition(PredicateTarget.hash.get(mem, target));
    lwLockAcquire(partition, 'exclusive');
    if (summarize) movePredicateLock(lock, target, oldCommittedXact(), Sxact.commitSeqNo.get(mem, sxact));
    else {
      removePredicateLock(lock);
      removeTargetIfNoLongerUsed(target);
    }
    lwLockRelease(partition);
  });
  lwLockRelease(listLock());
  lwLockAcquire(xactHashLock(), 'exclusive');
  if (!partial)
    someOutConflict(outConflictsOf(sxact), (conflict) => {
      if (summarize) setFlag(RwConflict.sxactIn.get(mem, conflict), SXACT.summaryConflictIn);
      releaseRwConflict(conflict);
    });
  someInConflict(inConflictsOf(sxact), (conflict) => {
    if (summarize) setFlag(RwConflict.sxactOut.get(mem, conflict), SXACT.summaryConflictOut);
    releaseRwConflict(conflict);
  });
  if (!partial) {
    removeXid(sxact);
    releasePredXact(sxact);
  }
  lwLockRelease(xactHashLock());
}

/** No record is free: the oldest committed transaction gives up its own. */
export function summarizeOldestCommittedSxact(): void {
  lwLockAcquire(finishedListLock(), 'exclusive');
  const head = finishedXacts();
  // Somebody may have cleared them all while we held no lock; then records are free again.
  if (!queueIsEmpty(head)) {
    const sxact = queueNext(head) - FINISHED;
    queueDelete(sxact + FINISHED);
    const topXid = Sxact.topXid.get(mem, sxact);
    if (topXid !== 0 && !hasFlag(sxact, SXACT.readOnly))
      serialLog.add(
        topXid,
        hasFlag(sxact, SXACT.conflictOut) ? Sxact.earliestOutConflictCommit.get(mem, sxact) : INVALID_SEQ_NO,
      );
    releaseOneXact(sxact, false, true);
  }
  lwLockRelease(finishedListLock());
}
