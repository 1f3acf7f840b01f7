/** buffers.ts — several processes read, dirty and evict through a pool that is far too small; one of them makes
 *  checkpoints, one extends, and at the end every counter on every page must be exact.
 *
 *  argv: processes, operations per process, seed. Prints one JSON line. */
import { readFileSync } from 'node:fs';
import { native, SIGNAL } from '#platform/native.ts';
import { BLCKSZ, FORK } from '#base/ids.ts';
import { reportHooks } from '#runtime/error/report.ts';
import { exitProcess, resetExitCallbacks } from '#runtime/exit-callbacks.ts';
import { clearInterruptPending, setInterruptHandler } from '#runtime/interrupts.ts';
import { forgetLatch } from '#shm/latch.ts';
import { mem } from '#shm/memory.ts';
import { shmemInitStruct } from '#shm/shmem.ts';
import { initializeLWLock, lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { BUF_REFCOUNT_MASK, BUFFER_LOCK, P_NEW, RBM } from '#storage/buffer/buffer-layout.ts';
import { readState } from '#storage/buffer/buffer-header.ts';
import {
  conditionalLockBufferForCleanup,
  lockBuffer,
  lockBufferForCleanup,
  unlockReleaseBuffer,
} from '#storage/buffer/buffer-lock.ts';
import { bufferBlock, bufferPage, descriptorAt, nBuffers } from '#storage/buffer/buffer-pool.ts';
import { bgBufferSync } from '#storage/buffer/background-sync.ts';
import { checkpointBuffers } from '#storage/buffer/checkpoint-buffers.ts';
import { markBufferDirty, markBufferDirtyHint } from '#storage/buffer/dirty.ts';
import { dropRelationBuffers } from '#storage/buffer/drop-buffers.ts';
import { pinnedBuffers, releaseBuffer } from '#storage/buffer/pin.ts';
import { readBuffer } from '#storage/buffer/read-buffer.ts';
import { getAccessStrategy } from '#storage/buffer/ring-strategy.ts';
import { newWritebackContext } from '#storage/buffer/writeback.ts';
import { CHECKPOINT } from '#storage/ipc/checkpoint-mailbox.ts';
import { smgrCreate, smgrOpen, type SmgrRelation } from '#storage/smgr/smgr.ts';
import { endOwner, enterDataDirectory, joinPool, makeSharedPool, node } from '../pool-fixture.ts';

const [processes, operations, seed] = process.argv.slice(2, 5).map(Number) as [number, number, number];
const BUFFERS = 16 + 2 * processes;
const PAGES = 4 * BUFFERS;
/** A page: a counter under the exclusive lock, one under cleanup locks, a hint that is set and never taken back. */
const COUNTER = 24;
const CLEANED = 28;
const HINT = 32;

reportHooks.exitProcess = exitProcess;
const leave = enterDataDirectory();
makeSharedPool(BUFFERS, processes + 3, 65_536);
const area = shmemInitStruct('books', 60_000).at;
const extensionLock = area;
initializeLWLock(extensionLock, 100);
const cleanupLock = area + 128;
initializeLWLock(cleanupLock, 101);
/** Word i of the books: per page the increments, per page the cleanups, then errors. */
const word = (i: number): number => (area + 256 + 4 * i) >>> 2;
const add = (i: number): number => Atomics.add(mem.i32, word(i), 1);
const get = (i: number): number => Atomics.load(mem.i32, word(i));
const VIOLATIONS = 2 * PAGES;
const FINISHED = 2 * PAGES + 1;
const EXTENDED = 2 * PAGES + 2;

let rel: SmgrRelation;
let grown: SmgrRelation;
let scratch: SmgrRelation;
function open(): void {
  rel = smgrOpen(node(30_000), -1);
  grown = smgrOpen(node(30_001), -1);
  scratch = smgrOpen(node(30_002), -1);
}

function fill(page: number): void {
  mem.view.setUint16(page + 12, 40, true);
  mem.view.setUint16(page + 14, BLCKSZ, true);
  mem.view.setUint16(page + 16, BLCKSZ, true);
  mem.view.setUint16(page + 18, BLCKSZ | 4, true);
}

function child(index: number, work: () => void): number {
  const pid = native.fork();
  if (pid !== 0) return pid;
  resetExitCallbacks();
  forgetLatch();
  native.parentDeathSignal(SIGNAL.KILL);
  native.signalAction(SIGNAL.URG, native.SIG_ACTION.WAKE);
  setInterruptHandler(clearInterruptPending);
  joinPool();
  open();
  state = seed + index * 7919;
  try {
    work();
    if (pinnedBuffers().length > 0) throw new Error(`still pinned: ${pinnedBuffers().join(' ')}`);
    endOwner(true);
  } catch (error) {
    process.stderr.write(`process ${index}: ${(error as Error).stack}\n`);
    native.exitNow(3);
  }
  return exitProcess(0);
}

let state = seed;
function random(below: number): number {
  state = (Math.imul(state, 1103515245) + 12345) >>> 0;
  return Math.floor((state / 0x1_0000_0000) * below);
}

function backend(): void {
  const strategy = getAccessStrategy('bulkwrite');
  for (let n = 0; n < operations; n++) {
    // Some pages are wanted by all, so that hits, waits for I/O and cleanup waits all happen.
    const block = random(3) === 0 ? random(4) : random(PAGES);
    const buffer = readBuffer(rel, 'u', FORK.main, block, RBM.normal, random(4) === 0 ? strategy : null);
    const page = bufferPage(buffer);
    if (bufferBlock(buffer) !== block) add(VIOLATIONS);
    const kind = random(12);
    if (kind < 5) {
      lockBuffer(buffer, BUFFER_LOCK.exclusive);
      mem.view.setUint32(page + COUNTER, mem.view.getUint32(page + COUNTER, true) + 1, true);
      markBufferDirty(buffer);
      unlockReleaseBuffer(buffer);
      add(block);
    } else if (kind < 7) {
      lockBuffer(buffer, BUFFER_LOCK.share);
      Atomics.or(mem.i32, (page + HINT) >>> 2, 1 << random(16));
      markBufferDirtyHint(buffer, true);
      unlockReleaseBuffer(buffer);
    } else if (kind === 7) {
      if (conditionalLockBufferForCleanup(buffer)) cleanUp(buffer, block);
      else releaseBuffer(buffer);
    } else if (kind === 8 && block < PAGES / 2 && block % processes === 0) {
      // Only one process may wait for a page's cleanup lock: table-level locks see to that in a server. Nobody may hold a
      // pin while it waits for that lock.
      releaseBuffer(buffer);
      lwLockAcquire(cleanupLock, 'exclusive');
      const again = readBuffer(rel, 'u', FORK.main, block, RBM.normal, null);
      lockBufferForCleanup(again);
      cleanUp(again, block);
      lwLockRelease(cleanupLock);
    } else if (kind === 9) extendGrown(buffer);
    else {
      lockBuffer(buffer, BUFFER_LOCK.share);
      // The counter in the page is never behind what we could have seen finished, never ahead of what was begun.
      if (mem.view.getUint32(page + COUNTER, true) > get(block) + processes) add(VIOLATIONS);
      unlockReleaseBuffer(buffer);
    }
  }
}

function cleanUp(buffer: number, block: number): void {
  const page = bufferPage(buffer);
  if ((readState(descriptorAt(buffer - 1)) & BUF_REFCOUNT_MASK) < 1) add(VIOLATIONS);
  mem.view.setUint32(page + CLEANED, mem.view.getUint32(page + CLEANED, true) + 1, true);
  markBufferDirty(buffer);
  unlockReleaseBuffer(buffer);
  add(PAGES + block);
}

/** Under the extension lock, each extension adds one page that says which. */
function extendGrown(held: number): void {
  releaseBuffer(held);
  lwLockAcquire(extensionLock, 'exclusive');
  const buffer = readBuffer(grown, 'u', FORK.main, P_NEW, RBM.zeroAndLock, null);
  lwLockRelease(extensionLock);
  const page = bufferPage(buffer);
  fill(page);
  mem.view.setUint32(page + COUNTER, bufferBlock(buffer) + 1, true);
  markBufferDirty(buffer);
  unlockReleaseBuffer(buffer);
  add(EXTENDED);
}

/** Checkpoints and scans until all are done. */
function writer(): void {
  const context = newWritebackContext(() => 64);
  while (get(FINISHED) < processes) {
    checkpointBuffers(CHECKPOINT.flushAll);
    bgBufferSync(context);
  }
}
/** Fills and drops a relation of its own, so that buffers are invalidated under everybody's feet. */
function dropper(): void {
  while (get(FINISHED) < processes) {
    for (let block = 0; block < 6; block++) {
      const buffer = readBuffer(scratch, 'u', FORK.main, block, RBM.zeroAndLock, null);
      fill(bufferPage(buffer));
      markBufferDirty(buffer);
      unlockReleaseBuffer(buffer);
    }
    dropRelationBuffers(scratch, [FORK.main], [0]);
  }
}

function main(): object {
  const pids = [
    child(0, () => {
      for (const one of [rel, grown, scratch]) smgrCreate(one, FORK.main, false);
      for (let block = 0; block < PAGES; block++) {
        const buffer = readBuffer(rel, 'u', FORK.main, P_NEW, RBM.zeroAndLock, null);
        fill(bufferPage(buffer));
        markBufferDirty(buffer);
        unlockReleaseBuffer(buffer);
      }
      for (let block = 0; block < 6; block++)
        releaseBuffer(readBuffer(scratch, 'u', FORK.main, P_NEW, RBM.normal, null));
    }),
  ];
  const failures = reap(pids);
  if (failures.length > 0) return { failures };
  const work = Array.from({ length: processes }, (_, i) =>
    child(i + 1, () => {
      try {
        backend();
      } finally {
        add(FINISHED);
      }
    }),
  );
  const helpers = [child(100, writer), child(101, dropper)];
  failures.push(...reap(work));
  // A process that died cannot say that it is finished.
  while (get(FINISHED) < processes) add(FINISHED);
  failures.push(...reap(helpers));
  failures.push(...reap([child(102, () => void checkpointBuffers(CHECKPOINT.flushAll))]));
  return { failures, ...audit() };
}

function audit(): object {
  const file = readFileSync('base/5/30000');
  let wrong = 0;
  let total = 0;
  for (let block = 0; block < PAGES; block++) {
    total += get(block);
    if (file.readUInt32LE(block * BLCKSZ + COUNTER) !== get(block)) wrong++;
    if (file.readUInt32LE(block * BLCKSZ + CLEANED) !== get(PAGES + block)) wrong++;
  }
  const more = readFileSync('base/5/30001');
  for (let block = 0; block * BLCKSZ < more.length; block++)
    if (more.readUInt32LE(block * BLCKSZ + COUNTER) !== block + 1) wrong++;
  let pinned = 0;
  for (let id = 0; id < nBuffers; id++) if ((readState(descriptorAt(id)) & BUF_REFCOUNT_MASK) !== 0) pinned++;
  let cleanups = 0;
  for (let block = 0; block < PAGES; block++) cleanups += get(PAGES + block);
  return {
    wrong,
    total,
    cleanups,
    pinned,
    violations: get(VIOLATIONS),
    extended: get(EXTENDED),
    grownBlocks: more.length / BLCKSZ,
  };
}

function reap(pids: readonly number[]): string[] {
  const out = new Int32Array(2);
  return pids.flatMap((pid) => {
    native.waitpid(pid, true, out);
    return out[1] === 0 ? [] : [`process ${pid} ended with status ${out[1]}`];
  });
}

const outcome = main();
leave();
process.stdout.write(`${JSON.stringify(outcome)}\n`);
