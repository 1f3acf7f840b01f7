/** numeric-functions.ts — numeric as pg_proc sees it: text and wire forms, operators, casts, and the small functions.
 *  Counterpart: src/backend/utils/adt/numeric.c */
import type { ArrayDatum, Numeric } from '#adt/datum.ts';
import { canonicalInt8 } from '#adt/datum.ts';
import { float4In, float8In, formatG } from '#adt/float.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import { int4In } from '#adt/int.ts';
import type { Int8 } from '#adt/int8.ts';
import { INT8_MAX, INT8_MIN } from '#adt/int8.ts';
import {
  addNumerics,
  applyNumericTypmod,
  ceilNumeric,
  checkedNumeric,
  compareNumerics,
  divideNumerics,
  divideTruncated,
  floorNumeric,
  magnitude,
  minimumScale,
  moduloNumerics,
  multiplyNumerics,
  NUMERIC_INFINITY,
  NUMERIC_MINUS_INFINITY,
  NUMERIC_NAN,
  NUMERIC_ONE,
  negate,
  numeric,
  numericFromInt,
  numericIn,
  numericOut,
  numericOverflow,
  numericPrecision,
  numericScale,
  numericTypmod,
  pow10,
  rescale,
  roundNumeric,
  shiftRightRounded,
  signOf,
  subtractNumerics,
  truncateNumeric,
} from '#adt/numeric.ts';
import { numericExp, numericLn, numericLog, numericPower, numericSqrt } from '#adt/numeric-math.ts';
import { invalidParameter, invalidWindowOffset, notSupported, outOfRange } from '#adt/value-errors.ts';
import { expectLength } from '#adt/wire.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';

// ---- wire form: count, weight, sign, scale, then base-10000 digits

const SIGNS = { positive: 0x0000, negative: 0x4000, nan: 0xc000, infinity: 0xd000, minusInfinity: 0xf000 } as const;

/** Base-10000 digits without zeros at either end. */
export function toBase10000(value: Numeric): { weight: number; digits: number[] } {
  if (value.unscaled === 0n) return { weight: 0, digits: [] };
  const text = magnitude(value.unscaled).toString();
  const whole = text.length - value.scale; // decimal digits before the point; negative for leading zeros after it
  const groups = Math.ceil(whole / 4);
  const padded = '0'.repeat(groups * 4 - whole) + text;
  const digits: number[] = [];
  for (let at = 0; at < padded.length; at += 4) digits.push(Number(padded.slice(at, at + 4).padEnd(4, '0')));
  let weight = groups - 1;
  while (digits[0] === 0) {
    digits.shift();
    weight--;
  }
  while (digits.at(-1) === 0) digits.pop();
  return { weight, digits };
}

export function numericSend(value: Numeric): Uint8Array {
  const { weight, digits } = toBase10000(value);
  const bytes = new Uint8Array(8 + 2 * digits.length);
  const view = new DataView(bytes.buffer);
  let sign: number = value.unscaled < 0n ? SIGNS.negative : SIGNS.positive;
  if (value.special !== 0)
    sign = value.special === 2 ? SIGNS.nan : value.special === 1 ? SIGNS.infinity : SIGNS.minusInfinity;
  view.setInt16(0, digits.length);
  view.setInt16(2, weight);
  view.setUint16(4, sign);
  // Infinities carry a bit of their short header here.
  view.setUint16(6, value.special === 1 || value.special === -1 ? 32 : value.scale);
  for (let i = 0; i < digits.length; i++) view.setInt16(8 + 2 * i, digits[i]!);
  return bytes;
}

function badBinary(what: string): never {
  report('ERROR', {
    code: SQLSTATE.invalidBinaryRepresentation,
    message: `invalid ${what} in external "numeric" value`,
  });
}
export function numericRecv(bytes: Uint8Array, _typioparam?: number, typmod = -1): Numeric {
  if (bytes.length < 8) expectLength(bytes, 8);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = view.getUint16(0);
  expectLength(bytes, 8 + 2 * count);
  const weight = view.getInt16(2);
  const sign = view.getUint16(4);
  const scale = view.getUint16(6);
  if (!(Object.values(SIGNS) as number[]).includes(sign)) badBinary('sign');
  if ((scale & 0x3fff) !== scale) badBinary('scale');
  let unscaled = 0n;
  for (let i = 0; i < count; i++) {
    const digit = view.getInt16(8 + 2 * i);
    if (digit < 0 || digit >= 10000) badBinary('digit');
    unscaled = unscaled * 10000n + BigInt(digit);
  }
  if (sign === SIGNS.nan) return NUMERIC_NAN;
  if (sign === SIGNS.infinity || sign === SIGNS.minusInfinity)
    return applyNumericTypmod(sign === SIGNS.infinity ? NUMERIC_INFINITY : NUMERIC_MINUS_INFINITY, typmod);
  // The digits say unscaled · 10000^(weight - count + 1); digits beyond the scale are cut off.
  const shift = 4 * (weight - count + 1) + scale;
  const atScale = count === 0 ? 0n : shift >= 0 ? unscaled * pow10(shift) : unscaled / pow10(-shift);
  return applyNumericTypmod(checkedNumeric(sign === SIGNS.negative ? -atScale : atScale, scale), typmod);
}

// ---- type modifier

function typmodIn(modifiers: ArrayDatum): number {
  const [precision, scale = 0, ...more] = modifiers.elements.map((text) => int4In(text as string));
  if (precision === undefined || more.length > 0) invalidParameter('invalid NUMERIC type modifier');
  if (precision < 1 || precision > 1000) invalidParameter(`NUMERIC precision ${precision} must be between 1 and 1000`);
  if (scale < -1000 || scale > 1000) invalidParameter(`NUMERIC scale ${scale} must be between -1000 and 1000`);
  return numericTypmod(precision, scale);
}

// ---- casts

function toInteger(value: Numeric, min: bigint, max: bigint, typeName: string): bigint {
  if (value.special !== 0) notSupported(`cannot convert ${value.special === 2 ? 'NaN' : 'infinity'} to ${typeName}`);
  const whole = shiftRightRounded(value.unscaled, value.scale);
  if (whole < min || whole > max) outOfRange(typeName);
  return whole;
}
export const numericToInt8 = (value: Numeric): Int8 => canonicalInt8(toInteger(value, INT8_MIN, INT8_MAX, 'bigint'));
export const numericToInt4 = (value: Numeric): number => Number(toInteger(value, -2147483648n, 2147483647n, 'integer'));

function fromFloat(value: number, digits: number): Numeric {
  if (Number.isNaN(value)) return NUMERIC_NAN;
  if (!Number.isFinite(value)) return value > 0 ? NUMERIC_INFINITY : NUMERIC_MINUS_INFINITY;
  return numericIn(formatG(value, digits));
}
export const float8ToNumeric = (value: number): Numeric => fromFloat(value, 15);
export function numericToFloat8(value: Numeric): number {
  if (value.special !== 0) return value.special === 2 ? Number.NaN : value.special * Number.POSITIVE_INFINITY;
  return float8In(numericOut(value));
}
function numericToFloat4(value: Numeric): number {
  if (value.special !== 0) return value.special === 2 ? Number.NaN : value.special * Number.POSITIVE_INFINITY;
  return float4In(numericOut(value));
}

// ---- small functions

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  let x = magnitude(a);
  let y = magnitude(b);
  while (y !== 0n) {
    checkForInterrupts();
    [x, y] = [y, x % y];
  }
  return x;
}
function gcd(a: Numeric, b: Numeric): Numeric {
  if (a.special !== 0 || b.special !== 0) return NUMERIC_NAN;
  const scale = Math.max(a.scale, b.scale);
  return numeric(greatestCommonDivisor(rescale(a, scale), rescale(b, scale)), scale);
}
function lcm(a: Numeric, b: Numeric): Numeric {
  if (a.special !== 0 || b.special !== 0) return NUMERIC_NAN;
  const scale = Math.max(a.scale, b.scale);
  const left = rescale(a, scale);
  const right = rescale(b, scale);
  if (left === 0n || right === 0n) return numeric(0n, scale);
  return checkedNumeric(magnitude((left / greatestCommonDivisor(left, right)) * right), scale);
}
function factorial(value: Int8): Numeric {
  if (value < 0)
    report('ERROR', {
      code: SQLSTATE.numericValueOutOfRange,
      message: 'factorial of a negative number is undefined',
    });
  if (value > 32177) numericOverflow();
  let product = 1n;
  for (let i = 2n; i <= BigInt(value); i++) {
    checkForInterrupts();
    product *= i;
  }
  return numeric(product, 0);
}

function badBucket(message: string): never {
  report('ERROR', { code: SQLSTATE.invalidArgumentForWidthBucketFunction, message });
}
function widthBucket(operand: Numeric, low: Numeric, high: Numeric, count: number): number {
  if (count <= 0) badBucket('count must be greater than zero');
  if (operand.special === 2 || low.special === 2 || high.special === 2)
    badBucket('operand, lower bound, and upper bound cannot be NaN');
  if (low.special !== 0 || high.special !== 0) badBucket('lower and upper bounds must be finite');
  const direction = compareNumerics(low, high);
  if (direction === 0) badBucket('lower bound cannot equal upper bound');
  const fromLow = compareNumerics(operand, low) * -direction;
  if (fromLow < 0) return 0;
  if (compareNumerics(operand, high) * -direction >= 0) {
    if (count === 2147483647) outOfRange('integer');
    return count + 1;
  }
  const share = divideNumerics(
    multiplyNumerics(subtractNumerics(operand, low), numericFromInt(count)),
    subtractNumerics(high, low),
  );
  return numericToInt4(floorNumeric(addNumerics(share, NUMERIC_ONE)));
}

function inRange(value: Numeric, base: Numeric, offset: Numeric, subtract: boolean, less: boolean): boolean {
  if (offset.special === 2 || signOf(offset) < 0) invalidWindowOffset();
  if (value.special === 2) return base.special === 2 ? true : !less;
  if (base.special === 2) return less;
  if (offset.special === 1 && base.special === (subtract ? 1 : -1)) return true;
  const bound = subtract ? subtractNumerics(base, offset) : addNumerics(base, offset);
  const order = compareNumerics(value, bound);
  return less ? order <= 0 : order >= 0;
}

registerBuiltins({
  numeric_in: (text: string, _typioparam?: number, typmod = -1) => applyNumericTypmod(numericIn(text), typmod),
  numeric_out: numericOut,
  numeric_recv: numericRecv,
  numeric_send: numericSend,
  numerictypmodin: typmodIn,
  numerictypmodout: (typmod: number) => (typmod < 4 ? '' : `(${numericPrecision(typmod)},${numericScale(typmod)})`),
  numeric: applyNumericTypmod,

  numeric_eq: (a: Numeric, b: Numeric) => compareNumerics(a, b) === 0,
  numeric_ne: (a: Numeric, b: Numeric) => compareNumerics(a, b) !== 0,
  numeric_lt: (a: Numeric, b: Numeric) => compareNumerics(a, b) < 0,
  numeric_le: (a: Numeric, b: Numeric) => compareNumerics(a, b) <= 0,
  numeric_gt: (a: Numeric, b: Numeric) => compareNumerics(a, b) > 0,
  numeric_ge: (a: Numeric, b: Numeric) => compareNumerics(a, b) >= 0,
  numeric_cmp: compareNumerics,
  numeric_larger: (a: Numeric, b: Numeric) => (compareNumerics(a, b) > 0 ? a : b),
  numeric_smaller: (a: Numeric, b: Numeric) => (compareNumerics(a, b) < 0 ? a : b),
  in_range_numeric_numeric: inRange,

  numeric_add: addNumerics,
  numeric_sub: subtractNumerics,
  numeric_mul: multiplyNumerics,
  numeric_div: divideNumerics,
  numeric_div_trunc: divideTruncated,
  numeric_mod: moduloNumerics,
  numeric_uminus: negate,
  numeric_uplus: (value: Numeric) => value,
  numeric_abs: (value: Numeric) => (signOf(value) < 0 ? negate(value) : value),
  numeric_inc: (value: Numeric) => addNumerics(value, NUMERIC_ONE),
  numeric_sign: (value: Numeric) => (value.special === 2 ? value : numericFromInt(signOf(value))),
  numeric_round: roundNumeric,
  numeric_trunc: truncateNumeric,
  numeric_floor: floorNumeric,
  numeric_ceil: ceilNumeric,
  numeric_scale: (value: Numeric) => (value.special !== 0 ? null : value.scale),
  numeric_min_scale: (value: Numeric) => (value.special !== 0 ? null : minimumScale(value)),
  numeric_trim_scale: (value: Numeric) => (value.special !== 0 ? value : truncateNumeric(value, minimumScale(value))),
  numeric_gcd: gcd,
  numeric_lcm: lcm,
  numeric_fac: factorial,
  width_bucket_numeric: widthBucket,
  numeric_sqrt: numericSqrt,
  numeric_exp: numericExp,
  numeric_ln: numericLn,
  numeric_log: numericLog,
  numeric_power: numericPower,

  int2_numeric: numericFromInt,
  int4_numeric: numericFromInt,
  int8_numeric: numericFromInt,
  numeric_int2: (value: Numeric) => Number(toInteger(value, -32768n, 32767n, 'smallint')),
  numeric_int4: numericToInt4,
  numeric_int8: numericToInt8,
  float4_numeric: (value: number) => fromFloat(value, 6),
  float8_numeric: float8ToNumeric,
  numeric_float4: numericToFloat4,
  numeric_float8: numericToFloat8,
});
