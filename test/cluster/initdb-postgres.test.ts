import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../support/cluster.ts';
import { giveFolder, hasOracle, OracleServer, oracle } from '../support/oracle.ts';

/** PostgreSQL itself judges what our initdb wrote. */
const initdb = join(import.meta.dirname, '../../bin/initdb');

describe.skipIf(!hasOracle)('a data directory of our initdb', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegres-initdb-'));
  const data = join(folder, 'data');
  let server: OracleServer;
  beforeAll(async () => {
    chmodSync(folder, 0o777);
    execFileSync(initdb, ['-D', data, '-U', 'alice', '-A', 'trust', '-N', '-k', '--locale=C'], { stdio: 'pipe' });
    giveFolder(data, 'oracle');
    expect(oracle('pg_checksums', '--check', '-D', data)).toContain('Bad checksums:  0');
    server = new OracleServer(data, folder, await freePort(), 'alice');
  });
  afterAll(() => {
    try {
      server?.stop();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('is started by PostgreSQL 15, which finds its catalogs with and without indexes', () => {
    expect(server.ask('select rolname from pg_authid where oid = 10')).toBe('alice\n');
    const byName = "select oid from pg_class where relname = 'pg_proc'";
    expect(server.ask(`set enable_seqscan = off; ${byName}`)).toBe('SET\n1255\n');
    expect(server.ask(`set enable_indexscan = off; ${byName}`)).toBe('SET\n1255\n');
    expect(server.ask('select count(*) from pg_rewrite where length(ev_action) > 0')).toBe('142\n');
    expect(server.ask('create table t (a int primary key); insert into t values (1); select * from t')).toMatch(
      /\n1\n$/,
    );
  });
  it('has nothing that pg_amcheck complains about', () => {
    expect(server.amcheck()).toBe('');
  });
});
