/** aggregate-float.ts — averages, variances, regression over float8.
 *
 *  The states are the float8[] that pg_aggregate names: {N, Sx, Sxx}, and {N, Sx, Sxx, Sy, Syy, Sxy} for pairs, updated
 *  by Youngs and Cramer's method. Infinite or NaN input makes the sums of squares NaN; a sum that overflows from finite
 *  input is an error.
 *  Counterpart: float8_accum … float8_regr_intercept of src/backend/utils/adt/float.c */
import type { ArrayDatum, Datum } from '#adt/datum.ts';
import { float8Add, floatOverflow } from '#adt/float.ts';
import { registerBuiltins } from '#adt/fmgr.ts';

/** A state made here may be changed in place; the initial value of pg_aggregate is shared between groups. */
interface OwnedState extends ArrayDatum {
  readonly elements: number[];
  readonly owned: true;
}
function own(state: ArrayDatum): OwnedState {
  if ((state as OwnedState).owned === true) return state as OwnedState;
  return { ...state, elements: [...(state.elements as readonly number[])], owned: true };
}
const isInfinite = (value: number): boolean => value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY;
const sums = (state: ArrayDatum): readonly number[] => state.elements as readonly number[];

function accumulate(state: ArrayDatum, value: number): ArrayDatum {
  const result = own(state);
  const s = result.elements;
  const oldCount = s[0]!;
  const oldSum = s[1]!;
  const count = oldCount + 1;
  const sum = oldSum + value;
  let squares = s[2]!;
  if (oldCount > 0) {
    const deviation = value * count - sum;
    squares += (deviation * deviation) / (count * oldCount);
    if (isInfinite(sum) || isInfinite(squares)) {
      if (!isInfinite(oldSum) && !isInfinite(value)) floatOverflow();
      squares = Number.NaN;
    }
  } else if (!Number.isFinite(value)) squares = Number.NaN;
  s[0] = count;
  s[1] = sum;
  s[2] = squares;
  return result;
}
function combine(a: ArrayDatum, b: ArrayDatum): ArrayDatum {
  const [n1, x1, xx1] = sums(a) as [number, number, number];
  const [n2, x2, xx2] = sums(b) as [number, number, number];
  if (n1 === 0) return b;
  if (n2 === 0) return a;
  const count = n1 + n2;
  const sum = float8Add(x1, x2);
  const distance = x1 / n1 - x2 / n2;
  const squares = xx1 + xx2 + (n1 * n2 * distance * distance) / count;
  if (isInfinite(squares) && !isInfinite(xx1) && !isInfinite(xx2)) floatOverflow();
  const result = own(a);
  result.elements[0] = count;
  result.elements[1] = sum;
  result.elements[2] = squares;
  return result;
}

const N = 0;
const SX = 1;
const SXX = 2;
const SY = 3;
const SYY = 4;
const SXY = 5;

function accumulatePair(state: ArrayDatum, y: number, x: number): ArrayDatum {
  const result = own(state);
  const s = result.elements;
  const oldCount = s[N]!;
  const oldX = s[SX]!;
  const oldY = s[SY]!;
  const count = oldCount + 1;
  s[N] = count;
  s[SX] = oldX + x;
  s[SY] = oldY + y;
  if (oldCount > 0) {
    const deviationX = x * count - s[SX]!;
    const deviationY = y * count - s[SY]!;
    const scale = 1 / (count * oldCount);
    s[SXX] = s[SXX]! + deviationX * deviationX * scale;
    s[SYY] = s[SYY]! + deviationY * deviationY * scale;
    s[SXY] = s[SXY]! + deviationX * deviationY * scale;
    if (isInfinite(s[SX]!) || isInfinite(s[SXX]!) || isInfinite(s[SY]!) || isInfinite(s[SYY]!) || isInfinite(s[SXY]!)) {
      const xFinite = !isInfinite(oldX) && !isInfinite(x);
      const yFinite = !isInfinite(oldY) && !isInfinite(y);
      if (
        ((isInfinite(s[SX]!) || isInfinite(s[SXX]!)) && xFinite) ||
        ((isInfinite(s[SY]!) || isInfinite(s[SYY]!)) && yFinite)
      )
        floatOverflow();
      if (isInfinite(s[SXY]!) && xFinite && yFinite) floatOverflow();
      if (isInfinite(s[SXX]!)) s[SXX] = Number.NaN;
      if (isInfinite(s[SYY]!)) s[SYY] = Number.NaN;
      if (isInfinite(s[SXY]!)) s[SXY] = Number.NaN;
    }
  } else {
    if (!Number.isFinite(x)) s[SXX] = s[SXY] = Number.NaN;
    if (!Number.isFinite(y)) s[SYY] = s[SXY] = Number.NaN;
  }
  return result;
}
function combinePairs(a: ArrayDatum, b: ArrayDatum): ArrayDatum {
  const p = sums(a);
  const q = sums(b);
  if (p[N] === 0) return b;
  if (q[N] === 0) return a;
  const count = p[N]! + q[N]!;
  const distanceX = p[SX]! / p[N]! - q[SX]! / q[N]!;
  const distanceY = p[SY]! / p[N]! - q[SY]! / q[N]!;
  const weight = p[N]! * q[N]!;
  const values = [
    count,
    float8Add(p[SX]!, q[SX]!),
    p[SXX]! + q[SXX]! + (weight * distanceX * distanceX) / count,
    float8Add(p[SY]!, q[SY]!),
    p[SYY]! + q[SYY]! + (weight * distanceY * distanceY) / count,
    p[SXY]! + q[SXY]! + (weight * distanceX * distanceY) / count,
  ];
  for (const at of [SXX, SYY, SXY])
    if (isInfinite(values[at]!) && !isInfinite(p[at]!) && !isInfinite(q[at]!)) floatOverflow();
  const result = own(a);
  for (let i = 0; i < values.length; i++) result.elements[i] = values[i]!;
  return result;
}

/** A final function that is null for fewer than `least` values. */
const final =
  (least: number, compute: (s: readonly number[]) => number | null) =>
  (state: ArrayDatum): Datum => {
    const s = sums(state);
    return s[N]! < least ? null : compute(s);
  };

registerBuiltins({
  float8_accum: accumulate,
  float4_accum: accumulate,
  float8_combine: combine,
  float8_avg: final(1, (s) => s[SX]! / s[N]!),
  float8_var_pop: final(1, (s) => s[SXX]! / s[N]!),
  float8_var_samp: final(2, (s) => s[SXX]! / (s[N]! - 1)),
  float8_stddev_pop: final(1, (s) => Math.sqrt(s[SXX]! / s[N]!)),
  float8_stddev_samp: final(2, (s) => Math.sqrt(s[SXX]! / (s[N]! - 1))),
  float8_regr_accum: accumulatePair,
  float8_regr_combine: combinePairs,
  float8_regr_sxx: final(1, (s) => s[SXX]!),
  float8_regr_syy: final(1, (s) => s[SYY]!),
  float8_regr_sxy: final(1, (s) => s[SXY]!),
  float8_regr_avgx: final(1, (s) => s[SX]! / s[N]!),
  float8_regr_avgy: final(1, (s) => s[SY]! / s[N]!),
  float8_covar_pop: final(1, (s) => s[SXY]! / s[N]!),
  float8_covar_samp: final(2, (s) => s[SXY]! / (s[N]! - 1)),
  float8_corr: final(1, (s) => (s[SXX] === 0 || s[SYY] === 0 ? null : s[SXY]! / Math.sqrt(s[SXX]! * s[SYY]!))),
  float8_regr_r2: final(1, (s) => (s[SXX] === 0 ? null : s[SYY] === 0 ? 1 : (s[SXY]! * s[SXY]!) / (s[SXX]! * s[SYY]!))),
  float8_regr_slope: final(1, (s) => (s[SXX] === 0 ? null : s[SXY]! / s[SXX]!)),
  float8_regr_intercept: final(1, (s) => (s[SXX] === 0 ? null : (s[SY]! - (s[SX]! * s[SXY]!) / s[SXX]!) / s[N]!)),
});
