/** lock-files.ts — one postmaster per data directory, one per socket.
 *
 *  postmaster.pid says who runs here, in PostgreSQL's eight lines, and is what pg_ctl reads. It is not what protects the
 *  data: a pid can be reused and a file removed. The interlock is an flock on the data directory itself, taken by the
 *  postmaster and held by every child through the descriptor it inherits; so a new postmaster sees the children of a
 *  killed one, as PostgreSQL does through its System V segment's attach count.
 *  Counterpart: src/backend/utils/init/miscinit.c */
import { native } from '#platform/native.ts';
import {
  exists,
  FileError,
  createFileExclusively,
  overwriteFile,
  readTextFile,
  removeFileIfExists,
  statFile,
  touchFile,
} from '#platform/file-system.ts';
import { POSTGRES_EPOCH_US } from '#platform/clock.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { myProcess } from '#runtime/my-process.ts';
import { onProcExit } from '#runtime/exit-callbacks.ts';
import { settings } from '#runtime/guc/guc.ts';
import { serverFacts } from '#runtime/server-facts.ts';

export const PID_FILE = 'postmaster.pid';
const LINE = { startTime: 3, port: 4, socketDirectory: 5, listenAddress: 6, shmemKey: 7, status: 8 } as const;
export type PidFileStatus = 'starting' | 'stopping' | 'ready' | 'standby';

const owned: string[] = [];

function ownPids(): Set<number> {
  const grandparent = Number(process.env['PG_GRANDPARENT_PID'] ?? 0);
  return new Set([native.getpid(), native.getppid(), grandparent]);
}

/** A killed postmaster whose parent has not reaped it yet holds nothing any more. */
function isZombie(pid: number): boolean {
  const path = `/proc/${pid}/stat`;
  if (!exists(path)) return false;
  try {
    return /^\d+ \(.*\) Z/s.test(readTextFile(path));
  } catch (caught) {
    if (caught instanceof FileError) return true; // reaped between the two looks
    throw caught;
  }
}

function refuseIfAlive(path: string, content: string, what: string, isDirectoryLock: boolean): void {
  if (content.length === 0)
    report('FATAL', {
      code: SQLSTATE.lockFileExists,
      message: `lock file "${path}" is empty`,
      hint: 'Either another server is starting, or the lock file is the remnant of a previous server startup crash.',
    });
  const encoded = Number.parseInt(content, 10);
  const pid = Math.abs(encoded);
  if (!Number.isInteger(pid) || pid <= 0)
    report('FATAL', { message: `bogus data in lock file "${path}": "${content.split('\n')[0]}"` });
  if (ownPids().has(pid)) return;
  // Another user's process (EPERM) cannot be the server of this directory either.
  if (native.kill(pid, 0) !== 0 || isZombie(pid)) return;
  const who = encoded < 0 ? 'postgres' : 'postmaster';
  report('FATAL', {
    code: SQLSTATE.lockFileExists,
    message: `lock file "${path}" already exists`,
    hint: isDirectoryLock
      ? `Is another ${who} (PID ${pid}) running in data directory "${what}"?`
      : `Is another ${who} (PID ${pid}) using socket file "${what}"?`,
  });
}

function createLockFile(
  path: string,
  what: string,
  isDirectoryLock: boolean,
  beforeRemoval: (old: string) => void,
): void {
  const content = `${native.getpid()}\n${myProcess.dataDirectory}\n${Math.floor((serverFacts.postmasterStartTime + POSTGRES_EPOCH_US) / 1e6)}\n${settings.port}\n${isDirectoryLock ? '' : socketDirectoryOf(what) + '\n'}`;
  for (let attempt = 0; attempt < 100; attempt++) {
    try {
      createFileExclusively(path, content, 0o600);
      if (owned.length === 0) onProcExit(removeLockFiles);
      owned.push(path);
      return;
    } catch (caught) {
      if (!(caught instanceof FileError)) throw caught;
      if (caught.code !== 'EEXIST')
        report('FATAL', { message: `could not create lock file "${path}": ${caught.reason}` });
    }
    let old: string;
    try {
      old = readTextFile(path);
    } catch (caught) {
      if (caught instanceof FileError && caught.code === 'ENOENT') continue; // it went away meanwhile
      throw caught;
    }
    refuseIfAlive(path, old, what, isDirectoryLock);
    beforeRemoval(old);
    removeFileIfExists(path);
  }
  report('FATAL', { message: `could not create lock file "${path}"` });
}

const socketDirectoryOf = (socketPath: string): string => socketPath.slice(0, socketPath.lastIndexOf('/'));

/** Takes the interlock and postmaster.pid. The working directory is the data directory. */
export function createDataDirectoryLockFile(): number {
  const fd = native.openReadOnly('.');
  if (fd < 0) report('FATAL', { message: `could not open data directory: ${native.errorMessage(-fd)}` });
  const inode = statFile('.').inode;
  const refuse = (old: string): void => {
    if (native.flock(fd, 'exclusive') === 0) return;
    const [key, id] = (old.split('\n')[LINE.shmemKey - 1] ?? '').trim().split(/\s+/);
    report('FATAL', {
      code: SQLSTATE.lockFileExists,
      message: `pre-existing shared memory block (key ${key || inode}, ID ${id ?? 0}) is still in use`,
      hint: `Terminate any old server processes associated with data directory "${myProcess.dataDirectory}".`,
    });
  };
  createLockFile(PID_FILE, myProcess.dataDirectory, true, refuse);
  refuse('');
  return fd;
}
/** `<socket>.lock`, beside the socket. */
export function createSocketLockFile(socketPath: string): void {
  createLockFile(`${socketPath}.lock`, socketPath, false, () => {});
}

function removeLockFiles(): void {
  for (const path of owned.splice(0)) removeFileIfExists(path);
  // Only the postmaster owns these, so the message marks the very end of the server.
  report('LOG', { message: 'database system is shut down' });
}
/** Keeps /tmp cleaners away from the socket lock files. */
export function touchSocketLockFiles(): void {
  for (const path of owned) if (path !== PID_FILE) touchFile(path);
}

function setLine(line: number, text: string): void {
  const lines = readTextFile(PID_FILE).split('\n');
  while (lines.length < line) lines.push('');
  lines[line - 1] = text;
  overwriteFile(PID_FILE, `${lines.slice(0, 8).join('\n').replace(/\n+$/, '')}\n`);
}
export const setPidFileSocketDirectory = (directory: string): void => setLine(LINE.socketDirectory, directory);
export const setPidFileListenAddress = (address: string): void => setLine(LINE.listenAddress, address);
export function setPidFileShmem(key: number, id: number): void {
  setLine(LINE.shmemKey, `${String(key).padStart(9)} ${String(id).padStart(9)}`);
}
/** pg_ctl compares exactly eight characters. */
export const setPidFileStatus = (status: PidFileStatus): void => setLine(LINE.status, status.padEnd(8));

/** False if the file is gone or belongs to somebody else by now. */
export function pidFileIsMine(): boolean {
  try {
    return Number.parseInt(readTextFile(PID_FILE), 10) === native.getpid();
  } catch (caught) {
    if (caught instanceof FileError && caught.code !== 'ENOENT' && caught.code !== 'ENOTDIR') {
      // A passing failure to read must not stop a server.
      report('LOG', { message: `could not open file "${PID_FILE}": ${caught.reason}; continuing anyway` });
      return true;
    }
    return false;
  }
}
