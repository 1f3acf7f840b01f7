import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { Lsn, Oid } from '#base/ids.ts';
import { mem } from '#shm/memory.ts';
import { privateReserve } from '#shm/private-memory.ts';
import { controlFile } from '#wal/control-file.ts';
import { FileWalSource } from '#wal/file-source.ts';
import {
  getFlushRecPtr,
  getXLogInsertRecPtr,
  REGBUF,
  requestXLogSwitch,
  walScratch,
  xlogBeginInsert,
  xlogFlush,
  xlogInsert,
  xlogPutNextOid,
  xlogRegisterBlock,
  xlogRegisterBufData,
  xlogRegisterData,
  xlogRestorePoint,
} from '#wal/insert.ts';
import { restoreBlockImage, WalReader } from '#wal/reader.ts';
import { RM } from '#wal/rmgr-ids.ts';
import { pageOffset, segmentStart, XLOG } from '#wal/wal-format.ts';
import { openWalCluster, type WalCluster } from '../../support/wal-cluster.ts';

const WALDUMP = '/usr/lib/postgresql/15/bin/pg_waldump';
const CONTROLDATA = '/usr/lib/postgresql/15/bin/pg_controldata';
const havePostgres = existsSync(WALDUMP);
const node = { spcNode: 1663 as Oid, dbNode: 5 as Oid, relNode: 16384 as Oid };

let cluster: WalCluster;
afterEach(() => process.env['KEEP'] === undefined && cluster.remove());

function waldump(...args: string[]): string {
  try {
    return execFileSync(WALDUMP, ['-p', 'pg_wal', ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (caught) {
    const { stdout, stderr } = caught as { stdout: string; stderr: string };
    return `${stdout}${stderr}`;
  }
}

/** A heap page with `lower` and `upper`, its rows a pattern. */
function makePage(lower: number, upper: number, seed: number, lsn = 0): number {
  const at = privateReserve(8192);
  mem.u8.fill(0, at, at + 8192);
  for (let i = upper; i < 8192; i++) mem.u8[at + i] = (i * seed) & 0xff;
  mem.view.setUint32(at, Math.floor(lsn / 2 ** 32), true);
  mem.view.setUint32(at + 4, lsn >>> 0, true);
  mem.view.setUint16(at + 12, lower, true);
  mem.view.setUint16(at + 14, upper, true);
  mem.view.setUint16(at + 16, 8192, true);
  mem.view.setUint16(at + 18, 8192 | 4, true);
  return at;
}

function insertBytes(rmid: number, info: number, length: number): Lsn {
  xlogBeginInsert();
  const at = walScratch(length);
  for (let i = 0; i < length; i++) mem.u8[at + i] = i & 0xff;
  xlogRegisterData(at, length);
  return xlogInsert(rmid, info);
}

const readAll = (from: number): { reader: WalReader; read: { lsn: number; rmid: number; length: number }[] } => {
  const reader = new WalReader(new FileWalSource(1), controlFile.systemIdentifier);
  reader.beginRead(from as Lsn);
  const read = [];
  for (let r = reader.read(); r !== null; r = reader.read())
    read.push({ lsn: r.lsn, rmid: r.rmid, length: r.mainLength });
  return { reader, read };
};

describe('inserting WAL', () => {
  it('writes records of every size that the reader and pg_waldump accept', () => {
    cluster = openWalCluster();
    const first = getXLogInsertRecPtr();
    const lengths = [1, 8, 100, 255, 256, 5000, 8144, 8145, 20_000, 300_000, 7, 1_200_000, 3];
    let end = 0 as Lsn;
    for (const length of lengths) end = insertBytes(RM.xlog, XLOG.noop, length);
    xlogFlush(end);
    expect(getFlushRecPtr()).toBeGreaterThanOrEqual(end);
    const { reader, read } = readAll(first);
    expect(read.map((r) => r.length)).toEqual(lengths);
    expect(reader.errorMessage).toMatch(/^invalid record length at 0\/[0-9A-F]+: wanted 24, got 0$/);
    expect(reader.endRecPtr).toBe(end + (-end & 7));
    if (!havePostgres) return;
    const text = waldump('-s', '0/100028');
    expect(text).toContain('CHECKPOINT_SHUTDOWN');
    expect(text.match(/desc: NOOP/g)?.length).toBe(lengths.length);
    expect(text).toMatch(/invalid record length at 0\/[0-9A-F]+: wanted 24, got 0/);
  });

  it('takes the image of a page first changed after the checkpoint, and its data afterwards', () => {
    cluster = openWalCluster();
    const page = makePage(60, 6000, 7);
    const data = privateReserve(16);
    mem.u8.fill(0xab, data, data + 10);
    const first = getXLogInsertRecPtr();
    const insert = (): Lsn => {
      xlogBeginInsert();
      xlogRegisterBlock(0, node, 0, 3, page, REGBUF.standard);
      xlogRegisterBufData(0, data, 10);
      xlogRegisterData(data, 3);
      const lsn = xlogInsert(RM.heap, 0);
      mem.view.setUint32(page, Math.floor(lsn / 2 ** 32), true);
      mem.view.setUint32(page + 4, lsn >>> 0, true);
      return lsn;
    };
    const one = insert();
    const before = Buffer.from(mem.u8.slice(page, page + 8192));
    before.fill(0, 0, 8);
    const two = insert();
    xlogFlush(two);
    const reader = new WalReader(new FileWalSource(1), 0n);
    reader.beginRead(first);
    const record = reader.read()!;
    expect(record.endLsn).toBe(one + (-one & 7));
    const [block] = record.blocks;
    expect([block!.hasImage, block!.hasData, block!.holeOffset, block!.holeLength]).toEqual([true, false, 60, 5940]);
    expect(block!.rnode).toEqual(node);
    const restored = privateReserve(8192);
    mem.u8.fill(0xff, restored, restored + 8192);
    restoreBlockImage(record, 0, restored);
    expect(Buffer.from(mem.u8.slice(restored, restored + 8192)).equals(before)).toBe(true);
    const { lsn } = record;
    const next = reader.read()!;
    expect([next.blocks[0]!.hasImage, next.blocks[0]!.hasData, next.blocks[0]!.dataLength]).toEqual([false, true, 10]);
    expect(next.prevLsn).toBe(lsn);
    expect([next.mainLength, mem.u8[next.mainAt]]).toEqual([3, 0xab]);
  });

  it('compresses images with pglz as PostgreSQL does', () => {
    cluster = openWalCluster({ settings: { wal_compression: 'pglz' } });
    const first = getXLogInsertRecPtr();
    const page = makePage(60, 200, 0);
    mem.u8.set(Buffer.from('the same words again and again, '.repeat(200)), page + 300);
    const original = Buffer.from(mem.u8.slice(page, page + 8192));
    xlogBeginInsert();
    xlogRegisterBlock(0, node, 0, 0, page, REGBUF.standard | REGBUF.forceImage);
    xlogFlush(xlogInsert(RM.xlog, 0xb0));
    const reader = new WalReader(new FileWalSource(1), 0n);
    reader.beginRead(first);
    const record = reader.read()!;
    expect(record.totalLength).toBeLessThan(1000);
    const restored = privateReserve(8192);
    restoreBlockImage(record, 0, restored);
    original.fill(0, 60, 200);
    expect(Buffer.from(mem.u8.slice(restored, restored + 8192)).equals(original)).toBe(true);
    if (havePostgres) expect(waldump('-b', '-s', '0/100028')).toContain('compression saved');
  });

  it('switches segments, and a switch at a segment start does nothing', () => {
    cluster = openWalCluster();
    insertBytes(RM.xlog, XLOG.noop, 40);
    const end = requestXLogSwitch(false);
    expect(pageOffset(end)).not.toBe(0);
    expect(getXLogInsertRecPtr()).toBe(segmentStart(2) + 40);
    expect(getFlushRecPtr()).toBe(segmentStart(2));
    expect(requestXLogSwitch(false)).toBe(segmentStart(2));
    xlogPutNextOid(24576 as Oid);
    xlogFlush(xlogRestorePoint('here'));
    const { read } = readAll(controlFile.checkPoint);
    expect(read.length).toBe(5);
    if (!havePostgres) return;
    const text = waldump('-s', '0/100028');
    expect(text).toMatch(/desc: SWITCH/);
    expect(text).toMatch(/desc: NEXTOID 24576/);
    expect(text).toMatch(/desc: RESTORE_POINT here/);
    expect(readdirSync('pg_wal').filter((name) => name.length === 24).length).toBe(2);
  });

  it('makes a control file that pg_controldata accepts', () => {
    cluster = openWalCluster();
    if (!havePostgres) return;
    const text = execFileSync(CONTROLDATA, ['-D', cluster.folder], { encoding: 'utf8' });
    expect(text).toMatch(/Bytes per WAL segment: +1048576/);
    expect(text).toMatch(/Database cluster state: +shut down/);
    expect(text).not.toMatch(/WARNING/);
  });
});
