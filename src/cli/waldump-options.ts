/** waldump-options.ts — pg_waldump's command line.
 *  Counterpart: main() of src/bin/pg_waldump/pg_waldump.c */
import { CommandLineError, type OptionSpec, parseCommandLine } from '#cli/getopt.ts';
import { UsageMistake } from '#cli/program-error.ts';

export interface RelationFilter {
  readonly spcNode: number;
  readonly dbNode: number;
  readonly relNode: number;
}
export interface WaldumpOptions {
  quiet: boolean;
  details: boolean;
  follow: boolean;
  limit: number;
  /** Names of resource managers; null: all. */
  rmgrs: ReadonlySet<number> | null;
  xid: number | null;
  relation: RelationFilter | null;
  block: number | null;
  fork: number | null;
  imagesOnly: boolean;
  stats: 'no' | 'rmgr' | 'record';
  path: string | null;
  timeline: number;
  start: number;
  end: number;
  readonly operands: readonly string[];
}

const SPECS: readonly OptionSpec[] = [
  { name: 'details', short: 'b', long: 'bkp-details' },
  { name: 'block', short: 'B', long: 'block', value: true },
  { name: 'end', short: 'e', long: 'end', value: true },
  { name: 'follow', short: 'f', long: 'follow' },
  { name: 'fork', short: 'F', long: 'fork', value: true },
  { name: 'limit', short: 'n', long: 'limit', value: true },
  { name: 'path', short: 'p', long: 'path', value: true },
  { name: 'quiet', short: 'q', long: 'quiet' },
  { name: 'relation', short: 'R', long: 'relation', value: true },
  { name: 'rmgr', short: 'r', long: 'rmgr', value: true },
  { name: 'start', short: 's', long: 'start', value: true },
  { name: 'timeline', short: 't', long: 'timeline', value: true },
  { name: 'xid', short: 'x', long: 'xid', value: true },
  { name: 'fullpage', short: 'w', long: 'fullpage' },
  { name: 'stats', short: 'z' },
  { name: 'stats', long: 'stats', value: 'optional' },
  { name: 'help', short: '?', long: 'help' },
  { name: 'version', short: 'V', long: 'version' },
];

const FORKS = ['main', 'fsm', 'vm', 'init'];
/** scanf's view of a number: what follows it does not matter. */
const leadingNumber = (text: string): number | undefined => {
  const digits = /^\s*([+-]?\d+)/.exec(text)?.[1];
  return digits === undefined ? undefined : Number(digits);
};
const unsigned = (value: number): number => Number(BigInt.asUintN(32, BigInt(value)));
function location(text: string): number {
  const match = /^\s*([0-9A-Fa-f]+)\/([0-9A-Fa-f]+)/.exec(text);
  if (match === null) throw new UsageMistake(`invalid WAL location: "${text}"`);
  return Number.parseInt(match[1]!, 16) * 0x1_0000_0000 + Number.parseInt(match[2]!, 16);
}
function number(text: string, complaint: string): number {
  const value = leadingNumber(text);
  if (value === undefined) throw new UsageMistake(complaint);
  return value;
}
function relation(text: string): RelationFilter {
  const match = /^\s*(\d+)\/\s*(\d+)\/\s*(\d+)/.exec(text);
  const [spcNode = 0, dbNode = 0, relNode = 0] = match?.slice(1).map(Number) ?? [];
  if (spcNode === 0 || relNode === 0)
    throw new UsageMistake(
      `invalid relation specification: "${text}"`,
      'Expecting "tablespace OID/database OID/relation filenode".',
    );
  return { spcNode, dbNode, relNode };
}

const CUSTOM_FIRST = 128;
function rmgrNumber(text: string, names: readonly string[]): number {
  const custom = /^custom(\d{1,3})$/.exec(text)?.[1];
  if (custom !== undefined) {
    if (text.length !== 9 || Number(custom) < CUSTOM_FIRST || Number(custom) > 255)
      throw new UsageMistake(`custom resource manager "${text}" does not exist`);
    return Number(custom);
  }
  const at = names.findIndex((name) => name.toLowerCase() === text.toLowerCase());
  if (at < 0) throw new UsageMistake(`resource manager "${text}" does not exist`);
  return at;
}

/** Throws CommandLineError. */
export function readWaldumpOptions(
  argv: readonly string[],
  rmgrNames: readonly string[],
): WaldumpOptions | 'help' | 'version' | 'list' {
  if (argv[0] === '--help' || argv[0] === '-?') return 'help';
  if (argv[0] === '--version' || argv[0] === '-V') return 'version';
  const line = parseCommandLine(argv, SPECS);
  const rmgrs = new Set<number>();
  const options: WaldumpOptions = {
    quiet: false,
    details: false,
    follow: false,
    limit: -1,
    rmgrs: null,
    xid: null,
    relation: null,
    block: null,
    fork: null,
    imagesOnly: false,
    stats: 'no',
    path: null,
    timeline: 1,
    start: 0,
    end: 0,
    operands: line.operands,
  };
  const set: Readonly<Record<string, (value: string) => void>> = {
    details: () => (options.details = true),
    block: (value) => {
      options.block = unsigned(number(value, `invalid block number: "${value}"`));
      if (options.block === 0xffffffff) throw new UsageMistake(`invalid block number: "${value}"`);
    },
    end: (value) => (options.end = location(value)),
    follow: () => (options.follow = true),
    fork: (value) => {
      options.fork = FORKS.indexOf(value);
      if (options.fork < 0) throw new UsageMistake(`invalid fork name: "${value}"`);
    },
    limit: (value) => (options.limit = number(value, `invalid value "${value}" for option -n/--limit`)),
    path: (value) => (options.path = value),
    quiet: () => (options.quiet = true),
    relation: (value) => (options.relation = relation(value)),
    rmgr: (value) => {
      rmgrs.add(rmgrNumber(value, rmgrNames));
      options.rmgrs = rmgrs;
    },
    start: (value) => (options.start = location(value)),
    timeline: (value) => (options.timeline = unsigned(number(value, `invalid timeline specification: "${value}"`))),
    xid: (value) => (options.xid = unsigned(number(value, `invalid transaction ID specification: "${value}"`))),
    fullpage: () => (options.imagesOnly = true),
    stats: (value) => {
      if (value !== '' && value !== 'record') throw new UsageMistake(`unrecognized value for option --stats: ${value}`);
      options.stats = value === 'record' ? 'record' : 'rmgr';
    },
  };
  for (const { name, value } of line.options) {
    if (name === 'help' || name === 'version') throw new CommandLineError('');
    if (name === 'rmgr' && value.toLowerCase() === 'list') return 'list';
    set[name]!(value);
  }
  if (options.block !== null && options.relation === null)
    throw new UsageMistake('option -B/--block requires option -R/--relation to be specified');
  if (line.operands.length > 2)
    throw new UsageMistake(`too many command-line arguments (first is "${line.operands[2]}")`);
  return options;
}
