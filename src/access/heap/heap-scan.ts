/** heap-scan.ts — reading a table from end to end.
 *
 *  Page at a time: for an MVCC snapshot all tuples of a page are judged under one lock, then handed out with only a pin
 *  held. Other snapshots judge tuple by tuple. A big table is read through a ring of buffers, and, where allowed, from
 *  the place where another scan of it is reading (synchronized scans).
 *  Cost: about 25 ns a visible tuple, without deforming.
 *  Counterpart: heap_beginscan() … heap_getnext() of src/backend/access/heap/heapam.c */
import { heapDeform } from '#access/common/heap-tuple.ts';
import { type Relation, relationNblocks, relReadBuffer } from '#access/common/relation-descriptor.ts';
import { SK, type ScanKey } from '#access/common/scan-key.ts';
import { heapCheckForSerializableConflictOut } from '#access/heap/heap-fetch.ts';
import { LP_MASK, LP_NORMAL } from '#access/heap/line-pointers.ts';
import { heapPagePruneOpt } from '#access/heap/prune.ts';
import { syncScanGetLocation, syncScanReportLocation } from '#access/heap/sync-scan.ts';
import { heapTupleSatisfies, heapTupleSatisfiesMvcc } from '#access/heap/visibility.ts';
import type { Datum } from '#adt/datum.ts';
import {
  type BlockNumber,
  type Buffer,
  INVALID_BLOCK,
  INVALID_BUFFER,
  INVALID_TID,
  type ItemPointer,
  makeTid,
  tidBlock,
  tidOffset,
} from '#base/ids.ts';
import { assert } from '#base/assert.ts';
import { settings } from '#runtime/guc/guc.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { mem } from '#shm/memory.ts';
import { pgstatCountHeapGetnext, pgstatCountHeapScan } from '#stats/relation-counters.ts';
import { BUFFER_LOCK, RBM } from '#storage/buffer/buffer-layout.ts';
import { lockBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferPage, nBuffers } from '#storage/buffer/buffer-pool.ts';
import { releaseBuffer } from '#storage/buffer/pin.ts';
import { type AccessStrategy, freeAccessStrategy, getAccessStrategy } from '#storage/buffer/ring-strategy.ts';
import { checkForSerializableConflictOutNeeded, predicateLockRelation } from '#storage/lmgr/predicate.ts';
import { itemIdWord, lpLength, lpOffset, pageIsAllVisible, pageMaxOffset } from '#storage/page/page.ts';
import type { Snapshot } from '#transam/snapshot.ts';

export interface HeapScanOptions {
  /** May use a ring of buffers (default true). */
  readonly allowStrat?: boolean;
  /** May begin in the middle, where another scan is (default true). */
  readonly allowSync?: boolean;
  /** May judge a page's tuples at once (default true). */
  readonly allowPagemode?: boolean;
  /** Scan of a sample or of TIDs: no relation-level predicate lock. */
  readonly isTidScan?: boolean;
}

const MAX_TUPLES = 291;

export class HeapScan {
  // ---- the current tuple, valid after next() returned true, as long as the scan stays on it
  tupleAt = 0;
  tupleLen = 0;
  tid: ItemPointer = INVALID_TID;
  buffer: Buffer = INVALID_BUFFER;

  readonly #offsets = new Uint16Array(MAX_TUPLES);
  #visible = 0;
  #index = 0;
  #strategy: AccessStrategy | null = null;
  #nblocks: BlockNumber = 0;
  #startBlock: BlockNumber = 0;
  #numBlocks: BlockNumber = INVALID_BLOCK;
  #block: BlockNumber = INVALID_BLOCK;
  #inited = false;
  #pagemode: boolean;
  #sync = false;
  #minTid: ItemPointer = 0;
  #maxTid: ItemPointer = Number.MAX_SAFE_INTEGER;
  readonly #keyColumns: Datum[] = [];
  readonly #keyNatts: number;

  constructor(
    readonly rel: Relation,
    readonly snapshot: Snapshot,
    readonly keys: readonly ScanKey[],
    readonly options: HeapScanOptions,
  ) {
    // Serializable needs every tuple judged by itself only if a conflict could be found; page mode does that, too.
    this.#pagemode = options.allowPagemode !== false && snapshot.kind === 'mvcc';
    this.#keyNatts = keys.reduce((most, key) => Math.max(most, key.attno), 0);
    if (snapshot.kind === 'mvcc' && options.isTidScan !== true) predicateLockRelation(rel, snapshot);
    this.#init(true);
  }

  /** initscan(). */
  #init(isFirst: boolean): void {
    const { rel, options } = this;
    this.#nblocks = relationNblocks(rel);
    const isBig = rel.persistence !== 't' && this.#nblocks > Math.floor(nBuffers / 4);
    const wantStrategy = isBig && options.allowStrat !== false;
    if (wantStrategy) this.#strategy ??= getAccessStrategy('bulkread');
    else {
      freeAccessStrategy(this.#strategy);
      this.#strategy = null;
    }
    if (isBig && options.allowSync !== false && settings.synchronize_seqscans) {
      this.#sync = true;
      // A rescan goes on from where it began, so that a cursor is repeatable.
      if (isFirst) this.#startBlock = syncScanGetLocation(rel, this.#nblocks);
      else if (this.#startBlock >= this.#nblocks) this.#startBlock = 0;
    } else {
      this.#sync = false;
      if (isFirst) this.#startBlock = 0;
    }
    this.#numBlocks = INVALID_BLOCK;
    this.#inited = false;
    this.#block = INVALID_BLOCK;
    this.#visible = 0;
    this.tupleAt = 0;
    pgstatCountHeapScan(rel.oid);
  }

  get nblocks(): BlockNumber {
    return this.#nblocks;
  }

  /** heap_setscanlimits(): only blocks [start, start + count); before the first tuple, without synchronization. */
  setLimits(start: BlockNumber, count: BlockNumber): void {
    assert(!this.#inited && !this.#sync, 'limits are set before the scan begins');
    this.#startBlock = start;
    this.#numBlocks = count;
  }
  /** heap_set_tidrange(): only TIDs in [min, max]. */
  setTidRange(min: ItemPointer, max: ItemPointer): void {
    this.#sync = false;
    if (max < min || this.#nblocks === 0) {
      this.#startBlock = 0;
      this.#numBlocks = 0;
      return;
    }
    this.#minTid = min;
    this.#maxTid = max;
    const first = tidBlock(min);
    const last = Math.min(tidBlock(max), this.#nblocks - 1);
    this.#startBlock = first;
    this.#numBlocks = first >= this.#nblocks ? 0 : last - first + 1;
    if (this.#numBlocks === 0) this.#startBlock = 0;
  }

  /** The next tuple that the snapshot sees and the keys accept; direction -1 goes backwards. */
  next(direction = 1): boolean {
    for (;;) {
      const found = this.#pagemode ? this.#nextOfPage(direction) : this.#nextTuple(direction);
      if (!found) return false;
      if (this.keys.length > 0 && !this.#keysAccept()) continue;
      if (this.#minTid !== 0 || this.#maxTid !== Number.MAX_SAFE_INTEGER) {
        if (this.tid < this.#minTid || this.tid > this.#maxTid) continue;
      }
      pgstatCountHeapGetnext(this.rel.oid, 1);
      return true;
    }
  }

  #nextOfPage(direction: number): boolean {
    for (;;) {
      if (this.#inited) {
        const index = this.#index + direction;
        if (index >= 0 && index < this.#visible) {
          this.#index = index;
          const page = bufferPage(this.buffer);
          const offset = this.#offsets[index]!;
          const word = mem.view.getUint32(page + 20 + offset * 4, true);
          this.tupleAt = page + (word & 0x7fff);
          this.tupleLen = word >>> 17;
          this.tid = makeTid(this.#block, offset);
          return true;
        }
      }
      const block = this.#advance(direction);
      if (block === INVALID_BLOCK) return this.#finish();
      this.#readPage(block);
      this.#index = direction > 0 ? -1 : this.#visible;
    }
  }

  /** The block that comes next, INVALID_BLOCK at the end. */
  #advance(direction: number): BlockNumber {
    const { rel } = this;
    if (!this.#inited) {
      if (this.#nblocks === 0 || this.#numBlocks === 0) return INVALID_BLOCK;
      this.#inited = true;
      if (direction > 0) return this.#startBlock;
      // A backward scan would confuse others about where scans are.
      this.#sync = false;
      if (this.#numBlocks !== INVALID_BLOCK) return (this.#startBlock + this.#numBlocks - 1) % this.#nblocks;
      return this.#startBlock > 0 ? this.#startBlock - 1 : this.#nblocks - 1;
    }
    let block = this.#block;
    if (direction > 0) {
      block++;
      if (block >= this.#nblocks) block = 0;
      const isLast = block === this.#startBlock || (this.#numBlocks !== INVALID_BLOCK && --this.#numBlocks === 0);
      if (this.#sync) syncScanReportLocation(rel, block);
      return isLast ? INVALID_BLOCK : block;
    }
    if (block === this.#startBlock || (this.#numBlocks !== INVALID_BLOCK && --this.#numBlocks === 0))
      return INVALID_BLOCK;
    return block === 0 ? this.#nblocks - 1 : block - 1;
  }
  #finish(): boolean {
    if (this.buffer !== INVALID_BUFFER) releaseBuffer(this.buffer);
    this.buffer = INVALID_BUFFER;
    this.#block = INVALID_BLOCK;
    this.tupleAt = 0;
    this.#visible = 0;
    this.#inited = false;
    return false;
  }

  #pin(block: BlockNumber): number {
    if (this.buffer !== INVALID_BUFFER) releaseBuffer(this.buffer);
    this.buffer = INVALID_BUFFER;
    checkForInterrupts();
    this.buffer = relReadBuffer(this.rel, block, RBM.normal, this.#strategy);
    this.#block = block;
    return bufferPage(this.buffer);
  }

  /** heapgetpage(): collects the offsets of the page's visible tuples. */
  #readPage(block: BlockNumber): void {
    const { rel, snapshot } = this;
    const page = this.#pin(block);
    const { buffer } = this;
    heapPagePruneOpt(rel, buffer);
    lockBuffer(buffer, BUFFER_LOCK.share);
    const count = pageMaxOffset(page);
    // On a standby PD_ALL_VISIBLE may be newer than the snapshot.
    const allVisible = pageIsAllVisible(page) && !snapshot.takenDuringRecovery;
    const checkConflicts = checkForSerializableConflictOutNeeded(rel, snapshot);
    const offsets = this.#offsets;
    const { view } = mem;
    let found = 0;
    for (let offset = 1; offset <= count; offset++) {
      const word = view.getUint32(page + 20 + offset * 4, true);
      if ((word & LP_MASK) !== LP_NORMAL) continue;
      const at = page + (word & 0x7fff);
      const valid = allVisible || heapTupleSatisfiesMvcc(at, snapshot, buffer);
      if (checkConflicts) heapCheckForSerializableConflictOut(valid, rel, at, buffer, snapshot);
      if (valid) offsets[found++] = offset;
    }
    lockBuffer(buffer, BUFFER_LOCK.unlock);
    this.#visible = found;
  }

  /** heapgettup(): tuple by tuple under the page's lock, for snapshots whose answer may change at any time. */
  #nextTuple(direction: number): boolean {
    const { rel, snapshot } = this;
    let offset: number;
    if (this.#inited && this.tupleAt !== 0) {
      offset = tidOffset(this.tid) + direction;
      lockBuffer(this.buffer, BUFFER_LOCK.share);
    } else {
      const block = this.#advance(direction);
      if (block === INVALID_BLOCK) return this.#finish();
      const page = this.#pin(block);
      lockBuffer(this.buffer, BUFFER_LOCK.share);
      offset = direction > 0 ? 1 : pageMaxOffset(page);
    }
    for (;;) {
      const page = bufferPage(this.buffer);
      const count = pageMaxOffset(page);
      if (direction < 0 && offset > count) offset = count;
      for (; offset >= 1 && offset <= count; offset += direction) {
        const word = itemIdWord(page, offset);
        if ((word & LP_MASK) !== LP_NORMAL) continue;
        const at = page + lpOffset(word);
        const tid = makeTid(this.#block, offset);
        const valid = heapTupleSatisfies(snapshot, at, this.buffer, tid);
        heapCheckForSerializableConflictOut(valid, rel, at, this.buffer, snapshot);
        if (!valid) continue;
        this.tupleAt = at;
        this.tupleLen = lpLength(word);
        this.tid = tid;
        lockBuffer(this.buffer, BUFFER_LOCK.unlock);
        return true;
      }
      lockBuffer(this.buffer, BUFFER_LOCK.unlock);
      const block = this.#advance(direction);
      if (block === INVALID_BLOCK) return this.#finish();
      const next = this.#pin(block);
      lockBuffer(this.buffer, BUFFER_LOCK.share);
      offset = direction > 0 ? 1 : pageMaxOffset(next);
    }
  }

  /** HeapKeyTest(). */
  #keysAccept(): boolean {
    const columns = this.#keyColumns;
    heapDeform(this.rel.tupleDesc, this.tupleAt, this.#keyNatts, columns);
    for (const key of this.keys) {
      if ((key.flags & SK.isNull) !== 0) return false;
      const value = columns[key.attno - 1]!;
      if (value === null) return false;
      if (!key.test!(value, key.argument as Datum, key.collation)) return false;
    }
    return true;
  }

  /** The scan from the beginning. */
  rescan(): void {
    if (this.buffer !== INVALID_BUFFER) releaseBuffer(this.buffer);
    this.buffer = INVALID_BUFFER;
    this.#init(false);
  }
  end(): void {
    if (this.buffer !== INVALID_BUFFER) releaseBuffer(this.buffer);
    this.buffer = INVALID_BUFFER;
    this.tupleAt = 0;
    freeAccessStrategy(this.#strategy);
    this.#strategy = null;
  }
}

export function heapBeginScan(
  rel: Relation,
  snapshot: Snapshot,
  keys: readonly ScanKey[] = [],
  options: HeapScanOptions = {},
): HeapScan {
  return new HeapScan(rel, snapshot, keys, options);
}
