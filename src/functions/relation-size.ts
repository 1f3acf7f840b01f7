/** relation-size.ts — how much disk relations, databases and tablespaces take, and which files are whose.
 *  Counterpart: src/backend/utils/adt/dbsize.c */
import type { Relation } from '#access/common/relation-descriptor.ts';
import { canonicalInt8, type Datum } from '#adt/datum.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import { FORK, type ForkNumber, type Oid, PERMANENT_BACKEND } from '#base/ids.ts';
import { hasRight, RIGHTS } from '#catalog/acl.ts';
import { permissionDenied } from '#catalog/object-rights.ts';
import { relationGetIndexList } from '#catalog/relcache.ts';
import { relationClose, tryRelationOpen } from '#catalog/relation.ts';
import { relationMapFilenodeToOid, relationMapOidToFilenode } from '#catalog/relmap.ts';
import { hasPrivilegesOfRole } from '#catalog/roles.ts';
import { type ClassRow, store } from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { classRow, databaseByName } from '#catalog/syscache.ts';
import { listDirectory, statIfExists } from '#platform/file-system.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import {
  BASE_DIRECTORY,
  databasePath,
  DEFAULT_TABLESPACE,
  FORK_NAMES,
  GLOBAL_DIRECTORY,
  GLOBAL_TABLESPACE,
  relationPath,
  TABLESPACE_VERSION_DIRECTORY,
  tablespaceLink,
} from '#storage/file/paths.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';

const READ_ALL_STATS = 3375 as Oid;
const FORKS = [FORK.main, FORK.fsm, FORK.vm, FORK.init] as const;
const mayReadStats = (): boolean => hasPrivilegesOfRole(sessionIdentity.userOid, READ_ALL_STATS);
const int8 = (size: number): Datum => canonicalInt8(BigInt(size));

// ── folders ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Sizes of the entries of a folder, 0 if there is no such folder. Files may go while we look. */
function folderSize(path: string): number {
  if (statIfExists(path) === undefined) return 0;
  let size = 0;
  for (const name of listDirectory(path)) {
    checkForInterrupts();
    size += statIfExists(`${path}/${name}`)?.size ?? 0;
  }
  return size;
}

function databaseSize(database: Oid): Datum {
  const row = store.database.byOid(database);
  if (row === undefined) {
    return report('ERROR', {
      code: SQLSTATE.undefinedDatabase,
      message: `database with OID ${database} does not exist`,
    });
  }
  const object = { letter: 'd', owner: row.datdba, acl: row.datacl };
  if (!hasRight(object, sessionIdentity.userOid, RIGHTS.CONNECT, false) && !mayReadStats()) {
    permissionDenied('database', row.datname);
  }
  let size = folderSize(databasePath(database, DEFAULT_TABLESPACE));
  for (const { oid } of store.tablespace.all()) {
    if (oid !== DEFAULT_TABLESPACE && oid !== GLOBAL_TABLESPACE) size += folderSize(databasePath(database, oid));
  }
  return size === 0 ? null : int8(size);
}
function databaseSizeByName(name: string): Datum {
  const row = databaseByName(name);
  if (row !== undefined) return databaseSize(row.oid);
  return report('ERROR', { code: SQLSTATE.undefinedDatabase, message: `database "${name}" does not exist` });
}

function tablespaceSize(tablespace: Oid): Datum {
  const row = store.tablespace.byOid(tablespace);
  if (tablespace !== sessionIdentity.databaseTablespace && !mayReadStats()) {
    const object = { letter: 't', owner: row?.spcowner ?? (0 as Oid), acl: row?.spcacl ?? null };
    if (!hasRight(object, sessionIdentity.userOid, RIGHTS.CREATE, false)) {
      permissionDenied('tablespace', row?.spcname ?? String(tablespace));
    }
  }
  const path =
    tablespace === DEFAULT_TABLESPACE
      ? BASE_DIRECTORY
      : tablespace === GLOBAL_TABLESPACE
        ? GLOBAL_DIRECTORY
        : `${tablespaceLink(tablespace)}/${TABLESPACE_VERSION_DIRECTORY}`;
  if (statIfExists(path) === undefined) return null;
  let size = 0;
  for (const name of listDirectory(path)) {
    checkForInterrupts();
    const status = statIfExists(`${path}/${name}`);
    if (status === undefined) continue;
    if (status.isDirectory) size += folderSize(`${path}/${name}`);
    size += status.size;
  }
  return int8(size);
}
function tablespaceSizeByName(name: string): Datum {
  const row = store.tablespace.by('spcname', name)[0];
  if (row !== undefined) return tablespaceSize(row.oid);
  return report('ERROR', { code: SQLSTATE.undefinedObject, message: `tablespace "${name}" does not exist` });
}

// ── relations ────────────────────────────────────────────────────────────────────────────────────────────────────

function forkSize(rel: Relation, fork: ForkNumber): number {
  const path = relationPath(rel.rnode, rel.backend, fork);
  let size = 0;
  for (let segment = 0; ; segment++) {
    checkForInterrupts();
    const status = statIfExists(segment === 0 ? path : `${path}.${segment}`);
    if (status === undefined) return size;
    size += status.size;
  }
}
const allForks = (rel: Relation): number => FORKS.reduce<number>((sum, fork) => sum + forkSize(rel, fork), 0);

/** `measure` of an open relation; null if it is gone: a snapshot may still show it. */
function measured(relid: Oid, measure: (rel: Relation) => number): Datum {
  const rel = tryRelationOpen(relid, LOCK.accessShare);
  if (rel === null) return null;
  const size = measure(rel);
  relationClose(rel, LOCK.accessShare);
  return int8(size);
}
function sizeOf(relid: Oid, measure: (rel: Relation) => number): number {
  return Number(measured(relid, measure) ?? 0);
}
const indexesSize = (rel: Relation): number =>
  relationGetIndexList(rel).reduce((sum, index) => sum + sizeOf(index, allForks), 0);
const toastSize = (rel: Relation): number =>
  rel.toastRelid === 0 ? 0 : sizeOf(rel.toastRelid, (toast) => allForks(toast) + indexesSize(toast));
const tableSize = (rel: Relation): number => allForks(rel) + toastSize(rel);

function forkByName(name: string): ForkNumber {
  const fork = (FORK_NAMES as readonly string[]).indexOf(name);
  if (fork >= 0) return fork as ForkNumber;
  return report('ERROR', {
    code: SQLSTATE.invalidParameterValue,
    message: 'invalid fork name',
    hint: 'Valid fork names are "main", "fsm", "vm", and "init".',
  });
}

// ── file numbers ─────────────────────────────────────────────────────────────────────────────────────────────────

const WITH_STORAGE = 'riStm';
function filenodeOf(row: ClassRow): Oid {
  if (!WITH_STORAGE.includes(row.relkind)) return 0 as Oid;
  return row.relfilenode !== 0 ? row.relfilenode : relationMapOidToFilenode(row.oid, row.relisshared);
}
function relationFilenode(relid: Oid): Datum {
  const row = classRow(relid);
  const file = row === undefined ? 0 : filenodeOf(row);
  return file === 0 ? null : file;
}
function relationFilePath(relid: Oid): Datum {
  const row = classRow(relid);
  if (row === undefined || filenodeOf(row) === 0) return null;
  if (row.relpersistence === 't') {
    const rel = tryRelationOpen(relid, LOCK.none);
    if (rel === null) return null;
    const path = relationPath(rel.rnode, rel.backend, FORK.main);
    relationClose(rel, LOCK.none);
    return path;
  }
  const spcNode = row.reltablespace !== 0 ? row.reltablespace : sessionIdentity.databaseTablespace;
  const dbNode = spcNode === GLOBAL_TABLESPACE ? (0 as Oid) : sessionIdentity.databaseOid;
  return relationPath({ spcNode, dbNode, relNode: filenodeOf(row) }, PERMANENT_BACKEND, FORK.main);
}
/** RelidByRelfilenode(). */
function filenodeRelation(tablespace: Oid, file: Oid): Datum {
  if (file === 0) return null;
  const space = tablespace === sessionIdentity.databaseTablespace ? (0 as Oid) : tablespace;
  if (space === GLOBAL_TABLESPACE) return relationMapFilenodeToOid(file, true) || null;
  const found = store.class
    .by('relfilenode', file)
    .find((row) => row.reltablespace === space && row.relpersistence !== 't');
  return (found?.oid ?? relationMapFilenodeToOid(file, false)) || null;
}

registerBuiltins({
  pg_database_size_oid: databaseSize,
  pg_database_size_name: databaseSizeByName,
  pg_tablespace_size_oid: tablespaceSize,
  pg_tablespace_size_name: tablespaceSizeByName,
  pg_relation_size: (relid: Oid, fork: string) => {
    const number = forkByName(fork);
    return measured(relid, (rel) => forkSize(rel, number));
  },
  pg_table_size: (relid: Oid) => measured(relid, tableSize),
  pg_indexes_size: (relid: Oid) => measured(relid, indexesSize),
  pg_total_relation_size: (relid: Oid) => measured(relid, (rel) => tableSize(rel) + indexesSize(rel)),
  pg_relation_filenode: relationFilenode,
  pg_relation_filepath: relationFilePath,
  pg_filenode_relation: filenodeRelation,
});
