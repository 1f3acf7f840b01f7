/** relation-counters.ts — what this process did to each relation since it last reported.
 *
 *  Plain numbers of one process; the statistics system reads and clears them at its own pace. A relation that is used
 *  again and again costs one property of the last entry.
 *  Counterpart: the PgStat_TableCounts part of src/backend/utils/activity/pgstat_relation.c */

export interface RelationCounters {
  readonly oid: number;
  readonly isShared: boolean;
  scans: number;
  tuplesReturned: number;
  tuplesFetched: number;
  tuplesInserted: number;
  tuplesUpdated: number;
  tuplesHotUpdated: number;
  tuplesDeleted: number;
  /** TRUNCATE or DROP happened in this transaction. */
  truncated: boolean;
  blocksFetched: number;
  blocksHit: number;
}
const counters = new Map<number, RelationCounters>();
let last: RelationCounters | undefined;

export function relationCounters(oid: number, isShared = false): RelationCounters {
  if (last !== undefined && last.oid === oid) return last;
  let found = counters.get(oid);
  if (found === undefined) {
    found = {
      oid,
      isShared,
      scans: 0,
      tuplesReturned: 0,
      tuplesFetched: 0,
      tuplesInserted: 0,
      tuplesUpdated: 0,
      tuplesHotUpdated: 0,
      tuplesDeleted: 0,
      truncated: false,
      blocksFetched: 0,
      blocksHit: 0,
    };
    counters.set(oid, found);
  }
  last = found;
  return found;
}
export const allRelationCounters = (): IterableIterator<RelationCounters> => counters.values();
export function clearRelationCounters(): void {
  counters.clear();
  last = undefined;
}

export const pgstatCountHeapScan = (oid: number): void => void relationCounters(oid).scans++;
export const pgstatCountHeapGetnext = (oid: number, n: number): void =>
  void (relationCounters(oid).tuplesReturned += n);
export const pgstatCountHeapFetch = (oid: number): void => void relationCounters(oid).tuplesFetched++;
export const pgstatCountHeapInsert = (oid: number, n: number): void => void (relationCounters(oid).tuplesInserted += n);
export function pgstatCountHeapUpdate(oid: number, isHot: boolean): void {
  const counts = relationCounters(oid);
  counts.tuplesUpdated++;
  if (isHot) counts.tuplesHotUpdated++;
}
export const pgstatCountHeapDelete = (oid: number): void => void relationCounters(oid).tuplesDeleted++;
