/** facts.ts — the rows that initdb puts into the catalogs: what sessions read as facts, and what only initdb needs.
 *
 *  The second part (pg_rewrite's trees, comments, dependencies, information_schema's tables) is a compressed file that
 *  the build reads; it is in no bundle.
 *  Counterpart: postgres.bki, system_views.sql, information_schema.sql as initdb runs them */
import type { Oid } from '#base/ids.ts';
import { type CatalogName, type Field, factTable, hasFacts, unescapeCopy } from '#catalog/facts.ts';
import { store } from '#catalog/rows.ts';

export interface BootstrapColumn {
  readonly name: string;
  readonly typeId: Oid;
  readonly length: number;
  readonly byValue: boolean;
  readonly align: string;
  readonly storage: string;
}
export interface BootstrapTable {
  readonly oid: Oid;
  readonly columns: readonly BootstrapColumn[];
  readonly rows: Field[][];
}

/** Blocks separated by blank lines: an OID, then rows as COPY writes them (generate-data.mjs). */
export function parseBootstrapFacts(text: string): Map<Oid, Field[][]> {
  const blocks = new Map<Oid, Field[][]>();
  for (const block of text.split('\n\n')) {
    const [oid, ...lines] = block.split('\n');
    const rows = lines.map((line) => line.split('\t').map((text) => (text === '\\N' ? null : unescapeCopy(text))));
    blocks.set(Number(oid) as Oid, rows);
  }
  return blocks;
}

/** Columns of a relation as pg_attribute has them. */
export function bootstrapColumns(relid: Oid): BootstrapColumn[] {
  return store.attribute
    .by('attrelid', relid)
    .filter((a) => a.attnum > 0)
    .sort((a, b) => a.attnum - b.attnum)
    .map((a) => ({
      name: a.attname,
      typeId: a.atttypid,
      length: a.attlen,
      byValue: a.attbyval,
      align: a.attalign,
      storage: a.attstorage,
    }));
}

const factRows = (name: CatalogName): Field[][] => {
  const table = factTable(name);
  return Array.from({ length: table.count }, (_, row) => table.fields(row));
};

/** A table with its rows; `extra` are those that only initdb needs. */
export function bootstrapTable(oid: Oid, name: string, extra: ReadonlyMap<Oid, Field[][]>): BootstrapTable {
  return { oid, columns: bootstrapColumns(oid), rows: extra.get(oid) ?? (hasFacts(name) ? factRows(name) : []) };
}
