/** local-lock.ts — what this process holds: a count per lock, mode and resource owner.
 *
 *  Most acquisitions find the lock held already and end here, without shared memory. A record whose `procLock` is 0 was
 *  granted by the fast path. Records are pooled: a warm acquire allocates nothing. Each resource owner lists its records
 *  (`owner.lockCache`), so that the end of a portal need not look at every lock of the transaction; the owner null stands
 *  for the session.
 *  Counterpart: LOCALLOCK of src/include/storage/lock.h, ResourceOwnerRememberLock() of resowner.c */
import type { ResourceOwner } from '#runtime/resource-owner.ts';
import { LockTag, lockTagHash } from '#storage/lmgr/lock-tag.ts';

export class LocalLock {
  readonly tag = new LockTag();
  mode = 0;
  hash = 0;
  /** In shared memory, 0 if granted by the fast path. */
  lock = 0;
  procLock = 0;
  /** Total of all owners. */
  count = 0;
  /** The first `ownerCount` of both arrays; they never shrink, because cutting an array costs more than a lock. */
  readonly owners: (ResourceOwner | null)[] = [null];
  readonly counts: number[] = [0];
  ownerCount = 0;
  /** We raised the counter of strong locks for it. */
  holdsStrongCount = false;
  /** Invalidations sent before we got the lock have been read. */
  clear = false;
  /** Chain of the bucket. */
  next: LocalLock | null = null;
  /** Index in `live`. */
  index = -1;
}

/** A list that does not give its room back. */
class LockList {
  readonly items: LocalLock[] = [];
  size = 0;

  push(one: LocalLock): void {
    if (this.size < this.items.length) this.items[this.size] = one;
    else this.items.push(one);
    this.size++;
  }
  pop(): LocalLock {
    return this.items[--this.size]!;
  }
  /** The last one takes its place. */
  remove(one: LocalLock): void {
    let at = this.size - 1;
    while (at >= 0 && this.items[at] !== one) at--;
    if (at >= 0) this.items[at] = this.items[--this.size]!;
  }
}

const INITIAL_BUCKETS = 64;
let buckets: (LocalLock | null)[] = new Array<LocalLock | null>(INITIAL_BUCKETS).fill(null);
/** All records in use, in no particular order. */
const live = new LockList();
const pool = new LockList();
const POOL_MAX = 256;

export const liveLockCount = (): number => live.size;
/** Going from the last to the first, the one at hand may be dropped: the last takes its place. */
export const liveLock = (index: number): LocalLock => live.items[index]!;

export function findLocalLock(tag: LockTag, mode: number, hash: number): LocalLock | null {
  for (let one = buckets[(hash + mode) & (buckets.length - 1)]!; one !== null; one = one.next!)
    if (one.hash === hash && one.mode === mode && one.tag.equals(tag)) return one;
  return null;
}
export const hashOf = (tag: LockTag): number =>
  lockTagHash(tag.field1, tag.field2, tag.field3, tag.field4, tag.type, tag.method);

export function makeLocalLock(tag: LockTag, mode: number, hash: number): LocalLock {
  if (live.size >= buckets.length) grow();
  const one = pool.size > 0 ? pool.pop() : new LocalLock();
  one.tag.copyFrom(tag);
  one.mode = mode;
  one.hash = hash;
  one.lock = 0;
  one.procLock = 0;
  one.count = 0;
  one.ownerCount = 0;
  one.holdsStrongCount = false;
  one.clear = false;
  one.index = live.size;
  live.push(one);
  const bucket = (hash + mode) & (buckets.length - 1);
  one.next = buckets[bucket]!;
  buckets[bucket] = one;
  return one;
}
function grow(): void {
  buckets = new Array<LocalLock | null>(buckets.length * 2).fill(null);
  for (let i = 0; i < live.size; i++) {
    const one = live.items[i]!;
    const bucket = (one.hash + one.mode) & (buckets.length - 1);
    one.next = buckets[bucket]!;
    buckets[bucket] = one;
  }
}

/** Takes the record out of the tables; the caller has given back what it stood for. */
export function dropLocalLock(one: LocalLock): void {
  while (one.ownerCount > 0) removeOwner(one, one.ownerCount - 1);
  const bucket = (one.hash + one.mode) & (buckets.length - 1);
  let before = buckets[bucket]!;
  if (before === one) buckets[bucket] = one.next;
  else {
    while (before.next !== one) before = before.next!;
    before.next = one.next;
  }
  one.next = null;
  const last = live.pop();
  if (last !== one) {
    live.items[one.index] = last;
    last.index = one.index;
  }
  one.index = -1;
  if (pool.size < POOL_MAX) pool.push(one);
}

/** One more for this owner. */
export function grantLocally(one: LocalLock, owner: ResourceOwner | null): void {
  one.count++;
  for (let i = 0; i < one.ownerCount; i++) {
    if (one.owners[i] !== owner) continue;
    one.counts[i]!++;
    return;
  }
  one.owners[one.ownerCount] = owner;
  one.counts[one.ownerCount] = 1;
  one.ownerCount++;
  if (owner !== null) rememberInOwner(owner, one);
}

export function ownerIndex(one: LocalLock, owner: ResourceOwner | null): number {
  for (let i = one.ownerCount - 1; i >= 0; i--) if (one.owners[i] === owner) return i;
  return -1;
}
export function removeOwner(one: LocalLock, at: number): void {
  forgetInOwner(one.owners[at]!, one);
  const last = --one.ownerCount;
  one.owners[at] = one.owners[last]!;
  one.counts[at] = one.counts[last]!;
  one.owners[last] = null;
}
export function replaceOwner(one: LocalLock, at: number, by: ResourceOwner | null): void {
  forgetInOwner(one.owners[at]!, one);
  one.owners[at] = by;
  if (by !== null) rememberInOwner(by, one);
}

function rememberInOwner(owner: ResourceOwner, one: LocalLock): void {
  let cache = owner.lockCache as LockList | null;
  if (cache === null) {
    cache = new LockList();
    owner.lockCache = cache;
  }
  cache.push(one);
}
function forgetInOwner(owner: ResourceOwner | null, one: LocalLock): void {
  if (owner !== null) (owner.lockCache as LockList | null)?.remove(one);
}
/** One of the records of an owner, null if it has none left. */
export function anyLockOfOwner(owner: ResourceOwner): LocalLock | null {
  const cache = owner.lockCache as LockList | null;
  return cache === null || cache.size === 0 ? null : cache.items[cache.size - 1]!;
}
