/** xact-wait.ts — waiting for another transaction to end. */
import type { ItemPointer, TransactionId } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
const later = (): never =>
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'transactions are not there yet' });
export type XltwOper =
  | 'none'
  | 'update'
  | 'delete'
  | 'lock'
  | 'lockUpdated'
  | 'insertIndex'
  | 'insertIndexUnique'
  | 'fetchUpdated'
  | 'recheckExclusionConstr';
export const xactLockTableInsert = (_xid: TransactionId): void => later();
export const xactLockTableDelete = (_xid: TransactionId): void => later();
/** relName: for the CONTEXT line of an error in the wait; undefined for none. */
export const xactLockTableWait = (_xid: TransactionId, _relName?: string, _tid?: ItemPointer, _oper?: XltwOper): void =>
  later();
export const conditionalXactLockTableWait = (_xid: TransactionId): boolean => later();
export const speculativeInsertionLockAcquire = (_xid: TransactionId): number => later();
export const speculativeInsertionLockRelease = (_xid: TransactionId): void => later();
export const speculativeInsertionWait = (_xid: TransactionId, _token: number): void => later();
