/** sequence-persistence.ts — a sequence becomes logged or unlogged: its row goes into a new file.
 *  Counterpart: SequenceChangePersistence() of src/backend/commands/sequence.c */
import { fillSequence, readSequenceState, sequenceCache } from '#access/sequence/sequence.ts';
import type { Oid } from '#base/ids.ts';
import { relationSetNewRelfilenode } from '#catalog/new-file.ts';
import { relationClose, relationOpen } from '#catalog/relation.ts';
import { logSmgrCreate } from '#catalog/storage.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { getTopTransactionId } from '#transam/xact.ts';

export function changePersistenceOfSequence(relid: Oid, persistence: 'p' | 'u'): void {
  // The reading of the old row, and what others do with it, must have ended.
  const rel = relationOpen(relid, LOCK.accessExclusive);
  if (rel.persistence !== persistence) {
    getTopTransactionId();
    const { lastValue, logCount, isCalled } = readSequenceState(rel);
    relationSetNewRelfilenode(rel, persistence);
    fillSequence(rel, lastValue, logCount, isCalled, logSmgrCreate);
    const cache = sequenceCache(relid);
    cache.cached = cache.last;
  }
  relationClose(rel, LOCK.none);
}
