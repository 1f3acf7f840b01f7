/** initdb.ts — makes a data directory.
 *
 *  A list of steps, each printing what it does; whatever was made is removed again when a step fails. Where PostgreSQL's
 *  runs a server to make the catalogs, ours copies the template that the build made (initdb-catalogs.ts).
 *  Differences from PostgreSQL: databases are UTF8 in every locale; a locale of the environment that is not C, POSIX or
 *  C.UTF-8 is replaced by C.UTF-8 with a warning; root may own a cluster (containers), which the warning says.
 *  Counterpart: src/bin/initdb/initdb.c */
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { CommandLineError } from '#cli/getopt.ts';
import { writeCatalogs } from '#cli/initdb-catalogs.ts';
import {
  AUTO_CONF,
  configuredValues,
  DATABASE_DIRECTORIES,
  fillConfiguration,
  fillHba,
  SUBDIRECTORIES,
  usesMd5,
} from '#cli/initdb-layout.ts';
import type { InitdbOptions } from '#cli/initdb-options.ts';
import { InitdbError, LOCALE_CATEGORIES, readInitdbOptions } from '#cli/initdb-options.ts';
import { packageFolder, PG_MAJOR, programPath, readSample, versionLine } from '#cli/package-folder.ts';
import { passwordFromFile, passwordFromTerminal } from '#cli/password.ts';
import { superuserSecret } from '#cli/superuser-secret.ts';
import { errorCode, reasonOf } from '#cli/system-error.ts';
import { systemTimeZone } from '#cli/time-zone.ts';

export interface Output {
  out(text: string): void;
  err(text: string): void;
}
const standardOutput: Output = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
};

const USAGE = `initdb initializes a database cluster.

Usage:
  initdb [OPTION]... [DATADIR]

Options:
  -A, --auth=METHOD         default authentication method for local connections
      --auth-host=METHOD    default authentication method for local TCP/IP connections
      --auth-local=METHOD   default authentication method for local-socket connections
 [-D, --pgdata=]DATADIR     location for this database cluster
  -E, --encoding=ENCODING   encoding of databases: UTF8
  -g, --allow-group-access  allow group read/execute on data directory
  -k, --data-checksums      use data page checksums
      --locale=LOCALE       default locale of databases: C, POSIX or C.UTF-8
      --lc-collate=, --lc-ctype=, --lc-messages=LOCALE
      --lc-monetary=, --lc-numeric=, --lc-time=LOCALE
                            default locale in the respective category
                            (taken from the environment if not given)
      --no-locale           equivalent to --locale=C
      --pwfile=FILE         read password for the new superuser from file
  -T, --text-search-config=CFG
                            default text search configuration
  -U, --username=NAME       database superuser name
  -W, --pwprompt            prompt for a password for the new superuser
  -X, --waldir=WALDIR       location for the write-ahead log directory
      --wal-segsize=SIZE    size of WAL segments, in megabytes

Less commonly used options:
  -n, --no-clean            do not clean up after errors
  -N, --no-sync             do not wait for changes to be written safely to disk
      --no-instructions     do not print instructions for next steps
  -s, --show                show internal settings
  -S, --sync-only           only sync database files to disk, then exit

Other options:
  -V, --version             output version information, then exit
  -?, --help                show this help, then exit

If the data directory is not specified, the environment variable PGDATA
is used.
`;

/** Runs a file operation; a failure becomes initdb's complaint. */
function attempt<T>(complaint: string, work: () => T): T {
  try {
    return work();
  } catch (caught) {
    throw new InitdbError(`${complaint}: ${reasonOf(caught)}`);
  }
}

type DirectoryState = 'absent' | 'empty' | 'dots' | 'mount' | 'full';
function directoryState(path: string): DirectoryState {
  let names: string[];
  try {
    names = readdirSync(path);
  } catch (caught) {
    if (errorCode(caught) === 'ENOENT') return 'absent';
    throw new InitdbError(`could not access directory "${path}": ${reasonOf(caught)}`);
  }
  if (names.length === 0) return 'empty';
  if (names.includes('lost+found')) return 'mount';
  return names.every((name) => name.startsWith('.')) ? 'dots' : 'full';
}

function refuseNonEmpty(path: string, state: DirectoryState, hint: string): never {
  const message = `directory "${path}" exists but is not empty`;
  if (state === 'full') throw new InitdbError(message, undefined, hint);
  const what = state === 'dots' ? 'a dot-prefixed/invisible file' : 'a lost+found directory';
  throw new InitdbError(
    message,
    `It contains ${what}, perhaps due to it being a mount point.`,
    'Using a mount point directly as the data directory is not recommended.\nCreate a subdirectory under the mount point.',
  );
}

function makeParents(path: string): void {
  const parent = dirname(path);
  if (existsSync(parent)) return;
  makeParents(parent);
  attempt(`could not create directory "${parent}"`, () => mkdirSync(parent));
}

/** One initdb run: the steps and what must be undone. */
class Initialization {
  private readonly undo: (() => void)[] = [];
  private readonly directoryMode: number;
  private readonly fileMode: number;
  private password: string | undefined;
  constructor(
    private readonly options: InitdbOptions,
    private readonly io: Output,
    private readonly timeZone: string,
  ) {
    this.directoryMode = options.groupAccess ? 0o750 : 0o700;
    this.fileMode = options.groupAccess ? 0o640 : 0o600;
  }

  async run(): Promise<void> {
    this.announce();
    if (this.options.passwordPrompt) this.password = passwordFromTerminal();
    else if (this.options.passwordFile !== undefined) this.password = passwordFromFile(this.options.passwordFile);
    this.io.out('\n');
    const umask = process.umask(this.options.groupAccess ? 0o027 : 0o077);
    let interrupted = false;
    const interrupt = (): void => void (interrupted = true);
    process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
    try {
      for (const step of this.steps()) {
        step();
        // Lets a signal that arrived during the step be seen.
        await setImmediate();
        if (interrupted) throw new InitdbError('caught signal');
      }
    } catch (caught) {
      this.cleanUp(caught);
      throw caught;
    } finally {
      process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
      process.umask(umask);
    }
    this.farewell();
  }

  /** In order. */
  private steps(): (() => void)[] {
    return [
      () => this.makeDataDirectory(),
      () => this.makeWalDirectory(),
      () => this.makeSubdirectories(),
      () => this.chooseSettings(),
      () => this.named('creating configuration files', () => this.writeConfiguration()),
      () => this.named('running bootstrap script', () => this.writeCatalogs()),
      () => this.syncToDisk(),
    ];
  }

  private named(text: string, work: () => void): void {
    this.io.out(`${text} ... `);
    work();
    this.io.out('ok\n');
  }

  private announce(): void {
    const { options, io } = this;
    io.out(`The files belonging to this database system will be owned by user "${options.owner}".\n`);
    io.out('This user must also own the server process.\n\n');
    const { locales } = options;
    if (LOCALE_CATEGORIES.every((category) => locales[category] === locales.collate)) {
      io.out(`The database cluster will be initialized with locale "${locales.collate}".\n`);
    } else {
      io.out('The database cluster will be initialized with this locale configuration:\n  provider:    libc\n');
      for (const category of LOCALE_CATEGORIES) {
        io.out(`  ${`LC_${category.toUpperCase()}:`.padEnd(13)}${locales[category]}\n`);
      }
    }
    if (options.localeReplaced !== undefined) {
      this.warn(
        `locale "${options.localeReplaced}" of the environment is not supported; using "C.UTF-8"`,
        'Supported locales are "C", "POSIX" and "C.UTF-8".',
      );
    }
    if (!options.encodingGiven) {
      io.out('The default database encoding has accordingly been set to "UTF8".\n');
    }
    io.out(`The default text search configuration will be set to "${options.textSearch}".\n\n`);
    io.out(`Data page checksums are ${options.checksums ? 'enabled' : 'disabled'}.\n`);
    if (process.getuid?.() === 0) {
      this.warn('running as root', 'A server that serves others should run under an unprivileged user.');
    }
  }

  private warn(message: string, hint: string): void {
    this.io.err(`initdb: warning: ${message}\ninitdb: hint: ${hint}\n`);
  }

  private makeDataDirectory(): void {
    const path = this.options.dataDirectory;
    const state = directoryState(path);
    if (state === 'absent') {
      this.named(`creating directory ${path}`, () => {
        makeParents(resolve(path));
        attempt(`could not create directory "${path}"`, () => mkdirSync(path, { mode: this.directoryMode }));
      });
      this.undo.push(() => {
        this.io.err(`initdb: removing data directory "${path}"\n`);
        rmSync(path, { recursive: true, force: true });
      });
    } else if (state === 'empty') {
      this.named(`fixing permissions on existing directory ${path}`, () =>
        attempt(`could not change permissions of directory "${path}"`, () => chmodSync(path, this.directoryMode)),
      );
      this.undo.push(() => this.removeContents('data', path));
    } else {
      const hint = `If you want to create a new database system, either remove or empty the directory "${path}" or run initdb with an argument other than "${path}".`;
      refuseNonEmpty(path, state, hint);
    }
  }

  private removeContents(kind: string, path: string): void {
    this.io.err(`initdb: removing contents of ${kind} directory "${path}"\n`);
    for (const name of readdirSync(path)) rmSync(join(path, name), { recursive: true, force: true });
  }

  private makeWalDirectory(): void {
    const { walDirectory: wal, dataDirectory } = this.options;
    const inside = join(dataDirectory, 'pg_wal');
    if (wal === undefined) {
      attempt(`could not create directory "${inside}"`, () => mkdirSync(inside));
      return;
    }
    if (!isAbsolute(wal)) throw new InitdbError('WAL directory location must be an absolute path');
    const state = directoryState(wal);
    if (state === 'absent') {
      this.named(`creating directory ${wal}`, () => {
        makeParents(wal);
        attempt(`could not create directory "${wal}"`, () => mkdirSync(wal, { mode: this.directoryMode }));
      });
      this.undo.push(() => {
        this.io.err(`initdb: removing WAL directory "${wal}"\n`);
        rmSync(wal, { recursive: true, force: true });
      });
    } else if (state === 'empty') {
      this.named(`fixing permissions on existing directory ${wal}`, () =>
        attempt(`could not change permissions of directory "${wal}"`, () => chmodSync(wal, this.directoryMode)),
      );
      this.undo.push(() => this.removeContents('WAL', wal));
    } else {
      const hint = `If you want to store the WAL there, either remove or empty the directory "${wal}".`;
      refuseNonEmpty(wal, state, hint);
    }
    attempt(`could not create symbolic link "${inside}"`, () => symlinkSync(wal, inside));
  }

  private makeSubdirectories(): void {
    this.named('creating subdirectories', () => {
      for (const name of SUBDIRECTORIES) {
        const path = join(this.options.dataDirectory, name);
        attempt(`could not create directory "${path}"`, () => mkdirSync(path));
      }
    });
  }

  private chooseSettings(): void {
    this.io.out('selecting dynamic shared memory implementation ... posix\n');
    this.io.out('selecting default max_connections ... 100\n');
    this.io.out('selecting default shared_buffers ... 128MB\n');
    this.io.out(`selecting default time zone ... ${this.timeZone}\n`);
  }

  private write(name: string, text: string): void {
    const path = join(this.options.dataDirectory, name);
    attempt(`could not write file "${path}"`, () => writeFileSync(path, text, { mode: this.fileMode, flag: 'wx' }));
  }

  private writeConfiguration(): void {
    for (const folder of ['', ...DATABASE_DIRECTORIES]) this.write(join(folder, 'PG_VERSION'), `${PG_MAJOR}\n`);
    const values = configuredValues(this.options, this.timeZone);
    this.write('postgresql.conf', fillConfiguration(readSample('postgresql.conf.sample'), values));
    this.write('postgresql.auto.conf', AUTO_CONF);
    this.write('pg_hba.conf', fillHba(readSample('pg_hba.conf.sample'), this.options));
    this.write('pg_ident.conf', readSample('pg_ident.conf.sample'));
  }

  private writeCatalogs(): void {
    const { options } = this;
    const method = usesMd5(options) ? 'md5' : 'scram-sha-256';
    const { dataDirectory } = options;
    const choices = {
      superuser: options.user,
      secret: superuserSecret(options.user, this.password, method),
      collate: options.locales.collate,
      ctype: options.locales.ctype,
      checksums: options.checksums,
      walSegmentSize: options.walSegmentMegabytes << 20,
    };
    attempt(`could not write the catalogs in "${dataDirectory}"`, () =>
      writeCatalogs(dataDirectory, packageFolder, choices, this.fileMode),
    );
  }

  private syncToDisk(): void {
    if (this.options.sync) {
      this.named('syncing data to disk', () => syncTree(this.options.dataDirectory));
    } else {
      this.io.out('\nSync to disk skipped.\n');
      this.io.out('The data directory might become corrupt if the operating system crashes.\n');
    }
  }

  private farewell(): void {
    const { options, io } = this;
    if (options.authDefaulted) {
      this.warn(
        'enabling "trust" authentication for local connections',
        'You can change this by editing pg_hba.conf or using the option -A, or --auth-local and --auth-host, the next time you run initdb.',
      );
    }
    if (!options.instructions) return;
    const command = `${shellWord(programPath('pg_ctl'))} -D ${shellWord(options.dataDirectory)} -l logfile start`;
    io.out(`\nSuccess. You can now start the database server using:\n\n    ${command}\n\n`);
  }

  private cleanUp(cause: unknown): void {
    // The complaint comes before the removals, as it happened.
    complain(cause, this.io);
    if (this.options.clean) for (const step of this.undo.reverse()) step();
    else if (this.undo.length > 0) {
      this.io.err(`initdb: data directory "${this.options.dataDirectory}" not removed at user's request\n`);
    }
  }
}

export const shellWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\"'\"'")}'`;

function syncPath(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
/** fsync of everything below, then of the folder itself. */
export function syncTree(path: string): void {
  for (const name of readdirSync(path)) {
    const child = join(path, name);
    const status = lstatSync(child);
    if (status.isDirectory() || (status.isSymbolicLink() && name === 'pg_wal')) syncTree(child);
    else if (status.isFile()) attempt(`could not fsync file "${child}"`, () => syncPath(child));
  }
  attempt(`could not fsync file "${path}"`, () => syncPath(path));
}

const complained = new WeakSet<object>();
function complain(caught: unknown, io: Output): void {
  if (typeof caught !== 'object' || caught === null || complained.has(caught)) return;
  complained.add(caught);
  if (caught instanceof CommandLineError) {
    io.err(`initdb: ${caught.message}\ninitdb: hint: Try "initdb --help" for more information.\n`);
    return;
  }
  const { message, detail, hint } = caught instanceof InitdbError ? caught : new InitdbError(String(caught));
  io.err(`initdb: error: ${message}\n`);
  if (detail !== undefined) io.err(`initdb: detail: ${detail}\n`);
  if (hint !== undefined) io.err(`initdb: hint: ${hint}\n`);
}

function show(options: InitdbOptions, io: Output): void {
  io.err(
    [
      `VERSION=${versionLine('initdb').slice('initdb (PostgreSQL) '.length)}`,
      `PGDATA=${options.dataDirectory}`,
      `PGPATH=${dirname(programPath('initdb'))}`,
      `POSTGRES_SUPERUSERNAME=${options.user}`,
      '',
    ].join('\n'),
  );
}

function syncOnly(options: InitdbOptions, io: Output): void {
  const path = options.dataDirectory;
  if (directoryState(path) === 'absent') {
    throw new InitdbError(`could not access directory "${path}": No such file or directory`);
  }
  io.out('syncing data to disk ... ');
  syncTree(path);
  io.out('ok\n');
}

/** Exit code. */
export async function initdb(argv: readonly string[], env: NodeJS.ProcessEnv, io: Output): Promise<number> {
  try {
    const options = readInitdbOptions(argv, env);
    if (options === 'help') io.out(USAGE);
    else if (options === 'version') io.out(`${versionLine('initdb')}\n`);
    else if (options.syncOnly) syncOnly(options, io);
    else if (options.show) show(options, io);
    else await new Initialization(options, io, systemTimeZone(env)).run();
    return 0;
  } catch (caught) {
    complain(caught, io);
    return 1;
  }
}

export async function main(argv: readonly string[]): Promise<void> {
  process.exitCode = await initdb(argv, process.env, standardOutput);
}
