/** Background workers written against the extension interface: the two examples, through their whole life. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Cluster, isAlive, packageRoot, PROCESS_MODELS, waitFor } from '../support/cluster.ts';
import { rows } from '../support/session.ts';
import { WireClient } from '../support/wire.ts';

const MY_WORKER = join(packageRoot, 'test/examples/my_worker.ts');
const ASYNC_WORKER = join(packageRoot, 'test/examples/async_worker.ts');
const PERIODIC = 'my_custom_worker';

describe.each(PROCESS_MODELS)('process_model = %s', (model) => {
  let cluster: Cluster;
  let base: string;
  let conf: string;
  const pidOf = (title: string): number | undefined => cluster.childPid(title);
  const logged = (text: string | RegExp): Promise<true> =>
    waitFor(
      `the log to say ${text}`,
      () => (typeof text === 'string' ? cluster.log.includes(text) : text.test(cluster.log)) || undefined,
      20,
      () => cluster.log,
    );
  /** Starts anew with these lines on top of the common ones. */
  async function restart(...lines: readonly string[]): Promise<void> {
    await cluster.stop();
    cluster.clearLog();
    writeFileSync(conf, base);
    cluster.configure(lines);
    await cluster.start();
  }
  async function reload(...lines: readonly string[]): Promise<void> {
    cluster.configure(lines);
    const client = await WireClient.session(cluster.port);
    await rows(client, 'select pg_reload_conf()');
    client.close();
  }
  beforeAll(async () => {
    cluster = await Cluster.create({ model, start: false });
    conf = join(cluster.dataDirectory, 'postgresql.conf');
    base = readFileSync(conf, 'utf8');
  });
  afterEach(() => {
    if (cluster.log.includes('PANIC')) throw new Error(cluster.log);
  });
  afterAll(() => cluster.destroy());

  test('is in pg_stat_activity under its own type, and waits there in its own way', async () => {
    await restart(`shared_preload_libraries = '${MY_WORKER}'`);
    await logged(`background worker "${PERIODIC}" started`);
    const client = await WireClient.session(cluster.port);
    const seen = await waitFor('the worker to wait', async () => {
      const [row] = await rows(
        client,
        `select pid, backend_type, datname, wait_event_type from pg_stat_activity where backend_type = '${PERIODIC}'`,
      );
      return row !== undefined && row[3] !== null ? row : undefined;
    });
    expect(seen).toEqual([String(pidOf(PERIODIC)), PERIODIC, 'postgres', 'Extension']);
    client.close();
  });

  test('reloads at SIGHUP, and a changed naptime takes effect', async () => {
    await restart(`shared_preload_libraries = '${MY_WORKER}'`, 'my_worker.naptime = 3600');
    await logged(`background worker "${PERIODIC}" started`);
    await reload('my_worker.naptime = 1', 'my_worker.max_items = 7');
    await logged('background worker reloaded configuration');
    await logged('scheduled task: run 2, at most 7 items');
  });

  test('a dynamic worker is launched, runs and ends', async () => {
    await restart(`shared_preload_libraries = '${MY_WORKER}'`);
    await logged(`background worker "${PERIODIC}" started`);
    await reload('my_worker.launch_task = 5');
    await logged(/dynamic worker started with PID \d+|dynamic worker is stopped/);
    await logged('dynamic worker processed task 5, total 1');
    await logged('dynamic worker for task 5 has stopped');
    await reload('my_worker.launch_task = 6');
    await logged('dynamic worker for task 6 has stopped');
    expect(cluster.log).toContain('dynamic worker processed task 6, total 2');
  });

  test('a failed run ends with exit code 1 and is restarted after restart_time', async () => {
    await restart(
      `shared_preload_libraries = '${MY_WORKER}'`,
      'my_worker.naptime = 1',
      'my_worker.fail_at = 1',
      'my_worker.restart_time = 1',
    );
    await logged('ERROR:  scheduled task failed in run 1');
    await logged(/LOG: {2}background worker "my_custom_worker" \(PID \d+\) exited with exit code 1/);
    // Shared memory survived, so it goes on counting.
    await logged('scheduled task: run 2, at most 100 items');
    expect(cluster.log).not.toContain('terminating any other active server processes');
  });

  test('one that is never to be restarted is forgotten', async () => {
    await restart(
      `shared_preload_libraries = '${MY_WORKER}'`,
      'my_worker.naptime = 1',
      'my_worker.fail_at = 1',
      'my_worker.restart_time = -1',
      'log_min_messages = debug1',
    );
    await logged(/background worker "my_custom_worker" \(PID \d+\) exited with exit code 1/);
    await logged(`unregistering background worker "${PERIODIC}"`);
    expect(pidOf(PERIODIC)).toBeUndefined();
  });

  test('SIGKILL of the worker restarts everybody, it included, with fresh shared memory', async () => {
    await restart(`shared_preload_libraries = '${MY_WORKER}'`, 'my_worker.naptime = 1', 'my_worker.restart_time = 1');
    await logged('scheduled task: run 1');
    const [victim, other] = [pidOf(PERIODIC)!, pidOf('checkpointer')!];
    cluster.clearLog();
    process.kill(victim, 'SIGKILL');
    await logged(`background worker "${PERIODIC}" (PID ${victim}) was terminated by signal 9: Killed`);
    await logged('all server processes terminated; reinitializing');
    await logged(`background worker "${PERIODIC}" started`);
    await logged('scheduled task: run 1,');
    expect(isAlive(other)).toBe(false);
  });

  test('shutdown lets it leave in its own words', async () => {
    await restart(`shared_preload_libraries = '${MY_WORKER}'`);
    await logged(`background worker "${PERIODIC}" started`);
    const pid = pidOf(PERIODIC)!;
    expect(await cluster.stop('SIGINT')).toBe(0);
    expect(isAlive(pid)).toBe(false);
    await logged(`background worker "${PERIODIC}" shutting down`);
    await logged('database system is shut down');
  });

  test('an async worker awaits between its latch and its signals', async () => {
    await restart(`shared_preload_libraries = '${ASYNC_WORKER}'`);
    await logged('async worker started');
    await reload();
    await logged('async worker reloaded configuration and awaited 42');
    const pid = pidOf('async_worker')!;
    process.kill(pid, 'SIGTERM');
    await logged('async worker shutting down');
    await waitFor('the worker to end', () => !isAlive(pid));
    const client = await WireClient.session(cluster.port);
    client.close();
    expect(await cluster.stop('SIGINT')).toBe(0);
  });

  test('more workers than max_worker_processes are refused at registration', async () => {
    await restart(`shared_preload_libraries = '${MY_WORKER}, ${ASYNC_WORKER}'`, 'max_worker_processes = 1');
    await logged('LOG:  too many background workers');
    await logged('DETAIL:  Up to 1 background worker can be registered with the current settings.');
    await logged('HINT:  Consider increasing the configuration parameter "max_worker_processes".');
    expect(await cluster.stop('SIGINT')).toBe(0);
  });
});
