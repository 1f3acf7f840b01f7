/** multixact.ts — several transactions that lock or update one row, under one 32-bit name.
 *
 *  A multixact is a list of {xid, status} that never changes. offsets: where its members begin; members: groups of four
 *  flag bytes and four xids. Both logs wrap around: multixact ids like xids, members at 2^32 entries, so both have limits.
 *  Whoever writes a multixact's offset writes the next one's, too: where this one's members end.
 *  A backend that is about to use multixacts says from which one on it may look (oldest visible) and which is the oldest
 *  that could have it as a member; truncation respects both.
 *  Counterpart: src/backend/access/transam/multixact.c */
import type { MultiXactId, TransactionId } from '#base/ids.ts';
import { multiAdvance, multiPrecedes, multiPrecedesOrEquals, xidPrecedes } from '#base/xid.ts';
import { assert } from '#base/assert.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { myProcess } from '#runtime/my-process.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { sendPostmasterSignal } from '#storage/ipc/pm-signal.ts';
import { SLRU_PAGES_PER_SEGMENT } from '#storage/slru/slru.ts';
import {
  extendOffsets,
  extendMembers,
  memberFlagsAt,
  memberXidAt,
  MEMBERS_PER_PAGE,
  members,
  multiGenLock,
  multiState,
  MultiXactState as M,
  offsetEntryAt,
  offsetPageOf,
  memberPageOf,
  offsets,
  oldestMemberWord,
  oldestVisibleWord,
} from '#transam/multixact-state.ts';
import {
  MEMBER_SAFE_THRESHOLD,
  offsetWouldWrap,
  refuseMembers,
  refuseWraparound,
  warnMembers,
  warnWraparound,
} from '#transam/multixact-limits.ts';
import { transactionIdIsInProgress } from '#transam/proc-array.ts';
import { transactionIdDidCommit } from '#transam/transam.ts';
import { maxBackends } from '#shm/proc.ts';
import { settings } from '#runtime/guc/guc.ts';
import { registerXactParticipant, XACT_RANK } from '#transam/xact-callbacks.ts';
import { transactionIdIsCurrentTransactionId } from '#transam/xact-stack.ts';
import { registerTwoPhaseHandlers, registerTwoPhaseRecord, TWO_PHASE_RM } from '#transam/two-phase-record.ts';
import { preparedIndexOfProc, twoPhaseGetDummyProc } from '#transam/two-phase-state.ts';
import { walScratch, xlogBeginInsert, xlogInsert, xlogRegisterData } from '#wal/insert.ts';
import { inRecovery, recoveryInProgress } from '#wal/recovery-state.ts';
import { RM } from '#wal/rmgr-ids.ts';

export const MULTIXACT_STATUS = {
  forKeyShare: 0,
  forShare: 1,
  forNoKeyUpdate: 2,
  forUpdate: 3,
  noKeyUpdate: 4,
  update: 5,
} as const;
export type MultiXactStatus = (typeof MULTIXACT_STATUS)[keyof typeof MULTIXACT_STATUS];
export interface MultiXactMember {
  readonly xid: TransactionId;
  readonly status: MultiXactStatus;
}
/** Does the member change the row (and not only lock it)? */
export const isUpdateStatus = (status: MultiXactStatus): boolean => status > MULTIXACT_STATUS.forUpdate;

export const MULTI_OP = { zeroOffsets: 0x00, zeroMembers: 0x10, create: 0x20, truncate: 0x30 } as const;
const NONE = 0 as MultiXactId;

// ── cache of this transaction ────────────────────────────────────────────────────────────────────────────────────

interface Cached {
  readonly multi: MultiXactId;
  /** Sorted by xid, then status. */
  readonly members: readonly MultiXactMember[];
}
const CACHE_MAX = 256;
/** Most recently used last. */
let cache: Cached[] = [];

const sortMembers = (list: readonly MultiXactMember[]): MultiXactMember[] =>
  [...list].sort((a, b) => a.xid - b.xid || a.status - b.status);
const sameMembers = (a: readonly MultiXactMember[], b: readonly MultiXactMember[]): boolean =>
  a.length === b.length && a.every((one, i) => one.xid === b[i]!.xid && one.status === b[i]!.status);

function touch(at: number): Cached {
  const [entry] = cache.splice(at, 1);
  cache.push(entry!);
  return entry!;
}
function findByMembers(sorted: readonly MultiXactMember[]): MultiXactId {
  for (let i = cache.length - 1; i >= 0; i--) if (sameMembers(cache[i]!.members, sorted)) return touch(i).multi;
  return NONE;
}
function remember(multi: MultiXactId, sorted: readonly MultiXactMember[]): void {
  cache.push({ multi, members: sorted });
  if (cache.length > CACHE_MAX) cache.shift();
}

// ── creating ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** Two transactions, neither of which is finished. */
export function multiXactIdCreate(
  xid1: TransactionId,
  status1: MultiXactStatus,
  xid2: TransactionId,
  status2: MultiXactStatus,
): MultiXactId {
  assert(xid1 !== 0 && xid2 !== 0, 'members have xids');
  assert(xid1 !== xid2 || status1 !== status2, 'two members differ');
  assertOldestMemberSet();
  return multiXactIdCreateFromMembers([
    { xid: xid1, status: status1 },
    { xid: xid2, status: status2 },
  ]);
}

/** `multi` with one more member, without those that no longer matter. */
export function multiXactIdExpand(multi: MultiXactId, xid: TransactionId, status: MultiXactStatus): MultiXactId {
  assert(multi !== 0 && xid !== 0, 'there is something to expand');
  assertOldestMemberSet();
  const old = getMultiXactIdMembers(multi, false, false);
  // All gone, or from before this server's time: the row is free, and a multixact of one is as good as any.
  if (old === null) return multiXactIdCreateFromMembers([{ xid, status }]);
  if (old.some((one) => one.xid === xid && one.status === status)) return multi;
  // Lockers that have ended do not matter; an updater that has ended matters if it committed.
  const kept = old.filter(
    (one) => transactionIdIsInProgress(one.xid) || (isUpdateStatus(one.status) && transactionIdDidCommit(one.xid)),
  );
  kept.push({ xid, status });
  return multiXactIdCreateFromMembers(kept);
}

export function multiXactIdCreateFromMembers(list: readonly MultiXactMember[]): MultiXactId {
  const sorted = sortMembers(list);
  const known = findByMembers(sorted);
  if (known !== 0) return known;
  if (sorted.filter((one) => isUpdateStatus(one.status)).length > 1) {
    const text = sorted.map((one) => `${one.xid} (${STATUS_NAMES[one.status]})`).join(', ');
    report('ERROR', { message: `new multixact has more than one updating member: ${text}` });
  }
  const { multi, offset } = getNewMultiXactId(sorted.length);
  // The record first: replay must know the members of any multixact that stands in a page.
  logCreate(multi, offset, sorted);
  recordNewMultiXact(multi, offset, sorted);
  endCritical();
  remember(multi, sorted);
  return multi;
}

function logCreate(multi: MultiXactId, offset: number, list: readonly MultiXactMember[]): void {
  xlogBeginInsert();
  const size = 12 + 8 * list.length;
  const at = walScratch(size);
  const { view } = mem;
  view.setUint32(at, multi, true);
  view.setUint32(at + 4, offset, true);
  view.setInt32(at + 8, list.length, true);
  list.forEach((one, i) => {
    view.setUint32(at + 12 + 8 * i, one.xid, true);
    view.setInt32(at + 16 + 8 * i, one.status, true);
  });
  xlogRegisterData(at, size);
  xlogInsert(RM.multixact, MULTI_OP.create);
}

/** An offsets page that replay had to make before its own record came (WAL of older minor versions). */
let madeEarly = -1;
/** Replay of a page's record: was the page made already? */
export function offsetsPageWasMadeEarly(page: number): boolean {
  if (madeEarly !== page) return false;
  madeEarly = -1;
  return true;
}

function putOffset(slot: number, multi: number, offset: number): void {
  const at = offsetEntryAt(slot, multi);
  if (mem.view.getUint32(at, true) === offset) return;
  mem.view.setUint32(at, offset, true);
  offsets.markDirty(slot);
}

/** Writes offset and members into the logs. Also redo's work. The next multixact's offset is set with this one's, so that
 *  a reader knows the length of this one even while the next is being made. */
export function recordNewMultiXact(multi: MultiXactId, offset: number, list: readonly MultiXactMember[]): void {
  const next = multiAdvance(multi);
  const nextOffset = (offset + list.length) >>> 0 || 1;
  const here = offsetPageOf(multi);
  const there = offsetPageOf(next);
  lwLockAcquire(offsets.lock, 'exclusive');
  if (inRecovery() && there !== here && offsets.latestPage === here) {
    offsets.writePage(offsets.zeroPage(there));
    madeEarly = there;
  }
  const slot = offsets.readPage(here, true, multi);
  putOffset(slot, multi, offset);
  putOffset(there === here ? slot : offsets.readPage(there, true, next), next, nextOffset);
  lwLockRelease(offsets.lock);
  lwLockAcquire(members.lock, 'exclusive');
  let page = -1;
  let memberSlot = -1;
  for (let i = 0; i < list.length; i++) {
    const at = (offset + i) >>> 0;
    const { xid, status } = list[i]!;
    if (memberPageOf(at) !== page) {
      page = memberPageOf(at);
      memberSlot = members.readPage(page, true, multi);
    }
    mem.view.setUint32(memberXidAt(memberSlot, at), xid, true);
    mem.u8[memberFlagsAt(memberSlot, at)] = status;
    members.markDirty(memberSlot);
  }
  lwLockRelease(members.lock);
}

/** The next id and room for its members. Begins a critical section, which the caller ends: the id must be filled. */
function getNewMultiXactId(memberCount: number): { multi: MultiXactId; offset: number } {
  if (recoveryInProgress()) report('ERROR', { message: 'cannot assign MultiXactIds during recovery' });
  const at = multiState();
  lwLockAcquire(multiGenLock(), 'exclusive');
  // 0 is invalid: skipped when the counter wraps.
  if (M.nextMulti.get(mem, at) === 0) M.nextMulti.set(mem, at, 1);
  let multi = M.nextMulti.get(mem, at) as MultiXactId;
  const vacLimit = M.multiVacLimit.get(mem, at) as MultiXactId;
  if (vacLimit !== 0 && !multiPrecedes(multi, vacLimit)) {
    const warn = M.multiWarnLimit.get(mem, at) as MultiXactId;
    const stop = M.multiStopLimit.get(mem, at) as MultiXactId;
    const wrap = M.multiWrapLimit.get(mem, at);
    const db = M.oldestMultiDb.get(mem, at);
    lwLockRelease(multiGenLock());
    if (myProcess.isUnderPostmaster && !multiPrecedes(multi, stop)) {
      callForVacuum();
      refuseWraparound(db);
    }
    if (multi % 65536 === 0) callForVacuum();
    if (!multiPrecedes(multi, warn)) warnWraparound(db, (wrap - multi) >>> 0);
    lwLockAcquire(multiGenLock(), 'exclusive');
    if (M.nextMulti.get(mem, at) === 0) M.nextMulti.set(mem, at, 1);
    multi = M.nextMulti.get(mem, at) as MultiXactId;
  }
  // The page of the next one, too: its offset is set with this one's.
  extendOffsets(multiAdvance(multi));
  const nextOffset = M.nextOffset.get(mem, at);
  // Offset 0 means "not yet written": member 0 of a new or wrapped log is left out, but belongs to us.
  const needed = nextOffset === 0 ? memberCount + 1 : memberCount;
  checkMemberSpace(nextOffset, needed);
  extendMembers(nextOffset, needed);
  // From here on the id exists for others.
  beginCritical();
  M.nextMulti.set(mem, at, (multi + 1) >>> 0);
  M.nextOffset.set(mem, at, (nextOffset + needed) >>> 0);
  lwLockRelease(multiGenLock());
  return { multi, offset: nextOffset || 1 };
}

function callForVacuum(): void {
  if (myProcess.isUnderPostmaster) sendPostmasterSignal('startAutovacLauncher');
}

const OFFSET_WARN_SEGMENTS = 20;
const MEMBERS_PER_SEGMENT = MEMBERS_PER_PAGE * SLRU_PAGES_PER_SEGMENT;
/** MultiXactGenLock is held; it is released before an error is reported. */
function checkMemberSpace(nextOffset: number, needed: number): void {
  const at = multiState();
  const known = M.oldestOffsetKnown.get(mem, at) !== 0;
  const stop = M.offsetStopLimit.get(mem, at);
  const db = M.oldestMultiDb.get(mem, at);
  if (known && offsetWouldWrap(stop, nextOffset, needed)) {
    lwLockRelease(multiGenLock());
    callForVacuum();
    refuseMembers(needed, (stop - nextOffset - 1) >>> 0, db);
  }
  if (!known || (nextOffset - M.oldestOffset.get(mem, at)) >>> 0 > MEMBER_SAFE_THRESHOLD) {
    // Once a segment is often enough.
    const segmentOf = (offset: number): number => Math.floor(offset / MEMBERS_PER_SEGMENT);
    if (segmentOf(nextOffset) !== segmentOf((nextOffset + needed) >>> 0)) callForVacuum();
  }
  if (known && offsetWouldWrap(stop, nextOffset, needed + MEMBERS_PER_SEGMENT * OFFSET_WARN_SEGMENTS))
    warnMembers((stop - nextOffset + needed) >>> 0, db);
}

// ── asking ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** null: only lockers that must have ended, or a multixact that pg_upgrade brought (PostgreSQL's -1). */
export function getMultiXactIdMembers(
  multi: MultiXactId,
  fromPgUpgrade: boolean,
  isLockOnly: boolean,
): readonly MultiXactMember[] | null {
  if (multi === 0 || fromPgUpgrade) return null;
  for (let i = cache.length - 1; i >= 0; i--) if (cache[i]!.multi === multi) return touch(i).members;
  setOldestVisible();
  // Only lockers, and from before anybody who still runs: nothing of it can matter.
  const visible = mem.i32[oldestVisibleWord(myProcess.backendId)]! >>> 0;
  if (isLockOnly && multiPrecedes(multi, visible as MultiXactId)) return null;
  const found = locate(multi);
  lwLockAcquire(members.lock, 'exclusive');
  const list: MultiXactMember[] = [];
  let page = -1;
  let slot = -1;
  for (let i = 0; i < found.length; i++) {
    const at = (found.offset + i) >>> 0;
    if (memberPageOf(at) !== page) {
      page = memberPageOf(at);
      slot = members.readPage(page, true, multi);
    }
    const xid = mem.view.getUint32(memberXidAt(slot, at), true) as TransactionId;
    // The gap at the wrap-around of the log.
    if (xid === 0) continue;
    list.push({ xid, status: (mem.u8[memberFlagsAt(slot, at)]! & 0xff) as MultiXactStatus });
  }
  lwLockRelease(members.lock);
  const sorted = sortMembers(list);
  remember(multi, sorted);
  return sorted;
}

/** Where the members of a multixact are. */
function locate(multi: MultiXactId): { offset: number; length: number } {
  const at = multiState();
  lwLockAcquire(multiGenLock(), 'shared');
  const oldest = M.oldestMulti.get(mem, at) as MultiXactId;
  const nextMulti = M.nextMulti.get(mem, at) as MultiXactId;
  const nextOffset = M.nextOffset.get(mem, at);
  lwLockRelease(multiGenLock());
  if (multiPrecedes(multi, oldest))
    report('ERROR', {
      code: SQLSTATE.internalError,
      message: `MultiXactId ${multi} does no longer exist -- apparent wraparound`,
    });
  if (!multiPrecedes(multi, nextMulti))
    report('ERROR', {
      code: SQLSTATE.internalError,
      message: `MultiXactId ${multi} has not been created yet -- apparent wraparound`,
    });
  const broken = (what: string): never =>
    report('ERROR', { code: SQLSTATE.dataCorrupted, message: `MultiXact ${multi} has invalid ${what}` });
  lwLockAcquire(offsets.lock, 'exclusive');
  let slot = offsets.readPage(offsetPageOf(multi), true, multi);
  const offset = mem.view.getUint32(offsetEntryAt(slot, multi), true);
  if (offset === 0) broken('offset');
  const following = multiAdvance(multi);
  if (nextMulti === following) {
    lwLockRelease(offsets.lock);
    return { offset, length: (nextOffset - offset) >>> 0 };
  }
  if (offsetPageOf(following) !== offsetPageOf(multi))
    slot = offsets.readPage(offsetPageOf(following), true, following);
  const end = mem.view.getUint32(offsetEntryAt(slot, following), true);
  lwLockRelease(offsets.lock);
  if (end === 0) broken('next offset');
  return { offset, length: (end - offset) >>> 0 };
}

/** Is one of the members still running? */
export function multiXactIdIsRunning(multi: MultiXactId, isLockOnly: boolean): boolean {
  const list = getMultiXactIdMembers(multi, false, isLockOnly);
  if (list === null || list.length === 0) return false;
  // My own are cheap to see.
  for (const one of list) if (transactionIdIsCurrentTransactionId(one.xid)) return true;
  for (const one of list) if (transactionIdIsInProgress(one.xid)) return true;
  return false;
}

/** Before I make a multixact, or lock or update a row: from this one on I may be a member. */
export function multiXactIdSetOldestMember(): void {
  const word = oldestMemberWord(myProcess.backendId);
  if (mem.i32[word] !== 0) return;
  // Held, so that nobody computes the oldest between our read of nextMulti and our store.
  lwLockAcquire(multiGenLock(), 'shared');
  const next = M.nextMulti.get(mem, multiState()) || 1;
  mem.i32[word] = next | 0;
  lwLockRelease(multiGenLock());
}
function assertOldestMemberSet(): void {
  assert(mem.i32[oldestMemberWord(myProcess.backendId)] !== 0, 'multiXactIdSetOldestMember() comes first');
}
/** From which multixact on some of the members may still run, for this transaction's whole life. */
function setOldestVisible(): void {
  const mine = oldestVisibleWord(myProcess.backendId);
  if (mem.i32[mine] !== 0) return;
  lwLockAcquire(multiGenLock(), 'exclusive');
  let oldest = (M.nextMulti.get(mem, multiState()) || 1) as MultiXactId;
  for (let id = 1; id <= memberSlots(); id++) {
    const one = (mem.i32[oldestMemberWord(id)]! >>> 0) as MultiXactId;
    if (one !== 0 && multiPrecedes(one, oldest)) oldest = one;
  }
  mem.i32[mine] = oldest | 0;
  lwLockRelease(multiGenLock());
}
/** Backend ids and, after them, prepared transactions. */
const memberSlots = (): number => maxBackends() + settings.max_prepared_transactions;

export function readNextMultiXactId(): MultiXactId {
  lwLockAcquire(multiGenLock(), 'shared');
  const next = (M.nextMulti.get(mem, multiState()) || 1) as MultiXactId;
  lwLockRelease(multiGenLock());
  return next;
}
export function readMultiXactIdRange(): { oldest: MultiXactId; next: MultiXactId } {
  lwLockAcquire(multiGenLock(), 'shared');
  const oldest = (M.oldestMulti.get(mem, multiState()) || 1) as MultiXactId;
  const next = (M.nextMulti.get(mem, multiState()) || 1) as MultiXactId;
  lwLockRelease(multiGenLock());
  return { oldest, next };
}
/** The oldest multixact that anybody may have to look into: vacuum may replace older ones. */
export function getOldestMultiXactId(): MultiXactId {
  lwLockAcquire(multiGenLock(), 'shared');
  let oldest = (M.nextMulti.get(mem, multiState()) || 1) as MultiXactId;
  for (let id = 1; id <= memberSlots(); id++)
    for (const word of [oldestMemberWord(id), oldestVisibleWord(id)]) {
      const one = (mem.i32[word]! >>> 0) as MultiXactId;
      if (one !== 0 && multiPrecedes(one, oldest)) oldest = one;
    }
  lwLockRelease(multiGenLock());
  return oldest;
}

const STATUS_NAMES = ['keysh', 'sh', 'fornokeyupd', 'forupd', 'nokeyupd', 'upd'] as const;
export const multiXactStatusName = (status: MultiXactStatus): string => STATUS_NAMES[status] ?? 'unk';
export const multiXactPrecedes = multiPrecedes;
export const multiXactPrecedesOrEquals = multiPrecedesOrEquals;
/** Older of the members, for freezing. */
export const oldestMemberXid = (list: readonly MultiXactMember[]): TransactionId =>
  list.reduce((oldest, one) => (xidPrecedes(one.xid, oldest) ? one.xid : oldest), list[0]!.xid);

// ── ends of transactions ─────────────────────────────────────────────────────────────────────────────────────────

function atEnd(): void {
  if (cache.length > 0) cache = [];
  if (multiState() < 0 || myProcess.backendId < 1 || myProcess.backendId > maxBackends()) return;
  mem.i32[oldestMemberWord(myProcess.backendId)] = 0;
  mem.i32[oldestVisibleWord(myProcess.backendId)] = 0;
}
registerXactParticipant({
  name: 'multixact',
  rank: XACT_RANK.multixact,
  atCommit: atEnd,
  atAbort: atEnd,
  writePrepare() {
    const oldest = mem.i32[oldestMemberWord(myProcess.backendId)]! >>> 0;
    if (oldest === 0) return;
    const data = new Uint8Array(4);
    new DataView(data.buffer).setUint32(0, oldest, true);
    registerTwoPhaseRecord(TWO_PHASE_RM.multixact, 0, data);
  },
  postPrepare(xid) {
    // The stand-in may be a member from the same point on as I was.
    const mine = oldestMemberWord(myProcess.backendId);
    const oldest = mem.i32[mine]!;
    if (oldest !== 0) {
      lwLockAcquire(multiGenLock(), 'exclusive');
      mem.i32[oldestMemberWord(slotOfPrepared(xid))] = oldest;
      mem.i32[mine] = 0;
      lwLockRelease(multiGenLock());
    }
    mem.i32[oldestVisibleWord(myProcess.backendId)] = 0;
    cache = [];
  },
});

const slotOfPrepared = (xid: TransactionId): number =>
  maxBackends() + 1 + preparedIndexOfProc(twoPhaseGetDummyProc(xid));
const clearPrepared = (xid: TransactionId): void => {
  mem.i32[oldestMemberWord(slotOfPrepared(xid))] = 0;
};
registerTwoPhaseHandlers(TWO_PHASE_RM.multixact, {
  recover(xid, _info, data) {
    const oldest = new DataView(data.buffer, data.byteOffset).getUint32(0, true);
    mem.i32[oldestMemberWord(slotOfPrepared(xid))] = oldest | 0;
  },
  postCommit: clearPrepared,
  postAbort: clearPrepared,
});

// biome-ignore lint/performance/noBarrelFile: one door for the users of several files of this subject
export {
  findMultiXactStart,
  multiXactMemberFreezeThreshold,
  setMultiXactIdLimit,
  truncateMultiXact,
} from '#transam/multixact-limits.ts';
export {
  bootStrapMultiXact,
  checkPointMultiXact,
  multiXactAdvanceNextMXact,
  multiXactAdvanceOldest,
  multiXactGetCheckpt,
  multiXactSetNextMXact,
  multixactRmgr,
  startupMultiXact,
  trimMultiXact,
} from '#transam/multixact-redo.ts';
