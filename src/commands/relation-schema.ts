/** relation-schema.ts — ALTER … SET SCHEMA of a relation: its row type, indexes, sequences and constraints move along.
 *  Counterpart: AlterTableNamespace() … of src/backend/commands/tablecmds.c, AlterTypeNamespaceInternal() of
 *  typecmds.c, AlterConstraintNamespaces() of catalog/pg_constraint.c */
import type { AlterObjectSchemaStmt } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { checkSetNamespace, creationNamespace } from '#catalog/creation-namespace.ts';
import { catalogUpdateColumns } from '#catalog/indexing.ts';
import { checkNamespaceRight } from '#catalog/object-rights.ts';
import { RELATION } from '#catalog/oids.ts';
import { changeDependencyFor, ownedSequences } from '#catalog/pg-depend.ts';
import { moveArrayTypeName } from '#catalog/pg-type.ts';
import { rangeVarGetRelid } from '#catalog/range-var.ts';
import { relationGetIndexList } from '#catalog/relcache.ts';
import { relationClose, relationOpen, tableOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { classByName, classRow, namespaceRow, typeByName } from '#catalog/syscache.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { forAlterRelation, relationName } from '#commands/alter-relation-check.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { lockDatabaseObject } from '#storage/lmgr/lmgr.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

const RELATIONS: ReadonlySet<string> = new Set([
  'OBJECT_TABLE',
  'OBJECT_VIEW',
  'OBJECT_MATVIEW',
  'OBJECT_SEQUENCE',
  'OBJECT_FOREIGN_TABLE',
]);
export const isRelationSetSchema = (stmt: AlterObjectSchemaStmt): boolean => RELATIONS.has(stmt.objectType ?? '');

export function setRelationSchema(stmt: AlterObjectSchemaStmt): void {
  const relid = rangeVarGetRelid(
    relationName(stmt.relation!),
    LOCK.accessExclusive,
    { missingOk: stmt.missing_ok === true },
    forAlterRelation(stmt.objectType!, 'setSchema'),
  );
  if (relid === 0) {
    report('NOTICE', { message: `relation "${stmt.relation!.relname}" does not exist, skipping` });
    return;
  }
  const row = classRow(relid)!;
  if (row.relkind === 'S') refuseOwnedSequence(relid, 'cannot move an owned sequence into another schema');
  const namespace = creationNamespace(stmt.newschema);
  checkNamespaceRight(namespace, 'CREATE');
  lockDatabaseObject(RELATION.pgNamespace, namespace, 0, LOCK.accessShare);
  checkSetNamespace(row.relnamespace, namespace);
  moveRelation(relid, row.relnamespace, namespace);
}

/** A sequence that belongs to a column goes where its table goes. */
export function refuseOwnedSequence(relid: Oid, message: string): void {
  const owner = store.depend
    .by('objid', relid)
    .find(
      (row) =>
        row.classid === RELATION.pgClass &&
        row.refclassid === RELATION.pgClass &&
        row.refobjsubid !== 0 &&
        (row.deptype === 'a' || row.deptype === 'i'),
    );
  if (owner === undefined) return;
  const sequence = classRow(relid)?.relname ?? '';
  const table = classRow(owner.refobjid)?.relname ?? '';
  report('ERROR', {
    code: SQLSTATE.featureNotSupported,
    message,
    detail: `Sequence "${sequence}" is linked to table "${table}".`,
  });
}

/** AlterTableNamespaceInternal(). */
export function moveRelation(relid: Oid, from: Oid, to: Oid): void {
  const rel = relationOpen(relid, LOCK.none);
  moveClassRow(relid, from, to, true);
  if (rel.typeId !== 0) moveType(rel.typeId, to);
  if ('rmp'.includes(rel.kind)) {
    for (const index of relationGetIndexList(rel)) moveClassRow(index, from, to, false);
    for (const sequence of ownedSequences(relid)) {
      // Locked so that it cannot be dropped from under us.
      const owned = relationOpen(sequence, LOCK.accessExclusive);
      moveClassRow(sequence, from, to, true);
      relationClose(owned, LOCK.none);
    }
    moveConstraints(relid, from, to);
  }
  relationClose(rel, LOCK.none);
  commandCounterIncrement();
}

const alreadyThere = (
  what: string,
  code: typeof SQLSTATE.duplicateTable | typeof SQLSTATE.duplicateObject,
  name: string,
  to: Oid,
): never =>
  report('ERROR', { code, message: `${what} "${name}" already exists in schema "${namespaceRow(to)?.nspname ?? ''}"` });

/** AlterRelationNamespaceInternal(). */
function moveClassRow(relid: Oid, from: Oid, to: Oid, hasDependency: boolean): void {
  const pgClass = tableOpen(RELATION.pgClass, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.class, pgClass, 2662 as Oid, [{ attnum: 1, value: relid }]);
  if (found === undefined) report('ERROR', { message: `cache lookup failed for relation ${relid}` });
  const { relname } = found.row;
  if (from !== to) {
    if (classByName(relname, to) !== undefined) alreadyThere('relation', SQLSTATE.duplicateTable, relname, to);
    catalogUpdateColumns(pgClass, found.tid, { relnamespace: to });
    if (hasDependency) moveDependency(RELATION.pgClass, relid, from, to);
  }
  relationClose(pgClass, LOCK.rowExclusive);
}
function moveDependency(classId: Oid, objectId: Oid, from: Oid, to: Oid): void {
  if (changeDependencyFor(classId, objectId, RELATION.pgNamespace, from, to) !== 1) {
    report('ERROR', {
      message: `failed to change schema dependency for relation "${classRow(objectId)?.relname ?? ''}"`,
    });
  }
}

/** AlterTypeNamespaceInternal() of a row type, and of the array type behind it; neither has a dependency of its own. */
function moveType(oid: Oid, to: Oid): void {
  const pgType = tableOpen(RELATION.pgType, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.type, pgType, 2703 as Oid, [{ attnum: 1, value: oid }]);
  if (found === undefined) report('ERROR', { message: `cache lookup failed for type ${oid}` });
  const { typname, typnamespace, typarray } = found.row;
  if (typnamespace !== to) {
    const other = typeByName(typname, to);
    if (other !== undefined && !moveArrayTypeName(other.oid, typname, to)) {
      alreadyThere('type', SQLSTATE.duplicateObject, typname, to);
    }
    catalogUpdateColumns(pgType, found.tid, { typnamespace: to });
  }
  relationClose(pgType, LOCK.rowExclusive);
  if (typarray !== 0) moveType(typarray, to);
}

/** AlterConstraintNamespaces(). */
function moveConstraints(relid: Oid, from: Oid, to: Oid): void {
  const pgConstraint = tableOpen(RELATION.pgConstraint, LOCK.rowExclusive);
  for (const { tid, row } of findCatalogTuples(store.constraint, pgConstraint, 2665 as Oid, [
    { attnum: 8, value: relid },
  ])) {
    if (row.connamespace === from && from !== to) catalogUpdateColumns(pgConstraint, tid, { connamespace: to });
  }
  relationClose(pgConstraint, LOCK.rowExclusive);
}
