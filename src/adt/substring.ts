/** substring.ts — SQL's rule for which part of a string a start and a length name.
 *  Counterpart: text_substring, bytea_substring of src/backend/utils/adt/varlena.c */
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export function negativeLength(): never {
  report('ERROR', { code: SQLSTATE.substringError, message: 'negative substring length not allowed' });
}
/** 0-based half-open bounds of the part from 1-based `start`; what lies before the string is not there but counts. */
export function sliceBounds(start: number, length: number | undefined): readonly [number, number] {
  if (length === undefined) return [Math.max(start, 1) - 1, Number.POSITIVE_INFINITY];
  if (length < 0) negativeLength();
  const end = start + length;
  const from = Math.max(start, 1) - 1;
  // An end beyond int4 means: to the end of the string.
  if (end > 2147483647) return [from, Number.POSITIVE_INFINITY];
  return [from, Math.max(end - 1, from)];
}
