/** type-names.ts — the SQL spelling of built-in types for error messages ("integer", "text[]").
 *  Counterpart: format_type_be() of src/backend/utils/adt/format_type.c, as far as messages of adt/ need it */
import { type TypeInfo, typeInfo } from '#adt/fmgr.ts';

const SQL_NAMES = {
  bool: 'boolean',
  bpchar: 'character',
  float4: 'real',
  float8: 'double precision',
  int2: 'smallint',
  int4: 'integer',
  int8: 'bigint',
  time: 'time without time zone',
  timetz: 'time with time zone',
  timestamp: 'timestamp without time zone',
  timestamptz: 'timestamp with time zone',
  varbit: 'bit varying',
  varchar: 'character varying',
  char: '"char"',
} as const satisfies Record<string, string>;

export function formatTypeName(type: TypeInfo): string {
  if (type.name.startsWith('_') && type.elementType !== 0) return `${formatTypeName(typeInfo(type.elementType))}[]`;
  return (SQL_NAMES as Readonly<Record<string, string>>)[type.name] ?? type.name;
}
