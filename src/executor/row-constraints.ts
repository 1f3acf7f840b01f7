/** row-constraints.ts — what a new row must meet: NOT NULL, CHECK, and the generated columns computed before that.
 *
 *  Stored expressions are compiled once per descriptor, which the relation cache replaces when the table changes.
 *  Counterpart: ExecConstraints(), ExecBuildSlotValueDescription() of src/backend/executor/execMain.c,
 *  ExecComputeStoredGenerated() of nodeModifyTable.c */
import type { Relation, TupleDesc } from '#access/common/relation-descriptor.ts';
import { typeInfo } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { mayReadColumns } from '#catalog/acl-check.ts';
import { constraintsOfRelation } from '#catalog/constraints.ts';
import { namespaceRow } from '#catalog/syscache.ts';
import type { Eval, ExprContext, Row } from '#executor/estate.ts';
import { compileStored, markStoredColumns } from '#executor/stored-expr.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

interface RowChecks {
  readonly checks: readonly { readonly name: string; readonly holds: Eval }[];
  /** Columns from 0 with what computes them. */
  readonly generated: readonly { readonly column: number; readonly value: Eval }[];
  readonly notNull: readonly number[];
  /** 1 for each column that the checks and generated columns read. */
  readonly reads: Uint8Array;
}
const compiled = new WeakMap<TupleDesc, RowChecks>();

function rowChecks(relation: Relation): RowChecks {
  const desc = relation.tupleDesc;
  let made = compiled.get(desc);
  if (made === undefined) {
    const stored = constraintsOfRelation(relation);
    const live = desc.attrs.filter((column) => !column.isDropped);
    const reads = new Uint8Array(desc.natts);
    for (const check of stored.checks) markStoredColumns(check.text, reads);
    for (const column of live)
      if (column.generated === 's') markStoredColumns(stored.defaults.get(column.number)!, reads);
    made = {
      checks: stored.checks.map((check) => ({ name: check.name, holds: compileStored(relation, check.text) })),
      generated: live
        .filter((column) => column.generated === 's')
        .map((column) => ({
          column: column.number - 1,
          value: compileStored(relation, stored.defaults.get(column.number)!, column.typeId, column.typmod),
        })),
      notNull: live.filter((column) => column.notNull).map((column) => column.number - 1),
      reads,
    };
    compiled.set(desc, made);
  }
  return made;
}

/** Marks what computeGenerated() and checkRow() look at, and what the former changes. */
export function markConstraintColumns(relation: Relation, reads: Uint8Array, changes: Uint8Array): void {
  const rules = rowChecks(relation);
  for (let i = 0; i < reads.length; i++) if (rules.reads[i] === 1) reads[i] = 1;
  for (const { column } of rules.generated) changes[column] = 1;
}

/** Fills the generated columns of the row in place. */
export function computeGenerated(relation: Relation, row: Row, context: ExprContext): void {
  if (!relation.tupleDesc.hasGeneratedStored) return;
  const { generated } = rowChecks(relation);
  context.scan = row;
  const values = generated.map((item) => item.value(context));
  generated.forEach((item, i) => {
    row[item.column] = values[i]!;
  });
}

/** 23502 or 23514 if the row breaks a rule of its table. An UPDATE gives the columns that it `changed`, and a way to
 *  `complete` the row, whose other columns it may not have read. */
export function checkRow(
  relation: Relation,
  row: Row,
  context: ExprContext,
  changed: Uint8Array | null = null,
  complete: ((row: Row) => void) | null = null,
): void {
  const rules = rowChecks(relation);
  for (let i = 0; i < rules.notNull.length; i++) {
    const column = rules.notNull[i]!;
    if (row[column] !== null || (changed !== null && changed[column] === 0)) continue;
    complete?.(row);
    refuseNull(relation, column, row);
  }
  if (rules.checks.length === 0) return;
  context.scan = row;
  for (let i = 0; i < rules.checks.length; i++) {
    // Unknown is no violation.
    if (rules.checks[i]!.holds(context) !== false) continue;
    complete?.(row);
    refuseCheck(relation, rules.checks[i]!.name, row);
  }
}

const schemaOf = (relation: Relation): string | undefined => namespaceRow(relation.namespace)?.nspname;

function refuseNull(relation: Relation, column: number, row: Row): never {
  const { name } = relation.tupleDesc.attrs[column]!;
  report('ERROR', {
    code: SQLSTATE.notNullViolation,
    message: `null value in column "${name}" of relation "${relation.name}" violates not-null constraint`,
    detail: failingRow(relation, row),
    schema: schemaOf(relation),
    table: relation.name,
    column: name,
  });
}
function refuseCheck(relation: Relation, name: string, row: Row): never {
  report('ERROR', {
    code: SQLSTATE.checkViolation,
    message: `new row for relation "${relation.name}" violates check constraint "${name}"`,
    detail: failingRow(relation, row),
    schema: schemaOf(relation),
    table: relation.name,
    constraint: name,
  });
}

const MAX_FIELD_BYTES = 64;
/** "Failing row contains (…)." with what the user may see, undefined if that is nothing. */
export function failingRow(relation: Relation, row: Row): string | undefined {
  const columns = relation.tupleDesc.attrs.filter((column) => !column.isDropped);
  const visible = mayReadColumns(
    relation.oid,
    columns.map((column) => column.number),
  );
  const shown = columns.filter((_, i) => visible[i]);
  if (shown.length === 0) return undefined;
  const names = shown.length < columns.length ? `(${shown.map((column) => column.name).join(', ')}) = ` : '';
  const values = shown.map((column) => valueText(row[column.number - 1] ?? null, column.typeId));
  return `Failing row contains ${names}(${values.join(', ')}).`;
}
function valueText(value: Row[number], type: Oid): string {
  if (value === null) return 'null';
  const text = typeInfo(type).output(value);
  if (Buffer.byteLength(text) <= MAX_FIELD_BYTES) return text;
  let cut = '';
  let bytes = 0;
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > MAX_FIELD_BYTES) break;
    cut += character;
  }
  return `${cut}...`;
}
