/** proc-array.ts — which transactions run. */
import type { FullTransactionId, Oid, TransactionId } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import type { GlobalVisState, HorizonKind } from '#transam/global-vis.ts';
import type { Snapshot } from '#transam/snapshot-data.ts';
export type { GlobalVisState, HorizonKind };
const later = (): never =>
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'transactions are not there yet' });
export interface VirtualTransactionId {
  readonly backendId: number;
  readonly localTransactionId: number;
}
export const procArrayAdd = (_procNumber: number): void => later();
export const procArrayRemove = (_procNumber: number, _latestXid: TransactionId): void => later();
export const procArrayEndTransaction = (_latestXid: TransactionId): void => later();
export const transactionIdIsInProgress = (_xid: TransactionId): boolean => later();
/** Does the xid belong to a live process (not to a prepared transaction)? */
export const transactionIdIsActive = (_xid: TransactionId): boolean => later();
export const getSnapshotData = (_snapshot: Snapshot): Snapshot => later();
export const getOldestNonRemovableTransactionId = (_kind: HorizonKind): TransactionId => later();
export const getOldestTransactionIdConsideredRunning = (): TransactionId => later();
export const getOldestActiveTransactionId = (): TransactionId => later();
export const getOldestSafeDecodingTransactionId = (_catalogOnly: boolean): TransactionId => later();
export const globalVisTestFor = (_kind: HorizonKind): GlobalVisState => later();
export const globalVisTestIsRemovableXid = (_state: GlobalVisState, _xid: TransactionId): boolean => later();
export const globalVisTestIsRemovableFullXid = (_state: GlobalVisState, _full: FullTransactionId): boolean => later();
export const globalVisTestNonRemovableHorizon = (_state: GlobalVisState): TransactionId => later();
export const globalVisCheckRemovableXid = (_kind: HorizonKind, _xid: TransactionId): boolean => later();
export const globalVisCheckRemovableFullXid = (_kind: HorizonKind, _full: FullTransactionId): boolean => later();
/** PGPROC number of a client, worker or walsender, -1 if there is none of that pid. */
export const backendPidGetProc = (_pid: number): number => later();
export const backendXidGetPid = (_xid: TransactionId): number => later();
export const countDbBackends = (_databaseId: Oid): number => later();
export const countUserBackends = (_roleId: Oid): number => later();
/** Waits up to five seconds for others to leave the database; true if some are still there. */
export const countOtherDbBackends = (_databaseId: Oid): { conflict: boolean; backends: number; prepared: number } =>
  later();
export const minimumActiveBackends = (_min: number): boolean => later();
export const getVirtualXidsDelayingChkpt = (_type: number): VirtualTransactionId[] => later();
export const haveVirtualXidsDelayingChkpt = (_vxids: readonly VirtualTransactionId[], _type: number): boolean =>
  later();
/** Running transactions that could hold an older snapshot (CREATE INDEX CONCURRENTLY). */
export const getCurrentVirtualXids = (
  _limitXmin: TransactionId,
  _excludeXmin0: boolean,
  _allDbs: boolean,
  _excludeVacuum: number,
): VirtualTransactionId[] => later();
export const xidCacheRemoveRunningXids = (
  _xid: TransactionId,
  _children: readonly TransactionId[],
  _latestXid: TransactionId,
): void => later();
export const procArraySetReplicationSlotXmin = (
  _xmin: TransactionId,
  _catalogXmin: TransactionId,
  _alreadyLocked: boolean,
): void => later();
export const procArrayInstallImportedXmin = (_xmin: TransactionId, _source: VirtualTransactionId): boolean => later();
export const procArrayInstallRestoredXmin = (_xmin: TransactionId, _procNumber: number): boolean => later();
export const PROC_IS_AUTOVACUUM = 0x01;
export const PROC_IN_VACUUM = 0x02;
export const PROC_IN_SAFE_IC = 0x04;
export const PROC_VACUUM_FOR_WRAPAROUND = 0x08;
export const PROC_IN_LOGICAL_DECODING = 0x10;
export const PROC_AFFECTS_ALL_HORIZONS = 0x20;
export const DELAY_CHKPT_START = 1;
export const DELAY_CHKPT_COMPLETE = 2;
/** Sets bits of my statusFlags, in PGPROC and the dense copy. */
export const setMyStatusFlags = (_set: number): void => later();
export const setMyDelayChkptFlags = (_set: number): void => later();
export const clearMyDelayChkptFlags = (_clear: number): void => later();
