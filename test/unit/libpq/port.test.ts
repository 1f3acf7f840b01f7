import { expect, test } from 'vitest';
import { Port, type SocketOperations } from '#libpq/port.ts';
import { reportHooks } from '#runtime/error/report.ts';

const ERRNO = { EAGAIN: 11, EINTR: 4, ECONNRESET: 104, EPIPE: 32 };

/** A socket that takes at most `window` bytes before it is full, until waited for. */
function fakeSocket(incoming: Buffer[], window = 1_000_000) {
  let room = window;
  const log: string[] = [];
  const sent: Buffer[] = [];
  const socket: SocketOperations = {
    ERRNO,
    recv(_fd, into, offset, length) {
      log.push('recv');
      const next = incoming.shift();
      if (next === undefined) return 0;
      if (next.length === 0) return -ERRNO.EAGAIN;
      const count = Math.min(length, next.length);
      into.set(next.subarray(0, count), offset);
      if (count < next.length) incoming.unshift(next.subarray(count));
      return count;
    },
    send(_fd, from, offset, length) {
      log.push('send');
      if (room === 0) return -ERRNO.EAGAIN;
      if (room < 0) return -ERRNO.EPIPE;
      const count = Math.min(length, room);
      room -= count;
      sent.push(Buffer.from(from.subarray(offset, offset + count)));
      return count;
    },
    shutdown: () => 0,
    closeFd: () => 0,
    peerClosed: () => 0,
    errorMessage: () => 'Broken pipe',
  };
  const port = new Port(3, { family: 'unix', address: '', port: 0 }, undefined, socket, {
    waitForSocket: (_fd, direction) => {
      log.push(`wait ${direction}`);
      room = window;
      return 'socket';
    },
    processReadInterrupt() {},
    processWriteInterrupt() {},
  });
  return { port, log, sent, breakPipe: () => (room = -1) };
}

test('a request and its answer cost one recv and one send', () => {
  const { port, log } = fakeSocket([Buffer.from('X\0\0\0\x04')]);
  expect(port.reader.readByte()).toBe(0x58);
  expect(port.reader.readMessage(100)).toBe(true);
  port.writer.empty(0x31);
  port.writer.empty(0x32);
  expect(port.flush()).toBe(true);
  expect(log).toEqual(['recv', 'send']);
});

test('a socket that is not ready is waited for', () => {
  const { port, log, sent } = fakeSocket([Buffer.alloc(0), Buffer.from('X')], 3);
  expect(port.reader.readByte()).toBe(0x58);
  port.writer.empty(0x31);
  port.flush();
  expect(log).toEqual(['recv', 'wait read', 'recv', 'send', 'send', 'wait write', 'send']);
  expect(Buffer.concat(sent).toString('latin1')).toBe('1\0\0\0\x04');
});

test('a lost client is logged once and its output dropped', () => {
  const { port, breakPipe } = fakeSocket([]);
  const lines: string[] = [];
  const { emit } = reportHooks;
  reportHooks.emit = (_level, fields) => void lines.push(fields.message);
  breakPipe();
  port.writer.empty(0x31);
  expect(port.flush()).toBe(false);
  port.writer.empty(0x32);
  expect(port.flush()).toBe(false);
  reportHooks.emit = emit;
  expect(lines).toEqual(['could not send data to client: Broken pipe']);
  expect(port.connectionLost).toBe(true);
  expect(port.writer.length).toBe(0);
});
