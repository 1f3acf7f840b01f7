/** xact-redo.ts — replaying the ends of transactions.
 *  Counterpart: xact_redo() of src/backend/access/transam/xact.c */
import type { Lsn, TransactionId } from '#base/ids.ts';
import { assert } from '#base/assert.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { transactionTreeSetCommitTsData } from '#transam/commit-ts.ts';
import {
  expireTreeKnownAssignedTransactionIds,
  procArrayApplyXidAssignment,
  recordKnownAssignedTransactionIds,
} from '#transam/known-assigned-xids.ts';
import {
  transactionIdAbortTree,
  transactionIdAsyncCommitTree,
  transactionIdCommitTree,
  transactionIdLatest,
} from '#transam/transam.ts';
import { prepareRedoAdd, prepareRedoRemove } from '#transam/two-phase.ts';
import { twoPhaseLock } from '#transam/two-phase-state.ts';
import { describeXact, identifyXact } from '#transam/xact-describe.ts';
import { xactHooks } from '#transam/xact-hooks.ts';
import { parseXactRecord, readXids, XACT_OP, XACT_OPMASK, XINFO, type XactRecord } from '#transam/xact-record.ts';
import { advanceNextFullXidPastXid } from '#transam/xid-generator.ts';
import type { DecodedRecord } from '#wal/decoded-record.ts';
import { xlogFlush } from '#wal/insert.ts';
import { replay, STANDBY } from '#wal/recovery-state.ts';
import type { RmgrRow } from '#wal/rmgr.ts';

function redoCommit(parsed: XactRecord, xid: TransactionId, lsn: Lsn, origin: number): void {
  const { xinfo, subxacts } = parsed;
  const max = transactionIdLatest(xid, subxacts);
  advanceNextFullXidPastXid(max);
  const hasOrigin = (xinfo & XINFO.origin) !== 0;
  transactionTreeSetCommitTsData(xid, subxacts, hasOrigin ? parsed.originTime : parsed.time, origin);
  if (replay.standbyState === STANDBY.disabled) transactionIdCommitTree(xid, subxacts);
  else {
    // New to us, perhaps, if it wrote nothing but this.
    recordKnownAssignedTransactionIds(max);
    // Asynchronous: a hint bit on the standby must not go to disk before the record is known to be there.
    transactionIdAsyncCommitTree(xid, subxacts, lsn);
    expireTreeKnownAssignedTransactionIds(xid, subxacts, max);
    const invals = { ...parsed.invals, relcacheInitFileInval: (xinfo & XINFO.updateRelcacheFile) !== 0 };
    xactHooks.processCommittedInvalidations(invals, parsed.databaseId, parsed.tablespaceId);
    if ((xinfo & XINFO.aeLocks) !== 0) xactHooks.standbyReleaseLockTree(xid, subxacts);
  }
  if (hasOrigin) xactHooks.originAdvance(origin, parsed.originLsn, lsn, false, false);
  redoDrops(parsed, lsn);
  if ((xinfo & XINFO.forceSync) !== 0) xlogFlush(lsn);
  if ((xinfo & XINFO.applyFeedback) !== 0) xactHooks.requestWalReceiverReply();
}

function redoAbort(parsed: XactRecord, xid: TransactionId, lsn: Lsn, origin: number): void {
  const { subxacts } = parsed;
  const max = transactionIdLatest(xid, subxacts);
  advanceNextFullXidPastXid(max);
  if (replay.standbyState === STANDBY.disabled) transactionIdAbortTree(xid, subxacts);
  else {
    recordKnownAssignedTransactionIds(max);
    transactionIdAbortTree(xid, subxacts);
    expireTreeKnownAssignedTransactionIds(xid, subxacts, max);
    if ((parsed.xinfo & XINFO.aeLocks) !== 0) xactHooks.standbyReleaseLockTree(xid, subxacts);
  }
  if ((parsed.xinfo & XINFO.origin) !== 0) xactHooks.originAdvance(origin, parsed.originLsn, lsn, false, false);
  redoDrops(parsed, lsn);
}

function redoDrops(parsed: XactRecord, lsn: Lsn): void {
  if (parsed.files.length > 0) {
    // Once the files are gone recovery must not stop before this record: minRecoveryPoint goes past it first.
    xlogFlush(lsn);
    xactHooks.dropRelationFiles(parsed.files, true);
  }
  if (parsed.stats.length > 0) {
    xlogFlush(lsn);
    xactHooks.executeDroppedStats(parsed.stats, true);
  }
}

function withTwoPhaseLock(work: () => void): void {
  lwLockAcquire(twoPhaseLock(), 'exclusive');
  work();
  lwLockRelease(twoPhaseLock());
}

export const xactRmgr: RmgrRow = {
  name: 'Transaction',
  redo(record: DecodedRecord) {
    switch (record.info & XACT_OPMASK) {
      case XACT_OP.commit:
        redoCommit(parseXactRecord(record), record.xid, record.endLsn, record.origin);
        return;
      case XACT_OP.commitPrepared: {
        const parsed = parseXactRecord(record);
        redoCommit(parsed, parsed.twoPhaseXid, record.endLsn, record.origin);
        withTwoPhaseLock(() => prepareRedoRemove(parsed.twoPhaseXid, false));
        return;
      }
      case XACT_OP.abort:
        redoAbort(parseXactRecord(record), record.xid, record.endLsn, record.origin);
        return;
      case XACT_OP.abortPrepared: {
        const parsed = parseXactRecord(record);
        redoAbort(parsed, parsed.twoPhaseXid, record.endLsn, record.origin);
        withTwoPhaseLock(() => prepareRedoRemove(parsed.twoPhaseXid, false));
        return;
      }
      case XACT_OP.prepare:
        withTwoPhaseLock(() => prepareRedoAdd(record.mainAt, record.lsn, record.endLsn, record.origin));
        return;
      case XACT_OP.assignment: {
        if (replay.standbyState !== STANDBY.initialized) return;
        const top = mem.view.getUint32(record.mainAt, true) as TransactionId;
        procArrayApplyXidAssignment(top, readXids(record.mainAt + 8, mem.view.getInt32(record.mainAt + 4, true)));
        return;
      }
      case XACT_OP.invalidations:
        // For decoding only.
        return;
      default:
        assert(false, 'xact_redo: unknown op code');
    }
  },
  describe: describeXact,
  identify: identifyXact,
};
