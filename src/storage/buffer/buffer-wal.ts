/** buffer-wal.ts — buffers in WAL records, and records that are nothing but whole pages.
 *  Counterpart: XLogRegisterBuffer(), XLogSaveBufferForHint(), log_newpage_buffer(), log_newpage_range() of
 *  src/backend/access/transam/xloginsert.c */
import { assert } from '#base/assert.ts';
import { BLCKSZ, type BlockNumber, type Buffer, type ForkNumber, type Lsn } from '#base/ids.ts';
import { beginCritical, endCritical, inCritical } from '#runtime/error/critical-section.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { mem, onNewPrivateWindow } from '#shm/memory.ts';
import { privateReserve } from '#shm/private-memory.ts';
import { pageIsNew, pageLower, pageSetLsn, pageUpper } from '#storage/page/page.ts';
import type { SmgrRelation } from '#storage/smgr/smgr.ts';
import { getRedoRecPtr, logNewpage, REGBUF, xlogBeginInsert, xlogInsert, xlogRegisterBlock } from '#wal/insert.ts';
import { RM } from '#wal/rmgr-ids.ts';
import { lockBuffer, unlockReleaseBuffer } from '#storage/buffer/buffer-lock.ts';
import { BUFFER_LOCK, RBM } from '#storage/buffer/buffer-layout.ts';
import { bufferBlock, bufferFork, bufferLsnAtomic, bufferPage, bufferRnode } from '#storage/buffer/buffer-pool.ts';
import { markBufferDirty } from '#storage/buffer/dirty.ts';
import { type Persistence, readBuffer } from '#storage/buffer/read-buffer.ts';

/** XLOG record types. */
const XLOG_FPI_FOR_HINT = 0xa0;
const XLOG_FPI = 0xb0;
/** XLR_MAX_BLOCK_ID: references of one record are numbered 0 to 32; log_newpage_range uses 32. */
const PAGES_PER_RECORD = 32;

/** The block of the buffer as reference `id` of the record that is being built. flags: REGBUF of wal/insert.ts. */
export function xlogRegisterBuffer(id: number, buffer: Buffer, flags: number): void {
  xlogRegisterBlock(id, bufferRnode(buffer), bufferFork(buffer), bufferBlock(buffer), bufferPage(buffer), flags);
}

let hintCopy = 0;
onNewPrivateWindow(() => {
  hintCopy = 0;
});

/** Logs the page in full unless it was since the last checkpoint; returns the record's LSN, or 0. Caller: pin, share lock,
 *  and checkpoints held off (DELAY_CHKPT_START). */
export function xlogSaveBufferForHint(buffer: Buffer, standard: boolean): Lsn {
  const redo = getRedoRecPtr();
  if (bufferLsnAtomic(buffer) > redo) return 0 as Lsn;
  if (hintCopy === 0) hintCopy = privateReserve(BLCKSZ);
  // A copy, because others may set more hint bits while the record's checksum is made. The hole's bounds cannot move
  // without an exclusive lock.
  const page = bufferPage(buffer);
  if (standard) {
    const upper = pageUpper(page);
    mem.u8.copyWithin(hintCopy, page, page + pageLower(page));
    mem.u8.copyWithin(hintCopy + upper, page + upper, page + BLCKSZ);
  } else mem.u8.copyWithin(hintCopy, page, page + BLCKSZ);
  xlogBeginInsert();
  xlogRegisterBlock(
    0,
    bufferRnode(buffer),
    bufferFork(buffer),
    bufferBlock(buffer),
    hintCopy,
    standard ? REGBUF.standard : 0,
  );
  return xlogInsert(RM.xlog, XLOG_FPI_FOR_HINT);
}

/** Logs the whole page and sets its LSN. Caller: exclusive lock, critical section, buffer marked dirty. */
export function logNewpageBuffer(buffer: Buffer, standard: boolean): Lsn {
  assert(inCritical(), 'in a critical section');
  return logNewpage(bufferRnode(buffer), bufferFork(buffer), bufferBlock(buffer), bufferPage(buffer), standard);
}

/** Logs blocks start to end - 1, many pages a record; new pages are skipped. For relations that were built without WAL. */
export function logNewpageRange(
  smgr: SmgrRelation,
  persistence: Persistence,
  fork: ForkNumber,
  start: BlockNumber,
  end: BlockNumber,
  standard: boolean,
): void {
  const flags = REGBUF.forceImage | (standard ? REGBUF.standard : 0);
  const batch: Buffer[] = [];
  for (let block = start; block < end; ) {
    checkForInterrupts();
    batch.length = 0;
    while (batch.length < PAGES_PER_RECORD && block < end) {
      const buffer = readBuffer(smgr, persistence, fork, block, RBM.normal, null);
      lockBuffer(buffer, BUFFER_LOCK.exclusive);
      // All zeroes: nothing that redo could not make itself, and XLogInsert refuses such images.
      if (pageIsNew(bufferPage(buffer))) unlockReleaseBuffer(buffer);
      else batch.push(buffer);
      block++;
    }
    if (batch.length === 0) return;
    logBatch(batch, flags);
  }
}

function logBatch(batch: readonly Buffer[], flags: number): void {
  xlogBeginInsert();
  beginCritical();
  for (let i = 0; i < batch.length; i++) {
    xlogRegisterBuffer(i, batch[i]!, flags);
    markBufferDirty(batch[i]!);
  }
  const lsn = xlogInsert(RM.xlog, XLOG_FPI);
  for (const buffer of batch) {
    pageSetLsn(bufferPage(buffer), lsn);
    unlockReleaseBuffer(buffer);
  }
  endCritical();
}
