/** logs-command.ts — `nodegres logs`: the end of the log file in use, and with -f what is added to it, over rotations.
 *  current_logfiles names the file; it exists while logging_collector is on. */
import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Output } from '#cli/initdb.ts';
import { checkClusterDirectory } from '#cli/pid-file.ts';
import { currentLogFile, METAINFO_FILE } from '#runtime/error/current-log-files.ts';

const POLL_MS = 250;
const CHUNK_BYTES = 65_536;

export interface LogsOptions {
  readonly follow: boolean;
  readonly lines: number;
  readonly destination: string | undefined;
}

function currentPath(dataDirectory: string, destination: string | undefined): string | undefined {
  const metainfo = join(dataDirectory, METAINFO_FILE);
  if (!existsSync(metainfo)) return undefined;
  const path = currentLogFile(readFileSync(metainfo, 'utf8'), destination);
  if (path === undefined) return undefined;
  return isAbsolute(path) ? path : join(dataDirectory, path);
}

/** Prints from `at` to the end; returns the end. */
function printFrom(fd: number, at: number, io: Output): number {
  const buffer = Buffer.alloc(CHUNK_BYTES);
  let position = at;
  for (;;) {
    const count = readSync(fd, buffer, 0, buffer.length, position);
    if (count === 0) return position;
    io.out(buffer.toString('utf8', 0, count));
    position += count;
  }
}

/** Offset of the last `count` lines. */
export function tailOffset(bytes: Uint8Array, count: number): number {
  let left = count;
  for (let at = bytes.length - 2; at >= 0; at--) {
    if (bytes[at] === 10 && --left === 0) return at + 1;
  }
  return count === 0 ? bytes.length : 0;
}

export async function showLogs(dataDirectory: string, options: LogsOptions, io: Output): Promise<number> {
  checkClusterDirectory(dataDirectory);
  const { destination } = options;
  let path = currentPath(dataDirectory, destination);
  if (path === undefined || !existsSync(path)) {
    io.err(
      `nodegres: no ${destination ?? 'log'} file is in use in "${dataDirectory}"\n` +
        'Set logging_collector = on (and log_destination), or look where the server was started with "-l".\n',
    );
    return 1;
  }
  let fd = openSync(path, 'r');
  let position = printFrom(fd, tailOffset(readFileSync(path), options.lines), io);
  while (options.follow) {
    await sleep(POLL_MS);
    // Truncated under the same name: start over.
    if (fstatSync(fd).size < position) position = 0;
    position = printFrom(fd, position, io);
    const now = currentPath(dataDirectory, destination);
    if (now !== undefined && now !== path && existsSync(now)) {
      position = printFrom(fd, position, io);
      closeSync(fd);
      path = now;
      fd = openSync(path, 'r');
      position = printFrom(fd, 0, io);
    }
  }
  closeSync(fd);
  return 0;
}
