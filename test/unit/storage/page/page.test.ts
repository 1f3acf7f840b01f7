import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { beforeEach, expect, test } from 'vitest';
import { BLCKSZ } from '#base/ids.ts';
import { reportHooks } from '#runtime/error/report.ts';
import { mapLocalMemory, mem } from '#shm/memory.ts';
import { privateReserve } from '#shm/private-memory.ts';
import {
  pageChecksum,
  pageIsVerified,
  pageSetChecksum,
  pageSetChecksumCopy,
  PIV,
  setPageChecksumHooks,
} from '#storage/page/page-checksum.ts';
import {
  pageIndexMultiDelete,
  pageIndexTupleDelete,
  pageIndexTupleDeleteNoCompact,
  pageIndexTupleOverwrite,
  pageRepairFragmentation,
  pageTruncateLinePointers,
} from '#storage/page/page-compact.ts';
import { LP, PD } from '#storage/page/page-layout.ts';
import {
  itemAt,
  itemFlags,
  itemIdSetDead,
  itemIdSetUnused,
  itemIdWord,
  itemLength,
  lpLength,
  lpOffset,
  pageAddItem,
  pageExactFreeSpace,
  pageFreeSpace,
  pageGetLsn,
  pageHasFreeLines,
  pageHeapFreeSpace,
  pageInit,
  pageIsEmpty,
  pageIsNew,
  pageLower,
  pageMaxOffset,
  pageSetLsn,
  pageSpecial,
  pageSpecialSize,
  pageUpper,
} from '#storage/page/page.ts';

/** Pages as PostgreSQL 15.18 wrote them, with checksums. */
const golden = (name: string): Uint8Array =>
  gunzipSync(readFileSync(new URL(`../../../golden/storage/${name}.bin.gz`, import.meta.url)));

let page = 0;
let other = 0;
let item = 0;
let checksums = true;
setPageChecksumHooks({ enabled: () => checksums });
beforeEach(() => {
  mapLocalMemory(8 << 20);
  page = privateReserve(BLCKSZ);
  other = privateReserve(BLCKSZ);
  item = privateReserve(BLCKSZ);
  checksums = true;
});
const put = (bytes: Uint8Array, at: number, block = 0): void =>
  mem.u8.set(bytes.subarray(block * BLCKSZ, (block + 1) * BLCKSZ), at);
const add = (size: number, byte: number, offset = 0, overwrite = false): number => {
  mem.u8.fill(byte, item, item + size);
  return pageAddItem(page, item, size, offset, overwrite, true);
};
const contents = (): string =>
  Array.from({ length: pageMaxOffset(page) }, (_, i) => {
    const length = itemLength(page, i + 1);
    return length === 0 ? ['-', '', '>', 'x'][itemFlags(page, i + 1)] : `${mem.u8[itemAt(page, i + 1)]}*${length}`;
  }).join(' ');
/** What compaction decides: line pointers and tuples, without LSN, checksum, flags and the hole. */
const layout = (at: number): string =>
  createHash('md5')
    .update(mem.u8.slice(at + 12, at + 20))
    .update(mem.u8.slice(at + 24, at + pageLower(at)))
    .update(mem.u8.slice(at + pageUpper(at), at + pageSpecial(at)))
    .digest('hex');

test('checksums of real pages, and a changed byte, block or all', () => {
  const [heap, index] = [golden('heap-before-vacuum'), golden('btree-after-vacuum')];
  for (const [bytes, inFile, block] of [
    [heap, 0, 0],
    [heap, 1, 1],
    [index, 0, 1],
  ] as const) {
    put(bytes, page, inFile);
    expect(pageChecksum(page, block)).toBe(mem.view.getUint16(page + 8, true));
    expect(pageIsVerified(page, block, 0)).toBe(true);
    expect(pageIsVerified(page, block + 1, 0)).toBe(false);
  }
  const emit = reportHooks.emit;
  let failures = 0;
  let warning = '';
  reportHooks.emit = (level, fields) => {
    warning = `${level} ${fields.message}`;
  };
  setPageChecksumHooks({ reportFailure: () => failures++ });
  const stored = mem.view.getUint16(page + 8, true);
  mem.u8[page + 4000] = mem.u8[page + 4000]! ^ 1;
  expect(pageIsVerified(page, 1, PIV.logWarning | PIV.reportStat)).toBe(false);
  reportHooks.emit = emit;
  expect(warning).toBe(
    `WARNING page verification failed, calculated checksum ${pageChecksum(page, 1)} but expected ${stored}`,
  );
  expect(failures).toBe(1);
  checksums = false;
  expect(pageIsVerified(page, 1, 0)).toBe(true);
  mem.u8[page + 16] = 0xf1;
  expect(pageIsVerified(page, 1, 0)).toBe(false);
});

test('a page is written with its checksum, a shared one from a copy; new pages have none', () => {
  pageInit(page, 16);
  const copy = pageSetChecksumCopy(page, 7);
  expect(copy).not.toBe(page);
  expect(mem.view.getUint16(page + 8, true)).toBe(0);
  expect(pageIsVerified(copy, 7, 0)).toBe(true);
  pageSetChecksum(page, 7);
  expect(Buffer.compare(mem.u8.slice(page, page + BLCKSZ), mem.u8.slice(copy, copy + BLCKSZ))).toBe(0);
  mem.u8.fill(0, page, page + BLCKSZ);
  expect(pageSetChecksumCopy(page, 7)).toBe(page);
  expect(pageIsVerified(page, 7, 0)).toBe(true);
});

test('a new page', () => {
  expect(pageIsNew(page)).toBe(true);
  pageInit(page, 13);
  expect([pageLower(page), pageUpper(page), pageSpecial(page), pageSpecialSize(page)]).toEqual([24, 8176, 8176, 16]);
  expect(mem.view.getUint16(page + 18, true)).toBe(0x2004);
  expect([pageIsNew(page), pageIsEmpty(page), pageMaxOffset(page)]).toEqual([false, true, 0]);
  expect([pageFreeSpace(page), pageExactFreeSpace(page)]).toEqual([8148, 8152]);
  pageSetLsn(page, (5 * 2 ** 32 + 0x89abcdef) as never);
  expect([mem.view.getUint32(page, true), mem.view.getUint32(page + 4, true)]).toEqual([5, 0x89abcdef]);
  expect(pageGetLsn(page)).toBe(5 * 2 ** 32 + 0x89abcdef);
});

test('items are added at the end, inserted, and fill the page to the last byte', () => {
  pageInit(page, 0);
  expect([add(10, 1), add(3, 2), add(16, 3)]).toEqual([1, 2, 3]);
  expect(add(5, 9, 2)).toBe(2);
  expect(contents()).toBe('1*10 9*5 2*3 3*16');
  expect(pageUpper(page)).toBe(8192 - 16 - 8 - 16 - 8);
  expect(add(pageFreeSpace(page) + 1, 4)).toBe(0);
  expect(add(pageFreeSpace(page) & ~7, 4)).toBe(5);
  expect(pageFreeSpace(page)).toBeLessThan(12);
});

test('unused line pointers are used again, wanted ones only if unused', () => {
  pageInit(page, 0);
  for (let i = 1; i <= 4; i++) add(8, i);
  itemIdSetUnused(page, 2);
  expect(add(8, 5)).toBe(5);
  mem.u8[page + 10] = PD.hasFreeLines;
  expect(add(8, 6)).toBe(2);
  expect(add(8, 7)).toBe(6);
  expect(pageHasFreeLines(page)).toBe(false);
  const { emit } = reportHooks;
  reportHooks.emit = () => {};
  expect(add(8, 8, 3, true)).toBe(0);
  expect(add(8, 8, 9)).toBe(0);
  reportHooks.emit = emit;
  itemIdSetUnused(page, 3);
  expect(add(8, 8, 3, true)).toBe(3);
  expect(contents()).toBe('1*8 6*8 8*8 4*8 5*8 7*8');
});

test('a heap page has at most 291 line pointers', () => {
  pageInit(page, 0);
  for (let i = 0; i < 291; i++) add(1, 1);
  const { emit } = reportHooks;
  reportHooks.emit = () => {};
  expect(add(1, 1)).toBe(0);
  reportHooks.emit = emit;
  expect(pageHeapFreeSpace(page)).toBe(0);
  itemIdSetUnused(page, 200);
  mem.u8[page + 10] = PD.hasFreeLines;
  expect(pageHeapFreeSpace(page)).toBe(pageFreeSpace(page));
});

test('repairing fragmentation: order of line pointers, whatever the order of tuples', () => {
  pageInit(page, 0);
  for (let i = 1; i <= 6; i++) add(8 * i, i);
  itemIdSetDead(page, 2);
  itemIdSetUnused(page, 5);
  pageRepairFragmentation(page);
  expect(contents()).toBe('1*8 x 3*24 4*32 - 6*48');
  expect(pageUpper(page)).toBe(8192 - 8 - 24 - 32 - 48);
  expect(pageHasFreeLines(page)).toBe(true);
  // Exchanged line pointers: no longer presorted.
  const [first, sixth] = [itemIdWord(page, 1), itemIdWord(page, 6)];
  mem.view.setUint32(page + 24, sixth, true);
  mem.view.setUint32(page + 44, first, true);
  itemIdSetDead(page, 3);
  pageRepairFragmentation(page);
  expect(contents()).toBe('6*48 x x 4*32 - 1*8');
  expect(itemAt(page, 1)).toBe(page + 8192 - 48);
  itemIdSetUnused(page, 5);
  itemIdSetUnused(page, 6);
  pageRepairFragmentation(page);
  expect(contents()).toBe('6*48 x x 4*32');
  expect(pageHasFreeLines(page)).toBe(false);
  mem.view.setUint16(page + 12, 9000, true);
  expect(() => pageRepairFragmentation(page)).toThrow('corrupted page pointers: lower = 9000, upper = 8112');
});

test('VACUUM of a real heap page ends in the same bytes', () => {
  const [before, after] = [golden('heap-before-vacuum'), golden('heap-after-vacuum')];
  for (const block of [0, 1]) {
    put(before, page, block);
    put(after, other, block);
    const dead: number[] = [];
    for (let i = 1; i <= pageMaxOffset(page); i++)
      if (i > pageMaxOffset(other) || itemFlags(other, i) === LP.unused) dead.push(i);
    expect(dead.length).toBeGreaterThan(20);
    for (const i of dead) itemIdSetDead(page, i);
    pageRepairFragmentation(page);
    for (const i of dead) itemIdSetUnused(page, i);
    pageTruncateLinePointers(page);
    expect(layout(page)).toBe(layout(other));
    expect(pageHasFreeLines(page)).toBe(pageHasFreeLines(other));
  }
});

test('deleting from a real btree page ends in the same bytes, at once or one by one', () => {
  const [before, after] = [golden('btree-before-vacuum'), golden('btree-after-vacuum')];
  put(after, other);
  const kept = new Set<number>();
  for (let i = 1; i <= pageMaxOffset(other); i++) kept.add(mem.view.getUint32(itemAt(other, i) + 8, true));
  put(before, page);
  const gone: number[] = [];
  for (let i = 1; i <= pageMaxOffset(page); i++)
    if (!kept.has(mem.view.getUint32(itemAt(page, i) + 8, true))) gone.push(i);
  expect(gone.length).toBe(pageMaxOffset(page) - pageMaxOffset(other));
  pageIndexMultiDelete(page, gone);
  expect(layout(page)).toBe(layout(other));
  put(before, page);
  for (const i of [...gone].reverse()) pageIndexTupleDelete(page, i);
  // The same tuples, though here they keep their physical order.
  expect([pageLower(page), pageUpper(page)]).toEqual([pageLower(other), pageUpper(other)]);
  const tuples = (at: number): string =>
    Array.from({ length: pageMaxOffset(at) }, (_, i) =>
      Buffer.from(mem.u8.slice(itemAt(at, i + 1), itemAt(at, i + 1) + itemLength(at, i + 1))).toString('hex'),
    ).join(' ');
  expect(tuples(page) === tuples(other)).toBe(true);
  expect(() => pageIndexTupleDelete(page, 1000)).toThrow('invalid index offnum: 1000');
});

test('index tuples are replaced by longer and shorter ones, or removed without renumbering', () => {
  pageInit(page, 16);
  for (let i = 1; i <= 4; i++) add(16, i);
  mem.u8.fill(7, item, item + 100);
  expect(pageIndexTupleOverwrite(page, 2, item, 40)).toBe(true);
  expect(contents()).toBe('1*16 7*40 3*16 4*16');
  expect(pageIndexTupleOverwrite(page, 2, item, 3)).toBe(true);
  expect(contents()).toBe('1*16 7*3 3*16 4*16');
  expect(pageUpper(page)).toBe(8176 - 16 - 8 - 16 - 16);
  expect(pageIndexTupleOverwrite(page, 1, item, 8160)).toBe(false);
  pageIndexTupleDeleteNoCompact(page, 3);
  expect(contents()).toBe('1*16 7*3 - 4*16');
  pageIndexTupleDeleteNoCompact(page, 4);
  expect(contents()).toBe('1*16 7*3 -');
  expect([lpOffset(itemIdWord(page, 1)), lpLength(itemIdWord(page, 1))]).toEqual([8160, 16]);
});
