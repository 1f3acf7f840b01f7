/** heap-fetch.ts — from a TID to a tuple: one version, a HOT chain, the newest version.
 *
 *  A found tuple stays where it is: the result holds a pin on its buffer, and the address is good as long as the pin.
 *  Counterpart: heap_fetch(), heap_hot_search_buffer(), heap_get_latest_tid() of heapam.c, index fetch of heapam_handler.c */
import {
  HEAP_XMAX_INVALID,
  tupleCtid,
  tupleCtidOffset,
  tupleIndicatesMovedPartitions,
  tupleInfomask,
  tupleIsHeapOnly,
  tupleIsHotUpdated,
  tupleXmin,
} from '#access/common/heap-tuple-layout.ts';
import { type Relation, relationNblocks, relationSmgr, relReadBuffer } from '#access/common/relation-descriptor.ts';
import type { IndexFetch } from '#access/common/table-am.ts';
import { heapPagePruneOpt } from '#access/heap/prune.ts';
import { horizonKindOf } from '#access/heap/horizon.ts';
import {
  heapTupleIsSurelyDead,
  heapTupleSatisfies,
  heapTupleSatisfiesVacuum,
  tupleIsOnlyLocked,
  tupleUpdateXid,
} from '#access/heap/visibility.ts';
import { HTSV } from '#access/heap/heap-types.ts';
import {
  type Buffer,
  INVALID_BUFFER,
  INVALID_TID,
  type ItemPointer,
  makeTid,
  type TransactionId,
  tidBlock,
  tidOffset,
} from '#base/ids.ts';
import { INVALID_XID } from '#base/xid.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { BUFFER_LOCK } from '#storage/buffer/buffer-layout.ts';
import { lockBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferBlock, bufferPage } from '#storage/buffer/buffer-pool.ts';
import { releaseBuffer } from '#storage/buffer/pin.ts';
import { releaseAndReadBuffer } from '#storage/buffer/read-buffer.ts';
import {
  checkForSerializableConflictOut,
  checkForSerializableConflictOutNeeded,
  predicateLockTID,
} from '#storage/lmgr/predicate.ts';
import { LP_NORMAL, LP_REDIRECT } from '#access/heap/line-pointers.ts';
import { type GlobalVisState, globalVisTestFor, globalVisTestIsRemovableXid } from '#transam/proc-array.ts';
import { subTransGetTopmostTransaction } from '#transam/subtrans.ts';
import type { Snapshot } from '#transam/snapshot.ts';
import { transactionIdIsCurrentTransactionId } from '#transam/xact.ts';
import { transactionXmin } from '#transam/snapshot.ts';
import { xidPrecedes } from '#base/xid.ts';
import { pgstatCountHeapFetch } from '#stats/relation-counters.ts';
import { itemIdWord, lpLength, lpOffset, pageMaxOffset } from '#storage/page/page.ts';

/** A tuple on a page. `buffer` is pinned by whoever holds the result, 0 if not. */
export interface HeapFetchResult {
  found: boolean;
  tupleAt: number;
  len: number;
  tid: ItemPointer;
  buffer: Buffer;
}
export const newHeapFetchResult = (): HeapFetchResult => ({
  found: false,
  tupleAt: 0,
  len: 0,
  tid: INVALID_TID,
  buffer: INVALID_BUFFER,
});
export function releaseHeapFetch(result: HeapFetchResult): void {
  if (result.buffer !== INVALID_BUFFER) releaseBuffer(result.buffer);
  result.buffer = INVALID_BUFFER;
}

/** HeapCheckForSerializableConflictOut(): this transaction has seen (or not seen) what another one did to the tuple. */
export function heapCheckForSerializableConflictOut(
  visible: boolean,
  rel: Relation,
  tupleAt: number,
  buffer: Buffer,
  snapshot: Snapshot,
): void {
  if (!checkForSerializableConflictOutNeeded(rel, snapshot)) return;
  let xid: TransactionId;
  const state = heapTupleSatisfiesVacuum(tupleAt, transactionXmin(), buffer);
  switch (state) {
    case HTSV.live:
      if (visible) return;
      xid = tupleXmin(tupleAt);
      break;
    case HTSV.recentlyDead:
    case HTSV.deleteInProgress:
      xid = visible ? tupleUpdateXid(tupleAt) : tupleXmin(tupleAt);
      if (xidPrecedes(xid, transactionXmin())) return;
      break;
    case HTSV.insertInProgress:
      xid = tupleXmin(tupleAt);
      break;
    default:
      return;
  }
  if (xid < 3 || transactionIdIsCurrentTransactionId(xid)) return;
  xid = subTransGetTopmostTransaction(xid);
  if (xidPrecedes(xid, transactionXmin())) return;
  checkForSerializableConflictOut(rel, xid, snapshot);
}

/** heap_fetch(): the tuple in place `tid` if the snapshot sees it. With `keepBuffer` an unseen tuple is left in the result,
 *  pinned, too. */
export function heapFetch(
  rel: Relation,
  snapshot: Snapshot,
  tid: ItemPointer,
  keepBuffer: boolean,
  out: HeapFetchResult,
): boolean {
  out.found = false;
  out.tid = tid;
  out.tupleAt = 0;
  const buffer = relReadBuffer(rel, tidBlock(tid));
  lockBuffer(buffer, BUFFER_LOCK.share);
  const page = bufferPage(buffer);
  const offset = tidOffset(tid);
  const word = offset >= 1 && offset <= pageMaxOffset(page) ? itemIdWord(page, offset) : 0;
  if ((word & 0x18000) !== LP_NORMAL) {
    lockBuffer(buffer, BUFFER_LOCK.unlock);
    releaseBuffer(buffer);
    out.buffer = INVALID_BUFFER;
    return false;
  }
  const at = page + lpOffset(word);
  out.tupleAt = at;
  out.len = lpLength(word);
  const valid = heapTupleSatisfies(snapshot, at, buffer, tid);
  if (valid) predicateLockTID(rel, tid, snapshot, tupleXmin(at));
  heapCheckForSerializableConflictOut(valid, rel, at, buffer, snapshot);
  lockBuffer(buffer, BUFFER_LOCK.unlock);
  out.found = valid;
  if (valid || keepBuffer) {
    out.buffer = buffer;
    return valid;
  }
  releaseBuffer(buffer);
  out.buffer = INVALID_BUFFER;
  out.tupleAt = 0;
  return false;
}

/** Out of heapHotSearchBuffer(). */
export const hotSearch = { tupleAt: 0, len: 0, tid: INVALID_TID as ItemPointer, allDead: false };
let deadState: GlobalVisState | null = null;
const isDeadToAll = (xid: TransactionId): boolean => globalVisTestIsRemovableXid(deadState!, xid);

/** heap_hot_search_buffer(): the first member of the HOT chain that begins at `tid` which the snapshot sees. The caller
 *  holds the buffer pinned and locked. With `firstCall` false the search goes on behind `tid`, which must be the last
 *  result. `wantAllDead`: find out whether all members are dead to everybody. */
export function heapHotSearchBuffer(
  tid: ItemPointer,
  rel: Relation,
  buffer: Buffer,
  snapshot: Snapshot,
  wantAllDead: boolean,
  firstCall: boolean,
): boolean {
  const page = bufferPage(buffer);
  const block = bufferBlock(buffer);
  const count = pageMaxOffset(page);
  let allDead = firstCall && wantAllDead;
  let offset = tidOffset(tid);
  let atStart = firstCall;
  let skip = !firstCall;
  let previousXmax: TransactionId = INVALID_XID;
  deadState = null;
  hotSearch.allDead = false;
  for (;;) {
    if (offset < 1 || offset > count) break;
    const word = itemIdWord(page, offset);
    const flags = word & 0x18000;
    if (flags !== LP_NORMAL) {
      // Only the first member may be a redirect.
      if (flags === LP_REDIRECT && atStart) {
        offset = lpOffset(word);
        atStart = false;
        continue;
      }
      break;
    }
    const at = page + lpOffset(word);
    if (atStart && tupleIsHeapOnly(at)) break;
    // The chain is broken if the next one was made by somebody else.
    if (previousXmax !== INVALID_XID && previousXmax !== tupleXmin(at)) break;
    if (!skip) {
      const here = makeTid(block, offset);
      const valid = heapTupleSatisfies(snapshot, at, buffer, here);
      heapCheckForSerializableConflictOut(valid, rel, at, buffer, snapshot);
      if (valid) {
        hotSearch.tupleAt = at;
        hotSearch.len = lpLength(word);
        hotSearch.tid = here;
        predicateLockTID(rel, here, snapshot, tupleXmin(at));
        return true;
      }
    }
    skip = false;
    if (allDead) {
      deadState ??= globalVisTestFor(horizonKindOf(rel));
      if (!heapTupleIsSurelyDead(at, isDeadToAll)) allDead = false;
    }
    if (!tupleIsHotUpdated(at)) break;
    offset = tupleCtidOffset(at);
    atStart = false;
    previousXmax = tupleUpdateXid(at);
  }
  hotSearch.allDead = allDead;
  return false;
}

/** heap_get_latest_tid(): the newest version of the row at `tid` that the snapshot sees. */
export function heapGetLatestTid(rel: Relation, snapshot: Snapshot, start: ItemPointer): ItemPointer {
  let tid = start;
  let latest = start;
  let priorXmax: TransactionId = INVALID_XID;
  for (;;) {
    const buffer = relReadBuffer(rel, tidBlock(tid));
    lockBuffer(buffer, BUFFER_LOCK.share);
    const page = bufferPage(buffer);
    const offset = tidOffset(tid);
    let next: ItemPointer = INVALID_TID;
    const word = offset >= 1 && offset <= pageMaxOffset(page) ? itemIdWord(page, offset) : 0;
    if ((word & 0x18000) === LP_NORMAL) {
      const at = page + lpOffset(word);
      if (priorXmax === INVALID_XID || tupleXmin(at) === priorXmax) {
        const valid = heapTupleSatisfies(snapshot, at, buffer, tid);
        heapCheckForSerializableConflictOut(valid, rel, at, buffer, snapshot);
        if (valid) latest = tid;
        const ctid = tupleCtid(at);
        if (
          (tupleInfomask(at) & HEAP_XMAX_INVALID) === 0 &&
          !tupleIsOnlyLocked(at) &&
          !tupleIndicatesMovedPartitions(at) &&
          ctid !== tid
        ) {
          next = ctid;
          priorXmax = tupleUpdateXid(at);
        }
      }
    }
    lockBuffer(buffer, BUFFER_LOCK.unlock);
    releaseBuffer(buffer);
    if (next === INVALID_TID) return latest;
    tid = next;
  }
}

/** Whether a TID that a user gave can be in the table at all. */
export function checkTidIsInRange(rel: Relation, tid: ItemPointer): void {
  if (tidOffset(tid) === 0 || tidBlock(tid) >= relationNblocks(rel))
    report('ERROR', {
      code: SQLSTATE.invalidParameterValue,
      message: `tid (${tidBlock(tid)}, ${tidOffset(tid)}) is not valid for relation "${rel.name}"`,
    });
}

// ---- fetching by index

export function beginIndexFetch(rel: Relation): IndexFetch {
  return {
    rel,
    tupleAt: 0,
    tupleLen: 0,
    tid: INVALID_TID,
    buffer: INVALID_BUFFER,
    callAgain: false,
    allDead: false,
  };
}
/** The tuple that the index entry's TID leads to; fetch.buffer keeps the page pinned until the next call or reset. */
export function indexFetchTuple(fetch: IndexFetch, tid: ItemPointer, snapshot: Snapshot): boolean {
  const { rel } = fetch;
  const again = fetch.callAgain;
  if (!again) {
    const previous = fetch.buffer;
    fetch.buffer = INVALID_BUFFER;
    fetch.buffer = releaseAndReadBuffer(previous, relationSmgr(rel), rel.persistence, tidBlock(tid));
    if (previous !== fetch.buffer) heapPagePruneOpt(rel, fetch.buffer);
  }
  const buffer = fetch.buffer;
  lockBuffer(buffer, BUFFER_LOCK.share);
  const found = heapHotSearchBuffer(again ? fetch.tid : tid, rel, buffer, snapshot, !again, !again);
  lockBuffer(buffer, BUFFER_LOCK.unlock);
  fetch.allDead = hotSearch.allDead;
  if (!found) {
    fetch.callAgain = false;
    return false;
  }
  fetch.tupleAt = hotSearch.tupleAt;
  fetch.tupleLen = hotSearch.len;
  fetch.tid = hotSearch.tid;
  // Only one member of a chain can be visible to an MVCC snapshot.
  fetch.callAgain = snapshot.kind !== 'mvcc';
  pgstatCountHeapFetch(rel.oid);
  return true;
}
export function resetIndexFetch(fetch: IndexFetch): void {
  const { buffer } = fetch;
  fetch.buffer = INVALID_BUFFER;
  fetch.callAgain = false;
  if (buffer !== INVALID_BUFFER) releaseBuffer(buffer);
}
export const endIndexFetch = resetIndexFetch;
