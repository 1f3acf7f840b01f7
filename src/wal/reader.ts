/** reader.ts — reads WAL records one after the other, page by page, and believes nothing.
 *
 *  The end of the log is recognised by something being wrong: so every check's text is one that recovery may print as the
 *  reason why it stopped, and the order of the checks decides which. A source brings pages (files, an archive, a stream);
 *  the reader puts records that span pages together, checks them and takes them apart (decode-record.ts).
 *  Counterpart: src/backend/access/transam/xlogreader.c */
import type { Lsn } from '#base/ids.ts';
import { native } from '#platform/native.ts';
import { mem, segmentId } from '#shm/memory.ts';
import { privateAlloc, privateFree, privateReserve } from '#shm/private-memory.ts';
import { crcOfHeader } from '#wal/crc32c.ts';
import { type DecodeArea, decodeRecord } from '#wal/decode-record.ts';
import { type DecodedRecord, newDecodedRecord } from '#wal/decoded-record.ts';
import { RM, RM_MAX_BUILTIN_ID, RM_MIN_CUSTOM_ID } from '#wal/rmgr-ids.ts';
import {
  lsnText,
  maxAlign,
  pageStart,
  RECORD_HEADER,
  segmentFileName,
  segmentOf,
  segmentOffset,
  SHORT_HEADER,
  walSegmentSize,
  LONG_HEADER,
  XLOG,
  XLOG_BLCKSZ,
  XLOG_PAGE_MAGIC,
  XLP,
  XLR_INFO_MASK,
} from '#wal/wal-format.ts';

export type { DecodedBlock, DecodedRecord } from '#wal/decoded-record.ts';
// biome-ignore lint/performance/noBarrelFile: belongs to what users of this file need
export { restoreBlockImage } from '#wal/block-image.ts';

/** Where pages come from. */
export interface WalPageSource {
  /** Brings at least `needed` bytes of the page at `page` to address `into`; how many it brought, -1 if it cannot.
   *  `target` is the record that is being read. Sets `reader.segmentTimeline` to the timeline of the file it read. */
  readPage(reader: WalReader, page: Lsn, needed: number, target: Lsn, into: number): number;
}

const read64 = (at: number): number => mem.view.getUint32(at + 4, true) * 0x1_0000_0000 + mem.view.getUint32(at, true);
const rmgrIsValid = (id: number): boolean => id <= RM_MAX_BUILTIN_ID || id >= RM_MIN_CUSTOM_ID;

/** Thrown inside the reader only: the text is in errorMessage. */
const FAILED = -1;

export class WalReader {
  /** The record read last; overwritten by the next read. */
  readonly record: DecodedRecord = newDecodedRecord();
  /** Why the last read returned null; null if the source had no more and said nothing. */
  errorMessage: string | null = null;
  /** Timeline of the file read last, for messages. */
  segmentTimeline = 0;
  /** Newest page seen and its timeline: timelines never go back. */
  latestPage: Lsn = 0 as Lsn;
  latestPageTimeline = 0;
  /** Set when a read ended in the middle of a record that was not continued: its start, and the page where its
   *  continuation should have been. */
  abortedRecPtr: Lsn = 0 as Lsn;
  missingContrecPtr: Lsn = 0 as Lsn;
  /** Set when a record was found to have been given up (overwrite contrecord). */
  overwrittenRecPtr: Lsn = 0 as Lsn;
  /** Start of the record read last, 0 after beginRead. */
  readRecPtr: Lsn = 0 as Lsn;
  /** Where the next record begins: end of the last, aligned. */
  endRecPtr: Lsn = 0 as Lsn;

  private readonly pageAt: number;
  private pageSegment = -1;
  private pageOffset = 0;
  private pageLength = 0;
  private recordAt = 0;
  private recordSize = 0;
  private target: Lsn = 0 as Lsn;
  private readonly area: DecodeArea = { at: 0, size: 0 };

  constructor(
    private readonly source: WalPageSource,
    /** 0n: any. */
    private readonly systemIdentifier: bigint,
  ) {
    this.pageAt = privateReserve(XLOG_BLCKSZ);
  }

  /** The next read begins here: the start of a record, or a page border. */
  beginRead(lsn: Lsn): void {
    this.invalidate();
    this.endRecPtr = lsn;
    this.readRecPtr = 0 as Lsn;
  }
  /** Pages will be read again: they may come from somewhere else. */
  invalidate(): void {
    this.pageSegment = -1;
    this.pageOffset = 0;
    this.pageLength = 0;
  }
  /** Address of the page read last, valid to `lsn`'s page only. */
  currentPageAt(): number {
    return this.pageAt;
  }
  close(): void {
    if (this.recordAt !== 0) privateFree(this.recordAt);
    this.recordAt = 0;
    this.recordSize = 0;
    if (this.area.at !== 0) privateFree(this.area.at);
    this.area.at = 0;
    this.area.size = 0;
  }

  /** The next record, or null: see errorMessage. */
  read(): DecodedRecord | null {
    this.errorMessage = null;
    this.abortedRecPtr = 0 as Lsn;
    this.missingContrecPtr = 0 as Lsn;
    let start = this.endRecPtr as number;
    const randomAccess = this.readRecPtr === 0;
    for (;;) {
      const restart = this.readAt(start, randomAccess);
      if (restart === FAILED) {
        this.invalidate();
        return null;
      }
      if (restart === 0) return this.record;
      start = restart;
    }
  }

  private fail(message: string): typeof FAILED {
    this.errorMessage = message;
    return FAILED;
  }

  /** 0 when the record is read, FAILED, or the place where reading is to be tried instead. */
  private readAt(start: number, randomAccess: boolean): number {
    const { view, u8 } = mem;
    this.target = start as Lsn;
    let page: number = pageStart(start);
    let offset = start - page;
    if (this.readPage(page, Math.min(offset + RECORD_HEADER, XLOG_BLCKSZ)) < 0) return FAILED;
    const headerSize = this.headerSize();
    if (offset === 0) {
      start += headerSize;
      offset = headerSize;
    } else if (offset < headerSize) return this.fail(`invalid record offset at ${lsnText(start)}`);
    if ((view.getUint16(this.pageAt + 2, true) & XLP.firstIsContrecord) !== 0 && offset === headerSize)
      return this.fail(`contrecord is requested by ${lsnText(start)}`);
    const at = this.pageAt + offset;
    // The length is always on this page: records are 8-byte aligned.
    const total = view.getUint32(at, true);
    let gotHeader = false;
    if (offset <= XLOG_BLCKSZ - RECORD_HEADER) {
      if (!this.headerIsValid(at, start, randomAccess)) return FAILED;
      gotHeader = true;
    } else if (total < RECORD_HEADER)
      return this.fail(`invalid record length at ${lsnText(start)}: wanted ${RECORD_HEADER}, got ${total}`);
    const onPage = XLOG_BLCKSZ - offset;
    if (total <= onPage) {
      if (this.readPage(page, Math.min(offset + total, XLOG_BLCKSZ)) < 0) return FAILED;
      if (!this.recordIsValid(at, start)) return FAILED;
      return this.finish(at, start, start + maxAlign(total));
    }
    // The record goes on on the next pages: put it together. Memory for all of it only once its header is believed.
    this.ensureRoom(gotHeader ? total : XLOG_BLCKSZ * 2);
    u8.copyWithin(this.recordAt, at, at + onPage);
    let got = onPage;
    let contHeader = 0;
    let contLength = 0;
    do {
      page += XLOG_BLCKSZ;
      if (this.readPage(page, Math.min(total - got + SHORT_HEADER, XLOG_BLCKSZ)) < 0)
        return this.incomplete(start, page);
      const info = view.getUint16(this.pageAt + 2, true);
      if ((info & XLP.firstIsOverwriteContrecord) !== 0) {
        // The server that wrote this had found the record's end missing and went on here.
        this.overwrittenRecPtr = start as Lsn;
        return page;
      }
      if ((info & XLP.firstIsContrecord) === 0) {
        this.fail(`there is no contrecord flag at ${lsnText(start)}`);
        return this.incomplete(start, page);
      }
      contLength = view.getUint32(this.pageAt + 16, true);
      if (contLength === 0 || total !== contLength + got) {
        this.fail(`invalid contrecord length ${contLength} (expected ${total - got}) at ${lsnText(start)}`);
        return this.incomplete(start, page);
      }
      contHeader = this.headerSize();
      const length = Math.min(contLength, XLOG_BLCKSZ - contHeader);
      if (this.pageLength < contHeader + length && this.readPage(page, contHeader + length) < 0)
        return this.incomplete(start, page);
      u8.copyWithin(this.recordAt + got, this.pageAt + contHeader, this.pageAt + contHeader + length);
      got += length;
      if (!gotHeader) {
        if (!this.headerIsValid(this.recordAt, start, randomAccess)) return this.incomplete(start, page);
        gotHeader = true;
        this.ensureRoom(total, got);
      }
    } while (got < total);
    if (!this.recordIsValid(this.recordAt, start)) return this.incomplete(start, page);
    return this.finish(this.recordAt, start, page + contHeader + maxAlign(contLength));
  }

  private incomplete(start: number, page: number): typeof FAILED {
    this.abortedRecPtr = start as Lsn;
    this.missingContrecPtr = page as Lsn;
    return FAILED;
  }

  private finish(at: number, start: number, next: number): number {
    const info = mem.view.getUint8(at + 16) & ~XLR_INFO_MASK;
    // A switch takes the rest of its segment.
    if (mem.view.getUint8(at + 17) === RM.xlog && info === XLOG.switch) {
      next += walSegmentSize - 1;
      next -= segmentOffset(next);
    }
    this.readRecPtr = start as Lsn;
    this.endRecPtr = next as Lsn;
    const failure = decodeRecord(this.record, this.area, at, start as Lsn, next as Lsn);
    return failure === null ? 0 : this.fail(failure);
  }

  /** Room for a record; keeps the first `kept` bytes. */
  private ensureRoom(size: number, kept = 0): void {
    if (size <= this.recordSize) return;
    // In steps, so that growing records do not move it each time.
    const room = Math.max(5 * XLOG_BLCKSZ, Math.ceil(size / XLOG_BLCKSZ) * XLOG_BLCKSZ);
    const at = privateAlloc(room);
    if (kept > 0) mem.u8.copyWithin(at, this.recordAt, this.recordAt + kept);
    if (this.recordAt !== 0) privateFree(this.recordAt);
    this.recordAt = at;
    this.recordSize = room;
  }

  private headerSize(): number {
    return (mem.view.getUint16(this.pageAt + 2, true) & XLP.longHeader) !== 0 ? LONG_HEADER : SHORT_HEADER;
  }

  /** Has at least `needed` bytes of the page, its header checked; their number or -1. */
  private readPage(page: number, needed: number): number {
    const segment = segmentOf(page);
    const offset = segmentOffset(page);
    if (segment === this.pageSegment && offset === this.pageOffset && needed <= this.pageLength) return this.pageLength;
    const isNewSegment = segment !== this.pageSegment;
    this.invalidate();
    // A segment is entered through its first page: only that one says whose WAL it is.
    if (isNewSegment && offset !== 0) {
      const first = page - offset;
      if (this.source.readPage(this, first as Lsn, XLOG_BLCKSZ, this.target, this.pageAt) < 0) return -1;
      if (!this.pageHeaderIsValid(first)) return -1;
    }
    let length = this.source.readPage(this, page as Lsn, Math.max(needed, SHORT_HEADER), this.target, this.pageAt);
    if (length <= SHORT_HEADER) return -1;
    if (length < this.headerSize()) {
      length = this.source.readPage(this, page as Lsn, this.headerSize(), this.target, this.pageAt);
      if (length < 0) return -1;
    }
    if (!this.pageHeaderIsValid(page)) return -1;
    this.pageSegment = segment;
    this.pageOffset = offset;
    this.pageLength = length;
    return length;
  }

  /** Checks the header of the page that lies in the buffer. */
  pageHeaderIsValid(page: number): boolean {
    const problem = this.pageHeaderProblem(page);
    if (problem !== null) {
      this.errorMessage = problem;
      return false;
    }
    this.latestPage = page as Lsn;
    this.latestPageTimeline = mem.view.getUint32(this.pageAt + 4, true);
    return true;
  }

  private pageHeaderProblem(page: number): string | null {
    const { view } = mem;
    const at = this.pageAt;
    const offset = segmentOffset(page);
    const where = `in log segment ${segmentFileName(this.segmentTimeline, segmentOf(page))}, offset ${offset}`;
    const hex4 = (n: number): string => n.toString(16).toUpperCase().padStart(4, '0');
    const magic = view.getUint16(at, true);
    if (magic !== XLOG_PAGE_MAGIC) return `invalid magic number ${hex4(magic)} ${where}`;
    const info = view.getUint16(at + 2, true);
    if ((info & ~XLP.allFlags) !== 0) return `invalid info bits ${hex4(info)} ${where}`;
    if ((info & XLP.longHeader) !== 0) {
      const theirs = view.getBigUint64(at + 24, true);
      const ours = this.systemIdentifier;
      if (ours !== 0n && theirs !== ours)
        return `WAL file is from different database system: WAL file database system identifier is ${theirs}, pg_control database system identifier is ${ours}`;
      if (view.getUint32(at + 32, true) !== walSegmentSize)
        return 'WAL file is from different database system: incorrect segment size in page header';
      if (view.getUint32(at + 36, true) !== XLOG_BLCKSZ)
        return 'WAL file is from different database system: incorrect XLOG_BLCKSZ in page header';
    } else if (offset === 0) return `invalid info bits ${hex4(info)} ${where}`;
    const address = read64(at + 8);
    if (address !== page) return `unexpected pageaddr ${lsnText(address)} ${where}`;
    const timeline = view.getUint32(at + 4, true);
    // The latest page may be read again, from another file even.
    if (page > this.latestPage && timeline < this.latestPageTimeline)
      return `out-of-sequence timeline ID ${timeline} (after ${this.latestPageTimeline}) ${where}`;
    return null;
  }

  private headerIsValid(at: number, start: number, randomAccess: boolean): boolean {
    const { view } = mem;
    const total = view.getUint32(at, true);
    if (total < RECORD_HEADER) {
      this.errorMessage = `invalid record length at ${lsnText(start)}: wanted ${RECORD_HEADER}, got ${total}`;
      return false;
    }
    const rmid = view.getUint8(at + 17);
    if (!rmgrIsValid(rmid)) {
      this.errorMessage = `invalid resource manager ID ${rmid} at ${lsnText(start)}`;
      return false;
    }
    // Without a record before it, all that can be said is that the link points back.
    const previous = read64(at + 8);
    if (randomAccess ? previous < start : previous === this.readRecPtr) return true;
    this.errorMessage = `record with incorrect prev-link ${lsnText(previous)} at ${lsnText(start)}`;
    return false;
  }

  private recordIsValid(at: number, start: number): boolean {
    const { view } = mem;
    const total = view.getUint32(at, true);
    const body = native.crc32cSegment(segmentId, at + RECORD_HEADER, total - RECORD_HEADER, 0);
    if (crcOfHeader(mem.u8, at, body) === view.getUint32(at + 20, true)) return true;
    this.errorMessage = `incorrect resource manager data checksum in record at ${lsnText(start)}`;
    return false;
  }
}
