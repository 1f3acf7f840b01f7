/** transam.ts — did a transaction commit? The questions about the CLOG that the rest of the server asks.
 *
 *  The last answer about an ended transaction is remembered: a scan asks about the same one again and again.
 *  Whether a transaction that the CLOG does not know as ended is still running must be asked of the ProcArray, and first:
 *  a committer sets the CLOG before it leaves the ProcArray.
 *  Counterpart: src/backend/access/transam/transam.c */
import type { Lsn, TransactionId } from '#base/ids.ts';
import { xidFollows, xidPrecedes } from '#base/xid.ts';
import { report } from '#runtime/error/report.ts';
import {
  clogStatusLsn,
  transactionIdGetStatus,
  transactionIdSetTreeStatus,
  XID_STATUS,
  type XidStatus,
} from '#transam/clog.ts';
import { subTransGetParent } from '#transam/subtrans.ts';
import { xmins } from '#transam/xmins.ts';

let cachedXid = 0;
let cachedStatus: XidStatus = XID_STATUS.inProgress;
let cachedLsn = 0 as Lsn;

function statusOf(xid: TransactionId): XidStatus {
  if (xid === cachedXid) return cachedStatus;
  // The permanent xids: invalid is aborted, bootstrap and frozen are committed.
  if (xid < 3) return xid === 0 ? XID_STATUS.aborted : XID_STATUS.committed;
  const status = transactionIdGetStatus(xid);
  // What is in progress, or waits for its parent, will change.
  if (status === XID_STATUS.committed || status === XID_STATUS.aborted) {
    cachedXid = xid;
    cachedStatus = status;
    cachedLsn = clogStatusLsn();
  }
  return status;
}

/** The parent of a subtransaction whose own commit is provisional; 0 if it is too old to be known. */
function parentOf(xid: TransactionId): TransactionId {
  // Older than every snapshot: its parent must have crashed, or it would have been marked.
  if (xidPrecedes(xid, xmins.transaction)) return 0 as TransactionId;
  const parent = subTransGetParent(xid);
  if (parent === 0) report('WARNING', { message: `no pg_subtrans entry for subcommitted XID ${xid}` });
  return parent;
}

export function transactionIdDidCommit(xid: TransactionId): boolean {
  for (let at = xid; ; ) {
    const status = statusOf(at);
    if (status === XID_STATUS.committed) return true;
    if (status !== XID_STATUS.subCommitted) return false;
    at = parentOf(at);
    if (at === 0) return false;
  }
}
/** True only for what has aborted and said so; a crash leaves no mark. */
export function transactionIdDidAbort(xid: TransactionId): boolean {
  for (let at = xid; ; ) {
    const status = statusOf(at);
    if (status === XID_STATUS.aborted) return true;
    if (status !== XID_STATUS.subCommitted) return false;
    at = parentOf(at);
    if (at === 0) return true;
  }
}
/** Known without a look at shared memory. */
export const transactionIdIsKnownCompleted = (xid: TransactionId): boolean => xid === cachedXid;

export function transactionIdCommitTree(xid: TransactionId, children: readonly TransactionId[]): void {
  transactionIdSetTreeStatus(xid, children, XID_STATUS.committed, 0 as Lsn);
}
/** The commit record ends at `lsn` and need not be on disk. */
export function transactionIdAsyncCommitTree(xid: TransactionId, children: readonly TransactionId[], lsn: Lsn): void {
  transactionIdSetTreeStatus(xid, children, XID_STATUS.committed, lsn);
}
export function transactionIdAbortTree(xid: TransactionId, children: readonly TransactionId[]): void {
  transactionIdSetTreeStatus(xid, children, XID_STATUS.aborted, 0 as Lsn);
}

/** The youngest of a transaction and its children. */
export function transactionIdLatest(main: TransactionId, children: readonly TransactionId[]): TransactionId {
  let latest = main;
  for (let i = children.length - 1; i >= 0; i--) if (xidFollows(children[i]!, latest)) latest = children[i]!;
  return latest;
}
/** A position up to which WAL must be flushed before the commit may be taken for permanent; 0 if that is so. */
export function transactionIdGetCommitLsn(xid: TransactionId): Lsn {
  if (xid === cachedXid) return cachedLsn;
  if (xid < 3) return 0 as Lsn;
  transactionIdGetStatus(xid);
  return clogStatusLsn();
}
/** Xids are used again, if the shared memory was made anew. */
export function forgetTransamCache(): void {
  cachedXid = 0;
}
