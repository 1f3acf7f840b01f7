/** scan.ts — reading an index in order, forward and backward.
 *
 *  The first call finds where the range begins, later ones go from item to item and from page to page. Between calls the
 *  scan holds no lock; an MVCC scan that will visit the heap anyway holds no pin either, so that VACUUM need not wait.
 *  Counterpart: _bt_first(), _bt_next(), _bt_readpage(), _bt_steppage() … of src/backend/access/nbtree/nbtsearch.c */
import type { IndexScanState, ScanDirection } from '#access/common/index-scan.ts';
import type { KeyArgument } from '#access/common/key-compare.ts';
import { relationNeedsWal, type Relation } from '#access/common/relation-descriptor.ts';
import { BT_STRATEGY, type ScanKey, SK } from '#access/common/scan-key.ts';
import { btState } from '#access/nbtree/index-state.ts';
import { columnArgument, InsertKey } from '#access/nbtree/insert-key.ts';
import { killItems } from '#access/nbtree/kill-items.ts';
import {
  btNext,
  btPrev,
  firstDataKey,
  isDeleted,
  isIgnored,
  isLeftmost,
  isRightmost,
  MAX_TIDS_PER_PAGE,
  P_HIKEY,
  P_NONE,
} from '#access/nbtree/nbtree-layout.ts';
import {
  getBuffer,
  getRoot,
  lockPage,
  READ,
  relBuffer,
  releaseAndGetBuffer,
  unlockPage,
} from '#access/nbtree/page-access.ts';
import { type BtKey, ScanQuals, scanMayContinue } from '#access/nbtree/scan-keys.ts';
import { giveScanPosition, type ScanPosition, takeScanPosition } from '#access/nbtree/scan-position.ts';
import { binarySearch, getEndpoint, searchTree } from '#access/nbtree/search.ts';
import {
  copyTuple,
  isPosting,
  postingCount,
  postingOffset,
  postingTid,
  readTid,
  setTupleSize,
  tupleNAtts,
  tupleSize,
} from '#access/nbtree/tuple.ts';
import { maxAlign } from '#access/nbtree/nbtree-layout.ts';
import type { BlockNumber, Buffer, OffsetNumber } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { bufferBlock, bufferLsnAtomic, bufferPage } from '#storage/buffer/buffer-pool.ts';
import { incrBufferRefCount } from '#storage/buffer/pin.ts';
import { predicateLockPage, predicateLockRelation } from '#storage/lmgr/predicate.ts';
import { itemAt, itemFlags, pageMaxOffset } from '#storage/page/page.ts';

const LP_DEAD = 3;
const { less, lessEqual, equal, greaterEqual, greater } = BT_STRATEGY;

/** BTScanOpaqueData. */
export class BtScan {
  readonly current: ScanPosition = takeScanPosition();
  /** Made when first needed. */
  mark: ScanPosition | null = null;
  /** The marked item while it is on the current page, -1 otherwise. */
  markItemIndex = -1;
  quals: ScanQuals | null = null;
  /** Arrays were given their first elements. */
  killed: Int32Array | null = null;
  killedCount = 0;
  /** The pin may be dropped between calls. */
  readonly dropPin: boolean;
  constructor(readonly scan: IndexScanState) {
    this.dropPin = scan.snapshot !== null && scan.snapshot.kind === 'mvcc' && relationNeedsWal(scan.index);
  }
  get rel(): Relation {
    return this.scan.index;
  }

  // ── life ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  rescan(keys: readonly ScanKey[] | null): void {
    this.leave();
    this.markItemIndex = -1;
    this.mark?.unpin();
    this.mark?.invalidate();
    if (keys !== null || this.quals === null) {
      this.quals?.release();
      this.quals = new ScanQuals(btState(this.rel), keys ?? []);
    }
  }
  end(): void {
    this.leave();
    this.markItemIndex = -1;
    if (this.mark !== null) {
      this.mark.unpin();
      giveScanPosition(this.mark);
      this.mark = null;
    }
    this.quals?.release();
    this.quals = null;
    giveScanPosition(this.current);
  }
  private leave(): void {
    if (!this.current.valid) return;
    if (this.killedCount > 0) killItems(this);
    this.current.unpin();
    this.current.invalidate();
  }

  // ── tuples ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  getTuple(direction: ScanDirection): boolean {
    const quals = this.quals!;
    const forward = direction > 0;
    if (quals.arraysEmpty) return false;
    if (!this.current.valid && quals.arrays.length > 0) quals.startArrays(forward);
    for (;;) {
      let found: boolean;
      if (!this.current.valid) found = this.first(forward);
      else {
        if (this.scan.killPriorTuple) this.rememberKilled();
        found = this.next(forward);
      }
      if (found) {
        this.publish();
        return true;
      }
      if (quals.arrays.length === 0 || !quals.advanceArrays(forward)) return false;
    }
  }
  private rememberKilled(): void {
    this.killed ??= new Int32Array(MAX_TIDS_PER_PAGE);
    // Turning around may bring an item twice; what does not fit is only a hint lost.
    if (this.killedCount < MAX_TIDS_PER_PAGE) this.killed[this.killedCount++] = this.current.itemIndex;
  }
  private publish(): void {
    const { current, scan } = this;
    scan.heapTid = current.heapTids[current.itemIndex]!;
    if (scan.wantTuple) scan.itupAt = current.tuples + current.tupleOffsets[current.itemIndex]!;
  }

  // ── mark and restore ───────────────────────────────────────────────────────────────────────────────────────────────

  markPosition(): void {
    this.mark?.unpin();
    if (this.current.valid) this.markItemIndex = this.current.itemIndex;
    else {
      this.mark?.invalidate();
      this.markItemIndex = -1;
    }
    this.quals!.markArrays();
  }
  restorePosition(): void {
    if (this.quals!.restoreArrays()) this.quals!.preprocess();
    if (this.markItemIndex >= 0) {
      this.current.itemIndex = this.markItemIndex;
      return;
    }
    if (this.current.valid) {
      if (this.killedCount > 0) killItems(this);
      this.current.unpin();
    }
    if (this.mark !== null && this.mark.valid) {
      if (this.mark.buffer !== 0) incrBufferRefCount(this.mark.buffer);
      this.current.copyFrom(this.mark);
    } else this.current.invalidate();
  }

  // ── beginning ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Finds the first item of the range (the last, backward). */
  private first(forward: boolean): boolean {
    const quals = this.quals!;
    if (this.scan.wantTuple) {
      this.current.wantTuples();
      this.scan.itupDesc = this.rel.tupleDesc;
    }
    quals.preprocess();
    if (!quals.satisfiable) {
      this.current.invalidate();
      return false;
    }
    const start = startingKeys(this, forward);
    if (start === null) return false;
    const { args, strategy } = start;
    if (args.length === 0) return this.fromEnd(forward);
    const key = new InsertKey(btState(this.rel), args);
    // nextKey: land after the key instead of at it; back: then step back one item.
    let back = false;
    switch (strategy) {
      case less:
        back = true;
        break;
      case lessEqual:
        key.nextKey = true;
        back = true;
        break;
      case equal:
        if (!forward) {
          key.nextKey = true;
          back = true;
        }
        break;
      case greater:
        key.nextKey = true;
        break;
      default:
        break;
    }
    key.keySize = args.length;
    const buffer = searchTree(this.rel, key, READ);
    if (buffer === 0) {
      // An empty index has no page to lock.
      if (this.scan.snapshot !== null) predicateLockRelation(this.rel, this.scan.snapshot);
      this.current.invalidate();
      return false;
    }
    this.lockPredicate(bufferBlock(buffer));
    this.initializeMoreData(forward);
    let offset = binarySearch(key, bufferPage(buffer));
    if (back) offset--;
    return this.beginAt(buffer, offset, forward);
  }
  /** No key says where to begin: the end of the index. */
  private fromEnd(forward: boolean): boolean {
    const buffer = getEndpoint(this.rel, getRoot(this.rel, READ), 0, !forward);
    if (buffer === 0) {
      if (this.scan.snapshot !== null) predicateLockRelation(this.rel, this.scan.snapshot);
      this.current.invalidate();
      return false;
    }
    this.lockPredicate(bufferBlock(buffer));
    const page = bufferPage(buffer);
    this.initializeMoreData(forward);
    return this.beginAt(buffer, forward ? firstDataKey(page) : pageMaxOffset(page), forward);
  }
  private beginAt(buffer: Buffer, offset: OffsetNumber, forward: boolean): boolean {
    this.current.buffer = buffer;
    if (this.readPage(offset, forward)) {
      this.dropLock();
      return true;
    }
    unlockPage(buffer);
    return this.stepPage(forward);
  }
  private lockPredicate(block: BlockNumber): void {
    if (this.scan.snapshot !== null) predicateLockPage(this.rel, block, this.scan.snapshot);
  }
  private initializeMoreData(forward: boolean): void {
    this.current.moreLeft = !forward;
    this.current.moreRight = forward;
    this.killedCount = 0;
    this.markItemIndex = -1;
  }
  private dropLock(): void {
    unlockPage(this.current.buffer);
    // Index-only scans keep the pin: their caller trusts the visibility map, which VACUUM's cleanup lock protects.
    if (this.dropPin && !this.scan.wantTuple) this.current.unpin();
  }

  // ── pages ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  private next(forward: boolean): boolean {
    const { current } = this;
    if (forward) {
      if (++current.itemIndex <= current.lastItem) return true;
    } else if (--current.itemIndex >= current.firstItem) return true;
    return this.stepPage(forward);
  }

  /** Collects the page's matching items; false if there is none. The page is locked. */
  private readPage(from: OffsetNumber, forward: boolean): boolean {
    const { current, scan } = this;
    const quals = this.quals!;
    const page = bufferPage(current.buffer);
    const { natts } = quals.state;
    const minOffset = firstDataKey(page);
    const maxOffset = pageMaxOffset(page);
    current.page = bufferBlock(current.buffer);
    current.lsn = bufferLsnAtomic(current.buffer);
    current.nextPage = btNext(page);
    current.nextTupleOffset = 0;
    const skipKilled = scan.ignoreKilledTuples;
    if (forward) {
      let index = 0;
      let goOn = true;
      for (let offset = from < minOffset ? minOffset : from; offset <= maxOffset; offset++) {
        if (skipKilled && itemFlags(page, offset) === LP_DEAD) continue;
        const tup = itemAt(page, offset);
        if (quals.checkTuple(tup, natts, true)) index = this.save(tup, offset, index, 1);
        if (!scanMayContinue()) {
          goOn = false;
          break;
        }
      }
      // The high key may show that the next page has nothing for us.
      if (goOn && !isRightmost(page)) {
        const highKey = itemAt(page, P_HIKEY);
        quals.checkTuple(highKey, tupleNAtts(highKey, natts), true);
        goOn = scanMayContinue();
      }
      if (!goOn) current.moreRight = false;
      current.firstItem = 0;
      current.lastItem = index - 1;
      current.itemIndex = 0;
    } else {
      let index = MAX_TIDS_PER_PAGE;
      for (let offset = from > maxOffset ? maxOffset : from; offset >= minOffset; offset--) {
        // The first item is looked at even if it is dead: it may show that the page to the left has nothing for us.
        const alive = !(skipKilled && itemFlags(page, offset) === LP_DEAD);
        if (!alive && offset > minOffset) continue;
        const tup = itemAt(page, offset);
        if (quals.checkTuple(tup, natts, false) && alive) index = this.save(tup, offset, index, -1);
        if (!scanMayContinue()) {
          current.moreLeft = false;
          break;
        }
      }
      current.firstItem = index;
      current.lastItem = MAX_TIDS_PER_PAGE - 1;
      current.itemIndex = MAX_TIDS_PER_PAGE - 1;
    }
    return current.firstItem <= current.lastItem;
  }
  /** Remembers a tuple's TIDs from `index` on (backward: below it); returns the next index. */
  private save(tup: number, offset: OffsetNumber, at: number, step: 1 | -1): number {
    const { current } = this;
    const posting = isPosting(tup);
    let copied = 0;
    if (current.tuples !== 0) {
      copied = current.nextTupleOffset;
      // Of a posting list tuple only the key: one copy serves all its TIDs.
      const size = posting ? postingOffset(tup) : tupleSize(tup);
      const to = current.tuples + copied;
      copyTuple(tup, to, size);
      if (posting) setTupleSize(to, size);
      current.nextTupleOffset += maxAlign(size);
    }
    if (!posting) {
      if (step > 0) {
        current.set(at, readTid(tup), offset, copied);
        return at + 1;
      }
      current.set(at - 1, readTid(tup), offset, copied);
      return at - 1;
    }
    const count = postingCount(tup);
    let index = at;
    for (let i = 0; i < count; i++) {
      if (step > 0) {
        current.set(index, postingTid(tup, i), offset, copied);
        index++;
      } else {
        index--;
        current.set(index, postingTid(tup, i), offset, copied);
      }
    }
    return index;
  }

  /** To the next page with matches. The current page is not locked, perhaps pinned. */
  private stepPage(forward: boolean): boolean {
    const { current } = this;
    if (this.killedCount > 0) killItems(this);
    if (this.markItemIndex >= 0) {
      this.mark ??= takeScanPosition();
      if (current.buffer !== 0) incrBufferRefCount(current.buffer);
      this.mark.copyFrom(current);
      this.mark.itemIndex = this.markItemIndex;
      this.markItemIndex = -1;
    }
    let block = current.page;
    if (forward) {
      block = current.nextPage;
      current.moreLeft = true;
      current.unpin();
    } else current.moreRight = true;
    if (!(forward ? this.readRight(block) : this.readLeft())) return false;
    this.dropLock();
    return true;
  }
  private readRight(from: BlockNumber): boolean {
    const { current } = this;
    let block = from;
    for (;;) {
      if (block === P_NONE || !current.moreRight) {
        current.invalidate();
        return false;
      }
      checkForInterrupts();
      current.buffer = getBuffer(this.rel, block, READ);
      const page = bufferPage(current.buffer);
      if (!isIgnored(page)) {
        this.lockPredicate(block);
        if (this.readPage(firstDataKey(page), true)) return true;
      }
      block = btNext(page);
      relBuffer(current.buffer);
      current.buffer = 0;
    }
  }
  private readLeft(): boolean {
    const { current } = this;
    if (current.buffer !== 0) lockPage(current.buffer, READ);
    else current.buffer = getBuffer(this.rel, current.page, READ);
    for (;;) {
      if (!current.moreLeft) {
        relBuffer(current.buffer);
        current.invalidate();
        return false;
      }
      current.buffer = walkLeft(this.rel, current.buffer);
      if (current.buffer === 0) {
        current.invalidate();
        return false;
      }
      const page = bufferPage(current.buffer);
      if (isIgnored(page)) continue;
      this.lockPredicate(bufferBlock(current.buffer));
      if (this.readPage(pageMaxOffset(page), false)) return true;
    }
  }
}

/** The live page to the left, locked; 0 at the left end. Gives the given one back. Left links are only hints: the neighbour
 *  may have been split, or our page deleted, while no lock was held. */
export function walkLeft(rel: Relation, from: Buffer): Buffer {
  let buffer = from;
  for (;;) {
    let page = bufferPage(buffer);
    if (isLeftmost(page)) {
      relBuffer(buffer);
      return 0;
    }
    const original = bufferBlock(buffer);
    const left = btPrev(page);
    relBuffer(buffer);
    checkForInterrupts();
    buffer = getBuffer(rel, left, READ);
    page = bufferPage(buffer);
    // Half-dead pages are still in the chain, deleted ones are not. More than four splits are unlikely: then rather see
    // whether the original page was deleted.
    for (let tries = 0; ; ) {
      if (!isDeleted(page) && btNext(page) === original) return buffer;
      if (isRightmost(page) || ++tries > 4) break;
      buffer = releaseAndGetBuffer(rel, buffer, btNext(page), READ);
      page = bufferPage(buffer);
    }
    buffer = releaseAndGetBuffer(rel, buffer, original, READ);
    page = bufferPage(buffer);
    if (isDeleted(page)) {
      // Its key space went to the next live page at the right; to the left of that one is what we want.
      while (isDeleted(page)) {
        if (isRightmost(page)) report('ERROR', { message: `fell off the end of index "${rel.name}"` });
        buffer = releaseAndGetBuffer(rel, buffer, btNext(page), READ);
        page = bufferPage(buffer);
      }
    } else if (btPrev(page) === left)
      report('ERROR', { message: `could not find left sibling of block ${original} in index "${rel.name}"` });
  }
}

/** Which conditions say where the scan begins: for each leading column its = or its bound on the side where the scan
 *  starts; after a bound that is not “or equal” no further column helps. null: nothing can match. */
function startingKeys(bt: BtScan, forward: boolean): { args: KeyArgument[]; strategy: number } | null {
  const quals = bt.quals!;
  const { keys, state } = quals;
  const chosenKeys: (BtKey | null)[] = [];
  const args: KeyArgument[] = [];
  let total: number = equal;
  let attno = 1;
  let chosen: BtKey | null = null;
  /** A condition that no NULL satisfies, so that the scan can begin behind the NULLs. */
  let impliesNotNull: BtKey | null = null;
  if (keys.length > 0)
    for (let i = 0; ; i++) {
      const key = i < keys.length ? keys[i]! : null;
      if (key === null || key.attno !== attno) {
        if (chosen === null) {
          if (impliesNotNull === null) break;
          const nullsFirst = (impliesNotNull.flags & SK.btNullsFirst) !== 0;
          if (nullsFirst !== forward) break;
          const notNull = columnArgument(state, attno - 1);
          notNull.setNull();
          args.push(notNull);
          chosenKeys.push(null);
          total = nullsFirst ? greater : less;
          break;
        }
        args.push(chosen.arg);
        chosenKeys.push(chosen);
        if (chosen.strategy !== equal) {
          total = chosen.strategy;
          if (total === greater || total === less) break;
        }
        if (key === null || key.attno !== attno + 1) break;
        attno = key.attno;
        chosen = null;
        impliesNotNull = null;
      }
      if (key === null) break;
      if (key.strategy === equal) chosen = key;
      else if (chosen === null) {
        if (key.strategy < equal !== forward) chosen = key;
        else impliesNotNull = key;
      }
    }
  // A row comparison is represented by its first member; the others help if it is the last of the keys.
  for (let i = 0; i < chosenKeys.length; i++) {
    const members = chosenKeys[i]?.members;
    if (!members) continue;
    if ((members[0]!.flags & SK.isNull) !== 0) {
      bt.current.invalidate();
      return null;
    }
    args[i] = members[0]!.arg;
    if (i !== chosenKeys.length - 1) continue;
    let usedAll = false;
    for (let m = 1; m < members.length; m++) {
      const member = members[m]!;
      if (member.attno !== args.length + 1) break;
      if (member.strategy !== chosenKeys[i]!.strategy) break;
      if ((member.flags & SK.isNull) !== 0) break;
      args.push(member.arg);
      if (m === members.length - 1) usedAll = true;
    }
    // Without its last columns the comparison can only be taken as “or equal”.
    if (!usedAll) {
      if (total === less) total = lessEqual;
      else if (total === greater) total = greaterEqual;
    }
  }
  return { args, strategy: total };
}
