/** predicate-conflict.ts — rw-conflicts: one transaction did not see what another, concurrent one has written.
 *
 *  An anomaly needs a dangerous structure T1 → T2 → T3 of such conflicts in which T3 committed first. Each new conflict is
 *  examined for completing one; then one of the three is rolled back, the pivot T2 where that is still possible.
 *  The functions here expect SerializableXactHash to be held exclusively and may raise an error with it held.
 *  Counterpart: FlagRWConflict(), OnConflict_CheckForSerializationFailure() of src/backend/storage/lmgr/predicate.c */
import { assert } from '#base/assert.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { mem } from '#shm/memory.ts';
import { RwConflict, SXACT, Sxact } from '#storage/lmgr/predicate-layout.ts';
import { mySxact } from '#storage/lmgr/predicate-state.ts';
import {
  hasFlag,
  inConflictsOf,
  oldCommittedXact,
  outConflictsOf,
  possibleUnsafeOf,
  releaseRwConflict,
  setFlag,
  setRwConflict,
  someInConflict,
  someOutConflict,
} from '#storage/lmgr/predicate-table.ts';

export const serializationFailure = (reason: string): never =>
  report('ERROR', {
    code: SQLSTATE.tRSerializationFailure,
    message: 'could not serialize access due to read/write dependencies among transactions',
    detail: `Reason code: ${reason}`,
    hint: 'The transaction might succeed if retried.',
  });

/** Notes that `reader` did not see a write of `writer`. */
export function flagRwConflict(reader: number, writer: number): void {
  assert(reader !== writer, 'nobody conflicts with itself');
  checkForSerializationFailure(reader, writer);
  if (reader === oldCommittedXact()) setFlag(writer, SXACT.summaryConflictIn);
  else if (writer === oldCommittedXact()) setFlag(reader, SXACT.summaryConflictOut);
  else setRwConflict(reader, writer);
}

/** A read-only transaction has lost its chance of a safe snapshot. */
export function flagSxactUnsafe(sxact: number): void {
  assert(hasFlag(sxact, SXACT.readOnly) && !hasFlag(sxact, SXACT.roSafe), 'only read-only ones can be unsafe');
  setFlag(sxact, SXACT.roUnsafe);
  someInConflict(possibleUnsafeOf(sxact), (conflict) => releaseRwConflict(conflict));
}

const committed = (sxact: number): boolean => hasFlag(sxact, SXACT.committed);
/** Prepared, or committed: it cannot be rolled back any more. */
const prepared = (sxact: number): boolean => hasFlag(sxact, SXACT.prepared);
const readOnly = (sxact: number): boolean => hasFlag(sxact, SXACT.readOnly);
const snapshotSeqNo = (sxact: number): number => Sxact.lastCommitBeforeSnapshot.get(mem, sxact);

/** Would the conflict reader → writer complete a dangerous structure? Then somebody has to go. */
function checkForSerializationFailure(reader: number, writer: number): void {
  if (!writerIsPivot(reader, writer) && !readerIsPivot(reader, writer)) return;
  // Us, if we are the writer; the reader, if the writer cannot be stopped; else the writer, when it wants to commit.
  if (mySxact === writer) serializationFailure('Canceled on identification as a pivot, during write.');
  if (prepared(writer)) {
    assert(mySxact === reader, 'who is not the writer is the reader');
    serializationFailure(`Canceled on conflict out to pivot ${Sxact.topXid.get(mem, writer)}, during read.`);
  }
  setFlag(writer, SXACT.doomed);
}

/** R → W → T2, and T2 committed (or was prepared) first. */
function writerIsPivot(reader: number, writer: number): boolean {
  if (committed(writer) && (hasFlag(writer, SXACT.conflictOut) || hasFlag(writer, SXACT.summaryConflictOut)))
    return true;
  if (hasFlag(writer, SXACT.summaryConflictOut)) return true;
  return someOutConflict(outConflictsOf(writer), (conflict) => {
    const t2 = RwConflict.sxactIn.get(mem, conflict);
    if (!prepared(t2)) return false;
    const when = Sxact.prepareSeqNo.get(mem, t2);
    return (
      (!committed(reader) || when <= Sxact.commitSeqNo.get(mem, reader)) &&
      (!committed(writer) || when <= Sxact.commitSeqNo.get(mem, writer)) &&
      (!readOnly(reader) || when <= snapshotSeqNo(reader))
    );
  });
}

/** T0 → R → W, and W committed (or was prepared) first. */
function readerIsPivot(reader: number, writer: number): boolean {
  if (!prepared(writer) || readOnly(reader)) return false;
  if (hasFlag(reader, SXACT.summaryConflictIn)) return true;
  const when = Sxact.prepareSeqNo.get(mem, writer);
  return someInConflict(inConflictsOf(reader), (conflict) => {
    const t0 = RwConflict.sxactOut.get(mem, conflict);
    return (
      !hasFlag(t0, SXACT.doomed) &&
      (!committed(t0) || Sxact.commitSeqNo.get(mem, t0) >= when) &&
      (!readOnly(t0) || snapshotSeqNo(t0) >= when)
    );
  });
}
