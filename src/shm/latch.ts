/** latch.ts — “wake up, there may be something to do”: set by anyone, awaited by its owner.
 *
 *  L1. set: is_set = 1, then look at maybe_sleeping; only if that is set send SIGURG to the owner.
 *  L2. wait: maybe_sleeping = 1, then look at is_set, then sleep. (wait-event-set.ts)
 *  L3. reset, then look whether there is work, then wait; never look, reset, wait.
 *  Atomics are sequentially consistent, so the store of one side and the load of the other cannot both be missed.
 *  Counterpart: src/backend/storage/ipc/latch.c */
import { native, SIGNAL } from '#platform/native.ts';
import { mem } from '#shm/memory.ts';
import { myProcess } from '#runtime/my-process.ts';
import { Latch } from '#shm/proc-layout.ts';

/** Byte offset of this process's latch, -1 while it has none in shared memory (then every signal ends its sleeps). */
export let myLatch = -1;

/** Makes the latch at `at` this process's own: signal handlers set it from now on. */
export function ownLatch(segment: number, at: number): void {
  Latch.isSet.store(mem, at, 0);
  Latch.maybeSleeping.store(mem, at, 0);
  Latch.ownerPid.store(mem, at, myProcess.pid);
  myLatch = at;
  native.signalLatch(segment, at + Latch.isSet.offset, at + Latch.maybeSleeping.offset);
  // A signal that came before this line set its word but no latch: the first wait must not sleep over it.
  Latch.isSet.store(mem, at, 1);
}
export function disownLatch(): void {
  if (myLatch < 0) return;
  const at = myLatch;
  forgetLatch();
  Latch.ownerPid.store(mem, at, 0);
}
/** In a fresh child: the latch it inherited is its parent's. */
export function forgetLatch(): void {
  native.signalLatch(-1, 0, 0);
  myLatch = -1;
}

/** Any process, any time. [latch L1] */
export function setLatch(at: number): void {
  if (Latch.isSet.exchange(mem, at, 1) !== 0) return;
  if (Latch.maybeSleeping.load(mem, at) === 0) return;
  const owner = Latch.ownerPid.load(mem, at);
  if (owner === 0) return;
  if (owner === myProcess.pid) native.wakeSelf();
  else native.kill(owner, SIGNAL.URG);
}

/** Owner only, before looking for work. [latch L3] */
export function resetLatch(): void {
  if (myLatch >= 0) Latch.isSet.store(mem, myLatch, 0);
}
export function setMyLatch(): void {
  if (myLatch >= 0) setLatch(myLatch);
  else native.wakeSelf();
}
