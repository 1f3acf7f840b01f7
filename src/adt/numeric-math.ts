/** numeric-math.ts — square roots, exponentials, logarithms and powers of numeric.
 *
 *  The scale of a result is PostgreSQL's choice: at least 16 significant digits by an estimate of the result's weight,
 *  and not less than the operands show. The digits come from binary fixed-point BigInts with so many guard bits that
 *  rounding to that scale gives the correctly rounded decimal.
 *  Counterpart: sqrt_var, exp_var, ln_var, log_var, power_var of src/backend/utils/adt/numeric.c */
import type { Numeric } from '#adt/datum.ts';
import {
  DISPLAY_SCALE_MAX,
  checkedNumeric,
  compareNumerics,
  digitCount,
  divideAtScale,
  divideRounded,
  firstDigit,
  isIntegral,
  leadingExponent,
  magnitude,
  multiplyNumerics,
  NUMERIC_INFINITY,
  NUMERIC_MINUS_INFINITY,
  NUMERIC_NAN,
  NUMERIC_ONE,
  NUMERIC_ZERO,
  numeric,
  numericOverflow,
  pow10,
  rescale,
  roundNumeric,
  SIGNIFICANT_DIGITS_MIN,
  signOf,
} from '#adt/numeric.ts';
import { divisionByZero } from '#adt/value-errors.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** Largest magnitude of an exponent of e that is tried: twice the largest precision, thrice. */
const EXPONENT_MAX = 6000;
// biome-ignore lint/suspicious/noApproximativeNumericConstant: estimates must round as PostgreSQL's do
const LOG10_E = 0.434294481903252;
const BITS_PER_DIGIT = 3.3219280948873626;

const clampScale = (scale: number, ...least: readonly number[]): number =>
  Math.min(Math.max(scale, 0, ...least), DISPLAY_SCALE_MAX);
const bitsForDigits = (digits: number): number => Math.ceil(Math.max(digits, 0) * BITS_PER_DIGIT);

function bitLength(value: bigint): number {
  const hexDigits = value.toString(16);
  return hexDigits.length * 4 - (Math.clz32(Number.parseInt(hexDigits[0]!, 16)) - 28);
}

/** floor(√value). */
export function integerSquareRoot(value: bigint): bigint {
  if (value < 2n) return value;
  let root = 1n << BigInt((bitLength(value) + 1) >> 1);
  for (;;) {
    const next = (root + value / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

// ---- binary fixed point: a value x is the BigInt x·2^bits

function atanhOfInverse(divisor: bigint, bits: number): bigint {
  const square = divisor * divisor;
  let power = (1n << BigInt(bits)) / divisor;
  let sum = power;
  for (let k = 3n; power !== 0n; k += 2n) {
    power /= square;
    sum += power / k;
  }
  return sum;
}
let knownLn2 = 0n;
let knownLn2Bits = -1;
function ln2Fixed(bits: number): bigint {
  if (knownLn2Bits < bits) {
    const working = bits + 32;
    knownLn2 =
      18n * atanhOfInverse(26n, working) - 2n * atanhOfInverse(4801n, working) + 8n * atanhOfInverse(8749n, working);
    knownLn2Bits = working;
  }
  return knownLn2 >> BigInt(knownLn2Bits - bits);
}

/** ln(numerator/denominator) to an error of a few units of 2^-bits. */
function lnFixed(numerator: bigint, denominator: bigint, bits: number): bigint {
  const halvings = Math.max(2, Math.floor(Math.sqrt(bits) / 4));
  const working = bits + halvings + 32;
  const one = 1n << BigInt(working);
  let exponent = bitLength(numerator) - bitLength(denominator);
  let mantissa =
    exponent >= 0
      ? (numerator << BigInt(working)) / (denominator << BigInt(exponent))
      : (numerator << BigInt(working - exponent)) / denominator;
  // mantissa is in (1/2, 2); nearer to 1 the logarithm of a number just below 1 does not cancel against ln 2.
  if (mantissa * 2n > one * 3n) {
    mantissa >>= 1n;
    exponent++;
  } else if (mantissa * 4n < one * 3n) {
    mantissa <<= 1n;
    exponent--;
  }
  for (let i = 0; i < halvings; i++) mantissa = integerSquareRoot(mantissa << BigInt(working));
  const ratio = ((mantissa - one) << BigInt(working)) / (mantissa + one);
  const square = (ratio * ratio) >> BigInt(working);
  let power = ratio;
  let sum = ratio;
  for (let k = 3n; power !== 0n && power !== -1n; k += 2n) {
    power = (power * square) >> BigInt(working);
    sum += power / k;
  }
  sum <<= BigInt(halvings + 1);
  return (sum + BigInt(exponent) * ln2Fixed(working)) >> BigInt(working - bits);
}

/** e^(x·2^-bits) = mantissa · 2^shift, the mantissa having a relative error of a few units of 2^-bits. */
function expFixed(x: bigint, bits: number): { mantissa: bigint; shift: number } {
  const halvings = Math.max(4, Math.floor(Math.sqrt(bits)));
  const working = bits + halvings + 32;
  const scaled = x << BigInt(working - bits);
  const ln2 = ln2Fixed(working);
  let count = scaled / ln2;
  if (scaled < count * ln2) count--;
  const rest = (scaled - count * ln2) >> BigInt(halvings);
  const one = 1n << BigInt(working);
  let term = one;
  let sum = one;
  for (let k = 1n; term !== 0n; k++) {
    term = ((term * rest) >> BigInt(working)) / k;
    sum += term;
  }
  for (let i = 0; i < halvings; i++) sum = (sum * sum) >> BigInt(working);
  return { mantissa: sum, shift: Number(count) - working };
}

/** mantissa · 2^shift at a decimal scale, rounded. */
function toScale(mantissa: bigint, shift: number, scale: number): bigint {
  const scaled = mantissa * pow10(scale);
  return shift >= 0 ? scaled << BigInt(shift) : divideRounded(scaled, 1n << BigInt(-shift));
}

const toNumber = (value: Numeric): number => {
  if (value.unscaled === 0n) return 0;
  const exponent = leadingExponent(value);
  const drop = Math.max(0, exponent + value.scale - 20);
  return Number(`${value.unscaled / pow10(drop)}e${drop - value.scale}`);
};
const fixedOf = (value: Numeric, bits: number): bigint => (value.unscaled << BigInt(bits)) / pow10(value.scale);

// ---- square root

function negativeRoot(): never {
  report('ERROR', {
    code: SQLSTATE.invalidArgumentForPowerFunction,
    message: 'cannot take square root of a negative number',
  });
}
export function squareRootAtScale(value: Numeric, scale: number): Numeric {
  if (value.unscaled < 0n) negativeRoot();
  const shift = 2 * scale - value.scale;
  // Dropping digits could only matter for a value exactly on a half, where more digits than asked for are shown anyway.
  const radicand = shift >= 0 ? value.unscaled * pow10(shift) : value.unscaled / pow10(-shift);
  const root = integerSquareRoot(radicand);
  return numeric(radicand - root * root > root ? root + 1n : root, scale);
}
export function numericSqrt(value: Numeric): Numeric {
  if (value.special !== 0) return value.special === -1 ? negativeRoot() : value;
  const weight = (firstDigit(value).weight + 1) * 2 - 1;
  return squareRootAtScale(value, clampScale(SIGNIFICANT_DIGITS_MIN - weight, value.scale));
}

// ---- exponential

/** e^(numerator/10^digits…) given as fixed point x. */
function expAtScale(x: bigint, bits: number, approximate: number, scale: number): Numeric {
  if (Math.abs(approximate) >= EXPONENT_MAX) {
    if (approximate > 0) numericOverflow();
    return numeric(0n, scale);
  }
  const { mantissa, shift } = expFixed(x, bits);
  return checkedNumeric(toScale(mantissa, shift, scale), scale);
}
const guardBits = 64;

export function numericExp(value: Numeric): Numeric {
  if (value.special !== 0) return value.special === -1 ? NUMERIC_ZERO : value;
  const approximate = toNumber(value);
  const weight = Math.max(-2000, Math.min(2000, approximate * LOG10_E));
  const scale = clampScale(SIGNIFICANT_DIGITS_MIN - Math.trunc(weight), value.scale);
  if (Math.abs(approximate) >= EXPONENT_MAX) return expAtScale(0n, 0, approximate, scale);
  const bits = bitsForDigits(Math.trunc(approximate * LOG10_E) + scale + 1) + guardBits;
  return expAtScale(fixedOf(value, bits), bits, approximate, scale);
}

// ---- logarithms

function badLogarithm(sign: number): never {
  report('ERROR', {
    code: SQLSTATE.invalidArgumentForLog,
    message: sign < 0 ? 'cannot take logarithm of a negative number' : 'cannot take logarithm of zero',
  });
}
/** Estimated decimal exponent of ln(value). */
function lnWeight(value: Numeric): number {
  if (signOf(value) <= 0) return 0;
  const distance = value.unscaled - pow10(value.scale);
  if (magnitude(distance) * 10n <= pow10(value.scale))
    return distance === 0n ? 0 : digitCount(magnitude(distance)) - value.scale - 1;
  // The first two base-10000 digits, as many as there are.
  const first = firstDigit(value);
  const shift = value.scale + 4 * (first.weight - 1);
  const two = shift >= 0 ? value.unscaled / pow10(shift) : value.unscaled * pow10(-shift);
  return Math.trunc(Math.log10(Math.abs(Math.log(Number(two)) + (first.weight - 1) * 4 * Math.LN10)));
}
const lnOf = (value: Numeric, bits: number): bigint => lnFixed(value.unscaled, pow10(value.scale), bits);

export function numericLn(value: Numeric): Numeric {
  const sign = signOf(value);
  if (value.special === 2) return value;
  if (sign <= 0) badLogarithm(sign);
  if (value.special === 1) return value;
  const scale = clampScale(SIGNIFICANT_DIGITS_MIN - lnWeight(value), value.scale);
  const bits = bitsForDigits(scale) + guardBits;
  return numeric(toScale(lnOf(value, bits), -bits, scale), scale);
}
/** Logarithm of `value` to `base`. */
export function numericLog(base: Numeric, value: Numeric): Numeric {
  if (base.special === 2 || value.special === 2) return NUMERIC_NAN;
  if (signOf(base) <= 0) badLogarithm(signOf(base));
  if (signOf(value) <= 0) badLogarithm(signOf(value));
  if (base.special === 1) return value.special === 1 ? NUMERIC_NAN : NUMERIC_ZERO;
  if (value.special === 1) return NUMERIC_INFINITY;
  const baseWeight = lnWeight(base);
  const weight = lnWeight(value) - baseWeight;
  const scale = clampScale(SIGNIFICANT_DIGITS_MIN - weight, base.scale, value.scale);
  const bits = bitsForDigits(scale + Math.abs(weight) + 2 * Math.abs(baseWeight) + 10) + guardBits;
  if (compareNumerics(base, NUMERIC_ONE) === 0) divisionByZero();
  return numeric(divideRounded(lnOf(value, bits) * pow10(scale), lnOf(base, bits)), scale);
}

// ---- powers

function badPower(message: string): never {
  report('ERROR', { code: SQLSTATE.invalidArgumentForPowerFunction, message });
}

/** base^exponent for a whole exponent: 16 digits after the point, or as many as the base shows. */
function integerPower(base: Numeric, exponent: number): Numeric {
  const scale = clampScale(SIGNIFICANT_DIGITS_MIN, base.scale);
  if (exponent === 0) return numeric(pow10(scale), scale);
  if (exponent === 1) return roundNumeric(base, scale);
  if (exponent === -1) return divideAtScale(NUMERIC_ONE, base, scale, true);
  if (exponent === 2) return checkedNumeric(rescale(multiplyNumerics(base, base), scale), scale);
  if (base.unscaled === 0n) {
    if (exponent < 0) divisionByZero();
    return numeric(0n, scale);
  }
  const weight = exponent * approximateLog10(base);
  if (weight > 3 * 32767 * 4) numericOverflow();
  if (weight + 1 < -scale) return numeric(0n, scale);
  const times = Math.abs(exponent);
  if (digitCount(magnitude(base.unscaled)) * times < 3000) {
    const power = base.unscaled ** BigInt(times);
    const powerScale = base.scale * times;
    return exponent > 0
      ? checkedNumeric(rescale(numeric(power, powerScale), scale), scale)
      : checkedNumeric(divideRounded(pow10(scale + powerScale), power), scale);
  }
  return approximatePower(base, exponent, scale, Math.max(1, 1 + scale + Math.trunc(weight)));
}
function approximateLog10(base: Numeric): number {
  if (base.unscaled === 0n) return 0;
  const digits = magnitude(base.unscaled).toString();
  const shown = digits.slice(0, 16);
  return Math.log10(Number(shown)) + (digits.length - shown.length - base.scale);
}
/** By squaring with mantissas cut to the digits that matter; each step may lose a few units of the last bit. */
function approximatePower(base: Numeric, exponent: number, scale: number, digits: number): Numeric {
  const bits = BigInt(bitsForDigits(digits) + 2 * guardBits);
  const cut = (mantissa: bigint, shift: number): readonly [bigint, number] => {
    const excess = bitLength(mantissa) - Number(bits);
    return excess > 0 ? [mantissa >> BigInt(excess), shift + excess] : [mantissa, shift];
  };
  const start = magnitude(base.unscaled) << (bits * 2n);
  let [factor, factorShift] = cut(start / pow10(base.scale), -Number(bits) * 2);
  let result = 1n;
  let resultShift = 0;
  for (let rest = Math.abs(exponent); rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) [result, resultShift] = cut(result * factor, resultShift + factorShift);
    [factor, factorShift] = cut(factor * factor, factorShift * 2);
  }
  if (exponent < 0) [result, resultShift] = [(1n << (bits * 2n)) / result, -Number(bits) * 2 - resultShift];
  const value = toScale(result, resultShift, scale);
  return checkedNumeric(base.unscaled < 0n && exponent % 2 !== 0 ? -value : value, scale);
}

function finitePower(base: Numeric, exponent: Numeric): Numeric {
  const integral = isIntegral(exponent);
  if (integral) {
    const whole = exponent.unscaled / pow10(exponent.scale);
    if (whole >= -2147483648n && whole <= 2147483647n) return integerPower(base, Number(whole));
  }
  if (base.unscaled === 0n) return numeric(0n, SIGNIFICANT_DIGITS_MIN);
  const negative = base.unscaled < 0n && (exponent.unscaled / pow10(exponent.scale)) % 2n !== 0n;
  const absolute = numeric(magnitude(base.unscaled), base.scale);
  const lnDigits = lnWeight(absolute);

  // A first look at eight digits or so tells the weight of the result; its rounding decides borderline cases.
  const roughScale = Math.max(8 - lnDigits, 0);
  const roughBits = bitsForDigits(roughScale) + guardBits;
  const roughLn = toScale(lnOf(absolute, roughBits), -roughBits, roughScale);
  const roughProduct = numeric(roughLn * exponent.unscaled, roughScale + exponent.scale);
  const rough = toNumber(numeric(rescale(roughProduct, roughScale), roughScale));
  if (Math.abs(rough) > 2000 * 3.01) {
    if (rough > 0) numericOverflow();
    return numeric(0n, DISPLAY_SCALE_MAX);
  }
  const weight = Math.trunc(rough * LOG10_E);
  const scale = clampScale(SIGNIFICANT_DIGITS_MIN - weight, base.scale, exponent.scale);
  const bits = bitsForDigits(Math.max(scale + weight, 0) + 4) + guardBits;
  const lnBits = bits + Math.max(0, bitsForDigits(leadingExponent(exponent) + 2));
  const product = (lnOf(absolute, lnBits) * exponent.unscaled) / pow10(exponent.scale);
  const result = expAtScale(product >> BigInt(lnBits - bits), bits, rough, scale);
  return negative ? numeric(-result.unscaled, result.scale) : result;
}

function specialPower(base: Numeric, exponent: Numeric): Numeric {
  const isOne = (value: Numeric): boolean => value.special === 0 && compareNumerics(value, NUMERIC_ONE) === 0;
  const isZero = (value: Numeric): boolean => value.special === 0 && value.unscaled === 0n;
  if (base.special === 2) return isZero(exponent) ? NUMERIC_ONE : NUMERIC_NAN;
  if (exponent.special === 2) return isOne(base) ? NUMERIC_ONE : NUMERIC_NAN;
  const baseSign = signOf(base);
  if (baseSign === 0 && signOf(exponent) < 0) badPower('zero raised to a negative power is undefined');
  if (baseSign < 0 && exponent.special === 0 && !isIntegral(exponent))
    badPower('a negative number raised to a non-integer power yields a complex result');
  if (exponent.special !== 0) {
    const order = base.special !== 0 ? 1 : compareNumerics(numeric(magnitude(base.unscaled), base.scale), NUMERIC_ONE);
    if (order === 0) return NUMERIC_ONE;
    return order > 0 === exponent.special > 0 ? NUMERIC_INFINITY : NUMERIC_ZERO;
  }
  if (isZero(exponent)) return NUMERIC_ONE;
  if (exponent.unscaled < 0n) return NUMERIC_ZERO;
  const odd = isIntegral(exponent) && (exponent.unscaled / pow10(exponent.scale)) % 2n !== 0n;
  return base.special < 0 && odd ? NUMERIC_MINUS_INFINITY : NUMERIC_INFINITY;
}

export function numericPower(base: Numeric, exponent: Numeric): Numeric {
  if (base.special !== 0 || exponent.special !== 0) return specialPower(base, exponent);
  if (base.unscaled === 0n && exponent.unscaled < 0n) badPower('zero raised to a negative power is undefined');
  if (base.unscaled < 0n && !isIntegral(exponent))
    badPower('a negative number raised to a non-integer power yields a complex result');
  return finitePower(base, exponent);
}
