/** units.ts — numbers of settings as text: `1.5GB`, `0x10`, `90s`, and back.
 *
 *  Counterpart: parse_int(), parse_real(), convert_to_base_unit() and their inverses in src/backend/utils/misc/guc.c */
import type { GucUnit } from '#runtime/guc/define.ts';

/** How many base units one named unit is; largest first, as printing tries them. */
type Ladder = readonly (readonly [unit: string, inBase: number])[];

const KB = 1024;
const MB = KB * KB;
const GB = KB * MB;
const TB = KB * GB;
const memoryLadder = (base: number): Ladder => [
  ['TB', TB / base],
  ['GB', GB / base],
  ['MB', MB / base],
  ['kB', KB / base],
  ['B', 1 / base],
];
const DAY_US = 86_400_000_000;
const timeLadder = (base: number): Ladder => [
  ['d', DAY_US / base],
  ['h', 3_600_000_000 / base],
  ['min', 60_000_000 / base],
  ['s', 1_000_000 / base],
  ['ms', 1000 / base],
  ['us', 1 / base],
];
const LADDERS = {
  B: memoryLadder(1),
  kB: memoryLadder(KB),
  '8kB': memoryLadder(8 * KB),
  MB: memoryLadder(MB),
  ms: timeLadder(1000),
  s: timeLadder(1_000_000),
  min: timeLadder(60_000_000),
} as const satisfies Record<GucUnit, Ladder>;

const isMemory = (unit: GucUnit): boolean => unit.endsWith('B');
const unitHint = (unit: GucUnit): string =>
  isMemory(unit)
    ? 'Valid units for this parameter are "B", "kB", "MB", "GB", and "TB".'
    : 'Valid units for this parameter are "us", "ms", "s", "min", "h", and "d".';

/** C's rint: halves go to the even neighbour. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** C's %g. */
export function formatG(value: number, precision = 6): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity';
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const [mantissa = '', exponentText = ''] = value.toExponential(precision - 1).split('e');
  const exponent = Number(exponentText);
  const strip = (text: string): string => (text.includes('.') ? text.replace(/\.?0+$/, '') : text);
  if (exponent < -4 || exponent >= precision) {
    const digits = String(Math.abs(exponent)).padStart(2, '0');
    return `${strip(mantissa)}e${exponent < 0 ? '-' : '+'}${digits}`;
  }
  return strip(value.toFixed(precision - 1 - exponent));
}

export type Parsed = { readonly ok: true; readonly value: number } | { readonly ok: false; readonly hint?: string };

const NUMBER = /^[ \t\n\v\f\r]*([-+]?(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*))/;
const REAL = /^[ \t\n\v\f\r]*([-+]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|inf(?:inity)?))/i;

function parseInteger(text: string): number {
  const negative = text.startsWith('-');
  const digits = text.replace(/^[-+]/, '');
  const value = /^0[xX]/.test(digits)
    ? Number.parseInt(digits.slice(2), 16)
    : digits.startsWith('0')
      ? Number.parseInt(digits, 8)
      : Number.parseInt(digits, 10);
  return negative ? -value : value;
}
function parseFloatText(text: string): number {
  return /inf/i.test(text) ? (text.startsWith('-') ? -Infinity : Infinity) : Number(text);
}

/** `rest` names a unit, perhaps with blanks around it. */
function toBaseUnit(value: number, rest: string, unit: GucUnit): number | undefined {
  const word = /^([^ \t\n\v\f\r]{0,3})[ \t\n\v\f\r]*$/.exec(rest)?.[1];
  if (word === undefined) return undefined;
  const ladder: Ladder = LADDERS[unit];
  const at = ladder.findIndex(([name]) => name === word);
  if (at < 0) return undefined;
  const converted = value * ladder[at]![1];
  // Rounding to a whole number of the next smaller unit lets 0.1 GB print as 102 MB and not as an odd count of kB.
  const smaller = ladder[at + 1];
  return smaller === undefined ? converted : roundHalfEven(converted / smaller[1]) * smaller[1];
}

function parseWith(text: string, unit: GucUnit | undefined, head: number, value: number): Parsed {
  const rest = text.slice(head).replace(/^[ \t\n\v\f\r]+/, '');
  if (rest === '') return { ok: true, value };
  if (unit === undefined) return { ok: false };
  const converted = toBaseUnit(value, rest, unit);
  return converted === undefined ? { ok: false, hint: unitHint(unit) } : { ok: true, value: converted };
}

export function parseIntSetting(text: string, unit: GucUnit | undefined): Parsed {
  const integer = NUMBER.exec(text);
  let head = integer?.[0].length ?? 0;
  let value = integer === null ? Number.NaN : parseInteger(integer[1]!);
  const next = text[head];
  if (integer === null || next === '.' || next === 'e' || next === 'E') {
    // "1.5", "1e3" and ".5" are fractions; strtol alone would stop in front of the point.
    const real = integer === null && !/^[ \t\n\v\f\r]*[-+]?\./.test(text) ? null : REAL.exec(text);
    if (real === null) return { ok: false };
    head = real[0].length;
    value = parseFloatText(real[1]!);
  }
  const parsed = parseWith(text, unit, head, value);
  if (!parsed.ok) return parsed;
  const rounded = roundHalfEven(parsed.value);
  if (rounded > 0x7fffffff || rounded < -0x80000000) return { ok: false, hint: 'Value exceeds integer range.' };
  return { ok: true, value: rounded + 0 };
}

export function parseRealSetting(text: string, unit: GucUnit | undefined): Parsed {
  const real = REAL.exec(text);
  if (real === null) return { ok: false };
  return parseWith(text, unit, real[0].length, parseFloatText(real[1]!));
}

/** The largest unit that shows the value as a whole number. */
export function intWithUnit(value: number, unit: GucUnit): string {
  for (const [name, inBase] of LADDERS[unit]) {
    if (inBase <= 1 || value % inBase === 0) return `${roundHalfEven(value / inBase)}${name}`;
  }
  return String(value);
}
export function realWithUnit(value: number, unit: GucUnit): string {
  let shown = value;
  let shownUnit: string = unit;
  for (const [name, inBase] of LADDERS[unit]) {
    shown = value / inBase;
    shownUnit = name;
    if (shown > 0 && Math.abs(roundHalfEven(shown) / shown - 1) <= 1e-8) break;
  }
  return formatG(shown) + shownUnit;
}

/** PostgreSQL's booleans: true false yes no on off 1 0 and their unique beginnings. */
export function parseBool(text: string): boolean | undefined {
  const word = text.toLowerCase();
  const begins = (whole: string, least = 1): boolean => word.length >= least && whole.startsWith(word);
  if (begins('true') || begins('yes') || begins('on', 2) || word === '1') return true;
  if (begins('false') || begins('no') || begins('off', 2) || word === '0') return false;
  return undefined;
}
