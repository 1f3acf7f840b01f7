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
  owners: (ResourceOwner | null)[] = [];
  ownerCounts: number[] = [];
  /** We raised the counter of strong locks for it. */
  holdsStrongCount = false;
  /** Invalidations sent before we got the lock have been read. */
  clear = false;
  /** Chain of the bucket. */
  next: LocalLock | null = null;
  /** Index in `live`. */
  index = -1;
}

const INITIAL_BUCKETS = 64;
let buckets: (LocalLock | null)[] = new Array<LocalLock | null>(INITIAL_BUCKETS).fill(null);
/** All records in use, in no particular order. */
export const live: LocalLock[] = [];
const pool: LocalLock[] = [];
const POOL_MAX = 256;

export function findLocalLock(tag: LockTag, mode: number, hash: number): LocalLock | null {
  for (let one = buckets[(hash + mode) & (buckets.length - 1)]!; one !== null; one = one.next!)
    if (one.hash === hash && one.mode === mode && one.tag.equals(tag)) return one;
  return null;
}
export const hashOf = (tag: LockTag): number =>
  lockTagHash(tag.field1, tag.field2, tag.field3, tag.field4, tag.type, tag.method);

export function makeLocalLock(tag: LockTag, mode: number, hash: number): LocalLock {
  if (live.length >= buckets.length) grow();
  const one = pool.pop() ?? new LocalLock();
  one.tag.copyFrom(tag);
  one.mode = mode;
  one.hash = hash;
  one.lock = 0;
  one.procLock = 0;
  one.count = 0;
  one.holdsStrongCount = false;
  one.clear = false;
  one.index = live.length;
  live.push(one);
  const bucket = (hash + mode) & (buckets.length - 1);
  one.next = buckets[bucket]!;
  buckets[bucket] = one;
  return one;
}
function grow(): void {
  buckets = new Array<LocalLock | null>(buckets.length * 2).fill(null);
  for (const one of live) {
    const bucket = (one.hash + one.mode) & (buckets.length - 1);
    one.next = buckets[bucket]!;
    buckets[bucket] = one;
  }
}

/** Takes the record out of the tables; the caller has given back what it stood for. */
export function dropLocalLock(one: LocalLock): void {
  for (let i = one.owners.length - 1; i >= 0; i--) forgetInOwner(one.owners[i]!, one);
  one.owners.length = 0;
  one.ownerCounts.length = 0;
  const bucket = (one.hash + one.mode) & (buckets.length - 1);
  let before = buckets[bucket]!;
  if (before === one) buckets[bucket] = one.next;
  else {
    while (before.next !== one) before = before.next!;
    before.next = one.next;
  }
  one.next = null;
  const last = live.pop()!;
  if (last !== one) {
    live[one.index] = last;
    last.index = one.index;
  }
  one.index = -1;
  if (pool.length < POOL_MAX) pool.push(one);
}

/** One more for this owner. */
export function grantLocally(one: LocalLock, owner: ResourceOwner | null): void {
  one.count++;
  const { owners } = one;
  for (let i = 0; i < owners.length; i++) {
    if (owners[i] !== owner) continue;
    one.ownerCounts[i]!++;
    return;
  }
  owners.push(owner);
  one.ownerCounts.push(1);
  if (owner !== null) rememberInOwner(owner, one);
}

export function ownerIndex(one: LocalLock, owner: ResourceOwner | null): number {
  const { owners } = one;
  for (let i = owners.length - 1; i >= 0; i--) if (owners[i] === owner) return i;
  return -1;
}
export function removeOwner(one: LocalLock, at: number): void {
  const owner = one.owners[at]!;
  const lastOwner = one.owners.pop()!;
  const lastCount = one.ownerCounts.pop()!;
  if (at < one.owners.length) {
    one.owners[at] = lastOwner;
    one.ownerCounts[at] = lastCount;
  }
  forgetInOwner(owner, one);
}
export function replaceOwner(one: LocalLock, at: number, by: ResourceOwner | null): void {
  forgetInOwner(one.owners[at]!, one);
  one.owners[at] = by;
  if (by !== null) rememberInOwner(by, one);
}

function rememberInOwner(owner: ResourceOwner, one: LocalLock): void {
  const cache = owner.lockCache as LocalLock[] | null;
  if (cache === null) owner.lockCache = [one];
  else cache.push(one);
}
function forgetInOwner(owner: ResourceOwner | null, one: LocalLock): void {
  if (owner === null) return;
  const cache = owner.lockCache as LocalLock[] | null;
  if (cache === null) return;
  const last = cache.length - 1;
  const at = cache[last] === one ? last : cache.lastIndexOf(one);
  if (at < 0) return;
  const moved = cache.pop()!;
  if (at < last) cache[at] = moved;
}
/** The records of an owner; empty if it has none. The list changes while they are released. */
export const locksOfOwner = (owner: ResourceOwner): readonly LocalLock[] =>
  (owner.lockCache as LocalLock[] | null) ?? NONE;
const NONE: readonly LocalLock[] = [];
