/** predicate-serial.ts — the log of old committed serializable transactions, for when shared memory has no room for them.
 *
 *  It maps an xid to the commit sequence number of the earliest transaction that it conflicted out to: eight bytes per xid
 *  in pg_serial. Only xids between the oldest active xmin (tail) and the newest one noted (head) are of interest. Nothing
 *  of it must survive a crash.
 *  Counterpart: SerialAdd() and around it in src/backend/storage/lmgr/predicate.c */
import { assert } from '#base/assert.ts';
import { BLCKSZ, type TransactionId } from '#base/ids.ts';
import { FIRST_NORMAL_XID, xidFollows, xidPrecedes } from '#base/xid.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';
import { lockFacts } from '#storage/lmgr/lock-facts.ts';
import { INVALID_SEQ_NO, SerialControl } from '#storage/lmgr/predicate-layout.ts';
import { Slru, SLRU_PAGES_PER_SEGMENT } from '#storage/slru/slru.ts';

const ENTRY_SIZE = 8;
const ENTRIES_PER_PAGE = BLCKSZ / ENTRY_SIZE;
/** Segment names have four hexadecimal digits. */
const PAGES = Math.min(SLRU_PAGES_PER_SEGMENT * 0x1_0000, Math.floor(0xffff_ffff / ENTRIES_PER_PAGE) + 1);
const BUFFERS = 16;

const pageOf = (xid: number): number => Math.floor(xid / ENTRIES_PER_PAGE) % PAGES;
const nextPage = (page: number): number => (page + 1) % PAGES;
const id = (xid: number): TransactionId => (xid >>> 0) as TransactionId;

function pagePrecedes(a: number, b: number): boolean {
  const first = id(a * ENTRIES_PER_PAGE + FIRST_NORMAL_XID + 1);
  const second = id(b * ENTRIES_PER_PAGE + FIRST_NORMAL_XID + 1);
  return xidPrecedes(first, second) && xidPrecedes(first, id(second + ENTRIES_PER_PAGE - 1));
}

const serial = new Slru({
  name: 'Serial',
  statName: 'Serial',
  slots: () => BUFFERS,
  lsnGroups: 0,
  controlLock: 'SerialSLRU',
  bufferTranche: 'SerialBuffer',
  directory: 'pg_serial',
  syncHandler: null,
  precedes: pagePrecedes,
});

let at = -1;
export const serialShmem: ShmemSubsystem = {
  name: 'SerialControlData',
  request() {
    serial.shmem.request();
    requestShmemSpace(SerialControl.SIZE);
  },
  init() {
    serial.shmem.init();
    const found = shmemInitStruct('SerialControlData', SerialControl.SIZE);
    at = found.at;
    if (!found.found) SerialControl.headPage.set(mem, at, -1);
  },
};

const entryAt = (slot: number, xid: number): number => serial.pageAt(slot) + (xid % ENTRIES_PER_PAGE) * ENTRY_SIZE;
/** All ones on the page: no conflict out to a committed transaction. */
function writeSeqNo(entry: number, seqNo: number): void {
  const none = seqNo === INVALID_SEQ_NO;
  mem.view.setUint32(entry, none ? 0xffff_ffff : seqNo >>> 0, true);
  mem.view.setUint32(entry + 4, none ? 0xffff_ffff : Math.floor(seqNo / 0x1_0000_0000), true);
}
function readSeqNo(entry: number): number {
  const high = mem.view.getUint32(entry + 4, true);
  return high === 0xffff_ffff ? INVALID_SEQ_NO : high * 0x1_0000_0000 + mem.view.getUint32(entry, true);
}

export const serialLog = {
  /** `seqNo` is INVALID_SEQ_NO for a transaction without such a conflict. */
  add(xid: number, seqNo: number): void {
    const page = pageOf(xid);
    const { lock } = serial;
    lwLockAcquire(lock, 'exclusive');
    const tail = SerialControl.tailXid.get(mem, at);
    assert(tail !== 0, 'somebody is active, or there would be nothing to summarise');
    // The whole range from tail to head exists on pages: zero what comes into it.
    const head = SerialControl.headPage.get(mem, at);
    let zero = head < 0 ? pageOf(tail) : nextPage(head);
    const isNew = head < 0 || pagePrecedes(head, page);
    const headXid = SerialControl.headXid.get(mem, at);
    if (headXid === 0 || xidFollows(id(xid), id(headXid))) SerialControl.headXid.set(mem, at, xid);
    let slot: number;
    if (isNew) {
      SerialControl.headPage.set(mem, at, page);
      for (; zero !== page; zero = nextPage(zero)) serial.zeroPage(zero);
      slot = serial.zeroPage(page);
    } else slot = serial.readPage(page, true, xid);
    writeSeqNo(entryAt(slot, xid), seqNo);
    serial.markDirty(slot);
    lwLockRelease(lock);
  },

  /** 0 if the transaction is not in the log. */
  minConflictCommitSeqNo(xid: number): number {
    if (at < 0) return 0;
    const { lock } = serial;
    lwLockAcquire(lock, 'shared');
    const head = SerialControl.headXid.get(mem, at);
    const tail = SerialControl.tailXid.get(mem, at);
    lwLockRelease(lock);
    if (head === 0 || xidPrecedes(id(xid), id(tail)) || xidFollows(id(xid), id(head))) return 0;
    const slot = serial.readPageReadOnly(pageOf(xid), xid);
    const seqNo = readSeqNo(entryAt(slot, xid));
    lwLockRelease(lock);
    return seqNo;
  },

  /** Oldest xmin of the active transactions, 0 for none: what is older is of no interest any more. */
  setActiveXmin(xid: number): void {
    if (at < 0) return;
    const { lock } = serial;
    lwLockAcquire(lock, 'exclusive');
    const tail = SerialControl.tailXid.get(mem, at);
    if (xid === 0) {
      SerialControl.tailXid.set(mem, at, 0);
      SerialControl.headXid.set(mem, at, 0);
    } else if (!lockFacts.recoveryInProgress() || tail === 0 || xidPrecedes(id(xid), id(tail)))
      // Prepared transactions come back in any order during recovery; later it only goes forward.
      SerialControl.tailXid.set(mem, at, xid);
    lwLockRelease(lock);
  },
};

/** At a checkpoint: old segments go. Writing the pages is not needed for safety, it only keeps them evictable. */
export function checkPointPredicate(): void {
  if (at < 0) return;
  const { lock } = serial;
  lwLockAcquire(lock, 'exclusive');
  const head = SerialControl.headPage.get(mem, at);
  if (head < 0) {
    lwLockRelease(lock);
    return;
  }
  const tail = SerialControl.tailXid.get(mem, at);
  let cutoff = head;
  if (tail !== 0) {
    // The tail may be ahead of the head while active transactions move it and nothing is added.
    if (pagePrecedes(pageOf(tail), head)) cutoff = pageOf(tail);
  } else SerialControl.headPage.set(mem, at, -1);
  lwLockRelease(lock);
  serial.truncate(cutoff);
  serial.writeAll(true);
}
