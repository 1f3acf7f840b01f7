/** column-definition.ts — a column as written in CREATE TABLE or ADD COLUMN, as a descriptor's column.
 *  Counterpart: BuildDescForRelation() of src/backend/commands/tablecmds.c, GetColumnDefCollation() */
import type { ColumnDef } from '@pgsql/types';
import type { AttCompression, Attribute } from '#access/common/relation-descriptor.ts';
import type { Oid } from '#base/ids.ts';
import { formatType } from '#catalog/format-type.ts';
import { columnOfType } from '#catalog/heap.ts';
import { checkTypeUsage } from '#catalog/object-rights.ts';
import { typeCollation, typeRow } from '#catalog/syscache.ts';
import { stringsOf } from '#parser/ast.ts';
import { fail, type ParseState } from '#parser/parse-state.ts';
import { resolveCollation, resolveTypeName } from '#parser/type-name.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** The type with what a COLLATE clause says; 0 for a type without collations. */
export function columnCollation(p: ParseState, column: ColumnDef, type: Oid): Oid {
  const ofType = typeCollation(type);
  const location = column.collClause?.location ?? column.location ?? -1;
  const found =
    column.collClause !== undefined
      ? resolveCollation(p, stringsOf(column.collClause.collname), location)
      : ((column.collOid ?? 0) as Oid) || ofType;
  if (found !== 0 && ofType === 0) {
    fail(p, SQLSTATE.datatypeMismatch, `collations are not supported by type ${formatType(type)}`, location);
  }
  return found;
}

/** GetAttributeCompression(): '' for the default. */
export function columnCompression(type: Oid, name: string | undefined): AttCompression {
  if (name === undefined || name === '' || name === 'default') return '';
  const row = typeRow(type);
  if (row === undefined || row.typstorage === 'p' || row.typstorage === 'e') {
    if (row?.typstorage === 'p') {
      report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: `column data type ${formatType(type)} does not support compression`,
      });
    }
  }
  if (name === 'pglz') return 'p';
  if (name === 'lz4') return 'l';
  report('ERROR', { code: SQLSTATE.invalidParameterValue, message: `invalid compression method "${name}"` });
}

const IDENTITIES: ReadonlySet<string> = new Set(['a', 'd']);

export function attributeOfColumn(p: ParseState, column: ColumnDef, number: number): Attribute {
  const name = column.colname ?? '';
  const typeName = column.typeName!;
  const { type, typmod } = resolveTypeName(p, typeName);
  checkTypeUsage(type);
  if (typeName.setof === true) {
    report('ERROR', {
      code: SQLSTATE.invalidTableDefinition,
      message: `column "${name}" cannot be declared SETOF`,
    });
  }
  const made = columnOfType(name, number, type, typmod, typeName.arrayBounds?.length ?? 0, {
    collation: columnCollation(p, column, type),
    notNull: column.is_not_null === true,
    identity: IDENTITIES.has(column.identity ?? '') ? (column.identity as 'a' | 'd') : '',
    generated: column.generated === 's' ? 's' : '',
    isLocal: column.is_local !== false,
    inhCount: column.inhcount ?? 0,
    compression: columnCompression(type, column.compression),
  });
  const storage = column.storage;
  return storage !== undefined && storage !== '' ? { ...made, storage: storage as Attribute['storage'] } : made;
}
