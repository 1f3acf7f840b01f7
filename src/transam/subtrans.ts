/** subtrans.ts — the parent of each subtransaction: four bytes per xid, in pg_subtrans.
 *
 *  Only needed while the top transaction runs, for those who cannot see all its subtransactions in its PGPROC. So nothing
 *  is logged or fsynced, and a start zeroes the pages from the oldest running xid on.
 *  Counterpart: src/backend/access/transam/subtrans.c */
import { BLCKSZ, type TransactionId } from '#base/ids.ts';
import {
  FIRST_NORMAL_XID,
  MAX_XID,
  xidFollowsOrEquals,
  xidIsNormal,
  xidOfFull,
  xidPrecedes,
  xidRetreat,
} from '#base/xid.ts';
import { assert } from '#base/assert.ts';
import { report } from '#runtime/error/report.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { Slru } from '#storage/slru/slru.ts';
import { nextFullXidUnlocked } from '#transam/variable-cache.ts';
import { xmins } from '#transam/xmins.ts';

const XACTS_PER_PAGE = BLCKSZ / 4;
const pageOf = (xid: number): number => Math.floor(xid / XACTS_PER_PAGE);

function pagePrecedes(a: number, b: number): boolean {
  const first = (a * XACTS_PER_PAGE + FIRST_NORMAL_XID + 1) >>> 0;
  const second = (b * XACTS_PER_PAGE + FIRST_NORMAL_XID + 1) >>> 0;
  return ((first - second) | 0) < 0 && ((first - ((second + XACTS_PER_PAGE - 1) >>> 0)) | 0) < 0;
}

const subtrans = new Slru({
  name: 'Subtrans',
  statName: 'Subtrans',
  slots: () => 32,
  lsnGroups: 0,
  controlLock: 'SubtransSLRU',
  bufferTranche: 'SubtransBuffer',
  directory: 'pg_subtrans',
  syncHandler: null,
  precedes: pagePrecedes,
});
export const subtransShmem = subtrans.shmem;

export function subTransSetParent(xid: TransactionId, parent: TransactionId): void {
  assert(xidFollowsOrEquals(xid, parent), 'a child is younger than its parent');
  lwLockAcquire(subtrans.lock, 'exclusive');
  const slot = subtrans.readPage(pageOf(xid), true, xid);
  const at = subtrans.pageAt(slot) + (xid % XACTS_PER_PAGE) * 4;
  const old = mem.view.getUint32(at, true);
  // Unchanged is common on a standby; not dirtying the page then saves its write.
  if (old !== parent) {
    assert(old === 0, 'a subtransaction has one parent');
    mem.view.setUint32(at, parent, true);
    subtrans.markDirty(slot);
  }
  lwLockRelease(subtrans.lock);
}

/** 0 for a top-level transaction. Only xids that are not older than transactionXmin may be asked about. */
export function subTransGetParent(xid: TransactionId): TransactionId {
  assert(xidFollowsOrEquals(xid, xmins.transaction), 'pg_subtrans still has it');
  if (!xidIsNormal(xid)) return 0 as TransactionId;
  const slot = subtrans.readPageReadOnly(pageOf(xid), xid);
  const parent = mem.view.getUint32(subtrans.pageAt(slot) + (xid % XACTS_PER_PAGE) * 4, true) as TransactionId;
  lwLockRelease(subtrans.lock);
  return parent;
}

/** The top-level transaction, or an ancestor that is older than transactionXmin. */
export function subTransGetTopmostTransaction(xid: TransactionId): TransactionId {
  let parent = xid;
  let previous = xid;
  while (parent !== 0) {
    previous = parent;
    if (xidPrecedes(parent, xmins.transaction)) break;
    parent = subTransGetParent(parent);
    // A parent always has the older xid: anything else would be a loop.
    if (parent !== 0 && !xidPrecedes(parent, previous))
      report('ERROR', {
        message: `pg_subtrans contains invalid entry: xid ${previous} points to parent xid ${parent}`,
      });
  }
  return previous;
}

export function bootStrapSubtrans(): void {
  lwLockAcquire(subtrans.lock, 'exclusive');
  subtrans.writePage(subtrans.zeroPage(0));
  lwLockRelease(subtrans.lock);
}
/** Zeroes the pages that running (prepared) transactions may need; oldestActive is the next xid if there are none. */
export function startupSubtrans(oldestActive: TransactionId): void {
  lwLockAcquire(subtrans.lock, 'exclusive');
  const end = pageOf(xidOfFull(nextFullXidUnlocked()));
  for (let page = pageOf(oldestActive); page !== end; ) {
    subtrans.zeroPage(page);
    page = page === pageOf(MAX_XID) ? 0 : page + 1;
  }
  subtrans.zeroPage(end);
  lwLockRelease(subtrans.lock);
}
/** Not for safety: it only keeps later reads from having to write first. */
export function checkPointSubtrans(): void {
  subtrans.writeAll(true);
}
/** With XidGenLock held. */
export function extendSubtrans(newest: TransactionId): void {
  if (newest % XACTS_PER_PAGE !== 0 && newest !== FIRST_NORMAL_XID) return;
  lwLockAcquire(subtrans.lock, 'exclusive');
  subtrans.zeroPage(pageOf(newest));
  lwLockRelease(subtrans.lock);
}
/** `oldest`: the oldest xid whose parent anybody may ask for. */
export function truncateSubtrans(oldest: TransactionId): void {
  // One back: the page of nextXid may not exist yet, and must not look as if the log had wrapped around.
  subtrans.truncate(pageOf(xidRetreat(oldest)));
}
