// processes.mjs — what /proc says about a server's processes, and starting one in a temporary directory.
import { execFileSync, spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { firstAnswer } from './client.mjs';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** Something of /proc, undefined when the process is gone. */
function look(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch (caught) {
    if (caught.code === 'ENOENT' || caught.code === 'ESRCH') return undefined;
    throw caught;
  }
}
/** {pid, state, title} of every child of `parent`. */
export function childrenOf(parent) {
  const found = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = look(`/proc/${name}/stat`);
    if (stat === undefined) continue;
    const [state, ppid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (Number(ppid) !== parent) continue;
    const title = look(`/proc/${name}/cmdline`)?.replaceAll('\0', ' ').trim() ?? '';
    found.push({ pid: Number(name), state, title });
  }
  return found;
}
export function isAlive(pid) {
  const stat = look(`/proc/${pid}/stat`);
  return stat !== undefined && !/^\d+ \(.*\) Z/s.test(stat);
}
/** Kilobytes by name out of smaps_rollup; undefined when the process is gone. */
export function memoryOf(pid) {
  const text = look(`/proc/${pid}/smaps_rollup`);
  if (text === undefined || text === '') return undefined;
  return Object.fromEntries(
    [...text.matchAll(/^(\w+):\s+(\d+) kB$/gm)].map(([, name, value]) => [name, Number(value)]),
  );
}
/** Sums over a server's processes. */
export function memoryOfTree(postmaster) {
  const total = {};
  const pids = [postmaster, ...childrenOf(postmaster).map((child) => child.pid)];
  for (const pid of pids)
    for (const [name, value] of Object.entries(memoryOf(pid) ?? {})) total[name] = (total[name] ?? 0) + value;
  return { ...total, processes: pids.length };
}
export const descriptorsOf = (pid) => readdirSync(`/proc/${pid}/fd`).length;

export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** The flags that bin/postgres' first line gives to node. */
export function serverFlags() {
  const [first] = readFileSync(join(root, 'bin/postgres'), 'utf8').split('\n', 1);
  return first.split(/\s+/).filter((word) => word.startsWith('--'));
}

/** A server that is started and stopped by its postmaster's process id. `command` is [program, arguments]. */
export class Server {
  child;
  log = '';
  constructor(name, folder, port, command, spawnOptions = {}) {
    Object.assign(this, { name, folder, port, command, spawnOptions });
  }
  get dataDirectory() {
    return join(this.folder, 'data');
  }
  get pid() {
    return this.child.pid;
  }
  configure(lines) {
    appendFileSync(join(this.dataDirectory, 'postgresql.conf'), `${lines.join('\n')}\n`);
  }
  /** Starts and resolves with the milliseconds until the first answer. */
  async start(deadlineMs = 30_000) {
    const began = performance.now();
    this.child = spawn(...this.command, { cwd: this.folder, stdio: ['ignore', 'pipe', 'pipe'], ...this.spawnOptions });
    const collect = (chunk) => {
      this.log = (this.log + chunk).slice(-200_000);
    };
    this.child.stdout.on('data', collect);
    this.child.stderr.on('data', collect);
    const failure = new Promise((_, reject) => this.child.on('error', reject));
    await Promise.race([firstAnswer(this.port, deadlineMs, `${this.name} to answer after its start`), failure]);
    return performance.now() - began;
  }
  get hasEnded() {
    return this.child === undefined || this.child.exitCode !== null || this.child.signalCode !== null;
  }
  /** Fast shutdown; resolves with the exit code. Whatever does not end in time is killed, and that is an error. */
  async stop(deadlineMs = 20_000) {
    if (this.hasEnded) return this.child?.exitCode ?? null;
    const children = childrenOf(this.pid).map((child) => child.pid);
    this.child.kill('SIGINT');
    const deadline = Date.now() + deadlineMs;
    while ((!this.hasEnded || children.some(isAlive)) && Date.now() < deadline) await delay(5);
    const left = [...(this.hasEnded ? [] : [this.pid]), ...children.filter(isAlive)];
    for (const pid of left) process.kill(pid, 'SIGKILL');
    if (left.length > 0) throw new Error(`${this.name}: processes ${left.join(' ')} did not end after SIGINT`);
    return this.child.exitCode;
  }
  /** For `finally`: nothing of it stays, whatever happened. */
  async remove() {
    try {
      await this.stop();
    } finally {
      rmSync(this.folder, { recursive: true, force: true });
    }
  }
}

/** Our server in a directory of its own, not started. */
export async function makeOurServer({ model = 'fork', node = process.execPath, conf = [], initdb = [] } = {}) {
  const folder = mkdtempSync(join(tmpdir(), `nodegres-${model}-`));
  const port = await freePort();
  const command = [node, [...serverFlags(), join(root, 'bin/postgres'), '-D', join(folder, 'data')]];
  const server = new Server(`nodegres ${model}`, folder, port, command);
  try {
    execFileSync(
      node,
      [join(root, 'bin/initdb'), '-D', server.dataDirectory, '-U', 'postgres', '-A', 'trust', '--no-sync', ...initdb],
      {
        stdio: 'pipe',
      },
    );
    server.configure([
      `port = ${port}`,
      "listen_addresses = '127.0.0.1'",
      `unix_socket_directories = '${folder}'`,
      `process_model = ${model}`,
      ...conf,
    ]);
  } catch (caught) {
    rmSync(folder, { recursive: true, force: true });
    throw caught;
  }
  return server;
}

export const postgresBin = '/usr/lib/postgresql/15/bin';
/** PostgreSQL 15 in a directory of its own, not started; undefined where it is not installed. It refuses to run as root,
 *  so root runs it as the user postgres. */
export async function makePostgres(conf = []) {
  if (!existsSync(join(postgresBin, 'postgres'))) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'nodegres-pg15-'));
  const port = await freePort();
  const asRoot = process.getuid() === 0;
  const id = (flag) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  const user = asRoot ? { uid: id('-u'), gid: id('-g') } : {};
  if (asRoot) execFileSync('chown', ['postgres', folder]);
  const command = [join(postgresBin, 'postgres'), ['-D', join(folder, 'data')]];
  const server = new Server('PostgreSQL 15', folder, port, command, user);
  try {
    const init = ['-D', server.dataDirectory, '-U', 'postgres', '-A', 'trust', '--locale=C', '-E', 'UTF8', '--no-sync'];
    execFileSync(join(postgresBin, 'initdb'), init, { stdio: 'pipe', cwd: folder, ...user });
    server.configure([
      `port = ${port}`,
      "listen_addresses = '127.0.0.1'",
      `unix_socket_directories = '${folder}'`,
      ...conf,
    ]);
  } catch (caught) {
    rmSync(folder, { recursive: true, force: true });
    throw caught;
  }
  return server;
}
