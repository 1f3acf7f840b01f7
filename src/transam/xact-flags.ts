/** xact-flags.ts — facts that commands leave for the end of the transaction.
 *  Counterpart: MyXactFlags, forceSyncCommit of src/backend/access/transam/xact.c */
export const xactFlags = {
  /** The command cannot be rolled back: an extended-protocol Execute must commit at once. */
  needImmediateCommit: false,
  /** An Execute message was completed without committing: a pipeline runs. */
  pipelining: false,
  accessedTempNamespace: false,
  /** A standby must take and release locks for this transaction. */
  acquiredAccessExclusiveLock: false,
  /** This commit must be on disk, whatever synchronous_commit says. */
  forceSyncCommit: false,
};

export function resetXactFlags(): void {
  xactFlags.needImmediateCommit = false;
  xactFlags.pipelining = false;
  xactFlags.accessedTempNamespace = false;
  xactFlags.acquiredAccessExclusiveLock = false;
  xactFlags.forceSyncCommit = false;
}
