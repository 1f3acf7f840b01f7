/** bench-segment.ts — a small segment with a PGPROC for each of a few forked processes, for measurements. */
import { native, SIGNAL } from '#platform/native.ts';
import { reportHooks } from '#runtime/error/report.ts';
import { exitProcess, resetExitCallbacks } from '#runtime/exit-callbacks.ts';
import { useSignalWords } from '#runtime/interrupts.ts';
import { becomeProcess } from '#runtime/my-process.ts';
import { mapSegment, mem } from '#shm/memory.ts';
import { initProcess, procShmem, setProcCounts } from '#shm/proc.ts';
import { initShmemHeader, requestedShmemSize, requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import { initWaiting } from '#shm/wait-event-set.ts';

/** Makes the segment; returns the offset of `bytes` bytes for the caller's own use. */
export function makeSegment(processes: number, bytes: number): number {
  useSignalWords(new Int32Array(native.signalWords()));
  reportHooks.exitProcess = exitProcess;
  becomeProcess('test', 'test');
  setProcCounts({ client: processes + 1, autovacuum: 0, bgworker: 0, walsender: 0, auxiliary: 0 });
  procShmem.request();
  requestShmemSpace(bytes);
  const size = requestedShmemSize();
  mapSegment(native.createSegment('bench', size), size);
  initShmemHeader(size, native.getpid(), 1);
  procShmem.init();
  return shmemInitStruct('bench', bytes).at;
}

/** Runs `work(index)` in `processes` children at the same time and waits for them; a child that dies is an error. */
export function inProcesses(processes: number, work: (index: number) => void): void {
  for (let index = 0; index < processes; index++) {
    const pid = native.fork();
    if (pid < 0) throw new Error(`fork: ${native.errorMessage(-pid)}`);
    if (pid > 0) continue;
    resetExitCallbacks();
    becomeProcess('test', 'test');
    initWaiting(-1);
    native.signalAction(SIGNAL.URG, native.SIG_ACTION.WAKE);
    native.parentDeathSignal(SIGNAL.KILL);
    initProcess('client');
    work(index);
    exitProcess(0);
  }
  const out = new Int32Array(2);
  for (let ended = 0; ended < processes; ended++) {
    if (native.waitpid(-1, true, out) !== 1 || out[1] !== 0) throw new Error(`a child ended with status ${out[1]}`);
  }
}

export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** Nanoseconds per call of `work`, which does `times` of what is measured: median of several batches after a warm-up. */
export function nanoseconds(times: number, work: () => void): number {
  work();
  const batches: number[] = [];
  for (let n = 0; n < 9; n++) {
    const began = native.monotonicNs();
    work();
    batches.push((native.monotonicNs() - began) / times);
  }
  return median(batches);
}

/** Results travel as whole numbers in shared memory. */
export const putWord = (at: number, value: number): void => {
  Atomics.store(mem.i32, at >>> 2, Math.round(value));
};
export const getWord = (at: number): number => Atomics.load(mem.i32, at >>> 2);
