import { describe, expect, it } from 'vitest';
import '#adt/aggregate-float.ts';
import '#adt/aggregate-numeric.ts';
import '#adt/aggregate-string.ts';
import type { ArrayDatum, Datum, Numeric } from '#adt/datum.ts';
import { builtin } from '#adt/fmgr.ts';
import { numericIn, numericOut } from '#adt/numeric.ts';
import type { Oid } from '#base/ids.ts';

const call = (name: string, ...args: unknown[]): Datum => {
  const found = builtin(name);
  if (found?.style !== 'plain') throw new Error(name);
  return found.call(...args);
};
const array = (...elements: number[]): ArrayDatum => ({
  kind: 'array',
  elementType: 701 as Oid,
  dims: [elements.length],
  lowerBounds: [1],
  elements,
});
const fold = (transition: string, start: Datum, rows: readonly (readonly unknown[])[]): Datum =>
  rows.reduce((state: Datum, row) => call(transition, state, ...row), start);
const show = (value: Datum): string => numericOut(value as Numeric);
const one = (values: readonly unknown[]): (readonly unknown[])[] => values.map((value) => [value]);

describe('aggregates of exact numbers', () => {
  const values = ['1.5', '2.25', '-7', '0.001'].map(numericIn);
  it('sum, average and spread show the scales of PostgreSQL', () => {
    const state = fold('numeric_accum', null, one(values));
    expect(show(call('numeric_sum', state))).toBe('-3.249');
    expect(show(call('numeric_avg', state))).toBe('-0.81225000000000000000');
    expect(show(call('numeric_stddev_samp', state))).toBe('4.2297951388532597');
    expect(show(call('numeric_var_pop', state))).toBe('13.4183751875000000');
  });
  it('a moving sum gives up when the last value of the largest scale leaves', () => {
    const state = fold('numeric_avg_accum', null, one(values));
    expect(call('numeric_accum_inv', state, values[3])).toBeNull();
  });
  it('opposite infinities average to NaN', () => {
    const state = fold('numeric_avg_accum', null, one(['Infinity', '-Infinity'].map(numericIn)));
    expect(show(call('numeric_avg', state))).toBe('NaN');
  });
  it('sums of bigint leave the range of bigint', () => {
    const state = fold('int8_avg_accum', null, one([9223372036854775807n, 9223372036854775807n, -5]));
    expect(show(call('numeric_poly_sum', state))).toBe('18446744073709551609');
    expect(show(call('numeric_poly_avg', state))).toBe('6148914691236517203');
  });
  it('parts combine to the whole', () => {
    const a = fold('numeric_accum', null, one(values.slice(0, 1)));
    const b = fold('numeric_accum', null, one(values.slice(1)));
    expect(show(call('numeric_var_pop', call('numeric_combine', a, b)))).toBe('13.4183751875000000');
  });
  it('the shared initial array is never changed', () => {
    const start = array(0, 0);
    fold('int4_avg_accum', start, one([1, 2, 4]));
    expect(start.elements).toEqual([0, 0]);
  });
});

describe('aggregates of floats', () => {
  it('follow Youngs and Cramer to the last digit', () => {
    const state = fold('float8_accum', array(0, 0, 0), one([1.5, 2.25, -7, 0.1]));
    expect(call('float8_avg', state)).toBe(-0.7875);
    expect(call('float8_stddev_samp', state)).toBe(4.236424396429927);
    expect(call('float8_var_pop', state)).toBe(13.460468749999999);
  });
  it('regression of a line', () => {
    const state = fold('float8_regr_accum', array(0, 0, 0, 0, 0, 0), [
      [2, 1],
      [4.5, 2],
      [7, 3],
    ]);
    expect(call('float8_regr_slope', state)).toBe(2.5);
    expect(call('float8_regr_intercept', state)).toBe(-0.5);
    expect(call('float8_corr', state)).toBe(1);
  });
  it('are null for too few values', () => {
    expect(call('float8_var_samp', fold('float8_accum', array(0, 0, 0), one([1])))).toBeNull();
  });
});

describe('string_agg', () => {
  it('uses each delimiter but the first and skips nulls', () => {
    const state = fold('string_agg_transfn', null, [
      [null, '1'],
      ['a', '2'],
      [null, '3'],
      ['b', '4'],
      ['c', null],
    ]);
    expect(call('string_agg_finalfn', state)).toBe('a4bc');
  });
});
