/** lock-facts.ts — what the lock manager must ask of the transactions above it.
 *
 *  transam registers the functions when it is loaded. Without it (tests of this layer alone) no transaction runs.
 *  Counterpart: the calls that lock.c, lmgr.c and predicate.c make into xact.c, procarray.c, twophase.c and xlog.c */
import type { PredicateSnapshot } from '#storage/lmgr/predicate-relation.ts';

export interface LockFacts {
  recoveryInProgress(): boolean;
  /** wal_level is at least replica: a standby must hear of exclusive relation locks. */
  standbyInfoActive(): boolean;
  /** Assigns a transaction id if there is none. */
  getCurrentTransactionId(): number;
  getTopTransactionIdIfAny(): number;
  transactionIdIsInProgress(xid: number): boolean;
  transactionIdIsCurrentTransactionId(xid: number): boolean;
  transactionIdDidCommit(xid: number): boolean;
  /** Top-level parent of a subtransaction, from pg_subtrans. */
  subTransGetTopmostTransaction(xid: number): number;
  /** Oldest xid of which subtransactions may still be asked: TransactionXmin. */
  transactionXmin(): number;
  readNextTransactionId(): number;
  /** Next transaction of this virtual xid that was prepared; 0 for none. `after` continues a search. */
  twoPhaseGetXidByVirtualXid(backendId: number, localTransactionId: number, after: number): number;
  /** PGPROC number of a prepared transaction's stand-in, -1 for none. */
  twoPhaseGetDummyProc(xid: number): number;
  registerTwoPhaseRecord(rmid: number, info: number, data: Uint8Array): void;
  /** WAL record that tells standbys of an AccessExclusiveLock; returns nothing. */
  logAccessExclusiveLock(xid: number, database: number, relation: number): void;
  pgstatReportDeadlock(): void;
  // ── predicate locking ──
  isSubTransaction(): boolean;
  /** Fills the snapshot as getSnapshotData() does; returns it. */
  getSnapshotData(snapshot: PredicateSnapshot): PredicateSnapshot;
  /** The snapshot that this serializable transaction keeps. */
  getTransactionSnapshot(): PredicateSnapshot;
  /** Takes over an imported snapshot's xmin while its source still holds it; false if the source is gone. */
  procArrayInstallImportedXmin(xmin: number, backendId: number, localTransactionId: number): boolean;
  /** Next xid, without a lock. */
  nextXid(): number;
}

const noTransactions = (): never => {
  throw new Error('no transactions are registered with the lock manager');
};

export const lockFacts: LockFacts = {
  recoveryInProgress: () => false,
  standbyInfoActive: () => false,
  getCurrentTransactionId: () => 0,
  getTopTransactionIdIfAny: () => 0,
  transactionIdIsInProgress: () => false,
  transactionIdIsCurrentTransactionId: () => false,
  transactionIdDidCommit: () => false,
  subTransGetTopmostTransaction: (xid) => xid,
  transactionXmin: () => 0,
  readNextTransactionId: () => 0,
  twoPhaseGetXidByVirtualXid: () => 0,
  twoPhaseGetDummyProc: () => -1,
  registerTwoPhaseRecord() {},
  logAccessExclusiveLock() {},
  pgstatReportDeadlock() {},
  isSubTransaction: () => false,
  getSnapshotData: noTransactions,
  getTransactionSnapshot: noTransactions,
  procArrayInstallImportedXmin: noTransactions,
  nextXid: noTransactions,
};

/** Each part of transam brings what it knows. */
export function registerLockFacts(facts: Partial<LockFacts>): void {
  Object.assign(lockFacts, facts);
}

/** TWOPHASE_RM_* ids of the records that this layer writes into two-phase state files. */
export const TWO_PHASE_RM = { lock: 1, predicateLock: 4 } as const;
