/** writers.ts — the real checkpointer and background writer beside processes that dirty pages and ask for checkpoints.
 *
 *  Their registered work writes the buffers and fsyncs; no WAL is involved. Prints one JSON line. */
import { readFileSync } from 'node:fs';
import { monotonicMs } from '#platform/clock.ts';
import { native, SIGNAL } from '#platform/native.ts';
import { BLCKSZ, FORK } from '#base/ids.ts';
import { PgError, reportHooks } from '#runtime/error/report.ts';
import { exitProcess, resetExitCallbacks } from '#runtime/exit-callbacks.ts';
import { setConfigOption } from '#runtime/guc/guc.ts';
import { clearInterruptPending, setInterruptHandler } from '#runtime/interrupts.ts';
import { becomeProcess, myProcess } from '#runtime/my-process.ts';
import { serverFacts } from '#runtime/server-facts.ts';
import { forgetLatch } from '#shm/latch.ts';
import { mem } from '#shm/memory.ts';
import { roleLatch } from '#shm/proc.ts';
import { shmemInitStruct } from '#shm/shmem.ts';
import { initWaiting } from '#shm/wait-event-set.ts';
import { backendStatusShmem } from '#stats/backend-status.ts';
import { bgwriterCounter } from '#stats/bgwriter-stats.ts';
import { BUFFER_LOCK, P_NEW, RBM } from '#storage/buffer/buffer-layout.ts';
import { lockBuffer, unlockReleaseBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferPage } from '#storage/buffer/buffer-pool.ts';
import { checkpointBuffers } from '#storage/buffer/checkpoint-buffers.ts';
import { markBufferDirty } from '#storage/buffer/dirty.ts';
import { readBuffer } from '#storage/buffer/read-buffer.ts';
import { AUXILIARY_SLOT, backendIdShmem } from '#storage/ipc/backend-ids.ts';
import { CHECKPOINT, requestCheckpoint } from '#storage/ipc/checkpoint-mailbox.ts';
import { procSignalShmem } from '#storage/ipc/proc-signal.ts';
import { pendingSyncCount, processSyncRequests } from '#storage/file/sync-requests.ts';
import { smgrCreate, smgrOpen } from '#storage/smgr/smgr.ts';
import { main as backgroundWriter } from '#processes/background-writer.ts';
import { main as checkpointer, setCheckpointWork } from '#processes/checkpointer.ts';
import { endOwner, enterDataDirectory, joinPool, makePoolWithServers, node } from '../pool-fixture.ts';

const PAGES = 120;
const VALUE = 24;
reportHooks.exitProcess = exitProcess;
serverFacts.isForked = true;
setConfigOption('bgwriter_delay', '10', 'sighup', 'file');
setConfigOption('checkpoint_timeout', '30', 'sighup', 'file');
setConfigOption('checkpoint_completion_target', '0.03', 'sighup', 'file');
setConfigOption('checkpoint_warning', '0', 'sighup', 'file');
const leave = enterDataDirectory();
makePoolWithServers(64, 4, 4096, Object.keys(AUXILIARY_SLOT).length, [
  backendIdShmem,
  procSignalShmem,
  backendStatusShmem,
]);
const area = shmemInitStruct('books', 4096).at;
const set = (i: number, value: number): void => void Atomics.store(mem.i32, (area + 4 * i) >>> 2, value);
const get = (i: number): number => Atomics.load(mem.i32, (area + 4 * i) >>> 2);
const [FLAGS, SYNCED, PENDING, SHUT, FAIL] = [0, 1, 2, 3, 4] as const;

function child(kind: string, work: () => void): number {
  const pid = native.fork();
  if (pid !== 0) return pid;
  resetExitCallbacks();
  forgetLatch();
  native.parentDeathSignal(SIGNAL.KILL);
  for (const signal of [SIGNAL.HUP, SIGNAL.INT, SIGNAL.TERM, SIGNAL.USR1, SIGNAL.USR2])
    native.signalAction(signal, native.SIG_ACTION.WORD);
  native.signalAction(SIGNAL.URG, native.SIG_ACTION.WAKE);
  becomeProcess(kind, kind);
  myProcess.isUnderPostmaster = true;
  initWaiting(-1);
  try {
    work();
  } catch (error) {
    process.stderr.write(`${kind}: ${(error as Error).stack}\n`);
    native.exitNow(3);
  }
  return exitProcess(0);
}
function reap(pid: number): number {
  const out = new Int32Array(2);
  native.waitpid(pid, true, out);
  return out[1]!;
}
const pause = new Int32Array(new SharedArrayBuffer(4));
function until(what: string, condition: () => boolean): void {
  const deadline = monotonicMs() + 20_000;
  while (!condition()) {
    if (monotonicMs() > deadline) throw new Error(`waited 20 s for ${what}`);
    Atomics.wait(pause, 0, 0, 2);
  }
}
/** A session that runs `work` and leaves. */
function session(work: () => void): void {
  const status = reap(
    child('backend', () => {
      setInterruptHandler(clearInterruptPending);
      joinPool();
      myProcess.isUnderPostmaster = true;
      work();
      endOwner(true);
    }),
  );
  if (status !== 0) throw new Error(`a session ended with status ${status}`);
}
const relation = () => smgrOpen(node(60_000), -1);

function dirtyAll(value: number): void {
  for (let block = 0; block < PAGES; block++) {
    const buffer = readBuffer(relation(), 'u', FORK.main, block, RBM.normal, null);
    lockBuffer(buffer, BUFFER_LOCK.exclusive);
    mem.view.setUint32(bufferPage(buffer) + VALUE, value, true);
    markBufferDirty(buffer);
    unlockReleaseBuffer(buffer);
  }
}
const onDisk = (): number[] => {
  const bytes = readFileSync('base/5/60000');
  return Array.from({ length: bytes.length / BLCKSZ }, (_, i) => bytes.readUInt32LE(i * BLCKSZ + VALUE));
};
const allAre = (value: number): boolean => onDisk().every((one) => one === value);

setCheckpointWork({
  checkpoint(flags) {
    set(FLAGS, flags);
    if (get(FAIL) === 1) {
      set(FAIL, 0);
      throw new PgError('ERROR', { message: 'the test wants a failure' });
    }
    checkpointBuffers(flags | CHECKPOINT.flushAll);
    set(SYNCED, get(SYNCED) + processSyncRequests().syncs);
    set(PENDING, pendingSyncCount());
    return true;
  },
  shutdown() {
    checkpointBuffers(CHECKPOINT.isShutdown);
    processSyncRequests();
    set(SHUT, 1);
  },
});

const pids = [child('checkpointer', () => checkpointer({} as never))];
until('the checkpointer', () => roleLatch('checkpointerProc') >= 0);
const result: Record<string, unknown> = {};

session(() => {
  smgrCreate(relation(), FORK.main, false);
  for (let block = 0; block < PAGES; block++) {
    const buffer = readBuffer(relation(), 'u', FORK.main, P_NEW, RBM.zeroAndLock, null);
    const page = bufferPage(buffer);
    for (const [at, word] of [
      [12, 32],
      [14, BLCKSZ],
      [16, BLCKSZ],
      [18, BLCKSZ | 4],
    ] as const)
      mem.view.setUint16(page + at, word, true);
    markBufferDirty(buffer);
    unlockReleaseBuffer(buffer);
  }
  dirtyAll(7);
  requestCheckpoint(CHECKPOINT.immediate | CHECKPOINT.wait | CHECKPOINT.force);
});
result['immediate'] = [allAre(7), get(FLAGS), get(SYNCED) > 0, get(PENDING)];

// Not immediate: the checkpointer sleeps between buffers, and stops doing so when somebody is in a hurry.
session(() => dirtyAll(8));
const began = monotonicMs();
const slow = child('backend', () => {
  joinPool();
  requestCheckpoint(CHECKPOINT.wait | CHECKPOINT.force);
  endOwner(true);
});
if (reap(slow) !== 0) throw new Error('the patient session failed');
result['paced'] = [allAre(8), monotonicMs() - began > 300];

session(() => dirtyAll(9));
set(FLAGS, 0);
const patient = child('backend', () => {
  joinPool();
  requestCheckpoint(CHECKPOINT.wait | CHECKPOINT.force);
  endOwner(true);
});
until('the slow checkpoint', () => get(FLAGS) !== 0);
const hurried = monotonicMs();
session(() => requestCheckpoint(CHECKPOINT.immediate | CHECKPOINT.wait | CHECKPOINT.force));
result['hurried'] = [allAre(9), monotonicMs() - hurried < 5000];
reap(patient);

set(FAIL, 1);
session(() => {
  try {
    requestCheckpoint(CHECKPOINT.immediate | CHECKPOINT.wait | CHECKPOINT.force);
    set(10, 0);
  } catch (error) {
    set(10, (error as Error).message === 'checkpoint request failed' ? 1 : 2);
  }
});
result['failed'] = get(10);
session(() => requestCheckpoint(CHECKPOINT.immediate | CHECKPOINT.wait | CHECKPOINT.force));

// The background writer cleans what readers leave behind, and hibernates when all is quiet.
pids.push(child('background-writer', () => backgroundWriter({} as never)));
until('the background writer', () => roleLatch('backgroundWriterProc') >= 0);
let round = 9;
until('cleaned buffers', () => {
  round++;
  session(() => dirtyAll(round));
  return bgwriterCounter('bufWrittenClean') > 0;
});
result['cleaned'] = bgwriterCounter('bufWrittenClean') > 0 && bgwriterCounter('bufAlloc') > 0;
result['requested'] = bgwriterCounter('requestedCheckpoints') >= 4;
result['backendWrites'] = bgwriterCounter('bufWrittenBackend') > 0;

native.kill(pids[1]!, SIGNAL.TERM);
result['backgroundWriterStatus'] = reap(pids[1]!);
native.kill(pids[0]!, SIGNAL.USR2);
result['checkpointerStatus'] = reap(pids[0]!);
result['shutdown'] = [get(SHUT), allAre(round)];
leave();
process.stdout.write(`${JSON.stringify(result)}\n`);
