/** index-attribute.ts — where a column's bytes are in an index tuple, without decoding it.
 *  Counterpart: index_getattr() of src/include/access/itup.h, nocache_index_getattr() of indextuple.c */
import type { TupleDesc } from '#access/common/relation-descriptor.ts';
import { mem } from '#shm/memory.ts';

const NULL_MASK = 0x8000;

/** Bytes of the value at `at`: fixed, varlena of any header, or cstring. */
export function storedLength(length: number, at: number): number {
  if (length > 0) return length;
  const { u8 } = mem;
  if (length === -1) {
    const first = u8[at]!;
    // 0x01 is a pointer to an external value, whose size follows from its tag; no index has one, but heaps do.
    if ((first & 1) === 1) return first === 1 ? 2 + externalSize(u8[at + 1]!) : first >>> 1;
    return mem.view.getUint32(at, true) >>> 2;
  }
  let end = at;
  while (u8[end] !== 0) end++;
  return end - at + 1;
}
const externalSize = (tag: number): number => (tag === 18 ? 16 : 8);

/** Address of column `attno` (from 1); 0 if it is NULL. */
export function indexAttribute(desc: TupleDesc, tup: number, attno: number): number {
  const column = attno - 1;
  const hasNulls = (mem.view.getUint16(tup + 6, true) & NULL_MASK) !== 0;
  if (!hasNulls) {
    const cached = desc.cachedOffsets[column]!;
    return cached >= 0 ? tup + 8 + cached : walk(desc, tup + 8, column, 0);
  }
  const { u8 } = mem;
  const bitmap = tup + 8;
  if ((u8[bitmap + (column >> 3)]! & (1 << (column & 7))) === 0) return 0;
  return walk(desc, tup + 16, column, bitmap);
}

/** From the data's start past the columns before; `bitmap` 0: none of them is NULL. */
function walk(desc: TupleDesc, data: number, column: number, bitmap: number): number {
  const { u8 } = mem;
  let at = data;
  for (let i = 0; ; i++) {
    if (bitmap !== 0 && (u8[bitmap + (i >> 3)]! & (1 << (i & 7))) === 0) continue;
    const length = desc.lengths[i]!;
    const align = desc.aligns[i]!;
    // A byte that is not zero begins a short varlena, which is not aligned.
    if (length !== -1 || u8[at] === 0) at = data + ((at - data + align - 1) & -align);
    if (i === column) return at;
    at += storedLength(length, at);
  }
}
