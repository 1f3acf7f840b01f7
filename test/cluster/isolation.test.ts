/** Interleaved sessions on this server and on PostgreSQL 15: the same script, the same answers, errors and waits. */
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Cluster, freePort } from '../support/cluster.ts';
import { interleavings, Stage } from '../support/isolation.ts';
import {
  FOREIGN_KEYS,
  HOLDS,
  MATRIX_SETUP,
  PERMUTED,
  RANDOM_SETUP,
  randomScript,
  SCENARIOS,
  type Scenario,
  WANTS,
} from '../support/isolation-scenarios.ts';
import { giveFolder, hasOracle, oracle, OracleServer } from '../support/oracle.ts';

const CONF = ['max_prepared_transactions = 5', 'autovacuum = off', 'fsync = off'];

describe.runIf(hasOracle)('sessions beside PostgreSQL', () => {
  let cluster: Cluster;
  let server: OracleServer;
  let folder: string;
  let stages: Stage[] = [];
  beforeAll(async () => {
    cluster = await Cluster.create({ conf: CONF });
    folder = mkdtempSync(join(tmpdir(), 'nodegres-isolation-'));
    const data = join(folder, 'data');
    giveFolder(folder, 'oracle');
    oracle('initdb', '-D', data, '-U', 'postgres', '-A', 'trust', '-N', '-E', 'UTF8', '--locale=C.UTF-8');
    appendFileSync(join(data, 'postgresql.conf'), `${CONF.join('\n')}\n`);
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

  /** The transcripts of both servers. */
  async function play(setup: string, script: readonly string[] | string, skips = false): Promise<[string, string]> {
    const told: string[] = [];
    for (const stage of stages) {
      await stage.prepare(setup);
      told.push(await stage.play(script, skips).catch((caught: unknown) => String(caught)));
    }
    return [told[0]!, told[1]!];
  }
  const both = async ({ setup, script }: Scenario): Promise<void> => {
    const [ours, theirs] = await play(setup, script);
    expect(theirs).not.toContain('Error: ');
    expect(ours).toBe(theirs);
  };

  test.each(Object.keys(SCENARIOS))('%s', (name) => both(SCENARIOS[name]!));
  test.each(Object.keys(FOREIGN_KEYS))('%s', (name) => both(FOREIGN_KEYS[name]!));

  test.each(Object.keys(PERMUTED))('%s, in many orders', async (name) => {
    const { setup, sessions, look } = PERMUTED[name]!;
    // A transaction that failed ends with its ROLLBACK.
    for (const order of interleavings(sessions, 12)) {
      const [ours, theirs] = await play(setup, [...order, look]);
      expect(ours).toBe(theirs);
    }
  });

  test('whatever comes to their minds', async () => {
    const seeds = Number(process.env['ISOLATION_SEEDS'] ?? 4);
    const first = Number(process.env['ISOLATION_SEED'] ?? 1);
    for (const stage of stages) stage.patience = 30;
    try {
      for (let seed = first; seed < first + seeds; seed++) {
        // Of two that one commit lets go, either may be first: each of our plays must be one that PostgreSQL gives, too.
        const known: string[] = [];
        let ours = '';
        for (let tries = 0; tries < 5 && (tries === 0 || !known.includes(ours)); tries++) {
          const [told, theirs] = await play(RANDOM_SETUP, randomScript(seed, 60), true);
          ours = tries === 0 ? told : ours;
          known.push(theirs);
          if (known.includes(told)) ours = told;
          for (const stage of stages) await stage.reset();
        }
        if (!known.includes(ours)) expect(ours, `seed ${seed}`).toBe(known[0]);
      }
    } finally {
      for (const stage of stages) stage.patience = 0;
    }
  });

  test('every hold on a row against every wish for it, alone and together with a shared one', async () => {
    for (const hold of HOLDS) {
      const wishes = WANTS.map((want) => `c: select * from acc where id = 1 for ${want} nowait`);
      const alone = ['a: begin', `a: ${hold}`, ...wishes, 'a: rollback', ...wishes];
      const together = ['a: begin', 'b: begin', 'b: select id from acc where id = 1 for key share', ...alone.slice(1)];
      for (const script of [
        alone,
        ...(/update acc set id|delete|for update/.test(hold) ? [] : [[...together, 'b: commit']]),
      ]) {
        const [ours, theirs] = await play(MATRIX_SETUP, script);
        expect(ours).toBe(theirs);
      }
    }
  });
});
