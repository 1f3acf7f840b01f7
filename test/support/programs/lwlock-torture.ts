/** lwlock-torture.ts — several processes fight for a few LWLocks over one segment; the parent stops and continues them
 *  at random and checks the books at the end.
 *
 *  argv: processes, operations per process, seed, 'stop' to send SIGSTOP/SIGCONT. Prints one JSON line. */
import { monotonicMs } from '#platform/clock.ts';
import { native, SIGNAL } from '#platform/native.ts';
import { exitProcess, resetExitCallbacks } from '#runtime/exit-callbacks.ts';
import { reportHooks } from '#runtime/error/report.ts';
import { useSignalWords } from '#runtime/interrupts.ts';
import { becomeProcess } from '#runtime/my-process.ts';
import {
  initializeLWLock,
  lwLockAcquire,
  lwLockAcquireOrWait,
  lwLockConditionalAcquire,
  lwLockRelease,
} from '#shm/lwlock.ts';
import { LWLOCK_STRIDE } from '#shm/lwlock-layout.ts';
import { mapSegment, mem } from '#shm/memory.ts';
import { initProcess, procShmem, setProcCounts } from '#shm/proc.ts';
import { initShmemHeader, requestedShmemSize, requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import { initWaiting } from '#shm/wait-event-set.ts';

const [processes, operations, seed] = process.argv.slice(2, 5).map(Number) as [number, number, number];
const stops = process.argv[5] === 'stop';
const LOCKS = 3;
/** Per lock: [exclusive counter, writers inside, readers inside, violations]. */
const BOOK_BYTES = 64;

useSignalWords(new Int32Array(native.signalWords()));
reportHooks.exitProcess = exitProcess;
becomeProcess('test', 'test');
setProcCounts({ client: processes + 1, autovacuum: 0, bgworker: 0, walsender: 0, auxiliary: 0 });
procShmem.request();
requestShmemSpace(LOCKS * LWLOCK_STRIDE);
requestShmemSpace(LOCKS * BOOK_BYTES);
const size = requestedShmemSize();
mapSegment(native.createSegment('lwlock-torture', size), size);
initShmemHeader(size, native.getpid(), 1);
procShmem.init();
const locksAt = shmemInitStruct('locks', LOCKS * LWLOCK_STRIDE).at;
const booksAt = shmemInitStruct('books', LOCKS * BOOK_BYTES).at;
for (let i = 0; i < LOCKS; i++) initializeLWLock(locksAt + i * LWLOCK_STRIDE, 100 + i);
const book = (lock: number, field: number): number => (booksAt + lock * BOOK_BYTES + field * 4) >>> 2;

let state = seed;
function random(below: number): number {
  state = (Math.imul(state, 1103515245) + 12345) >>> 0;
  return Math.floor((state / 0x1_0000_0000) * below);
}

/** Returns how many exclusive increments this process made. */
function work(): number[] {
  const mine = [0, 0, 0];
  for (let n = 0; n < operations; n++) {
    const which = random(LOCKS);
    const lock = locksAt + which * LWLOCK_STRIDE;
    const kind = random(10);
    if (kind < 5) {
      lwLockAcquire(lock, 'shared');
      Atomics.add(mem.i32, book(which, 2), 1);
      if (Atomics.load(mem.i32, book(which, 1)) !== 0) Atomics.add(mem.i32, book(which, 3), 1);
      Atomics.sub(mem.i32, book(which, 2), 1);
      lwLockRelease(lock);
      continue;
    }
    if (kind === 8) {
      if (!lwLockConditionalAcquire(lock, 'exclusive')) continue;
    } else if (kind === 9) {
      if (!lwLockAcquireOrWait(lock, 'exclusive')) continue;
    } else lwLockAcquire(lock, 'exclusive');
    if (Atomics.add(mem.i32, book(which, 1), 1) !== 0 || Atomics.load(mem.i32, book(which, 2)) !== 0)
      Atomics.add(mem.i32, book(which, 3), 1);
    // A plain read-modify-write: exact only if nobody else is inside.
    const at = book(which, 0);
    mem.i32[at] = mem.i32[at]! + 1;
    mine[which]!++;
    Atomics.sub(mem.i32, book(which, 1), 1);
    lwLockRelease(lock);
  }
  return mine;
}

const resultsAt = shmemInitStruct('results', 16 * (processes + 1)).at;
const children: number[] = [];
for (let child = 0; child < processes; child++) {
  const pid = native.fork();
  if (pid === 0) {
    resetExitCallbacks();
    becomeProcess('test', 'test');
    initWaiting(-1);
    native.signalAction(SIGNAL.URG, native.SIG_ACTION.WAKE);
    native.parentDeathSignal(SIGNAL.KILL);
    state = seed + child * 7919;
    initProcess('client');
    const mine = work();
    for (const [lock, count] of mine.entries())
      Atomics.store(mem.i32, (resultsAt + 16 * child + 4 * lock) >>> 2, count);
    exitProcess(0);
  }
  children.push(pid);
}

const live = new Set(children);
const out = new Int32Array(2);
const failures: string[] = [];
const pause = new Int32Array(new SharedArrayBuffer(4));
const started = monotonicMs();
let stopped = 0;
while (live.size > 0) {
  while (native.waitpid(-1, false, out) === 1) {
    live.delete(out[0]!);
    if (out[1] !== 0) failures.push(`process ${out[0]} ended with status ${out[1]}`);
  }
  if (stops && live.size > 0) {
    const victim = [...live][random(live.size)]!;
    native.kill(victim, SIGNAL.STOP);
    Atomics.wait(pause, 0, 0, 1 + random(5));
    native.kill(victim, SIGNAL.CONT);
    stopped++;
  }
  Atomics.wait(pause, 0, 0, 1 + random(4));
  if (monotonicMs() - started > 300_000) {
    failures.push(`still running after 300 s: ${[...live].join(' ')}`);
    for (const pid of live) native.kill(pid, SIGNAL.KILL);
    break;
  }
}
const expected = [0, 0, 0];
for (let child = 0; child < processes; child++)
  for (let lock = 0; lock < LOCKS; lock++)
    expected[lock]! += Atomics.load(mem.i32, (resultsAt + 16 * child + 4 * lock) >>> 2);
const counters = expected.map((_, lock) => mem.i32[book(lock, 0)]!);
const violations = expected.map((_, lock) => mem.i32[book(lock, 3)]!);
console.log(
  JSON.stringify({ expected, counters, violations, failures, stopped, ms: Math.round(monotonicMs() - started) }),
);
