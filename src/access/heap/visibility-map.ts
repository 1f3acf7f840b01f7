/** visibility-map.ts — two bits per heap page: all its tuples are visible to everybody; all of them are frozen.
 *
 *  A bit may be set only while PD_ALL_VISIBLE is set on the heap page, under that page's exclusive lock, with a record.
 *  Clearing needs no record of its own: the record of the change says it. A map page is pinned before the heap page is
 *  locked, because reading it may need I/O.
 *  32672 heap pages per map page (8168 bytes × 4).
 *  Counterpart: src/backend/access/heap/visibilitymap.c */
import { type Relation, relationNeedsWal, relationSmgr } from '#access/common/relation-descriptor.ts';
import { assert } from '#base/assert.ts';
import {
  type BlockNumber,
  type Buffer,
  FORK,
  INVALID_BLOCK,
  INVALID_BUFFER,
  type Lsn,
  type RelFileNode,
  type TransactionId,
} from '#base/ids.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { mem, onNewPrivateWindow } from '#shm/memory.ts';
import { privateReserve } from '#shm/private-memory.ts';
import { BUFFER_LOCK, RBM } from '#storage/buffer/buffer-layout.ts';
import { lockBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferBlock, bufferPage } from '#storage/buffer/buffer-pool.ts';
import { logNewpageBuffer, xlogRegisterBuffer } from '#storage/buffer/buffer-wal.ts';
import { markBufferDirty } from '#storage/buffer/dirty.ts';
import { releaseBuffer } from '#storage/buffer/pin.ts';
import { readBuffer } from '#storage/buffer/read-buffer.ts';
import { xlogReadBufferExtended } from '#storage/buffer/redo-buffers.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { lockRelationForExtension, unlockRelationForExtension } from '#storage/lmgr/lmgr.ts';
import { pageInit, pageIsAllVisible, pageIsNew, pageSetLsn } from '#storage/page/page.ts';
import { pageSetChecksum } from '#storage/page/page-checksum.ts';
import {
  type SmgrRelation,
  smgrCreate,
  smgrExists,
  smgrExtend,
  smgrInvalidate,
  smgrNblocks,
} from '#storage/smgr/smgr.ts';
import {
  REGBUF,
  recoveryInProgress,
  walScratch,
  xlogBeginInsert,
  xlogHintBitIsNeeded,
  xlogInsert,
  xlogRegisterData,
} from '#wal/insert.ts';
import { RM } from '#wal/rmgr-ids.ts';

export const VM_ALL_VISIBLE = 1;
export const VM_ALL_FROZEN = 2;
export const VM_VALID_BITS = 3;
const XLOG_HEAP2_VISIBLE = 0x40;

const CONTENTS = 24;
export const VM_BYTES_PER_PAGE = 8168;
export const HEAP_BLOCKS_PER_VM_PAGE = VM_BYTES_PER_PAGE * 4;

export const vmPageOf = (heapBlock: BlockNumber): BlockNumber => Math.floor(heapBlock / HEAP_BLOCKS_PER_VM_PAGE);
const byteOf = (heapBlock: BlockNumber): number => CONTENTS + ((heapBlock % HEAP_BLOCKS_PER_VM_PAGE) >> 2);
const shiftOf = (heapBlock: BlockNumber): number => (heapBlock & 3) * 2;

/** Where the functions below leave the map buffer that is pinned now; the caller keeps it and releases it. */
export interface VmBuffer {
  buffer: Buffer;
}
export const newVmBuffer = (): VmBuffer => ({ buffer: INVALID_BUFFER });
export function releaseVmBuffer(vm: VmBuffer): void {
  if (vm.buffer !== INVALID_BUFFER) releaseBuffer(vm.buffer);
  vm.buffer = INVALID_BUFFER;
}

/** The file of the map, made longer until it has the page. */
function vmExtend(rel: Relation, blocks: BlockNumber): void {
  lockRelationForExtension(rel, LOCK.exclusive);
  try {
    const smgr = relationSmgr(rel);
    if (!smgrExists(smgr, FORK.vm)) smgrCreate(smgr, FORK.vm, false);
    let have = smgrNblocks(smgr, FORK.vm);
    if (have >= blocks) {
      smgr.cachedNblocks[FORK.vm] = have;
      return;
    }
    // Others may believe that there is no such page; those who look it up without extending would never see it.
    smgrInvalidate(smgr);
    const page = scratchPage();
    pageInit(page, 0);
    for (; have < blocks; have++) {
      pageSetChecksum(page, have);
      smgrExtend(smgr, FORK.vm, have, page, false);
    }
    smgr.cachedNblocks[FORK.vm] = have;
  } finally {
    unlockRelationForExtension(rel, LOCK.exclusive);
  }
}
let scratch = 0;
onNewPrivateWindow(() => {
  scratch = 0;
});
const scratchPage = (): number => (scratch === 0 ? (scratch = privateReserve(8192)) : scratch);

/** The pinned page of the map, INVALID_BUFFER if the map is shorter and `extend` is false. */
function vmReadBuffer(
  rel: Relation | null,
  smgr: SmgrRelation,
  persistence: 'p' | 'u' | 't',
  mapBlock: BlockNumber,
  extend: boolean,
): Buffer {
  // What was learned once is good enough: a map that grew meanwhile only says less than it could.
  if (smgr.cachedNblocks[FORK.vm] === INVALID_BLOCK)
    smgr.cachedNblocks[FORK.vm] = smgrExists(smgr, FORK.vm) ? smgrNblocks(smgr, FORK.vm) : 0;
  if (mapBlock >= smgr.cachedNblocks[FORK.vm]) {
    if (!extend) return INVALID_BUFFER;
    assert(rel !== null, 'only a relation can be extended');
    vmExtend(rel, mapBlock + 1);
  }
  // A torn page is no reason to give up: the map can be all zeroes.
  const buffer = readBuffer(smgr, persistence, FORK.vm, mapBlock, RBM.zeroOnError, null);
  if (pageIsNew(bufferPage(buffer))) {
    lockBuffer(buffer, BUFFER_LOCK.exclusive);
    if (pageIsNew(bufferPage(buffer))) pageInit(bufferPage(buffer), 0);
    lockBuffer(buffer, BUFFER_LOCK.unlock);
  }
  return buffer;
}

/** visibilitymap_pin(): before the heap page is locked. */
export function visibilityMapPin(rel: Relation, heapBlock: BlockNumber, vm: VmBuffer): void {
  const mapBlock = vmPageOf(heapBlock);
  if (vm.buffer !== INVALID_BUFFER) {
    if (bufferBlock(vm.buffer) === mapBlock) return;
    releaseVmBuffer(vm);
  }
  vm.buffer = vmReadBuffer(rel, relationSmgr(rel), rel.persistence, mapBlock, true);
}
export const visibilityMapPinOk = (heapBlock: BlockNumber, buffer: Buffer): boolean =>
  buffer !== INVALID_BUFFER && bufferBlock(buffer) === vmPageOf(heapBlock);
/** Replay has no Relation: pins by file. */
export function visibilityMapPinForRedo(rnode: RelFileNode, heapBlock: BlockNumber): Buffer {
  const buffer = xlogReadBufferExtended(rnode, FORK.vm, vmPageOf(heapBlock), RBM.zeroOnError);
  if (buffer !== INVALID_BUFFER && pageIsNew(bufferPage(buffer))) {
    lockBuffer(buffer, BUFFER_LOCK.exclusive);
    if (pageIsNew(bufferPage(buffer))) pageInit(bufferPage(buffer), 0);
    lockBuffer(buffer, BUFFER_LOCK.unlock);
  }
  return buffer;
}

/** Clears bits; true if one was set. The caller holds the heap page exclusively and logs its own change. */
export function visibilityMapClear(heapBlock: BlockNumber, buffer: Buffer, flags: number): boolean {
  assert(visibilityMapPinOk(heapBlock, buffer), 'the right page of the visibility map is pinned');
  const mask = flags << shiftOf(heapBlock);
  lockBuffer(buffer, BUFFER_LOCK.exclusive);
  const at = bufferPage(buffer) + byteOf(heapBlock);
  const wasSet = (mem.u8[at]! & mask) !== 0;
  if (wasSet) {
    mem.u8[at] = mem.u8[at]! & ~mask;
    markBufferDirty(buffer);
  }
  lockBuffer(buffer, BUFFER_LOCK.unlock);
  return wasSet;
}

/** Sets bits for a heap page whose PD_ALL_VISIBLE is set. In replay `recordPtr` is the record's end, otherwise 0: the
 *  function writes its own record, then. */
export function visibilityMapSet(
  needsWal: boolean,
  heapBlock: BlockNumber,
  heapBuffer: Buffer,
  recordPtr: Lsn,
  vmBuffer: Buffer,
  cutoffXid: TransactionId,
  flags: number,
): void {
  // Frozen alone: vacuum froze a page that was known as visible before.
  assert((flags & (VM_ALL_VISIBLE | VM_ALL_FROZEN)) !== 0, 'bits of the visibility map');
  if (!visibilityMapPinOk(heapBlock, vmBuffer))
    report('ERROR', { code: SQLSTATE.internalError, message: 'wrong VM buffer passed to visibilitymap_set' });
  if (heapBuffer !== INVALID_BUFFER) {
    assert(bufferBlock(heapBuffer) === heapBlock, 'the heap page of the bits');
    assert(recordPtr !== 0 || pageIsAllVisible(bufferPage(heapBuffer)), 'PD_ALL_VISIBLE comes first');
  }
  const page = bufferPage(vmBuffer);
  const shift = shiftOf(heapBlock);
  lockBuffer(vmBuffer, BUFFER_LOCK.exclusive);
  const at = page + byteOf(heapBlock);
  if (((mem.u8[at]! >> shift) & VM_VALID_BITS) !== flags) {
    beginCritical();
    mem.u8[at] = mem.u8[at]! | (flags << shift);
    markBufferDirty(vmBuffer);
    if (needsWal) {
      let lsn = recordPtr;
      if (lsn === 0) {
        lsn = logVisible(heapBuffer, vmBuffer, cutoffXid, flags);
        // With checksums a torn heap page must not be taken for one whose hint bits alone were lost.
        if (xlogHintBitIsNeeded()) pageSetLsn(bufferPage(heapBuffer), lsn);
      }
      pageSetLsn(page, lsn);
    }
    endCritical();
  }
  lockBuffer(vmBuffer, BUFFER_LOCK.unlock);
}
export const visibilityMapSetFor = (
  rel: Relation,
  heapBlock: BlockNumber,
  heapBuffer: Buffer,
  vmBuffer: Buffer,
  cutoffXid: TransactionId,
  flags: number,
): void => {
  assert(!recoveryInProgress(), 'only replay sets bits with a record of somebody else');
  visibilityMapSet(relationNeedsWal(rel), heapBlock, heapBuffer, 0 as Lsn, vmBuffer, cutoffXid, flags);
};

function logVisible(heapBuffer: Buffer, vmBuffer: Buffer, cutoffXid: TransactionId, flags: number): Lsn {
  xlogBeginInsert();
  const at = walScratch(5);
  mem.view.setUint32(at, cutoffXid, true);
  mem.u8[at + 4] = flags;
  xlogRegisterData(at, 5);
  xlogRegisterBuffer(0, vmBuffer, 0);
  xlogRegisterBuffer(1, heapBuffer, REGBUF.standard | (xlogHintBitIsNeeded() ? 0 : REGBUF.noImage));
  return xlogInsert(RM.heap2, XLOG_HEAP2_VISIBLE);
}

/** The bits of a page; may be stale at once, since no lock is taken. */
export function visibilityMapGetStatus(rel: Relation, heapBlock: BlockNumber, vm: VmBuffer): number {
  const mapBlock = vmPageOf(heapBlock);
  if (vm.buffer !== INVALID_BUFFER && bufferBlock(vm.buffer) !== mapBlock) releaseVmBuffer(vm);
  if (vm.buffer === INVALID_BUFFER) {
    vm.buffer = vmReadBuffer(rel, relationSmgr(rel), rel.persistence, mapBlock, false);
    if (vm.buffer === INVALID_BUFFER) return 0;
  }
  return (mem.u8[bufferPage(vm.buffer) + byteOf(heapBlock)]! >> shiftOf(heapBlock)) & VM_VALID_BITS;
}

const onesOf = (byte: number, mask: number): number => {
  let rest = byte & mask;
  let count = 0;
  while (rest !== 0) {
    rest &= rest - 1;
    count++;
  }
  return count;
};
/** Pages that are all visible, and how many of these are frozen. */
export function visibilityMapCount(rel: Relation): { allVisible: number; allFrozen: number } {
  let allVisible = 0;
  let allFrozen = 0;
  const smgr = relationSmgr(rel);
  for (let mapBlock = 0; ; mapBlock++) {
    const buffer = vmReadBuffer(rel, smgr, rel.persistence, mapBlock, false);
    if (buffer === INVALID_BUFFER) break;
    const from = bufferPage(buffer) + CONTENTS;
    for (let i = 0; i < VM_BYTES_PER_PAGE; i++) {
      const byte = mem.u8[from + i]!;
      if (byte === 0) continue;
      allVisible += onesOf(byte, 0x55);
      allFrozen += onesOf(byte, 0xaa);
    }
    releaseBuffer(buffer);
  }
  return { allVisible, allFrozen };
}

/** Prepares the map for a heap of `heapBlocks`: clears the bits beyond. Returns the blocks to keep of the map, or
 *  INVALID_BLOCK if nothing is to be cut. */
export function visibilityMapPrepareTruncate(
  smgr: SmgrRelation,
  persistence: 'p' | 'u' | 't',
  heapBlocks: BlockNumber,
  needsWal: boolean,
): BlockNumber {
  if (!smgrExists(smgr, FORK.vm)) return INVALID_BLOCK;
  const mapBlock = vmPageOf(heapBlocks);
  const byte = (heapBlocks % HEAP_BLOCKS_PER_VM_PAGE) >> 2;
  const bit = shiftOf(heapBlocks);
  let keep = mapBlock;
  if (byte !== 0 || bit !== 0) {
    keep = mapBlock + 1;
    const buffer = vmReadBuffer(null, smgr, persistence, mapBlock, false);
    if (buffer === INVALID_BUFFER) return INVALID_BLOCK;
    lockBuffer(buffer, BUFFER_LOCK.exclusive);
    const page = bufferPage(buffer);
    beginCritical();
    mem.u8.fill(0, page + CONTENTS + byte + 1, page + CONTENTS + VM_BYTES_PER_PAGE);
    mem.u8[page + CONTENTS + byte] = mem.u8[page + CONTENTS + byte]! & ((1 << bit) - 1);
    markBufferDirty(buffer);
    if (needsWal && xlogHintBitIsNeeded() && !recoveryInProgress()) logNewpageBuffer(buffer, false);
    endCritical();
    lockBuffer(buffer, BUFFER_LOCK.unlock);
    releaseBuffer(buffer);
  }
  return smgrNblocks(smgr, FORK.vm) <= keep ? INVALID_BLOCK : keep;
}
