/** without-source.ts — lists of things of which a server without them has none: prepared transactions,
 *  replication, extensions.
 *
 *  Empty is the true answer here, not a stand-in: nothing can prepare a transaction or create a
 *  slot yet. The subsystem that can replaces its line.
 *  Counterpart: the set functions under pg_prepared_xacts, pg_replication_slots, pg_stat_replication … */
import { registerBuiltins, registerSetBuiltins, type SetFunction } from '#adt/fmgr.ts';
import { rowIterator, valueIterator } from '#functions/set-iterator.ts';

const EMPTY_ROWS = [
  'pg_available_extensions',
  'pg_available_extension_versions',
  'pg_extension_update_paths',
  'pg_get_replication_slots',
  'pg_show_replication_origin_status',
  'pg_stat_get_wal_senders',
  'pg_stat_get_subscription',
  'pg_get_publication_tables',
  'pg_partition_tree',
] as const;
const EMPTY_VALUES = ['pg_listening_channels', 'pg_partition_ancestors'] as const;

const sets: Record<string, SetFunction> = {};
for (const name of EMPTY_ROWS) sets[name] = () => rowIterator([]);
for (const name of EMPTY_VALUES) sets[name] = () => valueIterator([]);
registerSetBuiltins(sets);

registerBuiltins({
  pg_partition_root: () => null,
  // Nothing streams WAL to this server.
  pg_last_wal_receive_lsn: () => null,
  pg_stat_get_wal_receiver: () => null,
});
