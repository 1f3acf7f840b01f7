/** scan-position.ts — the matching items of one leaf, copied out of it, and where the scan stands among them.
 *
 *  A page is read once and all its matches remembered, so that no lock is held between calls and changes of the page do not
 *  concern the scan. Items of one posting list are next to each other, in ascending order of their TIDs.
 *  Counterpart: BTScanPosData of src/include/access/nbtree.h */
import { MAX_TIDS_PER_PAGE } from '#access/nbtree/nbtree-layout.ts';
import { BLCKSZ, type BlockNumber, type Buffer, INVALID_BLOCK, type ItemPointer } from '#base/ids.ts';
import { mem } from '#shm/memory.ts';
import { privateAlloc, privateFree } from '#shm/private-memory.ts';
import { releaseBuffer } from '#storage/buffer/pin.ts';

export class ScanPosition {
  /** Pinned buffer of the page, 0 if the pin was given back. */
  buffer: Buffer = 0;
  /** The page's LSN when it was read. */
  lsn = 0;
  /** INVALID_BLOCK: the scan stands nowhere. */
  page: BlockNumber = INVALID_BLOCK;
  nextPage: BlockNumber = 0;
  moreLeft = false;
  moreRight = false;
  firstItem = 0;
  lastItem = -1;
  itemIndex = 0;
  readonly heapTids = new Float64Array(MAX_TIDS_PER_PAGE);
  readonly indexOffsets = new Uint16Array(MAX_TIDS_PER_PAGE);
  readonly tupleOffsets = new Uint16Array(MAX_TIDS_PER_PAGE);
  /** Copies of the tuples, for index-only scans. */
  tuples = 0;
  nextTupleOffset = 0;

  get valid(): boolean {
    return this.page !== INVALID_BLOCK;
  }
  invalidate(): void {
    this.buffer = 0;
    this.page = INVALID_BLOCK;
    this.nextPage = INVALID_BLOCK;
    this.lsn = 0;
    this.nextTupleOffset = 0;
  }
  unpin(): void {
    if (this.buffer !== 0) releaseBuffer(this.buffer);
    this.buffer = 0;
  }
  wantTuples(): void {
    if (this.tuples === 0) this.tuples = privateAlloc(BLCKSZ);
  }
  freeTuples(): void {
    if (this.tuples !== 0) privateFree(this.tuples);
    this.tuples = 0;
  }
  set(index: number, tid: ItemPointer, offset: number, tupleOffset: number): void {
    this.heapTids[index] = tid;
    this.indexOffsets[index] = offset;
    this.tupleOffsets[index] = tupleOffset;
  }
  /** Takes over everything but the pin, which the caller counts. */
  copyFrom(from: ScanPosition): void {
    this.buffer = from.buffer;
    this.lsn = from.lsn;
    this.page = from.page;
    this.nextPage = from.nextPage;
    this.moreLeft = from.moreLeft;
    this.moreRight = from.moreRight;
    this.firstItem = from.firstItem;
    this.lastItem = from.lastItem;
    this.itemIndex = from.itemIndex;
    const end = from.lastItem + 1;
    for (let i = from.firstItem; i < end; i++)
      this.set(i, from.heapTids[i]!, from.indexOffsets[i]!, from.tupleOffsets[i]!);
    if (from.tuples !== 0) {
      this.wantTuples();
      mem.u8.copyWithin(this.tuples, from.tuples, from.tuples + from.nextTupleOffset);
    }
    this.nextTupleOffset = from.nextTupleOffset;
  }
}

const pool: ScanPosition[] = [];
export function takeScanPosition(): ScanPosition {
  const position = pool.pop() ?? new ScanPosition();
  position.invalidate();
  return position;
}
export function giveScanPosition(position: ScanPosition): void {
  position.freeTuples();
  if (pool.length < 16) pool.push(position);
}
