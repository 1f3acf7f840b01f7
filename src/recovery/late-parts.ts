/** late-parts.ts — what recovery and checkpoints ask of parts of the server that come later: replication, sessions during
 *  recovery, saved statistics. Each fills in its own; a part that is not there answers as an empty one.
 *  Counterpart: the calls out of StartupXLOG() and CheckPointGuts() */
import type { TransactionId } from '#base/ids.ts';
import type { CheckPoint } from '#wal/check-point.ts';

export interface LateParts {
  // ── standby.c: sessions during recovery ──
  startHotStandby(checkPoint: CheckPoint, wasShutdown: boolean): void;
  /** A record of this transaction is about to be applied: it is running. */
  standbySeesXid(xid: TransactionId): void;
  endHotStandby(): void;
  // ── pgstat.c ──
  startupStatistics(crashed: boolean): void;
  // ── replication ──
  startupReplicationSlots(): void;
  checkPointReplicationSlots(): void;
  /** Slots that need older WAL than `segment` are given up; true if there were any. */
  invalidateObsoleteSlots(segment: number): boolean;
  wakeWalSenders(): void;
  stopWalSenders(): void;
}

export const lateParts: LateParts = {
  startHotStandby() {},
  standbySeesXid() {},
  endHotStandby() {},
  startupStatistics() {},
  startupReplicationSlots() {},
  checkPointReplicationSlots() {},
  invalidateObsoleteSlots: () => false,
  wakeWalSenders() {},
  stopWalSenders() {},
};
