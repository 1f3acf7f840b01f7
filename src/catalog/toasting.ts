/** toasting.ts — the TOAST table of a table whose rows may grow beyond a page.
 *  Counterpart: src/backend/catalog/toasting.c, heapam_relation_needs_toast_table() */
import { TupleDesc } from '#access/common/relation-descriptor.ts';
import type { Oid } from '#base/ids.ts';
import { columnOfType, heapCreateWithCatalog } from '#catalog/heap.ts';
import { catalogUpdateColumns } from '#catalog/indexing.ts';
import { indexCreate } from '#catalog/index.ts';
import { objectAddress } from '#catalog/object-address.ts';
import { ACCESS_METHOD, NAMESPACE, RELATION, TYPE } from '#catalog/oids.ts';
import { recordDependencyOn } from '#catalog/pg-depend.ts';
import type { RelationData } from '#catalog/relcache.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { tempToastNamespace } from '#catalog/creation-namespace.ts';
import { report } from '#runtime/error/report.ts';
import { LOCK, type LockMode } from '#storage/lmgr/lock-modes.ts';
import { commandCounterIncrement } from '#transam/xact.ts';
import { typeMaximumSize } from '#catalog/type-size.ts';

/** TOAST_TUPLE_THRESHOLD, SizeofHeapTupleHeader. */
const TOAST_TUPLE_THRESHOLD = 2032;
const HEADER = 23;
const OID_OPS_BTREE = 1981 as Oid;
const INT4_OPS_BTREE = 1978 as Oid;
const ALIGN: Readonly<Record<string, number>> = { c: 1, s: 2, i: 4, d: 8 };
const alignTo = (value: number, to: number): number => Math.ceil(value / to) * to;

/** Could a row become longer than fits, and is there a column that can be moved out? */
export function relationNeedsToastTable(desc: TupleDesc): boolean {
  let length = 0;
  let lengthKnown = true;
  let hasToastable = false;
  for (const column of desc.attrs) {
    if (column.isDropped) continue;
    length = alignTo(length, ALIGN[column.align]!);
    if (column.length > 0) {
      length += column.length;
      continue;
    }
    const largest = typeMaximumSize(column.typeId, column.typmod);
    if (largest < 0) lengthKnown = false;
    else length += largest;
    if (column.storage !== 'p') hasToastable = true;
  }
  if (!hasToastable) return false;
  if (!lengthKnown) return true;
  const header = alignTo(HEADER + Math.ceil(desc.natts / 8), 8);
  return header + alignTo(length, 8) > TOAST_TUPLE_THRESHOLD;
}

/** NewRelationCreateToastTable(), AlterTableCreateToastTable(): makes one if it is needed and not there yet. */
export function createToastTable(relid: Oid, options: readonly string[] | null, lock: LockMode): void {
  const rel = tableOpen(relid, lock);
  makeToastTable(rel, options);
  relationClose(rel, LOCK.none);
}

function makeToastTable(rel: RelationData, options: readonly string[] | null): boolean {
  if (rel.toastRelid !== 0) return false;
  if (!'rm'.includes(rel.kind) || rel.isShared || rel.isSystem) return false;
  if (!relationNeedsToastTable(rel.tupleDesc)) return false;
  const desc = new TupleDesc([
    columnOfType('chunk_id', 1, TYPE.oid, -1, 0, { storage: 'p' }),
    columnOfType('chunk_seq', 2, TYPE.int4, -1, 0, { storage: 'p' }),
    // Chunks are never compressed nor moved out themselves.
    columnOfType('chunk_data', 3, TYPE.bytea, -1, 0, { storage: 'p' }),
  ]);
  const { oid } = heapCreateWithCatalog({
    name: `pg_toast_${rel.oid}`,
    namespace: rel.isLocalTemp ? tempToastNamespace() : NAMESPACE.pgToast,
    tablespace: rel.tablespace,
    kind: 't',
    persistence: rel.persistence,
    accessMethod: ACCESS_METHOD.heap,
    desc,
    owner: rel.owner,
    isShared: rel.isShared,
    isMapped: rel.isMapped,
    options,
    isInternal: true,
  });
  commandCounterIncrement();
  // Its rows are found by value and chunk number; nobody else can have them yet.
  const toast = tableOpen(oid, LOCK.share);
  indexCreate(toast, {
    name: `pg_toast_${rel.oid}_index`,
    columns: [
      { name: 'chunk_id', attnum: 1, expr: null, collation: 0 as Oid, opclass: OID_OPS_BTREE, option: 0 },
      { name: 'chunk_seq', attnum: 2, expr: null, collation: 0 as Oid, opclass: INT4_OPS_BTREE, option: 0 },
    ],
    keyCount: 2,
    predicate: [],
    accessMethod: ACCESS_METHOD.btree,
    tablespace: rel.tablespace,
    unique: true,
    primary: true,
    isInternal: true,
  });
  relationClose(toast, LOCK.none);
  const pgClass = tableOpen(RELATION.pgClass, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.class, pgClass, 2662 as Oid, [{ attnum: 1, value: rel.oid }]);
  if (found === undefined) report('ERROR', { message: `cache lookup failed for relation ${rel.oid}` });
  catalogUpdateColumns(pgClass, found.tid, { reltoastrelid: oid });
  relationClose(pgClass, LOCK.rowExclusive);
  recordDependencyOn(objectAddress(RELATION.pgClass, oid), objectAddress(RELATION.pgClass, rel.oid), 'i');
  commandCounterIncrement();
  return true;
}
