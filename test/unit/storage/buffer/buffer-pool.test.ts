/** The pool in one process: hits, misses, eviction, dirtying, locks, rings, dropping, checkpoints, errors. */
import { closeSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { BLCKSZ, FORK } from '#base/ids.ts';
import { PgError, reportHooks } from '#runtime/error/report.ts';
import { setConfigOption } from '#runtime/guc/guc.ts';
import { armInjectionPoints } from '#runtime/injection-points.ts';
import { lwLockReleaseAll } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { bgBufferSync, resetBackgroundSync } from '#storage/buffer/background-sync.ts';
import {
  BM_DIRTY,
  BM_IO_ERROR,
  BM_IO_IN_PROGRESS,
  BM_VALID,
  BUFFER_LOCK,
  P_NEW,
  RBM,
} from '#storage/buffer/buffer-layout.ts';
import { readState } from '#storage/buffer/buffer-header.ts';
import {
  conditionalLockBufferForCleanup,
  isBufferCleanupOK,
  lockBuffer,
  lockBufferForCleanup,
  unlockReleaseBuffer,
} from '#storage/buffer/buffer-lock.ts';
import {
  bufferBlock,
  bufferFork,
  bufferPage,
  bufferRnode,
  descriptorAt,
  nBuffers,
} from '#storage/buffer/buffer-pool.ts';
import { bufferUsage } from '#storage/buffer/buffer-usage.ts';
import { checkpointBuffers } from '#storage/buffer/checkpoint-buffers.ts';
import { markBufferDirty, markBufferDirtyHint } from '#storage/buffer/dirty.ts';
import { dropDatabaseBuffers, dropRelationBuffers, dropRelationsAllBuffers } from '#storage/buffer/drop-buffers.ts';
import { flushRelationBuffers } from '#storage/buffer/flush.ts';
import { bufferIsPinned, incrBufferRefCount, pinnedBuffers, releaseBuffer } from '#storage/buffer/pin.ts';
import {
  extendRelationBy,
  lastReadWasHit,
  prefetchBuffer,
  readBuffer,
  releaseAndReadBuffer,
} from '#storage/buffer/read-buffer.ts';
import { getAccessStrategy } from '#storage/buffer/ring-strategy.ts';
import { newWritebackContext } from '#storage/buffer/writeback.ts';
import { bgwriterCounter } from '#stats/bgwriter-stats.ts';
import { CHECKPOINT } from '#storage/ipc/checkpoint-mailbox.ts';
import { smgrCloseAll, smgrCreate, smgrNblocks, smgrOpen, type SmgrRelation } from '#storage/smgr/smgr.ts';
import { DATABASE, endOwner, enterDataDirectory, makeLocalPool, node } from '../../../support/pool-fixture.ts';

const BUFFERS = 32;
let leave: () => void;
let rel: SmgrRelation;
let next = 20_000;
const warnings: string[] = [];

beforeEach(() => {
  leave = enterDataDirectory();
  makeLocalPool(BUFFERS);
  rel = newRelation();
  warnings.length = 0;
  vi.spyOn(reportHooks, 'emit').mockImplementation((level, fields) => {
    if (level === 'WARNING') warnings.push(fields.message);
  });
});
afterEach(() => {
  armInjectionPoints(null);
  lwLockReleaseAll();
  endOwner(false);
  vi.restoreAllMocks();
  smgrCloseAll();
  leave();
});

function newRelation(): SmgrRelation {
  const created = smgrOpen(node(next++), -1);
  smgrCreate(created, FORK.main, false);
  return created;
}
const read = (block: number, mode: 0 | 1 | 2 | 3 | 4 = RBM.normal): number =>
  readBuffer(rel, 'u', FORK.main, block, mode, null);
/** Extends by a page whose first word is `value`. */
function extend(value: number): void {
  const buffer = readBuffer(rel, 'u', FORK.main, P_NEW, RBM.zeroAndLock, null);
  fill(buffer, value);
  markBufferDirty(buffer);
  unlockReleaseBuffer(buffer);
}
/** A page that passes verification: header of an empty page, the value behind it. */
function fill(buffer: number, value: number): void {
  const page = bufferPage(buffer);
  mem.view.setUint16(page + 12, 32, true);
  mem.view.setUint16(page + 14, BLCKSZ, true);
  mem.view.setUint16(page + 16, BLCKSZ, true);
  mem.view.setUint16(page + 18, BLCKSZ | 4, true);
  mem.view.setUint32(page + 24, value, true);
}
const wordOf = (buffer: number): number => mem.view.getUint32(bufferPage(buffer) + 24, true);
const path = (of: SmgrRelation = rel): string => `base/${DATABASE}/${of.rnode.relNode}`;
const onDisk = (block: number): number => readFileSync(path()).readUInt32LE(block * BLCKSZ + 24);
const errorOf = (work: () => unknown): PgError => {
  try {
    work();
  } catch (error) {
    if (error instanceof PgError) return error;
    throw error;
  }
  throw new Error('no error');
};

describe('reading', () => {
  test('an extension makes a zeroed page in file and pool', () => {
    const buffer = read(P_NEW);
    expect(bufferBlock(buffer)).toBe(0);
    expect(bufferFork(buffer)).toBe(FORK.main);
    expect(bufferRnode(buffer)).toEqual(rel.rnode);
    expect(bufferPage(buffer) % 4096).toBe(0);
    expect(statSync(path()).size).toBe(BLCKSZ);
    expect(smgrNblocks(rel, FORK.main)).toBe(1);
    releaseBuffer(buffer);
    expect(pinnedBuffers()).toEqual([]);
  });

  test('a second read is a hit on the same buffer; a pin counts per process', () => {
    extend(1);
    const hits = bufferUsage.sharedHit;
    const one = read(0);
    const two = read(0);
    expect(two).toBe(one);
    expect(bufferUsage.sharedHit - hits).toBe(2);
    expect(lastReadWasHit).toBe(true);
    expect(readState(descriptorAt(one - 1)) & 0x3ffff).toBe(1);
    incrBufferRefCount(one);
    for (let i = 0; i < 3; i++) releaseBuffer(one);
    expect(bufferIsPinned(one)).toBe(false);
    expect(readState(descriptorAt(one - 1)) & 0x3ffff).toBe(0);
  });

  test('usage counts rise to five', () => {
    extend(1);
    for (let i = 0; i < 9; i++) releaseBuffer(read(0));
    const buffer = read(0);
    expect((readState(descriptorAt(buffer - 1)) >>> 18) & 15).toBe(5);
    releaseBuffer(buffer);
  });

  test('more pages than buffers: every page keeps its contents through eviction', () => {
    for (let i = 0; i < 4 * BUFFERS; i++) extend(1000 + i);
    const reads = bufferUsage.sharedRead;
    for (let round = 0; round < 3; round++)
      for (let i = 0; i < 4 * BUFFERS; i++) {
        const buffer = read((i * 37) % (4 * BUFFERS));
        expect(wordOf(buffer)).toBe(1000 + ((i * 37) % (4 * BUFFERS)));
        releaseBuffer(buffer);
      }
    expect(bufferUsage.sharedRead).toBeGreaterThan(reads + BUFFERS);
  });

  test('when all buffers are pinned there is an error, and afterwards none is lost', () => {
    for (let i = 0; i < BUFFERS + 1; i++) extend(i);
    const pinned = Array.from({ length: BUFFERS }, (_, i) => read(i));
    expect(errorOf(() => read(BUFFERS)).message).toBe('no unpinned buffers available');
    for (const buffer of pinned) releaseBuffer(buffer);
    releaseBuffer(read(BUFFERS));
  });

  test('releaseAndReadBuffer keeps the pin of the same block', () => {
    extend(1);
    extend(2);
    const one = read(0);
    expect(releaseAndReadBuffer(one, rel, 'u', 0)).toBe(one);
    const two = releaseAndReadBuffer(one, rel, 'u', 1);
    expect(bufferIsPinned(one)).toBe(false);
    expect(wordOf(two)).toBe(2);
    releaseBuffer(two);
  });

  test('zero modes return a locked page of zeroes without reading', () => {
    for (let i = 0; i < 2; i++) extend(7);
    checkpointBuffers(CHECKPOINT.flushAll);
    dropRelationBuffers(rel, [FORK.main], [0]);
    const buffer = read(1, RBM.zeroAndLock);
    expect(wordOf(buffer)).toBe(0);
    lockBuffer(buffer, BUFFER_LOCK.unlock);
    releaseBuffer(buffer);
    const cleanup = read(1, RBM.zeroAndCleanupLock);
    expect(isBufferCleanupOK(cleanup)).toBe(true);
    unlockReleaseBuffer(cleanup);
  });

  test('a damaged page is an error, or zeroes when that is asked for', () => {
    extend(1);
    flushRelationBuffers(rel);
    dropRelationBuffers(rel, [FORK.main], [0]);
    const fd = openSync(path(), 'r+');
    writeSync(fd, Buffer.from([255, 255]), 0, 2, 12);
    closeSync(fd);
    const error = errorOf(() => read(0));
    expect(error.code).toBe('XX001');
    expect(error.message).toBe(`invalid page in block 0 of relation ${path()}`);
    endOwner(false);
    const buffer = read(0, RBM.zeroOnError);
    expect(warnings).toEqual([`invalid page in block 0 of relation ${path()}; zeroing out page`]);
    expect(wordOf(buffer)).toBe(0);
    releaseBuffer(buffer);
  });

  test('prefetching a block in the pool asks nobody', () => {
    extend(1);
    expect(prefetchBuffer(rel, FORK.main, 0)).toBe(false);
    flushRelationBuffers(rel);
    dropRelationBuffers(rel, [FORK.main], [0]);
    expect(prefetchBuffer(rel, FORK.main, 0)).toBe(true);
  });

  test('bulk extension returns the first block', () => {
    extend(1);
    expect(extendRelationBy(rel, 'u', FORK.main, 5, null)).toBe(1);
    expect(smgrNblocks(rel, FORK.main)).toBe(6);
    expect(pinnedBuffers()).toEqual([]);
  });
});

describe('owners', () => {
  test('an owner that ends gives back pins; at commit it says so', () => {
    extend(1);
    const buffer = read(0);
    endOwner(true);
    expect(warnings).toEqual([
      expect.stringMatching(
        new RegExp(
          `^buffer refcount leak: \\[\\d{3}\\] \\(rel=${path()}, blockNum=0, flags=0x[0-9a-f]+, refcount=1 1\\)$`,
        ),
      ),
    ]);
    expect(bufferIsPinned(buffer)).toBe(false);
    read(0);
    endOwner(false);
    expect(warnings).toHaveLength(1);
    expect(pinnedBuffers()).toEqual([]);
  });

  test('a failed write leaves the page dirty and the next try free', () => {
    extend(5);
    armInjectionPoints('bufferBeforeWrite:error');
    const error = errorOf(() => flushRelationBuffers(rel));
    expect(error.fields.context).toBe(`writing block 0 of relation ${path()}`);
    lwLockReleaseAll();
    endOwner(false);
    const buffer = read(0);
    const state = readState(descriptorAt(buffer - 1));
    expect(state & (BM_DIRTY | BM_IO_ERROR | BM_IO_IN_PROGRESS)).toBe(BM_DIRTY | BM_IO_ERROR);
    releaseBuffer(buffer);
    flushRelationBuffers(rel);
    expect(onDisk(0)).toBe(5);
  });

  test('a write that fails twice warns of a permanent error', () => {
    extend(5);
    for (let i = 0; i < 2; i++) {
      armInjectionPoints('bufferBeforeWrite:error');
      errorOf(() => flushRelationBuffers(rel));
      lwLockReleaseAll();
      endOwner(false);
    }
    expect(warnings).toEqual([`could not write block 0 of ${path()}`]);
  });

  test('a failed read leaves a buffer that the next reader fills', () => {
    extend(1);
    const missing = errorOf(() => read(3));
    expect(missing.message).toContain('could not read block 3');
    endOwner(false);
    extend(2);
    extend(3);
    extend(4);
    const buffer = read(3);
    expect(wordOf(buffer)).toBe(4);
    expect(readState(descriptorAt(buffer - 1)) & (BM_VALID | BM_IO_ERROR)).toBe(BM_VALID);
    releaseBuffer(buffer);
  });
});

describe('dirty pages', () => {
  test('markBufferDirty without an exclusive lock is our bug', () => {
    extend(1);
    const buffer = read(0);
    expect(() => markBufferDirty(buffer)).toThrow('locked exclusively');
    lockBuffer(buffer, BUFFER_LOCK.share);
    expect(() => markBufferDirty(buffer)).toThrow('locked exclusively');
    markBufferDirtyHint(buffer, true);
    unlockReleaseBuffer(buffer);
  });

  test('a hint dirties a clean page of an unlogged relation', () => {
    extend(1);
    flushRelationBuffers(rel);
    const buffer = read(0);
    lockBuffer(buffer, BUFFER_LOCK.share);
    mem.view.setUint32(bufferPage(buffer) + 24, 77, true);
    const before = bufferUsage.sharedDirtied;
    markBufferDirtyHint(buffer, true);
    markBufferDirtyHint(buffer, true);
    expect(bufferUsage.sharedDirtied - before).toBe(1);
    unlockReleaseBuffer(buffer);
    flushRelationBuffers(rel);
    expect(onDisk(0)).toBe(77);
  });

  test('a checkpoint leaves unlogged pages alone unless it must not', () => {
    extend(11);
    expect(checkpointBuffers(0)).toBe(0);
    expect(onDisk(0)).toBe(0);
    const before = bgwriterCounter('bufWrittenCheckpoints');
    expect(checkpointBuffers(CHECKPOINT.isShutdown)).toBe(1);
    expect(onDisk(0)).toBe(11);
    expect(bgwriterCounter('bufWrittenCheckpoints') - before).toBe(1);
    expect(checkpointBuffers(CHECKPOINT.isShutdown)).toBe(0);
  });

  test('a checkpoint writes several relations and tablespaces completely', () => {
    const other = newRelation();
    for (let i = 0; i < 9; i++) extend(i + 1);
    const mine = rel;
    rel = other;
    for (let i = 0; i < 5; i++) extend(100 + i);
    expect(checkpointBuffers(CHECKPOINT.flushAll)).toBe(14);
    for (let i = 0; i < 5; i++) expect(onDisk(i)).toBe(100 + i);
    rel = mine;
    for (let i = 0; i < 9; i++) expect(onDisk(i)).toBe(i + 1);
  });

  test('the background writer cleans ahead of the hand, and rests when there is nothing', () => {
    setConfigOption('bgwriter_lru_maxpages', '5', 'sighup', 'file');
    resetBackgroundSync();
    for (let i = 0; i < 2 * BUFFERS; i++) extend(i);
    const context = newWritebackContext(() => 0);
    // Usage counts are 1 after an extension: the sweep has to pass before anything is reusable.
    for (let i = 0; i < BUFFERS; i++) releaseBuffer(read(i));
    const before = bgwriterCounter('bufAlloc');
    expect(bgBufferSync(context)).toBe(false);
    expect(bgwriterCounter('bufAlloc')).toBeGreaterThan(before);
    for (let i = 0; i < 40; i++) bgBufferSync(context);
    expect(bgBufferSync(context)).toBe(true);
    setConfigOption('bgwriter_lru_maxpages', '100', 'sighup', 'file');
  });
});

describe('dropping', () => {
  test('truncated blocks vanish unwritten, the rest stays', () => {
    for (let i = 0; i < 6; i++) extend(i + 1);
    dropRelationBuffers(rel, [FORK.main], [2]);
    flushRelationBuffers(rel);
    expect([0, 1, 2, 5].map(onDisk)).toEqual([1, 2, 0, 0]);
  });
  test('a pinned page cannot be dropped', () => {
    extend(1);
    const buffer = read(0);
    expect(errorOf(() => dropRelationsAllBuffers([rel])).message).toBe('buffer is pinned in InvalidateBuffer');
    lwLockReleaseAll();
    releaseBuffer(buffer);
    dropRelationsAllBuffers([rel]);
  });
  test('dropping a database frees all its buffers for use', () => {
    for (let i = 0; i < BUFFERS; i++) extend(i);
    dropDatabaseBuffers(DATABASE);
    let valid = 0;
    for (let id = 0; id < nBuffers; id++) if ((readState(descriptorAt(id)) & BM_VALID) !== 0) valid++;
    expect(valid).toBe(0);
    const buffer = read(0);
    expect(wordOf(buffer)).toBe(0);
    releaseBuffer(buffer);
  });
});

describe('locks', () => {
  test('the cleanup lock needs the only pin', () => {
    extend(1);
    const buffer = read(0);
    expect(conditionalLockBufferForCleanup(buffer)).toBe(true);
    expect(isBufferCleanupOK(buffer)).toBe(true);
    incrBufferRefCount(buffer);
    expect(isBufferCleanupOK(buffer)).toBe(false);
    lockBuffer(buffer, BUFFER_LOCK.unlock);
    expect(conditionalLockBufferForCleanup(buffer)).toBe(false);
    expect(errorOf(() => lockBufferForCleanup(buffer)).message).toBe('incorrect local pin count: 2');
    releaseBuffer(buffer);
    lockBufferForCleanup(buffer);
    unlockReleaseBuffer(buffer);
  });
});

describe('rings', () => {
  test('a bulk read goes through a few buffers and leaves the pool alone', () => {
    for (let i = 0; i < 3 * BUFFERS; i++) extend(i + 1);
    flushRelationBuffers(rel);
    // A page that everybody likes.
    for (let i = 0; i < 5; i++) releaseBuffer(read(0));
    const strategy = getAccessStrategy('bulkread');
    expect(strategy.buffers.length).toBe(BUFFERS / 8);
    const used = new Set<number>();
    for (let i = 1; i < 3 * BUFFERS; i++) {
      const buffer = readBuffer(rel, 'u', FORK.main, i, RBM.normal, strategy);
      expect(wordOf(buffer)).toBe(i + 1);
      if (!lastReadWasHit) used.add(buffer);
      releaseBuffer(buffer);
    }
    expect(used.size).toBeLessThanOrEqual(BUFFERS / 8 + 1);
    const hits = bufferUsage.sharedHit;
    releaseBuffer(read(0));
    expect(bufferUsage.sharedHit - hits).toBe(1);
  });
});

describe('local buffers', () => {
  test('a temporary relation lives in the private pool', async () => {
    const { myProcess } = await import('#runtime/my-process.ts');
    myProcess.backendId = 3;
    const temp = smgrOpen(node(next++), 3);
    smgrCreate(temp, FORK.main, false);
    const before = { ...bufferUsage };
    for (let i = 0; i < 250; i++) {
      const buffer = readBuffer(temp, 't', FORK.main, P_NEW, RBM.normal, null);
      expect(buffer).toBeLessThan(0);
      lockBuffer(buffer, BUFFER_LOCK.exclusive);
      fill(buffer, i);
      markBufferDirty(buffer);
      unlockReleaseBuffer(buffer);
    }
    for (let i = 0; i < 250; i++) {
      const buffer = readBuffer(temp, 't', FORK.main, (i * 7) % 250, RBM.normal, null);
      expect(wordOf(buffer)).toBe((i * 7) % 250);
      releaseBuffer(buffer);
    }
    expect(bufferUsage.localWritten - before.localWritten).toBeGreaterThan(250);
    expect(bufferUsage.localRead - before.localRead).toBeGreaterThan(100);
    expect(bufferUsage.sharedRead).toBe(before.sharedRead);
    expect(readFileSync(`base/${DATABASE}/t3_${temp.rnode.relNode}`).length).toBe(250 * BLCKSZ);
    const pinned = readBuffer(temp, 't', FORK.main, 1, RBM.normal, null);
    expect(errorOf(() => dropRelationBuffers(temp, [FORK.main], [0])).message).toMatch(/is still referenced/);
    releaseBuffer(pinned);
    dropRelationBuffers(temp, [FORK.main], [0]);
    expect(errorOf(() => readBuffer(smgrOpen(node(9), 4), 't', FORK.main, 0, RBM.normal, null)).message).toBe(
      'cannot access temporary tables of other sessions',
    );
  });
});
