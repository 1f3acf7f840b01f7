/** analyze-compute.ts — from the sample of a column to what pg_statistic says of it.
 *
 *  | the type has      | found out                                                                                  |
 *  |-------------------|--------------------------------------------------------------------------------------------|
 *  | an order          | nulls, width, distinct values, most common values, histogram of the others, correlation    |
 *  | equality          | nulls, width, distinct values, most common values                                          |
 *  | neither           | nulls, width                                                                               |
 *
 *  The number of distinct values is estimated by Haas and Stokes' Duj1 from how many were met once.
 *  Counterpart: compute_scalar_stats(), compute_distinct_stats(), compute_trivial_stats(), analyze_mcv_list() of
 *  src/backend/commands/analyze.c */
import type { Datum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { delayPoint } from '#commands/vacuum-host.ts';

export const STATISTIC_KIND = { mcv: 1, histogram: 2, correlation: 3, mcelem: 4, dechist: 5 } as const;

export interface StatisticsSlot {
  readonly kind: number;
  readonly operator: Oid;
  readonly collation: Oid;
  readonly numbers: readonly number[] | null;
  readonly values: readonly Datum[] | null;
  /** Type of the values. */
  readonly type: Oid;
}
export interface ColumnResult {
  nullFraction: number;
  width: number;
  distinct: number;
  readonly slots: StatisticsSlot[];
}

/** The sampled values of one column. */
export interface ColumnSample {
  readonly count: number;
  /** Puts value `i` into `value`, and what it takes into `width`; `tooWide` values are not looked at. */
  fetch(i: number): void;
  value: Datum;
  width: number;
  tooWide: boolean;
}
/** How values of the column's type compare. */
export interface ColumnOrder {
  readonly type: Oid;
  readonly collation: Oid;
  /** Bytes, negative if they vary. */
  readonly length: number;
  readonly equalOperator: Oid;
  readonly lessOperator: Oid;
  readonly compare: ((a: Datum, b: Datum) => number) | null;
  readonly equals: ((a: Datum, b: Datum) => boolean) | null;
  readonly target: number;
}

/** A value that came more than once: where its run begins in the sorted values, and how often it came. */
interface Run {
  count: number;
  first: number;
}

/** Most common values first, never more than `most`. */
class Tracker {
  readonly runs: Run[] = [];
  constructor(readonly most: number) {}
  add(count: number, first: number): void {
    const { runs } = this;
    if (runs.length >= this.most && (this.most === 0 || count <= runs[runs.length - 1]!.count)) return;
    if (runs.length < this.most) runs.push({ count: 0, first: 0 });
    let at = runs.length - 1;
    for (; at > 0 && count > runs[at - 1]!.count; at--) Object.assign(runs[at]!, runs[at - 1]!);
    runs[at]!.count = count;
    runs[at]!.first = first;
  }
}

/** Haas-Stokes. `once`: values met a single time, `repeated`: met more often. */
function estimateDistinct(
  once: number,
  repeated: number,
  isComplete: boolean,
  nonNull: number,
  totalRows: number,
  nullFraction: number,
): number {
  let distinct: number;
  if (repeated === 0) distinct = -1 * (1 - nullFraction);
  else if (isComplete) distinct = repeated;
  else {
    const d = once + repeated;
    const total = totalRows * (1 - nullFraction);
    distinct = total > 0 ? (nonNull * d) / (nonNull - once + (once * nonNull) / total) : 0;
    if (distinct < d) distinct = d;
    if (distinct > total) distinct = total;
    distinct = Math.floor(distinct + 0.5);
  }
  // A number that grows with the table is better kept as a share of its rows.
  return distinct > 0.1 * totalRows ? -(distinct / totalRows) : distinct;
}

/** analyze_mcv_list(): how many of the candidates are significantly more common than the average of the others. */
export function significantMcvs(
  counts: readonly number[],
  distinct: number,
  nullFraction: number,
  sampleRows: number,
  totalRows: number,
): number {
  let n = counts.length;
  if (sampleRows === totalRows || totalRows <= 1) return n;
  const distinctInTable = distinct < 0 ? -distinct * totalRows : distinct;
  let sum = 0;
  for (let i = 0; i < n - 1; i++) sum += counts[i]!;
  while (n > 0) {
    let selectivity = Math.min(1, Math.max(0, 1 - sum / sampleRows - nullFraction));
    const others = distinctInTable - (n - 1);
    if (others > 1) selectivity /= others;
    // Variance of the hypergeometric distribution.
    const all = totalRows;
    const drawn = sampleRows;
    const matching = (all * counts[n - 1]!) / drawn;
    const variance = (drawn * matching * (all - matching) * (all - drawn)) / (all * all * (all - 1));
    const deviation = Math.sqrt(variance);
    if (counts[n - 1]! > selectivity * sampleRows + 2 * deviation + 0.5) break;
    n--;
    if (n === 0) break;
    sum -= counts[n - 1]!;
  }
  return n;
}

function chooseMcvs(
  counts: readonly number[],
  target: number,
  isWhole: boolean,
  result: ColumnResult,
  sampleRows: number,
  totalRows: number,
): number {
  // All there is, and there is room for it.
  if (isWhole && result.distinct > 0 && counts.length <= target) return counts.length;
  const most = Math.min(target, counts.length);
  if (most === 0) return 0;
  return significantMcvs(counts.slice(0, most), result.distinct, result.nullFraction, sampleRows, totalRows);
}

interface Collected {
  readonly values: Datum[];
  /** Numbers of the values in the order of the sample. */
  readonly order: number[];
  nulls: number;
  nonNulls: number;
  tooWide: number;
  totalWidth: number;
}
function collect(sample: ColumnSample, keepValues: boolean): Collected {
  const got: Collected = { values: [], order: [], nulls: 0, nonNulls: 0, tooWide: 0, totalWidth: 0 };
  for (let i = 0; i < sample.count; i++) {
    if ((i & 127) === 0) delayPoint();
    sample.fetch(i);
    if (sample.value === null && !sample.tooWide) {
      got.nulls++;
      continue;
    }
    got.nonNulls++;
    got.totalWidth += sample.width;
    if (sample.tooWide) got.tooWide++;
    else if (keepValues) {
      got.order.push(got.values.length);
      got.values.push(sample.value);
    }
  }
  return got;
}

/** Null fraction and width; null if there was nothing to look at. */
function basics(got: Collected, order: ColumnOrder, sampleRows: number): ColumnResult | null {
  if (got.nonNulls > 0) {
    return {
      nullFraction: got.nulls / sampleRows,
      width: order.length < 0 ? got.totalWidth / got.nonNulls : order.length,
      distinct: 0,
      slots: [],
    };
  }
  if (got.nulls === 0) return null;
  return { nullFraction: 1, width: Math.max(order.length, 0), distinct: 0, slots: [] };
}

/** What can be said of every type. */
export function computeTrivialStats(sample: ColumnSample, order: ColumnOrder): ColumnResult | null {
  return basics(collect(sample, false), order, sample.count);
}

export function computeScalarStats(sample: ColumnSample, order: ColumnOrder, totalRows: number): ColumnResult | null {
  const got = collect(sample, true);
  const result = basics(got, order, sample.count);
  if (result === null || got.nonNulls === 0) return result;
  const { values, order: positions } = got;
  const count = values.length;
  if (count === 0) {
    // Too wide, all of them; then they differ, presumably.
    result.distinct = -1 * (1 - result.nullFraction);
    return result;
  }
  const compare = order.compare!;
  // Equal ones stay in the order of their places.
  positions.sort((a, b) => compare(values[a]!, values[b]!) || a - b);
  const tracker = new Tracker(order.target);
  let distinct = 0;
  let repeated = 0;
  let runLength = 0;
  let xySum = 0;
  for (let i = 0; i < count; i++) {
    xySum += i * positions[i]!;
    runLength++;
    if (i + 1 < count && compare(values[positions[i]!]!, values[positions[i + 1]!]!) === 0) continue;
    distinct++;
    if (runLength > 1) {
      repeated++;
      tracker.add(runLength, i + 1 - runLength);
    }
    runLength = 0;
  }
  const isComplete = got.tooWide === 0 && repeated === distinct;
  result.distinct = estimateDistinct(
    distinct - repeated + got.tooWide,
    repeated,
    isComplete,
    sample.count - got.nulls,
    totalRows,
    result.nullFraction,
  );
  const { runs } = tracker;
  const mcvCount = chooseMcvs(
    runs.map((run) => run.count),
    order.target,
    runs.length === distinct && got.tooWide === 0,
    result,
    sample.count,
    totalRows,
  );
  const mcvs = runs.slice(0, mcvCount);
  const slot = (kind: number, operator: Oid, numbers: number[] | null, chosen: Datum[] | null): void => {
    result.slots.push({ kind, operator, collation: order.collation, numbers, values: chosen, type: order.type });
  };
  if (mcvCount > 0) {
    slot(
      STATISTIC_KIND.mcv,
      order.equalOperator,
      mcvs.map((run) => run.count / sample.count),
      mcvs.map((run) => values[positions[run.first]!]!),
    );
  }
  const bounds = histogram(values, positions, mcvs, Math.min(distinct - mcvCount, order.target + 1));
  if (bounds !== null) slot(STATISTIC_KIND.histogram, order.lessOperator, null, bounds);
  if (count > 1) {
    const xSum = ((count - 1) * count) / 2;
    const x2Sum = ((count - 1) * count * (2 * count - 1)) / 6;
    slot(
      STATISTIC_KIND.correlation,
      order.lessOperator,
      [(count * xySum - xSum * xSum) / (count * x2Sum - xSum * xSum)],
      null,
    );
  }
  return result;
}

/** Bounds of buckets of equal size over the values that are no most common ones. */
function histogram(
  values: readonly Datum[],
  positions: readonly number[],
  mcvs: readonly Run[],
  count: number,
): Datum[] | null {
  if (count < 2) return null;
  const rest: number[] = [];
  let from = 0;
  for (const run of [...mcvs].sort((a, b) => a.first - b.first)) {
    for (let i = from; i < run.first; i++) rest.push(positions[i]!);
    from = run.first + run.count;
  }
  for (let i = from; i < positions.length; i++) rest.push(positions[i]!);
  const bounds: Datum[] = [];
  const steps = count - 1;
  const whole = Math.trunc((rest.length - 1) / steps);
  const part = (rest.length - 1) % steps;
  let at = 0;
  let carry = 0;
  for (let i = 0; i < count; i++) {
    bounds.push(values[rest[at]!]!);
    at += whole;
    carry += part;
    if (carry >= steps) {
      at++;
      carry -= steps;
    }
  }
  return bounds;
}

/** Without an order: a list of candidates in which a value moves up each time it is met. */
export function computeDistinctStats(sample: ColumnSample, order: ColumnOrder, totalRows: number): ColumnResult | null {
  const got = collect(sample, true);
  const result = basics(got, order, sample.count);
  if (result === null || got.nonNulls === 0) return result;
  const most = Math.max(10, 2 * order.target);
  const track: { value: Datum; count: number }[] = [];
  const equals = order.equals!;
  for (const value of got.values) {
    let at = 0;
    let firstSingle = track.length;
    let isFound = false;
    for (; at < track.length; at++) {
      if (equals(value, track[at]!.value)) {
        isFound = true;
        break;
      }
      if (at < firstSingle && track[at]!.count === 1) firstSingle = at;
    }
    if (isFound) {
      track[at]!.count++;
      for (; at > 0 && track[at]!.count > track[at - 1]!.count; at--) {
        const lower = track[at - 1]!;
        track[at - 1] = track[at]!;
        track[at] = lower;
      }
    } else {
      // The oldest of those met once gives way.
      if (track.length < most) track.push({ value: null, count: 0 });
      for (let i = track.length - 1; i > firstSingle; i--) Object.assign(track[i]!, track[i - 1]!);
      if (firstSingle < track.length) Object.assign(track[firstSingle]!, { value, count: 1 });
    }
  }
  let repeated = 0;
  let sum = 0;
  for (const one of track) {
    if (one.count === 1) break;
    repeated++;
    sum += one.count;
  }
  const isWhole = track.length < most && got.tooWide === 0;
  result.distinct = estimateDistinct(
    got.nonNulls - sum,
    repeated,
    isWhole && repeated === track.length,
    sample.count - got.nulls,
    totalRows,
    result.nullFraction,
  );
  const count = chooseMcvs(
    track.map((one) => one.count),
    order.target,
    isWhole,
    result,
    sample.count,
    totalRows,
  );
  if (count > 0) {
    result.slots.push({
      kind: STATISTIC_KIND.mcv,
      operator: order.equalOperator,
      collation: order.collation,
      numbers: track.slice(0, count).map((one) => one.count / sample.count),
      values: track.slice(0, count).map((one) => one.value),
      type: order.type,
    });
  }
  return result;
}
