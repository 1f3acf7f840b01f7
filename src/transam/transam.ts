/** transam.ts — what became of a transaction. */
import type { Lsn, TransactionId } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
const later = (): never =>
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'transactions are not there yet' });
export const transactionIdDidCommit = (_xid: TransactionId): boolean => later();
export const transactionIdDidAbort = (_xid: TransactionId): boolean => later();
export const transactionIdIsKnownCompleted = (_xid: TransactionId): boolean => later();
/** The latest of main xid and its children. */
export const transactionIdLatest = (_main: TransactionId, _children: readonly TransactionId[]): TransactionId =>
  later();
export const transactionIdGetCommitLsn = (_xid: TransactionId): Lsn => later();
