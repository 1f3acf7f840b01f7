/** pool-fixture.ts — a buffer pool with what it stands on, in memory of this process or in a real segment, over a temporary
 *  data directory. Its relations are unlogged: no WAL is needed. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Oid, RelFileNode } from '#base/ids.ts';
import { native } from '#platform/native.ts';
import { setConfigOption } from '#runtime/guc/guc.ts';
import { useSignalWords } from '#runtime/interrupts.ts';
import { becomeProcess } from '#runtime/my-process.ts';
import { ResourceOwner, setCurrentResourceOwner } from '#runtime/resource-owner.ts';
import { lwLockShmem } from '#shm/lwlock-array.ts';
import { mapLocalMemory, mapSegment } from '#shm/memory.ts';
import { initProcess, procShmem, setProcCounts } from '#shm/proc.ts';
import { initShmemHeader, requestedShmemSize, requestShmemSpace, resetShmemRequests } from '#shm/shmem.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';
import { initWaiting } from '#shm/wait-event-set.ts';
import { bgwriterStatsShmem } from '#stats/bgwriter-stats.ts';
import { bufferShmem } from '#storage/buffer/buffer-pool.ts';
import { forgetPins } from '#storage/buffer/pin.ts';
import { checkpointerShmem } from '#storage/ipc/checkpoint-mailbox.ts';
import { RECOVERY_STATE, setRecoveryState } from '#wal/recovery-state.ts';
import { walShmem } from '#wal/wal-shmem.ts';
import { controlFileShmem } from '#wal/control-file.ts';

const subsystems: ShmemSubsystem[] = [
  lwLockShmem,
  procShmem,
  controlFileShmem,
  walShmem,
  bufferShmem,
  checkpointerShmem,
  bgwriterStatsShmem,
];

export const DATABASE = 5 as Oid;
export const node = (relNode: number): RelFileNode => ({
  spcNode: 1663 as Oid,
  dbNode: DATABASE,
  relNode: relNode as Oid,
});

/** Bytes of shared memory that the subsystems and `extra` need. */
function announce(buffers: number, processes: number, extra: number, auxiliary = 0): number {
  setConfigOption('shared_buffers', String(buffers), 'postmaster', 'commandLine');
  setConfigOption('temp_buffers', '100', 'user', 'session');
  useSignalWords(new Int32Array(native.signalWords()));
  setProcCounts({ client: processes, autovacuum: 0, bgworker: 0, walsender: 0, auxiliary, prepared: 0 });
  resetShmemRequests();
  for (const subsystem of subsystems) subsystem.request();
  requestShmemSpace(extra);
  return requestedShmemSize();
}
function initialize(size: number): void {
  initShmemHeader(size, native.getpid(), 1);
  for (const subsystem of subsystems) subsystem.init();
  setRecoveryState(RECOVERY_STATE.done);
}

/** A temporary data directory, entered; returns how to leave and remove it. */
export function enterDataDirectory(): () => void {
  const before = process.cwd();
  const folder = mkdtempSync(join(tmpdir(), 'nodegres-pool-'));
  mkdirSync(join(folder, 'base', String(DATABASE)), { recursive: true });
  process.chdir(folder);
  return () => {
    process.chdir(before);
    rmSync(folder, { recursive: true, force: true });
  };
}

/** For unit tests: one process, a fresh pool each time. */
export function makeLocalPool(buffers: number): void {
  const size = announce(buffers, 2, 0);
  mapLocalMemory(size + (64 << 20), size);
  initialize(size);
  becomeProcess('standalone', 'test');
  forgetPins();
  initWaiting(-1);
  initProcess('client');
  beginOwner();
}

/** For tests with several processes: the parent makes it, children join with joinPool. */
export function makeSharedPool(buffers: number, processes: number, extra: number): void {
  makePoolWithServers(buffers, processes, extra, 0, []);
}
/** The same with room for auxiliary processes and what they need. */
export function makePoolWithServers(
  buffers: number,
  processes: number,
  extra: number,
  auxiliary: number,
  more: readonly ShmemSubsystem[],
): void {
  subsystems.push(...more);
  const size = announce(buffers, processes, extra, auxiliary);
  mapSegment(native.createSegment('pool', size), size);
  initialize(size);
}
export function joinPool(): void {
  becomeProcess('backend', 'test');
  initWaiting(-1);
  initProcess('client');
  beginOwner();
}

export let owner = new ResourceOwner(null, 'test');
export function beginOwner(): void {
  owner = new ResourceOwner(null, 'test');
  setCurrentResourceOwner(owner);
}
/** Ends the owner's life as a transaction would. */
export function endOwner(isCommit: boolean): void {
  for (const phase of ['beforeLocks', 'locks', 'afterLocks'] as const) owner.releasePhase(phase, isCommit, true);
  beginOwner();
}
