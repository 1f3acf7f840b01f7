/** vacuum-index.ts — removing index entries of dead line pointers, then the line pointers; the failsafe.
 *
 *  The order is what makes it safe: a line pointer may be used again only when no index points to it any more.
 *  Counterpart: lazy_vacuum() … lazy_cleanup_one_index() of src/backend/access/heap/vacuumlazy.c */
import { tupleInfomask, tupleXmin, xminCommitted } from '#access/common/heap-tuple-layout.ts';
import { indexBulkDelete, indexVacuumCleanup } from '#access/common/index-access.ts';
import type { IndexVacuumInfo } from '#access/common/index-am.ts';
import { type Relation, relationNeedsWal, relationSmgr, relReadBuffer } from '#access/common/relation-descriptor.ts';
import { tupleNeedsEventualFreeze } from '#access/heap/freeze.ts';
import { SIZE_OF_HEAP_VACUUM, XLOG_HEAP2 } from '#access/heap/heap-records.ts';
import { HTSV } from '#access/heap/heap-types.ts';
import { LP_DEAD, LP_MASK, LP_REDIRECT, LP_UNUSED } from '#access/heap/line-pointers.ts';
import { xidFailsafeCheck } from '#access/heap/vacuum-cutoffs.ts';
import { maxDeadItems, VACUUM_PHASE, VACUUM_PROGRESS, type VacuumState } from '#access/heap/vacuum-state.ts';
import { heapTupleSatisfiesVacuum } from '#access/heap/visibility.ts';
import {
  newVmBuffer,
  releaseVmBuffer,
  VM_ALL_FROZEN,
  VM_ALL_VISIBLE,
  type VmBuffer,
  visibilityMapGetStatus,
  visibilityMapPin,
  visibilityMapSetFor,
} from '#access/heap/visibility-map.ts';
import { assert } from '#base/assert.ts';
import { type BlockNumber, type Buffer, type TransactionId, tidBlock, tidOffset } from '#base/ids.ts';
import { INVALID_XID, xidFollows, xidPrecedes } from '#base/xid.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import { report } from '#runtime/error/report.ts';
import { mem } from '#shm/memory.ts';
import { BUFFER_LOCK, RBM } from '#storage/buffer/buffer-layout.ts';
import { lockBuffer, unlockReleaseBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferPage } from '#storage/buffer/buffer-pool.ts';
import { vacuumCost } from '#storage/buffer/buffer-usage.ts';
import { xlogRegisterBuffer } from '#storage/buffer/buffer-wal.ts';
import { markBufferDirty } from '#storage/buffer/dirty.ts';
import { recordPageWithFreeSpace } from '#storage/freespace/free-space-map.ts';
import {
  itemIdSetUnused,
  itemIdWord,
  lpOffset,
  pageHeapFreeSpace,
  pageIsAllVisible,
  pageMaxOffset,
  pageSetFlag,
  pageSetLsn,
} from '#storage/page/page.ts';
import { pageTruncateLinePointers } from '#storage/page/page-compact.ts';
import { PD } from '#storage/page/page-layout.ts';
import { REGBUF, walScratch, xlogBeginInsert, xlogInsert, xlogRegisterBufData, xlogRegisterData } from '#wal/insert.ts';
import { RM } from '#wal/rmgr-ids.ts';

/** So few pages with dead items that the indexes are better left alone. */
const BYPASS_THRESHOLD_PAGES = 0.02;
const MAX_TUPLES = 291;

/** lazy_check_wraparound_failsafe(). */
export function checkFailsafe(state: VacuumState): boolean {
  if (state.failsafeActive) return true;
  if (!xidFailsafeCheck(state.relfrozenxid, state.relminmxid)) return false;
  const { rel, host } = state;
  state.failsafeActive = true;
  state.doIndexVacuuming = false;
  state.doIndexCleanup = false;
  state.doTruncate = false;
  report('WARNING', {
    message: `bypassing nonessential maintenance of table "${host.databaseName()}.${host.namespaceName(rel)}.${rel.name}" as a failsafe after ${state.indexScans} index scans`,
    detail: "The table's relfrozenxid or relminmxid is too far in the past.",
    hint:
      'Consider increasing configuration parameter "maintenance_work_mem" or "autovacuum_work_mem".\n' +
      'You might also need to consider other ways for VACUUM to keep up with the allocation of transaction IDs.',
  });
  // No naps from here on.
  vacuumCost.active = false;
  vacuumCost.balance = 0;
  return true;
}

/** lazy_vacuum(): index entries, then line pointers of all that was collected. */
export function vacuumRound(state: VacuumState): void {
  if (!state.doIndexVacuuming) {
    state.deadItems.clear();
    return;
  }
  let bypass = false;
  if (state.considerBypass && state.relPages > 0) {
    bypass =
      state.lpdeadItemPages < state.relPages * BYPASS_THRESHOLD_PAGES &&
      state.lpdeadItems < maxDeadItems(32 * 1024 * 1024);
  }
  if (bypass) state.doIndexVacuuming = false;
  else if (vacuumAllIndexes(state)) vacuumHeap(state);
  else assert(state.failsafeActive, 'only the failsafe ends index vacuuming');
  state.deadItems.clear();
}

function infoOf(state: VacuumState, index: Relation, tuples: number, estimated: boolean): IndexVacuumInfo {
  return {
    index,
    analyzeOnly: false,
    reportProgress: false,
    estimatedCount: estimated,
    messageLevel: 'DEBUG2',
    numHeapTuples: tuples,
    strategy: state.strategy,
  };
}

/** lazy_vacuum_all_indexes(): false if the failsafe ended it. */
function vacuumAllIndexes(state: VacuumState): boolean {
  if (checkFailsafe(state)) return false;
  const { deadItems, host } = state;
  let all = true;
  host.progress(VACUUM_PROGRESS.phase, VACUUM_PHASE.vacuumIndex);
  for (let i = 0; i < state.indexes.length; i++) {
    const info = infoOf(state, state.indexes[i]!, state.oldLiveTuples, true);
    state.indexStats[i] = indexBulkDelete(info, state.indexStats[i]!, (tid) => deadItems.has(tid));
    report('DEBUG2', { message: `scanned index "${info.index.name}" to remove ${deadItems.count} row versions` });
    if (checkFailsafe(state)) {
      all = false;
      break;
    }
  }
  state.indexScans++;
  host.progress(VACUUM_PROGRESS.indexVacuums, state.indexScans);
  return all;
}

/** lazy_vacuum_heap_rel(). */
function vacuumHeap(state: VacuumState): void {
  const { deadItems, host, rel } = state;
  const vm = newVmBuffer();
  let pages = 0;
  host.progress(VACUUM_PROGRESS.phase, VACUUM_PHASE.vacuumHeap);
  for (let i = 0; i < deadItems.count; ) {
    host.delayPoint();
    const block = tidBlock(deadItems.at(i));
    visibilityMapPin(rel, block, vm);
    const buffer = relReadBuffer(rel, block, RBM.normal, state.strategy);
    lockBuffer(buffer, BUFFER_LOCK.exclusive);
    i = vacuumHeapPage(state, block, buffer, i, vm);
    const free = pageHeapFreeSpace(bufferPage(buffer));
    unlockReleaseBuffer(buffer);
    recordPageWithFreeSpace(relationSmgr(rel), block, free);
    pages++;
  }
  releaseVmBuffer(vm);
  report('DEBUG2', {
    message: `table "${rel.name}": removed ${deadItems.count} dead item identifiers in ${pages} pages`,
  });
}

const unused = new Uint16Array(MAX_TUPLES);
/** lazy_vacuum_heap_page(): makes the block's collected line pointers, from the `start`-th on, unused. Returns where the
 *  next block's begin. */
export function vacuumHeapPage(
  state: VacuumState,
  block: BlockNumber,
  buffer: Buffer,
  start: number,
  vm: VmBuffer,
): number {
  const { deadItems, rel } = state;
  const page = bufferPage(buffer);
  state.host.progress(VACUUM_PROGRESS.heapBlocksVacuumed, block);
  let i = start;
  let count = 0;
  beginCritical();
  for (; i < deadItems.count; i++) {
    const tid = deadItems.at(i);
    if (tidBlock(tid) !== block) break;
    const offset = tidOffset(tid);
    assert((itemIdWord(page, offset) & LP_MASK) === LP_DEAD, 'a collected line pointer stays dead');
    itemIdSetUnused(page, offset);
    unused[count++] = offset;
  }
  pageTruncateLinePointers(page);
  markBufferDirty(buffer);
  if (relationNeedsWal(rel)) {
    xlogBeginInsert();
    const at = walScratch(SIZE_OF_HEAP_VACUUM + 2 * count);
    mem.view.setUint16(at, count, true);
    for (let k = 0; k < count; k++) mem.view.setUint16(at + 2 + 2 * k, unused[k]!, true);
    xlogRegisterData(at, SIZE_OF_HEAP_VACUUM);
    xlogRegisterBuffer(0, buffer, REGBUF.standard);
    xlogRegisterBufData(0, at + 2, 2 * count);
    pageSetLsn(page, xlogInsert(RM.heap2, XLOG_HEAP2.vacuum));
  }
  endCritical();
  // Outside: judging tuples may need I/O. A crash in between loses a hint only.
  if (pageIsAllVisibleNow(state, buffer)) pageSetFlag(page, PD.allVisible);
  if (pageIsAllVisible(page)) {
    const status = visibilityMapGetStatus(rel, block, vm);
    const wanted = VM_ALL_VISIBLE | (visibleNow.allFrozen ? VM_ALL_FROZEN : 0);
    if ((status & wanted) !== wanted)
      visibilityMapSetFor(rel, block, buffer, vm.buffer, visibleNow.cutoffXid, status | wanted);
  }
  return i;
}
const visibleNow = { cutoffXid: INVALID_XID as TransactionId, allFrozen: false };
/** heap_page_is_all_visible(). */
function pageIsAllVisibleNow(state: VacuumState, buffer: Buffer): boolean {
  const page = bufferPage(buffer);
  visibleNow.cutoffXid = INVALID_XID;
  visibleNow.allFrozen = true;
  const count = pageMaxOffset(page);
  const no = (): boolean => {
    visibleNow.allFrozen = false;
    return false;
  };
  for (let offset = 1; offset <= count; offset++) {
    const word = itemIdWord(page, offset);
    const flags = word & LP_MASK;
    if (flags === LP_UNUSED || flags === LP_REDIRECT) continue;
    if (flags === LP_DEAD) return no();
    const at = page + lpOffset(word);
    if (heapTupleSatisfiesVacuum(at, state.oldestXmin, buffer) !== HTSV.live) return no();
    if (!xminCommitted(tupleInfomask(at))) return no();
    const xmin = tupleXmin(at);
    if (!xidPrecedes(xmin, state.oldestXmin)) return no();
    if (xidFollows(xmin, visibleNow.cutoffXid)) visibleNow.cutoffXid = xmin;
    if (visibleNow.allFrozen && tupleNeedsEventualFreeze(at)) visibleNow.allFrozen = false;
  }
  return true;
}

/** lazy_cleanup_all_indexes(). */
export function cleanupAllIndexes(state: VacuumState): void {
  state.host.progress(VACUUM_PROGRESS.phase, VACUUM_PHASE.indexCleanup);
  const estimated = state.scannedPages < state.relPages;
  for (let i = 0; i < state.indexes.length; i++) {
    const info = infoOf(state, state.indexes[i]!, state.newRelTuples, estimated);
    const stats = indexVacuumCleanup(info, state.indexStats[i]!);
    state.indexStats[i] = stats;
    if (stats !== null)
      report('DEBUG2', {
        message: `index "${info.index.name}" now contains ${stats.numIndexTuples.toFixed(0)} row versions in ${stats.numPages} pages`,
        detail:
          `${stats.tuplesRemoved.toFixed(0)} index row versions were removed.\n` +
          `${stats.pagesNewlyDeleted} index pages were newly deleted.\n` +
          `${stats.pagesDeleted} index pages are currently deleted, of which ${stats.pagesFree} are currently reusable.`,
      });
  }
}
