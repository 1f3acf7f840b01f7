/** regexp-charset.ts — sets of characters of a regular expression, as sorted disjoint ranges of code points.
 *
 *  Under collation C the named classes and the letters' cases are those of ASCII.
 *  Counterpart: src/backend/regex/regc_locale.c, regc_color.c */

export type Range = readonly [number, number];
export const CODE_POINT_MAX = 0x10ffff;

export class CharSet {
  private constructor(readonly ranges: readonly Range[]) {}

  static of(ranges: readonly Range[]): CharSet {
    const sorted = [...ranges].sort((a, b) => a[0] - b[0]);
    const merged: [number, number][] = [];
    for (const [low, high] of sorted) {
      const last = merged.at(-1);
      if (last !== undefined && low <= last[1] + 1) last[1] = Math.max(last[1], high);
      else merged.push([low, high]);
    }
    return new CharSet(merged);
  }
  static single(codePoint: number): CharSet {
    return new CharSet([[codePoint, codePoint]]);
  }

  has(codePoint: number): boolean {
    for (const [low, high] of this.ranges) {
      if (codePoint < low) return false;
      if (codePoint <= high) return true;
    }
    return false;
  }
  complement(): CharSet {
    const ranges: Range[] = [];
    let next = 0;
    for (const [low, high] of this.ranges) {
      if (low > next) ranges.push([next, low - 1]);
      next = high + 1;
    }
    if (next <= CODE_POINT_MAX) ranges.push([next, CODE_POINT_MAX]);
    return new CharSet(ranges);
  }
  without(codePoint: number): CharSet {
    return CharSet.of([...this.complement().ranges, [codePoint, codePoint]]).complement();
  }
  intersects(other: CharSet): boolean {
    return this.ranges.some(([low, high]) => other.ranges.some(([a, b]) => a <= high && low <= b));
  }
  /** With both cases of every ASCII letter in it. */
  ignoringCase(): CharSet {
    const ranges = [...this.ranges];
    for (const [low, high] of this.ranges) {
      const capital = [Math.max(low, 0x41), Math.min(high, 0x5a)] as const;
      if (capital[0] <= capital[1]) ranges.push([capital[0] + 32, capital[1] + 32]);
      const small = [Math.max(low, 0x61), Math.min(high, 0x7a)] as const;
      if (small[0] <= small[1]) ranges.push([small[0] - 32, small[1] - 32]);
    }
    return CharSet.of(ranges);
  }
  /** As a JavaScript class for RegExp with flag u. */
  get source(): string {
    const show = (codePoint: number): string => `\\u{${codePoint.toString(16)}}`;
    if (this.ranges.length === 1 && this.ranges[0]![0] === this.ranges[0]![1]) return show(this.ranges[0]![0]);
    return `[${this.ranges.map(([low, high]) => (low === high ? show(low) : `${show(low)}-${show(high)}`)).join('')}]`;
  }
}

const DIGIT: readonly Range[] = [[0x30, 0x39]];
const UPPER: readonly Range[] = [[0x41, 0x5a]];
const LOWER: readonly Range[] = [[0x61, 0x7a]];
const SPACE: readonly Range[] = [
  [9, 13],
  [0x20, 0x20],
];
const ALPHA = [...UPPER, ...LOWER];
const ALNUM = [...DIGIT, ...ALPHA];

/** The classes that may stand in [: :]. */
export const CLASSES = {
  alnum: ALNUM,
  alpha: ALPHA,
  ascii: [[0, 0x7f]],
  blank: [
    [9, 9],
    [0x20, 0x20],
  ],
  cntrl: [
    [0, 0x1f],
    [0x7f, 0x7f],
  ],
  digit: DIGIT,
  graph: [[0x21, 0x7e]],
  lower: LOWER,
  print: [[0x20, 0x7e]],
  punct: [
    [0x21, 0x2f],
    [0x3a, 0x40],
    [0x5b, 0x60],
    [0x7b, 0x7e],
  ],
  space: SPACE,
  upper: UPPER,
  word: [...ALNUM, [0x5f, 0x5f]],
  xdigit: [...DIGIT, [0x41, 0x46], [0x61, 0x66]],
} as const satisfies Record<string, readonly Range[]>;

/** Names of characters that may stand in [. .] and [= =], besides single characters. */
export const COLLATING_NAMES: Readonly<Record<string, number>> = {
  NUL: 0,
  SOH: 1,
  STX: 2,
  ETX: 3,
  EOT: 4,
  ENQ: 5,
  ACK: 6,
  BEL: 7,
  alert: 7,
  BS: 8,
  backspace: 8,
  HT: 9,
  tab: 9,
  LF: 10,
  newline: 10,
  VT: 11,
  'vertical-tab': 11,
  FF: 12,
  'form-feed': 12,
  CR: 13,
  'carriage-return': 13,
  SO: 14,
  SI: 15,
  DLE: 16,
  DC1: 17,
  DC2: 18,
  DC3: 19,
  DC4: 20,
  NAK: 21,
  SYN: 22,
  ETB: 23,
  CAN: 24,
  EM: 25,
  SUB: 26,
  ESC: 27,
  IS4: 28,
  FS: 28,
  IS3: 29,
  GS: 29,
  IS2: 30,
  RS: 30,
  IS1: 31,
  US: 31,
  space: 32,
  'exclamation-mark': 33,
  'quotation-mark': 34,
  'number-sign': 35,
  'dollar-sign': 36,
  'percent-sign': 37,
  ampersand: 38,
  apostrophe: 39,
  'left-parenthesis': 40,
  'right-parenthesis': 41,
  asterisk: 42,
  'plus-sign': 43,
  comma: 44,
  hyphen: 45,
  'hyphen-minus': 45,
  period: 46,
  'full-stop': 46,
  slash: 47,
  solidus: 47,
  zero: 48,
  one: 49,
  two: 50,
  three: 51,
  four: 52,
  five: 53,
  six: 54,
  seven: 55,
  eight: 56,
  nine: 57,
  colon: 58,
  semicolon: 59,
  'less-than-sign': 60,
  'equals-sign': 61,
  'greater-than-sign': 62,
  'question-mark': 63,
  'commercial-at': 64,
  'left-square-bracket': 91,
  backslash: 92,
  'reverse-solidus': 92,
  'right-square-bracket': 93,
  circumflex: 94,
  'circumflex-accent': 94,
  underscore: 95,
  'low-line': 95,
  'grave-accent': 96,
  'left-brace': 123,
  'left-curly-bracket': 123,
  'vertical-line': 124,
  'right-brace': 125,
  'right-curly-bracket': 125,
  tilde: 126,
  DEL: 127,
};
