/** spinlock.ts — one word, for a few straight-line instructions.
 *
 *  Never check for interrupts, report, allocate or call out while holding one. A waiter spins a little, then sleeps
 *  with growing pauses; after 1000 sleeps the holder must be dead and the server PANICs, as PostgreSQL does.
 *  Cost: uncontended acquire and release = one CAS and one store (~25 ns).
 *  Counterpart: src/backend/storage/lmgr/s_lock.c */
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { report } from '#runtime/error/report.ts';
import { futexWait, mem } from '#shm/memory.ts';

const MIN_SPINS = 10;
const MAX_SPINS = 1000;
const MIN_DELAY_MS = 1;
const MAX_DELAY_MS = 1000;
const MAX_SLEEPS = 1000;
/** With two processors or fewer a long spin only delays the holder; adapts as PostgreSQL's does. */
let spinsPerDelay = 100;

function acquireSlowly(at: number): void {
  const word = at >>> 2;
  let spins = 0;
  let sleeps = 0;
  let delayMs = MIN_DELAY_MS;
  while (Atomics.load(mem.i32, word) !== 0 || Atomics.compareExchange(mem.i32, word, 0, 1) !== 0) {
    if (++spins < spinsPerDelay) continue;
    if (++sleeps > MAX_SLEEPS)
      report('PANIC', { code: SQLSTATE.internalError, message: `stuck spinlock detected at offset ${at}` });
    // Nobody wakes this futex: it is a sleep that ends early when the word changes before it starts.
    futexWait(at, 1, delayMs);
    delayMs *= 1 + Math.random();
    if (delayMs > MAX_DELAY_MS) delayMs = MIN_DELAY_MS;
    spins = 0;
  }
  spinsPerDelay = sleeps === 0 ? Math.min(spinsPerDelay + 100, MAX_SPINS) : Math.max(spinsPerDelay - 1, MIN_SPINS);
}

/** `at`: byte offset of the lock word. */
export function spinAcquire(at: number): void {
  if (Atomics.compareExchange(mem.i32, at >>> 2, 0, 1) !== 0) acquireSlowly(at);
}
export function spinRelease(at: number): void {
  Atomics.store(mem.i32, at >>> 2, 0);
}
