/** datetime-encode.ts — dates, times and timestamps as text, in every DateStyle.
 *  Counterpart: src/backend/utils/adt/datetime.c (EncodeDateOnly, EncodeTimeOnly, EncodeDateTime) */
import {
  civilFromDay,
  DATE_INFINITY,
  DATE_MINUS_INFINITY,
  four,
  fraction,
  isDateFinite,
  isTimestampFinite,
  type Micros,
  newTm,
  setTimeOfDay,
  TIMESTAMP_INFINITY,
  type Tm,
  two,
  weekdayOfDay,
  dayFromCivil,
} from '#adt/datetime-calendar.ts';
import { breakDown } from '#adt/datetime-clock.ts';
import { dateOrder, dateStyle } from '#adt/datetime-settings.ts';
import { sessionTimeZone } from '#adt/timezone.ts';

export const DAY_NAMES = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const;
export const MONTH_NAMES = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
] as const;
const SHORT_DAYS = DAY_NAMES.map((name) => name.slice(0, 3));
const SHORT_MONTHS = MONTH_NAMES.map((name) => name.slice(0, 3));

const yearText = (tm: Tm): string => four(tm.year > 0 ? tm.year : 1 - tm.year);
const era = (tm: Tm): string => (tm.year > 0 ? '' : ' BC');
const clock = (tm: Tm): string => `${two(tm.hour)}:${two(tm.minute)}:${two(tm.second)}${fraction(tm.micros)}`;

/** "+02", "-03:30", "+00:53:28" from seconds west. */
export function zoneText(west: number): string {
  const size = Math.abs(west);
  const hours = two(Math.floor(size / 3600));
  const minutes = Math.floor(size / 60) % 60;
  const seconds = size % 60;
  const sign = west <= 0 ? '+' : '-';
  if (seconds !== 0) return `${sign}${hours}:${two(minutes)}:${two(seconds)}`;
  return minutes !== 0 ? `${sign}${hours}:${two(minutes)}` : sign + hours;
}

export function encodeDate(tm: Tm): string {
  const year = yearText(tm);
  const dmy = dateOrder() === 'DMY';
  switch (dateStyle()) {
    case 'ISO':
      return `${year}-${two(tm.month)}-${two(tm.day)}${era(tm)}`;
    case 'SQL':
      return `${dmy ? `${two(tm.day)}/${two(tm.month)}` : `${two(tm.month)}/${two(tm.day)}`}/${year}${era(tm)}`;
    case 'German':
      return `${two(tm.day)}.${two(tm.month)}.${year}${era(tm)}`;
    default:
      return `${dmy ? `${two(tm.day)}-${two(tm.month)}` : `${two(tm.month)}-${two(tm.day)}`}-${year}${era(tm)}`;
  }
}

/** `west` null: no zone is printed. `tm.zone` is the abbreviation for the styles that print it. */
export function encodeDateTime(tm: Tm, west: number | null): string {
  const year = yearText(tm);
  const style = dateStyle();
  if (style === 'ISO') {
    const zone = west === null ? '' : zoneText(west);
    return `${year}-${two(tm.month)}-${two(tm.day)} ${clock(tm)}${zone}${era(tm)}`;
  }
  const dmy = dateOrder() === 'DMY';
  if (style === 'Postgres') {
    const weekday = SHORT_DAYS[weekdayOfDay(dayFromCivil(tm.year, tm.month, tm.day))]!;
    const month = SHORT_MONTHS[tm.month - 1]!;
    const date = dmy ? `${two(tm.day)} ${month}` : `${month} ${two(tm.day)}`;
    // The blank before a numeric zone keeps the text readable as input.
    const zone = west === null ? '' : ` ${tm.zone !== '' ? tm.zone.slice(0, 10) : zoneText(west)}`;
    return `${weekday} ${date} ${clock(tm)} ${year}${zone}${era(tm)}`;
  }
  const zone = west === null ? '' : tm.zone !== '' ? ` ${tm.zone.slice(0, 10)}` : zoneText(west);
  const date =
    style === 'German'
      ? `${two(tm.day)}.${two(tm.month)}.${year}`
      : `${dmy ? `${two(tm.day)}/${two(tm.month)}` : `${two(tm.month)}/${two(tm.day)}`}/${year}`;
  return `${date} ${clock(tm)}${zone}${era(tm)}`;
}

/** ISO 8601 as JSON and XML want it: with a T and full offset minutes. */
export function encodeXsd(tm: Tm, west: number | null): string {
  let zone = '';
  if (west !== null) {
    zone = zoneText(west);
    if (zone.length === 3) zone += ':00';
  }
  return `${yearText(tm)}-${two(tm.month)}-${two(tm.day)}T${clock(tm)}${zone}${era(tm)}`;
}
export const encodeXsdDate = (tm: Tm): string => `${yearText(tm)}-${two(tm.month)}-${two(tm.day)}${era(tm)}`;
export const encodeTime = (tm: Tm): string => clock(tm);

const tm = newTm();

export function dateText(date: number): string {
  if (!isDateFinite(date)) return date === DATE_INFINITY ? 'infinity' : '-infinity';
  civilFromDay(date, tm);
  return encodeDate(tm);
}
export function timestampText(timestamp: Micros): string {
  if (!isTimestampFinite(timestamp)) return timestamp === TIMESTAMP_INFINITY ? 'infinity' : '-infinity';
  breakDown(timestamp, null, tm);
  return encodeDateTime(tm, null);
}
export function timestamptzText(timestamp: Micros): string {
  if (!isTimestampFinite(timestamp)) return timestamp === TIMESTAMP_INFINITY ? 'infinity' : '-infinity';
  const west = breakDown(timestamp, sessionTimeZone(), tm);
  return encodeDateTime(tm, west);
}
export function timeText(micros: number): string {
  setTimeOfDay(micros, tm);
  return clock(tm);
}

/** The same in the form JSON uses, whatever DateStyle is. */
export function dateJsonText(date: number): string {
  if (!isDateFinite(date)) return date === DATE_MINUS_INFINITY ? '-infinity' : 'infinity';
  civilFromDay(date, tm);
  return encodeXsdDate(tm);
}
export function timestampJsonText(timestamp: Micros, withZone: boolean): string {
  if (!isTimestampFinite(timestamp)) return timestamp === TIMESTAMP_INFINITY ? 'infinity' : '-infinity';
  const west = breakDown(timestamp, withZone ? sessionTimeZone() : null, tm);
  return encodeXsd(tm, withZone ? west : null);
}
