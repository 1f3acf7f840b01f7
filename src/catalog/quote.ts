/** quote.ts — identifiers as SQL wants them written.
 *  Counterpart: src/backend/utils/adt/ruleutils.c (quote_identifier) */
import { KEYWORDS } from '#catalog/data/keywords.generated.ts';

let reserved: ReadonlySet<string> | undefined;

/** Quotes a name unless it is lower case, plain, and no keyword of any reserved kind. */
export function quoteIdentifier(name: string): string {
  reserved ??= new Set(KEYWORDS.filter(([, category]) => category !== 'U').map(([word]) => word));
  if (/^[a-z_][a-z0-9_]*$/.test(name) && !reserved.has(name)) return name;
  return `"${name.replaceAll('"', '""')}"`;
}
export const quoteQualified = (schema: string | null, name: string): string =>
  schema === null ? quoteIdentifier(name) : `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
export const quoteLiteral = (text: string): string => {
  const body = text.replaceAll("'", "''");
  return body.includes('\\') ? `E'${body.replaceAll('\\', '\\\\')}'` : `'${body}'`;
};
