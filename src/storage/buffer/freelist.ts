/** freelist.ts — which buffer to give up next: ring, free list, clock sweep.
 *
 *  The clock's hand is one atomic counter that all processes advance; only who passes the end takes the spinlock, to
 *  bring it back into range and to count the round. A buffer is taken when it is unpinned and its usage count is 0; the
 *  hand takes one off each it passes.
 *  Counterpart: src/backend/storage/buffer/freelist.c */
import { latchAt } from '#shm/proc.ts';
import { setLatch } from '#shm/latch.ts';
import { mem } from '#shm/memory.ts';
import { report } from '#runtime/error/report.ts';
import { spinAcquire, spinRelease } from '#shm/spinlock.ts';
import { descriptorAt, nBuffers, strategyAt } from '#storage/buffer/buffer-pool.ts';
import {
  BUF_REFCOUNT_MASK,
  BUF_USAGECOUNT_MASK,
  BUF_USAGECOUNT_ONE,
  BufferDesc,
  BufferStrategyControl as Control,
  FREENEXT_END_OF_LIST,
  FREENEXT_NOT_IN_LIST,
} from '#storage/buffer/buffer-layout.ts';
import { lockHeader, unlockHeader } from '#storage/buffer/buffer-header.ts';
import { addBufferToRing, type AccessStrategy, takeBufferFromRing } from '#storage/buffer/ring-strategy.ts';

const strategyLock = (): number => strategyAt + Control.lock.offset;

/** Moves the hand by one; returns the buffer it stood on. */
function clockSweepTick(): number {
  const victim = Control.nextVictimBuffer.add(mem, strategyAt, 1) >>> 0;
  if (victim < nBuffers) return victim;
  const wrapped = victim % nBuffers;
  // Only who lands on 0 counts the round; others that overshot just use the remainder.
  if (wrapped === 0) completePass(victim + 1);
  return wrapped;
}

/** The counter must come back into range in one step together with the round's count, so that strategySyncStart, which
 *  takes the same spinlock, sees both or neither. */
function completePass(expected: number): void {
  for (let success = false; !success; ) {
    spinAcquire(strategyLock());
    const next = expected % nBuffers;
    const seen = Control.nextVictimBuffer.compareExchange(mem, strategyAt, expected, next) >>> 0;
    success = seen === expected;
    if (success) Control.completePasses.set(mem, strategyAt, (Control.completePasses.get(mem, strategyAt) + 1) >>> 0);
    else expected = seen;
    spinRelease(strategyLock());
  }
}

/** Takes the head of the free list, -1 when it is empty. */
function popFreeBuffer(): number {
  spinAcquire(strategyLock());
  const id = Control.firstFreeBuffer.load(mem, strategyAt);
  if (id >= 0) {
    const desc = descriptorAt(id);
    Control.firstFreeBuffer.store(mem, strategyAt, BufferDesc.freeNext.get(mem, desc));
    BufferDesc.freeNext.set(mem, desc, FREENEXT_NOT_IN_LIST);
  }
  spinRelease(strategyLock());
  return id;
}

function wakeBackgroundWriter(): void {
  const proc = Control.bgwProcNumber.load(mem, strategyAt);
  if (proc < 0) return;
  // Reset first: it asks again when it has looked.
  Control.bgwProcNumber.store(mem, strategyAt, -1);
  setLatch(latchAt(proc));
}

/** Id of an unpinned buffer, WITH ITS HEADER LOCKED: only so nobody else can pin it before the caller does. */
export function strategyGetBuffer(strategy: AccessStrategy | null): number {
  if (strategy !== null) {
    const id = takeBufferFromRing(strategy);
    if (id >= 0) return id;
  }
  wakeBackgroundWriter();
  Control.numBufferAllocs.add(mem, strategyAt, 1);
  while (Control.firstFreeBuffer.load(mem, strategyAt) >= 0) {
    const id = popFreeBuffer();
    if (id < 0) break;
    const desc = descriptorAt(id);
    const state = lockHeader(desc);
    // Somebody may have pinned or used it since it was freed (prewarming does): then it is not free.
    if ((state & (BUF_REFCOUNT_MASK | BUF_USAGECOUNT_MASK)) === 0) {
      if (strategy !== null) addBufferToRing(strategy, id);
      return id;
    }
    unlockHeader(desc, state);
  }
  return sweep(strategy);
}

function sweep(strategy: AccessStrategy | null): number {
  let tries = nBuffers;
  for (;;) {
    const id = clockSweepTick();
    const desc = descriptorAt(id);
    let state = lockHeader(desc);
    if ((state & BUF_REFCOUNT_MASK) === 0) {
      if ((state & BUF_USAGECOUNT_MASK) === 0) {
        if (strategy !== null) addBufferToRing(strategy, id);
        return id;
      }
      state -= BUF_USAGECOUNT_ONE;
      tries = nBuffers;
    } else if (--tries === 0) {
      // All are pinned, and were during a whole round: waiting longer would be as likely to loop for ever.
      unlockHeader(desc, state);
      report('ERROR', { message: 'no unpinned buffers available' });
    }
    unlockHeader(desc, state);
  }
}

/** Puts an invalidated buffer into the free list. */
export function strategyFreeBuffer(id: number): void {
  const desc = descriptorAt(id);
  spinAcquire(strategyLock());
  // It may be there already: two processes can have popped and invalidated it in turn.
  if (BufferDesc.freeNext.get(mem, desc) === FREENEXT_NOT_IN_LIST) {
    const first = Control.firstFreeBuffer.load(mem, strategyAt);
    BufferDesc.freeNext.set(mem, desc, first);
    if (first === FREENEXT_END_OF_LIST) Control.lastFreeBuffer.set(mem, strategyAt, id);
    Control.firstFreeBuffer.store(mem, strategyAt, id);
  }
  spinRelease(strategyLock());
}

/** Where the hand is; reused. */
export const syncStart = { buffer: 0, completePasses: 0, recentAlloc: 0 };

/** Background writer: reads the hand's place and takes the count of allocations. */
export function strategySyncStart(): typeof syncStart {
  spinAcquire(strategyLock());
  const next = Control.nextVictimBuffer.load(mem, strategyAt) >>> 0;
  syncStart.buffer = next % nBuffers;
  // Rounds that are finished but not yet counted, because their process waits for the spinlock.
  syncStart.completePasses = Control.completePasses.get(mem, strategyAt) + Math.floor(next / nBuffers);
  syncStart.recentAlloc = Control.numBufferAllocs.exchange(mem, strategyAt, 0);
  spinRelease(strategyLock());
  return syncStart;
}

/** The next allocation sets that process's latch; -1 for nobody. */
export function strategyNotifyBackgroundWriter(procNumber: number): void {
  spinAcquire(strategyLock());
  Control.bgwProcNumber.store(mem, strategyAt, procNumber);
  spinRelease(strategyLock());
}
