/** commit-ts.ts — when a transaction committed. */
import type { TransactionId } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
const later = (): never =>
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'transactions are not there yet' });
export const truncateCommitTs = (_oldestXact: TransactionId): void => later();
export const setCommitTsLimit = (_oldestXact: TransactionId, _newestXact: TransactionId): void => later();
export const advanceOldestCommitTsXid = (_oldestXact: TransactionId): void => later();
