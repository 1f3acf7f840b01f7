/** pin.ts — pins: what keeps a buffer's page where it is.
 *
 *  The shared count has one pin per process; how often this process pinned a buffer is its own business, counted in an
 *  array by buffer number. So a second pin of a page costs an addition. Every pin is remembered in the current resource
 *  owner, which gives it back after an error.
 *  Counterpart: PinBuffer(), UnpinBuffer() of src/backend/storage/buffer/bufmgr.c */
import { assert } from '#base/assert.ts';
import type { Buffer } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { currentResourceOwner, type ResourceKind } from '#runtime/resource-owner.ts';
import { lwLockHeldByMe } from '#shm/lwlock.ts';
import { setLatch } from '#shm/latch.ts';
import { mem } from '#shm/memory.ts';
import { latchAt } from '#shm/proc.ts';
import { descriptorAt, descriptorOf, descriptorsAt, nBuffers } from '#storage/buffer/buffer-pool.ts';
import {
  BM_LOCKED,
  BM_MAX_USAGE_COUNT,
  BM_PIN_COUNT_WAITER,
  BM_VALID,
  BUF_REFCOUNT_MASK,
  BUF_USAGECOUNT_MASK,
  BUF_USAGECOUNT_ONE,
  BufferDesc,
  DESC_CONTENT_LOCK,
  DESC_STATE,
} from '#storage/buffer/buffer-layout.ts';
import { lockHeader, readState, unlockHeader, waitHeaderUnlocked } from '#storage/buffer/buffer-header.ts';
import { localRefCount, unpinLocalBuffer, incrLocalRefCount } from '#storage/buffer/local-pins.ts';
import { describeDescriptor } from '#storage/buffer/buffer-names.ts';

const MAX_USAGE = BM_MAX_USAGE_COUNT * BUF_USAGECOUNT_ONE;

/** Pins of this process by shared buffer id. Pages of it that are never touched cost nothing. */
let refCounts = new Int32Array(0);
function growRefCounts(): void {
  const next = new Int32Array(nBuffers);
  next.set(refCounts);
  refCounts = next;
}

/** Priority 200 as PostgreSQL's order: buffers before locks, I/O (100) before its pin. */
export const BUFFER_PIN: ResourceKind = {
  name: 'buffer',
  phase: 'beforeLocks',
  priority: 200,
  release: (buffer) => {
    if (buffer < 0) unpinLocalBuffer(-1 - buffer);
    else unpinForgotten(buffer - 1);
  },
  describeLeak: (buffer) =>
    `buffer refcount leak: [${leakNumber(buffer)}] (${describeDescriptor(descriptorOf(buffer))}, refcount=${
      buffer > 0 ? readState(descriptorOf(buffer)) & BUF_REFCOUNT_MASK : 0
    } ${buffer > 0 ? refCounts[buffer - 1] : localRefCount(-1 - buffer)})`,
};
const leakNumber = (buffer: Buffer): string => String(buffer).padStart(3, '0');

/** Pins a buffer that the caller found under its partition lock, or pins it once more. Returns whether its contents are
 *  valid: if not, somebody reads it just now, or tried and failed. */
export function pinBuffer(id: number, hasStrategy: boolean): boolean {
  if (id >= refCounts.length) growRefCounts();
  const had = refCounts[id]!;
  let valid = true;
  if (had === 0) {
    const { i32 } = mem;
    const word = (descriptorsAt + id * 64 + DESC_STATE) >>> 2;
    // A plain read, much cheaper than an atomic one: a guess that the exchange proves.
    let old = i32[word]!;
    for (;;) {
      if ((old & BM_LOCKED) !== 0) old = waitHeaderUnlocked(descriptorAt(id));
      let next = old + 1;
      const usage = old & BUF_USAGECOUNT_MASK;
      // A ring's reader only marks the page as used; it must not look popular because one scan passed it.
      if (hasStrategy ? usage === 0 : usage < MAX_USAGE) next += BUF_USAGECOUNT_ONE;
      const seen = Atomics.compareExchange(i32, word, old, next);
      if (seen === old) {
        valid = (old & BM_VALID) !== 0;
        break;
      }
      old = seen;
    }
  }
  refCounts[id] = had + 1;
  currentResourceOwner().remember(BUFFER_PIN, id + 1);
  return valid;
}

/** Pins a buffer whose header the caller has locked, and unlocks it. The usage count stays: this pin is for cleaning or
 *  replacing the page. */
export function pinBufferLocked(id: number, state: number): void {
  if (id >= refCounts.length) growRefCounts();
  const had = refCounts[id]!;
  unlockHeader(descriptorAt(id), had === 0 ? state + 1 : state);
  refCounts[id] = had + 1;
  currentResourceOwner().remember(BUFFER_PIN, id + 1);
}

export function unpinBuffer(id: number): void {
  currentResourceOwner().forget(BUFFER_PIN, id + 1);
  unpinForgotten(id);
}

/** The owner has forgotten it already. */
function unpinForgotten(id: number): void {
  const left = refCounts[id]! - 1;
  assert(left >= 0, 'buffer is pinned');
  refCounts[id] = left;
  if (left > 0) return;
  const { i32 } = mem;
  const desc = descriptorsAt + id * 64;
  const word = (desc + DESC_STATE) >>> 2;
  let old = i32[word]!;
  for (;;) {
    if ((old & BM_LOCKED) !== 0) old = waitHeaderUnlocked(desc);
    const seen = Atomics.compareExchange(i32, word, old, old - 1);
    if (seen === old) break;
    old = seen;
  }
  if ((old & BM_PIN_COUNT_WAITER) !== 0) wakePinCountWaiter(desc);
}

/** We may have left only the pin of a process that waits for that. */
function wakePinCountWaiter(desc: number): void {
  const state = lockHeader(desc);
  if ((state & BM_PIN_COUNT_WAITER) === 0 || (state & BUF_REFCOUNT_MASK) !== 1) {
    unlockHeader(desc, state);
    return;
  }
  const proc = BufferDesc.waitBackend.get(mem, desc);
  unlockHeader(desc, state & ~BM_PIN_COUNT_WAITER);
  setLatch(latchAt(proc));
}

/** Pins of this process on a buffer. */
export const privateRefCount = (buffer: Buffer): number =>
  buffer > 0 ? (refCounts[buffer - 1] ?? 0) : localRefCount(-1 - buffer);

export const bufferIsPinned = (buffer: Buffer): boolean => buffer !== 0 && privateRefCount(buffer) > 0;

export function releaseBuffer(buffer: Buffer): void {
  if (buffer > 0) {
    unpinBuffer(buffer - 1);
    return;
  }
  if (buffer === 0) report('ERROR', { message: 'bad buffer ID: 0' });
  currentResourceOwner().forget(BUFFER_PIN, buffer);
  unpinLocalBuffer(-1 - buffer);
}

/** One more pin of a page that this process has pinned; remembered in the current owner, who may be another. */
export function incrBufferRefCount(buffer: Buffer): void {
  assert(bufferIsPinned(buffer), 'buffer is pinned');
  if (buffer > 0) refCounts[buffer - 1] = refCounts[buffer - 1]! + 1;
  else incrLocalRefCount(-1 - buffer);
  currentResourceOwner().remember(BUFFER_PIN, buffer);
}

export function assertPinnedAndLocked(buffer: Buffer): void {
  assert(bufferIsPinned(buffer), 'buffer is pinned');
  assert(lwLockHeldByMe(descriptorAt(buffer - 1) + DESC_CONTENT_LOCK), 'buffer is locked');
}

/** Buffers that this process still pins: none at the end of a transaction. */
export function pinnedBuffers(): Buffer[] {
  const pinned: Buffer[] = [];
  for (let id = 0; id < refCounts.length; id++) if (refCounts[id]! > 0) pinned.push(id + 1);
  return pinned;
}

/** A forked child has none of its parent's pins. */
export function forgetPins(): void {
  refCounts.fill(0);
}
