/** timestamp.ts — the types timestamp and timestamptz: one int8 of microseconds, two readings.
 *
 *  A timestamptz is an instant (UTC); only its text depends on settings.TimeZone. Comparison and arithmetic of
 *  microseconds are shared, months and days are added on the wall clock.
 *  Counterpart: src/backend/utils/adt/timestamp.c */
import {
  addMicros,
  EPOCH_SHIFT_SECS,
  isTimestampFinite,
  isValidJulian,
  isValidTimestamp,
  joinTimestamp,
  type Micros,
  microsOfTimestamp,
  dayFromCivil,
  dayOfTimestamp,
  daysInMonth,
  newTm,
  rint,
  TIMESTAMP_INFINITY,
  TIMESTAMP_MINUS_INFINITY,
  USECS_PER_DAY,
  USECS_PER_SEC,
} from '#adt/datetime-calendar.ts';
import { breakDown, clockMicros, statementMicros, transactionMicros } from '#adt/datetime-clock.ts';
import {
  adjustTimestamp,
  instantToLocal,
  localToInstant,
  precisionTypmod,
  timestampOfTm,
  timestampOutOfRange,
  timestampTextOutOfRange,
} from '#adt/datetime-common.ts';
import { clockMicrosOf, pad } from '#adt/date.ts';
import { decodeDateTime, decodeNumericZone, zoneNotRecognized } from '#adt/datetime-decode.ts';
import { DAY_NAMES, MONTH_NAMES, timestampText, timestamptzText } from '#adt/datetime-encode.ts';
import { DecodeFailure, reportDecodeError } from '#adt/datetime-tokens.ts';
import { type ArrayDatum, canonicalInt8, type Datum, type Interval, type TimeTz } from '#adt/datum.ts';
import { formatG } from '#adt/float.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import { intervalText } from '#adt/interval-encode.ts';
import {
  binTimestamp,
  inRangeTimestamp,
  timestampAge,
  timestampMinusInterval,
  timestampMinusTimestamp,
  timestampPlusInterval,
  truncateInterval,
  truncateTimestamp,
} from '#adt/timestamp-math.ts';
import {
  abbreviationOffsetAt,
  abbreviationOffsetOfLocal,
  findAbbreviation,
  findTimeZone,
  sessionTimeZone,
  type TimeZone,
  zoneOffsetOfLocal,
} from '#adt/timezone.ts';
import { expectLength, sendInt8 } from '#adt/wire.ts';
import type { Oid } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

function decode(text: string, typeName: string, withZone: boolean): Micros {
  try {
    const { tm, west, special } = decodeDateTime(text);
    if (special === 'infinity') return TIMESTAMP_INFINITY;
    if (special === '-infinity') return TIMESTAMP_MINUS_INFINITY;
    if (special === 'epoch') return -EPOCH_SHIFT_SECS * USECS_PER_SEC;
    const t = isValidJulian(tm.year, tm.month) ? timestampOfTm(tm, withZone ? west : 0) : null;
    return t ?? timestampTextOutOfRange(text);
  } catch (caught) {
    if (caught instanceof DecodeFailure) reportDecodeError(caught.reason, text, typeName);
    throw caught;
  }
}
export const timestampIn = (text: string, typmod = -1): Micros =>
  adjustTimestamp(decode(text, 'timestamp', false), typmod);
export const timestamptzIn = (text: string, typmod = -1): Micros =>
  adjustTimestamp(decode(text, 'timestamp with time zone', true), typmod);

function receive(bytes: Uint8Array, _typioparam: Oid, typmod: number): Micros {
  expectLength(bytes, 8);
  const t = canonicalInt8(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigInt64(0));
  if (isTimestampFinite(t) && !isValidTimestamp(t)) timestampOutOfRange();
  return adjustTimestamp(t, typmod ?? -1);
}

// ---- time zones

const tm = newTm();
/** AT TIME ZONE: what a zone word means. */
type ZoneMeaning = { readonly west: number } | { readonly abbrev: string; readonly zone: TimeZone } | TimeZone;
function zoneMeaning(text: string): ZoneMeaning {
  const lower = text.toLowerCase();
  const abbreviation = findAbbreviation(lower);
  if (abbreviation !== undefined) {
    if (typeof abbreviation.value === 'number') return { west: -abbreviation.value };
    const zone = findTimeZone(abbreviation.value);
    if (zone !== null) return { abbrev: lower, zone };
  }
  return findTimeZone(text) ?? zoneNotRecognized(text);
}
function shifted(t: Micros, seconds: number): Micros {
  const result = addMicros(t, seconds * USECS_PER_SEC);
  if (!isValidTimestamp(result)) timestampOutOfRange();
  return result;
}
function timestampZone(text: string, t: Micros): Micros {
  if (!isTimestampFinite(t)) return t;
  const meaning = zoneMeaning(text);
  if ('west' in meaning) return shifted(t, meaning.west);
  if ('rules' in meaning) return localToInstant(t, meaning);
  breakDown(t, null, tm);
  return shifted(t, abbreviationOffsetOfLocal(tm, meaning.abbrev, meaning.zone));
}
const unixSecond = (t: Micros): number =>
  dayOfTimestamp(t) * 86_400 + Math.floor(microsOfTimestamp(t, dayOfTimestamp(t)) / USECS_PER_SEC) + EPOCH_SHIFT_SECS;

function timestamptzZone(text: string, t: Micros): Micros {
  if (!isTimestampFinite(t)) return t;
  const meaning = zoneMeaning(text);
  if ('west' in meaning) return shifted(t, -meaning.west);
  if ('rules' in meaning) return instantToLocal(t, meaning);
  return shifted(t, -abbreviationOffsetAt(meaning.abbrev, meaning.zone, unixSecond(t)).west);
}
/** Seconds west of an interval used as a zone. */
function intervalZone(zone: Interval): number {
  if (zone.months !== 0 || zone.days !== 0)
    report('ERROR', {
      code: SQLSTATE.invalidParameterValue,
      message: `interval time zone "${intervalText(zone)}" must not include months or days`,
    });
  return -Math.trunc(Number(zone.micros) / USECS_PER_SEC);
}
/** Seconds west of a zone word now (the transaction's time). */
function zoneNow(text: string): number {
  const meaning = zoneMeaning(text);
  if ('west' in meaning) return meaning.west;
  const now = unixSecond(transactionMicros());
  if ('rules' in meaning) return 0 - meaning.rules.lookup(now).gmtoff;
  return abbreviationOffsetAt(meaning.abbrev, meaning.zone, now).west;
}
function timetzShift(t: TimeTz, west: number): TimeTz {
  let micros = t.micros + (t.zone - west) * USECS_PER_SEC;
  micros = ((micros % USECS_PER_DAY) + USECS_PER_DAY) % USECS_PER_DAY;
  return { kind: 'timetz', micros, zone: west === 0 ? 0 : west };
}

// ---- construction

function localOfParts(y: number, month: number, day: number, hour: number, minute: number, second: number): Micros {
  const year = y < 0 ? y + 1 : y;
  if (y === 0 || month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month))
    report('ERROR', {
      code: SQLSTATE.datetimeFieldOverflow,
      message: `date field value out of range: ${y}-${pad(month)}-${pad(day)}`,
    });
  if (!isValidJulian(year, month))
    report('ERROR', {
      code: SQLSTATE.datetimeFieldOverflow,
      message: `date out of range: ${y}-${pad(month)}-${pad(day)}`,
    });
  const clock = clockMicrosOf(hour, minute, second);
  if (clock === null)
    report('ERROR', {
      code: SQLSTATE.datetimeFieldOverflow,
      message: `time field value out of range: ${hour}:${pad(minute)}:${secondText(second)}`,
    });
  const t = joinTimestamp(dayFromCivil(year, month, day), clock);
  if (!isValidTimestamp(t))
    report('ERROR', {
      code: SQLSTATE.datetimeFieldOverflow,
      message: `timestamp out of range: ${y}-${pad(month)}-${pad(day)} ${hour}:${pad(minute)}:${secondText(second)}`,
    });
  return t;
}
/** %02g */
export const secondText = (second: number): string => {
  const text = formatG(second, 6);
  return text.length < 2 ? `0${text}` : text;
};

/** The zone argument of make_timestamptz: numeric offsets included. */
function makeTimestamptz(local: Micros, text: string): Micros {
  if (/^[0-9]/.test(text))
    report('ERROR', {
      code: SQLSTATE.invalidParameterValue,
      message: `invalid input syntax for type numeric time zone: "${text}"`,
      hint: 'Numeric time zones must have "-" or "+" as first character.',
    });
  breakDown(local, null, tm);
  let west: number;
  try {
    west = decodeNumericZone(text);
  } catch (caught) {
    if (!(caught instanceof DecodeFailure)) throw caught;
    if (caught.reason === 'zoneOverflow')
      report('ERROR', {
        code: SQLSTATE.invalidParameterValue,
        message: `numeric time zone "${text}" out of range`,
      });
    const meaning = zoneMeaning(text);
    if ('west' in meaning) west = meaning.west;
    else if ('rules' in meaning) west = zoneOffsetOfLocal(tm, meaning);
    else west = abbreviationOffsetOfLocal(tm, meaning.abbrev, meaning.zone);
  }
  return shifted(local, west);
}

function timestamptzFromFloat(seconds: number): Micros {
  if (Number.isNaN(seconds))
    report('ERROR', { code: SQLSTATE.datetimeFieldOverflow, message: 'timestamp cannot be NaN' });
  if (!Number.isFinite(seconds)) return seconds > 0 ? TIMESTAMP_INFINITY : TIMESTAMP_MINUS_INFINITY;
  const outside = (): never =>
    report('ERROR', {
      code: SQLSTATE.datetimeFieldOverflow,
      message: `timestamp out of range: "${formatG(seconds, 6)}"`,
    });
  if (seconds < -210_866_803_200 || seconds >= 9_224_318_016_000) outside();
  const micros = rint((seconds - EPOCH_SHIFT_SECS) * USECS_PER_SEC);
  const t = Number.isSafeInteger(micros) ? (micros === 0 ? 0 : micros) : canonicalInt8(BigInt(micros));
  if (!isValidTimestamp(t)) outside();
  return t;
}

/** "Sat Nov 21 13:07:16.123456 2026 UTC" */
function timeOfDayText(): string {
  const west = breakDown(clockMicros(), sessionTimeZone(), tm);
  const weekday = DAY_NAMES[(((dayFromCivil(tm.year, tm.month, tm.day) + 6) % 7) + 7) % 7]!.slice(0, 3);
  const month = MONTH_NAMES[tm.month - 1]!.slice(0, 3);
  const micros = String(tm.micros).padStart(6, '0');
  void west;
  return `${weekday} ${month} ${pad(tm.day)} ${pad(tm.hour)}:${pad(tm.minute)}:${pad(tm.second)}.${micros} ${String(tm.year).padStart(4, '0')} ${tm.zone}`;
}

// ---- overlaps

/** (start1, end1) OVERLAPS (start2, end2) with SQL's rules for nulls and for swapped ends. */
export function overlaps<T extends Datum>(compare: (a: T, b: T) => number) {
  return (s1: T | null, e1: T | null, s2: T | null, e2: T | null): boolean | null => {
    let [start1, end1] = orderPeriod(s1, e1, compare);
    let [start2, end2] = orderPeriod(s2, e2, compare);
    if (start1 === null || start2 === null) return null;
    const order = compare(start1, start2);
    if (order === 0) return end1 === null || end2 === null ? null : true;
    if (order < 0) {
      [start1, start2] = [start2, start1];
      [end1, end2] = [end2, end1];
    }
    // Now start1 is the later one.
    if (end2 === null) return null;
    if (compare(start1, end2) < 0) return true;
    return end1 === null ? null : false;
  };
}
function orderPeriod<T extends Datum>(
  start: T | null,
  end: T | null,
  compare: (a: T, b: T) => number,
): [T | null, T | null] {
  if (start === null) return [end, null];
  if (end === null || compare(start, end) <= 0) return [start, end];
  return [end, start];
}

export const compareMicros = (a: Micros, b: Micros): number => (a < b ? -1 : a > b ? 1 : 0);

const texts = (modifiers: ArrayDatum): string[] => modifiers.elements.map(String);
export const precisionText = (typmod: number, suffix: string): string =>
  typmod >= 0 ? `(${typmod})${suffix}` : suffix;

const WITH = ' with time zone';
const WITHOUT = ' without time zone';

registerBuiltins({
  timestamp_in: (text: string, _typioparam: Oid, typmod?: number) => timestampIn(text, typmod ?? -1),
  timestamp_out: timestampText,
  timestamp_recv: receive,
  timestamp_send: (t: Micros) => sendInt8(t),
  timestamptz_in: (text: string, _typioparam: Oid, typmod?: number) => timestamptzIn(text, typmod ?? -1),
  timestamptz_out: timestamptzText,
  timestamptz_recv: receive,
  timestamptz_send: (t: Micros) => sendInt8(t),
  timestamptypmodin: (m: ArrayDatum) => precisionTypmod('TIMESTAMP', '', texts(m)),
  timestamptypmodout: (typmod: number) => precisionText(typmod, WITHOUT),
  timestamptztypmodin: (m: ArrayDatum) => precisionTypmod('TIMESTAMP', ' WITH TIME ZONE', texts(m)),
  timestamptztypmodout: (typmod: number) => precisionText(typmod, WITH),
  timestamp_scale: adjustTimestamp,
  timestamptz_scale: adjustTimestamp,

  timestamp_eq: (a: Micros, b: Micros) => a === b,
  timestamp_ne: (a: Micros, b: Micros) => a !== b,
  timestamp_lt: (a: Micros, b: Micros) => a < b,
  timestamp_le: (a: Micros, b: Micros) => a <= b,
  timestamp_gt: (a: Micros, b: Micros) => a > b,
  timestamp_ge: (a: Micros, b: Micros) => a >= b,
  timestamp_cmp: compareMicros,
  timestamp_larger: (a: Micros, b: Micros) => (a > b ? a : b),
  timestamp_smaller: (a: Micros, b: Micros) => (a < b ? a : b),
  timestamp_finite: isTimestampFinite,
  overlaps_timestamp: overlaps(compareMicros),

  timestamp_mi: timestampMinusTimestamp,
  timestamp_pl_interval: (t: Micros, v: Interval) => timestampPlusInterval(t, v, null),
  timestamp_mi_interval: (t: Micros, v: Interval) => timestampMinusInterval(t, v, null),
  timestamptz_pl_interval: (t: Micros, v: Interval) => timestampPlusInterval(t, v, sessionTimeZone()),
  timestamptz_mi_interval: (t: Micros, v: Interval) => timestampMinusInterval(t, v, sessionTimeZone()),
  in_range_timestamp_interval: (v: Micros, base: Micros, offset: Interval, sub: boolean, less: boolean) =>
    inRangeTimestamp(v, base, offset, sub, less, null),
  in_range_timestamptz_interval: (v: Micros, base: Micros, offset: Interval, sub: boolean, less: boolean) =>
    inRangeTimestamp(v, base, offset, sub, less, sessionTimeZone()),
  timestamp_age: (a: Micros, b: Micros) => timestampAge(a, b, null),
  timestamptz_age: (a: Micros, b: Micros) => timestampAge(a, b, sessionTimeZone()),
  timestamp_trunc: (unit: string, t: Micros) => truncateTimestamp(unit, t, null),
  timestamptz_trunc: (unit: string, t: Micros) => truncateTimestamp(unit, t, sessionTimeZone()),
  timestamptz_trunc_zone: (unit: string, t: Micros, zone: string) => {
    if (!isTimestampFinite(t)) return t;
    const meaning = zoneMeaning(zone);
    if ('rules' in meaning) return truncateTimestamp(unit, t, meaning);
    if ('west' in meaning) return timestampZone(zone, truncateTimestamp(unit, timestamptzZone(zone, t), null));
    return truncateTimestamp(unit, t, meaning.zone);
  },
  interval_trunc: truncateInterval,
  timestamp_bin: binTimestamp,
  timestamptz_bin: binTimestamp,

  timestamptz_timestamp: (t: Micros) => instantToLocal(t),
  timestamp_zone: timestampZone,
  timestamptz_zone: timestamptzZone,
  timestamp_izone: (zone: Interval, t: Micros) => (isTimestampFinite(t) ? shifted(t, intervalZone(zone)) : t),
  timestamptz_izone: (zone: Interval, t: Micros) => (isTimestampFinite(t) ? shifted(t, -intervalZone(zone)) : t),
  timetz_zone: (zone: string, t: TimeTz) => timetzShift(t, zoneNow(zone)),
  timetz_izone: (zone: Interval, t: TimeTz) => timetzShift(t, intervalZone(zone)),

  make_timestamp: localOfParts,
  make_timestamptz: (y: number, mo: number, d: number, h: number, mi: number, s: number) =>
    localToInstant(localOfParts(y, mo, d, h, mi, s)),
  make_timestamptz_at_timezone: (y: number, mo: number, d: number, h: number, mi: number, s: number, zone: string) =>
    makeTimestamptz(localOfParts(y, mo, d, h, mi, s), zone),
  float8_timestamptz: timestamptzFromFloat,

  now: () => transactionMicros(),
  statement_timestamp: () => statementMicros(),
  clock_timestamp: () => clockMicros(),
  timeofday: timeOfDayText,
});
