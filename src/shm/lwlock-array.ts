/** lwlock-array.ts — the main array of LWLocks, and the tranches that extensions ask for by name.
 *
 *  Main array: 48 individual locks by id, then the partitions of buffer mapping, lock and predicate lock tables, then the
 *  named tranches in the order of their requests. A tranche's name stands in shared memory, so that every process can show it.
 *  Counterpart: CreateLWLocks() of src/backend/storage/lmgr/lwlock.c */
import { report } from '#runtime/error/report.ts';
import { mem } from '#shm/memory.ts';
import { LWLOCK_STRIDE, MAX_NAMED_TRANCHES, NamedTranche, TrancheDirectory } from '#shm/lwlock-layout.ts';
import {
  BUILTIN_TRANCHES,
  FIRST_USER_TRANCHE,
  INDIVIDUAL_LWLOCKS,
  type LWLockName,
  NUM_INDIVIDUAL_LWLOCKS,
  registerTrancheName,
} from '#shm/lwlock-list.ts';
import { initializeLWLock } from '#shm/lwlock.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import { spinAcquire, spinRelease } from '#shm/spinlock.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';

interface TrancheRequest {
  readonly name: string;
  readonly locks: number;
}
/** Asked for while the shared libraries' request hooks run. */
const requests: TrancheRequest[] = [];
let requestsOpen = false;
let arrayAt = -1;
let directoryAt = -1;

export function setTrancheRequestsOpen(open: boolean): void {
  requestsOpen = open;
}

/** From a shmem_request_hook only: `locks` LWLocks under a name. */
export function requestNamedLWLockTranche(name: string, locks: number): void {
  if (!requestsOpen) report('FATAL', { message: 'cannot request additional LWLocks outside shmem_request_hook' });
  requests.push({ name, locks });
}

/** Partitions of the great hash tables, between the individual locks and the named tranches. */
export const NUM_BUFFER_PARTITIONS = 128;
export const NUM_LOCK_PARTITIONS = 16;
export const NUM_PREDICATELOCK_PARTITIONS = 16;
const FIRST_BUFFER_MAPPING = NUM_INDIVIDUAL_LWLOCKS;
const FIRST_LOCK_MANAGER = FIRST_BUFFER_MAPPING + NUM_BUFFER_PARTITIONS;
const FIRST_PREDICATELOCK_MANAGER = FIRST_LOCK_MANAGER + NUM_LOCK_PARTITIONS;
const NUM_FIXED_LWLOCKS = FIRST_PREDICATELOCK_MANAGER + NUM_PREDICATELOCK_PARTITIONS;

const lockCount = (): number => requests.reduce((sum, request) => sum + request.locks, NUM_FIXED_LWLOCKS);
const directorySize = TrancheDirectory.SIZE + MAX_NAMED_TRANCHES * NamedTranche.SIZE;
const entryAt = (i: number): number => directoryAt + TrancheDirectory.SIZE + i * NamedTranche.SIZE;

export const lwLockShmem: ShmemSubsystem = {
  name: 'LWLocks',
  request() {
    requestShmemSpace(lockCount() * LWLOCK_STRIDE);
    requestShmemSpace(directorySize);
  },
  init() {
    const directory = shmemInitStruct('LWLock Tranches', directorySize);
    directoryAt = directory.at;
    const total = directory.found ? namedLockCount() + NUM_FIXED_LWLOCKS : lockCount();
    const array = shmemInitStruct('LWLock Array', total * LWLOCK_STRIDE);
    arrayAt = array.at;
    if (!array.found) createLocks();
    for (let i = 0; i < TrancheDirectory.count.load(mem, directoryAt); i++)
      registerTrancheName(NamedTranche.tranche.get(mem, entryAt(i)), NamedTranche.name.get(mem, entryAt(i)));
  },
};

function namedLockCount(): number {
  let sum = 0;
  for (let i = 0; i < TrancheDirectory.count.load(mem, directoryAt); i++)
    sum += NamedTranche.lockCount.get(mem, entryAt(i));
  return sum;
}

function createLocks(): void {
  for (let id = 0; id < NUM_INDIVIDUAL_LWLOCKS; id++) initializeLWLock(arrayAt + id * LWLOCK_STRIDE, id);
  for (let i = 0; i < NUM_BUFFER_PARTITIONS; i++)
    initializeLWLock(bufferMappingLock(i), BUILTIN_TRANCHES.BufferMapping);
  for (let i = 0; i < NUM_LOCK_PARTITIONS; i++) initializeLWLock(lockManagerLock(i), BUILTIN_TRANCHES.LockManager);
  for (let i = 0; i < NUM_PREDICATELOCK_PARTITIONS; i++)
    initializeLWLock(predicateLockManagerLock(i), BUILTIN_TRANCHES.PredicateLockManager);
  TrancheDirectory.nextTranche.store(mem, directoryAt, FIRST_USER_TRANCHE);
  let at = arrayAt + NUM_FIXED_LWLOCKS * LWLOCK_STRIDE;
  for (const { name, locks } of requests) {
    const tranche = newTrancheId(name, locks);
    for (let i = 0; i < locks; i++, at += LWLOCK_STRIDE) initializeLWLock(at, tranche);
  }
}

function newTrancheId(name: string, locks: number): number {
  const i = TrancheDirectory.count.load(mem, directoryAt);
  if (i >= MAX_NAMED_TRANCHES) report('FATAL', { message: 'maximum number of LWLock tranches exceeded' });
  const tranche = TrancheDirectory.nextTranche.add(mem, directoryAt, 1);
  NamedTranche.name.set(mem, entryAt(i), name);
  NamedTranche.tranche.set(mem, entryAt(i), tranche);
  NamedTranche.lockCount.set(mem, entryAt(i), locks);
  TrancheDirectory.count.store(mem, directoryAt, i + 1);
  return tranche;
}

/** The lock of that name, as a byte offset. */
export const mainLWLock = (name: LWLockName): number => arrayAt + INDIVIDUAL_LWLOCKS[name] * LWLOCK_STRIDE;
export const bufferMappingLock = (partition: number): number =>
  arrayAt + (FIRST_BUFFER_MAPPING + partition) * LWLOCK_STRIDE;
export const lockManagerLock = (partition: number): number =>
  arrayAt + (FIRST_LOCK_MANAGER + partition) * LWLOCK_STRIDE;
export const predicateLockManagerLock = (partition: number): number =>
  arrayAt + (FIRST_PREDICATELOCK_MANAGER + partition) * LWLOCK_STRIDE;

/** Offsets of the locks that `name` asked for. */
export function getNamedLWLockTranche(name: string): number[] {
  let at = arrayAt + NUM_FIXED_LWLOCKS * LWLOCK_STRIDE;
  for (let i = 0; i < TrancheDirectory.count.load(mem, directoryAt); i++) {
    const locks = NamedTranche.lockCount.get(mem, entryAt(i));
    if (NamedTranche.name.get(mem, entryAt(i)) === name)
      return Array.from({ length: locks }, (_, n) => at + n * LWLOCK_STRIDE);
    at += locks * LWLOCK_STRIDE;
  }
  return report('ERROR', { message: 'requested tranche is not registered' });
}

/** A tranche id at run time, for locks that live in an extension's own memory; its name is known to all processes. */
export function lwLockNewTrancheId(name: string): number {
  spinAcquire(directoryAt + TrancheDirectory.lock.offset);
  try {
    return newTrancheId(name, 0);
  } finally {
    spinRelease(directoryAt + TrancheDirectory.lock.offset);
  }
}
