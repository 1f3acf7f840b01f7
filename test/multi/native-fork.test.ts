import { expect, test } from 'vitest';
import { runScript, runScriptForOne } from '../support/native-script.ts';

interface Wasm {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: Record<string, unknown> };
}

test('a forked child collects garbage, compiles, and runs wasm, regular expressions, BigInt and crypto', async () => {
  const codes = await runScriptForOne(({ check, require, child, reap, report }) => {
    const crypto = require('node:crypto') as typeof import('node:crypto');
    const wasm = (globalThis as unknown as { WebAssembly: Wasm }).WebAssembly;
    const thrownBy = (work: () => unknown): string => {
      try {
        work();
      } catch (error) {
        return (error as Error).name;
      }
      return 'nothing';
    };
    const works: Record<string, () => undefined> = {
      garbage: () => {
        let kept: object[] = [];
        for (let i = 0; i < 2_000_000; i++) {
          kept.push({ i, text: `row ${i}` });
          if (kept.length === 100_000) kept = [];
        }
        check(kept.length === 0);
      },
      largeBuffers: () => {
        let sum = 0;
        for (let i = 0; i < 200; i++) sum += new Uint8Array(4 << 20).fill(1)[i]!;
        check(sum === 200);
      },
      hotLoop: () => {
        const step = (x: number, i: number): number => (Math.imul(x, 31) + i) | 0;
        let x = 1;
        for (let i = 0; i < 30_000_000; i++) x = step(x, i);
        check(Number.isInteger(x));
      },
      generated: () => {
        for (let i = 0; i < 200; i++) check(new Function('a', `return a * ${i} + ${i}`)(2) === i * 3);
      },
      wasm: () => {
        // (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add)
        const bytes = [0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0];
        bytes.push(7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11);
        const instance = new wasm.Instance(new wasm.Module(new Uint8Array(bytes)));
        const add = instance.exports['add'] as (a: number, b: number) => number;
        let sum = 0;
        for (let i = 0; i < 1_000_000; i++) sum = add(sum, 2);
        check(sum === 2_000_000);
      },
      regularExpressions: () => {
        for (let i = 0; i < 500; i++) check(new RegExp(`^key${i}=(\\w+)$`).test(`key${i}=value`));
      },
      bigInt: () => {
        let product = 1n;
        for (let i = 1n; i <= 500n; i++) product *= i;
        check(product.toString().length === 1135);
      },
      crypto: () => {
        check(!crypto.randomBytes(16).equals(crypto.randomBytes(16)));
        check(crypto.createHash('sha256').update('abc').digest('hex').startsWith('ba7816bf'));
        crypto.pbkdf2Sync('password', 'salt', 4096, 32, 'sha256');
      },
      exceptions: () => {
        const deep = (n: number): number => (n === 0 ? JSON.parse('{') : deep(n - 1));
        for (let i = 0; i < 300; i++) check(thrownBy(() => deep(100)) === 'SyntaxError');
        const endless = (): number => endless() + 1;
        check(thrownBy(endless) === 'RangeError');
      },
    };
    const pids = Object.entries(works).map(([name, work]) => [name, child(work)] as const);
    report(Object.fromEntries(pids.map(([name, pid]) => [name, reap(pid)])));
  });
  expect(codes).toEqual({
    garbage: 0,
    largeBuffers: 0,
    hotLoop: 0,
    generated: 0,
    wasm: 0,
    regularExpressions: 0,
    bigInt: 0,
    crypto: 0,
    exceptions: 0,
  });
});

test('200 forks in a row end with their own codes and leave no zombie', async () => {
  const result = await runScriptForOne(({ native, child, reap, report }) => {
    let wrong = 0;
    for (let i = 0; i < 200; i++) {
      const pid = child(() => {
        const rows = Array.from({ length: 2000 }, (_, k) => ({ k }));
        return (rows.length + i) % 251;
      });
      if (reap(pid) !== (2000 + i) % 251) wrong++;
    }
    const none = native.waitpid(-1, false, new Int32Array(2));
    report({ wrong, none: none === -native.ERRNO.ECHILD });
  });
  expect(result).toEqual({ wrong: 0, none: true });
});

test('20 children live at once from a parent that is busy between the forks', async () => {
  const result = await runScriptForOne(({ native, child, reap, report }) => {
    const { segment, buffer } = native.mapShared(native.createSegment('gate', 4096), 4096);
    const words = new Int32Array(buffer);
    let garbage: object[] = [];
    const pids: number[] = [];
    for (let n = 0; n < 20; n++) {
      for (let i = 0; i < 50_000; i++) garbage.push({ i });
      if (n % 3 === 0) garbage = [];
      const pid = child(() => {
        Atomics.add(words, 0, 1);
        while (Atomics.load(words, 1) === 0) native.futexWait(segment, 4, 0, -1);
        let own: object[] = [];
        for (let i = 0; i < 200_000; i++) {
          own.push({ i });
          if (own.length > 50_000) own = [];
        }
        return n;
      });
      pids.push(pid);
    }
    while (Atomics.load(words, 0) !== 20) native.futexWait(segment, 8, 0, 1);
    Atomics.store(words, 1, 1);
    native.futexWake(segment, 4, 20);
    const codes = pids.map(reap);
    report({ codes, none: native.waitpid(-1, false, new Int32Array(2)) === -native.ERRNO.ECHILD });
  });
  expect(result).toEqual({ codes: Array.from({ length: 20 }, (_, n) => n), none: true });
});

test('a child forks children of its own', async () => {
  const depth = await runScriptForOne(({ native, child, reap, report }) => {
    const descend = (level: number): number => (level === 5 ? 5 : reap(child(() => descend(level + 1))));
    const deepest = descend(0);
    const parent = native.getpid();
    const told = reap(child(() => (native.getppid() === parent ? 7 : 8)));
    report([deepest, told]);
  });
  expect(depth).toEqual([5, 7]);
});

test('parent and child do not see each other’s JavaScript heap but share the segment', async () => {
  const result = await runScriptForOne(({ native, child, reap, report }) => {
    const { buffer } = native.mapShared(native.createSegment('both', 4096), 4096);
    const words = new Int32Array(buffer);
    let mine = 1;
    const code = reap(
      child(() => {
        mine = 2;
        words[0] = 42;
        return mine;
      }),
    );
    report({ code, mine, word: words[0] });
  });
  expect(result).toEqual({ code: 2, mine: 1, word: 42 });
});

test('the child starts without deliveries, alarms, latch or armed message, and wakes only itself', async () => {
  const result = await runScriptForOne(({ native, child, reap, report }) => {
    const { WORD, QUICKDIE } = native.SIG_ACTION;
    const { segment, buffer } = native.mapShared(native.createSegment('latch', 4096), 4096);
    const latch = new Int32Array(buffer);
    const words = new Int32Array(native.signalWords());
    const out = new Int32Array(16);
    for (const signal of [10, 14]) native.signalAction(signal, WORD);
    native.signalAction(3, QUICKDIE);
    const [ours, theirs] = native.socketPair('stream') as [number, number];
    native.setNonblocking(theirs, true);
    native.signalLatch(segment, 0, 4);
    native.quickdieArm(ours, segment, 8, [new Uint8Array([65])]);
    native.kill(native.getpid(), 10);
    native.setAlarm(60);
    const inChild = reap(
      child(() => {
        const epoll = native.epollCreate();
        if (words[10] !== 0 || words[0] !== 0) return 11;
        native.epollWait(epoll, 150, out);
        if (words[14] !== 0) return 12;
        Atomics.store(latch, 0, 0);
        native.kill(native.getpid(), 10);
        if (Atomics.load(words, 10) !== 1 || Atomics.load(latch, 0) !== 0) return 13;
        // A handler without a latch always wakes the wait.
        if (native.epollWait(epoll, 10_000, out) !== 0) return 14;
        native.wakeSelf();
        native.kill(native.getpid(), 3);
        return 15;
      }),
    );
    const epoll = native.epollCreate();
    native.epollWait(epoll, 0, out);
    report({
      inChild,
      parentHad: words[10],
      alarm: words[14],
      nothingSent: native.recv(theirs, new Uint8Array(8), 0, 8) === -native.ERRNO.EAGAIN,
    });
  });
  expect(result).toEqual({ inChild: 2, parentHad: 1, alarm: 1, nothingSent: true });
});

test('the signal mask is the same before and after, on both sides', async () => {
  const result = await runScript(({ native, fs, child, reap, report }) => {
    const blocked = (): string | undefined => /SigBlk:\s*(\w+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))?.[1];
    native.signalMask('set', [10, 12]);
    const pid = child(() => {
      report(blocked());
      return 0;
    });
    reap(pid);
    report(blocked());
  });
  expect(result).toEqual(['0000000000000a00', '0000000000000a00']);
});

test('a lock on an open file is inherited, and gone with its last holder', async () => {
  const result = await runScriptForOne(({ native, child, reap, report }) => {
    const { segment, buffer } = native.mapShared(native.createSegment('gate', 4096), 4096);
    const words = new Int32Array(buffer);
    const held = native.openReadOnly('.');
    native.flock(held, 'exclusive');
    const pid = child(() => {
      while (Atomics.load(words, 0) === 0) native.futexWait(segment, 0, 0, -1);
      return 0;
    });
    native.closeFd(held);
    const other = native.openReadOnly('.');
    const whileChildLives = native.flock(other, 'exclusive') === -native.ERRNO.EWOULDBLOCK;
    Atomics.store(words, 0, 1);
    native.futexWake(segment, 0, 1);
    reap(pid);
    report({ whileChildLives, afterwards: native.flock(other, 'exclusive') });
  });
  expect(result).toEqual({ whileChildLives: true, afterwards: 0 });
});

test('descriptors of Node survive closeFrom, so that no task of V8 is announced into a file', async () => {
  const sizes = await runScriptForOne(
    ({ native, fs, child, reap, report }) => {
      const pid = child(() => {
        native.closeFrom(3, []);
        const files = Array.from({ length: 30 }, (_, i) => fs.openSync(`file${i}`, 'w+'));
        let kept: object[] = [];
        for (let round = 0; round < 40; round++) {
          for (let k = 0; k < 50_000; k++) kept.push({ k, list: [k] });
          if (round % 10 === 9) kept = [];
        }
        return files.filter((file) => fs.fstatSync(file).size !== 0).length;
      });
      report(reap(pid));
      for (let i = 0; i < 30; i++) fs.unlinkSync(`file${i}`);
    },
    { cwd: '/tmp' },
  );
  expect(sizes).toBe(0);
});

test('a child goes on with the grown heap of its parent', async () => {
  const codes = await runScriptForOne(({ child, reap, report }) => {
    const heap = new Map<string, object>();
    for (let i = 0; i < 200_000; i++) heap.set(`key ${i}`, { i, text: `value ${i}` });
    const pids = [1, 2, 3].map((n) =>
      child(() => {
        for (let i = 0; i < 100_000; i++) heap.set(`more ${i}`, { i });
        return heap.size === 300_000 && heap.has('key 77') ? n : 0;
      }),
    );
    report(pids.map(reap));
  });
  expect(codes).toEqual([1, 2, 3]);
});
