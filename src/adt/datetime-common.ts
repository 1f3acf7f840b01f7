/** datetime-common.ts — refusals, precision and conversions that date, time and timestamp share.
 *  Counterpart: src/backend/utils/adt/timestamp.c (anytimestamp_typmod_check, AdjustTimestampForTypmod) */
import {
  addMicros,
  dayOfTimestamp,
  isTimestampFinite,
  isValidTimestamp,
  joinTimestamp,
  type Micros,
  microsOfTimestamp,
  newTm,
  dayFromCivil,
  timeOfDay,
  type Tm,
  USECS_PER_SEC,
} from '#adt/datetime-calendar.ts';
import { breakDown } from '#adt/datetime-clock.ts';
import { sessionTimeZone, type TimeZone, zoneOffsetOfLocal } from '#adt/timezone.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export const PRECISION_MAX = 6;

export function timestampOutOfRange(): never {
  report('ERROR', { code: SQLSTATE.datetimeFieldOverflow, message: 'timestamp out of range' });
}
export function timestampTextOutOfRange(text: string): never {
  report('ERROR', { code: SQLSTATE.datetimeFieldOverflow, message: `timestamp out of range: "${text}"` });
}
export function dateOutOfRange(): never {
  report('ERROR', { code: SQLSTATE.datetimeFieldOverflow, message: 'date out of range' });
}
export function dateTextOutOfRange(text: string): never {
  report('ERROR', { code: SQLSTATE.datetimeFieldOverflow, message: `date out of range: "${text}"` });
}
export function intervalOutOfRange(): never {
  report('ERROR', { code: SQLSTATE.datetimeFieldOverflow, message: 'interval out of range' });
}
export function timeOutOfRange(): never {
  report('ERROR', { code: SQLSTATE.datetimeFieldOverflow, message: 'time out of range' });
}

const POWERS = [1_000_000, 100_000, 10_000, 1000, 100, 10, 1] as const;

/** Microseconds rounded to `precision` digits, halves away from zero. */
export function roundMicros(micros: Micros, precision: number): Micros {
  if (precision < 0 || precision >= PRECISION_MAX) return micros;
  const unit = POWERS[precision]!;
  const half = unit / 2;
  if (typeof micros === 'number') {
    const r = micros % unit;
    if (r === 0) return micros;
    if (micros >= 0) return r >= half ? micros - r + unit : micros - r;
    const rounded = -r >= half ? micros - r - unit : micros - r;
    return rounded === 0 ? 0 : rounded;
  }
  const u = BigInt(unit);
  const shifted = micros >= 0n ? micros + BigInt(half) : micros - BigInt(half);
  return addMicros(shifted - (shifted % u), 0);
}

/** The complaint about timestamp(7) and friends when read from a typmod at run time. */
export function adjustTimestamp(t: Micros, typmod: number): Micros {
  if (!isTimestampFinite(t) || typmod === -1 || typmod === PRECISION_MAX) return t;
  if (typmod < 0 || typmod > PRECISION_MAX)
    report('ERROR', {
      code: SQLSTATE.invalidParameterValue,
      message: `timestamp(${typmod}) precision must be between 0 and 6`,
    });
  return roundMicros(t, typmod);
}

/** typmodin of time and timestamp types: one non-negative number, at most 6 (else a warning and 6). */
export function precisionTypmod(label: string, suffix: string, values: readonly string[]): number {
  if (values.length !== 1) report('ERROR', { code: SQLSTATE.invalidParameterValue, message: 'invalid type modifier' });
  const precision = Number(values[0]);
  if (precision < 0)
    report('ERROR', {
      code: SQLSTATE.invalidParameterValue,
      message: `${label}(${precision})${suffix} precision must not be negative`,
    });
  if (precision > PRECISION_MAX) {
    report('WARNING', {
      code: SQLSTATE.invalidParameterValue,
      message: `${label}(${precision})${suffix} precision reduced to maximum allowed, 6`,
    });
    return PRECISION_MAX;
  }
  return precision;
}

/** The timestamp of a broken-down local time `west` seconds west of UTC, or null when out of range. */
export function timestampOfTm(tm: Tm, west: number): Micros | null {
  const t = joinTimestamp(dayFromCivil(tm.year, tm.month, tm.day), timeOfDay(tm) + west * USECS_PER_SEC);
  return isValidTimestamp(t) ? t : null;
}

const scratch = newTm();
/** A local timestamp taken as a time in `zone` (default: the session's). */
export function localToInstant(t: Micros, zone: TimeZone = sessionTimeZone()): Micros {
  if (!isTimestampFinite(t)) return t;
  breakDown(t, null, scratch);
  const west = zoneOffsetOfLocal(scratch, zone);
  const instant = addMicros(t, west * USECS_PER_SEC);
  if (!isValidTimestamp(instant)) timestampOutOfRange();
  return instant;
}
/** An instant as the local timestamp that clocks in `zone` show. */
export function instantToLocal(t: Micros, zone: TimeZone = sessionTimeZone()): Micros {
  if (!isTimestampFinite(t)) return t;
  const west = breakDown(t, zone, scratch);
  const local = addMicros(t, -west * USECS_PER_SEC);
  if (!isValidTimestamp(local)) timestampOutOfRange();
  return local;
}
/** Days and time of day of a finite local timestamp. */
export function splitLocal(t: Micros): { day: number; micros: number } {
  const day = dayOfTimestamp(t);
  return { day, micros: microsOfTimestamp(t, day) };
}
