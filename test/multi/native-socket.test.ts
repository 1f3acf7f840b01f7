import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Native, nativeShmPath, runScriptForOne } from '../support/native-script.ts';

const native = createRequire(import.meta.url)(nativeShmPath) as Native;
const { EAGAIN, EADDRINUSE, ECONNREFUSED, EINVAL, EPIPE } = native.ERRNO;
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

function portOf(fd: number): number {
  const name = native.sockName(fd);
  if (typeof name === 'number') throw new Error(native.errorMessage(name));
  return name.port;
}

/** [listening socket, client's end, server's end] */
function tcpConnection(): readonly [number, number, number] {
  const listener = native.listenTcp(4, '127.0.0.1', 0, 5);
  const client = native.connectTcp('127.0.0.1', portOf(listener));
  return [listener, client, native.accept(listener)];
}

test('a TCP connection carries bytes both ways and knows its peers', () => {
  const [listener, client, server] = tcpConnection();
  const into = new Uint8Array(64);
  expect(native.accept(listener)).toBe(-EAGAIN);
  expect(native.recv(server, into, 0, 64)).toBe(-EAGAIN);
  expect(native.send(client, bytesOf('ask'), 0, 3)).toBe(3);
  expect(native.recv(server, into, 0, 64)).toBe(3);
  expect(native.send(server, bytesOf('answer'), 0, 6)).toBe(6);
  expect(native.recv(client, into, 0, 64)).toBe(6);
  expect(native.peerName(server)).toEqual({ family: 4, address: '127.0.0.1', port: portOf(client) });
  expect(native.peerName(client)).toEqual(native.sockName(listener));
  expect(native.peerName(listener)).toBeLessThan(0);
  for (const fd of [listener, client, server]) native.closeFd(fd);
});

test('peerClosed tells a closed peer from a silent or a talking one', () => {
  const [listener, client, server] = tcpConnection();
  expect(native.peerClosed(server)).toBe(0);
  native.send(client, bytesOf('unread'), 0, 6);
  expect(native.peerClosed(server)).toBe(0);
  native.closeFd(client);
  expect(native.peerClosed(server)).toBe(1);
  for (const fd of [listener, server]) native.closeFd(fd);
});

test('shutdown ends one direction, sending to a closed peer is EPIPE without a signal', () => {
  const ends = native.socketPair('stream') as [number, number];
  const into = new Uint8Array(8);
  expect(native.shutdown(ends[0], 'write')).toBe(0);
  expect(native.recv(ends[1], into, 0, 8)).toBe(0);
  expect(native.send(ends[1], bytesOf('x'), 0, 1)).toBe(1);
  native.closeFd(ends[0]);
  expect(native.send(ends[1], bytesOf('x'), 0, 1)).toBe(-EPIPE);
  native.closeFd(ends[1]);
});

test('keepalive options are set and read back in their units', () => {
  const [listener, client, server] = tcpConnection();
  const values = { keepidle: 77, keepintvl: 11, keepcnt: 4, usertimeout: 3500 } as const;
  for (const [option, value] of Object.entries(values) as [keyof typeof values, number][]) {
    expect(native.setTcpOption(server, option, value)).toBe(0);
    expect(native.getTcpOption(server, option)).toBe(value);
  }
  expect(() => native.setTcpOption(server, 'nodelay' as 'keepcnt', 1)).toThrow(TypeError);
  const [left, right] = native.socketPair('stream') as [number, number];
  expect(native.setTcpOption(left, 'keepidle', 5)).toBeLessThan(0);
  for (const fd of [listener, client, server, left, right]) native.closeFd(fd);
});

test('listening fails with the reason: port in use, no address, wrong family', () => {
  const listener = native.listenTcp(4, '127.0.0.1', 0, 5);
  const port = portOf(listener);
  expect(native.listenTcp(4, '127.0.0.1', port, 5)).toBe(-EADDRINUSE);
  expect(native.listenTcp(4, 'localhost', 0, 5)).toBe(-EINVAL);
  expect(native.listenTcp(6, '127.0.0.1', 0, 5)).toBeLessThan(0);
  native.closeFd(listener);
  expect(native.connectTcp('127.0.0.1', port)).toBe(-ECONNREFUSED);
});

test('IPv6 and IPv4 wildcards listen on one port side by side, where there is IPv6', () => {
  const six = native.listenTcp(6, '::', 0, 5);
  if (six < 0) {
    expect(native.errorMessage(six)).toMatch(/not supported|[Cc]annot assign/);
    return;
  }
  const four = native.listenTcp(4, '0.0.0.0', portOf(six), 5);
  expect(four).toBeGreaterThan(0);
  const client = native.connectTcp('::1', portOf(six));
  const server = native.accept(six);
  expect(native.peerName(server)).toMatchObject({ family: 6, address: '::1' });
  for (const fd of [six, four, client, server]) native.closeFd(fd);
});

test('a Unix-domain socket knows the credentials of its peer, by file and by abstract name', () => {
  const folder = mkdtempSync(join(tmpdir(), 'native-'));
  for (const path of [join(folder, '.s.PGSQL.5432'), `@native-shm-test-${process.pid}`]) {
    const listener = native.listenUnix(path, 5);
    expect(listener).toBeGreaterThan(0);
    expect(native.listenUnix(path, 5)).toBe(-EADDRINUSE);
    const client = native.connectUnix(path);
    const server = native.accept(listener);
    expect(native.peerCredentials(server)).toEqual([process.getuid?.(), process.getgid?.(), process.pid]);
    expect(native.sockName(server)).toEqual({ family: 'unix', address: path, port: 0 });
    expect(native.peerName(server)).toEqual({ family: 'unix', address: '', port: 0 });
    for (const fd of [listener, client, server]) native.closeFd(fd);
  }
  expect(native.connectUnix(join(folder, 'none'))).toBe(-native.ERRNO.ENOENT);
  expect(native.listenUnix(join(folder, 'x'.repeat(200)), 5)).toBeLessThan(0);
  rmSync(folder, { recursive: true });
});

test('names resolve to addresses and back, and errors have their message', () => {
  expect(native.resolveHost('127.0.0.1', true)).toEqual([{ family: 4, address: '127.0.0.1' }]);
  const wildcards = native.resolveHost(null, true);
  expect(wildcards).toContainEqual({ family: 4, address: '0.0.0.0' });
  expect(native.resolveHost('localhost', false)).toContainEqual({ family: 4, address: '127.0.0.1' });
  const failure = native.resolveHost('no-such-host.invalid', false);
  expect(failure).toBeLessThan(0);
  expect(native.gaiMessage(-2)).toBe('Name or service not known');
  expect(native.reverseName('127.0.0.1')).toBe('localhost');
  expect(native.reverseName('not an address')).toBeNull();
});

test('a loopback datagram socket receives what its holders send, whole and in order', async () => {
  const result = await runScriptForOne(({ native, child, reap, report }) => {
    const fd = native.udpLoopback(100 * 1024);
    const into = new Uint8Array(1000);
    const empty = native.udpRecv(fd, into, 0, 1000) === -native.ERRNO.EAGAIN;
    const code = reap(
      child(() => {
        for (let i = 1; i <= 50; i++) native.udpSend(fd, new Uint8Array(i).fill(i), 0, i);
        return 0;
      }),
    );
    const lengths: number[] = [];
    for (let length: number; (length = native.udpRecv(fd, into, 0, 1000)) > 0; ) {
      lengths.push(into[length - 1] === length ? length : -1);
    }
    report({ empty, code, lengths });
  });
  expect(result).toEqual({ empty: true, code: 0, lengths: Array.from({ length: 50 }, (_, i) => i + 1) });
});

test('processes answer each other over a forked connection', async () => {
  const result = await runScriptForOne(({ native, child, reap, report }) => {
    const [ours, theirs] = native.socketPair('stream') as [number, number];
    const rounds = 20_000;
    const pid = child(() => {
      const buffer = new Uint8Array(8);
      for (let i = 0; i < rounds; i++) {
        if (native.recv(theirs, buffer, 0, 8) !== 4) return 1;
        buffer[0]!++;
        native.send(theirs, buffer, 0, 4);
      }
      return 0;
    });
    const buffer = new Uint8Array(8);
    let right = 0;
    for (let i = 0; i < rounds; i++) {
      buffer[0] = i & 0x7f;
      native.send(ours, buffer, 0, 4);
      native.recv(ours, buffer, 0, 8);
      if (buffer[0] === (i & 0x7f) + 1) right++;
    }
    report({ code: reap(pid), right });
  });
  expect(result).toEqual({ code: 0, right: 20_000 });
});
