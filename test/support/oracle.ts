/** oracle.ts — PostgreSQL 15 itself, as judge and as neighbour: its programs, run as a user that it accepts. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

const BIN = '/usr/lib/postgresql/15/bin';
export const hasOracle = existsSync(join(BIN, 'postgres'));
const isRoot = process.getuid?.() === 0;

/** Output of one of PostgreSQL's programs; throws with its words when it fails. */
export function oracle(program: string, ...args: string[]): string {
  const command = [join(BIN, program), ...args];
  if (!isRoot) return execFileSync(command[0]!, command.slice(1), { encoding: 'utf8', stdio: 'pipe' });
  const quoted = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  return execFileSync('su', ['postgres', '-c', quoted], { encoding: 'utf8', stdio: 'pipe' });
}
/** Makes a folder PostgreSQL's, or ours again. */
export function giveFolder(folder: string, to: 'oracle' | 'us'): void {
  if (isRoot) execFileSync('chown', ['-R', to === 'oracle' ? 'postgres' : 'root', folder]);
}

/** PostgreSQL running on a data directory. */
export class OracleServer {
  constructor(
    readonly data: string,
    readonly socketFolder: string,
    readonly port: number,
    readonly user = 'postgres',
  ) {
    giveFolder(data, 'oracle');
    // A temporary folder is closed to everybody else.
    if (isRoot) chmodSync(dirname(data), (statSync(dirname(data)).mode & 0o777) | 0o111);
    const options = `-p ${port} -k ${socketFolder} -c listen_addresses= -c fsync=off`;
    oracle('pg_ctl', '-D', data, '-o', options, '-l', join(data, 'oracle.log'), '-w', 'start');
  }
  get address(): string[] {
    return ['-h', this.socketFolder, '-p', String(this.port), '-U', this.user];
  }
  ask(sql: string, database = 'postgres'): string {
    return oracle('psql', '-XAt', '-v', 'ON_ERROR_STOP=1', ...this.address, '-d', database, '-c', sql);
  }
  /** Nothing but silence is praise. */
  amcheck(): string {
    const deep = ['--heapallindexed', '--parent-check', '--rootdescend'];
    return oracle('pg_amcheck', ...this.address, '--all', '--install-missing', ...deep);
  }
  stop(): void {
    oracle('pg_ctl', '-D', this.data, '-m', 'fast', '-w', 'stop');
    giveFolder(this.data, 'us');
  }
}
