/** multixact-state.ts — the two logs of multixacts and what all processes share about them.
 *
 *  offsets: u32 per multixact. members: groups of 20 bytes, four flag bytes and four xids; 409 groups a page, so that the
 *  last 12 bytes of a page stay unused.
 *  Counterpart: the macros and MultiXactShmemInit() of src/backend/access/transam/multixact.c */
import { BLCKSZ, type MultiXactId } from '#base/ids.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { maxBackends } from '#shm/proc.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';
import { settings } from '#runtime/guc/guc.ts';
import { SYNC_HANDLER } from '#storage/file/sync-requests.ts';
import { Slru } from '#storage/slru/slru.ts';
import { MultiXactState } from '#transam/transam-layout.ts';
import { walScratch, xlogBeginInsert, xlogInsert, xlogRegisterData } from '#wal/insert.ts';
import { RM } from '#wal/rmgr-ids.ts';

export { MultiXactState };

export const OFFSETS_PER_PAGE = BLCKSZ / 4;
const MEMBERS_PER_GROUP = 4;
const GROUP_SIZE = MEMBERS_PER_GROUP + 4 * MEMBERS_PER_GROUP;
const GROUPS_PER_PAGE = Math.floor(BLCKSZ / GROUP_SIZE);
export const MEMBERS_PER_PAGE = GROUPS_PER_PAGE * MEMBERS_PER_GROUP;

export const offsetPageOf = (multi: number): number => Math.floor(multi / OFFSETS_PER_PAGE);
export const memberPageOf = (offset: number): number => Math.floor(offset / MEMBERS_PER_PAGE);

function offsetPagePrecedes(a: number, b: number): boolean {
  const first = (a * OFFSETS_PER_PAGE + 2) >>> 0;
  const second = (b * OFFSETS_PER_PAGE + 2) >>> 0;
  return ((first - second) | 0) < 0 && ((first - ((second + OFFSETS_PER_PAGE - 1) >>> 0)) | 0) < 0;
}
function memberPagePrecedes(a: number, b: number): boolean {
  const first = (a * MEMBERS_PER_PAGE) >>> 0;
  const second = (b * MEMBERS_PER_PAGE) >>> 0;
  return ((first - second) | 0) < 0 && ((first - ((second + MEMBERS_PER_PAGE - 1) >>> 0)) | 0) < 0;
}

export const offsets = new Slru({
  name: 'MultiXactOffset',
  statName: 'MultiXactOffset',
  slots: () => 8,
  lsnGroups: 0,
  controlLock: 'MultiXactOffsetSLRU',
  bufferTranche: 'MultiXactOffsetBuffer',
  directory: 'pg_multixact/offsets',
  syncHandler: SYNC_HANDLER.multixactOffset,
  precedes: offsetPagePrecedes,
});
export const members = new Slru({
  name: 'MultiXactMember',
  statName: 'MultiXactMember',
  slots: () => 16,
  lsnGroups: 0,
  controlLock: 'MultiXactMemberSLRU',
  bufferTranche: 'MultiXactMemberBuffer',
  directory: 'pg_multixact/members',
  syncHandler: SYNC_HANDLER.multixactMember,
  precedes: memberPagePrecedes,
});

let at = -1;
const perSlot = (): number => maxBackends() + settings.max_prepared_transactions + 1;
const size = (): number => MultiXactState.SIZE + 8 * perSlot();

export const multiXactShmem: ShmemSubsystem = {
  name: 'Shared MultiXact State',
  request: () => requestShmemSpace(size()),
  init() {
    const found = shmemInitStruct('Shared MultiXact State', size());
    at = found.at;
    if (found.found) return;
    // Until recovery has read them from the checkpoint.
    MultiXactState.nextMulti.set(mem, at, 1);
    MultiXactState.oldestMulti.set(mem, at, 1);
  },
};
export const multiState = (): number => at;
export const multiGenLock = (): number => mainLWLock('MultiXactGen');
/** Word indexes; ids from 1: backends, then prepared transactions. */
export const oldestMemberWord = (id: number): number => (at + MultiXactState.SIZE + 4 * id) >>> 2;
export const oldestVisibleWord = (id: number): number => (at + MultiXactState.SIZE + 4 * (perSlot() + id)) >>> 2;

// ── entries ──────────────────────────────────────────────────────────────────────────────────────────────────────

export const offsetEntryAt = (slot: number, multi: number): number =>
  offsets.pageAt(slot) + (multi % OFFSETS_PER_PAGE) * 4;
const groupAt = (slot: number, offset: number): number =>
  members.pageAt(slot) + (Math.floor(offset / MEMBERS_PER_GROUP) % GROUPS_PER_PAGE) * GROUP_SIZE;
export const memberFlagsAt = (slot: number, offset: number): number =>
  groupAt(slot, offset) + (offset % MEMBERS_PER_GROUP);
export const memberXidAt = (slot: number, offset: number): number =>
  groupAt(slot, offset) + MEMBERS_PER_GROUP + 4 * (offset % MEMBERS_PER_GROUP);

// ── growing ──────────────────────────────────────────────────────────────────────────────────────────────────────

const ZERO_OFFSETS = 0x00;
const ZERO_MEMBERS = 0x10;

function logZero(op: number, page: number): void {
  xlogBeginInsert();
  const data = walScratch(4);
  mem.view.setInt32(data, page, true);
  xlogRegisterData(data, 4);
  xlogInsert(RM.multixact, op);
}
/** Control lock of the log: exclusive. Returns the slot. */
export function zeroOffsetsPage(page: number, writeWal: boolean): number {
  const slot = offsets.zeroPage(page);
  if (writeWal) logZero(ZERO_OFFSETS, page);
  return slot;
}
export function zeroMembersPage(page: number, writeWal: boolean): number {
  const slot = members.zeroPage(page);
  if (writeWal) logZero(ZERO_MEMBERS, page);
  return slot;
}
/** MultiXactGenLock is held. */
export function extendOffsets(multi: MultiXactId): void {
  if (multi % OFFSETS_PER_PAGE !== 0 && multi !== 1) return;
  lwLockAcquire(offsets.lock, 'exclusive');
  zeroOffsetsPage(offsetPageOf(multi), true);
  lwLockRelease(offsets.lock);
}
export function extendMembers(first: number, count: number): void {
  let offset = first;
  let left = count;
  while (left > 0) {
    // A page is made by whoever uses its first entry.
    if (offset % MEMBERS_PER_PAGE === 0) {
      lwLockAcquire(members.lock, 'exclusive');
      zeroMembersPage(memberPageOf(offset), true);
      lwLockRelease(members.lock);
    }
    // To the end of the page, or of the log, which ends in the middle of one.
    const atWrap = 0xffff_ffff - offset + 1;
    const inPage = Math.min(MEMBERS_PER_PAGE - (offset % MEMBERS_PER_PAGE), atWrap);
    left -= inPage;
    offset = (offset + inPage) >>> 0;
  }
}
