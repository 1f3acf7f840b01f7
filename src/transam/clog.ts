/** clog.ts — what became of each transaction: two bits per xid, in pg_xact.
 *
 *  00 in progress (or crashed), 01 committed, 10 aborted, 11 committed subtransaction of a parent that is not yet
 *  committed: then the parent's status counts. A transaction and its subtransactions change to committed at one instant:
 *  those on the top xid's page in one go under the lock, those on other pages by way of 11.
 *  A transaction that did not wait for its commit record notes the record's LSN for its group of 32 xids: the page may
 *  not be written, nor a hint bit be set, before WAL is on disk up to there.
 *  Under contention committers queue up and one of them, the leader, sets the bits of all that want the same page.
 *  Counterpart: src/backend/access/transam/clog.c, src/backend/access/rmgrdesc/clogdesc.c */
import { BLCKSZ, type Lsn, type Oid, type TransactionId } from '#base/ids.ts';
import { FIRST_NORMAL_XID, xidOfFull } from '#base/xid.ts';
import { assert } from '#base/assert.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { waitEnd, waitStart } from '#runtime/activity/wait-report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { myProcess } from '#runtime/my-process.ts';
import { lwLockAcquire, lwLockConditionalAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { procAt } from '#shm/proc.ts';
import { semaphoreDown, semaphoreUp } from '#shm/semaphore.ts';
import { SYNC_HANDLER } from '#storage/file/sync-requests.ts';
import { Slru } from '#storage/slru/slru.ts';
import { VariableCache } from '#transam/transam-layout.ts';
import { advanceOldestClogXid, nextFullXidUnlocked, variableCacheAt } from '#transam/variable-cache.ts';
import type { DecodedRecord } from '#wal/decoded-record.ts';
import { walScratch, xlogBeginInsert, xlogFlush, xlogInsert, xlogRegisterData } from '#wal/insert.ts';
import { inRecovery } from '#wal/recovery-state.ts';
import type { RmgrRow } from '#wal/rmgr.ts';
import { RM } from '#wal/rmgr-ids.ts';

export const XID_STATUS = { inProgress: 0, committed: 1, aborted: 2, subCommitted: 3 } as const;
export type XidStatus = (typeof XID_STATUS)[keyof typeof XID_STATUS];

const XACTS_PER_BYTE = 4;
const XACTS_PER_PAGE = BLCKSZ * XACTS_PER_BYTE;
const XACTS_PER_LSN_GROUP = 32;
const LSNS_PER_PAGE = XACTS_PER_PAGE / XACTS_PER_LSN_GROUP;
/** Transactions with more subtransactions than this set their bits alone. */
const GROUP_SUBXIDS_MAX = 5;

const pageOf = (xid: number): number => Math.floor(xid / XACTS_PER_PAGE);

function pagePrecedes(a: number, b: number): boolean {
  const first = (a * XACTS_PER_PAGE + FIRST_NORMAL_XID + 1) >>> 0;
  const second = (b * XACTS_PER_PAGE + FIRST_NORMAL_XID + 1) >>> 0;
  // A page precedes another only if its first xid precedes all of the other's.
  return ((first - second) | 0) < 0 && ((first - ((second + XACTS_PER_PAGE - 1) >>> 0)) | 0) < 0;
}

const clog = new Slru({
  name: 'Xact',
  statName: 'Xact',
  slots: () => Math.min(128, Math.max(4, Math.floor(settings.shared_buffers / 512))),
  lsnGroups: LSNS_PER_PAGE,
  controlLock: 'XactSLRU',
  bufferTranche: 'XactBuffer',
  directory: 'pg_xact',
  syncHandler: SYNC_HANDLER.clog,
  precedes: pagePrecedes,
});
export const clogShmem = clog.shmem;

// ── setting ──────────────────────────────────────────────────────────────────────────────────────────────────────

const NO_SUBXIDS: readonly TransactionId[] = [];

/** Marks a transaction and its subtransactions, which must be ascending, as committed or aborted. `lsn`: of the commit
 *  record if that need not be on disk yet, else 0. */
export function transactionIdSetTreeStatus(
  xid: TransactionId,
  subxids: readonly TransactionId[],
  status: XidStatus,
  lsn: Lsn,
): void {
  const page = pageOf(xid);
  let same = 0;
  while (same < subxids.length && pageOf(subxids[same]!) === page) same++;
  if (same === subxids.length) {
    setPageStatus(xid, subxids, status, lsn, page, true);
    return;
  }
  const elsewhere = subxids.slice(same);
  if (status === XID_STATUS.committed) setStatusByPages(elsewhere, XID_STATUS.subCommitted, lsn);
  setPageStatus(xid, subxids.slice(0, same), status, lsn, page, false);
  setStatusByPages(elsewhere, status, lsn);
}
function setStatusByPages(subxids: readonly TransactionId[], status: XidStatus, lsn: Lsn): void {
  for (let first = 0; first < subxids.length; ) {
    const page = pageOf(subxids[first]!);
    let end = first + 1;
    while (end < subxids.length && pageOf(subxids[end]!) === page) end++;
    setPageStatus(0 as TransactionId, subxids.slice(first, end), status, lsn, page, false);
    first = end;
  }
}

/** Exactly what my PGPROC says of me: only then can a leader do it for me. */
function isMyTree(xid: TransactionId, subxids: readonly TransactionId[]): boolean {
  if (myProcess.procNumber < 0 || subxids.length > GROUP_SUBXIDS_MAX) return false;
  const me = procAt(myProcess.procNumber);
  if (PgProc.xid.get(mem, me) !== xid || PgProc.subxidCount.get(mem, me) !== subxids.length) return false;
  for (let i = 0; i < subxids.length; i++)
    if (mem.view.getUint32(PgProc.subxids.at(me, i), true) !== subxids[i]) return false;
  return true;
}

function setPageStatus(
  xid: TransactionId,
  subxids: readonly TransactionId[],
  status: XidStatus,
  lsn: Lsn,
  page: number,
  allOnPage: boolean,
): void {
  const { lock } = clog;
  if (!lwLockConditionalAcquire(lock, 'exclusive')) {
    if (allOnPage && isMyTree(xid, subxids) && groupUpdate(xid, status, lsn, page)) return;
    lwLockAcquire(lock, 'exclusive');
  }
  setPageStatusLocked(xid, subxids, status, lsn, page);
  lwLockRelease(lock);
}

function setPageStatusLocked(
  xid: TransactionId,
  subxids: readonly TransactionId[],
  status: XidStatus,
  lsn: Lsn,
  page: number,
): void {
  // A page that is being written may be changed, unless an LSN comes with it: the writer has looked at the LSNs already.
  const slot = clog.readPage(page, lsn === 0, xid);
  if (xid !== 0) {
    // The order makes the top's bits the instant of commit for readers that hold no lock.
    if (status === XID_STATUS.committed)
      for (let i = 0; i < subxids.length; i++) setBits(slot, subxids[i]!, XID_STATUS.subCommitted, lsn);
    setBits(slot, xid, status, lsn);
  }
  for (let i = 0; i < subxids.length; i++) setBits(slot, subxids[i]!, status, lsn);
  clog.markDirty(slot);
}

function setBits(slot: number, xid: number, status: XidStatus, lsn: Lsn): void {
  const inPage = xid % XACTS_PER_PAGE;
  const at = clog.pageAt(slot) + (inPage >>> 2);
  const shift = (inPage & 3) * 2;
  const old = mem.u8[at]!;
  const current = (old >>> shift) & 3;
  // Replay may meet a page that was written after the record was.
  if (inRecovery() && status === XID_STATUS.subCommitted && current === XID_STATUS.committed) return;
  assert(
    current === 0 || (current === XID_STATUS.subCommitted && status !== XID_STATUS.inProgress) || current === status,
    'an ended transaction stays as it is',
  );
  mem.u8[at] = (old & ~(3 << shift)) | (status << shift);
  if (lsn !== 0) clog.raiseGroupLsn(slot, Math.floor(inPage / XACTS_PER_LSN_GROUP), lsn);
}

/** Leaves my wish on the list. True: somebody, or I as the leader, has fulfilled it. */
function groupUpdate(xid: TransactionId, status: XidStatus, lsn: Lsn, page: number): boolean {
  const me = myProcess.procNumber;
  const at = procAt(me);
  const cache = variableCacheAt();
  PgProc.clogGroupMemberXid.set(mem, at, xid);
  PgProc.clogGroupMemberStatus.set(mem, at, status);
  PgProc.clogGroupMemberPage.set(mem, at, page);
  PgProc.clogGroupMemberLsn.set(mem, at, lsn);
  PgProc.clogGroupMember.store(mem, at, 1);
  let next = VariableCache.clogGroupFirst.load(mem, cache);
  for (;;) {
    // Another page would cost the leader another read: those who want that wait for the lock themselves.
    if (next >= 0 && PgProc.clogGroupMemberPage.get(mem, procAt(next)) !== page) {
      PgProc.clogGroupMember.store(mem, at, 0);
      PgProc.clogGroupNext.store(mem, at, -1);
      return false;
    }
    PgProc.clogGroupNext.store(mem, at, next);
    const seen = VariableCache.clogGroupFirst.compareExchange(mem, cache, next, me);
    if (seen === next) break;
    next = seen;
  }
  if (next >= 0) {
    waitForLeader(at, PgProc.clogGroupMember, WAIT_EVENT.XactGroupUpdate);
    return true;
  }
  lwLockAcquire(clog.lock, 'exclusive');
  const first = VariableCache.clogGroupFirst.exchange(mem, cache, -1);
  for (let member = first; member >= 0; ) {
    const who = procAt(member);
    setPageStatusLocked(
      PgProc.clogGroupMemberXid.get(mem, who) as TransactionId,
      subxidsOf(who),
      PgProc.clogGroupMemberStatus.get(mem, who) as XidStatus,
      PgProc.clogGroupMemberLsn.get(mem, who) as Lsn,
      PgProc.clogGroupMemberPage.get(mem, who),
    );
    member = PgProc.clogGroupNext.load(mem, who);
  }
  lwLockRelease(clog.lock);
  for (let member = first; member >= 0; ) {
    const who = procAt(member);
    const following = PgProc.clogGroupNext.load(mem, who);
    PgProc.clogGroupNext.store(mem, who, -1);
    PgProc.clogGroupMember.store(mem, who, 0);
    if (member !== me) semaphoreUp(who);
    member = following;
  }
  return true;
}
function subxidsOf(proc: number): readonly TransactionId[] {
  const count = PgProc.subxidCount.get(mem, proc);
  if (count === 0) return NO_SUBXIDS;
  const subxids: TransactionId[] = [];
  for (let i = 0; i < count; i++) subxids.push(mem.view.getUint32(PgProc.subxids.at(proc, i), true) as TransactionId);
  return subxids;
}

/** Sleeps until the leader has cleared the member word; wake-ups that were meant for another wait are given back. */
export function waitForLeader(at: number, member: typeof PgProc.clogGroupMember, waitEvent: number): void {
  let extra = 0;
  waitStart(waitEvent);
  for (;;) {
    semaphoreDown(at);
    if (member.load(mem, at) === 0) break;
    extra++;
  }
  waitEnd();
  while (extra-- > 0) semaphoreUp(at);
}

// ── asking ───────────────────────────────────────────────────────────────────────────────────────────────────────

let statusLsn = 0 as Lsn;
/** Of the last answer: before WAL is flushed up to here, a "committed" may not become a hint bit; 0 for no limit. */
export const clogStatusLsn = (): Lsn => statusLsn;

/** The bits of the xid as they are; whether it is in progress only the ProcArray knows. */
export function transactionIdGetStatus(xid: TransactionId): XidStatus {
  const slot = clog.readPageReadOnly(pageOf(xid), xid);
  const inPage = xid % XACTS_PER_PAGE;
  const status = (mem.u8[clog.pageAt(slot) + (inPage >>> 2)]! >>> ((inPage & 3) * 2)) & 3;
  statusLsn = clog.groupLsn(slot, Math.floor(inPage / XACTS_PER_LSN_GROUP));
  lwLockRelease(clog.lock);
  return status as XidStatus;
}

// ── growing and shrinking ────────────────────────────────────────────────────────────────────────────────────────

const OP_ZEROPAGE = 0x00;
const OP_TRUNCATE = 0x10;

function zeroPage(page: number, writeWal: boolean): number {
  const slot = clog.zeroPage(page);
  if (writeWal) {
    xlogBeginInsert();
    const at = walScratch(4);
    mem.view.setInt32(at, page, true);
    xlogRegisterData(at, 4);
    xlogInsert(RM.clog, OP_ZEROPAGE);
  }
  return slot;
}

/** Makes room for a new xid, with XidGenLock held: no xid is used before its page exists. */
export function extendClog(newest: TransactionId): void {
  if (newest % XACTS_PER_PAGE !== 0 && newest !== FIRST_NORMAL_XID) return;
  lwLockAcquire(clog.lock, 'exclusive');
  zeroPage(pageOf(newest), true);
  lwLockRelease(clog.lock);
}

/** Removes segments that hold only xids before `oldest`. */
export function truncateClog(oldest: TransactionId, oldestDb: Oid): void {
  const cutoff = pageOf(oldest);
  if (!clog.hasSegmentsBefore(cutoff)) return;
  // Nobody may look up what is about to go.
  advanceOldestClogXid(oldest);
  xlogBeginInsert();
  const at = walScratch(12);
  mem.view.setInt32(at, cutoff, true);
  mem.view.setUint32(at + 4, oldest, true);
  mem.view.setUint32(at + 8, oldestDb, true);
  xlogRegisterData(at, 12);
  xlogFlush(xlogInsert(RM.clog, OP_TRUNCATE));
  clog.truncate(cutoff);
}

export function bootStrapClog(): void {
  lwLockAcquire(clog.lock, 'exclusive');
  clog.writePage(zeroPage(0, false));
  lwLockRelease(clog.lock);
}
/** After the checkpoint record gave us nextXid. */
export function startupClog(): void {
  lwLockAcquire(clog.lock, 'exclusive');
  clog.latestPage = pageOf(xidOfFull(nextFullXidUnlocked()));
  lwLockRelease(clog.lock);
}
/** At the end of recovery: the rest of the current page is of xids that were never used, or not by this timeline. */
export function trimClog(): void {
  const xid = xidOfFull(nextFullXidUnlocked());
  const inPage = xid % XACTS_PER_PAGE;
  lwLockAcquire(clog.lock, 'exclusive');
  if (inPage !== 0) {
    const slot = clog.readPage(pageOf(xid), false, xid);
    const at = clog.pageAt(slot);
    const byte = inPage >>> 2;
    mem.u8[at + byte] = mem.u8[at + byte]! & ((1 << ((inPage & 3) * 2)) - 1);
    mem.u8.fill(0, at + byte + 1, at + BLCKSZ);
    clog.markDirty(slot);
  }
  lwLockRelease(clog.lock);
}
export function checkPointClog(): void {
  clog.writeAll(true);
}

// ── redo ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export const clogRmgr: RmgrRow = {
  name: 'CLOG',
  redo(record: DecodedRecord) {
    const page = mem.view.getInt32(record.mainAt, true);
    if ((record.info & 0xf0) === OP_ZEROPAGE) {
      lwLockAcquire(clog.lock, 'exclusive');
      clog.writePage(zeroPage(page, false));
      lwLockRelease(clog.lock);
      return;
    }
    assert((record.info & 0xf0) === OP_TRUNCATE, 'clog_redo: unknown op code');
    advanceOldestClogXid(mem.view.getUint32(record.mainAt + 4, true) as TransactionId);
    clog.truncate(page);
  },
  describe(record: DecodedRecord) {
    const page = mem.view.getInt32(record.mainAt, true);
    if ((record.info & 0xf0) === OP_ZEROPAGE) return `page ${page}`;
    return `page ${page}; oldestXact ${mem.view.getUint32(record.mainAt + 4, true)}`;
  },
  identify: (info) => ({ [OP_ZEROPAGE]: 'ZEROPAGE', [OP_TRUNCATE]: 'TRUNCATE' })[info & 0xf0] ?? null,
};
