/** interval-encode.ts — intervals as text in the four IntervalStyles.
 *  Counterpart: src/backend/utils/adt/datetime.c (EncodeInterval) */
import { divideMicros, fraction, type Micros, remainderMicros, two, USECS_PER_HOUR } from '#adt/datetime-calendar.ts';
import { intervalStyle } from '#adt/datetime-settings.ts';
import type { Interval } from '#adt/datum.ts';

/** Broken-down interval; every field has its own sign. */
export interface IntervalParts {
  years: number;
  months: number;
  days: number;
  hours: Micros;
  minutes: number;
  seconds: number;
  micros: number;
}
const signless = (n: number): number => (n === 0 ? 0 : n);

export function intervalParts(interval: Interval): IntervalParts {
  const rest = remainderMicros(interval.micros, USECS_PER_HOUR);
  const minutes = Math.trunc(rest / 60_000_000);
  const inMinute = rest - minutes * 60_000_000;
  const seconds = Math.trunc(inMinute / 1_000_000);
  return {
    years: signless(Math.trunc(interval.months / 12)),
    months: signless(interval.months % 12),
    days: interval.days,
    hours: divideMicros(interval.micros, USECS_PER_HOUR),
    minutes: signless(minutes),
    seconds: signless(seconds),
    micros: signless(inMinute - seconds * 1_000_000),
  };
}

const size = (n: Micros): Micros => (n < 0 ? -n : n);
const twoOf = (n: Micros): string => (typeof n === 'number' ? two(n) : String(n));
const secondsText = (p: IntervalParts, fill: boolean): string => {
  const whole = Math.abs(p.seconds);
  return (fill ? two(whole) : String(whole)) + fraction(Math.abs(p.micros));
};
const isTimeNegative = (p: IntervalParts): boolean => p.hours < 0 || p.minutes < 0 || p.seconds < 0 || p.micros < 0;
const hasTime = (p: IntervalParts): boolean => p.hours !== 0 || p.minutes !== 0 || p.seconds !== 0 || p.micros !== 0;

function postgres(p: IntervalParts): string {
  let text = '';
  let previousNegative = false;
  const add = (value: number, unit: string): void => {
    if (value === 0) return;
    const sign = previousNegative && value > 0 ? '+' : '';
    text += `${text === '' ? '' : ' '}${sign}${value} ${unit}${value === 1 ? '' : 's'}`;
    previousNegative = value < 0;
  };
  add(p.years, 'year');
  add(p.months, 'mon');
  add(p.days, 'day');
  if (text === '' || hasTime(p)) {
    const sign = isTimeNegative(p) ? '-' : previousNegative ? '+' : '';
    text += `${text === '' ? '' : ' '}${sign}${twoOf(size(p.hours))}:${two(Math.abs(p.minutes))}:${secondsText(p, true)}`;
  }
  return text;
}

function postgresVerbose(p: IntervalParts): string {
  let text = '@';
  let isZero = true;
  let before = false;
  const add = (value: Micros, unit: string): void => {
    if (value === 0) return;
    let shown = value;
    if (isZero) {
      before = value < 0;
      shown = size(value);
    } else if (before) shown = -value;
    text += ` ${shown} ${unit}${shown === 1 ? '' : 's'}`;
    isZero = false;
  };
  add(p.years, 'year');
  add(p.months, 'mon');
  add(p.days, 'day');
  add(p.hours, 'hour');
  add(p.minutes, 'min');
  if (p.seconds !== 0 || p.micros !== 0) {
    text += ' ';
    if (p.seconds < 0 || (p.seconds === 0 && p.micros < 0)) {
      if (isZero) before = true;
      else if (!before) text += '-';
    } else if (before) text += '-';
    text += `${secondsText(p, false)} sec${Math.abs(p.seconds) !== 1 || p.micros !== 0 ? 's' : ''}`;
    isZero = false;
  }
  if (isZero) text += ' 0';
  return before ? `${text} ago` : text;
}

function sqlStandard(p: IntervalParts): string {
  const fields: readonly Micros[] = [p.years, p.months, p.days, p.hours, p.minutes, p.seconds, p.micros];
  const negative = fields.some((f) => f < 0);
  const positive = fields.some((f) => f > 0);
  const yearMonth = p.years !== 0 || p.months !== 0;
  const dayTime = p.days !== 0 || hasTime(p);
  const clock = (): string => `${size(p.hours)}:${two(Math.abs(p.minutes))}:${secondsText(p, true)}`;
  if (!negative && !positive) return '0';
  if ((negative && positive) || (yearMonth && dayTime)) {
    const years = `${p.years < 0 || p.months < 0 ? '-' : '+'}${Math.abs(p.years)}-${Math.abs(p.months)}`;
    const days = `${p.days < 0 ? '-' : '+'}${Math.abs(p.days)}`;
    return `${years} ${days} ${isTimeNegative(p) ? '-' : '+'}${clock()}`;
  }
  const sign = negative ? '-' : '';
  if (yearMonth) return `${sign}${Math.abs(p.years)}-${Math.abs(p.months)}`;
  return p.days !== 0 ? `${sign}${Math.abs(p.days)} ${clock()}` : sign + clock();
}

function iso8601(p: IntervalParts): string {
  const part = (value: Micros, unit: string): string => (value === 0 ? '' : `${value}${unit}`);
  let text = `P${part(p.years, 'Y')}${part(p.months, 'M')}${part(p.days, 'D')}`;
  if (hasTime(p)) {
    text += `T${part(p.hours, 'H')}${part(p.minutes, 'M')}`;
    if (p.seconds !== 0 || p.micros !== 0)
      text += `${p.seconds < 0 || p.micros < 0 ? '-' : ''}${secondsText(p, false)}S`;
  }
  return text === 'P' ? 'PT0S' : text;
}

export function intervalText(interval: Interval): string {
  const parts = intervalParts(interval);
  switch (intervalStyle()) {
    case 'postgres_verbose':
      return postgresVerbose(parts);
    case 'sql_standard':
      return sqlStandard(parts);
    case 'iso_8601':
      return iso8601(parts);
    default:
      return postgres(parts);
  }
}
