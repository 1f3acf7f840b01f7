/** read-buffer.ts — ReadBuffer: a block of a relation, pinned in a buffer.
 *
 *  A hit costs the partition lock (shared), the pin, and the entry in the resource owner. A miss takes a victim, writes it
 *  if it is dirty, exchanges its place in the mapping table under both partition locks, and reads; others who want the
 *  block find it meanwhile and wait for the read.
 *  Counterpart: ReadBuffer_common(), BufferAlloc() of src/backend/storage/buffer/bufmgr.c */
import {
  BLCKSZ,
  type BlockNumber,
  type Buffer,
  FORK,
  type ForkNumber,
  PERMANENT_BACKEND,
  type RelFileNode,
} from '#base/ids.ts';
import { monotonicMs } from '#platform/clock.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { myProcess } from '#runtime/my-process.ts';
import { lwLockAcquire, lwLockConditionalAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { pageIsNew } from '#storage/page/page.ts';
import { pageIsVerified, PIV, setPageChecksumHooks } from '#storage/page/page-checksum.ts';
import { smgrExtend, smgrNblocks, smgrOpen, smgrPrefetch, smgrRead, type SmgrRelation } from '#storage/smgr/smgr.ts';
import { dataChecksumsEnabled, xlogNeedsFlush } from '#wal/insert.ts';
// For its effect: whoever can read pages can also drop them.
import '#storage/buffer/drop-buffers.ts';
import {
  BM_CHECKPOINT_NEEDED,
  BM_DIRTY,
  BM_IO_ERROR,
  BM_JUST_DIRTIED,
  BM_PERMANENT,
  BM_TAG_VALID,
  BM_VALID,
  BUF_REFCOUNT_MASK,
  BUF_USAGECOUNT_MASK,
  BUF_USAGECOUNT_ONE,
  BufferDesc,
  DESC_CONTENT_LOCK,
  P_NEW,
  RBM,
  type ReadBufferMode,
} from '#storage/buffer/buffer-layout.ts';
import { lockHeader, readState, unlockHeader } from '#storage/buffer/buffer-header.ts';
import { startBufferIO, terminateBufferIO } from '#storage/buffer/buffer-io.ts';
import { lockBufferForCleanup } from '#storage/buffer/buffer-lock.ts';
import { forkPath } from '#storage/buffer/buffer-names.ts';
import {
  bufferPage,
  descriptorAt,
  descriptorHasRnode,
  descriptorOf,
  readPageLsn,
} from '#storage/buffer/buffer-pool.ts';
import {
  deleteFromTable,
  hashOfDescriptor,
  hashTag,
  insertIntoTable,
  lookup,
  partitionLock,
} from '#storage/buffer/buffer-table.ts';
import { bufferUsage, vacuumCost } from '#storage/buffer/buffer-usage.ts';
import { flushBuffer } from '#storage/buffer/flush.ts';
import { strategyGetBuffer } from '#storage/buffer/freelist.ts';
import {
  localBufferAlloc,
  localFound,
  prefetchLocalBuffer,
  setLocalInvalid,
  setLocalValid,
} from '#storage/buffer/local-buffers.ts';
import { pinBuffer, pinBufferLocked, releaseBuffer, unpinBuffer } from '#storage/buffer/pin.ts';
import { type AccessStrategy, strategyRejectBuffer } from '#storage/buffer/ring-strategy.ts';
import { backendWriteback, scheduleWriteback } from '#storage/buffer/writeback.ts';

setPageChecksumHooks({ enabled: dataChecksumsEnabled });

export type Persistence = 'p' | 'u' | 't';

/** Whether the last read found its block in the pool, for statistics of relations. */
export let lastReadWasHit = false;

/** Pins the block, reading it if it must. `block` P_NEW extends the fork by a zeroed page; the caller holds the relation's
 *  extension lock, or knows that nobody else extends. */
export function readBuffer(
  smgr: SmgrRelation,
  persistence: Persistence,
  fork: ForkNumber,
  block: BlockNumber,
  mode: ReadBufferMode,
  strategy: AccessStrategy | null,
): Buffer {
  if (smgr.backend !== PERMANENT_BACKEND) return readLocalBuffer(smgr, fork, block, mode);
  if (block === P_NEW) return extendFork(smgr, persistence, fork, mode, strategy);
  const { rnode } = smgr;
  const hash = hashTag(rnode.spcNode, rnode.dbNode, rnode.relNode, fork, block);
  const partition = partitionLock(hash);
  lwLockAcquire(partition, 'shared');
  const id = lookup(hash, rnode.spcNode, rnode.dbNode, rnode.relNode, fork, block);
  if (id >= 0) {
    const valid = pinBuffer(id, strategy !== null);
    lwLockRelease(partition);
    // Not valid: somebody is reading it, which startBufferIO waits for, or failed to, and then it is on us.
    if (!valid && startBufferIO(id, true)) return fillBuffer(id, smgr, fork, block, mode);
    return countHit(id, mode);
  }
  lwLockRelease(partition);
  const permanent = persistence === 'p' || fork === FORK.init;
  const allocated = allocateBuffer(smgr, hash, permanent, fork, block, strategy);
  if (allocated < 0) return countHit(-1 - allocated, mode);
  return fillBuffer(allocated, smgr, fork, block, mode);
}

/** For redo and other code without a relation's catalog entry. */
export function readBufferWithoutRelcache(
  rnode: RelFileNode,
  fork: ForkNumber,
  block: BlockNumber,
  mode: ReadBufferMode,
  strategy: AccessStrategy | null,
  permanent: boolean,
): Buffer {
  return readBuffer(smgrOpen(rnode, PERMANENT_BACKEND), permanent ? 'p' : 'u', fork, block, mode, strategy);
}

function countHit(id: number, mode: ReadBufferMode): Buffer {
  bufferUsage.sharedHit++;
  vacuumCost.pageHit++;
  if (vacuumCost.active) vacuumCost.balance += settings.vacuum_cost_page_hit;
  lastReadWasHit = true;
  if (mode === RBM.zeroAndLock) lwLockAcquire(descriptorAt(id) + DESC_CONTENT_LOCK, 'exclusive');
  else if (mode === RBM.zeroAndCleanupLock) lockBufferForCleanup(id + 1);
  return id + 1;
}
function countMiss(): void {
  lastReadWasHit = false;
  vacuumCost.pageMiss++;
  if (vacuumCost.active) vacuumCost.balance += settings.vacuum_cost_page_miss;
}

/** Reads (or zeroes) the page of a buffer whose input we started. */
function fillBuffer(
  id: number,
  smgr: SmgrRelation,
  fork: ForkNumber,
  block: BlockNumber,
  mode: ReadBufferMode,
): Buffer {
  const page = bufferPage(id + 1);
  if (mode === RBM.zeroAndLock || mode === RBM.zeroAndCleanupLock) {
    mem.u8.fill(0, page, page + BLCKSZ);
    // Before the page becomes valid, or somebody could see the zeroes before the caller has filled them. Nobody else
    // can hold a pin that matters to cleanup yet: those who have one wait for our I/O.
    lwLockAcquire(descriptorAt(id) + DESC_CONTENT_LOCK, 'exclusive');
  } else {
    readPage(smgr, fork, block, page, mode);
    bufferUsage.sharedRead++;
  }
  terminateBufferIO(id, false, BM_VALID);
  countMiss();
  return id + 1;
}

function readPage(smgr: SmgrRelation, fork: ForkNumber, block: BlockNumber, page: number, mode: ReadBufferMode): void {
  const start = settings.track_io_timing ? monotonicMs() : 0;
  smgrRead(smgr, fork, block, page);
  if (settings.track_io_timing) bufferUsage.blkReadTimeMs += monotonicMs() - start;
  if (pageIsVerified(page, block, PIV.logWarning | PIV.reportStat)) return;
  const what = `invalid page in block ${block} of relation ${forkPath(smgr.rnode, fork, smgr.backend)}`;
  if (mode !== RBM.zeroOnError && !settings.zero_damaged_pages)
    report('ERROR', { code: SQLSTATE.dataCorrupted, message: what });
  report('WARNING', { code: SQLSTATE.dataCorrupted, message: `${what}; zeroing out page` });
  mem.u8.fill(0, page, page + BLCKSZ);
}

/** The block after the fork's last, zeroed on disk and in its buffer. */
function extendFork(
  smgr: SmgrRelation,
  persistence: Persistence,
  fork: ForkNumber,
  mode: ReadBufferMode,
  strategy: AccessStrategy | null,
): Buffer {
  const block = nextBlock(smgr, fork);
  const { rnode } = smgr;
  const hash = hashTag(rnode.spcNode, rnode.dbNode, rnode.relNode, fork, block);
  const permanent = persistence === 'p' || fork === FORK.init;
  const allocated = allocateBuffer(smgr, hash, permanent, fork, block, strategy);
  const id = allocated < 0 ? -1 - allocated : allocated;
  const page = bufferPage(id + 1);
  if (allocated < 0) {
    // A buffer beyond the end of file: an extension that failed half-way, whose page nobody filled. Anything else means
    // that the kernel told a wrong size, and then nothing may be overwritten.
    complainUnlessNew(page, block, smgr, fork);
    const desc = descriptorAt(id);
    do {
      const state = lockHeader(desc);
      unlockHeader(desc, state & ~BM_VALID);
    } while (!startBufferIO(id, true));
  }
  mem.u8.fill(0, page, page + BLCKSZ);
  // The file before the buffer: whoever sees the block in the pool may rely on its being in the file.
  smgrExtend(smgr, fork, block, page, false);
  bufferUsage.sharedWritten++;
  if (mode === RBM.zeroAndLock || mode === RBM.zeroAndCleanupLock)
    lwLockAcquire(descriptorAt(id) + DESC_CONTENT_LOCK, 'exclusive');
  terminateBufferIO(id, false, BM_VALID);
  countMiss();
  return id + 1;
}

function nextBlock(smgr: SmgrRelation, fork: ForkNumber): BlockNumber {
  const block = smgrNblocks(smgr, fork);
  if (block === P_NEW)
    report('ERROR', {
      code: SQLSTATE.programLimitExceeded,
      message: `cannot extend relation ${forkPath(smgr.rnode, fork, smgr.backend)} beyond ${P_NEW} blocks`,
    });
  return block;
}

function complainUnlessNew(page: number, block: BlockNumber, smgr: SmgrRelation, fork: ForkNumber): void {
  if (pageIsNew(page)) return;
  report('ERROR', {
    message: `unexpected data beyond EOF in block ${block} of relation ${forkPath(smgr.rnode, fork, smgr.backend)}`,
    hint: 'This has been seen to occur with buggy kernels; consider updating your system.',
  });
}

/** Extends by `count` zeroed pages that enter the pool unpinned; returns the first block. The caller holds the extension
 *  lock. */
export function extendRelationBy(
  smgr: SmgrRelation,
  persistence: Persistence,
  fork: ForkNumber,
  count: number,
  strategy: AccessStrategy | null,
): BlockNumber {
  let first = P_NEW;
  for (let i = 0; i < count; i++) {
    const buffer = readBuffer(smgr, persistence, fork, P_NEW, RBM.normal, strategy);
    if (i === 0) first = BufferDesc.block.get(mem, descriptorOf(buffer));
    releaseBuffer(buffer);
  }
  return first;
}

/** A pinned buffer for the block, which was not found in the pool a moment ago. Result id ≥ 0: its input is started and
 *  the caller fills it. Result -1 - id: somebody else brought the block in, it is valid. */
function allocateBuffer(
  smgr: SmgrRelation,
  hash: number,
  permanent: boolean,
  fork: ForkNumber,
  block: BlockNumber,
  strategy: AccessStrategy | null,
): number {
  const { spcNode, dbNode, relNode } = smgr.rnode;
  const newPartition = partitionLock(hash);
  // The extending path comes here without having looked.
  lwLockAcquire(newPartition, 'shared');
  const present = lookup(hash, spcNode, dbNode, relNode, fork, block);
  if (present >= 0) return useExisting(present, newPartition, strategy);
  lwLockRelease(newPartition);
  for (;;) {
    const id = takeCleanVictim(strategy);
    if (id < 0) continue;
    const desc = descriptorAt(id);
    // Our pin keeps the tag as it is.
    const hadTag = (readState(desc) & BM_TAG_VALID) !== 0;
    const oldHash = hashOfDescriptor(desc);
    const oldPartition = hadTag ? partitionLock(oldHash) : newPartition;
    // In ascending order, as everybody does who takes two.
    if (oldPartition < newPartition) lwLockAcquire(oldPartition, 'exclusive');
    lwLockAcquire(newPartition, 'exclusive');
    if (oldPartition > newPartition) lwLockAcquire(oldPartition, 'exclusive');
    const existing = lookup(hash, spcNode, dbNode, relNode, fork, block);
    if (existing >= 0) {
      unpinBuffer(id);
      if (oldPartition !== newPartition) lwLockRelease(oldPartition);
      return useExisting(existing, newPartition, strategy);
    }
    const state = lockHeader(desc);
    if ((state & BUF_REFCOUNT_MASK) === 1 && (state & BM_DIRTY) === 0) {
      if (hadTag) deleteFromTable(id, oldHash);
      BufferDesc.spcNode.set(mem, desc, spcNode);
      BufferDesc.dbNode.set(mem, desc, dbNode);
      BufferDesc.relNode.set(mem, desc, relNode);
      BufferDesc.fork.set(mem, desc, fork);
      BufferDesc.block.set(mem, desc, block);
      insertIntoTable(id, hash);
      unlockHeader(
        desc,
        (state & ~RESET_ON_REUSE) | (permanent ? BM_TAG_VALID | BM_PERMANENT : BM_TAG_VALID) | BUF_USAGECOUNT_ONE,
      );
      if (oldPartition !== newPartition) lwLockRelease(oldPartition);
      lwLockRelease(newPartition);
      return startBufferIO(id, true) ? id : -1 - id;
    }
    // Somebody pinned or dirtied the victim while we were cleaning it: it is theirs.
    unlockHeader(desc, state);
    if (oldPartition !== newPartition) lwLockRelease(oldPartition);
    lwLockRelease(newPartition);
    unpinBuffer(id);
  }
}

const RESET_ON_REUSE =
  BM_VALID | BM_DIRTY | BM_JUST_DIRTIED | BM_CHECKPOINT_NEEDED | BM_IO_ERROR | BM_PERMANENT | BUF_USAGECOUNT_MASK;

/** Pins the buffer found under `partition`, which is released. */
function useExisting(id: number, partition: number, strategy: AccessStrategy | null): number {
  const valid = pinBuffer(id, strategy !== null);
  lwLockRelease(partition);
  return !valid && startBufferIO(id, true) ? id : -1 - id;
}

/** A pinned victim that was clean a moment ago; -1 if the one we met was busy, rejected or not ours to have. */
function takeCleanVictim(strategy: AccessStrategy | null): number {
  const id = strategyGetBuffer(strategy);
  const desc = descriptorAt(id);
  const state = readState(desc);
  pinBufferLocked(id, state);
  if ((state & BM_DIRTY) === 0) return id;
  // Conditionally: its holder may wait for us, e.g. splitting an index page while we hold another page of that index.
  if (!lwLockConditionalAcquire(desc + DESC_CONTENT_LOCK, 'shared')) {
    unpinBuffer(id);
    return -1;
  }
  if (strategy !== null && rejects(strategy, id)) {
    lwLockRelease(desc + DESC_CONTENT_LOCK);
    unpinBuffer(id);
    return -1;
  }
  flushBuffer(id, null);
  lwLockRelease(desc + DESC_CONTENT_LOCK);
  scheduleWriteback(backendWriteback, desc);
  return id;
}

function rejects(strategy: AccessStrategy, id: number): boolean {
  const desc = descriptorAt(id);
  const state = lockHeader(desc);
  const lsn = readPageLsn(bufferPage(id + 1));
  unlockHeader(desc, state);
  return xlogNeedsFlush(lsn) && strategyRejectBuffer(strategy, id + 1);
}

function readLocalBuffer(smgr: SmgrRelation, fork: ForkNumber, block: BlockNumber, mode: ReadBufferMode): Buffer {
  if (smgr.backend !== myProcess.backendId)
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: 'cannot access temporary tables of other sessions',
    });
  const extend = block === P_NEW;
  if (extend) block = nextBlock(smgr, fork);
  const buffer = localBufferAlloc(smgr, fork, block);
  const page = bufferPage(buffer);
  if (localFound) {
    bufferUsage.localHit++;
    if (!extend) {
      lastReadWasHit = true;
      vacuumCost.pageHit++;
      if (vacuumCost.active) vacuumCost.balance += settings.vacuum_cost_page_hit;
      return buffer;
    }
    complainUnlessNew(page, block, smgr, fork);
    setLocalInvalid(buffer);
  } else if (extend) bufferUsage.localWritten++;
  else if (mode !== RBM.zeroAndLock && mode !== RBM.zeroAndCleanupLock) bufferUsage.localRead++;
  if (extend || mode === RBM.zeroAndLock || mode === RBM.zeroAndCleanupLock) mem.u8.fill(0, page, page + BLCKSZ);
  if (extend) smgrExtend(smgr, fork, block, page, false);
  else if (mode !== RBM.zeroAndLock && mode !== RBM.zeroAndCleanupLock) readPage(smgr, fork, block, page, mode);
  setLocalValid(buffer);
  countMiss();
  return buffer;
}

/** Releases `buffer` (0 for none) and reads `block` of the main fork; for the same block it keeps the pin. */
export function releaseAndReadBuffer(
  buffer: Buffer,
  smgr: SmgrRelation,
  persistence: Persistence,
  block: BlockNumber,
): Buffer {
  if (buffer !== 0) {
    const desc = descriptorOf(buffer);
    if (
      BufferDesc.block.get(mem, desc) === block &&
      BufferDesc.fork.get(mem, desc) === FORK.main &&
      descriptorHasRnode(desc, smgr.rnode)
    )
      return buffer;
    releaseBuffer(buffer);
  }
  return readBuffer(smgr, persistence, FORK.main, block, RBM.normal, null);
}

/** Asks the kernel to read the block ahead unless it is in the pool. True if it was asked. */
export function prefetchBuffer(smgr: SmgrRelation, fork: ForkNumber, block: BlockNumber): boolean {
  if (smgr.backend !== PERMANENT_BACKEND) return prefetchLocalBuffer(smgr, fork, block);
  const { spcNode, dbNode, relNode } = smgr.rnode;
  const hash = hashTag(spcNode, dbNode, relNode, fork, block);
  const partition = partitionLock(hash);
  lwLockAcquire(partition, 'shared');
  const id = lookup(hash, spcNode, dbNode, relNode, fork, block);
  lwLockRelease(partition);
  // A hit is no promise: the buffer is not pinned and may be gone when it is wanted.
  return id < 0 && smgrPrefetch(smgr, fork, block);
}

export const relationNblocks = (smgr: SmgrRelation, fork: ForkNumber): BlockNumber => smgrNblocks(smgr, fork);
