/** xact-callbacks.ts — who takes part in the end of a transaction, in a fixed order.
 *
 *  A participant names its rank once; every phase runs the participants in ascending rank, as PostgreSQL orders the calls
 *  in CommitTransaction(), AbortTransaction() and PrepareTransaction(). Between the ranks stand what xact.ts does itself:
 *
 *    COMMIT   preCommit (all, repeated) → beforeCommit (all) → interrupts held → lateCommit (all) → commit record, CLOG,
 *             ProcArray → atCommit: ranks below `resources` → owners: before locks → ranks below `locks` → owners: locks,
 *             after locks → ranks below `guc` → parameters → the rest
 *    ABORT    atAbort: ranks below `wal` → abort record, CLOG, ProcArray → the rest as atCommit
 *    PREPARE  preCommit, beforeCommit → writePrepare (state file records) → prepare record → postPrepare → atPrepare in
 *             the steps of atCommit
 *  Counterpart: the AtEOXact_… calls and RegisterXactCallback() of src/backend/access/transam/xact.c */
import type { TransactionId } from '#base/ids.ts';

/** Ranks. Gaps are for participants of later milestones. */
export const XACT_RANK = {
  extensions: 10,
  portals: 20,
  triggers: 30,
  /** ON COMMIT DELETE ROWS and DROP. */
  onCommitActions: 32,
  /** fsync of what was written without WAL (wal_level minimal). */
  pendingSyncs: 34,
  largeObjects: 36,
  notify: 40,
  serialization: 44,
  relationMap: 46,
  twoPhase: 48,
  wal: 50,
  procArray: 60,
  resources: 70,
  buffers: 72,
  relationCache: 74,
  sinval: 80,
  multixact: 85,
  locks: 90,
  pendingDeletes: 96,
  /** NOTIFY wakes the listeners. */
  notifyCommit: 98,
  guc: 100,
  spi: 110,
  namespace: 120,
  files: 130,
  snapshot: 140,
  statistics: 150,
  listeners: 160,
} as const satisfies Record<string, number>;

export interface XactParticipant {
  readonly name: string;
  readonly rank: number;
  atStart?(): void;
  /** Work that may fail. True means: something ran that may have given others new work, ask everybody again. */
  preCommit?(isPrepare: boolean): boolean;
  /** Once, after all preCommit: may fail. */
  beforeCommit?(isPrepare: boolean): void;
  /** Interrupts are held: the last moment before the commit record at which something may fail. Not at PREPARE. */
  lateCommit?(): void;
  /** The transaction is committed: must not fail. */
  atCommit?(): void;
  /** Registers what a prepared transaction must find again (registerTwoPhaseRecord). May fail. */
  writePrepare?(xid: TransactionId): void;
  /** The transaction is prepared, its locks and the like now belong to its stand-in: must not fail. */
  postPrepare?(xid: TransactionId): void;
  /** What atCommit is for COMMIT. */
  atPrepare?(): void;
  /** Inside AbortTransaction: undo, must not fail. */
  atAbort?(): void;
  /** The state that a failed block kept until ROLLBACK goes away. */
  atCleanup?(): void;
  /** A command has changed something and the next one begins to see it. */
  atCommandEnd?(): void;
  atSubStart?(subId: number, parentId: number): void;
  preSubCommit?(subId: number, parentId: number): void;
  atSubCommit?(subId: number, parentId: number, parentLevel: number): void;
  atSubAbort?(subId: number, parentId: number, parentLevel: number): void;
  atSubCleanup?(subId: number): void;
}

const participants: XactParticipant[] = [];

/** Returns the function that takes the participant off again. */
export function registerXactParticipant(participant: XactParticipant): () => void {
  participants.push(participant);
  // A stable sort keeps the order of registration among equals.
  participants.sort((a, b) => a.rank - b.rank);
  return () => {
    const at = participants.indexOf(participant);
    if (at >= 0) participants.splice(at, 1);
  };
}

export function callAtStart(): void {
  for (let i = 0; i < participants.length; i++) participants[i]!.atStart?.();
}
/** Repeats until nobody had anything to do: a trigger may open a portal, a portal's end may fire a trigger. */
export function callPreCommit(isPrepare: boolean): void {
  let again = true;
  while (again) {
    again = false;
    for (let i = 0; i < participants.length; i++) if (participants[i]!.preCommit?.(isPrepare) === true) again = true;
  }
}
export function callBeforeCommit(isPrepare: boolean): void {
  for (let i = 0; i < participants.length; i++) participants[i]!.beforeCommit?.(isPrepare);
}
export function callLateCommit(): void {
  for (let i = 0; i < participants.length; i++) participants[i]!.lateCommit?.();
}
export function callWritePrepare(xid: TransactionId): void {
  for (let i = 0; i < participants.length; i++) participants[i]!.writePrepare?.(xid);
}
export function callPostPrepare(xid: TransactionId): void {
  for (let i = 0; i < participants.length; i++) participants[i]!.postPrepare?.(xid);
}
/** Of the ranks from `from` up to, not including, `to`. */
export function callAtCommit(from: number, to: number): void {
  for (let i = 0; i < participants.length; i++) {
    const one = participants[i]!;
    if (one.rank >= from && one.rank < to) one.atCommit?.();
  }
}
export function callAtPrepare(from: number, to: number): void {
  for (let i = 0; i < participants.length; i++) {
    const one = participants[i]!;
    if (one.rank >= from && one.rank < to) one.atPrepare?.();
  }
}
export function callAtAbort(from: number, to: number): void {
  for (let i = 0; i < participants.length; i++) {
    const one = participants[i]!;
    if (one.rank >= from && one.rank < to) one.atAbort?.();
  }
}
export function callAtCommandEnd(): void {
  for (let i = 0; i < participants.length; i++) participants[i]!.atCommandEnd?.();
}
export function callAtCleanup(): void {
  for (let i = 0; i < participants.length; i++) participants[i]!.atCleanup?.();
}
export function callAtSubStart(subId: number, parentId: number): void {
  for (let i = 0; i < participants.length; i++) participants[i]!.atSubStart?.(subId, parentId);
}
export function callPreSubCommit(subId: number, parentId: number): void {
  for (let i = 0; i < participants.length; i++) participants[i]!.preSubCommit?.(subId, parentId);
}
export function callAtSubCommit(subId: number, parentId: number, parentLevel: number, from: number, to: number): void {
  for (let i = 0; i < participants.length; i++) {
    const one = participants[i]!;
    if (one.rank >= from && one.rank < to) one.atSubCommit?.(subId, parentId, parentLevel);
  }
}
export function callAtSubAbort(subId: number, parentId: number, parentLevel: number, from: number, to: number): void {
  for (let i = 0; i < participants.length; i++) {
    const one = participants[i]!;
    if (one.rank >= from && one.rank < to) one.atSubAbort?.(subId, parentId, parentLevel);
  }
}
export function callAtSubCleanup(subId: number): void {
  for (let i = 0; i < participants.length; i++) participants[i]!.atSubCleanup?.(subId);
}
