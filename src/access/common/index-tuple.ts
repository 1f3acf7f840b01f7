/** index-tuple.ts — making index tuples and taking them apart.
 *
 *    0 tid (6 bytes) · 6 info u16: size 0x1FFF, 0x2000 for the access method, 0x4000 varwidth, 0x8000 nulls ·
 *    8 data, or a 4-byte null bitmap and data at 16
 *
 *  Counterpart: src/include/access/itup.h, src/backend/access/common/indextuple.c */
import { columnAddress, deformColumns, fillTuple, filledMask, scratchAt } from '#access/common/heap-tuple.ts';
import { HEAP_HASVARWIDTH, readTid, writeTid } from '#access/common/heap-tuple-layout.ts';
import type { TupleDesc } from '#access/common/relation-descriptor.ts';
import { toastCompressDatum } from '#access/common/toast-compress.ts';
import type { Datum } from '#adt/datum.ts';
import { INVALID_TID, type ItemPointer } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { mem } from '#shm/memory.ts';
import { privateAlloc, privateFree, type Workspace } from '#shm/private-memory.ts';

export const INDEX_SIZE_MASK = 0x1fff;
export const INDEX_AM_RESERVED_BIT = 0x2000;
export const INDEX_VAR_MASK = 0x4000;
export const INDEX_NULL_MASK = 0x8000;
export const INDEX_MAX_KEYS = 32;
export const SIZEOF_INDEX_TUPLE_HEADER = 8;
/** A value larger than this is compressed before it goes into an index. */
const TOAST_INDEX_TARGET = 510;

export const indexTupleInfo = (at: number): number => mem.view.getUint16(at + 6, true);
export const indexTupleSize = (at: number): number => mem.view.getUint16(at + 6, true) & INDEX_SIZE_MASK;
export const indexTupleTid = (at: number): ItemPointer => readTid(at);
export const setIndexTupleTid = (at: number, tid: ItemPointer): void => writeTid(at, tid);
export const indexTupleHasNulls = (at: number): boolean => (mem.u8[at + 7]! & 0x80) !== 0;
export const indexTupleDataOffset = (at: number): number => ((mem.u8[at + 7]! & 0x80) !== 0 ? 16 : 8);

/** Large values that compression makes smaller: their blocks by column, or null if there are none. */
function compressLarge(desc: TupleDesc, values: readonly Datum[]): Float64Array | null {
  let stored: Float64Array | null = null;
  for (let i = 0; i < desc.natts; i++) {
    const value = values[i];
    const storage = desc.attrs[i]!.storage;
    if (desc.lengths[i] !== -1 || value === null || value === undefined || (storage !== 'x' && storage !== 'm'))
      continue;
    const codec = desc.codecs[i]!;
    if (
      typeof value === 'string' ? value.length * 3 <= TOAST_INDEX_TARGET - 4 : codec.bound(value) <= TOAST_INDEX_TARGET
    )
      continue;
    const plain = privateAlloc(codec.bound(value) + 8);
    const size = codec.write(plain, value);
    const packed = size > TOAST_INDEX_TARGET ? toastCompressDatum(plain, desc.attrs[i]!.compression) : 0;
    privateFree(plain);
    if (packed !== 0) (stored ??= new Float64Array(desc.natts))[i] = packed;
  }
  return stored;
}

/** index_form_tuple(): address in the workspace; the size is in the tuple. Its TID is still invalid. */
export function indexFormTuple(desc: TupleDesc, values: readonly Datum[], space: Workspace): number {
  const natts = desc.natts;
  if (natts > INDEX_MAX_KEYS)
    report('ERROR', {
      code: SQLSTATE.tooManyColumns,
      message: `number of index columns (${natts}) exceeds limit (${INDEX_MAX_KEYS})`,
    });
  let hasNull = false;
  for (let i = 0; i < natts; i++) if (values[i] === null) hasNull = true;
  const hoff = hasNull ? 16 : 8;
  const stored = compressLarge(desc, values);
  const start = scratchAt();
  mem.u8.fill(0, start, start + hoff);
  const length = fillTuple(desc, values, stored, hoff, hasNull ? 8 : 0);
  const info = (hasNull ? INDEX_NULL_MASK : 0) | ((filledMask() & HEAP_HASVARWIDTH) !== 0 ? INDEX_VAR_MASK : 0);
  if (stored !== null) for (const block of stored) if (block !== 0) privateFree(block);
  const size = (length + 7) & ~7;
  if (size > INDEX_SIZE_MASK)
    report('ERROR', {
      code: SQLSTATE.programLimitExceeded,
      message: `index row requires ${size} bytes, maximum size is ${INDEX_SIZE_MASK}`,
    });
  const base = scratchAt();
  const at = space.alloc(size);
  mem.u8.copyWithin(at, base, base + length);
  mem.u8.fill(0, at + length, at + size);
  writeTid(at, INVALID_TID);
  mem.view.setUint16(at + 6, size | info, true);
  return at;
}

/** Address of a key column's stored bytes, 0 if null. */
export function indexAttrAddress(desc: TupleDesc, at: number, attnum: number): number {
  const hasNulls = (mem.u8[at + 7]! & 0x80) !== 0;
  return columnAddress(desc, at + (hasNulls ? 16 : 8), hasNulls ? at + 8 : 0, attnum);
}
/** index_getattr(). */
export function indexGetAttr(desc: TupleDesc, at: number, attnum: number): Datum {
  const from = indexAttrAddress(desc, at, attnum);
  return from === 0 ? null : desc.codecs[attnum - 1]!.read(from);
}
/** index_deform_tuple() of the first `natts` columns. */
export function indexDeform(
  desc: TupleDesc,
  at: number,
  natts: number,
  out: Datum[],
  needed: Uint8Array | null = null,
): void {
  const hasNulls = (mem.u8[at + 7]! & 0x80) !== 0;
  deformColumns(desc, at + (hasNulls ? 16 : 8), hasNulls ? at + 8 : 0, natts, out, needed);
}
/** index_truncate_tuple(): a copy with only the first `keep` columns, in the workspace. */
export function indexTruncateTuple(desc: TupleDesc, at: number, keep: number, space: Workspace): number {
  const stored = new Float64Array(desc.natts);
  const absent: Datum[] = [];
  let keptNull = false;
  for (let i = 0; i < desc.natts; i++) {
    absent.push(null);
    if (i >= keep) continue;
    const from = indexAttrAddress(desc, at, i + 1);
    stored[i] = from;
    if (from === 0) keptNull = true;
  }
  // The bitmap of a tuple without nulls is left out; columns beyond `keep` are no nulls, they are not there.
  const hoff = keptNull ? 16 : 8;
  const start = scratchAt();
  mem.u8.fill(0, start, start + hoff);
  const length = fillTuple(desc, absent, stored, hoff, keptNull ? 8 : 0);
  const info = (keptNull ? INDEX_NULL_MASK : 0) | ((filledMask() & HEAP_HASVARWIDTH) !== 0 ? INDEX_VAR_MASK : 0);
  const size = (length + 7) & ~7;
  const base = scratchAt();
  const to = space.alloc(size);
  mem.u8.copyWithin(to, base, base + length);
  mem.u8.fill(0, to + length, to + size);
  mem.u8.copyWithin(to, at, at + 6);
  mem.view.setUint16(to + 6, size | info, true);
  return to;
}
/** CopyIndexTuple(). */
export function indexCopyTuple(at: number, space: Workspace): number {
  const size = indexTupleSize(at);
  const to = space.alloc(size);
  mem.u8.copyWithin(to, at, at + size);
  return to;
}
