/** codec-scalar.ts — numbers, times, strings, addresses, bits: types whose bytes hold no other value.
 *  Counterpart: the typedefs of src/include/utils (date.h, timestamp.h, inet.h, varbit.h), src/include/c.h */

import type { DatumCodec } from '#access/common/datum-codec.ts';
import { readText, textByteLength, writeText } from '#access/common/text-bytes.ts';
import { setVarSize, withPlainBytes } from '#access/common/varlena.ts';
import { canonicalInt8, type Datum, type Inet, type Interval, type Tid, type TimeTz } from '#adt/datum.ts';
import { mem } from '#shm/memory.ts';

const TWO_32 = 0x1_0000_0000;

/** A signed 64-bit integer as canonical int8. */
export function readInt8(at: number): number | bigint {
  const high = mem.view.getInt32(at + 4, true);
  if (high >= -0x20_0000 && high < 0x20_0000) {
    const value = high * TWO_32 + mem.view.getUint32(at, true);
    if (value !== -0x20_0000 * TWO_32) return value;
  }
  return canonicalInt8(mem.view.getBigInt64(at, true));
}
export function writeInt8(at: number, value: number | bigint): void {
  if (typeof value === 'bigint') {
    mem.view.setBigInt64(at, BigInt.asIntN(64, value), true);
    return;
  }
  mem.view.setUint32(at, value >>> 0, true);
  mem.view.setInt32(at + 4, Math.floor(value / TWO_32), true);
}

const fixed = (length: number, read: (at: number) => Datum, write: (at: number, value: Datum) => void): DatumCodec => ({
  read,
  size: () => length,
  bound: () => length,
  write: (at, value) => {
    write(at, value);
    return length;
  },
});

export const boolCodec: DatumCodec = fixed(
  1,
  (at) => mem.u8[at] !== 0,
  (at, value) => {
    mem.u8[at] = value === true ? 1 : 0;
  },
);
/** A string of one unit 0x01..0xff, '' for the zero byte. */
export const charCodec: DatumCodec = fixed(
  1,
  (at) => (mem.u8[at] === 0 ? '' : String.fromCharCode(mem.u8[at]!)),
  (at, value) => {
    mem.u8[at] = typeof value === 'number' ? value : (value as string) === '' ? 0 : (value as string).charCodeAt(0);
  },
);
export const int2Codec: DatumCodec = fixed(
  2,
  (at) => mem.view.getInt16(at, true),
  (at, value) => mem.view.setInt16(at, value as number, true),
);
export const int4Codec: DatumCodec = fixed(
  4,
  (at) => mem.view.getInt32(at, true),
  (at, value) => mem.view.setInt32(at, value as number, true),
);
export const uint4Codec: DatumCodec = fixed(
  4,
  (at) => mem.view.getUint32(at, true),
  (at, value) => mem.view.setUint32(at, value as number, true),
);
export const int8Codec: DatumCodec = fixed(8, readInt8, (at, value) => writeInt8(at, value as number | bigint));
export const uint8Codec: DatumCodec = fixed(
  8,
  (at) => {
    const high = mem.view.getUint32(at + 4, true);
    if (high < 0x20_0000) return high * TWO_32 + mem.view.getUint32(at, true);
    return canonicalInt8(mem.view.getBigUint64(at, true));
  },
  (at, value) => {
    if (typeof value === 'bigint') mem.view.setBigUint64(at, BigInt.asUintN(64, value), true);
    else writeInt8(at, value as number);
  },
);
export const float4Codec: DatumCodec = fixed(
  4,
  (at) => mem.view.getFloat32(at, true),
  (at, value) => mem.view.setFloat32(at, value as number, true),
);
export const float8Codec: DatumCodec = fixed(
  8,
  (at) => mem.view.getFloat64(at, true),
  (at, value) => mem.view.setFloat64(at, value as number, true),
);
export const tidCodec: DatumCodec = fixed(
  6,
  (at): Tid => ({
    kind: 'tid',
    block: mem.view.getUint16(at, true) * 65536 + mem.view.getUint16(at + 2, true),
    offset: mem.view.getUint16(at + 4, true),
  }),
  (at, value) => {
    const { block, offset } = value as Tid;
    mem.view.setUint16(at, block >>> 16, true);
    mem.view.setUint16(at + 2, block & 0xffff, true);
    mem.view.setUint16(at + 4, offset, true);
  },
);
export const intervalCodec: DatumCodec = fixed(
  16,
  (at): Interval => ({
    kind: 'interval',
    months: mem.view.getInt32(at + 12, true),
    days: mem.view.getInt32(at + 8, true),
    micros: readInt8(at),
  }),
  (at, value) => {
    const interval = value as Interval;
    writeInt8(at, interval.micros);
    mem.view.setInt32(at + 8, interval.days, true);
    mem.view.setInt32(at + 12, interval.months, true);
  },
);
export const timeTzCodec: DatumCodec = fixed(
  12,
  (at): TimeTz => ({ kind: 'timetz', micros: Number(readInt8(at)), zone: mem.view.getInt32(at + 8, true) }),
  (at, value) => {
    writeInt8(at, (value as TimeTz).micros);
    mem.view.setInt32(at + 8, (value as TimeTz).zone, true);
  },
);

const NAMEDATALEN = 64;
export function readName(at: number): string {
  const u8 = mem.u8;
  let length = 0;
  while (length < NAMEDATALEN && u8[at + length] !== 0) length++;
  return readText(at, length);
}
/** Zero-padded, cut at a character border before the 64th byte. */
export function writeName(at: number, text: string): void {
  let length: number;
  if (text.length * 3 < NAMEDATALEN) length = writeText(at, text);
  else {
    const bytes = Buffer.from(text, 'utf8');
    length = Math.min(bytes.length, NAMEDATALEN - 1);
    while (length < bytes.length && length > 0 && (bytes[length]! & 0xc0) === 0x80) length--;
    mem.u8.set(bytes.subarray(0, length), at);
  }
  mem.u8.fill(0, at + length, at + NAMEDATALEN);
}
export const nameCodec: DatumCodec = fixed(64, readName, (at, value) => writeName(at, value as string));

export const rawFixedCodec = (length: number): DatumCodec =>
  fixed(
    length,
    (at) => copyBytes(at, length),
    (at, value) => mem.u8.set(value as Uint8Array, at),
  );

export const cstringCodec: DatumCodec = {
  read(at) {
    let end = at;
    while (mem.u8[end] !== 0) end++;
    return readText(at, end - at);
  },
  size: (value) => textByteLength(value as string) + 1,
  bound: (value) => (value as string).length * 3 + 1,
  write(at, value) {
    const length = writeText(at, value as string);
    mem.u8[at + length] = 0;
    return length + 1;
  },
};

export const textCodec: DatumCodec = {
  read(at) {
    const first = mem.u8[at]!;
    if ((first & 1) === 1 && first !== 1) return readText(at + 1, (first >> 1) - 1);
    return withPlainBytes(at, readText);
  },
  size: (value) => textByteLength(value as string) + 4,
  bound: (value) => (value as string).length * 3 + 4,
  write(at, value) {
    const size = writeText(at + 4, value as string) + 4;
    setVarSize(at, size);
    return size;
  },
};

const copyBytes = (at: number, length: number): Uint8Array => {
  // A copy of its own: slice() of the segment's bytes would be shared memory too.
  const bytes = new Uint8Array(length);
  bytes.set(mem.u8.subarray(at, at + length));
  return bytes;
};
export const byteaCodec: DatumCodec = {
  read: (at) => withPlainBytes(at, copyBytes),
  size: (value) => (value as Uint8Array).length + 4,
  bound: (value) => (value as Uint8Array).length + 4,
  write(at, value) {
    mem.u8.set(value as Uint8Array, at + 4);
    const size = (value as Uint8Array).length + 4;
    setVarSize(at, size);
    return size;
  },
};
export const rawVarlenaCodec: DatumCodec = byteaCodec;

/** PGSQL_AF_INET is 2 on every system, PGSQL_AF_INET6 is 3. */
export const inetCodec = (isCidr: boolean): DatumCodec => ({
  read: (at) =>
    withPlainBytes(at, (data): Inet => {
      const family = mem.u8[data] === 2 ? 4 : 6;
      return {
        kind: 'inet',
        family,
        address: copyBytes(data + 2, family === 4 ? 4 : 16),
        bits: mem.u8[data + 1]!,
        isCidr,
      };
    }),
  size: (value) => 6 + (value as Inet).address.length,
  bound: (value) => 6 + (value as Inet).address.length,
  write(at, value) {
    const inet = value as Inet;
    mem.u8[at + 4] = inet.family === 4 ? 2 : 3;
    mem.u8[at + 5] = inet.bits;
    mem.u8.set(inet.address, at + 6);
    setVarSize(at, 6 + inet.address.length);
    return 6 + inet.address.length;
  },
});

const bitSize = (value: Datum): number => 8 + ((value as string).length + 7) / 8;
/** i32 number of bits, then the bits, most significant first, zero-padded. */
export const bitCodec: DatumCodec = {
  read: (at) =>
    withPlainBytes(at, (data) => {
      const count = mem.view.getInt32(data, true);
      let text = '';
      for (let i = 0; i < count; i++) text += (mem.u8[data + 4 + (i >> 3)]! >> (7 - (i & 7))) & 1 ? '1' : '0';
      return text;
    }),
  size: (value) => Math.floor(bitSize(value)),
  bound: (value) => Math.ceil(bitSize(value)),
  write(at, value) {
    const bits = value as string;
    const size = Math.floor(bitSize(value));
    mem.u8.fill(0, at + 8, at + size);
    mem.view.setInt32(at + 4, bits.length, true);
    for (let i = 0; i < bits.length; i++) if (bits.charCodeAt(i) === 49) mem.u8[at + 8 + (i >> 3)]! |= 0x80 >> (i & 7);
    setVarSize(at, size);
    return size;
  },
};
