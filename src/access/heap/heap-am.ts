/** heap-am.ts — the heap as the table access method "heap" (OID 2). Importing this file registers it.
 *  Counterpart: src/backend/access/heap/heapam_handler.c */
import { HEAP_TABLE_AM_OID, registerTableAm, type TableAm } from '#access/common/table-am.ts';
import {
  beginIndexFetch,
  endIndexFetch,
  heapHotSearchBuffer,
  hotSearch,
  indexFetchTuple,
  resetIndexFetch,
} from '#access/heap/heap-fetch.ts';
import { heapIndexBuildScan } from '#access/heap/index-build-scan.ts';
import { heapIndexDeleteTuples } from '#access/heap/index-delete.ts';
import { relReadBuffer } from '#access/common/relation-descriptor.ts';
import { tidBlock } from '#base/ids.ts';
import { BUFFER_LOCK } from '#storage/buffer/buffer-layout.ts';
import { lockBuffer, unlockReleaseBuffer } from '#storage/buffer/buffer-lock.ts';

const checked = { found: false, allDead: false };

export const heapTableAm: TableAm = {
  name: 'heap',
  beginIndexFetch,
  indexFetchTuple,
  resetIndexFetch,
  endIndexFetch,
  indexFetchTupleCheck(rel, tid, snapshot) {
    const buffer = relReadBuffer(rel, tidBlock(tid));
    lockBuffer(buffer, BUFFER_LOCK.share);
    checked.found = heapHotSearchBuffer(tid, rel, buffer, snapshot, true, true);
    checked.allDead = !checked.found && hotSearch.allDead;
    unlockReleaseBuffer(buffer);
    return checked;
  },
  indexDeleteTuples: heapIndexDeleteTuples,
  indexBuildScan: heapIndexBuildScan,
};
registerTableAm(HEAP_TABLE_AM_OID, heapTableAm);
