/** insert-record.ts — room in the log for a finished record, and the record into the room.
 *
 *  Reservation is one addition under a spinlock; the copy happens in parallel under one of eight locks. The CRC of the
 *  header is made in between, because only the reservation says what the previous record is.
 *  Cost of a small record without contention: about 1.5 µs (test/bench/micro/wal/insert.bench.ts).
 *  Counterpart: XLogInsertRecord(), ReserveXLogInsertLocation(), CopyXLogRecordToWAL() of
 *  src/backend/access/transam/xlog.c */
import type { Lsn } from '#base/ids.ts';
import { beginCritical, endCritical } from '#runtime/interrupts.ts';
import { report } from '#runtime/error/report.ts';
import { mem } from '#shm/memory.ts';
import { spinAcquire, spinRelease } from '#shm/spinlock.ts';
import { crcOfHeader } from '#wal/crc32c.ts';
import { xlogFlush } from '#wal/flush.ts';
import { acquireAllInsertLocks, acquireInsertLock, noteImportant, releaseInsertLock } from '#wal/insert-locks.ts';
import { xlogInsertAllowed } from '#wal/recovery-state.ts';
import { walBufferFor } from '#wal/wal-buffers.ts';
import {
  bytePosToEndRecPtr,
  bytePosToRecPtr,
  freeOnPage,
  LONG_HEADER,
  pageOffset,
  pageStart,
  recPtrToBytePos,
  RECORD_HEADER,
  segmentOffset,
  SHORT_HEADER,
  walSegmentSize,
  XLOG_BLCKSZ,
  XLP,
} from '#wal/wal-format.ts';
import { WalCtl } from '#wal/wal-layout.ts';
import { countWalRecord } from '#wal/wal-stats.ts';
import { copyWriteResult, localRedo, lockInfo, setLocalRedo, unlockInfo, walAt } from '#wal/wal-shmem.ts';

export const XLOG_INCLUDE_ORIGIN = 0x01;
export const XLOG_MARK_UNIMPORTANT = 0x02;

/** The record as pieces of memory; piece 0 begins with the header. Reused. */
export const chain = {
  at: new Float64Array(160),
  length: new Int32Array(160),
  count: 0,
};

/** Reservation: [start, end, previous] as usable byte positions or positions. */
const START = 0;
const END = 1;
const PREVIOUS = 2;
const room = new Float64Array(3);

let doPageWrites = true;
/** fullPageWrites || forcePageWrites, as of the last record. */
export const pageWritesWanted = (): boolean => doPageWrites;
export function setPageWritesWanted(wanted: boolean): void {
  doPageWrites = wanted;
}

const POSITION = 0;
const LAST_END = 1;
const last = new Float64Array(2);
/** ProcLastRecPtr: where the last record of this process begins. */
export const procLastRecPtr = (): Lsn => last[POSITION]! as Lsn;
/** XactLastRecEnd: where the last record of this transaction ends, 0 if it wrote none. */
export const xlogLastRecEnd = (): Lsn => last[LAST_END]! as Lsn;
export function setXlogLastRecEnd(lsn: Lsn): void {
  last[LAST_END] = lsn;
}

function reserve(length: number): void {
  const ctl = walAt.ctl;
  const size = length + (-length & 7);
  spinAcquire(ctl + WalCtl.insertPosLock.offset);
  const start = WalCtl.currBytePos.get(mem, ctl);
  const previous = WalCtl.prevBytePos.get(mem, ctl);
  WalCtl.currBytePos.set(mem, ctl, start + size);
  WalCtl.prevBytePos.set(mem, ctl, start);
  spinRelease(ctl + WalCtl.insertPosLock.offset);
  room[START] = bytePosToRecPtr(start);
  room[END] = bytePosToEndRecPtr(start + size);
  room[PREVIOUS] = bytePosToRecPtr(previous);
}

/** The rest of the segment, for a switch. False if the log stands at a segment's start already. All locks are held. */
function reserveSwitch(): boolean {
  const ctl = walAt.ctl;
  spinAcquire(ctl + WalCtl.insertPosLock.offset);
  const start = WalCtl.currBytePos.get(mem, ctl);
  const previous = WalCtl.prevBytePos.get(mem, ctl);
  const here = bytePosToEndRecPtr(start);
  if (segmentOffset(here) === 0) {
    spinRelease(ctl + WalCtl.insertPosLock.offset);
    room[START] = here;
    room[END] = here;
    return false;
  }
  let end: number = bytePosToEndRecPtr(start + RECORD_HEADER);
  const left = segmentOffset(end);
  if (left !== 0) end += walSegmentSize - left;
  WalCtl.currBytePos.set(mem, ctl, recPtrToBytePos(end));
  WalCtl.prevBytePos.set(mem, ctl, start);
  spinRelease(ctl + WalCtl.insertPosLock.offset);
  room[START] = bytePosToRecPtr(start);
  room[END] = end;
  room[PREVIOUS] = bytePosToRecPtr(previous);
  return true;
}

/** Copies `total` bytes of the chain to position `start`, over page borders. */
function copyChain(total: number, isSwitch: boolean, start: number, end: number, timeline: number): void {
  let position = start;
  let target = walBufferFor(position, timeline);
  let free = freeOnPage(position);
  let left = total;
  for (let i = 0; i < chain.count; i++) {
    let from = chain.at[i]!;
    let length = chain.length[i]!;
    while (length > free) {
      mem.u8.copyWithin(target, from, from + free);
      from += free;
      length -= free;
      left -= free;
      position += free;
      const page = walBufferFor(position, timeline);
      mem.view.setUint32(page + 16, left, true);
      mem.view.setUint16(page + 2, mem.view.getUint16(page + 2, true) | XLP.firstIsContrecord, true);
      const header = segmentOffset(position) === 0 ? LONG_HEADER : SHORT_HEADER;
      position += header;
      target = page + header;
      free = XLOG_BLCKSZ - header;
    }
    mem.u8.copyWithin(target, from, from + length);
    target += length;
    position += length;
    free -= length;
    left -= length;
  }
  if (isSwitch && segmentOffset(position) !== 0) {
    // The pages to the end of the segment are passed through the buffers, so that nothing old remains on disk; their
    // headers are cleared again, because a reader stops at the switch and zeros compress well in an archive.
    position += free;
    for (; position < end; position += XLOG_BLCKSZ) {
      const page = walBufferFor(position, timeline);
      mem.u8.fill(0, page, page + SHORT_HEADER);
    }
  } else position += -position & 7;
  if (position !== end) report('PANIC', { message: 'space reserved for WAL record does not match what was written' });
}

/** Inserts the record of `chain` (its header at `headerAt`, its body's CRC in xl_crc). Returns the end of the record, or
 *  0 if a page that was left out must be included now: assemble again.
 *  @param fpwLsn the smallest LSN of a page without image, 0 for none */
export function insertRecord(
  headerAt: number,
  total: number,
  fpwLsn: number,
  flags: number,
  images: number,
  isSwitch: boolean,
): Lsn {
  if (!xlogInsertAllowed()) report('ERROR', { message: 'cannot make new WAL entries during recovery' });
  const ctl = walAt.ctl;
  const timeline = WalCtl.insertTimeline.get(mem, ctl);
  const pageWritesBefore = doPageWrites;
  beginCritical();
  if (isSwitch) acquireAllInsertLocks();
  else acquireInsertLock();
  // A checkpoint may have begun since the record was assembled; under the lock the redo pointer stands still. [wal I3]
  const redo = WalCtl.redoRecPtr.get(mem, ctl);
  if (redo !== localRedo()) setLocalRedo(redo as Lsn);
  doPageWrites = WalCtl.fullPageWrites.get(mem, ctl) !== 0 || WalCtl.forcePageWrites.get(mem, ctl) !== 0;
  if (doPageWrites && (!pageWritesBefore || (fpwLsn !== 0 && fpwLsn <= redo))) {
    releaseInsertLock();
    endCritical();
    return 0 as Lsn;
  }
  let inserted = true;
  if (isSwitch) inserted = reserveSwitch();
  else reserve(total);
  const start = room[START]!;
  let end = room[END]!;
  if (inserted) {
    const { view } = mem;
    const previous = room[PREVIOUS]!;
    view.setUint32(headerAt + 8, previous >>> 0, true);
    view.setUint32(headerAt + 12, Math.floor(previous / 0x1_0000_0000), true);
    view.setUint32(headerAt + 20, crcOfHeader(mem.u8, headerAt, view.getUint32(headerAt + 20, true)), true);
    copyChain(total, isSwitch, start, end, timeline);
    if ((flags & XLOG_MARK_UNIMPORTANT) === 0) noteImportant(start as Lsn);
  }
  releaseInsertLock();
  endCritical();
  // A full page is worth a background write.
  if (pageStart(start) !== pageStart(end)) {
    lockInfo();
    if (WalCtl.requestWrite.get(mem, ctl) < end) WalCtl.requestWrite.set(mem, ctl, end);
    copyWriteResult();
    unlockInfo();
  }
  if (isSwitch) {
    xlogFlush(end as Lsn);
    if (inserted) end = endOfSwitchRecord(start);
  }
  last[POSITION] = start;
  last[LAST_END] = end;
  if (inserted) countWalRecord(total, images);
  return end as Lsn;
}

/** A switch returns where its 24 bytes end, though it takes the rest of the segment. */
function endOfSwitchRecord(start: number): number {
  const end = start + RECORD_HEADER;
  if (pageStart(start) === pageStart(end)) return end;
  return end + (segmentOffset(end) === pageOffset(end) ? LONG_HEADER : SHORT_HEADER);
}
