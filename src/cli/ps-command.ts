/** ps-command.ts — `nodegres ps`: the process tree of a data directory's server. */
import { existsSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { Output } from '#cli/initdb.ts';
import type { Row } from '#cli/libpq-client.ts';
import { queryServer } from '#cli/libpq-client.ts';
import type { PidFile } from '#cli/pid-file.ts';
import { isAlive, readPidFile } from '#cli/pid-file.ts';
import { ACTIVITY_QUERY, formatProcessTree, parseRestarts, processTree } from '#cli/process-tree.ts';
import { serverAddress } from '#cli/server-address.ts';

const ANSWER_MS_MAX = 2000;

interface Answer {
  readonly rows: readonly Row[];
  /** Why there are none. */
  readonly reason: string | undefined;
}
/** The role to ask as: $PGUSER, the usual superuser, the user of this system. */
async function askActivity(file: PidFile, env: NodeJS.ProcessEnv): Promise<Answer> {
  const address = serverAddress(file);
  if (address === undefined) return { rows: [], reason: 'it listens on no address' };
  const candidates = env['PGUSER'] === undefined ? ['postgres', userInfo().username] : [env['PGUSER']];
  let reason: string | undefined;
  for (const user of candidates) {
    try {
      const options = { ...address, user, database: 'postgres', timeoutMs: ANSWER_MS_MAX };
      return { rows: await queryServer(options, ACTIVITY_QUERY), reason: undefined };
    } catch (caught) {
      // The first is the likeliest role, so its reason is the one to show.
      reason ??= (caught as Error).message;
    }
  }
  return { rows: [], reason };
}

export async function showProcesses(dataDirectory: string, env: NodeJS.ProcessEnv, io: Output): Promise<number> {
  const file = readPidFile(dataDirectory);
  const pid = Math.abs(file?.pid ?? 0);
  if (file === undefined || !isAlive(pid)) {
    io.err(`nodegres: no server running in "${dataDirectory}"\n`);
    return 3;
  }
  const { rows, reason } = await askActivity(file, env);
  const counts = join(dataDirectory, 'pg_stat_tmp/restarts');
  const restarts = parseRestarts(existsSync(counts) ? readFileSync(counts, 'utf8') : '');
  const tree = processTree(pid, rows, restarts);
  io.out(formatProcessTree(tree));
  if (reason !== undefined) io.err(`nodegres: no states and wait events: ${reason}\n`);
  return 0;
}
