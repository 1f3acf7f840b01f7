import { expect, test } from 'vitest';
import { runScript, runScriptForOne } from '../support/native-script.ts';

test('a signal is counted in its word, raises word 0 and ends the wait', async () => {
  const result = await runScriptForOne(({ native, child, reap, report }) => {
    const words = new Int32Array(native.signalWords());
    const out = new Int32Array(16);
    for (const signal of [1, 10, 12, 15]) native.signalAction(signal, native.SIG_ACTION.WORD);
    const parent = native.getpid();
    const epoll = native.epollCreate();
    const pid = child(() => {
      native.kill(parent, 10);
      return 0;
    });
    const woken = native.epollWait(epoll, 20_000, out);
    reap(pid);
    for (let i = 0; i < 5; i++) native.kill(parent, 12);
    native.kill(parent, 15);
    const again = native.epollWait(epoll, 0, out);
    report({
      woken: woken === 0 || woken === -native.ERRNO.EINTR,
      flag: Atomics.exchange(words, 0, 0),
      counts: [1, 10, 12, 15].map((signal) => Atomics.exchange(words, signal, 0)),
      again,
      drained: native.epollWait(epoll, 5, out),
      left: Array.from(words).filter((word) => word !== 0).length,
    });
  });
  expect(result).toEqual({ woken: true, flag: 1, counts: [0, 1, 5, 1], again: 0, drained: 0, left: 0 });
});

test('the handler sets the latch, and writes the wake-up only when the sleeper has announced itself', async () => {
  const result = await runScriptForOne(({ native, report }) => {
    const { segment, buffer } = native.mapShared(native.createSegment('latch', 4096), 4096);
    const latch = new Int32Array(buffer);
    const out = new Int32Array(16);
    const self = native.getpid();
    native.signalAction(10, native.SIG_ACTION.WORD);
    native.signalLatch(segment, 0, 4);
    const epoll = native.epollCreate();
    const wait = (): boolean => {
      const before = native.monotonicNs();
      native.epollWait(epoll, 400, out);
      return native.monotonicNs() - before < 300e6;
    };
    native.kill(self, 10);
    const awake = { isSet: latch[0], woken: wait() };
    latch[0] = 0;
    latch[1] = 1;
    native.kill(self, 10);
    const sleeping = { isSet: latch[0], woken: wait() };
    native.signalLatch(-1, 0, 0);
    latch.fill(0);
    native.kill(self, 10);
    report({ awake, sleeping, forgotten: { isSet: latch[0], woken: wait() } });
  });
  expect(result).toEqual({
    awake: { isSet: 1, woken: false },
    sleeping: { isSet: 1, woken: true },
    forgotten: { isSet: 0, woken: true },
  });
});

test('WAKE only wakes, IGNORE does nothing, EXIT1 and EXIT2 end the process, DEFAULT kills', async () => {
  const result = await runScriptForOne(({ native, child, reap, report }) => {
    const { WAKE, IGNORE, EXIT1, EXIT2, DEFAULT, WORD } = native.SIG_ACTION;
    const words = new Int32Array(native.signalWords());
    const out = new Int32Array(16);
    const endsBy = (action: number): number =>
      reap(
        child(() => {
          native.signalAction(15, action);
          native.kill(native.getpid(), 15);
          return 50;
        }),
      );
    native.signalAction(15, WORD);
    const ends = [DEFAULT, IGNORE, EXIT1, EXIT2].map(endsBy);
    native.signalAction(23, WAKE);
    const epoll = native.epollCreate();
    native.kill(native.getpid(), 23);
    const before = native.monotonicNs();
    native.epollWait(epoll, 5000, out);
    report({ ends, woken: native.monotonicNs() - before < 2e9, counted: words[23] });
  });
  expect(result).toEqual({ ends: [-15, 50, 1, 2], woken: true, counted: 0 });
});

test('blocked signals wait until they are unblocked, although Node’s other threads block none', async () => {
  const counts = await runScriptForOne(({ native, fs, check, report }) => {
    const words = new Int32Array(native.signalWords());
    const self = native.getpid();
    check(fs.readdirSync('/proc/self/task').length > 1);
    const counts: unknown[] = [];
    for (const signal of [1, 10, 15]) {
      native.signalAction(signal, native.SIG_ACTION.WORD);
      native.signalMask('block', [signal]);
      // The first goes to another thread, which passes it on and blocks it as well; the second stays with the process.
      native.kill(self, signal);
      native.futexWait(native.mapShared(native.createSegment('pause', 4096), 4096).segment, 0, 0, 20);
      const blocked = words[signal];
      native.signalMask('unblock', [signal]);
      const unblocked = words[signal];
      native.signalMask('block', [signal]);
      for (let i = 0; i < 10; i++) native.kill(self, signal);
      const blockedAgain = words[signal];
      native.signalMask('set', []);
      counts.push([blocked, unblocked, blockedAgain, words[signal]! > unblocked!]);
    }
    report(counts);
  });
  expect(counts).toEqual([
    [0, 1, 1, true],
    [0, 1, 1, true],
    [0, 1, 1, true],
  ]);
});

test('a signal that another thread received ends a futex wait of the main thread', async () => {
  const result = await runScriptForOne(({ native, require, addonPath, report }) => {
    const { Worker: Thread } = require('node:worker_threads') as typeof import('node:worker_threads');
    const { segment, buffer } = native.mapShared(native.createSegment('words', 4096), 4096);
    const words = new Int32Array(buffer);
    const counted = new Int32Array(native.signalWords());
    native.signalAction(12, native.SIG_ACTION.WORD);
    // The worker keeps sending while the main thread sleeps, from a mask that the main thread did not block.
    const worker = new Thread(
      `const native = require(${JSON.stringify(addonPath)});
       const words = new Int32Array(native.segmentBuffer(${segment}));
       while (Atomics.load(words, 1) === 0) { native.kill(process.pid, 12); native.futexWait(${segment}, 8, 0, 5); }`,
      { eval: true },
    );
    const ended = native.futexWait(segment, 0, 0, 10_000);
    Atomics.store(words, 1, 1);
    worker.on('exit', () => report({ interrupted: ended === -native.ERRNO.EINTR, counted: counted[12]! > 0 }));
  });
  expect(result).toEqual({ interrupted: true, counted: true });
});

test('the alarm fires once, after its fraction of a second, and can be disarmed', async () => {
  const result = await runScriptForOne(({ native, report }) => {
    const words = new Int32Array(native.signalWords());
    const out = new Int32Array(16);
    native.signalAction(14, native.SIG_ACTION.WORD);
    const epoll = native.epollCreate();
    const before = native.monotonicNs();
    native.setAlarm(12.5);
    native.epollWait(epoll, 10_000, out);
    const afterMs = (native.monotonicNs() - before) / 1e6;
    native.setAlarm(10);
    native.setAlarm(0);
    native.epollWait(epoll, 60, out);
    report({ count: words[14], inTime: afterMs >= 12 && afterMs < 2000 });
  });
  expect(result).toEqual({ count: 1, inTime: true });
});

test('SIGQUIT ends an endless JavaScript loop with the message of the reason, in C', async () => {
  const results = await runScript(({ native, child, reap, report }) => {
    const { segment, buffer } = native.mapShared(native.createSegment('reason', 4096), 4096);
    const words = new Int32Array(buffer);
    const messages = ['first', 'second, longer'].map((text) => new TextEncoder().encode(text));
    const into = new Uint8Array(100);
    const dieWith = (reason: number, arm: boolean): void => {
      const [ours, theirs] = native.socketPair('stream') as [number, number];
      Atomics.store(words, 0, 0);
      const pid = child(() => {
        native.signalAction(3, native.SIG_ACTION.QUICKDIE);
        if (arm) native.quickdieArm(theirs, segment, 16, messages);
        Atomics.store(words, 0, 1);
        for (;;);
      });
      native.closeFd(theirs);
      while (Atomics.load(words, 0) === 0) native.futexWait(segment, 0, 0, 1);
      Atomics.store(words, 4, reason);
      native.kill(pid, 3);
      const code = reap(pid);
      const length = native.recv(ours, into, 0, into.length);
      native.closeFd(ours);
      report([code, new TextDecoder().decode(into.subarray(0, length))]);
    };
    dieWith(0, true);
    dieWith(1, true);
    dieWith(99, true);
    dieWith(0, false);
  });
  expect(results).toEqual([
    [2, 'first'],
    [2, 'second, longer'],
    [2, 'first'],
    [2, ''],
  ]);
});

test('SIGQUIT ends the process even when the peer does not read', async () => {
  const code = await runScriptForOne(({ native, child, reap, report }) => {
    const { segment } = native.mapShared(native.createSegment('reason', 4096), 4096);
    const [, theirs] = native.socketPair('stream') as [number, number];
    const pid = child(() => {
      native.signalAction(3, native.SIG_ACTION.QUICKDIE);
      native.quickdieArm(theirs, segment, 0, [new Uint8Array(1024)]);
      native.setNonblocking(theirs, true);
      const filler = new Uint8Array(1 << 16);
      while (native.send(theirs, filler, 0, filler.length) > 0);
      native.setNonblocking(theirs, false);
      native.kill(native.getpid(), 3);
      return 77;
    });
    report(reap(pid));
  });
  expect(code).toBe(2);
});

test('a storm of signals hits waits and garbage collection without harm', async () => {
  const result = await runScriptForOne(({ native, child, report }) => {
    const words = new Int32Array(native.signalWords());
    const out = new Int32Array(16);
    native.signalAction(10, native.SIG_ACTION.WORD);
    const target = native.getpid();
    const epoll = native.epollCreate();
    const pid = child(() => {
      for (let i = 0; i < 20_000; i++) native.kill(target, 10);
      return 0;
    });
    let rows: object[] = [];
    let seen = 0;
    while (native.waitpid(pid, false, out) === 0) {
      for (let i = 0; i < 500; i++) rows.push({ i });
      if (rows.length > 100_000) rows = [];
      native.epollWait(epoll, 1, out);
      seen += Atomics.exchange(words, 10, 0);
    }
    report(seen > 0 && seen <= 20_000);
  });
  expect(result).toBe(true);
});
