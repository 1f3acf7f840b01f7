/** indexing.ts — writing rows of catalogs: the tuple, its index entries, and word to everybody who remembers it.
 *
 *  The heap itself notes the invalidation (heap-hooks.ts), so rows written by SQL statements are covered, too.
 *  Counterpart: src/backend/catalog/indexing.c, simple_heap_insert() … of heapam.c */
import { heapDeform, heapFormTuple, heapModifyTuple, heapTupleLength } from '#access/common/heap-tuple.ts';
import { type IndexInfo, UNIQUE_CHECK } from '#access/common/index-am.ts';
import { indexInsert } from '#access/common/index-access.ts';
import type { Relation } from '#access/common/relation-descriptor.ts';
import { heapDelete } from '#access/heap/heap-delete.ts';
import { heapFetch, newHeapFetchResult, releaseHeapFetch } from '#access/heap/heap-fetch.ts';
import { heapInsert } from '#access/heap/heap-insert.ts';
import { heapUpdate, heapUpdateResult } from '#access/heap/heap-update.ts';
import type { TMResult } from '#access/heap/heap-types.ts';
import type { Datum } from '#adt/datum.ts';
import type { ItemPointer } from '#base/ids.ts';
import { indexOpen, relationClose } from '#catalog/relation.ts';
import { relationGetIndexList } from '#catalog/relcache.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { Workspace } from '#shm/private-memory.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { SNAPSHOT_ANY } from '#transam/snapshot.ts';
import { getCurrentCommandId } from '#transam/xact.ts';

/** BuildIndexInfo() of an index over plain columns. */
export function plainIndexInfo(index: Relation): IndexInfo {
  const desc = index.index!;
  return {
    numAttrs: desc.nAtts,
    numKeyAttrs: desc.nKeyAtts,
    attrNumbers: desc.keys,
    unique: desc.unique,
    nullsNotDistinct: desc.nullsNotDistinct,
    readyForInserts: desc.ready,
    concurrent: false,
    brokenHotChain: false,
  };
}

/** The open indexes of a catalog, for writing several rows. */
export class CatalogIndexes {
  readonly #indexes: Relation[];
  constructor(readonly rel: Relation) {
    this.#indexes = relationGetIndexList(rel).map((oid) => indexOpen(oid, LOCK.rowExclusive));
  }
  insert(values: readonly Datum[], tid: ItemPointer): void {
    for (const index of this.#indexes) {
      const desc = index.index!;
      if (!desc.ready) continue;
      // Catalogs' indexes have neither expressions nor predicates.
      const entry = desc.keys.map((attnum) => values[attnum - 1]!);
      const check = desc.unique ? UNIQUE_CHECK.yes : UNIQUE_CHECK.no;
      indexInsert(index, entry, tid, this.rel, check, false, plainIndexInfo(index));
    }
  }
  close(): void {
    for (const index of this.#indexes) relationClose(index, LOCK.none);
  }
}

const space = new Workspace();
const old = newHeapFetchResult();
const withIndexes = <T>(rel: Relation, given: CatalogIndexes | undefined, write: (indexes: CatalogIndexes) => T): T => {
  const indexes = given ?? new CatalogIndexes(rel);
  const result = write(indexes);
  if (given === undefined) indexes.close();
  return result;
};

/** CatalogTupleInsert(): `values` has all columns in attribute order. */
export function catalogInsert(rel: Relation, values: readonly Datum[], indexes?: CatalogIndexes): ItemPointer {
  return withIndexes(rel, indexes, (open) => {
    space.reset();
    const at = heapFormTuple(rel.tupleDesc, values, space);
    const tid = heapInsert(rel, at, heapTupleLength(), getCurrentCommandId(true), 0, null);
    open.insert(values, tid);
    return tid;
  });
}

const FAILURES: Readonly<Partial<Record<TMResult, string>>> = {
  selfModified: 'tuple already updated by self',
  updated: 'tuple concurrently updated',
  deleted: 'tuple concurrently deleted',
};
function checkResult(result: TMResult, routine: string): void {
  if (result === 'ok') return;
  report('ERROR', { message: FAILURES[result] ?? `unrecognized ${routine} status: ${result}` });
}

/** CatalogTupleUpdate(): replaces the tuple by one of these values. */
export function catalogUpdate(
  rel: Relation,
  tid: ItemPointer,
  values: readonly Datum[],
  indexes?: CatalogIndexes,
): ItemPointer {
  return withIndexes(rel, indexes, (open) => {
    space.reset();
    const at = heapFormTuple(rel.tupleDesc, values, space);
    checkResult(heapUpdate(rel, tid, at, heapTupleLength(), getCurrentCommandId(true), null, true), 'heap_update');
    const { newTid, isHot } = heapUpdateResult;
    if (!isHot) open.insert(values, newTid);
    return newTid;
  });
}

/** Replaces some columns, by name, of the tuple at `tid`; the others keep their stored bytes. */
export function catalogUpdateColumns(
  rel: Relation,
  tid: ItemPointer,
  changes: Readonly<Record<string, Datum>>,
  indexes?: CatalogIndexes,
): ItemPointer {
  return withIndexes(rel, indexes, (open) => {
    const desc = rel.tupleDesc;
    const values: Datum[] = new Array<Datum>(desc.natts).fill(null);
    const replace = new Uint8Array(desc.natts);
    for (const [name, value] of Object.entries(changes)) {
      const at = desc.attributeIndex(name);
      if (at < 0) throw new Error(`catalog ${rel.name} has no column ${name}`);
      values[at] = value;
      replace[at] = 1;
    }
    if (!heapFetch(rel, SNAPSHOT_ANY, tid, false, old)) report('ERROR', { message: 'tuple concurrently deleted' });
    space.reset();
    const at = heapModifyTuple(desc, old.tupleAt, values, replace, space);
    const length = heapTupleLength();
    releaseHeapFetch(old);
    checkResult(heapUpdate(rel, tid, at, length, getCurrentCommandId(true), null, true), 'heap_update');
    const { newTid, isHot } = heapUpdateResult;
    if (!isHot) {
      const all: Datum[] = [];
      heapDeform(desc, at, desc.natts, all);
      open.insert(all, newTid);
    }
    return newTid;
  });
}

/** CatalogTupleDelete(). */
export function catalogDelete(rel: Relation, tid: ItemPointer): void {
  checkResult(heapDelete(rel, tid, getCurrentCommandId(true), null, true, false), 'heap_delete');
}
/** Values of a new row by column name; columns not named are null. */
export function catalogValues(rel: Relation, named: Readonly<Record<string, Datum>>): Datum[] {
  const { attrs } = rel.tupleDesc;
  for (const name of Object.keys(named)) {
    if (rel.tupleDesc.attributeIndex(name) < 0) throw new Error(`catalog ${rel.name} has no column ${name}`);
  }
  return attrs.map((attr) => named[attr.name] ?? null);
}
/** The error of a duplicate name where PostgreSQL checks before it inserts. */
export const duplicateObject = (message: string): never => report('ERROR', { code: SQLSTATE.duplicateObject, message });
