/** formatting-date-output.ts — to_char of timestamps and intervals.
 *  Counterpart: DCH_to_char() of src/backend/utils/adt/formatting.c */
import {
  dayFromCivil,
  isTimestampFinite,
  type Micros,
  newTm,
  POSTGRES_EPOCH_JDATE,
  weekdayOfDay,
} from '#adt/datetime-calendar.ts';
import { breakDown } from '#adt/datetime-clock.ts';
import { DAY_NAMES, MONTH_NAMES } from '#adt/datetime-encode.ts';
import { isoWeek } from '#adt/datetime-extract.ts';
import type { Interval } from '#adt/datum.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import { type FormatNode, ordinal, parseDateFormat, ROMAN_MONTHS } from '#adt/formatting.ts';
import { intervalParts } from '#adt/interval-encode.ts';
import { sessionTimeZone } from '#adt/timezone.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** What the fields are taken from. For intervals `day` means nothing. */
interface Source {
  year: number;
  month: number;
  mday: number;
  hour: number;
  minute: number;
  second: number;
  micros: number;
  weekday: number;
  yearDay: number;
  /** Days since 2000-01-01. */
  day: number;
  zone: string;
  gmtoff: number;
  isInterval: boolean;
}

function notForIntervals(): never {
  report('ERROR', {
    code: SQLSTATE.invalidDatetimeFormat,
    message: 'invalid format specification for an interval value',
    hint: 'Intervals are not tied to specific calendar dates.',
  });
}

/** %0*d with the width PostgreSQL takes: one more for a minus sign, none in fill mode. */
function padded(value: number, width: number, node: FormatNode): string {
  if (node.fill) return String(value);
  return value < 0 ? `-${String(-value).padStart(width, '0')}` : String(value).padStart(width, '0');
}
/** %0*d with the sign inside the width. */
const fixed = (value: number, width: number, node: FormatNode): string =>
  node.fill ? String(value) : zeroes(value, width);
/** Letter case of the keyword applied to a name. */
function cased(name: string, keyword: string): string {
  if (keyword === keyword.toUpperCase()) return name.toUpperCase();
  return keyword === keyword.toLowerCase() ? name.toLowerCase() : name;
}
const fullName = (name: string, node: FormatNode): string => {
  const text = cased(name, node.text);
  return node.fill || node.translate ? text : text.padEnd(9);
};
const adjustYear = (year: number, isInterval: boolean): number => (isInterval || year > 0 ? year : 1 - year);

function yearField(id: string, s: Source, node: FormatNode): string {
  const iso = id.startsWith('I');
  const year = adjustYear(iso ? isoWeek(s.day).year : s.year, s.isInterval);
  // The width allows for a sign when the calendar year has one, even if the ISO year is printed.
  const sign = adjustYear(s.year, s.isInterval) >= 0 ? 0 : 1;
  switch (id) {
    case 'YYYY':
    case 'IYYY':
      return fixed(year, 4 + sign, node);
    case 'YYY':
    case 'IYY':
      return fixed(year % 1000, 3 + sign, node);
    case 'YY':
    case 'IY':
      return fixed(year % 100, 2 + sign, node);
    default:
      return String(year % 10);
  }
}
function century(s: Source, node: FormatNode): string {
  let value: number;
  if (s.isInterval) value = Math.trunc(s.year / 100);
  else value = s.year > 0 ? Math.floor((s.year - 1) / 100) + 1 : Math.trunc(s.year / 100) - 1;
  return value <= 99 && value >= -99 ? padded(value, 2, node) : String(value);
}
function romanMonth(s: Source, node: FormatNode): string {
  if (s.month === 0 && s.year === 0) return '';
  // Intervals may have no month, or a negative one, which counts from the year's end.
  let index = 12 - s.month;
  if (s.month === 0) index = s.year >= 0 ? 0 : 11;
  else if (s.month < 0) index = -1 * (s.month + 1);
  const text = cased(ROMAN_MONTHS[index]!, node.text);
  return node.fill ? text : text.padEnd(4);
}
function offsetText(s: Source, node: FormatNode): string {
  const size = Math.abs(s.gmtoff);
  const sign = s.gmtoff >= 0 ? '+' : '-';
  const minutes = Math.floor((size % 3600) / 60);
  const hours = padded(Math.floor(size / 3600), 2, node);
  return `${sign}${hours}${size % 3600 === 0 ? '' : `:${String(minutes).padStart(2, '0')}`}`;
}

/** Fields that intervals do not have. */
const CALENDAR_ONLY = new Set(['A.D.', 'B.C.', 'AD', 'BC', 'TZ', 'TZH', 'TZM', 'OF', 'DAY', 'DY', 'D', 'ID']);

/** Text of one field; `th` may follow where numeric is true. */
function field(id: string, s: Source, node: FormatNode): { text: string; numeric: boolean } {
  const plain = (text: string) => ({ text, numeric: false });
  const number = (text: string) => ({ text, numeric: true });
  if (s.isInterval && CALENDAR_ONLY.has(id)) notForIntervals();
  const hour12 = s.hour % 12 === 0 ? 12 : s.hour % 12;
  switch (id) {
    case 'A.M.':
    case 'P.M.':
      return plain(cased(s.hour % 24 >= 12 ? 'P.M.' : 'A.M.', node.text));
    case 'AM':
    case 'PM':
      return plain(cased(s.hour % 24 >= 12 ? 'PM' : 'AM', node.text));
    case 'A.D.':
    case 'B.C.':
      return plain(cased(s.year <= 0 ? 'B.C.' : 'A.D.', node.text));
    case 'AD':
    case 'BC':
      return plain(cased(s.year <= 0 ? 'BC' : 'AD', node.text));
    case 'HH':
    case 'HH12':
      return number(padded(hour12, s.hour < 0 && hour12 > 0 ? 3 : 2, node));
    case 'HH24':
      return number(padded(s.hour, 2, node));
    case 'MI':
      return number(padded(s.minute, 2, node));
    case 'SS':
      return number(padded(s.second, 2, node));
    case 'MS':
    case 'FF3':
      return number(zeroes(Math.trunc(s.micros / 1000), 3));
    case 'US':
    case 'FF6':
      return number(zeroes(s.micros, 6));
    case 'FF1':
      return number(zeroes(Math.trunc(s.micros / 100_000), 1));
    case 'FF2':
      return number(zeroes(Math.trunc(s.micros / 10_000), 2));
    case 'FF4':
      return number(zeroes(Math.trunc(s.micros / 100), 4));
    case 'FF5':
      return number(zeroes(Math.trunc(s.micros / 10), 5));
    case 'SSSS':
    case 'SSSSS':
      return number(String(s.hour * 3600 + s.minute * 60 + s.second));
    case 'TZ':
      return plain(node.text === 'tz' ? s.zone.toLowerCase() : s.zone);
    case 'TZH':
      return plain(`${s.gmtoff >= 0 ? '+' : '-'}${zeroes(Math.floor(Math.abs(s.gmtoff) / 3600), 2)}`);
    case 'TZM':
      return plain(zeroes(Math.floor((Math.abs(s.gmtoff) % 3600) / 60), 2));
    case 'OF':
      return plain(offsetText(s, node));
    case 'MONTH':
      if (s.isInterval) notForIntervals();
      return plain(s.month === 0 ? '' : fullName(MONTH_NAMES[s.month - 1]!, node));
    case 'MON':
      if (s.isInterval) notForIntervals();
      return plain(s.month === 0 ? '' : cased(MONTH_NAMES[s.month - 1]!.slice(0, 3), node.text));
    case 'MM':
      return number(padded(s.month, 2, node));
    case 'DAY':
      return plain(fullName(DAY_NAMES[s.weekday]!, node));
    case 'DY':
      return plain(cased(DAY_NAMES[s.weekday]!.slice(0, 3), node.text));
    case 'DDD':
      return number(fixed(s.yearDay, 3, node));
    case 'IDDD': {
      const fourth = dayFromCivil(isoWeek(s.day).year, 1, 4);
      const firstMonday = fourth - ((weekdayOfDay(fourth) + 6) % 7);
      return number(fixed(s.day - firstMonday + 1, 3, node));
    }
    case 'DD':
      return number(fixed(s.mday, 2, node));
    case 'D':
      return number(String(s.weekday + 1));
    case 'ID':
      return number(String(s.weekday === 0 ? 7 : s.weekday));
    case 'WW':
      return number(fixed(Math.trunc((s.yearDay - 1) / 7) + 1, 2, node));
    case 'IW':
      return number(fixed(isoWeek(s.day).week, 2, node));
    case 'Q':
      return s.month === 0 ? plain('') : number(String(Math.trunc((s.month - 1) / 3) + 1));
    case 'CC':
      return number(century(s, node));
    case 'Y,YYY': {
      const year = adjustYear(s.year, s.isInterval);
      const thousands = Math.trunc(year / 1000);
      return number(`${thousands},${zeroes(year - thousands * 1000, 3)}`);
    }
    case 'RM':
      return plain(romanMonth(s, node));
    case 'W':
      return number(String(Math.trunc((s.mday - 1) / 7) + 1));
    case 'J':
      return number(String(s.day + POSTGRES_EPOCH_JDATE));
    case 'FX':
      return plain('');
    default:
      return number(yearField(id, s, node));
  }
}
const zeroes = (value: number, width: number): string =>
  value < 0 ? `-${String(-value).padStart(width - 1, '0')}` : String(value).padStart(width, '0');

function render(nodes: readonly FormatNode[], source: Source): string {
  let out = '';
  for (const node of nodes) {
    if (node.key === null) {
      out += node.text;
      continue;
    }
    const { text, numeric } = field(node.key.id, source, node);
    out += numeric && node.th !== '' ? text + ordinal(text, node.th === 'TH') : text;
  }
  return out;
}

const tm = newTm();
function timestampToChar(t: Micros, format: string, withZone: boolean): string | null {
  if (format === '' || !isTimestampFinite(t)) return null;
  breakDown(t, withZone ? sessionTimeZone() : null, tm);
  const day = dayFromCivil(tm.year, tm.month, tm.day);
  return render(parseDateFormat(format), {
    year: tm.year,
    month: tm.month,
    mday: tm.day,
    hour: tm.hour,
    minute: tm.minute,
    second: tm.second,
    micros: tm.micros,
    weekday: weekdayOfDay(day),
    yearDay: day - dayFromCivil(tm.year, 1, 1) + 1,
    day,
    zone: tm.zone,
    gmtoff: tm.gmtoff,
    isInterval: false,
  });
}
function intervalToChar(v: Interval, format: string): string | null {
  if (format === '') return null;
  const p = intervalParts(v);
  return render(parseDateFormat(format), {
    year: p.years,
    month: p.months,
    mday: p.days,
    hour: Number(p.hours),
    minute: p.minutes,
    second: p.seconds,
    micros: p.micros,
    weekday: 0,
    yearDay: (p.years * 12 + p.months) * 30 + p.days,
    day: dayFromCivil(p.years, p.months, p.days),
    zone: '',
    gmtoff: 0,
    isInterval: true,
  });
}

registerBuiltins({
  timestamp_to_char: (t: Micros, format: string) => timestampToChar(t, format, false),
  timestamptz_to_char: (t: Micros, format: string) => timestampToChar(t, format, true),
  interval_to_char: intervalToChar,
});
