/** bitmap-heap-scan.ts — the visible tuples of pages that somebody else chooses, all of a page or those at some places.
 *  Counterpart: heapam_scan_bitmap_next_block(), heapam_scan_bitmap_next_tuple() of heapam_handler.c */
import { tupleXmin } from '#access/common/heap-tuple-layout.ts';
import { type Relation, relationNblocks, relationSmgr } from '#access/common/relation-descriptor.ts';
import { heapCheckForSerializableConflictOut, heapHotSearchBuffer, hotSearch } from '#access/heap/heap-fetch.ts';
import { LP_NORMAL } from '#access/heap/line-pointers.ts';
import { heapPagePruneOpt } from '#access/heap/prune.ts';
import { heapTupleSatisfies } from '#access/heap/visibility.ts';
import {
  type BlockNumber,
  type Buffer,
  INVALID_BUFFER,
  INVALID_TID,
  type ItemPointer,
  makeTid,
  tidOffset,
} from '#base/ids.ts';
import { BUFFER_LOCK } from '#storage/buffer/buffer-layout.ts';
import { lockBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferPage } from '#storage/buffer/buffer-pool.ts';
import { releaseBuffer } from '#storage/buffer/pin.ts';
import { releaseAndReadBuffer } from '#storage/buffer/read-buffer.ts';
import { predicateLockTID } from '#storage/lmgr/predicate.ts';
import { itemIdWord, lpLength, lpOffset, pageMaxOffset } from '#storage/page/page.ts';
import { pgstatCountHeapFetch } from '#stats/relation-counters.ts';
import type { Snapshot } from '#transam/snapshot.ts';

const MAX_TUPLES = 291;
const LP_MASK = 0x18000;

export class BitmapHeapReader {
  tupleAt = 0;
  tupleLen = 0;
  tid: ItemPointer = INVALID_TID;
  #buffer: Buffer = INVALID_BUFFER;
  #block: BlockNumber = 0;
  readonly #offsets = new Uint16Array(MAX_TUPLES);
  #visible = 0;
  #index = 0;
  readonly #nblocks: number;
  constructor(
    readonly rel: Relation,
    readonly snapshot: Snapshot,
  ) {
    // Pages added later hold nothing that the snapshot could see.
    this.#nblocks = relationNblocks(rel);
  }

  /** Goes to a page; `offsets` are the places to look at (the first `count`), null means all of it. */
  openBlock(block: BlockNumber, offsets: Uint16Array | null, count: number): boolean {
    this.#visible = 0;
    this.#index = 0;
    if (block >= this.#nblocks) return false;
    const { rel, snapshot } = this;
    const buffer = releaseAndReadBuffer(this.#buffer, relationSmgr(rel), rel.persistence, block);
    this.#buffer = buffer;
    this.#block = block;
    heapPagePruneOpt(rel, buffer);
    lockBuffer(buffer, BUFFER_LOCK.share);
    if (offsets !== null) {
      for (let i = 0; i < count; i++) {
        const tid = makeTid(block, offsets[i]!);
        if (heapHotSearchBuffer(tid, rel, buffer, snapshot, false, true))
          this.#offsets[this.#visible++] = tidOffset(hotSearch.tid);
      }
    } else this.#collectAll(bufferPage(buffer));
    lockBuffer(buffer, BUFFER_LOCK.unlock);
    return this.#visible > 0;
  }
  #collectAll(page: number): void {
    const { rel, snapshot } = this;
    const count = pageMaxOffset(page);
    for (let offset = 1; offset <= count; offset++) {
      const word = itemIdWord(page, offset);
      if ((word & LP_MASK) !== LP_NORMAL) continue;
      const at = page + lpOffset(word);
      const tid = makeTid(this.#block, offset);
      const valid = heapTupleSatisfies(snapshot, at, this.#buffer, tid);
      heapCheckForSerializableConflictOut(valid, rel, at, this.#buffer, snapshot);
      if (!valid) continue;
      this.#offsets[this.#visible++] = offset;
      predicateLockTID(rel, tid, snapshot, tupleXmin(at));
    }
  }

  nextTuple(): boolean {
    if (this.#index >= this.#visible) return false;
    const offset = this.#offsets[this.#index++]!;
    const page = bufferPage(this.#buffer);
    const word = itemIdWord(page, offset);
    this.tupleAt = page + lpOffset(word);
    this.tupleLen = lpLength(word);
    this.tid = makeTid(this.#block, offset);
    pgstatCountHeapFetch(this.rel.oid);
    return true;
  }
  end(): void {
    if (this.#buffer !== INVALID_BUFFER) releaseBuffer(this.#buffer);
    this.#buffer = INVALID_BUFFER;
    this.#visible = 0;
  }
}
