/** checksums.ts — pg_checksums: verifies, adds or drops the checksums of a directory whose server is shut down.
 *  Counterpart: src/bin/pg_checksums/pg_checksums.c */
import { closeSync, lstatSync, openSync, readdirSync, readSync, statSync, writeSync } from 'node:fs';
import type { BlockNumber } from '#base/ids.ts';
import { type ControlImage, readControlImage, writeControlImage } from '#cli/control-image.ts';
import { type OptionSpec, parseCommandLine } from '#cli/getopt.ts';
import { type Output, syncTree } from '#cli/initdb.ts';
import { versionLine } from '#cli/package-folder.ts';
import { reasonOf } from '#cli/system-error.ts';
import { complain, ProgramError, UsageMistake } from '#cli/program-error.ts';
import { mapLocalMemory, mem } from '#shm/memory.ts';
import { privateReserve } from '#shm/private-memory.ts';
import { pageChecksum } from '#storage/page/page-checksum.ts';
import { pageIsNew } from '#storage/page/page.ts';
import { CATALOG_VERSION_NO, ControlFileLayout as L, DB_STATE, PG_CONTROL_VERSION } from '#wal/control-file-layout.ts';

const USAGE = `pg_checksums enables, disables, or verifies data checksums in a PostgreSQL database cluster.

Usage:
  pg_checksums [OPTION]... [DATADIR]

Options:
 [-D, --pgdata=]DATADIR    data directory
  -c, --check              check data checksums (default)
  -d, --disable            disable data checksums
  -e, --enable             enable data checksums
  -f, --filenode=FILENODE  check only relation with specified filenode
  -N, --no-sync            do not wait for changes to be written safely to disk
  -P, --progress           show progress information
  -v, --verbose            output verbose messages
  -V, --version            output version information, then exit
  -?, --help               show this help, then exit

If no data directory (DATADIR) is specified, the environment variable PGDATA
is used.
`;
const SPECS: readonly OptionSpec[] = [
  { name: 'check', short: 'c', long: 'check' },
  { name: 'pgdata', short: 'D', long: 'pgdata', value: true },
  { name: 'disable', short: 'd', long: 'disable' },
  { name: 'enable', short: 'e', long: 'enable' },
  { name: 'filenode', short: 'f', long: 'filenode', value: true },
  { name: 'no-sync', short: 'N', long: 'no-sync' },
  { name: 'progress', short: 'P', long: 'progress' },
  { name: 'verbose', short: 'v', long: 'verbose' },
  { name: 'version', short: 'V', long: 'version' },
  { name: 'help', short: '?', long: 'help' },
];

const BLCKSZ = 8192;
const BLOCKS_IN_SEGMENT = 131_072;
const TABLESPACE_FOLDER = 'PG_15_202209061';
/** Files beside relations. pg_internal.init comes with process ids behind it, too. */
const isSkipped = (name: string): boolean =>
  name === 'pg_control' || name === 'pg_filenode.map' || name === 'PG_VERSION' || name.startsWith('pg_internal.init');

interface Options {
  readonly directory: string;
  readonly mode: 'check' | 'enable' | 'disable';
  readonly filenode: string | null;
  readonly sync: boolean;
  readonly progress: boolean;
  readonly verbose: boolean;
}
function readOptions(argv: readonly string[], env: NodeJS.ProcessEnv): Options {
  const { options, operands } = parseCommandLine(argv, SPECS);
  const given = new Map(options.map((one) => [one.name, one.value]));
  const filenode = given.get('filenode');
  // Zero is no file of a relation.
  if (filenode !== undefined && !/^\s*\+?\d+\s*$/.test(filenode))
    throw new ProgramError(`invalid value "${filenode}" for option -f/--filenode`);
  const rest = [...operands];
  const directory = given.get('pgdata') ?? rest.shift() ?? env['PGDATA'];
  if (directory === undefined) throw new UsageMistake('no data directory specified');
  if (rest.length > 0) throw new UsageMistake(`too many command-line arguments (first is "${rest[0]}")`);
  const mode = options.findLast(({ name }) => name === 'check' || name === 'enable' || name === 'disable')?.name;
  if (mode !== undefined && mode !== 'check' && filenode !== undefined)
    throw new UsageMistake('option -f/--filenode can only be used with --check');
  return {
    directory,
    mode: (mode ?? 'check') as Options['mode'],
    filenode: filenode === undefined ? null : String(Number(filenode)),
    sync: !given.has('no-sync'),
    progress: given.has('progress'),
    verbose: given.has('verbose'),
  };
}

class Scan {
  files = 0;
  blocks = 0;
  bad = 0;
  filesWritten = 0;
  blocksWritten = 0;
  private readonly page: number;
  private readonly bytes = new Uint8Array(BLCKSZ);
  private total = 0;
  private done = 0;
  private shownAt = 0;
  constructor(
    private readonly options: Options,
    private readonly io: Output,
  ) {
    mapLocalMemory(1 << 20);
    this.page = privateReserve(BLCKSZ);
  }

  run(): void {
    const tops = ['global', 'base', 'pg_tblspc'];
    const { directory, progress } = this.options;
    if (progress)
      for (const top of tops) this.walk(`${directory}/${top}`, top, (path) => (this.total += statSync(path).size));
    for (const top of tops) this.walk(`${directory}/${top}`, top, (path, segment) => this.file(path, segment));
    if (progress) this.report(true);
  }

  private walk(folder: string, top: string, each: (path: string, segment: number) => void): void {
    let names: string[];
    try {
      names = readdirSync(folder);
    } catch (caught) {
      throw new ProgramError(`could not open directory "${folder}": ${reasonOf(caught)}`);
    }
    for (const name of names) {
      if (name.startsWith('pgsql_tmp')) continue;
      const path = `${folder}/${name}`;
      const status = lstatSync(path);
      if (status.isFile()) {
        if (isSkipped(name)) continue;
        const [relation = '', segment] = name.split('.', 2);
        const number = segment === undefined ? 0 : Number(segment);
        if (!Number.isInteger(number) || (segment !== undefined && number === 0))
          throw new ProgramError(`invalid segment number ${number || 0} in file name "${path}"`);
        const { filenode } = this.options;
        if (filenode !== null && relation.split('_', 1)[0] !== filenode) continue;
        each(path, number);
      } else if (top === 'pg_tblspc' && folder.endsWith('/pg_tblspc') && /^\d+$/.test(name)) {
        // Only what this version made there.
        this.walk(`${path}/${TABLESPACE_FOLDER}`, top, each);
      } else if (status.isDirectory()) this.walk(path, top, each);
    }
  }

  private file(path: string, segment: number): void {
    const { mode, verbose } = this.options;
    let fd: number;
    try {
      fd = openSync(path, mode === 'check' ? 'r' : 'r+');
    } catch (caught) {
      throw new ProgramError(`could not open file "${path}": ${reasonOf(caught)}`);
    }
    this.files++;
    let written = 0;
    for (let block = 0; ; block++) {
      const got = readSync(fd, this.bytes, 0, BLCKSZ, block * BLCKSZ);
      if (got === 0) break;
      if (got !== BLCKSZ)
        throw new ProgramError(`could not read block ${block} in file "${path}": read ${got} of ${BLCKSZ}`);
      this.blocks++;
      this.done += got;
      mem.u8.set(this.bytes, this.page);
      if (pageIsNew(this.page)) continue;
      const wanted = pageChecksum(this.page, (block + segment * BLOCKS_IN_SEGMENT) as BlockNumber);
      const found = mem.view.getUint16(this.page + 8, true);
      if (found === wanted) continue;
      if (mode === 'check') {
        const [calculated, contained] = [wanted, found].map((sum) => sum.toString(16).toUpperCase());
        this.io.err(
          `pg_checksums: error: checksum verification failed in file "${path}", block ${block}: ` +
            `calculated checksum ${calculated} but block contains ${contained}\n`,
        );
        this.bad++;
        continue;
      }
      new DataView(this.bytes.buffer).setUint16(8, wanted, true);
      writeSync(fd, this.bytes, 0, BLCKSZ, block * BLCKSZ);
      written++;
    }
    closeSync(fd);
    if (this.options.progress) this.report(false);
    if (verbose) {
      const verb = mode === 'check' ? 'verified' : 'enabled';
      this.io.err(`pg_checksums: checksums ${verb} in file "${path}"\n`);
    }
    if (written === 0) return;
    this.filesWritten++;
    this.blocksWritten += written;
  }

  private report(last: boolean): void {
    const now = Date.now();
    if (!last && now - this.shownAt < 1000) return;
    this.shownAt = now;
    const megabytes = (bytes: number): string => String(Math.floor(bytes / 1_048_576));
    const total = megabytes(this.total);
    const percent = this.total === 0 ? 0 : Math.floor((100 * this.done) / this.total);
    const end = last || !process.stderr.isTTY ? '\n' : '\r';
    this.io.err(`${megabytes(this.done).padStart(total.length)}/${total} MB (${percent}%) computed${end}`);
  }
}

function checkControl({ memory, crcIsRight }: ControlImage, { mode }: Options): void {
  if (!crcIsRight) throw new ProgramError('pg_control CRC value is incorrect');
  if (
    L.pgControlVersion.get(memory, 0) !== PG_CONTROL_VERSION ||
    L.catalogVersion.get(memory, 0) !== CATALOG_VERSION_NO
  )
    throw new ProgramError('cluster is not compatible with this version of pg_checksums');
  const state = L.state.get(memory, 0);
  if (state !== DB_STATE.shutdowned && state !== DB_STATE.shutdownedInRecovery)
    throw new ProgramError('cluster must be shut down');
  const isOn = L.dataChecksumVersion.get(memory, 0) !== 0;
  if (mode === 'check' && !isOn) throw new ProgramError('data checksums are not enabled in cluster');
  if (mode === 'disable' && !isOn) throw new ProgramError('data checksums are already disabled in cluster');
  if (mode === 'enable' && isOn) throw new ProgramError('data checksums are already enabled in cluster');
}

function work(options: Options, io: Output): number {
  const control = readControlImage(options.directory);
  checkControl(control, options);
  const { memory } = control;
  if (options.mode !== 'disable') {
    const scan = new Scan(options, io);
    scan.run();
    io.out(`Checksum operation completed\nFiles scanned:   ${scan.files}\nBlocks scanned:  ${scan.blocks}\n`);
    if (options.mode === 'check') {
      io.out(`Bad checksums:  ${scan.bad}\nData checksum version: ${L.dataChecksumVersion.get(memory, 0)}\n`);
      return scan.bad > 0 ? 1 : 0;
    }
    io.out(`Files written:  ${scan.filesWritten}\nBlocks written: ${scan.blocksWritten}\n`);
  }
  const version = options.mode === 'enable' ? 1 : 0;
  L.dataChecksumVersion.set(memory, 0, version);
  // Checksums must be on the disk before the control file promises them.
  if (options.sync) {
    io.err('pg_checksums: syncing data directory\n');
    syncTree(options.directory);
  }
  io.err('pg_checksums: updating control file\n');
  writeControlImage(options.directory, control, options.sync);
  if (options.verbose) io.out(`Data checksum version: ${version}\n`);
  io.out(`Checksums ${options.mode}d in cluster\n`);
  return 0;
}

/** Exit code. */
export function checksums(argv: readonly string[], env: NodeJS.ProcessEnv, io: Output): number {
  try {
    if (argv[0] === '--help' || argv[0] === '-?') io.out(USAGE);
    else if (argv[0] === '--version' || argv[0] === '-V') io.out(`${versionLine('pg_checksums')}\n`);
    else return work(readOptions(argv, env), io);
    return 0;
  } catch (caught) {
    return complain('pg_checksums', caught, io);
  }
}

export function main(argv: readonly string[]): void {
  process.exitCode = checksums(argv, process.env, {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
  });
}
