/** int.ts — smallint and integer: text and wire forms, operators, and the mixed int2/int4 ones.
 *
 *  Every value is an int32 Number, so a sum that leaves the type differs from its own `| 0`. Products may be inexact
 *  beyond 2^53, but then they are far out of range anyway. Results pass `| 0` also to turn -0 into 0.
 *  Counterpart: src/backend/utils/adt/int.c, numutils.c */
import { registerBuiltins } from '#adt/fmgr.ts';
import { divisionByZero, inputOutOfRange, invalidInput, invalidWindowOffset, outOfRange } from '#adt/value-errors.ts';
import { receiveInt2, receiveInt4, sendInt2, sendInt4 } from '#adt/wire.ts';

const isSpace = (code: number): boolean => code === 0x20 || (code >= 9 && code <= 13);

/** Decimal integer with optional sign and surrounding white space, within [min, max]. */
export function parseInteger(text: string, min: number, max: number, typeName: string): number {
  let at = 0;
  const end = text.length;
  while (at < end && isSpace(text.charCodeAt(at))) at++;
  let negative = false;
  const sign = text.charCodeAt(at);
  if (sign === 0x2d || sign === 0x2b) {
    negative = sign === 0x2d;
    at++;
  }
  const firstDigit = at;
  let value = 0;
  for (; at < end; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) break;
    value = negative ? value * 10 - digit : value * 10 + digit;
    if (value > max || value < min) inputOutOfRange(typeName, text);
  }
  if (at === firstDigit) invalidInput(typeName, text);
  while (at < end && isSpace(text.charCodeAt(at))) at++;
  if (at < end) invalidInput(typeName, text);
  return value;
}
export const int4In = (text: string): number => parseInteger(text, -2147483648, 2147483647, 'integer');
export const int2In = (text: string): number => parseInteger(text, -32768, 32767, 'smallint');

function int4(value: number): number {
  if (value !== (value | 0)) outOfRange('integer');
  return value | 0;
}
function int2(value: number): number {
  if (value < -32768 || value > 32767) outOfRange('smallint');
  return value | 0;
}
const add4 = (a: number, b: number): number => int4(a + b);
const subtract4 = (a: number, b: number): number => int4(a - b);
// A product beyond 2^53 may be rounded, but rounding never brings it back into range.
const multiply4 = (a: number, b: number): number => int4(a * b);
function divide4(a: number, b: number): number {
  if (b === 0) divisionByZero();
  return int4(Math.trunc(a / b));
}
function divide2(a: number, b: number): number {
  if (b === 0) divisionByZero();
  return int2(Math.trunc(a / b));
}
function modulo(a: number, b: number): number {
  if (b === 0) divisionByZero();
  return (a % b) | 0;
}
const signed2 = (value: number): number => (value << 16) >> 16;

function gcd4(a: number, b: number): number {
  let x = Math.abs(a);
  let y = Math.abs(b);
  while (y !== 0) [x, y] = [y, x % y];
  return int4(x);
}
function lcm4(a: number, b: number): number {
  if (a === 0 || b === 0) return 0;
  return int4(Math.abs((a / gcd4(a, b)) * b));
}

/** Is `value` within `offset` of `base` on the asked side? Number sums of three int32 cannot overflow. */
function inRange(value: number, base: number, offset: number | bigint, subtract: boolean, less: boolean): boolean {
  if (offset < 0) invalidWindowOffset();
  // An offset outside the safe integers exceeds every int4 distance, as its nearest double does too.
  const bound = subtract ? base - Number(offset) : base + Number(offset);
  return less ? value <= bound : value >= bound;
}

const equal = (a: number, b: number): boolean => a === b;
const notEqual = (a: number, b: number): boolean => a !== b;
const less = (a: number, b: number): boolean => a < b;
const lessEqual = (a: number, b: number): boolean => a <= b;
const greater = (a: number, b: number): boolean => a > b;
const greaterEqual = (a: number, b: number): boolean => a >= b;
export const compareNumbers = (a: number, b: number): number => (a < b ? -1 : a > b ? 1 : 0);
const larger = (a: number, b: number): number => Math.max(a, b);
const smaller = (a: number, b: number): number => Math.min(a, b);

registerBuiltins({
  int2in: int2In,
  int2out: (value: number) => String(value),
  int2recv: receiveInt2,
  int2send: sendInt2,
  int4in: int4In,
  int4out: (value: number) => String(value),
  int4recv: receiveInt4,
  int4send: sendInt4,
  i2toi4: (value: number) => value,
  i4toi2: int2,

  int4eq: equal,
  int4ne: notEqual,
  int4lt: less,
  int4le: lessEqual,
  int4gt: greater,
  int4ge: greaterEqual,
  int2eq: equal,
  int2ne: notEqual,
  int2lt: less,
  int2le: lessEqual,
  int2gt: greater,
  int2ge: greaterEqual,
  int24eq: equal,
  int24ne: notEqual,
  int24lt: less,
  int24le: lessEqual,
  int24gt: greater,
  int24ge: greaterEqual,
  int42eq: equal,
  int42ne: notEqual,
  int42lt: less,
  int42le: lessEqual,
  int42gt: greater,
  int42ge: greaterEqual,
  btint2cmp: (a: number, b: number) => a - b,
  btint4cmp: compareNumbers,
  btint24cmp: compareNumbers,
  btint42cmp: compareNumbers,
  int2larger: larger,
  int2smaller: smaller,
  int4larger: larger,
  int4smaller: smaller,

  int4pl: add4,
  int4mi: subtract4,
  int4mul: multiply4,
  int4div: divide4,
  int4mod: modulo,
  int4um: (value: number) => int4(0 - value),
  int4up: (value: number) => value,
  int4abs: (value: number) => int4(Math.abs(value)),
  int4inc: (value: number) => int4(value + 1),
  int2pl: (a: number, b: number) => int2(a + b),
  int2mi: (a: number, b: number) => int2(a - b),
  int2mul: (a: number, b: number) => int2(a * b),
  int2div: divide2,
  int2mod: modulo,
  int2um: (value: number) => int2(0 - value),
  int2up: (value: number) => value,
  int2abs: (value: number) => int2(Math.abs(value)),
  int24pl: add4,
  int24mi: subtract4,
  int24mul: multiply4,
  int24div: divide4,
  int42pl: add4,
  int42mi: subtract4,
  int42mul: multiply4,
  int42div: divide4,
  int4gcd: gcd4,
  int4lcm: lcm4,

  int4and: (a: number, b: number) => a & b,
  int4or: (a: number, b: number) => a | b,
  int4xor: (a: number, b: number) => a ^ b,
  int4not: (value: number) => ~value,
  int4shl: (value: number, count: number) => value << count,
  int4shr: (value: number, count: number) => value >> count,
  int2and: (a: number, b: number) => a & b,
  int2or: (a: number, b: number) => a | b,
  int2xor: (a: number, b: number) => a ^ b,
  int2not: (value: number) => ~value,
  int2shl: (value: number, count: number) => signed2(value << count),
  int2shr: (value: number, count: number) => value >> count,

  in_range_int2_int2: inRange,
  in_range_int2_int4: inRange,
  in_range_int2_int8: inRange,
  in_range_int4_int2: inRange,
  in_range_int4_int4: inRange,
  in_range_int4_int8: inRange,
});
