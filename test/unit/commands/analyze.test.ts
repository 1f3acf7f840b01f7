import { describe, expect, it } from 'vitest';
import type { Datum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { type ColumnOrder, type ColumnSample, computeScalarStats, significantMcvs } from '#commands/analyze-compute.ts';
import { BlockSampler, Reservoir } from '#commands/analyze-sample.ts';

const INT4: ColumnOrder = {
  type: 23 as Oid,
  collation: 0 as Oid,
  length: 4,
  equalOperator: 96 as Oid,
  lessOperator: 97 as Oid,
  compare: (a, b) => (a as number) - (b as number),
  equals: null,
  target: 100,
};
function sampleOf(values: readonly Datum[]): ColumnSample {
  return {
    count: values.length,
    value: null,
    width: 4,
    tooWide: false,
    fetch(i) {
      this.value = values[i]!;
    },
  };
}

describe('sampling', () => {
  it('chooses as many blocks as wanted, in order, each once', () => {
    const blocks = new BlockSampler(1000, 100);
    const chosen: number[] = [];
    while (blocks.hasMore) chosen.push(blocks.next());
    expect(chosen).toHaveLength(100);
    expect(chosen.every((block, i) => block < 1000 && (i === 0 || block > chosen[i - 1]!))).toBe(true);
  });
  it('takes all blocks of a small table', () => {
    const blocks = new BlockSampler(5, 100);
    const chosen: number[] = [];
    while (blocks.hasMore) chosen.push(blocks.next());
    expect(chosen).toEqual([0, 1, 2, 3, 4]);
  });
  it('skips a finite number of rows, early and late', () => {
    const reservoir = new Reservoir(10);
    for (const seen of [10, 100, 1000, 1_000_000]) {
      const skip = reservoir.skip(seen);
      expect(Number.isInteger(skip) && skip >= 0).toBe(true);
    }
  });
});

describe('statistics of an ordered type', () => {
  it('of a unique column: no common values, a histogram, correlation 1', () => {
    const values = Array.from({ length: 10_000 }, (_, i) => i + 1);
    const result = computeScalarStats(sampleOf(values), INT4, 10_000)!;
    expect(result.distinct).toBe(-1);
    expect(result.slots.map((slot) => slot.kind)).toEqual([2, 3]);
    expect(result.slots[0]!.values).toHaveLength(101);
    expect(result.slots[1]!.numbers).toEqual([1]);
  });
  it('of few values: all of them, most common first', () => {
    const values = Array.from({ length: 100 }, (_, i) => (i < 60 ? 1 : i < 90 ? 2 : null));
    const result = computeScalarStats(sampleOf(values), INT4, 100)!;
    expect(result).toMatchObject({ nullFraction: 0.1, width: 4, distinct: 2 });
    expect(result.slots[0]).toMatchObject({ kind: 1, values: [1, 2], numbers: [0.6, 0.3] });
  });
  it('keeps only values that are more common than the others', () => {
    expect(significantMcvs([500, 2, 2, 2], -0.1, 0, 1000, 100_000)).toBe(1);
    expect(significantMcvs([2, 2], 50, 0, 1000, 1000)).toBe(2);
  });
});
