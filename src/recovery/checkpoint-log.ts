/** checkpoint-log.ts — what log_checkpoints and `ps` tell of a checkpoint, and the estimate of WAL between two.
 *  Counterpart: LogCheckpointStart(), LogCheckpointEnd(), UpdateCheckPointDistanceEstimate() of xlog.c */
import { currentTimestamp } from '#platform/clock.ts';
import { setPsDisplay } from '#runtime/activity/ps-title.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { countCheckpointTimes } from '#stats/bgwriter-stats.ts';
import { CHECKPOINT } from '#storage/ipc/checkpoint-mailbox.ts';
import { checkPointEstimate, checkPointStats } from '#wal/segments.ts';

export function resetCheckPointStats(): void {
  for (const name of Object.keys(checkPointStats) as (keyof typeof checkPointStats)[]) checkPointStats[name] = 0;
  checkPointStats.start = currentTimestamp();
}

const FLAG_WORDS = [
  [CHECKPOINT.isShutdown, ' shutdown'],
  [CHECKPOINT.endOfRecovery, ' end-of-recovery'],
  [CHECKPOINT.immediate, ' immediate'],
  [CHECKPOINT.force, ' force'],
  [CHECKPOINT.wait, ' wait'],
  [CHECKPOINT.causeXlog, ' wal'],
  [CHECKPOINT.causeTime, ' time'],
  [CHECKPOINT.flushAll, ' flush-all'],
] as const;

export function logCheckpointStart(flags: number, isRestartpoint: boolean): void {
  if (!settings.log_checkpoints) return;
  const words = FLAG_WORDS.map(([flag, word]) => ((flags & flag) !== 0 ? word : '')).join('');
  report('LOG', { message: `${isRestartpoint ? 'restartpoint' : 'checkpoint'} starting:${words}` });
}

/** 1.234 */
const seconds = (ms: number): string => `${Math.floor(ms / 1000)}.${String(Math.floor(ms) % 1000).padStart(3, '0')}`;
const between = (from: number, to: number): number => Math.max(0, Math.ceil((to - from) / 1000));

export function logCheckpointEnd(isRestartpoint: boolean): void {
  const s = checkPointStats;
  s.end = currentTimestamp();
  const write = between(s.writeStart, s.syncStart);
  const sync = between(s.syncStart, s.syncEnd);
  countCheckpointTimes(write, sync);
  if (!settings.log_checkpoints) return;
  const average = s.syncRels > 0 ? s.aggregateSyncTime / s.syncRels : 0;
  const share = (s.buffersWritten * 100) / settings.shared_buffers;
  const kilobytes = (bytes: number): number => Math.trunc(bytes / 1024);
  report('LOG', {
    message:
      `${isRestartpoint ? 'restartpoint' : 'checkpoint'} complete: wrote ${s.buffersWritten} buffers (${share.toFixed(1)}%); ` +
      `${s.segmentsAdded} WAL file(s) added, ${s.segmentsRemoved} removed, ${s.segmentsRecycled} recycled; ` +
      `write=${seconds(write)} s, sync=${seconds(sync)} s, total=${seconds(between(s.start, s.end))} s; ` +
      `sync files=${s.syncRels}, longest=${seconds(Math.ceil(s.longestSync))} s, average=${seconds(Math.ceil(average))} s; ` +
      `distance=${kilobytes(checkPointEstimate.previousDistance)} kB, estimate=${kilobytes(checkPointEstimate.distance)} kB`,
  });
}

/** Jumps up at once, comes down slowly: a burst will come again. */
export function updateDistanceEstimate(bytes: number): void {
  checkPointEstimate.previousDistance = bytes;
  checkPointEstimate.distance =
    checkPointEstimate.distance < bytes ? bytes : 0.9 * checkPointEstimate.distance + 0.1 * bytes;
}

/** Only the long ones are shown: at shutdown and at the end of recovery. */
export function showCheckpointInPs(flags: number, isRestartpoint: boolean, isOver: boolean): void {
  if ((flags & (CHECKPOINT.endOfRecovery | CHECKPOINT.isShutdown)) === 0) return;
  const kind =
    ((flags & CHECKPOINT.endOfRecovery) !== 0 ? 'end-of-recovery ' : '') +
    ((flags & CHECKPOINT.isShutdown) !== 0 ? 'shutdown ' : '');
  setPsDisplay(isOver ? '' : `performing ${kind}${isRestartpoint ? 'restartpoint' : 'checkpoint'}`);
}
