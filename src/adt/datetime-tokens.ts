/** datetime-tokens.ts — cutting date/time text into fields, and the words that dates and intervals know.
 *
 *  A field's kind is decided by its shape alone; meaning comes in datetime-decode.ts and interval-decode.ts. Words are
 *  compared by their first ten characters, as the tables were built.
 *  Counterpart: src/backend/utils/adt/datetime.c (ParseDateTime, datetktbl, deltatktbl) */
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** Why a text was refused. */
export type DecodeError = 'badFormat' | 'fieldOverflow' | 'monthDayOverflow' | 'intervalOverflow' | 'zoneOverflow';

export class DecodeFailure extends Error {
  override readonly name = 'DecodeFailure';
  constructor(readonly reason: DecodeError) {
    super(reason);
  }
}
export function refuse(reason: DecodeError): never {
  throw new DecodeFailure(reason);
}

export function reportDecodeError(reason: DecodeError, text: string, typeName: string): never {
  if (reason === 'badFormat')
    report('ERROR', {
      code: SQLSTATE.invalidDatetimeFormat,
      message: `invalid input syntax for type ${typeName}: "${text}"`,
    });
  if (reason === 'intervalOverflow')
    report('ERROR', {
      code: SQLSTATE.intervalFieldOverflow,
      message: `interval field value out of range: "${text}"`,
    });
  if (reason === 'zoneOverflow')
    report('ERROR', {
      code: SQLSTATE.invalidTimeZoneDisplacementValue,
      message: `time zone displacement out of range: "${text}"`,
    });
  report('ERROR', {
    code: SQLSTATE.datetimeFieldOverflow,
    message: `date/time field value out of range: "${text}"`,
    hint: reason === 'monthDayOverflow' ? 'Perhaps you need a different "datestyle" setting.' : undefined,
  });
}

export type FieldKind = 'number' | 'string' | 'date' | 'time' | 'zone' | 'special';
export interface Field {
  text: string;
  readonly kind: FieldKind;
}

const FIELDS_MAX = 25;
/** Room for the fields' text with one terminator each; a longer input is no date. */
const ROOM_DATETIME = 128 + 25;
const ROOM_INTERVAL = 256;

const isDigit = (c: number): boolean => c >= 48 && c <= 57;
const isAlpha = (c: number): boolean => (c >= 65 && c <= 90) || (c >= 97 && c <= 122);
const isAlnum = (c: number): boolean => isDigit(c) || isAlpha(c);
const isSpace = (c: number): boolean => c === 32 || (c >= 9 && c <= 13);
const isPunctuation = (c: number): boolean => c > 32 && c < 127 && !isAlnum(c);
const code = (char: string): number => char.charCodeAt(0);
const COLON = code(':');
const DOT = code('.');
const MINUS = code('-');
const PLUS = code('+');
const SLASH = code('/');
const UNDERSCORE = code('_');

function scanWhile(text: string, from: number, accept: (c: number) => boolean): number {
  let at = from;
  while (at < text.length && accept(text.charCodeAt(at))) at++;
  return at;
}

/** End and kind of the field that starts with a digit at `from`. */
function digitField(text: string, from: number): { end: number; kind: FieldKind } {
  let end = scanWhile(text, from, isDigit);
  const delimiter = text.charCodeAt(end);
  if (delimiter === COLON)
    return { end: scanWhile(text, end + 1, (c) => isDigit(c) || c === COLON || c === DOT), kind: 'time' };
  if (delimiter !== MINUS && delimiter !== SLASH && delimiter !== DOT) return { end, kind: 'number' };
  end++;
  if (!isDigit(text.charCodeAt(end)))
    return { end: scanWhile(text, end, (c) => isAlnum(c) || c === delimiter), kind: 'date' };
  end = scanWhile(text, end, isDigit);
  if (text.charCodeAt(end) !== delimiter) return { end, kind: delimiter === DOT ? 'number' : 'date' };
  return { end: scanWhile(text, end + 1, (c) => isDigit(c) || c === delimiter), kind: 'date' };
}

function alphaField(text: string, from: number): { end: number; kind: FieldKind } {
  const end = scanWhile(text, from, isAlpha);
  const next = text.charCodeAt(end);
  // A word may go on as a date ("jan-3-2000") or a zone name; a known word is not extended by '+' or digits.
  const goesOn =
    next === MINUS ||
    next === SLASH ||
    next === DOT ||
    ((next === PLUS || isDigit(next)) && dateWord(text.slice(from, end).toLowerCase()) === undefined);
  if (!goesOn) return { end, kind: 'string' };
  const inside = (c: number): boolean =>
    isAlnum(c) || c === PLUS || c === MINUS || c === SLASH || c === UNDERSCORE || c === DOT || c === COLON;
  return { end: scanWhile(text, end, inside), kind: 'date' };
}

/** The fields of date/time text; throws DecodeFailure. */
export function splitFields(text: string, forInterval = false): Field[] {
  const fields: Field[] = [];
  let room = forInterval ? ROOM_INTERVAL : ROOM_DATETIME;
  let at = 0;
  while (at < text.length) {
    const c = text.charCodeAt(at);
    if (isSpace(c)) {
      at++;
      continue;
    }
    let end: number;
    let kind: FieldKind;
    let prefix = '';
    if (isDigit(c)) ({ end, kind } = digitField(text, at));
    else if (c === DOT) {
      end = scanWhile(text, at + 1, isDigit);
      kind = 'number';
    } else if (isAlpha(c)) ({ end, kind } = alphaField(text, at));
    else if (c === PLUS || c === MINUS) {
      prefix = text[at]!;
      at = scanWhile(text, at + 1, isSpace);
      const next = text.charCodeAt(at);
      if (isDigit(next)) {
        end = scanWhile(text, at, (d) => isDigit(d) || d === COLON || d === DOT || d === MINUS);
        kind = 'zone';
      } else if (isAlpha(next)) {
        end = scanWhile(text, at, isAlpha);
        kind = 'special';
      } else refuse('badFormat');
    } else if (isPunctuation(c)) {
      at++;
      continue;
    } else refuse('badFormat');
    const value = prefix + text.slice(at, end).toLowerCase();
    room -= value.length + 1;
    if (fields.length >= FIELDS_MAX || room < 0) refuse('badFormat');
    fields.push({ text: value, kind });
    at = end;
  }
  return fields;
}

export type WordKind =
  | 'reserved'
  | 'month'
  | 'weekday'
  | 'ampm'
  | 'adbc'
  | 'units'
  | 'isotime'
  | 'dstmod'
  | 'ignore'
  | 'ago';
export interface Word {
  readonly kind: WordKind;
  readonly value: number | string;
}
const word = (kind: WordKind, value: number | string = 0): Word => ({ kind, value });

const MONTH_WORDS = {
  jan: 1,
  january: 1,
  feb: 2,
  february: 2,
  mar: 3,
  march: 3,
  apr: 4,
  april: 4,
  may: 5,
  jun: 6,
  june: 6,
  jul: 7,
  july: 7,
  aug: 8,
  august: 8,
  sep: 9,
  sept: 9,
  september: 9,
  oct: 10,
  october: 10,
  nov: 11,
  november: 11,
  dec: 12,
  december: 12,
} as const satisfies Record<string, number>;
const WEEKDAY_WORDS = {
  sun: 0,
  sunday: 0,
  mon: 1,
  monday: 1,
  tue: 2,
  tues: 2,
  tuesday: 2,
  wed: 3,
  weds: 3,
  wednesday: 3,
  thu: 4,
  thur: 4,
  thurs: 4,
  thursday: 4,
  fri: 5,
  friday: 5,
  sat: 6,
  saturday: 6,
} as const satisfies Record<string, number>;

const dateWords = new Map<string, Word>();
for (const [name, month] of Object.entries(MONTH_WORDS)) dateWords.set(name, word('month', month));
for (const [name, weekday] of Object.entries(WEEKDAY_WORDS)) dateWords.set(name, word('weekday', weekday));
for (const name of ['now', 'today', 'tomorrow', 'yesterday', 'epoch', 'infinity', '-infinity', 'allballs'])
  dateWords.set(name, word('reserved', name));
for (const [name, unit] of [
  ['d', 'day'],
  ['dow', 'dow'],
  ['doy', 'doy'],
  ['h', 'hour'],
  ['isodow', 'isodow'],
  ['isoyear', 'isoyear'],
  ['j', 'julian'],
  ['jd', 'julian'],
  ['julian', 'julian'],
  ['m', 'month'],
  ['mm', 'minute'],
  ['s', 'second'],
  ['y', 'year'],
] as const)
  dateWords.set(name, word('units', unit));
dateWords.set('ad', word('adbc', 'ad'));
dateWords.set('bc', word('adbc', 'bc'));
dateWords.set('am', word('ampm', 'am'));
dateWords.set('pm', word('ampm', 'pm'));
dateWords.set('at', word('ignore'));
dateWords.set('on', word('ignore'));
dateWords.set('dst', word('dstmod', 3600));
dateWords.set('t', word('isotime', 'time'));

const unitWords = new Map<string, Word>();
for (const [unit, names] of Object.entries({
  century: 'c cent centuries century',
  day: 'd day days',
  decade: 'dec decade decades decs',
  hour: 'h hour hours hr hrs',
  minute: 'm min mins minute minutes',
  microsecond: 'microsecon us usec usecond useconds usecs',
  millennium: 'mil millennia millennium mils',
  millisecond: 'millisecon ms msec msecond mseconds msecs',
  month: 'mon mons month months',
  quarter: 'qtr quarter',
  second: 's sec second seconds secs',
  timezone: 'timezone',
  timezone_hour: 'timezone_h',
  timezone_minute: 'timezone_m',
  week: 'w week weeks',
  year: 'y year years yr yrs',
}))
  for (const name of names.split(' ')) unitWords.set(name, word('units', unit));
unitWords.set('@', word('ignore'));
unitWords.set('ago', word('ago', 'ago'));

const cut = (text: string): string => (text.length > 10 ? text.slice(0, 10) : text);
/** A word of dates ("jan", "now", "pm"); `text` is lower case. */
export const dateWord = (text: string): Word | undefined => dateWords.get(cut(text));
/** A word of intervals and of extract() ("hours", "usec", "ago"). */
export const unitWord = (text: string): Word | undefined => unitWords.get(cut(text));

/** strtol: the leading integer of `text` from `from`. `end` is the first character not taken. */
export interface LeadingInt {
  readonly value: number;
  readonly end: number;
}
const INTEGER = /[ \t\n\v\f\r]*[+-]?[0-9]+/y;
export function leadingInt(text: string, from = 0): LeadingInt {
  INTEGER.lastIndex = from;
  const match = INTEGER.exec(text);
  if (match === null) return { value: 0, end: from };
  const value = Number(match[0]);
  if (value > 2_147_483_647 || value < -2_147_483_648) refuse('fieldOverflow');
  return { value, end: from + match[0].length };
}
/** atoi() of digits that are known to be few. */
export const digits = (text: string): number => {
  const match = /^[0-9]+/.exec(text);
  return match === null ? 0 : Number(match[0]);
};
