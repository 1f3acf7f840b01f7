/** index-am.ts — what an index access method offers, and the way to find it by its OID.
 *
 *  Access methods never import each other nor the heap: the heap reaches indexes through this table, and indexes
 *  reach their table through table-am.ts.
 *  Counterpart: src/include/access/amapi.h, genam.h, src/backend/access/index/indexam.c */
import type { Relation, TupleDesc } from '#access/common/relation-descriptor.ts';
import type { ScanKey } from '#access/common/scan-key.ts';
import type { Datum } from '#adt/datum.ts';
import type { ItemPointer, Oid } from '#base/ids.ts';
import type { Level } from '#runtime/error/report.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import type { AccessStrategy } from '#storage/buffer/ring-strategy.ts';
import type { Snapshot } from '#transam/snapshot.ts';

/** How to make index entries of a table's tuples (IndexInfo). */
export interface IndexInfo {
  readonly numAttrs: number;
  readonly numKeyAttrs: number;
  /** Table columns, 0 for an expression. */
  readonly attrNumbers: readonly number[];
  readonly unique: boolean;
  readonly nullsNotDistinct: boolean;
  readonly readyForInserts: boolean;
  readonly concurrent: boolean;
  /** Set by the build scan: a HOT chain was found that the index cannot represent. */
  brokenHotChain: boolean;
  /** Values of the index's columns from the table's deformed columns (expressions included). Absent: by attrNumbers. */
  readonly formDatum?: (columns: Datum[], out: Datum[]) => void;
  /** Whether the tuple belongs into the index. Absent: all do. */
  readonly predicate?: (columns: Datum[]) => boolean;
}
export interface IndexBuildResult {
  heapTuples: number;
  indexTuples: number;
}
export interface IndexVacuumInfo {
  readonly index: Relation;
  readonly analyzeOnly: boolean;
  readonly reportProgress: boolean;
  /** numHeapTuples is an estimate. */
  readonly estimatedCount: boolean;
  readonly messageLevel: Level;
  readonly numHeapTuples: number;
  readonly strategy: AccessStrategy | null;
}
export interface IndexBulkDeleteResult {
  numPages: number;
  estimatedCount: boolean;
  numIndexTuples: number;
  tuplesRemoved: number;
  pagesNewlyDeleted: number;
  pagesDeleted: number;
  pagesFree: number;
}
export const emptyBulkDeleteResult = (): IndexBulkDeleteResult => ({
  numPages: 0,
  estimatedCount: false,
  numIndexTuples: 0,
  tuplesRemoved: 0,
  pagesNewlyDeleted: 0,
  pagesDeleted: 0,
  pagesFree: 0,
});
/** True: the entry of this TID is to be deleted. */
export type BulkDeleteCallback = (tid: ItemPointer) => boolean;

/** 0 no, 1 yes, 2 insert without error and report a possible conflict, 3 only look (deferred check). */
export const UNIQUE_CHECK = { no: 0, yes: 1, partial: 2, existing: 3 } as const;

/** A scan of one index; `opaque` is the access method's own. */
export interface IndexScan {
  readonly heap: Relation | null;
  readonly index: Relation;
  readonly snapshot: Snapshot | null;
  readonly keys: readonly ScanKey[];
  readonly orderBys: readonly ScanKey[];
  /** The caller wants the index tuple itself (index-only scan). */
  wantTuple: boolean;
  /** Set by the caller: the tuple returned last is dead to everybody. */
  killPriorTuple: boolean;
  ignoreKilledTuples: boolean;
  /** Result: TID, whether the condition must be checked again, the index tuple if wanted (address, 0 none). */
  heapTid: ItemPointer;
  recheck: boolean;
  itupAt: number;
  itupDesc: TupleDesc | null;
  opaque: unknown;
}
/** Receives TIDs of a bitmap scan. */
export interface TidCollector {
  addTid(tid: ItemPointer, recheck: boolean): void;
}

export interface IndexAm {
  readonly name: string;
  readonly strategies: number;
  readonly support: number;
  readonly canOrder: boolean;
  readonly canBackward: boolean;
  readonly canUnique: boolean;
  readonly canMultiCol: boolean;
  readonly optionalKey: boolean;
  readonly searchArray: boolean;
  readonly searchNulls: boolean;
  readonly clusterable: boolean;
  readonly predLocks: boolean;
  readonly canInclude: boolean;
  build(heap: Relation, index: Relation, info: IndexInfo): IndexBuildResult;
  /** Builds the init fork of an unlogged index. */
  buildEmpty(index: Relation): void;
  /** True if the entry is certainly unique (or was not to be checked). */
  insert(
    index: Relation,
    values: readonly Datum[],
    tid: ItemPointer,
    heap: Relation,
    checkUnique: number,
    indexUnchanged: boolean,
    info: IndexInfo | null,
  ): boolean;
  bulkDelete(
    info: IndexVacuumInfo,
    stats: IndexBulkDeleteResult | null,
    callback: BulkDeleteCallback,
  ): IndexBulkDeleteResult;
  vacuumCleanup(info: IndexVacuumInfo, stats: IndexBulkDeleteResult | null): IndexBulkDeleteResult | null;
  canReturn(index: Relation, attno: number): boolean;
  beginScan(
    heap: Relation | null,
    index: Relation,
    snapshot: Snapshot | null,
    keys: readonly ScanKey[],
    orderBys: readonly ScanKey[],
  ): IndexScan;
  rescan(scan: IndexScan, keys: readonly ScanKey[] | null, orderBys: readonly ScanKey[] | null): void;
  /** Next TID into scan.heapTid; direction 1 forward, -1 backward. */
  getTuple(scan: IndexScan, direction: number): boolean;
  /** Adds all TIDs; returns how many. */
  getBitmap(scan: IndexScan, collector: TidCollector): number;
  endScan(scan: IndexScan): void;
  markPos(scan: IndexScan): void;
  restrPos(scan: IndexScan): void;
}

const methods = new Map<number, IndexAm>();
export function registerIndexAm(amOid: number, am: IndexAm): void {
  methods.set(amOid, am);
}
export function indexAm(amOid: Oid): IndexAm {
  const found = methods.get(amOid);
  if (found === undefined)
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: `index access method with OID ${amOid} is not supported`,
    });
  return found;
}
export const indexAmOf = (index: Relation): IndexAm => indexAm(index.amOid);
