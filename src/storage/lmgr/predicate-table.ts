/** predicate-table.ts — where the structures of serializable transactions lie, and how they are found and linked.
 *
 *  Locking order, as PostgreSQL's: SerializableFinishedList, SerializablePredicateList, PerXactPredicateList, the partition
 *  locks (ascending), SerializableXactHash. A target and its locks are guarded by its partition; a transaction's list of
 *  locks by SerializablePredicateList (shared for the transaction itself, exclusive for others); transactions and
 *  conflicts by SerializableXactHash.
 *  Counterpart: InitPredicateLocks() and the small functions of src/backend/storage/lmgr/predicate.c */
import { assert } from '#base/assert.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { initializeLWLock, lwLockAcquire, type LWLockMode, lwLockRelease } from '#shm/lwlock.ts';
import { LWLOCK_STRIDE } from '#shm/lwlock-layout.ts';
import { BUILTIN_TRANCHES } from '#shm/lwlock-list.ts';
import { mem } from '#shm/memory.ts';
import { maxBackends } from '#shm/proc.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import { queueDelete, queueInit, queueInsertBefore, queueIsEmpty, queueNext } from '#shm/shm-queue.ts';
import { spinAcquire, spinRelease } from '#shm/spinlock.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';
import {
  FIRST_NORMAL_SEQ_NO,
  INVALID_SEQ_NO,
  LOG2_PREDICATE_PARTITIONS,
  PREDICATE_PARTITIONS,
  PredicateHeader,
  PredicateLock,
  PredicateTarget,
  RwConflict,
  SXACT,
  Sxact,
} from '#storage/lmgr/predicate-layout.ts';

export let headerAt = -1;
let partitionsAt = -1;
let xactsAt = -1;
let conflictsAt = -1;
let targetBucketsAt = -1;
let lockBucketsAt = -1;
let xidBucketsAt = -1;
let targetsAt = -1;
let locksAt = -1;

const processes = (): number => maxBackends() + settings.max_prepared_transactions;
const targetCount = (): number => settings.max_pred_locks_per_transaction * processes();
const lockCount = (): number => 2 * targetCount();
/** Transactions that have ended stay interesting for a while. One more is the holder of summarised ones. */
const xactCount = (): number => processes() * 10 + 1;
const conflictCount = (): number => xactCount() * 5;
function powerOfTwo(atLeast: number): number {
  let size = PREDICATE_PARTITIONS;
  while (size < atLeast) size *= 2;
  return size;
}

function areas(): readonly (readonly [name: string, size: number])[] {
  return [
    ['PredXactList', PredicateHeader.SIZE],
    ['Predicate Lock LWLocks', PREDICATE_PARTITIONS * LWLOCK_STRIDE],
    ['SERIALIZABLEXACT', xactCount() * Sxact.SIZE],
    ['RWConflictPool', conflictCount() * RwConflict.SIZE],
    ['PREDICATELOCKTARGET hash buckets', 4 * powerOfTwo(targetCount())],
    ['PREDICATELOCK hash buckets', 4 * powerOfTwo(lockCount())],
    ['SERIALIZABLEXID hash', 4 * powerOfTwo(xactCount())],
    ['PREDICATELOCKTARGET hash', (targetCount() + 1) * PredicateTarget.SIZE],
    ['PREDICATELOCK hash', lockCount() * PredicateLock.SIZE],
  ];
}

export const predicateShmem: ShmemSubsystem = {
  name: 'Predicate Locks',
  request() {
    for (const [, size] of areas()) requestShmemSpace(size);
  },
  init() {
    const places = areas().map(([name, size]) => shmemInitStruct(name, size));
    const at = places.map((place) => place.at) as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    [headerAt, partitionsAt, xactsAt, conflictsAt, targetBucketsAt, lockBucketsAt, xidBucketsAt, targetsAt, locksAt] =
      at;
    if (!places[0]!.found) createTables();
  },
};

function createTables(): void {
  for (let i = 0; i < PREDICATE_PARTITIONS; i++)
    initializeLWLock(partitionsAt + i * LWLOCK_STRIDE, BUILTIN_TRANCHES.PredicateLockManager);
  PredicateHeader.targetBuckets.set(mem, headerAt, powerOfTwo(targetCount()));
  PredicateHeader.lockBuckets.set(mem, headerAt, powerOfTwo(lockCount()));
  PredicateHeader.xidBuckets.set(mem, headerAt, powerOfTwo(xactCount()));
  PredicateHeader.maxTargets.set(mem, headerAt, targetCount());
  PredicateHeader.maxLocks.set(mem, headerAt, lockCount());
  for (let i = 0; i < targetCount(); i++) freeTarget(targetsAt + i * PredicateTarget.SIZE);
  PredicateHeader.reserveTarget.set(mem, headerAt, targetsAt + targetCount() * PredicateTarget.SIZE);
  for (let i = 0; i < lockCount(); i++) freeLock(locksAt + i * PredicateLock.SIZE);
  for (const head of [availableXacts(), activeXacts(), availableConflicts(), finishedXacts()]) queueInit(head);
  for (let i = 0; i < xactCount(); i++) queueInsertBefore(availableXacts(), xactsAt + i * Sxact.SIZE);
  for (let i = 0; i < conflictCount(); i++)
    queueInsertBefore(availableConflicts(), conflictsAt + i * RwConflict.SIZE + RwConflict.outLink.offset);
  PredicateHeader.lastCommitSeqNo.set(mem, headerAt, FIRST_NORMAL_SEQ_NO - 1);
  const old = createPredXact();
  PredicateHeader.oldCommittedXact.set(mem, headerAt, old);
  Sxact.commitSeqNo.set(mem, old, 0);
  Sxact.lastCommitBeforeSnapshot.set(mem, old, 0);
  Sxact.flags.set(mem, old, SXACT.committed);
}

export const predicateLocksAreReady = (): boolean => headerAt >= 0;
export const availableXacts = (): number => headerAt + PredicateHeader.availableXacts.offset;
export const activeXacts = (): number => headerAt + PredicateHeader.activeXacts.offset;
export const finishedXacts = (): number => headerAt + PredicateHeader.finishedXacts.offset;
const availableConflicts = (): number => headerAt + PredicateHeader.availableConflicts.offset;
export const oldCommittedXact = (): number => PredicateHeader.oldCommittedXact.get(mem, headerAt);
export const sxactGlobalXmin = (): number => (headerAt < 0 ? 0 : PredicateHeader.globalXmin.get(mem, headerAt));

// ── LWLocks ──────────────────────────────────────────────────────────────────────────────────────────────────────

export const predicatePartition = (hash: number): number =>
  partitionsAt + (hash & (PREDICATE_PARTITIONS - 1)) * LWLOCK_STRIDE;
export function acquireAllPartitions(mode: LWLockMode): void {
  for (let i = 0; i < PREDICATE_PARTITIONS; i++) lwLockAcquire(partitionsAt + i * LWLOCK_STRIDE, mode);
}
export function releaseAllPartitions(): void {
  for (let i = PREDICATE_PARTITIONS; --i >= 0; ) lwLockRelease(partitionsAt + i * LWLOCK_STRIDE);
}

// ── transactions ─────────────────────────────────────────────────────────────────────────────────────────────────

/** 0 when all are in use. */
export function createPredXact(): number {
  if (queueIsEmpty(availableXacts())) return 0;
  const sxact = queueNext(availableXacts()) - Sxact.link.offset;
  queueDelete(sxact + Sxact.link.offset);
  mem.u8.fill(0, sxact, sxact + Sxact.SIZE);
  queueInsertBefore(activeXacts(), sxact + Sxact.link.offset);
  Sxact.prepareSeqNo.set(mem, sxact, INVALID_SEQ_NO);
  Sxact.commitSeqNo.set(mem, sxact, INVALID_SEQ_NO);
  Sxact.procNumber.set(mem, sxact, -1);
  for (const list of [
    Sxact.outConflicts,
    Sxact.inConflicts,
    Sxact.predicateLocks,
    Sxact.finishedLink,
    Sxact.possibleUnsafeConflicts,
  ])
    queueInit(sxact + list.offset);
  return sxact;
}
export function releasePredXact(sxact: number): void {
  queueDelete(sxact + Sxact.link.offset);
  queueInsertBefore(availableXacts(), sxact + Sxact.link.offset);
}
/** Calls `see` for each; it may release the one at hand. */
export function forEachActiveXact(see: (sxact: number) => void): void {
  const head = activeXacts();
  let next: number;
  for (let link = queueNext(head); link !== head; link = next) {
    next = queueNext(link);
    see(link - Sxact.link.offset);
  }
}

export const hasFlag = (sxact: number, flag: number): boolean => (Sxact.flags.get(mem, sxact) & flag) !== 0;
export function setFlag(sxact: number, flag: number): void {
  Sxact.flags.set(mem, sxact, Sxact.flags.get(mem, sxact) | flag);
}
export function clearFlag(sxact: number, flag: number): void {
  Sxact.flags.set(mem, sxact, Sxact.flags.get(mem, sxact) & ~flag);
}

const xidBucket = (xid: number): number =>
  xidBucketsAt + 4 * ((Math.imul(xid, 0x9e3779b1) >>> 8) & (PredicateHeader.xidBuckets.get(mem, headerAt) - 1));
export function enterXid(xid: number, sxact: number): void {
  if (Sxact.inXidHash.get(mem, sxact) !== 0) return;
  const bucket = xidBucket(xid);
  Sxact.xidNext.set(mem, sxact, mem.view.getUint32(bucket, true));
  mem.view.setUint32(bucket, sxact, true);
  Sxact.inXidHash.set(mem, sxact, 1);
}
/** 0 if no transaction of that top-level xid is known. */
export function findXid(xid: number): number {
  let sxact = mem.view.getUint32(xidBucket(xid), true);
  while (sxact !== 0 && Sxact.topXid.get(mem, sxact) !== xid) sxact = Sxact.xidNext.get(mem, sxact);
  return sxact;
}
export function removeXid(sxact: number): void {
  if (Sxact.inXidHash.get(mem, sxact) === 0) return;
  unchain(xidBucket(Sxact.topXid.get(mem, sxact)), sxact, Sxact.xidNext.offset);
  Sxact.inXidHash.set(mem, sxact, 0);
}
function unchain(bucket: number, entry: number, nextOffset: number): void {
  let link = bucket;
  for (;;) {
    const next = mem.view.getUint32(link, true);
    assert(next !== 0, 'predicate lock table corrupted');
    if (next === entry) break;
    link = next + nextOffset;
  }
  mem.view.setUint32(link, mem.view.getUint32(entry + nextOffset, true), true);
}

// ── conflicts ────────────────────────────────────────────────────────────────────────────────────────────────────

const OUT = RwConflict.outLink.offset;
const IN = RwConflict.inLink.offset;

function takeConflict(what: string): number {
  const head = availableConflicts();
  if (queueIsEmpty(head))
    report('ERROR', {
      code: SQLSTATE.outOfMemory,
      message: `not enough elements in RWConflictPool to record ${what}`,
      hint: 'You might need to run fewer transactions at a time or increase max_connections.',
    });
  const conflict = queueNext(head) - OUT;
  queueDelete(conflict + OUT);
  return conflict;
}
export function setRwConflict(reader: number, writer: number): void {
  const conflict = takeConflict('a read/write conflict');
  RwConflict.sxactOut.set(mem, conflict, reader);
  RwConflict.sxactIn.set(mem, conflict, writer);
  queueInsertBefore(reader + Sxact.outConflicts.offset, conflict + OUT);
  queueInsertBefore(writer + Sxact.inConflicts.offset, conflict + IN);
}
/** The read-only transaction is safe only if `active` commits without a conflict out to something before it. */
export function setPossibleUnsafeConflict(readOnly: number, active: number): void {
  const conflict = takeConflict('a potential read/write conflict');
  RwConflict.sxactOut.set(mem, conflict, active);
  RwConflict.sxactIn.set(mem, conflict, readOnly);
  queueInsertBefore(active + Sxact.possibleUnsafeConflicts.offset, conflict + OUT);
  queueInsertBefore(readOnly + Sxact.possibleUnsafeConflicts.offset, conflict + IN);
}
export function releaseRwConflict(conflict: number): void {
  queueDelete(conflict + IN);
  queueDelete(conflict + OUT);
  queueInsertBefore(availableConflicts(), conflict + OUT);
}
/** Conflicts in which the transaction is the reader; `see` may release the one at hand, and returns true to stop. */
export function someOutConflict(head: number, see: (conflict: number) => unknown): boolean {
  return someLink(head, OUT, see);
}
/** Those in which it is the writer. */
export function someInConflict(head: number, see: (conflict: number) => unknown): boolean {
  return someLink(head, IN, see);
}
function someLink(head: number, offset: number, see: (record: number) => unknown): boolean {
  let next: number;
  for (let link = queueNext(head); link !== head; link = next) {
    next = queueNext(link);
    if (see(link - offset) === true) return true;
  }
  return false;
}
export const outConflictsOf = (sxact: number): number => sxact + Sxact.outConflicts.offset;
export const inConflictsOf = (sxact: number): number => sxact + Sxact.inConflicts.offset;
export const possibleUnsafeOf = (sxact: number): number => sxact + Sxact.possibleUnsafeConflicts.offset;

export function rwConflictExists(reader: number, writer: number): boolean {
  if (hasFlag(reader, SXACT.doomed) || hasFlag(writer, SXACT.doomed)) return false;
  if (queueIsEmpty(outConflictsOf(reader)) || queueIsEmpty(inConflictsOf(writer))) return false;
  return someOutConflict(outConflictsOf(reader), (conflict) => RwConflict.sxactIn.get(mem, conflict) === writer);
}

// ── targets ──────────────────────────────────────────────────────────────────────────────────────────────────────

const FREE_MUTEX = PredicateHeader.freeMutex.offset;

function freeTarget(target: number): void {
  spinAcquire(headerAt + FREE_MUTEX);
  PredicateTarget.hashNext.set(mem, target, PredicateHeader.freeTargets.get(mem, headerAt));
  PredicateHeader.freeTargets.set(mem, headerAt, target);
  PredicateHeader.freeTargetCount.set(mem, headerAt, PredicateHeader.freeTargetCount.get(mem, headerAt) + 1);
  spinRelease(headerAt + FREE_MUTEX);
}
function takeTarget(): number {
  spinAcquire(headerAt + FREE_MUTEX);
  const target = PredicateHeader.freeTargets.get(mem, headerAt);
  if (target !== 0) {
    PredicateHeader.freeTargets.set(mem, headerAt, PredicateTarget.hashNext.get(mem, target));
    PredicateHeader.freeTargetCount.set(mem, headerAt, PredicateHeader.freeTargetCount.get(mem, headerAt) - 1);
  }
  spinRelease(headerAt + FREE_MUTEX);
  return target;
}
function freeLock(lock: number): void {
  spinAcquire(headerAt + FREE_MUTEX);
  PredicateLock.hashNext.set(mem, lock, PredicateHeader.freeLocks.get(mem, headerAt));
  PredicateHeader.freeLocks.set(mem, headerAt, lock);
  PredicateHeader.freeLockCount.set(mem, headerAt, PredicateHeader.freeLockCount.get(mem, headerAt) + 1);
  spinRelease(headerAt + FREE_MUTEX);
}
function takeLock(): number {
  spinAcquire(headerAt + FREE_MUTEX);
  const lock = PredicateHeader.freeLocks.get(mem, headerAt);
  if (lock !== 0) {
    PredicateHeader.freeLocks.set(mem, headerAt, PredicateLock.hashNext.get(mem, lock));
    PredicateHeader.freeLockCount.set(mem, headerAt, PredicateHeader.freeLockCount.get(mem, headerAt) - 1);
  }
  spinRelease(headerAt + FREE_MUTEX);
  return lock;
}

const targetBucket = (hash: number): number =>
  targetBucketsAt + 4 * (hash & (PredicateHeader.targetBuckets.get(mem, headerAt) - 1));

export function findTarget(database: number, relation: number, block: number, offset: number, hash: number): number {
  let target = mem.view.getUint32(targetBucket(hash), true);
  while (target !== 0) {
    if (
      PredicateTarget.hash.get(mem, target) === hash &&
      PredicateTarget.relation.get(mem, target) === relation &&
      PredicateTarget.block.get(mem, target) === block &&
      PredicateTarget.offset.get(mem, target) === offset &&
      PredicateTarget.database.get(mem, target) === database
    )
      return target;
    target = PredicateTarget.hashNext.get(mem, target);
  }
  return 0;
}
/** 0 when the table is full. With `mayUseReserve` (the caller holds SerializablePredicateList alone) it never is. */
export function findOrMakeTarget(
  database: number,
  relation: number,
  block: number,
  offset: number,
  hash: number,
  mayUseReserve = false,
): number {
  const known = findTarget(database, relation, block, offset, hash);
  if (known !== 0) return known;
  let target = takeTarget();
  if (target === 0 && mayUseReserve) {
    target = PredicateHeader.reserveTarget.get(mem, headerAt);
    PredicateHeader.reserveTarget.set(mem, headerAt, 0);
  }
  if (target === 0) return 0;
  PredicateTarget.database.set(mem, target, database);
  PredicateTarget.relation.set(mem, target, relation);
  PredicateTarget.block.set(mem, target, block);
  PredicateTarget.offset.set(mem, target, offset);
  PredicateTarget.hash.set(mem, target, hash);
  queueInit(target + PredicateTarget.locks.offset);
  const bucket = targetBucket(hash);
  PredicateTarget.hashNext.set(mem, target, mem.view.getUint32(bucket, true));
  mem.view.setUint32(bucket, target, true);
  return target;
}
/** The reserve is filled up before anything is given to others; only its user empties it, and gives one back at once. */
export function removeTarget(target: number): void {
  unchain(targetBucket(PredicateTarget.hash.get(mem, target)), target, PredicateTarget.hashNext.offset);
  if (PredicateHeader.reserveTarget.get(mem, headerAt) === 0) PredicateHeader.reserveTarget.set(mem, headerAt, target);
  else freeTarget(target);
}
export function removeTargetIfNoLongerUsed(target: number): void {
  if (queueIsEmpty(target + PredicateTarget.locks.offset)) removeTarget(target);
}
/** All targets; the caller holds all partitions. `see` may remove the one at hand. */
export function forEachTarget(see: (target: number) => void): void {
  const buckets = PredicateHeader.targetBuckets.get(mem, headerAt);
  for (let bucket = 0; bucket < buckets; bucket++) {
    let next: number;
    for (let target = mem.view.getUint32(targetBucketsAt + 4 * bucket, true); target !== 0; target = next) {
      next = PredicateTarget.hashNext.get(mem, target);
      see(target);
    }
  }
}

// ── locks ────────────────────────────────────────────────────────────────────────────────────────────────────────

const lockBucket = (targetHash: number, sxact: number): number =>
  lockBucketsAt +
  4 *
    ((targetHash ^ (Math.imul(sxact >>> 5, 0x9e3779b1) << LOG2_PREDICATE_PARTITIONS)) &
      (PredicateHeader.lockBuckets.get(mem, headerAt) - 1));

export function findPredicateLock(target: number, sxact: number): number {
  let lock = mem.view.getUint32(lockBucket(PredicateTarget.hash.get(mem, target), sxact), true);
  while (lock !== 0) {
    if (PredicateLock.target.get(mem, lock) === target && PredicateLock.sxact.get(mem, lock) === sxact) return lock;
    lock = PredicateLock.hashNext.get(mem, lock);
  }
  return 0;
}
/** A new lock is in both lists. 0 when the table is full. */
export function makePredicateLock(target: number, sxact: number, commitSeqNo: number): number {
  const lock = takeLock();
  if (lock !== 0) linkLock(lock, target, sxact, commitSeqNo);
  return lock;
}
function linkLock(lock: number, target: number, sxact: number, commitSeqNo: number): void {
  PredicateLock.target.set(mem, lock, target);
  PredicateLock.sxact.set(mem, lock, sxact);
  PredicateLock.commitSeqNo.set(mem, lock, commitSeqNo);
  const bucket = lockBucket(PredicateTarget.hash.get(mem, target), sxact);
  PredicateLock.hashNext.set(mem, lock, mem.view.getUint32(bucket, true));
  mem.view.setUint32(bucket, lock, true);
  queueInsertBefore(target + PredicateTarget.locks.offset, lock + PredicateLock.targetLink.offset);
  queueInsertBefore(sxact + Sxact.predicateLocks.offset, lock + PredicateLock.xactLink.offset);
}
function unlinkLock(lock: number): void {
  const target = PredicateLock.target.get(mem, lock);
  const bucket = lockBucket(PredicateTarget.hash.get(mem, target), PredicateLock.sxact.get(mem, lock));
  unchain(bucket, lock, PredicateLock.hashNext.offset);
  queueDelete(lock + PredicateLock.targetLink.offset);
  queueDelete(lock + PredicateLock.xactLink.offset);
}
export function removePredicateLock(lock: number): void {
  unlinkLock(lock);
  freeLock(lock);
}
/** The lock goes over to another target or transaction without a moment in which its memory is anybody's; two of the same
 *  become one, with the later commit. */
export function movePredicateLock(lock: number, target: number, sxact: number, commitSeqNo: number): void {
  const other = findPredicateLock(target, sxact);
  if (other === 0) {
    unlinkLock(lock);
    linkLock(lock, target, sxact, commitSeqNo);
    return;
  }
  if (PredicateLock.commitSeqNo.get(mem, other) < commitSeqNo) PredicateLock.commitSeqNo.set(mem, other, commitSeqNo);
  removePredicateLock(lock);
}
export function someLockOfTarget(target: number, see: (lock: number) => unknown): boolean {
  return someLink(target + PredicateTarget.locks.offset, PredicateLock.targetLink.offset, see);
}
export function someLockOfXact(sxact: number, see: (lock: number) => unknown): boolean {
  return someLink(sxact + Sxact.predicateLocks.offset, PredicateLock.xactLink.offset, see);
}

export const outOfPredicateMemory = (): never =>
  report('ERROR', {
    code: SQLSTATE.outOfMemory,
    message: 'out of shared memory',
    hint: 'You might need to increase max_pred_locks_per_transaction.',
  });

/** What is in use, for tests. */
export const predicateUsage = (): { readonly targets: number; readonly locks: number } => ({
  targets: PredicateHeader.maxTargets.get(mem, headerAt) - PredicateHeader.freeTargetCount.get(mem, headerAt),
  locks: PredicateHeader.maxLocks.get(mem, headerAt) - PredicateHeader.freeLockCount.get(mem, headerAt),
});
