/** inplace.ts — changing columns of a catalog row where it stands, for facts that no snapshot may miss.
 *  Counterpart: the users of heap_inplace_update() */
import { heapModifyTuple, heapTupleLength } from '#access/common/heap-tuple.ts';
import type { Relation } from '#access/common/relation-descriptor.ts';
import { heapFetch, newHeapFetchResult, releaseHeapFetch } from '#access/heap/heap-fetch.ts';
import { heapInplaceUpdate } from '#access/heap/heap-insert.ts';
import type { Datum } from '#adt/datum.ts';
import type { ItemPointer } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { Workspace } from '#shm/private-memory.ts';
import { SNAPSHOT_ANY } from '#transam/snapshot.ts';

const space = new Workspace();
const old = newHeapFetchResult();

/** The columns must be of fixed width and not null before and after. */
export function catalogInplaceUpdate(rel: Relation, tid: ItemPointer, changes: Readonly<Record<string, Datum>>): void {
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
  heapInplaceUpdate(rel, tid, at, length);
}
