/** recovery-conflict.ts — on a standby, queries that could still see what a record removes must go first.
 *  Counterpart: ResolveRecoveryConflictWithSnapshot() of src/backend/storage/ipc/standby.c */
import type { RelFileNode, TransactionId } from '#base/ids.ts';
import { inHotStandby } from '#wal/recovery-state.ts';

let resolve: ((latestRemovedXid: TransactionId, rnode: RelFileNode) => void) | null = null;
/** The standby code installs how conflicts are resolved. */
export function setSnapshotConflictResolver(by: (latestRemovedXid: TransactionId, rnode: RelFileNode) => void): void {
  resolve = by;
}
export function resolveRecoveryConflictWithSnapshot(latestRemovedXid: TransactionId, rnode: RelFileNode): void {
  if (inHotStandby()) resolve?.(latestRemovedXid, rnode);
}
