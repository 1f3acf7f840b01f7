/** Heavyweight locks as sessions meet them: LOCK TABLE, advisory locks, deadlocks, pg_locks, prepared transactions; in
 *  both process models. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Cluster, PROCESS_MODELS, waitFor } from '../support/cluster.ts';
import { errorOf, rows, rowsOf, scalar, titleOf } from '../support/session.ts';
import { errorFields, message, text, WireClient } from '../support/wire.ts';

describe.each(PROCESS_MODELS)('process_model = %s', (model) => {
  let cluster: Cluster;
  let clients: WireClient[] = [];
  const open = async (count: number): Promise<WireClient[]> => {
    const opened = await Promise.all(Array.from({ length: count }, () => WireClient.session(cluster.port)));
    clients.push(...opened);
    return opened;
  };
  const pidOf = (client: WireClient): number => client.backendKey().pid;
  /** Sends a statement that has to wait for a lock; resolves when it does. */
  const startWaiting = async (watcher: WireClient, client: WireClient, sql: string): Promise<number> => {
    const from = client.messages.length;
    client.send(message('Q', text(sql)));
    const question = `select count(*) from pg_locks where pid = ${pidOf(client)} and not granted`;
    await waitFor(`"${sql}" to wait`, async () => (await scalar(watcher, question)) === '1');
    return from;
  };
  const answer = async (client: WireClient, from: number) => {
    const got = await client.until('Z', from);
    const failed = got.find((one) => one.type === 'E');
    return { rows: rowsOf(got), error: failed === undefined ? undefined : errorFields(failed.body) };
  };

  beforeAll(async () => {
    cluster = await Cluster.create({
      model,
      conf: ['max_prepared_transactions = 3', 'log_lock_waits = on', 'deadlock_timeout = 100ms'],
    });
  });
  afterEach(async () => {
    const pids = clients.map(pidOf);
    for (const client of clients) client.close();
    clients = [];
    await waitFor('the sessions to end', () => pids.every((pid) => titleOf(pid) === ''));
    cluster.clearLog();
  });
  afterAll(() => cluster.destroy());

  test('a waiter shows what it waits for, for whom, and since when', async () => {
    const [holder, waiter, watcher] = await open(3);
    await rows(holder!, 'begin');
    await rows(holder!, 'lock table pg_description in share mode');
    await rows(waiter!, 'begin');
    const from = await startWaiting(watcher!, waiter!, 'lock table pg_description in row exclusive mode');
    expect(
      await rows(
        watcher!,
        `select wait_event_type, wait_event, pg_blocking_pids(pid) from pg_stat_activity where pid = ${pidOf(waiter!)}`,
      ),
    ).toEqual([['Lock', 'relation', `{${pidOf(holder!)}}`]]);
    expect(titleOf(pidOf(waiter!))).toMatch(/ LOCK TABLE waiting$/);
    expect(
      await rows(
        watcher!,
        `select locktype, database = 5, mode, granted, fastpath, waitstart <= now() from pg_locks
         where relation = 'pg_description'::regclass order by granted`,
      ),
    ).toEqual([
      ['relation', 't', 'RowExclusiveLock', 'f', 'f', 't'],
      ['relation', 't', 'ShareLock', 't', 'f', null],
    ]);
    await rows(holder!, 'commit');
    expect((await answer(waiter!, from)).error).toBeUndefined();
    expect(titleOf(pidOf(waiter!))).not.toMatch(/waiting/);
  });

  test('a deadlock ends one of the two, and the log tells the whole story', async () => {
    const [one, other, watcher] = await open(3);
    for (const [client, table] of [
      [one!, 'pg_description'],
      [other!, 'pg_shdescription'],
    ] as const) {
      await rows(client, 'begin');
      await rows(client, `lock table ${table} in exclusive mode`);
    }
    const from = await startWaiting(watcher!, one!, 'lock table pg_shdescription in share mode');
    const otherFrom = other!.messages.length;
    other!.send(message('Q', text('lock table pg_description in share mode')));
    const ends = await Promise.all([answer(one!, from), answer(other!, otherFrom)]);
    const failed = ends.map((end) => end.error).filter((error) => error !== undefined);
    expect(failed).toHaveLength(1);
    const [p, q] = [pidOf(one!), pidOf(other!)];
    const waits = [
      `Process ${p} waits for ShareLock on relation 2396 of database 0; blocked by process ${q}.`,
      `Process ${q} waits for ShareLock on relation 2609 of database 5; blocked by process ${p}.`,
    ];
    if (ends[1]!.error !== undefined) waits.reverse();
    expect(failed[0]).toMatchObject({
      S: 'ERROR',
      C: '40P01',
      M: 'deadlock detected',
      D: waits.join('\n'),
      H: 'See server log for query details.',
    });
    await waitFor('the log', () => cluster.log.includes('ERROR:  deadlock detected'));
    expect(cluster.log).toContain(`Process ${p}: lock table pg_shdescription in share mode`);
    expect(cluster.log).toContain(`Process ${q}: lock table pg_description in share mode`);
    expect(cluster.log).toMatch(
      /process \d+ detected deadlock while waiting for ShareLock on relation \d+ of database/,
    );
    expect(cluster.log).toMatch(/DETAIL: {2}Process holding the lock: \d+\. Wait queue: \./);
  });

  test('cancel, lock_timeout and NOWAIT end a wait, each with its own error', async () => {
    const [holder, waiter, watcher] = await open(3);
    await rows(holder!, 'begin');
    await rows(holder!, 'lock table pg_description');
    await rows(waiter!, 'begin');
    const from = await startWaiting(watcher!, waiter!, 'lock table pg_description in access share mode');
    expect(await scalar(watcher!, `select pg_cancel_backend(${pidOf(waiter!)})`)).toBe('t');
    expect((await answer(waiter!, from)).error).toMatchObject({
      C: '57014',
      M: 'canceling statement due to user request',
    });
    await rows(waiter!, 'rollback');
    await rows(waiter!, "set lock_timeout = '20ms'");
    await rows(waiter!, 'begin');
    expect(await errorOf(waiter!, 'lock table pg_description in access share mode')).toMatchObject({
      C: '55P03',
      M: 'canceling statement due to lock timeout',
    });
    await rows(waiter!, 'rollback');
    await rows(waiter!, 'begin');
    expect(await errorOf(waiter!, 'lock table pg_description in access share mode nowait')).toMatchObject({
      C: '55P03',
      M: 'could not obtain lock on relation "pg_description"',
    });
    expect(await scalar(watcher!, 'select count(*) from pg_locks where not granted')).toBe('0');
  });

  test('LOCK TABLE refuses what PostgreSQL refuses', async () => {
    const [me] = await open(1);
    expect(await errorOf(me!, 'lock table pg_description')).toMatchObject({
      C: '25P01',
      M: 'LOCK TABLE can only be used in transaction blocks',
    });
    await rows(me!, 'begin');
    expect(await errorOf(me!, 'lock table pg_description_o_c_o_index')).toMatchObject({
      C: '42809',
      M: 'cannot lock relation "pg_description_o_c_o_index"',
      D: 'This operation is not supported for indexes.',
    });
    await rows(me!, 'rollback');
    await rows(me!, 'begin');
    expect(await errorOf(me!, 'lock table nowhere')).toMatchObject({
      C: '42P01',
      M: 'relation "nowhere" does not exist',
    });
  });

  test('a query holds its relations until its transaction ends, a savepoint’s rollback gives back its own', async () => {
    const [me] = await open(1);
    const held = async (): Promise<(string | null)[]> =>
      (
        await rows(
          me!,
          `select relation::regclass || ' ' || mode from pg_locks
           where relation in ('pg_description'::regclass, 'pg_am'::regclass) order by 1`,
        )
      ).map(([one]) => one!);
    await rows(me!, 'select count(*) from pg_am');
    expect(await held()).toEqual([]);
    await rows(me!, 'begin');
    await rows(me!, 'select count(*) from pg_am');
    await rows(me!, 'savepoint s');
    await rows(me!, 'lock table pg_description in share mode');
    expect(await held()).toEqual(['pg_am AccessShareLock', 'pg_description ShareLock']);
    await rows(me!, 'rollback to s');
    expect(await held()).toEqual(['pg_am AccessShareLock']);
    await rows(me!, 'commit');
    expect(await held()).toEqual([]);
  });

  test('a statement that is run again takes its locks again', async () => {
    const [me] = await open(1);
    await rows(me!, 'prepare q as select count(*) from pg_am');
    for (let i = 0; i < 3; i++) {
      await rows(me!, 'begin');
      await rows(me!, 'execute q');
      // The same text, so that its plan is used again.
      const text = `select mode from pg_locks where relation = 2601`;
      expect(await rows(me!, text)).toEqual([['AccessShareLock']]);
      expect(
        (await rows(me!, "select relation::regclass from pg_locks where relation = 'pg_locks'::regclass"))[0],
      ).toEqual(['pg_locks']);
      await rows(me!, 'commit');
    }
  });

  test('advisory locks: of the session and of the transaction, one key or two, counted', async () => {
    const [one, other] = await open(2);
    await rows(
      one!,
      'select pg_advisory_lock(4294967297), pg_advisory_lock(4294967297), pg_advisory_lock_shared(1, 2)',
    );
    expect(
      await rows(one!, `select classid, objid, objsubid, mode from pg_locks where locktype = 'advisory' order by 3`),
    ).toEqual([
      ['1', '1', '1', 'ExclusiveLock'],
      ['1', '2', '2', 'ShareLock'],
    ]);
    expect(
      await rows(
        other!,
        'select pg_try_advisory_lock(4294967297), pg_try_advisory_lock(1, 1), pg_try_advisory_lock_shared(1, 2), pg_try_advisory_lock(1, 2)',
      ),
    ).toEqual([['f', 't', 't', 'f']]);
    await rows(one!, 'begin');
    await rows(one!, 'select pg_advisory_xact_lock(-5)');
    await rows(one!, 'rollback');
    expect(await rows(other!, 'select pg_try_advisory_xact_lock(-5), pg_try_advisory_lock(4294967297)')).toEqual([
      ['t', 'f'],
    ]);
    expect(await rows(one!, 'select pg_advisory_unlock(4294967297), pg_advisory_unlock(4294967297)')).toEqual([
      ['t', 't'],
    ]);
    const from = one!.messages.length;
    expect(await scalar(one!, 'select pg_advisory_unlock(4294967297)')).toBe('f');
    expect(
      one!.messages
        .slice(from)
        .filter((each) => each.type === 'N')
        .map((each) => errorFields(each.body)['M']),
    ).toEqual(["you don't own a lock of type ExclusiveLock"]);
    expect(await scalar(other!, 'select pg_try_advisory_lock(4294967297)')).toBe('t');
    await rows(other!, 'discard all');
    expect(
      await scalar(other!, `select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()`),
    ).toBe('0');
  });

  test('a session that dies gives everything back', async () => {
    const [victim, other] = await open(2);
    await rows(victim!, 'select pg_advisory_lock(9)');
    await rows(victim!, 'begin');
    await rows(victim!, 'lock table pg_description');
    const from = await startWaiting(victim!, other!, 'select pg_advisory_lock(9)');
    process.kill(pidOf(victim!), 'SIGTERM');
    expect((await answer(other!, from)).error).toBeUndefined();
    await rows(other!, 'begin');
    expect(await errorOf(other!, 'lock table pg_description nowait')).toEqual({});
  });

  test('locks of a prepared transaction outlive its session and a crash', async () => {
    let [me] = await open(1);
    await rows(me!, 'begin');
    await rows(me!, 'lock table pg_description in share row exclusive mode');
    await rows(me!, 'select count(*) from pg_am');
    await rows(me!, 'select pg_advisory_xact_lock(123)');
    await rows(me!, "prepare transaction 'kept'");
    const question = `select locktype, relation, objid, mode, virtualtransaction like '%/%' from pg_locks where pid is null order by 1, 2`;
    const kept = [
      ['advisory', null, '123', 'ExclusiveLock', 't'],
      ['relation', '2601', null, 'AccessShareLock', 't'],
      ['relation', '2609', null, 'ShareRowExclusiveLock', 't'],
      // Planning looks at the indexes of what it scans.
      ['relation', '2651', null, 'AccessShareLock', 't'],
      ['relation', '2652', null, 'AccessShareLock', 't'],
      ['transactionid', null, null, 'ExclusiveLock', 't'],
    ];
    expect(await rows(me!, question)).toEqual(kept);
    process.kill(pidOf(me!), 'SIGKILL');
    await waitFor('the crash cycle', () => /all server processes terminated; reinitializing/.test(cluster.log));
    await waitFor('the server to accept connections', async () => {
      [me] = await open(1);
      return true;
    });
    expect(await rows(me!, question)).toEqual(kept);
    await rows(me!, 'begin');
    expect(await errorOf(me!, 'lock table pg_description in row exclusive mode nowait')).toMatchObject({ C: '55P03' });
    await rows(me!, 'rollback');
    await rows(me!, "rollback prepared 'kept'");
    expect(await rows(me!, question)).toEqual([]);
    expect(await scalar(me!, 'select pg_try_advisory_lock(123)')).toBe('t');
  });
});
