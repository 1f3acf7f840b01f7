/** prune.ts — removing dead tuples from a page without touching any index.
 *
 *  Members of HOT chains up to the last dead one become unused; the chain's root line pointer redirects to the first
 *  survivor, or is dead if there is none (index entries still point to it, until vacuum). Then the page is compacted.
 *  Needs a cleanup lock, since compaction moves tuples others might hold addresses of. Any page read may try it.
 *  The work is first planned into arrays and then done in one critical section, so replay does exactly the same.
 *  Counterpart: src/backend/access/heap/pruneheap.c */
import {
  HEAP_MOVED,
  tupleCtidBlock,
  tupleCtidOffset,
  tupleIndicatesMovedPartitions,
  tupleIsHeapOnly,
  tupleIsHotUpdated,
  tupleRawXmin,
  tupleInfomask,
  tupleXmin,
  tupleXvac,
  xminCommitted,
  xminInvalid,
} from '#access/common/heap-tuple-layout.ts';
import { type Relation, relationNeedsWal, relationTargetPageFreeSpace } from '#access/common/relation-descriptor.ts';
import { SIZE_OF_HEAP_PRUNE, XLOG_HEAP2 } from '#access/heap/heap-records.ts';
import { HTSV, type HtsvResult } from '#access/heap/heap-types.ts';
import { horizonKindOf } from '#access/heap/horizon.ts';
import { LP_DEAD, LP_MASK, LP_NORMAL, LP_REDIRECT, LP_UNUSED } from '#access/heap/line-pointers.ts';
import { heapTupleSatisfiesVacuumHorizon, htsvDeadAfter, tupleUpdateXid } from '#access/heap/visibility.ts';
import { assert } from '#base/assert.ts';
import type { Buffer, TransactionId } from '#base/ids.ts';
import { INVALID_XID, xidFollows, xidPrecedes } from '#base/xid.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import { report } from '#runtime/error/report.ts';
import { mem } from '#shm/memory.ts';
import { BUFFER_LOCK } from '#storage/buffer/buffer-layout.ts';
import { conditionalLockBufferForCleanup, lockBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferBlock, bufferPage } from '#storage/buffer/buffer-pool.ts';
import { xlogRegisterBuffer } from '#storage/buffer/buffer-wal.ts';
import { markBufferDirty, markBufferDirtyHint } from '#storage/buffer/dirty.ts';
import {
  itemIdSetDead,
  itemIdSetRedirect,
  itemIdSetUnused,
  itemIdWord,
  lpOffset,
  pageClearFlag,
  pageHeapFreeSpace,
  pageIsFull,
  pageMaxOffset,
  pagePruneXid,
  pageSetLsn,
  pageSetPruneXid,
} from '#storage/page/page.ts';
import { pageRepairFragmentation } from '#storage/page/page-compact.ts';
import { PD } from '#storage/page/page-layout.ts';
import { type GlobalVisState, globalVisTestFor, globalVisTestIsRemovableXid } from '#transam/proc-array.ts';
import { transactionIdDidCommit } from '#transam/transam.ts';
import {
  REGBUF,
  recoveryInProgress,
  walScratch,
  xlogBeginInsert,
  xlogInsert,
  xlogRegisterBufData,
  xlogRegisterData,
} from '#wal/insert.ts';
import { RM } from '#wal/rmgr-ids.ts';

const MAX_TUPLES = 291;

/** PageSetPrunable(): a tuple of the page may become dead once `xid` is over. */
export function pageSetPrunable(page: number, xid: TransactionId): void {
  const known = pagePruneXid(page);
  if (known === INVALID_XID || xidPrecedes(xid, known)) pageSetPruneXid(page, xid);
}

// The plan for one page. One at a time: nothing in here prunes another page.
let state: GlobalVisState;
let newPruneXid: TransactionId = INVALID_XID;
let latestRemovedXid: TransactionId = INVALID_XID;
let nredirected = 0;
let ndead = 0;
let nunused = 0;
const redirected = new Uint16Array(MAX_TUPLES * 2);
const nowdead = new Uint16Array(MAX_TUPLES);
const nowunused = new Uint16Array(MAX_TUPLES);
const marked = new Uint8Array(MAX_TUPLES + 1);
/** HTSV of every offset, -1 for line pointers without a tuple. */
const htsv = new Int8Array(MAX_TUPLES + 1);
const chain = new Uint16Array(MAX_TUPLES);

/** Filled by heapPagePrune(). */
export const pruneResult = {
  /** Line pointers that became dead and were none before. */
  newlyDead: 0,
  /** The offset that an error is about, for vacuum's error context. */
  offset: 0,
};

/** heap_page_prune_opt(): prunes if that promises something and can be done at once. Pinned, not locked. */
export function heapPagePruneOpt(rel: Relation, buffer: Buffer): void {
  if (recoveryInProgress()) return;
  const page = bufferPage(buffer);
  const pruneXid = pagePruneXid(page);
  if (pruneXid === INVALID_XID) return;
  const vistest = globalVisTestFor(horizonKindOf(rel));
  if (!globalVisTestIsRemovableXid(vistest, pruneXid)) return;
  const minFree = Math.max(relationTargetPageFreeSpace(rel, 100), 819);
  if (!pageIsFull(page) && pageHeapFreeSpace(page) >= minFree) return;
  if (!conditionalLockBufferForCleanup(buffer)) return;
  if (pageIsFull(page) || pageHeapFreeSpace(page) < minFree) {
    const deleted = heapPagePrune(rel, buffer, vistest);
    if (deleted > pruneResult.newlyDead) pgstatUpdateHeapDeadTuples(rel, deleted - pruneResult.newlyDead);
  }
  lockBuffer(buffer, BUFFER_LOCK.unlock);
}
/** Reported as tuples that vacuum need not remove any more. */
function pgstatUpdateHeapDeadTuples(rel: Relation, removed: number): void {
  onDeadTuplesRemoved(rel, removed);
}
let onDeadTuplesRemoved: (rel: Relation, removed: number) => void = () => {};
export function setDeadTuplesCounter(count: (rel: Relation, removed: number) => void): void {
  onDeadTuplesRemoved = count;
}

/** heap_page_prune(): with a cleanup lock on the buffer. Returns how many tuples were removed from the page. */
export function heapPagePrune(rel: Relation, buffer: Buffer, vistest: GlobalVisState): number {
  const page = bufferPage(buffer);
  const count = pageMaxOffset(page);
  let deleted = 0;
  state = vistest;
  newPruneXid = INVALID_XID;
  latestRemovedXid = INVALID_XID;
  nredirected = 0;
  ndead = 0;
  nunused = 0;
  marked.fill(0, 0, count + 1);
  // From the end: tuples lie in memory in the opposite order of their line pointers.
  for (let offset = count; offset >= 1; offset--) {
    const word = itemIdWord(page, offset);
    if ((word & LP_MASK) !== LP_NORMAL) {
      htsv[offset] = -1;
      continue;
    }
    pruneResult.offset = offset;
    htsv[offset] = satisfiesVacuum(page + lpOffset(word), buffer);
  }
  for (let offset = 1; offset <= count; offset++) {
    if (marked[offset] === 1) continue;
    pruneResult.offset = offset;
    const flags = itemIdWord(page, offset) & LP_MASK;
    if (flags === LP_UNUSED || flags === LP_DEAD) continue;
    deleted += pruneChain(buffer, page, offset, count);
  }
  pruneResult.offset = 0;

  beginCritical();
  if (nredirected > 0 || ndead > 0 || nunused > 0) {
    heapPagePruneExecute(page, redirected, nredirected, nowdead, ndead, nowunused, nunused);
    pageSetPruneXid(page, newPruneXid);
    pageClearFlag(page, PD.pageFull);
    markBufferDirty(buffer);
    if (relationNeedsWal(rel)) pageSetLsn(page, logPrune(buffer));
  } else if (pagePruneXid(page) !== newPruneXid || pageIsFull(page)) {
    // Only hints: what the next one need not try.
    pageSetPruneXid(page, newPruneXid);
    pageClearFlag(page, PD.pageFull);
    markBufferDirtyHint(buffer, true);
  }
  endCritical();
  pruneResult.newlyDead = ndead;
  return deleted;
}

function logPrune(buffer: Buffer): ReturnType<typeof xlogInsert> {
  xlogBeginInsert();
  const bytes = 4 * nredirected + 2 * ndead + 2 * nunused;
  const at = walScratch(SIZE_OF_HEAP_PRUNE + bytes);
  const { view } = mem;
  view.setUint32(at, latestRemovedXid, true);
  view.setUint16(at + 4, nredirected, true);
  view.setUint16(at + 6, ndead, true);
  xlogRegisterData(at, SIZE_OF_HEAP_PRUNE);
  xlogRegisterBuffer(0, buffer, REGBUF.standard);
  let to = at + SIZE_OF_HEAP_PRUNE;
  // Left out where the page itself is in the record.
  for (let i = 0; i < 2 * nredirected; i++, to += 2) view.setUint16(to, redirected[i]!, true);
  for (let i = 0; i < ndead; i++, to += 2) view.setUint16(to, nowdead[i]!, true);
  for (let i = 0; i < nunused; i++, to += 2) view.setUint16(to, nowunused[i]!, true);
  let from = at + SIZE_OF_HEAP_PRUNE;
  if (nredirected > 0) xlogRegisterBufData(0, from, 4 * nredirected);
  from += 4 * nredirected;
  if (ndead > 0) xlogRegisterBufData(0, from, 2 * ndead);
  from += 2 * ndead;
  if (nunused > 0) xlogRegisterBufData(0, from, 2 * nunused);
  return xlogInsert(RM.heap2, XLOG_HEAP2.prune);
}

/** heap_prune_satisfies_vacuum(). */
function satisfiesVacuum(at: number, buffer: Buffer): HtsvResult {
  const result = heapTupleSatisfiesVacuumHorizon(at, buffer);
  if (result !== HTSV.recentlyDead) return result;
  return globalVisTestIsRemovableXid(state, htsvDeadAfter) ? HTSV.dead : result;
}

/** HeapTupleHeaderAdvanceLatestRemovedXid(). */
export function advanceLatestRemoved(at: number, latest: TransactionId): TransactionId {
  const xmin = tupleXmin(at);
  const xmax = tupleUpdateXid(at);
  const infomask = tupleInfomask(at);
  let result = latest;
  if ((infomask & HEAP_MOVED) !== 0) {
    const xvac = tupleXvac(at);
    if (xidPrecedes(result, xvac)) result = xvac;
  }
  // A tuple of an aborted transaction was never visible to any snapshot, nor was one that its own inserter deleted.
  if (xminCommitted(infomask) || (!xminInvalid(infomask) && transactionIdDidCommit(tupleRawXmin(at)))) {
    if (xmax !== xmin && (result === INVALID_XID || xidFollows(xmax, result))) result = xmax;
  }
  return result;
}

/** heap_prune_chain(): plans what happens to the chain that begins at `root`; returns how many tuples go. */
function pruneChain(buffer: Buffer, page: number, root: number, count: number): number {
  let deleted = 0;
  let priorXmax: TransactionId = INVALID_XID;
  let latestDead = 0;
  let length = 0;
  const rootWord = itemIdWord(page, root);
  if ((rootWord & LP_MASK) === LP_NORMAL) {
    const at = page + lpOffset(rootWord);
    if (tupleIsHeapOnly(at)) {
      // A heap-only tuple that no chain leads to (its updater aborted): nobody can reach it, so it may go when it is dead. One
      // that is not dead is reached from its chain's root.
      if (htsv[root] === HTSV.dead && !tupleIsHotUpdated(at)) {
        recordUnused(root);
        latestRemovedXid = advanceLatestRemoved(at, latestRemovedXid);
        deleted++;
      }
      return deleted;
    }
  }
  let offset = root;
  const block = bufferBlock(buffer);
  for (;;) {
    if (offset < 1 || offset > count) break;
    if (marked[offset] === 1) break;
    const word = itemIdWord(page, offset);
    const flags = word & LP_MASK;
    if (flags === LP_UNUSED) break;
    if (flags === LP_REDIRECT) {
      if (length > 0) break;
      chain[length++] = offset;
      offset = lpOffset(rootWord);
      continue;
    }
    if (flags === LP_DEAD) break;
    const at = page + lpOffset(word);
    if (priorXmax !== INVALID_XID && tupleXmin(at) !== priorXmax) break;
    chain[length++] = offset;
    let isDead = false;
    let recentlyDead = false;
    switch (htsv[offset]) {
      case HTSV.dead:
        isDead = true;
        break;
      case HTSV.recentlyDead:
        recentlyDead = true;
        recordPrunable(tupleUpdateXid(at));
        break;
      case HTSV.deleteInProgress:
        recordPrunable(tupleUpdateXid(at));
        break;
      case HTSV.live:
      case HTSV.insertInProgress:
        // An insertion in progress would be prunable if it aborted; that is too rare to record.
        break;
      default:
        report('ERROR', { message: 'unexpected HeapTupleSatisfiesVacuum result' });
    }
    if (isDead) {
      latestDead = offset;
      latestRemovedXid = advanceLatestRemoved(at, latestRemovedXid);
    } else if (!recentlyDead) break;
    if (!tupleIsHotUpdated(at)) break;
    assert(!tupleIndicatesMovedPartitions(at), 'a HOT update stays in its partition');
    assert(tupleCtidBlock(at) === block, 'a HOT chain stays on its page');
    offset = tupleCtidOffset(at);
    priorXmax = tupleUpdateXid(at);
  }
  if (latestDead !== 0) {
    let i = 1;
    for (; i < length && chain[i - 1] !== latestDead; i++) {
      recordUnused(chain[i]!);
      deleted++;
    }
    // The root's tuple is removed, too, unless the root was a redirect already.
    if ((rootWord & LP_MASK) === LP_NORMAL) deleted++;
    if (i >= length) recordDead(root);
    else recordRedirect(root, chain[i]!);
  } else if (length < 2 && (rootWord & LP_MASK) === LP_REDIRECT) {
    // A redirect that leads nowhere: an aborted chain was removed before.
    recordDead(root);
  }
  return deleted;
}

function recordPrunable(xid: TransactionId): void {
  if (newPruneXid === INVALID_XID || xidPrecedes(xid, newPruneXid)) newPruneXid = xid;
}
function recordRedirect(from: number, to: number): void {
  redirected[nredirected * 2] = from;
  redirected[nredirected * 2 + 1] = to;
  nredirected++;
  marked[from] = 1;
  marked[to] = 1;
}
function recordDead(offset: number): void {
  nowdead[ndead++] = offset;
  marked[offset] = 1;
}
function recordUnused(offset: number): void {
  nowunused[nunused++] = offset;
  marked[offset] = 1;
}

/** heap_page_prune_execute(): the planned changes and compaction; also what replay does. */
export function heapPagePruneExecute(
  page: number,
  redirects: Uint16Array,
  redirectCount: number,
  dead: Uint16Array,
  deadCount: number,
  unused: Uint16Array,
  unusedCount: number,
): void {
  for (let i = 0; i < redirectCount; i++) itemIdSetRedirect(page, redirects[2 * i]!, redirects[2 * i + 1]!);
  for (let i = 0; i < deadCount; i++) itemIdSetDead(page, dead[i]!);
  for (let i = 0; i < unusedCount; i++) itemIdSetUnused(page, unused[i]!);
  pageRepairFragmentation(page);
}

/** heap_get_root_tuples(): for every tuple's offset the offset of its chain's root, 0 if it has none; index by offset. */
export function heapGetRootTuples(page: number, roots: Uint16Array): void {
  roots.fill(0, 0, MAX_TUPLES + 1);
  const count = pageMaxOffset(page);
  for (let offset = 1; offset <= count; offset++) {
    const word = itemIdWord(page, offset);
    const flags = word & LP_MASK;
    if (flags === LP_UNUSED || flags === LP_DEAD) continue;
    let next: number;
    let priorXmax: TransactionId;
    if (flags === LP_NORMAL) {
      const at = page + lpOffset(word);
      if (tupleIsHeapOnly(at)) continue;
      roots[offset] = offset;
      if (!tupleIsHotUpdated(at)) continue;
      next = tupleCtidOffset(at);
      priorXmax = tupleUpdateXid(at);
    } else {
      next = lpOffset(word);
      priorXmax = INVALID_XID;
    }
    for (;;) {
      if (next < 1 || next > count) break;
      const memberWord = itemIdWord(page, next);
      if ((memberWord & LP_MASK) !== LP_NORMAL) break;
      const at = page + lpOffset(memberWord);
      if (priorXmax !== INVALID_XID && priorXmax !== tupleXmin(at)) break;
      roots[next] = offset;
      if (!tupleIsHotUpdated(at) || tupleIndicatesMovedPartitions(at)) break;
      next = tupleCtidOffset(at);
      priorXmax = tupleUpdateXid(at);
    }
  }
}
