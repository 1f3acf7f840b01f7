/** wake-thread.ts — a thread that sleeps in epoll for a process whose main thread lives in Node's event loop. */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { packageRoot } from '#platform/native.ts';

export interface WakePlace {
  readonly segment: number;
  /** Byte offsets of the latch's two words. */
  readonly isSet: number;
  readonly maybeSleeping: number;
  readonly deathPipe: number;
}

/** The thread's whole program: announce the sleep, look at the latch, sleep, tell. After a wake-up it waits until the
 *  main thread has reset the latch, or it would spin. */
const PROGRAM = `
const { parentPort, workerData } = require('node:worker_threads');
const native = require(workerData.addon);
const words = new Int32Array(native.segmentBuffer(workerData.segment));
const isSet = workerData.isSet >>> 2, sleeping = workerData.maybeSleeping >>> 2;
const epoll = native.epollCreate();
native.epollAdd(epoll, workerData.deathPipe, native.EPOLL.IN, 1);
const events = new Int32Array(8);
for (;;) {
  Atomics.store(words, sleeping, 1);
  const seen = Atomics.load(words, isSet);
  if (seen === 0) {
    const count = native.epollWait(epoll, -1, events);
    if (count > 0) { parentPort.postMessage('postmaster-died'); break; }
  }
  parentPort.postMessage('wake');
  while (Atomics.load(words, isSet) !== 0) native.futexWait(workerData.segment, workerData.isSet, 1, 10);
}
`;

export function startWakeThread(place: WakePlace, onWake: (why: 'wake' | 'postmaster-died') => void): void {
  const worker = new Worker(PROGRAM, {
    eval: true,
    workerData: { ...place, addon: join(packageRoot, 'native-shm', 'index.cjs') },
  });
  // The thread keeps the event loop alive: an awaited latch is nothing that Node would wait for. The end of the worker's
  // main ends the process without asking it.
  worker.on('message', onWake);
}
