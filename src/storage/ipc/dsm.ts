/** dsm.ts — dynamic shared memory: areas made at run time, found by a handle, freed when the last user leaves.
 *
 *  Areas come out of a region of the main segment that min_dynamic_shared_memory and a floor of 4 MB size: a handle is
 *  valid in every process at once, nothing has a name in /dev/shm that a crash could leave behind, and a killed user's
 *  area dies with the segment in the crash cycle. First-fit over an address-ordered table of live areas.
 *  Handles are (generation << 8 | slot) + 1 and odd-sized generations never repeat within 2^23 uses of a slot.
 *  Counterpart: src/backend/storage/ipc/dsm.c */
import { atomic32, bytes, i32, struct, u32 } from '#base/struct.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { onShmemExit } from '#runtime/exit-callbacks.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { mem } from '#shm/memory.ts';
import { align, requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';

const MAX_AREAS = 128;
const REGION_FLOOR = 4 * 1024 * 1024;
const Area = struct('DsmArea', 24, {
  /** 0 free. */
  references: i32(),
  generation: i32(),
  offset: u32(),
  size: u32(),
  pinned: i32(),
  pad: bytes(4),
});
const Header = struct('DsmHeader', 16, { regionSize: u32(), live: atomic32(), pad: bytes(8) });

export type DsmHandle = number;
export interface DsmSegment {
  readonly handle: DsmHandle;
  /** Byte offset in the main segment. */
  readonly at: number;
  readonly size: number;
}

let headerAt = -1;
let regionAt = -1;
const regionSize = (): number => align(Math.max(REGION_FLOOR, settings.min_dynamic_shared_memory * 1024 * 1024));
const tableSize = Header.SIZE + MAX_AREAS * Area.SIZE;
const areaAt = (slot: number): number => headerAt + Header.SIZE + slot * Area.SIZE;
const handleOf = (slot: number): DsmHandle => Area.generation.get(mem, areaAt(slot)) * 256 + slot + 1;

export const dsmShmem: ShmemSubsystem = {
  name: 'Dynamic Shared Memory',
  request() {
    requestShmemSpace(tableSize);
    requestShmemSpace(regionSize());
  },
  init() {
    const table = shmemInitStruct('DSM Control', tableSize);
    headerAt = table.at;
    regionAt = shmemInitStruct('DSM Region', regionSize()).at;
    if (!table.found) Header.regionSize.set(mem, headerAt, regionSize());
  },
};

/** Segments this process is attached to, with how often. */
const attached = new Map<DsmHandle, { slot: number; detachCallbacks: (() => void)[] }>();
let exitArmed = false;

function locked<T>(work: () => T): T {
  const lock = mainLWLock('DynamicSharedMemoryControl');
  lwLockAcquire(lock, 'exclusive');
  try {
    return work();
  } finally {
    lwLockRelease(lock);
  }
}

function rememberAttached(handle: DsmHandle, slot: number): void {
  attached.set(handle, { slot, detachCallbacks: [] });
  if (exitArmed) return;
  exitArmed = true;
  onShmemExit(() => {
    for (const held of [...attached.keys()]) dsmDetach(held);
    exitArmed = false;
  });
}

/** First gap of `size` bytes between live areas, -1 if there is none. */
function findGap(size: number): number {
  const live: { offset: number; end: number }[] = [];
  for (let slot = 0; slot < MAX_AREAS; slot++) {
    const at = areaAt(slot);
    if (Area.references.get(mem, at) === 0) continue;
    const offset = Area.offset.get(mem, at);
    live.push({ offset, end: offset + align(Area.size.get(mem, at)) });
  }
  live.sort((a, b) => a.offset - b.offset);
  let from = 0;
  for (const area of live) {
    if (area.offset - from >= size) return from;
    from = area.end;
  }
  return Header.regionSize.get(mem, headerAt) - from >= size ? from : -1;
}

/** A zeroed area of `size` bytes; this process is attached to it. */
export function dsmCreate(size: number): DsmSegment {
  const made = locked(() => {
    let slot = 0;
    while (slot < MAX_AREAS && Area.references.get(mem, areaAt(slot)) !== 0) slot++;
    if (slot === MAX_AREAS) return 'slots' as const;
    const offset = findGap(align(size));
    if (offset < 0) return 'space' as const;
    const at = areaAt(slot);
    Area.references.set(mem, at, 1);
    Area.pinned.set(mem, at, 0);
    Area.generation.set(mem, at, (Area.generation.get(mem, at) + 1) % 0x7fffff);
    Area.offset.set(mem, at, offset);
    Area.size.set(mem, at, size);
    return { handle: handleOf(slot), at: regionAt + offset, size, slot };
  });
  if (made === 'slots')
    report('ERROR', { code: SQLSTATE.insufficientResources, message: 'too many dynamic shared memory segments' });
  if (made === 'space')
    report('ERROR', {
      code: SQLSTATE.outOfMemory,
      message: `could not allocate ${size} bytes of dynamic shared memory`,
      hint: 'Consider increasing the configuration parameter "min_dynamic_shared_memory".',
    });
  mem.u8.fill(0, made.at, made.at + size);
  rememberAttached(made.handle, made.slot);
  return { handle: made.handle, at: made.at, size };
}

/** undefined if the segment is gone. */
export function dsmAttach(handle: DsmHandle): DsmSegment | undefined {
  if (attached.has(handle)) report('ERROR', { message: "can't attach the same segment more than once" });
  const found = locked(() => {
    const slot = (handle - 1) % 256;
    if (slot < 0 || slot >= MAX_AREAS || handleOf(slot) !== handle) return undefined;
    const at = areaAt(slot);
    if (Area.references.get(mem, at) === 0) return undefined;
    Area.references.set(mem, at, Area.references.get(mem, at) + 1);
    return { slot, at: regionAt + Area.offset.get(mem, at), size: Area.size.get(mem, at) };
  });
  if (found === undefined) return undefined;
  rememberAttached(handle, found.slot);
  return { handle, at: found.at, size: found.size };
}

/** Runs before this process lets go of the segment, latest first. */
export function onDsmDetach(handle: DsmHandle, callback: () => void): void {
  attached.get(handle)?.detachCallbacks.push(callback);
}

export function dsmDetach(handle: DsmHandle): void {
  const mine = attached.get(handle);
  if (mine === undefined) return;
  for (const callback of mine.detachCallbacks.splice(0).reverse()) callback();
  attached.delete(handle);
  release(mine.slot);
}
function release(slot: number): void {
  locked(() => {
    const at = areaAt(slot);
    Area.references.set(mem, at, Area.references.get(mem, at) - 1);
  });
}

/** Keeps the segment until server shutdown or dsmUnpin, attached or not. */
export function dsmPin(handle: DsmHandle): void {
  locked(() => {
    const at = areaAt((handle - 1) % 256);
    if (Area.pinned.get(mem, at) !== 0) return;
    Area.pinned.set(mem, at, 1);
    Area.references.set(mem, at, Area.references.get(mem, at) + 1);
  });
}
export function dsmUnpin(handle: DsmHandle): void {
  const slot = (handle - 1) % 256;
  const pinned = locked(() => {
    const was = Area.pinned.get(mem, areaAt(slot));
    Area.pinned.set(mem, areaAt(slot), 0);
    return was !== 0;
  });
  if (pinned) release(slot);
}
