/** lmgr.ts — locks by what they protect: relations, pages, tuples, transactions, database objects.
 *
 *  Each function makes a tag and asks lock.ts. Whoever has just got a relation lock must see the changes that the lock's
 *  last holder made to the catalogs, so pending invalidations are accepted before anything about the relation is read;
 *  a lock held already whose invalidations were accepted (“clear”) needs none.
 *  Waits for transactions, which need transaction status, are in transam/xact-wait.ts; waits for virtual transactions
 *  and for lockers in virtual-xact.ts; the names of tags (describeLockTag) in lock-tag.ts.
 *  Counterpart: src/backend/storage/lmgr/lmgr.c */
import { myProcess } from '#runtime/my-process.ts';
import {
  lockAcquire,
  lockAcquiredLocally,
  lockHasWaiters,
  lockHeldByMe,
  lockRelease,
  lockWaiterCount,
} from '#storage/lmgr/lock.ts';
import { LOCK, type LockMode } from '#storage/lmgr/lock-modes.ts';
import { LockTag } from '#storage/lmgr/lock-tag.ts';

/** What a lock needs to know of a relation. */
export interface LockableRelation {
  readonly oid: number;
  readonly isShared: boolean;
}
/** A relation lock that outlives the relation's descriptor: database (0 if shared) and relation. */
export interface LockRelationId {
  readonly relationId: number;
  readonly databaseId: number;
}

/** The shared catalogs with their indexes and toast tables: they are locked before a relcache entry could tell. */
const SHARED_RELATIONS: ReadonlySet<number> = new Set([
  1213, 1214, 1232, 1233, 1260, 1261, 1262, 2396, 2397, 2671, 2672, 2676, 2677, 2694, 2695, 2697, 2698, 2846, 2847,
  2964, 2965, 2966, 2967, 3592, 3593, 4060, 4061, 4175, 4176, 4177, 4178, 4181, 4182, 4183, 4184, 4185, 4186, 6000,
  6001, 6002, 6100, 6114, 6115, 6243, 6244, 6245, 6246, 6247,
]);
export const isSharedRelation = (oid: number): boolean => SHARED_RELATIONS.has(oid);

let acceptInvalidations: () => void = () => {};
/** catalog/inval.ts: reads what others have sent. */
export function setInvalidationAcceptor(accept: () => void): void {
  acceptInvalidations = accept;
}

export const acceptPendingInvalidations = (): void => acceptInvalidations();

/** Reused: lock.ts copies what it keeps. */
const tag = new LockTag();

const databaseOf = (oid: number): number => (isSharedRelation(oid) ? 0 : myProcess.databaseId);
const databaseOfRelation = (relation: LockableRelation): number => (relation.isShared ? 0 : myProcess.databaseId);

/** Without a PGPROC there is nobody to lock against: the postmaster's warm-up, programs and tests of one process. */
const isAlone = (): boolean => myProcess.procNumber < 0;

/** True if it has the lock. */
function acquireRelationLock(database: number, oid: number, mode: LockMode, dontWait: boolean): boolean {
  if (isAlone()) return true;
  tag.setRelation(database, oid);
  const result = lockAcquire(tag, mode, false, dontWait);
  if (result === 'notAvail') return false;
  if (result !== 'alreadyClear') {
    const held = lockAcquiredLocally();
    acceptInvalidations();
    held.clear = true;
  }
  return true;
}

export function lockRelationOid(oid: number, mode: LockMode): void {
  acquireRelationLock(databaseOf(oid), oid, mode, false);
}
/** False if the lock cannot be had at once. */
export const conditionalLockRelationOid = (oid: number, mode: LockMode): boolean =>
  acquireRelationLock(databaseOf(oid), oid, mode, true);
export function lockRelationId(id: LockRelationId, mode: LockMode): void {
  acquireRelationLock(id.databaseId, id.relationId, mode, false);
}
export function unlockRelationId(id: LockRelationId, mode: LockMode): void {
  if (!isAlone()) lockRelease(tag.setRelation(id.databaseId, id.relationId), mode, false);
}
export function unlockRelationOid(oid: number, mode: LockMode): void {
  if (!isAlone()) lockRelease(tag.setRelation(databaseOf(oid), oid), mode, false);
}
export function lockRelation(relation: LockableRelation, mode: LockMode): void {
  acquireRelationLock(databaseOfRelation(relation), relation.oid, mode, false);
}
export const conditionalLockRelation = (relation: LockableRelation, mode: LockMode): boolean =>
  acquireRelationLock(databaseOfRelation(relation), relation.oid, mode, true);
export function unlockRelation(relation: LockableRelation, mode: LockMode): void {
  if (!isAlone()) lockRelease(tag.setRelation(databaseOfRelation(relation), relation.oid), mode, false);
}
/** This process holds the relation in `mode`, or, with `orStronger`, in any mode from there on. */
export function lockHeldByMeRelation(relation: LockableRelation, mode: LockMode, orStronger = false): boolean {
  return lockHeldOrStronger(databaseOfRelation(relation), relation.oid, mode, orStronger);
}
export const lockHeldByMeRelationOid = (oid: number, mode: LockMode, orStronger = false): boolean =>
  lockHeldOrStronger(databaseOf(oid), oid, mode, orStronger);
function lockHeldOrStronger(database: number, oid: number, mode: LockMode, orStronger: boolean): boolean {
  tag.setRelation(database, oid);
  if (lockHeldByMe(tag, mode)) return true;
  if (orStronger)
    for (let stronger = mode + 1; stronger <= LOCK.accessExclusive; stronger++)
      if (lockHeldByMe(tag, stronger as LockMode)) return true;
  return false;
}
/** Somebody waits for a lock on the relation that we hold in `mode`. */
export const lockHasWaitersRelation = (relation: LockableRelation, mode: LockMode): boolean =>
  lockHasWaiters(tag.setRelation(databaseOfRelation(relation), relation.oid), mode, false);

/** Session locks survive the transaction, for commands that use several (VACUUM, CREATE INDEX CONCURRENTLY). */
export function lockRelationIdForSession(id: LockRelationId, mode: LockMode): void {
  lockAcquire(tag.setRelation(id.databaseId, id.relationId), mode, true, false);
}
export function unlockRelationIdForSession(id: LockRelationId, mode: LockMode): void {
  lockRelease(tag.setRelation(id.databaseId, id.relationId), mode, true);
}

/** The right to add pages to a relation. Must not be held while anything else is waited for but buffers and I/O. */
export function lockRelationForExtension(relation: LockableRelation, mode: LockMode): void {
  lockAcquire(tag.setRelationExtend(databaseOfRelation(relation), relation.oid), mode, false, false);
}
export const conditionalLockRelationForExtension = (relation: LockableRelation, mode: LockMode): boolean =>
  lockAcquire(tag.setRelationExtend(databaseOfRelation(relation), relation.oid), mode, false, true) !== 'notAvail';
export const relationExtensionLockWaiterCount = (relation: LockableRelation): number =>
  lockWaiterCount(tag.setRelationExtend(databaseOfRelation(relation), relation.oid));
export function unlockRelationForExtension(relation: LockableRelation, mode: LockMode): void {
  lockRelease(tag.setRelationExtend(databaseOfRelation(relation), relation.oid), mode, false);
}

/** One VACUUM at a time computes datfrozenxid. */
export function lockDatabaseFrozenIds(mode: LockMode): void {
  lockAcquire(tag.setDatabaseFrozenIds(myProcess.databaseId), mode, false, false);
}

export function lockPage(relation: LockableRelation, block: number, mode: LockMode): void {
  lockAcquire(tag.setPage(databaseOfRelation(relation), relation.oid, block), mode, false, false);
}
export const conditionalLockPage = (relation: LockableRelation, block: number, mode: LockMode): boolean =>
  lockAcquire(tag.setPage(databaseOfRelation(relation), relation.oid, block), mode, false, true) !== 'notAvail';
export function unlockPage(relation: LockableRelation, block: number, mode: LockMode): void {
  lockRelease(tag.setPage(databaseOfRelation(relation), relation.oid, block), mode, false);
}

/** `tid` is a packed ItemPointer: block * 65536 + offset. The tuple's row lock itself is in its header; this one only
 *  orders those who wait for it. */
export function lockTuple(databaseId: number, relationId: number, tid: number, mode: LockMode): void {
  lockAcquire(setTupleTag(databaseId, relationId, tid), mode, false, false);
}
export const conditionalLockTuple = (databaseId: number, relationId: number, tid: number, mode: LockMode): boolean =>
  lockAcquire(setTupleTag(databaseId, relationId, tid), mode, false, true) !== 'notAvail';
export function unlockTuple(databaseId: number, relationId: number, tid: number, mode: LockMode): void {
  lockRelease(setTupleTag(databaseId, relationId, tid), mode, false);
}
function setTupleTag(databaseId: number, relationId: number, tid: number): LockTag {
  return tag.setTuple(databaseId, relationId, Math.floor(tid / 65536), tid % 65536);
}

// ── primitives of transam/xact-wait.ts ───────────────────────────────────────────────────────────────────────────

/** A running transaction holds its xid; who wants to see its end asks for share. */
export function lockTransaction(xid: number, mode: LockMode): void {
  lockAcquire(tag.setTransaction(xid), mode, false, false);
}
export const conditionalLockTransaction = (xid: number, mode: LockMode): boolean =>
  lockAcquire(tag.setTransaction(xid), mode, false, true) !== 'notAvail';
export function unlockTransaction(xid: number, mode: LockMode): void {
  lockRelease(tag.setTransaction(xid), mode, false);
}
export function lockSpeculativeToken(xid: number, token: number, mode: LockMode): void {
  lockAcquire(tag.setSpeculativeInsertion(xid, token), mode, false, false);
}
export function unlockSpeculativeToken(xid: number, token: number, mode: LockMode): void {
  lockRelease(tag.setSpeculativeInsertion(xid, token), mode, false);
}

// ── objects ──────────────────────────────────────────────────────────────────────────────────────────────────────

export function lockDatabaseObject(classId: number, objectId: number, subId: number, mode: LockMode): void {
  lockAcquire(tag.setObject(myProcess.databaseId, classId, objectId, subId), mode, false, false);
  acceptInvalidations();
}
export function unlockDatabaseObject(classId: number, objectId: number, subId: number, mode: LockMode): void {
  lockRelease(tag.setObject(myProcess.databaseId, classId, objectId, subId), mode, false);
}
export function lockSharedObject(classId: number, objectId: number, subId: number, mode: LockMode): void {
  lockAcquire(tag.setObject(0, classId, objectId, subId), mode, false, false);
  acceptInvalidations();
}
export function unlockSharedObject(classId: number, objectId: number, subId: number, mode: LockMode): void {
  lockRelease(tag.setObject(0, classId, objectId, subId), mode, false);
}
export function lockSharedObjectForSession(classId: number, objectId: number, subId: number, mode: LockMode): void {
  lockAcquire(tag.setObject(0, classId, objectId, subId), mode, true, false);
}
export function unlockSharedObjectForSession(classId: number, objectId: number, subId: number, mode: LockMode): void {
  lockRelease(tag.setObject(0, classId, objectId, subId), mode, true);
}

// ── waiting for whoever holds a lock now ─────────────────────────────────────────────────────────────────────────

/** Tags of locks a caller of waitForLockers asks about. */
export function relationLockTag(relation: LockRelationId): LockTag {
  return new LockTag().setRelation(relation.databaseId, relation.relationId);
}
