import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { beforeEach, expect, it } from 'vitest';
import { heapAttrAddress, heapGetAttr } from '#access/common/heap-tuple.ts';
import { attribute, TupleDesc } from '#access/common/relation-descriptor.ts';
import { toastCompressDatum } from '#access/common/toast-compress.ts';
import { compressionMethod, setVarSize, varIsCompressed, varSize } from '#access/common/varlena.ts';
import { lz4Compress, lz4CompressBound, lz4Decompress } from '#base/lz4.ts';
import type { Oid } from '#base/ids.ts';
import { mapLocalMemory, mem } from '#shm/memory.ts';
import { privateAlloc, privateReserve } from '#shm/private-memory.ts';
import { itemAt } from '#storage/page/page.ts';

beforeEach(() => mapLocalMemory(16 << 20));
const desc = new TupleDesc([
  attribute({ typeId: 23 as Oid, length: 4, byValue: true, align: 'i' }, 1),
  attribute({ typeId: 25 as Oid, length: -1, byValue: false, align: 'i', storage: 'm' }, 2),
]);
/** md5() of the four values, as PostgreSQL said. */
const SUMS = [
  '15e3228451529d122a2341494c454026',
  '9297aae62b2cf6102d35f9f6f397b568',
  '491d7f193b97e29b140b959b60d8ad9a',
  '9a8513aeea0a6de028a0cb3829b0f14d',
];

it('values that PostgreSQL compressed with LZ4 are read, and compressed to the same bytes', () => {
  const page = privateReserve(8192);
  mem.u8.set(readFileSync(new URL('./pages/lz4.page', import.meta.url)), page);
  SUMS.forEach((sum, i) => {
    const tuple = itemAt(page, i + 1);
    const stored = heapAttrAddress(desc, tuple, 2);
    expect(varIsCompressed(stored)).toBe(true);
    expect(compressionMethod(stored)).toBe(1);
    const text = heapGetAttr(desc, tuple, 2) as string;
    expect(createHash('md5').update(text).digest('hex')).toBe(sum);
    const plain = privateAlloc(text.length + 4);
    mem.u8.set(Buffer.from(text), plain + 4);
    setVarSize(plain, text.length + 4);
    const made = toastCompressDatum(plain, 'l');
    expect(varSize(made), `row ${i + 1}`).toBe(varSize(stored));
    expect(mem.u8.slice(made, made + varSize(made))).toEqual(mem.u8.slice(stored, stored + varSize(stored)));
  });
});

it('LZ4 gives back what it was given', () => {
  let state = 7;
  for (const length of [0, 1, 12, 13, 14, 100, 5000, 70_000, 200_000]) {
    const input = Uint8Array.from({ length }, (_, i) => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return (state >>> 16) % 5 === 0 ? (state >>> 20) & 0xff : i & 7;
    });
    const packed = new Uint8Array(lz4CompressBound(length));
    const size = lz4Compress(input, 0, length, packed, 0);
    const out = new Uint8Array(length);
    expect(lz4Decompress(packed, 0, size, out, 0, length)).toBe(length);
    expect(Buffer.compare(out, input)).toBe(0);
  }
});
