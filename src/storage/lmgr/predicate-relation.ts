/** predicate-relation.ts — what predicate locking needs to know of relations and snapshots of the layers above. */

/** access/common's Relation is one. */
export interface PredicateRelation {
  readonly oid: number;
  readonly isShared: boolean;
  readonly persistence: 'p' | 'u' | 't';
  /** pg_class.relkind. */
  readonly kind: string;
  /** Of an index, null for others. */
  readonly index: { readonly heapRelid: number } | null;
}
/** transam's Snapshot is one. */
export interface PredicateSnapshot {
  readonly kind: string;
  readonly xmin: number;
  readonly xmax: number;
  /** The first `xcnt` of `xip` are running. */
  readonly xcnt: number;
  readonly xip: Uint32Array;
}

const FIRST_UNPINNED_OBJECT_ID = 12_000;
/** Temporary and system relations take no part, nor do materialized views. */
export const predicateLockingNeeded = (relation: PredicateRelation): boolean =>
  relation.oid >= FIRST_UNPINNED_OBJECT_ID && relation.persistence !== 't' && relation.kind !== 'm';
