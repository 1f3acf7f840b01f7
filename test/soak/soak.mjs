// soak.mjs — thousands of connections, one after the other and many at a time, while processes are killed at random.
//
//   node test/soak/soak.mjs [--connections 10000] [--parallel 100] [--duration 180] [--kill-every 0] [--model fork|spawn]
//                           [--node PATH] [--deadline 30] [--seed N] [--burst]
//
// Row phase: `--connections` sessions one after the other. Crowd phase: `--parallel` clients at a time for `--duration`
// seconds; each session does one of: a query, many rows, an error, a statement timeout, going away in the middle of a
// query, going away before it said who it is. With `--kill-every S` a process of the server, chosen at random, gets
// SIGKILL about every S seconds. `--burst` makes the crowd come and go in waves of `--parallel` instead of independently.
//
// What must hold:
//  - no operation takes longer than the deadline (a hang is printed with what was awaited, and ends the run),
//  - a session is answered; or, within a few seconds of a kill, it gets 57P02 or 57P03, is refused, or loses its connection,
//  - descriptors and memory of the postmaster do not grow beyond the printed bound, and it has no zombies,
//  - at the end the server answers, and a fast shutdown ends all of it with exit code 0.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Client, Cut, firstAnswer, Hang, open, Refused } from './client.mjs';
import { childrenOf, descriptorsOf, isAlive, makeOurServer, memoryOf, root } from './processes.mjs';

const { values: options } = parseArgs({
  options: {
    connections: { type: 'string', default: '10000' },
    parallel: { type: 'string', default: '100' },
    duration: { type: 'string', default: '180' },
    'kill-every': { type: 'string', default: '0' },
    model: { type: 'string', default: 'fork' },
    node: { type: 'string', default: process.execPath },
    deadline: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    burst: { type: 'boolean', default: false },
  },
});
const number = (name) => {
  const value = Number(options[name]);
  if (!(value >= 0)) throw new Error(`--${name} wants a number`);
  return value;
};
const connections = number('connections');
const parallel = number('parallel');
const durationMs = number('duration') * 1000;
const killEveryMs = number('kill-every') * 1000;
const deadlineMs = number('deadline') * 1000;

/** How long after a kill an interrupted session counts as its consequence. */
const AFTERMATH_MS = 5000;
/** What the postmaster may hold more at the end of a phase than after its warm-up, both times without sessions. */
const BOUND = { descriptors: 4, anonymousKb: 24 * 1024, rssKb: 32 * 1024 };

let state = number('seed') >>> 0 || 1;
function random() {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) / 0x1_0000_0000;
}

const failures = [];
const counts = { answered: 0, 'went away': 0 };
const count = (what) => {
  counts[what] = (counts[what] ?? 0) + 1;
};
const kills = [];
let slowestMs = 0;
let server;

const VISITS = [
  { share: 0.6, sql: 'select 1', rows: 1 },
  { share: 0.1, sql: 'select g, md5(g::text) from generate_series(1, 500) g', rows: 500 },
  { share: 0.1, sql: 'select 1/0', sqlstate: '22012' },
  { share: 0.05, before: 'set statement_timeout = 20', sql: 'select pg_sleep(60)', sqlstate: '57014' },
  { share: 0.1, sql: 'select pg_sleep(60)', leaves: true },
  { share: 0.05, silent: true },
];
function chooseVisit() {
  let at = random();
  for (const visit of VISITS) {
    at -= visit.share;
    if (at < 0) return visit;
  }
  return VISITS[0];
}

/** One session from connect to its end. Throws for what must not happen. */
async function session(visit) {
  if (visit.silent) {
    const client = new Client(server.port, deadlineMs);
    try {
      await client.connected();
    } finally {
      client.destroy();
    }
    count('went away');
    return;
  }
  const client = await open(server.port, deadlineMs);
  try {
    if (visit.before !== undefined) await client.query(visit.before);
    if (visit.leaves) {
      client.throwQuery(visit.sql);
      await delay(5);
      count('went away');
      return;
    }
    const { rows, error } = await client.query(visit.sql);
    if (error?.C !== visit.sqlstate) throw new Error(`${visit.sql}: ${error?.C} ${error?.M}`);
    if (visit.rows !== undefined && rows !== visit.rows) throw new Error(`${visit.sql}: ${rows} rows`);
    await client.close();
    count('answered');
  } finally {
    client.destroy();
  }
}

/** True if a kill explains what was thrown. */
function isAftermath(caught, began) {
  if (!kills.some((kill) => kill.at <= performance.now() && began - kill.at < AFTERMATH_MS)) return false;
  if (caught instanceof Refused) return caught.sqlstate === '57P02' || caught.sqlstate === '57P03';
  return caught instanceof Cut;
}
async function visit(which) {
  const began = performance.now();
  try {
    await session(which);
    slowestMs = Math.max(slowestMs, performance.now() - began);
    return true;
  } catch (caught) {
    if (isAftermath(caught, began)) {
      count(caught instanceof Refused ? caught.sqlstate : (caught.warning ?? caught.code));
      await delay(10);
      return false;
    }
    failures.push(caught.stack);
    if (caught instanceof Hang) console.error(`HANG: ${caught.message}\n${describeTree()}`);
    return false;
  }
}
function describeTree() {
  return childrenOf(server.pid)
    .map((child) => `  ${child.pid} ${child.state} ${child.title}`)
    .join('\n');
}

/** Waits until the postmaster has no sessions any more, then measures it. */
async function measureIdle() {
  const deadline = Date.now() + deadlineMs;
  const isSession = (child) => child.title.includes('127.0.0.1') || child.title.includes('--forkchild backend');
  for (
    let left;
    (left = childrenOf(server.pid).filter((child) => isSession(child) || child.state === 'Z')).length > 0;
  ) {
    if (Date.now() > deadline) {
      failures.push(
        `processes left without a client: ${left.map((one) => `${one.pid} ${one.state} ${one.title}`).join('; ')}`,
      );
      break;
    }
    await delay(50);
  }
  await delay(300);
  const memory = memoryOf(server.pid);
  return { descriptors: descriptorsOf(server.pid), rssKb: memory.Rss, anonymousKb: memory.Anonymous };
}
function compare(phase, before, after) {
  const parts = Object.keys(BOUND).map((what) => {
    const growth = after[what] - before[what];
    if (growth > BOUND[what]) failures.push(`${phase}: the postmaster's ${what} grew by ${growth}`);
    return `${what} ${before[what]} -> ${after[what]} (bound +${BOUND[what]})`;
  });
  console.log(`  postmaster: ${parts.join(', ')}`);
}
function summary(phase, sessions, ms) {
  const rate = ((1000 * sessions) / ms).toFixed(0);
  const seen = Object.entries(counts).map(([what, times]) => `${what} ${times}`);
  console.log(
    `${phase}: ${sessions} sessions in ${(ms / 1000).toFixed(1)} s (${rate}/s), slowest ${slowestMs.toFixed(0)} ms`,
  );
  console.log(`  ${seen.join(', ')}, kills ${kills.length}, failures ${failures.length}`);
}
function reset() {
  for (const key of Object.keys(counts)) counts[key] = 0;
  kills.length = 0;
  slowestMs = 0;
}

/** SIGKILLs random processes until told to stop; then nothing but the aftermath may be left. */
function startKilling() {
  if (killEveryMs === 0) return async () => {};
  let stopped = false;
  const loop = (async () => {
    while (!stopped) {
      await delay(killEveryMs * (0.5 + random()));
      const children = childrenOf(server.pid).filter((child) => child.state !== 'Z');
      if (stopped || children.length === 0) continue;
      // Sessions outnumber the auxiliary processes by far: choose the class first.
      const sessions = children.filter((child) => child.title.includes('127.0.0.1'));
      const others = children.filter((child) => !sessions.includes(child));
      const pool = sessions.length > 0 && (random() < 0.5 || others.length === 0) ? sessions : others;
      const victim = pool[Math.floor(random() * pool.length)];
      kills.push({ at: performance.now(), title: victim.title });
      if (isAlive(victim.pid)) process.kill(victim.pid, 'SIGKILL');
    }
  })();
  return async () => {
    stopped = true;
    await loop;
    await firstAnswer(server.port, deadlineMs, 'an answer after the last kill');
  };
}

async function rowPhase() {
  const warmUp = Math.min(500, Math.ceil(connections / 10));
  for (let n = 0; n < warmUp; n++) await visit(VISITS[0]);
  const before = await measureIdle();
  reset();
  const stopKilling = startKilling();
  const began = performance.now();
  let done = 0;
  for (; done < connections && failures.length === 0; done++) {
    await visit(VISITS[0]);
    if (done % 1000 === 999) console.log(`  ${done + 1} …`);
  }
  const ms = performance.now() - began;
  await stopKilling();
  summary('in a row', done, ms);
  compare('in a row', before, await measureIdle());
}

async function crowdPhase() {
  const warmUp = Array.from({ length: parallel }, async () => {
    for (let n = 0; n < 3; n++) await visit(chooseVisit());
  });
  await Promise.all(warmUp);
  const before = await measureIdle();
  reset();
  const stopKilling = startKilling();
  const began = performance.now();
  const end = began + durationMs;
  let done = 0;
  const goOn = () => performance.now() < end && failures.length === 0;
  const round = async () => {
    await visit(chooseVisit());
    done++;
  };
  if (options.burst) while (goOn()) await Promise.all(Array.from({ length: parallel }, round));
  else
    await Promise.all(
      Array.from({ length: parallel }, async () => {
        while (goOn()) await round();
      }),
    );
  const ms = performance.now() - began;
  await stopKilling();
  summary(`${parallel} at a time`, done, ms);
  compare(`${parallel} at a time`, before, await measureIdle());
}

async function main() {
  const version = spawnSync(options.node, ['--version'], { encoding: 'utf8' }).stdout.trim();
  const built = spawnSync(options.node, [join(root, 'native-shm/build.mjs')], { stdio: 'inherit' });
  if (built.status !== 0) throw new Error(`native-shm does not compile for ${options.node}`);
  console.log(`soak: Node ${version}, process_model ${options.model}, seed ${options.seed}`);
  server = await makeOurServer({
    model: options.model,
    node: options.node,
    conf: [`max_connections = ${2 * parallel + 20}`, 'client_connection_check_interval = 500'],
  });
  // A signal ends the run through the same cleaning up.
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => failures.push(`stopped by ${signal}`));
  try {
    await server.start(deadlineMs);
    if (connections > 0) await rowPhase();
    if (durationMs > 0 && failures.length === 0) await crowdPhase();
    await firstAnswer(server.port, deadlineMs, 'an answer at the end');
    // A child that has just ended may be seen before it is reaped; one that stays is a zombie.
    const zombies = () => childrenOf(server.pid).filter((child) => child.state === 'Z');
    const first = zombies();
    if (first.length > 0) await delay(1000);
    const stayed = zombies().filter((child) => first.some((one) => one.pid === child.pid));
    if (stayed.length > 0) failures.push(`zombies: ${stayed.map((child) => child.pid).join(' ')}`);
    const code = await server.stop();
    if (code !== 0) failures.push(`the server ended with ${code}`);
  } catch (caught) {
    failures.push(caught.stack);
  } finally {
    await server.remove();
  }
  if (failures.length > 0) {
    console.error(`the server's last words:\n${server.log.split('\n').slice(-60).join('\n')}`);
    console.error([...new Set(failures)].slice(0, 10).join('\n'));
  }
  console.log(failures.length === 0 ? 'soak: passed' : `soak: ${failures.length} failures`);
  process.exitCode = failures.length === 0 ? 0 : 1;
}
await main();
