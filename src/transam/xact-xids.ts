/** xact-xids.ts — giving my transaction its xid, when it first writes something.
 *
 *  Parents get theirs first, so that a child's xid is always the younger one. The xid's lock is taken on behalf of the
 *  level that it belongs to. Standbys keep little room for each transaction's subtransactions: every 64 of them a
 *  record says whose they are.
 *  Counterpart: AssignTransactionId() of src/backend/access/transam/xact.c */
import type { FullTransactionId, TransactionId } from '#base/ids.ts';
import { xidOfFull } from '#base/xid.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { setCurrentResourceOwner } from '#runtime/resource-owner.ts';
import { registerPredicateLockingXid } from '#storage/lmgr/predicate.ts';
import { MAX_CACHED_SUBXIDS } from '#transam/proc-array-layout.ts';
import { subTransSetParent } from '#transam/subtrans.ts';
import { logAssignmentRecord } from '#transam/xact-record.ts';
import { topState, xactStack } from '#transam/xact-stack.ts';
import type { TransactionState } from '#transam/xact-state.ts';
import { xactLockTableInsert } from '#transam/xact-wait.ts';
import { getNewTransactionId } from '#transam/xid-generator.ts';
import { walXactHooks, xlogLogicalInfoActive, xlogStandbyInfoActive } from '#wal/insert.ts';

/** Subtransactions of which no record has told the standbys. */
const unreported: TransactionId[] = [];
export function forgetUnreportedXids(): void {
  unreported.length = 0;
}

function assignTransactionId(s: TransactionState): void {
  // Not by recursion: levels may be many.
  if (s.parent !== null && s.parent.fullXid === 0) {
    const missing: TransactionState[] = [];
    for (let p: TransactionState | null = s.parent; p !== null && p.fullXid === 0; p = p.parent) missing.push(p);
    while (missing.length > 0) assignTransactionId(missing.pop()!);
  }
  const isSub = s.parent !== null;
  // Decoding must know the top-level transaction before its first subtransaction is seen.
  const logUnknownTop = isSub && xlogLogicalInfoActive() && !topState.didLogXid;
  s.fullXid = getNewTransactionId(isSub);
  const xid = xidOfFull(s.fullXid);
  if (!isSub) xactStack.topFullXid = s.fullXid;
  else subTransSetParent(xid, xidOfFull(s.parent!.fullXid));
  if (!isSub) registerPredicateLockingXid(xid);
  const before = setCurrentResourceOwner(s.owner);
  try {
    xactLockTableInsert(xid);
  } finally {
    setCurrentResourceOwner(before);
  }
  if (!isSub || !xlogStandbyInfoActive()) return;
  unreported.push(xid);
  if (unreported.length < MAX_CACHED_SUBXIDS && !logUnknownTop) return;
  logAssignmentRecord(xidOfFull(xactStack.topFullXid), unreported);
  unreported.length = 0;
  topState.didLogXid = true;
}

export function getTopFullTransactionId(): FullTransactionId {
  if (xactStack.topFullXid === 0) assignTransactionId(topState);
  return xactStack.topFullXid;
}
export const getTopTransactionId = (): TransactionId => xidOfFull(getTopFullTransactionId());
export function getCurrentFullTransactionId(): FullTransactionId {
  const s = xactStack.current;
  if (s.state !== 'inprogress' && s.fullXid === 0)
    report('ERROR', {
      code: SQLSTATE.invalidTransactionState,
      message: `cannot assign a transaction ID in transaction state ${s.state}`,
    });
  if (s.fullXid === 0) assignTransactionId(s);
  return s.fullXid;
}
/** Of the running (sub)transaction: what goes into tuples. */
export const getCurrentTransactionId = (): TransactionId => xidOfFull(getCurrentFullTransactionId());

/** A record with this level's xid is in the WAL. */
export function markCurrentTransactionIdLoggedIfAny(): void {
  if (xactStack.current.fullXid !== 0) xactStack.current.didLogXid = true;
}
export const markSubxactTopXidLogged = (): void => {
  xactStack.current.topXidLogged = true;
};

walXactHooks.currentXidIfAny = () => {
  const s = xactStack.current;
  if (s.fullXid === 0) return 0;
  s.didLogXid = true;
  return s.fullXid % 0x1_0000_0000;
};
walXactHooks.topXidToLog = () => {
  const s = xactStack.current;
  if (s.topXidLogged || s.parent === null || s.fullXid === 0 || !xlogLogicalInfoActive()) return 0;
  return s.state === 'inprogress' ? xactStack.topFullXid % 0x1_0000_0000 : 0;
};
walXactHooks.topXidLogged = markSubxactTopXidLogged;

/** A savepoint was released: its xids are its parent's from now on. */
export function mergeIntoParent(s: TransactionState): void {
  const parent = s.parent!;
  // Ascending: the parent's children are older than this level, this level is older than its own children.
  parent.childXids.push(xidOfFull(s.fullXid));
  for (const child of s.childXids) parent.childXids.push(child);
  s.childXids = [];
}
