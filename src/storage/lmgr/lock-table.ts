/** lock-table.ts — the shared hash tables of LOCKs and PROCLOCKs, and their lists.
 *
 *  Nothing here waits or decides: callers hold the partition's LWLock. A bucket belongs to one partition because bucket
 *  counts are powers of two of at least sixteen. A PROCLOCK's hash keeps the partition bits of its lock's, so both are
 *  guarded by the same LWLock. Free entries lie in one list per partition with a spinlock of its own; an empty list
 *  borrows from the others.
 *  Counterpart: the hash tables of src/backend/storage/lmgr/lock.c, freelists of dynahash.c */
import { assert } from '#base/assert.ts';
import { settings } from '#runtime/guc/guc.ts';
import { initializeLWLock } from '#shm/lwlock.ts';
import { LWLOCK_STRIDE } from '#shm/lwlock-layout.ts';
import { BUILTIN_TRANCHES } from '#shm/lwlock-list.ts';
import { mem } from '#shm/memory.ts';
import { allProcs, maxBackends, procAt } from '#shm/proc.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import { spinAcquire, spinRelease } from '#shm/spinlock.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';
import {
  FastPathStrong,
  Lock,
  LOCK_PARTITIONS,
  LockFreeList,
  LockTableHeader,
  LockTagBytes,
  LOG2_LOCK_PARTITIONS,
  ProcLock,
} from '#storage/lmgr/lock-layout.ts';
import { MAX_LOCK_MODE } from '#storage/lmgr/lock-modes.ts';
import { type LockTag, lockTagHash } from '#storage/lmgr/lock-tag.ts';

let headerAt = -1;
let partitionsAt = -1;
let lockFreeAt = -1;
let procLockFreeAt = -1;
let lockBucketsAt = -1;
let procLockBucketsAt = -1;
let locksAt = -1;
let procLocksAt = -1;
let lockBucketMask = 0;
let procLockBucketMask = 0;
export let fastPathStrongAt = -1;

/** Locks that the table is made for; the numbers of one process may exceed its share. */
const lockCapacity = (): number =>
  settings.max_locks_per_transaction * (maxBackends() + settings.max_prepared_transactions);
function powerOfTwo(atLeast: number): number {
  let size = LOCK_PARTITIONS;
  while (size < atLeast) size *= 2;
  return size;
}
/** Room beyond the estimate, as PostgreSQL's table may grow into the segment's slack. */
const withReserve = (count: number): number => Math.ceil(count * 1.1) + 64;

function areas(): readonly (readonly [name: string, size: number])[] {
  const locks = withReserve(lockCapacity());
  const procLocks = withReserve(2 * lockCapacity());
  return [
    ['Lock Table', LockTableHeader.SIZE],
    ['Lock Manager LWLocks', LOCK_PARTITIONS * LWLOCK_STRIDE],
    ['Lock Free Lists', 2 * LOCK_PARTITIONS * LockFreeList.SIZE],
    ['LOCK hash buckets', 4 * powerOfTwo(locks)],
    ['PROCLOCK hash buckets', 4 * powerOfTwo(procLocks)],
    ['LOCK hash', locks * Lock.SIZE],
    ['PROCLOCK hash', procLocks * ProcLock.SIZE],
    ['Fast Path Strong Relation Lock Data', FastPathStrong.SIZE],
  ];
}

export const lockShmem: ShmemSubsystem = {
  name: 'Lock Manager',
  request() {
    for (const [, size] of areas()) requestShmemSpace(size);
  },
  init() {
    const places = areas().map(([name, size]) => shmemInitStruct(name, size));
    [headerAt, partitionsAt, lockFreeAt, lockBucketsAt, procLockBucketsAt, locksAt, procLocksAt, fastPathStrongAt] =
      places.map((place) => place.at) as [number, number, number, number, number, number, number, number];
    procLockFreeAt = lockFreeAt + LOCK_PARTITIONS * LockFreeList.SIZE;
    if (!places[0]!.found) createTables();
    lockBucketMask = LockTableHeader.lockBuckets.get(mem, headerAt) - 1;
    procLockBucketMask = LockTableHeader.procLockBuckets.get(mem, headerAt) - 1;
  },
};

function createTables(): void {
  const locks = withReserve(lockCapacity());
  const procLocks = withReserve(2 * lockCapacity());
  LockTableHeader.maxLocks.set(mem, headerAt, locks);
  LockTableHeader.maxProcLocks.set(mem, headerAt, procLocks);
  LockTableHeader.lockBuckets.set(mem, headerAt, powerOfTwo(locks));
  LockTableHeader.procLockBuckets.set(mem, headerAt, powerOfTwo(procLocks));
  for (let i = 0; i < LOCK_PARTITIONS; i++)
    initializeLWLock(partitionsAt + i * LWLOCK_STRIDE, BUILTIN_TRANCHES.LockManager);
  for (let i = 0; i < locks; i++) freeEntry(lockFreeAt, i, locksAt + i * Lock.SIZE, Lock.hashNext.offset);
  for (let i = 0; i < procLocks; i++)
    freeEntry(procLockFreeAt, i, procLocksAt + i * ProcLock.SIZE, ProcLock.hashNext.offset);
  for (let i = 0; i < allProcs(); i++) {
    const at = procAt(i);
    initializeLWLock(at + PgProc.fpInfoLock.offset, BUILTIN_TRANCHES.LockFastPath);
    PgProc.waitNext.set(mem, at, -1);
    PgProc.waitPrev.set(mem, at, -1);
    PgProc.lockGroupLeader.set(mem, at, -1);
    PgProc.lockGroupFirst.set(mem, at, -1);
    PgProc.lockGroupNext.set(mem, at, -1);
    PgProc.lockGroupPrev.set(mem, at, -1);
  }
}

export const lockTableIsReady = (): boolean => headerAt >= 0;

// ── partitions ───────────────────────────────────────────────────────────────────────────────────────────────────

export const partitionLockOfIndex = (index: number): number => partitionsAt + index * LWLOCK_STRIDE;
export const partitionLock = (hash: number): number => partitionsAt + (hash & (LOCK_PARTITIONS - 1)) * LWLOCK_STRIDE;
export const hashOfTag = (tag: LockTag): number =>
  lockTagHash(tag.field1, tag.field2, tag.field3, tag.field4, tag.type, tag.method);

// ── free lists ───────────────────────────────────────────────────────────────────────────────────────────────────

const listAt = (base: number, partition: number): number =>
  base + (partition & (LOCK_PARTITIONS - 1)) * LockFreeList.SIZE;

function freeEntry(base: number, partition: number, entry: number, nextOffset: number): void {
  const list = listAt(base, partition);
  spinAcquire(list + LockFreeList.mutex.offset);
  mem.view.setUint32(entry + nextOffset, LockFreeList.head.get(mem, list), true);
  LockFreeList.head.set(mem, list, entry);
  LockFreeList.count.set(mem, list, LockFreeList.count.get(mem, list) + 1);
  spinRelease(list + LockFreeList.mutex.offset);
}
/** 0 when every list is empty. */
function takeEntry(base: number, partition: number, nextOffset: number): number {
  for (let i = 0; i < LOCK_PARTITIONS; i++) {
    const list = listAt(base, partition + i);
    spinAcquire(list + LockFreeList.mutex.offset);
    const entry = LockFreeList.head.get(mem, list);
    if (entry !== 0) {
      LockFreeList.head.set(mem, list, mem.view.getUint32(entry + nextOffset, true));
      LockFreeList.count.set(mem, list, LockFreeList.count.get(mem, list) - 1);
    }
    spinRelease(list + LockFreeList.mutex.offset);
    if (entry !== 0) return entry;
  }
  return 0;
}

// ── LOCK ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export function readTag(at: number, into: LockTag): LockTag {
  return into.set(
    LockTagBytes.type.get(mem, at),
    LockTagBytes.method.get(mem, at),
    LockTagBytes.field1.get(mem, at),
    LockTagBytes.field2.get(mem, at),
    LockTagBytes.field3.get(mem, at),
    LockTagBytes.field4.get(mem, at),
  );
}
export function writeTag(at: number, tag: LockTag): void {
  LockTagBytes.field1.set(mem, at, tag.field1);
  LockTagBytes.field2.set(mem, at, tag.field2);
  LockTagBytes.field3.set(mem, at, tag.field3);
  LockTagBytes.field4.set(mem, at, tag.field4);
  LockTagBytes.type.set(mem, at, tag.type);
  LockTagBytes.method.set(mem, at, tag.method);
}
export const lockTagType = (lock: number): number => LockTagBytes.type.get(mem, lock);
export const lockTagMethod = (lock: number): number => LockTagBytes.method.get(mem, lock);

const sameTag = (lock: number, tag: LockTag): boolean =>
  LockTagBytes.field1.get(mem, lock) === tag.field1 &&
  LockTagBytes.field2.get(mem, lock) === tag.field2 &&
  LockTagBytes.field3.get(mem, lock) === tag.field3 &&
  LockTagBytes.field4.get(mem, lock) === tag.field4 &&
  LockTagBytes.type.get(mem, lock) === tag.type &&
  LockTagBytes.method.get(mem, lock) === tag.method;

const lockBucket = (hash: number): number => lockBucketsAt + 4 * (hash & lockBucketMask);

/** 0 if nobody has the object locked in the table. */
export function findLock(tag: LockTag, hash: number): number {
  for (let lock = mem.view.getUint32(lockBucket(hash), true); lock !== 0; lock = Lock.hashNext.get(mem, lock))
    if (Lock.hash.get(mem, lock) === hash && sameTag(lock, tag)) return lock;
  return 0;
}
/** 0 when the table is full. A new LOCK is in its bucket, without any request. */
export function findOrMakeLock(tag: LockTag, hash: number): number {
  const known = findLock(tag, hash);
  if (known !== 0) return known;
  const lock = takeEntry(lockFreeAt, hash, Lock.hashNext.offset);
  if (lock === 0) return 0;
  clearWords(lock, Lock.SIZE);
  writeTag(lock, tag);
  Lock.hash.set(mem, lock, hash);
  Lock.waitFirst.set(mem, lock, -1);
  Lock.waitLast.set(mem, lock, -1);
  const bucket = lockBucket(hash);
  Lock.hashNext.set(mem, lock, mem.view.getUint32(bucket, true));
  mem.view.setUint32(bucket, lock, true);
  return lock;
}
/** For so few words a loop is quicker than fill(). */
function clearWords(at: number, size: number): void {
  const { i32 } = mem;
  const end = (at + size) >>> 2;
  for (let word = at >>> 2; word < end; word++) i32[word] = 0;
}
export function removeLock(lock: number): void {
  assert(Lock.procLockFirst.get(mem, lock) === 0, 'a lock that is removed has no holders');
  const hash = Lock.hash.get(mem, lock);
  unchain(lockBucket(hash), lock, Lock.hashNext.offset);
  freeEntry(lockFreeAt, hash, lock, Lock.hashNext.offset);
}
function unchain(bucket: number, entry: number, nextOffset: number): void {
  let link = bucket;
  for (;;) {
    const next = mem.view.getUint32(link, true);
    assert(next !== 0, 'lock table corrupted');
    if (next === entry) break;
    link = next + nextOffset;
  }
  mem.view.setUint32(link, mem.view.getUint32(entry + nextOffset, true), true);
}

export const requestedOf = (lock: number, mode: number): number =>
  mem.view.getInt32(lock + Lock.requested.offset + 4 * mode, true);
export const grantedOf = (lock: number, mode: number): number =>
  mem.view.getInt32(lock + Lock.granted.offset + 4 * mode, true);
/** Adds to the counts of requests: of the mode and of all. */
export function countRequest(lock: number, mode: number, delta: 1 | -1): void {
  const at = lock + Lock.requested.offset + 4 * mode;
  mem.view.setInt32(at, mem.view.getInt32(at, true) + delta, true);
  Lock.requestedCount.set(mem, lock, Lock.requestedCount.get(mem, lock) + delta);
}
export function countGrant(lock: number, mode: number, delta: 1 | -1): void {
  const at = lock + Lock.granted.offset + 4 * mode;
  mem.view.setInt32(at, mem.view.getInt32(at, true) + delta, true);
  Lock.grantedCount.set(mem, lock, Lock.grantedCount.get(mem, lock) + delta);
}

// ── PROCLOCK ─────────────────────────────────────────────────────────────────────────────────────────────────────

const procLockBucket = (lockHash: number, proc: number): number =>
  procLockBucketsAt + 4 * ((lockHash ^ (proc << LOG2_LOCK_PARTITIONS)) & procLockBucketMask);

export function findProcLock(lock: number, proc: number): number {
  let entry = mem.view.getUint32(procLockBucket(Lock.hash.get(mem, lock), proc), true);
  while (entry !== 0) {
    if (ProcLock.lock.get(mem, entry) === lock && ProcLock.proc.get(mem, entry) === proc) return entry;
    entry = ProcLock.hashNext.get(mem, entry);
  }
  return 0;
}
/** 0 when the table is full. */
export function findOrMakeProcLock(lock: number, proc: number): number {
  const known = findProcLock(lock, proc);
  if (known !== 0) return known;
  const hash = Lock.hash.get(mem, lock);
  const entry = takeEntry(procLockFreeAt, hash, ProcLock.hashNext.offset);
  if (entry === 0) return 0;
  clearWords(entry, ProcLock.SIZE);
  const leader = PgProc.lockGroupLeader.get(mem, procAt(proc));
  ProcLock.lock.set(mem, entry, lock);
  ProcLock.proc.set(mem, entry, proc);
  ProcLock.groupLeader.set(mem, entry, leader >= 0 ? leader : proc);
  const bucket = procLockBucket(hash, proc);
  ProcLock.hashNext.set(mem, entry, mem.view.getUint32(bucket, true));
  mem.view.setUint32(bucket, entry, true);
  linkToLock(entry, lock);
  linkToProc(entry, proc, hash);
  return entry;
}
export function removeProcLock(entry: number): void {
  const lock = ProcLock.lock.get(mem, entry);
  const hash = Lock.hash.get(mem, lock);
  const proc = ProcLock.proc.get(mem, entry);
  unlinkFromLock(entry, lock);
  unlinkFromProc(entry, proc, hash);
  unchain(procLockBucket(hash, proc), entry, ProcLock.hashNext.offset);
  freeEntry(procLockFreeAt, hash, entry, ProcLock.hashNext.offset);
}
/** The PROCLOCK goes over to another process (PREPARE): same lock, same partition. False if that one has one already. */
export function rekeyProcLock(entry: number, toProc: number): boolean {
  const lock = ProcLock.lock.get(mem, entry);
  const hash = Lock.hash.get(mem, lock);
  const from = ProcLock.proc.get(mem, entry);
  if (findProcLock(lock, toProc) !== 0) return false;
  unlinkFromProc(entry, from, hash);
  unchain(procLockBucket(hash, from), entry, ProcLock.hashNext.offset);
  ProcLock.proc.set(mem, entry, toProc);
  ProcLock.groupLeader.set(mem, entry, toProc);
  const bucket = procLockBucket(hash, toProc);
  ProcLock.hashNext.set(mem, entry, mem.view.getUint32(bucket, true));
  mem.view.setUint32(bucket, entry, true);
  linkToProc(entry, toProc, hash);
  return true;
}

function linkToLock(entry: number, lock: number): void {
  const last = Lock.procLockLast.get(mem, lock);
  ProcLock.lockPrev.set(mem, entry, last);
  ProcLock.lockNext.set(mem, entry, 0);
  if (last === 0) Lock.procLockFirst.set(mem, lock, entry);
  else ProcLock.lockNext.set(mem, last, entry);
  Lock.procLockLast.set(mem, lock, entry);
}
function unlinkFromLock(entry: number, lock: number): void {
  const next = ProcLock.lockNext.get(mem, entry);
  const prev = ProcLock.lockPrev.get(mem, entry);
  if (prev === 0) Lock.procLockFirst.set(mem, lock, next);
  else ProcLock.lockNext.set(mem, prev, next);
  if (next === 0) Lock.procLockLast.set(mem, lock, prev);
  else ProcLock.lockPrev.set(mem, next, prev);
}
/** {first, last} of a process's PROCLOCKs in a partition. */
const procListAt = (proc: number, hash: number): number =>
  procAt(proc) + PgProc.procLocks.offset + 8 * (hash & (LOCK_PARTITIONS - 1));
export const firstProcLockOf = (proc: number, partition: number): number =>
  mem.view.getUint32(procListAt(proc, partition), true);
function linkToProc(entry: number, proc: number, hash: number): void {
  const list = procListAt(proc, hash);
  const last = mem.view.getUint32(list + 4, true);
  ProcLock.procPrev.set(mem, entry, last);
  ProcLock.procNext.set(mem, entry, 0);
  if (last === 0) mem.view.setUint32(list, entry, true);
  else ProcLock.procNext.set(mem, last, entry);
  mem.view.setUint32(list + 4, entry, true);
}
function unlinkFromProc(entry: number, proc: number, hash: number): void {
  const list = procListAt(proc, hash);
  const next = ProcLock.procNext.get(mem, entry);
  const prev = ProcLock.procPrev.get(mem, entry);
  if (prev === 0) mem.view.setUint32(list, next, true);
  else ProcLock.procNext.set(mem, prev, next);
  if (next === 0) mem.view.setUint32(list + 4, prev, true);
  else ProcLock.procPrev.set(mem, next, prev);
}

/** For pg_locks: calls `see` for every PROCLOCK. The caller holds all partitions. */
export function forEachProcLock(see: (procLock: number) => void): void {
  for (let bucket = 0; bucket <= procLockBucketMask; bucket++) {
    let entry = mem.view.getUint32(procLockBucketsAt + 4 * bucket, true);
    while (entry !== 0) {
      see(entry);
      entry = ProcLock.hashNext.get(mem, entry);
    }
  }
}

/** Sum of what is in use, for tests: nothing may leak. */
export function lockTableUsage(): { readonly locks: number; readonly procLocks: number } {
  let freeLocks = 0;
  let freeProcLocks = 0;
  for (let i = 0; i < LOCK_PARTITIONS; i++) {
    freeLocks += LockFreeList.count.get(mem, listAt(lockFreeAt, i));
    freeProcLocks += LockFreeList.count.get(mem, listAt(procLockFreeAt, i));
  }
  return {
    locks: LockTableHeader.maxLocks.get(mem, headerAt) - freeLocks,
    procLocks: LockTableHeader.maxProcLocks.get(mem, headerAt) - freeProcLocks,
  };
}

// ── conflicts ────────────────────────────────────────────────────────────────────────────────────────────────────

export function bitCount(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++;
  return count;
}
/** Grants of the modes in `mask`. */
export function grantsOf(lock: number, mask: number): number {
  let sum = 0;
  for (let mode = 1; mode <= MAX_LOCK_MODE; mode++) if ((mask & (1 << mode)) !== 0) sum += grantedOf(lock, mode);
  return sum;
}
