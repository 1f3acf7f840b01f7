/** systable.ts — scans of catalogs by number: opens what is needed, reads, closes.
 *  Counterpart: systable_beginscan() … of src/backend/access/index/genam.c */
import type { Relation } from '#access/common/relation-descriptor.ts';
import type { Datum } from '#adt/datum.ts';
import type { ItemPointer, Oid } from '#base/ids.ts';
import { type CatalogKey, CatalogScan } from '#catalog/catalog-scan.ts';
import { mayUseIndexes, rowOf } from '#catalog/relcache.ts';
import { indexOpen, relationClose, tableOpen } from '#catalog/relation.ts';
import type { RowStore } from '#catalog/rows.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import type { Snapshot } from '#transam/snapshot.ts';

export type { CatalogKey };

/** A scan of an open catalog; end() closes the index, the table stays the caller's. */
export class SystemScan extends CatalogScan {
  readonly #index: Relation | null;
  constructor(rel: Relation, index: Relation | null, keys: readonly CatalogKey[], snapshot: Snapshot | null) {
    super(rel, index, keys, snapshot);
    this.#index = index;
  }
  override end(): void {
    super.end();
    if (this.#index !== null) relationClose(this.#index, LOCK.accessShare);
  }
}
/** `indexOid` 0: read the whole table. */
export function systableBeginScan(
  rel: Relation,
  indexOid: Oid | 0,
  indexOk: boolean,
  keys: readonly CatalogKey[],
  snapshot: Snapshot | null = null,
): SystemScan {
  const index = indexOid !== 0 && indexOk && mayUseIndexes() ? indexOpen(indexOid, LOCK.accessShare) : null;
  return new SystemScan(rel, index, keys, snapshot);
}

/** Calls back for every row; false from the callback ends the scan. The table is locked as for reading. */
export function scanCatalogRows(
  catalog: Oid,
  indexOid: Oid | 0,
  keys: readonly CatalogKey[],
  visit: (scan: SystemScan) => boolean | undefined,
): void {
  const rel = tableOpen(catalog, LOCK.accessShare);
  const scan = systableBeginScan(rel, indexOid, true, keys);
  while (scan.next()) if (visit(scan) === false) break;
  scan.end();
  relationClose(rel, LOCK.accessShare);
}
/** A catalog's row with its place, for changing it. */
export interface CatalogTuple<T> {
  readonly tid: ItemPointer;
  readonly row: T;
  /** All columns in attribute order. */
  readonly values: readonly Datum[];
}
/** The rows of an open catalog that match, read afresh. */
export function findCatalogTuples<T>(
  of: RowStore<T>,
  rel: Relation,
  indexOid: Oid | 0,
  keys: readonly CatalogKey[],
): CatalogTuple<T>[] {
  const found: CatalogTuple<T>[] = [];
  const scan = systableBeginScan(rel, indexOid, true, keys);
  while (scan.next()) found.push({ tid: scan.tid, row: rowOf(of, scan), values: scan.values() });
  scan.end();
  return found;
}
