/** server-address.ts — where the server of a data directory listens, as its pid file says. */
import type { ServerAddress } from '#cli/libpq-client.ts';
import type { PidFile } from '#cli/pid-file.ts';

/** Its first Unix-domain socket, else its first address; undefined where it listens on neither. */
export function serverAddress(file: PidFile): ServerAddress | undefined {
  if (file.socketDirectory.startsWith('/')) return { host: file.socketDirectory, port: file.port };
  if (file.listenAddress === '') return undefined;
  const anywhere: Readonly<Record<string, string>> = { '*': '127.0.0.1', '0.0.0.0': '127.0.0.1', '::': '::1' };
  return { host: anywhere[file.listenAddress] ?? file.listenAddress, port: file.port };
}
