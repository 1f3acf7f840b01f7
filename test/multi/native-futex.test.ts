import { expect, test } from 'vitest';
import { runScriptForOne } from '../support/native-script.ts';

test('two processes count exactly under a lock of compare-and-swap and futex', async () => {
  const counted = await runScriptForOne(({ native, child, reap, report }) => {
    const size = 4096;
    const { segment, buffer } = native.mapShared(native.createSegment('counter', size), size);
    const words = new Int32Array(buffer);
    const rounds = 1_000_000;
    // word 0: the lock (0 free, 1 held, 2 held with sleepers); word 16: a plain counter that only the lock protects
    const work = (): number => {
      for (let i = 0; i < rounds; i++) {
        if (Atomics.compareExchange(words, 0, 0, 1) !== 0) {
          while (Atomics.exchange(words, 0, 2) !== 0) native.futexWait(segment, 0, 2, -1);
        }
        words[16]!++;
        if (Atomics.exchange(words, 0, 0) === 2) native.futexWake(segment, 0, 1);
      }
      return 0;
    };
    const first = child(work);
    const second = child(work);
    report({ codes: [reap(first), reap(second)], count: words[16] });
  });
  expect(counted).toEqual({ codes: [0, 0], count: 2_000_000 });
});

test('atomic additions of four processes are all there', async () => {
  const counted = await runScriptForOne(({ native, child, reap, report }) => {
    const { buffer } = native.mapShared(native.createSegment('counter', 4096), 4096);
    const words = new Int32Array(buffer);
    const wide = new BigInt64Array(buffer);
    const pids = [1, 2, 3, 4].map(() =>
      child(() => {
        for (let i = 0; i < 250_000; i++) {
          Atomics.add(words, 0, 1);
          Atomics.add(wide, 8, 3n);
        }
        return 0;
      }),
    );
    pids.forEach(reap);
    report([words[0], Number(wide[8])]);
  });
  expect(counted).toEqual([1_000_000, 3_000_000]);
});

test('a wait ends by wake-up, by a differing value, by timeout or by a signal', async () => {
  const results = await runScriptForOne(({ native, child, reap, report }) => {
    const { ERRNO } = native;
    const { segment, buffer } = native.mapShared(native.createSegment('waits', 4096), 4096);
    const words = new Int32Array(buffer);
    native.signalAction(10, native.SIG_ACTION.WORD);

    const sleeper = child(() => {
      Atomics.store(words, 1, 1);
      return native.futexWait(segment, 0, 0, -1) === 0 ? 0 : 1;
    });
    while (Atomics.load(words, 1) === 0);
    let woken = 0;
    while (woken === 0) woken = native.futexWake(segment, 0, 1);
    const awaited = reap(sleeper);

    const interrupted = child(() => {
      Atomics.store(words, 2, 1);
      return native.futexWait(segment, 0, 0, -1) === -ERRNO.EINTR ? 0 : 1;
    });
    while (Atomics.load(words, 2) === 0);
    // The signal may come before the sleep begins: send until the child is gone.
    const out = new Int32Array(2);
    while (native.waitpid(interrupted, false, out) === 0) {
      native.kill(interrupted, 10);
      native.futexWait(segment, 64, 0, 2);
    }

    const before = native.monotonicNs();
    const timedOut = native.futexWait(segment, 0, 0, 20.5);
    const waitedMs = (native.monotonicNs() - before) / 1e6;
    report({
      woken,
      awaited,
      interrupted: out[1],
      timedOut: timedOut === -ERRNO.ETIMEDOUT,
      waitedLongEnough: waitedMs >= 20.5 && waitedMs < 2000,
      differs: native.futexWait(segment, 0, 7, -1) === -ERRNO.EAGAIN,
      nobody: native.futexWake(segment, 0, 10),
    });
  });
  expect(results).toEqual({
    woken: 1,
    awaited: 0,
    interrupted: 0,
    timedOut: true,
    waitedLongEnough: true,
    differs: true,
    nobody: 0,
  });
});

test('an expected word may be written as a signed or as an unsigned number', async () => {
  const results = await runScriptForOne(({ native, report }) => {
    const { segment, buffer } = native.mapShared(native.createSegment('words', 4096), 4096);
    new Int32Array(buffer)[0] = -5;
    report([native.futexWait(segment, 0, -5, 1), native.futexWait(segment, 0, 4294967291, 1)].map((r) => -r));
  });
  const etimedout = 110;
  expect(results).toEqual([etimedout, etimedout]);
});

test('all sleepers wake when as many are asked for', async () => {
  const result = await runScriptForOne(({ native, child, reap, report }) => {
    const { segment, buffer } = native.mapShared(native.createSegment('many', 4096), 4096);
    const words = new Int32Array(buffer);
    const pids = [1, 2, 3, 4, 5].map(() =>
      child(() => {
        Atomics.add(words, 1, 1);
        while (Atomics.load(words, 0) === 0) native.futexWait(segment, 0, 0, -1);
        return 0;
      }),
    );
    while (Atomics.load(words, 1) !== 5) native.futexWait(segment, 8, 0, 1);
    Atomics.store(words, 0, 1);
    native.futexWake(segment, 0, 100);
    report(pids.map(reap));
  });
  expect(result).toEqual([0, 0, 0, 0, 0]);
});
