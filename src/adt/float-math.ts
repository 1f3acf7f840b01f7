/** float-math.ts — functions of double precision: rounding, roots, powers, logarithms, angles, buckets.
 *
 *  Domain errors and overflow are reported where C's library would set errno. The degree functions are exact at the
 *  angles where people expect it, because each is scaled by its own value at a known angle.
 *  Counterpart: src/backend/utils/adt/float.c */
import {
  exactAcos,
  exactAsin,
  exactAtan,
  exactAtan2,
  exactCos,
  exactExp,
  exactLn,
  exactPower,
  exactSin,
  exactTan,
} from '#adt/double-double.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import {
  compareFloats,
  float8Divide,
  float8Multiply,
  floatOverflow,
  floatUnderflow,
  roundHalfEven,
} from '#adt/float.ts';
import { outOfRange } from '#adt/value-errors.ts';
import type { SqlState } from '#runtime/error/sqlstate.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const isInfinite = (value: number): boolean => value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY;

function refuse(code: SqlState, message: string): never {
  report('ERROR', { code, message });
}
function inputOutOfRange(): never {
  refuse(SQLSTATE.numericValueOutOfRange, 'input is out of range');
}

function squareRoot(value: number): number {
  if (value < 0) refuse(SQLSTATE.invalidArgumentForPowerFunction, 'cannot take square root of a negative number');
  return Math.sqrt(value);
}
function exponential(value: number): number {
  const result = exactExp(value);
  if (isInfinite(result) && !isInfinite(value)) floatOverflow();
  if (result === 0 && !isInfinite(value)) floatUnderflow();
  return result;
}
function checkLogarithm(value: number): void {
  if (value === 0) refuse(SQLSTATE.invalidArgumentForLog, 'cannot take logarithm of zero');
  if (value < 0) refuse(SQLSTATE.invalidArgumentForLog, 'cannot take logarithm of a negative number');
}
function naturalLogarithm(value: number): number {
  checkLogarithm(value);
  return exactLn(value);
}
function decimalLogarithm(value: number): number {
  checkLogarithm(value);
  return Math.log10(value);
}

export function float8Power(base: number, exponent: number): number {
  if (Number.isNaN(base)) return exponent === 0 ? 1 : base;
  if (Number.isNaN(exponent)) return base === 1 ? 1 : exponent;
  if (base === 0 && exponent < 0)
    refuse(SQLSTATE.invalidArgumentForPowerFunction, 'zero raised to a negative power is undefined');
  if (base < 0 && !isInfinite(exponent) && Math.floor(exponent) !== exponent)
    refuse(
      SQLSTATE.invalidArgumentForPowerFunction,
      'a negative number raised to a non-integer power yields a complex result',
    );
  if (isInfinite(exponent) && Math.abs(base) === 1) return 1;
  const result = exactPower(base, exponent);
  if (!isInfinite(base) && !isInfinite(exponent)) {
    if (isInfinite(result)) floatOverflow();
    if (result === 0 && base !== 0) floatUnderflow();
  }
  return result;
}

/** Refuses infinities, for which the circular functions have no value. */
const circular =
  (compute: (value: number) => number) =>
  (value: number): number => {
    if (isInfinite(value)) inputOutOfRange();
    return compute(value);
  };
/** Arc functions of [-1, 1]; NaN passes. */
const unitDomain =
  (compute: (value: number) => number) =>
  (value: number): number => {
    if (value < -1 || value > 1) inputOutOfRange();
    return compute(value);
  };

// ---- degrees

const RADIANS_PER_DEGREE = Math.PI / 180;
const sin30 = exactSin(30 * RADIANS_PER_DEGREE);
const oneMinusCos60 = 1 - exactCos(60 * RADIANS_PER_DEGREE);
const asinHalf = exactAsin(0.5);
const acosHalf = exactAcos(0.5);
const atanOne = exactAtan(1);

const sinTo30 = (degrees: number): number => exactSin(degrees * RADIANS_PER_DEGREE) / sin30 / 2;
const cosTo60 = (degrees: number): number => 1 - (1 - exactCos(degrees * RADIANS_PER_DEGREE)) / oneMinusCos60 / 2;
const sinQuadrant = (degrees: number): number => (degrees <= 30 ? sinTo30(degrees) : cosTo60(90 - degrees));
const cosQuadrant = (degrees: number): number => (degrees <= 60 ? cosTo60(degrees) : sinTo30(90 - degrees));
const tan45 = sinQuadrant(45) / cosQuadrant(45);
const cot45 = cosQuadrant(45) / sinQuadrant(45);
const asinQuadrant = (value: number): number =>
  value <= 0.5 ? (exactAsin(value) / asinHalf) * 30 : 90 - (exactAcos(value) / acosHalf) * 60;
const acosQuadrant = (value: number): number =>
  value <= 0.5 ? 90 - (exactAsin(value) / asinHalf) * 30 : (exactAcos(value) / acosHalf) * 60;

/** The angle reduced to the first quadrant, and the signs of sine and cosine there. */
function reduce(value: number): { angle: number; sinSign: number; cosSign: number } {
  let angle = value % 360;
  let sinSign = 1;
  let cosSign = 1;
  if (angle < 0) {
    angle = -angle;
    sinSign = -sinSign;
  }
  if (angle > 180) {
    angle = 360 - angle;
    sinSign = -sinSign;
  }
  if (angle > 90) {
    angle = 180 - angle;
    cosSign = -cosSign;
  }
  return { angle, sinSign, cosSign };
}
const degreeFunction = (compute: (angle: number, sinSign: number, cosSign: number) => number) =>
  circular((value) => {
    if (Number.isNaN(value)) return value;
    const { angle, sinSign, cosSign } = reduce(value);
    return compute(angle, sinSign, cosSign);
  });
const withoutMinusZero = (value: number): number => (value === 0 ? 0 : value);

function toDegrees(value: number): number {
  return float8Divide(value, RADIANS_PER_DEGREE);
}

// ---- hyperbolic

/** Up to here e^x itself is in range. */
const EXP_MAX = 709;
function sineHyperbolic(value: number): number {
  const magnitude = Math.abs(value);
  if (!(magnitude > 22 && magnitude < EXP_MAX)) return Math.sinh(value);
  return Math.sign(value) * 0.5 * exactExp(magnitude);
}
function cosineHyperbolic(value: number): number {
  const magnitude = Math.abs(value);
  if (!(magnitude > 0.35 && magnitude < EXP_MAX)) return Math.cosh(value);
  const power = exactExp(magnitude);
  return magnitude < 22 ? 0.5 * power + 0.5 / power : 0.5 * power;
}

function arcCosineHyperbolic(value: number): number {
  if (value < 1) inputOutOfRange();
  return Math.acosh(value);
}
function arcTangentHyperbolic(value: number): number {
  if (value < -1 || value > 1) inputOutOfRange();
  return Math.atanh(value);
}

// ---- buckets

function badBucket(message: string): never {
  refuse(SQLSTATE.invalidArgumentForWidthBucketFunction, message);
}
function widthBucket(operand: number, low: number, high: number, count: number): number {
  if (count <= 0) badBucket('count must be greater than zero');
  if (Number.isNaN(operand) || Number.isNaN(low) || Number.isNaN(high))
    badBucket('operand, lower bound, and upper bound cannot be NaN');
  if (isInfinite(low) || isInfinite(high)) badBucket('lower and upper bounds must be finite');
  const direction = compareFloats(high, low);
  if (direction === 0) badBucket('lower bound cannot equal upper bound');
  if ((operand - low) * direction < 0) return 0;
  if (direction > 0 ? operand >= high : operand <= high) {
    if (count === 2147483647) outOfRange('integer');
    return count + 1;
  }
  const width = high - low;
  // Operands whose distance overflows are compared at half size.
  const share = isInfinite(width) ? (operand / 2 - low / 2) / (high / 2 - low / 2) : (operand - low) / width;
  return Math.min(Math.floor(share * count), count - 1) + 1;
}

registerBuiltins({
  dround: roundHalfEven,
  dceil: Math.ceil,
  dfloor: Math.floor,
  dtrunc: Math.trunc,
  dsign: (value: number) => (value > 0 ? 1 : value < 0 ? -1 : 0),
  dsqrt: squareRoot,
  dcbrt: Math.cbrt,
  dpow: float8Power,
  dexp: exponential,
  dlog1: naturalLogarithm,
  dlog10: decimalLogarithm,

  dacos: unitDomain(exactAcos),
  dasin: unitDomain(exactAsin),
  datan: exactAtan,
  datan2: exactAtan2,
  dcos: circular(exactCos),
  dsin: circular(exactSin),
  dtan: circular(exactTan),
  dcot: circular((value) => 1 / exactTan(value)),

  dacosd: unitDomain((value) => (value >= 0 ? acosQuadrant(value) : 90 + asinQuadrant(-value))),
  dasind: unitDomain((value) => (value >= 0 ? asinQuadrant(value) : -asinQuadrant(-value))),
  datand: (value: number) => (exactAtan(value) / atanOne) * 45,
  datan2d: (y: number, x: number) => (exactAtan2(y, x) / atanOne) * 45,
  dsind: degreeFunction((angle, sinSign) => sinSign * sinQuadrant(angle)),
  dcosd: degreeFunction((angle, _sinSign, cosSign) => cosSign * cosQuadrant(angle)),
  dtand: degreeFunction((angle, sinSign, cosSign) =>
    withoutMinusZero(sinSign * cosSign * (sinQuadrant(angle) / cosQuadrant(angle) / tan45)),
  ),
  dcotd: degreeFunction((angle, sinSign, cosSign) =>
    withoutMinusZero(sinSign * cosSign * (cosQuadrant(angle) / sinQuadrant(angle) / cot45)),
  ),
  degrees: toDegrees,
  radians: (value: number) => float8Multiply(value, RADIANS_PER_DEGREE),
  dpi: () => Math.PI,

  dsinh: sineHyperbolic,
  dcosh: cosineHyperbolic,
  dtanh: Math.tanh,
  dasinh: Math.asinh,
  dacosh: arcCosineHyperbolic,
  datanh: arcTangentHyperbolic,
  width_bucket_float8: widthBucket,
});
