/** B-trees against a model: insertions, scans, deletion, vacuum; and their WAL, replayed, against their pages. */
import { truncateSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  indexBeginScan,
  indexBuild,
  indexBulkDelete,
  indexEndScan,
  indexFetchHeap,
  indexGetNextTid,
  indexInsert,
  indexMarkPos,
  indexRescan,
  indexRestrPos,
  indexVacuumCleanup,
} from '#access/common/index-access.ts';
import { type IndexInfo, type IndexVacuumInfo, UNIQUE_CHECK } from '#access/common/index-am.ts';
import { relationNblocks, relationSmgr, type Relation, relReadBuffer } from '#access/common/relation-descriptor.ts';
import { BT_STRATEGY, makeScanKey, type ScanKey, SK } from '#access/common/scan-key.ts';
import { indexGetAttr } from '#access/common/index-tuple.ts';
import { describeBtree } from '#access/nbtree/describe.ts';
import { maskBtreePage, redoBtree } from '#access/nbtree/redo.ts';
import { verifyBtree } from '#access/nbtree/verify.ts';
import type { Datum } from '#adt/datum.ts';
import { FORK, type Lsn, makeTid, type Oid } from '#base/ids.ts';
import { PgError } from '#runtime/error/report.ts';
import { mem } from '#shm/memory.ts';
import { privateAlloc } from '#shm/private-memory.ts';
import { bufferPage } from '#storage/buffer/buffer-pool.ts';
import { dropRelationsAllBuffers } from '#storage/buffer/drop-buffers.ts';
import { releaseBuffer } from '#storage/buffer/pin.ts';
import { flushRelationBuffers } from '#storage/buffer/flush.ts';
import { xlogReadBufferForRedo } from '#storage/buffer/redo-buffers.ts';
import { unlockReleaseBuffer } from '#storage/buffer/buffer-lock.ts';
import { smgrClose } from '#storage/smgr/smgr.ts';
import { controlFile } from '#wal/control-file.ts';
import { FileWalSource } from '#wal/file-source.ts';
import { getXLogInsertRecPtr, xlogFlush } from '#wal/insert.ts';
import { WalReader } from '#wal/reader.ts';
import { replay } from '#wal/recovery-state.ts';
import { RM } from '#wal/rmgr-ids.ts';
import {
  closeBtreeCluster,
  type ColumnSpec,
  deadRows,
  INT4,
  INT8,
  makeIndex,
  mvcc,
  openBtreeCluster,
  rows,
  setBuildRows,
  TEXT,
} from '../../../support/nbtree-fixture.ts';

beforeAll(() => {
  openBtreeCluster();
});
afterAll(closeBtreeCluster);
beforeEach(() => {
  rows.clear();
  deadRows.clear();
});

function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state / 0x7fffffff;
  };
}
const infoOf = (index: Relation): IndexInfo => ({
  numAttrs: index.index!.nAtts,
  numKeyAttrs: index.index!.nKeyAtts,
  attrNumbers: [],
  unique: index.index!.unique,
  nullsNotDistinct: index.index!.nullsNotDistinct,
  readyForInserts: true,
  concurrent: false,
  brokenHotChain: false,
});
const vacuumInfo = (index: Relation, tuples: number): IndexVacuumInfo => ({
  index,
  analyzeOnly: false,
  reportProgress: false,
  estimatedCount: false,
  messageLevel: 'DEBUG2',
  numHeapTuples: tuples,
  strategy: null,
});

interface Entry {
  readonly tid: number;
  readonly values: Datum[];
}
class Model {
  readonly entries = new Map<number, Entry>();
  readonly heap: Relation;
  readonly index: Relation;
  private next = 0;
  readonly start: Lsn = getXLogInsertRecPtr();
  constructor(
    readonly columns: readonly ColumnSpec[],
    init: Parameters<typeof makeIndex>[1] = {},
    /** TIDs in no order, so that they fall into posting lists. */
    private readonly scattered = false,
  ) {
    const made = makeIndex(columns, init);
    this.heap = made.heap;
    this.index = made.index;
    setBuildRows([]);
    indexBuild(this.heap, this.index, infoOf(this.index));
  }
  newTid(): number {
    const i = this.next++;
    const n = this.scattered ? (i * 7919) % 100_003 : i;
    return makeTid(Math.floor(n / 60), (n % 60) + 1);
  }
  insert(values: Datum[], check: number = UNIQUE_CHECK.no, unchanged = false): number {
    const tid = this.newTid();
    rows.add(tid);
    indexInsert(this.index, values, tid, this.heap, check, unchanged);
    this.entries.set(tid, { tid, values });
    return tid;
  }
  /** The row is dead to everybody; its entry may go. */
  kill(tid: number): void {
    deadRows.add(tid);
    this.entries.delete(tid);
  }
  compare = (a: Entry, b: Entry): number => {
    for (let i = 0; i < this.columns.length; i++) {
      const option = this.columns[i]!.option ?? 0;
      const left = a.values[i]!;
      const right = b.values[i]!;
      if (left === null || right === null) {
        if (left === right) continue;
        return (left === null) === ((option & 2) !== 0) ? -1 : 1;
      }
      if (left === right) continue;
      return left < right === ((option & 1) === 0) ? -1 : 1;
    }
    return a.tid - b.tid;
  };
  sorted(): Entry[] {
    return [...this.entries.values()].sort(this.compare);
  }
  vacuum(): void {
    const stats = indexBulkDelete(vacuumInfo(this.index, this.entries.size), null, (tid) => deadRows.has(tid));
    indexVacuumCleanup(vacuumInfo(this.index, this.entries.size), stats);
    for (const tid of deadRows) rows.delete(tid);
    deadRows.clear();
  }
  check(): void {
    const result = verifyBtree(this.index);
    expect(result.problems).toEqual([]);
    // Entries of dead rows may still be there.
    expect(result.tids.filter((tid) => !deadRows.has(tid))).toEqual(this.sorted().map((e) => e.tid));
  }
}
function scan(model: Model, keys: ScanKey[], direction: 1 | -1 = 1): number[] {
  const scan = indexBeginScan(model.heap, model.index, mvcc, keys);
  const out: number[] = [];
  while (indexGetNextTid(scan, direction)) out.push(scan.heapTid);
  indexEndScan(scan);
  return out;
}

const WORDS = ['alpha', 'beta', 'betamax', 'gamma', 'delta', '', 'zeta'];
const SHAPES: [string, readonly ColumnSpec[], (r: () => number) => Datum[]][] = [
  ['int4 with many duplicates', [INT4()], (r) => [Math.floor(r() * 40)]],
  [
    'int8 beyond 2^53',
    [INT8()],
    (r) => [r() < 0.5 ? 2n ** 60n + BigInt(Math.floor(r() * 500)) : Math.floor(r() * 500)],
  ],
  ['text, int4', [TEXT(), INT4()], (r) => [WORDS[Math.floor(r() * 7)]!, Math.floor(r() * 50)]],
  [
    'int4 desc, text nulls first',
    [INT4(3), TEXT(2)],
    (r) => [r() < 0.2 ? null : Math.floor(r() * 30), r() < 0.3 ? null : WORDS[Math.floor(r() * 7)]!],
  ],
];

describe('nbtree against a model', () => {
  for (const [name, columns, make] of SHAPES) {
    test(`insert, kill, vacuum: ${name}`, () => {
      const model = new Model(columns, {}, columns.length === 1);
      const r = random(columns.length * 17);
      for (let round = 0; round < 4; round++) {
        for (let i = 0; i < 1500; i++) model.insert(make(r), UNIQUE_CHECK.no, r() < 0.3);
        model.check();
        for (const tid of [...model.entries.keys()]) if (r() < (round === 2 ? 0.97 : 0.3)) model.kill(tid);
        model.vacuum();
        model.check();
      }
      for (const tid of [...model.entries.keys()]) model.kill(tid);
      model.vacuum();
      model.check();
      for (let i = 0; i < 300; i++) model.insert(make(r));
      model.check();
      replayed(model);
    });
  }
  test('pages of deleted ranges are unlinked, with their parents', () => {
    // Keys that differ at their ends only: twenty to a page, so that there are four levels.
    const model = new Model([TEXT()]);
    const tids: number[] = [];
    for (let i = 0; i < 6000; i++) tids.push(model.insert(['key '.repeat(100) + String(i).padStart(6, '0')]));
    const before = verifyBtree(model.index);
    expect(before.levels).toBe(4);
    for (let i = 1000; i < 5500; i++) model.kill(tids[i]!);
    model.vacuum();
    model.check();
    expect(verifyBtree(model.index).leafPages).toBeLessThan(before.leafPages / 2);
    replayed(model);
  });
  test('dead entries make room before a page is split', () => {
    const model = new Model([INT4()], { unique: true });
    const blocks: number[] = [];
    let previous = -1;
    // The same row updated again and again: every version but the last is dead.
    for (let i = 0; i < 3000; i++) {
      if (previous >= 0) model.kill(previous);
      previous = model.insert([7], UNIQUE_CHECK.yes, true);
      blocks.push(relationNblocks(model.index));
    }
    expect(Math.max(...blocks)).toBeLessThanOrEqual(3);
    model.check();
    replayed(model);
  });
});

describe('unique indexes', () => {
  test('a duplicate is refused with the key', () => {
    const model = new Model([INT4(), TEXT()], { unique: true });
    for (let i = 0; i < 500; i++) model.insert([i % 50, `w${i}`], UNIQUE_CHECK.yes);
    let error: unknown;
    try {
      model.insert([3, 'w3'], UNIQUE_CHECK.yes);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(PgError);
    const { fields } = error as PgError;
    expect(fields.code).toBe('23505');
    expect(fields.message).toBe('duplicate key value violates unique constraint "t_idx"');
    expect(fields.detail).toBe('Key (c1, c2)=(3, w3) already exists.');
    // NULLs are distinct.
    model.insert([null, 'x'], UNIQUE_CHECK.yes);
    model.insert([null, 'x'], UNIQUE_CHECK.yes);
    expect(verifyBtree(model.index).problems).toEqual([]);
  });
  test('a partial check reports instead', () => {
    const model = new Model([INT4()], { unique: true });
    model.insert([1], UNIQUE_CHECK.yes);
    const tid = model.newTid();
    rows.add(tid);
    expect(indexInsert(model.index, [1], tid, model.heap, UNIQUE_CHECK.partial, false)).toBe(false);
    expect(verifyBtree(model.index).tids.length).toBe(2);
  });
  test('a build finds duplicates', () => {
    const { heap, index } = makeIndex([INT4()], { unique: true });
    setBuildRows([5, 3, 1, 3].map((v, i) => ({ tid: makeTid(0, i + 1), values: [v] })));
    expect(() => indexBuild(heap, index, infoOf(index))).toThrowError('could not create unique index "t_idx"');
    try {
      indexBuild(heap, index, infoOf(index));
    } catch (caught) {
      expect((caught as PgError).fields.detail).toBe('Key (c1)=(3) is duplicated.');
    }
  });
});

describe('scans', () => {
  const model = (): Model => {
    const made = new Model([INT4(), TEXT()]);
    const r = random(99);
    for (let i = 0; i < 3000; i++)
      made.insert([r() < 0.1 ? null : Math.floor(r() * 200), r() < 0.1 ? null : WORDS[Math.floor(r() * 7)]!]);
    return made;
  };
  const key = (attno: number, strategy: number, argument: Datum, extra: Partial<ScanKey> = {}): ScanKey =>
    makeScanKey(attno, strategy, 0 as Oid, argument, extra);
  const holds = (strategy: number, value: Datum, argument: Datum): boolean => {
    if (value === null || argument === null) return false;
    switch (strategy) {
      case BT_STRATEGY.less:
        return value < argument;
      case BT_STRATEGY.lessEqual:
        return value <= argument;
      case BT_STRATEGY.equal:
        return value === argument;
      case BT_STRATEGY.greaterEqual:
        return value >= argument;
      default:
        return value > argument;
    }
  };
  test('every combination of comparisons, forward and backward', () => {
    const m = model();
    const sorted = m.sorted();
    for (let first = 0; first <= 5; first++)
      for (let second = 0; second <= 5; second++)
        for (const [a, b] of [
          [50, 'beta'],
          [-1, ''],
          [400, 'zzz'],
          [199, 'alpha'],
        ] as [number, string][]) {
          const keys: ScanKey[] = [];
          if (first > 0) keys.push(key(1, first, a));
          if (second > 0) keys.push(key(2, second, b));
          const expected = sorted
            .filter(
              (e) => (first === 0 || holds(first, e.values[0]!, a)) && (second === 0 || holds(second, e.values[1]!, b)),
            )
            .map((e) => e.tid);
          expect(scan(m, keys)).toEqual(expected);
          expect([...scan(m, keys, -1)].sort((x, y) => x - y)).toEqual([...expected].sort((x, y) => x - y));
        }
  });
  test('ranges with redundant and contradicting keys', () => {
    const m = model();
    const sorted = m.sorted();
    const range = (low: number, high: number): number[] =>
      sorted
        .filter((e) => e.values[0] !== null && (e.values[0] as number) > low && (e.values[0] as number) <= high)
        .map((e) => e.tid);
    expect(scan(m, [key(1, 5, 10), key(1, 4, 3), key(1, 2, 20), key(1, 2, 77)])).toEqual(range(10, 20));
    expect(scan(m, [key(1, 3, 10), key(1, 5, 10)])).toEqual([]);
    expect(scan(m, [key(1, 3, 10), key(1, 3, 11)])).toEqual([]);
    expect(scan(m, [key(1, 3, null)])).toEqual([]);
  });
  test('IS NULL and IS NOT NULL', () => {
    const m = model();
    const sorted = m.sorted();
    const isNull = (attno: number, not = false): ScanKey =>
      key(attno, 0, null, { flags: SK.isNull | (not ? SK.searchNotNull : SK.searchNull) });
    const tids = (test: (e: Entry) => boolean): number[] => sorted.filter(test).map((e) => e.tid);
    expect(scan(m, [isNull(1)])).toEqual(tids((e) => e.values[0] === null));
    expect(scan(m, [isNull(1, true)])).toEqual(tids((e) => e.values[0] !== null));
    expect(scan(m, [isNull(1, true)], -1).length).toEqual(tids((e) => e.values[0] !== null).length);
    expect(scan(m, [key(1, 3, 7), isNull(2)])).toEqual(tids((e) => e.values[0] === 7 && e.values[1] === null));
    expect(scan(m, [isNull(1), isNull(2, true)])).toEqual(tids((e) => e.values[0] === null && e.values[1] !== null));
  });
  test('arrays and rows', () => {
    const m = model();
    const sorted = m.sorted();
    const array = (elements: Datum[], type: number): Datum => ({
      kind: 'array',
      elementType: type as Oid,
      dims: [elements.length],
      lowerBounds: [1],
      elements,
    });
    const any = (attno: number, strategy: number, elements: Datum[], type: number): ScanKey =>
      key(attno, strategy, array(elements, type), { flags: SK.searchArray });
    const tids = (test: (e: Entry) => boolean): number[] => sorted.filter(test).map((e) => e.tid);
    expect(scan(m, [any(1, 3, [40, 3, null, 40, 9999, 17], 23)])).toEqual(
      tids((e) => [3, 17, 40].includes(e.values[0] as number)),
    );
    expect(scan(m, [any(1, 3, [3, 17], 23), any(2, 3, ['zeta', 'alpha'], 25)])).toEqual(
      tids((e) => [3, 17].includes(e.values[0] as number) && ['zeta', 'alpha'].includes(e.values[1] as string)),
    );
    expect(scan(m, [any(1, 3, [null], 23)])).toEqual([]);
    expect(scan(m, [any(1, 1, [5, 9, 2], 23)])).toEqual(
      tids((e) => e.values[0] !== null && (e.values[0] as number) < 9),
    );
    const row = (strategy: number): ScanKey =>
      key(1, strategy, null, {
        flags: SK.rowHeader,
        argument: [
          { ...key(1, strategy, 60), flags: SK.rowMember },
          { ...key(2, strategy, 'beta'), flags: SK.rowMember | SK.rowEnd },
        ],
      });
    expect(scan(m, [row(5)])).toEqual(
      tids(
        (e) =>
          e.values[0] !== null &&
          ((e.values[0] as number) > 60 ||
            (e.values[0] === 60 && e.values[1] !== null && (e.values[1] as string) > 'beta')),
      ),
    );
    expect(scan(m, [row(2)])).toEqual(
      tids(
        (e) =>
          e.values[0] !== null &&
          ((e.values[0] as number) < 60 ||
            (e.values[0] === 60 && e.values[1] !== null && (e.values[1] as string) <= 'beta')),
      ),
    );
  });
  test('marks, index-only tuples, killed entries', () => {
    const m = model();
    const sorted = m.sorted();
    const only = indexBeginScan(m.heap, m.index, mvcc, []);
    only.wantTuple = true;
    indexRescan(only, []);
    const seen: number[] = [];
    for (let i = 0; indexGetNextTid(only, 1); i++) {
      seen.push(only.heapTid);
      if (i % 100 === 0) {
        expect(indexGetAttr(only.itupDesc!, only.itupAt, 1)).toBe(sorted[i]!.values[0]);
        expect(indexGetAttr(only.itupDesc!, only.itupAt, 2)).toBe(sorted[i]!.values[1]);
      }
      if (i === 1000) indexMarkPos(only);
    }
    expect(seen).toEqual(sorted.map((e) => e.tid));
    indexRestrPos(only);
    indexGetNextTid(only, 1);
    expect(only.heapTid).toBe(sorted[1001]!.tid);
    indexEndScan(only);
    for (const entry of sorted) if (entry.values[0] === 50) m.kill(entry.tid);
    const dead = indexBeginScan(m.heap, m.index, mvcc, [key(1, 3, 50)]);
    while (indexGetNextTid(dead, 1)) expect(indexFetchHeap(dead)).toBe(false);
    indexEndScan(dead);
    // Their line pointers are marked now: no scan returns them.
    expect(scan(m, [key(1, 3, 50)])).toEqual([]);
    m.check();
  });
});

/** Replays the WAL of the index into an empty file and compares all pages. */
function replayed(model: Model): void {
  const { index } = model;
  const end = getXLogInsertRecPtr();
  xlogFlush(end);
  const blocks = relationNblocks(index);
  const masked = (): string[] => {
    const out: string[] = [];
    const copy = privateAlloc(8192);
    for (let block = 0; block < blocks; block++) {
      const buffer = relReadBuffer(index, block);
      const page = bufferPage(buffer);
      mem.u8.copyWithin(copy, page, page + 8192);
      releaseBuffer(buffer);
      maskBtreePage(copy, block);
      out.push(Buffer.from(mem.u8.slice(copy, copy + 8192)).toString('hex'));
    }
    return out;
  };
  const before = masked();
  const smgr = relationSmgr(index);
  flushRelationBuffers(smgr);
  dropRelationsAllBuffers([smgr]);
  truncateSync(`base/${index.rnode.dbNode}/${index.rnode.relNode}`, 0);
  smgrClose(smgr);
  index.smgr = null;
  const reader = new WalReader(new FileWalSource(1), controlFile.systemIdentifier);
  reader.beginRead(model.start);
  replay.inRecovery = true;
  try {
    for (;;) {
      const record = reader.read();
      if (record === null || record.lsn >= end) break;
      if (record.maxBlockId < 0 || record.blocks[0]!.rnode.relNode !== index.rnode.relNode) continue;
      if (record.rmid === RM.btree) {
        expect(describeBtree(record)).not.toBe('');
        redoBtree(record);
      } else if (record.rmid === RM.xlog && record.blocks[0]!.fork === FORK.main) {
        for (let i = 0; i <= record.maxBlockId; i++) unlockReleaseBuffer(xlogReadBufferForRedo(record, i).buffer);
      }
    }
  } finally {
    replay.inRecovery = false;
  }
  index.amCache = null;
  const after = masked();
  for (let block = 0; block < blocks; block++)
    if (before[block] !== after[block]) {
      let at = 0;
      while (before[block]![at] === after[block]![at]) at++;
      expect(`block ${block} byte ${at >> 1}: ${after[block]!.slice(at & ~15, (at & ~15) + 32)}`).toBe(
        `block ${block} byte ${at >> 1}: ${before[block]!.slice(at & ~15, (at & ~15) + 32)}`,
      );
    }
  model.check();
}
