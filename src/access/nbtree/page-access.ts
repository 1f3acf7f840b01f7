/** page-access.ts — getting, locking and giving back the pages of a B-tree; its meta page and its root.
 *
 *  Every access to a page is under its buffer's content lock: share to read, exclusive to change. Locks on several pages
 *  are taken left to right and bottom to top, which is why no two processes can block each other.
 *  Counterpart: src/backend/access/nbtree/nbtpage.c (first half) */
import { relationNeedsWal, relationSmgr, relReadBuffer, type Relation } from '#access/common/relation-descriptor.ts';
import { btState } from '#access/nbtree/index-state.ts';
import {
  BTP,
  BTREE_MAGIC,
  BTREE_METAPAGE,
  BTREE_VERSION,
  btLevel,
  btNext,
  btPageInit,
  BT_SPECIAL,
  deletedPageXid,
  isDeleted,
  isIgnored,
  isLeftmost,
  isMeta,
  isRightmost,
  metaMagic,
  metaRoot,
  metaVersion,
  type MetaPage,
  P_NONE,
  readMeta,
  setBtOpaque,
  setMetaFastRoot,
  setMetaRoot,
  writeXlMetadata,
  XL_METADATA_SIZE,
  metaLastCleanupNumDelPages,
  setMetaCleanup,
} from '#access/nbtree/nbtree-layout.ts';
import { assert } from '#base/assert.ts';
import { type BlockNumber, type Buffer, type FullTransactionId, INVALID_BLOCK } from '#base/ids.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { mem } from '#shm/memory.ts';
import { P_NEW, RBM } from '#storage/buffer/buffer-layout.ts';
import { conditionalLockBuffer, lockBuffer, unlockReleaseBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferBlock, bufferPage } from '#storage/buffer/buffer-pool.ts';
import { xlogRegisterBuffer } from '#storage/buffer/buffer-wal.ts';
import { markBufferDirty } from '#storage/buffer/dirty.ts';
import { releaseBuffer } from '#storage/buffer/pin.ts';
import { getFreeIndexPage } from '#storage/freespace/index-free-space.ts';
import { lockRelationForExtension, unlockRelationForExtension } from '#storage/lmgr/lmgr.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { pageIsNew, pageSetLsn, pageSpecial } from '#storage/page/page.ts';
import { globalVisCheckRemovableFullXid } from '#transam/proc-array.ts';
import {
  REGBUF,
  walScratch,
  xlogBeginInsert,
  xlogInsert,
  xlogRegisterBufData,
  xlogRegisterData,
  xlogStandbyInfoActive,
} from '#wal/insert.ts';
import { RM } from '#wal/rmgr-ids.ts';
import { XLOG_BTREE } from '#access/nbtree/wal-records.ts';

/** BT_READ, BT_WRITE. */
export const READ = 1;
export const WRITE = 2;
export type Access = 1 | 2;

// ── single pages ─────────────────────────────────────────────────────────────────────────────────────────────────────

function corrupted(rel: Relation, buffer: Buffer, what: string): never {
  report('ERROR', {
    code: SQLSTATE.indexCorrupted,
    message: `index "${rel.name}" contains ${what} at block ${bufferBlock(buffer)}`,
    hint: 'Please REINDEX it.',
  });
}
/** A page that was never written or is no B-tree page shows that the file is damaged. */
export function checkPage(rel: Relation, buffer: Buffer): void {
  const page = bufferPage(buffer);
  if (pageIsNew(page)) corrupted(rel, buffer, 'unexpected zero page');
  if (pageSpecial(page) !== BT_SPECIAL) corrupted(rel, buffer, 'corrupted page');
}

/** Pins and locks a block that exists, and checks it. */
export function getBuffer(rel: Relation, block: BlockNumber, access: Access): Buffer {
  const buffer = relReadBuffer(rel, block);
  lockBuffer(buffer, access);
  checkPage(rel, buffer);
  return buffer;
}
export const relBuffer = (buffer: Buffer): void => unlockReleaseBuffer(buffer);
export const lockPage = (buffer: Buffer, access: Access): void => lockBuffer(buffer, access);
export const unlockPage = (buffer: Buffer): void => lockBuffer(buffer, 0);
/** Lets one page go and gets another. The first is unlocked before the second is locked. */
export function releaseAndGetBuffer(rel: Relation, old: Buffer, block: BlockNumber, access: Access): Buffer {
  if (old !== 0) unlockReleaseBuffer(old);
  return getBuffer(rel, block, access);
}

/** Nobody can still be on the way to this deleted page: not a scan that read its downlink, not one of its siblings. */
export function pageIsRecyclable(page: number): boolean {
  assert(!pageIsNew(page), 'a new page is not recycled but initialised');
  // The xids of a deleted page concern index pages only, which every database's scans of shared catalogs respect.
  return isDeleted(page) && globalVisCheckRemovableFullXid('shared', deletedPageXid(page));
}

/** A page for new content: exclusive lock held, initialised. Takes one that was deleted long enough ago, or extends. */
export function allocateBuffer(rel: Relation): Buffer {
  for (;;) {
    const block = getFreeIndexPage(relationSmgr(rel));
    if (block === INVALID_BLOCK) break;
    const buffer = relReadBuffer(rel, block);
    // Someone may be looking at the page (a scan may hold a lock while it waits for us): do not wait.
    if (!conditionalLockBuffer(buffer)) {
      report('DEBUG2', { message: 'FSM returned nonlockable page' });
      releaseBuffer(buffer);
      continue;
    }
    const page = bufferPage(buffer);
    if (pageIsNew(page)) {
      btPageInit(page);
      return buffer;
    }
    if (pageIsRecyclable(page)) {
      // A standby's scans may be on the way to it: they must be told.
      if (xlogStandbyInfoActive() && relationNeedsWal(rel)) logReusePage(rel, block, deletedPageXid(page));
      btPageInit(page);
      return buffer;
    }
    report('DEBUG2', { message: 'FSM returned nonrecyclable page' });
    unlockReleaseBuffer(buffer);
  }
  const needLock = !(rel.isLocalTemp || rel.createSubid !== 0);
  if (needLock) lockRelationForExtension(rel, LOCK.exclusive);
  const buffer = relReadBuffer(rel, P_NEW, RBM.normal);
  // Before the extension lock goes: VACUUM must not find the page unlocked and not initialised.
  lockBuffer(buffer, WRITE);
  if (needLock) unlockRelationForExtension(rel, LOCK.exclusive);
  btPageInit(bufferPage(buffer));
  return buffer;
}

function logReusePage(rel: Relation, block: BlockNumber, safeXid: FullTransactionId): void {
  xlogBeginInsert();
  const at = walScratch(24);
  const { view } = mem;
  view.setUint32(at, rel.rnode.spcNode, true);
  view.setUint32(at + 4, rel.rnode.dbNode, true);
  view.setUint32(at + 8, rel.rnode.relNode, true);
  view.setUint32(at + 12, block, true);
  view.setUint32(at + 16, safeXid >>> 0, true);
  view.setUint32(at + 20, Math.floor(safeXid / 0x1_0000_0000), true);
  xlogRegisterData(at, 24);
  xlogInsert(RM.btree, XLOG_BTREE.reusePage);
}

// ── meta page and root ───────────────────────────────────────────────────────────────────────────────────────────────

export function checkMeta(rel: Relation, page: number): void {
  if (!isMeta(page) || metaMagic(page) !== BTREE_MAGIC)
    report('ERROR', { code: SQLSTATE.indexCorrupted, message: `index "${rel.name}" is not a btree` });
  const version = metaVersion(page);
  if (version < 2 || version > BTREE_VERSION)
    report('ERROR', {
      code: SQLSTATE.indexCorrupted,
      message: `version mismatch in index "${rel.name}": file version ${version}, current version ${BTREE_VERSION}, minimal supported version 2`,
    });
  if (version < BTREE_VERSION)
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: `btree version ${version} of index "${rel.name}" is not supported`,
      hint: 'REINDEX the index.',
    });
}
function metaPageOf(rel: Relation, access: Access): Buffer {
  const buffer = getBuffer(rel, BTREE_METAPAGE, access);
  checkMeta(rel, bufferPage(buffer));
  return buffer;
}

/** Whether deduplication is safe here; read from the meta page, once. (_bt_metaversion) */
export function metaAllEqualImageOf(rel: Relation): boolean {
  const state = btState(rel);
  if (state.meta !== null) return state.meta.allEqualImage;
  const buffer = metaPageOf(rel, READ);
  const meta = readMeta(bufferPage(buffer));
  relBuffer(buffer);
  // An index without a root page says nothing worth keeping but this.
  if (meta.root === P_NONE) return meta.allEqualImage;
  state.meta = meta;
  return meta.allEqualImage;
}

/** The page to start a descent at, locked for reading: the fast root, the lowest level that has a single page. 0: the
 *  index is empty and `access` is READ. An empty index gets its root when somebody wants to write. */
export function getRoot(rel: Relation, access: Access): Buffer {
  const state = btState(rel);
  const cached = state.meta;
  if (cached !== null) {
    const buffer = relReadBuffer(rel, cached.fastRoot);
    lockBuffer(buffer, READ);
    const page = bufferPage(buffer);
    // The page may have been deleted and used again; it is still what we want if it is alone on its level.
    if (
      !pageIsNew(page) &&
      pageSpecial(page) === BT_SPECIAL &&
      !isIgnored(page) &&
      btLevel(page) === cached.fastLevel &&
      isLeftmost(page) &&
      isRightmost(page)
    )
      return buffer;
    unlockReleaseBuffer(buffer);
    state.meta = null;
  }
  const metaBuffer = metaPageOf(rel, READ);
  const meta = readMeta(bufferPage(metaBuffer));
  if (meta.root === P_NONE) {
    if (access === READ) {
      relBuffer(metaBuffer);
      return 0;
    }
    return createRoot(rel, metaBuffer);
  }
  state.meta = meta;
  return descendToRoot(rel, metaBuffer, meta.fastRoot, meta.fastLevel);
}

/** From `block` right to the live page of that level. Takes over the meta page's buffer. */
function descendToRoot(rel: Relation, held: Buffer, block: BlockNumber, level: number): Buffer {
  let buffer = held;
  let next = block;
  for (;;) {
    buffer = releaseAndGetBuffer(rel, buffer, next, READ);
    const page = bufferPage(buffer);
    if (!isIgnored(page)) {
      if (btLevel(page) !== level)
        report('ERROR', {
          message: `root page ${next} of index "${rel.name}" has level ${btLevel(page)}, expected ${level}`,
        });
      return buffer;
    }
    if (isRightmost(page)) report('ERROR', { message: `no live root page found in index "${rel.name}"` });
    next = btNext(page);
  }
}

/** The first root: an empty leaf. */
function createRoot(rel: Relation, metaBuffer: Buffer): Buffer {
  unlockPage(metaBuffer);
  lockPage(metaBuffer, WRITE);
  const metaPage = bufferPage(metaBuffer);
  if (metaRoot(metaPage) !== P_NONE) {
    // Somebody else made it meanwhile.
    relBuffer(metaBuffer);
    return getRoot(rel, WRITE);
  }
  const rootBuffer = allocateBuffer(rel);
  const rootBlock = bufferBlock(rootBuffer);
  const rootPage = bufferPage(rootBuffer);
  setBtOpaque(rootPage, P_NONE, P_NONE, 0, BTP.leaf | BTP.root);
  beginCritical();
  setMetaRoot(metaPage, rootBlock, 0);
  setMetaFastRoot(metaPage, rootBlock, 0);
  setMetaCleanup(metaPage, 0);
  markBufferDirty(rootBuffer);
  markBufferDirty(metaBuffer);
  if (relationNeedsWal(rel)) {
    xlogBeginInsert();
    xlogRegisterBuffer(0, rootBuffer, REGBUF.willInit);
    xlogRegisterBuffer(2, metaBuffer, REGBUF.willInit | REGBUF.standard);
    registerMetadata(2, metaPage);
    const at = walScratch(8);
    mem.view.setUint32(at, rootBlock, true);
    mem.view.setUint32(at + 4, 0, true);
    xlogRegisterData(at, 8);
    const lsn = xlogInsert(RM.btree, XLOG_BTREE.newRoot);
    pageSetLsn(rootPage, lsn);
    pageSetLsn(metaPage, lsn);
  }
  endCritical();
  // Nobody but us knows of the root yet: the lock may be weakened without looking again.
  unlockPage(rootBuffer);
  lockPage(rootBuffer, READ);
  relBuffer(metaBuffer);
  return rootBuffer;
}
/** Registers xl_btree_metadata of the meta page as data of a block. */
export function registerMetadata(blockId: number, metaPage: number): void {
  const at = walScratch(XL_METADATA_SIZE);
  writeXlMetadata(at, metaPage);
  xlogRegisterBufData(blockId, at, XL_METADATA_SIZE);
}

/** The true root, locked for reading, 0 if there is none. Only those need it who walk whole levels. */
export function getTrueRoot(rel: Relation): Buffer {
  btState(rel).meta = null;
  const metaBuffer = metaPageOf(rel, READ);
  const meta = readMeta(bufferPage(metaBuffer));
  if (meta.root === P_NONE) {
    relBuffer(metaBuffer);
    return 0;
  }
  return descendToRoot(rel, metaBuffer, meta.root, meta.level);
}
/** Height of the tree above its leaves, for the planner; 0 if it has no root. */
export function getRootHeight(rel: Relation): number {
  const state = btState(rel);
  if (state.meta === null) {
    const buffer = metaPageOf(rel, READ);
    const meta: MetaPage = readMeta(bufferPage(buffer));
    relBuffer(buffer);
    if (meta.root === P_NONE) return 0;
    state.meta = meta;
  }
  return state.meta.fastLevel;
}

// ── cleanup information ──────────────────────────────────────────────────────────────────────────────────────────────

/** Should VACUUM without anything to delete scan the index, because many pages wait for being recycled? */
export function vacuumNeedsCleanup(rel: Relation, blocks: BlockNumber): boolean {
  const buffer = metaPageOf(rel, READ);
  const deletedPages = metaLastCleanupNumDelPages(bufferPage(buffer));
  relBuffer(buffer);
  return deletedPages > 0 && deletedPages > Math.trunc(blocks / 20);
}
/** Remembers how many deleted pages VACUUM left behind that could not be recycled yet. */
export function setCleanupInfo(rel: Relation, deletedPages: number): void {
  const metaBuffer = metaPageOf(rel, READ);
  const metaPage = bufferPage(metaBuffer);
  if (metaLastCleanupNumDelPages(metaPage) === deletedPages) {
    relBuffer(metaBuffer);
    return;
  }
  unlockPage(metaBuffer);
  lockPage(metaBuffer, WRITE);
  beginCritical();
  setMetaCleanup(metaPage, deletedPages);
  markBufferDirty(metaBuffer);
  if (relationNeedsWal(rel)) {
    xlogBeginInsert();
    xlogRegisterBuffer(0, metaBuffer, REGBUF.willInit | REGBUF.standard);
    registerMetadata(0, metaPage);
    pageSetLsn(metaPage, xlogInsert(RM.btree, XLOG_BTREE.metaCleanup));
  }
  endCritical();
  relBuffer(metaBuffer);
}
