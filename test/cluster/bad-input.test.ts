/** Whatever comes over the wire, the server answers in PostgreSQL's words or hangs up, and goes on serving. */
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Cluster, PROCESS_MODELS, waitFor } from '../support/cluster.ts';
import { fuzzCases, playCase, serverAnswers } from '../support/fuzz-wire.ts';
import { scalar, titleOf } from '../support/session.ts';
import { message, startupPacket, text, WireClient } from '../support/wire.ts';

/** A spawned process takes a third of a second of one core to start, a forked one some milliseconds. */
const CASES = { fork: 200, spawn: 20 } as const;
const words = (...values: readonly number[]): Buffer => {
  const out = Buffer.alloc(values.length * 4);
  for (const [i, value] of values.entries()) out.writeInt32BE(value, i * 4);
  return out;
};
const PROTOCOL = 196_608;

describe.each(PROCESS_MODELS)('process_model = %s', (model) => {
  let cluster: Cluster;
  const clients: WireClient[] = [];
  const raw = (...parts: readonly Buffer[]): WireClient => {
    const client = new WireClient(cluster.port);
    clients.push(client);
    client.send(...parts);
    return client;
  };
  const session = async (): Promise<WireClient> => {
    const client = await WireClient.session(cluster.port);
    clients.push(client);
    return client;
  };
  beforeAll(async () => {
    cluster = await Cluster.create({ model, conf: ['authentication_timeout = 2s'] });
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
    expect(cluster.log).not.toMatch(/terminated by signal|PANIC/);
  });
  afterAll(() => cluster.destroy());

  test.each([
    ['text of another protocol', Buffer.from('GET / HTTP/1.0\r\n\r\n')],
    ['a length of zero', words(0)],
    ['a length below its own', words(3)],
    ['a negative length', words(-1, PROTOCOL)],
    ['a length beyond the limit', words(10_005, PROTOCOL)],
    ['a length of two gigabytes', words(0x7fffffff, PROTOCOL)],
  ])('startup packet: %s ends the connection without a word', async (_what, bytes) => {
    const client = raw(bytes);
    await client.ended();
    expect(client.raw.length).toBe(0);
    expect(await serverAnswers(cluster.port)).toBe(true);
  });

  test('startup packet: the end in its middle is logged as incomplete', async () => {
    cluster.clearLog();
    const client = raw(words(100, PROTOCOL), Buffer.from('user\0'));
    client.socket.end();
    await client.ended();
    await waitFor('the log line', () => cluster.log.includes('LOG:  incomplete startup packet'));
  });

  test.each([
    ['no terminator', Buffer.concat([words(13, PROTOCOL), text('user')]), '08P01', /^invalid startup packet layout/],
    ['no user', startupPacket({}), '28000', /^no PostgreSQL user name specified in startup packet$/],
    [
      'version 4.0',
      Buffer.concat([words(9, 4 << 16), Buffer.from([0])]),
      '0A000',
      /^unsupported frontend protocol 4\.0: server supports 3\.0 to 3\.0$/,
    ],
  ])('startup packet: %s', async (_what, bytes, code, text) => {
    const client = raw(bytes);
    await client.ended();
    expect(client.error()).toMatchObject({ S: 'FATAL', C: code });
    expect(client.error()?.['M']).toMatch(text);
  });

  test.each([
    ['an unknown message type', message('z'), 'FATAL', 'invalid frontend message type 122'],
    ['a string without its end', message('Q', Buffer.from('select 1')), 'ERROR', 'invalid string in message'],
    ['more than it should hold', message('Q', Buffer.from('select 1\0more')), 'ERROR', 'invalid message format'],
    ['less than it should hold', message('B', text('')), 'ERROR', 'invalid string in message'],
  ])('message: %s', async (_what, bytes, severity, text) => {
    const client = await session();
    client.send(bytes, message('S'));
    if (severity === 'FATAL') await client.ended();
    else await client.until('E');
    expect(client.error()).toMatchObject({ S: severity, C: '08P01', M: text });
    expect(await serverAnswers(cluster.port)).toBe(true);
  });

  test.each([
    ['a length below four', [0x51, 0, 0, 0, 3]],
    ['a negative length', [0x51, 255, 255, 255, 255]],
  ])('message: %s ends the session, and only the log is told why', async (_what, bytes) => {
    cluster.clearLog();
    const client = await session();
    client.send(Buffer.from(bytes));
    await client.ended();
    expect(client.error()).toBeUndefined();
    await waitFor('the log line', () => cluster.log.includes('LOG:  invalid message length'));
  });

  test('messages out of order are errors of their own, up to the Sync', async () => {
    const client = await session();
    const from = client.messages.length;
    client.send(message('E', Buffer.concat([text('nothing'), words(0)])), message('P', text('ignored')), message('S'));
    await client.until('Z', from);
    expect(client.error(from)).toMatchObject({ S: 'ERROR', C: '34000', M: 'portal "nothing" does not exist' });
    expect(
      client.messages
        .slice(from)
        .map((one) => one.type)
        .join(''),
    ).toBe('EZ');
    client.send(message('d', Buffer.from('x')), message('c'), message('f', text('x')));
    expect(await scalar(client, 'select 42')).toBe('42');
  });

  test('a huge length makes nobody allocate', async () => {
    const client = await session();
    const { pid } = client.backendKey();
    const residentKb = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
    const before = residentKb();
    client.send(Buffer.from([0x51, 0x3f, 0xff, 0xff, 0xff]), Buffer.alloc(100_000, 0x20));
    await waitFor('the bytes to be read', () => client.socket.writableLength === 0);
    expect(residentKb() - before).toBeLessThan(64 * 1024);
    client.close();
    await waitFor('the process to end', () => titleOf(pid) === '');
  });

  test('silent and half-open clients are ended by authentication_timeout', async () => {
    const silent = raw();
    const half = raw(words(100, PROTOCOL));
    await Promise.all([silent.ended(), half.ended()]);
    expect(await serverAnswers(cluster.port)).toBe(true);
  });

  test(`${CASES[model]} seeded cases of nonsense leave the server serving, with no child crashed and no descriptor leaked`, async () => {
    const descriptors = (): number => readdirSync(`/proc/${cluster.pid}/fd`).length;
    const sessions = (): number => cluster.children().filter((child) => /127\.0\.0\.1/.test(child.title)).length;
    expect(await serverAnswers(cluster.port)).toBe(true);
    await waitFor('nobody to be there', () => sessions() === 0);
    const before = descriptors();
    for (const one of fuzzCases(CASES[model], 20_240_229)) await playCase(cluster.port, one);
    expect(await serverAnswers(cluster.port)).toBe(true);
    await waitFor('all sessions to end', () => sessions() === 0, 30);
    await waitFor(
      'the descriptors to be as before',
      () => descriptors() <= before,
      10,
      () => `${descriptors()}, ${before}`,
    );
    expect(cluster.log).not.toMatch(/terminated by signal|PANIC|XX000/);
  });
});
