/** xact-hooks.ts — what the end of a transaction must ask of the layers above: files, caches, statistics, replication.
 *
 *  Each owner fills in its own. Unfilled hooks are those of a program that has nothing of the kind.
 *  Counterpart: the calls that xact.c and twophase.c make into storage.c, inval.c, pgstat_xact.c, syncrep.c */
import type { Lsn, Oid, RelFileNode, TransactionId } from '#base/ids.ts';

/** An object whose statistics go with the transaction. */
export interface DroppedStats {
  readonly kind: number;
  readonly databaseId: Oid;
  readonly objectId: Oid;
}
/** Messages of 16 bytes, as they stand in the record. */
export interface CommitInvalidations {
  readonly messages: Uint8Array;
  readonly count: number;
  readonly relcacheInitFileInval: boolean;
}

export const xactHooks: {
  /** Files to delete when this transaction ends this way (catalog/storage.ts). */
  pendingDeletes: (isCommit: boolean) => readonly RelFileNode[];
  /** Deletes files whose transaction has ended, outside that transaction (COMMIT PREPARED, redo). */
  dropRelationFiles: (files: readonly RelFileNode[], isRedo: boolean) => void;
  droppedStats: (isCommit: boolean) => readonly DroppedStats[];
  executeDroppedStats: (stats: readonly DroppedStats[], isRedo: boolean) => void;
  /** What this transaction's commit invalidates, for standbys (catalog/inval.ts). */
  committedInvalidations: () => CommitInvalidations;
  /** Sends the messages of somebody else's commit to everybody. */
  processCommittedInvalidations: (invals: CommitInvalidations, databaseId: Oid, tablespaceId: Oid) => void;
  /** Before and after the messages of a transaction that invalidate the relcache init file. */
  relcacheInitFilePreInvalidate: () => void;
  relcacheInitFilePostInvalidate: () => void;
  sendInvalidations: (messages: Uint8Array, count: number) => void;
  /** Waits until standbys have what synchronous_commit asks for. */
  syncRepWait: (lsn: Lsn, isCommit: boolean) => void;
  /** Of this session. */
  databaseTablespace: () => Oid;
  userId: () => Oid;
  isSuperuser: () => boolean;
  roleName: (role: Oid) => string | null;
  databaseName: (database: Oid) => string | null;
  /** Replication origin of the session: id 0 for none. */
  origin: () => { readonly id: number; readonly lsn: Lsn; readonly time: number };
  /** The origin has replayed up to its commit's position. */
  originAdvance: (id: number, remoteCommit: Lsn, localCommit: Lsn, goBackward: boolean, walLog: boolean) => void;
  /** A standby holds this lock for a transaction of its primary. */
  standbyAcquireLock: (xid: TransactionId, databaseId: Oid, relationId: Oid) => void;
  standbyReleaseLockTree: (xid: TransactionId, subxids: readonly TransactionId[]) => void;
  standbyReleaseOldLocks: (oldestRunning: TransactionId) => void;
  /** The walreceiver answers at once (remote_apply). */
  requestWalReceiverReply: () => void;
} = {
  pendingDeletes: () => [],
  dropRelationFiles() {},
  droppedStats: () => [],
  executeDroppedStats() {},
  committedInvalidations: () => NO_INVALIDATIONS,
  processCommittedInvalidations() {},
  relcacheInitFilePreInvalidate() {},
  relcacheInitFilePostInvalidate() {},
  sendInvalidations() {},
  syncRepWait() {},
  databaseTablespace: () => 1663 as Oid,
  userId: () => 10 as Oid,
  isSuperuser: () => true,
  roleName: () => null,
  databaseName: () => null,
  origin: () => NO_ORIGIN,
  originAdvance() {},
  standbyAcquireLock() {},
  standbyReleaseLockTree() {},
  standbyReleaseOldLocks() {},
  requestWalReceiverReply() {},
};
export const NO_INVALIDATIONS: CommitInvalidations = {
  messages: new Uint8Array(0),
  count: 0,
  relcacheInitFileInval: false,
};
const NO_ORIGIN = { id: 0, lsn: 0 as Lsn, time: 0 };

export function registerXactHooks(hooks: Partial<typeof xactHooks>): void {
  Object.assign(xactHooks, hooks);
}
