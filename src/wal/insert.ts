/** insert.ts — how a WAL record is put together: begin, register pages and data, insert.
 *
 *    xlogBeginInsert(); xlogRegisterBlock(0, …); xlogRegisterBufData(0, at, n); xlogRegisterData(at, n);
 *    lsn = xlogInsert(RM.heap, info); pageSetLsn(page, lsn);
 *
 *  Registered addresses must stay valid until xlogInsert. Whether a page goes in whole is decided there: if its LSN is not
 *  newer than the redo pointer, the first change since the checkpoint, its data is left out and its image put in.
 *  All of this is process-private: short pieces are gathered behind the header in one scratch area, so that a usual
 *  record is one piece of memory, one checksum call and one copy. Nothing is allocated per record.
 *  Counterpart: src/backend/access/transam/xloginsert.c */
import { pglzCompress, pglzMaxOutput } from '#base/pglz.ts';
import { assert } from '#base/assert.ts';
import { BLCKSZ, type BlockNumber, type ForkNumber, type Lsn, type RelFileNode } from '#base/ids.ts';
import { native } from '#platform/native.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { mem, onNewPrivateWindow, segmentId } from '#shm/memory.ts';
import { privateAlloc, privateFree, privateReserve } from '#shm/private-memory.ts';
import { isConsistencyChecked } from '#wal/consistency-setting.ts';
import { crcOfBytes } from '#wal/crc32c.ts';
import { chain, insertRecord, pageWritesWanted, XLOG_INCLUDE_ORIGIN } from '#wal/insert-record.ts';
import { xlogInsertAllowed } from '#wal/recovery-state.ts';
import { RM } from '#wal/rmgr-ids.ts';
import {
  BKPBLOCK,
  BKPIMAGE,
  LONG_HEADER,
  RECORD_HEADER,
  XLOG,
  XLR_BLOCK_ID,
  XLR_CHECK_CONSISTENCY,
  XLR_MAX_BLOCK_ID,
  XLR_RMGR_INFO_MASK,
  XLR_SPECIAL_REL_UPDATE,
} from '#wal/wal-format.ts';
import { localRedo } from '#wal/wal-shmem.ts';

// biome-ignore-start lint/performance/noBarrelFile: this file is the face of the WAL writer, as xlog.h and xloginsert.h are
export { XLOG_INCLUDE_ORIGIN, XLOG_MARK_UNIMPORTANT, procLastRecPtr } from '#wal/insert-record.ts';
export { setXlogLastRecEnd, xlogLastRecEnd } from '#wal/insert-record.ts';
export {
  getFakeLsnForUnlogged,
  getFlushRecPtr,
  getInsertTimeline,
  getRedoRecPtr,
  getXLogInsertRecPtr,
  getXLogWriteRecPtr,
  xlogBackgroundFlush,
  xlogFlush,
  xlogNeedsFlush,
  xlogSetAsyncXactLsn,
} from '#wal/flush.ts';
export { getLastImportantRecPtr } from '#wal/insert-locks.ts';
export { inRecovery, recoveryInProgress, xlogInsertAllowed } from '#wal/recovery-state.ts';
export { xlogIsNeeded, xlogLogicalInfoActive, xlogStandbyInfoActive } from '#wal/wal-format.ts';
export {
  dataChecksumsEnabled,
  logNewpage,
  requestXLogSwitch,
  xlogHintBitIsNeeded,
  xlogPutNextOid,
  xlogRestorePoint,
} from '#wal/wal-records.ts';

// biome-ignore-end lint/performance/noBarrelFile: see above

export const REGBUF = { forceImage: 0x01, noImage: 0x02, willInit: 0x06, standard: 0x08, keepData: 0x10 } as const;

/** What the transaction manager says about the record's author; it fills these in. */
export const walXactHooks: {
  /** The (sub)transaction's xid, 0 without one. */
  currentXidIfAny: () => number;
  /** The top-level xid if this record must carry it (wal_level logical, first record of a subtransaction), else 0. */
  topXidToLog: () => number;
  topXidLogged: () => void;
  /** Replication origin of the session, 0 for none. */
  sessionOrigin: () => number;
} = {
  currentXidIfAny: () => 0,
  topXidToLog: () => 0,
  topXidLogged: () => {},
  sessionOrigin: () => 0,
};

/** initdb's bootstrap: what it makes is synced as a whole, so nothing but checkpoints is logged. */
let bootstrapMode = false;
export function setWalBootstrapMode(on: boolean): void {
  bootstrapMode = on;
}

// ── what is registered ─────────────────────────────────────────────────────────────────────────────────────────────
const MAX_BLOCKS = XLR_MAX_BLOCK_ID + 1;
let begun = false;
let recordFlags = 0;
/** One more than the highest registered block id. */
let blockCount = 0;
const inUse = new Uint8Array(MAX_BLOCKS);
const regFlags = new Uint8Array(MAX_BLOCKS);
const forks = new Uint8Array(MAX_BLOCKS);
const spcNodes = new Uint32Array(MAX_BLOCKS);
const dbNodes = new Uint32Array(MAX_BLOCKS);
const relNodes = new Uint32Array(MAX_BLOCKS);
const blockNumbers = new Uint32Array(MAX_BLOCKS);
const pages = new Float64Array(MAX_BLOCKS);
const dataLengths = new Uint32Array(MAX_BLOCKS);
/** First and last piece of each block's data, -1 for none; index MAX_BLOCKS is the main data. */
const heads = new Int32Array(MAX_BLOCKS + 1);
const tails = new Int32Array(MAX_BLOCKS + 1);
const MAIN = MAX_BLOCKS;
let mainLength = 0;

/** Registered pieces, linked per owner. Grows for records of many pieces. */
let pieceAt = new Float64Array(128);
let pieceLength = new Uint32Array(128);
let pieceNext = new Int32Array(128);
let pieceCount = 0;

function addPiece(owner: number, at: number, length: number): void {
  if (pieceCount === pieceAt.length) growPieces();
  const i = pieceCount++;
  pieceAt[i] = at;
  pieceLength[i] = length;
  pieceNext[i] = -1;
  if (heads[owner]! < 0) heads[owner] = i;
  else pieceNext[tails[owner]!] = i;
  tails[owner] = i;
}
function growPieces(): void {
  const size = pieceAt.length * 2;
  const [at, length, next] = [new Float64Array(size), new Uint32Array(size), new Int32Array(size)];
  at.set(pieceAt);
  length.set(pieceLength);
  next.set(pieceNext);
  [pieceAt, pieceLength, pieceNext] = [at, length, next];
}

// ── scratch ────────────────────────────────────────────────────────────────────────────────────────────────────────
const SCRATCH_SIZE = 64 * 1024;
/** Header, and behind it the short pieces. */
let scratchAt = 0;
/** For callers who build their data: freed by the next xlogBeginInsert. */
let callerAt = 0;
let callerUsed = 0;
const callerBlocks: number[] = [];
/** Compressed images, by block id. */
const compressedAt = new Float64Array(MAX_BLOCKS);

function ensureScratch(): void {
  if (scratchAt !== 0) return;
  scratchAt = privateReserve(SCRATCH_SIZE);
  callerAt = privateReserve(SCRATCH_SIZE);
}
onNewPrivateWindow(() => {
  scratchAt = 0;
  callerAt = 0;
  callerUsed = 0;
  callerBlocks.length = 0;
  compressedAt.fill(0);
});

/** Private memory for building a record's data, 8-byte aligned, not zeroed; freed by the next xlogBeginInsert, so ask
 *  after that. */
export function walScratch(size: number): number {
  ensureScratch();
  const rounded = size + (-size & 7);
  if (callerUsed + rounded > SCRATCH_SIZE) {
    const at = privateAlloc(rounded);
    callerBlocks.push(at);
    return at;
  }
  const at = callerAt + callerUsed;
  callerUsed += rounded;
  return at;
}

// ── registering ────────────────────────────────────────────────────────────────────────────────────────────────────
export function xlogBeginInsert(): void {
  if (!xlogInsertAllowed()) report('ERROR', { message: 'cannot make new WAL entries during recovery' });
  if (begun) report('ERROR', { message: 'XLogBeginInsert was already called' });
  callerUsed = 0;
  while (callerBlocks.length > 0) privateFree(callerBlocks.pop()!);
  heads[MAIN] = -1;
  begun = true;
}

/** Forgets a record that was begun: after an error. */
export function xlogResetInsertion(): void {
  for (let i = 0; i < blockCount; i++) inUse[i] = 0;
  blockCount = 0;
  pieceCount = 0;
  mainLength = 0;
  heads[MAIN] = -1;
  recordFlags = 0;
  begun = false;
}

export function xlogSetRecordFlags(flags: number): void {
  recordFlags |= flags;
}

/** A page that the record changes; it is locked, and already changed. */
export function xlogRegisterBlock(
  id: number,
  rnode: RelFileNode,
  fork: ForkNumber,
  block: BlockNumber,
  pageAt: number,
  flags: number,
): void {
  assert(begun, 'xlogBeginInsert comes first');
  if (id >= MAX_BLOCKS) report('ERROR', { message: 'too many registered buffers' });
  for (let i = blockCount; i < id; i++) inUse[i] = 0;
  if (id >= blockCount) blockCount = id + 1;
  inUse[id] = 1;
  regFlags[id] = flags;
  spcNodes[id] = rnode.spcNode;
  dbNodes[id] = rnode.dbNode;
  relNodes[id] = rnode.relNode;
  forks[id] = fork;
  blockNumbers[id] = block;
  pages[id] = pageAt;
  dataLengths[id] = 0;
  heads[id] = -1;
}
/** Data that belongs to a page: left out when the page's image is taken. */
export function xlogRegisterBufData(id: number, at: number, length: number): void {
  assert(begun && inUse[id] === 1, 'the block is registered before its data');
  dataLengths[id] = dataLengths[id]! + length;
  if (dataLengths[id]! > 0xffff)
    report('ERROR', {
      message: 'too much WAL data',
      detail: `Registering more than maximum 65535 bytes allowed to block ${id}: current ${dataLengths[id]! - length} bytes, adding ${length} bytes.`,
    });
  addPiece(id, at, length);
}
export function xlogRegisterData(at: number, length: number): void {
  assert(begun, 'xlogBeginInsert comes first');
  if (length === 0) return;
  addPiece(MAIN, at, length);
  mainLength += length;
}

// ── assembling ─────────────────────────────────────────────────────────────────────────────────────────────────────
/** Pieces up to this length are copied behind the header. */
const SHORT = 512;
const TAKES_IMAGE = 1;
const TAKES_DATA = 2;
const decisions = new Uint8Array(MAX_BLOCKS);
const holeOffsets = new Int32Array(MAX_BLOCKS);
const holeLengths = new Int32Array(MAX_BLOCKS);
const imageLengths = new Int32Array(MAX_BLOCKS);
const isCompressed = new Uint8Array(MAX_BLOCKS);
/** [smallest LSN of a page left out, 0 for none] */
const fpwLsn = new Float64Array(1);
let imageCount = 0;
let scratchUsed = 0;

/** Inserts the record; its end is the pages' new LSN. */
export function xlogInsert(rmid: number, info: number): Lsn {
  if (!begun) report('ERROR', { message: 'XLogBeginInsert was not called' });
  if ((info & ~(XLR_RMGR_INFO_MASK | XLR_SPECIAL_REL_UPDATE | XLR_CHECK_CONSISTENCY)) !== 0)
    report('PANIC', { message: `invalid xlog info mask ${info.toString(16).toUpperCase().padStart(2, '0')}` });
  if (bootstrapMode && rmid !== RM.xlog) {
    xlogResetInsertion();
    return LONG_HEADER as Lsn;
  }
  const isSwitch = rmid === RM.xlog && (info & XLR_RMGR_INFO_MASK) === XLOG.switch;
  let end: Lsn;
  do {
    const topXid = walXactHooks.topXidToLog();
    const total = assemble(rmid, info, topXid);
    end = insertRecord(scratchAt, total, fpwLsn[0]!, recordFlags, imageCount, isSwitch);
    if (end !== 0 && topXid !== 0) walXactHooks.topXidLogged();
  } while (end === 0);
  xlogResetInsertion();
  return end;
}

/** Makes `chain`; returns the record's length. */
function assemble(rmid: number, info: number, topXid: number): number {
  ensureScratch();
  if (isConsistencyChecked(rmid)) info |= XLR_CHECK_CONSISTENCY;
  fpwLsn[0] = 0;
  imageCount = 0;
  scratchUsed = RECORD_HEADER;
  for (let id = 0, previous = -1; id < blockCount; id++) {
    if (inUse[id] === 0) continue;
    decide(id, (info & XLR_CHECK_CONSISTENCY) !== 0);
    putBlockHeader(id, previous);
    previous = id;
  }
  const origin = (recordFlags & XLOG_INCLUDE_ORIGIN) !== 0 ? walXactHooks.sessionOrigin() : 0;
  const { view } = mem;
  if (origin !== 0) {
    view.setUint8(scratchAt + scratchUsed, XLR_BLOCK_ID.origin);
    view.setUint16(scratchAt + scratchUsed + 1, origin, true);
    scratchUsed += 3;
  }
  if (topXid !== 0) {
    view.setUint8(scratchAt + scratchUsed, XLR_BLOCK_ID.toplevelXid);
    view.setUint32(scratchAt + scratchUsed + 1, topXid, true);
    scratchUsed += 5;
  }
  if (mainLength > 255) {
    view.setUint8(scratchAt + scratchUsed, XLR_BLOCK_ID.dataLong);
    view.setUint32(scratchAt + scratchUsed + 1, mainLength, true);
    scratchUsed += 5;
  } else if (mainLength > 0) {
    view.setUint8(scratchAt + scratchUsed, XLR_BLOCK_ID.dataShort);
    view.setUint8(scratchAt + scratchUsed + 1, mainLength);
    scratchUsed += 2;
  }
  chain.count = 1;
  chain.at[0] = scratchAt;
  chain.length[0] = scratchUsed;
  for (let id = 0; id < blockCount; id++) {
    if (inUse[id] === 0) continue;
    if ((decisions[id]! & TAKES_IMAGE) !== 0) linkImage(id);
    if ((decisions[id]! & TAKES_DATA) !== 0) linkPieces(id);
  }
  if (mainLength > 0) linkPieces(MAIN);
  return finishHeader(rmid, info);
}

/** Totals and the body's checksum. */
function finishHeader(rmid: number, info: number): number {
  const { view, u8 } = mem;
  let total = 0;
  let crc = 0;
  for (let i = 0; i < chain.count; i++) {
    const at = i === 0 ? scratchAt + RECORD_HEADER : chain.at[i]!;
    const length = i === 0 ? chain.length[0]! - RECORD_HEADER : chain.length[i]!;
    // A native call costs about as much as 64 bytes here.
    crc = length <= 64 ? crcOfBytes(u8, at, length, crc) : native.crc32cSegment(segmentId, at, length, crc);
    total += chain.length[i]!;
  }
  view.setUint32(scratchAt, total, true);
  view.setUint32(scratchAt + 4, walXactHooks.currentXidIfAny(), true);
  view.setUint32(scratchAt + 16, (info & 0xff) | (rmid << 8), true);
  view.setUint32(scratchAt + 20, crc, true);
  return total;
}

/** Image, data, or nothing of the block? */
function decide(id: number, checksConsistency: boolean): void {
  const flags = regFlags[id]!;
  const page = pages[id]!;
  let needsImage: boolean;
  if ((flags & REGBUF.forceImage) !== 0) needsImage = true;
  else if ((flags & REGBUF.noImage) !== 0 || !pageWritesWanted()) needsImage = false;
  else {
    const { view } = mem;
    const lsn = view.getUint32(page, true) * 0x1_0000_0000 + view.getUint32(page + 4, true);
    needsImage = lsn <= localRedo();
    if (!needsImage && (fpwLsn[0] === 0 || lsn < fpwLsn[0]!)) fpwLsn[0] = lsn;
  }
  let decision = 0;
  if (dataLengths[id]! > 0 && ((flags & REGBUF.keepData) !== 0 || !needsImage)) decision |= TAKES_DATA;
  isCompressed[id] = 0;
  if (needsImage || checksConsistency) {
    decision |= TAKES_IMAGE;
    imageCount++;
    findHole(id, page);
    imageLengths[id] = BLCKSZ - holeLengths[id]!;
    if (settings.wal_compression !== 'off') compressImage(id, page);
  }
  decisions[id] = needsImage ? decision | 4 : decision;
}

function findHole(id: number, page: number): void {
  holeOffsets[id] = 0;
  holeLengths[id] = 0;
  if ((regFlags[id]! & REGBUF.standard) === 0) return;
  const lower = mem.view.getUint16(page + 12, true);
  const upper = mem.view.getUint16(page + 14, true);
  if (lower < 24 || upper <= lower || upper > BLCKSZ) return;
  holeOffsets[id] = lower;
  holeLengths[id] = upper - lower;
}

/** The page without its hole, so that it can be compressed in one piece. */
let holeless = new Uint8Array(0);
let squeezed = new Uint8Array(0);

function compressImage(id: number, page: number): void {
  const method = settings.wal_compression;
  if (method !== 'pglz') report('ERROR', { message: `${method.toUpperCase()} is not supported by this build` });
  if (holeless.length === 0) {
    holeless = new Uint8Array(BLCKSZ);
    squeezed = new Uint8Array(pglzMaxOutput(BLCKSZ));
  }
  const { u8 } = mem;
  const offset = holeOffsets[id]!;
  const length = imageLengths[id]!;
  if (offset === 0) holeless.set(u8.subarray(page, page + length));
  else {
    holeless.set(u8.subarray(page, page + offset));
    holeless.set(u8.subarray(page + offset + holeLengths[id]!, page + BLCKSZ), offset);
  }
  const packed = pglzCompress(holeless, 0, length, squeezed, 0);
  // Two bytes more of header when there is a hole.
  const extra = holeLengths[id]! !== 0 ? 2 : 0;
  if (packed < 0 || packed + extra >= length) return;
  if (compressedAt[id] === 0) compressedAt[id] = privateReserve(BLCKSZ);
  u8.set(squeezed.subarray(0, packed), compressedAt[id]);
  imageLengths[id] = packed;
  isCompressed[id] = 1;
}

function putBlockHeader(id: number, previous: number): void {
  const { view } = mem;
  let at = scratchAt + scratchUsed;
  const decision = decisions[id]!;
  const sameRel =
    previous >= 0 &&
    relNodes[previous] === relNodes[id] &&
    dbNodes[previous] === dbNodes[id] &&
    spcNodes[previous] === spcNodes[id];
  let flags = forks[id]!;
  if ((decision & TAKES_IMAGE) !== 0) flags |= BKPBLOCK.hasImage;
  if ((decision & TAKES_DATA) !== 0) flags |= BKPBLOCK.hasData;
  if ((regFlags[id]! & REGBUF.willInit) === REGBUF.willInit) flags |= BKPBLOCK.willInit;
  if (sameRel) flags |= BKPBLOCK.sameRel;
  view.setUint8(at, id);
  view.setUint8(at + 1, flags);
  view.setUint16(at + 2, (decision & TAKES_DATA) !== 0 ? dataLengths[id]! : 0, true);
  at += 4;
  if ((decision & TAKES_IMAGE) !== 0) {
    let bimg = (decision & 4) !== 0 ? BKPIMAGE.apply : 0;
    if (holeLengths[id] !== 0) bimg |= BKPIMAGE.hasHole;
    if (isCompressed[id] === 1) bimg |= BKPIMAGE.pglz;
    view.setUint16(at, imageLengths[id]!, true);
    view.setUint16(at + 2, holeOffsets[id]!, true);
    view.setUint8(at + 4, bimg);
    at += 5;
    if (isCompressed[id] === 1 && holeLengths[id] !== 0) {
      view.setUint16(at, holeLengths[id]!, true);
      at += 2;
    }
  }
  if (!sameRel) {
    view.setUint32(at, spcNodes[id]!, true);
    view.setUint32(at + 4, dbNodes[id]!, true);
    view.setUint32(at + 8, relNodes[id]!, true);
    at += 12;
  }
  view.setUint32(at, blockNumbers[id]!, true);
  scratchUsed = at + 4 - scratchAt;
}

function link(at: number, length: number): void {
  const lastPiece = chain.count - 1;
  const scratchEnd = scratchAt + scratchUsed;
  if (length <= SHORT && scratchUsed + length <= SCRATCH_SIZE) {
    // Behind what was gathered last, or as a new gathering after a long piece.
    if (length <= 32) for (let i = 0; i < length; i++) mem.u8[scratchEnd + i] = mem.u8[at + i]!;
    else mem.u8.copyWithin(scratchEnd, at, at + length);
    scratchUsed += length;
    if (chain.at[lastPiece]! + chain.length[lastPiece]! === scratchEnd) {
      chain.length[lastPiece] = chain.length[lastPiece]! + length;
      return;
    }
    at = scratchEnd;
  }
  if (chain.count === chain.at.length) growChain();
  chain.at[chain.count] = at;
  chain.length[chain.count++] = length;
}
function growChain(): void {
  const at = new Float64Array(chain.at.length * 2);
  const length = new Int32Array(at.length);
  at.set(chain.at);
  length.set(chain.length);
  chain.at = at;
  chain.length = length;
}
function linkPieces(owner: number): void {
  for (let i = heads[owner]!; i >= 0; i = pieceNext[i]!) link(pieceAt[i]!, pieceLength[i]!);
}
function linkImage(id: number): void {
  const page = pages[id]!;
  if (isCompressed[id] === 1) {
    link(compressedAt[id]!, imageLengths[id]!);
    return;
  }
  const hole = holeLengths[id]!;
  if (hole === 0) {
    link(page, BLCKSZ);
    return;
  }
  const offset = holeOffsets[id]!;
  link(page, offset);
  link(page + offset + hole, BLCKSZ - offset - hole);
}

/** Would the page be logged whole if it were changed now? (Answers may be out of date at once.) */
export function xlogCheckBufferNeedsBackup(pageAt: number): boolean {
  const { view } = mem;
  const lsn = view.getUint32(pageAt, true) * 0x1_0000_0000 + view.getUint32(pageAt + 4, true);
  return pageWritesWanted() && lsn <= localRedo();
}
