/** buffer-header.ts — the header spinlock, a bit of the state word.
 *
 *  It guards the tag and multi-step changes of the state. Whoever holds it must hold it for a few instructions; pins and
 *  unpins, which change the word without it, wait while it is set.
 *  Counterpart: LockBufHdr(), WaitBufHdrUnlocked() of src/backend/storage/buffer/bufmgr.c */
import { futexWait, mem } from '#shm/memory.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { report } from '#runtime/error/report.ts';
import { BM_LOCKED, DESC_STATE } from '#storage/buffer/buffer-layout.ts';

const SPINS = 100;
const MAX_SLEEPS = 1000;
const MAX_DELAY_MS = 1000;

/** Waits until the bit is clear; returns the state then seen. */
export function waitHeaderUnlocked(desc: number): number {
  const word = (desc + DESC_STATE) >>> 2;
  let spins = 0;
  let sleeps = 0;
  let delayMs = 1;
  let state = Atomics.load(mem.i32, word);
  while ((state & BM_LOCKED) !== 0) {
    if (++spins >= SPINS) {
      if (++sleeps > MAX_SLEEPS)
        report('PANIC', { code: SQLSTATE.internalError, message: 'stuck spinlock detected at buffer header' });
      // Nobody wakes this futex: it is a sleep that ends early when the word changes before it starts.
      futexWait(desc + DESC_STATE, state, delayMs);
      delayMs = delayMs >= MAX_DELAY_MS ? 1 : delayMs * (1 + Math.random());
      spins = 0;
    }
    state = Atomics.load(mem.i32, word);
  }
  return state;
}

/** Returns the state without the lock bit. */
export function lockHeader(desc: number): number {
  const word = (desc + DESC_STATE) >>> 2;
  for (;;) {
    const old = Atomics.or(mem.i32, word, BM_LOCKED);
    if ((old & BM_LOCKED) === 0) return old;
    waitHeaderUnlocked(desc);
  }
}

/** Stores the new state; the caller computed it from what lockHeader returned. */
export function unlockHeader(desc: number, state: number): void {
  Atomics.store(mem.i32, (desc + DESC_STATE) >>> 2, state & ~BM_LOCKED);
}

export const readState = (desc: number): number => Atomics.load(mem.i32, (desc + DESC_STATE) >>> 2);
