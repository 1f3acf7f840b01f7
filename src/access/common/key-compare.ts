/** key-compare.ts — the order of B-tree keys, decided on stored bytes wherever the type allows it.
 *
 *  A KeyColumn knows how a column compares (its kind), a KeyArgument holds the other side prepared for that kind: as a
 *  number, as two halves of a 64-bit integer, as bytes in `mem`, or as a decoded Datum. `compareKey` then needs no
 *  allocation for every kind but `generic`, which decodes and calls the family's support function 1.
 *  Signs: negative if the stored value sorts before the argument. NULLs, DESC and NULLS FIRST are the caller's.
 *  Counterpart: the comparison support functions of src/backend/access/nbtree/nbtcompare.c and utils/adt */

import type { Attribute } from '#access/common/relation-descriptor.ts';
import type { DatumCodec } from '#access/common/datum-codec.ts';
import { collationIsByteOrder, type SupportFunction, supportFunction } from '#access/common/support-functions.ts';
import type { Datum, Tid, ArrayDatum } from '#adt/datum.ts';
import { utf8Bytes } from '#adt/wire.ts';
import type { Oid } from '#base/ids.ts';
import { makeTid } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { mem } from '#shm/memory.ts';
import { privateAlloc, privateFree } from '#shm/private-memory.ts';

export const KEY_KIND = {
  generic: 0,
  int2: 1,
  int4: 2,
  int8: 3,
  oid: 4,
  float4: 5,
  float8: 6,
  byte: 7,
  uint8: 8,
  uuid: 9,
  cstring: 10,
  varlena: 11,
  bpchar: 12,
  tid: 13,
  oidvector: 14,
} as const;
const K = KEY_KIND;

const INTEGER_KINDS: Readonly<Record<number, number>> = { 20: K.int8, 21: K.int2, 23: K.int4 };
const TIME_KINDS: Readonly<Record<number, number>> = { 1082: K.int4, 1114: K.int8, 1184: K.int8 };
const FLOAT_KINDS: Readonly<Record<number, number>> = { 700: K.float4, 701: K.float8 };

/** Kind by operator family and the family's input type. */
function kindOf(family: number, inputType: number, collation: Oid): number {
  switch (family) {
    case 1976:
      return INTEGER_KINDS[inputType] ?? K.generic;
    case 1989:
      return K.oid;
    case 1994:
      if (!collationIsByteOrder(collation)) return K.generic;
      return inputType === 19 ? K.cstring : K.varlena;
    case 2095:
    case 428:
      return K.varlena;
    case 426:
      return collationIsByteOrder(collation) ? K.bpchar : K.generic;
    case 2097:
      return K.bpchar;
    case 424:
    case 429:
      return K.byte;
    case 434:
      return TIME_KINDS[inputType] ?? K.generic;
    case 1970:
      return FLOAT_KINDS[inputType] ?? K.generic;
    case 1996:
    case 2099:
      return K.int8;
    case 3253:
    case 5067:
      return K.uint8;
    case 2968:
      return K.uuid;
    case 2789:
      return K.tid;
    case 1991:
      return K.oidvector;
    default:
      return K.generic;
  }
}

/** May an argument of another type be compared by the column's own kind (the value means the same in both)? */
function acceptsType(kind: number, family: number, inputType: number, argumentType: number): boolean {
  if (argumentType === 0 || argumentType === inputType) return true;
  if (family === 1976 || family === 1970 || family === 1994) return true;
  return kind !== K.generic && family !== 434;
}

export class KeyColumn {
  readonly kind: number;
  readonly length: number;
  constructor(
    readonly family: Oid,
    readonly inputType: Oid,
    readonly collation: Oid,
    attr: Attribute,
    readonly codec: DatumCodec,
  ) {
    const kind = kindOf(family, inputType, collation);
    // name_ops stores cstring; a relation that has the type itself (not through an opclass) stores 64 bytes of it.
    this.kind = kind;
    this.length = attr.length;
  }
  /** Support function 1 for an argument of `type`; only asked for generic comparisons. */
  support(type: Oid): SupportFunction {
    const right = type === 0 ? this.inputType : type;
    const found = supportFunction(this.family, this.inputType, right, 1);
    if (found === null)
      report('ERROR', {
        message: `missing support function 1(${this.inputType},${right}) for operator family ${this.family}`,
      });
    return found;
  }
}

/** The other side of comparisons. Its bytes belong to it (release) or lie in somebody's tuple. */
export class KeyArgument {
  isNull = false;
  /** indoption bits: 1 DESC, 2 NULLS FIRST. */
  option = 0;
  kind: number = K.generic;
  column: KeyColumn;
  /** Integers up to 32 bits, floats, bool, oid, tid. */
  num = 0;
  /** 64-bit integers: high word (signed or not by kind) and low word. */
  hi = 0;
  lo = 0;
  at = 0;
  length = 0;
  value: Datum = null;
  function: SupportFunction | null = null;
  private owned = 0;
  private ownedSize = 0;
  constructor(column: KeyColumn) {
    this.column = column;
    this.kind = column.kind;
  }

  setNull(): void {
    this.isNull = true;
  }
  /** From a Datum of `type` (0: the column's own). */
  setDatum(value: Datum, type: Oid): void {
    const column = this.column;
    this.isNull = value === null;
    this.kind = acceptsType(column.kind, column.family, column.inputType, type) ? column.kind : K.generic;
    if (value === null) return;
    switch (this.kind) {
      case K.int2:
      case K.int4:
      case K.oid:
      case K.float4:
      case K.float8:
        this.num = Number(value);
        return;
      case K.byte:
        this.num = typeof value === 'boolean' ? (value ? 1 : 0) : charByte(value as string);
        return;
      case K.int8:
        this.setInt64(value as number | bigint, true);
        return;
      case K.uint8:
        this.setInt64(value as number | bigint, false);
        return;
      case K.tid: {
        const tid = value as Tid;
        this.num = makeTid(tid.block, tid.offset);
        return;
      }
      case K.uuid:
        this.setBytes(value as Uint8Array);
        return;
      case K.cstring:
      case K.varlena:
        this.setBytes(typeof value === 'string' ? utf8Bytes(value) : (value as Uint8Array));
        return;
      case K.bpchar:
        this.setBytes(utf8Bytes((value as string).replace(/ +$/, '')));
        return;
      case K.oidvector: {
        const oids = Uint32Array.from((value as ArrayDatum).elements as number[]);
        this.setBytes(new Uint8Array(oids.buffer));
        this.length = oids.length;
        return;
      }
      default:
        this.value = value;
        this.function = column.support(type);
    }
  }
  private setInt64(value: number | bigint, signed: boolean): void {
    if (typeof value === 'number') {
      const hi = Math.floor(value / 0x1_0000_0000);
      this.hi = hi;
      this.lo = value - hi * 0x1_0000_0000;
    } else {
      const wrapped = signed ? value : BigInt.asUintN(64, value);
      this.hi = Number(wrapped >> 32n);
      this.lo = Number(wrapped & 0xffff_ffffn);
    }
  }
  private setBytes(bytes: Uint8Array): void {
    if (bytes.length > this.ownedSize) {
      this.release();
      this.ownedSize = Math.max(64, bytes.length);
      this.owned = privateAlloc(this.ownedSize);
    }
    mem.u8.set(bytes, this.owned);
    this.at = this.owned;
    this.length = bytes.length;
  }
  /** From stored bytes at `at`, which must stay while the argument is used. */
  setStored(at: number): void {
    const column = this.column;
    const { view } = mem;
    this.isNull = false;
    this.kind = column.kind;
    switch (this.kind) {
      case K.int2:
        this.num = view.getInt16(at, true);
        return;
      case K.int4:
        this.num = view.getInt32(at, true);
        return;
      case K.oid:
        this.num = view.getUint32(at, true);
        return;
      case K.float4:
        this.num = view.getFloat32(at, true);
        return;
      case K.float8:
        this.num = view.getFloat64(at, true);
        return;
      case K.byte:
        this.num = mem.u8[at]!;
        return;
      case K.int8:
        this.hi = view.getInt32(at + 4, true);
        this.lo = view.getUint32(at, true);
        return;
      case K.uint8:
        this.hi = view.getUint32(at + 4, true);
        this.lo = view.getUint32(at, true);
        return;
      case K.tid:
        this.num = storedTid(at);
        return;
      case K.uuid:
        this.at = at;
        this.length = 16;
        return;
      case K.cstring:
        this.at = at;
        this.length = cstringLength(at, column.length);
        return;
      case K.varlena:
      case K.bpchar:
        if ((mem.u8[at]! & 3) === 2) {
          const value = column.codec.read(at);
          this.setBytes(plainBytes(value, this.kind));
          return;
        }
        this.at = varlenaData(at);
        this.length = varlenaLength(at, this.kind);
        return;
      case K.oidvector:
        // varlena header (always four bytes: storage plain), ndim, dataoffset, elemtype, dim1, lbound1, values
        this.length = view.getInt32(at + 16, true);
        this.at = at + 24;
        return;
      default:
        this.value = column.codec.read(at);
        this.function = column.support(0 as Oid);
    }
  }
  release(): void {
    if (this.owned !== 0) privateFree(this.owned);
    this.owned = 0;
    this.ownedSize = 0;
  }
}

const charByte = (value: string): number => {
  const bytes = utf8Bytes(value);
  return bytes.length === 0 ? 0 : bytes[0]!;
};
const storedTid = (at: number): number => {
  const { view } = mem;
  return makeTid(view.getUint16(at, true) * 65536 + view.getUint16(at + 2, true), view.getUint16(at + 4, true));
};
/** Length of a name or cstring without its zero; at most `limit` bytes if that is a fixed length. */
function cstringLength(at: number, limit: number): number {
  const { u8 } = mem;
  const end = limit > 0 ? at + limit : 0xffff_ffff;
  let stop = at;
  while (stop < end && u8[stop] !== 0) stop++;
  return stop - at;
}
const varlenaData = (at: number): number => ((mem.u8[at]! & 1) === 1 ? at + 1 : at + 4);
/** Bytes of an uncompressed varlena's data; for bpchar without trailing blanks. */
function varlenaLength(at: number, kind: number): number {
  const first = mem.u8[at]!;
  const short = (first & 1) === 1;
  let length = short ? (first >>> 1) - 1 : (mem.view.getUint32(at, true) >>> 2) - 4;
  if (kind === K.bpchar) {
    const { u8 } = mem;
    const data = at + (short ? 1 : 4);
    while (length > 0 && u8[data + length - 1] === 0x20) length--;
  }
  return length;
}
function plainBytes(value: Datum, kind: number): Uint8Array {
  if (typeof value !== 'string') return value as Uint8Array;
  return utf8Bytes(kind === K.bpchar ? value.replace(/ +$/, '') : value);
}

const sign = (a: number, b: number): number => (a < b ? -1 : a > b ? 1 : 0);
/** NaN is equal to itself and greater than everything else. */
function compareFloats(a: number, b: number): number {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b) return 0;
  const aNaN = Number.isNaN(a);
  return aNaN === Number.isNaN(b) ? 0 : aNaN ? 1 : -1;
}
export function compareBytes(a: number, aLength: number, b: number, bLength: number): number {
  const { u8 } = mem;
  const shared = Math.min(aLength, bLength);
  for (let i = 0; i < shared; i++) {
    const difference = u8[a + i]! - u8[b + i]!;
    if (difference !== 0) return difference;
  }
  return aLength - bLength;
}
/** The shorter vector sorts first. */
function compareOidVectors(at: number, arg: KeyArgument): number {
  const { view } = mem;
  const count = view.getInt32(at + 16, true);
  if (count !== arg.length) return count - arg.length;
  for (let i = 0; i < count; i++) {
    const order = sign(view.getUint32(at + 24 + i * 4, true), view.getUint32(arg.at + i * 4, true));
    if (order !== 0) return order;
  }
  return 0;
}

/** Order of the stored value at `at` (not NULL) against the argument (not NULL). */
export function compareKey(arg: KeyArgument, at: number): number {
  const { view } = mem;
  switch (arg.kind) {
    case K.int4:
      return sign(view.getInt32(at, true), arg.num);
    case K.int8: {
      const order = sign(view.getInt32(at + 4, true), arg.hi);
      return order !== 0 ? order : sign(view.getUint32(at, true), arg.lo);
    }
    case K.oid:
      return sign(view.getUint32(at, true), arg.num);
    case K.int2:
      return sign(view.getInt16(at, true), arg.num);
    case K.varlena:
    case K.bpchar:
      return compareVarlena(arg, at);
    case K.cstring:
      return compareBytes(at, cstringLength(at, arg.column.length), arg.at, arg.length);
    case K.byte:
      return mem.u8[at]! - arg.num;
    case K.float8:
      return compareFloats(view.getFloat64(at, true), arg.num);
    case K.float4:
      return compareFloats(view.getFloat32(at, true), arg.num);
    case K.uint8: {
      const order = sign(view.getUint32(at + 4, true), arg.hi);
      return order !== 0 ? order : sign(view.getUint32(at, true), arg.lo);
    }
    case K.uuid:
      return compareBytes(at, 16, arg.at, 16);
    case K.tid:
      return sign(storedTid(at), arg.num);
    case K.oidvector:
      return compareOidVectors(at, arg);
    default: {
      const { column } = arg;
      return Number(arg.function!.call(column.codec.read(at), arg.value, column.collation));
    }
  }
}
function compareVarlena(arg: KeyArgument, at: number): number {
  if ((mem.u8[at]! & 3) === 2) {
    const bytes = plainBytes(arg.column.codec.read(at), arg.kind);
    return compareHeapBytes(bytes, arg.at, arg.length);
  }
  return compareBytes(varlenaData(at), varlenaLength(at, arg.kind), arg.at, arg.length);
}
function compareHeapBytes(a: Uint8Array, b: number, bLength: number): number {
  const { u8 } = mem;
  const shared = Math.min(a.length, bLength);
  for (let i = 0; i < shared; i++) {
    const difference = a[i]! - u8[b + i]!;
    if (difference !== 0) return difference;
  }
  return a.length - bLength;
}

/** A number that orders as the stored value does as far as it reaches (an abbreviated key), for sorting. Equal numbers
 *  decide nothing unless `abbreviationIsExact(kind)`. */
export function abbreviate(column: KeyColumn, at: number): number {
  const { view, u8 } = mem;
  switch (column.kind) {
    case K.int2:
      return view.getInt16(at, true);
    case K.int4:
      return view.getInt32(at, true);
    case K.oid:
      return view.getUint32(at, true);
    case K.byte:
      return u8[at]!;
    case K.int8:
      return view.getInt32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
    case K.uint8:
      return view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
    case K.float4:
    case K.float8: {
      const value = column.kind === K.float4 ? view.getFloat32(at, true) : view.getFloat64(at, true);
      return Number.isNaN(value) ? Number.POSITIVE_INFINITY : value;
    }
    case K.uuid:
      return prefix(at, 16);
    case K.cstring:
      return prefix(at, cstringLength(at, column.length));
    case K.varlena:
    case K.bpchar:
      return (u8[at]! & 3) === 2
        ? prefixOf(plainBytes(column.codec.read(at), column.kind))
        : prefix(varlenaData(at), varlenaLength(at, column.kind));
    case K.tid:
      return storedTid(at);
    default:
      return 0;
  }
}
/** The first six bytes: a prefix padded with zeroes sorts before or with what it begins, never after. */
function prefix(at: number, length: number): number {
  const { u8 } = mem;
  let value = 0;
  for (let i = 0; i < 6; i++) value = value * 256 + (i < length ? u8[at + i]! : 0);
  return value;
}
function prefixOf(bytes: Uint8Array): number {
  let value = 0;
  for (let i = 0; i < 6; i++) value = value * 256 + (i < bytes.length ? bytes[i]! : 0);
  return value;
}
/** Equal abbreviations mean equal values. */
export const abbreviationIsExact = (kind: number): boolean =>
  kind === K.int2 || kind === K.int4 || kind === K.oid || kind === K.byte || kind === K.tid;

/** Order of two prepared arguments of the same column. Their kinds may differ where their types do: then the family's
 *  support function decides, `null` if it has none for these types. */
export function compareArguments(
  a: KeyArgument,
  aValue: Datum,
  aType: Oid,
  b: KeyArgument,
  bValue: Datum,
  bType: Oid,
): number | null {
  if (a.kind === b.kind)
    switch (a.kind) {
      case K.generic:
        break;
      case K.int8:
      case K.uint8: {
        const order = sign(a.hi, b.hi);
        return order !== 0 ? order : sign(a.lo, b.lo);
      }
      case K.varlena:
      case K.bpchar:
      case K.cstring:
      case K.uuid:
        return compareBytes(a.at, a.length, b.at, b.length);
      case K.oidvector: {
        const { view } = mem;
        for (let i = 0; a.length === b.length && i < a.length; i++) {
          const order = sign(view.getUint32(a.at + i * 4, true), view.getUint32(b.at + i * 4, true));
          if (order !== 0) return order;
        }
        return a.length - b.length;
      }
      default:
        return compareFloats(a.num, b.num);
    }
  const { column } = a;
  const left = aType === 0 ? column.inputType : aType;
  const right = bType === 0 ? column.inputType : bType;
  const found = supportFunction(column.family, left, right, 1);
  return found === null ? null : Number(found.call(aValue, bValue, column.collation));
}
