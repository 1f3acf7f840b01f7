/** verify.ts — is this file a B-tree? Order on pages, across pages and between levels, sibling links, high keys, downlinks.
 *
 *  For tests and tools: nobody may change the index meanwhile. Every violation is one line; an empty list is a sound index.
 *  Counterpart: contrib/amcheck/verify_nbtree.c (bt_index_parent_check) */
import { relationNblocks, type Relation } from '#access/common/relation-descriptor.ts';
import { btState } from '#access/nbtree/index-state.ts';
import { compareWithItem, compareWithTuple, type InsertKey, keyOfTuple } from '#access/nbtree/insert-key.ts';
import {
  BT_MAX_ITEM_SIZE_NO_HEAP_TID,
  BTREE_METAPAGE,
  btFlags,
  btLevel,
  btNext,
  btPrev,
  firstDataKey,
  isDeleted,
  isHalfDead,
  isIgnored,
  isIncompleteSplit,
  isLeaf,
  isRightmost,
  isRoot,
  maxAlign,
  P_HIKEY,
  P_NONE,
  readMeta,
} from '#access/nbtree/nbtree-layout.ts';
import { getBuffer, READ, relBuffer } from '#access/nbtree/page-access.ts';
import {
  downlink,
  isPivot,
  isPosting,
  NO_TID,
  nthTid,
  tidCount,
  tupleHeapTid,
  tupleNAtts,
  tupleSize,
} from '#access/nbtree/tuple.ts';
import { BLCKSZ, type BlockNumber, type ItemPointer, type OffsetNumber } from '#base/ids.ts';
import { mem } from '#shm/memory.ts';
import { privateAlloc, privateFree } from '#shm/private-memory.ts';
import { bufferPage } from '#storage/buffer/buffer-pool.ts';
import { itemAt, itemLength, pageMaxOffset } from '#storage/page/page.ts';

export interface VerifyResult {
  readonly problems: string[];
  readonly levels: number;
  readonly leafPages: number;
  /** TIDs in index order. */
  readonly tids: ItemPointer[];
}

class Verifier {
  readonly problems: string[] = [];
  readonly tids: ItemPointer[] = [];
  leafPages = 0;
  readonly copies: number[] = [];
  constructor(readonly rel: Relation) {}
  problem(block: BlockNumber, offset: OffsetNumber, what: string): void {
    this.problems.push(`block ${block}${offset > 0 ? ` item ${offset}` : ''}: ${what}`);
  }
  /** A private copy, so that keys may point into it after the page is let go. */
  page(block: BlockNumber): number {
    const buffer = getBuffer(this.rel, block, READ);
    const copy = privateAlloc(BLCKSZ);
    this.copies.push(copy);
    const page = bufferPage(buffer);
    mem.u8.copyWithin(copy, page, page + BLCKSZ);
    relBuffer(buffer);
    return copy;
  }

  run(): VerifyResult {
    const meta = readMeta(this.page(BTREE_METAPAGE));
    let levels = 0;
    if (meta.root !== P_NONE) {
      let expected: BlockNumber[] = [meta.root];
      for (let level = meta.level; level >= 0; level--) {
        levels++;
        expected = this.level(expected, level, meta.root);
      }
    }
    if (meta.fastLevel > meta.level) this.problem(0, 0, 'fast root above the root');
    for (const copy of this.copies) privateFree(copy);
    return { problems: this.problems, levels, leafPages: this.leafPages, tids: this.tids };
  }

  /** Walks a level from its left end; returns the downlinks of it in order. `expected`: those of the level above. */
  private level(expected: readonly BlockNumber[], level: number, root: BlockNumber): BlockNumber[] {
    const children: BlockNumber[] = [];
    const live: BlockNumber[] = [];
    let block = expected[0]!;
    let previous: BlockNumber = P_NONE;
    let lastKey: InsertKey | null = null;
    const seen = new Set<BlockNumber>();
    // The first downlink may lead to a page with half-dead or unlinked pages before it; start at the left end.
    for (let page = this.page(block); btPrev(page) !== P_NONE; page = this.page(block)) block = btPrev(page);
    while (block !== P_NONE) {
      if (seen.has(block) || block >= relationNblocks(this.rel)) {
        this.problem(block, 0, 'right links form a circle or lead nowhere');
        break;
      }
      seen.add(block);
      const page = this.page(block);
      if (isDeleted(page)) {
        this.problem(block, 0, 'deleted page in the chain');
        break;
      }
      if (btPrev(page) !== previous) this.problem(block, 0, `left link ${btPrev(page)}, expected ${previous}`);
      if (btLevel(page) !== level) this.problem(block, 0, `level ${btLevel(page)}, expected ${level}`);
      if (isLeaf(page) !== (level === 0)) this.problem(block, 0, `flags ${btFlags(page)} on level ${level}`);
      if (isRoot(page) !== (block === root)) this.problem(block, 0, 'root flag');
      if (!isIgnored(page)) {
        live.push(block);
        lastKey = this.items(page, block, level, lastKey, children);
        if (level === 0) this.leafPages++;
      } else if (!isHalfDead(page)) this.problem(block, 0, 'ignored but not half-dead');
      previous = block;
      block = btNext(page);
    }
    this.compareDownlinks(expected, live, level);
    return children;
  }
  /** Each live page has one downlink, in the same order; only the right half of an incomplete split has none. */
  private compareDownlinks(expected: readonly BlockNumber[], live: readonly BlockNumber[], level: number): void {
    let next = 0;
    for (let i = 0; i < live.length; i++) {
      if (expected[next] === live[i]) next++;
      else if (i === 0 || !isIncompleteSplit(this.page(live[i - 1]!)))
        this.problem(live[i]!, 0, `no downlink on level ${level + 1}`);
    }
    if (next !== expected.length) this.problem(expected[next]!, 0, `downlink without a live page on level ${level}`);
  }

  /** Items of a page against each other, the page's bounds, and (internal) their children. Returns the last item's key. */
  private items(
    page: number,
    block: BlockNumber,
    level: number,
    before: InsertKey | null,
    children: BlockNumber[],
  ): InsertKey | null {
    const state = btState(this.rel);
    const first = firstDataKey(page);
    const max = pageMaxOffset(page);
    let last = before;
    for (let offset = first; offset <= max; offset++) {
      const tup = itemAt(page, offset);
      if (tupleSize(tup) !== itemLength(page, offset))
        this.problem(block, offset, `tuple of ${tupleSize(tup)} bytes in an item of ${itemLength(page, offset)}`);
      if (maxAlign(tupleSize(tup)) > BT_MAX_ITEM_SIZE_NO_HEAP_TID) this.problem(block, offset, 'too large');
      if (level > 0) {
        if (!isPivot(tup)) this.problem(block, offset, 'no pivot tuple');
        if (offset === first) {
          if (tupleNAtts(tup, state.natts) !== 0) this.problem(block, offset, 'first item has a key');
        } else {
          this.checkChild(tup, block, offset);
        }
        children.push(downlink(tup));
      } else {
        if (isPivot(tup)) this.problem(block, offset, 'pivot tuple on a leaf');
        this.checkPosting(tup, block, offset);
      }
      if (level > 0 && offset === first) continue;
      if (last !== null && !isBefore(last, tup, state.natts)) this.problem(block, offset, 'not after the item before');
      last = keyOfTuple(state, tup, false);
      last.pivotSearch = true;
      if (isPosting(tup)) last.scanTid = nthTid(tup, tidCount(tup) - 1);
      if (!isRightmost(page)) {
        // On leaves the high key may be the last item itself; on internal pages it is the next page's lower bound.
        const highKey = itemAt(page, P_HIKEY);
        if (!isBefore(last, highKey, state.natts) && (level > 0 || compareWithTuple(last, highKey) !== 0))
          this.problem(block, offset, 'above the high key');
      }
    }
    return last;
  }
  private checkPosting(tup: number, block: BlockNumber, offset: OffsetNumber): void {
    const count = tidCount(tup);
    for (let i = 0; i < count; i++) {
      const tid = nthTid(tup, i);
      if (i > 0 && tid <= nthTid(tup, i - 1)) this.problem(block, offset, 'posting list not in order');
      this.tids.push(tid);
    }
  }
  /** All items of the child are at or above its separator. */
  private checkChild(tup: number, block: BlockNumber, offset: OffsetNumber): void {
    const child = this.page(downlink(tup));
    if (isDeleted(child)) {
      this.problem(block, offset, `downlink to deleted page ${downlink(tup)}`);
      return;
    }
    if (isHalfDead(child)) return;
    const first = firstDataKey(child);
    const from = isLeaf(child) ? first : first + 1;
    const key = keyOfTuple(btState(this.rel), tup, false);
    key.pivotSearch = true;
    if (from <= pageMaxOffset(child) && compareWithItem(key, child, from) > 0)
      this.problem(block, offset, `separator above the first item of child ${downlink(tup)}`);
  }
}

/** Does the key sort before the tuple, where columns and TIDs that truncation took are minus infinity? */
function isBefore(key: InsertKey, tup: number, all: number): boolean {
  const order = compareWithTuple(key, tup);
  if (order !== 0) return order < 0;
  return key.scanTid === NO_TID && (tupleNAtts(tup, all) > key.keySize || tupleHeapTid(tup) !== NO_TID);
}

export function verifyBtree(rel: Relation): VerifyResult {
  return new Verifier(rel).run();
}
