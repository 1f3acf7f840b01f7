/** timestamp-math.ts — timestamps plus and minus intervals, ages, truncation, bins.
 *
 *  `zone` null computes with timestamps without zone; otherwise months and days are added on the wall clock of that
 *  zone and microseconds on the time line.
 *  Counterpart: src/backend/utils/adt/timestamp.c */
import {
  addMicros,
  dayFromCivil,
  daysInMonth,
  fitsInt8,
  isTimestampFinite,
  isValidTimestamp,
  joinTimestamp,
  type Micros,
  MIN_DAY,
  newTm,
  subtractMicros,
  civilFromDay,
  TIMESTAMP_MINUS_INFINITY,
  timeOfDay,
  type Tm,
  USECS_PER_DAY,
  USECS_PER_SEC,
  fitsInt4,
} from '#adt/datetime-calendar.ts';
import { breakDown } from '#adt/datetime-clock.ts';
import { intervalOutOfRange, timestampOutOfRange } from '#adt/datetime-common.ts';
import { unitWord } from '#adt/datetime-tokens.ts';
import { canonicalInt8, type Interval } from '#adt/datum.ts';
import { compareIntervals, interval, justifyHours, negateInterval } from '#adt/interval.ts';
import { intervalParts } from '#adt/interval-encode.ts';
import { type TimeZone, zoneOffsetOfLocal } from '#adt/timezone.ts';
import { invalidWindowOffset } from '#adt/value-errors.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const tm = newTm();
const other = newTm();

/** The timestamp of local time `local` in `zone`. */
function compose(local: Tm, zone: TimeZone | null): Micros {
  const west = zone === null ? 0 : zoneOffsetOfLocal(local, zone);
  const t = joinTimestamp(dayFromCivil(local.year, local.month, local.day), timeOfDay(local) + west * USECS_PER_SEC);
  if (!isValidTimestamp(t)) timestampOutOfRange();
  return t;
}

export function timestampPlusInterval(t: Micros, span: Interval, zone: TimeZone | null): Micros {
  if (!isTimestampFinite(t)) return t;
  let sum = t;
  if (span.months !== 0) {
    breakDown(sum, zone, tm);
    const months = tm.year * 12 + tm.month - 1 + span.months;
    tm.year = Math.floor(months / 12);
    tm.month = months - tm.year * 12 + 1;
    const last = daysInMonth(tm.year, tm.month);
    if (tm.day > last) tm.day = last;
    sum = compose(tm, zone);
  }
  if (span.days !== 0) {
    if (zone === null) sum = addDays(sum, span.days);
    else {
      breakDown(sum, zone, tm);
      const day = dayFromCivil(tm.year, tm.month, tm.day) + span.days;
      if (day < MIN_DAY || !fitsInt4(day + 2_451_545)) timestampOutOfRange();
      civilFromDay(day, tm);
      sum = compose(tm, zone);
    }
  }
  sum = addMicros(sum, span.micros);
  if (!isValidTimestamp(sum)) timestampOutOfRange();
  return sum;
}
function addDays(t: Micros, days: number): Micros {
  const sum =
    typeof t === 'number' && days < 1e5 && days > -1e5
      ? addMicros(t, days * USECS_PER_DAY)
      : canonicalInt8(BigInt(t) + BigInt(days) * 86_400_000_000n);
  if (!isValidTimestamp(sum)) timestampOutOfRange();
  return sum;
}
export const timestampMinusInterval = (t: Micros, span: Interval, zone: TimeZone | null): Micros =>
  timestampPlusInterval(t, negateInterval(span), zone);

export function timestampMinusTimestamp(a: Micros, b: Micros): Interval {
  if (!isTimestampFinite(a) || !isTimestampFinite(b))
    report('ERROR', { code: SQLSTATE.datetimeFieldOverflow, message: 'cannot subtract infinite timestamps' });
  const exact = subtractMicros(a, b);
  // PostgreSQL 15 lets the difference of far ends wrap around.
  const difference = fitsInt8(exact) ? exact : canonicalInt8(BigInt.asIntN(64, BigInt(exact)));
  return justifyHours(interval(0, 0, difference));
}

/** Years, months, days … between two broken-down times, as people count them. */
export function timestampAge(a: Micros, b: Micros, zone: TimeZone | null): Interval {
  if (a === TIMESTAMP_MINUS_INFINITY || b === TIMESTAMP_MINUS_INFINITY) timestampOutOfRange();
  breakDown(a, zone, tm);
  breakDown(b, zone, other);
  const earlier = a < b;
  const sign = earlier ? -1 : 1;
  let micros = sign * (tm.micros - other.micros);
  let second = sign * (tm.second - other.second);
  let minute = sign * (tm.minute - other.minute);
  let hour = sign * (tm.hour - other.hour);
  let day = sign * (tm.day - other.day);
  let month = sign * (tm.month - other.month);
  let year = sign * (tm.year - other.year);
  if (micros < 0) {
    micros += USECS_PER_SEC;
    second--;
  }
  if (second < 0) {
    second += 60;
    minute--;
  }
  if (minute < 0) {
    minute += 60;
    hour--;
  }
  if (hour < 0) {
    hour += 24;
    day--;
  }
  while (day < 0) {
    day += earlier ? daysInMonth(tm.year, tm.month) : daysInMonth(other.year, other.month);
    month--;
  }
  while (month < 0) {
    month += 12;
    year--;
  }
  const clock = ((hour * 60 + minute) * 60 + second) * USECS_PER_SEC + micros;
  const signed = (n: number): number => (n === 0 ? 0 : sign * n);
  return interval(signed(year * 12 + month), signed(day), signed(clock));
}

export function unitNotRecognized(unit: string, typeName: string): never {
  report('ERROR', {
    code: SQLSTATE.invalidParameterValue,
    message: `unit "${unit}" not recognized for type ${typeName}`,
  });
}
export function unitNotSupported(unit: string, typeName: string, detail?: string): never {
  report('ERROR', {
    code: SQLSTATE.featureNotSupported,
    message: `unit "${unit}" not supported for type ${typeName}`,
    detail,
  });
}

/** Unit name of date_trunc, extract: lower case, cut to 63 bytes. */
export const lowerUnit = (text: string): string => {
  const lower = text.toLowerCase();
  return Buffer.byteLength(lower) <= 63 ? lower : Buffer.from(lower).subarray(0, 63).toString();
};

/** Cuts year and below; BC years are astronomical, hence the two formulas. */
function truncateYear(year: number, size: 10 | 100 | 1000): number {
  if (size === 10) return year > 0 ? Math.floor(year / 10) * 10 : -Math.floor((8 - (year - 1)) / 10) * 10;
  return year > 0
    ? Math.floor((year + size - 1) / size) * size - (size - 1)
    : -Math.floor((size - 1 - (year - 1)) / size) * size + 1;
}

/** Sets `t` to the start of `unit`; false when the unit is unknown. Sets days and above flag in the result. */
function truncateTm(t: Tm, unit: string): 'date' | 'time' | null {
  switch (unit) {
    case 'microsecond':
      return 'time';
    case 'millisecond':
      t.micros -= t.micros % 1000;
      return 'time';
    case 'hour':
      t.minute = 0;
      t.second = 0;
      t.micros = 0;
      return 'time';
    case 'minute':
      t.second = 0;
      t.micros = 0;
      return 'time';
    case 'second':
      t.micros = 0;
      return 'time';
  }
  switch (unit) {
    case 'week': {
      const day = dayFromCivil(t.year, t.month, t.day);
      // 2000-01-03, day 2, was a Monday.
      civilFromDay(day - ((((day - 2) % 7) + 7) % 7), t);
      break;
    }
    case 'millennium':
      t.year = truncateYear(t.year, 1000);
      break;
    case 'century':
      t.year = truncateYear(t.year, 100);
      break;
    case 'decade':
      t.year = truncateYear(t.year, 10);
      break;
    case 'quarter':
      t.month = 3 * Math.floor((t.month - 1) / 3) + 1;
      break;
    case 'year':
    case 'month':
    case 'day':
      break;
    default:
      return null;
  }
  if (unit === 'millennium' || unit === 'century' || unit === 'decade' || unit === 'year') t.month = 1;
  if (unit !== 'week' && unit !== 'day') t.day = 1;
  t.hour = 0;
  t.minute = 0;
  t.second = 0;
  t.micros = 0;
  return 'date';
}

export function truncateTimestamp(unitText: string, t: Micros, zone: TimeZone | null): Micros {
  const typeName = zone === null ? 'timestamp without time zone' : 'timestamp with time zone';
  const unit = lowerUnit(unitText);
  if (!isTimestampFinite(t)) return t;
  const word = unitWord(unit);
  if (word?.kind !== 'units') unitNotRecognized(unit, typeName);
  const west = breakDown(t, zone, tm);
  const kind = truncateTm(tm, word.value as string);
  if (kind === null) unitNotSupported(unit, typeName);
  // Within a day the offset is kept, so that truncating to hours never leaves the hour that comes twice.
  if (kind === 'date') return compose(tm, zone);
  const result = joinTimestamp(dayFromCivil(tm.year, tm.month, tm.day), timeOfDay(tm) + west * USECS_PER_SEC);
  if (!isValidTimestamp(result)) timestampOutOfRange();
  return result;
}

export function truncateInterval(unitText: string, v: Interval): Interval {
  const unit = lowerUnit(unitText);
  const word = unitWord(unit);
  if (word?.kind !== 'units') unitNotRecognized(unit, 'interval');
  const years = intervalParts(v).years;
  const toYears = (size: number): Interval => interval(Math.trunc(years / size) * size * 12 + 0, 0, 0);
  const cut = (size: number): Interval => {
    const rest = typeof v.micros === 'number' ? v.micros % size : Number(v.micros % BigInt(size));
    return interval(v.months, v.days, subtractMicros(v.micros, rest));
  };
  switch (word.value) {
    case 'millennium':
      return toYears(1000);
    case 'century':
      return toYears(100);
    case 'decade':
      return toYears(10);
    case 'year':
      return toYears(1);
    case 'quarter':
      return interval(v.months - (v.months % 3), 0, 0);
    case 'month':
      return interval(v.months, 0, 0);
    case 'day':
      return interval(v.months, v.days, 0);
    case 'hour':
      return cut(3_600_000_000);
    case 'minute':
      return cut(60_000_000);
    case 'second':
      return cut(1_000_000);
    case 'millisecond':
      return cut(1000);
    case 'microsecond':
      return v;
    default:
      unitNotSupported(unit, 'interval', word.value === 'week' ? 'Months usually have fractional weeks.' : undefined);
  }
}

export function binTimestamp(stride: Interval, t: Micros, origin: Micros): Micros {
  if (!isTimestampFinite(t)) return t;
  if (!isTimestampFinite(origin))
    report('ERROR', { code: SQLSTATE.datetimeFieldOverflow, message: 'origin out of range' });
  if (stride.months !== 0)
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: 'timestamps cannot be binned into intervals containing months or years',
    });
  const width = BigInt(stride.days) * 86_400_000_000n + BigInt(stride.micros);
  if (!fitsInt8(canonicalInt8(width))) intervalOutOfRange();
  if (width <= 0n)
    report('ERROR', { code: SQLSTATE.datetimeFieldOverflow, message: 'stride must be greater than zero' });
  const difference = BigInt(t) - BigInt(origin);
  if (!fitsInt8(canonicalInt8(difference))) intervalOutOfRange();
  const rest = difference % width;
  let bin = BigInt(t) - rest;
  if (rest < 0n) bin -= width;
  const result = canonicalInt8(bin);
  if (!isValidTimestamp(result)) timestampOutOfRange();
  return result;
}

/** RANGE window frames over timestamps: infinities bound everything, as floats do. */
export function inRangeTimestamp(
  v: Micros,
  base: Micros,
  offset: Interval,
  sub: boolean,
  less: boolean,
  zone: TimeZone | null,
): boolean {
  if (compareIntervals(offset, interval(0, 0, 0)) < 0) invalidWindowOffset();
  const sum = sub ? timestampMinusInterval(base, offset, zone) : timestampPlusInterval(base, offset, zone);
  return less ? v <= sum : v >= sum;
}
