/** How a running statement or an idle session is ended, and what the client is told, in both process models. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Cluster, PROCESS_MODELS, waitFor } from '../support/cluster.ts';
import { errorOf, rows, scalar, startQuery, titleOf } from '../support/session.ts';
import { cancelPacket, WireClient } from '../support/wire.ts';

const LONG = ['select count(*) from generate_series(1,1e12::bigint)', 'select pg_sleep(1000)'] as const;
const CANCELED = { S: 'ERROR', C: '57014', M: 'canceling statement due to user request' };

describe.each(PROCESS_MODELS)('process_model = %s', (model) => {
  let cluster: Cluster;
  const clients: WireClient[] = [];
  const session = async (parameters: Readonly<Record<string, string>> = {}): Promise<WireClient> => {
    const client = await WireClient.session(cluster.port, parameters);
    clients.push(client);
    return client;
  };
  beforeAll(async () => {
    cluster = await Cluster.create({ model, conf: ['log_min_messages = log'] });
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
  });
  afterAll(() => cluster.destroy());

  describe.each(LONG)('%s', (sql) => {
    test('is canceled by pg_cancel_backend, and the session goes on', async () => {
      const [victim, other] = [await session(), await session()];
      const from = await startQuery(cluster, victim, sql);
      expect(await scalar(other, `select pg_cancel_backend(${victim.backendKey().pid})`)).toBe('t');
      await victim.until('Z', from);
      expect(victim.error(from)).toMatchObject(CANCELED);
      expect(await scalar(victim, 'select 42')).toBe('42');
    });

    test('is canceled by a CancelRequest, which itself is answered by nothing but the close', async () => {
      const victim = await session();
      const from = await startQuery(cluster, victim, sql);
      const { pid, key } = victim.backendKey();
      const canceler = new WireClient(cluster.port);
      clients.push(canceler);
      canceler.send(cancelPacket(pid, key));
      await canceler.ended();
      expect(canceler.raw.length).toBe(0);
      await victim.until('Z', from);
      expect(victim.error(from)).toMatchObject(CANCELED);
      expect(await scalar(victim, 'select 42')).toBe('42');
    });

    test('a wrong cancel key is logged and harmless', async () => {
      const victim = await session();
      const from = await startQuery(cluster, victim, sql);
      const { pid, key } = victim.backendKey();
      for (const [asked, wrong, line] of [
        [pid, key ^ 1, `LOG:  wrong key in cancel request for process ${pid}`],
        [1, key, 'LOG:  PID 1 in cancel request did not match any process'],
      ] as const) {
        const canceler = new WireClient(cluster.port);
        clients.push(canceler);
        canceler.send(cancelPacket(asked, wrong));
        await canceler.ended();
        await waitFor(
          line,
          () => cluster.log.includes(line),
          10,
          () => cluster.log,
        );
      }
      expect(titleOf(pid)).toMatch(/ SELECT$/);
      expect(victim.messages.length).toBe(from);
      process.kill(pid, 'SIGINT');
      await victim.until('Z', from);
      expect(victim.error(from)).toMatchObject(CANCELED);
    });

    test('is ended by pg_terminate_backend with 57P01', async () => {
      const [victim, other] = [await session(), await session()];
      const from = await startQuery(cluster, victim, sql);
      // With a timeout the function itself waits for the process to be gone.
      expect(await scalar(other, `select pg_terminate_backend(${victim.backendKey().pid}, 20000)`)).toBe('t');
      await victim.ended();
      expect(victim.error(from)).toMatchObject({
        S: 'FATAL',
        C: '57P01',
        M: 'terminating connection due to administrator command',
      });
      expect(titleOf(victim.backendKey().pid)).toBe('');
    });

    test('is ended by statement_timeout, and the session goes on', async () => {
      const victim = await session({ options: '-c statement_timeout=150' });
      expect(await errorOf(victim, sql)).toMatchObject({
        C: '57014',
        M: 'canceling statement due to statement timeout',
      });
      expect(await scalar(victim, 'select 42')).toBe('42');
    });

    test('is given up when the client has vanished, by client_connection_check_interval', async () => {
      const victim = await session({ options: '-c client_connection_check_interval=100' });
      await startQuery(cluster, victim, sql);
      const { pid } = victim.backendKey();
      victim.close();
      await waitFor(
        'the process to end',
        () => titleOf(pid) === '',
        20,
        () => cluster.log,
      );
      await waitFor(
        'the log line',
        () => cluster.log.includes('connection to client lost'),
        10,
        () => cluster.log,
      );
    });
  });

  test('an unknown or foreign pid is a warning, not an error', async () => {
    const client = await session();
    for (const name of ['pg_cancel_backend', 'pg_terminate_backend']) {
      expect(await scalar(client, `select ${name}(1)`)).toBe('f');
      expect(client.notices().at(-1)).toMatchObject({
        S: 'WARNING',
        C: '01000',
        M: 'PID 1 is not a PostgreSQL backend process',
      });
    }
  });

  test('an ordinary role may not cancel or end a superuser’s session', async () => {
    const [victim, other] = [await session(), await session()];
    await rows(other, 'set role pg_signal_backend');
    const { pid } = victim.backendKey();
    expect(await errorOf(other, `select pg_cancel_backend(${pid})`)).toMatchObject({
      C: '42501',
      M: 'must be a superuser to cancel superuser query',
    });
    expect(await errorOf(other, `select pg_terminate_backend(${pid})`)).toMatchObject({
      C: '42501',
      M: 'must be a superuser to terminate superuser process',
    });
    expect(await scalar(victim, 'select 42')).toBe('42');
  });

  test('a cancel between statements does nothing', async () => {
    const [victim, other] = [await session(), await session()];
    expect(await scalar(other, `select pg_cancel_backend(${victim.backendKey().pid})`)).toBe('t');
    expect(await scalar(victim, 'select 42')).toBe('42');
    expect(victim.error()).toBeUndefined();
  });

  test('a canceled statement aborts its transaction block, and rollback heals it', async () => {
    const [victim, other] = [await session(), await session()];
    await rows(victim, 'begin');
    const from = await startQuery(cluster, victim, LONG[1]);
    await rows(other, `select pg_cancel_backend(${victim.backendKey().pid})`);
    const answer = await victim.until('Z', from);
    expect(answer.at(-1)!.body.toString()).toBe('E');
    expect(await errorOf(victim, 'select 1')).toMatchObject({
      C: '25P02',
      M: 'current transaction is aborted, commands ignored until end of transaction block',
    });
    await rows(victim, 'rollback');
    expect(await scalar(victim, 'select 42')).toBe('42');
  });

  test.each([
    ['idle_session_timeout', '', '57P05', 'terminating connection due to idle-session timeout'],
    [
      'idle_in_transaction_session_timeout',
      'begin',
      '25P03',
      'terminating connection due to idle-in-transaction timeout',
    ],
  ])('%s ends the session', async (name, first, code, text) => {
    const victim = await session();
    const { pid } = victim.backendKey();
    if (first !== '') await rows(victim, first);
    await rows(victim, `set ${name} = 100`);
    await victim.ended();
    expect(victim.error()).toMatchObject({ S: 'FATAL', C: code, M: text });
    await waitFor('the process to end', () => titleOf(pid) === '');
  });

  test('statement_timeout of zero and a quick statement leave no timer behind', async () => {
    const client = await session();
    await rows(client, 'set statement_timeout = 200');
    expect(await scalar(client, 'select 42')).toBe('42');
    await rows(client, 'set statement_timeout = 0');
    expect(await scalar(client, 'select pg_sleep(0.4)')).toBe('');
    expect(client.error()).toBeUndefined();
  });

  test('a session whose client leaves is over, with and without Terminate', async () => {
    for (const polite of [true, false]) {
      const client = await session();
      const { pid } = client.backendKey();
      if (polite) client.send(Buffer.from([0x58, 0, 0, 0, 4]));
      else client.close();
      await waitFor('the process to end', () => titleOf(pid) === '');
    }
    expect(cluster.log).not.toMatch(/terminated by signal/);
  });
});
