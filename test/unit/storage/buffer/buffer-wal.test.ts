/** Buffers and WAL: what is flushed first, what is logged in full, and how replay reads its blocks. */
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { BLCKSZ, FORK, type Lsn } from '#base/ids.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import { reportHooks } from '#runtime/error/report.ts';
import { setConfigOption } from '#runtime/guc/guc.ts';
import { becomeProcess } from '#runtime/my-process.ts';
import { mem } from '#shm/memory.ts';
import { initProcess, procAt } from '#shm/proc.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { initWaiting } from '#shm/wait-event-set.ts';
import { BM_DIRTY, BUFFER_LOCK, P_NEW, RBM } from '#storage/buffer/buffer-layout.ts';
import { readState } from '#storage/buffer/buffer-header.ts';
import { lockBuffer, unlockReleaseBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferBlock, bufferLsnAtomic, bufferPage, bufferShmem, descriptorAt } from '#storage/buffer/buffer-pool.ts';
import { logNewpageBuffer, logNewpageRange, xlogRegisterBuffer } from '#storage/buffer/buffer-wal.ts';
import { checkpointBuffers } from '#storage/buffer/checkpoint-buffers.ts';
import { markBufferDirty, markBufferDirtyHint } from '#storage/buffer/dirty.ts';
import { dropRelationsAllBuffers } from '#storage/buffer/drop-buffers.ts';
import { flushRelationBuffers } from '#storage/buffer/flush.ts';
import { forgetPins, releaseBuffer } from '#storage/buffer/pin.ts';
import { readBuffer } from '#storage/buffer/read-buffer.ts';
import {
  REDO,
  xlogCheckInvalidPages,
  xlogDropRelation,
  xlogHaveInvalidPages,
  xlogInitBufferForRedo,
  xlogReadBufferExtended,
  xlogReadBufferForRedo,
  xlogTruncateRelation,
} from '#storage/buffer/redo-buffers.ts';
import { pageAddItem, pageGetLsn, pageInit, pageSetLsn } from '#storage/page/page.ts';
import { pageChecksum } from '#storage/page/page-checksum.ts';
import { smgrCloseAll, smgrCreate, smgrOpen, type SmgrRelation } from '#storage/smgr/smgr.ts';
import { controlFile } from '#wal/control-file.ts';
import { FileWalSource } from '#wal/file-source.ts';
import {
  getFlushRecPtr,
  getXLogInsertRecPtr,
  REGBUF,
  walScratch,
  xlogBeginInsert,
  xlogFlush,
  xlogInsert,
  xlogRegisterBufData,
} from '#wal/insert.ts';
import { WalReader } from '#wal/reader.ts';
import { replay } from '#wal/recovery-state.ts';
import { RM } from '#wal/rmgr-ids.ts';
import { publishInfoRedoPointer, publishRedoPointer } from '#wal/start-insert.ts';
import { beginOwner, DATABASE, endOwner, node } from '../../../support/pool-fixture.ts';
import { openWalCluster, type WalCluster } from '../../../support/wal-cluster.ts';

const WALDUMP = '/usr/lib/postgresql/15/bin/pg_waldump';
let cluster: WalCluster;
let rel: SmgrRelation;
let next = 50_000;

function open(checksums: boolean): void {
  cluster = openWalCluster({ checksums, settings: { shared_buffers: '64' }, subsystems: [bufferShmem] });
  mkdirSync(`base/${DATABASE}`, { recursive: true });
  becomeProcess('standalone', 'test');
  forgetPins();
  initWaiting(-1);
  initProcess('client');
  beginOwner();
  rel = smgrOpen(node(next++), -1);
  smgrCreate(rel, FORK.main, false);
}
beforeEach(() => open(true));
afterEach(() => {
  vi.restoreAllMocks();
  replay.inRecovery = false;
  replay.reachedConsistency = false;
  endOwner(false);
  smgrCloseAll();
  cluster.remove();
});

const path = (): string => `base/${DATABASE}/${rel.rnode.relNode}`;
const read = (block: number): number => readBuffer(rel, 'p', FORK.main, block, RBM.normal, null);
/** A checkpoint's redo point, as far as pages are concerned. */
function moveRedo(): void {
  const redo = getXLogInsertRecPtr();
  publishRedoPointer(redo);
  publishInfoRedoPointer(redo);
}
/** Extends by a page with one item of `length` bytes, logged in full. */
function extendLogged(length: number): number {
  const buffer = readBuffer(rel, 'p', FORK.main, P_NEW, RBM.zeroAndLock, null);
  const page = bufferPage(buffer);
  pageInit(page, 0);
  const item = walScratch(length);
  for (let i = 0; i < length; i++) mem.u8[item + i] = (i * 7) & 255;
  pageAddItem(page, item, length, 0, false, true);
  beginCritical();
  markBufferDirty(buffer);
  logNewpageBuffer(buffer, true);
  endCritical();
  const block = bufferBlock(buffer);
  unlockReleaseBuffer(buffer);
  return block;
}
function records(from: number): WalReader {
  xlogFlush(getXLogInsertRecPtr());
  const reader = new WalReader(new FileWalSource(1), controlFile.systemIdentifier);
  reader.beginRead(from as Lsn);
  return reader;
}

describe('writing', () => {
  test('WAL is flushed up to a page before the page is written, with its checksum', () => {
    const block = extendLogged(200);
    const buffer = read(block);
    const lsn = bufferLsnAtomic(buffer);
    releaseBuffer(buffer);
    expect(getFlushRecPtr()).toBeLessThan(lsn);
    expect(checkpointBuffers(0)).toBe(1);
    expect(getFlushRecPtr()).toBeGreaterThanOrEqual(lsn);
    const bytes = readFileSync(path());
    const again = read(block);
    expect(bytes.readUInt16LE(8)).toBe(pageChecksum(bufferPage(again), block));
    // In memory it stays as it was: only the copy that was written has it.
    expect(mem.view.getUint16(bufferPage(again) + 8, true)).toBe(0);
    releaseBuffer(again);
  });

  test('a page whose checksum is wrong is refused, unless it is to be ignored', () => {
    extendLogged(100);
    flushRelationBuffers(rel);
    dropRelationsAllBuffers([rel]);
    const stored = readFileSync(path()).readUInt16LE(8);
    const fd = openSync(path(), 'r+');
    writeSync(fd, Buffer.from([1]), 0, 1, 8191);
    closeSync(fd);
    const warnings: string[] = [];
    vi.spyOn(reportHooks, 'emit').mockImplementation((_level, fields) => void warnings.push(fields.message));
    expect(() => read(0)).toThrow(`invalid page in block 0 of relation ${path()}`);
    expect(warnings).toEqual([
      expect.stringMatching(new RegExp(`^page verification failed, calculated checksum \\d+ but expected ${stored}$`)),
    ]);
    endOwner(false);
    setConfigOption('ignore_checksum_failure', 'on', 'superuser', 'session');
    const buffer = read(0);
    setConfigOption('ignore_checksum_failure', 'off', 'superuser', 'session');
    expect(mem.u8[bufferPage(buffer) + 8191]).toBe(1);
    releaseBuffer(buffer);
  });
});

describe('hint bits', () => {
  test('the first one after a checkpoint logs the page once, later ones do not', () => {
    const block = extendLogged(100);
    flushRelationBuffers(rel);
    moveRedo();
    const from = getXLogInsertRecPtr();
    const buffer = read(block);
    lockBuffer(buffer, BUFFER_LOCK.share);
    mem.u8[bufferPage(buffer) + 8190] = 99;
    markBufferDirtyHint(buffer, true);
    const lsn = pageGetLsn(bufferPage(buffer));
    expect(lsn).toBeGreaterThan(from);
    mem.u8[bufferPage(buffer) + 8191] = 99;
    markBufferDirtyHint(buffer, true);
    expect(pageGetLsn(bufferPage(buffer))).toBe(lsn);
    expect(PgProc.delayChkptFlags.load(mem, procAt(0))).toBe(0);
    unlockReleaseBuffer(buffer);
    const reader = records(from);
    const record = reader.read()!;
    expect([record.rmid, record.info & 0xf0]).toEqual([RM.xlog, 0xa0]);
    expect(record.blocks[0]!.hasImage).toBe(true);
    expect(record.blocks[0]!.holeLength).toBeGreaterThan(7000);
    expect(reader.read()).toBeNull();
    if (existsSync(WALDUMP)) {
      const text = execFileSync(WALDUMP, ['-p', 'pg_wal', '-n', '1', '-s', `0/${from.toString(16)}`], {
        encoding: 'utf8',
      });
      expect(text).toContain('FPI_FOR_HINT');
      expect(text).toContain(`blkref #0: rel 1663/${DATABASE}/${rel.rnode.relNode} blk 0 FPW`);
    }
  });

  test('in recovery the hint stays in memory and the page clean', () => {
    const block = extendLogged(100);
    flushRelationBuffers(rel);
    moveRedo();
    const buffer = read(block);
    lockBuffer(buffer, BUFFER_LOCK.share);
    const before = getXLogInsertRecPtr();
    return import('#wal/recovery-state.ts').then(({ forgetRecoveryState, RECOVERY_STATE, setRecoveryState }) => {
      setRecoveryState(RECOVERY_STATE.archive);
      forgetRecoveryState();
      markBufferDirtyHint(buffer, true);
      expect(readState(descriptorAt(buffer - 1)) & BM_DIRTY).toBe(0);
      expect(getXLogInsertRecPtr()).toBe(before);
      setRecoveryState(RECOVERY_STATE.done);
      unlockReleaseBuffer(buffer);
    });
  });

  test('without checksums nothing is logged', () => {
    endOwner(false);
    smgrCloseAll();
    cluster.remove();
    open(false);
    const block = extendLogged(100);
    flushRelationBuffers(rel);
    moveRedo();
    const before = getXLogInsertRecPtr();
    const buffer = read(block);
    lockBuffer(buffer, BUFFER_LOCK.share);
    markBufferDirtyHint(buffer, true);
    expect(getXLogInsertRecPtr()).toBe(before);
    expect(readState(descriptorAt(buffer - 1)) & BM_DIRTY).not.toBe(0);
    unlockReleaseBuffer(buffer);
  });
});

describe('whole pages', () => {
  test('a range is logged 32 pages a record; new pages are left out', () => {
    for (let i = 0; i < 40; i++) {
      const buffer = readBuffer(rel, 'p', FORK.main, P_NEW, RBM.zeroAndLock, null);
      if (i !== 5) pageInit(bufferPage(buffer), 0);
      markBufferDirty(buffer);
      unlockReleaseBuffer(buffer);
    }
    const from = getXLogInsertRecPtr();
    logNewpageRange(rel, 'p', FORK.main, 0, 40, true);
    const reader = records(from);
    const blocks: number[] = [];
    const sizes: number[] = [];
    for (let record = reader.read(); record !== null; record = reader.read()) {
      sizes.push(record.maxBlockId + 1);
      for (let i = 0; i <= record.maxBlockId; i++) blocks.push(record.blocks[i]!.block);
    }
    expect(sizes).toEqual([32, 7]);
    expect(blocks).toEqual(Array.from({ length: 40 }, (_, i) => i).filter((i) => i !== 5));
  });
});

describe('replay', () => {
  test('an image restores a page that the disk has lost, byte for byte', () => {
    const from = getXLogInsertRecPtr();
    extendLogged(300);
    const buffer = read(0);
    const expected = Buffer.from(mem.u8.slice(bufferPage(buffer), bufferPage(buffer) + BLCKSZ));
    releaseBuffer(buffer);
    const reader = records(from);
    dropRelationsAllBuffers([rel]);
    truncateSync(path(), 0);
    smgrCloseAll();
    rel = smgrOpen(rel.rnode, -1);
    replay.inRecovery = true;
    const record = reader.read()!;
    const redo = xlogReadBufferForRedo(record, 0);
    expect(redo.action).toBe(REDO.restored);
    const page = bufferPage(redo.buffer);
    expect(Buffer.from(mem.u8.slice(page, page + BLCKSZ)).equals(expected)).toBe(true);
    unlockReleaseBuffer(redo.buffer);
  });

  test('a change is applied to an older page only', () => {
    const block = extendLogged(50);
    const from = getXLogInsertRecPtr();
    const buffer = read(block);
    lockBuffer(buffer, BUFFER_LOCK.exclusive);
    beginCritical();
    markBufferDirty(buffer);
    xlogBeginInsert();
    xlogRegisterBuffer(0, buffer, REGBUF.standard);
    const data = walScratch(4);
    xlogRegisterBufData(0, data, 4);
    const lsn = xlogInsert(RM.heap, 0);
    pageSetLsn(bufferPage(buffer), lsn);
    endCritical();
    const page = bufferPage(buffer);
    unlockReleaseBuffer(buffer);
    const record = records(from).read()!;
    const done = xlogReadBufferForRedo(record, 0);
    expect(done.action).toBe(REDO.done);
    pageSetLsn(page, (lsn - 100) as Lsn);
    unlockReleaseBuffer(done.buffer);
    const needed = xlogReadBufferForRedo(record, 0);
    expect(needed.action).toBe(REDO.needsRedo);
    unlockReleaseBuffer(needed.buffer);
  });

  test('blocks behind the end are remembered until a drop or truncation explains them', () => {
    extendLogged(50);
    const { rnode } = rel;
    const other = node(next++);
    expect(xlogReadBufferExtended(rnode, FORK.main, 7, RBM.normalNoLog)).toBe(0);
    expect(xlogHaveInvalidPages()).toBe(false);
    expect(xlogReadBufferExtended(rnode, FORK.main, 7, RBM.normal)).toBe(0);
    expect(xlogReadBufferExtended(rnode, FORK.main, 3, RBM.normal)).toBe(0);
    expect(xlogReadBufferExtended(other, FORK.main, 0, RBM.normal)).toBe(0);
    xlogTruncateRelation(rnode, FORK.main, 5);
    xlogDropRelation(other, FORK.main);
    expect(xlogHaveInvalidPages()).toBe(true);
    const messages: string[] = [];
    vi.spyOn(reportHooks, 'emit').mockImplementation(
      (level, fields) => void messages.push(`${level} ${fields.message}`),
    );
    vi.spyOn(reportHooks, 'abortProcess').mockImplementation(() => {
      throw new Error('aborted');
    });
    expect(() => xlogCheckInvalidPages()).toThrow('aborted');
    expect(messages).toEqual([
      `WARNING page 3 of relation ${path()} does not exist`,
      'PANIC WAL contains references to invalid pages',
    ]);
    xlogTruncateRelation(rnode, FORK.main, 0);
    xlogCheckInvalidPages();
    replay.reachedConsistency = true;
    expect(() => xlogReadBufferExtended(rnode, FORK.main, 9, RBM.normal)).toThrow('aborted');
  });

  test('a zeroing mode extends to the block that it needs', () => {
    replay.inRecovery = true;
    const buffer = xlogReadBufferExtended(rel.rnode, FORK.main, 4, RBM.zeroAndLock);
    expect(bufferBlock(buffer)).toBe(4);
    unlockReleaseBuffer(buffer);
    expect(readFileSync(path()).length).toBe(5 * BLCKSZ);
  });

  test('a record that initialises its page says so, and its redo must know', () => {
    const from = getXLogInsertRecPtr();
    const buffer = readBuffer(rel, 'p', FORK.main, P_NEW, RBM.zeroAndLock, null);
    pageInit(bufferPage(buffer), 0);
    beginCritical();
    markBufferDirty(buffer);
    xlogBeginInsert();
    xlogRegisterBuffer(0, buffer, REGBUF.willInit);
    pageSetLsn(bufferPage(buffer), xlogInsert(RM.heap, 0));
    endCritical();
    unlockReleaseBuffer(buffer);
    const record = records(from).read()!;
    vi.spyOn(reportHooks, 'emit').mockImplementation(() => {});
    vi.spyOn(reportHooks, 'abortProcess').mockImplementation(() => {
      throw new Error('aborted');
    });
    expect(() => xlogReadBufferForRedo(record, 0)).toThrow('aborted');
    const fresh = xlogInitBufferForRedo(record, 0);
    expect(bufferBlock(fresh)).toBe(0);
    unlockReleaseBuffer(fresh);
  });
});
