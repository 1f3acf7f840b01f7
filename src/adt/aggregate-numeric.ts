/** aggregate-numeric.ts — sums, averages, variances over the exact types.
 *
 *  States are mutable objects of this file. A numeric state keeps its sums unscaled at the largest scale seen; a moving
 *  aggregate that drops the last value of that scale gives up (returns null), and the executor starts afresh, because
 *  the scale of the result would be wrong. The int2/int4 average keeps the int8[] {count, sum} that pg_aggregate names.
 *  Counterpart: NumericAggState, Int128AggState of src/backend/utils/adt/numeric.c */
import type { ArrayDatum, Datum, Internal, Numeric } from '#adt/datum.ts';
import { canonicalInt8 } from '#adt/datum.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import type { Int8 } from '#adt/int8.ts';
import { int8Add, int8Subtract } from '#adt/int8.ts';
import {
  addNumerics,
  checkedNumeric,
  divideAtScale,
  divideNumerics,
  NUMERIC_INFINITY,
  NUMERIC_MINUS_INFINITY,
  NUMERIC_NAN,
  NUMERIC_ZERO,
  numeric,
  numericFromInt,
  pow10,
  selectDivisionScale,
  shiftRightRounded,
} from '#adt/numeric.ts';
import { squareRootAtScale } from '#adt/numeric-math.ts';

class NumericState implements Internal {
  readonly kind = 'internal';
  /** Finite values. */
  count = 0;
  sum = 0n;
  sumOfSquares = 0n;
  /** Scale of `sum`; `sumOfSquares` has twice that. */
  scale = 0;
  /** Largest scale among the values present, and how many have it. */
  scaleMax = 0;
  scaleMaxCount = 0;
  nanCount = 0;
  infinityCount = 0;
  minusInfinityCount = 0;

  constructor(readonly withSquares: boolean) {}

  get total(): number {
    return this.count + this.nanCount + this.infinityCount + this.minusInfinityCount;
  }
  private countSpecial(value: Numeric, step: 1 | -1): void {
    if (value.special === 2) this.nanCount += step;
    else if (value.special === 1) this.infinityCount += step;
    else this.minusInfinityCount += step;
  }
  private widen(scale: number): void {
    if (scale <= this.scale) return;
    const factor = pow10(scale - this.scale);
    this.sum *= factor;
    this.sumOfSquares *= factor * factor;
    this.scale = scale;
  }
  add(value: Numeric): void {
    if (value.special !== 0) {
      this.countSpecial(value, 1);
      return;
    }
    if (value.scale > this.scaleMax) {
      this.scaleMax = value.scale;
      this.scaleMaxCount = 1;
    } else if (value.scale === this.scaleMax) this.scaleMaxCount++;
    this.widen(value.scale);
    const unscaled = value.scale === this.scale ? value.unscaled : value.unscaled * pow10(this.scale - value.scale);
    this.sum += unscaled;
    if (this.withSquares) this.sumOfSquares += unscaled * unscaled;
    this.count++;
  }
  /** False if the value cannot be taken out. */
  remove(value: Numeric): boolean {
    if (value.special !== 0) {
      this.countSpecial(value, -1);
      return true;
    }
    if (value.scale === this.scaleMax) {
      if (this.scaleMaxCount > 1 || this.scaleMax === 0) this.scaleMaxCount--;
      else if (this.count === 1) {
        this.scaleMax = 0;
        this.scaleMaxCount = 0;
      } else return false;
    }
    const unscaled = value.unscaled * pow10(this.scale - value.scale);
    this.sum -= unscaled;
    if (this.withSquares) this.sumOfSquares -= unscaled * unscaled;
    this.count--;
    return true;
  }
  combine(other: NumericState): void {
    this.widen(other.scale);
    const factor = pow10(this.scale - other.scale);
    this.sum += other.sum * factor;
    this.sumOfSquares += other.sumOfSquares * factor * factor;
    if (other.scaleMax > this.scaleMax) {
      this.scaleMax = other.scaleMax;
      this.scaleMaxCount = other.scaleMaxCount;
    } else if (other.scaleMax === this.scaleMax) this.scaleMaxCount += other.scaleMaxCount;
    this.count += other.count;
    this.nanCount += other.nanCount;
    this.infinityCount += other.infinityCount;
    this.minusInfinityCount += other.minusInfinityCount;
  }
  /** The special value that the sum is, if it is. */
  specialSum(): Numeric | undefined {
    if (this.nanCount > 0 || (this.infinityCount > 0 && this.minusInfinityCount > 0)) return NUMERIC_NAN;
    if (this.infinityCount > 0) return NUMERIC_INFINITY;
    return this.minusInfinityCount > 0 ? NUMERIC_MINUS_INFINITY : undefined;
  }
  finiteSum(): Numeric {
    return checkedNumeric(shiftRightRounded(this.sum, this.scale - this.scaleMax), this.scaleMax);
  }
}

const accumulate =
  (withSquares: boolean) =>
  (state: NumericState | null, value: Numeric | null): NumericState => {
    const result = state ?? new NumericState(withSquares);
    if (value !== null) result.add(value);
    return result;
  };
const accumulateInt =
  (withSquares: boolean) =>
  (state: NumericState | null, value: Int8 | null): NumericState => {
    const result = state ?? new NumericState(withSquares);
    if (value !== null) result.add(numericFromInt(value));
    return result;
  };
const removeNumeric = (state: NumericState, value: Numeric | null): NumericState | null =>
  value === null || state.remove(value) ? state : null;
const removeInt = (state: NumericState, value: Int8 | null): NumericState | null =>
  value === null || state.remove(numericFromInt(value)) ? state : null;
function combine(a: NumericState | null, b: NumericState | null): NumericState | null {
  if (b === null) return a;
  if (a === null) {
    const copy = new NumericState(b.withSquares);
    copy.combine(b);
    return copy;
  }
  a.combine(b);
  return a;
}

function sum(state: NumericState | null): Datum {
  if (state === null || state.total === 0) return null;
  return state.specialSum() ?? state.finiteSum();
}
function average(state: NumericState | null): Datum {
  if (state === null || state.total === 0) return null;
  return state.specialSum() ?? divideNumerics(state.finiteSum(), numericFromInt(state.count));
}

/** Variance or deviation of n values from the exact sums of values (at scale) and squares (at twice that). */
function spread(
  count: number,
  total: bigint,
  squares: bigint,
  scale: number,
  isSample: boolean,
  isDeviation: boolean,
): Numeric {
  const n = BigInt(count);
  const numerator = numeric(n * squares - total * total, 2 * scale);
  if (numerator.unscaled <= 0n) return NUMERIC_ZERO;
  const denominator = numeric(isSample ? n * (n - 1n) : n * n, 0);
  const resultScale = selectDivisionScale(numerator, denominator);
  const variance = divideAtScale(numerator, denominator, resultScale, true);
  return isDeviation ? squareRootAtScale(variance, resultScale) : variance;
}
const numericSpread =
  (isSample: boolean, isDeviation: boolean) =>
  (state: NumericState | null): Datum => {
    if (state === null || state.total === 0 || (isSample && state.total <= 1)) return null;
    if (state.specialSum() !== undefined) return NUMERIC_NAN;
    const total = shiftRightRounded(state.sum, state.scale - state.scaleMax);
    const squares = shiftRightRounded(state.sumOfSquares, 2 * (state.scale - state.scaleMax));
    return spread(state.count, total, squares, state.scaleMax, isSample, isDeviation);
  };

/** Sums of int2, int4 and (without squares) int8 values, Numbers while they are safe. */
class IntState implements Internal {
  readonly kind = 'internal';
  count = 0;
  sum: number | bigint = 0;
  sumOfSquares: number | bigint = 0;

  add(value: Int8): void {
    this.count++;
    this.sum = exactSum(this.sum, value);
  }
  remove(value: Int8): void {
    this.count--;
    this.sum = exactSum(this.sum, typeof value === 'number' ? 0 - value : -value);
  }
  addSquare(value: number): void {
    this.add(value);
    this.sumOfSquares = exactSum(this.sumOfSquares, canonicalSquare(value));
  }
  removeSquare(value: number): void {
    this.remove(value);
    const square = canonicalSquare(value);
    this.sumOfSquares = exactSum(this.sumOfSquares, typeof square === 'number' ? 0 - square : -square);
  }
}
function exactSum(a: number | bigint, b: number | bigint): number | bigint {
  if (typeof a === 'number' && typeof b === 'number') {
    const total = a + b;
    if (Number.isSafeInteger(total)) return total;
  }
  return canonicalInt8(BigInt(a) + BigInt(b));
}
function canonicalSquare(value: number): number | bigint {
  const square = value * value;
  return Number.isSafeInteger(square) ? square : BigInt(value) * BigInt(value);
}
function accumulateSquares(state: IntState | null, value: number | null): IntState {
  const result = state ?? new IntState();
  if (value !== null) result.addSquare(value);
  return result;
}
function removeSquares(state: IntState, value: number | null): IntState {
  if (value !== null) state.removeSquare(value);
  return state;
}
function combineInts(a: IntState | null, b: IntState | null): IntState | null {
  if (b === null) return a;
  const result = a ?? new IntState();
  result.count += b.count;
  result.sum = exactSum(result.sum, b.sum);
  result.sumOfSquares = exactSum(result.sumOfSquares, b.sumOfSquares);
  return result;
}
const intSpread =
  (isSample: boolean, isDeviation: boolean) =>
  (state: IntState | null): Datum =>
    state === null || state.count === 0 || (isSample && state.count <= 1)
      ? null
      : spread(state.count, BigInt(state.sum), BigInt(state.sumOfSquares), 0, isSample, isDeviation);

// ---- the int8[] state {count, sum} of avg(int2), avg(int4)

/** An array this file made, and so may change: the initial value from pg_aggregate is shared between groups. */
interface OwnedPair extends ArrayDatum {
  readonly elements: Int8[];
  readonly owned: true;
}
function ownPair(state: ArrayDatum): OwnedPair {
  if ((state as OwnedPair).owned === true) return state as OwnedPair;
  return { ...state, elements: [...(state.elements as readonly Int8[])], owned: true };
}
function pairAdd(state: ArrayDatum, value: number): ArrayDatum {
  const pair = ownPair(state);
  pair.elements[0] = int8Add(pair.elements[0]!, 1);
  pair.elements[1] = int8Add(pair.elements[1]!, value);
  return pair;
}
function pairRemove(state: ArrayDatum, value: number): ArrayDatum {
  const pair = ownPair(state);
  pair.elements[0] = int8Subtract(pair.elements[0]!, 1);
  pair.elements[1] = int8Subtract(pair.elements[1]!, value);
  return pair;
}
function pairCombine(a: ArrayDatum, b: ArrayDatum): ArrayDatum {
  const pair = ownPair(a);
  pair.elements[0] = int8Add(pair.elements[0]!, b.elements[0] as Int8);
  pair.elements[1] = int8Add(pair.elements[1]!, b.elements[1] as Int8);
  return pair;
}
function pairAverage(state: ArrayDatum): Datum {
  const [count, total] = state.elements as readonly Int8[];
  return count === 0 ? null : divideNumerics(numericFromInt(total!), numericFromInt(count!));
}
/** sum(int2), sum(int4) as plain aggregates: not strict, so that the first value starts the sum. */
function intSum(total: Int8 | null, value: number | null): Datum {
  if (total === null) return value;
  if (value === null) return total;
  const sum = Number(total) + value;
  // PostgreSQL does not look for overflow here: the sum wraps.
  return Number.isSafeInteger(sum) && typeof total === 'number'
    ? sum
    : canonicalInt8(BigInt.asIntN(64, BigInt(total) + BigInt(value)));
}

registerBuiltins({
  numeric_accum: accumulate(true),
  numeric_avg_accum: accumulate(false),
  numeric_accum_inv: removeNumeric,
  numeric_combine: combine,
  numeric_avg_combine: combine,
  numeric_sum: sum,
  numeric_avg: average,
  numeric_var_pop: numericSpread(false, false),
  numeric_var_samp: numericSpread(true, false),
  numeric_stddev_pop: numericSpread(false, true),
  numeric_stddev_samp: numericSpread(true, true),
  int8_accum: accumulateInt(true),
  int8_accum_inv: removeInt,

  int2_accum: accumulateSquares,
  int4_accum: accumulateSquares,
  int2_accum_inv: removeSquares,
  int4_accum_inv: removeSquares,
  numeric_poly_combine: combineInts,
  numeric_poly_var_pop: intSpread(false, false),
  numeric_poly_var_samp: intSpread(true, false),
  numeric_poly_stddev_pop: intSpread(false, true),
  numeric_poly_stddev_samp: intSpread(true, true),
  int8_avg_accum: (state: IntState | null, value: Int8 | null) => {
    const result = state ?? new IntState();
    if (value !== null) result.add(value);
    return result;
  },
  int8_avg_accum_inv: (state: IntState, value: Int8 | null) => {
    if (value !== null) state.remove(value);
    return state;
  },
  int8_avg_combine: combineInts,
  numeric_poly_sum: (state: IntState | null) =>
    state === null || state.count === 0 ? null : numericFromInt(state.sum),
  numeric_poly_avg: (state: IntState | null) =>
    state === null || state.count === 0 ? null : divideNumerics(numericFromInt(state.sum), numericFromInt(state.count)),

  int2_avg_accum: pairAdd,
  int4_avg_accum: pairAdd,
  int2_avg_accum_inv: pairRemove,
  int4_avg_accum_inv: pairRemove,
  int4_avg_combine: pairCombine,
  int8_avg: pairAverage,
  int2int4_sum: (state: ArrayDatum) => (state.elements[0] === 0 ? null : state.elements[1]!),
  int2_sum: intSum,
  int4_sum: intSum,
  int8_sum: (total: Numeric | null, value: Int8 | null) => {
    if (total === null) return value === null ? null : numericFromInt(value);
    return value === null ? total : addNumerics(total, numericFromInt(value));
  },
});
