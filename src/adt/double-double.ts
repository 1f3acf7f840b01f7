/** double-double.ts — exp, ln, power and circular functions of doubles, correctly rounded in all but astronomically rare cases.
 *
 *  JavaScript's own differ from the C library's in the last digit now and then, and every digit is shown. A double-double
 *  is an unevaluated sum hi + lo of about 106 bits. ln refines Math.log by one Newton step with the exact exponential.
 *  Cost: about a microsecond.
 *  Counterpart: exp(), log(), pow(), sin() … of the C library */

/** Result of the last operation. Fields of an object, for V8 keeps doubles in them without allocating. */
const r = { hi: 0.5, lo: 0.5 };

/** hi + lo = a + b exactly. */
function sum(a: number, b: number): void {
  const s = a + b;
  const bPart = s - a;
  r.lo = a - (s - bPart) + (b - bPart);
  r.hi = s;
}
/** hi + lo = a · b exactly, by splitting the factors in halves of 26 bits. */
function product(a: number, b: number): void {
  const p = a * b;
  const ca = 134217729 * a;
  const aHigh = ca - (ca - a);
  const aLow = a - aHigh;
  const cb = 134217729 * b;
  const bHigh = cb - (cb - b);
  const bLow = b - bHigh;
  r.lo = aHigh * bHigh - p + aHigh * bLow + aLow * bHigh + aLow * bLow;
  r.hi = p;
}
function addPair(aHi: number, aLo: number, bHi: number, bLo: number): void {
  sum(aHi, bHi);
  sum(r.hi, r.lo + aLo + bLo);
}
function multiplyPair(aHi: number, aLo: number, bHi: number, bLo: number): void {
  product(aHi, bHi);
  sum(r.hi, r.lo + (aHi * bLo + aLo * bHi));
}

// ln 2 in three parts; a multiple of the first by an exponent is exact.
const LN2_A = 0.6931471803691238;
const LN2_B = 1.9082149292705877e-10;
const LN2_C = 1.1612227229362532e-26;
const INVERSE_FACTORIALS: readonly (readonly [number, number])[] = (() => {
  // 1/n! as pairs: the remainder of the division by n! (exact below 2^53) gives the low part.
  const pairs: [number, number][] = [];
  for (let n = 2, factorial = 2; n <= 10; n++, factorial *= n) {
    const head = 1 / factorial;
    product(head, factorial);
    pairs.push([head, (1 - r.hi - r.lo) / factorial]);
  }
  return pairs;
})();

/** e^(a + b) for small b: mantissa in hi + lo, returns the binary exponent. */
function exponential(a: number, b: number): number {
  const exponent = Math.round(a / Math.LN2);
  product(exponent, LN2_B);
  addPair(a - exponent * LN2_A, 0, -r.hi, -r.lo);
  addPair(r.hi, r.lo, b - exponent * LN2_C, 0);
  const rHi = r.hi / 256;
  const rLo = r.lo / 256;
  // expm1 by Taylor's series over |r| < 0.0014, then eight doublings.
  let pHi = INVERSE_FACTORIALS[8]![0];
  let pLo = INVERSE_FACTORIALS[8]![1];
  for (let i = 7; i >= 0; i--) {
    multiplyPair(pHi, pLo, rHi, rLo);
    addPair(INVERSE_FACTORIALS[i]![0], INVERSE_FACTORIALS[i]![1], r.hi, r.lo);
    pHi = r.hi;
    pLo = r.lo;
  }
  multiplyPair(pHi, pLo, rHi, rLo);
  addPair(1, 0, r.hi, r.lo);
  multiplyPair(r.hi, r.lo, rHi, rLo);
  for (let i = 0; i < 8; i++) {
    pHi = r.hi;
    pLo = r.lo;
    multiplyPair(pHi, pLo, pHi, pLo);
    addPair(2 * pHi, 2 * pLo, r.hi, r.lo);
  }
  addPair(1, 0, r.hi, r.lo);
  return exponent;
}
const scale = (value: number, exponent: number): number => {
  const half = Math.trunc(exponent / 2);
  return value * 2 ** half * 2 ** (exponent - half);
};

export function exactExp(value: number): number {
  if (!(Math.abs(value) < 746)) return Math.exp(value);
  const exponent = exponential(value, 0);
  return scale(r.hi + r.lo, exponent);
}

/** ln of a positive finite number in hi + lo. */
function logarithm(value: number): void {
  const guess = Math.log(value);
  const exponent = exponential(-guess, 0);
  // value · e^-guess - 1 is tiny; scaling first keeps the product near one.
  multiplyPair(r.hi, r.lo, scale(value, exponent), 0);
  addPair(r.hi, r.lo, -1, 0);
  const rest = r.hi + r.lo;
  sum(guess, rest - (rest * rest) / 2);
}
export function exactLn(value: number): number {
  if (!(value > 2.3e-308 && value < Number.POSITIVE_INFINITY) || value === 1) return Math.log(value);
  logarithm(value);
  return r.hi + r.lo;
}

/** base^exponent for a positive finite base; other cases are JavaScript's. */
export function exactPower(base: number, exponent: number): number {
  const plain = base ** exponent;
  const magnitude = Math.abs(base);
  const ordinary = magnitude > 2.3e-308 && magnitude !== 1 && exponent !== 0 && plain !== 0 && Number.isFinite(plain);
  // Numbers out of the range of doubles, and those where gradual underflow sets in, are left alone.
  if (!ordinary || Math.abs(plain) < 2.3e-308) return plain;
  if (exponent === 1) return base;
  logarithm(magnitude);
  const lnHi = r.hi;
  const lnLo = r.lo;
  product(lnHi, exponent);
  sum(r.hi, r.lo + lnLo * exponent);
  const binaryExponent = exponential(r.hi, r.lo);
  const result = scale(r.hi + r.lo, binaryExponent);
  return plain < 0 ? -result : result;
}

// ---- circular functions

// π/2 in four parts; the multiples of the first three by a quadrant number below 2^20 are exact.
const HALF_PI_A = 1.5707963267341256;
const HALF_PI_B = 6.077100506303966e-11;
const HALF_PI_C = 2.0222662487111665e-21;
const HALF_PI_D = 8.4784276603689e-32;
/** Larger angles would need more of π. */
const ANGLE_MAX = 1e5;

/** 1/n! as pairs. */
const TAYLOR: readonly (readonly [number, number])[] = (() => {
  const pairs: [number, number][] = [[1, 0]];
  let inverseHi = 1;
  let inverseLo = 0;
  for (let n = 1; n <= 28; n++) {
    // Division of a pair by a small integer: quotient and corrected remainder.
    const head = inverseHi / n;
    product(head, n);
    const rest = (inverseHi - r.hi - r.lo + inverseLo) / n;
    sum(head, rest);
    inverseHi = r.hi;
    inverseLo = r.lo;
    pairs.push([r.hi, r.lo]);
  }
  return pairs;
})();

const circle = { sinHi: 0.5, sinLo: 0.5, cosHi: 0.5, cosLo: 0.5 };
/** Taylor's series in r² from the term `top` down to `bottom` of one parity, result in hi + lo. */
function series(squareHi: number, squareLo: number, top: number, bottom: number): void {
  let [accumulatedHi, accumulatedLo] = TAYLOR[top]! as [number, number];
  for (let n = top - 2; n >= bottom; n -= 2) {
    multiplyPair(accumulatedHi, accumulatedLo, squareHi, squareLo);
    addPair(TAYLOR[n]![0], TAYLOR[n]![1], -r.hi, -r.lo);
    accumulatedHi = r.hi;
    accumulatedLo = r.lo;
  }
  r.hi = accumulatedHi;
  r.lo = accumulatedLo;
}
/** Sine and cosine of an angle of magnitude below ANGLE_MAX as pairs. */
function sineAndCosine(angle: number): void {
  const quadrant = Math.round(angle / (Math.PI / 2));
  sum(angle - quadrant * HALF_PI_A, -quadrant * HALF_PI_B);
  addPair(r.hi, r.lo, -quadrant * HALF_PI_C, -quadrant * HALF_PI_D);
  const rHi = r.hi;
  const rLo = r.lo;
  multiplyPair(rHi, rLo, rHi, rLo);
  const squareHi = r.hi;
  const squareLo = r.lo;
  series(squareHi, squareLo, 27, 1);
  multiplyPair(r.hi, r.lo, rHi, rLo);
  const sHi = r.hi;
  const sLo = r.lo;
  series(squareHi, squareLo, 28, 0);
  const turns = ((quadrant % 4) + 4) % 4;
  const swap = turns % 2 === 1;
  const sinSign = turns >= 2 ? -1 : 1;
  const cosSign = turns === 1 || turns === 2 ? -1 : 1;
  circle.sinHi = sinSign * (swap ? r.hi : sHi);
  circle.sinLo = sinSign * (swap ? r.lo : sLo);
  circle.cosHi = cosSign * (swap ? sHi : r.hi);
  circle.cosLo = cosSign * (swap ? sLo : r.lo);
}
/** Tiny angles are their own sine; huge, infinite and NaN ones are left to JavaScript. */
const isOrdinaryAngle = (angle: number): boolean => Math.abs(angle) > 1e-100 && Math.abs(angle) < ANGLE_MAX;

export function exactSin(angle: number): number {
  if (!isOrdinaryAngle(angle)) return Math.sin(angle);
  sineAndCosine(angle);
  return circle.sinHi + circle.sinLo;
}
export function exactCos(angle: number): number {
  if (!isOrdinaryAngle(angle)) return Math.cos(angle);
  sineAndCosine(angle);
  return circle.cosHi + circle.cosLo;
}
/** a / b for pairs, rounded once. */
function quotient(aHi: number, aLo: number, bHi: number, bLo: number): number {
  const head = aHi / bHi;
  multiplyPair(bHi, bLo, head, 0);
  return head + (aHi - r.hi - r.lo + aLo) / bHi;
}
export function exactTan(angle: number): number {
  if (!isOrdinaryAngle(angle)) return Math.tan(angle);
  sineAndCosine(angle);
  return quotient(circle.sinHi, circle.sinLo, circle.cosHi, circle.cosLo);
}

/** JavaScript's angle corrected by the cross product of its direction with (x, y). */
export function exactAtan2(y: number, x: number): number {
  const guess = Math.atan2(y, x);
  const size = Math.max(Math.abs(x), Math.abs(y));
  const ratio = Math.min(Math.abs(x), Math.abs(y)) / size;
  // Without two ordinary coordinates the guess is exact, or the products below would underflow.
  if (!(size < 1e300 && size > 1e-280 && ratio > 1e-20)) return guess;
  const unit = 2 ** -Math.floor(Math.log2(size));
  const px = x * unit;
  const py = y * unit;
  sineAndCosine(guess);
  multiplyPair(circle.cosHi, circle.cosLo, py, 0);
  const leftHi = r.hi;
  const leftLo = r.lo;
  multiplyPair(circle.sinHi, circle.sinLo, px, 0);
  addPair(leftHi, leftLo, -r.hi, -r.lo);
  return guess + (r.hi + r.lo) / (px * circle.cosHi + py * circle.sinHi);
}
export const exactAtan = (value: number): number => exactAtan2(value, 1);
export function exactAsin(value: number): number {
  const guess = Math.asin(value);
  if (!(Math.abs(value) > 1e-20 && Math.abs(value) < 1)) return guess;
  sineAndCosine(guess);
  addPair(value, 0, -circle.sinHi, -circle.sinLo);
  return guess + (r.hi + r.lo) / circle.cosHi;
}
export function exactAcos(value: number): number {
  const guess = Math.acos(value);
  if (!(Math.abs(value) > 1e-20 && Math.abs(value) < 1)) return guess;
  sineAndCosine(guess);
  addPair(circle.cosHi, circle.cosLo, -value, 0);
  return guess + (r.hi + r.lo) / circle.sinHi;
}
