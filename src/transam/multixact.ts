/** multixact.ts — several transactions that lock or update one row. */
import type { MultiXactId, Oid, TransactionId } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
const later = (): never =>
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'transactions are not there yet' });
export const MULTIXACT_STATUS = {
  forKeyShare: 0,
  forShare: 1,
  forNoKeyUpdate: 2,
  forUpdate: 3,
  noKeyUpdate: 4,
  update: 5,
} as const;
export type MultiXactStatus = (typeof MULTIXACT_STATUS)[keyof typeof MULTIXACT_STATUS];
export interface MultiXactMember {
  readonly xid: TransactionId;
  readonly status: MultiXactStatus;
}
export const isUpdateStatus = (status: MultiXactStatus): boolean => status > 3;
export const multiXactIdCreate = (
  _xid1: TransactionId,
  _status1: MultiXactStatus,
  _xid2: TransactionId,
  _status2: MultiXactStatus,
): MultiXactId => later();
export const multiXactIdCreateFromMembers = (_members: MultiXactMember[]): MultiXactId => later();
export const multiXactIdExpand = (_multi: MultiXactId, _xid: TransactionId, _status: MultiXactStatus): MultiXactId =>
  later();
/** null: the multixact is old and of lockers only, or came from pg_upgrade (PostgreSQL's -1). */
export const getMultiXactIdMembers = (
  _multi: MultiXactId,
  _fromPgUpgrade: boolean,
  _isLockOnly: boolean,
): readonly MultiXactMember[] | null => later();
export const multiXactIdIsRunning = (_multi: MultiXactId, _isLockOnly: boolean): boolean => later();
export const multiXactIdSetOldestMember = (): void => later();
export const readNextMultiXactId = (): MultiXactId => later();
export const getOldestMultiXactId = (): MultiXactId => later();
export const multiXactMemberFreezeThreshold = (): number => later();
export const setMultiXactIdLimit = (_oldestDatMinMxid: MultiXactId, _oldestDatOid: Oid, _isStartup: boolean): void =>
  later();
export const truncateMultiXact = (_newOldestMulti: MultiXactId, _newOldestMultiDb: Oid): void => later();
