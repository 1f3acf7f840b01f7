/** session-database.ts — how a process comes to read catalogs: the shared ones first, then those of its database.
 *
 *  Counterpart: the middle of InitPostgres() of src/backend/utils/init/postinit.c */
import type { Oid } from '#base/ids.ts';
import { invalidateSystemCaches } from '#catalog/inval.ts';
import { RELATION } from '#catalog/oids.ts';
import { relationCacheDatabaseChosen } from '#catalog/relcache.ts';
import { relationMapInitializePhase2, relationMapInitializePhase3 } from '#catalog/relmap.ts';
import { type DatabaseRow, store } from '#catalog/rows.ts';
import { databaseAccess, sessionIdentity } from '#catalog/session-identity.ts';
import '#access/heap/heap-am.ts';
import '#access/heap/toast.ts';
import '#access/nbtree/am.ts';
import '#catalog/storage-hooks.ts';
import { readTextFile, statIfExists } from '#platform/file-system.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { myProcess } from '#runtime/my-process.ts';
import { mem } from '#shm/memory.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { procAt } from '#shm/proc.ts';
import { databasePath, VERSION_FILE } from '#storage/file/paths.ts';
import { lockSharedObject } from '#storage/lmgr/lmgr.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { invalidateCatalogSnapshot } from '#transam/snapshot.ts';

/** Roles and databases can be read from now on. Called within a transaction. */
export function openSharedCatalogs(): void {
  sessionIdentity.databaseOid = 0 as Oid;
  databaseAccess.shared = true;
  // What was looked up while only facts could answer may be wrong here.
  invalidateSystemCaches();
  relationMapInitializePhase2();
}

const noSuchDatabase = (name: string): never =>
  report('FATAL', { code: SQLSTATE.undefinedDatabase, message: `database "${name}" does not exist` });

/** Connects this process to a database, by name or OID, for good; its row. Called within a transaction. */
export function openDatabase(which: string | Oid): DatabaseRow {
  const find = (): DatabaseRow | undefined =>
    typeof which === 'string' ? store.database.by('datname', which)[0] : store.database.byOid(which);
  const missing = (): never => {
    if (typeof which === 'string') return noSuchDatabase(which);
    return report('FATAL', { code: SQLSTATE.undefinedDatabase, message: `database ${which} does not exist` });
  };
  const first = find() ?? missing();
  // Until the lock is there it could be dropped or renamed.
  lockSharedObject(RELATION.pgDatabase, first.oid, 0, LOCK.rowExclusive);
  publishDatabase(first.oid);
  invalidateCatalogSnapshot();
  const row = find();
  if (row === undefined || row.oid !== first.oid) {
    return report('FATAL', {
      code: SQLSTATE.undefinedDatabase,
      message: `database "${first.datname}" does not exist`,
      detail: 'It seems to have just been dropped or renamed.',
    });
  }
  sessionIdentity.databaseOid = row.oid;
  sessionIdentity.databaseName = row.datname;
  sessionIdentity.databaseTablespace = row.dattablespace;
  checkFolder(row);
  relationMapInitializePhase3();
  databaseAccess.database = true;
  relationCacheDatabaseChosen();
  return row;
}
/** DROP DATABASE looks for it in the process array. */
function publishDatabase(oid: Oid): void {
  myProcess.databaseId = oid;
  if (myProcess.procNumber >= 0) PgProc.databaseId.set(mem, procAt(myProcess.procNumber), oid);
}

const PG_MAJOR = '15';
function checkFolder(row: DatabaseRow): void {
  const path = databasePath(row.oid, row.dattablespace);
  if (statIfExists(path) === undefined) {
    report('FATAL', {
      code: SQLSTATE.undefinedDatabase,
      message: `database "${row.datname}" does not exist`,
      detail: `The database subdirectory "${path}" is missing.`,
    });
  }
  const file = `${path}/${VERSION_FILE}`;
  if (statIfExists(file) === undefined) {
    report('FATAL', {
      code: SQLSTATE.undefinedFile,
      message: `"${path}" is not a valid data directory`,
      detail: `File "${file}" is missing.`,
    });
  }
  const version = readTextFile(file).trim();
  if (version !== PG_MAJOR) {
    report('FATAL', {
      message: 'database files are incompatible with server',
      detail: `The data directory was initialized by PostgreSQL version ${version}, which is not compatible with this version ${PG_MAJOR}.`,
    });
  }
}

/** Settings that ALTER DATABASE and ALTER ROLE left, from the least to the most specific. */
export type SettingSource = 'databaseUser' | 'user' | 'database' | 'global';
export function storedSettings(
  database: Oid,
  role: Oid,
): { readonly source: SettingSource; readonly settings: readonly string[] }[] {
  const rows = [...store.dbRoleSetting.by('setdatabase', database), ...store.dbRoleSetting.by('setdatabase', 0)];
  const of = (db: Oid, user: Oid): readonly string[] =>
    rows.find((row) => row.setdatabase === db && row.setrole === user)?.setconfig ?? [];
  const none = 0 as Oid;
  // PostgreSQL applies the most specific first and lets the source decide who wins.
  return [
    { source: 'databaseUser', settings: of(database, role) },
    { source: 'user', settings: of(none, role) },
    { source: 'database', settings: of(database, none) },
    { source: 'global', settings: of(none, none) },
  ];
}
