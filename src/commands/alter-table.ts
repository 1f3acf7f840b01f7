/** alter-table.ts — ALTER TABLE: one statement, several commands, each in its pass; rows are looked at once at the end.
 *
 *  Drops go first, then new columns, then constraints, as later commands may need what earlier ones made.
 *  Counterpart: AlterTable() and ATController() of src/backend/commands/tablecmds.c */
import type { AlterTableCmd, AlterTableStmt, ColumnDef, Node } from '@pgsql/types';
import { heapDeform } from '#access/common/heap-tuple.ts';
import { heapBeginScan } from '#access/heap/heap-scan.ts';
import type { ArrayDatum, Datum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { removeAttributeDefault, updateAttribute } from '#catalog/attribute-default.ts';
import { checkAttributeType, isSystemColumnName } from '#catalog/attribute-checks.ts';
import { type DropBehavior, performDeletion } from '#catalog/dependency.ts';
import { insertPgAttributeTuples, recordColumnDependencies } from '#catalog/heap.ts';
import { CatalogIndexes, catalogUpdateColumns } from '#catalog/indexing.ts';
import { cacheInvalidateRelcache } from '#catalog/inval.ts';
import { children } from '#catalog/inheritors.ts';
import { objectAddress } from '#catalog/object-address.ts';
import { checkRelationOwner } from '#catalog/object-rights.ts';
import { RELATION, TYPE } from '#catalog/oids.ts';
import { rangeVarGetRelid } from '#catalog/range-var.ts';
import type { RelationData } from '#catalog/relcache.ts';
import { relationClose, relationOpen, tableOpen } from '#catalog/relation.ts';
import { type ConstraintRow, store } from '#catalog/rows.ts';
import { classRow, constraintsOf, indexesOf, namespaceRow, typeRow } from '#catalog/syscache.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { checkTableNotInUse } from '#catalog/table-in-use.ts';
import { createToastTable } from '#catalog/toasting.ts';
import { attributeOfColumn } from '#commands/column-definition.ts';
import { addRelationNewConstraints } from '#commands/cook-constraint.ts';
import { defineIndex, refuseSecondPrimaryKey } from '#commands/define-index.ts';
import { addForeignKeys, validateForeignKey } from '#commands/foreign-key.ts';
import { processNested } from '#commands/nested-utility.ts';
import { transformRelOptions, validateRelOptions } from '#commands/rel-options.ts';
import { finishKeys, tableElements } from '#commands/table-elements.ts';
import { containsVolatile } from '#commands/volatility.ts';
import { type EState, type Eval, ExprContext } from '#executor/estate.ts';
import { compileOver } from '#executor/stored-expr.ts';
import { stringToNode } from '#nodes/node-text.ts';
import type { Expr } from '#nodes/primitives.ts';
import { makeParseState } from '#parser/parse-state.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK, type LockMode } from '#storage/lmgr/lock-modes.ts';
import { getLatestSnapshot, registerSnapshot, unregisterSnapshot } from '#transam/snapshot.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

/** What phase 3 must find true of every row. */
interface RowChecks {
  readonly notNull: Set<number>;
  readonly checks: { readonly name: string; readonly expr: Expr }[];
}
interface Work {
  readonly relid: Oid;
  readonly sourceText: string;
  readonly rows: RowChecks;
}

const LIGHT_LOCKS: ReadonlySet<string> = new Set([
  'AT_SetRelOptions',
  'AT_ResetRelOptions',
  'AT_SetStatistics',
  'AT_ValidateConstraint',
  'AT_SetOptions',
  'AT_ResetOptions',
]);
function lockOf(commands: readonly AlterTableCmd[]): LockMode {
  let lock: LockMode = LOCK.shareUpdateExclusive;
  for (const command of commands) {
    const def = command.def;
    const isForeignKey =
      command.subtype === 'AT_AddConstraint' &&
      def !== undefined &&
      'Constraint' in def &&
      def.Constraint.contype === 'CONSTR_FOREIGN';
    const needed: LockMode = LIGHT_LOCKS.has(command.subtype ?? '')
      ? LOCK.shareUpdateExclusive
      : isForeignKey
        ? LOCK.shareRowExclusive
        : LOCK.accessExclusive;
    if (needed > lock) lock = needed;
  }
  return lock;
}

/** Order of execution: drops, columns, constraints and the rest. */
const PASS: Readonly<Record<string, number>> = {
  AT_DropColumn: 0,
  AT_DropConstraint: 0,
  AT_AddColumn: 1,
  AT_SetNotNull: 2,
  AT_DropNotNull: 0,
  AT_ColumnDefault: 2,
  AT_AddConstraint: 3,
};

export function alterTableStatement(stmt: AlterTableStmt, sourceText: string): void {
  const commands = (stmt.cmds ?? []).flatMap((node) => ('AlterTableCmd' in node ? [node.AlterTableCmd] : []));
  const { catalogname, schemaname, relname } = stmt.relation!;
  const lock = lockOf(commands);
  const relid = rangeVarGetRelid(
    { catalog: catalogname, schema: schemaname, name: relname! },
    lock,
    { missingOk: stmt.missing_ok === true },
    (found) => {
      if (found === 0) return;
      const row = classRow(found);
      if (row === undefined) return;
      checkRelationOwner(found);
      if (found < 16384) {
        report('ERROR', {
          code: SQLSTATE.insufficientPrivilege,
          message: `permission denied: "${row.relname}" is a system catalog`,
        });
      }
    },
  );
  if (relid === 0) {
    report('NOTICE', { message: `relation "${relname}" does not exist, skipping` });
    return;
  }
  if (stmt.objtype !== 'OBJECT_TABLE' || classRow(relid)?.relkind !== 'r') {
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: `ALTER of relation "${relname}" in this way is not supported yet`,
    });
  }
  const rel = tableOpen(relid, LOCK.none);
  checkTableNotInUse(rel, 'ALTER TABLE');
  relationClose(rel, LOCK.none);
  const work: Work = { relid, sourceText, rows: { notNull: new Set(), checks: [] } };
  for (let pass = 0; pass <= 4; pass++) {
    for (const command of commands) {
      if ((PASS[command.subtype ?? ''] ?? 4) !== pass) continue;
      run(work, command, stmt.relation!.inh === true);
      commandCounterIncrement();
    }
  }
  checkRows(work);
  createToastTable(relid, null, lock);
}

const attributeOf = (rel: RelationData, name: string): number => {
  const at = rel.tupleDesc.attributeIndex(name);
  if (at < 0) {
    if (isSystemColumnName(name)) {
      report('ERROR', { code: SQLSTATE.featureNotSupported, message: `cannot alter system column "${name}"` });
    }
    report('ERROR', {
      code: SQLSTATE.undefinedColumn,
      message: `column "${name}" of relation "${rel.name}" does not exist`,
    });
  }
  return at + 1;
};

function run(work: Work, command: AlterTableCmd, recurse: boolean): void {
  const rel = relationOpen(work.relid, LOCK.none);
  const behavior: DropBehavior = command.behavior === 'DROP_CASCADE' ? 'cascade' : 'restrict';
  try {
    if (recurse && CHANGES_CHILDREN.has(command.subtype ?? '') && children(rel.oid, LOCK.none).length > 0) {
      report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: 'this ALTER TABLE of a table with children is not supported yet',
      });
    }
    switch (command.subtype) {
      case 'AT_AddColumn':
        addColumn(work, rel, (command.def as { ColumnDef: ColumnDef }).ColumnDef, command.missing_ok === true);
        return;
      case 'AT_DropColumn':
        dropColumn(rel, command.name ?? '', behavior, command.missing_ok === true);
        return;
      case 'AT_ColumnDefault':
        columnDefault(work, rel, command.name ?? '', command.def);
        return;
      case 'AT_SetNotNull':
        setNotNull(work, rel, attributeOf(rel, command.name ?? ''));
        return;
      case 'AT_DropNotNull':
        dropNotNull(rel, attributeOf(rel, command.name ?? ''));
        return;
      case 'AT_AddConstraint':
        addConstraint(work, rel, command.def!);
        return;
      case 'AT_DropConstraint':
        dropConstraint(rel, command.name ?? '', behavior, command.missing_ok === true);
        return;
      case 'AT_ValidateConstraint':
        validateConstraint(work, rel, command.name ?? '');
        return;
      case 'AT_SetRelOptions':
      case 'AT_ResetRelOptions':
        setOptions(rel, command);
        return;
      case 'AT_SetStatistics': {
        const target = (command.def as { Integer?: { ival?: number } } | undefined)?.Integer?.ival ?? 0;
        updateAttribute(rel.oid, attributeOf(rel, command.name ?? ''), { attstattarget: Math.min(target, 10000) });
        return;
      }
      default:
        report('ERROR', {
          code: SQLSTATE.featureNotSupported,
          message: `ALTER TABLE ... ${(command.subtype ?? '').replace(/^AT_/, '')} is not supported yet`,
        });
    }
  } finally {
    relationClose(rel, LOCK.none);
  }
}
const CHANGES_CHILDREN: ReadonlySet<string> = new Set([
  'AT_AddColumn',
  'AT_DropColumn',
  'AT_SetNotNull',
  'AT_DropNotNull',
  'AT_AddConstraint',
  'AT_DropConstraint',
  'AT_ColumnDefault',
]);

// ── columns ──────────────────────────────────────────────────────────────────────────────────────────────────────

function addColumn(work: Work, rel: RelationData, def: ColumnDef, ifNotExists: boolean): void {
  const name = def.colname ?? '';
  if (rel.tupleDesc.attributeIndex(name) >= 0) {
    const message = `column "${name}" of relation "${rel.name}" already exists`;
    if (!ifNotExists) report('ERROR', { code: SQLSTATE.duplicateColumn, message });
    report('NOTICE', { code: SQLSTATE.duplicateColumn, message: `${message}, skipping` });
    return;
  }
  if (isSystemColumnName(name)) {
    report('ERROR', {
      code: SQLSTATE.duplicateColumn,
      message: `column name "${name}" conflicts with a system column name`,
    });
  }
  const p = makeParseState(null, work.sourceText);
  const relation = { relname: rel.name, relpersistence: rel.persistence };
  const elements = tableElements(p, relation, rel.namespace, [{ ColumnDef: def }], {
    isAlter: true,
    known: (column) => rel.tupleDesc.attributeIndex(column) >= 0,
  });
  finishKeys(elements);
  for (const node of elements.before) processNested(node, work.sourceText);
  const [column] = elements.columns;
  const attnum = rel.tupleDesc.natts + 1;
  const made = attributeOfColumn(p, column!, attnum);
  checkAttributeType(name, made.typeId, made.collation, []);
  const pgClass = tableOpen(RELATION.pgClass, LOCK.rowExclusive);
  const [row] = findCatalogTuples(store.class, pgClass, 2662 as Oid, [{ attnum: 1, value: rel.oid }]);
  const pgAttribute = tableOpen(RELATION.pgAttribute, LOCK.rowExclusive);
  const indexes = new CatalogIndexes(pgAttribute);
  insertPgAttributeTuples(pgAttribute, rel.oid, [made], indexes);
  indexes.close();
  relationClose(pgAttribute, LOCK.rowExclusive);
  catalogUpdateColumns(pgClass, row!.tid, { relnatts: attnum });
  relationClose(pgClass, LOCK.rowExclusive);
  commandCounterIncrement();
  recordColumnDependencies(rel.oid, made);
  if (column!.raw_default !== undefined) {
    const { defaults } = addRelationNewConstraints(
      rel,
      [{ attnum, raw: column!.raw_default, generated: made.generated !== '' }],
      [],
      { allowMerge: false, isLocal: true },
      work.sourceText,
    );
    const [added] = defaults;
    if (added !== undefined) setMissingValue(rel, attnum, added.expr, made.generated !== '');
  } else if (made.notNull) work.rows.notNull.add(attnum);
  if (typeRow(made.typeId)?.typtype === 'd' && store.constraint.by('contypid', made.typeId).length > 0) {
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: 'adding a column of a domain with constraints is not supported yet',
    });
  }
  if (elements.checks.length > 0) {
    const { checks } = addRelationNewConstraints(
      rel,
      [],
      elements.checks,
      { allowMerge: false, isLocal: true },
      work.sourceText,
    );
    for (const check of checks) if (!check.skipValidation) work.rows.checks.push(check);
  }
  for (const index of elements.indexes) defineIndex(rel.oid, { ...index }, work.sourceText);
  addForeignKeys(rel.oid, elements.foreignKeys, work.sourceText, { isNew: false });
  for (const node of elements.after) processNested(node, work.sourceText);
}
/** Old rows get the default without being touched, if it is one value for all of them. */
function setMissingValue(rel: RelationData, attnum: number, expr: Expr, generated: boolean): void {
  if (generated || containsVolatile(expr)) {
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: 'adding a column whose default differs from row to row is not supported yet',
    });
  }
  const value = compileOver(rel, expr)(new ExprContext(null as unknown as EState));
  if (value === null) return;
  const column = rel.tupleDesc.attrs[attnum - 1]!;
  const missing: ArrayDatum = {
    kind: 'array',
    elementType: column.typeId,
    dims: [1],
    lowerBounds: [1],
    elements: [value],
  };
  updateAttribute(rel.oid, attnum, { atthasmissing: true, attmissingval: missing });
  commandCounterIncrement();
}

function dropColumn(rel: RelationData, name: string, behavior: DropBehavior, missingOk: boolean): void {
  const at = rel.tupleDesc.attributeIndex(name);
  if (at < 0) {
    if (isSystemColumnName(name)) {
      report('ERROR', { code: SQLSTATE.featureNotSupported, message: `cannot drop system column "${name}"` });
    }
    const message = `column "${name}" of relation "${rel.name}" does not exist`;
    if (!missingOk) report('ERROR', { code: SQLSTATE.undefinedColumn, message });
    report('NOTICE', { message: `${message}, skipping` });
    return;
  }
  if (rel.tupleDesc.attrs[at]!.inhCount > 0) {
    report('ERROR', {
      code: SQLSTATE.invalidTableDefinition,
      message: `cannot drop inherited column "${name}"`,
    });
  }
  performDeletion(objectAddress(RELATION.pgClass, rel.oid, at + 1), behavior);
}

function columnDefault(work: Work, rel: RelationData, name: string, def: Node | undefined): void {
  const attnum = attributeOf(rel, name);
  const column = rel.tupleDesc.attrs[attnum - 1]!;
  if (column.identity !== '') {
    report('ERROR', {
      code: SQLSTATE.syntaxError,
      message: `column "${name}" of relation "${rel.name}" is an identity column`,
      ...(def === undefined ? { hint: 'Use ALTER TABLE ... ALTER COLUMN ... DROP IDENTITY instead.' } : {}),
    });
  }
  if (column.generated !== '') {
    report('ERROR', {
      code: SQLSTATE.syntaxError,
      message: `column "${name}" of relation "${rel.name}" is a generated column`,
      ...(def === undefined ? { hint: 'Use ALTER TABLE ... ALTER COLUMN ... DROP EXPRESSION instead.' } : {}),
    });
  }
  removeAttributeDefault(rel.oid, attnum, 'restrict', def !== undefined);
  if (def === undefined) return;
  commandCounterIncrement();
  addRelationNewConstraints(
    rel,
    [{ attnum, raw: def, generated: false }],
    [],
    { allowMerge: false, isLocal: true },
    work.sourceText,
  );
}

function setNotNull(work: Work, rel: RelationData, attnum: number): void {
  if (rel.tupleDesc.attrs[attnum - 1]!.notNull) return;
  updateAttribute(rel.oid, attnum, { attnotnull: true });
  commandCounterIncrement();
  work.rows.notNull.add(attnum);
}
function dropNotNull(rel: RelationData, attnum: number): void {
  const column = rel.tupleDesc.attrs[attnum - 1]!;
  if (!column.notNull) return;
  if (column.identity !== '') {
    report('ERROR', {
      code: SQLSTATE.syntaxError,
      message: `column "${column.name}" of relation "${rel.name}" is an identity column`,
    });
  }
  for (const row of indexesOf(rel.oid)) {
    const isKey = row.indkey.slice(0, row.indnkeyatts).includes(attnum);
    if (isKey && row.indisprimary) {
      report('ERROR', {
        code: SQLSTATE.invalidTableDefinition,
        message: `column "${column.name}" is in a primary key`,
      });
    }
    if (isKey && row.indisreplident) {
      report('ERROR', {
        code: SQLSTATE.invalidTableDefinition,
        message: `column "${column.name}" is in index used as replica identity`,
      });
    }
  }
  updateAttribute(rel.oid, attnum, { attnotnull: false });
}

// ── constraints ──────────────────────────────────────────────────────────────────────────────────────────────────

function addConstraint(work: Work, rel: RelationData, def: Node): void {
  const p = makeParseState(null, work.sourceText);
  const relation = { relname: rel.name, relpersistence: rel.persistence };
  const elements = tableElements(p, relation, rel.namespace, [def], {
    isAlter: true,
    known: (column) => rel.tupleDesc.attributeIndex(column) >= 0,
  });
  finishKeys(elements);
  for (const index of elements.indexes) {
    if (index.primary) {
      refuseSecondPrimaryKey(rel);
      for (const element of index.params) setNotNull(work, rel, attributeOf(rel, element.name ?? ''));
      // Rows are looked at before the index is built, so that the error is about the nulls.
      checkRows(work);
    }
    defineIndex(rel.oid, { ...index, isAlterTable: false }, work.sourceText);
  }
  if (elements.checks.length > 0) {
    const { checks } = addRelationNewConstraints(
      rel,
      [],
      elements.checks,
      { allowMerge: false, isLocal: true },
      work.sourceText,
    );
    for (const check of checks) if (!check.skipValidation) work.rows.checks.push(check);
  }
  addForeignKeys(rel.oid, elements.foreignKeys, work.sourceText, { isNew: false });
}

function findConstraint(rel: RelationData, name: string): ConstraintRow | undefined {
  return constraintsOf(rel.oid).find((row) => row.conname === name);
}
const noConstraint = (rel: RelationData, name: string): string =>
  `constraint "${name}" of relation "${rel.name}" does not exist`;

function dropConstraint(rel: RelationData, name: string, behavior: DropBehavior, missingOk: boolean): void {
  const row = findConstraint(rel, name);
  if (row === undefined) {
    if (!missingOk) report('ERROR', { code: SQLSTATE.undefinedObject, message: noConstraint(rel, name) });
    report('NOTICE', { message: `${noConstraint(rel, name)}, skipping` });
    return;
  }
  if (row.coninhcount > 0) {
    report('ERROR', {
      code: SQLSTATE.invalidTableDefinition,
      message: `cannot drop inherited constraint "${name}" of relation "${rel.name}"`,
    });
  }
  if (row.contype === 'f' && row.confrelid !== rel.oid) {
    const other = tableOpen(row.confrelid, LOCK.accessExclusive);
    checkTableNotInUse(other, 'ALTER TABLE');
    relationClose(other, LOCK.none);
  }
  performDeletion(objectAddress(RELATION.pgConstraint, row.oid), behavior);
}

function validateConstraint(work: Work, rel: RelationData, name: string): void {
  const row = findConstraint(rel, name);
  if (row === undefined) report('ERROR', { code: SQLSTATE.undefinedObject, message: noConstraint(rel, name) });
  if (row.contype !== 'f' && row.contype !== 'c') {
    report('ERROR', {
      code: SQLSTATE.wrongObjectType,
      message: `constraint "${name}" of relation "${rel.name}" is not a foreign key or check constraint`,
    });
  }
  if (row.convalidated) return;
  if (row.contype === 'f') validateForeignKey(rel, row.oid);
  else work.rows.checks.push({ name, expr: stringToNode(row.conbin!) as Expr });
  const pgConstraint = tableOpen(RELATION.pgConstraint, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.constraint, pgConstraint, 2667 as Oid, [{ attnum: 1, value: row.oid }]);
  catalogUpdateColumns(pgConstraint, found!.tid, { convalidated: true });
  relationClose(pgConstraint, LOCK.rowExclusive);
  cacheInvalidateRelcache(rel.oid);
}

// ── options ──────────────────────────────────────────────────────────────────────────────────────────────────────

const textArray = (elements: readonly string[] | null): ArrayDatum | null =>
  elements === null
    ? null
    : { kind: 'array', elementType: TYPE.text, dims: [elements.length], lowerBounds: [1], elements };

function setOptions(rel: RelationData, command: AlterTableCmd): void {
  const items = (command.def as { List?: { items?: Node[] } } | undefined)?.List?.items ?? [];
  const isReset = command.subtype === 'AT_ResetRelOptions';
  const pgClass = tableOpen(RELATION.pgClass, LOCK.rowExclusive);
  const change = (relid: Oid, namespace: string | null, family: 'heap' | 'toast'): void => {
    const [found] = findCatalogTuples(store.class, pgClass, 2662 as Oid, [{ attnum: 1, value: relid }]);
    if (found === undefined) report('ERROR', { message: `cache lookup failed for relation ${relid}` });
    const options = transformRelOptions(found.row.reloptions, items, namespace, ['toast'], isReset);
    validateRelOptions(family, options);
    catalogUpdateColumns(pgClass, found.tid, { reloptions: textArray(options) });
  };
  change(rel.oid, null, 'heap');
  if (rel.toastRelid !== 0) change(rel.toastRelid, 'toast', 'toast');
  relationClose(pgClass, LOCK.rowExclusive);
}

// ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** ATRewriteTable() without rewriting: every row must satisfy what was added. */
function checkRows(work: Work): void {
  const { notNull, checks } = work.rows;
  if (notNull.size === 0 && checks.length === 0) return;
  const rel = relationOpen(work.relid, LOCK.none);
  const context = new ExprContext(null as unknown as EState);
  const compiled = checks.map(({ name, expr }): { name: string; test: Eval } => ({
    name,
    test: compileOver(rel, expr),
  }));
  const snapshot = registerSnapshot(getLatestSnapshot());
  const scan = heapBeginScan(rel, snapshot, [], { allowStrat: true, allowSync: true, allowPagemode: true });
  const row: Datum[] = [];
  try {
    while (scan.next(1)) {
      heapDeform(rel.tupleDesc, scan.tupleAt, rel.tupleDesc.natts, row);
      for (const attnum of notNull) {
        if (row[attnum - 1] !== null) continue;
        const column = rel.tupleDesc.attrs[attnum - 1]!.name;
        report('ERROR', {
          code: SQLSTATE.notNullViolation,
          message: `column "${column}" of relation "${rel.name}" contains null values`,
          schema: namespaceRow(rel.namespace)?.nspname,
          table: rel.name,
          column,
        });
      }
      context.scan = row;
      for (const { name, test } of compiled) {
        if (test(context) !== false) continue;
        report('ERROR', {
          code: SQLSTATE.checkViolation,
          message: `check constraint "${name}" of relation "${rel.name}" is violated by some row`,
          schema: namespaceRow(rel.namespace)?.nspname,
          table: rel.name,
          constraint: name,
        });
      }
    }
  } finally {
    scan.end();
    unregisterSnapshot(snapshot);
  }
  notNull.clear();
  checks.length = 0;
  relationClose(rel, LOCK.none);
}
