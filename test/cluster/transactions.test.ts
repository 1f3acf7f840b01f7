/** Transactions of a whole server: ids, snapshots that travel, prepared transactions and a crash; in both process models. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Cluster, PROCESS_MODELS, waitFor } from '../support/cluster.ts';
import { errorOf, rows, scalar } from '../support/session.ts';
import { WireClient } from '../support/wire.ts';

describe.each(PROCESS_MODELS)('process_model = %s', (model) => {
  let cluster: Cluster;
  let clients: WireClient[] = [];
  const open = async (count: number): Promise<WireClient[]> => {
    const opened = await Promise.all(Array.from({ length: count }, () => WireClient.session(cluster.port)));
    clients.push(...opened);
    return opened;
  };
  beforeAll(async () => {
    cluster = await Cluster.create({
      model,
      conf: ['max_prepared_transactions = 3', 'track_commit_timestamp = on'],
    });
  });
  afterEach(() => {
    for (const client of clients) client.close();
    clients = [];
    cluster.clearLog();
  });
  afterAll(() => cluster.destroy());

  test('who only reads gets no xid; who asks for one has it to the end', async () => {
    const [one] = await open(1);
    expect(await scalar(one!, 'select pg_current_xact_id_if_assigned()')).toBeNull();
    const before = Number(await scalar(one!, 'select txid_current()'));
    expect(Number(await scalar(one!, 'select txid_current()'))).toBe(before + 1);
    await rows(one!, 'begin');
    const xid = await scalar(one!, 'select pg_current_xact_id()');
    await rows(one!, 'savepoint a');
    expect(await scalar(one!, 'select pg_current_xact_id()')).toBe(xid);
    expect(await scalar(one!, `select pg_xact_status('${xid}')`)).toBe('in progress');
    await rows(one!, 'commit');
    expect(await scalar(one!, `select pg_xact_status('${xid}')`)).toBe('committed');
    expect(await scalar(one!, `select pg_xact_commit_timestamp('${xid}'::xid) is not null`)).toBe('t');
    expect(await scalar(one!, 'select xid::text from pg_last_committed_xact()')).toBe(xid);
    await rows(one!, 'begin');
    const aborted = await scalar(one!, 'select pg_current_xact_id()');
    await rows(one!, 'rollback');
    expect(await scalar(one!, `select pg_xact_status('${aborted}')`)).toBe('aborted');
  });

  test('a snapshot is taken over by another session while its owner lives', async () => {
    const [owner, taker, writer] = await open(3);
    await rows(owner!, 'begin isolation level repeatable read');
    const seen = await scalar(owner!, 'select pg_current_snapshot()');
    const id = await scalar(owner!, 'select pg_export_snapshot()');
    await rows(writer!, 'select txid_current()');
    await rows(taker!, 'begin isolation level repeatable read');
    await rows(taker!, `set transaction snapshot '${id}'`);
    expect(await scalar(taker!, 'select pg_current_snapshot()')).toBe(seen);
    await rows(taker!, 'commit');
    await rows(owner!, 'commit');
    await rows(taker!, 'begin isolation level repeatable read');
    expect(await errorOf(taker!, `set transaction snapshot '${id}'`)).toMatchObject({
      C: '22023',
      M: `invalid snapshot identifier: "${id}"`,
    });
  });

  test('a prepared transaction outlives a crash with its lock', async () => {
    const [one] = await open(1);
    await rows(one!, 'begin');
    const xid = await scalar(one!, 'select pg_current_xact_id()');
    await rows(one!, 'select pg_advisory_xact_lock(42)');
    await rows(one!, "prepare transaction 'kept'");
    expect(await rows(one!, 'select gid, transaction::text from pg_prepared_xacts')).toEqual([['kept', xid]]);
    const lost = await scalar(one!, 'select txid_current()');
    const pid = cluster.childPid('walwriter')!;
    process.kill(pid, 'SIGKILL');
    await waitFor(
      'recovery',
      () => /redo done[\s\S]*ready to accept connections/.test(cluster.log),
      20,
      () => cluster.log,
    );
    expect(cluster.log).toContain(`recovering prepared transaction ${xid} from shared memory`);
    const [again] = await open(1);
    expect(await rows(again!, 'select gid, transaction::text from pg_prepared_xacts')).toEqual([['kept', xid]]);
    expect(await scalar(again!, `select pg_xact_status('${lost}')`)).toBe('committed');
    expect(await scalar(again!, `select pg_xact_status('${xid}')`)).toBe('in progress');
    expect(await scalar(again!, 'select pg_try_advisory_xact_lock(42)')).toBe('f');
    await rows(again!, "commit prepared 'kept'");
    expect(await scalar(again!, 'select pg_try_advisory_xact_lock(42)')).toBe('t');
    expect(await scalar(again!, `select pg_xact_status('${xid}')`)).toBe('committed');
    expect(Number(await scalar(again!, 'select txid_current()'))).toBeGreaterThan(Number(lost));
  });

  test('what PREPARE and its kin refuse', async () => {
    const [one] = await open(1);
    expect(await errorOf(one!, "commit prepared 'none'")).toMatchObject({
      C: '42704',
      M: 'prepared transaction with identifier "none" does not exist',
    });
    await rows(one!, 'begin');
    expect(await errorOf(one!, "rollback prepared 'none'")).toMatchObject({ C: '25001' });
    await rows(one!, 'rollback');
    await rows(one!, 'begin');
    await rows(one!, 'select pg_export_snapshot()');
    expect(await errorOf(one!, "prepare transaction 'x'")).toMatchObject({
      C: '0A000',
      M: 'cannot PREPARE a transaction that has exported snapshots',
    });
    expect(await scalar(one!, 'select count(*) from pg_prepared_xacts')).toBe('0');
  });
});
