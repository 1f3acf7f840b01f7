// run.mjs — this server beside PostgreSQL 15 on the same machine in the same run.
//
//   node test/bench/run.mjs [--storage] [--quick] [--model fork|spawn] [--rounds N] [--seconds N] [--save]
//
// Without --storage: processes, connections and the protocol. With it: durable tables (storage.mjs), in the model fork.
// Every figure is a median over rounds, and each round asks the servers in turn, so that a busy machine is busy for all
// of them. The ratio is turned so that 1.0 or more means: as good as PostgreSQL, or better. Where PostgreSQL 15 or pgbench
// is not installed its column stays empty. `--save` appends one JSON line to test/bench/history.jsonl.
// Ends within a few minutes; whatever happens, servers are ended and their directories removed.
import { execFileSync, spawn } from 'node:child_process';
import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { firstAnswer, open } from '../soak/client.mjs';
import { makeOurServer, makePostgres, memoryOfTree, postgresBin, root } from '../soak/processes.mjs';
import { MICRO_BENCHES, runMicro } from './micro.mjs';
import { measureStorage, STORAGE_CONF } from './storage.mjs';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    storage: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
    model: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
  },
});
const quick = options.quick;
const rounds = Number(options.rounds ?? (quick ? 1 : 3));
const seconds = Number(options.seconds ?? (quick ? 1 : 2));
const IDLE_SESSIONS = quick ? 5 : 20;
const DEADLINE_MS = 30_000;
/** The whole run; after it everything is ended and the run has failed. */
const LIMIT_MS = (options.storage ? 30 : 15) * 60_000;

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
/** name → {unit, better, samples: server name → numbers} */
const table = new Map();
function record(name, unit, better, server, value) {
  if (!table.has(name)) table.set(name, { unit, better, samples: new Map() });
  const { samples } = table.get(name);
  samples.set(server.name, [...(samples.get(server.name) ?? []), value]);
}
const progress = (text) => process.stderr.write(`${text}\n`);

const pgbench = [join(postgresBin, 'pgbench'), 'pgbench'].find((path) => path === 'pgbench' || existsSync(path));
/** Transactions per second of pgbench, which counts connection time only with -C. */
function transactionsPerSecond(server, args, duration = seconds, name = 'select.sql') {
  return new Promise((resolve, reject) => {
    const script = join(server.folder, name);
    const where = ['-h', '127.0.0.1', '-p', String(server.port), '-U', 'postgres'];
    const all = ['-n', '-f', script, '-T', String(duration), ...args, ...where, 'postgres'];
    const child = spawn(pgbench, all, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    const timer = setTimeout(() => child.kill('SIGKILL'), duration * 1000 + DEADLINE_MS);
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      const tps = /^tps = ([\d.]+)/m.exec(output);
      const connecting = Number(/^initial connection time = ([\d.]+)/m.exec(output)?.[1] ?? 1000 * duration) / 1000;
      // Connecting is part of the duration though not of the figure: what is left of it must be worth measuring.
      const tooShort = tps === null || (!args.includes('-C') && connecting > duration - seconds * 0.8);
      if (code === 0 && tooShort && duration < 10 * seconds)
        resolve(transactionsPerSecond(server, args, duration + seconds + Math.ceil(connecting), name));
      else if (code === 0 && tps !== null) resolve(Number(tps[1]));
      else reject(new Error(`pgbench ${all.join(' ')} on ${server.name}: exit ${code}\n${output}`));
    });
  });
}

async function coldStart(server) {
  await server.stop();
  await delay(100);
  record('cold start to first answer', 'ms', 'less', server, await server.start(DEADLINE_MS));
}
const HOW_PGBENCH = [
  ['connect + select 1, 1 client', ['-C', '-c', '1']],
  ['connect + select 1, 8 clients', ['-C', '-c', '8', '-j', '2']],
  ...['simple', 'extended', 'prepared'].flatMap((protocol) => [
    [`select 1 ${protocol}, 1 client`, ['-M', protocol, '-c', '1']],
    [`select 1 ${protocol}, 8 clients`, ['-M', protocol, '-c', '8', '-j', '2']],
  ]),
];

/** Memory without sessions, then what each of some idle sessions adds. */
async function memory(server) {
  await delay(quick ? 500 : 1500);
  const before = memoryOfTree(server.pid);
  const sessions = [];
  try {
    for (let n = 0; n < IDLE_SESSIONS; n++) {
      const session = await open(server.port, DEADLINE_MS);
      sessions.push(session);
      await session.query('select 1');
    }
    await delay(500);
    const after = memoryOfTree(server.pid);
    const added = (kind) => (after[kind] - before[kind]) / IDLE_SESSIONS / 1024;
    const all = (kind) => before[kind] / 1024;
    record('idle: PSS of all processes', 'MB', 'less', server, all('Pss'));
    record('idle: anonymous PSS of all', 'MB', 'less', server, all('Pss_Anon'));
    record('idle: processes', '', 'none', server, before.processes);
    record('per idle session: PSS', 'MB', 'less', server, added('Pss'));
    record('per idle session: anonymous PSS', 'MB', 'less', server, added('Pss_Anon'));
    record('per idle session: private dirty', 'MB', 'less', server, added('Private_Dirty'));
  } finally {
    for (const session of sessions) session.destroy();
  }
}

/** SIGKILL of one session; from there until another one was told, and until a new one is answered. The other session
 *  makes sure that the crash has been noticed: before that, a new one could be answered too. */
async function crash(server) {
  const witness = await open(server.port, DEADLINE_MS);
  const victim = await open(server.port, DEADLINE_MS);
  try {
    await witness.query('select 1');
    const told = witness.ended();
    const began = performance.now();
    process.kill(victim.pid, 'SIGKILL');
    await told;
    await firstAnswer(server.port, DEADLINE_MS, `${server.name} to answer after a crash`);
    record('crash of a session to next answer', 'ms', 'less', server, performance.now() - began);
  } finally {
    witness.destroy();
    victim.destroy();
  }
}

const shown = (value) =>
  value === undefined ? '' : value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
function print(servers) {
  const ours = servers.filter((server) => server.ours);
  const oracle = servers.find((server) => !server.ours);
  const head = ['', 'unit', oracle?.name ?? 'PostgreSQL 15', ...ours.flatMap((server) => [server.name, 'ratio'])];
  const lines = [head];
  const saved = {};
  for (const [name, { unit, better, samples }] of table) {
    const theirs = oracle === undefined ? undefined : median(samples.get(oracle.name) ?? []);
    const line = [name, unit, shown(theirs)];
    saved[name] = { unit, postgresql: theirs };
    for (const server of ours) {
      const own = median(samples.get(server.name) ?? []);
      saved[name][server.name] = own;
      const ratio =
        theirs === undefined || own === undefined || better === 'none'
          ? undefined
          : better === 'less'
            ? theirs / own
            : own / theirs;
      line.push(shown(own), ratio === undefined ? '' : ratio.toFixed(2));
    }
    lines.push(line);
  }
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  console.log('\nratio: 1.00 or more is as good as PostgreSQL 15, or better; medians of interleaved rounds\n');
  for (const line of lines)
    console.log(
      line
        .map((cell, n) => (n < 2 ? cell.padEnd(widths[n]) : cell.padStart(widths[n])))
        .join('  ')
        .trimEnd(),
    );
  return saved;
}
function printMicro() {
  const results = MICRO_BENCHES.flatMap((name) => runMicro(name, quick ? ['--quick'] : []));
  console.log('\nshared memory alone, without a server');
  for (const { name, value, unit, note } of results)
    console.log(`${name.padEnd(32)} ${shown(value).padStart(7)} ${unit}   ${note}`);
  return Object.fromEntries(results.map(({ name, value, unit }) => [name, { value, unit }]));
}

async function measure(servers) {
  for (const server of servers) {
    progress(`starting ${server.name}`);
    await server.start(DEADLINE_MS);
    writeFileSync(join(server.folder, 'select.sql'), 'select 1;\n');
  }
  for (const server of servers) await memory(server);
  for (let round = 1; round <= rounds; round++) {
    for (const [name, args] of HOW_PGBENCH) {
      progress(`round ${round} of ${rounds}: ${name}`);
      for (const server of servers) record(name, 'per s', 'more', server, await transactionsPerSecond(server, args));
    }
  }
  const often = quick ? 1 : 5;
  for (let round = 1; round <= often; round++) {
    progress(`round ${round} of ${often}: crash, cold start`);
    for (const server of servers) await crash(server);
    for (const server of servers) await coldStart(server);
  }
}

async function main() {
  const servers = [];
  // Figures of a machine that does other work, too, say little: the reader must be able to see it.
  const loadBefore = loadavg()[0];
  console.log(
    `Node ${process.version}, ${availableParallelism()} processors, load average ${loadBefore.toFixed(1)} before the run`,
  );
  const limit = new AbortController();
  const timeUp = delay(LIMIT_MS, undefined, { signal: limit.signal }).then(() => {
    throw new Error(`the run took longer than ${LIMIT_MS / 60_000} minutes`);
  });
  const signalled = new Promise((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => reject(new Error(`stopped by ${signal}`)));
  });
  try {
    const conf = options.storage ? STORAGE_CONF : [];
    const oracle = await makePostgres(conf);
    if (oracle !== undefined) servers.push(oracle);
    else progress('PostgreSQL 15 is not installed: no comparison');
    const models = options.storage ? ['fork'] : ['fork', 'spawn'];
    for (const model of options.model === undefined ? models : [options.model])
      servers.push(Object.assign(await makeOurServer({ model, conf }), { ours: true }));
    const tools = { record, progress, transactionsPerSecond, quick, rounds };
    const work = options.storage ? measureStorage(servers, tools) : measure(servers);
    await Promise.race([work, timeUp, signalled]);
    const figures = print(servers);
    const micro = options.storage ? {} : printMicro();
    if (options.save) {
      const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim();
      const line = { commit, date: new Date().toISOString(), node: process.version, loadBefore, figures, micro };
      appendFileSync(join(root, 'test/bench/history.jsonl'), `${JSON.stringify(line)}\n`);
    }
  } finally {
    limit.abort();
    timeUp.catch(() => 'aborted on purpose');
    for (const server of servers)
      await server.remove().catch((caught) => {
        process.exitCode = 1;
        console.error(caught.message);
      });
  }
}
await main();
process.exit();
