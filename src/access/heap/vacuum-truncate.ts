/** vacuum-truncate.ts — giving empty pages at the end of a table back to the system.
 *
 *  Needs the table exclusively, which vacuum asks for without queueing: whoever waits for the table behind us is let
 *  through within 20 ms.
 *  Counterpart: should_attempt_truncation(), lazy_truncate_heap(), count_nondeletable_pages() of vacuumlazy.c */
import { relationNblocks, relationSmgr, relReadBuffer } from '#access/common/relation-descriptor.ts';
import { LP_MASK, LP_UNUSED } from '#access/heap/line-pointers.ts';
import { VACUUM_PHASE, VACUUM_PROGRESS, type VacuumState } from '#access/heap/vacuum-state.ts';
import { type BlockNumber, FORK } from '#base/ids.ts';
import { monotonicMs } from '#platform/clock.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { resetLatch } from '#shm/latch.ts';
import { waitLatch } from '#shm/wait-event-set.ts';
import { BUFFER_LOCK, RBM } from '#storage/buffer/buffer-layout.ts';
import { lockBuffer, unlockReleaseBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferPage } from '#storage/buffer/buffer-pool.ts';
import { prefetchBuffer } from '#storage/buffer/read-buffer.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { conditionalLockRelation, lockHasWaitersRelation, unlockRelation } from '#storage/lmgr/lmgr.ts';
import { itemIdWord, pageIsEmpty, pageIsNew, pageMaxOffset } from '#storage/page/page.ts';

const TRUNCATE_MINIMUM = 1000;
const TRUNCATE_FRACTION = 16;
const LOCK_WAIT_INTERVAL_MS = 50;
const LOCK_TIMEOUT_MS = 5000;
const LOCK_CHECK_INTERVAL_MS = 20;
const PREFETCH = 32;

export function shouldTruncate(state: VacuumState): boolean {
  if (!state.doTruncate || state.failsafeActive || settings.old_snapshot_threshold >= 0) return false;
  const freeable = state.relPages - state.nonemptyPages;
  return freeable > 0 && (freeable >= TRUNCATE_MINIMUM || freeable >= Math.floor(state.relPages / TRUNCATE_FRACTION));
}

function takeLock(state: VacuumState): boolean {
  const { rel } = state;
  for (let tries = 1; !conditionalLockRelation(rel, LOCK.accessExclusive); tries++) {
    checkForInterrupts();
    if (tries > LOCK_TIMEOUT_MS / LOCK_WAIT_INTERVAL_MS) {
      report(state.params.verbose ? 'INFO' : 'DEBUG2', {
        message: `"${rel.name}": stopping truncate due to conflicting lock request`,
      });
      return false;
    }
    waitLatch({ timeoutMs: LOCK_WAIT_INTERVAL_MS, postmasterDeath: 'exit' }, WAIT_EVENT.VacuumTruncate);
    resetLatch();
  }
  return true;
}

/** lazy_truncate_heap(). */
export function truncateHeap(state: VacuumState): void {
  const { rel } = state;
  let before = state.relPages;
  let pages: BlockNumber;
  do {
    state.host.progress(VACUUM_PROGRESS.phase, VACUUM_PHASE.truncate);
    lockWaiterDetected = false;
    if (!takeLock(state)) return;
    // It grew: what is new at the end has tuples.
    if (relationNblocks(rel) !== before) {
      unlockRelation(rel, LOCK.accessExclusive);
      return;
    }
    pages = countNondeletablePages(state);
    if (pages >= before) {
      unlockRelation(rel, LOCK.accessExclusive);
      return;
    }
    state.host.truncate(rel, pages);
    // Others learn of it from the invalidation that they accept with their lock.
    unlockRelation(rel, LOCK.accessExclusive);
    state.removedPages += before - pages;
    state.relPages = pages;
    report(state.params.verbose ? 'INFO' : 'DEBUG2', {
      message: `table "${rel.name}": truncated ${before} to ${pages} pages`,
    });
    before = pages;
  } while (pages > state.nonemptyPages && lockWaiterDetected);
}

let lockWaiterDetected = false;
/** The number of pages up to the last one with an item. Other backends may have filled pages since they were scanned. */
function countNondeletablePages(state: VacuumState): BlockNumber {
  const { rel } = state;
  const smgr = relationSmgr(rel);
  let lastCheck = monotonicMs();
  let prefetched = state.relPages;
  for (let block = state.relPages; block > state.nonemptyPages; ) {
    if (block % 32 === 0 && monotonicMs() - lastCheck >= LOCK_CHECK_INTERVAL_MS) {
      if (lockHasWaitersRelation(rel, LOCK.accessExclusive)) {
        report(state.params.verbose ? 'INFO' : 'DEBUG2', {
          message: `table "${rel.name}": suspending truncate due to conflicting lock request`,
        });
        lockWaiterDetected = true;
        return block;
      }
      lastCheck = monotonicMs();
    }
    checkForInterrupts();
    block--;
    if (prefetched > block) {
      const start = block - (block % PREFETCH);
      for (let ahead = start; ahead <= block; ahead++) prefetchBuffer(smgr, FORK.main, ahead);
      prefetched = start;
    }
    const buffer = relReadBuffer(rel, block, RBM.normal, state.strategy);
    lockBuffer(buffer, BUFFER_LOCK.share);
    const hasItems = pageHasItems(bufferPage(buffer));
    unlockReleaseBuffer(buffer);
    if (hasItems) return block + 1;
  }
  return state.nonemptyPages;
}
/** Even a dead line pointer counts: index entries may still point to it. */
function pageHasItems(page: number): boolean {
  if (pageIsNew(page) || pageIsEmpty(page)) return false;
  const count = pageMaxOffset(page);
  for (let offset = 1; offset <= count; offset++) if ((itemIdWord(page, offset) & LP_MASK) !== LP_UNUSED) return true;
  return false;
}
