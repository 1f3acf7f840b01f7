/** sequence-redo.ts — replay and description of resource manager Sequence: one kind of record, the whole tuple.
 *  Counterpart: seq_redo(), seq_mask() of src/backend/commands/sequence.c, rmgrdesc/seqdesc.c */
import { initSequencePage, XLOG_SEQ_LOG } from '#access/sequence/sequence-page.ts';
import { BLCKSZ } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { mem } from '#shm/memory.ts';
import { privateAlloc, privateFree } from '#shm/private-memory.ts';
import { unlockReleaseBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferPage } from '#storage/buffer/buffer-pool.ts';
import { markBufferDirty } from '#storage/buffer/dirty.ts';
import { xlogInitBufferForRedo } from '#storage/buffer/redo-buffers.ts';
import { pageAddItem, pageLower, pageSetLsn, pageUpper } from '#storage/page/page.ts';
import type { DecodedRecord } from '#wal/decoded-record.ts';

/** xl_seq_rec: the relation's file node. */
const XL_SEQ_REC_SIZE = 12;

export function redoSequence(record: DecodedRecord): void {
  const info = record.info & 0xf0;
  if (info !== XLOG_SEQ_LOG) report('PANIC', { message: `seq_redo: unknown op code ${info}` });
  const buffer = xlogInitBufferForRedo(record, 0);
  // A standby's query may be reading the page: it is made aside and copied, so that equal bytes never change.
  const made = privateAlloc(BLCKSZ);
  initSequencePage(made);
  const length = record.mainLength - XL_SEQ_REC_SIZE;
  if (pageAddItem(made, record.mainAt + XL_SEQ_REC_SIZE, length, 1, false, false) === 0)
    report('PANIC', { message: 'seq_redo: failed to add item to page' });
  pageSetLsn(made, record.endLsn);
  mem.u8.copyWithin(bufferPage(buffer), made, made + BLCKSZ);
  privateFree(made);
  markBufferDirty(buffer);
  unlockReleaseBuffer(buffer);
}
export function describeSequence(record: DecodedRecord): string {
  const { view } = mem;
  const at = record.mainAt;
  return `rel ${view.getUint32(at, true)}/${view.getUint32(at + 4, true)}/${view.getUint32(at + 8, true)}`;
}
export const sequenceIdentify = (info: number): string | null => ((info & 0xf0) === XLOG_SEQ_LOG ? 'LOG' : null);

/** LSN, checksum and free space may differ after replay. */
export function maskSequencePage(page: number, _block: number): void {
  mem.u8.fill(0, page, page + 10);
  const lower = pageLower(page);
  const upper = pageUpper(page);
  if (lower < upper && upper <= BLCKSZ) mem.u8.fill(0, page + lower, page + upper);
}
