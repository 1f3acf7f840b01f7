/** builtin-hooks.ts — checks and displays that need nothing of the layers above.
 *
 *  Counterpart: the check_… and show_… functions at the end of src/backend/utils/misc/guc.c, and the checks of
 *  xlogrecovery.c and xlog.c that look at a text only */
import { canonicalizePath } from '#runtime/guc/config-paths.ts';
import type { CheckContext } from '#runtime/guc/hooks.ts';
import { splitIdentifierList } from '#runtime/guc/lists.ts';
import type { ParameterName } from '#runtime/guc/parameters/index.ts';
import { registerGucHooks, settings } from '#runtime/guc/records.ts';
import { parseStandbyNames } from '#runtime/guc/standby-names.ts';

/** Each byte that is not printable ASCII becomes a question mark: the name travels into logs and process titles. */
export const cleanAscii = (text: string): string =>
  /^[ -~]*$/.test(text)
    ? text
    : Buffer.from(text, 'utf8')
        .toString('latin1')
        .replace(/[^ -~]/g, '?');

const octal = (value: number): string => `0${value.toString(8).padStart(3, '0')}`;

/** At most 2^18-1 processes: backend numbers must fit in that many bits. */
const MAX_BACKENDS = 0x3_ffff;
type BackendCount = 'max_connections' | 'autovacuum_max_workers' | 'max_worker_processes' | 'max_wal_senders';
const BACKEND_COUNTS: readonly BackendCount[] = [
  'max_connections',
  'autovacuum_max_workers',
  'max_worker_processes',
  'max_wal_senders',
];
for (const name of BACKEND_COUNTS) {
  registerGucHooks(name, {
    check: (value, context) => {
      const others = BACKEND_COUNTS.filter((other) => other !== name).reduce((sum, other) => sum + settings[other], 0);
      return value + others + 1 > MAX_BACKENDS ? context.fail() : value;
    },
  });
}

for (const name of ['application_name', 'cluster_name'] as const) registerGucHooks(name, { check: cleanAscii });

const PATHS = [
  'data_directory',
  'config_file',
  'hba_file',
  'ident_file',
  'external_pid_file',
  'log_directory',
  'promote_trigger_file',
  'stats_temp_directory',
] as const satisfies readonly ParameterName[];
for (const name of PATHS) registerGucHooks(name, { check: canonicalizePath });

for (const name of ['unix_socket_permissions', 'log_file_mode', 'data_directory_mode'] as const) {
  registerGucHooks(name, { show: () => octal(settings[name]) });
}
registerGucHooks('archive_command', {
  show: () => (settings.archive_mode === 'off' ? '(disabled)' : settings.archive_command),
});

const STAGES = ['log_parser_stats', 'log_planner_stats', 'log_executor_stats'] as const;
for (const name of STAGES) {
  registerGucHooks(name, {
    check: (value, context) =>
      value && settings.log_statement_stats
        ? context.fail({ detail: 'Cannot enable parameter when "log_statement_stats" is true.' })
        : value,
  });
}
registerGucHooks('log_statement_stats', {
  check: (value, context) =>
    value && STAGES.some((name) => settings[name])
      ? context.fail({
          detail:
            'Cannot enable "log_statement_stats" when "log_parser_stats", "log_planner_stats", or "log_executor_stats" is true.',
        })
      : value,
});

/** What the platform's stack allows, in kB, less a margin: 8 MB is Linux' default limit. */
const STACK_LIMIT_KB = 7680;
registerGucHooks('max_stack_depth', {
  check: (value, context) =>
    value > STACK_LIMIT_KB
      ? context.fail({
          detail: `"max_stack_depth" must not exceed ${STACK_LIMIT_KB}kB.`,
          hint: 'Increase the platform\'s stack depth limit via "ulimit -s" or local equivalent.',
        })
      : value,
});

registerGucHooks('default_with_oids', {
  check: (value, context) =>
    value ? context.fail({ code: '0A000', message: 'tables declared WITH OIDS are not supported' }) : value,
});
registerGucHooks('ssl', {
  check: (value, context) => (value ? context.fail({ message: 'SSL is not supported by this build' }) : value),
});
registerGucHooks('bonjour', {
  check: (value, context) => (value ? context.fail({ message: 'Bonjour is not supported by this build' }) : value),
});

/** -1 is settled when shared memory is sized. */
registerGucHooks('wal_buffers', { check: (value) => (value === -1 ? value : Math.max(value, 4)) });
/** Less would make an autovacuum worker scan the indexes again and again. */
registerGucHooks('autovacuum_work_mem', { check: (value) => (value === -1 ? value : Math.max(value, 1024)) });

const badList = (context: CheckContext): never => context.fail({ detail: 'List syntax is invalid.' });

/** A list in which only these words may stand. */
function checkWords(value: string, words: readonly string[], context: CheckContext): string {
  const list = splitIdentifierList(value);
  if (list === undefined) return badList(context);
  const unknown = list.find((word) => !words.includes(word));
  return unknown === undefined ? value : context.fail({ detail: `Unrecognized key word: "${unknown}".` });
}
registerGucHooks('log_destination', {
  check: (value, context) => checkWords(value, ['stderr', 'csvlog', 'jsonlog', 'syslog'], context),
});
/** Resource managers with a mask function: only their pages can be compared. */
const MASKING = ['all', 'heap2', 'heap', 'btree', 'hash', 'gin', 'gist', 'sequence', 'spgist', 'brin', 'generic'];
registerGucHooks('wal_consistency_checking', {
  check: (value, context) => checkWords(value, MASKING, context),
});
registerGucHooks('search_path', {
  check: (value, context) => (splitIdentifierList(value) === undefined ? badList(context) : value),
});
registerGucHooks('restrict_nonsystem_relation_kind', {
  check: (value, context) => checkWords(value, ['view', 'foreign-table'], context),
});
registerGucHooks('backtrace_functions', {
  check: (value, context) =>
    /^[A-Za-z0-9_, \n\t]*$/.test(value) ? value : context.fail({ detail: 'invalid character' }),
});

registerGucHooks('primary_slot_name', {
  check: (value, context) => {
    if (value === '') return value;
    if (Buffer.byteLength(value) > 63) {
      return context.fail({ code: '42622', detail: `replication slot name "${value}" is too long` });
    }
    if (/^[a-z0-9_]+$/.test(value)) return value;
    return context.fail({
      code: '42602',
      detail: `replication slot name "${value}" contains invalid character`,
      hint: 'Replication slot names may only contain lower case letters, numbers, and the underscore character.',
    });
  },
});
registerGucHooks('synchronous_standby_names', {
  check: (value, context) => {
    if (value === '') return value;
    const parsed = parseStandbyNames(value);
    if ('error' in parsed) return context.fail({ code: '42601', detail: parsed.error });
    if (parsed.count > 0) return value;
    return context.fail({ message: `number of synchronous standbys (${parsed.count}) must be greater than zero` });
  },
});
registerGucHooks('recovery_target', {
  check: (value, context) =>
    value === '' || value === 'immediate' ? value : context.fail({ detail: 'The only allowed value is "immediate".' }),
});
registerGucHooks('recovery_target_name', {
  check: (value, context) =>
    Buffer.byteLength(value) >= 64
      ? context.fail({ detail: 'recovery_target_name is too long (maximum 63 characters).' })
      : value,
});
registerGucHooks('recovery_target_lsn', {
  check: (value, context) =>
    value === '' || /^[0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8}$/.test(value) ? value : context.fail(),
});
