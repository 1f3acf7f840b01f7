/** hio.ts — finding a page with room for a new tuple, and putting the tuple there.
 *
 *  Order of attempts: the page this backend used last, the page that the free space map names, the last page, a new page.
 *  With bulk insertion the page stays pinned between tuples. Map pages of the visibility map are pinned before heap pages
 *  are locked, because all-visible pages need theirs and reading it under a lock is forbidden; if a page turns out to
 *  be all-visible only after it was locked, locks are dropped and taken again.
 *  Two heap pages (old and new version of an update) are locked in block order.
 *  Counterpart: src/backend/access/heap/hio.c */
import { MAX_HEAP_TUPLE_SIZE, setTupleCtid } from '#access/common/heap-tuple-layout.ts';
import {
  type Relation,
  relationNblocks,
  relationSmgr,
  relationTargetPageFreeSpace,
  relReadBuffer,
} from '#access/common/relation-descriptor.ts';
import { HEAP_INSERT } from '#access/heap/heap-types.ts';
import { visibilityMapPin, visibilityMapPinOk, type VmBuffer } from '#access/heap/visibility-map.ts';
import { assert } from '#base/assert.ts';
import {
  BLCKSZ,
  type BlockNumber,
  type Buffer,
  INVALID_BLOCK,
  INVALID_BUFFER,
  type ItemPointer,
  makeTid,
} from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { BUFFER_LOCK, P_NEW, RBM } from '#storage/buffer/buffer-layout.ts';
import { conditionalLockBuffer, lockBuffer, unlockReleaseBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferBlock, bufferPage } from '#storage/buffer/buffer-pool.ts';
import { markBufferDirty } from '#storage/buffer/dirty.ts';
import { incrBufferRefCount, releaseBuffer } from '#storage/buffer/pin.ts';
import { type AccessStrategy, freeAccessStrategy, getAccessStrategy } from '#storage/buffer/ring-strategy.ts';
import {
  freeSpaceMapVacuumRange,
  getPageWithFreeSpace,
  recordAndGetPageWithFreeSpace,
  recordPageWithFreeSpace,
} from '#storage/freespace/free-space-map.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import {
  conditionalLockRelationForExtension,
  lockRelationForExtension,
  relationExtensionLockWaiterCount,
  unlockRelationForExtension,
} from '#storage/lmgr/lmgr.ts';
import {
  itemAt,
  maxAlign,
  pageAddItem,
  pageHeapFreeSpace,
  pageInit,
  pageIsAllVisible,
  pageIsNew,
  pageMaxOffset,
} from '#storage/page/page.ts';

const HEAP_DEFAULT_FILLFACTOR = 100;
/** Pages that an extension adds at most when others wait for it. */
const BULK_EXTEND_MAX = 512;

/** BulkInsertState: a ring of buffers and the page that is being filled. */
export class BulkInsertState {
  readonly strategy: AccessStrategy = getAccessStrategy('bulkwrite');
  currentBuffer: Buffer = INVALID_BUFFER;
}
export const getBulkInsertState = (): BulkInsertState => new BulkInsertState();
export function releaseBulkInsertStatePin(state: BulkInsertState): void {
  if (state.currentBuffer !== INVALID_BUFFER) releaseBuffer(state.currentBuffer);
  state.currentBuffer = INVALID_BUFFER;
}
export function freeBulkInsertState(state: BulkInsertState): void {
  releaseBulkInsertStatePin(state);
  freeAccessStrategy(state.strategy);
}

/** RelationPutHeapTuple(): copies the tuple into the page (room was made sure of) and sets t_ctid in the page's copy,
 *  unless that holds a speculative token. Inside a critical section. */
export function relationPutHeapTuple(
  buffer: Buffer,
  tupleAt: number,
  tupleLen: number,
  isSpeculative: boolean,
): ItemPointer {
  const page = bufferPage(buffer);
  const offset = pageAddItem(page, tupleAt, tupleLen, 0, false, true);
  if (offset === 0) report('PANIC', { code: SQLSTATE.internalError, message: 'failed to add tuple to page' });
  const tid = makeTid(bufferBlock(buffer), offset);
  if (!isSpeculative) setTupleCtid(itemAt(page, offset), tid);
  return tid;
}

function readBufferBi(rel: Relation, block: BlockNumber, state: BulkInsertState | null): Buffer {
  if (state === null) return relReadBuffer(rel, block, block === P_NEW ? RBM.zeroAndLock : RBM.normal);
  if (state.currentBuffer !== INVALID_BUFFER) {
    if (bufferBlock(state.currentBuffer) === block) {
      incrBufferRefCount(state.currentBuffer);
      return state.currentBuffer;
    }
    releaseBuffer(state.currentBuffer);
    state.currentBuffer = INVALID_BUFFER;
  }
  const buffer = relReadBuffer(rel, block, block === P_NEW ? RBM.zeroAndLock : RBM.normal, state.strategy);
  incrBufferRefCount(buffer);
  state.currentBuffer = buffer;
  return buffer;
}

/** GetVisibilityMapPins(): with both pages locked, pins what all-visible pages need, dropping and retaking the locks. */
function getVisibilityMapPins(
  rel: Relation,
  first: Buffer,
  second: Buffer,
  blockOfFirst: BlockNumber,
  blockOfSecond: BlockNumber,
  vmOfFirst: VmBuffer,
  vmOfSecond: VmBuffer | null,
): void {
  let buffer1 = first;
  let buffer2 = second;
  let block1 = blockOfFirst;
  let block2 = blockOfSecond;
  let vm1: VmBuffer | null = vmOfFirst;
  let vm2 = vmOfSecond;
  if (buffer2 !== INVALID_BUFFER && block1 > block2) {
    [buffer1, buffer2] = [buffer2, buffer1];
    [block1, block2] = [block2, block1];
    [vm1, vm2] = [vm2, vm1];
  }
  for (;;) {
    const need1 = pageIsAllVisible(bufferPage(buffer1)) && !visibilityMapPinOk(block1, vm1!.buffer);
    const need2 =
      buffer2 !== INVALID_BUFFER && pageIsAllVisible(bufferPage(buffer2)) && !visibilityMapPinOk(block2, vm2!.buffer);
    if (!need1 && !need2) return;
    lockBuffer(buffer1, BUFFER_LOCK.unlock);
    if (buffer2 !== INVALID_BUFFER && buffer2 !== buffer1) lockBuffer(buffer2, BUFFER_LOCK.unlock);
    if (need1) visibilityMapPin(rel, block1, vm1!);
    if (need2) visibilityMapPin(rel, block2, vm2!);
    lockBuffer(buffer1, BUFFER_LOCK.exclusive);
    if (buffer2 !== INVALID_BUFFER && buffer2 !== buffer1) lockBuffer(buffer2, BUFFER_LOCK.exclusive);
    // A pin for one page may be what another page's bit needs next: look again, unless both are the same map page.
    if (buffer2 === INVALID_BUFFER || buffer1 === buffer2 || (need1 && need2)) return;
  }
}

/** RelationAddExtraBlocks(): others wait for the extension lock, so add pages for them, too. */
function addExtraBlocks(rel: Relation, state: BulkInsertState | null): void {
  const waiters = relationExtensionLockWaiterCount(rel);
  if (waiters <= 0) return;
  const smgr = relationSmgr(rel);
  const count = Math.min(BULK_EXTEND_MAX, waiters * 20);
  let first = INVALID_BLOCK;
  let block = INVALID_BLOCK;
  const free = BLCKSZ - 24;
  for (let i = 0; i < count; i++) {
    const buffer = readBufferBi(rel, P_NEW, state);
    const page = bufferPage(buffer);
    if (!pageIsNew(page)) notEmpty(rel, bufferBlock(buffer));
    block = bufferBlock(buffer);
    // Not initialised: an all-zero page is what readers of an extended but unused page expect after a crash anyway.
    unlockReleaseBuffer(buffer);
    if (first === INVALID_BLOCK) first = block;
    recordPageWithFreeSpace(smgr, block, free);
  }
  freeSpaceMapVacuumRange(smgr, first, block + 1);
}
function notEmpty(rel: Relation, block: BlockNumber): never {
  report('ERROR', {
    code: SQLSTATE.internalError,
    message: `page ${block} of relation "${rel.name}" should be empty but is not`,
  });
}

/** RelationGetBufferForTuple(): an exclusively locked, pinned page with room for `length` bytes. `otherBuffer` is the page
 *  of the old version in an update: it comes back locked, too. `vm`/`vmOther` hold the pins of their map pages. */
export function getBufferForTuple(
  rel: Relation,
  length: number,
  otherBuffer: Buffer,
  options: number,
  state: BulkInsertState | null,
  vm: VmBuffer,
  vmOther: VmBuffer | null,
): Buffer {
  const useFsm = (options & HEAP_INSERT.skipFsm) === 0;
  const size = maxAlign(length);
  assert(otherBuffer === INVALID_BUFFER || state === null, 'updates are no bulk insertion');
  if (size > MAX_HEAP_TUPLE_SIZE)
    report('ERROR', {
      code: SQLSTATE.programLimitExceeded,
      message: `row is too big: size ${size}, maximum size ${MAX_HEAP_TUPLE_SIZE}`,
    });
  const saveFree = relationTargetPageFreeSpace(rel, HEAP_DEFAULT_FILLFACTOR);
  // A page that is empty but for a few line pointers must do for any tuple, else a large one would extend for ever.
  const nearlyEmpty = MAX_HEAP_TUPLE_SIZE - Math.floor(291 / 8) * 4;
  const target = size + saveFree > nearlyEmpty ? Math.max(size, nearlyEmpty) : size + saveFree;
  const otherBlock = otherBuffer !== INVALID_BUFFER ? bufferBlock(otherBuffer) : INVALID_BLOCK;
  const smgr = relationSmgr(rel);
  let block =
    state !== null && state.currentBuffer !== INVALID_BUFFER ? bufferBlock(state.currentBuffer) : smgr.targetBlock;
  if (block === INVALID_BLOCK && useFsm) block = getPageWithFreeSpace(smgr, target);
  if (block === INVALID_BLOCK) {
    const blocks = relationNblocks(rel);
    if (blocks > 0) block = blocks - 1;
  }

  for (;;) {
    while (block !== INVALID_BLOCK) {
      const buffer = lockCandidate(rel, block, otherBuffer, otherBlock, options, state, vm);
      getVisibilityMapPins(rel, buffer, otherBuffer, block, otherBlock, vm, vmOther);
      const page = bufferPage(buffer);
      if (pageIsNew(page)) {
        pageInit(page, 0);
        markBufferDirty(buffer);
      }
      const free = pageHeapFreeSpace(page);
      if (target <= free) {
        smgr.targetBlock = block;
        return buffer;
      }
      lockBuffer(buffer, BUFFER_LOCK.unlock);
      if (otherBuffer === INVALID_BUFFER) releaseBuffer(buffer);
      else if (otherBlock !== block) {
        lockBuffer(otherBuffer, BUFFER_LOCK.unlock);
        releaseBuffer(buffer);
      }
      if (!useFsm) break;
      block = recordAndGetPageWithFreeSpace(smgr, block, free, target);
    }

    const needLock = !rel.isLocalTemp && rel.createSubid === 0;
    if (needLock) {
      if (!useFsm) lockRelationForExtension(rel, LOCK.exclusive);
      else if (!conditionalLockRelationForExtension(rel, LOCK.exclusive)) {
        lockRelationForExtension(rel, LOCK.exclusive);
        // While we waited somebody may have made room.
        block = getPageWithFreeSpace(smgr, target);
        if (block !== INVALID_BLOCK) {
          unlockRelationForExtension(rel, LOCK.exclusive);
          continue;
        }
        addExtraBlocks(rel, state);
      }
    }
    const added = newPage(rel, size, otherBuffer, otherBlock, options, state, vm, vmOther, needLock);
    if (added !== INVALID_BUFFER) return added;
  }
}

/** Pins and locks the candidate, and the other page with it, in block order. */
function lockCandidate(
  rel: Relation,
  block: BlockNumber,
  otherBuffer: Buffer,
  otherBlock: BlockNumber,
  options: number,
  state: BulkInsertState | null,
  vm: VmBuffer,
): Buffer {
  if (otherBuffer === INVALID_BUFFER) {
    const buffer = readBufferBi(rel, block, state);
    const page = bufferPage(buffer);
    // An empty page that gets frozen tuples will have its bits set, too.
    if (pageIsAllVisible(page) || ((options & HEAP_INSERT.frozen) !== 0 && pageMaxOffset(page) === 0))
      visibilityMapPin(rel, block, vm);
    lockBuffer(buffer, BUFFER_LOCK.exclusive);
    return buffer;
  }
  // The page of the old version itself: no second pin.
  const buffer = otherBlock === block ? otherBuffer : relReadBuffer(rel, block);
  if (pageIsAllVisible(bufferPage(buffer))) visibilityMapPin(rel, block, vm);
  if (otherBlock < block) lockBuffer(otherBuffer, BUFFER_LOCK.exclusive);
  lockBuffer(buffer, BUFFER_LOCK.exclusive);
  if (otherBlock > block) lockBuffer(otherBuffer, BUFFER_LOCK.exclusive);
  return buffer;
}

/** A page at the end of the relation; INVALID_BUFFER if room was taken meanwhile and everything must be tried again. */
function newPage(
  rel: Relation,
  size: number,
  otherBuffer: Buffer,
  otherBlock: BlockNumber,
  options: number,
  state: BulkInsertState | null,
  vm: VmBuffer,
  vmOther: VmBuffer | null,
  needLock: boolean,
): Buffer {
  const buffer = readBufferBi(rel, P_NEW, state);
  const page = bufferPage(buffer);
  if (!pageIsNew(page)) notEmpty(rel, bufferBlock(buffer));
  pageInit(page, 0);
  markBufferDirty(buffer);
  const block = bufferBlock(buffer);
  if ((options & HEAP_INSERT.frozen) !== 0) visibilityMapPin(rel, block, vm);
  if (needLock) unlockRelationForExtension(rel, LOCK.exclusive);
  if (otherBuffer !== INVALID_BUFFER) {
    assert(otherBuffer !== buffer, 'a new page is no old page');
    // Against the order of blocks, so only conditionally; usually nobody holds it.
    if (!conditionalLockBuffer(otherBuffer)) {
      lockBuffer(buffer, BUFFER_LOCK.unlock);
      lockBuffer(otherBuffer, BUFFER_LOCK.exclusive);
      lockBuffer(buffer, BUFFER_LOCK.exclusive);
    }
    getVisibilityMapPins(rel, otherBuffer, buffer, otherBlock, block, vmOther!, vm);
    if (size > pageHeapFreeSpace(page)) {
      lockBuffer(otherBuffer, BUFFER_LOCK.unlock);
      unlockReleaseBuffer(buffer);
      return INVALID_BUFFER;
    }
  }
  if (size > pageHeapFreeSpace(page))
    report('PANIC', { code: SQLSTATE.internalError, message: `tuple is too big: size ${size}` });
  // The next insertion of this backend tries here first; the free space map learns of it through vacuum only.
  relationSmgr(rel).targetBlock = block;
  return buffer;
}
