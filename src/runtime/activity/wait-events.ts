/** wait-events.ts — the name of every sleep: what pg_stat_activity shows in wait_event_type and wait_event.
 *
 *  wait_event_info is one word: class byte << 24 | id. Ids of Activity … IO number from 0 in the order of these tables,
 *  which is PostgreSQL 15's; processes that 15 does not have (stats collector, WAL summarizer) come after its own.
 *  Counterpart: src/backend/utils/activity/wait_event.c */

export const WAIT_CLASS = {
  LWLock: 0x01,
  Lock: 0x03,
  BufferPin: 0x04,
  Activity: 0x05,
  Client: 0x06,
  Extension: 0x07,
  IPC: 0x08,
  Timeout: 0x09,
  IO: 0x0a,
} as const satisfies Record<string, number>;
export type WaitClass = keyof typeof WAIT_CLASS;

const ACTIVITY = [
  'ArchiverMain',
  'AutoVacuumMain',
  'BgWriterHibernate',
  'BgWriterMain',
  'CheckpointerMain',
  'LogicalApplyMain',
  'LogicalLauncherMain',
  'RecoveryWalStream',
  'SysLoggerMain',
  'WalReceiverMain',
  'WalSenderMain',
  'WalWriterMain',
  'StatsCollectorMain',
  'WalSummarizerWal',
  'LogicalParallelApplyMain',
] as const;

const CLIENT = [
  'ClientRead',
  'ClientWrite',
  'GSSOpenServer',
  'LibPQWalReceiverConnect',
  'LibPQWalReceiverReceive',
  'SSLOpenServer',
  'WalSenderWaitForWAL',
  'WalSenderWriteData',
] as const;

const IPC = [
  'AppendReady',
  'ArchiveCleanupCommand',
  'ArchiveCommand',
  'BackendTermination',
  'BackupWaitWalArchive',
  'BgWorkerShutdown',
  'BgWorkerStartup',
  'BtreePage',
  'BufferIO',
  'CheckpointDone',
  'CheckpointStart',
  'ExecuteGather',
  'HashBatchAllocate',
  'HashBatchElect',
  'HashBatchLoad',
  'HashBuildAllocate',
  'HashBuildElect',
  'HashBuildHashInner',
  'HashBuildHashOuter',
  'HashGrowBatchesAllocate',
  'HashGrowBatchesDecide',
  'HashGrowBatchesElect',
  'HashGrowBatchesFinish',
  'HashGrowBatchesRepartition',
  'HashGrowBucketsAllocate',
  'HashGrowBucketsElect',
  'HashGrowBucketsReinsert',
  'LogicalSyncData',
  'LogicalSyncStateChange',
  'MessageQueueInternal',
  'MessageQueuePutMessage',
  'MessageQueueReceive',
  'MessageQueueSend',
  'ParallelBitmapScan',
  'ParallelCreateIndexScan',
  'ParallelFinish',
  'ProcArrayGroupUpdate',
  'ProcSignalBarrier',
  'Promote',
  'RecoveryConflictSnapshot',
  'RecoveryConflictTablespace',
  'RecoveryEndCommand',
  'RecoveryPause',
  'ReplicationOriginDrop',
  'ReplicationSlotDrop',
  'RestoreCommand',
  'SafeSnapshot',
  'SyncRep',
  'WalReceiverExit',
  'WalReceiverWaitStart',
  'XactGroupUpdate',
] as const;

const TIMEOUT = [
  'BaseBackupThrottle',
  'CheckpointWriteDelay',
  'PgSleep',
  'RecoveryApplyDelay',
  'RecoveryRetrieveRetryInterval',
  'RegisterSyncRequest',
  'VacuumDelay',
  'VacuumTruncate',
  'SpinDelay',
  'WalSummarizerError',
] as const;

const IO = [
  'BaseBackupRead',
  'BaseBackupSync',
  'BaseBackupWrite',
  'BufFileRead',
  'BufFileWrite',
  'BufFileTruncate',
  'ControlFileRead',
  'ControlFileSync',
  'ControlFileSyncUpdate',
  'ControlFileWrite',
  'ControlFileWriteUpdate',
  'CopyFileRead',
  'CopyFileWrite',
  'DataFileExtend',
  'DataFileFlush',
  'DataFileImmediateSync',
  'DataFilePrefetch',
  'DataFileRead',
  'DataFileSync',
  'DataFileTruncate',
  'DataFileWrite',
  'DSMFillZeroWrite',
  'LockFileAddToDataDirRead',
  'LockFileAddToDataDirSync',
  'LockFileAddToDataDirWrite',
  'LockFileCreateRead',
  'LockFileCreateSync',
  'LockFileCreateWrite',
  'LockFileReCheckDataDirRead',
  'LogicalRewriteCheckpointSync',
  'LogicalRewriteMappingSync',
  'LogicalRewriteMappingWrite',
  'LogicalRewriteSync',
  'LogicalRewriteTruncate',
  'LogicalRewriteWrite',
  'RelationMapRead',
  'RelationMapSync',
  'RelationMapWrite',
  'ReorderBufferRead',
  'ReorderBufferWrite',
  'ReorderLogicalMappingRead',
  'ReplicationSlotRead',
  'ReplicationSlotRestoreSync',
  'ReplicationSlotSync',
  'ReplicationSlotWrite',
  'SLRUFlushSync',
  'SLRURead',
  'SLRUSync',
  'SLRUWrite',
  'SnapbuildRead',
  'SnapbuildSync',
  'SnapbuildWrite',
  'TimelineHistoryFileSync',
  'TimelineHistoryFileWrite',
  'TimelineHistoryRead',
  'TimelineHistorySync',
  'TimelineHistoryWrite',
  'TwophaseFileRead',
  'TwophaseFileSync',
  'TwophaseFileWrite',
  'VersionFileWrite',
  'WALSenderTimelineHistoryRead',
  'WALBootstrapSync',
  'WALBootstrapWrite',
  'WALCopyRead',
  'WALCopySync',
  'WALCopyWrite',
  'WALInitSync',
  'WALInitWrite',
  'WALRead',
  'WALSync',
  'WALSyncMethodAssign',
  'WALWrite',
] as const;

const LOCK = [
  'relation',
  'extend',
  'frozenid',
  'page',
  'tuple',
  'transactionid',
  'virtualxid',
  'spectoken',
  'object',
  'userlock',
  'advisory',
] as const;

const NAMES: Readonly<Record<number, readonly string[]>> = {
  [WAIT_CLASS.Lock]: LOCK,
  [WAIT_CLASS.BufferPin]: ['BufferPin'],
  [WAIT_CLASS.Activity]: ACTIVITY,
  [WAIT_CLASS.Client]: CLIENT,
  [WAIT_CLASS.Extension]: ['Extension'],
  [WAIT_CLASS.IPC]: IPC,
  [WAIT_CLASS.Timeout]: TIMEOUT,
  [WAIT_CLASS.IO]: IO,
};
const CLASS_NAMES: Readonly<Record<number, WaitClass>> = Object.fromEntries(
  Object.entries(WAIT_CLASS).map(([name, id]) => [id, name as WaitClass]),
);

type EventMap<N extends readonly string[]> = { readonly [K in N[number]]: number };
function number<N extends readonly string[]>(cls: number, names: N): EventMap<N> {
  return Object.fromEntries(names.map((name, id) => [name, (cls << 24) | id])) as EventMap<N>;
}

/** wait_event_info by name: `WAIT_EVENT.BgWriterMain`. */
export const WAIT_EVENT = {
  ...number(WAIT_CLASS.Activity, ACTIVITY),
  ...number(WAIT_CLASS.Client, CLIENT),
  ...number(WAIT_CLASS.IPC, IPC),
  ...number(WAIT_CLASS.Timeout, TIMEOUT),
  ...number(WAIT_CLASS.IO, IO),
  BufferPin: WAIT_CLASS.BufferPin << 24,
  Extension: WAIT_CLASS.Extension << 24,
} as const;
export type WaitEventName = keyof typeof WAIT_EVENT;

export const lwLockWaitEvent = (tranche: number): number => (WAIT_CLASS.LWLock << 24) | tranche;

/** Names of LWLock tranches belong to shm/lwlock-list.ts, which registers them here. */
let trancheName: (tranche: number) => string = () => 'extension';
export function setTrancheNames(by: (tranche: number) => string): void {
  trancheName = by;
}

/** [wait_event_type, wait_event] of a wait_event_info word; undefined while not waiting. */
export function describeWaitEvent(info: number): readonly [WaitClass, string] | undefined {
  const cls = info >>> 24;
  const id = info & 0xffff;
  const type = CLASS_NAMES[cls];
  if (info === 0 || type === undefined) return undefined;
  if (type === 'LWLock') return [type, trancheName(id)];
  return [type, NAMES[cls]?.[id] ?? 'unknown wait event'];
}
