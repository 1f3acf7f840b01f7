/** local-pins.ts — pin counts of local buffers; local-buffers.ts has the rest. Apart, because pin.ts counts both kinds. */
import { assert } from '#base/assert.ts';

let counts = new Int32Array(0);

export function initLocalPins(buffers: number): void {
  counts = new Int32Array(buffers);
}
export const localRefCount = (id: number): number => counts[id] ?? 0;
export function incrLocalRefCount(id: number): void {
  counts[id] = counts[id]! + 1;
}
/** The owner has forgotten it already. */
export function unpinLocalBuffer(id: number): void {
  const left = counts[id]! - 1;
  assert(left >= 0, 'local buffer is pinned');
  counts[id] = left;
}
