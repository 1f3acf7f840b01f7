/** stat-counters.ts — cumulative statistics of objects: what a server shows about which nothing was counted yet.
 *
 *  No relation has storage and no WAL is written, so nothing was scanned, vacuumed, logged or archived: the counters are
 *  truly zero, the times truly unknown. Counters of things that do happen here (transactions, sessions, checkpoints) are not in this list; until
 *  they have a source their functions raise 0A000.
 *  Counterpart: src/backend/utils/adt/pgstatfuncs.c */
import type { Datum, RecordDatum } from '#adt/datum.ts';
import { type BuiltinFunction, registerBuiltins, registerSetBuiltins } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { rowIterator } from '#functions/set-iterator.ts';
import { serverFacts } from '#runtime/server-facts.ts';

/** Counts over relations: of a table, of the running transaction, of a database. */
const ZERO = [
  'pg_stat_get_analyze_count',
  'pg_stat_get_autoanalyze_count',
  'pg_stat_get_autovacuum_count',
  'pg_stat_get_vacuum_count',
  'pg_stat_get_blocks_fetched',
  'pg_stat_get_blocks_hit',
  'pg_stat_get_dead_tuples',
  'pg_stat_get_ins_since_vacuum',
  'pg_stat_get_live_tuples',
  'pg_stat_get_mod_since_analyze',
  'pg_stat_get_numscans',
  'pg_stat_get_tuples_deleted',
  'pg_stat_get_tuples_fetched',
  'pg_stat_get_tuples_hot_updated',
  'pg_stat_get_tuples_inserted',
  'pg_stat_get_tuples_returned',
  'pg_stat_get_tuples_updated',
  'pg_stat_get_xact_blocks_fetched',
  'pg_stat_get_xact_blocks_hit',
  'pg_stat_get_xact_numscans',
  'pg_stat_get_xact_tuples_deleted',
  'pg_stat_get_xact_tuples_fetched',
  'pg_stat_get_xact_tuples_hot_updated',
  'pg_stat_get_xact_tuples_inserted',
  'pg_stat_get_xact_tuples_returned',
  'pg_stat_get_xact_tuples_updated',
  'pg_stat_get_db_blk_read_time',
  'pg_stat_get_db_blk_write_time',
  'pg_stat_get_db_blocks_fetched',
  'pg_stat_get_db_blocks_hit',
  'pg_stat_get_db_conflict_all',
  'pg_stat_get_db_conflict_bufferpin',
  'pg_stat_get_db_conflict_lock',
  'pg_stat_get_db_conflict_snapshot',
  'pg_stat_get_db_conflict_startup_deadlock',
  'pg_stat_get_db_conflict_tablespace',
  'pg_stat_get_db_deadlocks',
  'pg_stat_get_db_temp_bytes',
  'pg_stat_get_db_temp_files',
  'pg_stat_get_db_tuples_deleted',
  'pg_stat_get_db_tuples_fetched',
  'pg_stat_get_db_tuples_inserted',
  'pg_stat_get_db_tuples_returned',
  'pg_stat_get_db_tuples_updated',
] as const;

/** Times of what never happened, functions that were never counted (track_functions counts none of ours), checksums that
 *  are not verified. */
const UNKNOWN = [
  'pg_stat_get_last_analyze_time',
  'pg_stat_get_last_autoanalyze_time',
  'pg_stat_get_last_autovacuum_time',
  'pg_stat_get_last_vacuum_time',
  'pg_stat_get_function_calls',
  'pg_stat_get_function_self_time',
  'pg_stat_get_function_total_time',
  'pg_stat_get_xact_function_calls',
  'pg_stat_get_xact_function_self_time',
  'pg_stat_get_xact_function_total_time',
  'pg_stat_get_db_checksum_failures',
  'pg_stat_get_db_checksum_last_failure',
  'pg_stat_get_db_stat_reset_time',
  'pg_stat_get_snapshot_timestamp',
] as const;

const table: Record<string, BuiltinFunction> = {};
for (const name of ZERO) table[name] = () => 0;
for (const name of UNKNOWN) table[name] = () => null;
registerBuiltins(table);

/** Since when the zeros count. */
const since = (): number => serverFacts.postmasterStartTime;
const [INT8, TEXT, TIMESTAMPTZ] = [20, 25, 1184] as const;

function record(columns: readonly (readonly [name: string, type: number, value: Datum])[]): RecordDatum {
  return {
    kind: 'record',
    names: columns.map(([name]) => name),
    types: columns.map(([, type]) => type as Oid),
    typmods: columns.map(() => -1),
    values: columns.map(([, , value]) => value),
  };
}
const SLRUS = [
  'CommitTs',
  'MultiXactMember',
  'MultiXactOffset',
  'Notify',
  'Serial',
  'Subtrans',
  'Xact',
  'other',
] as const;

registerBuiltins({
  pg_stat_get_archiver: () =>
    record([
      ['archived_count', INT8, 0],
      ['last_archived_wal', TEXT, null],
      ['last_archived_time', TIMESTAMPTZ, null],
      ['failed_count', INT8, 0],
      ['last_failed_wal', TEXT, null],
      ['last_failed_time', TIMESTAMPTZ, null],
      ['stats_reset', TIMESTAMPTZ, since()],
    ]),
  // Nothing is cached within a transaction, so there is nothing to forget.
  pg_stat_clear_snapshot: () => '',
});
registerSetBuiltins({
  pg_stat_get_slru: () => rowIterator(SLRUS.map((name) => [name, 0, 0, 0, 0, 0, 0, 0, since()])),
  pg_stat_get_recovery_prefetch: () => rowIterator([[since(), 0, 0, 0, 0, 0, 0, 0, 0, 0]]),
});
