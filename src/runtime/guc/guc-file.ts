/** guc-file.ts — postgresql.conf and postgresql.auto.conf applied: at start, at SIGHUP, and just to look.
 *
 *  The main file is read, then the one that ALTER SYSTEM writes; within both the last line for a name wins. A syntax
 *  error or an unknown name anywhere means that nothing is applied; a value that is merely wrong keeps only its own
 *  parameter from changing. Settings whose lines are gone fall back to their defaults. Only the postmaster talks about it.
 *  Counterpart: ProcessConfigFileInternal() of guc-file.l, SelectConfigFiles() of guc.c */
import { currentTimestamp } from '#platform/clock.ts';
import { exists, FileError, readTextFile, statFile, writeFileDurably } from '#platform/file-system.ts';
import { type Level, report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { quoteValue } from '#runtime/guc/config-lexer.ts';
import { joinPath, makeAbsolute } from '#runtime/guc/config-paths.ts';
import { CONTEXTS, type GucContext } from '#runtime/guc/define.ts';
import { getConfigOption, setConfigOption, setConfigOptionExt, settings } from '#runtime/guc/guc.ts';
import { ConfigFileParser, type ConfigItem, fileAccessCode } from '#runtime/guc/guc-file-parse.ts';
import { gucEnvironment } from '#runtime/guc/hooks.ts';
import { isValidCustomName } from '#runtime/guc/placeholders.ts';
import { allParameters, type Parameter, record, recordByName } from '#runtime/guc/records.ts';

export const AUTO_CONF_FILE = 'postgresql.auto.conf';

/** TimestampTz of the last load, for pg_conf_load_time(). */
export let configLoadTime = 0;

/** The data directory is decided once, after the main file was read for the first time. */
const knownDataDirectory = (): string | null =>
  record('data_directory').source === 'override' ? settings.data_directory : null;

interface Reading {
  readonly items: ConfigItem[];
  /** The file to blame in the summary; null if all was well. */
  badFile: string | null;
}

function readFiles(level: Level): Reading | null {
  const dataDirectory = knownDataDirectory();
  const parser = new ConfigFileParser(level, dataDirectory ?? '');
  const reading: Reading = { items: parser.items, badFile: null };
  if (!parser.parseFile(settings.config_file, true, null, 0, 0)) {
    reading.badFile = settings.config_file;
    return reading;
  }
  if (dataDirectory !== null) {
    if (!parser.parseFile(AUTO_CONF_FILE, false, null, 0, 0)) reading.badFile = joinPath(dataDirectory, AUTO_CONF_FILE);
    return reading;
  }
  // First pass: all that matters is where the data is.
  const last = parser.items.findLast((item) => item.name?.toLowerCase() === 'data_directory');
  if (last === undefined) return null;
  parser.items.splice(0, parser.items.length, last);
  return reading;
}

/** Marks what is in the file, overrides earlier lines by later ones, and finds names that nobody knows. */
function resolveNames(reading: Reading, level: Level): void {
  for (const parameter of allParameters()) parameter.inFile = false;
  const latest = new Map<Parameter, ConfigItem>();
  for (const item of reading.items) {
    if (item.ignore || item.name === null) continue;
    const parameter = recordByName(item.name);
    if (parameter !== undefined) {
      const earlier = latest.get(parameter);
      if (earlier !== undefined) earlier.ignore = true;
      latest.set(parameter, item);
      parameter.inFile = true;
    } else if (!isValidCustomName(item.name)) {
      item.errorMessage = 'unrecognized configuration parameter';
      report(level, {
        code: SQLSTATE.undefinedObject,
        message: `unrecognized configuration parameter "${item.name}" in file "${item.fileName}" line ${item.sourceLine}`,
      });
      reading.badFile = item.fileName;
    }
  }
}

/** Settings that came from a file and are in none any more. */
function revertRemoved(reading: Reading, context: GucContext, level: Level): void {
  for (const parameter of allParameters()) {
    if (parameter.resetSource !== 'file' || parameter.inFile) continue;
    if (CONTEXTS[parameter.context] < CONTEXTS.sighup) {
      parameter.pendingRestart = true;
      const message = `parameter "${parameter.name}" cannot be changed without restarting the server`;
      report(level, { code: SQLSTATE.cantChangeRuntimeParam, message });
      reading.items.push({
        name: parameter.name,
        value: null,
        errorMessage: message,
        fileName: null,
        sourceLine: 0,
        ignore: false,
        applied: false,
      });
      reading.badFile = settings.config_file;
      continue;
    }
    parameter.resetSource = 'default';
    if (parameter.source === 'file') parameter.source = 'default';
    for (let entry = parameter.stack; entry !== null; entry = entry.prev) {
      if (entry.source === 'file') entry.source = 'default';
    }
    if (setConfigOptionExt(parameter.name, null, context, 'default') === 'applied' && context === 'sighup') {
      report(level, { message: `parameter "${parameter.name}" removed from configuration file, reset to default` });
    }
  }
}

function applyItem(item: ConfigItem, reading: Reading, context: GucContext, apply: boolean, level: Level): void {
  const name = item.name!;
  const announces = context === 'sighup' && apply && !gucEnvironment.isUnderPostmaster;
  const before = announces ? (getConfigOption(name, true) ?? '') : undefined;
  const result = setConfigOptionExt(name, item.value, context, 'file', { change: apply });
  if (result === 'failed') {
    item.errorMessage = 'setting could not be applied';
    reading.badFile = item.fileName;
    return;
  }
  item.applied = true;
  if (result === 'applied' && before !== undefined) {
    const after = getConfigOption(name, true) ?? '';
    if (after !== before) report(level, { message: `parameter "${name}" changed to "${item.value}"` });
  }
  const parameter = apply ? recordByName(name) : undefined;
  if (parameter === undefined) return;
  parameter.sourceFile = item.fileName;
  parameter.sourceLine = item.sourceLine;
}

/** Set by layers that own what a reload must redo between removal and setting (time zone, client encoding). */
export const reloadHooks: (() => void)[] = [];

function processFiles(context: GucContext, apply: boolean, level: Level): ConfigItem[] {
  const reading = readFiles(level);
  if (reading === null) return [];
  let applying = false;
  if (reading.badFile === null) resolveNames(reading, level);
  if (reading.badFile === null) {
    applying = true;
    if (apply) {
      revertRemoved(reading, context, level);
      if (context === 'sighup') {
        initializeFromEnvironment();
        for (const hook of reloadHooks) hook();
      }
    }
    for (const item of [...reading.items]) {
      if (!item.ignore && item.name !== null && item.fileName !== null) applyItem(item, reading, context, apply, level);
    }
    if (apply) configLoadTime = currentTimestamp();
  }
  if (reading.badFile !== null && apply) blame(reading.badFile, context, applying, level);
  return reading.items;
}

function blame(file: string, context: GucContext, applied: boolean, level: Level): void {
  const message = `configuration file "${file}" contains errors`;
  const code = SQLSTATE.configFileError;
  if (context === 'postmaster') report('ERROR', { code, message });
  else if (applied) report(level, { code, message: `${message}; unaffected changes were applied` });
  else report(level, { code, message: `${message}; no changes were applied` });
}

/** Start of the server ('postmaster': any problem is an ERROR) or SIGHUP ('sighup': problems are logged). */
export function processConfigFile(context: 'postmaster' | 'sighup'): void {
  processFiles(context, true, gucEnvironment.isUnderPostmaster ? 'DEBUG2' : 'LOG');
}

/** What the files say now, with nothing changed: the rows of pg_file_settings. */
export function inspectConfigFiles(): readonly ConfigItem[] {
  return processFiles('sighup', false, 'DEBUG3');
}

/** PGPORT, PGDATESTYLE, PGCLIENTENCODING. */
export function initializeFromEnvironment(): void {
  for (const [variable, name] of [
    ['PGPORT', 'port'],
    ['PGDATESTYLE', 'datestyle'],
    ['PGCLIENTENCODING', 'client_encoding'],
  ] as const) {
    const value = process.env[variable];
    if (value !== undefined) setConfigOption(name, value, 'postmaster', 'environment');
  }
}

/** What every process does before it knows its command line. */
export function initializeGucOptions(): void {
  for (const name of ['transaction_isolation', 'transaction_read_only', 'transaction_deferrable'] as const) {
    setConfigOption(name, name === 'transaction_isolation' ? 'read committed' : 'no', 'postmaster', 'override');
  }
  setConfigOption('timezone_abbreviations', 'Default', 'postmaster', 'dynamicDefault');
  setConfigOption('max_stack_depth', STACK_DEPTH, 'postmaster', 'dynamicDefault');
  initializeFromEnvironment();
}
/** What PostgreSQL settles for wherever the platform's stack is large enough. */
const STACK_DEPTH = '2048';

const whereIs = (program: string, what: string, setting: string): string =>
  `${program} does not know where to find ${what}.\n` +
  `This can be specified as "${setting}" in "${settings.config_file}", or by the -D invocation option, or by the PGDATA environment variable.\n`;

/** Finds the files, reads the configuration, and fixes data_directory, hba_file and ident_file as absolute paths.
 *  Returns the text for stderr when the server cannot start (exit code 2), else undefined. */
export function selectConfigFiles(userDataDirectory: string | undefined, program: string): string | undefined {
  const configDirectory = absoluteOrUndefined(userDataDirectory ?? process.env['PGDATA']);
  if (configDirectory !== undefined) {
    const problem = whyNotAccessible(configDirectory);
    if (problem !== undefined) {
      return (
        `${program}: could not access directory "${configDirectory}": ${problem.reason}\n` +
        (problem.code === 'ENOENT' ? 'Run initdb or pg_basebackup to initialize a PostgreSQL data directory.\n' : '')
      );
    }
  }
  if (settings.config_file === '' && configDirectory === undefined) {
    return (
      `${program} does not know where to find the server configuration file.\n` +
      'You must specify the --config-file or -D invocation option or set the PGDATA environment variable.\n'
    );
  }
  const configFile =
    settings.config_file === '' ? joinPath(configDirectory!, 'postgresql.conf') : makeAbsolute(settings.config_file);
  setConfigOption('config_file', configFile, 'postmaster', 'override');
  const problem = whyNotAccessible(configFile);
  if (problem !== undefined) {
    return `${program}: could not access the server configuration file "${configFile}": ${problem.reason}\n`;
  }
  processConfigFile('postmaster');
  if (settings.data_directory !== '') {
    setConfigOption('data_directory', makeAbsolute(settings.data_directory), 'postmaster', 'override');
  } else if (configDirectory !== undefined) {
    setConfigOption('data_directory', configDirectory, 'postmaster', 'override');
  } else return whereIs(program, 'the database system data', 'data_directory');
  processConfigFile('postmaster');
  return (
    fixFile('hba_file', 'pg_hba.conf', '"hba"', configDirectory, program) ??
    fixFile('ident_file', 'pg_ident.conf', '"ident"', configDirectory, program)
  );
}

const absoluteOrUndefined = (path: string | undefined): string | undefined =>
  path === undefined || path === '' ? undefined : makeAbsolute(path);

function whyNotAccessible(path: string): FileError | undefined {
  try {
    statFile(path);
    return undefined;
  } catch (caught) {
    if (caught instanceof FileError) return caught;
    throw caught;
  }
}

function fixFile(
  name: 'hba_file' | 'ident_file',
  fileName: string,
  label: string,
  configDirectory: string | undefined,
  program: string,
): string | undefined {
  const given = settings[name];
  if (given === '' && configDirectory === undefined) return whereIs(program, `the ${label} configuration file`, name);
  const path = given === '' ? joinPath(configDirectory!, fileName) : makeAbsolute(given);
  setConfigOption(name, path, 'postmaster', 'override');
  return undefined;
}

/** The assignments of postgresql.auto.conf, in order. */
function readAutoConf(path: string): readonly ConfigItem[] {
  if (!exists(path)) return [];
  const parser = new ConfigFileParser('LOG', settings.data_directory);
  let fine: boolean;
  try {
    fine = parser.parseText(readTextFile(path), AUTO_CONF_FILE, 0);
  } catch (caught) {
    if (!(caught instanceof FileError)) throw caught;
    return report('ERROR', {
      code: fileAccessCode(caught.code),
      message: `could not open file "${AUTO_CONF_FILE}": ${caught.reason}`,
    });
  }
  if (fine) return parser.items;
  return report('ERROR', {
    code: SQLSTATE.configFileError,
    message: `could not parse contents of file "${AUTO_CONF_FILE}"`,
  });
}

/** Changes postgresql.auto.conf: one name to a value, one name away (null), or everything away. */
export function rewriteAutoConf(change: { name: string; value: string | null } | 'reset all'): void {
  const path = joinPath(settings.data_directory, AUTO_CONF_FILE);
  const kept = new Map<string, { name: string; value: string }>();
  // A replaced setting moves to the end, as in PostgreSQL's list.
  const keep = (name: string, value: string | null): void => {
    kept.delete(name.toLowerCase());
    if (value !== null) kept.set(name.toLowerCase(), { name, value });
  };
  if (change !== 'reset all') {
    for (const item of readAutoConf(path)) keep(item.name!, item.value);
    keep(change.name, change.value);
  }
  const lines = [...kept.values()].map(({ name, value }) => `${name} = ${quoteValue(value)}\n`);
  writeFileDurably(
    path,
    `# Do not edit this file manually!\n# It will be overwritten by the ALTER SYSTEM command.\n${lines.join('')}`,
  );
}
