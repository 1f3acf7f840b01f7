/** datetime-calendar.ts — civil arithmetic: days ↔ year-month-day, and timestamps as (day, microseconds of the day).
 *
 *  A timestamp is an int8 of microseconds; a Number is exact only within ±285 years of 2000. Splitting it into a day
 *  number and the microseconds of that day keeps every later step in small Numbers, so BigInt appears in exactly two
 *  places: splitTimestamp and joinTimestamp. Calendar is proleptic Gregorian, epoch 2000-01-01.
 *  Counterpart: src/backend/utils/adt/datetime.c (date2j, j2date), timestamp.c (timestamp2tm, tm2timestamp) */
import { canonicalInt8 } from '#adt/datum.ts';

export type Micros = number | bigint;

export const USECS_PER_SEC = 1_000_000;
export const USECS_PER_MINUTE = 60_000_000;
export const USECS_PER_HOUR = 3_600_000_000;
export const USECS_PER_DAY = 86_400_000_000;
export const SECS_PER_DAY = 86_400;
export const DAYS_PER_MONTH = 30;
export const MONTHS_PER_YEAR = 12;
/** Julian day numbers of 2000-01-01 and 1970-01-01. */
export const POSTGRES_EPOCH_JDATE = 2_451_545;
export const UNIX_EPOCH_JDATE = 2_440_588;
/** Days and seconds from the Unix epoch to PostgreSQL's. */
export const EPOCH_SHIFT_DAYS = 10_957;
export const EPOCH_SHIFT_SECS = 946_684_800;

export const DATE_INFINITY = 2_147_483_647;
export const DATE_MINUS_INFINITY = -2_147_483_648;
export const TIMESTAMP_INFINITY = 9_223_372_036_854_775_807n;
export const TIMESTAMP_MINUS_INFINITY = -9_223_372_036_854_775_808n;
/** First valid day and first day after the valid ones, for timestamps and for dates. */
export const MIN_DAY = -2_451_545;
export const TIMESTAMP_END_DAY = 106_751_983;
export const DATE_END_DAY = 2_145_031_949;
const MIN_TIMESTAMP = -211_813_488_000_000_000n;
const END_TIMESTAMP = 9_223_371_331_200_000_000n;

/** |day| below this keeps day*86400e6+micros a safe integer. */
const SAFE_DAY = 104_248;

/** Broken-down time; `gmtoff` is seconds east, `isDst` -1 when unknown, `zone` the abbreviation or ''. */
export interface Tm {
  year: number; // astronomical: 0 is 1 BC
  month: number; // 1..12
  day: number;
  hour: number;
  minute: number;
  second: number;
  micros: number;
  weekday: number;
  yearDay: number;
  isDst: number;
  gmtoff: number;
  zone: string;
}
export const newTm = (): Tm => ({
  year: 0,
  month: 0,
  day: 0,
  hour: 0,
  minute: 0,
  second: 0,
  micros: 0,
  weekday: 0,
  yearDay: 0,
  isDst: -1,
  gmtoff: 0,
  zone: '',
});

const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

export const isLeapYear = (year: number): boolean => year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
export const daysInMonth = (year: number, month: number): number =>
  month === 2 && isLeapYear(year) ? 29 : MONTH_DAYS[month - 1]!;

/** Days since 2000-01-01. Years are counted from March so that the leap day is a year's last. */
export function dayFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 730_425;
}

/** Sets year, month and day of `tm` from days since 2000-01-01. */
export function civilFromDay(dayNumber: number, tm: Tm): void {
  const z = dayNumber + 730_425;
  const era = Math.floor(z / 146_097);
  const dayOfEra = z - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const mp = Math.floor((5 * dayOfYear + 2) / 153);
  tm.day = dayOfYear - Math.floor((153 * mp + 2) / 5) + 1;
  tm.month = mp < 10 ? mp + 3 : mp - 9;
  tm.year = yearOfEra + era * 400 + (tm.month <= 2 ? 1 : 0);
}

/** 0 = Sunday; 2000-01-01 was a Saturday. */
export const weekdayOfDay = (day: number): number => (((day + 6) % 7) + 7) % 7;

/** Dates whose Julian day number is representable: 4714-11-01 BC … 5874898-05-31. */
export const isValidJulian = (year: number, month: number): boolean =>
  (year > -4713 || (year === -4713 && month >= 11)) && (year < 5_874_898 || (year === 5_874_898 && month < 6));

export const isTimestampFinite = (t: Micros): boolean => t !== TIMESTAMP_INFINITY && t !== TIMESTAMP_MINUS_INFINITY;
export const isDateFinite = (d: number): boolean => d !== DATE_INFINITY && d !== DATE_MINUS_INFINITY;
export const isValidTimestamp = (t: Micros): boolean => t >= MIN_TIMESTAMP && t < END_TIMESTAMP;
export const isValidDate = (d: number): boolean => d >= MIN_DAY && d < DATE_END_DAY;

/** Day number (floor) of a timestamp. */
export function dayOfTimestamp(t: Micros): number {
  if (typeof t === 'number') return Math.floor(t / USECS_PER_DAY);
  const q = t / 86_400_000_000n;
  return Number(t < 0n && q * 86_400_000_000n !== t ? q - 1n : q);
}
/** Microseconds of the day, 0 … 86399999999, given the day. */
export const microsOfTimestamp = (t: Micros, day: number): number =>
  typeof t === 'number' ? t - day * USECS_PER_DAY : Number(t - BigInt(day) * 86_400_000_000n);

/** May be out of the valid range; check with isValidTimestamp. `micros` may lie outside one day. */
export function joinTimestamp(day: number, micros: number): Micros {
  if (day < SAFE_DAY && day > -SAFE_DAY && micros < 1e13 && micros > -1e13) return day * USECS_PER_DAY + micros;
  return canonicalInt8(BigInt(day) * 86_400_000_000n + BigInt(micros));
}

export function addMicros(a: Micros, b: Micros): Micros {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return canonicalInt8(BigInt(a) + BigInt(b));
}
export function subtractMicros(a: Micros, b: Micros): Micros {
  if (typeof a === 'number' && typeof b === 'number') {
    const difference = a - b;
    if (Number.isSafeInteger(difference)) return difference;
  }
  return canonicalInt8(BigInt(a) - BigInt(b));
}
export function multiplyMicros(a: Micros, b: Micros): Micros {
  if (typeof a === 'number' && typeof b === 'number') {
    const product = a * b;
    if (Number.isSafeInteger(product)) return product === 0 ? 0 : product;
  }
  return canonicalInt8(BigInt(a) * BigInt(b));
}
export function negateMicros(a: Micros): Micros {
  if (typeof a === 'number') return a === 0 ? 0 : -a;
  return canonicalInt8(-a);
}
export const fitsInt8 = (v: Micros): boolean =>
  typeof v === 'number' || (v >= TIMESTAMP_MINUS_INFINITY && v <= TIMESTAMP_INFINITY);
export const fitsInt4 = (v: number): boolean => v >= -2_147_483_648 && v <= 2_147_483_647;
/** Quotient truncated toward zero by a positive safe divisor. */
export function divideMicros(a: Micros, by: number): Micros {
  if (typeof a === 'number') {
    const q = Math.trunc(a / by);
    return q === 0 ? 0 : q;
  }
  return canonicalInt8(a / BigInt(by));
}
/** Remainder with the sign of `a`. */
export function remainderMicros(a: Micros, by: number): number {
  if (typeof a === 'number') {
    const r = a % by;
    return r === 0 ? 0 : r;
  }
  return Number(a % BigInt(by));
}

/** Sets hour … micros of `tm` from the microseconds of a day (or of a time of day). */
export function setTimeOfDay(micros: number, tm: Tm): void {
  let rest = micros;
  tm.hour = Math.floor(rest / USECS_PER_HOUR);
  rest -= tm.hour * USECS_PER_HOUR;
  tm.minute = Math.floor(rest / USECS_PER_MINUTE);
  rest -= tm.minute * USECS_PER_MINUTE;
  tm.second = Math.floor(rest / USECS_PER_SEC);
  tm.micros = rest - tm.second * USECS_PER_SEC;
}
export const timeOfDay = (tm: Tm): number => ((tm.hour * 60 + tm.minute) * 60 + tm.second) * USECS_PER_SEC + tm.micros;

/** Round half to even, as rint(). */
export function rint(x: number): number {
  const floor = Math.floor(x);
  const fraction = x - floor;
  if (fraction < 0.5) return floor;
  if (fraction > 0.5) return floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

const TWO: string[] = [];
for (let i = 0; i < 100; i++) TWO.push(i < 10 ? `0${i}` : `${i}`);
/** At least two digits. */
export const two = (n: number): string => TWO[n] ?? String(n);
export const four = (n: number): string => (n >= 1000 ? String(n) : String(n).padStart(4, '0'));
/** ".ffffff" without trailing zeros, '' for zero. */
export function fraction(micros: number): string {
  if (micros === 0) return '';
  let digits = 6;
  let rest = micros;
  while (rest % 10 === 0) {
    rest /= 10;
    digits--;
  }
  return `.${String(rest).padStart(digits, '0')}`;
}
