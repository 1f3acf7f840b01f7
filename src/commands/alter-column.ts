/** alter-column.ts — ALTER TABLE of columns: ADD, DROP, defaults, NOT NULL, storage; with the columns of children.
 *  Counterpart: ATExecAddColumn(), ATExecDropColumn(), ATExecColumnDefault() … of src/backend/commands/tablecmds.c */
import type { AlterTableCmd, ColumnDef, Node } from '@pgsql/types';
import type { Attribute } from '#access/common/relation-descriptor.ts';
import type { ArrayDatum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { checkAttributeType, isSystemColumnName } from '#catalog/attribute-checks.ts';
import { attributeDefaultOid, removeAttributeDefault, updateAttribute } from '#catalog/attribute-default.ts';
import { constraintsOfRelation } from '#catalog/constraints.ts';
import { type DropBehavior, identitySequence, performDeletion } from '#catalog/dependency.ts';
import { formatType } from '#catalog/format-type.ts';
import { columnOfType, insertPgAttributeTuples, recordColumnDependencies } from '#catalog/heap.ts';
import { CatalogIndexes, catalogUpdateColumns } from '#catalog/indexing.ts';
import { children } from '#catalog/inheritors.ts';
import { objectAddress } from '#catalog/object-address.ts';
import { RELATION } from '#catalog/oids.ts';
import { deleteDependencyRecordsForClass } from '#catalog/pg-depend.ts';
import type { RelationData } from '#catalog/relcache.ts';
import { relationClose, relationOpen, tableOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { collationRow, indexesOf, typeRow } from '#catalog/syscache.ts';
import { checkTableNotInUse } from '#catalog/table-in-use.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { alteredTable, type AlterWork } from '#commands/alter-work.ts';
import { addCheckConstraints, addForeignKeysLater } from '#commands/alter-constraint.ts';
import { attributeOfColumn, columnCompression } from '#commands/column-definition.ts';
import { addRelationNewConstraints, type RawCheck } from '#commands/cook-constraint.ts';
import { defineIndex } from '#commands/define-index.ts';
import { processNested } from '#commands/nested-utility.ts';
import { finishKeys, tableElements } from '#commands/table-elements.ts';
import { containsVolatile } from '#commands/volatility.ts';
import { type EState, ExprContext } from '#executor/estate.ts';
import { compileOver } from '#executor/stored-expr.ts';
import type { Expr } from '#nodes/primitives.ts';
import { coerceToDomain } from '#parser/coerce.ts';
import { makeParseState } from '#parser/parse-state.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

const noColumn = (rel: RelationData, name: string): string =>
  `column "${name}" of relation "${rel.name}" does not exist`;

export const attributeOf = (rel: RelationData, name: string): number => {
  const at = rel.tupleDesc.attributeIndex(name);
  if (at < 0) {
    if (isSystemColumnName(name)) {
      report('ERROR', { code: SQLSTATE.featureNotSupported, message: `cannot alter system column "${name}"` });
    }
    report('ERROR', { code: SQLSTATE.undefinedColumn, message: noColumn(rel, name) });
  }
  return at + 1;
};

/** Opens a child for a command that its parent passes on. */
export function withChild(relid: Oid, run: (rel: RelationData) => void): void {
  const rel = relationOpen(relid, LOCK.none);
  checkTableNotInUse(rel, 'ALTER TABLE');
  run(rel);
  relationClose(rel, LOCK.none);
}

// ── ADD COLUMN ───────────────────────────────────────────────────────────────────────────────────────────────────

/** True if the column is there already, which only IF NOT EXISTS allows. */
function exists(rel: RelationData, name: string, ifNotExists: boolean): boolean {
  if (rel.tupleDesc.attributeIndex(name) >= 0) {
    const message = `column "${name}" of relation "${rel.name}" already exists`;
    if (!ifNotExists) report('ERROR', { code: SQLSTATE.duplicateColumn, message });
    report('NOTICE', { code: SQLSTATE.duplicateColumn, message: `${message}, skipping` });
    return true;
  }
  if (isSystemColumnName(name)) {
    report('ERROR', {
      code: SQLSTATE.duplicateColumn,
      message: `column name "${name}" conflicts with a system column name`,
    });
  }
  return false;
}

export function addColumn(
  work: AlterWork,
  rel: RelationData,
  def: ColumnDef,
  options: { readonly recurse: boolean; readonly ifNotExists: boolean },
): void {
  const name = def.colname ?? '';
  if (exists(rel, name, options.ifNotExists)) return;
  const p = makeParseState(null, work.sourceText);
  const relation = { relname: rel.name, relpersistence: rel.persistence };
  const elements = tableElements(p, relation, rel.namespace, [{ ColumnDef: def }], {
    isAlter: true,
    known: (column) => rel.tupleDesc.attributeIndex(column) >= 0,
  });
  finishKeys(elements);
  for (const node of elements.before) processNested(node, work.sourceText);
  const [column] = elements.columns;
  const childOids = children(rel.oid, options.recurse ? work.lock : LOCK.none);
  if (childOids.length > 0 && (column!.identity ?? '') !== '' && options.recurse) {
    report('ERROR', {
      code: SQLSTATE.invalidTableDefinition,
      message: 'cannot recursively add identity column to table that has child tables',
    });
  }
  addOneColumn(work, rel, column!, { isLocal: true, inhCount: 0 });
  if (childOids.length > 0 && !options.recurse) {
    report('ERROR', { code: SQLSTATE.invalidTableDefinition, message: 'column must be added to child tables too' });
  }
  for (const child of childOids) withChild(child, (childRel) => addToChild(work, childRel, column!));
  if (elements.checks.length > 0) addChecks(work, rel.oid, elements.checks, options.recurse);
  for (const index of elements.indexes) {
    defineIndex(rel.oid, { ...index, skipBuild: alteredTable(work, rel.oid).rewrite }, work.sourceText);
    commandCounterIncrement();
  }
  addForeignKeysLater(work, rel.oid, elements.foreignKeys);
  for (const node of elements.after) processNested(node, work.sourceText);
}
function addChecks(work: AlterWork, relid: Oid, checks: readonly RawCheck[], recurse: boolean): void {
  const rel = relationOpen(relid, LOCK.none);
  addCheckConstraints(work, rel, checks, recurse, false);
  relationClose(rel, LOCK.none);
}

/** A child takes the column over, or merges it with its own of that name. */
function addToChild(work: AlterWork, rel: RelationData, def: ColumnDef): void {
  const name = def.colname ?? '';
  const at = rel.tupleDesc.attributeIndex(name);
  if (at < 0) {
    addOneColumn(work, rel, def, { isLocal: false, inhCount: 1 });
    for (const child of children(rel.oid, work.lock)) {
      withChild(child, (childRel) => addToChild(work, childRel, def));
    }
    return;
  }
  const own = rel.tupleDesc.attrs[at]!;
  const wanted = attributeOfColumn(makeParseState(null, work.sourceText), def, at + 1);
  if (own.typeId !== wanted.typeId || own.typmod !== wanted.typmod) {
    report('ERROR', {
      code: SQLSTATE.datatypeMismatch,
      message: `child table "${rel.name}" has different type for column "${name}"`,
    });
  }
  if (own.collation !== wanted.collation) {
    const shown = (oid: Oid): string => collationRow(oid)?.collname ?? '';
    report('ERROR', {
      code: SQLSTATE.collationMismatch,
      message: `child table "${rel.name}" has different collation for column "${name}"`,
      detail: `"${shown(own.collation)}" versus "${shown(wanted.collation)}"`,
    });
  }
  updateAttribute(rel.oid, at + 1, { attinhcount: own.inhCount + 1 });
  report('NOTICE', { message: `merging definition of column "${name}" for child "${rel.name}"` });
  commandCounterIncrement();
}

function addOneColumn(
  work: AlterWork,
  rel: RelationData,
  column: ColumnDef,
  place: { readonly isLocal: boolean; readonly inhCount: number },
): void {
  const table = alteredTable(work, rel.oid);
  const name = column.colname ?? '';
  const attnum = rel.tupleDesc.natts + 1;
  if (attnum > 1600) {
    report('ERROR', { code: SQLSTATE.tooManyColumns, message: 'tables can have at most 1600 columns' });
  }
  const made = { ...attributeOfColumn(makeParseState(null, work.sourceText), column, attnum), ...place };
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
  if (rel.kind !== 'c') fillColumn(work, rel, column, made);
  if (made.notNull) table.verifyNotNull = true;
}

/** What the rows that are there have in the new column. */
function fillColumn(work: AlterWork, rel: RelationData, column: ColumnDef, made: Attribute): void {
  const table = alteredTable(work, rel.oid);
  const attnum = made.number;
  const generated = made.generated !== '';
  const isConstrainedDomain =
    typeRow(made.typeId)?.typtype === 'd' && store.constraint.by('contypid', made.typeId).length > 0;
  let value: Expr | null = null;
  if (column.raw_default !== undefined) {
    const { defaults } = addRelationNewConstraints(
      rel,
      [{ attnum, raw: column.raw_default, generated }],
      [],
      { allowMerge: false, isLocal: true },
      work.sourceText,
    );
    value = defaults[0]?.expr ?? null;
  } else if (made.identity !== '' && column.identitySequence !== undefined) {
    const { schemaname, relname } = column.identitySequence;
    const namespace = store.namespace.by('nspname', schemaname ?? '')[0]?.oid;
    const sequence = store.class.by('relname', relname ?? '').find((one) => one.relnamespace === namespace);
    if (sequence !== undefined) value = { kind: 'NextValueExpr', seqid: sequence.oid, typeId: made.typeId };
  }
  if (value === null && isConstrainedDomain) {
    // A null must be allowed by the domain, too.
    const base = columnOfType('', 1, typeRow(made.typeId)!.typbasetype, -1, 0);
    const nothing: Expr = {
      kind: 'Const',
      consttype: base.typeId,
      consttypmod: -1,
      constcollid: base.collation,
      constlen: base.length,
      constvalue: null,
      constisnull: true,
      constbyval: base.byValue,
      location: -1,
    } as Expr;
    value = coerceToDomain(nothing, base.typeId, -1, made.typeId, 'implicit', 'implicit_cast', -1, false);
  }
  if (value === null) return;
  table.newValues.push({ attnum, expr: value, generated });
  if (generated || isConstrainedDomain || value.kind === 'NextValueExpr' || containsVolatile(value)) {
    table.rewrite = true;
  } else setMissingValue(rel, made, value);
}
/** Old rows get the default without being touched, as it is one value for all of them. */
function setMissingValue(rel: RelationData, column: Attribute, expr: Expr): void {
  const value = compileOver(rel, expr)(new ExprContext(null as unknown as EState));
  if (value === null) return;
  const missing: ArrayDatum = {
    kind: 'array',
    elementType: column.typeId,
    dims: [1],
    lowerBounds: [1],
    elements: [value],
  };
  updateAttribute(rel.oid, column.number, { atthasmissing: true, attmissingval: missing });
  commandCounterIncrement();
}

// ── DROP COLUMN ──────────────────────────────────────────────────────────────────────────────────────────────────

export function dropColumn(
  work: AlterWork,
  rel: RelationData,
  name: string,
  options: {
    readonly behavior: DropBehavior;
    readonly missingOk: boolean;
    readonly recurse: boolean;
    readonly recursing: boolean;
  },
): void {
  const at = rel.tupleDesc.attributeIndex(name);
  if (at < 0) {
    if (isSystemColumnName(name)) {
      report('ERROR', { code: SQLSTATE.featureNotSupported, message: `cannot drop system column "${name}"` });
    }
    if (!options.missingOk) report('ERROR', { code: SQLSTATE.undefinedColumn, message: noColumn(rel, name) });
    report('NOTICE', { message: `${noColumn(rel, name)}, skipping` });
    return;
  }
  if (rel.tupleDesc.attrs[at]!.inhCount > 0 && !options.recursing) {
    report('ERROR', { code: SQLSTATE.invalidTableDefinition, message: `cannot drop inherited column "${name}"` });
  }
  for (const child of children(rel.oid, work.lock)) {
    withChild(child, (childRel) => {
      const childAt = childRel.tupleDesc.attributeIndex(name);
      if (childAt < 0) return;
      const column = childRel.tupleDesc.attrs[childAt]!;
      if (options.recurse && column.inhCount === 1 && !column.isLocal) {
        dropColumn(work, childRel, name, { ...options, recursing: true });
      } else {
        updateAttribute(child, childAt + 1, {
          attinhcount: column.inhCount - 1,
          ...(options.recurse ? {} : { attislocal: true }),
        });
        commandCounterIncrement();
      }
    });
  }
  // Open once is what a deletion expects; the caller's descriptor is not used afterwards.
  performDeletion(objectAddress(RELATION.pgClass, rel.oid, at + 1), options.behavior);
}

// ── properties ───────────────────────────────────────────────────────────────────────────────────────────────────

const whatIdentity = (rel: RelationData, column: Attribute): string =>
  `column "${column.name}" of relation "${rel.name}" is an identity column`;

export function columnDefault(work: AlterWork, rel: RelationData, name: string, def: Node | undefined): void {
  const attnum = attributeOf(rel, name);
  const column = rel.tupleDesc.attrs[attnum - 1]!;
  if (column.identity !== '') {
    report('ERROR', {
      code: SQLSTATE.syntaxError,
      message: whatIdentity(rel, column),
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

export function setNotNull(work: AlterWork, rel: RelationData, attnum: number): void {
  if (rel.tupleDesc.attrs[attnum - 1]!.notNull) return;
  updateAttribute(rel.oid, attnum, { attnotnull: true });
  commandCounterIncrement();
  alteredTable(work, rel.oid).verifyNotNull = true;
}
export function dropNotNull(rel: RelationData, attnum: number): void {
  const column = rel.tupleDesc.attrs[attnum - 1]!;
  if (!column.notNull) return;
  if (column.identity !== '') {
    report('ERROR', { code: SQLSTATE.syntaxError, message: whatIdentity(rel, column) });
  }
  const refuse = (why: string): never =>
    report('ERROR', { code: SQLSTATE.invalidTableDefinition, message: `column "${column.name}" is in ${why}` });
  for (const row of indexesOf(rel.oid)) {
    if (!row.indkey.slice(0, row.indnkeyatts).includes(attnum)) continue;
    if (row.indisprimary) refuse('a primary key');
    if (row.indisreplident) refuse('index used as replica identity');
  }
  updateAttribute(rel.oid, attnum, { attnotnull: false });
}

/** DROP EXPRESSION: the column keeps its values and becomes an ordinary one. */
export function dropExpression(rel: RelationData, name: string, missingOk: boolean): void {
  const attnum = attributeOf(rel, name);
  const column = rel.tupleDesc.attrs[attnum - 1]!;
  if (column.inhCount > 0) {
    report('ERROR', {
      code: SQLSTATE.invalidTableDefinition,
      message: 'cannot drop generation expression from inherited column',
    });
  }
  if (column.generated === '') {
    const message = `column "${name}" of relation "${rel.name}" is not a stored generated column`;
    if (!missingOk) report('ERROR', { code: SQLSTATE.objectNotInPrerequisiteState, message });
    report('NOTICE', { message: `${message}, skipping` });
    return;
  }
  if (!constraintsOfRelation(rel).defaults.has(attnum)) return;
  updateAttribute(rel.oid, attnum, { attgenerated: '' });
  commandCounterIncrement();
  // The expression hangs on the column internally; without that it goes on its own, and the column stays.
  const expression = attributeDefaultOid(rel.oid, attnum);
  deleteDependencyRecordsForClass(RELATION.pgAttrdef, expression, RELATION.pgClass, 'i');
  commandCounterIncrement();
  removeAttributeDefault(rel.oid, attnum, 'restrict', false);
}

const STORAGES: Readonly<Record<string, Attribute['storage']>> = {
  plain: 'p',
  external: 'e',
  main: 'm',
  extended: 'x',
};
export function setStorage(rel: RelationData, name: string, def: Node | undefined): void {
  const wanted = ((def as { String?: { sval?: string } } | undefined)?.String?.sval ?? '').toLowerCase();
  const storage = STORAGES[wanted];
  if (storage === undefined) {
    report('ERROR', { code: SQLSTATE.invalidParameterValue, message: `invalid storage type "${wanted}"` });
  }
  const attnum = attributeOf(rel, name);
  const { typeId } = rel.tupleDesc.attrs[attnum - 1]!;
  if (storage !== 'p' && typeRow(typeId)?.typstorage === 'p') {
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: `column data type ${formatType(typeId)} can only have storage PLAIN`,
    });
  }
  updateAttribute(rel.oid, attnum, { attstorage: storage });
  commandCounterIncrement();
  onIndexColumns(rel, attnum, { attstorage: storage });
}
export function setCompression(rel: RelationData, name: string, def: Node | undefined): void {
  const wanted = (def as { String?: { sval?: string } } | undefined)?.String?.sval ?? '';
  const attnum = attributeOf(rel, name);
  const compression = columnCompression(rel.tupleDesc.attrs[attnum - 1]!.typeId, wanted);
  updateAttribute(rel.oid, attnum, { attcompression: compression });
  onIndexColumns(rel, attnum, { attcompression: compression });
}
/** SetIndexStorageProperties(): columns of indexes follow. */
function onIndexColumns(rel: RelationData, attnum: number, changes: Parameters<typeof updateAttribute>[2]): void {
  for (const row of indexesOf(rel.oid)) {
    const at = row.indkey.indexOf(attnum);
    if (at >= 0) updateAttribute(row.indexrelid, at + 1, changes);
  }
}

export function setStatistics(rel: RelationData, command: AlterTableCmd): void {
  const target = (command.def as { Integer?: { ival?: number } } | undefined)?.Integer?.ival ?? 0;
  const isIndex = rel.kind === 'i' || rel.kind === 'I';
  let attnum = command.num ?? 0;
  if (command.name !== undefined && command.name !== '') {
    if (isIndex) {
      report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: 'cannot refer to non-index column by number',
      });
    }
    attnum = attributeOf(rel, command.name);
  } else if (!isIndex) {
    report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'cannot refer to non-index column by number' });
  }
  if (target < -1) {
    report('ERROR', { code: SQLSTATE.invalidParameterValue, message: `statistics target ${target} is too low` });
  }
  if (target > 10000) {
    report('WARNING', { code: SQLSTATE.invalidParameterValue, message: 'lowering statistics target to 10000' });
  }
  if (attnum < 1 || attnum > rel.tupleDesc.natts) {
    report('ERROR', {
      code: SQLSTATE.undefinedColumn,
      message: `column number ${attnum} of relation "${rel.name}" does not exist`,
    });
  }
  if (isIndex && rel.index!.keys[attnum - 1] !== 0) {
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: `cannot alter statistics on non-expression column "${rel.tupleDesc.attrs[attnum - 1]!.name}" of index "${rel.name}"`,
      hint: 'Alter statistics on table column instead.',
    });
  }
  updateAttribute(rel.oid, attnum, { attstattarget: Math.min(target, 10000) });
}

/** DROP IDENTITY: the sequence goes, too. */
export function dropIdentity(rel: RelationData, name: string, missingOk: boolean): void {
  const attnum = attributeOf(rel, name);
  if (rel.tupleDesc.attrs[attnum - 1]!.identity === '') {
    const message = `column "${name}" of relation "${rel.name}" is not an identity column`;
    if (!missingOk) report('ERROR', { code: SQLSTATE.objectNotInPrerequisiteState, message });
    report('NOTICE', { message: `${message}, skipping` });
    return;
  }
  const sequence = identitySequence(rel.oid, attnum);
  updateAttribute(rel.oid, attnum, { attidentity: '' });
  deleteDependencyRecordsForClass(RELATION.pgClass, sequence, RELATION.pgClass, 'i');
  commandCounterIncrement();
  performDeletion(objectAddress(RELATION.pgClass, sequence), 'restrict', { internal: true });
}
