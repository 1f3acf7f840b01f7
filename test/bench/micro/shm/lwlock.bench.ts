/** lwlock.bench.ts — what an LWLock costs: alone, and when two processes want it at the same time. */
import { native } from '#platform/native.ts';
import { initializeLWLock, lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { LWLOCK_STRIDE } from '#shm/lwlock-layout.ts';
import { mem } from '#shm/memory.ts';
import { getWord, inProcesses, makeSegment, nanoseconds, putWord } from './bench-segment.ts';

const quick = process.argv.includes('--quick');
const OPERATIONS = quick ? 20_000 : 200_000;
const CONTENDED = quick ? 20_000 : 300_000;
const PROCESSES = 2;

const lock = makeSegment(PROCESSES, LWLOCK_STRIDE + 64);
const words = lock + LWLOCK_STRIDE;
initializeLWLock(lock, 100);

function pairs(mode: 'exclusive' | 'shared', count: number): void {
  for (let n = 0; n < count; n++) {
    lwLockAcquire(lock, mode);
    lwLockRelease(lock);
  }
}

inProcesses(1, () => {
  putWord(words, 10 * nanoseconds(OPERATIONS, () => pairs('exclusive', OPERATIONS)));
  putWord(words + 4, 10 * nanoseconds(OPERATIONS, () => pairs('shared', OPERATIONS)));
});

/** Both start together; the time of the slower one counts, divided by what both did. */
function contended(mode: 'exclusive' | 'shared'): number {
  putWord(words + 8, 0);
  inProcesses(PROCESSES, (index) => {
    pairs(mode, OPERATIONS);
    Atomics.add(mem.i32, (words + 8) >>> 2, 1);
    while (getWord(words + 8) < PROCESSES);
    const began = native.monotonicNs();
    for (let n = 0; n < CONTENDED; n++) {
      lwLockAcquire(lock, mode);
      // A plain increment: exact only if the lock excludes.
      if (mode === 'exclusive') mem.i32[(words + 12) >>> 2] = mem.i32[(words + 12) >>> 2]! + 1;
      lwLockRelease(lock);
    }
    putWord(words + 16 + 4 * index, (native.monotonicNs() - began) / 1000);
  });
  const slower = Math.max(getWord(words + 16), getWord(words + 20));
  return (1000 * slower) / (PROCESSES * CONTENDED);
}

const exclusive = contended('exclusive');
if (getWord(words + 12) !== PROCESSES * CONTENDED) throw new Error('the lock did not exclude');
const shared = contended('shared');
console.log(
  JSON.stringify([
    {
      name: 'LWLock exclusive, alone',
      value: getWord(words) / 10,
      unit: 'ns',
      note: 'acquire + release: 2 CAS, no system call',
    },
    {
      name: 'LWLock shared, alone',
      value: getWord(words + 4) / 10,
      unit: 'ns',
      note: 'acquire + release: 2 CAS, no system call',
    },
    {
      name: 'LWLock exclusive, 2 processes',
      value: exclusive,
      unit: 'ns',
      note: 'per acquire + release of either; includes futex sleeps',
    },
    {
      name: 'LWLock shared, 2 processes',
      value: shared,
      unit: 'ns',
      note: 'per acquire + release of either; one cache line goes to and fro',
    },
  ]),
);
