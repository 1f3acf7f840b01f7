/** Recovery: of our own crashes, of a PostgreSQL's crash, of a PostgreSQL's backup to a point in time; and what the server
 *  refuses to start on. */
import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { Cluster, freePort, postgresBin, waitFor } from '../support/cluster.ts';

let cluster: Cluster | undefined;
afterEach(async () => {
  await cluster?.destroy();
  cluster = undefined;
});

const BIN = postgresBin();
const isRoot = process.getuid?.() === 0;
/** PostgreSQL's programs refuse to run as root. */
const asPostgres = (command: string): string =>
  execFileSync(isRoot ? 'su' : 'sh', isRoot ? ['postgres', '-c', command] : ['-c', command], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
const ownedBy = (user: string, path: string): void => {
  if (isRoot) execFileSync('chown', ['-R', user, path]);
};

/** The postmaster dies as in a power failure; so do its children. */
async function crash(): Promise<void> {
  const { child } = cluster!;
  child!.kill('SIGKILL');
  await waitFor('the postmaster to be gone', () => child!.signalCode !== null);
}

describe('crash recovery', () => {
  test('what was committed is there, what was not is not; the log tells the story', async () => {
    cluster = await Cluster.create({ conf: ['max_wal_size = 64MB', 'min_wal_size = 32MB'] });
    cluster.psql('create table t(a int primary key, b text)');
    cluster.psql("insert into t values (1, 'before')");
    cluster.psql('checkpoint');
    cluster.psql("insert into t values (2, 'after'); update t set b = 'changed' where a = 1");
    await crash();
    cluster.clearLog();
    await cluster.start();
    expect(cluster.psql('select a, b from t order by a')).toBe('1|changed\n2|after');
    for (const line of [
      /LOG: {2}database system was interrupted; last known up at \d{4}-/,
      /LOG: {2}database system was not properly shut down; automatic recovery in progress/,
      /LOG: {2}redo starts at 0\/[0-9A-F]+/,
      /LOG: {2}invalid record length at 0\/[0-9A-F]+: wanted 24, got 0/,
      /LOG: {2}redo done at 0\/[0-9A-F]+ system usage: CPU: user: \d+\.\d\d s, system: \d+\.\d\d s, elapsed: \d+\.\d\d s/,
      /LOG: {2}checkpoint starting: end-of-recovery immediate wait/,
      /LOG: {2}checkpoint complete: wrote \d+ buffers/,
      /LOG: {2}database system is ready to accept connections/,
    ])
      expect(cluster.log).toMatch(line);
    // A clean end leaves nothing to recover.
    await cluster.stop();
    cluster.clearLog();
    await cluster.start();
    expect(cluster.log).toMatch(/LOG: {2}database system was shut down at /);
    expect(cluster.log).not.toMatch(/redo/);
    expect(cluster.psql('select count(*) from t')).toBe('2');
  });

  test('a record that was cut off is given up, and readers are told', async () => {
    cluster = await Cluster.create();
    cluster.psql('create table t(a int, b text)');
    cluster.psql('checkpoint; select pg_switch_wal()');
    cluster.psql("insert into t select g, repeat('x', 500) from generate_series(1, 100) g");
    const [file, offset] = cluster
      .psql('select file_name, file_offset from pg_walfile_name_offset(pg_current_wal_lsn())')
      .split('|');
    await crash();
    // The last page's worth of WAL never reached the disk: some record now ends in the middle.
    const path = join(cluster.dataDirectory, 'pg_wal', file!);
    const wal = readFileSync(path);
    wal.fill(0, Math.floor(Number(offset) / 8192) * 8192);
    writeFileSync(path, wal);
    await cluster.start();
    expect(cluster.psql("insert into t values (1000, 'on'); select count(*) from t where a = 1000")).toMatch(/1$/);
    if (BIN !== undefined) {
      const dump = spawnSync(`${BIN}/pg_waldump`, [path], { encoding: 'utf8', maxBuffer: 1 << 26 }).stdout;
      expect(dump).toMatch(/desc: OVERWRITE_CONTRECORD lsn 0\/[0-9A-F]+; time/);
    }
    await crash();
    cluster.clearLog();
    await cluster.start();
    expect(cluster.psql('select count(*) from t where a = 1000')).toBe('1');
  });

  test('a damaged pg_control, a foreign one, none: the server refuses', async () => {
    cluster = await Cluster.create({ start: false });
    const path = join(cluster.dataDirectory, 'global/pg_control');
    const good = readFileSync(path);
    const start = async (): Promise<string> => {
      cluster!.clearLog();
      cluster!.launch();
      await waitFor('the server to end', () => cluster!.child!.exitCode !== null);
      return cluster!.log;
    };
    const damaged = Buffer.from(good);
    damaged[48]! ^= 1;
    writeFileSync(path, damaged);
    expect(await start()).toMatch(/FATAL: {2}incorrect checksum in control file/);
    const foreign = Buffer.from(good);
    foreign.writeUInt32LE(1201, 8);
    writeFileSync(path, foreign);
    expect(await start()).toMatch(
      /initialized with PG_CONTROL_VERSION 1201, but the server was compiled with PG_CONTROL_VERSION 1300/,
    );
    renameSync(path, `${path}.away`);
    expect(await start()).toMatch(/could not find the database system/);
    writeFileSync(path, good);
    await cluster.start();
  });
});

describe.skipIf(BIN === undefined)('of PostgreSQL 15', () => {
  const WORK = [
    'create table t(a int primary key, b text, c int); create index on t(c)',
    'insert into t select g, repeat(md5(g::text), 1 + g % 40), g % 17 from generate_series(1, 2000) g',
    'update t set c = c + 1 where a % 3 = 0',
    "update t set b = b || 'z' where a % 5 = 0",
    'delete from t where a % 7 = 0',
    'vacuum t',
    "insert into t select g, repeat('k', g % 2000), 3 from generate_series(5000, 6000) g",
    'begin; savepoint s; insert into t values (9001); rollback to s; select * from t where a < 50 for update; commit',
    "create sequence q; select nextval('q') from generate_series(1, 40)",
    'vacuum freeze t',
    'reindex table t; create table u as select * from t; drop table u',
  ];

  async function postgres(
    conf: readonly string[],
  ): Promise<{ data: string; sql: (text: string) => string; port: number }> {
    cluster = await Cluster.create({ start: false });
    const { folder } = cluster;
    execFileSync('chmod', ['777', folder]);
    const data = join(folder, 'pg');
    const port = await freePort();
    asPostgres(`${BIN}/initdb -D ${data} -U postgres -A trust --no-sync`);
    appendFileSync(join(data, 'postgresql.conf'), `${conf.join('\n')}\nfsync = off\n`);
    asPostgres(`${BIN}/pg_ctl -D ${data} -l ${data}/log -o "-p ${port} -k ${folder} -c listen_addresses=" -w start`);
    const sql = (text: string): string =>
      execFileSync(
        `${BIN}/psql`,
        ['-XAtq', '-h', folder, '-p', String(port), '-U', 'postgres', 'postgres', '-c', text],
        {
          encoding: 'utf8',
        },
      ).trimEnd();
    return { data, sql, port };
  }
  /** Our server takes over the data directory. */
  function takeOver(data: string): void {
    const { dataDirectory, port, folder } = cluster!;
    execFileSync('rm', ['-rf', dataDirectory]);
    renameSync(data, dataDirectory);
    execFileSync('rm', ['-f', join(dataDirectory, 'postmaster.pid')]);
    ownedBy('root', dataDirectory);
    cluster!.configure([`port = ${port}`, `unix_socket_directories = '${folder}'`, "listen_addresses = '127.0.0.1'"]);
  }

  test('its crash is recovered, every page as PostgreSQL had it', async () => {
    const { data, sql } = await postgres(["wal_consistency_checking = 'all'", 'checkpoint_timeout = 1h']);
    for (const text of WORK) sql(text);
    const facts = "select count(*), sum(a), sum(c), md5(string_agg(b, ',' order by a)) from t";
    const before = sql(facts);
    asPostgres(`${BIN}/pg_ctl -D ${data} stop -m immediate`);
    takeOver(data);
    await cluster!.start();
    expect(cluster!.log).toMatch(/redo done at/);
    expect(cluster!.psql('select count(*), sum(a), sum(c) from t')).toBe(before.split('|').slice(0, 3).join('|'));
  });

  test('its backup is recovered to a restore point, on a timeline of our own', async () => {
    const archive = (): string => join(cluster!.folder, 'archive');
    const { data, sql, port } = await postgres([
      'archive_mode = on',
      "archive_command = 'cp %p ../archive/%f'",
      'wal_level = replica',
    ]);
    mkdirSync(archive(), { mode: 0o777 });
    ownedBy('postgres', archive());
    sql('create table t(a int); insert into t select generate_series(1, 100)');
    const backup = join(cluster!.folder, 'backup');
    asPostgres(
      `${BIN}/pg_basebackup -h ${cluster!.folder} -p ${port} -U postgres -D ${backup} -X none -c fast --no-sync`,
    );
    sql('insert into t select generate_series(101, 200)');
    sql("select pg_create_restore_point('here')");
    sql('insert into t select generate_series(201, 300); select pg_switch_wal()');
    asPostgres(`${BIN}/pg_ctl -D ${data} stop -m fast`);
    cpSync(join(data, 'postgresql.conf'), join(backup, 'postgresql.conf'));
    takeOver(backup);
    cluster!.configure([
      'archive_mode = off',
      `restore_command = 'cp ${archive()}/%f %p 2>/dev/null'`,
      "recovery_target_name = 'here'",
      'recovery_target_action = promote',
    ]);
    writeFileSync(join(cluster!.dataDirectory, 'recovery.signal'), '');
    await cluster!.start();
    await waitFor(
      'the end of recovery',
      () => cluster!.log.includes('ready to accept connections'),
      30,
      () => cluster!.log,
    );
    for (const line of [
      /LOG: {2}starting point-in-time recovery to "here"/,
      /LOG: {2}restored log file "[0-9A-F]{24}" from archive/,
      /LOG: {2}consistent recovery state reached at/,
      /LOG: {2}recovery stopping at restore point "here", time /,
      /LOG: {2}last completed transaction was at log time /,
      /LOG: {2}selected new timeline ID: 2/,
      /LOG: {2}archive recovery complete/,
    ])
      expect(cluster!.log).toMatch(line);
    expect(cluster!.psql('select count(*), max(a) from t')).toBe('200|200');
    expect(cluster!.psql('select timeline_id from pg_control_checkpoint()')).toBe('2');
    expect(cluster!.readDataFile('pg_wal/00000002.history')).toMatch(/^1\t0\/[0-9A-F]+\tat restore point "here"\n$/);
    expect(cluster!.readDataFile('recovery.signal')).toBe('');
    // And PostgreSQL opens what we left.
    expect(await cluster!.stop()).toBe(0);
    ownedBy('postgres', cluster!.dataDirectory);
    asPostgres(
      `${BIN}/pg_ctl -D ${cluster!.dataDirectory} -l ${cluster!.folder}/pg.log -o "-p ${port} -k ${cluster!.folder} -c listen_addresses=" -w start`,
    );
    expect(sql('select count(*) from t')).toBe('200');
    asPostgres(`${BIN}/pg_ctl -D ${cluster!.dataDirectory} stop -m fast`);
  });
});
