/** date.ts — the type date: days since 2000-01-01, comparisons across date and timestamps, casts.
 *
 *  A date may lie outside the range of timestamps, so cross-type comparison never converts blindly: a date beyond the
 *  last timestamp is larger than every one.
 *  Counterpart: src/backend/utils/adt/date.c */
import {
  DATE_END_DAY,
  DATE_INFINITY,
  DATE_MINUS_INFINITY,
  dayFromCivil,
  dayOfTimestamp,
  daysInMonth,
  isDateFinite,
  isTimestampFinite,
  isValidDate,
  isValidJulian,
  isValidTimestamp,
  joinTimestamp,
  type Micros,
  newTm,
  rint,
  TIMESTAMP_END_DAY,
  TIMESTAMP_INFINITY,
  TIMESTAMP_MINUS_INFINITY,
  two,
  USECS_PER_SEC,
} from '#adt/datetime-calendar.ts';
import { breakDown } from '#adt/datetime-clock.ts';
import { dateOutOfRange, dateTextOutOfRange, localToInstant } from '#adt/datetime-common.ts';
import { decodeDateTime, timeOverflows } from '#adt/datetime-decode.ts';
import { dateText } from '#adt/datetime-encode.ts';
import { DecodeFailure, reportDecodeError } from '#adt/datetime-tokens.ts';
import type { Interval } from '#adt/datum.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import { inRangeTimestamp, timestampMinusInterval, timestampPlusInterval } from '#adt/timestamp-math.ts';
import { sessionTimeZone, zoneOffsetOfLocal } from '#adt/timezone.ts';
import { receiveInt4, sendInt4 } from '#adt/wire.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export function dateIn(text: string): number {
  try {
    const { tm, special } = decodeDateTime(text);
    if (special === 'infinity') return DATE_INFINITY;
    if (special === '-infinity') return DATE_MINUS_INFINITY;
    if (special === 'epoch') return dayFromCivil(1970, 1, 1);
    if (!isValidJulian(tm.year, tm.month)) dateTextOutOfRange(text);
    const day = dayFromCivil(tm.year, tm.month, tm.day);
    if (!isValidDate(day)) dateTextOutOfRange(text);
    return day;
  } catch (caught) {
    if (caught instanceof DecodeFailure) reportDecodeError(caught.reason, text, 'date');
    throw caught;
  }
}
function dateRecv(bytes: Uint8Array): number {
  const day = receiveInt4(bytes);
  if (isDateFinite(day) && !isValidDate(day)) dateOutOfRange();
  return day;
}

/** Midnight of the date as a timestamp; an error when there is none. */
export function dateToTimestamp(date: number): Micros {
  if (date === DATE_INFINITY) return TIMESTAMP_INFINITY;
  if (date === DATE_MINUS_INFINITY) return TIMESTAMP_MINUS_INFINITY;
  if (date >= TIMESTAMP_END_DAY)
    report('ERROR', { code: SQLSTATE.datetimeFieldOverflow, message: 'date out of range for timestamp' });
  return joinTimestamp(date, 0);
}
const tm = newTm();
/** Midnight of the date in the session's zone. */
export function dateToTimestamptz(date: number): Micros {
  if (!isDateFinite(date)) return dateToTimestamp(date);
  const local = dateToTimestamp(date);
  breakDown(local, null, tm);
  const instant = joinTimestamp(date, zoneOffsetOfLocal(tm, sessionTimeZone()) * USECS_PER_SEC);
  if (!isValidTimestamp(instant))
    report('ERROR', { code: SQLSTATE.datetimeFieldOverflow, message: 'date out of range for timestamp' });
  return instant;
}
export function timestampToDate(t: Micros): number {
  if (t === TIMESTAMP_INFINITY) return DATE_INFINITY;
  if (t === TIMESTAMP_MINUS_INFINITY) return DATE_MINUS_INFINITY;
  return dayOfTimestamp(t);
}
export function timestamptzToDate(t: Micros): number {
  if (!isTimestampFinite(t)) return timestampToDate(t);
  breakDown(t, sessionTimeZone(), tm);
  return dayFromCivil(tm.year, tm.month, tm.day);
}

const three = (less: boolean, equal: boolean): number => (equal ? 0 : less ? -1 : 1);

export function compareDateTimestamp(date: number, t: Micros): number {
  if (isDateFinite(date) && date >= TIMESTAMP_END_DAY) return t === TIMESTAMP_INFINITY ? -1 : 1;
  const midnight = dateToTimestamp(date);
  return three(midnight < t, midnight === t);
}
export function compareDateTimestamptz(date: number, t: Micros): number {
  if (isDateFinite(date) && date >= TIMESTAMP_END_DAY) return t === TIMESTAMP_INFINITY ? -1 : 1;
  if (!isDateFinite(date)) {
    const end = dateToTimestamp(date);
    return three(end < t, end === t);
  }
  breakDown(joinTimestamp(date, 0), null, tm);
  const midnight = joinTimestamp(date, zoneOffsetOfLocal(tm, sessionTimeZone()) * USECS_PER_SEC);
  return three(midnight < t, midnight === t);
}
/** A timestamp without zone against an instant; out-of-range local times compare as their infinities would. */
export function compareTimestampTimestamptz(local: Micros, t: Micros): number {
  if (!isTimestampFinite(local)) return three(local < t, local === t);
  breakDown(local, null, tm);
  const day = dayOfTimestamp(local);
  const micros =
    typeof local === 'number' ? local - day * 86_400_000_000 : Number(local - BigInt(day) * 86_400_000_000n);
  const instant = joinTimestamp(day, micros + zoneOffsetOfLocal(tm, sessionTimeZone()) * USECS_PER_SEC);
  return three(instant < t, instant === t);
}

function datePlusDays(date: number, days: number): number {
  if (!isDateFinite(date)) return date;
  const sum = date + days;
  if (!isValidDate(sum)) dateOutOfRange();
  return sum;
}

export function makeDate(year: number, month: number, day: number): number {
  const bc = year < 0;
  const y = bc ? year + 1 : year;
  const bad = year === 0 || month < 1 || month > 12 || day < 1 || day > 31 || day > daysInMonth(y, month);
  if (bad)
    report('ERROR', {
      code: SQLSTATE.datetimeFieldOverflow,
      message: `date field value out of range: ${y}-${pad(month)}-${pad(day)}`,
    });
  const number = isValidJulian(y, month) ? dayFromCivil(y, month, day) : DATE_END_DAY;
  if (!isValidDate(number))
    report('ERROR', {
      code: SQLSTATE.datetimeFieldOverflow,
      message: `date out of range: ${y}-${pad(month)}-${pad(day)}`,
    });
  return number;
}
/** %02d */
export const pad = (n: number): string => (n < 0 ? `-${String(-n).padStart(1, '0')}` : two(n));

/** Microseconds of hour:minute:second, or null when they are no time of day. */
export function clockMicrosOf(hour: number, minute: number, second: number): number | null {
  if (Number.isNaN(second)) return null;
  const rounded = rint(second * USECS_PER_SEC);
  const check = newTm();
  check.hour = hour;
  check.minute = minute;
  check.second = 0;
  if (hour < 0 || hour > 24 || minute < 0 || minute > 59 || second < 0 || rounded > 60 * USECS_PER_SEC) return null;
  if (timeOverflows(check)) return null;
  const micros = (hour * 60 + minute) * 60 * USECS_PER_SEC + rounded;
  return micros > 86_400_000_000 ? null : micros;
}

function inRangeDateInterval(v: number, base: number, offset: Interval, sub: boolean, less: boolean): boolean {
  return inRangeTimestamp(dateToTimestamp(v), dateToTimestamp(base), offset, sub, less, null);
}

type Comparer<A, B> = (a: A, b: B) => number;
/** The six comparison operators and cmp under PostgreSQL's names. */
export function comparisons<A, B>(prefix: string, suffix: string, compare: Comparer<A, B>) {
  return {
    [`${prefix}_eq${suffix}`]: (a: A, b: B) => compare(a, b) === 0,
    [`${prefix}_ne${suffix}`]: (a: A, b: B) => compare(a, b) !== 0,
    [`${prefix}_lt${suffix}`]: (a: A, b: B) => compare(a, b) < 0,
    [`${prefix}_le${suffix}`]: (a: A, b: B) => compare(a, b) <= 0,
    [`${prefix}_gt${suffix}`]: (a: A, b: B) => compare(a, b) > 0,
    [`${prefix}_ge${suffix}`]: (a: A, b: B) => compare(a, b) >= 0,
    [`${prefix}_cmp${suffix}`]: (a: A, b: B) => compare(a, b),
  };
}

registerBuiltins({
  date_in: (text: string) => dateIn(text),
  date_out: dateText,
  date_recv: (bytes: Uint8Array) => dateRecv(bytes),
  date_send: (date: number) => sendInt4(date),
  date_eq: (a: number, b: number) => a === b,
  date_ne: (a: number, b: number) => a !== b,
  date_lt: (a: number, b: number) => a < b,
  date_le: (a: number, b: number) => a <= b,
  date_gt: (a: number, b: number) => a > b,
  date_ge: (a: number, b: number) => a >= b,
  date_cmp: (a: number, b: number) => (a < b ? -1 : a > b ? 1 : 0),
  date_larger: (a: number, b: number) => Math.max(a, b),
  date_smaller: (a: number, b: number) => Math.min(a, b),
  date_finite: isDateFinite,
  ...comparisons('date', '_timestamp', compareDateTimestamp),
  ...comparisons('date', '_timestamptz', compareDateTimestamptz),
  ...comparisons('timestamp', '_date', (t: Micros, date: number) => -compareDateTimestamp(date, t)),
  ...comparisons('timestamptz', '_date', (t: Micros, date: number) => -compareDateTimestamptz(date, t)),
  ...comparisons('timestamp', '_timestamptz', compareTimestampTimestamptz),
  ...comparisons('timestamptz', '_timestamp', (t: Micros, l: Micros) => -compareTimestampTimestamptz(l, t)),
  date_mi: (a: number, b: number) => {
    if (!isDateFinite(a) || !isDateFinite(b))
      report('ERROR', { code: SQLSTATE.datetimeFieldOverflow, message: 'cannot subtract infinite dates' });
    return a - b;
  },
  date_pli: datePlusDays,
  date_mii: (date: number, days: number) => datePlusDays(date, -days),
  date_pl_interval: (date: number, v: Interval) => timestampPlusInterval(dateToTimestamp(date), v, null),
  date_mi_interval: (date: number, v: Interval) => timestampMinusInterval(dateToTimestamp(date), v, null),
  in_range_date_interval: inRangeDateInterval,
  date_timestamp: dateToTimestamp,
  date_timestamptz: dateToTimestamptz,
  timestamp_date: timestampToDate,
  timestamptz_date: timestamptzToDate,
  make_date: makeDate,
  timestamp_timestamptz: (t: Micros) => localToInstant(t),
});
