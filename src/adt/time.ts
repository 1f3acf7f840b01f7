/** time.ts — the types time and timetz.
 *
 *  A time is microseconds of a day, 24:00:00 included. A timetz also has seconds west of UTC; two of them are ordered
 *  by the instant they name, then by zone, so that equal means identical.
 *  Counterpart: src/backend/utils/adt/date.c (time_*, timetz_*) */
import {
  addMicros,
  dayOfTimestamp,
  type Micros,
  microsOfTimestamp,
  newTm,
  remainderMicros,
  setTimeOfDay,
  timeOfDay,
  USECS_PER_DAY,
  USECS_PER_SEC,
  joinTimestamp,
  isDateFinite,
  isTimestampFinite,
  isValidTimestamp,
} from '#adt/datetime-calendar.ts';
import { clockMicrosOf, comparisons, dateToTimestamp, pad } from '#adt/date.ts';
import { breakDown } from '#adt/datetime-clock.ts';
import { precisionTypmod, roundMicros, timestampOutOfRange } from '#adt/datetime-common.ts';
import { decodeTimeOnly } from '#adt/datetime-decode.ts';
import { timeText, zoneText } from '#adt/datetime-encode.ts';
import { DecodeFailure, reportDecodeError } from '#adt/datetime-tokens.ts';
import type { ArrayDatum, Interval, TimeTz } from '#adt/datum.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import { compareIntervals, interval } from '#adt/interval.ts';
import { overlaps, precisionText, secondText } from '#adt/timestamp.ts';
import { sessionTimeZone, zoneOffsetOfLocal } from '#adt/timezone.ts';
import { currentTm } from '#adt/datetime-clock.ts';
import { invalidWindowOffset } from '#adt/value-errors.ts';
import { expectLength, receiveInt8, sendInt8 } from '#adt/wire.ts';
import type { Oid } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const TWELVE_ZONES = 15 * 3600 + 59 * 60 + 59;

const scale = (micros: number, typmod: number): number =>
  typmod === undefined || typmod < 0 ? micros : (roundMicros(micros, typmod) as number);
const timetz = (micros: number, zone: number): TimeTz => ({ kind: 'timetz', micros, zone });
const modDay = (micros: Micros): number => microsOfTimestamp(micros, dayOfTimestamp(micros));

function decode(text: string, typeName: string): { micros: number; west: number } {
  try {
    const { tm, west } = decodeTimeOnly(text);
    return { micros: timeOfDay(tm), west };
  } catch (caught) {
    if (caught instanceof DecodeFailure) reportDecodeError(caught.reason, text, typeName);
    throw caught;
  }
}
export const timeIn = (text: string, typmod = -1): number => scale(decode(text, 'time').micros, typmod);
export function timetzIn(text: string, typmod = -1): TimeTz {
  const { micros, west } = decode(text, 'time with time zone');
  return timetz(scale(micros, typmod), west);
}
function checkedTime(micros: Micros): number {
  if (micros < 0 || micros > USECS_PER_DAY)
    report('ERROR', { code: SQLSTATE.datetimeFieldOverflow, message: 'time out of range' });
  return Number(micros);
}
function timetzRecv(bytes: Uint8Array, _typioparam: Oid, typmod: number): TimeTz {
  expectLength(bytes, 12);
  const micros = checkedTime(receiveInt8(bytes.subarray(0, 8)));
  const zone = new DataView(bytes.buffer, bytes.byteOffset).getInt32(8);
  if (zone < -TWELVE_ZONES || zone > TWELVE_ZONES)
    report('ERROR', {
      code: SQLSTATE.invalidTimeZoneDisplacementValue,
      message: 'time zone displacement out of range',
    });
  return timetz(scale(micros, typmod), zone);
}
function timetzSend(t: TimeTz): Uint8Array {
  const bytes = new Uint8Array(12);
  bytes.set(sendInt8(t.micros));
  new DataView(bytes.buffer).setInt32(8, t.zone);
  return bytes;
}

export const compareTimes = (a: number, b: number): number => (a < b ? -1 : a > b ? 1 : 0);
export function compareTimetz(a: TimeTz, b: TimeTz): number {
  const instantA = a.micros + a.zone * USECS_PER_SEC;
  const instantB = b.micros + b.zone * USECS_PER_SEC;
  return compareTimes(instantA, instantB) || compareTimes(a.zone, b.zone);
}

const timePlus = (t: number, v: Interval, sign: 1 | -1): number =>
  modDay(addMicros(t, sign * remainderMicros(v.micros, USECS_PER_DAY)));

function makeTime(hour: number, minute: number, second: number): number {
  const micros = clockMicrosOf(hour, minute, second);
  if (micros === null)
    report('ERROR', {
      code: SQLSTATE.datetimeFieldOverflow,
      message: `time field value out of range: ${hour}:${pad(minute)}:${secondText(second)}`,
    });
  return micros;
}

const tm = newTm();
/** A bare time gets the offset the session's zone has today. */
function timeToTimetz(micros: number): TimeTz {
  currentTm(tm);
  setTimeOfDay(micros, tm);
  return timetz(micros, zoneOffsetOfLocal(tm, sessionTimeZone()));
}
function timestamptzToTimetz(t: Micros): TimeTz | null {
  if (!isTimestampFinite(t)) return null;
  const west = breakDown(t, sessionTimeZone(), tm);
  return timetz(timeOfDay(tm), west);
}
function timestamptzToTime(t: Micros): number | null {
  if (!isTimestampFinite(t)) return null;
  breakDown(t, sessionTimeZone(), tm);
  return timeOfDay(tm);
}
function dateTimetzToTimestamptz(date: number, t: TimeTz): Micros {
  if (!isDateFinite(date)) return dateToTimestamp(date);
  const midnight = dateToTimestamp(date);
  const sum = joinTimestamp(dayOfTimestamp(midnight), t.micros + t.zone * USECS_PER_SEC);
  if (!isValidTimestamp(sum))
    report('ERROR', { code: SQLSTATE.datetimeFieldOverflow, message: 'date out of range for timestamp' });
  return sum;
}
function dateTimeToTimestamp(date: number, t: number): Micros {
  const midnight = dateToTimestamp(date);
  if (!isTimestampFinite(midnight)) return midnight;
  const sum = addMicros(midnight, t);
  if (!isValidTimestamp(sum)) timestampOutOfRange();
  return sum;
}
/** An interval without its days; negative ones count from the day's end. */
const intervalToTime = (v: Interval): number => modDay(v.micros);

function inRangeTime(v: number, base: number, offset: Interval, sub: boolean, less: boolean): boolean {
  if (compareIntervals(interval(0, 0, offset.micros), interval(0, 0, 0)) < 0) invalidWindowOffset();
  const sum = sub ? base - Number(offset.micros) : base + Number(offset.micros);
  return less ? v <= sum : v >= sum;
}
function inRangeTimetz(v: TimeTz, base: TimeTz, offset: Interval, sub: boolean, less: boolean): boolean {
  if (offset.micros < 0) invalidWindowOffset();
  const sum = sub ? base.micros - Number(offset.micros) : base.micros + Number(offset.micros);
  const compared = compareTimetz(v, timetz(sum, base.zone));
  return less ? compared <= 0 : compared >= 0;
}
const texts = (modifiers: ArrayDatum): string[] => modifiers.elements.map(String);

registerBuiltins({
  time_in: (text: string, _typioparam: Oid, typmod?: number) => timeIn(text, typmod ?? -1),
  time_out: timeText,
  time_recv: (bytes: Uint8Array, _typioparam: Oid, typmod: number) => scale(checkedTime(receiveInt8(bytes)), typmod),
  time_send: (t: number) => sendInt8(t),
  timetypmodin: (m: ArrayDatum) => precisionTypmod('TIME', '', texts(m)),
  timetypmodout: (typmod: number) => precisionText(typmod, ' without time zone'),
  time_scale: scale,
  ...comparisons<number, number>('time', '', compareTimes),
  time_larger: (a: number, b: number) => Math.max(a, b),
  time_smaller: (a: number, b: number) => Math.min(a, b),
  overlaps_time: overlaps<number>(compareTimes),
  time_interval: (t: number) => interval(0, 0, t),
  interval_time: intervalToTime,
  time_mi_time: (a: number, b: number) => interval(0, 0, a - b),
  time_pl_interval: (t: number, v: Interval) => timePlus(t, v, 1),
  time_mi_interval: (t: number, v: Interval) => timePlus(t, v, -1),
  in_range_time_interval: inRangeTime,
  make_time: makeTime,
  timestamp_time: (t: Micros) => (isTimestampFinite(t) ? modDay(t) : null),
  timestamptz_time: timestamptzToTime,
  datetime_timestamp: dateTimeToTimestamp,

  timetz_in: (text: string, _typioparam: Oid, typmod?: number) => timetzIn(text, typmod ?? -1),
  timetz_out: (t: TimeTz) => timeText(t.micros) + zoneText(t.zone),
  timetz_recv: timetzRecv,
  timetz_send: timetzSend,
  timetztypmodin: (m: ArrayDatum) => precisionTypmod('TIME', ' WITH TIME ZONE', texts(m)),
  timetztypmodout: (typmod: number) => precisionText(typmod, ' with time zone'),
  timetz_scale: (t: TimeTz, typmod: number) => timetz(scale(t.micros, typmod), t.zone),
  ...comparisons<TimeTz, TimeTz>('timetz', '', compareTimetz),
  timetz_larger: (a: TimeTz, b: TimeTz) => (compareTimetz(a, b) > 0 ? a : b),
  timetz_smaller: (a: TimeTz, b: TimeTz) => (compareTimetz(a, b) < 0 ? a : b),
  overlaps_timetz: overlaps<TimeTz>(compareTimetz),
  timetz_pl_interval: (t: TimeTz, v: Interval) => timetz(timePlus(t.micros, v, 1), t.zone),
  timetz_mi_interval: (t: TimeTz, v: Interval) => timetz(timePlus(t.micros, v, -1), t.zone),
  in_range_timetz_interval: inRangeTimetz,
  timetz_time: (t: TimeTz) => t.micros,
  time_timetz: timeToTimetz,
  timestamptz_timetz: timestamptzToTimetz,
  datetimetz_timestamptz: dateTimetzToTimestamptz,
});
