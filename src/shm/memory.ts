/** memory.ts — the one segment of this process: where it is and how to sleep on its words.
 *
 *  `mem` covers two parts in one buffer, so that every page and every tuple is a number, an offset into it:
 *  [0, sharedBytes) is the segment that all processes share, [privateStart, privateEnd) the **private window**, memory of
 *  this process alone (handed out by private-memory.ts). A forked child starts with a copy of its parent's window
 *  (copy-on-write), a spawned one with an empty one. No page of the window exists before it is touched.
 *
 *  `mem` is set once, by whoever creates or attaches the segment, and every accessor of every layout goes through it.
 *  A crash cycle keeps the mapping's address and puts a fresh file behind the shared part, so `mem` outlives the
 *  segment's contents; the private window is left as it is. */
import { Memory } from '#base/struct.ts';
import { native, type Fd, type SegmentId } from '#platform/native.ts';

/** Address space of the private window, less if the shared part is so large that 4 GiB would be passed. */
export const PRIVATE_WINDOW_BYTES = 1 << 30;
const SMALLEST_WINDOW = 1 << 26;
const LIMIT = 0x1_0000_0000 - 0x1_0000;
const PAGE = 4096;

export let mem: Memory = new Memory(new SharedArrayBuffer(0));
export let segmentId: SegmentId = -1;
export let segmentFd: Fd = -1;
export let sharedBytes = 0;
export let privateStart = 0;
export let privateEnd = 0;

const mappingCallbacks: (() => void)[] = [];
/** Calls back whenever this process got a new, empty private window. */
export function onNewPrivateWindow(callback: () => void): void {
  mappingCallbacks.push(callback);
}

/** Does the address lie in the private window? */
export const isPrivate = (at: number): boolean => at >= privateStart;

function useBuffer(segment: SegmentId, buffer: SharedArrayBuffer, shared: number, start: number): void {
  segmentId = segment;
  mem = new Memory(buffer);
  sharedBytes = shared;
  privateStart = start;
  privateEnd = buffer.byteLength;
  for (const callback of mappingCallbacks) callback();
}

/** Room for the private window beside a shared part of `size` bytes. */
function windowBeside(size: number): number {
  const room = LIMIT - Math.ceil(size / 0x20_0000) * 0x20_0000;
  if (room < SMALLEST_WINDOW) throw new Error(`could not map shared memory: ${size} bytes are too many`);
  return Math.min(PRIVATE_WINDOW_BYTES, room);
}

/** Maps the descriptor of a segment and makes it this process's `mem`. */
export function mapSegment(fd: Fd, size: number): void {
  const { segment, buffer, privateStart: start } = native.mapShared(fd, size, windowBeside(size));
  if (segment < 0) throw new Error(`could not map shared memory: ${native.errorMessage(-segment)}`);
  segmentFd = fd;
  useBuffer(segment, buffer, size, start);
}

/** A `mem` of one process: for programs without a server and for tests. Half of it plays the shared part. */
export function mapLocalMemory(bytes: number = 64 << 20, shared: number = Math.ceil(bytes / 2 / PAGE) * PAGE): void {
  const fd = native.createSegment('local', shared);
  if (fd < 0) throw new Error(`could not create memory: ${native.errorMessage(-fd)}`);
  const tail = Math.ceil((bytes - shared) / PAGE) * PAGE;
  const { segment, buffer, privateStart: start } = native.mapShared(fd, shared, tail);
  native.closeFd(fd);
  if (segment < 0) throw new Error(`could not map memory: ${native.errorMessage(-segment)}`);
  segmentFd = -1;
  useBuffer(segment, buffer, shared, start);
}

/** Uses a segment that another thread of this process mapped (worker_threads). Its private window is the mapping
 *  thread's: this one must not allocate there. */
export function attachSegmentOfThread(segment: SegmentId): void {
  segmentId = segment;
  mem = new Memory(native.segmentBuffer(segment));
  privateStart = mem.buffer.byteLength;
  privateEnd = privateStart;
}

/** Puts a fresh, zeroed file of the same size behind the mapping. */
export function replaceSegment(fd: Fd): void {
  const result = native.remapShared(segmentId, fd);
  if (result < 0) throw new Error(`could not map shared memory: ${native.errorMessage(-result)}`);
  native.closeFd(segmentFd);
  segmentFd = fd;
}

/** Sleeps while the word at `at` holds `expected`; returns on a wake-up, a changed word, a signal or the timeout. */
export const futexWait = (at: number, expected: number, timeoutMs: number): number =>
  native.futexWait(segmentId, at, expected, timeoutMs);
export const futexWake = (at: number, count: number): number => native.futexWake(segmentId, at, count);
