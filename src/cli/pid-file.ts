/** pid-file.ts — postmaster.pid as the tools outside the server read it.
 *
 *      1 pid  2 data directory  3 start time  4 port  5 socket directory  6 listen address  7 shared memory  8 status
 *
 *  Counterpart: src/include/utils/pidfile.h, get_pgpid() and wait_for_postmaster_start() of src/bin/pg_ctl/pg_ctl.c */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode, reasonOf } from '#cli/system-error.ts';

export const PID_FILE = 'postmaster.pid';
export const OPTIONS_FILE = 'postmaster.opts';

export type PostmasterStatus = 'starting' | 'stopping' | 'ready' | 'standby' | 'unknown';

export interface PidFile {
  /** Negative: a single-user server. */
  readonly pid: number;
  readonly dataDirectory: string;
  readonly startSeconds: number;
  readonly port: number;
  readonly socketDirectory: string;
  readonly listenAddress: string;
  readonly status: PostmasterStatus;
  /** Lines present: the file grows while the server starts. */
  readonly lineCount: number;
}

/** Why there is no answer; `noDirectory` is pg_ctl status's exit code 4. */
export class PidFileError extends Error {
  constructor(
    message: string,
    readonly noDirectory: boolean,
  ) {
    super(message);
  }
}

const STATUSES: readonly PostmasterStatus[] = ['starting', 'stopping', 'ready', 'standby'];

export function parsePidFile(text: string): PidFile | undefined {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  const first = /^\s*([-+]?\d+)/.exec(lines[0] ?? '');
  if (first === null) return undefined;
  const status = lines[7]?.trim();
  return {
    pid: Number(first[1]),
    dataDirectory: lines[1] ?? '',
    startSeconds: Number(lines[2] ?? 0),
    port: Number(lines[3] ?? 0),
    socketDirectory: lines[4] ?? '',
    listenAddress: lines[5] ?? '',
    status: STATUSES.find((known) => known === status) ?? 'unknown',
    lineCount: lines.length,
  };
}

export function checkClusterDirectory(dataDirectory: string): void {
  try {
    statSync(dataDirectory);
  } catch (caught) {
    if (errorCode(caught) === 'ENOENT') {
      throw new PidFileError(`directory "${dataDirectory}" does not exist`, true);
    }
    throw new PidFileError(`could not access directory "${dataDirectory}": ${reasonOf(caught)}`, true);
  }
  try {
    statSync(join(dataDirectory, 'PG_VERSION'));
  } catch (caught) {
    if (errorCode(caught) === 'ENOENT') {
      throw new PidFileError(`directory "${dataDirectory}" is not a database cluster directory`, true);
    }
  }
}

/** undefined where no server left a pid file. */
export function readPidFile(dataDirectory: string): PidFile | undefined {
  checkClusterDirectory(dataDirectory);
  const path = join(dataDirectory, PID_FILE);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (caught) {
    if (errorCode(caught) === 'ENOENT') return undefined;
    throw new PidFileError(`could not open PID file "${path}": ${reasonOf(caught)}`, false);
  }
  const parsed = parsePidFile(text);
  if (parsed !== undefined) return parsed;
  if (text.trim() === '') throw new PidFileError(`the PID file "${path}" is empty`, false);
  throw new PidFileError(`invalid data in PID file "${path}"`, false);
}

/** Whether the process runs. Somebody else's process is taken for gone, as in PostgreSQL: a server of another user cannot
 *  be the one of a data directory that we may read. One that nobody has reaped yet is gone, too: in a container without
 *  an init it would count as running for ever. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return !stat.slice(stat.lastIndexOf(')')).startsWith(') Z');
  } catch {
    return false;
  }
}
