/** xact-commit.ts — the moment of commit or abort: WAL record, then CLOG. The ProcArray comes after (xact.ts).
 *
 *  Between record and CLOG a checkpoint must not set its redo pointer: recovery from there would not see the record, and
 *  the CLOG page on disk might not have the bit. delayChkptFlags says so.
 *  A commit waits for its record to be on disk unless synchronous_commit is off; then the WAL writer flushes it within
 *  three of its rounds, and the CLOG keeps the position for hint bits. Aborts never wait: a crash is an abort.
 *  Counterpart: RecordTransactionCommit(), RecordTransactionAbort() of src/backend/access/transam/xact.c */
import type { Lsn, TransactionId } from '#base/ids.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { injectionPoint } from '#runtime/injection-points.ts';
import { transactionTreeSetCommitTsData } from '#transam/commit-ts.ts';
import { xidCacheRemoveRunningXids } from '#transam/proc-array-end.ts';
import { clearMyDelayChkptFlags, DELAY_CHKPT_START, setMyDelayChkptFlags } from '#transam/proc-flags.ts';
import { logStandbyInvalidations } from '#transam/standby-log.ts';
import { clockTimestamp, transactionStopTimestamp } from '#transam/timestamps.ts';
import {
  transactionIdAbortTree,
  transactionIdAsyncCommitTree,
  transactionIdCommitTree,
  transactionIdDidCommit,
  transactionIdLatest,
} from '#transam/transam.ts';
import { xactFlags } from '#transam/xact-flags.ts';
import { type CommitInvalidations, NO_INVALIDATIONS, xactHooks } from '#transam/xact-hooks.ts';
import { logAbortRecord, logCommitRecord } from '#transam/xact-record.ts';
import { getCurrentTransactionIdIfAny, getTopTransactionIdIfAny, xactStack } from '#transam/xact-stack.ts';
import {
  setXlogLastRecEnd,
  xlogFlush,
  xlogLastRecEnd,
  xlogSetAsyncXactLsn,
  xlogStandbyInfoActive,
} from '#wal/insert.ts';
import { transamAttached } from '#transam/variable-cache.ts';

const NO_XID = 0 as TransactionId;
let lastCommitEnd = 0 as Lsn;
/** XactLastCommitEnd: of this session's last commit, for those who wait for its replay. */
export const xactLastCommitEnd = (): Lsn => lastCommitEnd;
export function setXactLastCommitEnd(lsn: Lsn): void {
  lastCommitEnd = lsn;
}

/** The youngest xid of the transaction, 0 if it has none. */
export function recordTransactionCommit(): TransactionId {
  if (!transamAttached()) return NO_XID;
  const xid = getTopTransactionIdIfAny();
  const wroteWal = xlogLastRecEnd() !== 0;
  // What a read-only transaction has to do here: nothing, and quickly. (What invalidates has at least written WAL.)
  if (xid === 0 && !wroteWal) return NO_XID;
  const files = xactHooks.pendingDeletes(true);
  const stats = xactHooks.droppedStats(true);
  const invals = xlogStandbyInfoActive() ? xactHooks.committedInvalidations() : NO_INVALIDATIONS;
  if (xid === 0) {
    recordWithoutXid(files.length + stats.length, invals);
    return NO_XID;
  }
  const children = xactStack.current.childXids;
  injectionPoint('commitBeforeRecord');
  beginCritical();
  setMyDelayChkptFlags(DELAY_CHKPT_START);
  const time = transactionStopTimestamp();
  logCommitRecord(time, {
    subxacts: children,
    files,
    stats,
    invals,
    acquiredAccessExclusiveLock: xactFlags.acquiredAccessExclusiveLock,
    forceSync: xactFlags.forceSyncCommit,
    twoPhaseXid: NO_XID,
    gid: '',
  });
  const origin = xactHooks.origin();
  const recordEnd = xlogLastRecEnd();
  if (origin.id !== 0) xactHooks.originAdvance(origin.id, origin.lsn, recordEnd, false, false);
  transactionTreeSetCommitTsData(xid, children, origin.id !== 0 && origin.time !== 0 ? origin.time : time, origin.id);
  if (settings.synchronous_commit !== 'off' || xactFlags.forceSyncCommit || files.length > 0) {
    xlogFlush(recordEnd);
    injectionPoint('commitAfterFlush');
    transactionIdCommitTree(xid, children);
  } else {
    xlogSetAsyncXactLsn(recordEnd);
    transactionIdAsyncCommitTree(xid, children, recordEnd);
  }
  injectionPoint('commitAfterClog');
  clearMyDelayChkptFlags(DELAY_CHKPT_START);
  endCritical();
  const latest = transactionIdLatest(xid, children);
  // Others still see us running, and we hold our locks: what is not yet on the standbys must not be seen.
  xactHooks.syncRepWait(recordEnd, true);
  lastCommitEnd = recordEnd;
  setXlogLastRecEnd(0 as Lsn);
  return latest;
}

/** Somebody without an xid may still have written WAL (pruning, hint bits) or changed what others cache. */
function recordWithoutXid(dropped: number, invals: CommitInvalidations): void {
  if (dropped > 0) report('ERROR', { message: 'cannot commit a transaction that deleted files but has no xid' });
  if (invals.count > 0) logStandbyInvalidations(invals);
  const recordEnd = xlogLastRecEnd();
  if (xactFlags.forceSyncCommit) xlogFlush(recordEnd);
  else xlogSetAsyncXactLsn(recordEnd);
  lastCommitEnd = recordEnd;
  setXlogLastRecEnd(0 as Lsn);
}

/** Of the current (sub)transaction. The youngest of its xids, 0 if it has none. */
export function recordTransactionAbort(isSub: boolean): TransactionId {
  if (!transamAttached()) return NO_XID;
  const xid = getCurrentTransactionIdIfAny();
  if (xid === 0) {
    if (!isSub) setXlogLastRecEnd(0 as Lsn);
    return NO_XID;
  }
  // A crash between commit record and CLOG is one thing; an abort after a commit would be another.
  if (transactionIdDidCommit(xid))
    report('PANIC', { message: `cannot abort transaction ${xid}, it was already committed` });
  const children = xactStack.current.childXids;
  const files = xactHooks.pendingDeletes(false);
  const stats = xactHooks.droppedStats(false);
  beginCritical();
  logAbortRecord(isSub ? clockTimestamp() : transactionStopTimestamp(), {
    subxacts: children,
    files,
    stats,
    invals: NO_INVALIDATIONS,
    acquiredAccessExclusiveLock: xactFlags.acquiredAccessExclusiveLock,
    forceSync: false,
    twoPhaseXid: NO_XID,
    gid: '',
  });
  // Nobody waits for it, but it should not wait for ever either: standbys hold its locks until they see it.
  if (!isSub) xlogSetAsyncXactLsn(xlogLastRecEnd());
  transactionIdAbortTree(xid, children);
  endCritical();
  const latest = transactionIdLatest(xid, children);
  if (isSub) xidCacheRemoveRunningXids(xid, children, latest);
  else setXlogLastRecEnd(0 as Lsn);
  return latest;
}
