/** heap-hooks.ts — what the heap needs of the catalog above it.
 *
 *  Which columns are in which indexes, the invalidation of caches when a catalog tuple changes, and opening another
 *  relation (a TOAST table, its indexes): the relation cache installs them.
 *  Counterpart: RelationGetIndexAttrBitmap(), CacheInvalidateHeapTuple(), table_open()/index_open() */
import type { Relation } from '#access/common/relation-descriptor.ts';
import type { ItemPointer, Oid } from '#base/ids.ts';

/** Column numbers (0: an expression needs the whole row; negative: system columns). */
export interface IndexAttrs {
  /** Columns of any index, those in expressions and predicates included. */
  readonly hot: readonly number[];
  /** Columns of unique indexes that a foreign key could use. */
  readonly key: readonly number[];
  /** Columns of the replica identity. */
  readonly identity: readonly number[];
}
export const NO_INDEX_ATTRS: IndexAttrs = { hot: [], key: [], identity: [] };

let indexAttrs: (rel: Relation) => IndexAttrs = () => NO_INDEX_ATTRS;
export function setIndexAttrLookup(lookup: (rel: Relation) => IndexAttrs): void {
  indexAttrs = lookup;
}
export const indexAttrsOf = (rel: Relation): IndexAttrs => (rel.hasIndex ? indexAttrs(rel) : NO_INDEX_ATTRS);

let invalidate: ((rel: Relation, tupleAt: number, tid: ItemPointer, newTupleAt: number) => void) | null = null;
/** CacheInvalidateHeapTuple(rel, tuple, newTuple or 0): called for every inserted, updated or deleted tuple of a catalog. */
export function setHeapTupleInvalidator(
  call: (rel: Relation, tupleAt: number, tid: ItemPointer, newTupleAt: number) => void,
): void {
  invalidate = call;
}
export function cacheInvalidateHeapTuple(rel: Relation, tupleAt: number, tid: ItemPointer, newTupleAt: number): void {
  if (rel.isSystem && invalidate !== null) invalidate(rel, tupleAt, tid, newTupleAt);
}
let invalidateRelcache: ((rel: Relation) => void) | null = null;
/** CacheInvalidateRelcache(): what others know of the relation has changed. */
export function setRelcacheInvalidator(call: (rel: Relation) => void): void {
  invalidateRelcache = call;
}
export function cacheInvalidateRelcache(rel: Relation): void {
  invalidateRelcache?.(rel);
}

export interface RelationAccess {
  open(oid: Oid, lockMode: number): Relation;
  close(rel: Relation, lockMode: number): void;
  /** OIDs of the relation's indexes, the valid one of a TOAST table first. */
  indexes(rel: Relation): readonly Oid[];
}
let access: RelationAccess | undefined;
export function setRelationAccess(by: RelationAccess): void {
  access = by;
}
export function relationAccess(): RelationAccess {
  if (access === undefined) throw new Error('the relation cache has not said how relations are opened');
  return access;
}
