/** nodegres.ts — settings that PostgreSQL 15 does not have: how processes are made, and roles taken from its
 *  neighbours (the statistics collector's folder of 14, the WAL summarizer of 17). */
import type { ParameterTable } from '#runtime/guc/define.ts';

export const nodegres = {
  process_model: {
    type: 'enum',
    context: 'postmaster',
    category: 'Resource Usage / Kernel Resources',
    boot: 'fork',
    values: ['fork', 'spawn'],
    short: 'Selects how the postmaster makes its child processes.',
    extra:
      'With "fork" a child inherits everything loaded before it; with "spawn" it starts afresh and attaches itself.',
  },
  spare_backends: {
    type: 'int',
    context: 'postmaster',
    category: 'Resource Usage / Kernel Resources',
    boot: 2,
    min: 0,
    max: 262143,
    short: 'Sets the number of backends started ahead of the connections they will serve.',
    extra: 'Used only when "process_model" is "spawn".',
  },
  stats_temp_directory: {
    type: 'string',
    context: 'sighup',
    category: 'Statistics / Cumulative Query and Index Statistics',
    boot: 'pg_stat_tmp',
    flags: ['SUPERUSER_ONLY'],
    short: 'Writes temporary statistics files to the specified directory.',
  },
  summarize_wal: {
    type: 'bool',
    context: 'sighup',
    category: 'Write-Ahead Log / Summarization',
    boot: false,
    short: 'Starts the WAL summarizer process to enable incremental backup.',
  },
  wal_summary_keep_time: {
    type: 'int',
    context: 'sighup',
    category: 'Write-Ahead Log / Summarization',
    unit: 'min',
    boot: 14400,
    min: 0,
    max: 35791394,
    short: 'Time for which WAL summary files should be kept.',
  },
} as const satisfies ParameterTable;
