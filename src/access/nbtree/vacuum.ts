/** vacuum.ts — removing the entries of dead rows, and giving empty pages back.
 *
 *  The index is read in block order. Splits during the scan may move entries to blocks already read: cycle ids show that,
 *  and the scan goes back for them. Each leaf is taken with a cleanup lock, so that no scan is between it and the heap.
 *  Counterpart: btbulkdelete(), btvacuumcleanup(), btvacuumscan(), btvacuumpage() of src/backend/access/nbtree/nbtree.c */
import {
  type BulkDeleteCallback,
  emptyBulkDeleteResult,
  type IndexBulkDeleteResult,
  type IndexVacuumInfo,
} from '#access/common/index-am.ts';
import { relationNblocks, relationSmgr, relReadBuffer } from '#access/common/relation-descriptor.ts';
import { vacuumDelayPoint } from '#access/common/vacuum-delay.ts';
import { endVacuumCycle, startVacuumCycle } from '#access/nbtree/cycle-id.ts';
import { deleteItemsForVacuum, type PostingUpdate } from '#access/nbtree/delete-items.ts';
import {
  BTP,
  BTREE_METAPAGE,
  btCycleId,
  btFlags,
  btNext,
  firstDataKey,
  isDeleted,
  isHalfDead,
  isLeaf,
  isRightmost,
  P_NONE,
  setBtCycleId,
} from '#access/nbtree/nbtree-layout.ts';
import {
  checkPage,
  lockPage,
  pageIsRecyclable,
  READ,
  relBuffer,
  setCleanupInfo,
  unlockPage,
  vacuumNeedsCleanup,
} from '#access/nbtree/page-access.ts';
import { deletePage, newPendingFreePages, type PageDeletion } from '#access/nbtree/page-delete.ts';
import { enterScratch, leaveScratch } from '#access/nbtree/scratch.ts';
import { isPosting, postingCount, postingTid, readTid } from '#access/nbtree/tuple.ts';
import type { BlockNumber, Buffer, OffsetNumber } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { RBM } from '#storage/buffer/buffer-layout.ts';
import { lockBufferForCleanup } from '#storage/buffer/buffer-lock.ts';
import { bufferPage } from '#storage/buffer/buffer-pool.ts';
import { markBufferDirtyHint } from '#storage/buffer/dirty.ts';
import { indexFreeSpaceMapVacuum, recordFreeIndexPage } from '#storage/freespace/index-free-space.ts';
import { lockRelationForExtension, unlockRelationForExtension } from '#storage/lmgr/lmgr.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { itemAt, pageIsNew, pageMaxOffset } from '#storage/page/page.ts';

interface VacuumState extends PageDeletion {
  readonly info: IndexVacuumInfo;
  /** null: only to recycle pages and count. */
  readonly callback: BulkDeleteCallback | null;
  readonly cycleId: number;
}

export function btBulkDelete(
  info: IndexVacuumInfo,
  given: IndexBulkDeleteResult | null,
  callback: BulkDeleteCallback,
): IndexBulkDeleteResult {
  const stats = given ?? emptyBulkDeleteResult();
  const cycleId = startVacuumCycle(info.index);
  try {
    scanIndex(info, stats, callback, cycleId);
  } finally {
    endVacuumCycle(info.index);
  }
  return stats;
}

export function btVacuumCleanup(
  info: IndexVacuumInfo,
  given: IndexBulkDeleteResult | null,
): IndexBulkDeleteResult | null {
  if (info.analyzeOnly) return given;
  let stats = given;
  if (stats === null) {
    // Nothing was deleted now; a scan is worth it only for pages that an earlier VACUUM had to leave.
    if (!vacuumNeedsCleanup(info.index, relationNblocks(info.index))) return null;
    stats = emptyBulkDeleteResult();
    scanIndex(info, stats, null, 0);
    // Posting lists count as one.
    stats.estimatedCount = true;
  }
  setCleanupInfo(info.index, stats.pagesDeleted - stats.pagesFree);
  // Splits may have made the scan count twice.
  if (!info.estimatedCount && stats.numIndexTuples > info.numHeapTuples) stats.numIndexTuples = info.numHeapTuples;
  return stats;
}

function scanIndex(
  info: IndexVacuumInfo,
  stats: IndexBulkDeleteResult,
  callback: BulkDeleteCallback | null,
  cycleId: number,
): void {
  const rel = info.index;
  stats.numPages = 0;
  stats.numIndexTuples = 0;
  stats.pagesDeleted = 0;
  stats.pagesFree = 0;
  const vacuum: VacuumState = { rel, info, stats, callback, cycleId, pending: newPendingFreePages(callback === null) };
  const needLock = !(rel.isLocalTemp || rel.createSubid !== 0);
  let block: BlockNumber = BTREE_METAPAGE + 1;
  let blocks: BlockNumber;
  // The index may grow meanwhile; under the extension lock nobody is between extending and initialising a page.
  for (;;) {
    if (needLock) lockRelationForExtension(rel, LOCK.exclusive);
    blocks = relationNblocks(rel);
    if (needLock) unlockRelationForExtension(rel, LOCK.exclusive);
    if (block >= blocks) break;
    for (; block < blocks; block++) vacuumPages(vacuum, block);
  }
  stats.numPages = blocks;
  vacuum.pending.finish(rel, stats);
  if (stats.pagesFree > 0) indexFreeSpaceMapVacuum(relationSmgr(rel));
}

/** A block, and those of its split-off halves that lie before it. */
function vacuumPages(vacuum: VacuumState, scanBlock: BlockNumber): void {
  let block = scanBlock;
  do {
    const outer = enterScratch();
    try {
      block = vacuumPage(vacuum, block, scanBlock);
    } finally {
      leaveScratch(outer);
    }
  } while (block !== P_NONE);
}

/** Returns the earlier block to go back to, P_NONE if there is none. */
function vacuumPage(vacuum: VacuumState, block: BlockNumber, scanBlock: BlockNumber): BlockNumber {
  const { rel, stats } = vacuum;
  vacuumDelayPoint();
  const buffer = relReadBuffer(rel, block, RBM.normal, vacuum.info.strategy);
  lockPage(buffer, READ);
  const page = bufferPage(buffer);
  const isNew = pageIsNew(page);
  if (!isNew) checkPage(rel, buffer);
  let back: BlockNumber = P_NONE;
  let tryDelete = false;
  if (block !== scanBlock) {
    if (isNew || !isLeaf(page) || isHalfDead(page)) {
      report('LOG', {
        code: SQLSTATE.indexCorrupted,
        message: `right sibling ${block} of scanblkno ${scanBlock} unexpectedly in an inconsistent state in index "${rel.name}"`,
      });
      relBuffer(buffer);
      return P_NONE;
    }
    // Seen already, or deleted since.
    if (btCycleId(page) !== vacuum.cycleId || isDeleted(page)) {
      relBuffer(buffer);
      return P_NONE;
    }
  }
  if (isNew || pageIsRecyclable(page)) {
    recordFreeIndexPage(relationSmgr(rel), block);
    stats.pagesDeleted++;
    stats.pagesFree++;
  } else if (isDeleted(page)) stats.pagesDeleted++;
  else if (isHalfDead(page)) {
    // Left by a VACUUM that did not end.
    tryDelete = true;
  } else if (isLeaf(page)) {
    unlockPage(buffer);
    lockBufferForCleanup(buffer);
    if (
      vacuum.cycleId !== 0 &&
      btCycleId(page) === vacuum.cycleId &&
      (btFlags(page) & BTP.splitEnd) === 0 &&
      !isRightmost(page) &&
      btNext(page) < scanBlock
    )
      back = btNext(page);
    tryDelete = vacuumLeaf(vacuum, buffer) && block === scanBlock;
  }
  if (tryDelete) deletePage(vacuum, buffer);
  else relBuffer(buffer);
  return back;
}

/** Deletes the leaf's dead entries; true if it is empty now. */
function vacuumLeaf(vacuum: VacuumState, buffer: Buffer): boolean {
  const { rel, stats, callback } = vacuum;
  const page = bufferPage(buffer);
  const minOffset = firstDataKey(page);
  let maxOffset = pageMaxOffset(page);
  let live = 0;
  let dead = 0;
  const deleted: OffsetNumber[] = [];
  const updates: PostingUpdate[] = [];
  if (callback !== null) {
    for (let offset = minOffset; offset <= maxOffset; offset++) {
      const tup = itemAt(page, offset);
      if (!isPosting(tup)) {
        if (callback(readTid(tup))) {
          deleted.push(offset);
          dead++;
        } else live++;
        continue;
      }
      const count = postingCount(tup);
      let gone: number[] | null = null;
      for (let i = 0; i < count; i++) if (callback(postingTid(tup, i))) (gone ??= []).push(i);
      const lost = gone === null ? 0 : gone.length;
      dead += lost;
      live += count - lost;
      if (lost === count) deleted.push(offset);
      else if (gone !== null) updates.push({ offset, tuple: tup, deleted: gone });
    }
  }
  if (deleted.length > 0 || updates.length > 0) {
    deleteItemsForVacuum(rel, buffer, deleted, updates);
    stats.tuplesRemoved += dead;
    maxOffset = pageMaxOffset(page);
  } else if (vacuum.cycleId !== 0 && btCycleId(page) === vacuum.cycleId) {
    // So that this VACUUM does not come back to it; lost in a crash without harm.
    setBtCycleId(page, 0);
    markBufferDirtyHint(buffer, true);
  }
  if (minOffset > maxOffset) return true;
  stats.numIndexTuples += callback !== null ? live : maxOffset - minOffset + 1;
  return false;
}
