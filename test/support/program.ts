/** program.ts — the project's command line programs run as a user runs them, in a temporary folder that is removed with
 *  every process that was started in it, also after a failure. */
import type { ChildProcess } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const packageFolder = process.env['NODEGRES_PACKAGE'] ?? new URL('../..', import.meta.url).pathname;
/** fork or spawn: every suite must pass with both. */
const processModel = process.env['NODEGRES_PROCESS_MODEL'];
const RUN_MS_MAX = 60_000;
const POLL_MS = 25;

export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export const program = (name: string): string => join(packageFolder, 'bin', name);

/** A port that nobody listened on a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** Polls until `what` is true; names it and shows `state` when the time is over. */
export async function until(what: string, isTrue: () => boolean, state: () => string, msMax = 15_000): Promise<void> {
  const deadline = Date.now() + msMax;
  while (!isTrue()) {
    if (Date.now() > deadline) throw new Error(`waited ${msMax} ms for: ${what}\n${state()}`);
    await sleep(POLL_MS);
  }
}

const readProc = (pid: string, name: string): string | undefined => {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return undefined; // Gone meanwhile.
  }
};
/** A process that waits to be reaped is over. */
export function isAlive(pid: number): boolean {
  const stat = readProc(String(pid), 'stat');
  return stat !== undefined && !stat.slice(stat.lastIndexOf(')')).startsWith(') Z');
}
/** Not even waiting to be reaped: for kill(2) a zombie is there. */
export const isGone = (pid: number): boolean => !existsSync(`/proc/${pid}`);
const parentOf = (pid: string): number => {
  const stat = readProc(pid, 'stat') ?? '';
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
};
export function childrenOf(pid: number): { pid: number; title: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && parentOf(name) === pid)
    .map((name) => ({ pid: Number(name), title: (readProc(name, 'cmdline') ?? '').replace(/\0+/g, ' ').trim() }));
}

/** A folder with a data directory in it (`data`), and everything that happens there. */
export class ProgramFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'nodegres-'));
  readonly data = join(this.path, 'data');
  private readonly started: ChildProcess[] = [];

  run(name: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Outcome {
    const { status, stdout, stderr } = spawnSync(program(name), args, {
      cwd: this.path,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], LANG: 'C.UTF-8', ...env },
      timeout: RUN_MS_MAX,
    });
    return { code: status, out: stdout, err: stderr };
  }
  initdb(...args: string[]): Outcome {
    const outcome = this.run('initdb', ['-D', 'data', '-N', '-U', 'postgres', '-A', 'trust', ...args]);
    if (processModel !== undefined && outcome.code === 0)
      appendFileSync(join(this.data, 'postgresql.conf'), `process_model = ${processModel}\n`);
    return outcome;
  }
  /** pg_ctl on `data`. Output goes to files: a server that inherited our pipe would keep it open. */
  ctl(...args: string[]): Outcome {
    const out = join(this.path, 'ctl.out');
    const err = join(this.path, 'ctl.err');
    const command = '"$0" "$@" >ctl.out 2>ctl.err </dev/null';
    const { status } = spawnSync('/bin/sh', ['-c', command, program('pg_ctl'), '-D', 'data', ...args], {
      cwd: this.path,
      env: { PATH: process.env['PATH'], LANG: 'C.UTF-8' },
      timeout: RUN_MS_MAX,
    });
    return { code: status, out: readFileSync(out, 'utf8'), err: readFileSync(err, 'utf8') };
  }
  /** A program that goes on running; what it prints is collected. */
  spawn(
    name: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): { child: ChildProcess; text: () => string } {
    const script = name.endsWith('.mjs');
    const child = spawn(script ? process.execPath : program(name), script ? [program(name), ...args] : args, {
      cwd: this.path,
      env: { PATH: process.env['PATH'], LANG: 'C.UTF-8', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let text = '';
    child.stdout.on('data', (bytes) => void (text += String(bytes)));
    child.stderr.on('data', (bytes) => void (text += String(bytes)));
    this.started.push(child);
    return { child, text: () => text };
  }
  read(name: string): string {
    const path = join(this.path, name);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }
  postmasterPid(): number {
    return Number(this.read('data/postmaster.pid').split('\n')[0] || 0);
  }
  /** What a failed wait shows. */
  state = (): string =>
    `${this.read('log')}\npostmaster.pid:\n${this.read('data/postmaster.pid')}\nchildren: ${JSON.stringify(childrenOf(this.postmasterPid()))}`;

  /** Ends what still runs, then removes the folder. */
  async remove(): Promise<void> {
    const pid = this.postmasterPid();
    if (pid > 0 && isAlive(pid)) {
      const children = childrenOf(pid).map((child) => child.pid);
      process.kill(pid, 'SIGQUIT');
      await until('the postmaster to end', () => !isAlive(pid), this.state, 10_000).catch(() =>
        process.kill(pid, 'SIGKILL'),
      );
      await until('its children to end', () => !children.some(isAlive), this.state, 5000);
    }
    for (const child of this.started) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    rmSync(this.path, { recursive: true, force: true });
  }
}
