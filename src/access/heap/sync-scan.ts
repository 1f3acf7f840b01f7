/** sync-scan.ts — several scans of one big table read it together.
 *
 *  Each reports now and then which block it is at; a new one begins where the last report was, so that it finds pages that
 *  another has just read. Twenty tables are remembered in shared memory, least recently used first out.
 *  Counterpart: src/backend/access/common/syncscan.c */
import type { Relation } from '#access/common/relation-descriptor.ts';
import { i32, struct, u32 } from '#base/struct.ts';
import type { BlockNumber } from '#base/ids.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { lwLockAcquire, lwLockConditionalAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';

const ENTRIES = 20;
/** A report every 128 KiB. */
const REPORT_INTERVAL = 16;

const Entry = struct('SyncScanEntry', 24, {
  spcNode: u32(),
  dbNode: u32(),
  relNode: u32(),
  location: u32(),
  next: i32(),
  previous: i32(),
});
const Header = struct('SyncScanHeader', 8, { head: i32(), tail: i32() });
const SIZE = Header.SIZE + ENTRIES * Entry.SIZE;

let headerAt = -1;
const entryAt = (i: number): number => headerAt + Header.SIZE + i * Entry.SIZE;

export const syncScanShmem: ShmemSubsystem = {
  name: 'Sync Scan Locations List',
  request: () => requestShmemSpace(SIZE),
  init() {
    const found = shmemInitStruct('Sync Scan Locations List', SIZE);
    headerAt = found.at;
    if (found.found) return;
    Header.head.set(mem, headerAt, 0);
    Header.tail.set(mem, headerAt, ENTRIES - 1);
    for (let i = 0; i < ENTRIES; i++) {
      const at = entryAt(i);
      Entry.spcNode.set(mem, at, 0);
      Entry.dbNode.set(mem, at, 0);
      Entry.relNode.set(mem, at, 0);
      Entry.location.set(mem, at, 0xffff_ffff);
      Entry.previous.set(mem, at, i - 1);
      Entry.next.set(mem, at, i < ENTRIES - 1 ? i + 1 : -1);
    }
  },
};

/** ss_search(): the table's entry, moved to the front; with `set` its location becomes `location`. */
function search(rel: Relation, location: BlockNumber, set: boolean): BlockNumber {
  const { spcNode, dbNode, relNode } = rel.rnode;
  let i = Header.head.get(mem, headerAt);
  for (;;) {
    const at = entryAt(i);
    const matches =
      Entry.relNode.get(mem, at) === relNode &&
      Entry.dbNode.get(mem, at) === dbNode &&
      Entry.spcNode.get(mem, at) === spcNode;
    const next = Entry.next.get(mem, at);
    if (matches || next < 0) {
      if (!matches) {
        // The last one is taken over.
        Entry.spcNode.set(mem, at, spcNode);
        Entry.dbNode.set(mem, at, dbNode);
        Entry.relNode.set(mem, at, relNode);
        Entry.location.set(mem, at, location);
      } else if (set) Entry.location.set(mem, at, location);
      moveToFront(i);
      return Entry.location.get(mem, at);
    }
    i = next;
  }
}
function moveToFront(i: number): void {
  const head = Header.head.get(mem, headerAt);
  if (i === head) return;
  const at = entryAt(i);
  const previous = Entry.previous.get(mem, at);
  const next = Entry.next.get(mem, at);
  Entry.next.set(mem, entryAt(previous), next);
  if (next >= 0) Entry.previous.set(mem, entryAt(next), previous);
  else Header.tail.set(mem, headerAt, previous);
  Entry.previous.set(mem, at, -1);
  Entry.next.set(mem, at, head);
  Entry.previous.set(mem, entryAt(head), i);
  Header.head.set(mem, headerAt, i);
}

/** Where a new scan of a table of so many blocks should begin. */
export function syncScanGetLocation(rel: Relation, blocks: BlockNumber): BlockNumber {
  if (headerAt < 0) return 0;
  const lock = mainLWLock('SyncScan');
  lwLockAcquire(lock, 'exclusive');
  const location = search(rel, 0, false);
  lwLockRelease(lock);
  // The table was truncated since.
  return location >= blocks ? 0 : location;
}
/** A lost report does not matter, so nobody waits for the lock. */
export function syncScanReportLocation(rel: Relation, location: BlockNumber): void {
  if (headerAt < 0 || location % REPORT_INTERVAL !== 0) return;
  const lock = mainLWLock('SyncScan');
  if (!lwLockConditionalAcquire(lock, 'exclusive')) return;
  search(rel, location, true);
  lwLockRelease(lock);
}
