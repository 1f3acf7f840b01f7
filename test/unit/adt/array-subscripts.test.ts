import { describe, expect, test } from 'vitest';
import '#adt/load.ts';
import { arrayAssign, arrayAssignSlice, arrayFetch, arrayFromSubArrays, arraySlice } from '#adt/array.ts';
import { arrayIn, arrayOut } from '#adt/array-io.ts';
import type { Oid } from '#base/ids.ts';
import '#catalog/type-cache.ts';

const INT4 = 23 as Oid;
const ints = (text: string) => arrayIn(text, INT4, -1);

describe('subscripts', () => {
  test('a subscript outside the bounds, or too few of them, reads as null', () => {
    expect(arrayFetch(ints('{1,2,3}'), [2])).toBe(2);
    expect(arrayFetch(ints('{1,2,3}'), [4])).toBeNull();
    expect(arrayFetch(ints('[5:6]={1,2}'), [5])).toBe(1);
    expect(arrayFetch(ints('{{1,2},{3,4}}'), [2, 1])).toBe(3);
    expect(arrayFetch(ints('{{1,2},{3,4}}'), [2])).toBeNull();
  });

  test('a slice starts at one, takes what exists and leaves out bounds as told', () => {
    const cases: [string, (number | null)[], (number | null)[], string][] = [
      ['{1,2,3}', [2], [null], '{2,3}'],
      ['{1,2,3}', [null], [2], '{1,2}'],
      ['[5:7]={1,2,3}', [6], [9], '{2,3}'],
      ['{{1,2},{3,4}}', [1], [1], '{{1,2}}'],
      ['{{1,2},{3,4}}', [1, 2], [2, 2], '{{2},{4}}'],
      ['{1,2,3}', [3], [2], '{}'],
      ['{1,2,3}', [1, 1], [2, 1], '{}'],
    ];
    for (const [array, lower, upper, slice] of cases)
      expect(arrayOut(arraySlice(ints(array), lower, upper))).toBe(slice);
  });
});

describe('assignment', () => {
  test('a one-dimensional array grows at both ends, the gap filled with nulls', () => {
    const grown = arrayAssign(ints('{1,2,3}'), [5], 9, INT4);
    expect(arrayOut(grown)).toBe('{1,2,3,NULL,9}');
    expect(arrayOut(arrayAssign(grown, [-1], 7, INT4))).toBe('[-1:5]={7,NULL,1,2,3,NULL,9}');
    expect(arrayOut(arrayAssign(null, [2, 3], 5, INT4))).toBe('[2:2][3:3]={{5}}');
  });

  test('an array of several dimensions keeps its shape', () => {
    const square = ints('{{1,2},{3,4}}');
    expect(arrayOut(arrayAssign(square, [1, 2], 9, INT4))).toBe('{{1,9},{3,4}}');
    expect(() => arrayAssign(square, [3, 1], 9, INT4)).toThrow('array subscript out of range');
    expect(() => arrayAssign(square, [1], 3, INT4)).toThrow('wrong number of array subscripts');
  });

  test('a slice is replaced by the first elements of the source', () => {
    const target = ints('{1,2,3}');
    expect(arrayOut(arrayAssignSlice(target, [2], [3], ints('{20,30}'), INT4))).toBe('{1,20,30}');
    expect(arrayOut(arrayAssignSlice(target, [5], [6], ints('{5,6,7}'), INT4))).toBe('{1,2,3,NULL,5,6}');
    expect(arrayOut(arrayAssignSlice(ints('{{1,9},{3,4}}'), [1, 1], [2, 1], ints('{{7},{8}}'), INT4))).toBe(
      '{{7,9},{8,4}}',
    );
    expect(arrayOut(arrayAssignSlice(ints('{}'), [3], [4], ints('{1,2}'), INT4))).toBe('[3:4]={1,2}');
    expect(() => arrayAssignSlice(target, [1], [2], ints('{1}'), INT4)).toThrow('source array too small');
    expect(() => arrayAssignSlice(null, [null], [2], ints('{1,2}'), INT4)).toThrow(
      'array slice subscript must provide both boundaries',
    );
  });
});

test('sub-arrays become rows only when their shapes agree', () => {
  expect(arrayOut(arrayFromSubArrays(INT4, [ints('{1,2}'), ints('{3,4}')]))).toBe('{{1,2},{3,4}}');
  expect(arrayOut(arrayFromSubArrays(INT4, [ints('{}'), null]))).toBe('{}');
  expect(() => arrayFromSubArrays(INT4, [ints('{1,2}'), ints('{3}')])).toThrow('matching dimensions');
});
