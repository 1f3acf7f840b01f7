/** index-concurrently.ts — indexes made and dropped while others write to their table.
 *
 *  Between the steps the command commits and waits for everybody who may still know the table as it was. A new index is
 *  first only there (so that HOT updates mind it), then ready (everybody inserts into it), then, once rows that the build
 *  did not see are in and no older snapshot is left, valid. Dropping goes the other way. Session locks keep the relations
 *  over the commits.
 *  Counterpart: the concurrent parts of DefineIndex() and WaitForOlderSnapshots() of src/backend/commands/indexcmds.c,
 *  index_concurrently_build(), validate_index(), index_drop() of catalog/index.c */
import { indexBulkDelete, indexInsert } from '#access/common/index-access.ts';
import { UNIQUE_CHECK } from '#access/common/index-am.ts';
import { heapIndexValidateScan } from '#access/heap/index-build-scan.ts';
import type { ItemPointer, Oid, TransactionId } from '#base/ids.ts';
import { deleteIndexEntries, setConcurrentIndexDrop } from '#catalog/heap-drop.ts';
import { buildIndexInfo, indexBuild, indexSetStateFlags } from '#catalog/index.ts';
import { cacheInvalidateRelcache } from '#catalog/inval.ts';
import { indexOpen, relationClose, tableOpen } from '#catalog/relation.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { relationDropStorage } from '#catalog/storage.ts';
import { indexRow } from '#catalog/syscache.ts';
import { checkTableNotInUse } from '#catalog/table-in-use.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { lockRelationIdForSession, type LockRelationId, unlockRelationIdForSession } from '#storage/lmgr/lmgr.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { LockTag } from '#storage/lmgr/lock-tag.ts';
import { transferPredicateLocksToHeapRelation } from '#storage/lmgr/predicate.ts';
import { virtualXactLock, waitForLockers } from '#storage/lmgr/virtual-xact.ts';
import { getCurrentVirtualXids } from '#transam/proc-array.ts';
import { PROC_IN_SAFE_IC, PROC_IN_VACUUM, PROC_IS_AUTOVACUUM, setMyStatusFlags } from '#transam/proc-flags.ts';
import {
  activeSnapshotSet,
  getTransactionSnapshot,
  popActiveSnapshot,
  pushActiveSnapshot,
  registerSnapshot,
  unregisterSnapshot,
} from '#transam/snapshot.ts';
import { commitTransactionCommand, startTransactionCommand } from '#transam/xact.ts';
import { getTopTransactionIdIfAny } from '#transam/xact-stack.ts';

function nextTransaction(isSafe = false): void {
  if (activeSnapshotSet()) popActiveSnapshot();
  commitTransactionCommand();
  startTransactionCommand();
  // Reads nothing but the table itself, so other builds need not wait for its snapshots.
  if (isSafe) setMyStatusFlags(PROC_IN_SAFE_IC);
}
const lockId = (relationId: Oid): LockRelationId => ({ relationId, databaseId: sessionIdentity.databaseOid });
const tagOf = (relid: Oid): LockTag => {
  const tag = new LockTag();
  tag.setRelation(sessionIdentity.databaseOid, relid);
  return tag;
};

/** WaitForOlderSnapshots(): who has a snapshot that may want rows which the index does not have. */
function waitForOlderSnapshots(limit: TransactionId): void {
  const ignored = PROC_IS_AUTOVACUUM | PROC_IN_VACUUM | PROC_IN_SAFE_IC;
  const old = getCurrentVirtualXids(limit, true, false, ignored);
  old.forEach((vxid, i) => {
    // While we waited for one, others may have taken newer snapshots.
    if (i > 0) {
      const still = getCurrentVirtualXids(limit, true, false, ignored);
      const isStill = still.some(
        (one) => one.backendId === vxid.backendId && one.localTransactionId === vxid.localTransactionId,
      );
      if (!isStill) return;
    }
    virtualXactLock(vxid, true);
  });
}

/** The steps after the index's rows are in the catalogs; the last transaction is left to the caller. */
export function finishConcurrentIndex(heapId: Oid, indexId: Oid, isSafe: boolean): void {
  lockRelationIdForSession(lockId(heapId), LOCK.shareUpdateExclusive);
  nextTransaction(isSafe);
  // Whoever does not know the index yet could make HOT chains that break it.
  waitForLockers(tagOf(heapId), LOCK.share);
  pushActiveSnapshot(getTransactionSnapshot());
  buildConcurrently(heapId, indexId);
  nextTransaction(isSafe);

  waitForLockers(tagOf(heapId), LOCK.share);
  const snapshot = registerSnapshot(getTransactionSnapshot());
  pushActiveSnapshot(snapshot);
  validateIndex(heapId, indexId, snapshot);
  const limit = snapshot.xmin;
  popActiveSnapshot();
  unregisterSnapshot(snapshot);
  nextTransaction(isSafe);

  // Older snapshots may see rows that were dead already when the build looked.
  waitForOlderSnapshots(limit);
  pushActiveSnapshot(getTransactionSnapshot());
  indexSetStateFlags(indexId, { indisvalid: true });
  cacheInvalidateRelcache(heapId);
  unlockRelationIdForSession(lockId(heapId), LOCK.shareUpdateExclusive);
}

/** index_concurrently_build(). */
function buildConcurrently(heapId: Oid, indexId: Oid): void {
  const heap = tableOpen(heapId, LOCK.shareUpdateExclusive);
  const index = indexOpen(indexId, LOCK.rowExclusive);
  indexBuild(heap, index, true);
  relationClose(index, LOCK.none);
  relationClose(heap, LOCK.none);
  indexSetStateFlags(indexId, { indisready: true });
}

/** validate_index(): rows that came between the build's snapshot and the time when all insert. */
function validateIndex(heapId: Oid, indexId: Oid, snapshot: ReturnType<typeof registerSnapshot>): void {
  const heap = tableOpen(heapId, LOCK.shareUpdateExclusive);
  const index = indexOpen(indexId, LOCK.rowExclusive);
  const info = { ...buildIndexInfo(heap, index), concurrent: true };
  const tids: ItemPointer[] = [];
  indexBulkDelete(
    {
      index,
      analyzeOnly: false,
      reportProgress: true,
      estimatedCount: true,
      messageLevel: 'DEBUG2',
      numHeapTuples: heap.tuples,
      strategy: null,
    },
    null,
    (tid) => {
      tids.push(tid);
      return false;
    },
  );
  const sorted = Float64Array.from(tids).sort();
  let next = 0;
  const check = info.unique ? UNIQUE_CHECK.yes : UNIQUE_CHECK.no;
  heapIndexValidateScan(
    heap,
    info,
    snapshot,
    () => (next < sorted.length ? (sorted[next++]! as ItemPointer) : null),
    (tid, values) => void indexInsert(index, values, tid, heap, check, false, info),
  );
  relationClose(index, LOCK.none);
  relationClose(heap, LOCK.none);
}

/** index_drop() with CONCURRENTLY. */
function dropIndexConcurrently(indexId: Oid): void {
  const heapId = indexRow(indexId)?.indrelid;
  if (heapId === undefined) report('ERROR', { message: `cache lookup failed for index ${indexId}` });
  const open = () => ({
    heap: tableOpen(heapId, LOCK.shareUpdateExclusive),
    index: indexOpen(indexId, LOCK.shareUpdateExclusive),
  });
  let { heap, index } = open();
  checkTableNotInUse(index, 'DROP INDEX');
  // What is committed between the steps must be ours alone.
  if (getTopTransactionIdIfAny() !== 0) {
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: 'DROP INDEX CONCURRENTLY must be first action in transaction',
    });
  }
  // Nobody plans with it from now on; everybody still inserts into it.
  indexSetStateFlags(indexId, { indisvalid: false, indisclustered: false, indisreplident: false });
  cacheInvalidateRelcache(heapId);
  relationClose(heap, LOCK.none);
  relationClose(index, LOCK.none);
  lockRelationIdForSession(lockId(heapId), LOCK.shareUpdateExclusive);
  lockRelationIdForSession(lockId(indexId), LOCK.shareUpdateExclusive);
  nextTransaction();

  waitForLockers(tagOf(heapId), LOCK.accessExclusive);
  pushActiveSnapshot(getTransactionSnapshot());
  ({ heap, index } = open());
  transferPredicateLocksToHeapRelation(index);
  indexSetStateFlags(indexId, { indisready: false, indislive: false });
  cacheInvalidateRelcache(heapId);
  relationClose(index, LOCK.none);
  relationClose(heap, LOCK.none);
  nextTransaction();

  waitForLockers(tagOf(heapId), LOCK.accessExclusive);
  pushActiveSnapshot(getTransactionSnapshot());
  heap = tableOpen(heapId, LOCK.shareUpdateExclusive);
  const last = indexOpen(indexId, LOCK.accessExclusive);
  transferPredicateLocksToHeapRelation(last);
  deleteIndexEntries(
    indexId,
    () => relationDropStorage(last),
    () => relationClose(last, LOCK.none),
  );
  cacheInvalidateRelcache(heapId);
  relationClose(heap, LOCK.none);
  unlockRelationIdForSession(lockId(heapId), LOCK.shareUpdateExclusive);
  unlockRelationIdForSession(lockId(indexId), LOCK.shareUpdateExclusive);
}
setConcurrentIndexDrop(dropIndexConcurrently);
