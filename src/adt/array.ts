/** array.ts — arrays as values: building, subscripts, slices and their assignment.
 *
 *  Elements lie row-major in one JavaScript array; the empty array has no dimensions. Subscripts outside the bounds
 *  read as null; only one-dimensional arrays grow by assignment, the gap filled with nulls.
 *  Counterpart: src/backend/utils/adt/arrayfuncs.c (array_get_element … array_set_slice), arrayutils.c */
import type { ArrayDatum, Datum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export const DIMENSIONS_MAX = 6;
const SIZE_MAX = 134_217_727;

export const emptyArray = (elementType: Oid): ArrayDatum => ({
  kind: 'array',
  elementType,
  dims: [],
  lowerBounds: [],
  elements: [],
});
export const makeArray = (elementType: Oid, elements: readonly Datum[], lowerBound = 1): ArrayDatum =>
  elements.length === 0
    ? emptyArray(elementType)
    : { kind: 'array', elementType, dims: [elements.length], lowerBounds: [lowerBound], elements };
export const makeMultiArray = (
  elementType: Oid,
  dims: readonly number[],
  lowerBounds: readonly number[],
  elements: readonly Datum[],
): ArrayDatum => ({ kind: 'array', elementType, dims, lowerBounds, elements });

export function subscriptError(message: string, detail?: string): never {
  report('ERROR', { code: SQLSTATE.arraySubscriptError, message, detail });
}
export function tooManyDimensions(count: number): never {
  report('ERROR', {
    code: SQLSTATE.programLimitExceeded,
    message: `number of array dimensions (${count}) exceeds the maximum allowed (${DIMENSIONS_MAX})`,
  });
}
export function arrayTooLarge(): never {
  report('ERROR', {
    code: SQLSTATE.programLimitExceeded,
    message: `array size exceeds the maximum allowed (${SIZE_MAX})`,
  });
}
/** Number of elements of these dimensions, checked. */
export function checkedSize(dims: readonly number[]): number {
  if (dims.length === 0) return 0;
  let size = 1;
  for (const length of dims) {
    if (length < 0) arrayTooLarge();
    size *= length;
    if (size > SIZE_MAX) arrayTooLarge();
  }
  return size;
}

/** Offset of a full set of subscripts, or -1 outside. */
function offsetOf(array: ArrayDatum, indexes: readonly number[]): number {
  const { dims, lowerBounds } = array;
  if (indexes.length !== dims.length || dims.length === 0) return -1;
  let offset = 0;
  for (let i = 0; i < dims.length; i++) {
    const at = indexes[i]! - lowerBounds[i]!;
    if (at < 0 || at >= dims[i]!) return -1;
    offset = offset * dims[i]! + at;
  }
  return offset;
}

/** array[i][j]… — null outside the bounds or with the wrong number of subscripts. */
export function arrayFetch(array: ArrayDatum, indexes: readonly number[]): Datum {
  if (indexes.length === 1 && array.dims.length === 1) {
    const at = indexes[0]! - array.lowerBounds[0]!;
    return at >= 0 && at < array.dims[0]! ? array.elements[at]! : null;
  }
  const at = offsetOf(array, indexes);
  return at < 0 ? null : array.elements[at]!;
}

type Bound = number | null | undefined;

/** array[l:u]… — bounds may be left out; dimensions behind the given ones are taken whole. Result starts at 1. */
export function arraySlice(array: ArrayDatum, lower: readonly Bound[], upper: readonly Bound[]): ArrayDatum {
  const { dims, lowerBounds, elementType } = array;
  const given = Math.max(lower.length, upper.length);
  if (dims.length === 0 || dims.length < given) return emptyArray(elementType);
  const from: number[] = [];
  const span: number[] = [];
  for (let i = 0; i < dims.length; i++) {
    const first = lowerBounds[i]!;
    const last = first + dims[i]! - 1;
    const low = Math.max(i < given ? (lower[i] ?? first) : first, first);
    const high = Math.min(i < given ? (upper[i] ?? last) : last, last);
    if (low > high) return emptyArray(elementType);
    from.push(low - first);
    span.push(high - low + 1);
  }
  const size = span.reduce((a, b) => a * b, 1);
  const elements = new Array<Datum>(size);
  copyBox(dims, from, span, (inner, outer) => {
    elements[inner] = array.elements[outer]!;
  });
  return makeMultiArray(
    elementType,
    span,
    span.map(() => 1),
    elements,
  );
}

/** Visits each cell of a box within an array: its number in the box and its offset in the array. */
function copyBox(
  dims: readonly number[],
  from: readonly number[],
  span: readonly number[],
  visit: (inner: number, outer: number) => void,
): void {
  const at = span.map(() => 0);
  const size = span.reduce((a, b) => a * b, 1);
  for (let inner = 0; inner < size; inner++) {
    let outer = 0;
    for (let i = 0; i < dims.length; i++) outer = outer * dims[i]! + from[i]! + at[i]!;
    visit(inner, outer);
    for (let i = dims.length - 1; i >= 0; i--) {
      if (++at[i]! < span[i]!) break;
      at[i] = 0;
    }
  }
}

/** array[i][j]… := value. A null array becomes one of exactly that element. */
export function arrayAssign(
  array: ArrayDatum | null,
  indexes: readonly number[],
  value: Datum,
  elementType: Oid,
): ArrayDatum {
  if (indexes.length > DIMENSIONS_MAX) tooManyDimensions(indexes.length);
  if (array === null || array.dims.length === 0) {
    return makeMultiArray(
      elementType,
      indexes.map(() => 1),
      [...indexes],
      [value],
    );
  }
  if (array.dims.length !== indexes.length) subscriptError('wrong number of array subscripts');
  if (indexes.length === 1) return assignGrowing(array, indexes[0]!, value);
  const at = offsetOf(array, indexes);
  if (at < 0) subscriptError('array subscript out of range');
  const elements = array.elements.slice();
  elements[at] = value;
  return { ...array, elements };
}
function assignGrowing(array: ArrayDatum, index: number, value: Datum): ArrayDatum {
  const first = array.lowerBounds[0]!;
  const length = array.dims[0]!;
  const before = Math.max(first - index, 0);
  const after = Math.max(index - (first + length - 1), 0);
  if (length + before + after > SIZE_MAX) arrayTooLarge();
  const elements = array.elements.slice();
  if (before > 0) elements.unshift(...nulls(before));
  if (after > 0) elements.push(...nulls(after));
  elements[index - first + before] = value;
  return makeMultiArray(array.elementType, [elements.length], [Math.min(first, index)], elements);
}
const nulls = (count: number): null[] => new Array<null>(count).fill(null);

/** array[l:u]… := source. */
export function arrayAssignSlice(
  array: ArrayDatum | null,
  lower: readonly Bound[],
  upper: readonly Bound[],
  source: ArrayDatum,
  elementType: Oid,
): ArrayDatum {
  const given = Math.max(lower.length, upper.length);
  if (array === null || array.dims.length === 0) return sliceOfNothing(lower, upper, source, elementType, given);
  const { dims, lowerBounds } = array;
  if (dims.length < given || dims.length > DIMENSIONS_MAX) subscriptError('wrong number of array subscripts');
  if (dims.length === 1) return assignSliceGrowing(array, lower[0], upper[0], source);
  const from: number[] = [];
  const span: number[] = [];
  for (let i = 0; i < dims.length; i++) {
    const first = lowerBounds[i]!;
    const last = first + dims[i]! - 1;
    const low = i < given ? (lower[i] ?? first) : first;
    const high = i < given ? (upper[i] ?? last) : last;
    if (low > high) subscriptError('upper bound cannot be less than lower bound');
    if (low < first || high > last) subscriptError('array subscript out of range');
    from.push(low - first);
    span.push(high - low + 1);
  }
  const size = span.reduce((a, b) => a * b, 1);
  if (source.elements.length < size) subscriptError('source array too small');
  const elements = array.elements.slice();
  copyBox(dims, from, span, (inner, outer) => {
    elements[outer] = source.elements[inner]!;
  });
  return { ...array, elements };
}
function sliceOfNothing(
  lower: readonly Bound[],
  upper: readonly Bound[],
  source: ArrayDatum,
  elementType: Oid,
  given: number,
): ArrayDatum {
  const dims: number[] = [];
  const bounds: number[] = [];
  for (let i = 0; i < given; i++) {
    const high = upper[i];
    if (high === null || high === undefined)
      subscriptError(
        'array slice subscript must provide both boundaries',
        'When assigning to a slice of an empty array value, slice boundaries must be fully specified.',
      );
    const low = lower[i];
    if (low === null || low === undefined)
      subscriptError(
        'array slice subscript must provide both boundaries',
        'When assigning to a slice of an empty array value, slice boundaries must be fully specified.',
      );
    dims.push(high - low + 1);
    bounds.push(low);
  }
  const size = checkedSize(dims);
  if (source.elements.length < size) subscriptError('source array too small');
  return makeMultiArray(elementType, dims, bounds, source.elements.slice(0, size));
}
function assignSliceGrowing(array: ArrayDatum, lower: Bound, upper: Bound, source: ArrayDatum): ArrayDatum {
  const first = array.lowerBounds[0]!;
  const last = first + array.dims[0]! - 1;
  const low = lower ?? first;
  const high = upper ?? last;
  if (low > high) subscriptError('upper bound cannot be less than lower bound');
  if (source.elements.length < high - low + 1) subscriptError('source array too small');
  const newFirst = Math.min(first, low);
  const newLast = Math.max(last, high);
  if (newLast - newFirst + 1 > SIZE_MAX) arrayTooLarge();
  const elements: Datum[] = [];
  for (let i = newFirst; i <= newLast; i++) {
    if (i >= low && i <= high) elements.push(source.elements[i - low]!);
    else elements.push(i >= first && i <= last ? array.elements[i - first]! : null);
  }
  return makeMultiArray(array.elementType, [elements.length], [newFirst], elements);
}

/** The same array with each element passed through `coerce`; nulls too unless it is strict. */
export function arrayElementsCoerce(array: ArrayDatum, elementType: Oid, coerce: (value: Datum) => Datum): ArrayDatum {
  return makeMultiArray(elementType, array.dims, array.lowerBounds, array.elements.map(coerce));
}

/** ARRAY[[…],[…]]: sub-arrays become the rows of one more dimension; empty ones vanish if all are empty. */
export function arrayFromSubArrays(elementType: Oid, parts: readonly (ArrayDatum | null)[]): ArrayDatum {
  const full = parts.filter((part): part is ArrayDatum => part !== null && part.dims.length > 0);
  if (full.length === 0) return emptyArray(elementType);
  const mismatch = (): never =>
    subscriptError('multidimensional arrays must have array expressions with matching dimensions');
  if (full.length !== parts.length) mismatch();
  const first = full[0]!;
  for (const part of full) {
    if (part.dims.length !== first.dims.length) mismatch();
    for (let i = 0; i < part.dims.length; i++)
      if (part.dims[i] !== first.dims[i] || part.lowerBounds[i] !== first.lowerBounds[i]) mismatch();
  }
  const dims = [full.length, ...first.dims];
  if (dims.length > DIMENSIONS_MAX) tooManyDimensions(dims.length);
  const elements: Datum[] = [];
  for (const part of full) for (const element of part.elements) elements.push(element);
  return makeMultiArray(elementType, dims, [1, ...first.lowerBounds], elements);
}
