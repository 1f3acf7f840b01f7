/** rename-relation.ts — ALTER … RENAME of relations, of their columns and their constraints.
 *
 *  An index and the constraint that it implements have one name: renaming one renames the other. Columns and CHECK
 *  constraints that children inherit are renamed in all of them, or not at all.
 *  Counterpart: RenameRelation(), renameatt(), RenameConstraint() … of src/backend/commands/tablecmds.c */
import type { RenameStmt } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { isSystemColumnName } from '#catalog/attribute-checks.ts';
import { updateAttribute } from '#catalog/attribute-default.ts';
import { catalogUpdateColumns } from '#catalog/indexing.ts';
import { cacheInvalidateRelcache } from '#catalog/inval.ts';
import { children, inheritorsWithParents } from '#catalog/inheritors.ts';
import { RELATION } from '#catalog/oids.ts';
import { indexConstraint } from '#catalog/pg-depend.ts';
import { renameType } from '#catalog/pg-type.ts';
import { rangeVarGetRelid } from '#catalog/range-var.ts';
import { relationClose, relationOpen, tableOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { classByName, classRow, constraintsOf } from '#catalog/syscache.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { forAlterRelation, forRenameAttribute, relationName } from '#commands/alter-relation-check.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE, type SqlState } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { unlockRelationOid } from '#storage/lmgr/lmgr.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

const fail = (code: SqlState, message: string): never => report('ERROR', { code, message });
const noticeMissing = (stmt: RenameStmt): void =>
  report('NOTICE', { message: `relation "${stmt.relation!.relname}" does not exist, skipping` });

const RELATION_RENAMES: ReadonlySet<string> = new Set([
  'OBJECT_TABLE',
  'OBJECT_INDEX',
  'OBJECT_VIEW',
  'OBJECT_MATVIEW',
  'OBJECT_SEQUENCE',
  'OBJECT_FOREIGN_TABLE',
]);
/** Is it a relation, or a part of one, that this statement renames? */
export const isRelationRename = (stmt: RenameStmt): boolean =>
  RELATION_RENAMES.has(stmt.renameType ?? '') ||
  stmt.renameType === 'OBJECT_COLUMN' ||
  stmt.renameType === 'OBJECT_TABCONSTRAINT';

export function renameRelationStatement(stmt: RenameStmt): void {
  if (stmt.renameType === 'OBJECT_COLUMN') renameColumn(stmt);
  else if (stmt.renameType === 'OBJECT_TABCONSTRAINT') renameConstraint(stmt);
  else renameWhole(stmt);
}

// ── relations ────────────────────────────────────────────────────────────────────────────────────────────────────

function renameWhole(stmt: RenameStmt): void {
  let asIndex = stmt.renameType === 'OBJECT_INDEX';
  let relid: Oid;
  for (;;) {
    // Plans do not mention indexes by name, so readers may go on; a table's name is another thing.
    const lock = asIndex ? LOCK.shareUpdateExclusive : LOCK.accessExclusive;
    relid = rangeVarGetRelid(
      relationName(stmt.relation!),
      lock,
      { missingOk: stmt.missing_ok === true },
      forAlterRelation(stmt.renameType!, 'rename'),
    );
    if (relid === 0) {
      noticeMissing(stmt);
      return;
    }
    // ALTER TABLE may name an index and ALTER INDEX a table: the lock goes by what it is.
    const { relkind } = classRow(relid)!;
    const isIndex = relkind === 'i' || relkind === 'I';
    if (isIndex || asIndex === isIndex) break;
    unlockRelationOid(relid, lock);
    asIndex = isIndex;
  }
  renameRelation(relid, stmt.newname ?? '', asIndex);
}

/** RenameRelationInternal(): also the row type, or an index's constraint. The lock stays until the transaction ends. */
export function renameRelation(relid: Oid, newName: string, isIndex: boolean): void {
  const rel = relationOpen(relid, isIndex ? LOCK.shareUpdateExclusive : LOCK.accessExclusive);
  const { namespace, typeId, kind } = rel;
  if (classByName(newName, namespace) !== undefined) {
    fail(SQLSTATE.duplicateTable, `relation "${newName}" already exists`);
  }
  const pgClass = tableOpen(RELATION.pgClass, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.class, pgClass, 2662 as Oid, [{ attnum: 1, value: relid }]);
  if (found === undefined) report('ERROR', { message: `cache lookup failed for relation ${relid}` });
  catalogUpdateColumns(pgClass, found.tid, { relname: newName });
  relationClose(pgClass, LOCK.rowExclusive);
  if (typeId !== 0) renameType(typeId, newName, namespace);
  if (kind === 'i' || kind === 'I') {
    const constraint = indexConstraint(relid);
    if (constraint !== 0) renameConstraintById(constraint, newName);
  }
  relationClose(rel, LOCK.none);
  commandCounterIncrement();
}

// ── columns ──────────────────────────────────────────────────────────────────────────────────────────────────────

function renameColumn(stmt: RenameStmt): void {
  const relid = rangeVarGetRelid(
    relationName(stmt.relation!),
    LOCK.accessExclusive,
    { missingOk: stmt.missing_ok === true },
    forRenameAttribute,
  );
  if (relid === 0) noticeMissing(stmt);
  else renameAttribute(relid, stmt.subname ?? '', stmt.newname ?? '', stmt.relation!.inh === true, 0);
}

/** renameatt_internal(). `expectedParents`: from how many parents that are renamed, too, the column may come. */
function renameAttribute(
  relid: Oid,
  oldName: string,
  newName: string,
  recurse: boolean,
  expectedParents: number,
): void {
  const rel = relationOpen(relid, LOCK.accessExclusive);
  if (rel.ofType !== 0) fail(SQLSTATE.wrongObjectType, 'cannot rename column of typed table');
  if (recurse) {
    for (const { relid: child, parents } of inheritorsWithParents(relid, LOCK.accessExclusive)) {
      if (child !== relid) renameAttribute(child, oldName, newName, false, parents);
    }
  } else if (expectedParents === 0 && children(relid, LOCK.none).length > 0) {
    fail(SQLSTATE.invalidTableDefinition, `inherited column "${oldName}" must be renamed in child tables too`);
  }
  const at = rel.tupleDesc.attributeIndex(oldName);
  if (at < 0 && isSystemColumnName(oldName)) {
    fail(SQLSTATE.featureNotSupported, `cannot rename system column "${oldName}"`);
  }
  if (at < 0) fail(SQLSTATE.undefinedColumn, `column "${oldName}" does not exist`);
  if (rel.tupleDesc.attrs[at]!.inhCount > expectedParents) {
    fail(SQLSTATE.invalidTableDefinition, `cannot rename inherited column "${oldName}"`);
  }
  if (isSystemColumnName(newName)) {
    fail(SQLSTATE.duplicateColumn, `column name "${newName}" conflicts with a system column name`);
  }
  if (rel.tupleDesc.attributeIndex(newName) >= 0) {
    fail(SQLSTATE.duplicateColumn, `column "${newName}" of relation "${rel.name}" already exists`);
  }
  updateAttribute(relid, at + 1, { attname: newName });
  relationClose(rel, LOCK.none);
  commandCounterIncrement();
}

// ── constraints ──────────────────────────────────────────────────────────────────────────────────────────────────

function renameConstraint(stmt: RenameStmt): void {
  const relid = rangeVarGetRelid(
    relationName(stmt.relation!),
    LOCK.accessExclusive,
    { missingOk: stmt.missing_ok === true },
    forRenameAttribute,
  );
  if (relid === 0) noticeMissing(stmt);
  else renameRelationConstraint(relid, stmt.subname ?? '', stmt.newname ?? '', stmt.relation!.inh === true, 0);
}

/** rename_constraint_internal(). */
function renameRelationConstraint(
  relid: Oid,
  oldName: string,
  newName: string,
  recurse: boolean,
  expectedParents: number,
): void {
  const rel = relationOpen(relid, LOCK.accessExclusive);
  const row = constraintsOf(relid).find((one) => one.conname === oldName);
  if (row === undefined) {
    fail(SQLSTATE.undefinedObject, `constraint "${oldName}" for table "${rel.name}" does not exist`);
    return;
  }
  if (row.contype === 'c' && !row.connoinherit) {
    if (recurse) {
      for (const { relid: child, parents } of inheritorsWithParents(relid, LOCK.accessExclusive)) {
        if (child !== relid) renameRelationConstraint(child, oldName, newName, false, parents);
      }
    } else if (expectedParents === 0 && children(relid, LOCK.none).length > 0) {
      fail(SQLSTATE.invalidTableDefinition, `inherited constraint "${oldName}" must be renamed in child tables too`);
    }
    if (row.coninhcount > expectedParents) {
      fail(SQLSTATE.invalidTableDefinition, `cannot rename inherited constraint "${oldName}"`);
    }
  }
  const hasIndex = row.conindid !== 0 && 'pux'.includes(row.contype);
  if (hasIndex) renameRelation(row.conindid, newName, true);
  else renameConstraintById(row.oid, newName);
  cacheInvalidateRelcache(relid);
  relationClose(rel, LOCK.none);
  commandCounterIncrement();
}

/** RenameConstraintById(). */
export function renameConstraintById(oid: Oid, newName: string): void {
  const pgConstraint = tableOpen(RELATION.pgConstraint, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.constraint, pgConstraint, 2667 as Oid, [{ attnum: 1, value: oid }]);
  if (found === undefined) report('ERROR', { message: `cache lookup failed for constraint ${oid}` });
  const { conrelid } = found.row;
  if (conrelid !== 0 && constraintsOf(conrelid).some((row) => row.conname === newName)) {
    const table = classRow(conrelid)?.relname ?? '';
    fail(SQLSTATE.duplicateObject, `constraint "${newName}" for relation "${table}" already exists`);
  }
  catalogUpdateColumns(pgConstraint, found.tid, { conname: newName });
  relationClose(pgConstraint, LOCK.rowExclusive);
}
