/** format-type.ts — the SQL name of a type: `integer`, `character varying(10)`, `"char"`, `text[]`.
 *  Counterpart: src/backend/utils/adt/format_type.c */
import { builtin } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { TYPE } from '#catalog/oids.ts';
import { isTrueArrayType, namespaceRow, procRow, typeRow } from '#catalog/syscache.ts';
import { typeIsVisible } from '#catalog/namespace.ts';
import { quoteIdentifier } from '#catalog/quote.ts';

export interface FormatTypeOptions {
  readonly typmod?: number | undefined;
  /** A typmod is meant even if it is -1 (format_type with a second argument). */
  readonly typmodGiven?: boolean;
  /** Unknown OIDs give "???" instead of an error. */
  readonly allowInvalid?: boolean;
  readonly forceQualify?: boolean;
}

const withTypmod = (name: string, typmod: number, typmodOut: Oid): string => {
  if (typmodOut === 0) return `${name}(${typmod})`;
  const out = builtin(procRow(typmodOut)?.prosrc ?? '');
  return out === undefined || out.style !== 'plain' ? `${name}(${typmod})` : `${name}${String(out.call(typmod))}`;
};

const SPECIAL: ReadonlyMap<Oid, string> = new Map([
  [TYPE.bool, 'boolean'],
  [TYPE.float4, 'real'],
  [TYPE.float8, 'double precision'],
  [TYPE.int2, 'smallint'],
  [TYPE.int4, 'integer'],
  [TYPE.int8, 'bigint'],
]);

export function formatTypeExtended(oid: Oid, options: FormatTypeOptions): string {
  if (oid === 0 && options.allowInvalid === true) return '-';
  let row = typeRow(oid);
  if (row === undefined) return '???';
  let isArray = false;
  if (isTrueArrayType(oid) && row.typstorage !== 'p') {
    const element = typeRow(row.typelem);
    if (element === undefined) return '???[]';
    row = element;
    isArray = true;
  }
  const typmod = options.typmod ?? -1;
  const hasTypmod = options.typmodGiven === true && typmod >= 0;
  const name =
    options.forceQualify === true ? undefined : specialName(row.oid, typmod, hasTypmod, row.typmodout, options);
  const full =
    name ??
    (() => {
      const bare =
        options.forceQualify !== true && typeIsVisible(row.oid)
          ? quoteIdentifier(row.typname)
          : `${quoteIdentifier(namespaceRow(row.typnamespace)?.nspname ?? '')}.${quoteIdentifier(row.typname)}`;
      return hasTypmod ? withTypmod(bare, typmod, row.typmodout) : bare;
    })();
  return isArray ? `${full}[]` : full;
}

function specialName(
  oid: Oid,
  typmod: number,
  hasTypmod: boolean,
  typmodOut: Oid,
  options: FormatTypeOptions,
): string | undefined {
  const simple = SPECIAL.get(oid);
  if (simple !== undefined) return simple;
  const suffixed = (name: string): string => (hasTypmod ? withTypmod(name, typmod, typmodOut) : name);
  switch (oid) {
    case TYPE.bit:
      if (hasTypmod) return withTypmod('bit', typmod, typmodOut);
      // bit without a length would be read as bit(1).
      return options.typmodGiven === true ? '"bit"' : 'bit';
    case TYPE.bpchar:
      if (hasTypmod) return withTypmod('character', typmod, typmodOut);
      return options.typmodGiven === true ? 'bpchar' : 'character';
    case TYPE.numeric:
      return suffixed('numeric');
    case TYPE.interval:
      return suffixed('interval');
    case TYPE.time:
      return hasTypmod ? `${withTypmod('time', typmod, typmodOut)}` : 'time without time zone';
    case TYPE.timetz:
      return hasTypmod ? `${withTypmod('time', typmod, typmodOut)}` : 'time with time zone';
    case TYPE.timestamp:
      return hasTypmod ? `${withTypmod('timestamp', typmod, typmodOut)}` : 'timestamp without time zone';
    case TYPE.timestamptz:
      return hasTypmod ? `${withTypmod('timestamp', typmod, typmodOut)}` : 'timestamp with time zone';
    case TYPE.varbit:
      return suffixed('bit varying');
    case TYPE.varchar:
      return suffixed('character varying');
    default:
      return undefined;
  }
}

/** format_type_be: for messages. */
export const formatType = (oid: Oid): string => formatTypeExtended(oid, {});
/** format_type_with_typemod. */
export const formatTypeWithTypmod = (oid: Oid, typmod: number): string =>
  formatTypeExtended(oid, { typmod, typmodGiven: true });
