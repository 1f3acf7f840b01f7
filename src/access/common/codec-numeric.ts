/** codec-numeric.ts — numeric's base-10000 digits.
 *
 *  After the varlena header: u16. 0x8000 short form: sign 0x2000, dscale in 0x1F80 (<<7), weight sign 0x0040, weight in
 *  0x003F. Otherwise long form: sign (0x4000) and dscale (14 bits), then i16 weight. 0xC000 NaN, 0xD000 infinity, 0xF000
 *  -infinity have nothing more. Then int16 digits, most significant first, no zeros at either end; zero has none.
 *  Counterpart: struct NumericChoice and make_result() of src/backend/utils/adt/numeric.c */
import type { DatumCodec } from '#access/common/datum-codec.ts';
import { setVarSize, withPlainBytes } from '#access/common/varlena.ts';
import type { Datum, Numeric } from '#adt/datum.ts';
import {
  magnitude,
  NUMERIC_INFINITY,
  NUMERIC_MINUS_INFINITY,
  NUMERIC_NAN,
  numeric,
  numericOverflow,
  pow10,
} from '#adt/numeric.ts';
import { mem } from '#shm/memory.ts';

const LONG_FORM_WEIGHT_MAX = 0x7fff;

export function decodeNumeric(at: number, length: number): Numeric {
  const view = mem.view;
  const header = view.getUint16(at, true);
  if ((header & 0xc000) === 0xc000) {
    return header === 0xd000 ? NUMERIC_INFINITY : header === 0xf000 ? NUMERIC_MINUS_INFINITY : NUMERIC_NAN;
  }
  let scale: number;
  let weight: number;
  let negative: boolean;
  let digitsAt: number;
  if ((header & 0x8000) !== 0) {
    negative = (header & 0x2000) !== 0;
    scale = (header & 0x1f80) >> 7;
    weight = (header & 0x40) !== 0 ? (header & 0x3f) - 64 : header & 0x3f;
    digitsAt = at + 2;
  } else {
    negative = (header & 0x4000) !== 0;
    scale = header & 0x3fff;
    weight = view.getInt16(at + 2, true);
    digitsAt = at + 4;
  }
  const count = (at + length - digitsAt) >> 1;
  if (count === 0) return numeric(0n, scale);
  let digits: bigint;
  if (count <= 3) {
    let small = 0;
    for (let i = 0; i < count; i++) small = small * 10000 + view.getInt16(digitsAt + 2 * i, true);
    digits = BigInt(small);
  } else digits = decodeDigits(digitsAt, count);
  // Digits below the display scale are zero, so the division is exact.
  const exponent = scale - 4 * (count - 1 - weight);
  const unscaled = exponent >= 0 ? digits * pow10(exponent) : digits / pow10(-exponent);
  return numeric(negative ? -unscaled : unscaled, scale);
}
/** Base-10000 digits as one number; long ones by way of decimal text, whose parsing is not quadratic. */
function decodeDigits(at: number, count: number): bigint {
  let text = '';
  for (let i = 0; i < count; i++) {
    const digit = mem.view.getInt16(at + 2 * i, true);
    text += i === 0 ? digit : digit.toString().padStart(4, '0');
  }
  return BigInt(text);
}

/** Scratch for the digits of the value being written, most significant first, and their number. */
let digits = new Int16Array(64);
let digitCount = 0;
let digitWeight = 0;

function encodeDigits(value: Numeric): void {
  let whole = magnitude(value.unscaled);
  digitCount = 0;
  digitWeight = 0;
  if (whole === 0n) return;
  const pad = (4 - (value.scale % 4)) % 4;
  if (pad > 0) whole *= pow10(pad);
  const fractionGroups = (value.scale + pad) / 4;
  if (whole < 9007199254740992n) {
    let rest = Number(whole);
    let n = 0;
    for (; rest > 0; n++) {
      digits[n] = rest % 10000;
      rest = Math.floor(rest / 10000);
    }
    for (let i = 0, j = n - 1; i < j; i++, j--) {
      const digit = digits[i]!;
      digits[i] = digits[j]!;
      digits[j] = digit;
    }
    digitCount = n;
  } else {
    const text = whole.toString();
    const first = text.length % 4 === 0 ? 4 : text.length % 4;
    const count = Math.ceil(text.length / 4);
    if (count > digits.length) digits = new Int16Array(count * 2);
    digits[0] = Number(text.slice(0, first));
    for (let i = 1; i < count; i++) digits[i] = Number(text.slice(first + 4 * (i - 1), first + 4 * i));
    digitCount = count;
  }
  digitWeight = digitCount - fractionGroups - 1;
  while (digitCount > 0 && digits[digitCount - 1] === 0) digitCount--;
}
const isShort = (scale: number): boolean => scale <= 0x3f && digitWeight <= 0x3f && digitWeight >= -0x40;

function write(at: number, datum: Datum): number {
  const value = datum as Numeric;
  const view = mem.view;
  if (value.special !== 0) {
    view.setUint16(at + 4, value.special === 2 ? 0xc000 : value.special === 1 ? 0xd000 : 0xf000, true);
    setVarSize(at, 6);
    return 6;
  }
  encodeDigits(value);
  // A zero has no sign, because nothing in a BigInt could hold one.
  const negative = value.unscaled < 0n;
  let to: number;
  if (isShort(value.scale)) {
    const weightBits = (digitWeight < 0 ? 0x40 : 0) | (digitWeight & 0x3f);
    view.setUint16(at + 4, 0x8000 | (negative ? 0x2000 : 0) | (value.scale << 7) | weightBits, true);
    to = at + 6;
  } else {
    if (digitWeight > LONG_FORM_WEIGHT_MAX) numericOverflow();
    view.setUint16(at + 4, (negative ? 0x4000 : 0) | (value.scale & 0x3fff), true);
    view.setInt16(at + 6, digitWeight, true);
    to = at + 8;
  }
  for (let i = 0; i < digitCount; i++, to += 2) view.setInt16(to, digits[i]!, true);
  setVarSize(at, to - at);
  return to - at;
}

export const numericCodec: DatumCodec = {
  read: (at) => withPlainBytes(at, decodeNumeric),
  size(datum) {
    const value = datum as Numeric;
    if (value.special !== 0) return 6;
    encodeDigits(value);
    return (isShort(value.scale) ? 6 : 8) + 2 * digitCount;
  },
  bound(datum) {
    const value = datum as Numeric;
    if (value.special !== 0) return 6;
    const whole = value.unscaled;
    if (whole < 9007199254740992n && whole > -9007199254740992n) return 8 + 2 * 8;
    return 16 + whole.toString(16).length;
  },
  write,
};
