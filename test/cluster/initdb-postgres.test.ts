import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** PostgreSQL itself judges what our initdb wrote. */
const POSTGRES = '/usr/lib/postgresql/15/bin';
const PORT = '5597';
const initdb = join(import.meta.dirname, '../../bin/initdb');

describe.skipIf(!existsSync(POSTGRES))('a data directory of our initdb', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegres-initdb-'));
  const data = join(folder, 'data');
  const asPostgres = (program: string, ...args: string[]): string => {
    const command = [join(POSTGRES, program), ...args];
    if (process.getuid?.() !== 0) return execFileSync(command[0]!, command.slice(1), { encoding: 'utf8' });
    const quoted = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
    return execFileSync('su', ['postgres', '-c', quoted], { encoding: 'utf8' });
  };
  const ask = (sql: string): string =>
    asPostgres('psql', '-XAt', '-h', folder, '-p', PORT, '-U', 'alice', '-d', 'postgres', '-c', sql);
  beforeAll(() => {
    chmodSync(folder, 0o777);
    execFileSync(initdb, ['-D', data, '-U', 'alice', '-A', 'trust', '-N', '-k', '--locale=C'], { stdio: 'pipe' });
    if (process.getuid?.() === 0) execFileSync('chown', ['-R', 'postgres', folder]);
    expect(asPostgres('pg_checksums', '--check', '-D', data)).toContain('Bad checksums:  0');
    const options = `-p ${PORT} -k ${folder} -c listen_addresses= -c fsync=off`;
    asPostgres('pg_ctl', '-D', data, '-o', options, '-l', join(folder, 'log'), '-w', 'start');
  });
  afterAll(() => {
    try {
      asPostgres('pg_ctl', '-D', data, '-m', 'immediate', 'stop');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('is started by PostgreSQL 15, which finds its catalogs with and without indexes', () => {
    expect(ask('select rolname from pg_authid where oid = 10')).toBe('alice\n');
    expect(ask("set enable_seqscan = off; select oid from pg_class where relname = 'pg_proc'")).toBe('SET\n1255\n');
    expect(ask("set enable_indexscan = off; select oid from pg_class where relname = 'pg_proc'")).toBe('SET\n1255\n');
    expect(ask('select count(*) from pg_rewrite where length(ev_action) > 0')).toBe('142\n');
    expect(ask('create table t (a int primary key); insert into t values (1); select * from t')).toMatch(/\n1\n$/);
  });
  it('has nothing that pg_amcheck complains about', () => {
    const options = ['-h', folder, '-p', PORT, '-U', 'alice', '--all', '--install-missing'];
    expect(asPostgres('pg_amcheck', ...options, '--heapallindexed', '--parent-check')).toBe('');
  });
});
