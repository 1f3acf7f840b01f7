/** datetime-extract.ts — extract() and date_part() for every date/time type.
 *
 *  extract gives numeric with a scale fixed by the field, date_part gives float8; both come from one Field value: an
 *  integer with a number of decimals, or an infinity.
 *  Counterpart: timestamp_part_common() and friends of src/backend/utils/adt/timestamp.c and date.c */
import {
  dayFromCivil,
  EPOCH_SHIFT_DAYS,
  EPOCH_SHIFT_SECS,
  fitsInt8,
  isDateFinite,
  isTimestampFinite,
  type Micros,
  newTm,
  POSTGRES_EPOCH_JDATE,
  setTimeOfDay,
  type Tm,
  USECS_PER_DAY,
  weekdayOfDay,
} from '#adt/datetime-calendar.ts';
import { breakDown } from '#adt/datetime-clock.ts';
import { dateWord, unitWord } from '#adt/datetime-tokens.ts';
import type { Interval, Numeric, TimeTz } from '#adt/datum.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import { intervalParts } from '#adt/interval-encode.ts';
import {
  addNumerics,
  divideNumerics,
  NUMERIC_INFINITY,
  NUMERIC_MINUS_INFINITY,
  numeric,
  roundNumeric,
} from '#adt/numeric.ts';
import { lowerUnit, unitNotRecognized, unitNotSupported } from '#adt/timestamp-math.ts';
import { sessionTimeZone, type TimeZone } from '#adt/timezone.ts';

/** value / 10^scale; `julianMicros` adds a fraction of a day; special ±Infinity; null for SQL null. */
interface Part {
  readonly value: Micros;
  readonly scale: number;
  readonly dayMicros?: number;
  /** An instant whose Unix microseconds exceed int8: then both results are rounded along the way. */
  readonly far?: Micros;
}
type Answer = Part | number | null;
const whole = (value: Micros): Part => ({ value, scale: 0 });
const decimal = (value: Micros, scale: number): Part => ({ value, scale });

function toNumeric(part: Answer): Numeric | null {
  if (part === null) return null;
  if (typeof part === 'number') return part > 0 ? NUMERIC_INFINITY : NUMERIC_MINUS_INFINITY;
  const base = numeric(BigInt(part.value), part.scale);
  if (part.far !== undefined)
    return roundNumeric(divideNumerics(numeric(BigInt(part.value), 0), numeric(1_000_000n, 0)), 6);
  if (part.dayMicros === undefined) return base;
  return addNumerics(base, divideNumerics(numeric(BigInt(part.dayMicros), 0), numeric(BigInt(USECS_PER_DAY), 0)));
}
const POWERS = [1, 10, 100, 1000, 1e4, 1e5, 1e6] as const;
function toFloat(part: Answer): number | null {
  if (part === null || typeof part === 'number') return part;
  if (part.far !== undefined) return (Number(part.far) + EPOCH_SHIFT_SECS * 1e6) / 1e6;
  if (part.dayMicros !== undefined) {
    const seconds = Math.floor(part.dayMicros / 1e6);
    return Number(part.value) + (seconds + (part.dayMicros % 1e6) / 1e6) / 86_400;
  }
  return Number(part.value) / POWERS[part.scale]!;
}

/** Monday-based ISO week number and its year. */
export function isoWeek(day: number): { year: number; week: number } {
  const thursday = day - ((weekdayOfDay(day) + 6) % 7) + 3;
  const tm = scratch;
  breakDown(
    thursday < 100_000 && thursday > -100_000 ? thursday * USECS_PER_DAY : BigInt(thursday) * 86_400_000_000n,
    null,
    tm,
  );
  const first = dayFromCivil(tm.year, 1, 1);
  return { year: tm.year, week: Math.floor((thursday - first) / 7) + 1 };
}
const scratch = newTm();

interface Unit {
  readonly name: string;
  readonly text: string;
}
/** Field name of extract in canonical form; unknown words keep their text with name ''. */
function parseUnit(text: string): Unit {
  const lower = lowerUnit(text);
  const unit = unitWord(lower);
  if (unit?.kind === 'units') return { name: unit.value as string, text: lower };
  const word = dateWord(lower);
  if (word?.kind === 'units') return { name: word.value as string, text: lower };
  if (word?.kind === 'reserved' && word.value === 'epoch') return { name: 'epoch', text: lower };
  return { name: word?.kind === 'reserved' ? 'reserved' : '', text: lower };
}

const OSCILLATING = new Set([
  'microsecond',
  'millisecond',
  'second',
  'minute',
  'hour',
  'day',
  'month',
  'quarter',
  'week',
  'dow',
  'isodow',
  'doy',
]);
const ZONE_UNITS = new Set(['timezone', 'timezone_hour', 'timezone_minute']);
const GROWING = new Set(['year', 'decade', 'century', 'millennium', 'julian', 'isoyear', 'epoch']);

function refuseUnit(unit: Unit, typeName: string): never {
  const isDated = typeName === 'date' || typeName.startsWith('timestamp');
  if (unit.name === '' || (unit.name === 'reserved' && !isDated)) unitNotRecognized(unit.text, typeName);
  unitNotSupported(unit.text, typeName);
}

/** Fields of the calendar date that all types with a date share; undefined when the unit is none of them. */
function datePart(unit: string, tm: Tm, day: number): Part | undefined {
  const { year } = tm;
  switch (unit) {
    case 'day':
      return whole(tm.day);
    case 'month':
      return whole(tm.month);
    case 'quarter':
      return whole(Math.floor((tm.month - 1) / 3) + 1);
    case 'week':
      return whole(isoWeek(day).week);
    case 'year':
      return whole(year > 0 ? year : year - 1);
    case 'decade':
      return whole(year >= 0 ? Math.floor(year / 10) : -Math.floor((8 - (year - 1)) / 10));
    case 'century':
      return whole(year > 0 ? Math.floor((year + 99) / 100) : -Math.floor((99 - (year - 1)) / 100));
    case 'millennium':
      return whole(year > 0 ? Math.floor((year + 999) / 1000) : -Math.floor((999 - (year - 1)) / 1000));
    case 'isoyear': {
      const iso = isoWeek(day).year;
      return whole(iso <= 0 ? iso - 1 : iso);
    }
    case 'dow':
      return whole(weekdayOfDay(day));
    case 'isodow':
      return whole(weekdayOfDay(day) || 7);
    case 'doy':
      return whole(day - dayFromCivil(year, 1, 1) + 1);
    default:
      return undefined;
  }
}
function clockPart(
  unit: string,
  tm: { hour: number; minute: number; second: number; micros: number },
): Part | undefined {
  const micros = tm.second * 1e6 + tm.micros;
  switch (unit) {
    case 'microsecond':
      return whole(micros);
    case 'millisecond':
      return decimal(micros, 3);
    case 'second':
      return decimal(micros, 6);
    case 'minute':
      return whole(tm.minute);
    case 'hour':
      return whole(tm.hour);
    default:
      return undefined;
  }
}
function zonePart(unit: string, west: number): Part | undefined {
  const sign = (n: number): number => (n === 0 ? 0 : n);
  if (unit === 'timezone') return whole(sign(-west));
  if (unit === 'timezone_minute') return whole(sign(Math.trunc(-west / 60) % 60));
  if (unit === 'timezone_hour') return whole(sign(Math.trunc(-west / 3600)));
  return undefined;
}

/** Unix microseconds; beyond int8 they are still exact as bigint. */
const sinceUnix = (t: Micros): Micros =>
  typeof t === 'number' && t < 8e15 ? t + EPOCH_SHIFT_SECS * 1e6 : BigInt(t) + BigInt(EPOCH_SHIFT_SECS) * 1_000_000n;

const tm = newTm();
function timestampPart(text: string, t: Micros, zone: TimeZone | null): Answer {
  const typeName = zone === null ? 'timestamp without time zone' : 'timestamp with time zone';
  const unit = parseUnit(text);
  if (!isTimestampFinite(t)) {
    if (OSCILLATING.has(unit.name) || ZONE_UNITS.has(unit.name)) return null;
    if (GROWING.has(unit.name)) return t < 0 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    refuseUnit(unit, typeName);
  }
  if (unit.name === 'epoch') {
    const value = sinceUnix(t);
    return fitsInt8(value) ? decimal(value, 6) : { value, scale: 6, far: t };
  }
  const west = breakDown(t, zone, tm);
  const day = dayFromCivil(tm.year, tm.month, tm.day);
  if (unit.name === 'julian') {
    const micros = ((tm.hour * 60 + tm.minute) * 60 + tm.second) * 1e6 + tm.micros;
    return { value: day + POSTGRES_EPOCH_JDATE, scale: 0, dayMicros: micros };
  }
  return (
    clockPart(unit.name, tm) ??
    datePart(unit.name, tm, day) ??
    (zone === null ? undefined : zonePart(unit.name, west)) ??
    refuseUnit(unit, typeName)
  );
}

function extractDate(text: string, date: number): Answer {
  const unit = parseUnit(text);
  if (OSCILLATING.has(unit.name) && unit.name.length >= 3 && isClockUnit(unit.name)) refuseUnit(unit, 'date');
  if (!isDateFinite(date)) {
    if (OSCILLATING.has(unit.name)) return null;
    if (GROWING.has(unit.name)) return date < 0 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    refuseUnit(unit, 'date');
  }
  if (unit.name === 'julian') return whole(date + POSTGRES_EPOCH_JDATE);
  if (unit.name === 'epoch') return whole((date + EPOCH_SHIFT_DAYS) * 86_400);
  breakDown(date < 100_000 && date > -100_000 ? date * USECS_PER_DAY : BigInt(date) * 86_400_000_000n, null, tm);
  return datePart(unit.name, tm, date) ?? refuseUnit(unit, 'date');
}
const isClockUnit = (unit: string): boolean =>
  unit === 'microsecond' || unit === 'millisecond' || unit === 'second' || unit === 'minute' || unit === 'hour';

function intervalPart(text: string, v: Interval, asFloat: boolean): Answer {
  const unit = parseUnit(text);
  const p = intervalParts(v);
  const zero = (n: number): Part => whole(n === 0 ? 0 : n);
  switch (unit.name) {
    case 'microsecond':
    case 'millisecond':
    case 'second':
    case 'minute':
      return clockPart(unit.name, { hour: 0, minute: p.minutes, second: p.seconds, micros: p.micros })!;
    case 'hour':
      return whole(p.hours);
    case 'day':
      return whole(p.days);
    case 'month':
      return whole(p.months);
    case 'quarter':
      return whole(Math.trunc(p.months / 3) + 1);
    case 'year':
      return whole(p.years);
    case 'decade':
      return zero(Math.trunc(p.years / 10));
    case 'century':
      return zero(Math.trunc(p.years / 100));
    case 'millennium':
      return zero(Math.trunc(p.years / 1000));
    case 'epoch': {
      const years = Math.trunc(v.months / 12);
      const months = v.months % 12;
      if (asFloat) {
        const seconds = Number(v.micros) / 1e6 + 31_557_600 * years + 2_592_000 * months + 86_400 * v.days;
        return { value: seconds, scale: 0 };
      }
      const quarterDays = 1461n * BigInt(years) + 120n * BigInt(months) + 4n * BigInt(v.days);
      return decimal(quarterDays * 21_600n * 1_000_000n + BigInt(v.micros), 6);
    }
    default:
      refuseUnit(unit, 'interval');
  }
}

function timePart(text: string, micros: number): Part {
  const unit = parseUnit(text);
  if (unit.name === 'epoch') return decimal(micros, 6);
  setTimeOfDay(micros, tm);
  return clockPart(unit.name, tm) ?? refuseUnit(unit, 'time without time zone');
}
function timetzPart(text: string, t: TimeTz): Part {
  const unit = parseUnit(text);
  if (unit.name === 'epoch') return decimal(t.micros + t.zone * 1e6, 6);
  setTimeOfDay(t.micros, tm);
  return clockPart(unit.name, tm) ?? zonePart(unit.name, t.zone) ?? refuseUnit(unit, 'time with time zone');
}

registerBuiltins({
  extract_date: (unit: string, date: number) => toNumeric(extractDate(unit, date)),
  extract_time: (unit: string, t: number) => toNumeric(timePart(unit, t)),
  extract_timetz: (unit: string, t: TimeTz) => toNumeric(timetzPart(unit, t)),
  extract_timestamp: (unit: string, t: Micros) => toNumeric(timestampPart(unit, t, null)),
  extract_timestamptz: (unit: string, t: Micros) => toNumeric(timestampPart(unit, t, sessionTimeZone())),
  extract_interval: (unit: string, v: Interval) => toNumeric(intervalPart(unit, v, false)),
  time_part: (unit: string, t: number) => toFloat(timePart(unit, t)),
  timetz_part: (unit: string, t: TimeTz) => toFloat(timetzPart(unit, t)),
  timestamp_part: (unit: string, t: Micros) => toFloat(timestampPart(unit, t, null)),
  timestamptz_part: (unit: string, t: Micros) => toFloat(timestampPart(unit, t, sessionTimeZone())),
  interval_part: (unit: string, v: Interval) => toFloat(intervalPart(unit, v, true)),
});
