/** lwlock-list.ts — every lock of the main array and every built-in tranche, with PostgreSQL 15's numbers.
 *
 *  An individual lock's id is its index in the main array and its tranche. Numbers are written out because wait events
 *  show them; 10 and 45 are unused in 15.
 *  Counterpart: src/backend/storage/lmgr/lwlocknames.txt, lwlock.c */
import { setTrancheNames } from '#runtime/activity/wait-events.ts';

export const INDIVIDUAL_LWLOCKS = {
  ShmemIndex: 1,
  OidGen: 2,
  XidGen: 3,
  ProcArray: 4,
  SInvalRead: 5,
  SInvalWrite: 6,
  WALBufMapping: 7,
  WALWrite: 8,
  ControlFile: 9,
  XactSLRU: 11,
  SubtransSLRU: 12,
  MultiXactGen: 13,
  MultiXactOffsetSLRU: 14,
  MultiXactMemberSLRU: 15,
  RelCacheInit: 16,
  CheckpointerComm: 17,
  TwoPhaseState: 18,
  TablespaceCreate: 19,
  BtreeVacuum: 20,
  AddinShmemInit: 21,
  Autovacuum: 22,
  AutovacuumSchedule: 23,
  SyncScan: 24,
  RelationMapping: 25,
  NotifySLRU: 26,
  NotifyQueue: 27,
  SerializableXactHash: 28,
  SerializableFinishedList: 29,
  SerializablePredicateList: 30,
  SerialSLRU: 31,
  SyncRep: 32,
  BackgroundWorker: 33,
  DynamicSharedMemoryControl: 34,
  AutoFile: 35,
  ReplicationSlotAllocation: 36,
  ReplicationSlotControl: 37,
  CommitTsSLRU: 38,
  CommitTs: 39,
  ReplicationOrigin: 40,
  MultiXactTruncation: 41,
  OldSnapshotTimeMap: 42,
  LogicalRepWorker: 43,
  XactTruncation: 44,
  WrapLimitsVacuum: 46,
  NotifyQueueTail: 47,
} as const satisfies Record<string, number>;
export type LWLockName = keyof typeof INDIVIDUAL_LWLOCKS;
export const NUM_INDIVIDUAL_LWLOCKS = 48;

export const BUILTIN_TRANCHES = {
  XactBuffer: 48,
  CommitTSBuffer: 49,
  SubtransBuffer: 50,
  MultiXactOffsetBuffer: 51,
  MultiXactMemberBuffer: 52,
  NotifyBuffer: 53,
  SerialBuffer: 54,
  WALInsert: 55,
  BufferContent: 56,
  ReplicationOriginState: 57,
  ReplicationSlotIO: 58,
  LockFastPath: 59,
  BufferMapping: 60,
  LockManager: 61,
  PredicateLockManager: 62,
  ParallelHashJoin: 63,
  ParallelQueryDSA: 64,
  PerSessionDSA: 65,
  PerSessionRecordType: 66,
  PerSessionRecordTypmod: 67,
  SharedTupleStore: 68,
  SharedTidBitmap: 69,
  ParallelAppend: 70,
  PerXactPredicateList: 71,
  PgStatsDSA: 72,
  PgStatsHash: 73,
  PgStatsData: 74,
} as const satisfies Record<string, number>;
export const FIRST_USER_TRANCHE = 75;

const names = new Map<number, string>();
for (const [name, id] of Object.entries(INDIVIDUAL_LWLOCKS)) names.set(id, name);
for (const [name, id] of Object.entries(BUILTIN_TRANCHES)) names.set(id, name);

/** Process-local knowledge of an extension's tranche name; others see "extension". */
export function registerTrancheName(tranche: number, name: string): void {
  names.set(tranche, name);
}
setTrancheNames((tranche) => names.get(tranche) ?? 'extension');
