/** ipc.ts — latches, condition variables, message queues, dynamic segments and barriers between real processes.
 *
 *  argv: one of the scenario names. Prints one JSON line. */
import { createHash } from 'node:crypto';
import { native, SIGNAL } from '#platform/native.ts';
import { exitProcess, resetExitCallbacks } from '#runtime/exit-callbacks.ts';
import { reportHooks } from '#runtime/error/report.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { clearInterruptPending, setInterruptHandler, takeSignal, useSignalWords } from '#runtime/interrupts.ts';
import { becomeProcess, myProcess } from '#runtime/my-process.ts';
import {
  ConditionVariable,
  conditionVariableBroadcast,
  conditionVariableCancelSleep,
  conditionVariableSleep,
  initConditionVariable,
} from '#shm/condition-variable.ts';
import { forgetLatch, resetLatch, setLatch } from '#shm/latch.ts';
import { lwLockShmem } from '#shm/lwlock-array.ts';
import { mapSegment, mem } from '#shm/memory.ts';
import { initProcess, latchAt, procShmem, setProcCounts } from '#shm/proc.ts';
import { initShmemHeader, requestedShmemSize, requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import { initWaiting, waitLatch } from '#shm/wait-event-set.ts';
import { backendIdShmem, takeBackendId } from '#storage/ipc/backend-ids.ts';
import { dsmAttach, dsmCreate, dsmDetach, dsmPin, dsmShmem, dsmUnpin } from '#storage/ipc/dsm.ts';
import {
  emitProcSignalBarrier,
  processProcSignalBarrier,
  procSignalInit,
  procSignalShmem,
  setBarrierHandler,
  waitForProcSignalBarrier,
} from '#storage/ipc/proc-signal.ts';
import { ShmMqHandle, shmMqCreate, shmMqSetReceiver, shmMqSetSender } from '#storage/ipc/shm-mq.ts';

const PROCESSES = 8;
useSignalWords(new Int32Array(native.signalWords()));
reportHooks.exitProcess = exitProcess;
setProcCounts({ client: PROCESSES, autovacuum: 0, bgworker: 0, walsender: 0, auxiliary: 0 });
const subsystems = [lwLockShmem, dsmShmem, procShmem, backendIdShmem, procSignalShmem];
for (const subsystem of subsystems) subsystem.request();
requestShmemSpace(65_536);
const size = requestedShmemSize();
mapSegment(native.createSegment('ipc', size), size);
initShmemHeader(size, native.getpid(), 1);
for (const subsystem of subsystems) subsystem.init();
const area = shmemInitStruct('area', 65_536).at;
const word = (i: number): number => (area + 4 * i) >>> 2;

function join(): void {
  becomeProcess('test', 'test');
  initWaiting(-1);
  native.signalAction(SIGNAL.URG, native.SIG_ACTION.WAKE);
  native.signalAction(SIGNAL.USR1, native.SIG_ACTION.WORD);
  setInterruptHandler(() => {
    clearInterruptPending();
    if (takeSignal(SIGNAL.USR1)) processProcSignalBarrier();
  });
  initProcess('client');
  takeBackendId();
  procSignalInit();
}
/** A child that runs `work` as a process with a PGPROC and leaves cleanly. */
function child(work: () => void): number {
  const pid = native.fork();
  if (pid !== 0) return pid;
  resetExitCallbacks();
  forgetLatch();
  native.parentDeathSignal(SIGNAL.KILL);
  join();
  work();
  return exitProcess(0);
}
function reap(pids: readonly number[]): string[] {
  const out = new Int32Array(2);
  return pids.flatMap((pid) => {
    native.waitpid(pid, true, out);
    return out[1] === 0 ? [] : [`process ${pid} ended with status ${out[1]}`];
  });
}
const pause = new Int32Array(new SharedArrayBuffer(4));
function until(condition: () => boolean): void {
  while (!condition()) Atomics.wait(pause, 0, 0, 1);
}

const scenarios: Record<string, () => object> = {
  /** Two processes hand a number back and forth; each step is one setLatch and one sleep. */
  latch() {
    const turns = 20_000;
    const play = (me: 0 | 1): void => {
      Atomics.store(mem.i32, word(1 + me), myProcess.procNumber + 1);
      until(() => Atomics.load(mem.i32, word(2 - me)) !== 0);
      const other = latchAt(Atomics.load(mem.i32, word(2 - me)) - 1);
      for (;;) {
        resetLatch();
        const turn = Atomics.load(mem.i32, word(0));
        if (turn >= turns) break;
        if (turn % 2 === me) {
          Atomics.store(mem.i32, word(0), turn + 1);
          setLatch(other);
        } else waitLatch({ timeoutMs: 20_000 }, WAIT_EVENT.Extension);
      }
      setLatch(other);
    };
    const failures = reap([child(() => play(0)), child(() => play(1))]);
    return { failures, turns: mem.i32[word(0)], expected: turns };
  },

  /** Four sleepers see every one of 500 generations; the announcer waits until all have. */
  conditionVariable() {
    const generations = 500;
    const [cv, seenCv] = [area + 1024, area + 1024 + ConditionVariable.SIZE];
    initConditionVariable(cv);
    initConditionVariable(seenCv);
    const sleeper = (): void => {
      for (let g = 1; g <= generations; g++) {
        while (Atomics.load(mem.i32, word(0)) < g) conditionVariableSleep(cv, WAIT_EVENT.Extension);
        conditionVariableCancelSleep();
        Atomics.add(mem.i32, word(1), 1);
        conditionVariableBroadcast(seenCv);
      }
    };
    const announcer = (): void => {
      for (let g = 1; g <= generations; g++) {
        Atomics.store(mem.i32, word(0), g);
        conditionVariableBroadcast(cv);
        while (Atomics.load(mem.i32, word(1)) < 4 * g) conditionVariableSleep(seenCv, WAIT_EVENT.Extension);
        conditionVariableCancelSleep();
      }
    };
    const failures = reap([child(sleeper), child(sleeper), child(sleeper), child(sleeper), child(announcer)]);
    return { failures, seen: mem.i32[word(1)], expected: 4 * generations };
  },

  /** Messages of 0 to 20,000 bytes through a ring of 4 kB; then the sender leaves and the receiver drains the rest. */
  messageQueue() {
    const messages = 400;
    const queue = area + 4096;
    shmMqCreate(queue, 4096);
    const content = (i: number): Buffer => Buffer.alloc((i * 7919) % 20_000, i % 251);
    const digest = createHash('sha256');
    for (let i = 0; i < messages; i++) digest.update(content(i));
    const sender = (): void => {
      shmMqSetSender(queue, myProcess.procNumber);
      const handle = new ShmMqHandle(queue);
      handle.waitForAttach();
      for (let i = 0; i < messages; i++) handle.send(content(i));
      handle.detach();
    };
    const receiver = (): void => {
      shmMqSetReceiver(queue, myProcess.procNumber);
      const handle = new ShmMqHandle(queue);
      const got = createHash('sha256');
      let count = 0;
      for (let next = handle.receive(); next.result === 'success'; next = handle.receive()) {
        got.update(next.message!);
        count++;
      }
      Atomics.store(mem.i32, word(0), count);
      mem.u8.set(got.digest(), area + 64);
    };
    const failures = reap([child(receiver), child(sender)]);
    const received = Buffer.from(mem.u8.slice(area + 64, area + 96)).toString('hex');
    return { failures, count: mem.i32[word(0)], expected: messages, same: received === digest.digest('hex') };
  },

  /** A segment is shared by its handle, outlives its maker while somebody uses it, and its space is used again. */
  dsm() {
    let handle = 0;
    const maker = child(() => {
      const made = dsmCreate(100_000);
      mem.u8.fill(7, made.at, made.at + 100_000);
      dsmPin(made.handle);
      Atomics.store(mem.i32, word(0), made.handle);
    });
    const first = reap([maker]);
    handle = mem.i32[word(0)]!;
    const user = child(() => {
      const found = dsmAttach(handle);
      const sevens =
        found === undefined ? -1 : mem.u8.subarray(found.at, found.at + 100_000).filter((b) => b === 7).length;
      Atomics.store(mem.i32, word(1), sevens);
      dsmDetach(handle);
      dsmUnpin(handle);
      Atomics.store(mem.i32, word(2), dsmAttach(handle) === undefined ? 1 : 0);
      const again = dsmCreate(3_000_000);
      Atomics.store(mem.i32, word(3), mem.u8[again.at] === 0 && again.handle !== handle ? 1 : 0);
    });
    const second = reap([user]);
    return {
      failures: [...first, ...second],
      sevens: mem.i32[word(1)],
      gone: mem.i32[word(2)],
      reused: mem.i32[word(3)],
    };
  },

  /** The emitter goes on only after every process has done what the barrier asks. */
  barrier() {
    const others = 3;
    const absorber = (): void => {
      setBarrierHandler('smgrRelease', () => {
        Atomics.add(mem.i32, word(1), 1);
        return true;
      });
      Atomics.add(mem.i32, word(0), 1);
      while (Atomics.load(mem.i32, word(2)) === 0) {
        waitLatch({ timeoutMs: 50 }, WAIT_EVENT.Extension);
        resetLatch();
        clearInterruptPending();
        if (takeSignal(SIGNAL.USR1)) processProcSignalBarrier();
      }
    };
    const emitter = (): void => {
      until(() => Atomics.load(mem.i32, word(0)) === others);
      for (let round = 1; round <= 20; round++) {
        waitForProcSignalBarrier(emitProcSignalBarrier('smgrRelease'));
        if (Atomics.load(mem.i32, word(1)) !== others * round) Atomics.add(mem.i32, word(3), 1);
      }
      Atomics.store(mem.i32, word(2), 1);
    };
    const pids = Array.from({ length: others }, () => child(absorber));
    const failures = reap([child(emitter), ...pids]);
    return { failures, early: mem.i32[word(3)], absorbed: mem.i32[word(1)], expected: others * 20 };
  },
};
console.log(JSON.stringify(scenarios[process.argv[2]!]!()));
