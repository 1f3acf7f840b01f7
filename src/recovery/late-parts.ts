/** late-parts.ts — parts of a server that recovery and checkpoints drive and that other units own: one table of what is
 *  asked of them. A part that is not there answers as an empty one.
 *  Counterpart: the calls out of StartupXLOG() and CheckPointGuts() */
import type { Lsn, MultiXactId, Oid, TransactionId } from '#base/ids.ts';
import type { CheckPoint } from '#wal/check-point.ts';

export interface LateParts {
  // ── multixact.c ──
  setNextMultiXact(next: MultiXactId, nextOffset: number): void;
  advanceNextMultiXact(next: MultiXactId, nextOffset: number): void;
  setMultiXactLimit(oldest: MultiXactId, oldestDb: Oid): void;
  advanceOldestMultiXact(oldest: MultiXactId, oldestDb: Oid): void;
  startupMultiXact(): void;
  trimMultiXact(): void;
  checkPointMultiXact(): void;
  multiXactForCheckpoint(isShutdown: boolean): {
    next: MultiXactId;
    nextOffset: number;
    oldest: MultiXactId;
    oldestDb: Oid;
  };
  // ── twophase.c ──
  restoreTwoPhaseData(): void;
  prescanPreparedTransactions(): TransactionId;
  recoverPreparedTransactions(): void;
  checkPointTwoPhase(redo: Lsn): void;
  // ── standby.c: sessions during recovery ──
  /** Nothing ran on the primary at this checkpoint: the standby's picture of running transactions begins anew. */
  standbyShutdownCheckpoint(checkPoint: CheckPoint): void;
  /** A record of this transaction is about to be applied: it is running. */
  standbySeesXid(xid: TransactionId): void;
  startHotStandby(checkPoint: CheckPoint, wasShutdown: boolean): void;
  endHotStandby(): void;
  // ── reinit.c ──
  resetUnloggedRelations(phase: 'cleanup' | 'init'): void;
  // ── predicate.c ──
  checkPointPredicate(): void;
  // ── relcache.c, snapmgr.c, pgstat.c ──
  removeRelcacheInitFiles(): void;
  deleteExportedSnapshots(): void;
  startupStatistics(crashed: boolean): void;
  // ── replication ──
  checkPointReplicationSlots(): void;
  startupReplicationSlots(): void;
  wakeWalSenders(): void;
  /** Slots that need older WAL than `segment` are given up; true if there were any. */
  invalidateObsoleteSlots(segment: number): boolean;
  stopWalSenders(): void;
}

const multi = { next: 1 as MultiXactId, nextOffset: 0, oldest: 1 as MultiXactId, oldestDb: 1 as Oid };
export const lateParts: LateParts = {
  setNextMultiXact(next, nextOffset) {
    multi.next = next;
    multi.nextOffset = nextOffset;
  },
  advanceNextMultiXact(next, nextOffset) {
    if (((multi.next - next) | 0) < 0) multi.next = next;
    if (((multi.nextOffset - nextOffset) | 0) < 0) multi.nextOffset = nextOffset;
  },
  setMultiXactLimit(oldest, oldestDb) {
    multi.oldest = oldest;
    multi.oldestDb = oldestDb;
  },
  advanceOldestMultiXact(oldest, oldestDb) {
    multi.oldest = oldest;
    multi.oldestDb = oldestDb;
  },
  startupMultiXact() {},
  trimMultiXact() {},
  checkPointMultiXact() {},
  multiXactForCheckpoint: () => multi,
  restoreTwoPhaseData() {},
  prescanPreparedTransactions: () => 0 as TransactionId,
  recoverPreparedTransactions() {},
  checkPointTwoPhase() {},
  standbyShutdownCheckpoint() {},
  standbySeesXid() {},
  startHotStandby() {},
  endHotStandby() {},
  removeRelcacheInitFiles() {},
  deleteExportedSnapshots() {},
  startupStatistics() {},
  resetUnloggedRelations() {},
  checkPointPredicate() {},
  checkPointReplicationSlots() {},
  startupReplicationSlots() {},
  wakeWalSenders() {},
  invalidateObsoleteSlots: () => false,
  stopWalSenders() {},
};
