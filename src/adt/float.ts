/** float.ts — real and double precision: text and wire forms, comparison, arithmetic, casts.
 *
 *  A float4 is a Number that Math.fround leaves alone. NaN equals NaN and sorts above everything. Arithmetic reports
 *  overflow and underflow instead of producing infinities and zeros out of finite operands.
 *  Counterpart: src/backend/utils/adt/float.c, src/common/d2s.c, f2s.c */
import { registerBuiltins } from '#adt/fmgr.ts';
import type { Int8 } from '#adt/int8.ts';
import { int8FromBigInt } from '#adt/int8.ts';
import { divisionByZero, invalidInput, invalidWindowOffset, outOfRange } from '#adt/value-errors.ts';
import { receiveFloat4, receiveFloat8, sendFloat4, sendFloat8 } from '#adt/wire.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';

export function floatOverflow(): never {
  report('ERROR', { code: SQLSTATE.numericValueOutOfRange, message: 'value out of range: overflow' });
}
export function floatUnderflow(): never {
  report('ERROR', { code: SQLSTATE.numericValueOutOfRange, message: 'value out of range: underflow' });
}

const DECIMAL = /^[ \t-\r]*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[ \t-\r]*$/;
const WORD = /^[ \t-\r]*([+-]?)(nan|inf|infinity)[ \t-\r]*$/i;
const HEXADECIMAL = /^[ \t-\r]*([+-]?)0x([0-9a-f]*)(?:\.([0-9a-f]*))?(?:p([+-]?[0-9]+))?[ \t-\r]*$/i;

function inputFloatOutOfRange(text: string, typeName: string): never {
  report('ERROR', {
    code: SQLSTATE.numericValueOutOfRange,
    message: `"${text.trim()}" is out of range for type ${typeName}`,
  });
}

function parseFloatText(text: string, typeName: string, round: (value: number) => number): number {
  const decimal = DECIMAL.exec(text);
  if (decimal !== null) {
    const value = round(Number(decimal[1]));
    const vanished = value === 0 && /[1-9]/.test(decimal[1]!.replace(/[eE].*/, ''));
    if (vanished || !Number.isFinite(value)) inputFloatOutOfRange(text, typeName);
    return value;
  }
  const word = WORD.exec(text);
  if (word !== null) {
    if (word[2]!.toLowerCase() === 'nan') return Number.NaN;
    return word[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  }
  const hexadecimal = HEXADECIMAL.exec(text);
  if (hexadecimal !== null && (hexadecimal[2] !== '' || (hexadecimal[3] ?? '') !== '')) {
    const fraction = hexadecimal[3] ?? '';
    const magnitude =
      Number(`0x${hexadecimal[2]}${fraction}`) * 2 ** (Number(hexadecimal[4] ?? 0) - 4 * fraction.length);
    const value = round(hexadecimal[1] === '-' ? -magnitude : magnitude);
    if (!Number.isFinite(value)) inputFloatOutOfRange(text, typeName);
    return value;
  }
  return invalidInput(typeName, text);
}
const same = (value: number): number => value;
export const float8In = (text: string): number => parseFloatText(text, 'double precision', same);
export const float4In = (text: string): number => parseFloatText(text, 'real', Math.fround);

/** C's %.{digits}g. */
export function formatG(value: number, digits: number): string {
  const precision = Math.max(1, digits);
  const [mantissa, exponentText] = value.toExponential(precision - 1).split('e') as [string, string];
  const exponent = Number(exponentText);
  const strip = (text: string): string => (text.includes('.') ? text.replace(/\.?0+$/, '') : text);
  if (exponent < -4 || exponent >= precision) return `${strip(mantissa)}e${formatExponent(exponent)}`;
  return strip(value.toFixed(Math.min(100, precision - 1 - exponent)));
}
const formatExponent = (exponent: number): string =>
  `${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;

/** Plain digits while the decimal exponent is in [-4, limit), else scientific with two exponent digits at least. */
function layOut(exponential: string, plain: () => string, limit: number): string {
  const at = exponential.indexOf('e');
  const exponent = Number(exponential.slice(at + 1));
  if (exponent >= -4 && exponent < limit) return plain();
  return exponential.slice(0, at + 1) + formatExponent(exponent);
}

const special = (value: number): string =>
  Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : value < 0 ? '-Infinity' : '-0';

export function float8Out(value: number): string {
  if (!Number.isFinite(value) || Object.is(value, -0)) return special(value);
  const extra = settings.extra_float_digits;
  if (extra <= 0) return formatG(value, 15 + extra);
  const magnitude = Math.abs(value);
  if (magnitude > 2 ** 53) return layOut(withinBounds(value), () => '', 15);
  // JavaScript's own shortest form is plain over this range.
  if ((magnitude >= 1e-4 && magnitude < 1e15) || value === 0) return String(value);
  return layOut(value.toExponential(), () => String(value), 15);
}

/** PostgreSQL's shortest form must not lie exactly half way to a neighbour, where a reader's tie rule would decide.
 *  Only integers have such halves within 17 digits. */
function withinBounds(value: number): string {
  const shortest = value.toExponential();
  const exact = BigInt(value);
  const absolute = exact < 0n ? -exact : exact;
  const isPowerOfTwo = (absolute & (absolute - 1n)) === 0n;
  const spacing = 1n << BigInt(absolute.toString(2).length - 53);
  const isHalf = (text: string): boolean => {
    if (spacing < 2n) return false;
    const [mantissa, exponent] = text.split('e') as [string, string];
    const [whole, fraction = ''] = mantissa.split('.') as [string, string?];
    if (Number(exponent) < fraction.length) return false;
    const distance = BigInt(whole + fraction) * 10n ** BigInt(Number(exponent) - fraction.length) - exact;
    const twice = 2n * (distance < 0n ? -distance : distance);
    // Below a power of two the neighbour is only half as far away.
    const inward = isPowerOfTwo && distance < 0n === value > 0;
    return twice === (inward ? spacing / 2n : spacing);
  };
  if (!isHalf(shortest)) return shortest;
  for (let digits = shortest.replace(/e.*|[-.]/g, '').length; digits < 17; digits++) {
    const text = value.toExponential(digits);
    if (!isHalf(text) && Number(text) === value) return text.replace(/\.?0+e/, 'e');
  }
  return value.toExponential(16);
}

const float4Bits = new Int32Array(1);
const float4Value = new Float32Array(float4Bits.buffer);
/** Half way between a positive float4 and the next in direction ±1, exact in a double. */
function halfWay(value: number, direction: number): number {
  float4Value[0] = value;
  float4Bits[0]! += direction;
  return (value + float4Value[0]!) / 2;
}
/** value.toExponential, but an exact tie goes to the even digit. */
function exponentialHalfEven(value: number, fractionDigits: number): string {
  const text = value.toExponential(fractionDigits);
  const at = text.indexOf('e');
  if ('02468'.includes(text[at - 1]!)) return text;
  const longer = value.toExponential(fractionDigits + 1);
  const end = longer.indexOf('e') - 1;
  if (longer[end] !== '5' || Number(longer) !== value) return text;
  // Cut instead of rounding up; a point that stands last goes too.
  return longer.slice(0, fractionDigits === 0 ? end - 1 : end) + longer.slice(end + 1);
}
const FLOAT4_NORMAL_MIN = 2 ** -126;
/** Fewest digits that read back as the same positive float4, whichever way the reader breaks ties. */
function shortestFloat4(value: number): string {
  const low = halfWay(value, -1);
  const high = halfWay(value, 1);
  const reads = (text: string): boolean => {
    const read = Number(text);
    return read > low && read < high;
  };
  // The interval of a normal number holds one decimal of six digits at most, so fewer digits are six with zeros.
  const isNormal = value >= FLOAT4_NORMAL_MIN;
  const isPowerOfTwo = value - low !== high - value;
  for (let digits = isNormal ? 6 : 1; digits < 9; digits++) {
    const text = exponentialHalfEven(value, digits - 1);
    if (reads(text)) return text.replace(/\.?0+e/, 'e');
    if (!isPowerOfTwo) continue;
    // The interval is wider upwards, and may hold a decimal that is not the nearest.
    const exponent = Number(text.slice(text.indexOf('e') + 1));
    const unit = Number(`1e${exponent - digits + 1}`);
    for (const neighbour of [Number(text) + unit, Number(text) - unit]) {
      const shown = neighbour.toExponential(digits - 1);
      if (reads(shown)) return shown;
    }
  }
  return value.toExponential(8);
}
export function float4Out(value: number): string {
  if (!Number.isFinite(value) || Object.is(value, -0)) return special(value);
  const extra = settings.extra_float_digits;
  if (extra <= 0) return formatG(value, 6 + extra);
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  const exponential = (value < 0 ? '-' : '') + shortestFloat4(Math.abs(value));
  return layOut(exponential, () => String(Number(exponential)), 6);
}

export function compareFloats(a: number, b: number): number {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b) return 0;
  const aIsNaN = Number.isNaN(a);
  return aIsNaN === Number.isNaN(b) ? 0 : aIsNaN ? 1 : -1;
}
const equal = (a: number, b: number): boolean => a === b || (Number.isNaN(a) && Number.isNaN(b));
const notEqual = (a: number, b: number): boolean => a !== b && (!Number.isNaN(a) || !Number.isNaN(b));
const less = (a: number, b: number): boolean => a < b || (Number.isNaN(b) && !Number.isNaN(a));
const lessEqual = (a: number, b: number): boolean => a <= b || Number.isNaN(b);
const greater = (a: number, b: number): boolean => a > b || (Number.isNaN(a) && !Number.isNaN(b));
const greaterEqual = (a: number, b: number): boolean => a >= b || Number.isNaN(a);
const larger = (a: number, b: number): number => (greater(a, b) ? a : b);
const smaller = (a: number, b: number): number => (less(a, b) ? a : b);

const isInfinite = (value: number): boolean => value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY;

export function float8Add(a: number, b: number): number {
  const sum = a + b;
  if (isInfinite(sum) && !isInfinite(a) && !isInfinite(b)) floatOverflow();
  return sum;
}
export function float8Subtract(a: number, b: number): number {
  const difference = a - b;
  if (isInfinite(difference) && !isInfinite(a) && !isInfinite(b)) floatOverflow();
  return difference;
}
export function float8Multiply(a: number, b: number): number {
  const product = a * b;
  if (isInfinite(product) && !isInfinite(a) && !isInfinite(b)) floatOverflow();
  if (product === 0 && a !== 0 && b !== 0) floatUnderflow();
  return product;
}
export function float8Divide(a: number, b: number): number {
  if (b === 0 && !Number.isNaN(a)) divisionByZero();
  const quotient = a / b;
  if (isInfinite(quotient) && !isInfinite(a)) floatOverflow();
  if (quotient === 0 && a !== 0 && !isInfinite(b)) floatUnderflow();
  return quotient;
}
// Rounding the double result of two float4 operands once more is exact rounding, for 53 >= 2·24 + 2 bits.
function float4Add(a: number, b: number): number {
  const sum = Math.fround(a + b);
  if (isInfinite(sum) && !isInfinite(a) && !isInfinite(b)) floatOverflow();
  return sum;
}
function float4Subtract(a: number, b: number): number {
  const difference = Math.fround(a - b);
  if (isInfinite(difference) && !isInfinite(a) && !isInfinite(b)) floatOverflow();
  return difference;
}
function float4Multiply(a: number, b: number): number {
  const product = Math.fround(a * b);
  if (isInfinite(product) && !isInfinite(a) && !isInfinite(b)) floatOverflow();
  if (product === 0 && a !== 0 && b !== 0) floatUnderflow();
  return product;
}
function float4Divide(a: number, b: number): number {
  if (b === 0 && !Number.isNaN(a)) divisionByZero();
  const quotient = Math.fround(a / b);
  if (isInfinite(quotient) && !isInfinite(a)) floatOverflow();
  if (quotient === 0 && a !== 0 && !isInfinite(b)) floatUnderflow();
  return quotient;
}
export function float8ToFloat4(value: number): number {
  const rounded = Math.fround(value);
  if (isInfinite(rounded) && !isInfinite(value)) floatOverflow();
  if (rounded === 0 && value !== 0) floatUnderflow();
  return rounded;
}

/** Nearest integer, halves to even, keeping the sign of zero: C's rint. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (!(rest > 0)) return value;
  const result = rest < 0.5 ? floor : rest > 0.5 ? floor + 1 : floor % 2 === 0 ? floor : floor + 1;
  return result === 0 && value < 0 ? -0 : result;
}
function toInteger(value: number, min: number, max: number, typeName: string): number {
  const rounded = roundHalfEven(value);
  if (!(rounded >= min && rounded <= max)) outOfRange(typeName);
  return rounded + 0;
}
const toInt2 = (value: number): number => toInteger(value, -32768, 32767, 'smallint');
const toInt4 = (value: number): number => toInteger(value, -2147483648, 2147483647, 'integer');
export function float8ToInt8(value: number): Int8 {
  const rounded = roundHalfEven(value);
  if (Number.isSafeInteger(rounded)) return rounded + 0;
  if (!Number.isFinite(rounded)) outOfRange('bigint');
  return int8FromBigInt(BigInt(rounded));
}
function int8ToFloat4(value: Int8): number {
  if (typeof value === 'number') return Math.fround(value);
  // One rounding, not two: the bits that do not matter are folded into one sticky bit before the first.
  const high = value >> 11n;
  const sticky = high << 11n === value ? high : high | 1n;
  return Math.fround(Number(sticky) * 2048);
}

function inRange(value: number, base: number, offset: number, subtract: boolean, isLess: boolean): boolean {
  if (Number.isNaN(offset) || offset < 0) invalidWindowOffset();
  if (Number.isNaN(value)) return Number.isNaN(base) ? true : !isLess;
  if (Number.isNaN(base)) return isLess;
  // An infinite offset from an infinite base reaches everything, where the arithmetic would say NaN.
  if (isInfinite(offset) && isInfinite(base) && (subtract ? base > 0 : base < 0)) return true;
  const bound = subtract ? base - offset : base + offset;
  return isLess ? value <= bound : value >= bound;
}

const names = ['float8', 'float4', 'float48', 'float84'] as const;
for (const name of names) {
  registerBuiltins({
    [`${name}eq`]: equal,
    [`${name}ne`]: notEqual,
    [`${name}lt`]: less,
    [`${name}le`]: lessEqual,
    [`${name}gt`]: greater,
    [`${name}ge`]: greaterEqual,
    [`bt${name}cmp`]: compareFloats,
    [`${name}pl`]: name === 'float4' ? float4Add : float8Add,
    [`${name}mi`]: name === 'float4' ? float4Subtract : float8Subtract,
    [`${name}mul`]: name === 'float4' ? float4Multiply : float8Multiply,
    [`${name}div`]: name === 'float4' ? float4Divide : float8Divide,
  });
}
for (const name of ['float8', 'float4'] as const) {
  registerBuiltins({
    [`${name}larger`]: larger,
    [`${name}smaller`]: smaller,
    [`${name}um`]: (value: number) => -value,
    [`${name}up`]: same,
    [`${name}abs`]: Math.abs,
  });
}

registerBuiltins({
  float8in: float8In,
  float8out: float8Out,
  float8recv: receiveFloat8,
  float8send: sendFloat8,
  float4in: float4In,
  float4out: float4Out,
  float4recv: receiveFloat4,
  float4send: sendFloat4,
  ftod: same,
  dtof: float8ToFloat4,
  dtoi2: toInt2,
  dtoi4: toInt4,
  dtoi8: float8ToInt8,
  ftoi2: toInt2,
  ftoi4: toInt4,
  ftoi8: float8ToInt8,
  i2tod: same,
  i4tod: same,
  i8tod: (value: Int8) => Number(value),
  i2tof: same,
  i4tof: Math.fround,
  i8tof: int8ToFloat4,
  in_range_float8_float8: inRange,
  in_range_float4_float8: inRange,
});
