/** clog.ts — two bits per transaction. */
import type { Lsn, Oid, TransactionId } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
const later = (): never =>
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'transactions are not there yet' });
export const XID_STATUS = { inProgress: 0, committed: 1, aborted: 2, subCommitted: 3 } as const;
export type XidStatus = (typeof XID_STATUS)[keyof typeof XID_STATUS];
export const transactionIdSetTreeStatus = (
  _xid: TransactionId,
  _subxids: readonly TransactionId[],
  _status: XidStatus,
  _lsn: Lsn,
): void => later();
/** Status of the xid; the LSN that must be flushed before the answer may become a hint is then in clogStatusLsn(). */
export const transactionIdGetStatus = (_xid: TransactionId): XidStatus => later();
export const clogStatusLsn = (): Lsn => later();
export const extendClog = (_newestXact: TransactionId): void => later();
export const truncateClog = (_oldestXact: TransactionId, _oldestXidDb: Oid): void => later();
