/** type-name.ts — from a type as written (`varchar(10)[]`, `pg_catalog.int4`) to OID and typmod.
 *  Counterpart: src/backend/parser/parse_type.c */
import type { Node, TypeName } from '@pgsql/types';
import type { ArrayDatum, Datum } from '#adt/datum.ts';
import { builtin } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { deconstructQualifiedName, findCollation, findType, lookupNamespace } from '#catalog/namespace.ts';
import { TYPE } from '#catalog/oids.ts';
import type { TypeRow } from '#catalog/rows.ts';
import { procRow, typeRow } from '#catalog/syscache.ts';
import { stringsOf } from '#parser/ast.ts';
import { fail, type ParseState, positionOf, withPosition } from '#parser/parse-state.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export interface TypeAndTypmod {
  readonly type: Oid;
  readonly typmod: number;
}

const writtenName = (t: TypeName): string =>
  stringsOf(t.names).join('.') + ((t.arrayBounds?.length ?? 0) > 0 ? '[]' : '');

export function resolveTypeName(p: ParseState | null, t: TypeName): TypeAndTypmod {
  const location = t.location ?? 0;
  const names = stringsOf(t.names);
  if (t.pct_type === true) {
    fail(p, SQLSTATE.featureNotSupported, `type reference ${names.join('.')}%TYPE is not supported here`, location);
  }
  const { schema } = deconstructQualifiedName(names);
  if (schema !== null && lookupNamespace(schema) === 0) {
    fail(p, SQLSTATE.undefinedSchema, `schema "${schema}" does not exist`, location);
  }
  let row = findType(names);
  if (row !== undefined && (t.arrayBounds?.length ?? 0) > 0) row = typeRow(row.typarray);
  if (row === undefined) {
    fail(p, SQLSTATE.undefinedObject, `type "${writtenName(t)}" does not exist`, location);
  }
  if (!row.typisdefined) fail(p, SQLSTATE.undefinedObject, `type "${writtenName(t)}" is only a shell`, location);
  return { type: row.oid, typmod: typmodOf(p, row, t, location) };
}

function typmodOf(p: ParseState | null, row: TypeRow, t: TypeName, location: number): number {
  const modifiers = t.typmods ?? [];
  if (modifiers.length === 0) return t.typemod ?? 0;
  if (row.typmodin === 0) {
    fail(p, SQLSTATE.syntaxError, `type modifier is not allowed for type "${writtenName(t)}"`, location);
  }
  const elements = modifiers.map((m) => modifierText(p, m, location));
  const array: ArrayDatum = {
    kind: 'array',
    elementType: TYPE.cstring,
    dims: [elements.length],
    lowerBounds: [1],
    elements,
  };
  const prosrc = procRow(row.typmodin)!.prosrc;
  const code = builtin(prosrc);
  if (code === undefined || code.style !== 'plain') {
    return report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: `function ${prosrc}() is not implemented`,
      position: positionOf(p, location),
    });
  }
  return withPosition(p, location, () => code.call(array as Datum) as number);
}

function modifierText(p: ParseState | null, node: Node, location: number): string {
  if ('A_Const' in node) {
    const c = node.A_Const;
    if (c.ival !== undefined) return String(c.ival.ival ?? 0);
    if (c.fval !== undefined) return c.fval.fval ?? '';
    if (c.sval !== undefined) return c.sval.sval ?? '';
  }
  if ('ColumnRef' in node && node.ColumnRef.fields?.length === 1) {
    const names = stringsOf(node.ColumnRef.fields);
    if (names[0] !== '') return names[0]!;
  }
  fail(p, SQLSTATE.syntaxError, 'type modifiers must be simple constants or identifiers', location);
}

export function resolveCollation(p: ParseState | null, names: readonly string[], location: number): Oid {
  const found = withPosition(p, location, () => findCollation(names));
  if (found === undefined) {
    fail(p, SQLSTATE.undefinedObject, `collation "${names.join('.')}" for encoding "UTF8" does not exist`, location);
  }
  return found.oid;
}
