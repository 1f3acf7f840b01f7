/** alter-inherit.ts — ALTER TABLE … INHERIT, NO INHERIT.
 *  Counterpart: ATExecAddInherit(), ATExecDropInherit(), MergeAttributesIntoExisting() … of
 *  src/backend/commands/tablecmds.c */
import type { RangeVar } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { updateAttribute } from '#catalog/attribute-default.ts';
import { catalogDelete, catalogUpdateColumns } from '#catalog/indexing.ts';
import { cacheInvalidateRelcache } from '#catalog/inval.ts';
import { allInheritors } from '#catalog/inheritors.ts';
import { objectAddress } from '#catalog/object-address.ts';
import { checkRelationOwner } from '#catalog/object-rights.ts';
import { RELATION } from '#catalog/oids.ts';
import { dependenciesOf } from '#catalog/pg-depend.ts';
import { rangeVarGetRelid } from '#catalog/range-var.ts';
import type { RelationData } from '#catalog/relcache.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { type ConstraintRow, store } from '#catalog/rows.ts';
import { constraintsOf } from '#catalog/syscache.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { relationName } from '#commands/alter-relation-check.ts';
import { remapVars, storeOneParent } from '#commands/inherit.ts';
import { equal } from '#nodes/node-funcs.ts';
import { stringToNode } from '#nodes/node-text.ts';
import type { Expr } from '#nodes/primitives.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE, type SqlState } from '#runtime/error/sqlstate.ts';
import { LOCK, type LockMode } from '#storage/lmgr/lock-modes.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

const fail = (code: SqlState, message: string, detail?: string): never =>
  report('ERROR', { code, message, ...(detail === undefined ? {} : { detail }) });

const openParent = (of: RangeVar, mode: LockMode): RelationData =>
  tableOpen(rangeVarGetRelid(relationName(of), mode, {}), LOCK.none);

export function addInherit(rel: RelationData, of: RangeVar): void {
  if (rel.isPartition) fail(SQLSTATE.wrongObjectType, 'cannot change inheritance of a partition');
  const parent = openParent(of, LOCK.shareUpdateExclusive);
  checkRelationOwner(parent.oid);
  if (parent.kind !== 'r' && parent.kind !== 'f') {
    fail(SQLSTATE.wrongObjectType, `inherited relation "${parent.name}" is not a table or foreign table`);
  }
  if (parent.persistence === 't' && rel.persistence !== 't') {
    fail(SQLSTATE.wrongObjectType, `cannot inherit from temporary relation "${parent.name}"`);
  }
  if (parent.persistence === 't' && !parent.isLocalTemp) {
    fail(SQLSTATE.wrongObjectType, 'cannot inherit from temporary relation of another session');
  }
  const links = store.inherits.by('inhrelid', rel.oid);
  if (links.some((row) => row.inhparent === parent.oid)) {
    fail(SQLSTATE.duplicateTable, `relation "${parent.name}" would be inherited from more than once`);
  }
  if (parent.oid === rel.oid || allInheritors(rel.oid, LOCK.accessShare).includes(parent.oid)) {
    fail(
      SQLSTATE.duplicateTable,
      'circular inheritance not allowed',
      `"${parent.name}" is already a child of "${rel.name}".`,
    );
  }
  mergeColumns(rel, parent);
  mergeConstraints(rel, parent);
  storeOneParent(rel.oid, parent.oid, Math.max(0, ...links.map((row) => row.inhseqno)) + 1);
  cacheInvalidateRelcache(parent.oid);
  relationClose(parent, LOCK.none);
}

function mergeColumns(rel: RelationData, parent: RelationData): void {
  for (const column of parent.tupleDesc.attrs) {
    if (column.isDropped) continue;
    const { name } = column;
    const at = rel.tupleDesc.attributeIndex(name);
    if (at < 0) fail(SQLSTATE.datatypeMismatch, `child table is missing column "${name}"`);
    const own = rel.tupleDesc.attrs[at]!;
    if (own.typeId !== column.typeId || own.typmod !== column.typmod) {
      fail(SQLSTATE.datatypeMismatch, `child table "${rel.name}" has different type for column "${name}"`);
    }
    if (own.collation !== column.collation) {
      fail(SQLSTATE.collationMismatch, `child table "${rel.name}" has different collation for column "${name}"`);
    }
    if (column.notNull && !own.notNull) {
      fail(SQLSTATE.datatypeMismatch, `column "${name}" in child table must be marked NOT NULL`);
    }
    if (column.generated !== '' && own.generated === '') {
      fail(SQLSTATE.datatypeMismatch, `column "${name}" in child table must be a generated column`);
    }
    updateAttribute(rel.oid, at + 1, { attinhcount: own.inhCount + 1 });
  }
}

function updateConstraintRow(oid: Oid, changes: Parameters<typeof catalogUpdateColumns>[2]): void {
  const pgConstraint = tableOpen(RELATION.pgConstraint, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.constraint, pgConstraint, 2667 as Oid, [{ attnum: 1, value: oid }]);
  catalogUpdateColumns(pgConstraint, found!.tid, changes);
  relationClose(pgConstraint, LOCK.rowExclusive);
}
const inheritableChecks = (relid: Oid): ConstraintRow[] =>
  constraintsOf(relid).filter((row) => row.contype === 'c' && !row.connoinherit);

function mergeConstraints(rel: RelationData, parent: RelationData): void {
  const numbers = new Map<number, number>();
  for (const column of parent.tupleDesc.attrs) {
    if (!column.isDropped) numbers.set(column.number, rel.tupleDesc.attributeIndex(column.name) + 1);
  }
  for (const row of inheritableChecks(parent.oid)) {
    const own = constraintsOf(rel.oid).find((one) => one.contype === 'c' && one.conname === row.conname);
    if (own === undefined) {
      fail(SQLSTATE.datatypeMismatch, `child table is missing constraint "${row.conname}"`);
      return;
    }
    const wanted = remapVars(stringToNode(row.conbin!) as Expr, numbers);
    if (own.condeferrable !== row.condeferrable || !equal(wanted, stringToNode(own.conbin!) as Expr)) {
      fail(
        SQLSTATE.datatypeMismatch,
        `child table "${rel.name}" has different definition for check constraint "${row.conname}"`,
      );
    }
    if (own.connoinherit) {
      fail(
        SQLSTATE.invalidObjectDefinition,
        `constraint "${row.conname}" conflicts with non-inherited constraint on child table "${rel.name}"`,
      );
    }
    if (row.convalidated && !own.convalidated) {
      fail(
        SQLSTATE.invalidObjectDefinition,
        `constraint "${row.conname}" conflicts with NOT VALID constraint on child table "${rel.name}"`,
      );
    }
    updateConstraintRow(own.oid, { coninhcount: own.coninhcount + 1 });
  }
}

/** RemoveInheritance(): columns and constraints stay, as the child's own if no other parent has them. */
export function dropInherit(rel: RelationData, of: RangeVar): void {
  if (rel.isPartition) fail(SQLSTATE.wrongObjectType, 'cannot change inheritance of a partition');
  const parent = openParent(of, LOCK.accessShare);
  const pgInherits = tableOpen(RELATION.pgInherits, LOCK.rowExclusive);
  const link = findCatalogTuples(store.inherits, pgInherits, 2680 as Oid, [{ attnum: 1, value: rel.oid }]).find(
    ({ row }) => row.inhparent === parent.oid,
  );
  if (link === undefined) {
    fail(SQLSTATE.undefinedTable, `relation "${parent.name}" is not a parent of relation "${rel.name}"`);
    return;
  }
  catalogDelete(pgInherits, link.tid);
  relationClose(pgInherits, LOCK.rowExclusive);
  for (const column of rel.tupleDesc.attrs) {
    if (column.isDropped || column.inhCount <= 0) continue;
    if (parent.tupleDesc.attributeIndex(column.name) < 0) continue;
    updateAttribute(rel.oid, column.number, {
      attinhcount: column.inhCount - 1,
      ...(column.inhCount === 1 ? { attislocal: true } : {}),
    });
  }
  const inherited = new Set(inheritableChecks(parent.oid).map((row) => row.conname));
  for (const row of constraintsOf(rel.oid)) {
    if (row.contype !== 'c' || row.coninhcount <= 0 || !inherited.has(row.conname)) continue;
    updateConstraintRow(row.oid, {
      coninhcount: row.coninhcount - 1,
      ...(row.coninhcount === 1 ? { conislocal: true } : {}),
    });
  }
  const depend = tableOpen(RELATION.pgDepend, LOCK.rowExclusive);
  for (const { tid, row } of dependenciesOf(depend, objectAddress(RELATION.pgClass, rel.oid))) {
    const isLink =
      row.objsubid === 0 && row.refclassid === RELATION.pgClass && row.refobjid === parent.oid && row.refobjsubid === 0;
    if (isLink && row.deptype === 'n') catalogDelete(depend, tid);
  }
  relationClose(depend, LOCK.rowExclusive);
  cacheInvalidateRelcache(parent.oid);
  cacheInvalidateRelcache(rel.oid);
  relationClose(parent, LOCK.none);
  commandCounterIncrement();
}
