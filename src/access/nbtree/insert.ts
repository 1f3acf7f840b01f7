/** insert.ts — adding an entry: where it goes, whether it may, and making room.
 *
 *  The leaf is found and locked for writing; a unique index is checked under that lock, so that two insertions of the same
 *  key meet there. Whoever must wait for another transaction lets the lock go and begins again.
 *  Counterpart: src/backend/access/nbtree/nbtinsert.c (_bt_doinsert … _bt_findinsertloc) */
import { namespaceName } from '#access/common/namespace-name.ts';
import { indexDeform } from '#access/common/index-tuple.ts';
import { UNIQUE_CHECK } from '#access/common/index-am.ts';
import { buildIndexValueDescription } from '#access/common/key-description.ts';
import { relReadBuffer, type Relation } from '#access/common/relation-descriptor.ts';
import { tableAm } from '#access/common/table-am.ts';
import { bottomUpDeletion, dedupPass } from '#access/nbtree/dedup.ts';
import { itemIsDead, simpleDeletion } from '#access/nbtree/delete-items.ts';
import { btState } from '#access/nbtree/index-state.ts';
import { compareWithItem, type InsertKey, keyOfTuple } from '#access/nbtree/insert-key.ts';
import { insertOnPage } from '#access/nbtree/insert-on-page.ts';
import {
  addBtFlags,
  BT_MAX_ITEM_SIZE,
  BTP,
  btNext,
  firstDataKey,
  isIgnored,
  isIncompleteSplit,
  isLeaf,
  isRightmost,
  maxAlign,
  P_HIKEY,
} from '#access/nbtree/nbtree-layout.ts';
import {
  checkPage,
  metaAllEqualImageOf,
  READ,
  relBuffer,
  releaseAndGetBuffer,
  WRITE,
} from '#access/nbtree/page-access.ts';
import { enterScratch, leaveScratch } from '#access/nbtree/scratch.ts';
import { binarySearchForInsert, type Descent, InsertState, searchTree, takeDescent } from '#access/nbtree/search.ts';
import { finishIncompleteSplit } from '#access/nbtree/split.ts';
import { checkThirdPage } from '#access/nbtree/truncate.ts';
import { isPosting, NO_TID, postingCount, postingTid, readTid, tupleSize } from '#access/nbtree/tuple.ts';
import type { Datum } from '#adt/datum.ts';
import type { Buffer, ItemPointer, OffsetNumber, TransactionId } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { conditionalLockBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferBlock, bufferPage } from '#storage/buffer/buffer-pool.ts';
import { markBufferDirtyHint } from '#storage/buffer/dirty.ts';
import { releaseBuffer } from '#storage/buffer/pin.ts';
import { checkForSerializableConflictIn } from '#storage/lmgr/predicate.ts';
import { itemAt, itemIdMarkDead, pageFreeSpace, pageMaxOffset } from '#storage/page/page.ts';
import { initDirtySnapshot, SNAPSHOT_SELF, type Snapshot } from '#transam/snapshot.ts';
import { speculativeInsertionWait, xactLockTableWait } from '#transam/xact-wait.ts';

/** What the uniqueness check found besides its result. */
interface UniqueCheck {
  isUnique: boolean;
  speculativeToken: number;
}

/** Inserts the tuple at `tup` (private memory, its heap TID set). False: for 'partial', a possible conflict. */
export function doInsert(
  rel: Relation,
  tup: number,
  checkUnique: number,
  indexUnchanged: boolean,
  heap: Relation,
): boolean {
  const outer = enterScratch();
  const key = keyOfTuple(btState(rel), tup, metaAllEqualImageOf(rel));
  try {
    return insertWithKey(rel, tup, key, checkUnique, indexUnchanged, heap);
  } finally {
    key.release();
    leaveScratch(outer);
  }
}

function insertWithKey(
  rel: Relation,
  tup: number,
  key: InsertKey,
  checkUnique: number,
  indexUnchanged: boolean,
  heap: Relation,
): boolean {
  const heapTid: ItemPointer = readTid(tup);
  const check: UniqueCheck = { isUnique: false, speculativeToken: 0 };
  let checking = checkUnique !== UNIQUE_CHECK.no;
  if (checking) {
    if (!key.anyNullKeys) {
      // Begin at the first page with equal keys, not where our TID would go.
      key.scanTid = NO_TID;
    } else {
      // NULLs are never equal.
      checking = false;
      check.isUnique = true;
    }
  }
  const insert = new InsertState(tup, maxAlign(tupleSize(tup)), key);
  let descent: Descent;
  for (;;) {
    descent = searchForInsert(rel, insert);
    if (!checking) break;
    const waitFor = checkUniqueness(rel, insert, heap, checkUnique, check);
    if (waitFor === 0) {
      key.scanTid = heapTid;
      break;
    }
    relBuffer(insert.buffer);
    insert.buffer = 0;
    insert.boundsValid = false;
    if (check.speculativeToken !== 0) speculativeInsertionWait(waitFor, check.speculativeToken);
    else xactLockTableWait(waitFor, rel.name, heapTid, 'insertIndex');
  }
  if (checkUnique === UNIQUE_CHECK.existing) {
    relBuffer(insert.buffer);
    return check.isUnique;
  }
  // Serializable readers of this page must know of the new entry; posting list splits do not move others between pages.
  checkForSerializableConflictIn(rel, -1, bufferBlock(insert.buffer));
  const offset = findInsertLocation(rel, insert, checking, indexUnchanged, descent, heap);
  insertOnPage(rel, key, insert.buffer, 0, descent, tup, insert.itemSize, offset, insert.postingOffset, false);
  return check.isUnique;
}

/** The leaf for the key, locked for writing. Ascending keys find the rightmost leaf again without a descent. */
function searchForInsert(rel: Relation, insert: InsertState): Descent {
  const state = btState(rel);
  if (state.targetBlock >= 0) {
    const buffer = relReadBuffer(rel, state.targetBlock);
    // Whoever holds it is likely to fill it: a descent costs less than waiting in line.
    if (conditionalLockBuffer(buffer)) {
      checkPage(rel, buffer);
      const page = bufferPage(buffer);
      if (
        isRightmost(page) &&
        isLeaf(page) &&
        !isIgnored(page) &&
        pageFreeSpace(page) > insert.itemSize &&
        pageMaxOffset(page) >= P_HIKEY &&
        compareWithItem(insert.key, page, P_HIKEY) > 0
      ) {
        insert.buffer = buffer;
        return null;
      }
      relBuffer(buffer);
    } else releaseBuffer(buffer);
    state.targetBlock = -1;
  }
  insert.buffer = searchTree(rel, insert.key, WRITE);
  return takeDescent();
}

/** Reused: a look at a tuple sets it, and what it says is read at once. */
let dirtySnapshot: Snapshot | null = null;

/** Looks at all entries with this key. Returns the xid to wait for, 0 if there is none. Conflicts with committed rows
 *  are errors. */
function checkUniqueness(
  rel: Relation,
  insert: InsertState,
  heap: Relation,
  checkUnique: number,
  check: UniqueCheck,
): TransactionId {
  const am = tableAm(heap);
  dirtySnapshot ??= initDirtySnapshot();
  const dirty = dirtySnapshot;
  const heapTid = readTid(insert.tuple);
  check.isUnique = true;
  check.speculativeToken = 0;
  let page = bufferPage(insert.buffer);
  let maxOffset = pageMaxOffset(page);
  let offset = binarySearchForInsert(rel, insert);
  let next: Buffer = 0;
  let found = false;
  let current = 0;
  let inPosting = false;
  let allBeforeDead = true;
  let posting = 0;
  for (;;) {
    if (offset <= maxOffset) {
      // The binary search has proved that from here on the page has nothing equal.
      if (next === 0 && offset === insert.strictHigh) break;
      if (inPosting || !itemIsDead(page, offset)) {
        if (!inPosting) {
          if (compareWithItem(insert.key, page, offset) !== 0) break;
          current = itemAt(page, offset);
        }
        let tid: ItemPointer;
        if (!isPosting(current)) tid = readTid(current);
        else {
          if (!inPosting) {
            inPosting = true;
            allBeforeDead = true;
            posting = 0;
          }
          tid = postingTid(current, posting);
        }
        let allDead = false;
        if (checkUnique === UNIQUE_CHECK.existing && tid === heapTid) found = true;
        else {
          const seen = am.indexFetchTupleCheck(heap, tid, dirty);
          allDead = seen.allDead;
          if (seen.found) {
            if (checkUnique === UNIQUE_CHECK.partial) {
              if (next !== 0) relBuffer(next);
              check.isUnique = false;
              return 0 as TransactionId;
            }
            const waitFor = dirty.xmin !== 0 ? dirty.xmin : dirty.xmax;
            if (waitFor !== 0) {
              if (next !== 0) relBuffer(next);
              check.speculativeToken = dirty.speculativeToken;
              return waitFor;
            }
            // A conflict, unless our own row is dead by now (a deferred check, or a HOT-updated row of CREATE INDEX).
            if (!am.indexFetchTupleCheck(heap, heapTid, SNAPSHOT_SELF).found) break;
            checkForSerializableConflictIn(rel, -1, bufferBlock(insert.buffer));
            if (next !== 0) relBuffer(next);
            relBuffer(insert.buffer);
            insert.buffer = 0;
            insert.boundsValid = false;
            reportDuplicate(rel, heap, insert.tuple);
          }
          if (allDead && (!inPosting || (allBeforeDead && posting === postingCount(current) - 1))) {
            // Dead to everybody: later searches need not look at the heap again.
            itemIdMarkDead(page, offset);
            addBtFlags(page, BTP.hasGarbage);
            markBufferDirtyHint(next !== 0 ? next : insert.buffer, true);
          }
        }
        if (!allDead && inPosting) allBeforeDead = false;
      }
    }
    if (inPosting && posting < postingCount(current) - 1) {
      posting++;
      continue;
    }
    inPosting = false;
    if (offset < maxOffset) {
      offset++;
      continue;
    }
    // Equal entries may go on at the next page, if its lower bound (our high key) is equal too.
    if (isRightmost(page) || compareWithItem(insert.key, page, P_HIKEY) !== 0) break;
    for (;;) {
      next = releaseAndGetBuffer(rel, next, btNext(page), READ);
      page = bufferPage(next);
      if (!isIgnored(page)) break;
      if (isRightmost(page)) report('ERROR', { message: `fell off the end of index "${rel.name}"` });
    }
    maxOffset = pageMaxOffset(page);
    offset = firstDataKey(page);
  }
  if (checkUnique === UNIQUE_CHECK.existing && !found)
    report('ERROR', {
      code: SQLSTATE.internalError,
      message: `failed to re-find tuple within index "${rel.name}"`,
      hint: 'This may be because of a non-immutable index expression.',
      table: heap.name,
      constraint: rel.name,
    });
  if (next !== 0) relBuffer(next);
  return 0 as TransactionId;
}

function reportDuplicate(rel: Relation, heap: Relation, tup: number): never {
  const values: Datum[] = [];
  indexDeform(rel.tupleDesc, tup, rel.tupleDesc.natts, values);
  const key = buildIndexValueDescription(rel, values);
  report('ERROR', {
    code: SQLSTATE.uniqueViolation,
    message: `duplicate key value violates unique constraint "${rel.name}"`,
    detail: key === null ? undefined : `Key ${key} already exists.`,
    schema: namespaceName(heap.namespace),
    table: heap.name,
    constraint: rel.name,
  });
}

/** The page (which may be further right) and the offset where the tuple goes; makes room if it can. */
function findInsertLocation(
  rel: Relation,
  insert: InsertState,
  checking: boolean,
  indexUnchanged: boolean,
  descent: Descent,
  heap: Relation,
): OffsetNumber {
  let page = bufferPage(insert.buffer);
  if (insert.itemSize > BT_MAX_ITEM_SIZE) checkThirdPage(rel, heap, page, insert.tuple);
  let duplicates = indexUnchanged;
  if (checking) {
    // The search began at the first equal entry; our place by TID may be pages further.
    if (insert.low < insert.strictHigh) duplicates = true;
    for (;;) {
      if (insert.boundsValid && insert.low <= insert.strictHigh && insert.strictHigh <= pageMaxOffset(page)) break;
      if (isRightmost(page) || compareWithItem(insert.key, page, P_HIKEY) <= 0) break;
      stepRight(rel, insert, descent);
      page = bufferPage(insert.buffer);
      duplicates = true;
    }
  }
  if (pageFreeSpace(page) < insert.itemSize) makeRoom(rel, heap, insert, false, checking, duplicates, indexUnchanged);
  let offset = binarySearchForInsert(rel, insert);
  if (insert.postingOffset === -1) {
    // The TID falls into a posting list that is dead as a whole: rather than split it, have it deleted.
    makeRoom(rel, heap, insert, true, false, false, false);
    insert.postingOffset = 0;
    offset = binarySearchForInsert(rel, insert);
  }
  return offset;
}

/** To the next live page at the right, locked before the old one is let go. */
function stepRight(rel: Relation, insert: InsertState, descent: Descent): void {
  let block = btNext(bufferPage(insert.buffer));
  let right: Buffer = 0;
  for (;;) {
    right = releaseAndGetBuffer(rel, right, block, WRITE);
    const page = bufferPage(right);
    if (isIncompleteSplit(page)) {
      finishIncompleteSplit(rel, right, descent);
      right = 0;
      continue;
    }
    if (!isIgnored(page)) break;
    if (isRightmost(page)) report('ERROR', { message: `fell off the end of index "${rel.name}"` });
    block = btNext(page);
  }
  relBuffer(insert.buffer);
  insert.buffer = right;
  insert.boundsValid = false;
}

/** Deletes dead items, then versions (bottom-up), then deduplicates: whichever first gives the room. */
function makeRoom(
  rel: Relation,
  heap: Relation,
  insert: InsertState,
  simpleOnly: boolean,
  checking: boolean,
  duplicates: boolean,
  indexUnchanged: boolean,
): void {
  const page = bufferPage(insert.buffer);
  const minOffset = firstDataKey(page);
  const maxOffset = pageMaxOffset(page);
  const dead: OffsetNumber[] = [];
  let uniqueDuplicates = duplicates;
  for (let offset = minOffset; offset <= maxOffset; offset++) if (itemIsDead(page, offset)) dead.push(offset);
  if (dead.length > 0) {
    simpleDeletion(rel, insert.buffer, heap, dead, insert.tuple, minOffset, maxOffset);
    insert.boundsValid = false;
    if (pageFreeSpace(page) >= insert.itemSize) return;
    uniqueDuplicates = true;
  }
  if (simpleOnly || (checking && !uniqueDuplicates)) return;
  insert.boundsValid = false;
  if ((indexUnchanged || uniqueDuplicates) && bottomUpDeletion(rel, insert.buffer, heap, insert.itemSize)) return;
  if (rel.options['deduplicate_items'] !== false && insert.key.allEqualImage)
    dedupPass(rel, insert.buffer, insert.tuple, insert.itemSize, indexUnchanged || uniqueDuplicates);
}
