/** posting.ts — making and changing posting list tuples.
 *  Counterpart: _bt_form_posting(), _bt_update_posting(), _bt_swap_posting() of nbtdedup.c */
import { scratch } from '#access/nbtree/scratch.ts';
import { maxAlign } from '#access/nbtree/nbtree-layout.ts';
import {
  clearPosting,
  copyTuple,
  isPosting,
  postingCount,
  postingOffset,
  readTid,
  setPosting,
  setTupleSize,
  tupleMaxHeapTid,
  tupleSize,
  writeTid,
} from '#access/nbtree/tuple.ts';
import { assert } from '#base/assert.ts';
import { report } from '#runtime/error/report.ts';
import { mem } from '#shm/memory.ts';

/** Bytes of the key part, header included; always a multiple of 8. */
export const keySizeOf = (tup: number): number => (isPosting(tup) ? postingOffset(tup) : tupleSize(tup));

/** A tuple with the key of `base` and the `count` TIDs (6 bytes each, ascending) at `tids`; plain if there is one. */
export function formPosting(base: number, tids: number, count: number): number {
  const keySize = keySizeOf(base);
  assert(keySize === maxAlign(keySize), 'keys are aligned');
  const size = count > 1 ? maxAlign(keySize + count * 6) : keySize;
  const tup = scratch(size);
  copyTuple(base, tup, keySize);
  if (count > 1) {
    // Padding is zero on disk.
    mem.u8.fill(0, tup + keySize + count * 6, tup + size);
    setTupleSize(tup, size);
    setPosting(tup, count, keySize);
    mem.u8.copyWithin(tup + keySize, tids, tids + count * 6);
  } else {
    clearPosting(tup, readTid(tids));
    setTupleSize(tup, size);
  }
  return tup;
}

/** The posting list tuple without the TIDs of these indexes (ascending). */
export function withoutTids(original: number, deleted: ArrayLike<number>, count: number): number {
  const total = postingCount(original);
  const left = total - count;
  assert(left > 0 && left < total, 'some TIDs go, some stay');
  const tids = scratch(left * 6);
  let next = 0;
  let out = tids;
  const list = original + postingOffset(original);
  for (let i = 0; i < total; i++) {
    if (next < count && deleted[next] === i) {
      next++;
      continue;
    }
    mem.u8.copyWithin(out, list + i * 6, list + i * 6 + 6);
    out += 6;
  }
  return formPosting(original, tids, left);
}

/** The new tuple's TID falls into the list before element `at`: the list takes it in, and its highest TID becomes the
 *  new tuple's. So the posting list keeps its size and the new tuple goes directly after it. Returns the new list. */
export function swapPosting(newItem: number, posting: number, at: number): number {
  const count = postingCount(posting);
  if (!(at > 0 && at < count))
    report('ERROR', { message: `posting list tuple with ${count} items cannot be split at offset ${at}` });
  const size = tupleSize(posting);
  const made = scratch(size);
  copyTuple(posting, made, size);
  const list = made + postingOffset(made);
  mem.u8.copyWithin(list + (at + 1) * 6, list + at * 6, list + (count - 1) * 6);
  mem.u8.copyWithin(list + at * 6, newItem, newItem + 6);
  writeTid(newItem, tupleMaxHeapTid(posting));
  return made;
}
