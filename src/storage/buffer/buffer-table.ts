/** buffer-table.ts — which buffer holds a block: a chained hash table over the descriptors.
 *
 *  A bucket is the id of its first descriptor, the chain goes on through BufferDesc.hashNext: an entry needs no memory of
 *  its own, and the tag that is compared lies in the cache line that is pinned next. A bucket belongs to the partition
 *  hash % 128, whose LWLock guards its chain and forbids that a chained descriptor's tag changes.
 *  Promises: exactly the descriptors with BM_TAG_VALID are chained, each once.
 *  Counterpart: src/backend/storage/buffer/buf_table.c */
import { assert } from '#base/assert.ts';
import { bufferMappingLock, NUM_BUFFER_PARTITIONS } from '#shm/lwlock-array.ts';
import { mem } from '#shm/memory.ts';
import { bucketMask, bucketsAt, descriptorAt, descriptorsAt } from '#storage/buffer/buffer-pool.ts';
import { BufferDesc } from '#storage/buffer/buffer-layout.ts';

/** Offsets in words: spc 0, db 1, rel 2, fork 3, block 4, hashNext 9, hash 14. */
const HASH_NEXT_WORD = BufferDesc.hashNext.offset >>> 2;
const HASH_WORD = BufferDesc.hash.offset >>> 2;

/** Spreads consecutive blocks of one fork over partitions and buckets (murmur3's finaliser). */
export function hashTag(spc: number, db: number, rel: number, fork: number, block: number): number {
  let hash = Math.imul(rel ^ Math.imul(db, 0x9e3779b1) ^ (fork << 29) ^ Math.imul(spc, 0x27d4eb2f), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 15) ^ block, 0xc2b2ae35);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  return hash ^ (hash >>> 13);
}
export const hashOfDescriptor = (desc: number): number => mem.i32[(desc >>> 2) + HASH_WORD]!;

export const partitionLock = (hash: number): number => bufferMappingLock(hash & (NUM_BUFFER_PARTITIONS - 1));

/** Id of the buffer with this tag, -1 if there is none. Caller holds the partition lock, shared at least. */
export function lookup(hash: number, spc: number, db: number, rel: number, fork: number, block: number): number {
  const { i32 } = mem;
  const base = descriptorsAt >>> 2;
  let id = i32[(bucketsAt >>> 2) + (hash & bucketMask)]!;
  while (id >= 0) {
    const word = base + id * 16;
    if (
      i32[word + 4] === (block | 0) &&
      i32[word + 2] === (rel | 0) &&
      i32[word + 3] === fork &&
      i32[word + 1] === (db | 0) &&
      i32[word] === (spc | 0)
    )
      return id;
    id = i32[word + HASH_NEXT_WORD]!;
  }
  return -1;
}

/** Chains a descriptor whose tag is set. Caller holds the partition lock exclusively. */
export function insertIntoTable(id: number, hash: number): void {
  const { i32 } = mem;
  const bucket = (bucketsAt >>> 2) + (hash & bucketMask);
  const word = descriptorAt(id) >>> 2;
  i32[word + HASH_WORD] = hash;
  i32[word + HASH_NEXT_WORD] = i32[bucket]!;
  i32[bucket] = id;
}

/** Takes a descriptor out of the chain of `hash`. Caller holds the partition lock exclusively. */
export function deleteFromTable(id: number, hash: number): void {
  const { i32 } = mem;
  const next = i32[(descriptorAt(id) >>> 2) + HASH_NEXT_WORD]!;
  let link = (bucketsAt >>> 2) + (hash & bucketMask);
  while (i32[link] !== id) {
    assert(i32[link]! >= 0, 'shared buffer hash table corrupted');
    link = (descriptorAt(i32[link]!) >>> 2) + HASH_NEXT_WORD;
  }
  i32[link] = next;
}
