/** nbtree-fixture.ts — indexes over a table that is a Map, on real buffers and real WAL in one process. */
import { mkdirSync } from 'node:fs';
import type { IndexDeleteOp, IndexFetch, TableAm } from '#access/common/table-am.ts';
import { registerTableAm } from '#access/common/table-am.ts';
import { attribute, type AttributeInit, type Relation, TupleDesc } from '#access/common/relation-descriptor.ts';
import '#access/nbtree/am.ts';
import { btreeVacuumShmem } from '#access/nbtree/cycle-id.ts';
import type { Datum } from '#adt/datum.ts';
import { FORK, type ItemPointer, type Oid, type TransactionId } from '#base/ids.ts';
import { becomeProcess } from '#runtime/my-process.ts';
import { initProcess } from '#shm/proc.ts';
import { initWaiting } from '#shm/wait-event-set.ts';
import { bufferShmem } from '#storage/buffer/buffer-pool.ts';
import { forgetPins } from '#storage/buffer/pin.ts';
import { lockShmem } from '#storage/lmgr/lock-table.ts';
import { predicateShmem } from '#storage/lmgr/predicate-table.ts';
import { serialShmem } from '#storage/lmgr/predicate-serial.ts';
import { smgrCloseAll, smgrCreate, smgrOpen } from '#storage/smgr/smgr.ts';
import { procArrayShmem } from '#transam/proc-array-layout.ts';
import { newSnapshot } from '#transam/snapshot-data.ts';
import { variableCacheShmem } from '#transam/variable-cache.ts';
import { beginOwner, DATABASE, endOwner, node } from './pool-fixture.ts';
import { openWalCluster, type WalCluster } from './wal-cluster.ts';

export const TABLE_AM = 900 as Oid;
/** TIDs whose rows exist, and those that deletion may remove. */
export const rows = new Set<ItemPointer>();
export const deadRows = new Set<ItemPointer>();
export let buildRows: { tid: ItemPointer; values: Datum[]; alive?: boolean }[] = [];
export const setBuildRows = (to: typeof buildRows): void => {
  buildRows = to;
};

const tableAmOfTest: TableAm = {
  name: 'test',
  beginIndexFetch: (rel): IndexFetch => ({
    rel,
    tupleAt: 0,
    tupleLen: 0,
    tid: 0,
    buffer: 0,
    callAgain: false,
    allDead: false,
  }),
  indexFetchTuple(fetch, tid) {
    fetch.tid = tid;
    fetch.callAgain = false;
    fetch.allDead = deadRows.has(tid);
    return rows.has(tid) && !deadRows.has(tid);
  },
  resetIndexFetch: () => {},
  endIndexFetch: () => {},
  indexFetchTupleCheck: (_rel, tid) => ({ found: rows.has(tid) && !deadRows.has(tid), allDead: deadRows.has(tid) }),
  indexDeleteTuples(_rel, op: IndexDeleteOp) {
    for (const candidate of op.deletes) if (deadRows.has(candidate.tid)) op.status[candidate.id]!.knownDeletable = true;
    return 700 as TransactionId;
  },
  indexBuildScan(_heap, _index, _info, _sync, _any, callback) {
    for (const row of buildRows) callback(row.tid, row.values, row.alive !== false);
    return buildRows.length;
  },
};
registerTableAm(TABLE_AM, tableAmOfTest);

export function makeRelation(oid: number, init: Partial<Relation> & { tupleDesc: TupleDesc }): Relation {
  return {
    oid: oid as Oid,
    name: `rel${oid}`,
    namespace: 2200 as Oid,
    kind: 'r',
    persistence: 'p',
    owner: 10 as Oid,
    amOid: TABLE_AM,
    rnode: node(oid),
    backend: -1,
    isShared: false,
    isMapped: false,
    isSystem: false,
    toastRelid: 0 as Oid,
    hasIndex: false,
    hasTriggers: false,
    hasRules: false,
    rowSecurity: false,
    pages: 0,
    tuples: 0,
    allVisible: 0,
    frozenXid: 0 as TransactionId,
    minMxid: 0,
    options: {},
    index: null,
    createSubid: 0,
    newRelfilenodeSubid: 0,
    firstRelfilenodeSubid: 0,
    // No other process: extending needs no lock.
    isLocalTemp: true,
    smgr: null,
    replicaIdentity: 'd',
    amCache: null,
    ...init,
  } as Relation;
}

export interface ColumnSpec extends AttributeInit {
  readonly family: number;
  /** Type of the opclass, where it differs from the stored one. */
  readonly inputType?: number;
  readonly option?: number;
}
const column = (
  typeId: number,
  length: number,
  align: 'c' | 's' | 'i' | 'd',
  family: number,
  rest: Partial<ColumnSpec> = {},
): ColumnSpec => ({
  typeId: typeId as Oid,
  length,
  byValue: length > 0 && length <= 8,
  align,
  family,
  ...rest,
});
export const INT4 = (option = 0): ColumnSpec => column(23, 4, 'i', 1976, { option });
export const INT8 = (option = 0): ColumnSpec => column(20, 8, 'd', 1976, { option });
export const TEXT = (option = 0): ColumnSpec => column(25, -1, 'i', 1994, { option, collation: 100 as Oid });

let nextOid = 60_000;
/** An index with an empty file (meta page only when built). */
export function makeIndex(
  columns: readonly ColumnSpec[],
  init: {
    unique?: boolean;
    options?: Record<string, unknown>;
    keys?: number;
    nullsNotDistinct?: boolean;
    persistence?: 'p' | 'u';
  } = {},
): { heap: Relation; index: Relation } {
  const oid = nextOid++;
  const desc = new TupleDesc(columns.map((c, i) => attribute({ ...c, name: `c${i + 1}` }, i + 1)));
  const heap = makeRelation(nextOid++, { tupleDesc: desc, name: 't' });
  const nkeys = init.keys ?? columns.length;
  const index = makeRelation(oid, {
    name: `t_idx`,
    kind: 'i',
    amOid: 403 as Oid,
    persistence: init.persistence ?? 'p',
    tupleDesc: desc,
    options: init.options ?? {},
    index: {
      indexRelid: oid as Oid,
      heapRelid: heap.oid,
      nAtts: columns.length,
      nKeyAtts: nkeys,
      unique: init.unique ?? false,
      nullsNotDistinct: init.nullsNotDistinct ?? false,
      primary: false,
      exclusion: false,
      immediate: true,
      valid: true,
      ready: true,
      live: true,
      checkXmin: false,
      isClustered: false,
      isReplIdent: false,
      keys: columns.map((_, i) => i + 1),
      collations: columns.map((c) => (c.collation ?? 0) as Oid),
      opclasses: columns.map(() => 0 as Oid),
      opfamilies: columns.map((c) => c.family as Oid),
      opcInTypes: columns.map((c) => (c.inputType ?? c.typeId) as Oid),
      options: columns.map((c) => c.option ?? 0),
      exprsText: null,
      predText: null,
    },
  });
  smgrCreate(smgrOpen(index.rnode, -1), FORK.main, false);
  return { heap, index };
}

let cluster: WalCluster;
export function openBtreeCluster(buffers = 1000): WalCluster {
  cluster = openWalCluster({
    settings: { shared_buffers: String(buffers) },
    segmentSize: 16 << 20,
    subsystems: [
      bufferShmem,
      lockShmem,
      predicateShmem,
      serialShmem,
      variableCacheShmem,
      procArrayShmem,
      btreeVacuumShmem,
    ],
  });
  mkdirSync(`base/${DATABASE}`, { recursive: true });
  mkdirSync('base/pgsql_tmp', { recursive: true });
  becomeProcess('standalone', 'test');
  forgetPins();
  initWaiting(-1);
  initProcess('client');
  beginOwner();
  rows.clear();
  deadRows.clear();
  return cluster;
}
export function closeBtreeCluster(): void {
  endOwner(true);
  smgrCloseAll();
  cluster.remove();
}
export const mvcc = newSnapshot('mvcc');
