/** pg-ctl.ts — starts, stops and signals the server of a data directory.
 *
 *  It knows the server through postmaster.pid and signals only, so it works on any cluster, whatever state it is in.
 *  Starting runs bin/postgres through the shell, detached in a session of its own; the wait polls the pid file ten times
 *  a second for line 8.
 *  Counterpart: src/bin/pg_ctl/pg_ctl.c */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Output } from '#cli/initdb.ts';
import { initdb, shellWord } from '#cli/initdb.ts';
import { programPath, versionLine } from '#cli/package-folder.ts';
import type { KillSignal, PgCtlOptions, ShutdownMode } from '#cli/pg-ctl-options.ts';
import { isCommandLineMistake, readPgCtlOptions, UsageError } from '#cli/pg-ctl-options.ts';
import type { PidFile } from '#cli/pid-file.ts';
import { isAlive, OPTIONS_FILE, PID_FILE, PidFileError, readPidFile } from '#cli/pid-file.ts';
import { errorCode, reasonOf } from '#cli/system-error.ts';

const POLLS_PER_SECOND = 10;
const POLL_MS = 1000 / POLLS_PER_SECOND;
const IN_ARCHIVE_RECOVERY = 5;
const IN_PRODUCTION = 6;
const STATUS_NOT_RUNNING = 3;
const STATUS_NO_DIRECTORY = 4;

const USAGE = `pg_ctl is a utility to initialize, start, stop, or control a PostgreSQL server.

Usage:
  pg_ctl init[db]   [-D DATADIR] [-s] [-o OPTIONS]
  pg_ctl start      [-D DATADIR] [-l FILENAME] [-W] [-t SECS] [-s]
                    [-o OPTIONS] [-p PATH] [-c]
  pg_ctl stop       [-D DATADIR] [-m SHUTDOWN-MODE] [-W] [-t SECS] [-s]
  pg_ctl restart    [-D DATADIR] [-m SHUTDOWN-MODE] [-W] [-t SECS] [-s]
                    [-o OPTIONS] [-c]
  pg_ctl reload     [-D DATADIR] [-s]
  pg_ctl status     [-D DATADIR]
  pg_ctl promote    [-D DATADIR] [-W] [-t SECS] [-s]
  pg_ctl logrotate  [-D DATADIR] [-s]
  pg_ctl kill       SIGNALNAME PID

Common options:
  -D, --pgdata=DATADIR   location of the database storage area
  -s, --silent           only print errors, no informational messages
  -t, --timeout=SECS     seconds to wait when using -w option
  -V, --version          output version information, then exit
  -w, --wait             wait until operation completes (default)
  -W, --no-wait          do not wait until operation completes
  -?, --help             show this help, then exit
If the -D option is omitted, the environment variable PGDATA is used.

Options for start or restart:
  -c, --core-files       allow postgres to produce core files
  -l, --log=FILENAME     write (or append) server log to FILENAME
  -o, --options=OPTIONS  command line options to pass to postgres
                         (PostgreSQL server executable) or initdb
  -p PATH-TO-POSTGRES    normally not necessary

Options for stop or restart:
  -m, --mode=MODE        MODE can be "smart", "fast", or "immediate"

Shutdown modes are:
  smart       quit after all clients have disconnected
  fast        quit directly, with proper shutdown (default)
  immediate   quit without complete shutdown; will lead to recovery on restart

Allowed signal names for kill:
  ABRT HUP INT KILL QUIT TERM USR1 USR2
`;

/** Ends the operation with exit code 1 after these words. */
class Failure extends Error {}

const SHUTDOWN_SIGNAL: Readonly<Record<ShutdownMode, NodeJS.Signals>> = {
  smart: 'SIGTERM',
  fast: 'SIGINT',
  immediate: 'SIGQUIT',
};

class PgCtl {
  private readonly data: string;
  constructor(
    private readonly options: PgCtlOptions,
    private readonly env: NodeJS.ProcessEnv,
    private readonly io: Output,
  ) {
    this.data = options.dataDirectory ?? '';
  }

  async run(): Promise<number> {
    const { operation, killPid, killSignal } = this.options;
    if (operation === 'init') return this.init();
    if (operation === 'start') return this.start(false);
    if (operation === 'stop') return this.stop();
    if (operation === 'restart') return this.restart();
    if (operation === 'reload') return this.reload();
    if (operation === 'status') return this.status();
    if (operation === 'promote') return this.promote();
    if (operation === 'logrotate') return this.logrotate();
    if (killSignal === undefined || killPid === undefined) throw new UsageError('missing arguments for kill mode');
    return kill(killSignal, killPid);
  }

  private say(text: string): void {
    if (!this.options.silent) this.io.out(text);
  }

  private init(): Promise<number> {
    const words = splitShellWords(this.options.serverOptions ?? '');
    const directory = this.options.directoryGiven ? ['-D', this.data] : [];
    const io = this.options.silent ? { out: () => {}, err: this.io.err } : this.io;
    return initdb([...directory, ...words], this.env, io);
  }

  /** The pid file of a running or once running server, or PostgreSQL's complaint. */
  private pidFileOrFail(): PidFile {
    const file = readPidFile(this.data);
    if (file === undefined) throw new Failure(`${this.noPidFile()}\n`);
    return file;
  }
  private noPidFile(): string {
    return `pg_ctl: PID file "${join(this.data, PID_FILE)}" does not exist\nIs server running?`;
  }
  private refuseSingleUser(pid: number, what: string, hint = ''): void {
    if (pid < 0) {
      throw new Failure(`pg_ctl: cannot ${what} server; single-user server is running (PID: ${-pid})\n${hint}`);
    }
  }

  private send(pid: number, signal: NodeJS.Signals, name: string): void {
    try {
      process.kill(pid, signal);
    } catch (caught) {
      throw new Failure(`pg_ctl: could not send ${name} signal (PID: ${pid}): ${reasonOf(caught)}\n`);
    }
  }

  private async start(restarting: boolean): Promise<number> {
    if (!restarting && readPidFile(this.data) !== undefined) {
      this.io.err('pg_ctl: another server might be running; trying to start server anyway\n');
    }
    const { program, words } = this.commandLine(restarting);
    if (!existsSync(program)) {
      throw new Failure(`pg_ctl: could not find program "${program}"\n`);
    }
    const startedSeconds = Math.floor(Date.now() / 1000);
    const { child, exited } = this.spawnServer(program, words);
    if (!this.options.wait) {
      this.say('server starting\n');
      return 0;
    }
    this.say('waiting for server to start...');
    const outcome = await this.waitForStart(child, exited, startedSeconds);
    if (outcome === 'ready') {
      this.say(' done\nserver started\n');
      return 0;
    }
    this.say(' stopped waiting\n');
    if (outcome === 'timeout') throw new Failure('pg_ctl: server did not start in time\n');
    throw new Failure('pg_ctl: could not start server\nExamine the log output.\n');
  }

  /** For a restart: program and words as postmaster.opts recorded them, unless told otherwise. */
  private commandLine(restarting: boolean): { program: string; words: string } {
    const { serverOptions, postgresPath, directoryGiven } = this.options;
    const installed = postgresPath ?? programPath('postgres');
    if (!restarting || serverOptions !== undefined) {
      const directory = directoryGiven && !restarting ? `-D ${shellWord(this.data)} ` : '';
      return { program: installed, words: directory + (serverOptions ?? '') };
    }
    const path = join(this.data, OPTIONS_FILE);
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch {
      throw new Failure(`pg_ctl: could not read file "${path}"\n`);
    }
    const lines = text.replace(/\n$/, '').split('\n');
    const line = lines[0] ?? '';
    if (lines.length !== 1) throw new Failure(`pg_ctl: option file "${path}" must have exactly one line\n`);
    const split = line.indexOf(' "');
    if (split < 0) return { program: postgresPath ?? line, words: '' };
    return { program: postgresPath ?? line.slice(0, split), words: line.slice(split + 1) };
  }

  private spawnServer(program: string, words: string): { child: ChildProcess; exited: () => boolean } {
    const { logFile } = this.options;
    const core = this.options.coreFiles ? 'ulimit -S -c unlimited; ' : '';
    // `exec`: the shell becomes the server, so the pid we know is the postmaster's.
    const target = logFile === undefined ? '2>&1' : `>> ${shellWord(logFile)} 2>&1`;
    const command = `${core}exec ${shellWord(program)} ${words} < /dev/null ${target}`;
    const child = spawn('/bin/sh', ['-c', command], {
      detached: true,
      env: { ...this.env, PGDATA: this.data, PG_GRANDPARENT_PID: String(process.ppid) },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    let over = false;
    child.once('exit', () => void (over = true));
    child.once('error', () => void (over = true));
    child.unref();
    return { child, exited: () => over };
  }

  private async waitForStart(
    child: ChildProcess,
    exited: () => boolean,
    startedSeconds: number,
  ): Promise<'ready' | 'failed' | 'timeout'> {
    for (let poll = 0; poll < this.options.timeoutSeconds * POLLS_PER_SECOND; poll++) {
      const file = this.pidFileOfChild();
      // A file left behind by another server has another pid or an older start.
      const isNew = file !== undefined && file.pid === child.pid && file.startSeconds >= startedSeconds - 2;
      if (isNew && file.lineCount >= 8 && (file.status === 'ready' || file.status === 'standby')) return 'ready';
      if (exited()) return 'failed';
      if (poll % POLLS_PER_SECOND === 0) this.say('.');
      await sleep(POLL_MS);
    }
    return 'timeout';
  }

  /** A half-written file is no file yet. */
  private pidFileOfChild(): PidFile | undefined {
    try {
      return readPidFile(this.data);
    } catch (caught) {
      if (caught instanceof PidFileError && !caught.noDirectory) return undefined;
      throw caught;
    }
  }

  private async waitForStop(): Promise<void> {
    this.say('waiting for server to shut down...');
    for (let poll = 0; poll < this.options.timeoutSeconds * POLLS_PER_SECOND; poll++) {
      const file = readPidFile(this.data);
      if (file === undefined || (!isAlive(Math.abs(file.pid)) && readPidFile(this.data) === undefined)) {
        this.say(' done\nserver stopped\n');
        return;
      }
      // Died without removing its pid file: waiting longer will not help.
      if (!isAlive(Math.abs(file.pid))) break;
      if (poll % POLLS_PER_SECOND === 0) this.say('.');
      await sleep(POLL_MS);
    }
    this.say(' failed\n');
    const hint =
      this.options.mode === 'smart'
        ? 'HINT: The "-m fast" option immediately disconnects sessions rather than\nwaiting for session-initiated disconnection.\n'
        : '';
    throw new Failure(`pg_ctl: server does not shut down\n${hint}`);
  }

  private async stop(): Promise<number> {
    const { pid } = this.pidFileOrFail();
    this.refuseSingleUser(pid, 'stop');
    this.send(pid, SHUTDOWN_SIGNAL[this.options.mode], 'stop');
    if (!this.options.wait) this.say('server shutting down\n');
    else await this.waitForStop();
    return 0;
  }

  private async restart(): Promise<number> {
    const file = readPidFile(this.data);
    if (file === undefined) {
      this.io.err(`${this.noPidFile()}\ntrying to start server anyway\n`);
      return this.start(true);
    }
    const pid = Math.abs(file.pid);
    if (!isAlive(pid)) {
      this.io.err(`pg_ctl: old server process (PID: ${pid}) seems to be gone\nstarting server anyway\n`);
      return this.start(true);
    }
    this.refuseSingleUser(file.pid, 'restart', 'Please terminate the single-user server and try again.\n');
    this.send(pid, SHUTDOWN_SIGNAL[this.options.mode], 'stop');
    await this.waitForStop();
    return this.start(true);
  }

  private reload(): number {
    const { pid } = this.pidFileOrFail();
    this.refuseSingleUser(pid, 'reload', 'Please terminate the single-user server and try again.\n');
    this.send(pid, 'SIGHUP', 'reload');
    this.say('server signaled\n');
    return 0;
  }

  private status(): number {
    const file = readPidFile(this.data);
    const pid = Math.abs(file?.pid ?? 0);
    if (file === undefined || !isAlive(pid)) {
      this.io.out('pg_ctl: no server running\n');
      return STATUS_NOT_RUNNING;
    }
    if (file.pid < 0) this.io.out(`pg_ctl: single-user server is running (PID: ${pid})\n`);
    else {
      this.io.out(`pg_ctl: server is running (PID: ${pid})\n`);
      const path = join(this.data, OPTIONS_FILE);
      if (existsSync(path)) this.io.out(`${readFileSync(path, 'utf8').replace(/\n$/, '')}\n`);
    }
    return 0;
  }

  /** Creates a file that says what a signal means, and withdraws it if the signal cannot be sent. */
  private signalWithFile(pid: number, name: string, what: string): void {
    const path = join(this.data, name);
    try {
      writeFileSync(path, '');
    } catch (caught) {
      throw new Failure(`pg_ctl: could not create ${what} signal file "${path}": ${reasonOf(caught)}\n`);
    }
    try {
      this.send(pid, 'SIGUSR1', what);
    } catch (caught) {
      rmSync(path, { force: true });
      throw caught;
    }
  }

  private async promote(): Promise<number> {
    const { pid } = this.pidFileOrFail();
    this.refuseSingleUser(pid, 'promote');
    if (controlState(this.data) !== IN_ARCHIVE_RECOVERY) {
      throw new Failure('pg_ctl: cannot promote server; server is not in standby mode\n');
    }
    this.signalWithFile(pid, 'promote', 'promote');
    if (!this.options.wait) {
      this.say('server promoting\n');
      return 0;
    }
    this.say('waiting for server to promote...');
    for (let poll = 0; poll < this.options.timeoutSeconds * POLLS_PER_SECOND; poll++) {
      if (controlState(this.data) === IN_PRODUCTION) {
        this.say(' done\nserver promoted\n');
        return 0;
      }
      if (!isAlive(pid)) break;
      if (poll % POLLS_PER_SECOND === 0) this.say('.');
      await sleep(POLL_MS);
    }
    this.say(' stopped waiting\n');
    throw new Failure('pg_ctl: server did not promote in time\n');
  }

  private logrotate(): number {
    const { pid } = this.pidFileOrFail();
    this.refuseSingleUser(pid, 'rotate log file');
    this.signalWithFile(pid, 'logrotate', 'log rotation');
    this.say('server signaled to rotate log file\n');
    return 0;
  }
}

function kill(signal: KillSignal, pid: number): number {
  try {
    process.kill(pid, `SIG${signal}`);
    return 0;
  } catch (caught) {
    const number = constants.signals[`SIG${signal}`];
    throw new Failure(`pg_ctl: could not send signal ${number} (PID: ${pid}): ${reasonOf(caught)}\n`);
  }
}

/** DBState of global/pg_control, undefined where there is none (a cluster without write-ahead log). */
function controlState(dataDirectory: string): number | undefined {
  let fd: number;
  try {
    fd = openSync(join(dataDirectory, 'global', 'pg_control'), 'r');
  } catch (caught) {
    if (errorCode(caught) === 'ENOENT') return undefined;
    throw new Failure(`pg_ctl: could not open file "global/pg_control" for reading: ${reasonOf(caught)}\n`);
  }
  try {
    const word = Buffer.alloc(4);
    return readSync(fd, word, 0, 4, 16) === 4 ? word.readUInt32LE(0) : undefined;
  } finally {
    closeSync(fd);
  }
}

/** Words of a shell command: blanks separate, quotes and backslashes protect. */
export function splitShellWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const ch = text.charAt(at);
    if (quote !== '') {
      if (ch === quote) quote = '';
      else word = (word ?? '') + (ch === '\\' && quote === '"' ? text.charAt(++at) : ch);
    } else if (ch === '"' || ch === "'") {
      quote = ch;
      word ??= '';
    } else if (ch === '\\') word = (word ?? '') + text.charAt(++at);
    else if (/\s/.test(ch)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + ch;
  }
  if (word !== undefined) words.push(word);
  return words;
}

/** Exit code. */
export async function pgCtl(argv: readonly string[], env: NodeJS.ProcessEnv, io: Output): Promise<number> {
  try {
    const options = readPgCtlOptions(argv, env);
    if (options === 'help') io.out(USAGE);
    else if (options === 'version') io.out(`${versionLine('pg_ctl')}\n`);
    else {
      try {
        return await new PgCtl(options, env, io).run();
      } catch (caught) {
        if (!(caught instanceof PidFileError)) throw caught;
        io.err(`pg_ctl: ${caught.message}\n`);
        return caught.noDirectory && options.operation === 'status' ? STATUS_NO_DIRECTORY : 1;
      }
    }
    return 0;
  } catch (caught) {
    if (caught instanceof Failure) io.err(caught.message);
    else if (isCommandLineMistake(caught)) {
      io.err(`pg_ctl: ${caught.message}\n`);
      io.err('Try "pg_ctl --help" for more information.\n');
    } else throw caught;
    return 1;
  }
}

export async function main(argv: readonly string[]): Promise<void> {
  const io: Output = {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
  };
  process.exitCode = await pgCtl(argv, process.env, io);
}
