/** set-iterator.ts — rows that exist already, as a set-returning function gives them.
 *  Counterpart: src/backend/utils/fmgr/funcapi.c (materialize mode) */
import type { ArrayDatum, Datum } from '#adt/datum.ts';
import type { SetIterator } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';

/** Rows of several columns. */
export function rowIterator(rows: readonly (readonly Datum[])[]): SetIterator {
  let next = 0;
  const iterator: SetIterator = {
    value: null,
    next() {
      const row = rows[next++];
      if (row === undefined) return false;
      iterator.value = row;
      return true;
    },
  };
  return iterator;
}
/** Values of a single-column set. */
export function valueIterator(values: readonly Datum[]): SetIterator {
  let next = 0;
  const iterator: SetIterator = {
    value: null,
    next() {
      if (next >= values.length) return false;
      iterator.value = values[next++]!;
      return true;
    },
  };
  return iterator;
}
export function arrayOf(elementType: number, elements: readonly Datum[]): ArrayDatum {
  return {
    kind: 'array',
    elementType: elementType as Oid,
    dims: elements.length === 0 ? [] : [elements.length],
    lowerBounds: elements.length === 0 ? [] : [1],
    elements,
  };
}
