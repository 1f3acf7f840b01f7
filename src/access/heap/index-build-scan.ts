/** index-build-scan.ts — all tuples that a new index must have entries for.
 *
 *  The scan sees everything and judges itself, because tuples that only old snapshots still see must be indexed, too. A
 *  HOT chain is indexed once: with the values of its live member, under the place of its root. A chain whose members
 *  differ in the new index's columns makes the index unusable for old snapshots (brokenHotChain).
 *  Counterpart: heapam_index_build_range_scan(), heapam_index_validate_scan() of heapam_handler.c */
import { heapDeform } from '#access/common/heap-tuple.ts';
import { tupleIsHeapOnly, tupleIsHotUpdated, tupleXmin } from '#access/common/heap-tuple-layout.ts';
import type { IndexInfo } from '#access/common/index-am.ts';
import type { Relation } from '#access/common/relation-descriptor.ts';
import type { IndexBuildCallback } from '#access/common/table-am.ts';
import { heapBeginScan } from '#access/heap/heap-scan.ts';
import { HTSV } from '#access/heap/heap-types.ts';
import { horizonKindOf } from '#access/heap/horizon.ts';
import { heapGetRootTuples } from '#access/heap/prune.ts';
import { heapTupleSatisfiesVacuum, tupleUpdateXid } from '#access/heap/visibility.ts';
import type { Datum } from '#adt/datum.ts';
import {
  type Buffer,
  INVALID_BLOCK,
  type ItemPointer,
  makeTid,
  type TransactionId,
  tidBlock,
  tidOffset,
} from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { BUFFER_LOCK } from '#storage/buffer/buffer-layout.ts';
import { lockBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferPage } from '#storage/buffer/buffer-pool.ts';
import { getOldestNonRemovableTransactionId } from '#transam/proc-array.ts';
import {
  getTransactionSnapshot,
  registerSnapshot,
  SNAPSHOT_ANY,
  type Snapshot,
  unregisterSnapshot,
} from '#transam/snapshot.ts';
import { transactionIdIsCurrentTransactionId } from '#transam/xact.ts';
import { xactLockTableWait } from '#transam/xact-wait.ts';

/** How many columns of the table must be deformed for the index. */
function columnsNeeded(heap: Relation, info: IndexInfo): number {
  if (info.formDatum !== undefined || info.predicate !== undefined) return heap.tupleDesc.natts;
  return info.attrNumbers.reduce((most, attnum) => Math.max(most, attnum), 0);
}

/** FormIndexDatum() for plain columns. */
function formByColumns(info: IndexInfo, columns: readonly Datum[], values: Datum[]): void {
  for (let i = 0; i < info.numAttrs; i++) {
    const attnum = info.attrNumbers[i]!;
    if (attnum <= 0) report('ERROR', { code: SQLSTATE.internalError, message: 'wrong number of index expressions' });
    values[i] = columns[attnum - 1]!;
  }
}

let alive = false;
let liveTuples = 0;
/** Is the tuple to be indexed? Sets `alive`, counts live ones. */
function judge(
  heap: Relation,
  info: IndexInfo,
  at: number,
  tid: ItemPointer,
  buffer: Buffer,
  oldestXmin: TransactionId,
  anyVisible: boolean,
): boolean {
  for (;;) {
    // Against hint bits being set meanwhile; the pin keeps the tuple where it is.
    lockBuffer(buffer, BUFFER_LOCK.share);
    const state = heapTupleSatisfiesVacuum(at, oldestXmin, buffer);
    const xmin = tupleXmin(at);
    const updater = state === HTSV.deleteInProgress ? tupleUpdateXid(at) : 0;
    const hotUpdated = tupleIsHotUpdated(at);
    lockBuffer(buffer, BUFFER_LOCK.unlock);
    switch (state) {
      case HTSV.dead:
        alive = false;
        return false;
      case HTSV.live:
        alive = true;
        liveTuples++;
        return true;
      case HTSV.recentlyDead:
        alive = false;
        if (!hotUpdated) return true;
        info.brokenHotChain = true;
        return false;
      case HTSV.insertInProgress:
        alive = true;
        if (anyVisible || transactionIdIsCurrentTransactionId(xmin)) {
          liveTuples++;
          return true;
        }
        if (!heap.isSystem) concurrent('insert', heap);
        if (!info.unique) return true;
        waitFor(xmin, heap, tid);
        continue;
      default:
        alive = false;
        if (anyVisible) {
          liveTuples++;
          return true;
        }
        if (transactionIdIsCurrentTransactionId(updater as TransactionId)) {
          if (!hotUpdated) return true;
          info.brokenHotChain = true;
          return false;
        }
        if (!heap.isSystem) concurrent('delete', heap);
        // If it stays alive it must be unique; if it is a HOT update, which member is to be indexed is not known yet.
        if (!info.unique && !hotUpdated) {
          liveTuples++;
          return true;
        }
        waitFor(updater as TransactionId, heap, tid);
    }
  }
}
function concurrent(what: 'insert' | 'delete', heap: Relation): void {
  report('WARNING', { message: `concurrent ${what} in progress within table "${heap.name}"` });
}
function waitFor(xid: TransactionId, heap: Relation, tid: ItemPointer): void {
  xactLockTableWait(xid, heap.name, tid, 'insertIndexUnique');
  checkForInterrupts();
}

/** The root of a heap-only tuple's chain. `roots` is made again if the tuple is newer than it. */
function rootOf(heap: Relation, roots: Uint16Array, buffer: Buffer, tid: ItemPointer): ItemPointer {
  const offset = tidOffset(tid);
  if (roots[offset] === 0) {
    lockBuffer(buffer, BUFFER_LOCK.share);
    heapGetRootTuples(bufferPage(buffer), roots);
    lockBuffer(buffer, BUFFER_LOCK.unlock);
  }
  if (roots[offset] === 0)
    report('ERROR', {
      code: SQLSTATE.dataCorrupted,
      message: `failed to find parent tuple for heap-only tuple at (${tidBlock(tid)},${offset}) in table "${heap.name}"`,
    });
  return makeTid(tidBlock(tid), roots[offset]!);
}

export function heapIndexBuildScan(
  heap: Relation,
  _index: Relation,
  info: IndexInfo,
  allowSync: boolean,
  anyVisible: boolean,
  callback: IndexBuildCallback,
): number {
  // A concurrent build indexes what a snapshot sees and adds the rest in its second scan.
  const own: Snapshot | null = info.concurrent ? registerSnapshot(getTransactionSnapshot()) : null;
  const oldestXmin = own === null ? getOldestNonRemovableTransactionId(horizonKindOf(heap)) : (0 as TransactionId);
  const scan = heapBeginScan(heap, own ?? SNAPSHOT_ANY, [], { allowSync });
  const natts = columnsNeeded(heap, info);
  const columns: Datum[] = [];
  const values: Datum[] = new Array<Datum>(info.numAttrs).fill(null);
  const roots = new Uint16Array(292);
  let rootBlock = INVALID_BLOCK;
  const countBefore = liveTuples;
  liveTuples = 0;
  try {
    while (scan.next()) {
      checkForInterrupts();
      const { buffer, tid, tupleAt } = scan;
      if (tidBlock(tid) !== rootBlock) {
        lockBuffer(buffer, BUFFER_LOCK.share);
        heapGetRootTuples(bufferPage(buffer), roots);
        lockBuffer(buffer, BUFFER_LOCK.unlock);
        rootBlock = tidBlock(tid);
      }
      if (own === null) {
        if (!judge(heap, info, tupleAt, tid, buffer, oldestXmin, anyVisible)) continue;
      } else {
        alive = true;
        liveTuples++;
      }
      const isAlive = alive;
      heapDeform(heap.tupleDesc, tupleAt, natts, columns);
      if (info.predicate !== undefined && !info.predicate(columns)) continue;
      if (info.formDatum !== undefined) info.formDatum(columns, values);
      else formByColumns(info, columns, values);
      callback(tupleIsHeapOnly(tupleAt) ? rootOf(heap, roots, buffer, tid) : tid, values, isAlive);
    }
    return liveTuples;
  } finally {
    liveTuples = countBefore;
    scan.end();
    if (own !== null) unregisterSnapshot(own);
  }
}

/** heapam_index_validate_scan(): the second scan of a concurrent build. `present` gives the sorted TIDs that the index has,
 *  INVALID_TID (or more) at the end; `insert` is called for each row that is missing. Returns [tuples seen, inserted]. */
export function heapIndexValidateScan(
  heap: Relation,
  info: IndexInfo,
  snapshot: Snapshot,
  present: () => ItemPointer | null,
  insert: (tid: ItemPointer, values: Datum[]) => void,
): { seen: number; inserted: number } {
  const scan = heapBeginScan(heap, snapshot, [], { allowSync: false });
  const natts = columnsNeeded(heap, info);
  const columns: Datum[] = [];
  const values: Datum[] = new Array<Datum>(info.numAttrs).fill(null);
  const roots = new Uint16Array(292);
  /** Roots of the current page that the index has. */
  const inIndex = new Uint8Array(292);
  let rootBlock = INVALID_BLOCK;
  let seen = 0;
  let inserted = 0;
  let next = present();
  try {
    while (scan.next()) {
      checkForInterrupts();
      seen++;
      const { buffer, tid, tupleAt } = scan;
      if (tidBlock(tid) !== rootBlock) {
        lockBuffer(buffer, BUFFER_LOCK.share);
        heapGetRootTuples(bufferPage(buffer), roots);
        lockBuffer(buffer, BUFFER_LOCK.unlock);
        inIndex.fill(0);
        rootBlock = tidBlock(tid);
      }
      const root = tupleIsHeapOnly(tupleAt) ? rootOf(heap, roots, buffer, tid) : tid;
      while (next !== null && next < root) {
        if (tidBlock(next) === tidBlock(root)) inIndex[tidOffset(next)] = 1;
        next = present();
      }
      if ((next !== null && next === root) || inIndex[tidOffset(root)] === 1) continue;
      heapDeform(heap.tupleDesc, tupleAt, natts, columns);
      if (info.predicate !== undefined && !info.predicate(columns)) continue;
      if (info.formDatum !== undefined) info.formDatum(columns, values);
      else formByColumns(info, columns, values);
      insert(root, values);
      inserted++;
    }
    return { seen, inserted };
  } finally {
    scan.end();
  }
}
