/** predicate-two-phase.ts — serializable transactions that are prepared.
 *
 *  Their locks are in the state file; their conflicts are not, for new ones may come after PREPARE. After a restart a
 *  prepared transaction is therefore taken to have conflicts in both directions with transactions nobody remembers.
 *  Counterpart: AtPrepare_PredicateLocks(), predicatelock_twophase_recover() of src/backend/storage/lmgr/predicate.c */
import { assert } from '#base/assert.ts';
import type { TransactionId } from '#base/ids.ts';
import { xidFollows } from '#base/xid.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { mem } from '#shm/memory.ts';
import { lockFacts, TWO_PHASE_RM } from '#storage/lmgr/lock-facts.ts';
import {
  PredicateHeader,
  PredicateLock,
  PredicateTarget,
  RECOVERY_SEQ_NO,
  SXACT,
  Sxact,
} from '#storage/lmgr/predicate-layout.ts';
import { createPredicateLock } from '#storage/lmgr/predicate-lock.ts';
import { releasePredicateLocks } from '#storage/lmgr/predicate-release.ts';
import { serialLog } from '#storage/lmgr/predicate-serial.ts';
import { forgetMySxact, mySxact, noteDidWrite, setMySxact } from '#storage/lmgr/predicate-state.ts';
import {
  createPredXact,
  enterXid,
  findXid,
  hasFlag,
  headerAt,
  predicateLocksAreReady,
  setFlag,
  someLockOfXact,
  sxactGlobalXmin,
} from '#storage/lmgr/predicate-table.ts';

/** TwoPhasePredicateRecord: type i32, then {xmin, flags} or {tag of 16 bytes, filler}. */
const RECORD_SIZE = 24;
const XACT_RECORD = 0;
const LOCK_RECORD = 1;

function record(type: number, ...words: readonly number[]): Uint8Array {
  const data = new Uint8Array(RECORD_SIZE);
  const view = new DataView(data.buffer);
  view.setInt32(0, type, true);
  for (const [i, value] of words.entries()) view.setUint32(4 + 4 * i, value, true);
  return data;
}

/** PREPARE, while it may still fail. */
export function atPreparePredicateLocks(): void {
  if (mySxact === 0) return;
  lockFacts.registerTwoPhaseRecord(
    TWO_PHASE_RM.predicateLock,
    0,
    record(XACT_RECORD, Sxact.xmin.get(mem, mySxact), Sxact.flags.get(mem, mySxact)),
  );
  const lock = mainLWLock('SerializablePredicateList');
  lwLockAcquire(lock, 'shared');
  someLockOfXact(mySxact, (one) => {
    const target = PredicateLock.target.get(mem, one);
    lockFacts.registerTwoPhaseRecord(
      TWO_PHASE_RM.predicateLock,
      0,
      record(
        LOCK_RECORD,
        PredicateTarget.database.get(mem, target),
        PredicateTarget.relation.get(mem, target),
        PredicateTarget.block.get(mem, target),
        PredicateTarget.offset.get(mem, target),
      ),
    );
  });
  lwLockRelease(lock);
}

/** PREPARE has been made durable: the transaction leaves this process. */
export function postPreparePredicateLocks(_xid: number): void {
  if (mySxact === 0) return;
  assert(hasFlag(mySxact, SXACT.prepared), 'preCommitCheckForSerializationFailure() has run');
  Sxact.pid.set(mem, mySxact, 0);
  Sxact.procNumber.set(mem, mySxact, -1);
  forgetMySxact();
}

/** COMMIT PREPARED, ROLLBACK PREPARED. */
export function predicateLockTwoPhaseFinish(xid: number, isCommit: boolean): void {
  if (!predicateLocksAreReady()) return;
  const lock = mainLWLock('SerializableXactHash');
  lwLockAcquire(lock, 'shared');
  const sxact = findXid(xid);
  lwLockRelease(lock);
  // It was not serializable.
  if (sxact === 0) return;
  setMySxact(sxact);
  // Whether it did is no longer known.
  noteDidWrite();
  releasePredicateLocks(isCommit, false);
}

/** After a restart, for each record of the state file. */
export function predicateLockTwoPhaseRecover(xid: number, _info: number, data: Uint8Array): void {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const word = (i: number): number => view.getUint32(4 + 4 * i, true);
  if (view.getInt32(0, true) === XACT_RECORD) recoverXact(xid, word(0), word(1));
  else {
    const lock = mainLWLock('SerializableXactHash');
    lwLockAcquire(lock, 'shared');
    const sxact = findXid(xid);
    lwLockRelease(lock);
    assert(sxact !== 0, 'the transaction’s own record comes first');
    createPredicateLock(word(0), word(1), word(2), word(3), sxact);
  }
}

function recoverXact(xid: number, xmin: number, flags: number): void {
  const lock = mainLWLock('SerializableXactHash');
  lwLockAcquire(lock, 'exclusive');
  const sxact = createPredXact();
  if (sxact === 0) report('ERROR', { code: SQLSTATE.outOfMemory, message: 'out of shared memory' });
  Sxact.localTransactionId.set(mem, sxact, xid);
  Sxact.prepareSeqNo.set(mem, sxact, RECOVERY_SEQ_NO);
  Sxact.lastCommitBeforeSnapshot.set(mem, sxact, RECOVERY_SEQ_NO);
  Sxact.topXid.set(mem, sxact, xid);
  Sxact.xmin.set(mem, sxact, xmin);
  Sxact.flags.set(mem, sxact, flags);
  assert(hasFlag(sxact, SXACT.prepared), 'only prepared transactions come back');
  if (!hasFlag(sxact, SXACT.readOnly))
    PredicateHeader.writableCount.set(mem, headerAt, PredicateHeader.writableCount.get(mem, headerAt) + 1);
  setFlag(sxact, SXACT.summaryConflictIn | SXACT.summaryConflictOut);
  enterXid(xid, sxact);
  // The oldest xmin may go back here: nothing can have been thrown away before recovery is over.
  const global = sxactGlobalXmin();
  if (global === 0 || xidFollows(global as TransactionId, xmin as TransactionId)) {
    PredicateHeader.globalXmin.set(mem, headerAt, xmin);
    PredicateHeader.globalXminCount.set(mem, headerAt, 1);
    serialLog.setActiveXmin(xmin);
  } else if (global === xmin)
    PredicateHeader.globalXminCount.set(mem, headerAt, PredicateHeader.globalXminCount.get(mem, headerAt) + 1);
  lwLockRelease(lock);
}
