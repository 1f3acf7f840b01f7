/** preload.ts — what every forked child will need is loaded once, here, so that all share its pages.
 *
 *  Loading is all the warming there is: the postmaster runs no query. The modules of rare processes stay unloaded.
 *  After it the heap is compacted, because the cost of a fork grows with it. */
import { PROCESS_KINDS, type ProcessKindName } from '#postmaster/process-kinds.ts';
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

export function preloadForFork(): void {
  for (const kind of EVERY_SERVER_HAS) PROCESS_KINDS[kind].load();
  warmParser();
}
