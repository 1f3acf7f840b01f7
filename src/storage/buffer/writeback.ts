/** writeback.ts — asks the kernel to begin writing what was just written, in order and in large pieces.
 *
 *  Without it dirty data piles up in the kernel's cache until an fsync has to wait for all of it. Requests are collected,
 *  sorted, joined where blocks are neighbours, and issued when the process's limit (…_flush_after) is reached.
 *  Counterpart: ScheduleBufferTagForWriteback(), IssuePendingWritebacks() of bufmgr.c */
import { type ForkNumber, type Oid, PERMANENT_BACKEND } from '#base/ids.ts';
import { settings } from '#runtime/guc/guc.ts';
import { mem } from '#shm/memory.ts';
import { smgrOpen, smgrWriteback } from '#storage/smgr/smgr.ts';
import { BufferDesc } from '#storage/buffer/buffer-layout.ts';

const MAX_PENDING = 256;
const FIELDS = 5;

export interface WritebackContext {
  /** Now in force: settings may change between two requests. 0 switches it off. */
  readonly maxPending: () => number;
  count: number;
  /** spc, db, rel, fork, block of each request. */
  readonly tags: Uint32Array;
}
export const newWritebackContext = (maxPending: () => number): WritebackContext => ({
  maxPending,
  count: 0,
  tags: new Uint32Array(MAX_PENDING * FIELDS),
});

/** For what a backend has to write itself. */
export const backendWriteback = newWritebackContext(() => settings.backend_flush_after);

/** The descriptor's buffer was written; it is pinned. */
export function scheduleWriteback(context: WritebackContext, desc: number): void {
  const limit = Math.min(context.maxPending(), MAX_PENDING);
  if (limit > 0) {
    const at = context.count++ * FIELDS;
    const { tags } = context;
    tags[at] = BufferDesc.spcNode.get(mem, desc);
    tags[at + 1] = BufferDesc.dbNode.get(mem, desc);
    tags[at + 2] = BufferDesc.relNode.get(mem, desc);
    tags[at + 3] = BufferDesc.fork.get(mem, desc);
    tags[at + 4] = BufferDesc.block.get(mem, desc);
  }
  if (context.count >= limit) issuePendingWritebacks(context);
}

export function issuePendingWritebacks(context: WritebackContext): void {
  const { count, tags } = context;
  if (count === 0) return;
  context.count = 0;
  const order = Array.from({ length: count }, (_, i) => i * FIELDS);
  order.sort((a, b) => compareTags(tags, a, b));
  for (let i = 0; i < count; ) {
    const first = order[i]!;
    const block = tags[first + 4]!;
    let blocks = 1;
    for (i++; i < count; i++) {
      const next = order[i]!;
      if (!sameFork(tags, first, next)) break;
      const distance = tags[next + 4]! - block;
      // The same block may stand there twice.
      if (distance > blocks) break;
      blocks = distance + 1;
    }
    const rnode = { spcNode: tags[first]! as Oid, dbNode: tags[first + 1]! as Oid, relNode: tags[first + 2]! as Oid };
    smgrWriteback(smgrOpen(rnode, PERMANENT_BACKEND), tags[first + 3] as ForkNumber, block, blocks);
  }
}

function compareTags(tags: Uint32Array, a: number, b: number): number {
  for (let i = 0; i < FIELDS; i++) if (tags[a + i] !== tags[b + i]) return tags[a + i]! - tags[b + i]!;
  return 0;
}
const sameFork = (tags: Uint32Array, a: number, b: number): boolean =>
  tags[a] === tags[b] && tags[a + 1] === tags[b + 1] && tags[a + 2] === tags[b + 2] && tags[a + 3] === tags[b + 3];
