/** page-delete.ts — VACUUM gives empty leaves back, and the internal pages above that lead to nothing else.
 *
 *  First the downlink goes (the leaf is half-dead: its key space belongs to its right neighbour), then the page is taken
 *  out of its level's chain, topmost page of the dying subtree first. It keeps its links, as scans may be on the way to
 *  it, until its safexid is older than everybody.
 *  Counterpart: _bt_pagedel() and what it calls, _bt_pendingfsm_*() of src/backend/access/nbtree/nbtpage.c */
import type { IndexBulkDeleteResult } from '#access/common/index-am.ts';
import { relationNeedsWal, relationSmgr, type Relation } from '#access/common/relation-descriptor.ts';
import { btState } from '#access/nbtree/index-state.ts';
import { keyOfTuple } from '#access/nbtree/insert-key.ts';
import {
  addBtFlags,
  BTP,
  BTREE_METAPAGE,
  btLevel,
  btNext,
  btPrev,
  firstDataKey,
  isDeleted,
  isHalfDead,
  isIncompleteSplit,
  isLeaf,
  isRightmost,
  isRoot,
  metaFastLevel,
  P_HIKEY,
  P_NONE,
  setBtCycleId,
  setBtNext,
  setBtPrev,
  setMetaFastRoot,
  setPageDeleted,
} from '#access/nbtree/nbtree-layout.ts';
import {
  getBuffer,
  lockPage,
  READ,
  registerMetadata,
  relBuffer,
  unlockPage,
  WRITE,
} from '#access/nbtree/page-access.ts';
import { scratch } from '#access/nbtree/scratch.ts';
import { type Descent, searchTree, takeDescent } from '#access/nbtree/search.ts';
import { findParent } from '#access/nbtree/split.ts';
import {
  copyTuple,
  downlink,
  setDownlink,
  setTopParent,
  setTupleSize,
  topParent,
  tupleSize,
} from '#access/nbtree/tuple.ts';
import { XLOG_BTREE } from '#access/nbtree/wal-records.ts';
import { type BlockNumber, type Buffer, type FullTransactionId, INVALID_BLOCK, type OffsetNumber } from '#base/ids.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { mem } from '#shm/memory.ts';
import { bufferBlock, bufferPage } from '#storage/buffer/buffer-pool.ts';
import { xlogRegisterBuffer } from '#storage/buffer/buffer-wal.ts';
import { markBufferDirty } from '#storage/buffer/dirty.ts';
import { releaseBuffer } from '#storage/buffer/pin.ts';
import { recordFreeIndexPage } from '#storage/freespace/index-free-space.ts';
import { predicateLockPageCombine } from '#storage/lmgr/predicate.ts';
import { itemAt, pageMaxOffset, pageSetLsn } from '#storage/page/page.ts';
import { pageIndexTupleDelete, pageIndexTupleOverwrite } from '#storage/page/page-compact.ts';
import { getOldestNonRemovableTransactionId, globalVisCheckRemovableFullXid } from '#transam/proc-array.ts';
import { readNextFullTransactionId } from '#transam/xid-generator.ts';
import { REGBUF, walScratch, xlogBeginInsert, xlogInsert, xlogRegisterData } from '#wal/insert.ts';
import { RM } from '#wal/rmgr-ids.ts';

/** Pages deleted by this very VACUUM: perhaps old enough for the free space map when it ends. Ascending safexid. */
export class PendingFreePages {
  private readonly blocks: BlockNumber[] = [];
  private readonly safeXids: FullTransactionId[] = [];
  constructor(private readonly limit: number) {}
  add(block: BlockNumber, safeXid: FullTransactionId): void {
    if (this.blocks.length >= this.limit) return;
    this.blocks.push(block);
    this.safeXids.push(safeXid);
  }
  finish(rel: Relation, stats: IndexBulkDeleteResult): void {
    if (this.blocks.length === 0) return;
    // Brings the horizons up to date: they may have moved since VACUUM began.
    getOldestNonRemovableTransactionId('shared');
    for (let i = 0; i < this.blocks.length; i++) {
      if (!globalVisCheckRemovableFullXid('shared', this.safeXids[i]!)) break;
      recordFreeIndexPage(relationSmgr(rel), this.blocks[i]!);
      stats.pagesFree++;
    }
  }
}
/** 16 bytes per page, as much as work_mem has; none for a scan that deletes nothing. */
export const newPendingFreePages = (cleanupOnly: boolean): PendingFreePages =>
  new PendingFreePages(cleanupOnly ? 0 : Math.trunc((settings.work_mem * 1024) / 16));

export interface PageDeletion {
  readonly rel: Relation;
  readonly stats: IndexBulkDeleteResult;
  readonly pending: PendingFreePages;
}

const log = (message: string, hint?: string): void => report('LOG', { code: SQLSTATE.indexCorrupted, message, hint });

/** Deletes the empty leaf if that is possible, and its right neighbours if they are empty too. Takes over the buffer,
 *  which is locked for writing. */
export function deletePage(deletion: PageDeletion, leafBuffer: Buffer): void {
  const { rel } = deletion;
  const scanBlock = bufferBlock(leafBuffer);
  let leaf = leafBuffer;
  let descent: Descent = null;
  for (;;) {
    const page = bufferPage(leaf);
    if (!isLeaf(page) || isDeleted(page)) {
      if (isHalfDead(page))
        log(
          `index "${rel.name}" contains a half-dead internal page`,
          'This can be caused by an interrupted VACUUM in version 9.3 or older, before upgrade. Please REINDEX it.',
        );
      if (isDeleted(page))
        log(
          `found deleted block ${bufferBlock(leaf)} while following right link from block ${scanBlock} in index "${rel.name}"`,
        );
      relBuffer(leaf);
      return;
    }
    // Rightmost pages and roots stay; others may have got items since they were found empty.
    if (isRightmost(page) || isRoot(page) || firstDataKey(page) <= pageMaxOffset(page) || isIncompleteSplit(page)) {
      relBuffer(leaf);
      return;
    }
    if (!isHalfDead(page)) {
      if (descent === null) {
        descent = descendToParent(rel, leaf);
        if (descent === null) {
          releaseBuffer(leaf);
          return;
        }
        lockPage(leaf, WRITE);
        // It was unlocked: look at it again.
        continue;
      }
      if (!markHalfDead(rel, leaf, descent)) {
        relBuffer(leaf);
        return;
      }
    }
    rightSiblingEmpty = false;
    while (isHalfDead(page)) if (!unlinkPage(deletion, leaf, scanBlock)) return;
    const right = btNext(page);
    relBuffer(leaf);
    checkForInterrupts();
    // The neighbour may have been kept only because it was its parent's last child.
    if (!rightSiblingEmpty) return;
    leaf = getBuffer(rel, right, WRITE);
  }
}
/** Result of unlinkPage: the right neighbour has no items. */
let rightSiblingEmpty = false;

/** The way to the leaf's parent, by searching for its high key. Unlocks the leaf. null: its left neighbour's split is
 *  not finished, so the leaf has no downlink yet. */
function descendToParent(rel: Relation, leaf: Buffer): Descent {
  const page = bufferPage(leaf);
  const highKey = itemAt(page, P_HIKEY);
  const size = tupleSize(highKey);
  const copy = scratch(size);
  copyTuple(highKey, copy, size);
  const left = btPrev(page);
  const block = bufferBlock(leaf);
  unlockPage(leaf);
  if (left !== P_NONE && leftSiblingIsSplit(rel, left, block)) return null;
  const key = keyOfTuple(btState(rel), copy, false);
  key.pivotSearch = true;
  const found = searchTree(rel, key, READ);
  const descent = takeDescent();
  key.release();
  relBuffer(found);
  return descent;
}
function leftSiblingIsSplit(rel: Relation, left: BlockNumber, target: BlockNumber): boolean {
  const buffer = getBuffer(rel, left, READ);
  const page = bufferPage(buffer);
  const result = btNext(page) === target && isIncompleteSplit(page);
  relBuffer(buffer);
  return result;
}
function rightSiblingIsHalfDead(rel: Relation, right: BlockNumber): boolean {
  const buffer = getBuffer(rel, right, READ);
  const result = isHalfDead(bufferPage(buffer));
  relBuffer(buffer);
  return result;
}

/** What lockSubtreeParent finds. */
interface Subtree {
  parent: Buffer;
  offset: OffsetNumber;
  top: BlockNumber;
  topRight: BlockNumber;
}

/** First phase: the leaf's key space goes to its right neighbour. False if it may not be deleted. */
function markHalfDead(rel: Relation, leaf: Buffer, descent: Descent): boolean {
  const page = bufferPage(leaf);
  const block = bufferBlock(leaf);
  const rightBlock = btNext(page);
  // A half-dead neighbour has no downlink that could take over ours.
  if (rightSiblingIsHalfDead(rel, rightBlock)) {
    report('DEBUG1', {
      message: `could not delete page ${block} because its right sibling ${rightBlock} is half-dead`,
    });
    return false;
  }
  const subtree: Subtree = { parent: 0, offset: 0, top: block, topRight: rightBlock };
  if (!lockSubtreeParent(rel, block, descent, subtree)) return false;
  const parentPage = bufferPage(subtree.parent);
  const { offset, top, topRight } = subtree;
  const following = downlink(itemAt(parentPage, offset + 1));
  if (following !== topRight)
    report('ERROR', {
      code: SQLSTATE.indexCorrupted,
      message:
        `right sibling ${topRight} of block ${top} is not next child ${following} of block ` +
        `${bufferBlock(subtree.parent)} in index "${rel.name}"`,
    });
  predicateLockPageCombine(rel, block, rightBlock);
  const stored = top !== block ? top : INVALID_BLOCK;
  const key = scratch(8);
  mem.u8.fill(0, key, key + 8);
  setTupleSize(key, 8);
  setTopParent(key, stored);
  beginCritical();
  // Our separator with the neighbour's downlink, and the neighbour's separator gone: so the neighbour's range grows left.
  setDownlink(itemAt(parentPage, offset), topRight);
  pageIndexTupleDelete(parentPage, offset + 1);
  addBtFlags(page, BTP.halfDead);
  if (!pageIndexTupleOverwrite(page, P_HIKEY, key, 8))
    report('ERROR', { message: 'could not overwrite high key in half-dead page' });
  markBufferDirty(subtree.parent);
  markBufferDirty(leaf);
  if (relationNeedsWal(rel)) {
    xlogBeginInsert();
    xlogRegisterBuffer(0, leaf, REGBUF.willInit);
    xlogRegisterBuffer(1, subtree.parent, REGBUF.standard);
    const at = walScratch(20);
    const { view } = mem;
    view.setUint32(at, offset, true);
    view.setUint32(at + 4, block, true);
    view.setUint32(at + 8, btPrev(page), true);
    view.setUint32(at + 12, rightBlock, true);
    view.setUint32(at + 16, stored, true);
    xlogRegisterData(at, 20);
    const lsn = xlogInsert(RM.btree, XLOG_BTREE.markPageHalfDead);
    pageSetLsn(parentPage, lsn);
    pageSetLsn(page, lsn);
  }
  endCritical();
  relBuffer(subtree.parent);
  return true;
}

/** Finds and locks the page that loses a downlink: the parent, or further up where the child is its parent's only one
 *  (then that parent goes too and becomes the subtree's top). False if nothing may be deleted. */
function lockSubtreeParent(rel: Relation, child: BlockNumber, descent: Descent, subtree: Subtree): boolean {
  if (descent === null) return false;
  const buffer = findParent(rel, descent, child);
  if (buffer === 0) {
    log(`failed to re-find parent key in index "${rel.name}" for deletion target page ${child}`);
    return false;
  }
  const parent = descent.block;
  const page = bufferPage(buffer);
  if (descent.offset < pageMaxOffset(page)) {
    subtree.parent = buffer;
    subtree.offset = descent.offset;
    return true;
  }
  // The last child can only go together with its parent, for there is no neighbour under the same parent to take over.
  if (descent.offset !== firstDataKey(page) || isRightmost(page)) {
    relBuffer(buffer);
    return false;
  }
  subtree.top = parent;
  subtree.topRight = btNext(page);
  const left = btPrev(page);
  // Nothing can be inserted into this parent while we hold its only child's lock.
  relBuffer(buffer);
  if (left !== P_NONE && leftSiblingIsSplit(rel, left, parent)) return false;
  return lockSubtreeParent(rel, parent, descent.parent, subtree);
}

/** Second phase, once per page of the subtree: takes its topmost page out of the chain. True: `leaf` is still locked.
 *  False: the index is damaged; everything was let go. */
function unlinkPage(deletion: PageDeletion, leaf: Buffer, scanBlock: BlockNumber): boolean {
  const { rel, stats } = deletion;
  const leafBlock = bufferBlock(leaf);
  const leafPage = bufferPage(leaf);
  const leafKey = itemAt(leafPage, P_HIKEY);
  const leafLeft = btPrev(leafPage);
  const leafRight = btNext(leafPage);
  let target = topParent(leafKey);
  unlockPage(leaf);
  checkForInterrupts();
  let buffer = leaf;
  let left = leafLeft;
  let level = 0;
  if (target === INVALID_BLOCK) target = leafBlock;
  else {
    buffer = getBuffer(rel, target, READ);
    left = btPrev(bufferPage(buffer));
    level = btLevel(bufferPage(buffer));
    unlockPage(buffer);
    lockPage(leaf, WRITE);
  }
  const internal = target !== leafBlock;

  // Locks from left to right: the left neighbour, which may have been split since we read its number.
  let leftBuffer: Buffer = 0;
  if (left !== P_NONE) {
    leftBuffer = getBuffer(rel, left, WRITE);
    for (;;) {
      const page = bufferPage(leftBuffer);
      if (!isDeleted(page) && btNext(page) === target) break;
      const valid = !(isRightmost(page) || isDeleted(page) || left === btNext(page));
      const next = btNext(page);
      relBuffer(leftBuffer);
      if (!valid) {
        log(
          `valid left sibling for deletion target could not be found: left sibling ${left} of target ${target} ` +
            `with leafblkno ${leafBlock} and scanblkno ${scanBlock} on level ${level} of index "${rel.name}"`,
        );
        releaseBuffer(buffer);
        if (internal) relBuffer(leaf);
        return false;
      }
      left = next;
      checkForInterrupts();
      leftBuffer = getBuffer(rel, left, WRITE);
    }
  }
  lockPage(buffer, WRITE);
  const page = bufferPage(buffer);
  checkTarget(rel, page, target, left, level, internal);
  let leafTop: BlockNumber = INVALID_BLOCK;
  if (internal) {
    // What remains of the subtree begins at the target's only child.
    leafTop = downlink(itemAt(page, firstDataKey(page)));
    if (leafTop === leafBlock) leafTop = INVALID_BLOCK;
  }
  const right = btNext(page);
  const rightBuffer = getBuffer(rel, right, WRITE);
  const rightPage = bufferPage(rightBuffer);
  if (btPrev(rightPage) !== target) {
    log(
      `right sibling's left-link doesn't match: right sibling ${right} of target ${target} with leafblkno ${leafBlock} ` +
        `and scanblkno ${scanBlock} spuriously links to non-target ${btPrev(rightPage)} on level ${level} of index "${rel.name}"`,
    );
    if (leftBuffer !== 0) relBuffer(leftBuffer);
    relBuffer(rightBuffer);
    relBuffer(buffer);
    if (internal) relBuffer(leaf);
    return false;
  }
  rightSiblingEmpty = firstDataKey(rightPage) > pageMaxOffset(rightPage);
  let metaBuffer: Buffer = 0;
  if (left === P_NONE && isRightmost(rightPage)) {
    // Only the right neighbour is left on this level: it is the fast root now.
    metaBuffer = getBuffer(rel, BTREE_METAPAGE, WRITE);
    if (metaFastLevel(bufferPage(metaBuffer)) > level + 1) {
      relBuffer(metaBuffer);
      metaBuffer = 0;
    }
  }

  beginCritical();
  if (leftBuffer !== 0) setBtNext(bufferPage(leftBuffer), right);
  setBtPrev(rightPage, left);
  if (internal) setTopParent(leafKey, leafTop);
  // Any scan that still has a link to the page began before now.
  const safeXid = readNextFullTransactionId();
  setPageDeleted(page, safeXid);
  setBtCycleId(page, 0);
  if (metaBuffer !== 0) {
    setMetaFastRoot(bufferPage(metaBuffer), right, level);
    markBufferDirty(metaBuffer);
  }
  markBufferDirty(rightBuffer);
  markBufferDirty(buffer);
  if (leftBuffer !== 0) markBufferDirty(leftBuffer);
  if (internal) markBufferDirty(leaf);
  if (relationNeedsWal(rel)) {
    xlogBeginInsert();
    xlogRegisterBuffer(0, buffer, REGBUF.willInit);
    if (leftBuffer !== 0) xlogRegisterBuffer(1, leftBuffer, REGBUF.standard);
    xlogRegisterBuffer(2, rightBuffer, REGBUF.standard);
    if (internal) xlogRegisterBuffer(3, leaf, REGBUF.willInit);
    const at = walScratch(36);
    const { view } = mem;
    view.setUint32(at, left, true);
    view.setUint32(at + 4, right, true);
    view.setUint32(at + 8, level, true);
    view.setUint32(at + 12, 0, true);
    view.setUint32(at + 16, safeXid >>> 0, true);
    view.setUint32(at + 20, Math.floor(safeXid / 0x1_0000_0000), true);
    view.setUint32(at + 24, leafLeft, true);
    view.setUint32(at + 28, leafRight, true);
    view.setUint32(at + 32, leafTop, true);
    xlogRegisterData(at, 36);
    let info: number = XLOG_BTREE.unlinkPage;
    if (metaBuffer !== 0) {
      info = XLOG_BTREE.unlinkPageMeta;
      xlogRegisterBuffer(4, metaBuffer, REGBUF.willInit | REGBUF.standard);
      registerMetadata(4, bufferPage(metaBuffer));
    }
    const lsn = xlogInsert(RM.btree, info);
    if (metaBuffer !== 0) pageSetLsn(bufferPage(metaBuffer), lsn);
    pageSetLsn(rightPage, lsn);
    pageSetLsn(page, lsn);
    if (leftBuffer !== 0) pageSetLsn(bufferPage(leftBuffer), lsn);
    if (internal) pageSetLsn(leafPage, lsn);
  }
  endCritical();
  if (metaBuffer !== 0) relBuffer(metaBuffer);
  if (leftBuffer !== 0) relBuffer(leftBuffer);
  relBuffer(rightBuffer);
  if (internal) relBuffer(buffer);
  stats.pagesNewlyDeleted++;
  // Pages before the scan's position will not be counted by it.
  if (target <= scanBlock) stats.pagesDeleted++;
  deletion.pending.add(target, safeXid);
  return true;
}

/** The target cannot change under VACUUM, of which there is only one; if it did the index is damaged. */
function checkTarget(
  rel: Relation,
  page: number,
  target: BlockNumber,
  left: BlockNumber,
  level: number,
  internal: boolean,
): void {
  if (isRightmost(page) || isRoot(page) || isDeleted(page))
    report('ERROR', {
      message: `target page changed status unexpectedly in block ${target} of index "${rel.name}"`,
    });
  if (btPrev(page) !== left)
    report('ERROR', {
      code: SQLSTATE.indexCorrupted,
      message: `target page left link unexpectedly changed from ${left} to ${btPrev(page)} in block ${target} of index "${rel.name}"`,
    });
  const first = firstDataKey(page);
  const max = pageMaxOffset(page);
  if (!internal) {
    if (first <= max || !isLeaf(page) || !isHalfDead(page))
      report('ERROR', {
        message: `target leaf page changed status unexpectedly in block ${target} of index "${rel.name}"`,
      });
  } else if (first !== max || isLeaf(page))
    report('ERROR', {
      message: `target internal page on level ${level} changed status unexpectedly in block ${target} of index "${rel.name}"`,
    });
}
