/** heap-tuple.ts — making heap tuples of Datums and taking them apart.
 *
 *  Forming writes once into a scratch block and copies the result: no measuring pass. A column is given either as a
 *  Datum or as the address of its stored bytes, so that an update copies what it does not change, TOAST pointers
 *  included. Deforming walks the columns with the descriptor's plan; columns that are not needed are passed over.
 *  Cost: deforming 2 int4 about 15 ns.
 *  Counterpart: src/backend/access/common/heaptuple.c */
import type { DatumCodec } from '#access/common/datum-codec.ts';
import {
  HEAP_HASEXTERNAL,
  HEAP_HASNULL,
  HEAP_HASVARWIDTH,
  HEAP_NATTS_MASK,
  MAX_TUPLE_ATTRIBUTES,
  SIZEOF_HEAP_TUPLE_HEADER,
  tupleRawCommandId,
  tupleRawXmax,
  tupleRawXmin,
} from '#access/common/heap-tuple-layout.ts';
import { DEFORM, type TupleDesc } from '#access/common/relation-descriptor.ts';
import { readText, writeText } from '#access/common/text-bytes.ts';
import { setVarSize, setVarSizeShort, VARATT_SHORT_MAX, varSize, withPlainBytes } from '#access/common/varlena.ts';
import { canonicalInt8, type Datum } from '#adt/datum.ts';
import { type ItemPointer, type Oid, tidBlock, tidOffset } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { mem, onNewPrivateWindow } from '#shm/memory.ts';
import { privateAlloc, privateRealloc, type Workspace } from '#shm/private-memory.ts';

const TWO_32 = 0x1_0000_0000;

// ---- forming

/** Scratch blocks: one per nesting depth, because a composite column forms a tuple while its row is being formed. */
const scratches: number[] = [];
const scratchSizes: number[] = [];
let depth = 0;
onNewPrivateWindow(() => {
  scratches.length = 0;
  scratchSizes.length = 0;
  depth = 0;
});

let formedLength = 0;
let formedMask = 0;
/** Length of the tuple that was formed last. */
export const heapTupleLength = (): number => formedLength;

/** Address of the block of the current depth with room for `bytes`. */
function need(bytes: number): number {
  const at = scratches[depth];
  if (at === undefined) {
    const size = Math.max(bytes, 8192);
    scratchSizes[depth] = size;
    return (scratches[depth] = privateAlloc(size));
  }
  if (scratchSizes[depth]! >= bytes) return at;
  const size = Math.max(bytes, scratchSizes[depth]! * 2);
  scratchSizes[depth] = size;
  return (scratches[depth] = privateRealloc(at, size));
}

/** Stores the bytes of a column that is already in its stored form; returns the offset behind it. */
function copyStored(desc: TupleDesc, i: number, start: number, from: number): number {
  const length = desc.lengths[i]!;
  let size: number;
  let offset = start;
  if (length === -1) {
    formedMask |= HEAP_HASVARWIDTH;
    size = varSize(from);
    const first = mem.u8[from]!;
    if (first === 1) {
      formedMask |= HEAP_HASEXTERNAL;
      // A TOAST pointer and a short header need no alignment.
    } else if ((first & 1) === 0) {
      if ((first & 3) === 0 && desc.packable[i] === 1 && size - 3 <= VARATT_SHORT_MAX) {
        const base = need(offset + size);
        mem.u8[base + offset] = ((size - 3) << 1) | 1;
        mem.u8.copyWithin(base + offset + 1, from + 4, from + size);
        return offset + size - 3;
      }
      offset = alignTo(offset, desc.aligns[i]!);
    }
  } else {
    offset = alignTo(offset, desc.aligns[i]!);
    if (length > 0) size = length;
    else {
      formedMask |= HEAP_HASVARWIDTH;
      let end = from;
      while (mem.u8[end] !== 0) end++;
      size = end + 1 - from;
    }
  }
  const base = need(offset + size);
  mem.u8.copyWithin(base + offset, from, from + size);
  return offset + size;
}
/** The next multiple of `align`; the bytes between become zero. */
function alignTo(offset: number, align: number): number {
  const aligned = (offset + align - 1) & -align;
  if (aligned !== offset) {
    const base = need(aligned);
    for (let i = offset; i < aligned; i++) mem.u8[base + i] = 0;
  }
  return aligned;
}

function storeText(desc: TupleDesc, i: number, offset: number, text: string): number {
  formedMask |= HEAP_HASVARWIDTH;
  let base = need(offset + text.length * 3 + 8);
  const align = desc.aligns[i]!;
  if (desc.packable[i] === 1 && text.length < VARATT_SHORT_MAX) {
    const length = writeText(base + offset + 1, text);
    if (length < VARATT_SHORT_MAX) {
      mem.u8[base + offset] = ((length + 1) << 1) | 1;
      return offset + length + 1;
    }
    const aligned = (offset + align - 1) & -align;
    mem.u8.copyWithin(base + aligned + 4, base + offset + 1, base + offset + 1 + length);
    for (let j = offset; j < aligned; j++) mem.u8[base + j] = 0;
    setVarSize(base + aligned, length + 4);
    return aligned + length + 4;
  }
  const aligned = alignTo(offset, align);
  base = need(aligned + 4);
  const length = writeText(base + aligned + 4, text);
  setVarSize(base + aligned, length + 4);
  return aligned + length + 4;
}

/** A composite value forms a tuple of its own, with the scratch block of the next depth. */
function writeNested(codec: DatumCodec, offset: number, value: Datum): number {
  const mask = formedMask;
  depth++;
  try {
    const bound = codec.bound(value);
    depth--;
    const at = need(offset + bound + 8);
    depth++;
    return codec.write(at + offset, value);
  } finally {
    depth--;
    formedMask = mask;
  }
}

function storeWithCodec(desc: TupleDesc, i: number, offset: number, value: Datum): number {
  const codec = desc.codecs[i]!;
  const length = desc.lengths[i]!;
  const aligned = alignTo(offset, desc.aligns[i]!);
  if (length >= 0) {
    const base = need(aligned + length);
    codec.write(base + aligned, value);
    return aligned + length;
  }
  formedMask |= HEAP_HASVARWIDTH;
  const size = writeNested(codec, aligned, value);
  if (length === -1 && desc.packable[i] === 1 && size - 3 <= VARATT_SHORT_MAX) {
    const base = need(aligned + size);
    mem.u8.copyWithin(base + offset + 1, base + aligned + 4, base + aligned + size);
    setVarSizeShort(base + offset, size - 3);
    return offset + size - 3;
  }
  return aligned + size;
}

/** Writes the columns' data from `start` into the scratch block and sets the bitmap at `bitsAt` if that is not 0.
 *  Returns the end; formedMask collects HASVARWIDTH and HASEXTERNAL. `stored[i]` (an address) wins over `values[i]`. */
export function fillTuple(
  desc: TupleDesc,
  values: readonly Datum[],
  stored: Float64Array | null,
  start: number,
  bitsAt: number,
): number {
  const natts = desc.natts;
  let offset = start;
  formedMask = 0;
  for (let i = 0; i < natts; i++) {
    const from = stored === null ? 0 : stored[i]!;
    if (from === 0 && values[i] === null) continue;
    if (bitsAt > 0) {
      const at = need(offset) + bitsAt + (i >> 3);
      mem.u8[at] = mem.u8[at]! | (1 << (i & 7));
    }
    if (from !== 0) {
      offset = copyStored(desc, i, offset, from);
      continue;
    }
    const value = values[i]!;
    switch (desc.kinds[i]!) {
      case DEFORM.int4:
        offset = alignTo(offset, 4);
        mem.view.setInt32(need(offset + 4) + offset, value as number, true);
        offset += 4;
        break;
      case DEFORM.oid:
        offset = alignTo(offset, 4);
        mem.view.setUint32(need(offset + 4) + offset, value as number, true);
        offset += 4;
        break;
      case DEFORM.text:
        offset = storeText(desc, i, offset, value as string);
        break;
      default:
        offset = storeWithCodec(desc, i, offset, value);
    }
  }
  return offset;
}
/** Bits of infomask that the last fillTuple() found. */
export const filledMask = (): number => formedMask;
export const scratchAt = (): number => need(0);

function form(desc: TupleDesc, values: readonly Datum[], stored: Float64Array | null, space: Workspace): number {
  const natts = desc.natts;
  if (natts > MAX_TUPLE_ATTRIBUTES)
    report('ERROR', {
      code: SQLSTATE.tooManyColumns,
      message: `number of columns (${natts}) exceeds limit (${MAX_TUPLE_ATTRIBUTES})`,
    });
  let hasNull = false;
  for (let i = 0; i < natts; i++) {
    if (values[i] === null && (stored === null || stored[i] === 0)) {
      hasNull = true;
      break;
    }
  }
  const hoff = (SIZEOF_HEAP_TUPLE_HEADER + (hasNull ? (natts + 7) >> 3 : 0) + 7) & ~7;
  const zeroAt = need(hoff);
  mem.u8.fill(0, zeroAt, zeroAt + hoff);
  const length = fillTuple(desc, values, stored, hoff, hasNull ? SIZEOF_HEAP_TUPLE_HEADER : 0);
  const base = need(length);
  mem.view.setUint16(base + 18, natts, true);
  mem.view.setUint16(base + 20, formedMask | (hasNull ? HEAP_HASNULL : 0), true);
  mem.u8[base + 22] = hoff;
  // t_ctid is invalid until the tuple has a place: block 0xFFFFFFFF, offset 0.
  mem.view.setUint32(base + 12, 0xffff_ffff, true);
  const at = space.alloc(length);
  mem.u8.copyWithin(at, base, base + length);
  formedLength = length;
  return at;
}

/** heap_form_tuple(): returns the tuple's address in the workspace; heapTupleLength() is its length. */
export function heapFormTuple(desc: TupleDesc, values: readonly Datum[], space: Workspace): number {
  return form(desc, values, null, space);
}
/** As heapFormTuple, but column i comes from the address stored[i] where that is not 0. */
export function heapFormTupleStored(
  desc: TupleDesc,
  values: readonly Datum[],
  stored: Float64Array,
  space: Workspace,
): number {
  return form(desc, values, stored, space);
}
/** heap_compute_data_size() of such values. */
export function heapComputeSize(desc: TupleDesc, values: readonly Datum[]): number {
  return fillTuple(desc, values, null, 0, 0);
}

/** heap_modify_tuple(): a copy in which the columns with replace[i] = 1 come from `values`; all others keep their
 *  stored bytes. Columns that the old tuple does not have get their missing value. */
export function heapModifyTuple(
  desc: TupleDesc,
  oldTupleAt: number,
  values: readonly Datum[],
  replace: Uint8Array,
  space: Workspace,
): number {
  const natts = desc.natts;
  const stored = new Float64Array(natts);
  const all: Datum[] = new Array<Datum>(natts).fill(null);
  heapStoredAddresses(desc, oldTupleAt, stored);
  const oldNatts = mem.view.getUint16(oldTupleAt + 18, true) & HEAP_NATTS_MASK;
  for (let i = 0; i < natts; i++) {
    if (replace[i] === 1) {
      stored[i] = 0;
      all[i] = values[i] ?? null;
    } else if (i >= oldNatts) all[i] = desc.attrs[i]!.missingValue ?? null;
  }
  return form(desc, all, stored, space);
}

// ---- taking apart

function cstringLength(at: number): number {
  let end = at;
  while (mem.u8[end] !== 0) end++;
  return end + 1 - at;
}

/** Addresses of the stored values, 0 where null or beyond the tuple's columns. */
export function heapStoredAddresses(desc: TupleDesc, tupleAt: number, out: Float64Array): void {
  const u8 = mem.u8;
  const hasNull = (mem.view.getUint16(tupleAt + 20, true) & HEAP_HASNULL) !== 0;
  const natts = Math.min(desc.natts, mem.view.getUint16(tupleAt + 18, true) & HEAP_NATTS_MASK);
  const dataAt = tupleAt + u8[tupleAt + 22]!;
  let offset = 0;
  out.fill(0);
  for (let i = 0; i < natts; i++) {
    if (hasNull && (u8[tupleAt + 23 + (i >> 3)]! & (1 << (i & 7))) === 0) continue;
    const length = desc.lengths[i]!;
    const align = desc.aligns[i]!;
    if (length !== -1 || u8[dataAt + offset] === 0) offset = (offset + align - 1) & -align;
    out[i] = dataAt + offset;
    offset += length > 0 ? length : length === -1 ? varSize(dataAt + offset) : cstringLength(dataAt + offset);
  }
}

/** Reads the first `natts` columns of the data area at `dataAt` into `out`; `bitsAt` is 0 without nulls. */
function deformData(
  desc: TupleDesc,
  dataAt: number,
  bitsAt: number,
  natts: number,
  out: Datum[],
  needed: Uint8Array | null,
): void {
  const u8 = mem.u8;
  const view = mem.view;
  const { kinds, lengths, aligns } = desc;
  let offset = 0;
  for (let i = 0; i < natts; i++) {
    if (bitsAt !== 0 && (u8[bitsAt + (i >> 3)]! & (1 << (i & 7))) === 0) {
      out[i] = null;
      continue;
    }
    const wanted = needed === null || needed[i] === 1;
    switch (kinds[i]!) {
      case DEFORM.int4:
        offset = (offset + 3) & ~3;
        if (wanted) out[i] = view.getInt32(dataAt + offset, true);
        offset += 4;
        continue;
      case DEFORM.int2:
        offset = (offset + 1) & ~1;
        if (wanted) out[i] = view.getInt16(dataAt + offset, true);
        offset += 2;
        continue;
      case DEFORM.int8:
        offset = (offset + 7) & ~7;
        if (wanted) {
          const high = view.getInt32(dataAt + offset + 4, true);
          out[i] =
            high > -0x20_0000 && high < 0x20_0000
              ? high * TWO_32 + view.getUint32(dataAt + offset, true)
              : canonicalInt8(view.getBigInt64(dataAt + offset, true));
        }
        offset += 8;
        continue;
      case DEFORM.bool:
        if (wanted) out[i] = u8[dataAt + offset] !== 0;
        offset += 1;
        continue;
      case DEFORM.float8:
        offset = (offset + 7) & ~7;
        if (wanted) out[i] = view.getFloat64(dataAt + offset, true);
        offset += 8;
        continue;
      case DEFORM.float4:
        offset = (offset + 3) & ~3;
        if (wanted) out[i] = view.getFloat32(dataAt + offset, true);
        offset += 4;
        continue;
      case DEFORM.oid:
        offset = (offset + 3) & ~3;
        if (wanted) out[i] = view.getUint32(dataAt + offset, true);
        offset += 4;
        continue;
      case DEFORM.text: {
        const first = u8[dataAt + offset]!;
        if ((first & 1) === 1 && first !== 1) {
          const length = first >> 1;
          if (wanted) out[i] = readText(dataAt + offset + 1, length - 1);
          offset += length;
          continue;
        }
        if (first === 0) offset = (offset + 3) & ~3;
        const at = dataAt + offset;
        offset += varSize(at);
        if (wanted) out[i] = withPlainBytes(at, readText);
        continue;
      }
      default: {
        const length = lengths[i]!;
        const align = aligns[i]!;
        if (length !== -1 || u8[dataAt + offset] === 0) offset = (offset + align - 1) & -align;
        const at = dataAt + offset;
        offset += length > 0 ? length : length === -1 ? varSize(at) : cstringLength(at);
        if (wanted) out[i] = desc.codecs[i]!.read(at);
      }
    }
  }
}

/** heap_deform_tuple(): the first `natts` columns into `out`; with `needed`, only those with a 1 there. */
export function heapDeform(
  desc: TupleDesc,
  tupleAt: number,
  natts: number,
  out: Datum[],
  needed: Uint8Array | null = null,
): void {
  const stored = mem.view.getUint16(tupleAt + 18, true) & HEAP_NATTS_MASK;
  const count = Math.min(stored, natts);
  const bitsAt = (mem.u8[tupleAt + 20]! & HEAP_HASNULL) !== 0 ? tupleAt + 23 : 0;
  deformData(desc, tupleAt + mem.u8[tupleAt + 22]!, bitsAt, count, out, needed);
  for (let i = count; i < natts; i++) out[i] = desc.attrs[i]!.missingValue ?? null;
}
/** The same for a data area without a heap header (index tuples). */
export const deformColumns = deformData;

/** Address of a column's stored bytes from the data area, 0 if it is null. `attnum` from 1. */
export function columnAddress(desc: TupleDesc, dataAt: number, bitsAt: number, attnum: number): number {
  const u8 = mem.u8;
  const last = attnum - 1;
  if (bitsAt !== 0 && (u8[bitsAt + (last >> 3)]! & (1 << (last & 7))) === 0) return 0;
  if (bitsAt === 0 && last < desc.cachedCount) return dataAt + desc.cachedOffsets[last]!;
  let offset = 0;
  for (let i = 0; ; i++) {
    if (bitsAt !== 0 && (u8[bitsAt + (i >> 3)]! & (1 << (i & 7))) === 0) continue;
    const length = desc.lengths[i]!;
    const align = desc.aligns[i]!;
    if (length !== -1 || u8[dataAt + offset] === 0) offset = (offset + align - 1) & -align;
    if (i === last) return dataAt + offset;
    offset += length > 0 ? length : length === -1 ? varSize(dataAt + offset) : cstringLength(dataAt + offset);
  }
}
/** Address of a user column's stored bytes, 0 if null or not stored. */
export function heapAttrAddress(desc: TupleDesc, tupleAt: number, attnum: number): number {
  if (attnum > (mem.view.getUint16(tupleAt + 18, true) & HEAP_NATTS_MASK)) return 0;
  const bitsAt = (mem.u8[tupleAt + 20]! & HEAP_HASNULL) !== 0 ? tupleAt + 23 : 0;
  return columnAddress(desc, tupleAt + mem.u8[tupleAt + 22]!, bitsAt, attnum);
}
/** heap_getattr() of a user column. */
export function heapGetAttr(desc: TupleDesc, tupleAt: number, attnum: number): Datum {
  if (attnum > (mem.view.getUint16(tupleAt + 18, true) & HEAP_NATTS_MASK))
    return desc.attrs[attnum - 1]!.missingValue ?? null;
  const at = heapAttrAddress(desc, tupleAt, attnum);
  return at === 0 ? null : desc.codecs[attnum - 1]!.read(at);
}
/** heap_attisnull(). */
export function heapAttIsNull(desc: TupleDesc, tupleAt: number, attnum: number): boolean {
  if (attnum > (mem.view.getUint16(tupleAt + 18, true) & HEAP_NATTS_MASK))
    return (desc.attrs[attnum - 1]!.missingValue ?? null) === null;
  return heapAttrAddress(desc, tupleAt, attnum) === 0;
}

/** System columns, as heap_getsysattr(): ctid -1, xmin -2, cmin -3, xmax -4, cmax -5, tableoid -6. */
export function getSysAttr(tupleAt: number, tid: ItemPointer, tableOid: Oid, attnum: number): Datum {
  switch (attnum) {
    case -1:
      return { kind: 'tid', block: tidBlock(tid), offset: tidOffset(tid) };
    case -2:
      return tupleRawXmin(tupleAt);
    case -4:
      return tupleRawXmax(tupleAt);
    case -3:
    case -5:
      return tupleRawCommandId(tupleAt);
    case -6:
      return tableOid;
    default:
      return report('ERROR', { code: SQLSTATE.internalError, message: `invalid attnum: ${attnum}` });
  }
}
