import { describe, expect, it } from 'vitest';
import type { Oid } from '#base/ids.ts';
import { buildBootstrapIndex, type IndexEntry } from '#catalog/bootstrap/btree.ts';
import type { BootstrapColumn } from '#catalog/bootstrap/facts.ts';
import type { BootstrapPage } from '#catalog/bootstrap/page.ts';

const column: BootstrapColumn = {
  name: 'oid',
  typeId: 26 as Oid,
  length: 4,
  byValue: true,
  align: 'i',
  storage: 'p',
};
const entry = (key: number, row: number): IndexEntry => {
  const image = new Uint8Array(4);
  new DataView(image.buffer).setUint32(0, key, true);
  return { keys: [key], images: [image], block: Math.trunc(row / 100), offset: (row % 100) + 1 };
};
const special = (page: BootstrapPage): { previous: number; next: number; level: number; flags: number } => ({
  previous: page.view.getUint32(8176, true),
  next: page.view.getUint32(8180, true),
  level: page.view.getUint32(8184, true),
  flags: page.view.getUint16(8188, true),
});

describe('an index built by initdb', () => {
  it('is a meta page alone when there is nothing to index', () => {
    const [meta, ...rest] = buildBootstrapIndex({ columns: [column], unique: true, allEqualImage: true }, []);
    expect(rest).toEqual([]);
    expect(meta!.view.getUint32(24, true)).toBe(0x053162);
    expect([meta!.lower, special(meta!).flags, meta!.view.getFloat64(56, true)]).toEqual([72, 8, -1]);
  });
  it('links its leaves in key order under one root', () => {
    const entries = Array.from({ length: 2000 }, (_, i) => entry((i * 7919) % 2000, i));
    const pages = buildBootstrapIndex({ columns: [column], unique: true, allEqualImage: true }, entries);
    // 366 tuples of 16 bytes and 4 of line pointer fit into nine tenths of a leaf page, besides its high key.
    const leaves = pages.filter((page) => special(page).flags === 1);
    expect(leaves.length).toBe(6);
    const root = pages[pages[0]!.view.getUint32(32, true)]!;
    expect(special(root)).toEqual({ previous: 0, next: 0, level: 1, flags: 2 });
    expect(root.items).toBe(6);
    let block = 1;
    let previous = 0;
    let expected = 0;
    for (; block !== 0; previous = block, block = special(pages[block]!).next) {
      const page = pages[block]!;
      expect(special(page).previous).toBe(previous);
      for (let offset = special(page).next === 0 ? 1 : 2; offset <= page.items; offset++) {
        const item = page.item(offset);
        expect(new DataView(item.buffer, item.byteOffset).getUint32(8, true)).toBe(expected++);
      }
    }
    expect(expected).toBe(2000);
  });
  it('merges equal keys into posting lists unless it is unique', () => {
    const entries = Array.from({ length: 200 }, (_, i) => entry(5, i));
    const pages = buildBootstrapIndex({ columns: [column], unique: false, allEqualImage: true }, entries);
    const leaf = pages[1]!;
    const counts = Array.from({ length: leaf.items }, (_, i) => {
      const item = leaf.item(i + 1);
      return new DataView(item.buffer, item.byteOffset).getUint16(4, true) & 0x0fff;
    });
    expect(counts).toEqual([132, 68]);
  });
});
