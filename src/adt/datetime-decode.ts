/** datetime-decode.ts — what the fields of a date/time text mean together.
 *
 *  A mask of what is already known (year, month, day, time, zone …) drives the decisions: a field that would set
 *  something twice is an error, and ambiguous numbers are read in DateStyle's order. Refusals are thrown as
 *  DecodeFailure and worded by the input functions.
 *  Counterpart: src/backend/utils/adt/datetime.c (DecodeDateTime, DecodeTimeOnly) */
import {
  civilFromDay,
  dayFromCivil,
  daysInMonth,
  newTm,
  POSTGRES_EPOCH_JDATE,
  rint,
  setTimeOfDay,
  type Tm,
  USECS_PER_DAY,
  USECS_PER_SEC,
} from '#adt/datetime-calendar.ts';
import { currentTm } from '#adt/datetime-clock.ts';
import { dateOrder } from '#adt/datetime-settings.ts';
import { dateWord, digits, type Field, leadingInt, refuse, splitFields } from '#adt/datetime-tokens.ts';
import {
  abbreviationOffsetOfLocal,
  findAbbreviation,
  findTimeZone,
  sessionTimeZone,
  type TimeZone,
  zoneOffsetOfLocal,
} from '#adt/timezone.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const MONTH = 1 << 1;
const YEAR = 1 << 2;
const DAY = 1 << 3;
const TZ = 1 << 5;
const DTZ = 1 << 6;
const AMPM = 1 << 9;
const HOUR = 1 << 10;
const MINUTE = 1 << 11;
const SECOND = 1 << 12;
const MILLISECOND = 1 << 13;
const MICROSECOND = 1 << 14;
const DOY = 1 << 15;
const DOW = 1 << 16;
const ADBC = 1 << 18;
const DTZMOD = 1 << 28;
const DATE = YEAR | MONTH | DAY;
const TIME = HOUR | MINUTE | SECOND | MILLISECOND | MICROSECOND;

export type Special = 'date' | 'epoch' | 'infinity' | '-infinity';
export interface Decoded {
  readonly tm: Tm;
  /** Seconds west of UTC. */
  readonly west: number;
  readonly special: Special;
}

export function zoneNotRecognized(name: string): never {
  report('ERROR', { code: SQLSTATE.invalidParameterValue, message: `time zone "${name}" not recognized` });
}

/** ".123" to microseconds; anything behind the digits is an error. */
export function fractionMicros(text: string): number {
  if (text === '.') return 0;
  if (!/^\.[0-9]*$/.test(text)) refuse('badFormat');
  return rint(Number(text) * USECS_PER_SEC);
}

/** Seconds west of "+hh[:mm[:ss]]", "+hhmm"; refuses anything else. */
export function decodeNumericZone(text: string): number {
  if (text[0] !== '+' && text[0] !== '-') refuse('badFormat');
  const match = /^[+-]([0-9]*)(?::([0-9]*)(?::([0-9]*))?)?/.exec(text)!;
  let hours = Number(match[1] || 0);
  let minutes = Number(match[2] || 0);
  const seconds = Number(match[3] || 0);
  if (hours > 2_147_483_647 || minutes > 2_147_483_647 || seconds > 2_147_483_647) refuse('zoneOverflow');
  if (match[2] === undefined && match[0].length === text.length && text.length > 3) {
    minutes = hours % 100;
    hours = Math.trunc(hours / 100);
  }
  if (hours > 15 || minutes > 59 || seconds > 59) refuse('zoneOverflow');
  const size = (hours * 60 + minutes) * 60 + seconds;
  if (match[0].length !== text.length) refuse('badFormat');
  return text[0] === '-' || size === 0 ? size : -size;
}

/** hh:mm[:ss[.ffffff]] or mm:ss.ffffff into `tm`. */
export function decodeTime(text: string, tm: Tm): void {
  const first = leadingInt(text);
  if (text[first.end] !== ':') refuse('badFormat');
  const second = leadingInt(text, first.end + 1);
  tm.hour = first.value;
  tm.minute = second.value;
  tm.second = 0;
  tm.micros = 0;
  const after = text[second.end];
  if (after === '.') {
    tm.micros = fractionMicros(text.slice(second.end));
    tm.second = tm.minute;
    tm.minute = tm.hour;
    tm.hour = 0;
  } else if (after === ':') {
    const third = leadingInt(text, second.end + 1);
    tm.second = third.value;
    if (text[third.end] === '.') tm.micros = fractionMicros(text.slice(third.end));
    else if (third.end !== text.length) refuse('badFormat');
  } else if (after !== undefined) refuse('badFormat');
  if (tm.hour < 0 || tm.minute < 0 || tm.minute > 59 || tm.second < 0 || tm.second > 60) refuse('fieldOverflow');
}

/** True when the time of day is beyond 24:00:00. */
export function timeOverflows(tm: Tm): boolean {
  if (tm.hour < 0 || tm.hour > 24 || tm.minute < 0 || tm.minute > 59 || tm.second < 0 || tm.second > 60) return true;
  if (tm.micros < 0 || tm.micros > USECS_PER_SEC) return true;
  return ((tm.hour * 60 + tm.minute) * 60 + tm.second) * USECS_PER_SEC + tm.micros > USECS_PER_DAY;
}

/** Runs of digits or letters. The one character behind each run is dropped, whatever it is. */
function datePieces(text: string): string[] {
  const pieces: string[] = [];
  const scan = /[^0-9A-Za-z]*([0-9]+|[A-Za-z]+)?[\s\S]?/y;
  for (let at = 0; at < text.length; at = scan.lastIndex) {
    scan.lastIndex = at;
    const piece = scan.exec(text)?.[1];
    if (piece === undefined) refuse('badFormat');
    pieces.push(piece);
  }
  return pieces;
}

class Decoder {
  readonly tm = newTm();
  west = 0;
  special: Special = 'date';
  mask = 0;
  private prefix = '';
  private twoDigitYear = false;
  private bc = false;
  private julian = false;
  private textMonth = false;
  private meridian = '';
  private namedZone: TimeZone | null = null;
  private abbrevZone: TimeZone | null = null;
  private abbrev = '';

  constructor(
    private readonly fields: readonly Field[],
    private readonly timeOnly: boolean,
  ) {}

  run(): Decoded {
    for (let i = 0; i < this.fields.length; i++) {
      const added = this.field(this.fields[i]!, i);
      if ((added & this.mask) !== 0) refuse('badFormat');
      this.mask |= added;
    }
    if (this.prefix !== '') refuse('badFormat');
    if (this.timeOnly) this.finishTime();
    else if (this.special === 'date') this.finishDate();
    return { tm: this.tm, west: this.west, special: this.special };
  }

  /** Mask to be used for numbers: a lone time never starts with a date. */
  private get numberMask(): number {
    return this.timeOnly ? this.mask | DATE : this.mask;
  }

  private field(field: Field, index: number): number {
    switch (field.kind) {
      case 'date':
        return this.timeOnly ? this.dateFieldOfTime(field, index) : this.dateField(field);
      case 'time':
        this.endTimePrefix();
        decodeTime(field.text, this.tm);
        if (!this.timeOnly && timeOverflows(this.tm)) refuse('fieldOverflow');
        return TIME;
      case 'zone':
        this.west = decodeNumericZone(field.text);
        return TZ;
      case 'number':
        return this.prefix !== '' ? this.labelledNumber(field.text) : this.numberField(field, index);
      default:
        return this.wordField(field.text);
    }
  }

  private endTimePrefix(): void {
    if (this.prefix === '') return;
    if (this.prefix !== 'time') refuse('badFormat');
    this.prefix = '';
  }

  private dateField(field: Field): number {
    const text = field.text;
    if (this.prefix === 'julian') {
      const { value, end } = leadingInt(text);
      if (value < 0) refuse('fieldOverflow');
      civilFromDay(value - POSTGRES_EPOCH_JDATE, this.tm);
      this.julian = true;
      this.west = decodeNumericZone(text.slice(end));
      this.prefix = '';
      return DATE | TIME | TZ;
    }
    if (this.prefix === '' && (this.mask & (MONTH | DAY)) !== (MONTH | DAY)) return this.decodeDate(text);
    if (this.prefix === '' && !/^[0-9]/.test(text)) return this.zoneName(text);
    this.endTimePrefix();
    if ((this.mask & TIME) === TIME) refuse('badFormat');
    return this.timeWithZone(text);
  }

  private dateFieldOfTime(field: Field, index: number): number {
    const last = this.fields[this.fields.length - 1]!;
    if (index === 0 && this.fields.length >= 2 && (last.kind === 'date' || this.fields[1]!.kind === 'time'))
      return this.decodeDate(field.text);
    if (!/^[0-9]/.test(field.text)) return this.zoneName(field.text);
    if ((this.mask & TIME) === TIME) refuse('badFormat');
    return this.timeWithZone(field.text);
  }

  /** "hhmmss-zz" */
  private timeWithZone(text: string): number {
    const dash = text.indexOf('-');
    if (dash < 0) refuse('badFormat');
    this.west = decodeNumericZone(text.slice(dash));
    return this.concatenated(text.slice(0, dash), this.numberMask) | TZ;
  }

  private zoneName(text: string): number {
    this.namedZone = findTimeZone(text);
    if (this.namedZone === null) zoneNotRecognized(text);
    return TZ;
  }

  /** A number that the field before it named: "J2451187", "T040506". */
  private labelledNumber(text: string): number {
    const { value, end } = leadingInt(text);
    const rest = text.slice(end);
    if (rest !== '' && rest[0] !== '.') refuse('badFormat');
    const label = this.prefix;
    this.prefix = '';
    if (label === 'julian') {
      if (value < 0) refuse('fieldOverflow');
      civilFromDay(value - POSTGRES_EPOCH_JDATE, this.tm);
      this.julian = true;
      if (rest === '') return DATE;
      if (!/^\.[0-9]*$/.test(rest)) refuse('badFormat');
      setTimeOfDay(Math.trunc(Number(`0${rest}`) * USECS_PER_DAY), this.tm);
      return DATE | TIME;
    }
    if (label === 'time') {
      const added = this.concatenated(text, this.mask | DATE);
      if (added !== TIME) refuse('badFormat');
      return added;
    }
    return this.lettered(label, value, rest);
  }

  /** "y2001m02d04h05m06s07" */
  private lettered(label: string, value: number, rest: string): number {
    const tm = this.tm;
    switch (label) {
      case 'year':
        tm.year = value;
        return YEAR;
      case 'month':
        // A second m behind hours means minutes.
        if ((this.mask & MONTH) !== 0 && (this.mask & HOUR) !== 0) {
          tm.minute = value;
          return MINUTE;
        }
        tm.month = value;
        return MONTH;
      case 'day':
        tm.day = value;
        return DAY;
      case 'hour':
        tm.hour = value;
        return HOUR;
      case 'minute':
        tm.minute = value;
        return MINUTE;
      case 'second':
        tm.second = value;
        if (rest === '') return SECOND;
        tm.micros = fractionMicros(rest);
        return SECOND | MILLISECOND | MICROSECOND;
      default:
        refuse('badFormat');
    }
  }

  private numberField(field: Field, index: number): number {
    const text = field.text;
    const dot = text.indexOf('.');
    if (this.timeOnly) {
      if (dot >= 0) {
        const last = this.fields[this.fields.length - 1]!;
        if (index === 0 && this.fields.length >= 2 && last.kind === 'date') return this.decodeDate(text);
        if (dot > 2) return this.concatenated(text, this.numberMask);
        refuse('badFormat');
      }
      if (text.length > 4) return this.concatenated(text, this.numberMask);
      return this.decodeNumber(text, this.numberMask);
    }
    if (dot >= 0 && (this.mask & DATE) === 0) return this.decodeDate(text);
    if (dot > 2) return this.concatenated(text, this.mask);
    // Six digits are a date or a time, unless both are known: then they must be a year.
    if (text.length >= 6 && ((this.mask & DATE) === 0 || (this.mask & TIME) === 0))
      return this.concatenated(text, this.mask);
    return this.decodeNumber(text, this.mask);
  }

  private wordField(text: string): number {
    const zone = findAbbreviation(text);
    if (zone !== undefined) {
      if (typeof zone.value === 'number') {
        this.tm.isDst = zone.isDst ? 1 : 0;
        this.west = zone.value === 0 ? 0 : -zone.value;
        return zone.isDst ? TZ | DTZ : TZ;
      }
      this.abbrevZone = findTimeZone(zone.value);
      this.abbrev = text;
      return TZ;
    }
    const word = dateWord(text);
    if (word === undefined) {
      this.namedZone = findTimeZone(text);
      if (this.namedZone === null) refuse('badFormat');
      return TZ;
    }
    switch (word.kind) {
      case 'ignore':
        return 0;
      case 'reserved':
        return this.timeOnly ? this.reservedTime(word.value as string) : this.reserved(word.value as string);
      case 'month':
        if (this.timeOnly) refuse('badFormat');
        return this.monthWord(word.value as number);
      case 'dstmod':
        this.tm.isDst = 1;
        this.west -= word.value as number;
        return DTZMOD | DTZ;
      case 'ampm':
        this.meridian = word.value as string;
        return AMPM;
      case 'adbc':
        this.bc = word.value === 'bc';
        return ADBC;
      case 'weekday':
        if (this.timeOnly) refuse('badFormat');
        this.tm.weekday = word.value as number;
        return DOW;
      case 'isotime':
        // Only sensible behind a complete date.
        if (!this.timeOnly && (this.mask & DATE) !== DATE) refuse('badFormat');
        if (this.prefix !== '') refuse('badFormat');
        this.prefix = 'time';
        return 0;
      case 'units':
        if (this.prefix !== '') refuse('badFormat');
        this.prefix = word.value as string;
        return 0;
      default:
        refuse('badFormat');
    }
  }

  private monthWord(month: number): number {
    let added = MONTH;
    // "3 january": the number was taken for a month before the word told better.
    if (
      (this.mask & MONTH) !== 0 &&
      !this.textMonth &&
      (this.mask & DAY) === 0 &&
      this.tm.month >= 1 &&
      this.tm.month <= 31
    ) {
      this.tm.day = this.tm.month;
      added = DAY;
    }
    this.textMonth = true;
    this.tm.month = month;
    return added;
  }

  private reserved(name: string): number {
    const tm = this.tm;
    switch (name) {
      case 'now':
        this.west = currentTm(tm);
        return DATE | TIME | TZ;
      case 'today':
      case 'yesterday':
      case 'tomorrow': {
        const now = newTm();
        currentTm(now);
        const shift = name === 'today' ? 0 : name === 'tomorrow' ? 1 : -1;
        civilFromDay(dayFromCivil(now.year, now.month, now.day) + shift, tm);
        return DATE;
      }
      case 'allballs':
        tm.hour = tm.minute = tm.second = tm.micros = 0;
        this.west = 0;
        return TIME | TZ;
      default:
        this.special = name as Special;
        return DATE | TIME | TZ;
    }
  }
  private reservedTime(name: string): number {
    if (name === 'now') {
      const now = newTm();
      currentTm(now);
      this.tm.hour = now.hour;
      this.tm.minute = now.minute;
      this.tm.second = now.second;
      this.tm.micros = now.micros;
      return TIME;
    }
    if (name !== 'allballs') refuse('badFormat');
    this.tm.isDst = 0;
    return TIME | TZ;
  }

  /** A date in one field: "1999-01-08", "8-Jan-1999", "1999.008". */
  private decodeDate(text: string): number {
    const words = datePieces(text);
    let known = this.mask;
    let added = 0;
    const add = (bits: number): void => {
      if ((known & bits) !== 0) refuse('badFormat');
      known |= bits;
      added |= bits;
    };
    let haveMonth = false;
    for (const part of words) {
      if (!/^[A-Za-z]/.test(part)) continue;
      const word = dateWord(part);
      if (word?.kind === 'ignore') continue;
      if (word?.kind !== 'month') refuse('badFormat');
      this.tm.month = word.value as number;
      haveMonth = true;
      add(MONTH);
    }
    for (const part of words) if (/^[0-9]/.test(part)) add(this.decodeNumber(part, known, haveMonth));
    if ((known & ~(DOY | TZ)) !== DATE) refuse('badFormat');
    return added;
  }

  /** One number of a date, read by what is known already. */
  private decodeNumber(text: string, known: number, haveMonth = this.textMonth): number {
    const tm = this.tm;
    const length = text.length;
    const { value, end } = leadingInt(text);
    if (end === 0) refuse('badFormat');
    if (text[end] === '.') {
      if (end > 2) return this.concatenated(text, known | DATE);
      tm.micros = fractionMicros(text.slice(end));
    } else if (end !== length) refuse('badFormat');
    if (length === 3 && (known & DATE) === YEAR && value >= 1 && value <= 366) {
      tm.yearDay = value;
      return DOY | MONTH | DAY;
    }
    const order = dateOrder();
    const asYear = (): number => {
      tm.year = value;
      this.twoDigitYear = length <= 2;
      return YEAR;
    };
    const asMonth = (): number => {
      tm.month = value;
      return MONTH;
    };
    const asDay = (): number => {
      tm.day = value;
      return DAY;
    };
    switch (known & DATE) {
      case 0:
        if (length >= 3 || order === 'YMD') return asYear();
        return order === 'DMY' ? asDay() : asMonth();
      case YEAR:
      case DAY:
        return asMonth();
      case MONTH:
        return haveMonth && (length >= 3 || order === 'YMD') ? asYear() : asDay();
      case YEAR | MONTH:
        if (haveMonth && length >= 3 && this.twoDigitYear) {
          // "12-Jan-2001" in YMD order: the first number was the day after all.
          tm.day = tm.year;
          tm.year = value;
          this.twoDigitYear = false;
          return DAY;
        }
        return asDay();
      case MONTH | DAY:
        return asYear();
      case DATE:
        return this.concatenated(text, known);
      default:
        refuse('badFormat');
    }
  }

  /** Digits run together: yymmdd, yyyymmdd, hhmm, hhmmss, each perhaps with a fraction. */
  private concatenated(text: string, known: number): number {
    const tm = this.tm;
    let body = text;
    const dot = text.indexOf('.');
    if (dot >= 0) {
      const tail = /^\.[0-9]*/.exec(text.slice(dot))![0];
      tm.micros = tail === '.' ? 0 : rint(Number(tail) * USECS_PER_SEC);
      body = text.slice(0, dot);
    } else if ((known & DATE) !== DATE && body.length >= 6) {
      const n = body.length;
      tm.day = digits(body.slice(n - 2));
      tm.month = digits(body.slice(n - 4, n - 2));
      tm.year = digits(body.slice(0, n - 4));
      if (tm.year > 2_147_483_647) tm.year = -1;
      if (n - 4 === 2) this.twoDigitYear = true;
      return DATE;
    }
    if ((known & TIME) !== TIME && (body.length === 6 || body.length === 4)) {
      tm.hour = digits(body.slice(0, 2));
      tm.minute = digits(body.slice(2, 4));
      tm.second = body.length === 6 ? digits(body.slice(4)) : 0;
      return TIME;
    }
    refuse('badFormat');
  }

  private validateDate(): void {
    const tm = this.tm;
    if ((this.mask & YEAR) !== 0 && !this.julian) {
      if (this.bc) {
        if (tm.year <= 0) refuse('fieldOverflow');
        tm.year = -(tm.year - 1);
      } else if (this.twoDigitYear) {
        if (tm.year < 0) refuse('fieldOverflow');
        if (tm.year < 70) tm.year += 2000;
        else if (tm.year < 100) tm.year += 1900;
      } else if (tm.year <= 0) refuse('fieldOverflow');
    }
    if ((this.mask & DOY) !== 0) civilFromDay(dayFromCivil(tm.year, 1, 1) + tm.yearDay - 1, tm);
    if ((this.mask & MONTH) !== 0 && (tm.month < 1 || tm.month > 12)) refuse('monthDayOverflow');
    if ((this.mask & DAY) !== 0 && (tm.day < 1 || tm.day > 31)) refuse('monthDayOverflow');
    if ((this.mask & DATE) === DATE && tm.day > daysInMonth(tm.year, tm.month)) refuse('fieldOverflow');
  }

  private applyMeridian(): void {
    if (this.meridian === '') return;
    if (this.tm.hour > 12) refuse('fieldOverflow');
    if (this.meridian === 'am' && this.tm.hour === 12) this.tm.hour = 0;
    else if (this.meridian === 'pm' && this.tm.hour !== 12) this.tm.hour += 12;
  }

  private finishDate(): void {
    this.validateDate();
    this.applyMeridian();
    if ((this.mask & DATE) !== DATE) refuse('badFormat');
    this.resolveZone(this.tm);
  }

  private finishTime(): void {
    this.validateDate();
    this.applyMeridian();
    if (timeOverflows(this.tm)) refuse('fieldOverflow');
    if ((this.mask & TIME) !== TIME) refuse('badFormat');
    if (this.namedZone !== null) {
      const fixed = this.namedZone.rules.fixedOffset();
      if (fixed !== null && (this.mask & DTZMOD) === 0) {
        this.west = fixed === 0 ? 0 : -fixed;
        return;
      }
      if ((this.mask & DATE) !== DATE) refuse('badFormat');
    } else if (this.abbrevZone === null && (this.mask & TZ) !== 0) return;
    const local = newTm();
    if ((this.mask & DATE) === 0) currentTm(local);
    else if ((this.mask & DATE) !== DATE) refuse('badFormat');
    else {
      local.year = this.tm.year;
      local.month = this.tm.month;
      local.day = this.tm.day;
    }
    local.hour = this.tm.hour;
    local.minute = this.tm.minute;
    local.second = this.tm.second;
    this.resolveZone(local);
  }

  /** A full zone or none at all: only now, with the date known, is its offset known. */
  private resolveZone(local: Tm): void {
    if (this.namedZone === null && this.abbrevZone === null && (this.mask & TZ) !== 0) return;
    if ((this.mask & DTZMOD) !== 0) refuse('badFormat');
    if (this.abbrevZone !== null) this.west = abbreviationOffsetOfLocal(local, this.abbrev, this.abbrevZone);
    else this.west = zoneOffsetOfLocal(local, this.namedZone ?? sessionTimeZone());
  }
}

/** Two digits of `text` as a number, or NaN. */
function pairAt(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 48;
  const ones = text.charCodeAt(at + 1) - 48;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}
const fast = newTm();
/** "2020-01-31", "2020-01-31 12:34:56.789", "… 12:34:56+02": the forms that dumps and clients send, which mean the
 *  same in every DateStyle. Anything unusual is left to the Decoder. The result is overwritten by the next call. */
function decodeIso(text: string): Decoded | null {
  const { length } = text;
  if (length < 10 || text.charCodeAt(4) !== 45 || text.charCodeAt(7) !== 45) return null;
  const year = pairAt(text, 0) * 100 + pairAt(text, 2);
  const month = pairAt(text, 5);
  const day = pairAt(text, 8);
  if (!(year > 0 && month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month))) return null;
  fast.year = year;
  fast.month = month;
  fast.day = day;
  fast.hour = fast.minute = fast.second = fast.micros = 0;
  let at = 10;
  if (length > 10) {
    const isClock = length >= 19 && text.charCodeAt(10) === 32 && text[13] === ':' && text[16] === ':';
    if (!isClock) return null;
    fast.hour = pairAt(text, 11);
    fast.minute = pairAt(text, 14);
    fast.second = pairAt(text, 17);
    if (!(fast.hour < 24 && fast.minute < 60 && fast.second < 60)) return null;
    at = 19;
    if (text[19] === '.') {
      let scale = 100_000;
      for (at = 20; at < length && scale >= 1; at++, scale /= 10) {
        const digit = text.charCodeAt(at) - 48;
        if (digit < 0 || digit > 9) break;
        fast.micros += digit * scale;
      }
      if (at === 20) return null;
    }
  }
  if (at === length) return { tm: fast, west: zoneOffsetOfLocal(fast, sessionTimeZone()), special: 'date' };
  // Only a two-digit offset behind the seconds is taken here.
  const sign = text[at];
  const hours = pairAt(text, at + 1);
  if (length !== at + 3 || (sign !== '+' && sign !== '-') || !(hours <= 15) || length < 20) return null;
  return { tm: fast, west: sign === '-' || hours === 0 ? hours * 3600 : -hours * 3600, special: 'date' };
}

/** The meaning of date/time text; throws DecodeFailure. */
export const decodeDateTime = (text: string): Decoded => decodeIso(text) ?? new Decoder(splitFields(text), false).run();
export const decodeTimeOnly = (text: string): Decoded => new Decoder(splitFields(text), true).run();
