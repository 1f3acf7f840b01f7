/** ring-strategy.ts — small rings of buffers for bulk work, so that one large scan does not empty the pool.
 *
 *  A ring belongs to one process. Its slots are filled by normal allocation and then used again in turn; a buffer that
 *  somebody else pinned or used meanwhile is left to the pool and replaced.
 *  Counterpart: the BufferAccessStrategy part of src/backend/storage/buffer/freelist.c */
import { BLCKSZ, type Buffer } from '#base/ids.ts';
import { descriptorAt, nBuffers } from '#storage/buffer/buffer-pool.ts';
import { BUF_REFCOUNT_MASK, BUF_USAGECOUNT_MASK, BUF_USAGECOUNT_SHIFT } from '#storage/buffer/buffer-layout.ts';
import { lockHeader, unlockHeader } from '#storage/buffer/buffer-header.ts';

export type StrategyKind = 'bulkread' | 'bulkwrite' | 'vacuum';

export interface AccessStrategy {
  readonly kind: StrategyKind;
  /** Buffer numbers, 0 for a slot not yet used. */
  readonly buffers: Int32Array;
  current: number;
  /** The buffer given out last came from the ring. */
  currentWasInRing: boolean;
}

const RING_BYTES = { bulkread: 256 * 1024, bulkwrite: 16 * 1024 * 1024, vacuum: 256 * 1024 } as const;

/** A ring of the kind's size, at most an eighth of the pool. */
export function getAccessStrategy(kind: StrategyKind): AccessStrategy {
  const size = Math.max(1, Math.min(RING_BYTES[kind] / BLCKSZ, Math.floor(nBuffers / 8)));
  return { kind, buffers: new Int32Array(size), current: 0, currentWasInRing: false };
}
/** Rings hold no pins: dropping one is enough. Kept so that callers say when they are done. */
export function freeAccessStrategy(_strategy: AccessStrategy | null): void {}

/** freelist.ts: id of the ring's next buffer with its header locked, or -1 if the caller must allocate one. */
export function takeBufferFromRing(strategy: AccessStrategy): number {
  if (++strategy.current >= strategy.buffers.length) strategy.current = 0;
  const buffer = strategy.buffers[strategy.current]!;
  if (buffer === 0) {
    strategy.currentWasInRing = false;
    return -1;
  }
  const desc = descriptorAt(buffer - 1);
  const state = lockHeader(desc);
  // Usage 1 is our own; more means that others want the page, and then it stays in the pool.
  if ((state & BUF_REFCOUNT_MASK) === 0 && (state & BUF_USAGECOUNT_MASK) >> BUF_USAGECOUNT_SHIFT <= 1) {
    strategy.currentWasInRing = true;
    return buffer - 1;
  }
  unlockHeader(desc, state);
  strategy.currentWasInRing = false;
  return -1;
}

export function addBufferToRing(strategy: AccessStrategy, id: number): void {
  strategy.buffers[strategy.current] = id + 1;
}

/** A dirty buffer of the ring would need a WAL flush. For bulk reads: drop it from the ring and say true, so that the
 *  caller takes another; the pages that a reader dirties (hint bits) are better left to the background writer. */
export function strategyRejectBuffer(strategy: AccessStrategy, buffer: Buffer): boolean {
  if (strategy.kind !== 'bulkread') return false;
  if (!strategy.currentWasInRing || strategy.buffers[strategy.current] !== buffer) return false;
  strategy.buffers[strategy.current] = 0;
  return true;
}
