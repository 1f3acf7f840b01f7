/** buf-file.ts — a temporary file of any length, read and written in small pieces through one buffer.
 *
 *  It consists of segments of 1 GiB; a position is one Number over all of them. The buffer holds `filled` bytes of the file
 *  from `bufferStart` on, and the next read or write happens at `bufferStart + cursor`.
 *  Counterpart: src/backend/storage/file/buffile.c */
import { BLCKSZ } from '#base/ids.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { report } from '#runtime/error/report.ts';
import { mem } from '#shm/memory.ts';
import { privateAlloc, privateFree } from '#shm/private-memory.ts';
import { E, fileFailure } from '#storage/file/file-error.ts';
import { openTemporaryFile } from '#storage/file/temp-files.ts';
import {
  type File,
  fileClose,
  filePath,
  fileRead,
  fileSize,
  fileTruncate,
  fileWrite,
} from '#storage/file/virtual-files.ts';
import { type ResourceOwner, currentResourceOwnerOrNull, setCurrentResourceOwner } from '#runtime/resource-owner.ts';

const SEGMENT_BYTES = 0x4000_0000;
/** Blocks of a segment. */
export const BUFFILE_SEGMENT_BLOCKS = SEGMENT_BYTES / BLCKSZ;

/** Blocks that went through buffers of this module, for EXPLAIN (BUFFERS). */
export const tempBlockUsage = { read: 0, written: 0 };

export class BufFile {
  private readonly files: File[] = [];
  private readonly buffer = privateAlloc(BLCKSZ);
  private bufferStart = 0;
  private cursor = 0;
  private filled = 0;
  private dirty = false;
  /** New segments belong to whoever made the file, not to who happens to write. */
  private readonly owner: ResourceOwner | null;

  /** `interXact`: lives until it is closed or the process ends, not only for this transaction. */
  constructor(private readonly interXact: boolean) {
    this.owner = currentResourceOwnerOrNull();
    this.addSegment();
  }

  private addSegment(): void {
    const before = setCurrentResourceOwner(this.owner);
    try {
      this.files.push(openTemporaryFile(this.interXact));
    } finally {
      setCurrentResourceOwner(before);
    }
  }

  close(): void {
    for (const file of this.files) fileClose(file);
    this.files.length = 0;
    privateFree(this.buffer);
  }

  private load(): void {
    const file = this.files[Math.floor(this.bufferStart / SEGMENT_BYTES)];
    this.filled = 0;
    if (file === undefined) return;
    const offset = this.bufferStart % SEGMENT_BYTES;
    const done = fileRead(file, this.buffer, Math.min(BLCKSZ, SEGMENT_BYTES - offset), offset, WAIT_EVENT.BufFileRead);
    if (done < 0) fileFailure('ERROR', `could not read file "${filePath(file)}"`, done);
    this.filled = done;
    if (done > 0) tempBlockUsage.read++;
  }

  /** Writes the buffer and empties it; the position stays. */
  private dump(): void {
    let written = 0;
    while (written < this.filled) {
      const position = this.bufferStart + written;
      const segment = Math.floor(position / SEGMENT_BYTES);
      while (segment >= this.files.length) this.addSegment();
      const file = this.files[segment]!;
      const offset = position % SEGMENT_BYTES;
      const length = Math.min(this.filled - written, SEGMENT_BYTES - offset);
      const done = fileWrite(file, this.buffer + written, length, offset, WAIT_EVENT.BufFileWrite);
      if (done <= 0) fileFailure('ERROR', `could not write to file "${filePath(file)}"`, done < 0 ? done : -E.NOSPC);
      written += done;
      tempBlockUsage.written++;
    }
    this.dirty = false;
    this.moveTo(this.bufferStart + this.cursor);
  }
  private moveTo(position: number): void {
    this.bufferStart = position;
    this.cursor = 0;
    this.filled = 0;
  }
  flush(): void {
    if (this.dirty) this.dump();
  }

  /** Reads up to `length` bytes into `mem`; fewer only at the end. */
  read(at: number, length: number): number {
    this.flush();
    let done = 0;
    while (done < length) {
      if (this.cursor >= this.filled) {
        this.moveTo(this.bufferStart + this.cursor);
        this.load();
        if (this.filled === 0) break;
      }
      const part = Math.min(length - done, this.filled - this.cursor);
      const from = this.buffer + this.cursor;
      mem.u8.copyWithin(at + done, from, from + part);
      this.cursor += part;
      done += part;
    }
    return done;
  }
  /** Reads exactly `length` bytes, or fails. */
  readExact(at: number, length: number): void {
    const done = this.read(at, length);
    if (done !== length)
      report('ERROR', { message: `could not read from temporary file: read only ${done} of ${length} bytes` });
  }

  write(at: number, length: number): void {
    let done = 0;
    while (done < length) {
      if (this.cursor >= BLCKSZ) {
        if (this.dirty) this.dump();
        else this.moveTo(this.bufferStart + this.cursor);
      }
      const part = Math.min(length - done, BLCKSZ - this.cursor);
      mem.u8.copyWithin(this.buffer + this.cursor, at + done, at + done + part);
      this.dirty = true;
      this.cursor += part;
      if (this.filled < this.cursor) this.filled = this.cursor;
      done += part;
    }
  }

  tell(): number {
    return this.bufferStart + this.cursor;
  }
  /** False if the position lies outside of the file; nothing has moved then. */
  seek(position: number): boolean {
    if (position < 0) return false;
    if (position >= this.bufferStart && position <= this.bufferStart + this.filled) {
      // Within the buffer: what was written stays in it.
      this.cursor = position - this.bufferStart;
      return true;
    }
    this.flush();
    if (position > this.files.length * SEGMENT_BYTES) return false;
    this.moveTo(position);
    return true;
  }
  seekBlock(block: number): boolean {
    return this.seek(block * BLCKSZ);
  }

  size(): number {
    this.flush();
    const last = this.files.length - 1;
    const bytes = fileSize(this.files[last]!);
    if (bytes < 0)
      fileFailure('ERROR', `could not determine size of temporary file "${filePath(this.files[last]!)}"`, bytes);
    return last * SEGMENT_BYTES + bytes;
  }
  /** Cuts the file; the position moves to its end if it lay behind. */
  truncate(length: number): void {
    this.flush();
    const keep = Math.max(1, Math.ceil(length / SEGMENT_BYTES));
    while (this.files.length > keep) fileClose(this.files.pop()!);
    const file = this.files[keep - 1]!;
    const result = fileTruncate(file, length - (keep - 1) * SEGMENT_BYTES, WAIT_EVENT.BufFileTruncate);
    if (result < 0) fileFailure('ERROR', `could not truncate file "${filePath(file)}"`, result);
    this.moveTo(Math.min(this.tell(), length));
  }
}
