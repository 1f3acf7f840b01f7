/** Who is there and what do they do: the queries an administrator keeps at hand, and `ps`, in both process models. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Cluster, PROCESS_MODELS, waitFor } from '../support/cluster.ts';
import { rows, scalar, startQuery, titleOf } from '../support/session.ts';
import { WireClient } from '../support/wire.ts';

const OPEN = 30;
const STATES = `SELECT state, count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' GROUP BY state;`;
const SLOTS = `-- Show used and free connection slots
SELECT count(*) AS used, max(max_conn) - count(*) AS free
FROM pg_stat_activity, (SELECT setting::int AS max_conn FROM pg_settings WHERE name = 'max_connections') s
WHERE backend_type = 'client backend';`;
const PROCESSES = `-- All PostgreSQL processes
SELECT 
    pid,
    backend_type,
    state,
    wait_event_type,
    wait_event,
    query
FROM pg_stat_activity;`;

describe.each(PROCESS_MODELS)('process_model = %s', (model) => {
  let cluster: Cluster;
  let clients: WireClient[] = [];
  const open = async (count: number, parameters: Readonly<Record<string, string>> = {}): Promise<WireClient[]> => {
    const opened = await Promise.all(Array.from({ length: count }, () => WireClient.session(cluster.port, parameters)));
    clients.push(...opened);
    return opened;
  };
  /** Sessions of earlier tests have left the activity table. */
  const closeAll = async (): Promise<void> => {
    const pids = clients.map((client) => client.backendKey().pid);
    for (const client of clients) client.close();
    clients = [];
    // A session that sleeps does not notice that its client left.
    for (const pid of pids) if (titleOf(pid) !== '') process.kill(pid, 'SIGTERM');
    await waitFor('the sessions to end', () => pids.every((pid) => titleOf(pid) === ''));
  };
  beforeAll(async () => {
    cluster = await Cluster.create({
      model,
      conf: ['max_connections = 60', 'archive_mode = on', "archive_command = 'true'", 'summarize_wal = on'],
    });
  });
  afterAll(async () => {
    for (const client of clients) client.close();
    await cluster.destroy();
  });

  test('client backends are counted by their state with 30 connections open', async () => {
    const [me, , inTransaction, inFailed, busy, other] = await open(OPEN);
    await rows(inTransaction!, 'begin');
    await rows(inFailed!, 'begin');
    await inFailed!.query('select 1/0');
    await startQuery(cluster, busy!, 'select pg_sleep(1000)');
    await rows(other!, 'select 1');
    const counted = Object.fromEntries((await rows(me!, STATES)).map(([state, count]) => [state, Number(count)]));
    expect(counted).toEqual({
      active: 2,
      idle: OPEN - 4,
      'idle in transaction': 1,
      'idle in transaction (aborted)': 1,
    });
    await closeAll();
  });

  test('used and free slots add up to max_connections', async () => {
    const [me] = await open(OPEN);
    expect(await rows(me!, SLOTS)).toEqual([[String(OPEN), String(60 - OPEN)]]);
    for (const client of clients.splice(10)) {
      const { pid } = client.backendKey();
      client.close();
      await waitFor('the session to end', () => titleOf(pid) === '');
    }
    expect(await rows(me!, SLOTS)).toEqual([['10', '50']]);
    await closeAll();
  });

  test('pg_stat_activity lists every process under its backend_type', async () => {
    const [me, busy] = await open(2);
    await startQuery(cluster, busy!, 'select pg_sleep(1000)');
    const wanted: Readonly<Record<string, string>> = {
      checkpointer: 'Activity/CheckpointerMain',
      walwriter: 'Activity/WalWriterMain',
      'autovacuum launcher': 'Activity/AutoVacuumMain',
      archiver: 'Activity/ArchiverMain',
      'logical replication launcher': 'Activity/LogicalLauncherMain',
    };
    const list = await waitFor('every process to wait where it should', async () => {
      const seen = await rows(me!, PROCESSES);
      const ok = Object.entries(wanted).every(([type, event]) =>
        seen.some((row) => row[1] === type && `${row[3]}/${row[4]}` === event),
      );
      return ok ? seen : undefined;
    });
    const byPid = new Map(list.map((row) => [Number(row[0]), row]));
    expect(byPid.get(busy!.backendKey().pid)).toEqual([
      String(busy!.backendKey().pid),
      'client backend',
      'active',
      'Timeout',
      'PgSleep',
      'select pg_sleep(1000)',
    ]);
    expect(byPid.get(me!.backendKey().pid)?.slice(1)).toEqual(['client backend', 'active', null, null, PROCESSES]);
    const types = list.map((row) => row[1]);
    for (const type of [...Object.keys(wanted), 'background writer']) expect(types).toContain(type);
    // Each is a child of the postmaster, and `ps` calls it by that name.
    const children = new Map(cluster.children().map((child) => [child.pid, child.title]));
    for (const [pid, type] of list.map((row) => [Number(row[0]), row[1]!] as const)) {
      expect(children.has(pid)).toBe(true);
      if (type !== 'client backend') expect(children.get(pid)).toMatch(new RegExp(`^postgres: ${type}`));
    }
    await closeAll();
  });

  test('`ps` shows user, database, client and what the session does', async () => {
    const [client] = await open(1);
    const { pid } = client!.backendKey();
    const shows = async (activity: string): Promise<void> => {
      await waitFor(
        `"${activity}"`,
        () => titleOf(pid).endsWith(`) ${activity}`),
        10,
        () => titleOf(pid),
      );
      const localPort = client!.socket.localPort;
      expect(titleOf(pid)).toBe(`postgres: postgres postgres 127.0.0.1(${localPort}) ${activity}`);
    };
    await shows('idle');
    await rows(client!, 'begin');
    await shows('idle in transaction');
    await client!.query('select 1/0');
    await shows('idle in transaction (aborted)');
    await rows(client!, 'rollback');
    await shows('idle');
    await startQuery(cluster, client!, 'select pg_sleep(1000)');
    await shows('SELECT');
    await closeAll();
  });

  test('cluster_name stands first in the title, application_name and the client’s address in the view', async () => {
    const [client] = await open(1, { application_name: 'checker' });
    expect(
      await rows(
        client!,
        `select application_name, usename, datname, host(client_addr), client_port, backend_xid, backend_start <= xact_start,
           xact_start <= query_start, query_start <= state_change from pg_stat_activity where pid = pg_backend_pid()`,
      ),
    ).toEqual([
      ['checker', 'postgres', 'postgres', '127.0.0.1', String(client!.socket.localPort), null, 't', 't', 't'],
    ]);
    await rows(client!, "set application_name = 'other'");
    expect(await scalar(client!, 'select application_name from pg_stat_activity where pid = pg_backend_pid()')).toBe(
      'other',
    );
    await closeAll();
    await cluster.stop();
    await cluster.start(['-c', 'cluster_name=main']);
    expect(cluster.children().map((child) => child.title)).toContain('postgres: main: checkpointer');
    await cluster.stop();
    await cluster.start();
  });

  test('what others run is hidden from a role without pg_read_all_stats', async () => {
    const [owner] = await open(1);
    await startQuery(cluster, owner!, 'select pg_sleep(1000)');
    const [visible] = await open(1);
    const sql = `select usename, query, state, wait_event from pg_stat_activity where pid = ${owner!.backendKey().pid}`;
    expect(await rows(visible!, sql)).toEqual([['postgres', 'select pg_sleep(1000)', 'active', 'PgSleep']]);
    await rows(visible!, 'set role pg_monitor');
    expect((await rows(visible!, sql))[0]?.[1]).toBe('select pg_sleep(1000)');
    await rows(visible!, 'set role pg_checkpoint');
    expect(await rows(visible!, sql)).toEqual([['postgres', '<insufficient privilege>', null, null]]);
    await closeAll();
  });
});
