/** insert-on-page.ts — the insertion itself, once page and offset are known; splits the page if it must.
 *
 *  On internal pages it finishes the split below: `child` is the left half, locked, whose flag is cleared in the same
 *  record as the new downlink. After a split the same function inserts the right half's downlink one level up.
 *  Counterpart: _bt_insertonpg(), _bt_insert_parent(), _bt_newroot() of nbtinsert.c */
import { relationNeedsWal, type Relation } from '#access/common/relation-descriptor.ts';
import { btState } from '#access/nbtree/index-state.ts';
import type { InsertKey } from '#access/nbtree/insert-key.ts';
import {
  BTP,
  BTREE_METAPAGE,
  btLevel,
  BT_SPECIAL,
  clearBtFlags,
  isIncompleteSplit,
  isLeaf,
  isLeftmost,
  isRightmost,
  isRoot,
  maxAlign,
  metaFastLevel,
  P_FIRSTKEY,
  P_HIKEY,
  P_NONE,
  setBtOpaque,
  setMetaFastRoot,
  setMetaRoot,
} from '#access/nbtree/nbtree-layout.ts';
import {
  allocateBuffer,
  getBuffer,
  getRootHeight,
  getTrueRoot,
  registerMetadata,
  relBuffer,
  WRITE,
} from '#access/nbtree/page-access.ts';
import { swapPosting } from '#access/nbtree/posting.ts';
import { scratch } from '#access/nbtree/scratch.ts';
import { type Descent, type DescentStep, getEndpoint } from '#access/nbtree/search.ts';
import { findParent, splitPage } from '#access/nbtree/split.ts';
import { copyTuple, setDownlink, setTupleNAtts, setTupleSize, tupleSize } from '#access/nbtree/tuple.ts';
import { XLOG_BTREE } from '#access/nbtree/wal-records.ts';
import type { Buffer, OffsetNumber } from '#base/ids.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { mem } from '#shm/memory.ts';
import { bufferBlock, bufferPage } from '#storage/buffer/buffer-pool.ts';
import { xlogRegisterBuffer } from '#storage/buffer/buffer-wal.ts';
import { markBufferDirty } from '#storage/buffer/dirty.ts';
import { predicateLockPageSplit } from '#storage/lmgr/predicate.ts';
import { itemAt, itemLength, pageAddItem, pageFreeSpace, pageSetLsn, pageUpper } from '#storage/page/page.ts';
import { REGBUF, walScratch, xlogBeginInsert, xlogInsert, xlogRegisterBufData, xlogRegisterData } from '#wal/insert.ts';
import { RM } from '#wal/rmgr-ids.ts';

/** Below this height the descent is so short that remembering the rightmost leaf gains nothing. */
const FASTPATH_MIN_LEVEL = 2;

/** Lets go of `buffer` and `child`. `postingOffset` not 0: the item at `offset` is a posting list that takes the new TID
 *  in and gives its highest away. */
export function insertOnPage(
  rel: Relation,
  key: InsertKey | null,
  buffer: Buffer,
  child: Buffer,
  descent: Descent,
  tup: number,
  itemSize: number,
  at: OffsetNumber,
  postingOffset: number,
  splitOnlyPage: boolean,
): void {
  const page = bufferPage(buffer);
  const leaf = isLeaf(page);
  if (isIncompleteSplit(page))
    report('ERROR', { message: `cannot insert to incompletely split page ${bufferBlock(buffer)}` });
  let item = tup;
  let offset = at;
  let posting = 0;
  let newPosting = 0;
  if (postingOffset !== 0) {
    posting = itemAt(page, offset);
    item = scratch(tupleSize(tup));
    copyTuple(tup, item, tupleSize(tup));
    newPosting = swapPosting(item, posting, postingOffset);
    offset++;
  }
  if (pageFreeSpace(page) < itemSize) {
    const root = isRoot(page);
    const only = isLeftmost(page) && isRightmost(page);
    const right = splitPage(rel, key, buffer, child, offset, itemSize, item, tup, newPosting, postingOffset);
    predicateLockPageSplit(rel, bufferBlock(buffer), bufferBlock(right));
    insertParent(rel, buffer, right, descent, root, only);
    return;
  }
  let metaBuffer: Buffer = 0;
  if (splitOnlyPage) {
    // The page below was alone on its level, perhaps the fast root: then this page is the fast root now.
    metaBuffer = getBuffer(rel, BTREE_METAPAGE, WRITE);
    if (metaFastLevel(bufferPage(metaBuffer)) >= btLevel(page)) {
      relBuffer(metaBuffer);
      metaBuffer = 0;
    }
  }
  beginCritical();
  if (postingOffset !== 0) copyTuple(newPosting, posting, maxAlign(tupleSize(newPosting)));
  if (pageAddItem(page, item, itemSize, offset, false, false) === 0)
    report('PANIC', { message: `failed to add new item to block ${bufferBlock(buffer)} in index "${rel.name}"` });
  markBufferDirty(buffer);
  if (metaBuffer !== 0) {
    setMetaFastRoot(bufferPage(metaBuffer), bufferBlock(buffer), btLevel(page));
    markBufferDirty(metaBuffer);
  }
  if (!leaf) {
    clearBtFlags(bufferPage(child), BTP.incompleteSplit);
    markBufferDirty(child);
  }
  if (relationNeedsWal(rel)) logInsert(buffer, child, metaBuffer, item, tup, offset, postingOffset);
  endCritical();
  if (metaBuffer !== 0) relBuffer(metaBuffer);
  if (!leaf) relBuffer(child);
  const remember = leaf && isRightmost(page) && !isRoot(page) ? bufferBlock(buffer) : -1;
  relBuffer(buffer);
  // The height is asked for without holding a page.
  if (remember >= 0 && getRootHeight(rel) >= FASTPATH_MIN_LEVEL) btState(rel).targetBlock = remember;
}

function logInsert(
  buffer: Buffer,
  child: Buffer,
  metaBuffer: Buffer,
  item: number,
  original: number,
  offset: OffsetNumber,
  postingOffset: number,
): void {
  const leaf = child === 0;
  xlogBeginInsert();
  const at = walScratch(2);
  mem.view.setUint16(at, offset, true);
  xlogRegisterData(at, 2);
  let info: number = XLOG_BTREE.insertLeaf;
  if (postingOffset !== 0) info = XLOG_BTREE.insertPost;
  else if (!leaf) {
    info = XLOG_BTREE.insertUpper;
    xlogRegisterBuffer(1, child, REGBUF.standard);
    if (metaBuffer !== 0) {
      info = XLOG_BTREE.insertMeta;
      xlogRegisterBuffer(2, metaBuffer, REGBUF.willInit | REGBUF.standard);
      registerMetadata(2, bufferPage(metaBuffer));
    }
  }
  xlogRegisterBuffer(0, buffer, REGBUF.standard);
  if (postingOffset === 0) xlogRegisterBufData(0, item, tupleSize(item));
  else {
    // Replay does the exchange again, so it needs the tuple as it came.
    const postingAt = walScratch(2);
    mem.view.setUint16(postingAt, postingOffset, true);
    xlogRegisterBufData(0, postingAt, 2);
    xlogRegisterBufData(0, original, tupleSize(original));
  }
  const lsn = xlogInsert(RM.btree, info);
  if (metaBuffer !== 0) pageSetLsn(bufferPage(metaBuffer), lsn);
  if (!leaf) pageSetLsn(bufferPage(child), lsn);
  pageSetLsn(bufferPage(buffer), lsn);
}

/** Inserts the downlink of a page's new right half into the parent, or makes a new root. Lets go of both halves. */
export function insertParent(
  rel: Relation,
  left: Buffer,
  right: Buffer,
  descent: Descent,
  wasRoot: boolean,
  wasOnly: boolean,
): void {
  if (wasRoot) {
    const root = newRoot(rel, left, right);
    relBuffer(root);
    relBuffer(right);
    relBuffer(left);
    return;
  }
  const leftBlock = bufferBlock(left);
  const rightBlock = bufferBlock(right);
  const leftPage = bufferPage(left);
  let step: DescentStep | null = descent;
  if (step === null) {
    // We came to what was the root, or over the fast path, or in replay: search the level above from its left end.
    report('DEBUG2', { message: 'concurrent ROOT page split' });
    const parent = getEndpoint(rel, getTrueRoot(rel), btLevel(leftPage) + 1, false);
    step = { block: bufferBlock(parent), offset: 0, parent: null };
    relBuffer(parent);
  }
  // The left half's high key is the lower bound of the right half.
  const highKey = itemAt(leftPage, P_HIKEY);
  const size = tupleSize(highKey);
  const pivot = scratch(size);
  copyTuple(highKey, pivot, size);
  setDownlink(pivot, rightBlock);
  const parent = findParent(rel, step, leftBlock);
  relBuffer(right);
  if (parent === 0)
    report('ERROR', {
      code: SQLSTATE.indexCorrupted,
      message: `failed to re-find parent key in index "${rel.name}" for split pages ${leftBlock}/${rightBlock}`,
    });
  insertOnPage(rel, null, parent, left, step.parent, pivot, maxAlign(size), step.offset + 1, 0, wasOnly);
}

/** A root above the two halves of the old one. Returns it locked; the meta page names it. */
function newRoot(rel: Relation, left: Buffer, right: Buffer): Buffer {
  const leftPage = bufferPage(left);
  const leftBlock = bufferBlock(left);
  const rightBlock = bufferBlock(right);
  const rootBuffer = allocateBuffer(rel);
  const rootPage = bufferPage(rootBuffer);
  const rootBlock = bufferBlock(rootBuffer);
  const metaBuffer = getBuffer(rel, BTREE_METAPAGE, WRITE);
  const metaPage = bufferPage(metaBuffer);
  // The left child's separator is minus infinity: a header without key.
  const leftItem = scratch(8);
  mem.u8.fill(0, leftItem, leftItem + 8);
  setTupleSize(leftItem, 8);
  setDownlink(leftItem, leftBlock);
  setTupleNAtts(leftItem, 0, false);
  const highKey = itemAt(leftPage, P_HIKEY);
  const rightSize = itemLength(leftPage, P_HIKEY);
  const rightItem = scratch(rightSize);
  copyTuple(highKey, rightItem, rightSize);
  setDownlink(rightItem, rightBlock);
  const level = btLevel(leftPage) + 1;
  beginCritical();
  setBtOpaque(rootPage, P_NONE, P_NONE, level, BTP.root);
  setMetaRoot(metaPage, rootBlock, level);
  setMetaFastRoot(metaPage, rootBlock, level);
  if (pageAddItem(rootPage, leftItem, 8, P_HIKEY, false, false) === 0)
    report('PANIC', {
      message: `failed to add leftkey to new root page while splitting block ${leftBlock} of index "${rel.name}"`,
    });
  if (pageAddItem(rootPage, rightItem, rightSize, P_FIRSTKEY, false, false) === 0)
    report('PANIC', {
      message: `failed to add rightkey to new root page while splitting block ${leftBlock} of index "${rel.name}"`,
    });
  clearBtFlags(leftPage, BTP.incompleteSplit);
  markBufferDirty(left);
  markBufferDirty(rootBuffer);
  markBufferDirty(metaBuffer);
  if (relationNeedsWal(rel)) {
    xlogBeginInsert();
    const at = walScratch(8);
    mem.view.setUint32(at, rootBlock, true);
    mem.view.setUint32(at + 4, level, true);
    xlogRegisterData(at, 8);
    xlogRegisterBuffer(0, rootBuffer, REGBUF.willInit);
    xlogRegisterBuffer(1, left, REGBUF.standard);
    xlogRegisterBuffer(2, metaBuffer, REGBUF.willInit | REGBUF.standard);
    registerMetadata(2, metaPage);
    const upper = pageUpper(rootPage);
    xlogRegisterBufData(0, rootPage + upper, BT_SPECIAL - upper);
    const lsn = xlogInsert(RM.btree, XLOG_BTREE.newRoot);
    pageSetLsn(leftPage, lsn);
    pageSetLsn(rootPage, lsn);
    pageSetLsn(metaPage, lsn);
  }
  endCritical();
  relBuffer(metaBuffer);
  return rootBuffer;
}
