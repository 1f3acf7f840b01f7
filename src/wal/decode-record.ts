/** decode-record.ts — a checked record is taken apart into block references and data.
 *
 *  The checksum says that the bytes are those that were written; these checks say that they make sense.
 *  Main data and block data are copied to 8-byte aligned places in one private area that grows with the largest record.
 *  Counterpart: DecodeXLogRecord() of src/backend/access/transam/xlogreader.c */
import { BLCKSZ, type ForkNumber, type Lsn, type Oid, type RelFileNode, type TransactionId } from '#base/ids.ts';
import { mem } from '#shm/memory.ts';
import { privateAlloc, privateFree } from '#shm/private-memory.ts';
import type { DecodedBlock, DecodedRecord } from '#wal/decoded-record.ts';
import {
  BKPBLOCK,
  BKPIMAGE,
  BKPIMAGE_COMPRESSED,
  lsnText,
  maxAlign,
  RECORD_HEADER,
  XLR_BLOCK_ID,
  XLR_MAX_BLOCK_ID,
} from '#wal/wal-format.ts';

/** A reader's own memory for the payload of its record: another reader may be at work in the same process. */
export interface DecodeArea {
  at: number;
  size: number;
}
function ensureArea(area: DecodeArea, size: number): void {
  if (size <= area.size) return;
  if (area.at !== 0) privateFree(area.at);
  area.size = Math.max(16384, size);
  area.at = privateAlloc(area.size);
}

/** Position in the header part, and what is left of the record. */
let cursor = 0;
let remaining = 0;
let needed = 0;
/** True if the record ends before so many bytes. */
function isShort(bytes: number): boolean {
  return remaining < bytes;
}
function advance(bytes: number): number {
  const at = cursor;
  cursor += bytes;
  remaining -= bytes;
  return at;
}

/** Fills `out` from the record at `at`; null, or what is wrong. */
export function decodeRecord(out: DecodedRecord, area: DecodeArea, at: number, start: Lsn, next: Lsn): string | null {
  const { view } = mem;
  out.lsn = start;
  out.endLsn = next;
  out.totalLength = view.getUint32(at, true);
  out.xid = view.getUint32(at + 4, true) as TransactionId;
  out.prevLsn = (view.getUint32(at + 12, true) * 0x1_0000_0000 + view.getUint32(at + 8, true)) as Lsn;
  out.info = view.getUint8(at + 16);
  out.rmid = view.getUint8(at + 17);
  out.origin = 0;
  out.topXid = 0 as TransactionId;
  out.mainLength = 0;
  out.mainAt = 0;
  for (let id = 0; id <= out.maxBlockId; id++) out.blocks[id]!.inUse = false;
  out.maxBlockId = -1;
  cursor = at + RECORD_HEADER;
  remaining = out.totalLength - RECORD_HEADER;
  needed = 0;
  let node: RelFileNode | null = null;
  const tooShort = `record with invalid length at ${lsnText(start)}`;
  while (remaining > needed) {
    if (isShort(1)) return tooShort;
    const id = view.getUint8(advance(1));
    if (id === XLR_BLOCK_ID.dataShort || id === XLR_BLOCK_ID.dataLong) {
      const width = id === XLR_BLOCK_ID.dataShort ? 1 : 4;
      if (isShort(width)) return tooShort;
      const lengthAt = advance(width);
      out.mainLength = width === 1 ? view.getUint8(lengthAt) : view.getUint32(lengthAt, true);
      needed += out.mainLength;
      // The main data's header is always the last.
      break;
    }
    if (id === XLR_BLOCK_ID.origin) {
      if (isShort(2)) return tooShort;
      out.origin = view.getUint16(advance(2), true);
    } else if (id === XLR_BLOCK_ID.toplevelXid) {
      if (isShort(4)) return tooShort;
      out.topXid = view.getUint32(advance(4), true) as TransactionId;
    } else if (id <= XLR_MAX_BLOCK_ID) {
      if (id <= out.maxBlockId) return `out-of-order block_id ${id} at ${lsnText(start)}`;
      for (let skipped = out.maxBlockId + 1; skipped < id; skipped++) out.blocks[skipped]!.inUse = false;
      out.maxBlockId = id;
      const problem = decodeBlockHeader(out.blocks[id]!, node, start, tooShort);
      if (problem !== null) return problem;
      node = out.blocks[id]!.rnode;
    } else return `invalid block_id ${id} at ${lsnText(start)}`;
  }
  if (remaining !== needed) return tooShort;
  copyPayload(out, area);
  return null;
}

function decodeBlockHeader(
  block: DecodedBlock,
  previous: RelFileNode | null,
  start: Lsn,
  tooShort: string,
): string | null {
  const { view } = mem;
  if (isShort(3)) return tooShort;
  const at = advance(3);
  const flags = view.getUint8(at);
  block.inUse = true;
  block.applyImage = false;
  block.flags = flags;
  block.fork = (flags & BKPBLOCK.forkMask) as ForkNumber;
  block.hasImage = (flags & BKPBLOCK.hasImage) !== 0;
  block.hasData = (flags & BKPBLOCK.hasData) !== 0;
  block.dataLength = view.getUint16(at + 1, true);
  if (block.hasData && block.dataLength === 0)
    return `BKPBLOCK_HAS_DATA set, but no data included at ${lsnText(start)}`;
  if (!block.hasData && block.dataLength !== 0)
    return `BKPBLOCK_HAS_DATA not set, but data length is ${block.dataLength} at ${lsnText(start)}`;
  needed += block.dataLength;
  if (block.hasImage) {
    const problem = decodeImageHeader(block, start, tooShort);
    if (problem !== null) return problem;
  }
  if ((flags & BKPBLOCK.sameRel) === 0) {
    if (isShort(12)) return tooShort;
    const nodeAt = advance(12);
    const spcNode = view.getUint32(nodeAt, true) as Oid;
    const dbNode = view.getUint32(nodeAt + 4, true) as Oid;
    const relNode = view.getUint32(nodeAt + 8, true) as Oid;
    const old = block.rnode;
    // Mostly the same relation again: keep its object.
    if (old.relNode !== relNode || old.dbNode !== dbNode || old.spcNode !== spcNode)
      block.rnode = { spcNode, dbNode, relNode };
  } else if (previous === null) return `BKPBLOCK_SAME_REL set but no previous rel at ${lsnText(start)}`;
  else block.rnode = previous;
  if (isShort(4)) return tooShort;
  block.block = view.getUint32(advance(4), true);
  return null;
}

function decodeImageHeader(block: DecodedBlock, start: Lsn, tooShort: string): string | null {
  const { view } = mem;
  if (isShort(5)) return tooShort;
  const at = advance(5);
  const info = view.getUint8(at + 4);
  const length = view.getUint16(at, true);
  const offset = view.getUint16(at + 2, true);
  const hasHole = (info & BKPIMAGE.hasHole) !== 0;
  const compressed = (info & BKPIMAGE_COMPRESSED) !== 0;
  block.imageLength = length;
  block.holeOffset = offset;
  block.bimgInfo = info;
  block.applyImage = (info & BKPIMAGE.apply) !== 0;
  if (!compressed) block.holeLength = BLCKSZ - length;
  else if (hasHole) {
    if (isShort(2)) return tooShort;
    block.holeLength = view.getUint16(advance(2), true);
  } else block.holeLength = 0;
  const hole = block.holeLength;
  needed += length;
  if (hasHole && (offset === 0 || hole === 0 || length === BLCKSZ))
    return `BKPIMAGE_HAS_HOLE set, but hole offset ${offset} length ${hole} block image length ${length} at ${lsnText(start)}`;
  if (!hasHole && (offset !== 0 || hole !== 0))
    return `BKPIMAGE_HAS_HOLE not set, but hole offset ${offset} length ${hole} at ${lsnText(start)}`;
  if (compressed && length === BLCKSZ)
    return `BKPIMAGE_COMPRESSED set, but block image length ${length} at ${lsnText(start)}`;
  if (!hasHole && !compressed && length !== BLCKSZ)
    return `neither BKPIMAGE_HAS_HOLE nor BKPIMAGE_COMPRESSED set, but block image length is ${length} at ${lsnText(start)}`;
  return null;
}

/** Payloads follow the headers in the order of the blocks, the main data last. */
function copyPayload(out: DecodedRecord, area: DecodeArea): void {
  const { u8 } = mem;
  let size = maxAlign(out.mainLength);
  for (let id = 0; id <= out.maxBlockId; id++) {
    const block = out.blocks[id]!;
    if (block.inUse) size += maxAlign(block.dataLength) + (block.hasImage ? maxAlign(block.imageLength) : 0);
  }
  ensureArea(area, size);
  let to = area.at;
  const take = (length: number): number => {
    u8.copyWithin(to, cursor, cursor + length);
    cursor += length;
    const at = to;
    to += maxAlign(length);
    return at;
  };
  for (let id = 0; id <= out.maxBlockId; id++) {
    const block = out.blocks[id]!;
    if (!block.inUse) continue;
    if (block.hasImage) block.imageAt = take(block.imageLength);
    if (block.hasData) block.dataAt = take(block.dataLength);
  }
  if (out.mainLength > 0) out.mainAt = take(out.mainLength);
}
