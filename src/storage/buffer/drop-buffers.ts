/** drop-buffers.ts — pages of relations that are dropped or truncated leave the pool unwritten.
 *
 *  The caller has made sure that nobody uses the blocks (AccessExclusiveLock). Buffers are found by a pass over the whole
 *  pool, or by looking each block up when there are few and their number is known for certain.
 *  Counterpart: DropRelFileNodeBuffers(), InvalidateBuffer() of src/backend/storage/buffer/bufmgr.c */
import { ALL_FORKS, type BlockNumber, type ForkNumber, INVALID_BLOCK, type Oid, PERMANENT_BACKEND } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { myProcess } from '#runtime/my-process.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { setSmgrHooks, smgrExists, smgrNblocksCached, type SmgrRelation } from '#storage/smgr/smgr.ts';
import { lockHeader, readState, unlockHeader } from '#storage/buffer/buffer-header.ts';
import { waitIO } from '#storage/buffer/buffer-io.ts';
import {
  BM_TAG_VALID,
  BUF_FLAG_MASK,
  BUF_REFCOUNT_MASK,
  BUF_USAGECOUNT_MASK,
  BufferDesc,
} from '#storage/buffer/buffer-layout.ts';
import { descriptorAt, descriptorHasRnode, nBuffers } from '#storage/buffer/buffer-pool.ts';
import { deleteFromTable, hashOfDescriptor, hashTag, lookup, partitionLock } from '#storage/buffer/buffer-table.ts';
import { strategyFreeBuffer } from '#storage/buffer/freelist.ts';
import { flushRelationsAllBuffers } from '#storage/buffer/flush.ts';
import { dropLocalFork, dropLocalRelation } from '#storage/buffer/local-buffers.ts';
import { bufferIsPinned } from '#storage/buffer/pin.ts';

/** Below this many blocks, as a share of the pool, each is looked up. */
const FULL_SCAN_DIVISOR = 32;
/** More relations than this are sorted and searched instead of compared one by one. */
const RELS_BSEARCH_THRESHOLD = 20;

/** Forgets a buffer's page and frees the buffer. Its header is locked by the caller, and unlocked here. */
function invalidateBuffer(id: number, lockedState: number): void {
  const desc = descriptorAt(id);
  const spc = BufferDesc.spcNode.get(mem, desc);
  const db = BufferDesc.dbNode.get(mem, desc);
  const rel = BufferDesc.relNode.get(mem, desc);
  const fork = BufferDesc.fork.get(mem, desc);
  const block = BufferDesc.block.get(mem, desc);
  unlockHeader(desc, lockedState);
  const hash = hashTag(spc, db, rel, fork, block);
  const partition = partitionLock(hash);
  for (;;) {
    lwLockAcquire(partition, 'exclusive');
    const state = lockHeader(desc);
    // Replaced meanwhile: then the page is gone already.
    const same =
      (state & BM_TAG_VALID) !== 0 &&
      hashOfDescriptor(desc) === hash &&
      BufferDesc.block.get(mem, desc) === block &&
      BufferDesc.fork.get(mem, desc) === fork &&
      BufferDesc.relNode.get(mem, desc) === rel &&
      BufferDesc.dbNode.get(mem, desc) === db &&
      BufferDesc.spcNode.get(mem, desc) === spc;
    if (!same) {
      unlockHeader(desc, state);
      lwLockRelease(partition);
      return;
    }
    if ((state & BUF_REFCOUNT_MASK) === 0) {
      deleteFromTable(id, hash);
      clearTag(desc);
      unlockHeader(desc, state & ~(BUF_FLAG_MASK | BUF_USAGECOUNT_MASK));
      lwLockRelease(partition);
      strategyFreeBuffer(id);
      return;
    }
    // Pinned: only the checkpointer or background writer can be writing it, and they soon stop. A pin of our own would
    // be there for ever.
    unlockHeader(desc, state);
    lwLockRelease(partition);
    if (bufferIsPinned(id + 1)) report('ERROR', { message: 'buffer is pinned in InvalidateBuffer' });
    waitIO(id);
  }
}

function clearTag(desc: number): void {
  BufferDesc.spcNode.set(mem, desc, 0);
  BufferDesc.dbNode.set(mem, desc, 0);
  BufferDesc.relNode.set(mem, desc, 0);
  BufferDesc.fork.set(mem, desc, -1);
  BufferDesc.block.set(mem, desc, INVALID_BLOCK);
}

/** Of each fork, forgets blocks from firstDelBlock on. */
export function dropRelationBuffers(
  smgr: SmgrRelation,
  forks: readonly ForkNumber[],
  firstDelBlock: readonly BlockNumber[],
): void {
  const { rnode } = smgr;
  if (smgr.backend !== PERMANENT_BACKEND) {
    if (smgr.backend === myProcess.backendId)
      for (let i = 0; i < forks.length; i++) dropLocalFork(rnode, forks[i]!, firstDelBlock[i]!);
    return;
  }
  const sizes = forks.map((fork) => smgrNblocksCached(smgr, fork));
  const known = sizes.every((size) => size !== INVALID_BLOCK);
  const count = sizes.reduce((sum, size, i) => sum + Math.max(0, size - firstDelBlock[i]!), 0);
  if (known && count < nBuffers / FULL_SCAN_DIVISOR) {
    for (let i = 0; i < forks.length; i++) findAndDrop(smgr, forks[i]!, sizes[i]!, firstDelBlock[i]!);
    return;
  }
  for (let id = 0; id < nBuffers; id++) {
    const desc = descriptorAt(id);
    // Unlocked first: nobody can bring in such blocks now, so a mismatch stays one.
    if (!descriptorHasRnode(desc, rnode)) continue;
    const state = lockHeader(desc);
    if (descriptorHasRnode(desc, rnode) && isBeyond(desc, forks, firstDelBlock)) invalidateBuffer(id, state);
    else unlockHeader(desc, state);
  }
}

function isBeyond(desc: number, forks: readonly ForkNumber[], firstDelBlock: readonly BlockNumber[]): boolean {
  const i = forks.indexOf(BufferDesc.fork.get(mem, desc) as ForkNumber);
  return i >= 0 && BufferDesc.block.get(mem, desc) >= firstDelBlock[i]!;
}

function findAndDrop(smgr: SmgrRelation, fork: ForkNumber, size: BlockNumber, firstDelBlock: BlockNumber): void {
  const { spcNode, dbNode, relNode } = smgr.rnode;
  for (let block = firstDelBlock; block < size; block++) {
    const hash = hashTag(spcNode, dbNode, relNode, fork, block);
    const partition = partitionLock(hash);
    lwLockAcquire(partition, 'shared');
    const id = lookup(hash, spcNode, dbNode, relNode, fork, block);
    lwLockRelease(partition);
    if (id < 0) continue;
    const desc = descriptorAt(id);
    const state = lockHeader(desc);
    if (
      descriptorHasRnode(desc, smgr.rnode) &&
      BufferDesc.fork.get(mem, desc) === fork &&
      BufferDesc.block.get(mem, desc) >= firstDelBlock
    )
      invalidateBuffer(id, state);
    else unlockHeader(desc, state);
  }
}

/** Forgets all forks of all these relations. */
export function dropRelationsAllBuffers(smgrs: readonly SmgrRelation[]): void {
  const shared: SmgrRelation[] = [];
  for (const smgr of smgrs) {
    if (smgr.backend === PERMANENT_BACKEND) shared.push(smgr);
    else if (smgr.backend === myProcess.backendId) dropLocalRelation(smgr.rnode);
  }
  if (shared.length === 0 || dropFewBlocks(shared)) return;
  const find = relationFinder(shared);
  for (let id = 0; id < nBuffers; id++) {
    const desc = descriptorAt(id);
    const smgr = find(desc);
    if (smgr === undefined) continue;
    const state = lockHeader(desc);
    if (descriptorHasRnode(desc, smgr.rnode)) invalidateBuffer(id, state);
    else unlockHeader(desc, state);
  }
}

function relationFinder(smgrs: readonly SmgrRelation[]): (desc: number) => SmgrRelation | undefined {
  if (smgrs.length <= RELS_BSEARCH_THRESHOLD) return (desc) => smgrs.find((one) => descriptorHasRnode(desc, one.rnode));
  const byNumber = new Map<number, SmgrRelation[]>();
  for (const smgr of smgrs) {
    const same = byNumber.get(smgr.rnode.relNode);
    if (same === undefined) byNumber.set(smgr.rnode.relNode, [smgr]);
    else same.push(smgr);
  }
  return (desc) => byNumber.get(BufferDesc.relNode.get(mem, desc))?.find((one) => descriptorHasRnode(desc, one.rnode));
}

/** Looks the blocks up one by one if all sizes are known and small together. */
function dropFewBlocks(smgrs: readonly SmgrRelation[]): boolean {
  const parts: { smgr: SmgrRelation; fork: ForkNumber; size: BlockNumber }[] = [];
  let count = 0;
  for (const smgr of smgrs) {
    for (const fork of ALL_FORKS) {
      const size = smgrNblocksCached(smgr, fork);
      if (size === INVALID_BLOCK) {
        if (smgrExists(smgr, fork)) return false;
        continue;
      }
      count += size;
      parts.push({ smgr, fork, size });
    }
  }
  if (count >= nBuffers / FULL_SCAN_DIVISOR) return false;
  for (const { smgr, fork, size } of parts) findAndDrop(smgr, fork, size, 0);
  return true;
}

/** DROP DATABASE: nobody is connected to it. */
export function dropDatabaseBuffers(database: Oid): void {
  for (let id = 0; id < nBuffers; id++) {
    const desc = descriptorAt(id);
    if (BufferDesc.dbNode.get(mem, desc) !== database) continue;
    const state = lockHeader(desc);
    if (BufferDesc.dbNode.get(mem, desc) === database && (readState(desc) & BM_TAG_VALID) !== 0)
      invalidateBuffer(id, state);
    else unlockHeader(desc, state);
  }
}

// Storage management drops and flushes through these (smgr lies below the pool).
setSmgrHooks({ dropRelationBuffers, dropRelationsAllBuffers, flushRelationsAllBuffers });
