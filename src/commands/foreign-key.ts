/** foreign-key.ts — FOREIGN KEY: which unique index the other table has for it, by which operators keys are compared, and
 *  the triggers that keep the promise.
 *  Counterpart: ATAddForeignKeyConstraint() and what it calls in src/backend/commands/tablecmds.c */
import type { Constraint } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { hasRight } from '#catalog/acl.ts';
import { formatType } from '#catalog/format-type.ts';
import { createInternalTrigger, TRIGGER_TYPE } from '#catalog/internal-trigger.ts';
import { chooseConstraintName, clipName } from '#catalog/object-name.ts';
import { permissionDenied } from '#catalog/object-rights.ts';
import { constraintNameIsUsed, createConstraintEntry } from '#catalog/pg-constraint.ts';
import { rangeVarGetRelid } from '#catalog/range-var.ts';
import type { RelationData } from '#catalog/relcache.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import type { IndexRow } from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { attributes, baseType, classRow, familyMember, indexesOf, opclassRow } from '#catalog/syscache.ts';
import { stringsOf } from '#parser/ast.ts';
import { canCoerceTypes } from '#parser/coerce.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

const NO_OID = 0 as Oid;
const BT_EQUAL = 3;
const MAX_KEYS = 32;

/** Trigger functions by action letter: [delete, update]. */
const ACTIONS: Readonly<Record<string, readonly [number, number]>> = {
  a: [1654, 1655],
  r: [1648, 1649],
  c: [1646, 1647],
  n: [1650, 1651],
  d: [1652, 1653],
};
const CHECK_INSERT = 1644 as Oid;
const CHECK_UPDATE = 1645 as Oid;

/** Looks whether the rows that are there already satisfy the new constraint; installed by the owner of RI triggers. */
let validate: ((rel: RelationData, constraint: Oid) => void) | null = null;
export function setForeignKeyValidator(by: (rel: RelationData, constraint: Oid) => void): void {
  validate = by;
}
export function validateForeignKey(rel: RelationData, constraint: Oid): void {
  if (validate === null) {
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: 'validation of foreign keys over existing rows is not supported yet',
      hint: 'Add the constraint as NOT VALID.',
    });
  }
  validate(rel, constraint);
}

export function addForeignKeys(
  relid: Oid,
  constraints: readonly Constraint[],
  _sourceText: string,
  options: { readonly isNew: boolean },
): void {
  for (const constraint of constraints) {
    const rel = tableOpen(relid, LOCK.shareRowExclusive);
    const skip = options.isNew || constraint.skip_validation === true;
    const valid = options.isNew || constraint.skip_validation !== true;
    const oid = addForeignKey(rel, constraint, valid);
    commandCounterIncrement();
    if (!skip) validateForeignKey(rel, oid);
    relationClose(rel, LOCK.none);
  }
}

function columnNumbers(relid: Oid, names: readonly string[]): number[] {
  if (names.length > MAX_KEYS) {
    report('ERROR', {
      code: SQLSTATE.tooManyColumns,
      message: `cannot have more than ${MAX_KEYS} keys in a foreign key`,
    });
  }
  return names.map((name) => {
    const column = attributes(relid).find((one) => one.attname === name && !one.attisdropped);
    if (column === undefined) {
      report('ERROR', {
        code: SQLSTATE.undefinedColumn,
        message: `column "${name}" referenced in foreign key constraint does not exist`,
      });
    }
    return column.attnum;
  });
}

function checkTables(rel: RelationData, pk: RelationData): void {
  if (pk.kind !== 'r' && pk.kind !== 'p') {
    report('ERROR', {
      code: SQLSTATE.wrongObjectType,
      message: `referenced relation "${pk.name}" is not a table`,
    });
  }
  if (pk.kind === 'p') {
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: 'foreign keys that refer to partitioned tables are not supported yet',
    });
  }
  if (pk.isSystem) {
    report('ERROR', {
      code: SQLSTATE.insufficientPrivilege,
      message: `permission denied: "${pk.name}" is a system catalog`,
    });
  }
  const refuse = (message: string): never => report('ERROR', { code: SQLSTATE.invalidTableDefinition, message });
  if (rel.persistence === 'p' && pk.persistence !== 'p') {
    refuse('constraints on permanent tables may reference only permanent tables');
  }
  if (rel.persistence === 'u' && pk.persistence !== 'p' && pk.persistence !== 'u') {
    refuse('constraints on unlogged tables may reference only permanent or unlogged tables');
  }
  if (rel.persistence === 't') {
    if (pk.persistence !== 't') refuse('constraints on temporary tables may reference only temporary tables');
    if (!pk.isLocalTemp || !rel.isLocalTemp) {
      refuse('constraints on temporary tables must involve temporary tables of this session');
    }
  }
}

interface ReferencedKey {
  readonly index: Oid;
  readonly columns: readonly number[];
  readonly opclasses: readonly Oid[];
}
function primaryKeyOf(pk: RelationData): ReferencedKey {
  const row = indexesOf(pk.oid).find((one) => one.indisprimary && one.indisvalid);
  if (row === undefined) {
    report('ERROR', {
      code: SQLSTATE.undefinedObject,
      message: `there is no primary key for referenced table "${pk.name}"`,
    });
  }
  if (!row.indimmediate) {
    report('ERROR', {
      code: SQLSTATE.objectNotInPrerequisiteState,
      message: `cannot use a deferrable primary key for referenced table "${pk.name}"`,
    });
  }
  const columns = row.indkey.slice(0, row.indnkeyatts);
  return { index: row.indexrelid, columns, opclasses: row.indclass };
}
function matchingKey(pk: RelationData, columns: readonly number[]): ReferencedKey {
  if (new Set(columns).size !== columns.length) {
    report('ERROR', {
      code: SQLSTATE.invalidForeignKey,
      message: 'foreign key referenced-columns list must not contain duplicates',
    });
  }
  const matches = (row: IndexRow): boolean =>
    row.indisunique &&
    row.indisvalid &&
    row.indnkeyatts === columns.length &&
    row.indexprs === null &&
    row.indpred === null &&
    columns.every((column) => row.indkey.slice(0, row.indnkeyatts).includes(column));
  const candidates = [...indexesOf(pk.oid)].sort((a, b) => a.indexrelid - b.indexrelid).filter(matches);
  const found = candidates.find((row) => row.indimmediate);
  if (found === undefined) {
    if (candidates.length > 0) {
      report('ERROR', {
        code: SQLSTATE.objectNotInPrerequisiteState,
        message: `cannot use a deferrable unique constraint for referenced table "${pk.name}"`,
      });
    }
    report('ERROR', {
      code: SQLSTATE.invalidForeignKey,
      message: `there is no unique constraint matching given keys for referenced table "${pk.name}"`,
    });
  }
  const opclasses = columns.map((column) => found.indclass[found.indkey.indexOf(column)]!);
  return { index: found.indexrelid, columns, opclasses };
}

function checkReferencesRight(pk: RelationData, columns: readonly number[]): void {
  const row = classRow(pk.oid)!;
  const role = sessionIdentity.userOid;
  if (hasRight({ letter: 'r', owner: row.relowner, acl: row.relacl }, role, 'x', false)) return;
  const list = attributes(pk.oid);
  for (const column of columns) {
    const acl = list[column - 1]?.attacl ?? null;
    if (acl === null || !hasRight({ letter: 'c', owner: row.relowner, acl }, role, 'x', false)) {
      permissionDenied('table', row.relname);
    }
  }
}

interface KeyOperators {
  readonly pf: Oid;
  readonly pp: Oid;
  readonly ff: Oid;
}
function operatorsOf(name: string, opclass: Oid, pk: ColumnType, fk: ColumnType): KeyOperators {
  const row = opclassRow(opclass)!;
  const pp = familyMember(row.opcfamily, row.opcintype, row.opcintype, BT_EQUAL);
  if (pp === 0) {
    report('ERROR', {
      message: `missing operator ${BT_EQUAL}(${row.opcintype},${row.opcintype}) in opfamily ${row.opcfamily}`,
    });
  }
  const fkBase = baseType(fk.type);
  let pf = familyMember(row.opcfamily, row.opcintype, fkBase, BT_EQUAL);
  let ff = pf === 0 ? NO_OID : familyMember(row.opcfamily, fkBase, fkBase, BT_EQUAL);
  if (pf === 0 || ff === 0) {
    // Without a cross-type operator both sides may become the index's type.
    const target = row.opcintype;
    if (canCoerceTypes([pk.type, fk.type], [target, target], 'implicit')) {
      pf = pp;
      ff = pp;
    }
  }
  if (pf === 0 || ff === 0) {
    report('ERROR', {
      code: SQLSTATE.datatypeMismatch,
      message: `foreign key constraint "${name}" cannot be implemented`,
      detail:
        `Key columns "${fk.name}" and "${pk.name}" are of incompatible types: ` +
        `${formatType(fk.type)} and ${formatType(pk.type)}.`,
    });
  }
  return { pf, pp, ff };
}
interface ColumnType {
  readonly name: string;
  readonly type: Oid;
}

/** One foreign key; returns pg_constraint.oid. */
export function addForeignKey(rel: RelationData, constraint: Constraint, valid: boolean): Oid {
  const target = constraint.pktable!;
  const pkOid = rangeVarGetRelid(
    { catalog: target.catalogname, schema: target.schemaname, name: target.relname! },
    LOCK.shareRowExclusive,
  );
  const pk = tableOpen(pkOid, LOCK.none);
  checkTables(rel, pk);
  const fkNames = stringsOf(constraint.fk_attrs);
  const name = foreignKeyName(rel, constraint, fkNames);
  const columns = columnNumbers(rel.oid, fkNames);
  const onUpdate = constraint.fk_upd_action || 'a';
  const onDelete = constraint.fk_del_action || 'a';
  const setColumns = columnNumbers(rel.oid, stringsOf(constraint.fk_del_set_cols));
  for (const column of setColumns) {
    if (!columns.includes(column)) {
      report('ERROR', {
        code: SQLSTATE.invalidColumnReference,
        message: `column "${rel.tupleDesc.attrs[column - 1]!.name}" referenced in ON DELETE SET action must be part of foreign key`,
      });
    }
  }
  const pkNames = stringsOf(constraint.pk_attrs);
  const key = pkNames.length === 0 ? primaryKeyOf(pk) : matchingKey(pk, columnNumbers(pkOid, pkNames));
  checkReferencesRight(pk, key.columns);
  checkGeneratedColumns(rel, columns, onUpdate, onDelete);
  if (columns.length !== key.columns.length) {
    report('ERROR', {
      code: SQLSTATE.invalidForeignKey,
      message: 'number of referencing and referenced columns for foreign key disagree',
    });
  }
  const typeOf = (of: RelationData, column: number): ColumnType => {
    const { name: columnName, typeId } = of.tupleDesc.attrs[column - 1]!;
    return { name: columnName, type: typeId };
  };
  const operators = columns.map((column, i) =>
    operatorsOf(name, key.opclasses[i]!, typeOf(pk, key.columns[i]!), typeOf(rel, column)),
  );
  const oid = createConstraintEntry({
    name,
    namespace: rel.namespace,
    type: 'f',
    deferrable: constraint.deferrable === true,
    deferred: constraint.initdeferred === true,
    validated: valid,
    relid: rel.oid,
    columns,
    index: key.index,
    foreignRelid: pkOid,
    foreignColumns: key.columns,
    pfEqual: operators.map(({ pf }) => pf),
    ppEqual: operators.map(({ pp }) => pp),
    ffEqual: operators.map(({ ff }) => ff),
    onUpdate,
    onDelete,
    deleteSetColumns: setColumns,
    match: constraint.fk_matchtype || 's',
    isLocal: true,
    inheritCount: 0,
    noInherit: true,
  });
  commandCounterIncrement();
  makeTriggers(rel.oid, pkOid, oid, key.index, constraint, onUpdate, onDelete);
  relationClose(pk, LOCK.none);
  return oid;
}
function foreignKeyName(rel: RelationData, constraint: Constraint, columns: readonly string[]): string {
  const { conname } = constraint;
  if (conname === undefined || conname === '') {
    return chooseConstraintName(rel.name, clipName(columns.join('_'), 126), 'fkey', rel.namespace, []);
  }
  if (constraintNameIsUsed(rel.oid, conname)) {
    report('ERROR', {
      code: SQLSTATE.duplicateObject,
      message: `constraint "${conname}" for relation "${rel.name}" already exists`,
    });
  }
  return conname;
}
function checkGeneratedColumns(
  rel: RelationData,
  columns: readonly number[],
  onUpdate: string,
  onDelete: string,
): void {
  if (!columns.some((column) => rel.tupleDesc.attrs[column - 1]!.generated !== '')) return;
  const refuse = (action: string): never =>
    report('ERROR', {
      code: SQLSTATE.syntaxError,
      message: `invalid ${action} action for foreign key constraint containing generated column`,
    });
  if ('ndc'.includes(onUpdate)) refuse('ON UPDATE');
  if ('nd'.includes(onDelete)) refuse('ON DELETE');
}

function makeTriggers(
  relid: Oid,
  pkOid: Oid,
  constraint: Oid,
  index: Oid,
  of: Constraint,
  onUpdate: string,
  onDelete: string,
): void {
  const deferrable = of.deferrable === true;
  const initiallyDeferred = of.initdeferred === true;
  const make = (on: Oid, other: Oid, letter: 'a' | 'c', func: Oid, event: number, mayDefer: boolean): void => {
    createInternalTrigger({
      relid: on,
      name: `RI_ConstraintTrigger_${letter}`,
      constraint,
      index,
      otherRelid: other,
      func,
      type: TRIGGER_TYPE.row | event,
      deferrable: mayDefer && deferrable,
      initiallyDeferred: mayDefer && initiallyDeferred,
    });
    commandCounterIncrement();
  };
  // Of the actions only NO ACTION can wait for the end of the transaction.
  make(pkOid, relid, 'a', ACTIONS[onDelete]![0] as Oid, TRIGGER_TYPE.delete, onDelete === 'a');
  make(pkOid, relid, 'a', ACTIONS[onUpdate]![1] as Oid, TRIGGER_TYPE.update, onUpdate === 'a');
  make(relid, pkOid, 'c', CHECK_INSERT, TRIGGER_TYPE.insert, true);
  make(relid, pkOid, 'c', CHECK_UPDATE, TRIGGER_TYPE.update, true);
}
