/** xlog.ts — the start of a cluster's history: pg_control, the first WAL segment with its one checkpoint record, and the
 *  first pages of the transaction logs.
 *
 *  Pure bytes: initdb works without the addon and without shared memory.
 *  Counterpart: BootStrapXLOG() of src/backend/access/transam/xlog.c, BootStrapCLOG(), BootStrapSUBTRANS(),
 *  BootStrapMultiXact(), src/backend/utils/cache/relmapper.c's write_relmap_file() */
import type { Oid } from '#base/ids.ts';
import type { Files } from '#catalog/bootstrap/bootstrap.ts';
import { BLCKSZ } from '#catalog/bootstrap/page.ts';

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0x82f63b78 : n >>> 1;
  return n;
});
/** CRC-32C of the parts one after another. */
export function crc32c(...parts: readonly Uint8Array[]): number {
  let crc = 0xffffffff;
  for (const part of parts) for (const byte of part) crc = CRC_TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

export interface BootStrapXlogOptions {
  readonly systemIdentifier: bigint;
  readonly walSegmentSize: number;
  readonly checksums: boolean;
  /** Seconds since 1970. */
  readonly time: number;
  /** 32 random bytes. */
  readonly nonce: Uint8Array;
}

/** initdb's last object has one less; the first ordinary start goes on at 16384. */
const NEXT_OID = 13572;
const FIRST_NORMAL_XID = 3;
const FIRST_MULTIXACT = 1;
const TEMPLATE1 = 1;
const CHECKPOINT_SIZE = 88;
const LONG_PAGE_HEADER = 40;
const RECORD_HEADER = 24;
const CONTROL_FILE_SIZE = 8192;
const CONTROL_CRC_AT = 288;
const DB_SHUTDOWNED = 1;
const WAL_LEVEL_REPLICA = 1;

function checkPoint(redo: number, time: number): Uint8Array {
  const bytes = new Uint8Array(CHECKPOINT_SIZE);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(redo), true);
  view.setUint32(8, 1, true);
  view.setUint32(12, 1, true);
  view.setUint8(16, 1);
  view.setBigUint64(24, BigInt(FIRST_NORMAL_XID), true);
  view.setUint32(32, NEXT_OID, true);
  view.setUint32(36, FIRST_MULTIXACT, true);
  view.setUint32(44, FIRST_NORMAL_XID, true);
  view.setUint32(48, TEMPLATE1, true);
  view.setUint32(52, FIRST_MULTIXACT, true);
  view.setUint32(56, TEMPLATE1, true);
  view.setBigInt64(64, BigInt(time), true);
  return bytes;
}

/** Page header and the shutdown checkpoint: what the first segment begins with; the rest of it is zero. */
function firstWalPage(options: BootStrapXlogOptions, contents: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(BLCKSZ);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0xd110, true);
  view.setUint16(2, 2, true);
  view.setUint32(4, 1, true);
  view.setBigUint64(8, BigInt(options.walSegmentSize), true);
  view.setBigUint64(24, options.systemIdentifier, true);
  view.setUint32(32, options.walSegmentSize, true);
  view.setUint32(36, BLCKSZ, true);
  const at = LONG_PAGE_HEADER;
  const length = RECORD_HEADER + 2 + contents.length;
  view.setUint32(at, length, true);
  bytes[at + RECORD_HEADER] = 255;
  bytes[at + RECORD_HEADER + 1] = contents.length;
  bytes.set(contents, at + RECORD_HEADER + 2);
  view.setUint32(at + 20, crc32c(bytes.subarray(at + RECORD_HEADER, at + length), bytes.subarray(at, at + 20)), true);
  return bytes;
}

function controlFile(options: BootStrapXlogOptions, redo: number, contents: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(CONTROL_FILE_SIZE);
  const view = new DataView(bytes.buffer);
  const u32 = (at: number, value: number): void => view.setUint32(at, value, true);
  view.setBigUint64(0, options.systemIdentifier, true);
  u32(8, 1300);
  u32(12, 202209061);
  u32(16, DB_SHUTDOWNED);
  view.setBigInt64(24, BigInt(options.time), true);
  view.setBigUint64(32, BigInt(redo), true);
  bytes.set(contents, 40);
  view.setBigUint64(128, 1000n, true);
  u32(172, WAL_LEVEL_REPLICA);
  u32(180, 100);
  u32(184, 8);
  u32(188, 10);
  u32(192, 0);
  u32(196, 64);
  u32(204, 8);
  view.setFloat64(208, 1234567, true);
  u32(216, BLCKSZ);
  u32(220, 131072);
  u32(224, BLCKSZ);
  u32(228, options.walSegmentSize);
  u32(232, 64);
  u32(236, 32);
  u32(240, 1996);
  u32(244, 2048);
  bytes[248] = 1;
  u32(252, options.checksums ? 1 : 0);
  bytes.set(options.nonce.subarray(0, 32), 256);
  u32(CONTROL_CRC_AT, crc32c(bytes.subarray(0, CONTROL_CRC_AT)));
  return bytes;
}

/** The files of a history that begins now; the WAL segment is to be filled up with zeros to its size. */
export function bootStrapXlog(options: BootStrapXlogOptions): Files {
  const redo = options.walSegmentSize + LONG_PAGE_HEADER;
  const contents = checkPoint(redo, options.time);
  const zeroPage = (): Uint8Array => new Uint8Array(BLCKSZ);
  return new Map([
    ['pg_xact/0000', zeroPage()],
    ['pg_subtrans/0000', zeroPage()],
    ['pg_multixact/offsets/0000', zeroPage()],
    ['pg_multixact/members/0000', zeroPage()],
    ['pg_wal/000000010000000000000001', firstWalPage(options, contents)],
    ['global/pg_control', controlFile(options, redo, contents)],
  ]);
}

const RELMAP_MAGIC = 0x592717;
const RELMAP_SIZE = 512;
const RELMAP_CRC_AT = 504;
/** pg_filenode.map: relations whose pg_class row cannot tell where they are. */
export function relationMap(entries: readonly (readonly [Oid, number])[]): Uint8Array {
  const bytes = new Uint8Array(RELMAP_SIZE);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, RELMAP_MAGIC, true);
  view.setInt32(4, entries.length, true);
  entries.forEach(([oid, file], i) => {
    view.setUint32(8 + 8 * i, oid, true);
    view.setUint32(12 + 8 * i, file, true);
  });
  view.setUint32(RELMAP_CRC_AT, crc32c(bytes.subarray(0, RELMAP_CRC_AT)), true);
  return bytes;
}
