/** latch.bench.ts — how long until a process that sleeps on its latch runs, after another one set it. */
import { native } from '#platform/native.ts';
import { myProcess } from '#runtime/my-process.ts';
import { resetLatch, setLatch } from '#shm/latch.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { procAt } from '#shm/proc.ts';
import { WL, waitLatch } from '#shm/wait-event-set.ts';
import { getWord, inProcesses, makeSegment, median, nanoseconds, putWord } from './bench-segment.ts';

const quick = process.argv.includes('--quick');
const ROUNDS = quick ? 500 : 5000;
const BATCHES = 7;
const words = makeSegment(2, 128);
const turn = words + 64;

/** Waits until it is this process's turn. The turn is looked at after the reset and before the sleep. */
function waitForTurn(mine: number): void {
  for (;;) {
    resetLatch();
    if (getWord(turn) === mine) return;
    const seen = waitLatch({ timeoutMs: 10_000 }, 0);
    if (seen & WL.TIMEOUT) throw new Error('a wake-up was lost');
  }
}

inProcesses(2, (index) => {
  putWord(words + 4 * index, myProcess.procNumber + 1);
  while (getWord(words) === 0 || getWord(words + 4) === 0);
  const other = procAt(getWord(words + 4 * (1 - index)) - 1) + PgProc.latch.offset;
  const times: number[] = [];
  for (let batch = 0; batch <= BATCHES; batch++) {
    const began = native.monotonicNs();
    for (let n = 0; n < ROUNDS; n++) {
      waitForTurn(index);
      putWord(turn, 1 - index);
      setLatch(other);
    }
    if (batch > 0) times.push((native.monotonicNs() - began) / ROUNDS);
  }
  if (index === 0) putWord(words + 8, median(times));
});
inProcesses(1, () => {
  const own = procAt(myProcess.procNumber) + PgProc.latch.offset;
  const count = quick ? 10_000 : 100_000;
  const alone = (): void => {
    for (let n = 0; n < count; n++) {
      setLatch(own);
      waitLatch(undefined, 0);
      resetLatch();
    }
  };
  putWord(words + 12, 10 * nanoseconds(count, alone));
});
console.log(
  JSON.stringify([
    {
      name: 'latch to and fro, 2 processes',
      value: getWord(words + 8) / 1000,
      unit: 'us',
      note: 'two sleeps, two wake-ups by SIGURG',
    },
    {
      name: 'latch set, wait, reset, alone',
      value: getWord(words + 12) / 10,
      unit: 'ns',
      note: 'already set: no system call',
    },
  ]),
);
