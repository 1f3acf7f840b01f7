/** standby-log.ts — what a primary writes for standbys that answer queries: running transactions, exclusive locks,
 *  invalidations of transactions without an xid.
 *  Counterpart: LogStandbySnapshot() and its kin of src/backend/storage/ipc/standby.c */
import type { Lsn, Oid, TransactionId } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { myProcess } from '#runtime/my-process.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { getRunningTransactionData } from '#transam/proc-array.ts';
import type { RunningTransactions } from '#transam/known-assigned-xids.ts';
import { xactFlags } from '#transam/xact-flags.ts';
import { type CommitInvalidations, xactHooks } from '#transam/xact-hooks.ts';
import { lsnText } from '#wal/wal-format.ts';
import {
  walScratch,
  XLOG_MARK_UNIMPORTANT,
  xlogBeginInsert,
  xlogInsert,
  xlogRegisterData,
  xlogSetAsyncXactLsn,
  xlogSetRecordFlags,
} from '#wal/insert.ts';
import { RM } from '#wal/rmgr-ids.ts';

export const STANDBY_OP = { lock: 0x00, runningXacts: 0x10, invalidations: 0x20 } as const;
export const RUNNING_XACTS_HEADER = 24;

export interface StandbyLock {
  readonly xid: TransactionId;
  readonly databaseId: Oid;
  readonly relationId: Oid;
}
let runningLocks: () => readonly StandbyLock[] = () => [];
/** The lock manager lists all AccessExclusiveLocks on relations. */
export function setRunningTransactionLocks(list: () => readonly StandbyLock[]): void {
  runningLocks = list;
}

/** Everything a standby must know to begin: locks first, then who runs. Returns the end of the record. */
export function logStandbySnapshot(): Lsn {
  const locks = runningLocks();
  if (locks.length > 0) logAccessExclusiveLocks(locks);
  // Comes back with both locks held, so that no xid appears or ends before the record is in the WAL.
  const running = getRunningTransactionData();
  const arrayLock = mainLWLock('ProcArray');
  // Decoding needs ends to be ordered after the record, too; others are served by the standby's own checks.
  const logical = settings.wal_level === 'logical';
  if (!logical) lwLockRelease(arrayLock);
  const end = logCurrentRunningXacts(running);
  if (logical) lwLockRelease(arrayLock);
  lwLockRelease(mainLWLock('XidGen'));
  return end;
}

function logCurrentRunningXacts(running: RunningTransactions): Lsn {
  const { xids } = running;
  xlogBeginInsert();
  xlogSetRecordFlags(XLOG_MARK_UNIMPORTANT);
  const at = walScratch(RUNNING_XACTS_HEADER + 4 * xids.length);
  const { view } = mem;
  view.setInt32(at, running.xcnt, true);
  view.setInt32(at + 4, running.subxcnt, true);
  view.setUint32(at + 8, running.subxidOverflow ? 1 : 0, true);
  view.setUint32(at + 12, running.nextXid, true);
  view.setUint32(at + 16, running.oldestRunningXid, true);
  view.setUint32(at + 20, running.latestCompletedXid, true);
  for (let i = 0; i < xids.length; i++) view.setUint32(at + RUNNING_XACTS_HEADER + 4 * i, xids[i]!, true);
  xlogRegisterData(at, RUNNING_XACTS_HEADER + 4 * xids.length);
  const end = xlogInsert(RM.standby, STANDBY_OP.runningXacts);
  const facts = `(lsn ${lsnText(end)} oldest xid ${running.oldestRunningXid} latest complete ${running.latestCompletedXid} next xid ${running.nextXid})`;
  report('DEBUG2', {
    message: running.subxidOverflow
      ? `snapshot of ${running.xcnt} running transactions overflowed ${facts}`
      : `snapshot of ${running.xcnt}+${running.subxcnt} running transaction ids ${facts}`,
  });
  // A standby waits for it; the WAL writer shall not let it lie.
  xlogSetAsyncXactLsn(end);
  return end;
}

function logAccessExclusiveLocks(locks: readonly StandbyLock[]): void {
  xlogBeginInsert();
  const size = 4 + 12 * locks.length;
  const at = walScratch(size);
  mem.view.setInt32(at, locks.length, true);
  locks.forEach((lock, i) => {
    mem.view.setUint32(at + 4 + 12 * i, lock.xid, true);
    mem.view.setUint32(at + 8 + 12 * i, lock.databaseId, true);
    mem.view.setUint32(at + 12 + 12 * i, lock.relationId, true);
  });
  xlogRegisterData(at, size);
  xlogSetRecordFlags(XLOG_MARK_UNIMPORTANT);
  xlogInsert(RM.standby, STANDBY_OP.lock);
}
/** My transaction, which has an xid by now, locks a relation against everybody. */
export function logAccessExclusiveLock(xid: TransactionId, databaseId: Oid, relationId: Oid): void {
  logAccessExclusiveLocks([{ xid, databaseId, relationId }]);
  xactFlags.acquiredAccessExclusiveLock = true;
}

export function logStandbyInvalidations(invals: CommitInvalidations): void {
  xlogBeginInsert();
  const size = 16 + 16 * invals.count;
  const at = walScratch(size);
  mem.view.setUint32(at, myProcess.databaseId, true);
  mem.view.setUint32(at + 4, xactHooks.databaseTablespace(), true);
  mem.view.setUint32(at + 8, invals.relcacheInitFileInval ? 1 : 0, true);
  mem.view.setInt32(at + 12, invals.count, true);
  mem.u8.set(invals.messages.subarray(0, 16 * invals.count), at + 16);
  xlogRegisterData(at, size);
  xlogInsert(RM.standby, STANDBY_OP.invalidations);
}
