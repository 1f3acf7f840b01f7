/** pg-ctl-options.ts — pg_ctl's command line.
 *  Counterpart: main(), set_mode(), set_sig() of src/bin/pg_ctl/pg_ctl.c */
import type { OptionSpec } from '#cli/getopt.ts';
import { CommandLineError, parseCommandLine } from '#cli/getopt.ts';

export const OPERATIONS = [
  'init',
  'start',
  'stop',
  'restart',
  'reload',
  'status',
  'promote',
  'logrotate',
  'kill',
] as const;
export type Operation = (typeof OPERATIONS)[number];
export type ShutdownMode = 'smart' | 'fast' | 'immediate';

export const KILL_SIGNALS = ['HUP', 'INT', 'QUIT', 'ABRT', 'KILL', 'TERM', 'USR1', 'USR2'] as const;
export type KillSignal = (typeof KILL_SIGNALS)[number];

export interface PgCtlOptions {
  readonly operation: Operation;
  readonly dataDirectory: string | undefined;
  /** -D was written out, so it is passed on to the server. */
  readonly directoryGiven: boolean;
  readonly mode: ShutdownMode;
  readonly wait: boolean;
  readonly timeoutSeconds: number;
  readonly logFile: string | undefined;
  readonly serverOptions: string | undefined;
  readonly silent: boolean;
  readonly postgresPath: string | undefined;
  readonly coreFiles: boolean;
  readonly killSignal: KillSignal | undefined;
  readonly killPid: number | undefined;
}

export const PG_CTL_OPTIONS: readonly OptionSpec[] = [
  { name: 'core-files', short: 'c', long: 'core-files' },
  { name: 'pgdata', short: 'D', long: 'pgdata', value: true },
  { name: 'log', short: 'l', long: 'log', value: true },
  { name: 'mode', short: 'm', long: 'mode', value: true },
  { name: 'options', short: 'o', long: 'options', value: true },
  { name: 'path', short: 'p', value: true },
  { name: 'silent', short: 's', long: 'silent' },
  { name: 'timeout', short: 't', long: 'timeout', value: true },
  { name: 'no-wait', short: 'W', long: 'no-wait' },
  { name: 'wait', short: 'w', long: 'wait' },
  { name: 'version', short: 'V', long: 'version' },
  { name: 'help', short: '?', long: 'help' },
];

const MODES: Readonly<Record<string, ShutdownMode>> = {
  s: 'smart',
  smart: 'smart',
  f: 'fast',
  fast: 'fast',
  i: 'immediate',
  immediate: 'immediate',
};

/** A complaint of pg_ctl itself; `tryHelp` adds where to read more. */
export class UsageError extends Error {
  constructor(
    message: string,
    readonly tryHelp = true,
  ) {
    super(message);
  }
}

/** atoi: digits at the start, or 0. */
const leadingInteger = (text: string): number => Number.parseInt(text, 10) || 0;

interface Words {
  operation: Operation;
  killSignal: KillSignal | undefined;
  killPid: number | undefined;
}
function readOperands(operands: readonly string[]): Words {
  const [word, ...rest] = operands;
  if (word === undefined) throw new UsageError('no operation specified');
  const operation = word === 'initdb' ? 'init' : OPERATIONS.find((known) => known === word);
  if (operation === undefined) throw new UsageError(`unrecognized operation mode "${word}"`);
  if (operation !== 'kill') {
    const surplus = rest[0];
    if (surplus !== undefined) throw new UsageError(`too many command-line arguments (first is "${surplus}")`);
    return { operation, killSignal: undefined, killPid: undefined };
  }
  const [signal, pidText, surplus] = rest;
  if (signal === undefined || pidText === undefined) throw new UsageError('missing arguments for kill mode');
  const killSignal = KILL_SIGNALS.find((known) => known === signal);
  if (killSignal === undefined) throw new UsageError(`unrecognized signal name "${signal}"`);
  if (surplus !== undefined) throw new UsageError(`too many command-line arguments (first is "${surplus}")`);
  // PostgreSQL reads garbage as 0, and a signal to 0 hits the caller's own process group.
  if (!/^\d+$/.test(pidText) || Number(pidText) === 0) throw new UsageError(`invalid process ID "${pidText}"`);
  return { operation, killSignal, killPid: Number(pidText) };
}

export function readPgCtlOptions(argv: readonly string[], env: NodeJS.ProcessEnv): PgCtlOptions | 'help' | 'version' {
  if (argv[0] === '--help' || argv[0] === '-?') return 'help';
  if (argv[0] === '--version' || argv[0] === '-V') return 'version';
  const { options, operands } = parseCommandLine(argv, PG_CTL_OPTIONS);
  const given = new Map(options.map(({ name, value }) => [name, value]));
  if (given.has('help')) return 'help';
  if (given.has('version')) return 'version';
  const modeText = given.get('mode');
  const mode = modeText === undefined ? 'fast' : MODES[modeText];
  if (mode === undefined) throw new UsageError(`unrecognized shutdown mode "${modeText}"`);
  const waits = options.filter(({ name }) => name === 'wait' || name === 'no-wait').at(-1);
  const words = readOperands(operands);
  const fromEnvironment = env['PGDATA'] === '' ? undefined : env['PGDATA'];
  const dataDirectory = (given.get('pgdata') ?? fromEnvironment)?.replace(/(?<=.)\/+$/, '');
  if (dataDirectory === undefined && words.operation !== 'kill' && words.operation !== 'init') {
    throw new UsageError('no database directory specified and environment variable PGDATA unset');
  }
  const timeout = given.get('timeout') ?? env['PGCTLTIMEOUT'];
  return {
    ...words,
    dataDirectory,
    directoryGiven: given.has('pgdata'),
    mode,
    wait: waits?.name !== 'no-wait',
    timeoutSeconds: timeout === undefined ? 60 : leadingInteger(timeout),
    logFile: given.get('log'),
    serverOptions: given.get('options'),
    silent: given.has('silent'),
    postgresPath: given.get('path'),
    coreFiles: given.has('core-files'),
  };
}

export const isCommandLineMistake = (caught: unknown): caught is UsageError | CommandLineError =>
  caught instanceof UsageError || caught instanceof CommandLineError;
