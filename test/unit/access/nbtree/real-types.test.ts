/** Indexes that PostgreSQL 15 made on columns of many types are in order for us too, and scans find their entries. */
import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { indexBeginScan, indexEndScan, indexGetNextTid } from '#access/common/index-access.ts';
import { indexGetAttr } from '#access/common/index-tuple.ts';
import { relationSmgr } from '#access/common/relation-descriptor.ts';
import { BT_STRATEGY, makeScanKey } from '#access/common/scan-key.ts';
import { setSupportFunctionLookup } from '#access/common/support-functions.ts';
import { verifyBtree } from '#access/nbtree/verify.ts';
import type { Datum } from '#adt/datum.ts';
import { builtin } from '#adt/fmgr.ts';
import '#adt/load.ts';
import type { Oid } from '#base/ids.ts';
import { smgrClose } from '#storage/smgr/smgr.ts';
import {
  closeBtreeCluster,
  type ColumnSpec,
  makeIndex,
  mvcc,
  openBtreeCluster,
} from '../../../support/nbtree-fixture.ts';

interface Column {
  typeId: number;
  length: number;
  align: 'c' | 's' | 'i' | 'd';
  byValue: boolean;
  storage: 'p' | 'x' | 'm' | 'e';
  family: number;
  inputType: number;
  collation: number;
  option: number;
}
const RECORDED = JSON.parse(
  gunzipSync(readFileSync(new URL('recorded/types/types.json.gz', import.meta.url))).toString(),
) as Record<string, { columns: Column[]; rows: number; pages: string[] }>;

beforeAll(() => {
  openBtreeCluster();
  setSupportFunctionLookup((family, _left, _right, number) => {
    const prosrc = family === 1988 ? 'numeric_cmp' : '';
    const found = builtin(prosrc);
    if (number !== 1 || found?.style !== 'plain') return null;
    return { procOid: 0 as Oid, prosrc, call: (a, b) => found.call(a, b) };
  });
});
afterAll(closeBtreeCluster);

describe('indexes of PostgreSQL 15', () => {
  for (const [name, recording] of Object.entries(RECORDED))
    test(name, () => {
      const columns = recording.columns.map(
        (c): ColumnSpec => ({ ...c, typeId: c.typeId as Oid, collation: c.collation as Oid }),
      );
      const { heap, index } = makeIndex(columns);
      writeFileSync(
        `base/5/${index.rnode.relNode}`,
        Buffer.concat(recording.pages.map((page) => Buffer.from(page, 'base64'))),
      );
      smgrClose(relationSmgr(index));
      index.smgr = null;
      const result = verifyBtree(index);
      expect(result.problems).toEqual([]);
      // A catalog's index may have entries of dead rows besides.
      if (name.startsWith('pg_') && name.endsWith('_index'))
        expect(result.tids.length).toBeGreaterThanOrEqual(recording.rows);
      else expect(result.tids.length).toBe(recording.rows);
      // Each value that the index holds is found by a scan for it.
      const values = new Map<string, { value: Datum; tids: number[] }>();
      const text = (value: Datum): string =>
        JSON.stringify(value, (_key, v) =>
          typeof v === 'bigint' ? `${v}n` : Object.is(v, -0) ? 0 : Number.isNaN(v) ? 'NaN' : v,
        );
      const reading = indexBeginScan(heap, index, mvcc, []);
      reading.wantTuple = true;
      while (indexGetNextTid(reading, 1)) {
        const value = indexGetAttr(index.tupleDesc, reading.itupAt, 1);
        if (value === null) continue;
        const key = text(value);
        const entry = values.get(key) ?? { value, tids: [] };
        entry.tids.push(reading.heapTid);
        values.set(key, entry);
      }
      indexEndScan(reading);
      let checked = 0;
      for (const { value, tids } of values.values()) {
        if (++checked > 60) break;
        const found: number[] = [];
        const probe = indexBeginScan(heap, index, mvcc, [makeScanKey(1, BT_STRATEGY.equal, 0 as Oid, value)]);
        while (indexGetNextTid(probe, 1)) found.push(probe.heapTid);
        indexEndScan(probe);
        expect(found).toEqual(tids);
      }
    });
});
