/** alter-database.ts — ALTER DATABASE: its options, name, owner.
 *  Counterpart: AlterDatabase(), AlterDatabaseRefreshColl(), RenameDatabase(), AlterDatabaseOwner() of
 *  src/backend/commands/dbcommands.c */
import type { AlterDatabaseRefreshCollStmt, AlterDatabaseStmt, DefElem } from '@pgsql/types';
import type { Relation } from '#access/common/relation-descriptor.ts';
import type { Datum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { aclArray, parseAclItem } from '#catalog/acl.ts';
import { catalogUpdateColumns } from '#catalog/indexing.ts';
import { mustBeOwner, ownsObject } from '#catalog/object-rights.ts';
import { RELATION } from '#catalog/oids.ts';
import { changeDependencyOnOwner } from '#catalog/pg-shdepend.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { type DatabaseRow, store } from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { databaseByName } from '#catalog/syscache.ts';
import { type CatalogTuple, findCatalogTuples } from '#catalog/systable.ts';
import {
  checkMemberOf,
  connectionLimitOption,
  DATABASE_OID_INDEX,
  INVALID_DATABASE,
  lockedDatabase,
  mayCreateDatabases,
  refuseIfBusy,
} from '#commands/database.ts';
import { conflictingOption, defElems, defGetBoolean } from '#commands/def-elem.ts';
import { aclOfNewOwner } from '#commands/relation-owner.ts';
import { fail, makeParseState } from '#parser/parse-state.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE, type SqlState } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { preventInTransactionBlock } from '#transam/xact-block.ts';

const error = (code: SqlState, message: string): never => report('ERROR', { code, message });
const noDatabase = (name: string): never => error(SQLSTATE.undefinedDatabase, `database "${name}" does not exist`);

function databaseTuple(rel: Relation, name: string): CatalogTuple<DatabaseRow> {
  const oid = databaseByName(name)?.oid ?? noDatabase(name);
  const [found] = findCatalogTuples(store.database, rel, DATABASE_OID_INDEX, [{ attnum: 1, value: oid }]);
  return found ?? noDatabase(name);
}

const OPTIONS: ReadonlySet<string> = new Set(['is_template', 'allow_connections', 'connection_limit', 'tablespace']);

export function alterDatabase(stmt: AlterDatabaseStmt, sourceText: string, isTopLevel: boolean): void {
  const p = makeParseState(null, sourceText);
  const name = stmt.dbname ?? '';
  const options = new Map<string, DefElem>();
  for (const option of defElems(stmt.options)) {
    const word = option.defname ?? '';
    if (!OPTIONS.has(word)) fail(p, SQLSTATE.syntaxError, `option "${word}" not recognized`, option.location ?? -1);
    if (options.has(word)) conflictingOption(p, option);
    options.set(word, option);
  }
  const space = options.get('tablespace');
  if (space !== undefined) {
    if (options.size > 1) {
      fail(
        p,
        SQLSTATE.featureNotSupported,
        'option "tablespace" cannot be specified with other options',
        space.location ?? -1,
      );
    }
    preventInTransactionBlock(isTopLevel, 'ALTER DATABASE SET TABLESPACE');
    error(SQLSTATE.featureNotSupported, 'ALTER DATABASE SET TABLESPACE is not supported yet');
  }
  const flag = (word: string): boolean | undefined => {
    const option = options.get(word);
    return option?.arg === undefined ? undefined : defGetBoolean(option);
  };
  const isTemplate = flag('is_template');
  const allowed = flag('allow_connections');
  const limit = connectionLimitOption(options.get('connection_limit'));
  const rel = tableOpen(RELATION.pgDatabase, LOCK.rowExclusive);
  const { tid, row } = databaseTuple(rel, name);
  if (row.datconnlimit === INVALID_DATABASE) {
    report('FATAL', {
      code: SQLSTATE.objectNotInPrerequisiteState,
      message: `cannot alter invalid database "${name}"`,
      hint: 'Use DROP DATABASE to drop invalid databases.',
    });
  }
  if (!ownsObject(row.datdba)) mustBeOwner('database', name);
  if (allowed === false && row.oid === sessionIdentity.databaseOid) {
    error(SQLSTATE.invalidParameterValue, 'cannot disallow connections for current database');
  }
  const changes: Record<string, Datum> = {};
  if (isTemplate !== undefined) changes['datistemplate'] = isTemplate;
  if (allowed !== undefined) changes['datallowconn'] = allowed;
  if (limit !== undefined) changes['datconnlimit'] = limit;
  catalogUpdateColumns(rel, tid, changes);
  relationClose(rel, LOCK.none);
}

/** The C library's plain locales have no versions. */
export function refreshDatabaseCollation(stmt: AlterDatabaseRefreshCollStmt): void {
  const name = stmt.dbname ?? '';
  const rel = tableOpen(RELATION.pgDatabase, LOCK.rowExclusive);
  const { row } = databaseTuple(rel, name);
  if (!ownsObject(row.datdba)) mustBeOwner('database', name);
  if (row.datcollversion !== null) report('ERROR', { message: 'invalid collation version change' });
  report('NOTICE', { message: 'version has not changed' });
  relationClose(rel, LOCK.none);
}

export function renameDatabase(oldName: string, newName: string): void {
  const rel = tableOpen(RELATION.pgDatabase, LOCK.rowExclusive);
  const { oid, datdba } = lockedDatabase(oldName, LOCK.accessExclusive) ?? noDatabase(oldName);
  if (!ownsObject(datdba)) mustBeOwner('database', oldName);
  if (!mayCreateDatabases()) error(SQLSTATE.insufficientPrivilege, 'permission denied to rename database');
  if (databaseByName(newName) !== undefined) {
    error(SQLSTATE.duplicateDatabase, `database "${newName}" already exists`);
  }
  if (oid === sessionIdentity.databaseOid) {
    error(SQLSTATE.featureNotSupported, 'current database cannot be renamed');
  }
  refuseIfBusy(oid, `database "${oldName}" is being accessed by other users`);
  catalogUpdateColumns(rel, databaseTuple(rel, oldName).tid, { datname: newName });
  relationClose(rel, LOCK.none);
}

export function alterDatabaseOwner(name: string, owner: Oid): void {
  const rel = tableOpen(RELATION.pgDatabase, LOCK.rowExclusive);
  const { tid, row } = databaseTuple(rel, name);
  if (row.datdba !== owner) {
    if (!ownsObject(row.datdba)) mustBeOwner('database', name);
    checkMemberOf(owner);
    if (!mayCreateDatabases()) {
      error(SQLSTATE.insufficientPrivilege, 'permission denied to change owner of database');
    }
    const changes: Record<string, Datum> = { datdba: owner };
    if (row.datacl !== null) {
      changes['datacl'] = aclArray(aclOfNewOwner(row.datacl.map(parseAclItem), row.datdba, owner));
    }
    catalogUpdateColumns(rel, tid, changes);
    changeDependencyOnOwner(RELATION.pgDatabase, row.oid, owner);
  }
  relationClose(rel, LOCK.none);
}
