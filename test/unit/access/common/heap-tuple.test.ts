import { readFileSync } from 'node:fs';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  heapDeform,
  heapFormTuple,
  heapFormTupleStored,
  heapGetAttr,
  heapModifyTuple,
  heapStoredAddresses,
  heapTupleLength,
} from '#access/common/heap-tuple.ts';
import { type AttributeInit, attribute, TupleDesc } from '#access/common/relation-descriptor.ts';
import type { Datum } from '#adt/datum.ts';
import { typeInfo } from '#adt/fmgr.ts';
import '#adt/load.ts';
import type { Oid } from '#base/ids.ts';
import '#catalog/type-cache.ts';
import { setConfigOption } from '#runtime/guc/guc.ts';
import { mapLocalMemory, mem } from '#shm/memory.ts';
import { privateReserve, Workspace } from '#shm/private-memory.ts';
import { itemAt, itemLength, pageMaxOffset } from '#storage/page/page.ts';

const folder = new URL('./pages/', import.meta.url);
const { columns, rows } = JSON.parse(readFileSync(new URL('typed.json', folder), 'utf8')) as {
  columns: [string, number, number, boolean, 'c' | 's' | 'i' | 'd', 'p' | 'e' | 'm' | 'x'][];
  rows: (string | null)[][];
};
const attrs = columns.map(
  ([name, typeId, length, byValue, align, storage]): AttributeInit => ({
    name,
    typeId: typeId as Oid,
    length,
    byValue,
    align,
    storage,
  }),
);
const describeColumns = (init: AttributeInit[]): TupleDesc =>
  new TupleDesc(init.map((one, i) => attribute(one, i + 1)));
/** Types without functions here: their Datum is raw bytes, or of a form of this unit. */
const RAW = new Set(['pt', 'mac', 'r', 'bt', 'vb']);

let page = 0;
let space: Workspace;
function loadPage(name: string): void {
  page = privateReserve(8192);
  mem.u8.set(readFileSync(new URL(name, folder)), page);
}

beforeAll(() => {
  setConfigOption('TimeZone', 'UTC', 'user', 'session');
  setConfigOption('DateStyle', 'ISO', 'user', 'session');
});
beforeEach(() => {
  mapLocalMemory(16 << 20);
  space = new Workspace();
});

function textOf(name: string, typeId: number, value: Datum): string | null {
  if (value === null) return null;
  if (typeof value === 'boolean') return String(value);
  if (name === 'rc') return String(value);
  const text = typeInfo(typeId as Oid).output(value);
  // The cast of inet to text always shows the length.
  if (name === 'ip' && !text.includes('/')) return `${text}/${text.includes(':') ? 128 : 32}`;
  return name === 'bp' ? text.trimEnd() : text;
}

describe('tuples that PostgreSQL 15 wrote', () => {
  it('are read as the values that it shows', () => {
    loadPage('typed.page');
    const desc = describeColumns(attrs);
    expect(pageMaxOffset(page)).toBe(rows.length);
    rows.forEach((row, i) => {
      const out: Datum[] = [];
      heapDeform(desc, itemAt(page, i + 1), desc.natts, out);
      columns.forEach(([name, typeId], c) => {
        if (name === 'bt' || name === 'vb') expect(out[c], name).toBe(row[c]);
        else if (!RAW.has(name)) expect(textOf(name, typeId, out[c]!), `${name} of row ${i + 1}`).toBe(row[c]);
        expect(heapGetAttr(desc, itemAt(page, i + 1), c + 1)).toEqual(out[c]);
      });
    });
  });

  it('are made again from these values, byte for byte', () => {
    loadPage('typed.page');
    const desc = describeColumns(attrs);
    rows.forEach((_, i) => {
      const at = itemAt(page, i + 1);
      const length = itemLength(page, i + 1);
      const values: Datum[] = [];
      heapDeform(desc, at, desc.natts, values);
      // Data that was not toasted away here; row 2 is compressed by nothing.
      const made = heapFormTuple(desc, values, space);
      expect(heapTupleLength()).toBe(length);
      const bytes = (from: number): string => Buffer.from(mem.u8.slice(from + 23, from + length)).toString('hex');
      expect(bytes(made)).toBe(bytes(at));
      expect(mem.view.getUint16(made + 18, true) & 0x7ff).toBe(desc.natts);
      expect(mem.view.getUint16(made + 20, true)).toBe(mem.view.getUint16(at + 20, true) & 0x000f);
    });
  });

  it('are copied from their stored bytes', () => {
    loadPage('typed.page');
    const desc = describeColumns(attrs);
    const nulls: Datum[] = new Array<Datum>(desc.natts).fill(null);
    rows.forEach((_, i) => {
      const at = itemAt(page, i + 1);
      const length = itemLength(page, i + 1);
      const stored = new Float64Array(desc.natts);
      heapStoredAddresses(desc, at, stored);
      const made = heapFormTupleStored(desc, nulls, stored, space);
      expect(heapTupleLength()).toBe(length);
      expect(mem.u8.slice(made + 23, made + length)).toEqual(mem.u8.slice(at + 23, at + length));
    });
  });

  it('of two integers are deformed', () => {
    loadPage('narrow.page');
    const int4: AttributeInit = { typeId: 23 as Oid, length: 4, byValue: true, align: 'i' };
    const desc = describeColumns([int4, int4]);
    const out: Datum[] = [];
    for (let offset = 1; offset <= 200; offset++) {
      heapDeform(desc, itemAt(page, offset), 2, out);
      expect(out).toEqual([offset, offset * 2]);
    }
  });
});

describe('forming', () => {
  const int4: AttributeInit = { typeId: 23 as Oid, length: 4, byValue: true, align: 'i' };
  const text: AttributeInit = { typeId: 25 as Oid, length: -1, byValue: false, align: 'i' };
  it('shortens headers up to 126 bytes and not beyond', () => {
    const desc = describeColumns([int4, text, int4]);
    for (const length of [0, 1, 41, 42, 43, 125, 126, 127, 128, 5000]) {
      const value = 'x'.repeat(length);
      const at = heapFormTuple(desc, [7, value, 8], space);
      const header = length <= 126 ? 1 : 4;
      const end = 24 + 4 + header + length;
      expect(heapTupleLength()).toBe(((end + 3) & ~3) + 4);
      expect(heapGetAttr(desc, at, 2)).toBe(value);
      expect(heapGetAttr(desc, at, 3)).toBe(8);
    }
  });
  it('keeps multibyte text at the border of a short header', () => {
    const desc = describeColumns([text, int4]);
    for (const value of [
      'ä'.repeat(62),
      'ä'.repeat(63),
      'ä'.repeat(64),
      '€'.repeat(42),
      `${'€'.repeat(42)}x`,
      '😀'.repeat(40),
    ]) {
      const at = heapFormTuple(desc, [value, 5], space);
      expect(heapGetAttr(desc, at, 1)).toBe(value);
      expect(heapGetAttr(desc, at, 2)).toBe(5);
    }
  });
  it('keeps what an update does not change', () => {
    const desc = describeColumns([int4, text, text, int4]);
    const old = heapFormTuple(desc, [1, 'one', 'x'.repeat(300), null], space);
    const made = heapModifyTuple(desc, old, [null, 'two', null, 9], Uint8Array.of(0, 1, 0, 1), space);
    const out: Datum[] = [];
    heapDeform(desc, made, 4, out);
    expect(out).toEqual([1, 'two', 'x'.repeat(300), 9]);
  });
  it('passes over columns that are not needed', () => {
    const desc = describeColumns([int4, text, int4]);
    const at = heapFormTuple(desc, [1, 'a', 2], space);
    const out: Datum[] = [0, 'untouched', 0];
    heapDeform(desc, at, 3, out, Uint8Array.of(0, 0, 1));
    expect(out).toEqual([0, 'untouched', 2]);
  });
});
