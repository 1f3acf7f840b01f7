/** index-access.ts — the calls by which everybody uses an index, whatever its access method.
 *
 *  indexBeginScan … indexEndScan bracket a scan; between them indexGetNextTid yields heap TIDs in index order and
 *  indexFetchHeap turns the last one into a visible row. indexInsert adds one entry.
 *  Counterpart: src/backend/access/index/indexam.c, genam.c */
import type {
  BulkDeleteCallback,
  IndexBuildResult,
  IndexBulkDeleteResult,
  IndexInfo,
  IndexVacuumInfo,
  TidCollector,
} from '#access/common/index-am.ts';
import { indexAmOf } from '#access/common/index-am.ts';
import type { IndexScanState, ScanDirection } from '#access/common/index-scan.ts';
import type { Relation } from '#access/common/relation-descriptor.ts';
import type { ScanKey } from '#access/common/scan-key.ts';
import { tableAm } from '#access/common/table-am.ts';
import type { Datum } from '#adt/datum.ts';
import type { ItemPointer } from '#base/ids.ts';
import type { Snapshot } from '#transam/snapshot.ts';

/** Scan that fetches rows of `heap`. The caller holds locks on both relations. With keys the scan can start at once;
 *  `indexRescan` gives others. */
export function indexBeginScan(
  heap: Relation,
  index: Relation,
  snapshot: Snapshot,
  keys: readonly ScanKey[],
): IndexScanState {
  const scan = indexAmOf(index).beginScan(heap, index, snapshot, keys, []) as IndexScanState;
  scan.fetch = tableAm(heap).beginIndexFetch(heap);
  indexRescan(scan, keys);
  return scan;
}
/** Scan that only collects TIDs. */
export function indexBeginScanBitmap(index: Relation, snapshot: Snapshot, keys: readonly ScanKey[]): IndexScanState {
  const scan = indexAmOf(index).beginScan(null, index, snapshot, keys, []) as IndexScanState;
  indexRescan(scan, keys);
  return scan;
}
/** Starts again, with new keys or (null) with the old ones. */
export function indexRescan(scan: IndexScanState, keys: readonly ScanKey[] | null): void {
  if (scan.fetch !== null) tableAm(scan.heap).resetIndexFetch(scan.fetch);
  scan.killPriorTuple = false;
  scan.heapContinue = false;
  indexAmOf(scan.index).rescan(scan, keys, null);
}
/** Next entry into scan.heapTid (and scan.itupAt if wanted); false at the end. */
export function indexGetNextTid(scan: IndexScanState, direction: ScanDirection): boolean {
  const found = indexAmOf(scan.index).getTuple(scan, direction);
  // The flag spoke about the entry before; it must not be believed of this one.
  scan.killPriorTuple = false;
  scan.heapContinue = false;
  if (!found) {
    if (scan.fetch !== null) tableAm(scan.heap).resetIndexFetch(scan.fetch);
    return false;
  }
  return true;
}
/** The version of the row at scan.heapTid that the snapshot sees, in scan.fetch; false if there is none. */
export function indexFetchHeap(scan: IndexScanState): boolean {
  const fetch = scan.fetch!;
  const am = tableAm(scan.heap);
  fetch.callAgain = scan.heapContinue;
  const found = am.indexFetchTuple(fetch, scan.heapTid, scan.snapshot!);
  scan.heapContinue = fetch.callAgain;
  // A whole chain dead to everybody: tell the index at its next call, unless a standby's snapshots might need it.
  if (!scan.xactStartedInRecovery) scan.killPriorTuple = fetch.allDead;
  return found;
}
/** indexGetNextTid and indexFetchHeap until a row is seen: it is in scan.fetch. */
export function indexGetNext(scan: IndexScanState, direction: ScanDirection): boolean {
  for (;;) {
    if (!scan.heapContinue && !indexGetNextTid(scan, direction)) return false;
    if (indexFetchHeap(scan)) return true;
  }
}
export function indexGetBitmap(scan: IndexScanState, collector: TidCollector): number {
  scan.killPriorTuple = false;
  return indexAmOf(scan.index).getBitmap(scan, collector);
}
export function indexMarkPos(scan: IndexScanState): void {
  indexAmOf(scan.index).markPos(scan);
}
export function indexRestrPos(scan: IndexScanState): void {
  if (scan.fetch !== null) tableAm(scan.heap).resetIndexFetch(scan.fetch);
  scan.killPriorTuple = false;
  scan.heapContinue = false;
  indexAmOf(scan.index).restrPos(scan);
}
export function indexEndScan(scan: IndexScanState): void {
  if (scan.fetch !== null) {
    tableAm(scan.heap).endIndexFetch(scan.fetch);
    scan.fetch = null;
  }
  indexAmOf(scan.index).endScan(scan);
}

/** Adds an entry (UNIQUE_CHECK). False, for 'partial': perhaps not unique, check again later. */
export function indexInsert(
  index: Relation,
  values: readonly Datum[],
  heapTid: ItemPointer,
  heap: Relation,
  checkUnique: number,
  indexUnchanged: boolean,
  info: IndexInfo | null = null,
): boolean {
  return indexAmOf(index).insert(index, values, heapTid, heap, checkUnique, indexUnchanged, info);
}
export function indexBuild(heap: Relation, index: Relation, info: IndexInfo): IndexBuildResult {
  return indexAmOf(index).build(heap, index, info);
}
export function indexBuildEmpty(index: Relation): void {
  indexAmOf(index).buildEmpty(index);
}
export function indexBulkDelete(
  info: IndexVacuumInfo,
  stats: IndexBulkDeleteResult | null,
  callback: BulkDeleteCallback,
): IndexBulkDeleteResult {
  return indexAmOf(info.index).bulkDelete(info, stats, callback);
}
export function indexVacuumCleanup(
  info: IndexVacuumInfo,
  stats: IndexBulkDeleteResult | null,
): IndexBulkDeleteResult | null {
  return indexAmOf(info.index).vacuumCleanup(info, stats);
}
/** Can the index return this column (from 1) for index-only scans? */
export function indexCanReturn(index: Relation, attno: number): boolean {
  return indexAmOf(index).canReturn(index, attno);
}
