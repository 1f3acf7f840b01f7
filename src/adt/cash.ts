/** cash.ts — money: cents in an int8, shown as lc_monetary "C" shows them.
 *  Counterpart: src/backend/utils/adt/cash.c */
import type { Numeric } from '#adt/datum.ts';
import { canonicalInt8 } from '#adt/datum.ts';
import { float8Divide, float8Multiply, roundHalfEven } from '#adt/float.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import type { Int8 } from '#adt/int8.ts';
import { compareInt8, INT8_MAX, INT8_MIN, int8Divide } from '#adt/int8.ts';
import { numeric, rescale } from '#adt/numeric.ts';
import { divisionByZero, inputOutOfRange, invalidInput, notSupported, outOfRange } from '#adt/value-errors.ts';
import { receiveInt8, sendInt8 } from '#adt/wire.ts';

/** Sign by "-" or parentheses, "$" and thousands commas anywhere sensible, cents rounded to two digits. */
function cashIn(text: string): Int8 {
  const match =
    /^\s*(\(|-|\+)?\s*(\$?)\s*(\(|-|\+)?\s*([0-9][0-9,]*)?(?:\.([0-9]*))?\s*(\)|-|\+)?\s*(\$?)\s*(\)|-|\+)?\s*$/.exec(
      text,
    );
  if (match === null || (match[4] === undefined && (match[5] ?? '') === '')) invalidInput('money', text);
  const signs = [match[1], match[3], match[6], match[8]];
  const negative = signs.includes('-') || signs.includes('(') || signs.includes(')');
  const whole = (match[4] ?? '').replaceAll(',', '');
  const fraction = (match[5] ?? '').padEnd(2, '0');
  const cents = BigInt(whole + fraction.slice(0, 2)) + (fraction.charCodeAt(2) >= 0x35 ? 1n : 0n);
  const value = negative ? -cents : cents;
  if (value < INT8_MIN || value > INT8_MAX) inputOutOfRange('money', text);
  return canonicalInt8(value);
}
function cashOut(value: Int8): string {
  const cents = BigInt(value);
  const digits = (cents < 0n ? -cents : cents).toString().padStart(3, '0');
  const whole = digits.slice(0, -2).replace(/\B(?=(\d{3})+$)/g, ',');
  return `${cents < 0n ? '-' : ''}$${whole}.${digits.slice(-2)}`;
}

const SMALL =
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen'.split(
    ' ',
  );
const TENS = 'twenty thirty forty fifty sixty seventy eighty ninety'.split(' ');
function belowThousand(value: number): string {
  const hundreds = Math.floor(value / 100);
  const rest = value % 100;
  const low =
    rest < 20 ? SMALL[rest]! : TENS[Math.floor(rest / 10) - 2]! + (rest % 10 === 0 ? '' : ` ${SMALL[rest % 10]}`);
  if (hundreds === 0) return low;
  if (rest === 0) return `${SMALL[hundreds]} hundred`;
  return rest > 19 ? `${SMALL[hundreds]} hundred ${low}` : `${SMALL[hundreds]} hundred and ${low}`;
}
const SCALES = ['quadrillion', 'trillion', 'billion', 'million', 'thousand', ''] as const;
function cashWords(value: Int8): string {
  const cents = BigInt(value);
  const absolute = cents < 0n ? -cents : cents;
  const dollars = absolute / 100n;
  let groups = '';
  SCALES.forEach((scale, i) => {
    const group = Number((dollars / 1000n ** BigInt(SCALES.length - 1 - i)) % 1000n);
    if (group !== 0) groups += scale === '' ? belowThousand(group) : `${belowThousand(group)} ${scale} `;
  });
  const words = `${cents < 0n ? 'minus ' : ''}${groups === '' ? 'zero' : groups}`;
  const rest = Number(absolute % 100n);
  const text = `${words}${dollars === 1n ? ' dollar' : ' dollars'} and ${belowThousand(rest)}${rest === 1 ? ' cent' : ' cents'}`;
  return text[0]!.toUpperCase() + text.slice(1);
}

function money(value: bigint): Int8 {
  if (value < INT8_MIN || value > INT8_MAX) outOfRange('money');
  return canonicalInt8(value);
}
const add = (a: Int8, b: Int8): Int8 => money(BigInt(a) + BigInt(b));
const subtract = (a: Int8, b: Int8): Int8 => money(BigInt(a) - BigInt(b));
const multiply = (a: Int8, b: Int8): Int8 => money(BigInt(a) * BigInt(b));

function toCash(value: number): Int8 {
  const rounded = roundHalfEven(value);
  if (!(rounded >= -(2 ** 63) && rounded < 2 ** 63)) outOfRange('money');
  return money(BigInt(rounded));
}
const timesFloat = (cash: Int8, factor: number): Int8 => toCash(float8Multiply(Number(cash), factor));
const overFloat = (cash: Int8, divisor: number): Int8 => toCash(float8Divide(Number(cash), divisor));
function fromNumeric(value: Numeric): Int8 {
  if (value.special !== 0) notSupported(`cannot convert ${value.special === 2 ? 'NaN' : 'infinity'} to bigint`);
  const cents = rescale(value, 2);
  if (cents < INT8_MIN || cents > INT8_MAX) outOfRange('bigint');
  return canonicalInt8(cents);
}
const fromInt = (value: Int8): Int8 => multiply(value, 100);

registerBuiltins({
  cash_in: cashIn,
  cash_out: cashOut,
  cash_recv: receiveInt8,
  cash_send: sendInt8,
  cash_words: cashWords,
  cash_eq: (a: Int8, b: Int8) => a === b,
  cash_ne: (a: Int8, b: Int8) => a !== b,
  cash_lt: (a: Int8, b: Int8) => a < b,
  cash_le: (a: Int8, b: Int8) => a <= b,
  cash_gt: (a: Int8, b: Int8) => a > b,
  cash_ge: (a: Int8, b: Int8) => a >= b,
  cash_cmp: compareInt8,
  cashlarger: (a: Int8, b: Int8) => (a > b ? a : b),
  cashsmaller: (a: Int8, b: Int8) => (a < b ? a : b),
  cash_pl: add,
  cash_mi: subtract,
  cash_mul_int2: multiply,
  cash_mul_int4: multiply,
  cash_mul_int8: multiply,
  int2_mul_cash: multiply,
  int4_mul_cash: multiply,
  int8_mul_cash: multiply,
  cash_div_int2: int8Divide,
  cash_div_int4: int8Divide,
  cash_div_int8: int8Divide,
  cash_mul_flt4: timesFloat,
  cash_mul_flt8: timesFloat,
  flt4_mul_cash: (factor: number, cash: Int8) => timesFloat(cash, factor),
  flt8_mul_cash: (factor: number, cash: Int8) => timesFloat(cash, factor),
  cash_div_flt4: overFloat,
  cash_div_flt8: overFloat,
  cash_div_cash: (a: Int8, b: Int8) => (b === 0 ? divisionByZero() : Number(a) / Number(b)),
  cash_numeric: (cash: Int8) => numeric(BigInt(cash), 2),
  numeric_cash: fromNumeric,
  int4_cash: fromInt,
  int8_cash: fromInt,
});
