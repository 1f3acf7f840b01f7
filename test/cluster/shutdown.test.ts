/** The three ways to stop, with sessions open: who goes in which order, what clients and log are told, what is left. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Cluster, isAlive, PROCESS_MODELS, waitFor } from '../support/cluster.ts';
import { rows, scalar, startQuery } from '../support/session.ts';
import { startupPacket, WireClient } from '../support/wire.ts';

/** Severity and message of every line of the log, without its time, in order. */
const messagesOf = (log: string): string[] =>
  [...log.matchAll(/^\d{4}-.*?\[\d+\] ([A-Z]+): {2}(.*)$/gm)].map((found) => `${found[1]}: ${found[2]}`);
/** Those of `wanted` that the log has, in the order of the log. */
const ordered = (log: string, wanted: readonly RegExp[]): number[] => {
  const lines = messagesOf(log);
  return wanted.map((one) => lines.findIndex((line) => one.test(line)));
};
const isSorted = (numbers: readonly number[]): boolean =>
  numbers.every((one, i) => one >= 0 && (i === 0 || one > numbers[i - 1]!));
const sharedMemoryFiles = (): string[] => readdirSync('/dev/shm').sort();

describe.each(PROCESS_MODELS)('process_model = %s', (model) => {
  let cluster: Cluster;
  let clients: WireClient[] = [];
  let family: number[] = [];
  let shmBefore: string[] = [];
  const session = async (): Promise<WireClient> => {
    const client = await WireClient.session(cluster.port);
    clients.push(client);
    return client;
  };
  beforeAll(async () => {
    cluster = await Cluster.create({
      model,
      start: false,
      conf: ['archive_mode = on', "archive_command = 'true'", 'summarize_wal = on'],
    });
  });
  beforeEach(async () => {
    cluster.clearLog();
    shmBefore = sharedMemoryFiles();
    await cluster.start();
  });
  afterEach(async () => {
    for (const client of clients) client.close();
    clients = [];
    await cluster.stop('SIGQUIT');
  });
  afterAll(() => cluster.destroy());

  const rememberFamily = (): void => {
    family = cluster.children().map((child) => child.pid);
  };
  function expectNothingLeft(): void {
    for (const pid of [cluster.pid, ...family]) expect(isAlive(pid)).toBe(false);
    expect(readdirSync(cluster.folder)).toEqual(['data']);
    expect(existsSync(join(cluster.dataDirectory, 'postmaster.pid'))).toBe(false);
    for (const name of sharedMemoryFiles()) expect(shmBefore).toContain(name);
  }

  test('fast: sessions get 57P01, the checkpoint is last, exit code 0', async () => {
    const [idle, inBlock, busy, sleeping] = [await session(), await session(), await session(), await session()];
    await rows(inBlock!, 'begin');
    await startQuery(cluster, busy!, 'select count(*) from generate_series(1,1e12::bigint)');
    await startQuery(cluster, sleeping!, 'select pg_sleep(1000)');
    rememberFamily();
    expect(await cluster.stop('SIGINT')).toBe(0);
    for (const client of [idle, inBlock, busy, sleeping]) {
      await client!.ended();
      expect(client!.error()).toMatchObject({
        S: 'FATAL',
        C: '57P01',
        M: 'terminating connection due to administrator command',
      });
    }
    const order = ordered(cluster.log, [
      /^LOG: received fast shutdown request$/,
      /^LOG: aborting any active transactions$/,
      /^FATAL: terminating connection due to administrator command$/,
      /^LOG: shutting down$/,
      /^LOG: database system is shut down$/,
    ]);
    expect(order, cluster.log).toSatisfy(isSorted);
    expect(cluster.log).toContain('background worker "logical replication launcher" (PID');
    expectNothingLeft();
  });

  test('smart: waits for the clients, refuses new ones, and then ends by itself', async () => {
    const [first, second] = [await session(), await session()];
    rememberFamily();
    cluster.child!.kill('SIGTERM');
    await waitFor('the request to be taken', () => cluster.log.includes('received smart shutdown request'));
    expect(cluster.status()).toBe('stopping');
    const late = new WireClient(cluster.port);
    clients.push(late);
    late.send(startupPacket({ user: 'postgres', database: 'postgres' }));
    await late.ended();
    expect(late.error()).toMatchObject({ S: 'FATAL', C: '57P03', M: 'the database system is shutting down' });
    expect(await scalar(first!, 'select 42')).toBe('42');
    first!.close();
    await waitFor('the first to be gone', () => !isAlive(first!.backendKey().pid));
    expect(await scalar(second!, 'select 42')).toBe('42');
    expect(cluster.log).not.toMatch(/LOG: {2}shutting down$/m);
    second!.close();
    const child = cluster.child!;
    await waitFor(
      'the server to end',
      () => child.exitCode !== null,
      20,
      () => cluster.log,
    );
    expect(child.exitCode).toBe(0);
    const order = ordered(cluster.log, [
      /^LOG: received smart shutdown request$/,
      /^FATAL: the database system is shutting down$/,
      /^LOG: shutting down$/,
      /^LOG: database system is shut down$/,
    ]);
    expect(order, cluster.log).toSatisfy(isSorted);
    expectNothingLeft();
  });

  test('a smart shutdown can be made fast, and a fast one is not made smart again', async () => {
    const client = await session();
    rememberFamily();
    cluster.child!.kill('SIGTERM');
    await waitFor('the smart request', () => cluster.log.includes('received smart shutdown request'));
    expect(await cluster.stop('SIGINT')).toBe(0);
    await client.ended();
    expect(client.error()).toMatchObject({ C: '57P01' });
    expectNothingLeft();
  });

  test('immediate: a warning, no checkpoint, and recovery at the next start', async () => {
    const [idle, busy] = [await session(), await session()];
    await startQuery(cluster, busy!, 'select count(*) from generate_series(1,1e12::bigint)');
    rememberFamily();
    expect(await cluster.stop('SIGQUIT')).toBe(0);
    for (const client of [idle, busy]) {
      await client!.ended();
      expect(client!.notices().at(-1)).toMatchObject({
        S: 'WARNING',
        C: '57P01',
        M: 'terminating connection due to immediate shutdown command',
      });
      expect(client!.error()).toBeUndefined();
    }
    expect(cluster.log).toContain('received immediate shutdown request');
    expect(cluster.log).toContain('LOG:  database system is shut down');
    expect(messagesOf(cluster.log)).not.toContain('LOG: shutting down');
    expectNothingLeft();
    cluster.clearLog();
    await cluster.start();
    expect(await scalar(await session(), 'select 42')).toBe('42');
  });

  test('a session that is asked to end while it starts is told so', async () => {
    const half = new WireClient(cluster.port);
    clients.push(half);
    await waitFor('a process for it', () => cluster.children().length > 0);
    rememberFamily();
    expect(await cluster.stop('SIGINT')).toBe(0);
    await half.ended();
    expectNothingLeft();
  });
});
