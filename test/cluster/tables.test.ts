/** Tables changed and read by this server and by PostgreSQL 15: equal words to the same statements. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Cluster, freePort } from '../support/cluster.ts';
import { giveFolder, hasOracle, oracle, OracleServer } from '../support/oracle.ts';
import { TABLE_SCRIPTS } from '../support/table-scripts.ts';

describe.runIf(hasOracle)('tables beside PostgreSQL', () => {
  let cluster: Cluster;
  let server: OracleServer;
  let folder: string;
  beforeAll(async () => {
    cluster = await Cluster.create();
    folder = mkdtempSync(join(tmpdir(), 'nodegres-tables-'));
    const data = join(folder, 'data');
    chmodSync(folder, 0o777);
    oracle('initdb', '-D', data, '-U', 'postgres', '-A', 'trust', '-N', '-E', 'UTF8', '--locale=C.UTF-8');
    server = new OracleServer(data, tmpdir(), await freePort());
  });
  afterAll(async () => {
    server?.stop();
    giveFolder(folder, 'us');
    rmSync(folder, { recursive: true, force: true });
    await cluster?.destroy();
  });

  function say(address: readonly string[], sql: string): string {
    const file = join(folder, 'script.sql');
    const begin = 'drop schema if exists k cascade; create schema k; set search_path = k;';
    writeFileSync(
      file,
      `\\set VERBOSITY verbose\nset client_min_messages = error; ${begin} reset client_min_messages;\n${sql}`,
    );
    const command = `psql -Xat -f ${file} ${address.join(' ')} -d postgres 2>&1`;
    return execFileSync('sh', ['-c', command], { encoding: 'utf8' }).replace(/^LOCATION:.*\n/gm, '');
  }
  test.each(Object.keys(TABLE_SCRIPTS))('%s', (name) => {
    const sql = TABLE_SCRIPTS[name]!;
    const ours = ['-h', '127.0.0.1', '-p', String(cluster.port), '-U', 'postgres'];
    expect(say(ours, sql)).toBe(say(server.address, sql));
  });
});
