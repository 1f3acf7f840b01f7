/** xact-stack.ts — the open (sub)transactions of this process, their ids and the counter of commands.
 *
 *  Everything that asks “is that xid mine?” or “which command is this?” asks here; who starts and ends transactions is
 *  xact.ts.
 *  Counterpart: CurrentTransactionState and its questions, src/backend/access/transam/xact.c */
import type { CommandId, FullTransactionId, SubTransactionId, TransactionId } from '#base/ids.ts';
import { xidIsNormal, xidOfFull } from '#base/xid.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { newTransactionState, type TransactionState } from '#transam/xact-state.ts';

export const topState: TransactionState = newTransactionState(null);
topState.gucNestLevel = 1;

export const xactStack = {
  current: topState,
  /** Full id of the top transaction, 0 while it has none. */
  topFullXid: 0 as FullTransactionId,
  subId: 0 as SubTransactionId,
  commandId: 0 as CommandId,
  commandIdUsed: false,
};

export const getTopFullTransactionIdIfAny = (): FullTransactionId => xactStack.topFullXid;
export const getTopTransactionIdIfAny = (): TransactionId => xidOfFull(xactStack.topFullXid);
export const getCurrentFullTransactionIdIfAny = (): FullTransactionId => xactStack.current.fullXid;
export const getCurrentTransactionIdIfAny = (): TransactionId => xidOfFull(xactStack.current.fullXid);
export const getCurrentSubTransactionId = (): SubTransactionId => xactStack.current.subTransactionId;
export const getCurrentNestLevel = (): number => xactStack.current.nestingLevel;

/** Is the subtransaction id one of the open levels, or committed into one? */
export function subTransactionIsActive(subId: SubTransactionId): boolean {
  for (let s: TransactionState | null = xactStack.current; s !== null; s = s.parent)
    if (s.state !== 'abort' && s.subTransactionId === subId) return true;
  return false;
}

/** Did I, in this transaction and in no part of it that was rolled back, use this xid? */
export function transactionIdIsCurrentTransactionId(xid: TransactionId): boolean {
  if (xactStack.topFullXid === 0 || !xidIsNormal(xid)) return false;
  if (xid === xactStack.topFullXid % 0x1_0000_0000) return true;
  for (let s: TransactionState | null = xactStack.current; s !== null; s = s.parent) {
    if (s.state === 'abort' || s.fullXid === 0) continue;
    if (xid === s.fullXid % 0x1_0000_0000) return true;
    const { childXids } = s;
    // Ascending in modulo arithmetic, because children are younger than what they join.
    let low = 0;
    let high = childXids.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const probe = childXids[middle]!;
      if (probe === xid) return true;
      if (((probe - xid) | 0) < 0) low = middle + 1;
      else high = middle - 1;
    }
  }
  return false;
}

/** `used`: the caller stores it in a tuple, so that the next command must have another. */
export function getCurrentCommandId(used: boolean): CommandId {
  if (used) xactStack.commandIdUsed = true;
  return xactStack.commandId;
}
/** True if there is a new command id. */
export function advanceCommandId(): boolean {
  if (!xactStack.commandIdUsed) return false;
  if (xactStack.commandId === 0xffff_fffe)
    report('ERROR', {
      code: SQLSTATE.programLimitExceeded,
      message: 'cannot have more than 2^32-2 commands in a transaction',
    });
  xactStack.commandId++;
  xactStack.commandIdUsed = false;
  return true;
}
