/** checkpoint-buffers.ts — the write phase of a checkpoint.
 *
 *  First every buffer that is dirty now is marked: the checkpoint owes exactly these, what is dirtied later belongs to the
 *  next. They are written in file order, tablespaces in turn so that each progresses at the same rate, and after each
 *  one the checkpointer is asked to pace itself (`setCheckpointWriteDelay`).
 *  Counterpart: BufferSync() of src/backend/storage/buffer/bufmgr.c */
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { settings } from '#runtime/guc/guc.ts';
import { mem } from '#shm/memory.ts';
import { CHECKPOINT } from '#storage/ipc/checkpoint-mailbox.ts';
import { countCheckpointBuffer } from '#stats/bgwriter-stats.ts';
import { checkPointStats } from '#wal/segments.ts';
import { lockHeader, readState, unlockHeader } from '#storage/buffer/buffer-header.ts';
import {
  BM_CHECKPOINT_NEEDED,
  BM_DIRTY,
  BM_PERMANENT,
  BufferDesc,
  CheckpointSortItem as Item,
} from '#storage/buffer/buffer-layout.ts';
import { checkpointItemAt, descriptorAt, nBuffers } from '#storage/buffer/buffer-pool.ts';
import { BUF_WRITTEN, syncOneBuffer } from '#storage/buffer/flush.ts';
import { issuePendingWritebacks, newWritebackContext } from '#storage/buffer/writeback.ts';

let writeDelay: (flags: number, progress: number) => void = () => {};
/** The checkpointer's pacing: called after each buffer with the share that is done. */
export function setCheckpointWriteDelay(delay: (flags: number, progress: number) => void): void {
  writeDelay = delay;
}

const writeback = newWritebackContext(() => settings.checkpoint_flush_after);

/** Writes what is dirty. flags: CHECKPOINT of checkpoint-mailbox.ts. Returns how many buffers this process wrote. */
export function checkpointBuffers(flags: number): number {
  // Unlogged pages need not survive a crash; they are written when the server stops, or when somebody asks for all.
  const all = CHECKPOINT.isShutdown | CHECKPOINT.endOfRecovery | CHECKPOINT.flushAll;
  const mask = (flags & all) === 0 ? BM_DIRTY | BM_PERMANENT : BM_DIRTY;
  const count = markBuffers(mask);
  if (count === 0) return 0;
  const order = sortItems(count);
  const tablespaces = groupByTablespace(order);
  let processed = 0;
  let written = 0;
  while (tablespaces.length > 0) {
    const next = tablespaces[0]!;
    const id = Item.bufferId.get(mem, checkpointItemAt(order[next.index]!));
    // Not needed any more if a backend or the background writer wrote it.
    if (
      (readState(descriptorAt(id)) & BM_CHECKPOINT_NEEDED) !== 0 &&
      (syncOneBuffer(id, false, writeback) & BUF_WRITTEN) !== 0
    ) {
      countCheckpointBuffer();
      written++;
    }
    next.progress += next.slice;
    next.index++;
    if (next.index === next.end) removeTop(tablespaces);
    else siftDown(tablespaces);
    processed++;
    writeDelay(flags, processed / count);
  }
  issuePendingWritebacks(writeback);
  checkPointStats.buffersWritten += written;
  return written;
}

/** Sets CHECKPOINT_NEEDED on what this checkpoint owes, and lists it in shared memory. */
function markBuffers(mask: number): number {
  let count = 0;
  for (let id = 0; id < nBuffers; id++) {
    const desc = descriptorAt(id);
    // The header lock: a dirty flag set just before the redo point must be seen.
    let state = lockHeader(desc);
    if ((state & mask) === mask) {
      state |= BM_CHECKPOINT_NEEDED;
      const item = checkpointItemAt(count++);
      Item.bufferId.set(mem, item, id);
      Item.spcNode.set(mem, item, BufferDesc.spcNode.get(mem, desc));
      Item.relNode.set(mem, item, BufferDesc.relNode.get(mem, desc));
      Item.fork.set(mem, item, BufferDesc.fork.get(mem, desc));
      Item.block.set(mem, item, BufferDesc.block.get(mem, desc));
    }
    unlockHeader(desc, state);
    checkForInterrupts();
  }
  return count;
}

/** Indexes of the items by tablespace, relation, fork, block. (Databases share no file numbers worth separating.) */
function sortItems(count: number): Uint32Array {
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i++) order[i] = i;
  return order.sort((a, b) => {
    const x = checkpointItemAt(a);
    const y = checkpointItemAt(b);
    const { view } = mem;
    return (
      view.getUint32(x, true) - view.getUint32(y, true) ||
      view.getUint32(x + 4, true) - view.getUint32(y + 4, true) ||
      view.getInt32(x + 8, true) - view.getInt32(y + 8, true) ||
      view.getUint32(x + 12, true) - view.getUint32(y + 12, true)
    );
  });
}

interface TablespaceProgress {
  /** Next in `order`, and the end of this tablespace's part. */
  index: number;
  readonly end: number;
  /** On the scale of the whole checkpoint, so that all reach the end together. */
  progress: number;
  readonly slice: number;
}

/** A min-heap by progress. All begin at 0, which makes any order a heap. */
function groupByTablespace(order: Uint32Array): TablespaceProgress[] {
  const groups: TablespaceProgress[] = [];
  for (let i = 0; i < order.length; ) {
    const spc = Item.spcNode.get(mem, checkpointItemAt(order[i]!));
    const first = i;
    while (i < order.length && Item.spcNode.get(mem, checkpointItemAt(order[i]!)) === spc) i++;
    groups.push({ index: first, end: i, progress: 0, slice: order.length / (i - first) });
  }
  return groups;
}

function siftDown(heap: TablespaceProgress[]): void {
  const moving = heap[0]!;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && heap[child + 1]!.progress < heap[child]!.progress) child++;
    if (heap[child]!.progress >= moving.progress) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = moving;
}
function removeTop(heap: TablespaceProgress[]): void {
  const last = heap.pop()!;
  if (heap.length === 0) return;
  heap[0] = last;
  siftDown(heap);
}
