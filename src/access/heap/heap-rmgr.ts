/** heap-rmgr.ts — resource managers Heap and Heap2: replay, and what pg_waldump shows of their records.
 *  Counterpart: src/backend/access/rmgrdesc/heapdesc.c */
import { heapRedo } from '#access/heap/heap-redo.ts';
import { XLHL, XLOG_HEAP, XLOG_HEAP2, XLOG_HEAP_OPMASK } from '#access/heap/heap-records.ts';
import { heap2Redo } from '#access/heap/heap2-redo.ts';
import { heapMask } from '#access/heap/heap-mask.ts';
import { readTid } from '#access/common/heap-tuple-layout.ts';
import { tidBlock, tidOffset } from '#base/ids.ts';
import { mem } from '#shm/memory.ts';
import type { DecodedRecord } from '#wal/decoded-record.ts';
import type { RmgrRow } from '#wal/rmgr.ts';

const hex2 = (byte: number): string => `0x${byte.toString(16).toUpperCase().padStart(2, '0')}`;
function infobitsText(bits: number): string {
  let text = '';
  if ((bits & XLHL.xmaxIsMulti) !== 0) text += 'IS_MULTI ';
  if ((bits & XLHL.lockOnly) !== 0) text += 'LOCK_ONLY ';
  if ((bits & XLHL.exclLock) !== 0) text += 'EXCL_LOCK ';
  if ((bits & XLHL.keyshrLock) !== 0) text += 'KEYSHR_LOCK ';
  if ((bits & XLHL.keysUpdated) !== 0) text += 'KEYS_UPDATED ';
  return text;
}

function describeHeap(record: DecodedRecord): string {
  const at = record.mainAt;
  const { u8, view } = mem;
  const u16 = (o: number): number => view.getUint16(at + o, true);
  const u32 = (o: number): number => view.getUint32(at + o, true);
  switch (record.info & XLOG_HEAP_OPMASK) {
    case XLOG_HEAP.insert:
      return `off ${u16(0)} flags ${hex2(u8[at + 2]!)}`;
    case XLOG_HEAP.delete:
      return `off ${u16(4)} flags ${hex2(u8[at + 7]!)} ${infobitsText(u8[at + 6]!)}`;
    case XLOG_HEAP.update:
    case XLOG_HEAP.hotUpdate:
      return (
        `off ${u16(4)} xmax ${u32(0)} flags ${hex2(u8[at + 7]!)} ${infobitsText(u8[at + 6]!)}` +
        `; new off ${u16(12)} xmax ${u32(8)}`
      );
    case XLOG_HEAP.truncate: {
      const flags = u8[at + 8]!;
      const count = u32(4);
      let text = `${(flags & 1) !== 0 ? 'cascade ' : ''}${(flags & 2) !== 0 ? 'restart_seqs ' : ''}nrelids ${count} relids`;
      for (let i = 0; i < count; i++) text += ` ${u32(12 + 4 * i)}`;
      return text;
    }
    case XLOG_HEAP.confirm:
    case XLOG_HEAP.inplace:
      return `off ${u16(0)}`;
    case XLOG_HEAP.lock:
      return `off ${u16(4)}: xid ${u32(0)}: flags ${hex2(u8[at + 7]!)} ${infobitsText(u8[at + 6]!)}`;
    default:
      return '';
  }
}

function describeHeap2(record: DecodedRecord): string {
  const at = record.mainAt;
  const { u8, view } = mem;
  const u16 = (o: number): number => view.getUint16(at + o, true);
  const u32 = (o: number): number => view.getUint32(at + o, true);
  switch (record.info & XLOG_HEAP_OPMASK) {
    case XLOG_HEAP2.prune:
      return `latestRemovedXid ${u32(0)} nredirected ${u16(4)} ndead ${u16(6)}`;
    case XLOG_HEAP2.vacuum:
      return `nunused ${u16(0)}`;
    case XLOG_HEAP2.freezePage:
      return `cutoff xid ${u32(0)} ntuples ${u16(4)}`;
    case XLOG_HEAP2.visible:
      return `cutoff xid ${u32(0)} flags ${hex2(u8[at + 4]!)}`;
    case XLOG_HEAP2.multiInsert:
      return `${u16(2)} tuples flags ${hex2(u8[at]!)}`;
    case XLOG_HEAP2.lockUpdated:
      return `off ${u16(4)}: xmax ${u32(0)}: flags ${hex2(u8[at + 7]!)} ${infobitsText(u8[at + 6]!)}`;
    case XLOG_HEAP2.newCid: {
      const tid = readTid(at + 28);
      return (
        `rel ${u32(16)}/${u32(20)}/${u32(24)}; tid ${tidBlock(tid)}/${tidOffset(tid)}` +
        `; cmin: ${u32(4)}, cmax: ${u32(8)}, combo: ${u32(12)}`
      );
    }
    default:
      return '';
  }
}

/** By xl_info & 0xF0. */
const HEAP_NAMES: Readonly<Record<number, string>> = {
  0: 'INSERT',
  128: 'INSERT+INIT',
  16: 'DELETE',
  32: 'UPDATE',
  160: 'UPDATE+INIT',
  48: 'TRUNCATE',
  64: 'HOT_UPDATE',
  192: 'HOT_UPDATE+INIT',
  80: 'HEAP_CONFIRM',
  96: 'LOCK',
  112: 'INPLACE',
};
const HEAP2_NAMES: Readonly<Record<number, string>> = {
  0: 'REWRITE',
  16: 'PRUNE',
  32: 'VACUUM',
  48: 'FREEZE_PAGE',
  64: 'VISIBLE',
  80: 'MULTI_INSERT',
  208: 'MULTI_INSERT+INIT',
  96: 'LOCK_UPDATED',
  112: 'NEW_CID',
};

export const heapRmgr: RmgrRow = {
  name: 'Heap',
  redo: heapRedo,
  describe: describeHeap,
  identify: (info) => HEAP_NAMES[info & 0xf0] ?? null,
  mask: heapMask,
};
export const heap2Rmgr: RmgrRow = {
  name: 'Heap2',
  redo: heap2Redo,
  describe: describeHeap2,
  identify: (info) => HEAP2_NAMES[info & 0xf0] ?? null,
  mask: heapMask,
};
