// storage.mjs — what durable tables cost: commits, bulk loads, indexes, rows by key, checkpoints, recovery.
//
// Part of run.mjs (--storage), which starts the servers, asks them in turn and prints the ratios. fsync is on; automatic
// checkpoints and autovacuum are out of the way, so that each figure is the cost of what it names.
import { createWriteStream, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { childrenOf, isAlive } from '../soak/processes.mjs';

export const STORAGE_CONF = [
  'shared_buffers = 128MB',
  'max_wal_size = 8GB',
  'min_wal_size = 512MB',
  'checkpoint_timeout = 1h',
  'autovacuum = off',
  'fsync = on',
  'synchronous_commit = on',
];
const MB = 1024 * 1024;
const DEADLINE_MS = 60_000;

async function connected(server, work) {
  const client = new pg.Client({ host: '127.0.0.1', port: server.port, user: 'postgres', database: 'postgres' });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
const firstValue = async (client, sql) => Object.values((await client.query(sql)).rows[0])[0];
async function milliseconds(client, sql) {
  const began = performance.now();
  await client.query(sql);
  return performance.now() - began;
}

/** A statement that one server does not know yet leaves its column empty. */
async function timed({ record, progress }, server, client, name, sql) {
  try {
    record(name, 'ms', 'less', server, await milliseconds(client, sql));
    return true;
  } catch (caught) {
    if (caught.code !== '0A000') throw caught;
    progress(`${server.name}: ${name}: ${caught.message}`);
    return false;
  }
}

/** COPY … FROM a file that both servers may read. */
async function copyFile(server, rows) {
  const path = join(server.folder, 'rows.txt');
  const out = createWriteStream(path, { mode: 0o644 });
  const step = 10_000;
  for (let from = 1; from <= rows; from += step) {
    let text = '';
    for (let id = from; id < from + step && id <= rows; id++) text += `${id}\t${id % 1000}\trow number ${id}\n`;
    if (!out.write(text)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'close');
  return path;
}

async function bulk(tools, server, rows) {
  const path = await copyFile(server, rows);
  const million = rows === 1_000_000 ? '1 M' : `${rows / 1000} k`;
  await connected(server, async (client) => {
    await client.query('drop table if exists load, copied, made, big');
    await client.query('create table load(id int, v int, note text)');
    await client.query('create table copied(id int, v int, note text)');
    const source = `select g, g % 1000, 'row number ' || g from generate_series(1, ${rows}) g`;
    await timed(tools, server, client, `INSERT ... SELECT, ${million} rows`, `insert into load ${source}`);
    await timed(tools, server, client, `COPY FROM, ${million} rows`, `copy copied from '${path}'`);
    await timed(tools, server, client, `CREATE TABLE AS, ${million} rows`, `create table made as select * from copied`);
    await timed(tools, server, client, `CREATE INDEX on int, ${million} rows`, 'create index on load(v, id)');
    await timed(tools, server, client, `CREATE INDEX on text, ${million} rows`, 'create index on load(note)');
    await timed(tools, server, client, `SELECT count(*), ${million} rows`, 'select count(*), sum(v) from copied');
    await timed(tools, server, client, `UPDATE of ${million} rows`, 'update copied set v = v + 1');
    await timed(tools, server, client, `DELETE of ${million} rows`, 'delete from copied');
    await client.query('create table big(id int primary key, v int, note text)');
    await client.query(`insert into big ${source}`);
    await client.query('checkpoint');
  });
}

const SCRIPTS = {
  'commit.sql': 'insert into commits values (1);\n',
  'select-key.sql': '\\set id random(1, :rows)\nselect v, note from big where id = :id;\n',
  'update-key.sql': '\\set id random(1, :rows)\nupdate big set v = v + 1 where id = :id;\n',
};
const HOW_PGBENCH = [
  ['commit (INSERT), 1 client', 'commit.sql', ['-c', '1']],
  ['commit (INSERT), 8 clients', 'commit.sql', ['-c', '8', '-j', '2']],
  ...['simple', 'prepared'].flatMap((protocol) => [
    [`SELECT by key ${protocol}, 1 client`, 'select-key.sql', ['-M', protocol, '-c', '1']],
    [`SELECT by key ${protocol}, 8 clients`, 'select-key.sql', ['-M', protocol, '-c', '8', '-j', '2']],
    [`UPDATE by key ${protocol}, 1 client`, 'update-key.sql', ['-M', protocol, '-c', '1']],
    [`UPDATE by key ${protocol}, 8 clients`, 'update-key.sql', ['-M', protocol, '-c', '8', '-j', '2']],
  ]),
];

/** Dirties `megabytes` of buffers that are in memory anyway, and writes them all. */
async function checkpoint({ record }, server, megabytes) {
  await connected(server, async (client) => {
    await client.query('drop table if exists dirt');
    await client.query('create table dirt(a int, b text)');
    // About 1 kB a row.
    await client.query(
      `insert into dirt select g, repeat(md5(g::text), 30) from generate_series(1, ${megabytes * 1000}) g`,
    );
    await client.query('checkpoint');
    await client.query('update dirt set a = a + 1 where a % 8 = 1');
    await client.query('checkpoint');
    await client.query('vacuum dirt').catch((caught) => {
      if (caught.code !== '0A000') throw caught;
    });
    await client.query('checkpoint');
    await client.query('update dirt set a = a + 1 where a % 8 = 5');
    const before = Number(await firstValue(client, 'select buffers_checkpoint from pg_stat_bgwriter'));
    const ms = await milliseconds(client, 'checkpoint');
    // Statistics arrive when they arrive.
    let written = 0;
    for (let n = 0; n < 40 && written === 0; n++) {
      await delay(50);
      written = Number(await firstValue(client, 'select buffers_checkpoint from pg_stat_bgwriter')) - before;
    }
    record(`CHECKPOINT of ~${megabytes} MB`, 'MB per s', 'more', server, (written * 8192) / MB / (ms / 1000));
  });
}

function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (caught) {
    // A session that was just ending.
    if (caught.code !== 'ESRCH') throw caught;
  }
}
/** The power fails after some WAL; how fast is it replayed? */
async function recovery({ record }, server, rows) {
  const bytes = await connected(server, async (client) => {
    await client.query('checkpoint');
    const from = await firstValue(client, 'select pg_current_wal_lsn()');
    await client.query('drop table if exists replayed');
    await client.query('create table replayed(id int primary key, v int, note text)');
    await client.query(`insert into replayed select g, g, 'note ' || g from generate_series(1, ${rows}) g`);
    await client.query('update replayed set v = v + 1 where id % 2 = 0');
    return Number(await firstValue(client, `select pg_wal_lsn_diff(pg_current_wal_lsn(), '${from}')`));
  });
  const family = [server.pid, ...childrenOf(server.pid).map((child) => child.pid)];
  for (const pid of family) kill(pid);
  const deadline = Date.now() + DEADLINE_MS;
  while (family.some(isAlive) && Date.now() < deadline) await delay(10);
  server.log = '';
  await server.start(DEADLINE_MS);
  const seconds = Number(/redo done at .*elapsed: ([\d.]+) s/.exec(server.log)?.[1]);
  record('recovery', 'MB of WAL per s', 'more', server, bytes / MB / Math.max(seconds, 0.01));
}

/** `tools`: record, progress, transactionsPerSecond, quick, rounds. */
export async function measureStorage(servers, tools) {
  const { record, progress, transactionsPerSecond, quick, rounds } = tools;
  const rows = quick ? 100_000 : 1_000_000;
  for (const server of servers) {
    await server.start(DEADLINE_MS);
    for (const [name, text] of Object.entries(SCRIPTS))
      writeFileSync(join(server.folder, name), text.replaceAll(':rows', String(rows)), { mode: 0o644 });
    await connected(server, (client) => client.query('create table if not exists commits(a int)'));
  }
  for (let round = 1; round <= rounds; round++) {
    progress(`round ${round} of ${rounds}: bulk`);
    for (const server of servers) await bulk(tools, server, rows);
    for (const [name, script, args] of HOW_PGBENCH) {
      progress(`round ${round} of ${rounds}: ${name}`);
      for (const server of servers)
        record(name, 'per s', 'more', server, await transactionsPerSecond(server, args, undefined, script));
    }
    progress(`round ${round} of ${rounds}: checkpoint, recovery`);
    for (const server of servers) await checkpoint(tools, server, quick ? 16 : 64);
    for (const server of servers) await recovery(tools, server, quick ? 100_000 : 1_000_000);
  }
}
