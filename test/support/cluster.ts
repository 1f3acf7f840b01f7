/** cluster.ts — a server of ours for one test file: its own data directory, port and socket folder, and a clean end.
 *
 *  Every wait is for a state, with a deadline that says what was being waited for. `stop()` leaves nothing behind, also
 *  when a test failed half-way: it kills by the pids it knows and checks that the children are gone. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export const packageRoot = new URL('../..', import.meta.url).pathname;
export type ProcessModel = 'fork' | 'spawn';
export const PROCESS_MODELS: readonly ProcessModel[] = ['fork', 'spawn'];

/** Folder of PostgreSQL's own programs, undefined where they are not installed. */
export function postgresBin(): string | undefined {
  const folder = '/usr/lib/postgresql/15/bin';
  return existsSync(join(folder, 'postgres')) ? folder : undefined;
}
function findProgram(name: string): string | undefined {
  const found = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim();
  if (found !== '') return found;
  const folder = postgresBin();
  return folder !== undefined && existsSync(join(folder, name)) ? join(folder, name) : undefined;
}
export const psqlPath = findProgram('psql');
export const pgbenchPath = findProgram('pgbench');

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

/** Polls until `look` gives something but undefined/false; the error says what was awaited and what was seen. */
export async function waitFor<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  seconds = 20,
  onExpiry: () => string = () => '',
): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  let problem = '';
  for (;;) {
    try {
      const seen = await look();
      if (seen !== undefined && seen !== false) return seen;
    } catch (caught) {
      problem = String(caught);
    }
    if (Date.now() > deadline) throw new Error(`waited ${seconds} s for: ${what}\n${problem}\n${onExpiry()}`);
    await delay(20);
  }
}

export const isAlive = (pid: number): boolean => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !/^\d+ \(.*\) Z/s.test(stat);
  } catch {
    return false; // no such process
  }
};

export interface ChildInfo {
  readonly pid: number;
  readonly title: string;
}
/** Children of a process with their titles. */
export function childrenOf(parent: number): ChildInfo[] {
  const found: ChildInfo[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const afterName = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (Number(afterName[1]) !== parent || afterName[0] === 'Z') continue;
      const title = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      found.push({ pid: Number(name), title });
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}

export interface ClusterOptions {
  readonly model?: ProcessModel;
  /** Lines for postgresql.conf. */
  readonly conf?: readonly string[];
  readonly initdb?: readonly string[];
  readonly start?: boolean;
}

export class Cluster {
  child: ChildProcess | undefined;
  pid = 0;
  #log = '';
  private constructor(
    readonly folder: string,
    readonly dataDirectory: string,
    readonly port: number,
    readonly model: ProcessModel,
  ) {}

  static async create(options: ClusterOptions = {}): Promise<Cluster> {
    const folder = mkdtempSync(join(tmpdir(), 'nodegres-'));
    const data = join(folder, 'data');
    const model = options.model ?? 'fork';
    const cluster = new Cluster(folder, data, await freePort(), model);
    const init = ['-D', data, '-U', 'postgres', '-A', 'trust', '--no-sync', ...(options.initdb ?? [])];
    execFileSync(join(packageRoot, 'bin/initdb'), init, { stdio: 'pipe' });
    cluster.configure([
      `port = ${cluster.port}`,
      `unix_socket_directories = '${folder}'`,
      "listen_addresses = '127.0.0.1'",
      `process_model = ${model}`,
      ...(options.conf ?? []),
    ]);
    if (options.start !== false) await cluster.start();
    return cluster;
  }

  configure(lines: readonly string[]): void {
    appendFileSync(join(this.dataDirectory, 'postgresql.conf'), `${lines.join('\n')}\n`);
  }
  /** A file below the data directory, '' while it does not exist. */
  readDataFile(name: string): string {
    const path = join(this.dataDirectory, name);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }
  get log(): string {
    return this.#log;
  }
  clearLog(): void {
    this.#log = '';
  }

  /** Starts bin/postgres and waits until it is ready. */
  async start(args: readonly string[] = []): Promise<void> {
    this.launch(args);
    await waitFor(
      'the server to be ready',
      () => {
        if (this.child?.exitCode !== null) throw new Error('the server ended');
        return this.status() === 'ready';
      },
      30,
      () => this.#log,
    );
  }
  launch(args: readonly string[] = []): void {
    const child = spawn(join(packageRoot, 'bin/postgres'), ['-D', this.dataDirectory, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: this.folder,
    });
    this.child = child;
    this.pid = child.pid ?? 0;
    const collect = (chunk: Buffer): void => {
      this.#log += chunk.toString('utf8');
    };
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
  }

  pidFile(): string[] {
    const path = join(this.dataDirectory, 'postmaster.pid');
    return existsSync(path) ? readFileSync(path, 'utf8').split('\n') : [];
  }
  status(): string {
    const lines = this.pidFile();
    return Number(lines[0]) === this.pid ? (lines[7] ?? '').trim() : '';
  }
  children(): ChildInfo[] {
    return childrenOf(this.pid);
  }
  /** The child whose title begins with `postgres: <title>`. */
  childPid(title: string): number | undefined {
    return this.children().find((child) => child.title.startsWith(`postgres: ${title}`))?.pid;
  }

  get psqlArguments(): string[] {
    return ['-X', '-h', '127.0.0.1', '-p', String(this.port), '-U', 'postgres', '-d', 'postgres'];
  }
  /** Output of psql -At; throws with stderr when psql fails. */
  psql(sql: string, more: readonly string[] = []): string {
    if (psqlPath === undefined) throw new Error('psql is not installed');
    const done = spawnSync(psqlPath, [...this.psqlArguments, '-At', '-v', 'ON_ERROR_STOP=1', ...more, '-c', sql], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    if (done.status !== 0) throw new Error(`psql ended with ${done.status}: ${done.stderr}`);
    return done.stdout.trimEnd();
  }

  /** SIGTERM smart, SIGINT fast, SIGQUIT immediate; resolves with the exit code. */
  async stop(signal: NodeJS.Signals = 'SIGINT', seconds = 20): Promise<number | null> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    child.kill(signal);
    await waitFor(
      `the server to end after ${signal}`,
      () => child.exitCode !== null || child.signalCode !== null,
      seconds,
      () => this.#log,
    );
    return child.exitCode;
  }

  /** Ends everything and removes the folder; for afterAll. Throws if a process outlived the server. */
  async destroy(): Promise<void> {
    const orphans = this.pid > 0 ? this.children().map((one) => one.pid) : [];
    try {
      await this.stop('SIGQUIT', 15);
      await waitFor('all children to end', () => orphans.every((pid) => !isAlive(pid)), 10);
    } finally {
      for (const pid of [this.pid, ...orphans]) if (pid > 0 && isAlive(pid)) process.kill(pid, 'SIGKILL');
      rmSync(this.folder, { recursive: true, force: true });
    }
  }
}
