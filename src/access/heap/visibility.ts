/** visibility.ts — may this snapshot see this tuple?
 *
 *  Every rule first trusts the hint bits and otherwise asks: is the transaction mine, still running (ProcArray), committed
 *  (clog)? In that order, because a commit is in clog before it leaves the ProcArray. What was learned is kept as a
 *  hint, unless the commit record may still be lost: an asynchronous commit is hinted only when its WAL is flushed or
 *  the page's own LSN forces the flush.
 *  Callers hold the buffer pinned and locked at least for share.
 *  Cost: hinted committed tuple about 10 ns.
 *  Counterpart: src/backend/access/heap/heapam_visibility.c */
import {
  HEAP_MOVED,
  HEAP_MOVED_IN,
  HEAP_MOVED_OFF,
  HEAP_XMAX_COMMITTED,
  HEAP_XMAX_INVALID,
  HEAP_XMAX_IS_MULTI,
  HEAP_XMAX_KEYSHR_LOCK,
  HEAP_XMAX_EXCL_LOCK,
  HEAP_XMAX_SHR_LOCK,
  HEAP_LOCK_MASK,
  HEAP_XMIN_COMMITTED,
  HEAP_XMIN_FROZEN,
  HEAP_XMIN_INVALID,
  lockedUpgraded,
  tupleCtidBlock,
  tupleInfomask,
  tupleIsSpeculative,
  tupleRawXmax,
  tupleRawXmin,
  tupleXvac,
  xmaxIsLockedOnly,
} from '#access/common/heap-tuple-layout.ts';
import { tupleCmax, tupleCmin } from '#access/heap/combo-cid.ts';
import { HTSV, type HtsvResult, type TMResult } from '#access/heap/heap-types.ts';
import { assert } from '#base/assert.ts';
import type { Buffer, CommandId, ItemPointer, MultiXactId, TransactionId } from '#base/ids.ts';
import { INVALID_XID } from '#base/xid.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { mem } from '#shm/memory.ts';
import { bufferIsPermanent, bufferLsnAtomic } from '#storage/buffer/buffer-pool.ts';
import { markBufferDirtyHint } from '#storage/buffer/dirty.ts';
import { getMultiXactIdMembers, isUpdateStatus, multiXactIdIsRunning } from '#transam/multixact.ts';
import { globalVisTestIsRemovableXid, transactionIdIsInProgress } from '#transam/proc-array.ts';
import { type Snapshot, xidInMvccSnapshot } from '#transam/snapshot.ts';
import { transactionIdDidCommit, transactionIdGetCommitLsn } from '#transam/transam.ts';
import { transactionIdIsCurrentTransactionId } from '#transam/xact.ts';
import { xlogNeedsFlush } from '#wal/insert.ts';
import { xidPrecedes } from '#base/xid.ts';

/** Sets hint bits; `xid` is the transaction whose commit they say, INVALID_XID where nothing was committed. */
export function setHintBits(at: number, buffer: Buffer, infomask: number, xid: TransactionId): void {
  if (xid >= 3) {
    const commitLsn = transactionIdGetCommitLsn(xid);
    if (
      commitLsn !== 0 &&
      bufferIsPermanent(buffer) &&
      xlogNeedsFlush(commitLsn) &&
      bufferLsnAtomic(buffer) < commitLsn
    )
      return;
  }
  const view = mem.view;
  view.setUint16(at + 20, view.getUint16(at + 20, true) | infomask, true);
  markBufferDirtyHint(buffer, true);
}
export const heapTupleSetHintBits = setHintBits;

/** HeapTupleGetUpdateXid(): the updater in the multixact of xmax, INVALID_XID if there is none. */
export function tupleMultiUpdateXid(at: number): TransactionId {
  return multiXactGetUpdateXid(tupleRawXmax(at), tupleInfomask(at));
}
export function multiXactGetUpdateXid(xmax: TransactionId, infomask: number): TransactionId {
  assert(!xmaxIsLockedOnly(infomask) && (infomask & HEAP_XMAX_IS_MULTI) !== 0, 'xmax is a multixact with an updater');
  const members = getMultiXactIdMembers(xmax as unknown as MultiXactId, false, false);
  if (members !== null) for (const member of members) if (isUpdateStatus(member.status)) return member.xid;
  return INVALID_XID;
}
/** HeapTupleHeaderGetUpdateXid(). */
export function tupleUpdateXid(at: number): TransactionId {
  const infomask = tupleInfomask(at);
  if ((infomask & HEAP_XMAX_INVALID) === 0 && (infomask & HEAP_XMAX_IS_MULTI) !== 0 && !xmaxIsLockedOnly(infomask))
    return multiXactGetUpdateXid(tupleRawXmax(at), infomask);
  return tupleRawXmax(at);
}
const xmaxMulti = (at: number): MultiXactId => tupleRawXmax(at) as unknown as MultiXactId;

/** Tuples that a VACUUM FULL of before 9.0 moved: settles the hint bits. 1 visible so far, 0 not, -1 not moved. */
function movedTuple(at: number, buffer: Buffer, infomask: number): -1 | 0 | 1 {
  if ((infomask & HEAP_MOVED_OFF) !== 0) {
    const xvac = tupleXvac(at);
    if (transactionIdIsCurrentTransactionId(xvac)) return 0;
    if (!transactionIdIsInProgress(xvac)) {
      if (transactionIdDidCommit(xvac)) {
        setHintBits(at, buffer, HEAP_XMIN_INVALID, INVALID_XID);
        return 0;
      }
      setHintBits(at, buffer, HEAP_XMIN_COMMITTED, INVALID_XID);
    }
    return 1;
  }
  if ((infomask & HEAP_MOVED_IN) !== 0) {
    const xvac = tupleXvac(at);
    if (!transactionIdIsCurrentTransactionId(xvac)) {
      if (transactionIdIsInProgress(xvac)) return 0;
      if (transactionIdDidCommit(xvac)) setHintBits(at, buffer, HEAP_XMIN_COMMITTED, INVALID_XID);
      else {
        setHintBits(at, buffer, HEAP_XMIN_INVALID, INVALID_XID);
        return 0;
      }
    }
    return 1;
  }
  return -1;
}

// ---- MVCC

export function heapTupleSatisfiesMvcc(at: number, snapshot: Snapshot, buffer: Buffer): boolean {
  const view = mem.view;
  let infomask = view.getUint16(at + 20, true);
  const xmin = view.getUint32(at, true) as TransactionId;
  if ((infomask & HEAP_XMIN_COMMITTED) === 0) {
    if ((infomask & HEAP_XMIN_INVALID) !== 0) return false;
    const moved = (infomask & HEAP_MOVED) !== 0 ? movedTuple(at, buffer, infomask) : -1;
    if (moved === 0) return false;
    if (moved < 0) {
      if (transactionIdIsCurrentTransactionId(xmin)) return myTupleVisible(at, snapshot.curcid, buffer, infomask);
      if (xidInMvccSnapshot(xmin, snapshot)) return false;
      if (transactionIdDidCommit(xmin)) setHintBits(at, buffer, HEAP_XMIN_COMMITTED, xmin);
      else {
        setHintBits(at, buffer, HEAP_XMIN_INVALID, INVALID_XID);
        return false;
      }
    }
    infomask = view.getUint16(at + 20, true);
  } else if ((infomask & HEAP_XMIN_FROZEN) !== HEAP_XMIN_FROZEN && xidInMvccSnapshot(xmin, snapshot)) return false;

  if ((infomask & HEAP_XMAX_INVALID) !== 0) return true;
  if (xmaxIsLockedOnly(infomask)) return true;
  if ((infomask & HEAP_XMAX_IS_MULTI) !== 0) {
    const xmax = tupleMultiUpdateXid(at);
    if (transactionIdIsCurrentTransactionId(xmax)) return tupleCmax(at) >= snapshot.curcid;
    if (xidInMvccSnapshot(xmax, snapshot)) return true;
    return !transactionIdDidCommit(xmax);
  }
  const xmax = view.getUint32(at + 4, true) as TransactionId;
  if ((infomask & HEAP_XMAX_COMMITTED) === 0) {
    if (transactionIdIsCurrentTransactionId(xmax)) return tupleCmax(at) >= snapshot.curcid;
    if (xidInMvccSnapshot(xmax, snapshot)) return true;
    if (!transactionIdDidCommit(xmax)) {
      setHintBits(at, buffer, HEAP_XMAX_INVALID, INVALID_XID);
      return true;
    }
    setHintBits(at, buffer, HEAP_XMAX_COMMITTED, xmax);
  } else if (xidInMvccSnapshot(xmax, snapshot)) return true;
  return false;
}

/** A tuple that this transaction inserted. */
function myTupleVisible(at: number, curcid: CommandId, buffer: Buffer, infomask: number): boolean {
  if (tupleCmin(at) >= curcid) return false;
  if ((infomask & HEAP_XMAX_INVALID) !== 0) return true;
  if (xmaxIsLockedOnly(infomask)) return true;
  if ((infomask & HEAP_XMAX_IS_MULTI) !== 0) {
    // Updated only by a subtransaction that was rolled back, if the updater is not me.
    if (!transactionIdIsCurrentTransactionId(tupleMultiUpdateXid(at))) return true;
    return tupleCmax(at) >= curcid;
  }
  if (!transactionIdIsCurrentTransactionId(tupleRawXmax(at))) {
    setHintBits(at, buffer, HEAP_XMAX_INVALID, INVALID_XID);
    return true;
  }
  return tupleCmax(at) >= curcid;
}

// ---- self, any, toast, dirty, non-vacuumable

/** Is xmin good for SELF and DIRTY: mine (then `mine` says so) or committed. 0 no, 1 committed, 2 mine, 3 in progress. */
function xminState(at: number, buffer: Buffer): 0 | 1 | 2 | 3 {
  const infomask = tupleInfomask(at);
  if ((infomask & HEAP_XMIN_COMMITTED) !== 0) return 1;
  if ((infomask & HEAP_XMIN_INVALID) !== 0) return 0;
  if ((infomask & HEAP_MOVED) !== 0) {
    const moved = movedTuple(at, buffer, infomask);
    if (moved >= 0) return moved as 0 | 1;
  }
  const xmin = tupleRawXmin(at);
  if (transactionIdIsCurrentTransactionId(xmin)) return 2;
  if (transactionIdIsInProgress(xmin)) return 3;
  if (transactionIdDidCommit(xmin)) {
    setHintBits(at, buffer, HEAP_XMIN_COMMITTED, xmin);
    return 1;
  }
  setHintBits(at, buffer, HEAP_XMIN_INVALID, INVALID_XID);
  return 0;
}

export function heapTupleSatisfiesSelf(at: number, buffer: Buffer): boolean {
  const state = xminState(at, buffer);
  if (state === 0 || state === 3) return false;
  const infomask = tupleInfomask(at);
  if ((infomask & HEAP_XMAX_INVALID) !== 0) return true;
  if (state === 2) {
    if (xmaxIsLockedOnly(infomask)) return true;
    if ((infomask & HEAP_XMAX_IS_MULTI) !== 0) return !transactionIdIsCurrentTransactionId(tupleMultiUpdateXid(at));
    if (!transactionIdIsCurrentTransactionId(tupleRawXmax(at))) {
      setHintBits(at, buffer, HEAP_XMAX_INVALID, INVALID_XID);
      return true;
    }
    return false;
  }
  if ((infomask & HEAP_XMAX_COMMITTED) !== 0) return xmaxIsLockedOnly(infomask);
  if ((infomask & HEAP_XMAX_IS_MULTI) !== 0) {
    if (xmaxIsLockedOnly(infomask)) return true;
    const xmax = tupleMultiUpdateXid(at);
    if (transactionIdIsCurrentTransactionId(xmax)) return false;
    if (transactionIdIsInProgress(xmax)) return true;
    return !transactionIdDidCommit(xmax);
  }
  const xmax = tupleRawXmax(at);
  if (transactionIdIsCurrentTransactionId(xmax)) return xmaxIsLockedOnly(infomask);
  if (transactionIdIsInProgress(xmax)) return true;
  if (!transactionIdDidCommit(xmax) || xmaxIsLockedOnly(infomask)) {
    setHintBits(at, buffer, HEAP_XMAX_INVALID, INVALID_XID);
    return true;
  }
  setHintBits(at, buffer, HEAP_XMAX_COMMITTED, xmax);
  return false;
}

/** Only xmin counts: a TOAST chunk is visible through the tuple that points to it. */
export function heapTupleSatisfiesToast(at: number, buffer: Buffer): boolean {
  const infomask = tupleInfomask(at);
  if ((infomask & HEAP_XMIN_COMMITTED) !== 0) return true;
  if ((infomask & HEAP_XMIN_INVALID) !== 0) return false;
  if ((infomask & HEAP_MOVED) !== 0) {
    const moved = movedTuple(at, buffer, infomask);
    if (moved >= 0) return moved === 1;
  }
  // A speculative insertion that was taken back leaves xmin 0.
  return tupleRawXmin(at) !== INVALID_XID;
}

/** Sees what is committed and what is being done; tells in the snapshot whom one would have to wait for. */
export function heapTupleSatisfiesDirty(at: number, snapshot: Snapshot, buffer: Buffer): boolean {
  snapshot.xmin = INVALID_XID;
  snapshot.xmax = INVALID_XID;
  snapshot.speculativeToken = 0;
  const state = xminState(at, buffer);
  if (state === 0) return false;
  if (state === 3) {
    if (tupleIsSpeculative(at)) snapshot.speculativeToken = tupleCtidBlock(at);
    snapshot.xmin = tupleRawXmin(at);
    return true;
  }
  const infomask = tupleInfomask(at);
  if ((infomask & HEAP_XMAX_INVALID) !== 0) return true;
  if (state === 2) {
    if (xmaxIsLockedOnly(infomask)) return true;
    if ((infomask & HEAP_XMAX_IS_MULTI) !== 0) return !transactionIdIsCurrentTransactionId(tupleMultiUpdateXid(at));
    if (!transactionIdIsCurrentTransactionId(tupleRawXmax(at))) {
      setHintBits(at, buffer, HEAP_XMAX_INVALID, INVALID_XID);
      return true;
    }
    return false;
  }
  if ((infomask & HEAP_XMAX_COMMITTED) !== 0) return xmaxIsLockedOnly(infomask);
  if ((infomask & HEAP_XMAX_IS_MULTI) !== 0) {
    if (xmaxIsLockedOnly(infomask)) return true;
    const xmax = tupleMultiUpdateXid(at);
    if (transactionIdIsCurrentTransactionId(xmax)) return false;
    if (transactionIdIsInProgress(xmax)) {
      snapshot.xmax = xmax;
      return true;
    }
    return !transactionIdDidCommit(xmax);
  }
  const xmax = tupleRawXmax(at);
  if (transactionIdIsCurrentTransactionId(xmax)) return xmaxIsLockedOnly(infomask);
  if (transactionIdIsInProgress(xmax)) {
    if (!xmaxIsLockedOnly(infomask)) snapshot.xmax = xmax;
    return true;
  }
  if (!transactionIdDidCommit(xmax) || xmaxIsLockedOnly(infomask)) {
    setHintBits(at, buffer, HEAP_XMAX_INVALID, INVALID_XID);
    return true;
  }
  setHintBits(at, buffer, HEAP_XMAX_COMMITTED, xmax);
  return false;
}

function satisfiesNonVacuumable(at: number, snapshot: Snapshot, buffer: Buffer): boolean {
  let result = heapTupleSatisfiesVacuumHorizon(at, buffer);
  if (
    result === HTSV.recentlyDead &&
    htsvDeadAfter !== INVALID_XID &&
    globalVisTestIsRemovableXid(snapshot.vistest!, htsvDeadAfter)
  )
    result = HTSV.dead;
  return result !== HTSV.dead;
}

/** HeapTupleSatisfiesVisibility(). */
export function heapTupleSatisfies(snapshot: Snapshot, at: number, buffer: Buffer, _tid?: ItemPointer): boolean {
  if (snapshot.kind === 'mvcc') return heapTupleSatisfiesMvcc(at, snapshot, buffer);
  switch (snapshot.kind) {
    case 'self':
      return heapTupleSatisfiesSelf(at, buffer);
    case 'any':
      return true;
    case 'toast':
      return heapTupleSatisfiesToast(at, buffer);
    case 'dirty':
      return heapTupleSatisfiesDirty(at, snapshot, buffer);
    case 'nonVacuumable':
      return satisfiesNonVacuumable(at, snapshot, buffer);
    default:
      return report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: 'historic MVCC snapshots (logical decoding) are not supported',
      });
  }
}

// ---- update

/** Place of the tuple that heapTupleSatisfiesUpdate() is about. */
let currentTid: ItemPointer = 0;

/** May the command `curcid` change the tuple at `at`, which is in place `tid`? */
export function heapTupleSatisfiesUpdate(at: number, tid: ItemPointer, curcid: CommandId, buffer: Buffer): TMResult {
  currentTid = tid;
  const state = xminState(at, buffer);
  if (state === 0 || state === 3) return 'invisible';
  let infomask = tupleInfomask(at);
  if (state === 2) {
    if (tupleCmin(at) >= curcid) return 'invisible';
    if ((infomask & HEAP_XMAX_INVALID) !== 0) return 'ok';
    if (xmaxIsLockedOnly(infomask)) return lockedByOneOfMine(at, infomask);
    if ((infomask & HEAP_XMAX_IS_MULTI) !== 0) {
      if (!transactionIdIsCurrentTransactionId(tupleMultiUpdateXid(at))) {
        if (multiXactIdIsRunning(xmaxMulti(at), false)) return 'beingModified';
        return 'ok';
      }
      return tupleCmax(at) >= curcid ? 'selfModified' : 'invisible';
    }
    if (!transactionIdIsCurrentTransactionId(tupleRawXmax(at))) {
      setHintBits(at, buffer, HEAP_XMAX_INVALID, INVALID_XID);
      return 'ok';
    }
    return tupleCmax(at) >= curcid ? 'selfModified' : 'invisible';
  }
  infomask = tupleInfomask(at);
  if ((infomask & HEAP_XMAX_INVALID) !== 0) return 'ok';
  if ((infomask & HEAP_XMAX_COMMITTED) !== 0) {
    if (xmaxIsLockedOnly(infomask)) return 'ok';
    return updatedOrDeleted(at);
  }
  if ((infomask & HEAP_XMAX_IS_MULTI) !== 0) return multiUpdateState(at, infomask, curcid, buffer);
  const xmax = tupleRawXmax(at);
  if (transactionIdIsCurrentTransactionId(xmax)) {
    if (xmaxIsLockedOnly(infomask)) return 'beingModified';
    return tupleCmax(at) >= curcid ? 'selfModified' : 'invisible';
  }
  if (transactionIdIsInProgress(xmax)) return 'beingModified';
  if (!transactionIdDidCommit(xmax) || xmaxIsLockedOnly(infomask)) {
    setHintBits(at, buffer, HEAP_XMAX_INVALID, INVALID_XID);
    return 'ok';
  }
  setHintBits(at, buffer, HEAP_XMAX_COMMITTED, xmax);
  return updatedOrDeleted(at);
}
/** xmax is committed: a next version exists unless t_ctid points to the tuple itself, which only its place tells. A
 *  partition move counts as a deletion for the table, but must be told apart by the caller: 'updated'. */
const updatedOrDeleted = (at: number): TMResult => (currentTid === ctidOf(at) ? 'deleted' : 'updated');
const ctidOf = (at: number): ItemPointer => tupleCtidBlock(at) * 65536 + mem.view.getUint16(at + 16, true);

/** My own new tuple, locked only. */
function lockedByOneOfMine(at: number, infomask: number): TMResult {
  if ((infomask & HEAP_XMAX_IS_MULTI) !== 0) return multiXactIdIsRunning(xmaxMulti(at), true) ? 'beingModified' : 'ok';
  // The locker is me, or has ended: an ended locker does not matter.
  return transactionIdIsInProgress(tupleRawXmax(at)) ? 'beingModified' : 'ok';
}
function multiUpdateState(at: number, infomask: number, curcid: CommandId, buffer: Buffer): TMResult {
  if (lockedUpgraded(infomask)) return 'ok';
  if (xmaxIsLockedOnly(infomask)) {
    if (multiXactIdIsRunning(xmaxMulti(at), true)) return 'beingModified';
    setHintBits(at, buffer, HEAP_XMAX_INVALID, INVALID_XID);
    return 'ok';
  }
  const xmax = tupleMultiUpdateXid(at);
  if (xmax === INVALID_XID) {
    if (multiXactIdIsRunning(xmaxMulti(at), false)) return 'beingModified';
  }
  if (transactionIdIsCurrentTransactionId(xmax)) return tupleCmax(at) >= curcid ? 'selfModified' : 'invisible';
  if (multiXactIdIsRunning(xmaxMulti(at), false)) return 'beingModified';
  if (transactionIdDidCommit(xmax)) return updatedOrDeleted(at);
  // The updater has aborted and nobody of the multixact is running.
  setHintBits(at, buffer, HEAP_XMAX_INVALID, INVALID_XID);
  return 'ok';
}

// ---- vacuum

/** Of a 'recentlyDead' tuple: it is dead when nobody can see this xid as running any more. */
export let htsvDeadAfter: TransactionId = INVALID_XID;

/** The tuple is dead to all if dead_after precedes the oldest xid anybody considers running. */
export function heapTupleSatisfiesVacuum(at: number, oldestXmin: TransactionId, buffer: Buffer): HtsvResult {
  const result = heapTupleSatisfiesVacuumHorizon(at, buffer);
  if (result === HTSV.recentlyDead && htsvDeadAfter !== INVALID_XID && xidPrecedes(htsvDeadAfter, oldestXmin))
    return HTSV.dead;
  return result;
}

export function heapTupleSatisfiesVacuumHorizon(at: number, buffer: Buffer): HtsvResult {
  htsvDeadAfter = INVALID_XID;
  let infomask = tupleInfomask(at);
  if ((infomask & HEAP_XMIN_COMMITTED) === 0) {
    if ((infomask & HEAP_XMIN_INVALID) !== 0) return HTSV.dead;
    if ((infomask & HEAP_MOVED) !== 0) {
      const result = movedVacuum(at, buffer, infomask);
      if (result !== HTSV.live) return result;
    } else {
      const xmin = tupleRawXmin(at);
      if (transactionIdIsCurrentTransactionId(xmin)) {
        if ((infomask & HEAP_XMAX_INVALID) !== 0 || xmaxIsLockedOnly(infomask)) return HTSV.insertInProgress;
        if (transactionIdIsCurrentTransactionId(tupleUpdateXid(at))) return HTSV.deleteInProgress;
        // Deleted by a subtransaction that was rolled back.
        return HTSV.insertInProgress;
      }
      // Told as in progress even if xmax is set: callers treat the tuple as the inserter's.
      if (transactionIdIsInProgress(xmin)) return HTSV.insertInProgress;
      if (transactionIdDidCommit(xmin)) setHintBits(at, buffer, HEAP_XMIN_COMMITTED, xmin);
      else {
        setHintBits(at, buffer, HEAP_XMIN_INVALID, INVALID_XID);
        return HTSV.dead;
      }
    }
    infomask = tupleInfomask(at);
  }
  if ((infomask & HEAP_XMAX_INVALID) !== 0) return HTSV.live;
  if (xmaxIsLockedOnly(infomask)) {
    if ((infomask & HEAP_XMAX_COMMITTED) === 0) {
      if ((infomask & HEAP_XMAX_IS_MULTI) !== 0) {
        // A lock that nobody holds any more: say so, that the multixact need not be looked up again.
        if (!lockedUpgraded(infomask) && multiXactIdIsRunning(xmaxMulti(at), true)) return HTSV.live;
        setHintBits(at, buffer, HEAP_XMAX_INVALID, INVALID_XID);
      } else {
        if (transactionIdIsInProgress(tupleRawXmax(at))) return HTSV.live;
        setHintBits(at, buffer, HEAP_XMAX_INVALID, INVALID_XID);
      }
    }
    return HTSV.live;
  }
  if ((infomask & HEAP_XMAX_IS_MULTI) !== 0) {
    const xmax = tupleMultiUpdateXid(at);
    if (transactionIdIsInProgress(xmax)) return HTSV.deleteInProgress;
    if (transactionIdDidCommit(xmax)) {
      // Lockers may still be running, so the multixact stays; the tuple is dead once the update is old enough.
      htsvDeadAfter = xmax;
      return HTSV.recentlyDead;
    }
    if (!multiXactIdIsRunning(xmaxMulti(at), false)) setHintBits(at, buffer, HEAP_XMAX_INVALID, INVALID_XID);
    return HTSV.live;
  }
  const xmax = tupleRawXmax(at);
  if ((infomask & HEAP_XMAX_COMMITTED) === 0) {
    if (transactionIdIsInProgress(xmax)) return HTSV.deleteInProgress;
    if (transactionIdDidCommit(xmax)) setHintBits(at, buffer, HEAP_XMAX_COMMITTED, xmax);
    else {
      setHintBits(at, buffer, HEAP_XMAX_INVALID, INVALID_XID);
      return HTSV.live;
    }
  }
  htsvDeadAfter = xmax;
  return HTSV.recentlyDead;
}
function movedVacuum(at: number, buffer: Buffer, infomask: number): HtsvResult {
  const xvac = tupleXvac(at);
  if ((infomask & HEAP_MOVED_OFF) !== 0) {
    if (transactionIdIsCurrentTransactionId(xvac) || transactionIdIsInProgress(xvac)) return HTSV.deleteInProgress;
    if (transactionIdDidCommit(xvac)) {
      setHintBits(at, buffer, HEAP_XMIN_INVALID, INVALID_XID);
      return HTSV.dead;
    }
    setHintBits(at, buffer, HEAP_XMIN_COMMITTED, INVALID_XID);
    return HTSV.live;
  }
  if (transactionIdIsCurrentTransactionId(xvac) || transactionIdIsInProgress(xvac)) return HTSV.insertInProgress;
  if (transactionIdDidCommit(xvac)) {
    setHintBits(at, buffer, HEAP_XMIN_COMMITTED, INVALID_XID);
    return HTSV.live;
  }
  setHintBits(at, buffer, HEAP_XMIN_INVALID, INVALID_XID);
  return HTSV.dead;
}

/** HeapTupleIsSurelyDead(): by hint bits alone, for callers without a content lock. */
export function heapTupleIsSurelyDead(at: number, isRemovable: (xid: TransactionId) => boolean): boolean {
  const infomask = tupleInfomask(at);
  if ((infomask & HEAP_XMIN_COMMITTED) === 0) return (infomask & HEAP_XMIN_INVALID) !== 0;
  if ((infomask & HEAP_XMAX_INVALID) !== 0) return false;
  if (xmaxIsLockedOnly(infomask)) return false;
  if ((infomask & HEAP_XMAX_IS_MULTI) !== 0) return false;
  if ((infomask & HEAP_XMAX_COMMITTED) === 0) return false;
  return isRemovable(tupleRawXmax(at));
}

/** HeapTupleHeaderIsOnlyLocked(): no transaction that could have committed has changed the tuple. */
export function tupleIsOnlyLocked(at: number): boolean {
  const infomask = tupleInfomask(at);
  if ((infomask & HEAP_XMAX_INVALID) !== 0) return true;
  if (xmaxIsLockedOnly(infomask)) return true;
  if (tupleRawXmax(at) === INVALID_XID) return true;
  if ((infomask & HEAP_XMAX_IS_MULTI) === 0) return false;
  const xmax = tupleMultiUpdateXid(at);
  if (transactionIdIsCurrentTransactionId(xmax)) return false;
  if (transactionIdIsInProgress(xmax)) return false;
  return !transactionIdDidCommit(xmax);
}
export const lockBits = (infomask: number): number => infomask & HEAP_LOCK_MASK;
export const isKeyShareLocked = (infomask: number): boolean => (infomask & HEAP_LOCK_MASK) === HEAP_XMAX_KEYSHR_LOCK;
export const isShareLocked = (infomask: number): boolean => (infomask & HEAP_LOCK_MASK) === HEAP_XMAX_SHR_LOCK;
export const isExclusiveLocked = (infomask: number): boolean => (infomask & HEAP_LOCK_MASK) === HEAP_XMAX_EXCL_LOCK;
