/** Who dies, who is restarted, what the other sessions see, what the log says: PostgreSQL 15's reactions, in both process
 *  models. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Cluster, isAlive, PROCESS_MODELS, waitFor } from '../support/cluster.ts';
import { WireClient } from '../support/wire.ts';

interface Reaction {
  /** Beginning of the ps title after `postgres: `. */
  readonly title: string;
  /** In the log. */
  readonly name: string;
  readonly killed: 'everybody restarts' | 'only itself restarts';
  /** What SIGTERM does. */
  readonly terminated: 'restarts alone' | 'ignores it';
}
/** PostgreSQL 15's table; the stats collector is that of 14. */
const REACTIONS: readonly Reaction[] = [
  { title: 'checkpointer', name: 'checkpointer process', killed: 'everybody restarts', terminated: 'ignores it' },
  {
    title: 'background writer',
    name: 'background writer process',
    killed: 'everybody restarts',
    terminated: 'restarts alone',
  },
  { title: 'walwriter', name: 'WAL writer process', killed: 'everybody restarts', terminated: 'restarts alone' },
  {
    title: 'autovacuum launcher',
    name: 'autovacuum launcher process',
    killed: 'everybody restarts',
    terminated: 'restarts alone',
  },
  { title: 'archiver', name: 'archiver process', killed: 'everybody restarts', terminated: 'ignores it' },
  {
    title: 'walsummarizer',
    name: 'WAL summarizer process',
    killed: 'everybody restarts',
    terminated: 'restarts alone',
  },
  {
    title: 'logical replication launcher',
    name: 'background worker "logical replication launcher"',
    killed: 'everybody restarts',
    terminated: 'restarts alone',
  },
  {
    title: 'stats collector',
    name: 'statistics collector process',
    killed: 'only itself restarts',
    terminated: 'ignores it',
  },
  { title: 'logger', name: 'system logger process', killed: 'only itself restarts', terminated: 'ignores it' },
];
const ROUNDS = 3;
const SESSIONS = 8;

describe.each(PROCESS_MODELS)('process_model = %s', (model) => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.create({
      model,
      conf: [
        'archive_mode = on',
        "archive_command = 'true'",
        'summarize_wal = on',
        'logging_collector = on',
        "log_directory = 'log'",
        "log_filename = 'server.log'",
      ],
    });
  });
  afterAll(() => cluster.destroy());

  const serverLog = (): string => cluster.readDataFile('log/server.log');
  async function allPresent(): Promise<void> {
    for (const { title } of REACTIONS) await waitFor(`a ${title}`, () => cluster.childPid(title) !== undefined);
  }
  async function serves(): Promise<void> {
    await waitFor('the server to answer', async () => {
      const session = await WireClient.session(cluster.port);
      const rows = await session.query('select 1');
      session.close();
      return rows.some((one) => one.type === 'D');
    });
  }
  const openSessions = (): Promise<WireClient[]> =>
    Promise.all(Array.from({ length: SESSIONS }, () => WireClient.session(cluster.port)));

  test.each(REACTIONS)('SIGKILL of the $title: $killed', async ({ title, name, killed }) => {
    for (let round = 0; round < ROUNDS; round++) {
      await allPresent();
      const sessions = await openSessions();
      const victim = cluster.childPid(title)!;
      const others = cluster
        .children()
        .filter((child) => child.pid !== victim && !child.title.startsWith('postgres: logger'));
      const before = serverLog().length;
      process.kill(victim, 'SIGKILL');
      await waitFor(`a new ${title}`, () => {
        const now = cluster.childPid(title);
        return now !== undefined && now !== victim;
      });
      if (killed === 'everybody restarts') {
        for (const session of sessions) {
          await session.ended();
          const [notice] = session.notices();
          expect(notice).toMatchObject({ S: 'WARNING', C: '57P02' });
          expect(notice?.['M']).toBe('terminating connection because of crash of another server process');
        }
        for (const other of others) expect(isAlive(other.pid)).toBe(false);
        await waitFor('the log to tell of it', () =>
          serverLog().slice(before).includes('all server processes terminated; reinitializing'),
        );
        expect(serverLog().slice(before)).toContain(`${name} (PID ${victim}) was terminated by signal 9: Killed`);
        expect(serverLog().slice(before)).toContain('terminating any other active server processes');
      } else {
        for (const session of sessions) {
          const answer = await session.query('select 1');
          expect(answer.map((one) => one.type).join('')).toBe('TDCZ');
          session.close();
        }
        if (title !== 'logger')
          await waitFor('the log to tell of it', () =>
            serverLog().slice(before).includes(`${name} (PID ${victim}) was terminated by signal 9: Killed`),
          );
      }
      await serves();
    }
  });

  test.each(REACTIONS)('SIGTERM to the $title: $terminated', async ({ title, terminated }) => {
    await allPresent();
    const [session] = await openSessions();
    const victim = cluster.childPid(title)!;
    process.kill(victim, 'SIGTERM');
    if (terminated === 'restarts alone')
      await waitFor(
        `a new ${title}`,
        () => {
          const now = cluster.childPid(title);
          return now !== undefined && now !== victim;
        },
        30,
      );
    const answer = await session!.query('select 1');
    expect(answer.map((one) => one.type).join('')).toBe('TDCZ');
    if (terminated === 'ignores it') expect(isAlive(victim)).toBe(true);
    session!.close();
  });

  test('SIGKILL of a client backend restarts everybody and tells the log what it was running', async () => {
    const [victim, other] = [await WireClient.session(cluster.port), await WireClient.session(cluster.port)];
    const { pid } = victim.backendKey();
    const before = serverLog().length;
    victim.send(Buffer.from([0x51, 0, 0, 0, 26]), Buffer.from('select pg_sleep(1000)\0'));
    await waitFor('the query to run', () =>
      cluster.children().some((child) => child.pid === pid && child.title.endsWith('SELECT')),
    );
    process.kill(pid, 'SIGKILL');
    await other.ended();
    expect(other.notices()[0]).toMatchObject({ C: '57P02' });
    await serves();
    const log = serverLog().slice(before);
    expect(log).toContain(`server process (PID ${pid}) was terminated by signal 9: Killed`);
    expect(log).toContain('Failed process was running: select pg_sleep(1000)');
  });

  test('SIGSEGV of a client backend is a crash, too', async () => {
    const victim = await WireClient.session(cluster.port);
    const other = await WireClient.session(cluster.port);
    process.kill(victim.backendKey().pid, 'SIGSEGV');
    await other.ended();
    await serves();
  });

  test('SIGTERM to a client backend ends that session alone, with 57P01', async () => {
    const victim = await WireClient.session(cluster.port);
    const other = await WireClient.session(cluster.port);
    process.kill(victim.backendKey().pid, 'SIGTERM');
    await victim.ended();
    expect(victim.error()).toMatchObject({
      S: 'FATAL',
      C: '57P01',
      M: 'terminating connection due to administrator command',
    });
    expect((await other.query('select 1')).map((one) => one.type).join('')).toBe('TDCZ');
    other.close();
  });

  test('children are gone within a second of a SIGKILLed postmaster, and the next start works at once', async () => {
    const busy = await WireClient.session(cluster.port);
    busy.send(
      Buffer.from([0x51, 0, 0, 0, 63]),
      Buffer.from('select count(*) from generate_series(1, 1000000000000::int8)\0'),
    );
    const children = cluster.children().map((child) => child.pid);
    const exited = cluster.child!;
    exited.kill('SIGKILL');
    await waitFor('every child to be gone', () => children.every((pid) => !isAlive(pid)), 5);
    await cluster.start();
    await serves();
  });

  test('a start with a stopped orphan is refused with PostgreSQL’s message', async () => {
    const orphan = cluster.childPid('checkpointer')!;
    // The logger leaves only when the last writer does, and that is the stopped one.
    const children = cluster
      .children()
      .filter((child) => !child.title.startsWith('postgres: logger'))
      .map((child) => child.pid);
    process.kill(orphan, 'SIGSTOP');
    try {
      cluster.child!.kill('SIGKILL');
      await waitFor('the others to be gone', () => children.every((pid) => pid === orphan || !isAlive(pid)), 10);
      cluster.clearLog();
      cluster.launch();
      const refused = cluster.child!;
      await waitFor('the start to be refused', () => refused.exitCode !== null);
      expect(refused.exitCode).toBe(1);
      expect(cluster.log).toMatch(/FATAL: {2}pre-existing shared memory block \(key \d+, ID \d+\) is still in use/);
      expect(cluster.log).toContain('HINT:  Terminate any old server processes associated with data directory');
    } finally {
      process.kill(orphan, 'SIGKILL');
    }
    await waitFor('the orphan to be gone', () => !isAlive(orphan));
    await cluster.start();
    await serves();
  });
});
