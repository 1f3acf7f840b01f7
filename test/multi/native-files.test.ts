import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { type Native, nativeShmPath } from '../support/native-script.ts';

const require = createRequire(import.meta.url);
const native = require(nativeShmPath) as Native;
const folder = mkdtempSync(join(tmpdir(), 'native-'));
const memory = native.createSegment('files', 1 << 20);
const { segment, buffer } = native.mapShared(memory, 1 << 20);
const bytes = new Uint8Array(buffer);

afterAll(() => {
  native.unmapShared(segment);
  native.closeFd(memory);
  rmSync(folder, { recursive: true });
});

function withFile<T>(work: (fd: number, path: string) => T): T {
  const path = join(folder, 'file');
  const fd = openSync(path, 'w+');
  try {
    return work(fd, path);
  } finally {
    closeSync(fd);
  }
}

test('files are opened, measured, cut, renamed and removed; failures are -errno', () => {
  const { ENOENT, EEXIST } = native.ERRNO;
  const [path, other] = [join(folder, 'opened'), join(folder, 'renamed')];
  const { O_RDWR, O_CREAT, O_EXCL } = constants;
  expect(native.openFile(path, O_RDWR, 0)).toBe(-ENOENT);
  const fd = native.openFile(path, O_RDWR | O_CREAT, 0o600);
  expect(fd).toBeGreaterThan(2);
  expect(native.openFile(path, O_RDWR | O_CREAT | O_EXCL, 0o600)).toBe(-EEXIST);
  expect(native.fileLength(fd)).toBe(0);
  expect(native.truncateFile(fd, 5 * 2 ** 30)).toBe(0);
  expect(native.fileLength(fd)).toBe(5 * 2 ** 30);
  expect(native.renameFile(path, other)).toBe(0);
  expect(native.renameFile(path, other)).toBe(-ENOENT);
  expect(native.unlinkFile(other)).toBe(0);
  expect(native.unlinkFile(other)).toBe(-ENOENT);
  native.closeFd(fd);
  expect(native.fileLength(fd)).toBeLessThan(0);
});

test('pages move between the segment and a file at their positions', () => {
  withFile((fd, path) => {
    bytes.fill(7, 8192, 16384);
    expect(native.pwriteSegment(fd, segment, 8192, 8192, 8192)).toBe(8192);
    expect(native.preadSegment(fd, segment, 65536, 8192, 0)).toBe(8192);
    expect(bytes[65536]).toBe(0);
    expect(native.preadSegment(fd, segment, 65536, 8192, 8192)).toBe(8192);
    expect(bytes.subarray(65536, 65536 + 8192).every((byte) => byte === 7)).toBe(true);
    expect(native.preadSegment(fd, segment, 65536, 8192, 12288)).toBe(4096);
    expect(native.preadSegment(fd, segment, 65536, 8192, 16384)).toBe(0);
    expect(readFileSync(path).length).toBe(16384);
    expect(() => native.preadSegment(fd, segment, (1 << 20) - 1, 2, 0)).toThrow(RangeError);
    expect(native.preadSegment(999, segment, 0, 1, 0)).toBeLessThan(0);
  });
});

test('several ranges of the segment are written as one', () => {
  withFile((fd, path) => {
    bytes.set(new TextEncoder().encode('abcdefghij'), 100);
    const ranges = [
      [108, 2],
      [100, 3],
      [105, 0],
      [104, 1],
    ] as const;
    expect(native.pwritevSegment(fd, segment, ranges, 4)).toBe(6);
    expect(readFileSync(path, 'latin1')).toBe('\0\0\0\0ijabce');
    expect(() => native.pwritevSegment(fd, segment, [[1 << 20, 1]], 0)).toThrow(RangeError);
    expect(() => native.pwritevSegment(fd, segment, [[-1, 1]], 0)).toThrow(RangeError);
    expect(() => native.pwritevSegment(fd, segment, [[1] as unknown as [number, number]], 0)).toThrow(TypeError);
  });
});

test('room is allocated, synced and advised about', () => {
  withFile((fd, path) => {
    writeSync(fd, 'x');
    expect(native.posixFallocate(fd, 0, 100_000)).toBe(0);
    expect(readFileSync(path).length).toBe(100_000);
    expect(native.fdatasync(fd)).toBe(0);
    expect(native.fsync(fd)).toBe(0);
    expect(native.syncFileRange(fd, 0, 8192)).toBe(0);
    expect(native.posixFadviseWillNeed(fd, 0, 8192)).toBe(0);
    expect(native.posixFadviseDontNeed(fd, 0, 8192)).toBe(0);
    expect(native.posixFallocate(fd, 0, 0)).toBe(-native.ERRNO.EINVAL);
    expect(native.fsync(999)).toBeLessThan(0);
  });
  const directory = native.openReadOnly(folder);
  expect(native.fsync(directory)).toBe(0);
  native.closeFd(directory);
});

test('bytes of a view over the segment and of a small array are read without a copy going wrong', () => {
  withFile((_, path) => {
    writeFileSync(path, '0123456789');
    const fd = native.openReadOnly(path);
    const small = new Uint8Array(4);
    expect(native.readBytes(fd, small, 1, 3)).toBe(3);
    expect([...small]).toEqual([0, 48, 49, 50]);
    expect(native.readBytes(fd, bytes.subarray(500, 510), 2, 5)).toBe(5);
    expect(new TextDecoder().decode(bytes.slice(502, 507))).toBe('34567');
    native.closeFd(fd);
  });
});

const checksum = (data: Uint8Array, seed = 0): number => native.crc32c(data, 0, data.length, seed);

test('CRC-32C gives the published values', () => {
  expect(checksum(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
  expect(checksum(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(checksum(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  expect(checksum(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  expect(checksum(Uint8Array.from({ length: 32 }, (_, i) => 31 - i))).toBe(0x113fdb5c);
  expect(checksum(new Uint8Array(0))).toBe(0);
});

/** Bit by bit, from the definition. */
function slowChecksum(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}

test('instruction, table and definition agree at every length and alignment, and seeds continue', () => {
  const file = `native_shm-${process.versions.modules}-${process.arch}.node`;
  const addon = require(join(nativeShmPath, '..', 'lib', file)) as { crc32cByTable: Native['crc32c'] };
  const data = Uint8Array.from({ length: 300 }, (_, i) => (i * 7919 + (i >> 3)) & 0xff);
  for (let offset = 0; offset < 9; offset++) {
    for (let length = 0; length < 60; length++) {
      const expected = slowChecksum(data.subarray(offset, offset + length));
      expect(native.crc32c(data, offset, length, 0)).toBe(expected);
      expect(addon.crc32cByTable(data, offset, length, 0)).toBe(expected);
      expect(checksum(data.subarray(offset, offset + length))).toBe(expected);
    }
  }
  const whole = slowChecksum(data);
  for (const cut of [0, 1, 7, 8, 150, 299, 300]) {
    const seed = native.crc32c(data, 0, cut, 0);
    expect(native.crc32c(data, cut, 300 - cut, seed)).toBe(whole);
  }
  bytes.set(data, 777);
  expect(native.crc32cSegment(segment, 777, 300, 0)).toBe(whole);
});
