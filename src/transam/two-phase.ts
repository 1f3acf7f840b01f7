/** two-phase.ts — PREPARE TRANSACTION, COMMIT PREPARED, ROLLBACK PREPARED, and what recovery does about them.
 *
 *  PREPARE writes everything that a later commit needs into one WAL record, flushes it, and puts a stand-in into the
 *  ProcArray before the session's own entry is cleared, so that the xid is running without a gap. The stand-in keeps the
 *  locks. COMMIT PREPARED reads the record back, wherever it is by then, and does what a commit does.
 *  Counterpart: src/backend/access/transam/twophase.c, PrepareTransaction() of xact.c */
import type { FullTransactionId, Lsn, Oid, TransactionId } from '#base/ids.ts';
import { xidFollowsOrEquals, xidOfFull, xidPrecedes } from '#base/xid.ts';
import { assert } from '#base/assert.ts';
import { listDirectory } from '#platform/file-system.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { beforeShmemExit } from '#runtime/exit-callbacks.ts';
import { settings } from '#runtime/guc/guc.ts';
import { holdInterrupts, resumeInterrupts } from '#runtime/interrupts.ts';
import { myProcess } from '#runtime/my-process.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { privateFree } from '#shm/private-memory.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { procAt } from '#shm/proc.ts';
import { TWOPHASE_DIRECTORY } from '#storage/file/paths.ts';
import { fsyncFname } from '#storage/file/virtual-files.ts';
import { atPrepareLocks, postPrepareLocks } from '#storage/lmgr/lock-two-phase.ts';
import { predicateLockTwoPhaseFinish } from '#storage/lmgr/predicate-two-phase.ts';
import { transactionTreeSetCommitTsData } from '#transam/commit-ts.ts';
import { procArrayClearTransaction } from '#transam/proc-array-end.ts';
import { procArrayRemove } from '#transam/proc-array-layout.ts';
import { clearMyDelayChkptFlags, DELAY_CHKPT_START, setMyDelayChkptFlags } from '#transam/proc-flags.ts';
import { xactHasExportedSnapshots } from '#transam/snapshot.ts';
import { subTransSetParent } from '#transam/subtrans.ts';
import { clockTimestamp } from '#transam/timestamps.ts';
import { PreparedXact as P } from '#transam/transam-layout.ts';
import {
  transactionIdAbortTree,
  transactionIdCommitTree,
  transactionIdDidAbort,
  transactionIdDidCommit,
  transactionIdLatest,
} from '#transam/transam.ts';
import {
  readTwoPhaseFile,
  readTwoPhaseWal,
  recreateTwoPhaseFile,
  removeTwoPhaseFile,
} from '#transam/two-phase-file.ts';
import {
  finishPrepareRecord,
  type PrepareRecord,
  processTwoPhaseRecords,
  readPrepareRecord,
  startPrepareRecord,
} from '#transam/two-phase-record.ts';
import {
  atAbortTwoPhase,
  checkMayPrepare,
  entryLsns,
  fillEntry,
  loadSubxids,
  lockEntry,
  markAsPrepared,
  markAsPreparing,
  postPrepareTwoPhase,
  preparedEntries,
  removeEntry,
  setMyLockedEntry,
  takeEntry,
  twoPhaseLock,
} from '#transam/two-phase-state.ts';
import { nextFullXidUnlocked } from '#transam/variable-cache.ts';
import { callPostPrepare, callWritePrepare } from '#transam/xact-callbacks.ts';
import { NO_INVALIDATIONS, xactHooks } from '#transam/xact-hooks.ts';
import { logAbortRecord, logCommitRecord, XACT_OP } from '#transam/xact-record.ts';
import { topState, xactStack } from '#transam/xact-stack.ts';
import { advanceNextFullXidPastXid } from '#transam/xid-generator.ts';
import {
  procLastRecPtr,
  setXlogLastRecEnd,
  walScratch,
  XLOG_INCLUDE_ORIGIN,
  xlogBeginInsert,
  xlogFlush,
  xlogInsert,
  xlogRegisterData,
  xlogSetRecordFlags,
} from '#wal/insert.ts';
import { replay } from '#wal/recovery-state.ts';
import { RM } from '#wal/rmgr-ids.ts';
import { lsnText } from '#wal/wal-format.ts';
import { getTopTransactionId } from '#transam/xact-xids.ts';

// biome-ignore lint/performance/noBarrelFile: one door for the users of several files of this subject
export { atAbortTwoPhase, preparedTransactions } from '#transam/two-phase-state.ts';
export { registerTwoPhaseHandlers, registerTwoPhaseRecord } from '#transam/two-phase-record.ts';

// ── PREPARE TRANSACTION ──────────────────────────────────────────────────────────────────────────────────────────

let prepareGid: string | null = null;
/** The command names the transaction; the work is done at the command's end. */
export function setPrepareGid(gid: string): void {
  prepareGid = gid;
}
let exitRegistered = false;

/** The part of PrepareTransaction() between the work that may still want an xid and the release of resources.
 *  Interrupts are held when it returns. */
export function prepareCurrentTransaction(enterPrepareState: () => void): void {
  if (xactHasExportedSnapshots())
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: 'cannot PREPARE a transaction that has exported snapshots',
    });
  const gid = prepareGid ?? '';
  prepareGid = null;
  checkMayPrepare(gid);
  const xid = getTopTransactionId();
  holdInterrupts();
  enterPrepareState();
  if (!exitRegistered) {
    beforeShmemExit(atAbortTwoPhase);
    exitRegistered = true;
  }
  const preparedAt = clockTimestamp();
  const me = procAt(myProcess.procNumber);
  const entry = markAsPreparing(xid, gid, preparedAt, xactHooks.userId(), PgProc.localTransactionId.get(mem, me));
  const subxacts = topState.childXids;
  const origin = xactHooks.origin();
  startPrepareRecord({
    xid,
    databaseId: myProcess.databaseId as Oid,
    preparedAt,
    owner: xactHooks.userId(),
    subxacts,
    commitFiles: xactHooks.pendingDeletes(true),
    abortFiles: xactHooks.pendingDeletes(false),
    commitStats: xactHooks.droppedStats(true),
    abortStats: xactHooks.droppedStats(false),
    invals: xactHooks.committedInvalidations(),
    gid,
    originLsn: origin.lsn,
    originTime: origin.time,
  });
  loadSubxids(entry, subxacts);
  atPrepareLocks();
  callWritePrepare(xid);
  const end = endPrepare(entry);
  setXlogLastRecEnd(0 as Lsn);
  // The locks change hands before the session's xid is cleared: at no moment does it look as if we had ended.
  postPrepareLocks(xid);
  procArrayClearTransaction();
  xactStack.topFullXid = 0 as FullTransactionId;
  xactHooks.syncRepWait(end, false);
  callPostPrepare(xid);
  postPrepareTwoPhase();
}

/** The record goes to disk; from then on the transaction is prepared. */
function endPrepare(entry: number): Lsn {
  const bytes = finishPrepareRecord();
  // As for a commit: a checkpoint must see either the record in its future or the entry in its list.
  beginCritical();
  setMyDelayChkptFlags(DELAY_CHKPT_START);
  xlogBeginInsert();
  const at = walScratch(bytes.length);
  mem.u8.set(bytes, at);
  xlogRegisterData(at, bytes.length);
  xlogSetRecordFlags(XLOG_INCLUDE_ORIGIN);
  const end = xlogInsert(RM.xact, XACT_OP.prepare);
  const origin = xactHooks.origin();
  if (origin.id !== 0) xactHooks.originAdvance(origin.id, origin.lsn, end, false, false);
  xlogFlush(end);
  P.startLsn.set(mem, entry, procLastRecPtr());
  P.endLsn.set(mem, entry, end);
  markAsPrepared(entry);
  clearMyDelayChkptFlags(DELAY_CHKPT_START);
  setMyLockedEntry(entry);
  endCritical();
  return end;
}

// ── COMMIT PREPARED, ROLLBACK PREPARED ───────────────────────────────────────────────────────────────────────────

/** Address of the state data, to be freed. */
function stateData(entry: number, xid: TransactionId): number {
  if (P.onDisk.get(mem, entry) !== 0) return readTwoPhaseFile(xid, false);
  return readTwoPhaseWal(entryLsns(entry).start).at;
}

export function finishPreparedTransaction(gid: string, isCommit: boolean): void {
  if (!exitRegistered) {
    beforeShmemExit(atAbortTwoPhase);
    exitRegistered = true;
  }
  const entry = lockEntry(gid, xactHooks.userId(), xactHooks.isSuperuser());
  const procNumber = P.procNumber.get(mem, entry);
  const xid = P.xid.get(mem, entry) as TransactionId;
  const data = stateData(entry, xid);
  const parsed = readPrepareRecord(data);
  assert(parsed.xid === xid, 'the state data are of this transaction');
  const latest = transactionIdLatest(xid, parsed.subxacts);
  // From the record on there is no way back, and no way out in the middle.
  holdInterrupts();
  if (isCommit) recordCommitPrepared(xid, parsed, gid);
  else recordAbortPrepared(xid, parsed, gid);
  procArrayRemove(procNumber, latest);
  // Nobody else may take it now; it stays in the list until its locks are released.
  P.valid.set(mem, entry, 0);
  xactHooks.dropRelationFiles(isCommit ? parsed.commitFiles : parsed.abortFiles, false);
  xactHooks.executeDroppedStats(isCommit ? parsed.commitStats : parsed.abortStats, false);
  if (isCommit) {
    const { invals } = parsed;
    if (invals.relcacheInitFileInval) xactHooks.relcacheInitFilePreInvalidate();
    xactHooks.sendInvalidations(invals.messages, invals.count);
    if (invals.relcacheInitFileInval) xactHooks.relcacheInitFilePostInvalidate();
  }
  // Held throughout, so that nobody prepares under the same xid's stand-in in between.
  lwLockAcquire(twoPhaseLock(), 'exclusive');
  processTwoPhaseRecords(parsed.recordsAt, xid, isCommit ? 'postCommit' : 'postAbort');
  predicateLockTwoPhaseFinish(xid, isCommit);
  const onDisk = P.onDisk.get(mem, entry) !== 0;
  removeEntry(entry);
  lwLockRelease(twoPhaseLock());
  // If we crash before this, recovery sees that the transaction has ended and removes the file.
  if (onDisk) removeTwoPhaseFile(xid, true);
  setMyLockedEntry(0);
  privateFree(data);
  resumeInterrupts();
}

function recordCommitPrepared(xid: TransactionId, parsed: PrepareRecord, gid: string): void {
  const time = clockTimestamp();
  const origin = xactHooks.origin();
  beginCritical();
  setMyDelayChkptFlags(DELAY_CHKPT_START);
  const end = logCommitRecord(time, {
    subxacts: parsed.subxacts,
    files: parsed.commitFiles,
    stats: parsed.commitStats,
    invals: parsed.invals,
    acquiredAccessExclusiveLock: true,
    forceSync: false,
    twoPhaseXid: xid,
    gid,
  });
  if (origin.id !== 0) xactHooks.originAdvance(origin.id, origin.lsn, end, false, false);
  transactionTreeSetCommitTsData(
    xid,
    parsed.subxacts,
    origin.id !== 0 && origin.time !== 0 ? origin.time : time,
    origin.id,
  );
  // Never asynchronous: a coordinator relies on it.
  xlogFlush(end);
  transactionIdCommitTree(xid, parsed.subxacts);
  clearMyDelayChkptFlags(DELAY_CHKPT_START);
  endCritical();
  xactHooks.syncRepWait(end, true);
}
function recordAbortPrepared(xid: TransactionId, parsed: PrepareRecord, gid: string): void {
  if (transactionIdDidCommit(xid))
    report('PANIC', { message: `cannot abort transaction ${xid}, it was already committed` });
  beginCritical();
  const end = logAbortRecord(clockTimestamp(), {
    subxacts: parsed.subxacts,
    files: parsed.abortFiles,
    stats: parsed.abortStats,
    invals: NO_INVALIDATIONS,
    acquiredAccessExclusiveLock: true,
    forceSync: false,
    twoPhaseXid: xid,
    gid,
  });
  xlogFlush(end);
  transactionIdAbortTree(xid, parsed.subxacts);
  endCritical();
  xactHooks.syncRepWait(end, false);
}

// ── checkpoint ───────────────────────────────────────────────────────────────────────────────────────────────────

/** Those whose record will not be replayed after this checkpoint get a file. */
export function checkPointTwoPhase(redoHorizon: Lsn): void {
  if (settings.max_prepared_transactions <= 0) return;
  let written = 0;
  lwLockAcquire(twoPhaseLock(), 'shared');
  for (const entry of preparedEntries()) {
    const { start, end } = entryLsns(entry);
    const exists = P.valid.get(mem, entry) !== 0 || P.inRedo.get(mem, entry) !== 0;
    if (!exists || P.onDisk.get(mem, entry) !== 0 || end > redoHorizon) continue;
    const { at, length } = readTwoPhaseWal(start);
    recreateTwoPhaseFile(P.xid.get(mem, entry) as TransactionId, at, length);
    privateFree(at);
    P.onDisk.set(mem, entry, 1);
    P.startLsn.set(mem, entry, 0);
    P.endLsn.set(mem, entry, 0);
    written++;
  }
  lwLockRelease(twoPhaseLock());
  // Also for files that were removed.
  fsyncFname(TWOPHASE_DIRECTORY, true);
  if (settings.log_checkpoints && written > 0)
    report('LOG', {
      message:
        written === 1
          ? `${written} two-phase state file was written for a long-running prepared transaction`
          : `${written} two-phase state files were written for long-running prepared transactions`,
    });
}

// ── recovery ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** Replay of PREPARE, or a file found at start (`start` 0). Lock: exclusive. */
export function prepareRedoAdd(data: number, start: Lsn, end: Lsn, originId: number): void {
  const parsed = readPrepareRecord(data);
  if (start !== 0 && readIfFileExists(parsed.xid)) {
    // A checkpoint has written the file after the redo position that we replay from.
    report(replay.reachedConsistency ? 'ERROR' : 'WARNING', {
      message: `could not recover two-phase state file for transaction ${parsed.xid}`,
      detail: `Two-phase state file has been found in WAL record ${lsnText(start)}, but this transaction has already been restored from disk.`,
    });
    return;
  }
  const entry = takeEntry();
  P.preparedAt.set(mem, entry, parsed.preparedAt);
  P.startLsn.set(mem, entry, start);
  P.endLsn.set(mem, entry, end);
  P.xid.set(mem, entry, parsed.xid);
  P.owner.set(mem, entry, parsed.owner);
  P.lockingBackend.set(mem, entry, 0);
  P.valid.set(mem, entry, 0);
  P.onDisk.set(mem, entry, start === 0 ? 1 : 0);
  P.inRedo.set(mem, entry, 1);
  P.gid.set(mem, entry, parsed.gid);
  if (originId !== 0) xactHooks.originAdvance(originId, parsed.originLsn, end, false, false);
  report('DEBUG2', {
    message: `added 2PC data in shared memory for transaction ${parsed.xid}`,
  });
}
function readIfFileExists(xid: TransactionId): boolean {
  const at = readTwoPhaseFile(xid, true);
  if (at === 0) return false;
  privateFree(at);
  return true;
}

/** Replay of COMMIT PREPARED or ROLLBACK PREPARED. Lock: exclusive. */
export function prepareRedoRemove(xid: TransactionId, giveWarning: boolean): void {
  const entry = preparedEntries().find((one) => P.xid.get(mem, one) === xid);
  // It was prepared before the redo position, and its file is gone already.
  if (entry === undefined) return;
  report('DEBUG2', { message: `removing 2PC data for transaction ${xid}` });
  if (P.onDisk.get(mem, entry) !== 0) removeTwoPhaseFile(xid, giveWarning);
  removeEntry(entry);
}

/** At the start of recovery: all files of pg_twophase. */
export function restoreTwoPhaseData(): void {
  lwLockAcquire(twoPhaseLock(), 'exclusive');
  for (const name of listDirectory(TWOPHASE_DIRECTORY)) {
    if (!/^[0-9A-F]{8}$/.test(name)) continue;
    const xid = Number.parseInt(name, 16) as TransactionId;
    const data = processBuffer(xid, 0 as Lsn, true, false, false);
    if (data === 0) continue;
    prepareRedoAdd(data, 0 as Lsn, 0 as Lsn, 0);
    privateFree(data);
  }
  lwLockRelease(twoPhaseLock());
}

/** Reads and checks one; 0 if it is of no use (and then it is removed). Lock: exclusive. */
function processBuffer(
  xid: TransactionId,
  start: Lsn,
  fromDisk: boolean,
  setParent: boolean,
  setNextXid: boolean,
): number {
  const remove = (why: 'stale' | 'future'): 0 => {
    const what = fromDisk ? 'state file' : 'state from memory';
    report('WARNING', { message: `removing ${why} two-phase ${what} for transaction ${xid}` });
    if (fromDisk) removeTwoPhaseFile(xid, true);
    else prepareRedoRemove(xid, true);
    return 0;
  };
  if (transactionIdDidCommit(xid) || transactionIdDidAbort(xid)) return remove('stale');
  if (xidFollowsOrEquals(xid, xidOfFull(nextFullXidUnlocked()))) return remove('future');
  const data = fromDisk ? readTwoPhaseFile(xid, false) : readTwoPhaseWal(start).at;
  const parsed = readPrepareRecord(data);
  if (parsed.xid !== xid)
    report('ERROR', {
      code: SQLSTATE.dataCorrupted,
      message: fromDisk
        ? `corrupted two-phase state file for transaction ${xid}`
        : `corrupted two-phase state in memory for transaction ${xid}`,
    });
  for (const sub of parsed.subxacts) {
    assert(xidFollowsOrEquals(sub, xid), 'a child is younger than its parent');
    if (setNextXid) advanceNextFullXidPastXid(sub);
    if (setParent) subTransSetParent(sub, xid);
  }
  return data;
}

/** The oldest prepared xid, nextXid if there are none; all of them for hot standby. */
export function prescanPreparedTransactions(): { oldest: TransactionId; xids: TransactionId[] } {
  let oldest = xidOfFull(nextFullXidUnlocked());
  const xids: TransactionId[] = [];
  lwLockAcquire(twoPhaseLock(), 'exclusive');
  for (const entry of preparedEntries()) {
    const xid = P.xid.get(mem, entry) as TransactionId;
    const data = processBuffer(xid, entryLsns(entry).start, P.onDisk.get(mem, entry) !== 0, false, true);
    if (data === 0) continue;
    privateFree(data);
    if (xidPrecedes(xid, oldest)) oldest = xid;
    xids.push(xid);
  }
  lwLockRelease(twoPhaseLock());
  return { oldest, xids };
}
/** Before a standby takes its first snapshot: parents of the subtransactions. */
export function standbyRecoverPreparedTransactions(): void {
  lwLockAcquire(twoPhaseLock(), 'exclusive');
  for (const entry of preparedEntries()) {
    const onDisk = P.onDisk.get(mem, entry) !== 0;
    const data = processBuffer(P.xid.get(mem, entry) as TransactionId, entryLsns(entry).start, onDisk, true, false);
    if (data !== 0) privateFree(data);
  }
  lwLockRelease(twoPhaseLock());
}

/** At the end of recovery: they run again, with their locks. */
export function recoverPreparedTransactions(): void {
  lwLockAcquire(twoPhaseLock(), 'exclusive');
  for (const entry of preparedEntries()) {
    const xid = P.xid.get(mem, entry) as TransactionId;
    const data = processBuffer(xid, entryLsns(entry).start, P.onDisk.get(mem, entry) !== 0, true, false);
    if (data === 0) continue;
    report('LOG', { message: `recovering prepared transaction ${xid} from shared memory` });
    const parsed = readPrepareRecord(data);
    fillEntry(entry, xid, parsed.gid, parsed.preparedAt, parsed.owner, parsed.databaseId, 0);
    P.inRedo.set(mem, entry, 0);
    loadSubxids(entry, parsed.subxacts);
    markAsPrepared(entry);
    lwLockRelease(twoPhaseLock());
    processTwoPhaseRecords(parsed.recordsAt, xid, 'recover');
    if (replay.standbyState > 0) xactHooks.standbyReleaseLockTree(xid, parsed.subxacts);
    postPrepareTwoPhase();
    privateFree(data);
    lwLockAcquire(twoPhaseLock(), 'exclusive');
  }
  lwLockRelease(twoPhaseLock());
}
