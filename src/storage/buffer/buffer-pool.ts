/** buffer-pool.ts — where the pool lies, and what a buffer number means.
 *
 *  Buffer n > 0 is shared: descriptor n-1 and page n-1 of the segment. Buffer -n is local: the same structures in the
 *  private window of a process (local-buffers.ts). So a page is always an address in `mem`, and code that has a pin need
 *  not know which kind it is.
 *  Counterpart: src/backend/storage/buffer/buf_init.c */
import {
  BLCKSZ,
  type BlockNumber,
  type Buffer,
  type ForkNumber,
  type Lsn,
  type Oid,
  type RelFileNode,
} from '#base/ids.ts';
import { settings } from '#runtime/guc/guc.ts';
import { BUILTIN_TRANCHES } from '#shm/lwlock-list.ts';
import { initializeLWLock } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';
import { ConditionVariable, initConditionVariable } from '#shm/condition-variable.ts';
import { xlogHintBitIsNeeded } from '#wal/insert.ts';
import { lockHeader, unlockHeader } from '#storage/buffer/buffer-header.ts';
import {
  BM_PERMANENT,
  BufferDesc,
  BufferStrategyControl,
  CheckpointSortItem,
  DESC_CONTENT_LOCK,
  DESC_STATE,
  FREENEXT_END_OF_LIST,
} from '#storage/buffer/buffer-layout.ts';

/** The system's page, so that a block never straddles more pages than it must. */
const PAGE_ALIGNMENT = 4096;

/** NBuffers: shared_buffers of the running server. */
export let nBuffers = 0;
export let descriptorsAt = -1;
export let blocksAt = -1;
/** Bucket heads of the mapping table: i32 each, -1 when empty. */
export let bucketsAt = -1;
export let bucketMask = 0;
export let strategyAt = -1;
let ioConditionVariablesAt = -1;
let checkpointItemsAt = -1;
/** Of the local pool; set when it is first used. */
let localDescriptorsAt = -1;
let localBlocksAt = -1;

/** A power of two, at least the number of partitions: a bucket lies in one partition. */
function bucketCount(buffers: number): number {
  let count = 128;
  while (count < buffers) count *= 2;
  return count;
}

export const bufferShmem: ShmemSubsystem = {
  name: 'Buffers',
  request() {
    const buffers = settings.shared_buffers;
    requestShmemSpace(buffers * BufferDesc.SIZE);
    requestShmemSpace(buffers * BLCKSZ + PAGE_ALIGNMENT);
    requestShmemSpace(buffers * ConditionVariable.SIZE);
    requestShmemSpace(buffers * CheckpointSortItem.SIZE);
    requestShmemSpace(bucketCount(buffers) * 4);
    requestShmemSpace(BufferStrategyControl.SIZE);
  },
  init() {
    nBuffers = settings.shared_buffers;
    const buckets = bucketCount(nBuffers);
    bucketMask = buckets - 1;
    const descriptors = shmemInitStruct('Buffer Descriptors', nBuffers * BufferDesc.SIZE);
    descriptorsAt = descriptors.at;
    const blocks = shmemInitStruct('Buffer Blocks', nBuffers * BLCKSZ + PAGE_ALIGNMENT).at;
    blocksAt = Math.ceil(blocks / PAGE_ALIGNMENT) * PAGE_ALIGNMENT;
    ioConditionVariablesAt = shmemInitStruct('Buffer IO Condition Variables', nBuffers * ConditionVariable.SIZE).at;
    checkpointItemsAt = shmemInitStruct('Checkpoint BufferIds', nBuffers * CheckpointSortItem.SIZE).at;
    bucketsAt = shmemInitStruct('Shared Buffer Lookup Table', buckets * 4).at;
    strategyAt = shmemInitStruct('Buffer Strategy Status', BufferStrategyControl.SIZE).at;
    if (!descriptors.found) initializePool();
  },
};

/** Every buffer is empty and in the free list. */
function initializePool(): void {
  for (let id = 0; id < nBuffers; id++) {
    const desc = descriptorAt(id);
    BufferDesc.id.set(mem, desc, id);
    BufferDesc.waitBackend.set(mem, desc, -1);
    BufferDesc.freeNext.set(mem, desc, id + 1 < nBuffers ? id + 1 : FREENEXT_END_OF_LIST);
    BufferDesc.hashNext.set(mem, desc, -1);
    initializeLWLock(desc + DESC_CONTENT_LOCK, BUILTIN_TRANCHES.BufferContent);
    initConditionVariable(ioConditionVariable(id));
  }
  mem.i32.fill(-1, bucketsAt >>> 2, (bucketsAt >>> 2) + bucketMask + 1);
  BufferStrategyControl.firstFreeBuffer.store(mem, strategyAt, 0);
  BufferStrategyControl.lastFreeBuffer.set(mem, strategyAt, nBuffers - 1);
  BufferStrategyControl.bgwProcNumber.store(mem, strategyAt, -1);
}

/** local-buffers.ts: where the local pool of this process is. */
export function setLocalPool(descriptors: number, blocks: number): void {
  localDescriptorsAt = descriptors;
  localBlocksAt = blocks;
}

export const descriptorAt = (id: number): number => descriptorsAt + id * 64;
export const ioConditionVariable = (id: number): number => ioConditionVariablesAt + id * ConditionVariable.SIZE;
export const checkpointItemAt = (i: number): number => checkpointItemsAt + i * CheckpointSortItem.SIZE;

/** Descriptor of a shared or local buffer. */
export const descriptorOf = (buffer: Buffer): number =>
  buffer > 0 ? descriptorsAt + (buffer - 1) * 64 : localDescriptorsAt + (-1 - buffer) * 64;

/** Address of the page in `mem`. The buffer is pinned. */
export const bufferPage = (buffer: Buffer): number =>
  buffer > 0 ? blocksAt + (buffer - 1) * BLCKSZ : localBlocksAt + (-1 - buffer) * BLCKSZ;

/** The facts of a pinned buffer's page: they cannot change while it is pinned. */
export const bufferBlock = (buffer: Buffer): BlockNumber => mem.view.getUint32(descriptorOf(buffer) + 16, true);
export const bufferFork = (buffer: Buffer): ForkNumber => BufferDesc.fork.get(mem, descriptorOf(buffer)) as ForkNumber;
export const bufferRnode = (buffer: Buffer): RelFileNode => descriptorRnode(descriptorOf(buffer));
export const descriptorRnode = (desc: number): RelFileNode => ({
  spcNode: BufferDesc.spcNode.get(mem, desc) as Oid,
  dbNode: BufferDesc.dbNode.get(mem, desc) as Oid,
  relNode: BufferDesc.relNode.get(mem, desc) as Oid,
});
export const descriptorHasRnode = (desc: number, rnode: RelFileNode): boolean =>
  BufferDesc.relNode.get(mem, desc) === rnode.relNode &&
  BufferDesc.dbNode.get(mem, desc) === rnode.dbNode &&
  BufferDesc.spcNode.get(mem, desc) === rnode.spcNode;

export const bufferIsLocal = (buffer: Buffer): boolean => buffer < 0;
export const bufferIsValid = (buffer: Buffer): boolean => buffer !== 0;
/** Must survive a crash: no page of an unlogged or temporary relation. */
export const bufferIsPermanent = (buffer: Buffer): boolean =>
  buffer > 0 && (Atomics.load(mem.i32, (descriptorAt(buffer - 1) + DESC_STATE) >>> 2) & BM_PERMANENT) !== 0;

/** The page's LSN for a reader with a share lock: hint-bit writers, who hold no more, set it under the header lock. */
export function bufferLsnAtomic(buffer: Buffer): Lsn {
  if (buffer < 0 || !xlogHintBitIsNeeded()) return readPageLsn(bufferPage(buffer));
  const desc = descriptorAt(buffer - 1);
  const state = lockHeader(desc);
  const lsn = readPageLsn(bufferPage(buffer));
  unlockHeader(desc, state);
  return lsn;
}

/** pd_lsn at `page`: high word first, each little-endian. */
export const readPageLsn = (page: number): Lsn =>
  (mem.view.getUint32(page, true) * 0x1_0000_0000 + mem.view.getUint32(page + 4, true)) as Lsn;
