/** shmem.ts — who lies where in the segment: a bump allocator and an index by name.
 *
 *  Sizes are announced first (`requestShmemSpace`), then the segment is made, then every subsystem calls
 *  `shmemInitStruct` in the same order: the creator finds nothing and initialises zeroed memory, a process that attaches
 *  later finds the entry. Nothing is ever freed: a crash throws the whole segment away.
 *  Counterpart: src/backend/storage/ipc/shmem.c */
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { mem } from '#shm/memory.ts';
import { SHMEM_ALIGNMENT, SHMEM_INDEX_SIZE, SHMEM_MAGIC, ShmemHeader, ShmemIndexEntry } from '#shm/shm-layout.ts';
import { spinAcquire, spinRelease } from '#shm/spinlock.ts';

const ALLOC_LOCK = ShmemHeader.allocLock.offset;
const INDEX_AT = ShmemHeader.SIZE;
const FIRST_FREE = align(INDEX_AT + SHMEM_INDEX_SIZE * ShmemIndexEntry.SIZE);
/** Room for small things that were not announced, as PostgreSQL's 100000 bytes of slop. */
const SLOP = 100_000;

let requested = 0;

export function align(size: number): number {
  return Math.ceil(size / SHMEM_ALIGNMENT) * SHMEM_ALIGNMENT;
}

export function requestShmemSpace(size: number): void {
  requested += align(size);
}
export function resetShmemRequests(): void {
  requested = 0;
}
/** Bytes that the segment needs, a multiple of 8 kB. */
export function requestedShmemSize(): number {
  return Math.ceil((FIRST_FREE + requested + SLOP) / 8192) * 8192;
}

export function initShmemHeader(size: number, creatorPid: number, generation: number): void {
  ShmemHeader.magic.set(mem, 0, SHMEM_MAGIC);
  ShmemHeader.creatorPid.set(mem, 0, creatorPid);
  ShmemHeader.totalSize.set(mem, 0, size);
  ShmemHeader.freeOffset.set(mem, 0, FIRST_FREE);
  ShmemHeader.generation.set(mem, 0, generation);
}
export const segmentGeneration = (): number => ShmemHeader.generation.get(mem, 0);

const entryAt = (i: number): number => INDEX_AT + i * ShmemIndexEntry.SIZE;

export interface ShmemStruct {
  /** Byte offset. */
  readonly at: number;
  readonly found: boolean;
}

/** Finds or makes the named area. New memory is zero. */
export function shmemInitStruct(name: string, size: number): ShmemStruct {
  spinAcquire(ALLOC_LOCK);
  const count = ShmemHeader.indexCount.load(mem, 0);
  for (let i = 0; i < count; i++) {
    if (ShmemIndexEntry.name.get(mem, entryAt(i)) !== name) continue;
    const at = ShmemIndexEntry.location.get(mem, entryAt(i));
    const known = ShmemIndexEntry.size.get(mem, entryAt(i));
    spinRelease(ALLOC_LOCK);
    if (known !== size)
      report('ERROR', {
        message: `ShmemIndex entry size is wrong for data structure "${name}": expected ${size}, actual ${known}`,
      });
    return { at, found: true };
  }
  const at = ShmemHeader.freeOffset.get(mem, 0);
  const room = ShmemHeader.totalSize.get(mem, 0) - at;
  if (count >= SHMEM_INDEX_SIZE || align(size) > room) {
    spinRelease(ALLOC_LOCK);
    report('ERROR', {
      code: SQLSTATE.outOfMemory,
      message: `not enough shared memory for data structure "${name}" (${size} bytes requested)`,
    });
  }
  const entry = entryAt(count);
  ShmemIndexEntry.name.set(mem, entry, name);
  ShmemIndexEntry.location.set(mem, entry, at);
  ShmemIndexEntry.size.set(mem, entry, size);
  ShmemIndexEntry.allocatedSize.set(mem, entry, align(size));
  ShmemHeader.freeOffset.set(mem, 0, at + align(size));
  ShmemHeader.indexCount.store(mem, 0, count + 1);
  spinRelease(ALLOC_LOCK);
  return { at, found: false };
}

export interface ShmemAllocation {
  readonly name: string | null;
  readonly offset: number | null;
  readonly size: number;
  readonly allocatedSize: number;
}
/** Rows of pg_shmem_allocations. */
export function shmemAllocations(): ShmemAllocation[] {
  const rows: ShmemAllocation[] = [];
  const count = ShmemHeader.indexCount.load(mem, 0);
  let named = 0;
  for (let i = 0; i < count; i++) {
    const allocatedSize = ShmemIndexEntry.allocatedSize.get(mem, entryAt(i));
    named += allocatedSize;
    rows.push({
      name: ShmemIndexEntry.name.get(mem, entryAt(i)),
      offset: ShmemIndexEntry.location.get(mem, entryAt(i)),
      size: ShmemIndexEntry.size.get(mem, entryAt(i)),
      allocatedSize,
    });
  }
  const free = ShmemHeader.freeOffset.get(mem, 0);
  const total = ShmemHeader.totalSize.get(mem, 0);
  rows.push({ name: '<anonymous>', offset: null, size: free - named, allocatedSize: free - named });
  rows.push({ name: null, offset: free, size: total - free, allocatedSize: total - free });
  return rows;
}
