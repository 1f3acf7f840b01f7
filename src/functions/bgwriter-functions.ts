/** bgwriter-functions.ts — the columns of pg_stat_bgwriter, and pg_stat_reset_shared().
 *  Counterpart: src/backend/utils/adt/pgstatfuncs.c */
import { type BuiltinFunction, registerBuiltins } from '#adt/fmgr.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { type BgwriterCounter, bgwriterCounter, bgwriterStatReset, resetBgwriterStats } from '#stats/bgwriter-stats.ts';
import { resetWalStats } from '#wal/wal-stats.ts';

const COUNTERS: Readonly<Record<string, BgwriterCounter>> = {
  pg_stat_get_bgwriter_timed_checkpoints: 'timedCheckpoints',
  pg_stat_get_bgwriter_requested_checkpoints: 'requestedCheckpoints',
  pg_stat_get_bgwriter_buf_written_checkpoints: 'bufWrittenCheckpoints',
  pg_stat_get_bgwriter_buf_written_clean: 'bufWrittenClean',
  pg_stat_get_bgwriter_maxwritten_clean: 'maxwrittenClean',
  pg_stat_get_checkpoint_write_time: 'checkpointWriteTimeMs',
  pg_stat_get_checkpoint_sync_time: 'checkpointSyncTimeMs',
  pg_stat_get_buf_written_backend: 'bufWrittenBackend',
  pg_stat_get_buf_fsync_backend: 'bufFsyncBackend',
  pg_stat_get_buf_alloc: 'bufAlloc',
};
const table: Record<string, BuiltinFunction> = {};
for (const [name, counter] of Object.entries(COUNTERS)) table[name] = () => bgwriterCounter(counter);

function resetShared(target: string): '' {
  if (target === 'bgwriter') resetBgwriterStats();
  else if (target === 'wal') resetWalStats();
  else if (target === 'archiver' || target === 'recovery_prefetch')
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: `resetting the statistics of "${target}" is not supported`,
    });
  else
    report('ERROR', {
      code: SQLSTATE.invalidParameterValue,
      message: `unrecognized reset target: "${target}"`,
      hint: 'Target must be "archiver", "bgwriter", "recovery_prefetch", or "wal".',
    });
  return '';
}

registerBuiltins({
  ...table,
  pg_stat_get_bgwriter_stat_reset_time: () => bgwriterStatReset(),
  pg_stat_reset_shared: resetShared,
});
