// larger-than-memory.mjs — a table many times as large as shared_buffers: loaded, scanned, updated at random, checkpointed.
//
//   npm run larger-than-memory -- [--quick] [--postgres] [--seconds N] [--model fork|spawn]
//
// 16 MB of buffers; a table of 1 GB (--quick: 200 MB) with its index. What must hold:
//  - sums are right after every phase, and after a crash;
//  - while rows change at random, the background writer and the checkpointer write most pages, not the sessions;
//  - no process's memory grows with what has passed through it.
// With --postgres the same is done by PostgreSQL 15, for its figures; what must hold is only demanded of ours.
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { childrenOf, isAlive, makeOurServer, makePostgres, memoryOf } from './processes.mjs';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    postgres: { type: 'boolean', default: false },
    seconds: { type: 'string' },
    model: { type: 'string', default: 'fork' },
  },
});
const megabytes = options.quick ? 200 : 1024;
const seconds = Number(options.seconds ?? (options.quick ? 10 : 60));
const CLIENTS = 4;
/** Seven rows to a page, room for one new version. */
const ROWS_PER_PAGE = 7;
const rows = Math.floor((megabytes * 1024) / 8) * ROWS_PER_PAGE;
const DEADLINE_MS = 120_000;
/** How much a process may have more at the end of a phase than when it was warm. */
const GROWTH_KB = 24 * 1024;
/** Share of the pages that sessions may have to write themselves. */
const BACKEND_SHARE = 0.25;
const CONF = [
  'shared_buffers = 16MB',
  'autovacuum = off',
  'max_wal_size = 4GB',
  'checkpoint_timeout = 30min',
  'synchronous_commit = off',
  // The table is read in no order and nearly every buffer that is wanted was dirty: the writer must keep up.
  'bgwriter_delay = 10ms',
  'bgwriter_lru_maxpages = 1000',
  'bgwriter_lru_multiplier = 4',
];

const failures = [];
const say = (text) => console.log(text);
async function client(server) {
  const opened = new pg.Client({ host: '127.0.0.1', port: server.port, user: 'postgres', database: 'postgres' });
  opened.on('error', () => {});
  await opened.connect();
  return opened;
}
const one = async (session, sql) => (await session.query(sql)).rows[0];
async function timed(server, what, work) {
  const began = performance.now();
  const result = await work();
  say(`${server.name}: ${what}: ${((performance.now() - began) / 1000).toFixed(2)} s`);
  return result;
}
const writes = async (session) => {
  const row = await one(
    session,
    'select buffers_checkpoint c, buffers_clean b, buffers_backend s from pg_stat_bgwriter',
  );
  return { checkpointer: Number(row.c), writer: Number(row.b), sessions: Number(row.s) };
};
/** Process id → kB of its own (not shared) memory, and its title. */
function memory(server) {
  const found = new Map();
  for (const { pid, title } of [{ pid: server.pid, title: 'postmaster' }, ...childrenOf(server.pid)]) {
    const kb = memoryOf(pid)?.Anonymous;
    if (kb !== undefined) found.set(pid, { title, kb });
  }
  return found;
}
function compareMemory(server, phase, before, demanded) {
  let largest = { title: 'nobody', kb: 0 };
  for (const [pid, { title, kb }] of memory(server)) {
    const known = before.get(pid);
    if (known === undefined) continue;
    const grown = kb - known.kb;
    if (grown > largest.kb) largest = { title, kb: grown };
    if (demanded && grown > GROWTH_KB) failures.push(`${phase}: "${title}" grew by ${grown} kB`);
  }
  say(`${server.name}: ${phase}: most memory was gained by "${largest.title}": ${(largest.kb / 1024).toFixed(1)} MB`);
}
function expectEqual(what, seen, wanted) {
  if (String(seen) !== String(wanted)) failures.push(`${what}: ${seen} instead of ${wanted}`);
}
const SUM = 'select count(*) n, sum(v) s from big';

async function updateAtRandom(server, boss, demanded) {
  const sessions = await Promise.all(Array.from({ length: CLIENTS }, () => client(server)));
  let done = 0;
  let errors = 0;
  const work = async (until) => {
    const statement = { name: 'change', text: 'update big set v = v + 1 where id = $1' };
    await Promise.all(
      sessions.map(async (session) => {
        while (Date.now() < until) {
          const id = 1 + Math.floor(Math.random() * rows);
          const answer = await session.query({ ...statement, values: [id] });
          if (answer.rowCount === 1) done++;
          else errors++;
        }
      }),
    );
  };
  // Compiled code and full caches are no growth.
  await work(Date.now() + seconds * 400);
  const before = memory(server);
  await boss.query("select pg_stat_reset_shared('bgwriter')");
  const since = await writes(boss);
  const counted = done;
  await work(Date.now() + seconds * 1000);
  await delay(1500);
  const { checkpointer, writer, sessions: own } = await writes(boss);
  const all = checkpointer + writer + own - since.checkpointer - since.writer - since.sessions;
  say(
    `${server.name}: ${((done - counted) / seconds).toFixed(0)} random updates per s; pages written by ` +
      `checkpointer ${checkpointer}, background writer ${writer}, sessions ${own}`,
  );
  compareMemory(server, 'random updates', before, demanded);
  if (demanded && all > 0 && own / all > BACKEND_SHARE)
    failures.push(`sessions wrote ${own} of ${all} pages themselves`);
  if (errors > 0) failures.push(`${errors} updates changed no row`);
  for (const session of sessions) await session.end();
  return done;
}

async function run(server, demanded) {
  say(`${server.name}: ${rows} rows, ${megabytes} MB`);
  await server.start(DEADLINE_MS);
  let boss = await client(server);
  await boss.query('create table big(id int not null, v int, pad text) with (fillfactor = 90)');
  const step = Math.ceil(rows / 8);
  const load = (from) =>
    boss.query(
      `insert into big select g, 0, repeat('x', 1000) from generate_series(${from}, ${Math.min(rows, from + step - 1)}) g`,
    );
  await timed(server, 'load', async () => {
    await load(1);
    const before = memory(server);
    for (let from = 1 + step; from <= rows; from += step) await load(from);
    compareMemory(server, 'load', before, demanded);
  });
  await timed(server, 'primary key', () => boss.query('alter table big add primary key (id)'));
  const size = await one(
    boss,
    "select pg_relation_size('big') / 1048576 t, pg_relation_size('big_pkey') / 1048576 i",
  ).catch((caught) => {
    if (caught.code !== '0A000') throw caught;
    return { t: '?', i: '?' };
  });
  say(`${server.name}: table ${size.t} MB, index ${size.i} MB`);
  const first = await timed(server, 'full scan', () => one(boss, SUM));
  expectEqual('rows', first.n, rows);
  const before = memory(server);
  await timed(server, 'full scan again', () => one(boss, SUM));
  compareMemory(server, 'full scan', before, demanded);

  const changed = await updateAtRandom(server, boss, demanded);
  expectEqual('sum after updates', (await timed(server, 'full scan', () => one(boss, SUM))).s, changed);
  await timed(server, 'checkpoint', () => boss.query('checkpoint'));
  // Synchronous, so that the log has everything that was answered.
  await boss.query('set synchronous_commit = on');
  await boss.query('update big set v = v + 1 where id = 1');
  await boss.end();

  const family = [server.pid, ...childrenOf(server.pid).map((child) => child.pid)];
  for (const pid of family) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  while (family.some(isAlive)) await delay(10);
  await timed(server, 'recovery', () => server.start(DEADLINE_MS));
  boss = await client(server);
  const last = await one(boss, SUM);
  expectEqual('rows after a crash', last.n, rows);
  expectEqual('sum after a crash', last.s, changed + 1);
  await boss.end();
}

const servers = [await makeOurServer({ model: options.model, conf: CONF })];
try {
  if (options.postgres) {
    const oracle = await makePostgres(CONF);
    if (oracle !== undefined) servers.push(oracle);
  }
  for (const server of servers) {
    await run(server, server === servers[0]);
    await server.stop();
  }
} finally {
  for (const server of servers) await server.remove();
}
for (const failure of failures) console.error(`FAILED: ${failure}`);
if (failures.length === 0) say('all as it must be');
process.exit(failures.length === 0 ? 0 : 1);
