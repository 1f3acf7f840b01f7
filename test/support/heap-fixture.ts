/** heap-fixture.ts — tables on real buffers, real WAL and real transactions in one process. */
import { mkdirSync } from 'node:fs';
import { heapFormTuple, heapTupleLength } from '#access/common/heap-tuple.ts';
import {
  tupleCtid,
  tupleInfomask,
  tupleInfomask2,
  tupleRawXmax,
  tupleRawXmin,
} from '#access/common/heap-tuple-layout.ts';
import { indexBuild, indexInsert } from '#access/common/index-access.ts';
import type { IndexInfo } from '#access/common/index-am.ts';
import {
  type AttributeInit,
  attribute,
  type Relation,
  relReadBuffer,
  TupleDesc,
} from '#access/common/relation-descriptor.ts';
import { heapDeform } from '#access/common/heap-tuple.ts';
import { setIndexAttrLookup, setRelationAccess } from '#access/heap/heap-hooks.ts';
import '#access/heap/heap-am.ts';
import { heapInsert } from '#access/heap/heap-insert.ts';
import { heapBeginScan } from '#access/heap/heap-scan.ts';
import { heapUpdate, heapUpdateResult } from '#access/heap/heap-update.ts';
import { syncScanShmem } from '#access/heap/sync-scan.ts';
import { visibilityMapPrepareTruncate } from '#access/heap/visibility-map.ts';
import { setVacuumHost, type RelStats } from '#access/heap/vacuum-state.ts';
import '#access/nbtree/am.ts';
import { btreeVacuumShmem } from '#access/nbtree/cycle-id.ts';
import type { Datum } from '#adt/datum.ts';
import { FORK, type ItemPointer, type Oid, type TransactionId, tidBlock, tidOffset } from '#base/ids.ts';
import { ResourceOwner, setCurrentResourceOwner } from '#runtime/resource-owner.ts';
import { resetExitCallbacks } from '#runtime/exit-callbacks.ts';
import { resetInterruptHoldoffs } from '#runtime/interrupts.ts';
import { becomeProcess, myProcess } from '#runtime/my-process.ts';
import { forgetLatch } from '#shm/latch.ts';
import { mem } from '#shm/memory.ts';
import { Workspace } from '#shm/private-memory.ts';
import { initProcess, procAt } from '#shm/proc.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { initWaiting } from '#shm/wait-event-set.ts';
import { bufferShmem, bufferPage } from '#storage/buffer/buffer-pool.ts';
import { forgetPins, releaseBuffer } from '#storage/buffer/pin.ts';
import { takeBackendId } from '#storage/ipc/backend-ids.ts';
import { sinvalShmem } from '#storage/ipc/sinval.ts';
import { itemAt, itemIdWord, lpFlags, lpLength, lpOffset, pageMaxOffset } from '#storage/page/page.ts';
import { setSmgrHooks, smgrCloseAll, smgrCreate, smgrOpen, smgrTruncate } from '#storage/smgr/smgr.ts';
import { joinProcArray } from '#transam/proc-array.ts';
import { getTransactionSnapshot, popActiveSnapshot, pushActiveSnapshot, type Snapshot } from '#transam/snapshot.ts';
import {
  bootStrapTransam,
  finishStartupTransam,
  loadCheckPointCounters,
  startupTransam,
  startupTransamLogs,
} from '#transam/startup.ts';
import {
  abortOutOfAnyTransaction,
  commandCounterIncrement,
  commitTransactionCommand,
  getCurrentCommandId,
  setStatementTimestamp,
  startTransactionCommand,
} from '#transam/xact.ts';
import { controlFile } from '#wal/control-file.ts';
import { DATABASE, node } from './pool-fixture.ts';
import { TRANSAM_FOLDERS, TRANSAM_TEST_SUBSYSTEMS } from './transam-cluster.ts';
import { openWalCluster, type WalCluster } from './wal-cluster.ts';

export const INT4: AttributeInit = { typeId: 23 as Oid, length: 4, byValue: true, align: 'i' };
export const TEXT: AttributeInit = { typeId: 25 as Oid, length: -1, byValue: false, align: 'i', collation: 100 as Oid };
export const OID: AttributeInit = { typeId: 26 as Oid, length: 4, byValue: true, align: 'i' };
export const BYTEA_PLAIN: AttributeInit = { typeId: 17 as Oid, length: -1, byValue: false, align: 'i', storage: 'p' };

let nextOid = 70_000;
const relations = new Map<number, Relation>();
const indexesOf = new Map<number, Relation[]>();

function relation(kind: Relation['kind'], desc: TupleDesc, init: Partial<Relation>): Relation {
  const oid = nextOid++ as Oid;
  const made: Relation = {
    oid,
    name: `t${oid}`,
    namespace: 2200 as Oid,
    kind,
    persistence: 'p',
    owner: 10 as Oid,
    amOid: (kind === 'i' ? 403 : 2) as Oid,
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
    tuples: -1,
    allVisible: 0,
    frozenXid: 3 as TransactionId,
    minMxid: 1,
    options: {},
    tupleDesc: desc,
    index: null,
    createSubid: 0,
    newRelfilenodeSubid: 0,
    firstRelfilenodeSubid: 0,
    isLocalTemp: false,
    smgr: null,
    replicaIdentity: 'd',
    amCache: null,
    ...init,
  };
  relations.set(oid, made);
  smgrCreate(smgrOpen(made.rnode, -1), FORK.main, false);
  return made;
}
export const describeColumns = (columns: readonly AttributeInit[]): TupleDesc =>
  new TupleDesc(columns.map((one, i) => attribute({ ...one, name: one.name ?? `c${i + 1}` }, i + 1)));
export const makeTable = (columns: readonly AttributeInit[], init: Partial<Relation> = {}): Relation =>
  relation('r', describeColumns(columns), init);

/** A unique (or not) btree index on columns of the table, empty. */
export function makeTableIndex(table: Relation, keys: readonly number[], unique: boolean): Relation {
  const columns = keys.map((key) => table.tupleDesc.attrs[key - 1]!);
  const index = relation('i', describeColumns(columns), {
    index: {
      indexRelid: nextOid as Oid,
      heapRelid: table.oid,
      nAtts: keys.length,
      nKeyAtts: keys.length,
      unique,
      nullsNotDistinct: false,
      primary: unique,
      exclusion: false,
      immediate: true,
      valid: true,
      ready: true,
      live: true,
      checkXmin: false,
      isClustered: false,
      isReplIdent: false,
      keys,
      collations: columns.map((c) => c.collation),
      opclasses: columns.map(() => 0 as Oid),
      opfamilies: columns.map((c) => (c.typeId === 25 ? 1994 : c.typeId === 26 ? 1989 : 1976) as Oid),
      opcInTypes: columns.map((c) => c.typeId),
      options: columns.map(() => 0),
      exprsText: null,
      predText: null,
    },
  });
  table.hasIndex = true;
  indexesOf.set(table.oid, [...(indexesOf.get(table.oid) ?? []), index]);
  const info: IndexInfo = {
    numAttrs: keys.length,
    numKeyAttrs: keys.length,
    attrNumbers: keys,
    unique,
    nullsNotDistinct: false,
    readyForInserts: true,
    concurrent: false,
    brokenHotChain: false,
  };
  transaction(() => indexBuild(table, index, info));
  return index;
}
export const tableIndexes = (table: Relation): readonly Relation[] => indexesOf.get(table.oid) ?? [];
/** A table with a TOAST table. */
export function makeToastedTable(columns: readonly AttributeInit[], init: Partial<Relation> = {}): Relation {
  const toast: Relation = relation('t', describeColumns([OID, INT4, BYTEA_PLAIN]), { name: 'pg_toast_test' });
  makeTableIndex(toast, [1, 2], true);
  return makeTable(columns, { toastRelid: toast.oid, ...init });
}
export const relationOf = (oid: number): Relation => relations.get(oid)!;

let cluster: WalCluster | undefined;
export const HEAP_TEST_SUBSYSTEMS = [bufferShmem, sinvalShmem, btreeVacuumShmem, syncScanShmem];
export function openHeapCluster(settings: Record<string, string> = {}, clients = 3): WalCluster {
  relations.clear();
  indexesOf.clear();
  cluster = openWalCluster({
    settings: { shared_buffers: '400', ...settings },
    segmentSize: 16 << 20,
    clients,
    subsystems: [...TRANSAM_TEST_SUBSYSTEMS, ...HEAP_TEST_SUBSYSTEMS],
  });
  for (const folder of TRANSAM_FOLDERS) mkdirSync(folder);
  mkdirSync(`base/${DATABASE}`, { recursive: true });
  resetExitCallbacks();
  resetInterruptHoldoffs();
  forgetLatch();
  becomeProcess('standalone', 'test');
  forgetPins();
  initWaiting(-1);
  myProcess.procNumber = -1;
  myProcess.databaseId = DATABASE;
  initProcess('client');
  takeBackendId();
  PgProc.databaseId.set(mem, procAt(myProcess.procNumber), DATABASE);
  loadCheckPointCounters(controlFile.checkPointCopy);
  bootStrapTransam();
  startupTransamLogs(false);
  startupTransam();
  finishStartupTransam();
  joinProcArray();
  installHeapHooks();
  return cluster;
}
/** What the catalog would install. */
export function installHeapHooks(): void {
  space = new Workspace();
  setSmgrHooks({ cacheInvalidateSmgr: () => {} });
  setRelationAccess({
    open: (oid) => relationOf(oid),
    close: () => {},
    indexes: (rel) => tableIndexes(rel).map((index) => index.oid),
  });
  setIndexAttrLookup((rel) => {
    const all = tableIndexes(rel);
    const columns = all.flatMap((index) => index.index!.keys);
    const unique = all.filter((index) => index.index!.unique).flatMap((index) => index.index!.keys);
    return { hot: columns, key: unique, identity: unique };
  });
}
export function closeHeapCluster(): void {
  abortOutOfAnyTransaction();
  smgrCloseAll();
  cluster?.remove();
  cluster = undefined;
}

/** One transaction with a snapshot. */
export function transaction<T>(work: (snapshot: Snapshot) => T): T {
  setStatementTimestamp();
  startTransactionCommand();
  const snapshot = getTransactionSnapshot();
  pushActiveSnapshot(snapshot);
  const result = work(snapshot);
  popActiveSnapshot();
  commitTransactionCommand();
  return result;
}
/** The snapshot of the next command in the same transaction. */
export function nextCommand(): Snapshot {
  commandCounterIncrement();
  popActiveSnapshot();
  pushActiveSnapshot(getTransactionSnapshot());
  return getTransactionSnapshot();
}
let space = new Workspace();
export function insertRow(table: Relation, values: Datum[]): ItemPointer {
  const at = heapFormTuple(table.tupleDesc, values, space);
  const tid = heapInsert(table, at, heapTupleLength(), getCurrentCommandId(true));
  for (const index of tableIndexes(table)) {
    const keys = index.index!.keys.map((key) => values[key - 1]!);
    indexInsert(index, keys, tid, table, index.index!.unique ? 1 : 0, false);
  }
  space.reset();
  return tid;
}
export function updateRow(table: Relation, tid: ItemPointer, values: Datum[]): string {
  const at = heapFormTuple(table.tupleDesc, values, space);
  const result = heapUpdate(table, tid, at, heapTupleLength(), getCurrentCommandId(true), null, true);
  if (result === 'ok' && !heapUpdateResult.isHot)
    for (const index of tableIndexes(table)) {
      const keys = index.index!.keys.map((key) => values[key - 1]!);
      indexInsert(index, keys, heapUpdateResult.newTid, table, index.index!.unique ? 1 : 0, false);
    }
  space.reset();
  return result;
}
export function scanRows(table: Relation, snapshot: Snapshot): Datum[][] {
  const rows: Datum[][] = [];
  const scan = heapBeginScan(table, snapshot);
  while (scan.next()) {
    const out: Datum[] = [];
    heapDeform(table.tupleDesc, scan.tupleAt, table.tupleDesc.natts, out);
    rows.push(out);
  }
  scan.end();
  return rows;
}
export const scanTids = (table: Relation, snapshot: Snapshot): ItemPointer[] => {
  const tids: ItemPointer[] = [];
  const scan = heapBeginScan(table, snapshot);
  while (scan.next()) tids.push(scan.tid);
  scan.end();
  return tids;
};

/** Runs with an owner for buffer pins, inside or outside a transaction. */
export function withOwner<T>(work: () => T): T {
  const owner = new ResourceOwner(null, 'test');
  const before = setCurrentResourceOwner(owner);
  try {
    return work();
  } finally {
    setCurrentResourceOwner(before);
    for (const phase of ['beforeLocks', 'locks', 'afterLocks'] as const) owner.releasePhase(phase, true, true);
  }
}

const LP_NAMES = ['unused', 'normal', 'redirect', 'dead'];
/** The page as pageinspect would show it: one line per line pointer. Xids relative to `base`. */
export const pageItems = (table: Relation, block: number, base = 0): string[] =>
  withOwner(() => itemsOf(table, block, base));
function itemsOf(table: Relation, block: number, base: number): string[] {
  const buffer = relReadBuffer(table, block);
  const page = bufferPage(buffer);
  const lines: string[] = [];
  const hex = (n: number): string => n.toString(16);
  for (let offset = 1; offset <= pageMaxOffset(page); offset++) {
    const word = itemIdWord(page, offset);
    const kind = LP_NAMES[lpFlags(word)]!;
    if (kind !== 'normal') {
      lines.push(kind === 'redirect' ? `${kind} ${lpOffset(word)}` : kind);
      continue;
    }
    const at = itemAt(page, offset);
    const ctid = tupleCtid(at);
    const xid = (x: number): number => (x >= 3 ? x - base : x);
    lines.push(
      `${lpLength(word)} xmin ${xid(tupleRawXmin(at))} xmax ${xid(tupleRawXmax(at))} (${tidBlock(ctid)},${tidOffset(ctid)}) ${hex(tupleInfomask(at))} ${hex(tupleInfomask2(at))}`,
    );
  }
  releaseBuffer(buffer);
  return lines;
}
export const pageBytes = (table: Relation, block: number): Uint8Array => withOwner(() => bytesOf(table, block));
function bytesOf(table: Relation, block: number): Uint8Array {
  const buffer = relReadBuffer(table, block);
  const page = bufferPage(buffer);
  const bytes = Uint8Array.from(mem.u8.subarray(page, page + 8192));
  releaseBuffer(buffer);
  return bytes;
}

export const vacuumCalls: { relStats: [string, RelStats][]; phases: number[] } = { relStats: [], phases: [] };
export function installVacuumHost(): void {
  vacuumCalls.relStats.length = 0;
  vacuumCalls.phases.length = 0;
  setVacuumHost({
    isAutovacuumWorker: false,
    databaseName: () => 'test',
    namespaceName: () => 'public',
    openIndexes: (rel) => [...tableIndexes(rel)],
    closeIndexes: () => {},
    updateRelStats(rel, stats) {
      vacuumCalls.relStats.push([rel.name, stats]);
      const frozenXidUpdated = stats.frozenXid !== 0 && stats.frozenXid !== rel.frozenXid;
      rel.pages = stats.pages;
      rel.tuples = stats.tuples;
      if (frozenXidUpdated) rel.frozenXid = stats.frozenXid;
      return { frozenXidUpdated, minMultiUpdated: false };
    },
    delayPoint: () => {},
    progressStart: () => {},
    progress(parameter, value) {
      if (parameter === 0) vacuumCalls.phases.push(value);
    },
    progressEnd: () => {},
    reportVacuum: () => {},
    truncate(rel, blocks) {
      visibilityMapPrepareTruncate(smgrOpen(rel.rnode, -1), 'p', blocks, true);
      smgrTruncate(smgrOpen(rel.rnode, -1), [FORK.main], [blocks]);
    },
  });
}
export const VACUUM_DEFAULTS = {
  verbose: false,
  disablePageSkipping: false,
  freezeMinAge: -1,
  freezeTableAge: -1,
  multixactFreezeMinAge: -1,
  multixactFreezeTableAge: -1,
  isWraparound: false,
  logMinDuration: -1,
  indexCleanup: 'auto',
  truncate: 'auto',
} as const;
