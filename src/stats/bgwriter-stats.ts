/** bgwriter-stats.ts — what checkpointer and background writer did, in shared memory: pg_stat_bgwriter.
 *
 *  Each counter has one process that writes it, so a plain store of eight aligned bytes is enough; readers may be a moment
 *  behind. A reset stores the values as they are (offsets to be subtracted), because only the owner may change a counter.
 *  Counterpart: src/backend/utils/activity/pgstat_bgwriter.c, pgstat_checkpointer.c */
import { currentTimestamp } from '#platform/clock.ts';
import { mem } from '#shm/memory.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';
import { BgwriterStats } from '#stats/bgwriter-stats-layout.ts';

export const BGWRITER_COUNTERS = [
  'timedCheckpoints',
  'requestedCheckpoints',
  'checkpointWriteTimeMs',
  'checkpointSyncTimeMs',
  'bufWrittenCheckpoints',
  'bufWrittenBackend',
  'bufFsyncBackend',
  'bufWrittenClean',
  'maxwrittenClean',
  'bufAlloc',
] as const;
export type BgwriterCounter = (typeof BGWRITER_COUNTERS)[number];

let at = -1;

export const bgwriterStatsShmem: ShmemSubsystem = {
  name: 'Background writer statistics',
  request: () => requestShmemSpace(BgwriterStats.SIZE),
  init() {
    const area = shmemInitStruct('BgWriter Stats', BgwriterStats.SIZE);
    at = area.at;
    if (!area.found) BgwriterStats.statReset.set(mem, at, currentTimestamp());
  },
};

/** Programs without a server count nothing. */
function add(counter: BgwriterCounter, amount: number): void {
  if (at >= 0 && amount !== 0) BgwriterStats[counter].set(mem, at, BgwriterStats[counter].get(mem, at) + amount);
}

/** Checkpointer: a checkpoint (or restartpoint) begins. */
export function countCheckpointStart(byTime: boolean): void {
  add(byTime ? 'timedCheckpoints' : 'requestedCheckpoints', 1);
}
/** Checkpointer: milliseconds of its write and fsync phases. */
export function countCheckpointTimes(writeMs: number, syncMs: number): void {
  add('checkpointWriteTimeMs', writeMs);
  add('checkpointSyncTimeMs', syncMs);
}
export function countCheckpointBuffer(): void {
  add('bufWrittenCheckpoints', 1);
}
/** Checkpointer: what backends wrote and fsynced themselves since it last absorbed their requests. */
export function countBackendWrites(writes: number, fsyncs: number): void {
  add('bufWrittenBackend', writes);
  add('bufFsyncBackend', fsyncs);
}
/** Background writer, once a round. */
export function countBackgroundWriterRound(allocated: number, written: number, reachedLimit: boolean): void {
  add('bufAlloc', allocated);
  add('bufWrittenClean', written);
  if (reachedLimit) add('maxwrittenClean', 1);
}

/** Since the last reset. */
export function bgwriterCounter(counter: BgwriterCounter): number {
  return BgwriterStats[counter].get(mem, at) - BgwriterStats[`${counter}Reset`].get(mem, at);
}
export const bgwriterStatReset = (): number => BgwriterStats.statReset.get(mem, at);
/** pg_stat_reset_shared('bgwriter'). */
export function resetBgwriterStats(): void {
  for (const counter of BGWRITER_COUNTERS)
    BgwriterStats[`${counter}Reset`].set(mem, at, BgwriterStats[counter].get(mem, at));
  BgwriterStats.statReset.set(mem, at, currentTimestamp());
}
