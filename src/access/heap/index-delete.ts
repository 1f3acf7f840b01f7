/** index-delete.ts — which entries of an index may go, as far as the table can tell.
 *
 *  Simple deletion checks entries that the index knows or suspects to be dead. Bottom-up deletion is asked before a page
 *  would split: it looks at the few table blocks where most duplicates point to, and stops when a block gave nothing.
 *  Counterpart: heap_index_delete_tuples(), bottomup_sort_and_shrink() of src/backend/access/heap/heapam.c */
import { tupleCtidOffset, tupleIsHeapOnly, tupleIsHotUpdated, tupleXmin } from '#access/common/heap-tuple-layout.ts';
import { type Relation, relReadBuffer } from '#access/common/relation-descriptor.ts';
import type { IndexDelete, IndexDeleteOp, IndexDeleteStatus } from '#access/common/table-am.ts';
import { heapHotSearchBuffer } from '#access/heap/heap-fetch.ts';
import { horizonKindOf } from '#access/heap/horizon.ts';
import { LP_MASK, LP_NORMAL, LP_REDIRECT, LP_UNUSED } from '#access/heap/line-pointers.ts';
import { advanceLatestRemoved } from '#access/heap/prune.ts';
import { tupleUpdateXid } from '#access/heap/visibility.ts';
import {
  type Buffer,
  INVALID_BLOCK,
  INVALID_BUFFER,
  type ItemPointer,
  type TransactionId,
  tidBlock,
  tidOffset,
} from '#base/ids.ts';
import { INVALID_XID } from '#base/xid.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { BUFFER_LOCK } from '#storage/buffer/buffer-layout.ts';
import { lockBuffer, unlockReleaseBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferPage } from '#storage/buffer/buffer-pool.ts';
import { globalVisTestFor } from '#transam/proc-array.ts';
import { newSnapshot } from '#transam/snapshot.ts';
import { itemIdWord, lpOffset, pageMaxOffset } from '#storage/page/page.ts';

const MAX_BLOCKS = 6;
const TOLERANCE_BLOCKS = 3;

/** Errors for a TID that cannot come from an intact index. */
function checkTid(op: IndexDeleteOp, page: number, count: number, tid: ItemPointer, status: IndexDeleteStatus): void {
  const offset = tidOffset(tid);
  const complain = (what: string): never =>
    report('ERROR', {
      code: SQLSTATE.indexCorrupted,
      message: `heap tid from index tuple (${tidBlock(tid)},${offset}) points ${what} at offset ${status.indexOffset} of block ${op.indexBlock} in index "${op.index.name}"`,
    });
  if (offset > count) complain('past end of heap page line pointer array');
  const word = itemIdWord(page, offset);
  if ((word & LP_MASK) === LP_UNUSED) complain('to unused heap page item');
  if ((word & LP_MASK) === LP_NORMAL && tupleIsHeapOnly(page + lpOffset(word))) complain('to heap-only tuple');
}

interface BlockGroup {
  readonly first: number;
  count: number;
  promising: number;
}
const nextPowerOf2 = (n: number): number => (n <= 1 ? 1 : 2 ** Math.ceil(Math.log2(n)));

/** bottomup_sort_and_shrink(): candidates of the most promising blocks first, at most six blocks. Returns how many blocks
 *  from the start lie close together. */
function sortAndShrink(op: IndexDeleteOp): number {
  const { deletes, status } = op;
  const groups: BlockGroup[] = [];
  let group: BlockGroup | null = null;
  let block = INVALID_BLOCK;
  deletes.forEach((candidate, i) => {
    if (group === null || tidBlock(candidate.tid) !== block) {
      block = tidBlock(candidate.tid);
      group = { first: i, count: 0, promising: 0 };
      groups.push(group);
    }
    group.count++;
    if (status[candidate.id]!.promising) group.promising++;
  });
  // In buckets of powers of two: small differences say nothing, and then order of blocks is worth more.
  for (const one of groups) {
    one.promising = one.promising <= 4 ? 4 : nextPowerOf2(one.promising);
  }
  groups.sort((a, b) => {
    if (a.promising !== b.promising) return b.promising - a.promising;
    const order = nextPowerOf2(b.count) - nextPowerOf2(a.count);
    return order !== 0 ? order : a.first - b.first;
  });
  const chosen = groups.slice(0, MAX_BLOCKS);
  let favorable = 0;
  let last = -1;
  for (const one of chosen) {
    const at = tidBlock(deletes[one.first]!.tid);
    if (last !== -1 && Math.abs(at - last) > TOLERANCE_BLOCKS) break;
    favorable++;
    last = at;
  }
  op.deletes = chosen.flatMap((one): IndexDelete[] => deletes.slice(one.first, one.first + one.count));
  return favorable;
}

const nonVacuumable = newSnapshot('nonVacuumable');

export function heapIndexDeleteTuples(rel: Relation, op: IndexDeleteOp): TransactionId {
  let latestRemoved: TransactionId = INVALID_XID;
  nonVacuumable.vistest = globalVisTestFor(horizonKindOf(rel));
  op.deletes.sort((a, b) => a.tid - b.tid);
  let favorable = op.bottomUp ? sortAndShrink(op) : 0;
  let targetSpace = op.bottomUpFreeSpace;
  let space = 0;
  let lastSpace = 0;
  let isFinalBlock = false;
  let accessed = 0;
  let done = 0;
  let buffer: Buffer = INVALID_BUFFER;
  let block = INVALID_BLOCK;
  let page = 0;
  let count = 0;
  for (let i = 0; i < op.deletes.length; i++) {
    const candidate = op.deletes[i]!;
    const status = op.status[candidate.id]!;
    if (tidBlock(candidate.tid) !== block || buffer === INVALID_BUFFER) {
      if (op.bottomUp) {
        if (isFinalBlock) break;
        // A block that gave nothing ends it: the cost must stay small.
        if (accessed >= 1 && space === lastSpace) break;
        lastSpace = space;
        if (favorable > 0) favorable--;
        else targetSpace = Math.trunc(targetSpace / 2);
      }
      if (buffer !== INVALID_BUFFER) unlockReleaseBuffer(buffer);
      block = tidBlock(candidate.tid);
      buffer = relReadBuffer(rel, block);
      accessed++;
      lockBuffer(buffer, BUFFER_LOCK.share);
      page = bufferPage(buffer);
      count = pageMaxOffset(page);
    }
    checkTid(op, page, count, candidate.tid, status);
    if (!status.knownDeletable) {
      if (heapHotSearchBuffer(candidate.tid, rel, buffer, nonVacuumable, false, true)) continue;
      status.knownDeletable = true;
      if (op.bottomUp) {
        space += status.freeSpace;
        if (space >= targetSpace) isFinalBlock = true;
      }
    }
    latestRemoved = advanceOverChain(page, count, tidOffset(candidate.tid), latestRemoved);
    done = i + 1;
  }
  if (buffer !== INVALID_BUFFER) unlockReleaseBuffer(buffer);
  op.deletes.length = done;
  return latestRemoved;
}

function advanceOverChain(page: number, count: number, start: number, latest: TransactionId): TransactionId {
  let result = latest;
  let offset = start;
  let priorXmax: TransactionId = INVALID_XID;
  for (;;) {
    if (offset < 1 || offset > count) return result;
    const word = itemIdWord(page, offset);
    if ((word & LP_MASK) === LP_REDIRECT) {
      offset = lpOffset(word);
      continue;
    }
    // What made a line pointer dead has told its xid in its own record.
    if ((word & LP_MASK) !== LP_NORMAL) return result;
    const at = page + lpOffset(word);
    if (priorXmax !== INVALID_XID && tupleXmin(at) !== priorXmax) return result;
    result = advanceLatestRemoved(at, result);
    if (!tupleIsHotUpdated(at)) return result;
    offset = tupleCtidOffset(at);
    priorXmax = tupleUpdateXid(at);
  }
}
