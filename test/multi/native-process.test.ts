import { expect, test } from 'vitest';
import { runScript, runScriptForOne } from '../support/native-script.ts';

test('spawnProcess places descriptors whose numbers overlap and closes all others', async () => {
  const result = await runScriptForOne(({ native, fs, reap, report }) => {
    const open = (text: string): number => {
      const [reader, writer] = native.pipe(false) as [number, number];
      const bytes = new TextEncoder().encode(text);
      native.writeBytes(writer, bytes, 0, bytes.length);
      native.closeFd(writer);
      return reader;
    };
    const [resultReader, resultWriter] = native.pipe(false) as [number, number];
    const leak = fs.openSync('/dev/null', 'r');
    native.setCloseOnExec(leak, false);
    const first = open('first');
    const second = open('second');
    // first and second change places
    const script = `cat /proc/self/fd/${first}; echo; cat /proc/self/fd/${second}; echo; exec ls /proc/self/fd`;
    const pid = native.spawnProcess(
      '/bin/sh',
      ['sh', '-c', script],
      ['PATH=/usr/bin:/bin'],
      [
        [0, 0],
        [resultWriter, 1],
        [2, 2],
        [first, second],
        [second, first],
      ],
    );
    native.closeFd(resultWriter);
    const code = reap(pid);
    const into = new Uint8Array(4096);
    const length = native.readBytes(resultReader, into, 0, into.length);
    const lines = new TextDecoder().decode(into.subarray(0, length)).trim().split('\n');
    // ls has one descriptor more: the folder it reads.
    report({ code, texts: lines.slice(0, 2), open: lines.length - 2 - 1 });
  });
  expect(result).toEqual({ code: 0, texts: ['second', 'first'], open: 5 });
});

test('spawnProcess passes arguments, environment and folder, with default and unblocked signals', async () => {
  const result = await runScriptForOne(({ native, reap, report }) => {
    const [reader, writer] = native.pipe(false) as [number, number];
    native.signalMask('block', [10, 12, 15]);
    native.signalAction(10, native.SIG_ACTION.IGNORE);
    const script = 'echo "$0/$1"; echo "$A"; pwd; exec grep -E "Sig(Blk|Ign)" /proc/self/status';
    const env = ['A=1 2', 'PATH=/usr/bin:/bin'];
    const pid = native.spawnProcess('/bin/sh', ['sh', '-c', script, 'zero', 'ö'], env, [[writer, 1]], '/usr');
    native.closeFd(writer);
    const code = reap(pid);
    const into = new Uint8Array(4096);
    const length = native.readBytes(reader, into, 0, into.length);
    report({ code, lines: new TextDecoder().decode(into.subarray(0, length)).trim().split('\n') });
  });
  const none = '\t0000000000000000';
  expect(result).toEqual({ code: 0, lines: ['zero/ö', '1 2', '/usr', `SigBlk:${none}`, `SigIgn:${none}`] });
});

test('a program or folder that cannot be used is an error of spawnProcess and leaves no child', async () => {
  const result = await runScriptForOne(({ native, report }) => {
    const { ENOENT, EACCES, ECHILD } = native.ERRNO;
    const out = new Int32Array(2);
    report([
      native.spawnProcess('/no/such/program', ['x'], [], []) === -ENOENT,
      native.spawnProcess('/etc/passwd', ['x'], [], []) === -EACCES,
      native.spawnProcess('/bin/true', ['x'], [], [], '/no/such/folder') === -ENOENT,
      native.spawnProcess('/bin/true', ['x'], [], [[999, 3]]) < 0,
      native.waitpid(-1, false, out) === -ECHILD,
    ]);
  });
  expect(result).toEqual([true, true, true, true, true]);
});

test('exec replaces the program, and returns only when it fails', async () => {
  const result = await runScript(({ native, child, reap, report }) => {
    const failed = native.exec('/no/such/program', ['x'], []) === -native.ERRNO.ENOENT;
    const pid = child(() => native.exec('/bin/sh', ['sh', '-c', 'echo "\\"$A\\""; exit 5'], ['A=b']));
    report({ failed, code: reap(pid) });
  });
  expect(result).toEqual(['b', { failed: true, code: 5 }]);
});

test('waitpid tells exits from kills, and answers 0 while the child lives', async () => {
  const result = await runScriptForOne(({ native, child, reap, report }) => {
    const out = new Int32Array(2);
    const sleeper = child(() => {
      native.epollWait(native.epollCreate(), -1, new Int32Array(2));
      return 0;
    });
    const living = native.waitpid(sleeper, false, out);
    native.kill(sleeper, 9);
    const killed = reap(sleeper);
    const aborted = reap(child(() => native.abortNow()));
    const exited = reap(child(() => 200));
    const gone = native.waitpid(sleeper, false, out) === -native.ERRNO.ECHILD;
    const probe = native.kill(sleeper, 0) === -native.ERRNO.ESRCH;
    report({ living, killed, aborted, exited, gone, probe });
  });
  expect(result).toEqual({ living: 0, killed: -9, aborted: -6, exited: 200, gone: true, probe: true });
});

test('abortNow dies by SIGABRT', async () => {
  await runScript(({ native }) => native.abortNow(), { expectCode: -6 });
});

test('a child dies with its parent when it asked for that', async () => {
  const died = await runScriptForOne(({ native, child, reap, report }) => {
    const [reader, writer] = native.pipe(false) as [number, number];
    const { segment, buffer } = native.mapShared(native.createSegment('ready', 4096), 4096);
    const words = new Int32Array(buffer);
    const middle = child(() => {
      child(() => {
        native.closeFd(reader);
        Atomics.store(words, 0, 1);
        native.epollWait(native.epollCreate(), -1, new Int32Array(2));
        return 0;
      });
      while (Atomics.load(words, 0) === 0) native.futexWait(segment, 0, 0, 1);
      return 0;
    });
    reap(middle);
    native.closeFd(writer);
    // End of stream comes when the grandchild, the last holder of the write end, is gone.
    report(native.readBytes(reader, new Uint8Array(1), 0, 1));
  });
  expect(died).toBe(0);
});

test('ps shows exactly the title: short, long, shortened again, and that of a forked child', async () => {
  const result = await runScriptForOne(
    ({ native, fs, require, check, child, reap, report }) => {
      const { execFileSync } = require('node:child_process') as typeof import('node:child_process');
      const shown = (pid: number): string =>
        fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1').replace(/\0+$/, '').split('\0').join(' ');
      const ps = (pid: number): string =>
        execFileSync('ps', ['-ww', '-o', 'args=', '-p', String(pid)], { encoding: 'utf8' }).trimEnd();
      const self = native.getpid();
      const room = native.titleInit();
      check(native.titleInit() === room);
      const show = (title: string): boolean => {
        native.setTitle(title);
        return shown(self) === title && ps(self) === title;
      };
      const argumentsLength = fs.readFileSync('/proc/self/cmdline').length;
      const long = 'postgres: '.padEnd(argumentsLength + 300, 'abc ').trimEnd();
      const lengths = [argumentsLength - 2, argumentsLength - 1, argumentsLength, argumentsLength + 1];
      const results = {
        short: show('postgres: checkpointer '.trimEnd()),
        edges: lengths.map((length) => show('x'.repeat(length))),
        long: show(long),
        shorter: show('postgres'),
        cut: false,
        child: 0,
        parentAfterwards: false,
        environment: '',
        name: fs.readFileSync('/proc/self/comm', 'utf8').trim(),
      };
      native.setTitle('y'.repeat(room + 50));
      results.cut = shown(self) === 'y'.repeat(room);
      native.setTitle('postgres: parent');
      results.child = reap(
        child(() => {
          native.setTitle('postgres: child of a parent');
          return shown(native.getpid()) === 'postgres: child of a parent' ? 0 : 1;
        }),
      );
      results.parentAfterwards = shown(self) === 'postgres: parent';
      results.environment = execFileSync('/bin/sh', ['-c', 'echo $NATIVE_TEST'], { encoding: 'utf8' }).trim();
      report({ ...results, room: room > 300 });
    },
    { env: { NATIVE_TEST: 'still here', PADDING: 'p'.repeat(2000) } },
  );
  expect(result).toEqual({
    short: true,
    edges: [true, true, true, true],
    long: true,
    shorter: true,
    cut: true,
    child: 0,
    parentAfterwards: true,
    environment: 'still here',
    name: 'postgres',
    room: true,
  });
});

test('clocks, identities, limits and random bytes are those of the system', async () => {
  const result = await runScriptForOne(({ native, child, reap, report }) => {
    const wall = native.realtimeUs();
    const steady = native.monotonicNs();
    const random = [new Uint8Array(1000), new Uint8Array(1000)] as const;
    random.forEach((bytes) => void native.randomFill(bytes));
    const limit = native.raiseFileLimit(0);
    report({
      wall: Math.abs(wall / 1000 - Date.now()) < 1000 && Number.isInteger(wall),
      steady: Math.abs(steady - Number(process.hrtime.bigint())) < 1e9,
      pid: native.getpid() === process.pid,
      ppid: native.getppid() === process.ppid,
      uid: native.effectiveUid() === process.geteuid?.(),
      userName: native.userName(0),
      nobody: native.userName(4_000_000_000),
      random: random[0].some((byte, i) => byte !== random[1][i]),
      raised: native.raiseFileLimit(limit + 1) >= limit,
      unlimitCore: native.unlimitCore(),
      session: reap(child(() => (native.setsid() === native.getpid() ? 0 : 1))),
      message: native.errorMessage(-native.ERRNO.ENOENT),
      sameMessage: native.errorMessage(native.ERRNO.ENOENT),
    });
  });
  expect(result).toEqual({
    wall: true,
    steady: true,
    pid: true,
    ppid: true,
    uid: true,
    userName: 'root',
    nobody: null,
    random: true,
    raised: true,
    unlimitCore: 0,
    session: 0,
    message: 'No such file or directory',
    sameMessage: 'No such file or directory',
  });
});
