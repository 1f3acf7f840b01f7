/** redo-buffers.ts — reading the blocks of a WAL record while it is replayed.
 *
 *  A block that a record touches may be missing: its relation was dropped or truncated later in the WAL, and those actions
 *  reached the disk before the crash. Such references are remembered and must be explained by a later drop or truncation;
 *  what is left when the database is consistent is damage.
 *  Counterpart: src/backend/access/transam/xlogutils.c */
import type { BlockNumber, Buffer, ForkNumber, Lsn, Oid, RelFileNode } from '#base/ids.ts';
import { FORK, PERMANENT_BACKEND } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { pageGetLsn, pageIsNew, pageSetLsn } from '#storage/page/page.ts';
import { smgrCloseAll, smgrCreate, smgrNblocks, smgrOpen } from '#storage/smgr/smgr.ts';
import { type DecodedRecord, restoreBlockImage } from '#wal/reader.ts';
import { replay } from '#wal/recovery-state.ts';
import { lockBuffer, lockBufferForCleanup } from '#storage/buffer/buffer-lock.ts';
import { BUFFER_LOCK, P_NEW, RBM, type ReadBufferMode } from '#storage/buffer/buffer-layout.ts';
import { forkPath } from '#storage/buffer/buffer-names.ts';
import { bufferBlock, bufferPage } from '#storage/buffer/buffer-pool.ts';
import { markBufferDirty } from '#storage/buffer/dirty.ts';
import { flushOneBuffer } from '#storage/buffer/flush.ts';
import { releaseBuffer } from '#storage/buffer/pin.ts';
import { readBuffer } from '#storage/buffer/read-buffer.ts';

export const REDO = { needsRedo: 0, done: 1, restored: 2, notFound: 3 } as const;
export type RedoAction = 0 | 1 | 2 | 3;

/** One reused object: copy what must outlive the next call. */
export interface RedoBuffer {
  action: RedoAction;
  /** 0 with notFound; else pinned and locked exclusively. */
  buffer: Buffer;
}
const result: RedoBuffer = { action: REDO.notFound, buffer: 0 };
function answer(action: RedoAction, buffer: Buffer): RedoBuffer {
  result.action = action;
  result.buffer = buffer;
  return result;
}

/** BKPBLOCK_WILL_INIT of a block reference's flags. */
const WILL_INIT = 0x40;
const isZeroMode = (mode: ReadBufferMode): boolean => mode === RBM.zeroAndLock || mode === RBM.zeroAndCleanupLock;

/** The block of a reference, locked, with the word on whether the record must still be applied to it. */
export const xlogReadBufferForRedo = (record: DecodedRecord, blockId: number): RedoBuffer =>
  xlogReadBufferForRedoExtended(record, blockId, RBM.normal, false);

/** A block that the record initialises from nothing: zeroed, locked. */
export const xlogInitBufferForRedo = (record: DecodedRecord, blockId: number): Buffer =>
  xlogReadBufferForRedoExtended(record, blockId, RBM.zeroAndLock, false).buffer;

export function xlogReadBufferForRedoExtended(
  record: DecodedRecord,
  blockId: number,
  mode: ReadBufferMode,
  cleanupLock: boolean,
): RedoBuffer {
  const reference = record.blocks[blockId];
  if (reference === undefined || blockId > record.maxBlockId || !reference.inUse)
    report('PANIC', { message: `failed to locate backup block with ID ${blockId} in WAL record` });
  const willInit = (reference.flags & WILL_INIT) !== 0;
  if (willInit && !isZeroMode(mode))
    report('PANIC', { message: 'block with WILL_INIT flag in WAL record must be zeroed by redo routine' });
  if (!willInit && isZeroMode(mode))
    report('PANIC', {
      message: 'block to be initialized in redo routine must be marked with WILL_INIT flag in the WAL record',
    });
  const { rnode, fork, block } = reference;
  if (reference.hasImage && reference.applyImage) {
    const buffer = xlogReadBufferExtended(rnode, fork, block, cleanupLock ? RBM.zeroAndCleanupLock : RBM.zeroAndLock);
    restoreImage(record, blockId, buffer, fork);
    return answer(REDO.restored, buffer);
  }
  const buffer = xlogReadBufferExtended(rnode, fork, block, mode);
  if (buffer === 0) return answer(REDO.notFound, 0);
  if (!isZeroMode(mode)) {
    if (cleanupLock) lockBufferForCleanup(buffer);
    else lockBuffer(buffer, BUFFER_LOCK.exclusive);
  }
  return answer(record.endLsn <= pageGetLsn(bufferPage(buffer)) ? REDO.done : REDO.needsRedo, buffer);
}

function restoreImage(record: DecodedRecord, blockId: number, buffer: Buffer, fork: ForkNumber): void {
  const page = bufferPage(buffer);
  if (!restoreBlockImage(record, blockId, page))
    report('ERROR', {
      code: SQLSTATE.internalError,
      message: `could not restore image at ${lsnText(record.lsn)}, block ${blockId}`,
    });
  // An image of a page that was never initialised keeps no LSN: with one it would no longer be all zeroes.
  if (!pageIsNew(page)) pageSetLsn(page, record.endLsn);
  markBufferDirty(buffer);
  // Init forks are copied file to file when crash recovery ends.
  if (fork === FORK.init) flushOneBuffer(buffer);
}
const lsnText = (lsn: Lsn): string =>
  `${Math.floor(lsn / 0x1_0000_0000)
    .toString(16)
    .toUpperCase()}/${(lsn % 0x1_0000_0000).toString(16).toUpperCase()}`;

/** Pins a block during recovery, making file and block if the mode allows. 0 if there is no such block (normal modes). */
export function xlogReadBufferExtended(
  rnode: RelFileNode,
  fork: ForkNumber,
  block: BlockNumber,
  mode: ReadBufferMode,
): Buffer {
  const smgr = smgrOpen(rnode, PERMANENT_BACKEND);
  // Even for a relation that is dropped later: replaying what happened to it needs some file to work on.
  smgrCreate(smgr, fork, true);
  let buffer: Buffer = 0;
  if (block < smgrNblocks(smgr, fork)) buffer = readBuffer(smgr, 'p', fork, block, mode, null);
  else {
    if (mode === RBM.normal) {
      logInvalidPage(rnode, fork, block, false);
      return 0;
    }
    if (mode === RBM.normalNoLog) return 0;
    do {
      if (buffer !== 0) {
        if (isZeroMode(mode)) lockBuffer(buffer, BUFFER_LOCK.unlock);
        releaseBuffer(buffer);
      }
      buffer = readBuffer(smgr, 'p', fork, P_NEW, mode, null);
    } while (bufferBlock(buffer) < block);
  }
  if (mode === RBM.normal && pageIsNew(bufferPage(buffer))) {
    releaseBuffer(buffer);
    logInvalidPage(rnode, fork, block, true);
    return 0;
  }
  return buffer;
}

interface InvalidPage {
  readonly rnode: RelFileNode;
  readonly fork: ForkNumber;
  readonly block: BlockNumber;
  /** The page is in the file, but not initialised. */
  readonly present: boolean;
}
const invalidPages = new Map<string, InvalidPage>();

function reportInvalidPage(level: 'DEBUG1' | 'WARNING', page: InvalidPage): void {
  const path = forkPath(page.rnode, page.fork);
  report(level, {
    message: page.present
      ? `page ${page.block} of relation ${path} is uninitialized`
      : `page ${page.block} of relation ${path} does not exist`,
  });
}
function complain(): void {
  report(settings.ignore_invalid_pages ? 'WARNING' : 'PANIC', {
    message: 'WAL contains references to invalid pages',
  });
}

function logInvalidPage(rnode: RelFileNode, fork: ForkNumber, block: BlockNumber, present: boolean): void {
  const page: InvalidPage = { rnode, fork, block, present };
  if (replay.reachedConsistency) {
    reportInvalidPage('WARNING', page);
    complain();
  }
  reportInvalidPage('DEBUG1', page);
  const key = `${rnode.spcNode}/${rnode.dbNode}/${rnode.relNode}/${fork}/${block}`;
  // The first sight counts: a repeated reference says no more.
  if (!invalidPages.has(key)) invalidPages.set(key, page);
}

function forget(matches: (page: InvalidPage) => boolean): void {
  for (const [key, page] of invalidPages) {
    if (!matches(page)) continue;
    report('DEBUG2', { message: `page ${page.block} of relation ${forkPath(page.rnode, page.fork)} has been dropped` });
    invalidPages.delete(key);
  }
}
const isOf = (page: InvalidPage, rnode: RelFileNode, fork: ForkNumber): boolean =>
  page.fork === fork &&
  page.rnode.relNode === rnode.relNode &&
  page.rnode.dbNode === rnode.dbNode &&
  page.rnode.spcNode === rnode.spcNode;

export const xlogHaveInvalidPages = (): boolean => invalidPages.size > 0;

/** At consistency: every missing page must have been explained. */
export function xlogCheckInvalidPages(): void {
  if (invalidPages.size === 0) return;
  for (const page of invalidPages.values()) reportInvalidPage('WARNING', page);
  complain();
  invalidPages.clear();
}

/** The fork was dropped: missing pages of it are explained. */
export function xlogDropRelation(rnode: RelFileNode, fork: ForkNumber): void {
  forget((page) => isOf(page, rnode, fork));
}
export function xlogDropDatabase(database: Oid): void {
  // Files of the database must not be kept open: its folder is about to go.
  smgrCloseAll();
  forget((page) => page.rnode.dbNode === database);
}
export function xlogTruncateRelation(rnode: RelFileNode, fork: ForkNumber, blocks: BlockNumber): void {
  forget((page) => isOf(page, rnode, fork) && page.block >= blocks);
}
