/** table-am.ts — what index access methods and the catalog need of the table's own access method.
 *
 *  nbtree and the heap are peers: a B-tree asks its table through this interface whether a TID is still alive, which
 *  of its entries may be deleted, and for all tuples when it is built. The heap registers itself (registerTableAm).
 *  Counterpart: src/include/access/tableam.h */
import type { IndexInfo } from '#access/common/index-am.ts';
import type { Relation } from '#access/common/relation-descriptor.ts';
import type { Datum } from '#adt/datum.ts';
import type { BlockNumber, Buffer, ItemPointer, Oid, TransactionId } from '#base/ids.ts';
import type { Snapshot } from '#transam/snapshot.ts';

/** The state of fetching tuples by the TIDs that an index gives; `callAgain`/`allDead` as in index_fetch_heap. */
export interface IndexFetch {
  readonly rel: Relation;
  /** Result of the last successful fetch; valid while `buffer` stays pinned by this fetch. */
  tupleAt: number;
  tupleLen: number;
  tid: ItemPointer;
  buffer: Buffer;
  /** In: this TID again, for the next member of its HOT chain. Out: there may be one (non-MVCC snapshots). */
  callAgain: boolean;
  /** Every member of the chain is dead to everybody. */
  allDead: boolean;
}

/** One TID of TmIndexDeleteOp.deltids with its status. */
export interface IndexDelete {
  tid: ItemPointer;
  /** Index into `status`. */
  id: number;
}
export interface IndexDeleteStatus {
  /** In: offset of the entry on its index page. */
  indexOffset: number;
  /** In for simple deletion, out for bottom-up deletion. */
  knownDeletable: boolean;
  /** Bottom-up deletion: worth deleting (a duplicate), and how much space that gives. */
  promising: boolean;
  freeSpace: number;
}
/** In: candidates. Out: `deletes` is cut to those that were looked at, order changed, status updated. */
export interface IndexDeleteOp {
  readonly index: Relation;
  readonly indexBlock: BlockNumber;
  readonly bottomUp: boolean;
  readonly bottomUpFreeSpace: number;
  deletes: IndexDelete[];
  status: IndexDeleteStatus[];
}

/** Values are the index's columns; the arrays are reused for the next tuple. */
export type IndexBuildCallback = (tid: ItemPointer, values: Datum[], tupleIsAlive: boolean) => void;

export interface TableAm {
  readonly name: string;
  beginIndexFetch(rel: Relation): IndexFetch;
  indexFetchTuple(fetch: IndexFetch, tid: ItemPointer, snapshot: Snapshot): boolean;
  resetIndexFetch(fetch: IndexFetch): void;
  endIndexFetch(fetch: IndexFetch): void;
  /** table_index_fetch_tuple_check(): is any version of this TID visible; `allDead` of the result object. */
  indexFetchTupleCheck(rel: Relation, tid: ItemPointer, snapshot: Snapshot): { found: boolean; allDead: boolean };
  /** Returns latestRemovedXid for the index's own delete record. */
  indexDeleteTuples(rel: Relation, op: IndexDeleteOp): TransactionId;
  /** Calls back for every tuple an index must have; returns the number of live tuples. */
  indexBuildScan(
    heap: Relation,
    index: Relation,
    info: IndexInfo,
    allowSync: boolean,
    anyVisible: boolean,
    callback: IndexBuildCallback,
  ): number;
}

const methods = new Map<number, TableAm>();
export const HEAP_TABLE_AM_OID = 2 as Oid;
export function registerTableAm(amOid: number, am: TableAm): void {
  methods.set(amOid, am);
}
/** The table's access method; everything that is not said otherwise is a heap (catalogs, TOAST tables, sequences). */
export function tableAm(rel: Relation | null): TableAm {
  const found = methods.get(rel === null || rel.amOid === 0 ? HEAP_TABLE_AM_OID : rel.amOid);
  if (found === undefined) throw new Error('the heap has not registered itself');
  return found;
}
