/** generate-series-timestamp.ts — generate_series over timestamps: one addition per row, O(1) memory.
 *  Counterpart: generate_series_timestamp() of src/backend/utils/adt/timestamp.c */
import { addMicros, type Micros } from '#adt/datetime-calendar.ts';
import type { Datum, Interval } from '#adt/datum.ts';
import { type CallInfo, registerSetBuiltins, type SetIterator } from '#adt/fmgr.ts';
import { compareIntervals, interval } from '#adt/interval.ts';
import { timestampPlusInterval } from '#adt/timestamp-math.ts';
import { sessionTimeZone, type TimeZone } from '#adt/timezone.ts';
import { invalidParameter } from '#adt/value-errors.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';

class TimestampSeries implements SetIterator {
  value: Datum = null;
  private readonly up: boolean;
  private readonly plainStep: number | null;
  constructor(
    private nextValue: Micros,
    private readonly stop: Micros,
    private readonly step: Interval,
    private readonly zone: TimeZone | null,
  ) {
    const order = compareIntervals(step, interval(0, 0, 0));
    if (order === 0) invalidParameter('step size cannot equal zero');
    this.up = order > 0;
    // Without months, and without days on a wall clock, a step is a plain addition.
    const isPlain = step.months === 0 && step.days === 0 && typeof step.micros === 'number';
    this.plainStep = isPlain && Math.abs(Number(stop)) < 9e15 ? (step.micros as number) : null;
  }
  next(): boolean {
    const current = this.nextValue;
    if (this.up ? current > this.stop : current < this.stop) return false;
    checkForInterrupts();
    this.value = current;
    this.nextValue =
      this.plainStep === null
        ? timestampPlusInterval(current, this.step, this.zone)
        : addMicros(current, this.plainStep);
    return true;
  }
}

registerSetBuiltins({
  generate_series_timestamp: (_info: CallInfo, start: Micros, stop: Micros, step: Interval) =>
    new TimestampSeries(start, stop, step, null),
  generate_series_timestamptz: (_info: CallInfo, start: Micros, stop: Micros, step: Interval) =>
    new TimestampSeries(start, stop, step, sessionTimeZone()),
});
