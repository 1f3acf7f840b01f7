/** md.ts — relation forks as files of 1 GiB segments ("magnetic disk").
 *
 *  Segment n begins at block n * 131072; all but the last have full size, and what lies behind a shorter one is inactive
 *  (truncated to nothing, kept so that other processes' descriptors stay harmless). Open segments of a fork are a dense
 *  array from 0: `rel.segments[fork]`.
 *
 *  Promises: a write that was not asked to skip it is registered for the next checkpoint's fsync. The first segment of a
 *  dropped permanent relation is emptied at once but unlinked only after the next checkpoint, so that its number cannot be
 *  used again while WAL of the old relation may still be replayed.
 *  Danger: reading behind the end is an error, never an extension, except in recovery, where a later record will drop or
 *  truncate what is missing.
 *  Counterpart: src/backend/storage/smgr/md.c */
import {
  ALL_FORKS,
  BLCKSZ,
  type BlockNumber,
  FORK,
  type ForkNumber,
  INVALID_BLOCK,
  INVALID_OID,
  type Oid,
  PERMANENT_BACKEND,
  type RelFileNode,
} from '#base/ids.ts';
import { native } from '#platform/native.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { injectionPoint } from '#runtime/injection-points.ts';
import { mem, onNewPrivateWindow } from '#shm/memory.ts';
import { privateReserve } from '#shm/private-memory.ts';
import { E, fileFailure } from '#storage/file/file-error.ts';
import { relationPath, segmentPath } from '#storage/file/paths.ts';
import {
  type FileTag,
  registerSyncHandler,
  registerSyncRequest,
  SYNC_HANDLER,
  SYNC_REQUEST,
  type SyncOutcome,
  type SyncRequestType,
} from '#storage/file/sync-requests.ts';
import {
  closeTransientFile,
  dataSyncElevel,
  type File,
  fileClose,
  fileOpen,
  filePath,
  filePrefetch,
  fileRead,
  fileSize,
  fileSync,
  fileTruncate,
  fileWrite,
  fileWriteback,
  O,
  openTransientFile,
} from '#storage/file/virtual-files.ts';
import type { SmgrRelation } from '#storage/smgr/smgr.ts';
import { createDatabaseFolder } from '#storage/smgr/tablespace-folder.ts';
import { inRecovery } from '#wal/recovery-state.ts';

/** Blocks of a segment (RELSEG_SIZE): 1 GiB. */
export const SEGMENT_BLOCKS = 131072;

/** What to do about a segment that is not there. */
const FAIL = 1;
const RETURN_NULL = 2;
const CREATE = 4;
const CREATE_RECOVERY = 8;
const DONT_OPEN = 16;

const possiblyDeleted = (errno: number): boolean => errno === -E.NOENT || errno === -E.ACCES;
const isTemp = (rel: SmgrRelation): boolean => rel.backend !== PERMANENT_BACKEND;
const pathOf = (rel: SmgrRelation, fork: ForkNumber, segment: number): string =>
  segmentPath(rel.rnode, rel.backend, fork, segment);

let zeroPage = -1;
onNewPrivateWindow(() => {
  zeroPage = -1;
});
function zeros(): number {
  if (zeroPage < 0) zeroPage = privateReserve(BLCKSZ);
  return zeroPage;
}

// ── segments ───────────────────────────────────────────────────────────────────────────────────────────────────────
/** The first segment, opened if need be; 0 with RETURN_NULL where there is none. */
function openFork(rel: SmgrRelation, fork: ForkNumber, behavior: number): File {
  const open = rel.segments[fork];
  if (open.length > 0) return open[0]!;
  const path = relationPath(rel.rnode, rel.backend, fork);
  const file = fileOpen(path, O.RDWR);
  if (file < 0) {
    if ((behavior & RETURN_NULL) !== 0 && possiblyDeleted(file)) return 0;
    fileFailure('ERROR', `could not open file "${path}"`, file);
  }
  open.push(file);
  return file;
}

/** Opens the segment behind the last open one; 0 if that cannot be, with the reason in openErrno. */
let openErrno = 0;
function openNextSegment(rel: SmgrRelation, fork: ForkNumber, segment: number, flags: number): File {
  const file = fileOpen(pathOf(rel, fork, segment), O.RDWR | flags);
  if (file < 0) {
    openErrno = file;
    return 0;
  }
  rel.segments[fork].push(file);
  return file;
}

function blocksOf(file: File): BlockNumber {
  const size = fileSize(file);
  if (size < 0) fileFailure('ERROR', `could not seek to end of file "${filePath(file)}"`, size);
  return Math.floor(size / BLCKSZ);
}
const tooBig = (): never => report('FATAL', { message: 'segment too big' });

/** The segment of a block; 0 only with RETURN_NULL or DONT_OPEN. */
function segmentOf(
  rel: SmgrRelation,
  fork: ForkNumber,
  block: BlockNumber,
  skipFsync: boolean,
  behavior: number,
): File {
  const target = Math.floor(block / SEGMENT_BLOCKS);
  const open = rel.segments[fork];
  if (target < open.length) return open[target]!;
  if ((behavior & DONT_OPEN) !== 0) return 0;
  return openUpTo(rel, fork, target, block, skipFsync, behavior);
}

function openUpTo(
  rel: SmgrRelation,
  fork: ForkNumber,
  target: number,
  block: BlockNumber,
  skipFsync: boolean,
  behavior: number,
): File {
  const open = rel.segments[fork];
  let file = open.length > 0 ? open[open.length - 1]! : openFork(rel, fork, behavior);
  if (file === 0) return 0;
  for (let next = open.length; next <= target; next++) {
    const blocks = blocksOf(file);
    let flags = 0;
    if (blocks > SEGMENT_BLOCKS) tooBig();
    if ((behavior & CREATE) !== 0 || (inRecovery() && (behavior & CREATE_RECOVERY) !== 0)) {
      // The invariant that all but the last are full: a hash index, or replay, may write far behind the end.
      if (blocks < SEGMENT_BLOCKS) mdExtend(rel, fork, next * SEGMENT_BLOCKS - 1, zeros(), skipFsync);
      flags = O.CREAT;
    } else if (blocks < SEGMENT_BLOCKS) {
      if ((behavior & RETURN_NULL) !== 0) return 0;
      report('ERROR', {
        code: SQLSTATE.internalError,
        message: `could not open file "${pathOf(rel, fork, next)}" (target block ${block}): previous segment is only ${blocks} blocks`,
      });
    }
    file = openNextSegment(rel, fork, next, flags);
    if (file === 0) {
      if ((behavior & RETURN_NULL) !== 0 && possiblyDeleted(openErrno)) return 0;
      fileFailure('ERROR', `could not open file "${pathOf(rel, fork, next)}" (target block ${block})`, openErrno);
    }
  }
  return file;
}

// ── fsync requests ─────────────────────────────────────────────────────────────────────────────────────────────────
const tagOf = (rnode: RelFileNode, fork: number, segment: number): FileTag => ({
  handler: SYNC_HANDLER.md,
  fork,
  rnode,
  segment,
});

function registerDirty(rel: SmgrRelation, fork: ForkNumber, segment: number): void {
  if (registerSyncRequest(tagOf(rel.rnode, fork, segment), SYNC_REQUEST.sync, false)) return;
  report('DEBUG1', { message: 'could not forward fsync request because request queue is full' });
  const file = rel.segments[fork][segment]!;
  const result = fileSync(file, WAIT_EVENT.DataFileSync);
  if (result < 0) fileFailure(dataSyncElevel('ERROR'), `could not fsync file "${filePath(file)}"`, result);
}
function request(rnode: RelFileNode, fork: number, segment: number, type: SyncRequestType): void {
  registerSyncRequest(tagOf(rnode, fork, segment), type, true);
}
/** The files of a database are about to go: nobody need fsync or unlink them any more. */
export function forgetDatabaseSyncRequests(dbNode: Oid): void {
  request({ spcNode: INVALID_OID, dbNode, relNode: INVALID_OID }, -1, 0xffff_ffff, SYNC_REQUEST.filter);
}

// ── the interface of smgr.ts ───────────────────────────────────────────────────────────────────────────────────────
export function mdClose(rel: SmgrRelation, fork: ForkNumber): void {
  const open = rel.segments[fork];
  while (open.length > 0) fileClose(open.pop()!);
}

export function mdExists(rel: SmgrRelation, fork: ForkNumber): boolean {
  // An open descriptor would hide that the file was dropped meanwhile.
  if (!inRecovery()) mdClose(rel, fork);
  return openFork(rel, fork, RETURN_NULL) !== 0;
}

export function mdCreate(rel: SmgrRelation, fork: ForkNumber, isRedo: boolean): void {
  if (isRedo && rel.segments[fork].length > 0) return;
  createDatabaseFolder(rel.rnode.spcNode, rel.rnode.dbNode, isRedo);
  const path = relationPath(rel.rnode, rel.backend, fork);
  let file = fileOpen(path, O.RDWR | O.CREAT | O.EXCL);
  if (file < 0) {
    const first = file;
    if (isRedo) file = fileOpen(path, O.RDWR);
    if (file < 0) fileFailure('ERROR', `could not create file "${path}"`, first);
  }
  rel.segments[fork].push(file);
  if (!isTemp(rel)) registerDirty(rel, fork, 0);
}

export function mdExtend(
  rel: SmgrRelation,
  fork: ForkNumber,
  block: BlockNumber,
  at: number,
  skipFsync: boolean,
): void {
  if (block === INVALID_BLOCK)
    report('ERROR', {
      code: SQLSTATE.programLimitExceeded,
      message: `cannot extend file "${relationPath(rel.rnode, rel.backend, fork)}" beyond ${INVALID_BLOCK} blocks`,
    });
  const file = segmentOf(rel, fork, block, skipFsync, CREATE);
  const position = (block % SEGMENT_BLOCKS) * BLCKSZ;
  const done = fileWrite(file, at, BLCKSZ, position, WAIT_EVENT.DataFileExtend);
  if (done !== BLCKSZ) {
    const hint = 'Check free disk space.';
    if (done < 0) fileFailure('ERROR', `could not extend file "${filePath(file)}"`, done, { hint });
    report('ERROR', {
      code: SQLSTATE.diskFull,
      message: `could not extend file "${filePath(file)}": wrote only ${done} of ${BLCKSZ} bytes at block ${block}`,
      hint,
    });
  }
  injectionPoint('mdExtend');
  if (!skipFsync && !isTemp(rel)) registerDirty(rel, fork, Math.floor(block / SEGMENT_BLOCKS));
}

export function mdPrefetch(rel: SmgrRelation, fork: ForkNumber, block: BlockNumber): boolean {
  const file = segmentOf(rel, fork, block, false, inRecovery() ? RETURN_NULL : FAIL);
  if (file === 0) return false;
  filePrefetch(file, (block % SEGMENT_BLOCKS) * BLCKSZ, BLCKSZ, WAIT_EVENT.DataFilePrefetch);
  return true;
}

/** A hint, so segments that are not open are left alone. */
export function mdWriteback(rel: SmgrRelation, fork: ForkNumber, block: BlockNumber, count: number): void {
  while (count > 0) {
    const file = segmentOf(rel, fork, block, true, DONT_OPEN);
    if (file === 0) return;
    const inSegment = block % SEGMENT_BLOCKS;
    const flush = Math.min(count, SEGMENT_BLOCKS - inSegment);
    fileWriteback(file, inSegment * BLCKSZ, flush * BLCKSZ, WAIT_EVENT.DataFileFlush);
    count -= flush;
    block += flush;
  }
}

export function mdRead(rel: SmgrRelation, fork: ForkNumber, block: BlockNumber, at: number): void {
  const file = segmentOf(rel, fork, block, false, FAIL | CREATE_RECOVERY);
  const done = fileRead(file, at, BLCKSZ, (block % SEGMENT_BLOCKS) * BLCKSZ, WAIT_EVENT.DataFileRead);
  if (done === BLCKSZ) return;
  if (done < 0) fileFailure('ERROR', `could not read block ${block} in file "${filePath(file)}"`, done);
  // Behind the end. In recovery a record that follows will have truncated or dropped it.
  if (settings.zero_damaged_pages || inRecovery()) mem.u8.fill(0, at, at + BLCKSZ);
  else
    report('ERROR', {
      code: SQLSTATE.dataCorrupted,
      message: `could not read block ${block} in file "${filePath(file)}": read only ${done} of ${BLCKSZ} bytes`,
    });
}

export function mdWrite(rel: SmgrRelation, fork: ForkNumber, block: BlockNumber, at: number, skipFsync: boolean): void {
  const file = segmentOf(rel, fork, block, skipFsync, FAIL | CREATE_RECOVERY);
  const done = fileWrite(file, at, BLCKSZ, (block % SEGMENT_BLOCKS) * BLCKSZ, WAIT_EVENT.DataFileWrite);
  if (done !== BLCKSZ) {
    if (done < 0) fileFailure('ERROR', `could not write block ${block} in file "${filePath(file)}"`, done);
    report('ERROR', {
      code: SQLSTATE.diskFull,
      message: `could not write block ${block} in file "${filePath(file)}": wrote only ${done} of ${BLCKSZ} bytes`,
      hint: 'Check free disk space.',
    });
  }
  if (!skipFsync && !isTemp(rel)) registerDirty(rel, fork, Math.floor(block / SEGMENT_BLOCKS));
}

/** Number of blocks; opens every active segment. Only the last need be measured: the others were full when the next one
 *  was opened, and truncation closes what it cuts. */
export function mdNblocks(rel: SmgrRelation, fork: ForkNumber): BlockNumber {
  openFork(rel, fork, FAIL);
  const open = rel.segments[fork];
  let segment = open.length - 1;
  let file = open[segment]!;
  for (;;) {
    const blocks = blocksOf(file);
    if (blocks > SEGMENT_BLOCKS) tooBig();
    if (blocks < SEGMENT_BLOCKS) return segment * SEGMENT_BLOCKS + blocks;
    segment++;
    file = openNextSegment(rel, fork, segment, 0);
    if (file === 0) return segment * SEGMENT_BLOCKS;
  }
}

export function mdTruncate(rel: SmgrRelation, fork: ForkNumber, blocks: BlockNumber): void {
  const current = mdNblocks(rel, fork);
  if (blocks > current) {
    // Replay may meet a truncation that a later one has overtaken.
    if (inRecovery()) return;
    report('ERROR', {
      message: `could not truncate file "${relationPath(rel.rnode, rel.backend, fork)}" to ${blocks} blocks: it's only ${current} blocks now`,
    });
  }
  if (blocks === current) return;
  const open = rel.segments[fork];
  // From the end, so that at any moment all but the last are full.
  for (let segment = open.length - 1; segment >= 0; segment--) {
    const before = segment * SEGMENT_BLOCKS;
    const file = open[segment]!;
    if (before > blocks) {
      const result = fileTruncate(file, 0, WAIT_EVENT.DataFileTruncate);
      if (result < 0) fileFailure('ERROR', `could not truncate file "${filePath(file)}"`, result);
      if (!isTemp(rel)) registerDirty(rel, fork, segment);
      fileClose(file);
      open.pop();
    } else if (before + SEGMENT_BLOCKS > blocks) {
      const result = fileTruncate(file, (blocks - before) * BLCKSZ, WAIT_EVENT.DataFileTruncate);
      if (result < 0) fileFailure('ERROR', `could not truncate file "${filePath(file)}" to ${blocks} blocks`, result);
      if (!isTemp(rel)) registerDirty(rel, fork, segment);
    } else return;
  }
}

/** fsyncs the whole fork now, inactive segments included. */
export function mdImmedSync(rel: SmgrRelation, fork: ForkNumber): void {
  mdNblocks(rel, fork);
  const open = rel.segments[fork];
  const firstInactive = open.length;
  while (openNextSegment(rel, fork, open.length, 0) !== 0);
  for (let segment = open.length - 1; segment >= 0; segment--) {
    const file = open[segment]!;
    const result = fileSync(file, WAIT_EVENT.DataFileImmediateSync);
    if (result < 0) fileFailure(dataSyncElevel('ERROR'), `could not fsync file "${filePath(file)}"`, result);
    if (segment >= firstInactive) {
      fileClose(file);
      open.pop();
    }
  }
}

// ── unlinking ──────────────────────────────────────────────────────────────────────────────────────────────────────
/** Empties a file, so that descriptors of others do not hold its space. 0 or -errno, told unless the file is missing. */
function emptyFile(path: string): number {
  const fd = openTransientFile(path, O.RDWR);
  let result = fd;
  if (fd >= 0) {
    result = native.truncateFile(fd, 0);
    closeTransientFile(fd);
  }
  if (result < 0 && result !== -E.NOENT) fileFailure('WARNING', `could not truncate file "${path}"`, result);
  return Math.min(result, 0);
}

/** Removes a fork, or all. Failures are warnings: the transaction that dropped it is over. */
export function mdUnlink(rnode: RelFileNode, backend: number, fork: ForkNumber | null, isRedo: boolean): void {
  if (fork !== null) unlinkFork(rnode, backend, fork, isRedo);
  else for (const one of ALL_FORKS) unlinkFork(rnode, backend, one, isRedo);
}

function unlinkFork(rnode: RelFileNode, backend: number, fork: ForkNumber, isRedo: boolean): void {
  const temp = backend !== PERMANENT_BACKEND;
  const path = relationPath(rnode, backend, fork);
  let result = 0;
  if (isRedo || fork !== FORK.main || temp) {
    if (!temp) {
      result = emptyFile(path);
      request(rnode, fork, 0, SYNC_REQUEST.forget);
    }
    if (result !== -E.NOENT) {
      injectionPoint('mdUnlink');
      result = native.unlinkFile(path);
      if (result < 0 && result !== -E.NOENT) fileFailure('WARNING', `could not remove file "${path}"`, result);
    }
  } else {
    result = emptyFile(path);
    request(rnode, fork, 0, SYNC_REQUEST.unlink);
  }
  if (result < 0) return;
  for (let segment = 1; ; segment++) {
    const segmentName = `${path}.${segment}`;
    if (!temp) {
      if (emptyFile(segmentName) === -E.NOENT) return;
      request(rnode, fork, segment, SYNC_REQUEST.forget);
    }
    result = native.unlinkFile(segmentName);
    if (result === 0) continue;
    if (result !== -E.NOENT) fileFailure('WARNING', `could not remove file "${segmentName}"`, result);
    return;
  }
}

// ── the checkpointer's side ────────────────────────────────────────────────────────────────────────────────────────
let lookupOpenRelation: (rnode: RelFileNode) => SmgrRelation | undefined = () => undefined;
/** smgr.ts tells which relation is open here, so that its descriptors can be used. */
export function setOpenRelationLookup(lookup: (rnode: RelFileNode) => SmgrRelation | undefined): void {
  lookupOpenRelation = lookup;
}

function syncFile(tag: FileTag): SyncOutcome {
  const open = lookupOpenRelation(tag.rnode)?.segments[tag.fork as ForkNumber][tag.segment];
  if (open !== undefined) return { result: fileSync(open, WAIT_EVENT.DataFileSync), path: filePath(open) };
  const path = segmentPath(tag.rnode, PERMANENT_BACKEND, tag.fork as ForkNumber, tag.segment);
  const file = fileOpen(path, O.RDWR);
  if (file < 0) return { result: file, path };
  const result = fileSync(file, WAIT_EVENT.DataFileSync);
  fileClose(file);
  return { result, path };
}

registerSyncHandler(SYNC_HANDLER.md, {
  syncFile,
  unlinkFile(tag) {
    const path = relationPath(tag.rnode, PERMANENT_BACKEND, FORK.main);
    return { result: native.unlinkFile(path), path };
  },
  /** Filters mean a whole database. */
  matches: (filter, tag) => filter.rnode.dbNode === tag.rnode.dbNode,
});
