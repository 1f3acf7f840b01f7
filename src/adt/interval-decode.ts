/** interval-decode.ts — interval text: PostgreSQL's units, SQL's "1-2 3 4:05:06", ISO 8601 durations.
 *
 *  Fields are read from the right, because a unit stands behind its number. Sums are kept in int8 arithmetic with
 *  overflow checks; fractions of a unit flow down to days and microseconds.
 *  Counterpart: src/backend/utils/adt/datetime.c (DecodeInterval, DecodeISO8601Interval) */
import {
  addMicros,
  DAYS_PER_MONTH,
  fitsInt4,
  fitsInt8,
  type Micros,
  multiplyMicros,
  negateMicros,
  rint,
  USECS_PER_DAY,
  USECS_PER_HOUR,
  USECS_PER_MINUTE,
  USECS_PER_SEC,
} from '#adt/datetime-calendar.ts';
import { fractionMicros } from '#adt/datetime-decode.ts';
import { intervalStyle } from '#adt/datetime-settings.ts';
import { dateWord, type Field, refuse, unitWord } from '#adt/datetime-tokens.ts';
import { canonicalInt8 } from '#adt/datum.ts';

/** Bits of the range half of an interval's typmod. */
export const RANGE_MONTH = 1 << 1;
export const RANGE_YEAR = 1 << 2;
export const RANGE_DAY = 1 << 3;
export const RANGE_HOUR = 1 << 10;
export const RANGE_MINUTE = 1 << 11;
export const RANGE_SECOND = 1 << 12;
export const RANGE_FULL = 0x7fff;

const MASK = {
  microsecond: 1 << 14,
  millisecond: 1 << 13,
  second: 1 << 12,
  minute: 1 << 11,
  hour: 1 << 10,
  day: 1 << 3,
  week: 1 << 24,
  month: 1 << 1,
  year: 1 << 2,
  decade: 1 << 25,
  century: 1 << 26,
  millennium: 1 << 27,
} as const satisfies Record<string, number>;
const ALL_SECONDS = MASK.second | MASK.millisecond | MASK.microsecond;
const TIME = MASK.hour | MASK.minute | ALL_SECONDS;

const UNIT_MICROS = {
  microsecond: 1,
  millisecond: 1000,
  second: USECS_PER_SEC,
  minute: USECS_PER_MINUTE,
  hour: USECS_PER_HOUR,
} as const satisfies Record<string, number>;
const UNIT_YEARS = { year: 1, decade: 10, century: 100, millennium: 1000 } as const satisfies Record<string, number>;

export class IntervalSum {
  micros: Micros = 0;
  days = 0;
  months = 0;
  years = 0;

  addMicros(value: Micros, scale: number): void {
    const sum = addMicros(this.micros, scale === 1 ? value : multiplyMicros(value, scale));
    if (!fitsInt8(sum)) refuse('fieldOverflow');
    this.micros = sum;
  }
  /** `fraction` of a unit of `scale` microseconds. */
  addFraction(fraction: number, scale: number): void {
    if (fraction === 0) return;
    const exact = fraction * scale;
    let whole = Math.trunc(exact);
    const rest = exact - whole;
    if (rest > 0.5) whole++;
    else if (rest < -0.5) whole--;
    this.addMicros(whole === 0 ? 0 : whole, 1);
  }
  addDays(value: Micros, scale: number): void {
    this.days = this.small(this.days, value, scale);
  }
  addFractionDays(fraction: number, scale: number): void {
    if (fraction === 0) return;
    const exact = fraction * scale;
    const whole = Math.trunc(exact);
    this.addDays(whole, 1);
    this.addFraction(exact - whole, USECS_PER_DAY);
  }
  addMonths(value: Micros): void {
    this.months = this.small(this.months, value, 1);
  }
  addYears(value: Micros, scale: number): void {
    this.years = this.small(this.years, value, scale);
  }
  addFractionYears(fraction: number, scale: number): void {
    this.months = this.small(this.months, rint(fraction * scale * 12), 1);
  }
  private small(have: number, value: Micros, scale: number): number {
    if (typeof value === 'bigint' || !fitsInt4(value)) refuse('fieldOverflow');
    const scaled = value * scale;
    if (!fitsInt4(scaled) || !fitsInt4(have + scaled)) refuse('fieldOverflow');
    return have + scaled;
  }
  negate(): void {
    const low = -2_147_483_648;
    if (this.micros === -9_223_372_036_854_775_808n) refuse('fieldOverflow');
    if (this.days === low || this.months === low || this.years === low) refuse('fieldOverflow');
    this.micros = negateMicros(this.micros);
    this.days = 0 - this.days;
    this.months = 0 - this.months;
    this.years = 0 - this.years;
  }
}

const LEADING_INT8 = /^[+-]?[0-9]+/;
function leadingInt8(text: string): { value: Micros; length: number } {
  const match = LEADING_INT8.exec(text);
  if (match === null) return { value: 0, length: 0 };
  const value = canonicalInt8(BigInt(match[0].replace('+', '')));
  if (!fitsInt8(value)) refuse('fieldOverflow');
  return { value, length: match[0].length };
}

function parseFraction(text: string): number {
  if (text === '.') return 0;
  if (!/^\.[0-9]*(e[+-]?[0-9]+)?$/i.test(text)) refuse('badFormat');
  return Number(text);
}

/** hh:mm[:ss[.f]] into sum.micros (replacing it). */
function decodeTime(text: string, range: number, sum: IntervalSum): void {
  const match = /^([0-9]*):([0-9]*)(?::([0-9]*))?(\.[0-9]*)?$/.exec(text);
  if (match === null) refuse('badFormat');
  let hour = leadingInt8(match[1]!).value;
  let minute: Micros = Number(match[2] || 0);
  let second: Micros = Number(match[3] || 0);
  if (!fitsInt4(minute) || !fitsInt4(second)) refuse('fieldOverflow');
  // Two fields with a fraction, or a minute-to-second interval, are mm:ss.
  if (match[3] === undefined && (match[4] !== undefined || range === (RANGE_MINUTE | RANGE_SECOND))) {
    if (typeof hour === 'bigint' || !fitsInt4(hour)) refuse('fieldOverflow');
    second = minute;
    minute = hour;
    hour = 0;
  }
  const micros = match[4] === undefined ? 0 : fractionMicros(match[4]);
  if (minute > 59 || second > 60) refuse('fieldOverflow');
  sum.micros = 0;
  sum.addMicros(hour, USECS_PER_HOUR);
  sum.addMicros((minute * 60 + second) * USECS_PER_SEC + micros, 1);
}

/** The unit of a number without one, by the declared fields. */
function unitOfRange(range: number): string {
  switch (range) {
    case RANGE_YEAR:
      return 'year';
    case RANGE_MONTH:
    case RANGE_YEAR | RANGE_MONTH:
      return 'month';
    case RANGE_DAY:
      return 'day';
    case RANGE_HOUR:
    case RANGE_DAY | RANGE_HOUR:
      return 'hour';
    case RANGE_MINUTE:
    case RANGE_HOUR | RANGE_MINUTE:
    case RANGE_DAY | RANGE_HOUR | RANGE_MINUTE:
      return 'minute';
    default:
      return 'second';
  }
}

/** Adds value+fraction units; returns the mask of what this field set. */
function addUnit(sum: IntervalSum, unit: string, value: Micros, fraction: number): number {
  switch (unit) {
    case 'microsecond':
    case 'millisecond':
    case 'second':
    case 'minute':
    case 'hour':
      sum.addMicros(value, UNIT_MICROS[unit]);
      sum.addFraction(fraction, UNIT_MICROS[unit]);
      return unit === 'second' && fraction !== 0 ? ALL_SECONDS : MASK[unit];
    case 'day':
      sum.addDays(value, 1);
      sum.addFraction(fraction, USECS_PER_DAY);
      return MASK.day;
    case 'week':
      sum.addDays(value, 7);
      sum.addFractionDays(fraction, 7);
      return MASK.week;
    case 'month':
      sum.addMonths(value);
      sum.addFractionDays(fraction, DAYS_PER_MONTH);
      return MASK.month;
    case 'year':
    case 'decade':
    case 'century':
    case 'millennium':
      sum.addYears(value, UNIT_YEARS[unit]);
      sum.addFractionYears(fraction, UNIT_YEARS[unit]);
      return MASK[unit];
    default:
      refuse('badFormat');
  }
}

export function decodeInterval(fields: readonly Field[], range: number): IntervalSum {
  const sum = new IntervalSum();
  // In sql_standard style one leading minus covers all fields, unless another sign appears.
  const allNegative =
    intervalStyle() === 'sql_standard' &&
    fields[0]?.text.startsWith('-') === true &&
    !fields.some((field, i) => i > 0 && /^[+-]/.test(field.text));
  let mask = 0;
  let unit = '';
  let before = false;
  for (let i = fields.length - 1; i >= 0; i--) {
    const { text, kind } = fields[i]!;
    let added = 0;
    if (kind === 'string' || kind === 'special') {
      const word = unitWord(text) ?? dateWord(text);
      if (word === undefined) refuse('badFormat');
      unit = '';
      if (word.kind === 'ignore') continue;
      if (word.kind === 'units') unit = word.value as string;
      else if (word.kind === 'ago') {
        before = true;
        unit = 'ago';
      } else refuse('badFormat');
      continue;
    }
    if (kind === 'time') {
      decodeTime(text, range, sum);
      if (allNegative && sum.micros > 0) sum.micros = negateMicros(sum.micros);
      added = TIME;
      unit = 'day';
    } else if (kind === 'zone' && text.includes(':') && isSignedTime(text, range, sum, allNegative)) {
      added = TIME;
      unit = 'day';
    } else {
      if (unit === '') unit = unitOfRange(range);
      const parsed = leadingInt8(text);
      let value = parsed.value;
      let fraction = 0;
      const rest = text.slice(parsed.length);
      if (rest.startsWith('-')) {
        if (!/^-[0-9]*$/.test(rest)) refuse('badFormat');
        const months = Number(rest.slice(1));
        if (months >= 12) refuse('fieldOverflow');
        unit = 'month';
        value = addMicros(multiplyMicros(value, 12), text.startsWith('-') ? -months : months);
      } else if (rest.startsWith('.')) {
        fraction = parseFraction(rest);
        if (text.startsWith('-')) fraction = -fraction;
      } else if (rest !== '') refuse('badFormat');
      if (allNegative) {
        if (value > 0) value = negateMicros(value);
        if (fraction > 0) fraction = -fraction;
      }
      added = addUnit(sum, unit, value, fraction);
      if (unit === 'hour') unit = 'day';
    }
    if ((added & mask) !== 0) refuse('badFormat');
    mask |= added;
  }
  if (mask === 0) refuse('badFormat');
  if (before) sum.negate();
  return sum;
}

/** "+hh:mm[:ss]": true when it was one. */
function isSignedTime(text: string, range: number, sum: IntervalSum, allNegative: boolean): boolean {
  if (!/^[+-][0-9]*:[0-9]*(:[0-9]*)?(\.[0-9]*)?$/.test(text)) return false;
  decodeTime(text.slice(1), range, sum);
  if (text.startsWith('-')) sum.micros = negateMicros(sum.micros);
  if (allNegative && sum.micros > 0) sum.micros = negateMicros(sum.micros);
  return true;
}

class IsoScanner {
  at = 1;
  value: Micros = 0;
  fraction = 0;
  constructor(readonly text: string) {}
  peek(): string {
    return this.text[this.at] ?? '';
  }
  /** Reads one number and returns how many characters of digits its integer part has. */
  number(): number {
    const match = /^(-?)([0-9]*)(\.[0-9]*(?:[eE][+-]?[0-9]+)?)?/.exec(this.text.slice(this.at))!;
    const [all, sign, whole, fraction] = match;
    if (all === '' || all === '-' || (whole === '' && (fraction === undefined || fraction === '.')))
      refuse('badFormat');
    const value = leadingInt8(whole!).value;
    this.value = sign === '-' ? negateMicros(value) : value;
    const f = fraction === undefined || fraction === '.' ? 0 : Number(fraction);
    this.fraction = sign === '-' && f !== 0 ? -f : f;
    this.at += all.length;
    return whole!.length;
  }
}

const part = (value: Micros, divisor: bigint, modulus?: bigint): number => {
  const quotient = BigInt(value) / divisor;
  return Number(modulus === undefined ? quotient : quotient % modulus);
};

/** "P1Y2M3DT4H5M6S", "P0001-02-03T04:05:06", "P00010203T040506"; throws DecodeFailure. */
export function decodeIso8601Interval(text: string): IntervalSum {
  const sum = new IntervalSum();
  if (text.length < 2 || text[0] !== 'P') refuse('badFormat');
  const scan = new IsoScanner(text);
  let inDate = true;
  let haveField = false;
  while (scan.peek() !== '') {
    if (scan.peek() === 'T') {
      inDate = false;
      haveField = false;
      scan.at++;
      continue;
    }
    const width = scan.number();
    const unit = scan.peek();
    scan.at++;
    if (inDate) {
      const next = isoDatePart(scan, sum, unit, width, haveField);
      if (next === 'end') return sum;
      if (next === 'time') {
        inDate = false;
        haveField = false;
        continue;
      }
    } else if (isoTimePart(scan, sum, unit, width, haveField)) return sum;
    haveField = true;
  }
  return sum;
}

function isoDatePart(
  scan: IsoScanner,
  sum: IntervalSum,
  unit: string,
  width: number,
  haveField: boolean,
): 'more' | 'time' | 'end' {
  if (unit === 'Y') addUnit(sum, 'year', scan.value, scan.fraction);
  else if (unit === 'M') addUnit(sum, 'month', scan.value, scan.fraction);
  else if (unit === 'W') addUnit(sum, 'week', scan.value, scan.fraction);
  else if (unit === 'D') addUnit(sum, 'day', scan.value, scan.fraction);
  else if ((unit === 'T' || unit === '') && width === 8 && !haveField) {
    sum.addYears(part(scan.value, 10_000n), 1);
    sum.addMonths(part(scan.value, 100n, 100n));
    sum.addDays(part(scan.value, 1n, 100n), 1);
    sum.addFraction(scan.fraction, USECS_PER_DAY);
    return unit === '' ? 'end' : 'time';
  } else if (unit === 'T' || unit === '' || unit === '-') {
    if (haveField) refuse('badFormat');
    addUnit(sum, 'year', scan.value, scan.fraction);
    if (unit === '') return 'end';
    if (unit === 'T') return 'time';
    scan.number();
    addUnit(sum, 'month', scan.value, scan.fraction);
    if (scan.peek() === '') return 'end';
    if (scan.peek() === 'T') {
      scan.at++;
      return 'time';
    }
    if (scan.peek() !== '-') refuse('badFormat');
    scan.at++;
    scan.number();
    addUnit(sum, 'day', scan.value, scan.fraction);
    if (scan.peek() === '') return 'end';
    if (scan.peek() !== 'T') refuse('badFormat');
    scan.at++;
    return 'time';
  } else refuse('badFormat');
  return 'more';
}

/** True at the end of the text. */
function isoTimePart(scan: IsoScanner, sum: IntervalSum, unit: string, width: number, haveField: boolean): boolean {
  if (unit === 'H') addUnit(sum, 'hour', scan.value, scan.fraction);
  else if (unit === 'M') addUnit(sum, 'minute', scan.value, scan.fraction);
  else if (unit === 'S') addUnit(sum, 'second', scan.value, scan.fraction);
  else if (unit === '' && width === 6 && !haveField) {
    sum.addMicros(part(scan.value, 10_000n), USECS_PER_HOUR);
    sum.addMicros(part(scan.value, 100n, 100n), USECS_PER_MINUTE);
    sum.addMicros(part(scan.value, 1n, 100n), USECS_PER_SEC);
    sum.addFraction(scan.fraction, 1);
    return true;
  } else if (unit === '' || unit === ':') {
    if (haveField) refuse('badFormat');
    addUnit(sum, 'hour', scan.value, scan.fraction);
    if (unit === '') return true;
    scan.number();
    addUnit(sum, 'minute', scan.value, scan.fraction);
    if (scan.peek() === '') return true;
    if (scan.peek() !== ':') refuse('badFormat');
    scan.at++;
    scan.number();
    addUnit(sum, 'second', scan.value, scan.fraction);
    if (scan.peek() !== '') refuse('badFormat');
    return true;
  } else refuse('badFormat');
  return false;
}
