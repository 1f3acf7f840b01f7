/** attribute-default.ts — pg_attrdef: the default, or generation expression, of a column.
 *  Counterpart: StoreAttrDefault() of src/backend/catalog/heap.c, catalog/pg_attrdef.c */
import type { Oid } from '#base/ids.ts';
import { recordDependencyOnSingleRelExpr } from '#catalog/expr-dependencies.ts';
import { catalogInsert, catalogUpdateColumns, catalogValues } from '#catalog/indexing.ts';
import { getNewOidWithIndex } from '#catalog/new-oid.ts';
import { objectAddress } from '#catalog/object-address.ts';
import { RELATION } from '#catalog/oids.ts';
import { recordDependencyOn } from '#catalog/pg-depend.ts';
import { performDeletion, type DropBehavior } from '#catalog/dependency.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { type CatalogTuple, findCatalogTuples } from '#catalog/systable.ts';
import type { AttributeRow } from '#catalog/rows.ts';
import type { RelationData } from '#catalog/relcache.ts';
import { nodeToString } from '#nodes/node-text.ts';
import type { Expr } from '#nodes/primitives.ts';
import { report } from '#runtime/error/report.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';

const ATTRDEF_OID_INDEX = 2657 as Oid;
const ATTRDEF_INDEX = 2656 as Oid;

/** The pg_attribute row of a column, to change it. */
export function attributeTuple(pgAttribute: RelationData, relid: Oid, attnum: number): CatalogTuple<AttributeRow> {
  const [found] = findCatalogTuples(store.attribute, pgAttribute, 2659 as Oid, [
    { attnum: 1, value: relid },
    { attnum: pgAttribute.tupleDesc.attributeIndex('attnum') + 1, value: attnum },
  ]);
  if (found === undefined) {
    report('ERROR', { message: `cache lookup failed for attribute ${attnum} of relation ${relid}` });
  }
  return found;
}
/** Changes columns of a column's pg_attribute row. */
export function updateAttribute(relid: Oid, attnum: number, changes: Parameters<typeof catalogUpdateColumns>[2]): void {
  const pgAttribute = tableOpen(RELATION.pgAttribute, LOCK.rowExclusive);
  catalogUpdateColumns(pgAttribute, attributeTuple(pgAttribute, relid, attnum).tid, changes);
  relationClose(pgAttribute, LOCK.rowExclusive);
}

/** StoreAttrDefault(): also notes in pg_attribute that there is one. Returns pg_attrdef.oid. */
export function storeAttributeDefault(relid: Oid, attnum: number, expr: Expr, generated: boolean): Oid {
  const pgAttrdef = tableOpen(RELATION.pgAttrdef, LOCK.rowExclusive);
  const oid = getNewOidWithIndex(pgAttrdef, ATTRDEF_OID_INDEX);
  catalogInsert(pgAttrdef, catalogValues(pgAttrdef, { oid, adrelid: relid, adnum: attnum, adbin: nodeToString(expr) }));
  relationClose(pgAttrdef, LOCK.rowExclusive);
  const pgAttribute = tableOpen(RELATION.pgAttribute, LOCK.rowExclusive);
  const column = attributeTuple(pgAttribute, relid, attnum);
  if (!column.row.atthasdef) catalogUpdateColumns(pgAttribute, column.tid, { atthasdef: true });
  relationClose(pgAttribute, LOCK.rowExclusive);
  const myself = objectAddress(RELATION.pgAttrdef, oid);
  // A generated column is nothing without its expression.
  recordDependencyOn(myself, objectAddress(RELATION.pgClass, relid, attnum), generated ? 'i' : 'a');
  recordDependencyOnSingleRelExpr(myself, [expr], relid, 'n', 'n');
  return oid;
}

/** RemoveAttrDefault(): the default of one column, if it has one. */
export function removeAttributeDefault(relid: Oid, attnum: number, behavior: DropBehavior, internal: boolean): void {
  const oid = attributeDefaultOid(relid, attnum);
  if (oid !== 0) performDeletion(objectAddress(RELATION.pgAttrdef, oid), behavior, internal ? { internal: true } : {});
}
/** GetAttrDefaultOid(), 0 if there is none. */
export function attributeDefaultOid(relid: Oid, attnum: number): Oid {
  const pgAttrdef = tableOpen(RELATION.pgAttrdef, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.attrdef, pgAttrdef, ATTRDEF_INDEX, [
    { attnum: 2, value: relid },
    { attnum: 3, value: attnum },
  ]);
  relationClose(pgAttrdef, LOCK.rowExclusive);
  return found?.row.oid ?? (0 as Oid);
}
