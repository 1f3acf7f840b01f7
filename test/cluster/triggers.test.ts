/** Triggers by this server and by PostgreSQL 15: equal words to the same statements, also of sessions that interleave. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Cluster, freePort } from '../support/cluster.ts';
import { Stage } from '../support/isolation.ts';
import { giveFolder, hasOracle, oracle, OracleServer } from '../support/oracle.ts';
import { TRIGGER_SCENARIOS, TRIGGER_SCRIPTS } from '../support/trigger-scenarios.ts';

describe.runIf(hasOracle)('triggers beside PostgreSQL', () => {
  let cluster: Cluster;
  let server: OracleServer;
  let folder: string;
  let stages: Stage[] = [];
  beforeAll(async () => {
    cluster = await Cluster.create();
    folder = mkdtempSync(join(tmpdir(), 'nodegres-triggers-'));
    const data = join(folder, 'data');
    chmodSync(folder, 0o777);
    oracle('initdb', '-D', data, '-U', 'postgres', '-A', 'trust', '-N', '-E', 'UTF8', '--locale=C.UTF-8');
    const port = await freePort();
    server = new OracleServer(data, tmpdir(), port);
    stages = [new Stage(cluster.port), new Stage(join(tmpdir(), `.s.PGSQL.${port}`))];
  });
  afterEach(async () => {
    for (const stage of stages) await stage.reset();
  });
  afterAll(async () => {
    for (const stage of stages) stage.close();
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
    const text = execFileSync('sh', ['-c', command], { encoding: 'utf8' });
    return text.replace(/^LOCATION:.*\n/gm, '').replace(/^SCHEMA NAME:.*\n/gm, '');
  }
  test.each(Object.keys(TRIGGER_SCRIPTS))('%s', (name) => {
    const sql = TRIGGER_SCRIPTS[name]!;
    const ours = ['-h', '127.0.0.1', '-p', String(cluster.port), '-U', 'postgres'];
    expect(say(ours, sql)).toBe(say(server.address, sql));
  });

  test.each(Object.keys(TRIGGER_SCENARIOS))('%s', async (name) => {
    const { setup, script } = TRIGGER_SCENARIOS[name]!;
    const told: string[] = [];
    for (const stage of stages) {
      await stage.prepare(setup);
      told.push(await stage.play(script).catch((caught: unknown) => String(caught)));
    }
    expect(told[1]).not.toContain('Error: ');
    expect(told[0]).toBe(told[1]);
  });
});
