/** snapshot.ts — which snapshots this process has. */
import type { Oid, TransactionId } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { newSnapshot, type Snapshot, type SnapshotKind } from '#transam/snapshot-data.ts';
export { newSnapshot, type Snapshot, type SnapshotKind };
const later = (): never =>
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'transactions are not there yet' });
export const SNAPSHOT_SELF: Snapshot = newSnapshot('self');
export const SNAPSHOT_ANY: Snapshot = newSnapshot('any');
export const initDirtySnapshot = (): Snapshot => newSnapshot('dirty');
export const getTransactionSnapshot = (): Snapshot => later();
export const getLatestSnapshot = (): Snapshot => later();
export const getOldestSnapshot = (): Snapshot | null => later();
export const getCatalogSnapshot = (_relid: Oid): Snapshot => later();
export const getNonHistoricCatalogSnapshot = (_relid: Oid): Snapshot => later();
export const invalidateCatalogSnapshot = (): void => later();
export const invalidateCatalogSnapshotConditionally = (): void => later();
export const pushActiveSnapshot = (_snapshot: Snapshot): void => later();
export const pushActiveSnapshotWithLevel = (_snapshot: Snapshot, _level: number): void => later();
export const pushCopiedSnapshot = (_snapshot: Snapshot): void => later();
export const updateActiveSnapshotCommandId = (): void => later();
export const popActiveSnapshot = (): void => later();
export const getActiveSnapshot = (): Snapshot => later();
export const activeSnapshotSet = (): boolean => later();
export const haveRegisteredOrActiveSnapshot = (): boolean => later();
export const registerSnapshot = (_snapshot: Snapshot): Snapshot => later();
export const unregisterSnapshot = (_snapshot: Snapshot): void => later();
export const xidInMvccSnapshot = (_xid: TransactionId, _snapshot: Snapshot): boolean => later();
export const exportSnapshot = (_snapshot: Snapshot): string => later();
export const importSnapshot = (_id: string): void => later();
export const transactionIdLimitedForOldSnapshots = (recentXmin: TransactionId): TransactionId => recentXmin;
/** TransactionXmin: the xmin of my transaction's snapshots; xids before it need no look-up of parents. */
export const transactionXmin = (): TransactionId => later();
export const recentXmin = (): TransactionId => later();
