/** array-functions.ts — operators and functions over arrays of any type.
 *
 *  Equality looks at dimensions and bounds too; ordering compares elements first and shape last; null elements sort
 *  high and equal each other. Containment and overlap ignore shape, and null elements never match there.
 *  Counterpart: src/backend/utils/adt/arrayfuncs.c, array_userfuncs.c */
import {
  arraySlice,
  arrayTooLarge,
  checkedSize,
  DIMENSIONS_MAX,
  emptyArray,
  makeArray,
  makeMultiArray,
  subscriptError,
  tooManyDimensions,
} from '#adt/array.ts';
import type { ArrayDatum, Datum } from '#adt/datum.ts';
import {
  type CallInfo,
  registerBuiltins,
  registerCallInfoBuiltins,
  registerSetBuiltins,
  type SetIterator,
  type TypeInfo,
  typeInfo,
} from '#adt/fmgr.ts';
import { hashBytes } from '#adt/hash-bytes.ts';
import { formatTypeName } from '#adt/type-names.ts';
import { invalidParameter, notSupported } from '#adt/value-errors.ts';
import { utf8Bytes } from '#adt/wire.ts';
import type { Oid } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';

const INT4 = 23 as Oid;
const TEXT = 25 as Oid;

type Equals = (a: Datum, b: Datum, collation: Oid) => boolean;
type Compare = (a: Datum, b: Datum, collation: Oid) => number;

function equalsOf(type: TypeInfo): Equals {
  return (
    type.equals ??
    report('ERROR', {
      code: SQLSTATE.undefinedFunction,
      message: `could not identify an equality operator for type ${formatTypeName(type)}`,
    })
  );
}
function compareOf(type: TypeInfo): Compare {
  return (
    type.compare ??
    report('ERROR', {
      code: SQLSTATE.undefinedFunction,
      message: `could not identify a comparison function for type ${formatTypeName(type)}`,
    })
  );
}
function sameElementType(a: ArrayDatum, b: ArrayDatum): TypeInfo {
  if (a.elementType !== b.elementType)
    report('ERROR', { code: SQLSTATE.datatypeMismatch, message: 'cannot compare arrays of different element types' });
  return typeInfo(a.elementType);
}

// ---- comparison

export function arraysEqual(a: ArrayDatum, b: ArrayDatum, collation: Oid): boolean {
  const type = sameElementType(a, b);
  if (a.dims.length !== b.dims.length) return false;
  for (let i = 0; i < a.dims.length; i++)
    if (a.dims[i] !== b.dims[i] || a.lowerBounds[i] !== b.lowerBounds[i]) return false;
  const equals = equalsOf(type);
  for (let i = 0; i < a.elements.length; i++) {
    const x = a.elements[i]!;
    const y = b.elements[i]!;
    if (x === null || y === null) {
      if (x !== y) return false;
    } else if (!equals(x, y, collation)) return false;
  }
  return true;
}

export function compareArrays(a: ArrayDatum, b: ArrayDatum, collation: Oid): number {
  const compare = compareOf(sameElementType(a, b));
  const common = Math.min(a.elements.length, b.elements.length);
  for (let i = 0; i < common; i++) {
    const x = a.elements[i]!;
    const y = b.elements[i]!;
    if (x === null || y === null) {
      if (x === y) continue;
      return x === null ? 1 : -1;
    }
    const order = compare(x, y, collation);
    if (order !== 0) return order < 0 ? -1 : 1;
  }
  const step = (x: number, y: number): number => (x === y ? 0 : x < y ? -1 : 1);
  let order = step(a.elements.length, b.elements.length) || step(a.dims.length, b.dims.length);
  for (let i = 0; order === 0 && i < a.dims.length; i++) order = step(a.dims[i]!, b.dims[i]!);
  for (let i = 0; order === 0 && i < a.dims.length; i++) order = step(a.lowerBounds[i]!, b.lowerBounds[i]!);
  return order;
}

function contains(all: ArrayDatum, some: ArrayDatum, collation: Oid, matchAll: boolean): boolean {
  const equals = equalsOf(sameElementType(all, some));
  for (const wanted of some.elements) {
    const found = wanted !== null && all.elements.some((have) => have !== null && equals(have, wanted, collation));
    checkForInterrupts();
    if (found !== matchAll) return !matchAll;
  }
  return matchAll;
}

function elementHash(type: TypeInfo, value: Datum, collation: Oid): number {
  if (value === null) return 0;
  const hash = (
    type.hash ??
    report('ERROR', {
      code: SQLSTATE.undefinedFunction,
      message: `could not identify a hash function for type ${formatTypeName(type)}`,
    })
  )(value, collation);
  return typeof hash === 'number' ? hash : hashBytes(utf8Bytes(hash));
}
function hashArray(info: CallInfo, array: ArrayDatum): number {
  const type = typeInfo(array.elementType);
  let result = 1;
  for (const value of array.elements) result = (Math.imul(result, 31) + elementHash(type, value, info.collation)) | 0;
  return result;
}

// ---- building

const elementOf = (info: CallInfo): Oid => typeInfo(info.resultType).elementType;

function onlyFlat(array: ArrayDatum): void {
  if (array.dims.length > 1)
    report('ERROR', { code: SQLSTATE.dataException, message: 'argument must be empty or one-dimensional array' });
}
function checkGrowth(lowerBound: number, length: number): void {
  if (lowerBound + length > 2_147_483_647)
    report('ERROR', { code: SQLSTATE.numericValueOutOfRange, message: 'integer out of range' });
}
function arrayAppend(info: CallInfo, array: ArrayDatum | null, value: Datum): ArrayDatum {
  if (array === null || array.dims.length === 0) return makeArray(array?.elementType ?? elementOf(info), [value]);
  onlyFlat(array);
  checkGrowth(array.lowerBounds[0]!, array.dims[0]!);
  return makeArray(array.elementType, [...array.elements, value], array.lowerBounds[0]);
}
function arrayPrepend(info: CallInfo, value: Datum, array: ArrayDatum | null): ArrayDatum {
  if (array === null || array.dims.length === 0) return makeArray(array?.elementType ?? elementOf(info), [value]);
  onlyFlat(array);
  if (array.lowerBounds[0] === -2_147_483_648)
    report('ERROR', { code: SQLSTATE.numericValueOutOfRange, message: 'integer out of range' });
  return makeArray(array.elementType, [value, ...array.elements], array.lowerBounds[0]);
}

function incompatible(detail: string): never {
  subscriptError('cannot concatenate incompatible arrays', detail);
}
function arrayCat(a: ArrayDatum | null, b: ArrayDatum | null): ArrayDatum | null {
  if (a === null) return b;
  if (b === null) return a;
  if (a.elementType !== b.elementType) {
    report('ERROR', {
      code: SQLSTATE.datatypeMismatch,
      message: 'cannot concatenate incompatible arrays',
      detail: `Arrays with element types ${formatTypeName(typeInfo(a.elementType))} and ${formatTypeName(typeInfo(b.elementType))} are not compatible for concatenation.`,
    });
  }
  if (a.dims.length === 0) return b;
  if (b.dims.length === 0) return a;
  const difference = a.dims.length - b.dims.length;
  if (Math.abs(difference) > 1)
    incompatible(`Arrays of ${a.dims.length} and ${b.dims.length} dimensions are not compatible for concatenation.`);
  const outer = difference < 0 ? b : a;
  const inner = difference < 0 ? a : b;
  // Sizes below the first dimension (of the outer array) must agree.
  const shift = difference === 0 ? 0 : 1;
  for (let i = 1 - shift; i < inner.dims.length; i++) {
    if (inner.dims[i] !== outer.dims[i + shift] || inner.lowerBounds[i] !== outer.lowerBounds[i + shift])
      incompatible(
        difference === 0
          ? 'Arrays with differing element dimensions are not compatible for concatenation.'
          : 'Arrays with differing dimensions are not compatible for concatenation.',
      );
  }
  const dims = outer.dims.slice();
  dims[0] = dims[0]! + (difference === 0 ? inner.dims[0]! : 1);
  checkedSize(dims);
  return makeMultiArray(a.elementType, dims, outer.lowerBounds, [...a.elements, ...b.elements]);
}

function nullNotAllowed(message: string): never {
  report('ERROR', { code: SQLSTATE.nullValueNotAllowed, message });
}
function fillShape(array: ArrayDatum, what: string): readonly number[] {
  if (array.dims.length > 1)
    subscriptError('wrong number of array subscripts', `${what} array must be one dimensional.`);
  if (array.elements.includes(null)) nullNotAllowed('dimension values cannot be null');
  return array.elements as readonly number[];
}
function arrayFill(info: CallInfo, value: Datum, dimsArray: ArrayDatum | null, bounds?: ArrayDatum | null): ArrayDatum {
  if (dimsArray === null || bounds === null) nullNotAllowed('dimension array or low bound array cannot be null');
  const elementType = elementOf(info);
  const dims = fillShape(dimsArray, 'Dimension');
  if (dims.length > DIMENSIONS_MAX) tooManyDimensions(dims.length);
  let lowerBounds: readonly number[] = dims.map(() => 1);
  if (bounds !== undefined) {
    lowerBounds = fillShape(bounds, 'Dimension');
    if (lowerBounds.length !== dims.length)
      subscriptError('wrong number of array subscripts', 'Low bound array has different size than dimensions array.');
  }
  const size = checkedSize(dims);
  if (size <= 0) return emptyArray(elementType);
  return makeMultiArray(elementType, dims, lowerBounds, new Array<Datum>(size).fill(value));
}

// ---- shape

const inRange = (array: ArrayDatum, dimension: number): boolean => dimension >= 1 && dimension <= array.dims.length;
function arrayDims(array: ArrayDatum): string | null {
  if (array.dims.length === 0) return null;
  return array.dims.map((n, i) => `[${array.lowerBounds[i]}:${array.lowerBounds[i]! + n - 1}]`).join('');
}
function trimArray(array: ArrayDatum, count: number): ArrayDatum {
  const length = array.dims[0] ?? 0;
  if (count < 0 || count > length) subscriptError(`number of elements to trim must be between 0 and ${length}`);
  if (array.dims.length === 0) return array;
  return arraySlice(array, [], [array.lowerBounds[0]! + length - count - 1]);
}

// ---- searching

function onlyFlatSearch(array: ArrayDatum, doing: string): void {
  if (array.dims.length > 1) notSupported(`${doing} multidimensional arrays is not supported`);
}
const matcher = (array: ArrayDatum, wanted: Datum, collation: Oid): ((value: Datum) => boolean) => {
  const equals = equalsOf(typeInfo(array.elementType));
  return wanted === null ? (value) => value === null : (value) => value !== null && equals(value, wanted, collation);
};
function position(info: CallInfo, array: ArrayDatum | null, wanted: Datum, start?: number | null): number | null {
  if (array === null) return null;
  onlyFlatSearch(array, 'searching for elements in');
  if (array.dims.length === 0) return null;
  if (wanted === null && !array.elements.includes(null)) return null;
  // Told only when there is something to search.
  if (start === null) nullNotAllowed('initial position must not be null');
  const first = array.lowerBounds[0]!;
  const matches = matcher(array, wanted, info.collation);
  for (let i = Math.max((start ?? first) - first, 0); i < array.elements.length; i++)
    if (matches(array.elements[i]!)) return i + first;
  return null;
}
function positions(info: CallInfo, array: ArrayDatum | null, wanted: Datum): ArrayDatum | null {
  if (array === null) return null;
  onlyFlatSearch(array, 'searching for elements in');
  if (array.dims.length === 0) return emptyArray(INT4);
  const matches = matcher(array, wanted, info.collation);
  const found: number[] = [];
  array.elements.forEach((value, i) => {
    if (matches(value)) found.push(i + array.lowerBounds[0]!);
  });
  return makeArray(INT4, found);
}
function arrayRemove(info: CallInfo, array: ArrayDatum | null, wanted: Datum): ArrayDatum | null {
  if (array === null) return null;
  onlyFlatSearch(array, 'removing elements from');
  if (array.dims.length === 0) return array;
  const matches = matcher(array, wanted, info.collation);
  const rest = array.elements.filter((value) => !matches(value));
  return rest.length === array.elements.length ? array : makeArray(array.elementType, rest, array.lowerBounds[0]);
}
function arrayReplace(info: CallInfo, array: ArrayDatum | null, from: Datum, to: Datum): ArrayDatum | null {
  if (array === null || array.dims.length === 0) return array;
  const matches = matcher(array, from, info.collation);
  return { ...array, elements: array.elements.map((value) => (matches(value) ? to : value)) };
}

/** How many thresholds are at most the operand. */
function widthBucket(info: CallInfo, operand: Datum, thresholds: ArrayDatum): number {
  if (thresholds.dims.length > 1) subscriptError('thresholds must be one-dimensional array');
  if (thresholds.elements.includes(null)) nullNotAllowed('thresholds array must not contain NULLs');
  const compare = compareOf(typeInfo(thresholds.elementType));
  let low = 0;
  let high = thresholds.elements.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(operand, thresholds.elements[middle]!, info.collation) < 0) high = middle;
    else low = middle + 1;
  }
  return low;
}

// ---- texts

function arrayToText(array: ArrayDatum | null, delimiter: string | null, nullText: string | null): string | null {
  if (array === null || delimiter === null) return null;
  const type = typeInfo(array.elementType);
  const parts: string[] = [];
  for (const value of array.elements) {
    if (value !== null) parts.push(type.output(value));
    else if (nullText !== null) parts.push(nullText);
  }
  return parts.join(delimiter);
}
function splitText(text: string, delimiter: string | null, nullText: string | null): (string | null)[] {
  if (text === '') return [];
  const parts = delimiter === null ? Array.from(text) : delimiter === '' ? [text] : text.split(delimiter);
  return nullText === null ? parts : parts.map((part) => (part === nullText ? null : part));
}
function textToArray(text: string | null, delimiter: string | null, nullText: string | null = null): ArrayDatum | null {
  return text === null ? null : makeArray(TEXT, splitText(text, delimiter, nullText));
}

class ListIterator implements SetIterator {
  value: Datum = null;
  private at = 0;
  constructor(private readonly list: readonly Datum[]) {}
  next(): boolean {
    if (this.at >= this.list.length) return false;
    this.value = this.list[this.at++]!;
    return true;
  }
}
export const iterate = (list: readonly Datum[]): SetIterator => new ListIterator(list);

class SubscriptIterator implements SetIterator {
  value: Datum = null;
  constructor(
    private at: number,
    private rest: number,
    private readonly step: 1 | -1,
  ) {}
  next(): boolean {
    if (this.rest === 0) return false;
    this.rest--;
    this.value = this.at;
    this.at += this.step;
    return true;
  }
}
function subscripts(_info: CallInfo, array: ArrayDatum, dimension: number, reverse = false): SetIterator {
  if (!inRange(array, dimension)) return iterate([]);
  const first = array.lowerBounds[dimension - 1]!;
  const length = array.dims[dimension - 1]!;
  return reverse ? new SubscriptIterator(first + length - 1, length, -1) : new SubscriptIterator(first, length, 1);
}

// ---- aggregates

/** array_agg of scalars. */
interface ScalarState {
  readonly kind: 'internal';
  readonly elementType: Oid;
  readonly values: Datum[];
}
function aggTransition(info: CallInfo, state: ScalarState | null, value: Datum): ScalarState {
  const elementType = info.argTypes[1];
  if (elementType === undefined || elementType === 0) invalidParameter('could not determine input data type');
  const next = state ?? { kind: 'internal', elementType, values: [] };
  next.values.push(value);
  return next;
}
const aggFinal = (state: ScalarState | null): ArrayDatum | null =>
  state === null ? null : makeArray(state.elementType, state.values.slice());

/** array_agg of arrays. */
interface ArrayState {
  readonly kind: 'internal';
  readonly first: ArrayDatum;
  readonly values: Datum[];
  count: number;
}
function aggArrayTransition(state: ArrayState | null, value: ArrayDatum | null): ArrayState {
  if (value === null) nullNotAllowed('cannot accumulate null arrays');
  if (value.dims.length === 0) subscriptError('cannot accumulate empty arrays');
  if (state === null) {
    if (value.dims.length + 1 > DIMENSIONS_MAX) tooManyDimensions(value.dims.length + 1);
    return { kind: 'internal', first: value, values: value.elements.slice(), count: 1 };
  }
  const { dims, lowerBounds } = state.first;
  const same =
    dims.length === value.dims.length &&
    dims.every((n, i) => n === value.dims[i] && lowerBounds[i] === value.lowerBounds[i]);
  if (!same) subscriptError('cannot accumulate arrays of different dimensionality');
  for (const element of value.elements) state.values.push(element);
  if (state.values.length > 134_217_727) arrayTooLarge();
  state.count++;
  return state;
}
function aggArrayFinal(state: ArrayState | null): ArrayDatum | null {
  if (state === null) return null;
  const { elementType, dims, lowerBounds } = state.first;
  return makeMultiArray(elementType, [state.count, ...dims], [1, ...lowerBounds], state.values.slice());
}

registerCallInfoBuiltins({
  array_eq: (info, a: ArrayDatum, b: ArrayDatum) => arraysEqual(a, b, info.collation),
  array_ne: (info, a: ArrayDatum, b: ArrayDatum) => !arraysEqual(a, b, info.collation),
  array_lt: (info, a: ArrayDatum, b: ArrayDatum) => compareArrays(a, b, info.collation) < 0,
  array_le: (info, a: ArrayDatum, b: ArrayDatum) => compareArrays(a, b, info.collation) <= 0,
  array_gt: (info, a: ArrayDatum, b: ArrayDatum) => compareArrays(a, b, info.collation) > 0,
  array_ge: (info, a: ArrayDatum, b: ArrayDatum) => compareArrays(a, b, info.collation) >= 0,
  btarraycmp: (info, a: ArrayDatum, b: ArrayDatum) => compareArrays(a, b, info.collation),
  array_larger: (info, a: ArrayDatum, b: ArrayDatum) => (compareArrays(a, b, info.collation) > 0 ? a : b),
  array_smaller: (info, a: ArrayDatum, b: ArrayDatum) => (compareArrays(a, b, info.collation) < 0 ? a : b),
  arraycontains: (info, a: ArrayDatum, b: ArrayDatum) => contains(a, b, info.collation, true),
  arraycontained: (info, a: ArrayDatum, b: ArrayDatum) => contains(b, a, info.collation, true),
  arrayoverlap: (info, a: ArrayDatum, b: ArrayDatum) => contains(a, b, info.collation, false),
  hash_array: hashArray,
  array_append: arrayAppend,
  array_prepend: arrayPrepend,
  array_fill: arrayFill,
  array_fill_with_lower_bounds: arrayFill,
  array_position: (info, array: ArrayDatum | null, wanted: Datum) => position(info, array, wanted),
  array_position_start: position,
  array_positions: positions,
  array_remove: arrayRemove,
  array_replace: arrayReplace,
  width_bucket_array: widthBucket,
  array_agg_transfn: aggTransition,
});
registerBuiltins({
  array_cat: arrayCat,
  array_ndims: (array: ArrayDatum) => array.dims.length || null,
  array_dims: arrayDims,
  array_lower: (array: ArrayDatum, d: number) => (inRange(array, d) ? array.lowerBounds[d - 1]! : null),
  array_upper: (array: ArrayDatum, d: number) =>
    inRange(array, d) ? array.lowerBounds[d - 1]! + array.dims[d - 1]! - 1 : null,
  array_length: (array: ArrayDatum, d: number) => (inRange(array, d) ? array.dims[d - 1]! : null),
  array_cardinality: (array: ArrayDatum) => array.elements.length,
  trim_array: trimArray,
  array_to_text: (array: ArrayDatum, delimiter: string) => arrayToText(array, delimiter, null),
  array_to_text_null: arrayToText,
  text_to_array: textToArray,
  text_to_array_null: textToArray,
  array_agg_finalfn: aggFinal,
  array_agg_array_transfn: aggArrayTransition,
  array_agg_array_finalfn: aggArrayFinal,
});
registerSetBuiltins({
  array_unnest: (_info, array: ArrayDatum) => iterate(array.elements),
  generate_subscripts: subscripts,
  generate_subscripts_nodir: subscripts,
  text_to_table: (_info, text: string | null, delimiter: string | null) =>
    iterate(text === null ? [] : splitText(text, delimiter, null)),
  text_to_table_null: (_info, text: string | null, delimiter: string | null, nullText: string | null) =>
    iterate(text === null ? [] : splitText(text, delimiter, nullText)),
});
