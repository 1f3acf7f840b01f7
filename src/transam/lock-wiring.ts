/** lock-wiring.ts — what the lock manager, one layer below, needs of transactions; and its part in PREPARE.
 *
 *  Imported by xact.ts for its effect.
 *  Counterpart: the calls of lock.c and predicate.c into xact.c, procarray.c and twophase.c; twophase_rmgr.c */
import type { Oid, TransactionId } from '#base/ids.ts';
import { xidOfFull } from '#base/xid.ts';
import { registerLockFacts, TWO_PHASE_RM } from '#storage/lmgr/lock-facts.ts';
import { getRunningTransactionLocks } from '#storage/lmgr/lock-status.ts';
import {
  lockTwoPhasePostAbort,
  lockTwoPhasePostCommit,
  lockTwoPhaseRecover,
  lockTwoPhaseStandbyLock,
} from '#storage/lmgr/lock-two-phase.ts';
import {
  atPreparePredicateLocks,
  postPreparePredicateLocks,
  predicateLockTwoPhaseRecover,
} from '#storage/lmgr/predicate-two-phase.ts';
import { getSnapshotData, procArrayInstallImportedXmin, transactionIdIsInProgress } from '#transam/proc-array.ts';
import { getTransactionSnapshot, type Snapshot, transactionXmin } from '#transam/snapshot.ts';
import { logAccessExclusiveLock, setRunningTransactionLocks } from '#transam/standby-log.ts';
import { subTransGetTopmostTransaction } from '#transam/subtrans.ts';
import { transactionIdDidCommit } from '#transam/transam.ts';
import { registerTwoPhaseHandlers, registerTwoPhaseRecord } from '#transam/two-phase-record.ts';
import { twoPhaseGetDummyProc, twoPhaseGetXidByVirtualXid } from '#transam/two-phase-state.ts';
import { nextFullXidUnlocked, transamAttached } from '#transam/variable-cache.ts';
import { registerXactParticipant, XACT_RANK } from '#transam/xact-callbacks.ts';
import { xactHooks } from '#transam/xact-hooks.ts';
import { getTopTransactionIdIfAny, transactionIdIsCurrentTransactionId, xactStack } from '#transam/xact-stack.ts';
import { getCurrentTransactionId } from '#transam/xact-xids.ts';
import { recoveryInProgress } from '#wal/recovery-state.ts';
import { xlogStandbyInfoActive } from '#wal/wal-format.ts';

const id = (xid: number): TransactionId => xid as TransactionId;
const nextXid = (): TransactionId => xidOfFull(nextFullXidUnlocked());

registerLockFacts({
  recoveryInProgress: () => transamAttached() && recoveryInProgress(),
  standbyInfoActive: () => transamAttached() && xlogStandbyInfoActive(),
  getCurrentTransactionId,
  getTopTransactionIdIfAny,
  transactionIdIsInProgress: (xid) => transactionIdIsInProgress(id(xid)),
  transactionIdIsCurrentTransactionId: (xid) => transactionIdIsCurrentTransactionId(id(xid)),
  transactionIdDidCommit: (xid) => transactionIdDidCommit(id(xid)),
  subTransGetTopmostTransaction: (xid) => subTransGetTopmostTransaction(id(xid)),
  transactionXmin,
  readNextTransactionId: nextXid,
  nextXid,
  twoPhaseGetXidByVirtualXid,
  twoPhaseGetDummyProc: (xid) => twoPhaseGetDummyProc(id(xid)),
  registerTwoPhaseRecord,
  logAccessExclusiveLock: (xid, database, relation) =>
    logAccessExclusiveLock(id(xid), database as Oid, relation as Oid),
  isSubTransaction: () => xactStack.current.nestingLevel >= 2,
  // Whoever takes a snapshot here passes one of ours.
  getSnapshotData: (snapshot) => getSnapshotData(snapshot as Snapshot),
  getTransactionSnapshot,
  procArrayInstallImportedXmin: (xmin, backendId, localTransactionId) =>
    procArrayInstallImportedXmin(id(xmin), { backendId, localTransactionId }),
});

setRunningTransactionLocks(() =>
  getRunningTransactionLocks().map((one) => ({
    xid: id(one.xid),
    databaseId: one.databaseId as Oid,
    relationId: one.relationId as Oid,
  })),
);

registerTwoPhaseHandlers(TWO_PHASE_RM.lock, {
  recover: lockTwoPhaseRecover,
  postCommit: lockTwoPhasePostCommit,
  postAbort: lockTwoPhasePostAbort,
  standbyRecover: (xid, _info, data) => {
    const lock = lockTwoPhaseStandbyLock(data);
    if (lock !== undefined) xactHooks.standbyAcquireLock(xid, lock.databaseId as Oid, lock.relationId as Oid);
  },
});
registerTwoPhaseHandlers(TWO_PHASE_RM.predicateLock, { recover: predicateLockTwoPhaseRecover });

registerXactParticipant({
  name: 'predicate locks',
  rank: XACT_RANK.serialization,
  writePrepare: atPreparePredicateLocks,
  postPrepare: postPreparePredicateLocks,
});
