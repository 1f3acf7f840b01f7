/** creation-namespace.ts — the schema that a new object goes into, and the session's schema of temporary objects.
 *
 *  pg_temp_N and pg_toast_temp_N belong to the backend number N and stay when the session ends; the next backend with
 *  that number empties them before it uses them.
 *  Counterpart: src/backend/catalog/namespace.c */
import type { RangeVar } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { aclArray, hasRight, RIGHTS } from '#catalog/acl.ts';
import { userDefaultAcl } from '#catalog/default-acl.ts';
import { type DeletionFlags, performDeletion } from '#catalog/dependency.ts';
import { catalogInsert, catalogValues } from '#catalog/indexing.ts';
import { explicitSearchPath, namespaceOid } from '#catalog/namespace.ts';
import { getNewOidWithIndex } from '#catalog/new-oid.ts';
import { objectAddress } from '#catalog/object-address.ts';
import { NAMESPACE, RELATION } from '#catalog/oids.ts';
import { recordDependencyOnOwner, updateAclDependencies } from '#catalog/pg-shdepend.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { checkNamespaceRight } from '#catalog/object-rights.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { databaseRow, namespaceByName, namespaceRow } from '#catalog/syscache.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { beforeShmemExit } from '#runtime/exit-callbacks.ts';
import { myProcess } from '#runtime/my-process.ts';
import { lockDatabaseObject } from '#storage/lmgr/lmgr.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { registerXactParticipant, XACT_RANK } from '#transam/xact-callbacks.ts';
import { getTransactionSnapshot, popActiveSnapshot, pushActiveSnapshot } from '#transam/snapshot.ts';
import {
  abortOutOfAnyTransaction,
  commandCounterIncrement,
  commitTransactionCommand,
  getCurrentSubTransactionId,
  startTransactionCommand,
  xactFlags,
} from '#transam/xact.ts';
import { recoveryInProgress } from '#wal/recovery-state.ts';

const NO_OID = 0 as Oid;
const BOOTSTRAP_SUPERUSER = 10 as Oid;
const NAMESPACE_OID_INDEX = 2685 as Oid;

const temp = { toast: NO_OID, subId: 0 };

/** NamespaceCreate(). */
export function namespaceCreate(name: string, owner: Oid, isTemp: boolean): Oid {
  if (namespaceByName(name) !== undefined) {
    report('ERROR', { code: SQLSTATE.duplicateSchema, message: `schema "${name}" already exists` });
  }
  const rel = tableOpen(RELATION.pgNamespace, LOCK.rowExclusive);
  const oid = getNewOidWithIndex(rel, NAMESPACE_OID_INDEX);
  const acl = isTemp ? null : userDefaultAcl('n', owner, NO_OID);
  const nspacl = acl === null ? null : aclArray(acl);
  catalogInsert(rel, catalogValues(rel, { oid, nspname: name, nspowner: owner, nspacl }));
  relationClose(rel, LOCK.rowExclusive);
  if (!isTemp || owner !== BOOTSTRAP_SUPERUSER) recordDependencyOnOwner(RELATION.pgNamespace, oid, owner);
  if (acl !== null) {
    const members = [...new Set(acl.flatMap((item) => [item.grantee, item.grantor]).filter((role) => role !== 0))];
    updateAclDependencies(objectAddress(RELATION.pgNamespace, oid), owner, [], members);
  }
  return oid;
}

/** InitTempTableNamespace(): this transaction is the first of the session that makes something temporary. */
function initTempNamespace(): void {
  const database = databaseRow(sessionIdentity.databaseOid)!;
  const object = { letter: 'd', owner: database.datdba, acl: database.datacl };
  if (!hasRight(object, sessionIdentity.userOid, RIGHTS.TEMPORARY, false)) {
    report('ERROR', {
      code: SQLSTATE.insufficientPrivilege,
      message: `permission denied to create temporary tables in database "${database.datname}"`,
    });
  }
  if (recoveryInProgress()) {
    report('ERROR', {
      code: SQLSTATE.readOnlySqlTransaction,
      message: 'cannot create temporary tables during recovery',
    });
  }
  const name = `pg_temp_${myProcess.backendId}`;
  let oid = namespaceByName(name)?.oid;
  if (oid === undefined) {
    oid = namespaceCreate(name, BOOTSTRAP_SUPERUSER, true);
    commandCounterIncrement();
  } else removeTempRelations(oid);
  const toastName = `pg_toast_temp_${myProcess.backendId}`;
  let toast = namespaceByName(toastName)?.oid;
  if (toast === undefined) {
    toast = namespaceCreate(toastName, BOOTSTRAP_SUPERUSER, true);
    commandCounterIncrement();
  }
  sessionIdentity.tempNamespace = oid;
  temp.toast = toast;
  temp.subId = getCurrentSubTransactionId();
}
export function accessTempNamespace(): Oid {
  xactFlags.accessedTempNamespace = true;
  if (sessionIdentity.tempNamespace === 0) initTempNamespace();
  return sessionIdentity.tempNamespace;
}
export const tempToastNamespace = (): Oid => temp.toast;
export const isTempNamespace = (oid: Oid): boolean => oid !== 0 && oid === sessionIdentity.tempNamespace;
export const isTempOrTempToastNamespace = (oid: Oid): boolean =>
  oid !== 0 && (oid === sessionIdentity.tempNamespace || oid === temp.toast);
/** Some session's temporary schema. */
export const isAnyTempNamespace = (oid: Oid): boolean =>
  /^pg_(toast_)?temp_\d+$/.test(namespaceRow(oid)?.nspname ?? '');
export const isOtherTempNamespace = (oid: Oid): boolean => !isTempOrTempToastNamespace(oid) && isAnyTempNamespace(oid);

/** RemoveTempRelations(): everything in the schema goes, the schema stays. */
export function removeTempRelations(namespace: Oid): void {
  const flags: DeletionFlags = { internal: true, quietly: true, skipOriginal: true, skipExtensions: true };
  performDeletion(objectAddress(RELATION.pgNamespace, namespace), 'cascade', flags);
}
export function resetTempTableNamespace(): void {
  if (sessionIdentity.tempNamespace !== 0) removeTempRelations(sessionIdentity.tempNamespace);
}

/** RemoveTempRelationsCallback(): at the end of a session that made temporary objects, in a transaction of its own. */
function removeAtSessionEnd(): void {
  if (sessionIdentity.tempNamespace === 0) return;
  abortOutOfAnyTransaction();
  startTransactionCommand();
  pushActiveSnapshot(getTransactionSnapshot());
  removeTempRelations(sessionIdentity.tempNamespace);
  popActiveSnapshot();
  commitTransactionCommand();
}
let isRegistered = false;
registerXactParticipant({
  name: 'temporary schema',
  rank: XACT_RANK.namespace,
  atCommit() {
    if (temp.subId === 0) return;
    temp.subId = 0;
    if (!isRegistered) beforeShmemExit(removeAtSessionEnd);
    isRegistered = true;
  },
  atAbort() {
    if (temp.subId === 0) return;
    temp.subId = 0;
    temp.toast = NO_OID;
    sessionIdentity.tempNamespace = NO_OID;
  },
  atSubCommit(subId, parentId) {
    if (temp.subId === subId) temp.subId = parentId;
  },
  atSubAbort(subId) {
    if (temp.subId !== subId) return;
    temp.subId = 0;
    temp.toast = NO_OID;
    sessionIdentity.tempNamespace = NO_OID;
  },
});

/** QualifiedNameGetCreationNamespace(). */
export function creationNamespace(schema: string | undefined): Oid {
  if (schema !== undefined) return schema === 'pg_temp' ? accessTempNamespace() : namespaceOid(schema);
  const [first] = explicitSearchPath();
  if (first === undefined) {
    report('ERROR', { code: SQLSTATE.undefinedSchema, message: 'no schema has been selected to create in' });
  }
  return first;
}

export type Persistence = 'p' | 'u' | 't';
export interface CreationPlace {
  readonly namespace: Oid;
  readonly persistence: Persistence;
}
/** RangeVarGetAndCheckCreationNamespace() and RangeVarAdjustRelationPersistence(): the schema, locked against being
 *  dropped, with the right to create in it checked. */
export function relationCreationPlace(relation: RangeVar, isView = false): CreationPlace {
  if (relation.catalogname !== undefined && relation.catalogname !== sessionIdentity.databaseName) {
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: `cross-database references are not implemented: "${relation.catalogname}.${relation.schemaname ?? ''}.${relation.relname ?? ''}"`,
    });
  }
  let persistence = (relation.relpersistence ?? 'p') as Persistence;
  let namespace: Oid;
  if (persistence === 't') {
    if (relation.schemaname !== undefined && relation.schemaname !== 'pg_temp') {
      const named = namespaceByName(relation.schemaname)?.oid ?? NO_OID;
      if (!isTempNamespace(named)) {
        report('ERROR', {
          code: SQLSTATE.invalidTableDefinition,
          message: 'cannot create temporary relation in non-temporary schema',
        });
      }
    }
    namespace = accessTempNamespace();
  } else namespace = creationNamespace(relation.schemaname);
  checkNamespaceRight(namespace, 'CREATE');
  lockDatabaseObject(RELATION.pgNamespace, namespace, 0, LOCK.accessShare);
  if (persistence === 'p') {
    if (isTempOrTempToastNamespace(namespace)) persistence = 't';
    else if (isAnyTempNamespace(namespace)) {
      report('ERROR', {
        code: SQLSTATE.invalidTableDefinition,
        message: 'cannot create relations in temporary schemas of other sessions',
      });
    }
  } else if (persistence === 'u' && isAnyTempNamespace(namespace)) {
    report('ERROR', {
      code: SQLSTATE.invalidTableDefinition,
      message: 'only temporary relations may be created in temporary schemas',
    });
  }
  if (isView && persistence === 'u') {
    report('ERROR', {
      code: SQLSTATE.syntaxError,
      message: 'views cannot be unlogged because they do not have storage',
    });
  }
  return { namespace, persistence };
}
/** CheckSetNamespace(): may an object move from one schema to the other? */
export function checkSetNamespace(from: Oid, to: Oid): void {
  if (isAnyTempNamespace(to) || isAnyTempNamespace(from)) {
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: 'cannot move objects into or out of temporary schemas',
    });
  }
  if (to === NAMESPACE.pgToast || from === NAMESPACE.pgToast) {
    report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'cannot move objects into or out of TOAST schema' });
  }
}
