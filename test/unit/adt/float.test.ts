import { afterEach, describe, expect, it } from 'vitest';
import { exactExp, exactLn, exactPower } from '#adt/double-double.ts';
import { compareFloats, float4In, float4Out, float8In, float8Out, formatG, roundHalfEven } from '#adt/float.ts';
import { builtin } from '#adt/fmgr.ts';
import '#adt/random.ts';
import { settings } from '#runtime/guc/guc.ts';

describe('the text of floats', () => {
  const digits = settings.extra_float_digits;
  const setDigits = (value: number): void => {
    (settings as { extra_float_digits: number }).extra_float_digits = value;
  };
  afterEach(() => {
    setDigits(digits);
  });
  it('is the shortest that reads back, plain between 1e-4 and 1e15 (1e6 for real)', () => {
    expect([1e15, 1e14, 1.5e-5, 0.0001, 0.1 + 0.2, -0, 5e-324, Number.NaN].map(float8Out)).toEqual([
      '1e+15',
      '100000000000000',
      '1.5e-05',
      '0.0001',
      '0.30000000000000004',
      '-0',
      '5e-324',
      'NaN',
    ]);
    expect([1e6, 999999, 0.1, 16777216, 1e-5].map((value) => float4Out(Math.fround(value)))).toEqual([
      '1e+06',
      '999999',
      '0.1',
      '1.6777216e+07',
      '1e-05',
    ]);
  });
  it('never lies half way between two floats', () => {
    expect(float8Out(-65203339744949936)).toBe('-6.5203339744949936e+16');
    expect(float4Out(-29891.3125)).toBe('-29891.312');
  });
  it('follows extra_float_digits below one as %.*g does', () => {
    setDigits(0);
    expect(float8Out(0.1 + 0.2)).toBe('0.3');
    expect(float8Out(123456789012345680)).toBe('1.23456789012346e+17');
    expect(float4Out(1234567)).toBe('1.23457e+06');
    expect(formatG(123456, 3)).toBe('1.23e+05');
  });
  it('is read strictly', () => {
    expect(float8In(' -Infinity ')).toBe(Number.NEGATIVE_INFINITY);
    expect(float8In('0x1p3')).toBe(8);
    expect(() => float8In('1 2')).toThrow('invalid input syntax for type double precision: "1 2"');
    expect(() => float8In('1e400')).toThrow('"1e400" is out of range for type double precision');
    expect(() => float4In('1e-50')).toThrow('"1e-50" is out of range for type real');
  });
});

describe('arithmetic helpers of floats', () => {
  it('NaN equals NaN and exceeds infinity', () => {
    expect(compareFloats(Number.NaN, Number.NaN)).toBe(0);
    expect(compareFloats(Number.NaN, Number.POSITIVE_INFINITY)).toBe(1);
  });
  it('rounding sends halves to even and keeps the sign of zero', () => {
    expect([2.5, 3.5, -2.5, -0.4].map(roundHalfEven)).toEqual([2, 4, -2, -0]);
  });
  it('exp, ln and power round correctly where JavaScript may not', () => {
    expect(exactPower(123.42344069242772, -3.932758949672916)).toBe(5.957131377274837e-9);
    expect(exactPower(10, 20)).toBe(1e20);
    expect(exactPower(-2, 3)).toBe(-8);
    expect(exactExp(1)).toBe(Math.E);
    expect(exactLn(10)).toBe(Math.LN10);
  });
});

describe('random()', () => {
  it('continues a seed as PostgreSQL 15 does', () => {
    const call = (name: string, ...args: number[]) =>
      (builtin(name) as { call: (...a: number[]) => unknown }).call(...args);
    call('setseed', 0.5);
    expect([call('drandom'), call('drandom'), call('drandom')]).toEqual([
      0.9851677175347999, 0.825301858027981, 0.12974610012450416,
    ]);
    call('setseed', -1);
    expect(call('drandom')).toBe(0.725656831544149);
  });
});
