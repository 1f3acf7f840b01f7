/** lock-management.ts — the settings of the category “Lock Management”; rows stand in the order of postgresql.conf.sample. */
import type { ParameterTable } from '#runtime/guc/define.ts';

export const lockManagement = {
  deadlock_timeout: {
    type: 'int',
    context: 'superuser',
    category: 'Lock Management',
    unit: 'ms',
    boot: 1000,
    min: 1,
    max: 2147483647,
    short: 'Sets the time to wait on a lock before checking for deadlock.',
  },
  max_locks_per_transaction: {
    type: 'int',
    context: 'postmaster',
    category: 'Lock Management',
    boot: 64,
    min: 10,
    max: 2147483647,
    short: 'Sets the maximum number of locks per transaction.',
    extra:
      'The shared lock table is sized on the assumption that at most max_locks_per_transaction * max_connections distinct objects will need to be locked at any one time.',
  },
  max_pred_locks_per_transaction: {
    type: 'int',
    context: 'postmaster',
    category: 'Lock Management',
    boot: 64,
    min: 10,
    max: 2147483647,
    short: 'Sets the maximum number of predicate locks per transaction.',
    extra:
      'The shared predicate lock table is sized on the assumption that at most max_pred_locks_per_transaction * max_connections distinct objects will need to be locked at any one time.',
  },
  max_pred_locks_per_relation: {
    type: 'int',
    context: 'sighup',
    category: 'Lock Management',
    boot: -2,
    min: -2147483648,
    max: 2147483647,
    short: 'Sets the maximum number of predicate-locked pages and tuples per relation.',
    extra:
      'If more than this total of pages and tuples in the same relation are locked by a connection, those locks are replaced by a relation-level lock.',
  },
  max_pred_locks_per_page: {
    type: 'int',
    context: 'sighup',
    category: 'Lock Management',
    boot: 2,
    min: 0,
    max: 2147483647,
    short: 'Sets the maximum number of predicate-locked tuples per page.',
    extra:
      'If more than this number of tuples on the same page are locked by a connection, those locks are replaced by a page-level lock.',
  },
} as const satisfies ParameterTable;
