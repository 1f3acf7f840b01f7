/** format.ts — functions of many arguments of any type: format(), concat(), concat_ws().
 *
 *  With VARIADIC the arguments are the elements of one array. Values become text by their types' output functions.
 *  Counterpart: text_format(), concat_internal() of src/backend/utils/adt/varlena.c */
import type { ArrayDatum, Datum } from '#adt/datum.ts';
import type { CallInfo } from '#adt/fmgr.ts';
import { registerCallInfoBuiltins, typeInfo } from '#adt/fmgr.ts';
import { int4In } from '#adt/int.ts';
import { quoteIdentifier, quoteLiteral } from '#adt/quote.ts';
import { characterLength } from '#adt/text.ts';
import { invalidParameter } from '#adt/value-errors.ts';
import type { Oid } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

interface Arguments {
  readonly values: readonly Datum[];
  readonly typeOf: (index: number) => Oid;
}
/** The arguments from position `from` on; undefined for VARIADIC NULL. */
function spread(info: CallInfo, args: readonly Datum[], from: number): Arguments | undefined {
  if (!info.variadic) return { values: args.slice(from), typeOf: (index) => info.argTypes[from + index]! };
  const array = args[from] as ArrayDatum | null;
  if (array === null || array === undefined) return undefined;
  return { values: array.elements, typeOf: () => array.elementType };
}
const show = (args: Arguments, index: number): string => typeInfo(args.typeOf(index)).output(args.values[index]!);

function join(args: Arguments, separator: string): string {
  let result = '';
  let first = true;
  for (let i = 0; i < args.values.length; i++) {
    if (args.values[i] === null) continue;
    result += first ? show(args, i) : separator + show(args, i);
    first = false;
  }
  return result;
}
function concat(info: CallInfo, ...args: Datum[]): Datum {
  const all = spread(info, args, 0);
  return all === undefined ? null : join(all, '');
}
function concatWithSeparator(info: CallInfo, separator: string | null, ...args: Datum[]): Datum {
  if (separator === null) return null;
  const all = spread(info, [separator, ...args], 1);
  return all === undefined ? null : join(all, separator);
}

// ---- format()

function unterminated(): never {
  invalidParameter('unterminated format() type specifier', 'For a single "%" use "%%".');
}
interface Specifier {
  /** 1-based position of the value, -1 for the next one. */
  readonly position: number;
  /** 1-based position of the width argument, 0 for the next one, -1 for none. */
  readonly widthPosition: number;
  readonly width: number;
  readonly leftAligned: boolean;
  readonly conversion: string;
  readonly end: number;
}

/** Digits at `at`; undefined if there are none. */
function number(format: string, at: number): { value: number; end: number } | undefined {
  let end = at;
  while (end < format.length && format[end]! >= '0' && format[end]! <= '9') end++;
  if (end === at) return undefined;
  if (end >= format.length) unterminated();
  const value = Number(format.slice(at, end));
  if (value > 2147483647) report('ERROR', { code: SQLSTATE.numericValueOutOfRange, message: 'number is out of range' });
  return { value, end };
}
function badPosition(): never {
  invalidParameter('format specifies argument 0, but arguments are numbered from 1');
}

/** Reads [position$][-][width|*|*position$]conversion from `start`, behind the percent sign. */
function parseSpecifier(format: string, start: number): Specifier {
  let at = start;
  let position = -1;
  let width = 0;
  let widthPosition = -1;
  let leftAligned = false;
  const peek = (): string => (at < format.length ? format[at]! : unterminated());

  const first = number(format, at);
  if (first !== undefined) {
    at = first.end;
    if (peek() !== '$')
      return { position, widthPosition, width: first.value, leftAligned, conversion: peek(), end: at };
    position = first.value;
    if (position === 0) badPosition();
    at++;
  }
  while (peek() === '-') {
    leftAligned = true;
    at++;
  }
  if (peek() === '*') {
    at++;
    peek();
    const argument = number(format, at);
    widthPosition = 0;
    if (argument !== undefined) {
      at = argument.end;
      if (peek() !== '$') invalidParameter('width argument position must be ended by "$"');
      widthPosition = argument.value;
      if (widthPosition === 0) badPosition();
      at++;
    }
  } else {
    const plain = number(format, at);
    if (plain !== undefined) {
      width = plain.value;
      at = plain.end;
    }
  }
  return { position, widthPosition, width, leftAligned, conversion: peek(), end: at };
}

function padded(text: string, width: number, leftAligned: boolean): string {
  const magnitude = Math.abs(width);
  const missing = magnitude - (magnitude === 0 ? 0 : characterLength(text));
  if (missing <= 0) return text;
  return leftAligned || width < 0 ? text + ' '.repeat(missing) : ' '.repeat(missing) + text;
}
function convert(args: Arguments, index: number, conversion: string): string {
  const isNull = args.values[index] === null;
  if (conversion === 's') return isNull ? '' : show(args, index);
  if (conversion === 'L') return isNull ? 'NULL' : quoteLiteral(show(args, index));
  if (isNull) {
    report('ERROR', {
      code: SQLSTATE.nullValueNotAllowed,
      message: 'null values cannot be formatted as an SQL identifier',
    });
  }
  return quoteIdentifier(show(args, index));
}
function widthArgument(args: Arguments, index: number): number {
  if (args.values[index] === null) return 0;
  const value = args.values[index]!;
  const width = typeof value === 'number' ? value : int4In(show(args, index));
  return width === -2147483648
    ? report('ERROR', { code: SQLSTATE.numericValueOutOfRange, message: 'number is out of range' })
    : width;
}

function format(info: CallInfo, pattern: string | null, ...rest: Datum[]): Datum {
  if (pattern === null) return null;
  const args = spread(info, [pattern, ...rest], 1) ?? { values: [], typeOf: () => 0 as Oid };
  const require = (index: number): number =>
    index < args.values.length ? index : invalidParameter('too few arguments for format()');
  let result = '';
  let next = 0;
  for (let at = 0; at < pattern.length; at++) {
    const percent = pattern.indexOf('%', at);
    if (percent < 0) return result + pattern.slice(at);
    result += pattern.slice(at, percent);
    at = percent + 1;
    if (at >= pattern.length) unterminated();
    if (pattern[at] === '%') {
      result += '%';
      continue;
    }
    const specifier = parseSpecifier(pattern, at);
    at = specifier.end;
    if (!'sIL'.includes(specifier.conversion)) {
      const shown = String.fromCodePoint(pattern.codePointAt(at)!);
      invalidParameter(`unrecognized format() type specifier "${shown}"`, 'For a single "%" use "%%".');
    }
    let width = specifier.width;
    if (specifier.widthPosition >= 0) {
      const index = require(specifier.widthPosition > 0 ? specifier.widthPosition - 1 : next);
      width = widthArgument(args, index);
      next = index + 1;
    }
    const index = require(specifier.position > 0 ? specifier.position - 1 : next);
    next = index + 1;
    result += padded(convert(args, index, specifier.conversion), width, specifier.leftAligned);
  }
  return result;
}

registerCallInfoBuiltins({
  text_concat: concat,
  text_concat_ws: concatWithSeparator,
  text_format: format,
  text_format_nv: format,
});
