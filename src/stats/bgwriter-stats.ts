/** bgwriter-stats.ts — what checkpointer and background writer did, in shared memory: pg_stat_bgwriter.
 *
 *  Each counter has one process that writes it, so a plain store of eight aligned bytes is enough; readers may be a moment
 *  behind. A reset stores the values as they are (offsets to be subtracted), because only the owner may change a counter.
 *  Counterpart: src/backend/utils/activity/pgstat_bgwriter.c, pgstat_checkpointer.c */
import { f64, struct } from '#base/struct.ts';
import { currentTimestamp } from '#platform/clock.ts';
import { mem } from '#shm/memory.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';

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

const BgwriterStats = struct('BgwriterStats', 168, {
  timedCheckpoints: f64(),
  requestedCheckpoints: f64(),
  checkpointWriteTimeMs: f64(),
  checkpointSyncTimeMs: f64(),
  bufWrittenCheckpoints: f64(),
  bufWrittenBackend: f64(),
  bufFsyncBackend: f64(),
  bufWrittenClean: f64(),
  maxwrittenClean: f64(),
  bufAlloc: f64(),
  /** The ten values at the last reset, in the same order. */
  timedCheckpointsReset: f64(),
  requestedCheckpointsReset: f64(),
  checkpointWriteTimeMsReset: f64(),
  checkpointSyncTimeMsReset: f64(),
  bufWrittenCheckpointsReset: f64(),
  bufWrittenBackendReset: f64(),
  bufFsyncBackendReset: f64(),
  bufWrittenCleanReset: f64(),
  maxwrittenCleanReset: f64(),
  bufAllocReset: f64(),
  /** TimestampTz. */
  statReset: f64(),
});
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
