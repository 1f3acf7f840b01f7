/** listen.ts — the sockets on which the server can be reached, and what it says when it cannot open one.
 *  Counterpart: the listening part of PostmasterMain(), StreamServerPort() of src/backend/libpq/pqcomm.c */
import { native } from '#platform/native.ts';
import { changeMode, removeFileIfExists, touchFile } from '#platform/file-system.ts';
import { onProcExit } from '#runtime/exit-callbacks.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { createSocketLockFile, setPidFileListenAddress, setPidFileSocketDirectory } from '#postmaster/lock-files.ts';
import { pm } from '#postmaster/pm-state.ts';

const MAX_LISTEN = 64;
/** sun_path less its NUL. */
const UNIX_PATH_MAX = 107;

/** Splits a GUC list: commas, optional blanks, double quotes keep what is inside. */
export function splitList(text: string): string[] {
  const items: string[] = [];
  for (const match of text.matchAll(/\s*(?:"((?:[^"]|"")*)"|([^,]*?))\s*(?:,|$)/g)) {
    const item = match[1] !== undefined ? match[1].replaceAll('""', '"') : match[2]!;
    if (item !== '') items.push(item);
    if (match.index + match[0].length >= text.length) break;
  }
  return items;
}

function backlog(): number {
  return Math.min(2 * settings.max_connections, 4096);
}

function bindFailure(family: string, address: string, errno: number): void {
  const inUse = -errno === native.ERRNO.EADDRINUSE;
  const unix = family === 'Unix';
  let hint: string | undefined;
  if (inUse)
    hint = unix
      ? `Is another postmaster already running on port ${settings.port}? If not, remove socket file "${address}" and retry.`
      : `Is another postmaster already running on port ${settings.port}? If not, wait a few seconds and retry.`;
  report('LOG', { message: `could not bind ${family} address "${address}": ${native.errorMessage(-errno)}`, hint });
}

function listenOnHost(host: string): boolean {
  const addresses = native.resolveHost(host === '*' ? null : host, true);
  if (typeof addresses === 'number') {
    report('LOG', {
      message: `could not translate host name "${host}", service "${settings.port}" to address: ${native.gaiMessage(addresses)}`,
    });
    return false;
  }
  let any = false;
  for (const { family, address } of addresses) {
    if (pm.listenSockets.length >= MAX_LISTEN) {
      report('LOG', { message: 'could not bind to all requested addresses: MAXLISTEN (64) exceeded' });
      break;
    }
    const name = family === 4 ? 'IPv4' : 'IPv6';
    const fd = native.listenTcp(family, address, settings.port, backlog());
    if (fd < 0) {
      bindFailure(name, address, fd);
      continue;
    }
    pm.listenSockets.push(fd);
    report('LOG', { message: `listening on ${name} address "${address}", port ${settings.port}` });
    any = true;
  }
  return any;
}

function openTcpSockets(): void {
  const hosts = splitList(settings.listen_addresses);
  let opened = 0;
  for (const host of hosts) {
    if (listenOnHost(host)) {
      // The first address that works is the one pg_ctl and others are told of.
      if (opened++ === 0) setPidFileListenAddress(host);
    } else report('WARNING', { message: `could not create listen socket for "${host}"` });
  }
  if (hosts.length > 0 && opened === 0) report('FATAL', { message: 'could not create any TCP/IP sockets' });
}

function listenUnix(directory: string): boolean {
  const path = `${directory}/.s.PGSQL.${settings.port}`;
  if (Buffer.byteLength(path) > UNIX_PATH_MAX) {
    report('LOG', { message: `Unix-domain socket path "${path}" is too long (maximum ${UNIX_PATH_MAX} bytes)` });
    return false;
  }
  createSocketLockFile(path);
  // The lock file says that nobody else uses the socket, so what lies there is a dead server's.
  removeFileIfExists(path);
  const fd = native.listenUnix(path, backlog());
  if (fd < 0) {
    bindFailure('Unix', path, fd);
    return false;
  }
  onProcExit(() => removeFileIfExists(path));
  changeMode(path, settings.unix_socket_permissions);
  pm.listenSockets.push(fd);
  pm.unixSocketPaths.push(path);
  report('LOG', { message: `listening on Unix socket "${path}"` });
  return true;
}

function openUnixSockets(): void {
  const directories = splitList(settings.unix_socket_directories);
  let opened = 0;
  for (const directory of directories) {
    if (listenUnix(directory)) {
      if (opened++ === 0) setPidFileSocketDirectory(directory);
    } else report('WARNING', { message: `could not create Unix-domain socket in directory "${directory}"` });
  }
  if (directories.length > 0 && opened === 0) report('FATAL', { message: 'could not create any Unix-domain sockets' });
}

export function openListenSockets(): void {
  openTcpSockets();
  openUnixSockets();
  if (pm.listenSockets.length === 0)
    report('FATAL', { code: SQLSTATE.configFileError, message: 'no socket created for listening' });
}
export function closeListenSockets(): void {
  for (const fd of pm.listenSockets.splice(0)) native.closeFd(fd);
}
/** Keeps /tmp cleaners away from the sockets. */
export function touchSockets(): void {
  for (const path of pm.unixSocketPaths) touchFile(path);
}
