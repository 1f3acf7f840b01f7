/** xid.ts — arithmetic of transaction ids, which wrap around at 2^32.
 *
 *  Of two normal xids the one that is less than 2^31 steps behind the other is the older one; the permanent xids below
 *  FIRST_NORMAL_XID are older than every normal one. MultiXactIds have no permanent values but the invalid 0.
 *  Counterpart: src/include/access/transam.h, src/backend/access/transam/transam.c, multixact.c */
import type { FullTransactionId, MultiXactId, TransactionId } from '#base/ids.ts';

export const INVALID_XID = 0 as TransactionId;
export const BOOTSTRAP_XID = 1 as TransactionId;
export const FROZEN_XID = 2 as TransactionId;
export const FIRST_NORMAL_XID = 3 as TransactionId;
export const MAX_XID = 0xffff_ffff as TransactionId;

export const xidIsValid = (xid: TransactionId): boolean => xid !== 0;
export const xidIsNormal = (xid: TransactionId): boolean => xid >= 3;

/** Is `a` older than `b`? */
export const xidPrecedes = (a: TransactionId, b: TransactionId): boolean =>
  a < 3 || b < 3 ? a < b : ((a - b) | 0) < 0;
export const xidPrecedesOrEquals = (a: TransactionId, b: TransactionId): boolean =>
  a < 3 || b < 3 ? a <= b : ((a - b) | 0) <= 0;
export const xidFollows = (a: TransactionId, b: TransactionId): boolean => (a < 3 || b < 3 ? a > b : ((a - b) | 0) > 0);
export const xidFollowsOrEquals = (a: TransactionId, b: TransactionId): boolean =>
  a < 3 || b < 3 ? a >= b : ((a - b) | 0) >= 0;

/** The next xid; skips the permanent ones. */
export function xidAdvance(xid: TransactionId): TransactionId {
  const next = (xid + 1) >>> 0;
  return Math.max(next, 3) as TransactionId;
}
/** The xid before; skips the permanent ones. */
export function xidRetreat(xid: TransactionId): TransactionId {
  const previous = (xid - 1) >>> 0;
  return (previous < 3 ? 0xffff_ffff : previous) as TransactionId;
}
/** `xid` moved by `delta` (either way), landing on a normal xid. */
export function xidShift(xid: TransactionId, delta: number): TransactionId {
  const moved = (xid + delta) >>> 0;
  if (moved >= 3) return moved as TransactionId;
  return (delta < 0 ? 0xffff_ffff : 3) as TransactionId;
}
/** Steps from `a` forward to `b`, negative if `b` is older. */
export const xidDistance = (a: TransactionId, b: TransactionId): number => (b - a) | 0;
/** The newer of two; an invalid one loses. */
export function xidLatest(a: TransactionId, b: TransactionId): TransactionId {
  if (a === 0) return b;
  if (b === 0) return a;
  return xidFollows(a, b) ? a : b;
}
/** The older of two; an invalid one loses. */
export function xidOldest(a: TransactionId, b: TransactionId): TransactionId {
  if (a === 0) return b;
  if (b === 0) return a;
  return xidPrecedes(a, b) ? a : b;
}

export const INVALID_MULTIXACT = 0 as MultiXactId;
export const FIRST_MULTIXACT = 1 as MultiXactId;
export const MAX_MULTIXACT = 0xffff_ffff as MultiXactId;
export const multiIsValid = (multi: MultiXactId): boolean => multi !== 0;
export const multiPrecedes = (a: MultiXactId, b: MultiXactId): boolean => ((a - b) | 0) < 0;
export const multiPrecedesOrEquals = (a: MultiXactId, b: MultiXactId): boolean => ((a - b) | 0) <= 0;
export const multiFollows = (a: MultiXactId, b: MultiXactId): boolean => ((a - b) | 0) > 0;
export const multiFollowsOrEquals = (a: MultiXactId, b: MultiXactId): boolean => ((a - b) | 0) >= 0;
export function multiAdvance(multi: MultiXactId): MultiXactId {
  const next = (multi + 1) >>> 0;
  return (next === 0 ? 1 : next) as MultiXactId;
}
export function multiRetreat(multi: MultiXactId): MultiXactId {
  const previous = (multi - 1) >>> 0;
  return (previous === 0 ? 0xffff_ffff : previous) as MultiXactId;
}

export const fullXid = (epoch: number, xid: TransactionId): FullTransactionId =>
  (epoch * 0x1_0000_0000 + xid) as FullTransactionId;
export const xidOfFull = (full: FullTransactionId): TransactionId => (full % 0x1_0000_0000) as TransactionId;
export const epochOfFull = (full: FullTransactionId): number => Math.floor(full / 0x1_0000_0000);
/** The next full xid whose xid is normal. */
export function fullXidAdvance(full: FullTransactionId): FullTransactionId {
  const next = full + 1;
  const xid = next % 0x1_0000_0000;
  return (xid < 3 ? next + (3 - xid) : next) as FullTransactionId;
}
