/** generate-series.ts — generate_series over integers and numerics.
 *  Counterpart: src/backend/utils/adt/int.c, int8.c, numeric.c */
import type { Datum, Numeric } from '#adt/datum.ts';
import type { CallInfo, SetIterator } from '#adt/fmgr.ts';
import { registerSetBuiltins } from '#adt/fmgr.ts';
import type { Int8 } from '#adt/int8.ts';
import { INT8_MAX, INT8_MIN } from '#adt/int8.ts';
import { canonicalInt8 } from '#adt/datum.ts';
import { addNumerics, compareNumerics, NUMERIC_ONE, signOf } from '#adt/numeric.ts';
import { invalidParameter } from '#adt/value-errors.ts';

/** int4, and int8 while everything stays a safe integer. */
class NumberSeries implements SetIterator {
  value: Datum = null;
  constructor(
    private nextValue: number,
    private readonly stop: number,
    private readonly step: number,
  ) {}
  next(): boolean {
    const current = this.nextValue;
    if (this.step > 0 ? current > this.stop : current < this.stop) return false;
    this.value = current;
    this.nextValue = current + this.step;
    return true;
  }
}
class BigSeries implements SetIterator {
  value: Datum = null;
  constructor(
    private nextValue: bigint,
    private readonly stop: bigint,
    private readonly step: bigint,
  ) {}
  next(): boolean {
    const current = this.nextValue;
    if (this.step > 0n ? current > this.stop : current < this.stop) return false;
    if (current < INT8_MIN || current > INT8_MAX) return false;
    this.value = canonicalInt8(current);
    this.nextValue = current + this.step;
    return true;
  }
}
class NumericSeries implements SetIterator {
  value: Datum = null;
  private readonly up: boolean;
  constructor(
    private nextValue: Numeric,
    private readonly stop: Numeric,
    private readonly step: Numeric,
  ) {
    this.up = signOf(step) > 0;
  }
  next(): boolean {
    const current = this.nextValue;
    const order = compareNumerics(current, this.stop);
    if (this.up ? order > 0 : order < 0) return false;
    this.value = current;
    this.nextValue = addNumerics(current, this.step);
    return true;
  }
}

function zeroStep(): never {
  invalidParameter('step size cannot equal zero');
}
function integers(_info: CallInfo, start: Int8, stop: Int8, step: Int8 = 1): SetIterator {
  if (step === 0) zeroStep();
  const safe =
    typeof start === 'number' &&
    typeof stop === 'number' &&
    typeof step === 'number' &&
    Math.abs(stop) + Math.abs(step) <= Number.MAX_SAFE_INTEGER;
  return safe ? new NumberSeries(start, stop, step) : new BigSeries(BigInt(start), BigInt(stop), BigInt(step));
}
function refuseSpecial(value: Numeric, what: string): void {
  if (value.special !== 0) invalidParameter(`${what} cannot be ${value.special === 2 ? 'NaN' : 'infinity'}`);
}
function numerics(_info: CallInfo, start: Numeric, stop: Numeric, step: Numeric = NUMERIC_ONE): SetIterator {
  refuseSpecial(start, 'start value');
  refuseSpecial(stop, 'stop value');
  refuseSpecial(step, 'step size');
  if (signOf(step) === 0) zeroStep();
  return new NumericSeries(start, stop, step);
}

registerSetBuiltins({
  generate_series_int4: integers,
  generate_series_step_int4: integers,
  generate_series_int8: integers,
  generate_series_step_int8: integers,
  generate_series_numeric: numerics,
  generate_series_step_numeric: numerics,
});
