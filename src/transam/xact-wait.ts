/** xact-wait.ts — waiting for another transaction to end.
 *
 *  Every transaction with an xid holds an exclusive lock on it until it ends; who wants to see that end asks for a share
 *  lock. The lock of a subtransaction goes when it is rolled back, but also when it is committed into its parent; then
 *  the waiter goes on with the parent.
 *  Counterpart: XactLockTable…(), SpeculativeInsertion…() of src/backend/storage/lmgr/lmgr.c */
import { type ItemPointer, type TransactionId, tidBlock, tidIsValid, tidOffset } from '#base/ids.ts';
import { assert } from '#base/assert.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { waitEnd, waitStart } from '#runtime/activity/wait-report.ts';
import { PgError } from '#runtime/error/report.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { myProcess } from '#runtime/my-process.ts';
import { futexWait } from '#shm/memory.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { procAt } from '#shm/proc.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import {
  conditionalLockTransaction,
  lockSpeculativeToken,
  lockTransaction,
  unlockSpeculativeToken,
  unlockTransaction,
} from '#storage/lmgr/lmgr.ts';
import { transactionIdIsInProgress } from '#transam/proc-array.ts';
import { subTransGetTopmostTransaction } from '#transam/subtrans.ts';
import { getTopTransactionIdIfAny } from '#transam/xact-stack.ts';

/** What the waiter wants to do with the tuple that makes it wait: the CONTEXT of an error in the wait. */
export type XltwOper =
  | 'none'
  | 'update'
  | 'delete'
  | 'lock'
  | 'lockUpdated'
  | 'insertIndex'
  | 'insertIndexUnique'
  | 'fetchUpdated'
  | 'recheckExclusionConstr';

const WHILE: Readonly<Record<Exclude<XltwOper, 'none'>, string>> = {
  update: 'updating tuple',
  delete: 'deleting tuple',
  lock: 'locking tuple',
  lockUpdated: 'locking updated version of tuple',
  insertIndex: 'inserting index tuple',
  insertIndexUnique: 'checking uniqueness of tuple',
  fetchUpdated: 'rechecking updated tuple',
  recheckExclusionConstr: 'checking exclusion constraint on tuple',
};
/** A short sleep that leaves the latch alone. Nobody wakes this futex. */
function napOneMs(): void {
  const { procNumber } = myProcess;
  waitStart(WAIT_EVENT.SpinDelay);
  futexWait(procAt(procNumber) + PgProc.procNumber.offset, procNumber, 1);
  waitEnd();
}

/** My new xid. */
export function xactLockTableInsert(xid: TransactionId): void {
  lockTransaction(xid, LOCK.exclusive);
}
/** A subtransaction has gone into its parent. */
export function xactLockTableDelete(xid: TransactionId): void {
  unlockTransaction(xid, LOCK.exclusive);
}

/** Waits until the transaction, and whatever it may have been committed into, has ended. */
export function xactLockTableWait(
  xid: TransactionId,
  relName?: string,
  tid?: ItemPointer,
  oper: XltwOper = 'none',
): void {
  try {
    waitForXid(xid);
  } catch (caught) {
    if (oper !== 'none' && caught instanceof PgError && relName !== undefined && tid !== undefined && tidIsValid(tid)) {
      const line = `while ${WHILE[oper]} (${tidBlock(tid)},${tidOffset(tid)}) in relation "${relName}"`;
      const { context } = caught.fields;
      caught.fields.context = context === undefined ? line : `${context}\n${line}`;
    }
    throw caught;
  }
}
function waitForXid(start: TransactionId): void {
  let xid = start;
  for (let first = true; ; first = false) {
    assert(xid !== 0 && xid !== getTopTransactionIdIfAny(), 'nobody waits for himself');
    lockTransaction(xid, LOCK.share);
    unlockTransaction(xid, LOCK.share);
    if (!transactionIdIsInProgress(xid)) return;
    // The lock was free and yet it runs. It may have gone into its parent; or it has its xid, but not yet the lock.
    if (!first) {
      checkForInterrupts();
      napOneMs();
    }
    xid = subTransGetTopmostTransaction(xid);
  }
}

/** As xactLockTableWait(), but false instead of a wait. */
export function conditionalXactLockTableWait(start: TransactionId): boolean {
  let xid = start;
  for (let first = true; ; first = false) {
    if (!conditionalLockTransaction(xid, LOCK.share)) return false;
    unlockTransaction(xid, LOCK.share);
    if (!transactionIdIsInProgress(xid)) return true;
    if (!first) {
      checkForInterrupts();
      napOneMs();
    }
    xid = subTransGetTopmostTransaction(xid);
  }
}

// ── INSERT … ON CONFLICT ─────────────────────────────────────────────────────────────────────────────────────────

let speculativeToken = 0;

/** Before a tuple is inserted on trial: others that meet it wait for this token, not for my whole transaction. */
export function speculativeInsertionLockAcquire(xid: TransactionId): number {
  speculativeToken = (speculativeToken + 1) >>> 0;
  // 0 is "no token" in a tuple.
  if (speculativeToken === 0) speculativeToken = 1;
  lockSpeculativeToken(xid, speculativeToken, LOCK.exclusive);
  return speculativeToken;
}
export function speculativeInsertionLockRelease(xid: TransactionId): void {
  unlockSpeculativeToken(xid, speculativeToken, LOCK.exclusive);
}
export function speculativeInsertionWait(xid: TransactionId, token: number): void {
  lockSpeculativeToken(xid, token, LOCK.share);
  unlockSpeculativeToken(xid, token, LOCK.share);
}
