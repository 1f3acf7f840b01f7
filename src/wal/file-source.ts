/** file-source.ts — pages for a reader from segment files: of pg_wal, or of any folder.
 *  Counterpart: read_local_xlog_page() and wal_segment_open() of src/backend/access/transam/xlogutils.c */
import { OPEN, openFd } from '#platform/raw-files.ts';
import type { Lsn } from '#base/ids.ts';
import { native } from '#platform/native.ts';
import { waitEnd, waitStart } from '#runtime/activity/wait-report.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { segmentId } from '#shm/memory.ts';
import type { WalPageSource, WalReader } from '#wal/reader.ts';
import { segmentFileName, segmentOf, segmentOffset, WAL_DIRECTORY, XLOG_BLCKSZ } from '#wal/wal-format.ts';

/** Reads whole pages of one timeline; the end of the log is where a file or its contents end. */
export class FileWalSource implements WalPageSource {
  private fd = -1;
  private segment = -1;
  constructor(
    private readonly timeline: number,
    private readonly folder: string = WAL_DIRECTORY,
    /** Nothing is valid from here on (what is flushed, for a running server). */
    private readonly limit: () => number = () => Number.MAX_SAFE_INTEGER,
  ) {}

  readPage(reader: WalReader, page: Lsn, needed: number, _target: Lsn, into: number): number {
    const length = Math.min(XLOG_BLCKSZ, this.limit() - page);
    if (length < needed) return -1;
    const segment = segmentOf(page);
    if (segment !== this.segment) {
      this.close();
      this.fd = openFd(`${this.folder}/${segmentFileName(this.timeline, segment)}`, OPEN.readOnly);
      if (this.fd < 0) return -1;
      this.segment = segment;
    }
    reader.segmentTimeline = this.timeline;
    waitStart(WAIT_EVENT.WALRead);
    const got = native.preadSegment(this.fd, segmentId, into, length, segmentOffset(page));
    waitEnd();
    return got === length ? length : -1;
  }
  close(): void {
    if (this.fd >= 0) native.closeFd(this.fd);
    this.fd = -1;
    this.segment = -1;
  }
}
