import { describe, expect, it } from 'vitest';
import {
  addNumerics,
  applyNumericTypmod,
  compareNumerics,
  digitCount,
  divideNumerics,
  moduloNumerics,
  multiplyNumerics,
  NUMERIC_INFINITY,
  NUMERIC_NAN,
  numericIn,
  numericOut,
  numericTypmod,
  roundNumeric,
} from '#adt/numeric.ts';
import { numericRecv, numericSend } from '#adt/numeric-functions.ts';
import { numericExp, numericLn, numericLog, numericPower, numericSqrt } from '#adt/numeric-math.ts';
import type { Numeric } from '#adt/datum.ts';

const n = numericIn;
const binary = (compute: (a: Numeric, b: Numeric) => Numeric, a: string, b: string): string =>
  numericOut(compute(n(a), n(b)));

describe('numeric keeps the display scale of PostgreSQL', () => {
  it('reads what it shows', () => {
    for (const text of ['0', '0.00', '-0.5', '123456789012345678901234567890.000', 'NaN', 'Infinity', '-Infinity'])
      expect(numericOut(n(text))).toBe(text);
    expect(numericOut(n(' +1.5e3 '))).toBe('1500');
    expect(numericOut(n('1e-5'))).toBe('0.00001');
  });
  it('adds at the larger scale and multiplies at the sum of scales', () => {
    expect(binary(addNumerics, '1.50', '2.5')).toBe('4.00');
    expect(binary(multiplyNumerics, '1.50', '2.5')).toBe('3.750');
  });
  it('divides to sixteen significant digits counted in base-10000 weights', () => {
    expect(binary(divideNumerics, '1', '3')).toBe('0.33333333333333333333');
    expect(binary(divideNumerics, '1e20', '3')).toBe('33333333333333333333');
    expect(binary(divideNumerics, '4.000', '2.00000')).toBe('2.0000000000000000');
    expect(binary(divideNumerics, '12345.67', '89.0123')).toBe('138.6962251284373059');
  });
  it('takes the sign of a remainder from the dividend', () => {
    expect(binary(moduloNumerics, '-5', '0.3')).toBe('-0.2');
  });
  it('rounds halves away from zero, also left of the point', () => {
    expect(numericOut(roundNumeric(n('-2.5'), 0))).toBe('-3');
    expect(numericOut(roundNumeric(n('55'), -1))).toBe('60');
  });
  it('orders NaN above infinity', () => {
    expect(compareNumerics(NUMERIC_NAN, NUMERIC_INFINITY)).toBe(1);
    expect(compareNumerics(NUMERIC_NAN, NUMERIC_NAN)).toBe(0);
  });
  it('refuses more whole digits than the format has', () => {
    expect(() => n('1e131072')).toThrow('value overflows numeric format');
  });
  it('counts digits of powers of ten exactly', () => {
    for (let digits = 1; digits < 400; digits++) {
      expect(digitCount(10n ** BigInt(digits - 1))).toBe(digits);
      expect(digitCount(10n ** BigInt(digits) - 1n)).toBe(digits);
    }
  });
});

describe('numeric(precision, scale)', () => {
  it('rounds to a negative scale', () => {
    expect(numericOut(applyNumericTypmod(n('1234.5'), numericTypmod(3, -2)))).toBe('1200');
  });
  it('complains about what does not fit', () => {
    expect(() => applyNumericTypmod(n('100'), numericTypmod(2, 1))).toThrow('numeric field overflow');
    expect(() => applyNumericTypmod(NUMERIC_INFINITY, numericTypmod(2, 1))).toThrow('numeric field overflow');
  });
});

describe('transcendental functions of numeric', () => {
  it('show as many digits as PostgreSQL chooses', () => {
    expect(numericOut(numericSqrt(n('2')))).toBe('1.414213562373095');
    expect(numericOut(numericSqrt(n('1e-20')))).toBe('0.0000000001000000000000000');
    expect(numericOut(numericExp(n('1')))).toBe('2.7182818284590452');
    expect(numericOut(numericExp(n('100.1')))).toBe('29708288895158242777285504376992791305002711.6');
    expect(numericOut(numericLn(n('1.0001')))).toBe('0.00009999500033330834');
    expect(numericOut(numericLn(n('1e100')))).toBe('230.25850929940457');
    expect(numericOut(numericLog(n('2.0'), n('64.0')))).toBe('6.0000000000000000');
    expect(binary(numericPower, '100', '-2.5')).toBe('0.000010000000000000000');
    expect(binary(numericPower, '2.0', '3')).toBe('8.0000000000000000');
  });
  it('refuse what has no real result', () => {
    expect(() => numericSqrt(n('-1'))).toThrow('cannot take square root of a negative number');
    expect(() => numericLn(n('0'))).toThrow('cannot take logarithm of zero');
    expect(() => numericPower(n('-8'), n('0.5'))).toThrow('yields a complex result');
  });
});

describe('the wire form of numeric', () => {
  it('comes back as the same value and scale', () => {
    for (const text of ['0', '0.000', '-1.5', '10000', '0.00001', '123456789.987654321', '1e50', 'NaN', '-Infinity'])
      expect(numericOut(numericRecv(numericSend(n(text))))).toBe(numericOut(n(text)));
  });
  it('is base-10000 digits without zeros at the ends', () => {
    expect(Buffer.from(numericSend(n('12345.6700'))).toString('hex')).toBe('0003000100000004000109291a2c');
  });
});
