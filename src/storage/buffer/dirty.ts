/** dirty.ts — a page was changed: MarkBufferDirty, and its lighter form for hint bits.
 *
 *  Rule: mark the buffer dirty BEFORE the WAL record of the change is inserted, inside the critical section. A checkpoint
 *  that begins between the two then writes the page, instead of having a redo point behind a record whose page is clean.
 *  Counterpart: MarkBufferDirty(), MarkBufferDirtyHint() of src/backend/storage/buffer/bufmgr.c */
import { assert } from '#base/assert.ts';
import type { Buffer, Lsn, RelFileNode } from '#base/ids.ts';
import { settings } from '#runtime/guc/guc.ts';
import { myProcess } from '#runtime/my-process.ts';
import { lwLockHeldByMe } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { procAt } from '#shm/proc.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { pageSetLsn } from '#storage/page/page.ts';
import { recoveryInProgress, xlogHintBitIsNeeded } from '#wal/insert.ts';
import { lockHeader, readState, unlockHeader, waitHeaderUnlocked } from '#storage/buffer/buffer-header.ts';
import { bufferIsExclusiveLocked } from '#storage/buffer/buffer-lock.ts';
import {
  BM_DIRTY,
  BM_JUST_DIRTIED,
  BM_LOCKED,
  BM_PERMANENT,
  DESC_CONTENT_LOCK,
  DESC_STATE,
} from '#storage/buffer/buffer-layout.ts';
import { bufferPage, descriptorAt, descriptorRnode } from '#storage/buffer/buffer-pool.ts';
import { bufferUsage, vacuumCost } from '#storage/buffer/buffer-usage.ts';
import { xlogSaveBufferForHint } from '#storage/buffer/buffer-wal.ts';
import { markLocalBufferDirty } from '#storage/buffer/local-buffers.ts';
import { bufferIsPinned } from '#storage/buffer/pin.ts';

const BOTH = BM_DIRTY | BM_JUST_DIRTIED;
/** DELAY_CHKPT_START of PGPROC.delayChkptFlags. */
const DELAY_CHKPT_START = 1;

/** Caller: pin and exclusive lock. */
export function markBufferDirty(buffer: Buffer): void {
  assert(bufferIsPinned(buffer), 'buffer is pinned');
  if (buffer < 0) {
    markLocalBufferDirty(buffer);
    return;
  }
  assert(bufferIsExclusiveLocked(buffer), 'buffer is locked exclusively');
  const desc = descriptorAt(buffer - 1);
  const word = (desc + DESC_STATE) >>> 2;
  let old = mem.i32[word]!;
  for (;;) {
    if ((old & BM_LOCKED) !== 0) old = waitHeaderUnlocked(desc);
    const seen = Atomics.compareExchange(mem.i32, word, old, old | BOTH);
    if (seen === old) break;
    old = seen;
  }
  if ((old & BM_DIRTY) === 0) countDirtied();
}

function countDirtied(): void {
  vacuumCost.pageDirty++;
  bufferUsage.sharedDirtied++;
  if (vacuumCost.active) vacuumCost.balance += settings.vacuum_cost_page_dirty;
}

let skipsWal: (rnode: RelFileNode) => boolean = () => false;
/** Storage (catalog/storage.ts) knows which relations of this transaction are fsynced instead of logged. */
export function setRelFileNodeSkippingWal(skips: (rnode: RelFileNode) => boolean): void {
  skipsWal = skips;
}

/** Hint bits were set: the change may be lost, so a share lock is enough and no WAL is needed, except that with checksums
 *  (or wal_log_hints) a torn write of it would be damage: then the first one after a checkpoint logs the whole page.
 *  `standard`: the page has the standard layout, so that its hole is left out. */
export function markBufferDirtyHint(buffer: Buffer, standard: boolean): void {
  if (buffer < 0) {
    markLocalBufferDirty(buffer);
    return;
  }
  assert(bufferIsPinned(buffer), 'buffer is pinned');
  assert(lwLockHeldByMe(descriptorAt(buffer - 1) + DESC_CONTENT_LOCK), 'buffer is locked');
  const desc = descriptorAt(buffer - 1);
  const seen = readState(desc);
  // Most often it is dirty already. Unlocked: a stale answer only means a hint that this checkpoint does not write.
  if ((seen & BOTH) === BOTH) return;
  let lsn = 0 as Lsn;
  let delaying = false;
  if ((seen & BM_PERMANENT) !== 0 && xlogHintBitIsNeeded()) {
    // Without WAL the page must stay clean: the hint lives in memory only.
    if (recoveryInProgress() || skipsWal(descriptorRnode(desc))) return;
    // The record may come before the redo point of a checkpoint that starts now and the dirty flag after its scan: then
    // nobody would write the page. The checkpoint waits for us instead.
    PgProc.delayChkptFlags.or(mem, procAt(myProcess.procNumber), DELAY_CHKPT_START);
    delaying = true;
    try {
      lsn = xlogSaveBufferForHint(buffer, standard);
    } catch (caught) {
      PgProc.delayChkptFlags.and(mem, procAt(myProcess.procNumber), ~DELAY_CHKPT_START);
      throw caught;
    }
  }
  const state = lockHeader(desc);
  const dirtied = (state & BM_DIRTY) === 0;
  // Only when clean: a dirty page's LSN covers this hint, and only here may somebody with a share lock set it.
  if (dirtied && lsn !== 0) pageSetLsn(bufferPage(buffer), lsn);
  unlockHeader(desc, state | BOTH);
  if (delaying) PgProc.delayChkptFlags.and(mem, procAt(myProcess.procNumber), ~DELAY_CHKPT_START);
  if (dirtied) countDirtied();
}
