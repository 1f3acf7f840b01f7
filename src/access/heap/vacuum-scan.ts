/** vacuum-scan.ts — the first pass over the heap: pruning, freezing, collecting dead line pointers, setting the map.
 *
 *  Ranges of at least 32 pages that the visibility map calls all-visible are passed over (in aggressive mode only frozen
 *  ones); the last page never is, because truncation depends on it. A page that cannot be had with a cleanup lock is only
 *  counted, unless an aggressive vacuum finds ids there that must be frozen.
 *  Counterpart: lazy_scan_heap() … lazy_scan_noprune() of src/backend/access/heap/vacuumlazy.c */
import { tupleInfomask, tupleXmin, xminCommitted } from '#access/common/heap-tuple-layout.ts';
import { relationNeedsWal, relationSmgr, relReadBuffer } from '#access/common/relation-descriptor.ts';
import {
  executeFreezeTuple,
  type FreezePlan,
  newFreezePlan,
  prepareFreezeTuple,
  totallyFrozen,
  tupleWouldFreeze,
} from '#access/heap/freeze.ts';
import { SIZE_OF_FREEZE_TUPLE, SIZE_OF_HEAP_FREEZE_PAGE, XLOG_HEAP2 } from '#access/heap/heap-records.ts';
import { HTSV } from '#access/heap/heap-types.ts';
import { LP_DEAD, LP_MASK, LP_NORMAL, LP_REDIRECT, LP_UNUSED } from '#access/heap/line-pointers.ts';
import { heapPagePrune } from '#access/heap/prune.ts';
import { estimateRelTuples } from '#access/heap/vacuum-cutoffs.ts';
import { checkFailsafe, cleanupAllIndexes, vacuumHeapPage, vacuumRound } from '#access/heap/vacuum-index.ts';
import { VACUUM_PHASE, VACUUM_PROGRESS, type VacuumState } from '#access/heap/vacuum-state.ts';
import { heapTupleSatisfiesVacuum } from '#access/heap/visibility.ts';
import {
  newVmBuffer,
  releaseVmBuffer,
  VM_ALL_FROZEN,
  VM_ALL_VISIBLE,
  VM_VALID_BITS,
  type VmBuffer,
  visibilityMapClear,
  visibilityMapGetStatus,
  visibilityMapPin,
  visibilityMapSetFor,
} from '#access/heap/visibility-map.ts';
import { assert } from '#base/assert.ts';
import { BLCKSZ, type BlockNumber, type Buffer, makeTid, type TransactionId } from '#base/ids.ts';
import { INVALID_XID, xidFollows, xidPrecedes } from '#base/xid.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import { report } from '#runtime/error/report.ts';
import { mem } from '#shm/memory.ts';
import { BUFFER_LOCK, RBM } from '#storage/buffer/buffer-layout.ts';
import {
  conditionalLockBufferForCleanup,
  lockBuffer,
  lockBufferForCleanup,
  unlockReleaseBuffer,
} from '#storage/buffer/buffer-lock.ts';
import { bufferPage } from '#storage/buffer/buffer-pool.ts';
import { logNewpageBuffer, xlogRegisterBuffer } from '#storage/buffer/buffer-wal.ts';
import { markBufferDirty } from '#storage/buffer/dirty.ts';
import {
  freeSpaceMapVacuumRange,
  getRecordedFreeSpace,
  recordPageWithFreeSpace,
} from '#storage/freespace/free-space-map.ts';
import {
  itemIdWord,
  lpOffset,
  pageClearFlag,
  pageGetLsn,
  pageHeapFreeSpace,
  pageIsAllVisible,
  pageIsEmpty,
  pageIsNew,
  pageMaxOffset,
  pageSetFlag,
  pageSetLsn,
} from '#storage/page/page.ts';
import { PD } from '#storage/page/page-layout.ts';
import { REGBUF, walScratch, xlogBeginInsert, xlogInsert, xlogRegisterBufData, xlogRegisterData } from '#wal/insert.ts';
import { RM } from '#wal/rmgr-ids.ts';

const SKIP_PAGES_THRESHOLD = 32;
/** 4 GB and 8 GB. */
const FAILSAFE_EVERY_PAGES = 524_288;
const FSM_EVERY_PAGES = 1_048_576;
const MAX_TUPLES = 291;

/** What was learned of a page. */
const prune = {
  hasTuples: false,
  hasDeadItems: false,
  allVisible: false,
  allFrozen: false,
  cutoffXid: INVALID_XID as TransactionId,
};
const deadOffsets = new Uint16Array(MAX_TUPLES);
const plans: FreezePlan[] = Array.from({ length: MAX_TUPLES }, newFreezePlan);

// Out of findSkippable().
let nextAllVisible = false;
let skippingRange = false;
/** lazy_scan_skip(): the next block that must be scanned, from `start` on. */
function findSkippable(state: VacuumState, vm: VmBuffer, start: BlockNumber): BlockNumber {
  let next = start;
  let skipsAllVisible = false;
  nextAllVisible = true;
  while (next < state.relPages) {
    const bits = visibilityMapGetStatus(state.rel, next, vm);
    if ((bits & VM_ALL_VISIBLE) === 0) {
      nextAllVisible = false;
      break;
    }
    if (next === state.relPages - 1 || !state.skipWithVm) break;
    if ((bits & VM_ALL_FROZEN) === 0) {
      if (state.aggressive) break;
      skipsAllVisible = true;
    }
    state.host.delayPoint();
    next++;
  }
  skippingRange = next - start >= SKIP_PAGES_THRESHOLD;
  if (skippingRange && skipsAllVisible) state.skippedAllVisible = true;
  return next;
}

/** lazy_scan_heap(). */
export function scanHeap(state: VacuumState): void {
  const { rel, host, relPages } = state;
  const smgr = relationSmgr(rel);
  const vm = newVmBuffer();
  let nextFailsafe = 0;
  let nextFsm = 0;
  host.progress(VACUUM_PROGRESS.phase, VACUUM_PHASE.scanHeap);
  host.progress(VACUUM_PROGRESS.totalHeapBlocks, relPages);
  host.progress(VACUUM_PROGRESS.maxDeadTuples, state.deadItems.max);
  let unskippable = findSkippable(state, vm, 0);
  let allVisibleByMap = false;
  for (let block = 0; block < relPages; block++) {
    if (block === unskippable) {
      allVisibleByMap = nextAllVisible;
      unskippable = findSkippable(state, vm, block + 1);
    } else {
      assert(block < relPages - 1, 'the last page is scanned');
      if (skippingRange) continue;
      allVisibleByMap = true;
    }
    state.scannedPages++;
    host.progress(VACUUM_PROGRESS.heapBlocksScanned, block);
    host.delayPoint();
    if (block - nextFailsafe >= FAILSAFE_EVERY_PAGES) {
      checkFailsafe(state);
      nextFailsafe = block;
    }
    if (state.deadItems.max - state.deadItems.count < MAX_TUPLES) {
      releaseVmBuffer(vm);
      state.considerBypass = false;
      vacuumRound(state);
      freeSpaceMapVacuumRange(smgr, nextFsm, block);
      nextFsm = block;
      host.progress(VACUUM_PROGRESS.phase, VACUUM_PHASE.scanHeap);
    }
    visibilityMapPin(rel, block, vm);
    const buffer = relReadBuffer(rel, block, RBM.normal, state.strategy);
    const page = bufferPage(buffer);
    if (!conditionalLockBufferForCleanup(buffer)) {
      lockBuffer(buffer, BUFFER_LOCK.share);
      if (scanNewOrEmpty(state, buffer, block, page, true, vm)) continue;
      if (scanWithoutPruning(state, buffer, block, page)) continue;
      lockBuffer(buffer, BUFFER_LOCK.unlock);
      lockBufferForCleanup(buffer);
    }
    if (scanNewOrEmpty(state, buffer, block, page, false, vm)) continue;
    scanAndPrune(state, buffer, block, page);
    if (prune.hasTuples) state.nonemptyPages = block + 1;
    if (state.indexes.length === 0 && prune.hasDeadItems) {
      // Without indexes the second pass over the page happens at once.
      vacuumHeapPage(state, block, buffer, 0, vm);
      state.deadItems.clear();
      if (block - nextFsm >= FSM_EVERY_PAGES) {
        freeSpaceMapVacuumRange(smgr, nextFsm, block);
        nextFsm = block;
      }
      recordFreeSpace(state, buffer, block);
      continue;
    }
    updateMap(state, buffer, block, page, vm, allVisibleByMap);
    // A page with dead items tells its free space after the second pass.
    if (prune.hasDeadItems && state.doIndexVacuuming) unlockReleaseBuffer(buffer);
    else recordFreeSpace(state, buffer, block);
  }
  releaseVmBuffer(vm);
  host.progress(VACUUM_PROGRESS.heapBlocksScanned, relPages);
  state.newLiveTuples = estimateRelTuples(rel, relPages, state.scannedPages, state.liveTuples);
  state.newRelTuples = Math.max(state.newLiveTuples, 0) + state.recentlyDeadTuples + state.missedDeadTuples;
  if (state.deadItems.count > 0) vacuumRound(state);
  if (relPages > nextFsm) freeSpaceMapVacuumRange(smgr, nextFsm, relPages);
  host.progress(VACUUM_PROGRESS.heapBlocksVacuumed, relPages);
  if (state.indexes.length > 0 && state.doIndexCleanup) cleanupAllIndexes(state);
}

function recordFreeSpace(state: VacuumState, buffer: Buffer, block: BlockNumber): void {
  const free = pageHeapFreeSpace(bufferPage(buffer));
  unlockReleaseBuffer(buffer);
  recordPageWithFreeSpace(relationSmgr(state.rel), block, free);
}

/** Brings page flag and map to what was learned. */
function updateMap(
  state: VacuumState,
  buffer: Buffer,
  block: BlockNumber,
  page: number,
  vm: VmBuffer,
  allVisibleByMap: boolean,
): void {
  const { rel } = state;
  if (!allVisibleByMap && prune.allVisible) {
    pageSetFlag(page, PD.allVisible);
    markBufferDirty(buffer);
    const flags = VM_ALL_VISIBLE | (prune.allFrozen ? VM_ALL_FROZEN : 0);
    visibilityMapSetFor(rel, block, buffer, vm.buffer, prune.cutoffXid, flags);
  } else if (
    allVisibleByMap &&
    !pageIsAllVisible(page) &&
    (visibilityMapGetStatus(rel, block, vm) & VM_ALL_VISIBLE) !== 0
  ) {
    report('WARNING', {
      message: `page is not marked all-visible but visibility map bit is set in relation "${rel.name}" page ${block}`,
    });
    visibilityMapClear(block, vm.buffer, VM_VALID_BITS);
  } else if (prune.hasDeadItems && pageIsAllVisible(page)) {
    report('WARNING', {
      message: `page containing LP_DEAD items is marked as all-visible in relation "${rel.name}" page ${block}`,
    });
    pageClearFlag(page, PD.allVisible);
    markBufferDirty(buffer);
    visibilityMapClear(block, vm.buffer, VM_VALID_BITS);
  } else if (
    allVisibleByMap &&
    prune.allVisible &&
    prune.allFrozen &&
    (visibilityMapGetStatus(rel, block, vm) & VM_ALL_FROZEN) === 0
  ) {
    // No snapshot can be in conflict with a page that all of them saw already.
    visibilityMapSetFor(rel, block, buffer, vm.buffer, INVALID_XID, VM_ALL_VISIBLE | VM_ALL_FROZEN);
  }
}

/** lazy_scan_new_or_empty(): true if that was all there was to do; the buffer is released, then. */
function scanNewOrEmpty(
  state: VacuumState,
  buffer: Buffer,
  block: BlockNumber,
  page: number,
  isShareLocked: boolean,
  vm: VmBuffer,
): boolean {
  const { rel } = state;
  const smgr = relationSmgr(rel);
  if (pageIsNew(page)) {
    // Left by an extension that nobody used: it must at least be found by insertions.
    unlockReleaseBuffer(buffer);
    if (getRecordedFreeSpace(smgr, block) === 0) recordPageWithFreeSpace(smgr, block, BLCKSZ - 24);
    return true;
  }
  if (!pageIsEmpty(page)) return false;
  if (isShareLocked) {
    lockBuffer(buffer, BUFFER_LOCK.unlock);
    lockBuffer(buffer, BUFFER_LOCK.exclusive);
    if (!pageIsEmpty(page)) {
      // Not ours to prune, and the caller expects no stronger lock than it had.
      lockBuffer(buffer, BUFFER_LOCK.unlock);
      lockBuffer(buffer, BUFFER_LOCK.share);
      return false;
    }
  }
  if (!pageIsAllVisible(page)) {
    beginCritical();
    markBufferDirty(buffer);
    // Somebody may have initialised the page and failed before logging it: replay of our record would find zeroes.
    if (relationNeedsWal(rel) && pageGetLsn(page) === 0) logNewpageBuffer(buffer, true);
    pageSetFlag(page, PD.allVisible);
    visibilityMapSetFor(rel, block, buffer, vm.buffer, INVALID_XID, VM_ALL_VISIBLE | VM_ALL_FROZEN);
    endCritical();
  }
  recordFreeSpace(state, buffer, block);
  return true;
}

/** lazy_scan_prune(). */
function scanAndPrune(state: VacuumState, buffer: Buffer, block: BlockNumber, page: number): void {
  const { rel } = state;
  let deleted = 0;
  let deadItems = 0;
  let live = 0;
  let recentlyDead = 0;
  let frozen = 0;
  const savedXid = state.newRelfrozenXid;
  const savedMulti = state.newRelminMxid;
  retry: for (;;) {
    state.newRelfrozenXid = savedXid;
    state.newRelminMxid = savedMulti;
    deadItems = 0;
    live = 0;
    recentlyDead = 0;
    frozen = 0;
    deleted = heapPagePrune(rel, buffer, state.vistest);
    prune.hasTuples = false;
    prune.hasDeadItems = false;
    prune.allVisible = true;
    prune.allFrozen = true;
    prune.cutoffXid = INVALID_XID;
    const count = pageMaxOffset(page);
    for (let offset = 1; offset <= count; offset++) {
      const word = itemIdWord(page, offset);
      const flags = word & LP_MASK;
      if (flags === LP_UNUSED) continue;
      if (flags === LP_REDIRECT) {
        prune.hasTuples = true;
        continue;
      }
      if (flags === LP_DEAD) {
        deadOffsets[deadItems++] = offset;
        continue;
      }
      const at = page + lpOffset(word);
      const result = heapTupleSatisfiesVacuum(at, state.oldestXmin, buffer);
      // Its transaction aborted after pruning looked: prune again.
      if (result === HTSV.dead) continue retry;
      if (result === HTSV.live) {
        live++;
        if (prune.allVisible) noteVisible(at, state.oldestXmin);
      } else {
        prune.allVisible = false;
        if (result === HTSV.recentlyDead) recentlyDead++;
        // An insertion is counted by whoever commits it, a deletion likewise.
        else if (result === HTSV.deleteInProgress) live++;
      }
      prune.hasTuples = true;
      const plan = plans[frozen]!;
      if (prepareFreezeTuple(at, state, plan)) {
        plan.offset = offset;
        frozen++;
      }
      if (!totallyFrozen) prune.allFrozen = false;
    }
    break;
  }
  if (frozen > 0) freezePage(state, buffer, page, frozen);
  if (deadItems > 0) {
    state.lpdeadItemPages++;
    prune.hasDeadItems = true;
    prune.allVisible = false;
    for (let i = 0; i < deadItems; i++) state.deadItems.add(makeTid(block, deadOffsets[i]!));
    state.host.progress(VACUUM_PROGRESS.deadTuples, state.deadItems.count);
  }
  state.tuplesDeleted += deleted;
  state.lpdeadItems += deadItems;
  state.liveTuples += live;
  state.recentlyDeadTuples += recentlyDead;
}
/** A live tuple: do all see it? The hint must be set, or its inserter's commit could still be lost. */
function noteVisible(at: number, oldestXmin: TransactionId): void {
  if (!xminCommitted(tupleInfomask(at))) {
    prune.allVisible = false;
    return;
  }
  const xmin = tupleXmin(at);
  if (!xidPrecedes(xmin, oldestXmin)) prune.allVisible = false;
  else if (xidFollows(xmin, prune.cutoffXid)) prune.cutoffXid = xmin;
}

function freezePage(state: VacuumState, buffer: Buffer, page: number, count: number): void {
  beginCritical();
  markBufferDirty(buffer);
  for (let i = 0; i < count; i++) {
    const plan = plans[i]!;
    const at = page + lpOffset(itemIdWord(page, plan.offset));
    executeFreezeTuple(at, plan.xmax, plan.infomask, plan.infomask2, plan.flags);
  }
  if (relationNeedsWal(state.rel)) {
    const { u8, view } = mem;
    xlogBeginInsert();
    const at = walScratch(8 + count * SIZE_OF_FREEZE_TUPLE);
    view.setUint32(at, state.freezeLimit, true);
    view.setUint16(at + 4, count, true);
    xlogRegisterData(at, SIZE_OF_HEAP_FREEZE_PAGE);
    const tuples = at + 8;
    for (let i = 0; i < count; i++) {
      const plan = plans[i]!;
      const to = tuples + i * SIZE_OF_FREEZE_TUPLE;
      view.setUint32(to, plan.xmax, true);
      view.setUint16(to + 4, plan.offset, true);
      view.setUint16(to + 6, plan.infomask2, true);
      view.setUint16(to + 8, plan.infomask, true);
      u8[to + 10] = plan.flags;
      u8[to + 11] = 0;
    }
    xlogRegisterBuffer(0, buffer, REGBUF.standard);
    xlogRegisterBufData(0, tuples, count * SIZE_OF_FREEZE_TUPLE);
    pageSetLsn(page, xlogInsert(RM.heap2, XLOG_HEAP2.freezePage));
  }
  endCritical();
}

/** lazy_scan_noprune(): under a share lock; false if an aggressive vacuum needs the page after all. Else the buffer is
 *  released. */
function scanWithoutPruning(state: VacuumState, buffer: Buffer, block: BlockNumber, page: number): boolean {
  let hasTuples = false;
  let deadItems = 0;
  let live = 0;
  let recentlyDead = 0;
  let missed = 0;
  const savedXid = state.newRelfrozenXid;
  const savedMulti = state.newRelminMxid;
  const count = pageMaxOffset(page);
  for (let offset = 1; offset <= count; offset++) {
    const word = itemIdWord(page, offset);
    const flags = word & LP_MASK;
    if (flags === LP_UNUSED) continue;
    if (flags === LP_REDIRECT) {
      hasTuples = true;
      continue;
    }
    if (flags === LP_DEAD) {
      deadOffsets[deadItems++] = offset;
      continue;
    }
    assert(flags === LP_NORMAL, 'a line pointer is unused, normal, redirected or dead');
    hasTuples = true;
    const at = page + lpOffset(word);
    if (tupleWouldFreeze(at, state) && state.aggressive) {
      state.newRelfrozenXid = savedXid;
      state.newRelminMxid = savedMulti;
      return false;
    }
    const result = heapTupleSatisfiesVacuum(at, state.oldestXmin, buffer);
    if (result === HTSV.live || result === HTSV.deleteInProgress) live++;
    else if (result === HTSV.dead) missed++;
    else if (result === HTSV.recentlyDead) recentlyDead++;
  }
  let recordsSpace = true;
  if (state.indexes.length === 0) {
    if (deadItems > 0) {
      hasTuples = true;
      missed += deadItems;
    }
  } else if (deadItems > 0) {
    state.lpdeadItemPages++;
    for (let i = 0; i < deadItems; i++) state.deadItems.add(makeTid(block, deadOffsets[i]!));
    state.host.progress(VACUUM_PROGRESS.deadTuples, state.deadItems.count);
    state.lpdeadItems += deadItems;
    // The second pass over the heap comes here again.
    recordsSpace = false;
  }
  state.liveTuples += live;
  state.recentlyDeadTuples += recentlyDead;
  state.missedDeadTuples += missed;
  if (missed > 0) state.missedDeadPages++;
  if (hasTuples) state.nonemptyPages = block + 1;
  if (recordsSpace) recordFreeSpace(state, buffer, block);
  else unlockReleaseBuffer(buffer);
  return true;
}
