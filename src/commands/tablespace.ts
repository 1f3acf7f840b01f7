/** tablespace.ts — CREATE, ALTER and DROP TABLESPACE.
 *
 *  A tablespace is a link in pg_tblspc to a folder elsewhere, in which a folder named after the server's version holds
 *  one per database. Neither making nor removing them can be undone.
 *  Counterpart: src/backend/commands/tablespace.c */
import type { AlterTableSpaceOptionsStmt, CreateTableSpaceStmt, DropTableSpaceStmt } from '@pgsql/types';
import type { Relation } from '#access/common/relation-descriptor.ts';
import type { Datum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { aclArray, parseAclItem } from '#catalog/acl.ts';
import { catalogDelete, catalogInsert, catalogUpdateColumns, catalogValues } from '#catalog/indexing.ts';
import { getNewOidWithIndex } from '#catalog/new-oid.ts';
import { isPinnedObject } from '#catalog/object-address.ts';
import { deleteSharedComments } from '#catalog/object-notes.ts';
import { mustBeOwner, ownsObject, permissionDenied } from '#catalog/object-rights.ts';
import { RELATION } from '#catalog/oids.ts';
import {
  changeDependencyOnOwner,
  deleteSharedDependencyRecordsFor,
  recordDependencyOnOwner,
} from '#catalog/pg-shdepend.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { isSuperuser } from '#catalog/roles.ts';
import { store, type TablespaceRow } from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { checkSharedDependencies } from '#catalog/shared-dependents.ts';
import { type CatalogTuple, findCatalogTuples } from '#catalog/systable.ts';
import {
  createTablespaceFolders,
  destroyTablespaceFolders,
  releaseRelationFilesEverywhere,
  XLOG_TBLSPC_CREATE,
  XLOG_TBLSPC_DROP,
} from '#catalog/tablespace-folders.ts';
import { checkMemberOf } from '#commands/database.ts';
import { transformRelOptions, validateRelOptions } from '#commands/rel-options.ts';
import { aclOfNewOwner } from '#commands/relation-owner.ts';
import { textArray } from '#commands/role-settings.ts';
import { roleSpecOid } from '#commands/role-spec.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE, type SqlState } from '#runtime/error/sqlstate.ts';
import { canonicalizePath } from '#runtime/guc/config-paths.ts';
import { settings } from '#runtime/guc/guc.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { mem } from '#shm/memory.ts';
import { TABLESPACE_VERSION_DIRECTORY } from '#storage/file/paths.ts';
import { CHECKPOINT, requestCheckpoint } from '#storage/ipc/checkpoint-mailbox.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { forceSyncCommit } from '#transam/xact.ts';
import { preventInTransactionBlock } from '#transam/xact-block.ts';
import { walScratch, xlogBeginInsert, xlogInsert, xlogRegisterData } from '#wal/insert.ts';
import { RM } from '#wal/rmgr-ids.ts';

const OID_INDEX = 2697 as Oid;
/** "/" + version folder + "/" + database + "/" + relation + "_" + fork + "." + segment. */
const LONGEST_TAIL = 1 + TABLESPACE_VERSION_DIRECTORY.length + 1 + 10 + 1 + 10 + 1 + 4 + 1 + 10;
const MAX_PATH = 1024;

const error = (code: SqlState, message: string, detail?: string, hint?: string): never =>
  report('ERROR', { code, message, detail, hint });
const noTablespace = (name: string): never => error(SQLSTATE.undefinedObject, `tablespace "${name}" does not exist`);

function refuseReservedName(name: string): void {
  if (settings.allow_system_table_mods || !name.startsWith('pg_')) return;
  error(
    SQLSTATE.reservedName,
    `unacceptable tablespace name "${name}"`,
    'The prefix "pg_" is reserved for system tablespaces.',
  );
}
const exists = (name: string): boolean => store.tablespace.by('spcname', name)[0] !== undefined;
const alreadyExists = (name: string): never => error(SQLSTATE.duplicateObject, `tablespace "${name}" already exists`);

function tablespaceTuple(rel: Relation, name: string): CatalogTuple<TablespaceRow> | undefined {
  const row = store.tablespace.by('spcname', name)[0];
  if (row === undefined) return undefined;
  return findCatalogTuples(store.tablespace, rel, OID_INDEX, [{ attnum: 1, value: row.oid }])[0];
}

function checkedLocation(text: string): string {
  const location = text === '' ? '' : canonicalizePath(text);
  if (location.includes("'")) error(SQLSTATE.invalidName, 'tablespace location cannot contain single quotes');
  const inPlace = settings.allow_in_place_tablespaces && location === '';
  if (!inPlace && !location.startsWith('/')) {
    error(SQLSTATE.invalidObjectDefinition, 'tablespace location must be an absolute path');
  }
  if (Buffer.byteLength(location) + LONGEST_TAIL > MAX_PATH) {
    error(SQLSTATE.invalidObjectDefinition, `tablespace location "${location}" is too long`);
  }
  const data = settings.data_directory;
  if (data !== '' && (location === data || location.startsWith(`${data}/`))) {
    report('WARNING', {
      code: SQLSTATE.invalidObjectDefinition,
      message: 'tablespace location should not be inside the data directory',
    });
  }
  return location;
}

function logChange(info: number, tablespace: Oid, location: string | null): void {
  xlogBeginInsert();
  const path = location === null ? null : Buffer.from(`${location}\0`);
  const length = 4 + (path?.length ?? 0);
  const at = walScratch(length);
  mem.view.setUint32(at, tablespace, true);
  if (path !== null) mem.u8.set(path, at + 4);
  xlogRegisterData(at, length);
  xlogInsert(RM.tblspc, info);
}

export function createTablespace(stmt: CreateTableSpaceStmt, isTopLevel: boolean): void {
  preventInTransactionBlock(isTopLevel, 'CREATE TABLESPACE');
  const name = stmt.tablespacename ?? '';
  if (!isSuperuser()) {
    error(
      SQLSTATE.insufficientPrivilege,
      `permission denied to create tablespace "${name}"`,
      undefined,
      'Must be superuser to create a tablespace.',
    );
  }
  const owner = stmt.owner === undefined ? sessionIdentity.userOid : roleSpecOid(stmt.owner);
  const location = checkedLocation(stmt.location ?? '');
  refuseReservedName(name);
  if (exists(name)) alreadyExists(name);
  const rel = tableOpen(RELATION.pgTablespace, LOCK.rowExclusive);
  const oid = getNewOidWithIndex(rel, OID_INDEX);
  const options = transformRelOptions(null, stmt.options, null, [], false);
  validateRelOptions('tablespace', options);
  const values = {
    oid,
    spcname: name,
    spcowner: owner,
    spcoptions: options === null ? null : textArray(options),
  };
  catalogInsert(rel, catalogValues(rel, values));
  recordDependencyOnOwner(RELATION.pgTablespace, oid, owner);
  createTablespaceFolders(location, oid);
  logChange(XLOG_TBLSPC_CREATE, oid, location);
  forceSyncCommit();
  relationClose(rel, LOCK.none);
}

export function dropTablespace(stmt: DropTableSpaceStmt, isTopLevel: boolean): void {
  preventInTransactionBlock(isTopLevel, 'DROP TABLESPACE');
  const name = stmt.tablespacename ?? '';
  const rel = tableOpen(RELATION.pgTablespace, LOCK.rowExclusive);
  const tuple = tablespaceTuple(rel, name);
  if (tuple === undefined) {
    if (stmt.missing_ok !== true) noTablespace(name);
    report('NOTICE', { message: `tablespace "${name}" does not exist, skipping` });
    relationClose(rel, LOCK.none);
    return;
  }
  const { oid, spcowner } = tuple.row;
  if (!ownsObject(spcowner)) mustBeOwner('tablespace', name);
  if (isPinnedObject(RELATION.pgTablespace, oid)) permissionDenied('tablespace', name);
  const dependents = checkSharedDependencies(RELATION.pgTablespace, oid);
  if (dependents !== null) {
    report('ERROR', {
      code: SQLSTATE.dependentObjectsStillExist,
      message: `tablespace "${name}" cannot be dropped because some objects depend on it`,
      ...dependents,
    });
  }
  catalogDelete(rel, tuple.tid);
  deleteSharedComments(RELATION.pgTablespace, oid);
  deleteSharedDependencyRecordsFor(RELATION.pgTablespace, oid);
  removeFolders(name, oid);
  forceSyncCommit();
  relationClose(rel, LOCK.none);
}
/** Nobody makes a database's folder in it meanwhile: the lock says so. */
function removeFolders(name: string, oid: Oid): void {
  const lock = mainLWLock('TablespaceCreate');
  lwLockAcquire(lock, 'exclusive');
  let gone = destroyTablespaceFolders(oid, false);
  if (!gone) {
    // Dropped relations leave an empty file until the next checkpoint, and others may have files open.
    lwLockRelease(lock);
    requestCheckpoint(CHECKPOINT.immediate | CHECKPOINT.force | CHECKPOINT.wait);
    releaseRelationFilesEverywhere();
    lwLockAcquire(lock, 'exclusive');
    gone = destroyTablespaceFolders(oid, false);
  }
  if (!gone) error(SQLSTATE.objectNotInPrerequisiteState, `tablespace "${name}" is not empty`);
  logChange(XLOG_TBLSPC_DROP, oid, null);
  lwLockRelease(lock);
}

export function renameTablespace(oldName: string, newName: string): void {
  const rel = tableOpen(RELATION.pgTablespace, LOCK.rowExclusive);
  const { tid, row } = tablespaceTuple(rel, oldName) ?? noTablespace(oldName);
  if (!ownsObject(row.spcowner)) mustBeOwner('tablespace', oldName);
  refuseReservedName(newName);
  if (exists(newName)) alreadyExists(newName);
  catalogUpdateColumns(rel, tid, { spcname: newName });
  relationClose(rel, LOCK.none);
}

export function alterTablespaceOptions(stmt: AlterTableSpaceOptionsStmt): void {
  const name = stmt.tablespacename ?? '';
  const rel = tableOpen(RELATION.pgTablespace, LOCK.rowExclusive);
  const { tid, row } = tablespaceTuple(rel, name) ?? noTablespace(name);
  if (!ownsObject(row.spcowner)) mustBeOwner('tablespace', name);
  const options = transformRelOptions(row.spcoptions, stmt.options, null, [], stmt.isReset === true);
  validateRelOptions('tablespace', options);
  catalogUpdateColumns(rel, tid, { spcoptions: options === null ? null : textArray(options) });
  relationClose(rel, LOCK.none);
}

export function alterTablespaceOwner(name: string, owner: Oid): void {
  const rel = tableOpen(RELATION.pgTablespace, LOCK.rowExclusive);
  const { tid, row } = tablespaceTuple(rel, name) ?? noTablespace(name);
  if (row.spcowner !== owner) {
    if (!ownsObject(row.spcowner)) mustBeOwner('tablespace', name);
    checkMemberOf(owner);
    const changes: Record<string, Datum> = { spcowner: owner };
    if (row.spcacl !== null) {
      changes['spcacl'] = aclArray(aclOfNewOwner(row.spcacl.map(parseAclItem), row.spcowner, owner));
    }
    catalogUpdateColumns(rel, tid, changes);
    changeDependencyOnOwner(RELATION.pgTablespace, row.oid, owner);
  }
  relationClose(rel, LOCK.none);
}
