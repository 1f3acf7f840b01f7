/** memory.ts — pg_get_shmem_allocations(), and pg_get_backend_memory_contexts() over V8's heap spaces.
 *
 *  A JavaScript process has no memory contexts of PostgreSQL's kind. The heap's spaces take their place: the heap as a
 *  whole is the top, its spaces and the memory outside of it are its children.
 *  Counterpart: pg_get_shmem_allocations() of src/backend/storage/ipc/shmem.c, src/backend/utils/adt/mcxtfuncs.c */
import type { Datum } from '#adt/datum.ts';
import { registerSetBuiltins } from '#adt/fmgr.ts';
import { rowIterator } from '#functions/set-iterator.ts';
import { heapSpaces, heapTotals } from '#platform/heap.ts';
import { shmemAllocations } from '#shm/shmem.ts';

const TOP = 'TopMemoryContext';

function contexts(): Datum[][] {
  const totals = heapTotals();
  const rows: Datum[][] = [
    [TOP, null, null, 0, totals.total, heapSpaces().length, totals.total - totals.used, 0, totals.used],
  ];
  for (const space of heapSpaces())
    rows.push([space.name, null, TOP, 1, space.total, 1, space.total - space.used, 0, space.used]);
  rows.push(['external', null, TOP, 1, totals.external, 1, 0, 0, totals.external]);
  return rows;
}

registerSetBuiltins({
  pg_get_shmem_allocations: () =>
    rowIterator(shmemAllocations().map((one) => [one.name, one.offset, one.size, one.allocatedSize])),
  pg_get_backend_memory_contexts: () => rowIterator(contexts()),
});
