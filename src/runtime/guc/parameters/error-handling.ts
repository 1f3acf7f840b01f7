/** error-handling.ts — the settings of the category “Error Handling”; rows stand in the order of postgresql.conf.sample. */
import type { ParameterTable } from '#runtime/guc/define.ts';

export const errorHandling = {
  exit_on_error: {
    type: 'bool',
    context: 'user',
    category: 'Error Handling',
    boot: false,
    short: 'Terminate session on any error.',
  },
  restart_after_crash: {
    type: 'bool',
    context: 'sighup',
    category: 'Error Handling',
    boot: true,
    short: 'Reinitialize server after backend crash.',
  },
  data_sync_retry: {
    type: 'bool',
    context: 'postmaster',
    category: 'Error Handling',
    boot: false,
    short: 'Whether to continue running after a failure to sync data files.',
  },
  recovery_init_sync_method: {
    type: 'enum',
    context: 'sighup',
    category: 'Error Handling',
    boot: 'fsync',
    values: ['fsync', 'syncfs'],
    short: 'Sets the method for synchronizing the data directory before crash recovery.',
  },
} as const satisfies ParameterTable;
