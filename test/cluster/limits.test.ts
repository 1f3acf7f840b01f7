/** No more connections than agreed: who is refused with which words, and that a stampede leaves nothing behind. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Cluster, PROCESS_MODELS, waitFor } from '../support/cluster.ts';
import { scalar } from '../support/session.ts';
import { startupPacket, WireClient } from '../support/wire.ts';

const MAX = 12;
const RESERVED = 3;
/** A spawned process takes a third of a second of one core to start, a forked one some milliseconds. */
const STAMPEDE = { fork: 200, spawn: 20 } as const;

describe.each(PROCESS_MODELS)('process_model = %s', (model) => {
  let cluster: Cluster;
  const clients: WireClient[] = [];
  const session = async (user = 'postgres'): Promise<WireClient> => {
    const client = await WireClient.session(cluster.port, { user });
    clients.push(client);
    return client;
  };
  /** The error of a connection that is refused. */
  const refusal = async (user: string): Promise<Record<string, string> | undefined> => {
    const client = new WireClient(cluster.port);
    clients.push(client);
    client.send(startupPacket({ user, database: 'postgres' }));
    await client.ended();
    return client.error();
  };
  const sessions = (): number =>
    cluster.children().filter((child) => /^postgres: \w+ postgres 127/.test(child.title)).length;

  beforeAll(async () => {
    cluster = await Cluster.create({
      model,
      conf: [`max_connections = ${MAX}`, `superuser_reserved_connections = ${RESERVED}`],
    });
    cluster.psql('create role alice login; create user bob connection limit 2; create role carl');
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await waitFor('all sessions to end', () => sessions() === 0);
  });
  afterAll(() => cluster.destroy());

  test('the last slots are for superusers, then nobody gets one', async () => {
    for (let i = 0; i < MAX - RESERVED; i++) await session('alice');
    expect(await refusal('alice')).toMatchObject({
      S: 'FATAL',
      C: '53300',
      M: 'remaining connection slots are reserved for non-replication superuser connections',
    });
    for (let i = 0; i < RESERVED; i++) await session();
    for (const user of ['postgres', 'alice'])
      expect(await refusal(user)).toMatchObject({ S: 'FATAL', C: '53300', M: 'sorry, too many clients already' });
  });

  test('a slot that became free can be had again', async () => {
    const all = [];
    for (let i = 0; i < MAX; i++) all.push(await session());
    expect(await refusal('postgres')).toMatchObject({ C: '53300' });
    all[3]!.close();
    await waitFor('the session to end', () => sessions() < MAX);
    expect(await scalar(await session(), 'select 42')).toBe('42');
  });

  test(`${STAMPEDE[model]} connections beyond the limit leave the server serving and no process behind`, async () => {
    for (let i = 0; i < MAX; i++) await session();
    const before = cluster.children().length;
    const refused = Array.from({ length: STAMPEDE[model] }, () => new WireClient(cluster.port));
    clients.push(...refused);
    for (const client of refused) client.send(startupPacket({ user: 'postgres', database: 'postgres' }));
    await waitFor('everybody to be refused', () => refused.every((client) => client.closed), 90);
    for (const client of refused)
      expect(client.error()).toMatchObject({ C: '53300', M: 'sorry, too many clients already' });
    await waitFor('no process behind', () => cluster.children().length <= before);
    expect(await scalar(clients[0]!, 'select 42')).toBe('42');
    clients.shift()!.close();
    await waitFor('a free slot', () => sessions() < MAX);
    expect(await scalar(await session(), 'select 42')).toBe('42');
    expect(cluster.log).not.toMatch(/terminated by signal|PANIC/);
  });

  test('a role’s own connection limit, and one that may not log in', async () => {
    await session('bob');
    await session('bob');
    expect(await refusal('bob')).toMatchObject({ S: 'FATAL', C: '53300', M: 'too many connections for role "bob"' });
    expect(await refusal('carl')).toMatchObject({ C: '28000', M: 'role "carl" is not permitted to log in' });
    expect(await refusal('nobody')).toMatchObject({ C: '28000', M: 'role "nobody" does not exist' });
  });
});
