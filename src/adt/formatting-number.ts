/** formatting-number.ts — to_char of numbers and to_number.
 *
 *  A template is first described (how many digits before and after the point, which signs), then the number's digits
 *  are laid over it position by position. The state below mirrors what each position may depend on.
 *  Counterpart: NUM_processor() and its callers of src/backend/utils/adt/formatting.c */
import type { Numeric } from '#adt/datum.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import { type FormatNode, ordinal, parseNumberFormat } from '#adt/formatting.ts';
import {
  applyNumericTypmod,
  multiplyNumerics,
  numeric,
  numericFromInt,
  numericIn,
  numericOut,
  numericTypmod,
  pow10,
  roundNumeric,
} from '#adt/numeric.ts';
import { numericPower } from '#adt/numeric-math.ts';
import { notSupported } from '#adt/value-errors.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** What the template asks for. */
interface Description {
  pre: number;
  post: number;
  lsign: 'none' | 'pre' | 'post';
  preLsign: number;
  multi: number;
  zeroStart: number;
  zeroEnd: number;
  decimal: boolean;
  zero: boolean;
  blank: boolean;
  fill: boolean;
  localeSign: boolean;
  bracket: boolean;
  minus: boolean;
  plus: boolean;
  roman: boolean;
  multiply: boolean;
  scientific: boolean;
}
const newDescription = (): Description => ({
  pre: 0,
  post: 0,
  lsign: 'none',
  preLsign: 0,
  multi: 0,
  zeroStart: 0,
  zeroEnd: 0,
  decimal: false,
  zero: false,
  blank: false,
  fill: false,
  localeSign: false,
  bracket: false,
  minus: false,
  plus: false,
  roman: false,
  multiply: false,
  scientific: false,
});

function syntax(message: string, detail?: string): never {
  report('ERROR', { code: SQLSTATE.syntaxError, message, detail });
}

function describeNode(d: Description, id: string): void {
  if (d.scientific && id !== 'EEEE') syntax('"EEEE" must be the last pattern used');
  switch (id) {
    case '9':
      if (d.bracket) syntax('"9" must be ahead of "PR"');
      if (d.multiply) d.multi++;
      else if (d.decimal) d.post++;
      else d.pre++;
      break;
    case '0':
      if (d.bracket) syntax('"0" must be ahead of "PR"');
      if (!d.zero && !d.decimal) {
        d.zero = true;
        d.zeroStart = d.pre + 1;
      }
      if (d.decimal) d.post++;
      else d.pre++;
      d.zeroEnd = d.pre + d.post;
      break;
    case 'B':
      if (d.pre === 0 && d.post === 0 && !d.zero) d.blank = true;
      break;
    case 'D':
    case '.':
      if (d.decimal) syntax('multiple decimal points');
      if (d.multiply) syntax('cannot use "V" and decimal point together');
      d.decimal = true;
      break;
    case 'FM':
      d.fill = true;
      break;
    case 'S':
      describeSign(d);
      break;
    case 'MI':
      if (d.localeSign) syntax('cannot use "S" and "MI" together');
      d.minus = true;
      break;
    case 'PL':
      if (d.localeSign) syntax('cannot use "S" and "PL" together');
      d.plus = true;
      break;
    case 'SG':
      if (d.localeSign) syntax('cannot use "S" and "SG" together');
      d.minus = true;
      d.plus = true;
      break;
    case 'PR':
      if (d.localeSign || d.plus || d.minus) syntax('cannot use "PR" and "S"/"PL"/"MI"/"SG" together');
      d.bracket = true;
      break;
    case 'RN':
    case 'rn':
      d.roman = true;
      break;
    case 'V':
      if (d.decimal) syntax('cannot use "V" and decimal point together');
      d.multiply = true;
      break;
    case 'EEEE':
      if (d.scientific) syntax('cannot use "EEEE" twice');
      if (d.blank || d.fill || d.localeSign || d.bracket || d.minus || d.plus || d.roman || d.multiply)
        syntax(
          '"EEEE" is incompatible with other formats',
          '"EEEE" may only be used together with digit and decimal point patterns.',
        );
      d.scientific = true;
      break;
  }
}
function describeSign(d: Description): void {
  if (d.localeSign) syntax('cannot use "S" twice');
  if (d.plus || d.minus || d.bracket) syntax('cannot use "S" and "PL"/"MI"/"SG"/"PR" together');
  if (!d.decimal) {
    d.lsign = 'pre';
    d.preLsign = d.pre;
    d.localeSign = true;
  } else if (d.lsign === 'none') {
    d.lsign = 'post';
    d.localeSign = true;
  }
}
function describe(nodes: readonly FormatNode[]): Description {
  const d = newDescription();
  for (const node of nodes) if (node.key !== null) describeNode(d, node.key.id);
  return d;
}

/** Index of the last digit behind the point that is not zero (or of the point); -1 without a point. */
function lastRelevant(number: string): number {
  const point = number.indexOf('.');
  if (point < 0) return -1;
  let at = point;
  for (let i = point + 1; i < number.length; i++) if (number[i] !== '0') at = i;
  return at;
}

/** Lays a number's digits over a template. */
class NumberWriter {
  private out = '';
  private at = 0;
  private current = 0;
  private signWritten = false;
  private digitsBegun = false;
  private last = -1;
  private count: number;
  private end: number | undefined;
  constructor(
    private readonly d: Description,
    private readonly number: string,
    private readonly preSpaces: number,
    private readonly sign: string,
  ) {
    if (d.zeroStart > 0) d.zeroStart--;
    if (d.plus || d.minus) this.signWritten = !(d.plus && !d.minus);
    else {
      if (sign !== '-' && d.fill) d.bracket = false;
      this.signWritten = sign === '+' && d.fill && !d.localeSign;
      if (d.lsign === 'pre' && d.pre === d.preLsign) d.lsign = 'post';
    }
    this.count = d.post + d.pre - 1;
    if (d.fill && d.decimal) {
      this.last = lastRelevant(number);
      if (this.last >= 0 && d.zeroEnd > preSpaces)
        this.last = Math.max(this.last, Math.min(number.length - 1, d.zeroEnd - preSpaces));
    }
    if (!this.signWritten && preSpaces === 0) this.count++;
  }

  run(nodes: readonly FormatNode[]): string {
    for (const node of nodes) {
      if (node.key === null) this.out += node.text;
      else this.action(node.key.id);
    }
    return this.end === undefined ? this.out : this.out.slice(0, this.end);
  }
  private action(id: string): void {
    const { d } = this;
    switch (id) {
      case '9':
      case '0':
      case '.':
      case 'D':
        this.digit(id);
        break;
      case ',':
      case 'G':
        if (this.digitsBegun) this.out += ',';
        else if (!d.fill) this.out += ' ';
        break;
      case 'L':
        this.out += ' ';
        break;
      case 'RN':
      case 'rn': {
        const text = id === 'rn' ? this.number.toLowerCase() : this.number;
        this.out += d.fill ? text : text.padStart(15);
        break;
      }
      case 'TH':
      case 'th':
        if (!d.roman && this.number[0] !== '#' && this.sign !== '-' && !d.decimal)
          this.out += ordinal(this.number, id === 'TH');
        break;
      case 'MI':
        if (this.sign === '-') this.out += '-';
        else if (!d.fill) this.out += ' ';
        break;
      case 'PL':
        if (this.sign === '+') this.out += '+';
        else if (!d.fill) this.out += ' ';
        break;
      case 'SG':
        this.out += this.sign;
        break;
    }
  }

  /** A leading zero before the point that is shown as a blank. */
  private get isHiddenZero(): boolean {
    return !this.d.zero && this.at === 0 && this.number[0] === '0' && this.d.post !== 0;
  }
  private get lastIsPoint(): boolean {
    return this.last >= 0 && this.number[this.last] === '.';
  }
  private writeSign(): void {
    const { d } = this;
    if (d.localeSign) {
      if (d.lsign === 'pre') {
        this.out += this.sign === '-' ? '-' : '+';
        this.signWritten = true;
      }
    } else if (d.bracket) {
      this.out += this.sign === '+' ? ' ' : '<';
      this.signWritten = true;
    } else if (this.sign === '+') {
      if (!d.fill) this.out += ' ';
      this.signWritten = true;
    } else if (this.sign === '-') {
      this.out += '-';
      this.signWritten = true;
    }
  }
  private digit(id: string): void {
    const { d, current } = this;
    if (d.roman) return;
    this.digitsBegun = false;
    const due = current >= this.preSpaces || (d.zero && d.zeroStart === current);
    if (!this.signWritten && due && (!this.isHiddenZero || this.lastIsPoint)) this.writeSign();
    if (current < this.preSpaces && (d.zeroStart > current || !d.zero)) {
      if (!d.fill) this.out += ' ';
    } else if (d.zero && current < this.preSpaces && d.zeroStart <= current) {
      this.out += '0';
      this.digitsBegun = true;
    } else this.character(id);
    let end = this.count + (this.preSpaces > 0 ? 1 : 0) + (d.decimal ? 1 : 0);
    if (this.last >= 0 && this.last === this.at) end = current;
    if (current + 1 === end) {
      if (this.signWritten && d.bracket) this.out += this.sign === '+' ? ' ' : '>';
      else if (d.localeSign && d.lsign === 'post') this.out += this.sign === '-' ? '-' : '+';
    }
    this.current++;
  }
  private character(id: string): void {
    const { d } = this;
    const char = this.number[this.at];
    if (char === '.') {
      if (!this.lastIsPoint || d.fill) this.out += '.';
    } else if (this.last >= 0 && this.at > this.last && id !== '0') {
      // Trailing zeros that FM drops.
    } else if (this.isHiddenZero) {
      if (!d.fill) this.out += ' ';
      else if (this.lastIsPoint) this.out += '0';
    } else if (char !== undefined) {
      this.out += char;
      this.digitsBegun = true;
    } else {
      // PostgreSQL writes the terminator of the digits here, which ends the whole text ("NaN" under '999.99PR').
      this.end ??= this.out.length;
      this.digitsBegun = true;
    }
    if (char !== undefined) this.at++;
  }
}

const ROMAN = [
  ['', 'I', 'II', 'III', 'IV', 'V', 'VI', 'VII', 'VIII', 'IX'],
  ['', 'X', 'XX', 'XXX', 'XL', 'L', 'LX', 'LXX', 'LXXX', 'XC'],
  ['', 'C', 'CC', 'CCC', 'CD', 'D', 'DC', 'DCC', 'DCCC', 'CM'],
  ['', 'M', 'MM', 'MMM'],
] as const;
function roman(value: bigint): string {
  if (value > 2_147_483_647n || value < -2_147_483_648n)
    report('ERROR', { code: SQLSTATE.numericValueOutOfRange, message: 'integer out of range' });
  if (value > 3999n || value < 1n) return '###############';
  const n = Number(value);
  return (
    ROMAN[3][Math.floor(n / 1000)]! +
    ROMAN[2][Math.floor(n / 100) % 10]! +
    ROMAN[1][Math.floor(n / 10) % 10]! +
    ROMAN[0][n % 10]!
  );
}

/** Hash marks where a number does not fit, the point in its place. */
function overflowed(d: Description, width: number): string {
  const marks = Array.from('#'.repeat(width));
  if (d.pre < width) marks[d.pre] = '.';
  return marks.join('');
}
function scientificOverflow(d: Description): string {
  const marks = Array.from('#'.repeat(d.pre + d.post + 6));
  marks[0] = ' ';
  marks[d.pre + 1] = '.';
  return marks.join('');
}

/** Text of a signed decimal through the template; `decimalText` has the template's scale already. */
function layOut(d: Description, nodes: readonly FormatNode[], decimalText: string): string {
  const negative = decimalText.startsWith('-');
  let number = negative ? decimalText.slice(1) : decimalText;
  const point = number.indexOf('.');
  const digits = point < 0 ? number.length : point;
  let spaces = 0;
  if (digits < d.pre) spaces = d.pre - digits;
  else if (digits > d.pre) number = overflowed(d, d.pre + d.post + 1);
  return new NumberWriter(d, number, spaces, negative ? '-' : '+').run(nodes);
}
function romanText(d: Description, nodes: readonly FormatNode[], value: bigint): string {
  const plain = newDescription();
  plain.fill = d.fill;
  plain.roman = true;
  return new NumberWriter(plain, roman(value), 0, '').run(nodes);
}

/** d.ddde+xx of an exact decimal, halves away from zero. */
function numericScientific(value: Numeric, places: number): string {
  const negative = value.unscaled < 0n;
  let digits = String(negative ? -value.unscaled : value.unscaled);
  const exponent = value.unscaled === 0n ? 0 : digits.length - 1 - value.scale;
  const keep = places + 1;
  if (digits.length > keep) {
    const drop = pow10(digits.length - keep);
    // A carry out of the first digit gives two digits before the point, as PostgreSQL 15 does.
    digits = String((BigInt(digits) + drop / 2n) / drop);
  } else digits = digits.padEnd(keep, '0');
  const mantissa = places > 0 ? `${digits.slice(0, -places)}.${digits.slice(-places)}` : digits;
  return `${negative ? '-' : ' '}${mantissa}e${exponentText(exponent)}`;
}
const exponentText = (exponent: number): string =>
  `${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;

function numericToChar(value: Numeric, format: string): string {
  const nodes = parseNumberFormat(format);
  if (format === '') return '';
  const d = describe(nodes);
  if (d.roman) {
    if (value.special !== 0) notSupported(`cannot convert ${value.special === 2 ? 'NaN' : 'infinity'} to integer`);
    return romanText(d, nodes, roundNumeric(value, 0).unscaled);
  }
  if (d.scientific) return value.special !== 0 ? scientificOverflow(d) : numericScientific(value, d.post);
  let shown = value;
  if (d.multiply) {
    shown = multiplyNumerics(value, numeric(pow10(d.multi), 0));
    d.pre += d.multi;
  }
  return layOut(d, nodes, numericOut(shown.special === 0 ? roundNumeric(shown, d.post) : shown));
}

function integerToChar(value: number | bigint, format: string, isInt4: boolean): string {
  const nodes = parseNumberFormat(format);
  if (format === '') return '';
  const d = describe(nodes);
  if (d.roman) return romanText(d, nodes, BigInt(value));
  if (d.scientific)
    return isInt4 ? floatScientific(Number(value), d.post) : numericScientific(numericFromInt(value), d.post);
  let shown = BigInt(value);
  if (d.multiply) {
    shown *= 10n ** BigInt(d.multi);
    // The product of an int4 wraps around, that of an int8 is checked.
    if (isInt4) shown = BigInt.asIntN(32, shown);
    else if (BigInt.asIntN(64, shown) !== shown)
      report('ERROR', { code: SQLSTATE.numericValueOutOfRange, message: 'bigint out of range' });
    d.pre += d.multi;
  }
  return layOut(d, nodes, d.post > 0 ? `${shown}.${'0'.repeat(d.post)}` : String(shown));
}

/** printf's %.*f: the double's exact value, halves to even. */
function fixedText(value: number, places: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity';
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const raw = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & 0xf_ffff_ffff_ffffn;
  const mantissa = raw === 0 ? fraction : fraction | (1n << 52n);
  const exponent = (raw === 0 ? 1 : raw) - 1075;
  let numerator = mantissa * pow10(places);
  if (exponent >= 0) numerator <<= BigInt(exponent);
  else {
    const shift = BigInt(-exponent);
    const quotient = numerator >> shift;
    const rest = numerator - (quotient << shift);
    const half = 1n << (shift - 1n);
    const up = rest > half || (rest === half && (quotient & 1n) === 1n);
    numerator = up ? quotient + 1n : quotient;
  }
  const digits = String(numerator).padStart(places + 1, '0');
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  return places === 0 ? sign + digits : `${sign}${digits.slice(0, -places)}.${digits.slice(-places)}`;
}
/** printf's %+.*e with the plus shown as a blank. */
function floatScientific(value: number, places: number): string {
  const exact = Math.abs(value).toExponential(100);
  const [mantissa, power] = exact.split('e') as [string, string];
  let exponent = Number(power);
  const digits = mantissa.replace('.', '');
  const kept = digits.slice(0, places + 1);
  const rest = digits.slice(places + 1);
  let rounded = BigInt(kept);
  const half = `5${'0'.repeat(rest.length - 1)}`;
  if (rest > half || (rest === half && rounded % 2n === 1n)) rounded++;
  let text = String(rounded).padStart(places + 1, '0');
  if (text.length > places + 1) {
    exponent++;
    text = text.slice(0, places + 1);
  }
  const sign = value < 0 || Object.is(value, -0) ? '-' : ' ';
  return `${sign}${text[0]}${places > 0 ? `.${text.slice(1)}` : ''}e${exponentText(exponent)}`;
}
function floatToChar(value: number, format: string, significant: number): string {
  const nodes = parseNumberFormat(format);
  if (format === '') return '';
  const d = describe(nodes);
  if (d.roman) {
    return romanText(d, nodes, Math.abs(value) < 1e9 ? BigInt(fixedText(value, 0)) : 0n);
  }
  if (d.scientific) return Number.isFinite(value) ? floatScientific(value, d.post) : scientificOverflow(d);
  let shown = value;
  if (d.multiply) {
    shown = value * 10 ** d.multi;
    if (significant === 6) shown = Math.fround(shown);
    d.pre += d.multi;
  }
  const whole = fixedText(Math.abs(shown), 0).length;
  if (whole >= significant) d.post = 0;
  else if (whole + d.post > significant) d.post = significant - whole;
  return layOut(d, nodes, fixedText(shown, d.post));
}

/** Picks a number out of text by a template. */
class NumberReader {
  private sign = ' ';
  private digits = '';
  private preDigits = 0;
  private postDigits = 0;
  private sawPoint = false;
  private at = 0;
  constructor(
    private readonly d: Description,
    private readonly input: string,
  ) {}

  run(nodes: readonly FormatNode[]): { text: string; post: number } {
    for (const node of nodes) {
      if (this.at >= this.input.length) break;
      if (node.key === null) this.at += String.fromCodePoint(this.input.codePointAt(this.at)!).length;
      else if (this.action(node.key.id)) this.at++;
    }
    const digits = this.digits.endsWith('.') ? this.digits.slice(0, -1) : this.digits;
    return { text: this.sign + digits, post: this.postDigits };
  }
  /** True when one more character is to be consumed. */
  private action(id: string): boolean {
    const char = this.input[this.at]!;
    switch (id) {
      case '9':
      case '0':
      case '.':
      case 'D':
        this.digit(id);
        return true;
      case ',':
      case 'G':
        return char === ',';
      case 'L':
        this.skipNonData(1);
        return false;
      case 'TH':
      case 'th':
        this.skipNonData(2);
        return false;
      case 'MI':
        return this.signHere('-');
      case 'PL':
        return this.signHere('+');
      case 'SG':
        return this.signHere('-') || this.signHere('+');
      default:
        return false;
    }
  }
  private signHere(sign: string): boolean {
    if (this.input[this.at] === sign) {
      this.sign = sign;
      return true;
    }
    if (sign === '+' || this.input[this.at] !== '+') this.skipNonData(1);
    return false;
  }
  private skipNonData(count: number): void {
    for (let i = 0; i < count && this.at < this.input.length; i++) {
      if ('0123456789.,+-'.includes(this.input[this.at]!)) return;
      this.at += String.fromCodePoint(this.input.codePointAt(this.at)!).length;
    }
  }
  private digit(id: string): void {
    const { d, input } = this;
    if (input[this.at] === ' ') this.at++;
    if (this.at >= input.length) return;
    if (this.sign === ' ' && (id === '0' || id === '9') && this.preDigits + this.postDigits === 0) this.leadingSign();
    if (this.at >= input.length) return;
    let isRead = false;
    const char = input[this.at]!;
    if (/[0-9]/.test(char)) {
      if (this.sawPoint && this.postDigits === d.post) return;
      this.digits += char;
      if (this.sawPoint) this.postDigits++;
      else this.preDigits++;
      isRead = true;
    } else if (d.decimal && !this.sawPoint && char === '.') {
      this.digits += '.';
      this.sawPoint = true;
      isRead = true;
    }
    if (this.sign === ' ' && this.preDigits + this.postDigits > 0) this.trailingSign(isRead);
  }
  private leadingSign(): void {
    const char = this.input[this.at];
    if (this.d.localeSign && this.d.lsign === 'pre') {
      if (char === '-' || char === '+') {
        this.sign = char;
        this.at++;
      }
    } else if (char === '-' || (this.d.bracket && char === '<')) {
      this.sign = '-';
      this.at++;
    } else if (char === '+') {
      this.sign = '+';
      this.at++;
    }
  }
  private trailingSign(isRead: boolean): void {
    const { d, input } = this;
    const next = input[this.at + 1];
    if (d.localeSign && isRead && next !== undefined && !/[0-9]/.test(next)) {
      if (next === '-' || next === '+') {
        this.sign = next;
        this.at++;
      }
    } else if (!isRead && !d.localeSign && (d.plus || d.minus)) {
      const char = input[this.at];
      if (char === '-' || char === '+') this.sign = char;
    }
  }
}

function toNumber(input: string, format: string): Numeric | null {
  if (format === '') return null;
  const nodes = parseNumberFormat(format);
  const d = describe(nodes);
  if (d.scientific) notSupported('"EEEE" not supported for input');
  if (d.roman) notSupported('"RN" not supported for input');
  if (d.zeroStart > 0) d.zeroStart--;
  const { text, post } = new NumberReader(d, input).run(nodes);
  const value = applyNumericTypmod(numericIn(text), numericTypmod(d.pre + d.multi + post, post));
  return d.multiply ? multiplyNumerics(value, numericPower(numericFromInt(10), numericFromInt(-d.multi))) : value;
}

registerBuiltins({
  numeric_to_char: numericToChar,
  int4_to_char: (value: number, format: string) => integerToChar(value, format, true),
  int8_to_char: (value: number | bigint, format: string) => integerToChar(value, format, false),
  float4_to_char: (value: number, format: string) => floatToChar(value, format, 6),
  float8_to_char: (value: number, format: string) => floatToChar(value, format, 15),
  numeric_to_number: toNumber,
});
