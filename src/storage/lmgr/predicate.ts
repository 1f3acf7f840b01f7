/** predicate.ts — serializable snapshot isolation: what transactions, heap and indexes call.
 *
 *  A serializable transaction notes what it reads (SIREAD locks). Readers that meet somebody else's newer write, and
 *  writers that meet somebody else's SIREAD lock, note a rw-conflict; a dangerous structure of these rolls one transaction
 *  back. Locks and conflicts of a committed transaction stay until nobody concurrent with it runs any more. A read-only
 *  transaction may turn out safe: then it needs no locks at all; a DEFERRABLE one waits for that.
 *  Promises: what serializable transactions do is what some serial order of them would do.
 *  Costs: for all others one comparison per call.
 *  Counterpart: src/backend/storage/lmgr/predicate.c, README-SSI */
import { assert } from '#base/assert.ts';
import type { TransactionId } from '#base/ids.ts';
import { xidFollowsOrEquals, xidPrecedes } from '#base/xid.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { myProcess } from '#runtime/my-process.ts';
import { resetLatch } from '#shm/latch.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { mem } from '#shm/memory.ts';
import { procAt } from '#shm/proc.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { queueIsEmpty } from '#shm/shm-queue.ts';
import { waitLatch } from '#shm/wait-event-set.ts';
import { lockFacts } from '#storage/lmgr/lock-facts.ts';
import { flagRwConflict, serializationFailure } from '#storage/lmgr/predicate-conflict.ts';
import {
  INVALID_SEQ_NO,
  PredicateHeader,
  PredicateLock,
  PredicateTarget,
  RwConflict,
  SXACT,
  Sxact,
} from '#storage/lmgr/predicate-layout.ts';
import {
  acquirePageLock,
  acquireRelationLock,
  acquireTupleLock,
  copyPageLocks,
  forgetTupleLock,
  moveAllLocksToHeap,
  NO_BLOCK,
  targetHash,
} from '#storage/lmgr/predicate-lock.ts';
import {
  predicateLockingNeeded,
  type PredicateRelation,
  type PredicateSnapshot,
} from '#storage/lmgr/predicate-relation.ts';
import { releasePredicateLocks, summarizeOldestCommittedSxact } from '#storage/lmgr/predicate-release.ts';
import { serialLog } from '#storage/lmgr/predicate-serial.ts';
import { localRelation, mySxact, noteDidWrite, setMySxact } from '#storage/lmgr/predicate-state.ts';
import {
  acquireAllPartitions,
  clearFlag,
  createPredXact,
  enterXid,
  findTarget,
  findXid,
  forEachActiveXact,
  forEachTarget,
  hasFlag,
  headerAt,
  inConflictsOf,
  possibleUnsafeOf,
  predicatePartition,
  releaseAllPartitions,
  releasePredXact,
  rwConflictExists,
  setFlag,
  setPossibleUnsafeConflict,
  someInConflict,
  someLockOfTarget,
  sxactGlobalXmin,
} from '#storage/lmgr/predicate-table.ts';

const xactHashLock = (): number => mainLWLock('SerializableXactHash');
const databaseOf = (relation: PredicateRelation): number => (relation.isShared ? 0 : myProcess.databaseId);
const xid = (value: number): TransactionId => value as TransactionId;

// ── snapshots ────────────────────────────────────────────────────────────────────────────────────────────────────

/** The snapshot that a serializable transaction keeps, filled into `snapshot`; registers the transaction. */
export function getSerializableTransactionSnapshot<S extends PredicateSnapshot>(snapshot: S): S {
  if (lockFacts.recoveryInProgress())
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: 'cannot use serializable mode in a hot standby',
      detail: '"default_transaction_isolation" is set to "serializable".',
      hint: 'You can use "SET default_transaction_isolation = \'repeatable read\'" to change the default.',
    });
  const taken =
    settings.transaction_read_only && settings.transaction_deferrable
      ? getSafeSnapshot(snapshot)
      : registerSerializable(snapshot, null);
  return taken as S;
}

interface SnapshotSource {
  readonly backendId: number;
  readonly localTransactionId: number;
  readonly pid: number;
}
/** The same with an imported snapshot. */
export function setSerializableTransactionSnapshot(
  snapshot: PredicateSnapshot,
  sourceBackendId: number,
  sourceLocalTransactionId: number,
  sourcePid: number,
): void {
  if (settings.transaction_read_only && settings.transaction_deferrable)
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: 'a snapshot-importing transaction must not be READ ONLY DEFERRABLE',
    });
  registerSerializable(snapshot, {
    backendId: sourceBackendId,
    localTransactionId: sourceLocalTransactionId,
    pid: sourcePid,
  });
}

/** Waits for a snapshot that no concurrent writer can make unsafe. Afterwards the transaction is as good as serial and
 *  needs nothing of what follows in this file. */
function getSafeSnapshot(original: PredicateSnapshot): PredicateSnapshot {
  assert(settings.transaction_read_only && settings.transaction_deferrable, 'only these wait for a safe snapshot');
  for (;;) {
    const snapshot = registerSerializable(original, null);
    // Nobody writes: safe at once.
    if (mySxact === 0) return snapshot;
    lwLockAcquire(xactHashLock(), 'exclusive');
    setFlag(mySxact, SXACT.deferrableWaiting);
    while (!queueIsEmpty(possibleUnsafeOf(mySxact)) && !hasFlag(mySxact, SXACT.roUnsafe)) {
      lwLockRelease(xactHashLock());
      waitLatch(undefined, WAIT_EVENT.SafeSnapshot);
      resetLatch();
      checkForInterrupts();
      lwLockAcquire(xactHashLock(), 'exclusive');
    }
    clearFlag(mySxact, SXACT.deferrableWaiting);
    const safe = !hasFlag(mySxact, SXACT.roUnsafe);
    lwLockRelease(xactHashLock());
    if (safe) {
      assert(hasFlag(mySxact, SXACT.roSafe), 'nobody can make it unsafe any more');
      releasePredicateLocks(false, true);
      return snapshot;
    }
    report('DEBUG2', {
      code: SQLSTATE.tRSerializationFailure,
      message: 'deferrable snapshot was unsafe; trying a new one',
    });
    releasePredicateLocks(false, false);
  }
}

function registerSerializable(original: PredicateSnapshot, source: SnapshotSource | null): PredicateSnapshot {
  let sxact: number;
  for (;;) {
    lwLockAcquire(xactHashLock(), 'exclusive');
    sxact = createPredXact();
    if (sxact !== 0) break;
    lwLockRelease(xactHashLock());
    summarizeOldestCommittedSxact();
  }
  // The snapshot is taken with the lock held, so that it agrees with the order of commits here.
  let snapshot = original;
  if (source === null) snapshot = lockFacts.getSnapshotData(original);
  else if (!lockFacts.procArrayInstallImportedXmin(original.xmin, source.backendId, source.localTransactionId)) {
    releasePredXact(sxact);
    lwLockRelease(xactHashLock());
    report('ERROR', {
      code: SQLSTATE.objectNotInPrerequisiteState,
      message: 'could not import the requested snapshot',
      detail: `The source process with PID ${source.pid} is not running anymore.`,
    });
  }
  const isReadOnly = settings.transaction_read_only;
  const me = procAt(myProcess.procNumber);
  Sxact.backendId.set(mem, sxact, myProcess.backendId);
  Sxact.localTransactionId.set(mem, sxact, PgProc.localTransactionId.get(mem, me));
  Sxact.lastCommitBeforeSnapshot.set(mem, sxact, PredicateHeader.lastCommitSeqNo.get(mem, headerAt));
  Sxact.topXid.set(mem, sxact, lockFacts.getTopTransactionIdIfAny());
  Sxact.xmin.set(mem, sxact, snapshot.xmin);
  Sxact.pid.set(mem, sxact, myProcess.pid);
  Sxact.procNumber.set(mem, sxact, myProcess.procNumber);
  if (isReadOnly) {
    setFlag(sxact, SXACT.readOnly);
    if (PredicateHeader.writableCount.get(mem, headerAt) > 0)
      forEachActiveXact((other) => {
        const over = SXACT.committed | SXACT.doomed | SXACT.readOnly;
        if (other !== sxact && !hasFlag(other, over)) setPossibleUnsafeConflict(sxact, other);
      });
    // No writer, or only such as will roll back: any snapshot is safe.
    if (queueIsEmpty(possibleUnsafeOf(sxact))) {
      releasePredXact(sxact);
      lwLockRelease(xactHashLock());
      return snapshot;
    }
  } else PredicateHeader.writableCount.set(mem, headerAt, PredicateHeader.writableCount.get(mem, headerAt) + 1);
  countXmin(snapshot.xmin);
  setMySxact(sxact);
  lwLockRelease(xactHashLock());
  return snapshot;
}

function countXmin(xmin: number): void {
  const global = sxactGlobalXmin();
  if (global === 0) {
    PredicateHeader.globalXmin.set(mem, headerAt, xmin);
    PredicateHeader.globalXminCount.set(mem, headerAt, 1);
    serialLog.setActiveXmin(xmin);
  } else if (global === xmin)
    PredicateHeader.globalXminCount.set(mem, headerAt, PredicateHeader.globalXminCount.get(mem, headerAt) + 1);
}

/** The transaction has got its top-level xid. */
export function registerPredicateLockingXid(topXid: number): void {
  if (mySxact === 0) return;
  assert(topXid !== 0, 'a valid xid');
  lwLockAcquire(xactHashLock(), 'exclusive');
  Sxact.topXid.set(mem, mySxact, topXid);
  enterXid(topXid, mySxact);
  lwLockRelease(xactHashLock());
}

// ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

function neededForRead(relation: PredicateRelation, snapshot: PredicateSnapshot): boolean {
  // Scans with a special snapshot see what they see for other reasons.
  if (mySxact === 0 || snapshot.kind !== 'mvcc') return false;
  if (hasFlag(mySxact, SXACT.roSafe)) {
    // Found safe while it runs: from here on nothing is noted.
    releasePredicateLocks(false, true);
    return false;
  }
  return predicateLockingNeeded(relation);
}

export function predicateLockRelation(relation: PredicateRelation, snapshot: PredicateSnapshot): void {
  if (mySxact === 0 || !neededForRead(relation, snapshot)) return;
  acquireRelationLock(databaseOf(relation), relation.oid);
}
export function predicateLockPage(relation: PredicateRelation, block: number, snapshot: PredicateSnapshot): void {
  if (mySxact === 0 || !neededForRead(relation, snapshot)) return;
  acquirePageLock(databaseOf(relation), relation.oid, block);
}
/** `tid` is a packed ItemPointer; `tupleXid` the tuple's xmin. */
export function predicateLockTID(
  relation: PredicateRelation,
  tid: number,
  snapshot: PredicateSnapshot,
  tupleXid: number,
): void {
  if (mySxact === 0 || !neededForRead(relation, snapshot)) return;
  const database = databaseOf(relation);
  if (relation.index === null) {
    if (localRelation(database, relation.oid).held) return;
    // What we wrote ourselves is write-locked already.
    if (lockFacts.transactionIdIsCurrentTransactionId(tupleXid)) return;
  }
  acquireTupleLock(database, relation.oid, Math.floor(tid / 65536), tid % 65536);
}

/** Does anybody hold a lock on this page as such? */
export function pageIsPredicateLocked(relation: PredicateRelation, block: number): boolean {
  const database = databaseOf(relation);
  const hash = targetHash(database, relation.oid, block, 0);
  const partition = predicatePartition(hash);
  lwLockAcquire(partition, 'shared');
  const found = findTarget(database, relation.oid, block, 0, hash) !== 0;
  lwLockRelease(partition);
  return found;
}

function checkNotDoomed(when: string): void {
  if (hasFlag(mySxact, SXACT.doomed))
    serializationFailure(`Canceled on identification as a pivot, during ${when} checking.`);
}

/** Must the caller find out who wrote the tuple it has met? Asked first, because finding out costs something. */
export function checkForSerializableConflictOutNeeded(
  relation: PredicateRelation,
  snapshot: PredicateSnapshot,
): boolean {
  if (mySxact === 0 || !neededForRead(relation, snapshot)) return false;
  checkNotDoomed('conflict out');
  return true;
}

/** We have met a tuple whose creation or deletion by the top-level transaction `writerXid` our snapshot does not see. */
export function checkForSerializableConflictOut(
  relation: PredicateRelation,
  writerXid: number,
  snapshot: PredicateSnapshot,
): void {
  if (mySxact === 0 || !neededForRead(relation, snapshot)) return;
  checkNotDoomed('conflict out');
  assert(writerXid !== 0, 'a valid xid');
  if (writerXid === lockFacts.getTopTransactionIdIfAny()) return;
  lwLockAcquire(xactHashLock(), 'exclusive');
  const writer = findXid(writerXid);
  if (writer === 0) conflictOutToSummarized(writerXid);
  else conflictOutTo(writer, writerXid);
  lwLockRelease(xactHashLock());
}

/** The writer was not serializable, or so old that only pg_serial knows of it. */
function conflictOutToSummarized(writerXid: number): void {
  const seqNo = serialLog.minConflictCommitSeqNo(writerXid);
  if (seqNo === 0) return;
  const snapshotSeqNo = Sxact.lastCommitBeforeSnapshot.get(mem, mySxact);
  if (seqNo !== INVALID_SEQ_NO && (!hasFlag(mySxact, SXACT.readOnly) || seqNo <= snapshotSeqNo))
    serializationFailure(`Canceled on conflict out to old pivot ${writerXid}.`);
  if (hasFlag(mySxact, SXACT.summaryConflictIn) || !queueIsEmpty(inConflictsOf(mySxact)))
    serializationFailure(
      `Canceled on identification as a pivot, with conflict out to old committed transaction ${writerXid}.`,
    );
  setFlag(mySxact, SXACT.summaryConflictOut);
}

function conflictOutTo(writer: number, writerXid: number): void {
  if (writer === mySxact || hasFlag(writer, SXACT.doomed)) return;
  // It has a conflict out to a summarised transaction: that one committed first, when in relation to us is not known.
  if (hasFlag(writer, SXACT.summaryConflictOut)) {
    if (hasFlag(writer, SXACT.prepared)) serializationFailure('Canceled on conflict out to old pivot.');
    setFlag(writer, SXACT.doomed);
    return;
  }
  // We only read and the writer has committed without a conflict out to something before our snapshot: we appear to have
  // run first, and nobody can tell.
  if (
    hasFlag(mySxact, SXACT.readOnly) &&
    hasFlag(writer, SXACT.committed) &&
    (!hasFlag(writer, SXACT.conflictOut) ||
      Sxact.lastCommitBeforeSnapshot.get(mem, mySxact) < Sxact.earliestOutConflictCommit.get(mem, writer))
  )
    return;
  if (!xidIsConcurrent(writerXid)) return;
  if (rwConflictExists(mySxact, writer)) return;
  flagRwConflict(mySxact, writer);
}

/** Was it running, or not yet begun, when our snapshot was taken? */
function xidIsConcurrent(of: number): boolean {
  const snapshot = lockFacts.getTransactionSnapshot();
  if (xidPrecedes(xid(of), xid(snapshot.xmin))) return false;
  if (xidFollowsOrEquals(xid(of), xid(snapshot.xmax))) return true;
  for (let i = 0; i < snapshot.xcnt; i++) if (snapshot.xip[i] === of) return true;
  return false;
}

// ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** We are about to write: the tuple `tid` (-1 for none), into `block` (INVALID_BLOCK for none), in the relation. Whoever
 *  has read one of these did not see it. */
export function checkForSerializableConflictIn(relation: PredicateRelation, tid: number, block: number): void {
  if (mySxact === 0 || !predicateLockingNeeded(relation)) return;
  checkNotDoomed('conflict in');
  noteDidWrite();
  const database = databaseOf(relation);
  // From fine to coarse: a lock that is promoted meanwhile is met at the coarser level.
  if (tid >= 0) checkTarget(database, relation.oid, Math.floor(tid / 65536), tid % 65536);
  if (block !== NO_BLOCK) checkTarget(database, relation.oid, block, 0);
  checkTarget(database, relation.oid, NO_BLOCK, 0);
}

/** Has this reader run at the same time as we do? */
function readerMatters(reader: number): boolean {
  if (hasFlag(reader, SXACT.doomed)) return false;
  if (hasFlag(reader, SXACT.committed)) {
    const finishedBefore = Sxact.finishedBefore.get(mem, reader);
    if (!xidPrecedes(xid(lockFacts.getTransactionSnapshot().xmin), xid(finishedBefore))) return false;
  }
  return !rwConflictExists(reader, mySxact);
}

function checkTarget(database: number, relation: number, block: number, offset: number): void {
  const hash = targetHash(database, relation, block, offset);
  const partition = predicatePartition(hash);
  const hashLock = xactHashLock();
  lwLockAcquire(partition, 'shared');
  const target = findTarget(database, relation, block, offset, hash);
  if (target === 0) {
    lwLockRelease(partition);
    return;
  }
  let mine = false;
  lwLockAcquire(hashLock, 'shared');
  someLockOfTarget(target, (lock) => {
    const reader = PredicateLock.sxact.get(mem, lock);
    if (reader === mySxact) {
      // Not in a subtransaction: if that rolled back, neither lock would be left.
      if (offset !== 0 && !lockFacts.isSubTransaction()) mine = true;
      return;
    }
    if (!readerMatters(reader)) return;
    lwLockRelease(hashLock);
    lwLockAcquire(hashLock, 'exclusive');
    // It may have noted the conflict itself in between.
    if (readerMatters(reader)) flagRwConflict(reader, mySxact);
    lwLockRelease(hashLock);
    lwLockAcquire(hashLock, 'shared');
  });
  lwLockRelease(hashLock);
  lwLockRelease(partition);
  if (mine) forgetTupleLock(database, relation, block, offset);
}

/** The whole table is rewritten or emptied in a way that readers cannot see (TRUNCATE, DROP): all of them conflict. */
export function checkTableForSerializableConflictIn(relation: PredicateRelation): void {
  if (sxactGlobalXmin() === 0) return;
  if (mySxact === 0 || !predicateLockingNeeded(relation)) return;
  noteDidWrite();
  assert(relation.index === null, 'indexes have no readers of their own');
  const database = databaseOf(relation);
  const listLock = mainLWLock('SerializablePredicateList');
  lwLockAcquire(listLock, 'exclusive');
  acquireAllPartitions('shared');
  lwLockAcquire(xactHashLock(), 'exclusive');
  forEachTarget((target) => {
    if (PredicateTarget.relation.get(mem, target) !== relation.oid) return;
    if (PredicateTarget.database.get(mem, target) !== database) return;
    someLockOfTarget(target, (lock) => {
      const reader = PredicateLock.sxact.get(mem, lock);
      if (reader !== mySxact && !rwConflictExists(reader, mySxact)) flagRwConflict(reader, mySxact);
    });
  });
  lwLockRelease(xactHashLock());
  releaseAllPartitions();
  lwLockRelease(listLock);
}

// ── pages that change ────────────────────────────────────────────────────────────────────────────────────────────

/** Half of an index page goes to a new one. */
export function predicateLockPageSplit(relation: PredicateRelation, oldBlock: number, newBlock: number): void {
  // Nobody is serializable: nobody holds anything.
  if (sxactGlobalXmin() === 0 || !predicateLockingNeeded(relation)) return;
  assert(oldBlock !== newBlock && oldBlock !== NO_BLOCK && newBlock !== NO_BLOCK, 'two pages');
  copyPageLocks(databaseOf(relation), relation.oid, oldBlock, newBlock);
}
/** An index page goes away into another. The locks on it stay, too: a page of that number may come back while a reader of
 *  the old one still matters. */
export function predicateLockPageCombine(relation: PredicateRelation, oldBlock: number, newBlock: number): void {
  predicateLockPageSplit(relation, oldBlock, newBlock);
}
/** Tuples get other addresses (CLUSTER, VACUUM FULL), or an index is dropped. */
export function transferPredicateLocksToHeapRelation(relation: PredicateRelation): void {
  if (sxactGlobalXmin() === 0 || !predicateLockingNeeded(relation)) return;
  const heap = relation.index === null ? relation.oid : relation.index.heapRelid;
  moveAllLocksToHeap(databaseOf(relation), relation.oid, heap, relation.index !== null);
}

// ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** The last check before the commit: am I doomed, or the third of a dangerous structure whose pivot still runs? */
export function preCommitCheckForSerializationFailure(): void {
  if (mySxact === 0) return;
  const lock = xactHashLock();
  lwLockAcquire(lock, 'exclusive');
  // A transaction that was released early because it is safe has its own doomed flag set.
  if (hasFlag(mySxact, SXACT.doomed) && !hasFlag(mySxact, SXACT.partiallyReleased)) {
    lwLockRelease(lock);
    serializationFailure('Canceled on identification as a pivot, during commit attempt.');
  }
  someInConflict(inConflictsOf(mySxact), (near) => {
    const pivot = RwConflict.sxactOut.get(mem, near);
    if (hasFlag(pivot, SXACT.committed) || hasFlag(pivot, SXACT.doomed)) return;
    someInConflict(inConflictsOf(pivot), (far) => {
      const first = RwConflict.sxactOut.get(mem, far);
      if (first !== mySxact && hasFlag(first, SXACT.committed | SXACT.readOnly | SXACT.doomed)) return false;
      // The pivot goes, so that whoever is rolled back makes progress when it tries again; unless it is too late for it.
      if (hasFlag(pivot, SXACT.prepared)) {
        lwLockRelease(lock);
        serializationFailure('Canceled on commit attempt with conflict in from prepared pivot.');
      }
      setFlag(pivot, SXACT.doomed);
      return true;
    });
  });
  const seqNo = PredicateHeader.lastCommitSeqNo.get(mem, headerAt) + 1;
  PredicateHeader.lastCommitSeqNo.set(mem, headerAt, seqNo);
  Sxact.prepareSeqNo.set(mem, mySxact, seqNo);
  setFlag(mySxact, SXACT.prepared);
  lwLockRelease(lock);
}
