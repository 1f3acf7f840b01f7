/** sync-scan.ts — several scans of one big table read it together.
 *
 *  Each reports now and then which block it is at; a new one begins where the last report was, so that it finds pages that
 *  another has just read. Twenty tables are remembered in shared memory, least recently used first out.
 *  Counterpart: src/backend/access/common/syncscan.c */
import type { Relation } from '#access/common/relation-descriptor.ts';
import { SyncScanEntry, SyncScanHeader } from '#access/heap/sync-scan-layout.ts';
import type { BlockNumber } from '#base/ids.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { lwLockAcquire, lwLockConditionalAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';

const ENTRIES = 20;
/** A report every 128 KiB. */
const REPORT_INTERVAL = 16;

const SIZE = SyncScanHeader.SIZE + ENTRIES * SyncScanEntry.SIZE;

let headerAt = -1;
const entryAt = (i: number): number => headerAt + SyncScanHeader.SIZE + i * SyncScanEntry.SIZE;

export const syncScanShmem: ShmemSubsystem = {
  name: 'Sync Scan Locations List',
  request: () => requestShmemSpace(SIZE),
  init() {
    const found = shmemInitStruct('Sync Scan Locations List', SIZE);
    headerAt = found.at;
    if (found.found) return;
    SyncScanHeader.head.set(mem, headerAt, 0);
    SyncScanHeader.tail.set(mem, headerAt, ENTRIES - 1);
    for (let i = 0; i < ENTRIES; i++) {
      const at = entryAt(i);
      SyncScanEntry.spcNode.set(mem, at, 0);
      SyncScanEntry.dbNode.set(mem, at, 0);
      SyncScanEntry.relNode.set(mem, at, 0);
      SyncScanEntry.location.set(mem, at, 0xffff_ffff);
      SyncScanEntry.previous.set(mem, at, i - 1);
      SyncScanEntry.next.set(mem, at, i < ENTRIES - 1 ? i + 1 : -1);
    }
  },
};

/** ss_search(): the table's entry, moved to the front; with `set` its location becomes `location`. */
function search(rel: Relation, location: BlockNumber, set: boolean): BlockNumber {
  const { spcNode, dbNode, relNode } = rel.rnode;
  let i = SyncScanHeader.head.get(mem, headerAt);
  for (;;) {
    const at = entryAt(i);
    const matches =
      SyncScanEntry.relNode.get(mem, at) === relNode &&
      SyncScanEntry.dbNode.get(mem, at) === dbNode &&
      SyncScanEntry.spcNode.get(mem, at) === spcNode;
    const next = SyncScanEntry.next.get(mem, at);
    if (matches || next < 0) {
      if (!matches) {
        // The last one is taken over.
        SyncScanEntry.spcNode.set(mem, at, spcNode);
        SyncScanEntry.dbNode.set(mem, at, dbNode);
        SyncScanEntry.relNode.set(mem, at, relNode);
        SyncScanEntry.location.set(mem, at, location);
      } else if (set) SyncScanEntry.location.set(mem, at, location);
      moveToFront(i);
      return SyncScanEntry.location.get(mem, at);
    }
    i = next;
  }
}
function moveToFront(i: number): void {
  const head = SyncScanHeader.head.get(mem, headerAt);
  if (i === head) return;
  const at = entryAt(i);
  const previous = SyncScanEntry.previous.get(mem, at);
  const next = SyncScanEntry.next.get(mem, at);
  SyncScanEntry.next.set(mem, entryAt(previous), next);
  if (next >= 0) SyncScanEntry.previous.set(mem, entryAt(next), previous);
  else SyncScanHeader.tail.set(mem, headerAt, previous);
  SyncScanEntry.previous.set(mem, at, -1);
  SyncScanEntry.next.set(mem, at, head);
  SyncScanEntry.previous.set(mem, entryAt(head), i);
  SyncScanHeader.head.set(mem, headerAt, i);
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
