import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { type Native, nativeShmPath, runScriptForOne } from '../support/native-script.ts';

const native = createRequire(import.meta.url)(nativeShmPath) as Native;
const page = 4096;

const segmentOf = (size: number) => {
  const fd = native.createSegment('test', size);
  return { fd, ...native.mapShared(fd, size) };
};

test('two mappings of one descriptor show the same memory', () => {
  const { fd, buffer, segment } = segmentOf(page);
  const again = native.mapShared(fd, page);
  new Int32Array(buffer)[3] = 77;
  expect(buffer).toBeInstanceOf(SharedArrayBuffer);
  expect(buffer.byteLength).toBe(page);
  expect(again.segment).not.toBe(segment);
  expect(new Int32Array(again.buffer)[3]).toBe(77);
  native.unmapShared(segment);
  native.unmapShared(again.segment);
  native.closeFd(fd);
});

test('a segment may be larger than 4 GiB and is addressed to its end', () => {
  const size = 5 * 2 ** 30;
  const { fd, buffer, segment } = segmentOf(size);
  const last = new Uint8Array(buffer, size - 16, 16);
  last.set(new TextEncoder().encode('123456789'));
  expect(buffer.byteLength).toBe(size);
  expect(native.crc32cSegment(segment, size - 16, 9, 0)).toBe(0xe3069283);
  native.unmapShared(segment);
  native.closeFd(fd);
});

test('remapping shows another file through the buffers that exist already', () => {
  const { fd, buffer, segment } = segmentOf(2 * page);
  const words = new Int32Array(buffer);
  words[0] = 1;
  const other = segmentOf(2 * page);
  new Int32Array(other.buffer)[0] = 2;
  expect(native.remapShared(segment, other.fd)).toBe(0);
  expect(words[0]).toBe(2);
  const small = native.createSegment('small', page);
  expect(native.remapShared(segment, small)).toBe(-native.ERRNO.EINVAL);
  expect(words[0]).toBe(2);
  for (const open of [fd, other.fd, small]) native.closeFd(open);
  native.unmapShared(segment);
  native.unmapShared(other.segment);
});

test('after unmapping the number is free and old buffers read zero instead of crashing', () => {
  const { fd, buffer, segment } = segmentOf(page);
  const words = new Int32Array(buffer);
  words[0] = 5;
  expect(native.unmapShared(segment)).toBe(0);
  expect(words[0]).toBe(0);
  expect(() => native.segmentBuffer(segment)).toThrow(RangeError);
  const again = native.mapShared(fd, page);
  expect(again.segment).toBe(segment);
  expect(new Int32Array(again.buffer)[0]).toBe(5);
  expect(words[0]).toBe(0);
  native.unmapShared(again.segment);
  native.closeFd(fd);
});

test('a punched range reads as zero and gives its pages back', () => {
  const { fd, buffer, segment } = segmentOf(4 * page);
  const bytes = new Uint8Array(buffer).fill(9);
  expect(native.punchHole(fd, page, page)).toBe(0);
  expect([bytes[0], bytes[page], bytes[2 * page - 1], bytes[2 * page]]).toEqual([9, 0, 0, 9]);
  native.unmapShared(segment);
  native.closeFd(fd);
});

test('behind the file the buffer goes on with private memory, which is zero until it is touched', () => {
  const fd = native.createSegment('with a tail', page + 100);
  const { segment, buffer, privateStart } = native.mapShared(fd, page + 100, 4 * page);
  const bytes = new Uint8Array(buffer);
  expect([privateStart, buffer.byteLength]).toEqual([2 * page, 6 * page]);
  bytes.fill(7);
  const again = native.mapShared(fd, page + 100, page);
  const others = new Uint8Array(again.buffer);
  expect([others[0], others[2 * page]]).toEqual([7, 0]);
  expect(native.crc32cSegment(segment, 6 * page - 9, 9, 0)).toBe(native.crc32c(bytes, 0, 9, 0));
  expect(() => native.crc32cSegment(segment, 6 * page - 8, 9, 0)).toThrow(RangeError);
  // Fresh pages in the middle of the tail, nowhere else.
  expect(native.mapPrivate(segment, 3 * page, page)).toBe(0);
  expect([bytes[3 * page - 1], bytes[3 * page], bytes[4 * page - 1], bytes[4 * page]]).toEqual([7, 0, 0, 7]);
  const { EINVAL } = native.ERRNO;
  expect(native.mapPrivate(segment, page, page)).toBe(-EINVAL);
  expect(native.mapPrivate(segment, 3 * page + 1, page)).toBe(-EINVAL);
  expect(native.mapPrivate(segment, 3 * page, 100)).toBe(-EINVAL);
  expect(() => native.mapPrivate(segment, 5 * page, 2 * page)).toThrow(RangeError);
  expect(native.mapShared(fd, page, 100).segment).toBe(-EINVAL);
  const plain = native.mapShared(fd, page);
  expect(native.mapPrivate(plain.segment, 0, page)).toBe(-EINVAL);
  for (const open of [segment, again.segment, plain.segment]) native.unmapShared(open);
  expect([bytes[0], bytes[2 * page]]).toEqual([0, 0]);
  native.closeFd(fd);
});

test('remapping the file leaves the private tail as it is', () => {
  const fd = native.createSegment('first', page);
  const { segment, buffer, privateStart } = native.mapShared(fd, page, page);
  const bytes = new Uint8Array(buffer).fill(3);
  const other = native.createSegment('second', page);
  expect(native.remapShared(segment, other)).toBe(0);
  expect([bytes[0], bytes[privateStart]]).toEqual([0, 3]);
  native.unmapShared(segment);
  for (const open of [fd, other]) native.closeFd(open);
});

test('a gigabyte of private memory costs nothing, and a forked child has its own copy of what was written', async () => {
  const result = await runScriptForOne(({ native, reap, report }) => {
    const { segment, buffer } = native.mapShared(native.createSegment('forked', 4096), 4096, 2 ** 30);
    const bytes = new Uint8Array(buffer);
    bytes[4096] = 1;
    bytes[2 ** 30] = 2;
    const child = native.fork();
    if (child === 0) {
      bytes[0] = bytes[4096]! * 10 + bytes[2 ** 30]!;
      bytes[4096] = 9;
      native.exitNow(0);
    }
    const code = reap(child);
    report({ code, shared: bytes[0], own: bytes[4096], size: buffer.byteLength, segment });
  });
  expect(result).toEqual({ code: 0, shared: 12, own: 1, size: 2 ** 30 + 4096, segment: 0 });
});

test('wrong arguments throw, failing calls answer -errno', () => {
  const { fd, segment } = segmentOf(page);
  const { EINVAL } = native.ERRNO;
  expect(native.mapShared(fd, page + 1).segment).toBe(-EINVAL);
  expect(native.mapShared(fd, 0).segment).toBe(-EINVAL);
  expect(native.mapShared(-1, page).segment).toBeLessThan(0);
  expect(() => native.mapShared('3' as unknown as number, page)).toThrow(TypeError);
  expect(() => native.mapShared(1.5, page)).toThrow(TypeError);
  expect(() => native.futexWake(segment, page, 1)).toThrow(RangeError);
  expect(() => native.futexWake(segment, 2, 1)).toThrow(RangeError);
  expect(() => native.futexWake(segment, -4, 1)).toThrow(TypeError);
  expect(() => native.futexWake(4000, 0, 1)).toThrow(RangeError);
  expect(() => native.futexWake(1e9, 0, 1)).toThrow(RangeError);
  expect(() => native.createSegment('nul\0', page)).toThrow(TypeError);
  native.unmapShared(segment);
  native.closeFd(fd);
});

test('a worker_thread gets the buffer of a number and meets the main thread on a futex', async () => {
  const { fd, buffer, segment } = segmentOf(page);
  const words = new Int32Array(buffer);
  const worker = new Worker(
    `const native = require(${JSON.stringify(nativeShmPath)});
     const words = new Int32Array(native.segmentBuffer(${segment}));
     for (let i = 0; i < 100000; i++) Atomics.add(words, 0, 1);
     const own = native.mapShared(native.createSegment('own', 4096), 4096);
     words[2] = own.segment;
     new Int32Array(own.buffer)[0] = 31;
     Atomics.store(words, 1, 1);
     native.futexWake(${segment}, 4, 1);`,
    { eval: true },
  );
  for (let i = 0; i < 100_000; i++) Atomics.add(words, 0, 1);
  while (Atomics.load(words, 1) === 0) native.futexWait(segment, 4, 0, 100);
  expect(words[0]).toBe(200_000);
  expect(new Int32Array(native.segmentBuffer(words[2]!))[0]).toBe(31);
  await worker.terminate();
  expect(new Int32Array(native.segmentBuffer(words[2]!))[0]).toBe(31);
  native.unmapShared(words[2]!);
  native.unmapShared(segment);
  native.closeFd(fd);
});

test('a spawned process maps the same segment by an inherited descriptor', async () => {
  const result = await runScriptForOne(({ native, reap, report, addonPath }) => {
    const fd = native.createSegment('handed over', 4096);
    const { segment, buffer } = native.mapShared(fd, 4096);
    const words = new Int32Array(buffer);
    const source = `const native = require(${JSON.stringify(addonPath)});
      const { segment, buffer } = native.mapShared(7, 4096);
      const words = new Int32Array(buffer);
      for (let i = 0; i < 1000000; i++) Atomics.add(words, 0, 1);
      Atomics.store(words, 1, 1);
      native.futexWake(segment, 4, 1);`;
    const pid = native.spawnProcess(
      process.execPath,
      ['node', '-e', source],
      [],
      [
        [0, 0],
        [1, 1],
        [2, 2],
        [fd, 7],
      ],
    );
    for (let i = 0; i < 1_000_000; i++) Atomics.add(words, 0, 1);
    while (Atomics.load(words, 1) === 0) native.futexWait(segment, 4, 0, 1000);
    report({ code: reap(pid), count: words[0] });
  });
  expect(result).toEqual({ code: 0, count: 2_000_000 });
});

test('signal words of all threads are the same memory', async () => {
  const result = await runScriptForOne(({ native, require, report, addonPath }) => {
    const { Worker: Thread } = require('node:worker_threads') as typeof import('node:worker_threads');
    const words = new Int32Array(native.signalWords());
    const worker = new Thread(
      `const native = require(${JSON.stringify(addonPath)});
       native.signalAction(10, native.SIG_ACTION.WORD);
       native.kill(process.pid, 10);
       const words = new Int32Array(native.signalWords());
       while (Atomics.load(words, 10) === 0);`,
      { eval: true },
    );
    worker.on('exit', () => report(words[10]));
  });
  expect(result).toBe(1);
});
