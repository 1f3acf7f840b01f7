/** wal-format.ts — the bytes of the write-ahead log: positions, page headers, record headers, file names.
 *
 *  Page header (24 bytes, 40 on the first page of a segment):
 *    0 magic u16 · 2 info u16 · 4 timeline u32 · 8 page address u64 · 16 bytes of the continued record u32 · 20 pad
 *    24 system identifier u64 · 32 segment size u32 · 36 block size u32
 *  Record header (24 bytes):
 *    0 total length u32 · 4 xid u32 · 8 previous record u64 · 16 info u8 · 17 rmgr u8 · 18 pad · 20 crc u32
 *
 *  "Usable byte position": a position with all page headers left out, so that reserving room is one addition.
 *  Counterpart: src/include/access/xlog_internal.h, xlogrecord.h; XLogBytePosToRecPtr() and kin of xlog.c */
import type { Lsn } from '#base/ids.ts';
import type { Memory } from '#base/struct.ts';
import { settings } from '#runtime/guc/guc.ts';

export const XLOG_BLCKSZ = 8192;
export const XLOG_PAGE_MAGIC = 0xd110;
export const SHORT_HEADER = 24;
export const LONG_HEADER = 40;
export const RECORD_HEADER = 24;

export const XLP = {
  firstIsContrecord: 0x0001,
  longHeader: 0x0002,
  bkpRemovable: 0x0004,
  firstIsOverwriteContrecord: 0x0008,
  allFlags: 0x000f,
} as const;

/** Bits of xl_info that are not the resource manager's. */
export const XLR_INFO_MASK = 0x0f;
export const XLR_RMGR_INFO_MASK = 0xf0;
export const XLR_SPECIAL_REL_UPDATE = 0x01;
export const XLR_CHECK_CONSISTENCY = 0x02;
export const XLR_MAX_BLOCK_ID = 32;
export const XLR_BLOCK_ID = { dataShort: 255, dataLong: 254, origin: 253, toplevelXid: 252 } as const;

export const BKPBLOCK = { forkMask: 0x0f, hasImage: 0x10, hasData: 0x20, willInit: 0x40, sameRel: 0x80 } as const;
export const BKPIMAGE = { hasHole: 0x01, apply: 0x02, pglz: 0x04, lz4: 0x08, zstd: 0x10 } as const;
export const BKPIMAGE_COMPRESSED = BKPIMAGE.pglz | BKPIMAGE.lz4 | BKPIMAGE.zstd;

/** xl_info of the records of RM.xlog. */
export const XLOG = {
  checkpointShutdown: 0x00,
  checkpointOnline: 0x10,
  noop: 0x20,
  nextOid: 0x30,
  switch: 0x40,
  backupEnd: 0x50,
  parameterChange: 0x60,
  restorePoint: 0x70,
  fpwChange: 0x80,
  endOfRecovery: 0x90,
  fpiForHint: 0xa0,
  fpi: 0xb0,
  overwriteContrecord: 0xd0,
} as const;

// ── positions ──────────────────────────────────────────────────────────────────────────────────────────────────────
export const MIN_SEGMENT_SIZE = 1 << 20;
export const MAX_SEGMENT_SIZE = 1 << 30;
export const DEFAULT_SEGMENT_SIZE = 16 << 20;
export const isValidSegmentSize = (size: number): boolean =>
  size >= MIN_SEGMENT_SIZE && size <= MAX_SEGMENT_SIZE && (size & (size - 1)) === 0;

/** What the control file says; every process sets it when it reads that. */
export let walSegmentSize = DEFAULT_SEGMENT_SIZE;
const USABLE_IN_PAGE = XLOG_BLCKSZ - SHORT_HEADER;
let usableInSegment = (walSegmentSize / XLOG_BLCKSZ) * USABLE_IN_PAGE - (LONG_HEADER - SHORT_HEADER);
export function setWalSegmentSize(size: number): void {
  walSegmentSize = size;
  usableInSegment = (size / XLOG_BLCKSZ) * USABLE_IN_PAGE - (LONG_HEADER - SHORT_HEADER);
}
export const walUsableInSegment = (): number => usableInSegment;

// `lsn & mask` is exact beyond 2^31: ToInt32 keeps the low bits of every integer below 2^53.
export const pageOffset = (lsn: number): number => lsn & (XLOG_BLCKSZ - 1);
export const pageStart = (lsn: number): Lsn => (lsn - (lsn & (XLOG_BLCKSZ - 1))) as Lsn;
export const segmentOffset = (lsn: number): number => lsn & (walSegmentSize - 1);
export const segmentOf = (lsn: number): number => Math.floor(lsn / walSegmentSize);
/** The segment that a position belongs to as the end of something. */
export const previousSegmentOf = (lsn: number): number => Math.floor((lsn - 1) / walSegmentSize);
export const segmentStart = (segment: number): Lsn => (segment * walSegmentSize) as Lsn;
export const isInSegment = (lsn: number, segment: number): boolean => segmentOf(lsn) === segment;
export const isInPreviousSegment = (lsn: number, segment: number): boolean => previousSegmentOf(lsn) === segment;
export const freeOnPage = (lsn: number): number => {
  const used = lsn & (XLOG_BLCKSZ - 1);
  return used === 0 ? 0 : XLOG_BLCKSZ - used;
};
export const pageHeaderSize = (lsn: number): number => (segmentOffset(lsn) < XLOG_BLCKSZ ? LONG_HEADER : SHORT_HEADER);
export const maxAlign = (n: number): number => n + (-n & 7);

/** Where a record that begins at this usable position begins. */
export function bytePosToRecPtr(bytePos: number): Lsn {
  const segment = Math.floor(bytePos / usableInSegment);
  let left = bytePos - segment * usableInSegment;
  const first = XLOG_BLCKSZ - LONG_HEADER;
  if (left < first) return (segment * walSegmentSize + LONG_HEADER + left) as Lsn;
  left -= first;
  const pages = Math.floor(left / USABLE_IN_PAGE);
  const offset = XLOG_BLCKSZ * (pages + 1) + (left - pages * USABLE_IN_PAGE) + SHORT_HEADER;
  return (segment * walSegmentSize + offset) as Lsn;
}
/** Where a record that ends at this usable position ends: a page border stays one. */
export function bytePosToEndRecPtr(bytePos: number): Lsn {
  const segment = Math.floor(bytePos / usableInSegment);
  let left = bytePos - segment * usableInSegment;
  const first = XLOG_BLCKSZ - LONG_HEADER;
  const base = segment * walSegmentSize;
  if (left < first) return (left === 0 ? base : base + LONG_HEADER + left) as Lsn;
  left -= first;
  const pages = Math.floor(left / USABLE_IN_PAGE);
  left -= pages * USABLE_IN_PAGE;
  return (base + XLOG_BLCKSZ * (pages + 1) + (left === 0 ? 0 : left + SHORT_HEADER)) as Lsn;
}
export function recPtrToBytePos(lsn: number): number {
  const base = segmentOf(lsn) * usableInSegment;
  const offset = segmentOffset(lsn);
  const page = Math.floor(offset / XLOG_BLCKSZ);
  const inPage = offset & (XLOG_BLCKSZ - 1);
  if (page === 0) return base + (inPage > 0 ? inPage - LONG_HEADER : 0);
  const before = XLOG_BLCKSZ - LONG_HEADER + (page - 1) * USABLE_IN_PAGE;
  return base + before + (inPage > 0 ? inPage - SHORT_HEADER : 0);
}

// ── names ──────────────────────────────────────────────────────────────────────────────────────────────────────────
const hex8 = (n: number): string => n.toString(16).toUpperCase().padStart(8, '0');
/** 0/16B3740, as %X/%X prints it. */
export const lsnText = (lsn: number): string =>
  `${Math.floor(lsn / 0x1_0000_0000)
    .toString(16)
    .toUpperCase()}/${(lsn % 0x1_0000_0000).toString(16).toUpperCase()}`;
/** Throws away nothing: the text must be a whole LSN. */
export function parseLsn(text: string): Lsn | undefined {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  if (match === null) return undefined;
  return (Number.parseInt(match[1]!, 16) * 0x1_0000_0000 + Number.parseInt(match[2]!, 16)) as Lsn;
}

export const WAL_DIRECTORY = 'pg_wal';
export const ARCHIVE_STATUS_DIRECTORY = 'pg_wal/archive_status';
const segmentsPerId = (): number => 0x1_0000_0000 / walSegmentSize;
export const segmentFileName = (timeline: number, segment: number): string =>
  hex8(timeline) + hex8(Math.floor(segment / segmentsPerId())) + hex8(segment % segmentsPerId());
export const segmentPath = (timeline: number, segment: number): string =>
  `${WAL_DIRECTORY}/${segmentFileName(timeline, segment)}`;
export const historyFileName = (timeline: number): string => `${hex8(timeline)}.history`;
export const historyFilePath = (timeline: number): string => `${WAL_DIRECTORY}/${historyFileName(timeline)}`;
export const backupHistoryFileName = (timeline: number, segment: number, start: number): string =>
  `${segmentFileName(timeline, segment)}.${hex8(segmentOffset(start))}.backup`;
export const statusFilePath = (name: string, suffix: '.ready' | '.done'): string =>
  `${ARCHIVE_STATUS_DIRECTORY}/${name}${suffix}`;

export const isSegmentFileName = (name: string): boolean => /^[0-9A-F]{24}$/.test(name);
export const isPartialFileName = (name: string): boolean => /^[0-9A-F]{24}\.partial$/.test(name);
export const isHistoryFileName = (name: string): boolean => /^[0-9A-F]{8}\.history$/.test(name);
export const isBackupHistoryFileName = (name: string): boolean => /^[0-9A-F]{24}\.[0-9A-F]{8}\.backup$/.test(name);
export const timelineOfFileName = (name: string): number => Number.parseInt(name.slice(0, 8), 16);
export const segmentOfFileName = (name: string): number =>
  Number.parseInt(name.slice(8, 16), 16) * segmentsPerId() + Number.parseInt(name.slice(16, 24), 16);

/** Segments in so many megabytes, rounded down (max_wal_size, min_wal_size, wal_keep_size). */
export const megabytesToSegments = (megabytes: number): number => Math.floor(megabytes / (walSegmentSize / 0x10_0000));

// ── page headers ───────────────────────────────────────────────────────────────────────────────────────────────────
/** Writes the header of an empty page; the page is zero before. */
export function initWalPage(
  memory: Memory,
  at: number,
  pageAddress: number,
  timeline: number,
  info: number,
  systemIdentifierAt: { readonly memory: Memory; readonly at: number },
): void {
  const { view, u8 } = memory;
  const isLong = segmentOffset(pageAddress) === 0;
  view.setUint16(at, XLOG_PAGE_MAGIC, true);
  view.setUint16(at + 2, isLong ? info | XLP.longHeader : info, true);
  view.setUint32(at + 4, timeline, true);
  view.setUint32(at + 8, pageAddress >>> 0, true);
  view.setUint32(at + 12, Math.floor(pageAddress / 0x1_0000_0000), true);
  if (!isLong) return;
  const from = systemIdentifierAt;
  for (let i = 0; i < 8; i++) u8[at + 24 + i] = from.memory.u8[from.at + i]!;
  view.setUint32(at + 32, walSegmentSize, true);
  view.setUint32(at + 36, XLOG_BLCKSZ, true);
}

/** WAL records are written with more detail the higher this is. */
const walLevelNumber = { minimal: 0, replica: 1, logical: 2 } as const;
export const WAL_LEVEL_NAMES = ['minimal', 'replica', 'logical'] as const;
export const walLevel = (): number => walLevelNumber[settings.wal_level];
export const xlogIsNeeded = (): boolean => settings.wal_level !== 'minimal';
export const xlogStandbyInfoActive = xlogIsNeeded;
export const xlogLogicalInfoActive = (): boolean => settings.wal_level === 'logical';
export const xlogArchivingActive = (): boolean => settings.archive_mode !== 'off';
export const xlogArchivingAlways = (): boolean => settings.archive_mode === 'always';
