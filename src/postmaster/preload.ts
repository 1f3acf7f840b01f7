/** preload.ts — what every forked child will need is loaded once, here, so that all share its pages.
 *
 *  Besides loading, the path of a query is run a few times against nobody (tcop/warm-up.ts). The modules of rare
 *  processes stay unloaded. */
import { PROCESS_KINDS, type ProcessKindName } from '#postmaster/process-kinds.ts';
import { heapTotals } from '#platform/heap.ts';
import { native } from '#platform/native.ts';
import { warmDescriptors } from '#catalog/catalog-desc.ts';
import { warmCatalog } from '#catalog/syscache.ts';
import { warmUp } from '#tcop/warm-up.ts';
import { warmParser } from '#parser/libpg-query.ts';

const EVERY_SERVER_HAS: readonly ProcessKindName[] = [
  'client-backend',
  'startup',
  'checkpointer',
  'background-writer',
  'wal-writer',
  'autovacuum-launcher',
  'stats-collector',
  'background-worker',
];

/** A collection that the parent has begun would be finished by every child, and what is young would be copied by each. */
function compactHeap(): void {
  globalThis.gc?.();
  native.trimHeap();
  compactTotal = heapTotals().total;
}
let compactTotal = 0;
const GROWTH_MAX_BYTES = 6 << 20;
/** A fork copies the page tables of whatever the heap has grown to: garbage of many connections and crash cycles is
 *  collected before it makes every child dearer. */
export function compactGrownHeap(): void {
  if (compactTotal > 0 && heapTotals().total > compactTotal + GROWTH_MAX_BYTES) compactHeap();
}

export function preloadForFork(): void {
  for (const kind of EVERY_SERVER_HAS) PROCESS_KINDS[kind].load();
  warmCatalog();
  warmDescriptors();
  warmParser();
  warmUp();
  compactHeap();
}
