/** table-rows.ts — rows of catalogs that are no facts, read by index and remembered until they change.
 *
 *  The memory is this process's own, by catalog, column and key, absent rows included; an invalidation of a catalog
 *  forgets all that was read of it. Reading opens the catalog, so it needs a transaction; outside of one only what is
 *  remembered and the facts answer.
 *  Counterpart: src/backend/utils/cache/catcache.c */
import type { Datum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { catalogChanged } from '#catalog/catalog-change.ts';
import { catalogTupleDesc } from '#catalog/catalog-desc.ts';
import { catalogRowSource, isBootstrapTuple } from '#catalog/catalog-state.ts';
import { registerCatalogCaches } from '#catalog/inval.ts';
import { NUMBER_COLUMNS } from '#catalog/oids.ts';
import { factStore, ROW_SOURCE, type RowStore, setTableRows } from '#catalog/rows.ts';
import { syscachesOf } from '#catalog/syscache-list.ts';
import { scanCatalogRows, type SystemScan } from '#catalog/systable.ts';
import { isTransactionState } from '#transam/xact.ts';

interface Remembered {
  readonly byColumn: Map<string, Map<Datum, readonly unknown[]>>;
  all: readonly unknown[] | undefined;
}
const remembered = new Map<Oid, Remembered>();
function memoryOf(catalog: Oid): Remembered {
  let memory = remembered.get(catalog);
  if (memory === undefined) {
    memory = { byColumn: new Map(), all: undefined };
    remembered.set(catalog, memory);
  }
  return memory;
}
registerCatalogCaches({
  catalogChanged(catalog) {
    remembered.delete(catalog);
    catalogChanged(catalog);
  },
  allCatalogsChanged() {
    remembered.clear();
    catalogChanged(0 as Oid);
  },
});

interface Column {
  readonly attnum: number;
  readonly isNumber: boolean;
  /** Index that begins with the column, 0 if there is none. */
  readonly index: Oid;
}
const columns = new Map<string, Column>();
function columnOf(catalog: Oid, name: string): Column {
  const key = `${catalog}.${name}`;
  let column = columns.get(key);
  if (column === undefined) {
    const desc = catalogTupleDesc(catalog);
    const attnum = desc.attributeIndex(name) + 1;
    if (attnum === 0) throw new Error(`catalog ${catalog} has no column ${name}`);
    const candidates = factStore.index.by('indrelid', catalog).filter((row) => row.indkey[0] === attnum);
    // The fewest columns: the primary key where the column is one.
    candidates.sort((a, b) => a.indnkeyatts - b.indnkeyatts);
    const isNumber = NUMBER_COLUMNS.has(desc.attrs[attnum - 1]!.typeId);
    column = { attnum, isNumber, index: candidates[0]?.indexrelid ?? (0 as Oid) };
    columns.set(key, column);
  }
  return column;
}

interface Positions {
  readonly at: readonly number[];
  readonly needed: Uint8Array;
}
const positions = new WeakMap<RowStore<never>, Positions>();
/** Reads the rows that are not facts. */
function collect(rows: RowStore<never>, found: unknown[]): (scan: SystemScan) => undefined {
  let wanted = positions.get(rows);
  if (wanted === undefined) {
    const desc = catalogTupleDesc(rows.relid);
    const at = rows.names.map((name) => desc.attributeIndex(name));
    wanted = { at, needed: Uint8Array.from({ length: desc.natts }, (_, i) => (at.includes(i) ? 1 : 0)) };
    positions.set(rows, wanted);
  }
  const { at, needed } = wanted;
  const values: Datum[] = [];
  const withoutFacts = rows.facts !== null && catalogRowSource(rows.relid) !== ROW_SOURCE.table;
  return (scan) => {
    if (withoutFacts && isBootstrapTuple(scan.tupleAt)) return;
    scan.values(values, needed);
    found.push(rows.fromDatums(at.map((i) => values[i]!)));
  };
}
const NONE: readonly unknown[] = [];
/** Invalidation messages speak of catalogs that have a cache; rows of the others are read anew each time. */
const changesAreAnnounced = (catalog: Oid): boolean => syscachesOf(catalog).length > 0;

setTableRows({
  source: catalogRowSource,
  find(rows, name, key) {
    const { byColumn } = memoryOf(rows.relid);
    let byKey = byColumn.get(name);
    if (byKey === undefined) byColumn.set(name, (byKey = new Map()));
    const column = columnOf(rows.relid, name);
    const value = column.isNumber ? Number(key) : key;
    const known = byKey.get(value);
    if (known !== undefined) return known;
    if (!isTransactionState()) return NONE;
    const found: unknown[] = [];
    scanCatalogRows(rows.relid, column.index, [{ attnum: column.attnum, value }], collect(rows, found));
    // What was read may have been forgotten while it was being read.
    if (changesAreAnnounced(rows.relid)) memoryOf(rows.relid).byColumn.get(name)?.set(value, found);
    return found;
  },
  all(rows) {
    const memory = memoryOf(rows.relid);
    if (memory.all !== undefined) return memory.all;
    if (!isTransactionState()) return NONE;
    const found: unknown[] = [];
    scanCatalogRows(rows.relid, 0, [], collect(rows, found));
    if (changesAreAnnounced(rows.relid)) memory.all = found;
    return found;
  },
});
