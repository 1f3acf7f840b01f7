/** xid-generator.ts — handing out transaction ids and OIDs, and stopping in time before xids wrap around.
 *
 *  A new xid is in my PGPROC and in the dense array before XidGenLock is released. So whoever reads nextXid later and then
 *  looks at the ProcArray sees every running xid below it.
 *  Counterpart: src/backend/access/transam/varsup.c */
import type { FullTransactionId, Oid, TransactionId } from '#base/ids.ts';
import {
  BOOTSTRAP_XID,
  epochOfFull,
  FIRST_NORMAL_XID,
  fullXid,
  fullXidAdvance,
  MAX_XID,
  xidAdvance,
  xidFollowsOrEquals,
  xidIsNormal,
  xidOfFull,
  xidPrecedes,
} from '#base/xid.ts';
import { assert } from '#base/assert.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { myProcess } from '#runtime/my-process.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { procAt } from '#shm/proc.ts';
import { sendPostmasterSignal } from '#storage/ipc/pm-signal.ts';
import { extendClog } from '#transam/clog.ts';
import { extendCommitTs } from '#transam/commit-ts.ts';
import { publishSubXid, publishXid } from '#transam/proc-array-layout.ts';
import { extendSubtrans } from '#transam/subtrans.ts';
import { VariableCache } from '#transam/transam-layout.ts';
import { variableCacheAt } from '#transam/variable-cache.ts';
import { xlogPutNextOid } from '#wal/insert.ts';
import { recoveryInProgress } from '#wal/recovery-state.ts';

// biome-ignore lint/performance/noBarrelFile: one door for the users of several files of this subject
export { advanceOldestClogXid } from '#transam/variable-cache.ts';

const OID_PREFETCH = 8192;
/** OIDs from here on are given out by initdb's bootstrap, from there on by a running server. */
const FIRST_GENBKI_OBJECT_ID = 10000;
const FIRST_NORMAL_OBJECT_ID = 16384;

let databaseName: (database: Oid) => string | null = () => null;
/** The catalog's answer, used only inside a transaction. */
export function setDatabaseNameLookup(lookup: (database: Oid) => string | null): void {
  databaseName = lookup;
}
let bootstrapMode = false;
/** initdb's first transaction: everything it writes is born committed. */
export function setBootstrapXids(on: boolean): void {
  bootstrapMode = on;
}

const genLock = (): number => mainLWLock('XidGen');

// ── xids ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const RELIEF = 'You might also need to commit or roll back old prepared transactions, or drop stale replication slots.';

/** Warns, refuses or calls for autovacuum. XidGenLock is not held. */
function complainNear(xid: TransactionId, warn: TransactionId, stop: TransactionId, wrap: number, db: Oid): void {
  if (!myProcess.isUnderPostmaster) return;
  if (xid % 65536 === 0) sendPostmasterSignal('startAutovacLauncher');
  const pastStop = xidFollowsOrEquals(xid, stop);
  if (!pastStop && !xidFollowsOrEquals(xid, warn)) return;
  const name = databaseName(db);
  if (pastStop)
    report('ERROR', {
      code: SQLSTATE.programLimitExceeded,
      message:
        name !== null
          ? `database is not accepting commands to avoid wraparound data loss in database "${name}"`
          : `database is not accepting commands to avoid wraparound data loss in database with OID ${db}`,
      hint: `Stop the postmaster and vacuum that database in single-user mode.\n${RELIEF}`,
    });
  warnOfWraparound(name, db, (wrap - xid) >>> 0);
}
function warnOfWraparound(name: string | null, db: Oid, left: number): void {
  report('WARNING', {
    message:
      name !== null
        ? `database "${name}" must be vacuumed within ${left} transactions`
        : `database with OID ${db} must be vacuumed within ${left} transactions`,
    hint: `To avoid a database shutdown, execute a database-wide VACUUM in that database.\n${RELIEF}`,
  });
}

/** The next xid, for my transaction or a subtransaction of it. */
export function getNewTransactionId(isSub: boolean): FullTransactionId {
  assert(myProcess.procNumber >= 0, 'a transaction that writes has a PGPROC');
  const me = procAt(myProcess.procNumber);
  if (bootstrapMode) {
    publishXid(me, BOOTSTRAP_XID);
    return BOOTSTRAP_XID as number as FullTransactionId;
  }
  if (recoveryInProgress()) report('ERROR', { message: 'cannot assign TransactionIds during recovery' });
  const cache = variableCacheAt();
  lwLockAcquire(genLock(), 'exclusive');
  let full = VariableCache.nextXid.get(mem, cache) as FullTransactionId;
  let xid = xidOfFull(full);
  const vacLimit = VariableCache.xidVacLimit.get(mem, cache) as TransactionId;
  if (vacLimit !== 0 && xidFollowsOrEquals(xid, vacLimit)) {
    const warn = VariableCache.xidWarnLimit.get(mem, cache) as TransactionId;
    const stop = VariableCache.xidStopLimit.get(mem, cache) as TransactionId;
    const wrap = VariableCache.xidWrapLimit.get(mem, cache);
    const db = VariableCache.oldestXidDb.get(mem, cache) as Oid;
    lwLockRelease(genLock());
    complainNear(xid, warn, stop, wrap, db);
    lwLockAcquire(genLock(), 'exclusive');
    full = VariableCache.nextXid.get(mem, cache) as FullTransactionId;
    xid = xidOfFull(full);
  }
  // These may fail for lack of disk space: then nothing has happened yet.
  extendClog(xid);
  extendCommitTs(xid);
  extendSubtrans(xid);
  VariableCache.nextXid.set(mem, cache, fullXidAdvance(full));
  if (isSub) publishSubXid(me, xid);
  else publishXid(me, xid);
  lwLockRelease(genLock());
  return full;
}

export function readNextFullTransactionId(): FullTransactionId {
  lwLockAcquire(genLock(), 'shared');
  const full = VariableCache.nextXid.get(mem, variableCacheAt()) as FullTransactionId;
  lwLockRelease(genLock());
  return full;
}
export const readNextTransactionId = (): TransactionId => xidOfFull(readNextFullTransactionId());

/** Replay has met this xid: nextXid is beyond it. Only the startup process writes it then. */
export function advanceNextFullXidPastXid(xid: TransactionId): void {
  const cache = variableCacheAt();
  const next = VariableCache.nextXid.get(mem, cache) as FullTransactionId;
  const nextXid = xidOfFull(next);
  if (!xidIsNormal(xid) || !xidFollowsOrEquals(xid, nextXid)) return;
  const after = xidAdvance(xid);
  let epoch = epochOfFull(next);
  if (after < nextXid) epoch++;
  lwLockAcquire(genLock(), 'exclusive');
  VariableCache.nextXid.set(mem, cache, fullXid(epoch, after));
  lwLockRelease(genLock());
}

/** Computes the limits from the oldest datfrozenxid of any database. */
export function setTransactionIdLimit(oldestDatFrozenXid: TransactionId, oldestDatOid: Oid): void {
  const normal = (xid: number): TransactionId =>
    (xid < FIRST_NORMAL_XID ? xid + FIRST_NORMAL_XID : xid) as TransactionId;
  const back = (xid: number, steps: number): TransactionId => {
    const moved = (xid - steps) >>> 0;
    return (moved < FIRST_NORMAL_XID ? (moved - FIRST_NORMAL_XID) >>> 0 : moved) as TransactionId;
  };
  const wrap = normal((oldestDatFrozenXid + (MAX_XID >>> 1)) >>> 0);
  const stop = back(wrap, 3_000_000);
  const warn = back(wrap, 40_000_000);
  // Read at start-up of each process only; a change of the setting takes effect with the next call.
  const vac = normal((oldestDatFrozenXid + settings.autovacuum_freeze_max_age) >>> 0);
  const cache = variableCacheAt();
  lwLockAcquire(genLock(), 'exclusive');
  VariableCache.oldestXid.set(mem, cache, oldestDatFrozenXid);
  VariableCache.xidVacLimit.set(mem, cache, vac);
  VariableCache.xidWarnLimit.set(mem, cache, warn);
  VariableCache.xidStopLimit.set(mem, cache, stop);
  VariableCache.xidWrapLimit.set(mem, cache, wrap);
  VariableCache.oldestXidDb.set(mem, cache, oldestDatOid);
  const current = xidOfFull(VariableCache.nextXid.get(mem, cache) as FullTransactionId);
  lwLockRelease(genLock());
  report('DEBUG1', { message: `transaction ID wrap limit is ${wrap}, limited by database with OID ${oldestDatOid}` });
  if (recoveryInProgress() || !myProcess.isUnderPostmaster) return;
  if (xidFollowsOrEquals(current, vac)) sendPostmasterSignal('startAutovacLauncher');
  if (xidFollowsOrEquals(current, warn))
    warnOfWraparound(databaseName(oldestDatOid), oldestDatOid, (wrap - current) >>> 0);
}
/** Does the limit come from a database that is gone, or is autovacuum due? Then vacuum must compute it again. */
export function forceTransactionIdLimitUpdate(): boolean {
  const cache = variableCacheAt();
  lwLockAcquire(genLock(), 'shared');
  const next = xidOfFull(VariableCache.nextXid.get(mem, cache) as FullTransactionId);
  const vac = VariableCache.xidVacLimit.get(mem, cache) as TransactionId;
  const oldest = VariableCache.oldestXid.get(mem, cache) as TransactionId;
  const db = VariableCache.oldestXidDb.get(mem, cache) as Oid;
  lwLockRelease(genLock());
  if (!xidIsNormal(oldest) || !xidIsNormal(vac)) return true;
  if (xidFollowsOrEquals(next, vac)) return true;
  return databaseName(db) === null;
}

export interface XidLimits {
  readonly oldestXid: TransactionId;
  readonly oldestXidDb: Oid;
}
/** For the checkpoint record. */
export function readXidLimits(): XidLimits {
  const cache = variableCacheAt();
  lwLockAcquire(genLock(), 'shared');
  const oldestXid = VariableCache.oldestXid.get(mem, cache) as TransactionId;
  const oldestXidDb = VariableCache.oldestXidDb.get(mem, cache) as Oid;
  lwLockRelease(genLock());
  return { oldestXid, oldestXidDb };
}
/** Is xid b behind oldestClogXid, so that nobody can know what became of it? */
export const xidIsBeforeOldestClog = (xid: TransactionId): boolean =>
  xidPrecedes(xid, VariableCache.oldestClogXid.get(mem, variableCacheAt()) as TransactionId);

// ── OIDs ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A number that no recent object has: unique in a table only if a unique index says so. */
export function getNewObjectId(): Oid {
  if (recoveryInProgress()) report('ERROR', { message: 'cannot assign OIDs during recovery' });
  const cache = variableCacheAt();
  const lock = mainLWLock('OidGen');
  lwLockAcquire(lock, 'exclusive');
  let next = VariableCache.nextOid.get(mem, cache);
  let count = VariableCache.oidCount.get(mem, cache);
  // Wrapped around: low numbers are for system objects. initdb may use the range that is reserved for it.
  if (next < (myProcess.isUnderPostmaster ? FIRST_NORMAL_OBJECT_ID : FIRST_GENBKI_OBJECT_ID)) {
    next = FIRST_NORMAL_OBJECT_ID;
    count = 0;
  }
  if (count === 0) {
    xlogPutNextOid(((next + OID_PREFETCH) >>> 0) as Oid);
    count = OID_PREFETCH;
  }
  VariableCache.nextOid.set(mem, cache, (next + 1) >>> 0);
  VariableCache.oidCount.set(mem, cache, count - 1);
  lwLockRelease(lock);
  return next as Oid;
}
/** From a checkpoint record or XLOG_NEXTOID. */
export function setNextObjectId(next: Oid): void {
  const cache = variableCacheAt();
  const lock = mainLWLock('OidGen');
  lwLockAcquire(lock, 'exclusive');
  VariableCache.nextOid.set(mem, cache, next);
  VariableCache.oidCount.set(mem, cache, 0);
  lwLockRelease(lock);
}
/** For the checkpoint record: online, what was promised in the WAL; at shutdown, what was used. */
export function readNextObjectId(withPrefetched: boolean): Oid {
  const cache = variableCacheAt();
  const lock = mainLWLock('OidGen');
  lwLockAcquire(lock, 'shared');
  const next = VariableCache.nextOid.get(mem, cache) + (withPrefetched ? VariableCache.oidCount.get(mem, cache) : 0);
  lwLockRelease(lock);
  return (next >>> 0) as Oid;
}
