/** predicate-lock.ts — SIREAD locks: which relation, page or tuple a serializable transaction has read.
 *
 *  They never block anybody. A coarser lock replaces the finer ones under it, at the latest when these become too many.
 *  Index pages that split or merge take their locks along.
 *  Counterpart: PredicateLockAcquire() and around it in src/backend/storage/lmgr/predicate.c */
import { assert } from '#base/assert.ts';
import { settings } from '#runtime/guc/guc.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { mem } from '#shm/memory.ts';
import { INVALID_SEQ_NO, PredicateLock, PredicateTarget } from '#storage/lmgr/predicate-layout.ts';
import { type LocalPage, type LocalRelation, localRelation, mySxact } from '#storage/lmgr/predicate-state.ts';
import {
  acquireAllPartitions,
  findOrMakeTarget,
  findPredicateLock,
  findTarget,
  forEachTarget,
  makePredicateLock,
  movePredicateLock,
  outOfPredicateMemory,
  predicatePartition,
  releaseAllPartitions,
  removePredicateLock,
  removeTarget,
  removeTargetIfNoLongerUsed,
  someLockOfTarget,
  someLockOfXact,
} from '#storage/lmgr/predicate-table.ts';

/** As block: the whole relation. */
export const NO_BLOCK = 0xffff_ffff;

export function targetHash(database: number, relation: number, block: number, offset: number): number {
  let h = Math.imul(relation ^ 0x9e3779b9, 0x85ebca6b);
  h = Math.imul((h ^ (h >>> 15)) + block, 0xc2b2ae35);
  h = Math.imul((h ^ (h >>> 13)) + offset, 0x27d4eb2f);
  h = Math.imul((h ^ (h >>> 15)) + database, 0x165667b1);
  return (h ^ (h >>> 16)) >>> 0;
}

const listLock = (): number => mainLWLock('SerializablePredicateList');
const xactHashLock = (): number => mainLWLock('SerializableXactHash');

/** In shared memory, for the given transaction. */
export function createPredicateLock(
  database: number,
  relation: number,
  block: number,
  offset: number,
  sxact: number,
): void {
  const hash = targetHash(database, relation, block, offset);
  const partition = predicatePartition(hash);
  lwLockAcquire(listLock(), 'shared');
  lwLockAcquire(partition, 'exclusive');
  const target = findOrMakeTarget(database, relation, block, offset, hash);
  if (target === 0) outOfPredicateMemory();
  if (findPredicateLock(target, sxact) === 0 && makePredicateLock(target, sxact, INVALID_SEQ_NO) === 0) {
    removeTargetIfNoLongerUsed(target);
    outOfPredicateMemory();
  }
  lwLockRelease(partition);
  lwLockRelease(listLock());
}

// ── acquiring ────────────────────────────────────────────────────────────────────────────────────────────────────

export function acquireRelationLock(database: number, relation: number): void {
  const local = localRelation(database, relation);
  if (local.held) return;
  local.held = true;
  createPredicateLock(database, relation, NO_BLOCK, 0, mySxact);
  deleteChildLocks(local, NO_BLOCK);
}
export function acquirePageLock(database: number, relation: number, block: number): void {
  const local = localRelation(database, relation);
  if (local.held) return;
  const page = local.page(block);
  if (page.held) return;
  page.held = true;
  createPredicateLock(database, relation, block, 0, mySxact);
  local.children++;
  if (local.children > maxChildrenOfRelation()) acquireRelationLock(database, relation);
  else deleteChildLocks(local, block);
}
export function acquireTupleLock(database: number, relation: number, block: number, offset: number): void {
  const local = localRelation(database, relation);
  if (local.held) return;
  const page = local.page(block);
  if (page.held || page.tuples.has(offset)) return;
  page.tuples.add(offset);
  createPredicateLock(database, relation, block, offset, mySxact);
  page.children++;
  local.children++;
  // The coarsest that is due.
  if (local.children > maxChildrenOfRelation()) acquireRelationLock(database, relation);
  else if (page.children > settings.max_pred_locks_per_page) acquirePageLock(database, relation, block);
}
/** How many locks on pages and tuples of a relation a transaction may hold. A negative setting is a fraction of the locks
 *  per transaction. */
function maxChildrenOfRelation(): number {
  const setting = settings.max_pred_locks_per_relation;
  return setting < 0 ? Math.trunc(settings.max_pred_locks_per_transaction / -setting) - 1 : setting;
}

/** Our locks that a coarser one has made superfluous: of the page, or, with NO_BLOCK, of the whole relation. */
function deleteChildLocks(local: LocalRelation, block: number): void {
  lwLockAcquire(listLock(), 'shared');
  someLockOfXact(mySxact, (lock) => {
    const target = PredicateLock.target.get(mem, lock);
    if (PredicateTarget.relation.get(mem, target) !== local.relation) return;
    if (PredicateTarget.database.get(mem, target) !== local.database) return;
    const itsBlock = PredicateTarget.block.get(mem, target);
    const itsOffset = PredicateTarget.offset.get(mem, target);
    if (itsBlock === NO_BLOCK) return;
    if (block !== NO_BLOCK && (itsBlock !== block || itsOffset === 0)) return;
    const partition = predicatePartition(PredicateTarget.hash.get(mem, target));
    lwLockAcquire(partition, 'exclusive');
    removePredicateLock(lock);
    removeTargetIfNoLongerUsed(target);
    lwLockRelease(partition);
    const page = local.page(itsBlock);
    if (itsOffset === 0) page.held = false;
    else {
      page.tuples.delete(itsOffset);
      decrement(page);
    }
    decrement(local);
  });
  lwLockRelease(listLock());
}
/** Counts may be off after index pages have split: never below zero. */
function decrement(parent: LocalPage | LocalRelation): void {
  if (parent.children > 0) parent.children--;
}

/** We write the tuple ourselves now: that is noted in the tuple, and our having read it matters no more. */
export function forgetTupleLock(database: number, relation: number, block: number, offset: number): void {
  const hash = targetHash(database, relation, block, offset);
  const partition = predicatePartition(hash);
  lwLockAcquire(listLock(), 'shared');
  lwLockAcquire(partition, 'exclusive');
  lwLockAcquire(xactHashLock(), 'exclusive');
  // It may have been removed since it was seen, for example by a VACUUM that cleaned up an index.
  const target = findTarget(database, relation, block, offset, hash);
  const lock = target === 0 ? 0 : findPredicateLock(target, mySxact);
  if (lock !== 0) {
    removePredicateLock(lock);
    removeTargetIfNoLongerUsed(target);
  }
  lwLockRelease(xactHashLock());
  lwLockRelease(partition);
  lwLockRelease(listLock());
  if (lock === 0) return;
  const local = localRelation(database, relation);
  const page = local.page(block);
  page.tuples.delete(offset);
  decrement(page);
  decrement(local);
}

// ── moving ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Copies (or, with `removeOld`, moves) everybody's locks on one target to another. The caller holds
 *  SerializablePredicateList exclusively. False when the table is full; a move always succeeds. */
function transferLocks(
  database: number,
  relation: number,
  fromBlock: number,
  toBlock: number,
  removeOld: boolean,
): boolean {
  const fromHash = targetHash(database, relation, fromBlock, 0);
  const toHash = targetHash(database, relation, toBlock, 0);
  const partitions = [...new Set([predicatePartition(fromHash), predicatePartition(toHash)])].sort((a, b) => a - b);
  for (const partition of partitions) lwLockAcquire(partition, 'exclusive');
  let ok = true;
  const from = findTarget(database, relation, fromBlock, 0, fromHash);
  if (from !== 0) {
    const to = findOrMakeTarget(database, relation, toBlock, 0, toHash, removeOld);
    if (to === 0) ok = false;
    else {
      lwLockAcquire(xactHashLock(), 'exclusive');
      someLockOfTarget(from, (lock) => {
        const sxact = PredicateLock.sxact.get(mem, lock);
        const seqNo = PredicateLock.commitSeqNo.get(mem, lock);
        if (removeOld) {
          movePredicateLock(lock, to, sxact, seqNo);
          return false;
        }
        const known = findPredicateLock(to, sxact);
        if (known !== 0) {
          if (PredicateLock.commitSeqNo.get(mem, known) < seqNo) PredicateLock.commitSeqNo.set(mem, known, seqNo);
          return false;
        }
        ok = makePredicateLock(to, sxact, seqNo) !== 0;
        return !ok;
      });
      lwLockRelease(xactHashLock());
      if (removeOld) removeTarget(from);
      else if (!ok) deleteTarget(to);
    }
  }
  for (const partition of partitions.reverse()) lwLockRelease(partition);
  return ok;
}
/** With all its locks. */
function deleteTarget(target: number): void {
  lwLockAcquire(xactHashLock(), 'exclusive');
  someLockOfTarget(target, (lock) => removePredicateLock(lock));
  lwLockRelease(xactHashLock());
  removeTarget(target);
}

/** Part of a page's contents has gone to a new page: who read the one has read the other. */
export function copyPageLocks(database: number, relation: number, oldBlock: number, newBlock: number): void {
  lwLockAcquire(listLock(), 'exclusive');
  if (!transferLocks(database, relation, oldBlock, newBlock, false)) {
    // No room for more locks, and failing is no option: the page lock becomes one on the relation.
    const moved = transferLocks(database, relation, oldBlock, NO_BLOCK, true);
    assert(moved, 'moving locks needs no room');
  }
  lwLockRelease(listLock());
}

/** Everything held on the relation, however fine, becomes a lock on the whole of `heap`: tuples and pages are about to
 *  get other addresses, or the index goes away. */
export function moveAllLocksToHeap(database: number, relation: number, heap: number, isIndex: boolean): void {
  let heapTarget = 0;
  lwLockAcquire(listLock(), 'exclusive');
  acquireAllPartitions('exclusive');
  lwLockAcquire(xactHashLock(), 'exclusive');
  // Collected first: a relation's own new target must not be met on the way.
  const targets: number[] = [];
  forEachTarget((target) => {
    if (PredicateTarget.relation.get(mem, target) !== relation) return;
    if (PredicateTarget.database.get(mem, target) !== database) return;
    if (!isIndex && PredicateTarget.block.get(mem, target) === NO_BLOCK) return;
    targets.push(target);
  });
  for (const target of targets) {
    if (heapTarget === 0)
      heapTarget = findOrMakeTarget(database, heap, NO_BLOCK, 0, targetHash(database, heap, NO_BLOCK, 0), true);
    someLockOfTarget(target, (lock) =>
      movePredicateLock(lock, heapTarget, PredicateLock.sxact.get(mem, lock), PredicateLock.commitSeqNo.get(mem, lock)),
    );
    removeTarget(target);
  }
  lwLockRelease(xactHashLock());
  releaseAllPartitions();
  lwLockRelease(listLock());
}
