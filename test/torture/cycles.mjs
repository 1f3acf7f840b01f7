// cycles.mjs — write, crash, restart, verify; again and again on one data directory.
import { cpSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { childrenOf, isAlive, makeOurServer } from '../soak/processes.mjs';
import { judgeCrashed, judgeStopped } from './judge.mjs';
import { Shadow } from './lost-writes.mjs';
import { verify } from './verify.mjs';
import { KINDS, Random, SCHEMA, Writer } from './writers.mjs';

/** How the server dies: everything at once; one child (the others follow); the postmaster alone; SIGQUIT; a process kills
 *  itself, or panics, at a point of src/runtime/injection-points.ts; the power fails, and unsynced writes are lost. */
export const WAYS = ['all', 'child', 'postmaster', 'immediate', 'pointKill', 'pointPanic', 'power'];

const POINTS = [
  ...readFileSync(new URL('../../src/runtime/injection-points.ts', import.meta.url), 'utf8').matchAll(
    /^ {2}(\w+): '/gm,
  ),
].map((match) => match[1]);

export async function torture(options) {
  const { seed, cycles, durationMs, ways, say } = options;
  const random = new Random(seed * 7919);
  const server = await makeOurServer({
    initdb: ['--wal-segsize=1', '--data-checksums'],
    conf: [
      'max_prepared_transactions = 20',
      'shared_buffers = 2MB',
      'max_wal_size = 16MB',
      'min_wal_size = 2MB',
      'checkpoint_timeout = 30s',
      'logging_collector = off',
      ...(options.conf ?? []),
    ],
  });
  const shadow = new Shadow(server.dataDirectory, join(server.folder, 'shadow'));
  const connection = { host: '127.0.0.1', port: server.port, user: 'postgres', database: 'postgres' };
  const problems = [];
  const complain = (text) => {
    problems.push(`[seed ${seed}] ${text}`);
    say(`  !! ${text}`);
  };
  let failed = false;
  try {
    await server.start();
    await withClient(connection, async (client) => {
      for (const sql of SCHEMA) await client.query(sql);
    });
    const writers = Array.from(
      { length: options.writers },
      (_, i) => new Writer(i + 1, seed, connection, 30_000, options.kinds ?? KINDS),
    );
    for (let cycle = 1; cycle <= cycles && !failed; cycle++) {
      const way = options.inTurn === true ? ways[(cycle - 1) % ways.length] : random.pick(ways);
      const point = way.startsWith('point') ? random.pick(POINTS) : '';
      let what = way;
      if (point !== '') {
        // A restart that arms the point; it acts in whatever process passes it often enough.
        await server.stop();
        const nth =
          1 +
          random.below(
            /^(commit|heap)/.test(point) ? 150 : /^(checkpoint|mdUnlink|storage|relmap)/.test(point) ? 2 : 12,
          );
        what = `${way} ${point}:${nth}`;
        server.spawnOptions = {
          env: { ...process.env, NODEGRES_INJECT: `${point}:${way === 'pointKill' ? 'kill' : 'panic'}:${nth}` },
        };
        await server.start().catch(() => {}); // it may act at once
      }
      if (way === 'power') {
        await server.stop();
        shadow.begin();
        server.spawnOptions = { env: { ...process.env, ...shadow.environment } };
        await server.start(60_000);
      }
      server.log = '';
      const before = writers.reduce((sum, one) => sum + one.commits, 0);
      for (const one of writers) one.stopping = false;
      const working = Promise.all(writers.map((one) => one.run()));
      const waitMs = Math.floor(durationMs * (0.3 + 0.7 * random.next()));
      await Promise.race([delay(waitMs), working]);
      await crash(server, way, random);
      if (way === 'power') what += ` (${shadow.lose(random, random.pick([1, 0.5, 0.9, 0.1]))})`;
      for (const one of writers) one.stopping = true;
      await working;
      const commits = writers.reduce((sum, one) => sum + one.commits, 0) - before;
      for (const one of writers) for (const text of one.problems.splice(0)) complain(text);
      const panics = server.log
        .split('\n')
        .filter(
          (line) =>
            /PANIC|assert|TRAP|WARNING|XX00\d|FATAL:(?! {2}(the database|terminating|could not|connection))/.test(
              line,
            ) && !/injection point/.test(line),
        );
      for (const line of new Set(panics))
        if (
          !/terminating connection because of crash|root|in recovery mode|no transaction in progress|_fsm; zeroing out page/.test(
            line,
          )
        )
          complain(`log: ${line}`);

      const fired = /signal 9|injection point/.test(server.log);
      server.spawnOptions = {};
      // What recovery found, for whoever looks into its complaints.
      if (options.keep && server.hasEnded) {
        rmSync(join(server.folder, 'crashed'), { recursive: true, force: true });
        cpSync(server.dataDirectory, join(server.folder, 'crashed'), { recursive: true });
      }
      let judged = '';
      if (way !== 'child' && options.judge) judged = await judgeCrashed(server);
      server.log = '';
      if (server.hasEnded) {
        await server
          .start(60_000)
          .catch((caught) => complain(`no restart: ${caught.message}\n${server.log.slice(-3000)}`));
      }
      const found = await withClient(connection, (client) => verify(client, writers), 60_000).catch((caught) => [
        `verification failed: ${caught.stack}\n${server.log.slice(-3000)}`,
      ]);
      for (const text of found.slice(0, 20)) complain(`cycle ${cycle} (${what}): ${text}`);
      if (judged !== '') complain(judged);
      const redo = /redo done at (\S+)/.exec(server.log)?.[1] ?? 'no redo';
      for (const line of server.log.split('\n'))
        if (/PANIC|assert|WARNING:(?!.*(root|_fsm; zeroing out page))/.test(line)) complain(`recovery: ${line}`);
      say(`cycle ${cycle} ${what}${fired ? ' (fired)' : ''}: ${commits} commits, ${redo}, ${found.length} problems`);
      if (problems.length > 0)
        say(
          server.log
            .split('\n')
            .filter((line) => !/FATAL|DETAIL/.test(line))
            .join('\n'),
        );
      failed = problems.length > 0;
    }
    if (options.judge || failed) {
      await server.stop().catch((caught) => complain(caught.message));
      for (const text of await judgeStopped(server)) complain(text);
    }
  } finally {
    if (options.keep && failed) {
      say(`kept ${server.folder}`);
      await server.stop().catch(() => {});
    } else await server.remove();
  }
  return problems;
}

async function crash(server, way, random) {
  const children = childrenOf(server.pid);
  const pids = [server.pid, ...children.map((child) => child.pid)];
  if (way === 'child') {
    const victim = random.pick(children.filter((child) => !/logger/.test(child.title)));
    if (victim !== undefined) quietKill(victim.pid, 'SIGKILL');
    return;
  }
  if (way === 'postmaster') quietKill(server.pid, 'SIGKILL');
  else if (way === 'immediate') quietKill(server.pid, 'SIGQUIT');
  else if (way === 'all' || way === 'power' || way.startsWith('point')) {
    // Stopped first, so that nobody writes while others already are dead.
    for (const pid of pids) quietKill(pid, 'SIGSTOP');
    for (const pid of new Set([...pids, ...childrenOf(server.pid).map((child) => child.pid)]))
      quietKill(pid, 'SIGKILL');
  }
  const deadline = Date.now() + 15_000;
  while (!server.hasEnded || pids.some(isAlive)) {
    if (Date.now() > deadline) {
      const left = pids.filter(isAlive);
      for (const pid of left) quietKill(pid, 'SIGKILL');
      throw new Error(`processes ${left} did not end after ${way}`);
    }
    await delay(10);
  }
}
function quietKill(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch (caught) {
    if (caught.code !== 'ESRCH') throw caught;
  }
}

/** Connects as soon as the server lets us. */
async function withClient(connection, work, deadlineMs = 30_000) {
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    const client = new pg.Client({ ...connection, query_timeout: deadlineMs });
    client.on('error', () => {});
    try {
      await client.connect();
    } catch (caught) {
      await client.end().catch(() => {});
      if (Date.now() > deadline) throw caught;
      await delay(50);
      continue;
    }
    try {
      return await work(client);
    } finally {
      await client.end().catch(() => {});
    }
  }
}
