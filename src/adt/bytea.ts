/** bytea.ts — byte strings: text forms, comparison, pieces, bits.
 *  Counterpart: src/backend/utils/adt/varlena.c */
import { decodeEscape, decodeHex, encodeEscape, encodeHex } from '#adt/encode.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import type { Int8 } from '#adt/int8.ts';
import { negativeLength, sliceBounds } from '#adt/substring.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';

export function byteaIn(text: string): Uint8Array {
  if (text.startsWith('\\x')) return decodeHex(text.slice(2));
  return decodeEscape(Buffer.from(text, 'utf8'));
}
export function byteaOut(value: Uint8Array): string {
  return settings.bytea_output === 'escape' ? encodeEscape(value) : `\\x${encodeHex(value)}`;
}

/** As memcmp and then length order them. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = a[i]! - b[i]!;
    if (difference !== 0) return difference;
  }
  return a.length === b.length ? 0 : a.length < b.length ? -1 : 1;
}
export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compareBytes(a, b) === 0;
}
const concatenate = (...parts: readonly Uint8Array[]): Uint8Array => Buffer.concat(parts);

function slice(value: Uint8Array, start: number, length: number | undefined): Uint8Array {
  const [from, to] = sliceBounds(start, length);
  return value.subarray(from, to);
}
function overlay(value: Uint8Array, replacement: Uint8Array, start: number, length: number): Uint8Array {
  if (start <= 0) negativeLength();
  if (start + length > 2147483647)
    report('ERROR', { code: SQLSTATE.numericValueOutOfRange, message: 'integer out of range' });
  return concatenate(slice(value, 1, start - 1), replacement, slice(value, start + length, undefined));
}
function trim(value: Uint8Array, set: Uint8Array, left: boolean, right: boolean): Uint8Array {
  let from = 0;
  let to = value.length;
  while (left && from < to && set.includes(value[from]!)) from++;
  while (right && to > from && set.includes(value[to - 1]!)) to--;
  return value.subarray(from, to);
}

function indexError(index: Int8, limit: number): never {
  report('ERROR', {
    code: SQLSTATE.arraySubscriptError,
    message: `index ${index} out of valid range, 0..${limit - 1}`,
  });
}
function checkedIndex(index: Int8, limit: number): number {
  if (index < 0 || index >= limit) indexError(index, limit);
  return Number(index);
}
function getBit(value: Uint8Array, index: Int8): number {
  const at = checkedIndex(index, value.length * 8);
  return (value[at >> 3]! >> (at & 7)) & 1;
}
function setBit(value: Uint8Array, index: Int8, bit: number): Uint8Array {
  const at = checkedIndex(index, value.length * 8);
  if (bit !== 0 && bit !== 1)
    report('ERROR', { code: SQLSTATE.invalidParameterValue, message: 'new bit must be 0 or 1' });
  const result = Uint8Array.from(value);
  result[at >> 3] = (result[at >> 3]! & ~(1 << (at & 7))) | (bit << (at & 7));
  return result;
}
function setByte(value: Uint8Array, index: number, byte: number): Uint8Array {
  const at = checkedIndex(index, value.length);
  const result = Uint8Array.from(value);
  result[at] = byte;
  return result;
}
function countBits(value: Uint8Array): number {
  let count = 0;
  for (const byte of value) for (let rest = byte; rest !== 0; rest &= rest - 1) count++;
  return count;
}

registerBuiltins({
  byteain: byteaIn,
  byteaout: byteaOut,
  bytearecv: (bytes: Uint8Array) => Uint8Array.from(bytes),
  byteasend: (value: Uint8Array) => value,
  byteaeq: bytesEqual,
  byteane: (a: Uint8Array, b: Uint8Array) => !bytesEqual(a, b),
  bytealt: (a: Uint8Array, b: Uint8Array) => compareBytes(a, b) < 0,
  byteale: (a: Uint8Array, b: Uint8Array) => compareBytes(a, b) <= 0,
  byteagt: (a: Uint8Array, b: Uint8Array) => compareBytes(a, b) > 0,
  byteage: (a: Uint8Array, b: Uint8Array) => compareBytes(a, b) >= 0,
  byteacmp: compareBytes,
  byteacat: concatenate,
  byteaoctetlen: (value: Uint8Array) => value.length,
  bytea_substr: slice,
  bytea_substr_no_len: (value: Uint8Array, start: number) => slice(value, start, undefined),
  byteaoverlay: overlay,
  byteaoverlay_no_len: (value: Uint8Array, replacement: Uint8Array, start: number) =>
    overlay(value, replacement, start, replacement.length),
  byteapos: (value: Uint8Array, piece: Uint8Array) => Buffer.from(value).indexOf(piece) + 1,
  byteatrim: (value: Uint8Array, set: Uint8Array) => trim(value, set, true, true),
  bytealtrim: (value: Uint8Array, set: Uint8Array) => trim(value, set, true, false),
  byteartrim: (value: Uint8Array, set: Uint8Array) => trim(value, set, false, true),
  byteaGetByte: (value: Uint8Array, index: number) => value[checkedIndex(index, value.length)]!,
  byteaSetByte: setByte,
  byteaGetBit: getBit,
  byteaSetBit: setBit,
  bytea_bit_count: countBits,
});
