/** lock-status.ts — pg_locks, and who keeps whom waiting.
 *  Counterpart: src/backend/utils/adt/lockfuncs.c */
import type { ArrayDatum, Datum } from '#adt/datum.ts';
import { registerBuiltins, registerSetBuiltins } from '#adt/fmgr.ts';
import { arrayOf, rowIterator } from '#functions/set-iterator.ts';
import { report } from '#runtime/error/report.ts';
import { LOCK, lockModeName } from '#storage/lmgr/lock-modes.ts';
import { blockingPids, getLockStatusData, type LockInstance } from '#storage/lmgr/lock-status.ts';
import { LAST_LOCK_TAG_TYPE, LOCK_TAG, type LockTag, lockTagTypeName } from '#storage/lmgr/lock-tag.ts';
import {
  getPredicateLockStatusData,
  getSafeSnapshotBlockingPids,
  type PredicateLockInstance,
} from '#storage/lmgr/predicate-status.ts';

const INT4 = 23;
/** InvalidBackendId is -1: of a transaction that was prepared before a restart. */
const vxid = (backendId: number, localTransactionId: number): string =>
  `${backendId === 0 ? -1 : backendId | 0}/${localTransactionId}`;

/** Columns database to objsubid. */
function columnsOf(tag: LockTag): Datum[] {
  const { field1, field2, field3, field4 } = tag;
  switch (tag.type) {
    case LOCK_TAG.relation:
    case LOCK_TAG.relationExtend:
      return [field1, field2, null, null, null, null, null, null, null];
    case LOCK_TAG.databaseFrozenIds:
      return [field1, null, null, null, null, null, null, null, null];
    case LOCK_TAG.page:
      return [field1, field2, field3 | 0, null, null, null, null, null, null];
    case LOCK_TAG.tuple:
      return [field1, field2, field3 | 0, signed16(field4), null, null, null, null, null];
    case LOCK_TAG.transaction:
      return [null, null, null, null, null, field1, null, null, null];
    case LOCK_TAG.virtualTransaction:
      return [null, null, null, null, vxid(field1, field2), null, null, null, null];
    case LOCK_TAG.speculativeToken:
      return [null, null, null, null, null, field1, null, field2, null];
    default:
      return [field1, null, null, null, null, null, field2, field3, signed16(field4)];
  }
}
const signed16 = (value: number): number => (value << 16) >> 16;

/** A row for each mode held, and one for the mode awaited. */
function rowsOf(one: LockInstance): Datum[][] {
  const type = one.tag.type <= LAST_LOCK_TAG_TYPE ? lockTagTypeName(one.tag.type) : `unknown ${one.tag.type}`;
  const row = (mode: number, granted: boolean): Datum[] => [
    type,
    ...columnsOf(one.tag),
    vxid(one.backendId, one.localTransactionId),
    one.pid === 0 ? null : one.pid,
    lockModeName(mode),
    granted,
    one.fastPath,
    granted || one.waitStart === 0 ? null : one.waitStart,
  ];
  const rows: Datum[][] = [];
  for (let mode = 1; mode <= LOCK.accessExclusive; mode++)
    if ((one.holdMask & (1 << mode)) !== 0) rows.push(row(mode, true));
  if (one.waitLockMode !== LOCK.none) rows.push(row(one.waitLockMode, false));
  return rows;
}

function predicateRow(one: PredicateLockInstance): Datum[] {
  return [
    one.type,
    one.databaseId,
    one.relationId,
    one.type === 'relation' ? null : one.block | 0,
    one.type === 'tuple' ? signed16(one.offset) : null,
    null,
    null,
    null,
    null,
    null,
    vxid(one.backendId, one.localTransactionId),
    one.pid === 0 ? null : one.pid,
    'SIReadLock',
    true,
    false,
    null,
  ];
}

registerSetBuiltins({
  pg_lock_status: () =>
    rowIterator([...getLockStatusData().flatMap(rowsOf), ...getPredicateLockStatusData().map(predicateRow)]),
});

function isolationTestSessionIsBlocked(pid: number, interesting: ArrayDatum): boolean {
  if (interesting.elements.some((one) => one === null)) report('ERROR', { message: 'array must not contain nulls' });
  const watched = new Set(interesting.elements);
  if (blockingPids(pid).some((one) => watched.has(one))) return true;
  // Whoever waits for a safe snapshot waits for all that it waits for; which of them does not matter.
  return getSafeSnapshotBlockingPids(pid).length > 0;
}

registerBuiltins({
  pg_blocking_pids: (pid: number) => arrayOf(INT4, blockingPids(pid)),
  pg_safe_snapshot_blocking_pids: (pid: number) => arrayOf(INT4, getSafeSnapshotBlockingPids(pid)),
  pg_isolation_test_session_is_blocked: isolationTestSessionIsBlocked,
});
