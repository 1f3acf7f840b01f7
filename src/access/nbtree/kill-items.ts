/** kill-items.ts — marking entries dead whose rows nobody can see any more, so that later scans skip them.
 *
 *  Done once per page, under a share lock, as a hint. If the pin was given back the page must not have changed since: its
 *  LSN tells.
 *  Counterpart: _bt_killitems() of src/backend/access/nbtree/nbtutils.c */
import { addBtFlags, BTP, firstDataKey } from '#access/nbtree/nbtree-layout.ts';
import { getBuffer, lockPage, READ, relBuffer, unlockPage } from '#access/nbtree/page-access.ts';
import type { BtScan } from '#access/nbtree/scan.ts';
import { isPosting, postingCount, postingTid, readTid } from '#access/nbtree/tuple.ts';
import { bufferLsnAtomic, bufferPage } from '#storage/buffer/buffer-pool.ts';
import { markBufferDirtyHint } from '#storage/buffer/dirty.ts';
import { itemAt, itemFlags, itemIdMarkDead, pageMaxOffset } from '#storage/page/page.ts';

const LP_DEAD = 3;

/** The position's page is not locked; it may or may not be pinned, and is pinned afterwards if it was marked. */
export function killItems(bt: BtScan): void {
  const { current } = bt;
  const killed = bt.killed!;
  const count = bt.killedCount;
  bt.killedCount = 0;
  if (current.buffer !== 0) lockPage(current.buffer, READ);
  else {
    const buffer = getBuffer(bt.rel, current.page, READ);
    if (bufferLsnAtomic(buffer) !== current.lsn) {
      relBuffer(buffer);
      return;
    }
    current.buffer = buffer;
  }
  const page = bufferPage(current.buffer);
  const minOffset = firstDataKey(page);
  const maxOffset = pageMaxOffset(page);
  let any = false;
  for (let i = 0; i < count; i++) {
    const item = killed[i]!;
    const tid = current.heapTids[item]!;
    // Items only move right on a page, so the search begins where the item was.
    let offset = current.indexOffsets[item]!;
    if (offset < minOffset) continue;
    for (; offset <= maxOffset; offset++) {
      const tup = itemAt(page, offset);
      let dead = false;
      if (!isPosting(tup)) dead = readTid(tup) === tid;
      else {
        // All of its TIDs must be among the killed items, which then follow each other.
        const total = postingCount(tup);
        let wanted = tid;
        let next = i + 1;
        let j = 0;
        for (; j < total; j++) {
          if (postingTid(tup, j) !== wanted) break;
          if (next < count) wanted = current.heapTids[killed[next++]!]!;
        }
        dead = j === total;
      }
      if (dead && itemFlags(page, offset) !== LP_DEAD) {
        itemIdMarkDead(page, offset);
        any = true;
        break;
      }
    }
  }
  if (any) {
    addBtFlags(page, BTP.hasGarbage);
    markBufferDirtyHint(current.buffer, true);
  }
  unlockPage(current.buffer);
}
