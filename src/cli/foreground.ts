/** foreground.ts — `nodegres start --foreground` and `npm start`: a server that lives as long as this command.
 *
 *  Makes the data directory if there is none, runs bin/postgres as a child with its log on our standard error, says how
 *  to connect once it is ready, and turns Ctrl-C into a fast shutdown. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Output } from '#cli/initdb.ts';
import { initdb, shellWord } from '#cli/initdb.ts';
import { packageFolder, programPath } from '#cli/package-folder.ts';
import { PidFileError, readPidFile } from '#cli/pid-file.ts';
import { showProcesses } from '#cli/ps-command.ts';

const READY_SECONDS_MAX = 60;
const POLL_MS = 50;
const SUPERUSER = 'postgres';

export interface ForegroundOptions {
  readonly dataDirectory: string;
  readonly port: number;
  readonly host: string;
}

/** $PGPORT as a port number. */
export function portOf(env: NodeJS.ProcessEnv): number | undefined {
  const text = env['PGPORT'];
  if (text === undefined || text === '') return 5432;
  const port = Number(text);
  return Number.isInteger(port) && port >= 1 && port <= 65_535 ? port : undefined;
}

export const missingPart = (): string | undefined =>
  ['native-shm/index.cjs', 'dist/postgres.cjs'].find((path) => !existsSync(join(packageFolder, path)));

function isReady(dataDirectory: string, pid: number | undefined): boolean {
  try {
    const file = readPidFile(dataDirectory);
    return file !== undefined && file.pid === pid && file.status === 'ready';
  } catch (caught) {
    if (caught instanceof PidFileError) return false; // Being written.
    throw caught;
  }
}

export async function runForeground(options: ForegroundOptions, env: NodeJS.ProcessEnv, io: Output): Promise<number> {
  const { dataDirectory, host, port } = options;
  const missing = missingPart();
  if (missing !== undefined) {
    io.err(`nodegres: ${missing} is missing: run "npm install" (or "npm run build") in ${packageFolder}\n`);
    return 1;
  }
  if (!existsSync(join(dataDirectory, 'PG_VERSION'))) {
    const code = await initdb(['-D', dataDirectory, '-U', SUPERUSER, '-A', 'trust', '--no-instructions'], env, io);
    if (code !== 0) return code;
    io.out('\n');
  }
  const words = ['-D', dataDirectory, '-p', String(port), '-c', `listen_addresses=${host}`];
  const server = spawn(programPath('postgres'), words, { env, stdio: ['ignore', 'inherit', 'inherit'] });
  const ended = new Promise<number>((resolve) => {
    server.once('error', (error) => {
      io.err(`nodegres: could not start ${programPath('postgres')}: ${error.message}\n`);
      resolve(1);
    });
    server.once('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
  });
  let over = false;
  void ended.then(() => void (over = true));
  const stop = (): void => void server.kill('SIGINT');
  process.on('SIGINT', stop).on('SIGTERM', stop);
  const deadline = Date.now() + READY_SECONDS_MAX * 1000;
  while (!over && !isReady(dataDirectory, server.pid)) {
    if (Date.now() > deadline) {
      io.err(`nodegres: the server was not ready after ${READY_SECONDS_MAX} seconds\n`);
      stop();
      break;
    }
    await sleep(POLL_MS);
  }
  if (!over && isReady(dataDirectory, server.pid)) {
    io.out(`\nReady on ${host}:${port}, data directory ${dataDirectory}\n`);
    io.out(`Connect:  psql -h ${shellWord(host)} -p ${port} -U ${env['PGUSER'] ?? SUPERUSER} postgres\n`);
    const here = relative(process.cwd(), programPath('nodegres'));
    io.out(`Watch:    ${shellWord(here)} ps -D ${shellWord(dataDirectory)}\n`);
    io.out('Stop:     Ctrl-C\n\n');
    await showProcesses(dataDirectory, env, io);
  }
  const code = await ended;
  process.off('SIGINT', stop).off('SIGTERM', stop);
  return code;
}
