/** The same rows in the same order give the same pages as PostgreSQL 15's, byte for byte but for LSN and checksum.
 *  Recorded by test/support/tools/record-nbtree.mjs. */
import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { indexBuild, indexInsert } from '#access/common/index-access.ts';
import { type IndexInfo, UNIQUE_CHECK } from '#access/common/index-am.ts';
import { relationNblocks, relReadBuffer, type Relation } from '#access/common/relation-descriptor.ts';
import { verifyBtree } from '#access/nbtree/verify.ts';
import type { Datum } from '#adt/datum.ts';
import { makeTid } from '#base/ids.ts';
import { mem } from '#shm/memory.ts';
import { RBM } from '#storage/buffer/buffer-layout.ts';
import { bufferPage } from '#storage/buffer/buffer-pool.ts';
import { releaseBuffer } from '#storage/buffer/pin.ts';
import {
  closeBtreeCluster,
  INT4,
  makeIndex,
  openBtreeCluster,
  rows,
  setBuildRows,
  TEXT,
} from '../../../support/nbtree-fixture.ts';

const RECORDED = new URL('recorded/', import.meta.url);
interface Recording {
  readonly columns: ('int4' | 'text')[];
  readonly order: string[];
  readonly include: number;
  readonly unique: boolean;
  readonly options: string;
  readonly mode: 'insert' | 'build';
  readonly rows: Datum[][];
  readonly pages: string[];
}

const indexInfo = (keys: number, columns: number, unique: boolean): IndexInfo => ({
  numAttrs: columns,
  numKeyAttrs: keys,
  attrNumbers: Array.from({ length: columns }, (_, i) => i + 1),
  unique,
  nullsNotDistinct: false,
  readyForInserts: true,
  concurrent: false,
  brokenHotChain: false,
});

function pageOf(index: Relation, block: number): Buffer {
  const buffer = relReadBuffer(index, block, RBM.normal);
  const at = bufferPage(buffer);
  const bytes = Buffer.from(mem.u8.slice(at, at + 8192));
  releaseBuffer(buffer);
  return bytes;
}
/** LSN and checksum do not count. */
function comparable(page: Buffer): Buffer {
  page.fill(0, 0, 10);
  return page;
}
/** Where two pages differ first, in words. */
function difference(ours: Buffer, theirs: Buffer): string {
  for (let i = 0; i < 8192; i++)
    if (ours[i] !== theirs[i])
      return `offset ${i}: ${ours.subarray(i & ~7, (i & ~7) + 16).toString('hex')} for ${theirs.subarray(i & ~7, (i & ~7) + 16).toString('hex')}`;
  return '';
}

beforeAll(() => {
  openBtreeCluster();
});
afterAll(closeBtreeCluster);

describe('pages as PostgreSQL 15 makes them', () => {
  for (const file of readdirSync(RECORDED).filter((name) => name.endsWith('.gz'))) {
    test(file.replace('.json.gz', ''), () => {
      const recording = JSON.parse(gunzipSync(readFileSync(new URL(file, RECORDED))).toString()) as Recording;
      const keys = recording.columns.length - recording.include;
      const columns = recording.columns.map((type, i) => {
        // indoption: DESC 1, NULLS FIRST 2
        const option = recording.order[i] === 'desc nulls last' ? 1 : 0;
        return type === 'int4' ? INT4(option) : TEXT(option);
      });
      const options = recording.options === 'deduplicate_items=off' ? { deduplicate_items: false } : {};
      const { heap, index } = makeIndex(columns, { unique: recording.unique, options, keys });
      const tuples = recording.rows.map((row) => ({
        tid: makeTid(row[0] as number, row[1] as number),
        values: row.slice(2),
      }));
      setBuildRows(recording.mode === 'build' ? tuples : []);
      indexBuild(heap, index, indexInfo(keys, columns.length, recording.unique));
      if (recording.mode === 'insert')
        for (const { tid, values } of tuples)
          indexInsert(index, values, tid, heap, recording.unique ? UNIQUE_CHECK.yes : UNIQUE_CHECK.no, false);
      rows.clear();
      expect(verifyBtree(index).problems).toEqual([]);
      expect(relationNblocks(index)).toBe(recording.pages.length);
      const differences: string[] = [];
      recording.pages.forEach((text, block) => {
        const found = difference(comparable(pageOf(index, block)), comparable(Buffer.from(text, 'base64')));
        if (found !== '') differences.push(`block ${block} ${found}`);
      });
      expect(differences).toEqual([]);
    });
  }
});
