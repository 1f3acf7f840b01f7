/** datum-codec.ts — between a type's bytes on disk and its Datum.
 *
 *  A codec belongs to a type. `write` makes the uncompressed form behind a 4-byte header where the type is a varlena;
 *  forming a tuple shortens headers afterwards. `read` takes every stored form: short, plain, compressed and, through
 *  setDetoaster, out of line. Types that have no Datum of their own here (geometry, ranges, text search …) are read as
 *  their raw bytes: a Uint8Array of the data without header, so that they survive being copied.
 *
 *  | type | form of the Datum where datum.ts does not say |
 *  |---|---|
 *  | bit, varbit | string of 0 and 1 |
 *  | enum types | the label's OID |
 *  | aclitem | its text |
 *  | macaddr, macaddr8, geometry, ranges, multiranges, tsvector, tsquery … | Uint8Array, raw |
 *
 *  Counterpart: fetch_att()/store_att_byval() and the internal forms of src/backend/utils/adt */

import { aclItemCodec } from '#access/common/codec-acl.ts';
import { arrayCodec } from '#access/common/codec-array.ts';
import { jsonbCodec } from '#access/common/codec-jsonb.ts';
import { numericCodec } from '#access/common/codec-numeric.ts';
import { compositeCodec } from '#access/common/codec-record.ts';
import {
  bitCodec,
  boolCodec,
  byteaCodec,
  charCodec,
  cstringCodec,
  float4Codec,
  float8Codec,
  inetCodec,
  int2Codec,
  int4Codec,
  int8Codec,
  intervalCodec,
  nameCodec,
  rawFixedCodec,
  rawVarlenaCodec,
  textCodec,
  tidCodec,
  timeTzCodec,
  uint4Codec,
  uint8Codec,
} from '#access/common/codec-scalar.ts';
import { builtinElementType, isBuiltinType } from '#access/common/type-storage.ts';
import type { AttAlign } from '#access/common/relation-descriptor.ts';
import type { Datum } from '#adt/datum.ts';
import { typeInfo } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';

export interface DatumCodec {
  /** `at` is where the value (for a varlena its header) begins. */
  read(at: number): Datum;
  /** Bytes that write() makes, exactly. */
  size(value: Datum): number;
  /** At least size(value), found quickly. */
  bound(value: Datum): number;
  /** Writes at `at`, which is aligned as the type wants; returns the number of bytes. */
  write(at: number, value: Datum): number;
}

const SCALARS: Readonly<Record<number, DatumCodec>> = {
  16: boolCodec,
  17: byteaCodec,
  18: charCodec,
  19: nameCodec,
  20: int8Codec,
  21: int2Codec,
  23: int4Codec,
  24: uint4Codec,
  25: textCodec,
  26: uint4Codec,
  27: tidCodec,
  28: uint4Codec,
  29: uint4Codec,
  114: textCodec,
  142: textCodec,
  194: textCodec,
  650: inetCodec(true),
  700: float4Codec,
  701: float8Codec,
  705: cstringCodec,
  790: int8Codec,
  869: inetCodec(false),
  1033: aclItemCodec,
  1042: textCodec,
  1043: textCodec,
  1082: int4Codec,
  1083: int8Codec,
  1114: int8Codec,
  1184: int8Codec,
  1186: intervalCodec,
  1266: timeTzCodec,
  1560: bitCodec,
  1562: bitCodec,
  1700: numericCodec,
  1790: textCodec,
  2202: uint4Codec,
  2203: uint4Codec,
  2204: uint4Codec,
  2205: uint4Codec,
  2206: uint4Codec,
  2275: cstringCodec,
  2950: rawFixedCodec(16),
  3220: uint8Codec,
  3734: uint4Codec,
  3769: uint4Codec,
  3802: jsonbCodec,
  4089: uint4Codec,
  4096: uint4Codec,
  4191: uint4Codec,
  5069: uint8Codec,
};

/** What the catalog says of a type that is not built in. */
export interface CodecType {
  readonly typtype: string;
  /** Of a domain. */
  readonly baseType: Oid;
  /** Of an array type, else 0. */
  readonly elementType: Oid;
}
let codecTypeLookup: ((type: Oid) => CodecType) | undefined;
/** The catalog tells about domains; without it a type is judged by what TypeInfo says. */
export function setCodecTypeLookup(lookup: (type: Oid) => CodecType): void {
  codecTypeLookup = lookup;
}

const fixedCodecs = new Map<number, DatumCodec>();
function rawCodec(length: number, byValue: boolean): DatumCodec {
  if (length === -1) return rawVarlenaCodec;
  if (length === -2) return cstringCodec;
  if (byValue) return length === 8 ? int8Codec : length === 4 ? uint4Codec : length === 2 ? int2Codec : charCodec;
  let codec = fixedCodecs.get(length);
  if (codec === undefined) fixedCodecs.set(length, (codec = rawFixedCodec(length)));
  return codec;
}

/** Settles what the type is when the first value is touched: descriptors are built before types can be looked up. */
class LateCodec implements DatumCodec {
  private found: DatumCodec | undefined;
  constructor(
    private readonly typeId: Oid,
    private readonly length: number,
    private readonly byValue: boolean,
    private readonly align: AttAlign,
  ) {}
  private get codec(): DatumCodec {
    return (this.found ??= this.resolve());
  }
  private resolve(): DatumCodec {
    if (codecTypeLookup !== undefined) {
      const type = codecTypeLookup(this.typeId);
      if (type.typtype === 'd') return codecFor(type.baseType, this.length, this.byValue, this.align);
      if (type.typtype === 'c') return compositeCodec(this.typeId);
      if (type.typtype === 'e') return uint4Codec;
      if (type.elementType !== 0) return arrayCodec(type.elementType);
      return rawCodec(this.length, this.byValue);
    }
    const info = typeInfo(this.typeId);
    if (info.typtype === 'c') return compositeCodec(this.typeId);
    if (info.typtype === 'e') return uint4Codec;
    if (info.elementType !== 0 && this.length === -1) return arrayCodec(info.elementType);
    return rawCodec(this.length, this.byValue);
  }
  read(at: number): Datum {
    return this.codec.read(at);
  }
  size(value: Datum): number {
    return this.codec.size(value);
  }
  bound(value: Datum): number {
    return this.codec.bound(value);
  }
  write(at: number, value: Datum): number {
    return this.codec.write(at, value);
  }
}

const codecs = new Map<number, DatumCodec>();
export function codecFor(typeId: Oid, length: number, byValue: boolean, align: AttAlign): DatumCodec {
  const known = codecs.get(typeId);
  if (known !== undefined) return known;
  const codec = makeCodec(typeId, length, byValue, align);
  // Dropped columns have type 0, user-defined types may be dropped and their OIDs used again.
  if (typeId !== 0 && typeId < 10_000) codecs.set(typeId, codec);
  return codec;
}
function makeCodec(typeId: Oid, length: number, byValue: boolean, align: AttAlign): DatumCodec {
  const scalar = SCALARS[typeId];
  if (scalar !== undefined) return scalar;
  if (typeId === 0) return rawCodec(length, byValue);
  if (typeId === 22) return arrayCodec(21 as Oid, true);
  if (typeId === 30) return arrayCodec(26 as Oid, true);
  if (typeId === 2277 || typeId === 5078) return arrayCodec(0 as Oid);
  if (typeId === 2249) return compositeCodec(typeId);
  const element = builtinElementType(typeId);
  if (element !== undefined) return arrayCodec(element);
  if (isBuiltinType(typeId)) return rawCodec(length, byValue);
  return new LateCodec(typeId, length, byValue, align);
}
