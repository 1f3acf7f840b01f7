/** buffer.bench.ts — what a page costs that is in the pool: pin and release, lock and unlock, both with a second pin held. */
import { FORK } from '#base/ids.ts';
import { reportHooks } from '#runtime/error/report.ts';
import { exitProcess } from '#runtime/exit-callbacks.ts';
import { BUFFER_LOCK, P_NEW, RBM } from '#storage/buffer/buffer-layout.ts';
import { lockBuffer } from '#storage/buffer/buffer-lock.ts';
import { markBufferDirty } from '#storage/buffer/dirty.ts';
import { releaseBuffer } from '#storage/buffer/pin.ts';
import { readBuffer } from '#storage/buffer/read-buffer.ts';
import { smgrCreate, smgrOpen } from '#storage/smgr/smgr.ts';
import { enterDataDirectory, joinPool, makeSharedPool, node } from '../../../support/pool-fixture.ts';

const quick = process.argv.includes('--quick');
const TIMES = quick ? 20_000 : 300_000;
const PAGES = 256;

reportHooks.exitProcess = exitProcess;
const leave = enterDataDirectory();
makeSharedPool(1024, 2, 0);
joinPool();
const rel = smgrOpen(node(40_000), -1);
smgrCreate(rel, FORK.main, false);
for (let i = 0; i < PAGES; i++) releaseBuffer(readBuffer(rel, 'u', FORK.main, P_NEW, RBM.normal, null));

/** Processor time, so that a busy machine does not count. */
const cpuNs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
};
function nanoseconds(work: (times: number) => void): number {
  work(TIMES);
  const batches: number[] = [];
  for (let n = 0; n < 9; n++) {
    const began = cpuNs();
    work(TIMES);
    batches.push((cpuNs() - began) / TIMES);
  }
  return batches.sort((a, b) => a - b)[4]!;
}

const hit = nanoseconds((times) => {
  for (let n = 0; n < times; n++) releaseBuffer(readBuffer(rel, 'u', FORK.main, n % PAGES, RBM.normal, null));
});
const held = readBuffer(rel, 'u', FORK.main, 7, RBM.normal, null);
const again = nanoseconds((times) => {
  for (let n = 0; n < times; n++) releaseBuffer(readBuffer(rel, 'u', FORK.main, 7, RBM.normal, null));
});
const share = nanoseconds((times) => {
  for (let n = 0; n < times; n++) {
    lockBuffer(held, BUFFER_LOCK.share);
    lockBuffer(held, BUFFER_LOCK.unlock);
  }
});
const exclusive = nanoseconds((times) => {
  for (let n = 0; n < times; n++) {
    lockBuffer(held, BUFFER_LOCK.exclusive);
    lockBuffer(held, BUFFER_LOCK.unlock);
  }
});
lockBuffer(held, BUFFER_LOCK.exclusive);
const dirty = nanoseconds((times) => {
  for (let n = 0; n < times; n++) markBufferDirty(held);
});
lockBuffer(held, BUFFER_LOCK.unlock);
releaseBuffer(held);
leave();

const row = (name: string, value: number, note: string): object => ({ name, value, unit: 'ns', note });
process.stdout.write(
  `${JSON.stringify([
    row('buffer read + release, hit', hit, 'partition lock, lookup, pin, unpin: 4 CAS; resource owner'),
    row('buffer read + release, pinned already', again, 'no shared pin: 2 CAS'),
    row('buffer lock + unlock, share', share, '2 CAS'),
    row('buffer lock + unlock, exclusive', exclusive, '2 CAS'),
    row('buffer marked dirty', dirty, '1 CAS'),
  ])}\n`,
);
