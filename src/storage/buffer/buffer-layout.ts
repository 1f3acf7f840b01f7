/** buffer-layout.ts — the bytes of a buffer descriptor and of the pool's control structures, and the words of its API.
 *
 *  State word:  bits 0–17 pin count | bits 18–21 usage count | bits 22–31 flags.  All changes by compare-and-exchange, or
 *  while BM_LOCKED (the header spinlock) is held.
 *  Counterpart: src/include/storage/buf_internals.h */
import { atomic32, bytes, i32, struct, u32 } from '#base/struct.ts';

/** How readBuffer treats what it finds. */
export const RBM = { normal: 0, zeroAndLock: 1, zeroAndCleanupLock: 2, zeroOnError: 3, normalNoLog: 4 } as const;
export type ReadBufferMode = 0 | 1 | 2 | 3 | 4;
/** Instead of a block number: extend the relation by one block. The caller holds the extension lock if it is needed. */
export const P_NEW = 0xffff_ffff;

export const BUFFER_LOCK = { unlock: 0, share: 1, exclusive: 2 } as const;
export type BufferLockMode = 0 | 1 | 2;

export const BUF_REFCOUNT_ONE = 1;
export const BUF_REFCOUNT_MASK = (1 << 18) - 1;
export const BUF_USAGECOUNT_ONE = 1 << 18;
export const BUF_USAGECOUNT_MASK = 0xf << 18;
export const BUF_USAGECOUNT_SHIFT = 18;
export const BM_MAX_USAGE_COUNT = 5;
export const BM_LOCKED = 1 << 22;
export const BM_DIRTY = 1 << 23;
export const BM_VALID = 1 << 24;
export const BM_TAG_VALID = 1 << 25;
export const BM_IO_IN_PROGRESS = 1 << 26;
export const BM_IO_ERROR = 1 << 27;
export const BM_JUST_DIRTIED = 1 << 28;
export const BM_PIN_COUNT_WAITER = 1 << 29;
export const BM_CHECKPOINT_NEEDED = 1 << 30;
/** Bit 31: negative as a signed word, which only matters to comparisons, and there are none. */
export const BM_PERMANENT = 1 << 31;
export const BUF_FLAG_MASK = ~(BUF_REFCOUNT_MASK | BUF_USAGECOUNT_MASK);

/** One per buffer: exactly a cache line, so that pinning one buffer does not slow its neighbours' users. */
export const BufferDesc = struct('BufferDesc', 64, {
  spcNode: u32(),
  dbNode: u32(),
  relNode: u32(),
  fork: i32(),
  block: u32(),
  /** Index of this descriptor, from 0. Never changes. */
  id: i32(),
  state: atomic32(),
  /** PGPROC number of whoever waits for the other pins to go (BM_PIN_COUNT_WAITER). */
  waitBackend: i32(),
  /** Next in the free list: -1 at its end, -2 for a buffer that is not in it. Guarded by the strategy spinlock. */
  freeNext: i32(),
  /** Next in its mapping bucket's chain, -1 at the end. Guarded by the bucket's partition lock. */
  hashNext: i32(),
  /** LWLock, tranche BufferContent. */
  contentLock: bytes(16),
  /** Hash of the tag while BM_TAG_VALID. */
  hash: u32(),
  pad: bytes(4),
});

/** Offsets inside BufferDesc for hot paths, as word indexes from the descriptor's first word. */
export const DESC_BLOCK_WORD = BufferDesc.block.offset >>> 2;
export const DESC_STATE = BufferDesc.state.offset;
export const DESC_CONTENT_LOCK = BufferDesc.contentLock.offset;
export const DESC_SIZE = BufferDesc.SIZE;

export const FREENEXT_END_OF_LIST = -1;
export const FREENEXT_NOT_IN_LIST = -2;

/** Clock hand and free list. */
export const BufferStrategyControl = struct('BufferStrategyControl', 64, {
  /** buffer_strategy_lock */
  lock: atomic32(),
  /** The clock's hand; only modulo the number of buffers is it a buffer. */
  nextVictimBuffer: atomic32(),
  /** Head of the free list, read without the lock to see whether it is empty. */
  firstFreeBuffer: atomic32(),
  lastFreeBuffer: i32(),
  /** Full rounds of the hand. */
  completePasses: u32(),
  /** Since the background writer last asked. */
  numBufferAllocs: atomic32(),
  /** PGPROC number of the background writer if it wants to be woken by the next allocation, else -1. */
  bgwProcNumber: atomic32(),
  pad: bytes(36),
});

/** A buffer that the running checkpoint has to write; the array is in shared memory so that a checkpoint never fails
 *  for want of memory. */
export const CheckpointSortItem = struct('CkptSortItem', 20, {
  spcNode: u32(),
  relNode: u32(),
  fork: i32(),
  block: u32(),
  bufferId: i32(),
});
