/** pg_waldump, pg_controldata and pg_checksums beside PostgreSQL's own: the same words about the same bytes. */
import { spawnSync } from 'node:child_process';
import { closeSync, cpSync, mkdtempSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, freePort, packageRoot, postgresBin } from '../support/cluster.ts';
import { giveFolder, hasOracle, OracleServer, oracle } from '../support/oracle.ts';

const WORK = [
  `create table t (a int primary key, b text, c point, d int4range, e int[], f tsvector);
   create function more(lo int, hi int) returns void language sql as $$
     insert into t select i, md5(i::text), point(i % 100, i / 100), int4range(i, i + 10), array[i % 10, i % 100, i],
       to_tsvector('simple', md5((i % 500)::text) || ' ' || md5((i % 20)::text)) from generate_series(lo, hi) i $$;
   select more(1, 2000)`,
  `create index on t using hash (a); create index on t using gin (e) with (fastupdate = off); create index f on t using gin (f);
   create index on t using gist (c); create index on t using gist (d); create index on t using spgist (c);
   create index on t using spgist (b); create index br on t using brin (a) with (pages_per_range = 1);
   create index on t (b)`,
  'select more(2001, 4000)',
  "update t set b = b || 'x' where a % 17 = 0; delete from t where a % 3 = 0",
  'vacuum t',
  `select more(10001, 10300); select gin_clean_pending_list('f'), brin_summarize_new_values('br'),
   brin_desummarize_range('br', 0); delete from t where a < 3000`,
  'vacuum (freeze) t',
  "create sequence s; select nextval('s') from generate_series(1, 100); select setval('s', 1000)",
  `create table big (id int primary key, v text); insert into big select i, repeat(md5(i::text), 500) from
   generate_series(1, 30) i; update big set v = v || '.' where id < 10; truncate big`,
  `begin; savepoint a; insert into big values (1); savepoint b; insert into big values (2); rollback to a;
   insert into big values (3); commit; begin; insert into big values (4); rollback`,
  `begin; insert into big values (5); create table two (a int); prepare transaction 'two'`,
  "commit prepared 'two'",
  "begin; insert into big values (6); prepare transaction 'gone'",
  "rollback prepared 'gone'",
  'begin; select * from big for share; savepoint q; select * from big for update; commit',
  'create database other',
  'create database copied strategy file_copy',
  'drop database other',
  "select pg_logical_emit_message(true, 'pre', 'hello'), pg_logical_emit_message(false, 'p', '\\x0001'::bytea)",
  `select pg_replication_origin_create('o'); select pg_replication_origin_advance('o', '0/AABB');
   select pg_replication_origin_drop('o')`,
  "select pg_create_restore_point('here'); select pg_switch_wal()",
  'vacuum full t',
  'checkpoint',
];

/** Output of a program, with what may differ taken away: its folder. */
function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): string {
  const done = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 29, env: { ...process.env, ...env } });
  const errors = done.stderr.replaceAll(/^\S*\/(?=pg_\w+: )/gm, '');
  return `${done.stdout}${errors}= ${done.status}`;
}
/** First lines that differ, '' if none do. */
function difference(name: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): string {
  const theirs = run(join(postgresBin() ?? '', name), args, env).split('\n');
  const ours = run(join(packageRoot, 'bin', name), args, env).split('\n');
  const at = theirs.findIndex((line, i) => line !== ours[i]);
  if (at < 0 && theirs.length === ours.length) return '';
  return `${name} ${args.join(' ')}\nPostgreSQL: ${theirs[at]}\nNodegres:   ${ours[at]}`;
}

describe.skipIf(!hasOracle)('inspection', () => {
  let folder: string;
  let data: string;
  let wal: string;
  let segments: string[];
  const ours = (): { first: string; last: string } => ({ first: segments[0]!, last: segments.at(-1)! });
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'nodegres-inspect-'));
    data = join(folder, 'data');
    giveFolder(folder, 'oracle');
    oracle('initdb', '-D', data, '-A', 'trust', '-U', 'postgres', '--no-sync', '--wal-segsize=1', '-k', '-E', 'UTF8');
    giveFolder(folder, 'us');
    const conf = openSync(join(data, 'postgresql.conf'), 'a');
    for (const line of [
      'wal_level = logical',
      'max_prepared_transactions = 5',
      'track_commit_timestamp = on',
      'wal_keep_size = 1GB',
      'wal_compression = pglz',
      'autovacuum = off',
    ])
      writeSync(conf, `${line}\n`);
    closeSync(conf);
    giveFolder(folder, 'oracle');
    const server = new OracleServer(data, '/tmp', await freePort());
    for (const sql of WORK) server.ask(sql);
    server.stop();
    wal = join(data, 'pg_wal');
    const redo = /REDO WAL file: +(\w+)/.exec(run(join(postgresBin() ?? '', 'pg_controldata'), [data]))?.[1] ?? '';
    segments = readdirSync(wal)
      .filter((name) => /^[0-9A-F]{24}$/.test(name) && name <= redo)
      .sort();
  }, 120_000);
  afterAll(() => {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  it('pg_waldump: every record of every resource manager', () => {
    const { first, last } = ours();
    expect(segments.length).toBeGreaterThan(5);
    const whole = [join(wal, first), last];
    for (const options of [[], ['-b'], ['-z'], ['--stats=record']])
      expect(difference('pg_waldump', [...options, ...whole])).toBe('');
    expect(difference('pg_waldump', ['-r', 'Transaction', ...whole], { TZ: 'Asia/Tokyo' })).toBe('');
  });

  it('pg_waldump: ranges, filters and mistakes', () => {
    const { first } = ours();
    const one = join(wal, segments[2]!);
    const start = `0/${segments[2]!.slice(-2)}00500`;
    for (const args of [
      ['-w', '-n', '20', one],
      ['-R', '1663/5/1259', '-B', '0', one],
      ['-F', 'fsm', one],
      ['-x', '750', one],
      ['-r', 'heap', '-r', 'BTREE', '-q', one],
      ['-p', data, '-s', start, '-n', '3'],
      ['-s', '0/1', one],
      ['-e', '0/1', one],
      ['-p', data],
      ['-p', '/nowhere', first],
      ['-B', '3', one],
      ['-R', '1/2', one],
      ['-F', 'none', one],
      ['-r', 'none', one],
      ['-r', 'list'],
      ['-n', 'x', one],
      ['--stats=all', one],
      [one, first],
      ['a', 'b', 'c'],
      ['--none'],
      [],
    ])
      expect(difference('pg_waldump', args)).toBe('');
  });

  it('pg_controldata', () => {
    for (const TZ of ['UTC', 'America/New_York']) expect(difference('pg_controldata', [data], { TZ })).toBe('');
    for (const args of [['/nowhere'], ['a', 'b']]) expect(difference('pg_controldata', args)).toBe('');
  });

  it('pg_checksums: finds what PostgreSQL finds, takes away and gives back', () => {
    const copy = join(folder, 'copy');
    cpSync(data, copy, { recursive: true });
    expect(difference('pg_checksums', [copy])).toBe('');
    const file = openSync(join(copy, 'base/5/1259'), 'r+');
    writeSync(file, Buffer.from('damage'), 0, 6, 9000);
    closeSync(file);
    const damaged = difference('pg_checksums', ['-c', copy]);
    expect(damaged).toBe('');
    const program = join(packageRoot, 'bin/pg_checksums');
    expect(run(program, ['-c', copy])).toContain('block 1: calculated checksum');
    expect(run(program, ['-d', '-N', copy])).toContain('Checksums disabled in cluster');
    expect(difference('pg_checksums', ['-c', copy])).toBe('');
    expect(run(program, ['-e', '-N', copy])).toContain('Blocks written: 1\n');
    expect(difference('pg_checksums', ['-c', copy])).toBe('');
    for (const args of [['-e', copy], [], ['a', 'b'], ['-f', 'x', 'a'], ['-f', '1', '-e', 'a']])
      expect(difference('pg_checksums', args)).toBe('');
  });

  it('of a directory of ours', async () => {
    const cluster = await Cluster.create({ initdb: ['--wal-segsize=1'] });
    try {
      cluster.psql('create table t (a int primary key, b text)');
      cluster.psql("insert into t select i, repeat('x', i % 50) from generate_series(1, 3000) i");
      cluster.psql('update t set b = b || a where a % 7 = 0');
      cluster.psql('checkpoint');
      await cluster.stop();
      expect(difference('pg_controldata', [cluster.dataDirectory])).toBe('');
      const names = readdirSync(join(cluster.dataDirectory, 'pg_wal')).filter((name) => /^[0-9A-F]{24}$/.test(name));
      const redo = /REDO WAL file: +(\w+)/.exec(run(join(packageRoot, 'bin/pg_controldata'), [cluster.dataDirectory]));
      const [first] = names.sort();
      const whole = [join(cluster.dataDirectory, 'pg_wal', first!), redo?.[1] ?? ''];
      expect(difference('pg_waldump', ['-b', ...whole])).toBe('');
      expect(difference('pg_waldump', ['--stats=record', ...whole])).toBe('');
    } finally {
      await cluster.destroy();
    }
  });
});
