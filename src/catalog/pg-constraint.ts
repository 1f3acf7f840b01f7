/** pg-constraint.ts — rows of pg_constraint: making and removing them, and what they depend on.
 *  Counterpart: src/backend/catalog/pg_constraint.c */
import type { ArrayDatum, Datum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { type ObjectAddress, objectAddress } from '#catalog/object-address.ts';
import { recordDependencyOnSingleRelExpr } from '#catalog/expr-dependencies.ts';
import { catalogDelete, catalogInsert, catalogUpdateColumns, catalogValues } from '#catalog/indexing.ts';
import { getNewOidWithIndex } from '#catalog/new-oid.ts';
import { RELATION, TYPE } from '#catalog/oids.ts';
import { recordMultipleDependencies } from '#catalog/pg-depend.ts';
import { relationClose, relationOpen, tableOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { constraintsOf, operatorRow } from '#catalog/syscache.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { stringToNode } from '#nodes/node-text.ts';
import type { Expr } from '#nodes/primitives.ts';
import { report } from '#runtime/error/report.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';

const CONSTRAINT_OID_INDEX = 2667 as Oid;
const NO_OID = 0 as Oid;

export interface NewConstraint {
  readonly name: string;
  readonly namespace: Oid;
  readonly type: 'c' | 'f' | 'p' | 'u' | 't' | 'x';
  readonly deferrable?: boolean;
  readonly deferred?: boolean;
  readonly validated?: boolean;
  readonly parent?: Oid;
  readonly relid?: Oid;
  /** Columns; of a key's index the first `keyCount` are key columns. */
  readonly columns?: readonly number[];
  readonly keyCount?: number;
  readonly domain?: Oid;
  readonly index?: Oid;
  readonly foreignRelid?: Oid;
  readonly foreignColumns?: readonly number[];
  readonly pfEqual?: readonly Oid[];
  readonly ppEqual?: readonly Oid[];
  readonly ffEqual?: readonly Oid[];
  readonly onUpdate?: string;
  readonly onDelete?: string;
  readonly deleteSetColumns?: readonly number[];
  readonly match?: string;
  readonly exclusionOperators?: readonly Oid[];
  readonly binary?: string | null;
  readonly isLocal?: boolean;
  readonly inheritCount?: number;
  readonly noInherit?: boolean;
}

const arrayOf = (elementType: Oid, elements: readonly number[] | undefined): Datum =>
  elements === undefined || elements.length === 0
    ? null
    : ({ kind: 'array', elementType, dims: [elements.length], lowerBounds: [1], elements } as ArrayDatum);

/** CreateConstraintEntry(). */
export function createConstraintEntry(of: NewConstraint): Oid {
  const rel = tableOpen(RELATION.pgConstraint, LOCK.rowExclusive);
  const oid = getNewOidWithIndex(rel, CONSTRAINT_OID_INDEX);
  const keyColumns = of.columns?.slice(0, of.keyCount ?? of.columns.length);
  catalogInsert(
    rel,
    catalogValues(rel, {
      oid,
      conname: of.name,
      connamespace: of.namespace,
      contype: of.type,
      condeferrable: of.deferrable ?? false,
      condeferred: of.deferred ?? false,
      convalidated: of.validated ?? true,
      conrelid: of.relid ?? NO_OID,
      contypid: of.domain ?? NO_OID,
      conindid: of.index ?? NO_OID,
      conparentid: of.parent ?? NO_OID,
      confrelid: of.foreignRelid ?? NO_OID,
      confupdtype: of.onUpdate ?? ' ',
      confdeltype: of.onDelete ?? ' ',
      confmatchtype: of.match ?? ' ',
      conislocal: of.isLocal ?? true,
      coninhcount: of.inheritCount ?? 0,
      connoinherit: of.noInherit ?? false,
      conkey: arrayOf(TYPE.int2, keyColumns),
      confkey: arrayOf(TYPE.int2, of.foreignColumns),
      conpfeqop: arrayOf(TYPE.oid, of.pfEqual),
      conppeqop: arrayOf(TYPE.oid, of.ppEqual),
      conffeqop: arrayOf(TYPE.oid, of.ffEqual),
      confdelsetcols: arrayOf(TYPE.int2, of.deleteSetColumns),
      conexclop: arrayOf(TYPE.oid, of.exclusionOperators),
      conbin: of.binary ?? null,
    }),
  );
  recordDependencies(oid, of);
  relationClose(rel, LOCK.rowExclusive);
  return oid;
}

function recordDependencies(oid: Oid, of: NewConstraint): void {
  const myself = objectAddress(RELATION.pgConstraint, oid);
  const automatic: ObjectAddress[] = [];
  const normal: ObjectAddress[] = [];
  if (of.relid !== undefined && of.relid !== 0) {
    if (of.columns !== undefined && of.columns.length > 0) {
      for (const column of of.columns) automatic.push(objectAddress(RELATION.pgClass, of.relid, column));
    } else automatic.push(objectAddress(RELATION.pgClass, of.relid));
  }
  if (of.domain !== undefined && of.domain !== 0) automatic.push(objectAddress(RELATION.pgType, of.domain));
  recordMultipleDependencies(myself, automatic, 'a');
  if (of.foreignRelid !== undefined && of.foreignRelid !== 0) {
    for (const column of of.foreignColumns ?? []) {
      normal.push(objectAddress(RELATION.pgClass, of.foreignRelid, column));
    }
  }
  // The index that a foreign key refers to; of other constraints the index is a part, which the index itself records.
  if (of.index !== undefined && of.index !== 0 && of.type === 'f') {
    normal.push(objectAddress(RELATION.pgClass, of.index));
  }
  if (of.foreignRelid !== undefined && of.foreignRelid !== 0) {
    of.pfEqual?.forEach((operator, i) => {
      normal.push(objectAddress(RELATION.pgOperator, operator));
      const pp = of.ppEqual![i]!;
      const ff = of.ffEqual![i]!;
      if (pp !== operator) normal.push(objectAddress(RELATION.pgOperator, pp));
      if (ff !== operator) normal.push(objectAddress(RELATION.pgOperator, ff));
    });
  }
  recordMultipleDependencies(myself, normal, 'n');
  if (of.binary != null) {
    const expr = stringToNode(of.binary) as Expr;
    recordDependencyOnSingleRelExpr(myself, [expr], of.relid ?? NO_OID, 'n', 'n');
  }
}

/** RemoveConstraintById(). */
export function removeConstraintById(oid: Oid): void {
  const rel = tableOpen(RELATION.pgConstraint, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.constraint, rel, CONSTRAINT_OID_INDEX, [{ attnum: 1, value: oid }]);
  if (found === undefined) report('ERROR', { message: `cache lookup failed for constraint ${oid}` });
  const { conrelid, contype } = found.row;
  if (conrelid !== 0) {
    const table = relationOpen(conrelid, LOCK.accessExclusive);
    if (contype === 'c') changeCheckCount(conrelid, -1);
    relationClose(table, LOCK.none);
  }
  catalogDelete(rel, found.tid);
  relationClose(rel, LOCK.rowExclusive);
}

/** pg_class.relchecks goes up or down. */
export function changeCheckCount(relid: Oid, by: number): void {
  const rel = tableOpen(RELATION.pgClass, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.class, rel, 2662 as Oid, [{ attnum: 1, value: relid }]);
  if (found === undefined) report('ERROR', { message: `cache lookup failed for relation ${relid}` });
  if (found.row.relchecks + by < 0) {
    report('ERROR', { message: `relation "${found.row.relname}" has relchecks = 0` });
  }
  catalogUpdateColumns(rel, found.tid, { relchecks: found.row.relchecks + by });
  relationClose(rel, LOCK.rowExclusive);
}

export const constraintNameIsUsed = (relid: Oid, name: string): boolean =>
  constraintsOf(relid).some((row) => row.conname === name);
/** pg_operator.oprcode. */
export const operatorFunction = (oid: Oid): Oid => operatorRow(oid)?.oprcode ?? NO_OID;
