/** private-memory.ts — who may use which bytes of the private window.
 *
 *  Two levels. The window is dealt out in **extents**, runs of whole pages, first fit by address with neighbours joined
 *  again on return. Blocks up to 32 kB come from free lists by size class, filled from extents of 16 to 256 kB that stay
 *  with their list; larger blocks are extents of their own, whose pages go back to the system when freed. Eight bytes before
 *  each block hold its class or its length. A `Workspace` is the way to make many short-lived things: allocation is an
 *  addition, the end is one call for all.
 *
 *  Contents are unspecified (only `privateAllocZeroed` clears). Everything is 8-aligned; `privateReserve` gives whole
 *  pages. A forked child inherits these tables together with the memory that they describe.
 *  Counterpart: src/backend/utils/mmgr/aset.c, generation.c */
import { assert } from '#base/assert.ts';
import { native } from '#platform/native.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { report } from '#runtime/error/report.ts';
import { mem, onNewPrivateWindow, privateEnd, privateStart, segmentId } from '#shm/memory.ts';

const PAGE = 4096;
const HEADER = 8;
/** Four steps per doubling from 16 bytes: at most a fifth of a block is wasted. Sizes include the header. */
const CLASS_SIZES: number[] = [];
for (let size = 16; size <= 32768; size += Math.max(8, 2 ** (Math.floor(Math.log2(size)) - 2))) CLASS_SIZES.push(size);
const LARGEST_SMALL = CLASS_SIZES[CLASS_SIZES.length - 1]!;
/** Class of each multiple of 8 up to 1 kB; larger sizes are searched. */
const CLASS_OF_8 = new Uint8Array(1024 / 8 + 1);
for (let i = 0; i <= 1024 / 8; i++) CLASS_OF_8[i] = CLASS_SIZES.findIndex((size) => size >= i * 8);
/** Marks the header of a block that is an extent: its word is LARGE + number of pages. */
const LARGE = 0x8000_0000;

/** First free block of each class, linked through their first words; 0 at the end (no block lies at address 0). */
const freeBlocks = new Uint32Array(CLASS_SIZES.length);
/** What is left of the region that a class cuts new blocks from. */
const regionNext = new Float64Array(CLASS_SIZES.length);
const regionEnd = new Float64Array(CLASS_SIZES.length);
/** Free extents below `top`, ascending, no two adjacent. */
let freeStarts: number[] = [];
let freeLengths: number[] = [];
let top = 0;

function forget(): void {
  freeBlocks.fill(0);
  regionNext.fill(0);
  regionEnd.fill(0);
  freeStarts = [];
  freeLengths = [];
  top = privateStart;
}
forget();
onNewPrivateWindow(forget);

const roundToPages = (bytes: number): number => Math.ceil(bytes / PAGE) * PAGE;

function allocExtent(length: number): number {
  for (let i = 0; i < freeStarts.length; i++) {
    const have = freeLengths[i]!;
    if (have < length) continue;
    const at = freeStarts[i]!;
    if (have === length) {
      freeStarts.splice(i, 1);
      freeLengths.splice(i, 1);
    } else {
      freeStarts[i] = at + length;
      freeLengths[i] = have - length;
    }
    return at;
  }
  if (top + length > privateEnd)
    report('ERROR', {
      code: SQLSTATE.outOfMemory,
      message: 'out of memory',
      detail: `Failed on request of size ${length} in the private memory of this process.`,
    });
  const at = top;
  top += length;
  return at;
}

/** Back to the system and into the list. */
function freeExtent(at: number, length: number): void {
  const result = native.mapPrivate(segmentId, at, length);
  assert(result === 0, 'an extent lies in the private window');
  let i = freeStarts.length;
  while (i > 0 && freeStarts[i - 1]! > at) i--;
  let start = at;
  let size = length;
  if (i > 0 && freeStarts[i - 1]! + freeLengths[i - 1]! === at) {
    i--;
    start = freeStarts[i]!;
    size += freeLengths[i]!;
    freeStarts.splice(i, 1);
    freeLengths.splice(i, 1);
  }
  if (i < freeStarts.length && freeStarts[i] === at + length) {
    size += freeLengths[i]!;
    freeStarts.splice(i, 1);
    freeLengths.splice(i, 1);
  }
  if (start + size === top) {
    top = start;
    return;
  }
  freeStarts.splice(i, 0, start);
  freeLengths.splice(i, 0, size);
}

function classOf(size: number): number {
  if (size <= 1024) return CLASS_OF_8[(size + 7) >>> 3]!;
  let low = CLASS_OF_8[128]!;
  let high = CLASS_SIZES.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (CLASS_SIZES[middle]! >= size) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** A class takes room for 32 blocks at a time, within reason. */
const regionSize = (size: number): number => Math.min(256 * 1024, Math.max(16 * 1024, roundToPages(32 * size)));

/** Cuts a block of a class from its region, beginning a new one where the old is used up. */
function cutBlock(index: number): number {
  const size = CLASS_SIZES[index]!;
  let next = regionNext[index]!;
  if (next + size > regionEnd[index]!) {
    const length = regionSize(size);
    next = allocExtent(length);
    regionEnd[index] = next + length;
  }
  regionNext[index] = next + size;
  return next + HEADER;
}

/** Memory of this process: 8-aligned, contents unspecified. */
export function privateAlloc(bytes: number): number {
  const size = bytes + HEADER;
  if (size > LARGEST_SMALL) {
    const length = roundToPages(size);
    const start = allocExtent(length);
    mem.i32[start >>> 2] = LARGE + length / PAGE;
    return start + HEADER;
  }
  const index = classOf(size);
  let at = freeBlocks[index]!;
  if (at !== 0) freeBlocks[index] = mem.view.getUint32(at, true);
  else at = cutBlock(index);
  mem.i32[(at - HEADER) >>> 2] = index;
  return at;
}

export function privateAllocZeroed(bytes: number): number {
  const at = privateAlloc(bytes);
  mem.u8.fill(0, at, at + bytes);
  return at;
}

/** Bytes that a block has room for, at least what was asked for. */
export function privateBlockSize(at: number): number {
  const word = mem.view.getUint32(at - HEADER, true);
  return (word >= LARGE ? (word - LARGE) * PAGE : CLASS_SIZES[word]!) - HEADER;
}

export function privateFree(at: number): void {
  const word = mem.view.getUint32(at - HEADER, true);
  if (word >= LARGE) {
    freeExtent(at - HEADER, (word - LARGE) * PAGE);
    return;
  }
  assert(word < CLASS_SIZES.length, 'a block is freed once');
  mem.i32[(at - HEADER) >>> 2] = 0x7fff_ffff;
  mem.view.setUint32(at, freeBlocks[word]!, true);
  freeBlocks[word] = at;
}

/** The block with room for `bytes`: the same one, or a larger one with its contents. */
export function privateRealloc(at: number, bytes: number): number {
  const have = privateBlockSize(at);
  if (bytes <= have) return at;
  const next = privateAlloc(bytes);
  mem.u8.copyWithin(next, at, at + have);
  privateFree(at);
  return next;
}

/** Whole zeroed pages that are never given back: buffer pools, scratch pages. */
export function privateReserve(bytes: number): number {
  return allocExtent(roundToPages(bytes));
}

/** Bytes of the window in use, counting what free lists hold. */
export const privateBytesInUse = (): number =>
  top - privateStart - freeLengths.reduce((sum, length) => sum + length, 0);

const FIRST_CHUNK = 8192;
const LARGEST_CHUNK = 1 << 20;

/** An arena: allocation moves a pointer, reset() forgets everything at once and keeps the first chunk. */
export class Workspace {
  private readonly chunks: number[] = [];
  private next = 0;
  private end = 0;
  private chunkSize = FIRST_CHUNK;

  /** 8-aligned, contents unspecified, valid until reset() or free(). */
  alloc(bytes: number): number {
    const at = this.next;
    const next = at + ((bytes + 7) & ~7);
    if (next > this.end) return this.allocInNewChunk(bytes);
    this.next = next;
    return at;
  }

  private allocInNewChunk(bytes: number): number {
    const size = (bytes + 7) & ~7;
    const wanted = Math.max(this.chunkSize - HEADER, size);
    const at = privateAlloc(wanted);
    if (this.chunkSize < LARGEST_CHUNK) this.chunkSize *= 2;
    // A single huge piece must not end the chunk that still has room.
    if (size >= wanted && this.chunks.length > 0) {
      this.chunks.push(at);
      return at;
    }
    this.chunks.push(at);
    this.next = at + size;
    this.end = at + wanted;
    return at;
  }

  reset(): void {
    const chunks = this.chunks;
    if (chunks.length === 0) return;
    while (chunks.length > 1) privateFree(chunks.pop()!);
    const first = chunks[0]!;
    const room = privateBlockSize(first);
    if (room > LARGEST_CHUNK) {
      this.free();
      return;
    }
    this.next = first;
    this.end = first + room;
    this.chunkSize = FIRST_CHUNK;
  }

  free(): void {
    for (const chunk of this.chunks) privateFree(chunk);
    this.chunks.length = 0;
    this.next = 0;
    this.end = 0;
    this.chunkSize = FIRST_CHUNK;
  }
}
