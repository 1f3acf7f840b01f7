/** hash-functions.ts — the hash support functions of the scalar types, plain and extended (64 bit, seeded).
 *  Types that compare across each other hash alike: int2, int4 and int8; float4 and float8; name and text.
 *  Counterpart: src/backend/access/hash/hashfunc.c, hash functions of src/backend/utils/adt/ */
import { withoutPadding } from '#adt/char.ts';
import type { ArrayDatum, Numeric, Tid } from '#adt/datum.ts';
import { canonicalInt8 } from '#adt/datum.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import { hashBytes, hashBytesExtended, hashUint32, hashUint32Extended } from '#adt/hash-bytes.ts';
import type { Int8 } from '#adt/int8.ts';
import { toBase10000 } from '#adt/numeric-functions.ts';
import { utf8Bytes } from '#adt/wire.ts';

/** An int8 folded to the 32 bits that its int4 equal would have. */
function foldInt8(value: Int8): number {
  const wide = BigInt.asIntN(64, BigInt(value));
  const low = Number(BigInt.asIntN(32, wide));
  const high = Number(BigInt.asIntN(32, wide >> 32n));
  return low ^ (wide >= 0n ? high : ~high);
}
const scratch = new DataView(new ArrayBuffer(8));
const scratchBytes = new Uint8Array(scratch.buffer);
/** The bytes of a float8, one pattern for all NaNs. */
function float8Bytes(value: number): Uint8Array {
  if (Number.isNaN(value)) scratch.setBigUint64(0, 0x7ff8000000000000n, true);
  else scratch.setFloat64(0, value, true);
  return scratchBytes;
}
const charKey = (value: string | boolean): number =>
  typeof value === 'boolean' ? (value ? 1 : 0) : value === '' ? 0 : (value.charCodeAt(0) << 24) >> 24;
/** Base-10000 digits as the int16 array in memory. */
function numericKey(value: Numeric): { bytes: Uint8Array; weight: number } {
  const { digits, weight } = toBase10000(value);
  return { bytes: new Uint8Array(Int16Array.from(digits).buffer), weight };
}
const tidKey = (value: Tid): Uint8Array => {
  const bytes = new Uint8Array(6);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, value.block >>> 16, true);
  view.setUint16(2, value.block & 0xffff, true);
  view.setUint16(4, value.offset, true);
  return bytes;
};
const oidVectorKey = (value: ArrayDatum): Uint8Array =>
  new Uint8Array(Uint32Array.from(value.elements as readonly number[]).buffer);

const int4Hash = (value: number): number => hashUint32(value | 0);
const int4HashExtended = (value: number, seed: Int8): Int8 => canonicalInt8(hashUint32Extended(value | 0, seed));
const int8Hash = (value: Int8): number => hashUint32(foldInt8(value));
const int8HashExtended = (value: Int8, seed: Int8): Int8 => canonicalInt8(hashUint32Extended(foldInt8(value), seed));
const textHash = (value: string): number => hashBytes(utf8Bytes(value));
const textHashExtended = (value: string, seed: Int8): Int8 => canonicalInt8(hashBytesExtended(utf8Bytes(value), seed));
const bytesHash = (value: Uint8Array): number => hashBytes(value);
const bytesHashExtended = (value: Uint8Array, seed: Int8): Int8 => canonicalInt8(hashBytesExtended(value, seed));
const floatHash = (value: number): number => (value === 0 ? 0 : hashBytes(float8Bytes(value)));
const floatHashExtended = (value: number, seed: Int8): Int8 =>
  value === 0 ? seed : canonicalInt8(hashBytesExtended(float8Bytes(value), seed));

registerBuiltins({
  hashchar: (value: string | boolean) => hashUint32(charKey(value)),
  hashcharextended: (value: string | boolean, seed: Int8) => canonicalInt8(hashUint32Extended(charKey(value), seed)),
  hashint2: int4Hash,
  hashint2extended: int4HashExtended,
  hashint4: int4Hash,
  hashint4extended: int4HashExtended,
  hashint8: int8Hash,
  hashint8extended: int8HashExtended,
  hashoid: int4Hash,
  hashoidextended: int4HashExtended,
  hashfloat4: floatHash,
  hashfloat4extended: floatHashExtended,
  hashfloat8: floatHash,
  hashfloat8extended: floatHashExtended,
  hashoidvector: (value: ArrayDatum) => hashBytes(oidVectorKey(value)),
  hashoidvectorextended: (value: ArrayDatum, seed: Int8) => canonicalInt8(hashBytesExtended(oidVectorKey(value), seed)),
  hashname: textHash,
  hashnameextended: textHashExtended,
  hashtext: textHash,
  hashtextextended: textHashExtended,
  hashbpchar: (value: string) => textHash(withoutPadding(value)),
  hashbpcharextended: (value: string, seed: Int8) => textHashExtended(withoutPadding(value), seed),
  hashvarlena: bytesHash,
  hashvarlenaextended: bytesHashExtended,
  hashtid: (value: Tid) => hashBytes(tidKey(value)),
  hashtidextended: (value: Tid, seed: Int8) => canonicalInt8(hashBytesExtended(tidKey(value), seed)),
  uuid_hash: bytesHash,
  uuid_hash_extended: bytesHashExtended,
  pg_lsn_hash: int8Hash,
  pg_lsn_hash_extended: int8HashExtended,
  hash_numeric: (value: Numeric) => {
    if (value.special !== 0 || value.unscaled === 0n) return value.special === 0 ? -1 : 0;
    const { bytes, weight } = numericKey(value);
    return hashBytes(bytes) ^ weight;
  },
  hash_numeric_extended: (value: Numeric, seed: Int8) => {
    if (value.special !== 0) return seed;
    if (value.unscaled === 0n) return canonicalInt8(BigInt.asIntN(64, BigInt(seed) - 1n));
    const { bytes, weight } = numericKey(value);
    return canonicalInt8(BigInt.asIntN(64, hashBytesExtended(bytes, seed) ^ BigInt(weight)));
  },
});
