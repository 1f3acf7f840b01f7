/** on-commit.ts — what happens to temporary tables when their transaction commits.
 *  Counterpart: the ON COMMIT parts of src/backend/commands/tablecmds.c */
import type { Oid } from '#base/ids.ts';
import { performMultipleDeletions } from '#catalog/dependency.ts';
import { objectAddress } from '#catalog/object-address.ts';
import { RELATION } from '#catalog/oids.ts';
import { registerXactParticipant, XACT_RANK } from '#transam/xact-callbacks.ts';
import { getCurrentSubTransactionId, xactFlags } from '#transam/xact.ts';

export type OnCommitAction = 'deleteRows' | 'drop';
interface Entry {
  readonly relid: Oid;
  readonly action: OnCommitAction;
  /** Made, and dropped, by this subtransaction of the current transaction; 0 when that is over. */
  creatingSubid: number;
  deletingSubid: number;
}
/** Latest first. */
let entries: Entry[] = [];

export function registerOnCommitAction(relid: Oid, action: OnCommitAction): void {
  entries.unshift({ relid, action, creatingSubid: getCurrentSubTransactionId(), deletingSubid: 0 });
}
/** The relation is being dropped; should the drop be rolled back, the action counts again. */
export function removeOnCommitAction(relid: Oid): void {
  for (const entry of entries) {
    if (entry.relid === relid) entry.deletingSubid = getCurrentSubTransactionId();
  }
}

let truncate: (relids: readonly Oid[]) => void = () => {};
/** heap_truncate(), which lies above. */
export function setOnCommitTruncate(work: (relids: readonly Oid[]) => void): void {
  truncate = work;
}

function perform(): void {
  const toTruncate: Oid[] = [];
  const toDrop: Oid[] = [];
  for (const entry of entries) {
    if (entry.deletingSubid !== 0) continue;
    // Untouched in this transaction: nothing can be in it.
    if (entry.action === 'deleteRows') {
      if (xactFlags.accessedTempNamespace) toTruncate.push(entry.relid);
    } else toDrop.push(entry.relid);
  }
  if (toTruncate.length > 0) truncate(toTruncate);
  if (toDrop.length > 0) {
    const objects = toDrop.map((relid) => objectAddress(RELATION.pgClass, relid));
    performMultipleDeletions(objects, 'cascade', { internal: true, quietly: true });
  }
}

registerXactParticipant({
  name: 'ON COMMIT actions',
  rank: XACT_RANK.onCommitActions,
  beforeCommit: perform,
  atCommit() {
    entries = entries.filter((entry) => entry.deletingSubid === 0);
    for (const entry of entries) entry.creatingSubid = 0;
  },
  atAbort() {
    entries = entries.filter((entry) => entry.creatingSubid === 0);
    for (const entry of entries) entry.deletingSubid = 0;
  },
  atSubCommit(subId, parentId) {
    for (const entry of entries) {
      if (entry.creatingSubid === subId) entry.creatingSubid = parentId;
      if (entry.deletingSubid === subId) entry.deletingSubid = parentId;
    }
  },
  atSubAbort(subId) {
    entries = entries.filter((entry) => entry.creatingSubid !== subId);
    for (const entry of entries) if (entry.deletingSubid === subId) entry.deletingSubid = 0;
  },
});
