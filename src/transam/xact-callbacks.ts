/** xact-callbacks.ts — who takes part in the end of a transaction, in a fixed order.
 *
 *  A participant names its rank once; every phase runs the participants in ascending rank. Ranks follow PostgreSQL's
 *  order of calls in CommitTransaction() and AbortTransaction().
 *  Counterpart: the AtEOXact_… calls and RegisterXactCallback() of src/backend/access/transam/xact.c */

/** Ranks. Gaps are for participants of later milestones. */
export const XACT_RANK = {
  extensions: 10,
  portals: 20,
  triggers: 30,
  notify: 40,
  wal: 50,
  procArray: 60,
  resources: 70,
  sinval: 80,
  locks: 90,
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
  /** The transaction is committed: must not fail. */
  atCommit?(): void;
  atPrepare?(): void;
  /** Inside AbortTransaction: undo, must not fail. */
  atAbort?(): void;
  /** The state that a failed block kept until ROLLBACK goes away. */
  atCleanup?(): void;
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
export function callAtCommit(): void {
  for (let i = 0; i < participants.length; i++) participants[i]!.atCommit?.();
}
export function callAtPrepare(): void {
  for (let i = 0; i < participants.length; i++) participants[i]!.atPrepare?.();
}
export function callAtAbort(): void {
  for (let i = 0; i < participants.length; i++) participants[i]!.atAbort?.();
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
export function callAtSubCommit(subId: number, parentId: number, parentLevel: number): void {
  for (let i = 0; i < participants.length; i++) participants[i]!.atSubCommit?.(subId, parentId, parentLevel);
}
export function callAtSubAbort(subId: number, parentId: number, parentLevel: number): void {
  for (let i = 0; i < participants.length; i++) participants[i]!.atSubAbort?.(subId, parentId, parentLevel);
}
export function callAtSubCleanup(subId: number): void {
  for (let i = 0; i < participants.length; i++) participants[i]!.atSubCleanup?.(subId);
}
