/** flush.ts — dirty buffers go to disk.
 *
 *  Rules: the WAL that describes a page is flushed before the page is written; the checksum is computed on a private copy
 *  (page-checksum.ts), because others may set hint bits meanwhile: we hold the content lock only shared; a page that was dirtied
 *  during its write stays dirty.
 *  Counterpart: FlushBuffer(), SyncOneBuffer(), Flush…Buffers() of src/backend/storage/buffer/bufmgr.c */
import { assert } from '#base/assert.ts';
import { type Buffer, type ForkNumber, type Oid, PERMANENT_BACKEND } from '#base/ids.ts';
import { monotonicMs } from '#platform/clock.ts';
import { PgError } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { injectionPoint } from '#runtime/injection-points.ts';
import { lwLockAcquire, lwLockHeldByMe, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { bufferUsage } from '#storage/buffer/buffer-usage.ts';
import { pageSetChecksumCopy } from '#storage/page/page-checksum.ts';
import { smgrOpen, type SmgrRelation, smgrWrite } from '#storage/smgr/smgr.ts';
import { xlogFlush } from '#wal/insert.ts';
import {
  bufferPage,
  descriptorAt,
  descriptorHasRnode,
  descriptorRnode,
  nBuffers,
  readPageLsn,
} from '#storage/buffer/buffer-pool.ts';
import {
  BM_DIRTY,
  BM_JUST_DIRTIED,
  BM_PERMANENT,
  BM_VALID,
  BUF_REFCOUNT_MASK,
  BUF_USAGECOUNT_MASK,
  BufferDesc,
  DESC_CONTENT_LOCK,
} from '#storage/buffer/buffer-layout.ts';
import { lockHeader, unlockHeader } from '#storage/buffer/buffer-header.ts';
import { startBufferIO, terminateBufferIO } from '#storage/buffer/buffer-io.ts';
import { descriptorPath } from '#storage/buffer/buffer-names.ts';
import { flushLocalRelation } from '#storage/buffer/local-buffers.ts';
import { bufferIsPinned, pinBufferLocked, unpinBuffer } from '#storage/buffer/pin.ts';
import { scheduleWriteback, type WritebackContext } from '#storage/buffer/writeback.ts';

/** Writes the page if it is dirty. Caller: pin and content lock, shared at least. */
export function flushBuffer(id: number, smgr: SmgrRelation | null): void {
  if (!startBufferIO(id, false)) return;
  try {
    writePage(id, smgr);
  } catch (caught) {
    throw withWriteContext(caught, descriptorAt(id), PERMANENT_BACKEND);
  }
  terminateBufferIO(id, true, 0);
}

/** Adds PostgreSQL's CONTEXT line to an error of writing. */
export function withWriteContext(caught: unknown, desc: number, backend: number): unknown {
  if (!(caught instanceof PgError)) return caught;
  const { fields } = caught;
  const line = `writing block ${BufferDesc.block.get(mem, desc)} of relation ${descriptorPath(desc, backend)}`;
  fields.context = fields.context === undefined ? line : `${line}\n${fields.context}`;
  return caught;
}

function writePage(id: number, smgr: SmgrRelation | null): void {
  const desc = descriptorAt(id);
  const page = bufferPage(id + 1);
  const relation = smgr ?? smgrOpen(descriptorRnode(desc), PERMANENT_BACKEND);
  const block = BufferDesc.block.get(mem, desc);
  const fork = BufferDesc.fork.get(mem, desc) as ForkNumber;
  const state = lockHeader(desc);
  // Under the header lock: hint-bit writers set it there. JUST_DIRTIED tells whether somebody dirties it from here on.
  const lsn = readPageLsn(page);
  unlockHeader(desc, state & ~BM_JUST_DIRTIED);
  // Pages of unlogged relations have LSNs of another sequence (GiST's counter), or none.
  if ((state & BM_PERMANENT) !== 0) xlogFlush(lsn);
  injectionPoint('bufferBeforeWrite');
  const from = pageSetChecksumCopy(page, block);
  const start = settings.track_io_timing ? monotonicMs() : 0;
  smgrWrite(relation, fork, block, from, false);
  if (settings.track_io_timing) bufferUsage.blkWriteTimeMs += monotonicMs() - start;
  bufferUsage.sharedWritten++;
}

/** Bits of syncOneBuffer's result. */
export const BUF_WRITTEN = 1;
export const BUF_REUSABLE = 2;

/** For checkpoints and the background writer: writes a dirty buffer; with `skipRecentlyUsed` only one that could be
 *  given up at once. */
export function syncOneBuffer(id: number, skipRecentlyUsed: boolean, context: WritebackContext): number {
  const desc = descriptorAt(id);
  const state = lockHeader(desc);
  let result = 0;
  if ((state & (BUF_REFCOUNT_MASK | BUF_USAGECOUNT_MASK)) === 0) result = BUF_REUSABLE;
  else if (skipRecentlyUsed) {
    unlockHeader(desc, state);
    return result;
  }
  if ((state & (BM_VALID | BM_DIRTY)) !== (BM_VALID | BM_DIRTY)) {
    unlockHeader(desc, state);
    return result;
  }
  pinBufferLocked(id, state);
  lwLockAcquire(desc + DESC_CONTENT_LOCK, 'shared');
  flushBuffer(id, null);
  lwLockRelease(desc + DESC_CONTENT_LOCK);
  // Before the pin goes: after that the tag may be another.
  scheduleWriteback(context, desc);
  unpinBuffer(id);
  return result | BUF_WRITTEN;
}

/** Pins, locks and writes a buffer whose header is locked, if it is valid and dirty. */
function flushLockedHeader(id: number, state: number, smgr: SmgrRelation | null): void {
  const desc = descriptorAt(id);
  if ((state & (BM_VALID | BM_DIRTY)) !== (BM_VALID | BM_DIRTY)) {
    unlockHeader(desc, state);
    return;
  }
  pinBufferLocked(id, state);
  lwLockAcquire(desc + DESC_CONTENT_LOCK, 'shared');
  flushBuffer(id, smgr);
  lwLockRelease(desc + DESC_CONTENT_LOCK);
  unpinBuffer(id);
}

/** Writes all dirty pages of a relation; who copies or fsyncs its files calls this. The caller keeps others from
 *  dirtying more. */
export function flushRelationBuffers(smgr: SmgrRelation): void {
  if (smgr.backend !== PERMANENT_BACKEND) {
    flushLocalRelation(smgr);
    return;
  }
  for (let id = 0; id < nBuffers; id++) {
    const desc = descriptorAt(id);
    // Without the lock first: nobody can bring in pages of this relation now, so a mismatch stays one.
    if (!descriptorHasRnode(desc, smgr.rnode)) continue;
    const state = lockHeader(desc);
    if (descriptorHasRnode(desc, smgr.rnode)) flushLockedHeader(id, state, smgr);
    else unlockHeader(desc, state);
  }
}

/** The same for several relations in one pass over the pool. */
export function flushRelationsAllBuffers(smgrs: readonly SmgrRelation[]): void {
  if (smgrs.length === 0) return;
  const byNumber = new Map<number, SmgrRelation[]>();
  for (const smgr of smgrs) {
    assert(smgr.backend === PERMANENT_BACKEND, 'temporary relations are not flushed');
    const same = byNumber.get(smgr.rnode.relNode);
    if (same === undefined) byNumber.set(smgr.rnode.relNode, [smgr]);
    else same.push(smgr);
  }
  const find = (desc: number): SmgrRelation | undefined =>
    byNumber.get(BufferDesc.relNode.get(mem, desc))?.find((smgr) => descriptorHasRnode(desc, smgr.rnode));
  for (let id = 0; id < nBuffers; id++) {
    const desc = descriptorAt(id);
    const smgr = find(desc);
    if (smgr === undefined) continue;
    const state = lockHeader(desc);
    if (descriptorHasRnode(desc, smgr.rnode)) flushLockedHeader(id, state, smgr);
    else unlockHeader(desc, state);
  }
}

/** CREATE DATABASE copies files: their pages must be in them. Local buffers of a database are nobody else's business. */
export function flushDatabaseBuffers(database: Oid): void {
  for (let id = 0; id < nBuffers; id++) {
    const desc = descriptorAt(id);
    if (BufferDesc.dbNode.get(mem, desc) !== database) continue;
    const state = lockHeader(desc);
    if (BufferDesc.dbNode.get(mem, desc) === database) flushLockedHeader(id, state, null);
    else unlockHeader(desc, state);
  }
}

/** Writes one buffer now. Caller: pin and content lock. Shared buffers only. */
export function flushOneBuffer(buffer: Buffer): void {
  assert(buffer > 0 && bufferIsPinned(buffer), 'buffer is pinned');
  assert(lwLockHeldByMe(descriptorAt(buffer - 1) + DESC_CONTENT_LOCK), 'buffer is locked');
  flushBuffer(buffer - 1, null);
}
