/** free-space-map.ts — which block of a relation has room for a tuple: a tree of pages in the fork `fsm`.
 *
 *  Three levels, whatever the size: the bottom pages hold a category (free bytes / 32) for each block, the pages above the
 *  maximum of each child page. The root is block 0. Nothing here is logged but truncation, because everything is a hint:
 *  an inserter that finds a block fuller than promised corrects the map, and so does VACUUM for all blocks.
 *  A change at the bottom reaches the upper pages with the next VACUUM (freeSpaceMapVacuum…), or when a search has been
 *  misled by them. A page's address is (level, number on that level).
 *  Counterpart: src/backend/storage/freespace/freespace.c */
import {
  BLCKSZ,
  type BlockNumber,
  type Buffer,
  FORK,
  INVALID_BLOCK,
  INVALID_BUFFER,
  type RelFileNode,
} from '#base/ids.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import { report } from '#runtime/error/report.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { onNewPrivateWindow } from '#shm/memory.ts';
import { privateReserve } from '#shm/private-memory.ts';
import { BUFFER_LOCK, RBM } from '#storage/buffer/buffer-layout.ts';
import { lockBuffer, unlockReleaseBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferPage } from '#storage/buffer/buffer-pool.ts';
import { logNewpageBuffer } from '#storage/buffer/buffer-wal.ts';
import { markBufferDirty, markBufferDirtyHint } from '#storage/buffer/dirty.ts';
import { releaseBuffer } from '#storage/buffer/pin.ts';
import { readBuffer } from '#storage/buffer/read-buffer.ts';
import { xlogReadBufferExtended } from '#storage/buffer/redo-buffers.ts';
import {
  fsmGetAvail,
  fsmGetMaxAvail,
  fsmResetNextSlot,
  fsmSearchAvail,
  fsmSetAvail,
  fsmTruncateAvail,
  SLOTS_PER_PAGE,
} from '#storage/freespace/fsm-page.ts';
import { MAX_HEAP_TUPLE_SIZE } from '#storage/page/page-layout.ts';
import { pageInit, pageIsNew } from '#storage/page/page.ts';
import { pageSetChecksum } from '#storage/page/page-checksum.ts';
import {
  smgrCreate,
  smgrExists,
  smgrExtend,
  smgrNblocks,
  smgrPersistence,
  type SmgrRelation,
} from '#storage/smgr/smgr.ts';
import { xlogHintBitIsNeeded } from '#wal/insert.ts';
import { inRecovery } from '#wal/recovery-state.ts';

const CATEGORY_STEP = BLCKSZ / 256;
const ROOT_LEVEL = 2;
const BOTTOM_LEVEL = 0;
/** A search that is misled so often gives up. */
const MOST_RESTARTS = 10_000;

/** FSM files are extended under the relation's extension lock, which lies above. */
export interface ExtensionLock {
  lock(rel: SmgrRelation): void;
  unlock(rel: SmgrRelation): void;
}
const nobody = (): never => report('ERROR', { message: 'nobody locks relations for extension' });
let extensionLock: ExtensionLock = { lock: nobody, unlock: nobody };
export function setFsmExtensionLock(lock: ExtensionLock): void {
  extensionLock = lock;
}

// ── categories ─────────────────────────────────────────────────────────────────────────────────────────────────────
/** What a block with so much room is filed under: rounded down. */
export function spaceToCategory(free: number): number {
  if (free >= MAX_HEAP_TUPLE_SIZE) return 255;
  // The largest requests have a category of their own, as a step below it would not hold them.
  return Math.min(Math.floor(free / CATEGORY_STEP), 254);
}
/** The smallest category that surely has room: rounded up. */
export function neededCategory(needed: number): number {
  if (needed > MAX_HEAP_TUPLE_SIZE) report('ERROR', { message: `invalid FSM request size ${needed}` });
  if (needed === 0) return 1;
  return Math.min(Math.floor((needed + CATEGORY_STEP - 1) / CATEGORY_STEP), 255);
}
const categoryToSpace = (category: number): number =>
  category === 255 ? MAX_HEAP_TUPLE_SIZE : category * CATEGORY_STEP;

// ── addresses ──────────────────────────────────────────────────────────────────────────────────────────────────────
const pageOfBlock = (block: BlockNumber): number => Math.floor(block / SLOTS_PER_PAGE);
const slotOfBlock = (block: BlockNumber): number => block % SLOTS_PER_PAGE;

/** Block of the fork: pages are stored depth first, each before its children. */
export function fsmPhysicalBlock(level: number, page: number): BlockNumber {
  let leaf = page;
  for (let l = 0; l < level; l++) leaf *= SLOTS_PER_PAGE;
  let pages = 0;
  for (let l = 0; l <= ROOT_LEVEL; l++) {
    pages += leaf + 1;
    leaf = Math.floor(leaf / SLOTS_PER_PAGE);
  }
  // The pages below were counted as if they came before.
  return pages - level - 1;
}

// ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────────
let emptyPage = -1;
onNewPrivateWindow(() => {
  emptyPage = -1;
});

function extendFsm(rel: SmgrRelation, blocks: BlockNumber): void {
  if (emptyPage < 0) emptyPage = privateReserve(BLCKSZ);
  pageInit(emptyPage, 0);
  extensionLock.lock(rel);
  try {
    const cached = rel.cachedNblocks[FORK.fsm];
    if ((cached === 0 || cached === INVALID_BLOCK) && !smgrExists(rel, FORK.fsm)) smgrCreate(rel, FORK.fsm, false);
    rel.cachedNblocks[FORK.fsm] = INVALID_BLOCK;
    let now = smgrNblocks(rel, FORK.fsm);
    while (now < blocks) {
      pageSetChecksum(emptyPage, now);
      smgrExtend(rel, FORK.fsm, now, emptyPage, false);
      now++;
    }
  } finally {
    extensionLock.unlock(rel);
  }
}

/** Pins a page of the map; INVALID_BUFFER where it is behind the end and not to be made. */
function readFsm(rel: SmgrRelation, level: number, page: number, extend: boolean): Buffer {
  const block = fsmPhysicalBlock(level, page);
  const cached = rel.cachedNblocks[FORK.fsm];
  // What is remembered may be too small by now, never too large: truncation closes the relation.
  if (cached === INVALID_BLOCK || block >= cached) {
    rel.cachedNblocks[FORK.fsm] = INVALID_BLOCK;
    if (smgrExists(rel, FORK.fsm)) smgrNblocks(rel, FORK.fsm);
    else rel.cachedNblocks[FORK.fsm] = 0;
  }
  if (block >= rel.cachedNblocks[FORK.fsm]) {
    if (!extend) return INVALID_BUFFER;
    extendFsm(rel, block + 1);
  }
  // A broken page is an empty one: the map will be filled again.
  const buffer = readBuffer(rel, smgrPersistence(rel), FORK.fsm, block, RBM.zeroOnError, null);
  if (pageIsNew(bufferPage(buffer))) {
    lockBuffer(buffer, BUFFER_LOCK.exclusive);
    if (pageIsNew(bufferPage(buffer))) pageInit(bufferPage(buffer), 0);
    lockBuffer(buffer, BUFFER_LOCK.unlock);
  }
  return buffer;
}

/** Sets a slot and, with `minimum` above 0, searches the same page: a slot or -1. */
function setAndSearch(
  rel: SmgrRelation,
  level: number,
  page: number,
  slot: number,
  value: number,
  minimum: number,
): number {
  const buffer = readFsm(rel, level, page, true);
  lockBuffer(buffer, BUFFER_LOCK.exclusive);
  if (fsmSetAvail(bufferPage(buffer), slot, value)) markBufferDirtyHint(buffer, false);
  const found = minimum === 0 ? -1 : fsmSearchAvail(buffer, minimum, level === BOTTOM_LEVEL, true);
  unlockReleaseBuffer(buffer);
  return found;
}

/** The map may know blocks that a crash cut off. */
const blockExists = (rel: SmgrRelation, block: BlockNumber): boolean => {
  const cached = rel.cachedNblocks[FORK.main];
  return (cached !== INVALID_BLOCK && block < cached) || block < smgrNblocks(rel, FORK.main);
};

function search(rel: SmgrRelation, category: number): BlockNumber {
  let level = ROOT_LEVEL;
  let page = 0;
  for (let restarts = 0; restarts <= MOST_RESTARTS; ) {
    const buffer = readFsm(rel, level, page, false);
    let slot = -1;
    let most = 0;
    if (buffer !== INVALID_BUFFER) {
      lockBuffer(buffer, BUFFER_LOCK.share);
      slot = fsmSearchAvail(buffer, category, level === BOTTOM_LEVEL, false);
      if (slot < 0) most = fsmGetMaxAvail(bufferPage(buffer));
      lockBuffer(buffer, BUFFER_LOCK.unlock);
    }
    if (slot >= 0 && level !== BOTTOM_LEVEL) {
      releaseBuffer(buffer);
      level--;
      page = page * SLOTS_PER_PAGE + slot;
      continue;
    }
    if (slot >= 0) {
      const block = page * SLOTS_PER_PAGE + slot;
      if (blockExists(rel, block)) {
        releaseBuffer(buffer);
        return block;
      }
      lockBuffer(buffer, BUFFER_LOCK.exclusive);
      fsmSetAvail(bufferPage(buffer), slot, 0);
      markBufferDirtyHint(buffer, false);
      unlockReleaseBuffer(buffer);
    } else {
      if (buffer !== INVALID_BUFFER) releaseBuffer(buffer);
      if (level === ROOT_LEVEL) return INVALID_BLOCK;
      // The page above promised more than this one has: tell it, so that nobody is misled again.
      setAndSearch(rel, level + 1, Math.floor(page / SLOTS_PER_PAGE), page % SLOTS_PER_PAGE, most, 0);
    }
    restarts++;
    level = ROOT_LEVEL;
    page = 0;
  }
  return INVALID_BLOCK;
}

// ── for inserters and VACUUM ───────────────────────────────────────────────────────────────────────────────────────
/** A block that should have `needed` bytes, or INVALID_BLOCK. It may turn out fuller; then say so and ask again. */
export function getPageWithFreeSpace(rel: SmgrRelation, needed: number): BlockNumber {
  return search(rel, neededCategory(needed));
}

/** Corrects what the map says of one block and looks for another, near it if possible. */
export function recordAndGetPageWithFreeSpace(
  rel: SmgrRelation,
  oldBlock: BlockNumber,
  oldFree: number,
  needed: number,
): BlockNumber {
  const page = pageOfBlock(oldBlock);
  const wanted = neededCategory(needed);
  const slot = setAndSearch(rel, BOTTOM_LEVEL, page, slotOfBlock(oldBlock), spaceToCategory(oldFree), wanted);
  if (slot >= 0) {
    const block = page * SLOTS_PER_PAGE + slot;
    if (blockExists(rel, block)) return block;
  }
  return search(rel, wanted);
}

/** Says how much room a block has; the pages above learn it from freeSpaceMapVacuum. */
export function recordPageWithFreeSpace(rel: SmgrRelation, block: BlockNumber, free: number): void {
  setAndSearch(rel, BOTTOM_LEVEL, pageOfBlock(block), slotOfBlock(block), spaceToCategory(free), 0);
}

/** As recordPageWithFreeSpace, in redo. */
export function xlogRecordPageWithFreeSpace(rnode: RelFileNode, block: BlockNumber, free: number): void {
  const fsmBlock = fsmPhysicalBlock(BOTTOM_LEVEL, pageOfBlock(block));
  const buffer = xlogReadBufferExtended(rnode, FORK.fsm, fsmBlock, RBM.zeroOnError);
  lockBuffer(buffer, BUFFER_LOCK.exclusive);
  const page = bufferPage(buffer);
  if (pageIsNew(page)) pageInit(page, 0);
  if (fsmSetAvail(page, slotOfBlock(block), spaceToCategory(free))) markBufferDirtyHint(buffer, false);
  unlockReleaseBuffer(buffer);
}

/** Bytes that the map grants a block, 0 if it knows nothing. */
export function getRecordedFreeSpace(rel: SmgrRelation, block: BlockNumber): number {
  const buffer = readFsm(rel, BOTTOM_LEVEL, pageOfBlock(block), false);
  if (buffer === INVALID_BUFFER) return 0;
  const category = fsmGetAvail(bufferPage(buffer), slotOfBlock(block));
  releaseBuffer(buffer);
  return categoryToSpace(category);
}

/** Before a relation is cut to `blocks`: forgets the rest and answers how many blocks the map should keep, INVALID_BLOCK if
 *  it need not be cut. `needsWal`: the relation is logged. */
export function freeSpaceMapPrepareTruncateRel(rel: SmgrRelation, blocks: BlockNumber, needsWal: boolean): BlockNumber {
  if (!smgrExists(rel, FORK.fsm)) return INVALID_BLOCK;
  const page = pageOfBlock(blocks);
  const slot = slotOfBlock(blocks);
  if (slot === 0) {
    const keep = fsmPhysicalBlock(BOTTOM_LEVEL, page);
    return smgrNblocks(rel, FORK.fsm) <= keep ? INVALID_BLOCK : keep;
  }
  const buffer = readFsm(rel, BOTTOM_LEVEL, page, false);
  if (buffer === INVALID_BUFFER) return INVALID_BLOCK;
  lockBuffer(buffer, BUFFER_LOCK.exclusive);
  beginCritical();
  fsmTruncateAvail(bufferPage(buffer), slot);
  // No hint this time: a map that sends inserters behind the end would be worse than a useless one.
  markBufferDirty(buffer);
  if (!inRecovery() && needsWal && xlogHintBitIsNeeded()) logNewpageBuffer(buffer, false);
  endCritical();
  unlockReleaseBuffer(buffer);
  return fsmPhysicalBlock(BOTTOM_LEVEL, page) + 1;
}

/** Carries what the bottom pages say up to the root. */
export function freeSpaceMapVacuum(rel: SmgrRelation): void {
  vacuumPage(rel, ROOT_LEVEL, 0, 0, INVALID_BLOCK);
}
/** The same for the pages of blocks [start, end). */
export function freeSpaceMapVacuumRange(rel: SmgrRelation, start: BlockNumber, end: BlockNumber): void {
  if (end > start) vacuumPage(rel, ROOT_LEVEL, 0, start, end);
}

/** First and last slot of a page on `level` that lie above blocks [start, end). */
function slotRange(level: number, page: number, start: BlockNumber, end: BlockNumber): { first: number; last: number } {
  let [startPage, startSlot] = [pageOfBlock(start), slotOfBlock(start)];
  let [endPage, endSlot] = [pageOfBlock(end - 1), slotOfBlock(end - 1)];
  for (let l = BOTTOM_LEVEL; l < level; l++) {
    [startSlot, startPage] = [startPage % SLOTS_PER_PAGE, Math.floor(startPage / SLOTS_PER_PAGE)];
    [endSlot, endPage] = [endPage % SLOTS_PER_PAGE, Math.floor(endPage / SLOTS_PER_PAGE)];
  }
  const first = startPage === page ? startSlot : startPage > page ? SLOTS_PER_PAGE : 0;
  const last = endPage === page ? endSlot : endPage > page ? SLOTS_PER_PAGE - 1 : -1;
  return { first, last };
}

const END_OF_FILE = -1;
/** Corrects a page from its children; the most that any block below has, END_OF_FILE if there is no such page. */
function vacuumPage(rel: SmgrRelation, level: number, page: number, start: BlockNumber, end: BlockNumber): number {
  const buffer = readFsm(rel, level, page, false);
  if (buffer === INVALID_BUFFER) return END_OF_FILE;
  const at = bufferPage(buffer);
  if (level > BOTTOM_LEVEL) {
    const { first, last } = slotRange(level, page, start, end);
    let endOfFile = false;
    for (let slot = first; slot <= last; slot++) {
      checkForInterrupts();
      let most = 0;
      if (!endOfFile) {
        most = vacuumPage(rel, level - 1, page * SLOTS_PER_PAGE + slot, start, end);
        if (most === END_OF_FILE) {
          endOfFile = true;
          most = 0;
        }
      }
      if (fsmGetAvail(at, slot) === most) continue;
      lockBuffer(buffer, BUFFER_LOCK.exclusive);
      fsmSetAvail(at, slot, most);
      markBufferDirtyHint(buffer, false);
      lockBuffer(buffer, BUFFER_LOCK.unlock);
    }
  }
  const most = fsmGetMaxAvail(at);
  // Searches begin at low blocks again, so that the end may empty and be cut off.
  fsmResetNextSlot(at);
  releaseBuffer(buffer);
  return most;
}
