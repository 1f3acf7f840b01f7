/** xid-generator.ts — handing out transaction ids and OIDs. */
import type { FullTransactionId, Oid, TransactionId } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
const later = (): never =>
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'transactions are not there yet' });
export const getNewTransactionId = (_isSub: boolean): FullTransactionId => later();
export const readNextTransactionId = (): TransactionId => later();
export const readNextFullTransactionId = (): FullTransactionId => later();
export const advanceNextFullXidPastXid = (_xid: TransactionId): void => later();
export const setTransactionIdLimit = (_oldestDatFrozenXid: TransactionId, _oldestDatOid: Oid): void => later();
export const advanceOldestClogXid = (_oldestDatFrozenXid: TransactionId): void => later();
export const forceTransactionIdLimitUpdate = (): boolean => later();
export const getNewObjectId = (): Oid => later();
