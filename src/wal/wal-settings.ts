/** wal-settings.ts — settings whose change means something to the WAL writer. Loading this file registers them.
 *  Counterpart: assign_xlog_sync_method() of src/backend/access/transam/xlog.c */
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { registerGucHooks } from '#runtime/guc/records.ts';
import { reopenForSyncMethod } from '#wal/wal-buffers.ts';

registerGucHooks('wal_sync_method', { assign: reopenForSyncMethod });

/** Known values, so that configuration files of other builds are understood; what is not built in is refused. */
registerGucHooks('wal_compression', {
  check: (value, context) =>
    value === 'lz4' || value === 'zstd'
      ? context.fail({
          code: SQLSTATE.featureNotSupported,
          message: `${value === 'lz4' ? 'LZ4' : 'zstd'} is not supported by this build`,
          hint: 'Available values: pglz, on, off.',
        })
      : value,
});
