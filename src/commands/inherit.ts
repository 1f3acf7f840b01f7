/** inherit.ts — columns and constraints that a table takes from its parents.
 *  Counterpart: MergeAttributes(), StoreCatalogInheritance() of src/backend/commands/tablecmds.c */
import type { Node } from '@pgsql/types';
import type { Attribute } from '#access/common/relation-descriptor.ts';
import type { Oid } from '#base/ids.ts';
import { storeAttributeDefault } from '#catalog/attribute-default.ts';
import { constraintsOfRelation } from '#catalog/constraints.ts';
import { formatTypeWithTypmod } from '#catalog/format-type.ts';
import { catalogInsert, catalogUpdateColumns, catalogValues } from '#catalog/indexing.ts';
import { cacheInvalidateRelcache } from '#catalog/inval.ts';
import { objectAddress } from '#catalog/object-address.ts';
import { checkRelationOwner } from '#catalog/object-rights.ts';
import { RELATION } from '#catalog/oids.ts';
import { recordDependencyOn } from '#catalog/pg-depend.ts';
import { rangeVarGetRelid } from '#catalog/range-var.ts';
import type { RelationData } from '#catalog/relcache.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { collationRow } from '#catalog/syscache.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { type RawCheck, setCheckCount } from '#commands/cook-constraint.ts';
import type { IndexRequest } from '#commands/define-index.ts';
import { nodeToString, stringToNode } from '#nodes/node-text.ts';
import type { Expr } from '#nodes/primitives.ts';
import { mapChildren } from '#nodes/visit.ts';
import { type ParseState, positionOf } from '#parser/parse-state.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';

export interface Inherited {
  readonly parents: readonly Oid[];
  /** Merged columns of the parents, numbered as the child has them. */
  readonly columns: readonly Attribute[];
  readonly checks: readonly RawCheck[];
  /** The child's whole list of columns. */
  merge(own: readonly Attribute[], keys: readonly IndexRequest[]): Attribute[];
  /** Defaults of inherited columns that the child does not replace. */
  storeDefaults(child: RelationData, replaced: readonly string[]): void;
}

/** Vars renumbered by the parent's → child's numbers. */
export function remapVars(expr: Expr, numbers: ReadonlyMap<number, number>): Expr {
  if (expr.kind === 'Var' && expr.varlevelsup === 0 && expr.varattno > 0) {
    const to = numbers.get(expr.varattno) ?? expr.varattno;
    return { ...expr, varattno: to, varattnosyn: to };
  }
  return mapChildren(expr, (child) => remapVars(child, numbers));
}

interface InheritedDefault {
  readonly column: string;
  readonly text: string;
  readonly generated: boolean;
}

export function inheritColumns(p: ParseState, relations: readonly Node[], persistence: string): Inherited {
  const parents: Oid[] = [];
  const columns: Attribute[] = [];
  const checks: RawCheck[] = [];
  const defaults: InheritedDefault[] = [];
  for (const node of relations) {
    if (!('RangeVar' in node)) continue;
    const { catalogname, schemaname, relname, location } = node.RangeVar;
    const relid = rangeVarGetRelid(
      { catalog: catalogname, schema: schemaname, name: relname! },
      LOCK.shareUpdateExclusive,
      { position: positionOf(p, location ?? 0) },
    );
    if (parents.includes(relid)) {
      report('ERROR', {
        code: SQLSTATE.duplicateTable,
        message: `relation "${relname}" would be inherited from more than once`,
      });
    }
    parents.push(relid);
    const parent = tableOpen(relid, LOCK.none);
    checkParent(parent, persistence);
    takeColumns(parent, columns, checks, defaults);
    relationClose(parent, LOCK.none);
  }
  return {
    parents,
    columns,
    checks,
    merge: (own, keys) => mergeOwn(columns, own, keys),
    storeDefaults(child, replaced) {
      const live = defaults.filter(({ column }) => !replaced.includes(column));
      for (const { column, text, generated } of live) {
        const at = child.tupleDesc.attributeIndex(column);
        storeAttributeDefault(child.oid, at + 1, stringToNode(text) as Expr, generated);
      }
      if (live.length > 0) setCheckCount(child, child.checks);
    },
  };
}

function checkParent(parent: RelationData, persistence: string): void {
  if (parent.kind === 'p') {
    report('ERROR', {
      code: SQLSTATE.wrongObjectType,
      message: `cannot inherit from partitioned table "${parent.name}"`,
    });
  }
  if (parent.isPartition) {
    report('ERROR', { code: SQLSTATE.wrongObjectType, message: `cannot inherit from partition "${parent.name}"` });
  }
  if (parent.kind !== 'r' && parent.kind !== 'f') {
    report('ERROR', {
      code: SQLSTATE.wrongObjectType,
      message: `inherited relation "${parent.name}" is not a table or foreign table`,
    });
  }
  if (persistence !== 't' && parent.persistence === 't') {
    report('ERROR', {
      code: SQLSTATE.wrongObjectType,
      message: `cannot inherit from temporary relation "${parent.name}"`,
    });
  }
  if (parent.persistence === 't' && !parent.isLocalTemp) {
    report('ERROR', {
      code: SQLSTATE.wrongObjectType,
      message: 'cannot inherit from temporary relation of another session',
    });
  }
  checkRelationOwner(parent.oid);
}

const collationName = (oid: Oid): string => collationRow(oid)?.collname ?? '';
/** The second definition of a column must be the same type. */
function checkSame(name: string, a: Attribute, b: Attribute, inherited: boolean): void {
  const prefix = inherited ? `inherited column "${name}"` : `column "${name}"`;
  const conflict = (what: string, detail: string): never =>
    report('ERROR', { code: SQLSTATE.datatypeMismatch, message: `${prefix} has a ${what}`, detail });
  if (a.typeId !== b.typeId || a.typmod !== b.typmod) {
    conflict(
      'type conflict',
      `${formatTypeWithTypmod(a.typeId, a.typmod)} versus ${formatTypeWithTypmod(b.typeId, b.typmod)}`,
    );
  }
  if (a.collation !== b.collation) {
    report('ERROR', {
      code: SQLSTATE.collationMismatch,
      message: `${prefix} has a collation conflict`,
      detail: `"${collationName(a.collation)}" versus "${collationName(b.collation)}"`,
    });
  }
}

function takeColumns(
  parent: RelationData,
  columns: Attribute[],
  checks: RawCheck[],
  defaults: InheritedDefault[],
): void {
  const numbers = new Map<number, number>();
  for (const column of parent.tupleDesc.attrs) {
    if (column.isDropped) continue;
    const at = columns.findIndex((other) => other.name === column.name);
    if (at >= 0) {
      report('NOTICE', { message: `merging multiple inherited definitions of column "${column.name}"` });
      const old = columns[at]!;
      checkSame(column.name, old, column, true);
      columns[at] = { ...old, inhCount: old.inhCount + 1, notNull: old.notNull || column.notNull };
      numbers.set(column.number, at + 1);
    } else {
      columns.push({
        ...column,
        number: columns.length + 1,
        inhCount: 1,
        isLocal: false,
        hasDef: false,
        hasMissing: false,
        identity: '',
      });
      numbers.set(column.number, columns.length);
    }
  }
  const constraints = constraintsOfRelation(parent);
  for (const [attnum, text] of constraints.defaults) {
    const column = parent.tupleDesc.attrs[attnum - 1]!;
    const mapped = nodeToString(remapVars(stringToNode(text) as Expr, numbers));
    const before = defaults.findIndex((one) => one.column === column.name);
    if (before >= 0 && defaults[before]!.text !== mapped) {
      report('ERROR', {
        code: SQLSTATE.invalidColumnDefinition,
        message: `column "${column.name}" inherits conflicting default values`,
        hint: 'To resolve the conflict, specify a default explicitly.',
      });
    }
    if (before < 0) defaults.push({ column: column.name, text: mapped, generated: column.generated !== '' });
  }
  for (const check of constraints.checks) {
    if (check.noInherit) continue;
    const cooked = nodeToString(remapVars(stringToNode(check.text) as Expr, numbers));
    if (checks.some((other) => other.name === check.name)) continue;
    checks.push({
      name: check.name,
      raw: null,
      cooked,
      skipValidation: true,
      initiallyValid: true,
      noInherit: false,
      isInherited: true,
    });
  }
}

function mergeOwn(
  inherited: readonly Attribute[],
  own: readonly Attribute[],
  keys: readonly IndexRequest[],
): Attribute[] {
  const out = [...inherited];
  for (const column of own) {
    const at = out.findIndex((other) => other.name === column.name);
    if (at < 0 || at >= inherited.length) {
      out.push({ ...column, number: out.length + 1 });
      continue;
    }
    const old = out[at]!;
    report('NOTICE', { message: `merging column "${column.name}" with inherited definition` });
    checkSame(column.name, old, column, false);
    out[at] = {
      ...old,
      isLocal: true,
      notNull: old.notNull || column.notNull,
      identity: column.identity,
      generated: column.generated === '' ? old.generated : column.generated,
    };
  }
  // A primary key over inherited columns makes them NOT NULL.
  const keyColumns = keys.filter((key) => key.primary).flatMap((key) => key.params.map((element) => element.name));
  return out.map((column) => (keyColumns.includes(column.name) ? { ...column, notNull: true } : column));
}

/** StoreCatalogInheritance(). */
export function storeInheritance(relid: Oid, parents: readonly Oid[]): void {
  for (const [i, parent] of parents.entries()) storeOneParent(relid, parent, i + 1);
}
export function storeOneParent(relid: Oid, parent: Oid, sequence: number): void {
  const pgInherits = tableOpen(RELATION.pgInherits, LOCK.rowExclusive);
  catalogInsert(
    pgInherits,
    catalogValues(pgInherits, { inhrelid: relid, inhparent: parent, inhseqno: sequence, inhdetachpending: false }),
  );
  relationClose(pgInherits, LOCK.rowExclusive);
  recordDependencyOn(objectAddress(RELATION.pgClass, relid), objectAddress(RELATION.pgClass, parent), 'n');
  setHasSubclass(parent);
}
function setHasSubclass(relid: Oid): void {
  const pgClass = tableOpen(RELATION.pgClass, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.class, pgClass, 2662 as Oid, [{ attnum: 1, value: relid }]);
  if (found === undefined) report('ERROR', { message: `cache lookup failed for relation ${relid}` });
  if (!found.row.relhassubclass) catalogUpdateColumns(pgClass, found.tid, { relhassubclass: true });
  else cacheInvalidateRelcache(relid);
  relationClose(pgClass, LOCK.rowExclusive);
}
