/** am.ts — nbtree as an index access method: the table behind pg_am's row btree, OID 403.
 *  Counterpart: bthandler(), btinsert(), btgettuple() … of src/backend/access/nbtree/nbtree.c */
import { type IndexAm, type IndexScan, registerIndexAm, type TidCollector } from '#access/common/index-am.ts';
import { IndexScanState } from '#access/common/index-scan.ts';
import { indexFormTuple, setIndexTupleTid } from '#access/common/index-tuple.ts';
import type { ScanKey } from '#access/common/scan-key.ts';
import { btBuild, btBuildEmpty } from '#access/nbtree/build.ts';
import { doInsert } from '#access/nbtree/insert.ts';
import { BTREE_AM_OID } from '#access/nbtree/nbtree-layout.ts';
import { BtScan } from '#access/nbtree/scan.ts';
import { btBulkDelete, btVacuumCleanup } from '#access/nbtree/vacuum.ts';
import { Workspace } from '#shm/private-memory.ts';
import { recoveryInProgress } from '#wal/insert.ts';

/** Tuples to insert; a stack, since waiting for a conflicting transaction may run other insertions. */
const spaces: Workspace[] = [];

const opaqueOf = (scan: IndexScan): BtScan => scan.opaque as BtScan;

export const nbtreeAm: IndexAm = {
  name: 'btree',
  strategies: 5,
  support: 5,
  canOrder: true,
  canBackward: true,
  canUnique: true,
  canMultiCol: true,
  optionalKey: true,
  searchArray: true,
  searchNulls: true,
  clusterable: true,
  predLocks: true,
  canInclude: true,
  build: btBuild,
  buildEmpty: btBuildEmpty,
  insert(index, values, tid, heap, checkUnique, indexUnchanged) {
    const space = spaces.pop() ?? new Workspace();
    try {
      const tup = indexFormTuple(index.tupleDesc, values, space);
      setIndexTupleTid(tup, tid);
      return doInsert(index, tup, checkUnique, indexUnchanged, heap);
    } finally {
      space.reset();
      spaces.push(space);
    }
  },
  bulkDelete: btBulkDelete,
  vacuumCleanup: btVacuumCleanup,
  canReturn: () => true,
  beginScan(heap, index, snapshot, keys, orderBys) {
    const scan = new IndexScanState(heap, index, snapshot, keys, orderBys);
    scan.xactStartedInRecovery = recoveryInProgress();
    scan.ignoreKilledTuples = !scan.xactStartedInRecovery;
    scan.opaque = new BtScan(scan);
    return scan;
  },
  rescan(scan, keys) {
    if (keys !== null) (scan as IndexScanState).keys = keys;
    opaqueOf(scan).rescan(keys as readonly ScanKey[] | null);
  },
  getTuple: (scan, direction) => opaqueOf(scan).getTuple(direction > 0 ? 1 : -1),
  getBitmap(scan: IndexScan, collector: TidCollector): number {
    const bt = opaqueOf(scan);
    let count = 0;
    while (bt.getTuple(1)) {
      collector.addTid(scan.heapTid, false);
      count++;
    }
    return count;
  },
  endScan: (scan) => opaqueOf(scan).end(),
  markPos: (scan) => opaqueOf(scan).markPosition(),
  restrPos: (scan) => opaqueOf(scan).restorePosition(),
};
registerIndexAm(BTREE_AM_OID, nbtreeAm);
