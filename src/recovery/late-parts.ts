/** late-parts.ts — what recovery and checkpoints ask of parts of the server that come later: replication, saved
 *  statistics. Each fills in its own; a part that is not there answers as an empty one.
 *  Counterpart: the calls out of StartupXLOG() and CheckPointGuts() */

export interface LateParts {
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
  startupStatistics() {},
  startupReplicationSlots() {},
  checkPointReplicationSlots() {},
  invalidateObsoleteSlots: () => false,
  wakeWalSenders() {},
  stopWalSenders() {},
};
