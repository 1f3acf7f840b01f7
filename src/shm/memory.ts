/** memory.ts — the one segment of this process: where it is and how to sleep on its words.
 *
 *  `mem` is set once, by whoever creates or attaches the segment, and every accessor of every layout goes through it.
 *  A crash cycle keeps the mapping's address and puts a fresh file behind it, so `mem` outlives the segment's contents. */
import { Memory } from '#base/struct.ts';
import { native, type Fd, type SegmentId } from '#platform/native.ts';

export let mem: Memory = new Memory(new SharedArrayBuffer(0));
export let segmentId: SegmentId = -1;
export let segmentFd: Fd = -1;

/** Maps the descriptor of a segment and makes it this process's `mem`. */
export function mapSegment(fd: Fd, size: number): void {
  const { segment, buffer } = native.mapShared(fd, size);
  if (segment < 0) throw new Error(`could not map shared memory: ${native.errorMessage(-segment)}`);
  segmentId = segment;
  segmentFd = fd;
  mem = new Memory(buffer);
}

/** Uses a segment that another thread of this process mapped (worker_threads). */
export function attachSegmentOfThread(segment: SegmentId): void {
  segmentId = segment;
  mem = new Memory(native.segmentBuffer(segment));
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
