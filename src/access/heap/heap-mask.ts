/** heap-mask.ts — hides what may differ between a heap page and its replayed twin (wal_consistency_checking).
 *  Counterpart: heap_mask() of src/backend/access/heap/heapam.c, src/backend/access/common/bufmask.c */
import {
  HEAP_XACT_MASK,
  HEAP_XMAX_COMMITTED,
  HEAP_XMAX_INVALID,
  setTupleCtid,
  setTupleInfomask,
  tupleInfomask,
  tupleIsSpeculative,
  xminFrozen,
} from '#access/common/heap-tuple-layout.ts';
import { LP_MASK, LP_NORMAL } from '#access/heap/line-pointers.ts';
import { type BlockNumber, makeTid } from '#base/ids.ts';
import { mem } from '#shm/memory.ts';
import {
  itemIdWord,
  lpLength,
  lpOffset,
  pageClearFlag,
  pageLower,
  pageMaxOffset,
  pageSetLsn,
  pageSetPruneXid,
  pageUpper,
} from '#storage/page/page.ts';
import { PD } from '#storage/page/page-layout.ts';
import type { Lsn } from '#base/ids.ts';
import { INVALID_XID } from '#base/xid.ts';

export function heapMask(page: number, block: BlockNumber): void {
  pageSetLsn(page, 0 as Lsn);
  mem.view.setUint16(page + 8, 0, true);
  // Hints: all three flags and the pruning xid may be set without a record.
  pageSetPruneXid(page, INVALID_XID);
  pageClearFlag(page, PD.pageFull | PD.hasFreeLines | PD.allVisible);
  mem.u8.fill(0, page + pageLower(page), page + pageUpper(page));
  const count = pageMaxOffset(page);
  for (let offset = 1; offset <= count; offset++) {
    const word = itemIdWord(page, offset);
    if ((word & LP_MASK) === LP_NORMAL) {
      const at = page + lpOffset(word);
      const infomask = tupleInfomask(at);
      // A frozen xmin is logged, everything else about transactions may be a hint.
      if (xminFrozen(infomask)) setTupleInfomask(at, infomask & ~(HEAP_XMAX_INVALID | HEAP_XMAX_COMMITTED));
      else setTupleInfomask(at, infomask & ~HEAP_XACT_MASK);
      // Command ids are not replayed.
      mem.view.setUint32(at + 8, 0, true);
      if (tupleIsSpeculative(at)) setTupleCtid(at, makeTid(block, offset));
    }
    const length = lpLength(word);
    if (length > 0) {
      const at = page + lpOffset(word);
      mem.u8.fill(0, at + length, at + ((length + 7) & ~7));
    }
  }
}
