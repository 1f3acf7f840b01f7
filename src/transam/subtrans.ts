/** subtrans.ts — the parent of each subtransaction. */
import type { TransactionId } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
const later = (): never =>
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'transactions are not there yet' });
export const subTransSetParent = (_xid: TransactionId, _parent: TransactionId): void => later();
export const subTransGetParent = (_xid: TransactionId): TransactionId => later();
export const subTransGetTopmostTransaction = (_xid: TransactionId): TransactionId => later();
