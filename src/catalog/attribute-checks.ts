/** attribute-checks.ts — may a relation have these columns?
 *  Counterpart: CheckAttributeNamesTypes(), CheckAttributeType() of src/backend/catalog/heap.c */
import type { TupleDesc } from '#access/common/relation-descriptor.ts';
import type { Oid } from '#base/ids.ts';
import { formatType } from '#catalog/format-type.ts';
import { TYPE } from '#catalog/oids.ts';
import { attributes, elementType, typeRow } from '#catalog/syscache.ts';
import { store } from '#catalog/rows.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export const MAX_HEAP_ATTRIBUTES = 1600;
const SYSTEM_NAMES: ReadonlySet<string> = new Set(['ctid', 'xmin', 'cmin', 'xmax', 'cmax', 'tableoid']);
export const isSystemColumnName = (name: string): boolean => SYSTEM_NAMES.has(name);

/** `isCopy`: of a table that exists, so its types are right; those of catalogs may be such as no user could name. */
export function checkAttributeNamesTypes(desc: TupleDesc, kind: string, isCopy = false): void {
  if (desc.natts > MAX_HEAP_ATTRIBUTES) {
    report('ERROR', {
      code: SQLSTATE.tooManyColumns,
      message: `tables can have at most ${MAX_HEAP_ATTRIBUTES} columns`,
    });
  }
  if (kind !== 'v' && kind !== 'c') {
    for (const { name } of desc.attrs) {
      if (SYSTEM_NAMES.has(name)) {
        report('ERROR', {
          code: SQLSTATE.duplicateColumn,
          message: `column name "${name}" conflicts with a system column name`,
        });
      }
    }
  }
  const seen = new Set<string>();
  for (const { name } of desc.attrs) {
    if (seen.has(name)) {
      report('ERROR', { code: SQLSTATE.duplicateColumn, message: `column name "${name}" specified more than once` });
    }
    seen.add(name);
  }
  // A view over polymorphic catalog columns may have them itself; TOAST tables and sequences are made by us.
  for (const column of desc.attrs) {
    if (column.isDropped || isCopy) continue;
    checkAttributeType(column.name, column.typeId, column.collation, []);
  }
}

/** `containing`: composite types around, which must not come again. */
export function checkAttributeType(name: string, type: Oid, collation: Oid, containing: readonly Oid[]): void {
  const row = typeRow(type);
  const kind = row?.typtype;
  if (kind === 'p') {
    report('ERROR', {
      code: SQLSTATE.invalidTableDefinition,
      message: `column "${name}" has pseudo-type ${formatType(type)}`,
    });
  }
  if (kind === 'd') checkAttributeType(name, row!.typbasetype, collation, containing);
  else if (kind === 'c') {
    if (containing.includes(type)) {
      report('ERROR', {
        code: SQLSTATE.invalidTableDefinition,
        message: `composite type ${formatType(type)} cannot be made a member of itself`,
      });
    }
    for (const column of attributes(row!.typrelid)) {
      if (!column.attisdropped)
        checkAttributeType(column.attname, column.atttypid, column.attcollation, [...containing, type]);
    }
  } else if (kind === 'r') {
    const range = store.range.byOid(type, 'rngtypid');
    if (range !== undefined) checkAttributeType(name, range.rngsubtype, range.rngcollation, containing);
  } else {
    const element = elementType(type);
    if (element !== 0 && type !== TYPE.int2vector && type !== TYPE.oidvector) {
      checkAttributeType(name, element, collation, containing);
    }
  }
  if (collation === 0 && (row?.typcollation ?? 0) !== 0) {
    report('ERROR', {
      code: SQLSTATE.invalidTableDefinition,
      message: `no collation was derived for column "${name}" with collatable type ${formatType(type)}`,
      hint: 'Use the COLLATE clause to set the collation explicitly.',
    });
  }
}
