/** int8.ts — bigint, and its mixed forms with smallint and integer.
 *
 *  A value is a Number while it is a safe integer and a BigInt beyond (canonical, see datum.ts), so comparison operators
 *  of JavaScript work across both. Arithmetic tries Numbers first: if the rounded result is a safe integer, it is exact,
 *  for rounding never carries a sum or product of two safe integers from outside the safe range to the inside.
 *  `+ 0` turns -0 into 0.
 *  Counterpart: src/backend/utils/adt/int8.c */
import { canonicalInt8 } from '#adt/datum.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import { divisionByZero, inputOutOfRange, invalidInput, invalidWindowOffset, outOfRange } from '#adt/value-errors.ts';
import { receiveInt8, sendInt8 } from '#adt/wire.ts';

export type Int8 = number | bigint;

export const INT8_MIN = -(2n ** 63n);
export const INT8_MAX = 2n ** 63n - 1n;

/** The canonical form of a result that must fit. */
export function int8FromBigInt(value: bigint): Int8 {
  if (value < INT8_MIN || value > INT8_MAX) outOfRange('bigint');
  return canonicalInt8(value);
}

const INTEGER = /^[ \t-\r]*([+-]?[0-9]+)[ \t-\r]*$/;

export function int8In(text: string): Int8 {
  const match = INTEGER.exec(text);
  if (match === null) {
    // Overflow is noticed while reading digits, so it wins over garbage behind them.
    const prefix = /^[ \t-\r]*([+-]?[0-9]+)/.exec(text);
    if (prefix !== null) {
      const value = BigInt(prefix[1]!);
      if (value < INT8_MIN || value > INT8_MAX) inputOutOfRange('bigint', text);
    }
    invalidInput('bigint', text);
  }
  const digits = match[1]!;
  if (digits.length < 16) return Number(digits) + 0;
  const value = BigInt(digits);
  if (value < INT8_MIN || value > INT8_MAX) inputOutOfRange('bigint', text);
  return canonicalInt8(value);
}

export function int8Add(a: Int8, b: Int8): Int8 {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return int8FromBigInt(BigInt(a) + BigInt(b));
}
export function int8Subtract(a: Int8, b: Int8): Int8 {
  if (typeof a === 'number' && typeof b === 'number') {
    const difference = a - b;
    if (Number.isSafeInteger(difference)) return difference;
  }
  return int8FromBigInt(BigInt(a) - BigInt(b));
}
export function int8Multiply(a: Int8, b: Int8): Int8 {
  if (typeof a === 'number' && typeof b === 'number') {
    const product = a * b;
    if (Number.isSafeInteger(product)) return product + 0;
  }
  return int8FromBigInt(BigInt(a) * BigInt(b));
}
export function int8Divide(a: Int8, b: Int8): Int8 {
  if (b === 0) divisionByZero();
  if (typeof a === 'number' && typeof b === 'number') {
    // a = q·b + r exactly, so the division of a - r has no remainder and an exact quotient.
    return (a - (a % b)) / b + 0;
  }
  return int8FromBigInt(BigInt(a) / BigInt(b));
}
export function int8Modulo(a: Int8, b: Int8): Int8 {
  if (b === 0) divisionByZero();
  if (typeof a === 'number' && typeof b === 'number') return (a % b) + 0;
  return canonicalInt8(BigInt(a) % BigInt(b));
}
export function int8Negate(value: Int8): Int8 {
  return typeof value === 'number' ? 0 - value : int8FromBigInt(-value);
}
function int8Abs(value: Int8): Int8 {
  return value < 0 ? int8Negate(value) : value;
}

function magnitudeGcd(a: Int8, b: Int8): bigint {
  let x = BigInt(a);
  let y = BigInt(b);
  if (x < 0n) x = -x;
  if (y < 0n) y = -y;
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}
function int8Lcm(a: Int8, b: Int8): Int8 {
  if (a === 0 || b === 0) return 0;
  const product = (BigInt(a) / magnitudeGcd(a, b)) * BigInt(b);
  return int8FromBigInt(product < 0n ? -product : product);
}

const isInt4 = (value: Int8): value is number => typeof value === 'number' && value === (value | 0);
const and = (a: Int8, b: Int8): Int8 => (isInt4(a) && isInt4(b) ? a & b : canonicalInt8(BigInt(a) & BigInt(b)));
const or = (a: Int8, b: Int8): Int8 => (isInt4(a) && isInt4(b) ? a | b : canonicalInt8(BigInt(a) | BigInt(b)));
const xor = (a: Int8, b: Int8): Int8 => (isInt4(a) && isInt4(b) ? a ^ b : canonicalInt8(BigInt(a) ^ BigInt(b)));
const shiftLeft = (value: Int8, count: number): Int8 =>
  canonicalInt8(BigInt.asIntN(64, BigInt(value) << BigInt(count & 63)));
const shiftRight = (value: Int8, count: number): Int8 => canonicalInt8(BigInt(value) >> BigInt(count & 63));

export function int8ToInt4(value: Int8): number {
  if (!isInt4(value)) outOfRange('integer');
  return value;
}
function int8ToInt2(value: Int8): number {
  if (value < -32768 || value > 32767) outOfRange('smallint');
  return Number(value);
}

function inRange(value: Int8, base: Int8, offset: Int8, subtract: boolean, less: boolean): boolean {
  if (offset < 0) invalidWindowOffset();
  const bound = subtract ? BigInt(base) - BigInt(offset) : BigInt(base) + BigInt(offset);
  return less ? value <= bound : value >= bound;
}

const equal = (a: Int8, b: Int8): boolean => a === b;
const notEqual = (a: Int8, b: Int8): boolean => a !== b;
const less = (a: Int8, b: Int8): boolean => a < b;
const lessEqual = (a: Int8, b: Int8): boolean => a <= b;
const greater = (a: Int8, b: Int8): boolean => a > b;
const greaterEqual = (a: Int8, b: Int8): boolean => a >= b;
export const compareInt8 = (a: Int8, b: Int8): number => (a < b ? -1 : a > b ? 1 : 0);
const increment = (value: Int8): Int8 => int8Add(value, 1);
const decrement = (value: Int8): Int8 => int8Subtract(value, 1);
const same = (value: Int8): Int8 => value;

for (const pair of ['int8', 'int48', 'int84', 'int28', 'int82']) {
  registerBuiltins({
    [`${pair}eq`]: equal,
    [`${pair}ne`]: notEqual,
    [`${pair}lt`]: less,
    [`${pair}le`]: lessEqual,
    [`${pair}gt`]: greater,
    [`${pair}ge`]: greaterEqual,
    [`${pair}pl`]: int8Add,
    [`${pair}mi`]: int8Subtract,
    [`${pair}mul`]: int8Multiply,
    [`${pair}div`]: int8Divide,
    [`bt${pair}cmp`]: compareInt8,
  });
}

registerBuiltins({
  int8in: int8In,
  int8out: (value: Int8) => String(value),
  int8recv: receiveInt8,
  int8send: sendInt8,
  int48: same,
  int28: same,
  int84: int8ToInt4,
  int82: int8ToInt2,
  int8larger: (a: Int8, b: Int8) => (a > b ? a : b),
  int8smaller: (a: Int8, b: Int8) => (a < b ? a : b),
  int8mod: int8Modulo,
  int8um: int8Negate,
  int8up: same,
  int8abs: int8Abs,
  int8gcd: (a: Int8, b: Int8) => int8FromBigInt(magnitudeGcd(a, b)),
  int8lcm: int8Lcm,
  int8inc: increment,
  int8inc_any: increment,
  int8inc_float8_float8: increment,
  int8dec: decrement,
  int8dec_any: decrement,
  int8and: and,
  int8or: or,
  int8xor: xor,
  int8not: (value: Int8) => (typeof value === 'number' ? canonicalInt8(~BigInt(value)) : canonicalInt8(~value)),
  int8shl: shiftLeft,
  int8shr: shiftRight,
  in_range_int8_int8: inRange,
});
