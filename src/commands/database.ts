/** database.ts — CREATE and DROP DATABASE.
 *
 *  Neither can be undone: a failure of CREATE removes what it made, and DROP marks the row invalid before the first file
 *  goes, so that nobody enters a half-removed database.
 *  Counterpart: createdb(), dropdb() of src/backend/commands/dbcommands.c (ALTER DATABASE is in alter-database.ts) */
import type { CreatedbStmt, DefElem, DropdbStmt } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { forgetDatabaseFacts } from '#catalog/catalog-state.ts';
import { encodingName, encodingNumber } from '#catalog/encodings.ts';
import { catalogDelete, catalogInsert, catalogValues } from '#catalog/indexing.ts';
import { catalogInplaceUpdate } from '#catalog/inplace.ts';
import { getNewOidWithIndex } from '#catalog/new-oid.ts';
import { deleteSharedComments } from '#catalog/object-notes.ts';
import { checkTablespaceCreate, mustBeOwner, ownsObject } from '#catalog/object-rights.ts';
import { RELATION } from '#catalog/oids.ts';
import { copyTemplateDependencies, dropDatabaseDependencies, recordDependencyOnOwner } from '#catalog/pg-shdepend.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { getRole, isMemberOfRole, isSuperuser, roleByOid } from '#catalog/roles.ts';
import { type DatabaseRow, store } from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { databaseByName } from '#catalog/syscache.ts';
import { findCatalogTuples, systableBeginScan } from '#catalog/systable.ts';
import { releaseRelationFilesEverywhere } from '#catalog/tablespace-folders.ts';
import {
  copyDatabaseFiles,
  copyDatabaseLogged,
  type DatabasePlace,
  hasDatabaseFolder,
  hasFilesIn,
  removeDatabaseFolders,
} from '#commands/database-copy.ts';
import { terminateOtherSessions } from '#commands/database-sessions.ts';
import { conflictingOption, defElems, defGetBoolean, defGetInt64, defGetString } from '#commands/def-elem.ts';
import { dropSettings } from '#commands/role-settings.ts';
import { tablespaceOid } from '#commands/tablespace-choice.ts';
import { fail, makeParseState, type ParseState } from '#parser/parse-state.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE, type SqlState } from '#runtime/error/sqlstate.ts';
import { beforeShmemExit, cancelBeforeShmemExit } from '#runtime/exit-callbacks.ts';
import { dropDatabaseBuffers } from '#storage/buffer/drop-buffers.ts';
import { GLOBAL_TABLESPACE } from '#storage/file/paths.ts';
import { CHECKPOINT, requestCheckpoint } from '#storage/ipc/checkpoint-mailbox.ts';
import { lockSharedObject, unlockSharedObject } from '#storage/lmgr/lmgr.ts';
import { LOCK, type LockMode } from '#storage/lmgr/lock-modes.ts';
import { forgetDatabaseSyncRequests } from '#storage/smgr/md.ts';
import { countOtherDbBackends } from '#transam/proc-array.ts';
import { forceSyncCommit } from '#transam/xact.ts';
import { preventInTransactionBlock } from '#transam/xact-block.ts';
import { xlogFlush } from '#wal/flush.ts';
import { xlogLastRecEnd } from '#wal/insert.ts';

export const DATABASE_OID_INDEX = 2672 as Oid;
/** datconnlimit of a database that is being dropped. */
export const INVALID_DATABASE = -2;
const FIRST_NORMAL_OID = 16384;
const LAST_SERVER_ENCODING = 34;
const INVALID_HINT = 'Use DROP DATABASE to drop invalid databases.';

const error = (code: SqlState, message: string, detail?: string, hint?: string): never =>
  report('ERROR', { code, message, detail, hint });

/** have_createdb_privilege(). */
export const mayCreateDatabases = (): boolean => isSuperuser() || roleByOid(sessionIdentity.userOid)?.createDb === true;
export function checkMemberOf(role: Oid): void {
  if (isMemberOfRole(sessionIdentity.userOid, role)) return;
  error(SQLSTATE.insufficientPrivilege, `must be member of role "${roleByOid(role)?.name ?? role}"`);
}

/** get_db_info(): the row, locked until the end of the transaction; undefined if there is none of that name. */
export function lockedDatabase(name: string, mode: LockMode): DatabaseRow | undefined {
  for (;;) {
    const oid = databaseByName(name)?.oid;
    if (oid === undefined) return undefined;
    lockSharedObject(RELATION.pgDatabase, oid, 0, mode);
    // It may have been renamed or dropped while we waited.
    const row = store.database.byOid(oid);
    if (row !== undefined && row.datname === name) return row;
    unlockSharedObject(RELATION.pgDatabase, oid, 0, mode);
  }
}

const plural = (count: number, one: string, many: string): string => (count === 1 ? one : many);
export function refuseIfBusy(database: Oid, message: string): void {
  const { conflict, backends, prepared } = countOtherDbBackends(database);
  if (!conflict) return;
  const sessions = plural(backends, 'session', 'sessions');
  const detail =
    backends > 0 && prepared > 0
      ? `There are ${backends} other session(s) and ${prepared} prepared transaction(s) using the database.`
      : backends > 0
        ? `There ${plural(backends, 'is', 'are')} ${backends} other ${sessions} using the database.`
        : `There ${plural(prepared, 'is', 'are')} ${prepared} prepared ${plural(prepared, 'transaction', 'transactions')} using the database.`;
  error(SQLSTATE.objectInUse, message, detail);
}

// ── options of CREATE DATABASE ───────────────────────────────────────────────────────────────────────────────────

const OPTIONS: ReadonlySet<string> = new Set([
  'tablespace',
  'owner',
  'template',
  'encoding',
  'locale',
  'lc_collate',
  'lc_ctype',
  'icu_locale',
  'locale_provider',
  'is_template',
  'allow_connections',
  'connection_limit',
  'collation_version',
  'oid',
  'strategy',
]);
type Options = ReadonlyMap<string, DefElem>;

function collectOptions(p: ParseState, stmt: CreatedbStmt): Options {
  const found = new Map<string, DefElem>();
  for (const option of defElems(stmt.options)) {
    const name = option.defname ?? '';
    if (name === 'location') {
      report('WARNING', {
        code: SQLSTATE.featureNotSupported,
        message: 'LOCATION is not supported anymore',
        hint: 'Consider using tablespaces instead.',
      });
      continue;
    }
    if (!OPTIONS.has(name)) {
      fail(p, SQLSTATE.syntaxError, `option "${name}" not recognized`, option.location ?? -1);
    }
    if (found.has(name)) conflictingOption(p, option);
    found.set(name, option);
  }
  if (found.has('locale') && (found.has('lc_collate') || found.has('lc_ctype'))) {
    error(
      SQLSTATE.syntaxError,
      'conflicting or redundant options',
      'LOCALE cannot be specified together with LC_COLLATE or LC_CTYPE.',
    );
  }
  return found;
}
/** The text of an option; an option without argument (DEFAULT) is as good as none. */
const textOf = (options: Options, name: string): string | undefined => {
  const option = options.get(name);
  return option?.arg === undefined ? undefined : defGetString(option);
};
function encodingOption(p: ParseState, options: Options): number | undefined {
  const option = options.get('encoding');
  if (option?.arg === undefined) return undefined;
  const isValid = (encoding: number): boolean =>
    encoding >= 0 && encoding <= LAST_SERVER_ENCODING && encodingName(encoding) !== '';
  if ('Integer' in option.arg) {
    const code = option.arg.Integer.ival ?? 0;
    if (isValid(code)) return code;
    return fail(p, SQLSTATE.undefinedObject, `${code} is not a valid encoding code`, option.location ?? -1);
  }
  const name = defGetString(option);
  const code = encodingNumber(name);
  if (isValid(code)) return code;
  return fail(p, SQLSTATE.undefinedObject, `${name} is not a valid encoding name`, option.location ?? -1);
}
export function connectionLimitOption(option: DefElem | undefined): number | undefined {
  if (option?.arg === undefined) return undefined;
  const limit = 'Integer' in option.arg ? (option.arg.Integer.ival ?? 0) : Number(defGetInt64(option));
  if (limit < -1) error(SQLSTATE.invalidParameterValue, `invalid connection limit: ${limit}`);
  return limit;
}
function oidOption(options: Options, template: string | undefined): Oid | undefined {
  const option = options.get('oid');
  if (option === undefined) return undefined;
  const oid = Number(defGetInt64(option)) as Oid;
  if (oid < FIRST_NORMAL_OID && template !== 'template0') {
    error(SQLSTATE.invalidParameterValue, `OIDs less than ${FIRST_NORMAL_OID} are reserved for system objects`);
  }
  return oid;
}
function booleanOption(options: Options, name: string, fallback: boolean): boolean {
  const option = options.get(name);
  return option?.arg === undefined ? fallback : defGetBoolean(option);
}
/** check_locale(): the name as the C library knows it. */
function checkedLocale(name: string): string {
  if (name === 'C' || name === 'POSIX') return 'C';
  if (/^C\.utf-?8$/i.test(name)) return name;
  return error(SQLSTATE.wrongObjectType, `invalid locale name: "${name}"`);
}

// ── CREATE DATABASE ──────────────────────────────────────────────────────────────────────────────────────────────

function templateOf(name: string): DatabaseRow {
  const row = lockedDatabase(name, LOCK.share);
  if (row === undefined) {
    return error(SQLSTATE.undefinedDatabase, `template database "${name}" does not exist`);
  }
  if (row.datconnlimit === INVALID_DATABASE) {
    error(
      SQLSTATE.objectNotInPrerequisiteState,
      `cannot use invalid database "${name}" as template`,
      undefined,
      INVALID_HINT,
    );
  }
  if (!row.datistemplate && !ownsObject(row.datdba)) {
    error(SQLSTATE.insufficientPrivilege, `permission denied to copy database "${name}"`);
  }
  return row;
}
function strategyOf(options: Options): 'wal_log' | 'file_copy' {
  const strategy = textOf(options, 'strategy');
  if (strategy === undefined || strategy === 'wal_log') return 'wal_log';
  if (strategy === 'file_copy') return 'file_copy';
  return error(
    SQLSTATE.invalidParameterValue,
    `invalid create database strategy "${strategy}"`,
    undefined,
    'Valid strategies are "wal_log" and "file_copy".',
  );
}

interface Locale {
  readonly encoding: number;
  readonly collate: string;
  readonly ctype: string;
}
/** Text of the template must mean the same in the new database; template0 has none that could differ. */
function localeOf(options: Options, encoding: number | undefined, template: DatabaseRow): Locale {
  const general = textOf(options, 'locale');
  const collate = checkedLocale(textOf(options, 'lc_collate') ?? general ?? template.datcollate);
  const ctype = checkedLocale(textOf(options, 'lc_ctype') ?? general ?? template.datctype);
  const provider = textOf(options, 'locale_provider');
  if (provider === 'icu' || (provider === undefined && template.datlocprovider === 'i')) {
    error(SQLSTATE.featureNotSupported, 'ICU is not supported in this build');
  }
  if (textOf(options, 'icu_locale') !== undefined) {
    error(SQLSTATE.invalidObjectDefinition, 'ICU locale cannot be specified unless locale provider is ICU');
  }
  const chosen = { encoding: encoding ?? template.encoding, collate, ctype };
  if (template.datname === 'template0') return chosen;
  const differ = (what: string, ours: string, word: string, theirs: string, same: string): void => {
    if (ours === theirs) return;
    error(
      SQLSTATE.invalidParameterValue,
      `new ${what} (${ours}) is incompatible with the ${word} of the template database (${theirs})`,
      undefined,
      `Use the same ${same} as in the template database, or use template0 as template.`,
    );
  };
  differ('encoding', encodingName(chosen.encoding), 'encoding', encodingName(template.encoding), 'encoding');
  differ('collation', collate, 'collation', template.datcollate, 'collation');
  differ('LC_CTYPE', ctype, 'LC_CTYPE', template.datctype, 'LC_CTYPE');
  return chosen;
}

function targetTablespace(name: string | undefined, template: DatabaseRow): Oid {
  if (name === undefined) return template.dattablespace;
  const oid = tablespaceOid(name);
  checkTablespaceCreate(oid);
  if (oid === GLOBAL_TABLESPACE) {
    error(SQLSTATE.invalidParameterValue, 'pg_global cannot be used as default tablespace');
  }
  // Relations that the template placed there explicitly would become part of the default.
  if (oid !== template.dattablespace && hasFilesIn(template.oid, oid)) {
    error(
      SQLSTATE.featureNotSupported,
      `cannot assign new default tablespace "${name}"`,
      `There is a conflict because database "${template.datname}" already has some tables in this tablespace.`,
    );
  }
  return oid;
}

export function createDatabase(stmt: CreatedbStmt, sourceText: string, isTopLevel: boolean): void {
  preventInTransactionBlock(isTopLevel, 'CREATE DATABASE');
  const p = makeParseState(null, sourceText);
  const name = stmt.dbname ?? '';
  const options = collectOptions(p, stmt);
  const encoding = encodingOption(p, options);
  const provider = textOf(options, 'locale_provider');
  if (provider !== undefined && provider !== 'icu' && provider !== 'libc') {
    error(SQLSTATE.invalidObjectDefinition, `unrecognized locale provider: ${provider}`);
  }
  const isTemplate = booleanOption(options, 'is_template', false);
  const allowConnections = booleanOption(options, 'allow_connections', true);
  const limit = connectionLimitOption(options.get('connection_limit')) ?? -1;
  const templateName = textOf(options, 'template') ?? 'template1';
  const wantedOid = oidOption(options, textOf(options, 'template'));
  const ownerName = textOf(options, 'owner');
  const owner = ownerName === undefined ? sessionIdentity.userOid : getRole(ownerName).oid;
  if (!mayCreateDatabases()) error(SQLSTATE.insufficientPrivilege, 'permission denied to create database');
  checkMemberOf(owner);
  const template = templateOf(templateName);
  const strategy = strategyOf(options);
  const locale = localeOf(options, encoding, template);
  const tablespace = targetTablespace(textOf(options, 'tablespace'), template);
  if (databaseByName(name) !== undefined) {
    error(SQLSTATE.duplicateDatabase, `database "${name}" already exists`);
  }
  refuseIfBusy(template.oid, `source database "${templateName}" is being accessed by other users`);

  const rel = tableOpen(RELATION.pgDatabase, LOCK.rowExclusive);
  const oid = wantedOid === undefined ? freeOid() : checkedOid(wantedOid);
  const values = {
    oid,
    datname: name,
    datdba: owner,
    encoding: locale.encoding,
    datlocprovider: 'c',
    datistemplate: isTemplate,
    datallowconn: allowConnections,
    datconnlimit: limit,
    datfrozenxid: template.datfrozenxid,
    datminmxid: template.datminmxid,
    dattablespace: tablespace,
    datcollate: locale.collate,
    datctype: locale.ctype,
    datcollversion: textOf(options, 'collation_version') ?? template.datcollversion,
  };
  catalogInsert(rel, catalogValues(rel, values));
  recordDependencyOnOwner(RELATION.pgDatabase, oid, owner);
  copyTemplateDependencies(template.oid, oid);
  const source = { oid: template.oid, tablespace: template.dattablespace };
  makeFiles(source, { oid, tablespace }, strategy);
  relationClose(rel, LOCK.none);
  // The files are there: the row must not get lost.
  forceSyncCommit();

  function freeOid(): Oid {
    for (;;) {
      const candidate = getNewOidWithIndex(rel, DATABASE_OID_INDEX);
      if (!hasDatabaseFolder(candidate)) return candidate;
    }
  }
}
function checkedOid(oid: Oid): Oid {
  const used = store.database.byOid(oid);
  if (used !== undefined) {
    error(SQLSTATE.duplicateDatabase, `database OID ${oid} is already in use by database "${used.datname}"`);
  }
  if (hasDatabaseFolder(oid)) {
    error(SQLSTATE.duplicateDatabase, `data directory with the specified OID ${oid} already exists`);
  }
  return oid;
}

/** Copies the files; if that fails, or the process must end, they are removed. */
function makeFiles(source: DatabasePlace, target: DatabasePlace, strategy: 'wal_log' | 'file_copy'): void {
  const isLogged = strategy === 'wal_log';
  // Its pages come into shared buffers.
  if (isLogged) lockSharedObject(RELATION.pgDatabase, target.oid, 0, LOCK.accessShare);
  const undo = (): void => {
    if (isLogged) {
      dropDatabaseBuffers(target.oid);
      forgetDatabaseSyncRequests(target.oid);
      unlockSharedObject(RELATION.pgDatabase, target.oid, 0, LOCK.accessShare);
    }
    unlockSharedObject(RELATION.pgDatabase, source.oid, 0, LOCK.share);
    removeDatabaseFolders(target.oid);
  };
  beforeShmemExit(undo);
  try {
    if (isLogged) copyDatabaseLogged(source, target);
    else copyDatabaseFiles(source, target);
  } catch (caught) {
    cancelBeforeShmemExit(undo);
    undo();
    throw caught;
  }
  cancelBeforeShmemExit(undo);
}

// ── DROP DATABASE ────────────────────────────────────────────────────────────────────────────────────────────────

const SUBSCRIPTION_DATABASE = 2;
function countSubscriptions(database: Oid): number {
  const rel = tableOpen(RELATION.pgSubscription, LOCK.accessShare);
  const scan = systableBeginScan(rel, 0, true, [{ attnum: SUBSCRIPTION_DATABASE, value: database }]);
  let count = 0;
  while (scan.next()) count++;
  scan.end();
  relationClose(rel, LOCK.none);
  return count;
}

export function dropDatabase(stmt: DropdbStmt, isTopLevel: boolean): void {
  preventInTransactionBlock(isTopLevel, 'DROP DATABASE');
  const name = stmt.dbname ?? '';
  const force = defElems(stmt.options).some((option) => option.defname === 'force');
  const rel = tableOpen(RELATION.pgDatabase, LOCK.rowExclusive);
  const row = lockedDatabase(name, LOCK.accessExclusive);
  if (row === undefined) {
    if (stmt.missing_ok !== true) error(SQLSTATE.undefinedDatabase, `database "${name}" does not exist`);
    relationClose(rel, LOCK.rowExclusive);
    report('NOTICE', { message: `database "${name}" does not exist, skipping` });
    return;
  }
  if (!ownsObject(row.datdba)) mustBeOwner('database', name);
  if (row.oid === sessionIdentity.databaseOid) {
    error(SQLSTATE.objectInUse, 'cannot drop the currently open database');
  }
  if (row.datistemplate) error(SQLSTATE.wrongObjectType, 'cannot drop a template database');
  const subscriptions = countSubscriptions(row.oid);
  if (subscriptions > 0) {
    error(
      SQLSTATE.objectInUse,
      `database "${name}" is being used by logical replication subscription`,
      `There ${plural(subscriptions, 'is', 'are')} ${subscriptions} ${plural(subscriptions, 'subscription', 'subscriptions')}.`,
    );
  }
  if (force) terminateOtherSessions(row.oid);
  refuseIfBusy(row.oid, `database "${name}" is being accessed by other users`);
  deleteSharedComments(RELATION.pgDatabase, row.oid);
  dropSettings(row.oid, 0 as Oid);
  dropDatabaseDependencies(row.oid);
  forgetDatabaseFacts(row.oid);
  const [tuple] = findCatalogTuples(store.database, rel, DATABASE_OID_INDEX, [{ attnum: 1, value: row.oid }]);
  if (tuple === undefined) report('ERROR', { message: `cache lookup failed for database ${row.oid}` });
  // Not undone by an abort, and on disk before any file goes.
  catalogInplaceUpdate(rel, tuple!.tid, { datconnlimit: INVALID_DATABASE });
  xlogFlush(xlogLastRecEnd());
  catalogDelete(rel, tuple!.tid);
  dropDatabaseBuffers(row.oid);
  forgetDatabaseSyncRequests(row.oid);
  // Others may still have files of it open, and the checkpointer fsyncs to do.
  requestCheckpoint(CHECKPOINT.immediate | CHECKPOINT.force | CHECKPOINT.wait);
  releaseRelationFilesEverywhere();
  removeDatabaseFolders(row.oid);
  relationClose(rel, LOCK.none);
  forceSyncCommit();
}
