/** column-selectivity.ts — the share of a table's rows that a comparison with a constant lets through, as the column's
 *  most common values and histogram tell it.
 *  Counterpart: var_eq_const(), var_eq_non_const(), scalarineqsel(), convert_to_scalar() of
 *  src/backend/utils/adt/selfuncs.c */
import type { Datum, Interval, Numeric } from '#adt/datum.ts';
import { TYPE } from '#catalog/oids.ts';
import { operatorRow } from '#catalog/syscache.ts';
import { directCall } from '#executor/function-call.ts';
import type { OpExpr } from '#nodes/primitives.ts';
import { type ColumnStatistics, STATISTIC_KIND, statisticSlot } from '#optimizer/statistics.ts';

const clamp = (p: number): number => Math.max(0, Math.min(1, p));

/** The operator of a condition as a test, column on the left. */
function testOf(op: OpExpr, columnOnLeft: boolean): (column: Datum, value: Datum) => boolean {
  const row = operatorRow(op.opno)!;
  const call = directCall(row.oprcode, [row.oprleft, row.oprright], TYPE.bool, op.inputcollid);
  return columnOnLeft
    ? (column, value) => call(column, value) === true
    : (column, value) => call(value, column) === true;
}

/** column = value. `distinct` is the estimated number of distinct values. */
export function equalsConstant(
  statistics: ColumnStatistics,
  op: OpExpr,
  columnOnLeft: boolean,
  value: Datum,
  distinct: number,
): number {
  const common = statisticSlot(statistics, STATISTIC_KIND.mcv);
  let sum = 0;
  if (common !== undefined) {
    const test = testOf(op, columnOnLeft);
    for (let i = 0; i < common.values.length; i++) {
      if (test(common.values[i]!, value)) return clamp(common.numbers[i]!);
      sum += common.numbers[i]!;
    }
  }
  let rest = clamp(1 - sum - statistics.nullFraction);
  const others = distinct - (common?.values.length ?? 0);
  if (others > 1) rest /= others;
  // A value that is not among the common ones is no more frequent than the rarest of these.
  const rarest = common?.numbers[common.numbers.length - 1];
  return clamp(rarest !== undefined && rest > rarest ? rarest : rest);
}

/** column = something that only execution knows. */
export function equalsUnknown(statistics: ColumnStatistics, distinct: number): number {
  let selectivity = 1 - statistics.nullFraction;
  if (distinct > 1) selectivity /= distinct;
  const most = statisticSlot(statistics, STATISTIC_KIND.mcv)?.numbers[0];
  return clamp(most !== undefined && selectivity > most ? most : selectivity);
}

/** column < value and its like; `greater`: with the column on the left the operator is > or >=. */
export function comparedWithConstant(
  statistics: ColumnStatistics,
  op: OpExpr,
  columnOnLeft: boolean,
  value: Datum,
  greater: boolean,
  orEqual: boolean,
  type: number,
  distinct: number,
): number {
  const test = testOf(op, columnOnLeft);
  const common = statisticSlot(statistics, STATISTIC_KIND.mcv);
  let matching = 0;
  let sum = 0;
  if (common !== undefined) {
    for (let i = 0; i < common.values.length; i++) {
      if (test(common.values[i]!, value)) matching += common.numbers[i]!;
      sum += common.numbers[i]!;
    }
  }
  const below = histogramShare(statistics, test, value, greater, orEqual, type, distinct);
  const rest = 1 - statistics.nullFraction - sum;
  return clamp((below >= 0 ? rest * below : rest * 0.5) + matching);
}

/** The share of the values that are not among the common ones; -1 without a histogram. */
function histogramShare(
  statistics: ColumnStatistics,
  test: (column: Datum, value: Datum) => boolean,
  value: Datum,
  greater: boolean,
  orEqual: boolean,
  type: number,
  distinct: number,
): number {
  const slot = statisticSlot(statistics, STATISTIC_KIND.histogram);
  if (slot === undefined || slot.values.length < 2) return -1;
  const bounds = slot.values;
  // The first bound for which `bound < value` (or `<=`) fails.
  let low = 0;
  let high = bounds.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const less = greater ? !test(bounds[middle]!, value) : test(bounds[middle]!, value);
    if (less) low = middle + 1;
    else high = middle;
  }
  let share: number;
  if (low <= 0) share = 0;
  else if (low >= bounds.length) share = 1;
  else {
    const from = scalar(bounds[low - 1]!, bounds[low - 1]!, bounds[low]!, type);
    const to = scalar(bounds[low]!, bounds[low - 1]!, bounds[low]!, type);
    const at = scalar(value, bounds[low - 1]!, bounds[low]!, type);
    let fraction = 0.5;
    if (from !== null && to !== null && at !== null) {
      if (to <= from) fraction = 0.5;
      else if (at <= from) fraction = 0;
      else if (at >= to) fraction = 1;
      else {
        fraction = (at - from) / (to - from);
        if (Number.isNaN(fraction) || fraction < 0 || fraction > 1) fraction = 0.5;
      }
    }
    share = (low - 1 + fraction) / (bounds.length - 1);
    // The search has found the bounds by < or <= as the operator happens to be; what equals the value is on one side.
    const one = low === 1 || greater === orEqual ? equalShare(statistics, distinct) : 0;
    if (low === 1) share += one * (1 - fraction);
    if (greater === orEqual) share -= one;
  }
  const result = greater ? 1 - share : share;
  // Histograms are never so exact that all or nothing could be promised.
  const cutoff = 0.01 / (bounds.length - 1);
  return Math.max(cutoff, Math.min(1 - cutoff, result));
}
function equalShare(statistics: ColumnStatistics, distinct: number): number {
  const common = statisticSlot(statistics, STATISTIC_KIND.mcv);
  const others = distinct - (common?.values.length ?? 0);
  return others > 1 ? 1 / others : 0;
}

/** A value as a number, of use only to be compared with others between the same bounds. */
function scalar(value: Datum, low: Datum, high: Datum, type: number): number | null {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'string') return stringScalar(value, String(low), String(high));
  if (value instanceof Uint8Array) return bytesScalar(value, low as Uint8Array, high as Uint8Array);
  if (value === null) return null;
  if ('kind' in value) {
    if (value.kind === 'numeric') {
      const { unscaled, scale, special } = value as Numeric;
      return special !== 0 ? null : Number(unscaled) / 10 ** scale;
    }
    if (value.kind === 'interval' && type === TYPE.interval) {
      const { months, days, micros } = value as Interval;
      return Number(micros) + days * 86_400_000_000 + months * ((365.25 / 12) * 86_400_000_000);
    }
  }
  return null;
}

/** Strings as fractions in the base of the characters that occur, without their common beginning. */
function stringScalar(value: string, low: string, high: string): number {
  const bytes = [value, low, high].map((text) => new TextEncoder().encode(text));
  let from = bytes[2]![0] ?? 0;
  let to = from;
  for (const text of [bytes[1]!, bytes[2]!]) {
    for (const byte of text) {
      if (byte < from) from = byte;
      if (byte > to) to = byte;
    }
  }
  for (const [first, last] of [
    [0x41, 0x5a],
    [0x61, 0x7a],
    [0x30, 0x39],
  ] as const) {
    if (from > last || to < first) continue;
    from = Math.min(from, first);
    to = Math.max(to, last);
  }
  if (to - from < 9) {
    from = 0x20;
    to = 0x7f;
  }
  return inBase(bytes[0]!, commonPrefix(bytes[0]!, bytes[1]!, bytes[2]!), from, to);
}
const bytesScalar = (value: Uint8Array, low: Uint8Array, high: Uint8Array): number =>
  inBase(value, commonPrefix(value, low, high), 0, 255);

function commonPrefix(a: Uint8Array, b: Uint8Array, c: Uint8Array): number {
  let length = 0;
  while (length < b.length && length < a.length && length < c.length) {
    if (b[length] !== c[length] || b[length] !== a[length]) break;
    length++;
  }
  return length;
}
function inBase(bytes: Uint8Array, start: number, from: number, to: number): number {
  const base = to - from + 1;
  let unit = base;
  let sum = 0;
  const end = Math.min(bytes.length, start + 12);
  for (let i = start; i < end; i++) {
    const digit = Math.max(from - 1, Math.min(to + 1, bytes[i]!)) - from;
    sum += digit / unit;
    unit *= base;
  }
  return sum;
}
