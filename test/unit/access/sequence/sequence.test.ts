/** Sequences: values, what is on the page, what is in WAL. Facts from PostgreSQL 15. */
import { mkdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attribute, relReadBuffer, type Relation, TupleDesc } from '#access/common/relation-descriptor.ts';
import {
  fillSequence,
  nextvalCore,
  readSequenceState,
  resetSequenceCaches,
  type SequenceParameters,
  sequenceCache,
  setvalCore,
} from '#access/sequence/sequence.ts';
import { describeSequence, redoSequence, sequenceIdentify } from '#access/sequence/sequence-redo.ts';
import { FORK, type Lsn, type Oid } from '#base/ids.ts';
import type { PgError } from '#runtime/error/report.ts';
import { mem } from '#shm/memory.ts';
import { initWaiting } from '#shm/wait-event-set.ts';
import { bufferPage, bufferShmem } from '#storage/buffer/buffer-pool.ts';
import { dropRelationsAllBuffers } from '#storage/buffer/drop-buffers.ts';
import { forgetPins, releaseBuffer } from '#storage/buffer/pin.ts';
import { smgrCloseAll, smgrCreate, smgrOpen } from '#storage/smgr/smgr.ts';
import { abortOutOfAnyTransaction, commitTransactionCommand, startTransactionCommand } from '#transam/xact.ts';
import { controlFile } from '#wal/control-file.ts';
import { FileWalSource } from '#wal/file-source.ts';
import { getXLogInsertRecPtr, xlogFlush } from '#wal/insert.ts';
import { WalReader } from '#wal/reader.ts';
import { replay } from '#wal/recovery-state.ts';
import { RM } from '#wal/rmgr-ids.ts';
import { makeRelation } from '../../../support/nbtree-fixture.ts';
import { DATABASE } from '../../../support/pool-fixture.ts';
import { openTransamCluster } from '../../../support/transam-cluster.ts';
import type { WalCluster } from '../../../support/wal-cluster.ts';

let cluster: WalCluster;
beforeAll(() => {
  cluster = openTransamCluster({ shared_buffers: '64' }, 2, [bufferShmem]);
  mkdirSync(`base/${DATABASE}`, { recursive: true });
  forgetPins();
  initWaiting(-1);
});
afterAll(() => {
  abortOutOfAnyTransaction();
  smgrCloseAll();
  cluster.remove();
});

const PLAIN: SequenceParameters = { increment: 1n, max: 9223372036854775807n, min: 1n, cache: 1n, cycle: false };
let oid = 70_000;
function make(start: bigint, persistence: 'p' | 'u' = 'p'): Relation {
  const desc = new TupleDesc([
    attribute({ typeId: 20 as Oid, length: 8, byValue: true, align: 'd' }, 1),
    attribute({ typeId: 20 as Oid, length: 8, byValue: true, align: 'd' }, 2),
    attribute({ typeId: 16 as Oid, length: 1, byValue: true, align: 'c' }, 3),
  ]);
  const rel = makeRelation(oid++, { tupleDesc: desc, name: 's', kind: 'S', persistence, isLocalTemp: false });
  smgrCreate(smgrOpen(rel.rnode, -1), FORK.main, false);
  fillSequence(rel, start, 0n, false, () => {});
  return rel;
}
const page = (rel: Relation): Buffer => {
  const buffer = relReadBuffer(rel, 0);
  const at = bufferPage(buffer);
  const bytes = Buffer.from(mem.u8.slice(at, at + 8192));
  releaseBuffer(buffer);
  return bytes;
};
const state = (rel: Relation): [bigint, bigint, boolean] => {
  const { lastValue, logCount, isCalled } = readSequenceState(rel);
  return [lastValue, logCount, isCalled];
};
function inTransaction<T>(work: () => T): T {
  startTransactionCommand();
  try {
    return work();
  } finally {
    commitTransactionCommand();
  }
}
const messageOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return (error as PgError).message;
  }
  return '';
};

describe('sequences', () => {
  test('values with a cache, near a limit, as PostgreSQL leaves the page', () => {
    inTransaction(() => {
      const rel = make(1n);
      const cycling: SequenceParameters = { increment: 3n, max: 40n, min: 1n, cache: 4n, cycle: true };
      const cache = sequenceCache(rel.oid);
      expect([nextvalCore(rel, cache, cycling), nextvalCore(rel, cache, cycling)]).toEqual([1n, 4n]);
      expect(state(rel)).toEqual([10n, 10n, true]);
      for (let i = 0; i < 12; i++) nextvalCore(rel, cache, cycling);
      // 1, 4 … 40 are fourteen values; then it begins again.
      expect(nextvalCore(rel, cache, cycling)).toBe(1n);
    });
  });
  test('the page is byte for byte PostgreSQL’s', () => {
    inTransaction(() => {
      const rel = make(1n);
      const cache = sequenceCache(rel.oid);
      for (let i = 0; i < 35; i++) nextvalCore(rel, cache, PLAIN);
      expect(state(rel)).toEqual([35n, 31n, true]);
      const bytes = page(rel);
      // pd_lower 0x1c, pd_upper 0x1fc8, pd_special 0x1ff8, one line pointer of 41 bytes at 0x1fc8
      expect(bytes.subarray(12, 28).toString('hex')).toBe('1c00c81ff81f042000000000c89f5200');
      expect(bytes.subarray(0x1fc8, 0x1fc8 + 41).toString('hex')).toBe(
        '0200000000000000000000000000000001000300000b1800' + '23000000000000001f0000000000000001',
      );
      expect(bytes.subarray(0x1ff8).toString('hex')).toBe('1717000000000000');
      setvalCore(rel, cache, PLAIN, 77n, false);
      expect(state(rel)).toEqual([77n, 0n, false]);
      expect(cache.last).toBe(35n);
      expect(nextvalCore(rel, cache, PLAIN)).toBe(77n);
    });
  });
  test('limits, and values out of range', () => {
    inTransaction(() => {
      const down: SequenceParameters = { increment: -1n, max: -1n, min: -2n, cache: 1n, cycle: false };
      const rel = make(-1n);
      const cache = sequenceCache(rel.oid);
      expect([nextvalCore(rel, cache, down), nextvalCore(rel, cache, down)]).toEqual([-1n, -2n]);
      expect(messageOf(() => nextvalCore(rel, cache, down))).toBe(
        'nextval: reached minimum value of sequence "s" (-2)',
      );
      expect(messageOf(() => setvalCore(rel, cache, down, 5n, true))).toBe(
        'setval: value 5 is out of bounds for sequence "s" (-2..-1)',
      );
      const last = make(9223372036854775806n);
      const lastCache = sequenceCache(last.oid);
      expect(nextvalCore(last, lastCache, PLAIN)).toBe(9223372036854775806n);
      expect(nextvalCore(last, lastCache, PLAIN)).toBe(9223372036854775807n);
      expect(messageOf(() => nextvalCore(last, lastCache, PLAIN))).toBe(
        'nextval: reached maximum value of sequence "s" (9223372036854775807)',
      );
    });
  });
  test('WAL runs 32 values ahead; replay continues behind what was given', () => {
    const from = getXLogInsertRecPtr();
    let rel!: Relation;
    inTransaction(() => {
      rel = make(1n);
      const cache = sequenceCache(rel.oid);
      for (let i = 0; i < 40; i++) nextvalCore(rel, cache, PLAIN);
    });
    const end = getXLogInsertRecPtr();
    xlogFlush(end);
    inTransaction(() => {
      const before = page(rel);
      dropRelationsAllBuffers([smgrOpen(rel.rnode, -1)]);
      const reader = new WalReader(new FileWalSource(1), controlFile.systemIdentifier);
      reader.beginRead(from as Lsn);
      let count = 0;
      replay.inRecovery = true;
      for (let record = reader.read(); record !== null && record.lsn < end; record = reader.read()) {
        if (record.rmid !== RM.seq) continue;
        count++;
        expect(sequenceIdentify(record.info)).toBe('LOG');
        expect(describeSequence(record)).toBe(`rel 1663/5/${rel.rnode.relNode}`);
        redoSequence(record);
      }
      replay.inRecovery = false;
      // Creation, the first value (logged up to 33), the 34th (up to 66).
      expect(count).toBe(3);
      expect(state(rel)).toEqual([66n, 0n, true]);
      const after = page(rel);
      expect(after.subarray(8192 - 64, 8192 - 40).toString('hex')).toBe(
        before.subarray(8192 - 64, 8192 - 40).toString('hex'),
      );
    });
  });
  test('a session that forgets its sequences has no last value', () => {
    resetSequenceCaches();
    expect(sequenceCache(70_000 as Oid).lastValid).toBe(false);
  });
});
