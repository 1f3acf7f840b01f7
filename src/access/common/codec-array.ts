/** codec-array.ts — arrays: header, dimensions, optional null bitmap, aligned elements.
 *
 *  i32 size, i32 ndim, i32 dataoffset (0 without nulls), u32 element type, i32 dims[], i32 lower bounds[], bitmap (bit 1 =
 *  not null), then from a MAXALIGNed place the elements, each padded to its type's alignment. Elements are stored
 *  plain. int2vector and oidvector are the same with one dimension whose lower bound is 0, and empty ones keep it.
 *  Counterpart: src/include/utils/array.h, CopyArrayEls() of src/backend/utils/adt/arrayfuncs.c */
import type { DatumCodec } from '#access/common/datum-codec.ts';
import { codecFor } from '#access/common/datum-codec.ts';
import { type TypeStorage, typeStorage } from '#access/common/type-storage.ts';
import { setVarSize, varSize, withPlainBytes } from '#access/common/varlena.ts';
import { emptyArray } from '#adt/array.ts';
import type { ArrayDatum, Datum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { mem } from '#shm/memory.ts';

interface Element extends TypeStorage {
  readonly codec: DatumCodec;
  readonly alignBytes: number;
}
const elements = new Map<number, Element>();
function elementOf(type: Oid): Element {
  let found = elements.get(type);
  if (found === undefined) {
    const { length, byValue, align } = typeStorage(type);
    found = {
      length,
      byValue,
      align,
      codec: codecFor(type, length, byValue, align),
      alignBytes: align === 'd' ? 8 : align === 'i' ? 4 : align === 's' ? 2 : 1,
    };
    if (type < 10_000) elements.set(type, found);
  }
  return found;
}

/** `base` is where a 4-byte header would stand: offsets count from it, also if the header is short. */
function decodeArray(data: number): ArrayDatum {
  const base = data - 4;
  const view = mem.view;
  const ndim = view.getInt32(base + 4, true);
  const dataOffset = view.getInt32(base + 8, true);
  const elementType = view.getUint32(base + 12, true) as Oid;
  if (ndim === 0) return emptyArray(elementType);
  const dims: number[] = [];
  const lowerBounds: number[] = [];
  let count = 1;
  for (let i = 0; i < ndim; i++) {
    const length = view.getInt32(base + 16 + 4 * i, true);
    dims.push(length);
    lowerBounds.push(view.getInt32(base + 16 + 4 * (ndim + i), true));
    count *= length;
  }
  const bitmap = dataOffset === 0 ? -1 : base + 16 + 8 * ndim;
  const { codec, length, alignBytes } = elementOf(elementType);
  const values: Datum[] = [];
  let offset = dataOffset === 0 ? (16 + 8 * ndim + 7) & ~7 : dataOffset;
  for (let i = 0; i < count; i++) {
    if (bitmap >= 0 && (mem.u8[bitmap + (i >> 3)]! & (1 << (i & 7))) === 0) {
      values.push(null);
      continue;
    }
    // A short header needs no alignment, padding before a long one is zero.
    if (length !== -1 || mem.u8[base + offset] === 0) offset = (offset + alignBytes - 1) & -alignBytes;
    values.push(codec.read(base + offset));
    offset += length > 0 ? length : length === -1 ? varSize(base + offset) : cstringSize(base + offset);
  }
  // An int2vector or oidvector without members.
  if (count === 0) return emptyArray(elementType);
  return { kind: 'array', elementType, dims, lowerBounds, elements: values };
}
function cstringSize(at: number): number {
  let end = at;
  while (mem.u8[end] !== 0) end++;
  return end + 1 - at;
}

export function arrayCodec(elementType: Oid, isVector = false): DatumCodec {
  const typeOf = (value: ArrayDatum): Oid => (elementType !== 0 ? elementType : value.elementType);
  const layoutOf = (value: ArrayDatum): { ndim: number; hasNull: boolean; dataAt: number } => {
    const ndim = isVector ? 1 : value.dims.length;
    const hasNull = value.elements.includes(null);
    const header = 16 + 8 * ndim + (hasNull ? (value.elements.length + 7) >> 3 : 0);
    return { ndim, hasNull, dataAt: ndim === 0 ? 16 : (header + 7) & ~7 };
  };
  const measure = (value: ArrayDatum, exact: boolean): number => {
    const { codec, alignBytes } = elementOf(typeOf(value));
    let size = layoutOf(value).dataAt;
    for (const element of value.elements) {
      if (element === null) continue;
      const bytes = exact ? codec.size(element) : codec.bound(element);
      size = (size + bytes + alignBytes - 1) & -alignBytes;
    }
    return size;
  };
  return {
    read: (at) => withPlainBytes(at, decodeArray),
    size: (value) => measure(value as ArrayDatum, true),
    bound: (value) => measure(value as ArrayDatum, false),
    write(at, datum) {
      const value = datum as ArrayDatum;
      const view = mem.view;
      const type = typeOf(value);
      const { codec, alignBytes } = elementOf(type);
      const { ndim, hasNull, dataAt } = layoutOf(value);
      mem.u8.fill(0, at, at + dataAt);
      view.setInt32(at + 4, ndim, true);
      view.setInt32(at + 8, hasNull ? dataAt : 0, true);
      view.setUint32(at + 12, type, true);
      for (let i = 0; i < ndim; i++) {
        view.setInt32(at + 16 + 4 * i, value.dims[i] ?? 0, true);
        view.setInt32(at + 16 + 4 * (ndim + i), isVector ? 0 : (value.lowerBounds[i] ?? 1), true);
      }
      const bitmap = at + 16 + 8 * ndim;
      let offset = dataAt;
      const count = value.elements.length;
      for (let i = 0; i < count; i++) {
        const element = value.elements[i]!;
        if (element === null) continue;
        if (hasNull) mem.u8[bitmap + (i >> 3)]! |= 1 << (i & 7);
        const end = offset + codec.write(at + offset, element);
        offset = (end + alignBytes - 1) & -alignBytes;
        for (let pad = end; pad < offset; pad++) mem.u8[at + pad] = 0;
      }
      setVarSize(at, offset);
      return offset;
    },
  };
}
