/** formatting-date-input.ts — to_timestamp(text, text) and to_date.
 *
 *  Fields are filled in the template's order; a field given twice with different values is an error. Outside FX mode
 *  blanks and separators are matched loosely: one of the template may match one or none of the input, and characters
 *  skipped in excess are remembered (`extra`) so that they are not asked for again.
 *  Counterpart: DCH_from_char(), do_to_timestamp() of src/backend/utils/adt/formatting.c */
import {
  civilFromDay,
  dayFromCivil,
  daysInMonth,
  isLeapYear,
  isValidDate,
  isValidJulian,
  type Micros,
  newTm,
  POSTGRES_EPOCH_JDATE,
  type Tm,
  weekdayOfDay,
} from '#adt/datetime-calendar.ts';
import { adjustTimestamp, dateTextOutOfRange, timestampOfTm, timestampOutOfRange } from '#adt/datetime-common.ts';
import { DAY_NAMES, MONTH_NAMES } from '#adt/datetime-encode.ts';
import { reportDecodeError } from '#adt/datetime-tokens.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import { type FormatNode, isSeparator, parseDateFormat, ROMAN_MONTHS } from '#adt/formatting.ts';
import { sessionTimeZone, zoneOffsetOfLocal } from '#adt/timezone.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

function refuse(message: string, detail?: string, hint?: string): never {
  report('ERROR', { code: SQLSTATE.invalidDatetimeFormat, message, detail, hint });
}
const FM_HINT = 'If your source string is not fixed-width, try using the "FM" modifier.';

/** Values by field; 0 means not given, as in PostgreSQL. */
interface Fields {
  hour: number;
  minute: number;
  second: number;
  secondOfDay: number;
  millis: number;
  micros: number;
  precision: number;
  weekday: number;
  dayOfMonth: number;
  dayOfYear: number;
  month: number;
  year: number;
  yearDigits: number;
  bc: number;
  week: number;
  weekOfMonth: number;
  century: number;
  julian: number;
  pm: number;
  twelveHours: boolean;
  zoneSign: number;
  zoneHour: number;
  zoneMinute: number;
  mode: 'none' | 'gregorian' | 'isoweek';
}
type NumberField = { [K in keyof Fields]: Fields[K] extends number ? K : never }[keyof Fields];
const newFields = (): Fields => ({
  hour: 0,
  minute: 0,
  second: 0,
  secondOfDay: 0,
  millis: 0,
  micros: 0,
  precision: 0,
  weekday: 0,
  dayOfMonth: 0,
  dayOfYear: 0,
  month: 0,
  year: 0,
  yearDigits: 0,
  bc: 0,
  week: 0,
  weekOfMonth: 0,
  century: 0,
  julian: 0,
  pm: 0,
  twelveHours: false,
  zoneSign: 0,
  zoneHour: 0,
  zoneMinute: 0,
  mode: 'none',
});

const isSpace = (char: string | undefined): boolean => char !== undefined && /^[ \t\n\v\f\r]$/.test(char);

/** Two-digit and three-digit years go to the one nearest 2020. */
function nearest2020(year: number): number {
  if (year < 70) return year + 2000;
  if (year < 100) return year + 1900;
  if (year < 520) return year + 2000;
  return year < 1000 ? year + 1000 : year;
}

class TemplateReader {
  readonly out = newFields();
  private at = 0;
  private extra = 0;
  private fixed = false;
  constructor(
    private readonly nodes: readonly FormatNode[],
    private readonly input: string,
  ) {}

  run(): Fields {
    for (let i = 0; i < this.nodes.length && this.at < this.input.length; i++) {
      const node = this.nodes[i]!;
      const isFx = node.key?.id === 'FX';
      if (!this.fixed && !isFx && (node.type === 'action' || i === 0)) this.skipSpaces();
      if (node.type === 'space' || node.type === 'separator') this.blank();
      else if (node.key === null) this.character();
      else {
        this.setMode(node.key.mode);
        this.field(node, i);
        if (!this.fixed) {
          this.extra = 0;
          this.skipSpaces();
        }
      }
    }
    return this.out;
  }

  private skipSpaces(): void {
    while (isSpace(this.input[this.at])) {
      this.at++;
      this.extra++;
    }
  }
  private step(): void {
    this.at += String.fromCodePoint(this.input.codePointAt(this.at)!).length;
  }
  private blank(): void {
    if (this.fixed) {
      this.step();
      return;
    }
    this.extra--;
    const char = this.input[this.at]!;
    if (isSpace(char) || isSeparator(char)) {
      this.at++;
      this.extra++;
    }
  }
  private character(): void {
    if (!this.fixed && this.extra > 0) this.extra--;
    else this.step();
  }
  private setMode(mode: Fields['mode']): void {
    if (mode === 'none') return;
    if (this.out.mode === 'none') this.out.mode = mode;
    else if (this.out.mode !== mode)
      refuse(
        'invalid combination of date conventions',
        undefined,
        'Do not mix Gregorian and ISO week date conventions in a formatting template.',
      );
  }
  private set(field: NumberField, value: number, node: FormatNode): void {
    if (this.out[field] !== 0 && this.out[field] !== value)
      refuse(
        `conflicting values for "${node.text}" field in formatting string`,
        'This value contradicts a previous setting for the same field type.',
      );
    this.out[field] = value;
  }

  /** What follows cannot be a digit, so a number may be longer than its field. */
  private isNextSeparator(index: number): boolean {
    if (this.nodes[index]!.th !== '') return true;
    const next = this.nodes[index + 1];
    if (next === undefined) return true;
    return next.key !== null ? !next.key.isDigit : !/^[0-9]$/.test(next.text);
  }

  /** Reads an integer of `length` digits; returns how many characters it took. */
  private integer(field: NumberField | null, index: number, length = this.nodes[index]!.key!.length): number {
    const node = this.nodes[index]!;
    const start = this.at;
    while (isSpace(this.input[this.at])) this.at++;
    const copy = this.input.slice(this.at, this.at + length);
    let value: number;
    if (node.fill || this.isNextSeparator(index)) {
      const match = /^\s*[+-]?[0-9]+/.exec(this.input.slice(start));
      value = match === null ? 0 : Number(match[0]);
      this.at = match === null ? start : start + match[0].length;
    } else {
      if (copy.length < length)
        refuse(
          `source string too short for "${node.text}" formatting field`,
          `Field requires ${length} characters, but only ${copy.length} remain.`,
          FM_HINT,
        );
      const match = /^\s*[+-]?[0-9]+/.exec(copy);
      const used = match === null ? 0 : match[0].length;
      value = match === null ? 0 : Number(match[0]);
      if (used > 0 && used < length)
        refuse(
          `invalid value "${copy}" for "${node.text}"`,
          `Field requires ${length} characters, but only ${used} could be parsed.`,
          FM_HINT,
        );
      this.at = used === 0 && this.at !== start ? this.at : this.at + used;
    }
    if (this.at === start) refuse(`invalid value "${copy}" for "${node.text}"`, 'Value must be an integer.');
    if (value > 2_147_483_647 || value < -2_147_483_648)
      report('ERROR', {
        code: SQLSTATE.datetimeFieldOverflow,
        message: `value for "${node.text}" in source string is out of range`,
        detail: 'Value must be in the range -2147483648 to 2147483647.',
      });
    if (field !== null) this.set(field, value, node);
    const taken = this.at - start;
    if (node.th !== '') this.skipOrdinal();
    return taken;
  }
  private skipOrdinal(): void {
    for (let i = 0; i < 2 && this.at < this.input.length; i++) this.step();
  }
  /** Index of the word of `list` that the input starts with. */
  private word(list: readonly string[], node: FormatNode): number {
    const rest = this.input.slice(this.at);
    const lower = rest.toLowerCase();
    const found = list.findIndex((word) => lower.startsWith(word.toLowerCase()));
    if (found < 0)
      refuse(
        `invalid value "${/^\S*/.exec(rest)![0]}" for "${node.text}"`,
        'The given value did not match any of the allowed values for this field.',
      );
    this.at += list[found]!.length;
    return found;
  }

  private field(node: FormatNode, index: number): void {
    const out = this.out;
    switch (node.key!.id) {
      case 'FX':
        this.fixed = true;
        return;
      case 'A.M.':
      case 'P.M.':
        this.set('pm', this.word(['a.m.', 'p.m.'], node), node);
        out.twelveHours = true;
        return;
      case 'AM':
      case 'PM':
        this.set('pm', this.word(['am', 'pm'], node), node);
        out.twelveHours = true;
        return;
      case 'A.D.':
      case 'B.C.':
        this.set('bc', this.word(['a.d.', 'b.c.'], node), node);
        return;
      case 'AD':
      case 'BC':
        this.set('bc', this.word(['ad', 'bc'], node), node);
        return;
      case 'HH':
      case 'HH12':
        this.integer('hour', index, 2);
        out.twelveHours = true;
        return;
      case 'HH24':
        this.integer('hour', index, 2);
        return;
      case 'MI':
        this.integer('minute', index);
        return;
      case 'SS':
        this.integer('second', index);
        return;
      case 'MS': {
        const length = this.integer('millis', index, 3);
        out.millis *= length === 1 ? 100 : length === 2 ? 10 : 1;
        return;
      }
      case 'FF1':
      case 'FF2':
      case 'FF3':
      case 'FF4':
      case 'FF5':
      case 'FF6':
        out.precision = Number(node.text[2]);
        this.fractionField(index, out.precision);
        return;
      case 'US':
        this.fractionField(index, 6);
        return;
      case 'SSSS':
      case 'SSSSS':
        this.integer('secondOfDay', index);
        return;
      case 'TZ':
      case 'OF':
        report('ERROR', {
          code: SQLSTATE.featureNotSupported,
          message: `formatting field "${node.text}" is only supported in to_char`,
        });
        break;
      case 'TZH':
        this.zoneHour(index);
        return;
      case 'TZM':
        if (out.zoneSign === 0) out.zoneSign = 1;
        this.integer('zoneMinute', index, 2);
        return;
      default:
        this.calendarField(node, index);
    }
  }
  private fractionField(index: number, digits: number): void {
    const length = this.integer('micros', index, digits);
    this.out.micros *= [100_000, 10_000, 1000, 100, 10, 1][length - 1] ?? 1;
  }
  private zoneHour(index: number): void {
    const char = this.input[this.at]!;
    if (char === '+' || char === '-' || char === ' ') {
      this.out.zoneSign = char === '-' ? -1 : 1;
      this.at++;
    } else {
      // A minus may have been swallowed as a separator.
      this.out.zoneSign = this.extra > 0 && this.input[this.at - 1] === '-' ? -1 : 1;
    }
    this.integer('zoneHour', index, 2);
  }
  private calendarField(node: FormatNode, index: number): void {
    const out = this.out;
    switch (node.key!.id) {
      case 'MONTH':
        this.set('month', this.word(MONTH_NAMES, node) + 1, node);
        return;
      case 'MON':
        this.set(
          'month',
          this.word(
            MONTH_NAMES.map((name) => name.slice(0, 3)),
            node,
          ) + 1,
          node,
        );
        return;
      case 'MM':
        this.integer('month', index);
        return;
      case 'DAY':
        out.weekday = this.word(DAY_NAMES, node) + 1;
        return;
      case 'DY':
        out.weekday =
          this.word(
            DAY_NAMES.map((name) => name.slice(0, 3)),
            node,
          ) + 1;
        return;
      case 'DDD':
        this.integer('dayOfYear', index);
        return;
      case 'IDDD':
        this.integer('dayOfYear', index, 3);
        return;
      case 'DD':
        this.integer('dayOfMonth', index);
        return;
      case 'D':
        this.integer('weekday', index);
        return;
      case 'ID':
        this.integer('weekday', index, 1);
        if (++out.weekday > 7) out.weekday = 1;
        return;
      case 'WW':
      case 'IW':
        this.integer('week', index);
        return;
      case 'Q':
        this.integer(null, index);
        return;
      case 'CC':
        this.integer('century', index);
        return;
      case 'RM':
        this.set('month', 12 - this.word(ROMAN_MONTHS, node), node);
        return;
      case 'W':
        this.integer('weekOfMonth', index);
        return;
      case 'J':
        this.integer('julian', index);
        return;
      case 'Y,YYY': {
        const match = /^\s*([+-]?[0-9]+),\s*([+-]?[0-9]{1,3})/.exec(this.input.slice(this.at));
        if (match === null) refuse('invalid input string for "Y,YYY"');
        this.set('year', Number(match[2]) + Number(match[1]) * 1000, node);
        out.yearDigits = 4;
        this.at += match[0].length;
        if (node.th !== '') this.skipOrdinal();
        return;
      }
      default:
        this.yearField(node, index);
    }
  }
  private yearField(node: FormatNode, index: number): void {
    const digits = node.key!.id.replace('I', 'Y').length;
    const length = this.integer('year', index);
    if (digits < 4 && length < 4) this.out.year = nearest2020(this.out.year);
    this.out.yearDigits = digits;
  }
}

/** Day number of the Monday of an ISO week. */
function isoWeekDay(year: number, week: number): number {
  const fourth = dayFromCivil(year, 1, 4);
  return (week - 1) * 7 + fourth - ((weekdayOfDay(fourth) + 6) % 7);
}

interface Result {
  readonly tm: Tm;
  readonly west: number | null;
  readonly precision: number;
}
const CUMULATIVE = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365] as const;

function applyYear(f: Fields, tm: Tm): boolean {
  if (f.year !== 0) {
    if (f.century !== 0 && f.yearDigits <= 2) {
      const century = f.bc !== 0 ? -f.century : f.century;
      const inCentury = f.year % 100;
      if (inCentury !== 0)
        tm.year = century >= 0 ? inCentury + (century - 1) * 100 : (century + 1) * 100 - inCentury + 1;
      else tm.year = century * 100 + (century >= 0 ? 0 : 1);
    } else {
      tm.year = f.bc !== 0 ? -f.year : f.year;
      if (tm.year < 0) tm.year++;
    }
    return true;
  }
  if (f.century === 0) return false;
  const century = f.bc !== 0 ? -f.century : f.century;
  tm.year = century >= 0 ? (century - 1) * 100 + 1 : century * 100 + 1;
  return true;
}

function decode(input: string, format: string): Result {
  const f = new TemplateReader(parseDateFormat(format), input).run();
  const tm = newTm();
  tm.month = 1;
  tm.day = 1;
  const overflow = (): never => reportDecodeError('fieldOverflow', input, 'timestamp');
  if (f.secondOfDay !== 0) {
    tm.hour = Math.trunc(f.secondOfDay / 3600);
    tm.minute = Math.trunc((f.secondOfDay % 3600) / 60);
    tm.second = f.secondOfDay % 60;
  }
  if (f.second !== 0) tm.second = f.second;
  if (f.minute !== 0) tm.minute = f.minute;
  if (f.hour !== 0) tm.hour = f.hour;
  if (f.twelveHours) {
    if (tm.hour < 1 || tm.hour > 12)
      refuse(
        `hour "${tm.hour}" is invalid for the 12-hour clock`,
        undefined,
        'Use the 24-hour clock, or give an hour between 1 and 12.',
      );
    if (f.pm !== 0 && tm.hour < 12) tm.hour += 12;
    else if (f.pm === 0 && tm.hour === 12) tm.hour = 0;
  }
  const hasYear = applyYear(f, tm);
  const { hasMonth, hasDay } = applyDay(f, tm);
  tm.micros = f.millis * 1000 + f.micros;
  if (hasMonth && (tm.month < 1 || tm.month > 12)) overflow();
  if (hasDay && (tm.day < 1 || tm.day > 31)) overflow();
  if (hasYear && hasMonth && hasDay && tm.day > daysInMonth(tm.year, tm.month)) overflow();
  const badClock = tm.hour < 0 || tm.hour >= 24 || tm.minute < 0 || tm.minute >= 60;
  if (badClock || tm.second < 0 || tm.second >= 60 || tm.micros < 0 || tm.micros >= 1_000_000) overflow();
  if (f.zoneSign === 0) return { tm, west: null, precision: f.precision };
  if (f.zoneHour < 0 || f.zoneHour > 15 || f.zoneMinute < 0 || f.zoneMinute >= 60) overflow();
  return { tm, west: -f.zoneSign * (f.zoneHour * 3600 + f.zoneMinute * 60), precision: f.precision };
}

function applyDay(f: Fields, tm: Tm): { hasMonth: boolean; hasDay: boolean } {
  let hasMonth = false;
  let hasDay = false;
  const setDate = (day: number): void => {
    civilFromDay(day, tm);
    hasMonth = true;
    hasDay = true;
  };
  if (f.julian !== 0) setDate(f.julian - POSTGRES_EPOCH_JDATE);
  if (f.week !== 0) {
    if (f.mode === 'isoweek') {
      const monday = isoWeekDay(tm.year, f.week);
      setDate(f.weekday === 0 ? monday : f.weekday > 1 ? monday + f.weekday - 2 : monday + 6);
    } else f.dayOfYear = (f.week - 1) * 7 + 1;
  }
  if (f.weekOfMonth !== 0) f.dayOfMonth = (f.weekOfMonth - 1) * 7 + 1;
  if (f.dayOfMonth !== 0) {
    tm.day = f.dayOfMonth;
    hasDay = true;
  }
  if (f.month !== 0) {
    tm.month = f.month;
    hasMonth = true;
  }
  if (f.dayOfYear !== 0 && (tm.month <= 1 || tm.day <= 1)) {
    if (tm.year === 0 && f.bc === 0) refuse('cannot calculate day of year without year information');
    if (f.mode === 'isoweek') setDate(isoWeekDay(tm.year, 1) - 1 + f.dayOfYear);
    else {
      const through = (month: number): number => CUMULATIVE[month]! + (month >= 2 && isLeapYear(tm.year) ? 1 : 0);
      let month = 1;
      while (month <= 12 && f.dayOfYear > through(month)) month++;
      if (tm.month <= 1) tm.month = month;
      if (tm.day <= 1) tm.day = f.dayOfYear - through(month - 1);
      hasMonth = true;
      hasDay = true;
    }
  }
  return { hasMonth, hasDay };
}

function toTimestamp(input: string, format: string): Micros {
  const { tm, west, precision } = decode(input, format);
  const offset = west ?? zoneOffsetOfLocal(tm, sessionTimeZone());
  const t = isValidJulian(tm.year, tm.month) ? timestampOfTm(tm, offset) : null;
  if (t === null) timestampOutOfRange();
  return precision === 0 ? t : adjustTimestamp(t, precision);
}
function toDate(input: string, format: string): number {
  const { tm } = decode(input, format);
  if (!isValidJulian(tm.year, tm.month)) dateTextOutOfRange(input);
  const day = dayFromCivil(tm.year, tm.month, tm.day);
  if (!isValidDate(day)) dateTextOutOfRange(input);
  return day;
}

registerBuiltins({ to_timestamp: toTimestamp, to_date: toDate });
