/** compatibility.ts — the settings of the category “Version and Platform Compatibility”; rows stand in the order of postgresql.conf.sample. */
import { BOOLEAN_ALIASES, type ParameterTable } from '#runtime/guc/define.ts';

export const compatibility = {
  array_nulls: {
    type: 'bool',
    context: 'user',
    category: 'Version and Platform Compatibility / Previous PostgreSQL Versions',
    boot: true,
    short: 'Enable input of NULL elements in arrays.',
    extra: 'When turned on, unquoted NULL in an array input value means a null value; otherwise it is taken literally.',
  },
  backslash_quote: {
    type: 'enum',
    context: 'user',
    category: 'Version and Platform Compatibility / Previous PostgreSQL Versions',
    boot: 'safe_encoding',
    values: ['safe_encoding', 'on', 'off'],
    aliases: { ...BOOLEAN_ALIASES },
    short: 'Sets whether "\\\'" is allowed in string literals.',
  },
  escape_string_warning: {
    type: 'bool',
    context: 'user',
    category: 'Version and Platform Compatibility / Previous PostgreSQL Versions',
    boot: true,
    short: 'Warn about backslash escapes in ordinary string literals.',
  },
  lo_compat_privileges: {
    type: 'bool',
    context: 'superuser',
    category: 'Version and Platform Compatibility / Previous PostgreSQL Versions',
    boot: false,
    short: 'Enables backward compatibility mode for privilege checks on large objects.',
    extra:
      'Skips privilege checks when reading or modifying large objects, for compatibility with PostgreSQL releases prior to 9.0.',
  },
  quote_all_identifiers: {
    type: 'bool',
    context: 'user',
    category: 'Version and Platform Compatibility / Previous PostgreSQL Versions',
    boot: false,
    short: 'When generating SQL fragments, quote all identifiers.',
  },
  standard_conforming_strings: {
    type: 'bool',
    context: 'user',
    category: 'Version and Platform Compatibility / Previous PostgreSQL Versions',
    boot: true,
    flags: ['REPORT'],
    short: "Causes '...' strings to treat backslashes literally.",
  },
  synchronize_seqscans: {
    type: 'bool',
    context: 'user',
    category: 'Version and Platform Compatibility / Previous PostgreSQL Versions',
    boot: true,
    short: 'Enable synchronized sequential scans.',
  },
  transform_null_equals: {
    type: 'bool',
    context: 'user',
    category: 'Version and Platform Compatibility / Other Platforms and Clients',
    boot: false,
    short: 'Treats "expr=NULL" as "expr IS NULL".',
    extra:
      'When turned on, expressions of the form expr = NULL (or NULL = expr) are treated as expr IS NULL, that is, they return true if expr evaluates to the null value, and false otherwise. The correct behavior of expr = NULL is to always return null (unknown).',
  },
} as const satisfies ParameterTable;
