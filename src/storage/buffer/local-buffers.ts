/** local-buffers.ts — the pool of one process for its temporary tables: the same shape as the shared one, no locks.
 *
 *  Made when first used, of temp_buffers pages; from then on the setting cannot change. Descriptors and pages lie in the
 *  private window, so a local buffer's page is an address like any other. Pages that are never used take no memory.
 *  Local pages are never logged, never written by others, and are lost at exit with their files.
 *  Counterpart: src/backend/storage/buffer/localbuf.c */
import { assert } from '#base/assert.ts';
import { BLCKSZ, type BlockNumber, type Buffer, type ForkNumber, type RelFileNode } from '#base/ids.ts';
import { monotonicMs } from '#platform/clock.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { myProcess } from '#runtime/my-process.ts';
import { currentResourceOwner } from '#runtime/resource-owner.ts';
import { mem, onNewPrivateWindow } from '#shm/memory.ts';
import { privateReserve } from '#shm/private-memory.ts';
import { pageSetChecksum } from '#storage/page/page-checksum.ts';
import { smgrOpen, smgrPrefetch, type SmgrRelation, smgrWrite } from '#storage/smgr/smgr.ts';
import {
  BM_DIRTY,
  BM_IO_ERROR,
  BM_JUST_DIRTIED,
  BM_MAX_USAGE_COUNT,
  BM_TAG_VALID,
  BM_VALID,
  BUF_USAGECOUNT_MASK,
  BUF_USAGECOUNT_ONE,
  BufferDesc,
  DESC_STATE,
} from '#storage/buffer/buffer-layout.ts';
import {
  bufferPage,
  descriptorHasRnode,
  descriptorOf,
  descriptorRnode,
  setLocalPool,
} from '#storage/buffer/buffer-pool.ts';
import { forkPath } from '#storage/buffer/buffer-names.ts';
import { hashTag } from '#storage/buffer/buffer-table.ts';
import { bufferUsage } from '#storage/buffer/buffer-usage.ts';
import { withWriteContext } from '#storage/buffer/flush.ts';
import { incrLocalRefCount, initLocalPins, localRefCount } from '#storage/buffer/local-pins.ts';
import { BUFFER_PIN } from '#storage/buffer/pin.ts';

/** NLocBuffer; 0 while no temporary table was touched. */
export let localBufferCount = 0;
let buckets = new Int32Array(0);
/** The clock's hand. */
let nextVictim = 0;

onNewPrivateWindow(() => {
  localBufferCount = 0;
});

const HASH_NEXT = BufferDesc.hashNext.offset >>> 2;
const HASH = BufferDesc.hash.offset >>> 2;

/** Buffer number of local buffer `id`. */
const bufferNumber = (id: number): Buffer => -1 - id;
const localDescriptor = (id: number): number => descriptorOf(-1 - id);
const getState = (desc: number): number => mem.i32[(desc + DESC_STATE) >>> 2]!;
const setState = (desc: number, state: number): void => {
  mem.i32[(desc + DESC_STATE) >>> 2] = state;
};

function initLocalBuffers(): void {
  const count = settings.temp_buffers;
  setLocalPool(privateReserve(count * BufferDesc.SIZE), privateReserve(count * BLCKSZ));
  initLocalPins(count);
  let size = 128;
  while (size < count) size *= 2;
  buckets = new Int32Array(size).fill(-1);
  nextVictim = 0;
  localBufferCount = count;
  for (let id = 0; id < count; id++) {
    const desc = localDescriptor(id);
    BufferDesc.id.set(mem, desc, id);
    setState(desc, 0);
  }
}

function find(hash: number, rnode: RelFileNode, fork: ForkNumber, block: BlockNumber): number {
  if (localBufferCount === 0) return -1;
  for (let id = buckets[hash & (buckets.length - 1)]!; id >= 0; ) {
    const desc = localDescriptor(id);
    if (
      BufferDesc.block.get(mem, desc) === block &&
      BufferDesc.fork.get(mem, desc) === fork &&
      descriptorHasRnode(desc, rnode)
    )
      return id;
    id = mem.i32[(desc >>> 2) + HASH_NEXT]!;
  }
  return -1;
}
const hashOf = (rnode: RelFileNode, fork: ForkNumber, block: BlockNumber): number =>
  hashTag(rnode.spcNode, rnode.dbNode, rnode.relNode, fork, block);

function chain(id: number, hash: number): void {
  const word = localDescriptor(id) >>> 2;
  const bucket = hash & (buckets.length - 1);
  mem.i32[word + HASH] = hash;
  mem.i32[word + HASH_NEXT] = buckets[bucket]!;
  buckets[bucket] = id;
}
function unchain(id: number): void {
  const word = localDescriptor(id) >>> 2;
  const next = mem.i32[word + HASH_NEXT]!;
  const bucket = mem.i32[word + HASH]! & (buckets.length - 1);
  if (buckets[bucket] === id) {
    buckets[bucket] = next;
    return;
  }
  let before = buckets[bucket]!;
  for (;;) {
    assert(before >= 0, 'local buffer hash table corrupted');
    const link = (localDescriptor(before) >>> 2) + HASH_NEXT;
    if (mem.i32[link] === id) {
      mem.i32[link] = next;
      return;
    }
    before = mem.i32[link]!;
  }
}

function pinLocal(id: number): void {
  incrLocalRefCount(id);
  currentResourceOwner().remember(BUFFER_PIN, bufferNumber(id));
}

/** Of the last localBufferAlloc: the page is valid. */
export let localFound = false;

/** Pins the local buffer of a block, giving another up if it must. `localFound` says whether its contents are valid. */
export function localBufferAlloc(smgr: SmgrRelation, fork: ForkNumber, block: BlockNumber): Buffer {
  if (localBufferCount === 0) initLocalBuffers();
  const { rnode } = smgr;
  const hash = hashOf(rnode, fork, block);
  let id = find(hash, rnode, fork, block);
  if (id >= 0) {
    const desc = localDescriptor(id);
    const state = getState(desc);
    if (localRefCount(id) === 0 && (state & BUF_USAGECOUNT_MASK) < BM_MAX_USAGE_COUNT * BUF_USAGECOUNT_ONE)
      setState(desc, state + BUF_USAGECOUNT_ONE);
    pinLocal(id);
    localFound = (state & BM_VALID) !== 0;
    return bufferNumber(id);
  }
  id = takeVictim();
  const desc = localDescriptor(id);
  if ((getState(desc) & BM_DIRTY) !== 0) writeLocal(id);
  if ((getState(desc) & BM_TAG_VALID) !== 0) {
    unchain(id);
    setState(desc, 0);
  }
  BufferDesc.spcNode.set(mem, desc, rnode.spcNode);
  BufferDesc.dbNode.set(mem, desc, rnode.dbNode);
  BufferDesc.relNode.set(mem, desc, rnode.relNode);
  BufferDesc.fork.set(mem, desc, fork);
  BufferDesc.block.set(mem, desc, block);
  chain(id, hash);
  setState(desc, BM_TAG_VALID | BUF_USAGECOUNT_ONE);
  localFound = false;
  return bufferNumber(id);
}

/** Clock sweep; the buffer comes pinned. */
function takeVictim(): number {
  let tries = localBufferCount;
  for (;;) {
    const id = nextVictim;
    if (++nextVictim >= localBufferCount) nextVictim = 0;
    if (localRefCount(id) === 0) {
      const desc = localDescriptor(id);
      const state = getState(desc);
      if ((state & BUF_USAGECOUNT_MASK) === 0) {
        pinLocal(id);
        return id;
      }
      setState(desc, state - BUF_USAGECOUNT_ONE);
      tries = localBufferCount;
    } else if (--tries === 0)
      report('ERROR', { code: SQLSTATE.insufficientResources, message: 'no empty local buffer available' });
  }
}

function writeLocal(id: number): void {
  const desc = localDescriptor(id);
  const block = BufferDesc.block.get(mem, desc);
  const smgr = smgrOpen(descriptorRnode(desc), myProcess.backendId);
  const start = settings.track_io_timing ? monotonicMs() : 0;
  try {
    const page = bufferPage(bufferNumber(id));
    pageSetChecksum(page, block);
    smgrWrite(smgr, BufferDesc.fork.get(mem, desc) as ForkNumber, block, page, false);
  } catch (caught) {
    throw withWriteContext(caught, desc, myProcess.backendId);
  }
  if (settings.track_io_timing) bufferUsage.blkWriteTimeMs += monotonicMs() - start;
  setState(desc, getState(desc) & ~(BM_DIRTY | BM_JUST_DIRTIED));
  bufferUsage.localWritten++;
}

/** The page of a freshly allocated buffer now holds its block. */
export function setLocalValid(buffer: Buffer): void {
  const desc = descriptorOf(buffer);
  setState(desc, (getState(desc) & ~BM_IO_ERROR) | BM_VALID);
}
/** Extension found a buffer of a block that the file has not: it is filled anew. */
export function setLocalInvalid(buffer: Buffer): void {
  const desc = descriptorOf(buffer);
  setState(desc, getState(desc) & ~BM_VALID);
}

export function markLocalBufferDirty(buffer: Buffer): void {
  const desc = descriptorOf(buffer);
  const state = getState(desc);
  if ((state & BM_DIRTY) === 0) bufferUsage.localDirtied++;
  setState(desc, state | BM_DIRTY);
}

/** True if the kernel was asked to read ahead, false if the block is in the pool already (or cannot be prefetched). */
export function prefetchLocalBuffer(smgr: SmgrRelation, fork: ForkNumber, block: BlockNumber): boolean {
  if (find(hashOf(smgr.rnode, fork, block), smgr.rnode, fork, block) >= 0) return false;
  return smgrPrefetch(smgr, fork, block);
}

/** Forgets a buffer without writing it. */
function drop(id: number): void {
  const desc = localDescriptor(id);
  if (localRefCount(id) !== 0)
    report('ERROR', {
      message: `block ${BufferDesc.block.get(mem, desc)} of ${forkPath(
        descriptorRnode(desc),
        BufferDesc.fork.get(mem, desc) as ForkNumber,
        myProcess.backendId,
      )} is still referenced (local ${localRefCount(id)})`,
    });
  unchain(id);
  setState(desc, 0);
}

export function dropLocalFork(rnode: RelFileNode, fork: ForkNumber, firstDelBlock: BlockNumber): void {
  for (let id = 0; id < localBufferCount; id++) {
    const desc = localDescriptor(id);
    if (
      (getState(desc) & BM_TAG_VALID) !== 0 &&
      BufferDesc.fork.get(mem, desc) === fork &&
      BufferDesc.block.get(mem, desc) >= firstDelBlock &&
      descriptorHasRnode(desc, rnode)
    )
      drop(id);
  }
}
export function dropLocalRelation(rnode: RelFileNode): void {
  for (let id = 0; id < localBufferCount; id++) {
    const desc = localDescriptor(id);
    if ((getState(desc) & BM_TAG_VALID) !== 0 && descriptorHasRnode(desc, rnode)) drop(id);
  }
}
export function flushLocalRelation(smgr: SmgrRelation): void {
  for (let id = 0; id < localBufferCount; id++) {
    const desc = localDescriptor(id);
    if ((getState(desc) & (BM_VALID | BM_DIRTY)) === (BM_VALID | BM_DIRTY) && descriptorHasRnode(desc, smgr.rnode))
      writeLocal(id);
  }
}

/** A forked child has none of its parent's temporary tables. */
export const forgetLocalBuffers = (): void => {
  localBufferCount = 0;
};
