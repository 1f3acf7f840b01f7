/** database-copy.ts — the files of a new database, copied from its template; and removing the files of one.
 *
 *  wal_log: each relation of the template is copied through shared buffers, every page logged. file_copy: folders are
 *  copied as they are on disk, between two checkpoints, and one record per folder tells replay to do the same.
 *  Counterpart: CreateDatabaseUsingWalLog(), CreateDatabaseUsingFileCopy(), ScanSourceDatabasePgClass(),
 *  remove_dbtablespaces() of src/backend/commands/dbcommands.c, CreateAndCopyRelationData() of storage/buffer/bufmgr.c */
import { heapGetAttr } from '#access/common/heap-tuple.ts';
import { heapTupleSatisfies } from '#access/heap/visibility.ts';
import {
  BLCKSZ,
  type BlockNumber,
  FORK,
  type ForkNumber,
  type Oid,
  PERMANENT_BACKEND,
  type RelFileNode,
} from '#base/ids.ts';
import { catalogTupleDesc } from '#catalog/catalog-desc.ts';
import {
  createFolderAndVersionFile,
  removeDatabaseFolder,
  XLOG_DBASE_CREATE_FILE_COPY,
  XLOG_DBASE_DROP,
} from '#catalog/database-redo.ts';
import { RELATION } from '#catalog/oids.ts';
import { relationMapCopy, relationMapOidToFilenodeForDatabase } from '#catalog/relmap.ts';
import { store } from '#catalog/rows.ts';
import { logSmgrCreate, relationCreateStorage } from '#catalog/storage.ts';
import { listDirectory, statIfExists } from '#platform/file-system.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import { report } from '#runtime/error/report.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { mem } from '#shm/memory.ts';
import { privateAllocZeroed, privateFree } from '#shm/private-memory.ts';
import { BUFFER_LOCK, RBM } from '#storage/buffer/buffer-layout.ts';
import { lockBuffer, unlockReleaseBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferPage } from '#storage/buffer/buffer-pool.ts';
import { logNewpageBuffer } from '#storage/buffer/buffer-wal.ts';
import { markBufferDirty } from '#storage/buffer/dirty.ts';
import { readBufferWithoutRelcache } from '#storage/buffer/read-buffer.ts';
import { getAccessStrategy } from '#storage/buffer/ring-strategy.ts';
import { copyDirectory } from '#storage/file/folder-tree.ts';
import { databasePath, DEFAULT_TABLESPACE, GLOBAL_TABLESPACE } from '#storage/file/paths.ts';
import { CHECKPOINT, requestCheckpoint } from '#storage/ipc/checkpoint-mailbox.ts';
import { lockRelationId, unlockRelationId } from '#storage/lmgr/lmgr.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { LP } from '#storage/page/page-layout.ts';
import { itemAt, itemFlags, pageIsEmpty, pageIsNew, pageMaxOffset } from '#storage/page/page.ts';
import { smgrClose, smgrCreate, smgrExists, smgrExtend, smgrNblocks, smgrOpen } from '#storage/smgr/smgr.ts';
import { getLatestSnapshot, registerSnapshot, type Snapshot, unregisterSnapshot } from '#transam/snapshot.ts';
import { walScratch, xlogBeginInsert, xlogInsert, xlogIsNeeded, xlogRegisterData } from '#wal/insert.ts';
import { RM } from '#wal/rmgr-ids.ts';
import { XLR_SPECIAL_REL_UPDATE } from '#wal/wal-format.ts';

export interface DatabasePlace {
  readonly oid: Oid;
  /** Its default tablespace. */
  readonly tablespace: Oid;
}

// ── wal_log ──────────────────────────────────────────────────────────────────────────────────────────────────────

interface SourceRelation {
  readonly oid: Oid;
  readonly rnode: RelFileNode;
  readonly permanent: boolean;
}
const CLASS_COLUMN = { oid: 1, relfilenode: 8, reltablespace: 9, relpersistence: 16, relkind: 17 } as const;
const WITH_STORAGE = 'riStm';

function relationOfTuple(tuple: number, source: DatabasePlace, folder: string): SourceRelation | null {
  const desc = catalogTupleDesc(RELATION.pgClass);
  const field = (attnum: number): unknown => heapGetAttr(desc, tuple, attnum);
  const oid = field(CLASS_COLUMN.oid) as Oid;
  const tablespace = field(CLASS_COLUMN.reltablespace) as Oid;
  const persistence = field(CLASS_COLUMN.relpersistence) as string;
  const kind = field(CLASS_COLUMN.relkind) as string;
  // Shared ones are there already, temporary ones belong to another session.
  if (tablespace === GLOBAL_TABLESPACE || !WITH_STORAGE.includes(kind) || persistence === 't') return null;
  let relNode = field(CLASS_COLUMN.relfilenode) as Oid;
  if (relNode === 0) relNode = relationMapOidToFilenodeForDatabase(folder, oid);
  if (relNode === 0) {
    report('ERROR', { message: `relation with OID ${oid} does not have a valid relfilenode` });
  }
  const spcNode = tablespace !== 0 ? tablespace : source.tablespace;
  return { oid, rnode: { spcNode, dbNode: source.oid, relNode }, permanent: persistence === 'p' };
}

/** pg_class of a database that this process is not connected to. */
function sourceRelations(source: DatabasePlace, folder: string): SourceRelation[] {
  const relNode = relationMapOidToFilenodeForDatabase(folder, RELATION.pgClass);
  const id = { databaseId: source.oid, relationId: RELATION.pgClass };
  lockRelationId(id, LOCK.accessShare);
  const rnode = { spcNode: source.tablespace, dbNode: source.oid, relNode };
  const smgr = smgrOpen(rnode, PERMANENT_BACKEND);
  const blocks = smgrNblocks(smgr, FORK.main);
  smgrClose(smgr);
  const strategy = getAccessStrategy('bulkread');
  const snapshot: Snapshot = registerSnapshot(getLatestSnapshot());
  const found: SourceRelation[] = [];
  for (let block = 0; block < blocks; block++) {
    checkForInterrupts();
    const buffer = readBufferWithoutRelcache(rnode, FORK.main, block as BlockNumber, RBM.normal, strategy, true);
    lockBuffer(buffer, BUFFER_LOCK.share);
    const page = bufferPage(buffer);
    const last = pageIsNew(page) || pageIsEmpty(page) ? 0 : pageMaxOffset(page);
    for (let offset = 1; offset <= last; offset++) {
      if (itemFlags(page, offset) !== LP.normal) continue;
      const tuple = itemAt(page, offset);
      if (!heapTupleSatisfies(snapshot, tuple, buffer)) continue;
      const relation = relationOfTuple(tuple, source, folder);
      if (relation !== null) found.push(relation);
    }
    unlockReleaseBuffer(buffer);
  }
  unregisterSnapshot(snapshot);
  unlockRelationId(id, LOCK.accessShare);
  return found;
}

/** RelationCopyStorageUsingBuffer(). */
function copyFork(from: RelFileNode, to: RelFileNode, fork: ForkNumber, permanent: boolean): void {
  const useWal = xlogIsNeeded() && (permanent || fork === FORK.init);
  const blocks = smgrNblocks(smgrOpen(from, PERMANENT_BACKEND), fork);
  if (blocks === 0) return;
  const zeros = privateAllocZeroed(BLCKSZ);
  // All at once, so that the file need not grow with each page.
  smgrExtend(smgrOpen(to, PERMANENT_BACKEND), fork, (blocks - 1) as BlockNumber, zeros, true);
  privateFree(zeros);
  const reading = getAccessStrategy('bulkread');
  const writing = getAccessStrategy('bulkwrite');
  for (let block = 0; block < blocks; block++) {
    checkForInterrupts();
    const source = readBufferWithoutRelcache(from, fork, block as BlockNumber, RBM.normal, reading, permanent);
    lockBuffer(source, BUFFER_LOCK.share);
    const target = readBufferWithoutRelcache(to, fork, block as BlockNumber, RBM.zeroAndLock, writing, permanent);
    beginCritical();
    const at = bufferPage(source);
    mem.u8.copyWithin(bufferPage(target), at, at + BLCKSZ);
    markBufferDirty(target);
    if (useWal) logNewpageBuffer(target, true);
    endCritical();
    unlockReleaseBuffer(target);
    unlockReleaseBuffer(source);
  }
}
/** CreateAndCopyRelationData(). */
function copyRelation(from: RelFileNode, to: RelFileNode, permanent: boolean): void {
  relationCreateStorage(to, permanent ? 'p' : 'u', false);
  copyFork(from, to, FORK.main, permanent);
  const source = smgrOpen(from, PERMANENT_BACKEND);
  for (const fork of [FORK.fsm, FORK.vm, FORK.init]) {
    if (!smgrExists(source, fork)) continue;
    smgrCreate(smgrOpen(to, PERMANENT_BACKEND), fork, false);
    if (permanent || fork === FORK.init) logSmgrCreate(to, fork);
    copyFork(from, to, fork, permanent);
  }
  smgrClose(smgrOpen(from, PERMANENT_BACKEND));
  smgrClose(smgrOpen(to, PERMANENT_BACKEND));
}

export function copyDatabaseLogged(source: DatabasePlace, target: DatabasePlace): void {
  const from = databasePath(source.oid, source.tablespace);
  const to = databasePath(target.oid, target.tablespace);
  createFolderAndVersionFile(to, target.oid, target.tablespace, false);
  relationMapCopy(target.oid, target.tablespace, from, to);
  for (const { oid, rnode, permanent } of sourceRelations(source, from)) {
    const spcNode = rnode.spcNode === source.tablespace ? target.tablespace : rnode.spcNode;
    // Nobody can use either; checks elsewhere want every reader to hold a lock.
    const sourceLock = { databaseId: source.oid, relationId: oid };
    const targetLock = { databaseId: target.oid, relationId: oid };
    lockRelationId(sourceLock, LOCK.accessShare);
    lockRelationId(targetLock, LOCK.accessShare);
    copyRelation(rnode, { spcNode, dbNode: target.oid, relNode: rnode.relNode }, permanent);
    unlockRelationId(sourceLock, LOCK.accessShare);
    unlockRelationId(targetLock, LOCK.accessShare);
  }
}

// ── file_copy ────────────────────────────────────────────────────────────────────────────────────────────────────

const isFolder = (path: string): boolean => statIfExists(path)?.isDirectory === true;

export function copyDatabaseFiles(source: DatabasePlace, target: DatabasePlace): void {
  // Unlogged relations are flushed, too: their files are what is copied.
  requestCheckpoint(CHECKPOINT.immediate | CHECKPOINT.force | CHECKPOINT.wait | CHECKPOINT.flushAll);
  for (const { oid: tablespace } of store.tablespace.all()) {
    if (tablespace === GLOBAL_TABLESPACE) continue;
    const from = databasePath(source.oid, tablespace);
    if (!isFolder(from) || listDirectory(from).length === 0) continue;
    const to = tablespace === source.tablespace ? target.tablespace : tablespace;
    copyDirectory(from, databasePath(target.oid, to), false);
    beginCritical();
    xlogBeginInsert();
    const at = walScratch(16);
    [target.oid, to, source.oid, tablespace].forEach((word, i) => void mem.view.setUint32(at + 4 * i, word, true));
    xlogRegisterData(at, 16);
    xlogInsert(RM.dbase, XLOG_DBASE_CREATE_FILE_COPY | XLR_SPECIAL_REL_UPDATE);
    endCritical();
  }
  // Replay must never start before this copy: the template may change after it.
  requestCheckpoint(CHECKPOINT.immediate | CHECKPOINT.force | CHECKPOINT.wait);
}

// ── removing ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** remove_dbtablespaces(): the database's folders everywhere. */
export function removeDatabaseFolders(database: Oid): void {
  const removed: Oid[] = [];
  for (const { oid: tablespace } of store.tablespace.all()) {
    if (tablespace === GLOBAL_TABLESPACE) continue;
    const folder = databasePath(database, tablespace);
    if (!isFolder(folder)) continue;
    removeDatabaseFolder(folder);
    removed.push(tablespace);
  }
  if (removed.length === 0) return;
  beginCritical();
  xlogBeginInsert();
  const at = walScratch(8 + 4 * removed.length);
  mem.view.setUint32(at, database, true);
  mem.view.setInt32(at + 4, removed.length, true);
  removed.forEach((tablespace, i) => void mem.view.setUint32(at + 8 + 4 * i, tablespace, true));
  xlogRegisterData(at, 8 + 4 * removed.length);
  xlogInsert(RM.dbase, XLOG_DBASE_DROP | XLR_SPECIAL_REL_UPDATE);
  endCritical();
}
/** check_db_file_conflict(): is there a folder of that number in any tablespace? */
export const hasDatabaseFolder = (database: Oid): boolean =>
  store.tablespace
    .all()
    .some(({ oid }) => oid !== GLOBAL_TABLESPACE && statIfExists(databasePath(database, oid)) !== undefined);
/** Has the database relations in a tablespace that is not its default? */
export const hasFilesIn = (database: Oid, tablespace: Oid): boolean => {
  const folder = databasePath(database, tablespace);
  return isFolder(folder) && listDirectory(folder).length > 0;
};
export { DEFAULT_TABLESPACE, GLOBAL_TABLESPACE };
