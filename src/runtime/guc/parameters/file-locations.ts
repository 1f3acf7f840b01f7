/** file-locations.ts — the settings of the category “File Locations”; rows stand in the order of postgresql.conf.sample. */
import type { ParameterTable } from '#runtime/guc/define.ts';

export const fileLocations = {
  data_directory: {
    type: 'string',
    context: 'postmaster',
    category: 'File Locations',
    boot: null,
    flags: ['DISALLOW_IN_AUTO_FILE', 'SUPERUSER_ONLY'],
    short: "Sets the server's data directory.",
  },
  hba_file: {
    type: 'string',
    context: 'postmaster',
    category: 'File Locations',
    boot: null,
    flags: ['SUPERUSER_ONLY'],
    short: 'Sets the server\'s "hba" configuration file.',
  },
  ident_file: {
    type: 'string',
    context: 'postmaster',
    category: 'File Locations',
    boot: null,
    flags: ['SUPERUSER_ONLY'],
    short: 'Sets the server\'s "ident" configuration file.',
  },
  external_pid_file: {
    type: 'string',
    context: 'postmaster',
    category: 'File Locations',
    boot: null,
    flags: ['SUPERUSER_ONLY'],
    short: 'Writes the postmaster PID to the specified file.',
  },
  extension_destdir: {
    type: 'string',
    context: 'superuser',
    category: 'File Locations',
    boot: '',
    flags: ['SUPERUSER_ONLY'],
    short: 'Path to prepend for extension loading.',
    extra:
      "This directory is prepended to paths when loading extensions (control and SQL files), and to the '$libdir' directive when loading modules that back functions. The location is made configurable to allow build-time testing of extensions that do not have been installed to their proper location yet.",
  },
  config_file: {
    type: 'string',
    context: 'postmaster',
    category: 'File Locations',
    boot: null,
    flags: ['DISALLOW_IN_FILE', 'SUPERUSER_ONLY'],
    short: "Sets the server's main configuration file.",
  },
} as const satisfies ParameterTable;
