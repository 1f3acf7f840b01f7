/** copy-columns.ts — which columns COPY is about, and which of them FORCE options name.
 *  Counterpart: CopyGetAttnums() of src/backend/commands/copy.c */
import type { Attribute, TupleDesc } from '#access/common/relation-descriptor.ts';
import type { CopyOptions } from '#commands/copy-options.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** The columns named, or all that can be copied. */
export function copyColumns(desc: TupleDesc, relation: string | null, names: readonly string[] | null): Attribute[] {
  if (names === null) return desc.attrs.filter((column) => !column.isDropped && column.generated === '');
  const found: Attribute[] = [];
  for (const name of names) {
    const column = desc.attrs.find((candidate) => !candidate.isDropped && candidate.name === name);
    if (column === undefined) {
      report('ERROR', {
        code: SQLSTATE.undefinedColumn,
        message:
          relation === null
            ? `column "${name}" does not exist`
            : `column "${name}" of relation "${relation}" does not exist`,
      });
    }
    if (column.generated !== '') {
      report('ERROR', {
        code: SQLSTATE.invalidColumnReference,
        message: `column "${name}" is a generated column`,
        detail: 'Generated columns cannot be used in COPY.',
      });
    }
    if (found.includes(column))
      report('ERROR', { code: SQLSTATE.duplicateColumn, message: `column "${name}" specified more than once` });
    found.push(column);
  }
  return found;
}

/** 1 for each column that a FORCE option names. */
export function forcedColumns(
  columns: readonly { readonly name: string }[],
  names: readonly string[] | 'all',
  option: 'FORCE_QUOTE' | 'FORCE_NOT_NULL' | 'FORCE_NULL',
): Uint8Array {
  const mask = new Uint8Array(columns.length);
  if (names === 'all') return mask.fill(1);
  for (const name of names) {
    const at = columns.findIndex((column) => column.name === name);
    if (at < 0) {
      report('ERROR', {
        code: SQLSTATE.invalidColumnReference,
        message: `${option} column "${name}" not referenced by COPY`,
      });
    }
    mask[at] = 1;
  }
  return mask;
}

export class CopyInputColumns {
  readonly forceNotNull: Uint8Array;
  readonly forceNull: Uint8Array;
  constructor(columns: readonly Attribute[], options: CopyOptions) {
    this.forceNotNull = forcedColumns(columns, options.forceNotNull, 'FORCE_NOT_NULL');
    this.forceNull = forcedColumns(columns, options.forceNull, 'FORCE_NULL');
  }
}
