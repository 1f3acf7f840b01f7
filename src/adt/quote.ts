/** quote.ts — SQL text made of names and values: quote_ident, quote_literal, quote_nullable.
 *
 *  A name stays bare if it looks like one that PostgreSQL would fold to itself and is no keyword, unreserved ones
 *  excepted. The keyword lists are pg_get_keywords() of PostgreSQL 15 by category.
 *  Counterpart: src/backend/utils/adt/quote.c, quote_identifier() of ruleutils.c */
import { registerBuiltins } from '#adt/fmgr.ts';
import { settings } from '#runtime/guc/guc.ts';

const COLUMN_NAME =
  'between bigint bit boolean char character coalesce dec decimal exists extract float greatest grouping ' +
  'inout int integer interval least national nchar none normalize nullif numeric out overlay position ' +
  'precision real row setof smallint substring time timestamp treat trim values varchar xmlattributes ' +
  'xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable';
const TYPE_OR_FUNCTION =
  'authorization binary collation concurrently cross current_schema freeze full ilike inner is isnull join ' +
  'left like natural notnull outer overlaps right similar tablesample verbose';
const RESERVED =
  'all analyse analyze and any array as asc asymmetric both case cast check collate column constraint ' +
  'create current_catalog current_date current_role current_time current_timestamp current_user default ' +
  'deferrable desc distinct do else end except false fetch for foreign from grant group having in initially ' +
  'intersect into lateral leading limit localtime localtimestamp not null offset on only or order placing ' +
  'primary references returning select session_user some symmetric table then to trailing true union unique ' +
  'user using variadic when where window with';
const QUOTED_KEYWORDS: ReadonlySet<string> = new Set(`${COLUMN_NAME} ${TYPE_OR_FUNCTION} ${RESERVED}`.split(' '));

/** The identifier as it must be written in SQL. */
export function quoteIdentifier(name: string): string {
  const bare = /^[a-z_][a-z0-9_]*$/.test(name) && !QUOTED_KEYWORDS.has(name) && !settings.quote_all_identifiers;
  return bare ? name : `"${name.replaceAll('"', '""')}"`;
}
/** The string constant, with the E prefix if a backslash must be doubled. */
export function quoteLiteral(text: string): string {
  const doubled = text.replaceAll("'", "''");
  return doubled.includes('\\') ? `E'${doubled.replaceAll('\\', '\\\\')}'` : `'${doubled}'`;
}

registerBuiltins({
  quote_ident: quoteIdentifier,
  quote_literal: quoteLiteral,
  quote_nullable: (text: string | null) => (text === null ? 'NULL' : quoteLiteral(text)),
});
