/** lock-two-phase.ts — locks of prepared transactions: they outlive the session, and a restart.
 *
 *  PREPARE writes each lock into the state file (tag, mode: 20 bytes) and then hands the PROCLOCKs to the transaction's
 *  stand-in PGPROC, without a moment in which the lock is free. Counters of strong locks stay raised until the end.
 *  Counterpart: AtPrepare_Locks(), PostPrepare_Locks(), lock_twophase_*() of src/backend/storage/lmgr/lock.c */
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { report } from '#runtime/error/report.ts';
import { myProcess } from '#runtime/my-process.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import {
  conflictsWithFastPath,
  fastPathToTable,
  lowerStrongCountOf,
  raiseStrongCount,
} from '#storage/lmgr/fast-path.ts';
import { dropLocalLock, liveLock, liveLockCount, type LocalLock } from '#storage/lmgr/local-lock.ts';
import { outOfLockMemory, removeLocalLock } from '#storage/lmgr/lock.ts';
import { lockFacts, TWO_PHASE_RM } from '#storage/lmgr/lock-facts.ts';
import { LOCK_PARTITIONS, ProcLock } from '#storage/lmgr/lock-layout.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { grantLock, setUpLockInTable } from '#storage/lmgr/lock-queue.ts';
import { releaseInTable } from '#storage/lmgr/lock-release.ts';
import {
  firstProcLockOf,
  hashOfTag,
  lockTagType,
  partitionLock,
  partitionLockOfIndex,
  rekeyProcLock,
} from '#storage/lmgr/lock-table.ts';
import { LOCK_TAG, LockTag } from '#storage/lmgr/lock-tag.ts';

const RECORD_SIZE = 20;

function encode(local: LocalLock): Uint8Array {
  const data = new Uint8Array(RECORD_SIZE);
  const view = new DataView(data.buffer);
  const { tag } = local;
  view.setUint32(0, tag.field1, true);
  view.setUint32(4, tag.field2, true);
  view.setUint32(8, tag.field3, true);
  view.setUint16(12, tag.field4, true);
  view.setUint8(14, tag.type);
  view.setUint8(15, tag.method);
  view.setInt32(16, local.mode, true);
  return data;
}
function decode(data: Uint8Array): { tag: LockTag; mode: number; hash: number } {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const tag = new LockTag().set(
    view.getUint8(14),
    view.getUint8(15),
    view.getUint32(0, true),
    view.getUint32(4, true),
    view.getUint32(8, true),
    view.getUint16(12, true),
  );
  return { tag, mode: view.getInt32(16, true), hash: hashOfTag(tag) };
}

const heldBySession = (local: LocalLock): boolean => {
  for (let i = 0; i < local.ownerCount; i++) if (local.owners[i] === null && local.counts[i]! > 0) return true;
  return false;
};
const heldByTransaction = (local: LocalLock): boolean => {
  for (let i = 0; i < local.ownerCount; i++) if (local.owners[i] !== null && local.counts[i]! > 0) return true;
  return false;
};

/** A lock cannot go to the prepared transaction and stay with the session. */
function checkForSessionAndXactLocks(): void {
  const bySession = new Set<string>();
  const byTransaction = new Set<string>();
  for (let i = 0; i < liveLockCount(); i++) {
    const local = liveLock(i);
    if (local.tag.type === LOCK_TAG.virtualTransaction || local.count <= 0) continue;
    const { field1, field2, field3, field4, type, method } = local.tag;
    const key = `${field1}/${field2}/${field3}/${field4}/${type}/${method}`;
    if (heldBySession(local)) bySession.add(key);
    if (heldByTransaction(local)) byTransaction.add(key);
  }
  for (const key of byTransaction)
    if (bySession.has(key))
      report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: 'cannot PREPARE while holding both session-level and transaction-level locks on the same object',
      });
}

/** PREPARE, while it may still fail: a record per lock. */
export function atPrepareLocks(): void {
  checkForSessionAndXactLocks();
  for (let i = 0; i < liveLockCount(); i++) {
    const local = liveLock(i);
    if (local.tag.type === LOCK_TAG.virtualTransaction || local.count <= 0 || !heldByTransaction(local)) continue;
    if (local.procLock === 0) {
      local.procLock = fastPathToTable(local);
      if (local.procLock === 0) outOfLockMemory();
      local.lock = ProcLock.lock.get(mem, local.procLock);
    }
    // From here on the count is the prepared transaction's.
    local.holdsStrongCount = false;
    lockFacts.registerTwoPhaseRecord(TWO_PHASE_RM.lock, 0, encode(local));
  }
}

/** PREPARE has been made durable: the locks go to the stand-in of `xid`. Must not fail. */
export function postPrepareLocks(xid: number): void {
  const stand = lockFacts.twoPhaseGetDummyProc(xid);
  for (let i = liveLockCount() - 1; i >= 0; i--) {
    const local = liveLock(i);
    if (local.count === 0) {
      removeLocalLock(local);
      continue;
    }
    if (local.tag.type === LOCK_TAG.virtualTransaction || !heldByTransaction(local)) continue;
    ProcLock.releaseMask.set(mem, local.procLock, ProcLock.releaseMask.get(mem, local.procLock) | (1 << local.mode));
    dropLocalLock(local);
  }
  for (let partition = 0; partition < LOCK_PARTITIONS; partition++) handOver(partition, stand);
}

function handOver(partition: number, stand: number): void {
  const proc = myProcess.procNumber;
  if (firstProcLockOf(proc, partition) === 0) return;
  const lwLock = partitionLockOfIndex(partition);
  lwLockAcquire(lwLock, 'exclusive');
  let next: number;
  for (let procLock = firstProcLockOf(proc, partition); procLock !== 0; procLock = next) {
    next = ProcLock.procNext.get(mem, procLock);
    if (lockTagType(ProcLock.lock.get(mem, procLock)) === LOCK_TAG.virtualTransaction) continue;
    const release = ProcLock.releaseMask.get(mem, procLock);
    // A session lock stays.
    if (release === 0) continue;
    if (release !== ProcLock.holdMask.get(mem, procLock))
      report('PANIC', { message: 'we seem to have dropped a bit somewhere' });
    if (!rekeyProcLock(procLock, stand))
      report('PANIC', { message: "duplicate entry found while reassigning a prepared transaction's locks" });
    ProcLock.releaseMask.set(mem, procLock, 0);
  }
  lwLockRelease(lwLock);
}

/** After a restart: takes the lock again for the stand-in. Conflicts cannot be, for it was held before. */
export function lockTwoPhaseRecover(xid: number, _info: number, data: Uint8Array): void {
  const proc = lockFacts.twoPhaseGetDummyProc(xid);
  const { tag, mode, hash } = decode(data);
  const partition = partitionLock(hash);
  lwLockAcquire(partition, 'exclusive');
  const procLock = setUpLockInTable(proc, tag, hash, mode);
  if (procLock === 0) {
    lwLockRelease(partition);
    outOfLockMemory();
  }
  grantLock(ProcLock.lock.get(mem, procLock), procLock, mode);
  if (conflictsWithFastPath(tag, mode)) raiseStrongCount(hash);
  lwLockRelease(partition);
}

/** The lock of a relation that a standby must take for a prepared transaction; undefined for others. */
export function lockTwoPhaseStandbyLock(data: Uint8Array): { databaseId: number; relationId: number } | undefined {
  const { tag, mode } = decode(data);
  if (mode !== LOCK.accessExclusive || tag.type !== LOCK_TAG.relation) return undefined;
  return { databaseId: tag.field1, relationId: tag.field2 };
}

/** COMMIT PREPARED and ROLLBACK PREPARED. */
export function lockTwoPhasePostCommit(xid: number, _info: number, data: Uint8Array): void {
  const proc = lockFacts.twoPhaseGetDummyProc(xid);
  const what = decode(data);
  releaseInTable(proc, what);
  if (conflictsWithFastPath(what.tag, what.mode)) lowerStrongCountOf(what.hash);
}
export const lockTwoPhasePostAbort = lockTwoPhasePostCommit;
