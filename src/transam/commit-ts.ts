/** commit-ts.ts — when and from where each transaction committed, while track_commit_timestamp is on: pg_commit_ts.
 *
 *  Ten bytes per xid: microseconds since 2000 and the replication origin. The module is active or not as the setting was
 *  when the server (or, on a standby, its primary) started; the bounds in the VariableCache say which xids it knows.
 *  Counterpart: src/backend/access/transam/commit_ts.c, src/backend/access/rmgrdesc/committsdesc.c */
import { BLCKSZ, type TransactionId } from '#base/ids.ts';
import { FIRST_NORMAL_XID, xidIsNormal, xidOfFull, xidPrecedes } from '#base/xid.ts';
import { assert } from '#base/assert.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';
import { SYNC_HANDLER } from '#storage/file/sync-requests.ts';
import { Slru } from '#storage/slru/slru.ts';
import { CommitTsShared, VariableCache } from '#transam/transam-layout.ts';
import { nextFullXidUnlocked, variableCacheAt } from '#transam/variable-cache.ts';
import type { DecodedRecord } from '#wal/decoded-record.ts';
import { walScratch, xlogBeginInsert, xlogInsert, xlogRegisterData } from '#wal/insert.ts';
import { inRecovery, recoveryInProgress } from '#wal/recovery-state.ts';
import type { RmgrRow } from '#wal/rmgr.ts';
import { RM } from '#wal/rmgr-ids.ts';

const ENTRY_SIZE = 10;
const XACTS_PER_PAGE = Math.floor(BLCKSZ / ENTRY_SIZE);
const pageOf = (xid: number): number => Math.floor(xid / XACTS_PER_PAGE);

function pagePrecedes(a: number, b: number): boolean {
  const first = (a * XACTS_PER_PAGE + FIRST_NORMAL_XID + 1) >>> 0;
  const second = (b * XACTS_PER_PAGE + FIRST_NORMAL_XID + 1) >>> 0;
  return ((first - second) | 0) < 0 && ((first - ((second + XACTS_PER_PAGE - 1) >>> 0)) | 0) < 0;
}

const commitTs = new Slru({
  name: 'CommitTs',
  statName: 'CommitTs',
  slots: () => Math.min(256, Math.max(4, Math.floor(settings.shared_buffers / 256))),
  lsnGroups: 0,
  controlLock: 'CommitTsSLRU',
  bufferTranche: 'CommitTSBuffer',
  directory: 'pg_commit_ts',
  syncHandler: SYNC_HANDLER.commitTs,
  precedes: pagePrecedes,
});
export const commitTsSlruShmem = commitTs.shmem;

let at = -1;
export const commitTsShmem: ShmemSubsystem = {
  name: 'CommitTs shared',
  request: () => requestShmemSpace(CommitTsShared.SIZE),
  init() {
    at = shmemInitStruct('CommitTs shared', CommitTsShared.SIZE).at;
  },
};
const isActive = (): boolean => at >= 0 && CommitTsShared.active.get(mem, at) !== 0;
const boundsLock = (): number => mainLWLock('CommitTs');

export interface CommitTimestamp {
  /** TimestampTz. */
  readonly time: number;
  /** Replication origin, 0 for this server. */
  readonly node: number;
}

// ── setting ──────────────────────────────────────────────────────────────────────────────────────────────────────

function putEntry(slot: number, xid: number, time: number, node: number): void {
  const entry = commitTs.pageAt(slot) + (xid % XACTS_PER_PAGE) * ENTRY_SIZE;
  mem.view.setUint32(entry, time >>> 0, true);
  mem.view.setInt32(entry + 4, Math.floor(time / 0x1_0000_0000), true);
  mem.view.setUint16(entry + 8, node, true);
}

/** Notes the end of a transaction and of its subtransactions (ascending). */
export function transactionTreeSetCommitTsData(
  xid: TransactionId,
  subxids: readonly TransactionId[],
  time: number,
  node: number,
): void {
  if (!isActive()) return;
  const all = [xid, ...subxids];
  for (let i = 0; i < all.length; ) {
    const page = pageOf(all[i]!);
    lwLockAcquire(commitTs.lock, 'exclusive');
    const slot = commitTs.readPage(page, true, all[i]!);
    for (; i < all.length && pageOf(all[i]!) === page; i++) putEntry(slot, all[i]!, time, node);
    commitTs.markDirty(slot);
    lwLockRelease(commitTs.lock);
  }
  const newest = all[all.length - 1]!;
  const cache = variableCacheAt();
  lwLockAcquire(boundsLock(), 'exclusive');
  CommitTsShared.lastXid.set(mem, at, xid);
  CommitTsShared.lastTime.set(mem, at, time);
  CommitTsShared.lastNode.set(mem, at, node);
  if (xidPrecedes(VariableCache.newestCommitTsXid.get(mem, cache) as TransactionId, newest))
    VariableCache.newestCommitTsXid.set(mem, cache, newest);
  lwLockRelease(boundsLock());
}

// ── asking ───────────────────────────────────────────────────────────────────────────────────────────────────────

function refuseDisabled(): never {
  const where = recoveryInProgress() ? ' on the primary server' : '';
  return report('ERROR', {
    code: SQLSTATE.objectNotInPrerequisiteState,
    message: 'could not get commit timestamp data',
    hint: `Make sure the configuration parameter "track_commit_timestamp" is set${where}.`,
  });
}

/** null: not known – too old, not committed, or from a time without tracking. */
export function transactionIdGetCommitTsData(xid: TransactionId): CommitTimestamp | null {
  if (xid === 0)
    report('ERROR', {
      code: SQLSTATE.invalidParameterValue,
      message: `cannot retrieve commit timestamp for transaction ${xid}`,
    });
  if (!xidIsNormal(xid)) return null;
  const cache = variableCacheAt();
  lwLockAcquire(boundsLock(), 'shared');
  if (!isActive()) refuseDisabled();
  if (CommitTsShared.lastXid.get(mem, at) === xid) {
    const last = { time: CommitTsShared.lastTime.get(mem, at), node: CommitTsShared.lastNode.get(mem, at) };
    lwLockRelease(boundsLock());
    return last.time !== 0 ? last : null;
  }
  const oldest = VariableCache.oldestCommitTsXid.get(mem, cache) as TransactionId;
  const newest = VariableCache.newestCommitTsXid.get(mem, cache) as TransactionId;
  lwLockRelease(boundsLock());
  if (oldest === 0 || xidPrecedes(xid, oldest) || xidPrecedes(newest, xid)) return null;
  const slot = commitTs.readPageReadOnly(pageOf(xid), xid);
  const entry = commitTs.pageAt(slot) + (xid % XACTS_PER_PAGE) * ENTRY_SIZE;
  const time = mem.view.getInt32(entry + 4, true) * 0x1_0000_0000 + mem.view.getUint32(entry, true);
  const node = mem.view.getUint16(entry + 8, true);
  lwLockRelease(commitTs.lock);
  return time !== 0 ? { time, node } : null;
}
/** The transaction of this server that committed last; xid 0 if none is known. */
export function getLatestCommitTsData(): CommitTimestamp & { readonly xid: TransactionId } {
  lwLockAcquire(boundsLock(), 'shared');
  if (!isActive()) refuseDisabled();
  const xid = CommitTsShared.lastXid.get(mem, at) as TransactionId;
  const found = { xid, time: CommitTsShared.lastTime.get(mem, at), node: CommitTsShared.lastNode.get(mem, at) };
  lwLockRelease(boundsLock());
  return found;
}

// ── switching on and off ─────────────────────────────────────────────────────────────────────────────────────────

function activate(): void {
  const cache = variableCacheAt();
  lwLockAcquire(boundsLock(), 'exclusive');
  if (isActive()) {
    lwLockRelease(boundsLock());
    return;
  }
  lwLockRelease(boundsLock());
  const next = xidOfFull(nextFullXidUnlocked());
  const page = pageOf(next);
  lwLockAcquire(commitTs.lock, 'exclusive');
  commitTs.latestPage = page;
  lwLockRelease(commitTs.lock);
  // Nothing is known of the past: the first xid to be known is the next one.
  lwLockAcquire(boundsLock(), 'exclusive');
  if (VariableCache.oldestCommitTsXid.get(mem, cache) === 0) {
    VariableCache.oldestCommitTsXid.set(mem, cache, next);
    VariableCache.newestCommitTsXid.set(mem, cache, next);
  }
  lwLockRelease(boundsLock());
  if (!commitTs.doesPhysicalPageExist(page)) {
    lwLockAcquire(commitTs.lock, 'exclusive');
    commitTs.writePage(zeroPage(page, false));
    lwLockRelease(commitTs.lock);
  }
  lwLockAcquire(boundsLock(), 'exclusive');
  CommitTsShared.active.set(mem, at, 1);
  lwLockRelease(boundsLock());
}
function deactivate(): void {
  const cache = variableCacheAt();
  lwLockAcquire(boundsLock(), 'exclusive');
  CommitTsShared.active.set(mem, at, 0);
  CommitTsShared.lastXid.set(mem, at, 0);
  CommitTsShared.lastTime.set(mem, at, 0);
  CommitTsShared.lastNode.set(mem, at, 0);
  VariableCache.oldestCommitTsXid.set(mem, cache, 0);
  VariableCache.newestCommitTsXid.set(mem, cache, 0);
  lwLockRelease(boundsLock());
  // All of it goes, so that a later activation does not find pages with holes in them.
  lwLockAcquire(commitTs.lock, 'exclusive');
  commitTs.deleteAllSegments();
  lwLockRelease(commitTs.lock);
}
/** At the start of recovery, if the last checkpoint says that it was on. */
export const startupCommitTs = (): void => activate();
/** At the end of recovery our own setting counts. */
export function completeCommitTsInitialization(): void {
  if (settings.track_commit_timestamp) activate();
  else deactivate();
}
/** Replay of a parameter change of the primary. */
export function commitTsParameterChange(isOn: boolean): void {
  if (isOn) activate();
  else if (isActive()) deactivate();
}
export function checkPointCommitTs(): void {
  commitTs.writeAll(true);
}

// ── growing and shrinking ────────────────────────────────────────────────────────────────────────────────────────

const OP_ZEROPAGE = 0x00;
const OP_TRUNCATE = 0x10;

function zeroPage(page: number, writeWal: boolean): number {
  const slot = commitTs.zeroPage(page);
  if (writeWal) {
    xlogBeginInsert();
    const data = walScratch(4);
    mem.view.setInt32(data, page, true);
    xlogRegisterData(data, 4);
    xlogInsert(RM.commitTs, OP_ZEROPAGE);
  }
  return slot;
}
/** With XidGenLock held. */
export function extendCommitTs(newest: TransactionId): void {
  if (!isActive()) return;
  if (newest % XACTS_PER_PAGE !== 0 && newest !== FIRST_NORMAL_XID) return;
  lwLockAcquire(commitTs.lock, 'exclusive');
  zeroPage(pageOf(newest), !inRecovery());
  lwLockRelease(commitTs.lock);
}
export function truncateCommitTs(oldest: TransactionId): void {
  const cutoff = pageOf(oldest);
  if (!commitTs.hasSegmentsBefore(cutoff)) return;
  xlogBeginInsert();
  const data = walScratch(8);
  mem.view.setInt32(data, cutoff, true);
  mem.view.setUint32(data + 4, oldest, true);
  xlogRegisterData(data, 8);
  xlogInsert(RM.commitTs, OP_TRUNCATE);
  commitTs.truncate(cutoff);
}
/** Bounds from a checkpoint record. */
export function setCommitTsLimit(oldest: TransactionId, newest: TransactionId): void {
  const cache = variableCacheAt();
  lwLockAcquire(boundsLock(), 'exclusive');
  const known = VariableCache.oldestCommitTsXid.get(mem, cache) as TransactionId;
  if (known !== 0) {
    if (xidPrecedes(known, oldest)) VariableCache.oldestCommitTsXid.set(mem, cache, oldest);
    if (xidPrecedes(newest, VariableCache.newestCommitTsXid.get(mem, cache) as TransactionId))
      VariableCache.newestCommitTsXid.set(mem, cache, newest);
  } else {
    VariableCache.oldestCommitTsXid.set(mem, cache, oldest);
    VariableCache.newestCommitTsXid.set(mem, cache, newest);
  }
  lwLockRelease(boundsLock());
}
export function advanceOldestCommitTsXid(oldest: TransactionId): void {
  const cache = variableCacheAt();
  lwLockAcquire(boundsLock(), 'exclusive');
  const known = VariableCache.oldestCommitTsXid.get(mem, cache) as TransactionId;
  if (known !== 0 && xidPrecedes(known, oldest)) VariableCache.oldestCommitTsXid.set(mem, cache, oldest);
  lwLockRelease(boundsLock());
}
/** For pg_control and the checkpoint record. */
export function commitTsBounds(): { oldest: TransactionId; newest: TransactionId } {
  const cache = variableCacheAt();
  lwLockAcquire(boundsLock(), 'shared');
  const oldest = VariableCache.oldestCommitTsXid.get(mem, cache) as TransactionId;
  const newest = VariableCache.newestCommitTsXid.get(mem, cache) as TransactionId;
  lwLockRelease(boundsLock());
  return { oldest, newest };
}

// ── redo ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export const commitTsRmgr: RmgrRow = {
  name: 'CommitTs',
  redo(record: DecodedRecord) {
    const page = mem.view.getInt32(record.mainAt, true);
    if ((record.info & 0xf0) === OP_ZEROPAGE) {
      lwLockAcquire(commitTs.lock, 'exclusive');
      commitTs.writePage(zeroPage(page, false));
      lwLockRelease(commitTs.lock);
      return;
    }
    assert((record.info & 0xf0) === OP_TRUNCATE, 'commit_ts_redo: unknown op code');
    advanceOldestCommitTsXid(mem.view.getUint32(record.mainAt + 4, true) as TransactionId);
    // Replay has not come to the end of the log: do not take that for a wrap-around.
    commitTs.latestPage = page;
    commitTs.truncate(page);
  },
  describe(record: DecodedRecord) {
    const page = mem.view.getInt32(record.mainAt, true);
    if ((record.info & 0xf0) === OP_ZEROPAGE) return `${page}`;
    return `pageno ${page}, oldestXid ${mem.view.getUint32(record.mainAt + 4, true)}`;
  },
  identify: (info) => ({ [OP_ZEROPAGE]: 'ZEROPAGE', [OP_TRUNCATE]: 'TRUNCATE' })[info & 0xf0] ?? null,
};
