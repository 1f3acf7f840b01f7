/** switches.ts — the server's command line, and the `options` of a startup packet: short switches, -c name=value,
 *  --name=value.
 *
 *  Counterpart: PostmasterMain() of src/backend/postmaster/postmaster.c, process_postgres_switches() of
 *  src/backend/tcop/postgres.c */
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import type { GucContext, GucSource } from '#runtime/guc/define.ts';
import { setConfigOption } from '#runtime/guc/guc.ts';

/** Switches with an argument. Without one: b E e F i j l n O P s T. */
const WITH_ARGUMENT = 'BCcDdfhkNprStvW';
const WITHOUT_ARGUMENT = 'bEeFijlnOPsT';

const PLAN_SWITCHES: Readonly<Record<string, string>> = {
  s: 'enable_seqscan',
  i: 'enable_indexscan',
  o: 'enable_indexonlyscan',
  b: 'enable_bitmapscan',
  t: 'enable_tidscan',
  n: 'enable_nestloop',
  m: 'enable_mergejoin',
  h: 'enable_hashjoin',
};
const VALUE_SWITCHES: Readonly<Record<string, string>> = {
  B: 'shared_buffers',
  h: 'listen_addresses',
  k: 'unix_socket_directories',
  N: 'max_connections',
  p: 'port',
  S: 'work_mem',
  W: 'post_auth_delay',
};
const FLAG_SWITCHES: Readonly<Record<string, readonly [name: string, value: string]>> = {
  E: ['log_statement', 'all'],
  e: ['datestyle', 'euro'],
  F: ['fsync', 'false'],
  i: ['listen_addresses', '*'],
  l: ['ssl', 'true'],
  O: ['allow_system_table_mods', 'true'],
  P: ['ignore_system_indexes', 'true'],
  s: ['log_statement_stats', 'true'],
};

export interface SwitchResult {
  dataDirectory: string | undefined;
  /** -C: print this parameter and leave. */
  printParameter: string | undefined;
  binaryUpgrade: boolean;
  /** -n: do not reinitialise shared memory after a crash. */
  noReinit: boolean;
  /** -T: stop children with SIGSTOP instead of SIGQUIT after a crash. */
  sendStop: boolean;
  /** -r, of a standalone backend. */
  outputFile: string | undefined;
  /** What was left over (the database of a standalone backend). */
  positional: string[];
  /** The word in which reading stopped. */
  badWord: string | undefined;
  /** Text for stderr, then exit code 1; undefined when all was understood. */
  usageError: string | undefined;
}

/** `name=value`, with dashes in the name read as underscores; undefined without `=`. */
function longOption(text: string): [string, string] | undefined {
  const equals = text.indexOf('=');
  return equals < 0 ? undefined : [text.slice(0, equals).replaceAll('-', '_'), text.slice(equals + 1)];
}

/** C's atoi. */
const leadingInteger = (text: string): number => Number.parseInt(/^\s*[-+]?\d+/.exec(text)?.[0] ?? '0', 10);

function setDebugOptions(level: number, context: GucContext, source: GucSource): void {
  setConfigOption('log_min_messages', level > 0 ? `debug${level}` : 'notice', context, source);
  if (level >= 1 && context === 'postmaster') {
    setConfigOption('log_connections', 'true', context, source);
    setConfigOption('log_disconnections', 'true', context, source);
  }
  if (level >= 2) setConfigOption('log_statement', 'all', context, source);
  if (level >= 3) setConfigOption('debug_print_parse', 'true', context, source);
  if (level >= 4) setConfigOption('debug_print_plan', 'true', context, source);
  if (level >= 5) setConfigOption('debug_print_rewritten', 'true', context, source);
}

function statsOption(argument: string): string | undefined {
  if (argument.startsWith('pa')) return 'log_parser_stats';
  if (argument.startsWith('pl')) return 'log_planner_stats';
  return argument.startsWith('e') ? 'log_executor_stats' : undefined;
}

interface Scan {
  readonly context: GucContext;
  readonly source: GucSource;
  readonly program: string;
  readonly result: SwitchResult;
}

function applyLong(scan: Scan, letter: 'c' | '-', argument: string): void {
  const pair = longOption(argument);
  if (pair === undefined) {
    report('ERROR', {
      code: SQLSTATE.syntaxError,
      message: letter === '-' ? `--${argument} requires a value` : `-c ${argument} requires a value`,
    });
  } else setConfigOption(pair[0], pair[1], scan.context, scan.source);
}

/** false: the argument makes no sense. */
function applySwitch(scan: Scan, letter: string, argument: string): boolean {
  const { context, source, result, program } = scan;
  const flag = FLAG_SWITCHES[letter];
  const name = VALUE_SWITCHES[letter];
  if (flag !== undefined) setConfigOption(flag[0], flag[1], context, source);
  else if (name !== undefined) setConfigOption(name, argument, context, source);
  else if (letter === 'c' || letter === '-') applyLong(scan, letter, argument);
  else if (letter === 'd') setDebugOptions(leadingInteger(argument), context, source);
  else if (letter === 'D') result.dataDirectory = argument;
  else if (letter === 'C') result.printParameter = argument;
  else if (letter === 'r') result.outputFile = argument;
  else if (letter === 'b') result.binaryUpgrade = true;
  else if (letter === 'n') result.noReinit = true;
  else if (letter === 'T') result.sendStop = true;
  else if (letter === 'f' || letter === 't') {
    const parameter = letter === 'f' ? PLAN_SWITCHES[argument.slice(0, 1)] : statsOption(argument);
    if (parameter === undefined || (letter === 'f' && argument.length !== 1)) {
      result.usageError = `${program}: invalid argument for option -${letter}: "${argument}"\n`;
      return false;
    }
    setConfigOption(parameter, letter === 'f' ? 'false' : 'true', context, source);
  }
  return true;
}

/** Applies `argv` (without the program's name). Unknown switches are described in `usageError`, and nothing after them
 *  is read; wrong values raise the error that SET would raise. */
export function parsePostgresSwitches(
  argv: readonly string[],
  source: GucSource,
  context: GucContext = source === 'commandLine' ? 'postmaster' : 'backend',
  program = 'postgres',
): SwitchResult {
  const result: SwitchResult = {
    dataDirectory: undefined,
    printParameter: undefined,
    binaryUpgrade: false,
    noReinit: false,
    sendStop: false,
    outputFile: undefined,
    positional: [],
    badWord: undefined,
    usageError: undefined,
  };
  const scan: Scan = { context, source, program, result };
  for (let i = 0; i < argv.length && result.usageError === undefined; i++) {
    const word = argv[i]!;
    if (word === '--' || !word.startsWith('-') || word === '-') {
      result.positional.push(...argv.slice(word === '--' ? i + 1 : i));
      break;
    }
    if (word.startsWith('--')) {
      applySwitch(scan, '-', word.slice(2));
      continue;
    }
    for (let at = 1; at < word.length; at++) {
      const letter = word[at]!;
      if (WITHOUT_ARGUMENT.includes(letter)) {
        applySwitch(scan, letter, '');
        continue;
      }
      if (!WITH_ARGUMENT.includes(letter)) {
        result.usageError = `${program}: invalid option -- '${letter}'\n`;
        break;
      }
      const attached = word.slice(at + 1);
      const argument = attached !== '' ? attached : argv[++i];
      if (argument === undefined) result.usageError = `${program}: option requires an argument -- '${letter}'\n`;
      else applySwitch(scan, letter, argument);
      break;
    }
    if (result.usageError !== undefined) result.badWord = word;
  }
  return result;
}

/** The `options` string of a startup packet as words; a backslash keeps the next character. */
export function splitOptions(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    if (/[ \t\n\v\f\r]/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (character === '\\' && i + 1 < text.length) word = (word ?? '') + text[++i]!;
    else if (character !== '\\') word = (word ?? '') + character;
  }
  if (word !== undefined) words.push(word);
  return words;
}

/** PGOPTIONS: like the command line, but with the client's authority, and an unknown switch ends the session. */
export function applyStartupOptions(text: string, isSuperuser: boolean): void {
  const words = splitOptions(text);
  const context = isSuperuser ? 'superuser-backend' : 'backend';
  const { badWord, positional } = parsePostgresSwitches(words, 'client', context);
  const bad = badWord ?? positional[0];
  if (bad === undefined) return;
  report('FATAL', {
    code: SQLSTATE.syntaxError,
    message: `invalid command-line argument for server process: ${bad}`,
    hint: 'Try "postgres --help" for more information.',
  });
}
