/** interval.ts — the type interval: months, days and microseconds that never mix by themselves.
 *
 *  Comparison takes a month for 30 days and a day for 24 hours; arithmetic keeps the three apart and only fractions of
 *  a multiplication flow downward. Everything is checked for overflow.
 *  Counterpart: src/backend/utils/adt/timestamp.c (interval_*) */
import {
  addMicros,
  dayOfTimestamp,
  divideMicros,
  DAYS_PER_MONTH,
  fitsInt4,
  fitsInt8,
  type Micros,
  microsOfTimestamp,
  negateMicros,
  remainderMicros,
  rint,
  SECS_PER_DAY,
  subtractMicros,
  USECS_PER_DAY,
  USECS_PER_HOUR,
  USECS_PER_MINUTE,
  USECS_PER_SEC,
} from '#adt/datetime-calendar.ts';
import { intervalOutOfRange, PRECISION_MAX, roundMicros } from '#adt/datetime-common.ts';
import { type DecodeError, DecodeFailure, reportDecodeError, splitFields } from '#adt/datetime-tokens.ts';
import { type ArrayDatum, canonicalInt8, type Interval } from '#adt/datum.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import { decodeInterval, decodeIso8601Interval, type IntervalSum, RANGE_FULL } from '#adt/interval-decode.ts';
import { RANGE_DAY, RANGE_HOUR, RANGE_MINUTE, RANGE_MONTH, RANGE_SECOND, RANGE_YEAR } from '#adt/interval-decode.ts';
import { intervalText } from '#adt/interval-encode.ts';
import { divisionByZero, invalidParameter, invalidWindowOffset } from '#adt/value-errors.ts';
import { expectLength } from '#adt/wire.ts';
import type { Oid } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export const INTERVAL_OID = 1186 as Oid;
const PRECISION_FULL = 0xffff;

export const interval = (months: number, days: number, micros: Micros): Interval => ({
  kind: 'interval',
  months,
  days,
  micros,
});

const int4 = (value: number): number => {
  if (!fitsInt4(value)) intervalOutOfRange();
  return value === 0 ? 0 : value;
};
const int8 = (value: Micros): Micros => {
  if (!fitsInt8(value)) intervalOutOfRange();
  return value;
};
const INT8_END = 2 ** 63;
/** int8 from a rounded double. */
const int8OfDouble = (value: number): Micros => {
  if (!(value >= -INT8_END && value < INT8_END)) intervalOutOfRange();
  return Number.isSafeInteger(value) ? (value === 0 ? 0 : value) : canonicalInt8(BigInt(value));
};

function typmodRange(typmod: number): number {
  return (typmod >> 16) & 0x7fff;
}

/** The interval cut to the declared fields and precision. */
export function adjustInterval(value: Interval, typmod: number): Interval {
  if (typmod < 0) return value;
  const precision = typmod & 0xffff;
  let { months, days, micros } = value;
  const cutTo = (unit: number): void => {
    micros = subtractMicros(micros, remainderMicros(micros, unit));
  };
  switch (typmodRange(typmod)) {
    case RANGE_YEAR:
      months = months - (months % 12);
      days = 0;
      micros = 0;
      break;
    case RANGE_MONTH:
    case RANGE_YEAR | RANGE_MONTH:
      days = 0;
      micros = 0;
      break;
    case RANGE_DAY:
      micros = 0;
      break;
    case RANGE_HOUR:
    case RANGE_DAY | RANGE_HOUR:
      cutTo(USECS_PER_HOUR);
      break;
    case RANGE_MINUTE:
    case RANGE_DAY | RANGE_HOUR | RANGE_MINUTE:
    case RANGE_HOUR | RANGE_MINUTE:
      cutTo(USECS_PER_MINUTE);
      break;
    default:
      if (!RANGE_NAMES.has(typmodRange(typmod)))
        report('ERROR', { code: SQLSTATE.internalError, message: `unrecognized interval typmod: ${typmod}` });
  }
  if (precision !== PRECISION_FULL) {
    if (precision > PRECISION_MAX) invalidParameter(`interval(${precision}) precision must be between 0 and 6`);
    micros = roundMicros(micros, precision);
  }
  return interval(months, days, micros);
}

function decode(text: string, range: number): IntervalSum {
  let reason: DecodeError;
  try {
    return decodeInterval(splitFields(text, true), range);
  } catch (caught) {
    if (!(caught instanceof DecodeFailure)) throw caught;
    reason = caught.reason;
  }
  if (reason === 'badFormat') {
    try {
      return decodeIso8601Interval(text);
    } catch (caught) {
      if (!(caught instanceof DecodeFailure)) throw caught;
      reason = caught.reason;
    }
  }
  reportDecodeError(reason === 'fieldOverflow' ? 'intervalOverflow' : reason, text, 'interval');
}

export function intervalIn(text: string, typmod = -1): Interval {
  const sum = decode(text, typmod >= 0 ? typmodRange(typmod) : RANGE_FULL);
  const months = sum.years * 12 + sum.months;
  return adjustInterval(interval(int4(months), sum.days, sum.micros), typmod);
}

function intervalRecv(bytes: Uint8Array, _typioparam: Oid, typmod: number): Interval {
  expectLength(bytes, 16);
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  return adjustInterval(
    interval(view.getInt32(12), view.getInt32(8), canonicalInt8(view.getBigInt64(0))),
    typmod ?? -1,
  );
}
function intervalSend(value: Interval): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setBigInt64(0, BigInt(value.micros));
  view.setInt32(8, value.days);
  view.setInt32(12, value.months);
  return bytes;
}

/** Days (floored) that an interval spans when a month has 30 of them; the rest is `spanRest`. */
const spanDays = (v: Interval): number => v.months * DAYS_PER_MONTH + v.days + dayOfTimestamp(v.micros);
const spanRest = (v: Interval): number => microsOfTimestamp(v.micros, dayOfTimestamp(v.micros));

export function compareIntervals(a: Interval, b: Interval): number {
  const byDays = spanDays(a) - spanDays(b);
  if (byDays !== 0) return byDays < 0 ? -1 : 1;
  return Math.sign(spanRest(a) - spanRest(b));
}
/** The span as 128-bit microseconds. */
export const intervalSpan = (v: Interval): bigint => BigInt(spanDays(v)) * 86_400_000_000n + BigInt(spanRest(v));

export const negateInterval = (v: Interval): Interval =>
  interval(int4(-v.months), int4(-v.days), int8(negateMicros(v.micros)));
export const addIntervals = (a: Interval, b: Interval): Interval =>
  interval(int4(a.months + b.months), int4(a.days + b.days), int8(addMicros(a.micros, b.micros)));
export const subtractIntervals = (a: Interval, b: Interval): Interval =>
  interval(int4(a.months - b.months), int4(a.days - b.days), int8(subtractMicros(a.micros, b.micros)));

const roundTiny = (x: number): number => rint(x * 1e6) / 1e6;

/** Months and days scaled by `scale`; what is lost in whole units goes to days and microseconds. */
function scaled(v: Interval, scale: (x: number) => number): Interval {
  const whole = (x: number): number => {
    if (!(x >= -2_147_483_648 && x <= 2_147_483_647)) intervalOutOfRange();
    return Math.trunc(x);
  };
  const months = whole(scale(v.months));
  let days = whole(scale(v.days));
  const monthRest = roundTiny((scale(v.months) - months) * DAYS_PER_MONTH);
  let seconds = roundTiny((scale(v.days) - days + monthRest - Math.trunc(monthRest)) * SECS_PER_DAY);
  if (Math.abs(seconds) >= SECS_PER_DAY) {
    const extra = Math.trunc(seconds / SECS_PER_DAY);
    days = int4(days + extra);
    seconds -= extra * SECS_PER_DAY;
  }
  days = int4(days + Math.trunc(monthRest));
  const micros = rint(scale(Number(v.micros)) + seconds * USECS_PER_SEC);
  return interval(months === 0 ? 0 : months, days, int8OfDouble(micros));
}
export const multiplyInterval = (v: Interval, factor: number): Interval => scaled(v, (x) => x * factor);
export function divideInterval(v: Interval, by: number): Interval {
  if (by === 0) divisionByZero();
  return scaled(v, (x) => x / by);
}

export function justifyHours(v: Interval): Interval {
  let micros: Micros = remainderMicros(v.micros, USECS_PER_DAY);
  let days = v.days + Number(divideMicros(v.micros, USECS_PER_DAY));
  if (days > 0 && micros < 0) {
    micros = addMicros(micros, USECS_PER_DAY);
    days--;
  } else if (days < 0 && micros > 0) {
    micros = subtractMicros(micros, USECS_PER_DAY);
    days++;
  }
  return interval(v.months, int4(days), micros);
}
export function justifyDays(v: Interval): Interval {
  let months = v.months + Math.trunc(v.days / DAYS_PER_MONTH);
  let days = v.days % DAYS_PER_MONTH;
  if (months > 0 && days < 0) {
    days += DAYS_PER_MONTH;
    months--;
  } else if (months < 0 && days > 0) {
    days -= DAYS_PER_MONTH;
    months++;
  }
  return interval(int4(months), days === 0 ? 0 : days, v.micros);
}
export function justifyInterval(v: Interval): Interval {
  let micros: number = remainderMicros(v.micros, USECS_PER_DAY);
  let days = v.days + Number(divideMicros(v.micros, USECS_PER_DAY));
  let months = v.months + Math.trunc(days / DAYS_PER_MONTH);
  days %= DAYS_PER_MONTH;
  if (months > 0 && (days < 0 || (days === 0 && micros < 0))) {
    days += DAYS_PER_MONTH;
    months--;
  } else if (months < 0 && (days > 0 || (days === 0 && micros > 0))) {
    days -= DAYS_PER_MONTH;
    months++;
  }
  if (days > 0 && micros < 0) {
    micros += USECS_PER_DAY;
    days--;
  } else if (days < 0 && micros > 0) {
    micros -= USECS_PER_DAY;
    days++;
  }
  return interval(int4(months), days === 0 ? 0 : days, micros);
}

function makeInterval(
  years: number,
  months: number,
  weeks: number,
  days: number,
  hours: number,
  minutes: number,
  seconds: number,
): Interval {
  if (!Number.isFinite(seconds)) intervalOutOfRange();
  // PostgreSQL 15 checks nothing here: sums wrap around, and seconds beyond int8 become its minimum.
  const rounded = rint(seconds * USECS_PER_SEC);
  const fits = rounded >= -INT8_END && rounded < INT8_END;
  const clock = (BigInt(hours) * 60n + BigInt(minutes)) * 60_000_000n + (fits ? BigInt(rounded) : -(1n << 63n));
  return interval((years * 12 + months) | 0, (weeks * 7 + days) | 0, canonicalInt8(BigInt.asIntN(64, clock)));
}

const RANGE_NAMES = new Map<number, string>([
  [RANGE_YEAR, ' year'],
  [RANGE_MONTH, ' month'],
  [RANGE_DAY, ' day'],
  [RANGE_HOUR, ' hour'],
  [RANGE_MINUTE, ' minute'],
  [RANGE_SECOND, ' second'],
  [RANGE_YEAR | RANGE_MONTH, ' year to month'],
  [RANGE_DAY | RANGE_HOUR, ' day to hour'],
  [RANGE_DAY | RANGE_HOUR | RANGE_MINUTE, ' day to minute'],
  [RANGE_DAY | RANGE_HOUR | RANGE_MINUTE | RANGE_SECOND, ' day to second'],
  [RANGE_HOUR | RANGE_MINUTE, ' hour to minute'],
  [RANGE_HOUR | RANGE_MINUTE | RANGE_SECOND, ' hour to second'],
  [RANGE_MINUTE | RANGE_SECOND, ' minute to second'],
  [RANGE_FULL, ''],
]);

function intervalTypmodIn(modifiers: ArrayDatum): number {
  const values = modifiers.elements.map(Number);
  const range = values[0];
  if (range !== undefined && !RANGE_NAMES.has(range)) invalidParameter('invalid INTERVAL type modifier');
  if (values.length === 1) return range === RANGE_FULL ? -1 : (range! << 16) | PRECISION_FULL;
  if (values.length !== 2) invalidParameter('invalid INTERVAL type modifier');
  const precision = values[1]!;
  if (precision < 0) invalidParameter(`INTERVAL(${precision}) precision must not be negative`);
  if (precision > PRECISION_MAX)
    report('WARNING', {
      code: SQLSTATE.invalidParameterValue,
      message: `INTERVAL(${precision}) precision reduced to maximum allowed, 6`,
    });
  return (range! << 16) | Math.min(precision, PRECISION_MAX);
}
function intervalTypmodOut(typmod: number): string {
  if (typmod < 0) return '';
  const precision = typmod & 0xffff;
  const range = RANGE_NAMES.get(typmodRange(typmod)) ?? '';
  return precision === PRECISION_FULL ? range : `${range}(${precision})`;
}

/** Aggregate state of sum and avg: {sum, count in the second's microseconds}. */
const pair = (sum: Interval, count: Interval): ArrayDatum => ({
  kind: 'array',
  elementType: INTERVAL_OID,
  dims: [2],
  lowerBounds: [1],
  elements: [sum, count],
});
function state(array: ArrayDatum): [Interval, Interval] {
  if (array.elements.length !== 2)
    report('ERROR', { code: SQLSTATE.internalError, message: 'expected 2-element interval array' });
  return [array.elements[0] as Interval, array.elements[1] as Interval];
}
function accumulate(array: ArrayDatum, value: Interval, sign: 1 | -1): ArrayDatum {
  const [sum, count] = state(array);
  const next = sign === 1 ? addIntervals(sum, value) : subtractIntervals(sum, value);
  return pair(next, interval(0, 0, addMicros(count.micros, sign)));
}

function inRangeIntervalInterval(v: Interval, base: Interval, offset: Interval, sub: boolean, less: boolean): boolean {
  if (compareIntervals(offset, interval(0, 0, 0)) < 0) invalidWindowOffset();
  const sum = sub ? subtractIntervals(base, offset) : addIntervals(base, offset);
  return less ? compareIntervals(v, sum) <= 0 : compareIntervals(v, sum) >= 0;
}

registerBuiltins({
  interval_in: (text: string, _typioparam: Oid, typmod?: number) => intervalIn(text, typmod ?? -1),
  interval_out: intervalText,
  interval_recv: intervalRecv,
  interval_send: intervalSend,
  intervaltypmodin: intervalTypmodIn,
  intervaltypmodout: intervalTypmodOut,
  interval_scale: adjustInterval,
  interval_cmp: compareIntervals,
  interval_eq: (a: Interval, b: Interval) => compareIntervals(a, b) === 0,
  interval_ne: (a: Interval, b: Interval) => compareIntervals(a, b) !== 0,
  interval_lt: (a: Interval, b: Interval) => compareIntervals(a, b) < 0,
  interval_le: (a: Interval, b: Interval) => compareIntervals(a, b) <= 0,
  interval_gt: (a: Interval, b: Interval) => compareIntervals(a, b) > 0,
  interval_ge: (a: Interval, b: Interval) => compareIntervals(a, b) >= 0,
  interval_larger: (a: Interval, b: Interval) => (compareIntervals(a, b) > 0 ? a : b),
  interval_smaller: (a: Interval, b: Interval) => (compareIntervals(a, b) < 0 ? a : b),
  interval_finite: () => true,
  interval_um: negateInterval,
  interval_pl: addIntervals,
  interval_mi: subtractIntervals,
  interval_mul: multiplyInterval,
  mul_d_interval: (factor: number, v: Interval) => multiplyInterval(v, factor),
  interval_div: divideInterval,
  interval_justify_hours: justifyHours,
  interval_justify_days: justifyDays,
  interval_justify_interval: justifyInterval,
  make_interval: makeInterval,
  interval_accum: (array: ArrayDatum, v: Interval) => accumulate(array, v, 1),
  interval_accum_inv: (array: ArrayDatum, v: Interval) => accumulate(array, v, -1),
  interval_combine: (a: ArrayDatum, b: ArrayDatum) => {
    const [sumA, countA] = state(a);
    const [sumB, countB] = state(b);
    return pair(addIntervals(sumA, sumB), interval(0, 0, addMicros(countA.micros, countB.micros)));
  },
  interval_avg: (array: ArrayDatum) => {
    const [sum, count] = state(array);
    return count.micros === 0 ? null : divideInterval(sum, Number(count.micros));
  },
  in_range_interval_interval: inRangeIntervalInterval,
});
