/** freeze.ts — making tuples independent of old transaction ids, and what the oldest id left behind is.
 *
 *  A tuple's xmin older than the cutoff is marked frozen; an old xmax, which cannot be a committed deletion any more, is
 *  removed; multixacts are replaced by what is left of them. What would be done is planned first, so that it can be
 *  logged and done in one critical section.
 *  Counterpart: heap_prepare_freeze_tuple() … heap_tuple_needs_eventual_freeze() of src/backend/access/heap/heapam.c */
import {
  HEAP_HOT_UPDATED,
  HEAP_KEYS_UPDATED,
  HEAP_MOVED,
  HEAP_MOVED_OFF,
  HEAP_XMAX_BITS,
  HEAP_XMAX_COMMITTED,
  HEAP_XMAX_INVALID,
  HEAP_XMAX_IS_MULTI,
  HEAP_XMIN_COMMITTED,
  HEAP_XMIN_FROZEN,
  lockedUpgraded,
  setTupleInfomask,
  setTupleInfomask2,
  setTupleXmax,
  tupleInfomask,
  tupleInfomask2,
  tupleRawXmax,
  tupleXmin,
  tupleXvac,
  xmaxIsLockedOnly,
} from '#access/common/heap-tuple-layout.ts';
import { multiXactGetUpdateXid } from '#access/heap/visibility.ts';
import { hint, multiXactHintBits } from '#access/heap/xmax.ts';
import type { MultiXactId, TransactionId } from '#base/ids.ts';
import { FROZEN_XID, INVALID_MULTIXACT, INVALID_XID, multiPrecedes, xidIsNormal, xidPrecedes } from '#base/xid.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { mem } from '#shm/memory.ts';
import {
  getMultiXactIdMembers,
  isUpdateStatus,
  type MultiXactMember,
  multiXactIdCreateFromMembers,
  multiXactIdIsRunning,
} from '#transam/multixact.ts';
import { transactionIdIsInProgress } from '#transam/proc-array.ts';
import { transactionIdDidCommit } from '#transam/transam.ts';
import { transactionIdIsCurrentTransactionId } from '#transam/xact.ts';

export const XLH_FREEZE_XVAC = 0x02;
export const XLH_INVALID_XVAC = 0x04;

/** What is to become of one tuple (xl_heap_freeze_tuple). */
export interface FreezePlan {
  xmax: TransactionId;
  offset: number;
  infomask2: number;
  infomask: number;
  flags: number;
}
export const newFreezePlan = (): FreezePlan => ({ xmax: INVALID_XID, offset: 0, infomask2: 0, infomask: 0, flags: 0 });

/** The cutoffs of one VACUUM, and, pushed back by every tuple that keeps older ids, the oldest ids that stay. */
export interface FreezeState {
  readonly relfrozenxid: TransactionId;
  readonly relminmxid: MultiXactId;
  readonly freezeLimit: TransactionId;
  readonly multiXactCutoff: MultiXactId;
  newRelfrozenXid: TransactionId;
  newRelminMxid: MultiXactId;
}

function corrupt(message: string): never {
  report('ERROR', { code: SQLSTATE.dataCorrupted, message });
}

// Out of freezeMultiXact().
let invalidatesXmax = false;
let returnsXid = false;
let returnsMulti = false;
let marksCommitted = false;
let oldestMember: TransactionId = INVALID_XID;

/** FreezeMultiXactId(): the xid or multixact that stays in xmax. `oldestMember` begins as the oldest xid so far. */
function freezeMultiXact(multi: MultiXactId, infomask: number, state: FreezeState): number {
  invalidatesXmax = false;
  returnsXid = false;
  returnsMulti = false;
  marksCommitted = false;
  const lockedOnly = xmaxIsLockedOnly(infomask);
  if (multi === INVALID_MULTIXACT || lockedUpgraded(infomask)) {
    invalidatesXmax = true;
    return INVALID_XID;
  }
  if (multiPrecedes(multi, state.relminmxid))
    corrupt(`found multixact ${multi} from before relminmxid ${state.relminmxid}`);
  if (multiPrecedes(multi, state.multiXactCutoff)) return freezeOldMulti(multi, infomask, lockedOnly, state);
  const members = getMultiXactIdMembers(multi, false, lockedOnly) ?? [];
  if (members.length === 0) {
    invalidatesXmax = true;
    return INVALID_XID;
  }
  let oldest = oldestMember;
  let needsReplacing = false;
  for (const { xid } of members) {
    if (xidPrecedes(xid, state.freezeLimit)) {
      needsReplacing = true;
      break;
    }
    if (xidPrecedes(xid, oldest)) oldest = xid;
  }
  if (!needsReplacing) {
    oldestMember = oldest;
    return multi;
  }
  return replaceMulti(members, state);
}
/** None of its members can be running: only an updater may have to stay. */
function freezeOldMulti(multi: MultiXactId, infomask: number, lockedOnly: boolean, state: FreezeState): number {
  if (multiXactIdIsRunning(multi, lockedOnly))
    corrupt(`multixact ${multi} from before cutoff ${state.multiXactCutoff} found to be still running`);
  if (lockedOnly) {
    invalidatesXmax = true;
    return INVALID_XID;
  }
  const xid = multiXactGetUpdateXid(multi as unknown as TransactionId, infomask);
  if (xidPrecedes(xid, state.relfrozenxid))
    corrupt(`found update xid ${xid} from before relfrozenxid ${state.relfrozenxid}`);
  if (xidPrecedes(xid, state.freezeLimit)) {
    // It must have aborted, or the tuple would have been pruned.
    if (transactionIdDidCommit(xid)) corrupt(`cannot freeze committed update xid ${xid}`);
    invalidatesXmax = true;
    return INVALID_XID;
  }
  returnsXid = true;
  return xid;
}
function replaceMulti(members: readonly MultiXactMember[], state: FreezeState): number {
  const kept: MultiXactMember[] = [];
  let hasLockers = false;
  let updateXid: TransactionId = INVALID_XID;
  let updateCommitted = false;
  let oldest = oldestMember;
  for (const member of members) {
    const { xid } = member;
    // In progress before committed, as everywhere.
    const running = transactionIdIsCurrentTransactionId(xid) || transactionIdIsInProgress(xid);
    if (!isUpdateStatus(member.status)) {
      if (running) {
        kept.push(member);
        hasLockers = true;
      }
      continue;
    }
    if (xidPrecedes(xid, state.relfrozenxid))
      corrupt(`found update xid ${xid} from before relfrozenxid ${state.relfrozenxid}`);
    if (running) updateXid = xid;
    else if (transactionIdDidCommit(xid)) {
      updateCommitted = true;
      updateXid = xid;
    }
    if (updateXid === INVALID_XID) continue;
    if (xidPrecedes(updateXid, state.freezeLimit))
      corrupt(`found update xid ${updateXid} from before xid cutoff ${state.freezeLimit}`);
    kept.push(member);
    if (xidPrecedes(xid, oldest)) oldest = xid;
  }
  if (kept.length === 0) {
    invalidatesXmax = true;
    return INVALID_XID;
  }
  if (updateXid !== INVALID_XID && !hasLockers) {
    returnsXid = true;
    marksCommitted = updateCommitted;
    return updateXid;
  }
  returnsMulti = true;
  oldestMember = oldest;
  return multiXactIdCreateFromMembers(kept);
}

/** Out of prepareFreezeTuple(): afterwards no id of the tuple will ever need freezing. */
export let totallyFrozen = false;

/** heap_prepare_freeze_tuple(): fills `plan`; true if the tuple must be changed. */
export function prepareFreezeTuple(at: number, state: FreezeState, plan: FreezePlan): boolean {
  const infomask = tupleInfomask(at);
  let changed = false;
  plan.flags = 0;
  plan.infomask2 = tupleInfomask2(at);
  plan.infomask = infomask;
  plan.xmax = tupleRawXmax(at);

  const xmin = tupleXmin(at);
  let xminFrozen = true;
  if (xidIsNormal(xmin)) {
    if (xidPrecedes(xmin, state.relfrozenxid))
      corrupt(`found xmin ${xmin} from before relfrozenxid ${state.relfrozenxid}`);
    xminFrozen = xidPrecedes(xmin, state.freezeLimit);
    if (xminFrozen) {
      if (!transactionIdDidCommit(xmin))
        corrupt(`uncommitted xmin ${xmin} from before xid cutoff ${state.freezeLimit} needs to be frozen`);
      plan.infomask |= HEAP_XMIN_FROZEN;
      changed = true;
    } else if (xidPrecedes(xmin, state.newRelfrozenXid)) state.newRelfrozenXid = xmin;
  }

  let freezeXmax = false;
  let xmaxAlreadyFrozen = false;
  const xmax = tupleRawXmax(at);
  if ((infomask & HEAP_XMAX_IS_MULTI) !== 0) {
    if (planMultiXmax(xmax as unknown as MultiXactId, infomask, state, plan)) changed = true;
    freezeXmax = invalidatesXmax;
  } else if (xidIsNormal(xmax)) {
    if (xidPrecedes(xmax, state.relfrozenxid))
      corrupt(`found xmax ${xmax} from before relfrozenxid ${state.relfrozenxid}`);
    if (xidPrecedes(xmax, state.freezeLimit)) {
      if (!xmaxIsLockedOnly(infomask) && transactionIdDidCommit(xmax)) corrupt(`cannot freeze committed xmax ${xmax}`);
      freezeXmax = true;
    } else if (xidPrecedes(xmax, state.newRelfrozenXid)) state.newRelfrozenXid = xmax;
  } else if (xmax === INVALID_XID) xmaxAlreadyFrozen = true;
  else
    corrupt(`found raw xmax ${xmax} (infomask 0x${infomask.toString(16).padStart(4, '0')}) not invalid and not multi`);
  if (freezeXmax) {
    plan.xmax = INVALID_XID;
    plan.infomask = (plan.infomask & ~HEAP_XMAX_BITS) | HEAP_XMAX_INVALID;
    plan.infomask2 &= ~(HEAP_HOT_UPDATED | HEAP_KEYS_UPDATED);
    changed = true;
  }

  if ((infomask & HEAP_MOVED) !== 0 && xidIsNormal(tupleXvac(at))) {
    // A tuple that is not dead was not moved off, or was moved in: what xvac says is over.
    plan.flags |= (infomask & HEAP_MOVED_OFF) !== 0 ? XLH_INVALID_XVAC : XLH_FREEZE_XVAC;
    plan.infomask |= HEAP_XMIN_COMMITTED;
    changed = true;
  }
  totallyFrozen = xminFrozen && (freezeXmax || xmaxAlreadyFrozen);
  return changed;
}
function planMultiXmax(multi: MultiXactId, infomask: number, state: FreezeState, plan: FreezePlan): boolean {
  oldestMember = state.newRelfrozenXid;
  const stays = freezeMultiXact(multi, infomask, state);
  if (returnsXid) {
    const xid = stays as TransactionId;
    if (xidPrecedes(xid, state.newRelfrozenXid)) state.newRelfrozenXid = xid;
    // Only an updater comes back as a plain xid.
    plan.infomask = (plan.infomask & ~HEAP_XMAX_BITS) | (marksCommitted ? HEAP_XMAX_COMMITTED : 0);
    plan.xmax = xid;
    return true;
  }
  if (returnsMulti) {
    state.newRelfrozenXid = oldestMember;
    multiXactHintBits(stays as MultiXactId);
    plan.infomask = (plan.infomask & ~HEAP_XMAX_BITS) | hint.infomask;
    plan.infomask2 = (plan.infomask2 & ~HEAP_KEYS_UPDATED) | hint.infomask2;
    plan.xmax = stays as TransactionId;
    return true;
  }
  if (!invalidatesXmax) {
    if (multiPrecedes(multi, state.newRelminMxid)) state.newRelminMxid = multi;
    state.newRelfrozenXid = oldestMember;
  }
  return false;
}

/** heap_execute_freeze_tuple(). */
export function executeFreezeTuple(
  at: number,
  xmax: TransactionId,
  infomask: number,
  infomask2: number,
  flags: number,
): void {
  setTupleXmax(at, xmax);
  if ((flags & XLH_FREEZE_XVAC) !== 0) mem.view.setUint32(at + 8, FROZEN_XID, true);
  if ((flags & XLH_INVALID_XVAC) !== 0) mem.view.setUint32(at + 8, INVALID_XID, true);
  setTupleInfomask(at, infomask);
  setTupleInfomask2(at, infomask2);
}

const onePlan = newFreezePlan();
/** heap_freeze_tuple(): freezes a tuple that is in no shared page, without a record. */
export function freezeTupleInMemory(at: number, state: FreezeState): boolean {
  const changed = prepareFreezeTuple(at, state, onePlan);
  if (changed) executeFreezeTuple(at, onePlan.xmax, onePlan.infomask, onePlan.infomask2, onePlan.flags);
  return changed;
}

/** heap_tuple_would_freeze(): the same judgement for a page that cannot be changed now; pushes the oldest ids back. */
export function tupleWouldFreeze(at: number, state: FreezeState): boolean {
  let would = false;
  const look = (xid: TransactionId): void => {
    if (xidPrecedes(xid, state.newRelfrozenXid)) state.newRelfrozenXid = xid;
    if (xidPrecedes(xid, state.freezeLimit)) would = true;
  };
  const infomask = tupleInfomask(at);
  const xmin = tupleXmin(at);
  if (xidIsNormal(xmin)) look(xmin);
  const xmax = tupleRawXmax(at);
  if ((infomask & HEAP_XMAX_IS_MULTI) === 0) {
    if (xidIsNormal(xmax)) look(xmax);
  } else if (xmax !== 0) {
    const multi = xmax as unknown as MultiXactId;
    if (multiPrecedes(multi, state.newRelminMxid)) state.newRelminMxid = multi;
    if (lockedUpgraded(infomask) || multiPrecedes(multi, state.multiXactCutoff)) would = true;
    if (!lockedUpgraded(infomask))
      for (const { xid } of getMultiXactIdMembers(multi, false, xmaxIsLockedOnly(infomask)) ?? []) look(xid);
  }
  if ((infomask & HEAP_MOVED) !== 0) {
    const xvac = tupleXvac(at);
    if (xidIsNormal(xvac)) {
      look(xvac);
      would = true;
    }
  }
  return would;
}

/** heap_tuple_needs_eventual_freeze(). */
export function tupleNeedsEventualFreeze(at: number): boolean {
  if (xidIsNormal(tupleXmin(at))) return true;
  const infomask = tupleInfomask(at);
  const xmax = tupleRawXmax(at);
  if ((infomask & HEAP_XMAX_IS_MULTI) !== 0 ? xmax !== 0 : xidIsNormal(xmax)) return true;
  return (infomask & HEAP_MOVED) !== 0 && xidIsNormal(tupleXvac(at));
}
