/** relmap.ts — where the relations are whose pg_class row cannot tell, because it is found through them.
 *
 *  Two files of 512 bytes, global/pg_filenode.map for shared catalogs and one in the database's folder for its nailed ones:
 *  magic, count, 62 × (relation, file), CRC. A transaction's changes are pending until the command ends, active until the
 *  commit; then the file is rewritten in place, after its WAL record was flushed and just before the commit record: a
 *  512-byte write is taken to be atomic. From the WAL record to the written file is a critical section, and the new files
 *  are kept even if the transaction should still fail, for the map names them already.
 *  RelationMappingLock makes updates one by one; a checkpoint takes it to wait for the one that runs.
 *  Counterpart: src/backend/utils/cache/relmapper.c */
import { INVALID_OID, type Oid } from '#base/ids.ts';
import { cacheInvalidateRelmap } from '#catalog/inval.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { relationPreserveStorage } from '#catalog/storage.ts';
import { native } from '#platform/native.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { waitEnd, waitStart } from '#runtime/activity/wait-report.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import type { ThrowingLevel } from '#runtime/error/report.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { injectionPoint } from '#runtime/injection-points.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem, onNewPrivateWindow, segmentId } from '#shm/memory.ts';
import { privateAllocZeroed } from '#shm/private-memory.ts';
import { E, fileFailure } from '#storage/file/file-error.ts';
import { databasePath, GLOBAL_DIRECTORY, GLOBAL_TABLESPACE, RELMAP_FILE } from '#storage/file/paths.ts';
import {
  closeTransientFile,
  dataSyncElevel,
  O,
  openTransientFile,
  syncDescriptor,
} from '#storage/file/virtual-files.ts';
import { registerXactParticipant, XACT_RANK } from '#transam/xact-callbacks.ts';
import { transactionNestLevel } from '#transam/xact.ts';
import type { DecodedRecord } from '#wal/decoded-record.ts';
import { walScratch, xlogBeginInsert, xlogFlush, xlogInsert, xlogRegisterData } from '#wal/insert.ts';
import type { RmgrRow } from '#wal/rmgr.ts';
import { RM } from '#wal/rmgr-ids.ts';
import { XLR_RMGR_INFO_MASK } from '#wal/wal-format.ts';

/** A map in memory: relation → file, in the file's order. */
type RelMap = Map<Oid, Oid>;

const FILE_SIZE = 512;
const MAGIC = 0x59_2717;
const MAX_MAPPINGS = 62;
const CRC_AT = 504;
const XLOG_RELMAP_UPDATE = 0x00;

/** 512 bytes of this process, through which files are read and written. */
let scratch = -1;
onNewPrivateWindow(() => {
  scratch = -1;
});
function scratchFile(): number {
  if (scratch < 0) scratch = privateAllocZeroed(FILE_SIZE);
  return scratch;
}

/** What the files say; null until loaded. */
const maps: { shared: RelMap | null; local: RelMap | null } = { shared: null, local: null };
/** Changes of this transaction: those that its commands see already, and those of the running command. */
const active = { shared: new Map<Oid, Oid>(), local: new Map<Oid, Oid>() };
const pending = { shared: new Map<Oid, Oid>(), local: new Map<Oid, Oid>() };
type Which = 'shared' | 'local';
const which = (shared: boolean): Which => (shared ? 'shared' : 'local');

const folderOf = (shared: boolean): string =>
  shared ? GLOBAL_DIRECTORY : databasePath(sessionIdentity.databaseOid, sessionIdentity.databaseTablespace);

// ── files ──────────────────────────────────────────────────────────────────────────────────────────────────────────
function crcOfScratch(): number {
  return native.crc32cSegment(segmentId, scratchFile(), CRC_AT, 0);
}

function parse(path: string, level: ThrowingLevel): RelMap {
  const at = scratchFile();
  const { view } = mem;
  const count = view.getInt32(at + 4, true);
  if (view.getInt32(at, true) !== MAGIC || count < 0 || count > MAX_MAPPINGS)
    report(level, { message: `relation mapping file "${path}" contains invalid data` });
  if (crcOfScratch() !== view.getUint32(at + CRC_AT, true))
    report(level, { message: `relation mapping file "${path}" contains incorrect checksum` });
  const map: RelMap = new Map();
  for (let i = 0; i < count; i++)
    map.set(view.getUint32(at + 8 + 8 * i, true) as Oid, view.getUint32(at + 12 + 8 * i, true) as Oid);
  return map;
}
/** Lays a map's bytes into the scratch file. */
function format(map: RelMap): void {
  if (map.size > MAX_MAPPINGS) report('ERROR', { message: 'attempt to write bogus relation mapping' });
  const at = scratchFile();
  const { view } = mem;
  mem.u8.fill(0, at, at + FILE_SIZE);
  view.setInt32(at, MAGIC, true);
  view.setInt32(at + 4, map.size, true);
  let next = at + 8;
  for (const [relation, file] of map) {
    view.setUint32(next, relation, true);
    view.setUint32(next + 4, file, true);
    next += 8;
  }
  view.setUint32(at + CRC_AT, crcOfScratch(), true);
}

function readMapFile(folder: string, lockHeld: boolean, level: ThrowingLevel): RelMap {
  const path = `${folder}/${RELMAP_FILE}`;
  const lock = mainLWLock('RelationMapping');
  // The file is rewritten in place: a reader must not meet half of a write.
  if (!lockHeld) lwLockAcquire(lock, 'shared');
  const fd = openTransientFile(path, O.RDONLY);
  if (fd < 0) fileFailure(level, `could not open file "${path}"`, fd);
  waitStart(WAIT_EVENT.RelationMapRead);
  const done = native.preadSegment(fd, segmentId, scratchFile(), FILE_SIZE, 0);
  waitEnd();
  if (done < 0) fileFailure(level, `could not read file "${path}"`, done);
  if (done !== FILE_SIZE)
    report(level, {
      code: SQLSTATE.dataCorrupted,
      message: `could not read file "${path}": read ${done} of ${FILE_SIZE}`,
    });
  closeTransientFile(fd);
  if (!lockHeld) lwLockRelease(lock);
  return parse(path, level);
}

interface WriteOptions {
  readonly writeWal: boolean;
  readonly sendInvalidation: boolean;
  /** The files that the map names stay, even if the transaction fails yet. */
  readonly preserveFiles: boolean;
  readonly dbNode: Oid;
  readonly spcNode: Oid;
  readonly folder: string;
}
/** Writes a map; RelationMappingLock is held exclusively. */
function writeMapFile(map: RelMap, options: WriteOptions): void {
  const path = `${options.folder}/${RELMAP_FILE}`;
  format(map);
  // Opened first, so that a failure of this is a harmless one.
  const fd = openTransientFile(path, O.WRONLY | O.CREAT);
  if (fd < 0) fileFailure('ERROR', `could not open file "${path}"`, fd);
  if (options.writeWal) {
    beginCritical();
    logUpdate(options.dbNode, options.spcNode);
    injectionPoint('relmapBeforeWrite');
  }
  waitStart(WAIT_EVENT.RelationMapWrite);
  const done = native.pwriteSegment(fd, segmentId, scratchFile(), FILE_SIZE, 0);
  waitEnd();
  if (done !== FILE_SIZE) fileFailure('ERROR', `could not write file "${path}"`, done < 0 ? done : -E.NOSPC);
  // fsync at once: the file must not be older on disk than a checkpoint that comes after its record.
  waitStart(WAIT_EVENT.RelationMapSync);
  const synced = syncDescriptor(fd);
  waitEnd();
  if (synced < 0) fileFailure(dataSyncElevel('ERROR'), `could not fsync file "${path}"`, synced);
  const closed = closeTransientFile(fd);
  if (closed < 0) fileFailure('ERROR', `could not close file "${path}"`, closed);
  if (options.sendInvalidation) cacheInvalidateRelmap(options.dbNode);
  if (options.preserveFiles)
    for (const relNode of map.values())
      relationPreserveStorage({ spcNode: options.spcNode, dbNode: options.dbNode, relNode }, false);
  if (options.writeWal) endCritical();
}

/** Logs and flushes the bytes in the scratch file. */
function logUpdate(dbNode: Oid, spcNode: Oid): void {
  xlogBeginInsert();
  const at = walScratch(12);
  mem.view.setUint32(at, dbNode, true);
  mem.view.setUint32(at + 4, spcNode, true);
  mem.view.setInt32(at + 8, FILE_SIZE, true);
  xlogRegisterData(at, 12);
  xlogRegisterData(scratchFile(), FILE_SIZE);
  // The map is not replayed by halves: the file may be new only if the record is there.
  xlogFlush(xlogInsert(RM.relmap, XLOG_RELMAP_UPDATE));
}

function load(shared: boolean, lockHeld: boolean): RelMap {
  const map = readMapFile(folderOf(shared), lockHeld, 'FATAL');
  maps[which(shared)] = map;
  return map;
}
const mapOf = (shared: boolean): RelMap => maps[which(shared)] ?? load(shared, false);

// ── asking ─────────────────────────────────────────────────────────────────────────────────────────────────────────
/** File of a mapped relation, 0 if it is none. */
export function relationMapOidToFilenode(relation: Oid, shared: boolean): Oid {
  return active[which(shared)].get(relation) ?? mapOf(shared).get(relation) ?? INVALID_OID;
}
/** Relation of a file, 0 if no mapped one's. */
export function relationMapFilenodeToOid(file: Oid, shared: boolean): Oid {
  const changes = active[which(shared)];
  for (const [relation, one] of changes) if (one === file) return relation;
  for (const [relation, one] of mapOf(shared)) if (one === file && !changes.has(relation)) return relation;
  return INVALID_OID;
}
/** The same in another database. */
export function relationMapOidToFilenodeForDatabase(folder: string, relation: Oid): Oid {
  return readMapFile(folder, false, 'ERROR').get(relation) ?? INVALID_OID;
}

// ── changing ───────────────────────────────────────────────────────────────────────────────────────────────────────
/** A mapped relation gets another file: seen after the command's end, or at once if `immediate`; in the file at commit. */
export function relationMapUpdateMap(relation: Oid, file: Oid, shared: boolean, immediate: boolean): void {
  if (transactionNestLevel() > 1) report('ERROR', { message: 'cannot change relation mapping within subtransaction' });
  applyUpdate((immediate ? active : pending)[which(shared)], relation, file, true);
}
function applyUpdate(map: RelMap, relation: Oid, file: Oid, addOkay: boolean): void {
  if (!map.has(relation)) {
    if (!addOkay) report('ERROR', { message: `attempt to apply a mapping to unmapped relation ${relation}` });
    if (map.size >= MAX_MAPPINGS) report('ERROR', { message: 'ran out of space in relation map' });
  }
  map.set(relation, file);
}
const merge = (map: RelMap, updates: RelMap, addOkay: boolean): void => {
  for (const [relation, file] of updates) applyUpdate(map, relation, file, addOkay);
};
/** Takes back a change that helped to rewrite the map's own catalogs. */
export function relationMapRemoveMapping(relation: Oid): void {
  if (!active.local.delete(relation))
    report('ERROR', { message: `could not find temporary mapping for relation ${relation}` });
}

/** Somebody rewrote the file: what was loaded of it is read again. */
export function relationMapInvalidate(shared: boolean): void {
  if (maps[which(shared)] !== null) load(shared, false);
}
export function relationMapInvalidateAll(): void {
  relationMapInvalidate(true);
  relationMapInvalidate(false);
}
/** A session has chosen its database, or left it: nothing is known of its map. */
export function relationMapForget(): void {
  maps.shared = null;
  maps.local = null;
}
/** Fails where the shared map, or the database's, cannot be read: at the start of a session. */
export function relationMapInitializePhase2(): void {
  load(true, false);
}
export function relationMapInitializePhase3(): void {
  load(false, false);
}

/** Whether catalogs may be mapped that were not: allow_system_table_mods. */
let allowNewMappings: () => boolean = () => false;
export function setAllowNewMappings(allowed: () => boolean): void {
  allowNewMappings = allowed;
}

function performUpdate(shared: boolean, updates: RelMap): void {
  const lock = mainLWLock('RelationMapping');
  lwLockAcquire(lock, 'exclusive');
  // Others may have changed it since: theirs must not be lost.
  const map = new Map(load(shared, true));
  merge(map, updates, allowNewMappings());
  writeMapFile(map, {
    writeWal: true,
    sendInvalidation: true,
    preserveFiles: true,
    dbNode: shared ? INVALID_OID : sessionIdentity.databaseOid,
    spcNode: shared ? GLOBAL_TABLESPACE : sessionIdentity.databaseTablespace,
    folder: folderOf(shared),
  });
  maps[which(shared)] = map;
  lwLockRelease(lock);
}

/** CREATE DATABASE: the new database's map is the template's. */
export function relationMapCopy(dbNode: Oid, spcNode: Oid, sourceFolder: string, targetFolder: string): void {
  const map = readMapFile(sourceFolder, false, 'ERROR');
  const lock = mainLWLock('RelationMapping');
  lwLockAcquire(lock, 'exclusive');
  // Nobody uses that database yet: nothing to invalidate, and its files are registered elsewhere.
  const options = { writeWal: true, sendInvalidation: false, preserveFiles: false };
  writeMapFile(map, { ...options, dbNode, spcNode, folder: targetFolder });
  lwLockRelease(lock);
}

/** A checkpoint waits for an update whose record is written and whose file is not. */
export function checkPointRelationMap(): void {
  const lock = mainLWLock('RelationMapping');
  lwLockAcquire(lock, 'shared');
  lwLockRelease(lock);
}

// ── transactions ───────────────────────────────────────────────────────────────────────────────────────────────────
function forgetChanges(): void {
  for (const map of [active.shared, active.local, pending.shared, pending.local]) map.clear();
}
registerXactParticipant({
  name: 'relation map',
  rank: XACT_RANK.relationMap,
  atCommandEnd() {
    for (const one of ['shared', 'local'] as const) {
      if (pending[one].size === 0) continue;
      merge(active[one], pending[one], true);
      pending[one].clear();
    }
  },
  lateCommit() {
    for (const one of ['shared', 'local'] as const) {
      if (active[one].size === 0) continue;
      performUpdate(one === 'shared', active[one]);
      active[one].clear();
    }
  },
  writePrepare() {
    if (active.shared.size + active.local.size + pending.shared.size + pending.local.size > 0)
      report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: 'cannot PREPARE a transaction that modified relation mapping',
      });
  },
  atAbort: forgetChanges,
});

// ── redo ───────────────────────────────────────────────────────────────────────────────────────────────────────────
function redoUpdate(record: DecodedRecord): void {
  const at = record.mainAt;
  const size = mem.view.getInt32(at + 8, true);
  if (size !== FILE_SIZE) report('PANIC', { message: `relmap_redo: wrong size ${size} in relmap update record` });
  const dbNode = mem.view.getUint32(at, true) as Oid;
  const spcNode = mem.view.getUint32(at + 4, true) as Oid;
  mem.u8.copyWithin(scratchFile(), at + 12, at + 12 + FILE_SIZE);
  const folder = databasePath(dbNode, spcNode);
  const map = parse(`${folder}/${RELMAP_FILE}`, 'PANIC');
  const lock = mainLWLock('RelationMapping');
  lwLockAcquire(lock, 'exclusive');
  // Nobody waits for this transaction's files: its commit record decides about them.
  writeMapFile(map, { writeWal: false, sendInvalidation: true, preserveFiles: false, dbNode, spcNode, folder });
  lwLockRelease(lock);
}

export const relmapRmgr: RmgrRow = {
  name: 'RelMap',
  redo(record) {
    const info = record.info & XLR_RMGR_INFO_MASK;
    if (info === XLOG_RELMAP_UPDATE) redoUpdate(record);
    else report('PANIC', { message: `relmap_redo: unknown op code ${info}` });
  },
  describe(record) {
    const at = record.mainAt;
    const [database, tablespace] = [mem.view.getUint32(at, true), mem.view.getUint32(at + 4, true)];
    return `database ${database} tablespace ${tablespace} size ${mem.view.getUint32(at + 8, true)}`;
  },
  identify: (info) => ((info & XLR_RMGR_INFO_MASK) === XLOG_RELMAP_UPDATE ? 'UPDATE' : null),
};
