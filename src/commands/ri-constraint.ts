/** ri-constraint.ts — what the triggers of a foreign key know of it: tables, columns, operators; comparing keys.
 *
 *  Counterpart: ri_LoadConstraintInfo(), ri_NullCheck(), ri_KeysEqual() of src/backend/utils/adt/ri_triggers.c */
import type { Relation } from '#access/common/relation-descriptor.ts';
import type { Datum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { forgetOnChange } from '#catalog/catalog-change.ts';
import { RELATION, TYPE } from '#catalog/oids.ts';
import { baseType, castRow, constraintRow, isBinaryCoercible, operatorRow } from '#catalog/syscache.ts';
import type { Row } from '#executor/estate.ts';
import { directCall, type RawCall } from '#executor/function-call.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { mem } from '#shm/memory.ts';
import { Workspace } from '#shm/private-memory.ts';
import type { Trigger } from '#commands/trigger-data.ts';

export interface ForeignKey {
  readonly oid: Oid;
  readonly name: string;
  readonly pkRelid: Oid;
  readonly fkRelid: Oid;
  readonly index: Oid;
  readonly match: string;
  readonly nkeys: number;
  /** Attribute numbers. */
  readonly pkColumns: readonly number[];
  readonly fkColumns: readonly number[];
  /** Operators: referenced = referencing, referenced = referenced, referencing = referencing. */
  readonly pfEqual: readonly Oid[];
  readonly ppEqual: readonly Oid[];
  readonly ffEqual: readonly Oid[];
  /** ON DELETE SET: which columns; all if none are named. */
  readonly deleteSetColumns: readonly number[];
  /** Compiled ffEqual. */
  readonly sameKey: ((a: Datum, b: Datum) => boolean)[];
}

const known = new Map<Oid, ForeignKey>();
forgetOnChange([RELATION.pgConstraint, RELATION.pgClass, RELATION.pgAttribute, RELATION.pgOperator], () =>
  known.clear(),
);

/** ri_FetchConstraintInfo(). */
export function foreignKeyOf(trigger: Trigger, relation: Relation): ForeignKey {
  if (trigger.tgconstraint === 0) {
    report('ERROR', {
      code: SQLSTATE.invalidObjectDefinition,
      message: `no pg_constraint entry for trigger "${trigger.tgname}" on table "${relation.name}"`,
      hint: 'Remove this referential integrity trigger and its mates, then do ALTER TABLE ADD CONSTRAINT.',
    });
  }
  return foreignKey(trigger.tgconstraint);
}
export function foreignKey(oid: Oid): ForeignKey {
  let found = known.get(oid);
  if (found === undefined) {
    found = loadForeignKey(oid);
    known.set(oid, found);
  }
  return found;
}
function loadForeignKey(oid: Oid): ForeignKey {
  const row = constraintRow(oid);
  if (row === undefined) report('ERROR', { message: `cache lookup failed for constraint ${oid}` });
  if (row.contype !== 'f') report('ERROR', { message: `constraint ${oid} is not a foreign key constraint` });
  const fkColumns = row.conkey ?? [];
  return {
    oid,
    name: row.conname,
    pkRelid: row.confrelid,
    fkRelid: row.conrelid,
    index: row.conindid,
    match: row.confmatchtype,
    nkeys: fkColumns.length,
    pkColumns: row.confkey ?? [],
    fkColumns,
    pfEqual: row.conpfeqop ?? [],
    ppEqual: row.conppeqop ?? [],
    ffEqual: row.conffeqop ?? [],
    deleteSetColumns: row.confdelsetcols ?? [],
    sameKey: [],
  };
}

export type NullCheck = 'all' | 'some' | 'none';
export function nullCheck(row: Row, columns: readonly number[]): NullCheck {
  let nulls = 0;
  for (let i = 0; i < columns.length; i++) if (row[columns[i]! - 1] === null) nulls++;
  return nulls === 0 ? 'none' : nulls === columns.length ? 'all' : 'some';
}

/** How a value of a column's type becomes an operand of an operator. */
export function operandCast(from: Oid, to: Oid): RawCall | null {
  const source = baseType(from);
  if (source === to || isBinaryCoercible(source, to)) return null;
  const cast = castRow(source, to);
  if (cast === undefined || cast.castfunc === 0) return null;
  return directCall(cast.castfunc, [source], to, DEFAULT_COLLATION);
}
const DEFAULT_COLLATION = 100 as Oid;

/** ri_AttributesEqual() for one column of the referencing table. */
function equalityOf(operator: Oid, type: Oid): (a: Datum, b: Datum) => boolean {
  const row = operatorRow(operator);
  if (row === undefined) report('ERROR', { message: `cache lookup failed for operator ${operator}` });
  const cast = operandCast(type, row.oprright);
  const call = directCall(row.oprcode, [row.oprleft, row.oprright], TYPE.bool, DEFAULT_COLLATION);
  if (cast === null) return (a, b) => call(a, b) === true;
  return (a, b) => call(cast(a), cast(b)) === true;
}

/** Referencing side: are the keys equal to the constraint's operators? Nulls equal nothing. */
export function referencingKeysEqual(fk: ForeignKey, relation: Relation, a: Row, b: Row): boolean {
  for (let i = 0; i < fk.nkeys; i++) {
    const column = fk.fkColumns[i]! - 1;
    const left = a[column]!;
    const right = b[column]!;
    if (left === null || right === null) return false;
    fk.sameKey[i] ??= equalityOf(fk.ffEqual[i]!, relation.tupleDesc.attrs[column]!.typeId);
    if (!fk.sameKey[i]!(left, right)) return false;
  }
  return true;
}
/** Referenced side: are the keys the same bytes? A value that only looks different must be passed on too. */
export function referencedKeysIdentical(fk: ForeignKey, relation: Relation, a: Row, b: Row): boolean {
  for (let i = 0; i < fk.nkeys; i++) {
    const column = fk.pkColumns[i]! - 1;
    const left = a[column]!;
    const right = b[column]!;
    if (left === null || right === null || !sameBytes(relation, column, left, right)) return false;
  }
  return true;
}
/** datum_image_eq(). */
export function sameBytes(relation: Relation, column: number, a: Datum, b: Datum): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' && typeof b !== 'object') return false;
  const codec = relation.tupleDesc.codecs[column]!;
  const scratch = new Workspace();
  const left = scratch.alloc(codec.bound(a) + 8);
  const right = scratch.alloc(codec.bound(b) + 8);
  const leftLength = codec.write(left, a);
  const rightLength = codec.write(right, b);
  let same = leftLength === rightLength;
  for (let i = 0; same && i < leftLength; i++) same = mem.u8[left + i] === mem.u8[right + i];
  scratch.free();
  return same;
}
