import { beforeEach, expect, test } from 'vitest';
import { isPrivate, mapLocalMemory, mem, privateEnd, privateStart } from '#shm/memory.ts';
import {
  privateAlloc,
  privateAllocZeroed,
  privateBlockSize,
  privateBytesInUse,
  privateFree,
  privateRealloc,
  privateReserve,
  Workspace,
} from '#shm/private-memory.ts';

beforeEach(() => mapLocalMemory(16 << 20));

test('blocks of every size are aligned, private, and do not overlap', () => {
  const blocks: { at: number; size: number }[] = [];
  for (let size = 0; size < 70_000; size += size < 300 ? 7 : 1999) blocks.push({ at: privateAlloc(size), size });
  for (const { at, size } of blocks) {
    expect(at % 8).toBe(0);
    expect(isPrivate(at) && at + size <= privateEnd).toBe(true);
    expect(privateBlockSize(at)).toBeGreaterThanOrEqual(size);
  }
  const sorted = [...blocks].sort((a, b) => a.at - b.at);
  for (let i = 1; i < sorted.length; i++)
    expect(sorted[i]!.at).toBeGreaterThanOrEqual(sorted[i - 1]!.at + sorted[i - 1]!.size);
});

test('random allocation and freeing keeps every block intact and gives everything back', () => {
  let seed = 1;
  const random = (n: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % n;
  };
  const live = new Map<number, { size: number; mark: number }>();
  for (let i = 0; i < 20_000; i++) {
    if (live.size > 60 || (live.size > 0 && random(2) === 0)) {
      const [at, { size, mark }] = [...live][random(live.size)]!;
      expect(mem.u8[at]).toBe(mark);
      expect(mem.u8[at + size - 1]).toBe(mark);
      privateFree(at);
      live.delete(at);
    } else {
      const size = 1 + (random(10) === 0 ? random(90_000) : random(3000));
      const at = privateAlloc(size);
      const mark = random(256);
      mem.u8.fill(mark, at, at + size);
      live.set(at, { size, mark });
    }
  }
  for (const at of live.keys()) privateFree(at);
  expect(privateBytesInUse()).toBeLessThan(8 << 20);
});

test('large blocks are joined again, read zero when new, and the window has an end', () => {
  const size = 2 << 20;
  const blocks = [0, 1, 2].map(() => privateAlloc(size));
  mem.u8[blocks[1]! + 5] = 9;
  for (const at of blocks) privateFree(at);
  expect(privateBytesInUse()).toBe(0);
  const again = privateAlloc(3 * size);
  expect(again).toBe(blocks[0]);
  expect(mem.u8[blocks[1]! + 5]).toBe(0);
  expect(() => privateAlloc(privateEnd - privateStart)).toThrow('out of memory');
});

test('zeroed, reserved and resized blocks', () => {
  const dirty = privateAlloc(100);
  mem.u8.fill(7, dirty, dirty + 100);
  privateFree(dirty);
  const clean = privateAllocZeroed(100);
  expect(clean).toBe(dirty);
  expect(mem.u8.subarray(clean, clean + 100).every((byte) => byte === 0)).toBe(true);
  expect(privateReserve(5000) % 4096).toBe(0);
  mem.u8[clean + 99] = 3;
  const larger = privateRealloc(clean, 50_000);
  expect(mem.u8[larger + 99]).toBe(3);
  expect(() => privateFree(clean)).toThrow();
});

test('a workspace forgets all at once and reuses its first chunk', () => {
  const space = new Workspace();
  const first = space.alloc(10);
  expect(space.alloc(1)).toBe(first + 16);
  const huge = space.alloc(100_000);
  expect(space.alloc(8)).toBe(first + 24);
  mem.u8.fill(1, huge, huge + 100_000);
  for (let i = 0; i < 3000; i++) mem.u8[space.alloc(100)] = 1;
  space.reset();
  expect(space.alloc(10)).toBe(first);
  space.free();
  expect(privateAlloc(8000)).toBeGreaterThan(0);
});
