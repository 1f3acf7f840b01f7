/** buffer-lock.ts — content locks, and the cleanup lock: exclusive while nobody else has the page pinned.
 *
 *  Shared to read the page (hint bits may be set), exclusive to change it; a pin is needed for either. The cleanup lock
 *  allows tuples to be moved and removed: whoever holds a pin may still look at tuples that it found earlier.
 *  Cost: lock and unlock are a compare-and-exchange each (test/bench/micro/storage/buffer.bench.ts).
 *  Counterpart: LockBuffer(), LockBufferForCleanup() of src/backend/storage/buffer/bufmgr.c */
import { assert } from '#base/assert.ts';
import type { Buffer } from '#base/ids.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { report } from '#runtime/error/report.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { myProcess } from '#runtime/my-process.ts';
import { resetLatch } from '#shm/latch.ts';
import { lwLockAcquire, lwLockConditionalAcquire, lwLockHeldByMe, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { waitLatch } from '#shm/wait-event-set.ts';
import { lockHeader, unlockHeader } from '#storage/buffer/buffer-header.ts';
import {
  BM_PIN_COUNT_WAITER,
  BUF_REFCOUNT_MASK,
  BUFFER_LOCK,
  BufferDesc,
  type BufferLockMode,
  DESC_CONTENT_LOCK,
} from '#storage/buffer/buffer-layout.ts';
import { descriptorAt, descriptorsAt } from '#storage/buffer/buffer-pool.ts';
import { localRefCount } from '#storage/buffer/local-pins.ts';
import { bufferIsPinned, privateRefCount, releaseBuffer } from '#storage/buffer/pin.ts';

/** Local buffers have no lock: nobody else can see them. */
export function lockBuffer(buffer: Buffer, mode: BufferLockMode): void {
  if (buffer < 0) return;
  const lock = descriptorsAt + (buffer - 1) * 64 + DESC_CONTENT_LOCK;
  if (mode === BUFFER_LOCK.unlock) lwLockRelease(lock);
  else lwLockAcquire(lock, mode === BUFFER_LOCK.share ? 'shared' : 'exclusive');
}

export function unlockReleaseBuffer(buffer: Buffer): void {
  lockBuffer(buffer, BUFFER_LOCK.unlock);
  releaseBuffer(buffer);
}

/** Exclusively, if it is free at once. */
export function conditionalLockBuffer(buffer: Buffer): boolean {
  if (buffer < 0) return true;
  return lwLockConditionalAcquire(descriptorAt(buffer - 1) + DESC_CONTENT_LOCK, 'exclusive');
}

export const bufferIsExclusiveLocked = (buffer: Buffer): boolean =>
  buffer < 0 || lwLockHeldByMe(descriptorAt(buffer - 1) + DESC_CONTENT_LOCK, 'exclusive');

function checkOwnPin(buffer: Buffer): void {
  const pins = privateRefCount(buffer);
  if (pins !== 1) report('ERROR', { message: `incorrect local pin count: ${pins}` });
}

/** What a sleeper for other pins does instead of a plain sleep: the startup process ends queries that stand in its way. */
let resolveRecoveryConflict: ((buffer: Buffer) => void) | null = null;
export function setBufferPinConflictResolver(resolve: ((buffer: Buffer) => void) | null): void {
  resolveRecoveryConflict = resolve;
}
/** The buffer whose last pin this process waits for, 0 for none: recovery conflicts name it. */
export let pinCountWaitBuffer: Buffer = 0;

/** Waits until this process has the only pin, and takes the lock exclusively. The caller has exactly one pin. */
export function lockBufferForCleanup(buffer: Buffer): void {
  assert(bufferIsPinned(buffer), 'buffer is pinned');
  checkOwnPin(buffer);
  if (buffer < 0) return;
  const desc = descriptorAt(buffer - 1);
  for (;;) {
    lockBuffer(buffer, BUFFER_LOCK.exclusive);
    const state = lockHeader(desc);
    if ((state & BUF_REFCOUNT_MASK) === 1) {
      unlockHeader(desc, state);
      return;
    }
    if ((state & BM_PIN_COUNT_WAITER) !== 0) {
      unlockHeader(desc, state);
      lockBuffer(buffer, BUFFER_LOCK.unlock);
      report('ERROR', { message: 'multiple backends attempting to wait for pincount 1' });
    }
    BufferDesc.waitBackend.set(mem, desc, myProcess.procNumber);
    unlockHeader(desc, state | BM_PIN_COUNT_WAITER);
    lockBuffer(buffer, BUFFER_LOCK.unlock);
    try {
      waitForPins(buffer);
    } finally {
      // Whoever woke us cleared the flag; after an interrupt, or when somebody else took it, it may still be ours.
      forgetPinWait(desc);
    }
  }
}

function waitForPins(buffer: Buffer): void {
  if (resolveRecoveryConflict !== null) {
    pinCountWaitBuffer = buffer;
    try {
      resolveRecoveryConflict(buffer);
    } finally {
      pinCountWaitBuffer = 0;
    }
    return;
  }
  waitLatch(undefined, WAIT_EVENT.BufferPin);
  resetLatch();
  checkForInterrupts();
}

function forgetPinWait(desc: number): void {
  const state = lockHeader(desc);
  const mine = (state & BM_PIN_COUNT_WAITER) !== 0 && BufferDesc.waitBackend.get(mem, desc) === myProcess.procNumber;
  unlockHeader(desc, mine ? state & ~BM_PIN_COUNT_WAITER : state);
}

/** The cleanup lock, if it can be had at once. */
export function conditionalLockBufferForCleanup(buffer: Buffer): boolean {
  const pins = privateRefCount(buffer);
  assert(pins > 0, 'buffer is pinned');
  if (pins !== 1) return false;
  if (buffer < 0) return true;
  if (!conditionalLockBuffer(buffer)) return false;
  if (onlyPin(buffer)) return true;
  lockBuffer(buffer, BUFFER_LOCK.unlock);
  return false;
}

/** With an exclusive lock held: is it a cleanup lock? */
export function isBufferCleanupOK(buffer: Buffer): boolean {
  if (buffer < 0) return localRefCount(-1 - buffer) === 1;
  if (privateRefCount(buffer) !== 1) return false;
  assert(bufferIsExclusiveLocked(buffer), 'buffer is locked exclusively');
  return onlyPin(buffer);
}

function onlyPin(buffer: Buffer): boolean {
  const desc = descriptorAt(buffer - 1);
  const state = lockHeader(desc);
  unlockHeader(desc, state);
  return (state & BUF_REFCOUNT_MASK) === 1;
}
