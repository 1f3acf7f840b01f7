/** Files of transactions, relation maps, databases and tablespaces: what is logged, and what replay makes of it. */
import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Relation } from '#access/common/relation-descriptor.ts';
import { BLCKSZ, FORK, type Lsn, type Oid, type RelFileNode } from '#base/ids.ts';
import { createFolderAndVersionFile, databaseRmgr } from '#catalog/database-redo.ts';
import {
  relationMapCopy,
  relationMapFilenodeToOid,
  relationMapForget,
  relationMapInitializePhase2,
  relationMapOidToFilenode,
  relationMapUpdateMap,
  relmapRmgr,
} from '#catalog/relmap.ts';
import {
  dropRelationFiles,
  relationCopyStorage,
  relationCreateStorage,
  relationDropStorage,
  relationPreserveStorage,
  relationTruncate,
  relFileNodeSkippingWal,
  smgrDoPendingDeletes,
  smgrDoPendingSyncs,
  smgrGetPendingDeletes,
  smgrRmgr,
} from '#catalog/storage.ts';
import { createTablespaceFolders, destroyTablespaceFolders } from '#catalog/tablespace-folders.ts';
import { tablespaceRmgr } from '#catalog/tablespace-redo.ts';
import { setConfigOption } from '#runtime/guc/guc.ts';
import { becomeProcess } from '#runtime/my-process.ts';
import { mem } from '#shm/memory.ts';
import { privateReserve } from '#shm/private-memory.ts';
import { initProcess } from '#shm/proc.ts';
import { initWaiting } from '#shm/wait-event-set.ts';
import { BUFFER_LOCK, P_NEW, RBM } from '#storage/buffer/buffer-layout.ts';
import { lockBuffer, unlockReleaseBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferPage, bufferShmem } from '#storage/buffer/buffer-pool.ts';
import { markBufferDirty } from '#storage/buffer/dirty.ts';
import { flushRelationBuffers } from '#storage/buffer/flush.ts';
import { forgetPins } from '#storage/buffer/pin.ts';
import { readBuffer } from '#storage/buffer/read-buffer.ts';
import { procSignalShmem } from '#storage/ipc/proc-signal.ts';
import { sinvalShmem } from '#storage/ipc/sinval.ts';
import { pageInit } from '#storage/page/page.ts';
import { smgrCloseAll, smgrCreate, smgrExtend, smgrNblocks, smgrOpen } from '#storage/smgr/smgr.ts';
import { callAtAbort, callLateCommit } from '#transam/xact-callbacks.ts';
import { controlFile } from '#wal/control-file.ts';
import { newDecodedRecord } from '#wal/decoded-record.ts';
import { FileWalSource } from '#wal/file-source.ts';
import { getXLogInsertRecPtr, xlogFlush } from '#wal/insert.ts';
import { WalReader } from '#wal/reader.ts';
import { replay } from '#wal/recovery-state.ts';
import type { RmgrRow } from '#wal/rmgr.ts';
import { beginOwner, endOwner, node } from '../../support/pool-fixture.ts';
import { openWalCluster, type WalCluster } from '../../support/wal-cluster.ts';

const WALDUMP = '/usr/lib/postgresql/15/bin/pg_waldump';
const goldenMap = gunzipSync(readFileSync(new URL('../../golden/storage/filenode-map.bin.gz', import.meta.url)));
let cluster: WalCluster;
let start = 0;
function open(settings: Record<string, string> = {}): void {
  cluster = openWalCluster({
    checksums: true,
    settings: { shared_buffers: '64', ...settings },
    subsystems: [bufferShmem, procSignalShmem, sinvalShmem],
  });
  for (const folder of ['base/5', 'pg_tblspc']) mkdirSync(folder, { recursive: true });
  writeFileSync('global/pg_filenode.map', goldenMap);
  writeFileSync('base/5/pg_filenode.map', goldenMap);
  becomeProcess('standalone', 'test');
  forgetPins();
  initWaiting(-1);
  initProcess('client');
  beginOwner();
  relationMapForget();
  start = getXLogInsertRecPtr();
}
beforeEach(() => open());
afterEach(() => {
  replay.inRecovery = false;
  replay.reachedConsistency = false;
  callAtAbort(0, 1000);
  endOwner(false);
  smgrCloseAll();
  cluster.remove();
});

const RMGRS: Readonly<Record<number, RmgrRow>> = { 2: smgrRmgr, 4: databaseRmgr, 5: tablespaceRmgr, 7: relmapRmgr };
/** Replays what was logged since the start; answers what pg_waldump would say of it. */
function replayAll(apply: boolean): string[] {
  xlogFlush(getXLogInsertRecPtr());
  const reader = new WalReader(new FileWalSource(1), controlFile.systemIdentifier);
  reader.beginRead(start as Lsn);
  const said: string[] = [];
  replay.inRecovery = apply;
  for (let record = reader.read(); record !== null; record = reader.read()) {
    const rmgr = RMGRS[record.rmid];
    if (rmgr === undefined) continue;
    said.push(`${rmgr.identify(record.info)} ${rmgr.describe(record)}`);
    if (apply) rmgr.redo(record);
  }
  replay.inRecovery = false;
  return said;
}
/** The same by PostgreSQL's own program. */
function waldump(): string[] {
  const args = ['-p', 'pg_wal', '-s', `0/${start.toString(16)}`, '000000010000000000000001'];
  // It ends with an error at the end of WAL, after it has printed everything.
  const { stdout } = spawnSync(WALDUMP, args, { encoding: 'utf8' });
  const lines = stdout.matchAll(/rmgr: (?:Storage|Database|Tablespace|RelMap).*?desc: (.*)$/gm);
  return [...lines].map((match) => match[1]!.trimEnd());
}
function describedAsPostgres(): void {
  const ours = replayAll(false);
  expect(ours.length).toBeGreaterThan(0);
  if (existsSync(WALDUMP)) expect(ours.map((line) => line.trimEnd())).toEqual(waldump());
}

function relation(rnode: RelFileNode, persistence: 'p' | 'u' = 'p'): Relation {
  return {
    oid: rnode.relNode,
    name: 'r',
    kind: 'r',
    rnode,
    backend: -1,
    persistence,
    createSubid: 0,
    firstRelfilenodeSubid: 0,
    smgr: null,
    options: {},
  } as unknown as Relation;
}
/** Adds so many blocks, each filled with its number. */
function fill(rnode: RelFileNode, blocks: number): void {
  const smgr = smgrOpen(rnode, -1);
  for (let i = 0; i < blocks; i++) {
    const buffer = readBuffer(smgr, 'p', FORK.main, P_NEW, RBM.normal, null);
    lockBuffer(buffer, BUFFER_LOCK.exclusive);
    pageInit(bufferPage(buffer), 0);
    mem.u8[bufferPage(buffer) + 100] = i;
    markBufferDirty(buffer);
    unlockReleaseBuffer(buffer);
  }
}
const file = (rnode: RelFileNode, suffix = ''): string => `base/5/${rnode.relNode}${suffix}`;
const sizeOf = (path: string): number => (existsSync(path) ? statSync(path).size : -1);

test('what a rolled back transaction made goes away, what a committed one dropped is emptied', () => {
  relationCreateStorage(node(1000), 'p', true);
  relationCreateStorage(node(1001), 'u', true);
  relationCreateStorage(node(1002), 'p', false);
  fill(node(1002), 2);
  expect(smgrGetPendingDeletes(false).map((one) => one.relNode)).toEqual([1001, 1000]);
  expect(smgrGetPendingDeletes(true)).toEqual([]);
  relationPreserveStorage(node(1001), false);
  relationDropStorage(relation(node(1002)));
  expect(smgrGetPendingDeletes(true)).toEqual([node(1002)]);
  smgrDoPendingDeletes(false);
  // Emptied: the name stays reserved until the next checkpoint.
  expect([1000, 1001, 1002].map((n) => sizeOf(file(node(n))))).toEqual([0, 0, 2 * BLCKSZ]);
  relationDropStorage(relation(node(1002)));
  smgrDoPendingDeletes(true);
  expect(sizeOf(file(node(1002)))).toBe(0);
  expect(replayAll(false)).toEqual(['CREATE base/5/1000', 'CREATE base/5/1002']);
  describedAsPostgres();
});

test('a truncation is logged, done, and done again by replay', () => {
  const rel = relation(node(1010));
  relationCreateStorage(rel.rnode, 'p', false);
  fill(rel.rnode, 5);
  flushRelationBuffers(smgrOpen(rel.rnode, -1));
  relationTruncate(rel, 3);
  expect(sizeOf(file(rel.rnode))).toBe(3 * BLCKSZ);
  expect(smgrNblocks(smgrOpen(rel.rnode, -1), FORK.main)).toBe(3);
  fill(rel.rnode, 4);
  describedAsPostgres();
  dropRelationFiles([rel.rnode], true);
  expect(sizeOf(file(rel.rnode))).toBe(-1);
  expect(replayAll(true)).toEqual(['CREATE base/5/1010', 'TRUNCATE base/5/1010 to 3 blocks flags 7']);
  // The file that replay made is shorter already.
  expect(sizeOf(file(rel.rnode))).toBe(0);
});

test('with wal_level minimal new files are fsynced, or logged whole when small', () => {
  afterEachCluster(() => open({ wal_level: 'minimal', max_wal_senders: '0' }));
  const [small, large, cut] = [node(1020), node(1021), node(1022)];
  for (const rnode of [small, large, cut]) relationCreateStorage(rnode, 'p', true);
  fill(small, 2);
  fill(large, 3);
  fill(cut, 3);
  expect([small, node(1)].map(relFileNodeSkippingWal)).toEqual([true, false]);
  setConfigOption('wal_skip_threshold', '24kB', 'user', 'session');
  relationTruncate({ ...relation(cut), createSubid: 1 }, 1);
  const before = getXLogInsertRecPtr();
  smgrDoPendingSyncs(true);
  expect([small, large, cut].map((rnode) => sizeOf(file(rnode)) / BLCKSZ)).toEqual([2, 3, 1]);
  const written = (rnode: RelFileNode): number => readFileSync(file(rnode))[BLCKSZ + 100]!;
  expect([written(small), written(large)]).toEqual([0, 1]);
  expect(getXLogInsertRecPtr()).toBeGreaterThan(before);
  expect(relFileNodeSkippingWal(small)).toBe(false);
  smgrDoPendingDeletes(true);
});
function afterEachCluster(reopen: () => void): void {
  endOwner(false);
  smgrCloseAll();
  cluster.remove();
  reopen();
}

test('a fork is copied page by page, and logged', () => {
  relationCreateStorage(node(1030), 'p', false);
  fill(node(1030), 3);
  flushRelationBuffers(smgrOpen(node(1030), -1));
  const target = relationCreateStorage(node(1031), 'p', false);
  relationCopyStorage(smgrOpen(node(1030), -1), target, FORK.main, 'p');
  expect(sizeOf(file(node(1031)))).toBe(3 * BLCKSZ);
  expect(readFileSync(file(node(1031)))[2 * BLCKSZ + 100]).toBe(2);
  writeFileSync(
    file(node(1030)),
    Buffer.concat([readFileSync(file(node(1030))).subarray(0, BLCKSZ), Buffer.alloc(BLCKSZ, 3)]),
  );
  expect(() => relationCopyStorage(smgrOpen(node(1030), -1), target, FORK.main, 'p')).toThrow(
    'invalid page in block 1 of relation base/5/1030',
  );
});

test('the relation map of a real cluster is read, changed at commit, and replayed', () => {
  const pgClass = 1262 as Oid;
  relationMapInitializePhase2();
  const before = relationMapOidToFilenode(pgClass, true);
  expect(before).toBe(1262);
  expect(relationMapFilenodeToOid(before, true)).toBe(pgClass);
  expect(relationMapOidToFilenode(1259 as Oid, true)).toBe(0);
  relationMapUpdateMap(pgClass, 40_000 as Oid, true, true);
  expect(relationMapOidToFilenode(pgClass, true)).toBe(40_000);
  expect(relationMapFilenodeToOid(before, true)).toBe(0);
  callAtAbort(0, 1000);
  expect(relationMapOidToFilenode(pgClass, true)).toBe(before);
  relationMapUpdateMap(pgClass, 40_001 as Oid, true, true);
  callLateCommit();
  const written = readFileSync('global/pg_filenode.map');
  expect(written.length).toBe(512);
  expect(Buffer.compare(written.subarray(0, 8), goldenMap.subarray(0, 8))).toBe(0);
  relationMapForget();
  expect(relationMapOidToFilenode(pgClass, true)).toBe(40_001);
  describedAsPostgres();
  writeFileSync('global/pg_filenode.map', goldenMap);
  expect(replayAll(true)).toEqual(['UPDATE database 0 tablespace 1664 size 512']);
  expect(Buffer.compare(readFileSync('global/pg_filenode.map'), written)).toBe(0);
});

test('a broken map is found out', () => {
  const bytes = Buffer.from(goldenMap);
  bytes[40] = bytes[40]! ^ 1;
  writeFileSync('base/5/pg_filenode.map', bytes);
  expect(() => relationMapCopy(9 as Oid, 1663 as Oid, 'base/5', 'base/9')).toThrow(
    'relation mapping file "base/5/pg_filenode.map" contains incorrect checksum',
  );
  writeFileSync('base/5/pg_filenode.map', bytes.subarray(0, 100));
  expect(() => relationMapCopy(9 as Oid, 1663 as Oid, 'base/5', 'base/9')).toThrow('read 100 of 512');
});

test('databases: an empty folder by WAL, a copy, and their removal', () => {
  createFolderAndVersionFile('base/77', 77 as Oid, 1663 as Oid, false);
  mkdirSync('base/78');
  writeFileSync('base/78/1249', 'old');
  describedAsPostgres();
  expect(replayAll(true)).toEqual(['CREATE_WAL_LOG create dir 1663/77']);
  expect(readFileSync('base/77/PG_VERSION', 'utf8')).toBe('15\n');
  writeFileSync('base/77/2619', 'data');
  const record = newDecodedRecord();
  record.mainAt = privateReserve(64);
  const words = (info: number, ...values: number[]): void => {
    record.info = info;
    for (const [i, value] of values.entries()) mem.view.setUint32(record.mainAt + 4 * i, value, true);
    replay.inRecovery = true;
    databaseRmgr.redo(record);
    replay.inRecovery = false;
  };
  words(0x00, 78, 1663, 77, 1663);
  expect(databaseRmgr.describe(record)).toBe('copy dir 1663/77 to 1663/78');
  expect([existsSync('base/78/1249'), readFileSync('base/78/2619', 'utf8')]).toEqual([false, 'data']);
  words(0x20, 78, 2, 1663, 4000);
  expect(databaseRmgr.describe(record)).toBe('dir 1663/78 4000/78');
  expect(existsSync('base/78')).toBe(false);
  // Its tablespace is dropped later in the log: the folder is made.
  words(0x00, 79, 4000, 77, 1663);
  expect(readFileSync('pg_tblspc/4000/PG_15_202209061/79/2619', 'utf8')).toBe('data');
});

test('tablespaces: a link and a folder, refused twice, removed when empty', () => {
  mkdirSync('place');
  const place = `${process.cwd()}/place`;
  createTablespaceFolders(place, 500 as Oid);
  expect(readlinkSync('pg_tblspc/500')).toBe(place);
  expect(() => createTablespaceFolders(place, 501 as Oid)).toThrow('already in use as a tablespace');
  expect(() => createTablespaceFolders('/none/such', 502 as Oid)).toThrow('directory "/none/such" does not exist');
  const smgr = smgrOpen({ spcNode: 500 as Oid, dbNode: 5 as Oid, relNode: 1 as Oid }, -1);
  smgrCreate(smgr, FORK.main, false);
  smgrExtend(smgr, FORK.main, 0, privateReserve(BLCKSZ), true);
  expect(existsSync('place/PG_15_202209061/5/1')).toBe(true);
  expect(destroyTablespaceFolders(500 as Oid, false)).toBe(false);
  rmSync('place/PG_15_202209061/5/1');
  expect(destroyTablespaceFolders(500 as Oid, false)).toBe(true);
  expect([existsSync('pg_tblspc/500'), existsSync('place/PG_15_202209061')]).toEqual([false, false]);
  const record = newDecodedRecord();
  record.mainAt = privateReserve(256);
  mem.view.setUint32(record.mainAt, 500, true);
  mem.u8.set(Buffer.from(`${place}\0`), record.mainAt + 4);
  expect(tablespaceRmgr.describe(record)).toBe(`500 "${place}"`);
  replay.inRecovery = true;
  tablespaceRmgr.redo(record);
  tablespaceRmgr.redo(record);
  expect(lstatSync('pg_tblspc/500').isSymbolicLink()).toBe(true);
  record.info = 0x10;
  tablespaceRmgr.redo(record);
  expect(existsSync('pg_tblspc/500')).toBe(false);
});
