import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  indexBeginScan,
  indexBulkDelete,
  indexEndScan,
  indexGetNextTid,
  indexInsert,
  indexBuild,
} from '#access/common/index-access.ts';
import { UNIQUE_CHECK } from '#access/common/index-am.ts';
import { makeScanKey, BT_STRATEGY } from '#access/common/scan-key.ts';
import type { Relation } from '#access/common/relation-descriptor.ts';
import { verifyBtree } from '#access/nbtree/verify.ts';
import type { Datum } from '#adt/datum.ts';
import { makeTid, type Oid } from '#base/ids.ts';
import {
  closeBtreeCluster,
  INT4,
  makeIndex,
  mvcc,
  openBtreeCluster,
  rows,
  setBuildRows,
  TEXT,
} from '../../../support/nbtree-fixture.ts';

beforeAll(() => {
  openBtreeCluster();
});
afterAll(closeBtreeCluster);

const info = (unique = false): never =>
  ({
    numAttrs: 1,
    numKeyAttrs: 1,
    attrNumbers: [1],
    unique,
    nullsNotDistinct: false,
    readyForInserts: true,
    concurrent: false,
    brokenHotChain: false,
  }) as never;
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state / 0x7fffffff;
  };
}
function scanAll(heap: Relation, index: Relation, direction: 1 | -1 = 1): number[] {
  const scan = indexBeginScan(heap, index, mvcc, []);
  const out: number[] = [];
  while (indexGetNextTid(scan, direction)) out.push(scan.heapTid);
  indexEndScan(scan);
  return out;
}

describe('nbtree', () => {
  test('random insertions keep the tree sound and in order', () => {
    const { heap, index } = makeIndex([INT4()]);
    setBuildRows([]);
    indexBuild(heap, index, info());
    const next = random(1);
    const model: [number, number][] = [];
    for (let i = 0; i < 5000; i++) {
      const key = Math.floor(next() * 2000);
      const tid = makeTid(Math.floor(i / 50), (i % 50) + 1);
      indexInsert(index, [key], tid, heap, UNIQUE_CHECK.no, false);
      model.push([key, tid]);
    }
    const result = verifyBtree(index);
    expect(result.problems).toEqual([]);
    model.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    expect(result.tids).toEqual(model.map((m) => m[1]));
    expect(scanAll(heap, index)).toEqual(result.tids);
    const backward = scanAll(heap, index, -1);
    expect(backward.length).toBe(result.tids.length);
  });
});
