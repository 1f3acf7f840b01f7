/** Serializable snapshot isolation against a small multiversion store: known anomalies, and random schedules whose
 *  committed transactions must be explainable by some serial order.
 *
 *  Several transactions run interleaved in this one process: before each step the test puts itself into the transaction's
 *  place. That forgets which locks the process knows to hold, which costs promotions only. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PgError } from '#runtime/error/report.ts';
import { setConfigOption } from '#runtime/guc/guc.ts';
import { lwLockReleaseAll } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { registerLockFacts } from '#storage/lmgr/lock-facts.ts';
import {
  checkForSerializableConflictIn,
  checkForSerializableConflictOut,
  checkForSerializableConflictOutNeeded,
  getSerializableTransactionSnapshot,
  predicateLockPage,
  predicateLockPageSplit,
  predicateLockRelation,
  predicateLockTID,
  preCommitCheckForSerializationFailure,
  registerPredicateLockingXid,
  transferPredicateLocksToHeapRelation,
} from '#storage/lmgr/predicate.ts';
import { SXACT, Sxact } from '#storage/lmgr/predicate-layout.ts';
import type { PredicateSnapshot } from '#storage/lmgr/predicate-relation.ts';
import { releasePredicateLocks } from '#storage/lmgr/predicate-release.ts';
import { forgetMySxact, mySxact, noteDidWrite, setMySxact } from '#storage/lmgr/predicate-state.ts';
import { getPredicateLockStatusData } from '#storage/lmgr/predicate-status.ts';
import { hasFlag, predicateUsage } from '#storage/lmgr/predicate-table.ts';
import {
  atPreparePredicateLocks,
  postPreparePredicateLocks,
  predicateLockTwoPhaseFinish,
} from '#storage/lmgr/predicate-two-phase.ts';
import { openLockFixture } from '../../../support/lock-fixture.ts';

const TABLE = { oid: 20_000, isShared: false, persistence: 'p', kind: 'r', index: null } as const;
const INDEX = { oid: 20_001, isShared: false, persistence: 'p', kind: 'i', index: { heapRelid: 20_000 } } as const;
const ROWS_PER_PAGE = 4;
const tidOf = (row: number): number => Math.floor(row / ROWS_PER_PAGE) * 65_536 + (row % ROWS_PER_PAGE) + 1;
const blockOf = (row: number): number => Math.floor(row / ROWS_PER_PAGE);

interface Version {
  readonly writer: number;
  state: 'open' | 'committed' | 'aborted';
}
interface Read {
  readonly row: number;
  readonly writer: number;
}

class Store {
  nextXid = 10;
  readonly running = new Set<number>();
  readonly rows = new Map<number, Version[]>();
  versions(row: number): Version[] {
    let list = this.rows.get(row);
    if (list === undefined) {
      list = [{ writer: 3, state: 'committed' }];
      this.rows.set(row, list);
    }
    return list;
  }
}
let store: Store;
let current: Transaction;

class Transaction {
  readonly reads: Read[] = [];
  readonly writes = new Set<number>();
  xid = 0;
  sxact: number;
  snapshot: PredicateSnapshot & { xmin: number };
  over: '' | 'committed' | 'failed' = '';
  private wrote = false;

  constructor(readonly readOnly = false) {
    current = this;
    setConfigOption('transaction_read_only', readOnly ? 'on' : 'off', 'user', 'session');
    forgetMySxact();
    this.snapshot = { kind: 'mvcc', xmin: 0, xmax: 0, xcnt: 0, xip: new Uint32Array(0) };
    this.snapshot = getSerializableTransactionSnapshot(this.snapshot) as PredicateSnapshot & { xmin: number };
    this.sxact = mySxact;
  }
  /** Acts in this transaction; a failure rolls it back. */
  private step(work: () => void): boolean {
    if (this.over !== '') return false;
    current = this;
    setConfigOption('transaction_read_only', this.readOnly ? 'on' : 'off', 'user', 'session');
    forgetMySxact();
    setMySxact(this.sxact);
    if (this.wrote) noteDidWrite();
    try {
      work();
      this.sxact = mySxact;
      return true;
    } catch (error) {
      if (!(error instanceof PgError)) throw error;
      expect(error.code).toBe('40001');
      lwLockReleaseAll();
      this.finish(false);
      return false;
    }
  }
  private finish(isCommit: boolean): void {
    if (isCommit) preCommitCheckForSerializationFailure();
    this.over = isCommit ? 'committed' : 'failed';
    if (this.xid !== 0) {
      store.running.delete(this.xid);
      for (const row of this.writes)
        for (const version of store.versions(row))
          if (version.writer === this.xid) version.state = isCommit ? 'committed' : 'aborted';
    }
    releasePredicateLocks(isCommit, false);
  }
  sees(version: Version): boolean {
    if (version.state === 'aborted') return false;
    if (version.writer === this.xid) return true;
    if (version.state !== 'committed') return false;
    return (
      version.writer < this.snapshot.xmax && !this.snapshot.xip.subarray(0, this.snapshot.xcnt).includes(version.writer)
    );
  }
  read(row: number, how: 'tuple' | 'page' | 'relation' = 'tuple'): boolean {
    return this.step(() => {
      if (how === 'relation') predicateLockRelation(TABLE, this.snapshot);
      if (how === 'page') predicateLockPage(TABLE, blockOf(row), this.snapshot);
      const versions = store.versions(row);
      let seen: Version | undefined;
      for (const version of versions) {
        if (this.sees(version)) seen = version;
        else if (version.state !== 'aborted' && checkForSerializableConflictOutNeeded(TABLE, this.snapshot))
          checkForSerializableConflictOut(TABLE, version.writer, this.snapshot);
      }
      if (how === 'tuple') predicateLockTID(TABLE, tidOf(row), this.snapshot, seen!.writer);
      this.reads.push({ row, writer: seen!.writer });
    });
  }
  write(row: number): boolean {
    return this.step(() => {
      const versions = store.versions(row).filter((version) => version.state !== 'aborted');
      // First updater wins; who would have to wait is rolled back here.
      if (!this.sees(versions.at(-1)!))
        throw new PgError('ERROR', {
          code: '40001' as never,
          message: 'could not serialize access due to concurrent update',
        });
      if (this.xid === 0) {
        this.xid = store.nextXid++;
        store.running.add(this.xid);
        registerPredicateLockingXid(this.xid);
      }
      checkForSerializableConflictIn(TABLE, tidOf(row), blockOf(row));
      this.wrote = true;
      if (!this.writes.has(row)) store.versions(row).push({ writer: this.xid, state: 'open' });
      this.writes.add(row);
    });
  }
  commit(): boolean {
    return this.step(() => this.finish(true));
  }
  rollback(): void {
    this.step(() => this.finish(false));
  }
  act(work: () => void): boolean {
    return this.step(work);
  }
}

beforeEach(() => {
  openLockFixture({ processes: 6, predicateLocks: 64 });
  store = new Store();
  registerLockFacts({
    getSnapshotData: (snapshot) => {
      const xip = Uint32Array.from(store.running);
      const into = snapshot as { -readonly [K in keyof PredicateSnapshot]: PredicateSnapshot[K] };
      into.xmax = store.nextXid;
      into.xmin = Math.min(store.nextXid, ...xip);
      into.xip = xip;
      into.xcnt = xip.length;
      return snapshot;
    },
    getTransactionSnapshot: () => current.snapshot,
    getTopTransactionIdIfAny: () => current.xid,
    transactionIdIsCurrentTransactionId: (xid) => xid === current.xid,
    nextXid: () => store.nextXid,
  });
});
afterEach(() => {
  forgetMySxact();
  setConfigOption('transaction_read_only', 'off', 'user', 'session');
});

describe('anomalies', () => {
  test('write skew: one of two is rolled back', () => {
    const [a, b] = [new Transaction(), new Transaction()];
    expect([a.read(1), a.read(2), b.read(1), b.read(2)]).toEqual([true, true, true, true]);
    expect(a.write(1)).toBe(true);
    const done = [b.write(2), a.commit(), b.commit()];
    expect(done.includes(false)).toBe(true);
    expect([a, b].filter((one) => one.over === 'committed')).toHaveLength(1);
  });
  test('the same one after the other is fine', () => {
    const a = new Transaction();
    a.read(1);
    a.write(2);
    expect(a.commit()).toBe(true);
    const b = new Transaction();
    b.read(2);
    b.write(1);
    expect(b.commit()).toBe(true);
  });
  test('a reader among writers: the batch-processing anomaly', () => {
    // T2 reads the open batch 1 and will write row 2 into it; T3 closes the batch and commits; T1 reads the closed batch.
    const t2 = new Transaction();
    expect(t2.read(1)).toBe(true);
    const t3 = new Transaction();
    expect(t3.write(1)).toBe(true);
    expect(t3.commit()).toBe(true);
    const t1 = new Transaction(true);
    expect(t1.read(1)).toBe(true);
    expect(t1.read(2)).toBe(true);
    expect(t1.commit()).toBe(true);
    expect(t2.write(2) && t2.commit()).toBe(false);
  });
  test('without the reader it is serializable', () => {
    const t2 = new Transaction();
    t2.read(1);
    const t3 = new Transaction();
    t3.write(1);
    expect(t3.commit()).toBe(true);
    expect(t2.write(2)).toBe(true);
    expect(t2.commit()).toBe(true);
  });
  test('a prepared pivot cannot be rolled back: somebody else is', () => {
    const prepared = new Transaction();
    prepared.read(1);
    prepared.write(2);
    const other = new Transaction();
    other.read(2);
    expect(
      prepared.act(() => {
        preCommitCheckForSerializationFailure();
        atPreparePredicateLocks();
        postPreparePredicateLocks(prepared.xid);
      }),
    ).toBe(true);
    expect(other.write(1) && other.commit()).toBe(false);
    predicateLockTwoPhaseFinish(prepared.xid, true);
    expect(getPredicateLockStatusData()).toEqual([]);
  });
});

describe('safe snapshots', () => {
  test('without writers a read-only transaction takes no part', () => {
    const reader = new Transaction(true);
    expect(reader.sxact).toBe(0);
    reader.read(1);
    expect(getPredicateLockStatusData()).toEqual([]);
    reader.commit();
  });
  test('it becomes safe when the writers beside it end harmlessly', () => {
    const writer = new Transaction();
    const reader = new Transaction(true);
    reader.read(1);
    expect(getPredicateLockStatusData()).toHaveLength(1);
    writer.write(2);
    expect(writer.commit()).toBe(true);
    expect(hasFlag(reader.sxact, SXACT.roSafe)).toBe(true);
    reader.read(3);
    expect(reader.sxact).toBe(0);
    expect(getPredicateLockStatusData()).toEqual([]);
    reader.commit();
  });
  test('a writer with a conflict out to something earlier makes it unsafe', () => {
    const writer = new Transaction();
    writer.read(1);
    const earlier = new Transaction();
    earlier.write(1);
    expect(earlier.commit()).toBe(true);
    const reader = new Transaction(true);
    writer.write(2);
    expect(writer.commit()).toBe(true);
    expect(hasFlag(reader.sxact, SXACT.roUnsafe)).toBe(true);
    reader.rollback();
  });
});

describe('granularity', () => {
  const kinds = (): string[] =>
    getPredicateLockStatusData()
      .map((one) => `${one.type}:${one.relationId}`)
      .sort();

  test('tuples become a page, pages a relation', () => {
    const t = new Transaction();
    t.act(() => {
      for (let row = 0; row < 3; row++) predicateLockTID(TABLE, tidOf(row), t.snapshot, 3);
    });
    expect(kinds()).toEqual(['page:20000']);
    t.act(() => {
      for (let block = 0; block < 32; block++) predicateLockPage(TABLE, block, t.snapshot);
    });
    expect(kinds()).toEqual(['relation:20000']);
    t.commit();
  });
  test('a page lock replaces the tuples of that page only', () => {
    const t = new Transaction();
    t.act(() => {
      predicateLockTID(TABLE, tidOf(0), t.snapshot, 3);
      predicateLockTID(TABLE, tidOf(4), t.snapshot, 3);
      predicateLockPage(TABLE, 0, t.snapshot);
    });
    expect(kinds()).toEqual(['page:20000', 'tuple:20000']);
    t.rollback();
    expect(kinds()).toEqual([]);
  });
  test('a split takes the lock along, a dropped index leaves it to the heap', () => {
    const t = new Transaction();
    t.act(() => predicateLockPage(INDEX, 3, t.snapshot));
    predicateLockPageSplit(INDEX, 3, 9);
    expect(getPredicateLockStatusData().map((one) => one.block)).toEqual([3, 9]);
    transferPredicateLocksToHeapRelation(INDEX);
    expect(kinds()).toEqual(['relation:20000']);
    t.rollback();
  });
  test('when the table is full a split promotes instead of failing', () => {
    setConfigOption('max_pred_locks_per_relation', '100000', 'postmaster', 'commandLine');
    const t = new Transaction();
    t.act(() => {
      for (let block = 0; predicateUsage().targets < 64 * 8; block++) predicateLockPage(INDEX, block, t.snapshot);
    });
    setConfigOption('max_pred_locks_per_relation', '-2', 'postmaster', 'commandLine');
    predicateLockPageSplit(INDEX, 3, 100_000);
    expect(kinds()).toContain('relation:20001');
    expect(getPredicateLockStatusData().some((one) => one.block === 3)).toBe(false);
    t.rollback();
    expect(predicateUsage()).toEqual({ targets: 0, locks: 0 });
  });
  test('our own write makes our SIREAD lock on the tuple superfluous', () => {
    const t = new Transaction();
    t.read(1);
    expect(kinds()).toEqual(['tuple:20000']);
    t.write(1);
    expect(kinds()).toEqual([]);
    t.commit();
  });
});

/** Is there a serial order? Edges: version order, reads-from, and reader before the writer of the next version. */
function hasCycle(transactions: readonly Transaction[]): boolean {
  const byXid = new Map(transactions.filter((t) => t.xid !== 0).map((t) => [t.xid, t]));
  const edges = new Map<Transaction, Set<Transaction>>(transactions.map((t) => [t, new Set()]));
  const edge = (from: Transaction | undefined, to: Transaction | undefined): void => {
    if (from !== undefined && to !== undefined && from !== to) edges.get(from)!.add(to);
  };
  for (const list of store.rows.values()) {
    const order = list.filter((version) => version.state === 'committed').map((version) => version.writer);
    for (let i = 0; i + 1 < order.length; i++) edge(byXid.get(order[i]!), byXid.get(order[i + 1]!));
  }
  for (const reader of transactions)
    for (const { row, writer } of reader.reads) {
      const order = store
        .versions(row)
        .filter((version) => version.state === 'committed')
        .map((version) => version.writer);
      edge(byXid.get(writer), reader);
      edge(reader, byXid.get(order[order.indexOf(writer) + 1] ?? -1));
    }
  const state = new Map<Transaction, 1 | 2>();
  const visit = (t: Transaction): boolean => {
    if (state.get(t) === 1) return true;
    if (state.get(t) === 2) return false;
    state.set(t, 1);
    for (const next of edges.get(t)!) if (visit(next)) return true;
    state.set(t, 2);
    return false;
  };
  return transactions.some(visit);
}

function runSchedule(
  seed: number,
  total: number,
  concurrent: number,
  rows: number,
): { committed: number; failed: number } {
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 0x1_0000_0000) * below);
  };
  const open: Transaction[] = [];
  const all: Transaction[] = [];
  while (all.length < total || open.length > 0) {
    if (open.length < concurrent && all.length < total && random(3) === 0) {
      const t = new Transaction(random(4) === 0);
      open.push(t);
      all.push(t);
    }
    if (open.length === 0) continue;
    const at = random(open.length);
    const t = open[at]!;
    const what = random(10);
    if (what < 5) t.read(random(rows), (['tuple', 'tuple', 'page', 'relation'] as const)[random(4)]);
    else if (what < 8 && !t.readOnly) t.write(random(rows));
    else if (what === 8 && random(4) === 0) t.rollback();
    else if (what === 9) t.commit();
    if (t.over !== '') open.splice(at, 1);
  }
  const committed = all.filter((t) => t.over === 'committed');
  expect(hasCycle(committed), `seed ${seed}`).toBe(false);
  return { committed: committed.length, failed: all.length - committed.length };
}

test('random schedules commit only what some serial order explains, and leave nothing behind', () => {
  let committed = 0;
  let failed = 0;
  for (let seed = 1; seed <= 120; seed++) {
    store = new Store();
    const result = runSchedule(seed * 7919, 40, 5, 6 + (seed % 9));
    committed += result.committed;
    failed += result.failed;
    expect(predicateUsage(), `seed ${seed}`).toEqual({ targets: 0, locks: 0 });
  }
  expect(committed).toBeGreaterThan(failed / 2);
  expect(failed).toBeGreaterThan(100);
});

test('a transaction that outlives hundreds of others makes them be summarised, and the result stays serializable', () => {
  for (let seed = 1; seed <= 6; seed++) {
    store = new Store();
    const old = new Transaction();
    old.read(0);
    const result = runSchedule(seed * 104_729, 300, 4, 40);
    expect(result.committed).toBeGreaterThan(50);
    old.commit();
    expect(Sxact.flags.get(mem, old.sxact)).toBeDefined();
    expect(predicateUsage().locks).toBe(0);
  }
});
