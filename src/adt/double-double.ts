/** double-double.ts — exp, ln and power of doubles, correctly rounded in all but astronomically rare cases.
 *
 *  JavaScript's own differ from the C library's in the last digit now and then, and every digit is shown. A double-double
 *  is an unevaluated sum hi + lo of about 106 bits. ln refines Math.log by one Newton step with the exact exponential.
 *  Cost: about a microsecond.
 *  Counterpart: exp(), log(), pow() of the C library */

let hi = 0;
let lo = 0;

/** hi + lo = a + b exactly. */
function sum(a: number, b: number): void {
  const s = a + b;
  const bPart = s - a;
  lo = a - (s - bPart) + (b - bPart);
  hi = s;
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
  lo = aHigh * bHigh - p + aHigh * bLow + aLow * bHigh + aLow * bLow;
  hi = p;
}
function addPair(aHi: number, aLo: number, bHi: number, bLo: number): void {
  sum(aHi, bHi);
  sum(hi, lo + aLo + bLo);
}
function multiplyPair(aHi: number, aLo: number, bHi: number, bLo: number): void {
  product(aHi, bHi);
  sum(hi, lo + (aHi * bLo + aLo * bHi));
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
    pairs.push([head, (1 - hi - lo) / factorial]);
  }
  return pairs;
})();

/** e^(a + b) for small b: mantissa in hi + lo, returns the binary exponent. */
function exponential(a: number, b: number): number {
  const exponent = Math.round(a / Math.LN2);
  product(exponent, LN2_B);
  addPair(a - exponent * LN2_A, 0, -hi, -lo);
  addPair(hi, lo, b - exponent * LN2_C, 0);
  const rHi = hi / 256;
  const rLo = lo / 256;
  // expm1 by Taylor's series over |r| < 0.0014, then eight doublings.
  let pHi = INVERSE_FACTORIALS[8]![0];
  let pLo = INVERSE_FACTORIALS[8]![1];
  for (let i = 7; i >= 0; i--) {
    multiplyPair(pHi, pLo, rHi, rLo);
    addPair(INVERSE_FACTORIALS[i]![0], INVERSE_FACTORIALS[i]![1], hi, lo);
    pHi = hi;
    pLo = lo;
  }
  multiplyPair(pHi, pLo, rHi, rLo);
  addPair(1, 0, hi, lo);
  multiplyPair(hi, lo, rHi, rLo);
  for (let i = 0; i < 8; i++) {
    pHi = hi;
    pLo = lo;
    multiplyPair(pHi, pLo, pHi, pLo);
    addPair(2 * pHi, 2 * pLo, hi, lo);
  }
  addPair(1, 0, hi, lo);
  return exponent;
}
const scale = (value: number, exponent: number): number => {
  const half = Math.trunc(exponent / 2);
  return value * 2 ** half * 2 ** (exponent - half);
};

export function exactExp(value: number): number {
  if (!(Math.abs(value) < 746)) return Math.exp(value);
  const exponent = exponential(value, 0);
  return scale(hi + lo, exponent);
}

/** ln of a positive finite number in hi + lo. */
function logarithm(value: number): void {
  const guess = Math.log(value);
  const exponent = exponential(-guess, 0);
  // value · e^-guess - 1 is tiny; scaling first keeps the product near one.
  multiplyPair(hi, lo, scale(value, exponent), 0);
  addPair(hi, lo, -1, 0);
  const rest = hi + lo;
  sum(guess, rest - (rest * rest) / 2);
}
export function exactLn(value: number): number {
  if (!(value > 2.3e-308 && value < Number.POSITIVE_INFINITY) || value === 1) return Math.log(value);
  logarithm(value);
  return hi + lo;
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
  const lnHi = hi;
  const lnLo = lo;
  product(lnHi, exponent);
  sum(hi, lo + lnLo * exponent);
  const binaryExponent = exponential(hi, lo);
  const result = scale(hi + lo, binaryExponent);
  return plain < 0 ? -result : result;
}
