/** two-phase-state.ts — the prepared transactions of this server, in shared memory.
 *
 *  Each has an entry and a dummy PGPROC that stands for it: in the ProcArray it is running, in the lock table it holds
 *  its locks. Who works on an entry writes his backend id into it; so nobody else commits it twice, and an error frees it.
 *  Everything is guarded by TwoPhaseStateLock.
 *  Counterpart: TwoPhaseStateData and the GlobalTransaction functions of src/backend/access/transam/twophase.c */
import type { Lsn, Oid, TransactionId } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { myProcess } from '#runtime/my-process.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { lwLockAcquire, lwLockHeldByMe, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { procAt, totalProcs } from '#shm/proc.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';
import { MAX_CACHED_SUBXIDS, procArrayAdd } from '#transam/proc-array-layout.ts';
import { GID_SIZE, PreparedXact as P, TwoPhaseHeader as H } from '#transam/transam-layout.ts';

let at = -1;
const max = (): number => settings.max_prepared_transactions;
const entryAt = (index: number): number => at + H.SIZE + index * P.SIZE;
const orderWord = (i: number): number => (at + H.SIZE + max() * P.SIZE + 4 * i) >>> 2;
const size = (): number => H.SIZE + max() * (P.SIZE + 4);

export const twoPhaseShmem: ShmemSubsystem = {
  name: 'Prepared Transaction Table',
  request: () => requestShmemSpace(size()),
  init() {
    const found = shmemInitStruct('Prepared Transaction Table', size());
    at = found.at;
    if (found.found) return;
    H.freeFirst.set(mem, at, max() > 0 ? 0 : -1);
    for (let i = 0; i < max(); i++) {
      P.freeNext.set(mem, entryAt(i), i + 1 < max() ? i + 1 : -1);
      P.procNumber.set(mem, entryAt(i), totalProcs() + i);
    }
  },
};
export const twoPhaseLock = (): number => mainLWLock('TwoPhaseState');
const attached = (): boolean => at >= 0;

/** Addresses of the entries in use, in order of preparation. */
export function preparedEntries(): number[] {
  const entries: number[] = [];
  const count = H.preparedCount.get(mem, at);
  for (let i = 0; i < count; i++) entries.push(entryAt(mem.i32[orderWord(i)]!));
  return entries;
}

/** The entry that this process works on, 0 for none. */
let mine = 0;
export const myLockedEntry = (): number => mine;
export function setMyLockedEntry(entry: number): void {
  mine = entry;
}

// ── making and removing ──────────────────────────────────────────────────────────────────────────────────────────

function tooMany(): never {
  return report('ERROR', {
    code: SQLSTATE.outOfMemory,
    message: 'maximum number of prepared transactions reached',
    hint: `Increase max_prepared_transactions (currently ${max()}).`,
  });
}
/** Takes a free entry and puts it into the list. Lock: exclusive. */
export function takeEntry(): number {
  const index = H.freeFirst.get(mem, at);
  if (index < 0) tooMany();
  const entry = entryAt(index);
  H.freeFirst.set(mem, at, P.freeNext.get(mem, entry));
  const count = H.preparedCount.get(mem, at);
  mem.i32[orderWord(count)] = index;
  H.preparedCount.set(mem, at, count + 1);
  return entry;
}
/** Takes it off the list again. Lock: exclusive. */
export function removeEntry(entry: number): void {
  const count = H.preparedCount.get(mem, at);
  const index = (entry - at - H.SIZE) / P.SIZE;
  for (let i = 0; i < count; i++) {
    if (mem.i32[orderWord(i)] !== index) continue;
    mem.i32[orderWord(i)] = mem.i32[orderWord(count - 1)]!;
    H.preparedCount.set(mem, at, count - 1);
    P.freeNext.set(mem, entry, H.freeFirst.get(mem, at));
    H.freeFirst.set(mem, at, index);
    return;
  }
  report('ERROR', { message: `failed to find ${entry} in GlobalTransaction array` });
}

/** Fills the entry and its stand-in. Lock: exclusive. */
export function fillEntry(
  entry: number,
  xid: TransactionId,
  gid: string,
  preparedAt: number,
  owner: Oid,
  databaseId: Oid,
  localTransactionId: number,
): void {
  const proc = procAt(P.procNumber.get(mem, entry));
  // The virtual xid of its session, so that who waited for that finds it here; after a restart there is none.
  PgProc.localTransactionId.set(mem, proc, localTransactionId !== 0 ? localTransactionId : xid);
  PgProc.backendId.set(mem, proc, localTransactionId !== 0 ? myProcess.backendId : 0);
  PgProc.pid.store(mem, proc, 0);
  PgProc.xid.set(mem, proc, xid);
  PgProc.xmin.set(mem, proc, 0);
  PgProc.delayChkptFlags.store(mem, proc, 0);
  PgProc.statusFlags.set(mem, proc, 0);
  PgProc.databaseId.set(mem, proc, databaseId);
  PgProc.roleId.set(mem, proc, owner);
  PgProc.tempNamespaceId.set(mem, proc, 0);
  PgProc.isBackgroundWorker.set(mem, proc, 0);
  PgProc.lwWaiting.store(mem, proc, 0);
  PgProc.waitLock.set(mem, proc, 0);
  PgProc.waitProcLock.set(mem, proc, 0);
  PgProc.subxidCount.set(mem, proc, 0);
  PgProc.subxidOverflowed.set(mem, proc, 0);
  P.preparedAt.set(mem, entry, preparedAt);
  P.xid.set(mem, entry, xid);
  P.owner.set(mem, entry, owner);
  P.lockingBackend.set(mem, entry, myProcess.backendId);
  P.valid.set(mem, entry, 0);
  P.inRedo.set(mem, entry, 0);
  P.gid.set(mem, entry, gid);
  mine = entry;
}
export function loadSubxids(entry: number, subxids: readonly TransactionId[]): void {
  const proc = procAt(P.procNumber.get(mem, entry));
  const count = Math.min(subxids.length, MAX_CACHED_SUBXIDS);
  PgProc.subxidOverflowed.set(mem, proc, subxids.length > MAX_CACHED_SUBXIDS ? 1 : 0);
  for (let i = 0; i < count; i++) mem.view.setUint32(PgProc.subxids.at(proc, i), subxids[i]!, true);
  PgProc.subxidCount.set(mem, proc, count);
}
/** It counts as running from here on; the session that prepared it still runs under the same xid for a moment. */
export function markAsPrepared(entry: number): void {
  const held = lwLockHeldByMe(twoPhaseLock());
  if (!held) lwLockAcquire(twoPhaseLock(), 'exclusive');
  P.valid.set(mem, entry, 1);
  if (!held) lwLockRelease(twoPhaseLock());
  procArrayAdd(P.procNumber.get(mem, entry));
}

/** What can be refused before anything is done. */
export function checkMayPrepare(gid: string): void {
  if (Buffer.byteLength(gid) >= GID_SIZE)
    report('ERROR', {
      code: SQLSTATE.invalidParameterValue,
      message: `transaction identifier "${gid}" is too long`,
    });
  if (max() === 0)
    report('ERROR', {
      code: SQLSTATE.objectNotInPrerequisiteState,
      message: 'prepared transactions are disabled',
      hint: 'Set max_prepared_transactions to a nonzero value.',
    });
}

/** PREPARE TRANSACTION 'gid' begins. */
export function markAsPreparing(
  xid: TransactionId,
  gid: string,
  preparedAt: number,
  owner: Oid,
  localTransactionId: number,
): number {
  checkMayPrepare(gid);
  lwLockAcquire(twoPhaseLock(), 'exclusive');
  // Also those that are being prepared.
  for (const entry of preparedEntries())
    if (P.gid.get(mem, entry) === gid)
      report('ERROR', { code: SQLSTATE.duplicateObject, message: `transaction identifier "${gid}" is already in use` });
  const entry = takeEntry();
  fillEntry(entry, xid, gid, preparedAt, owner, myProcess.databaseId as Oid, localTransactionId);
  P.onDisk.set(mem, entry, 0);
  lwLockRelease(twoPhaseLock());
  return entry;
}

/** Takes a prepared transaction for COMMIT or ROLLBACK PREPARED. */
export function lockEntry(gid: string, user: Oid, isSuperuser: boolean): number {
  const doesNotExist = (): never =>
    report('ERROR', {
      code: SQLSTATE.undefinedObject,
      message: `prepared transaction with identifier "${gid}" does not exist`,
    });
  if (!attached()) doesNotExist();
  lwLockAcquire(twoPhaseLock(), 'exclusive');
  for (const entry of preparedEntries()) {
    if (P.valid.get(mem, entry) === 0 || P.gid.get(mem, entry) !== gid) continue;
    if (P.lockingBackend.get(mem, entry) !== 0)
      report('ERROR', {
        code: SQLSTATE.objectNotInPrerequisiteState,
        message: `prepared transaction with identifier "${gid}" is busy`,
      });
    if (user !== P.owner.get(mem, entry) && !isSuperuser)
      report('ERROR', {
        code: SQLSTATE.insufficientPrivilege,
        message: 'permission denied to finish prepared transaction',
        hint: 'Must be superuser or the user that prepared the transaction.',
      });
    // Its invalidation messages and files would be those of another database.
    if (myProcess.databaseId !== PgProc.databaseId.get(mem, procAt(P.procNumber.get(mem, entry))))
      report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: 'prepared transaction belongs to another database',
        hint: 'Connect to the database where the transaction was prepared to finish it.',
      });
    P.lockingBackend.set(mem, entry, myProcess.backendId);
    mine = entry;
    lwLockRelease(twoPhaseLock());
    return entry;
  }
  lwLockRelease(twoPhaseLock());
  return doesNotExist();
}

/** After an error, or at the end of the process: what I was working on is free again. */
export function atAbortTwoPhase(): void {
  if (mine === 0) return;
  lwLockAcquire(twoPhaseLock(), 'exclusive');
  // Not valid: it was still being prepared, and its transaction aborts.
  if (P.valid.get(mem, mine) === 0) removeEntry(mine);
  else P.lockingBackend.set(mem, mine, 0);
  lwLockRelease(twoPhaseLock());
  mine = 0;
}
export function postPrepareTwoPhase(): void {
  lwLockAcquire(twoPhaseLock(), 'exclusive');
  P.lockingBackend.set(mem, mine, 0);
  lwLockRelease(twoPhaseLock());
  mine = 0;
}

// ── asking ───────────────────────────────────────────────────────────────────────────────────────────────────────

function withLock<T>(work: () => T): T {
  if (lwLockHeldByMe(twoPhaseLock())) return work();
  lwLockAcquire(twoPhaseLock(), 'shared');
  const result = work();
  lwLockRelease(twoPhaseLock());
  return result;
}

/** PGPROC number of the stand-in, -1 if the xid is not of a prepared transaction. */
export function twoPhaseGetDummyProc(xid: TransactionId): number {
  if (!attached() || max() === 0) return -1;
  return withLock(() => {
    const entry = preparedEntries().find((one) => P.xid.get(mem, one) === xid);
    return entry === undefined ? -1 : P.procNumber.get(mem, entry);
  });
}
/** Place among the slots that follow those of backends, for per-backend arrays: MaxBackends + 1 + index. */
export const preparedIndexOfProc = (procNumber: number): number => procNumber - totalProcs();
export const isPreparedXid = (xid: TransactionId): boolean =>
  attached() && withLock(() => preparedEntries().some((entry) => P.xid.get(mem, entry) === xid));

/** xid of a transaction that was prepared under this virtual xid, 0 for none; `after` goes on from an earlier answer. */
export function twoPhaseGetXidByVirtualXid(
  backendId: number,
  localTransactionId: number,
  after: number,
): TransactionId {
  if (!attached() || max() === 0) return 0 as TransactionId;
  return withLock(() => {
    let passed = after === 0;
    for (const entry of preparedEntries()) {
      const proc = procAt(P.procNumber.get(mem, entry));
      const xid = P.xid.get(mem, entry) as TransactionId;
      if (P.valid.get(mem, entry) === 0) continue;
      if (PgProc.backendId.get(mem, proc) !== backendId) continue;
      if (PgProc.localTransactionId.get(mem, proc) !== localTransactionId) continue;
      if (passed) return xid;
      passed = xid === after;
    }
    return 0 as TransactionId;
  });
}

export interface PreparedTransaction {
  readonly xid: TransactionId;
  readonly gid: string;
  readonly preparedAt: number;
  readonly owner: Oid;
  readonly databaseId: Oid;
}
/** Rows of pg_prepared_xacts. */
export function preparedTransactions(): PreparedTransaction[] {
  if (!attached()) return [];
  return withLock(() =>
    preparedEntries()
      .filter((entry) => P.valid.get(mem, entry) !== 0)
      .map((entry) => ({
        xid: P.xid.get(mem, entry) as TransactionId,
        gid: P.gid.get(mem, entry),
        preparedAt: P.preparedAt.get(mem, entry),
        owner: P.owner.get(mem, entry) as Oid,
        databaseId: PgProc.databaseId.get(mem, procAt(P.procNumber.get(mem, entry))) as Oid,
      })),
  );
}
export const entryLsns = (entry: number): { start: Lsn; end: Lsn } => ({
  start: P.startLsn.get(mem, entry) as Lsn,
  end: P.endLsn.get(mem, entry) as Lsn,
});
