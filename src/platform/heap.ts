/** heap.ts — V8's heap in figures. */
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8';

export interface HeapSpace {
  readonly name: string;
  readonly total: number;
  readonly used: number;
}
export const heapSpaces = (): HeapSpace[] =>
  getHeapSpaceStatistics().map((space) => ({
    name: space.space_name,
    total: space.physical_space_size,
    used: space.space_used_size,
  }));
export function heapTotals(): { readonly total: number; readonly used: number; readonly external: number } {
  const heap = getHeapStatistics();
  return { total: heap.total_physical_size, used: heap.used_heap_size, external: heap.external_memory };
}
