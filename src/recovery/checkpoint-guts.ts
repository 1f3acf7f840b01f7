/** checkpoint-guts.ts — everything dirty goes to disk: the body of a checkpoint and of a restartpoint.
 *
 *  Order: maps and slots first, then logs of transactions, then pages; then one round of fsyncs for all of that; prepared
 *  transactions last, so that those that end meanwhile need no file.
 *  Counterpart: CheckPointGuts() of src/backend/access/transam/xlog.c */
import type { Lsn } from '#base/ids.ts';
import { currentTimestamp } from '#platform/clock.ts';
import { checkPointRelationMap } from '#catalog/relmap.ts';
import { checkpointBuffers } from '#storage/buffer/checkpoint-buffers.ts';
import { processSyncRequests } from '#storage/file/sync-requests.ts';
import { checkPointPredicate } from '#storage/lmgr/predicate-serial.ts';
import { checkPointClog } from '#transam/clog.ts';
import { checkPointCommitTs } from '#transam/commit-ts.ts';
import { checkPointMultiXact } from '#transam/multixact-redo.ts';
import { checkPointSubtrans } from '#transam/subtrans.ts';
import { checkPointTwoPhase } from '#transam/two-phase.ts';
import { lateParts } from '#recovery/late-parts.ts';
import { checkPointStats } from '#wal/segments.ts';

export function checkPointGuts(redo: Lsn, flags: number): void {
  checkPointRelationMap();
  lateParts.checkPointReplicationSlots();
  checkPointStats.writeStart = currentTimestamp();
  checkPointClog();
  checkPointCommitTs();
  checkPointSubtrans();
  checkPointMultiXact();
  checkPointPredicate();
  checkpointBuffers(flags);
  checkPointStats.syncStart = currentTimestamp();
  const { syncs, longestMs, totalMs } = processSyncRequests();
  checkPointStats.syncRels = syncs;
  checkPointStats.longestSync = longestMs;
  checkPointStats.aggregateSyncTime = totalMs;
  checkPointStats.syncEnd = currentTimestamp();
  checkPointTwoPhase(redo);
}
