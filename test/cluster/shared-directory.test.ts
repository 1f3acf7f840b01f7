/** One data directory, used in turn by PostgreSQL 15 and by us: each finds what the other left. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, freePort } from '../support/cluster.ts';
import { giveFolder, hasOracle, OracleServer, oracle } from '../support/oracle.ts';

describe.skipIf(!hasOracle)('a data directory', () => {
  let cluster: Cluster;
  const asOracle = async <T>(work: (server: OracleServer) => T): Promise<T> => {
    const server = new OracleServer(cluster.dataDirectory, '/tmp', await freePort());
    try {
      return work(server);
    } finally {
      server.stop();
    }
  };
  const asUs = async (work: () => void): Promise<void> => {
    await cluster.start();
    try {
      work();
    } finally {
      await cluster.stop();
    }
  };
  /** Leaves out what only we understand. */
  const forBoth = (): void => {
    const conf = cluster.readDataFile('postgresql.conf').replace(/^process_model.*$/gm, '');
    writeFileSync(join(cluster.dataDirectory, 'postgresql.conf'), conf, { mode: 0o600 });
  };
  beforeAll(async () => {
    cluster = await Cluster.create({ start: false });
    forBoth();
  });
  afterAll(() => cluster.destroy());

  it('of ours: PostgreSQL reads our rows, we read its table', async () => {
    await asUs(() => {
      cluster.psql("insert into pg_namespace select 20000 + i, 'schema' || i, 10, null from generate_series(1, 500) i");
      cluster.psql('delete from pg_namespace where oid between 20100 and 20200');
      cluster.psql("update pg_namespace set nspname = nspname || '_' where oid > 20400");
    });
    await asOracle((server) => {
      expect(server.ask('select count(*) from pg_namespace')).toBe('403\n');
      expect(server.ask("set enable_seqscan = off; select oid from pg_namespace where nspname = 'schema450_'")).toBe(
        'SET\n20450\n',
      );
      expect(server.amcheck()).toBe('');
      server.ask(
        "create table schema7.t (a int primary key, b text); insert into schema7.t values (1, 'one'), (2, 'two')",
      );
    });
    await asUs(() => {
      expect(cluster.psql('select b from schema7.t where a = 2')).toBe('two');
      cluster.psql("insert into schema7.t values (3, 'three'); update schema7.t set b = 'ONE' where a = 1");
    });
    expect(await asOracle((server) => server.ask('select b from schema7.t order by a'))).toBe('ONE\ntwo\nthree\n');
  });

  it('of PostgreSQL: we find its catalogs, and it finds them whole after us', async () => {
    const places = cluster
      .readDataFile('postgresql.conf')
      .match(/^(port|unix_socket_directories|listen_addresses) = .*$/gm);
    rmSync(cluster.dataDirectory, { recursive: true });
    giveFolder(cluster.folder, 'oracle');
    oracle('initdb', '-D', cluster.dataDirectory, '-U', 'postgres', '-A', 'trust', '-N', '-E', 'UTF8', '--locale=C');
    giveFolder(cluster.folder, 'us');
    cluster.configure(places ?? []);
    await asOracle((server) => {
      server.ask("create table t (a int primary key, b text default 'x'); insert into t (a) values (1)");
      server.ask('create function twice(int) returns int language sql as $$ select $1 * 2 $$');
    });
    await asUs(() => {
      expect(cluster.psql("select count(*) > 800 from pg_collation where collprovider = 'i'")).toBe('t');
      expect(cluster.psql('select a, b, twice(a) from t')).toBe('1|x|2');
      cluster.psql('insert into t (a) select i from generate_series(2, 1000) i');
    });
    await asOracle((server) => {
      expect(server.ask('select count(*), min(b) from t where a > 500')).toBe('500|x\n');
      expect(server.amcheck()).toBe('');
    });
  });
});
