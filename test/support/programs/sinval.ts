/** sinval.ts — the ring of invalidation messages between real processes.
 *
 *  argv: messages per writer. Two writers send numbered messages, three readers read at different paces. Prints one JSON
 *  line: what each reader saw, and what was wrong with it. */
import { monotonicMs } from '#platform/clock.ts';
import { native, SIGNAL } from '#platform/native.ts';
import { reportHooks } from '#runtime/error/report.ts';
import { exitProcess, resetExitCallbacks } from '#runtime/exit-callbacks.ts';
import {
  checkForInterrupts,
  clearInterruptPending,
  setInterruptHandler,
  takeSignal,
  useSignalWords,
} from '#runtime/interrupts.ts';
import { becomeProcess } from '#runtime/my-process.ts';
import { forgetLatch } from '#shm/latch.ts';
import { lwLockShmem } from '#shm/lwlock-array.ts';
import { mapSegment, mem } from '#shm/memory.ts';
import { privateAlloc } from '#shm/private-memory.ts';
import { initProcess, procShmem, setProcCounts } from '#shm/proc.ts';
import { initShmemHeader, requestedShmemSize, requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import { initWaiting } from '#shm/wait-event-set.ts';
import { backendIdShmem, takeBackendId } from '#storage/ipc/backend-ids.ts';
import { procSignalInit, procSignalShmem, takeProcSignal } from '#storage/ipc/proc-signal.ts';
import {
  catchupInterruptPending,
  handleCatchupInterrupt,
  receiveSharedInvalidMessages,
  sendSharedInvalidMessages,
  SINVAL_MESSAGE_SIZE,
  sinvalShmem,
} from '#storage/ipc/sinval.ts';

const PER_WRITER = Number(process.argv[2] ?? 20_000);
const [WRITERS, READERS] = [2, 3];
useSignalWords(new Int32Array(native.signalWords()));
reportHooks.exitProcess = exitProcess;
reportHooks.emit = () => {};
setProcCounts({ client: WRITERS + READERS, autovacuum: 0, bgworker: 0, walsender: 0, auxiliary: 0 });
const subsystems = [lwLockShmem, procShmem, backendIdShmem, procSignalShmem, sinvalShmem];
for (const subsystem of subsystems) subsystem.request();
requestShmemSpace(4096);
const size = requestedShmemSize();
mapSegment(native.createSegment('sinval', size), size);
initShmemHeader(size, native.getpid(), 1);
for (const subsystem of subsystems) subsystem.init();
const area = shmemInitStruct('area', 4096).at;
const word = (i: number): number => (area + 4 * i) >>> 2;
const pause = new Int32Array(new SharedArrayBuffer(4));

let catchups = 0;
function child(work: () => void): number {
  const pid = native.fork();
  if (pid !== 0) return pid;
  resetExitCallbacks();
  forgetLatch();
  native.parentDeathSignal(SIGNAL.KILL);
  becomeProcess('test', 'test');
  initWaiting(-1);
  native.signalAction(SIGNAL.URG, native.SIG_ACTION.WAKE);
  native.signalAction(SIGNAL.USR1, native.SIG_ACTION.WORD);
  setInterruptHandler(() => {
    clearInterruptPending();
    if (takeSignal(SIGNAL.USR1) && takeProcSignal('catchupInterrupt')) {
      catchups++;
      handleCatchupInterrupt();
    }
  });
  initProcess('client');
  takeBackendId();
  procSignalInit();
  Atomics.add(mem.i32, word(0), 1);
  while (Atomics.load(mem.i32, word(0)) < WRITERS + READERS) Atomics.wait(pause, 0, 0, 1);
  work();
  return exitProcess(0);
}

function write(writer: number): void {
  const at = privateAlloc(64 * SINVAL_MESSAGE_SIZE);
  for (let sent = 0; sent < PER_WRITER; ) {
    const now = Math.min(1 + (sent % 64), PER_WRITER - sent);
    for (let i = 0; i < now; i++) {
      mem.view.setInt32(at + i * SINVAL_MESSAGE_SIZE, writer, true);
      mem.view.setUint32(at + i * SINVAL_MESSAGE_SIZE + 8, ++sent, true);
    }
    sendSharedInvalidMessages(at, now);
  }
  Atomics.add(mem.i32, word(1), 1);
}

/** Reader 0 reads all the time, 1 when it is asked to catch up, 2 hardly ever. */
function read(reader: number): void {
  const last = [0, 0];
  let wrong = 0;
  let resets = 0;
  let seen = 0;
  let afterReset = false;
  const receive = (): void =>
    receiveSharedInvalidMessages(
      (at) => {
        const writer = mem.view.getInt32(at, true);
        const number = mem.view.getUint32(at + 8, true);
        // Without a reset in between nothing may be missing.
        if (number !== last[writer]! + 1 && !afterReset) wrong++;
        if (number <= last[writer]!) wrong++;
        last[writer] = number;
        if (last.every((one) => one > 0)) afterReset = false;
        seen++;
      },
      () => {
        resets++;
        afterReset = true;
        last.fill(0);
      },
    );
  const deadline = monotonicMs() + 30_000;
  while (Atomics.load(mem.i32, word(1)) < WRITERS && monotonicMs() < deadline) {
    checkForInterrupts();
    if (reader === 0 || (reader === 1 && catchupInterruptPending())) receive();
    else Atomics.wait(pause, 0, 0, reader === 1 ? 1 : 20);
  }
  receive();
  const base = 16 + reader * 8;
  for (const [i, value] of [wrong, resets, seen, catchups, ...last].entries())
    Atomics.store(mem.i32, word(base + i), value);
}

const pids = [
  ...Array.from({ length: READERS }, (_, i) => child(() => read(i))),
  ...Array.from({ length: WRITERS }, (_, i) => child(() => write(i))),
];
const out = new Int32Array(2);
const failures = pids.flatMap((pid) => {
  native.waitpid(pid, true, out);
  return out[1] === 0 ? [] : [`process ${pid} ended with status ${out[1]}`];
});
const readers = Array.from({ length: READERS }, (_, i) => {
  const value = (field: number): number => mem.i32[word(16 + i * 8 + field)]!;
  return { wrong: value(0), resets: value(1), seen: value(2), catchups: value(3), last: [value(4), value(5)] };
});
console.log(JSON.stringify({ failures, readers }));
