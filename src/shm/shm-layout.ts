/** shm-layout.ts — the first bytes of the segment and the index of what is in it. */
import { atomic32, bytes, cstring, struct, u32, u64 } from '#base/struct.ts';

/** 'NGRS': tells an attaching process that this is our segment, in this layout. */
export const SHMEM_MAGIC = 0x4e475253;
export const SHMEM_INDEX_SIZE = 128;
export const SHMEM_ALIGNMENT = 128;

export const ShmemHeader = struct('ShmemHeader', 128, {
  magic: u32(),
  creatorPid: u32(),
  totalSize: u64(),
  /** Bump pointer; moves under allocLock. */
  freeOffset: u64(),
  allocLock: atomic32(),
  indexCount: atomic32(),
  /** Set when the postmaster has initialised every subsystem. */
  ready: atomic32(),
  /** Times the segment was re-made after a crash. */
  generation: u32(),
  pad: bytes(88),
});

export const ShmemIndexEntry = struct('ShmemIndexEntry', 72, {
  name: cstring(48),
  location: u64(),
  size: u64(),
  allocatedSize: u64(),
});
