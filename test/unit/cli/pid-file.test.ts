import { describe, expect, it } from 'vitest';
import { parsePidFile } from '#cli/pid-file.ts';
import { serverAddress } from '#cli/server-address.ts';

const TEXT = '6744\n/data\n1795265205\n54777\n/tmp/x\n127.0.0.1\n 123456789         7\nready   \n';

describe('postmaster.pid', () => {
  it('is read line by line', () => {
    expect(parsePidFile(TEXT)).toEqual({
      pid: 6744,
      dataDirectory: '/data',
      startSeconds: 1795265205,
      port: 54777,
      socketDirectory: '/tmp/x',
      listenAddress: '127.0.0.1',
      status: 'ready',
      lineCount: 8,
    });
  });
  it('may be short while the server starts', () => {
    expect(parsePidFile('6744\n/data\n')).toMatchObject({ pid: 6744, status: 'unknown', lineCount: 2 });
  });
  it('is nothing without a number', () => {
    expect(parsePidFile('')).toBeUndefined();
    expect(parsePidFile('abc\n')).toBeUndefined();
  });
  it('tells where to connect: the socket first, then an address one can reach', () => {
    const file = parsePidFile(TEXT);
    if (file === undefined) throw new Error('unreadable');
    expect(serverAddress(file)).toEqual({ host: '/tmp/x', port: 54777 });
    expect(serverAddress({ ...file, socketDirectory: '' })).toEqual({ host: '127.0.0.1', port: 54777 });
    expect(serverAddress({ ...file, socketDirectory: '', listenAddress: '*' })?.host).toBe('127.0.0.1');
    expect(serverAddress({ ...file, socketDirectory: '', listenAddress: '' })).toBeUndefined();
  });
});
