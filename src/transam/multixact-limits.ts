/** multixact-limits.ts — how long until multixact ids or their members run out, and cutting off what nobody needs.
 *
 *  Ids may not come within 2^31 of the oldest that stands in a table; members may not run into those of the oldest
 *  multixact. Both limits follow from the oldest datminmxid of any database.
 *  Counterpart: SetMultiXactIdLimit(), SetOffsetVacuumLimit(), TruncateMultiXact(), MultiXactMemberFreezeThreshold() */
import type { MultiXactId, Oid } from '#base/ids.ts';
import { multiPrecedes, multiRetreat } from '#base/xid.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { myProcess } from '#runtime/my-process.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { sendPostmasterSignal } from '#storage/ipc/pm-signal.ts';
import { SLRU_PAGES_PER_SEGMENT } from '#storage/slru/slru.ts';
import {
  memberPageOf,
  MEMBERS_PER_PAGE,
  members,
  multiGenLock,
  multiState,
  MultiXactState as M,
  OFFSETS_PER_PAGE,
  offsetEntryAt,
  offsetPageOf,
  offsets,
} from '#transam/multixact-state.ts';
import { clearMyDelayChkptFlags, DELAY_CHKPT_START, setMyDelayChkptFlags } from '#transam/proc-flags.ts';
import { xactHooks } from '#transam/xact-hooks.ts';
import { walScratch, xlogBeginInsert, xlogFlush, xlogInsert, xlogRegisterData } from '#wal/insert.ts';
import { recoveryInProgress } from '#wal/recovery-state.ts';
import { RM } from '#wal/rmgr-ids.ts';

const MAX_OFFSET = 0xffff_ffff;
export const MEMBER_SAFE_THRESHOLD = Math.floor(MAX_OFFSET / 2);
const MEMBER_DANGER_THRESHOLD = MAX_OFFSET - Math.floor(MAX_OFFSET / 4);
const MEMBERS_PER_SEGMENT = MEMBERS_PER_PAGE * SLRU_PAGES_PER_SEGMENT;

const RELIEF = 'You might also need to commit or roll back old prepared transactions, or drop stale replication slots.';
const databaseText = (db: number): string => {
  const name = xactHooks.databaseName(db as Oid);
  return name !== null ? `database "${name}"` : `database with OID ${db}`;
};

// ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────────

export function refuseWraparound(db: number): never {
  return report('ERROR', {
    code: SQLSTATE.programLimitExceeded,
    message: `database is not accepting commands that generate new MultiXactIds to avoid wraparound data loss in ${databaseText(db)}`,
    hint: `Execute a database-wide VACUUM in that database.\n${RELIEF}`,
  });
}
export function warnWraparound(db: number, left: number): void {
  report('WARNING', {
    message: `${databaseText(db)} must be vacuumed before ${left} more ${left === 1 ? 'MultiXactId is' : 'MultiXactIds are'} used`,
    hint: `Execute a database-wide VACUUM in that database.\n${RELIEF}`,
  });
}
export function refuseMembers(wanted: number, left: number, db: number): never {
  const plural = left === 1 ? 'member' : 'members';
  return report('ERROR', {
    code: SQLSTATE.programLimitExceeded,
    message: 'multixact "members" limit exceeded',
    detail: `This command would create a multixact with ${wanted} members, but the remaining space is only enough for ${left} ${plural}.`,
    hint: `Execute a database-wide VACUUM in database with OID ${db} with reduced vacuum_multixact_freeze_min_age and vacuum_multixact_freeze_table_age settings.`,
  });
}
export function warnMembers(left: number, db: number): void {
  report('WARNING', {
    message: `database with OID ${db} must be vacuumed before ${left} more multixact ${left === 1 ? 'member is' : 'members are'} used`,
    hint: 'Execute a database-wide VACUUM in that database with reduced vacuum_multixact_freeze_min_age and vacuum_multixact_freeze_table_age settings.',
  });
}
/** Would `distance` members from `start` reach or pass `boundary`, on a circle of 2^32? */
export function offsetWouldWrap(boundary: number, start: number, distance: number): boolean {
  const finish = (start + distance) >>> 0;
  // 0 is never used: one more when the sum passed it.
  const end = finish < start ? finish + 1 : finish;
  return start < boundary ? end >= boundary || end < start : end >= boundary && end < start;
}

// ── limits ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** From the oldest datminmxid. */
export function setMultiXactIdLimit(oldestDatMinMxid: MultiXactId, oldestDatOid: Oid, isStartup: boolean): void {
  const valid = (multi: number): MultiXactId => (multi === 0 ? 1 : multi) as MultiXactId;
  const wrap = valid((oldestDatMinMxid + 0x7fff_ffff) >>> 0);
  const stop = ((wrap - 3_000_000) >>> 0) as MultiXactId;
  const stopLimit = (stop < 1 ? (stop - 1) >>> 0 : stop) as MultiXactId;
  const warn = (wrap - 40_000_000) >>> 0;
  const warnLimit = (warn < 1 ? (warn - 1) >>> 0 : warn) as MultiXactId;
  const vac = valid((oldestDatMinMxid + settings.autovacuum_multixact_freeze_max_age) >>> 0);
  const at = multiState();
  lwLockAcquire(multiGenLock(), 'exclusive');
  M.oldestMulti.set(mem, at, oldestDatMinMxid);
  M.oldestMultiDb.set(mem, at, oldestDatOid);
  M.multiVacLimit.set(mem, at, vac);
  M.multiWarnLimit.set(mem, at, warnLimit);
  M.multiStopLimit.set(mem, at, stopLimit);
  M.multiWrapLimit.set(mem, at, wrap);
  const current = M.nextMulti.get(mem, at) as MultiXactId;
  lwLockRelease(multiGenLock());
  report('DEBUG1', { message: `MultiXactId wrap limit is ${wrap}, limited by database with OID ${oldestDatOid}` });
  // The members' limit needs the logs, which are not ready before the end of recovery.
  if (M.finishedStartup.get(mem, at) === 0) return;
  const needsVacuum = setOffsetVacuumLimit(isStartup);
  if (!myProcess.isUnderPostmaster || recoveryInProgress()) return;
  if (!multiPrecedes(current, vac) || needsVacuum) sendPostmasterSignal('startAutovacLauncher');
  if (!multiPrecedes(current, warnLimit)) warnWraparound(oldestDatOid, (wrap - current) >>> 0);
}

/** Offset of a multixact's members, -1 if its page is not on disk. */
export function findMultiXactStart(multi: MultiXactId): number {
  // Not all pages that exist are on disk, and only those are looked for.
  offsets.writeAll(true);
  members.writeAll(true);
  const page = offsetPageOf(multi);
  if (!offsets.doesPhysicalPageExist(page)) return -1;
  const slot = offsets.readPageReadOnly(page, multi);
  const offset = mem.view.getUint32(offsetEntryAt(slot, multi), true);
  lwLockRelease(offsets.lock);
  return offset;
}

/** Where members must stop. True if vacuum is needed to keep them from that. */
export function setOffsetVacuumLimit(isStartup: boolean): boolean {
  const at = multiState();
  const truncation = mainLWLock('MultiXactTruncation');
  lwLockAcquire(truncation, 'shared');
  lwLockAcquire(multiGenLock(), 'shared');
  const oldestMulti = M.oldestMulti.get(mem, at) as MultiXactId;
  const nextMulti = M.nextMulti.get(mem, at) as MultiXactId;
  const nextOffset = M.nextOffset.get(mem, at);
  const wasKnown = M.oldestOffsetKnown.get(mem, at) !== 0;
  const wasOffset = M.oldestOffset.get(mem, at);
  const wasStop = M.offsetStopLimit.get(mem, at);
  lwLockRelease(multiGenLock());
  // There are none: their members would begin with the next.
  let found = oldestMulti === nextMulti ? nextOffset : findMultiXactStart(oldestMulti);
  if (found >= 0) report('DEBUG1', { message: `oldest MultiXactId member is at offset ${found}` });
  else
    report('LOG', {
      message: `MultiXact member wraparound protections are disabled because oldest checkpointed MultiXact ${oldestMulti} does not exist on disk`,
    });
  lwLockRelease(truncation);
  let known = found >= 0;
  let stop = 0;
  if (known) {
    // One segment of distance, because segments are removed as a whole.
    stop = (found - (found % MEMBERS_PER_SEGMENT)) >>> 0;
    stop = (stop - MEMBERS_PER_SEGMENT) >>> 0;
    if (!wasKnown && !isStartup) report('LOG', { message: 'MultiXact member wraparound protections are now enabled' });
    report('DEBUG1', {
      message: `MultiXact member stop limit is now ${stop} based on MultiXact ${oldestMulti}`,
    });
  } else if (wasKnown) {
    // Better an old limit than none.
    found = wasOffset;
    known = true;
    stop = wasStop;
  }
  lwLockAcquire(multiGenLock(), 'exclusive');
  M.oldestOffset.set(mem, at, Math.max(found, 0));
  M.oldestOffsetKnown.set(mem, at, known ? 1 : 0);
  M.offsetStopLimit.set(mem, at, stop);
  lwLockRelease(multiGenLock());
  return !known || (nextOffset - found) >>> 0 > MEMBER_SAFE_THRESHOLD;
}

/** autovacuum_multixact_freeze_max_age, lowered as members become scarce. */
export function multiXactMemberFreezeThreshold(): number {
  const at = multiState();
  lwLockAcquire(multiGenLock(), 'shared');
  const nextOffset = M.nextOffset.get(mem, at);
  const oldestMulti = M.oldestMulti.get(mem, at);
  const nextMulti = M.nextMulti.get(mem, at);
  const oldestOffset = M.oldestOffset.get(mem, at);
  const known = M.oldestOffsetKnown.get(mem, at) !== 0;
  lwLockRelease(multiGenLock());
  const setting = settings.autovacuum_multixact_freeze_max_age;
  // Nothing known: assume the worst.
  if (!known) return 0;
  const used = (nextOffset - oldestOffset) >>> 0;
  if (used <= MEMBER_SAFE_THRESHOLD) return setting;
  const multis = (nextMulti - oldestMulti) >>> 0;
  const fraction = (used - MEMBER_SAFE_THRESHOLD) / (MEMBER_DANGER_THRESHOLD - MEMBER_SAFE_THRESHOLD);
  const victims = multis * fraction;
  if (victims > multis) return 0;
  return Math.min(Math.floor(multis - victims), setting);
}

// ── truncation ───────────────────────────────────────────────────────────────────────────────────────────────────

const TRUNCATE = 0x30;

/** Removes everything before the new oldest multixact. Only vacuum of one database at a time calls it. */
export function truncateMultiXact(newOldestMulti: MultiXactId, newOldestMultiDb: Oid): void {
  const at = multiState();
  const lock = mainLWLock('MultiXactTruncation');
  lwLockAcquire(lock, 'exclusive');
  try {
    lwLockAcquire(multiGenLock(), 'shared');
    const nextMulti = M.nextMulti.get(mem, at) as MultiXactId;
    const nextOffset = M.nextOffset.get(mem, at);
    const oldestMulti = M.oldestMulti.get(mem, at) as MultiXactId;
    lwLockRelease(multiGenLock());
    if (!multiPrecedes(oldestMulti, newOldestMulti)) return;
    // The oldest page on disk may be younger than what the catalogs say, and must then be the start.
    let earliest = nextMulti;
    offsets.scanDirectory((_segment, firstPage) => {
      const first = (firstPage * OFFSETS_PER_PAGE || 1) as MultiXactId;
      if (multiPrecedes(first, earliest)) earliest = first;
      return false;
    });
    if (earliest === nextMulti || multiPrecedes(newOldestMulti, earliest)) return;
    const oldest = multiPrecedes(oldestMulti, earliest) ? earliest : oldestMulti;
    const oldestOffset = oldest === nextMulti ? nextOffset : findMultiXactStart(oldest);
    const newOldestOffset = newOldestMulti === nextMulti ? nextOffset : findMultiXactStart(newOldestMulti);
    const problem = oldestOffset < 0 ? oldest : newOldestOffset < 0 ? newOldestMulti : 0;
    if (problem !== 0) {
      report('LOG', {
        message: `oldest MultiXact ${problem} not found, earliest MultiXact ${earliest}, skipping truncation`,
      });
      return;
    }
    if (newOldestOffset === 0) {
      report('LOG', {
        message: `cannot truncate up to MultiXact ${newOldestMulti} because it has invalid offset, skipping truncation`,
      });
      return;
    }
    // A checkpoint in the middle could have the new start in pg_control and the record behind its redo position.
    setMyDelayChkptFlags(DELAY_CHKPT_START);
    beginCritical();
    logTruncate(newOldestMultiDb, oldest, newOldestMulti, oldestOffset, newOldestOffset);
    // Readers are refused before the data go.
    lwLockAcquire(multiGenLock(), 'exclusive');
    M.oldestMulti.set(mem, at, newOldestMulti);
    M.oldestMultiDb.set(mem, at, newOldestMultiDb);
    lwLockRelease(multiGenLock());
    performMembersTruncation(oldestOffset, newOldestOffset);
    performOffsetsTruncation(oldest, newOldestMulti);
    clearMyDelayChkptFlags(DELAY_CHKPT_START);
    endCritical();
  } finally {
    lwLockRelease(lock);
  }
}
function logTruncate(db: Oid, fromMulti: number, toMulti: number, fromOffset: number, toOffset: number): void {
  xlogBeginInsert();
  const at = walScratch(20);
  [db, fromMulti, toMulti, fromOffset, toOffset].forEach((value, i) => {
    mem.view.setUint32(at + 4 * i, value, true);
  });
  xlogRegisterData(at, 20);
  xlogFlush(xlogInsert(RM.multixact, TRUNCATE));
}
/** Segment by segment: the log of members has no order of its own to compare by. */
export function performMembersTruncation(oldestOffset: number, newOldestOffset: number): void {
  const last = Math.floor(memberPageOf(MAX_OFFSET) / SLRU_PAGES_PER_SEGMENT);
  const end = Math.floor(newOldestOffset / MEMBERS_PER_SEGMENT);
  for (let segment = Math.floor(oldestOffset / MEMBERS_PER_SEGMENT); segment !== end; ) {
    report('DEBUG2', { message: `truncating multixact members segment ${segment.toString(16)}` });
    members.deleteSegment(segment);
    segment = segment === last ? 0 : segment + 1;
  }
}
export function performOffsetsTruncation(_oldestMulti: MultiXactId, newOldestMulti: MultiXactId): void {
  // One back: the page of the next multixact may not exist yet.
  offsets.truncate(offsetPageOf(multiRetreat(newOldestMulti)));
}
