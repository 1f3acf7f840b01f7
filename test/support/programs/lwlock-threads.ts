/** lwlock-threads.ts — the lock code of src/shm under worker_threads: one process, one mapping, several threads, each with
 *  its own copy of the modules and its own PGPROC.
 *
 *  argv: threads, operations per thread, seed. Prints one JSON line, in the form of lwlock-torture.ts. */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { native } from '#platform/native.ts';
import { myProcess } from '#runtime/my-process.ts';
import { initializeLWLock, lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { LWLOCK_STRIDE } from '#shm/lwlock-layout.ts';
import { attachSegmentOfThread, mapSegment, mem, segmentId } from '#shm/memory.ts';
import { procShmem, setProcCounts } from '#shm/proc.ts';
import { initShmemHeader, requestedShmemSize, requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';

const LOCKS = 3;
interface ThreadData {
  readonly segment: number;
  readonly number: number;
  readonly threads: number;
  readonly operations: number;
  readonly seed: number;
}

function attach(threads: number): { locks: number; counters: number } {
  setProcCounts({ client: threads + 1, autovacuum: 0, bgworker: 0, walsender: 0, auxiliary: 0 });
  procShmem.init();
  const locks = shmemInitStruct('locks', LOCKS * LWLOCK_STRIDE).at;
  return { locks, counters: shmemInitStruct('counters', 128).at };
}

function thread(data: ThreadData): void {
  attachSegmentOfThread(data.segment);
  const { locks, counters } = attach(data.threads);
  // A thread shares its process's pid and signals, so it takes only what locks need: a PGPROC with its semaphore.
  myProcess.procNumber = data.number;
  let state = data.seed + data.number * 31;
  const mine = [0, 0, 0];
  let violations = 0;
  for (let n = 0; n < data.operations; n++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    const which = state % LOCKS;
    const word = (counters + 4 * which) >>> 2;
    if ((state >>> 16) % 2 === 0) {
      lwLockAcquire(locks + which * LWLOCK_STRIDE, 'shared');
      const before = mem.i32[word];
      if (mem.i32[word] !== before) violations++;
      lwLockRelease(locks + which * LWLOCK_STRIDE);
    } else {
      lwLockAcquire(locks + which * LWLOCK_STRIDE, 'exclusive');
      mem.i32[word] = mem.i32[word]! + 1;
      mine[which]!++;
      lwLockRelease(locks + which * LWLOCK_STRIDE);
    }
  }
  parentPort?.postMessage({ mine, violations });
}

async function main(): Promise<void> {
  const [threads, operations, seed] = process.argv.slice(2).map(Number) as [number, number, number];
  setProcCounts({ client: threads + 1, autovacuum: 0, bgworker: 0, walsender: 0, auxiliary: 0 });
  procShmem.request();
  requestShmemSpace(LOCKS * LWLOCK_STRIDE);
  requestShmemSpace(128);
  const size = requestedShmemSize();
  mapSegment(native.createSegment('lwlock-threads', size), size);
  initShmemHeader(size, native.getpid(), 1);
  const { locks, counters } = attach(threads);
  for (let i = 0; i < LOCKS; i++) initializeLWLock(locks + i * LWLOCK_STRIDE, 100 + i);
  const done = await Promise.all(
    Array.from(
      { length: threads },
      (_, number) =>
        new Promise<{ mine: number[]; violations: number }>((resolve, reject) => {
          const worker = new Worker(__filename, {
            workerData: { segment: segmentId, number, threads, operations, seed } satisfies ThreadData,
          });
          worker.on('message', resolve);
          worker.on('error', reject);
        }),
    ),
  );
  const expected = [0, 1, 2].map((lock) => done.reduce((sum, one) => sum + one.mine[lock]!, 0));
  const found = [0, 1, 2].map((lock) => mem.i32[(counters + 4 * lock) >>> 2]!);
  const violations = done.reduce((sum, one) => sum + one.violations, 0);
  console.log(JSON.stringify({ expected, counters: found, violations: [violations, 0, 0], failures: [], stopped: 0 }));
}

if (isMainThread) main();
else thread(workerData as ThreadData);
