/** sequence-page.ts — the one page of a sequence: a frozen tuple {last_value, log_cnt, is_called} and a magic number.
 *
 *  The tuple is never updated by MVCC: whoever changes it overwrites it in place under the page's lock, for all to see at
 *  once. Its xmin is frozen, since VACUUM does not come by.
 *  Counterpart: fill_seq_fork_with_data(), read_seq_tuple() of src/backend/commands/sequence.c */
import { relationNeedsWal, relReadBuffer, type Relation } from '#access/common/relation-descriptor.ts';
import type { RelFileNode } from '#base/ids.ts';
import { FORK, type ForkNumber } from '#base/ids.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import { report } from '#runtime/error/report.ts';
import { mem } from '#shm/memory.ts';
import { privateAlloc, privateFree } from '#shm/private-memory.ts';
import { P_NEW, RBM } from '#storage/buffer/buffer-layout.ts';
import { lockBuffer, unlockReleaseBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferPage } from '#storage/buffer/buffer-pool.ts';
import { xlogRegisterBuffer } from '#storage/buffer/buffer-wal.ts';
import { markBufferDirty, markBufferDirtyHint } from '#storage/buffer/dirty.ts';
import { itemAt, pageAddItem, pageInit, pageSetLsn } from '#storage/page/page.ts';
import { getTopTransactionId } from '#transam/xact.ts';
import { REGBUF, walScratch, xlogBeginInsert, xlogInsert, xlogRegisterData } from '#wal/insert.ts';
import { RM } from '#wal/rmgr-ids.ts';

export const SEQUENCE_MAGIC = 0x1717;
export const SEQUENCE_SPECIAL_SIZE = 8;
const SPECIAL = 8192 - SEQUENCE_SPECIAL_SIZE;
/** Header of 24 bytes, two int8, a bool. */
export const SEQUENCE_TUPLE_SIZE = 41;
export const XLOG_SEQ_LOG = 0x00;

export interface SequenceState {
  lastValue: bigint;
  logCount: bigint;
  isCalled: boolean;
}

// Offsets of FormData_pg_sequence_data in the tuple.
export const readSequence = (tup: number): SequenceState => ({
  lastValue: mem.view.getBigInt64(tup + 24, true),
  logCount: mem.view.getBigInt64(tup + 32, true),
  isCalled: mem.u8[tup + 40] !== 0,
});
export function writeSequence(tup: number, lastValue: bigint, logCount: bigint, isCalled: boolean): void {
  mem.view.setBigInt64(tup + 24, lastValue, true);
  mem.view.setBigInt64(tup + 32, logCount, true);
  mem.u8[tup + 40] = isCalled ? 1 : 0;
}
export function initSequencePage(page: number): void {
  pageInit(page, SEQUENCE_SPECIAL_SIZE);
  mem.view.setUint32(page + SPECIAL, SEQUENCE_MAGIC, true);
}
/** A tuple that everybody sees for ever. */
function formTuple(at: number, lastValue: bigint, logCount: bigint, isCalled: boolean): void {
  const { view } = mem;
  mem.u8.fill(0, at, at + 48);
  view.setUint32(at, 2, true); // xmin: FrozenTransactionId
  view.setUint16(at + 16, 1, true); // ctid (0,1)
  view.setUint16(at + 18, 3, true); // infomask2: three columns
  view.setUint16(at + 20, 0x0b00, true); // HEAP_XMIN_FROZEN | HEAP_XMAX_INVALID
  mem.u8[at + 22] = 24; // hoff
  writeSequence(at, lastValue, logCount, isCalled);
}

/** xl_seq_rec and the tuple; the page is always made anew by replay. */
export function logSequence(buffer: number, node: RelFileNode, tup: number): void {
  xlogBeginInsert();
  xlogRegisterBuffer(0, buffer, REGBUF.willInit);
  const at = walScratch(12);
  const { view } = mem;
  view.setUint32(at, node.spcNode, true);
  view.setUint32(at + 4, node.dbNode, true);
  view.setUint32(at + 8, node.relNode, true);
  xlogRegisterData(at, 12);
  xlogRegisterData(tup, SEQUENCE_TUPLE_SIZE);
  pageSetLsn(bufferPage(buffer), xlogInsert(RM.seq, XLOG_SEQ_LOG));
}

/** Makes the page of a new sequence (or of one that got a new file). The fork exists and is empty. */
export function fillSequenceFork(
  rel: Relation,
  fork: ForkNumber,
  lastValue: bigint,
  logCount: bigint,
  isCalled: boolean,
): void {
  const buffer = relReadBuffer(rel, P_NEW, RBM.zeroAndLock, null, fork);
  const page = bufferPage(buffer);
  initSequencePage(page);
  const tup = privateAlloc(48);
  formTuple(tup, lastValue, logCount, isCalled);
  // So that the commit waits for the record.
  if (relationNeedsWal(rel)) getTopTransactionId();
  beginCritical();
  markBufferDirty(buffer);
  if (pageAddItem(page, tup, SEQUENCE_TUPLE_SIZE, 0, false, false) !== 1)
    report('ERROR', { message: 'failed to add sequence tuple to page' });
  if (relationNeedsWal(rel) || fork === FORK.init) logSequence(buffer, rel.rnode, tup);
  endCritical();
  unlockReleaseBuffer(buffer);
  privateFree(tup);
}

/** Pins and locks the page; the tuple's address is `sequenceTuple(buffer)`. */
export function lockSequencePage(rel: Relation): number {
  const buffer = relReadBuffer(rel, 0);
  lockBuffer(buffer, 2);
  const page = bufferPage(buffer);
  const magic = mem.view.getUint32(page + SPECIAL, true);
  if (magic !== SEQUENCE_MAGIC)
    report('ERROR', {
      message: `bad magic number in sequence "${rel.name}": ${magic.toString(16).toUpperCase().padStart(8, '0')}`,
    });
  const tup = itemAt(page, 1);
  // Old releases let SELECT FOR UPDATE leave an xid here.
  if (mem.view.getUint32(tup + 4, true) !== 0) {
    mem.view.setUint32(tup + 4, 0, true);
    mem.view.setUint16(tup + 20, (mem.view.getUint16(tup + 20, true) & ~0x0400) | 0x0800, true);
    markBufferDirtyHint(buffer, true);
  }
  return buffer;
}
export const sequenceTuple = (buffer: number): number => itemAt(bufferPage(buffer), 1);
