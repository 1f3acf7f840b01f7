/** bgwriter-stats-layout.ts — the counters of pg_stat_bgwriter in shared memory. Milliseconds and counts as float64. */
import { f64, struct } from '#base/struct.ts';

export const BgwriterStats = struct('BgwriterStats', 168, {
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
