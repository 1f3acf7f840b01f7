import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { type Native, nativeShmPath, runScriptForOne } from '../support/native-script.ts';

const native = createRequire(import.meta.url)(nativeShmPath) as Native;
const { EAGAIN } = native.ERRNO;
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

function pair(type: 'stream' | 'seqpacket'): readonly [number, number] {
  const ends = native.socketPair(type);
  if (typeof ends === 'number') throw new Error(native.errorMessage(ends));
  return ends;
}

function pipe(nonblocking: boolean): readonly [number, number] {
  const ends = native.pipe(nonblocking);
  if (typeof ends === 'number') throw new Error(native.errorMessage(ends));
  return ends;
}

test('a pipe carries bytes, says EAGAIN when empty and 0 at its end', () => {
  const [reader, writer] = pipe(true);
  const into = new Uint8Array(16);
  expect(native.readBytes(reader, into, 0, 16)).toBe(-EAGAIN);
  expect(native.writeBytes(writer, bytesOf('xxhelloyy'), 2, 5)).toBe(5);
  expect(native.readBytes(reader, into, 4, 12)).toBe(5);
  expect(new TextDecoder().decode(into.subarray(4, 9))).toBe('hello');
  native.closeFd(writer);
  expect(native.readBytes(reader, into, 0, 16)).toBe(0);
  expect(native.closeFd(reader)).toBe(0);
});

test('the part of a buffer that a call names must lie within it', () => {
  const [reader, writer] = pipe(true);
  const into = new Uint8Array(16);
  expect(() => native.readBytes(reader, into, 0, 17)).toThrow(RangeError);
  expect(() => native.readBytes(reader, into, 17, 0)).toThrow(RangeError);
  expect(() => native.readBytes(reader, into, -1, 1)).toThrow(TypeError);
  expect(() => native.readBytes(reader, [] as unknown as Uint8Array, 0, 0)).toThrow(TypeError);
  expect(() => native.writeBytes(writer, into.subarray(8), 4, 5)).toThrow(RangeError);
  native.closeFd(reader);
  native.closeFd(writer);
});

test('a seqpacket pair keeps messages apart, a stream pair does not', () => {
  for (const [type, lengths] of [
    ['seqpacket', [1, 2]],
    ['stream', [3]],
  ] as const) {
    const [left, right] = pair(type);
    const into = new Uint8Array(16);
    native.send(left, bytesOf('a'), 0, 1);
    native.send(left, bytesOf('bc'), 0, 2);
    expect(lengths.map(() => native.recv(right, into, 0, 16))).toEqual(lengths);
    native.closeFd(left);
    native.closeFd(right);
  }
});

test('epoll reports tokens of the full 32 bits, changed interests and hang-ups', () => {
  const epoll = native.epollCreate();
  const [left, right] = pair('stream');
  const out = new Int32Array(16);
  const { IN, OUT, RDHUP } = native.EPOLL;
  expect(native.epollAdd(epoll, left, IN | RDHUP, 0xfedcba98)).toBe(0);
  expect(native.epollAdd(epoll, left, IN, 1)).toBe(-native.ERRNO.EEXIST);
  expect(native.epollWait(epoll, 0, out)).toBe(0);
  native.send(right, bytesOf('x'), 0, 1);
  expect(native.epollWait(epoll, -1, out)).toBe(1);
  expect([out[0]! >>> 0, out[1]]).toEqual([0xfedcba98, IN]);
  expect(native.epollModify(epoll, left, OUT, 7)).toBe(0);
  expect(native.epollWait(epoll, -1, out)).toBe(1);
  expect([out[0], out[1]]).toEqual([7, OUT]);
  native.epollModify(epoll, left, IN | RDHUP, 7);
  native.closeFd(right);
  expect(native.epollWait(epoll, -1, out)).toBe(1);
  expect(out[1]! & RDHUP).toBe(RDHUP);
  expect(native.epollDelete(epoll, left)).toBe(0);
  expect(native.epollWait(epoll, 0, out)).toBe(0);
  native.closeFd(left);
  native.closeFd(epoll);
});

test('a wake-up that came before the wait ends it, once, and events beside it are not lost', () => {
  const epoll = native.epollCreate();
  const [left, right] = pair('stream');
  const out = new Int32Array(2);
  native.epollAdd(epoll, left, native.EPOLL.IN, 5);
  native.wakeSelf();
  native.wakeSelf();
  expect(native.epollWait(epoll, 10_000, out)).toBe(0);
  const before = native.monotonicNs();
  expect(native.epollWait(epoll, 20.5, out)).toBe(0);
  expect(native.monotonicNs() - before).toBeGreaterThan(20e6);
  native.wakeSelf();
  native.send(right, bytesOf('x'), 0, 1);
  let events = 0;
  for (let i = 0; i < 2; i++) events += native.epollWait(epoll, 0, out);
  expect(events).toBeGreaterThanOrEqual(1);
  for (const fd of [left, right, epoll]) native.closeFd(fd);
});

test('a descriptor travels over a socket pair with its payload', () => {
  for (const type of ['stream', 'seqpacket'] as const) {
    const [left, right] = pair(type);
    const [reader, writer] = pipe(false);
    const payload = new Uint8Array(64);
    expect(native.sendFd(left, writer, bytesOf('launch 7'))).toBe(8);
    native.closeFd(writer);
    const [fd, length] = native.recvFd(right, payload);
    expect(new TextDecoder().decode(payload.subarray(0, length))).toBe('launch 7');
    native.writeBytes(fd, bytesOf('through'), 0, 7);
    native.closeFd(fd);
    const into = new Uint8Array(16);
    expect(native.readBytes(reader, into, 0, 16)).toBe(7);
    expect(native.readBytes(reader, into, 0, 16)).toBe(0);
    native.setNonblocking(right, true);
    expect(native.recvFd(right, payload)).toEqual([-EAGAIN, 0]);
    native.closeFd(left);
    expect(native.recvFd(right, payload)).toEqual([-native.ERRNO.EPIPE, 0]);
    expect(() => native.sendFd(right, reader, new Uint8Array(65))).toThrow(RangeError);
    native.closeFd(right);
    native.closeFd(reader);
  }
});

test('closeFrom closes all but the descriptors named', async () => {
  const result = await runScriptForOne(({ native, fs, child, reap, report }) => {
    const open = (): number => fs.openSync('/dev/null', 'r');
    const isOpen = (fd: number): boolean => native.setNonblocking(fd, false) === 0;
    const code = reap(
      child(() => {
        const files = Array.from({ length: 20 }, open);
        const kept = [files[15]!, files[3]!, files[3]!, 2];
        if (native.closeFrom(files[1]!, kept) !== 0) return 100;
        const left = files.filter(isOpen).map((fd) => files.indexOf(fd));
        if (native.epollCreate() < 0) return 101;
        return left.join() === '0,3,15' ? 0 : 102;
      }),
    );
    report(code);
  });
  expect(result).toBe(0);
});

test('dup2 replaces a descriptor, and new descriptors are close-on-exec', async () => {
  const result = await runScriptForOne(({ native, fs, report }) => {
    const closesOnExec = (fd: number): boolean => {
      const flags = /flags:\s*(\d+)/.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '';
      return (Number.parseInt(flags, 8) & 0o2000000) !== 0;
    };
    const [reader, writer] = native.pipe(false) as [number, number];
    const made = [
      reader,
      writer,
      ...(native.socketPair('stream') as [number, number]),
      native.epollCreate(),
      native.createSegment('x', 4096),
      native.openReadOnly('/'),
      native.listenTcp(4, '127.0.0.1', 0, 5),
      native.udpLoopback(1000),
      native.dup2(reader, 200),
    ];
    const all = made.every(closesOnExec);
    native.setCloseOnExec(reader, false);
    report({
      all,
      cleared: closesOnExec(reader),
      same: native.dup2(reader, reader) === reader,
      bad: native.dup2(999, 201) < 0 && native.dup2(999, 999) < 0 && native.closeFd(999) < 0,
    });
  });
  expect(result).toEqual({ all: true, cleared: false, same: true, bad: true });
});

test('flock excludes another open of the same file', () => {
  const first = native.openReadOnly('/');
  const second = native.openReadOnly('/');
  expect(native.flock(first, 'shared')).toBe(0);
  expect(native.flock(second, 'shared')).toBe(0);
  expect(native.flock(second, 'exclusive')).toBe(-native.ERRNO.EWOULDBLOCK);
  expect(native.flock(first, 'unlock')).toBe(0);
  expect(native.flock(second, 'exclusive')).toBe(0);
  expect(() => native.flock(second, 'other' as 'shared')).toThrow(TypeError);
  native.closeFd(first);
  native.closeFd(second);
  expect(native.openReadOnly('/no/such/file')).toBe(-native.ERRNO.ENOENT);
});
