/** multixact-redo.ts — multixacts at start, at checkpoints, and in the WAL.
 *  Counterpart: multixact_redo(), StartupMultiXact(), TrimMultiXact() …, src/backend/access/rmgrdesc/mxactdesc.c */
import { BLCKSZ, type MultiXactId, type Oid, type TransactionId } from '#base/ids.ts';
import { multiPrecedes, xidFollowsOrEquals } from '#base/xid.ts';
import { assert } from '#base/assert.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import {
  MULTI_OP,
  type MultiXactMember,
  multiXactStatusName,
  offsetsPageWasMadeEarly,
  type MultiXactStatus,
  recordNewMultiXact,
} from '#transam/multixact.ts';
import { performMembersTruncation, performOffsetsTruncation, setMultiXactIdLimit } from '#transam/multixact-limits.ts';
import {
  memberPageOf,
  MEMBERS_PER_PAGE,
  members,
  memberXidAt,
  multiGenLock,
  multiState,
  MultiXactState as M,
  OFFSETS_PER_PAGE,
  offsetEntryAt,
  offsetPageOf,
  offsets,
  zeroMembersPage,
  zeroOffsetsPage,
} from '#transam/multixact-state.ts';
import { advanceNextFullXidPastXid } from '#transam/xid-generator.ts';
import type { DecodedRecord } from '#wal/decoded-record.ts';
import { inRecovery } from '#wal/recovery-state.ts';
import type { RmgrRow } from '#wal/rmgr.ts';

export function bootStrapMultiXact(): void {
  lwLockAcquire(offsets.lock, 'exclusive');
  offsets.writePage(zeroOffsetsPage(0, false));
  lwLockRelease(offsets.lock);
  lwLockAcquire(members.lock, 'exclusive');
  members.writePage(zeroMembersPage(0, false));
  lwLockRelease(members.lock);
}
/** After the checkpoint's counters are set. */
export function startupMultiXact(): void {
  const at = multiState();
  offsets.latestPage = offsetPageOf(M.nextMulti.get(mem, at));
  members.latestPage = memberPageOf(M.nextOffset.get(mem, at));
}

/** At the end of recovery: what is behind the counters was never used by this timeline. */
export function trimMultiXact(): void {
  const at = multiState();
  lwLockAcquire(multiGenLock(), 'shared');
  const nextMulti = M.nextMulti.get(mem, at) as MultiXactId;
  const offset = M.nextOffset.get(mem, at);
  const oldestMulti = M.oldestMulti.get(mem, at) as MultiXactId;
  const oldestMultiDb = M.oldestMultiDb.get(mem, at) as Oid;
  lwLockRelease(multiGenLock());
  lwLockAcquire(offsets.lock, 'exclusive');
  offsets.latestPage = offsetPageOf(nextMulti);
  // Older minor versions set the next offset only when the next multixact came; now it must be there.
  const inPage = nextMulti % OFFSETS_PER_PAGE;
  const page = offsetPageOf(nextMulti);
  const slot = inPage === 0 ? offsets.zeroPage(page) : offsets.readPage(page, true, nextMulti);
  const entry = offsetEntryAt(slot, nextMulti);
  mem.view.setUint32(entry, offset, true);
  mem.u8.fill(0, entry + 4, offsets.pageAt(slot) + BLCKSZ);
  offsets.markDirty(slot);
  lwLockRelease(offsets.lock);
  lwLockAcquire(members.lock, 'exclusive');
  members.latestPage = memberPageOf(offset);
  if (offset % MEMBERS_PER_PAGE !== 0) {
    const slot = members.readPage(memberPageOf(offset), true, offset);
    // The flags of this group are left: an xid of zero is enough to say that there is none.
    mem.u8.fill(0, memberXidAt(slot, offset), members.pageAt(slot) + BLCKSZ);
    members.markDirty(slot);
  }
  lwLockRelease(members.lock);
  lwLockAcquire(multiGenLock(), 'exclusive');
  M.finishedStartup.set(mem, at, 1);
  lwLockRelease(multiGenLock());
  setMultiXactIdLimit(oldestMulti, oldestMultiDb, true);
}

/** For the checkpoint record. */
export function multiXactGetCheckpt(): {
  nextMulti: MultiXactId;
  nextOffset: number;
  oldestMulti: MultiXactId;
  oldestMultiDb: Oid;
} {
  const at = multiState();
  lwLockAcquire(multiGenLock(), 'shared');
  const result = {
    nextMulti: M.nextMulti.get(mem, at) as MultiXactId,
    nextOffset: M.nextOffset.get(mem, at),
    oldestMulti: M.oldestMulti.get(mem, at) as MultiXactId,
    oldestMultiDb: M.oldestMultiDb.get(mem, at) as Oid,
  };
  lwLockRelease(multiGenLock());
  return result;
}
export function checkPointMultiXact(): void {
  offsets.writeAll(true);
  members.writeAll(true);
}
/** From a checkpoint record, before anything runs. */
export function multiXactSetNextMXact(nextMulti: MultiXactId, nextOffset: number): void {
  lwLockAcquire(multiGenLock(), 'exclusive');
  M.nextMulti.set(mem, multiState(), nextMulti);
  M.nextOffset.set(mem, multiState(), nextOffset);
  lwLockRelease(multiGenLock());
}
/** Replay has met these: the counters are at least so far. */
export function multiXactAdvanceNextMXact(minMulti: MultiXactId, minOffset: number): void {
  const at = multiState();
  lwLockAcquire(multiGenLock(), 'exclusive');
  if (multiPrecedes(M.nextMulti.get(mem, at) as MultiXactId, minMulti)) M.nextMulti.set(mem, at, minMulti);
  if (((M.nextOffset.get(mem, at) - minOffset) | 0) < 0) M.nextOffset.set(mem, at, minOffset);
  lwLockRelease(multiGenLock());
}
export function multiXactAdvanceOldest(oldestMulti: MultiXactId, oldestMultiDb: Oid): void {
  assert(inRecovery(), 'only replay says so');
  if (multiPrecedes(M.oldestMulti.get(mem, multiState()) as MultiXactId, oldestMulti))
    setMultiXactIdLimit(oldestMulti, oldestMultiDb, false);
}

// ── records ──────────────────────────────────────────────────────────────────────────────────────────────────────

const u32 = (at: number): number => mem.view.getUint32(at, true);

function readCreate(at: number): { multi: MultiXactId; offset: number; list: MultiXactMember[] } {
  const count = mem.view.getInt32(at + 8, true);
  const list: MultiXactMember[] = [];
  for (let i = 0; i < count; i++)
    list.push({
      xid: u32(at + 12 + 8 * i) as TransactionId,
      status: mem.view.getInt32(at + 16 + 8 * i, true) as MultiXactStatus,
    });
  return { multi: u32(at) as MultiXactId, offset: u32(at + 4), list };
}

function redoCreate(record: DecodedRecord): void {
  const { multi, offset, list } = readCreate(record.mainAt);
  recordNewMultiXact(multi, offset, list);
  multiXactAdvanceNextMXact(((multi + 1) >>> 0) as MultiXactId, (offset + list.length) >>> 0);
  // Members may be transactions of which nothing else is in the WAL yet.
  let max = record.xid;
  for (const { xid } of list) if (max === 0 || xidFollowsOrEquals(xid, max)) max = xid;
  if (max !== 0) advanceNextFullXidPastXid(max);
}
function redoTruncate(record: DecodedRecord): void {
  const at = record.mainAt;
  const lock = mainLWLock('MultiXactTruncation');
  lwLockAcquire(lock, 'exclusive');
  const end = u32(at + 8) as MultiXactId;
  // Before anything is removed: nobody may look for what is gone.
  setMultiXactIdLimit(end, u32(at) as Oid, false);
  performMembersTruncation(u32(at + 12), u32(at + 16));
  // Replay has not come to the end of the log: do not take that for a wrap-around.
  offsets.latestPage = offsetPageOf(end);
  performOffsetsTruncation(u32(at + 4) as MultiXactId, end);
  lwLockRelease(lock);
}

export const multixactRmgr: RmgrRow = {
  name: 'MultiXact',
  redo(record: DecodedRecord) {
    switch (record.info & 0xf0) {
      case MULTI_OP.zeroOffsets:
        if (offsetsPageWasMadeEarly(mem.view.getInt32(record.mainAt, true))) return;
        lwLockAcquire(offsets.lock, 'exclusive');
        offsets.writePage(zeroOffsetsPage(mem.view.getInt32(record.mainAt, true), false));
        lwLockRelease(offsets.lock);
        return;
      case MULTI_OP.zeroMembers:
        lwLockAcquire(members.lock, 'exclusive');
        members.writePage(zeroMembersPage(mem.view.getInt32(record.mainAt, true), false));
        lwLockRelease(members.lock);
        return;
      case MULTI_OP.create:
        redoCreate(record);
        return;
      case MULTI_OP.truncate:
        redoTruncate(record);
        return;
      default:
        assert(false, 'multixact_redo: unknown op code');
    }
  },
  describe(record: DecodedRecord) {
    const at = record.mainAt;
    switch (record.info & 0xf0) {
      case MULTI_OP.zeroOffsets:
      case MULTI_OP.zeroMembers:
        return `${mem.view.getInt32(at, true)}`;
      case MULTI_OP.create: {
        const { multi, offset, list } = readCreate(at);
        const text = list.map((one) => `${one.xid} (${multiXactStatusName(one.status)}) `).join('');
        return `${multi} offset ${offset} nmembers ${list.length}: ${text}`;
      }
      default:
        return `offsets [${u32(at + 4)}, ${u32(at + 8)}), members [${u32(at + 12)}, ${u32(at + 16)})`;
    }
  },
  identify: (info) =>
    ({
      [MULTI_OP.zeroOffsets]: 'ZERO_OFF_PAGE',
      [MULTI_OP.zeroMembers]: 'ZERO_MEM_PAGE',
      [MULTI_OP.create]: 'CREATE_ID',
      [MULTI_OP.truncate]: 'TRUNCATE_ID',
    })[info & 0xf0] ?? null,
};
