/** heap-tuple-layout.ts — the 23-byte header of a heap tuple.
 *
 *    0 xmin u32 · 4 xmax u32 · 8 cid/xvac u32 · 12 ctid (block hi u16, block lo u16, offset u16) · 18 infomask2 u16 ·
 *   20 infomask u16 · 22 hoff u8 · 23 null bitmap (bit 1 = not null), padded to hoff, a multiple of 8
 *
 *  A tuple inside a composite value has length, typmod and row type in the first 12 bytes instead.
 *  Counterpart: src/include/access/htup_details.h */
import { FROZEN_XID, INVALID_XID } from '#base/xid.ts';
import type { CommandId, ItemPointer, TransactionId } from '#base/ids.ts';
import { mem } from '#shm/memory.ts';

export const SIZEOF_HEAP_TUPLE_HEADER = 23;
export const MAX_HEAP_TUPLE_SIZE = 8160;
export const MAX_HEAP_TUPLES_PER_PAGE = 291;
export const MAX_TUPLE_ATTRIBUTES = 1664;
export const MAX_HEAP_ATTRIBUTES = 1600;

// infomask
export const HEAP_HASNULL = 0x0001;
export const HEAP_HASVARWIDTH = 0x0002;
export const HEAP_HASEXTERNAL = 0x0004;
export const HEAP_XMAX_KEYSHR_LOCK = 0x0010;
export const HEAP_COMBOCID = 0x0020;
export const HEAP_XMAX_EXCL_LOCK = 0x0040;
export const HEAP_XMAX_LOCK_ONLY = 0x0080;
export const HEAP_XMAX_SHR_LOCK = 0x0050;
export const HEAP_LOCK_MASK = 0x0050;
export const HEAP_XMIN_COMMITTED = 0x0100;
export const HEAP_XMIN_INVALID = 0x0200;
export const HEAP_XMIN_FROZEN = 0x0300;
export const HEAP_XMAX_COMMITTED = 0x0400;
export const HEAP_XMAX_INVALID = 0x0800;
export const HEAP_XMAX_IS_MULTI = 0x1000;
export const HEAP_UPDATED = 0x2000;
export const HEAP_MOVED_OFF = 0x4000;
export const HEAP_MOVED_IN = 0x8000;
export const HEAP_MOVED = 0xc000;
export const HEAP_XACT_MASK = 0xfff0;
/** All that says something about xmax. */
export const HEAP_XMAX_BITS = 0x1cd0;

// infomask2
export const HEAP_NATTS_MASK = 0x07ff;
export const HEAP_KEYS_UPDATED = 0x2000;
export const HEAP_HOT_UPDATED = 0x4000;
export const HEAP_ONLY_TUPLE = 0x8000;
export const HEAP2_XACT_MASK = 0xe000;

/** t_ctid's offset of a tuple whose insertion is not yet confirmed: its block is the token. */
export const SPEC_TOKEN_OFFSET = 0xfffe;
/** t_ctid of a row that an update moved into another partition. */
export const MOVED_PARTITIONS_OFFSET = 0xfffd;

export const tupleRawXmin = (at: number): TransactionId => mem.view.getUint32(at, true) as TransactionId;
/** HeapTupleHeaderGetXmin(): FROZEN_XID for a frozen tuple. */
export const tupleXmin = (at: number): TransactionId =>
  (mem.view.getUint16(at + 20, true) & HEAP_XMIN_FROZEN) === HEAP_XMIN_FROZEN
    ? FROZEN_XID
    : (mem.view.getUint32(at, true) as TransactionId);
export const tupleRawXmax = (at: number): TransactionId => mem.view.getUint32(at + 4, true) as TransactionId;
/** t_cid: cmin, cmax or a combo id. */
export const tupleRawCommandId = (at: number): CommandId => mem.view.getUint32(at + 8, true);
export const tupleXvac = (at: number): TransactionId =>
  (mem.view.getUint16(at + 20, true) & HEAP_MOVED) !== 0
    ? (mem.view.getUint32(at + 8, true) as TransactionId)
    : INVALID_XID;
export const tupleInfomask = (at: number): number => mem.view.getUint16(at + 20, true);
export const tupleInfomask2 = (at: number): number => mem.view.getUint16(at + 18, true);
export const tupleNatts = (at: number): number => mem.view.getUint16(at + 18, true) & HEAP_NATTS_MASK;
export const tupleHoff = (at: number): number => mem.u8[at + 22]!;
export const tupleCtid = (at: number): ItemPointer =>
  (mem.view.getUint16(at + 12, true) * 65536 + mem.view.getUint16(at + 14, true)) * 65536 +
  mem.view.getUint16(at + 16, true);
export const tupleCtidBlock = (at: number): number =>
  mem.view.getUint16(at + 12, true) * 65536 + mem.view.getUint16(at + 14, true);
export const tupleCtidOffset = (at: number): number => mem.view.getUint16(at + 16, true);

export function setTupleXmin(at: number, xid: TransactionId): void {
  mem.view.setUint32(at, xid, true);
}
export function setTupleXmax(at: number, xid: TransactionId): void {
  mem.view.setUint32(at + 4, xid, true);
}
export function setTupleInfomask(at: number, mask: number): void {
  mem.view.setUint16(at + 20, mask, true);
}
export function setTupleInfomask2(at: number, mask: number): void {
  mem.view.setUint16(at + 18, mask, true);
}
/** Six bytes of an item pointer, wherever it stands (tuples, index tuples, WAL). */
export function writeTid(at: number, tid: ItemPointer): void {
  const block = Math.floor(tid / 65536);
  mem.view.setUint16(at, block >>> 16, true);
  mem.view.setUint16(at + 2, block & 0xffff, true);
  mem.view.setUint16(at + 4, tid % 65536, true);
}
export const readTid = (at: number): ItemPointer =>
  (mem.view.getUint16(at, true) * 65536 + mem.view.getUint16(at + 2, true)) * 65536 + mem.view.getUint16(at + 4, true);
export const setTupleCtid = (at: number, tid: ItemPointer): void => writeTid(at + 12, tid);

/** HeapTupleHeaderSetCmin(): a fresh command id, so never a combo. */
export function setTupleCmin(at: number, cid: CommandId): void {
  mem.view.setUint32(at + 8, cid, true);
  setTupleInfomask(at, tupleInfomask(at) & ~HEAP_COMBOCID);
}
export function setTupleCmax(at: number, cid: CommandId, isCombo: boolean): void {
  mem.view.setUint32(at + 8, cid, true);
  const mask = tupleInfomask(at);
  setTupleInfomask(at, isCombo ? mask | HEAP_COMBOCID : mask & ~HEAP_COMBOCID);
}

/** HEAP_XMAX_IS_LOCKED_ONLY(). */
export const xmaxIsLockedOnly = (infomask: number): boolean =>
  (infomask & HEAP_XMAX_LOCK_ONLY) !== 0 || (infomask & (HEAP_XMAX_IS_MULTI | HEAP_LOCK_MASK)) === HEAP_XMAX_EXCL_LOCK;
/** HEAP_LOCKED_UPGRADED(): a multi of a cluster that pg_upgrade brought from 9.2 or before. */
export const lockedUpgraded = (infomask: number): boolean =>
  (infomask & HEAP_XMAX_IS_MULTI) !== 0 &&
  (infomask & HEAP_XMAX_LOCK_ONLY) !== 0 &&
  (infomask & (HEAP_XMAX_EXCL_LOCK | HEAP_XMAX_KEYSHR_LOCK)) === 0;
export const tupleIsHotUpdated = (at: number): boolean => {
  const infomask = tupleInfomask(at);
  return (
    (tupleInfomask2(at) & HEAP_HOT_UPDATED) !== 0 &&
    (infomask & HEAP_XMAX_INVALID) === 0 &&
    (infomask & HEAP_XMIN_FROZEN) !== HEAP_XMIN_INVALID
  );
};
export const tupleIsHeapOnly = (at: number): boolean => (tupleInfomask2(at) & HEAP_ONLY_TUPLE) !== 0;
export const xminCommitted = (infomask: number): boolean => (infomask & HEAP_XMIN_COMMITTED) !== 0;
export const xminInvalid = (infomask: number): boolean => (infomask & HEAP_XMIN_FROZEN) === HEAP_XMIN_INVALID;
export const xminFrozen = (infomask: number): boolean => (infomask & HEAP_XMIN_FROZEN) === HEAP_XMIN_FROZEN;
export const tupleIndicatesMovedPartitions = (at: number): boolean =>
  tupleCtidOffset(at) === MOVED_PARTITIONS_OFFSET && tupleCtidBlock(at) === 0xffff_ffff;
export const tupleIsSpeculative = (at: number): boolean => tupleCtidOffset(at) === SPEC_TOKEN_OFFSET;
